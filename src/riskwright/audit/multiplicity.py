"""Predictive multiplicity: what equally good scores say of the same person, certified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from riskwright.core import DataError, ParameterError, TargetError
from riskwright.stats import effective_size
from riskwright.stats._columns import is_number, numbers, places, positive_weights, same_length
from riskwright.stats._threads import one_blas_thread

from .multiplicity_measures import (
    People,
    PredictiveMultiplicity,
    Ranges,
    Tolerance,
    Viable,
    tolerance_epsilon,
)
from .multiplicity_report import MultiplicityReport, ToleranceReport
from .viable_ranges import Extremes, LevelSet, LogisticLoss

__all__ = ["Multiplicity", "MultiplicityReport", "Ranges", "ToleranceReport"]

Floats = NDArray[np.float64]
Progress = Callable[[int, int], object]

INTERCEPT_RIDGE = 1e-8
CANDIDATES = 1000  # scores tried for the discrepancy
SMALL_GAP = 1e-6
METHOD = (
    "certified ranges over all linear logistic scores within the tolerance: inner ends attained, "
    "outer ends by self-concordance and duality, rounding included"
)


class Multiplicity(PredictiveMultiplicity):
    """Certified ranges of risk over all linear logistic scores of nearly the least training loss.

    The scores are risk = sigma(b + x'w), their loss is the weighted mean logistic loss on the
    training rows plus penalty / 2 times the sum of w_j^2 (and 5e-9 b^2, so that a least loss
    always exists). For every person, the lowest and highest risk that any score within the
    tolerance gives is enclosed from both sides: attained within, excluded without.

    Parameters
    ----------
    tolerance : str or float, default="1%"
        Which losses count as equally good: a share of the least loss ("1%"); "noise", by which
        each range is the person's 95% profile-likelihood interval (epsilon = 3.84 / (2 n), n
        being Kish's effective number of rows where weights were given); or the difference itself.
    penalty : float, default=1e-4
        Ridge on the coefficients of the columns as they are given; above 0. Bring columns to like
        scales first where it should touch them alike.
    max_gap : float, default=1e-4
        Width, in probability, down to which the brackets are narrowed.
    progress : callable or None, default=None
        Called as progress(done, total) with numbers of distinct people times two ends.

    Attributes
    ----------
    coef_ : ndarray of shape (d,)
    intercept_ : float
        The score of least loss.
    loss_ : float
        The least loss, penalty included.
    people_ : the training rows of positive weight, folded.
    n_features_in_ : int

    Notes
    -----
    Equal rows are folded first. The two ends of a range cost two to three passes over the distinct
    rows each, O(d) per row: all ranges of 32,561 people (8,551 distinct, 36 binary columns) take
    some 5 CPU seconds, those of 10,000 people with 20 continuous columns about the same. As the
    cost grows with the square of the number of distinct people, ask for those of a sample where
    there are many: every method takes other people than the training rows. Memory is O(rows * d).

    Definitions: Watson-Daniels, Parkes & Ustun (2023), Predictive Multiplicity in Probabilistic
    Classification, AAAI; they solve a grid of problems per person, where this gives certificates.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 2, (500, 4))
    >>> y = rng.random(500) < 1 / (1 + np.exp(1 - 2 * X[:, 0]))
    >>> multiplicity = Multiplicity(tolerance="1%").fit(X, y)
    >>> ranges = multiplicity.ranges([[1, 0, 0, 1]])
    >>> print(f"{ranges.risk[0]:.2f} could be {ranges.low[0]:.2f} to {ranges.high[0]:.2f}")
    0.73 could be 0.61 to 0.82
    >>> ranges.gap < 1e-4
    True
    """

    method = METHOD

    def __init__(
        self,
        *,
        tolerance: Tolerance = "1%",
        penalty: float = 1e-4,
        max_gap: float = 1e-4,
        progress: Progress | None = None,
    ) -> None:
        self.tolerance = tolerance
        self.penalty = penalty
        self.max_gap = max_gap
        self.progress = progress

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Multiplicity:
        """Learn the score of least loss.

        Parameters
        ----------
        X : numbers of shape (n, d): array or data frame, categories coded by the caller
        y : shape (n,), 0 or 1, both present
        sample_weight : shape (n,), at least 0; rows of weight 0 are left out

        Raises
        ------
        DataError : missing or infinite values, wrong lengths, or no least loss within reach.
        TargetError : outcomes other than 0 and 1, or of one kind only.
        ParameterError : a parameter has a value that is not allowed.
        """
        self._check_parameters()
        rows = numbers(X, "X", ndim=2)
        outcome = binary_outcomes(y)
        same_length(outcome, "y", len(rows), "X")
        weight, kept = positive_weights(sample_weight, len(rows), "X")
        if kept is not None:
            rows, outcome = rows[kept], outcome[kept]
        if outcome.min() == outcome.max():
            raise TargetError("one outcome only", where="y", expected="both 0 and 1")
        each = np.full(len(rows), 1 / len(rows)) if weight is None else weight / weight.sum()
        self.n_features_in_ = rows.shape[1]
        self._size = float(len(rows)) if weight is None else effective_size(weight)
        self.people_ = fold_people(with_intercept(rows), each)
        place, distinct = self.people_.place, len(self.people_.rows)
        events = np.bincount(place, each * outcome, distinct).astype(np.float64)
        others = np.bincount(place, each * (1 - outcome), distinct).astype(np.float64)
        ridge = np.full(rows.shape[1] + 1, float(self.penalty))
        ridge[0] = INTERCEPT_RIDGE
        self._loss = LogisticLoss(self.people_.rows, events, others, ridge)
        self._best = self._loss.minimise()
        self.loss_ = float(self._loss.evaluate(self._best[None])[0][0])
        self.coef_, self.intercept_ = self._best[1:], float(self._best[0])
        self.score_class = (
            f"linear logistic scores on {rows.shape[1]} columns, ridge penalty {self.penalty:g}"
        )
        self._viable_training: dict[float, Viable] = {}
        self.epsilon()
        return self

    def _check_parameters(self) -> None:
        for name, low, high in (("penalty", 1e-12, 1e6), ("max_gap", SMALL_GAP, 1.0)):
            value = getattr(self, name)
            if not (is_number(value) and low <= value <= high):
                raise ParameterError(
                    "value not allowed",
                    where=f"Multiplicity({name}=)",
                    expected=f"a number from {low:g} to {high:g}",
                    got=repr(value),
                )
        tolerance_epsilon(self.tolerance, 1.0, 1.0)

    def epsilon(self, tolerance: Tolerance | None = None) -> float:
        """A tolerance (by default that of the object) in units of the loss."""
        self._check_fitted()
        chosen = self.tolerance if tolerance is None else tolerance
        return tolerance_epsilon(chosen, self.loss_, self._size)

    def _check_fitted(self) -> None:
        if not hasattr(self, "coef_"):
            raise ParameterError("not fitted yet", where="Multiplicity", hint="Call fit(X, y)")

    def _people(self, X: Any) -> People:
        self._check_fitted()
        if X is None:
            return self.people_
        rows = numbers(X, "X", ndim=2)
        if rows.shape[1] != self.n_features_in_:
            raise DataError(
                "wrong number of columns",
                where="X",
                expected=f"{self.n_features_in_} as in fit",
                got=str(rows.shape[1]),
            )
        return fold_people(with_intercept(rows), np.full(len(rows), 1 / len(rows)))

    def _viable(self, people: People, epsilon: float) -> Viable:
        known = people is self.people_
        if known and epsilon in self._viable_training:
            return self._viable_training[epsilon]
        level = LevelSet(self._loss, self._best, epsilon)
        ranges, scores = level_set_ranges(level, people.rows, self.max_gap, self.progress)
        every = max(1, -(-len(scores) // CANDIDATES))
        viable = Viable(
            ranges,
            _Risks(people.rows, scores[::every].copy()),
            climb=lambda pull: expit(level.farthest(pull @ people.rows) @ people.rows.T),
        )
        if known:
            self._viable_training[epsilon] = viable
        return viable


class _Risks:
    """Risks of people under scores, a batch of scores at a time."""

    def __init__(self, rows: Floats, scores: Floats) -> None:
        self.rows, self.scores = rows, scores

    def __iter__(self) -> Any:
        batch = max(1, 4_000_000 // len(self.rows))
        for start in range(0, len(self.scores), batch):
            yield expit(self.scores[start : start + batch] @ self.rows.T)


@one_blas_thread()
def level_set_ranges(
    level: LevelSet, rows: Floats, max_gap: float, progress: Progress | None
) -> tuple[Ranges, Floats]:
    """Ranges of distinct people over a level set, and the scores that attain their ends."""
    done, total = 0, 2 * len(rows)

    def tick(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    up: Extremes = level.extremes(rows, max_gap, tick)
    down: Extremes = level.extremes(-rows, max_gap, tick)
    ranges = Ranges(
        risk=expit(rows @ level.best),
        low=expit(-down.inner),
        high=expit(up.inner),
        low_outer=expit(-down.outer),
        high_outer=expit(up.outer),
    )
    return ranges, np.concatenate([up.scores, down.scores])


def binary_outcomes(y: ArrayLike) -> Floats:
    """Outcomes 0 and 1 as numbers."""
    outcome = numbers(y, "y")
    bad = (outcome != 0) & (outcome != 1)
    if bad.any():
        raise TargetError(
            "outcomes other than 0 and 1", where="y", expected="0 or 1", got=places(bad)
        )
    return outcome


def with_intercept(rows: Floats) -> Floats:
    return np.column_stack([np.ones(len(rows)), rows])


def fold_people(rows: Floats, share: Floats) -> People:
    """Equal rows together; -0 and 0 are equal."""
    distinct, place, counts = np.unique(rows + 0.0, axis=0, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    total = np.bincount(place, share, len(distinct)).astype(np.float64)
    return People(distinct, counts, total, place)
