"""Shape of one feature: what the score adds for it, beside what the outcome asks for."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .display import Display, listed, titled
from .figure import Axis, Band, Columns, Curve, Figure, Mark, Points
from .shapes import shortened

__all__ = ["ShapeDisplay"]

_DESCRIBED = 8
_FEW = 12


class ShapeDisplay(Display):
    """What score and outcome add, bin by bin, in log odds.

    Parameters
    ----------
    shape : Shape
        `feature`; arrays of one length: `bins` in words, `n`, `score`, and where an outcome was
        compared `outcome`, `difference`, `low`, `high`.
    name : whose score this is, for the title.

    Notes
    -----
    The band is the score minus the band of the difference: where the outcome would lie if it
    agreed with the data. A score that leaves it differs by more than chance explains.
    """

    reading: ClassVar[str] = (
        "Where the solid line lies above the shaded band, the score weighs the feature more than "
        "the outcome does; below it, less."
    )

    def __init__(self, shape: Any, *, name: str = "") -> None:
        self.shape = shape
        self.name = name

    def figure(self) -> Figure:
        s = self.shape
        x = tuple(map(float, range(len(s.bins))))
        marks: list[Mark] = [Curve((-0.5, len(x) - 0.5), (0.0, 0.0), "", "rule")]
        values = [0.0, *s.score]
        if s.low is not None and s.high is not None:
            low = tuple(a - b for a, b in zip(s.score, s.high, strict=True))
            high = tuple(a - b for a, b in zip(s.score, s.low, strict=True))
            marks.append(Band(x, low, high, "outcome's band"))
            values += [*low, *high]
        if s.outcome is not None:
            marks.append(Curve(x, s.outcome, "outcome", "other"))
            values += s.outcome
        marks.append(Curve(x, s.score, "score"))
        if len(x) <= _FEW:
            nowhere = (math.nan,) * len(x)
            marks.append(Points(x, s.score, nowhere, nowhere, ""))
        names = tuple(shortened(label, 14) for label in s.bins)
        return Figure(
            titled(" ".join(s.feature.split()), self.name),
            self._described(),
            Axis("", -0.5, max(len(x), 1) - 0.5, x, names=names),
            Axis.over("added log odds", values),
            tuple(marks),
            f"n = {sum(s.n):,}.",
            Columns(x, tuple(map(float, s.n)), "rows"),
        )

    def _described(self) -> str:
        s = self.shape
        words = []
        for i, label in enumerate(s.bins):
            text = f"{shortened(label, 14)} ({s.n[i]:,} rows): score {s.score[i]:+.2f}"
            if s.outcome is not None:
                text += f", outcome {s.outcome[i]:+.2f}"
            if s.difference is not None and s.low is not None and s.high is not None:
                text += f", difference {s.difference[i]:+.2f} ({s.low[i]:+.2f} to {s.high[i]:+.2f})"
            words.append(text)
        return f"{listed(words, _DESCRIBED)}."
