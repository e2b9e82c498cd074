"""Columns cut into a few values with words for each: what slices are made of."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from riskwright.core import ColumnError, EmptyDataError, Record
from riskwright.evidence.columns import Origin, canonical, level_text, object_series
from riskwright.evidence.containers import to_frame
from riskwright.evidence.cut_points import number_text, quantile_cuts

__all__ = ["ColumnBins", "as_frame", "column_bins"]

Codes = NDArray[np.int32]

MISSING = "missing"
_ORIGIN = Origin("table")


class ColumnBins(Record, frozen=True, kw_only=True):
    """How a column was cut: `words[k]` says in words what value k is.

    A column has either `cuts` (value k of the first `len(cuts) + 1` holds the numbers from
    cut k - 1 up to below cut k) or `levels` (its values as texts); levels with too few rows are
    pooled into one value, `pooled` of them. `missing` says that the last value is for missing ones.
    """

    column: str
    words: tuple[str, ...]
    cuts: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    pooled: int = 0
    missing: bool = False

    def phrase(self, words: str) -> str:
        """The condition as a part of a sentence."""
        link = "" if self.cuts and words != MISSING else "= "
        return f"{self.column} {link}{words}"

    def codes(self, frame: pl.DataFrame) -> Codes:
        """Number of the value of every row; -1 for levels that were not there.

        Raises `ColumnError` where the column is absent or of another type.
        """
        if self.column not in frame.columns:
            raise ColumnError(
                "a column is absent",
                where=self.column,
                expected="the columns that the slices were found on",
                got=", ".join(frame.columns[:8]),
            )
        values = _canonical(frame[self.column])
        last = len(self.words) - 1 if self.missing else -1
        if self.cuts:
            if values.dtype == pl.String:
                raise ColumnError("not numbers", where=self.column, expected="a column of numbers")
            place = np.searchsorted(np.asarray(self.cuts), _numbers(values), side="right")
            found = place.astype(np.int32)
            found[values.is_null().to_numpy()] = last
            return found
        known = {level: k for k, level in enumerate(self.levels)}
        other = len(self.levels) if self.pooled else -1
        distinct = values.unique().to_list()
        numbered = [last if v is None else known.get(level_text(v), other) for v in distinct]
        codes = values.replace_strict(distinct, numbered, default=None, return_dtype=pl.Int32)
        return np.asarray(codes.to_numpy(), dtype=np.int32)


def as_frame(table: Any, n: int, of: str = "loss") -> pl.DataFrame:
    """The table as a polars frame of n rows.

    Raises
    ------
    ColumnError : no columns, or a number of rows other than n. ParameterError : not a table.
    """
    if isinstance(table, Mapping):
        series = [_series(str(name), values) for name, values in table.items()]
        wrong = [s.name for s in series if s.len() != n]
        if wrong:
            raise ColumnError(
                f"length differs from {of}", where=", ".join(wrong[:5]), expected=f"{n} values"
            )
        frame = pl.DataFrame(series)
    else:
        frame = to_frame(table, _ORIGIN)
    if frame.width == 0:
        raise EmptyDataError("no columns", where="table")
    if frame.height != n:
        raise ColumnError(
            f"length differs from {of}", where="table", expected=f"{n} rows", got=str(frame.height)
        )
    return frame


def column_bins(series: pl.Series, bins: int, min_rows: int) -> ColumnBins:
    """Cut a column: numbers of more than `bins` distinct values at quantiles, others by level.

    Levels of fewer than `min_rows` rows are pooled; missing values have a value of their own.
    """
    values = _canonical(series)
    missing = values.null_count() > 0
    end = (MISSING,) if missing else ()
    counts = values.drop_nulls().value_counts()
    if values.dtype != pl.String and counts.height > bins:
        distinct, sizes = _numbers(counts[values.name]), counts["count"].to_numpy()
        weight = sizes.astype(np.float64)
        cuts = tuple(quantile_cuts(distinct, weight, max_cuts=bins - 1, round_cuts=True))
        words = _range_words(cuts, values.dtype.is_integer())
        return ColumnBins(column=series.name, words=words + end, cuts=cuts, missing=missing)
    return _level_bins(counts, values.name, min_rows, end)


def _level_bins(
    counts: pl.DataFrame, column: str, min_rows: int, end: tuple[str, ...]
) -> ColumnBins:
    texts, sizes = [level_text(v) for v in counts[column].to_list()], counts["count"].to_list()
    kept = [text for text, size in zip(texts, sizes, strict=True) if size >= min_rows]
    pooled = len(texts) - len(kept)
    if pooled == 1:
        kept, pooled = texts, 0
    levels = tuple(sorted(kept, key=_level_order))
    rare = (f"any of {pooled} rare values",) if pooled else ()
    return ColumnBins(
        column=column,
        words=levels + rare + end,
        levels=levels,
        pooled=pooled,
        missing=bool(end),
    )


def _numbers(values: pl.Series) -> NDArray[np.float64]:
    """As floats, 0 where missing."""
    return values.cast(pl.Float64).fill_null(0.0).to_numpy()


def _level_order(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def _series(name: str, values: Any) -> pl.Series:
    if isinstance(values, pl.Series):
        return values.alias(name)
    array = np.asarray(values)
    if array.ndim != 1:
        raise ColumnError("wrong shape", where=name, expected="one value per row")
    if array.dtype.kind in "biuf":
        return pl.Series(name, np.ascontiguousarray(array))
    return object_series(name, array.tolist(), _ORIGIN)


def _canonical(series: pl.Series) -> pl.Series:
    return canonical(series, _ORIGIN, as_text=series.dtype == pl.Boolean)


def _range_words(cuts: tuple[float, ...], whole: bool) -> tuple[str, ...]:
    if not cuts:
        return ()
    inner = []
    for low, high in itertools.pairwise(cuts):
        last = high - 1
        if whole and last == low:
            inner.append(f"exactly {number_text(low)}")
        elif whole:
            inner.append(f"{number_text(low)} to {number_text(last)}")
        else:
            inner.append(f"{number_text(low)} to below {number_text(high)}")
    return (f"below {number_text(cuts[0])}", *inner, f"{number_text(cuts[-1])} or more")
