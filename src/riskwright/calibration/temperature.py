"""Temperature scaling: log-odds divided by one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit

from riskwright.core import DataError
from riskwright.stats import _kernels

from ._inputs import Floats, ScoredRows, inside
from .maps import CalibrationMap, LogisticCurve

__all__ = ["TemperatureMap"]


@dataclass(frozen=True)
class TemperatureMap(CalibrationMap):
    """P(y = 1) = sigma(logit(p) / temperature), temperature > 0 of most likelihood.

    Needs probabilities; those of 0 and 1 are moved by 2^-52 and counted in `moved`. A probability
    of 0.5 stays 0.5. Guo et al. (2017), ICML.
    """

    method = "temperature"
    needs_probabilities = True

    temperature: float
    moved: int

    @classmethod
    def fit(cls, rows: ScoredRows, *, bins: int) -> Self:
        rows.refuse_outside_unit()
        (_, most_without), (least_with, _) = rows.class_extents
        wrong_side = least_with < 0.5 or most_without > 0.5
        if not wrong_side and rows.extent != (0.5, 0.5):
            raise DataError(
                "every score lies on the right side of 0.5: no finite temperature is best",
                where="score",
                hint="Use platt, whose targets are smoothed, or more rows",
            )
        odds, moved = log_odds(rows.score, rows.extent)
        (inverse,), _ = LogisticCurve((odds,), rows, intercept=False).fit()
        if not inverse > 0:
            raise DataError(
                "the scores tell no more than a constant 0.5: no temperature above 0 is best",
                where="score",
                hint="Use platt, isotonic or histogram, which need not keep 0.5 at 0.5",
            )
        return cls(float(1.0 / inverse), moved)

    def predict(self, score: Floats) -> Floats:
        return np.asarray(expit(log_odds(score)[0] / self.temperature))


def log_odds(p: Floats, extent: tuple[float, float] | None = None) -> tuple[Floats, int]:
    """logit(p) of probabilities moved off 0 and 1, and how many were moved."""
    p, moved = inside(p, extent)
    odds = np.empty(p.size)
    _kernels.log_odds(p, odds)
    return odds, moved
