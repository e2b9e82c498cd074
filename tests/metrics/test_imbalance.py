"""F1 and g-mean against scikit-learn, their intervals, and rankings under label errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from riskwright.core import EmptyDataError, ParameterError, TargetError
from riskwright.metrics.imbalance import f1, f1_g_mean_ranking, g_mean
from riskwright.stats import proportion_interval

rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-2, 2), st.integers(1, 3)), min_size=2, max_size=20
).filter(lambda r: len({y for y, _, _ in r}) == 2)


@given(rows)
def test_values_are_those_of_the_definitions_and_intervals_hold_them(drawn):
    y, score, w = (np.array(column) for column in zip(*drawn, strict=True))
    flagged = score >= 0
    found = f1(y, score, threshold=0, sample_weight=w)
    expected = f1_score(y, flagged, sample_weight=w)
    assert found.value == pytest.approx(expected, abs=1e-12)
    g = g_mean(y, score, threshold=0, sample_weight=w)
    recall = w[(y == 1) & flagged].sum() / w[y == 1].sum()
    specificity = w[(y == 0) & ~flagged].sum() / w[y == 0].sum()
    assert g.value == pytest.approx(math.sqrt(recall * specificity), abs=1e-12)
    for estimate in (found, g):
        assert 0 <= estimate.low <= estimate.value + 1e-12
        assert estimate.value - 1e-12 <= estimate.high <= 1


def test_f1_interval_is_wilsons_for_the_share_of_hits_among_events_and_flagged():
    y, score = [1] * 8 + [0] * 20, [1] * 5 + [0] * 3 + [1] * 4 + [0] * 16
    low, high = proportion_interval(5, 12)
    found = f1(y, score)
    assert (found.low, found.high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))


def test_degenerate_cases_have_intervals_or_reasons():
    assert math.isnan(f1([0, 0], [0, 0]).value)
    nothing = f1([1] * 10 + [0] * 10, [0] * 20)
    assert (nothing.value, nothing.low) == (0, 0)
    assert 0 < nothing.high < 0.7
    perfect = g_mean([1] * 10 + [0] * 10, [1] * 10 + [0] * 10)
    assert (perfect.value, perfect.high) == (1, 1)
    assert 0.6 < perfect.low < 0.9
    blind = g_mean([1] * 10 + [0] * 10, [0] * 20)
    high = proportion_interval(0, 10)[1]
    assert (blind.value, blind.low, blind.high) == (0, 0, pytest.approx(math.sqrt(high)))
    with pytest.raises(TargetError):
        g_mean([1, 1], [0, 1])
    assert math.isnan(g_mean([1, 1, 0], [0, 1, 1], groups=[1, 1, 2])["1"].value)
    with pytest.raises(ParameterError, match="threshold"):
        f1([0, 1], [0, 1], threshold=math.nan)


@pytest.mark.parametrize("measure", [f1, g_mean])
@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_cover_under_imbalance(measure, weighted):
    """95 % over 500 draws: Monte-Carlo error 1 point, three and one more allowed."""
    rng = np.random.default_rng(4)

    def draw(n):
        y = rng.random(n) < 0.05
        score = rng.normal(size=n) + 2 * y
        w = np.exp(rng.normal(0, 0.4, n) + 0.3 * score) if weighted else None
        return measure(y, score, threshold=1.3, sample_weight=w)

    truth = draw(1_000_000).value
    found = [draw(600) for _ in range(500)]
    assert 0.91 < np.mean([f.low <= truth <= f.high for f in found]) < 0.99


def models(n=5000, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.02).astype(int)
    good, fair = rng.normal(size=n) + 3.5 * y, rng.normal(size=n) + 2 * y
    return y, {"fair": fair, "good": good, "twin": good}


def test_without_errors_the_ranking_is_that_of_f1_and_equal_models_share_a_place():
    y, scores = models()
    ranking = f1_g_mean_ranking(scores, y, thresholds=2.0, resample=False, repeats=20)
    assert [(m.name, m.rank) for m in ranking.models] == [("good", 1), ("twin", 1), ("fair", 3)]
    assert [m.first.value for m in ranking.models] == [0.5, 0.5, 0]
    assert [(m.rank_low, m.rank_high) for m in ranking.models] == [(1, 1), (1, 1), (3, 3)]
    assert ranking.models[0].f1 == f1(y, scores["good"], threshold=2.0)
    assert "first in 50%" in str(ranking)


def test_g_mean_breaks_ties_of_f1():
    y = [1] * 4 + [0] * 96
    a = [1] * 4 + [1] * 4 + [0] * 92
    b = [1] * 2 + [0] * 2 + [0] * 96
    assert f1(y, a).value == f1(y, b).value
    ranking = f1_g_mean_ranking({"b": b, "a": a}, y, resample=False, repeats=5)
    assert [m.name for m in ranking.models] == ["a", "b"]


def test_simulated_errors_disturb_the_ranking_repeatably_and_sure_flips_turn_it_over():
    y, scores = models(400, seed=3)
    clean = f1_g_mean_ranking(scores, y, thresholds=2.0, resample=False, repeats=300)
    noisy = f1_g_mean_ranking(
        scores, y, thresholds=2.0, annotation_error=(0.5, 0.05), resample=False, repeats=300
    )
    spread = {m.name: m.rank_high - m.rank_low for m in noisy.models}
    assert max(spread.values()) > 0
    assert all(m.rank_high == m.rank_low for m in clean.models)
    again = f1_g_mean_ranking(
        scores, y, thresholds=2.0, annotation_error=(0.5, 0.05), resample=False, repeats=300
    )
    assert again == noisy
    swapped = f1_g_mean_ranking(
        {"flagged": y, "inverse": 1 - y}, y, annotation_error=(1, 1), resample=False, repeats=3
    )
    first = {m.name: m.first.value for m in swapped.models}
    assert first == {"flagged": 0, "inverse": 1}


def test_bad_rankings_are_refused():
    with pytest.raises(EmptyDataError):
        f1_g_mean_ranking({}, [0, 1])
    for options in ({"annotation_error": (1.2, 0)}, {"repeats": 0}, {"thresholds": {"b": 1}}):
        with pytest.raises(ParameterError):
            f1_g_mean_ranking({"a": [0, 1]}, [0, 1], **options)


def test_many_models_are_folded_like_few():
    y, scores = models(300, seed=5)
    few = f1_g_mean_ranking(scores, y, thresholds=2.0, resample=False, repeats=2)
    copies = {f"{name}{k}": score for k in range(30) for name, score in scores.items()}
    many = f1_g_mean_ranking(copies, y, thresholds=2.0, resample=False, repeats=2)
    assert [m.name[:4] for m in many.models[-30:]] == ["fair"] * 30
    assert many.models[-1].f1 == few.models[-1].f1
    assert {m.rank for m in many.models} == {1, 61}
