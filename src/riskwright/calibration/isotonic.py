"""Isotonic calibration: the best non-decreasing curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from riskwright.stats.isotonic import isotonic_regression

from ._inputs import Floats, ScoredRows
from .maps import CalibrationMap

__all__ = ["IsotonicMap"]


@dataclass(frozen=True)
class IsotonicMap(CalibrationMap):
    """Non-decreasing event rate, linear between blocks, constant within and beyond them.

    Fitted risks of exactly 0 and 1 are possible. `knots` are the ends of the blocks, `levels` the
    rates there. Zadrozny & Elkan (2002), KDD.
    """

    method = "isotonic"

    knots: Floats
    levels: Floats

    @classmethod
    def fit(cls, rows: ScoredRows, *, bins: int) -> Self:
        found = isotonic_regression(rows.score, rows.y, rows.weight)
        ends = np.column_stack([found.low, found.high]).ravel()
        levels = np.repeat(found.level, 2)
        distinct = np.append(True, np.diff(ends) > 0)
        return cls(ends[distinct], levels[distinct])

    def predict(self, score: Floats) -> Floats:
        return np.interp(score, self.knots, self.levels)
