"""Pictures as SVG text."""

from __future__ import annotations

from html import escape

from .shapes import PAPER, Area, Dot, Line, Picture, Rect, Shape

__all__ = ["to_svg"]

_FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def to_svg(picture: Picture, *, name: str = "picture", standalone: bool = True) -> str:
    """SVG that needs no other file; `name` is the prefix of its identifiers within a page."""
    space = ' xmlns="http://www.w3.org/2000/svg"' if standalone else ""
    size = f'viewBox="0 0 {picture.width:g} {picture.height:g}"'
    if standalone:
        size += f' width="{picture.width:g}" height="{picture.height:g}"'
    head = (
        f'<svg{space} {size} role="img" aria-labelledby="{name}-title {name}-text" '
        f'font-family="{_FONT}">\n'
        f'<title id="{name}-title">{_text(picture.title)}</title>\n'
        f'<desc id="{name}-text">{_text(picture.description)}</desc>\n'
    )
    return head + "\n".join(map(_element, picture.shapes)) + "\n</svg>\n"


def _element(shape: Shape) -> str:
    if isinstance(shape, Line):
        dashes = f' stroke-dasharray="{" ".join(map(_n, shape.dashes))}"' if shape.dashes else ""
        return (
            f'<polyline points="{_points(shape.points)}" fill="none" stroke="{shape.color}" '
            f'stroke-width="{_n(shape.width)}"{dashes}/>'
        )
    if isinstance(shape, Area):
        edge = f' stroke="{shape.edge}" stroke-width="1.5"' if shape.edge else ""
        return f'<polygon points="{_points(shape.points)}" fill="{shape.fill}"{edge}/>'
    if isinstance(shape, Rect):
        edge = f' stroke="{shape.edge}"' if shape.edge else ""
        return (
            f'<rect x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" '
            f'height="{_n(shape.height)}" fill="{shape.fill}"{edge}/>'
        )
    if isinstance(shape, Dot):
        fill = shape.color if shape.filled else PAPER
        return (
            f'<circle cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}" '
            f'fill="{fill}" stroke="{shape.color}" stroke-width="1.5"/>'
        )
    anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
    weight = ' font-weight="bold"' if shape.bold else ""
    return (
        f'<text x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}" '
        f'fill="{shape.color}"{anchor}{weight}>{_text(shape.text)}</text>'
    )


def _points(points: tuple[tuple[float, float], ...]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    """Escaped, without the control characters that XML cannot hold."""
    return escape("".join(c if c >= " " and c not in "\ufffe\uffff" else " " for c in text))
