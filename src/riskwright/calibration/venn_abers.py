"""Inductive Venn-Abers predictors: two isotonic fits, one for either outcome of the new row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from riskwright.core import ValueRangeError
from riskwright.stats._kernels import venn_abers
from riskwright.stats.isotonic import fold_by_score

from ._inputs import Floats, ScoredRows
from .maps import CalibrationMap

__all__ = ["VennAbersMap"]


@dataclass(frozen=True)
class VennAbersMap(CalibrationMap):
    """p0 and p1: the isotonic fit at the new score with that row added as non-event and as event.

    If calibration rows and the new row are exchangeable, then p1 or p0, picked by the outcome of
    the new row, is perfectly calibrated, at any sample size (Vovk, Petej & Fedorova 2015, NeurIPS).
    The prediction p1 / (1 - p0 + p1) minimises the worst regret of log loss; it has no such
    guarantee of its own. Weights must be whole numbers: repetitions of rows, which keep the numbers
    but, unless they count distinct cases, not the guarantee.

    p1 and p0 are step functions of the score, held by the ends of their steps: p1 of a score s is
    that of the first `upper_score` >= s (1 beyond the last), p0 that of the last `lower_score` <= s
    (0 before the first). All steps in O(n log n) at most, a query in O(log n).
    """

    method = "venn-abers"

    lower_score: Floats
    lower: Floats
    upper_score: Floats
    upper: Floats

    @classmethod
    def fit(cls, rows: ScoredRows, *, bins: int) -> Self:
        if rows.weight is not None and not (rows.weight == np.floor(rows.weight)).all():
            raise ValueRangeError(
                "Venn-Abers predictors know no fractional weights",
                where="sample_weight",
                expected="whole numbers, as repetitions of rows",
                hint="Use isotonic, platt or beta with these weights",
            )
        if rows.weight is not None and rows.weight.sum() > 2.0**53:
            raise ValueRangeError(
                "more repetitions of rows than can be counted",
                where="sample_weight",
                expected="a sum of at most 2^53",
                got=f"{rows.weight.sum():g}",
            )
        value, events, nonevents = fold_by_score(rows.score, rows.y, rows.weight)
        lower, upper = venn_abers(events, nonevents)
        first = np.append(True, np.diff(lower) != 0)
        last = np.append(np.diff(upper) != 0, True)
        return cls(value[first], lower[first], value[last], upper[last])

    def interval(self, score: Floats) -> tuple[Floats, Floats]:
        below = np.searchsorted(self.lower_score, score, side="right")
        above = np.searchsorted(self.upper_score, score, side="left")
        return np.append(0.0, self.lower)[below], np.append(self.upper, 1.0)[above]

    def predict(self, score: Floats) -> Floats:
        p0, p1 = self.interval(score)
        return p1 / (1.0 - p0 + p1)
