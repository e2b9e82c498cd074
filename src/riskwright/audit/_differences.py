"""Intervals of shares and means from sums over rows, and of the difference of two of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from riskwright.core import Estimate
from riskwright.stats import proportion_interval

__all__ = ["bonferroni_level", "difference", "mean_estimate", "none", "percent", "share_of"]

Floats = NDArray[np.float64]


def bonferroni_level(level: float, count: int) -> float:
    """Level of each of `count` intervals that are to hold together at `level`."""
    return 1 - (1 - level) / max(count, 1)


def none(name: str, n: int, level: float, reason: str, value: float = math.nan) -> Estimate:
    """An estimate without interval, and why."""
    nan = math.nan
    return Estimate(
        name=name, value=value, low=nan, high=nan, level=level, n=n, method=f"none: {reason}"
    )


def share_of(
    name: str, value: float, variance: float, kish: float, n: int, level: float, method: str
) -> Estimate:
    """A share with Clopper and Pearson's interval at the number of rows with this `variance`.

    `kish` stands in for that number where the share is 0 or 1. At the levels that many intervals
    need to hold together, Wilson's would claim too much of rare events in small groups.
    """
    size = kish
    if 0 < value < 1 and variance > 1e-20:
        size = value * (1 - value) / variance
    low, high = proportion_interval(value * size, size, level, "clopper_pearson")
    return Estimate(name=name, value=value, low=low, high=high, level=level, n=n, method=method)


def mean_estimate(name: str, values: Floats, weight: Floats | None, level: float) -> Estimate:
    """Mean of `values` over rows: Clopper-Pearson where all are 0 or 1, else Student's t.

    With weights the variance is that of the weighted mean and n the effective one.
    """
    n = values.size
    if n == 0:
        return none(name, 0, level, "no rows")
    total = float(n) if weight is None else float(weight.sum())
    value = float(values.mean()) if weight is None else float(weight @ values) / total
    off = values - value
    spread = float(off @ off) if weight is None else float(weight**2 @ off**2)
    kish = float(n) if weight is None else total**2 / float(weight @ weight)
    variance = spread / total**2
    if ((values == 0) | (values == 1)).all():
        return share_of(name, value, variance, kish, n, level, "Clopper-Pearson")
    if kish < 2 - 1e-9 or variance <= 1e-30:
        reason = "fewer than two effective rows" if kish < 2 - 1e-9 else "all values are equal"
        return none(name, n, level, reason, value)
    freedom = kish - 1
    reach = float(-stdtrit(freedom, (1 - level) / 2)) * math.sqrt(variance * kish / freedom)
    return Estimate(
        name=name,
        value=value,
        low=value - reach,
        high=value + reach,
        level=level,
        n=n,
        method="Student's t",
    )


def difference(one: Estimate, other: Estimate, level: float, name: str = "gap") -> Estimate:
    """`one` minus `other`, of separate rows, by the square-and-add rule."""
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    n = one.n + other.n
    if math.isnan(low) or math.isnan(high):
        lacking = one if math.isnan(one.low) else other
        return none(name, n, level, lacking.method.removeprefix("none: "), value)
    return Estimate(
        name=name, value=value, low=low, high=high, level=level, n=n, method="square-and-add"
    )


def percent(share: float) -> str:
    """A share in whole per cent, with a decimal where it is below one."""
    return f"{100 * share:.0f}%" if abs(share) >= 0.0095 or share == 0 else f"{100 * share:.1f}%"
