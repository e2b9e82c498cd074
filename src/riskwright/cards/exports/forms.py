"""A form of numbered headings as Markdown: every heading, what is known, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from riskwright.cards.markdown import plain

from .known import NOT_PROVIDED, Known

__all__ = ["Heading", "form"]

Heading = tuple[str, str, str | None]
"""Number, name, and the text below; None for a heading that only holds others."""


def form(title: str, about: str, known: Known, headings: Sequence[Heading]) -> str:
    """The form as Markdown; the last section lists the headings without an answer."""
    sheet = known.sheet
    lines = [
        f"# {title}: {plain(sheet.title)}",
        about,
        f"Version {plain(sheet.version or NOT_PROVIDED)}, {plain(sheet.date or NOT_PROVIDED)}. "
        f"Digest of the score: {known.digest()}.",
    ]
    gaps = []
    for number, name, text in headings:
        depth = 2 + number.count(".")
        lines.append(f"{'#' * depth} {number} {name}")
        if text is None:
            continue
        lines.append(plain(text.strip()) if text.strip() else NOT_PROVIDED)
        if not text.strip():
            gaps.append(f"- {number} {name}")
    lines += ["## What is not provided", "\n".join(gaps) if gaps else "Nothing is missing."]
    return "\n\n".join(lines) + "\n"
