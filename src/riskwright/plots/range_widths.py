"""Multiplicity: how far apart equally good scores put the risk of one person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .display import Display, listed, share, titled
from .figure import Axis, Bars, Curve, Figure, Mark
from .shapes import shortened

__all__ = ["RangeWidthsDisplay"]

_DESCRIBED = 20


class RangeWidthsDisplay(Display):
    """Shares of people by the width of their range of risks over all equally good scores.

    Parameters
    ----------
    tolerances : ToleranceReports
        `name`; `widths`, counts of people in equal bins of width from 0 to 1; `mean_width`, a
        bracket. The first is drawn as boxes, a second as a dashed outline.
    n : people in each.
    name : whose predictions these are, for the title.
    """

    reading: ClassVar[str] = (
        "The farther to the right, the more the risk told to a person depends on which of several "
        "equally good scores happened to be chosen."
    )

    def __init__(self, tolerances: Sequence[Any], n: int, *, name: str = "") -> None:
        self.tolerances = tuple(tolerances)[:2]
        self.n = n
        self.name = name

    def figure(self) -> Figure:
        shares = [_shares(tolerance.widths) for tolerance in self.tolerances]
        marks: list[Mark] = []
        for tolerance, heights in zip(self.tolerances, shares, strict=True):
            size = max(len(heights), 1)
            edges = tuple(i / size for i in range(size + 1))
            label = f"tolerance {shortened(tolerance.name, 24)}"
            if not marks:
                marks.append(Bars(edges[:-1], edges[1:], heights, label))
            else:
                marks.append(Curve(*_steps(edges, heights), label, "other"))
        return Figure(
            titled("Width of the range of risks", self.name),
            " ".join(map(self._described, self.tolerances)),
            Axis("width of a person's range of risks", 0.0, 1.0, (0, 0.2, 0.4, 0.6, 0.8, 1), True),
            Axis.shares("people", [height for heights in shares for height in heights]),
            tuple(marks),
            f"n = {self.n:,}; counts of the people audited, no interval needed.",
        )

    def _described(self, tolerance: Any) -> str:
        shares = _shares(tolerance.widths)
        words = [
            f"{100 * i / len(shares):.3g} to {100 * (i + 1) / len(shares):.3g} points: {share(s)}"
            for i, s in enumerate(shares)
            if s
        ]
        low, high = tolerance.mean_width
        return (
            f"Tolerance {tolerance.name}, {self.n:,} people: mean width between {share(low)} and "
            f"{share(high)}; {listed(words, _DESCRIBED)}."
        )


def _shares(widths: Sequence[int]) -> tuple[float, ...]:
    total = sum(widths)
    return tuple(count / total if total else math.nan for count in widths)


def _steps(
    edges: Sequence[float], heights: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The outline of boxes as a line."""
    x = [edges[0], *(edge for edge in edges[1:-1] for _ in (0, 1)), edges[-1]]
    corners = [(height, height) for height in heights]
    y = [value for pair in corners for value in pair]
    return (edges[0], *x, edges[-1]), (0.0, *y, 0.0)
