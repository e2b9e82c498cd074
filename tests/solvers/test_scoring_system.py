"""The exact search for scoring systems against brute force, and its promises when cut short."""

from __future__ import annotations

import _thread
import itertools
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from riskwright.core import ConstraintError, SearchError
from riskwright.solvers import scoring_system
from riskwright.solvers.constraints import ItemRules
from riskwright.solvers.patterns import Patterns
from riskwright.solvers.scoring_system import (
    ScoringSystemProblem,
    ScoringSystemSolution,
    solve_scoring_system,
)

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).parents[3] / "shared"))


def problem_of(X, y, weight=None, *, rules=None, max_points=5, **settings) -> ScoringSystemProblem:
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    values, code = np.unique(np.asarray(X, dtype=float), axis=0, return_inverse=True)
    code = code.ravel()
    d = values.shape[1]
    patterns = Patterns(
        n_items=d,
        positive=np.bincount(code, weight * (y == 1), len(values)),
        negative=np.bincount(code, weight * (y == 0), len(values)),
        values=values,
    )
    rules = ItemRules.plain(d, max_points) if rules is None else rules
    return ScoringSystemProblem(patterns=patterns, rules=rules, **settings)


@dataclass
class Exhaustive:
    """Every allowed vector of points with its best threshold, by plain enumeration."""

    objective: np.ndarray
    vectors: np.ndarray
    false_negatives: np.ndarray

    @classmethod
    def of(cls, problem: ScoringSystemProblem, *, count_false_positives: bool = True) -> Exhaustive:
        patterns, rules = problem.patterns, problem.rules
        ranges = [
            [p for p in range(int(low), int(high) + 1) if p] if low <= high else []
            for low, high in zip(rules.low, rules.high, strict=True)
        ]
        vectors = np.array(
            [v for v in itertools.product(*([0, *r] for r in ranges)) if cls.allowed(problem, v)]
        ).reshape(-1, len(ranges))
        values, positive, negative = patterns.values, patterns.positive, patterns.negative
        totals = vectors @ values.T
        scale = np.abs(vectors) @ np.abs(values).max(axis=0)
        margin = (1e-9 * scale)[:, None, None]
        cuts = np.concatenate([totals.min(axis=1, keepdims=True) - 1.0, totals], axis=1)
        beyond = totals[:, None, :] - cuts[:, :, None]
        admissible = ~((beyond > 0) & (beyond <= margin)).any(axis=2)
        says_yes = beyond > 0
        missed = (~says_yes) @ positive
        alarms = says_yes @ negative
        for rate, errors, weight in (
            (problem.max_false_positive_rate, alarms, negative.sum()),
            (problem.max_false_negative_rate, missed, positive.sum()),
        ):
            if rate is not None:
                admissible &= errors <= rate * weight * (1 + 1e-12)
        cost = (missed + count_false_positives * alarms) / patterns.total
        cost = np.where(admissible, cost, np.inf)
        terms = (vectors != 0).sum(axis=1)
        return cls(
            objective=cost.min(axis=1, initial=np.inf) + problem.penalty * terms,
            vectors=vectors,
            false_negatives=np.where(admissible, missed, np.inf).min(axis=1, initial=np.inf),
        )

    @staticmethod
    def allowed(problem: ScoringSystemProblem, vector: tuple[int, ...]) -> bool:
        rules = problem.rules
        used = {j for j, points in enumerate(vector) if points}
        features = {rules.feature[j] for j in used}
        return (
            len(used) <= problem.max_terms
            and len(features) <= (problem.max_features or len(vector))
            and all(used.intersection(group) for group in rules.required)
            and all(len(used.intersection(group)) <= most for group, most in rules.at_most)
            and all(i not in used or used.intersection(group) for i, group in rules.if_then)
        )

    @property
    def best(self) -> float:
        return float(self.objective.min(initial=np.inf))

    def first(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Items and points of the first optimum in the documented order."""

        def rank(vector: np.ndarray) -> tuple:
            items = tuple(np.flatnonzero(vector))
            points = tuple(int(p) for p in vector[list(items)])
            return (int(np.abs(vector).sum()), len(items), items, points)

        best = self.vectors[self.objective <= self.best + 1e-9]
        _, _, items, points = min(rank(v) for v in best)
        return tuple(int(j) for j in items), points


def objective_by_hand(problem: ScoringSystemProblem, found: ScoringSystemSolution) -> float:
    patterns = problem.patterns
    totals = patterns.values[:, list(found.items)] @ np.array(found.points, dtype=float)
    yes = totals > found.threshold
    wrong = patterns.positive[~yes].sum() + patterns.negative[yes].sum()
    return float(wrong / patterns.total + problem.penalty * len(found.items))


def random_rules(rng: np.random.Generator, d: int) -> ItemRules:
    low, high = np.full(d, -2.0), np.full(d, 2.0)
    for j in range(d):
        case = rng.integers(9)
        if case == 0:
            low[j] = 0.0
        elif case == 1:
            high[j] = 0.0
        elif case == 2:
            low[j], high[j] = 2.0, 3.0
        elif case == 3:
            low[j] = high[j] = 0.0

    def some(k: int) -> tuple[int, ...]:
        return tuple(sorted(int(j) for j in rng.choice(d, size=min(k, d), replace=False)))

    return ItemRules(
        low=tuple(low),
        high=tuple(high),
        feature=tuple(int(f) for f in rng.integers(0, max(1, d - 1), size=d)),
        required=(some(int(rng.integers(1, 3))),) if rng.random() < 0.25 else (),
        at_most=((some(3), int(rng.integers(0, 3))),) if rng.random() < 0.3 else (),
        if_then=((int(rng.integers(d)), some(int(rng.integers(1, 3)))),)
        if rng.random() < 0.3
        else (),
    )


def random_problem(seed: int, *, real: bool) -> ScoringSystemProblem:
    rng = np.random.default_rng([seed, real])
    n, d = int(rng.integers(4, 26)), int(rng.integers(1, 6))
    kind = rng.integers(3)
    if real:
        X = rng.normal(size=(n, d)) if kind else rng.integers(0, 6, size=(n, d)) / 10
    else:
        X = rng.integers(0, 2, (n, d)) if kind == 0 else rng.integers(-2, 5, size=(n, d))
    y = (X @ rng.normal(size=d) + rng.normal(scale=0.8, size=n) > 0).astype(int)
    y[:2] = 0, 1
    weight = rng.integers(1, 4, size=n) if rng.random() < 0.5 else np.ones(n)
    if real and rng.random() < 0.5:
        weight = rng.exponential(size=n)

    def rate() -> float | None:
        return float(rng.choice([0.0, 0.1, 0.2, 0.5])) if rng.random() < 0.35 else None

    return problem_of(
        X,
        y,
        weight,
        rules=random_rules(rng, d) if rng.random() < 0.6 else ItemRules.plain(d, 2),
        max_terms=int(rng.integers(1, d + 1)),
        max_features=int(rng.integers(1, d + 1)) if rng.random() < 0.3 else None,
        penalty=float(rng.choice([0.0, 1e-6, 0.01])),
        max_false_positive_rate=rate(),
        max_false_negative_rate=rate(),
    )


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("block", range(8))
def test_optimum_equals_brute_force_under_random_constraints(
    block: int, real: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if block % 2:  # nothing but the exact search
        monkeypatch.setattr(scoring_system, "_HEURISTIC_EFFORT", 0)
        monkeypatch.setattr(scoring_system, "_starts", lambda *_: [])
    seen = {"optimal": 0, "infeasible": 0}
    for seed in range(block * 50, block * 50 + 50):
        problem = random_problem(seed, real=real)
        truth = Exhaustive.of(problem)
        if math.isinf(truth.best):
            with pytest.raises(ConstraintError):
                solve_scoring_system(problem)
            seen["infeasible"] += 1
            continue
        found = solve_scoring_system(problem, threads=1 + seed % 2)
        assert found.status == "optimal"
        assert found.objective == pytest.approx(truth.best, abs=1e-9), seed
        assert objective_by_hand(problem, found) == pytest.approx(found.objective, abs=1e-9)
        assert found.lower_bound == found.objective
        assert (found.items, found.points) == truth.first(), seed
        seen["optimal"] += 1
    assert seen["optimal"] >= 25
    assert seen["infeasible"] >= 1


def test_wide_points_and_more_values_equal_brute_force() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = rng.integers(1, 11, size=(60, 3))
        y = (X @ [3, 2, -1] + rng.normal(scale=6, size=60) > 22).astype(int)
        problem = problem_of(X, y, max_terms=3, max_false_positive_rate=0.15 if seed % 2 else None)
        truth = Exhaustive.of(problem)
        found = solve_scoring_system(problem)
        assert found.objective == pytest.approx(truth.best, abs=1e-9)
        assert (found.items, found.points) == truth.first()


def noisy_table(seed: int, n: int = 200, d: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 4, size=(n, d))
    slopes = rng.normal(size=d)
    y = (X @ slopes + rng.normal(scale=2.0, size=n) > 1.5 * slopes.sum()).astype(int)
    return X, y


def test_any_number_of_threads_gives_the_same_score() -> None:
    for seed in range(4):
        X, y = noisy_table(seed)
        problem = problem_of(X, y, max_terms=3, max_points=3)
        answers = {
            (found.items, found.points, found.threshold, found.objective, found.lower_bound)
            for found in (solve_scoring_system(problem, threads=t) for t in (1, 2, 3, 5))
        }
        assert len(answers) == 1


def test_seed_of_the_heuristic_does_not_change_a_certified_score() -> None:
    X, y = noisy_table(11)
    problem = problem_of(X, y, max_terms=3, max_points=3)
    answers = [solve_scoring_system(problem, seed=seed) for seed in range(3)]
    assert len({(a.items, a.points, a.threshold) for a in answers}) == 1


def test_points_have_no_common_divisor_unless_their_range_asks_for_it() -> None:
    X, y = noisy_table(2, d=4)
    found = solve_scoring_system(problem_of(X, y, max_terms=3))
    assert math.gcd(*found.points) == 1
    even = ItemRules(low=(2.0,), high=(2.0,), feature=(0,))
    column = np.array([0, 0, 1, 1]).reshape(-1, 1)
    assert solve_scoring_system(problem_of(column, column.ravel(), rules=even)).points == (2,)


@pytest.mark.parametrize("limit", [None, 0.1])
def test_weight_two_is_the_row_twice(limit: float | None) -> None:
    X, y = noisy_table(5, n=80, d=5)
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, size=80)
    settings = {"max_terms": 3, "max_points": 3, "max_false_positive_rate": limit}
    weighted = solve_scoring_system(
        problem_of(X[weight > 0], y[weight > 0], weight[weight > 0], **settings)
    )
    repeated = solve_scoring_system(
        problem_of(np.repeat(X, weight, axis=0), np.repeat(y, weight), **settings)
    )
    assert (weighted.items, weighted.points, weighted.threshold, weighted.objective) == (
        repeated.items,
        repeated.points,
        repeated.threshold,
        repeated.objective,
    )


def test_scaling_all_weights_changes_nothing() -> None:
    X, y = noisy_table(6, n=80, d=5)
    plain = solve_scoring_system(problem_of(X, y, max_terms=3))
    scaled = solve_scoring_system(problem_of(X, y, np.full(80, 0.1), max_terms=3))
    assert (plain.items, plain.points, plain.objective) == (
        scaled.items,
        scaled.points,
        scaled.objective,
    )
    assert scaled.margin < 1e-9


def test_cut_short_at_once_the_bound_still_holds() -> None:
    for seed in range(60):
        problem = random_problem(seed, real=bool(seed % 2))
        truth = Exhaustive.of(problem)
        if math.isinf(truth.best):
            continue
        try:
            found = solve_scoring_system(problem, time_limit=0.0)
        except SearchError:
            assert problem.max_false_positive_rate is not None
            assert problem.max_false_negative_rate is not None
            continue
        assert found.lower_bound <= truth.best + found.margin
        assert found.objective >= truth.best - found.margin
        assert objective_by_hand(problem, found) == pytest.approx(found.objective, abs=1e-9)
        assert found.status in ("time_limit", "optimal")


def hard_problem() -> ScoringSystemProblem:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 12, size=(500, 30))
    return problem_of(X, rng.integers(0, 2, size=500), max_terms=8)


def test_time_limit_returns_the_best_score_with_its_gap() -> None:
    found = solve_scoring_system(hard_problem(), time_limit=0.3, threads=2)
    assert found.status == "time_limit"
    assert 0.0 <= found.lower_bound < found.objective < 0.5
    assert 0.0 < found.gap <= 1.0
    assert found.seconds < 5.0


def test_interrupt_returns_the_best_score_with_its_gap() -> None:
    timer = threading.Timer(0.4, _thread.interrupt_main)
    timer.start()
    try:
        found = solve_scoring_system(hard_problem(), time_limit=60, threads=2)
    finally:
        timer.cancel()
    assert found.status == "interrupted"
    assert found.lower_bound < found.objective < 0.5


def test_heuristic_alone_never_claims_a_proof_it_lacks() -> None:
    X, y = noisy_table(3)
    problem = problem_of(X, y, max_terms=3, max_points=3)
    exact = solve_scoring_system(problem)
    alone = solve_scoring_system(problem, certify=False)
    assert alone.status == "heuristic"
    assert alone.lower_bound <= exact.objective <= alone.objective


def test_progress_reports_a_bound_below_the_objective() -> None:
    calls: list[tuple[float, float]] = []
    solve_scoring_system(
        hard_problem(), time_limit=0.5, on_progress=lambda *numbers: calls.append(numbers)
    )
    assert calls
    assert all(bound <= objective for objective, bound in calls)


def test_limits_that_clash_are_refused_with_the_lowest_attainable_rate() -> None:
    checked = 0
    for seed in range(40):
        X, y = noisy_table(seed, n=40, d=3)
        if not 8 <= y.sum() <= 32:
            continue
        limits = {"max_false_positive_rate": 0.1, "max_false_negative_rate": 0.02}
        problem = problem_of(X, y, max_terms=3, max_points=2, **limits)
        if math.isfinite(Exhaustive.of(problem).best):
            continue
        loose = problem_of(X, y, max_terms=3, max_points=2, max_false_positive_rate=0.1)
        lowest = Exhaustive.of(loose).false_negatives.min() / y.sum()
        with pytest.raises(ConstraintError) as caught:
            solve_scoring_system(problem)
        assert caught.value.conflict == (
            "max_false_positive_rate <= 0.1",
            "max_false_negative_rate <= 0.02",
        )
        assert f"lowest attainable false-negative rate is {lowest:.4g}" in str(caught.value)
        checked += 1
    assert checked >= 5


def test_rules_that_no_set_of_items_meets_are_refused() -> None:
    X, y = noisy_table(1, n=30, d=3)
    rules = ItemRules(
        low=(-1.0,) * 3, high=(1.0,) * 3, feature=(0, 1, 2), required=((0,), (1,), (2,))
    )
    with pytest.raises(ConstraintError, match="no set of items"):
        solve_scoring_system(problem_of(X, y, rules=rules, max_terms=2))


def shared_table(name: str) -> tuple[np.ndarray, np.ndarray]:
    path = SHARED / "data" / "table" / name / f"{name}_data.csv"
    if not path.exists():
        pytest.skip(f"needs {path}")
    data = np.loadtxt(path, delimiter=",", skiprows=1)
    return data[:, 1:], data[:, 0].astype(int)


@pytest.mark.parametrize(("name", "errors"), [("breastcancer", 14), ("mammo", 184)])
def test_public_medical_tables_are_certified_with_five_terms(name: str, errors: int) -> None:
    X, y = shared_table(name)
    found = solve_scoring_system(problem_of(X, y), threads=2, time_limit=60.0)
    assert found.status == "optimal"
    assert found.loss * len(y) == pytest.approx(errors)
    assert found.supports_examined == found.supports_total


@pytest.mark.parametrize(
    ("name", "limits", "errors"),
    [
        ("breastcancer", {"max_false_positive_rate": 0.01}, 25),
        ("mammo", {"max_false_positive_rate": 0.2}, 194),
        ("mammo", {"max_false_negative_rate": 0.05}, 298),
    ],
)
def test_public_medical_tables_are_certified_under_limits(name, limits, errors) -> None:
    X, y = shared_table(name)
    found = solve_scoring_system(problem_of(X, y, **limits), threads=2, time_limit=60.0)
    assert found.status == "optimal"
    assert found.loss * len(y) == pytest.approx(errors)
    assert found.false_positive_rate <= limits.get("max_false_positive_rate", 1.0)
    assert found.false_negative_rate <= limits.get("max_false_negative_rate", 1.0)
