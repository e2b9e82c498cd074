"""Familiarity: monotone in noise, honest without drift, useful to filter by; energy's figures."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

import riskwright.audit.familiarity as familiarity
from riskwright.audit._mixed_columns import MAX_LEVELS, MixedColumns
from riskwright.audit.familiarity import (
    Familiarity,
    compare_detectors,
    energy,
    max_softmax,
)
from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    ParameterError,
    TargetError,
    ValueRangeError,
)


def rows(n, seed, d=6):
    """Rows near a plane in d dimensions."""
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(99).normal(size=(2, d))
    return rng.normal(size=(n, 2)) @ axes + 0.2 * rng.normal(size=(n, d))


def probability(X):
    return expit(3 * np.asarray(X)[:, 0])


@pytest.fixture(scope="module")
def known():
    return Familiarity().fit(rows(1500, 0))


def test_familiarity_falls_as_noise_is_added(known):
    new, noise = rows(400, 1), np.random.default_rng(2).normal(size=(400, 6))
    for part in (known.score, lambda X: known.parts(X)["reconstruction"]):
        means = [part(new + spread * noise).mean() for spread in (0, 0.1, 0.3, 1, 3, 10)]
        assert all(np.diff(means) < 0)


def test_parts_of_rows_like_those_of_the_fit_are_uniform():
    known = Familiarity().fit(rows(800, 0), X_reference=rows(3000, 4))
    for tail in (*known.parts(rows(3000, 3)).values(), known.tail(rows(3000, 3))):
        for level in (0.05, 0.25, 0.5, 0.9):
            assert (tail <= level).mean() == pytest.approx(level, abs=0.04)


def test_without_drift_few_reports_find_any():
    """At most 1 report in 40 should; 60 samples, error 0.02."""
    found = 0
    for seed in range(60):
        known = Familiarity().fit(rows(300, [1, seed], 3))
        report = known.report(rows(200, [2, seed], 3))
        found += report.findings[0].severity in ("medium", "high")
    assert found <= 5


def test_the_interval_covers_the_share_below_the_reference_tail():
    """The share of a drifted population, by a large sample; 60 samples, error 0.028."""
    fresh = rows(20_000, 5, 3) + 0.5
    covered = 0
    for seed in range(60):
        train = rows(700, 6, 3)
        known = Familiarity().fit(train, X_reference=rows(300, [3, seed], 3))
        if seed == 0:
            many = Familiarity().fit(train, X_reference=rows(20_000, 7, 3))
            truth = many.flag(fresh).mean()
        new = fresh[np.random.default_rng(seed).integers(0, 20_000, 150)]
        estimate = known.report(new).unfamiliar
        covered += estimate.low <= truth <= estimate.high
    assert covered >= 52


def test_rows_in_blocks_are_those_of_the_whole(monkeypatch):
    known, new = (
        pl.DataFrame(rows(400, seed)).with_columns(g=pl.Series(np.arange(400) % 5).cast(pl.String))
        for seed in (11, 12)
    )
    whole = Familiarity(seed=2).fit(known)
    monkeypatch.setattr(familiarity, "_BLOCK", 37)
    parts = Familiarity(seed=2).fit(known)
    np.testing.assert_allclose(parts.score(new), whole.score(new), atol=1e-12)


def test_drift_is_graded_and_told(known):
    report = known.report(rows(300, 8) + np.array([0, 0, 3.0, 0, 0, 0]))
    assert report.findings[0].severity == "high"
    assert report.findings[0].code == "familiarity.unfamiliar"
    assert report.excess.value == pytest.approx(report.unfamiliar.value - 0.05)
    assert set(report.parts) == {"distance", "reconstruction"}


@pytest.mark.parametrize("seed", range(5))
def test_keeping_the_familiar_nine_tenths_is_no_worse_than_keeping_all(seed):
    """A nearest-neighbour rule on new rows of which a fifth lie where nothing was learned."""
    rng = np.random.default_rng(seed)

    def truth(X):
        return np.sin(2 * X[:, 0]) + X[:, 1] > 0

    train, new = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2))
    new[:200] *= 4
    nearest = ((new[:, None] - train) ** 2).sum(2).argmin(1)
    right = truth(train)[nearest] == truth(new)
    familiarity = Familiarity().fit(train).score(new)
    kept = familiarity >= np.quantile(familiarity, 0.1)
    assert right[kept].mean() >= right.mean()


def test_confidence_is_a_part_where_a_score_is_given():
    with_score = Familiarity().fit(rows(500, 0), probability)
    assert with_score.parts_ == ("distance", "reconstruction", "confidence")
    new = rows(50, 1)
    confidence = with_score.parts(new)["confidence"]
    sure = np.abs(probability(new) - 0.5)
    assert np.all(np.diff(confidence[np.argsort(sure)]) >= 0)
    two = Familiarity().fit(
        rows(500, 0), lambda X: np.column_stack([1 - probability(X), probability(X)])
    )
    assert two.score(new) == pytest.approx(with_score.score(new))


def test_one_column_leaves_no_reconstruction_error():
    known = Familiarity().fit(rows(200, 0, 1))
    assert known.parts_ == ("distance",)


def mixed(n, seed):
    rng = np.random.default_rng(seed)
    age = rng.normal(50, 10, n)
    return pl.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, age),
            "job": rng.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1]).tolist(),
            "smoker": (rng.random(n) < 0.3).tolist(),
            "site": ["north"] * n,
            "weight": rng.normal(70, 12, n),
        }
    )


def test_columns_of_every_type_have_variance_one_together():
    columns = MixedColumns().fit(mixed(400, 0))
    points, novelty = columns.transform(mixed(400, 0))
    assert points.mean(axis=0) == pytest.approx(np.zeros(points.shape[1]), abs=1e-9)
    sizes = {}
    start = 0
    for column in columns.columns_:
        width = column.points(mixed(400, 0)[column.name], "X")[0].shape[1]
        size = points[:, start : start + width].var(axis=0).sum()
        sizes[column.name, getattr(column, "kind", "number")] = size
        start += width
    assert sizes["age", "number"] == pytest.approx(1)
    assert sizes["age", "missing"] == pytest.approx(1)
    assert sizes["job", "values"] == pytest.approx(1)
    assert sizes["site", "values"] == pytest.approx(0, abs=1e-12)
    assert not novelty.any()


def test_new_levels_and_new_missing_values_are_unfamiliar():
    known = Familiarity().fit(mixed(600, 0))
    new = mixed(40, 1)
    usual = known.score(new)
    for change in (
        pl.lit("d").alias("job"),
        pl.lit("south").alias("site"),
        pl.lit(None, dtype=pl.Float64).alias("weight"),
        pl.lit(None, dtype=pl.Boolean).alias("smoker"),
    ):
        changed = known.score(new.with_columns(change))
        assert changed.mean() < usual.mean() - 0.1


def test_many_levels_are_pooled_and_extra_columns_are_left_out():
    codes = [f"c{i % 300}" for i in range(900)]
    columns = MixedColumns().fit(pl.DataFrame({"code": codes}))
    points, _ = columns.transform(pl.DataFrame({"other": [1, 2], "code": ["c0", "c299"]}))
    assert points.shape == (2, MAX_LEVELS + 1)


def test_the_same_seed_gives_the_same_reference_and_options_are_kept():
    first, second = (Familiarity(seed=3).fit(rows(200, 0)) for _ in range(2))
    assert np.array_equal(first.reference_, second.reference_)


@pytest.mark.parametrize(
    ("options", "X", "error"),
    [
        ({}, rows(30, 0), DataError),
        ({}, np.ones((200, 2)), DataError),
        ({"threshold": 0}, rows(200, 0), ParameterError),
        ({"n_neighbors": 0}, rows(200, 0), ParameterError),
        ({"explained": 1.5}, rows(200, 0), ParameterError),
        ({"reference_share": 1}, rows(200, 0), ParameterError),
        ({}, np.full((200, 2), np.inf), ValueRangeError),
        ({}, "text", ParameterError),
    ],
)
def test_bad_input_of_the_fit_is_refused(options, X, error):
    with pytest.raises(error):
        Familiarity(**options).fit(X)


def test_bad_new_rows_are_refused(known):
    with pytest.raises(ColumnError, match="columns missing"):
        known.score(rows(5, 0, 3))
    with pytest.raises(EmptyDataError):
        known.score(np.empty((0, 6)))
    with pytest.raises(ParameterError, match="not fitted"):
        Familiarity().score(rows(5, 0))
    with pytest.raises(ColumnError):
        Familiarity().fit(mixed(100, 0)).score(mixed(5, 0).with_columns(pl.lit("x").alias("age")))
    with pytest.raises(ValueRangeError):
        Familiarity().fit(rows(200, 0), lambda X: np.full(len(X), 2.0))
    with pytest.raises(DataError):
        Familiarity().fit(rows(200, 0), lambda X: [0.5])


def test_energy_is_minus_the_log_of_the_sum_of_exponentials():
    logits = np.random.default_rng(0).normal(size=(20, 4))
    for t in (0.5, 1.0, 3.0):
        direct = -t * np.log(np.exp(logits / t).sum(axis=1))
        assert energy(logits, t) == pytest.approx(direct)
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert max_softmax(logits) == pytest.approx(share.max(axis=1))
    assert np.isfinite(energy([[1e4, -1e4]])).all()


@pytest.mark.parametrize("logits", [[0.1, 2.0], [[0.1], [2.0]]])
def test_energy_of_one_logit_is_refused_with_the_reason(logits):
    with pytest.raises(TargetError, match="only falls with z"):
        energy(logits)


@given(st.integers(0, 10**6), st.floats(-5, 5))
def test_energy_falls_with_a_shift_of_all_logits_where_softmax_does_not(seed, shift):
    logits = np.random.default_rng(seed).normal(size=(5, 3))
    assert energy(logits + shift) == pytest.approx(energy(logits) - shift)
    assert max_softmax(logits + shift) == pytest.approx(max_softmax(logits))


def logits_of(n, m, seed):
    """Outside rows differ by the size of all logits only, which softmax cannot see."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) + 3, rng.normal(size=(m, 3))


def test_energy_sees_what_softmax_cannot():
    report = compare_detectors(*logits_of(1000, 500, 0))
    assert report.energy.fpr.high < 0.2 < report.max_softmax.fpr.low
    assert report.energy.auroc.value > 0.95
    assert report.max_softmax.auroc.value == pytest.approx(0.5, abs=0.05)
    assert report.findings[0].code == "familiarity.energy"
    inside, outside = logits_of(1000, 500, 0)
    edge = np.quantile(energy(inside), 0.95, method="inverted_cdf")
    assert report.energy.fpr.value == (energy(outside) <= edge).mean()


def test_the_interval_of_false_positives_covers():
    inside, outside = logits_of(200_000, 200_000, 9)
    truth = (energy(outside) <= np.quantile(energy(inside), 0.95)).mean()
    covered = 0
    for seed in range(150):
        fpr = compare_detectors(*logits_of(150, 100, seed)).energy.fpr
        covered += fpr.low <= truth <= fpr.high
    assert covered >= 143


def test_few_inside_rows_leave_the_false_positives_open():
    assert compare_detectors(*logits_of(10, 50, 0)).energy.fpr.high == 1.0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"inside": [[0.1, math.nan]]}, DataError),
        ({"outside": [[0.1, 0.2, 0.3]]}, DataError),
        ({"temperature": 0}, ParameterError),
        ({"level": 1}, ParameterError),
        ({"inside": [0.1, 0.2]}, TargetError),
    ],
)
def test_bad_logits_are_refused(change, error):
    given = {"inside": [[0.1, 0.2], [0.0, 1.0]], "outside": [[0.3, 0.4]]}
    with pytest.raises(error):
        compare_detectors(**(given | change))
