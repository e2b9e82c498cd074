"""Isotonic regression of outcomes on a score, and outcomes folded by score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskwright.core import TargetError
from riskwright.stats._kernels import fold_scores, pool_adjacent

from ._columns import numbers, places, refuse, same_length

__all__ = ["IsotonicFit", "fold_by_score", "isotonic_regression", "pool_adjacent_violators"]

Floats = NDArray[np.float64]

_NO_WEIGHTS = np.empty(0)


def fold_by_score(
    score: Floats, y: Floats, weight: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """Distinct scores, ascending, with the summed weight of events and of non-events at each.

    `score`, `y` (0 and 1) and `weight` (above 0; None for 1) are arrays of doubles of shape (n,)
    that were checked: no NaN. Radix sort, time and memory O(n). -0.0 and 0.0 are one score.
    """
    x, outcome = (np.ascontiguousarray(column, dtype=np.float64) for column in (score, y))
    given = _NO_WEIGHTS if weight is None else np.ascontiguousarray(weight, dtype=np.float64)
    same_length(outcome, "y", x.size, "score")
    if weight is not None:
        same_length(given, "weight", x.size, "score")
    value, events, nonevents = fold_scores(x, outcome, given)
    return value, events, nonevents


def pool_adjacent_violators(
    total: Floats, weight: Floats
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Blocks of the non-decreasing fit of `total / weight`, weighted by `weight` (above 0).

    Returns the first index, the level and the weight of every block; levels ascend.
    Time O(n). Ayer et al. (1955), Annals of Mathematical Statistics 26:641.

    Examples
    --------
    >>> starts, level, weight = pool_adjacent_violators(np.array([0.0, 1, 0, 1]), np.ones(4))
    >>> starts.tolist(), level.tolist(), weight.tolist()
    ([0, 1, 3], [0.0, 0.5, 1.0], [1.0, 2.0, 1.0])
    """
    starts, level, held = pool_adjacent(
        np.ascontiguousarray(total, dtype=np.float64),
        np.ascontiguousarray(weight, dtype=np.float64),
    )
    return starts, level, held


@dataclass(frozen=True)
class IsotonicFit:
    """Blocks of an isotonic fit, ascending: lowest and highest score, event rate, weight."""

    low: Floats
    high: Floats
    level: Floats
    weight: Floats


def isotonic_regression(score: Floats, y: Floats, weight: Floats | None = None) -> IsotonicFit:
    """Non-decreasing event rate in `score` of least squared error (and of most likelihood).

    Arguments as for `fold_by_score`, but checked. Equal scores are folded first and thus share one
    level. Raises `DataError` for lengths, shapes, missing values and weights that are not above 0,
    `TargetError` for outcomes other than 0 and 1. Time O(n), a radix sort and one pass. Zadrozny &
    Elkan (2002), KDD.

    Examples
    --------
    >>> fit = isotonic_regression(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 1, 0, 1]))
    >>> fit.low.tolist(), fit.high.tolist(), fit.level.tolist()
    ([0.1, 0.2, 0.4], [0.1, 0.3, 0.4], [0.0, 0.5, 1.0])
    """
    x, outcome = numbers(score, "score"), numbers(y, "y")
    bad = (outcome != 0) & (outcome != 1)
    if bad.any():
        raise TargetError("outcomes other than 0 and 1", where="y", got=places(bad))
    if weight is not None:
        weight = numbers(weight, "weight")
        refuse(weight <= 0, "weight", "weights out of range", "values above 0")
    value, events, nonevents = fold_by_score(x, outcome, weight)
    starts, level, held = pool_adjacent_violators(events, events + nonevents)
    ends = np.append(starts[1:], value.size) - 1
    return IsotonicFit(value[starts], value[ends], level, held)
