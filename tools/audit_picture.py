"""Draws the main parts of an audit page as one picture, for the documentation."""

from __future__ import annotations

import html
import re

from riskwright.audit import Audit
from riskwright.cards import audit_page
from riskwright.plots.shapes import INK, PAPER, Picture, Rect, Shape, Text, wrapped
from riskwright.plots.svg import to_svg

__all__ = ["audit_picture"]

_WIDTH, _EDGE, _GAP = 880.0, 20.0, 28.0
_INNER = _WIDTH - 2 * _EDGE
_HALF = (_INNER - _GAP) / 2


def audit_picture(audit: Audit) -> str:
    """SVG of the verdict, the gravest findings and three displays, as the page has them."""
    page = audit_page(audit)
    shapes: list[Shape] = [Text(_EDGE, 38, _words(r"<h1[^>]*>(.*?)</h1>", page), 24, bold=True)]
    shapes.append(Rect(_EDGE, 52, _INNER, 34, INK))
    verdict = _words(r"</span>([^<]*)</p>", page)
    shapes.append(Text(_EDGE + 12, 74, verdict, 15, bold=True, color=PAPER))
    y = 96.0
    for finding in re.findall(r"<li>(<strong.*?)</li>", page)[:3]:
        y = _written(shapes, "■ " + _words(r"</strong>(.*)", finding), _EDGE, y, _INNER)
    foot, groups = _part(shapes, page, "groups", _EDGE, y + 16, _INNER)
    places = (("multiplicity", _EDGE), ("recourse", _EDGE + _HALF + _GAP))
    lower = [_part(shapes, page, name, x, foot + 14, _HALF) for name, x in places]
    height = max(end for end, _ in lower) + 12
    title, text = "Part of an audit page", f"{verdict} Groups, equally good scores, recourse."
    paper = Rect(0, 0, _WIDTH, height, PAPER)
    whole = to_svg(Picture(_WIDTH, height, (paper, *shapes), title, text))
    inside = "".join([groups, *(drawing for _, drawing in lower)])
    return whole.removesuffix("</svg>\n") + inside + "</svg>\n"


def _part(
    shapes: list[Shape], page: str, name: str, x: float, y: float, width: float
) -> tuple[float, str]:
    """Heading and words of a section as shapes; where it ends, and its drawing put in place."""
    found = re.search(rf'<section[^>]*aria-labelledby="{name}">(.*?)</section>', page, re.S)
    assert found, name
    section = found[1]
    shapes.append(Rect(x, y, width, 2, INK))
    shapes.append(Text(x, y + 22, _words(r"<h2[^>]*>(.*?)</h2>", section), 16, bold=True))
    y += 28
    before, drawing, _ = re.split(r"(<svg.*?</svg>)", section, maxsplit=1, flags=re.S)
    for words in re.findall(r"<p[^>]*>(.*?)</p>", before, re.S):
        y = _written(shapes, _plain(words), x, y, width)
    box = re.search(r'viewBox="0 0 (\S+) (\S+)"', drawing)
    assert box, name
    height = width * float(box[2]) / float(box[1])
    size = f' x="{x:g}" y="{y + 8:g}" width="{width:g}" height="{height:.1f}"'
    drawing = re.sub(r' width="[^"]*" height="[^"]*"', size, drawing, count=1)
    return y + 8 + height, drawing + "\n"


def _written(shapes: list[Shape], text: str, x: float, y: float, width: float) -> float:
    """Put lines of words below y; where they end."""
    for line in wrapped(text, width, 12.5):
        y += 17
        shapes.append(Text(x, y, line, 12.5))
    return y + 3


def _words(pattern: str, page: str) -> str:
    found = re.search(pattern, page, re.S)
    assert found, pattern
    return _plain(found[1])


def _plain(text: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]+>", "", text).split()))
