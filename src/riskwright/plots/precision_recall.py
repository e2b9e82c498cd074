"""Precision and recall: how many of the flagged are events, and how many events are flagged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .display import Display, basis, interval, metric, titled
from .figure import Axis, Band, Curve, Figure, runs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["PrecisionRecallDisplay"]


class PrecisionRecallDisplay(Display):
    """Share of events among the flagged against share of events flagged, over all thresholds.

    Parameters
    ----------
    curve : PrecisionRecallCurve
        Arrays of one length in [0, 1]: `recall`, rising or falling, `precision` with its band
        `low` to `high`.
    name : whose score this is, for the title.

    Notes
    -----
    Drawn as steps: between two thresholds, precision is that of the higher recall (Davis &
    Goadrich, 2006, ICML: straight lines would promise too much).
    """

    reading: ClassVar[str] = (
        "Each point is a threshold: going right more of the events are found, and the height "
        "says how many of those flagged are events; the right end is the share of events in all."
    )

    def __init__(self, curve: Any, *, name: str = "") -> None:
        self.curve = curve
        self.name = name

    @classmethod
    def from_predictions(
        cls, y: ArrayLike, score: ArrayLike, /, *, name: str = "", **options: Any
    ) -> Self:
        """From outcomes and scores; `options` go to `riskwright.metrics.precision_recall_curve`."""
        return cls(metric("precision_recall_curve")(y, score, **options), name=name)

    def figure(self) -> Figure:
        c = self.curve
        recall, precision, low, high = _steps(c.recall, c.precision, c.low, c.high)
        marks = (Band(recall, low, high, interval(c)), Curve(recall, precision, "score"))
        ends = [(c.recall[i], c.precision[i]) for run in runs(c.recall, c.precision) for i in run]
        described = f"Precision against recall, {c.n:,} rows"
        if ends:
            described += f"; precision {max(ends)[1]:.3f} at recall {max(ends)[0]:.3f}"
        return Figure(
            titled("Precision and recall", self.name),
            f"{described}.",
            Axis.shares("events flagged (recall)"),
            Axis.shares("events among the flagged (precision)"),
            marks,
            basis(c, c.low, c.high),
        )


def _steps(x: Sequence[float], *series: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """`x` and the series with the corners of their steps."""
    points = list(zip(x, *series, strict=True))
    path = points[:1]
    for a, b in pairwise(points):
        corner = (a[0], *b[1:]) if b[0] > a[0] else (b[0], *a[1:])
        path += [corner, b]
    return tuple(zip(*path, strict=True)) if path else ((),) * (1 + len(series))
