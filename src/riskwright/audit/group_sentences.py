"""What gaps between groups say, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from riskwright.core import Estimate, Finding
from riskwright.metrics import GroupRow, GroupTable

from ._words import percent, whole

if TYPE_CHECKING:
    from .group_gaps import GroupGaps

__all__ = ["findings_of"]

_WORSE_BELOW = ("ppv", "auc")
_OPENINGS = {
    "rate": "Of the {n} with {group}, {value} were flagged ({span})",
    "fpr": "Of the {n} with {group} who did not have the event{by}, {value} were flagged ({span})",
    "fnr": "Of the {n} with {group} who had the event{by}, {value} were not flagged ({span})",
    "ppv": "Of the {n} with {group} who were flagged, {value} had the event{by} ({span})",
    "auc": "Among the {n} with {group} someone who had the event{by} scored higher than someone "
    "who had not in {value} of pairs ({span})",
    "calibration": "Among the {n} with {group} the share of events{by} differed from the predicted "
    "risk by {value} points ({span})",
}


def findings_of(gaps: GroupGaps, limits: Mapping[str, float]) -> tuple[Finding, ...]:
    """The widest proven gap of each measure, else the largest one seen; what would have shown."""
    every = [
        _widest(table, gaps, limits.get(table.metric, math.inf)) or _largest(table, gaps)
        for table in gaps.tables
    ]
    found = [finding for finding in every if finding is not None]
    proven = any(finding.severity != "low" for finding in found)
    return tuple(found) if proven else (_nothing(gaps), *found)


def _largest(table: GroupTable, gaps: GroupGaps) -> Finding | None:
    """The largest gap seen, where none is proven."""
    rows = [row for row in table.rows if row.gap is not None and not math.isnan(row.gap.low)]
    if not rows:
        return None
    largest = max(rows, key=lambda row: (round(abs(_gap(row).value), 9), _fares(table, row)))
    gap = _gap(largest)
    return Finding(
        code=f"group.{table.metric}.gap",
        sentence=_sentence(table.metric, largest, gaps),
        severity="low",
        estimate=gap,
        method=f"{table.method}; gap to {table.reference}: {gap.method}",
    )


def _fares(table: GroupTable, row: GroupRow) -> float:
    """Larger for the group that fares worse: of two that mirror each other it is named."""
    return (-1 if table.metric in _WORSE_BELOW else 1) * _gap(row).value


def _widest(table: GroupTable, gaps: GroupGaps, limit: float) -> Finding | None:
    proven = [row for row in table.rows if row.gap is not None and _nearer_end(row.gap) > 0]
    if not proven:
        return None
    widest = max(proven, key=lambda row: (round(_nearer_end(_gap(row)), 9), _fares(table, row)))
    gap = _gap(widest)
    others = sum(abs(_gap(row).value + gap.value) > 1e-12 for row in proven if row is not widest)
    return Finding(
        code=f"group.{table.metric}.gap",
        sentence=_sentence(table.metric, widest, gaps) + _further(others),
        severity="high" if _nearer_end(gap) > limit else "medium",
        estimate=gap,
        method=f"{table.method}; gap to {table.reference}: {gap.method}",
    )


def _gap(row: GroupRow) -> Estimate:
    assert row.gap is not None
    return row.gap


def _nearer_end(gap: Estimate) -> float:
    """Distance from zero of the interval; 0 where it covers zero or is none."""
    if math.isnan(gap.low) or gap.low <= 0 <= gap.high:
        return 0.0
    return min(abs(gap.low), abs(gap.high))


def _sentence(measure: str, row: GroupRow, gaps: GroupGaps) -> str:
    estimate, gap = row.estimate, _gap(row)
    assert estimate is not None
    other = estimate.value - gap.value
    if measure not in _OPENINGS:
        return (
            f"Among the {estimate.n:,} with {row.group} {measure.replace('_', ' ')} is "
            f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f}); for everyone else "
            f"{other:.3f}: a difference of {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})."
        )
    shown = _points if measure == "calibration" else percent
    opening = _OPENINGS[measure].format(
        n=f"{estimate.n:,}",
        group=row.group,
        value=shown(estimate.value),
        span=f"{shown(estimate.low)} to {shown(estimate.high)}",
        by="" if gaps.horizon is None else f" by {gaps.horizon:g}",
    )
    whom = (
        "of everyone else" if gaps.reference == "rest" else f"of the reference ({gaps.reference})"
    )
    if measure in ("auc", "calibration"):
        whom = whom.replace("of ", "for ", 1)
    return f"{opening}; {whom} {shown(other)}: {_difference(gap)}."


def _difference(gap: Estimate) -> str:
    """
    >>> from riskwright.core import Estimate
    >>> one = dict(level=0.95, n=90, method="")
    >>> _difference(Estimate(value=-0.2, low=-0.3, high=-0.1, **one))
    '20 points less (10 to 30)'
    >>> _difference(Estimate(value=0.02, low=-0.03, high=0.07, **one))
    '2.0 points more, which may be chance (3.0 less to 7.0 more)'
    """
    size = f"{_size(abs(gap.value))} points {'more' if gap.value > 0 else 'less'}"
    ends = _size(abs(gap.low)), _size(abs(gap.high))
    if gap.low <= 0 <= gap.high:
        return f"{size}, which may be chance ({ends[0]} less to {ends[1]} more)"
    return f"{size} ({' to '.join(ends if gap.low > 0 else ends[::-1])})"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _size(share: float) -> str:
    """Percentage points, with a decimal where they are few."""
    return f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.1f}"


def _further(count: int) -> str:
    if count == 0:
        return ""
    return f" {count} other group{'s differ' if count > 1 else ' differs'} beyond chance too."


def _nothing(gaps: GroupGaps) -> Finding:
    with_gap = [
        row
        for table in gaps.tables
        for row in table.rows
        if row.gap is not None and not math.isnan(row.gap.low)
    ]
    judged = {row.group for row in with_gap}
    every = {row.group for table in gaps.tables for row in (*table.rows, *table.small)}
    left = len(every - judged)
    measures = ", ".join(table.metric for table in gaps.tables)
    if judged:
        reaches = sorted((row.gap.high - row.gap.low) / 2 for row in with_gap if row.gap)
        middle = reaches[len(reaches) // 2]
        sentence = (
            f"No gap between {whole(len(judged), 'group', 'groups')} and the others is proven in "
            f"{measures}; a gap of about {100 * middle:.2g} points would show in half of them."
        )
    else:
        sentence = f"No two groups can be compared in {measures}."
    if left:
        sentence += f" {whole(left, 'group is', 'groups are')} too small to judge, or all there is."
    return Finding(code="group.none", sentence=sentence, severity="info", method=gaps.method)
