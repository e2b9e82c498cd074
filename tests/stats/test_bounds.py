"""Bounds of means against exact tables, their own definition, brute force and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from riskwright.core import (
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    ValueRangeError,
)
from riskwright.stats.bounds import (
    binomial_lower,
    binomial_p_value,
    binomial_upper,
    hoeffding_bentkus_p_value,
    hoeffding_bentkus_upper,
    hoeffding_upper,
    mean_lower,
    mean_upper,
    wsr_p_value,
    wsr_upper,
)

HOEFFDING_BENTKUS = {
    (100, 0): 0.02276278,
    (100, 1): 0.0479561,
    (100, 5): 0.10703077,
    (100, 10): 0.16939034,
    (1000, 0): 0.00229994,
    (1000, 10): 0.01754048,
    (1000, 50): 0.06401384,
    (1000, 100): 0.11849555,
    (4000, 40): 0.01326811,
    (4000, 200): 0.0565776,
}
CLOPPER_PEARSON = {
    (100, 0): 0.022763,
    (100, 5): 0.090771,
    (1000, 50): 0.060025,
    (4000, 200): 0.054708,
}


@pytest.mark.parametrize(("counts", "upper"), HOEFFDING_BENTKUS.items())
def test_hoeffding_bentkus_equals_the_table(counts, upper):
    n, errors = counts
    assert hoeffding_bentkus_upper(errors, n, 0.1) == pytest.approx(upper, abs=6e-9)


@pytest.mark.parametrize(("counts", "upper"), CLOPPER_PEARSON.items())
def test_binomial_upper_equals_the_table(counts, upper):
    n, errors = counts
    assert binomial_upper(errors, n, 0.1) == pytest.approx(upper, abs=6e-7)


def test_p_values_equal_those_of_learn_then_test():
    assert binomial_p_value(50, 1000, 0.07) == pytest.approx(0.005929633320516831, rel=1e-12)
    assert hoeffding_bentkus_p_value(50, 1000, 0.07) == pytest.approx(
        0.01611841450458617, rel=1e-12
    )
    assert hoeffding_upper(50, 1000, 0.1) == pytest.approx(0.083931, abs=6e-7)


@given(st.integers(1, 400), st.data(), st.floats(0.001, 0.5), st.floats(0.001, 0.999))
def test_binomial_bounds_are_beta_quantiles_and_invert_the_p_value(n, data, delta, limit):
    errors = data.draw(st.integers(0, n))
    upper, lower = binomial_upper(errors, n, delta), binomial_lower(errors, n, delta)
    expected = beta.isf(delta, errors + 1, n - errors) if errors < n else 1.0
    assert upper == pytest.approx(expected, rel=1e-9)
    assert lower == pytest.approx(beta.ppf(delta, errors, n - errors + 1) if errors else 0.0)
    p = binomial_p_value(errors, n, limit)
    assert p == pytest.approx(binom.cdf(errors, n, limit), rel=1e-9, abs=1e-250)
    if abs(upper - limit) > 1e-9:
        assert (p <= delta) == (upper <= limit)


def test_binomial_p_value_far_in_the_tail_equals_the_exact_sum():
    assert binomial_p_value(16, 178, 0.98828125) == pytest.approx(2.895960883287849e-291, rel=1e-12)


@given(st.integers(1, 300), st.data(), st.floats(0.001, 0.5), st.floats(0.001, 0.999))
def test_hoeffding_bentkus_upper_inverts_its_p_value(n, data, delta, limit):
    total = data.draw(st.floats(0, n))
    upper = hoeffding_bentkus_upper(total, n, delta)
    if abs(upper - limit) > 1e-9:
        assert (hoeffding_bentkus_p_value(total, n, limit) <= delta) == (upper <= limit)
    assert total / n - 1e-12 <= upper <= hoeffding_upper(total, n, delta) + 1e-12


def test_no_rows_bound_nothing():
    assert binomial_upper(0, 0, 0.1) == 1.0
    assert binomial_lower(0, 0, 0.1) == 0.0
    assert hoeffding_bentkus_upper(0, 0, 0.1) == 1.0
    assert hoeffding_upper(0, 0, 0.1) == 1.0
    assert binomial_p_value(0, 0, 0.2) == 1.0
    assert hoeffding_bentkus_p_value(0, 0, 0.2) == 1.0


def test_arrays_equal_scalars_one_by_one():
    errors, n, limits = np.array([0, 3, 7]), np.array([7, 50, 7]), np.array([0.1, 0.2, 0.3])
    for function, third in (
        (binomial_upper, 0.1),
        (binomial_lower, 0.1),
        (binomial_p_value, limits),
        (hoeffding_bentkus_p_value, limits),
        (hoeffding_bentkus_upper, 0.1),
        (hoeffding_upper, 0.1),
    ):
        thirds = np.broadcast_to(third, 3)
        each = [function(*row) for row in zip(errors, n, thirds, strict=True)]
        assert function(errors, n, third).tolist() == each
        assert isinstance(each[0], float)


@pytest.mark.parametrize("errors", [0.5, -1, 8, np.nan, 0.07 * 100])
def test_only_whole_counts_within_range_are_taken(errors):
    with pytest.raises(ParameterError, match="whole numbers"):
        binomial_upper(errors, 7, 0.1)


def test_every_whole_count_up_to_ten_thousand_gives_its_own_value():
    """A count made from a mean by floor(n * mean) is one short at many of these."""
    n = 10_000
    counts = np.arange(n + 1)
    p = hoeffding_bentkus_p_value(counts, n, 0.3)
    assert np.all(np.diff(p) >= 0)
    bentkus = np.minimum(math.e * binom.cdf(counts, n, 0.3), 1)
    assert np.all(p <= bentkus * (1 + 1e-9))


def wsr_by_definition(losses, delta, limit):
    n, capital, peak = len(losses), 1.0, 1.0
    sum_, squares = 0.5, 0.25
    for i, loss in enumerate(losses):
        bet = min(1.0, math.sqrt(2 * math.log(1 / delta) * (i + 1) / (n * squares)))
        capital *= 1 - bet * (loss - limit)
        peak = max(peak, capital)
        sum_ += loss
        squares += (loss - sum_ / (i + 2)) ** 2
    return peak


@pytest.mark.parametrize("n", [1, 2, 17, 200, 1000])
def test_wsr_equals_its_definition(n):
    losses = np.random.default_rng(n).beta(1, 4, n)
    upper = wsr_upper(losses, 0.1)
    if upper < 1:
        assert wsr_by_definition(losses, 0.1, upper + 1e-9) >= 10
    assert wsr_by_definition(losses, 0.1, upper - 1e-9) < 10
    for limit in (0.1, 0.25, 0.4):
        p = 1 / wsr_by_definition(losses, 0.1, limit)
        assert wsr_p_value(losses, limit, delta=0.1) == pytest.approx(p, rel=1e-9)


def test_wsr_capital_neither_overflows_nor_vanishes():
    losses = np.concatenate([np.zeros(5000), np.ones(5000)])
    assert wsr_p_value(losses, 0.999, delta=0.1) == 0.0
    assert 0.5 <= wsr_upper(losses[::-1], 0.1) <= 1
    assert wsr_upper(np.ones(3000), 0.1) == 1.0


@pytest.mark.parametrize("method", ["hb", "wsr", "hoeffding", "clopper-pearson"])
def test_bounds_scale_with_the_largest_loss(method):
    losses = np.array([0.0, 1.0] * 40 + [0.0] * 20)
    unit = mean_upper(losses, 0.1, method=method)
    scaled = mean_upper(losses * 8, 0.1, method=method, bound=8)
    assert scaled.value == pytest.approx(8 * unit.value, rel=1e-9)
    assert scaled.empirical == pytest.approx(3.2)
    assert (unit.method, unit.n, unit.delta) == (method, 100, 0.1)
    below = mean_lower(losses, 0.1, method=method)
    assert below.value < 0.4 < unit.value
    assert below.value == pytest.approx(1 - mean_upper(1 - losses, 0.1, method=method).value)


def test_auto_counts_binary_losses_and_bets_on_others():
    binary = mean_upper([True, False, False], 0.1)
    assert binary.method == "clopper-pearson"
    assert binary.value == binomial_upper(1, 3, 0.1)
    assert any("by its definition" in words for words in binary.assumptions)
    graded = mean_upper([0.5, 0.0, 1.0], 0.1)
    assert graded.method == "wsr"
    assert graded.value == wsr_upper([0.5, 0.0, 1.0], 0.1)


def test_known_weights_bound_the_target():
    losses, weights = np.array([0.2, 0.4, 0.1, 0.0] * 30), np.array([0.5, 1.5, 2.0, 0.0] * 30)
    found = mean_upper(losses, 0.1, sample_weight=weights, max_weight=4)
    assert found.empirical == pytest.approx(np.mean(losses * weights))
    assert found.value == pytest.approx(4 * wsr_upper(losses * weights / 4, 0.1))
    assert any("density ratio" in words for words in found.assumptions)
    below = mean_lower(losses, 0.1, sample_weight=weights, max_weight=4)
    assert 0 <= below.value < found.empirical < found.value <= 1


def test_weights_are_never_clipped_and_their_limit_is_asked_for():
    with pytest.raises(ValueRangeError, match="weights out of range"):
        mean_upper([0.1, 0.2], 0.1, sample_weight=[1, 3], max_weight=2)
    with pytest.raises(ParameterError, match="max_weight"):
        mean_upper([0.1, 0.2], 0.1, sample_weight=[1, 3])
    with pytest.raises(DataError, match="length"):
        mean_upper([0.1, 0.2], 0.1, sample_weight=[1], max_weight=2)
    with pytest.raises(MissingValueError):
        mean_upper([0.1, 0.2], 0.1, sample_weight=[1, np.nan], max_weight=2)
    with pytest.raises(ParameterError, match="clopper"):
        mean_upper([0, 1], 0.1, sample_weight=[1, 1], max_weight=2, method="clopper-pearson")


@pytest.mark.parametrize(
    ("losses", "error"),
    [
        ([], EmptyDataError),
        ([0.1, np.nan], MissingValueError),
        ([0.1, 1.1], ValueRangeError),
        ([-0.1, 0.1], ValueRangeError),
        ([0.1, np.inf], ValueRangeError),
        ([[0.1, 0.2]], DataError),
        (["a"], DataError),
    ],
)
def test_bad_losses_are_refused(losses, error):
    for function in (mean_upper, mean_lower, wsr_upper):
        with pytest.raises(error):
            function(losses, 0.1)


def test_bad_parameters_are_refused():
    for delta in (0, 1, -0.1, 5, math.nan):
        for function in (mean_upper, mean_lower, wsr_upper):
            with pytest.raises(ParameterError, match="delta"):
                function([0.5], delta)
        with pytest.raises(ParameterError, match="delta"):
            binomial_upper(1, 2, delta)
    with pytest.raises(ParameterError, match="bound"):
        mean_upper([0.5], 0.1, bound=math.inf)
    with pytest.raises(ParameterError, match="method"):
        mean_upper([0.5], 0.1, method="clt")
    with pytest.raises(ParameterError, match="losses that are 0 or"):
        mean_upper([0.5], 0.1, method="clopper-pearson")
    with pytest.raises(ParameterError, match="limit"):
        wsr_p_value([0.5], 1.0)
    with pytest.raises(ParameterError, match="limit"):
        binomial_p_value(1, 2, 1.5)
    with pytest.raises(ParameterError, match="total"):
        hoeffding_bentkus_upper(3, 2, 0.1)


def test_restarts_of_the_bettor_would_show():
    """The design on which a bettor restarted half way fails 19.6 % of the time at delta = 10 %."""
    rng = np.random.default_rng(0)
    misses = sum(wsr_upper(rng.random(100) < 0.1, 0.1) < 0.1 for _ in range(1000))
    assert misses / 1000 <= 0.1 + 2 * math.sqrt(0.09 / 1000)
