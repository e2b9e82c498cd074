"""The one place where calibrators check scores, outcomes and groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    TargetError,
    ValueRangeError,
)
from riskwright.metrics._inputs import checked_rows, factorised
from riskwright.stats import _kernels
from riskwright.stats._columns import length_error, numbers

__all__ = ["CLIP", "Floats", "ScoredRows", "checked_scores", "group_codes", "inside", "scored_rows"]

Floats = NDArray[np.float64]
Extent = tuple[float, float]
CLIP = 2.0**-52


class _Scan(NamedTuple):
    """Whether scores are finite and outcomes 0 and 1; rows and extents of either outcome."""

    good: bool
    counts: tuple[int, int]
    extents: tuple[Extent, Extent]


@dataclass(frozen=True)
class ScoredRows:
    """Checked rows of positive weight; `weight` is None where every row counts once."""

    score: Floats
    y: Floats
    weight: Floats | None
    kept: NDArray[np.bool_]

    def __len__(self) -> int:
        return self.y.size

    def take(self, rows: NDArray[Any]) -> ScoredRows:
        """Some of the rows, by index or mask."""
        weight = None if self.weight is None else self.weight[rows]
        return ScoredRows(self.score[rows], self.y[rows], weight, np.ones(0, bool))

    @property
    def class_counts(self) -> tuple[int, int]:
        """Number of rows with outcome 0 and with outcome 1."""
        return self._scan.counts

    @property
    def class_extents(self) -> tuple[Extent, Extent]:
        """Least and greatest score of outcome 0 and of outcome 1; infinite where it has no rows."""
        return self._scan.extents

    @property
    def extent(self) -> Extent:
        """Least and greatest score."""
        (least0, most0), (least1, most1) = self.class_extents
        return min(least0, least1), max(most0, most1)

    @cached_property
    def _scan(self) -> _Scan:
        return _scanned(_doubles(self.score), _doubles(self.y))[0]

    @property
    def class_weights(self) -> tuple[float, float]:
        """Summed weight of outcome 0 and of outcome 1."""
        if self.weight is None:
            zeros, ones = self.class_counts
            return float(zeros), float(ones)
        ones_weight = float(self.weight @ self.y)
        return float(self.weight.sum()) - ones_weight, ones_weight

    def refuse_outside_unit(self) -> None:
        """`ValueRangeError` unless all scores lie in [0, 1]."""
        _refuse_outside_unit(*self.extent)


def scored_rows(score: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> ScoredRows:
    """Rows to learn from; refuses NaN, other outcomes, one class only, lengths that differ."""
    checked = _plain_rows(score, y) if sample_weight is None else None
    if checked is None:
        rows = checked_rows(y, column(score), sample_weight, probabilities=False)
        weight = None if sample_weight is None else rows.weight
        kept = np.ones(rows.p.size, np.bool_) if rows.kept is None else rows.kept
        checked = ScoredRows(rows.p, rows.y, weight, kept)
    zeros, ones = checked.class_counts
    if not zeros or not ones:
        raise TargetError(
            "only one class",
            where="y",
            expected="rows with outcome 0 and rows with outcome 1",
            got=f"{len(checked)} rows with outcome {int(ones > 0)}",
        )
    return checked


def _plain_rows(score: ArrayLike, y: ArrayLike) -> ScoredRows | None:
    """Rows of faultless arrays of common types, seen in one pass; None for all others."""
    if not isinstance(score, np.ndarray) or not isinstance(y, np.ndarray):
        return None
    if score.shape != y.shape or y.ndim != 1 or y.size == 0:
        return None
    if score.dtype != np.float64 or y.dtype not in (np.bool_, np.uint8, np.int64, np.float64):
        return None
    score, y = np.ascontiguousarray(score), np.ascontiguousarray(y)
    scan, outcome = _scanned(score, y.view(np.uint8) if y.dtype == np.bool_ else y)
    if not scan.good:
        return None
    rows = ScoredRows(score, outcome, None, np.ones(y.size, bool))
    rows.__dict__["_scan"] = scan
    return rows


def _doubles(values: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float64)


def _scanned(score: Floats, y: NDArray[Any]) -> tuple[_Scan, Floats]:
    """What a look at all rows finds, and the outcomes as doubles."""
    outcome = y if y.dtype == np.float64 else np.empty(y.size)
    good, without, with_, events = _kernels.scan_rows(
        score, y, np.empty(0) if outcome is y else outcome
    )
    return _Scan(good, (y.size - events, events), (without, with_)), outcome


def column(values: ArrayLike) -> NDArray[Any]:
    """A single column as one dimension."""
    array = np.asarray(values)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def checked_scores(score: ArrayLike, *, probabilities: bool) -> Floats:
    """Scores to calibrate: one finite number per row, in [0, 1] where the method needs that."""
    scores = numbers(column(score), "score")
    if probabilities:
        _refuse_outside_unit(float(scores.min()), float(scores.max()))
    return scores


def _refuse_outside_unit(least: float, most: float) -> None:
    if least < 0.0 or most > 1.0:
        raise ValueRangeError(
            "probabilities out of range",
            where="score",
            expected="values in [0, 1]",
            got=f"values from {least:g} to {most:g}",
            hint="For other scores use platt, isotonic, histogram or venn-abers",
        )


def inside(p: Floats, extent: Extent | None = None) -> tuple[Floats, int]:
    """Probabilities moved into [2^-52, 1 - 2^-52], and how many were moved.

    `extent` is that of `p`, where it is known.
    """
    least, most = extent or (p.min(), p.max())
    if least >= CLIP and most <= 1.0 - CLIP:
        return np.ascontiguousarray(p), 0
    moved = int(((p < CLIP) | (p > 1.0 - CLIP)).sum())
    return np.clip(p, CLIP, 1.0 - CLIP), moved


def group_codes(groups: ArrayLike, n: int) -> tuple[list[str], NDArray[np.intp]]:
    """Labels as text, and the number of every row's label."""
    labels, codes = factorised(groups, "groups")
    if codes.size != n:
        raise length_error("groups", codes.size, n, "score")
    return labels, codes.astype(np.intp)
