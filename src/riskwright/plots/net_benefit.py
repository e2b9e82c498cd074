"""Net benefit (decision curve): what treating by a risk threshold is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from .display import Display, basis, interval, metric, titled
from .figure import Axis, Band, Curve, Figure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["NetBenefitDisplay"]

_BELOW = 0.25  # of the height above 0 is shown beneath it


class NetBenefitDisplay(Display):
    """Net benefit of treating above a risk threshold, beside treating all and treating nobody.

    Parameters
    ----------
    curve : NetBenefitCurve
        Arrays of one length: `threshold` in (0, 1), `net_benefit` with its band `low` to `high`,
        `treat_all`; in true positives per person, or `standardised`: divided by the prevalence.
    name : whose predictions these are, for the title.

    Notes
    -----
    Vickers & Elkin (2006), Medical Decision Making 26:565. Far below zero lines leave the axes.
    """

    reading: ClassVar[str] = (
        "At the risk from which you would act, the highest line is the best policy; where the "
        "score's line is not above both others, it is of no use for that decision."
    )

    def __init__(self, curve: Any, *, name: str = "") -> None:
        self.curve = curve
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        p: ArrayLike,
        thresholds: Any = None,
        /,
        *,
        name: str = "",
        **options: Any,
    ) -> Self:
        """From outcomes and predicted risks; `options` go to `riskwright.metrics.net_benefit`."""
        given = () if thresholds is None else (thresholds,)
        return cls(metric("net_benefit")(y, p, *given, **options), name=name)

    def figure(self) -> Figure:
        c = self.curve
        around = Axis.over("", (0.0, *c.net_benefit, *c.high, *c.treat_all[:1]))
        y = Axis.over(
            "net benefit (share of the best possible)"
            if getattr(c, "standardised", False)
            else "net benefit (true positives per person)",
            (-_BELOW * around.high, max(around.high, 1e-6)),
        )
        x = Axis.shares("risk from which one acts (threshold)", c.threshold)
        marks = (
            Band(c.threshold, c.low, c.high, interval(c)),
            Curve((0.0, x.high), (0.0, 0.0), "act on none", "rule"),
            Curve(c.threshold, c.treat_all, "act on all", "other"),
            Curve(c.threshold, c.net_benefit, "score"),
        )
        return Figure(
            titled("Net benefit", self.name),
            f"Net benefit against the threshold, {c.n:,} rows. {self._best()}",
            x,
            y,
            marks,
            basis(c, c.low, c.high),
        )

    def _best(self) -> str:
        c = self.curve
        places = zip(c.threshold, c.net_benefit, c.treat_all, strict=True)
        better = [t for t, score, everyone in places if score > max(0.0, everyone)]
        if not better:
            return "The score is nowhere better than acting on all or on nobody."
        return (
            f"The score is best at {len(better)} of {len(c.threshold)} thresholds, "
            f"between {100 * min(better):.3g}% and {100 * max(better):.3g}%."
        )
