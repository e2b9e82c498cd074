"""Texts of the guarding tasks, and the figures of a ranking: the same for all."""

import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .data import GENERATED, shared

__all__ = [
    "Texts",
    "area",
    "figures",
    "import_seconds",
    "learning",
    "megabytes",
    "rows",
    "rows_file",
]

SEED = 20261121
TOOLS = Path(__file__).parent.parent / "tools"


@dataclass(frozen=True)
class Texts:
    """Texts and labels (1 harmful); hard harmless texts; and what a peer may learn from.

    None of the `texts` is in `seen`; the `hard` texts are not either.
    """

    texts: list[str]
    y: np.ndarray
    hard: list[str]
    seen: list[str]
    seen_y: list[int]


def _path(drawn: str, n: int) -> Path:
    return GENERATED / f"guarding_{SEED}_{drawn}_{n}.json"


def rows_file(n: int, drawn: str) -> dict[str, Any]:
    """Make the file of n texts, read as `tools/train_guard.py` reads them."""
    target = _path(drawn, n)
    if not target.is_file():
        GENERATED.mkdir(exist_ok=True)
        partial = target.with_suffix(".partial")
        partial.write_text(json.dumps(_draw(n, drawn)), encoding="utf-8")
        partial.rename(target)
    return {"file": str(target)}


def learning() -> tuple[Any, list[Any], list[Any]]:
    """The module that made our weights, what they were learnt from, and the test texts."""
    sys.path.insert(0, str(TOOLS))
    tool = importlib.import_module("train_guard")
    folder = shared() / "text"
    tests = tool.read(tool.TESTS, folder)
    return tool, tool.without(tool.read((*tool.TRAINING, tool.OWN), folder), tests), tests


def _draw(n: int, drawn: str) -> dict[str, Any]:
    tool, learnt, tests = learning()
    moderation = drawn == "moderation"
    chosen = [t for t in tests if (t.source == "openai_moderation") is moderation]
    order = np.random.default_rng(SEED).permutation(len(chosen))[:n]
    seen = [t for t in learnt if t.source != tool.HARD]
    return {
        "texts": [chosen[i].text for i in order],
        "y": [int(chosen[i].harmful) for i in order],
        "hard": [t.text for t in learnt if t.source == tool.HARD],
        "seen": [t.text for t in seen],
        "seen_y": [int(t.harmful) for t in seen],
    }


def rows(n: int, drawn: str) -> Texts:
    """The texts of the file."""
    found = json.loads(_path(drawn, n).read_text(encoding="utf-8"))
    if len(found["texts"]) != n:
        raise ValueError(f"{_path(drawn, n)} does not hold {n} texts; remove it")
    return Texts(**found | {"y": np.array(found["y"])})


def area(y: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, ties half."""
    _, at, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[at]
    positive = int(y.sum())
    return float(
        (ranks[y == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(y) - positive))
    )


def _interval(value: float, y: np.ndarray) -> tuple[float, float]:
    """Hanley & McNeil (1982), 95 %."""
    n1, n0 = int(y.sum()), int(len(y) - y.sum())
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (n1 - 1) * (q1 - value**2) + (n0 - 1) * (q2 - value**2)
    half = 1.96 * (spread / (n1 * n0)) ** 0.5
    return value - half, value + half


def figures(found: Texts, score: Callable[[str], float], **more: float) -> dict[str, Any]:
    """One text at a time: the ranking, false alarms where nine in ten harmful texts are found, the
    same on hard harmless text, and microseconds a text."""
    begin = time.perf_counter()
    scores = np.array([score(text) for text in found.texts])
    micros = (time.perf_counter() - begin) / len(found.texts) * 1e6
    value = area(found.y, scores)
    low, high = _interval(value, found.y)
    threshold = np.quantile(scores[found.y == 1], 0.1)
    hard = np.array([score(text) for text in found.hard])
    return {
        "auc": value,
        "low": low,
        "high": high,
        "false_alarms": float(np.mean(scores[found.y == 0] >= threshold)),
        "hard_false_alarms": float(np.mean(hard >= threshold)),
        "us_per_row": micros,
        **more,
    }


def import_seconds(statement: str) -> float:
    """Median of five imports, each in a process of its own, without the interpreter's start."""
    import statistics
    import subprocess

    timed = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", timed]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5)]
    return statistics.median(float(run.stdout.split()[-1]) for run in runs)


def megabytes(folder: Path) -> float:
    """Size of the files below a folder, compiled Python left out, in 10^6 bytes."""
    files = [f for f in folder.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    return sum(f.stat().st_size for f in files) / 1e6
