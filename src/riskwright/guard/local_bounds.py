"""`LocalBounds`: how sure the share of harm near a prediction is, from the labels around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from riskwright.stats import proportion_interval

__all__ = ["LocalBounds"]

Floats = NDArray[np.float64]
_SIZES = np.unique(np.geomspace(10, 1000, 14).round()).astype(int)


@dataclass(frozen=True, eq=False)
class LocalBounds:
    """Intervals for the chance of harm at a prediction, where that chance rises with it.

    The low end is the Wilson bound of the share of harm among the nearest labels at or below the
    prediction, the high end that of those at or above it. As the chance rises, those below have at
    most that of the prediction and those above at least, so that neither end suffers from the
    width of the neighbourhood: together they miss in about 5 % of cases or fewer. All labels count
    alike. The ends themselves need not rise.

    Attributes
    ----------
    predicted : of the labelled rows, rising.
    low, high : the ends there; between two of them the low end of the lower one and the high end
        of the higher one hold, beyond all of them 0 and 1.
    """

    predicted: Floats
    low: Floats
    high: Floats

    source: ClassVar[str] = "harm among the labels nearest below and above in score, 95% Wilson"

    @classmethod
    def fit(cls, p: Floats, y: Floats) -> LocalBounds:
        """From predictions that did not see the row they are about, and outcomes."""
        order = np.argsort(p, kind="stable")
        value, outcome = p[order], y[order]
        low = _ends(value, outcome)
        high = 1 - _ends(1 - value[::-1], 1 - outcome[::-1])[::-1]
        return cls(value, low, high)

    def at(self, prediction: float) -> tuple[float, float]:
        """(low, high) of the chance of harm."""
        below = int(np.searchsorted(self.predicted, prediction, "right")) - 1
        above = int(np.searchsorted(self.predicted, prediction, "left"))
        low = float(self.low[below]) if below >= 0 else 0.0
        high = float(self.high[above]) if above < self.high.size else 1.0
        return min(low, high), max(low, high)

    def to_list(self) -> list[list[float]]:
        """Plain values."""
        return [self.predicted.tolist(), self.low.tolist(), self.high.tolist()]

    @classmethod
    def from_list(cls, values: list[list[float]]) -> LocalBounds:
        """From what `to_list` gave."""
        return cls(*(np.asarray(v, dtype=np.float64) for v in values))


def _ends(value: Floats, outcome: Floats) -> Floats:
    """Low end at every value, which rise, from the labels at or below it.

    How many of them is chosen by the predictions alone: as many as make the end closest, were the
    predictions right.
    """
    harm = np.concatenate([[0.0], np.cumsum(outcome)])
    chance = np.concatenate([[0.0], np.cumsum(value)])
    end = np.arange(1, value.size + 1)
    best, low = np.full(value.size, -np.inf), np.zeros(value.size)
    for size in _SIZES[: np.searchsorted(_SIZES, 2 * value.size)]:
        start = np.maximum(end - size, 0)
        n = 1.0 * end - start
        foretold = proportion_interval(np.clip(chance[end] - chance[start], 0, n), n)[0]
        closer = foretold > best
        best[closer] = foretold[closer]
        low[closer] = proportion_interval((harm[end] - harm[start])[closer], n[closer])[0]
    return low
