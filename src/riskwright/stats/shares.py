"""`counted_share`: a share of counted rows, with its interval."""

from __future__ import annotations

import math

from riskwright.core import Estimate

from .intervals import ProportionMethod, proportion_interval

__all__ = ["counted_share"]

_METHODS = {"wilson": "Wilson", "clopper_pearson": "Clopper-Pearson"}


def counted_share(
    name: str,
    events: int,
    n: int,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
    *,
    nothing: str = "no rows",
) -> Estimate:
    """`events` of `n` rows, and a `proportion_interval`; NaN for the reason `nothing` without rows.

    Raises `ParameterError` for counts out of range.

    Examples
    --------
    >>> print(counted_share("caught", 8, 10))
    0.800 (95% CI 0.490 to 0.943)
    >>> counted_share("caught", 0, 0).method
    'none: no rows'
    """
    if not n:
        nan = math.nan
        return Estimate(
            name=name, value=nan, low=nan, high=nan, level=level, n=0, method=f"none: {nothing}"
        )
    low, high = proportion_interval(events, n, level, method)
    return Estimate(
        name=name,
        value=events / n,
        low=low,
        high=high,
        level=level,
        n=n,
        method=_METHODS[method],
    )
