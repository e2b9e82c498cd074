"""Every score of a small class, one by one: what the exact search has to agree with.

Shares nothing with the search. All vectors of integer points that the rules allow are listed; for
class "unit" every integer intercept is tried, for class "free" slope and intercept are fitted by
Newton steps on the box and each loss comes with a lower bound from its tangent, so that the
enumeration certifies itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from riskwright.solvers import CardProblem, ItemRules, fold

LARGEST_SLACK = 1e-10


@dataclass(frozen=True)
class Exhaustive:
    """Objective, slope and intercept of every allowed vector of points (class "free": of one from
    each set of proportional vectors)."""

    points: np.ndarray
    objective: np.ndarray
    slope: np.ndarray
    intercept: np.ndarray

    @property
    def best(self) -> float:
        return float(self.objective.min(initial=np.inf))

    def within(self, limit: float) -> dict[tuple[int, ...], float]:
        """Points -> objective of all scores up to `limit`."""
        near = np.flatnonzero(self.objective <= limit)
        return {tuple(self.points[i].tolist()): float(self.objective[i]) for i in near}


def problem_of(
    X, y, weight=None, *, rules=None, max_points=3, binary=None, max_terms=5, **settings
) -> CardProblem:
    """The search's problem for rows `X` with outcome `y`."""
    X = np.asarray(X, dtype=float)
    y = np.asarray(y, dtype=np.uint8)
    binary = bool(np.isin(X, (0.0, 1.0)).all()) if binary is None else binary
    weight = None if weight is None else np.asarray(weight, dtype=float)
    patterns = fold([(X, y, weight)], X.shape[1], binary=binary)
    rules = ItemRules.plain(X.shape[1], max_points) if rules is None else rules
    return CardProblem(patterns=patterns, rules=rules, max_terms=max_terms, **settings)


def allowed(problem: CardProblem, points) -> bool:
    """Does a vector of points meet every rule of the problem?"""
    rules = problem.rules
    used = {j for j, p in enumerate(points) if p}
    if len(used) > problem.max_terms:
        return False
    columns = {rules.feature[j] for j in used}
    if problem.max_features is not None and len(columns) > problem.max_features:
        return False
    if any(not rules.low[j] <= points[j] <= rules.high[j] for j in used):
        return False
    if any(not used & set(group) for group in rules.required):
        return False
    if any(len(used & set(group)) > most for group, most in rules.at_most):
        return False
    return not any(first in used and not used & set(group) for first, group in rules.if_then)


def all_points(problem: CardProblem) -> np.ndarray:
    """Every vector of points that the rules allow, one per row."""
    rules, d = problem.rules, problem.patterns.n_items
    ranges = [
        [p for p in range(int(low), int(high) + 1) if p]
        for low, high in zip(rules.low, rules.high, strict=True)
    ]
    vectors = []
    for size in range(min(problem.max_terms, d) + 1):
        for support in itertools.combinations(range(d), size):
            witness = np.zeros(d, dtype=int)
            witness[list(support)] = [(ranges[j] or [0])[0] for j in support]
            if not all(ranges[j] for j in support) or not allowed(problem, witness.tolist()):
                continue
            block = np.array(list(itertools.product(*(ranges[j] for j in support))), dtype=int)
            dense = np.zeros((len(block), d), dtype=int)
            dense[:, support] = block
            vectors.append(dense)
    return np.concatenate(vectors) if vectors else np.zeros((0, d), dtype=int)


def softplus(s: np.ndarray) -> np.ndarray:
    return np.maximum(s, 0.0) + np.log1p(np.exp(-np.abs(s)))


def loss_of(X, y, weight, points, slope: float, intercept: float) -> float:
    """Mean weighted logistic loss of one score on rows."""
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    s = slope * (np.asarray(X, dtype=float) @ np.asarray(points, dtype=float)) + intercept
    signed = np.where(np.asarray(y) == 1, -s, s)
    return float(weight @ softplus(signed) / weight.sum())


def solve(X, y, weight, problem: CardProblem) -> Exhaustive:
    """All scores of the problem's class on the rows."""
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    rows, code = np.unique(np.asarray(X, dtype=float), axis=0, return_inverse=True)
    positive = np.bincount(code.ravel(), weight * (np.asarray(y) == 1), len(rows)) / weight.sum()
    negative = np.bincount(code.ravel(), weight * (np.asarray(y) == 0), len(rows)) / weight.sum()
    points = all_points(problem)
    if not problem.unit:
        points = _representatives(points, problem)
    penalty = problem.penalty * (points != 0).sum(axis=1)
    totals = points @ rows.T
    if problem.unit:
        loss, intercept = _integer_intercepts(totals, positive, negative, problem.rules.intercept)
        return Exhaustive(points, loss + penalty, np.ones(len(points)), intercept)
    most = np.abs(points).max(axis=1, initial=0)
    largest = problem.max_log_odds / np.maximum(most, 1)
    slopes = np.full(len(points), problem.min_slope), largest
    loss, slope, intercept = _slopes(totals, positive, negative, slopes, problem.rules.intercept)
    return Exhaustive(points, loss + penalty, slope, intercept)


def _representatives(points: np.ndarray, problem: CardProblem) -> np.ndarray:
    """Of proportional vectors, which are the same score, the one with the smallest points."""
    divisor = np.maximum(np.gcd.reduce(points, axis=1), 1)
    kept: dict[tuple[int, ...], tuple[int, np.ndarray]] = {}
    for vector, by in zip(points, divisor.tolist(), strict=True):
        key = tuple((vector // by).tolist())
        if key not in kept or by < kept[key][0]:
            kept[key] = (by, vector)
    return np.array([v for _, v in kept.values()]).reshape(-1, points.shape[1])


def _integer_intercepts(totals, positive, negative, bounds):
    loss = np.full(len(totals), np.inf)
    best = np.zeros(len(totals))
    for intercept in range(int(np.ceil(bounds[0])), int(np.floor(bounds[1])) + 1):
        s = totals + float(intercept)
        extra = np.log1p(np.exp(-np.abs(s)))
        value = (np.maximum(-s, 0.0) + extra) @ positive + (np.maximum(s, 0.0) + extra) @ negative
        better = value < loss
        loss[better], best[better] = value[better], intercept
    return loss, best


def _slopes(totals, positive, negative, slopes, bounds):
    """Slope and intercept within bounds for every row of totals.

    Projected Newton steps with halving; every result is checked against its tangent's bound.
    """
    n = len(totals)
    low, high = float(bounds[0]), float(bounds[1])
    least, largest = slopes
    start = np.log(max(positive.sum(), 1e-9)) - np.log(max(negative.sum(), 1e-9))
    slope, intercept = np.minimum(0.1, largest), np.full(n, min(max(start, low), high))
    loss, slack = np.full(n, np.inf), np.full(n, np.inf)
    work = np.arange(n)
    for _ in range(200):
        t, a, b = totals[work], slope[work], intercept[work]
        value, ga, gb, haa, hab, hbb = _derivatives(t, a, b, positive, negative)
        away = ga * np.where(ga > 0, a - least[work], a - largest[work]) + gb * np.where(
            gb > 0, b - low, b - high
        )
        improved = value < loss[work]
        loss[work] = np.minimum(loss[work], value)
        slack[work] = np.where(improved, away, np.minimum(slack[work], away))
        going = away > LARGEST_SLACK / 4
        if not going.any():
            work = work[:0]
            break
        keep = going
        work, t, a, b = work[keep], t[keep], a[keep], b[keep]
        ga, gb, haa, hab, hbb = (v[keep] for v in (ga, gb, haa, hab, hbb))
        step = _box_step(a, b, ga, gb, haa, hab, hbb, least[work], largest[work], low, high)
        length = np.ones(len(work))
        for _halving in range(40):
            na = np.clip(a + length * step[0], least[work], largest[work])
            nb = np.clip(b + length * step[1], low, high)
            new = _value(t, na, nb, positive, negative)
            descent = ga * (na - a) + gb * (nb - b)
            rounding = np.where(descent > -1e-12, 1e-13, 1e-16)
            bad = new > value[keep] + 1e-4 * descent + rounding
            if not bad.any():
                break
            length[bad] /= 2
        slope[work], intercept[work] = na, nb
    assert slack.max(initial=0.0) <= LARGEST_SLACK, "brute force did not converge"
    return loss, slope, intercept


def _box_step(a, b, ga, gb, haa, hab, hbb, least, top, low, high):
    """Newton direction of the parameters that are not held at a bound."""
    held_a = ((a <= least) & (ga > 0)) | ((a >= top) & (ga < 0))
    held_b = ((b <= low) & (gb > 0)) | ((b >= high) & (gb < 0))
    haa, hbb = haa + 1e-12, hbb + 1e-12
    alone_a, alone_b = -ga / haa, -gb / hbb
    determinant = haa * hbb - hab**2
    flat = determinant <= 1e-14 * haa * hbb
    safe = np.where(flat, 1.0, determinant)
    both_a = np.where(flat, alone_a / 2, (hab * gb - hbb * ga) / safe)
    both_b = np.where(flat, alone_b / 2, (hab * ga - haa * gb) / safe)
    step_a = np.where(held_a, 0.0, np.where(held_b, alone_a, both_a))
    step_b = np.where(held_b, 0.0, np.where(held_a, alone_b, both_b))
    return step_a, step_b


def _value(t, a, b, positive, negative):
    s = a[:, None] * t + b[:, None]
    extra = np.log1p(np.exp(-np.abs(s)))
    return (np.maximum(-s, 0.0) + extra) @ positive + (np.maximum(s, 0.0) + extra) @ negative


def _derivatives(t, a, b, positive, negative):
    s = a[:, None] * t + b[:, None]
    e = np.exp(-np.abs(s))
    extra = np.log1p(e)
    value = (np.maximum(-s, 0.0) + extra) @ positive + (np.maximum(s, 0.0) + extra) @ negative
    risk, rest = np.where(s >= 0, 1.0, e) / (1.0 + e), np.where(s >= 0, e, 1.0) / (1.0 + e)
    residual = risk * negative - rest * positive
    curvature = risk * rest * (positive + negative)
    ct = curvature * t
    return (
        value,
        (residual * t).sum(axis=1),
        residual.sum(axis=1),
        (ct * t).sum(axis=1),
        ct.sum(axis=1),
        curvature.sum(axis=1),
    )


@dataclass(frozen=True)
class Case:
    """Rows, outcome, weights or None, and the search's problem for them."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    problem: CardProblem


def random_case(seed: int, **settings) -> Case:
    """A small problem of any kind: 0/1, whole or real items, twins, weights, constraints."""
    rng = np.random.default_rng(seed)
    d, n = int(rng.integers(3, 7)), int(rng.integers(15, 90))
    kind = str(rng.choice(["binary", "binary", "binary", "whole", "real"]))
    X = _random_rows(rng, n, d, kind)
    y = _random_outcome(rng, X)
    weight = [
        None,
        rng.integers(1, 5, n).astype(float),
        rng.random(n) * 10.0 ** rng.integers(-3, 4) + 1e-6,
    ][rng.integers(3)]
    unit, constrained = bool(rng.random() < 0.5), bool(rng.random() < 0.6)
    max_points, max_terms = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    if not unit and kind != "binary":
        max_points = min(max_points, 2)
    wide = bool(rng.random() < 0.7)
    intercept = ((-8.0, 8.0) if wide else (-1.0, 2.0)) if unit else (-50.0, 50.0)
    if not unit and not wide:
        intercept = (-0.5, 0.7)
    options = {
        "max_terms": max_terms,
        "unit": unit,
        "max_features": int(rng.integers(1, 4)) if constrained and rng.random() < 0.3 else None,
        "max_log_odds": float(rng.choice([10.0, 3.0, 1.0])),
        "penalty": float(rng.choice([1e-6, 1e-2, 0.0, 3e-3])),
    }
    rules = random_rules(rng, d, max_points, constrained=constrained, intercept=intercept)
    binary = kind == "binary"
    problem = problem_of(X, y, weight, rules=rules, binary=binary, **(options | settings))
    return Case(X, y, weight, problem)


def _random_rows(rng, n: int, d: int, kind: str) -> np.ndarray:
    if kind == "binary":
        X = (rng.random((n, d)) < rng.uniform(0.15, 0.8, d)).astype(float)
    elif kind == "whole":
        X = rng.integers(-1, 4, (n, d)).astype(float)
    else:
        X = np.round(rng.normal(0, 1, (n, d)), 2)
    special = rng.random()
    if special < 0.15:
        X[:, -1] = X[:, 0]
    elif special < 0.25 and kind == "binary":
        X[:, -1] = 1 - X[:, 0]
    elif special < 0.32:
        X[:, rng.integers(d)] = rng.choice([0.0, 1.0])
    return X


def _random_outcome(rng, X: np.ndarray) -> np.ndarray:
    d = X.shape[1]
    s = X @ (rng.normal(0, 1.5, d) * (rng.random(d) < 0.7))
    s = s - s.mean() + rng.normal(0, 0.5)
    noisy = rng.random(len(X)) < 1 / (1 + np.exp(-s))
    y = (s > 0 if rng.random() < 0.1 else noisy).astype(np.uint8)
    if y.min() == y.max():
        y[0] = 1 - y[0]
    return y


def random_rules(rng, d: int, max_points: int, *, constrained: bool, intercept) -> ItemRules:
    """Ranges that may exclude 0 or everything, and sets of items that go or do not go together."""
    most = float(max_points)
    low, high = [-most] * d, [most] * d
    if not constrained:
        return ItemRules(tuple(low), tuple(high), tuple(range(d)), intercept=intercept)
    ranges = [(0, most), (-most, 0), (1, 2), (0, 0), (-most, -1), (most, most), (2, 1)]
    for j in range(d):
        drawn = rng.choice(8, p=[0.12, 0.12, 0.08, 0.06, 0.06, 0.04, 0.02, 0.5])
        if drawn < 7:
            low[j], high[j] = map(float, ranges[drawn])

    def some(least: int, most: int) -> tuple[int, ...]:
        return tuple(rng.choice(d, rng.integers(least, most), replace=False).tolist())

    return ItemRules(
        low=tuple(low),
        high=tuple(high),
        feature=tuple(sorted(rng.integers(0, max(2, d - 1), d).tolist())),
        required=(some(1, 3),) if rng.random() < 0.3 else (),
        at_most=((some(2, d + 1), int(rng.integers(0, 3))),) if rng.random() < 0.3 else (),
        if_then=((int(rng.integers(d)), some(1, 3)),) if rng.random() < 0.3 else (),
        intercept=intercept,
    )
