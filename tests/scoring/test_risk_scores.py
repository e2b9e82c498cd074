"""`RiskScoreClassifier`: the estimator's contract, inputs, constraints, certificate, saved form."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import importlib
import io
import itertools
import json
import math
import pickle
import warnings

import joblib
import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import ShuffleSplit, StratifiedKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import riskwright as rw
from riskwright import (
    AtMost,
    Binarizer,
    Constraints,
    IfThen,
    RiskScoreClassifier,
    ScoringSystemClassifier,
)
from riskwright.core import (
    ArtifactError,
    ConstraintError,
    DataError,
    ParameterError,
    RiskwrightError,
    TargetError,
)

VARIANTS = [
    RiskScoreClassifier(max_terms=3),
    RiskScoreClassifier(max_terms=3, scale="unit"),
    RiskScoreClassifier(max_terms=2, binning="none"),
    RiskScoreClassifier(max_terms=2, select="cv", cv=3),
    RiskScoreClassifier(certify=False),
]


@parametrize_with_checks(VARIANTS)
def test_scikit_learn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def patients(n=400, seed=0) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers, categories and missing values with a known risk."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 90, n),
            "sex": rng.choice(["f", "m"], n),
            "lab": np.where(rng.random(n) < 0.1, np.nan, rng.normal(5, 2, n).round(1)),
            "site": rng.choice(["bone", "lung", "skin"], n),
            "smoker": rng.integers(0, 2, n),
        }
    )
    s = -2 + 0.05 * (frame.age - 50) + (frame.sex == "m") + 0.4 * (frame.lab.fillna(8) - 5)
    s = s + (frame.site == "lung") + 0.7 * frame.smoker
    return frame, (rng.random(n) < 1 / (1 + np.exp(-s))).astype(int)


FRAME, Y = patients()


def small(**settings) -> RiskScoreClassifier:
    return RiskScoreClassifier(**({"max_terms": 3} | settings))


@pytest.fixture(scope="module")
def fitted() -> RiskScoreClassifier:
    return small().fit(FRAME, Y)


def points_by_hand(card, frame: pd.DataFrame) -> np.ndarray:
    """Totals from the card alone, one row and one term at a time."""
    totals = np.zeros(len(frame))
    for i, row in enumerate(frame.to_dict("records")):
        for term in card.terms:
            value, item = row[term.item.feature], term.item
            missing = value is None or value != value
            if item.kind == "missing":
                holds = missing
            elif missing:
                holds = False
            elif item.kind == "in":
                holds = str(value) in item.levels
            elif item.kind == "value":
                totals[i] += term.points * value
                continue
            else:
                holds = (item.low is None or value >= item.low) and (
                    item.high is None or value < item.high
                )
            totals[i] += term.points * holds
    return totals


def loss_by_hand(model, frame, y, weight=None) -> float:
    risk = 1 / (1 + np.exp(-(model.slope_ * points_by_hand(model.card_, frame) + model.intercept_)))
    return log_loss(y, risk, sample_weight=weight)


@pytest.mark.parametrize("scale", ["free", "unit"])
def test_card_added_up_by_hand_is_the_prediction_and_the_certified_loss(scale):
    model = small(scale=scale, penalty=1e-3).fit(FRAME, Y)
    totals = points_by_hand(model.card_, FRAME)
    assert np.array_equal(model.total_points(FRAME), totals)
    risk = 1 / (1 + np.exp(-(model.slope_ * totals + model.intercept_)))
    assert np.allclose(model.predict_proba(FRAME), np.column_stack([1 - risk, risk]), atol=1e-14)
    assert np.array_equal(model.predict(FRAME), (risk > 0.5).astype(int))
    assert np.allclose(model.decision_function(FRAME), np.log(risk / (1 - risk)))
    certificate = model.certificate_
    assert certificate.loss == pytest.approx(loss_by_hand(model, FRAME, Y), abs=1e-12)
    used = len(model.card_.terms)
    assert certificate.objective == pytest.approx(certificate.loss + 1e-3 * used, abs=1e-14)
    assert certificate.status == "optimal"
    assert certificate.gap == 0.0
    assert 0 <= certificate.objective - certificate.lower_bound <= 2 * certificate.margin
    if scale == "unit":
        assert model.slope_ == 1.0
        assert model.intercept_ == round(model.intercept_)


def test_certificate_counts_what_it_was_made_from(fitted):
    certificate = fitted.certificate_
    assert certificate.n_rows == len(FRAME)
    assert certificate.n_candidates == len(fitted.items_)
    assert certificate.supports_total == sum(
        math.comb(certificate.n_candidates, k) for k in range(4)
    )
    assert certificate.supports_examined == certificate.supports_total
    assert certificate.bounds["max_terms"] == 3
    assert certificate.bounds["max_log_odds"] == 10
    assert fitted.card_.certificate == certificate
    assert fitted.card_.data_digest == certificate.data_digest


CONTAINERS = {
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "objects": lambda frame: frame.astype(object),
    "category": lambda frame: frame.astype({"site": "category", "sex": "string"}),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_the_same_card_and_reads_the_others(name, fitted):
    other = CONTAINERS[name](FRAME)
    model = small().fit(other, Y)
    assert model.card_.terms == fitted.card_.terms
    assert list(model.feature_names_in_) == list(FRAME.columns)
    expected = fitted.predict_proba(FRAME)
    assert np.array_equal(model.predict_proba(FRAME), expected)
    assert np.array_equal(fitted.predict_proba(other), expected)


def test_table_brings_outcome_weights_and_labels():
    frame = FRAME.assign(dead=np.where(Y == 1, "yes", "no"), count=np.arange(len(Y)) % 3 + 1)
    table = rw.read_table(frame, target="dead", positive="yes", weight="count")
    model = small().fit(table)
    assert model.card_.outcome == "dead"
    assert model.card_.positive_label == "yes"
    weighted = small().fit(FRAME, Y, sample_weight=frame["count"])
    assert model.certificate_.objective == weighted.certificate_.objective
    assert model.card_.weight_total == frame["count"].sum()
    assert all(f.passed for f in model.certificate_.check(model, table))


@pytest.mark.parametrize("series", [pd.Series, pl.Series], ids=["pandas", "polars"])
def test_name_of_the_outcome_stands_on_the_card(series):
    assert small().fit(FRAME, series(name="dead", **_values(series))).card_.outcome == "dead"
    assert small().fit(FRAME, Y).card_.outcome == "outcome"


def _values(series) -> dict:
    return {"data": Y} if series is pd.Series else {"values": Y}


def test_text_classes_come_back_and_the_larger_is_the_event(fitted):
    labels = np.where(Y == 1, "yes", "no")
    model = small().fit(FRAME, labels)
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.card_.positive_label == "yes"
    assert set(model.predict(FRAME)) == {"no", "yes"}
    assert np.array_equal(model.predict_proba(FRAME), fitted.predict_proba(FRAME))


def test_missing_values_have_a_line_of_their_own_or_count_nothing():
    lost = FRAME.lab.isna()
    y = np.where(lost, 1, Y)
    model = small(constraints={"include": ["lab missing"]}).fit(FRAME, y)
    assert "lab missing" in [term.item.label for term in model.card_.terms]
    assert "lab" in model.card_.missing
    assert np.array_equal(model.total_points(FRAME), points_by_hand(model.card_, FRAME))
    never_lost = FRAME.assign(age=np.nan)
    assert np.array_equal(model.total_points(never_lost), points_by_hand(model.card_, never_lost))


def test_unseen_level_counts_nothing(fitted):
    strange = FRAME.assign(site="brain")
    assert np.array_equal(fitted.total_points(strange), points_by_hand(fitted.card_, strange))


def test_class_weight_is_the_weight_of_the_rows():
    weight = np.where(Y == 1, 3.0, 0.5)
    by_class = small(class_weight={0: 0.5, 1: 3.0}).fit(FRAME, Y)
    by_row = small().fit(FRAME, Y, sample_weight=weight)
    assert by_class.card_.terms == by_row.card_.terms
    assert by_class.certificate_.objective == by_row.certificate_.objective
    loss = loss_by_hand(by_class, FRAME, Y, weight)
    assert by_class.certificate_.loss == pytest.approx(loss, abs=1e-12)
    balanced = small(class_weight="balanced").fit(FRAME, Y)
    assert balanced.card_.events == pytest.approx(balanced.card_.weight_total / 2)


@pytest.mark.parametrize("settings", [{}, {"scale": "unit"}, {"binning": "none"}])
def test_weight_of_two_is_the_row_twice_and_of_none_is_no_row(settings):
    frame = FRAME[["age", "lab", "smoker"]].fillna(5.0)
    weight = np.random.default_rng(1).integers(0, 3, len(Y))
    twice = np.repeat(np.arange(len(Y)), weight)
    weighted = small(max_terms=2, **settings).fit(frame, Y, sample_weight=weight)
    repeated = small(max_terms=2, **settings).fit(frame.iloc[twice], Y[twice])
    assert weighted.card_.terms == repeated.card_.terms
    assert weighted.items_ == repeated.items_
    for name in ("objective", "loss", "lower_bound", "data_digest"):
        assert getattr(weighted.certificate_, name) == getattr(repeated.certificate_, name)
    assert weighted.slope_ == repeated.slope_
    assert weighted.intercept_ == repeated.intercept_


def test_real_weights_fold_to_the_same_bits_in_any_order():
    rng = np.random.default_rng(2)
    weight, order = rng.random(len(Y)) + 1e-3, rng.permutation(len(Y))
    model = small(pool_tolerance=0.01).fit(FRAME, Y, sample_weight=weight)
    other = small(pool_tolerance=0.01).fit(FRAME.iloc[order], Y[order], sample_weight=weight[order])
    assert model.certificate_.data_digest == other.certificate_.data_digest
    assert msgspec.structs.replace(model.card_, certificate=None) == msgspec.structs.replace(
        other.card_, certificate=None
    )
    assert model.pool_ == other.pool_


@pytest.mark.parametrize("jobs", [1, 2, 3, -1, None])
def test_number_of_threads_does_not_change_the_card(jobs, fitted):
    model = small(n_jobs=jobs).fit(FRAME, Y)
    assert model.card_.terms == fitted.card_.terms
    assert (model.slope_, model.intercept_) == (fitted.slope_, fitted.intercept_)


BAD_OUTCOMES = {
    "one class": np.ones(len(Y)),
    "three classes": np.arange(len(Y)) % 3,
    "NaN": np.where(np.arange(len(Y)) == 4, np.nan, Y),
    "None": np.where(np.arange(len(Y)) == 4, None, Y.astype(object)),
    "none": None,
}


@pytest.mark.parametrize("name", BAD_OUTCOMES)
def test_outcomes_that_cannot_be_used_are_refused(name):
    with pytest.raises(TargetError) as caught:
        small().fit(FRAME, BAD_OUTCOMES[name])
    if name in ("NaN", "None"):
        assert "rows 5" in str(caught.value)


def test_class_that_loses_all_its_weight_is_refused():
    with pytest.raises(TargetError, match="one class"):
        small().fit(FRAME, Y, sample_weight=Y.astype(float))


def test_inputs_that_cannot_be_used_are_refused():
    with pytest.raises(TypeError, match="[Ss]parse"):
        small().fit(scipy.sparse.eye_array(len(Y)).tocsr(), Y)
    with pytest.raises(DataError, match="length"):
        small().fit(FRAME, Y[:-1])
    with pytest.raises(ValueError, match="infinit"):
        small().fit(FRAME.assign(age=np.where(FRAME.age > 88, np.inf, FRAME.age)), Y)
    with pytest.raises(ParameterError, match="constant or missing"):
        small().fit(pd.DataFrame({"a": np.ones(len(Y)), "b": [None] * len(Y)}), Y)
    with pytest.raises(ValueError, match="[Nn]egative"):
        small().fit(FRAME, Y, sample_weight=-np.ones(len(Y)))
    with pytest.raises(NotFittedError):
        small().predict(FRAME)


@pytest.mark.parametrize("container", [lambda f: f, pl.from_pandas], ids=["pandas", "polars"])
def test_other_columns_at_prediction_are_refused_by_name(fitted, container):
    with pytest.raises(ValueError, match="ages"):
        fitted.predict(container(FRAME.rename(columns={"age": "ages"})))
    with pytest.raises(ValueError, match="order"):
        fitted.predict(container(FRAME[FRAME.columns[::-1]]))
    with pytest.raises(ValueError, match="features"):
        small().fit(FRAME[["age", "smoker"]].to_numpy(), Y).predict(np.zeros((2, 3)))


def test_far_away_values_give_risks_of_zero_and_one_without_a_warning():
    X = np.random.default_rng(0).normal(size=(len(Y), 2))
    model = small(binning="none").fit(X, Y)
    far = model.predict_proba(np.array([[1e300, -1e300], [-1e300, 1e300]]))
    assert np.isin(far, (0.0, 1.0)).all()
    assert (far.sum(axis=1) == 1.0).all()


WRONG = {
    "max_terms": [0, 65, 2.5, "five"],
    "max_points": [0, -1, 1001],
    "max_features": [0, 1.5],
    "scale": ["logit", None],
    "max_log_odds": [0, -1, math.nan, math.inf],
    "max_intercept": [-1, math.nan],
    "penalty": [-1e-6, math.nan],
    "binning": ["quantile", 5],
    "time_limit": [-1, math.nan, "1 min"],
    "gap_tolerance": [-0.1, 1.1],
    "select": ["auc"],
    "cv": [1, "five", 2.5],
    "pool_tolerance": [-1],
    "random_state": ["a", -1, 1.5],
    "constraints": [{"sing": 1, "sign": {"age": "up"}}, {"include": 5}],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]]
)
def test_parameters_that_are_not_allowed_are_refused_by_name(name, value):
    with pytest.raises(ParameterError) as caught:
        small(**{name: value}).fit(FRAME, Y)
    assert name in str(caught.value)


def used_items(model) -> dict[str, int]:
    return {term.item.label: term.points for term in model.card_.terms}


def used_columns(model) -> set[str]:
    return {term.item.feature for term in model.card_.terms}


def test_points_and_signs_hold_on_the_card():
    constraints = Constraints(points={"age": (1, 2), "smoker": (2, 3)}, sign={"lab": "-"})
    model = small(max_terms=5, constraints=constraints).fit(FRAME, Y)
    for term in model.card_.terms:
        if term.item.feature == "age":
            assert 1 <= term.points <= 2
        if term.item.feature == "smoker":
            assert 2 <= term.points <= 3
        if term.item.feature == "lab":
            assert term.points < 0
    assert "points of age from 1 to 2" in model.certificate_.constraints
    assert "the stated constraints" in model.certificate_.statement


@pytest.mark.parametrize("direction", ["up", "down"])
def test_risk_is_monotone_along_a_column_that_is_said_to_be(direction):
    model = small(
        max_terms=4,
        constraints=Constraints(
            monotone={"age": direction}, points={"age": (-5, 5)}, include=("age",)
        ),
    ).fit(FRAME, Y)
    grid = pd.concat([FRAME.iloc[[0]]] * 70).assign(age=np.arange(20, 90))
    steps = np.diff(model.total_points(grid))
    assert (steps >= 0).all() if direction == "up" else (steps <= 0).all()
    assert steps.any()


def test_include_exclude_groups_and_pairs_hold_on_the_card():
    free = small(max_terms=4).fit(FRAME, Y)
    assert "age" in used_columns(free)
    model = small(max_terms=4, constraints={"exclude": ["age"], "include": ["site"]}).fit(FRAME, Y)
    assert "age" not in used_columns(model)
    assert "site" in used_columns(model)
    one = small(
        max_terms=4, constraints=Constraints(at_most=(AtMost(count=1, of=("age", "lab")),))
    ).fit(FRAME, Y)
    assert sum(t.item.feature in ("age", "lab") for t in one.card_.terms) <= 1
    pair = small(
        max_terms=2, constraints=Constraints(if_then=(IfThen(use="age", then="smoker"),))
    ).fit(FRAME, Y)
    assert "age" not in used_columns(pair) or "smoker" in used_columns(pair)
    for constrained in (model, one, pair):
        assert constrained.certificate_.status == "optimal"


def test_excluded_term_that_another_asks_for_excludes_that_one():
    constraints = Constraints(if_then=(IfThen(use="age", then="sex"),), exclude=("sex",))
    model = small(max_terms=4, constraints=constraints).fit(FRAME, Y)
    assert not used_columns(model) & {"age", "sex"}


def test_several_items_of_a_column_count_as_one_feature():
    model = small(max_terms=5, max_features=1, binning=Binarizer(max_cuts=5)).fit(FRAME, Y)
    assert len(used_columns(model)) == 1
    assert model.certificate_.bounds["max_features"] == 1
    two = small(max_terms=5, max_features=2).fit(FRAME, Y)
    assert two.certificate_.objective < model.certificate_.objective


@pytest.mark.parametrize("scale", ["free", "unit"])
def test_intercept_keeps_within_its_bounds(scale):
    model = small(scale=scale, constraints=Constraints(intercept=(-1.5, 0.5))).fit(FRAME, Y)
    assert -1.5 <= model.intercept_ <= 0.5
    narrow = small(scale=scale, max_intercept=0.5).fit(FRAME, Y)
    assert abs(narrow.intercept_) <= 0.5
    if scale == "unit":
        assert narrow.intercept_ == 0
        with pytest.raises(ConstraintError) as caught:
            small(scale=scale, constraints=Constraints(intercept=(0.2, 0.8))).fit(FRAME, Y)
        assert caught.value.conflict == ("intercept from 0.2 to 0.8",)


def test_constraints_that_clash_are_named():
    constraints = Constraints(
        include=("age", "site"), exclude=("site",), sign={"lab": "+"}, points={"sex": (1, 2)}
    )
    with pytest.raises(ConstraintError) as caught:
        small(constraints=constraints).fit(FRAME, Y)
    assert set(caught.value.conflict) == {"include site", "exclude site"}


def test_forced_term_against_the_data_is_kept_at_the_least_slope():
    constraints = Constraints(include=("age",), sign={"age": "-"})
    model = small(max_terms=1, constraints=constraints).fit(FRAME, Y)
    assert next(iter(used_items(model).values())) < 0
    assert model.predict_proba(FRAME)[:, 1] == pytest.approx(Y.mean(), abs=1e-4)
    assert model.certificate_.status == "optimal"


@pytest.mark.parametrize("field", ["sign", "include", "monotone"])
def test_unknown_column_is_refused_with_a_close_name(field):
    value = {"sign": {"agee": "+"}, "include": ("agee",), "monotone": {"agee": "up"}}[field]
    with pytest.raises(RiskwrightError) as caught:
        small(constraints=Constraints(**{field: value})).fit(FRAME, Y)
    assert "'age'" in caught.value.hint


def test_monotone_is_refused_for_intervals_and_categories():
    intervals = Binarizer(items="interval", cut_points={"age": [40, 60]})
    for binning, column in ((intervals, "age"), ("auto", "site")):
        with pytest.raises(RiskwrightError):
            small(binning=binning, constraints={"monotone": {column: "up"}}).fit(FRAME, Y)


def test_no_card_is_better_among_all_of_two_terms():
    frame = FRAME[["smoker", "sex", "site"]]
    model = small(max_terms=2, max_points=2, scale="unit").fit(frame, Y)
    items = model.binarizer_.transform(frame).astype(float)
    best = math.inf
    for support in itertools.combinations(range(items.shape[1]), 2):
        for points in itertools.product(range(-2, 3), repeat=2):
            for intercept in range(-5, 6):
                s = items[:, support] @ np.array(points) + intercept
                loss = np.logaddexp(0, np.where(Y == 1, -s, s)).mean()
                best = min(best, loss + 1e-6 * np.count_nonzero(points))
    assert model.certificate_.objective == pytest.approx(best, abs=1e-12)


def test_pool_holds_cards_whose_objectives_are_what_it_says():
    model = small(pool_tolerance=0.02).fit(FRAME, Y)
    assert len(model.pool_) == len(model.pool_objectives_) > 3
    assert model.pool_[0].terms == model.card_.terms
    assert model.pool_statement_.startswith(f"complete: all {len(model.pool_)} cards")
    limit = model.certificate_.objective * 1.02
    for card, objective in zip(model.pool_, model.pool_objectives_, strict=True):
        totals = points_by_hand(card, FRAME)
        risk = 1 / (1 + np.exp(-(card.slope * totals + card.intercept)))
        found = log_loss(Y, risk) + 1e-6 * len(card.terms)
        assert objective == pytest.approx(found, abs=1e-12)
        assert objective <= limit + 1e-8


def test_heuristic_alone_claims_nothing():
    model = small(certify=False).fit(FRAME, Y)
    certificate = model.certificate_
    assert certificate.status == "heuristic"
    assert certificate.lower_bound == -math.inf
    assert certificate.gap == math.inf
    assert certificate.statement.startswith("Not certified")
    assert model.pool_statement_.startswith("not known to be complete")
    assert certificate.loss == pytest.approx(loss_by_hand(model, FRAME, Y), abs=1e-12)


def numbers(n=150, d=30, strength=0.15):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, d)).round(1)
    return X, (rng.random(n) < 1 / (1 + np.exp(-X @ rng.normal(0, strength, d)))).astype(int)


def test_time_limit_is_stated_with_the_gap_it_left():
    X, y = numbers()
    model = small(max_terms=8, binning="none", time_limit=3.0).fit(X, y)
    certificate = model.certificate_
    assert certificate.status == "time_limit"
    assert 0 <= certificate.lower_bound < certificate.objective
    assert certificate.gap == pytest.approx(
        (certificate.objective - certificate.lower_bound) / certificate.objective
    )
    assert "the time limit was reached" in certificate.statement
    assert f"{certificate.gap:.2%}" in certificate.statement
    assert model.pool_statement_.startswith("not known to be complete")
    assert all(f.passed is not False for f in certificate.check(model, X, y, seconds=1.0))


def test_no_time_at_all_gives_a_card_that_says_so():
    model = small(time_limit=0).fit(FRAME, Y)
    assert model.certificate_.status in ("time_limit", "optimal")
    assert model.certificate_.lower_bound <= small().fit(FRAME, Y).certificate_.objective


def test_no_time_at_all_still_meets_the_constraints():
    required = {"include": ["age", "site"]}
    card = small(time_limit=0, constraints=required).fit(FRAME, Y)
    assert used_columns(card) >= {"age", "site"}


def test_gap_that_was_asked_for_is_met_and_stated():
    X, y = numbers(500, 12, 0.7)
    model = small(max_terms=4, binning="none", gap_tolerance=0.1).fit(X, y)
    assert model.certificate_.status == "within_gap"
    assert 0 < model.certificate_.gap <= 0.1
    assert "stopped within the gap that was asked for" in model.certificate_.statement


def test_interrupt_returns_a_card_that_says_so():
    X, y = numbers()

    def progress(state):
        if math.isfinite(state["lower_bound"]):
            raise KeyboardInterrupt

    model = small(max_terms=8, binning="none").set_progress(progress).fit(X, y)
    assert model.certificate_.status == "interrupted"
    assert "interrupted after" in model.certificate_.statement
    assert model.certificate_.lower_bound < model.certificate_.objective
    assert model.predict(X).shape == y.shape


def test_verbose_prints_progress_on_standard_error():
    X, y = numbers()
    err, out = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
        small(max_terms=8, binning="none", time_limit=0.6, verbose=True).fit(X, y)
    assert "gap" in err.getvalue()
    assert out.getvalue() == ""


def test_certificate_checks_against_its_own_data_and_no_other(fitted):
    assert all(finding.passed for finding in fitted.certificate_.check(fitted, FRAME, Y))
    changed = Y.copy()
    changed[0] = 1 - changed[0]
    findings = {f.code: f.passed for f in fitted.certificate_.check(fitted, FRAME, changed)}
    assert findings["certificate.data"] is False


@pytest.mark.parametrize("change", ["slope", "points", "label"])
def test_altered_card_is_not_the_card_of_the_model(fitted, change):
    other = copy.copy(fitted)
    card, term = fitted.card_, fitted.card_.terms[0]
    if change == "slope":
        other.card_ = msgspec.structs.replace(card, slope=2 * card.slope)
    else:
        item = msgspec.structs.replace(term.item, label="another item")
        altered = (
            msgspec.structs.replace(term, points=term.points + 1)
            if change == "points"
            else msgspec.structs.replace(term, item=item)
        )
        other.card_ = msgspec.structs.replace(card, terms=(altered, *card.terms[1:]))
    findings = {f.code: f for f in fitted.certificate_.check(other, FRAME, Y)}
    assert findings["certificate.card"].passed is False
    assert " are not those of the model" in findings["certificate.card"].sentence


def test_forged_certificate_is_found_out(fitted):
    true = fitted.certificate_
    forged = msgspec.structs.replace(true, lower_bound=true.objective - 0, objective=true.loss / 2)
    assert any(f.passed is False for f in forged.check(fitted, FRAME, Y))
    worse = small(max_points=1, max_terms=1).fit(FRAME, Y)
    claim = msgspec.structs.replace(
        worse.certificate_, status="optimal", lower_bound=worse.certificate_.objective
    )
    wide = small().set_params(max_points=5, max_terms=3).fit(FRAME, Y)
    wide.points_, wide.slope_, wide.intercept_ = worse.points_, worse.slope_, worse.intercept_
    claim = msgspec.structs.replace(claim, data_digest=wide.certificate_.data_digest)
    assert any(f.passed is False for f in claim.check(wide, FRAME, Y))


def test_proof_is_plain_json(fitted):
    proof = fitted.proof(FRAME, Y)
    assert json.loads(json.dumps(proof)) == json.loads(msgspec.json.encode(proof))
    assert sum(proof["patterns"]["positive"]) == Y.sum()
    assert sum(proof["patterns"]["negative"]) == (1 - Y).sum()
    assert proof["claim"]["objective"] == fitted.certificate_.objective


SAVED = {
    "plain": {},
    "unit": {"scale": "unit"},
    "cross-validated": {"cv": 3, "random_state": 7},
    "splitter": {"cv": StratifiedKFold(3)},
    "random state": {"cv": 2, "random_state": np.random.RandomState(3)},
    "heuristic": {"certify": False},
    "numpy numbers": {"max_terms": np.int64(2), "penalty": np.float64(1e-4)},
    "class weights": {"class_weight": {0: 1.0, np.int64(1): 2.0}},
    "binarizer": {"binning": Binarizer(method="quantile", max_cuts=2)},
    "constraints": {"constraints": Constraints(sign={"age": "+"}, include=("site",))},
    "selected": {"select": "cv"},
}


@pytest.mark.parametrize("name", SAVED)
def test_saved_model_comes_back_the_same(name, tmp_path):
    model = small(**SAVED[name]).fit(FRAME, Y)
    rw.save(model, tmp_path / "score.json")
    loaded = rw.load(tmp_path / "score.json")
    assert np.array_equal(loaded.predict_proba(FRAME), model.predict_proba(FRAME))
    assert np.array_equal(loaded.predict(FRAME), model.predict(FRAME))
    assert loaded.card_ == model.card_
    assert loaded.certificate_ == model.certificate_
    assert loaded.pool_ == model.pool_[:100]
    assert loaded.classes_.tolist() == model.classes_.tolist()
    assert list(loaded.feature_names_in_) == list(model.feature_names_in_)
    assert all(f.passed is not False for f in loaded.certificate_.check(loaded, FRAME, Y))
    assert json.loads((tmp_path / "score.json").read_text())["seed"] == model.seed_
    rw.save(loaded, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "score.json").read_bytes()


def test_saved_text_classes_and_arrays_come_back(tmp_path):
    X, y = FRAME[["age", "smoker"]].to_numpy(float), np.where(Y == 1, "yes", "no")
    model = small().fit(X, y)
    rw.save(model, tmp_path / "score.json")
    loaded = rw.load(tmp_path / "score.json")
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert not hasattr(loaded, "feature_names_in_")


def test_saved_model_that_was_changed_is_refused(fitted, tmp_path):
    path = tmp_path / "score.json"
    rw.save(fitted, path)
    path.write_text(path.read_text().replace('"points": [', '"points": [1, ', 1))
    with pytest.raises(ArtifactError):
        rw.load(path)


def test_model_travels_to_other_processes_and_is_cloned(fitted):
    assert np.array_equal(
        pickle.loads(pickle.dumps(fitted)).predict_proba(FRAME), fitted.predict_proba(FRAME)
    )
    scores = joblib.Parallel(n_jobs=2)(
        joblib.delayed(RiskScoreClassifier.predict)(fitted, FRAME) for _ in range(2)
    )
    assert np.array_equal(scores[0], fitted.predict(FRAME))
    copy = clone(small(constraints=Constraints(sign={"age": "+"}), binning=Binarizer()))
    assert copy.fit(FRAME, Y).certificate_.status == "optimal"
    assert cross_val_score(small(), FRAME, Y, cv=3).min() > 0.6


def test_parameters_are_left_as_they_were_given():
    given = Binarizer(max_cuts=2)
    model = small(binning=given, constraints={"sign": {"age": "+"}}).fit(FRAME, Y)
    assert model.binning is given
    assert not hasattr(given, "items_")
    assert model.constraints == {"sign": {"age": "+"}}
    ready = Binarizer(max_cuts=2).fit(FRAME, Y)
    assert small(binning=ready).fit(FRAME, Y).binarizer_ is ready


def test_cross_validated_figures_are_those_of_models_fitted_to_the_folds():
    splits = list(StratifiedKFold(4, shuffle=True, random_state=5).split(FRAME, Y))
    model = small(cv=splits).fit(FRAME, Y)
    risk = np.full(len(Y), np.nan)
    for train, test in splits:
        part = small(certify=False).fit(FRAME.iloc[train], Y[train])
        risk[test] = part.predict_proba(FRAME.iloc[test])[:, 1]
    figures = model.card_.performance
    assert figures["auroc"].value == pytest.approx(roc_auc_score(Y, risk), abs=1e-12)
    assert figures["brier"].value == pytest.approx(np.mean((risk - Y) ** 2), abs=1e-12)
    assert figures["log_loss"].value == pytest.approx(log_loss(Y, risk), abs=1e-12)
    assert all(e.low <= e.value <= e.high for e in figures.values() if e.low == e.low)
    assert model.card_.performance_method.startswith("4-fold")


def test_cross_validation_covers_what_the_splits_cover():
    model = small(cv=ShuffleSplit(2, test_size=0.25, random_state=0)).fit(FRAME, Y)
    tested = set()
    for _, test in ShuffleSplit(2, test_size=0.25, random_state=0).split(FRAME):
        tested |= set(test.tolist())
    assert model.card_.performance["auroc"].n == len(tested)
    assert small().fit(FRAME, Y).card_.performance == {}


@pytest.mark.parametrize("learner", [RiskScoreClassifier, ScoringSystemClassifier])
def test_folds_know_of_the_columns_what_the_card_knows(learner):
    rng = np.random.default_rng(5)
    code = rng.choice(np.arange(1, 9), 3000)
    effect = np.array([0, 2, -2, 2, -2, 2, -2, 2, -2])[code]
    y = (rng.random(3000) < 1 / (1 + np.exp(-effect))).astype(int)
    frame = pd.DataFrame({"code": code, "age": rng.integers(20, 90, 3000), "y": y})
    schema = {"columns": {"code": {"type": "categorical"}, "age": {"unit": "years", "cuts": [60]}}}
    table = rw.read_table(frame, target="y", schema=schema)
    model = learner(max_terms=4, cv=4, constraints={"exclude": ["age ≥ 60 years"]}).fit(table)
    figures = model.card_.performance
    if learner is RiskScoreClassifier:
        assert figures["auroc"].value > 0.85
    else:
        assert figures["error_rate"].value < 0.15


@pytest.mark.parametrize("learner", [RiskScoreClassifier, ScoringSystemClassifier])
def test_folds_keep_a_binarizer_that_was_fitted(learner):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=600), "z": rng.normal(size=600)})
    y = (frame["x"] > 0).to_numpy().astype(int)
    model = learner(binning=Binarizer().fit(frame[["z"]], y), cv=3, max_terms=2).fit(frame, y)
    figures = model.card_.performance
    assert "cut points" not in model.card_.performance_method
    if learner is RiskScoreClassifier:
        assert figures["auroc"].value < 0.6
    else:
        assert figures["error_rate"].value > 0.4


def test_figures_of_a_selected_card_come_from_folds_that_select_too(monkeypatch):
    module = importlib.import_module("riskwright.scoring.risk_scores")
    chosen, choose = [], module.choose_by_cross_validation

    def counted(pool, binarizer, data, splits, *rest, **options):
        chosen.append((len(data), len(splits)))
        return choose(pool, binarizer, data, splits, *rest, **options)

    monkeypatch.setattr(module, "choose_by_cross_validation", counted)
    small(select="cv", cv=3).fit(FRAME, Y)
    assert chosen[0] == (len(Y), 3)
    assert len(chosen) == 4
    assert all(n < len(Y) and splits == 5 for n, splits in chosen[1:])


def test_splits_may_come_from_a_generator():
    listed = small(cv=list(StratifiedKFold(3).split(FRAME, Y)), select="cv").fit(FRAME, Y)
    streamed = small(cv=StratifiedKFold(3).split(FRAME, Y), select="cv").fit(FRAME, Y)
    assert streamed.card_.terms == listed.card_.terms
    assert streamed.card_.performance == listed.card_.performance
    assert all(f.passed for f in streamed.certificate_.check(streamed, FRAME, Y)[:2])
    with pytest.raises(ParameterError, match="splits that cannot be used"):
        small(cv=[([0, 1], [len(Y)])]).fit(FRAME, Y)


@pytest.mark.parametrize("learner", [RiskScoreClassifier, ScoringSystemClassifier])
@pytest.mark.parametrize("weights", [{0: 1, 1: -5}, {0: 0, 1: 1}, {0: 1, 1: np.nan}, "equal", 3])
def test_class_weights_that_cannot_be_used_are_refused(learner, weights):
    with pytest.raises(ParameterError, match="class weights"):
        learner(class_weight=weights, certify=False).fit(FRAME, Y)


@pytest.mark.parametrize(
    "change",
    [
        {"bounds": {"max_terms": 99.0}},
        {"constraints": ("include age",)},
        {"penalty_per_term": 0.5},
        {"score_class": "scoring_system"},
        {"margin": 1e-2},
        {"gap": 0.5},
        {"n_rows": 10**6},
        {"n_patterns": 1},
        {"n_candidates": 1},
    ],
)
def test_a_certificate_that_states_another_class_fails(fitted, change):
    forged = msgspec.structs.replace(fitted.certificate_, **change)
    failed = [f for f in forged.check(fitted, FRAME, Y) if f.passed is False]
    assert [f.code for f in failed] == ["certificate.class"]
    assert "differ" in failed[0].method


def test_multiples_of_a_card_stand_in_the_pool_once():
    constraints = Constraints(points={"age": (2, 5)}, exclude=("site",))
    model = small(max_terms=1, pool_tolerance=0.9, constraints=constraints).fit(FRAME, Y)
    cards = [
        tuple(
            (t.item.label, t.points // math.gcd(*(t.points for t in card.terms)))
            for t in card.terms
        )
        for card in model.pool_
    ]
    assert any(card.terms and card.terms[0].item.feature == "age" for card in model.pool_)
    assert len(set(cards)) == len(cards)


def test_weights_beyond_all_measure_are_refused():
    with pytest.raises(DataError, match="weights too large"):
        small().fit(FRAME, Y, np.full(len(Y), 1e300))


def test_a_table_is_scored_as_it_was_learned_from():
    table = rw.read_table(FRAME.assign(y=Y), target="y")
    model = small().fit(table)
    assert np.array_equal(model.predict_proba(table), model.predict_proba(table.X))
    lazy = pl.from_pandas(FRAME).lazy()
    assert np.array_equal(model.predict_proba(lazy), model.predict_proba(FRAME))


def test_one_row_without_its_second_dimension_is_refused_and_not_quoted():
    X = FRAME[["age"]].to_numpy(dtype=float)
    model = small().fit(X, Y)
    with pytest.raises(DataError, match="Reshape your data") as caught:
        model.predict(np.array([71.5]))
    assert "71.5" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"certify": "no"}, {"n_jobs": 0}, {"n_jobs": "x"}, {"n_jobs": 1.5}]
)
def test_parameters_of_the_search_are_checked(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        small(**wrong).fit(FRAME, Y)


def test_columns_of_one_name_are_refused():
    twice = pd.concat([FRAME, FRAME[["age"]]], axis=1)
    with pytest.raises(DataError, match="duplicate column names"):
        small().fit(twice, Y)


def test_a_loaded_model_learns_again_as_it_did(tmp_path):
    binning = Binarizer(method="quantile", max_cuts=2, items="interval")
    model = small(binning=binning, random_state=7).fit(FRAME, Y)
    rw.save(model, tmp_path / "score.json")
    loaded = rw.load(tmp_path / "score.json")
    assert loaded.constraints is None
    assert loaded.seed_ == 7
    assert clone(loaded).fit(FRAME, Y).card_.terms == model.card_.terms
    fitted = small(binning=Binarizer().fit(FRAME[["age"]], Y)).fit(FRAME, Y)
    rw.save(fitted, tmp_path / "score.json")
    assert rw.load(tmp_path / "score.json").fit(FRAME, Y).card_.terms == fitted.card_.terms


def test_folds_leave_out_rows_without_weight_wherever_they_stand():
    weight = (np.arange(len(Y)) % 3 > 0).astype(float)
    kept = weight > 0
    splits = list(StratifiedKFold(3).split(FRAME, Y))
    place = np.cumsum(kept) - 1
    inner = [(place[a[kept[a]]], place[b[kept[b]]]) for a, b in splits]
    weighted = small(cv=splits).fit(FRAME, Y, sample_weight=weight)
    without = small(cv=inner).fit(FRAME[kept], Y[kept])
    for name, figure in without.card_.performance.items():
        assert weighted.card_.performance[name].value == pytest.approx(figure.value, abs=1e-9)


def test_same_seed_same_folds():
    first, second, other = (
        small(cv=3, random_state=seed).fit(FRAME, Y).card_.performance["auroc"].value
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_constraint_that_a_fold_cannot_meet_leaves_the_figures_out():
    X = FRAME.assign(lab=np.where(np.arange(len(Y)) < 40, FRAME.lab, 5.0))
    y = np.where((np.arange(len(Y)) < 40) & (X.lab > 6), 1, Y)
    items = [i.label for i in small().fit(X, y).items_ if i.feature == "lab"]
    assert items
    splits = [(np.arange(40, len(Y)), np.arange(40))]
    model = small(cv=splits, constraints={"include": [items[0]]}).fit(X, y)
    assert model.card_.performance == {}
    assert "in a fold" in model.card_.performance_method


@pytest.mark.parametrize("how", ["search", "between"])
def test_interrupt_in_a_fold_keeps_the_card_and_ends_the_cross_validation(how, monkeypatch):
    module = importlib.import_module("riskwright.scoring.risk_scores")
    find, calls = module.search, []

    def search(*args, **settings):
        calls.append(settings["certify"])
        if len(calls) == 2 and how == "between":
            raise KeyboardInterrupt
        return dataclasses.replace(find(*args, **settings), interrupted=len(calls) == 2)

    monkeypatch.setattr(module, "search", search)
    model = small(cv=5).fit(FRAME, Y)
    assert calls == [True, False]
    assert model.certificate_.status == "optimal"
    assert model.card_.performance == {}
    assert model.card_.performance_method == "not cross-validated: interrupted"


def test_interrupted_search_is_not_followed_by_a_cross_validation():
    X, y = numbers()

    def progress(state):
        if math.isfinite(state["lower_bound"]):
            raise KeyboardInterrupt

    model = small(max_terms=8, binning="none", cv=3, select="cv").set_progress(progress).fit(X, y)
    assert model.certificate_.status == "interrupted"
    assert model.card_.performance_method == "not cross-validated: interrupted"
    assert model.card_.terms == model.pool_[0].terms


def test_given_data_stay_as_they_were():
    frame, y = FRAME.copy(), Y.copy()
    small(cv=2).fit(frame, y, sample_weight=np.ones(len(y)))
    pd.testing.assert_frame_equal(frame, FRAME)
    assert np.array_equal(y, Y)


@pytest.mark.parametrize(
    "rules", [{"signs": {"age": "+"}}, {"at_most": [{"count": 1, "of": ["age"], "what": 2}]}]
)
def test_unknown_word_in_constraints_is_refused(rules):
    with pytest.raises(ParameterError, match="unknown field `(signs|what)`"):
        small(constraints=rules).fit(FRAME, Y)
