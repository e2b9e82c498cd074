"""Scores and outcomes of any number of rows in bounded memory: `ScoreSketch`."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    ArtifactError,
    ColumnError,
    Estimate,
    ParameterError,
    digest_arrays,
)
from riskwright.stats._kernels import sketch_counts, sketch_weights

from ._inputs import checked_rows
from ._samples import Bracket, Kernel, Sample, Sketched

__all__ = ["ScoreSketch", "parted_bracket", "with_bracket"]

Floats = NDArray[np.float64]

_MAX_BINS = 2**20
_TICKS = 2.0**40
_BATCH = 2**18


class ScoreSketch(Sketched):
    """Outcomes counted by score on a fine grid: any number of rows in bounded memory.

    Stands wherever `(y, p)` does: `brier(sketch)`, `auroc(sketch)`, `calibration_error(sketch)`,
    `reliability(sketch)`, `evaluate(sketch)`; a mapping from labels to sketches stands for
    groups. Every such estimate has a `bracket` that surely holds the value of the rows
    themselves, or says in its method that there is none.

    Parameters
    ----------
    bins : a power of two, 2 to 2^20
        Cells of equal width on [0, 1]; 32 bytes of memory each, 40 where weighted.
    weighted : whether rows have weights.

    Notes
    -----
    Scores are probabilities, in [0, 1]; others are refused. A cell holds the rows (or weights and
    their squares) of either outcome and the sum of the scores, in whole ticks of 2^-40 where there
    are no weights, with the number of rows above its lower edge: then merging gives the same in
    any order, and so does the `digest`. `update` takes about 3 ns per row, with its checks.

    Examples
    --------
    >>> from riskwright.metrics import auroc
    >>> first = ScoreSketch().update([0.1, 0.8, 0.6], [0, 1, 1])
    >>> second = ScoreSketch().update([0.7, 0.2], [0, 0])
    >>> f"{auroc(first + second).value:.3f}"
    '0.833'
    """

    def __init__(self, bins: int = 65536, *, weighted: bool = False) -> None:
        if not 2 <= bins <= _MAX_BINS or bins & (bins - 1):
            raise ParameterError(
                "impossible number of bins",
                where="bins",
                expected="a power of two from 2 to 2^20",
                got=repr(bins),
            )
        self.bins = bins
        self.weighted = weighted
        self._rows = 0
        self._table: NDArray[Any] = (
            np.zeros((bins, 5)) if weighted else np.zeros((bins, 4), dtype=np.int64)
        )

    @property
    def n(self) -> int:
        """Rows of positive weight so far."""
        return self._rows

    @property
    def digest(self) -> str:
        """`sha256:` and 64 digits over everything that the sketch holds."""
        return digest_arrays([self.bins, self._rows], self._table)

    def __repr__(self) -> str:
        weighted = ", weighted=True" if self.weighted else ""
        return f"<ScoreSketch(bins={self.bins}{weighted}) of {self._rows:,} rows>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScoreSketch):
            return NotImplemented
        same = self._rows == other._rows and self.weighted == other.weighted
        return same and np.array_equal(self._table, other._table)

    __hash__ = None  # type: ignore[assignment]

    def update(
        self, score: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> ScoreSketch:
        """Add rows, all or (on an error) none, and return the sketch itself.

        Raises
        ------
        DataError : as for `brier`.
        ParameterError : weights for a sketch without, or none for a sketch with weights.
        """
        if (sample_weight is not None) != self.weighted:
            expected = "weights" if self.weighted else "no weights"
            raise ParameterError(
                "weights do not fit the sketch",
                where="sample_weight",
                expected=expected,
                hint="Make the sketch with weighted=True where rows have weights",
            )
        rows = checked_rows(y, score, sample_weight, probabilities=True)
        if self.weighted:
            sketch_weights(self._table, rows.p, rows.outcome, rows.weight)
        else:
            sketch_counts(self._table, rows.p, rows.outcome)
        self._rows += rows.p.size
        return self

    def merge(self, other: ScoreSketch) -> ScoreSketch:
        """A new sketch of the rows of both; raises `ParameterError` where they differ in kind."""
        if (self.bins, self.weighted) != (other.bins, other.weighted):
            raise ParameterError(
                "sketches of different kind",
                where="merge",
                expected=f"bins={self.bins}, weighted={self.weighted}",
                got=f"bins={other.bins}, weighted={other.weighted}",
            )
        merged = ScoreSketch(self.bins, weighted=self.weighted)
        merged._rows = self._rows + other._rows
        merged._table = self._table + other._table
        return merged

    __add__ = merge

    @classmethod
    def from_parquet(
        cls,
        path: str | os.PathLike[str],
        *,
        score: str,
        target: str,
        sample_weight: str | None = None,
        bins: int = 65536,
        batch_rows: int = _BATCH,
    ) -> ScoreSketch:
        """Sketch of the columns `score` and `target` of a Parquet file, read in batches.

        Memory is that of a few batches, however many rows the file has. Raises `ColumnError`
        where a column is missing, `DataError` as `update` does.
        """
        import polars as pl

        names = [name for name in (score, target, sample_weight) if name is not None]
        rows = pl.scan_parquet(os.fspath(path))
        missing = [name for name in names if name not in rows.collect_schema().names()]
        if missing:
            raise ColumnError("no such column", where=str(path), got=", ".join(missing))
        sketch = cls(bins, weighted=sample_weight is not None)
        for batch in rows.select(list(dict.fromkeys(names))).collect_batches(chunk_size=batch_rows):
            if batch.height:
                weight = None if sample_weight is None else batch[sample_weight]
                sketch.update(batch[score], batch[target], weight)
        return sketch

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and body for `save`: the cells that hold rows."""
        held = np.flatnonzero(self._table.any(axis=1))
        body = {"bins": self.bins, "weighted": self.weighted, "rows": self._rows}
        columns = dict(zip(_names(self.weighted), self._table[held].T.tolist(), strict=False))
        return "score_sketch", {**body, "bin": held.tolist(), **columns}

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> ScoreSketch:
        """The sketch of a saved body; raises `ArtifactError` where it is not one."""
        saved = msgspec.convert(body, _Saved)
        sketch = cls(saved.bins, weighted=saved.weighted)
        places = np.array(saved.bin, dtype=np.int64)
        columns = [body[name] for name in _names(saved.weighted)]
        table = np.array(columns, dtype=sketch._table.dtype).T
        if places.size:
            whole = places[0] >= 0 and places[-1] < saved.bins and (np.diff(places) > 0).all()
            if not whole or not np.isfinite(table).all() or (table < 0).any():
                raise ArtifactError("cells out of range", where="score_sketch")
            sketch._table[places, : table.shape[1]] = table
        sketch._rows = saved.rows
        counted = int(sketch._table[:, :2].sum())
        if saved.rows < 0 or not (saved.weighted or counted == saved.rows):
            raise ArtifactError("rows do not add up", where="score_sketch")
        return sketch

    def cells(self) -> Cells:
        """The cells that hold rows, in order."""
        table = self._table
        held = np.flatnonzero(table[:, 0] + table[:, 1])
        w0, w1, above = (table[held, k].astype(np.float64) for k in range(3))
        q0, q1 = (table[held, 3], table[held, 4]) if self.weighted else (w0, w1)
        low = held / self.bins
        high = np.where(held == self.bins - 1, 1.0, np.nextafter((held + 1) / self.bins, 0))
        pure = (above if self.weighted else table[held, 3]) == 0
        if not self.weighted:
            above = (above + table[held, 3] / 2) / _TICKS  # ticks were rounded down
        mean = np.minimum(low + above / (w0 + w1), high)
        return Cells(self._rows, low, np.where(pure, low, high), mean, w1, w0, q1, q0)

    def middle(self) -> Sample:
        cells = self.cells()
        return cells.at(cells.mean)

    def lower(self) -> Sample:
        cells = self.cells()
        return cells.at(cells.low)

    def displacement(self) -> float:
        """Bound on the mean of |residual| times the distance of the score from its cell's mean."""
        c = self.cells()
        residual = c.w1 * (1 - c.low) + c.w0 * c.high
        distance = np.maximum(c.mean - c.low, c.high - c.mean)
        return float(residual @ distance) / float((c.w1 + c.w0).sum())

    def estimate(self, kernel: Kernel, level: float, bracket: Bracket | None = None) -> Estimate:
        found = kernel(self.middle(), level)
        if bracket is not None:
            return bracket(self, kernel, level, found)
        return msgspec.structs.replace(found, method=found.method + self.without_bracket)

    @property
    def without_bracket(self) -> str:
        return f"; scores known to 1/{self.bins}, no bracket"


@dataclass(frozen=True)
class Cells:
    """The cells of a sketch that hold rows: their ends, mean scores and folded weights."""

    n: int
    low: Floats
    high: Floats
    mean: Floats
    w1: Floats
    w0: Floats
    q1: Floats
    q0: Floats

    def at(self, value: Floats) -> Sample:
        """All rows of a cell at one score."""
        return Sample(value, self.w1, self.w0, self.q1, self.q0, self.n)

    def parted(self, best: bool) -> Sample:
        """Events at one end of their cell and the others at the other end.

        At best events lie highest, at worst lowest; cells whose rows are known to lie at their
        lower end stay whole.
        """
        none = np.zeros_like(self.low)
        value = np.column_stack([self.low, self.high]).ravel()
        pairs = [(none, self.w1), (self.w0, none), (none, self.q1), (self.q0, none)]
        columns = []
        for lower, upper in pairs:
            ends = (lower, upper) if best else (upper, lower)
            columns.append(np.column_stack(ends).ravel())
        pure = np.flatnonzero(self.low == self.high)
        for column in columns:
            column[2 * pure] += column[2 * pure + 1]
        filled = (columns[0] + columns[1]) > 0
        filled[2 * pure + 1] = False
        w1, w0, q1, q0 = (column[filled] for column in columns)
        return Sample(value[filled], w1, w0, q1, q0, self.n)


def parted_bracket(sketch: ScoreSketch, kernel: Kernel, level: float, found: Estimate) -> Estimate:
    """For figures that are extreme where events lie at one end of each cell, the others at the
    other end."""
    cells = sketch.cells()
    ends = kernel(cells.parted(True), level), kernel(cells.parted(False), level)
    return with_bracket(found, *ends, bins=sketch.bins)


def with_bracket(found: Estimate, *ends: Estimate, bins: int) -> Estimate:
    """`found` with a bracket from the estimates at both extremes; its interval holds theirs."""
    every = (found, *ends)
    values = [estimate.value for estimate in every]
    if any(math.isnan(value) for value in values):
        method = f"{found.method}; scores known to 1/{bins}, no bracket"
        return msgspec.structs.replace(found, method=method)
    return msgspec.structs.replace(
        found,
        low=float(np.min([estimate.low for estimate in every])),
        high=float(np.max([estimate.high for estimate in every])),
        bracket=(min(values), max(values)),
        method=f"{found.method}; sketch, interval over the bracket",
    )


class _Saved(msgspec.Struct):
    bins: int
    weighted: bool
    rows: int
    bin: list[int]


def _names(weighted: bool) -> tuple[str, ...]:
    names = ("nonevents", "events", "above")
    return (*names, "nonevents_squared", "events_squared") if weighted else (*names, "rows_above")
