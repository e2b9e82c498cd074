"""Intervals under selective labels cover, and constraints bring the fit nearer to the truth.

100 draws of 2,000 rows for each set of constraints. The coverage of one interval has a Monte-Carlo
standard error of 2.2 points at 95 %; each must reach 88 % (three of them), their mean 93 %.
"""

import math

import numpy as np
import pytest
from scipy.special import expit

from riskwright.audit.selective_labels import selective_labels

DRAWS = 100
RISK = np.array([-2.0, 0.7, -0.5, 0.6, 0.4, 0.0])
POLICY = np.array([0.5, 0.8, -0.6, 0.0, 0.0, 0.0])

pytestmark = pytest.mark.validity


def draw(n, rng):
    X = rng.normal(size=(n, 5))
    r = RISK[0] + X @ RISK[1:] + rng.normal(size=n)
    outcome = rng.random(n) < expit(r)
    observed = rng.random(n) < expit(r + POLICY[0] + X @ POLICY[1:])
    return X, outcome, observed


@pytest.fixture(scope="module")
def truth():
    _, outcome, observed = draw(3_000_000, np.random.default_rng(1))
    return outcome.mean(), outcome[~observed].mean()


@pytest.fixture(scope="module")
def errors():
    return {}


@pytest.mark.parametrize("constraints", ["none", "prevalence", "expertise", "both"])
def test_intervals_cover(constraints, truth, errors):
    rate, unseen = truth
    given = {} if constraints in ("none", "expertise") else {"prevalence": float(rate)}
    given |= {} if constraints in ("none", "prevalence") else {"expertise": ["x0", "x1"]}
    rng, held, off = np.random.default_rng(7), [], []
    for _ in range(DRAWS):
        X, outcome, observed = draw(2000, rng)
        fit = selective_labels(X, outcome, observed, **given)
        risk, policy = fit.coefficients, fit.policy
        wanted = dict(zip(["intercept", "x0", "x1", "x2", "x3", "x4"], POLICY, strict=True))
        told = [*risk.values(), *policy.values(), fit.unobserved_sd, fit.report().risk_unobserved]
        true = [*RISK, *[wanted[name] for name in policy], 1.0, unseen]
        held.append([e.low <= t <= e.high for e, t in zip(told, true, strict=True)])
        off.append([abs(e.value - t) for e, t in zip(risk.values(), RISK, strict=True)])
    coverage = np.mean(held, axis=0)
    assert coverage.mean() > 0.93
    assert coverage.min() > 0.95 - 3 * math.sqrt(0.95 * 0.05 / DRAWS)
    errors[constraints] = np.mean(off), np.mean(off, axis=0)[0]


def test_each_constraint_helps(errors):
    """The order of Balachandar et al.; prevalence helps most where the intercept is in doubt."""
    assert len(errors) == 4, "runs after the simulation above"
    mean = {name: value[0] for name, value in errors.items()}
    assert mean["both"] < mean["prevalence"] < mean["expertise"] < mean["none"]
    assert errors["prevalence"][1] < 0.4 * errors["none"][1]


@pytest.mark.parametrize("lack", [0.0, -1.2])
def test_groups_are_named_under_tested_where_they_are(lack):
    """Falsely in at most 5 % of draws (two standard errors allowed), rightly in most."""
    rng, named = np.random.default_rng(8), np.zeros(2)
    for _ in range(DRAWS):
        group = (rng.random(1500) < 0.4).astype(float)
        age = rng.normal(size=1500)
        r = -1 + 0.8 * age + 0.5 * group + rng.normal(size=1500)
        outcome = rng.random(1500) < expit(r)
        observed = rng.random(1500) < expit(r + 1 + lack * group)
        columns = {"age": age, "b": group}
        fit = selective_labels(columns, outcome, observed, expertise=["b"])
        named += [g.under_tested for g in fit.undertested(group)]
    assert named[0] <= (0.05 + 2 * math.sqrt(0.05 * 0.95 / DRAWS)) * DRAWS
    if lack == 0:
        assert named[1] <= (0.05 + 2 * math.sqrt(0.05 * 0.95 / DRAWS)) * DRAWS
    else:
        assert named[1] > 0.8 * DRAWS
