"""Beta calibration: a logistic curve in log p and -log(1 - p)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit, logit

from riskwright.core import DataError

from ._inputs import Floats, ScoredRows, inside, refuse_outside_unit
from .maps import CalibrationMap, fit_logistic

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
        refuse_outside_unit(rows.score)
        event = rows.y > 0
        if rows.score[event].min() >= rows.score[~event].max() and np.ptp(rows.score) > 0:
            raise DataError(
                "the scores separate the outcomes perfectly: no finite fit is best",
                where="score",
                hint="Use platt, whose targets are smoothed, or more rows",
            )
        columns, moved = _columns(rows.score)
        weight = np.ones(len(rows)) if rows.weight is None else rows.weight
        positive = weight * rows.y
        return cls(*_coefficients(columns, positive, weight - positive), moved)

    def predict(self, score: Floats) -> Floats:
        (low, high), _ = _columns(score)
        return np.asarray(expit(self.a * low + self.b * high + self.c))


def _columns(p: Floats) -> tuple[tuple[Floats, Floats], int]:
    p, moved = inside(p)
    return (np.log(p), -np.log(1.0 - p)), moved


def _coefficients(
    columns: tuple[Floats, Floats], positive: Floats, negative: Floats
) -> tuple[float, float, float]:
    """a, b and c of the constrained maximum."""
    low, high = columns
    (c, a, b), _, reached = fit_logistic([low, high], positive, negative, intercept=True)
    if reached and a >= 0 and b >= 0:
        return float(a), float(b), float(c)
    faces = []
    for which, column in enumerate(columns):
        (c, slope), loss, reached = fit_logistic([column], positive, negative, intercept=True)
        if reached and slope > 0:
            pair = (float(slope), 0.0) if which == 0 else (0.0, float(slope))
            faces.append((loss, (*pair, float(c))))
    if faces:
        return min(faces)[1]
    events = float(positive.sum())
    return 0.0, 0.0, float(logit(events / (events + float(negative.sum()))))
