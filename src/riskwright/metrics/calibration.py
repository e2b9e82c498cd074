"""Whether predicted risks are met: recalibration slope, calibration in the large, errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, overload

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from riskwright.core import Estimate, ParameterError
from riskwright.stats import normal_interval, normal_quantile
from riskwright.stats._kernels import logistic_fit

from ._inputs import Kernel, Sample, checked_rows, clipped, estimate, metric, undefined
from ._samples import Bracket, Sketched
from .binned_calibration import (
    Binning,
    ambiguous,
    calibration_error_kernel,
    check_bins,
    debiased_error_kernel,
    errors_of_rows,
)
from .sketch import ScoreSketch, with_bracket
from .smooth_calibration import smooth_error_bracket, smooth_error_kernel, smooth_error_of_rows

__all__ = [
    "calibration_error",
    "calibration_in_the_large",
    "calibration_in_the_large_kernel",
    "calibration_slope",
    "calibration_slope_kernel",
    "default_bracket",
    "shifted_bracket",
    "smooth_bracket",
]

Floats = NDArray[np.float64]
Kind = Literal["binned", "debiased", "smooth"]

_MAX_STEPS = 100


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
    z = (x - centre) / spread
    weight = sample.w1 + sample.w0
    theta, reached = logistic_fit([z], sample.w1 / weight, weight, (0.0, 1.0), (0.0, 1.0), True)
    if not reached:
        return undefined(name, sample, level, "the recalibration did not converge")
    mu = expit(theta[0] + theta[1] * z)
    se = _sandwich([np.ones(z.size), z], mu, sample)[1]
    value = float(theta[1]) / spread
    interval = normal_interval(value, se / spread, level)
    method = "logistic recalibration, sandwich variance" + note
    return sample.estimate(name, value, interval, level, method)


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
        calibration_in_the_large_kernel,
        y,
        p,
        sample_weight,
        groups,
        level,
        both_classes=True,
        bracket=shifted_bracket,
    )


def calibration_in_the_large_kernel(sample: Sample, level: float) -> Estimate:
    name = "calibration_in_the_large"
    if sample.one_class:
        return undefined(name, sample, level, f"one class only among {sample.n} rows")
    p, note = clipped(sample.value)
    shift, mu = _shift(p, sample)
    (se,) = _sandwich([np.ones(p.size)], mu, sample)
    interval = normal_interval(shift, se, level)
    method = "logistic recalibration, sandwich variance" + note
    return sample.estimate(name, shift, interval, level, method)


def _shift(p: Floats, sample: Sample) -> tuple[float, Floats]:
    """Shift of the log-odds that makes the expected number of events right, and the risks then.

    Newton's steps, halved into the bracket that the extreme predictions give.
    """
    weight, rest = sample.w1 + sample.w0, 1 - p
    aim = math.log(sample.events / sample.nonevents)
    low, high = aim - float(logit(p[-1])), aim - float(logit(p[0]))
    shift = min(max(0.0, low), high)
    for _ in range(_MAX_STEPS):
        mu = p / (p + rest * math.exp(-shift))
        expected = weight * mu
        off = sample.events - float(expected.sum())
        low, high = (shift, high) if off > 0 else (low, shift)
        step = off / float(expected @ (1 - mu))
        following = shift + step
        if not low <= following <= high:
            following = (low + high) / 2
        reached = abs(following - shift) <= 1e-10 * (1 + abs(shift))
        shift = following
        if reached:
            break
    return shift, mu


def _sandwich(design: list[Floats], mu: Floats, sample: Sample) -> list[float]:
    """Sandwich standard errors of logistic coefficients, factor n / (n - k)."""
    curvature = (sample.w1 + sample.w0) * mu * (1 - mu)
    spread = sample.q1 * (1 - mu) ** 2 + sample.q0 * mu**2
    bread = np.linalg.inv([[float((curvature * a) @ b) for b in design] for a in design])
    meat = np.array([[float((spread * a) @ b) for b in design] for a in design])
    n, k = sample.effective_n, len(design)
    covariance = bread @ meat @ bread * n / max(n - k, 1.0)
    return [math.sqrt(value) for value in np.diag(covariance)]


@overload
def calibration_error(
    y: ArrayLike | ScoreSketch,
    p: ArrayLike | None = ...,
    /,
    *,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
    kind: Kind = ...,
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
    kind: Kind = ...,
    bins: int = ...,
    binning: Binning = ...,
) -> dict[str, Estimate]: ...
@overload
def calibration_error(
    y: Mapping[str, ScoreSketch],
    /,
    *,
    level: float = ...,
    kind: Kind = ...,
    bins: int = ...,
    binning: Binning = ...,
) -> dict[str, Estimate]: ...
def calibration_error(
    y: Any,
    p: ArrayLike | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    kind: Kind = "binned",
    bins: int = 10,
    binning: Binning = "equal_count",
) -> Estimate | dict[str, Estimate]:
    """How far observed shares of events lie from the predicted risks.

    Parameters
    ----------
    y, p, sample_weight, groups, level : as for `calibration_slope`.
    kind : "binned", "debiased" or "smooth"
        "binned": mean over rows of |observed - predicted| of the row's bin (expected calibration
        error). "debiased": root of the mean over rows of (observed - predicted)^2 of the row's
        bin, less the share of that square which the noise of the bins alone gives. "smooth": mean
        of the absolute residual curve smoothed by a Gaussian kernel, mirrored at 0 and 1, whose
        width equals the error itself; no bins.
    bins : number of bins, 1 to 1000, not for "smooth".
    binning : "equal_count" or "equal_width", not for "smooth"
        Bins of about equal weight (equal predictions are never parted, so a card with few
        distinct risks has one bin per risk or fewer), or bins of equal width on [0, 1].

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1]; 0 is ideal. All intervals cover at least `level` in large samples, at the
        price of width.

        Binned values are biased upwards: with 10 bins of m rows a perfectly calibrated model shows
        about 0.8 sqrt(p (1 - p) / m). The interval is for the error with these bins held fixed and
        takes this bias into account: with D the vector of bin contributions and e its error,
        drawn 4,000 times from its normal limit (a parametric bootstrap with a fixed seed), the
        lower end is sum |D| - quantile of sum |e| and the upper end adds the normal quantile times
        the largest standard error that a signed sum of D can have. It is NaN, and the method says
        so, where one bin holds residuals that are all equal, or all are 0.

        The squared debiased error is unbiased; below 0 it is shown as 0 and the method gives it.
        Value and interval are NaN where a bin has fewer than two effective rows. Its lower end is
        the root of the plain square less a drawn quantile of the noise, its upper end the largest
        error whose unbiased square lies within the normal quantile of the one found.

        The smooth error is the fixed point, to within 1e-6. It too is biased upwards, less so
        than the binned one. The ends are those of the error at this width, formed as for "binned";
        they hold for the fixed point since the error falls with the width.

    Raises
    ------
    DataError : as for `brier`; one class alone is allowed.
    ParameterError : bins out of range, unknown kind or binning.

    Notes
    -----
    Time O(n log n), memory O(n); equal-width bins and "smooth" need no sorting and take O(n).
    Naeini, Cooper & Hauskrecht (2015), AAAI; Kumar, Liang & Ma (2019), NeurIPS, for the debiased
    and Blasiok & Nakkiran (2024), ICLR, for the smooth error. The ends follow from
    |D| - |e| <= |D - e| and |D| >= |D - e| + sign(D - e) e, bin by bin or point by point.

    Examples
    --------
    >>> f"{calibration_error([0, 0, 1, 1], [0.1, 0.1, 0.6, 0.6]).value:.2f}"
    '0.25'
    >>> f"{calibration_error([1, 1, 1], [0.2, 0.6, 0.7], kind='smooth').value:.2f}"
    '0.50'
    """
    if isinstance(y, Mapping):
        options: dict[str, Any] = {"level": level, "kind": kind, "bins": bins, "binning": binning}
        options |= {"sample_weight": sample_weight, "groups": groups}
        return {str(label): calibration_error(part, p, **options) for label, part in y.items()}
    if kind not in ("binned", "debiased", "smooth"):
        expected = "binned, debiased or smooth"
        raise ParameterError("unknown kind", where="kind", expected=expected, got=repr(kind))
    check_bins(bins, binning)
    if groups is None and not isinstance(y, Sketched):
        normal_quantile(level)
        if kind == "smooth":
            rows = checked_rows(y, p, sample_weight, probabilities=True)
            return smooth_error_of_rows(rows, level)
        if kind == "binned" and binning == "equal_width":
            rows = checked_rows(y, p, sample_weight, probabilities=True)
            return errors_of_rows(rows, level, bins)
    arguments = y, p, sample_weight, groups, level
    if kind == "smooth":
        bracket: Bracket = smooth_bracket
        return estimate(smooth_error_kernel, *arguments, both_classes=False, bracket=bracket)
    of_kind = calibration_error_kernel if kind == "binned" else debiased_error_kernel
    kernel = partial(of_kind, bins=bins, binning=binning)
    bracket = _no_bracket if kind == "debiased" else partial(binned_bracket, bins, binning)
    return estimate(kernel, *arguments, both_classes=False, bracket=bracket)


def smooth_bracket(sketch: ScoreSketch, kernel: Kernel, level: float, found: Estimate) -> Estimate:
    return _moved(found, *smooth_error_bracket(sketch, found))


def binned_bracket(
    bins: int,
    binning: Binning,
    sketch: ScoreSketch,
    kernel: Kernel,
    level: float,
    found: Estimate,
) -> Estimate:
    """Only rows of cells that bins part can be in another bin than their cell's mean is."""
    cells = sketch.cells()
    parted = ambiguous(cells.at(cells.low), cells.at(cells.high), bins, binning)
    gain, loss = cells.w1 * (1 - cells.low), cells.w0 * cells.high
    reach = 2 * float(np.maximum(gain, loss)[parted].sum()) / float((cells.w1 + cells.w0).sum())
    return _moved(found, max(found.value - reach, 0.0), min(found.value + reach, 1.0))


default_bracket: Bracket = partial(binned_bracket, 10, "equal_count")


def shifted_bracket(sketch: ScoreSketch, kernel: Kernel, level: float, found: Estimate) -> Estimate:
    """For figures that fall as predictions rise."""
    cells = sketch.cells()
    ends = kernel(cells.at(cells.low), level), kernel(cells.at(cells.high), level)
    return with_bracket(found, *ends, bins=sketch.bins)


def _no_bracket(sketch: ScoreSketch, kernel: Kernel, level: float, found: Estimate) -> Estimate:
    return msgspec.structs.replace(found, method=found.method + sketch.without_bracket)


def _moved(found: Estimate, low: float, high: float) -> Estimate:
    """`found` with this bracket, each end of the interval moved as far as the bracket reaches."""
    if math.isnan(found.value):
        return found
    method = f"{found.method}; sketch, interval over the bracket"
    return msgspec.structs.replace(
        found,
        low=max(found.low - (found.value - low), 0.0),
        high=min(found.high + (high - found.value), 1.0),
        bracket=(low, high),
        method=method,
    )
