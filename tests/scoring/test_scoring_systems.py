"""ScoringSystemClassifier: scikit-learn's contract, the card it learns, and what it promises."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from riskwright.core import ConstraintError, ParameterError, ScoreCard
from riskwright.evidence import Binarizer, read_table
from riskwright.scoring import scoring_systems
from riskwright.scoring.scoring_systems import ScoringSystemClassifier
from riskwright.solvers import Constraints

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).parents[3] / "shared"))


@parametrize_with_checks([ScoringSystemClassifier(max_terms=3, time_limit=5.0)])
def test_scikit_learn_estimator_checks(estimator, check) -> None:
    check(estimator)


def ward(n: int = 300, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Age in years (to be cut), a small whole-number grade, a 0/1 column and noise."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.uniform(20, 90, n),
            "grade": rng.integers(0, 5, n),
            "smoker": rng.integers(0, 2, n),
            "noise": rng.normal(size=n),
        }
    )
    strength = 2.0 * (frame["age"] >= 60) + frame["grade"] + frame["smoker"] - 3.2
    return frame, (strength + rng.normal(scale=0.8, size=n) > 0).to_numpy().astype(int)


def test_small_whole_numbers_stay_numbers_and_others_are_cut() -> None:
    X, y = ward()
    model = ScoringSystemClassifier().fit(X, y)
    kinds = {(item.feature, item.kind) for item in model.items_}
    assert ("grade", "value") in kinds
    assert ("smoker", "interval") in kinds
    assert ("age", "ge") in kinds
    assert ("age", "value") not in kinds
    cut = ScoringSystemClassifier(binning=Binarizer()).fit(X, y)
    assert all(item.kind != "value" for item in cut.items_)
    raw = ScoringSystemClassifier(binning="none", max_terms=2, max_points=2).fit(X, y)
    assert [item.kind for item in raw.items_] == ["value", "value", "interval", "value"]


def test_certificate_counts_the_errors_that_predict_makes() -> None:
    X, y = ward()
    model = ScoringSystemClassifier().fit(X, y)
    wrong = np.mean(model.predict(X) != y)
    assert model.certificate_.status == "optimal"
    assert model.certificate_.loss == pytest.approx(wrong, abs=1e-12)
    assert model.certificate_.objective == pytest.approx(
        wrong + 1e-6 * np.count_nonzero(model.points_), abs=1e-12
    )
    assert model.certificate_.gap == 0.0
    assert model.certificate_.lower_bound == model.certificate_.objective


PROVED = {
    "plain": {},
    "raw": {"binning": "none", "max_terms": 2, "max_points": 2},
    "binary": {"binning": Binarizer()},
    "class weights": {"class_weight": {0: 1.0, 1: 2.5}},
    "false positives": {"max_false_positive_rate": 0.05},
    "both rates": {"max_false_positive_rate": 0.3, "max_false_negative_rate": 0.3},
    "constraints": {"constraints": Constraints(include=("smoker",), sign={"grade": "-"})},
    "heuristic": {"certify": False},
}


@pytest.mark.parametrize("name", PROVED)
def test_certificate_is_verified_by_the_independent_checker(name) -> None:
    X, y = ward(n=120)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    model = ScoringSystemClassifier(**{"max_terms": 3, "max_points": 3, **PROVED[name]})
    model.fit(X, y, weight)
    findings = model.certificate_.check(model, X, y, weight)
    assert [finding.code for finding in findings if not finding.passed] == []
    assert not model.certificate_.check(model, X, y)[0].passed


@pytest.mark.parametrize("seed", range(40))
def test_a_limit_that_decimal_weights_meet_exactly_is_met(seed) -> None:
    """The exact rate of some card is the limit: that card, or a better one, must be found."""
    rng = np.random.default_rng(seed)
    tenths = rng.choice([2, 3, 5, 7, 10, 15, 25], 12)
    X = rng.integers(0, 2, (12, 2)).astype(float)
    y = np.r_[0, 1, rng.integers(0, 2, 10)]
    says_yes = X[:, 0] == 1
    others = tenths[y == 0].sum()
    rate = tenths[says_yes & (y == 0)].sum() / others
    loss = tenths[says_yes != (y == 1)].sum() / tenths.sum()
    model = ScoringSystemClassifier(max_terms=1, binning="none", max_false_positive_rate=rate)
    model.fit(X, y, tenths / 10)
    assert model.certificate_.objective <= loss + 1e-6 + 1e-12
    assert tenths[(model.predict(X) == 1) & (y == 0)].sum() / others <= rate + 1e-12
    assert all(f.passed for f in model.certificate_.check(model, X, y, tenths / 10))


def test_a_certificate_that_claims_too_much_is_refuted() -> None:
    X, y = ward(n=120)
    best = ScoringSystemClassifier(max_terms=3, max_points=3).fit(X, y)
    worse = ScoringSystemClassifier(max_terms=3, max_points=3, penalty=0.05).fit(X, y)
    assert worse.certificate_.loss > best.certificate_.loss
    claimed = msgspec.structs.replace(
        best.certificate_,
        objective=worse.certificate_.loss + 1e-6 * np.count_nonzero(worse.points_),
        lower_bound=worse.certificate_.loss,
        loss=worse.certificate_.loss,
    )
    best.points_, best.threshold_ = worse.points_, worse.threshold_
    failed = [f.code for f in claimed.check(best, X, y) if f.passed is False]
    assert failed == ["certificate.card", "proof.status", "proof.bound"]


def test_decision_function_is_the_total_minus_the_threshold() -> None:
    X, y = ward()
    model = ScoringSystemClassifier().fit(X, y)
    by_hand = np.full(len(X), -model.threshold_)
    for term in model.card_.terms:
        column = X[term.item.feature].to_numpy()
        by_hand += term.points * (column if term.item.kind == "value" else column >= term.item.low)
    assert model.decision_function(X) == pytest.approx(by_hand)
    assert (model.predict(X) == (by_hand > 0)).all()
    assert not hasattr(model, "predict_proba")


def test_card_rows_hold_every_row_once_and_never_cross_the_threshold() -> None:
    X, y = ward()
    card = ScoringSystemClassifier().fit(X, y).card_
    assert sum(row.n for row in card.rows) == len(y)
    assert sum(row.events for row in card.rows) == y.sum()
    assert all(not row.low <= card.threshold < row.high for row in card.rows)
    assert "predict 1 where total >" in str(card)
    assert card.slope is None
    assert msgspec.json.decode(msgspec.json.encode(card), type=ScoreCard) == card


def test_a_limit_on_an_error_rate_is_kept_and_costs_errors_elsewhere() -> None:
    X, y = ward(seed=3)
    free = ScoringSystemClassifier(max_terms=3).fit(X, y)
    for limit, kind in ((0.02, 0), (0.02, 1)):
        name = ("max_false_positive_rate", "max_false_negative_rate")[kind]
        model = ScoringSystemClassifier(max_terms=3, **{name: limit}).fit(X, y)
        wrong = (model.predict(X) != y)[y == kind].mean()
        assert (free.predict(X) != y)[y == kind].mean() > limit
        assert wrong <= limit
        assert model.certificate_.loss > free.certificate_.loss
        assert model.certificate_.status == "optimal"
        assert any("rate at most 0.02" in text for text in model.certificate_.constraints)


def test_limits_that_exclude_one_another_say_what_is_attainable() -> None:
    X, y = ward(seed=3)
    model = ScoringSystemClassifier(
        max_terms=2, max_false_positive_rate=0.01, max_false_negative_rate=0.01
    )
    with pytest.raises(ConstraintError, match="lowest attainable false-negative rate is") as caught:
        model.fit(X, y)
    assert len(caught.value.conflict) == 2


def test_constraints_shape_the_card() -> None:
    X, y = ward()
    plain = ScoringSystemClassifier(max_terms=4).fit(X, y)
    assert {"age", "grade"} <= {term.item.feature for term in plain.card_.terms}
    shaped = ScoringSystemClassifier(
        max_terms=4,
        constraints={"exclude": ["age"], "sign": {"grade": "-"}, "include": ["noise"]},
    ).fit(X, y)
    by_name = {term.item.feature: term.points for term in shaped.card_.terms}
    assert "age" not in by_name
    assert "noise" in by_name
    assert by_name.get("grade", -1) < 0
    assert shaped.certificate_.objective > plain.certificate_.objective
    assert "exclude age" in shaped.certificate_.constraints
    with pytest.raises(ConstraintError, match="include noise"):
        ScoringSystemClassifier(
            constraints=Constraints(include=("noise",), exclude=("noise",))
        ).fit(X, y)


def test_max_features_counts_columns_rather_than_cut_points() -> None:
    X, y = ward()
    model = ScoringSystemClassifier(max_terms=4, max_features=1).fit(X[["age", "noise"]], y)
    assert len({term.item.feature for term in model.card_.terms}) == 1


def test_weight_two_is_the_row_twice() -> None:
    X, y = ward(120)
    weight = np.random.default_rng(1).integers(0, 3, 120)
    weighted = ScoringSystemClassifier(max_terms=3).fit(X, y, weight)
    repeated = ScoringSystemClassifier(max_terms=3).fit(
        X.loc[X.index.repeat(weight)], np.repeat(y, weight)
    )
    assert weighted.card_.terms == repeated.card_.terms
    assert weighted.threshold_ == repeated.threshold_
    assert weighted.certificate_.objective == repeated.certificate_.objective
    assert weighted.card_.rows[0].n == repeated.card_.rows[0].n


def test_class_weight_moves_the_errors_but_not_the_counts_on_the_card() -> None:
    X, y = ward(seed=5)
    rare = np.flatnonzero((y == 0) | (np.arange(len(y)) % 6 == 0))
    X, y = X.iloc[rare], y[rare]
    plain = ScoringSystemClassifier(max_terms=3).fit(X, y)
    balanced = ScoringSystemClassifier(max_terms=3, class_weight="balanced").fit(X, y)
    by_hand = ScoringSystemClassifier(max_terms=3, class_weight={0: 1, 1: (y == 0).sum() / y.sum()})
    assert balanced.card_.terms == by_hand.fit(X, y).card_.terms
    assert (balanced.predict(X) == y)[y == 1].mean() > (plain.predict(X) == y)[y == 1].mean()
    assert balanced.card_.events == plain.card_.events == y.sum()
    assert sum(row.n for row in balanced.card_.rows) == len(y)
    misses = balanced.predict(X) != y
    loss = (misses[y == 1].mean() + misses[y == 0].mean()) / 2
    assert balanced.certificate_.loss == pytest.approx(loss, abs=1e-9)


def test_threads_seed_and_order_of_rows_do_not_change_the_card() -> None:
    X, y = ward()
    first = ScoringSystemClassifier(n_jobs=1).fit(X, y)
    order = np.random.default_rng(2).permutation(len(y))
    for other in (
        ScoringSystemClassifier(n_jobs=3).fit(X, y),
        ScoringSystemClassifier(random_state=7).fit(X, y),
        ScoringSystemClassifier().fit(X.iloc[order], y[order]),
    ):
        assert other.card_.terms == first.card_.terms
        assert other.threshold_ == first.threshold_
        assert other.card_.data_digest == first.card_.data_digest


def test_pandas_polars_arrow_and_table_give_one_card() -> None:
    X, y = ward()
    frame = pl.from_pandas(X)
    cards = [
        ScoringSystemClassifier().fit(data, y).card_.terms for data in (X, frame, frame.to_arrow())
    ]
    table = read_table(frame.with_columns(pl.Series("ill", y)), target="ill")
    model = ScoringSystemClassifier().fit(table)
    assert all(card == cards[0] for card in [*cards, model.card_.terms])
    assert model.card_.outcome == "ill"


def test_missing_values_and_text_are_legal() -> None:
    X, y = ward()
    X = X.assign(site=np.where(X["smoker"] == 1, "north", "south"))
    X.loc[::7, "age"] = np.nan
    model = ScoringSystemClassifier().fit(X, np.where(y == 1, "yes", "no"))
    assert set(model.predict(X)) == {"yes", "no"}
    assert any(item.kind == "missing" for item in model.items_)
    assert model.certificate_.loss < 0.2
    assert model.card_.positive_label == "yes"


def test_saved_form_scores_the_same() -> None:
    X, y = ward()
    model = ScoringSystemClassifier(constraints={"sign": {"grade": "+"}}).fit(X, y)
    kind, body = model.to_artifact()
    back = ScoringSystemClassifier.from_artifact(msgspec.json.decode(msgspec.json.encode(body)))
    assert kind == "scoring_system"
    assert back.card_ == model.card_
    assert (back.decision_function(X) == model.decision_function(X)).all()
    assert back.get_params()["max_terms"] == 5
    assert clone(back).fit(X, y).card_.terms == model.card_.terms


def test_cross_validated_rates_stand_beside_the_certificate() -> None:
    X, y = ward(150)
    card = ScoringSystemClassifier(max_terms=3, cv=3).fit(X, y).card_
    assert set(card.performance) == {"sensitivity", "specificity", "error_rate"}
    error = card.performance["error_rate"]
    assert error.low < error.value < error.high
    assert error.n == 150
    assert error.value >= card.certificate.loss
    assert "cross-validation" in card.performance_method


def test_cross_validation_takes_splits_that_are_given() -> None:
    X, y = ward(150)
    halves = [(np.arange(75), np.arange(75, 150))]
    card = ScoringSystemClassifier(max_terms=2, cv=halves).fit(X, y).card_
    assert card.performance["error_rate"].n == 75


def test_a_fold_that_cannot_keep_the_limits_does_not_spoil_the_fit() -> None:
    grade = np.concatenate([np.arange(200) % 5, np.arange(40) % 2])
    y = np.concatenate([np.arange(200) % 5 > 2, np.arange(40) % 4 > 1]).astype(int)
    limits = {"max_false_positive_rate": 0.3, "max_false_negative_rate": 0.3}
    unclear = [(np.arange(200, 240), np.arange(200))]
    card = ScoringSystemClassifier(cv=unclear, **limits).fit(grade.reshape(-1, 1), y).card_
    assert card.certificate.status == "optimal"
    assert card.performance == {}
    assert card.performance_method == "not cross-validated; in a fold: no score meets both limits"


def test_interrupt_in_a_fold_keeps_the_card_and_ends_the_cross_validation(monkeypatch) -> None:
    X, y = ward()
    solve, calls = scoring_systems.solve_scoring_system, []

    def interrupted(*args, **settings):
        calls.append(settings["certify"])
        solution = solve(*args, **settings)
        return dataclasses.replace(solution, status="interrupted") if len(calls) == 2 else solution

    monkeypatch.setattr(scoring_systems, "solve_scoring_system", interrupted)
    card = ScoringSystemClassifier(max_terms=2, cv=3).fit(X, y).card_
    assert calls == [True, False]
    assert card.certificate.status == "optimal"
    assert card.performance_method == "not cross-validated: interrupted"


def test_heuristic_alone_says_so() -> None:
    X, y = ward()
    exact = ScoringSystemClassifier().fit(X, y)
    model = ScoringSystemClassifier(certify=False).fit(X, y)
    assert model.certificate_.status == "heuristic"
    assert model.certificate_.statement.startswith("Not certified")
    assert model.certificate_.lower_bound <= exact.certificate_.objective
    assert model.certificate_.objective >= exact.certificate_.objective


def test_time_limit_gives_a_card_with_an_honest_gap() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 12, (400, 25))
    y = rng.integers(0, 2, 400)
    calls: list[dict] = []
    model = ScoringSystemClassifier(max_terms=8, time_limit=0.4).set_progress(calls.append)
    certificate = model.fit(X, y).certificate_
    assert certificate.status == "time_limit"
    assert 0.0 < certificate.gap <= 1.0
    assert "Within" in certificate.statement
    assert certificate.lower_bound <= certificate.objective
    assert calls
    assert set(calls[-1]) == {"elapsed", "objective", "lower_bound", "gap"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_terms", 0),
        ("max_terms", 2.5),
        ("max_points", 0),
        ("penalty", -1e-3),
        ("max_false_positive_rate", 1.2),
        ("binning", "fine"),
        ("cv", 1),
        ("time_limit", -1.0),
    ],
)
def test_wrong_parameters_are_refused_by_name(name: str, value: object) -> None:
    X, y = ward(30)
    with pytest.raises(ParameterError, match=name):
        ScoringSystemClassifier(**{name: value}).fit(X, y)


@pytest.mark.parametrize(("name", "errors"), [("breastcancer", 14), ("mammo", 184)])
def test_medical_tables_are_certified_as_they_are(name: str, errors: int) -> None:
    path = SHARED / "data" / "table" / name / f"{name}_data.csv"
    if not path.exists():
        pytest.skip(f"needs {path}")
    frame = pl.read_csv(path)
    X, y = frame[:, 1:], frame[:, 0].to_numpy()
    model = ScoringSystemClassifier().fit(X, y)
    assert model.certificate_.status == "optimal"
    assert (model.predict(X) != y).sum() == errors
    assert len(model.card_.terms) <= 5
    assert len(model.items_) == X.width
