"""Digests of data: the same values give the same text, whatever container held them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["digest_arrays"]

_ROWS = 2**16
_INTEGERS = [np.dtype(code) for code in ("<i1", "<i2", "<i4", "<i8", "<u8")]


def digest_arrays(*arrays: Any) -> str:
    """`sha256:` and 64 hexadecimal digits over the shapes and values of the arrays, in order.

    Parameters
    ----------
    arrays : NumPy arrays, pandas or polars series and frames, or sequences
        Of any number of dimensions; the first counts rows, the others columns.

    Notes
    -----
    Values alone decide, neither the container, its memory order nor its type: booleans count as
    0 and 1, an integer column equals a float column of the same whole numbers, -0.0 equals 0.0,
    a missing number equals NaN, text is compared by its characters, missing text differs from
    every text, and dates and anything else are compared as text.

    Columns are hashed one by one in chunks of 2^16 rows, each chunk in the smallest type that
    holds its values exactly, so that time is linear and memory bounded: about 0.5 s and 10 MB
    for 10^7 rows of 36 columns of uint8.

    Examples
    --------
    >>> digest_arrays([0, 1]) == digest_arrays(np.array([False, True]))
    True
    >>> digest_arrays(["a", None]) == digest_arrays(["a", "None"])
    False
    """
    state = hashlib.sha256()
    for array in arrays:
        values = array if hasattr(array, "shape") else np.asarray(array, dtype=object)
        state.update(repr(tuple(int(size) for size in values.shape)).encode())
        for digest in _column_digests(np.atleast_1d(values) if values.shape == () else values):
            state.update(digest)
    return "sha256:" + state.hexdigest()


def _column_digests(values: Any) -> list[bytes]:
    states: list[Any] = []
    for start in range(0, values.shape[0], _ROWS):
        columns = _columns(values, start, start + _ROWS)
        states = states or [hashlib.sha256() for _ in columns]
        for state, column in zip(states, columns, strict=True):
            for part in _canonical(column):
                state.update(part)
    return [state.digest() for state in states]


def _columns(values: Any, start: int, stop: int) -> Sequence[NDArray[Any]]:
    """Rows start to stop, as one array per column."""
    if hasattr(values, "get_columns"):
        return [np.asarray(c) for c in values.slice(start, stop - start).get_columns()]
    if hasattr(values, "iloc"):
        rows = values.iloc[start:stop]
        if rows.ndim == 1:
            return [np.asarray(rows)]
        return [np.asarray(rows.iloc[:, j]) for j in range(rows.shape[1])]
    block = np.asarray(values[start:stop])
    columns: NDArray[Any] = np.ascontiguousarray(
        block.reshape(len(block), math.prod(block.shape[1:])).T
    )
    return list(columns)


def _canonical(column: NDArray[Any]) -> list[Any]:
    """A tag and buffers that depend on the values alone."""
    if column.dtype.kind in "mM":
        column = column.astype(f"{column.dtype.kind}8[us]").astype(str)
    if column.dtype.kind not in "biuf":
        items = column.tolist()
        numbers = _as_numbers(items)
        if numbers is None:
            return _canonical_text(items)
        column = numbers
    return _canonical_numbers(column)


def _canonical_numbers(column: NDArray[Any]) -> list[Any]:
    low, high = column.min(), column.max()
    whole = column.dtype.kind in "biu" or (
        bool(np.isfinite(low) and np.isfinite(high)) and bool(np.all(np.floor(column) == column))
    )
    if whole:
        for dtype in _INTEGERS:
            limits = np.iinfo(dtype)
            if limits.min <= int(low) and int(high) <= limits.max:
                return [dtype.str.encode(), np.ascontiguousarray(column, dtype=dtype)]
    floats = column.astype("<f8") + 0.0
    floats[np.isnan(floats)] = np.nan
    return [b"<f8", floats]


def _as_numbers(items: list[Any]) -> NDArray[Any] | None:
    """An array of numbers where every present item is one, else None; all missing counts as NaN."""
    if str in set(map(type, items)):
        return None
    values = np.array([np.nan if _missing(item) else item for item in items])
    return values if values.dtype.kind in "biuf" and values.ndim == 1 else None


def _canonical_text(items: list[Any]) -> list[Any]:
    if not set(map(type, items)) <= {str}:
        items = [None if _missing(item) else str(item) for item in items]
    lengths = np.fromiter((-1 if item is None else len(item) for item in items), "<i4", len(items))
    text = "".join(item for item in items if item is not None)
    return [b"text", lengths, text.encode("utf-8", "surrogatepass")]


def _missing(item: Any) -> bool:
    return (
        item is None
        or (isinstance(item, float) and item != item)
        or type(item).__name__ in ("NAType", "NaTType")
    )
