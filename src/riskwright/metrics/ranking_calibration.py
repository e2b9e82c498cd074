"""Whether the stated chance that one document ranks above another is met."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from riskwright.core import (
    DataError,
    EmptyDataError,
    Estimate,
    MissingValueError,
    ParameterError,
    generator,
)
from riskwright.core.randomness import Seed
from riskwright.stats import bootstrap_weights, normal_quantile

from ._columns import column, grouped, groups_of, refuse

__all__ = ["ranking_calibration_error"]

Floats = NDArray[np.float64]

_NAME = "ranking calibration error"


@grouped
def ranking_calibration_error(
    relevance: ArrayLike,
    scores: ArrayLike,
    queries: ArrayLike,
    /,
    *,
    spread: ArrayLike | None = None,
    bins: int = 10,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    replicates: int = 1000,
    random_state: Seed = 0,
) -> Estimate | dict[str, Estimate]:
    """Expected ranking calibration error: mean over pairs of |stated - observed| of the pair's bin.

    Pairs are two documents of one query with different relevance; stated is the predicted
    probability that the document of higher mean score is the more relevant one, observed the share
    of pairs in the bin where it is.

    Parameters
    ----------
    relevance : array of shape (n,), finite, higher means more relevant
    scores : array of shape (n,) with `spread`, or of shape (n, draws)
        Mean scores; or draws from the distribution of each score, of which the share where one
        document beats the other is taken (ties half).
    queries : array of shape (n,), the query of each document, numbers or text
    spread : array of shape (n,), at least 0
        Standard deviations of normal scores, independent between documents.
    bins : number of bins of equal width on [0.5, 1], 1 to 1000.
    groups : array of shape (n,), optional, equal for all documents of a query
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.
    replicates : number of bootstrap samples of queries.
    random_state : seed or generator of the bootstrap.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1], 0 is ideal; biased upwards as any binned error. `n` is the number of
        queries with pairs, all pairs count alike. The interval is for the error with these bins
        and takes the bias into account, at the price of width: with D the vector of bin
        contributions and e its bootstrap error over queries, the lower end is sum |D| - quantile
        of sum |e|, and the upper end adds the normal quantile times the largest standard error
        that a signed sum of D can have. NaN with fewer than two queries.

    Raises
    ------
    DataError : lengths, shapes, missing values, a query in two groups, no pair at all (without
        groups).
    ParameterError : bins or replicates out of range.

    Notes
    -----
    Time O(sum of squared documents per query, times the draws). The idea is Cohen et al.'s (2021),
    "Not All Relevance Scores are Equal", SIGIR; bins, orientation of pairs and interval are stated
    here and may differ from theirs.

    Examples
    --------
    >>> relevance, queries = [1, 0, 0, 1, 0, 0], [1, 1, 1, 2, 2, 2]
    >>> sure = [2.0, 1.0, 0.0, 1.0, 2.0, 0.0]
    >>> found = ranking_calibration_error(relevance, sure, queries, spread=[0.1] * 6)
    >>> f"{found.value:.2f} {found.n}"
    '0.25 2'
    """
    normal_quantile(level)
    _checked_number(bins, "bins", 1, 1000)
    _checked_number(replicates, "replicates", 10, 100_000)
    target = column(relevance, "relevance")
    mean, draws = _scores(scores, spread, target.size)
    tables, label_of = [], []
    labels = None if groups is None else _labels(groups, target.size)
    for rows in _by_query(queries, target.size):
        if labels is not None and np.unique(labels[rows]).size > 1:
            raise DataError("a query in two groups", where="groups", expected="one per query")
        tables.append(_table(target[rows], mean[rows], draws[rows], spread is not None, bins))
        label_of.append("" if labels is None else labels[rows[0]])
    counts = np.array(tables)
    if groups is None:
        if counts[:, :, 0].sum() == 0:
            raise EmptyDataError(
                "no pair of different relevance", where="relevance", expected="pairs within a query"
            )
        return _error(counts, bins, level, replicates, generator(random_state))
    found = {}
    for number, (label, _) in enumerate(groups_of(label_of, len(label_of))):
        own = counts[np.array([name == label for name in label_of])]
        found[label] = _error(own, bins, level, replicates, generator(random_state, number))
    return found


def _checked_number(value: int, where: str, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ParameterError(
            "out of range", where=where, expected=f"{least} to {most}", got=repr(value)
        )


def _by_query(queries: ArrayLike, n: int) -> list[NDArray[np.intp]]:
    """Row numbers of every query."""
    values = np.asarray(queries)
    if values.shape != (n,):
        raise DataError(
            "wrong shape", where="queries", expected=f"{n} values", got=f"shape {values.shape}"
        )
    try:
        counts = np.unique(values, return_inverse=True, return_counts=True)
    except TypeError:
        raise MissingValueError("missing or mixed values", where="queries") from None
    return np.split(np.argsort(counts[1], kind="stable"), np.cumsum(counts[2])[:-1])


def _labels(groups: ArrayLike, n: int) -> NDArray[np.object_]:
    labels = np.empty(n, dtype=object)
    for label, rows in groups_of(groups, n):
        labels[rows] = label
    return labels


def _scores(scores: ArrayLike, spread: ArrayLike | None, n: int) -> tuple[Floats, Floats]:
    """Mean scores, and spreads or draws in the shape (n, ...)."""
    if spread is not None:
        mean, sd = column(scores, "scores", n), column(spread, "spread", n)
        refuse(sd < 0, "spread", "negative spreads", "values of at least 0")
        return mean, sd
    draws = np.asarray(scores, dtype=np.float64)
    if draws.ndim != 2 or draws.shape[0] != n or draws.shape[1] == 0:
        raise DataError(
            "wrong shape",
            where="scores",
            expected=f"draws of shape ({n}, draws)",
            got=f"an array of shape {draws.shape}",
            hint="Give spread with mean scores",
        )
    if not np.isfinite(draws).all():
        raise MissingValueError("missing or infinite values", where="scores")
    return draws.mean(axis=1), draws


def _table(relevance: Floats, mean: Floats, detail: Floats, normal: bool, bins: int) -> Floats:
    """Pairs of one query by bin: their number, summed stated chance, summed observed outcome."""
    table = np.zeros((bins, 3))
    for stated, observed in _pairs(relevance, mean, detail, normal):
        place = np.minimum(((stated - 0.5) * 2 * bins).astype(np.intp), bins - 1)
        for k, values in enumerate((np.ones(stated.size), stated, observed)):
            table[:, k] += np.bincount(place, values, bins)
    return table


def _pairs(
    relevance: Floats, mean: Floats, detail: Floats, normal: bool
) -> Iterator[tuple[Floats, Floats]]:
    """Stated chance, at least 0.5, and whether the pair is so ordered, document by document."""
    for i in range(relevance.size - 1):
        other = 1 + i + np.flatnonzero(relevance[i + 1 :] != relevance[i])
        if not other.size:
            continue
        if normal:
            gap, scale = mean[i] - mean[other], np.hypot(detail[i], detail[other])
            sure = np.where(gap == 0, 0.0, np.copysign(np.inf, gap))
            chance = ndtr(np.divide(gap, scale, out=sure, where=scale > 0))
        else:
            chance = (1 + np.sign(detail[i] - detail[other]).mean(axis=1)) / 2
        won = (relevance[i] > relevance[other]).astype(float)
        observed = np.where(chance > 0.5, won, np.where(chance < 0.5, 1 - won, 0.5))
        yield np.maximum(chance, 1 - chance), observed


def _error(
    counts: Floats, bins: int, level: float, replicates: int, rng: np.random.Generator
) -> Estimate:
    counts = counts[counts[:, :, 0].sum(axis=1) > 0]
    n, nan = len(counts), math.nan
    if n == 0:
        return Estimate(
            name=_NAME, value=nan, low=nan, high=nan, level=level, n=0, method="none: no pairs"
        )
    pairs, gap = counts[:, :, 0].sum(axis=1), counts[:, :, 2] - counts[:, :, 1]
    error = gap.sum(axis=0) / pairs.sum()
    value = float(np.abs(error).sum())
    if n < 2:
        return Estimate(
            name=_NAME, value=value, low=nan, high=nan, level=level, n=n, method="none: one query"
        )
    blocks = bootstrap_weights(np.ones(n), rng, replicates)
    drawn = np.concatenate([(w @ gap) / (w @ pairs)[:, None] for w in blocks])
    reach = float(np.quantile(np.abs(drawn - error).sum(axis=1), (1 + level) / 2))
    largest = float(np.abs(np.cov(drawn.T) * n / (n - 1)).sum())
    upper = normal_quantile(level) * math.sqrt(largest)
    return Estimate(
        name=_NAME,
        value=value,
        low=max(value - reach, 0.0),
        high=min(value + upper, 1.0),
        level=level,
        n=n,
        method=f"{bins} equal-width bins, bootstrap over queries",
    )
