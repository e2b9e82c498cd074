"""Shares, means and differences with their intervals, as several audits state them."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from riskwright.core import Estimate
from riskwright.core.records import Severity
from riskwright.stats import proportion_interval

__all__ = [
    "bonferroni_level",
    "difference",
    "exact",
    "graded",
    "mean_estimate",
    "no_interval",
    "share",
    "share_of",
    "student_mean",
]

Floats = NDArray[np.float64]
Method = Literal["wilson", "clopper_pearson"]
_METHODS = {"wilson": "Wilson", "clopper_pearson": "Clopper-Pearson"}


def bonferroni_level(level: float, count: int) -> float:
    """Level of each of `count` intervals that are to hold together at `level`."""
    return 1 - (1 - level) / max(count, 1)


def no_interval(name: str, n: int, level: float, why: str, value: float = math.nan) -> Estimate:
    """An estimate without interval, and why."""
    return Estimate(
        name=name,
        value=value,
        low=math.nan,
        high=math.nan,
        level=level,
        n=n,
        method=f"none: {why}",
    )


def exact(name: str, n: int, level: float, value: float) -> Estimate:
    """A number that describes the rows given and needs no interval."""
    return no_interval(name, n, level, "describes the rows given", value)


def share(
    hits: float,
    n: int,
    level: float,
    name: str,
    *,
    method: Method = "clopper_pearson",
    tests: int = 1,
    empty: str = "no rows",
) -> Estimate:
    """`hits` of `n` with an interval; with `tests` > 1 as many such intervals hold together."""
    if n == 0:
        return no_interval(name, 0, level, empty)
    low, high = proportion_interval(hits, n, bonferroni_level(level, tests), method)
    words = _METHODS[method] + (f", Bonferroni over {tests}" if tests > 1 else "")
    return Estimate(name=name, value=hits / n, low=low, high=high, level=level, n=n, method=words)


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
        return no_interval(name, 0, level, "no rows")
    if not ((values == 0) | (values == 1)).all():
        return student_mean(name, values, weight, level)
    value, variance, kish = _moments(values, weight)
    return share_of(name, value, variance, kish, n, level, "Clopper-Pearson")


def student_mean(name: str, values: Floats, weight: Floats | None, level: float) -> Estimate:
    """Mean of `values` over one row or more, with Student's interval."""
    value, variance, kish = _moments(values, weight)
    if kish < 2 - 1e-9:
        return no_interval(name, values.size, level, "fewer than two effective rows", value)
    if variance <= 1e-30:
        return no_interval(name, values.size, level, "all values are equal", value)
    freedom = kish - 1
    reach = float(-stdtrit(freedom, (1 - level) / 2)) * math.sqrt(variance * kish / freedom)
    return Estimate(
        name=name,
        value=value,
        low=value - reach,
        high=value + reach,
        level=level,
        n=values.size,
        method="Student's t",
    )


def _moments(values: Floats, weight: Floats | None) -> tuple[float, float, float]:
    """Mean, its variance (not corrected for the freedom) and the effective number of rows."""
    n = float(values.size)
    total = n if weight is None else float(weight.sum())
    value = float(values.mean()) if weight is None else float(weight @ values) / total
    off = values - value
    spread = float(off @ off) if weight is None else float(weight**2 @ off**2)
    kish = n if weight is None else total**2 / float(weight @ weight)
    return value, spread / total**2, kish


def difference(one: Estimate, other: Estimate, level: float, name: str = "gap") -> Estimate:
    """`one` minus `other`, of separate rows, by the square-and-add rule."""
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    n = one.n + other.n
    if math.isnan(low) or math.isnan(high):
        lacking = one if math.isnan(one.low) else other
        return no_interval(name, n, level, lacking.method.removeprefix("none: "), value)
    return Estimate(
        name=name, value=value, low=low, high=high, level=level, n=n, method="square-and-add"
    )


def graded(estimate: Estimate, *, effect: float, limit: float) -> Severity:
    """How grave a quantity is that should not exceed `effect`, and must not exceed `limit`."""
    if estimate.low > limit:
        return "high"
    if estimate.low > effect:
        return "medium"
    return "low" if estimate.value > effect else "info"
