"""Kaplan-Meier curves and inverse-probability-of-censoring weights, truncated by a stated limit.

Two conventions hold in all that concerns right censoring here:

* Events come before censorings at the same time: a row censored at t is known to have had no event
  up to and at t. Hence G(t) = P(C > t) has a factor of censored / (at risk - events) at each time.
* Everything after the last time is unknown where a row was censored there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, Estimate, ParameterError

from .follow_up import FollowUp, TimeTable, checked_follow_up, numbers
from .intervals import normal_quantile, proportion_interval

__all__ = [
    "CensoringReport",
    "CensoringWeights",
    "HorizonOutcomes",
    "KaplanMeier",
    "censoring_distribution",
    "horizon_outcomes",
    "ipcw_weights",
    "kaplan_meier",
    "kaplan_meier_weights",
]

Floats = NDArray[np.float64]
Side = Literal["right", "left"]

TRUNCATE = 0.01


@dataclass(frozen=True)
class KaplanMeier:
    """A product-limit curve: a step function of time with its variance.

    `times` are the distinct times, ascending; `survival` the curve from each of them on (1 before
    the first), `variance` Greenwood's of it (NaN once the curve has reached 0); `at_risk`,
    `events` and `censored` the weights behind each step; `n` the number of rows. `complete` says
    that no row was censored at the last time, so that the curve holds beyond it.
    """

    times: Floats
    survival: Floats
    variance: Floats
    at_risk: Floats
    events: Floats
    censored: Floats
    n: int
    complete: bool

    @overload
    def at(self, t: float, side: Side = ...) -> float: ...
    @overload
    def at(self, t: ArrayLike, side: Side = ...) -> float | Floats: ...
    def at(self, t: ArrayLike, side: Side = "right") -> float | Floats:
        """The curve at `t`, or its limit from the left: P(T > t) or P(T >= t).

        Beyond the last time it stays where it ended.
        """
        if side not in ("right", "left"):
            raise ParameterError(
                "unknown side", where="side", expected="right or left", got=repr(side)
            )
        found = np.concatenate([[1.0], self.survival])[np.searchsorted(self.times, t, side=side)]
        return float(found) if np.ndim(t) == 0 else found

    def estimate(self, t: float, level: float = 0.95) -> Estimate:
        """S(t) = P(T > t) with an interval on the log(-log) scale.

        Without an event up to t the interval is Clopper and Pearson's for the rows still at risk
        (effective number), which is conservative. It is NaN beyond the last time where a row was
        censored then, and where the curve has reached 0.
        """
        z = normal_quantile(level)
        place = int(np.searchsorted(self.times, t, side="right")) - 1
        value = float(self.at(t))
        low = high = math.nan
        if t > self.times[-1] and not self.complete:
            value, method = math.nan, f"none: the follow-up ends at {self.times[-1]:g}"
        elif value == 0.0:
            method = "none: no row is left"
        elif value == 1.0:
            beyond = min(place + 1, self.times.size - 1)
            size = float(self.at_risk[beyond] / self.at_risk[0]) * self.n
            low, high = proportion_interval(size, size, level, "clopper_pearson")
            method = "Clopper-Pearson on the rows at risk"
        else:
            spread = math.sqrt(float(self.variance[place])) / (value * -math.log(value))
            low, high = (value ** math.exp(side * z * spread) for side in (1, -1))
            method = "Kaplan-Meier, Greenwood, log(-log) scale"
        return Estimate(
            name="survival", value=value, low=low, high=high, level=level, n=self.n, method=method
        )


@dataclass(frozen=True)
class CensoringReport:
    """What weighting by 1 / G did to the rows.

    `n` rows of positive sample weight; `n_used` of them have a weight above 0, and of these
    `n_truncated` (a share of `share_truncated`) met a G below `limit` and got 1 / limit instead.
    `smallest` is the least G met before truncation (NaN where no row is used), `effective_n` Kish's
    (sum w)^2 / sum w^2, and `mass` the sum of all weights over that of the sample weights. With a
    horizon within the follow-up and no truncation `mass` is 1; what is missing from 1 is the share
    of rows that the weights cannot stand for.
    """

    n: int
    n_used: int
    n_truncated: int
    share_truncated: float
    smallest: float
    limit: float
    effective_n: float
    mass: float

    def __str__(self) -> str:
        return (
            f"{self.n_used} of {self.n} rows used, effective n = {self.effective_n:.1f}; "
            f"G below {self.limit:g} in {100 * self.share_truncated:.2g}% of them"
        )


@dataclass(frozen=True)
class CensoringWeights:
    """Weights of all rows given (0 for those not used) and what became of them."""

    weight: Floats
    report: CensoringReport


@dataclass(frozen=True)
class HorizonOutcomes:
    """Binary outcomes at a horizon with the weights that stand in for censored rows.

    `y` is 1 for an event up to and at the horizon, else 0; `weight` is 0 where the row was censored
    before the horizon (its `y` of 0 then means nothing). `within` says that the follow-up reaches
    the horizon (in every stratum); without it the rows without event are missing and no statistic
    of `y` stands for the population.
    """

    y: Floats
    weight: Floats
    horizon: float
    within: bool
    report: CensoringReport


def kaplan_meier(
    time: ArrayLike, event: ArrayLike, sample_weight: ArrayLike | None = None
) -> KaplanMeier:
    """Survival function of the time to the event, by the product-limit estimator.

    Parameters
    ----------
    time : array of shape (n,), at least 0
        End of follow-up of each row.
    event : array of shape (n,), 1 where it ended with the event, 0 where it was censored
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 counts as the row twice in the curve; in the variance rows, not weights,
        are the independent draws.

    Returns
    -------
    KaplanMeier

    Raises
    ------
    DataError : lengths, shapes, missing, infinite or negative values.
    TargetError : event marks other than 0 and 1.

    Notes
    -----
    Time O(n log n), memory O(n). Kaplan & Meier (1958), JASA 53:457; Greenwood (1926). With
    weights the increment of Greenwood's sum is d r / (Y^2 (Y - d)), with r the sum of the squared
    weights at risk, which is d / (Y (Y - d)) for weights of 1.

    Examples
    --------
    >>> curve = kaplan_meier([1, 2, 3, 4], [1, 0, 1, 0])
    >>> curve.at(3), curve.at(3, side="left")
    (0.375, 0.75)
    >>> print(curve.estimate(1))
    0.750 (95% CI 0.128 to 0.961)
    """
    return curve_of(checked_follow_up(time, event, sample_weight))


def curve_of(follow_up: FollowUp) -> KaplanMeier:
    """Kaplan-Meier curve of checked rows."""
    table = follow_up.table
    return _curve(table, follow_up.n, table.events, table.at_risk)


def censoring_distribution(
    time: ArrayLike, event: ArrayLike, sample_weight: ArrayLike | None = None
) -> KaplanMeier:
    """G(t) = P(C > t) of the censoring time C, with rows that end in the event as its censorings.

    Parameters, Raises: as for `kaplan_meier`. In the record `events` are the censorings, `censored`
    the events, and `at_risk` leaves out the events of the same time, which come first. Where
    nothing is truncated S(t-) G(t-) is the share of rows still at risk at t.

    Examples
    --------
    >>> censoring_distribution([1, 2, 3, 4], [1, 0, 1, 0]).at([1, 2, 4]).round(3).tolist()
    [1.0, 0.667, 0.0]
    """
    follow_up = checked_follow_up(time, event, sample_weight)
    table = follow_up.table
    return _curve(table, follow_up.n, table.censored, table.after + table.censored)


def _curve(table: TimeTable, n: int, ends: Floats, at_risk: Floats) -> KaplanMeier:
    of_censoring = ends is table.censored
    other = table.events if of_censoring else table.censored
    squares = np.cumsum((table.squares + table.censored_squares)[::-1])[::-1]
    if of_censoring:
        squares = squares - table.squares
    survival = table.censoring if of_censoring else table.survival
    left = table.after if of_censoring else table.after + table.censored
    happens = (ends > 0) & (left > 0)
    steps = np.divide(ends * squares, at_risk**2 * left, out=np.zeros(left.size), where=happens)
    variance = np.where(survival > 0, survival**2 * np.cumsum(steps), np.nan)
    complete = bool(other[-1] == 0.0)
    return KaplanMeier(table.times, survival, variance, at_risk, ends, other, n, complete)


def ipcw_weights(
    time: ArrayLike,
    event: ArrayLike,
    *,
    horizon: float | None = None,
    truncate: float = TRUNCATE,
    sample_weight: ArrayLike | None = None,
    strata: ArrayLike | None = None,
) -> CensoringWeights:
    """Inverse-probability-of-censoring weights: uncensored rows stand in for the censored ones.

    Parameters
    ----------
    time, event, sample_weight : as for `kaplan_meier`.
    horizon : time, optional
        With a horizon h the rows with an event at T <= h weigh 1 / G(T-), those followed to h or
        longer 1 / G(h-), and those censored before h 0. Without one, events weigh 1 / G(T-) and
        all others 0.
    truncate : limit in (0, 1]
        Where G is below it, the limit takes its place: no weight exceeds 1 / truncate. This trades
        variance for bias; the report says how many rows it met.
    strata : array of shape (n,), optional
        G is estimated in each stratum by itself, for censoring that differs between them.

    Returns
    -------
    CensoringWeights
        `weight` (times the sample weight) and `report`.

    Raises
    ------
    DataError, TargetError : as for `kaplan_meier`. ParameterError : `truncate`, `horizon`.

    Notes
    -----
    Assumes that censoring is independent of the event time (within strata). The edge of the
    follow-up raises nothing: G(T-) is above 0 at every time that a row reached, and beyond it the
    report's `mass` falls below 1. Time O(n log n), memory O(n). Robins & Rotnitzky (1992);
    Graf et al. (1999), Statistics in Medicine 18:2529.

    Examples
    --------
    >>> found = ipcw_weights([1, 2, 3, 4], [1, 0, 1, 0], horizon=3)
    >>> found.weight.tolist()
    [1.0, 0.0, 1.5, 1.5]
    >>> print(found.report)
    3 of 4 rows used, effective n = 2.9; G below 0.01 in 0% of them
    """
    follow_up = checked_follow_up(time, event, sample_weight)
    check_truncation(truncate)
    if horizon is not None:
        check_horizon(horizon)
    return _weights(follow_up, horizon, truncate, strata)[0]


def _weights(
    follow_up: FollowUp, horizon: float | None, truncate: float, strata: ArrayLike | None
) -> tuple[CensoringWeights, bool]:
    """Weights of all rows, and whether every stratum is followed up to the horizon."""
    g = np.ones(follow_up.n)
    used = follow_up.event
    if horizon is not None:
        used = (used & (follow_up.time <= horizon)) | (follow_up.time >= horizon)
    within = True
    for rows in _strata(follow_up, strata):
        part = follow_up if rows is None else follow_up.rows(rows)
        t = part.time if horizon is None else np.minimum(part.time, horizon)
        found = part.table.step(part.table.censoring, t, left=True)
        g[slice(None) if rows is None else rows] = found
        within &= horizon is None or reaches(part.table, horizon)
    met = used & (g < truncate)
    weight = np.where(used, follow_up.weight / np.maximum(g, truncate), 0.0)
    everything = np.zeros(follow_up.kept.size)
    everything[follow_up.kept] = weight
    n_used, squares = int(used.sum()), float(weight @ weight)
    report = CensoringReport(
        n=follow_up.n,
        n_used=n_used,
        n_truncated=int(met.sum()),
        share_truncated=float(met.sum() / max(n_used, 1)),
        smallest=float(g[used].min()) if n_used else math.nan,
        limit=truncate,
        effective_n=float(weight.sum()) ** 2 / squares if squares else 0.0,
        mass=float(weight.sum() / follow_up.total),
    )
    return CensoringWeights(everything, report), within


def reaches(table: TimeTable, t: float) -> bool:
    """Whether the state at `t` is known for somebody who had no event before, or for all."""
    return bool(t <= table.times[-1] or table.censored[-1] == 0.0)


def _strata(follow_up: FollowUp, strata: ArrayLike | None) -> Iterator[NDArray[np.intp] | None]:
    if strata is None:
        yield None
        return
    labels = np.asarray(strata)
    if labels.shape != follow_up.kept.shape:
        raise DataError(
            "wrong shape",
            where="strata",
            expected=f"{follow_up.kept.size} labels",
            got=f"an array of shape {labels.shape}",
        )
    labels = labels.astype(str) if labels.dtype == object else labels
    distinct, code = np.unique(labels[follow_up.kept], return_inverse=True)
    order = np.argsort(code, kind="stable")
    yield from np.split(order, np.cumsum(np.bincount(code, minlength=distinct.size))[:-1])


def kaplan_meier_weights(
    time: ArrayLike, event: ArrayLike, sample_weight: ArrayLike | None = None
) -> Floats:
    """Jumps of the Kaplan-Meier curve shared among the events at each time, 0 for censored rows.

    The mean of any function f(X, T) over the population is estimated by the sum of weight * f over
    the rows; the weights add up to 1 - S(end of follow-up). They equal `ipcw_weights` without
    horizon and truncation, divided by the sum of sample weights: this is the empirical risk under
    censorship.

    Parameters, Raises: as for `kaplan_meier`.

    Notes
    -----
    Time O(n log n), memory O(n). Stute (1995), Annals of Statistics 23:422; Ausset, Clémençon &
    Portier (2022), JMLR 23, "Empirical risk minimization under random censorship".

    Examples
    --------
    >>> kaplan_meier_weights([1, 2, 3, 4], [1, 0, 1, 0]).tolist()
    [0.25, 0.0, 0.375, 0.0]
    """
    follow_up = checked_follow_up(time, event, sample_weight)
    table = follow_up.table
    before = np.concatenate([[1.0], table.survival[:-1]])
    weight = np.zeros(follow_up.kept.size)
    share = follow_up.weight * (before / table.at_risk)[table.code]
    weight[follow_up.kept] = np.where(follow_up.event, share, 0.0)
    return weight


def horizon_outcomes(
    time: ArrayLike,
    event: ArrayLike,
    horizon: float,
    *,
    truncate: float = TRUNCATE,
    sample_weight: ArrayLike | None = None,
    strata: ArrayLike | None = None,
) -> HorizonOutcomes:
    """Censored follow-up as binary outcomes with weights: event up to `horizon`, or not.

    Whatever takes (y, sample_weight) can then learn, calibrate or control risk at the horizon.

    Parameters
    ----------
    time, event, truncate, sample_weight, strata : as for `ipcw_weights`.
    horizon : time above 0
        A row censored at the horizon itself was followed to it and counts as y = 0.

    Returns
    -------
    HorizonOutcomes

    Raises
    ------
    DataError, TargetError, ParameterError : as for `ipcw_weights`.

    Notes
    -----
    Weights as in `ipcw_weights`; intervals made from them as if they were known are usually a
    little too wide. Time O(n log n), memory O(n).

    Examples
    --------
    >>> found = horizon_outcomes([1, 2, 3, 4], [1, 0, 1, 0], 3)
    >>> found.y.tolist(), found.weight.tolist(), found.within
    ([1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.5, 1.5], True)
    """
    follow_up = checked_follow_up(time, event, sample_weight)
    check_truncation(truncate)
    check_horizon(horizon)
    found, within = _weights(follow_up, horizon, truncate, strata)
    y = np.zeros(follow_up.kept.size)
    y[follow_up.kept] = follow_up.event & (follow_up.time <= horizon)
    return HorizonOutcomes(y, found.weight, float(horizon), within, found.report)


def check_truncation(truncate: float) -> None:
    if not 0.0 < truncate <= 1.0:
        raise ParameterError(
            "not a limit for G",
            where="truncate",
            expected="0 < truncate <= 1",
            got=repr(truncate),
            hint="Weights are at most 1 / truncate; a limit of 1e-12 truncates nothing",
        )


def check_horizon(horizon: Any, where: str = "horizon") -> None:
    if not numbers([horizon], where)[0] > 0.0:
        raise ParameterError(
            "not a time", where=where, expected="a time above 0", got=repr(horizon)
        )
