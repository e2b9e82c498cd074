"""`engagement`: what asking fewer guards costs, on cases whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, Estimate, ParameterError, Record
from riskwright.core.scores import Score

from .dempster_shafer import Engaged

__all__ = ["EngagementReport", "engagement"]

Bools = NDArray[np.bool_]


class EngagementReport(Record, frozen=True, kw_only=True):
    """Guards asked one after another, beside asking all of them.

    Parameters
    ----------
    accuracy, accuracy_all : share of cases decided rightly, flagging where the severity is at
        least the threshold; a case without a score counts as wrong.
    failure_auroc : how well doubt, the plausibility of the other decision, ranks wrong decisions
        above right ones; NaN where all are right or all wrong.
    mean_guards, mean_cost : of the guards that were asked.
    unscored : cases in which no guard gave a score.
    """

    accuracy: Estimate
    accuracy_all: Estimate
    failure_auroc: Estimate
    mean_guards: float
    mean_cost: float
    unscored: int


def engagement(
    sequential: Sequence[Engaged], everyone: Sequence[Score], y: ArrayLike, *, threshold: float
) -> EngagementReport:
    """Compare guards asked while unsure with all guards.

    Parameters
    ----------
    sequential : one `Engaged` per case, from `DempsterShafer.engage`.
    everyone : one joint score per case, from `DempsterShafer.combine` over all guards.
    y : array of shape (n,), 1 where the case is harmful.
    threshold : from which severity on a case is flagged, in [0, 1].

    Raises
    ------
    DataError : different lengths, no cases, outcomes other than 0 and 1.
    ParameterError : a threshold outside of [0, 1].
    """
    truth = np.asarray(y, dtype=np.float64)
    n = len(sequential)
    if truth.shape != (n,) or len(everyone) != n or not n or not np.isin(truth, (0, 1)).all():
        raise DataError("not one case each", where="engagement", expected="n > 0 cases, y 0 or 1")
    if not 0 <= threshold <= 1:
        raise ParameterError("out of range", where="threshold", expected="0 to 1")
    scores = [found.score for found in sequential]
    right, right_all = (_right(part, truth == 1, threshold) for part in (scores, everyone))
    return EngagementReport(
        accuracy=_share("accuracy", right),
        accuracy_all=_share("accuracy of all guards", right_all),
        failure_auroc=_failures([_doubt(score, threshold) for score in scores], right),
        mean_guards=sum(len(found.engaged) for found in sequential) / n,
        mean_cost=math.fsum(found.cost for found in sequential) / n,
        unscored=sum(score.severity is None for score in scores),
    )


def _right(scores: Sequence[Score], truth: Bools, threshold: float) -> Bools:
    pairs = zip(scores, truth.tolist(), strict=True)
    return np.array(
        [s.severity is not None and (s.severity >= threshold) == harmful for s, harmful in pairs]
    )


def _doubt(score: Score, threshold: float) -> float:
    """Plausibility of the decision that was not taken; 1 without a score."""
    if score.severity is None:
        return 1.0
    low, high = score.bounds.get("any", (score.severity, score.severity))
    return 1 - low if score.severity >= threshold else high


def _failures(doubt: Sequence[float], right: Bools) -> Estimate:
    from riskwright.metrics import auroc

    if right.all() or not right.any():
        nan: Any = math.nan
        return Estimate(
            name="AUROC of failures",
            value=nan,
            low=nan,
            high=nan,
            level=0.95,
            n=right.size,
            method="none: all decisions are right, or all wrong",
        )
    found = auroc(~right, np.asarray(doubt))
    assert isinstance(found, Estimate)
    return found


def _share(name: str, marks: Bools) -> Estimate:
    from riskwright.stats.shares import counted_share

    return counted_share(name, int(np.count_nonzero(marks)), marks.size)
