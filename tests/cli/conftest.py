"""A small table whose outcome follows three of its columns, and a card learned from it once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from riskwright.cli.__main__ import main


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(5)
    n = 400
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
    path = tmp_path_factory.mktemp("table") / "people.csv"
    frame.write_csv(path)
    return path


@pytest.fixture(scope="session")
def folder(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fitted") / "card"
    options = ["--target", "ill", "--max-terms", "3", "--cv", "3", "--title", "Illness score"]
    assert main(["fit", str(table), *options, "--out", str(out)]) == 0
    return out


@pytest.fixture
def score(folder: Path) -> Path:
    return folder / "score.json"
