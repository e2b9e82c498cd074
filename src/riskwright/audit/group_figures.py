"""Figures of a group and of the rows outside of it, from sums that both share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import Estimate
from riskwright.metrics import auroc
from riskwright.stats import logit_interval, proportion_interval
from riskwright.stats._kernels import group_areas

from ._estimates import no_interval, share_of
from .groupings import Grouping

__all__ = ["NONE", "Figures", "PlainFigures", "Scored", "calibration_of", "lacking_words"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NONE: Floats = np.empty(0)
_RATES = {
    "rate": (((1, 0), (1, 1)), ((0, 0), (0, 1))),
    "fpr": (((1, 0),), ((0, 0),)),
    "fnr": (((0, 1),), ((1, 1),)),
    "ppv": (((1, 1),), ((1, 0),)),
}
lacking_words = {
    "rate": "no rows",
    "fpr": "nobody without the event",
    "fnr": "nobody with the event",
    "ppv": "nobody flagged",
}


class Figures(ABC):
    """What is known of the groups of one grouping."""

    grouping: Grouping

    @abstractmethod
    def counts(self, g: int) -> tuple[int, int, int]:
        """Rows with the event, without it, and flagged, in group g."""

    @abstractmethod
    def estimate(self, measure: str, g: int, level: float, *, outside: bool = False) -> Estimate:
        """The figure of group g, or of all rows outside of it."""


@dataclass(frozen=True)
class Scored:
    """Checked rows: outcome, score, whether it is flagged, and weights (None for ones)."""

    y: Bools
    score: Floats
    flagged: Bools | None
    weight: Floats | None

    @cached_property
    def ascending(self) -> tuple[NDArray[np.intp], NDArray[np.uint8], NDArray[np.uint8], Floats]:
        """Order by score; first rows of each score, outcomes and weights in that order."""
        order = np.argsort(self.score)
        sorted_score = self.score[order]
        start = np.concatenate([[True], sorted_score[1:] > sorted_score[:-1]]).view(np.uint8)
        weight = NONE if self.weight is None else self.weight[order]
        return order, start, self.y[order].view(np.uint8), weight


class PlainFigures(Figures):
    """Figures of outcomes that are known for every row."""

    def __init__(self, grouping: Grouping, rows: Scored) -> None:
        self.grouping = grouping
        self.rows = rows
        flagged = np.zeros(rows.y.size, bool) if rows.flagged is None else rows.flagged
        cell = grouping.codes * np.int32(4) + flagged * np.int32(2) + rows.y
        self._n, self._w, self._q = (
            _both(np.bincount(cell, w, 4 * len(grouping.values)).reshape(-1, 2, 2))
            for w in _powers(rows.weight)
        )

    def counts(self, g: int) -> tuple[int, int, int]:
        n = self._n[0][g]
        return int(n[:, 1].sum()), int(n[:, 0].sum()), int(n[1].sum())

    def estimate(self, measure: str, g: int, level: float, *, outside: bool = False) -> Estimate:
        side = int(outside)
        if measure == "auc":
            return self._auc(g, level, side)
        if measure == "calibration":
            return self._calibration(g, level, side)
        yes, no = _RATES[measure]
        n, w, q = (sums[side][g] for sums in (self._n, self._w, self._q))
        hit, miss = (sum(float(w[at]) for at in cells) for cells in (yes, no))
        hit2, miss2 = (sum(float(q[at]) for at in cells) for cells in (yes, no))
        rows = round(sum(float(n[at]) for at in yes + no))
        if rows == 0:
            return no_interval(measure, 0, level, lacking_words[measure])
        total = hit + miss
        value = hit / total
        variance = (hit2 * (1 - value) ** 2 + miss2 * value**2) / total**2
        kish = total**2 / (hit2 + miss2)
        return share_of(measure, value, variance, kish, rows, level, "Clopper-Pearson")

    @cached_property
    def _residuals(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Sums of w d, w^2 d and w^2 d^2 by group, inside and outside, for d = y - score."""
        d = self.rows.y - self.rows.score
        _, w, q = _powers(self.rows.weight)
        each = []
        for terms in (d if w is None else w * d, d if q is None else q * d):
            each.append(terms)
        each.append(each[1] * d)
        size = len(self.grouping.values)
        first, second, third = (_both(np.bincount(self.grouping.codes, t, size)) for t in each)
        return first, second, third, d

    def _calibration(self, g: int, level: float, side: int) -> Estimate:
        n, w, q = (sums[side][g] for sums in (self._n, self._w, self._q))
        rows = round(float(n.sum()))
        if rows == 0:
            return no_interval("calibration", 0, level, "no rows")
        total, squares = float(w.sum()), float(q.sum())
        d, qd, qdd, _ = self._residuals
        mean = float(d[side][g]) / total
        spread = float(qdd[side][g]) - 2 * mean * float(qd[side][g]) + mean**2 * squares
        observed = float(w[:, 1].sum()) / total
        kish = total**2 / squares
        return calibration_of(observed, mean, spread / total**2, kish, rows, level)

    @cached_property
    def _areas(self) -> Floats:
        order, start, y, weight = self.rows.ascending
        codes = np.ascontiguousarray(self.grouping.codes[order])
        found: Floats = group_areas(start, y, weight, codes, len(self.grouping.values))
        return found

    def _auc(self, g: int, level: float, side: int) -> Estimate:
        value, off1, off0, events, others, squares1, squares0 = self._areas[g, side].tolist()
        rows = round(float(self._n[side][g].sum()))
        if events <= 0 or others <= 0:
            return no_interval("auc", rows, level, "one class only")
        n1, n0 = events**2 / squares1, others**2 / squares0
        variance = 0.0
        if min(n1, n0) >= 2 - 1e-9:
            variance = off1 / events**2 * n1 / (n1 - 1) + off0 / others**2 * n0 / (n0 - 1)
        if variance > 1e-20 and 0 < value < 1:
            low, high = logit_interval(value, variance**0.5, level)
            method = "DeLong, logit scale"
            return Estimate(
                name="auc", value=value, low=low, high=high, level=level, n=rows, method=method
            )
        inside = (self.grouping.codes == g) != bool(side)
        weight = None if self.rows.weight is None else self.rows.weight[inside]
        y, score = self.rows.y[inside], self.rows.score[inside]
        found = auroc(y, score, sample_weight=weight, level=level)
        return Estimate(
            name="auc",
            value=found.value,
            low=found.low,
            high=found.high,
            level=level,
            n=rows,
            method=found.method,
        )


def calibration_of(
    observed: float, mean: float, variance: float, kish: float, n: int, level: float
) -> Estimate:
    """Observed minus predicted share: interval of the observed one at the number of rows
    that would have the `variance` of the difference, less the predicted share."""
    size = kish
    if 0 < observed < 1 and variance > 1e-20:
        size = observed * (1 - observed) / variance
    low, high = proportion_interval(observed * size, size, level, "clopper_pearson")
    predicted = observed - mean
    return Estimate(
        name="calibration",
        value=mean,
        low=low - predicted,
        high=high - predicted,
        level=level,
        n=n,
        method="Clopper-Pearson at the variance of observed minus predicted",
    )


def _both(sums: NDArray[Any]) -> Floats:
    """Sums by group, and over all other groups."""
    inside = sums.astype(np.float64)
    return np.stack([inside, inside.sum(axis=0) - inside])


def _powers(weight: Floats | None) -> tuple[None, Floats | None, Floats | None]:
    return None, weight, None if weight is None else weight**2
