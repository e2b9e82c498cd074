"""Scores of a predicted distribution of the event time in bins, with censored rows spread."""

from __future__ import annotations

from functools import partial
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, Estimate, ParameterError, ValueRangeError
from riskwright.stats.follow_up import FollowUp, numbers, refuse, same_length
from riskwright.stats.survival import check_horizon

from ._inputs import CLIP
from ._survival_inputs import Floats, checked_rows_of, estimate_of, none_of, per_group

__all__ = ["survival_pinball", "survival_score"]

ScoreRule = Literal["log", "brier", "rps"]
_SLACK = 1e-6


@overload
def survival_score(
    time: ArrayLike,
    event: ArrayLike,
    probabilities: ArrayLike,
    boundaries: ArrayLike,
    /,
    *,
    rule: ScoreRule = ...,
    spread: ArrayLike | None = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> Estimate: ...
@overload
def survival_score(
    time: ArrayLike,
    event: ArrayLike,
    probabilities: ArrayLike,
    boundaries: ArrayLike,
    /,
    *,
    rule: ScoreRule = ...,
    spread: ArrayLike | None = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, Estimate]: ...
def survival_score(
    time: ArrayLike,
    event: ArrayLike,
    probabilities: ArrayLike,
    boundaries: ArrayLike,
    /,
    *,
    rule: ScoreRule = "log",
    spread: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Logarithmic, Brier or ranked probability score of event times in bins, under censoring.

    Parameters
    ----------
    time : array of shape (n,), at least boundaries[0]; event : array of shape (n,), 1 or 0
    probabilities : array of shape (n, b), at least 0, each row with sum 1
        Predicted probability that the event falls in each bin.
    boundaries : array of shape (b + 1,), ascending
        Bin j is (boundaries[j], boundaries[j + 1]]; the first one includes its lower end, the last
        one all later times, whatever its upper end.
    rule : "log", "brier" or "rps"
        With an event in bin k: -log f_k; the sum over bins of (f_j - 1{j = k})^2; the sum over
        upper ends of (F_j - 1{j >= k})^2.
    spread : array of shape (n, b) or (b,), optional
        Probabilities by which a censored row is spread over the rest of its bin and the later ones
        (linearly within its bin); the predictions themselves by default.
    sample_weight, groups, level : as for `concordance`.

    Returns
    -------
    Estimate or dict of Estimate
        Mean over rows; 0 is perfect, smaller is better. The interval is normal with the sandwich
        variance of a mean, on the log scale (logit scale for values within (0, 1)), for `spread` as
        given.

    Raises
    ------
    DataError : lengths, shapes, missing or negative values, sums other than 1 (beyond 1e-6), times
        before the first boundary. TargetError : marks other than 0 and 1, no event (without
        groups). ParameterError : unknown rule.

    Notes
    -----
    A censored row scores the mean of what its possible bins would score under the conditional
    distribution that `spread` gives; for "log" the bins after its own count as one, so that it is
    -w log f_k - (1 - w) log(1 - F_k). All three are proper where `spread` is right (the mean score
    is then that of the uncensored bins, for "log" of bins merged after the censoring). Spread by
    the predictions themselves they are not, in general: a censored row then rewards a prediction
    for being sure of what the row cannot show. For "log" this is so only for rows censored within a
    bin; at boundaries it is the likelihood of censored bins, which is proper. So compare models
    under one fixed `spread`. A row that outlives its prediction counts as in the last bin.
    For "log" probabilities below 2^-52 are moved to it, and the method says so. Time and memory
    O(n b). Yanagisawa (2023), ICML, "Proper scoring rules for survival analysis".

    Examples
    --------
    >>> f = [[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]]
    >>> print(f"{survival_score([2.5, 1.25], [1, 0], f, [0, 1, 2, 3, 4], rule='log'):.3f}")
    1.043 (0.771 to 1.411)
    """
    if rule not in ("log", "brier", "rps"):
        raise ParameterError(
            "unknown rule", where="rule", expected="log, brier or rps", got=repr(rule)
        )
    follow_up, _ = checked_rows_of(time, event, sample_weight, level, groups)
    edges = _edges(boundaries, follow_up)
    f = _distributions(probabilities, "probabilities", follow_up, edges.size - 1)
    by = f if spread is None else _distributions(spread, "spread", follow_up, edges.size - 1)
    kernel = partial(_score, edges=edges, rule=rule, level=level)
    return per_group(kernel, follow_up, (f, by), groups)


def _edges(boundaries: ArrayLike, follow_up: FollowUp) -> Floats:
    edges = np.array(boundaries, dtype=np.float64, ndmin=1)
    finite = numbers(edges[:-1], "boundaries")
    if edges.size < 3 or not (np.diff(finite) > 0).all() or not edges[-1] > edges[-2]:
        raise ValueRangeError(
            "not ascending boundaries",
            where="boundaries",
            expected="three or more, each greater than the one before (the last may be infinite)",
            got=f"{edges.size} boundaries",
        )
    refuse(
        follow_up.time < edges[0],
        "time",
        "times before the first boundary",
        f"times of at least {edges[0]:g}",
    )
    return edges


def _distributions(values: ArrayLike, where: str, follow_up: FollowUp, bins: int) -> Floats:
    given = np.asarray(values)
    if given.ndim == 1 and where == "spread":
        given = np.broadcast_to(given, (follow_up.kept.size, given.size))
    f = numbers(given, where, ndim=2)
    same_length(f, where, follow_up.kept.size)
    if f.shape[1] != bins:
        raise DataError(
            "wrong number of bins", where=where, expected=f"{bins} columns", got=str(f.shape[1])
        )
    refuse((f < 0).any(axis=1), where, "negative probabilities", "values of at least 0")
    wrong = np.abs(f.sum(axis=1) - 1) > _SLACK
    refuse(wrong, where, "probabilities that do not add up", "rows with sum 1")
    kept: Floats = f[follow_up.kept]
    return kept


def _bins_of(follow_up: FollowUp, edges: Floats) -> NDArray[np.intp]:
    places = np.searchsorted(edges, follow_up.time, side="left") - 1
    return np.clip(places, 0, edges.size - 2)


def _fates(follow_up: FollowUp, edges: Floats, f: Floats) -> Floats:
    """Probability of each bin given what is known of each row."""
    n, bins = f.shape
    bin_of = _bins_of(follow_up, edges)
    each, number = np.arange(n), np.arange(bins)
    fate: Floats = (number == bin_of[:, None]).astype(np.float64)
    upper, lower = edges[bin_of + 1], edges[bin_of]
    inner = bin_of < bins - 1
    part = np.divide(upper - follow_up.time, upper - lower, out=np.ones(n), where=inner)
    rest = np.where(number > bin_of[:, None], f, 0.0)
    rest[each, bin_of] = part * f[each, bin_of]
    left = rest.sum(axis=1)
    spread = ~follow_up.event & (left > 0)
    fate[spread] = rest[spread] / left[spread, None]
    lost = ~follow_up.event & (left <= 0)
    fate[lost] = number == bins - 1
    return fate


def _score(
    follow_up: FollowUp, f: Floats, by: Floats, edges: Floats, rule: ScoreRule, level: float
) -> Estimate:
    if follow_up.n == 0:
        return none_of(f"survival_{rule}", follow_up, level, "no rows")
    fate, note = _fates(follow_up, edges, by), ""
    if rule == "log":
        loss, moved = _log_loss(follow_up, fate, f, edges)
        note = "; probabilities below 2^-52 moved to it" if moved else ""
    elif rule == "brier":
        loss = (fate * (1 - f) ** 2 + (1 - fate) * f**2).sum(axis=1)
    else:
        past, cumulated = np.cumsum(fate, axis=1)[:, :-1], np.cumsum(f, axis=1)[:, :-1]
        loss = (past * (1 - cumulated) ** 2 + (1 - past) * cumulated**2).sum(axis=1)
    return _mean(f"survival_{rule}", loss, follow_up, level, note)


def _log_loss(follow_up: FollowUp, fate: Floats, f: Floats, edges: Floats) -> tuple[Floats, bool]:
    """-log f of an event's bin; of a censored row -w log f_k - (1 - w) log(1 - F_k)."""
    n, bins = f.shape
    k = _bins_of(follow_up, edges)
    each = np.arange(n)
    own, w = f[each, k], fate[each, k]
    beyond = np.where(np.arange(bins) > k[:, None], f, 0.0).sum(axis=1)
    moved = ((w > 0) & (own < CLIP)) | ((w < 1) & (beyond < CLIP))
    loss = -w * np.log(np.maximum(own, CLIP)) - (1 - w) * np.log(np.maximum(beyond, CLIP))
    return loss, bool(moved.any())


@overload
def survival_pinball(
    time: ArrayLike,
    event: ArrayLike,
    quantiles: ArrayLike,
    levels: ArrayLike,
    /,
    *,
    beyond: float,
    spread: ArrayLike | None = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> Estimate: ...
@overload
def survival_pinball(
    time: ArrayLike,
    event: ArrayLike,
    quantiles: ArrayLike,
    levels: ArrayLike,
    /,
    *,
    beyond: float,
    spread: ArrayLike | None = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, Estimate]: ...
def survival_pinball(
    time: ArrayLike,
    event: ArrayLike,
    quantiles: ArrayLike,
    levels: ArrayLike,
    /,
    *,
    beyond: float,
    spread: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Pinball loss of predicted quantiles of the event time, summed over levels, under censoring.

    Parameters
    ----------
    time, event : as for `survival_score`.
    quantiles : array of shape (n, m), rising along a row
        Predicted quantiles of the event time.
    levels : array of shape (m,), ascending, within (0, 1)
    beyond : time no less than all times and quantiles
        Where the part of a censored row that is not yet due at a level is put. It is part of the
        definition: scores with different values of it are not comparable.
    spread : array of shape (n,), optional
        P(T <= time) of each censored row, by which it is spread; by default read off the
        predictions, linear between quantiles, with 0 at time 0 and 1 at `beyond`.
    sample_weight, groups, level : as for `concordance`.

    Returns
    -------
    Estimate or dict of Estimate
        Mean over rows, at least 0, in the unit of time. With an event at T a row scores the sum
        over levels a of (a - 1{T < q}) (T - q). Censored at c it scores, with F = P(T <= c) and
        w = max(0, (a - F) / (1 - F)), w times the loss of an event at c and 1 - w times that of an
        event at `beyond`.

    Raises
    ------
    DataError : lengths, shapes, missing values, quantiles that fall or exceed `beyond`, levels or
        `spread` out of range. TargetError : as for `survival_score`. ParameterError : level.

    Notes
    -----
    With the right F the expected score is minimised by the true quantiles (for a time of censoring
    that is independent of T); read off the predictions it need not be. Time and memory O(n m).
    Portnoy (2003), JASA 98:1001; Yanagisawa (2023), ICML.

    Examples
    --------
    >>> q = [[1, 2, 3], [1, 3, 3.5]]
    >>> found = survival_pinball([2.5, 1.25], [1, 0], q, [0.25, 0.5, 0.75], beyond=4)
    >>> f"{found.value:.4f}"
    '1.3057'
    """
    check_horizon(beyond, "beyond")
    follow_up, _ = checked_rows_of(time, event, sample_weight, level, groups)
    at = _levels(levels)
    q = _quantiles(quantiles, follow_up, at.size, beyond)
    if spread is None:
        past = _passed(follow_up.time, q, at, beyond)
    else:
        past = numbers(spread, "spread")
        same_length(past, "spread", follow_up.kept.size)
        refuse((past < 0) | (past > 1), "spread", "probabilities out of range", "values in [0, 1]")
        past = past[follow_up.kept]
    kernel = partial(_pinball, levels=at, beyond=beyond, level=level)
    return per_group(kernel, follow_up, (q, past), groups)


def _levels(levels: ArrayLike) -> Floats:
    at = numbers(levels, "levels")
    if not (at[0] > 0 and at[-1] < 1 and (np.diff(at) > 0).all()):
        raise ValueRangeError(
            "not ascending levels", where="levels", expected="ascending values within (0, 1)"
        )
    return at


def _quantiles(quantiles: ArrayLike, follow_up: FollowUp, number: int, beyond: float) -> Floats:
    q = numbers(quantiles, "quantiles", ndim=2)
    same_length(q, "quantiles", follow_up.kept.size)
    if q.shape[1] != number:
        raise DataError(
            "wrong number of levels",
            where="quantiles",
            expected=f"{number} columns",
            got=str(q.shape[1]),
        )
    refuse((np.diff(q) < 0).any(axis=1), "quantiles", "falling quantiles", "rows that rise")
    refuse(
        (q < 0).any(axis=1) | (q > beyond).any(axis=1),
        "quantiles",
        "quantiles out of range",
        f"values from 0 to beyond = {beyond:g}",
    )
    refuse(follow_up.time > beyond, "time", "times after beyond", f"times up to {beyond:g}")
    kept: Floats = q[follow_up.kept]
    return kept


def _passed(time: Floats, q: Floats, levels: Floats, beyond: float) -> Floats:
    """P(T <= time), linear between the quantiles of each row, 0 at 0 and 1 at `beyond`."""
    n = time.size
    knots = np.concatenate([np.zeros((n, 1)), q, np.full((n, 1), beyond)], axis=1)
    heights = np.concatenate([[0.0], levels, [1.0]])
    k = np.clip((knots <= time[:, None]).sum(axis=1), 1, knots.shape[1] - 1)
    each = np.arange(n)
    low, high = knots[each, k - 1], knots[each, k]
    part = np.divide(time - low, high - low, out=np.ones(n), where=high > low)
    past: Floats = heights[k - 1] + (heights[k] - heights[k - 1]) * np.clip(part, 0.0, 1.0)
    return past


def _pinball(
    follow_up: FollowUp, q: Floats, past: Floats, levels: Floats, beyond: float, level: float
) -> Estimate:
    if follow_up.n == 0:
        return none_of("survival_pinball", follow_up, level, "no rows")
    time = follow_up.time[:, None]
    here = (levels - (time < q)) * (time - q)
    there = levels * (beyond - q)
    left = np.maximum(1 - past, 0.0)[:, None]
    late = np.maximum(levels - past[:, None], 0.0)
    share = np.divide(late, left, out=np.ones(q.shape), where=left > 0)
    share = np.where(follow_up.event[:, None], 1.0, np.minimum(share, 1.0))
    loss = (share * here + (1 - share) * there).sum(axis=1)
    return _mean("survival_pinball", loss, follow_up, level)


def _mean(name: str, loss: Floats, follow_up: FollowUp, level: float, note: str = "") -> Estimate:
    share = follow_up.weight / follow_up.total
    value = float(share @ loss)
    influence = share * (loss - value)
    scale = "logit" if 0 < value < 1 else "log"
    method = f"sandwich variance, {scale} scale" + note
    return estimate_of(name, value, float(influence @ influence), follow_up, level, method)
