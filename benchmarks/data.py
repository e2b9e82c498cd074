"""The data sets: first column the outcome, the others the candidate columns."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["GENERATED", "TABLES", "adult_rows", "available", "keep", "load", "path", "shared"]

HERE = Path(__file__).parent
GENERATED = HERE / ".data"
TABLES = {
    "acs_income": "acs_income/ACSIncome.test.parquet",
    "adult": "adult_binary/adult_data.csv",
    "bank": "bank_binary/bank_binary.csv",
    "breastcancer": "breastcancer/breastcancer_data.csv",
    "mammo": "mammo/mammo_data.csv",
    "mushroom": "mushroom/mushroom_data.csv",
    "spambase": "spambase/spambase_data.csv",
    "spambase_binary": "spambase_binary/spambase_binary.csv",
}


def shared() -> Path:
    """The data sets' folder: under RISKWRIGHT_SHARED, or `../shared` beside the repository."""
    return Path(os.environ.get("RISKWRIGHT_SHARED") or HERE.parent.parent / "shared") / "data"


def path(name: str) -> Path:
    """Where a table lies, or the folder of texts `text:NAME`."""
    kind, _, folder = name.partition(":")
    return shared() / "text" / folder if kind == "text" else shared() / "table" / TABLES[kind]


def available(name: str) -> bool:
    return path(name).exists()


def keep(target: Path, draw: Callable[[], dict[str, np.ndarray]]) -> dict[str, Any]:
    """Draw arrays into a file unless they are there; in a process that no measure pays for."""
    if not target.is_file():
        GENERATED.mkdir(exist_ok=True)
        partial = target.with_suffix(".partial.npz")
        np.savez(partial, **draw())
        partial.rename(target)
    return {"file": str(target)}


def load(name: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Columns (n, d), outcome (n,) in {0, 1} and column names; `name:deciles` gives 0/1 items."""
    with path(name).open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")[1:]
        table = np.loadtxt(file, delimiter=",")
    X, y = table[:, 1:], (table[:, 0] > 0).astype(int)
    if name.endswith(":deciles"):
        X, names = _deciles(X, names)
    return X, y, names


def _deciles(X: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Items `x <= t` at the distinct deciles of each column; two-valued columns become 0/1."""
    columns, labels = [], []
    for values, name in zip(X.T, names, strict=True):
        levels = np.unique(values)
        if len(levels) <= 2:
            columns.append(values == levels[-1])
            labels.append(name)
            continue
        cuts = np.unique(np.quantile(values, np.arange(1, 10) / 10, method="lower"))
        for cut in cuts[cuts < levels[-1]]:
            columns.append(values <= cut)
            labels.append(f"{name} <= {cut:g}")
    return np.column_stack(columns).astype(float), labels


def adult_rows(n: int) -> str:
    """Write n rows drawn from adult, one column flipped in 3 % of them; return the Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = GENERATED / f"adult_{n}.parquet"
    if target.is_file():
        return str(target)
    GENERATED.mkdir(exist_ok=True)
    X, y, names = load("adult")
    X, rng, writer = X.astype(np.uint8), np.random.default_rng(0), None
    partial = target.with_suffix(".partial")
    for start in range(0, n, 1_000_000):
        size = min(1_000_000, n - start)
        rows = rng.integers(0, len(y), size)
        block = X[rows]
        flipped = np.flatnonzero(rng.random(size) < 0.03)
        block[flipped, rng.integers(0, X.shape[1], len(flipped))] ^= 1
        columns = {"Over50K": y[rows].astype(np.uint8)} | dict(zip(names, block.T, strict=True))
        table = pa.table({k: np.ascontiguousarray(v) for k, v in columns.items()})
        writer = writer or pq.ParquetWriter(partial, table.schema)
        writer.write_table(table)
    writer.close()
    partial.rename(target)
    return str(target)
