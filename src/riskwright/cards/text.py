"""The card as fixed-width text, for a terminal or a letter."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from riskwright.core import ScoreCard

from . import wording

__all__ = ["to_text", "wrapped_lines"]

_WIDTH = 80
_LEFT_WIDTH = 48


def to_text(card: ScoreCard) -> str:
    """The points table, the risk table and the small print, wrapped at 80 columns."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: ScoreCard) -> Iterator[str]:
    yield from wrapped_lines(card.title)
    yield from wrapped_lines(f"Outcome: {card.outcome}")
    yield ""
    rows = [(term.item.label, wording.points(term)) for term in card.terms]
    rows = rows or [(wording.NO_STATEMENT, "")]
    yield from _table(("Add up what is true", "points"), "lr", rows, total=("Total", "="))
    yield ""
    if card.rows:
        yield from _risk_table(card)
        yield ""
    yield from wrapped_lines(wording.formula(card))
    yield from _section("Where it comes from", wording.facts(card)[1:])
    yield from _performance(card)
    yield from _section("What is proved", wording.proof(card.certificate))
    yield "\nLimits of use"
    for text in wording.limits(card):
        yield from wrapped_lines(text, first="  - ")


def _risk_table(card: ScoreCard) -> Iterator[str]:
    head, rows = wording.risk_table(card)
    return _table(head, "r" * len(head), rows)


def _performance(card: ScoreCard) -> Iterator[str]:
    yield "\nHow well it did"
    figures = wording.figures(card)
    if figures:
        yield from ("  " + line for line in _table(("", "value", "interval"), "lrr", figures))
    yield from wrapped_lines(wording.performance_note(card), first="  ")


def _section(title: str, facts: Iterable[wording.Fact]) -> Iterator[str]:
    yield f"\n{title}"
    for fact in facts:
        yield from wrapped_lines(f"{fact.name}: {fact.text}", first="  ")


def _table(
    head: Sequence[str], align: str, rows: Iterable[Sequence[str]], total: Sequence[str] = ()
) -> Iterator[str]:
    """Columns parted by spaces; a long text at the left takes several lines."""
    body = []
    for first, *others in rows:
        parts = textwrap.wrap(" ".join(first.split()), _LEFT_WIDTH) or [""]
        body.append([parts[0], *others])
        body += [[part, *[""] * len(others)] for part in parts[1:]]
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))

    def line(row: Sequence[str]) -> str:
        cells = zip(row, widths, align, strict=True)
        return "  ".join(c.ljust(w) if a == "l" else c.rjust(w) for c, w, a in cells).rstrip()

    yield line(head)
    yield rule
    yield from map(line, body)
    if total:
        yield rule
        yield line(total)


def wrapped_lines(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of 80 columns: `first` opens the first one, `rest` the others (four spaces where the
    first has an opening)."""
    opening = "    " if first else ""
    return textwrap.wrap(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=opening if rest is None else rest,
        break_on_hyphens=False,
    )
