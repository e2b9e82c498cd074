"""Beta calibration: a logistic curve in log p and -log(1 - p)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit, logit

from riskwright.core import DataError
from riskwright.stats import _kernels

from ._inputs import Floats, ScoredRows, inside
from .maps import CalibrationMap, LogisticCurve

__all__ = ["BetaMap"]


@dataclass(frozen=True)
class BetaMap(CalibrationMap):
    """P(y = 1) = sigma(a log p - b log(1 - p) + c) with a, b >= 0, of most likelihood.

    Needs probabilities; those of 0 and 1 are moved by 2^-52 and counted in `moved`. Where the free
    fit has a negative coefficient, the better of the fits without one of the two is taken (a
    constant, where neither has a coefficient above 0). Kull, Silva Filho & Flach (2017), AISTATS.
    """

    method = "beta"
    needs_probabilities = True

    a: float
    b: float
    c: float
    moved: int

    @classmethod
    def fit(cls, rows: ScoredRows, *, bins: int) -> Self:
        rows.refuse_outside_unit()
        (_, most_without), (least_with, _) = rows.class_extents
        if least_with >= most_without and rows.extent[0] < rows.extent[1]:
            raise DataError(
                "the scores separate the outcomes perfectly: no finite fit is best",
                where="score",
                hint="Use platt, whose targets are smoothed, or more rows",
            )
        columns, moved = _columns(rows.score, rows.extent)
        return cls(*_coefficients(columns, rows), moved)

    def predict(self, score: Floats) -> Floats:
        (low, high), _ = _columns(score)
        return np.asarray(expit(self.a * low + self.b * high + self.c))


def _columns(
    p: Floats, extent: tuple[float, float] | None = None
) -> tuple[tuple[Floats, Floats], int]:
    p, moved = inside(p, extent)
    low, high = np.empty(p.size), np.empty(p.size)
    _kernels.logs(p, low, high)
    return (low, high), moved


def _coefficients(columns: tuple[Floats, Floats], rows: ScoredRows) -> tuple[float, float, float]:
    """a, b and c of the constrained maximum."""
    (c, a, b), reached = LogisticCurve(columns, rows).fit()
    if reached and a >= 0 and b >= 0:
        return float(a), float(b), float(c)
    faces = []
    for which, column in enumerate(columns):
        curve = LogisticCurve((column,), rows)
        fitted, reached = curve.fit()
        c, slope = fitted
        if reached and slope > 0:
            pair = (float(slope), 0.0) if which == 0 else (0.0, float(slope))
            faces.append((curve.loss(fitted), (*pair, float(c))))
    if faces:
        return min(faces)[1]
    zeros, ones = rows.class_weights
    return 0.0, 0.0, float(logit(ones / (ones + zeros)))
