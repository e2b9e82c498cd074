"""How well risks rank times to an event under right censoring: concordance, AUC over time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from riskwright.core import Estimate, ParameterError
from riskwright.stats._kernels import concordance_sums
from riskwright.stats.follow_up import FollowUp
from riskwright.stats.survival import TRUNCATE, check_horizon, check_truncation

from ._survival_inputs import (
    Floats,
    censoring_part,
    checked_rows_of,
    checked_times,
    estimate_of,
    none_of,
    per_group,
    truncated,
)

__all__ = ["ConcordancePairs", "concordance", "concordance_pairs", "cumulative_auroc"]

ConcordanceKind = Literal["harrell", "uno"]


@dataclass(frozen=True)
class ConcordancePairs:
    """Comparable pairs: `concordant` + `discordant` + `tied` in risk; whole for unit weights."""

    concordant: float
    discordant: float
    tied: float

    @property
    def comparable(self) -> float:
        return self.concordant + self.discordant + self.tied


@dataclass(frozen=True)
class _Sums:
    """Concordant and comparable weight by row, as the earlier and as the later of its pairs."""

    pairs: ConcordancePairs
    early: Floats
    late: Floats


@overload
def concordance(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    /,
    *,
    kind: ConcordanceKind = ...,
    tau: float | None = ...,
    truncate: float = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> Estimate: ...
@overload
def concordance(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    /,
    *,
    kind: ConcordanceKind = ...,
    tau: float | None = ...,
    truncate: float = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, Estimate]: ...
def concordance(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    /,
    *,
    kind: ConcordanceKind = "harrell",
    tau: float | None = None,
    truncate: float = TRUNCATE,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """C index: the chance that of two rows the one with the earlier event has the higher risk.

    Parameters
    ----------
    time : array of shape (n,), at least 0; event : array of shape (n,), 1 event, 0 censored
    risk : array of shape (n,), finite, higher means riskier
    kind : "harrell" or "uno"
        Harrell's counts all comparable pairs alike, and its limit depends on the censoring. Uno's
        weights a pair by 1 / G(T-)^2 of its earlier row and estimates the figure of the population
        for events before `tau`.
    tau : time, optional
        Only pairs whose earlier row ends before it count.
    truncate : limit for G in (0, 1], for Uno's; see `ipcw_weights`. The method reports its use.
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives, but for the pair of the two.
    groups : array of shape (n,), optional
        One estimate per group, from pairs and G within the group.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1]; 0.5 is no better than chance. The interval is normal on the logit scale
        with the infinitesimal-jackknife variance (the first-order variance of the ratio of the two
        U-statistics; for Uno's G counts as estimated, except where truncated). Its ends are NaN
        where all comparable pairs agree.

    Raises
    ------
    DataError : lengths, shapes, missing, infinite or negative values.
    TargetError : event marks other than 0 and 1; no event (a group without has a NaN estimate).
    ParameterError : kind, tau, truncate, level.

    Notes
    -----
    Two rows are comparable where the earlier time is an event, or where of two equal times one is
    an event and the other censored; two events at the same time are not. Equal risks count half.
    Time O(n log n), memory O(n). Harrell et al. (1982), JAMA 247:2543; Uno et al. (2011),
    Statistics in Medicine 30:1105.

    Examples
    --------
    >>> risk = [6, 8, 3, 5, 1, 4, 2]
    >>> print(concordance([1, 2, 3, 4, 5, 6, 7], [1, 1, 0, 1, 1, 0, 1], risk))
    0.812 (95% CI 0.537 to 0.942)
    """
    if kind not in ("harrell", "uno"):
        raise ParameterError(
            "unknown kind", where="kind", expected="harrell or uno", got=repr(kind)
        )
    check_truncation(truncate)
    if tau is not None:
        check_horizon(tau, "tau")
    follow_up, columns = checked_rows_of(time, event, sample_weight, level, groups, risk=risk)
    kernel = partial(_concordance, kind=kind, tau=tau, truncate=truncate, level=level)
    return per_group(kernel, follow_up, (columns["risk"],), groups)


def concordance_pairs(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    /,
    *,
    tau: float | None = None,
    sample_weight: ArrayLike | None = None,
) -> ConcordancePairs:
    """Counts of the comparable pairs behind Harrell's C, by agreement.

    Parameters, Raises: as for `concordance`. With weights a pair counts the product of the two.

    Examples
    --------
    >>> concordance_pairs([1, 2, 3, 3], [1, 1, 0, 1], [3, 1, 1, 2])
    ConcordancePairs(concordant=4, discordant=1, tied=1)
    """
    if tau is not None:
        check_horizon(tau, "tau")
    follow_up, columns = checked_rows_of(time, event, sample_weight, 0.95, None, risk=risk)
    counted = _earlier_weight(follow_up, tau)
    pairs = _sums(follow_up, columns["risk"], counted).pairs
    if sample_weight is not None:
        return pairs
    return ConcordancePairs(int(pairs.concordant), int(pairs.discordant), int(pairs.tied))


def _earlier_weight(follow_up: FollowUp, tau: float | None) -> Floats:
    counts = follow_up.event if tau is None else follow_up.event & (follow_up.time < tau)
    return np.where(counts, follow_up.weight, 0.0)


def _sums(follow_up: FollowUp, risk: Floats, earlier_weight: Floats) -> _Sums:
    table = follow_up.table
    order = table.order
    by_risk = np.argsort(risk)
    rises = np.diff(risk[by_risk]) > 0
    rank = np.zeros(risk.size, np.int32)
    rank[by_risk[1:]] = np.cumsum(rises)
    early, late, concordant, tied, comparable = concordance_sums(
        np.append(table.starts[1:], risk.size).astype(np.int64),
        rank[order],
        follow_up.event[order].astype(np.uint8),
        follow_up.weight[order],
        earlier_weight[order],
        int(np.count_nonzero(rises)) + 1,
    )
    by_row = np.empty((2, risk.size, 2))
    by_row[0, order], by_row[1, order] = early, late
    rest = max(comparable - concordant - tied, 0.0)
    return _Sums(ConcordancePairs(concordant, rest, tied), by_row[0], by_row[1])


def _concordance(
    follow_up: FollowUp,
    risk: Floats,
    kind: ConcordanceKind,
    tau: float | None,
    truncate: float,
    level: float,
) -> Estimate:
    if not follow_up.event.any():
        return none_of("concordance", follow_up, level, f"no event among {follow_up.n} rows")
    table, weight = follow_up.table, _earlier_weight(follow_up, tau)
    method, met = "infinitesimal jackknife, logit scale", np.zeros(follow_up.n, bool)
    if kind == "uno":
        g = table.step(table.censoring, table.times, left=True)[table.code]
        inverse, met = truncated(g, truncate)
        weight = weight * inverse**2
        met &= weight > 0
        method = f"Uno, {method}"
        if met.any():
            share = 100 * met.sum() / np.count_nonzero(weight)
            method += f"; G below {truncate:g} for {share:.2g}% of the events, truncated"
    else:
        method = f"Harrell, {method}"
    sums = _sums(follow_up, risk, weight)
    total = sums.pairs.comparable
    if not total > 0:
        return none_of("concordance", follow_up, level, "no comparable pair")
    value = min((sums.pairs.concordant + sums.pairs.tied / 2) / total, 1.0)
    early = sums.early[:, 0] - value * sums.early[:, 1]
    influence = early + sums.late[:, 0] - value * sums.late[:, 1]
    if kind == "uno":
        terms = np.bincount(table.code, np.where(met, 0.0, early), table.times.size)
        later = np.concatenate([np.cumsum(terms[:0:-1])[::-1], [0.0]])
        influence = influence + 2 * censoring_part(table, follow_up, later)
    influence = influence / total
    variance = float(influence @ influence)
    if value in (0.0, 1.0):
        variance = 0.0
    return estimate_of("concordance", value, variance, follow_up, level, method)


@overload
def cumulative_auroc(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    times: ArrayLike,
    /,
    *,
    truncate: float = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> tuple[Estimate, ...]: ...
@overload
def cumulative_auroc(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    times: ArrayLike,
    /,
    *,
    truncate: float = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, tuple[Estimate, ...]]: ...
def cumulative_auroc(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    times: ArrayLike,
    /,
    *,
    truncate: float = TRUNCATE,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[Estimate, ...] | dict[str, tuple[Estimate, ...]]:
    """Area under the ROC curve at each time: rows with the event by then against rows without.

    Parameters
    ----------
    time, event, risk, truncate, sample_weight, groups, level : as for `concordance`.
    times : time above 0, or several in ascending order.

    Returns
    -------
    tuple of Estimate, one per time, or dict of such tuples
        Value in [0, 1]: the chance that a row with its event at or before t has a higher risk than
        a row still free of it at t (ties half). Cases weigh 1 / G(T-), which undoes the censoring;
        controls are followed to t. Interval as for `concordance`, with G counted as estimated. NaN
        (the method says why) where there are no cases or no controls yet.

    Raises
    ------
    DataError, TargetError, ParameterError : as for `concordance`; times not ascending.

    Notes
    -----
    Time O(n (log n + k)) for k times, memory O(n). Uno et al. (2007), JASA 102:527; Hung & Chiang
    (2010), Canadian Journal of Statistics 38:8.

    Examples
    --------
    >>> risk = [6, 8, 3, 5, 1, 4, 2]
    >>> found = cumulative_auroc([1, 2, 3, 4, 5, 6, 7], [1, 1, 0, 1, 1, 0, 1], risk, [2, 5])
    >>> [round(area.value, 3) for area in found]
    [1.0, 0.722]
    """
    check_truncation(truncate)
    grid = checked_times(times)
    follow_up, columns = checked_rows_of(time, event, sample_weight, level, groups, risk=risk)
    kernel = partial(_aurocs, times=grid, truncate=truncate, level=level)
    return per_group(kernel, follow_up, (columns["risk"],), groups)


def _aurocs(
    follow_up: FollowUp, risk: Floats, times: Floats, truncate: float, level: float
) -> tuple[Estimate, ...]:
    if not follow_up.event.any():
        reason = f"no event among {follow_up.n} rows"
        return tuple(none_of("cumulative_auroc", follow_up, level, reason) for _ in times)
    table = follow_up.table
    g = table.step(table.censoring, table.times, left=True)[table.code]
    inverse, met = truncated(g, truncate)
    case_weight = np.where(follow_up.event, follow_up.weight * inverse, 0.0)
    met &= follow_up.event
    by_risk = np.argsort(risk)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(risk[by_risk]) > 0]))
    rank = np.empty(risk.size, np.intp)
    rank[by_risk] = np.repeat(np.arange(starts.size), np.diff(np.append(starts, risk.size)))

    def at(t: float) -> Estimate:
        case = case_weight * (follow_up.time <= t)
        known = (follow_up.time > t) | ((follow_up.time == t) & ~follow_up.event)
        control = follow_up.weight * known
        cases, controls = float(case.sum()), float(control.sum())
        if cases == 0 or controls == 0:
            lacking = "events up to" if cases == 0 else "rows followed to"
            return none_of("cumulative_auroc", follow_up, level, f"no {lacking} time {t:g}")
        each_case = np.bincount(rank, case, starts.size) / cases
        each_control = np.bincount(rank, control, starts.size) / controls
        below_case = (np.cumsum(each_control) - each_control / 2)[rank]
        above_control = (1 - np.cumsum(each_case) + each_case / 2)[rank]
        value = min(float(case @ below_case) / cases, 1.0)
        early = case * (below_case - value) / cases
        terms = np.bincount(table.code, np.where(met, 0.0, early), table.times.size)
        later = np.concatenate([np.cumsum(terms[:0:-1])[::-1], [0.0]])
        influence = early + control * (above_control - value) / controls
        influence += censoring_part(table, follow_up, later)
        variance = 0.0 if value in (0.0, 1.0) else float(influence @ influence)
        share = met[case > 0].mean()
        note = f"; G below {truncate:g} for {100 * share:.2g}% of the cases" if share else ""
        method = "IPCW, infinitesimal jackknife, logit scale" + note
        return estimate_of("cumulative_auroc", value, variance, follow_up, level, method)

    return tuple(at(float(t)) for t in times)
