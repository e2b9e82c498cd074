"""Pictures as lists of shapes, painted as SVG or through matplotlib.

Lengths are in pixels of 1/96 inch, y grows downwards.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

__all__ = [
    "ACCENT",
    "BAND",
    "INK",
    "PAPER",
    "QUIET",
    "RULE",
    "SECOND",
    "SHADE",
    "Area",
    "Dot",
    "Line",
    "Picture",
    "Rect",
    "Shape",
    "Text",
    "elided",
    "shortened",
    "text_width",
    "wrapped",
]

INK, QUIET, RULE, SHADE, PAPER = "#111111", "#555555", "#999999", "#e6e6e6", "#ffffff"
ACCENT, SECOND, BAND = "#0b4f8a", "#a63603", "#cfdeec"  # told apart by any eye, and by shade
_MOST = 300
_NARROW, _BROAD = frozenset(" fijlrtI.,:;'|!()[]-"), frozenset("mwMW%@≥≤×−+=<>&")


@dataclass(frozen=True, slots=True)
class Text:
    x: float
    y: float
    text: str
    size: float
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False
    color: str = INK


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline; `dashes` are the lengths of its dashes and gaps."""

    points: tuple[tuple[float, float], ...]
    width: float = 1.0
    color: str = INK
    dashes: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """A filled polygon."""

    points: tuple[tuple[float, float], ...]
    fill: str
    edge: str | None = None


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    fill: str
    edge: str | None = None


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    radius: float
    filled: bool = True
    color: str = INK


Shape = Text | Line | Area | Rect | Dot


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes on paper, with a title and a description for those who cannot see them."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    title: str
    description: str


def wrapped(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """`text` on lines that fit `width` in common sans-serif faces; long words are cut."""
    lines, line = [], ""
    for word in " ".join(text.split()).split(" "):
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, bold) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while text_width(word, size, bold) > width:
            kept = max(1, int(len(word) * width / text_width(word, size, bold)) - 1)
            lines.append(word[:kept])
            word = word[kept:]
        line = word
    return [*lines, line]


def shortened(text: str, most: int) -> str:
    """`text` on one line of at most `most` letters: the middle goes first, since names that begin
    alike ("region = north", "region = south") differ at their ends."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    last = (most - 1) // 2
    return f"{text[: most - 1 - last].rstrip()}…{text[len(text) - last :].lstrip()}"


def elided(text: str, fits: Callable[[str], bool]) -> str:
    """The longest `shortened` text that fits, of at most 300 letters."""
    text = shortened(text, _MOST)
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(shortened(text, middle)) else (low, middle - 1)
    return shortened(text, low)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of `text` in pixels, erring on the broad side."""
    return sum(map(_breadth, text)) * size * (1.12 if bold else 1.0)


@cache
def _breadth(letter: str) -> float:
    """Width of a letter in parts of its size, in a broad face such as DejaVu Sans."""
    if unicodedata.combining(letter) or unicodedata.category(letter) == "Cf":
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF" or letter in _BROAD:
        return 1.0
    if letter in _NARROW:
        return 0.4
    return 0.75 if letter.isupper() else 0.64
