"""Platt scaling: a logistic curve in the score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit, logit

from ._inputs import Floats, ScoredRows
from .maps import CalibrationMap, LogisticCurve

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
        least, most = rows.extent
        if least == most:
            return cls(0.0, float(logit((zeros * low + ones * high) / (zeros + ones))))
        half, middle = most / 2 - least / 2, most / 2 + least / 2
        scale = math.ldexp(1.0, min(-math.frexp(half)[1], 1023))
        curve = LogisticCurve((rows.score,), rows, targets=(low, high), spread=(middle, scale))
        (constant, slope), _ = curve.fit()
        return cls(float(slope * scale), float(constant - slope * (middle * scale)))

    def predict(self, score: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return np.asarray(expit(self.slope * score + self.intercept))
