"""A figure by group, with intervals that hold together and gaps to a reference."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import ColumnError, Estimate, ParameterError, Record
from riskwright.stats import normal_quantile
from riskwright.stats._columns import numbers, positive_weights

from ._inputs import Grouping, Rows
from ._samples import Sketched

__all__ = ["GroupRow", "GroupTable", "group_table"]


class GroupRow(Record, frozen=True, kw_only=True):
    """One group: its rows, its events (None where outcomes are not 0 and 1), figure and gap."""

    group: str
    n: int
    events: int | None
    estimate: Estimate | None = None
    gap: Estimate | None = None


class GroupTable(Record, frozen=True, kw_only=True):
    """What `group_table` found.

    `rows` are the groups reported; all their estimates hold at once with confidence `level`, and
    so do all their gaps to `reference`. `small` are the groups with too few rows or events.
    """

    metric: str
    rows: tuple[GroupRow, ...]
    small: tuple[GroupRow, ...]
    reference: str | None
    level: float
    method: str

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@dataclass(frozen=True)
class _Question:
    """The metric and its data, to be asked by groups or as a whole."""

    metric: Callable[..., Any]
    y: Any
    p: Any
    weight: Any

    def by(self, groups: NDArray[Any], level: float) -> dict[str, Estimate]:
        found: dict[str, Estimate] = self.metric(
            self.y, self.p, sample_weight=self.weight, groups=groups, level=level
        )
        return found

    def whole(self, level: float) -> Estimate:
        found: Estimate = self.metric(self.y, self.p, sample_weight=self.weight, level=level)
        return found


def group_table(
    metric: str | Callable[..., Any],
    y: ArrayLike,
    p: ArrayLike | None = None,
    groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    reference: str | None = None,
    min_rows: int = 30,
    min_events: int = 5,
) -> GroupTable:
    """Any figure by group, with simultaneous intervals and gaps to a reference.

    Parameters
    ----------
    metric : a function of this module such as `brier`, or its name
        Called as `metric(y, p, sample_weight=..., groups=..., level=...)`.
    y, p, sample_weight : as the metric takes them.
    groups : array of shape (n,), or a mapping from column names to such arrays
        Labels are the value as text for one array, "column = value" for a mapping.
    level : confidence level of all intervals of a kind together.
    reference : None, the label of a group, "rest" or "overall"
        What each group is compared with: nothing, that group (of the same column), all rows of
        other groups, or all rows.
    min_rows, min_events : at least 0
        Groups with fewer rows, or fewer rows of either outcome, are listed as small without a
        figure and are no part of the multiplicity. `min_events` counts only where all outcomes
        are 0 or 1.

    Returns
    -------
    GroupTable
        Each of the k groups reported has its interval at level 1 - (1 - level) / k, and so has
        each of the k gaps among themselves (Bonferroni; valid also where the groups of several
        columns overlap). A gap is group minus reference. Against a group or the rest its interval
        joins both intervals by the square-and-add rule, which keeps their skewness; against all
        rows, of which the group is a part, their reaches are added, which holds under any
        dependence and is wider.

    Raises
    ------
    DataError : as the metric does.
    ColumnError : wrong shape or length of groups.
    ParameterError : unknown metric or reference.

    Notes
    -----
    Cost of the metric, once more for each group where the reference is "rest". Zou & Donner
    (2008), Statistics in Medicine 27:1693 (square-and-add).

    Examples
    --------
    >>> y, p = [0, 1, 1, 0, 0, 1], [0.2, 0.7, 0.6, 0.3, 0.6, 0.5]
    >>> table = group_table("brier", y, p, list("aaabbb"), reference="b", min_rows=3, min_events=1)
    >>> f"{table.rows[0].gap.value:.3f}"
    '-0.137'
    """
    normal_quantile(level)
    function = _function(metric)
    if p is None or groups is None or isinstance(y, Sketched | Mapping):
        raise ParameterError(
            "a group table needs rows",
            where="y, p, groups",
            expected="three columns, no sketches",
            hint="Give a mapping from labels to sketches to the metric itself",
        )
    weights, kept = positive_weights(sample_weight, numbers(y, "y").size)
    frame = _Frame.of(y, weights, kept, groups)
    question = _Question(function, y, p, sample_weight)
    large = [g for g in frame.groups if g.large(min_rows, min_events)]
    if reference not in (None, "rest", "overall"):
        _check_reference(reference, large, frame)
    each = 1 - (1 - level) / max(len(large), 1)
    compared = [g for g in large if g.value != reference]
    gap_level = 1 - (1 - level) / max(len(compared), 1)
    rows = []
    estimates = frame.estimates(question, large, each)
    at_gap = frame.estimates(question, large, gap_level) if reference else {}
    whole = question.whole(gap_level) if reference == "overall" else None
    for group in large:
        gap = None
        if reference and group in compared:
            other = whole or _other(question, frame, group, reference, at_gap, gap_level)
            gap = _gap(at_gap[group.label], other, gap_level, dependent=whole is not None)
        rows.append(group.row(estimates[group.label], gap))
    small = tuple(g.row() for g in frame.groups if g not in large)
    how = f"each interval at {100 * each:.4g}% (Bonferroni over {len(large)} groups)"
    name = getattr(function, "__name__", "metric")
    return GroupTable(
        metric=name, rows=tuple(rows), small=small, reference=reference, level=level, method=how
    )


def _function(metric: str | Callable[..., Any]) -> Callable[..., Any]:
    if callable(metric):
        return metric
    room = importlib.import_module(__package__)
    found = getattr(room, metric, None) if metric in room.__all__ else None
    if not callable(found) or not metric.islower():
        known = ", ".join(name for name in room.__all__ if name.islower())
        raise ParameterError(
            "unknown metric", where="metric", expected=f"a function or one of {known}", got=metric
        )
    return found  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Group:
    """One group of a column: the label shown and asked for, and its counts."""

    label: str
    value: str
    column: str
    code: int
    n: int
    events: int | None

    def large(self, min_rows: int, min_events: int) -> bool:
        if self.n < max(min_rows, 1):
            return False
        return self.events is None or min(self.events, self.n - self.events) >= min_events

    def row(self, estimate: Estimate | None = None, gap: Estimate | None = None) -> GroupRow:
        return GroupRow(group=self.label, n=self.n, events=self.events, estimate=estimate, gap=gap)


@dataclass(frozen=True)
class _Frame:
    """Groupings of all columns over all rows, and their groups."""

    codes: dict[str, NDArray[np.int32]]
    groups: list[_Group]

    @staticmethod
    def of(
        y: ArrayLike,
        weights: NDArray[np.float64] | None,
        kept: NDArray[np.bool_] | None,
        groups: ArrayLike | Mapping[str, ArrayLike],
    ) -> _Frame:
        outcome = numbers(y, "y")
        rows = Rows(outcome, outcome)
        counted = np.ones(outcome.size) if kept is None else kept.astype(np.float64)
        binary = bool(np.isin(outcome, (0.0, 1.0)).all())
        columns = groups if isinstance(groups, Mapping) else {"": groups}
        codes, found = {}, []
        for column, values in columns.items():
            grouping: Grouping = rows.grouping(values, column or "groups")
            codes[column] = grouping.codes
            n = np.bincount(grouping.codes, counted)
            events = np.bincount(grouping.codes, counted * (outcome == 1))
            for code, value in enumerate(grouping.labels):
                label = f"{column} = {value}" if column else value
                count = int(events[code]) if binary else None
                found.append(_Group(label, value, column, code, int(n[code]), count))
        return _Frame(codes, found)

    def estimates(
        self, question: _Question, groups: list[_Group], level: float
    ) -> dict[str, Estimate]:
        found = {}
        for column in {group.column for group in groups}:
            asked = question.by(self.codes[column], level)
            for group in groups:
                if group.column == column:
                    found[group.label] = asked[str(group.code)]
        return found


def _check_reference(reference: str | None, large: list[_Group], frame: _Frame) -> None:
    for column in frame.codes:
        known = [group.value for group in large if group.column == column]
        if reference not in known:
            raise ColumnError(
                "the reference is no group that is large enough",
                where=column or "groups",
                expected='"rest", "overall" or one of ' + ", ".join(known),
                got=str(reference),
            )


def _other(
    question: _Question,
    frame: _Frame,
    group: _Group,
    reference: str,
    at_gap: dict[str, Estimate],
    level: float,
) -> Estimate:
    if reference != "rest":
        return at_gap[f"{group.column} = {reference}" if group.column else reference]
    codes = frame.codes[group.column]
    if (codes == group.code).all():
        nan = math.nan
        return Estimate(
            value=nan, low=nan, high=nan, level=level, n=0, method="none: no other rows"
        )
    return question.by(codes == group.code, level)["False"]


def _gap(one: Estimate, other: Estimate, level: float, *, dependent: bool) -> Estimate:
    below = one.value - one.low, other.high - other.value
    above = one.high - one.value, other.value - other.low
    reach = (lambda ends: ends[0] + ends[1]) if dependent else (lambda ends: math.hypot(*ends))
    value = one.value - other.value
    low, high = value - reach(below), value + reach(above)
    method = "reaches added, any dependence" if dependent else "square-and-add"
    if math.isnan(low) or math.isnan(high):
        low = high = math.nan
        method = "none: one of the two has no interval"
    n = one.n if dependent else one.n + other.n
    return Estimate(name="gap", value=value, low=low, high=high, level=level, n=n, method=method)


def _lines(table: GroupTable) -> Iterator[str]:
    width = max([len(row.group) for row in (*table.rows, *table.small)] + [5])
    yield f"{table.metric.replace('_', ' ')}, {100 * table.level:g}% for all groups together"
    gap = f"{'gap to ' + table.reference:>28}" if table.reference else ""
    yield f"{'group':<{width}}{'rows':>12}{'events':>10}{'value':>9}{'interval':>19}{gap}"
    for row in table.rows:
        assert row.estimate is not None
        text = (
            f"{row.group:<{width}}{_counts(row)}{row.estimate.value:>9.3f}{_span(row.estimate):>19}"
        )
        if row.gap is not None:
            text += f"{row.gap.value:>+9.3f}{_span(row.gap):>19}"
        yield text
    for row in table.small:
        yield f"{row.group:<{width}}{_counts(row)}{'too few':>9}"
    yield table.method


def _counts(row: GroupRow) -> str:
    return f"{row.n:>12,}{'' if row.events is None else format(row.events, ','):>10}"


def _span(estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return "none"
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
