"""The size of letters at which a card's page fits one printed sheet of A4."""

from __future__ import annotations

from collections.abc import Sequence

from riskwright.core import ScoreCard
from riskwright.plots.shapes import wrapped

from . import wording

__all__ = ["DENSE", "print_size"]

DENSE = 10.0  # from this size down, in pixels, lines stand closer
_SIZES = tuple(12.0 - 0.5 * step for step in range(13))
_HEIGHT, _WIDTH = 1020.0, 700.0  # of A4 within the margins of the style sheet, at 96 dpi
_GAP = 15.0
_NARROWER = 0.9  # width of the faces of the page, in parts of those that `wrapped` reckons with


def print_size(card: ScoreCard, rows_per_band: int, chart: tuple[int, int], wide: bool) -> float:
    """The largest of some sizes of letters, in pixels, at which the page should fit a sheet.

    `rows_per_band` is the height of the risk table, `chart` the size of the picture, which stands
    below the table where the layout is `wide`, else beside it.
    """
    for size in _SIZES:
        page = _Page(size)
        blocks = [
            page.lines(card.title, _WIDTH, 1.9) + page.lines(card.outcome, _WIDTH, 1.0),
            page.statements(card),
            *page.meaning(rows_per_band, chart, wide),
            page.small_print(card),
        ]
        if sum(blocks) + _GAP * (len(blocks) - 1) <= _HEIGHT:
            return size
    return _SIZES[-1]


class _Page:
    """Heights of the parts of the page, in pixels; the factors are those of the style sheet."""

    def __init__(self, size: float) -> None:
        self.size = size
        dense = size <= DENSE
        self.leading = 1.25 if dense else 1.4
        self.heading = (0.95 * self.leading + 0.4) * size
        self.head = (0.8 * self.leading + 0.3) * size + 2
        self.padding = 2.0 if dense else 0.6 * size
        self.narrow_padding = 2.0 if dense else 0.32 * size

    def lines(self, text: str, width: float, factor: float) -> float:
        size = self.size * factor
        return len(wrapped(text, width / _NARROWER, size)) * size * self.leading

    def statements(self, card: ScoreCard) -> float:
        rows = [
            max(1.6 * self.size, self.lines(term.item.label, _WIDTH - 11 * self.size, 1.02))
            for term in card.terms
        ] or [1.6 * self.size]
        total = 2.6 * self.size
        return self.heading + self.head + sum(rows) + len(rows) * (self.padding + 1) + total

    def meaning(self, rows: int, chart: tuple[int, int], wide: bool) -> list[float]:
        row = 0.86 * self.leading * self.size + self.narrow_padding + 1
        table = self.heading + self.head + rows * row + 1.65 * self.size
        width = _WIDTH if wide else _WIDTH / 2 - 12
        picture = self.heading + width * chart[1] / chart[0]
        return [table, picture] if wide else [max(table, picture)]

    def small_print(self, card: ScoreCard) -> float:
        width = _WIDTH / 3 - 16
        figures = [name for name, _, _ in wording.figures(card)]
        notes = [wording.performance_note(card), *wording.limits(card)]
        middle = (
            2 * self.heading
            + self.head * bool(figures)
            + sum(self.lines(name, width - 11 * self.size, 0.8) + 5 for name in figures)
            + sum(self.lines(text, width - 1.1 * self.size, 0.8) for text in notes)
            + 1.15 * self.size
        )
        sides = (wording.facts(card)[1:], wording.proof(card.certificate))
        return max(middle, *(self.heading + self._facts(facts, width) for facts in sides))

    def _facts(self, facts: Sequence[wording.Fact], width: float) -> float:
        texts = (f"{fact.name}: {fact.text}" for fact in facts)
        return sum(self.lines(text, width, 0.8) + 0.22 * self.size for text in texts)
