"""`StreamFigures`: how well and how early a monitor stops replies, beside a full-reply guard."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    DataError,
    Estimate,
    ParameterError,
    Record,
    generator,
)
from riskwright.metrics.early import care, erde, mean_estimate
from riskwright.stats import bootstrap_interval, normal_quantile
from riskwright.stats.shares import counted_share

from .stream_paths import StreamPath
from .stream_training import reply_labels

__all__ = ["StreamFigures", "stream_figures"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class StreamFigures(Record, frozen=True, kw_only=True):
    """What `stream_figures` found.

    `figures` are those of the monitor, `full_reply` those of a guard that reads each reply to its
    end and then decides at the same threshold; `onsets_known` of the `events` harmful replies have
    a known beginning of harm.
    """

    n: int
    events: int
    onsets_known: int
    threshold: float
    hold_back: int
    level: float
    figures: dict[str, Estimate]
    full_reply: dict[str, Estimate]

    def __str__(self) -> str:
        head = f"{self.n:,} replies, {self.events:,} harmful, threshold {self.threshold:.4g}"
        lines = [f"  {name:<32} {figure}" for name, figure in self.figures.items()]
        full = [f"  {name:<32} {figure}" for name, figure in self.full_reply.items()]
        return "\n".join([head, *lines, "the same guard at the end of each reply", *full])


def stream_figures(
    paths: Sequence[StreamPath],
    labels: ArrayLike,
    threshold: float,
    *,
    onsets: ArrayLike | None = None,
    on: Sequence[str] = ("any",),
    hold_back: int = 80,
    erde_at: Sequence[float] = (5, 50),
    level: float = 0.95,
    replicates: int = 1000,
    random_state: int = 0,
) -> StreamFigures:
    """Measure a monitor on labelled replies that neither taught nor certified it.

    Parameters
    ----------
    paths : of the monitor, one per reply.
    labels : array of shape (n,), 1 for replies that should be stopped; both kinds must occur.
    threshold : a stream is stopped at the first look that reaches it.
    onsets : array of shape (n,), the first harmful character (from 0) of harmful replies; None or
        NaN where it is not known. Read where the label is 1.
    on : the values that are watched; the highest counts.
    hold_back : characters held back, for the leak.
    erde_at : the o of ERDE, counted in looks.
    level, replicates, random_state : of the intervals.

    Returns
    -------
    StreamFigures
        "macro F1"; "false stop rate" and "miss rate" with Wilson's intervals; "share read before
        the stop" (mean) and "characters at the alarm" (median, interval by order statistics) over
        harmful replies that were stopped; "erde_o"; "care" and its parts, in characters, where harm
        without a known onset counts from the beginning of its reply; where onsets are known "leak
        in characters" (mean number of characters from the onset on that were released, over
        harmful replies, stopped or not) and "share that leaks nothing".

    Raises
    ------
    DataError, ParameterError, TargetError : for lengths, onsets out of range, one class only.

    Notes
    -----
    Time O(looks + replicates * n).
    """
    normal_quantile(level)
    if math.isnan(threshold):
        raise ParameterError("no threshold", where="threshold", got="nan")
    y = reply_labels(labels, len(paths))
    seen = _Seen.of(paths, threshold, tuple(on), hold_back)
    start = _checked_onsets(onsets, y, seen.length)
    rng = generator(random_state)

    draws = _Draws(rng, replicates, level)
    figures = {
        "macro F1": draws.resampled("macro F1", y.size, lambda w: _macro_f1(w, y, seen.stopped)),
        **_rates(y, seen.stopped, level, "false stop rate"),
        **_earliness(y, seen, start, erde_at, draws),
    }
    known = y & ~np.isnan(start)
    if known.any():
        figures |= _leaks(seen.released[known] - start[known], draws)
    return StreamFigures(
        n=y.size,
        events=int(y.sum()),
        onsets_known=int(known.sum()),
        threshold=float(threshold),
        hold_back=hold_back,
        level=level,
        figures=figures,
        full_reply=_full_reply(y, seen, draws),
    )


@dataclass(frozen=True)
class _Draws:
    """How bootstrap intervals are drawn."""

    rng: np.random.Generator
    replicates: int
    level: float

    def resampled(self, name: str, n: int, statistic: Callable[[Floats], Floats]) -> Estimate:
        """A statistic of rows with weights, all 1, and the percentiles of its replicates."""
        low, high = bootstrap_interval(
            statistic, np.ones(n), self.rng, replicates=self.replicates, level=self.level
        )
        return Estimate(
            name=name,
            value=float(statistic(np.ones((1, n)))[0]),
            low=low,
            high=high,
            level=self.level,
            n=n,
            method=f"percentiles of {self.replicates} bootstrap replicates",
        )


def _earliness(
    y: Bools, seen: _Seen, start: Floats, erde_at: Sequence[float], draws: _Draws
) -> dict[str, Estimate]:
    stopped, level = seen.stopped, draws.level
    caught = y & stopped
    looks = np.where(stopped, seen.looks, np.inf)
    parts = care(
        y,
        np.where(stopped, seen.alarm, np.inf),
        seen.length,
        onset=np.where(np.isnan(start), 0.0, start),
        level=level,
        replicates=draws.replicates,
        random_state=draws.rng,
    )
    found = (
        mean_estimate("share read before the stop", (seen.alarm / seen.length)[caught], level),
        _median("characters at the alarm", seen.alarm[caught], level),
        *(erde(y, looks, o=o, level=level) for o in erde_at),
        *(parts.score, parts.coverage, parts.accuracy, parts.reliability, parts.earliness),
    )
    return {one.name: one for one in found}


def _full_reply(y: Bools, seen: _Seen, draws: _Draws) -> dict[str, Estimate]:
    """Of a guard that decides at the end, and how much better streams are."""

    def at_end(weight: Floats) -> Floats:
        return _macro_f1(weight, y, seen.at_end)

    def gain(weight: Floats) -> Floats:
        return _macro_f1(weight, y, seen.stopped) - at_end(weight)

    difference = "macro F1 of streams less this"
    return {
        "macro F1": draws.resampled("macro F1", y.size, at_end),
        **_rates(y, seen.at_end, draws.level, "false alarm rate"),
        difference: draws.resampled(difference, y.size, gain),
    }


@dataclass(frozen=True)
class _Seen:
    """Per reply: its length, whether and where it was stopped, what was released, the end."""

    length: Floats
    stopped: Bools
    alarm: Floats
    looks: Floats
    released: Floats
    at_end: Bools

    @classmethod
    def of(
        cls, paths: Sequence[StreamPath], threshold: float, on: tuple[str, ...], hold_back: int
    ) -> _Seen:
        rows = [_reply(path, threshold, on, hold_back) for path in paths]
        length, alarm, looks, released, at_end = (
            np.array(c, np.float64) for c in zip(*rows, strict=True)
        )
        return cls(length, ~np.isnan(alarm), alarm, looks, released, at_end.astype(bool))


def _reply(
    path: StreamPath, threshold: float, on: tuple[str, ...], hold_back: int
) -> tuple[float, float, float, float, bool]:
    crossed = path.signal(on) >= threshold
    length = max(path.length, 1)
    if not crossed.any():
        return length, math.nan, math.nan, path.length, False
    first = int(np.argmax(crossed))
    before = int(path.positions[first - 1]) if first else 0
    alarm = max(int(path.positions[first]), 1)
    return length, alarm, first + 1, max(0, before - hold_back), bool(crossed[-1])


def _rates(y: Bools, acted: Bools, level: float, false: str) -> dict[str, Estimate]:
    harmless, missed = acted[~y], ~acted[y]
    return {
        false: counted_share(
            false, int(harmless.sum()), harmless.size, level, nothing="no harmless reply"
        ),
        "miss rate": counted_share(
            "miss rate", int(missed.sum()), missed.size, level, nothing="no harmful reply"
        ),
    }


def _macro_f1(weight: Floats, y: Bools, acted: Bools) -> Floats:
    both, neither = weight @ (y & acted), weight @ ~(y | acted)
    wrong = weight @ (y ^ acted)
    scores = [
        np.divide(2 * hits, 2 * hits + wrong, out=np.zeros_like(hits), where=2 * hits + wrong > 0)
        for hits in (both, neither)
    ]
    found: Floats = (scores[0] + scores[1]) / 2
    return found


def _median(name: str, values: Floats, level: float) -> Estimate:
    """The median, with the narrowest pair of order statistics that holds at the level."""
    n = values.size
    ordered = np.sort(values)
    low = high = math.nan
    method = "none: no harmful reply was stopped" if not n else "none: too few stopped replies"
    rank = _median_rank(n, level)
    if rank:
        low, high, method = ordered[rank - 1], ordered[n - rank], "order statistics"
    return Estimate(
        name=name,
        value=float(np.median(values)) if n else math.nan,
        low=float(low),
        high=float(high),
        level=level,
        n=n,
        method=method,
    )


def _median_rank(n: int, level: float) -> int:
    """The largest r with P(Binomial(n, 1/2) < r) <= (1 - level) / 2; 0 where there is none."""
    from scipy.stats import binom

    tail = (1 - level) / 2
    rank = int(binom.ppf(tail, n, 0.5)) if n else 0
    while rank and binom.cdf(rank - 1, n, 0.5) > tail:
        rank -= 1
    return rank


def _leaks(leaked: Floats, draws: _Draws) -> dict[str, Estimate]:
    """Of replies with a known onset: characters seen from the onset on."""
    seen = np.maximum(leaked, 0.0)
    name, none = "leak in characters", "share that leaks nothing"
    return {
        name: draws.resampled(name, seen.size, lambda w: w @ seen / w.sum(axis=1)),
        none: counted_share(none, int((seen == 0).sum()), seen.size, draws.level),
    }


def _checked_onsets(onsets: ArrayLike | None, y: Bools, length: Floats) -> Floats:
    if onsets is None:
        return np.full(y.size, np.nan)
    found = np.asarray(onsets, dtype=np.float64)
    if found.shape != y.shape:
        raise DataError("length differs from labels", where="onsets", expected=str(y.size))
    found = np.where(y, found, np.nan)
    if ((found < 0) | (found >= length)).any():
        raise DataError("onsets outside of their replies", where="onsets", expected="0 to length")
    return found
