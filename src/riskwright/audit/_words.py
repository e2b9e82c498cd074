"""Shares and counts in words, the same in the sentences of all audits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from riskwright.core import Estimate

__all__ = ["listed", "percent", "percents", "whole"]


def percent(value: float) -> str:
    """A share in per cent with the digits that it needs: 31%, 3.1%, 0.31%.

    Never 0 or 100 where it is neither.

    >>> [percent(share) for share in (0.31, 0.031, 0.0031, 1e-6, 0.9964, 0.99999, 0.0, 1.0)]
    ['31%', '3.1%', '0.31%', '<0.01%', '99.6%', '>99.9%', '0%', '100%']
    """
    if math.isnan(value):
        return "an unknown share"
    size = abs(100 * value)
    if 0 < size < 0.005:
        return "<0.01%" if value > 0 else "-0.00%"
    if 99.95 <= size < 100:
        return ">99.9%" if value > 0 else "<-99.9%"
    digits = 0 if size >= 10 or size == 0 else 1 if size >= 1 else 2
    if 99.5 <= size < 100:
        digits = 1
    return f"{100 * value:.{digits}f}%"


def percents(estimate: Estimate) -> str:
    """A share and its interval in per cent: 31% (28% to 34%)."""
    if math.isnan(estimate.low):
        return percent(estimate.value)
    return f"{percent(estimate.value)} ({percent(estimate.low)} to {percent(estimate.high)})"


def whole(count: int, one: str, many: str) -> str:
    """A count and its noun: 1 row, 4,120 rows."""
    return f"{count:,} {one if count == 1 else many}"


def listed(rows: ArrayLike, shown: int = 5) -> str:
    """The first row numbers for a sentence."""
    numbers = np.asarray(rows).tolist()
    text = ", ".join(str(row) for row in numbers[:shown])
    return text + (", ..." if len(numbers) > shown else "")
