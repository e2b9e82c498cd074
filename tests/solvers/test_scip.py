"""The search by SCIP against brute force, our own search and published optima."""

from __future__ import annotations

import _thread
import builtins
import importlib
import itertools
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from riskwright.core import (
    ConstraintError,
    Feature,
    Item,
    MissingExtraError,
    ParameterError,
    SearchError,
)
from riskwright.scoring import RiskScoreClassifier, ScoringSystemClassifier
from riskwright.solvers import (
    CardProblem,
    Constraints,
    IfThen,
    ItemRules,
    Linear,
    LinearRow,
    fold,
    scip_search,
    search,
)

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
        and all(row.low - 1e-7 <= weighed(row, points) <= row.high + 1e-7 for row in rules.linear)
    )


def weighed(row, points):
    return sum(c * points[j] for j, c in zip(row.items, row.coefficients, strict=True))


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
        bounds=[(problem.min_slope, most), (-50, 50)],
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
    assert result.best.objective - result.lower_bound <= result.margin <= 1e-6


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


@pytest.mark.parametrize(("unit", "binary"), [(True, False), (False, True)])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_our_own_search_where_there_are_no_linear_limits(seed, unit, binary):
    rng = np.random.default_rng([seed, 3, unit])
    problem = card_problem(rng, 7, unit=unit, binary=binary)
    rules = replace(ItemRules.plain(7, 4), required=((2, 5),), at_most=(((0, 1, 3), 1),))
    problem = replace(problem, rules=rules)
    assert_proved(problem, scip_search(problem), search(problem).best.objective)


def shared_problem(name, **settings):
    root = os.environ.get("RISKWRIGHT_SHARED") or Path(__file__).parents[3] / "shared"
    path = Path(root) / "data" / "table" / name / f"{name}_data.csv"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    y, X = (rows[:, 0] > 0).astype(np.uint8), rows[:, 1:]
    patterns = fold([(X, y, None)], X.shape[1], binary=bool(np.isin(X, (0, 1)).all()))
    return CardProblem(patterns, ItemRules.plain(X.shape[1], 5), max_terms=5, **settings)


@pytest.mark.parametrize(("name", "optimum"), [("breastcancer", 0.1133646), ("mammo", 0.4685592)])
def test_proves_the_known_optimum_of_medical_data(name, optimum):
    result = scip_search(shared_problem(name, unit=True))
    assert result.complete
    assert result.best.objective == pytest.approx(optimum, abs=6e-8)
    assert 0 <= result.best.objective - result.lower_bound <= result.margin


@pytest.fixture(scope="module")
def hard():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(600, 20)).round(2)
    y = (rng.random(600) < 1 / (1 + np.exp(-X @ rng.normal(size=20) * 0.5))).astype(np.uint8)
    patterns = fold([(X, y, None)], 20, binary=False)
    total = LinearRow(tuple(range(20)), (1.0,) * 20, 2.0, 2.0)
    rules = replace(ItemRules.plain(20, 5), linear=(total,))
    return CardProblem(patterns, rules, max_terms=8, unit=True)


def test_time_limit_returns_a_card_and_a_bound_that_holds(hard):
    begin = time.monotonic()
    result = scip_search(hard, time_limit=1.5)
    assert time.monotonic() - begin < 10
    assert result.out_of_time
    assert not result.complete
    assert sum(result.best.points) == 2
    assert 0.3 < result.lower_bound < result.best.objective
    assert result.best.objective == pytest.approx(recomputed(hard, result.best), abs=1e-12)


def test_no_time_at_all_still_gives_the_bound_of_the_relaxation(hard):
    result = scip_search(replace(hard, rules=replace(hard.rules, linear=())), time_limit=0.0)
    assert result.out_of_time
    assert 0.3 < result.lower_bound < result.best.objective


def test_gap_tolerance_ends_the_search_within_the_gap(hard):
    result = scip_search(hard, gap_tolerance=0.22, time_limit=30.0)
    assert not result.out_of_time
    assert not result.complete
    assert result.best.objective - result.lower_bound <= 0.22 * result.best.objective


def test_progress_reports_bounds_and_interrupting_keeps_the_best_card(hard):
    states = []

    def progress(state):
        states.append(state)
        if len(states) == 5:
            _thread.interrupt_main()

    result = scip_search(hard, progress=progress)
    assert result.interrupted
    assert sum(result.best.points) == 2
    assert {"phase", "elapsed", "objective", "lower_bound", "gap", "share"} <= set(states[-1])
    assert 0 < states[-1]["lower_bound"] <= states[-1]["objective"]
    assert result.lower_bound >= states[-1]["lower_bound"]


def test_without_proof_it_ends_early_with_a_card_that_meets_the_limits(hard):
    result = scip_search(hard, certify=False, time_limit=30.0)
    assert not result.complete
    assert not result.out_of_time
    assert sum(result.best.points) == 2


def test_gives_the_same_card_and_bound_each_time():
    rng = np.random.default_rng(4)
    problem = random_rules(rng, card_problem(rng, 4, unit=False, binary=False, pool_tolerance=0.1))
    first, second = (replace(scip_search(problem, threads=t), seconds=0.0) for t in (1, 2))
    assert first == second
    assert first.pool[0] == first.best


def test_looser_tolerances_are_tried_where_linear_programs_fail(monkeypatch):
    from riskwright.solvers import scip_model

    margins = []
    solve = scip_model.CardModel.solve

    def fails_at_first(card):
        margins.append(card.margin)
        if len(margins) == 1:
            card.unsolvable = True
        else:
            solve(card)

    rng = np.random.default_rng(2)
    problem = card_problem(rng, 4, unit=True, binary=True)
    monkeypatch.setattr(scip_model.CardModel, "solve", fails_at_first)
    result = scip_search(problem)
    assert margins[0] < margins[1]
    assert result.lower_bound <= result.best.objective - margins[1]
    monkeypatch.setattr(
        scip_model.CardModel, "solve", lambda card: setattr(card, "unsolvable", True)
    )
    with pytest.raises(SearchError, match="linear programs"):
        scip_search(problem)


def test_an_error_within_a_callback_reaches_the_caller(monkeypatch):
    from riskwright.solvers import scip_model

    def broken(self, effects):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(scip_model._Rounding, "_rounded", broken)
    problem = card_problem(np.random.default_rng(2), 4, unit=True, binary=True)
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        scip_search(problem)


# Constraints by name


FEATURES = (Feature(name="age", type="numeric"), Feature(name="site", type="categorical"))
ITEMS = (
    Item(feature="age", kind="ge", label="age ≥ 50", low=50.0),
    Item(feature="age", kind="ge", label="age ≥ 65", low=65.0),
    Item(feature="site", kind="in", label="site = lung", levels=("lung",)),
)


def resolve(constraints, max_terms=3):
    return constraints.resolve(
        ITEMS,
        FEATURES,
        (0, 0, 1),
        max_terms=max_terms,
        max_features=None,
        max_points=5,
        max_intercept=50.0,
    )


def test_a_columns_name_means_all_its_items():
    rules = resolve(
        Constraints(linear=(Linear(of={"age": 1.0, "age ≥ 65": 2.0, "site": -0.5}, high=3.0),))
    )
    assert rules.linear == (LinearRow((0, 1, 2), (1.0, 3.0, -0.5), high=3.0),)
    assert rules.sentences == ("points of age + 2 × age ≥ 65 − 0.5 × site at most 3",)


@pytest.mark.parametrize(
    ("constraints", "max_terms", "conflict"),
    [
        (
            Constraints(linear=(Linear(of={"age": 1.0}, low=11.0),)),
            3,
            ("points of age at least 11",),
        ),
        (
            Constraints(linear=(Linear(of={"age": 1.0}, low=6.0),), exclude=("site",)),
            1,
            ("points of age at least 6", "at most 1 terms"),
        ),
        (
            Constraints(
                linear=(
                    Linear(of={"age ≥ 50": 2.0, "site": 2.0}, low=3.0, high=3.0),
                    Linear(of={"age ≥ 65": 1.0}, high=4.0),
                ),
                sign={"age": "+"},
            ),
            3,
            ("points of 2 × age ≥ 50 + 2 × site at least 3 and at most 3",),
        ),
        (
            Constraints(
                linear=(
                    Linear(of={"age ≥ 65": 1.0}, low=1.0),
                    Linear(of={"site": 1.0}, low=0, high=0),
                ),
                if_then=(IfThen(use="age ≥ 65", then="site"),),
            ),
            3,
            (
                "if age ≥ 65 then site",
                "points of age ≥ 65 at least 1",
                "points of site at least 0 and at most 0",
            ),
        ),
    ],
)
def test_limits_that_clash_are_named(constraints, max_terms, conflict):
    with pytest.raises(ConstraintError) as caught:
        resolve(constraints, max_terms)
    assert set(caught.value.conflict) == set(conflict)


@pytest.mark.parametrize(
    "limit",
    [
        Linear(of={}, low=0.0),
        Linear(of={"age": float("nan")}, low=0.0),
        Linear(of={"age": 1.0}, low=2.0, high=1.0),
        Linear(of={"age": 1.0}, high=float("inf")),
        Linear(of={"ages": 1.0}, high=1.0),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(limit):
    with pytest.raises(ParameterError):
        resolve(Constraints(linear=(limit,)))


# The estimators


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (400, 5)).astype(float)
    y = rng.random(400) < 1 / (1 + np.exp(2 - 2 * X[:, 0] - X[:, 3] + X[:, 1]))
    return X, y.astype(int)


def test_classifier_holds_linear_limits_and_its_certificate_is_verified(rows):
    limits = Constraints(
        linear=(Linear(of={"x0": 1.0, "x3": -1.0}, high=0.0), Linear(of={"x1": 1.0}, low=1.0))
    )
    for scale in ("unit", "free"):
        model = RiskScoreClassifier(max_terms=3, max_points=3, scale=scale, constraints=limits)
        model.fit(*rows)
        points = model.points_
        assert points[0] <= points[3]
        assert points[1] >= 1
        assert model.certificate_.method == "scip"
        assert model.certificate_.status == "optimal"
        assert "points of x1 at least 1" in model.certificate_.constraints
        findings = model.certificate_.check(model, *rows)
        assert [finding.passed for finding in findings] == [True] * len(findings)


def test_trouble_of_scip_is_an_error_of_ours(rows, monkeypatch):
    def failing(self):
        self.failure = Exception("SCIP: error in input data!")

    module = importlib.import_module("riskwright.solvers.scip_model")
    monkeypatch.setattr(module.CardModel, "solve", failing)
    with pytest.raises(SearchError, match="SCIP failed"):
        RiskScoreClassifier(solver="scip").fit(*rows)


def test_checker_refutes_a_bound_that_no_limit_supports(rows):
    limits = Constraints(linear=(Linear(of={"x1": 1.0}, low=1.0),))
    model = RiskScoreClassifier(max_terms=3, max_points=3, constraints=limits).fit(*rows)
    from riskwright.core.checker import check_proof

    proof = model.proof(*rows)
    proof["problem"]["linear"] = []
    assert [f.code for f in check_proof(proof) if f.passed is False] == ["proof.bound"]
    proof = model.proof(*rows)
    proof["problem"]["linear"][0][2] = 2.5
    assert "proof.feasible" in [f.code for f in check_proof(proof) if f.passed is False]


def test_scip_on_request_finds_the_same_card_as_our_own_search(rows):
    own = RiskScoreClassifier(max_terms=3, scale="unit").fit(*rows)
    other = RiskScoreClassifier(max_terms=3, scale="unit", solver="scip").fit(*rows)
    assert other.certificate_.method == "scip"
    assert other.points_.tolist() == own.points_.tolist()
    assert other.certificate_.objective == pytest.approx(own.certificate_.objective, abs=1e-12)


def test_a_missing_solver_is_answered_by_its_install_line(rows, monkeypatch):
    for name in [
        n for n in sys.modules if n.startswith(("pyscipopt", "riskwright.solvers.scip_m"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    load = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyscipopt"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r'pip install "riskwright\[scip\]"'):
        RiskScoreClassifier(solver="scip").fit(*rows)


def test_searches_that_cannot_hold_linear_limits_refuse_them(rows):
    limits = Constraints(linear=(Linear(of={"x1": 1.0}, low=1.0),))
    with pytest.raises(ParameterError, match="linear"):
        ScoringSystemClassifier(constraints=limits).fit(*rows)
    problem = card_problem(np.random.default_rng(0), 2, unit=True, binary=True)
    rules = replace(problem.rules, linear=(LinearRow((0,), (1.0,), low=1.0),))
    with pytest.raises(ParameterError, match="linear"):
        search(replace(problem, rules=rules))
