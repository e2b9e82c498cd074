"""Cards: records rendered as text, Markdown, HTML, pictures and JSON. They never compute."""

from __future__ import annotations

import json
from typing import Literal, get_args

from riskwright.core import ParameterError, ScoreCard, json_values

__all__ = ["FORMATS", "Format", "render"]

Format = Literal["text", "markdown", "html", "svg", "png", "json"]
FORMATS: tuple[str, ...] = get_args(Format)


def render(card: ScoreCard, format: Format = "text") -> str | bytes:
    """The card in one of the formats; bytes for "png", text for the others.

    "html" is one page of at most 150 kB that loads nothing and holds a calculator; "svg" and "png"
    are one picture; "json" holds every field, NaN as text. A few milliseconds each; "png" needs
    matplotlib (the extra `plot`).

    Raises
    ------
    ParameterError
        For an unknown format.
    MissingExtraError
        For "png" where matplotlib is not installed.
    """
    if format == "text":
        from .text import to_text

        return to_text(card)
    if format == "markdown":
        from .markdown import to_markdown

        return to_markdown(card)
