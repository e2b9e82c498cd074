"""A small table whose outcome follows three of its columns, and a card learned from it once."""

from __future__ import annotations

from pathlib import Path

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
