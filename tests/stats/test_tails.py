"""Tail measures and their bounds against closed forms, references, optimisation, simulation."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize_scalar

from riskwright.core import DataError, EmptyDataError, MissingValueError, ParameterError
from riskwright.stats.bands import cdf_band
from riskwright.stats.tails import (
    CVaR,
    Entropic,
    Gini,
    Mean,
    MeanVariance,
    SmoothedMedian,
    Spectral,
    VaR,
    VaRInterval,
    measure_named,
    tail_lower,
    tail_upper,
    weighted_levels,
)

LADDER = 0.5 * (np.arange(1, 1001) - 0.5) / 1000
MEASURES = [
    Mean(),
    VaR(0.9),
    CVaR(0.9),
    VaRInterval(0.5, 0.9),
    SmoothedMedian(0.2),
    Spectral((0.5, 0.9), (0.0, 1.0, 3.0)),
    Entropic(2.0),
    MeanVariance(0.5),
    Gini(),
]
unit_losses = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("measure", "berk_jones", "dkw"),
    [
        (Mean(), 0.2723904275, 0.2881625648),
        (CVaR(0.9), 0.5177988152, 0.6832233625),
        (VaR(0.9), 0.46425, 0.46925),
        (VaRInterval(0.5, 0.9), 0.3710370087, 0.3692669206),
    ],
)
def test_upper_bounds_equal_those_of_quantile_risk_control(measure, berk_jones, dkw):
    assert tail_upper(LADDER, 0.05, measure).value == pytest.approx(berk_jones, abs=6e-11)
    assert tail_upper(LADDER, 0.05, measure, band="dkw").value == pytest.approx(dkw, abs=6e-11)


def test_measures_of_the_uniform_distribution():
    x = (np.arange(1, 100_001) - 0.5) / 100_000
    assert Mean().of(x) == pytest.approx(0.5)
    assert VaR(0.3).of(x) == pytest.approx(0.3, abs=1e-5)
    assert CVaR(0.9).of(x) == pytest.approx(0.95)
    assert CVaR(0).of(x) == pytest.approx(0.5)
    assert VaRInterval(0.2, 0.6).of(x) == pytest.approx(0.4)
    assert SmoothedMedian(0.1).of(x) == pytest.approx(0.5)
    assert Spectral((0.5,), (1, 3)).of(x) == pytest.approx((0.25 + 3 * 0.75) / 4)
    assert Entropic(2.0).of(x) == pytest.approx(math.log((math.exp(2) - 1) / 2) / 2)
    assert MeanVariance(0.5).of(x) == pytest.approx(0.5 + 0.5 / 12)
    assert Gini().of(x) == pytest.approx(1 / 3)


@given(unit_losses, st.floats(0.01, 0.99))
def test_cvar_is_the_minimum_of_rockafellar_and_uryasev(losses, level):
    x = np.array(losses)
    candidates = [t + np.mean(np.maximum(x - t, 0)) / (1 - level) for t in x]
    assert CVaR(level).of(x) == pytest.approx(min(candidates), abs=1e-9)


@given(unit_losses, st.floats(0.1, 5))
def test_entropic_and_mean_variance_are_optimised_certainty_equivalents(losses, theta):
    x = np.array(losses)

    def equivalent(utility):
        found = minimize_scalar(
            lambda t: t + np.mean(utility(x - t)),
            bounds=(-1, 2),
            options={"xatol": 1e-10},
            method="bounded",
        )
        return found.fun

    entropic = equivalent(lambda t: np.expm1(theta * t) / theta)
    assert Entropic(theta).of(x) == pytest.approx(entropic, abs=1e-7)
    variance = equivalent(lambda t: t + theta * t**2)
    assert MeanVariance(theta).of(x) == pytest.approx(variance, abs=1e-7)


@given(unit_losses)
def test_gini_is_half_the_relative_mean_difference(losses):
    x = np.array(losses)
    difference = np.abs(x[:, None] - x).mean()
    expected = difference / (2 * x.mean()) if x.mean() > 1e-9 else Gini().of(x)
    assert Gini().of(x) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", [3, 10, 100])
def test_quantiles_take_the_rank_of_the_level_exactly(n):
    x = np.arange(1, n + 1) / n
    for k in range(1, n):
        assert VaR(k / n).of(x) == x[k - 1]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.kind)
def test_a_weight_of_two_is_the_row_twice(measure):
    x, w = np.array([0.3, 0.1, 0.7, 0.2, 0.9]), np.array([2, 1, 3, 0, 1])
    assert measure.of(x, w) == pytest.approx(measure.of(np.repeat(x, w)), abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.kind)
def test_names_and_dicts_give_the_measure_back(measure):
    assert measure_named(measure.name) == measure
    assert measure_named(json.loads(json.dumps(measure.to_dict()))) == measure
    assert measure_named(measure) is measure


def test_a_flat_spectrum_has_a_name_too():
    flat = Spectral((), (1.0,))
    assert measure_named(flat.name) == flat
    assert flat.of(LADDER) == pytest.approx(Mean().of(LADDER))


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.kind)
@pytest.mark.parametrize("band", ["berk-jones", "dkw"])
def test_bounds_enclose_the_rows_and_tighten(measure, band):
    rng, widths = np.random.default_rng(0), []
    for n in (50, 500, 5000):
        x = rng.beta(2, 5, n)
        low = tail_lower(x, 0.05, measure, band=band)
        high = tail_upper(x, 0.05, measure, band=band)
        assert 0 <= low.value < measure.of(x) < high.value <= 1.5
        assert high.empirical == measure.of(x)
        widths.append(high.value - low.value)
    assert widths[0] > widths[1] > widths[2]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.kind)
def test_the_influence_is_the_derivative_of_the_measure(measure):
    if isinstance(measure, VaR):
        pytest.skip("the quantile has no influence function without a density")
    x, step = np.sort(np.random.default_rng(3).random(400)), 1e-3
    influence = measure.influence(*weighted_levels(x, None))
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    for row in (0, 77, 200, 371, 399):
        more, less = np.ones(400), np.ones(400)
        more[row], less[row] = 1 + step, 1 - step
        slope = (measure.of(x, more) - measure.of(x, less)) / (2 * step) * 400
        assert influence[row] == pytest.approx(slope, abs=0.02)


def extreme_gini(least, most, width, sign):
    """Extreme 1 - int S^2 / int S over survival functions in a box, on a fine search of ratios."""
    best = -math.inf
    rng = np.random.default_rng(0)
    for _ in range(4000):
        level = rng.random()
        if sign > 0:
            s = np.clip(level, least, most)
        else:
            k = rng.integers(0, least.size + 1)
            s = np.append(most[:k], least[k:])
        s = np.minimum.accumulate(s)
        best = max(best, sign * (1 - (width @ s**2) / (width @ s)))
    return sign * best


def test_gini_bounds_are_the_extremes_of_the_band():
    x = np.sort(np.random.default_rng(1).beta(2, 3, 40))
    band = cdf_band(40, 0.025)
    edges = np.concatenate([[0.0], x, [1.0]])
    most = 1 - np.append(0.0, band.level_at_rank)
    least = np.append(band.level_at_rank[::-1], 0.0)
    width = np.diff(edges)
    upper, lower = (extreme_gini(least, np.maximum(least, most), width, s) for s in (1, -1))
    assert Gini().upper(x, band, 1.0) == pytest.approx(upper, abs=2e-3)
    assert Gini().lower(x, band, 1.0) == pytest.approx(lower, abs=1e-9)
    assert Gini().upper(x, band, 1.0) >= upper - 1e-12
    assert Gini().lower(x, band, 1.0) <= lower + 1e-12


def test_mean_bound_is_the_largest_mean_in_the_band():
    x, band = np.sort(np.random.default_rng(5).random(12)), cdf_band(12, 0.1)
    support = np.append(x, 1.0)
    below = np.tril(np.ones((12, 13)))
    found = linprog(
        -support, A_ub=-below, b_ub=-band.level_at_rank, A_eq=np.ones((1, 13)), b_eq=[1]
    )
    assert Mean().upper(x, band, 1.0) == pytest.approx(-found.fun)


def test_gini_splits_delta_between_two_bands():
    found = tail_upper(LADDER, 0.1, Gini())
    assert found.value == Gini().upper(LADDER, cdf_band(1000, 0.05), 1.0)
    assert "two at delta/2 each" in found.method


def test_bounds_scale_with_the_largest_loss():
    for measure in (Mean(), CVaR(0.9), VaR(0.9), Gini()):
        unit, scaled = (
            tail_upper(LADDER, 0.05, measure),
            tail_upper(8 * LADDER, 0.05, measure, bound=8),
        )
        factor = 1 if isinstance(measure, Gini) else 8
        assert scaled.value == pytest.approx(factor * unit.value)


def test_all_losses_zero_bound_gini_by_one():
    assert Gini().of(np.zeros(5)) == 0.0
    assert tail_upper(np.zeros(100), 0.1, Gini()).value == pytest.approx(1.0)
    assert tail_lower(np.zeros(100), 0.1, Gini()).value == 0.0


MISS = 0.1
DRAWS = 400


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.kind)
def test_bounds_hold_in_simulation(measure):
    """With atoms, n = 60, 400 draws: at most delta plus two standard errors of the simulation."""
    atoms, shares = np.array([0.0, 0.2, 0.5, 1.0]), np.array([0.55, 0.25, 0.15, 0.05])
    truth = measure.value_of(atoms, np.cumsum(shares))
    rng = np.random.default_rng(11)
    rows = rng.choice(atoms, p=shares, size=(DRAWS, 60))
    above = sum(tail_upper(x, MISS, measure).value < truth - 1e-12 for x in rows)
    below = sum(tail_lower(x, MISS, measure).value > truth + 1e-12 for x in rows)
    assert max(above, below) / DRAWS <= MISS + 2 * math.sqrt(MISS * (1 - MISS) / DRAWS)


@pytest.mark.parametrize(
    "named",
    [
        "",
        "cvr 0.9",
        "cvar",
        "cvar 0.9 0.8",
        "cvar x",
        {"kind": "cvar"},
        {"level": 0.9},
        5,
        {"kind": []},
    ],
)
def test_unknown_measures_are_refused(named):
    with pytest.raises(ParameterError, match="measure"):
        measure_named(named)


@pytest.mark.parametrize(
    "named",
    [
        "var 0",
        "var 1",
        "cvar 1",
        "cvar -0.1",
        "cvar nan",
        "var_interval 0.9 0.5",
        "smoothed_median 0.6",
        "entropic 0",
        "mean_variance -1",
        "entropic inf",
        "spectral 0.9,0.5 1,1,1",
        "spectral 0.5, 1,",
        "spectral 0.5, 0,0",
        "spectral 0.5, 1,-1",
    ],
)
def test_parameters_out_of_range_are_refused(named):
    with pytest.raises(ParameterError):
        measure_named(named)


def test_bad_losses_and_parameters_are_refused():
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        tail_upper([0.1, 2.0], 0.1, Mean())
    with pytest.raises(MissingValueError):
        tail_upper([0.1, np.nan], 0.1, Mean())
    with pytest.raises(EmptyDataError):
        tail_upper([], 0.1, Mean())
    with pytest.raises(ParameterError, match="delta"):
        tail_upper([0.1], 0, Mean())
    with pytest.raises(ParameterError, match="kind"):
        tail_upper([0.1], 0.1, Mean(), band="ks")
    with pytest.raises(ParameterError, match="at most 0.5 for losses up to 1"):
        tail_upper([0.1], 0.1, MeanVariance(0.6))
    with pytest.raises(EmptyDataError, match="sample_weight"):
        Mean().of([0.1], [0])
    with pytest.raises(DataError, match="finite values of at least 0"):
        Mean().of([-0.1])
