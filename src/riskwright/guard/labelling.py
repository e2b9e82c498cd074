"""`to_label`: which exchanges a person should look at first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, ParameterError, Record, generator
from riskwright.core.scores import Score

__all__ = ["ToLabel", "to_label"]

Floats = NDArray[np.float64]
_FLOOR = 0.1


class ToLabel(Record, frozen=True, kw_only=True):
    """One exchange to label: its `place` in the list, its id, and the chance it had to be drawn.

    Means over labels so drawn are right where every label counts 1 / `probability`. `reasons` say
    what makes the label informative.
    """

    place: int
    id: str
    probability: float
    reasons: tuple[str, ...]


def to_label(scores: Sequence[Score], n: int, *, random_state: int = 0) -> list[ToLabel]:
    """Draw `n` exchanges, the more informative ones more often, none of them surely left out.

    An exchange is informative where its severity is near the middle of what is seen, where scorers
    disagree, where it is unlike what the scorers know, or where it has no score at all.

    Parameters
    ----------
    scores : of the unlabelled exchanges.
    n : at least 1; all of them where there are fewer.
    random_state : seed of the draw.

    Returns
    -------
    the exchanges, the most informative first.

    Notes
    -----
    Systematic sampling with probability proportional to size (Madow 1949) after a random order.
    O(n log n).
    """
    if n < 1:
        raise ParameterError("not a number of labels", where="n", expected="at least 1")
    if not scores:
        raise DataError("no exchanges to choose from", where="scores")
    worth, reasons = _worth(scores)
    chance = _inclusion(worth, min(n, len(scores)))
    chosen = _systematic(chance, generator(random_state, 5))
    order = chosen[np.argsort(-worth[chosen], kind="stable")]
    return [
        ToLabel(
            place=int(k), id=scores[k].id, probability=float(chance[k]), reasons=tuple(reasons[k])
        )
        for k in order
    ]


def _worth(scores: Sequence[Score]) -> tuple[Floats, list[list[str]]]:
    known = np.array([np.nan if s.severity is None else s.severity for s in scores], np.float64)
    reasons: list[list[str]] = [[] for _ in scores]
    rank = np.full(len(scores), 0.5)
    told = ~np.isnan(known)
    if told.any():
        rank[told] = (np.searchsorted(np.sort(known[told]), known[told], "left") + 0.5) / told.sum()
    if all("any" in score.calibrated for score in scores if score.severity is not None):
        rank[told] = known[told]
    middle = 2 * np.sqrt(np.clip(rank * (1 - rank), 0, None))
    worth = _FLOOR + middle
    for k, score in enumerate(scores):
        if score.severity is None:
            worth[k] += 1.0
            reasons[k].append("no score")
        elif middle[k] > 0.9:
            reasons[k].append("near the middle")
        spread = _disagreement(score)
        worth[k] += spread
        if spread > 0.5:
            reasons[k].append("scorers disagree")
        if score.out_of_distribution:
            worth[k] += 0.5
            reasons[k].append("unlike what the scorers know")
    return worth, reasons


def _disagreement(score: Score) -> float:
    told = [values["any"] for values in score.values.values() if "any" in values]
    return max(told) - min(told) if len(told) > 1 else 0.0


def _inclusion(worth: Floats, n: int) -> Floats:
    """Probabilities proportional to worth that add up to n, none above 1."""
    chance = np.ones(worth.size)
    free = np.ones(worth.size, bool)
    while True:
        left = n - (~free).sum()
        if not free.any() or left >= free.sum():
            return chance
        chance[free] = left * worth[free] / worth[free].sum()
        over = free & (chance >= 1)
        if not over.any():
            return chance
        chance[over] = 1.0
        free &= ~over


def _systematic(chance: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    order = rng.permutation(chance.size)
    ends = np.cumsum(chance[order])
    total = round(float(ends[-1]))
    marks = rng.random() + np.arange(total)
    places = np.minimum(np.searchsorted(ends, marks, side="right"), chance.size - 1)
    return np.asarray(order[np.unique(places)])
