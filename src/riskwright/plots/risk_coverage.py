"""Risk and coverage: what is left of the error when the least certain are left undecided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from .display import Display, basis, interval, metric, numbers, titled, worded
from .figure import Axis, Band, Curve, Figure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["RiskCoverageDisplay"]

_SETTLED = 0.05


class RiskCoverageDisplay(Display):
    """Mean loss among the decided (selective risk) against the share decided (coverage).

    Parameters
    ----------
    curve : RiskCoverage
        Arrays of one length: `coverage` in [0, 1], `selective_risk` with its band `low` to `high`,
        and `generalised_risk`, the loss of the decided as a mean over all; `aurc`, `augrc`.
    name : whose confidence this is, for the title.

    Notes
    -----
    The scale of the loss holds all that happens from a coverage of 5% on; where fewer are decided,
    a wide band leaves the axes.
    """

    reading: ClassVar[str] = (
        "Read from right to left: the more of the least certain cases are left undecided, the "
        "lower the solid line should fall; a flat line means that the confidence says nothing."
    )

    def __init__(self, curve: Any, *, name: str = "") -> None:
        self.curve = curve
        self.name = name

    @classmethod
    def from_predictions(
        cls, loss: ArrayLike, confidence: ArrayLike, /, *, name: str = "", **options: Any
    ) -> Self:
        """From losses and confidences; `options` go to `riskwright.metrics.risk_coverage`."""
        return cls(metric("risk_coverage")(loss, confidence, **options), name=name)

    def figure(self) -> Figure:
        c = self.curve
        coverage, risk, overall, low, high = map(
            numbers, (c.coverage, c.selective_risk, c.generalised_risk, c.low, c.high)
        )
        places = zip(coverage, risk, high, strict=True)
        settled = [end for share, *ends in places if share >= _SETTLED for end in ends]
        top = Axis.over("mean loss", (0.0, *settled, *risk[-1:], *overall))
        y = Axis(top.label, 0.0, top.high, tuple(t for t in top.ticks if t >= 0.0))
        area = (f"AUGRC {worded(c.augrc)}", f"AURC {worded(c.aurc)}")
        marks = (
            Band(coverage, low, high, interval(c)),
            Curve(coverage, risk, "among the decided"),
            Curve(coverage, overall, "over all", "other"),
        )
        return Figure(
            titled("Risk and coverage", self.name),
            f"Mean loss against the share decided, {c.n:,} rows. {area[0]}; {area[1]}.",
            Axis.shares("share decided (coverage)"),
            y,
            marks,
            f"{basis(c, low, high)}\n{area[0]}.",
        )
