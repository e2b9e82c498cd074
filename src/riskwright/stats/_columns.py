"""The one place where columns of numbers are checked: shapes, lengths, missing values, weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, EmptyDataError, MissingValueError, ValueRangeError

__all__ = [
    "is_number",
    "length_error",
    "numbers",
    "places",
    "positive_weights",
    "refuse",
    "same_length",
    "table",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def is_number(value: Any) -> bool:
    """Whether `value` is one real number (NaN and infinity included)."""
    return isinstance(value, int | float | np.integer | np.floating) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
    )


def numbers(values: ArrayLike, where: str, *, ndim: int = 1) -> Floats:
    """Finite numbers with `ndim` axes, none of them empty."""
    array = table(values, where, ndim=ndim)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):
            return array
    missing = np.isnan(array)
    if missing.any():
        raise MissingValueError("missing values", where=where, got=places(missing))
    refuse(np.isinf(array), where, "infinite values", "finite numbers")
    return array


def table(values: ArrayLike, where: str, *, ndim: int = 1) -> Floats:
    """Numbers with `ndim` axes, none of them empty; they may be missing or infinite."""
    try:
        array = np.asarray(values)
        if array.dtype.kind == "c":
            raise TypeError
        array = array.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise DataError("not numbers", where=where, expected="an array of numbers") from None
    if array.ndim != ndim:
        raise DataError(
            "wrong shape",
            where=where,
            expected="one value per row" if ndim == 1 else "one row per row of the data",
            got=f"an array of shape {array.shape}",
            hint="Of class probabilities take the column of the positive class"
            if ndim == 1 and array.ndim == 2
            else None,
        )
    if array.size == 0:
        raise EmptyDataError("no rows", where=where)
    return array


def positive_weights(
    sample_weight: ArrayLike | None, size: int, of: str = "y"
) -> tuple[Floats | None, Bools | None]:
    """The positive weights and the rows that have them, None where all rows do."""
    if sample_weight is None:
        return None, None
    weight = numbers(sample_weight, "sample_weight")
    same_length(weight, "sample_weight", size, of)
    refuse(weight < 0, "sample_weight", "negative weights", "values of at least 0")
    kept = weight > 0
    extreme = kept & ((weight < 1e-100) | (weight > 1e100))
    refuse(extreme, "sample_weight", "extreme weights", "0 or values from 1e-100 to 1e100")
    if not kept.any():
        raise EmptyDataError("all weights are 0", where="sample_weight")
    return (weight, None) if kept.all() else (weight[kept], kept)


def same_length(values: NDArray[Any], where: str, expected: int, of: str = "y") -> None:
    if len(values) != expected:
        raise length_error(where, len(values), expected, of)


def length_error(where: str, got: int, expected: int, of: str = "y") -> DataError:
    return DataError(
        f"length differs from {of}", where=where, expected=f"{expected} values", got=str(got)
    )


def refuse(bad: Bools | np.bool_, where: str, problem: str, expected: str) -> None:
    """Raise `ValueRangeError` naming the rows where `bad`."""
    if bad.any():
        rows = places(np.atleast_1d(bad))
        raise ValueRangeError(problem, where=where, expected=expected, got=rows)


def places(bad: Bools, shown: int = 5) -> str:
    """How many are bad and the first rows of them, for a message."""
    rows = np.flatnonzero(bad if bad.ndim == 1 else bad.any(axis=1))
    listed = ", ".join(str(row) for row in rows[:shown])
    more = ", ..." if rows.size > shown else ""
    return f"{rows.size} at rows {listed}{more} (the first row is 0)"
