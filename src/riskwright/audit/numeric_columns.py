"""A table's columns as numbers, for models that add them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["numeric_columns"]

Floats = NDArray[np.float64]

MOST_LEVELS = 30


def numeric_columns(columns: Sequence[pl.Series]) -> dict[str, Floats]:
    """Name to values (n,): numbers as they are, levels as 0 and 1, missing values marked.

    A missing number stands at the mean of the others, beside a column "NAME missing". Of a
    column's levels the most frequent has no column; the 30 next ones have one each ("NAME = x"),
    the rest share one. Columns that do not vary, or repeat an earlier one, are left out.
    """
    found: dict[str, Floats] = {}
    seen: set[bytes] = set()
    for series in columns:
        for name, values in _encoded(series):
            content = values.tobytes()
            if values.min() < values.max() and content not in seen:
                seen.add(content)
                found[name] = values
    return found


def _encoded(series: pl.Series) -> Iterator[tuple[str, Floats]]:
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        values = series.cast(pl.Float64).fill_nan(None)
        if values.null_count() < len(values):
            yield series.name, values.fill_null(strategy="mean").to_numpy()
        if values.null_count():
            yield f"{series.name} missing", values.is_null().cast(pl.Float64).to_numpy()
        return
    texts = series.cast(pl.String).fill_null("(missing)")
    counts = texts.value_counts(sort=True)
    levels = counts.sort(["count", series.name], descending=[True, False])[series.name].to_list()
    for level in levels[1 : MOST_LEVELS + 1]:
        yield f"{series.name} = {level}", (texts == level).cast(pl.Float64).to_numpy()
    if len(levels) > MOST_LEVELS + 1:
        rest = texts.is_in(levels[MOST_LEVELS + 1 :])
        yield f"{series.name} = (other)", rest.cast(pl.Float64).to_numpy()
