"""Exact search by SCIP: linear limits on sums of points, and items of any values.

The convex loss is one column of a mixed-integer program and is held up by its tangents, each of
which lies below the loss everywhere. They are added where the relaxation, integral or not, falls
below the loss. Whatever SCIP finds is fitted and evaluated anew on the data, and its lower bound is
given less a margin for its feasibility tolerance. Outer approximation: Duran & Grossmann (1986),
Mathematical Programming 36; for scores of integers: Ustun & Rudin (2019), JMLR 20:150.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskwright.core import MissingExtraError

from .constraints import ItemRules
from .integer_program import integer_program
from .patterns import Patterns
from .search import CardProblem, Found, SearchResult, search

__all__ = ["LogisticLoss", "ScoreBook", "scip_margin", "scip_search"]

Floats = NDArray[np.float64]
Points = tuple[tuple[int, int], ...]

FEASIBILITY = 1e-9
ENFORCEMENT = 1e-8
_POLL_SECONDS = 0.1
_SMALLEST_SLOPE = 1e-9
_START_SCORES = 20
_HEURISTIC_NODES = 200


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


def scip_margin(problem: CardProblem) -> float:
    """What `scip_search` takes off SCIP's bound: an LP point that SCIP calls integral or feasible
    may be off by its tolerance in every column, times the slope of the loss there."""
    patterns, rules = problem.patterns, problem.rules
    sizes = np.maximum(np.abs(rules.low), np.abs(rules.high))
    reach = sizes if problem.unit else np.full(len(sizes), problem.max_log_odds)
    weight = (patterns.positive + patterns.negative) / patterns.total
    slopes = np.array([weight @ np.abs(patterns.column(j)) for j in range(patterns.n_items)])
    return float(2 * ENFORCEMENT + FEASIBILITY * (2.0 + slopes @ (2.0 + reach)))


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
    of the heuristic before it. Without `certify` it stops after 200 nodes. The pool holds what the
    search met and is never known to be complete. Deterministic unless it is cut short.

    Raises
    ------
    MissingExtraError : PySCIPOpt is not installed.
    """
    try:
        from .scip_model import CardModel
    except ImportError:
        raise MissingExtraError(
            "this search needs PySCIPOpt", hint='Run: pip install "riskwright[scip]"'
        ) from None
    begin = time.monotonic()
    deadline = math.inf if time_limit is None else begin + time_limit
    book = ScoreBook(problem)
    _start(book, threads, time_limit)
    program = integer_program(problem.rules, problem.max_terms, problem.max_features)
    model = CardModel(problem, program, book)
    model.limit(
        seconds=max(0.0, deadline - time.monotonic()),
        gap=gap_tolerance,
        nodes=None if certify else _HEURISTIC_NODES,
    )
    _run(model, book, begin, progress)
    return _result(model, book, time.monotonic() - begin)


class ScoreBook:
    """Every score that the search met, fitted and evaluated exactly; the best one first."""

    def __init__(self, problem: CardProblem) -> None:
        self.problem = problem
        self.loss = LogisticLoss(problem.patterns)
        self.best: Found | None = None
        self._met: dict[Points, Found | None] = {}

    def record(self, points: NDArray[np.int64]) -> bool:
        """Fit and keep a score if the rules allow it; True if it is the new best one."""
        key = tuple((int(j), int(points[j])) for j in np.flatnonzero(points))
        if key in self._met:
            return False
        found = self._met[key] = self._fit(key) if allowed(self.problem, dict(key)) else None
        if found is None or (self.best and found.objective >= self.best.objective - 1e-13):
            return False
        self.best = found
        return True

    def polish(self) -> None:
        """Change one or two used terms by one point each for as long as that lowers the loss."""
        while self.best is not None:
            base = self.best
            for points in _neighbours(base, self.loss.values.shape[1]):
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

    def _fit(self, key: Points) -> Found | None:
        """The best slope and intercept for these points, by the exact search over their totals."""
        problem, loss = self.problem, self.loss
        items = [j for j, _ in key]
        totals = loss.values[:, items] @ np.array([p for _, p in key], dtype=np.float64)
        distinct, cell = np.unique(totals, return_inverse=True)
        cells = Patterns(
            1,
            np.bincount(cell, loss.positive, len(distinct)),
            np.bincount(cell, loss.negative, len(distinct)),
            values=distinct[:, None],
        )
        most = max((abs(p) for _, p in key), default=1)
        one = float(bool(key))
        line = CardProblem(
            cells,
            ItemRules((one,), (one,), (0,), ((0,),) if key else (), intercept=problem.rules.intercept),
            max_terms=1,
            unit=problem.unit,
            max_log_odds=problem.max_log_odds / most,
            penalty=0.0,
        )
        if key and not problem.unit and self._falls(line):
            return self._flat(key, line)
        fitted = search(line).best
        if fitted is None:
            return None
        return self._found(key, fitted.slope, fitted.intercept)

    def _falls(self, line: CardProblem) -> bool:
        """Does the loss only rise with the slope, from 0 on? Then it has no least value."""
        constant = _constant(line)
        if constant is None:
            return False
        cells = line.patterns
        weight = cells.positive + cells.negative
        residual = weight * expit(np.full(len(cells), constant)) - cells.positive
        return float(residual @ cells.column(0)) >= 0.0

    def _flat(self, key: Points, line: CardProblem) -> Found:
        constant = _constant(line)
        assert constant is not None
        return self._found(key, _SMALLEST_SLOPE, constant)

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
    if problem.max_features is not None:
        if len({rules.feature[j] for j in points}) > problem.max_features:
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


def _constant(line: CardProblem) -> float | None:
    """The best intercept of a score without terms."""
    events, others = line.patterns.positive.sum(), line.patterns.negative.sum()
    low, high = line.rules.intercept
    with np.errstate(divide="ignore"):
        return float(np.clip(np.log(events) - np.log(others), low, high))


def _neighbours(found: Found, n_items: int) -> Iterator[NDArray[np.int64]]:
    base = np.zeros(n_items, dtype=np.int64)
    base[list(found.items)] = found.points
    for count in (1, 2):
        for items in combinations(found.items, count):
            for steps in product((-1, 1), repeat=count):
                points = base.copy()
                points[list(items)] += steps
                yield points


def _start(book: ScoreBook, threads: int, time_limit: float | None) -> None:
    """Fill the book from the heuristic of our own search, which knows nothing of linear limits."""
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


def _run(
    model: Any, book: ScoreBook, begin: float, progress: Callable[[dict[str, Any]], None] | None
) -> None:
    """Solve in a worker, so that Ctrl-C and progress are served meanwhile."""
    if threading.current_thread() is not threading.main_thread() and progress is None:
        model.solve()
        return
    worker = threading.Thread(target=model.solve, name="riskwright-scip")
    worker.start()
    while worker.is_alive():
        try:
            worker.join(_POLL_SECONDS)
            if progress is not None and worker.is_alive():
                progress(_status(model, book, time.monotonic() - begin))
        except KeyboardInterrupt:
            model.interrupt()
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
        bound = min(bound, book.best.objective - scip_margin(problem))
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
    )
