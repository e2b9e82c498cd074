"""What the measures under right censoring share: checks, groups, the part of the estimated G."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    DataError,
    Estimate,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.stats import log_interval, logit_interval, normal_quantile
from riskwright.stats.follow_up import FollowUp, TimeTable, checked_follow_up, numbers, same_length

from ._inputs import factorised

__all__ = [
    "Floats",
    "GSide",
    "censoring_part",
    "checked_rows_of",
    "checked_side",
    "checked_times",
    "estimate_of",
    "interval_of",
    "none_of",
    "per_group",
    "truncated",
]

Floats = NDArray[np.float64]
GSide = Literal["left", "right"]
Result = TypeVar("Result")

NO_SPREAD = 1e-20


def checked_rows_of(
    time: ArrayLike,
    event: ArrayLike,
    sample_weight: ArrayLike | None,
    level: float,
    groups: ArrayLike | None,
    **columns: ArrayLike,
) -> tuple[FollowUp, dict[str, Floats]]:
    """Follow-up and columns, without the rows of weight 0; some event unless there are groups."""
    normal_quantile(level)
    follow_up = checked_follow_up(time, event, sample_weight)
    checked = {}
    for name, values in columns.items():
        column = numbers(values, name)
        same_length(column, name, follow_up.kept.size)
        checked[name] = column if follow_up.kept.all() else column[follow_up.kept]
    if groups is None and not follow_up.event.any():
        raise TargetError(
            "no event",
            where="event",
            expected="some row with an event",
            got=f"{follow_up.n} censored rows",
        )
    return follow_up, checked


def per_group(
    kernel: Callable[..., Result],
    follow_up: FollowUp,
    columns: tuple[Any, ...],
    groups: ArrayLike | None,
) -> Result | dict[str, Result]:
    """`kernel(follow_up, *columns)` for all rows or by group; G is estimated within the group."""
    if groups is None:
        return kernel(follow_up, *columns)
    labels, codes = factorised(groups, "groups")
    if codes.size != follow_up.kept.size:
        raise DataError(
            "length differs from time",
            where="groups",
            expected=f"{follow_up.kept.size} values",
            got=str(codes.size),
        )
    codes = codes[follow_up.kept]
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(labels) + 1))
    found = {}
    for k, label in enumerate(labels):
        rows = order[ends[k] : ends[k + 1]]
        found[label] = kernel(follow_up.rows(rows), *(column[rows] for column in columns))
    return found


def checked_times(times: ArrayLike, *, at_least: int = 1) -> Floats:
    """Evaluation times: above 0 and strictly ascending."""
    grid = numbers(np.atleast_1d(np.asarray(times)), "times")
    if grid.size < at_least:
        raise DataError(
            "too few times", where="times", expected=f"{at_least} or more", got=str(grid.size)
        )
    if grid[0] <= 0 or (np.diff(grid) <= 0).any():
        raise ValueRangeError(
            "not ascending times",
            where="times",
            expected="times above 0, each greater than the one before",
            got=f"{grid.size} times from {grid[0]:g} to {grid[-1]:g}",
        )
    return grid


def checked_side(g_side: str) -> bool:
    """Whether G is the limit from the left."""
    if g_side not in ("left", "right"):
        raise ParameterError(
            "unknown side", where="g_side", expected="left or right", got=repr(g_side)
        )
    return g_side == "left"


def truncated(g: Floats, limit: float) -> tuple[Floats, NDArray[np.bool_]]:
    """1 / max(G, limit), and where the limit was met."""
    return 1.0 / np.maximum(g, limit), g < limit


def censoring_part(table: TimeTable, follow_up: FollowUp, later: Floats) -> Floats:
    """Derivative by log weight of each row of a sum over terms that are proportional to 1 / G(s).

    `later` holds, per distinct time u, the sum of those terms that are divided by a G with u in it.
    A censoring at u lowers G after it and so raises them; being at risk of it does the opposite.
    """
    after, lost = table.after, table.censored
    some = (after > 0) & (lost > 0)
    own = np.divide(later, after, out=np.zeros(after.size), where=some)
    passed = np.cumsum(own * np.divide(lost, lost + after, out=np.zeros(after.size), where=some))
    before = np.concatenate([[0.0], passed[:-1]])
    effect = np.where(follow_up.event, -before[table.code], (own - passed)[table.code])
    return follow_up.weight * effect


def interval_of(value: float, variance: float, level: float) -> tuple[float, float]:
    """On the logit scale for values within (0, 1), else on the log scale."""
    if 0 < value < 1:
        return logit_interval(value, math.sqrt(variance), level)
    return log_interval(value, math.sqrt(variance), level)


def estimate_of(
    name: str,
    value: float,
    variance: float,
    follow_up: FollowUp,
    level: float,
    method: str,
) -> Estimate:
    """An estimate from its infinitesimal-jackknife variance; NaN ends where that is 0."""
    n, size = follow_up.n, follow_up.effective_n
    low = high = math.nan
    if variance > NO_SPREAD and value > 0 and size > 1 + 1e-9:
        low, high = interval_of(value, variance * size / (size - 1), level)
    else:
        method = "none: no spread between the rows"
    if size < n * (1 - 1e-9):
        method += f"; weighted rows, effective n = {size:.1f}"
    return Estimate(name=name, value=value, low=low, high=high, level=level, n=n, method=method)


def none_of(name: str, follow_up: FollowUp, level: float, reason: str) -> Estimate:
    """A NaN estimate whose method says why there is none."""
    return Estimate(
        name=name,
        value=math.nan,
        low=math.nan,
        high=math.nan,
        level=level,
        n=follow_up.n,
        method=f"none: {reason}",
    )
