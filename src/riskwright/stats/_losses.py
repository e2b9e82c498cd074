"""Checks of what the bounds are given: losses, levels, counts, known importance weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import MissingValueError, ParameterError, ValueRangeError

from ._columns import is_number, numbers, places, refuse, same_length, table

__all__ = ["checked_counts", "checked_delta", "checked_limit", "checked_losses", "checked_weights"]

Floats = NDArray[np.float64]
LARGEST = float(np.finfo(np.float64).max)


def checked_delta(delta: float) -> float:
    """`delta` as a float; `ParameterError` where it is not strictly between 0 and 1."""
    if not (is_number(delta) and 0.0 < delta < 1.0):
        raise ParameterError(
            "not an error probability", where="delta", expected="0 < delta < 1", got=repr(delta)
        )
    return float(delta)


def checked_limit(limit: float) -> float:
    """`limit` as a float; `ParameterError` where it is not strictly between 0 and 1."""
    if not (is_number(limit) and 0.0 < limit < 1.0):
        raise ParameterError(
            "not a limit of a mean in [0, 1]",
            where="limit",
            expected="0 < limit < 1",
            got=repr(limit),
        )
    return float(limit)


def checked_losses(losses: ArrayLike, bound: float = 1.0, where: str = "losses") -> Floats:
    """Losses as a contiguous float array of shape (n,), n of at least 1, all in [0, bound]."""
    if not (is_number(bound) and 0.0 < bound < np.inf):
        raise ParameterError(
            "no finite bound of the losses",
            where="bound",
            expected="0 < bound < infinity",
            got=repr(bound),
            hint="State the largest loss that is possible; the data cannot tell it",
        )
    values = np.ascontiguousarray(table(losses, where))
    low, high = float(values.min()), float(values.max())
    if np.isnan(low):
        raise MissingValueError("missing values", where=where, got=places(np.isnan(values)))
    if low < 0 or high > bound:
        unbounded = bound == LARGEST
        raise ValueRangeError(
            "losses out of range",
            where=where,
            expected="finite values of at least 0" if unbounded else f"values in [0, {bound:g}]",
            got=places((values < 0) | (values > bound)),
            hint=None if unbounded else "Losses are never clipped: state the largest possible one",
        )
    return values


def checked_weights(weights: ArrayLike, n: int, largest: float) -> Floats:
    """Weights of shape (n,) in [0, largest]."""
    values = numbers(weights, "sample_weight")
    same_length(values, "sample_weight", n, "losses")
    expected = f"finite values in [0, {largest:g}]"
    refuse((values < 0) | (values > largest), "sample_weight", "weights out of range", expected)
    return values


def checked_counts(errors: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """Broadcast whole numbers with 0 <= errors <= n."""
    x, total = np.broadcast_arrays(
        np.asarray(errors, dtype=np.float64), np.asarray(n, dtype=np.float64)
    )
    whole = np.all((x == np.floor(x)) & (total == np.floor(total)))
    if not whole or not np.all((x >= 0) & (x <= total) & (total <= 2.0**53)):
        raise ParameterError(
            "not counts",
            where="errors, n",
            expected="whole numbers with 0 <= errors <= n",
            hint="Count the errors; do not multiply a mean by n",
        )
    return x, total
