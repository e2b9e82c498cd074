"""Calibration under censoring: shares and statistics by hand, levels by simulation, edges."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, chisquare

from riskwright.core import DataError, ParameterError, TargetError
from riskwright.metrics.survival_calibration import d_calibration, one_time_calibration
from riskwright.stats.survival import kaplan_meier


def sample(n=400, seed=0, horizon=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    life, seen = rng.exponential(np.exp(-x)), rng.uniform(0, 3, n)
    time, event = np.minimum(life, seen), (life <= seen) * 1
    return time, event, np.exp(-np.exp(x) * time), 1 - np.exp(-np.exp(x) * horizon)


def test_shares_by_hand():
    """A row censored at 0.6 lies in (0, 0.25], (0.25, 0.5] and (0.5, 0.6]: 5/12, 5/12, 2/12."""
    found = d_calibration([1, 1, 1, 1], [1, 1, 0, 1], [0.25, 0.9, 0.6, 0.0], bins=4)
    expected = np.array([2 + 5 / 12, 5 / 12, 2 / 12, 1]) / 4
    assert [share.value for share in found.shares] == pytest.approx(expected)
    assert found.pearson == pytest.approx(16 * np.sum((expected - 0.25) ** 2))


def test_pearson_is_scipys_without_censoring_and_the_score_test_is_near():
    rng = np.random.default_rng(1)
    s = rng.random(20_000)
    found = d_calibration(np.ones(20_000), np.ones(20_000), s, bins=8)
    counts = np.histogram(s, np.arange(9) / 8)[0]
    expected = chisquare(counts)
    assert (found.pearson, found.pearson_p_value) == pytest.approx(tuple(expected))
    assert found.statistic == pytest.approx(found.pearson, rel=0.05)
    assert found.p_value == pytest.approx(chi2.sf(found.statistic, 7))


def test_weight_2_is_the_row_twice_in_the_shares():
    time, event, s, p = sample(60)
    w = np.arange(60) % 3 + 1
    one = d_calibration(time, event, s, bins=4, sample_weight=w)
    two = d_calibration(*(np.repeat(v, w) for v in (time, event, s)), bins=4)
    assert [a.value for a in one.shares] == pytest.approx([b.value for b in two.shares])
    risks = one_time_calibration(time, event, p, 1.0, bins=2, sample_weight=w).bins
    twice = one_time_calibration(*(np.repeat(v, w) for v in (time, event, p)), 1.0, bins=2).bins
    assert [b.observed.value for b in risks] == pytest.approx([b.observed.value for b in twice])


def test_right_predictions_pass_and_wrong_ones_do_not():
    time, event, s, p = sample(2000)
    assert d_calibration(time, event, s).p_value > 0.05
    assert d_calibration(time, event, s**1.5).p_value < 1e-6
    assert one_time_calibration(time, event, p, 1.0).p_value > 0.05
    assert one_time_calibration(time, event, p**0.7, 1.0).p_value < 1e-6


def test_levels_are_kept_in_a_small_simulation():
    """300 draws at 10 %: the standard error is 1.7 points."""
    rejected = np.zeros(3)
    for seed in range(300):
        time, event, s, p = sample(seed=seed)
        one = d_calibration(time, event, s, bins=4)
        two = one_time_calibration(time, event, p, 1.0, bins=4)
        rejected += [one.p_value < 0.1, one.pearson_p_value < 0.1, two.p_value < 0.1]
    assert 0.05 < rejected[0] / 300 < 0.15
    assert rejected[1] < rejected[0]
    assert 0.05 < rejected[2] / 300 < 0.15


def test_observed_risks_are_kaplan_meier_by_bin():
    time, event, _, p = sample()
    found = one_time_calibration(time, event, p, 1.0, bins=4)
    assert sum(part.n for part in found.bins) == 400
    total = 0.0
    for part in found.bins:
        rows = (p >= part.low) & (p <= part.high)
        curve = kaplan_meier(time[rows], event[rows])
        survival = curve.at(1.0)
        assert part.observed.value == pytest.approx(1 - survival)
        assert (part.n, part.predicted) == (rows.sum(), pytest.approx(p[rows].mean()))
        assert part.n_events == (event[rows] & (time[rows] <= 1)).sum()
        variance = curve.variance[curve.times <= 1][-1]
        known = survival * (1 - survival) / variance
        gap = part.observed.value - part.predicted
        total += gap**2 * known / np.mean(p[rows] * (1 - p[rows]))
    assert found.statistic == pytest.approx(total)
    assert found.p_value == pytest.approx(chi2.sf(total, 4))


def test_without_censoring_the_second_statistic_is_hosmer_and_lemeshows():
    rng = np.random.default_rng(2)
    p = np.repeat([0.2, 0.4, 0.7], 50)
    time = np.where(rng.random(150) < p, 1.0, 2.0)
    found = one_time_calibration(time, np.ones(150), p, 1.5)
    rates = np.array([np.mean(time[p == level] == 1) for level in (0.2, 0.4, 0.7)])
    level = np.array([0.2, 0.4, 0.7])
    expected = np.sum(50 * (rates - level) ** 2 / (level * (1 - level)))
    assert found.nam_dagostino == pytest.approx(expected)
    assert found.statistic == pytest.approx(expected)
    assert found.degrees_of_freedom == 3


def test_bins_with_few_events_are_joined_and_equal_predictions_stay_together():
    time, event, _, p = sample(100)
    found = one_time_calibration(time, event, p, 0.1, bins=20)
    assert 1 <= len(found.bins) < 20
    assert min(part.n_events for part in found.bins) >= 5
    rounded = np.round(p, 1)
    found = one_time_calibration(time, event, rounded, 1.0, bins=5)
    lows = [part.low for part in found.bins[1:]]
    highs = [part.high for part in found.bins[:-1]]
    assert all(high < low for high, low in zip(highs, lows, strict=True))


def test_what_cannot_be_tested_is_nan_with_a_reason():
    time, event, s, p = sample(100)
    beyond = one_time_calibration(time, event, p, 9.0, bins=2)
    assert math.isnan(beyond.p_value)
    assert "not followed to the horizon" in beyond.method
    few = d_calibration(time[:5], event[:5], s[:5])
    assert math.isnan(few.p_value)
    assert few.method.startswith("none: too few rows")
    group = np.arange(100) % 2
    empty = d_calibration(time, event, s, groups=group, sample_weight=group)
    assert (empty["0"].n, empty["0"].method) == (0, "none: no rows")
    nothing = one_time_calibration(time, event, p, 1.0, groups=group, sample_weight=group)
    assert (nothing["0"].bins, nothing["0"].method) == ((), "none: no rows")
    rows = group == 1
    assert empty["1"] == d_calibration(time[rows], event[rows], s[rows])


def test_bad_input_is_refused():
    time, event, s, p = sample(20)
    for call in (
        lambda e, v, **k: d_calibration(time, e, v, **k),
        lambda e, v, **k: one_time_calibration(time, e, v, 1.0, **k),
    ):
        with pytest.raises(DataError, match="out of range"):
            call(event, s + 1)
        with pytest.raises(TargetError, match="no event"):
            call(0 * event, s)
        with pytest.raises(ParameterError, match="bins"):
            call(event, s, bins=1)
    with pytest.raises(ParameterError, match="horizon"):
        one_time_calibration(time, event, p, -1.0)
