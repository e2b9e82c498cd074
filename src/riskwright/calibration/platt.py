"""Platt scaling: a logistic curve in the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit, logit

from ._inputs import Floats, ScoredRows
from .maps import CalibrationMap, fit_logistic

__all__ = ["PlattMap"]


@dataclass(frozen=True)
class PlattMap(CalibrationMap):
    """P(y = 1) = sigma(slope * score + intercept), on the score as it is given.

    The targets are Platt's, (n1 + 1) / (n1 + 2) for events and 1 / (n0 + 2) for non-events with
    n1, n0 their summed weights, so that the fit is finite for separated classes too. The slope may
    be negative. Platt (1999), Advances in Large Margin Classifiers; Lin, Lin & Weng (2007),
    Machine Learning 68:267.
    """

    method = "platt"

    slope: float
    intercept: float

    @classmethod
    def fit(cls, rows: ScoredRows, *, bins: int) -> Self:
        zeros, ones = rows.class_weights
        low, high = 1.0 / (zeros + 2.0), (ones + 1.0) / (ones + 2.0)
        positive = low + rows.y * (high - low)
        negative = 1.0 - positive
        if rows.weight is not None:
            positive, negative = positive * rows.weight, negative * rows.weight
        least, most = float(rows.score.min()), float(rows.score.max())
        if least == most:
            return cls(0.0, float(logit(positive.sum() / (positive.sum() + negative.sum()))))
        half, middle = most / 2 - least / 2, most / 2 + least / 2
        spread = (rows.score - middle) / half
        (constant, slope), _, _ = fit_logistic([spread], positive, negative, intercept=True)
        return cls(float(slope / half), float(constant - slope * (middle / half)))

    def predict(self, score: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return np.asarray(expit(self.slope * score + self.intercept))
