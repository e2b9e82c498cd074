"""Tail estimates: values, weights, groups, intervals and when there is none."""

import math

import numpy as np
import pytest

from riskwright.core import DataError, EmptyDataError, ParameterError
from riskwright.metrics.tails import tail
from riskwright.stats.bands import cdf_band
from riskwright.stats.tails import CVaR, Gini, VaR, measure_named

RNG = np.random.default_rng(3)
LOSS = RNG.beta(1, 4, 1000)
MEASURES = [
    "mean",
    "var 0.9",
    "cvar 0.9",
    "var_interval 0.5 0.9",
    "gini",
    "smoothed_median 0.2",
    "entropic 1",
    "mean_variance 0.5",
    "spectral 0.5,0.9 0,1,3",
]


@pytest.mark.parametrize("named", MEASURES)
def test_value_is_that_of_the_measure_and_lies_in_its_interval(named):
    found = tail(LOSS, named)
    assert found.value == measure_named(named).of(LOSS)
    assert found.low < found.value < found.high
    assert (found.n, found.level) == (1000, 0.95)
    assert tail(LOSS, named, level=0.99).high > found.high


def test_the_interval_of_the_mean_is_the_sandwich_one():
    found = tail(LOSS, "mean")
    factor = math.exp(1.959963984540054 * LOSS.std(ddof=1) / math.sqrt(1000) / LOSS.mean())
    assert found.high == pytest.approx(LOSS.mean() * factor)
    assert found.low == pytest.approx(LOSS.mean() / factor)


@pytest.mark.parametrize("named", MEASURES)
def test_a_given_bound_gives_the_interval_of_two_bands(named):
    found = tail(LOSS, named, bound=1, level=0.9)
    assert found.low < found.value < found.high
    if named.startswith("var "):
        assert found.method == "order statistics"
        return
    measure, band = measure_named(named), cdf_band(1000, 0.05)
    ordered = np.sort(LOSS)
    assert found.high == pytest.approx(measure.upper(ordered, band, 1.0), rel=1e-9)
    assert found.low == pytest.approx(measure.lower(ordered, band, 1.0), rel=1e-9)
    assert "Berk-Jones" in found.method


@pytest.mark.parametrize("named", MEASURES)
def test_equal_weights_change_nothing(named):
    plain, weighted = tail(LOSS, named), tail(LOSS, named, sample_weight=np.full(1000, 0.3))
    for end in ("value", "low", "high"):
        assert getattr(weighted, end) == pytest.approx(getattr(plain, end), rel=1e-9)
    assert weighted.method == plain.method


def test_unequal_weights_are_stated_and_widen():
    found = tail(LOSS, "cvar 0.9", sample_weight=RNG.exponential(size=1000))
    assert "effective n" in found.method
    plain = tail(LOSS, "cvar 0.9")
    assert found.high / found.low > plain.high / plain.low


def test_groups_equal_their_rows_alone():
    group = np.where(LOSS > 0.1, "b", "a")
    found = tail(LOSS, Gini(), groups=group)
    assert list(found) == ["a", "b"]
    assert found["b"] == tail(LOSS[LOSS > 0.1], Gini())
    empty = tail(LOSS, Gini(), groups=group, sample_weight=(LOSS > 0.1).astype(float))["a"]
    assert math.isnan(empty.value)
    assert empty.method == "none: no rows"


def test_order_statistics_are_exact_ranks():
    """For n = 100 and the median, ranks 40 and 61 cover 96.5 %."""
    found = tail(np.arange(1.0, 101.0), VaR(0.5))
    assert (found.low, found.value, found.high) == (40.0, 50.0, 61.0)


def test_too_few_rows_have_no_interval_but_a_reason():
    few = tail(LOSS[:40], CVaR(0.95))
    assert math.isnan(few.low)
    assert "give a bound" in few.method
    quantile = tail(LOSS[:40], VaR(0.95))
    assert math.isnan(quantile.high)
    assert "no bound is given" in quantile.method
    assert tail(LOSS[:40], VaR(0.95), bound=1).high == 1.0
    assert tail(LOSS[:40], CVaR(0.95), bound=1).high > few.value
    same = tail(np.full(50, 0.2), "mean")
    assert math.isnan(same.low)
    assert "no spread" in same.method
    one = tail([0.2], "mean")
    assert math.isnan(one.low)


DRAWS, ROWS = 300, 600


@pytest.mark.parametrize("named", MEASURES)
def test_intervals_cover_in_simulation(named):
    """Uniform losses, 300 draws: 95 % less three standard errors of the simulation (3.8 points)."""
    grid = (np.arange(200_000) + 0.5) / 200_000
    truth, rng = measure_named(named).of(grid), np.random.default_rng(0)
    found = [tail(rng.random(ROWS), named) for _ in range(DRAWS)]
    covered = np.mean([e.low <= truth <= e.high for e in found])
    assert covered >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / DRAWS)
    if not named.startswith("var "):
        assert covered <= 0.95 + 3 * math.sqrt(0.95 * 0.05 / DRAWS)


def test_bad_input_is_refused():
    with pytest.raises(EmptyDataError):
        tail([], "mean")
    with pytest.raises(DataError, match="at least 0"):
        tail([-1.0], "mean")
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        tail([0.5, 1.5], "cvar 0.5", bound=1)
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        tail([0.5, 1.5], "var 0.5", bound=1)
    with pytest.raises(DataError, match="groups"):
        tail([0.5], "mean", groups=["a", "b"])
    with pytest.raises(DataError, match="sample_weight"):
        tail([0.5, 0.2], "mean", sample_weight=[1])
    with pytest.raises(DataError, match="sample_weight"):
        tail([0.5, 0.2], "mean", sample_weight=[1, -1])
    with pytest.raises(ParameterError, match="bound"):
        tail([0.5], "mean", sample_weight=[1], bound=1)
    with pytest.raises(ParameterError, match="level"):
        tail([0.5], "mean", level=95)
    with pytest.raises(ParameterError, match="measure"):
        tail([0.5], "expected shortfall")
