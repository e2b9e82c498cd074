"""Columns of a table cut into a few dozen bins, with words for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from riskwright.core import ColumnError, EmptyDataError, ParameterError
from riskwright.evidence.columns import Origin, canonical, level_text, quoted
from riskwright.evidence.containers import check_names, to_frame

__all__ = ["ColumnBins", "TableBins", "bin_table", "check_bins"]

Floats = NDArray[np.float64]
Codes = NDArray[np.uint16]
MISSING, OTHER = "missing", "other"
MAX_LEVELS = 511
MIN_ROWS = 5
_ORIGIN = Origin("X")


@dataclass(frozen=True, eq=False)
class ColumnBins:
    """The bins of one column: ordered ones of numbers or levels of text, then other, then missing.

    `ends` are the lowest and highest number seen in each ordered bin; `levels` the texts; `tails`
    more knots within the first and the last ordered bin, where a curve goes furthest.
    """

    name: str
    ends: tuple[tuple[float, float], ...]
    levels: tuple[str, ...]
    other: bool
    missing: bool
    tails: tuple[float, ...] = ()

    @property
    def ordered(self) -> int:
        """How many bins have neighbours, 0 for text."""
        return len(self.ends)

    @property
    def size(self) -> int:
        return len(self.ends) + len(self.levels) + self.other + self.missing

    @property
    def labels(self) -> tuple[str, ...]:
        numbers = tuple(self.words(k, k) for k in range(self.ordered))
        return numbers + self.levels + (OTHER,) * self.other + (MISSING,) * self.missing

    def words(self, first: int, last: int) -> str:
        """Ordered bins `first` to `last` in words."""
        low, high = self.ends[first][0], self.ends[last][1]
        if low == high:
            return _digits(low)
        if last == self.ordered - 1 and first == 0:
            return "any number"
        if last == self.ordered - 1:
            return f"{_digits(low)} or more"
        return f"up to {_digits(high)}" if first == 0 else f"{_digits(low)} to {_digits(high)}"

    @property
    def stepped(self) -> bool:
        """Whether every number has a bin of its own."""
        return all(low == high for low, high in self.ends)

    @property
    def knots(self) -> Floats:
        """Where the pieces of a piecewise linear curve meet: the numbers, or the bins' borders."""
        ends = np.array(self.ends).reshape(-1, 2)
        if self.stepped:
            return ends[:, 0]
        borders = (ends[:-1, 1] + ends[1:, 0]) / 2
        return np.unique(np.concatenate([ends[:1, 0], borders, ends[-1:, 1], self.tails]))

    @property
    def nodes(self) -> int:
        """How many values describe the curve: one a knot, a level, other, missing."""
        return self.size - self.ordered + self.knots.size

    def places(self, column: pl.Series) -> tuple[Codes, Floats]:
        """The node at or below every row and how far it leans to the next one, 0 to 1.

        The node is `nodes` where none holds the row; numbers beyond the ends stay at the ends.
        """
        cells = self.codes(column).astype(np.int64)
        knots = self.knots
        lean = np.zeros(cells.size)
        place = cells + (self.nodes - self.size)
        if self.ordered and not self.stepped:
            held = np.flatnonzero(cells < self.ordered)
            x = np.clip(_float(column[held]), knots[0], knots[-1])
            below = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, knots.size - 2)
            place[held] = below
            lean[held] = (x - knots[below]) / (knots[below + 1] - knots[below])
        return place.astype(np.uint16), lean

    def codes(self, column: pl.Series) -> Codes:
        """The bin of every row; `size` where no bin holds it."""
        place = self._of_text(column) if self.levels or self.other else self._of_numbers(column)
        absent = column.is_null().to_numpy()
        if absent.any():
            place[absent] = self.size - 1 if self.missing else self.size
        return place.astype(np.uint16)

    def _of_numbers(self, column: pl.Series) -> NDArray[np.int64]:
        if not column.dtype.is_numeric():
            if self.ordered:
                raise ColumnError("text in a column of numbers", where=_ORIGIN.column(self.name))
            return np.full(len(column), self.size)
        if not self.ordered:
            return np.full(len(column), self.size)
        ends = np.array(self.ends)
        return np.searchsorted((ends[:-1, 1] + ends[1:, 0]) / 2, _float(column)).astype(np.int64)

    def _of_text(self, column: pl.Series) -> NDArray[np.int64]:
        codes = range(len(self.levels))
        unknown = len(self.levels) if self.other else self.size
        placed = column.cast(pl.String).replace_strict(
            list(self.levels), list(codes), default=unknown, return_dtype=pl.Int64
        )
        return placed.fill_null(0).to_numpy().copy()


@dataclass(frozen=True, eq=False)
class TableBins:
    """The bins of all columns."""

    columns: tuple[ColumnBins, ...]
    categorical: frozenset[str]

    def series(self, X: Any) -> list[pl.Series]:
        """The columns of a like table, in order."""
        return _series(X, self.categorical, [column.name for column in self.columns])


def bin_table(
    X: Any, *, bins: int, categorical: Sequence[str], min_rows: int = MIN_ROWS
) -> tuple[TableBins, list[pl.Series]]:
    """Bins of every column of `X`, about equally full, and the columns.

    Numbers with at most `bins` distinct values have a bin for each; bins of fewer than `min_rows`
    rows join their neighbour, rare levels and those beyond 511 become "other".
    """
    columns = _series(X, frozenset(categorical))
    unknown = set(categorical) - {column.name for column in columns}
    if unknown:
        raise ColumnError(
            f"no column {quoted(sorted(unknown)[0])}", where="categorical", expected="columns of X"
        )
    found = tuple(
        _text_bins(column, min_rows)
        if column.dtype == pl.String
        else _number_bins(column, bins, min_rows)
        for column in columns
    )
    return TableBins(found, frozenset(categorical)), columns


def _series(
    X: Any, categorical: frozenset[str], names: Sequence[str] | None = None
) -> list[pl.Series]:
    frame = to_frame(X, _ORIGIN)
    check_names(frame.columns, _ORIGIN)
    if frame.width == 0 or frame.height == 0:
        raise EmptyDataError("no columns" if frame.width == 0 else "no rows", where="X")
    if names is not None:
        absent = [name for name in names if name not in frame.columns]
        if absent:
            raise ColumnError(f"no column {quoted(absent[0])}", where="X")
        frame = frame.select(names)
    return [canonical(column, _ORIGIN, as_text=column.name in categorical) for column in frame]


def _float(column: pl.Series) -> Floats:
    values: Floats = column.cast(pl.Float64).to_numpy()
    return values


def _number_bins(column: pl.Series, bins: int, min_rows: int) -> ColumnBins:
    values = _float(column.drop_nulls())
    missing = values.size < len(column)
    distinct, count = np.unique(values, return_counts=True)
    if distinct.size > bins:
        middle = np.cumsum(count) - count / 2
        bin_of = (middle * bins / values.size).astype(np.int64)
    else:
        bin_of = np.arange(distinct.size)
    firsts = np.flatnonzero(np.diff(bin_of, prepend=-1)) if distinct.size else np.empty(0, int)
    firsts = _full_enough(firsts, count, min(min_rows, max(values.size // 2, 1)))
    lasts = np.append(firsts[1:], distinct.size) - 1 if firsts.size else firsts
    ends = tuple(
        (float(distinct[a]), float(distinct[b])) for a, b in zip(firsts, lasts, strict=True)
    )
    tails: tuple[float, ...] = ()
    if distinct.size > bins and len(ends) > 1:
        ordered = np.sort(values)
        first = int(count[: firsts[1]].sum())
        last = int(count[firsts[-1] :].sum())
        tails = (*_halves(ordered[:first]), *_halves(ordered[: -last - 1 : -1]))
    return ColumnBins(column.name, ends, (), False, missing, tails)


def _halves(outermost_first: Floats) -> tuple[float, ...]:
    """Half, a quarter, ... of a bin from its outer end, down to `MIN_ROWS` rows."""
    rows, found = outermost_first.size // 2, list[float]()
    while rows >= MIN_ROWS:
        found.append(float(outermost_first[rows - 1 : rows + 1].mean()))
        rows //= 2
    return tuple(found)


def _full_enough(
    firsts: NDArray[np.int64], count: NDArray[np.int64], least: int
) -> NDArray[np.int64]:
    """The bins that begin at `firsts`, joined from the left until each holds `least` rows."""
    if not firsts.size:
        return firsts
    held = np.add.reduceat(count, firsts)
    kept: list[int] = []
    inside = 0
    for first, rows in zip(firsts, held, strict=True):
        if not kept or inside >= least:
            kept.append(int(first))
            inside = 0
        inside += rows
    if inside < least and len(kept) > 1:
        kept.pop()
    return np.array(kept, dtype=np.int64)


def _text_bins(column: pl.Series, min_rows: int) -> ColumnBins:
    counted = column.drop_nulls().value_counts(sort=True)
    names, counts = counted[column.name].to_list(), counted["count"].to_numpy()
    kept = sorted(
        name for name, rows in zip(names[:MAX_LEVELS], counts, strict=False) if rows >= min_rows
    )
    return ColumnBins(column.name, (), tuple(kept), len(kept) < len(names), column.null_count() > 0)


def _digits(value: float) -> str:
    return level_text(value) if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"


def check_bins(bins: int) -> None:
    if not 2 <= bins <= 1024:
        raise ParameterError(
            "number of bins out of range", where="bins", expected="2 to 1024", got=repr(bins)
        )
