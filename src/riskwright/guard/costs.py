"""`costs_of`: what scores cost, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from riskwright.core import Estimate, RiskwrightError
from riskwright.core.scores import Score
from riskwright.metrics import tail

__all__ = ["costs_of"]

_BATCH = 1000


def costs_of(scores: Sequence[Score], *, level: float = 0.95) -> dict[str, Estimate]:
    """Mean cost, where anything had one, mean latency, and its 95 % quantile.

    The quantile is left out where exchanges were judged many at once, so that no more than their
    mean is known: fewer than one latency per 1,000 of them. O(n log n).
    """
    columns = {
        "mean cost": ([score.cost for score in scores], "mean"),
        "mean latency (ms)": ([score.latency_ms for score in scores], "mean"),
        "p95 latency (ms)": ([score.latency_ms for score in scores], "var 0.95"),
    }
    if not any(columns["mean cost"][0]):
        del columns["mean cost"]
    if len(set(columns["p95 latency (ms)"][0])) <= 1 + len(scores) // _BATCH:
        del columns["p95 latency (ms)"]
    found = {}
    for name, (column, measure) in columns.items():
        try:
            found[name] = msgspec.structs.replace(tail(column, measure, level=level), name=name)
        except RiskwrightError:
            continue
    return found
