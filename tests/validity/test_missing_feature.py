"""Size and power of the missing-feature test, and of the bands of distillations, by simulation.

150 worlds each: the Monte-Carlo standard error of a rate of 5 % is 1.8 points; two of them are
granted, and two points more to asymptotics at these sizes.
"""

import numpy as np
import pytest

from riskwright.explanation.additive import sigmoid
from riskwright.explanation.distillation import distill
from riskwright.explanation.missing_feature import missing_feature_test

WORLDS, ALLOWED = 150, 0.05 + 2 * 0.018 + 0.02


def draw(rng, n, hidden=0.0, score="noisy"):
    """A random audited world: curves of four columns, another mix of them in the score."""
    X, u = rng.normal(size=(n, 4)), rng.normal(size=n)
    curves = np.array([X[:, 0], np.sin(2 * X[:, 1]), np.abs(X[:, 2]), X[:, 3] > 0.5])
    f = rng.normal(size=4) @ curves + hidden * u
    g = rng.normal(size=4) @ curves + hidden * u + rng.normal(size=n)
    given = {"noisy": g, "risk": sigmoid(f + 0.5 * rng.normal(size=n)), "cut": np.round(2 * g)}
    return given[score], rng.random(n) < sigmoid(f - f.mean()), X


def rate(rng, **world):
    found = [
        missing_feature_test(*draw(rng, 1500, **world), repeats=1, pairs=2) for _ in range(WORLDS)
    ]
    return np.mean([f.p_value < 0.05 for f in found]), found


@pytest.mark.validity
@pytest.mark.parametrize("score", ["noisy", "risk", "cut"])
def test_size(score):
    assert rate(np.random.default_rng(1), score=score)[0] <= ALLOWED


@pytest.mark.validity
def test_power_rises_with_what_is_hidden():
    rng = np.random.default_rng(2)
    rates = [rate(rng, hidden=h)[0] for h in (0.3, 0.6, 1.0)]
    assert rates[0] < rates[1] < rates[2]
    assert rates[2] > 0.95


@pytest.mark.validity
def test_no_accusation_of_scores_that_are_right():
    """A score with a hidden part, right for everyone: some feature differs 5 % of times."""
    rng = np.random.default_rng(3)
    accused = 0
    for _ in range(2 * WORLDS):
        X, u = rng.normal(size=(2000, 3)), rng.normal(size=2000)
        f = 0.8 * X[:, 0] + np.sin(X[:, 1]) + 0.5 * u - 0.5
        found = distill(f, X, outcome=rng.random(2000) < sigmoid(f), bins=16)
        accused += any(shape.differs for shape in found.shapes)
    assert accused / (2 * WORLDS) <= 0.05 + 2 * 0.0126 + 0.02
