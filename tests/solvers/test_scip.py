"""The search by SCIP against brute force, our own search and published optima."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from riskwright.core import ConstraintError, Feature, Item, ParameterError
from riskwright.solvers import CardProblem, Constraints, ItemRules, fold, search
from riskwright.solvers.constraints import Linear, LinearRow
from riskwright.solvers.scip import scip_margin, scip_search

pytest.importorskip("pyscipopt")

RANGE = 2
TOLERANCE = 2e-7


def table(rng, n_items, *, binary):
    X = rng.integers(0, 2, (80, n_items)) if binary else rng.normal(size=(80, n_items)).round(1)
    effect = rng.normal(size=n_items) * 1.5
    y = rng.random(80) < 1 / (1 + np.exp(-(X @ effect - (X @ effect).mean())))
    weight = rng.choice([0.5, 1.0, 2.5], 80)
    return X.astype(float), y.astype(np.uint8), weight


def card_problem(rng, n_items, *, unit, binary, **settings):
    X, y, weight = table(rng, n_items, binary=binary)
    patterns = fold([(X, y, weight)], n_items, binary=binary)
    rules = ItemRules.plain(n_items, RANGE)
    penalty = float(rng.choice([1e-6, 0.01]))
    return CardProblem(patterns, rules, max_terms=3, unit=unit, penalty=penalty, **settings)


def random_row(rng, n_items):
    """A limit that some points of the range meet, and the score without points often does not."""
    items = tuple(sorted(rng.choice(n_items, rng.integers(2, n_items + 1), replace=False).tolist()))
    coefficients = tuple(rng.choice([-2.0, -1.0, 0.3, 1.0, 1.5], len(items)).tolist())
    target = float(np.dot(coefficients, rng.integers(-1, 2, len(items))))
    sides = [(target, target), (target, np.inf), (-np.inf, target), (target - 0.5, target + 1)]
    return LinearRow(items, coefficients, *sides[rng.integers(4)])


def random_rules(rng, problem):
    """One or two linear limits, and now and then every other kind of rule."""
    d = problem.patterns.n_items
    linear = tuple(random_row(rng, d) for _ in range(rng.integers(1, 3)))
    rules = replace(problem.rules, linear=linear)
    if rng.random() < 0.4:
        rules = replace(rules, if_then=((0, (1, 2)),), at_most=(((1, 2), 1),))
    if rng.random() < 0.3:
        rules = replace(rules, required=((0, d - 1),))
    if rng.random() < 0.3:
        rules = replace(rules, low=(1.0, *rules.low[1:]), feature=(0, *range(d - 1)))
        problem = replace(problem, max_features=2)
    return replace(problem, rules=rules)


def permitted(problem, points):
    rules = problem.rules
    used = {j for j, p in enumerate(points) if p}
    return (
        len(used) <= problem.max_terms
        and len({rules.feature[j] for j in used}) <= (problem.max_features or 99)
        and all(rules.low[j] <= points[j] <= rules.high[j] for j in used)
        and all(used & set(group) for group in rules.required)
        and all(len(used & set(group)) <= most for group, most in rules.at_most)
        and all(first not in used or used & set(group) for first, group in rules.if_then)
        and all(
            row.low - 1e-7 <= sum(c * points[j] for j, c in zip(row.items, row.coefficients))
            and sum(c * points[j] for j, c in zip(row.items, row.coefficients)) <= row.high + 1e-7
            for row in rules.linear
        )
    )


def loss(problem, totals, slope, intercept):
    s = slope * totals + intercept
    patterns = problem.patterns
    terms = patterns.positive @ np.logaddexp(0, -s) + patterns.negative @ np.logaddexp(0, s)
    return terms / patterns.total


def fitted(problem, points):
    """Smallest loss of these points over intercepts and, in class "free", slopes."""
    totals = problem.patterns.dense() @ points
    if problem.unit:
        return min(loss(problem, totals, 1.0, b) for b in range(-8, 9))
    most = problem.max_log_odds / max(1, np.abs(points).max())
    patterns = problem.patterns
    weight = patterns.positive + patterns.negative

    def value_and_slope(at):
        risk = 1 / (1 + np.exp(-(at[0] * totals + at[1])))
        residual = (weight * risk - patterns.positive) / patterns.total
        return loss(problem, totals, *at), np.array([residual @ totals, residual.sum()])

    result = minimize(
        value_and_slope,
        [min(0.3, most), 0.0],
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, most), (-50, 50)],
        options={"ftol": 1e-15, "gtol": 1e-9},
    )
    return result.fun


def brute_force(problem):
    """The smallest objective of all permitted points, or None."""
    points = itertools.product(range(-RANGE, RANGE + 1), repeat=problem.patterns.n_items)
    objectives = [
        fitted(problem, np.array(p)) + problem.penalty * np.count_nonzero(p)
        for p in points
        if permitted(problem, p)
    ]
    return min(objectives, default=None)


def recomputed(problem, found):
    totals = problem.patterns.dense()[:, list(found.items)] @ np.array(found.points, dtype=float)
    value = loss(problem, totals, found.slope, found.intercept)
    return value + problem.penalty * len(found.items)


def assert_proved(problem, result, optimum):
    points = np.zeros(problem.patterns.n_items, dtype=int)
    points[list(result.best.items)] = result.best.points
    assert permitted(problem, points)
    assert result.complete
    assert result.best.objective == pytest.approx(recomputed(problem, result.best), abs=1e-12)
    assert result.best.objective == pytest.approx(optimum, abs=TOLERANCE)
    assert result.lower_bound <= optimum + 1e-12
    assert result.best.objective - result.lower_bound <= 2 * scip_margin(problem)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_equals_brute_force_under_linear_limits_when_points_are_log_odds(seed, binary):
    rng = np.random.default_rng([seed, binary])
    problem = random_rules(rng, card_problem(rng, 4, unit=True, binary=binary))
    optimum = brute_force(problem)
    result = scip_search(problem)
    if optimum is None:
        assert result.best is None
        assert result.complete
    else:
        assert_proved(problem, result, optimum)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_equals_brute_force_under_linear_limits_with_a_free_slope(seed, binary):
    rng = np.random.default_rng([seed, 7, binary])
    problem = random_rules(rng, card_problem(rng, 3, unit=False, binary=binary, max_log_odds=4.0))
    optimum = brute_force(problem)
    result = scip_search(problem)
    if optimum is None:
        assert result.best is None
        assert result.complete
    else:
        assert_proved(problem, result, optimum)
