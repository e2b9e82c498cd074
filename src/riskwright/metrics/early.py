"""How early alarms on streams come: ERDE and CARE, for alarms that stay once they are raised."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from riskwright.core import (
    DataError,
    EmptyDataError,
    Estimate,
    ParameterError,
    Record,
    TargetError,
    ValueRangeError,
    generator,
)
from riskwright.core.randomness import Seed
from riskwright.stats import bootstrap_interval, mean_lower, mean_upper, normal_quantile

__all__ = ["CareScore", "care", "erde", "mean_estimate"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def erde(
    y: ArrayLike,
    alarm: ArrayLike,
    /,
    *,
    o: float,
    cost_false_alarm: float | None = None,
    cost_miss: float = 1.0,
    cost_late: float = 1.0,
    level: float = 0.95,
) -> Estimate:
    """Early risk detection error: what wrong, missing and late alarms cost on average.

    Parameters
    ----------
    y : array of shape (n,), 1 for streams that need an alarm.
    alarm : array of shape (n,), items read when the alarm was raised, at least 1; None, NaN or
        infinity where none was.
    o : items read at which an alarm is half too late.
    cost_false_alarm : of an alarm on a stream that needs none; the share of streams that need one
        if None, as in the paper.
    cost_miss : of no alarm where one is needed.
    cost_late : of an alarm that comes infinitely late; after k items it costs
        cost_late * (1 - 1 / (1 + exp(k - o))).

    Returns
    -------
    Estimate
        Mean cost per stream, 0 is best. The interval is Hoeffding and Bentkus's, valid at any n
        for the costs as given (a share that stands in for a cost is taken as known).

    Raises
    ------
    DataError, TargetError, ParameterError : for lengths, labels, alarms below 1, negative costs.

    Notes
    -----
    Losada & Crestani (2016), A Test Collection for Research on Depression and Language Use. The
    eRisk tasks print 100 times this.

    Examples
    --------
    >>> found = erde([1, 1, 0, 0], [5, None, None, 3], o=5)
    >>> found.value  # (1/2 + 1 + 0 + 1/2) / 4
    0.5
    """
    normal_quantile(level)
    truth = _labels(y)
    at = _alarms(alarm, truth.size)
    share = float(truth.mean()) if cost_false_alarm is None else cost_false_alarm
    for name, cost in (("cost_false_alarm", share), ("cost_miss", cost_miss), ("late", cost_late)):
        if not 0 <= cost < math.inf:
            raise ParameterError("not a cost", where=name, expected="0 or more", got=repr(cost))
    if not math.isfinite(o):
        raise ParameterError("not a number of items", where="o", got=repr(o))
    raised = np.isfinite(at)
    late = cost_late * expit(np.where(raised, at, 0.0) - o)
    loss = np.where(truth, np.where(raised, late, cost_miss), np.where(raised, share, 0.0))
    bound = max(share, cost_miss, cost_late, 1e-300)
    return mean_estimate(f"erde_{o:g}", loss, level, bound)


class CareScore(Record, frozen=True, kw_only=True):
    """Coverage, accuracy, reliability and earliness, and their weighted mean `score`, in [0, 1]."""

    score: Estimate
    coverage: Estimate
    accuracy: Estimate
    reliability: Estimate
    earliness: Estimate

    def __str__(self) -> str:
        parts = (self.score, self.coverage, self.accuracy, self.reliability, self.earliness)
        return "\n".join(f"{part.name:<12} {part}" for part in parts)


def care(
    y: ArrayLike,
    alarm: ArrayLike,
    length: ArrayLike,
    /,
    *,
    onset: ArrayLike | None = None,
    beta: float = 0.5,
    flat: float = 0.25,
    level: float = 0.95,
    replicates: int = 1000,
    random_state: Seed = 0,
) -> CareScore:
    """CARE: how well alarms cover events, spare normal streams, are reliable, and come early.

    Parameters
    ----------
    y : array of shape (n,), 1 for streams with an event.
    alarm : array of shape (n,), items read when the alarm was raised, from 1 to `length`; None,
        NaN or infinity where none was. All items from that one on count as flagged.
    length : array of shape (n,), items of each stream, at least 1.
    onset : array of shape (n,), items before the event, 0 <= onset < length; read where y is 1. An
        event lasts to the end of its stream; from its beginning if None.
    beta : of the F scores; 0.5 weighs false alarms more than misses.
    flat : part of an event during which a flag earns its full weight, which then falls in a
        straight line to 0 at the end.
    level, replicates, random_state : of the intervals.

    Returns
    -------
    CareScore
        coverage: mean over streams with an event of the F score of their items. accuracy: mean
        share of items that are not flagged in normal streams. reliability: F score of streams.
        earliness: mean weight of the flagged part of an event, as a share of all its weight. score:
        (coverage + earliness + reliability + 2 accuracy) / 5; the accuracy alone where it is at
        most 1/2, and 0 without any alarm.

    Raises
    ------
    DataError, TargetError, ParameterError : for lengths, values out of range, one class only.

    Notes
    -----
    Gück, Roelofs & Faulstich (2024), CARE to Compare, Data 9:138. Theirs takes any flags and
    counts an event as detected by their density; here an alarm stays, so that all parts have
    closed forms, and the weight is integrated instead of sampled at the items. Intervals are
    percentiles of the bootstrap over streams for score and reliability, and Hoeffding and
    Bentkus's for the means.

    Examples
    --------
    >>> found = care([1, 1, 0, 0], [1, None, None, 10], [10, 10, 10, 10])
    >>> found.coverage.value, found.accuracy.value, found.reliability.value, found.earliness.value
    (0.5, 0.95, 0.5, 0.5)
    """
    normal_quantile(level)
    if not 0 < beta < math.inf or not 0 <= flat < 1:
        raise ParameterError(
            "out of range",
            where="beta, flat",
            expected="beta above 0, 0 <= flat < 1",
            got=f"{beta!r}, {flat!r}",
        )
    truth = _labels(y)
    n = truth.size
    if truth.all() or not truth.any():
        raise TargetError("streams of one kind only", where="y", expected="both 0 and 1")
    at = _alarms(alarm, n)
    size = _counts(length, "length", n, 1)
    start = np.zeros(n) if onset is None else _onsets(onset, truth, size)
    if (np.isfinite(at) & (at > size)).any():
        raise ValueRangeError("an alarm after the end", where="alarm", expected="at most length")
    parts = _Parts(truth, at, size, start, beta, flat)
    draw = generator(random_state)

    def resampled(name: str, statistic: Callable[[Floats], Floats]) -> Estimate:
        value = float(statistic(np.ones((1, n)))[0])
        low, high = bootstrap_interval(
            statistic, np.ones(n), draw, replicates=replicates, level=level
        )
        method = f"percentiles of {replicates} bootstrap replicates"
        return Estimate(name=name, value=value, low=low, high=high, level=level, n=n, method=method)

    return CareScore(
        score=resampled("care", parts.score),
        coverage=mean_estimate("coverage", parts.coverage[truth], level),
        accuracy=mean_estimate("accuracy", parts.spared[~truth], level),
        reliability=resampled("reliability", parts.reliability),
        earliness=mean_estimate("earliness", parts.earliness[truth], level),
    )


class _Parts:
    """What each stream adds to CARE, and the figures for weights of streams, shape (k, n)."""

    def __init__(
        self, y: Bools, alarm: Floats, length: Floats, onset: Floats, beta: float, flat: float
    ) -> None:
        self.y, self.raised, self.beta = y, np.isfinite(alarm), beta
        first = np.where(self.raised, alarm - 1, length)
        hits = length - np.maximum(first, onset)
        self.coverage = _f_score(hits, np.maximum(onset - first, 0), length - onset - hits, beta)
        self.spared = first / length
        late = (length - onset - hits) / np.maximum(length - onset, 1)
        falling = (1 - late) ** 2 / (2 * (1 - flat))
        left = np.where(late < flat, (1 + flat) / 2 - late, falling)
        self.earliness = left / ((1 + flat) / 2)

    def reliability(self, weight: Floats) -> Floats:
        hits = weight @ (self.y & self.raised)
        return _f_score(hits, weight @ (~self.y & self.raised), weight @ self.y - hits, self.beta)

    def score(self, weight: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            accuracy = weight @ (self.spared * ~self.y) / (weight @ ~self.y)
            rest = weight @ ((self.coverage + self.earliness) * self.y) / (weight @ self.y)
        score = (rest + self.reliability(weight) + 2 * accuracy) / 5
        score = np.where(accuracy <= 0.5, accuracy, score)
        silent = weight @ self.raised == 0
        found: Floats = np.where(silent & np.isfinite(score), 0.0, score)
        return found


def _f_score(hits: Floats, false: Floats, missed: Floats, beta: float) -> Floats:
    """F score of counts; 0 where all of them are."""
    top = (1 + beta**2) * hits
    whole = top + beta**2 * missed + false
    return np.divide(top, whole, out=np.zeros_like(top), where=whole > 0)


def mean_estimate(name: str, values: Floats, level: float, bound: float = 1.0) -> Estimate:
    """Mean of values in [0, bound] with Hoeffding and Bentkus's interval; NaN without values."""
    if not values.size:
        nan = math.nan
        return Estimate(
            name=name, value=nan, low=nan, high=nan, level=level, n=0, method="none: no such row"
        )
    tail = (1 - level) / 2
    low = mean_lower(values, tail, method="hb", bound=bound).value
    high = mean_upper(values, tail, method="hb", bound=bound).value
    mean = float(values.mean())
    return Estimate(
        name=name,
        value=mean,
        low=min(low, mean),
        high=max(high, mean),
        level=level,
        n=values.size,
        method="Hoeffding-Bentkus",
    )


def _labels(y: ArrayLike) -> Bools:
    truth = np.asarray(y)
    if truth.ndim != 1 or not truth.size:
        raise EmptyDataError("no streams", where="y", expected="one label per stream")
    if truth.dtype.kind not in "biuf" or not np.isin(truth, (0, 1)).all():
        raise TargetError("not labels", where="y", expected="0 or 1, none missing")
    return truth.astype(np.bool_)


def _alarms(alarm: ArrayLike, n: int) -> Floats:
    """Items read at the alarm, infinity where there is none."""
    try:
        found = np.asarray(alarm, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("not numbers", where="alarm", expected="items read, or None") from None
    if found.shape != (n,):
        raise DataError(
            "length differs from y", where="alarm", expected=str(n), got=str(found.shape)
        )
    found = np.where(np.isnan(found), np.inf, found)
    if (found < 1).any():
        raise ValueRangeError("alarms before the first item", where="alarm", expected="at least 1")
    return found


def _counts(values: ArrayLike, where: str, n: int, least: int) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != (n,):
        raise DataError("length differs from y", where=where, expected=str(n), got=str(found.shape))
    if not (np.isfinite(found) & (found >= least)).all():
        raise ValueRangeError("not counts of items", where=where, expected=f"at least {least}")
    return found


def _onsets(onset: ArrayLike, truth: Bools, length: Floats) -> Floats:
    given = np.asarray(onset, dtype=np.float64)
    if given.shape != truth.shape:
        raise DataError("length differs from y", where="onset", expected=str(truth.size))
    found = np.where(truth, given, 0.0)
    if not ((found >= 0) & (found < length)).all():
        raise ValueRangeError("not onsets", where="onset", expected="0 <= onset < length")
    return found
