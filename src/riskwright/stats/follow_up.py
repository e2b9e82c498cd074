"""Right-censored follow-up: checked once, sorted once, folded by distinct time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import TargetError

from . import _columns
from ._columns import numbers, places, positive_weights, refuse
from .intervals import effective_size

__all__ = ["FollowUp", "TimeTable", "checked_follow_up", "numbers", "refuse", "same_length"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class TimeTable:
    """Rows folded by their m distinct times, ascending; events come before censorings at a tie.

    `events` and `censored` are the summed weights of the rows that end so at each time, `squares`
    and `censored_squares` the summed squares of those weights, `after` the summed weights of the
    rows with a later time (exactly 0 at the last). `order` sorts the rows by time, `starts` are
    the places in it at which each distinct time begins, and `code` numbers every row's time.
    """

    times: Floats
    events: Floats
    censored: Floats
    squares: Floats
    censored_squares: Floats
    after: Floats
    order: Places
    starts: Places
    code: Places

    @property
    def at_risk(self) -> Floats:
        return self.after + self.censored + self.events

    @cached_property
    def survival(self) -> Floats:
        """Kaplan-Meier S just after each time."""
        still = self.after + self.censored
        survival: Floats = np.multiply.accumulate(still / (still + self.events))
        return survival

    @cached_property
    def censoring(self) -> Floats:
        """Kaplan-Meier G, of the censoring time, just after each time."""
        still, lost = self.after, self.censored
        factors = np.divide(still, still + lost, out=np.ones(still.size), where=lost > 0)
        censoring: Floats = np.multiply.accumulate(factors)
        return censoring

    def places(self, t: Floats, *, left: bool) -> Places:
        """How many distinct times are at or before each `t` (before it where `left`)."""
        return np.searchsorted(self.times, t, side="left" if left else "right")

    def step(self, values: Floats, t: Floats, *, left: bool) -> Floats:
        """The step function that starts at 1 and has `values` from each time on, at `t`."""
        return np.concatenate([[1.0], values])[self.places(t, left=left)]


@dataclass(frozen=True)
class FollowUp:
    """Checked rows of positive weight; `kept` marks them among those given."""

    time: Floats
    event: Bools
    weight: Floats
    kept: Bools

    @property
    def n(self) -> int:
        return int(self.time.size)

    @cached_property
    def total(self) -> float:
        return float(self.weight.sum())

    @cached_property
    def effective_n(self) -> float:
        """Kish's (sum w)^2 / sum w^2."""
        return effective_size(self.weight)

    def rows(self, places: Places) -> FollowUp:
        """These rows alone."""
        kept = np.zeros(self.n, bool)
        kept[places] = True
        return FollowUp(self.time[places], self.event[places], self.weight[places], kept)

    @cached_property
    def table(self) -> TimeTable:
        order = np.argsort(self.time)
        time, weight = self.time[order], self.weight[order]
        first = np.concatenate([np.ones(min(time.size, 1), bool), time[1:] > time[:-1]])
        starts = np.flatnonzero(first)
        code = np.empty(time.size, np.intp)
        code[order] = np.cumsum(first) - 1
        d = np.where(self.event[order], weight, 0.0)
        c = weight - d
        columns: list[Floats] = [d, c, d * weight, c * weight]
        if starts.size < time.size:
            columns = [np.add.reduceat(column, starts) for column in columns]
        ends = columns[0] + columns[1]
        after = np.concatenate([np.cumsum(ends[:0:-1])[::-1], [0.0]])
        d, c, d2, c2 = columns
        return TimeTable(time[starts], d, c, d2, c2, after, order, starts, code)


def checked_follow_up(
    time: ArrayLike, event: ArrayLike, sample_weight: ArrayLike | None = None
) -> FollowUp:
    """Times, event marks and weights as arrays; rows of weight 0 are left out.

    Raises
    ------
    DataError : lengths differ, wrong shape, not numbers, no rows; missing, infinite or negative
        times (`MissingValueError`, `ValueRangeError`); negative or extreme weights.
    TargetError : event marks other than 0 and 1.
    """
    times = numbers(time, "time")
    refuse(times < 0, "time", "negative times", "times of at least 0")
    marks = numbers(event, "event")
    same_length(marks, "event", times.size)
    bad = (marks != 0) & (marks != 1)
    if bad.any():
        raise TargetError(
            "event marks other than 0 and 1",
            where="event",
            expected="1 for an event, 0 for a censored row",
            got=places(bad),
        )
    weight, kept = positive_weights(sample_weight, times.size, "time")
    if kept is not None:
        times, marks = times[kept], marks[kept]
    return FollowUp(
        times,
        marks > 0,
        np.ones(times.size) if weight is None else weight,
        np.ones(times.size, bool) if kept is None else kept,
    )


def same_length(values: NDArray[Any], where: str, expected: int) -> None:
    _columns.same_length(values, where, expected, "time")
