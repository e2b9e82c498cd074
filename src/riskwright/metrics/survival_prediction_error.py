"""Squared error of predicted survival under right censoring: Brier score by time, integrated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from riskwright.core import DataError, Estimate, ValueRangeError
from riskwright.stats._kernels import survival_errors
from riskwright.stats.follow_up import FollowUp, numbers, same_length
from riskwright.stats.survival import TRUNCATE, check_truncation

from ._survival_inputs import (
    Floats,
    GSide,
    checked_rows_of,
    checked_side,
    checked_times,
    estimate_of,
    none_of,
    per_group,
    truncated,
)

__all__ = ["integrated_brier", "survival_brier"]

_SLACK = 1e-9


@dataclass(frozen=True)
class _Options:
    times: Floats
    left: bool
    truncate: float
    level: float


@dataclass(frozen=True)
class _Errors:
    """Weighted squared error and variance per time, and of the integral over all times."""

    value: Floats
    variance: Floats
    integral: float
    integral_variance: float
    note: str


@overload
def survival_brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    /,
    *,
    g_side: GSide = ...,
    truncate: float = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> tuple[Estimate, ...]: ...
@overload
def survival_brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    /,
    *,
    g_side: GSide = ...,
    truncate: float = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, tuple[Estimate, ...]]: ...
def survival_brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    /,
    *,
    g_side: GSide = "left",
    truncate: float = TRUNCATE,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[Estimate, ...] | dict[str, tuple[Estimate, ...]]:
    """Brier score at each time: the mean of (S(t | x) - 1{T > t})^2, weighted for censoring.

    Parameters
    ----------
    time : array of shape (n,), at least 0; event : array of shape (n,), 1 event, 0 censored
    survival : array of shape (n, k), or (n,) for one time
        Predicted P(T > t) at each of `times`: in [0, 1] and nowhere rising along a row (by more
        than 1e-9).
    times : time above 0, or k of them in ascending order.
    g_side : "left" or "right"
        Which G weights a row. "left": events at T <= t by 1 / G(T-), rows followed to t or longer
        by 1 / G(t-), so that rows censored at t itself count as event-free. "right": events by
        1 / G(T), rows with T > t by 1 / G(t), the convention of scikit-survival; it cannot be used
        at a time at which all that are left are censored. Without ties the two agree as n grows.
    truncate : limit for G in (0, 1]; see `ipcw_weights`. The method reports its use.
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives.
    groups : array of shape (n,), optional
        One tuple per group, with G estimated within the group.
    level : confidence level of each interval.

    Returns
    -------
    tuple of Estimate, one per time, or dict of such tuples
        0 is perfect; S = 0.5 everywhere gives 0.25. The interval has the infinitesimal-jackknife
        variance with G counted as estimated (except where truncated), on the logit scale. Beyond
        the follow-up (last row censored) the estimate is NaN and the method says so.

    Raises
    ------
    DataError : lengths, shapes, missing values, survival outside [0, 1] or rising, times not
        ascending. TargetError : event marks other than 0 and 1; no event (without groups).
    ParameterError : g_side, truncate, level.

    Notes
    -----
    Assumes that censoring is independent of T and of what is predicted (within groups). One pass
    over the matrix: time O(n (log n + k)), memory O(n + k) beside the input. Graf et al. (1999),
    Statistics in Medicine 18:2529; Gerds & Schumacher (2006), Biometrical Journal 48:1029.

    Examples
    --------
    >>> survival = [[0.9, 0.5], [0.6, 0.2], [0.8, 0.7], [0.9, 0.8]]
    >>> for found in survival_brier([3, 1, 2, 5], [1, 1, 0, 1], survival, [2, 4]):
    ...     print(found)
    0.105 (95% CI 0.019 to 0.410)
    0.119 (95% CI 0.035 to 0.331)
    """
    grid = checked_times(times)
    left = checked_side(g_side)
    check_truncation(truncate)
    follow_up, matrix = _checked(time, event, survival, grid, sample_weight, level, groups)
    options = _Options(grid, left, truncate, level)
    return per_group(partial(_briers, options=options), follow_up, (matrix,), groups)


@overload
def integrated_brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    /,
    *,
    g_side: GSide = ...,
    truncate: float = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> Estimate: ...
@overload
def integrated_brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    /,
    *,
    g_side: GSide = ...,
    truncate: float = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, Estimate]: ...
def integrated_brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    /,
    *,
    g_side: GSide = "left",
    truncate: float = TRUNCATE,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Brier score averaged over the time from the first to the last of `times` (trapezoidal rule).

    Parameters
    ----------
    time, event, survival, times, g_side, truncate, sample_weight, groups, level : as for
        `survival_brier`, with two times or more.

    Returns
    -------
    Estimate or dict of Estimate
        The integral divided by its length; interval as for `survival_brier`, of the integral
        itself (the errors of one row at all times go together). Times beyond the follow-up are left
        out and the method says how far the integral goes; NaN where fewer than two remain.

    Raises
    ------
    DataError, TargetError, ParameterError : as for `survival_brier`.

    Notes
    -----
    Time O(n (log n + k)), memory O(n + k) beside the input. References as for `survival_brier`.

    Examples
    --------
    >>> survival = [[0.9, 0.5], [0.6, 0.2], [0.8, 0.7], [0.9, 0.8]]
    >>> print(integrated_brier([3, 1, 2, 5], [1, 1, 0, 1], survival, [2, 4]))
    0.112 (95% CI 0.051 to 0.230)
    """
    grid = checked_times(times, at_least=2)
    left = checked_side(g_side)
    check_truncation(truncate)
    follow_up, matrix = _checked(time, event, survival, grid, sample_weight, level, groups)
    options = _Options(grid, left, truncate, level)
    return per_group(partial(_integrated, options=options), follow_up, (matrix,), groups)


def _checked(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    grid: Floats,
    sample_weight: ArrayLike | None,
    level: float,
    groups: ArrayLike | None,
) -> tuple[FollowUp, Floats]:
    """Follow-up and the matrix of its rows; what is in the matrix is checked by the kernel."""
    follow_up, _ = checked_rows_of(time, event, sample_weight, level, groups)
    try:
        matrix = np.ascontiguousarray(survival, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("not numbers", where="survival", expected="an array of numbers") from None
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or matrix.shape[1] != grid.size:
        raise DataError(
            "wrong shape",
            where="survival",
            expected=f"a column for each of {grid.size} times",
            got=f"an array of shape {np.shape(survival)}",
        )
    same_length(matrix, "survival", follow_up.kept.size)
    return follow_up, matrix if follow_up.kept.all() else matrix[follow_up.kept]


def _followed(follow_up: FollowUp, options: _Options) -> int:
    """Number of times within the follow-up."""
    table, grid = follow_up.table, options.times
    if table.censored[-1] == 0.0:
        return int(grid.size)
    return int(np.searchsorted(grid, table.times[-1], side="right" if options.left else "left"))


def _errors(follow_up: FollowUp, survival: Floats, options: _Options) -> _Errors:
    table, times = follow_up.table, options.times
    g_event = table.censoring
    if options.left:
        g_event = np.concatenate([[1.0], g_event[:-1]])
    g_time = table.step(table.censoring, times, left=options.left)
    event_inverse, event_fixed = truncated(g_event, options.truncate)
    time_inverse, time_fixed = truncated(g_time, options.truncate)
    known = _followed(follow_up, options)
    share = np.zeros(times.size)
    if known > 1:
        gaps = np.diff(times[:known]) / (times[known - 1] - times[0])
        share[: known - 1] += gaps / 2
        share[1:known] += gaps / 2
    weight = follow_up.weight / follow_up.total
    good, loss, first, second, passed, rows = survival_errors(
        survival,
        times,
        table.order.astype(np.int64, copy=False),
        np.append(table.starts[1:], follow_up.n).astype(np.int64),
        table.times,
        follow_up.event.astype(np.uint8),
        weight,
        table.censored / follow_up.total,
        table.after / follow_up.total,
        event_inverse,
        event_fixed.astype(np.uint8),
        time_inverse,
        (~time_fixed).astype(np.float64),
        options.left,
        share,
        _SLACK,
    )
    if not good:
        raise _not_survival(survival, follow_up)
    centre = loss + passed
    variance = second - 2 * centre * first + centre**2 * float(weight @ weight)
    spread = rows - weight * float(share @ centre)
    met = float(table.events @ event_fixed)
    note = ""
    if met or time_fixed[:known].any():
        note = (
            f"; G below {options.truncate:g} truncated, at the events of "
            f"{100 * met / follow_up.total:.2g}% of the rows and "
            f"{int(time_fixed[:known].sum())} of {known} times"
        )
    return _Errors(loss, variance, float(share @ loss), float(spread @ spread), note)


def _not_survival(survival: Floats, follow_up: FollowUp) -> DataError:
    """The error for a matrix in which the kernel found a row that is no survival function."""
    at = np.flatnonzero(follow_up.kept)
    numbers(survival, "survival", ndim=2)
    outside = ((survival < 0) | (survival > 1)).any(axis=1)
    rows = at[outside if outside.any() else (np.diff(survival) > _SLACK).any(axis=1)]
    return ValueRangeError(
        "probabilities out of range" if outside.any() else "survival rises with time",
        where="survival",
        expected="values in [0, 1]" if outside.any() else "columns in the order of times",
        got=f"{rows.size} rows, the first of them {rows[0]} (the first row is 0)",
    )


def _briers(follow_up: FollowUp, survival: Floats, options: _Options) -> tuple[Estimate, ...]:
    if follow_up.n == 0:
        none = none_of("survival_brier", follow_up, options.level, "no rows")
        return (none,) * options.times.size
    errors = _errors(follow_up, survival, options)
    known, method = _followed(follow_up, options), _method(errors, options)

    def at(k: int) -> Estimate:
        if k >= known:
            reason = f"the follow-up ends at {follow_up.table.times[-1]:g}"
            return none_of("survival_brier", follow_up, options.level, reason)
        value, variance = float(errors.value[k]), float(errors.variance[k])
        return estimate_of("survival_brier", value, variance, follow_up, options.level, method)

    return tuple(at(k) for k in range(options.times.size))


def _integrated(follow_up: FollowUp, survival: Floats, options: _Options) -> Estimate:
    name = "integrated_brier"
    if follow_up.n == 0:
        return none_of(name, follow_up, options.level, "no rows")
    known, errors = _followed(follow_up, options), _errors(follow_up, survival, options)
    if known < 2:
        reason = f"the follow-up ends at {follow_up.table.times[-1]:g}"
        return none_of(name, follow_up, options.level, reason)
    method = _method(errors, options)
    if known < options.times.size:
        method += f"; integrated to {options.times[known - 1]:g}, within the follow-up"
    value, variance = errors.integral, errors.integral_variance
    return estimate_of(name, value, variance, follow_up, options.level, method)


def _method(errors: _Errors, options: _Options) -> str:
    side = "G(T-)" if options.left else "G(T)"
    return f"IPCW with {side}, infinitesimal jackknife, logit scale" + errors.note
