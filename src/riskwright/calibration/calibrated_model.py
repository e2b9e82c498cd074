"""`CalibratedModel`: any binary classifier with probabilities that were calibrated out of fold."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.utils import Tags, _safe_indexing, get_tags, indexable
from sklearn.utils.validation import _num_samples, check_is_fitted

from riskwright.core import DataError, ParameterError

from ._inputs import Floats
from ._learners import binary_outcome, checked_weight, scores, takes_weights
from .calibrator import Calibrator, Method

__all__ = ["CalibratedModel"]


class CalibratedModel(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier followed by a calibrator that learned from rows the classifier had not seen.

    `fit` scores every row by a clone trained on the other folds, learns the calibrator from these
    scores, and trains the estimator anew on all rows. One model is kept, rather than the average
    over folds, because one model can be read, saved and explained; the calibrator is learned from
    clones that saw (cv - 1) / cv of the rows and errs, if at all, on the timid side.

    Parameters
    ----------
    estimator : classifier with `predict_proba` (used first) or `decision_function`
    calibrator : str or Calibrator, default="auto"
        A method of `Calibrator`, or a calibrator with all its settings, which is cloned.
    cv : int, splitter, iterable of (train, test) or "prefit", default=5
        A number means stratified, shuffled folds. Rows that no fold tests are left out of the
        calibration; those that several test count with each score. "prefit": `estimator` is fitted
        already and stays as it is; give `fit` rows that it has not seen.
    random_state : int, RandomState or None, default=None
        Seed of the folds; None is 0.
    n_jobs : int or None, default=None
        Folds trained at the same time, as in joblib.

    Attributes
    ----------
    estimator_ : the classifier trained on all rows
    calibrator_ : Calibrator
    classes_ : ndarray of shape (2,); the second is the event
    n_features_in_, feature_names_in_ : as of `estimator_`, where it has them

    Notes
    -----
    Binary outcomes only. Temperature and beta calibration need an estimator with `predict_proba`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from riskwright.metrics import log_loss
    >>> X, y = make_classification(2000, n_redundant=10, random_state=0)
    >>> plain = GaussianNB().fit(X[:1000], y[:1000])
    >>> model = CalibratedModel(GaussianNB()).fit(X[:1000], y[:1000])
    >>> after, before = (
    ...     log_loss(y[1000:], m.predict_proba(X[1000:])[:, 1]).value for m in (model, plain)
    ... )
    >>> after < before
    True
    """

    def __init__(
        self,
        estimator: Any,
        calibrator: Method | Calibrator = "auto",
        *,
        cv: Any = 5,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.calibrator = calibrator
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.classifier_tags.multi_class = False
        tags.input_tags = inner.input_tags
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train the classifier and its calibrator.

        Parameters
        ----------
        X : what the estimator takes, n rows
        y : array of shape (n,), two classes
        sample_weight : array of shape (n,), at least 0; for classifier and calibrator
        groups : array of shape (n,), for a calibrator with `by="group"`; not those of the folds

        Raises
        ------
        TargetError : not two classes.
        DataError : a class has fewer rows than there are folds.
        ParameterError : weights for an estimator that takes none, or settings out of range.
        """
        X, y = indexable(X, y)
        self.classes_, outcome = binary_outcome(y)
        weight = checked_weight(sample_weight, X, outcome)
        calibrator = self._new_calibrator()
        if self.cv == "prefit":
            check_is_fitted(self.estimator)
            self.estimator_ = self.estimator
            tested = np.arange(outcome.size)
            score = scores(self.estimator_, X, self.classes_[1])
        else:
            tested, score = self._out_of_fold(X, np.asarray(y), outcome, weight)
            self.estimator_ = _trained(self.estimator, X, np.asarray(y), weight)
        self.calibrator_ = calibrator.fit(
            score,
            outcome[tested],
            None if weight is None else weight[tested],
            None if groups is None else np.asarray(groups)[tested],
        )
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def predict_proba(self, X: Any, groups: ArrayLike | None = None) -> Floats:
        """Calibrated probabilities of both classes, in the order of `classes_`; shape (n, 2)."""
        check_is_fitted(self)
        score = scores(self.estimator_, X, self.classes_[1])
        return self.calibrator_.predict_proba(score, groups)

    def predict(self, X: Any, groups: ArrayLike | None = None) -> NDArray[Any]:
        """The more probable class; shape (n,)."""
        risk = self.predict_proba(X, groups)[:, 1]
        return np.asarray(self.classes_[(risk > 0.5).astype(np.intp)])

    def interval(self, X: Any, groups: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Venn-Abers' lower and upper probability of the event, as `Calibrator.interval`.

        With folds the guarantee of Venn-Abers is lost, since the scores of the calibration come
        from other models than those of new rows; `cv="prefit"` keeps it.
        """
        check_is_fitted(self)
        return self.calibrator_.interval(scores(self.estimator_, X, self.classes_[1]), groups)

    def _new_calibrator(self) -> Calibrator:
        if isinstance(self.calibrator, Calibrator):
            copy: Calibrator = clone(self.calibrator)
            return copy
        return Calibrator(self.calibrator, random_state=self.random_state)

    def _out_of_fold(
        self, X: Any, y: NDArray[Any], outcome: Floats, weight: Floats | None
    ) -> tuple[NDArray[np.intp], Floats]:
        """Rows that the folds test, and their scores by a clone that was not trained on them."""
        if weight is not None and not takes_weights(self.estimator.fit):
            raise ParameterError(
                f"{type(self.estimator).__name__}.fit takes no weights", where="sample_weight"
            )
        parts = Parallel(n_jobs=self.n_jobs)(
            delayed(_fold_scores)(self.estimator, X, y, weight, train, test, self.classes_[1])
            for train, test in self._splits(X, y, outcome)
        )
        tested = np.concatenate([rows for rows, _ in parts])
        return tested, np.concatenate([part for _, part in parts])

    def _splits(self, X: Any, y: NDArray[Any], outcome: Floats) -> list[Any]:
        cv = self.cv
        if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
            fewest = int(min(outcome.sum(), (1 - outcome).sum()))
            if cv < 2:
                raise ParameterError(
                    "value not allowed",
                    where="CalibratedModel(cv=)",
                    expected='a whole number from 2, a splitter, (train, test) pairs or "prefit"',
                    got=repr(cv),
                )
            if fewest < cv:
                raise DataError(
                    f"{cv}-fold calibration needs {cv} rows of each class",
                    where="y",
                    got=f"{_num_samples(X)} rows, {fewest} of the rarer class",
                    hint="Use fewer folds",
                )
            seed = 0 if self.random_state is None else self.random_state
            cv = StratifiedKFold(int(cv), shuffle=True, random_state=seed)
        return list(check_cv(cv, y, classifier=True).split(X, y))


def _trained(estimator: Any, X: Any, y: NDArray[Any], weight: Floats | None) -> Any:
    model = clone(estimator)
    return model.fit(X, y) if weight is None else model.fit(X, y, sample_weight=weight)


def _fold_scores(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    weight: Floats | None,
    train: NDArray[Any],
    test: NDArray[Any],
    positive: Any,
) -> tuple[NDArray[np.intp], Floats]:
    part = None if weight is None else weight[train]
    model = _trained(estimator, _safe_indexing(X, train), y[train], part)
    rows = np.arange(y.size)[test]
    return rows, scores(model, _safe_indexing(X, rows), positive)
