"""The exact search behind a Python face: progress, time limit and Ctrl-C included."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kernels import Search as _Search
from .background import run_in_background
from .constraints import ItemRules
from .patterns import Patterns

__all__ = ["CardProblem", "Found", "SearchResult", "available_threads", "search"]


@dataclass(frozen=True)
class CardProblem:
    """Minimise mean weighted logistic loss + penalty * terms over integer points.

    `unit`: the points are log-odds (slope 1, integer intercept); else one slope of at least
    min_slope is learned and |slope * points| <= max_log_odds for every term, with a real intercept.
    """

    patterns: Patterns
    rules: ItemRules
    max_terms: int
    unit: bool = False
    max_features: int | None = None
    max_log_odds: float = 10.0
    min_slope: float = 1e-6
    penalty: float = 1e-6
    margin: float = 1e-9
    pool_tolerance: float = 0.0
    pool_size: int = 1000


@dataclass(frozen=True)
class Found:
    """One score: items with points, slope and intercept, loss and objective."""

    items: tuple[int, ...]
    points: tuple[int, ...]
    slope: float
    intercept: float
    loss: float
    objective: float


@dataclass(frozen=True)
class SearchResult:
    """The best score, what is proved of it, and the pool of near-optimal ones.

    Every score whose objective is below `pool_cutoff` is in the pool (-inf: not known). Where it is
    proved best, its objective exceeds `lower_bound` by at most `margin`.
    """

    best: Found | None
    lower_bound: float
    complete: bool
    interrupted: bool
    out_of_time: bool
    method: str
    supports_examined: int
    supports_total: float
    nodes: int
    seconds: float
    pool: tuple[Found, ...] = field(default=())
    pool_cutoff: float = -np.inf
    margin: float = 1e-9


def available_threads(n_jobs: int | None) -> int:
    """Threads to use: None and -1 mean every processor that this process may use."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    if n_jobs is None or n_jobs == -1:
        return cores
    return max(1, n_jobs if n_jobs > 0 else cores + 1 + n_jobs)


def search(
    problem: CardProblem,
    *,
    certify: bool = True,
    time_limit: float | None = None,
    gap_tolerance: float = 0.0,
    threads: int = 1,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> SearchResult:
    """Find the best score and prove it, or go as far as the time limit or Ctrl-C allow.

    Deterministic for any number of threads unless it is cut short. `progress` is called every
    tenth of a second with phase, elapsed, objective, lower_bound, gap and share.

    Raises
    ------
    ParameterError : the rules hold linear limits, which `scip_search` alone can meet.
    """
    problem.rules.refuse_linear("this search")
    native = _Search()
    patterns, rules = problem.patterns, problem.rules
    if patterns.bits is not None:
        native.bits(patterns.bits, patterns.n_items, patterns.positive, patterns.negative)
    else:
        values: NDArray[np.float64] = np.ascontiguousarray(patterns.values)
        native.patterns(values, patterns.positive, patterns.negative)
    native.items(list(rules.low), list(rules.high), list(rules.feature))
    native.constraints(
        [list(group) for group in rules.required],
        [(list(group), most) for group, most in rules.at_most],
        [(first, list(group)) for first, group in rules.if_then],
    )
    native.max_terms = problem.max_terms
    native.max_features = problem.max_features or len(rules.low)
    native.unit = problem.unit
    native.max_log_odds = problem.max_log_odds
    native.min_slope = problem.min_slope
    low, high = rules.intercept
    native.intercept_low = math.ceil(low) if problem.unit else low
    native.intercept_high = math.floor(high) if problem.unit else high
    native.penalty = problem.penalty
    native.margin = problem.margin
    native.pool_tolerance = problem.pool_tolerance
    native.pool_size = problem.pool_size
    native.threads = threads
    native.certify = certify
    native.gap_tolerance = gap_tolerance
    if time_limit is not None:
        native.time_limit = float(time_limit)
    began = time.monotonic()

    def watch() -> None:
        assert progress is not None
        progress(_status(native.status(), time.monotonic() - began))

    run_in_background(native.run, native.stop, watch if progress else None)
    return _result(native.result())


def _status(status: dict[str, Any], elapsed: float) -> dict[str, Any]:
    objective, bound = status["objective"], status["lower_bound"]
    if np.isfinite(bound):
        bound = max(bound, 0.0)  # no loss is negative
    known = np.isfinite(objective) and np.isfinite(bound) and objective > 0
    return {
        "phase": status["phase"],
        "elapsed": elapsed,
        "objective": objective,
        "lower_bound": bound,
        "gap": (objective - bound) / objective if known else float("inf"),
        "share": status["share"],
        "supports": status["supports"],
    }


def _found(row: tuple[Any, ...]) -> Found:
    items, points, slope, intercept, loss, objective = row
    return Found(tuple(items), tuple(int(p) for p in points), slope, intercept, loss, objective)


def _result(raw: dict[str, Any]) -> SearchResult:
    return SearchResult(
        best=None if raw["infeasible"] else _found(raw["best"]),
        lower_bound=raw["lower_bound"],
        complete=raw["complete"],
        interrupted=raw["interrupted"],
        out_of_time=raw["out_of_time"],
        method=raw["method"],
        supports_examined=raw["supports_examined"],
        supports_total=raw["supports_total"],
        nodes=raw["nodes"],
        seconds=raw["seconds"],
        pool=tuple(_found(row) for row in raw["pool"]),
        pool_cutoff=raw["pool_cutoff"],
    )
