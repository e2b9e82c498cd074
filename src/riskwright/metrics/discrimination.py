"""How well scores rank events above non-events: area under the ROC curve, average precision."""

from __future__ import annotations

import math
from functools import partial

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import Estimate, ParameterError
from riskwright.stats import logit_interval, normal_quantile, proportion_interval

from ._columns import finite, grouped
from ._inputs import Kernel, Sample, estimate, metric, undefined
from ._samples import Sketched
from .sketch import ScoreSketch, parted_bracket, with_bracket

__all__ = [
    "auroc",
    "auroc_kernel",
    "average_precision",
    "average_precision_kernel",
    "partial_auroc",
    "partial_auroc_kernel",
    "precision_bracket",
]

Floats = NDArray[np.float64]

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
        bracket=parted_bracket,
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
        bracket=precision_bracket,
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


def precision_bracket(
    sketch: ScoreSketch, kernel: Kernel, level: float, found: Estimate
) -> Estimate:
    """At worst the events of a cell lie one below the other, underneath its non-events."""
    cells = sketch.cells()
    best, worst = kernel(cells.parted(True), level), kernel(cells.parted(False), level)
    events, others = cells.w1[::-1], cells.w0[::-1]
    end1, false = np.cumsum(events), np.cumsum(others)
    start1 = end1 - events
    tied = events * end1 / (end1 + false)
    rise = np.divide(events, start1 + false, out=np.zeros(events.size), where=start1 + false > 0)
    apart = events - false * np.log1p(rise)
    together = (cells.low == cells.high)[::-1]
    least = float(np.where(together, tied, apart).sum() / end1[-1])
    low = max(worst.low - (worst.value - least), 0.0)
    worst = msgspec.structs.replace(worst, value=least, low=low)
    return with_bracket(found, best, worst, bins=sketch.bins)


@grouped
def partial_auroc(
    y: ArrayLike | Sketched,
    score: ArrayLike | None = None,
    /,
    *,
    max_fpr: float | None = None,
    min_tpr: float | None = None,
    standardised: bool = False,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Area under the part of the ROC curve that matters: few false alarms, or few missed events.

    Parameters
    ----------
    y, score, sample_weight, groups, level : as for `auroc`.
    max_fpr : the area under the curve where the false positive rate is at most this, in (0, 1]; or
    min_tpr : the area right of the curve where the true positive rate is at least this, in [0, 1).
    standardised : McClish's scale, on which chance is 0.5 and a perfect ranking 1.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, f], with f = max_fpr or 1 - min_tpr; chance gives f^2 / 2. Standardised it is
        (1 + (A - f^2 / 2) / (f - f^2 / 2)) / 2, and can be below 0.5. The interval is the normal
        one on the logit of A / f with the variance of the influence function, which at f = 1 is
        DeLong's; it is meant for 10 or more rows of the class that f cuts beyond the cut. Where A
        = f, its lower end is exact for any continuous score: (f - u)(1 - v), u and v being the
        shares of non-events above all of theirs and of events below all of theirs that the
        numbers of rows leave open. NaN, and the method says so, where else there is no spread or
        fewer than two effective events or non-events.

    Raises
    ------
    DataError, TargetError : as for `auroc`.
    ParameterError : not exactly one of `max_fpr` and `min_tpr`, or one out of range.

    Notes
    -----
    Time O(n log n), memory O(n). McClish (1989), Medical Decision Making 9:190; Dodd & Pepe (2003),
    Biometrics 59:614. Tied scores give straight pieces, cut by interpolation.

    Examples
    --------
    >>> y, score = [0, 0, 1, 0, 1, 1, 0, 1], [1, 2, 3, 3, 4, 5, 6, 7]
    >>> print(partial_auroc(y, score, max_fpr=0.5))
    0.281 (95% CI 0.027 to 0.483)
    """
    kernel = partial(
        partial_auroc_kernel,
        max_fpr=_part(max_fpr, min_tpr),
        mirrored=max_fpr is None,
        standardised=standardised,
    )
    return estimate(
        kernel,
        y,
        score,
        sample_weight,
        groups,
        level,
        both_classes=True,
        probabilities=False,
        bracket=parted_bracket,
    )


def _part(max_fpr: float | None, min_tpr: float | None) -> float:
    """Width of the part of the axis."""
    if (max_fpr is None) == (min_tpr is None):
        raise ParameterError("not one part", where="max_fpr, min_tpr", expected="exactly one")
    if max_fpr is not None:
        width, where, allowed = finite(max_fpr, "max_fpr"), "max_fpr", "0 < max_fpr <= 1"
    else:
        assert min_tpr is not None
        width, where, allowed = 1 - finite(min_tpr, "min_tpr"), "min_tpr", "0 <= min_tpr < 1"
    if not 0 < width <= 1:
        got = max_fpr if max_fpr is not None else min_tpr
        raise ParameterError("not a part", where=where, expected=allowed, got=repr(got))
    return width


def partial_auroc_kernel(
    sample: Sample,
    level: float,
    max_fpr: float = 1.0,
    mirrored: bool = False,
    standardised: bool = False,
) -> Estimate:
    name = "standardised partial_auroc" if standardised else "partial_auroc"
    if sample.one_class:
        return undefined(name, sample, level, f"one class only among {sample.n} rows")
    up = (sample.w1[::-1], sample.w0[::-1], sample.q1[::-1], sample.q0[::-1])
    w1, w0, q1, q0 = (sample.w0, sample.w1, sample.q0, sample.q1) if mirrored else up
    n1, n0 = sample.effective_events, sample.effective_nonevents
    n1, n0 = (n0, n1) if mirrored else (n1, n0)
    area, of_event, of_nonevent = _partial_area(w1 / w1.sum(), w0 / w0.sum(), max_fpr)
    variance = 0.0
    if min(n1, n0) >= 2 - 1e-9:
        variance = float(q1 @ of_event**2) / float(w1.sum()) ** 2 * n1 / (n1 - 1)
        variance += float(q0 @ of_nonevent**2) / float(w0.sum()) ** 2 * n0 / (n0 - 1)
    share = min(area / max_fpr, 1.0)
    if share > 1 - 1e-12:
        tail = ((1 - level) / 2) / 2
        u, v = 1 - tail ** (1 / n0), 1 - tail ** (1 / n1)
        ends, method = (max(max_fpr - u, 0.0) * (1 - v) / max_fpr, 1.0), "extreme ranks"
    elif variance > _NO_SPREAD * max_fpr**2 and share > 0:
        ends = logit_interval(share, variance**0.5 / max_fpr, level)
        method = "influence function, logit scale"
    else:
        few = min(n1, n0) < 2 - 1e-9
        reason = "fewer than two effective events or non-events" if few else "no spread"
        ends, method = (math.nan, math.nan), f"none: {reason}"
    value, low, high = (_scaled(x, max_fpr, standardised) for x in (share, *ends))
    return sample.estimate(name, value, (low, high), level, method)


def _scaled(share: float, width: float, standardised: bool) -> float:
    """Area from its share of the largest possible one; McClish's scale if `standardised`."""
    return (1 + (share - width / 2) / (1 - width / 2)) / 2 if standardised else share * width


def _partial_area(a: Floats, b: Floats, width: float) -> tuple[float, Floats, Floats]:
    """Area and the influence on it of an event and of a non-event at each score, descending.

    `a` and `b` are the shares of events and of non-events at each score.
    """
    x1, t1 = np.cumsum(b), np.cumsum(a)
    x0, t0 = x1 - b, t1 - a
    reached = np.clip(width - x0, 0.0, b)
    part = np.divide(reached, b, out=(x1 <= width).astype(float), where=b > 0)
    rise = part * reached / 2 + np.maximum(width - x1, 0.0)
    area = float(a @ rise)
    cut = min(int(np.searchsorted(x1, width)), a.size - 1)
    height = float(t0[cut] + a[cut] * part[cut]) if b[cut] > 0 else float(t1[cut])
    gain = np.where(part >= 1, (t0 + t1) / 2 - height, 0.0)
    crossing = (part > 0) & (part < 1)
    gain[crossing] = -(part[crossing] ** 2) * a[crossing] / 2
    return area, rise - area, gain + height * width - area
