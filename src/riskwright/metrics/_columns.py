"""What the measures beyond (outcome, score) share: checked columns, samples, groups of rows."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import Estimate, ParameterError
from riskwright.stats import effective_size, proportion_interval
from riskwright.stats._columns import (
    length_error,
    numbers,
    positive_weights,
    refuse,
    same_length,
)

from ._inputs import Sample, estimate, factorised
from ._samples import Sketched

__all__ = [
    "Grouped",
    "all_weights",
    "checked_share",
    "column",
    "finite",
    "frame",
    "grouped",
    "groups_of",
    "refuse",
    "sample_of",
    "samples_of",
    "share_estimate",
    "share_interval",
]

Floats = NDArray[np.float64]


class Grouped(Protocol):
    """Type of a measure with parameters of its own: a dict of estimates where groups are given."""

    @overload
    def __call__(
        self, y: Mapping[str, Sketched], /, *columns: Any, **options: Any
    ) -> dict[str, Estimate]: ...
    @overload
    def __call__(self, *columns: Any, groups: None = None, **options: Any) -> Estimate: ...
    @overload
    def __call__(self, *columns: Any, groups: ArrayLike, **options: Any) -> dict[str, Estimate]: ...


def grouped(function: Callable[..., Estimate | dict[str, Estimate]]) -> Grouped:
    """Give `function` the type `Grouped`, and a mapping of sketches one estimate per label."""

    @functools.wraps(function)
    def called(*columns: Any, **options: Any) -> Any:
        if columns and isinstance(columns[0], Mapping):
            first, *rest = columns
            return {str(label): function(part, *rest, **options) for label, part in first.items()}
        return function(*columns, **options)

    return cast(Grouped, called)


def sample_of(
    y: Any,
    p: Any,
    sample_weight: ArrayLike | None,
    level: float,
    *,
    both_classes: bool,
    probabilities: bool,
) -> Sample:
    """The folded sample itself, from whatever `estimate` accepts."""
    found = estimate(
        _itself,
        y,
        p,
        sample_weight,
        None,
        level,
        both_classes=both_classes,
        probabilities=probabilities,
    )
    return cast(Sample, found)


def samples_of(
    y: Any,
    p: Any,
    sample_weight: ArrayLike | None,
    groups: ArrayLike,
    level: float,
    *,
    probabilities: bool,
) -> dict[str, Sample]:
    """The folded sample of every group."""
    found = estimate(
        _itself, y, p, sample_weight, groups, level, both_classes=False, probabilities=probabilities
    )
    return cast(dict[str, Sample], found)


def _itself(sample: Sample, level: float) -> Estimate:
    return cast(Estimate, sample)


def column(values: ArrayLike, where: str, n: int | None = None) -> Floats:
    """A column of finite numbers; `n` is the length it must have."""
    found = numbers(values, where)
    if n is not None:
        same_length(found, where, n)
    return found


def all_weights(sample_weight: ArrayLike | None, n: int) -> Floats:
    """Weights of at least 0 that are not all 0; ones where none are given."""
    weight, kept = positive_weights(sample_weight, n)
    if weight is None:
        return np.ones(n)
    if kept is None:
        return weight
    every = np.zeros(n)
    every[kept] = weight
    return every


def checked_share(value: float, where: str, allowed: str = "0 <= value <= 1") -> float:
    """`value` as a float within [0, 1]; `ParameterError` otherwise."""
    number = finite(value, where)
    if not 0.0 <= number <= 1.0:
        raise ParameterError("not a share", where=where, expected=allowed, got=repr(value))
    return number


def finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ParameterError("not a number", where=where, expected="a number", got=repr(value))
    return number


def groups_of(
    groups: ArrayLike, n: int, where: str = "groups"
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Label and row numbers of every group, in the order of the labels, missing ones last."""
    labels, codes = factorised(groups, where)
    if codes.size != n:
        raise length_error(where, codes.size, n)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(labels) + 1))
    for k, label in enumerate(labels):
        yield label, order[ends[k] : ends[k + 1]]


def share_interval(
    value: float, spread: float, total: float, kish: float, level: float
) -> tuple[float, float]:
    """Wilson's interval of a weighted share.

    `spread` is the sum of (w (x - value))^2 and `total` the sum of w: together they give the
    number of rows that would be as uncertain; `kish` stands in where the share is 0 or 1.
    """
    n = kish
    if spread > 1e-20 * total**2:
        n = value * (1 - value) * total**2 / spread
    return proportion_interval(value * n, n, level)


def share_estimate(
    name: str, hit: NDArray[np.bool_], weight: Floats, level: float, nothing: str
) -> Estimate:
    """Weighted share of `hit` with Wilson's interval; NaN for the reason `nothing` without rows."""
    kept = weight > 0
    hit, weight = hit[kept], weight[kept]
    n, total = hit.size, float(weight.sum())
    if n == 0:
        nan = math.nan
        return Estimate(
            name=name, value=nan, low=nan, high=nan, level=level, n=0, method=f"none: {nothing}"
        )
    value = float(weight @ hit) / total
    spread = float((weight**2) @ (hit - value) ** 2)
    kish = effective_size(weight)
    low, high = share_interval(value, spread, total, kish, level)
    method = "Wilson"
    if kish < n * (1 - 1e-9):
        method += f"; weighted rows, effective n = {kish:.1f}"
    return Estimate(name=name, value=value, low=low, high=high, level=level, n=n, method=method)


def frame(columns: Mapping[str, Sequence[float]]) -> Any:
    """A polars data frame of float columns."""
    import polars as pl

    return pl.DataFrame({name: list(values) for name, values in columns.items()}).cast(pl.Float64)
