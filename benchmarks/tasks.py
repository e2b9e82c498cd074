"""What is to be measured: tasks, the limits they are held to, and how a call is timed."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Limit", "Task", "timed"]


@dataclass(frozen=True)
class Limit:
    """`figure` must be at most (`at_least`: at least) `value`, or a peer's figure plus `value`.

    With `faster` it must be at most the best peer's figure divided by `value`; with `same` it must
    equal the figure of all peers that ran.
    """

    figure: str
    value: float = 0.0
    at_least: bool = False
    beside: str | None = None
    faster: bool = False
    same: bool = False

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        if self.same:
            return f"{self.figure} as the peers'"
        if self.faster:
            return f"{self.figure} {sign} best peer / {self.value:,g}"
        if self.beside:
            return f"{self.figure} {sign} {self.beside} + {self.value:g}"
        return f"{self.figure} {sign} {self.value:.10g}"


@dataclass(frozen=True)
class Task:
    """One competitor in one case of a measure.

    `environment` names the peer whose Python runs it; `function` is `module:function` of this
    package, called with `arguments` in a process of its own; or `command` are the arguments of
    that Python, `{scratch}` standing for an empty folder. With `whole_process` the process is what
    is measured, `repeats` times, and `fresh_cache` names a variable that points to an empty folder.
    `tables` are the data sets that must be there, `prepare` a function, with its arguments, that
    makes the input file. The process gets `memory_gb` (10^9 bytes) of address space at most.
    `quick` tasks are part of the short run, `full` tasks of the long one.
    """

    measure: str
    case: str
    competitor: str
    environment: str
    function: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    whole_process: bool = False
    repeats: int = 1
    fresh_cache: str | None = None
    tables: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    prepare: tuple[str, dict[str, Any]] | None = None
    quick: bool = True
    full: bool = True
    limit_s: float = 600.0
    memory_gb: float | None = None


def timed(call: Callable[[], Any], repeats: int, budget_s: float = 30.0) -> tuple[Any, dict]:
    """The last result, the first call's wall seconds, and medians over the calls that follow.

    The calls stop when `budget_s` is spent; with a single call its own seconds stand for both.
    """
    walls, cpus = [], []
    begin = time.perf_counter()
    while len(walls) <= repeats and (not walls or time.perf_counter() - begin < budget_s):
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    later = slice(1, None) if len(walls) > 1 else slice(None)
    seconds = {"wall_s": statistics.median(walls[later]), "cpu_s": statistics.median(cpus[later])}
    return result, {"first_s": walls[0]} | seconds
