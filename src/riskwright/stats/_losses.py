"""Checks of what the bounds are given: losses, levels, counts, known importance weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    ValueRangeError,
)

__all__ = ["checked_counts", "checked_delta", "checked_limit", "checked_losses", "checked_weights"]

Floats = NDArray[np.float64]
LARGEST = float(np.finfo(np.float64).max)


def checked_delta(delta: float) -> float:
    """`delta` as a float; `ParameterError` where it is not strictly between 0 and 1."""
    if not 0.0 < delta < 1.0:
        raise ParameterError(
            "not an error probability", where="delta", expected="0 < delta < 1", got=repr(delta)
        )
    return float(delta)


def checked_limit(limit: float) -> float:
    """`limit` as a float; `ParameterError` where it is not strictly between 0 and 1."""
    if not 0.0 < limit < 1.0:
        raise ParameterError(
            "not a limit of a mean in [0, 1]",
            where="limit",
            expected="0 < limit < 1",
            got=repr(limit),
        )
    return float(limit)


def checked_losses(losses: ArrayLike, bound: float = 1.0, where: str = "losses") -> Floats:
    """Losses as a contiguous float array of shape (n,), n of at least 1, all in [0, bound]."""
    if not 0.0 < bound < np.inf:
        raise ParameterError(
            "no finite bound of the losses",
            where="bound",
            expected="0 < bound < infinity",
            got=repr(bound),
            hint="State the largest loss that is possible; the data cannot tell it",
        )
    values = _numbers(losses, where)
    low, high = float(values.min()), float(values.max())
    if np.isnan(low):
        raise MissingValueError("missing values", where=where, got=_places(np.isnan(values)))
    if low < 0 or high > bound:
        unbounded = bound == LARGEST
        raise ValueRangeError(
            "losses out of range",
            where=where,
            expected="finite values of at least 0" if unbounded else f"values in [0, {bound:g}]",
            got=_places((values < 0) | (values > bound)),
            hint=None if unbounded else "Losses are never clipped: state the largest possible one",
        )
    return values


def checked_weights(weights: ArrayLike, n: int, largest: float) -> Floats:
    """Weights of shape (n,) in [0, largest]."""
    values = _numbers(weights, "sample_weight")
    if values.size != n:
        raise DataError(
            "length differs from losses",
            where="sample_weight",
            expected=f"{n} values",
            got=str(values.size),
        )
    if np.isnan(values).any():
        raise MissingValueError(
            "missing values", where="sample_weight", got=_places(np.isnan(values))
        )
    bad = (values < 0) | (values > largest) | np.isinf(values)
    if bad.any():
        raise ValueRangeError(
            "weights out of range",
            where="sample_weight",
            expected=f"finite values in [0, {largest:g}]",
            got=_places(bad),
        )
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


def _numbers(values: ArrayLike, where: str) -> Floats:
    try:
        numbers = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("not numbers", where=where, expected="an array of numbers") from None
    if np.ndim(values) != 1:
        raise DataError(
            "wrong shape",
            where=where,
            expected="one value per row",
            got=f"an array of shape {np.shape(values)}",
        )
    if numbers.size == 0:
        raise EmptyDataError("no rows", where=where)
    return numbers


def _places(bad: NDArray[np.bool_], shown: int = 5) -> str:
    places = np.flatnonzero(bad)
    listed = ", ".join(str(place) for place in places[:shown])
    more = ", ..." if places.size > shown else ""
    return f"{places.size} at rows {listed}{more} (the first row is 0)"
