"""Shares with their intervals, labels and words: what several audits say in the same way."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    DataError,
    EmptyDataError,
    Estimate,
    MissingValueError,
    ParameterError,
)
from riskwright.core.records import Severity
from riskwright.stats import proportion_interval
from riskwright.stats._columns import is_number

__all__ = [
    "between",
    "class_codes",
    "exact",
    "graded",
    "listed",
    "no_interval",
    "percent",
    "percents",
    "positive_integer",
    "share",
    "whole",
]

Method = Literal["wilson", "clopper_pearson"]
_METHODS = {"wilson": "Wilson", "clopper_pearson": "Clopper-Pearson"}


def share(
    hits: float,
    n: int,
    level: float,
    name: str,
    *,
    method: Method = "clopper_pearson",
    tests: int = 1,
    empty: str = "no rows",
) -> Estimate:
    """`hits` of `n` with an interval; with `tests` > 1 as many such intervals hold together."""
    if n == 0:
        return no_interval(math.nan, 0, level, name, empty)
    low, high = proportion_interval(hits, n, 1.0 - (1.0 - level) / tests, method)
    words = _METHODS[method] + (f", Bonferroni over {tests}" if tests > 1 else "")
    return Estimate(value=hits / n, low=low, high=high, level=level, n=n, method=words, name=name)


def no_interval(value: float, n: int, level: float, name: str, why: str) -> Estimate:
    return Estimate(
        value=value,
        low=math.nan,
        high=math.nan,
        level=level,
        n=n,
        method=f"none: {why}",
        name=name,
    )


def exact(value: float, n: int, level: float, name: str) -> Estimate:
    """A number that describes the rows given and needs no interval."""
    return no_interval(value, n, level, name, "describes the rows given")


def graded(estimate: Estimate, *, effect: float, limit: float) -> Severity:
    """How grave a quantity is that should not exceed `effect`, and must not exceed `limit`."""
    if estimate.low > limit:
        return "high"
    if estimate.low > effect:
        return "medium"
    return "low" if estimate.value > effect else "info"


def percent(value: float) -> str:
    """A share in per cent with the digits that it needs: 31%, 3.1%, 0.31%."""
    if math.isnan(value):
        return "an unknown share"
    size = abs(100 * value)
    digits = 0 if size >= 10 or size == 0 else 1 if size >= 1 else 2
    return f"{100 * value:.{digits}f}%"


def percents(estimate: Estimate) -> str:
    """A share and its interval in per cent: 31% (28% to 34%)."""
    if math.isnan(estimate.low):
        return percent(estimate.value)
    return f"{percent(estimate.value)} ({percent(estimate.low)} to {percent(estimate.high)})"


def whole(count: int, one: str, many: str) -> str:
    """A count and its noun: 1 row, 4,120 rows."""
    return f"{count:,} {one if count == 1 else many}"


def listed(rows: ArrayLike, shown: int = 5) -> str:
    """The first row numbers for a sentence."""
    numbers = np.asarray(rows).tolist()
    text = ", ".join(str(row) for row in numbers[:shown])
    return text + (", ..." if len(numbers) > shown else "")


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
