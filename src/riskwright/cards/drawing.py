"""The card as a picture of shapes, and the chart of risk by total.

Shades are black and greys only, so that a picture survives any printer and any eye.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from riskwright.core import Estimate, RiskRow, ScoreCard
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
    text_width,
    wrapped,
)

from . import wording

__all__ = ["card_picture", "risk_chart"]


def risk_chart(card: ScoreCard, width: float = 560, height: float = 260) -> Picture:
    """Risk by total: a line for what the card predicts, dots with whiskers for what was seen."""
    return Picture(
        width,
        height,
        tuple(_chart(card, 0, 0, width, height)),
        f"Risk by total: {card.title}",
        _described(card),
    )


def _described(card: ScoreCard) -> str:
    if not card.rows:
        return "The card has no table of totals."
    ends = [card.rows[0], card.rows[-1]]
    words = [f"{wording.percent(row.predicted)} at a total of {wording.span(row)}" for row in ends]
    return f"Predicted risk goes from {words[0]} to {words[1]}."


def card_picture(card: ScoreCard, width: float = 760) -> Picture:
    """The whole card: title, points table, risk of every total, chart and small print."""
    shapes: list[Shape] = []
    y = 44.0
    for line in wrapped(card.title, width - 64, 24, bold=True):
        shapes.append(Text(32, y, line, 24, bold=True))
        y += 30
    for line in wrapped(f"Outcome: {card.outcome}", width - 64, 14):
        shapes.append(Text(32, y, line, 14, color=QUIET))
        y += 20
    y = _points_table(card, shapes, y + 8, width)
    if card.rows:
        y = _strip(card, shapes, y + 30, width)
        shapes += _chart(card, 32, y + 20, width - 64, 230)
        y += 250
    y += 26
    for text in _small_print(card):
        for line in wrapped(text, width - 64, 12):
            shapes.append(Text(32, y, line, 12, color=QUIET))
            y += 17
        y += 3
    height = y + 12
    frame = Rect(8, 8, width - 16, height - 16, PAPER, INK)
    description = "; ".join(f"{t.item.label}: {wording.points(t)} points" for t in card.terms)
    return Picture(
        width, height, (Rect(0, 0, width, height, PAPER), frame, *shapes), card.title, description
    )


def _points_table(card: ScoreCard, shapes: list[Shape], y: float, width: float) -> float:
    left, right = 32.0, width - 32
    box = right - 60
    shapes.append(Text(left, y + 14, "Add up what is true", 13, bold=True))
    shapes.append(Text(box - 24, y + 14, "points", 13, "end", bold=True))
    y += 24
    shapes.append(Line(((left, y), (right, y)), 2))
    for number, term in enumerate(card.terms, 1):
        lines = wrapped(term.item.label, box - left - 150, 15)
        tall = 14 + 19 * len(lines)
        if number % 2:
            shapes.append(Rect(left, y + 1, right - left, tall - 1, "#f5f5f5"))
        shapes.append(Text(left + 26, y + 23, f"{number}.", 15, "end", color=QUIET))
        shapes += [Text(left + 32, y + 23 + 19 * i, line, 15) for i, line in enumerate(lines)]
        shapes.append(Text(box - 24, y + 23, wording.points(term), 16, "end", bold=True))
        shapes.append(Rect(box, y + 5, 54, tall - 10, PAPER, RULE))
        y += tall
    if not card.terms:
        shapes.append(Text(left + 32, y + 23, wording.NO_STATEMENT, 15))
        y += 33
    shapes.append(Line(((left, y), (right, y)), 2))
    shapes.append(Text(left + 32, y + 25, "Total", 16, bold=True))
    shapes.append(Text(box - 24, y + 25, "=", 16, "end", bold=True))
    shapes.append(Rect(box, y + 6, 54, 28, PAPER, INK))
    return y + 40


def _strip(card: ScoreCard, shapes: list[Shape], y: float, width: float) -> float:
    """Totals over their risks, in as many bands as they need."""
    left, room = 32.0, width - 64
    states_risk = card.score_class != "scoring_system"
    head = 58.0
    cells = [(wording.span(row), _meaning(row, states_risk)) for row in card.rows]
    widest = max(text_width(text, 13, bold=True) for cell in cells for text in cell)
    across = max(1, int((room - head) // max(40, widest + 10)))
    across = math.ceil(len(cells) / math.ceil(len(cells) / across))
    cell = (room - head) / across
    for start in range(0, len(cells), across):
        band = cells[start : start + across]
        shapes.append(Text(left, y + 20, "Total", 14, bold=True))
        shapes.append(Text(left, y + 46, "Risk" if states_risk else "Seen", 14, bold=True))
        for i, (total, meaning) in enumerate(band):
            x = left + head + i * cell
            shapes.append(Rect(x, y, cell, 28, SHADE, RULE))
            shapes.append(Rect(x, y + 28, cell, 28, PAPER, RULE))
            shapes.append(Text(x + cell / 2, y + 19, total, 13, "middle", bold=True))
            shapes.append(Text(x + cell / 2, y + 47, meaning, 13, "middle"))
        y += 66
    return y - 10


def _meaning(row: RiskRow, states_risk: bool) -> str:
    if states_risk:
        return wording.percent(row.predicted)
    return "–" if row.observed is None else wording.percent(row.observed.value)


def _small_print(card: ScoreCard) -> Iterator[str]:
    yield wording.formula(card)
    named = {fact.name: fact.text for fact in wording.facts(card)}
    for name in ("Population", "Learned from", "Missing values", "Date"):
        yield f"{name}: {named[name]}"
    for name, value, bounds in wording.figures(card, at_a_glance=True):
        yield f"{name}: {value} ({bounds})"
    yield wording.performance_note(card)
    shown = ("Objective", "Lower bound", "Gap")
    proof = wording.proof(card.certificate)
    yield " ".join(
        [proof[0].text, *(f"{f.name}: {f.text}." for f in proof if f.name.startswith(shown))]
    )
    yield from wording.limits(card)


@dataclass(frozen=True, slots=True)
class _Axes:
    """Rows of the risk table side by side, shares from the bottom up."""

    left: float
    right: float
    top: float
    bottom: float
    rows: int
    most: float

    @property
    def step(self) -> float:
        return (self.right - self.left) / self.rows

    def x(self, row: int) -> float:
        return self.left + (row + 0.5) * self.step

    def y(self, share: float) -> float:
        return self.bottom - (self.bottom - self.top) * min(max(share / self.most, 0.0), 1.0)


def _chart(card: ScoreCard, x: float, y: float, width: float, height: float) -> Iterator[Shape]:
    rows = card.rows
    if not rows:
        return
    states_risk = card.score_class != "scoring_system"
    most = _axis_end(rows, states_risk)
    axes = _Axes(x + 50, x + width - 4, y + 34, y + height - 44, len(rows), most)
    yield from _scales(axes, rows)
    yield from _legend(axes, y + 16, rows, states_risk)
    if states_risk:
        line = tuple((axes.x(i), axes.y(row.predicted)) for i, row in enumerate(rows))
        yield Line(line, 2.5)
    for i, row in enumerate(rows):
        if row.observed is not None:
            yield from _whisker(axes, axes.x(i), row.observed)


def _axis_end(rows: Sequence[RiskRow], states_risk: bool) -> float:
    """The first of some readable shares that nothing drawn exceeds."""
    shares = [row.predicted for row in rows] if states_risk else []
    for row in rows:
        if row.observed is not None:
            shares += [row.observed.value, _known(row.observed.high)]
    largest = max(shares, default=1.0)
    return next((end for end in (0.01, 0.02, 0.04, 0.1, 0.2, 0.4, 0.6) if largest <= end), 1.0)


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _scales(axes: _Axes, rows: Sequence[RiskRow]) -> Iterator[Shape]:
    for tick in range(5):
        share = axes.most * tick / 4
        ends = ((axes.left, axes.y(share)), (axes.right, axes.y(share)))
        yield Line(ends, 1, SHADE if tick else INK)
        yield Text(axes.left - 8, axes.y(share) + 4, f"{100 * share:.3g}%", 12, "end", color=QUIET)
    yield Text(axes.left - 8, axes.bottom + 18, "total", 12, "end", color=QUIET)
    yield Text(axes.left - 8, axes.bottom + 35, "n", 12, "end", color=QUIET)
    totals = [wording.span(row) for row in rows]
    people = [wording.short_count(row.n) for row in rows]
    widths = [max(text_width(t, 12) for t in pair) for pair in zip(totals, people, strict=True)]
    for i, x in _labelled(axes, widths):
        yield Text(x, axes.bottom + 18, totals[i], 12, "middle")
        yield Text(x, axes.bottom + 35, people[i], 12, "middle", color=QUIET)


def _labelled(axes: _Axes, widths: Sequence[float]) -> list[tuple[int, float]]:
    """Rows whose labels do not touch, as close as even steps allow, and where their labels go.

    A label that would cross an end of the axis is moved inwards.
    """
    places: list[tuple[int, float]] = []
    for every in range(1, axes.rows + 1):
        places = []
        for i in range(0, axes.rows, every):
            low, high = axes.left - 2 + widths[i] / 2, axes.right + 2 - widths[i] / 2
            places.append((i, max(min(axes.x(i), high), low)))
        if all(x + (widths[i] + widths[j]) / 2 + 6 <= y for (i, x), (j, y) in pairwise(places)):
            break
    return places


def _legend(axes: _Axes, y: float, rows: Sequence[RiskRow], states_risk: bool) -> Iterator[Shape]:
    x = axes.left
    if states_risk:
        yield Line(((x, y - 4), (x + 26, y - 4)), 2.5)
        yield Text(x + 33, y, "predicted risk", 12)
        x += 150
    seen = next((row.observed for row in rows if row.observed is not None), None)
    if seen is not None:
        yield Line(((x + 6, y - 13), (x + 6, y + 5)), 1.25)
        yield Dot(x + 6, y - 4, 4, filled=False)
        yield Text(x + 18, y, f"observed, with {100 * seen.level:g}% interval", 12)


def _whisker(axes: _Axes, x: float, seen: Estimate) -> Iterator[Shape]:
    if not math.isnan(seen.low) and not math.isnan(seen.high):
        low, high = axes.y(seen.low), axes.y(seen.high)
        yield Line(((x, low), (x, high)), 1.25)
        for end in (low, high):
            yield Line(((x - 3.5, end), (x + 3.5, end)), 1.25)
    yield Dot(x, axes.y(seen.value), 4, filled=False)
