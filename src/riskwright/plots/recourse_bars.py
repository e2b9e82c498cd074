"""Recourse: which features alone could change the decision, and for how many people."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .display import Display, listed, titled, worded
from .figure import Axis, Bars, Figure, Points
from .shapes import shortened

__all__ = ["RecourseDisplay"]

_DESCRIBED = 20
_LONGEST = 28


class RecourseDisplay(Display):
    """One bar per feature: the share of people for whom changing it alone can work.

    Parameters
    ----------
    report : ResponsivenessReport
        `features`, each with `feature` and `can_work` (Estimate); `n_asked`, `target`.
    most : features shown, those that work most often.
    name : whose decisions these are, for the title.
    """

    reading: ClassVar[str] = (
        "A long bar is a reason worth telling: for that share of the people refused, some feasible "
        "change of this feature alone brings the decision."
    )

    def __init__(self, report: Any, *, most: int = 12, name: str = "") -> None:
        self.report = report
        self.most = most
        self.name = name

    def figure(self) -> Figure:
        ranked = sorted(self.report.features, key=lambda f: -_known(f.can_work.value))
        shown = ranked[: self.most]
        estimates = [feature.can_work for feature in shown]
        places = tuple(float(-i) for i in range(len(shown)))
        ends = [end for e in estimates for end in (e.value, e.high)]
        values = tuple(e.value for e in estimates)
        bars = Bars(
            tuple(p - 0.32 for p in places), tuple(p + 0.32 for p in places), values, "", True
        )
        low, high = tuple(e.low for e in estimates), tuple(e.high for e in estimates)
        points = Points(values, places, low, high, "", sideways=True)
        names = tuple(shortened(feature.feature, _LONGEST) for feature in shown)
        words = [f"{shortened(f.feature, _LONGEST)}: {worded(f.can_work)}" for f in shown]
        more = len(ranked) - len(shown)
        return Figure(
            titled("Reasons that can work", self.name),
            f"Share for whom changing one feature alone can work. {listed(words, _DESCRIBED)}.",
            Axis.shares("for whom a change can work", ends),
            Axis("", 0.6 - max(len(shown), 1), 0.6, places, names=names),
            (bars, points),
            f"n = {self.report.n_asked:,} asked."
            + (f" {more:,} more features are not shown." if more else ""),
            notes=tuple(f"{100 * v:.0f}%" if v == v else "none" for v in values),
        )


def _known(value: float) -> float:
    return -1.0 if math.isnan(value) else value
