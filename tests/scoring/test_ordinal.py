"""Proportional odds: the loss against its closed form, its gradient, and recovery of the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from riskwright.scoring.ordinal import cumulative, fit_linear, fit_scale, ordinal_loss


def test_the_loss_is_minus_the_log_of_the_probability_of_the_level() -> None:
    rng = np.random.default_rng(0)
    eta, level = rng.normal(size=50), rng.integers(0, 3, 50)
    start, gap = -0.4, 1.3
    some, high = expit(eta - start), expit(eta - start - gap)
    p = np.column_stack([1 - some, some - high, high])
    assert np.allclose(
        np.column_stack(cumulative(eta, (start, start + gap))), p[:, 1:] + np.c_[high, 0 * high]
    )
    loss = ordinal_loss(eta, start, np.log(gap), level)[0]
    assert loss == pytest.approx(-np.log(p[np.arange(50), level]).sum(), rel=1e-12)


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    eta, level = rng.normal(size=20), rng.integers(0, 3, 20)
    at = np.array([0.3, -0.2])
    _, in_eta, in_start, in_gap = ordinal_loss(eta, *at, level)
    h = 1e-6

    def numeric(change: object) -> float:
        up, down = change(h), change(-h)  # type: ignore[operator]
        return float((up - down) / (2 * h))

    assert in_start == pytest.approx(
        numeric(lambda t: ordinal_loss(eta, at[0] + t, at[1], level)[0]), rel=1e-6
    )
    assert in_gap == pytest.approx(
        numeric(lambda t: ordinal_loss(eta, at[0], at[1] + t, level)[0]), rel=1e-6
    )
    for k in range(20):
        one = np.eye(20)[k]
        found = numeric(lambda t, one=one: ordinal_loss(eta + t * one, *at, level)[0])
        assert in_eta[k] == pytest.approx(found, rel=1e-5, abs=1e-8)


def test_far_away_predictors_keep_the_loss_finite() -> None:
    loss, in_eta, *rest = ordinal_loss(np.array([-900.0, 0, 900]), 0.0, 0.0, np.array([2, 1, 0]))
    assert np.isfinite([loss, *in_eta, *rest]).all()


def simulated(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    X = rng.normal(size=(n, 2))
    noise = rng.logistic(size=n)
    return X, np.digitize(X @ [1.5, -0.5] + noise, [-0.5, 1.0])


def test_the_truth_is_found_again() -> None:
    X, level = simulated(np.random.default_rng(2), 20_000)
    coef, cuts = fit_linear(X, level, 1e-6)
    assert coef == pytest.approx([1.5, -0.5], abs=0.08)  # about 4 standard errors
    assert cuts == pytest.approx([-0.5, 1.0], abs=0.08)
    slope, cuts, _ = fit_scale(3 * X @ [1.5, -0.5], level)
    assert slope == pytest.approx(1 / 3, abs=0.02)
    assert cuts == pytest.approx([-0.5, 1.0], abs=0.08)


def test_a_prior_holds_where_the_data_say_nothing() -> None:
    X, level = simulated(np.random.default_rng(3), 2000)
    X = np.column_stack([X[:, 0], np.zeros(2000)])
    coef, _ = fit_linear(X, level, 1.0, prior=np.array([2.0, 4.0]))
    assert coef[0] == pytest.approx(1.4, abs=0.2)
    assert coef[1] == pytest.approx(2 * coef[0], rel=0.05)
    coef, _ = fit_linear(-X, level, 1.0, prior=np.array([2.0, 4.0]))
    assert (coef >= 0).all()
    assert coef[0] < 0.01
