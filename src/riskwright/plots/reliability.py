"""Reliability: observed against predicted risk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .display import Display, basis, interval, listed, metric, share, titled
from .figure import Axis, Band, Columns, Curve, Figure, Mark, Points

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["ReliabilityDisplay"]

_MOST_BARS = 40
_DESCRIBED = 20


class ReliabilityDisplay(Display):
    """Observed rate against mean predicted risk, bin by bin, with counts beneath.

    Parameters
    ----------
    curve : ReliabilityCurve
        Arrays of one length: `predicted`, `observed`, `low`, `high` in [0, 1], `count` of rows.
    name : whose predictions these are, for the title.

    Notes
    -----
    Intervals are bars, or a band where they hold for all bins at once; more than 40 bins are drawn
    as a line with a band. Both scales end at the first readable share above all that is shown.
    """

    reading: ClassVar[str] = (
        "Points on the dotted line mean that people told a risk of, say, 20% had the outcome 20% "
        "of the time; above it risks were predicted too low, below it too high."
    )

    def __init__(self, curve: Any, *, name: str = "") -> None:
        self.curve = curve
        self.name = name

    @classmethod
    def from_predictions(
        cls, y: ArrayLike, p: ArrayLike, /, *, name: str = "", **options: Any
    ) -> Self:
        """From outcomes and predicted risks; `options` go to `riskwright.metrics.reliability`."""
        return cls(metric("reliability")(y, p, **options), name=name)

    def figure(self) -> Figure:
        curve = self.curve
        values = (*curve.predicted, *curve.observed, *curve.high)
        x, y = Axis.shares("predicted risk", values), Axis.shares("observed rate", values)
        as_bars = len(curve.predicted) <= _MOST_BARS and not curve.simultaneous
        marks: list[Mark] = [Curve((0.0, x.high), (0.0, y.high), "ideal", "rule")]
        if not as_bars:
            marks.insert(0, Band(curve.predicted, curve.low, curve.high, interval(curve)))
        if len(curve.predicted) > _MOST_BARS:
            marks.append(Curve(curve.predicted, curve.observed, "observed"))
        else:
            nowhere = (math.nan,) * len(curve.predicted)
            low, high = (curve.low, curve.high) if as_bars else (nowhere, nowhere)
            marks.append(Points(curve.predicted, curve.observed, low, high, "observed"))
        what = "Bars" if as_bars else "Band"
        caption = basis(
            curve, curve.low, curve.high, what=what, simultaneous=bool(curve.simultaneous)
        )
        return Figure(
            titled("Predicted and observed risk", self.name),
            self._described(),
            x,
            y,
            tuple(marks),
            caption,
            self._columns(x),
        )

    def _columns(self, axis: Axis) -> Columns:
        """The count of every bin, or of cells of equal width where there are many bins."""
        curve = self.curve
        if len(curve.predicted) <= _MOST_BARS:
            return Columns(curve.predicted, tuple(map(float, curve.count)), "rows")
        heights = [0.0] * _MOST_BARS
        for p, count in zip(curve.predicted, curve.count, strict=True):
            heights[min(int(_MOST_BARS * p / axis.high), _MOST_BARS - 1)] += count
        centres = tuple(axis.high * (i + 0.5) / _MOST_BARS for i in range(_MOST_BARS))
        return Columns(centres, tuple(heights), "rows")

    def _described(self) -> str:
        curve = self.curve
        bins = zip(curve.predicted, curve.observed, curve.low, curve.high, curve.count, strict=True)
        words = [
            f"predicted {share(p)}, observed {share(o)} ({share(a)} to {share(b)}), {c:,} rows"
            for p, o, a, b, c in bins
        ]
        return f"{listed(words, _DESCRIBED)}."
