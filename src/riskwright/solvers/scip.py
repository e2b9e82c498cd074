"""Exact search by SCIP: linear limits on sums of points, and items of any values.

The convex loss is one column of a mixed-integer program and is held up by its tangents, each of
which lies below the loss everywhere. They are added where the relaxation, integral or not, falls
below the loss. Whatever SCIP finds is fitted and evaluated anew on the data, and its lower bound is
given less a margin for its feasibility tolerance. Outer approximation: Duran & Grossmann (1986),
Mathematical Programming 36; for scores of integers: Ustun & Rudin (2019), JMLR 20:150.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskwright.core import MissingExtraError, SearchError

from .background import run_in_background
from .constraints import ItemRules
from .patterns import Patterns
from .search import CardProblem, Found, SearchResult, search

__all__ = ["LogisticLoss", "ScoreBook", "scip_margin", "scip_search"]

Floats = NDArray[np.float64]
Points = tuple[tuple[int, int], ...]

FEASIBILITY = 1e-9  # SCIP's tolerance for constraints and whole numbers
ENFORCEMENT = 1e-8  # loss by which a solution may lie below the true loss
DUAL_FEASIBILITY = 1e-7  # SCIP's tolerance for reduced costs of its objective
SCALE = 1000.0  # SCIP's objective is the loss in thousandths, as its tolerances are absolute
_LOOSER = 1e-7  # feasibility where the linear programs cannot be solved to FEASIBILITY
_LARGEST_MARGIN = 1e-6
_START_SCORES = 20
_HEURISTIC_NODES = 50


class LogisticLoss:
    """Mean weighted logistic loss of intercept and effects, and its tangents."""

    def __init__(self, patterns: Patterns) -> None:
        self.values = np.ascontiguousarray(patterns.dense(), dtype=np.float64)
        self.positive = patterns.positive
        self.negative = patterns.negative
        self.weight = patterns.positive + patterns.negative
        self.total = patterns.total

    def value(self, log_odds: Floats) -> float:
        terms = self.weight @ np.logaddexp(0.0, log_odds) - self.positive @ log_odds
        return float(terms) / self.total

    def tangent(self, at: Floats) -> tuple[float, Floats]:
        """Value and gradient at (intercept, effects of all items)."""
        log_odds = self.values @ at[1:] + at[0]
        residual = (self.weight * expit(log_odds) - self.positive) / self.total
        gradient = np.concatenate([[residual.sum()], residual @ self.values])
        return self.value(log_odds), gradient


def scip_margin(problem: CardProblem, feasibility: float = FEASIBILITY) -> float:
    """What `scip_search` takes off SCIP's bound: a solution that SCIP calls feasible may be off by
    its tolerance in every column, and the loss by that times its largest possible slope."""
    patterns, rules = problem.patterns, problem.rules
    reach = np.maximum(np.abs(rules.low), np.abs(rules.high))
    if not problem.unit:
        reach = np.full(len(reach), problem.max_log_odds)
    weight = (patterns.positive + patterns.negative) / patterns.total
    slopes = np.array([weight @ np.abs(patterns.column(j)) for j in range(patterns.n_items)])
    primal = feasibility * (2.0 + slopes @ (2.0 + reach))
    widths = 2.0 * reach.sum() + rules.intercept[1] - rules.intercept[0]
    return float(2.0 * ENFORCEMENT + primal + DUAL_FEASIBILITY / SCALE * widths)


def scip_search(
    problem: CardProblem,
    *,
    certify: bool = True,
    time_limit: float | None = None,
    gap_tolerance: float = 0.0,
    threads: int = 1,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> SearchResult:
    """`riskwright.solvers.search` by SCIP, which also meets `ItemRules.linear`.

    The bound is SCIP's less `scip_margin(problem)`. SCIP works in one thread; `threads` are those
    of the heuristic before it. Without `certify` it stops after 50 nodes. The pool holds what the
    search met and is never known to be complete. Deterministic unless it is cut short.

    Raises
    ------
    MissingExtraError : PySCIPOpt is not installed.
    SearchError : SCIP failed on the linear programs of these data, even with looser tolerances.
    """
    try:
        from .scip_model import CardModel
    except ImportError:
        raise MissingExtraError(
            "this search needs PySCIPOpt", hint='Run: pip install "riskwright[scip]"'
        ) from None
    begin = time.monotonic()
    deadline = math.inf if time_limit is None else begin + time_limit
    book = ScoreBook(problem, deadline)
    stopped = _start(book, threads, time_limit)
    for feasibility in (FEASIBILITY, _LOOSER):
        model = CardModel(book, feasibility)
        model.limit(
            seconds=max(0.0, deadline - time.monotonic()),
            gap=gap_tolerance,
            nodes=None if certify else _HEURISTIC_NODES,
        )
        if stopped:
            model.interrupted = True
        else:
            _run(model, book, begin, progress)
        if not model.unsolvable:
            return _result(model, book, time.monotonic() - begin)
    raise SearchError(
        "SCIP cannot solve the linear programs of these data to its tolerances",
        hint="Cut the columns into items, or bring their values to similar sizes",
    )


class ScoreBook:
    """Every score that the search met, fitted and evaluated exactly; the best one first."""

    def __init__(self, problem: CardProblem, deadline: float = math.inf) -> None:
        self.problem, self.deadline = problem, deadline
        self.loss = LogisticLoss(problem.patterns)
        self.best: Found | None = None
        self._met: dict[Points, Found | None] = {}

    def record(self, points: NDArray[np.int64]) -> bool:
        """Fit and keep a score if the rules allow it; True if it is the new best one."""
        key = self._reduced(points)
        if key in self._met:
            return False
        found = self._met[key] = self._fit(key) if allowed(self.problem, dict(key)) else None
        if found is None or (self.best and found.objective >= self.best.objective - 1e-13):
            return False
        self.best = found
        return True

    def polish(self) -> None:
        """Change one or two used terms by one point each while that lowers the loss and time
        is left."""
        while self.best is not None:
            base = self.best
            for points in _neighbours(base, self.loss.values.shape[1]):
                if time.monotonic() > self.deadline:
                    return
                self.record(points)
            if self.best is base:
                return

    def pool(self) -> tuple[Found, ...]:
        if self.best is None:
            return ()
        most = self.best.objective * (1.0 + self.problem.pool_tolerance)
        near = [f for f in self._met.values() if f is not None and f.objective <= most]
        near.sort(key=lambda f: (f.objective, len(f.items), f.items, f.points))
        return tuple(near[: self.problem.pool_size])

    def _reduced(self, points: NDArray[np.int64]) -> Points:
        """Class "free": without a common divisor, where the rules allow that."""
        divisor = int(np.gcd.reduce(points)) if not self.problem.unit else 1
        for by in range(max(divisor, 1), 0, -1):
            key = tuple((int(j), int(points[j]) // by) for j in np.flatnonzero(points))
            if by == 1 or (divisor % by == 0 and allowed(self.problem, dict(key))):
                break
        return key

    def _fit(self, key: Points) -> Found | None:
        """The best slope and intercept for these points, by the exact search over their totals."""
        problem, loss = self.problem, self.loss
        items = [j for j, _ in key]
        totals = loss.values[:, items] @ np.array([p for _, p in key], dtype=np.float64)
        distinct, cell = np.unique(totals, return_inverse=True)
        cells = Patterns(
            1,
            np.bincount(cell, loss.positive, len(distinct)).astype(np.float64),
            np.bincount(cell, loss.negative, len(distinct)).astype(np.float64),
            values=distinct[:, None],
        )
        most = max((abs(p) for _, p in key), default=1)
        used = float(bool(key))
        intercept = problem.rules.intercept
        line = CardProblem(
            cells,
            ItemRules((used,), (used,), (0,), ((0,),) if key else (), intercept=intercept),
            max_terms=1,
            unit=problem.unit,
            max_log_odds=problem.max_log_odds / most,
            min_slope=problem.min_slope,
            penalty=0.0,
        )
        fitted = search(line).best
        if fitted is None:
            return None
        return self._found(key, fitted.slope if key else 1.0, fitted.intercept + 0.0)

    def _found(self, key: Points, slope: float, intercept: float) -> Found:
        items, points = tuple(j for j, _ in key), tuple(p for _, p in key)
        totals = self.loss.values[:, list(items)] @ np.array(points, dtype=np.float64)
        value = self.loss.value(slope * totals + intercept)
        objective = value + self.problem.penalty * len(items)
        return Found(items, points, slope, intercept, value, objective)


def allowed(problem: CardProblem, points: dict[int, int]) -> bool:
    """Do these points (all nonzero) meet every rule?"""
    rules = problem.rules
    if len(points) > problem.max_terms:
        return False
    if len({rules.feature[j] for j in points}) > (problem.max_features or len(rules.feature)):
        return False
    return (
        all(rules.low[j] <= p <= rules.high[j] for j, p in points.items())
        and all(any(j in points for j in group) for group in rules.required)
        and all(sum(j in points for j in group) <= most for group, most in rules.at_most)
        and all(
            first not in points or any(j in points for j in group) for first, group in rules.if_then
        )
        and all(row.met(points) for row in rules.linear)
    )


def _neighbours(found: Found, n_items: int) -> Iterator[NDArray[np.int64]]:
    base = np.zeros(n_items, dtype=np.int64)
    base[list(found.items)] = found.points
    for count in (1, 2):
        for items in combinations(found.items, count):
            for steps in product((-1, 1), repeat=count):
                points = base.copy()
                points[list(items)] += steps
                yield points


def _start(book: ScoreBook, threads: int, time_limit: float | None) -> bool:
    """Fill the book from the heuristic of our own search, which knows nothing of linear limits;
    True if it was interrupted."""
    problem = book.problem
    plain = replace(problem, rules=replace(problem.rules, linear=()), pool_tolerance=1.0)
    if not problem.rules.linear:
        plain = replace(plain, pool_tolerance=problem.pool_tolerance)
    result = search(plain, certify=False, threads=threads, time_limit=time_limit)
    tried = 0
    for found in (*([result.best] if result.best else []), *result.pool):
        points = np.zeros(problem.patterns.n_items, dtype=np.int64)
        points[list(found.items)] = found.points
        if allowed(problem, dict(zip(found.items, found.points, strict=True))):
            book.record(points)
            tried += 1
        if tried == _START_SCORES:
            break
    book.record(np.zeros(problem.patterns.n_items, dtype=np.int64))
    book.polish()
    return result.interrupted


def _run(
    model: Any, book: ScoreBook, begin: float, progress: Callable[[dict[str, Any]], None] | None
) -> None:
    def watch() -> None:
        assert progress is not None
        progress(_status(model, book, time.monotonic() - begin))

    run_in_background(model.solve, model.interrupt, watch if progress else None)
    if type(model.failure) is Exception:  # what PySCIPOpt raises for any trouble of SCIP
        raise SearchError(
            "SCIP failed on these data",
            got=str(model.failure),
            hint="Bring weights and columns to similar sizes, or leave out the limits on sums",
        )
    if model.failure is not None:
        raise model.failure


def _status(model: Any, book: ScoreBook, elapsed: float) -> dict[str, Any]:
    objective = book.best.objective if book.best else math.inf
    bound = min(model.bound, objective)
    known = math.isfinite(objective) and objective > 0
    return {
        "phase": "scip",
        "elapsed": elapsed,
        "objective": objective,
        "lower_bound": bound,
        "gap": (objective - bound) / objective if known else math.inf,
        "share": 0.0,
        "supports": 0,
    }


def _result(model: Any, book: ScoreBook, seconds: float) -> SearchResult:
    problem = book.problem
    usable = sum(problem.rules.usable(j) for j in range(problem.patterns.n_items))
    total = float(sum(math.comb(usable, t) for t in range(min(problem.max_terms, usable) + 1)))
    bound = model.bound
    if book.best is not None:
        bound = min(bound, book.best.objective - model.margin)
    return SearchResult(
        best=book.best,
        lower_bound=bound,
        complete=model.finished,
        interrupted=model.interrupted,
        out_of_time=model.out_of_time,
        method="scip",
        supports_examined=int(min(total, 2**62)) if model.finished else 0,
        supports_total=total,
        nodes=model.nodes,
        seconds=seconds,
        pool=book.pool() if problem.pool_tolerance > 0 else (),
        margin=min(2.0 * model.margin, _LARGEST_MARGIN),
    )
