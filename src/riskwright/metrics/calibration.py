"""Whether predicted risks are met: recalibration slope, calibration in the large, binned error."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from riskwright.core import Estimate, ParameterError, generator
from riskwright.stats import normal_interval, normal_quantile

from ._inputs import Sample, clipped, estimate, metric, undefined

__all__ = [
    "calibration_error",
    "calibration_error_kernel",
    "calibration_in_the_large",
    "calibration_in_the_large_kernel",
    "calibration_slope",
    "calibration_slope_kernel",
]

Floats = NDArray[np.float64]
Binning = Literal["equal_count", "equal_width"]

_SEED = 20120704
_DRAWS = 4000
_MAX_STEPS = 100
_NO_SPREAD = 1e-24


@metric
def calibration_slope(
    y: ArrayLike,
    p: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Slope b of the logistic recalibration logit P(y = 1) = a + b logit(p).

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1
    p : array of shape (n,), predicted probabilities in [0, 1]
        Those below 2^-52 or above 1 - 2^-52 are moved to these limits; the method then says so.
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives.
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        1 is ideal; below 1 the predictions are too extreme (overfitted), above 1 too timid. The
        interval is normal with the sandwich variance (rows, not weights, are the independent
        draws; factor n / (n - 2) with Kish's effective n). Value and interval are NaN, and the
        method says why, where no finite slope exists: all predictions equal, or outcomes
        perfectly separated by them.

    Raises
    ------
    DataError : lengths, shapes, missing values, probabilities outside [0, 1], other outcomes.
    TargetError : one class only (without groups; a group of one class has a NaN estimate).

    Notes
    -----
    Newton steps, time O(n log n), memory O(n). Cox (1958), Biometrika 45:562; Steyerberg (2019),
    Clinical Prediction Models, chapter 15; White (1982), Econometrica 50:1.

    Examples
    --------
    >>> estimate = calibration_slope([0, 0, 1, 0, 1, 1], [0.2, 0.3, 0.4, 0.6, 0.7, 0.8])
    >>> f"{estimate.value:.2f}"
    '1.74'
    """
    return estimate(calibration_slope_kernel, y, p, sample_weight, groups, level, both_classes=True)


def calibration_slope_kernel(sample: Sample, level: float) -> Estimate:
    name = "calibration_slope"
    if sample.one_class:
        return undefined(name, sample, level, f"one class only among {sample.n} rows")
    p, note = clipped(sample.value)
    x = logit(p)
    if x[0] == x[-1]:
        return undefined(name, sample, level, "all predictions are equal")
    events, others = x[sample.w1 > 0], x[sample.w0 > 0]
    if events[0] >= others[-1] or others[0] >= events[-1]:
        return undefined(name, sample, level, "the predictions separate the outcomes perfectly")
    centre, spread = float(x.mean()), float(x.std())
    design = np.column_stack([np.ones(x.size), (x - centre) / spread])
    fit = _logistic(design, np.zeros(x.size), sample)
    if fit is None:
        return undefined(name, sample, level, "the recalibration did not converge")
    interval = normal_interval(fit[0][1] / spread, fit[1][1] / spread, level)
    method = "logistic recalibration, sandwich variance" + note
    return sample.estimate(name, fit[0][1] / spread, interval, level, method)


@metric
def calibration_in_the_large(
    y: ArrayLike,
    p: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Intercept a of logit P(y = 1) = a + logit(p): the shift that makes the mean risk right.

    Parameters
    ----------
    y, p, sample_weight, groups, level : as for `calibration_slope`.

    Returns
    -------
    Estimate or dict of Estimate
        In log-odds: 0 is ideal, above 0 risks are predicted too low, below 0 too high. The
        interval is normal with the sandwich variance (factor n / (n - 1)).

    Raises
    ------
    DataError, TargetError : as for `calibration_slope`.

    Notes
    -----
    Newton steps, time O(n log n), memory O(n). References as for `calibration_slope`.

    Examples
    --------
    >>> print(calibration_in_the_large([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]))
    0.000 (95% CI -2.263 to 2.263)
    """
    return estimate(
        calibration_in_the_large_kernel, y, p, sample_weight, groups, level, both_classes=True
    )


def calibration_in_the_large_kernel(sample: Sample, level: float) -> Estimate:
    name = "calibration_in_the_large"
    if sample.one_class:
        return undefined(name, sample, level, f"one class only among {sample.n} rows")
    p, note = clipped(sample.value)
    fit = _logistic(np.ones((p.size, 1)), logit(p), sample)
    if fit is None:
        return undefined(name, sample, level, "the recalibration did not converge")
    interval = normal_interval(fit[0][0], fit[1][0], level)
    method = "logistic recalibration, sandwich variance" + note
    return sample.estimate(name, fit[0][0], interval, level, method)


def _logistic(
    design: Floats, offset: Floats, sample: Sample
) -> tuple[list[float], list[float]] | None:
    """Maximum-likelihood coefficients and sandwich standard errors, None without convergence."""
    weight, k = sample.w1 + sample.w0, design.shape[1]
    beta = np.zeros(k)
    loss = _logistic_loss(offset, sample)
    for _ in range(_MAX_STEPS):
        mu = expit(design @ beta + offset)
        gradient = design.T @ (sample.w1 - weight * mu)
        curvature = (design * (weight * mu * (1 - mu))[:, None]).T @ design
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            return None
        decrement = float(gradient @ step)
        if not decrement > 1e-20 * sample.total:
            break
        scale, lower = 1.0, _logistic_loss(design @ (beta + step) + offset, sample)
        while lower > loss - 1e-4 * scale * decrement + 1e-13 * abs(loss) and scale > 1e-12:
            scale /= 2
            lower = _logistic_loss(design @ (beta + scale * step) + offset, sample)
        beta, loss = beta + scale * step, lower
    else:
        return None
    scores = design * np.sqrt(sample.q1 * (1 - mu) ** 2 + sample.q0 * mu**2)[:, None]
    bread = np.linalg.inv(curvature)
    n = sample.effective_n
    covariance = bread @ (scores.T @ scores) @ bread * n / max(n - k, 1.0)
    return beta.tolist(), np.sqrt(np.diag(covariance)).tolist()


def _logistic_loss(eta: Floats, sample: Sample) -> float:
    return float(sample.w1 @ np.logaddexp(0, -eta) + sample.w0 @ np.logaddexp(0, eta))


@overload
def calibration_error(
    y: ArrayLike,
    p: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
    bins: int = ...,
    binning: Binning = ...,
) -> Estimate: ...
@overload
def calibration_error(
    y: ArrayLike,
    p: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
    bins: int = ...,
    binning: Binning = ...,
) -> dict[str, Estimate]: ...
def calibration_error(
    y: ArrayLike,
    p: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    bins: int = 10,
    binning: Binning = "equal_count",
) -> Estimate | dict[str, Estimate]:
    """Expected calibration error: mean over rows of |observed - predicted| of the row's bin.

    Parameters
    ----------
    y, p, sample_weight, groups, level : as for `calibration_slope`.
    bins : number of bins, 1 to 1000.
    binning : "equal_count" or "equal_width"
        Bins of about equal weight (equal predictions are never parted, so a card with few
        distinct risks has one bin per risk or fewer), or bins of equal width on [0, 1].

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1]; 0 is ideal, but the value is biased upwards: with 10 bins of m rows a
        perfectly calibrated model shows about 0.8 sqrt(p (1 - p) / m). The interval is for the
        error with these bins held fixed. It takes this bias into account and covers at least
        `level` in large samples, at the price of width: with D the vector of bin contributions
        and e its error, drawn 4,000 times from its normal limit (a parametric bootstrap with a
        fixed seed), the lower end is sum |D| - quantile of sum |e| and the upper end adds the
        normal quantile times the largest standard error that a signed sum of D can have. It is NaN,
        and the method says so, where one bin holds residuals that are all equal, or all are 0.

    Raises
    ------
    DataError : as for `brier`; one class alone is allowed.
    ParameterError : bins out of range, unknown binning.

    Notes
    -----
    Time O(n log n), memory O(n). Naeini, Cooper & Hauskrecht (2015), AAAI. The ends follow from
    |D| - |e| <= |D - e| and |D| >= |D - e| + sign(D - e) e, bin by bin.

    Examples
    --------
    >>> f"{calibration_error([0, 0, 1, 1], [0.1, 0.1, 0.6, 0.6]).value:.2f}"
    '0.25'
    """
    if not 1 <= bins <= 1000:
        raise ParameterError(
            "impossible number of bins", where="bins", expected="1 to 1000", got=repr(bins)
        )
    if binning not in ("equal_count", "equal_width"):
        raise ParameterError(
            "unknown binning",
            where="binning",
            expected="equal_count or equal_width",
            got=repr(binning),
        )
    kernel = partial(calibration_error_kernel, bins=bins, binning=binning)
    return estimate(kernel, y, p, sample_weight, groups, level, both_classes=False)


def calibration_error_kernel(
    sample: Sample, level: float, bins: int = 10, binning: Binning = "equal_count"
) -> Estimate:
    name = "calibration_error"
    if sample.n < 2:
        return undefined(name, sample, level, f"too few rows: {sample.n}")
    p, total, n = sample.value, sample.total, sample.effective_n
    weight = sample.w1 + sample.w0
    place = (np.cumsum(weight) - weight / 2) / total if binning == "equal_count" else p
    bin_of = np.minimum((place * bins).astype(np.intp), bins - 1)
    residual = np.bincount(bin_of, sample.w1 - weight * p, bins) / total
    value = float(np.abs(residual).sum())
    squares = sample.q1 * (1 - p) ** 2 + sample.q0 * p**2
    own = np.bincount(bin_of, squares, bins) / total**2
    cross = np.bincount(bin_of, sample.q1 * (1 - p) - sample.q0 * p, bins) / total**2
    shared = np.outer(cross, residual)
    covariance = np.diag(own) - shared - shared.T + np.outer(residual, residual) / n
    covariance *= n / max(n - 1, 1.0)
    spread = float(np.abs(covariance).sum())
    if spread <= _NO_SPREAD:
        reason = "none: the residual is the same in every row"
        return sample.estimate(name, value, (math.nan, math.nan), level, reason)
    rng = generator(_SEED)
    errors = rng.multivariate_normal(
        np.zeros(bins), covariance, _DRAWS, check_valid="ignore", method="eigh"
    )
    reach = float(np.quantile(np.abs(errors).sum(axis=1), (1 + level) / 2))
    upper = normal_quantile(level) * math.sqrt(spread)
    interval = max(value - reach, 0.0), min(value + upper, 1.0)
    method = f"{bins} {binning.replace('_', '-')} bins, parametric bootstrap"
    return sample.estimate(name, value, interval, level, method)
