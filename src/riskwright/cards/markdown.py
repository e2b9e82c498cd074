"""The card as Markdown: tables that read well as plain text too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from riskwright.core import ScoreCard

from . import wording

__all__ = ["markdown_table", "plain", "to_markdown"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def to_markdown(card: ScoreCard) -> str:
    """Headings, the points table, the risk table and the small print; user text is escaped."""
    blocks = [
        f"# {plain(card.title)}",
        f"**Outcome:** {plain(card.outcome)}",
        markdown_table(
            ("", "Statement", "Points"),
            "rlr",
            [(f"{i}.", t.item.label, wording.points(t)) for i, t in enumerate(card.terms, 1)]
            or [("", wording.NO_STATEMENT, "")],
        ),
        "Add the points of the statements that are true. Read the meaning of the total below.",
    ]
    if card.rows:
        head, rows = wording.risk_table(card)
        blocks.append(markdown_table(head, "r" * len(head), rows))
    blocks.append(plain(wording.formula(card)))
    blocks += ["## Where it comes from", _facts(wording.facts(card))]
    blocks.append("## How well it did")
    figures = wording.figures(card)
    if figures:
        blocks.append(markdown_table(("Figure", "Value", "Interval"), "lrr", figures))
    blocks.append(plain(wording.performance_note(card)))
    blocks += ["## What is proved", _facts(wording.proof(card.certificate))]
    blocks += ["## Limits of use", "\n".join(f"- {plain(text)}" for text in wording.limits(card))]
    return "\n\n".join(blocks) + "\n"


def _facts(facts: Iterable[wording.Fact]) -> str:
    return "\n".join(f"- **{plain(fact.name)}:** {plain(fact.text)}" for fact in facts)


def markdown_table(head: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    cells = [tuple(map(plain, row)) for row in rows]
    widths = [max(3, *(len(row[i]) for row in [head, *cells])) for i in range(len(head))]
    rule = [
        "-" * width if side == "l" else "-" * (width - 1) + ":"
        for width, side in zip(widths, align, strict=True)
    ]
    padded = [
        [
            cell.ljust(width) if side == "l" else cell.rjust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
        ]
        for row in [tuple(head), *cells]
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [padded[0], rule, *padded[1:]])


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
