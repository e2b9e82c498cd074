"""Distil and compare: planted differences, calibration, fidelity, influence, awkward input."""

import re

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from riskwright.core import (
    DataError,
    EmptyDataError,
    ParameterError,
    TargetError,
    UsageError,
    ValueRangeError,
)
from riskwright.explanation.additive import AdditiveModel, sigmoid
from riskwright.explanation.distillation import DistillationReport, calibrated, distill
from riskwright.stats import isotonic_regression


def people(n, seed=0):
    """Risk falls with age and is higher for men."""
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "age": rng.integers(18, 70, n),
            "sex": rng.choice(["f", "m"], n),
            "noise": rng.normal(size=n),
        }
    )
    age = frame["age"].to_numpy()
    log_odds = 0.04 * (40 - age) + 0.5 * (frame["sex"] == "m").to_numpy() - 0.5
    outcome = rng.random(n) < sigmoid(log_odds)
    return frame, log_odds, outcome, age


@pytest.fixture(scope="module")
def biased():
    frame, log_odds, outcome, age = people(12_000)
    return distill(log_odds + 1.5 * (age >= 60), frame, outcome=outcome, bins=16)


def test_the_planted_overweight_is_found_and_put_in_words(biased):
    over = [f for f in biased.findings() if f.code == "distillation.overweights"]
    assert len(over) == 1
    assert over[0].severity in ("medium", "high")
    assert over[0].estimate.low > 0
    first = int(re.search(r"age is (\d+) or more", over[0].sentence)[1])
    assert 56 <= first <= 61  # smoothing blurs the step at 60
    assert "more risk than the outcomes show" in over[0].sentence
    assert not [f for f in biased.findings() if "noise" in f.sentence]
    differs = {shape.feature: shape.differs for shape in biased.compare()}
    assert differs["age"]
    assert not differs["noise"]


def test_shapes_are_centred_counted_and_sorted(biased):
    importance = [shape.importance for shape in biased.shapes]
    assert importance == sorted(importance, reverse=True)
    for shape in biased.shapes:
        n = np.array(shape.n)
        assert n.sum() == 12_000
        for values in (shape.score, shape.outcome, shape.difference):
            assert n @ np.array(values) == pytest.approx(0, abs=1e-6)
        assert np.allclose(np.subtract(shape.score, shape.outcome), shape.difference)
        assert all(
            a <= d <= b for a, d, b in zip(shape.low, shape.difference, shape.high, strict=True)
        )


def test_a_score_that_is_the_risk_is_not_accused():
    frame, log_odds, outcome, _ = people(8000, seed=3)
    found = distill(sigmoid(log_odds), frame, outcome=outcome, bins=16)
    codes = [f.code for f in found.findings()]
    assert codes == ["distillation.fidelity", "distillation.compare"]
    assert "would have been seen" in found.findings()[1].sentence


def test_the_comparison_does_not_depend_on_the_scale_of_the_score():
    frame, log_odds, outcome, _ = people(2000, seed=4)
    one, other = (
        distill(score, frame, outcome=outcome, bins=8).shapes
        for score in (log_odds, 100 * np.exp(log_odds))
    )
    for a, b in zip(one, other, strict=True):
        assert a.feature == b.feature
        assert np.allclose(a.low, b.low)


def test_calibration_is_isotonic_and_keeps_the_number_of_events():
    score = np.array([1.0, 1, 2, 2, 3, 3, 4])
    outcome = np.array([0.0, 0, 0, 1, 1, 0, 1])
    found = calibrated(score, outcome)
    assert found.steps == isotonic_regression(score, outcome).level.size == 3
    assert found.risk.tolist() == [0, 0, 0.5, 0.5, 0.5, 0.5, 1]


def test_a_score_that_is_the_outcome_differs_nowhere():
    frame, _, outcome, _ = people(400)
    found = distill(outcome.astype(float), frame, outcome=outcome)
    assert not any(shape.differs for shape in found.compare())
    assert np.allclose([d for shape in found.shapes for d in shape.difference], 0, atol=1e-6)


def test_too_few_events_are_not_compared():
    frame, log_odds, _, _ = people(400)
    found = distill(log_odds, frame, outcome=np.arange(400) < 29)
    assert "29 had the outcome" in found.findings()[1].sentence
    assert found.report(missing_feature=False).shapes[0].difference is None
    with pytest.raises(UsageError):
        found.compare()


def test_bands_are_as_wide_as_refits_spread():
    """Standard errors of the influence function against 60 fresh samples."""
    rng = np.random.default_rng(6)
    found, reach = [], []
    for _ in range(60):
        X = rng.integers(0, 3, (1500, 2)).astype(float)
        log_odds = 0.7 * (X[:, 0] == 1) - 0.4 * (X[:, 1] == 2) - 0.3
        score = log_odds + 0.4 * X[:, 0] + 0.6 * rng.normal(size=1500)
        shapes = distill(score, X, outcome=rng.random(1500) < sigmoid(log_odds)).shapes
        by_name = sorted(shapes, key=lambda shape: shape.feature)
        found.append([d for shape in by_name for d in shape.difference])
        reach.append([(h - l) / 2 for s in by_name for h, l in zip(s.high, s.low, strict=True)])
    ratio = np.mean(reach, axis=0) / np.std(found, axis=0)
    assert np.ptp(ratio) < 1.2  # one multiplier for all
    assert 1.9 < ratio.mean() < 3.0


def test_fidelity_is_out_of_sample():
    rng = np.random.default_rng(7)
    X, score = rng.normal(size=(300, 5)), rng.normal(size=300)
    assert distill(score, X).fidelity.value < 0.05
    frame, log_odds, _, _ = people(3000)
    found = distill(log_odds + rng.normal(size=3000), frame)
    expected = log_odds.var() / (log_odds.var() + 1)
    assert found.fidelity.low < expected < found.fidelity.high
    assert found.accuracy is None
    assert found.compare is not None
    assert all(shape.outcome is None for shape in found.shapes)
    with pytest.raises(UsageError):
        found.compare()
    with pytest.raises(UsageError):
        found.missing_feature()


def test_shapes_without_an_outcome_are_the_additive_model():
    frame, log_odds, _, _ = people(500)
    model = AdditiveModel().fit(frame, log_odds)
    shapes = {shape.feature: shape for shape in distill(log_odds, frame).shapes}
    for effect in model.effects_:
        assert shapes[effect.name].bins == effect.labels
        assert np.allclose(shapes[effect.name].score, effect.values, atol=1e-8)


def test_accuracy_is_near_that_of_the_true_risk(biased):
    _, log_odds, outcome, _ = people(12_000)
    assert biased.accuracy.value == pytest.approx(roc_auc_score(outcome, log_odds), abs=0.01)


def test_report_is_json_without_rows_and_holds_all_findings(biased):
    report = biased.report()
    encoded = msgspec.json.encode(report)
    assert msgspec.json.decode(encoded, type=DistillationReport) == report
    assert len(encoded) < 40_000
    codes = [f.code for f in report.findings]
    assert codes[0] == "distillation.fidelity"
    assert codes[-1] == "missing_feature.correlation"
    assert biased.report(missing_feature=False).missing_feature is None


def test_pairs_are_reported_as_features_of_two_columns():
    rng = np.random.default_rng(8)
    X = rng.integers(0, 3, (2000, 3)).astype(float)
    score = X[:, 0] * X[:, 2] + 0.1 * rng.normal(size=2000)
    plain, paired = (distill(score, X, pairs=k) for k in (0, 1))
    assert paired.fidelity.value > plain.fidelity.value + 0.1
    pair = next(shape for shape in paired.shapes if " with " in shape.feature)
    assert pair.feature == "x0 with x2"
    assert len(pair.bins) == 9
    assert pair.bins[0] == "x0 0, x2 0"


def test_progress_and_repeated_results(biased):
    frame, log_odds, outcome, age = people(12_000)
    seen = []
    again = distill(
        log_odds + 1.5 * (age >= 60), frame, outcome=outcome, bins=16, progress=seen.append
    )
    assert again.shapes == biased.shapes
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"score": np.ones(60)}, ValueRangeError),
        ({"score": np.r_[np.nan, np.arange(59.0)]}, DataError),
        ({"score": np.arange(59.0)}, DataError),
        ({"X": np.ones((60, 0))}, EmptyDataError),
        ({"X": np.ones((59, 1))}, DataError),
        ({"outcome": np.zeros(60)}, TargetError),
        ({"outcome": np.tile([0, 2], 30)}, TargetError),
        ({"level": 0}, ParameterError),
        ({"limit": 0}, ParameterError),
        ({"pairs": -1}, ParameterError),
        ({"bins": 0}, ParameterError),
    ],
)
def test_bad_input_is_refused(change, error):
    rng = np.random.default_rng(0)
    given = {"score": rng.random(60), "X": rng.random((60, 2)), "outcome": np.tile([0, 1], 30)}
    with pytest.raises(error):
        distill(**{**given, **change})


def test_few_rows_constant_columns_and_missing_values():
    X = pl.DataFrame({"a": [1.0, None] * 15, "b": [3] * 30, "c": [None] * 30})
    found = distill(np.arange(30.0), X, outcome=[0, 1, 1] * 10, bins=64)
    assert np.isfinite(found.fidelity.value)
    assert {shape.feature for shape in found.shapes} == {"a", "b", "c"}
    assert found.report().n == 30
