"""How much the first sheet of an audit holds, and in letters of which size, to fit one A4 page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from riskwright.plots.shapes import text_width, wrapped

from .audit_blocks import Block, Drawing, Facts, Grid, Items, Part, Tiles, Words

__all__ = ["Fit", "Head", "Sheet", "fitted", "sheet_height", "title_factor"]

_HEIGHT, _WIDTH, _GAP = 1030.0, 703.0, 14.0  # of A4 within the margins, at 96 dpi
_NARROWER = 0.9  # width of the faces of the page, in parts of those that `wrapped` reckons with
_LEADING = 1.25
_SPREAD = 250.0  # more room than this is left blank at the foot of the page


@dataclass(frozen=True, slots=True)
class Fit:
    """Size of letters in pixels, size of pictures, and how much of each list is shown.

    `extra` is room, in pixels of the sheet, that pictures of the parts so named may fill; `spread`
    says whether the rows stand apart so that they fill the page.
    """

    letters: float
    tall: float
    terms: int
    totals: int
    groups: int
    texts: int
    extra: dict[str, float] = field(default_factory=dict)
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the parts: title, verdict, the gravest findings, facts."""

    title: str
    verdict: str
    worst: tuple[str, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Sheet:
    head: Head
    parts: tuple[Part, ...]


_FITS = (
    Fit(11.0, 1.0, 10, 12, 12, 5),
    Fit(10.5, 1.0, 10, 11, 11, 5),
    Fit(10.0, 1.0, 10, 10, 10, 5),
    Fit(10.0, 0.9, 10, 10, 10, 5),
    Fit(9.5, 0.9, 9, 9, 9, 4),
    Fit(9.5, 0.85, 8, 8, 8, 4),
    Fit(9.0, 0.85, 8, 8, 8, 4),
    Fit(9.0, 0.8, 7, 6, 7, 4),
    Fit(8.5, 0.8, 7, 6, 6, 3),
    Fit(8.0, 0.75, 5, 5, 5, 3),
    Fit(7.5, 0.75, 5, 4, 4, 2),
    Fit(7.0, 0.7, 4, 3, 3, 2),
)


def fitted(make: Callable[[Fit], Sheet]) -> tuple[Sheet, Fit]:
    """The most readable sheet that should fit one page; the smallest where none does.

    Room that is left in a row and on the page goes to the pictures.
    """
    for fit in _FITS:
        sheet = make(fit)
        left = _HEIGHT - sheet_height(sheet, fit.letters)
        if left >= 0:
            extra = _extra(sheet, fit.letters, left)
            roomy = replace(fit, extra=extra, spread=left < _SPREAD)
            return make(roomy), roomy
    return sheet, fit


def sheet_height(sheet: Sheet, letters: float) -> float:
    """Height in pixels at a size of letters; the factors are those of the style sheet."""
    page = _Page(letters)
    heights = [max(page.part(part) for part in row) for row in _rows(sheet)]
    return page.head(sheet.head) + sum(heights) + 0.85 * letters * len(heights)


def _rows(sheet: Sheet) -> list[list[Part]]:
    """Parts that stand side by side."""
    rows: list[list[Part]] = [[]]
    for part in sheet.parts:
        if sum(p.span for p in rows[-1]) + part.span > 12:
            rows.append([])
        rows[-1].append(part)
    return rows


def _extra(sheet: Sheet, letters: float, left: float) -> dict[str, float]:
    """What each picture may grow: to the height of its row, and by its share of what is left."""
    page = _Page(letters)
    rows = [row for row in _rows(sheet) if any(_pictured(part) for part in row)]
    share = 0.8 * min(left, 40.0 * len(rows)) / max(len(rows), 1)
    found: dict[str, float] = {}
    for row in rows:
        tallest = max(page.part(part) for part in row)
        found |= {part.name: tallest - page.part(part) + share for part in row if _pictured(part)}
    return found


def _pictured(part: Part) -> bool:
    return any(isinstance(block, Drawing) for block in part.blocks)


class _Page:
    def __init__(self, letters: float) -> None:
        self.letters = letters

    def lines(self, text: str, width: float, factor: float = 1.0, *, bold: bool = False) -> float:
        size = self.letters * factor
        return len(wrapped(text, width / _NARROWER, size, bold=bold)) * size * _LEADING

    def head(self, head: Head) -> float:
        size = self.letters
        title = self.lines(head.title, _WIDTH, title_factor(head.title), bold=True)
        verdict = self.lines(head.verdict, _WIDTH - 2 * size, 1.2, bold=True) + 0.8 * size
        worst = sum(self.lines(text, _WIDTH - 2 * size) + 0.15 * size for text in head.worst)
        return title + verdict + worst + self.block(head.facts, _WIDTH) + 1.6 * size

    def part(self, part: Part) -> float:
        width = (_WIDTH - 11 * _GAP) / 12 * part.span + _GAP * (part.span - 1)
        heading = self.lines(f"{part.number} {part.title}", width, 1.1, bold=True)
        blocks = sum(self.block(block, width) + 0.3 * self.letters for block in part.blocks)
        return heading + 0.55 * self.letters + blocks

    def block(self, block: Block, width: float) -> float:
        if isinstance(block, Words):
            return self.lines(block.text, width, 0.86 if block.tone == "quiet" else 1.0)
        if isinstance(block, Drawing):
            return block.height / block.width * width
        if isinstance(block, Items):
            inner = width - 1.3 * self.letters
            texts = (f"{mark} {text}".strip() for mark, text in block.items)
            return sum(self.lines(text, inner) + 0.2 * self.letters for text in texts)
        if isinstance(block, Tiles):
            return self._tiles(block, width)
        if isinstance(block, Facts):
            return self._facts(block, width)
        return self._grid(block, width)

    def _facts(self, facts: Facts, width: float) -> float:
        inner = (width - _GAP * (facts.columns - 1)) / facts.columns
        heights = [
            self.lines(f"{name}: {text}", inner - 0.1 * self.letters) + 0.18 * self.letters
            for name, text in facts.pairs
        ]
        rows = range(0, len(heights), facts.columns)
        return sum(max(heights[i : i + facts.columns]) for i in rows)

    def _tiles(self, tiles: Tiles, width: float) -> float:
        inner = (width - 12) / len(tiles.tiles) - 0.6 * self.letters
        low = max(
            self.lines(what, inner, 0.82) + self.lines(bounds, inner, 0.82)
            for _, what, bounds in tiles.tiles
        )
        return low + (1.7 * _LEADING + 0.6) * self.letters

    def _grid(self, grid: Grid, width: float) -> float:
        size = 0.9 * self.letters
        widths = _column_widths(grid, width, size)
        cells = [grid.head, *grid.rows]
        rows = [
            max(self.lines(t, w, 0.9) for t, w in zip(row, widths, strict=True)) for row in cells
        ]
        more = self.lines(grid.more, width, 0.86) if grid.more else 0.0
        caption = self.lines(grid.caption, width, 0.9, bold=True)
        return caption + sum(rows) + (0.26 * self.letters + 1) * len(rows) + more


def _column_widths(grid: Grid, width: float, size: float) -> list[float]:
    """Narrow columns take what they need, the first what is left."""
    needed = [
        max(text_width(row[i], size, bold=row is grid.head) for row in [grid.head, *grid.rows])
        * _NARROWER
        + 0.9 * size
        for i in range(len(grid.head))
    ]
    left = width - sum(needed[1:])
    if left >= min(needed[0], 6 * size):
        return [left - 0.9 * size, *(w for w in needed[1:])]
    scale = width / sum(needed)
    return [max(w * scale - 0.9 * size, 2 * size) for w in needed]


def title_factor(title: str) -> float:
    """Size of the title in letters of the page: a long one is set smaller."""
    return 1.9 if len(title) <= 50 else 1.5 if len(title) <= 110 else 1.2
