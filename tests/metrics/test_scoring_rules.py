"""Brier score and log loss against scikit-learn, closed forms and limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn import metrics as peer

from riskwright.core import DataError, MissingValueError, ParameterError
from riskwright.metrics import brier, crps, log_loss

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


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.int8, np.float32, np.float64])
def test_every_type_of_outcome_gives_the_same(kind):
    y, p, w = sample()
    for metric in (brier, log_loss):
        assert metric(y.astype(kind), p, sample_weight=w) == metric(y, p, sample_weight=w)
        assert metric(y.astype(kind)[::-1], p[::-1]).value == pytest.approx(metric(y, p).value)


@pytest.mark.parametrize("weighted", [False, True])
def test_groups_in_one_pass_equal_groups_alone(weighted):
    y, p, w = sample(5000)
    group = np.random.default_rng(1).integers(-2, 3, 5000)
    p[:5] = [0.0, 1.0, 0.0, 1.0, 0.0]
    w = w if weighted else None
    for metric in (brier, log_loss):
        found = metric(y, p, sample_weight=w, groups=group)
        assert list(found) == ["-2", "-1", "0", "1", "2"]
        for label, estimate in found.items():
            inside = group == int(label)
            alone = metric(y[inside], p[inside], sample_weight=None if w is None else w[inside])
            assert estimate.method.partition(";")[0] == alone.method.partition(";")[0]
            assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
                (alone.value, alone.low, alone.high), rel=1e-11
            )


def test_spread_survives_a_first_row_unlike_all_others():
    p = np.full(10_001, 0.5) + 1e-9 * np.arange(10_001)
    p[0] = 1.0
    y = np.arange(10_001) % 2
    y[0] = 0
    loss = -np.log(np.where(y == 1, p, 1 - p).clip(2.0**-52))
    se = loss.std(ddof=1) / math.sqrt(10_001)
    found = log_loss(y, p)
    expected = loss.mean() * np.exp(1.959964 * se / loss.mean())
    assert found.high == pytest.approx(expected, rel=1e-9)
    tiny = brier(y[1:], p[1:])
    assert tiny.high - tiny.low == pytest.approx(
        2 * 1.959964 * ((y - p)[1:] ** 2).std(ddof=1) / 100, rel=1e-6
    )


def direct_crps(y, x, fair=False):
    m = x.shape[1]
    pairs = np.abs(x[:, :, None] - x[:, None]).sum((1, 2)) / (m * (m - 1 if fair else m))
    return np.abs(x - y[:, None]).mean(1) - pairs / 2


@pytest.mark.parametrize("members", [1, 2, 3, 17, 64, 257])
@pytest.mark.parametrize("fair", [False, True])
def test_crps_is_its_definition(members, fair):
    rng = np.random.default_rng(members)
    y, x = rng.normal(size=21), rng.normal(size=(21, members)).round(1)
    if fair and members == 1:
        with pytest.raises(ParameterError, match="fair: no pairs"):
            crps(y, x, fair=True)
        return
    w = rng.gamma(2.0, size=21)
    losses = direct_crps(y, x, fair)
    assert crps(y, x, fair=fair).value == pytest.approx(losses.mean())
    found = crps(y, x, sample_weight=w, fair=fair)
    assert found.value == pytest.approx(np.average(losses, weights=w))
    n = w.sum() ** 2 / (w @ w)
    se = math.sqrt(w**2 @ (losses - found.value) ** 2 * n / (n - 1)) / w.sum()
    reach = found.high - found.value if fair else found.value * math.log(found.high / found.value)
    assert reach == pytest.approx(1.959964 * se, rel=1e-6)


def test_crps_of_the_normal_distribution_and_fairness():
    """E CRPS of N(0, 1) for outcomes of N(0, 1) is 1 / sqrt(pi), whatever m if fair."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=40_000)
    for members in (2, 10):
        found = crps(y, rng.normal(size=(40_000, members)), fair=True, level=0.999)
        assert found.low < 1 / math.sqrt(math.pi) < found.high
    assert crps(y, rng.normal(size=(40_000, 2))).low > 1 / math.sqrt(math.pi)


def test_crps_by_group_and_what_it_refuses():
    y, x = np.array([0.0, 1.0, 2.0]), np.array([[0.0, 1.0], [1.0, 1.5], [0.0, 4.0]])
    found = crps(y, x, groups=["a", "b", "a"], sample_weight=[1, 0, 1])
    assert found["a"].value == pytest.approx(direct_crps(y, x)[[0, 2]].mean())
    assert found["b"].method == "none: no rows"
    with pytest.raises(DataError, match="ensemble: not an ensemble; .* shape .3,."):
        crps(y, [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="ensemble: length differs from y; expected 3 rows; got 2"):
        crps(y, x[:2])
    with pytest.raises(MissingValueError, match="ensemble: missing values"):
        crps(y, np.where(x == 4, np.nan, x))
