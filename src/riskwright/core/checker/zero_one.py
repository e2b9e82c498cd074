"""Scoring systems: every set of items is excluded by what the best thresholds of groups attain.

Rows that agree on the items whose points are still open move together whatever these points will
be. So the order of the totals within such a group is settled, and no card does better than one
that may choose a threshold for each group by itself. With all points open the groups are the
distinct rows; with none open there is one group, and the figure is the loss itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core.records import Finding

from .problem import (
    TOLERANCE,
    Claim,
    Floats,
    Integers,
    Problem,
    Refuted,
    Undecided,
    excluded,
    finding,
    need,
    too_many,
)

__all__ = ["ZeroOneClaim", "ZeroOneProblem"]

_TIE = 1e-9  # totals nearer than this share of their scale count as equal
_LIMIT_ROUNDING = 1.0 + 1e-12
_MULTIPLIERS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_MOST_SETS = 5_000_000
_CHUNK = 4096
_BATCH = 2**21  # totals worked on at a time


class ZeroOneClaim(Claim):
    """Points and a threshold."""

    def __init__(self, told: dict[str, Any], d: int) -> None:
        super().__init__(told, d)
        self.threshold = float(told["threshold"])
        self.finite(self.threshold)


class ZeroOneProblem(Problem):
    """Yes where the total exceeds the threshold; weighted share of errors, limited error rates."""

    def __init__(self, told: dict[str, Any], patterns: dict[str, Any]) -> None:
        super().__init__(told, patterns)
        need(not self.linear, "limits on sums of points are not of this class")
        self.positives, self.negatives = (math.fsum(weights) for weights in self.classes)
        names = ("max_false_negative_rate", "max_false_positive_rate")
        rates = [told[name] for name in names]
        for rate in rates:
            need(rate is None or 0.0 <= float(rate) <= 1.0, "a limit on a rate is out of range")
        totals = (self.positives, self.negatives)
        self.most_missed, self.most_alarms = (
            math.inf if rate is None else float(rate) * total * _LIMIT_ROUNDING
            for rate, total in zip(rates, totals, strict=True)
        )
        self.multipliers = [(0.0, 0.0)]
        if rates[0] is not None:
            self.multipliers += [(factor, 0.0) for factor in _MULTIPLIERS]
        if rates[1] is not None:
            self.multipliers += [(0.0, factor) for factor in _MULTIPLIERS]

    def broken(self, claim: ZeroOneClaim) -> dict[str, bool]:
        missed, alarms = self.errors(claim)
        values = self.rows[:, claim.items]
        above = values @ claim.points - claim.threshold
        nearest = above[above > 0].min(initial=math.inf) - above[above <= 0].max(initial=-math.inf)
        return {
            "too many events are called no": missed > self.most_missed,
            "too many non-events are called yes": alarms > self.most_alarms,
            "the threshold parts equal totals": nearest <= tie_of(values, claim.points),
        }

    def errors(self, claim: ZeroOneClaim) -> tuple[float, float]:
        """Weights of the events that are called no and of the non-events that are called yes."""
        says_yes = self.rows[:, claim.items] @ claim.points > claim.threshold
        return math.fsum(self.classes[0, ~says_yes]), math.fsum(self.classes[1, says_yes])

    def loss(self, claim: ZeroOneClaim) -> float:
        return math.fsum(self.errors(claim))

    def check_bound(self, floor: float, deadline: float) -> Finding:
        space = _Space(self, floor - self.margin - TOLERANCE, deadline)
        root = space.root()
        if root >= space.target:
            sentence = f"No card lies below {floor:.10f}: not even with a rule for each pattern."
            return finding("bound", True, sentence, "best rule on the distinct rows")
        if space.total > _MOST_SETS:
            return too_many(space, floor, root)
        return excluded(space, floor, root)

    def relaxed(self, best: Floats, missed: float, alarms: float) -> Floats:
        """A bound on losses from one that weighs missed events and false alarms more."""
        for factor, most in ((missed, self.most_missed), (alarms, self.most_alarms)):
            if factor:
                best = best - factor * most
        return best


def tie_of(values: Floats, points: Floats) -> float:
    """Totals nearer to one another than this count as equal."""
    largest = np.abs(values).max(axis=0, initial=0.0)
    if (values == np.floor(values)).all() and largest.max(initial=0.0) < 1e9:
        return 0.5
    return float(_TIE * (largest @ np.abs(points)))


class _Space:
    """All cards of the class, by the set of items that have points."""

    def __init__(self, problem: ZeroOneProblem, target: float, deadline: float) -> None:
        self.problem, self.target, self.deadline = problem, target, deadline
        usable = np.flatnonzero(problem.low <= problem.high)
        kinds = [np.unique(problem.rows[:, j], return_inverse=True) for j in usable]
        self.sizes = np.array([len(values) for values, _ in kinds], dtype=np.intp)
        by_size = np.argsort(-self.sizes, kind="stable")  # the points of many values come first
        self.items, self.sizes = usable[by_size], self.sizes[by_size]
        self.codes = [kinds[i][1].astype(np.int64) for i in by_size]
        most = min(problem.max_terms, len(usable))
        self.total = sum(math.comb(len(usable), k) for k in range(most + 1))
        self.most = most
        self.examined = 0

    def root(self) -> float:
        """A bound on every card: each distinct row takes its better side."""
        _, code = np.unique(self.problem.rows[:, self.items], axis=0, return_inverse=True)
        return self.rule_bound(code.ravel(), int(code.max()) + 1)

    def exclude_all(self) -> None:
        for sets in self.sets():
            if time.monotonic() > self.deadline:
                raise Undecided("the time allowed is up")
            used = np.zeros((len(sets), len(self.problem.low)), dtype=bool)
            for row, items in zip(used, sets, strict=True):
                row[self.items[list(items)]] = True
            for items, fits in zip(sets, self.problem.allowed(used), strict=True):
                if fits:
                    self.exclude(items)
                self.examined += 1

    def sets(self) -> Iterator[list[tuple[int, ...]]]:
        """All sets of items, a few thousand at a time."""
        for size in range(self.most + 1):
            chunk = []
            for items in combinations(range(len(self.items)), size):
                chunk.append(items)
                if len(chunk) == _CHUNK:
                    yield chunk
                    chunk = []
            yield chunk

    def code(self, items: tuple[int, ...]) -> tuple[NDArray[np.int64], int]:
        """A number for each row, the same where the rows agree on the items, and the count."""
        code, count = np.zeros(len(self.problem.rows), dtype=np.int64), 1
        for item in items:
            code, count = code * self.sizes[item] + self.codes[item], count * int(self.sizes[item])
            if count > 4 * len(code):
                values, code = np.unique(code, return_inverse=True)
                count = len(values)
        return code, count

    def rule_bound(self, code: NDArray[np.int64], count: int) -> float:
        """What the best rule on rows of one code attains at least."""
        positive, negative = (np.bincount(code, w, count) for w in self.problem.classes)
        bounds = [
            self.problem.relaxed(
                np.minimum(positive * (1.0 + missed), negative * (1.0 + alarms)).sum(),
                missed,
                alarms,
            )
            for missed, alarms in self.problem.multipliers
        ]
        return float(max(bounds))

    def exclude(self, items: tuple[int, ...]) -> None:
        """Raises `Refuted` if points on these items give less than the target."""
        target = self.target - self.problem.penalty * len(items)
        code, count = self.code(items)
        if self.rule_bound(code, count) >= target:
            return
        _, first, cell = np.unique(code, return_index=True, return_inverse=True)
        cells = _Cells(
            self.problem,
            [self.codes[item][first] for item in items],
            self.problem.rows[np.ix_(first, self.items[list(items)])],
            np.stack([np.bincount(cell, weights) for weights in self.problem.classes]),
        )
        stack: list[tuple[Floats, Floats]] = [(np.zeros((1, 0)), np.zeros((1, len(first))))]
        while stack:
            if time.monotonic() > self.deadline:
                raise Undecided("the time allowed is up")
            points, totals = stack.pop()
            depth = points.shape[1]
            if depth == len(items):
                self.refute(items, cells, points, totals, target)
                continue
            j = self.items[items[depth]]
            choices = np.arange(self.problem.low[j], self.problem.high[j] + 1)
            choices = choices[choices != 0]
            size = max(1, _BATCH // (len(first) * len(choices)))
            if len(points) > size:
                stack.append((points[size:], totals[size:]))
                points, totals = points[:size], totals[:size]
            points = np.c_[
                np.repeat(points, len(choices), axis=0), np.tile(choices, len(points))[:, None]
            ]
            moved = totals[:, None] + choices[:, None] * cells.rows[:, depth]
            totals = moved.reshape(len(points), -1)
            if depth + 1 < len(items):
                keep = cells.bound(points, totals, target) < target
                points, totals = points[keep], totals[keep]
            if len(points):
                stack.append((points, totals))

    def refute(
        self, items: tuple[int, ...], cells: _Cells, points: Floats, totals: Floats, target: float
    ) -> None:
        losses, thresholds = cells.best(points, totals)
        for i in np.flatnonzero(losses < target)[:1]:
            total = self.problem.sum_of(self.items[list(items)], points[i])
            objective = losses[i] + self.problem.penalty * len(items)
            raise Refuted(f"{total} > {thresholds[i]:.6g} has objective {objective:.10f}")


class _Cells:
    """The distinct rows of a set of items, for batches of points given to its first items."""

    def __init__(
        self,
        problem: ZeroOneProblem,
        codes: list[NDArray[np.int64]],
        rows: Floats,
        classes: Floats,
    ) -> None:
        self.problem, self.rows, self.classes = problem, rows, classes
        self.largest = np.abs(rows).max(axis=0, initial=0.0)
        self.whole = bool((rows == np.floor(rows)).all()) and self.largest.max(initial=0.0) < 1e9
        self.orders: list[Integers] = []
        self.starts: list[Integers] = []
        for depth in range(len(codes) + 1):
            rest = np.stack(codes[depth:] or [np.zeros(len(rows), dtype=np.int64)])
            order = np.lexsort(rest)
            changes = (np.diff(rest[:, order], axis=1) != 0).any(axis=0)
            self.orders.append(order)
            self.starts.append(np.r_[0, np.flatnonzero(changes) + 1])

    def ordered(
        self, points: Floats, totals: Floats
    ) -> tuple[Floats, NDArray[np.bool_], Floats, Integers]:
        """Weights and totals in order within each group, where a threshold fits after them."""
        order, starts = self.orders[points.shape[1]], self.starts[points.shape[1]]
        group = np.zeros(len(order))
        group[starts[1:]] = 1.0
        totals = totals[:, order]
        span = np.ptp(totals, axis=1, keepdims=True)
        low = totals.min(axis=1, keepdims=True)
        key = (totals - low) / np.where(span > 0, 2.0 * span, 1.0) + np.cumsum(group)
        place = np.argsort(key, axis=1)
        totals = np.take_along_axis(totals, place, axis=1)
        scale = np.abs(points) @ self.largest[: points.shape[1]]
        tie = np.full(len(points), 0.5) if self.whole else _TIE * scale
        fits = np.ones(totals.shape, dtype=bool)
        fits[:, :-1] = np.diff(totals, axis=1) > tie[:, None]
        fits[:, starts[1:] - 1] = True
        return self.classes[:, order[place]], fits, totals, starts

    def bound(self, points: Floats, totals: Floats, target: float) -> Floats:
        """A bound on all completions of the points; stops weighing where it reaches the target."""
        (positive, negative), fits, _, starts = self.ordered(points, totals)
        bounds = np.full(len(points), -np.inf)
        for missed, alarms in self.problem.multipliers:
            live = np.flatnonzero(bounds < target)
            if not len(live):
                break
            gain = np.cumsum(
                (1.0 + missed) * positive[live] - (1.0 + alarms) * negative[live], axis=1
            )
            lowest = np.minimum.reduceat(np.where(fits[live], gain, np.inf), starts, axis=1)
            before = np.c_[np.zeros(len(live)), gain[:, starts[1:] - 1]]
            best = np.minimum(lowest - before, 0.0).sum(axis=1)
            best = self.problem.relaxed(
                best + (1.0 + alarms) * self.problem.negatives, missed, alarms
            )
            bounds[live] = np.maximum(bounds[live], best)
        return bounds

    def best(self, points: Floats, totals: Floats) -> tuple[Floats, Floats]:
        """The smallest loss of each vector of points within the limits, and its threshold."""
        (positive, negative), fits, totals, _ = self.ordered(points, totals)
        none = np.zeros((len(points), 1))
        missed = np.c_[none, np.cumsum(positive, axis=1)]
        alarms = np.c_[np.cumsum(negative[:, ::-1], axis=1)[:, ::-1], none]
        fits = np.c_[none == 0.0, fits]
        fits &= (missed <= self.problem.most_missed) & (alarms <= self.problem.most_alarms)
        losses = np.where(fits, missed + alarms, np.inf)
        at = losses.argmin(axis=1)
        n = np.arange(len(points))
        ends = np.c_[totals[:, :1] - 2.0, totals, totals[:, -1:]]
        return losses[n, at], (ends[n, at] + ends[n, at + 1]) / 2.0
