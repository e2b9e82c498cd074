"""`render_document`: a document as a printable page, Markdown, plain text or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Literal, get_args

from riskwright.core import ParameterError, json_values
from riskwright.core.artifacts import SCHEMA_VERSION

from .document_outlines import outline_of
from .documents import Document
from .markdown import markdown_table, plain
from .outline import Facts, Grid, Items, Words
from .pages import page_template
from .text import wrapped_lines

__all__ = ["DOCUMENT_FORMATS", "DocumentFormat", "render_document"]

DocumentFormat = Literal["html", "md", "json", "txt"]
DOCUMENT_FORMATS: tuple[str, ...] = get_args(DocumentFormat)
_WIDTH = 80


def render_document(card: Document, format: DocumentFormat = "html") -> str:
    """A document in one of the formats; every format but "json" says the same.

    "html" is one page that loads nothing, has no script, prints on A4 (print it to a file for a
    PDF) and reads in black and white; all text is escaped. "md" is Markdown, "txt" text of 80
    columns, "json" every field, with kind and schema version.

    Raises
    ------
    ParameterError : for an unknown format, or what is no document.

    Examples
    --------
    >>> from riskwright.cards.risk_card import RiskCard
    >>> card = RiskCard(id="x", title="Tells secrets", hazard="prv", description="It tells.")
    >>> print(render_document(card, "md").splitlines()[0])
    # Tells secrets
    """
    if format not in _VIEWS:
        raise ParameterError(
            "unknown format",
            where="format",
            expected=", ".join(DOCUMENT_FORMATS),
            got=repr(format)[:40],
        )
    return _VIEWS[format](card)


def _html(card: Document) -> str:
    outline = outline_of(card)
    return page_template("document.html").render(
        outline=outline, kinds={Facts: "facts", Items: "items", Grid: "grid", Words: "words"}
    )


def _markdown(card: Document) -> str:
    outline = outline_of(card)
    blocks = [f"# {plain(outline.title)}", f"**{outline.kind}.** {plain(outline.lead)}"]
    for section in outline.sections:
        blocks.append(f"## {plain(section.title)}")
        for block in section.blocks:
            blocks += _markdown_blocks(block)
    blocks += ["---", "\n".join(f"- {plain(n)}: {plain(text)}" for n, text in outline.foot)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _markdown_blocks(block: Facts | Items | Grid | Words) -> list[str]:
    if isinstance(block, Words):
        return [f"**{plain(block.text)}**" if block.strong else plain(block.text)]
    if isinstance(block, Facts):
        return ["\n".join(f"- **{plain(name)}:** {plain(text)}" for name, text in block.rows)]
    if isinstance(block, Items):
        marks = (f"{i}." if block.numbered else "-" for i in range(1, len(block.rows) + 1))
        return ["\n".join(f"{mark} {plain(t)}" for mark, t in zip(marks, block.rows, strict=True))]
    return [markdown_table(block.head, block.align, block.rows), plain(block.note)]


def _text(card: Document) -> str:
    outline = outline_of(card)
    lines = [*_wrapped(outline.title), *_wrapped(f"{outline.kind}. {outline.lead}")]
    for section in outline.sections:
        lines += ["", section.title, "─" * min(len(section.title), _WIDTH)]
        for block in section.blocks:
            lines += _text_lines(block)
    lines += ["", "─" * _WIDTH]
    for name, text in outline.foot:
        lines += _wrapped(f"{name}: {text}")
    return "\n".join(lines) + "\n"


def _text_lines(block: Facts | Items | Grid | Words) -> Iterator[str]:
    if isinstance(block, Words):
        yield from _wrapped(block.text)
    elif isinstance(block, Facts):
        for name, text in block.rows:
            yield from _wrapped(f"{name}: {text}", "  ")
    elif isinstance(block, Items):
        for place, text in enumerate(block.rows, 1):
            yield from _wrapped(text, f"  {place}. " if block.numbered else "  - ")
    else:
        for row in block.rows:
            first, *rest = (cell.strip() for cell in row)
            names = block.head[1:]
            if not block.head[0]:
                first, rest, names = f"{first} {rest[0]}", rest[1:], names[1:]
            yield from _wrapped(first, "  ")
            told = (f"{name}: {cell}".lstrip(": ") for name, cell in zip(names, rest, strict=True))
            cells = [text for text, cell in zip(told, rest, strict=True) if cell]
            yield from _wrapped("; ".join(cells), "      ")
        if block.note:
            yield from _wrapped(block.note, "  ")


def _wrapped(text: str, first: str = "") -> list[str]:
    return wrapped_lines(text, first, " " * (len(first) + 2) if first else "")


def _json(card: Document) -> str:
    outline_of(card)
    whole = {"kind": card.kind, "schema_version": SCHEMA_VERSION, "card": json_values(card)}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_VIEWS: dict[str, Callable[[Document], str]] = {
    "html": _html,
    "md": _markdown,
    "json": _json,
    "txt": _text,
}
