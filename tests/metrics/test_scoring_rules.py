"""Brier score and log loss against scikit-learn, closed forms and limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn import metrics as peer

from riskwright.metrics import brier, log_loss

rows = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 1), st.integers(1, 4)), min_size=1, max_size=25
)


def sample(n=300):
    rng = np.random.default_rng(0)
    p = rng.beta(1.0, 3.0, n)
    return (rng.random(n) < p).astype(int), p, rng.gamma(2.0, size=n)


@given(rows)
def test_values_equal_scikit_learn_for_any_weights(drawn):
    y, p, w = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    assert brier(y, p, sample_weight=w).value == pytest.approx(
        peer.brier_score_loss(y, p, sample_weight=w), abs=1e-12
    )
    expected = peer.log_loss(y, p, sample_weight=w, labels=[0, 1])
    assert log_loss(y, p, sample_weight=w).value == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(rows)
def test_weight_2_is_the_row_twice(drawn):
    y, p, w = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    repeat = w.astype(int)
    for metric in (brier, log_loss):
        weighted = metric(y, p, sample_weight=w).value
        doubled = metric(np.repeat(y, repeat), np.repeat(p, repeat)).value
        assert weighted == pytest.approx(doubled, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
def test_interval_is_the_sandwich_one_of_a_weighted_mean(weighted):
    y, p, w = sample()
    w = w if weighted else np.ones_like(w)
    n = w.sum() ** 2 / (w @ w)
    losses = {brier: (y - p) ** 2, log_loss: -np.log(np.where(y == 1, p, 1 - p))}
    for metric, loss in losses.items():
        mean = w @ loss / w.sum()
        se = np.sqrt(w**2 @ (loss - mean) ** 2 * n / (n - 1)) / w.sum()
        scale, back, slope = (
            (logit, expit, mean * (1 - mean)) if metric is brier else (np.log, np.exp, mean)
        )
        expected = [back(scale(mean) + sign * 1.959964 * se / slope) for sign in (-1, 1)]
        found = metric(y, p, sample_weight=w if weighted else None)
        assert [found.low, found.high] == pytest.approx(expected, rel=1e-6)


def test_certain_and_wrong_costs_36_and_is_noted():
    found = log_loss([1, 0, 1], [0.0, 0.2, 0.6])
    assert found.value == pytest.approx((52 * math.log(2) - math.log(0.8) - math.log(0.6)) / 3)
    assert "moved by 2^-52" in found.method
    assert "moved" not in log_loss([1, 0, 1], [0.3, 0.2, 0.6]).method


def test_one_class_alone_has_a_score():
    assert brier([1, 1], [0.5, 0.7]).value == pytest.approx((0.25 + 0.09) / 2)
    assert log_loss([0, 0], [0.5, 0.25]).value == pytest.approx(-math.log(0.5 * 0.75) / 2)


def test_without_spread_there_is_a_value_but_no_interval():
    for metric, value in ((brier, 0.25), (log_loss, math.log(2))):
        found = metric([0, 1, 1], [0.5, 0.5, 0.5])
        assert found.value == pytest.approx(value)
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        assert found.method == "none: the loss is the same in every row"
        assert metric([1], [0.5]).method == "none: one row only"


def test_a_group_of_zero_weight_is_nan_and_says_so():
    found = brier([0, 1, 1], [0.1, 0.2, 0.3], sample_weight=[1, 1, 0], groups=["a", "a", "b"])
    assert math.isnan(found["b"].value)
    assert found["b"].method == "none: no rows"
    assert found["a"].value == pytest.approx((0.01 + 0.64) / 2)
