"""The one place where metrics check what they are given and fold it for fast sums."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
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
    ParameterError,
    TargetError,
)
from riskwright.stats import normal_quantile
from riskwright.stats._columns import length_error, numbers, places, positive_weights, refuse, table
from riskwright.stats._kernels import check, factorise, partition

from ._samples import NONE, Bracket, Kernel, Sample, Sketched, folded, undefined

__all__ = [
    "Grouping",
    "Kernel",
    "Metric",
    "Rows",
    "Sample",
    "Sketches",
    "checked_rows",
    "clipped",
    "estimate",
    "factorised",
    "metric",
    "of_sketch",
    "refuse_one_class",
    "undefined",
]

Floats = NDArray[np.float64]
Sketches = Sketched | Mapping[str, Sketched]
MISSING_GROUP = "(missing)"
MAX_GROUPS = 1000
CLIP = 2.0**-52
_SPAN = 2**16


class Metric(Protocol):
    """Type of the metrics: one `Estimate`, or one per group where groups are given.

    A sketch stands for `(y, p)`, a mapping from labels to sketches for groups.
    """

    __name__: str

    @overload
    def __call__(
        self,
        y: ArrayLike | Sketched,
        p: ArrayLike | None = None,
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
    @overload
    def __call__(
        self, y: Mapping[str, Sketched], /, *, level: float = 0.95
    ) -> dict[str, Estimate]: ...


def metric(function: Callable[..., Estimate | dict[str, Estimate]]) -> Metric:
    """Give `function` the type `Metric`: a sketch, or a mapping of them, stands for `(y, p)`."""

    @functools.wraps(function)
    def called(y: Any, p: Any = None, /, **options: Any) -> Any:
        if isinstance(y, Mapping):
            return {str(label): function(sketch, p, **options) for label, sketch in y.items()}
        return function(y, p, **options)

    return cast(Metric, called)


@dataclass(frozen=True)
class Grouping:
    """Labels of groups, in order, and the number of its label for every row kept."""

    labels: list[str]
    codes: NDArray[np.int32]


@dataclass(frozen=True)
class Rows:
    """Checked rows of positive weight, still one by one.

    `outcome` holds 0 and 1 as uint8, int64 or float64, as they came; `weights` is None where all
    are 1; `kept` marks the rows of positive weight among those given, None where all are.
    """

    outcome: NDArray[Any]
    p: Floats
    weights: Floats | None = None
    kept: NDArray[np.bool_] | None = None

    @cached_property
    def y(self) -> Floats:
        return self.outcome.astype(np.float64)

    @cached_property
    def weight(self) -> Floats:
        return np.ones(self.p.size) if self.weights is None else self.weights

    @property
    def weight_or_none(self) -> Floats:
        """For the kernels: an empty array where all weights are 1."""
        return NONE if self.weights is None else self.weights

    def folded(self) -> Sample:
        return folded(self.outcome, self.p, self.weights)

    def grouping(self, groups: ArrayLike, where: str = "groups") -> Grouping:
        labels, codes = factorised(groups, where)
        size = self.p.size if self.kept is None else self.kept.size
        if codes.size != size:
            raise length_error(where, codes.size, size)
        return Grouping(labels, codes if self.kept is None else codes[self.kept])

    def parts(self, grouping: Grouping) -> Iterator[tuple[str, Rows]]:
        """Label and rows of every group, in the order of the labels, missing ones last."""
        order, ends = partition(grouping.codes, len(grouping.labels))
        for k, label in enumerate(grouping.labels):
            rows = order[ends[k] : ends[k + 1]]
            weights = None if self.weights is None else self.weights[rows]
            yield label, Rows(self.outcome[rows], self.p[rows], weights)

    def by_group(self, groups: ArrayLike, where: str = "groups") -> Iterator[tuple[str, Sample]]:
        """Label and sample of every group, in the order of the labels, missing ones last."""
        for label, rows in self.parts(self.grouping(groups, where)):
            yield label, rows.folded()


def estimate(
    kernel: Kernel,
    y: ArrayLike | Sketched,
    p: ArrayLike | None,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
    level: float,
    *,
    both_classes: bool,
    probabilities: bool = True,
    bracket: Bracket | None = None,
) -> Estimate | dict[str, Estimate]:
    """Check the input, then apply `kernel` to all rows or to each group.

    One class only is an error for the whole and a stated NaN for a group. A sketch in the place
    of `y` gets the `bracket` that fits the figure.
    """
    normal_quantile(level)
    if isinstance(y, Sketched):
        sketch = of_sketch(y, p, sample_weight, groups)
        if both_classes:
            refuse_one_class(sketch.middle())
        return sketch.estimate(kernel, level, bracket)
    rows = checked_rows(y, p, sample_weight, probabilities=probabilities)
    if groups is not None:
        return {label: kernel(sample, level) for label, sample in rows.by_group(groups)}
    sample = rows.folded()
    if both_classes:
        refuse_one_class(sample)
    return kernel(sample, level)


def of_sketch(sketch: Sketched, *others: ArrayLike | None) -> Sketched:
    """The sketch, if nothing stands beside it that it would have to hold itself."""
    if any(other is not None for other in others):
        raise ParameterError(
            "a sketch already holds scores, outcomes and weights",
            where="y",
            expected="the sketch alone",
            hint="For groups pass a mapping from labels to sketches",
        )
    if sketch.n == 0:
        raise EmptyDataError("no rows", where="sketch")
    return sketch


def refuse_one_class(sample: Sample) -> None:
    if sample.one_class:
        raise TargetError(
            "only one class",
            where="y",
            expected="rows with outcome 0 and rows with outcome 1",
            got=f"{sample.n} rows with outcome {int(sample.events > 0)}",
        )


def clipped(p: Floats) -> tuple[Floats, str]:
    """Probabilities moved into [2^-52, 1 - 2^-52], and a note for the method if any was moved."""
    inside = np.clip(p, CLIP, 1 - CLIP)
    moved = p.size and (p[0] < CLIP or p[-1] > 1 - CLIP)
    return inside, "; predictions of 0 or 1 moved by 2^-52" if moved else ""


def checked_rows(
    y: ArrayLike, p: ArrayLike | None, sample_weight: ArrayLike | None, *, probabilities: bool
) -> Rows:
    """Checked outcomes, predictions and weights; rows of weight 0 are left out.

    Arrays of usual types are checked in one pass without a copy; what fails there is looked at
    again more slowly, to say what is wrong and where.
    """
    if p is None:
        name = "p" if probabilities else "score"
        raise DataError("no predictions", where=name, expected="one value per row, or a sketch")
    outcome, score = _plain(y), _plain(p)
    weight = NONE if sample_weight is None else _plain(sample_weight)
    if outcome is None or score is None or weight is None:
        return _slowly_checked_rows(y, p, sample_weight, probabilities=probabilities)
    score = score.astype(np.float64, copy=False)
    weight = weight.astype(np.float64, copy=False)
    fits = 0 < outcome.size == score.size and (sample_weight is None or weight.size == score.size)
    if not fits or check(outcome, score, weight, probabilities):
        return _slowly_checked_rows(y, p, sample_weight, probabilities=probabilities)
    return Rows(outcome, score, None if sample_weight is None else weight)


def _plain(values: ArrayLike) -> NDArray[Any] | None:
    """A contiguous column as uint8, int64 or float64 if it is one of numbers, else None."""
    column = np.asarray(values)
    if column.ndim != 1 or column.dtype.kind not in "biuf":
        return None
    column = np.ascontiguousarray(column)
    if column.dtype.kind == "b":
        return column.view(np.uint8)
    usual = column.dtype in (np.uint8, np.int64, np.float64)
    return column if usual else column.astype(np.float64)


def _slowly_checked_rows(
    y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None, *, probabilities: bool
) -> Rows:
    outcome = _outcomes(y)
    name = "p" if probabilities else "score"
    score = numbers(p, name)
    if score.size != outcome.size:
        raise length_error(name, score.size, outcome.size)
    if probabilities:
        refuse((score < 0) | (score > 1), name, "probabilities out of range", "values in [0, 1]")
    weight, kept = positive_weights(sample_weight, outcome.size)
    if kept is None:
        return Rows(outcome, score, weight)
    return Rows(outcome[kept], score[kept], weight, kept)


def _outcomes(y: ArrayLike) -> Floats:
    try:
        outcome = table(y, "y")
    except EmptyDataError:
        raise
    except DataError as error:
        if error.problem != "not numbers":
            raise
        raise TargetError("not numbers", where="y", expected="outcomes 0 and 1") from None
    bad = (outcome != 0) & (outcome != 1)
    if bad.any():
        raise TargetError(
            "outcomes other than 0 and 1",
            where="y",
            expected="0 or 1 in every row",
            got=places(bad),
            hint="Code the positive label as 1, any other as 0, and drop rows without outcome",
        )
    return outcome


def factorised(groups: ArrayLike, where: str) -> tuple[list[str], NDArray[np.int32]]:
    """Sorted labels as text and the label number of every row."""
    values = np.asarray(groups)
    if values.ndim != 1:
        raise ColumnError("wrong shape", where=where, expected="one group per row")
    if values.dtype.kind in "biuf":
        labels, codes = _number_codes(values)
    else:
        labels, codes = _text_codes(values)
    if len(labels) > MAX_GROUPS:
        raise ColumnError(
            "too many groups", where=where, expected=f"at most {MAX_GROUPS}", got=str(len(labels))
        )
    return labels, codes


def _number_codes(values: NDArray[Any]) -> tuple[list[str], NDArray[np.int32]]:
    boolean = values.dtype.kind == "b"
    if boolean or (values.dtype.kind in "iu" and values.dtype != np.uint64):
        whole = values.view(np.uint8) if boolean else values.astype(np.int64, copy=False)
        distinct, codes = factorise(np.ascontiguousarray(whole), _SPAN)
        if codes.size == values.size:
            kinds = distinct.astype(bool) if boolean else distinct
            return [_label(value) for value in kinds.tolist()], codes
    distinct, codes = np.unique(values, return_inverse=True)
    return [_label(value) for value in distinct.tolist()], codes.astype(np.int32)


def _text_codes(values: NDArray[Any]) -> tuple[list[str], NDArray[np.int32]]:
    items = values.tolist()
    try:
        named = {item: _label(item) for item in dict.fromkeys(items)}
    except TypeError:
        items = [_label(item) for item in items]
        named = {item: item for item in items}
    labels = sorted(set(named.values()), key=lambda label: (label == MISSING_GROUP, label))
    place = {label: k for k, label in enumerate(labels)}
    code = {item: place[label] for item, label in named.items()}
    return labels, np.fromiter(map(code.__getitem__, items), np.int32, len(items))


def _label(value: Any) -> str:
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return MISSING_GROUP
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
