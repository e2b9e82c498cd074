"""The ROC curve: sensitivity against the false positive rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from .display import Display, basis, interval, metric, titled, worded
from .figure import Axis, Band, Curve, Figure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["RocDisplay"]


class RocDisplay(Display):
    """Share of events found against share of others flagged, over all thresholds.

    Parameters
    ----------
    curve : RocCurve
        Arrays of one length in [0, 1]: `false_positive_rate`, `true_positive_rate` with its band
        `low` to `high`; `auroc`, an Estimate.
    name : whose score this is, for the title.
    """

    reading: ClassVar[str] = (
        "The nearer the line comes to the upper left corner, the better the score ranks; along "
        "the dotted line it would do no better than chance."
    )

    def __init__(self, curve: Any, *, name: str = "") -> None:
        self.curve = curve
        self.name = name

    @classmethod
    def from_predictions(
        cls, y: ArrayLike, score: ArrayLike, /, *, name: str = "", **options: Any
    ) -> Self:
        """From outcomes and scores; `options` go to `riskwright.metrics.roc_curve`."""
        return cls(metric("roc_curve")(y, score, **options), name=name)

    def figure(self) -> Figure:
        c = self.curve
        marks = (
            Band(c.false_positive_rate, c.low, c.high, interval(c)),
            Curve((0.0, 1.0), (0.0, 1.0), "chance", "rule"),
            Curve(c.false_positive_rate, c.true_positive_rate, "score"),
        )
        return Figure(
            titled("Ranking (ROC)", self.name),
            f"Sensitivity against the false positive rate, {c.n:,} rows; AUROC {worded(c.auroc)}.",
            Axis.shares("others flagged (false positive rate)"),
            Axis.shares("events found (sensitivity)"),
            marks,
            f"{basis(c, c.low, c.high)}\nAUROC {worded(c.auroc)}.",
        )
