"""Bands of distribution functions against published constants, brute force and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import beta, ksone

from riskwright.core import ParameterError
from riskwright.stats.bands import cdf_band, noncrossing_probability

CRITICAL = {
    50: 0.0032874010,
    100: 0.0024609349,
    500: 0.0014557858,
    1000: 0.0012169522,
    2000: 0.0010386246,
}


@pytest.mark.parametrize(("n", "critical"), CRITICAL.items())
def test_critical_values_equal_those_known(n, critical):
    assert cdf_band(n, 0.05, ranks="all").critical == pytest.approx(critical, abs=6e-11)


def test_noncrossing_probability_at_ten_thousand_equals_the_known_one_from_below():
    ranks = np.arange(1, 10_001)
    found = noncrossing_probability(beta.ppf(0.001, ranks, 10_001 - ranks))
    assert 0 <= 0.93771890016 - found < 1e-9


def test_two_sided_probability_equals_the_known_one():
    lower, upper = [0, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1]
    assert noncrossing_probability(lower, 8, upper=upper) == pytest.approx(0.840529, abs=5e-7)
    assert noncrossing_probability([0, 0.5]) == pytest.approx(0.75, abs=1e-9)


def test_kolmogorov_smirnov_probability_is_that_of_scipy():
    for n in (10, 200, 5000):
        distance = ksone.isf(0.3, n)
        lower = np.maximum(np.arange(1, n + 1) / n - distance, 0)
        assert noncrossing_probability(lower) == pytest.approx(0.7, abs=1e-8)


def noe(lower, upper):
    """P(lower_i <= U_(i) <= upper_i) by counts in the cells between all limits, multinomially."""
    n = len(lower)
    edges = np.unique(np.concatenate([[0.0, 1.0], lower, upper]))
    ways = np.zeros(n + 1)
    ways[0] = 1.0
    for left, right in itertools.pairwise(edges):
        new = np.zeros(n + 1)
        for before in range(n + 1):
            for after in range(before, n + 1):
                inside = all(lower[k] <= left and right <= upper[k] for k in range(before, after))
                if inside:
                    m = after - before
                    new[after] += ways[before] * (right - left) ** m / math.factorial(m)
        ways = new
    return ways[n] * math.factorial(n)


@pytest.mark.parametrize("seed", range(12))
def test_probability_equals_brute_force(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    lower = np.sort(rng.random(n) * 0.7)
    upper = np.maximum.accumulate(lower + 0.1 + (1 - lower - 0.1).clip(0) * rng.random(n)).clip(
        0, 1
    )
    exact = noe(lower, upper)
    assert noncrossing_probability(lower, upper=upper) == pytest.approx(exact, abs=1e-10)
    one_sided = noe(lower, np.ones(n))
    assert noncrossing_probability(lower) == pytest.approx(one_sided, abs=1e-10)
    assert noncrossing_probability(lower) <= one_sided + 1e-15


@pytest.mark.parametrize("n", [1, 2, 3, 7, 60, 1001, 20_000])
@pytest.mark.parametrize("delta", [0.001, 0.05, 0.5, 0.9])
def test_the_band_uses_up_delta_and_no_more(n, delta):
    band = cdf_band(n, delta)
    lower = np.zeros(n)
    lower[band.ranks - 1] = band.level_at_rank
    covered = noncrossing_probability(np.maximum.accumulate(lower))
    assert 1 - delta - 1e-9 <= covered <= 1 - delta + 2e-6 * delta + 1e-9
    assert np.all(np.diff(band.level_at_rank) >= 0)
    assert np.all(band.level_at_rank < band.ranks / n) or delta > 0.5


def test_a_single_rank_needs_no_correction():
    band = cdf_band(100, 0.05, ranks=[95])
    assert band.critical == 0.05
    assert band.level_at_rank[0] == pytest.approx(beta.ppf(0.05, 95, 6))


def test_fewer_ranks_give_higher_levels():
    everywhere = cdf_band(500, 0.05, ranks="all")
    chosen = cdf_band(500, 0.05, ranks=[250, 400, 475, 500])
    assert np.all(chosen.level_at_rank > everywhere.level_at_rank[chosen.ranks - 1])


def test_dkw_distances_are_exact_then_massarts():
    for n, distance in (
        (50, 0.16959440647),
        (100, 0.12066568773),
        (1000, 0.03853384127),
        (10000, 0.01222201128),
    ):
        assert cdf_band(n, 0.05, "dkw").critical == pytest.approx(distance, abs=6e-12)
    band = cdf_band(20_000, 0.05, "dkw")
    assert band.critical == pytest.approx(math.sqrt(math.log(20) / 40_000))
    assert band.level_at_rank[-1] == pytest.approx(1 - band.critical)
    assert cdf_band(20_000, 0.9, "dkw").critical >= ksone.isf(0.9, 20_000)


@pytest.mark.parametrize("n", [1001, 50_000, 10**6])
def test_the_band_at_chosen_ranks_covers_in_simulation(n):
    """Order statistics of n uniforms at the ranks, from ratios of gamma sums."""
    band, rng, draws = cdf_band(n, 0.05), np.random.default_rng(n), 4000
    gaps = np.diff(np.concatenate([[0], band.ranks, [n + 1]]))
    sums = np.cumsum(rng.standard_gamma(gaps, size=(draws, gaps.size)), axis=1)
    missed = np.any(sums[:, :-1] / sums[:, -1:] < band.level_at_rank, axis=1).mean()
    assert missed == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / draws))


def test_the_same_band_is_kept_and_cannot_be_changed():
    band = cdf_band(300, 0.1)
    assert cdf_band(300, 0.1) is band
    with pytest.raises(ValueError, match="read-only"):
        band.level_at_rank[0] = 1.0


@pytest.mark.parametrize("ranks", ["some", [], [0, 1], [2, 1], [1, 11], [1.5], [[1, 2]], [1, 1]])
def test_bad_ranks_are_refused(ranks):
    with pytest.raises(ParameterError, match="ranks"):
        cdf_band(10, 0.05, ranks=ranks)


def test_bad_parameters_are_refused():
    for n in (0, -3, 2.5):
        with pytest.raises(ParameterError, match="n: "):
            cdf_band(n, 0.05)
    with pytest.raises(ParameterError, match="delta"):
        cdf_band(10, 1.0)
    with pytest.raises(ParameterError, match="kind"):
        cdf_band(10, 0.05, "kuiper")
    for lower in ([], [0.5, 0.4], [-0.1], [1.1], [np.nan]):
        with pytest.raises(ParameterError, match="lower"):
            noncrossing_probability(lower)
    with pytest.raises(ParameterError, match="lower"):
        noncrossing_probability([0.1], 2)
    with pytest.raises(ParameterError, match="upper"):
        noncrossing_probability([0.1], upper=[0.2, 0.3])
    assert noncrossing_probability([0.5], upper=[0.4]) == 0.0
