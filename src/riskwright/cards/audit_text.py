"""An audit as Markdown, for pull requests, and as a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from riskwright.core import Finding

from . import audit_words as words
from .audit_appendix import CAPS, appendix_parts
from .audit_blocks import Block, Drawing, Facts, Grid, Items, Part, Tiles, Words
from .audit_fit import Fit
from .audit_front import front_parts, head_facts
from .markdown import plain
from .text import wrapped_lines

if TYPE_CHECKING:
    from riskwright.audit.report import Audit

__all__ = ["audit_markdown", "audit_text"]

_ROOMY = Fit(letters=11.0, tall=1.0, terms=30, totals=40, groups=20, texts=20)
_WORST = 5


def audit_markdown(audit: Audit) -> str:
    """The page of an audit as Markdown: the same parts in the same order.

    A picture is told in words. Lists are cut as on the page, but further, so that the text fits a
    comment; user text is escaped.
    """
    blocks = [f"# {plain(audit.subject.title) or 'Audit of a risk score'}"]
    blocks.append(f"**{plain(words.verdict(audit))}**")
    worst = _shown(audit.findings)
    if worst:
        blocks.append("\n".join(f"- **{_mark(f)}:** {plain(f.sentence)}" for f in worst))
    blocks.append(_block(head_facts(audit)))
    for part in front_parts(audit, _ROOMY):
        blocks += _part(part, "##")
    blocks.append("## Appendix")
    for part in appendix_parts(audit, CAPS[1]):
        blocks += _part(part, "###")
    return "\n\n".join(blocks) + "\n"


def audit_text(audit: Audit) -> str:
    """The verdict, the gravest findings and what did not run, in lines of 80 letters."""
    return "\n".join(_lines(audit)) + "\n"


def _lines(audit: Audit) -> Iterator[str]:
    yield from wrapped_lines(audit.subject.title or "Audit of a risk score")
    yield from wrapped_lines(words.verdict(audit))
    worst = _shown(audit.findings) or words.ranked(audit.findings)[:_WORST]
    if worst:
        yield ""
    for finding in worst:
        yield from wrapped_lines(f"{_mark(finding)} [{finding.code}]: {finding.sentence}", "  ")
    more = len(audit.findings) - len(worst)
    if more > 0:
        yield f"  {words.counted(more, 'more finding', 'more findings')}."
    skipped = words.listed_parts(audit)
    if skipped:
        yield "\nDid not run"
    for name, reason in skipped:
        yield from wrapped_lines(f"{name}: {reason}", "  ")


def _shown(findings: Iterable[Finding]) -> list[Finding]:
    """The first of those to be looked at."""
    ranked = words.ranked(findings)
    return [f for f in ranked if f.passed is False or f.severity in ("high", "medium")][:_WORST]


def _mark(finding: Finding) -> str:
    word = words.SEVERITIES[finding.severity]
    return f"fails the policy, {word}" if finding.passed is False else word


def _part(part: Part, level: str) -> Iterator[str]:
    yield f"{level} {part.number}. {plain(part.title)}"
    for block in part.blocks:
        yield _block(block)


def _block(block: Block) -> str:
    if isinstance(block, Words):
        return plain(block.text)
    if isinstance(block, Drawing):
        return f"*{plain(block.heading or block.title)}.* {plain(block.description)}"
    if isinstance(block, Facts):
        return "\n".join(f"- **{plain(name)}:** {plain(text)}" for name, text in block.pairs)
    if isinstance(block, Tiles):
        return "\n".join(f"- **{plain(v)}** {plain(w)} ({plain(b)})" for v, w, b in block.tiles)
    if isinstance(block, Items):
        marks = [f"{i}." if block.ordered else "-" for i in range(1, len(block.items) + 1)]
        return "\n".join(
            f"{mark} {f'**{plain(word)}** ' if word else ''}{plain(text)}"
            for mark, (word, text) in zip(marks, block.items, strict=True)
        )
    return _grid(block)


def _grid(grid: Grid) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rule = ["--:" if side == "r" else "---" for side in grid.align]
    body = [
        line([f"**{plain(t)}**" if i == 0 and n in grid.bold else plain(t) for i, t in cells])
        for n, cells in enumerate(map(enumerate, grid.rows))
    ]
    table = "\n".join([line(list(map(plain, grid.head))), line(rule), *body])
    parts = (f"**{plain(grid.caption)}**", table, plain(grid.more))
    return "\n\n".join(part for part in parts if part)
