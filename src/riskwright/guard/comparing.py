"""`compare_guards`: two scores of the same exchanges, their difference with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, Estimate
from riskwright.core.scores import Score
from riskwright.evidence.labels import Label
from riskwright.metrics import auroc, brier
from riskwright.stats import normal_interval

from .truths import harm_of

__all__ = ["compare_guards"]

Floats = NDArray[np.float64]


def compare_guards(
    first: Sequence[Score],
    second: Sequence[Score],
    labels: Sequence[Label],
    *,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """AUROC of both, their difference, and Brier scores where both are calibrated.

    Only exchanges that both could score are compared.

    Raises
    ------
    DataError : lengths differ, one class only, or nothing that both scored.

    Notes
    -----
    The interval of the difference is that of DeLong et al. (1988), Biometrics 44:837, which knows
    that both judged the same exchanges. O(n log n).
    """
    if not len(first) == len(second) == len(labels):
        raise DataError("scores and labels differ in number", where="labels")
    harm = harm_of(labels, "any")
    both = np.array(
        [
            a.severity is not None and b.severity is not None
            for a, b in zip(first, second, strict=True)
        ],
        bool,
    )
    y = harm[both]
    if not both.any() or y.all() or not y.any():
        raise DataError(
            "harmful and harmless exchanges that both scored are needed",
            where="labels",
            got=f"{int(y.sum()):,} and {int((~y).sum()):,}",
        )
    p, q = (
        np.array([s.severity for s, k in zip(scores, both, strict=True) if k], dtype=np.float64)
        for scores in (first, second)
    )
    found = {
        "AUROC of the first": auroc(y, p, level=level),
        "AUROC of the second": auroc(y, q, level=level),
        "difference in AUROC, second minus first": _difference(y, p, q, level),
    }
    calibrated = all("any" in s.calibrated for s in (*first, *second) if s.severity is not None)
    if calibrated:
        found["Brier score of the first"] = brier(y, p, level=level)
        found["Brier score of the second"] = brier(y, q, level=level)
    return found


def _difference(y: NDArray[np.bool_], p: Floats, q: Floats, level: float) -> Estimate:
    (above_p, below_p), (above_q, below_q) = (_placements(y, score) for score in (p, q))
    events, others = above_q - above_p, below_q - below_p
    value = float(events.mean())
    few = min(events.size, others.size) < 2
    variance = (
        math.nan if few else events.var(ddof=1) / events.size + others.var(ddof=1) / others.size
    )
    low, high = normal_interval(value, math.sqrt(variance), level)
    return Estimate(
        name="difference in AUROC",
        value=value,
        low=max(low, -1.0),
        high=min(high, 1.0),
        level=level,
        n=y.size,
        method="none: a class of one" if few else "DeLong",
    )


def _placements(y: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats]:
    """Share of the others below every event, and of the events above every other; ties half."""
    events, others = np.sort(score[y]), np.sort(score[~y])

    def share(among: Floats, of: Floats) -> Floats:
        left = np.searchsorted(among, of, "left")
        return np.asarray((left + np.searchsorted(among, of, "right")) / (2 * among.size))

    return share(others, score[y]), 1 - share(events, score[~y])
