"""From a figure to a picture: where its axes, marks and words go on paper of a given size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .figure import Band, Bars, Columns, Curve, Figure, Mark, Pair, Points, Style, runs
from .shapes import (
    ACCENT,
    BAND,
    INK,
    PAPER,
    QUIET,
    SECOND,
    SHADE,
    Area,
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

__all__ = ["COLORS", "DASHES", "WIDTHS", "figure_picture", "thinned"]

COLORS: dict[Style, str] = {
    "main": ACCENT,
    "other": SECOND,
    "third": "#1b6e4d",
    "fourth": "#6a3d9a",
    "fifth": INK,
    "rule": QUIET,
}
DASHES: dict[Style, tuple[float, ...]] = {
    "main": (),
    "other": (7, 4),
    "third": (2.5, 2.5),
    "fourth": (10, 3, 2, 3),
    "fifth": (14, 5),
    "rule": (1.5, 3.5),
}
WIDTHS: dict[Style, float] = {
    "main": 2.2,
    "other": 2.0,
    "third": 2.0,
    "fourth": 1.8,
    "fifth": 1.4,
    "rule": 1.4,
}
_TITLE, _LABEL, _SMALL = 15.0, 12.5, 11.5
_STRIP = 46.0
_MOST_POINTS = 320
_CLOSE = 0.3
_MARGIN = 10.0


@dataclass(frozen=True, slots=True)
class _Frame:
    """The box of the axes on paper, and the scales within it."""

    figure: Figure
    left: float
    right: float
    top: float
    bottom: float

    def x(self, value: float) -> float:
        axis = self.figure.x
        share = (value - axis.low) / (axis.high - axis.low)
        return round(self.left + (self.right - self.left) * share, 1)

    def y(self, value: float) -> float:
        axis = self.figure.y
        share = (value - axis.low) / (axis.high - axis.low)
        return round(self.bottom - (self.bottom - self.top) * share, 1)

    def inside(self, point: Pair) -> bool:
        axis_x, axis_y = self.figure.x, self.figure.y
        slack_x, slack_y = 1e-9 * (axis_x.high - axis_x.low), 1e-9 * (axis_y.high - axis_y.low)
        return (
            axis_x.low - slack_x <= point[0] <= axis_x.high + slack_x
            and axis_y.low - slack_y <= point[1] <= axis_y.high + slack_y
        )


def figure_picture(figure: Figure, width: float, height: float, *, bare: bool = False) -> Picture:
    """The figure on `width` x `height` pixels: title, legend, axes, counts, caption, in this order.

    The words take the room they need and the axes what is left, at least 120 pixels; the picture
    grows taller than asked where that is not enough. A `bare` one has neither title nor caption.
    """
    inner = width - 2 * _MARGIN
    title = [] if bare else wrapped(figure.title, inner, _TITLE, bold=True)
    texts = [] if bare else figure.caption.split("\n")
    caption = [line for text in texts for line in wrapped(text, inner, _SMALL)]
    legend, rows = _legend(figure, inner)
    top = _MARGIN + 20 * len(title) + 20 * rows + (22 if figure.y.label else 6)
    strip = _STRIP if figure.columns else 0.0
    below = strip + 20 + 20 + (15 * len(caption) + _MARGIN if caption else 0)
    height = max(height, top + below + max(120.0, 26.0 * len(figure.y.names)))
    names = figure.y.tick_labels()
    left = _MARGIN + max([30.0, *(text_width(t, _LABEL) for t in names)]) + 6
    left = min(left, 0.45 * width)
    right = max([10.0, *(text_width(note, _SMALL) + 8 for note in figure.notes)])
    frame = _Frame(figure, left, width - _MARGIN - right, top, height - below)
    shapes: list[Shape] = [Rect(0, 0, width, height, PAPER)]
    y = _MARGIN + 13
    for line in title:
        shapes.append(Text(_MARGIN, y, line, _TITLE, bold=True))
        y += 20
    shapes += legend(y)
    shapes += _scales(frame, strip)
    for mark in figure.marks:
        shapes += _drawn(mark, frame)
    if figure.columns:
        shapes += _columns(figure.columns, frame)
    y = height - _MARGIN - 15 * len(caption) + 12
    shapes += [Text(_MARGIN, y + 15 * i, t, _SMALL, color=QUIET) for i, t in enumerate(caption)]
    return Picture(width, height, tuple(shapes), figure.title, figure.description)


def _legend(figure: Figure, width: float) -> tuple[_Legend, int]:
    """Entries in rows that fit; how many rows they take."""
    places, x, row = [], 0.0, 0
    for mark in figure.keyed():
        needed = 30 + 0.92 * text_width(mark.label, _SMALL) + 12
        if x and x + needed > width:
            x, row = 0.0, row + 1
        places.append((mark, x, row))
        x += needed
    return _Legend(places), row + bool(places)


@dataclass(frozen=True, slots=True)
class _Legend:
    places: list[tuple[Mark, float, int]]

    def __call__(self, top: float) -> Iterator[Shape]:
        for mark, x, row in self.places:
            left, y = _MARGIN + x, top + 20 * row
            yield from _key(mark, left, y - 4)
            yield Text(left + 30, y, mark.label, _SMALL)


def _key(mark: Mark, x: float, y: float) -> Iterator[Shape]:
    if isinstance(mark, Band | Bars):
        yield Rect(x, y - 6, 24, 12, BAND, None if isinstance(mark, Band) else ACCENT)
    elif isinstance(mark, Curve):
        color, dashes = COLORS[mark.style], DASHES[mark.style]
        yield Line(((x, y), (x + 24, y)), WIDTHS[mark.style], color, dashes)
    elif mark.sideways:
        yield Line(((x, y), (x + 24, y)), 1.4, COLORS[mark.style])
        yield _dot(x + 12, y, mark.style)
    else:
        yield Line(((x + 12, y - 8), (x + 12, y + 8)), 1.4, COLORS[mark.style])
        yield _dot(x + 12, y, mark.style)


def _dot(x: float, y: float, style: Style) -> Shape:
    """A filled circle, or an open diamond, so that two kinds differ without colour."""
    if style == "main":
        return Dot(x, y, 3.6, color=COLORS[style])
    corners = ((x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y))
    return Area(corners, PAPER, COLORS[style])


def _scales(frame: _Frame, strip: float) -> Iterator[Shape]:
    figure, foot = frame.figure, frame.bottom + strip
    if figure.y.label:
        yield Text(_MARGIN, frame.top - 9, figure.y.label, _LABEL, color=QUIET)
    for tick in figure.x.ticks:
        x = frame.x(tick)
        yield Line(((x, frame.top), (x, foot)), 1, SHADE)
    for x, name in _labels_of_x(frame):
        yield Text(x, foot + 16, name, _LABEL, "middle")
    for i, (tick, name) in enumerate(zip(figure.y.ticks, figure.y.tick_labels(), strict=True)):
        y = frame.y(tick)
        yield Line(((frame.left, y), (frame.right, y)), 1, SHADE)
        yield Text(frame.left - 6, y + 4, _fitted(name, frame.left - _MARGIN - 6), _LABEL, "end")
        if figure.notes:
            yield Text(frame.right + 8, y + 4, figure.notes[i], _SMALL, color=QUIET)
    yield Line(((frame.left, frame.bottom), (frame.right, frame.bottom)), 1, INK)
    yield Line(((frame.left, frame.top), (frame.left, frame.bottom)), 1, INK)
    yield Text(frame.right, foot + 34, figure.x.label, _LABEL, "end", color=QUIET)


def _labels_of_x(frame: _Frame) -> list[tuple[float, str]]:
    """Labels that do not touch, as close as even steps allow."""
    axis, labels = frame.figure.x, frame.figure.x.tick_labels()
    places: list[tuple[float, str]] = []
    for every in range(1, len(labels) + 1):
        places = [(frame.x(axis.ticks[i]), labels[i]) for i in axis.sparse(every)]
        widths = [text_width(label, _LABEL) for _, label in places]
        gaps = (b[0] - a[0] for a, b in pairwise(places))
        needed = ((a + b) / 2 + 6 for a, b in pairwise(widths))
        if all(gap >= need for gap, need in zip(gaps, needed, strict=True)):
            break
    return places


def _fitted(text: str, width: float) -> str:
    """`text`, or its ends with an ellipsis between."""
    return elided(text, lambda part: text_width(part, _LABEL) <= width + 0.01)


def _drawn(mark: Mark, frame: _Frame) -> Iterator[Shape]:
    if isinstance(mark, Curve):
        color, dashes = COLORS[mark.style], DASHES[mark.style]
        for run in runs(mark.x, mark.y):
            run = _apart(run, mark.x, mark.y, frame)
            for part in _clipped([(mark.x[i], mark.y[i]) for i in run], frame):
                points = thinned([(frame.x(x), frame.y(y)) for x, y in part])
                yield Line(tuple(points), WIDTHS[mark.style], color, dashes)
    elif isinstance(mark, Band):
        axis = frame.figure.y
        for run in runs(mark.x, mark.low, mark.high):
            edges = []
            for side in (mark.low, mark.high):
                kept = _apart(run, mark.x, side, frame)
                ends = ((mark.x[i], min(max(side[i], axis.low), axis.high)) for i in kept)
                edges.append(thinned([(frame.x(x), frame.y(y)) for x, y in ends]))
            yield Area((*edges[0], *reversed(edges[1])), BAND)
    elif isinstance(mark, Bars):
        yield from _bars(mark, frame)
    else:
        yield from _points(mark, frame)


def _bars(mark: Bars, frame: _Frame) -> Iterator[Shape]:
    for start, end, length in zip(mark.start, mark.end, mark.length, strict=True):
        if all(map(math.isfinite, (start, end, length))):
            x, y = ((0.0, length), (start, end)) if mark.sideways else ((start, end), (0.0, length))
            left, right = sorted(map(frame.x, x))
            top, bottom = sorted(map(frame.y, y))
            yield Rect(left, top, right - left, bottom - top, BAND, ACCENT)


def _apart(run: list[int], x: Sequence[float], y: Sequence[float], frame: _Frame) -> list[int]:
    """The places of a long run that differ on paper: at least 0.3 pixels from the one before."""
    if len(run) <= 10 * _MOST_POINTS:
        return run
    axis_x, axis_y = frame.figure.x, frame.figure.y
    across = (frame.right - frame.left) / (axis_x.high - axis_x.low)
    up = (frame.bottom - frame.top) / (axis_y.high - axis_y.low)
    kept = run[:1]
    last_x, last_y = x[run[0]], y[run[0]]
    for i in run[1:-1]:
        if abs(x[i] - last_x) * across + abs(y[i] - last_y) * up > _CLOSE:
            kept.append(i)
            last_x, last_y = x[i], y[i]
    return [*kept, run[-1]]


def _points(mark: Points, frame: _Frame) -> Iterator[Shape]:
    color = COLORS[mark.style]
    for x, y, low, high in zip(mark.x, mark.y, mark.low, mark.high, strict=True):
        if not (math.isfinite(x) and math.isfinite(y) and frame.inside((x, y))):
            continue
        centre = frame.x(x), frame.y(y)
        if math.isfinite(low) and math.isfinite(high):
            yield from _whisker(centre, low, high, frame, color, mark.sideways)
        yield _dot(*centre, mark.style)


def _whisker(
    centre: Pair, low: float, high: float, frame: _Frame, color: str, sideways: bool
) -> Iterator[Shape]:
    """The interval as a line with caps; no cap where it goes on beyond the axes."""
    axis = frame.figure.x if sideways else frame.figure.y
    place = frame.x if sideways else frame.y
    across = centre[1] if sideways else centre[0]

    def line(a: Pair, b: Pair) -> Line:
        points = (a, b) if sideways else (a[::-1], b[::-1])
        return Line(points, 1.4, color)

    start, end = place(max(low, axis.low)), place(min(high, axis.high))
    yield line((start, across), (end, across))
    for value in (low, high):
        if axis.low <= value <= axis.high:
            yield line((place(value), across - 3.5), (place(value), across + 3.5))


def _columns(columns: Columns, frame: _Frame) -> Iterator[Shape]:
    foot, tall = frame.bottom + _STRIP, _STRIP - 14
    most = max((h for h in columns.height if math.isfinite(h)), default=0.0) or 1.0
    thick = columns.thickness(frame.figure.x) * (frame.right - frame.left)
    for x, height in zip(columns.x, columns.height, strict=True):
        if math.isfinite(x) and math.isfinite(height) and height > 0:
            reach = max(tall * height / most, 0.5)
            yield Rect(round(frame.x(x) - thick / 2, 2), foot - reach, thick, reach, QUIET)
    yield Line(((frame.left, foot), (frame.right, foot)), 1, INK)
    yield Text(frame.left - 6, foot - tall + 5, f"{most:,.6g}", _SMALL, "end", color=QUIET)
    yield Text(frame.left - 6, foot + 2, columns.label, _SMALL, "end", color=QUIET)


def _clipped(points: Sequence[Pair], frame: _Frame) -> list[list[Pair]]:
    """The parts of a line that lie within the axes."""
    parts: list[list[Pair]] = [[points[0]]] if frame.inside(points[0]) else []
    for a, b in pairwise(points):
        ends = _kept(a, b, frame)
        if ends is None:
            continue
        start, end = ends
        if not parts or parts[-1][-1] != start:
            parts.append([start])
        parts[-1].append(end)
    return [part if len(part) > 1 else [part[0], part[0]] for part in parts]


def _kept(a: Pair, b: Pair, frame: _Frame) -> tuple[Pair, Pair] | None:
    """The part of a segment within the axes: Liang & Barsky (1984), ACM Trans. Graphics 3:1."""
    if frame.inside(a) and frame.inside(b):
        return a, b
    enters, leaves = 0.0, 1.0
    for start, end, axis in ((a[0], b[0], frame.figure.x), (a[1], b[1], frame.figure.y)):
        move = end - start
        for reach, room in ((-move, start - axis.low), (move, axis.high - start)):
            if reach == 0.0:
                if room < 0.0:
                    return None
            elif reach < 0.0:
                enters = max(enters, room / reach)
            else:
                leaves = min(leaves, room / reach)
    if enters >= leaves:
        return None

    def at(share: float) -> Pair:
        return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])

    return (a if enters == 0.0 else at(enters)), (b if leaves == 1.0 else at(leaves))


def thinned(points: Sequence[Pair]) -> list[Pair]:
    """A line of at most 320 points that keeps within a fraction of a pixel of the given one.

    Points closer than 0.3 pixels to the last one kept are dropped, then Douglas & Peucker's rule
    (1973, Cartographica 10:112) with 0.3 pixels, or more where that leaves too many.
    """
    kept = [points[0]]
    for point in points[1:-1]:
        if math.dist(point, kept[-1]) > _CLOSE:
            kept.append(point)
    if len(points) > 1:
        kept.append(points[-1])
    close = _CLOSE
    found = _simplified(kept, close)
    while len(found) > _MOST_POINTS:
        close *= 1.5
        found = _simplified(found, close)
    return found


def _simplified(points: Sequence[Pair], close: float) -> list[Pair]:
    keep = {0, len(points) - 1}
    open_ends = [(0, len(points) - 1)]
    while open_ends:
        first, last = open_ends.pop()
        (x0, y0), (x1, y1) = points[first], points[last]
        long = math.hypot(x1 - x0, y1 - y0)
        worst, place = close, -1
        for i in range(first + 1, last):
            x, y = points[i]
            away = (
                abs((x1 - x0) * (y0 - y) - (x0 - x) * (y1 - y0)) / long
                if long
                else math.hypot(x - x0, y - y0)
            )
            if away > worst:
                worst, place = away, i
        if place >= 0:
            keep.add(place)
            open_ends += [(first, place), (place, last)]
    return [points[i] for i in sorted(keep)]
