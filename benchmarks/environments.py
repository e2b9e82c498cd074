"""Peers live in virtual environments of their own, made on demand from pinned, hashed files."""

import hashlib
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

__all__ = ["OURS", "Unavailable", "interpreter", "versions"]

HERE = Path(__file__).parent
OURS = "riskwright"
ABSENT = {
    "riskslim": "RiskSLIM is in no package registry and needs CPLEX",
    "reachml": "reachml is in no package registry and needs CPLEX",
    "fd-shifts": "fd-shifts is in no package registry and fails on NumPy 2",
    "llm-guard": "its scanners of harm download models; those that run offline look for secrets",
    "presidio-analyzer": "it finds personal data, not harm, and wants a model of spaCy",
}


class Unavailable(Exception):
    """A competitor that cannot be run here; the message is one line."""


def interpreter(competitor: str) -> Path:
    """The Python that runs a competitor; its environment is made when it is missing or stale.

    Raises `Unavailable` where the competitor cannot be had.
    """
    python, problem = _ours() if competitor == OURS else _peer(competitor)
    if problem:
        raise Unavailable(problem)
    return python


@cache
def _ours() -> tuple[Path, str]:
    probe = [sys.executable, "-c", "import riskwright; riskwright.RiskScoreClassifier"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return Path(sys.executable), done.stderr.strip().rpartition("\n")[2]


@cache
def _peer(competitor: str) -> tuple[Path, str]:
    if competitor in ABSENT:
        return Path(), ABSENT[competitor]
    pins = HERE / "peers" / f"{competitor}.txt"
    folder = HERE / ".envs" / competitor
    python = folder / "bin" / "python"
    stamp = folder / "pins.sha256"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return python, ""
    print(f"installing {competitor} into {folder} ...", file=sys.stderr, flush=True)
    venv.create(folder, clear=True, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "--require-hashes", "-r", pins], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        return python, f"pip could not install it: {(errors or ['no reason given'])[-1]}"
    stamp.write_text(digest)
    return python, ""


def versions() -> dict[str, str]:
    """The version of every peer, as pinned."""
    found = {}
    for pins in sorted((HERE / "peers").glob("*.txt")):
        lines = pins.read_text().splitlines()
        pinned = next(line for line in lines if line.startswith(f"{pins.stem}=="))
        found[pins.stem] = pinned.partition("==")[2].split()[0]
    return found
