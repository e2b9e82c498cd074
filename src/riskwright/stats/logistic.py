"""The logistic function, and penalised logistic regression of shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["logistic_coefficients", "probability"]

Floats = NDArray[np.float64]
_STEPS = 100
_FARTHEST = 500.0


def probability(log_odds: Floats) -> Floats:
    """The standard logistic function, without overflow."""
    found: Floats = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -_FARTHEST, _FARTHEST)))
    return found


def logistic_coefficients(
    rows: Floats,
    share: Floats,
    weight: Floats,
    *,
    ridge: Any = 0.0,
    offset: Any = 0.0,
    start: Floats | None = None,
) -> Floats:
    """(d,) coefficients of the logistic regression of `share` on `rows`, by damped Newton steps.

    Parameters
    ----------
    rows : (n, d), a column of ones among them where a constant is wanted.
    share : (n,) outcomes in [0, 1]. Without a ridge there is a finite optimum where all lie in
        (0, 1), or where no direction tells the outcomes apart.
    weight : (n,) positive.
    ridge : half of it times the squared coefficients is added to the loss; a number, or (d,).
    offset : (n,) of the log-odds, or a number.
    start : (d,) where to begin, by default at 0.

    Examples
    --------
    >>> logistic_coefficients(np.ones((2, 1)), np.array([0.2, 0.6]), np.ones(2)).round(4)
    array([-0.4055])
    """
    here = np.zeros(rows.shape[1]) if start is None else start

    def loss(at: Floats) -> float:
        odds = rows @ at + offset
        return float(weight @ (np.logaddexp(0.0, odds) - share * odds) + np.sum(ridge * at**2) / 2)

    now = loss(here)
    for _ in range(_STEPS):
        p = probability(rows @ here + offset)
        slope = rows.T @ (weight * (p - share)) + ridge * here
        bend = (rows.T * (weight * p * (1.0 - p))) @ rows + ridge * np.eye(len(here))
        bend += (1e-9 * np.trace(bend) + 1e-12) * np.eye(len(here))
        step = np.linalg.solve(bend, slope)
        gain = float(slope @ step)
        size = 1.0
        while size > 1e-9 and (then := loss(here - size * step)) > now - 1e-4 * size * gain:
            size /= 2.0
        if gain < 1e-14 or size <= 1e-9:
            break
        here, now = here - size * step, then
    return here
