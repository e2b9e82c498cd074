"""Tail measures of a loss as estimates: value at risk, expected shortfall, Gini and others."""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, Estimate, ParameterError
from riskwright.stats import log_interval, logit_interval, normal_interval, normal_quantile
from riskwright.stats._losses import LARGEST, checked_losses
from riskwright.stats.bands import cdf_band
from riskwright.stats.tails import Entropic, Gini, TailMeasure, VaR, measure_named, weighted_levels

from ._columns import all_weights
from ._inputs import factorised

__all__ = ["tail"]

Floats = NDArray[np.float64]
_CARRIERS = 15.0
_LEAST_INDEX = 3.0


@overload
def tail(
    loss: ArrayLike,
    measure: TailMeasure | str | dict[str, Any],
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: None = None,
    level: float = 0.95,
    bound: float | None = None,
) -> Estimate: ...
@overload
def tail(
    loss: ArrayLike,
    measure: TailMeasure | str | dict[str, Any],
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike,
    level: float = 0.95,
    bound: float | None = None,
) -> dict[str, Estimate]: ...
def tail(
    loss: ArrayLike,
    measure: TailMeasure | str | dict[str, Any],
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    bound: float | None = None,
) -> Estimate | dict[str, Estimate]:
    """A tail measure of the loss.

    Parameters
    ----------
    loss : array of shape (n,), at least 0, higher is worse
    measure : a measure of `riskwright.stats.tails`, its name and parameters as text
        ("mean", "var 0.9", "cvar 0.95", "gini", "smoothed_median", "entropic 1", ...), or a dict
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives.
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.
    bound : the largest loss that is possible, optional
        Gives an interval that covers `level` at every n: two Berk-Jones bands, each at
        (1 - level)/2. Not with weights.

    Returns
    -------
    Estimate or dict of Estimate
        Value in the unit of the loss (Gini in [0, 1]). For value at risk the interval is that of
        order statistics: it covers `level` at every n without weights, takes Kish's effective n
        with them, and ends at `bound`. For the others, without `bound`, it is the asymptotic one
        from the influence function (rows, not weights, are the independent draws), on the log
        scale (Gini: logit). It is NaN, and the method says so, where fewer than 15 rows carry
        the variance: asymptotics would cover too seldom. It is NaN for `entropic` too where the
        tail of exp(theta loss), by Hill's estimate, falls more slowly than the power -3, so that
        its variance is infinite or badly known. With a handful of distinct losses the interval of
        `smoothed_median` can still fall short (89 % for 95 %); that with `bound` does not.

    Raises
    ------
    DataError : no rows, missing values, losses below 0 or above `bound`, bad weights, lengths.
    ParameterError : level, bound or measure not allowed; bound together with weights.

    Notes
    -----
    Time O(n log n), memory O(n). Woodruff (1952), JASA 47:635, for weighted quantiles; Brazauskas
    et al. (2008), Journal of Statistical Planning and Inference 138:3590, for CVaR.

    Examples
    --------
    >>> losses = np.linspace(0, 1, 1001) ** 2
    >>> print(tail(losses, "cvar 0.9"))
    0.904 (95% CI 0.884 to 0.925)
    >>> print(tail(losses, "cvar 0.9", bound=1))
    0.904 (95% CI 0.856 to 0.944)
    """
    normal_quantile(level)
    chosen = measure_named(measure)
    if bound is not None and sample_weight is not None:
        raise ParameterError(
            "no finite-sample interval for weighted rows",
            where="bound",
            expected="None where sample_weight is given",
            got=repr(bound),
        )
    if bound is not None:
        checked_losses(loss, bound, "loss")
    losses = checked_losses(loss, LARGEST, "loss")
    weights = None if sample_weight is None else all_weights(sample_weight, losses.size)
    if groups is None:
        return _estimate(losses, weights, chosen, level, bound)
    labels, codes = factorised(groups, "groups")
    if codes.size != losses.size:
        raise DataError(
            "length differs from loss",
            where="groups",
            expected=f"{losses.size} values",
            got=str(codes.size),
        )
    return {
        label: _estimate(
            losses[codes == k],
            None if weights is None else weights[codes == k],
            chosen,
            level,
            bound,
        )
        for k, label in enumerate(labels)
    }


def _estimate(
    loss: NDArray[Any],
    weights: NDArray[Any] | None,
    measure: TailMeasure,
    level: float,
    bound: float | None,
) -> Estimate:
    if weights is not None and loss.size and not np.any(weights > 0):
        return _result(measure, math.nan, (math.nan, math.nan), level, 0, "none: no rows")
    values, levels = weighted_levels(loss, weights)
    value = measure.value_of(values, levels)
    mass = np.diff(levels, prepend=0.0)
    effective = 1.0 / float(mass @ mass)
    if isinstance(measure, VaR):
        interval, method = _order_statistics(measure, values, levels, effective, level, bound)
    elif bound is not None:
        band = cdf_band(values.size, (1.0 - level) / 2)
        interval = measure.lower(values, band, bound), measure.upper(values, band, bound)
        method = "two Berk-Jones bands, valid at every n"
    else:
        interval, method = _asymptotic(measure, value, values, levels, mass, effective, level)
    if effective < values.size * (1 - 1e-9) and not method.startswith("none"):
        method += f"; weighted rows, effective n = {effective:.1f}"
    return _result(measure, value, interval, level, values.size, method)


def _result(
    measure: TailMeasure,
    value: float,
    interval: tuple[float, float],
    level: float,
    n: int,
    method: str,
) -> Estimate:
    low, high = interval
    return Estimate(
        name=measure.name, value=value, low=low, high=high, level=level, n=n, method=method
    )


def _order_statistics(
    measure: VaR,
    values: Floats,
    levels: Floats,
    effective: float,
    level: float,
    bound: float | None,
) -> tuple[tuple[float, float], str]:
    """Exact binomial ranks around the quantile; 0 and `bound` stand beyond the first and last."""
    n, miss = math.floor(effective * (1 + 1e-9)), (1.0 - level) / 2
    from scipy.stats import binom  # takes half a second to load, and serves VaR alone

    first = int(binom.ppf(miss, n, measure.level))
    last = int(binom.isf(miss, n, measure.level)) + 1
    if last > n and bound is None:
        return (math.nan, math.nan), "none: too few rows beyond the quantile, and no bound is given"
    at = np.searchsorted(levels, np.array([first, last]) / n - 1e-12, side="left")
    low = float(values[at[0]]) if first > 0 else 0.0
    high = float(values[at[1]]) if last <= n else float(bound or 0.0)
    return (low, high), "order statistics"


def _asymptotic(
    measure: TailMeasure,
    value: float,
    values: Floats,
    levels: Floats,
    mass: Floats,
    effective: float,
    level: float,
) -> tuple[tuple[float, float], str]:
    nowhere = math.nan, math.nan
    parts = (mass * measure.influence(values, levels)) ** 2
    variance = float(parts.sum())
    if effective < 2 - 1e-9 or variance <= 1e-24 * value**2:
        return nowhere, "none: no spread among the rows that carry the measure"
    if variance**2 < _CARRIERS * float(parts @ parts):
        return nowhere, f"none: fewer than {_CARRIERS:g} rows carry the measure; give a bound"
    if isinstance(measure, Entropic) and _tail_index(measure.theta * values) < _LEAST_INDEX:
        return nowhere, "none: exp(theta loss) has a tail too heavy for its variance; give a bound"
    se = math.sqrt(variance * effective / (effective - 1))
    if isinstance(measure, Gini) and 0 < value < 1:
        return logit_interval(value, se, level), "influence function, logit scale"
    if value > 0:
        return log_interval(value, se, level), "influence function, log scale"
    return normal_interval(value, se, level), "influence function"


def _tail_index(ascending: Floats) -> float:
    """Hill's estimate of the power at which the tail of exp(x) falls (1975, Annals 3:1163)."""
    k = min(max(math.isqrt(ascending.size), 10), ascending.size // 2)
    beyond = float(np.mean(ascending[-k:] - ascending[-k - 1]))
    return 1.0 / beyond if beyond > 0 else math.inf
