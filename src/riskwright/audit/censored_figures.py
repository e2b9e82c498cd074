"""Figures of groups at a horizon under right censoring."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from riskwright.core import Estimate
from riskwright.metrics import cumulative_auroc
from riskwright.stats import effective_size
from riskwright.stats.follow_up import FollowUp
from riskwright.stats.survival import curve_of, reaches

from ._estimates import no_interval, share_of
from .group_figures import Figures, calibration_of, lacking_words
from .groupings import Grouping

__all__ = ["CensoredFigures", "Followed"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Followed:
    """Checked rows with follow-up, sorted by time: score and whether it is flagged."""

    def __init__(
        self, follow_up: FollowUp, score: Floats, flagged: NDArray[np.bool_] | None, horizon: float
    ) -> None:
        self.follow_up = follow_up
        self.score = score
        self.flagged = flagged
        self.horizon = horizon
        self.events = follow_up.event & (follow_up.time <= horizon)
        self.free = ~self.events & (follow_up.time >= horizon)


class _Risk:
    """Kaplan-Meier risk by the horizon of some rows, and its variance."""

    def __init__(self, rows: Followed, places: Places) -> None:
        self.n = places.size
        part = rows.follow_up.rows(places)
        self.known = self.n > 0 and reaches(part.table, rows.horizon)
        self.value = self.variance = 0.0
        if self.known:
            curve = curve_of(part)
            at = int(np.searchsorted(curve.times, rows.horizon, side="right")) - 1
            self.value = 1 - float(curve.at(rows.horizon))
            spread = float(curve.variance[at]) if at >= 0 else 0.0
            self.variance = 0.0 if math.isnan(spread) else spread


class CensoredFigures(Figures):
    """Figures at the horizon of outcomes that censoring hides for some rows.

    Risks are Kaplan-Meier's within the flagged and the other rows of the group, which is weighting
    by the inverse probability of censoring within them: censoring may differ by group and flag.
    """

    def __init__(self, grouping: Grouping, rows: Followed) -> None:
        self.grouping = grouping
        self.rows = rows
        self._aucs = lru_cache(maxsize=None)(self._aucs_at)
        self._parts = lru_cache(maxsize=None)(self._parts_of)

    def counts(self, g: int) -> tuple[int, int, int]:
        inside = self.grouping.codes == g
        flagged = 0 if self.rows.flagged is None else int((inside & self.rows.flagged).sum())
        return (
            int((inside & self.rows.events).sum()),
            int((inside & self.rows.free).sum()),
            flagged,
        )

    def estimate(self, measure: str, g: int, level: float, *, outside: bool = False) -> Estimate:
        if measure == "auc":
            return self._aucs(g, level)[outside]
        inside = np.flatnonzero((self.grouping.codes == g) != outside)
        if inside.size == 0:
            return no_interval(measure, 0, level, "no rows")
        if measure == "calibration":
            return self._calibration(inside, level)
        return self._rate(measure, inside, g, level, outside)

    @cached_property
    def _weight(self) -> Floats:
        return self.rows.follow_up.weight

    @cached_property
    def _equal(self) -> bool:
        return bool((self._weight == self._weight[0]).all())

    def _parts_of(self, g: int, outside: bool) -> tuple[float, float, _Risk, _Risk]:
        """Share flagged, its variance, and the risks of flagged and other rows."""
        assert self.rows.flagged is not None
        inside = (self.grouping.codes == g) != outside
        one = np.flatnonzero(inside & self.rows.flagged)
        other = np.flatnonzero(inside & ~self.rows.flagged)
        w1, w0 = self._weight[one], self._weight[other]
        total = float(w1.sum() + w0.sum())
        share = float(w1.sum()) / total
        spread = float((w1**2).sum()) * (1 - share) ** 2 + float((w0**2).sum()) * share**2
        return share, spread / total**2, _Risk(self.rows, one), _Risk(self.rows, other)

    def _rate(self, measure: str, inside: Places, g: int, level: float, outside: bool) -> Estimate:
        assert self.rows.flagged is not None
        share, spread, one, other = self._parts(g, outside)
        counted = {
            "rate": inside,
            "fpr": inside[self.rows.free[inside]],
            "fnr": inside[self.rows.events[inside]],
            "ppv": inside[self.rows.flagged[inside]],
        }[measure]
        n = counted.size
        if n == 0:
            return no_interval(measure, 0, level, lacking_words[measure])
        kish = float(n) if self._equal else effective_size(self._weight[counted])
        if measure == "rate":
            return share_of(measure, share, spread, kish, n, level, "Clopper-Pearson")
        needed = (one,) if measure == "ppv" else (one, other)
        if any(part.n and not part.known for part in needed):
            return no_interval(
                measure, n, level, f"no follow-up to {self.rows.horizon:g} in some part"
            )
        if measure == "ppv":
            known = inside[(self.rows.free | self.rows.events)[inside] & self.rows.flagged[inside]]
            kish = max(float(known.size), 1.0)
            value, variance = one.value, one.variance
        else:
            value, variance = _joined(measure, share, spread, one, other)
        if math.isnan(value):
            return no_interval(measure, n, level, lacking_words[measure])
        method = "IPCW within group and flag, Clopper-Pearson at the variance of the curve"
        return share_of(measure, value, variance, kish, n, level, method)

    def _calibration(self, inside: Places, level: float) -> Estimate:
        part = self.rows.follow_up.rows(inside)
        n, horizon = inside.size, self.rows.horizon
        if not reaches(part.table, horizon):
            return no_interval("calibration", n, level, f"no follow-up to {horizon:g}")
        p = self.rows.score[inside]
        predicted = float(part.weight @ p) / part.total
        observed = 1 - float(curve_of(part).at(horizon))
        influence = part.weight * (_influence(part, horizon) - (p - predicted) / part.total)
        known = int((self.rows.free | self.rows.events)[inside].sum())
        size = max(float(known), 1.0)
        if not self._equal:
            size = min(part.effective_n, size)
        variance = float(influence @ influence)
        return calibration_of(observed, observed - predicted, variance, size, n, level)

    def _aucs_at(self, g: int, level: float) -> dict[bool, Estimate]:
        inside = self.grouping.codes == g
        found = cumulative_auroc(
            self.rows.follow_up.time,
            self.rows.follow_up.event,
            self.rows.score,
            [self.rows.horizon],
            sample_weight=self._weight,
            groups=~inside,
            level=level,
        )
        nothing = (no_interval("auc", 0, level, "no rows"),)
        return {outside: found.get(str(outside), nothing)[0] for outside in (False, True)}


def _joined(
    measure: str, share: float, spread: float, one: _Risk, other: _Risk
) -> tuple[float, float]:
    """Rate among those without (fpr) or with the event (fnr), by Bayes' rule; delta method."""
    if measure == "fpr":
        a, b = share * (1 - one.value), (1 - share) * (1 - other.value)
        parts = (one.variance, 1 - one.value), (other.variance, 1 - other.value)
    else:
        a, b = (1 - share) * other.value, share * one.value
        parts = (one.variance, one.value), (other.variance, other.value)
    if a + b <= 0:
        return math.nan, math.nan
    value = a / (a + b)
    if a == 0 or b == 0:
        return value, 0.0
    on_logit = spread / (share * (1 - share)) ** 2
    on_logit += sum(variance / at**2 for variance, at in parts)
    return value, (value * (1 - value)) ** 2 * on_logit


def _influence(part: FollowUp, horizon: float) -> Floats:
    """Derivative of the Kaplan-Meier risk by the weight of each row."""
    table = part.table
    within = table.times <= horizon
    left = table.after + table.censored
    some = within & (table.events > 0) & (left > 0)
    at_risk = table.at_risk
    own = np.divide(1.0, left, out=np.zeros(left.size), where=some)
    steps = np.cumsum(np.divide(table.events * own, at_risk, out=np.zeros(left.size), where=some))
    survival = float(table.survival[within][-1]) if within.any() else 1.0
    happened = part.event & within[table.code]
    return np.asarray(survival * (np.where(happened, own[table.code], 0.0) - steps[table.code]))
