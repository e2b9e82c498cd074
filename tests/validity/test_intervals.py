"""Intervals of the metrics cover the true value as often as they say, by simulation.

Each world draws 1,500 rows 1,000 times; the truth is the figure of 4,000,000 rows of that world.
The Monte-Carlo standard error of a coverage of 95 % over 1,000 draws is 0.7 percentage points, so
that three of them are 2.1 points; one point more is granted to the asymptotics at this size.
"""

import math

import numpy as np
import pytest
from scipy.special import expit

from riskwright.metrics import evaluate

DRAWS, ROWS, TRUTH_ROWS, LEVEL = 1000, 1500, 4_000_000, 0.95
MONTE_CARLO = math.sqrt(LEVEL * (1 - LEVEL) / DRAWS)
SLACK = 3 * MONTE_CARLO + 0.01
CONSERVATIVE = {"calibration_error", "smooth_calibration_error"}


def calibrated(x, rng):
    risk = expit(1.2 * x - 1.2)
    return risk, risk, None


def overfitted(x, rng):
    logit = 1.2 * x - 1.2
    return expit(logit), expit(1.6 * logit + 0.4), None


def card(x, rng):
    """Eight or so distinct predictions, nearly calibrated."""
    return expit(1.2 * x - 1.2), expit(1.2 * np.round(x) - 1.2), None


def weighted(x, rng):
    """Weights that vary and depend on the risk: effective size about three quarters."""
    return expit(1.2 * x - 1.2), expit(x - 1.0), np.exp(rng.normal(0.3 * x, 0.4))


def strong(x, rng):
    return expit(4 * x - 4), expit(3.2 * x - 3), None


def draw(world, n, rng):
    x = rng.normal(size=n)
    risk, p, w = world(x, rng)
    result = evaluate(rng.random(n) < risk, p, sample_weight=w, level=LEVEL)
    return {"prevalence": result.prevalence, **result.overall}


@pytest.mark.validity
@pytest.mark.parametrize("world", [calibrated, overfitted, card, weighted, strong])
def test_intervals_cover_the_truth(world):
    rng = np.random.default_rng(20240501)
    truth = {name: figure.value for name, figure in draw(world, TRUTH_ROWS, rng).items()}
    below = dict.fromkeys(truth, 0)
    above = dict.fromkeys(truth, 0)
    for _ in range(DRAWS):
        for name, figure in draw(world, ROWS, rng).items():
            below[name] += truth[name] < figure.low
            above[name] += truth[name] > figure.high
    coverage = {name: 1 - (below[name] + above[name]) / DRAWS for name in truth}
    too_low = {name: c for name, c in coverage.items() if c < LEVEL - SLACK}
    too_high = {
        name: c for name, c in coverage.items() if c > LEVEL + SLACK and name not in CONSERVATIVE
    }
    assert (too_low, too_high) == ({}, {})
    one_sided = {name for name in truth if max(below[name], above[name]) > DRAWS * 0.055}
    assert one_sided == set()
