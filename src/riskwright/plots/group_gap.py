"""Groups side by side: a figure of each, and how far each is from the reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from .display import Display, listed, metric, named, titled, worded
from .figure import Axis, Curve, Figure, Points
from .shapes import shortened

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from riskwright.core import Estimate
    from riskwright.metrics import GroupTable

__all__ = ["GroupGapDisplay", "group_rows", "small_groups"]

_DESCRIBED = 20
_LONGEST = 28
_MOST_ROWS = 30
_NAMED = 12


class ShownGroup(NamedTuple):
    """A group that has a figure, and its gap to the reference (None for the reference itself)."""

    group: str
    estimate: Estimate
    gap: Estimate | None


def group_rows(table: GroupTable) -> list[ShownGroup]:
    """The groups that have a figure."""
    return [
        ShownGroup(row.group, row.estimate, row.gap)
        for row in table.rows
        if row.estimate is not None
    ]


def small_groups(table: GroupTable) -> list[str]:
    """The groups too small to judge, with their rows."""
    return [f"{row.group} (n = {row.n:,})" for row in table.small]


class GroupGapDisplay(Display):
    """One line per group: the gap to the reference with its interval, the figure itself and n.

    Parameters
    ----------
    table : GroupTable
        From `riskwright.metrics.group_table`.
    name : whose predictions these are, for the title.

    Notes
    -----
    Without any gap the figures themselves are drawn. Of more than 30 groups those without a gap and
    those farthest from the reference are shown, and the caption says so.
    """

    reading: ClassVar[str] = (
        "A bar that does not touch the dotted line is a group that differs from the reference "
        "by more than chance explains; the figures at the right are the groups' own."
    )

    def __init__(self, table: Any, *, name: str = "") -> None:
        self.table = table
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        metric_name: Any,
        y: ArrayLike,
        p: ArrayLike,
        groups: ArrayLike,
        /,
        *,
        name: str = "",
        **options: Any,
    ) -> Self:
        """From a metric, outcomes, risks and groups; `options` go to `metrics.group_table`."""
        return cls(metric("group_table")(metric_name, y, p, groups, **options), name=name)

    def figure(self) -> Figure:
        rows = _farthest(group_rows(self.table))
        gaps = any(row.gap is not None for row in rows)
        shown = [row.gap if gaps else row.estimate for row in rows]
        what = named(self.table.metric)
        ends = [end for e in shown if e is not None for end in (e.value, e.low, e.high)]
        x = Axis.over(f"gap in {what}" if gaps else what, (*ends, *((0.0,) if gaps else ())))
        places = tuple(float(-i) for i in range(len(rows)))
        labels = tuple(shortened(row.group, _LONGEST) for row in rows)
        y = Axis("", 0.6 - max(len(rows), 1), 0.6, places, names=labels)
        points = Points(
            tuple(math.nan if e is None else e.value for e in shown),
            places,
            tuple(math.nan if e is None else e.low for e in shown),
            tuple(math.nan if e is None else e.high for e in shown),
            "gap" if gaps else what,
            sideways=True,
        )
        rule = (Curve((0.0, 0.0), (y.low, y.high), "no gap", "rule"),) if gaps else ()
        at = tuple(-float(i) for i, row in enumerate(rows) if row.gap is None) if gaps else ()
        nil, no_bar = (0.0,) * len(at), (math.nan,) * len(at)
        base = (Points(nil, at, no_bar, no_bar, "reference", "other", sideways=True),) if at else ()
        return Figure(
            titled(f"Groups: {what}", self.name),
            self._described(rows),
            x,
            y,
            (*rule, *base, points),
            self._caption(rows),
            notes=tuple(_note(row, gaps) for row in rows),
        )

    def _caption(self, rows: list[ShownGroup]) -> str:
        gaps = any(row.gap is not None for row in rows)
        drawn = (row.gap if gaps else row.estimate for row in rows)
        methods = dict.fromkeys(e.method for e in drawn if e is not None and e.low == e.low)
        text = f"{len(rows)} groups. Bars: {100 * self.table.level:g}% intervals"
        text += f" ({'; '.join(methods)})." if methods else "."
        if len(rows) < len(self.table.rows):
            text += f" The {len(rows)} farthest of {len(self.table.rows)}."
        small = [shortened(label, _LONGEST) for label in small_groups(self.table)]
        return f"{text}\nToo small to judge: {listed(small, _NAMED, ', ')}." if small else text

    def _described(self, rows: list[ShownGroup]) -> str:
        words = [
            f"{shortened(row.group, _LONGEST)}: {worded(row.estimate)}"
            + (f", gap {worded(row.gap)}" if row.gap is not None else "")
            for row in rows
        ]
        return f"{listed(words, _DESCRIBED)}."


def _farthest(rows: list[ShownGroup]) -> list[ShownGroup]:
    """At most 30 rows in their order."""
    if len(rows) <= _MOST_ROWS:
        return rows

    def away(place: int) -> float:
        gap = rows[place].gap
        return -math.inf if gap is None else -abs(gap.value) if gap.value == gap.value else 0.0

    kept = sorted(sorted(range(len(rows)), key=away)[:_MOST_ROWS])
    return [rows[place] for place in kept]


def _note(row: ShownGroup, gaps: bool) -> str:
    value = "none" if math.isnan(row.estimate.value) else f"{row.estimate.value:.3f}"
    own = f"{value}, " if gaps else ""
    return f"{own}n {row.estimate.n:,}"
