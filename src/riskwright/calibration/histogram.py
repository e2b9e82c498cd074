"""Histogram binning: the event rate within bins of equal mass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from riskwright.stats.isotonic import fold_by_score

from ._inputs import Floats, ScoredRows
from .maps import CalibrationMap

__all__ = ["HistogramMap"]


@dataclass(frozen=True)
class HistogramMap(CalibrationMap):
    """(events + 1) / (rows + 2), Laplace's estimate, within bins of about equal weight.

    Equal scores share a bin, so that there may be fewer bins than asked for. `edges` are the lowest
    scores of all bins but the first. Neighbouring bins need not ascend. Zadrozny & Elkan (2001),
    ICML.
    """

    method = "histogram"

    edges: Floats
    levels: Floats

    @classmethod
    def fit(cls, rows: ScoredRows, *, bins: int) -> Self:
        value, events, nonevents = fold_by_score(rows.score, rows.y, rows.weight)
        mass = events + nonevents
        middle = (np.cumsum(mass) - mass / 2) / mass.sum()
        starts = np.flatnonzero(np.append(True, np.diff(np.floor(middle * bins)) > 0))
        ones, total = (np.add.reduceat(column, starts) for column in (events, mass))
        return cls(value[starts[1:]], (ones + 1.0) / (total + 2.0))

    def predict(self, score: Floats) -> Floats:
        return np.asarray(self.levels[np.searchsorted(self.edges, score, side="right")])
