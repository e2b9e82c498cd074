"""Pictures as PNG, painted by matplotlib (the extra `plot`)."""

from __future__ import annotations

import io
import warnings
from typing import Any

from riskwright.core import MissingExtraError

from .shapes import PAPER, Area, Dot, Line, Picture, Rect

__all__ = ["to_png"]

_DPI = 192
_POINTS_PER_PIXEL = 0.75


def to_png(picture: Picture) -> bytes:
    """PNG at 192 dots per inch, twice the pixels of the layout.

    Raises
    ------
    MissingExtraError
        Where matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            "PNG needs matplotlib", hint="Run: pip install 'riskwright[plot]'; or choose svg"
        ) from None
    figure = Figure(figsize=(picture.width / 96, picture.height / 96), dpi=_DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, picture.width), ylim=(picture.height, 0))
    axes.set_axis_off()
    for order, shape in enumerate(picture.shapes):
        _paint(axes, shape, order)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph"
        )  # a box stands for letters without a face
        figure.savefig(buffer, format="png", metadata={"Title": picture.title, "Software": None})
    return buffer.getvalue()


def _paint(axes: Any, shape: Any, order: int) -> None:
    from matplotlib.patches import Circle, Polygon, Rectangle

    if isinstance(shape, Line):
        x, y = zip(*shape.points, strict=True)
        width = shape.width * _POINTS_PER_PIXEL
        dashes = (0, [d / shape.width for d in shape.dashes]) if shape.dashes else "solid"
        axes.plot(
            x,
            y,
            color=shape.color,
            linewidth=width,
            linestyle=dashes,
            zorder=order,
            clip_on=False,
        )
    elif isinstance(shape, Area):
        edge, width = shape.edge or "none", 1.5 * _POINTS_PER_PIXEL
        axes.add_patch(
            Polygon(shape.points, facecolor=shape.fill, edgecolor=edge, lw=width, zorder=order)
        )
    elif isinstance(shape, Rect):
        corner = (shape.x, shape.y)
        axes.add_patch(
            Rectangle(
                corner,
                shape.width,
                shape.height,
                facecolor=shape.fill,
                edgecolor=shape.edge or "none",
                linewidth=_POINTS_PER_PIXEL,
                zorder=order,
            )
        )
    elif isinstance(shape, Dot):
        fill = shape.color if shape.filled else PAPER
        axes.add_patch(
            Circle(
                (shape.x, shape.y),
                shape.radius,
                facecolor=fill,
                edgecolor=shape.color,
                linewidth=1.5 * _POINTS_PER_PIXEL,
                zorder=order,
            )
        )
    else:
        axes.text(
            shape.x,
            shape.y,
            shape.text,
            fontsize=shape.size * _POINTS_PER_PIXEL,
            fontweight="bold" if shape.bold else "normal",
            color=shape.color,
            horizontalalignment={"start": "left", "middle": "center", "end": "right"}[shape.anchor],
            verticalalignment="baseline",
            parse_math=False,
            zorder=order,
        )
