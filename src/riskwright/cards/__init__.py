"""Cards: records rendered as text, Markdown, HTML, pictures and JSON. They never compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal, get_args

from riskwright.core import ParameterError, ScoreCard, json_values
from riskwright.plots.png import to_png
from riskwright.plots.svg import to_svg

from .drawing import card_picture
from .evaluation_page import DecisionSection, evaluation_page
from .html import to_html
from .markdown import to_markdown
from .text import to_text

__all__ = ["FORMATS", "DecisionSection", "Format", "evaluation_page", "render"]

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
    if format not in _RENDERERS:
        raise ParameterError(
            "unknown format", where="format", expected=", ".join(FORMATS), got=repr(format)
        )
    return _RENDERERS[format](card)


def _to_json(card: ScoreCard) -> str:
    return json.dumps(json_values(card), indent=1, ensure_ascii=False) + "\n"


_RENDERERS: dict[str, Callable[[ScoreCard], str | bytes]] = {
    "text": to_text,
    "markdown": to_markdown,
    "html": to_html,
    "svg": lambda card: to_svg(card_picture(card)),
    "png": lambda card: to_png(card_picture(card)),
    "json": _to_json,
}
