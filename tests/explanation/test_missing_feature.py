"""The missing-feature test: COMPAS, controls, correlations of SciPy, size and power in small."""

import os
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr

from riskwright.core import (
    DataError,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.explanation.missing_feature import (
    MissingFeature,
    Residuals,
    kendall_estimate,
    missing_feature_test,
    pearson_estimate,
    spearman_estimate,
)

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
COMPAS = SHARED / "data" / "table" / "compas" / "compas-scores-two-years.csv"
ESTIMATES = {
    "pearson": (pearson_estimate, pearsonr),
    "spearman": (spearman_estimate, spearmanr),
    "kendall": (kendall_estimate, kendalltau),
}


@pytest.fixture(scope="module")
def compas():
    if not COMPAS.exists():
        pytest.skip("COMPAS data are not here")
    rows = pl.read_csv(COMPAS, infer_schema_length=10_000, null_values=["NA", "N/A"]).filter(
        pl.col("days_b_screening_arrest").is_between(-30, 30)
        & (pl.col("is_recid") != -1)
        & (pl.col("c_charge_degree") != "O")
        & pl.col("score_text").is_not_null()
    )
    day = [pl.col(f"c_jail_{way}").str.slice(0, 10).str.to_date() for way in ("in", "out")]
    rows = rows.with_columns(los=(day[1] - day[0]).dt.total_days())
    X = rows.select("age", "priors_count", "los", "race", "sex", "c_charge_degree")
    return X, rows["decile_score"].to_numpy(), rows["two_year_recid"].to_numpy()


def test_compas_lacks_a_feature(compas):
    X, score, outcome = compas
    found = missing_feature_test(score, outcome, X, pairs=4)
    assert found.n == 6172
    assert round(found.pearson.value, 3) == 0.122
    assert found.pearson.low == pytest.approx(0.096, abs=0.002)
    assert found.pearson.high == pytest.approx(0.149, abs=0.002)
    assert found.spearman.value == pytest.approx(0.124, abs=0.0015)
    assert found.kendall.value == pytest.approx(0.096, abs=0.0015)
    assert found.score_r2 == pytest.approx(0.508, abs=0.003)
    assert found.outcome_r2 == pytest.approx(0.174, abs=0.003)
    assert found.p_value < 1e-12
    assert found.findings[0].severity == "medium"


def test_controls_on_compas(compas):
    X, _, outcome = compas
    priors, age = X["priors_count"].to_numpy(), X["age"].to_numpy()
    known = 3 * (priors > 3) + 2 * (age < 30) + 1.0 * (X["c_charge_degree"] == "F").to_numpy()
    noisy = known + np.random.default_rng(0).normal(size=known.size)
    options = {"repeats": 2, "pairs": 0}
    exact = missing_feature_test(known, outcome, X, **options)
    assert exact.pearson.value == pytest.approx(0.001, abs=0.003)
    assert exact.pearson.low < 0 < exact.pearson.high
    assert missing_feature_test(noisy, outcome, X, **options).pearson.value == pytest.approx(
        0.018, abs=0.003
    )
    hidden = missing_feature_test(noisy, outcome, X.drop("priors_count"), **options)
    assert hidden.pearson.value == pytest.approx(0.207, abs=0.003)
    assert hidden.findings[0].severity == "high"


pairs = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=4, max_size=25).filter(
    lambda rows: all(len({row[k] for row in rows}) > 1 for k in (0, 1))
)


@pytest.mark.parametrize("name", ESTIMATES)
@settings(max_examples=60, deadline=None)
@given(pairs)
def test_correlations_are_those_of_scipy_with_ties(name, rows):
    ours, theirs = ESTIMATES[name]
    x, y = np.array(rows, dtype=float).T
    assert ours(Residuals(x, y), 0.95).value == pytest.approx(theirs(x, y)[0], abs=1e-12)


@pytest.mark.parametrize("name", ESTIMATES)
def test_standard_errors_are_those_of_the_jackknife(name):
    ours, theirs = ESTIMATES[name]
    rng = np.random.default_rng(4)
    x = rng.random(200)
    y = np.round(0.5 * x + rng.normal(size=200) * (0.1 + x), 1)
    found = ours(Residuals(x, y), 0.95)
    left = [theirs(np.delete(x, i), np.delete(y, i))[0] for i in range(200)]
    jackknife = np.sqrt(199 / 200 * np.sum((left - np.mean(left)) ** 2))
    assert (found.high - found.low) / 2 / 1.95996 == pytest.approx(jackknife, rel=0.03)


def world(n, hidden, seed):
    rng = np.random.default_rng(seed)
    X, u = rng.normal(size=(n, 3)), rng.normal(size=n)
    outcome = rng.random(n) < 1 / (1 + np.exp(-(X[:, 0] + np.sin(2 * X[:, 1]) + hidden * u)))
    return X[:, 0] + X[:, 2] + hidden * u + rng.normal(size=n), outcome, X


def test_correlation_grows_with_what_is_hidden():
    found = [
        missing_feature_test(*world(1500, h, 1), repeats=1, bins=8, pairs=2) for h in (0, 0.4, 1)
    ]
    assert found[0].pearson.low < 0 < found[0].pearson.high
    assert found[0].pearson.value < found[1].pearson.value < found[2].pearson.value
    assert found[2].pearson.low > 0
    assert [f.findings[0].severity for f in found[1:]] in (["medium", "high"], ["high", "high"])


def test_an_interaction_that_both_use_is_not_called_a_missing_feature():
    rng = np.random.default_rng(5)
    X = rng.integers(0, 2, (4000, 3)).astype(float)
    both = 2 * ((X[:, 0] == X[:, 1]) - 0.5)
    outcome = rng.random(4000) < 1 / (1 + np.exp(-both))
    found = missing_feature_test(both + 0.3 * X[:, 2], outcome, X, repeats=1, pairs=3)
    assert found.pearson.low > 0.2
    assert found.n_pairs == 3
    assert found.findings[0].severity == "low"
    assert found.p_value == pytest.approx(
        missing_feature_test(both + 0.3 * X[:, 2], outcome, X, repeats=1, pairs=3).p_value
    )


def test_detectable_falls_with_the_root_of_n_and_the_record_is_json():
    small, large = (
        missing_feature_test(*world(n, 0, 2), repeats=1, bins=8, pairs=0) for n in (500, 2000)
    )
    assert small.detectable == pytest.approx(2 * large.detectable, rel=0.15)
    assert large.detectable == pytest.approx((1.96 + 0.8416) / np.sqrt(2000), rel=0.1)
    assert msgspec.json.decode(msgspec.json.encode(large), type=MissingFeature) == large


def test_progress_ends_at_one():
    seen = []
    missing_feature_test(*world(200, 0, 3), repeats=2, bins=4, pairs=0, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"score": np.ones(40)}, ValueRangeError),
        ({"score": np.r_[np.nan, np.ones(39)]}, MissingValueError),
        ({"score": np.arange(39.0)}, DataError),
        ({"outcome": np.ones(40)}, TargetError),
        ({"outcome": np.arange(40)}, TargetError),
        ({"X": np.ones((39, 1))}, DataError),
        ({"X": np.ones((40, 0))}, DataError),
        ({"folds": 1}, ParameterError),
        ({"folds": 30}, DataError),
        ({"repeats": 0}, ParameterError),
        ({"level": 1.0}, ParameterError),
        ({"power": 0}, ParameterError),
        ({"limit": -0.1}, ParameterError),
        ({"pairs": 1.5}, ParameterError),
    ],
)
def test_bad_input_is_refused(change, error):
    rng = np.random.default_rng(0)
    given = {"score": rng.random(40), "outcome": np.tile([0, 1], 20), "X": rng.random((40, 2))}
    with pytest.raises(error):
        missing_feature_test(**{**given, **change})
