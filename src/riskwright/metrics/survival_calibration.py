"""Whether predicted survival is right: distribution calibration, and calibration at one time."""

from __future__ import annotations

import math
from functools import partial
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from riskwright.core import Estimate, ParameterError, Record
from riskwright.stats import proportion_interval
from riskwright.stats.follow_up import FollowUp, refuse
from riskwright.stats.survival import KaplanMeier, check_horizon, curve_of

from ._survival_inputs import Floats, checked_rows_of, per_group

__all__ = [
    "CalibrationBin",
    "DCalibration",
    "OneTimeCalibration",
    "d_calibration",
    "one_time_calibration",
]

_MIN_EVENTS = 5


class DCalibration(Record, frozen=True, kw_only=True):
    """Shares of rows by bin of S(T | x), each 1 / bins where the predicted distribution is right.

    `statistic` and `p_value` are of the test against equal shares, chi-square with
    `degrees_of_freedom`, whose variance takes in that censored rows are spread and weighted;
    `pearson` and `pearson_p_value` are the usual ones, which treat spread rows as seen and so
    reject too seldom. NaN with a reason in `method` where the variance cannot be had.
    """

    statistic: float
    p_value: float
    pearson: float
    pearson_p_value: float
    degrees_of_freedom: int
    shares: tuple[Estimate, ...]
    n: int
    method: str


class CalibrationBin(Record, frozen=True, kw_only=True):
    """Rows of similar predicted risk: its range and mean, the observed risk, rows and events."""

    low: float
    high: float
    predicted: float
    observed: Estimate
    n: int
    n_events: int


class OneTimeCalibration(Record, frozen=True, kw_only=True):
    """Predicted against observed risk at a horizon, by bins of predicted risk.

    `statistic` is the sum over bins of m (observed - predicted)^2 / mean of p (1 - p), with m the
    number of rows that would give a share Greenwood's variance of the observed risk; it is
    chi-square with one degree of freedom per bin where predictions made on other data are right.
    `nam_dagostino` has the mean p for p and all rows of the bin for m, which is right only without
    censoring.
    """

    statistic: float
    p_value: float
    nam_dagostino: float
    nam_dagostino_p_value: float
    degrees_of_freedom: int
    bins: tuple[CalibrationBin, ...]
    horizon: float
    n: int
    method: str


@overload
def d_calibration(
    time: ArrayLike,
    event: ArrayLike,
    survival_at_time: ArrayLike,
    /,
    *,
    bins: int = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> DCalibration: ...
@overload
def d_calibration(
    time: ArrayLike,
    event: ArrayLike,
    survival_at_time: ArrayLike,
    /,
    *,
    bins: int = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, DCalibration]: ...
def d_calibration(
    time: ArrayLike,
    event: ArrayLike,
    survival_at_time: ArrayLike,
    /,
    *,
    bins: int = 10,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> DCalibration | dict[str, DCalibration]:
    """Distribution calibration: whether S(T | x) is uniform on [0, 1] over all rows.

    Parameters
    ----------
    time : array of shape (n,), at least 0; event : array of shape (n,), 1 event, 0 censored
    survival_at_time : array of shape (n,), in [0, 1]
        Each row's predicted probability to survive its own time.
    bins : number of bins of equal width, 2 to 1000.
    sample_weight, groups : as for `concordance`.
    level : confidence level of the interval of each share.

    Returns
    -------
    DCalibration or dict of DCalibration
        A row censored at S = s is spread uniformly over [0, s], where S(T) must lie.

    Raises
    ------
    DataError : lengths, shapes, missing values, survival outside [0, 1]. TargetError : marks other
        than 0 and 1, no event (without groups). ParameterError : bins, level.

    Notes
    -----
    Under the null hypothesis and independent censoring the rows' contributions have mean 1 / bins;
    the test is the score test with their second moments about it. It needs about 10 events per
    bin. Bin i is (i / bins, (i + 1) / bins], the first one with 0. Time O(n b^2), memory O(n b) for
    b bins. Haider et al. (2020), JMLR 21:85.

    Examples
    --------
    >>> s = np.linspace(0.005, 0.995, 100)
    >>> found = d_calibration(1 - s, np.ones(100), s, bins=4)
    >>> round(found.pearson, 9), found.degrees_of_freedom, round(found.shares[0].value, 2)
    (0.0, 3, 0.25)
    """
    _check_bins(bins)
    follow_up, columns = checked_rows_of(
        time, event, sample_weight, level, groups, survival_at_time=survival_at_time
    )
    s = columns["survival_at_time"]
    refuse((s < 0) | (s > 1), "survival_at_time", "probabilities out of range", "values in [0, 1]")
    kernel = partial(_d_calibration, bins=bins, level=level)
    return per_group(kernel, follow_up, (s,), groups)


def _check_bins(bins: int) -> None:
    if not 2 <= bins <= 1000:
        raise ParameterError(
            "impossible number of bins", where="bins", expected="2 to 1000", got=repr(bins)
        )


def _d_calibration(follow_up: FollowUp, s: Floats, bins: int, level: float) -> DCalibration:
    if follow_up.n == 0:
        return _no_rows(bins)
    edges = np.arange(bins) / bins
    covered = np.clip(s[:, None] - edges, 0.0, 1 / bins)
    at = np.clip(np.ceil(s * bins).astype(np.intp) - 1, 0, bins - 1)
    seen = (np.arange(bins) == at[:, None]).astype(np.float64)
    spread = ~follow_up.event & (s > 0)
    parts = np.where(spread[:, None], covered / np.where(s > 0, s, 1.0)[:, None], seen)
    share = follow_up.weight / follow_up.total
    mean = share @ parts
    n = follow_up.n
    influence = share[:, None] * (parts - mean)
    excess = (mean - 1 / bins)[:-1]
    null = share[:, None] * (parts[:, :-1] - 1 / bins)
    covariance = null.T @ null
    statistic = p_value = math.nan
    method = "score test, covariance of the spread rows about equal shares"
    if n > bins and np.linalg.matrix_rank(covariance) == bins - 1 and mean.min() > 0:
        statistic = float(excess @ np.linalg.solve(covariance, excess))
        p_value = float(chdtrc(bins - 1, statistic))
    else:
        method = f"none: too few rows or empty bins among {n} rows"
    size = follow_up.effective_n
    pearson = float(((mean - 1 / bins) ** 2).sum() * bins * size)
    return DCalibration(
        statistic=statistic,
        p_value=p_value,
        pearson=pearson,
        pearson_p_value=float(chdtrc(bins - 1, pearson)),
        degrees_of_freedom=bins - 1,
        shares=tuple(
            _share(float(m), float(v), n, size, level)
            for m, v in zip(mean, (influence**2).sum(axis=0), strict=True)
        ),
        n=n,
        method=method,
    )


def _no_rows(bins: int) -> DCalibration:
    return DCalibration(
        statistic=math.nan,
        p_value=math.nan,
        pearson=math.nan,
        pearson_p_value=math.nan,
        degrees_of_freedom=bins - 1,
        shares=(),
        n=0,
        method="none: no rows",
    )


def _share(value: float, variance: float, n: int, size: float, level: float) -> Estimate:
    """A share with Wilson's interval at the number of rows whose binomial variance it has."""
    spread = value * (1 - value)
    rows = min(spread / variance, 10 * size) if variance > 0 and spread > 0 else size
    low, high = proportion_interval(value * rows, rows, level)
    return Estimate(
        name="share",
        value=value,
        low=low,
        high=high,
        level=level,
        n=n,
        method=f"Wilson, effective n = {rows:.1f}",
    )


@overload
def one_time_calibration(
    time: ArrayLike,
    event: ArrayLike,
    p: ArrayLike,
    horizon: float,
    /,
    *,
    bins: int = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> OneTimeCalibration: ...
@overload
def one_time_calibration(
    time: ArrayLike,
    event: ArrayLike,
    p: ArrayLike,
    horizon: float,
    /,
    *,
    bins: int = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, OneTimeCalibration]: ...
def one_time_calibration(
    time: ArrayLike,
    event: ArrayLike,
    p: ArrayLike,
    horizon: float,
    /,
    *,
    bins: int = 10,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> OneTimeCalibration | dict[str, OneTimeCalibration]:
    """Calibration of the risk of an event by `horizon`: Kaplan-Meier against predicted, by bin.

    Parameters
    ----------
    time : array of shape (n,), at least 0; event : array of shape (n,), 1 event, 0 censored
    p : array of shape (n,), in [0, 1]
        Predicted P(T <= horizon).
    horizon : time above 0
    bins : number of bins of about equal weight, 2 to 1000
        Equal predictions are never parted, and neighbours are joined until each bin has 5 events
        by the horizon, so there may be fewer.
    sample_weight, groups : as for `concordance`.
    level : confidence level of the interval of each observed risk.

    Returns
    -------
    OneTimeCalibration or dict of OneTimeCalibration
        Statistics are NaN, and `method` says why, where some bin is not followed to the horizon.

    Raises
    ------
    DataError, TargetError, ParameterError : as for `d_calibration`; horizon not above 0.

    Notes
    -----
    Censoring must be independent of T within bins only. The variance is the one under the null
    hypothesis, scaled as Greenwood's is by the censoring: dividing by Greenwood's own rejects right
    predictions too often in bins near 0 or 1. With one degree of freedom less, as is usual for
    predictions made on the very rows, right predictions for new rows are rejected too often. Time
    O(n log n), memory O(n). Demler, Paynter & Cook (2015), Statistics in Medicine 34:1659;
    D'Agostino & Nam (2003), Handbook of Statistics 23.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(0.1, 0.6, 500)
    >>> time = rng.exponential(-1 / np.log1p(-p))
    >>> found = one_time_calibration(np.minimum(time, 1.5), time < 1.5, p, 1.0, bins=5)
    >>> found.degrees_of_freedom, found.p_value > 0.05
    (5, True)
    """
    _check_bins(bins)
    check_horizon(horizon)
    follow_up, columns = checked_rows_of(time, event, sample_weight, level, groups, p=p)
    risk = columns["p"]
    refuse((risk < 0) | (risk > 1), "p", "probabilities out of range", "values in [0, 1]")
    kernel = partial(_one_time, horizon=float(horizon), bins=bins, level=level)
    return per_group(kernel, follow_up, (risk,), groups)


def _parted(follow_up: FollowUp, p: Floats, horizon: float, bins: int) -> list[NDArray[np.intp]]:
    """Rows by bin: equal predictions together, and 5 events by the horizon in each."""
    if p.size == 0:
        return []
    order = np.argsort(p, kind="stable")
    weight = follow_up.weight[order]
    ordered = p[order]
    first = np.concatenate([[True], np.diff(ordered) > 0])
    starts = np.flatnonzero(first)
    sums = np.add.reduceat(weight, starts)
    middle = (np.cumsum(sums) - sums / 2) / sums.sum()
    bin_of = np.minimum((middle * bins).astype(np.intp), bins - 1)[np.cumsum(first) - 1]
    hits = (follow_up.event & (follow_up.time <= horizon))[order]
    parts, start = [], 0
    for k in range(bins):
        end = int(np.searchsorted(bin_of, k, side="right"))
        if end > start and np.count_nonzero(hits[start:end]) >= _MIN_EVENTS:
            parts.append(order[start:end])
            start = end
    if start < order.size:
        rest = order[start:]
        parts = [*parts[:-1], np.concatenate([parts[-1], rest])] if parts else [rest]
    return parts


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _known_rows(part: FollowUp, curve: KaplanMeier, horizon: float) -> float:
    """Number of uncensored rows at which a share would have the variance that the curve has."""
    place = int(np.searchsorted(curve.times, horizon, side="right")) - 1
    survival = float(curve.at(horizon))
    if place < 0 or not 0 < survival < 1:
        return part.effective_n if survival == 0 else math.nan
    return survival * (1 - survival) / float(curve.variance[place])


def _one_time(
    follow_up: FollowUp, p: Floats, horizon: float, bins: int, level: float
) -> OneTimeCalibration:
    found, terms, simple = [], [], [math.nan] * (follow_up.n == 0)
    terms += simple
    for rows in _parted(follow_up, p, horizon, bins):
        part = follow_up.rows(rows)
        risk = p[rows]
        predicted = float(part.weight @ risk) / part.total
        curve = curve_of(part)
        survival = curve.estimate(horizon, level)
        gap = (1 - survival.value - predicted) ** 2
        spread = float(part.weight @ (risk * (1 - risk))) / part.total
        terms.append(_ratio(gap * _known_rows(part, curve, horizon), spread))
        simple.append(_ratio(gap * part.effective_n, predicted * (1 - predicted)))
        found.append(
            CalibrationBin(
                low=float(risk.min()),
                high=float(risk.max()),
                predicted=predicted,
                observed=Estimate(
                    name="risk",
                    value=1 - survival.value,
                    low=1 - survival.high,
                    high=1 - survival.low,
                    level=level,
                    n=part.n,
                    method=survival.method,
                ),
                n=part.n,
                n_events=int(np.count_nonzero(part.event & (part.time <= horizon))),
            )
        )
    statistic, other, df = float(np.sum(terms)), float(np.sum(simple)), len(found)
    method = "Kaplan-Meier by bin, null variance at the effective number of rows"
    if math.isnan(statistic):
        reason = "a bin without variance, or not followed to the horizon"
        method = f"none: {reason if found else 'no rows'}"
    return OneTimeCalibration(
        statistic=statistic,
        p_value=float(chdtrc(df, statistic)),
        nam_dagostino=other,
        nam_dagostino_p_value=float(chdtrc(df, other)),
        degrees_of_freedom=df,
        bins=tuple(found),
        horizon=horizon,
        n=follow_up.n,
        method=method,
    )
