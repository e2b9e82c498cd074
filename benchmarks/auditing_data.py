"""The rows of every auditing task: drawn once from a seed, kept in a file, the same for all."""

from pathlib import Path
from typing import Any

import numpy as np

from .data import GENERATED, available, keep, load, path

__all__ = ["FEW", "LEVELS", "PEOPLE", "Columns", "denied", "forest", "rows", "rows_file"]

SEED = 20261122
FEW = 20  # people that the slow peers are asked about
HELD_OUT = 20_000  # further rows on which a student is compared with its black box
LEVELS = (2, 2, 3, 4, 5, 6, 8, 10, 10, 12)  # values of the columns that are searched for slices
PEOPLE = (
    *("age", "tenure", "cards", "loans", "savings", "checking"),
    *("renting", "owning", "free housing", "months", "guarantor"),
)
CUT = 0.45  # from this risk on a person is denied

Columns = dict[str, np.ndarray]


def rows_file(n: int, drawn: str) -> dict[str, Any]:
    """Make the file of n rows of a kind."""
    return keep(_path(n, drawn), lambda: DRAWN[drawn](n))


def rows(n: int, drawn: str) -> Columns:
    """The columns of the file, checked once for all that is asked of them."""
    with np.load(_path(n, drawn)) as file:
        found = dict(file)
    if not all(np.isfinite(column).all() for column in found.values()):
        raise ValueError(f"{_path(n, drawn)} holds more than finite numbers; remove it")
    return found


def forest(found: Columns) -> Any:
    """A random forest that foresees defaults, on two threads."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(300, min_samples_leaf=20, random_state=0, n_jobs=2)
    return model.fit(found["X"], found["y"])


def denied(model: Any, X: np.ndarray) -> np.ndarray:
    return model.predict_proba(X)[:, 1] >= CUT


def _path(n: int, drawn: str) -> Path:
    source = "acs_" if drawn == "cells" and available("acs_income") else ""
    return GENERATED / f"auditing_{SEED}_{source}{drawn}_{n}.npz"


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _adult(n: int) -> Columns:
    """All of adult, the first n people who are asked about, and a few different ones of them."""
    X, y, _ = load("adult")
    different = np.unique(X[:n], axis=0)
    few = np.random.default_rng(SEED).choice(len(different), FEW, replace=False)
    return {"X": X, "y": y, "asked": X[:n], "few": different[few]}


def _applicants(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns in the order of `PEOPLE` and whether the loan was not paid back."""
    age = rng.integers(20, 71, n)
    counts = [rng.integers(0, high + 1, n) for high in (10, 5, 4, 4, 3)]
    tenure, cards, loans, savings, checking = counts
    housing = rng.choice(3, n, p=(0.4, 0.4, 0.2))
    months, guarantor = 6 * rng.integers(1, 9, n), rng.integers(0, 2, n)
    risk = 0.4 * cards + 0.3 * loans + 0.03 * months - 0.4 * savings - 0.5 * checking
    risk += 0.6 * (housing == 0) - 0.1 * tenure - 0.5 * guarantor - 0.01 * age - 0.1
    X = np.column_stack([age, *counts, *(housing == np.arange(3)[:, None]), months, guarantor])
    return X.astype(float), (rng.random(n) < _sigmoid(risk)).astype(np.int64)


def _people(n: int) -> Columns:
    """Rows to learn from, and n others whom the forest denies."""
    rng = np.random.default_rng(SEED)
    X, y = _applicants(rng, 10_000)
    others, _ = _applicants(rng, 6 * n)
    refused = denied(forest({"X": X, "y": y}), others)
    return {"X": X, "y": y, "asked": others[refused][:n]}


def _neighbours(n: int) -> Columns:
    """n rows of ten columns with two classes, a tenth mislabelled, and n / 100 to validate on."""
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(n + n // 100, 10))
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=len(X)) > 0).astype(np.int64)
    y[:n] ^= rng.random(n) < 0.1
    return {"X": X[:n], "y": y[:n], "X_valid": X[n:], "y_valid": y[n:]}


def _scored(n: int) -> Columns:
    """n rows of ten columns and `HELD_OUT` more; a score with interactions, and an outcome."""
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(n + HELD_OUT, 10))
    score = np.sin(2 * X[:, 0]) + X[:, 1] ** 2 / 2 + np.maximum(X[:, 2], 0) + 0.5 * X[:, 3]
    score += 0.3 * X[:, 4] * X[:, 5] + 0.3 * (X[:, 6] > 0) * X[:, 7] - 1
    y = (rng.random(len(X)) < _sigmoid(0.8 * score)).astype(np.int64)
    held = {"X_held": X[n:], "score_held": score[n:]}
    return {"X": X[:n], "score": score[:n], "y": y[:n]} | held


def _losses(n: int) -> Columns:
    """Ten columns with 62 values in all, and losses that are higher in one place of three."""
    rng = np.random.default_rng(SEED)
    X = np.column_stack([rng.integers(0, levels, n) for levels in LEVELS])
    planted = (X[:, 2] == 1) & (X[:, 5] == 3) & (X[:, 0] == 1)
    return {"X": X, "loss": 0.3 * rng.random(n) + 0.5 * planted}


def _cells(n: int) -> Columns:
    """Outcome, predicted risk, and two columns with 18 cells; of acs_income where it is there."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    if available("acs_income"):
        import polars as pl

        table = pl.read_parquet(path("acs_income"))[:n]
        X = table.select("AGEP", "SCHL", "WKHP").to_numpy().astype(float)
        y, race, sex = (table[name].to_numpy().astype(int) for name in ("PINCP", "RAC1P", "SEX"))
    else:
        rng = np.random.default_rng(SEED)
        X, sex = rng.normal(size=(n, 3)), rng.integers(1, 3, n)
        shares = np.array([70, 10, 8, 5, 3, 2, 1, 0.8, 0.2]) / 100
        race = rng.choice(9, n, p=shares)
        y = (rng.random(n) < _sigmoid(X @ [1, 0.5, 0.5] - 0.1 * race - 0.3 * sex)).astype(int)
    X = StandardScaler().fit_transform(X)
    p = LogisticRegression().fit(X, y).predict_proba(X)[:, 1]
    return {"y": y, "p": p, "race": race, "sex": sex}


DRAWN = {
    "adult": _adult,
    "people": _people,
    "neighbours": _neighbours,
    "scored": _scored,
    "losses": _losses,
    "cells": _cells,
}
