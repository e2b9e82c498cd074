"""Confidence intervals from counts and from standard errors, for scalars and for arrays alike."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, expit, logit, ndtri

from riskwright.core import ParameterError

from ._columns import is_number

__all__ = [
    "effective_size",
    "log_interval",
    "logit_interval",
    "normal_interval",
    "normal_quantile",
    "proportion_interval",
]

Floats = NDArray[np.float64]
ProportionMethod = Literal["wilson", "clopper_pearson"]


def normal_quantile(level: float) -> float:
    """Two-sided standard normal quantile, 1.96 for `level=0.95`.

    Raises `ParameterError` where `level` is not strictly between 0 and 1.
    """
    if not (is_number(level) and 0.0 < level < 1.0):
        raise ParameterError(
            "not a confidence level", where="level", expected="0 < level < 1", got=repr(level)
        )
    return float(ndtri(0.5 + level / 2))


def effective_size(weights: ArrayLike) -> float:
    """Kish's effective number of rows, (sum w)^2 / sum w^2; n for equal weights, 0 for none."""
    values = np.asarray(weights, dtype=np.float64)
    squares = float(np.dot(values, values))
    return float(values.sum()) ** 2 / squares if squares else 0.0


@overload
def proportion_interval(
    events: float, n: float, level: float = ..., method: ProportionMethod = ...
) -> tuple[float, float]: ...
@overload
def proportion_interval(
    events: ArrayLike, n: ArrayLike, level: float = ..., method: ProportionMethod = ...
) -> tuple[Floats, Floats]: ...
def proportion_interval(
    events: ArrayLike,
    n: ArrayLike,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
) -> tuple[float, float] | tuple[Floats, Floats]:
    """Interval for a binomial proportion.

    Parameters
    ----------
    events, n : real numbers or arrays that broadcast, 0 <= events <= n
        Counts. Weighted counts may be real: pass the Kish effective size as `n` and the weighted
        proportion times that size as `events`.
    level : confidence level, between 0 and 1.
    method : "wilson" or "clopper_pearson"
        Wilson's score interval covers `level` on average; Clopper and Pearson's covers at least
        `level` for every true proportion (for whole counts) and is wider.

    Returns
    -------
    (low, high) : floats for scalars, arrays of the broadcast shape otherwise
        Within [0, 1]; (0, 1) where n is 0.

    Raises
    ------
    ParameterError : for counts out of range or an unknown method.

    References
    ----------
    Wilson (1927), JASA 22:209; Clopper & Pearson (1934), Biometrika 26:404.

    Examples
    --------
    >>> low, high = proportion_interval(8, 10)
    >>> f"{low:.3f} {high:.3f}"
    '0.490 0.943'
    """
    z = normal_quantile(level)
    x, total = np.broadcast_arrays(
        np.asarray(events, dtype=np.float64), np.asarray(n, dtype=np.float64)
    )
    slack = 1e-9 * np.abs(total)
    if not bool(np.all((x >= -slack) & (x <= total + slack))):
        raise ParameterError("counts out of range", where="events, n", expected="0 <= events <= n")
    x = np.clip(x, 0.0, total)
    if method == "wilson":
        low, high = _wilson(x, total, z)
    elif method == "clopper_pearson":
        low, high = _clopper_pearson(x, total, level)
    else:
        raise ParameterError(
            "unknown method", where="method", expected="wilson or clopper_pearson", got=repr(method)
        )
    low, high = np.where(x == 0.0, 0.0, low), np.where(x == total, 1.0, high)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


def _wilson(x: Floats, n: Floats, z: float) -> tuple[Floats, Floats]:
    variance = np.divide(x * (n - x), n, out=np.zeros(n.shape), where=n > 0)
    middle = (x + z * z / 2) / (n + z * z)
    half = z * np.sqrt(variance + z * z / 4) / (n + z * z)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _clopper_pearson(x: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    tail = (1.0 - level) / 2
    inside_low, inside_high = np.maximum(x, 1e-300), np.maximum(n - x, 1e-300)
    low = betaincinv(inside_low, n - x + 1, tail)
    high = betaincinv(x + 1, inside_high, 1.0 - tail)
    return np.asarray(low), np.asarray(high)


def normal_interval(value: float, se: float, level: float = 0.95) -> tuple[float, float]:
    """`value` -/+ quantile times standard error `se`."""
    reach = normal_quantile(level) * se
    return value - reach, value + reach


def log_interval(value: float, se: float, level: float = 0.95) -> tuple[float, float]:
    """Normal interval of log(value), carried back, for a quantity that is above 0."""
    factor = float(np.exp(normal_quantile(level) * se / value))
    return value / factor, value * factor


def logit_interval(value: float, se: float, level: float = 0.95) -> tuple[float, float]:
    """Normal interval of logit(value), carried back, for a quantity strictly within (0, 1)."""
    low, high = normal_interval(float(logit(value)), se / (value * (1.0 - value)), level)
    return float(expit(low)), float(expit(high))
