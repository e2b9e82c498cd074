"""What a page of an audit is made of: numbered parts of few kinds of blocks, free of any format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Block", "Drawing", "Facts", "Grid", "Items", "Part", "Tiles", "Words"]


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph; `tone` is how loud it speaks."""

    text: str
    tone: Literal["plain", "lead", "quiet"] = "plain"
    kind: Literal["words"] = "words"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and texts, in as many columns where there is room."""

    pairs: tuple[tuple[str, str], ...]
    columns: int = 1
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True, slots=True)
class Items:
    """Texts one below the other, each with a word that marks it or none."""

    items: tuple[tuple[str, str], ...]
    ordered: bool = False
    kind: Literal["items"] = "items"


@dataclass(frozen=True, slots=True)
class Tiles:
    """Few large figures, each with what it counts and its interval."""

    tiles: tuple[tuple[str, str, str], ...]
    kind: Literal["tiles"] = "tiles"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the first cell of a row names it; `align` has l, r, w (long words) or
    c (a dotted code) per column.

    `more` says what the table leaves out, `bold` names rows that stand out.
    """

    caption: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    align: str
    more: str = ""
    bold: frozenset[int] = frozenset()
    kind: Literal["grid"] = "grid"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture as SVG of a size in pixels, its name and what it says in words; `heading` is what
    stands above it, where the picture does not stand alone."""

    svg: str
    width: float
    height: float
    title: str
    description: str
    heading: str = ""
    kind: Literal["drawing"] = "drawing"


Block = Words | Facts | Items | Tiles | Grid | Drawing


@dataclass(frozen=True, slots=True)
class Part:
    """A numbered part of the page; `span` of twelve columns wide on paper, `name` its anchor."""

    number: str
    title: str
    name: str
    blocks: tuple[Block, ...]
    span: int = 12
