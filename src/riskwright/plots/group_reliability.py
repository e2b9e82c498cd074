"""Reliability of all rows, with a line for each of some groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar

from .display import Display, listed, share
from .figure import Axis, Curve, Figure, Style
from .reliability import ReliabilityDisplay
from .shapes import shortened

__all__ = ["GroupReliabilityDisplay"]

_STYLES: tuple[Style, ...] = ("other", "third", "fourth", "fifth")
_LONGEST = 26


class GroupReliabilityDisplay(Display):
    """Observed rate against predicted risk: intervals for all rows, lines for the largest groups.

    Parameters
    ----------
    curve : ReliabilityCurve of all rows.
    by_group : curves by the label of a group; the four with most rows are drawn.
    name : whose predictions these are, for the title.

    Notes
    -----
    The lines have no intervals here: among few rows they stray by chance.
    """

    reading: ClassVar[str] = (
        "Points on the dotted line mean that people told a risk of, say, 20% had the outcome 20% "
        "of the time; a group whose line runs elsewhere was told risks that fit it less well."
    )

    def __init__(self, curve: Any, by_group: Mapping[str, Any], *, name: str = "") -> None:
        self.curve = curve
        self.by_group = by_group
        self.name = name

    def shown(self) -> list[str]:
        """Labels of the groups that are drawn."""
        return sorted(self.by_group, key=lambda label: -self.by_group[label].n)[: len(_STYLES)]

    def figure(self) -> Figure:
        figure = ReliabilityDisplay(self.curve, name=self.name).figure()
        groups = [(label, self.by_group[label]) for label in self.shown()]
        values = chain(*((*c.predicted, *c.observed) for _, c in groups))
        most = max((figure.x.high, *(v for v in values if v == v)))
        lines = [
            Curve(c.predicted, c.observed, f"{shortened(label, _LONGEST)}, n {c.n:,}", style)
            for (label, c), style in zip(groups, _STYLES, strict=False)
        ]
        marks = [
            Curve((0.0, most), (0.0, most), mark.label, "rule")
            if isinstance(mark, Curve) and mark.style == "rule"
            else mark
            for mark in figure.marks
        ]
        more = len(self.by_group) - len(groups)
        return replace(
            figure,
            x=Axis.shares("predicted risk", (most,)),
            y=Axis.shares("observed rate", (most,)),
            marks=(*marks, *lines),
            description=" ".join([figure.description, *(_described(*group) for group in groups)]),
            caption=figure.caption + (f"\n{more:,} smaller groups are not drawn." if more else ""),
        )


def _described(label: str, curve: Any) -> str:
    bins = zip(curve.predicted, curve.observed, strict=True)
    words = [f"predicted {share(p)}, observed {share(o)}" for p, o in bins]
    return f"{shortened(label, _LONGEST)}, {curve.n:,} rows: {listed(words, 10)}."
