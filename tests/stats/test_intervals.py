"""Intervals against closed forms, scipy and their own definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm

from riskwright.core import ParameterError
from riskwright.stats import (
    effective_size,
    log_interval,
    logit_interval,
    normal_interval,
    normal_quantile,
    proportion_interval,
)

COUNTS = [(0, 1), (1, 1), (0, 30), (30, 30), (3, 7), (50, 1000), (999, 1000)]


@pytest.mark.parametrize(("x", "n"), COUNTS)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(("method", "peer"), [("wilson", "wilson"), ("clopper_pearson", "exact")])
def test_proportion_interval_equals_scipy(x, n, level, method, peer):
    expected = binomtest(x, n).proportion_ci(level, method=peer)
    found = proportion_interval(x, n, level, method)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(st.floats(0.01, 0.99), st.floats(2, 1e6), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_ends_solve_the_score_equation_for_real_counts(share, n, level):
    for end in proportion_interval(share * n, n, level):
        z = (share - end) / np.sqrt(end * (1 - end) / n)
        assert abs(z) == pytest.approx(normal_quantile(level), rel=1e-6)


@pytest.mark.parametrize("n", [5, 20, 100])
def test_exact_coverage_is_at_least_the_level_or_the_level_on_average(n):
    shares, counts = np.linspace(0.001, 0.999, 999), np.arange(n + 1)
    chances = binom.pmf(counts[:, None], n, shares)

    def coverage(method):
        low, high = proportion_interval(counts, n, 0.9, method)
        return (chances * ((low[:, None] <= shares) & (shares <= high[:, None]))).sum(axis=0)

    assert coverage("clopper_pearson").min() >= 0.9
    assert coverage("wilson").mean() == pytest.approx(0.9, abs=0.02)


@given(st.floats(0, 1), st.floats(0, 1e9), st.sampled_from(["wilson", "clopper_pearson"]))
def test_interval_lies_in_the_unit_and_holds_the_share(share, n, method):
    low, high = proportion_interval(share * n, n, 0.95, method)
    assert 0 <= low <= high <= 1
    assert low <= share + 1e-9
    assert high >= share - 1e-9


def test_no_rows_give_the_whole_range():
    for method in ("wilson", "clopper_pearson"):
        assert proportion_interval(0, 0, method=method) == (0.0, 1.0)


def test_ends_are_exact_where_no_row_or_every_row_is_an_event():
    for method in ("wilson", "clopper_pearson"):
        assert proportion_interval(0, 13, method=method)[0] == 0.0
        assert proportion_interval(13, 13, method=method)[1] == 1.0


def test_arrays_equal_scalars_one_by_one():
    x, n = np.array([0.0, 3.0, 2.5]), np.array([4.0, 3.0, 9.25])
    for method in ("wilson", "clopper_pearson"):
        low, high = proportion_interval(x, n, 0.9, method)
        pairs = [proportion_interval(a, b, 0.9, method) for a, b in zip(x, n, strict=True)]
        assert list(zip(low.tolist(), high.tolist(), strict=True)) == pairs
    assert proportion_interval(x[:, None], n).__getitem__(0).shape == (3, 3)


@pytest.mark.parametrize(("x", "n"), [(-1, 5), (6, 5), (np.nan, 5), (1, np.nan), ([0, 9], 5)])
def test_counts_out_of_range_are_refused(x, n):
    with pytest.raises(ParameterError, match="0 <= events <= n"):
        proportion_interval(x, n)


def test_level_and_method_are_checked():
    for level in (0, 1, 95, -0.5, float("nan")):
        with pytest.raises(ParameterError, match="level"):
            proportion_interval(1, 2, level)
    with pytest.raises(ParameterError, match="wilson or clopper_pearson"):
        proportion_interval(1, 2, method="wald")


def test_normal_log_and_logit_intervals_equal_their_definition():
    z = norm.ppf(0.95)
    assert normal_quantile(0.9) == pytest.approx(z)
    assert normal_interval(2.0, 0.5, 0.9) == pytest.approx((2 - z / 2, 2 + z / 2))
    assert log_interval(2.0, 0.5, 0.9) == pytest.approx((2 * np.exp(-z / 4), 2 * np.exp(z / 4)))
    low, high = logit_interval(0.8, 0.05, 0.9)
    reach = z * 0.05 / (0.8 * 0.2)
    assert np.log(low / (1 - low)) == pytest.approx(np.log(4) - reach)
    assert np.log(high / (1 - high)) == pytest.approx(np.log(4) + reach)


def test_logit_interval_stays_inside_for_any_error():
    low, high = logit_interval(0.999, 0.5)
    assert 0 <= low < 0.999 < high <= 1


def test_effective_size_is_the_count_for_equal_weights_and_less_otherwise():
    assert effective_size(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_size([1, 1, 2]) == pytest.approx(16 / 6)
    assert effective_size([0, 0]) == 0.0
