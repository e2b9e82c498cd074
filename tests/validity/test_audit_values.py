"""Intervals of harms, data values and familiarity cover what they state, over many samples."""

import numpy as np
import pytest
from scipy.special import psi

from riskwright.audit.data_values import knn_data_values, knn_shapley
from riskwright.audit.familiarity import Familiarity
from riskwright.audit.harm_tails import harm_profile, log_risk
from riskwright.stats import CVaR

pytestmark = pytest.mark.validity


def harms(n, seed):
    return np.random.default_rng(seed).beta(0.4, 4, size=(n, 3))


@pytest.mark.parametrize(("n", "least"), [(200, 0.905), (901, 0.917)])
def test_profiles_of_harm_cover(n, least):
    """Level 0.95, 400 samples, error 0.011; CVaR rests on 10 and 45 prompts."""
    mean = 3 * (psi(4.4) - psi(4.0))
    tail = CVaR(0.95).of(log_risk(harms(2_000_000, 1)))
    hits = np.zeros(2)
    for seed in range(400):
        found = harm_profile(harms(n, [77, seed]), replicates=400, seed=seed)
        hits += [
            one.low <= truth <= one.high for one, truth in ((found.mean, mean), (found.cvar, tail))
        ]
    assert hits.min() / 400 >= least


def test_the_joint_cost_of_negative_rows_covers():
    """Level 0.95, 600 samples of 100 validation rows, error 0.009."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = ((X[:, 0] > 0) ^ (np.arange(200) < 20)).astype(int)
    fresh = rng.normal(size=(20_000, 2))
    per_row = knn_shapley(X, y, fresh, (fresh[:, 0] > 0).astype(int))
    covered = 0
    for seed in range(600):
        points = np.random.default_rng([7, seed]).normal(size=(100, 2))
        truth = (points[:, 0] > 0).astype(int)
        harm = knn_data_values(X, y, points, truth, seed=seed).report().harm
        first = np.sort(np.random.default_rng([seed]).permutation(100)[:50])
        picked = knn_shapley(X, y, points[first], truth[first]) < 0
        covered += harm.low <= -per_row[picked].sum() <= harm.high
    assert covered / 600 >= 0.92


def test_familiarity_finds_no_drift_where_there_is_none():
    """One-sided error 0.025 at most, 800 samples, error 0.0055."""
    found = 0
    for seed in range(800):
        rng = np.random.default_rng(seed)
        report = (
            Familiarity(seed=seed).fit(rng.normal(size=(400, 3))).report(rng.normal(size=(200, 3)))
        )
        found += report.excess.low > 0
    assert found / 800 <= 0.042
