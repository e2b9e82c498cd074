"""How large a sum over some rows can be by chance, if rows were assigned without regard to it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["PermutationTail"]

Floats = NDArray[np.float64]

_GRID = 2048


class PermutationTail:
    """Upper bounds on P(sum of m values drawn without replacement from `values` >= s).

    They are Chernoff's for draws with replacement, which dominate those without (Hoeffding 1963,
    Theorem 4), for m rows and for the others, whichever is smaller. They hold for any values and
    any m, without a normal approximation, and are of the right order in the exponent.

    Notes
    -----
    Values are spread over the ends of 2,048 intervals so that each keeps its mean; the exponential
    is convex, so that this raises the bound. Time O(n) once, O(2,048) per bound.
    """

    def __init__(self, values: Floats) -> None:
        self.n = values.size
        self.total = float(values.sum())
        low, high = float(values.min()), float(values.max())
        self._scale = (high - low) or 1.0
        place = (values - low) / self._scale * _GRID
        left = np.minimum(place.astype(np.intp), _GRID - 1)
        part = place - left
        mass = np.bincount(left, 1 - part, _GRID + 1) + np.bincount(left + 1, part, _GRID + 1)
        kept = mass > 0
        self._at = (np.arange(_GRID + 1) / _GRID)[kept]
        self._mass = mass[kept] / self.n
        self._low = low

    def log_p(self, m: int, s: float) -> float:
        """Natural logarithm of the bound for `m` values that add up to `s`; at most 0."""
        inside = self._chernoff(m, (s - m * self._low) / self._scale, self._at)
        rest = self.n - m
        low_rest = (self.total - s - rest * self._low) / self._scale
        outside = self._chernoff(rest, rest - low_rest, 1 - self._at)
        return min(inside, outside, 0.0)

    def _chernoff(self, m: int, s: float, at: Floats) -> float:
        """Least of m log E exp(t x) - t s over t >= 0, for x in [0, 1]."""
        if m == 0:
            return 0.0
        wanted = s / m
        if wanted <= float(self._mass @ at):
            return 0.0
        low, high = 0.0, 1.0
        while high < 1e6 and self._tilted(at, high)[1] < wanted:
            low, high = high, 2 * high
        for _ in range(40):
            t = (low + high) / 2
            low, high = (t, high) if self._tilted(at, t)[1] < wanted else (low, t)
        rounding = 2.0**-50 * high
        return m * (self._tilted(at, high)[0] - high * wanted + rounding)

    def _tilted(self, at: Floats, t: float) -> tuple[float, float]:
        """log E exp(t x), and the mean of x under the tilted distribution."""
        top = float(at.max())
        terms = self._mass * np.exp(t * (at - top))
        total = float(terms.sum())
        return math.log(total) + t * top, float(terms @ at) / total
