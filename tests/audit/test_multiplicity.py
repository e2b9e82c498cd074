"""Viable ranges enclose what equally good scores say, and nothing much besides."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import expit

from riskwright.audit.multiplicity import Multiplicity, MultiplicityReport
from riskwright.audit.pool_multiplicity import PoolMultiplicity
from riskwright.audit.viable_ranges import LevelSet, LogisticLoss, _Search
from riskwright.core import DataError, MissingValueError, ParameterError, TargetError
from riskwright.scoring import RiskScoreClassifier

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ADULT = SHARED / "data" / "table" / "adult_binary" / "adult_data.csv"
needs_adult = pytest.mark.skipif(not ADULT.exists(), reason="needs the shared data")


def study(n=200, d=3, seed=0, binary=False):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, (n, d)).astype(float) if binary else rng.normal(size=(n, d))
    slope = rng.normal(size=d)
    y = (rng.random(n) < expit(X @ slope - 0.5)).astype(int)
    y[:2] = [0, 1]
    return X, y


def loss(w, X, y, weight=None, penalty=1e-4):
    """The loss that `Multiplicity` states, written down anew."""
    z = w[0] + X @ w[1:]
    each = np.logaddexp(0, z) - y * z
    ridge = 0.5 * penalty * (w[1:] @ w[1:]) + 0.5e-8 * w[0] ** 2
    return np.average(each, weights=weight) + ridge


def slope_of(w, X, y, penalty=1e-4):
    z = w[0] + X @ w[1:]
    r = (expit(z) - y) / len(y)
    return np.r_[r.sum() + 1e-8 * w[0], X.T @ r + penalty * w[1:]]


def brute_force(X, y, person, epsilon, least, start, sign, penalty=1e-4):
    """Extreme log-odds by a generic constrained optimiser."""
    v = np.r_[1.0, person]
    limit = least + epsilon
    found = minimize(
        lambda w: -sign * (v @ w),
        start,
        jac=lambda w: -sign * v,
        constraints={
            "type": "ineq",
            "fun": lambda w: (limit - loss(w, X, y, penalty=penalty)) / epsilon,
            "jac": lambda w: -slope_of(w, X, y, penalty) / epsilon,
        },
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    return v @ found.x, loss(found.x, X, y, penalty=penalty)


@pytest.mark.parametrize("epsilon", [1e-4, 3e-3, 0.1])
@pytest.mark.parametrize("binary", [False, True])
def test_ranges_agree_with_a_generic_optimiser(epsilon, binary):
    X, y = study(binary=binary)
    model = Multiplicity(tolerance=epsilon, max_gap=1e-5).fit(X, y)
    ranges = model.ranges(X[:6])
    best = np.r_[model.intercept_, model.coef_]
    for i in range(6):
        for sign in (1, -1):
            value, reached = brute_force(X, y, X[i], epsilon, model.loss_, best, sign)
            feasible = reached <= model.loss_ + epsilon * (1 + 1e-6)
            assert feasible
            attained = (ranges.high if sign > 0 else ranges.low)[i]
            outer = (ranges.high_outer if sign > 0 else ranges.low_outer)[i]
            assert expit(value) == pytest.approx(attained, abs=3e-5)
            assert sign * (outer - expit(value)) >= -1e-8
    assert ranges.gap <= 1e-5


def test_the_best_score_is_the_minimum_and_its_loss_the_one_stated():
    X, y = study()
    model = Multiplicity().fit(X, y)
    best = np.r_[model.intercept_, model.coef_]
    assert model.loss_ == pytest.approx(loss(best, X, y), rel=1e-13)
    assert np.abs(slope_of(best, X, y)).max() < 1e-10


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.floats(1e-5, 0.3),
    st.booleans(),
    st.sampled_from([1e-4, 1e-2, 1.0]),
)
def test_no_score_within_the_tolerance_leaves_the_outer_range(seed, d, epsilon, binary, penalty):
    X, y = study(60, d, seed, binary)
    model = Multiplicity(tolerance=epsilon, penalty=penalty).fit(X, y)
    ranges = model.ranges()
    assert ranges.gap <= 1e-4
    best = np.r_[model.intercept_, model.coef_]
    rng = np.random.default_rng(seed)
    for _ in range(40):
        direction = rng.normal(size=d + 1)

        def excess(t, direction=direction):
            w = best + t * direction
            return loss(w, X, y, penalty=penalty) - model.loss_ - epsilon

        top = 1.0
        while excess(top) < 0:
            top *= 2
        w = best + brentq(excess, 0, top) * 0.999999 * direction
        risk = expit(w[0] + X @ w[1:])
        assert np.all(risk <= ranges.high_outer)
        assert np.all(risk >= ranges.low_outer)


def test_ends_are_attained_by_scores_within_the_tolerance():
    X, y = study(150, 4)
    rows = np.column_stack([np.ones(len(X)), X])
    function = LogisticLoss(rows, y / len(y), (1 - y) / len(y), np.r_[1e-8, np.full(4, 1e-4)])
    best = function.minimise()
    level = LevelSet(function, best, 0.01)
    found = level.extremes(rows, 1e-4)
    for person, score, value in zip(rows, found.scores, found.inner, strict=True):
        assert person @ score >= value
        assert loss(score, X, y) <= level.least + 0.01
    assert np.all(found.outer >= found.inner)


def test_outer_ends_hold_before_the_search_has_converged():
    """Also one look at a poor point gives a bound that the extremes respect."""
    X, y = study(150, 4)
    tight = Multiplicity(tolerance=0.05, max_gap=1e-6).fit(X, y).ranges()
    loose = Multiplicity(tolerance=0.05, max_gap=0.5).fit(X, y).ranges()
    assert loose.gap > 10 * tight.gap
    assert np.all(loose.high_outer >= tight.high)
    assert np.all(loose.low_outer <= tight.low)
    assert np.all(loose.high <= tight.high_outer)
    assert np.all(loose.low >= tight.low_outer)


def test_points_far_outside_bound_nothing():
    """The least curvature holds near the level set only."""
    X, y = study(150, 4)
    rows = np.column_stack([np.ones(len(X)), X])
    function = LogisticLoss(rows, y / len(y), (1 - y) / len(y), np.r_[1e-8, np.full(4, 1e-4)])
    level = LevelSet(function, function.minimise(), 0.01)
    directions = level.offsets(rows)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    for length, finite in ((0.9, True), (1.5, False)):
        search = _Search(level, rows, directions, 1e-9)
        offsets = length * np.sqrt(2 * level.epsilon) * unit
        search.run(np.arange(len(rows)), offsets, np.eye(5), 1)
        assert np.all(np.isfinite(search.outer) == finite)
        assert np.all(search.inner <= level.extremes(rows, 1e-6).outer)


def test_ranges_grow_with_the_tolerance_and_vanish_without_it():
    X, y = study()
    ranges = [
        Multiplicity(tolerance=e, max_gap=1e-6).fit(X, y).ranges() for e in (1e-10, 1e-4, 1e-2, 1.0)
    ]
    assert np.all(ranges[0].high - ranges[0].low < 1e-3)
    for small, large in pairwise(ranges):
        assert np.all(small.high < large.high)
        assert np.all(small.low > large.low)


def test_small_tolerances_give_the_ellipsoid_of_the_quadratic_loss():
    X, y = study(400, 3)
    epsilon = 1e-8
    model = Multiplicity(tolerance=epsilon, max_gap=1e-6).fit(X, y)
    rows = np.column_stack([np.ones(len(X)), X])
    p = expit(rows @ np.r_[model.intercept_, model.coef_])
    hessian = (rows * (p * (1 - p))[:, None]).T @ rows / len(y) + np.diag([1e-8, *[1e-4] * 3])
    half = np.sqrt(2 * epsilon * np.einsum("ij,ij->i", rows @ np.linalg.inv(hessian), rows))
    ranges = model.ranges()
    assert (ranges.high - ranges.risk) / (p * (1 - p)) == pytest.approx(half, rel=5e-3)
    assert (ranges.risk - ranges.low) / (p * (1 - p)) == pytest.approx(half, rel=5e-3)


def test_noise_gives_the_profile_likelihood_interval():
    """Likelihood profiled over all other directions, and inverted, by scipy."""
    X, y = study(300, 2)
    model = Multiplicity(tolerance="noise", penalty=1e-9, max_gap=1e-6).fit(X, y)
    person = X[5]
    ranges = model.ranges(person[None])

    def deviance(log_odds):
        def without(rest):
            w = np.r_[log_odds - person @ rest, rest]
            return loss(w, X, y, penalty=0.0), (slope_of(w, X, y, 0.0) @ turn)

        turn = np.vstack([-person, np.eye(2)])
        found = minimize(without, model.coef_, jac=True, method="BFGS", options={"gtol": 1e-10})
        return 2 * len(y) * found.fun

    centre = model.intercept_ + person @ model.coef_
    least = deviance(centre)
    for sign, end in ((1, ranges.high[0]), (-1, ranges.low[0])):
        edge = brentq(lambda z: deviance(z) - least - 3.841458820694124, centre, centre + 5 * sign)
        assert expit(edge) == pytest.approx(end, abs=1e-5)


def test_weights_are_repetitions_and_zero_weights_absences():
    X, y = study(80, 2)
    weight = np.random.default_rng(1).integers(0, 4, 80)
    weight[:2] = 1
    weighted = Multiplicity(tolerance="1%", max_gap=1e-6).fit(X, y, weight)
    repeated = Multiplicity(tolerance="1%", max_gap=1e-6).fit(
        np.repeat(X, weight, 0), np.repeat(y, weight)
    )
    a, b = weighted.ranges(X), repeated.ranges(X)
    assert a.high == pytest.approx(b.high, abs=2e-6)
    assert a.low == pytest.approx(b.low, abs=2e-6)
    assert weighted.ambiguity(0.05) == pytest.approx(repeated.ambiguity(0.05))
    assert weighted.report().n == int((weight > 0).sum())


def test_folding_changes_nothing():
    X, y = study(300, 3, binary=True)
    model = Multiplicity().fit(X, y)
    report = model.report(threshold=0.5)
    assert report.n == 300
    assert report.n_distinct == 8
    alone = [model.ranges(row[None]) for row in X[:20]]
    assert model.ranges().high[:20] == pytest.approx([r.high[0] for r in alone], abs=1e-4)


@pytest.mark.parametrize("epsilon", ["1%", 0.05])
def test_separable_data_and_constant_columns_have_ranges(epsilon):
    x = np.linspace(-1, 1, 40)
    X = np.column_stack([x, np.full(40, 3.0), np.zeros(40)])
    ranges = Multiplicity(tolerance=epsilon).fit(X, (x > 0).astype(int)).ranges()
    assert ranges.gap <= 1e-4
    assert np.all(ranges.low <= ranges.risk)
    assert np.all(ranges.risk <= ranges.high)


def test_columns_of_very_different_scale():
    X, y = study(200, 3)
    plain = Multiplicity(penalty=1e-12, tolerance="noise").fit(X, y).ranges()
    scaled = Multiplicity(penalty=1e-12, tolerance="noise").fit(X * [1e-2, 1.0, 1e4], y).ranges()
    assert scaled.gap <= 1e-4
    assert scaled.high == pytest.approx(plain.high, abs=2e-4)


def test_measures_by_hand():
    X, y = study(120, 2)
    model = Multiplicity(tolerance=0.02).fit(X, y)
    r = model.ranges()
    moved = np.maximum(r.high - r.risk, r.risk - r.low)
    low, high = model.ambiguity(0.1)
    assert low == pytest.approx(np.mean(moved >= 0.1))
    assert low <= high <= low + 0.05
    yes = r.risk >= 0.4
    assert model.conflicts(0.4)[0] == pytest.approx(
        np.mean(np.where(yes, r.low < 0.4, r.high >= 0.4))
    )
    least, most = model.discrepancy(0.1)
    assert 0 < least <= most == high
    some = model.ambiguity(0.1, X[:10])
    assert some[0] == pytest.approx(np.mean(moved[:10] >= 0.1))


def test_discrepancy_counts_a_real_score():
    """With two people alike but for sign, no score can raise one without lowering the other."""
    X, y = study(100, 1)
    model = Multiplicity(tolerance=0.01).fit(X, y)
    least, most = model.discrepancy(0.05)
    best = np.r_[model.intercept_, model.coef_]
    shares = []
    for angle in np.linspace(0, 2 * np.pi, 400):
        direction = np.array([np.cos(angle), np.sin(angle)])
        t = brentq(lambda s, u=direction: loss(best + s * u, X, y) - model.loss_ - 0.01, 0, 50)
        w = best + t * direction
        shares.append(np.mean(np.abs(expit(w[0] + X @ w[1:]) - model.ranges().risk) >= 0.05))
    assert least <= most
    assert least == pytest.approx(max(shares), abs=0.03)


def test_report_says_it_in_words_and_survives_json():
    X, y = study(250, 3)
    calls = []
    model = Multiplicity(tolerance="5%", progress=lambda done, total: calls.append((done, total)))
    report = model.fit(X, y).report(threshold=0.5)
    assert sorted(row.name for row in report.tolerances) == ["1%", "5%", "noise"]
    epsilons = [row.epsilon for row in report.tolerances]
    assert epsilons == sorted(epsilons)
    assert all(sum(row.widths) == 250 and len(row.widths) == 20 for row in report.tolerances)
    assert [f.code for f in report.findings] == [
        "multiplicity.conflicts",
        "multiplicity.ambiguity",
        "multiplicity.width",
    ]
    assert report.findings[0].sentence.startswith("Of 250 people, ")
    assert "within 5% of the best" in report.findings[0].sentence
    assert report.findings[0].estimate.bracket == report.tolerances[-1].conflicts
    assert msgspec.json.decode(msgspec.json.encode(report), type=MultiplicityReport) == report
    assert calls[-1] == (500, 500)
    assert model.report().findings[0].code == "multiplicity.ambiguity"
    assert model.report().tolerances[0].conflicts is None
    assert len(model.report(deltas=()).findings) == 1


def test_frames_are_taken_as_arrays():
    X, y = study(50, 2)
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    ours = Multiplicity().fit(frame, pl.Series(y)).ranges(frame)
    assert ours.high == pytest.approx(Multiplicity().fit(X, y).ranges().high)


@pytest.mark.parametrize("tolerance", [0, 0.0, -1, "x%", "0%", "-1%", "nan%", "", None, True, 1e9])
def test_tolerances_that_mean_nothing_are_refused(tolerance):
    X, y = study(30, 2)
    with pytest.raises(ParameterError, match="tolerance"):
        Multiplicity(tolerance=tolerance).fit(X, y)


def test_bad_input_is_refused():
    X, y = study(30, 2)
    with pytest.raises(TargetError, match="one outcome"):
        Multiplicity().fit(X, np.zeros(30))
    with pytest.raises(TargetError, match="other than 0 and 1"):
        Multiplicity().fit(X, y + 1)
    with pytest.raises(MissingValueError):
        Multiplicity().fit(np.where(X > 1, np.nan, X), y)
    with pytest.raises(DataError, match="length"):
        Multiplicity().fit(X, y[:-1])
    with pytest.raises(DataError, match="negative"):
        Multiplicity().fit(X, y, -np.ones(30))
    with pytest.raises(ParameterError, match="penalty"):
        Multiplicity(penalty=0).fit(X, y)
    with pytest.raises(ParameterError, match="not fitted"):
        Multiplicity().ranges(X)
    model = Multiplicity().fit(X, y)
    with pytest.raises(DataError, match="number of columns"):
        model.ranges(X[:, :1])
    for wrong in (0, 1, -0.1, 2, float("nan"), "0.5"):
        with pytest.raises(ParameterError):
            model.ambiguity(wrong)
        with pytest.raises(ParameterError):
            model.conflicts(wrong)


def pool_study():
    rng = np.random.default_rng(3)
    X = rng.integers(0, 2, (300, 5))
    y = (rng.random(300) < expit(2 * X[:, 0] + X[:, 1] - 1.5)).astype(int)
    return X, y


def test_a_complete_pool_gives_exact_ranges():
    X, y = pool_study()
    model = RiskScoreClassifier(max_terms=3, max_points=3, pool_tolerance=0.03).fit(X, y)
    exact = PoolMultiplicity(model, tolerance="2%").fit(X, y)
    assert exact.complete()
    assert not exact.complete("10%")
    ranges = exact.ranges()
    assert ranges.gap == 0
    assert ranges.risk == pytest.approx(model.predict_proba(X)[:, 1])
    near = model.pool_objectives_ <= model.certificate_.objective * 1.02
    assert near.sum() > 1
    risks = []
    for card in np.array(model.pool_, dtype=object)[near]:
        total = sum(t.points * X[:, int(t.item.feature[1:])] for t in card.terms)
        risks.append(expit(card.slope * total + card.intercept))
    assert ranges.high == pytest.approx(np.max(risks, axis=0))
    assert ranges.low == pytest.approx(np.min(risks, axis=0))
    low, high = exact.discrepancy(0.05)
    assert low == high <= exact.ambiguity(0.05)[0]
    report = exact.report(threshold=0.5, tolerances=("2%",))
    assert report.tolerances[0].largest_gap == 0
    assert "score cards" in report.score_class


def test_the_relaxation_encloses_every_card_within_the_tolerance():
    """A pool known in part: its outer ends hold for the cards that a fuller pool has."""
    X, y = pool_study()
    full = RiskScoreClassifier(max_terms=3, max_points=3, pool_tolerance=0.05).fit(X, y)
    part = RiskScoreClassifier(max_terms=3, max_points=3, pool_tolerance=1e-6).fit(X, y)
    exact = PoolMultiplicity(full, tolerance="4%").fit(X, y)
    bound = PoolMultiplicity(part, tolerance="4%").fit(X, y)
    assert exact.complete()
    assert not bound.complete()
    a, b = exact.ranges(), bound.ranges()
    assert np.all(b.high_outer >= a.high)
    assert np.all(b.low_outer <= a.low)
    assert np.all(b.high <= a.high + 1e-12)
    assert 0 < b.gap < 1


def test_pools_of_other_data_or_models_are_refused():
    X, y = pool_study()
    model = RiskScoreClassifier(max_terms=2).fit(X, y)
    with pytest.raises(DataError, match="learned from"):
        PoolMultiplicity(model).fit(X[:-10], y[:-10])
    with pytest.raises(ParameterError, match="pool"):
        PoolMultiplicity(object()).fit(X, y)
    with pytest.raises(ParameterError, match="not fitted"):
        PoolMultiplicity(model).ranges()


def adult():
    table = pl.read_csv(ADULT).to_numpy().astype(float)
    return table[:, 1:], (table[:, 0] > 0).astype(int)


@needs_adult
def test_adult_reference_loss_and_some_ranges():
    X, y = adult()
    model = Multiplicity(tolerance="0.1%").fit(X, y)
    assert model.loss_ == pytest.approx(0.344669, abs=1e-6)
    assert len(model.people_.rows) == 8551
    ranges = model.ranges(X[::300])
    assert ranges.gap <= 1e-4
    assert np.mean(ranges.high - ranges.low) == pytest.approx(0.0894, abs=0.01)


@needs_adult
@pytest.mark.validity
@pytest.mark.parametrize(
    ("tolerance", "width", "ambiguity", "conflicts"),
    [("0.1%", 0.0894, 0.115, 0.086), ("1%", 0.2810, 0.688, 0.311), ("5%", 0.5973, 0.987, 0.661)],
)
def test_adult_reference_measures(tolerance, width, ambiguity, conflicts):
    X, y = adult()
    report = (
        Multiplicity(tolerance=tolerance).fit(X, y).report(threshold=0.5, tolerances=(tolerance,))
    )
    row = report.tolerances[0]
    assert row.largest_gap <= 1e-4
    assert row.mean_width == pytest.approx((width, width), abs=1e-3)
    assert row.ambiguity["0.1"] == pytest.approx((ambiguity, ambiguity), abs=1e-3)
    assert row.conflicts == pytest.approx((conflicts, conflicts), abs=1e-3)
