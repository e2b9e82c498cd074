"""Groups as small multiples: one line per group, one panel per measure, dots with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from riskwright.core import Estimate
from riskwright.metrics import GroupRow, GroupTable
from riskwright.plots.figure import Axis
from riskwright.plots.shapes import (
    INK,
    PAPER,
    QUIET,
    RULE,
    SHADE,
    Dot,
    Line,
    Picture,
    Rect,
    Shape,
    Text,
    elided,
    text_width,
    wrapped,
)

from . import audit_words as words

__all__ = ["group_panels", "shown_groups"]

_ROW, _SIZE, _SMALL = 20.0, 11.5, 10.5
_VALUE = 44.0
_DESCRIBED = 40


def shown_groups(tables: Sequence[GroupTable], most: int) -> tuple[list[str], int]:
    """The groups with the largest proven gaps in any table, in their order; how many there are."""
    labels: dict[str, float] = {}
    for table in tables:
        for row in (*table.rows, *table.small):
            labels[row.group] = max(labels.get(row.group, -math.inf), _proven(row))
    kept = set(sorted(labels, key=lambda label: -labels[label])[:most])
    return [label for label in labels if label in kept], len(labels)


def _proven(row: GroupRow) -> float:
    """How far the interval of the gap is from no gap; below 0 where it covers it."""
    if row.estimate is not None and row.gap is None:
        return math.inf
    if row.gap is None or math.isnan(row.gap.value):
        return -2.0
    if math.isnan(row.gap.low) or math.isnan(row.gap.high):
        return -1.0
    return max(row.gap.low, -row.gap.high) if _differs(row.gap) else abs(row.gap.value) - 1.0


def _differs(gap: Estimate) -> bool:
    return gap.low > 0 or gap.high < 0


def group_panels(
    tables: Sequence[GroupTable], groups: Sequence[str], width: float, extra: float = 0.0
) -> Picture:
    """Gaps to the reference for each group and measure.

    A gap whose interval excludes zero is a filled dot on a thick black bar, any other an open dot
    on a thin grey one; the figure itself stands at its right, n at the end of the line. Without a
    reference the figures are drawn in the place of gaps. Lines stand `extra` pixels farther apart.
    """
    names = min(max(text_width(g, _SIZE) for g in groups), 0.24 * width) + 10
    labels = _two_lines(groups, names - 8)
    step = max(_ROW + extra, 28.0 if any(len(lines) > 1 for lines in labels) else 0.0)
    rows = [{row.group: row for row in (*t.rows, *t.small)} for t in tables]
    n_width = 14 + max(text_width(f"{_rows_of(rows, g):,}", _SMALL) for g in groups)
    panel = (width - names - n_width) / len(tables)
    titles = [wrapped(words.measure_name(t.metric), panel - 10, _SIZE, bold=True) for t in tables]
    top = 14.0 * max(map(len, titles)) + 10
    foot = top + step * len(groups)
    shapes: list[Shape] = [Rect(0, 0, width, foot + 22, PAPER)]
    shapes.append(Text(width - 3, top - 8, "n", _SMALL, "end", color=QUIET))
    for i, label in enumerate(groups):
        y = top + step * (i + 0.5)
        if i % 2 == 0:
            shapes.append(Rect(0, y - step / 2, width, step, "#f4f4f4"))
        above = 6.5 * (len(labels[i]) - 1)
        shapes += [Text(0, y + 4 - above + 13 * k, t, _SIZE) for k, t in enumerate(labels[i])]
        n = _rows_of(rows, label)
        shapes.append(Text(width - 3, y + 4, f"{n:,}", _SMALL, "end", color=QUIET))
    for place, (table, found) in enumerate(zip(tables, rows, strict=True)):
        left = names + place * panel
        for line, text in enumerate(titles[place]):
            shapes.append(Text(left, 12 + 14 * line, text, _SIZE, bold=True))
        shapes += _panel(table, found, groups, _Box(left, panel, top, step))
    described = [text for t, found in zip(tables, rows, strict=True) for text in _told(t, found)]
    more = len(described) - _DESCRIBED
    text = "; ".join(described[:_DESCRIBED]) + (f"; and {more:,} more" if more > 0 else "")
    return Picture(width, foot + 22, tuple(shapes), "Groups side by side", f"{text}.")


def _rows_of(rows: Sequence[dict[str, GroupRow]], label: str) -> int:
    return max((found[label].n for found in rows if label in found), default=0)


def _told(table: GroupTable, found: dict[str, GroupRow]) -> Iterator[str]:
    name, percent = words.measure_name(table.metric), words.is_share(table.metric)
    for row in found.values():
        if row.estimate is None:
            yield f"{name}, {row.group}: too few to judge, n {row.n:,}"
            continue
        own = words.amount(row.estimate, percent, words.is_signed(table.metric))
        text = f"{name}, {row.group}: {own}"
        if row.gap is not None:
            text += f", gap {words.value_of(row.gap, percent, True)}"
            text += f" ({words.bounds(row.gap, percent, True)})"
        yield text


@dataclass(frozen=True, slots=True)
class _Scale:
    axis: Axis
    left: float
    right: float

    def __call__(self, value: float) -> float:
        share = (value - self.axis.low) / (self.axis.high - self.axis.low)
        return self.left + (self.right - self.left) * min(max(share, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    width: float
    top: float
    step: float


def _panel(
    table: GroupTable, found: dict[str, GroupRow], groups: Sequence[str], box: _Box
) -> Iterator[Shape]:
    left, width, top = box.left, box.width, box.top
    gaps, percent = table.reference is not None, words.is_share(table.metric)
    drawn = [(found[g].gap if gaps else found[g].estimate) if g in found else None for g in groups]
    ends = [end for e in drawn if e is not None for end in (e.value, e.low, e.high)]
    axis = Axis.over("", (*ends, 0.0) if gaps else ends, percent=percent)
    scale = _Scale(axis, left, left + width - _VALUE - 12)
    foot = top + box.step * len(groups)
    for x, name in _ticks(scale):
        yield Line(((x, top), (x, foot)), 1, SHADE)
        yield Text(x, foot + 14, name, _SMALL, "middle", color=QUIET)
    if gaps and axis.low <= 0 <= axis.high:
        yield Line(((scale(0), top), (scale(0), foot + 3)), 1.2, INK)
    for i, (label, estimate) in enumerate(zip(groups, drawn, strict=True)):
        y = top + box.step * (i + 0.5)
        row = found.get(label)
        yield from _dot(scale, y, estimate, gaps)
        if row is None or row.estimate is None:
            yield Text(left + width - 12, y + 4, "too few", _SMALL, "end", color=QUIET)
            continue
        if gaps and row.gap is None:
            yield Line(((scale(0), y - 5), (scale(0), y + 5)), 3, INK)
        signed = words.is_signed(table.metric)
        text = words.value_of(row.estimate, percent, signed).replace("not defined", "none")
        bold = gaps and row.gap is not None and _differs(row.gap)
        yield Text(left + width - 12, y + 4, text, _SMALL, "end", bold=bold)


def _dot(scale: _Scale, y: float, estimate: Estimate | None, gaps: bool) -> Iterator[Shape]:
    if estimate is None or math.isnan(estimate.value):
        return
    loud = gaps and _differs(estimate)
    color = INK if loud or not gaps else RULE
    if not math.isnan(estimate.low) and not math.isnan(estimate.high):
        ends = ((scale(estimate.low), y), (scale(estimate.high), y))
        yield Line(ends, 2.4 if loud else 1.3, color)
    yield Dot(scale(estimate.value), y, 3.6 if loud else 3.0, filled=loud, color=color)


def _ticks(scale: _Scale) -> list[tuple[float, str]]:
    """Ticks whose names do not touch, 0 among them where it is one."""
    labels = [name.rstrip("%") for name in scale.axis.tick_labels()]
    places: list[tuple[float, str]] = []
    for every in range(1, max(len(labels), 1) + 1):
        places = [(scale(scale.axis.ticks[i]), labels[i]) for i in scale.axis.sparse(every)]
        room = (b[0] - a[0] for a, b in pairwise(places))
        need = (
            0.4 * (text_width(a[1], _SMALL) + text_width(b[1], _SMALL)) + 4
            for a, b in pairwise(places)
        )
        if all(r >= n for r, n in zip(room, need, strict=True)):
            break
    return places


def _two_lines(labels: Sequence[str], width: float) -> list[list[str]]:
    """Each label on one or two lines: where it needs more, "male & north" instead of "sex = male &
    region = north", unless another is told so too; else without its middle."""
    bare = [" & ".join(p.rpartition(" = ")[2] for p in text.split(" & ")) for text in labels]
    found = []
    for text, brief in zip(labels, bare, strict=True):
        lines = wrapped(text, 1.1 * width, _SIZE)
        if len(lines) > 2 and bare.count(brief) == 1:
            lines = wrapped(brief, 1.1 * width, _SIZE)
        found.append(lines if len(lines) < 3 else _elided(text, width))
    same = [i for i, lines in enumerate(found) if found.count(lines) > 1]
    columns = zip(*(labels[i] for i in same), strict=False)
    alike = next((k for k, letters in enumerate(columns) if len(set(letters)) > 1), 0)
    for i in same:
        found[i] = _elided(f"…{labels[i][alike:]}", width)
    return found


def _elided(text: str, width: float) -> list[str]:
    """As much of both ends as two lines hold."""
    return wrapped(elided(text, lambda part: _lines_of(part, width) < 3), 1.1 * width, _SIZE)


def _lines_of(text: str, width: float) -> int:
    return len(wrapped(text, 1.1 * width, _SIZE))
