"""Design-based means and regressions: closed forms, unbiasedness, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import t as student

from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.metrics.design_based import design_based_mean, design_based_regression
from riskwright.stats import proportion_interval


def world(n=2000, share=0.1, right=0.85, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    truth = (rng.random(n) < expit(x - 1)).astype(float)
    judge = np.where(rng.random(n) < right, truth, 1 - truth)
    gold = np.where(rng.random(n) < share, truth, np.nan)
    return x, truth, judge, gold


def test_with_every_gold_label_it_is_the_mean_with_wilsons_interval():
    _, truth, judge, _ = world()
    found = design_based_mean(judge, truth, 1.0)
    assert found.value == pytest.approx(truth.mean(), abs=1e-14)
    wilson = proportion_interval(int(truth.sum()), truth.size)
    assert (found.low, found.high) == pytest.approx(wilson, abs=1e-12)


def test_with_every_gold_label_it_is_the_mean_with_students_interval():
    rng = np.random.default_rng(0)
    grade = rng.normal(2, 3, 50)
    found = design_based_mean(rng.normal(size=50), grade, np.ones(50))
    reach = student.ppf(0.975, 49) * grade.std(ddof=1) / np.sqrt(50)
    assert found.value == pytest.approx(grade.mean())
    assert found.high - found.value == pytest.approx(reach)
    assert found.value - found.low == pytest.approx(reach)


def test_a_judge_who_is_always_right_gives_the_mean_of_all_rows():
    """The interval is no narrower than that of all rows, and much narrower than gold alone."""
    _, truth, _, gold = world(share=0.1)
    found = design_based_mean(truth, gold, 0.1)
    assert found.value == pytest.approx(truth.mean(), abs=2e-3)
    low, high = proportion_interval(int(truth.sum()), truth.size)
    gold_low, gold_high = proportion_interval(np.nansum(gold), int(np.sum(~np.isnan(gold))))
    assert high - low <= found.high - found.low < 0.7 * (gold_high - gold_low)


def test_it_is_unbiased_over_all_samples_of_gold_labels():
    """Exact: the mean over every subset, by its probability, for predictions made beforehand."""
    from riskwright.metrics.design_based import _Labels

    truth, chance = np.array([1.0, 0.0, 3.0, 2.0]), np.array([0.2, 0.5, 0.9, 1.0])
    predicted, total = np.array([5.0, -1.0, 0.3, 2.2]), 0.0
    for code in range(16):
        drawn = np.array([code >> i & 1 for i in range(4)], dtype=bool)
        gold = np.where(drawn, truth, np.nan)
        labels = _Labels(predicted, gold, drawn, chance, False)
        total += (
            np.prod(np.where(drawn, chance, 1 - chance)) * labels.pseudo_outcomes(predicted).mean()
            if drawn.any()
            else np.prod(1 - chance) * predicted.mean()
        )
    assert total == pytest.approx(truth.mean(), abs=1e-12)


def test_a_judge_who_says_nothing_costs_next_to_nothing():
    _, _, judge, gold = world(right=0.5, seed=3)
    alone = design_based_mean(np.zeros(judge.size), gold, 0.1)
    found = design_based_mean(judge, gold, 0.1)
    assert found.high - found.low < 1.05 * (alone.high - alone.low)


def test_a_judge_who_errs_one_way_is_corrected():
    """The judge calls 40 % of the zeros ones; the judge's own interval is far off the truth."""
    rng = np.random.default_rng(1)
    truth = (rng.random(20000) < 0.2).astype(float)
    judge = np.where(rng.random(20000) < 0.4, 1.0, truth)
    chance = np.where(judge == 1, 0.1, 0.05)
    gold = np.where(rng.random(20000) < chance, truth, np.nan)
    found = design_based_mean(judge, gold, chance)
    assert found.low < 0.2 < found.high < judge.mean() - 0.1


@given(st.floats(-3, 3), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_mean_moves_with_the_units_of_gold_and_not_with_those_of_the_judge(shift, scale, tilt):
    rng = np.random.default_rng(5)
    grade = rng.normal(size=300)
    judge = grade + rng.normal(size=300)
    gold = np.where(rng.random(300) < 0.3, grade, np.nan)
    plain = design_based_mean(judge, gold, 0.3)
    moved = design_based_mean(7 * judge + tilt, shift + scale * gold, 0.3)
    assert moved.value == pytest.approx(shift + scale * plain.value, abs=0.02 * scale)
    if shift == 0:
        assert moved.high - moved.low == pytest.approx(scale * (plain.high - plain.low), rel=1e-6)


def test_groups_have_their_own_gold_labels():
    _, truth, judge, gold = world(4000, share=0.3)
    groups = np.repeat(["a", "b", "c"], [2000, 1995, 5])
    gold[-5:] = np.nan
    found = design_based_mean(judge, gold, 0.3, groups=groups)
    assert list(found) == ["a", "b", "c"]
    assert found["a"].low < truth[:2000].mean() < found["a"].high
    assert found["b"].n == 1995
    assert np.isnan(found["c"].value)
    assert np.isnan(found["c"].low)
    assert "too few" in found["c"].method


def test_features_help_where_they_predict_gold():
    x, _, judge, _ = world(4000, right=0.6)
    rng = np.random.default_rng(2)
    grade = 3 * x + judge + rng.normal(size=4000)
    gold = np.where(rng.random(4000) < 0.1, grade, np.nan)
    without = design_based_mean(judge, gold, 0.1)
    with_x = design_based_mean(judge, gold, 0.1, features=x)
    assert with_x.high - with_x.low < 0.7 * (without.high - without.low)


def test_the_same_seed_gives_the_same_estimate():
    _, _, judge, gold = world()
    assert design_based_mean(judge, gold, 0.1, seed=4) == design_based_mean(
        judge, gold, 0.1, seed=4
    )


def test_linear_regression_with_every_gold_label_is_least_squares():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2)) * [1, 50]
    y = X @ [1.0, 0.1] + rng.normal(size=80) * (1 + np.abs(X[:, 0]))
    found = design_based_regression(X, rng.normal(size=80), y, 1.0, feature_names=["a", "b"])
    design = np.column_stack([np.ones(80), X])
    beta, *_ = np.linalg.lstsq(design, y, rcond=None)
    bread = np.linalg.inv(design.T @ design)
    meat = design.T @ (((y - design @ beta) ** 2)[:, None] * design)
    se = np.sqrt(np.diag(bread @ meat @ bread) * 80 / 77)
    assert list(found) == ["intercept", "a", "b"]
    for j, estimate in enumerate(found.values()):
        assert estimate.value == pytest.approx(beta[j])
        assert estimate.high - estimate.value == pytest.approx(student.ppf(0.975, 77) * se[j])


def test_logistic_regression_with_every_gold_label_is_the_maximum_likelihood():
    from sklearn.linear_model import LogisticRegression

    x, truth, judge, _ = world(1000)
    found = design_based_regression(x[:, None], judge, truth, 1.0, family="logistic")
    peer = LogisticRegression(C=np.inf, tol=1e-10).fit(x[:, None], truth)
    assert found["x0"].value == pytest.approx(peer.coef_[0, 0], abs=1e-6)
    assert found["intercept"].value == pytest.approx(peer.intercept_[0], abs=1e-6)


def test_regression_corrects_a_judge_whose_errors_depend_on_x():
    """The judge says 1 wherever x > 1; regressing on that gives a slope that is far too steep."""
    x, truth, judge, gold = world(20000, share=0.1)
    judge = np.where(x > 0.5, 1.0, judge)
    naive = design_based_regression({"x": x}, judge, judge, 1.0, family="logistic")["x"]
    found = design_based_regression({"x": x}, judge, gold, 0.1, family="logistic")["x"]
    full = design_based_regression({"x": x}, judge, truth, 1.0, family="logistic")["x"]
    assert found.low < 1 < found.high
    assert naive.low > found.high
    assert found.high - found.low > full.high - full.low


def test_regression_is_narrower_than_gold_alone_with_a_good_judge():
    x, _, judge, gold = world(5000, right=0.97)
    drawn = ~np.isnan(gold)
    alone = design_based_regression(
        {"x": x[drawn]}, judge[drawn], gold[drawn], 1.0, family="logistic"
    )
    found = design_based_regression({"x": x}, judge, gold, 0.1, family="logistic")
    for name in ("x", "intercept"):
        widths = [e[name].high - e[name].low for e in (found, alone)]
        assert widths[0] < 0.75 * widths[1]


GOOD = {"surrogate": np.arange(20.0), "gold": np.arange(20.0) % 2, "chance": np.ones(20)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"surrogate": np.r_[np.nan, np.ones(19)]}, MissingValueError, "surrogate"),
        ({"gold": np.ones(3)}, DataError, "length differs"),
        ({"gold": np.full(20, np.nan), "chance": 0.1}, TargetError, "no gold label"),
        ({"gold": np.r_[np.inf, np.ones(19)]}, ValueRangeError, "infinite"),
        ({"chance": np.r_[0.0, np.ones(19)]}, ValueRangeError, "could not be drawn"),
        ({"chance": np.full(20, 1.2)}, ValueRangeError, "not sampling probabilities"),
        ({"chance": np.full(20, np.nan)}, MissingValueError, "sampling_probability"),
        ({"chance": np.ones(3)}, DataError, "length differs"),
        ({"chance": 0.01}, DataError, "contradicts"),
        ({"gold": np.r_[np.nan, np.ones(19)]}, DataError, "surely drawn"),
        ({"surrogate": []}, EmptyDataError, "no rows"),
        ({"level": 1.0}, ParameterError, "level"),
        ({"folds": 1}, ParameterError, "folds"),
        ({"groups": ["a"]}, DataError, "groups"),
        ({"features": np.full((20, 1), np.nan)}, MissingValueError, "features"),
    ],
)
def test_bad_input_is_refused(change, error, words):
    given = {**GOOD, **change}
    rows = [given.pop(name) for name in ("surrogate", "gold", "chance")]
    with pytest.raises(error, match=words):
        design_based_mean(*rows, **given)


def test_rows_that_could_not_be_drawn_are_refused_without_a_label_too():
    gold = np.r_[np.nan, np.ones(19)]
    with pytest.raises(ValueRangeError, match="never be drawn"):
        design_based_mean(np.ones(20), gold, np.r_[0.0, np.ones(19)])


def test_regression_refuses_what_it_cannot_solve():
    x, truth, judge, gold = world(200, share=0.5)
    for columns in ({"x": np.ones(200)}, {"x": x, "z": 2 * x}):
        with pytest.raises(ColumnError, match="collinear"):
            design_based_regression(columns, judge, gold, 0.5)
    with pytest.raises(TargetError, match="binary"):
        design_based_regression({"x": x}, judge, gold + 1, 0.5, family="logistic")
    with pytest.raises(TargetError, match="one class"):
        design_based_regression({"x": x}, judge, gold * 0, 0.5, family="logistic")
    with pytest.raises(TargetError, match="no finite coefficients"):
        design_based_regression({"x": x}, judge, (x > 0) * 1.0, 1.0, family="logistic")
    with pytest.raises(ParameterError, match="family"):
        design_based_regression({"x": x}, judge, truth, 1.0, family="probit")
    few = np.r_[1.0, 0.0, np.full(198, np.nan)]
    with pytest.raises(DataError, match="fewer gold labels"):
        design_based_regression({"x": x, "z": x**2}, judge, few, 0.01)
    with pytest.raises(ColumnError, match="names"):
        design_based_regression(x[:, None], judge, gold, 0.5, feature_names=["a", "b"])


def test_intervals_cover_in_a_small_simulation():
    """200 draws; the Monte-Carlo standard error at 95 % is 1.5 points, three are allowed."""
    rng = np.random.default_rng(11)
    held, naive = 0, 0
    for _ in range(200):
        truth = (rng.random(1500) < 0.3).astype(float)
        judge = np.where(rng.random(1500) < 0.15, 1.0, truth)
        chance = np.where(judge == 1, 0.15, 0.06)
        gold = np.where(rng.random(1500) < chance, truth, np.nan)
        found = design_based_mean(judge, gold, chance)
        held += found.low <= 0.3 <= found.high
        low, high = proportion_interval(int(judge.sum()), 1500)
        naive += low <= 0.3 <= high
    assert held / 200 > 0.905
    assert naive / 200 < 0.1
