"""Recalibration against scikit-learn and its own equations; binned error against loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from riskwright.core import ParameterError
from riskwright.metrics import calibration_error, calibration_in_the_large, calibration_slope

Z = 1.959963984540054


def sample(n=500, seed=0, slope=0.7, shift=0.3):
    rng = np.random.default_rng(seed)
    p = rng.beta(1.5, 3.0, n)
    return (rng.random(n) < expit(shift + slope * logit(p))).astype(int), p, rng.gamma(2.0, size=n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("digits", [1, 12])
def test_slope_equals_unpenalised_logistic_regression(weighted, digits):
    y, p, w = sample()
    p = np.round(p, digits).clip(0.05, 0.95)
    w = w if weighted else None
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    peer.fit(logit(p)[:, None], y, sample_weight=w)
    found = calibration_slope(y, p, sample_weight=w)
    assert found.value == pytest.approx(peer.coef_[0, 0], abs=1e-5)


def sandwich(design, y, mu, w):
    bread = np.linalg.inv((design.T * (w * mu * (1 - mu))) @ design)
    filling = (design.T * (w * (y - mu)) ** 2) @ design
    n, k = w.sum() ** 2 / (w @ w), design.shape[1]
    return np.sqrt(np.diag(bread @ filling @ bread) * n / (n - k))


@pytest.mark.parametrize("weighted", [False, True])
def test_recalibration_solves_the_score_equations_with_sandwich_errors(weighted):
    y, p, w = sample()
    w = w if weighted else np.ones_like(w)
    x = logit(p)
    design = np.column_stack([np.ones_like(x), x])

    slope = calibration_slope(y, p, sample_weight=w)
    shift = calibration_in_the_large(y, expit(slope.value * x), sample_weight=w).value
    mu = expit(shift + slope.value * x)
    assert design.T @ (w * (y - mu)) == pytest.approx([0, 0], abs=1e-6 * w.sum())
    se = sandwich(design, y, mu, w)[1]
    assert (slope.low, slope.high) == pytest.approx((slope.value - Z * se, slope.value + Z * se))

    large = calibration_in_the_large(y, p, sample_weight=w)
    mu = expit(large.value + x)
    assert w @ (y - mu) == pytest.approx(0, abs=1e-9 * w.sum())
    se = sandwich(design[:, :1], y, mu, w)[0]
    assert (large.low, large.high) == pytest.approx((large.value - Z * se, large.value + Z * se))


def test_closed_form_of_two_predicted_values():
    y = [1] * 2 + [0] * 8 + [1] * 6 + [0] * 4
    p = [0.1] * 10 + [0.5] * 10
    expected = (logit(0.6) - logit(0.2)) / (logit(0.5) - logit(0.1))
    assert calibration_slope(y, p).value == pytest.approx(expected)
    one = calibration_in_the_large([1, 1, 1, 0], [0.5] * 4)
    assert one.value == pytest.approx(math.log(3))


GRID = [k / 100 for k in range(1, 100)]  # predictions apart by more than rounding
rows = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(GRID), st.integers(1, 4)), min_size=4, max_size=25
).filter(lambda r: len({y for y, _, _ in r}) == 2)


@given(rows)
def test_weight_2_is_the_row_twice(drawn):
    y, p, w = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    repeat = w.astype(int)
    for metric in (calibration_slope, calibration_in_the_large, calibration_error):
        weighted = metric(y, p, sample_weight=w)
        doubled = metric(np.repeat(y, repeat), np.repeat(p, repeat))
        assert weighted.value == pytest.approx(doubled.value, rel=1e-6, abs=1e-8, nan_ok=True)


@given(rows)
def test_slope_exists_exactly_where_the_outcomes_overlap(drawn):
    y, p, _ = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    events, others = p[y == 1], p[y == 0]
    overlap = events.min() < others.max() and others.min() < events.max()
    found = calibration_slope(y, p)
    assert math.isfinite(found.value) is bool(overlap)
    assert math.isfinite(found.low) is bool(overlap)


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], "separate the outcomes perfectly"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], "separate the outcomes perfectly"),
        ([0, 0, 1, 1], [0.1, 0.3, 0.3, 0.4], "separate the outcomes perfectly"),
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3], "all predictions are equal"),
    ],
)
def test_a_slope_that_does_not_exist_says_so(y, p, reason):
    found = calibration_slope(y, p)
    assert all(math.isnan(value) for value in (found.value, found.low, found.high))
    assert found.method.startswith("none: ")
    assert reason in found.method


def test_a_nearly_separating_score_still_converges():
    p = np.concatenate([np.linspace(0.001, 0.5, 5000), np.linspace(0.4999, 0.999, 5000)])
    y = np.repeat([0, 1], 5000)
    found = calibration_slope(y, p)
    assert found.value > 100
    assert found.low < found.value < found.high


def test_predictions_of_0_and_1_are_moved_and_noted():
    found = calibration_in_the_large([0, 1, 1, 0], [0.0, 1.0, 0.4, 0.5])
    assert math.isfinite(found.value)
    assert "moved by 2^-52" in found.method


def test_groups_of_one_class_say_so():
    for metric in (calibration_slope, calibration_in_the_large):
        found = metric([0, 1, 0, 1, 1], [0.2, 0.3, 0.4, 0.1, 0.2], groups=list("aaabb"))
        assert math.isfinite(found["a"].value)
        assert found["b"].method == "none: one class only among 2 rows"


def binned_error(y, p, w, bin_of):
    """The definition, bin by bin."""
    return sum(
        abs(np.average(y[bin_of == b], weights=w[bin_of == b])
            - np.average(p[bin_of == b], weights=w[bin_of == b]))
        * w[bin_of == b].sum() / w.sum()
        for b in set(bin_of)
    )  # fmt: skip


def test_error_with_equal_count_bins_equals_the_definition():
    y, p, w = sample(500)
    rank = np.argsort(np.argsort(p))
    found = calibration_error(y, p)
    assert found.value == pytest.approx(binned_error(y, p, np.ones(500), rank // 50))
    order = np.argsort(p)
    share = np.empty(500)
    share[order] = (np.cumsum(w[order]) - w[order] / 2) / w.sum()
    found = calibration_error(y, p, sample_weight=w, bins=7)
    assert found.value == pytest.approx(binned_error(y, p, w, (share * 7).astype(int)))


def test_error_with_equal_width_bins_equals_the_definition():
    y, p, w = sample(500)
    p[0] = 1.0
    bin_of = np.minimum((p * 5).astype(int), 4)
    found = calibration_error(y, p, sample_weight=w, bins=5, binning="equal_width")
    assert found.value == pytest.approx(binned_error(y, p, w, bin_of))
    assert found.method.startswith("5 equal-width bins")


def test_equal_predictions_share_a_bin():
    rng = np.random.default_rng(0)
    p = rng.choice([0.1, 0.2, 0.7], 3000, p=[0.5, 0.3, 0.2])
    y = (rng.random(3000) < 0.3).astype(int)
    expected = binned_error(y, p, np.ones(3000), np.searchsorted([0.1, 0.2, 0.7], p))
    assert calibration_error(y, p).value == pytest.approx(expected)


def test_error_interval_is_repeatable_and_holds_the_value():
    y, p, w = sample(500)
    first, second = (calibration_error(y, p, sample_weight=w, level=0.9) for _ in range(2))
    assert first == second
    assert 0 <= first.low < first.value < first.high <= 1


def test_error_of_one_bin_has_the_interval_of_a_mean():
    y, p, _ = sample(2000, shift=1.5)
    found = calibration_error(y, p, bins=1)
    reach = Z * (y - p).std(ddof=1) / math.sqrt(2000)
    assert found.value == pytest.approx(abs((y - p).mean()))
    assert found.high - found.value == pytest.approx(reach)
    assert found.value - found.low == pytest.approx(reach * 2.2414 / Z, rel=0.05)


def test_error_refuses_impossible_bins():
    for bins in (0, 1001):
        with pytest.raises(ParameterError, match="bins: .* expected 1 to 1000"):
            calibration_error([0, 1], [0.1, 0.2], bins=bins)
    with pytest.raises(ParameterError, match="binning"):
        calibration_error([0, 1], [0.1, 0.2], binning="quantile")


def test_error_of_a_single_row_says_so():
    found = calibration_error([0, 1, 1], [0.1, 0.2, 0.3], groups=["a", "a", "b"])
    assert found["b"].method == "none: too few rows: 1"


@pytest.mark.parametrize(
    ("y", "p", "value"),
    [([0] * 5, [0.3] * 5, 0.3), ([1, 1], [0.0, 0.0], 1.0), ([0, 1, 0], [0.0, 1.0, 0.0], 0.0)],
)
def test_error_without_spread_has_no_interval_rather_than_one_of_no_width(y, p, value):
    found = calibration_error(y, p)
    assert found.value == pytest.approx(value)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.method == "none: the residual is the same in every row"
