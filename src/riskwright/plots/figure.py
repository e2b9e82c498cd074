"""What a display shows, free of any painter: axes, marks in the units of the data, words.

Marks hold the numbers they were given. A NaN is nowhere: lines and bands are cut there, a point
without both ends of its interval has no bar.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

__all__ = ["Axis", "Band", "Bars", "Columns", "Curve", "Figure", "Mark", "Points", "Style", "runs"]

Style = Literal["main", "other", "third", "fourth", "fifth", "rule"]
Pair = tuple[float, float]
_ENDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale from `low` to `high`; `names`, where given, are the texts of the ticks."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    percent: bool = False
    names: tuple[str, ...] = ()

    def tick_labels(self) -> tuple[str, ...]:
        """The texts of the ticks."""
        if self.names:
            return self.names
        scale, sign = (100.0, "%") if self.percent else (1.0, "")
        return tuple(f"{scale * tick:.6g}{sign}".replace("-", MINUS) for tick in self.ticks)

    def sparse(self, every: int) -> list[int]:
        """Places of one tick in `every`, among them that of 0."""
        nil = next((i for i, tick in enumerate(self.ticks) if tick == 0.0), 0)
        return [i for i in range(len(self.ticks)) if (i - nil) % every == 0]

    @classmethod
    def shares(cls, label: str, values: Iterable[float] = (1.0,)) -> Axis:
        """From 0 to the first readable share that no value exceeds."""
        largest = max((value for value in values if math.isfinite(value)), default=1.0)
        high = next((end for end in _ENDS if largest <= end), 1.0)
        return cls(label, 0.0, high, _ticks(0.0, high), percent=True)

    @classmethod
    def over(cls, label: str, values: Iterable[float], *, percent: bool = False) -> Axis:
        """Around all finite values, with a little room at both ends."""
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        size = max(abs(low), abs(high))
        room = 0.06 * (high - low) if high - low > 1e-6 * size else 0.1 * size or 0.1
        low, high = low - room, high + room
        return cls(label, low, high, _ticks(low, high), percent=percent)


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points in order."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    label: str
    style: Style = "main"


@dataclass(frozen=True, slots=True)
class Band:
    """The room between two lines."""

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Points:
    """Points with intervals; along y, or along x where `sideways`."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    label: str
    style: Style = "main"
    sideways: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """Counts in a strip of their own beneath the axes, at the same x."""

    x: tuple[float, ...]
    height: tuple[float, ...]
    label: str

    def thickness(self, axis: Axis) -> float:
        """Of a column, in parts of the axis: narrow enough to leave gaps where that can be seen."""
        places = sorted(x for x in self.x if math.isfinite(x))
        nearest = min((b - a for a, b in pairwise(places) if b > a), default=axis.high - axis.low)
        return min(0.025, max(0.8 * nearest / (axis.high - axis.low), 0.005))


@dataclass(frozen=True, slots=True)
class Bars:
    """Boxes from `start` to `end` along x and from 0 to `length` along y, or the other way round
    where `sideways`."""

    start: tuple[float, ...]
    end: tuple[float, ...]
    length: tuple[float, ...]
    label: str
    sideways: bool = False


Mark = Curve | Band | Bars | Points


@dataclass(frozen=True, slots=True)
class Figure:
    """One pair of axes with its words.

    `notes`, one for each tick of the y axis, are texts at its right; `description` says in words
    what the marks show; `caption` says how many rows there are and what the intervals are.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    caption: str
    columns: Columns | None = None
    notes: tuple[str, ...] = ()

    def keyed(self) -> list[Mark]:
        """Marks of the legend, what matters most first."""
        order = ("main", "other", "third", "fourth", "fifth", "band", "rule")

        def rank(mark: Mark) -> int:
            return order.index("band" if isinstance(mark, Band | Bars) else mark.style)

        return sorted((mark for mark in self.marks if mark.label), key=rank)


def runs(*series: Sequence[float]) -> list[list[int]]:
    """Places where every series is finite, in stretches without a gap."""
    if all(all(map(math.isfinite, values)) for values in series):
        return [list(range(len(series[0])))] if len(series[0]) else []
    found: list[list[int]] = [[]]
    for place, values in enumerate(zip(*series, strict=True)):
        if all(map(math.isfinite, values)):
            found[-1].append(place)
        elif found[-1]:
            found.append([])
    return [run for run in found if run]


def _ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten within the axis, about as many as asked."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= 0.8 * raw)
    first, last = math.ceil(low / step), math.floor(high / step + 1e-9)
    return tuple(float(f"{k * step:.12g}") for k in range(first, last + 1))
