"""SHARP profiles: printed values, tail identities, coverage, bounds and bad input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import psi

from riskwright.audit.harm_tails import (
    _columns,
    _Resampled,
    harm_profile,
    log_risk,
    union_harm,
)
from riskwright.core import DataError, ParameterError, ValueRangeError
from riskwright.stats import CVaR, bootstrap_weights


@pytest.mark.parametrize(
    ("harms", "union", "risk"),
    [
        ([0.1, 0, 0, 0.2], 0.28, 0.328504),
        ([0.9, 0.5, 0.1, 0], 0.955, 3.101093),
        ([0.3] * 4, 0.7599, 1.4267),
        ([1, 0.2, 0.2, 0.2], 0.999999, 14.484941),
    ],
)
def test_union_and_log_risk_have_their_reference_values(harms, union, risk):
    assert union_harm([harms])[0] == pytest.approx(union, abs=5e-7)
    assert log_risk([harms])[0] == pytest.approx(risk, abs=5e-7 if risk != 1.4267 else 5e-5)


def test_cvar_splits_the_prompt_at_the_edge_of_the_tail():
    risk = np.arange(1, 902) / 901
    assert CVaR(0.95).of(risk) == pytest.approx(0.975554, abs=5e-7)
    profile = harm_profile(-np.expm1(-risk)[:, None], replicates=100)
    assert profile.cvar.value == pytest.approx(0.975554, abs=5e-7)
    assert CVaR(0.95).of([0.1, 0.9]) == pytest.approx(0.9)


def harms(n=300, d=3, seed=0):
    return np.random.default_rng(seed).beta(0.4, 4, size=(n, d))


def test_contributions_add_up_in_the_mean_and_in_the_tail():
    profile = harm_profile(harms(), replicates=100)
    parts = profile.dimensions
    assert sum(one.contribution.value for one in parts) == pytest.approx(profile.mean.value)
    assert sum(one.tail_contribution.value for one in parts) == pytest.approx(profile.cvar.value)
    assert sum(one.share for one in parts) == pytest.approx(1.0)
    assert all(one.cvar.value >= one.tail_contribution.value - 1e-12 for one in parts)


def test_prompts_that_tie_at_the_edge_share_the_tail():
    cells = np.array([[0.5, 0.0], [0.0, 0.5], [0.1, 0.0], [0.0, 0.0]] * 10)
    first, second = harm_profile(cells, tail=0.75, replicates=100).dimensions
    assert first.tail_contribution.value == pytest.approx(second.tail_contribution.value)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([0.5, 0.9, 0.95]))
def test_cvar_of_the_log_risk_is_the_tail_measure_of_the_rows(seed, n, tail):
    cells = np.round(np.random.default_rng(seed).random((n, 2)), 1) / 2
    profile = harm_profile(cells, tail=tail, replicates=100)
    assert profile.cvar.value == pytest.approx(CVaR(tail).of(log_risk(cells)))
    for part, column in zip(profile.dimensions, cells.T, strict=True):
        assert part.cvar.value == pytest.approx(CVaR(tail).of(log_risk(column[:, None])))


@given(st.integers(0, 10**6), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_figures_keep_their_order(seed, d):
    cells = np.random.default_rng(seed).random((12, d))
    profile = harm_profile(cells, replicates=100)
    least, most = profile.any_harm_bounds
    assert least.value <= profile.any_harm.value + 1e-12 <= most.value + 2e-12
    assert profile.mean.value <= profile.cvar.value + 1e-12
    assert profile.var.value <= profile.cvar.value + 1e-12
    for one in (profile.mean, profile.sd, profile.var, profile.cvar, profile.any_harm):
        assert one.low <= one.value <= one.high


def test_models_of_equal_mean_are_ordered_by_their_tails():
    even = np.full((200, 1), -math.expm1(-0.2))
    uneven = -np.expm1(-np.r_[np.full(180, 0.1), np.full(20, 1.1)])[:, None]
    flat, tailed = harm_profile(even, replicates=100), harm_profile(uneven, replicates=100)
    assert flat.mean.value == pytest.approx(tailed.mean.value)
    assert tailed.cvar.low > flat.cvar.value
    assert flat.cvar.low == pytest.approx(0.2)
    assert math.isnan(flat.mean.low)
    assert flat.sd.value == pytest.approx(0, abs=1e-6)


def test_clipped_harms_are_counted_and_said():
    cells = harms(50)
    cells[:3, 0] = 1.0
    profile = harm_profile(cells, replicates=100)
    assert profile.n_clipped == 3
    assert profile.findings[-1].code == "harm.clipped"
    assert set(profile.worst[:3]) == {0, 1, 2}


def test_judges_are_joined_and_their_disagreement_reported():
    one, other = harms(40, seed=1), harms(40, seed=2)
    third = one.copy()
    third[7] = 1 - third[7]
    judged = np.stack([one, one, third])
    profile = harm_profile(judged, aggregate="median", replicates=100)
    assert profile.mean.value == pytest.approx(harm_profile(one, replicates=100).mean.value)
    assert profile.disputed[0] == 7
    assert profile.disagreement.value == pytest.approx(judged.std(axis=0).mean())
    mean = harm_profile(np.stack([one, other]), replicates=100)
    assert mean.dimensions[0].harm.value == pytest.approx((one + other)[:, 0].mean() / 2)
    assert harm_profile(one[None], replicates=100).disagreement is None


def test_findings_are_graded_by_the_limit():
    low = harm_profile(harms() / 50, replicates=100)
    assert low.findings[0].severity == "medium"
    high = harm_profile(harms(), limit=0.2, replicates=100)
    assert (high.findings[0].code, high.findings[0].severity) == ("harm.tail", "high")
    none = harm_profile(np.zeros((30, 2)), replicates=100)
    assert none.findings[0].severity == "info"


def test_resampled_figures_are_those_of_the_rows_drawn():
    """Row 0 and every replicate: mean, spread and tail of the rows that its weights name."""
    cells = np.round(harms(60, 2), 2)
    parts = -np.log1p(-cells)
    found = _Resampled(_columns(cells, parts, None), 2, 0.9, 0.95)
    found.draw(7, np.random.default_rng(5))
    draws = next(bootstrap_weights(np.ones(60), np.random.default_rng(5), 7)).astype(int)
    for place, counts in enumerate([np.ones(60, int), *draws]):
        rows = np.repeat(np.arange(60), counts)
        risk = parts.sum(axis=1)
        assert found.sums[place, 0] + risk.mean() == pytest.approx(risk[rows].mean())
        assert found.values[place, 0] == pytest.approx(CVaR(0.9).of(risk[rows]))
        assert found.values[place, 4] == pytest.approx(CVaR(0.9).of(parts[rows, 1]))
    assert found.sd(1, "sd").value == pytest.approx(parts[:, 0].std())


def test_intervals_cover_the_truth():
    """n = 200; mean in closed form, CVaR by a large sample; 60 runs, error 0.028."""
    mean = 3 * (psi(4.4) - psi(4.0))
    tail = CVaR(0.95).of(log_risk(harms(400_000, seed=99)))
    runs = [harm_profile(harms(200, seed=seed), replicates=200, seed=seed) for seed in range(60)]
    assert sum(run.mean.low <= mean <= run.mean.high for run in runs) >= 53
    assert sum(run.cvar.low <= tail <= run.cvar.high for run in runs) >= 51


def test_few_prompts_have_no_intervals_and_the_same_seed_gives_the_same_profile():
    few = harm_profile(harms(5))
    assert math.isnan(few.cvar.low)
    assert math.isnan(few.var.high)
    assert few.findings[0].severity == "low"
    assert "nan" not in few.findings[0].sentence
    assert harm_profile(harms(30), seed=4) == harm_profile(harms(30), seed=4)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"harms": [[0.1, 1.2]]}, ValueRangeError),
        ({"harms": [[math.nan]]}, DataError),
        ({"harms": [0.1, 0.2]}, DataError),
        ({"harms": np.empty((0, 2))}, DataError),
        ({"harms": np.empty((0, 3, 2))}, DataError),
        ({"names": ["a"]}, ParameterError),
        ({"names": ["a", "a"]}, ParameterError),
        ({"aggregate": "max"}, ParameterError),
        ({"tail": 1.0}, ParameterError),
        ({"limit": 0.0}, ParameterError),
        ({"replicates": 5}, ParameterError),
        ({"level": 2}, ParameterError),
    ],
)
def test_bad_input_is_refused(change, error):
    with pytest.raises(error):
        harm_profile(**({"harms": [[0.1, 0.2], [0.3, 0.4]]} | change))
