"""Outcomes folded by predicted value, and estimates over them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import Estimate
from riskwright.stats._kernels import fold

__all__ = ["NONE", "Bracket", "Kernel", "Sample", "Sketched", "folded", "stated", "undefined"]

Floats = NDArray[np.float64]
NONE: Floats = np.empty(0)


@dataclass(frozen=True)
class Sample:
    """Outcomes folded by predicted value: all that any metric here needs to know.

    `value` holds the m distinct predictions, ascending; `w1` and `w0` the summed weights of the
    events and non-events at each, `q1` and `q0` the summed squares of those weights (for
    variances), `n` the number of rows with positive weight.
    """

    value: Floats
    w1: Floats
    w0: Floats
    q1: Floats
    q0: Floats
    n: int

    @cached_property
    def events(self) -> float:
        return float(self.w1.sum())

    @cached_property
    def nonevents(self) -> float:
        return float(self.w0.sum())

    @property
    def total(self) -> float:
        return self.events + self.nonevents

    @property
    def effective_n(self) -> float:
        """Kish's (sum w)^2 / sum w^2."""
        return self.total**2 / float(self.q1.sum() + self.q0.sum()) if self.n else 0.0

    @property
    def effective_events(self) -> float:
        return self.events**2 / float(self.q1.sum()) if self.events else 0.0

    @property
    def effective_nonevents(self) -> float:
        return self.nonevents**2 / float(self.q0.sum()) if self.nonevents else 0.0

    @property
    def one_class(self) -> bool:
        return self.events == 0.0 or self.nonevents == 0.0

    def estimate(
        self, name: str, value: float, interval: tuple[float, float], level: float, method: str
    ) -> Estimate:
        """An `Estimate` over these rows; unequal weights are stated in the method."""
        return stated(name, value, interval, level, method, self.n, self.effective_n)


Kernel = Callable[[Sample, float], Estimate]


class Sketched(ABC):
    """Rows that are known only to bins of the score: what metrics need of them."""

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of rows."""

    @abstractmethod
    def middle(self) -> Sample:
        """All rows of a bin at their mean score."""

    @abstractmethod
    def lower(self) -> Sample:
        """All rows of a bin at its lower edge: "at least this score" is then exact."""

    @abstractmethod
    def estimate(self, kernel: Kernel, level: float, bracket: Bracket | None = None) -> Estimate:
        """`kernel` of the middle sample with the bracket that fits the figure."""


Bracket = Callable[[Any, Kernel, float, Estimate], Estimate]


def folded(y: NDArray[Any], p: Floats, weight: Floats | None) -> Sample:
    """Checked rows folded by predicted value: a radix sort, linear in their number.

    `y` is of uint8, int64 or float64; without weights the squares are the counts themselves.
    """
    if weight is None or not p.size:
        value, w1, w0 = fold(y, p, NONE)
        return Sample(value, w1, w0, w1, w0, p.size)
    value, w1, w0, q1, q0 = fold(y, p, weight)
    return Sample(value, w1, w0, q1, q0, p.size)


def stated(
    name: str,
    value: float,
    interval: tuple[float, float],
    level: float,
    method: str,
    n: int,
    effective_n: float,
) -> Estimate:
    """An `Estimate` over `n` rows; unequal weights are stated in the method."""
    if effective_n < n * (1 - 1e-9):
        method += f"; weighted rows, effective n = {effective_n:.1f}"
    low, high = interval
    return Estimate(name=name, value=value, low=low, high=high, level=level, n=n, method=method)


def undefined(name: str, sample: Sample, level: float, reason: str) -> Estimate:
    """A NaN estimate whose method says why there is none."""
    nan = math.nan
    return Estimate(
        name=name, value=nan, low=nan, high=nan, level=level, n=sample.n, method=f"none: {reason}"
    )
