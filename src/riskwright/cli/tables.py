"""Figures, groups and budgets as aligned text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from riskwright.core import Estimate
from riskwright.metrics import Evaluation, GroupTable, group_table

from .running import wrapped
from .scored import Floats, Scored

if TYPE_CHECKING:
    from riskwright.decision import BudgetBound

__all__ = [
    "bound_lines",
    "bound_words",
    "evaluation_lines",
    "group_lines",
    "group_tables",
    "p_value",
    "share",
    "share_words",
    "wrapped",
]

_GROUP_FIGURES = ("auroc", "brier", "calibration_in_the_large")
_GROUPS_SHOWN = 40
_LONGEST = 24


def p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def share(value: float) -> str:
    """A share as percentage, with digits enough to tell it from a nearby limit."""
    return f"{100 * value:.4g}%"


def evaluation_lines(figures: Evaluation) -> Iterator[str]:
    """The figures of all rows, each with interval and the number of its method."""
    notes: dict[str, int] = {}
    digits = 0 if figures.events == round(figures.events) else 1
    events = f"{figures.events:,.{digits}f} events"
    total = figures.events / figures.prevalence.value if figures.events > 0 else float(figures.n)
    if abs(total - figures.n) > 1e-6 * figures.n:
        events = f"{figures.events:,.6g} of {total:,.6g} by weight with the event"
    yield f"{figures.n:,} rows, {events}, {100 * figures.level:g}% intervals"
    for name, figure in {"prevalence": figures.prevalence, **figures.overall}.items():
        note = notes.setdefault(figure.method, len(notes) + 1)
        value = f"{figure.value:.3f}" if figure.value == figure.value else "none"
        yield f"  {name.replace('_', ' '):<26}{value:>8}  {_span(figure):>18}  [{note}]"
    test = figures.calibration_test
    if test is not None and test.p_value >= 0:
        note = notes.setdefault(test.method, len(notes) + 1)
        value = p_value(test.p_value)
        yield f"  {'p of perfect calibration':<26}{value:>8}  {'':>18}  [{note}]"
    yield ""
    yield from (wrapped(f"[{number}] {method}", "    ") for method, number in notes.items())


def group_tables(rows: Scored, risk: Floats, level: float) -> Iterator[GroupTable]:
    """Of every column of groups, the figures to compare them by."""
    options: dict[str, Any] = {"sample_weight": rows.weight, "level": level, "reference": "rest"}
    for name, labels in rows.groups.items():
        for figure in _GROUP_FIGURES:
            yield group_table(figure, rows.y, risk, {name: labels}, **options)


def group_lines(table: GroupTable) -> Iterator[str]:
    """Groups one below the other: rows, events, figure, and the gap to all other rows."""
    shown, small = table.rows[:_GROUPS_SHOWN], table.small[:_GROUPS_SHOWN]
    labels = [_short(row.group) for row in (*shown, *small)]
    width = max([5, *map(len, labels)])
    yield (
        f"{table.metric.replace('_', ' ')} by group; {100 * table.level:g}% intervals that hold "
        "for all groups at once"
    )
    head = f"  {'group':<{width}}{'rows':>9}{'events':>8}  {'value':>6}  {'interval':>16}"
    yield head + f"  {'gap to all others':>17}"
    for row, label in zip((*shown, *small), labels, strict=True):
        events = "" if row.events is None else f"{row.events:,}"
        line = f"  {label:<{width}}{row.n:>9,}{events:>8}"
        if row.estimate is None:
            yield f"{line}  too few to judge"
            continue
        value = "none" if math.isnan(row.estimate.value) else f"{row.estimate.value:.3f}"
        line += f"  {value:>6}  {_span(row.estimate):>16}"
        if row.gap is not None and row.gap.value == row.gap.value:
            line += f"  {row.gap.value:+.3f} ({_span(row.gap)})"
        yield line
    more = len(table.rows) + len(table.small) - len(labels)
    if more:
        yield f"  and {more:,} more groups; --json has all of them"


def bound_lines(bounds: Sequence[BudgetBound]) -> Iterator[str]:
    """Every budget as a heading, with what was seen and its bound below, one line per group."""
    heading = None
    width = max([len(_short(bound.group or "all rows")) for bound in bounds])
    for bound in bounds:
        if bound.budget != heading:
            heading = bound.budget
            yield wrapped(f"Budget: {heading}", "  ")
        yield f"  {_short(bound.group or 'all rows'):<{width}}  {bound_words(bound)}"


def bound_words(bound: BudgetBound) -> str:
    """What was seen, its bound, and whether that keeps the limit."""
    told = share if "%" in bound.budget.partition(" with ")[0] else "{:.4g}".format
    seen = f"seen {told(bound.empirical)}"
    if bound.errors is not None:
        seen += f" ({bound.errors:,} of {bound.members:,})"
    verdict = "met" if bound.met else "NOT MET"
    return f"{seen}, at most {told(bound.upper)}, limit {told(bound.limit)}: {verdict}"


def share_words(estimate: Estimate) -> str:
    """A share with its interval, other figures as they are."""
    inside = 0 <= estimate.value <= 1 and estimate.low == estimate.low
    if not inside or "share" not in estimate.name:
        return str(estimate)
    interval = f"{share(round(estimate.low, 4))} to {share(round(estimate.high, 4))}"
    return f"{share(round(estimate.value, 4))} ({100 * estimate.level:g}% interval {interval})"


def _span(estimate: Estimate) -> str:
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return "none"
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
