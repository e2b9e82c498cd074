"""Finite-sample confidence bounds of the mean of bounded losses, valid for every distribution."""

from __future__ import annotations

import math
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincc, betainccinv, betaincinv, xlog1py, xlogy

from riskwright.core import ParameterError, Record
from riskwright.stats._kernels import betting_peak, betting_upper

from ._losses import checked_counts, checked_delta, checked_limit, checked_losses, checked_weights

__all__ = [
    "Bound",
    "MeanMethod",
    "binomial_lower",
    "binomial_p_value",
    "binomial_upper",
    "hoeffding_bentkus_p_value",
    "hoeffding_bentkus_upper",
    "hoeffding_upper",
    "mean_lower",
    "mean_upper",
    "wsr_p_value",
    "wsr_upper",
]

Floats = NDArray[np.float64]
MeanMethod = Literal["auto", "clopper-pearson", "hb", "wsr", "hoeffding"]

INDEPENDENT = "rows are independent draws from the population that the bound is about"


class Bound(Record, frozen=True, kw_only=True):
    """A one-sided confidence bound of a risk: wrong with probability at most `delta`.

    `value` bounds the risk, `empirical` is the risk of the `n` rows themselves, `method` names
    the inequality, `assumptions` says in words what the guarantee rests on.
    """

    value: float
    delta: float
    method: str
    n: int
    assumptions: tuple[str, ...]
    empirical: float


@overload
def binomial_upper(errors: float, n: float, delta: float) -> float: ...
@overload
def binomial_upper(errors: ArrayLike, n: ArrayLike, delta: float) -> float | Floats: ...
def binomial_upper(errors: ArrayLike, n: ArrayLike, delta: float) -> float | Floats:
    """Clopper and Pearson's one-sided upper bound of an error probability.

    Parameters
    ----------
    errors, n : whole numbers or arrays that broadcast, 0 <= errors <= n
    delta : probability, between 0 and 1, that the bound falls below the truth.

    Returns
    -------
    float or array
        In [0, 1]; 1 where n is 0 or every row is an error.

    Raises
    ------
    ParameterError : counts that are not whole or out of range, delta outside (0, 1).

    Notes
    -----
    Clopper & Pearson (1934), Biometrika 26:404. No valid bound that grows with the count is
    smaller.

    Examples
    --------
    >>> f"{binomial_upper(5, 100, 0.1):.6f}"
    '0.090771'
    """
    checked_delta(delta)
    x, total = checked_counts(errors, n)
    upper = betainccinv(x + 1, np.maximum(total - x, 1.0), delta)
    return _unwrapped(np.where(x >= total, 1.0, upper))


@overload
def binomial_lower(errors: float, n: float, delta: float) -> float: ...
@overload
def binomial_lower(errors: ArrayLike, n: ArrayLike, delta: float) -> float | Floats: ...
def binomial_lower(errors: ArrayLike, n: ArrayLike, delta: float) -> float | Floats:
    """Clopper and Pearson's one-sided lower bound; 0 where n or errors is 0.

    Parameters, errors and reference as for `binomial_upper`.

    Examples
    --------
    >>> f"{binomial_lower(5, 100, 0.1):.6f}"
    '0.024520'
    """
    checked_delta(delta)
    x, total = checked_counts(errors, n)
    lower = betaincinv(np.maximum(x, 1.0), total - x + 1, delta)
    return _unwrapped(np.where(x == 0, 0.0, lower))


@overload
def binomial_p_value(errors: float, n: float, limit: float) -> float: ...
@overload
def binomial_p_value(errors: ArrayLike, n: ArrayLike, limit: ArrayLike) -> float | Floats: ...
def binomial_p_value(errors: ArrayLike, n: ArrayLike, limit: ArrayLike) -> float | Floats:
    """P-value of "the error probability is `limit` or more": P(Binomial(n, limit) <= errors).

    Parameters
    ----------
    errors, n : whole numbers or arrays that broadcast, 0 <= errors <= n
    limit : number or array that broadcasts, in [0, 1]

    Returns
    -------
    float or array
        In [0, 1]; at most delta exactly where `binomial_upper(errors, n, delta) <= limit`.

    Raises
    ------
    ParameterError : counts that are not whole or out of range, a limit outside [0, 1].

    Examples
    --------
    >>> f"{binomial_p_value(50, 1000, 0.07):.6f}"
    '0.005930'
    """
    x, total = checked_counts(errors, n)
    x, total, bar = np.broadcast_arrays(x, total, _limits(limit))
    return _unwrapped(_binomial_cdf(x, total, bar))


@overload
def hoeffding_bentkus_p_value(total: float, n: float, limit: float) -> float: ...
@overload
def hoeffding_bentkus_p_value(
    total: ArrayLike, n: ArrayLike, limit: ArrayLike
) -> float | Floats: ...
def hoeffding_bentkus_p_value(total: ArrayLike, n: ArrayLike, limit: ArrayLike) -> float | Floats:
    """P-value of "the mean loss is `limit` or more" from the sum of n losses in [0, 1].

    Parameters
    ----------
    total : sum of the losses (not their mean), 0 <= total <= n
    n : whole number of rows, or array that broadcasts
    limit : number or array that broadcasts, in [0, 1]

    Returns
    -------
    float or array
        The smaller of Hoeffding's exp(-n kl(total/n, limit)) and Bentkus'
        e P(Binomial(n, limit) <= ceil(total)), at most 1. Both bound the same tail probability,
        so that the smaller one is a p-value without any correction.

    Raises
    ------
    ParameterError : totals or limits out of range, n that is not whole.

    Notes
    -----
    Hoeffding (1963), JASA 58:13, Theorem 1; Bentkus (2004), Annals of Probability 32:1650;
    Bates et al. (2021), Journal of the ACM 68:43. For losses 0 and 1 `binomial_p_value` is
    smaller.

    Examples
    --------
    >>> f"{hoeffding_bentkus_p_value(50, 1000, 0.07):.6f}"
    '0.016118'
    """
    s, count = _checked_total(total, n)
    s, count, bar = np.broadcast_arrays(s, count, _limits(limit))
    mean = np.divide(s, count, out=np.zeros(s.shape), where=count > 0)
    hoeffding = np.where(mean < bar, np.exp(-count * _kl(mean, bar)), 1.0)
    bentkus = math.e * _binomial_cdf(np.minimum(np.ceil(s), count), count, bar)
    return _unwrapped(np.minimum(np.minimum(hoeffding, bentkus), 1.0))


@overload
def hoeffding_bentkus_upper(total: float, n: float, delta: float) -> float: ...
@overload
def hoeffding_bentkus_upper(total: ArrayLike, n: ArrayLike, delta: float) -> float | Floats: ...
def hoeffding_bentkus_upper(total: ArrayLike, n: ArrayLike, delta: float) -> float | Floats:
    """Upper bound of the mean of n losses in [0, 1]: the limits not rejected at `delta`.

    The inversion of `hoeffding_bentkus_p_value`, rounded up; its parameters, errors and papers.

    Examples
    --------
    >>> f"{hoeffding_bentkus_upper(10, 100, 0.1):.6f}"
    '0.169390'
    """
    checked_delta(delta)
    s, count = _checked_total(total, n)
    x = np.minimum(np.ceil(s), count)
    bentkus = betainccinv(x + 1, np.maximum(count - x, 1.0), delta / math.e)
    bentkus = np.where(x >= count, 1.0, bentkus)
    return _unwrapped(np.minimum(_kl_upper(s, count, math.log(1 / delta)), bentkus))


@overload
def hoeffding_upper(total: float, n: float, delta: float) -> float: ...
@overload
def hoeffding_upper(total: ArrayLike, n: ArrayLike, delta: float) -> float | Floats: ...
def hoeffding_upper(total: ArrayLike, n: ArrayLike, delta: float) -> float | Floats:
    """Hoeffding's simple upper bound total/n + sqrt(log(1/delta) / (2 n)), at most 1.

    Parameters and errors as for `hoeffding_bentkus_upper`, which is never larger.
    Hoeffding (1963), JASA 58:13.

    Examples
    --------
    >>> f"{hoeffding_upper(50, 1000, 0.1):.6f}"
    '0.083931'
    """
    checked_delta(delta)
    s, count = _checked_total(total, n)
    rows = np.maximum(count, 1.0)
    upper = s / rows + np.sqrt(math.log(1 / delta) / (2 * rows))
    return _unwrapped(np.where(count > 0, np.minimum(upper, 1.0), 1.0))


def wsr_upper(losses: ArrayLike, delta: float) -> float:
    """Upper bound of the mean by betting against "the mean is m or more" for every m.

    Parameters
    ----------
    losses : array of shape (n,), values in [0, 1], in an order that does not depend on them
    delta : probability, between 0 and 1, that the bound falls below the mean.

    Returns
    -------
    float
        The smallest m at which the capital prod(1 - bet_i (loss_i - m)) reached 1/delta at some
        row, rounded up; 1 where none did. Each bet depends on earlier losses only and the capital
        is never reset, so that it is a martingale at the true mean.

    Raises
    ------
    DataError : no rows, missing values, losses outside [0, 1].
    ParameterError : delta outside (0, 1).

    Notes
    -----
    Time O(n), about fourteen passes; memory 16 n bytes. Adapts to the variance; another order of
    the rows gives another bound. Waudby-Smith & Ramdas (2024), JRSS B 86:1, predictable bets;
    one-sided as in Bates et al. (2021), Journal of the ACM 68:43.

    Examples
    --------
    >>> losses = np.tile([0.0, 0.1, 0.2, 0.1], 250)
    >>> f"{wsr_upper(losses, 0.05):.4f}"
    '0.1055'
    """
    checked_delta(delta)
    values = checked_losses(losses)
    return float(betting_upper(values, delta, _log_threshold(1 / delta, values.size)))


def wsr_p_value(losses: ArrayLike, limit: float, *, delta: float = 0.05) -> float:
    """P-value of "the mean is `limit` or more": 1 over the largest capital of `wsr_upper`'s bets.

    `delta` is the level for which the bets are tuned, chosen before the data are seen; the
    p-value is valid at every level and is at most `delta` exactly where
    `wsr_upper(losses, delta) <= limit`, up to rounding. Parameters, errors and papers as there.

    Examples
    --------
    >>> losses = np.tile([0.0, 0.1, 0.2, 0.1], 250)
    >>> wsr_p_value(losses, 0.12) < 0.05 < wsr_p_value(losses, 0.105)
    True
    """
    checked_delta(delta)
    values = checked_losses(losses)
    peak = betting_peak(values, checked_limit(limit), delta)
    return math.exp(-max(peak - _log_threshold(1.0, values.size), 0.0))


def mean_upper(
    losses: ArrayLike,
    delta: float,
    *,
    method: MeanMethod = "auto",
    bound: float = 1.0,
    sample_weight: ArrayLike | None = None,
    max_weight: float | None = None,
) -> Bound:
    """Upper confidence bound of the expected loss.

    Parameters
    ----------
    losses : array of shape (n,), values in [0, bound]
    delta : probability, between 0 and 1, that the bound falls below the expected loss.
    method : "auto", "clopper-pearson", "hb" (Hoeffding-Bentkus), "wsr" (betting) or "hoeffding"
        "auto" takes Clopper and Pearson's bound for losses that are all 0 or `bound`, betting
        otherwise; never the smallest of several.
    bound : the largest loss that is possible.
    sample_weight : array of shape (n,), optional
        KNOWN importance weights: the density of the target population over that of the source,
        with mean 1 in the source. The bound is then that of the target's expected loss. Estimated
        weights void the guarantee.
    max_weight : the largest weight that is possible; required with `sample_weight`.

    Returns
    -------
    Bound
        At least the expected loss with probability 1 - `delta` for every distribution on
        [0, bound], at any n.

    Raises
    ------
    DataError : no rows, missing values, losses outside [0, bound], weights above `max_weight`.
    ParameterError : delta, method or bound not allowed; Clopper and Pearson's method for losses
        that are not 0 or `bound`, or with weights.

    Notes
    -----
    Time O(n). The papers are named at the bounds of each method.

    Examples
    --------
    >>> found = mean_upper([0] * 95 + [1] * 5, 0.1)
    >>> f"{found.empirical:.2f} <= {found.value:.4f} by {found.method}"
    '0.05 <= 0.0908 by clopper-pearson'
    """
    unit, scale, words = _unit_losses(losses, delta, bound, sample_weight, max_weight)
    chosen = _method(method, unit, sample_weight is not None)
    value = min(scale * _unit_upper(unit, delta, chosen), bound)
    return _bound(value, unit, scale, delta, chosen, words)


def mean_lower(
    losses: ArrayLike,
    delta: float,
    *,
    method: MeanMethod = "auto",
    bound: float = 1.0,
    sample_weight: ArrayLike | None = None,
    max_weight: float | None = None,
) -> Bound:
    """Lower confidence bound of the expected loss: `mean_upper` of `bound - losses`, turned round.

    Parameters, errors and guarantee as for `mean_upper`.

    Examples
    --------
    >>> f"{mean_lower([0] * 95 + [1] * 5, 0.1).value:.6f}"
    '0.024520'
    """
    unit, scale, words = _unit_losses(losses, delta, bound, sample_weight, max_weight)
    chosen = _method(method, unit, sample_weight is not None)
    if chosen == "clopper-pearson":
        value = scale * binomial_lower(int(np.count_nonzero(unit)), unit.size, delta)
    else:
        value = scale * (1.0 - _unit_upper(1.0 - unit, delta, chosen))
    return _bound(max(value, 0.0), unit, scale, delta, chosen, words)


def _unit_losses(
    losses: ArrayLike,
    delta: float,
    bound: float,
    sample_weight: ArrayLike | None,
    max_weight: float | None,
) -> tuple[Floats, float, tuple[str, ...]]:
    """Losses (weighted ones where weights are given) over the largest possible value, and it."""
    checked_delta(delta)
    values = checked_losses(losses, bound)
    if sample_weight is None:
        return (values if bound == 1.0 else values / bound), bound, (INDEPENDENT,)
    if max_weight is None or not 0.0 < max_weight < math.inf:
        raise ParameterError(
            "no finite limit of the weights",
            where="max_weight",
            expected="the largest importance weight that is possible",
            got=repr(max_weight),
            hint="A bound needs it; the largest weight of the sample is not enough",
        )
    weights = checked_weights(sample_weight, values.size, max_weight)
    scale = bound * max_weight
    words = (
        "rows are independent draws from the source population",
        "weights are the known density ratio of target to source, with mean 1 in the source, "
        f"and never exceed {max_weight:g}",
    )
    return np.minimum(values * weights / scale, 1.0), scale, words


def _method(method: MeanMethod, unit: Floats, weighted: bool) -> MeanMethod:
    methods = ("auto", "clopper-pearson", "hb", "wsr", "hoeffding")
    if method not in methods:
        raise ParameterError(
            "unknown method", where="method", expected=" or ".join(methods), got=repr(method)
        )
    if method not in ("auto", "clopper-pearson"):
        return method
    if not weighted and bool(np.all((unit == 0.0) | (unit == 1.0))):
        return "clopper-pearson"
    if method == "auto":
        return "wsr"
    raise ParameterError(
        "losses are not counts",
        where="method",
        expected="losses that are 0 or `bound`, without weights, for clopper-pearson",
        hint='Use "wsr" or "hb"',
    )


def _unit_upper(unit: Floats, delta: float, method: MeanMethod) -> float:
    if method == "wsr":
        return wsr_upper(unit, delta)
    if method == "clopper-pearson":
        return binomial_upper(int(np.count_nonzero(unit)), unit.size, delta)
    total = min(math.fsum(unit), float(unit.size))
    return (hoeffding_bentkus_upper if method == "hb" else hoeffding_upper)(total, unit.size, delta)


def _bound(
    value: float,
    unit: Floats,
    scale: float,
    delta: float,
    method: MeanMethod,
    words: tuple[str, ...],
) -> Bound:
    if method == "clopper-pearson":
        words = (*words, f"each loss is 0 or {scale:g} by its definition, not by chance")
    elif method == "wsr":
        words = (*words, "the order of the rows does not depend on their losses")
    return Bound(
        value=value,
        delta=delta,
        method=method,
        n=unit.size,
        assumptions=words,
        empirical=scale * float(unit.mean()),
    )


def _log_threshold(threshold: float, n: int) -> float:
    """log(threshold), raised by what rounding can add to the capital of n bets."""
    return math.log(threshold) + n * 2.0**-50


def _checked_total(total: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    s, count = np.broadcast_arrays(
        np.asarray(total, dtype=np.float64), np.asarray(n, dtype=np.float64)
    )
    if not np.all((s >= 0) & (s <= count) & (count == np.floor(count)) & (count <= 2.0**53)):
        raise ParameterError(
            "not a sum of losses in [0, 1]",
            where="total, n",
            expected="0 <= total <= n, n a whole number",
        )
    return s, count


def _limits(limit: ArrayLike) -> Floats:
    values = np.asarray(limit, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ParameterError("limit out of range", where="limit", expected="0 <= limit <= 1")
    return values


def _binomial_cdf(x: Floats, n: Floats, p: Floats) -> Floats:
    return np.where(x >= n, 1.0, betaincc(x + 1, np.maximum(n - x, 1.0), p))


def _kl(mean: Floats, limit: Floats) -> Floats:
    """Divergence of Bernoulli(mean) from Bernoulli(limit)."""
    at_mean = xlogy(mean, mean) + xlog1py(1 - mean, -mean)
    return np.asarray(at_mean - xlogy(mean, limit) - xlog1py(1 - mean, -limit))


def _kl_upper(total: Floats, n: Floats, log_inverse_delta: float) -> Floats:
    """Largest limit with n kl(total/n, limit) <= log(1/delta), by bisection, rounded up."""
    mean = np.divide(total, n, out=np.ones(total.shape), where=n > 0)
    low, high = mean.copy(), np.ones(mean.shape)
    for _ in range(60):
        middle = (low + high) / 2
        rejected = n * _kl(mean, middle) >= log_inverse_delta
        low, high = np.where(rejected, low, middle), np.where(rejected, middle, high)
    return high


def _unwrapped(values: NDArray[np.float64]) -> float | Floats:
    return float(values) if values.ndim == 0 else values
