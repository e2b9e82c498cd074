"""AUROC and average precision against their definitions, scikit-learn and DeLong by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from riskwright.metrics import auroc, average_precision
from riskwright.stats import bootstrap_interval

rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(1, 4)), min_size=2, max_size=25
).filter(lambda r: len({y for y, _, _ in r}) == 2)


def columns(drawn):
    return (np.array(column, dtype=float) for column in zip(*drawn, strict=True))


def pairwise_auroc(y, score, w):
    """Share of (event, non-event) pairs in the right order, ties half, by the definition."""
    events, others = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    order = np.sign(score[events][:, None] - score[others][None, :]) / 2 + 0.5
    return order, w[events], w[others]


def delong(y, score, w, level=0.95):
    """DeLong's interval on the logit scale from the full matrix of pairs."""
    order, w1, w0 = pairwise_auroc(y, score, w)
    a1, a0 = w1 / w1.sum(), w0 / w0.sum()
    area = a1 @ order @ a0
    n1, n0 = 1 / (a1 @ a1), 1 / (a0 @ a0)
    variance = (a1**2 @ (order @ a0 - area) ** 2) * n1 / (n1 - 1)
    variance += (a0**2 @ (a1 @ order - area) ** 2) * n0 / (n0 - 1)
    reach = norm.ppf(0.5 + level / 2) * variance**0.5 / (area * (1 - area))
    return area, expit(logit(area) - reach), expit(logit(area) + reach)


def sample(n=400, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    y = (rng.random(n) < expit(score - 0.5)).astype(int)
    return y, np.round(score) if ties else score, rng.gamma(2.0, size=n)


@given(rows)
def test_auroc_equals_the_count_of_all_weighted_pairs(drawn):
    y, score, w = columns(drawn)
    order, w1, w0 = pairwise_auroc(y, score, w)
    expected = w1 @ order @ w0 / (w1.sum() * w0.sum())
    assert auroc(y, score, sample_weight=w).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_auroc_interval_is_delongs_from_the_matrix_of_pairs(ties, weighted):
    y, score, w = sample(ties=ties)
    w = w if weighted else np.ones_like(w)
    found = auroc(y, score, sample_weight=w if weighted else None, level=0.9)
    assert (found.value, found.low, found.high) == pytest.approx(delong(y, score, w, 0.9))
    assert found.n == 400
    assert ("effective n" in found.method) is weighted


@pytest.mark.parametrize("ties", [False, True])
def test_values_equal_scikit_learn_with_weights(ties):
    y, score, w = sample(ties=ties)
    for weight in (None, w):
        assert auroc(y, score, sample_weight=weight).value == pytest.approx(
            roc_auc_score(y, score, sample_weight=weight), abs=1e-12
        )
        assert average_precision(y, score, sample_weight=weight).value == pytest.approx(
            average_precision_score(y, score, sample_weight=weight), abs=1e-12
        )


@given(rows)
def test_weight_2_is_the_row_twice(drawn):
    y, score, w = columns(drawn)
    repeat = w.astype(int)
    for metric in (auroc, average_precision):
        weighted = metric(y, score, sample_weight=w)
        doubled = metric(np.repeat(y, repeat), np.repeat(score, repeat))
        assert weighted.value == pytest.approx(doubled.value, abs=1e-12)
        assert (weighted.n, doubled.n) == (len(y), repeat.sum())


@given(rows, st.sampled_from([0.001, 3.0, 1e6]))
def test_the_unit_of_the_weights_does_not_matter(drawn, unit):
    y, score, w = columns(drawn)
    for metric in (auroc, average_precision):
        one, other = (metric(y, score, sample_weight=w * u) for u in (1.0, unit))
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


@given(rows)
def test_only_the_order_of_the_scores_matters(drawn):
    y, score, w = columns(drawn)
    for metric in (auroc, average_precision):
        assert metric(y, score, sample_weight=w) == metric(y, np.exp(score), sample_weight=w)


@given(rows)
def test_auroc_of_the_reversed_score_is_the_mirror_image(drawn):
    y, score, _ = columns(drawn)
    one, other = auroc(y, score), auroc(y, -score)
    mirror = (1 - other.value, 1 - other.high, 1 - other.low)
    assert (one.value, one.low, one.high) == pytest.approx(mirror, abs=1e-9)


@given(rows)
def test_intervals_hold_their_value_and_stay_in_the_unit(drawn):
    y, score, w = columns(drawn)
    for metric in (auroc, average_precision):
        found = metric(y, score, sample_weight=w)
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


def test_rows_of_weight_0_are_absent():
    y, score, w = sample(100)
    w[::3] = 0
    kept = w > 0
    assert auroc(y, score, sample_weight=w) == auroc(y[kept], score[kept], sample_weight=w[kept])


def test_average_precision_interval_agrees_with_the_bootstrap():
    y, score, w = sample(600, seed=5)
    order = np.argsort(-score)

    def statistic(weights):
        weights, events = weights[:, order], y[order]
        precision = np.cumsum(weights * events, axis=1) / np.cumsum(weights, axis=1).clip(1e-12)
        return (weights * events * precision).sum(axis=1) / (weights @ events)

    for weight in (np.ones(600), w):
        found = average_precision(y, score, sample_weight=weight)
        low, high = bootstrap_interval(statistic, weight, np.random.default_rng(0), replicates=3000)
        assert found.high - found.low == pytest.approx(high - low, rel=0.08)
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_perfect_ranking_still_has_an_honest_lower_end():
    y, score = [0] * 20 + [1] * 20, np.arange(40)
    found = auroc(y, score)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.85 < found.low < 0.95
    assert found.method == "Newcombe's method 5"
    found = average_precision(y, score)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 20))


def test_newcombe_interval_solves_its_score_equation():
    found = auroc([0, 0, 0, 1], [1, 2, 3, 2.5], level=0.9)
    z, n1, n0 = norm.ppf(0.95), 1, 3
    extra = (n1 + n0) / 2 - 1
    for end in (found.low, found.high):
        share = (1 - end) / (2 - end) + end / (1 + end)
        variance = end * (1 - end) * (1 + extra * share) / (n1 * n0)
        assert (found.value - end) ** 2 == pytest.approx(z * z * variance)


def test_a_constant_score_has_no_skill():
    y = [0, 1, 0, 0]
    assert auroc(y, [5] * 4).value == 0.5
    assert average_precision(y, [5] * 4).value == 0.25


@pytest.mark.parametrize("metric", [auroc, average_precision])
def test_groups_give_what_each_group_gives_alone(metric):
    y, score, w = sample(300)
    groups = np.array(["b", "a", None], dtype=object)[np.arange(300) % 3]
    found = metric(y, score, sample_weight=w, groups=groups, level=0.8)
    assert list(found) == ["a", "b", "(missing)"]
    for label, key in (("a", "a"), ("b", "b"), (None, "(missing)")):
        mask = np.array([group == label for group in groups])
        alone = metric(y[mask], score[mask], sample_weight=w[mask], level=0.8)
        assert found[key] == alone


@pytest.mark.parametrize("metric", [auroc, average_precision])
def test_a_group_of_one_class_is_nan_and_says_why(metric):
    found = metric([0, 1, 1, 1], [0.1, 0.2, 0.3, 0.4], groups=[1, 1, 2, 2])
    assert not math.isnan(found["1"].value)
    assert math.isnan(found["2"].value)
    assert math.isnan(found["2"].low)
    assert found["2"].n == 2
    assert found["2"].method == "none: one class only among 2 rows"
