"""Proportional odds for three ordered levels: the loss, its gradient, and fits that use it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cumulative", "fit_linear", "fit_scale", "ordinal_loss"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def cumulative(eta: Floats, cuts: tuple[float, float]) -> tuple[Floats, Floats]:
    """P(level >= 1) and P(level >= 2) of linear predictors: sigma(eta - cut), the cuts rising."""
    from scipy.special import expit

    return expit(eta - cuts[0]), expit(eta - cuts[1])


def ordinal_loss(
    eta: Floats, start: float, log_gap: float, level: Integers
) -> tuple[float, Floats, float, float]:
    """Sum of -log P(level) and its gradients.

    Parameters
    ----------
    eta : linear predictors, shape (n,)
    start, log_gap : the cuts are `start` and `start` + exp(`log_gap`).
    level : 0, 1 or 2, shape (n,)

    Returns
    -------
    loss, gradient in eta (shape (n,)), in start, in log_gap

    Notes
    -----
    O(n). McCullagh (1980), JRSS B 42:109. With a = eta - cut1 > b = eta - cut2 and g their
    difference, the middle level has sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - exp(-g)), which
    no rounding takes below 0.
    """
    from scipy.special import expit

    gap = float(np.exp(log_gap))
    a, b = eta - start, eta - start - gap
    low, middle, high = level == 0, level == 1, level == 2
    loss = np.where(low | (level < 0), np.logaddexp(0, a), np.logaddexp(0, -b))
    inner = np.logaddexp(0, -a) + np.logaddexp(0, b) - np.log(-np.expm1(-gap))
    loss = np.where(middle, inner, loss)
    in_a = np.where(low, expit(a), np.where(middle, -expit(-a), 0.0))
    in_b = np.where(high, -expit(-b), np.where(middle, expit(b), 0.0))
    in_gap = -float(in_b.sum()) - float(middle.sum()) / float(np.expm1(gap))
    return float(loss.sum()), in_a + in_b, -float((in_a + in_b).sum()), in_gap * gap


def _first_cuts(level: Integers) -> list[float]:
    """The cuts that give each level its share at a predictor of 0, as start and log gap."""
    above = np.array([(level >= 1).mean(), (level >= 2).mean()]).clip(0.01, 0.99)
    cuts = -np.log(above / (1 - above))
    return [float(cuts[0]), float(np.log(max(cuts[1] - cuts[0], 0.1)))]


def fit_linear(
    X: Any, level: Integers, penalty: float, *, prior: Floats | None = None
) -> tuple[Floats, tuple[float, float]]:
    """Coefficients and cuts of the penalised fit; X dense or sparse, shape (n, d).

    Minimises the loss + penalty / 2 |coef|^2. With a `prior` of shape (d,) the coefficients are at
    least 0 and are drawn to a positive multiple of the prior, which is found as well, instead of
    to 0. L-BFGS-B, O(nnz) a step.
    """
    from scipy.optimize import minimize

    d = X.shape[1]
    centre = np.zeros(d) if prior is None else prior

    def objective(v: Floats) -> tuple[float, Floats]:
        coef, scale = v[3:], v[2] if prior is not None else 0.0
        loss, in_eta, in_start, in_gap = ordinal_loss(X @ coef, v[0], v[1], level)
        away = coef - scale * centre
        gradient = np.empty_like(v)
        gradient[:2] = in_start, in_gap
        gradient[2] = -penalty * float(away @ centre)
        gradient[3:] = X.T @ in_eta + penalty * away
        return loss + penalty / 2 * float(away @ away), gradient

    first = np.concatenate([_first_cuts(level), [0.2], 0.2 * centre])
    free, sign = (None, None), (0.0, None)
    bounds = None if prior is None else [free, (-7.0, 4.0), (0.02, 5.0), *[sign] * d]
    steps = {"maxiter": 200, "ftol": 1e-8}
    found = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options=steps).x
    return found[3:], (float(found[0]), float(found[0] + np.exp(found[1])))


def fit_scale(total: Floats, level: Integers) -> tuple[float, tuple[float, float], float]:
    """Slope > 0 and cuts for one score, and the loss that they reach.

    A slope penalty of 1e-3 per squared unit of the standardised score keeps it finite where the
    levels are separated.
    """
    from scipy.optimize import minimize

    spread = float(total.std()) or 1.0

    def objective(v: Floats) -> tuple[float, Floats]:
        loss, in_eta, in_start, in_gap = ordinal_loss(v[2] * total / spread, v[0], v[1], level)
        slope = float(in_eta @ total) / spread + 1e-3 * v[2]
        return loss + 5e-4 * float(v[2] ** 2), np.array([in_start, in_gap, slope])

    first = np.array([*_first_cuts(level), 1.0])
    bounds = [(None, None), (-7.0, 6.0), (1e-6, None)]
    found = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds)
    cuts = (float(found.x[0]), float(found.x[0] + np.exp(found.x[1])))
    return float(found.x[2]) / spread, cuts, float(found.fun)
