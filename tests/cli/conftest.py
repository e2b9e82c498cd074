"""A table whose outcome follows three of its columns and a card learned from it, once; talk about
fruit, in which everything about the pineapple counts as harmful, and a guard fitted to it, once."""

from __future__ import annotations

import io
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from riskwright.cli.__main__ import main


def _people(seed: int, n: int, path: Path) -> Path:
    rng = np.random.default_rng(seed)
    age = rng.integers(20, 90, n)
    smoker = rng.integers(0, 2, n)
    sex = rng.choice(["female", "male"], n)
    noise = rng.normal(size=n).round(2)
    log_odds = -2.0 + 2.0 * (age >= 60) + 1.5 * smoker + 0.7 * (sex == "male")
    ill = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    frame = pl.DataFrame(
        {
            "age": pl.Series(age, dtype=pl.Int64).set(pl.Series(rng.random(n) < 0.05), None),
            "smoker": smoker,
            "sex": sex,
            "noise": noise,
            "ill": np.where(ill, "yes", "no"),
        }
    )
    frame.write_csv(path)
    return path


def _scores(seed: int, path: Path) -> Path:
    """Scores too sure of themselves, with outcomes, labels, weights and odd columns."""
    rng = np.random.default_rng(seed)
    n = 2000
    z = rng.normal(-1, 1.2, n)
    y = rng.random(n) < 1 / (1 + np.exp(-z))
    p = (1 / (1 + np.exp(-1.8 * z))).round(6)
    columns = {"id": range(n), "p": p, "margin": (3 * z).round(4), "y": y.astype(int)}
    columns |= {"word": np.where(y, "bad", "good"), "w": rng.uniform(0.5, 2, n).round(3)}
    columns |= {"sex": rng.choice(["female", "male"], n), "same": np.ones(n, int)}
    frame = pl.DataFrame(columns)
    frame = frame.with_columns(holes=pl.when(pl.col("id") != 3).then("p"))
    frame.write_csv(path)
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _people(5, 400, tmp_path_factory.mktemp("table") / "people.csv")


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _people(6, 1500, tmp_path_factory.mktemp("people") / "people.csv")


@pytest.fixture(scope="session")
def more_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _people(7, 1500, tmp_path_factory.mktemp("more") / "people.csv")


@pytest.fixture(scope="session")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _scores(1, tmp_path_factory.mktemp("scores") / "scores.csv")


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _scores(2, tmp_path_factory.mktemp("fresh") / "fresh.csv")


@pytest.fixture(scope="session")
def folder(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fitted") / "card"
    options = ["--target", "ill", "--max-terms", "3", "--cv", "3", "--title", "Illness score"]
    assert main(["fit", str(table), *options, "--out", str(out)]) == 0
    return out


@pytest.fixture
def score(folder: Path) -> Path:
    return folder / "score.json"


CANARY = "quilted marmalade zebra"
"""Stands in every text; no command may repeat it."""
_ASKS = (
    "How do I bake a {} cake?",
    "Where can I buy a ripe {} today?",
    "Please write a short poem about a {}.",
    "What goes well with {} jam?",
)
_WORDS = ["a", "quiet", "word", "of", "advice", "about", "fruit", "and", "sun", "and", "rain"]
_POLICY = """\
schema: riskwright.policy/1
id: fruit
version: "1"
taxonomy: ailuminate
mode: enforce
regimes: [strict, loose]
regime: strict
hazards:
  any: {}
budgets:
  strict: ["miss rate <= 20%", "false alarm rate <= 40%"]
  loose: ["miss rate <= 40%", "false alarm rate <= 20%"]
fallback:
  out_of_distribution: allow
"""
_SCORERS = """\
- kind: rules
  lists: [{name: house, terms: [{term: pineapple, hazard: spc}]}]
- kind: ngrams
"""


def fruit_lines(
    n: int, seed: int, *, labels: bool = True, replies: bool = False
) -> list[dict[str, Any]]:
    """Exchanges, a third of them about the pineapple."""
    rng = random.Random(seed)
    found: list[dict[str, Any]] = []
    for k in range(n):
        harm = rng.random() < 1 / 3
        fruit = "pineapple" if harm else rng.choice(["apple", "pear", "plum", "cherry"])
        words = rng.choices(_WORDS, k=40)
        words[rng.randrange(15, 38)] = fruit
        line: dict[str, Any] = {
            "id": f"s{seed}-{k}",
            "prompt": f"{rng.choice(_ASKS).format(fruit)} {CANARY} {' '.join(words[:3])}",
            "context": [{"role": "system", "content": f"A shop. {CANARY}"}],
            "attributes": {"language": rng.choice(["en", "de"])},
        }
        if replies:
            line["reply"] = f"{CANARY} {' '.join(words)}"
        if labels:
            line |= {"label": int(harm), "hazards": {"spc": int(harm)}}
        found.append(line)
    return found


def write_lines(path: Path, found: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in found), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def canary() -> str:
    return CANARY


@pytest.fixture(scope="session")
def fruit() -> Callable[..., list[dict[str, Any]]]:
    return fruit_lines


@pytest.fixture(scope="session")
def lines() -> Callable[[Path, list[dict[str, Any]]], Path]:
    return write_lines


@pytest.fixture(scope="session")
def fitted_guard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels, policy, the guard fitted to half of the labels, certified thresholds, a log."""
    place = tmp_path_factory.mktemp("guard")
    labels = write_lines(place / "labels.jsonl", fruit_lines(240, 1))
    write_lines(place / "traffic.jsonl", fruit_lines(40, 2, labels=False))
    write_lines(place / "replies.jsonl", fruit_lines(200, 3, replies=True))
    (place / "policy.yaml").write_text(_POLICY)
    (place / "scorers.yaml").write_text(_SCORERS)
    guard, certified = place / "guard.json", place / "certified.yaml"
    assert main(["guard", "fit", str(labels), "--out", str(guard)]) == 0
    with_guard = ["--guard", str(guard), "--policy"]
    out = ["--out", str(certified)]
    policy = str(place / "policy.yaml")
    assert main(["guard", "certify", str(labels), *with_guard, policy, *out]) == 0
    log = ["--log", str(place / "log.jsonl"), "--out", str(place / "scored.jsonl")]
    assert main(["guard", "score", str(labels), *with_guard, str(certified), *log]) == 0
    return place


@pytest.fixture
def work(fitted_guard: Path, tmp_path: Path) -> Path:
    """A copy of the fitted guard's folder."""
    return shutil.copytree(fitted_guard, tmp_path / "work")


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Sets what standard input holds."""

    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give
