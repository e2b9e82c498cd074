"""Run one competitor in a process of its own and read what the process cost."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Cost", "OutOfMemory", "call", "child", "run"]

ROOT = Path(__file__).parent.parent


class OutOfMemory(Exception):
    """A process wanted more memory than it was given; the message is one line."""


@dataclass(frozen=True)
class Cost:
    """What a process took from start to end; peak memory is its resident set in MB (10^6 bytes)."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(
    command: list[str],
    limit_s: float,
    env: dict[str, str] | None = None,
    memory_gb: float | None = None,
) -> Cost:
    """Run a command from the repository root; RuntimeError with its last line when it fails.

    `OutOfMemory` where it failed for more than `memory_gb` (10^9 bytes) of address space.
    """

    def bound() -> None:
        if memory_gb is not None:
            resource.setrlimit(resource.RLIMIT_AS, (int(memory_gb * 1e9),) * 2)

    with tempfile.TemporaryFile("w+") as talk:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=subprocess.DEVNULL,
            stderr=talk,
            preexec_fn=bound,
        )
        timer = threading.Timer(limit_s, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            talk.seek(0)
            lines = talk.read().strip().splitlines() or ["no message"]
            if memory_gb is not None and "MemoryError" in lines[-1]:
                raise OutOfMemory(f"more than the {memory_gb:g} GB it was given")
            stopped = f"stopped after {limit_s:g} s: " if wall >= limit_s else ""
            raise RuntimeError(f"{stopped}exit {process.returncode}: {lines[-1]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


def call(
    python: Path,
    function: str,
    arguments: dict[str, Any],
    limit_s: float,
    memory_gb: float | None = None,
) -> tuple[dict[str, Any], Cost]:
    """Call `module:function` of this package in a fresh process of `python`."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [str(python), *child(function, arguments, answer)]
        cost = run(command, limit_s, memory_gb=memory_gb)
        return json.loads(answer.read_text()), cost


def child(function: str, arguments: dict[str, Any], answer: Path) -> list[str]:
    """What follows `python` to call `module:function` of this package, writing into `answer`."""
    module, name = function.split(":")
    order = json.dumps({"module": module, "name": name, "arguments": arguments})
    return ["-m", "benchmarks.child", order, str(answer)]
