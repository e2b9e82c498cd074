"""How well scores rank events above non-events: area under the ROC curve, average precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from riskwright.core import Estimate
from riskwright.stats import logit_interval, normal_quantile, proportion_interval

from ._inputs import Sample, estimate, metric, undefined

__all__ = ["auroc", "auroc_kernel", "average_precision", "average_precision_kernel"]

_NO_SPREAD = 1e-20


@metric
def auroc(
    y: ArrayLike,
    score: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Area under the ROC curve: the chance that an event scores above a non-event, ties half.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1
    score : array of shape (n,), finite, higher means riskier
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives.
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1]; 0.5 is no better than chance. The interval is DeLong's, formed on the
        logit scale. With unequal weights its variance is the weighted one (rows, not weights,
        are the independent draws) with Kish effective numbers in the small-sample factors.
        Where the variance cannot be estimated (perfect ranking, all scores equal, fewer than two
        effective events or non-events) Newcombe's interval is given and named.

    Raises
    ------
    DataError : lengths, shapes, missing or infinite values, outcomes other than 0 and 1.
    TargetError : one class only (without groups; a group of one class has a NaN estimate).

    Notes
    -----
    Time O(n log n), memory O(n). DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837;
    Newcombe (2006), Statistics in Medicine 25:559, method 5.

    Examples
    --------
    >>> print(auroc([0, 0, 1, 0, 1, 1], [1, 2, 3, 3, 4, 5]))
    0.944 (95% CI 0.475 to 0.997)
    """
    return estimate(
        auroc_kernel,
        y,
        score,
        sample_weight,
        groups,
        level,
        both_classes=True,
        probabilities=False,
    )


def auroc_kernel(sample: Sample, level: float) -> Estimate:
    if sample.one_class:
        return undefined("auroc", sample, level, f"one class only among {sample.n} rows")
    w1, w0 = sample.w1, sample.w0
    below1 = (np.cumsum(w1) - w1 / 2) / sample.events
    below0 = (np.cumsum(w0) - w0 / 2) / sample.nonevents
    value = min(float(w1 @ below0) / sample.events, 1.0)
    n1, n0 = sample.effective_events, sample.effective_nonevents
    variance = 0.0
    if min(n1, n0) >= 2 - 1e-9:
        spread1 = float(sample.q1 @ (below0 - value) ** 2) / sample.events**2
        spread0 = float(sample.q0 @ (below1 - (1 - value)) ** 2) / sample.nonevents**2
        variance = spread1 * n1 / (n1 - 1) + spread0 * n0 / (n0 - 1)
    if variance > _NO_SPREAD:
        interval = logit_interval(value, variance**0.5, level)
        return sample.estimate("auroc", value, interval, level, "DeLong, logit scale")
    interval = _newcombe_low(value, n1, n0, level), 1 - _newcombe_low(1 - value, n1, n0, level)
    return sample.estimate("auroc", value, interval, level, "Newcombe's method 5")


def _newcombe_low(value: float, n1: float, n0: float, level: float) -> float:
    """Smallest area that a score test with Hanley and McNeil's variance does not reject."""
    z, extra = normal_quantile(level), max((n1 + n0) / 2 - 1, 0.0)
    low, high = 0.0, value
    for _ in range(60):
        area = (low + high) / 2
        share = (1 - area) / (2 - area) + area / (1 + area)
        variance = area * (1 - area) * (1 + extra * share) / (n1 * n0)
        low, high = (area, high) if (value - area) ** 2 > z * z * variance else (low, area)
    return low


@metric
def average_precision(
    y: ArrayLike,
    score: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Mean over events of the precision at the event's own score (area under precision-recall).

    Parameters
    ----------
    y, score, sample_weight, groups, level : as for `auroc`.

    Returns
    -------
    Estimate or dict of Estimate
        Value in (0, 1]; a score without skill has the prevalence. No interpolation between
        thresholds; rows of equal score enter together. The interval is the asymptotic one (from
        the influence function, weighted rows as independent draws) on the logit scale; where that
        has no spread (perfect ranking) or there are fewer than two effective events, it is
        Clopper and Pearson's with the effective number of events. It is meant for 30 events or
        more: with fewer the value itself is biased upwards and coverage falls short.

    Raises
    ------
    DataError, TargetError : as for `auroc`.

    Notes
    -----
    Time O(n log n), memory O(n). Boyd, Eng & Page (2013), ECML PKDD, compare intervals.

    Examples
    --------
    >>> f"{average_precision([0, 1, 0, 1], [0.1, 0.4, 0.35, 0.8]).value:.3f}"
    '1.000'
    """
    return estimate(
        average_precision_kernel,
        y,
        score,
        sample_weight,
        groups,
        level,
        both_classes=True,
        probabilities=False,
    )


def average_precision_kernel(sample: Sample, level: float) -> Estimate:
    name = "average_precision"
    if sample.one_class:
        return undefined(name, sample, level, f"one class only among {sample.n} rows")
    reached_events = np.cumsum(sample.w1[::-1])[::-1]
    reached = np.cumsum((sample.w1 + sample.w0)[::-1])[::-1]
    precision = reached_events / reached
    value = min(float(sample.w1 @ precision) / sample.events, 1.0)
    n1 = sample.effective_events
    variance = 0.0
    if n1 >= 2 - 1e-9:
        gain = np.cumsum(sample.w1 / reached)
        loss = np.cumsum(sample.w1 * precision / reached)
        spread = sample.q1 @ (precision - value + gain - loss) ** 2 + sample.q0 @ loss**2
        variance = float(spread) / sample.events**2 * n1 / (n1 - 1)
    if variance > _NO_SPREAD and value < 1:
        interval = logit_interval(value, variance**0.5, level)
        return sample.estimate(name, value, interval, level, "influence function, logit scale")
    interval = proportion_interval(value * n1, n1, level, "clopper_pearson")
    return sample.estimate(name, value, interval, level, "Clopper-Pearson over the events")
