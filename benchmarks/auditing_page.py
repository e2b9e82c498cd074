"""Whole audits by the command: from a saved card, or a column of scores, to the page."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from . import process
from .data import GENERATED

__all__ = ["audited", "files"]

SEED = 20261123
NUMBERS, LEVELS = 18, 4  # columns of numbers, and of text; with two groups and the outcome 25
THRESHOLD = 0.3


def files(n: int) -> dict[str, Any]:
    """Rows to learn from and n rows to audit, both with scores of a black box; a card; plans."""
    folder = _folder(n)
    if not (folder / "card" / "score.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(SEED)
        for name, size in (("train", 20_000), ("rows", n)):
            _table(rng, size).write_csv(folder / f"{name}.csv")
        for name, plan in _plans().items():
            (folder / f"{name}.json").write_text(json.dumps(plan))
        fit = ("--target", "y", "--ignore", "score", "--groups", "sex", "region", "--no-certify")
        process.run(_command("fit", folder / "train.csv", *fit, "--out", folder / "card"), 300)
    return {"folder": str(folder)}


def audited(n: int, saved: bool) -> dict[str, Any]:
    """The command once, from its start to its end."""
    folder = _folder(n)
    source = [folder / "card" / "score.json"] if saved else []
    plan = ("--plan", folder / ("card.json" if saved else "scores.json"))
    with tempfile.TemporaryDirectory() as scratch:
        page, kept = Path(scratch) / "page.html", Path(scratch) / "audit.json"
        learned = ("--reference", folder / "train.csv")
        command = _command("audit", *source, folder / "rows.csv", *plan, *learned)
        cost = process.run([*command, "--out", str(page), str(kept)], 600)
        found = json.loads(kept.read_text())
        figures = {
            "page_kb": page.stat().st_size / 1000,
            "findings": len(_inside(found, "findings")),
            "not_run": "; ".join(_inside(found, "not_run")) or "none",
        }
    return {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "figures": figures}


def _folder(n: int) -> Path:
    return GENERATED / f"auditing_page_{SEED}_{n}"


def _command(*words: Any) -> list[str]:
    return [sys.executable, "-m", "riskwright.cli", *map(str, words)]


def _inside(document: Any, name: str) -> Any:
    """The value of a key of the artifact, wherever its payload lies."""
    if name in document:
        return document[name]
    return next(v[name] for v in document.values() if isinstance(v, dict) and name in v)


def _plans() -> dict[str, dict[str, Any]]:
    common = {"target": "y", "groups": ["sex", "region"], "threshold": THRESHOLD}
    actions = {"only": ["x0", "x1", "x2", "c0"], "step": {"x1": 0.5}, "change": {"x0": [-1, 1]}}
    return {
        "card": {**common, "ignore": ["score"], "actions": actions},
        "scores": {**common, "score": "score"},
    }


def _table(rng: np.random.Generator, n: int) -> Any:
    import polars as pl

    X = rng.normal(size=(n, NUMBERS)).round(2)
    text = rng.choice(list("abcde"), size=(n, LEVELS))
    sex, region = rng.choice(["f", "m"], n), rng.choice(["north", "south", "east", "west"], n)
    z = X[:, :6] @ [0.9, -0.7, 0.5, 0.4, -0.3, 0.2] + 0.5 * X[:, 6] * (X[:, 7] > 0) - 1.2
    z += 0.6 * (text[:, 0] == "a") - 0.4 * (text[:, 1] == "b")
    y = (rng.random(n) < 1 / (1 + np.exp(-z - 0.3 * (sex == "f")))).astype(int)
    score = 1 / (1 + np.exp(-z + 0.2 * rng.normal(size=n)))
    columns = {f"x{j}": X[:, j] for j in range(NUMBERS)}
    columns |= {f"c{j}": text[:, j] for j in range(LEVELS)}
    return pl.DataFrame(columns | {"sex": sex, "region": region, "y": y, "score": score.round(4)})
