"""Tables of numbers and levels as points in space, every column of the same weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from riskwright.core import ColumnError, EmptyDataError, ValueRangeError
from riskwright.evidence.columns import Origin
from riskwright.evidence.containers import to_frame

__all__ = ["MixedColumns"]

Floats = NDArray[np.float64]

MAX_LEVELS = 100
_LARGEST = 1e150


class MixedColumns:
    """Factor analysis of mixed data: how numbers and levels become columns of variance 1 together.

    Numbers are centred and divided by their standard deviation; missing ones stand at the median
    and an indicator column says so. A level of share s is the indicator less s, over sqrt(s), all
    levels of a column divided by sqrt(levels - 1) so that the column's variance is 1. Beyond the
    100 most frequent, levels are one. A level, or a missing value, that no row of the fit had adds
    the squared length that a level of share 1/(n + 1) would have to `novelty`, and nothing to the
    point. A number that never varied counts as a level. Pages (2004), Revue de statistique
    appliquee 52:93.
    """

    def fit(self, X: Any) -> MixedColumns:
        frame = to_frame(X, Origin("X"))
        if frame.height < 2 or frame.width == 0:
            raise EmptyDataError("too few rows or columns", where="X", expected="at least 2 rows")
        self.names_ = frame.columns
        self.columns_ = [part for name in self.names_ for part in _fitted(frame[name])]
        return self

    def transform(self, X: Any, where: str = "X") -> tuple[Floats, Floats]:
        """Points of shape (n, q), and novelty of shape (n,)."""
        frame = to_frame(X, Origin(where))
        absent = [name for name in self.names_ if name not in frame.columns]
        if absent:
            raise ColumnError(
                "columns missing",
                where=where,
                expected="the columns of the fit",
                got=f"no {absent}",
            )
        if frame.height == 0:
            raise EmptyDataError("no rows", where=where)
        parts = [column.points(frame[column.name], where) for column in self.columns_]
        points = np.concatenate([part for part, _ in parts], axis=1)
        return points, np.sum([novel for _, novel in parts], axis=0)


@dataclass(frozen=True)
class _Numbers:
    name: str
    median: float
    mean: float
    sd: float

    def points(self, series: pl.Series, where: str) -> tuple[Floats, Floats]:
        values = _numbers(series, where)
        values = np.where(np.isnan(values), self.median, values)
        return ((values - self.mean) / self.sd)[:, None], np.zeros(values.size)


@dataclass(frozen=True)
class _Levels:
    """Levels by text; `kind` says whether they are values, or whether a number is missing."""

    name: str
    kind: str
    place: dict[str, int]
    shares: Floats
    n: int

    def points(self, series: pl.Series, where: str) -> tuple[Floats, Floats]:
        texts = _texts(series, self.kind, where)
        unseen = len(self.shares)
        codes = np.array([self.place.get(text, unseen) for text in texts])
        weight = math.sqrt(max(unseen - 1, 1))
        indicator = (codes[:, None] == np.arange(unseen)).astype(np.float64)
        points = (indicator - self.shares) / np.sqrt(self.shares) / weight
        novel = codes == unseen
        points[novel] = 0.0
        return points, novel * (self.n / weight**2)


def _fitted(series: pl.Series) -> list[_Numbers | _Levels]:
    if not _is_number(series):
        return [_levels(series, "values")]
    values = _numbers(series, "X")
    known = values[~np.isnan(values)]
    if known.size == 0 or known.min() == known.max():
        return [_levels(series, "values")]
    filled = np.where(np.isnan(values), np.median(known), values)
    sd = float(filled.std())
    if sd == 0.0:
        return [_levels(series, "values")]
    numbers = _Numbers(series.name, float(np.median(known)), float(filled.mean()), sd)
    return [numbers, _levels(series, "missing")]


def _levels(series: pl.Series, kind: str) -> _Levels:
    texts, counts = np.unique(_texts(series, kind, "X"), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    places = np.minimum(np.argsort(order, kind="stable"), MAX_LEVELS)
    shares = np.bincount(places, counts) / counts.sum()
    place = dict(zip(texts.tolist(), places.tolist(), strict=True))
    return _Levels(series.name, kind, place, shares, len(series))


def _is_number(series: pl.Series) -> bool:
    return series.dtype.is_numeric()


def _numbers(series: pl.Series, where: str) -> Floats:
    if not _is_number(series) and series.dtype != pl.Null:
        raise ColumnError(
            "numbers when fitted, and not here",
            where=f"{where}: column {series.name!r}",
            expected="numbers",
            got=str(series.dtype),
        )
    values = series.cast(pl.Float64).to_numpy()
    values = np.where(series.is_null().to_numpy(), np.nan, values)
    bad = int((np.abs(values) > _LARGEST).sum())
    if bad:
        raise ValueRangeError(
            "infinite or huge values",
            where=f"{where}: column {series.name!r}",
            expected=f"numbers up to {_LARGEST:g}",
            got=f"{bad} of them",
        )
    return np.asarray(values)


def _texts(series: pl.Series, kind: str, where: str) -> list[str]:
    """Levels with a mark before them, so that no level is taken for a missing value."""
    if kind == "missing":
        return ["missing" if gone else "known" for gone in np.isnan(_numbers(series, where))]
    kinds = (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null)
    if not (_is_number(series) or isinstance(series.dtype, kinds)):
        raise ColumnError(
            "a column type that has no place among numbers and levels",
            where=f"{where}: column {series.name!r}",
            expected="numbers, text, categories or booleans",
            got=str(series.dtype),
            hint="Turn dates into numbers, as days before a fixed date",
        )
    if _is_number(series):
        values = _numbers(series, where)
        return ["missing" if value != value else f"={value:.17g}" for value in values.tolist()]
    texts = series.cast(pl.String).to_list()
    return ["missing" if text is None else f"={text}" for text in texts]
