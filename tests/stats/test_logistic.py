"""Logistic regression of shares: the optimum by another method, weights, offsets, closed forms."""

import numpy as np
import pytest
from scipy.optimize import minimize

from riskwright.stats.logistic import logistic_coefficients, probability
from riskwright.stats.shares import counted_share


@pytest.mark.parametrize("ridge", [0.0, 0.7, "free constant"])
def test_coefficients_are_the_optimum(ridge):
    rng = np.random.default_rng(0)
    rows = np.column_stack([np.ones(50), rng.normal(size=(50, 2)) * [1, 30]])
    share, weight, offset = rng.random(50), rng.uniform(0.2, 3, 50), rng.normal(size=50)
    size = np.array([0.0, 2.0, 2.0]) if ridge == "free constant" else ridge

    def loss(at):
        odds = rows @ at + offset
        told = weight @ (np.logaddexp(0, odds) - share * odds)
        return told + np.sum(size * at**2) / 2

    found = logistic_coefficients(rows, share, weight, ridge=size, offset=offset)
    best = minimize(
        loss,
        np.zeros(3),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "maxiter": 9999, "fatol": 1e-14},
    )
    assert loss(found) <= best.fun + 1e-10
    again = logistic_coefficients(rows, share, weight, ridge=size, offset=offset, start=np.ones(3))
    np.testing.assert_allclose(again, found, atol=1e-6)


def test_a_constant_is_the_log_odds_of_the_weighted_share():
    share, weight = np.array([0.1, 0.9, 0.9]), np.array([2.0, 1.0, 1.0])
    (found,) = logistic_coefficients(np.ones((3, 1)), share, weight)
    assert probability(found) == pytest.approx(0.5, abs=1e-9)


def test_probabilities_never_overflow():
    found = probability(np.array([-1e9, -2.0, 0.0, 2.0, 1e9]))
    np.testing.assert_allclose(found[1:4], [1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2))])
    assert 0 < found[0] < 1e-200
    assert found[4] == 1


def test_counted_shares():
    one = counted_share("a", 3, 10, 0.9, "clopper_pearson")
    assert (one.value, one.n, one.level, one.method) == (0.3, 10, 0.9, "Clopper-Pearson")
    assert one.low < counted_share("a", 3, 10, 0.9).low < 0.3
    none = counted_share("a", 0, 0, nothing="nobody")
    assert np.isnan([none.value, none.low, none.high]).all()
    assert none.method == "none: nobody"
