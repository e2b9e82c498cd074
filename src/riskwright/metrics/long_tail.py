"""Long-tailed classes: how often people of rare classes are sent to common ones."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, EmptyDataError, Estimate, MissingValueError, ParameterError
from riskwright.stats import normal_quantile

from ._columns import all_weights, grouped, groups_of, share_estimate

__all__ = ["false_head_rate", "tail_classes"]


def tail_classes(y: ArrayLike, /, share: float = 0.5) -> tuple[Any, ...]:
    """The rarest classes of `y`, rarest first: a `share` of the classes, at least one.

    Count them on the training data. Classes equally frequent are taken in sorted order; at least
    one class is left as head.

    Raises `DataError` for fewer than two classes, `ParameterError` for a share outside (0, 1).

    Examples
    --------
    >>> tail_classes(["a", "a", "a", "b", "b", "c"], 0.4)
    ('c',)
    """
    if not 0.0 < share < 1.0:
        raise ParameterError(
            "not a share of classes", where="share", expected="0 < share < 1", got=repr(share)
        )
    values, counts = np.unique(_labels(y, "y"), return_counts=True)
    if values.size < 2:
        raise DataError("fewer than two classes", where="y", expected="at least two")
    size = min(max(1, math.floor(share * values.size + 1e-9)), values.size - 1)
    return tuple(values[np.argsort(counts, kind="stable")[:size]].tolist())


@grouped
def false_head_rate(
    y: ArrayLike,
    predicted: ArrayLike,
    /,
    *,
    tail: Collection[Any],
    head: Collection[Any] | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Share of the rows of tail classes that are sent to a head class.

    Parameters
    ----------
    y : array of shape (n,), true classes (numbers or text)
    predicted : array of shape (n,), predicted classes
    tail : the rare classes, as of `tail_classes`.
    head : the common classes; all that are not in `tail` where none are given.
    sample_weight : array of shape (n,), at least 0
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text; `groups=y` gives one per class.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1], 0 is best; a tail row sent to another tail class is an error but not a
        false head. The interval is Wilson's over the rows of tail classes, `n` their number. NaN,
        and the method says so, where there are none.

    Raises
    ------
    DataError : lengths, shapes, missing labels, negative weights, no row of a tail class (without
        groups).
    ParameterError : no tail class, or a class both tail and head.

    Notes
    -----
    Time O(n). The measure was introduced by Li & Zhang (2025), "Making Reliable and Flexible
    Decisions in Long-tailed Classification"; here tail and head are the caller's to name.

    Examples
    --------
    >>> y = ["flu", "flu", "cold", "rare", "rare", "rare"]
    >>> print(false_head_rate(y, ["flu", "cold", "cold", "flu", "rare", "rare"], tail=["rare"]))
    0.333 (95% CI 0.061 to 0.792)
    """
    normal_quantile(level)
    truth, guess = _labels(y, "y"), _labels(predicted, "predicted")
    if guess.size != truth.size:
        raise DataError(
            "length differs from y",
            where="predicted",
            expected=f"{truth.size} values",
            got=str(guess.size),
        )
    rare, common = _parts(tail, head)
    weight = all_weights(sample_weight, truth.size)
    inside = _member(truth, rare)
    hit = ~_member(guess, rare) if common is None else _member(guess, common)
    name, nothing = "false head rate", "no row of a tail class"
    if groups is None:
        if not (inside & (weight > 0)).any():
            raise EmptyDataError(nothing, where="y", expected="rows of the classes in tail")
        return share_estimate(name, hit[inside], weight[inside], level, nothing)
    found = {}
    for label, rows in groups_of(groups, truth.size):
        kept = rows[inside[rows]]
        found[label] = share_estimate(name, hit[kept], weight[kept], level, nothing)
    return found


def _labels(values: ArrayLike, where: str) -> NDArray[Any]:
    labels = np.asarray(values)
    if labels.ndim != 1:
        raise DataError("wrong shape", where=where, expected="one class per row")
    if labels.size == 0:
        raise EmptyDataError("no rows", where=where)
    absent = (label is None or label != label for label in labels.tolist())
    missing = np.fromiter(absent, bool, labels.size) if labels.dtype.kind in "fO" else np.False_
    if np.any(missing):
        raise MissingValueError(
            "missing classes", where=where, got=f"{int(np.sum(missing))} of {labels.size} rows"
        )
    return labels


def _parts(
    tail: Collection[Any], head: Collection[Any] | None
) -> tuple[frozenset[Any], frozenset[Any] | None]:
    rare = frozenset(tail) if not isinstance(tail, str) else frozenset([tail])
    if not rare:
        raise ParameterError("no tail class", where="tail", expected="at least one class")
    if head is None:
        return rare, None
    common = frozenset(head) if not isinstance(head, str) else frozenset([head])
    if not common or rare & common:
        raise ParameterError(
            "not a set of head classes", where="head", expected="classes that are not in tail"
        )
    return rare, common


def _member(labels: NDArray[Any], classes: frozenset[Any]) -> NDArray[np.bool_]:
    if labels.dtype.kind != "O":
        distinct, code = np.unique(labels, return_inverse=True)
        member = np.array([label in classes for label in distinct.tolist()])
        return np.asarray(member[code])
    return np.fromiter((label in classes for label in labels.tolist()), bool, labels.size)
