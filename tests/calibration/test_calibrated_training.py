"""`CalibratedTraining`: rounds, targets, and the distance to risks that are known."""

import copy
import warnings

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from riskwright.calibration import CalibratedTraining, Calibrator
from riskwright.core import DataError, ParameterError, TargetError

SGD = SGDClassifier(loss="log_loss", random_state=0)
# A weight is not the row twice where rows are kept apart at random and visited one by one.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "rows are kept apart at random",
    "check_sample_weight_equivalence_on_sparse_data": "rows are kept apart at random",
}


@parametrize_with_checks(
    [CalibratedTraining(SGD, rounds=3)],
    expected_failed_checks=lambda _: EXPECTED,
)
def test_scikit_learn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def world(n, rng):
    """Ten columns, of which four matter, not linearly; outcomes and their true risks."""
    X = rng.normal(size=(n, 10))
    s = 1.2 * np.sin(1.5 * X[:, 0]) + 0.8 * X[:, 1] * X[:, 2] - 0.3 + 0.6 * X[:, 3]
    risk = expit(s)
    return X, (rng.random(n) < risk).astype(int), risk


def errors(seed):
    """Squared distance to the true risks of new rows, by way of training."""
    rng = np.random.default_rng(seed)
    X, y, _ = world(900, rng)
    new, _, truth = world(5000, rng)
    learner = MLPClassifier((32, 32), batch_size=64, learning_rate_init=3e-3, random_state=seed)
    model = CalibratedTraining(learner, rounds=60, patience=8, random_state=seed).fit(X, y)
    train, test = model._split(y.astype(float))
    plain, early = clone(learner), None
    for number in range(60):
        plain.partial_fit(X[train], y[train], classes=[0, 1])
        if number == np.argmin(model.validation_loss_[: model.n_plain_rounds_]):
            early = copy.deepcopy(plain)
    platt = Calibrator("platt").fit(plain.predict_proba(X[test])[:, 1], y[test])
    risks = {
        "calibrated training": model.predict_proba(new)[:, 1],
        "to the end": plain.predict_proba(new)[:, 1],
        "to the end, then Platt": platt.predict(plain.predict_proba(new)[:, 1]),
        "early stopping": early.predict_proba(new)[:, 1],
    }
    return {name: np.mean((risk - truth) ** 2) for name, risk in risks.items()}


def test_it_is_far_closer_to_the_true_risks_than_training_to_the_end():
    """Mean of four seeds: at most 0.55 of the squared error of training to the end, and no more
    than a tenth above early stopping alone and above Platt's scaling after the end."""
    found = [errors(seed) for seed in range(4)]
    mean = {name: np.mean([each[name] for each in found]) for name in found[0]}
    ours = mean["calibrated training"]
    assert ours < 0.55 * mean["to the end"]
    assert ours < 1.1 * mean["to the end, then Platt"]
    assert ours < 1.1 * mean["early stopping"]


def test_the_best_round_is_kept_and_its_loss_is_that_of_the_model():
    X, y, _ = world(500, np.random.default_rng(1))
    learner = MLPClassifier((16,), learning_rate_init=0.02, random_state=0)
    model = CalibratedTraining(learner, patience=4).fit(X, y)
    _, test = model._split(y.astype(float))
    risk = model.predict_proba(X[test])[:, 1]
    loss = -np.mean(np.log(np.where(y[test] == 1, risk, 1 - risk)))
    assert loss == pytest.approx(model.validation_loss_.min(), abs=1e-12)
    assert model.best_round_ == np.argmin(model.validation_loss_) + 1
    first = model.validation_loss_[: model.n_plain_rounds_]
    assert first.size == np.argmin(first) + 1 + 4


def test_learners_with_a_warm_start_go_on_where_they_were():
    X, y, _ = world(500, np.random.default_rng(1))
    model = CalibratedTraining(LogisticRegression(max_iter=1), rounds=30, patience=30).fit(X, y)
    losses = model.validation_loss_[: model.n_plain_rounds_]
    assert losses.size == 30
    train, test = model._split(y.astype(float))
    whole = LogisticRegression().fit(X[train], y[train]).predict_proba(X[test])
    assert losses[-1] == pytest.approx(log_loss(y[test], whole), abs=1e-3)
    assert abs(losses[0] - losses[-1]) > 5e-3


def test_text_labels_and_weights():
    X, y, _ = world(400, np.random.default_rng(1))
    labels = np.where(y == 1, "yes", "no")
    plain = CalibratedTraining(SGD, rounds=5).fit(X, labels)
    assert set(plain.predict(X)) <= {"yes", "no"}
    heavy = CalibratedTraining(SGD, rounds=5).fit(X, labels, np.where(y == 1, 5.0, 1.0))
    assert heavy.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.1


@pytest.mark.parametrize(
    "learner",
    [
        GradientBoostingClassifier(),
        KNeighborsClassifier(),
        SGDClassifier(loss="hinge"),
    ],
)
def test_learners_without_rounds_weights_or_probabilities_are_refused(learner):
    with pytest.raises(ParameterError, match="trained in rounds"):
        CalibratedTraining(learner).fit(np.eye(40), np.arange(40) % 2)


def test_bad_settings_and_outcomes_are_refused():
    for settings in ({"rounds": 0}, {"bins": 1.5}, {"patience": 0}, {"validation_fraction": 1.0}):
        with pytest.raises(ParameterError, match=next(iter(settings))):
            CalibratedTraining(SGD, **settings).fit(np.eye(40), np.arange(40) % 2)
    with pytest.raises(TargetError, match="binary"):
        CalibratedTraining(SGD).fit(np.eye(40), np.arange(40) % 3)
    with pytest.raises(DataError, match="too few rows"):
        CalibratedTraining(SGD).fit(np.eye(3), [0, 0, 1])
