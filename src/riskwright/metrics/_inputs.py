"""The one place where metrics check what they are given and fold it for fast sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    Estimate,
    MissingValueError,
    TargetError,
    ValueRangeError,
)
from riskwright.stats import normal_quantile

__all__ = [
    "Kernel",
    "Metric",
    "Rows",
    "Sample",
    "checked_rows",
    "clipped",
    "estimate",
    "metric",
    "undefined",
]

Floats = NDArray[np.float64]
MISSING_GROUP = "(missing)"
MAX_GROUPS = 1000
CLIP = 2.0**-52


class Metric(Protocol):
    """Type of the metrics: one `Estimate`, or one per group where groups are given."""

    @overload
    def __call__(
        self,
        y: ArrayLike,
        p: ArrayLike,
        /,
        *,
        sample_weight: ArrayLike | None = None,
        groups: None = None,
        level: float = 0.95,
    ) -> Estimate: ...
    @overload
    def __call__(
        self,
        y: ArrayLike,
        p: ArrayLike,
        /,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike,
        level: float = 0.95,
    ) -> dict[str, Estimate]: ...


def metric(function: Callable[..., Estimate | dict[str, Estimate]]) -> Metric:
    """Give `function` the type `Metric`; nothing happens at run time."""
    return cast(Metric, function)


@dataclass(frozen=True)
class Sample:
    """Outcomes folded by predicted value: all that any metric here needs to know.

    `value` holds the m distinct predictions, ascending; `w1` and `w0` the summed weights of the
    events and non-events at each, `q1` and `q0` the summed squares of those weights (for
    variances), `n` the number of rows with positive weight.
    """

    value: Floats
    w1: Floats
    w0: Floats
    q1: Floats
    q0: Floats
    n: int

    @cached_property
    def events(self) -> float:
        return float(self.w1.sum())

    @cached_property
    def nonevents(self) -> float:
        return float(self.w0.sum())

    @property
    def total(self) -> float:
        return self.events + self.nonevents

    @property
    def effective_n(self) -> float:
        """Kish's (sum w)^2 / sum w^2."""
        return self.total**2 / float(self.q1.sum() + self.q0.sum()) if self.n else 0.0

    @property
    def effective_events(self) -> float:
        return self.events**2 / float(self.q1.sum()) if self.events else 0.0

    @property
    def effective_nonevents(self) -> float:
        return self.nonevents**2 / float(self.q0.sum()) if self.nonevents else 0.0

    @property
    def one_class(self) -> bool:
        return self.events == 0.0 or self.nonevents == 0.0

    def estimate(
        self, name: str, value: float, interval: tuple[float, float], level: float, method: str
    ) -> Estimate:
        """An `Estimate` over these rows; unequal weights are stated in the method."""
        if self.effective_n < self.n * (1 - 1e-9):
            method += f"; weighted rows, effective n = {self.effective_n:.1f}"
        low, high = interval
        return Estimate(
            name=name, value=value, low=low, high=high, level=level, n=self.n, method=method
        )


Kernel = Callable[[Sample, float], Estimate]


@dataclass(frozen=True)
class Rows:
    """Checked rows of positive weight, still one by one; `kept` marks them among those given."""

    y: Floats
    p: Floats
    weight: Floats
    kept: NDArray[np.bool_]

    def folded(self) -> Sample:
        return _fold(self.y, self.p, self.weight)

    def by_group(self, groups: ArrayLike, where: str = "groups") -> Iterator[tuple[str, Sample]]:
        """Label and sample of every group, in the order of the labels, missing ones last."""
        labels, codes = _factorise(groups, where)
        if codes.size != self.kept.size:
            raise _length_error(where, codes.size, self.kept.size)
        codes = codes[self.kept]
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(len(labels) + 1))
        for k, label in enumerate(labels):
            rows = order[ends[k] : ends[k + 1]]
            yield label, _fold(self.y[rows], self.p[rows], self.weight[rows])


def _fold(y: Floats, p: Floats, weight: Floats) -> Sample:
    order = np.argsort(p)
    value, w = p[order], weight[order]
    w1 = w * y[order]
    w0 = w - w1
    q1, q0 = w1 * w1, w0 * w0
    starts = np.flatnonzero(np.concatenate([np.ones(min(p.size, 1), bool), np.diff(value) > 0]))
    if starts.size == p.size:
        return Sample(value, w1, w0, q1, q0, p.size)
    w1, w0, q1, q0 = (np.add.reduceat(column, starts) for column in (w1, w0, q1, q0))
    return Sample(value[starts], w1, w0, q1, q0, p.size)


def estimate(
    kernel: Kernel,
    y: ArrayLike,
    p: ArrayLike,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
    level: float,
    *,
    both_classes: bool,
    probabilities: bool = True,
) -> Estimate | dict[str, Estimate]:
    """Check the input, then apply `kernel` to all rows or to each group.

    One class only is an error for the whole and a stated NaN for a group.
    """
    normal_quantile(level)
    rows = checked_rows(y, p, sample_weight, probabilities=probabilities)
    if groups is not None:
        return {label: kernel(sample, level) for label, sample in rows.by_group(groups)}
    sample = rows.folded()
    if both_classes and sample.one_class:
        raise TargetError(
            "only one class",
            where="y",
            expected="rows with outcome 0 and rows with outcome 1",
            got=f"{sample.n} rows with outcome {int(sample.events > 0)}",
        )
    return kernel(sample, level)


def clipped(p: Floats) -> tuple[Floats, str]:
    """Probabilities moved into [2^-52, 1 - 2^-52], and a note for the method if any was moved."""
    inside = np.clip(p, CLIP, 1 - CLIP)
    moved = p.size and (p[0] < CLIP or p[-1] > 1 - CLIP)
    return inside, "; predictions of 0 or 1 moved by 2^-52" if moved else ""


def undefined(name: str, sample: Sample, level: float, reason: str) -> Estimate:
    """A NaN estimate whose method says why there is none."""
    nan = math.nan
    return Estimate(
        name=name, value=nan, low=nan, high=nan, level=level, n=sample.n, method=f"none: {reason}"
    )


def checked_rows(
    y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None, *, probabilities: bool
) -> Rows:
    """Outcomes, predictions and weights as float arrays; rows of weight 0 are left out."""
    outcome = _outcomes(y)
    name = "p" if probabilities else "score"
    score = _numbers(p, name)
    if score.size != outcome.size:
        raise _length_error(name, score.size, outcome.size)
    if probabilities:
        _refuse((score < 0) | (score > 1), name, "probabilities out of range", "values in [0, 1]")
    if sample_weight is None:
        return Rows(outcome, score, np.ones(outcome.size), np.ones(outcome.size, bool))
    weight = _numbers(sample_weight, "sample_weight")
    if weight.size != outcome.size:
        raise _length_error("sample_weight", weight.size, outcome.size)
    _refuse(weight < 0, "sample_weight", "negative weights", "values of at least 0")
    kept = weight > 0
    extreme = kept & ((weight < 1e-100) | (weight > 1e100))
    _refuse(extreme, "sample_weight", "extreme weights", "0 or values from 1e-100 to 1e100")
    if not kept.any():
        raise EmptyDataError("all weights are 0", where="sample_weight")
    return Rows(outcome[kept], score[kept], weight[kept], kept)


def _outcomes(y: ArrayLike) -> Floats:
    try:
        outcome = np.asarray(y).astype(np.float64)
    except (TypeError, ValueError):
        raise TargetError("not numbers", where="y", expected="outcomes 0 and 1") from None
    _refuse_shape(outcome, "y")
    bad = (outcome != 0) & (outcome != 1)
    if bad.any():
        raise TargetError(
            "outcomes other than 0 and 1",
            where="y",
            expected="0 or 1 in every row",
            got=_places(bad),
            hint="Code the positive label as 1, any other as 0, and drop rows without outcome",
        )
    return outcome


def _numbers(values: ArrayLike, where: str) -> Floats:
    try:
        numbers = np.asarray(values).astype(np.float64)
    except (TypeError, ValueError):
        raise DataError("not numbers", where=where, expected="an array of numbers") from None
    _refuse_shape(numbers, where)
    missing = np.isnan(numbers)
    if missing.any():
        raise MissingValueError("missing values", where=where, got=_places(missing))
    _refuse(np.isinf(numbers), where, "infinite values", "finite numbers")
    return numbers


def _refuse_shape(values: NDArray[Any], where: str) -> None:
    if values.ndim != 1:
        raise DataError(
            "wrong shape",
            where=where,
            expected="one value per row",
            got=f"an array of shape {values.shape}",
            hint="Of class probabilities take the column of the positive class",
        )
    if values.size == 0:
        raise EmptyDataError("no rows", where=where)


def _refuse(bad: NDArray[np.bool_], where: str, problem: str, expected: str) -> None:
    if bad.any():
        raise ValueRangeError(problem, where=where, expected=expected, got=_places(bad))


def _places(bad: NDArray[np.bool_], shown: int = 5) -> str:
    places = np.flatnonzero(bad)
    listed = ", ".join(str(place) for place in places[:shown])
    more = ", ..." if places.size > shown else ""
    return f"{places.size} at rows {listed}{more} (the first row is 0)"


def _length_error(where: str, got: int, expected: int) -> DataError:
    return DataError(
        "length differs from y", where=where, expected=f"{expected} values", got=str(got)
    )


def _factorise(groups: ArrayLike, where: str) -> tuple[list[str], NDArray[np.intp]]:
    """Sorted labels as text and the label number of every row."""
    values = np.asarray(groups)
    if values.ndim != 1:
        raise ColumnError("wrong shape", where=where, expected="one group per row")
    if values.dtype.kind in "biuf":
        distinct, codes = np.unique(values, return_inverse=True)
        labels = [_label(value) for value in distinct.tolist()]
    else:
        seen: dict[str, int] = {}
        items = [_label(item) for item in values.tolist()]
        codes = np.fromiter((seen.setdefault(item, len(seen)) for item in items), np.intp)
        labels = sorted(seen, key=lambda label: (label == MISSING_GROUP, label))
        codes = np.argsort([seen[label] for label in labels])[codes]
    if len(labels) > MAX_GROUPS:
        raise ColumnError(
            "too many groups", where=where, expected=f"at most {MAX_GROUPS}", got=str(len(labels))
        )
    return labels, codes


def _label(value: Any) -> str:
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return MISSING_GROUP
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
