"""A figure drawn on matplotlib's axes (the extra `plot`)."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from riskwright.core import MissingExtraError

from .figure import Band, Bars, Columns, Curve, Figure, Mark
from .layout import COLORS, DASHES, WIDTHS
from .shapes import ACCENT, BAND, PAPER, QUIET

__all__ = ["draw"]

_CAPTION = 62  # letters in a line
_MARKERS = {"main": "o", "other": "D", "rule": "s"}


def draw(figure: Figure, ax: Any = None) -> Any:
    """The figure on `ax`, or on axes of a new figure; returns the axes.

    Raises
    ------
    MissingExtraError : where no axes are given and matplotlib is not installed.
    """
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError:
            raise MissingExtraError(
                "plot needs matplotlib",
                hint="Run: pip install 'riskwright[plot]'; or use to_svg, which needs nothing",
            ) from None
        _, ax = pyplot.subplots(figsize=(5.2, 5.2), layout="constrained")
    for mark in figure.marks:
        _mark(ax, mark)
    _scales(ax, figure)
    ax.set_title(figure.title, loc="left", parse_math=False)
    drawn = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    keyed = [mark.label for mark in figure.keyed()]
    if keyed:
        ax.legend([drawn[label] for label in keyed], keyed, fontsize="small", framealpha=0.9)
    return ax


def _mark(ax: Any, mark: Mark) -> None:
    if isinstance(mark, Band):
        ax.fill_between(
            mark.x, mark.low, mark.high, color=BAND, linewidth=0, label=mark.label, zorder=1
        )
        return
    if isinstance(mark, Bars):
        _boxes(ax, mark)
        return
    label, color = mark.label or "_", COLORS[mark.style]
    if isinstance(mark, Curve):
        dashes = DASHES[mark.style]
        style = (0, [d / WIDTHS[mark.style] for d in dashes]) if dashes else "solid"
        width = 0.75 * WIDTHS[mark.style]
        ax.plot(
            mark.x, mark.y, color=color, linestyle=style, linewidth=width, label=label, zorder=2
        )
        return
    centre = mark.x if mark.sideways else mark.y
    below = [c - low for c, low in zip(centre, mark.low, strict=True)]
    above = [high - c for c, high in zip(centre, mark.high, strict=True)]
    ax.errorbar(
        mark.x,
        mark.y,
        **{"xerr" if mark.sideways else "yerr": _bars(below, above)},
        fmt=_MARKERS.get(mark.style, "D"),
        color=color,
        markerfacecolor=color if mark.style == "main" else PAPER,
        markersize=5,
        elinewidth=1,
        capsize=2.5,
        label=label,
        zorder=3,
    )


def _boxes(ax: Any, mark: Bars) -> None:
    thick = [end - start for start, end in zip(mark.start, mark.end, strict=True)]
    look = {"color": BAND, "edgecolor": ACCENT, "label": mark.label or "_", "zorder": 1}
    if mark.sideways:
        ax.barh(mark.start, mark.length, height=thick, align="edge", **look)
    else:
        ax.bar(mark.start, mark.length, width=thick, align="edge", **look)


def _bars(below: list[float], above: list[float]) -> list[list[float]]:
    """Lengths of bars; none (NaN) where an end is unknown, never below 0 by rounding."""
    nan = float("nan")
    both = [(b, a) if b == b and a == a else (nan, nan) for b, a in zip(below, above, strict=True)]
    return [[max(b, 0.0) if b == b else b for b, _ in both], [max(a, 0.0) for _, a in both]]


def _scales(ax: Any, figure: Figure) -> None:
    ax.set(xlim=(figure.x.low, figure.x.high), ylim=(figure.y.low, figure.y.high))
    ax.set_xticks(figure.x.ticks, figure.x.tick_labels(), parse_math=False)
    ax.set_yticks(figure.y.ticks, figure.y.tick_labels(), parse_math=False)
    ax.grid(True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if figure.y.label:
        ax.set_ylabel(figure.y.label)
    for tick, note in zip(figure.y.ticks, figure.notes, strict=False):
        ax.annotate(
            note,
            (1.0, tick),
            xycoords=ax.get_yaxis_transform(),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color=QUIET,
            annotation_clip=False,
            parse_math=False,
        )
    if figure.columns is None:
        ax.set_xlabel(_foot(figure), parse_math=False)
    else:
        _strip(ax, figure, figure.columns)


def _foot(figure: Figure) -> str:
    """The label of x and the caption beneath it."""
    lines = [part for text in figure.caption.split("\n") for part in wrap(text, _CAPTION)]
    return "\n".join([figure.x.label, *lines])


def _strip(ax: Any, figure: Figure, columns: Columns) -> None:
    """The counts on axes of their own beneath, which take over the scale of x."""
    below = ax.inset_axes((0.0, -0.17, 1.0, 0.13))
    width = (figure.x.high - figure.x.low) * columns.thickness(figure.x)
    below.bar(columns.x, columns.height, width=width, color=QUIET)
    below.set_xlim(figure.x.low, figure.x.high)
    below.set_xticks(figure.x.ticks, figure.x.tick_labels())
    below.set_xlabel(_foot(figure), parse_math=False)
    below.set_ylabel(columns.label)
    below.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="x", labelbottom=False)
