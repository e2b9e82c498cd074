"""Scoring systems: the integer points and threshold with the smallest weighted 0-1 loss, proved.

Class of scores and objective: Ustun & Rudin (2016), Supersparse linear integer models for optimized
medical scoring systems, Machine Learning 102.

How it is proved. Rows that agree on the items of a support form a cell, and no rule over these
items beats the one that takes the better side in every cell: this bounds all supports. Those left
open are searched depth first over the points. Once the first items have points, rows that agree on
the others form a group; a group's rows keep their order whatever comes, so the best threshold of
each group by itself bounds all completions. Limits on error rates enter the bounds with a
Lagrange multiplier. Weights are scaled to integers, so that sums, bounds and ties are exact.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from riskwright.core import ConstraintError, SearchError
from riskwright.core.records import Status

from . import _kernels
from .background import run_in_background
from .constraints import ItemRules
from .patterns import Patterns

__all__ = ["ScoringSystemProblem", "ScoringSystemSolution", "solve_scoring_system"]

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_WEIGHT_BITS = 40
_MOST_PARTS = 1000  # of the smallest weight
_FINE_UNIT = 2.0**20  # above it, rounding the unit changes weights by less than 1e-6
_TIE = 1e-9
_HEURISTIC_EFFORT = 100_000_000  # rows that the heuristic may touch, some tenths of a second
_FIT_ROWS, _FIT_COLUMNS = 20_000, 60  # that the heuristic's logistic fit looks at


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoringSystemProblem:
    """A weighted 0-1 loss over folded patterns, and the scores that are allowed.

    Parameters
    ----------
    patterns : distinct rows with the weights of their events and non-events; values are finite.
    rules : points range of each item, and which items go together; its intercept is not used.
    max_terms, max_features : most items and most original features (None: no limit of its own).
    penalty : added to the loss for each term, in [0, 1].
    max_false_positive_rate, max_false_negative_rate : weighted, in [0, 1], or None.
    """

    patterns: Patterns
    rules: ItemRules
    max_terms: int = 5
    max_features: int | None = None
    penalty: float = 1e-6
    max_false_positive_rate: float | None = None
    max_false_negative_rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class ScoringSystemSolution:
    """The best score found: predict 1 where the sum of `points` times values > `threshold`.

    `objective` = `loss` + penalty * number of terms. No allowed score has an objective below
    `lower_bound` - `margin`; `margin` covers the rounding of real-valued weights. `items` ascend.
    """

    items: tuple[int, ...]
    points: tuple[int, ...]
    threshold: float
    objective: float
    loss: float
    false_positive_rate: float
    false_negative_rate: float
    lower_bound: float
    margin: float
    status: Status
    supports_examined: int
    supports_searched: int
    supports_total: int
    nodes: int
    seconds: float

    @property
    def gap(self) -> float:
        """(objective - lower bound) / objective; 0 for a perfect score."""
        return (self.objective - self.lower_bound) / self.objective if self.objective > 0 else 0.0


def solve_scoring_system(
    problem: ScoringSystemProblem,
    *,
    certify: bool = True,
    time_limit: float = math.inf,
    threads: int = 1,
    seed: int = 0,
    on_progress: Callable[[float, float], None] | None = None,
) -> ScoringSystemSolution:
    """Find the allowed score with the smallest objective, and prove how good it is.

    Among scores of equal objective the first in this order is returned: smallest sum of |points|
    (hence points without a common divisor, where the ranges allow it), fewest terms, items in
    ascending order, points in ascending order; for these points, the threshold in the widest gap
    between totals, then the lowest. The answer does not depend on the number of threads.

    A threshold must keep clear of all totals: where values are not integers, totals nearer to one
    another than 1e-9 of their scale (sum of |points| * largest |value|) count as equal.

    Parameters
    ----------
    problem : what is minimised, over which scores.
    certify : False returns the heuristic's score with status "heuristic" and a weak bound.
    time_limit : seconds after which the best score so far is returned with its bound.
    threads : of the exact search.
    seed : of the heuristic.
    on_progress : called about ten times a second with (objective or inf, lower bound).

    Raises
    ------
    ConstraintError : no score is allowed; for limits on both error rates it says what is
        attainable.
    SearchError : the time was up before any allowed score was found.

    Notes
    -----
    Cost: supports are bounded in O(m) each, of which there are sum over s <= max_terms of
    binomial(d, s); those left open are searched over the points, in the worst case
    (high - low)^s vectors at a cost linear in their distinct rows. Interrupting with Ctrl-C
    returns the best score so far with status "interrupted".
    """
    run = _Run(problem, certify=certify, time_limit=time_limit, threads=threads, seed=seed)
    return run.solve(on_progress)


class _Weights:
    """Weights as integers: `positive` and `negative` in units of `total` / sum of the integers.

    Weights that are multiples of one unit within their class (counts, class weights times counts)
    stay exactly proportional, so that equal losses compare as equal.
    """

    def __init__(self, positive: Array, negative: Array) -> None:
        total = float(positive.sum() + negative.sum())
        both = _multiples(np.concatenate([positive, negative]))
        if both is not None and both.sum() < 2**_WEIGHT_BITS:
            factor = 1 << (_WEIGHT_BITS - int(both.sum()).bit_length())
            self.positive = both[: len(positive)] * factor
            self.negative = both[len(positive) :] * factor
            self.margin = 0.0
        else:
            scale = 2.0**_WEIGHT_BITS / total
            self.positive = _scaled(positive, scale)
            self.negative = _scaled(negative, scale)
            rounding = np.abs(self.positive / scale - positive).sum()
            rounding += np.abs(self.negative / scale - negative).sum()
            self.margin = 2.0 * float(rounding) / total
        self.positives = int(self.positive.sum())
        self.negatives = int(self.negative.sum())
        self.total = self.positives + self.negatives


def _multiples(weights: Array) -> Integers | None:
    """The weights as multiples of one unit, the smallest weight or a whole part of it.

    Without this, rounding could push a score over a limit that it meets exactly.
    """
    distinct = np.unique(weights[weights > 0])
    if distinct.size == 0:
        return np.zeros(len(weights), dtype=np.int64)
    ratios = distinct / distinct[0]
    if ratios[-1] > 2**_WEIGHT_BITS:
        return None
    for parts in range(1, _MOST_PARTS + 1):
        scaled = ratios * parts
        if np.all(np.abs(scaled - np.rint(scaled)) <= 1e-12 * scaled):
            multiples: Integers = np.rint(weights / distinct[0] * parts).astype(np.int64)
            return multiples
    return None


def _scaled(weights: Array, scale: float) -> Integers:
    multiples = _multiples(weights)
    if multiples is not None and multiples.any():
        heaviest = int(np.argmax(weights))
        unit = float(weights[heaviest]) / int(multiples[heaviest]) * scale
        if unit > _FINE_UNIT:
            return multiples * round(unit)
    return np.rint(weights * scale).astype(np.int64)


class _Run:
    """One problem on its way through the search."""

    def __init__(
        self,
        problem: ScoringSystemProblem,
        *,
        certify: bool,
        time_limit: float,
        threads: int,
        seed: int,
    ) -> None:
        problem.rules.refuse_linear("this search")
        self.problem = problem
        self.values = np.asfortranarray(problem.patterns.dense(), dtype=np.float64)
        self.weights = _Weights(problem.patterns.positive, problem.patterns.negative)
        self.false_positives = self._limit(problem.max_false_positive_rate, self.weights.negatives)
        self.false_negatives = self._limit(problem.max_false_negative_rate, self.weights.positives)
        self.certify, self.threads, self.seed = certify, threads, seed % 2**32
        self.begin = time.perf_counter()
        self.deadline = self.begin + time_limit
        self.stopped: Status | None = None
        self.low = np.asarray(problem.rules.low).astype(np.int64)
        self.high = np.asarray(problem.rules.high).astype(np.int64)
        self.starts = _starts(problem, self.values, self.low, self.high)

    @staticmethod
    def _limit(rate: float | None, total: int) -> int:
        """The largest integer weight within `rate`; -1 stands for no limit."""
        if rate is None or rate >= 1.0:
            return -1
        return math.floor(rate * total * (1.0 + 1e-12))

    def _search(self, penalty: float) -> Any:
        problem, rules = self.problem, self.problem.rules
        d = self.values.shape[1]
        search = _kernels.ScoringSystemSearch(
            values=self.values,
            positive=self.weights.positive,
            negative=self.weights.negative,
            low=self.low.tolist(),
            high=self.high.tolist(),
            feature=list(rules.feature),
            max_terms=problem.max_terms,
            max_features=d if problem.max_features is None else problem.max_features,
            penalty=round(penalty * self.weights.total),
            required=[list(group) for group in rules.required],
            groups=[(list(group), most) for group, most in rules.at_most],
            implications=[(first, list(group)) for first, group in rules.if_then],
        )
        search.start_from(self.starts)
        return search

    def _watch(
        self,
        search: Any,
        certify: bool,
        on_poll: Callable[[], bool] | None = None,
    ) -> None:
        """Run the search in a thread until it ends, the time is up or Ctrl-C is pressed."""

        def watch() -> None:
            if time.perf_counter() >= self.deadline:
                self.stopped = "time_limit"
                search.stop()
            elif on_poll is not None and on_poll():
                search.stop()

        if run_in_background(
            lambda: search.run(self.threads, certify, self.seed, _HEURISTIC_EFFORT),
            search.stop,
            watch,
        ):
            self.stopped = "interrupted"

    def solve(self, on_progress: Callable[[float, float], None] | None) -> ScoringSystemSolution:
        search = self._search(self.problem.penalty)
        search.limit(self.false_positives, self.false_negatives)
        scale = _kernels.scoring_system_scale * self.weights.total

        def report() -> bool:
            if on_progress is not None:
                now = search.progress()
                objective = now["objective"]
                on_progress(
                    math.inf if objective is None else objective / scale,
                    now["lower_bound"] / scale,
                )
            return False

        self._watch(search, self.certify, report)
        result = search.result()
        if not result["found"]:
            raise ConstraintError(
                "no set of items meets the constraints",
                hint="Allow more terms, or relax the forced-in items, groups or if-then rules",
            )
        if not result["feasible"]:
            self._make_feasible()
            return self.solve(on_progress)
        return self._solution(result)

    def _make_feasible(self) -> None:
        """Find a score within both limits to start from, or say what is attainable.

        The search minimises the false negatives within the limit on false positives.
        """
        search = self._search(penalty=0.0)
        search.limit(self.false_positives, -1)
        search.count(False, True)
        enough = _kernels.scoring_system_scale * self.false_negatives

        def within() -> bool:
            objective = search.progress()["objective"]
            return objective is not None and objective <= enough

        self._watch(search, True, within)
        result = search.result()
        if result["objective"] <= enough:
            dense = np.zeros(self.values.shape[1], dtype=np.int64)
            dense[result["items"]] = result["points"]
            self.starts = [dense.tolist(), *self.starts]
            return
        problem = self.problem
        limits = (
            f"max_false_positive_rate <= {problem.max_false_positive_rate:g}",
            f"max_false_negative_rate <= {problem.max_false_negative_rate:g}",
        )
        missed = result["objective"] / _kernels.scoring_system_scale / self.weights.positives
        at = f"at a false-positive rate of at most {problem.max_false_positive_rate:g}"
        if not result["complete"]:
            raise SearchError(
                "the search ended before it found a score within both limits",
                expected=" and ".join(limits),
                got=f"a false-negative rate of {missed:.4g} {at}, not proved lowest",
                hint="Allow more time, or relax a limit",
            )
        raise ConstraintError(
            "no score meets both limits",
            conflict=limits,
            expected=" and ".join(limits),
            got=f"{at} the lowest attainable false-negative rate is {missed:.4g}",
            hint="Relax one of the limits, or allow more terms",
        )

    def _solution(self, result: dict[str, Any]) -> ScoringSystemSolution:
        items, points = result["items"], result["points"]
        threshold, alarms, missed = self._threshold(items, points)
        weights, problem = self.weights, self.problem
        penalty = round(problem.penalty * weights.total)
        units = alarms + missed + penalty * len(items)
        scale = _kernels.scoring_system_scale
        if units * scale != result["objective"]:
            raise SearchError("the objective does not agree with the score that was found")
        lower_bound = result["lower_bound"] / (scale * weights.total)
        loss = (alarms + missed) / weights.total
        objective = loss + problem.penalty * len(items)
        optimal = result["complete"] or result["lower_bound"] >= result["objective"]
        return ScoringSystemSolution(
            items=tuple(items),
            points=tuple(points),
            threshold=threshold,
            objective=objective,
            loss=loss,
            false_positive_rate=alarms / max(weights.negatives, 1),
            false_negative_rate=missed / max(weights.positives, 1),
            lower_bound=objective if optimal else min(max(lower_bound, 0.0), objective),
            margin=weights.margin + (problem.max_terms + 1) * 2.0 ** (1 - _WEIGHT_BITS),
            status="optimal" if optimal else (self.stopped or "heuristic"),
            supports_examined=result["bounded"],
            supports_searched=result["searched"],
            supports_total=self._supports_total(),
            nodes=result["nodes"],
            seconds=time.perf_counter() - self.begin,
        )

    def _supports_total(self) -> int:
        """Sets of up to `max_terms` usable items with the indispensable ones, other rules aside."""
        rules = self.problem.rules
        fixed = {group[0] for group in rules.required if len(group) == 1}
        free = sum(rules.usable(j) and j not in fixed for j in range(len(rules.low)))
        most = min(self.problem.max_terms - len(fixed), free)
        return sum(math.comb(free, size) for size in range(most + 1))

    def _threshold(self, items: list[int], points: list[int]) -> tuple[float, int, int]:
        """The best threshold of a score, with its false positives and negatives (weights)."""
        columns, weights = self.values[:, items], self.weights
        totals, code = np.unique(
            columns @ np.asarray(points, dtype=np.float64), return_inverse=True
        )
        positive = np.zeros(len(totals), dtype=np.int64)
        negative = np.zeros(len(totals), dtype=np.int64)
        np.add.at(positive, code, weights.positive)
        np.add.at(negative, code, weights.negative)
        missed = np.concatenate([[0], np.cumsum(positive)])
        alarms = weights.negatives - np.concatenate([[0], np.cumsum(negative)])
        whole = np.all(columns == np.floor(columns)) and np.abs(columns).max(initial=0.0) < 1e9
        scale = float(np.abs(columns).max(axis=0, initial=0.0) @ np.abs(points)) if items else 0.0
        gaps = np.concatenate([[math.inf], np.diff(totals), [math.inf]])
        allowed = gaps > (0.5 if whole else _TIE * scale)
        if self.false_positives >= 0:
            allowed &= alarms <= self.false_positives
        if self.false_negatives >= 0:
            allowed &= missed <= self.false_negatives
        best = min(np.flatnonzero(allowed), key=lambda i: (missed[i] + alarms[i], -gaps[i], i))
        return _between(totals, int(best), bool(whole)), int(alarms[best]), int(missed[best])


def _between(totals: Array, at: int, whole: bool) -> float:
    """A threshold that `totals` from index `at` on exceed."""
    if at == len(totals):
        return float(totals[-1])
    if at == 0:
        return float(totals[0]) - 1.0
    middle = (float(totals[at - 1]) + float(totals[at])) / 2.0
    return float(math.floor(middle)) if whole else middle


def _starts(
    problem: ScoringSystemProblem, values: Array, low: Integers, high: Integers
) -> list[list[int]]:
    """Rounded logistic coefficients at several scales, for the heuristic to set out from.

    Fitted to the heaviest patterns and to the columns most correlated with the outcome; the weaker
    half of the columns is dropped until no more than `max_terms` are left.
    """
    weight = problem.patterns.positive + problem.patterns.negative
    rows = np.argsort(-weight, kind="stable")[:_FIT_ROWS]
    values = values[rows]
    positive, negative = problem.patterns.positive[rows], problem.patterns.negative[rows]
    kept = np.flatnonzero((low <= high) & ((low < 0) | (high > 0)))
    if kept.size == 0:
        return []
    spread = values.std(axis=0)
    strength = _correlations(values[:, kept], positive, negative)
    keep, size = _FIT_COLUMNS, min(problem.max_terms, kept.size)
    while True:
        kept = np.sort(kept[np.argsort(-strength, kind="stable")[:keep]])
        slopes = _logistic_slopes(values[:, kept], positive, negative)
        strength = np.abs(slopes) * spread[kept]
        if kept.size <= size:
            break
        keep = max(size, kept.size // 2)
    largest = float(np.abs(slopes).max(initial=0.0))
    starts: list[list[int]] = []
    for reach in range(1, 1 + min(int(np.abs([low, high]).max()), 10)):
        dense = np.zeros(values.shape[1], dtype=np.int64)
        scaled = np.rint(slopes * (reach / largest)) if largest > 0.0 else slopes
        dense[kept] = np.clip(scaled, low[kept], high[kept])
        if dense.tolist() not in starts:
            starts.append(dense.tolist())
    return starts


def _correlations(values: Array, positive: Array, negative: Array) -> Array:
    """|Weighted correlation| of each column with the outcome; 0 for constant columns."""
    weight = positive + negative
    weight, rate = weight / weight.sum(), positive.sum() / weight.sum()
    centred = values - weight @ values
    spread = np.sqrt(weight @ centred**2)
    covariance = np.abs((positive / (positive + negative).sum() - weight * rate) @ centred)
    spread[spread == 0.0] = np.inf
    correlations: Array = covariance / spread
    return correlations


def _logistic_slopes(values: Array, positive: Array, negative: Array) -> Array:
    """Coefficients of a slightly ridged logistic fit by a few Newton steps, per unit of value."""
    spread = values.std(axis=0)
    spread[spread == 0.0] = 1.0
    design = np.column_stack([(values - values.mean(axis=0)) / spread, np.ones(len(values))])
    weight = positive + negative
    weight = weight / weight.sum()
    target = np.divide(positive, positive + negative, where=weight > 0, out=np.zeros(len(values)))
    ridge = np.full(design.shape[1], 1e-3)
    beta = np.zeros(design.shape[1])
    for _ in range(8):
        risk = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -30.0, 30.0)))
        gradient = design.T @ (weight * (risk - target)) + ridge * beta
        curvature = (design * (weight * risk * (1.0 - risk))[:, None]).T @ design
        step = np.linalg.solve(curvature + np.diag(ridge), gradient)
        beta -= step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
    slopes: Array = beta[:-1] / spread
    return slopes
