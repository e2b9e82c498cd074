"""`CalibratedModel`: a drop-in classifier whose probabilities are those of out-of-fold scores."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import PredefinedSplit, cross_val_predict, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from riskwright.calibration import CalibratedModel, Calibrator
from riskwright.core import DataError, ParameterError, TargetError, UsageError
from riskwright.metrics import log_loss
from riskwright.scoring import RiskScoreClassifier


@parametrize_with_checks(
    [
        CalibratedModel(GaussianNB(), cv=2),
        CalibratedModel(LinearSVC(), "platt", cv=2),
    ]
)
def test_scikit_learn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def study(n=1200, seed=0):
    X, y = make_classification(
        n, n_features=12, n_informative=4, n_redundant=6, flip_y=0.1, random_state=seed
    )
    return X, y


@pytest.mark.parametrize("method", ["platt", "isotonic", "venn-abers"])
def test_the_calibrator_is_that_of_the_out_of_fold_scores(method):
    X, y = study()
    folds = PredefinedSplit(np.arange(y.size) % 4)
    model = CalibratedModel(GaussianNB(), method, cv=folds).fit(X, y)
    scores = cross_val_predict(GaussianNB(), X, y, cv=folds, method="predict_proba")[:, 1]
    calibrator = Calibrator(method).fit(scores, y)
    final = GaussianNB().fit(X, y).predict_proba(X)[:, 1]
    assert np.array_equal(model.predict_proba(X)[:, 1], calibrator.predict(final))
    assert np.array_equal(model.predict(X), (calibrator.predict(final) > 0.5).astype(int))


@pytest.mark.parametrize("learner", [GaussianNB(), LinearSVC(), RandomForestClassifier(20)])
def test_log_loss_on_new_rows_falls(learner):
    X, y = study(3000)
    learner = clone(learner)
    if hasattr(learner, "random_state"):
        learner.random_state = 0
    model = CalibratedModel(learner).fit(X[:1500], y[:1500])
    after = log_loss(y[1500:], model.predict_proba(X[1500:])[:, 1]).value
    if hasattr(learner, "predict_proba"):
        before = log_loss(y[1500:], learner.fit(X[:1500], y[:1500]).predict_proba(X[1500:])[:, 1])
        assert after < before.value
    assert after < log_loss(y[1500:], np.full(1500, y[:1500].mean())).value


def test_a_fitted_estimator_stays_as_it_is():
    X, y = study()
    learner = GaussianNB().fit(X[:600], y[:600])
    means = learner.theta_.copy()
    model = CalibratedModel(learner, "venn-abers", cv="prefit").fit(X[600:], y[600:])
    assert model.estimator_ is learner
    assert np.array_equal(learner.theta_, means)
    score = learner.predict_proba(X)[:, 1]
    expected = Calibrator("venn-abers").fit(score[600:], y[600:])
    assert np.array_equal(model.predict_proba(X)[:, 1], expected.predict(score))
    for ours, theirs in zip(model.interval(X), expected.interval(score), strict=True):
        assert np.array_equal(ours, theirs)


def test_groups_have_calibrators_of_their_own():
    X, y = study()
    groups = np.tile(["a", "b", "b"], 400)
    model = CalibratedModel(GaussianNB(), Calibrator("platt", by="group"))
    model.fit(X, y, groups=groups)
    assert set(model.calibrator_.maps_) == {"a", "b"}
    assert model.predict_proba(X, groups).shape == (1200, 2)
    assert model.predict(X, groups=groups).shape == (1200,)
    with pytest.raises(UsageError, match="groups"):
        model.predict_proba(X)


def test_risk_scores_and_text_labels_and_data_frames():
    X, y = study(400)
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    labels = np.where(y == 1, "sick", "healthy")
    card = RiskScoreClassifier(max_terms=2, certify=False)
    model = CalibratedModel(card, "beta", cv=3).fit(frame, labels)
    assert model.classes_.tolist() == ["healthy", "sick"]
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert set(model.predict(frame)) <= {"healthy", "sick"}
    assert (model.predict_proba(frame).sum(axis=1) == 1).all()


def test_weights_reach_classifier_and_calibrator():
    X, y = study(400)
    weight = np.random.default_rng(0).integers(1, 3, 400).astype(float)
    folds = PredefinedSplit(np.arange(400) % 4)
    repeated = np.repeat(np.arange(400), weight.astype(int))
    by_weight = CalibratedModel(GaussianNB(), "isotonic", cv=folds).fit(X, y, weight)
    by_rows = CalibratedModel(
        GaussianNB(), "isotonic", cv=PredefinedSplit(np.arange(400)[repeated] % 4)
    ).fit(X[repeated], y[repeated])
    assert by_weight.predict_proba(X) == pytest.approx(by_rows.predict_proba(X), abs=1e-9)


def test_it_works_within_model_selection():
    X, y = study(600)
    found = cross_val_score(
        CalibratedModel(GaussianNB(), "platt", cv=3), X, y, scoring="neg_log_loss", cv=3
    )
    assert (found > -0.7).all()


def test_what_cannot_be_used_is_refused():
    X, y = study(60)
    with pytest.raises(TargetError, match="Only binary classification"):
        CalibratedModel(GaussianNB()).fit(X, np.arange(60) % 3)
    with pytest.raises(TargetError, match="one class"):
        CalibratedModel(GaussianNB()).fit(X, np.zeros(60))
    with pytest.raises(DataError, match="5 rows of each class"):
        CalibratedModel(GaussianNB()).fit(X, np.r_[np.ones(3), np.zeros(57)])
    with pytest.raises(ParameterError, match="cv"):
        CalibratedModel(GaussianNB(), cv=1).fit(X, y)
    with pytest.raises(ParameterError, match="takes no weights"):
        CalibratedModel(KNeighborsClassifier()).fit(X, y, np.ones(60))
    with pytest.raises(ParameterError, match="method"):
        CalibratedModel(GaussianNB(), "sigmoid").fit(X, y)
