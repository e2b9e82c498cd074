"""Calibration during training: outcomes and empirical frequencies take turns as targets."""

from __future__ import annotations

import copy
import warnings
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from riskwright.core import DataError, ParameterError

from ._inputs import Floats, ScoredRows, inside
from ._learners import binary_outcome, checked_weight, scores, takes_weights
from .histogram import HistogramMap

__all__ = ["CalibratedTraining"]


class CalibratedTraining(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Train a classifier in rounds, from early stopping on with a pull toward its own frequencies.

    First the learner is trained on the outcomes, round by round, until its log loss on a part kept
    apart has not improved for `patience` rounds, and is set back to its best round. Then rounds on
    the outcomes alternate with rounds whose targets are the event rates in bins of the learner's
    current scores, and the best round of all is kept. Liu et al. (2022), Deep Probability
    Estimation, ICML (there with neural networks).

    It can therefore be no worse than early stopping on the part kept apart. On new rows of a
    simulated world with known risks (900 rows, a small network, 12 seeds) its mean squared error to
    them was 0.036, against 0.081 for training to the end, 0.039 for that with Platt's scaling
    fitted on the part kept apart, and 0.035 for early stopping alone: the rounds with frequencies
    as targets showed no gain over early stopping.

    Parameters
    ----------
    estimator : classifier with `predict_proba`, `sample_weight` and training in rounds
        One with `partial_fit` (a round is one call: one pass over the rows), such as
        `SGDClassifier(loss="log_loss")` or `MLPClassifier`; or one with `warm_start` (a round is
        one `fit` of as many iterations as its `max_iter`), such as `LogisticRegression`. Ensembles
        that grow by `n_estimators` are refused.
    rounds : int, default=200
        Most rounds in either stage.
    bins : int, default=15
        Bins of equal mass in which frequencies are taken.
    patience : int, default=10
        Rounds without improvement after which a stage ends.
    validation_fraction : float, default=0.2
        Share of the rows kept apart, stratified; they are not trained on.
    random_state : int, RandomState or None, default=None
        Seed of the split; None is 0. The learner has its own.

    Attributes
    ----------
    estimator_ : the learner at its best round
    classes_ : ndarray of shape (2,); the second is the event
    best_round_ : int, counted over both stages from 1
    n_plain_rounds_ : int, rounds of the first stage
    validation_loss_ : ndarray, log loss on the part kept apart after every round
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import SGDClassifier
    >>> X, y = make_classification(500, random_state=0)
    >>> learner = SGDClassifier(loss="log_loss", random_state=0)
    >>> model = CalibratedTraining(learner).fit(X, y)
    >>> model.validation_loss_[model.best_round_ - 1] == model.validation_loss_.min()
    np.True_
    """

    def __init__(
        self,
        estimator: Any,
        *,
        rounds: int = 200,
        bins: int = 15,
        patience: int = 10,
        validation_fraction: float = 0.2,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.rounds = rounds
        self.bins = bins
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        return tags

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train the learner.

        Parameters
        ----------
        X : array, sparse matrix or data frame of numbers, shape (n, n_features)
        y : array of shape (n,), two classes
        sample_weight : array of shape (n,), at least 0

        Raises
        ------
        TargetError : not two classes.
        DataError : too few rows of a class to keep some of them apart.
        ParameterError : a learner that cannot be trained in rounds, or settings out of range.
        """
        self._check_parameters()
        checked, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        self.classes_, outcome = binary_outcome(y)
        given = checked_weight(sample_weight, checked, outcome)
        weight = np.ones(outcome.size) if given is None else given
        train, test = self._split(outcome)
        rounds = _Rounds(self.estimator, self.classes_, self.bins)
        self._train(
            rounds,
            (checked[train], outcome[train], weight[train]),
            (checked[test], outcome[test], weight[test]),
        )
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of both classes, in the order of `classes_`; shape (n, 2)."""
        check_is_fitted(self)
        checked = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        risk = scores(self.estimator_, checked, self.classes_[1])
        return np.column_stack([1.0 - risk, risk])

    def predict(self, X: Any) -> NDArray[Any]:
        """The more probable class; shape (n,)."""
        risk = self.predict_proba(X)[:, 1]
        return np.asarray(self.classes_[(risk > 0.5).astype(np.intp)])

    def _train(self, rounds: _Rounds, train: _Part, test: _Part) -> None:
        losses: list[float] = []
        best = np.inf
        for stage in ("plain", "pulled"):
            since = 0
            for number in range(int(self.rounds)):
                rounds.step(train, pull=stage == "pulled" and number % 2 == 0)
                losses.append(rounds.loss(test))
                since += 1
                if losses[-1] < best:
                    best, since = losses[-1], 0
                    self.best_round_ = len(losses)
                    self.estimator_ = copy.deepcopy(rounds.learner)
                if since >= self.patience:
                    break
            if stage == "plain":
                self.n_plain_rounds_ = len(losses)
                rounds.learner = copy.deepcopy(self.estimator_)
        self.validation_loss_ = np.array(losses)

    def _split(self, outcome: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        seed = 0 if self.random_state is None else self.random_state
        split = StratifiedShuffleSplit(
            1, test_size=float(self.validation_fraction), random_state=seed
        )
        try:
            train, test = next(split.split(outcome[:, None], outcome))
        except ValueError:
            raise DataError(
                "too few rows of a class to keep some apart",
                where="y",
                got=f"{outcome.size} rows (n_samples={outcome.size}), "
                f"{int(min(outcome.sum(), (1 - outcome).sum()))} of the rarer class",
            ) from None
        return train, test

    def _check_parameters(self) -> None:
        for name, low in (("rounds", 1), ("bins", 1), ("patience", 1)):
            value = getattr(self, name)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            self._need(name, whole and value >= low, f"a whole number from {low}")
        share = self.validation_fraction
        fits = isinstance(share, float) and 0.0 < share < 1.0
        self._need("validation_fraction", fits, "a number between 0 and 1")

    def _need(self, name: str, ok: bool, expected: str) -> None:
        if not ok:
            raise ParameterError(
                "value not allowed",
                where=f"CalibratedTraining({name}=)",
                expected=expected,
                got=repr(getattr(self, name)),
            )


_Part = tuple[Any, Floats, Floats]


class _Rounds:
    """A learner that is trained one round at a time, on outcomes or on frequencies."""

    def __init__(self, estimator: Any, classes: NDArray[Any], bins: int) -> None:
        self.classes, self.bins = classes, int(bins)
        self.learner = clone(estimator)
        params = self.learner.get_params(deep=False)
        self.partial = hasattr(self.learner, "partial_fit")
        warm = "warm_start" in params and "n_estimators" not in params and "max_iter" in params
        fits = self.partial or warm
        if fits:
            train = self.learner.partial_fit if self.partial else self.learner.fit
            fits = takes_weights(train) and hasattr(self.learner, "predict_proba")
        if not fits:
            raise ParameterError(
                "this learner cannot be trained in rounds",
                where="CalibratedTraining(estimator=)",
                expected="predict_proba, weights, and partial_fit or warm_start with max_iter",
                got=type(estimator).__name__,
            )
        if not self.partial:
            self.learner.set_params(warm_start=True)

    def step(self, part: _Part, *, pull: bool) -> None:
        """One round; with `pull` toward the event rates in bins of the current scores."""
        X, y, weight = part
        if not pull:
            self._round(X, y, weight)
            return
        rows = ScoredRows(self.score(X), y, weight, np.ones(y.size, bool)).take(weight > 0)
        rate = HistogramMap.fit(rows, bins=self.bins).predict(self.score(X))
        twice = sp.vstack([X, X], format="csr") if sp.issparse(X) else np.concatenate([X, X])
        targets = np.repeat([1.0, 0.0], y.size)
        self._round(twice, targets, np.concatenate([weight * rate, weight * (1.0 - rate)]))

    def _round(self, X: Any, y: Floats, weight: Floats) -> None:
        labels = self.classes[y.astype(np.intp)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if self.partial:
                self.learner.partial_fit(X, labels, classes=self.classes, sample_weight=weight)
            else:
                self.learner.fit(X, labels, sample_weight=weight)

    def score(self, X: Any) -> Floats:
        return scores(self.learner, X, self.classes[1])

    def loss(self, part: _Part) -> float:
        """Weighted log loss; probabilities of 0 and 1 are moved by 2^-52."""
        X, y, weight = part
        risk, _ = inside(self.score(X))
        losses = -np.where(y > 0, np.log(risk), np.log(1.0 - risk))
        return float(weight @ losses / weight.sum())
