"""The one place where calibrators check scores, outcomes and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    TargetError,
    ValueRangeError,
)
from riskwright.metrics._inputs import checked_rows, factorised
from riskwright.stats._columns import length_error, numbers

__all__ = ["CLIP", "Floats", "ScoredRows", "checked_scores", "group_codes", "inside", "scored_rows"]

Floats = NDArray[np.float64]
CLIP = 2.0**-52


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
        events = int(self.y.sum())
        return self.y.size - events, events

    @property
    def class_weights(self) -> tuple[float, float]:
        """Summed weight of outcome 0 and of outcome 1."""
        if self.weight is None:
            zeros, ones = self.class_counts
            return float(zeros), float(ones)
        ones_weight = float(self.weight @ self.y)
        return float(self.weight.sum()) - ones_weight, ones_weight

    @property
    def in_unit(self) -> bool:
        return bool(self.score.min() >= 0.0 and self.score.max() <= 1.0)


def scored_rows(score: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> ScoredRows:
    """Rows to learn from; refuses NaN, other outcomes, one class only, lengths that differ."""
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


def column(values: ArrayLike) -> NDArray[Any]:
    """A single column as one dimension."""
    array = np.asarray(values)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def checked_scores(score: ArrayLike, *, probabilities: bool) -> Floats:
    """Scores to calibrate: one finite number per row, in [0, 1] where the method needs that."""
    scores = numbers(column(score), "score")
    if probabilities:
        refuse_outside_unit(scores)
    return scores


def refuse_outside_unit(scores: Floats) -> None:
    """`ValueRangeError` unless all scores lie in [0, 1]."""
    if scores.min() < 0.0 or scores.max() > 1.0:
        raise ValueRangeError(
            "probabilities out of range",
            where="score",
            expected="values in [0, 1]",
            got=f"values from {scores.min():g} to {scores.max():g}",
            hint="For other scores use platt, isotonic, histogram or venn-abers",
        )


def inside(p: Floats) -> tuple[Floats, int]:
    """Probabilities moved into [2^-52, 1 - 2^-52], and how many were moved."""
    if p.min() >= CLIP and p.max() <= 1.0 - CLIP:
        return p, 0
    moved = int(((p < CLIP) | (p > 1.0 - CLIP)).sum())
    return np.clip(p, CLIP, 1.0 - CLIP), moved


def group_codes(groups: ArrayLike, n: int) -> tuple[list[str], NDArray[np.intp]]:
    """Labels as text, and the number of every row's label."""
    labels, codes = factorised(groups, "groups")
    if codes.size != n:
        raise length_error("groups", codes.size, n, "score")
    return labels, codes.astype(np.intp)
