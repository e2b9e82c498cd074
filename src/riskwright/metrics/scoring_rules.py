"""Proper scoring rules: the mean loss of predicted probabilities, smaller is better."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import Estimate
from riskwright.stats import log_interval, logit_interval

from ._inputs import Sample, clipped, estimate, metric, undefined

__all__ = ["brier", "brier_kernel", "log_loss", "log_loss_kernel"]

Floats = NDArray[np.float64]


@metric
def brier(
    y: ArrayLike,
    p: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Brier score: the mean of (p - y)^2.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1
    p : array of shape (n,), predicted probabilities in [0, 1]
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives.
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1]: 0 is perfect, 0.25 is what p = 0.5 everywhere gives. The interval is the
        normal one on the logit scale with the sandwich variance of a weighted mean (rows, not
        weights, are the independent draws). It is NaN, and the method says so, where all losses
        are equal or there are fewer than two rows.

    Raises
    ------
    DataError : lengths, shapes, missing values, probabilities outside [0, 1], other outcomes.

    Notes
    -----
    Time O(n log n), memory O(n). Brier (1950), Monthly Weather Review 78:1.

    Examples
    --------
    >>> print(brier([0, 1, 1, 0], [0.1, 0.9, 0.6, 0.3]))
    0.068 (95% CI 0.023 to 0.182)
    """
    return estimate(brier_kernel, y, p, sample_weight, groups, level, both_classes=False)


def brier_kernel(sample: Sample, level: float) -> Estimate:
    value, se = _mean_loss(sample, (1 - sample.value) ** 2, sample.value**2)
    if se == 0:
        return _without_interval("brier", sample, value, level)
    interval = logit_interval(value, se, level)
    return sample.estimate("brier", value, interval, level, "sandwich variance, logit scale")


@metric
def log_loss(
    y: ArrayLike,
    p: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Logistic loss: the mean of -y log(p) - (1 - y) log(1 - p), in nats.

    Parameters
    ----------
    y, p, sample_weight, groups, level : as for `brier`.
        Probabilities below 2^-52 or above 1 - 2^-52 are moved to these limits, so that a certain
        prediction that fails costs 36.04 and not infinity; the method then says so.

    Returns
    -------
    Estimate or dict of Estimate
        Value of at least 0; log(2) = 0.693 is what p = 0.5 everywhere gives. The interval is the
        normal one on the log scale with the sandwich variance of a weighted mean; NaN as for
        `brier`.

    Raises
    ------
    DataError : as for `brier`.

    Notes
    -----
    Time O(n log n), memory O(n). Good (1952), JRSS B 14:107.

    Examples
    --------
    >>> print(log_loss([0, 1, 1, 0], [0.1, 0.9, 0.6, 0.3]))
    0.270 (95% CI 0.130 to 0.557)
    """
    return estimate(log_loss_kernel, y, p, sample_weight, groups, level, both_classes=False)


def log_loss_kernel(sample: Sample, level: float) -> Estimate:
    p, note = clipped(sample.value)
    value, se = _mean_loss(sample, -np.log(p), -np.log1p(-p))
    if se == 0:
        return _without_interval("log_loss", sample, value, level)
    interval = log_interval(value, se, level)
    method = "sandwich variance, log scale" + note
    return sample.estimate("log_loss", value, interval, level, method)


def _mean_loss(sample: Sample, of_event: Floats, of_nonevent: Floats) -> tuple[float, float]:
    """Weighted mean of the losses and its standard error, 0 where it cannot be estimated."""
    total, n = sample.total, sample.effective_n
    if total == 0:
        return float("nan"), 0.0
    mean = float(sample.w1 @ of_event + sample.w0 @ of_nonevent) / total
    spread = float(sample.q1 @ (of_event - mean) ** 2 + sample.q0 @ (of_nonevent - mean) ** 2)
    if n < 1 + 1e-9 or spread <= 1e-24 * mean**2 * total**2:
        return mean, 0.0
    return mean, float(np.sqrt(spread * n / (n - 1))) / total


def _without_interval(name: str, sample: Sample, value: float, level: float) -> Estimate:
    if sample.n == 0:
        return undefined(name, sample, level, "no rows")
    reason = "one row only" if sample.n == 1 else "the loss is the same in every row"
    nan = float("nan")
    return sample.estimate(name, value, (nan, nan), level, f"none: {reason}")
