"""Predictive multiplicity of score cards: what near-optimal cards say of the same person."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskwright.core import DataError, ParameterError, ScoreCard
from riskwright.scoring import RiskScoreClassifier
from riskwright.scoring.inputs import check_rows
from riskwright.stats import effective_size

from .multiplicity import Progress, fold_people, level_set_ranges, with_intercept
from .multiplicity_measures import (
    People,
    PredictiveMultiplicity,
    Ranges,
    Tolerance,
    Viable,
    tolerance_epsilon,
)
from .viable_ranges import LevelSet, LogisticLoss

__all__ = ["PoolMultiplicity"]

Floats = NDArray[np.float64]

COMPLETE = (
    "ranges over the pool of score cards, which is proved to hold every card within the tolerance"
)
PARTIAL = (
    "inner ends over the score cards that the search met; outer ends, which no card of the class "
    "within the tolerance exceeds, over all linear scores on the same items"
)


class PoolMultiplicity(PredictiveMultiplicity):
    """Ranges of risk over the score cards that are nearly as good as the best one.

    The class is that of the model: cards with integer points under its limits and constraints, each
    with the best slope and intercept for its points. A card is within the tolerance if its
    objective (training loss + penalty per term) is at most epsilon above that of the model's own
    card. People count equally, whatever the weights the model was learned with.

    Lower and upper ends of a range are attained by cards of `model.pool_`. Where that pool is
    proved to hold every card within the tolerance, the ranges are exact; else they are enclosed by
    what any real-valued points on the same items could do at the same loss, which is rigorous and
    can be wide. Fit the model with a `pool_tolerance` above the tolerance to have them exact.

    Parameters
    ----------
    model : RiskScoreClassifier, fitted
    tolerance : str or float, default="1%"
        A share of the model's objective ("1%"), "noise" (see `Multiplicity`), or a difference.
    max_gap : float, default=1e-4
        Precision, in probability, of the outer ends.
    progress : callable or None, default=None
        Called as progress(done, total) while outer ends are sought.

    Attributes
    ----------
    loss_ : float
        The objective of the model's card.
    people_ : the training rows as patterns of items.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 2, (400, 6))
    >>> y = rng.random(400) < 1 / (1 + np.exp(2 - 2 * X[:, 0] - X[:, 3]))
    >>> model = RiskScoreClassifier(max_terms=2, pool_tolerance=0.02).fit(X, y)
    >>> multiplicity = PoolMultiplicity(model, tolerance="1%").fit(X, y)
    >>> multiplicity.complete()
    True
    >>> bool(multiplicity.ranges().gap == 0)
    True
    """

    def __init__(
        self,
        model: RiskScoreClassifier,
        *,
        tolerance: Tolerance = "1%",
        max_gap: float = 1e-4,
        progress: Progress | None = None,
    ) -> None:
        self.model = model
        self.tolerance = tolerance
        self.max_gap = max_gap
        self.progress = progress

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> PoolMultiplicity:
        """Fold the training data of the model, as they were given to its `fit`.

        Raises
        ------
        ParameterError : the model is of another kind or not fitted.
        DataError : these are not the data that the model was learned from.
        """
        model = self.model
        if not isinstance(model, RiskScoreClassifier) or not hasattr(model, "pool_"):
            raise ParameterError(
                "no pool of score cards", where="model", expected="a fitted RiskScoreClassifier"
            )
        proof = model.proof(X, y, sample_weight)
        if proof["claim"]["data_digest"] != model.certificate_.data_digest:
            raise DataError(
                "not the data that the model was learned from",
                where="X, y",
                hint="Give the rows, outcomes and weights that were given to the model's fit",
            )
        patterns = proof["patterns"]
        rows = _patterns(patterns["rows"])
        positive = np.asarray(patterns["positive"], dtype=np.float64)
        negative = np.asarray(patterns["negative"], dtype=np.float64)
        total = float(positive.sum() + negative.sum())
        self._loss_rows = (rows, positive / total, negative / total)
        self.people_ = self._fold(X)
        self._size = len(self.people_.place) * 1.0
        if sample_weight is not None:
            self._size = effective_size(sample_weight)
        self.loss_ = float(model.certificate_.objective)
        self.score_class = (
            f"score cards ({model.scale}) of at most {model.max_terms} terms with points from "
            f"-{model.max_points} to {model.max_points} on {len(model.items_)} items"
        )
        self.complete()
        return self

    @property
    def method(self) -> str:  # type: ignore[override]
        return COMPLETE if self.complete() else PARTIAL

    def complete(self, tolerance: Tolerance | None = None) -> bool:
        """Whether the pool is proved to hold every card within the tolerance."""
        return self.loss_ + self.epsilon(tolerance) < self.model.pool_cutoff_

    def epsilon(self, tolerance: Tolerance | None = None) -> float:
        """A tolerance (by default that of the object) in units of the objective."""
        if not hasattr(self, "loss_"):
            raise ParameterError("not fitted yet", where="PoolMultiplicity", hint="Call fit(X, y)")
        chosen = self.tolerance if tolerance is None else tolerance
        return tolerance_epsilon(chosen, self.loss_, self._size)

    def _fold(self, X: Any) -> People:
        rows = check_rows(self.model, getattr(X, "X", X), reset=False)
        items = np.asarray(self.model.binarizer_.transform(rows), dtype=np.float64)
        return fold_people(items, np.full(len(items), 1 / len(items)))

    def _people(self, X: Any) -> People:
        self.epsilon()
        return self.people_ if X is None else self._fold(X)

    def _viable(self, people: People, epsilon: float) -> Viable:
        near = np.flatnonzero(self.model.pool_objectives_ <= self.loss_ + epsilon)
        place = {item.label: j for j, item in enumerate(self.model.items_)}
        cards = (self.model.card_, *(self.model.pool_[k] for k in near))
        risks = np.array([_risk(card, place, people.rows) for card in cards])
        low, high = risks.min(axis=0), risks.max(axis=0)
        if self.loss_ + epsilon < self.model.pool_cutoff_:
            return Viable(Ranges(risks[0], low, high, low, high), [risks], complete=True)
        bottom, top = self._relaxed(people.rows, self.loss_ + epsilon)
        ranges = Ranges(risks[0], low, high, np.minimum(bottom, low), np.maximum(top, high))
        return Viable(ranges, [risks])

    def _relaxed(self, items: Floats, limit: float) -> tuple[Floats, Floats]:
        """Least and largest risk of any linear score on the items with a loss up to `limit`.

        Scores matter by their values on the training patterns alone: an orthonormal basis of the
        rows' span takes away what the patterns cannot tell apart. Nothing is known (0 to 1) of
        people outside of that span, nor of anyone where items separate the outcomes.
        """
        rows, positive, negative = self._loss_rows
        rows, items = with_intercept(rows), with_intercept(items)
        _, singular, axes = np.linalg.svd(rows, full_matrices=False)
        basis = axes[singular > 1e-9 * singular[0]].T
        bottom, top = np.zeros(len(items)), np.ones(len(items))
        inside = np.abs(items - items @ basis @ basis.T).max(axis=1) < 1e-9
        loss = LogisticLoss(rows @ basis, positive, negative, np.zeros(basis.shape[1]))
        try:
            best = loss.minimise()
            level = LevelSet(loss, best, limit - float(loss.evaluate(best[None])[0][0]) + 1e-9)
        except DataError:
            return bottom, top
        found, _ = level_set_ranges(level, items[inside] @ basis, self.max_gap, self.progress)
        bottom[inside], top[inside] = found.low_outer - 1e-9, found.high_outer + 1e-9
        return np.maximum(bottom, 0.0), np.minimum(top, 1.0)


def _patterns(rows: list[Any]) -> Floats:
    """Patterns of a proof, texts of 0 and 1 or lists of numbers."""
    if isinstance(rows[0], str):
        bits = np.frombuffer("".join(rows).encode(), dtype=np.uint8)
        return (bits.reshape(len(rows), -1) - 48).astype(np.float64)
    return np.array(rows, dtype=np.float64)


def _risk(card: ScoreCard, place: dict[str, int], items: Floats) -> Floats:
    assert card.slope is not None
    assert card.intercept is not None
    total = np.zeros(len(items))
    for term in card.terms:
        total += term.points * items[:, place[term.item.label]]
    return np.asarray(expit(card.slope * total + card.intercept))
