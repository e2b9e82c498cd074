"""Checks of arguments that several audits share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
)
from riskwright.stats._columns import is_number, places

__all__ = ["between", "checked_texts", "class_codes", "positive_integer"]


def between(value: Any, where: str, low: float, high: float) -> float:
    """A number strictly between `low` and `high`."""
    if not (is_number(value) and low < value < high):
        raise ParameterError(
            "out of range", where=where, expected=f"{low:g} < {where} < {high:g}", got=repr(value)
        )
    return float(value)


def positive_integer(value: Any, where: str, least: int = 1) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ParameterError(
            "not a number of this kind",
            where=where,
            expected=f"a whole number of at least {least}",
            got=repr(value),
        )
    return int(value)


def checked_texts(texts: Sequence[str], where: str = "texts") -> list[str]:
    """One text or more, none of them missing."""
    if isinstance(texts, str):
        raise DataError("one text", where=where, expected="a list of texts")
    rows = list(texts)
    if not rows:
        raise EmptyDataError("no rows", where=where)
    missing = np.array([row is None or row != row for row in rows], dtype=bool)
    if missing.any():
        raise MissingValueError("missing texts", where=where, got=places(missing))
    wrong = np.array([not isinstance(row, str) for row in rows], dtype=bool)
    if wrong.any():
        raise DataError(
            "entries that are not text",
            where=where,
            expected="text in every row",
            got=places(wrong),
        )
    return [str(row) for row in rows]


def class_codes(*columns: tuple[ArrayLike, str]) -> tuple[NDArray[Any], list[NDArray[np.int32]]]:
    """Sorted classes of columns of labels (values, name) and the class number of every row."""
    arrays = [_labels(values, where) for values, where in columns]
    kinds = {"number" if array.dtype.kind in "biuf" else "text" for array in arrays}
    if len(kinds) > 1:
        names = " and ".join(where for _, where in columns)
        raise DataError(
            "labels of different kinds", where=names, expected="all numbers or all text"
        )
    try:
        classes, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    except TypeError:
        raise DataError(
            "labels that cannot be compared",
            where=columns[0][1],
            expected="all numbers or all text",
        ) from None
    ends = np.cumsum([array.size for array in arrays])[:-1]
    return classes, np.split(codes.astype(np.int32), ends)


def _labels(values: ArrayLike, where: str) -> NDArray[Any]:
    labels = np.asarray(values)
    if labels.ndim != 1:
        raise DataError(
            "wrong shape", where=where, expected="one label per row", got=f"shape {labels.shape}"
        )
    if labels.size == 0:
        raise EmptyDataError("no rows", where=where)
    if labels.dtype.kind in "fO":
        missing = np.array([label is None or label != label for label in labels.tolist()])
        if missing.any():
            raise MissingValueError(
                "missing labels", where=where, got=f"{int(missing.sum())} of {labels.size} rows"
            )
    return labels
