"""False head rate, distributional correctness and ranking calibration."""

import math

import numpy as np
import pytest

from riskwright.core import DataError, EmptyDataError, MissingValueError, ParameterError
from riskwright.metrics.distributional import distributional_correctness_score as dcs
from riskwright.metrics.long_tail import false_head_rate, tail_classes
from riskwright.metrics.ranking_calibration import ranking_calibration_error
from riskwright.stats import proportion_interval


def test_false_heads_are_tail_rows_sent_to_head_classes_only():
    y = np.array([0] * 10 + [1] * 5 + [8] * 6 + [9] * 4)
    guess = np.array([8] * 10 + [1] * 5 + [0, 0, 1, 8, 9, 5] + [9, 9, 0, 8])
    found = false_head_rate(y, guess, tail=[8, 9])
    assert found.value == pytest.approx(5 / 10)
    assert (found.low, found.high) == pytest.approx(proportion_interval(5, 10))
    assert found.n == 10
    named = false_head_rate(y, guess, tail=[8, 9], head=[0, 1])
    assert named.value == pytest.approx(4 / 10)
    by_class = false_head_rate(y, guess, tail=[8, 9], groups=y)
    assert (by_class["8"].value, by_class["9"].value) == pytest.approx((4 / 6, 1 / 4))
    assert by_class["0"].method == "none: no row of a tail class"
    w = np.where(y == 9, 2, 1)
    weighted = false_head_rate(y, guess, tail=[8, 9], sample_weight=w)
    assert weighted.value == pytest.approx(6 / 14)
    assert "effective n" in weighted.method


def test_tail_classes_are_the_rarest():
    y = list("aaaabbbccd")
    assert tail_classes(y, 0.5) == ("d", "c")
    assert tail_classes(y, 0.01) == ("d",)
    assert tail_classes(y, 0.99) == ("d", "c", "b")
    with pytest.raises(DataError):
        tail_classes(["a", "a"])


def test_bad_labels_are_refused():
    with pytest.raises(EmptyDataError):
        false_head_rate(["a"], ["b"], tail=["z"])
    with pytest.raises(MissingValueError):
        false_head_rate(["a", None], ["b", "a"], tail=["a"])
    with pytest.raises(ParameterError):
        false_head_rate(["a"], ["b"], tail=[])
    with pytest.raises(ParameterError):
        false_head_rate(["a"], ["b"], tail=["a"], head=["a"])
    with pytest.raises(DataError, match="predicted"):
        false_head_rate(["a"], ["b", "c"], tail=["a"])


def one(mass, **options):
    return dcs([mass], [0], **options).value


def test_distributional_correctness_has_its_stated_values_and_order():
    assert one([1, 0, 0]) == 1
    assert one([0, 1, 0]) == -1
    assert one([0, 0, 1]) == 0
    assert one([0.5, 0.2, 0.3]) == pytest.approx(0.3 * 0.7)
    loaded = dcs([[0.2, 0.5, 0.3]], [1], abstain=0, correct_loading=2, wrong_loading=0.5).value
    assert loaded == pytest.approx((2 * 0.5 - 0.5 * 0.3) * 0.8)
    several = dcs([[0.4, 0.3, 0.2, 0.1]], np.array([[True, True, False, False]])).value
    assert several == pytest.approx((0.7 - 0.2) * 0.9)


def test_doubt_scores_higher_than_the_same_mass_on_a_wrong_answer():
    rng = np.random.default_rng(1)
    for mass in rng.dirichlet([1, 1, 1], size=200):
        moved = mass[1] * rng.random()
        doubt = [mass[0], mass[1] - moved, mass[2] + moved]
        assert one(doubt) >= one(mass) - 1e-12


def test_distributional_correctness_interval_covers():
    """95 % over 500 draws of 200 questions: Monte-Carlo error 1 point, three and one more."""
    rng = np.random.default_rng(2)

    def draw(n):
        mass = rng.dirichlet([2, 1, 0.5, 0.5], size=n)
        return dcs(mass, np.zeros(n, int), sample_weight=rng.gamma(3.0, size=n))

    truth = draw(500_000).value
    found = [draw(200) for _ in range(500)]
    assert 0.91 < np.mean([f.low <= truth <= f.high for f in found]) < 0.99


def test_groups_of_questions_are_suites():
    mass = np.random.default_rng(0).dirichlet([1, 1, 1], size=30)
    suite = np.arange(30) % 3
    found = dcs(mass, np.zeros(30, int), groups=suite)
    assert found["2"] == dcs(mass[suite == 2], np.zeros(10, int))
    assert dcs(mass[:1], [0]).method == "none: one row only"


@pytest.mark.parametrize(
    ("mass", "correct"),
    [
        ([[0.5, 0.4]], [0]),
        ([[1.2, -0.2]], [0]),
        ([[0.5, 0.5]], [1]),
        ([[0.5, 0.5]], [2]),
        ([[0.5, 0.5]], [0.0]),
        ([[math.nan, 0.5]], [0]),
        ([0.5, 0.5], [0]),
    ],
)
def test_what_is_no_distribution_of_answers_is_refused(mass, correct):
    with pytest.raises(DataError):
        dcs(mass, correct)


def test_impossible_loadings_are_refused():
    for options in ({"wrong_loading": 2}, {"correct_loading": 0, "wrong_loading": 0}):
        with pytest.raises(ParameterError):
            dcs([[0.5, 0.5]], [0], **options)


def retrieval(queries, seed, shrink=1.0, documents=6):
    """Documents whose relevance is drawn from the normal law that the scores state."""
    rng = np.random.default_rng(seed)
    n = queries * documents
    mean, spread = rng.normal(size=n), rng.uniform(0.3, 1.5, n)
    return (
        mean + spread * rng.normal(size=n),
        mean,
        np.repeat(np.arange(queries), documents),
        (spread * shrink),
    )


def brute(relevance, mean, queries, spread, bins):
    table = np.zeros((bins, 3))
    for i in range(len(mean)):
        for j in range(len(mean)):
            if i == j or queries[i] != queries[j] or relevance[i] == relevance[j]:
                continue
            z = (mean[i] - mean[j]) / math.hypot(spread[i], spread[j])
            p = 0.5 * math.erfc(-z / math.sqrt(2))
            if p > 0.5:
                k = min(int((p - 0.5) * 2 * bins), bins - 1)
                table[k] += 1, p, relevance[i] > relevance[j]
    return np.abs(table[:, 1] - table[:, 2]).sum() / table[:, 0].sum()


def test_ranking_error_equals_the_count_of_all_pairs():
    relevance, mean, queries, spread = retrieval(20, 0)
    found = ranking_calibration_error(np.round(relevance), mean, queries, spread=spread, bins=7)
    expected = brute(np.round(relevance), mean, queries, spread, 7)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.n == 20


def test_draws_give_what_normal_spreads_give():
    relevance, mean, queries, spread = retrieval(200, 1)
    rng = np.random.default_rng(0)
    draws = mean[:, None] + spread[:, None] * rng.normal(size=(mean.size, 2000))
    one = ranking_calibration_error(relevance, draws, queries, bins=5)
    other = ranking_calibration_error(relevance, mean, queries, spread=spread, bins=5)
    assert one.value == pytest.approx(other.value, abs=0.02)


def test_overconfident_rankings_are_told_from_calibrated_ones():
    relevance, mean, queries, spread = retrieval(1500, 2)
    calibrated = ranking_calibration_error(relevance, mean, queries, spread=spread)
    assert calibrated.low == 0
    assert calibrated.high < 0.06
    over = ranking_calibration_error(relevance, mean, queries, spread=spread / 4)
    assert over.low > 0.05


def test_ranking_interval_covers_large_and_no_error():
    """At least 95 % over 100 draws: three Monte-Carlo errors are 6.5 points."""
    for shrink in (1.0, 0.4):
        big = retrieval(4000, 99, shrink)
        truth = 0.0
        if shrink < 1:
            truth = ranking_calibration_error(*big[:3], spread=big[3], replicates=10).value
        hits = 0
        for seed in range(100):
            relevance, mean, queries, spread = retrieval(40, seed, shrink)
            f = ranking_calibration_error(relevance, mean, queries, spread=spread, replicates=200)
            hits += f.low <= truth <= f.high
        assert hits / 100 > 0.95 - 0.065


def test_ranking_groups_and_bad_input():
    relevance, mean, queries, spread = retrieval(30, 3)
    groups = np.where(queries < 15, "a", "b")
    found = ranking_calibration_error(relevance, mean, queries, spread=spread, groups=groups)
    half = queries < 15
    alone = ranking_calibration_error(
        relevance[half], mean[half], queries[half], spread=spread[half]
    )
    assert found["a"].value == pytest.approx(alone.value, abs=1e-12)
    with pytest.raises(DataError, match="two groups"):
        ranking_calibration_error([1, 0], [1, 0], [1, 1], spread=[1, 1], groups=[1, 2])
    with pytest.raises(DataError, match="scores"):
        ranking_calibration_error([1, 0], [1, 0], [1, 1])
    with pytest.raises(EmptyDataError):
        ranking_calibration_error([1, 1], [1, 0], [1, 1], spread=[1, 1])
    with pytest.raises(ParameterError, match="bins"):
        ranking_calibration_error([1, 0], [1, 0], [1, 1], spread=[1, 1], bins=0)
    sure = ranking_calibration_error([1, 0], [1, 1], [1, 1], spread=[0, 0])
    assert (sure.value, sure.method) == (0, "none: one query")
