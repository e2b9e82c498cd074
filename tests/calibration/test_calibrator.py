"""`Calibrator`: the contract, choice of method, groups, censoring, saved form, errors."""

import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from riskwright.calibration import Calibrator
from riskwright.core import (
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    TargetError,
    UsageError,
    ValueRangeError,
    load,
    save,
)

METHODS = ["platt", "temperature", "beta", "isotonic", "histogram", "venn-abers"]


def sample(n=2000, seed=0, slope=0.6, intercept=-0.4):
    rng = np.random.default_rng(seed)
    s = rng.normal(0, 1.5, n)
    return expit(s), (rng.random(n) < expit(slope * s + intercept)).astype(int)


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_scikit_learn_checks_for_estimators_of_one_column(method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(Calibrator(method))


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_fit_is_repeatable_and_takes_any_container(method):
    p, y = sample(300)
    fitted = Calibrator(method).fit(p, y)
    expected = fitted.predict(p)
    for score, outcome in (
        (p.reshape(-1, 1), y == 1),
        (pd.Series(p), pd.Series(y)),
        (p.tolist(), y.tolist()),
    ):
        again = clone(fitted).fit(score, outcome)
        assert np.array_equal(again.predict(score), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(p), expected)
    assert np.array_equal(fitted.predict_proba(p), np.column_stack([1 - expected, expected]))
    assert fitted.n_rows_ == 300
    assert fitted.n_events_ == y.sum()


def test_auto_takes_the_least_cross_fitted_log_loss():
    p, y = sample()
    fitted = Calibrator().fit(p, y)
    losses = {name: estimate.value for name, estimate in fitted.candidates_.items()}
    assert set(losses) == set(METHODS)
    assert losses[fitted.chosen_] == min(losses.values())
    assert "5-fold cross-fitted" in fitted.candidates_["platt"].method
    named = Calibrator(fitted.chosen_).fit(p, y)
    assert np.array_equal(named.predict(p), fitted.predict(p))
    assert named.candidates_ == {}


def test_auto_finds_the_shape_of_the_truth():
    rng = np.random.default_rng(0)
    s = rng.normal(0, 1.5, 20_000)
    straight = Calibrator().fit(s, rng.random(s.size) < expit(0.7 * s - 1))
    assert straight.chosen_ == "platt"
    stepped = Calibrator().fit(s, rng.random(s.size) < np.where(s < 0.3, 0.1, 0.7))
    assert stepped.chosen_ in ("isotonic", "venn-abers")


def test_auto_lists_what_it_left_out():
    p, y = sample(300)
    w = np.random.default_rng(0).random(300) + 0.5
    fitted = Calibrator().fit(3 * p - 1, y, w)
    assert set(fitted.left_out_) == {"temperature", "beta", "venn-abers"}
    assert "out of range" in fitted.left_out_["beta"]
    assert set(fitted.candidates_) == set(METHODS) - set(fitted.left_out_)


def grouped():
    rng = np.random.default_rng(5)
    groups = rng.choice(["a", "b", "tiny"], 4000, p=[0.6, 0.38, 0.02])
    s = rng.normal(size=4000)
    shift = np.select([groups == "a", groups == "b"], [-1, 1], 0)
    return expit(s), (rng.random(4000) < expit(s + shift)).astype(int), groups


@pytest.mark.parametrize("method", ["platt", "isotonic", "venn-abers", "auto"])
def test_groups_get_their_own_calibrator_and_small_ones_the_listed_fallback(method):
    p, y, groups = grouped()
    fitted = Calibrator(method, by="group").fit(p, y, groups=groups)
    assert set(fitted.maps_) == {"a", "b"}
    assert list(fitted.fallback_groups_) == ["tiny"]
    assert "fewer than 50" in fitted.fallback_groups_["tiny"]
    risk = fitted.predict(p, groups)
    for label in ("a", "b"):
        rows = groups == label
        alone = Calibrator(fitted.chosen_).fit(p[rows], y[rows]).predict(p[rows])
        assert np.array_equal(risk[rows], alone)
    overall = Calibrator(fitted.chosen_).fit(p, y).predict(p)
    assert np.array_equal(risk[groups == "tiny"], overall[groups == "tiny"])


def test_a_group_without_a_fit_falls_back_with_the_reason():
    p, y, groups = grouped()
    p = np.where(groups == "b", np.where(y == 1, 0.9, 0.1), p)
    fitted = Calibrator("temperature", by="group").fit(p, y, groups=groups)
    assert "no finite temperature" in fitted.fallback_groups_["b"]


def test_groups_and_weights_of_zero_leave_the_same_rows():
    p, y, groups = grouped()
    kept = np.random.default_rng(0).random(p.size) < 0.7
    weighed = Calibrator("platt", by="group").fit(p, y, kept.astype(float), groups)
    taken = Calibrator("platt", by="group").fit(p[kept], y[kept], groups=groups[kept])
    assert weighed.predict(p, groups) == pytest.approx(taken.predict(p, groups), abs=1e-12)


def test_unseen_groups_and_groups_at_odds_with_by_are_refused():
    p, y, groups = grouped()
    fitted = Calibrator("platt", by="group").fit(p, y, groups=groups)
    with pytest.raises(ValueRangeError, match="did not see"):
        fitted.predict([0.5], ["c"])
    with pytest.raises(UsageError, match="groups"):
        fitted.predict([0.5])
    with pytest.raises(UsageError, match="groups"):
        Calibrator("platt").fit(p, y, groups=groups)
    with pytest.raises(UsageError, match="groups"):
        Calibrator("platt", by="group").fit(p, y)
    with pytest.raises(DataError, match="length"):
        Calibrator("platt", by="group").fit(p, y, groups=groups[1:])


def test_numbers_text_and_missing_values_name_groups():
    p, y, _ = grouped()
    codes = np.tile([1.0, 2.0], p.size // 2)
    fitted = Calibrator("platt", by="group").fit(p, y, groups=codes)
    assert set(fitted.maps_) == {"1", "2"}
    assert np.array_equal(
        fitted.predict(p, codes.astype(int)), fitted.predict(p, codes.astype(int).astype(str))
    )
    mixed = np.where(codes == 1, None, "x")
    assert set(Calibrator("platt", by="group").fit(p, y, groups=mixed).maps_) == {"(missing)", "x"}


def censored_follow_up(n=40_000, seed=2):
    """Exponential times with log-hazard s, about half of them censored by time 1."""
    rng = np.random.default_rng(seed)
    s = rng.normal(size=n)
    times, ends = rng.exponential(np.exp(1 - s)), rng.exponential(1.4, n)
    return s, np.minimum(times, ends), times <= ends, 1 - np.exp(-np.exp(s - 1))


def test_calibration_under_censoring_finds_the_risk_at_the_horizon():
    s, time, event, risk = censored_follow_up()
    fitted = Calibrator("isotonic").fit_censored(s, time, event, 1.0)
    middle = np.abs(s) < 1.5
    assert np.abs(fitted.predict(s) - risk)[middle].mean() < 0.02
    naive = Calibrator("isotonic").fit(s, event & (time <= 1.0))
    assert np.abs(naive.predict(s) - risk)[middle].mean() > 0.07
    assert fitted.censoring_.n - fitted.censoring_.n_used > 10_000
    assert naive.censoring_ is None


def test_without_censoring_the_weights_are_one():
    s, time, _, _ = censored_follow_up(500)
    fitted = Calibrator("venn-abers").fit_censored(s, time, np.ones(500), 1.0)
    plain = Calibrator("venn-abers").fit(s, time <= 1.0)
    assert np.array_equal(fitted.predict(s), plain.predict(s))


def test_follow_up_that_cannot_be_used_is_refused():
    with pytest.raises(TargetError, match="followed to the horizon"):
        Calibrator("platt").fit_censored([1, 2], [1, 2], [1, 0], 3.0)
    with pytest.raises(ParameterError, match="horizon"):
        Calibrator("platt").fit_censored([1, 2], [1, 2], [1, 0], 0.0)
    with pytest.raises(ParameterError, match="max_weight"):
        Calibrator("platt").fit_censored([1, 2], [1, 2], [1, 0], 1.0, max_weight=0.5)
    with pytest.raises(DataError, match="negative times"):
        Calibrator("platt").fit_censored([1, 2], [-1, 2], [1, 0], 1.0)


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_saved_calibrators_come_back_with_the_same_numbers(method, tmp_path):
    p, y, groups = grouped()
    fitted = Calibrator(method, by="group", random_state=3).fit(p, y, groups=groups)
    save(fitted, tmp_path / "calibrator.json")
    again = load(tmp_path / "calibrator.json")
    assert np.array_equal(again.predict(p, groups), fitted.predict(p, groups))
    for name in ("chosen_", "candidates_", "left_out_", "fallback_groups_", "censoring_", "seed_"):
        assert getattr(again, name) == getattr(fitted, name)
    assert again.to_artifact() == fitted.to_artifact()
    document = json.loads((tmp_path / "calibrator.json").read_text())
    assert document["kind"] == "calibrator"
    assert document["seed"] == 3


def test_saved_calibrators_keep_the_report_of_censoring(tmp_path):
    s, time, event, _ = censored_follow_up(2000)
    fitted = Calibrator("platt").fit_censored(s, time, event, 1.0)
    save(fitted, tmp_path / "c.json")
    assert load(tmp_path / "c.json").censoring_ == fitted.censoring_


def test_bad_rows_are_refused():
    p, y = sample(50)
    fitted = Calibrator("beta").fit(p, y)
    for score, outcome, error in (
        (np.r_[np.nan, p[1:]], y, MissingValueError),
        (np.r_[np.inf, p[1:]], y, ValueRangeError),
        (p, np.r_[2, y[1:]], TargetError),
        (p, np.ones(50), TargetError),
        (p[1:], y, DataError),
        (np.column_stack([p, p]), y, DataError),
        ([], [], EmptyDataError),
        (2 * p, y, ValueRangeError),
        (["a"] * 50, y, DataError),
    ):
        with pytest.raises(error):
            Calibrator("beta").fit(score, outcome)
    for score, error in (
        ([np.nan], MissingValueError),
        ([np.inf, -np.inf], ValueRangeError),
        ([1.5], ValueRangeError),
        ([[0.1, 0.2]], DataError),
        ([], EmptyDataError),
        (["a"], DataError),
    ):
        with pytest.raises(error):
            fitted.predict(score)
    with pytest.raises(NotFittedError):
        Calibrator().predict([0.5])
    with pytest.raises(NotFittedError):
        Calibrator().to_artifact()
    with pytest.raises(DataError, match="two rows of each class"):
        Calibrator().fit([0.1, 0.2, 0.3], [0, 0, 1])


@pytest.mark.parametrize("method", METHODS)
def test_one_class_is_refused_by_every_method(method):
    with pytest.raises(TargetError, match="only one class"):
        Calibrator(method).fit([0.1, 0.2, 0.3], [0, 0, 0])
    with pytest.raises(TargetError, match="only one class"):
        Calibrator(method).fit([0.1, 0.2, 0.3], [0, 0, 1], [1, 1, 0])


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "sigmoid"},
        {"bins": 0},
        {"bins": 2.5},
        {"by": "sex"},
        {"n_min": 0},
        {"random_state": "x"},
    ],
)
def test_parameters_out_of_range_are_named(settings):
    with pytest.raises(ParameterError, match=next(iter(settings))):
        Calibrator(**settings).fit([0.1, 0.2], [0, 1])


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_the_largest_finite_scores_are_scores(method):
    fitted = Calibrator(method).fit([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1])
    high, higher = fitted.predict([4.0, 1.7e308])
    assert high <= higher <= 1
