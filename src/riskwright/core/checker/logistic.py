"""Cards of log odds: every set of items is excluded by tangents of the log loss.

A tangent of the convex loss is minimised over a box that holds all coefficients of a set. It lies
below the loss wherever it is taken, so a bad step of the minimiser can make a bound weak but never
wrong.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any, NoReturn

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

__all__ = ["LogisticClaim", "LogisticProblem"]

_LARGEST_SCORE = 1e6  # beyond it, rounding may exceed the tolerance
_MOST_TERMS_COUNTED = 7
_MOST_SETS_ROW_BY_ROW = 200_000
_BATCH = 2**21  # floating-point numbers worked on at a time
_CONVERGED = 1e-10
_STEPS = 50

Nodes = tuple[NDArray[Any], ...]


class LogisticClaim(Claim):
    """Points with a slope and an intercept."""

    def __init__(self, told: dict[str, Any], d: int) -> None:
        super().__init__(told, d)
        self.slope, self.intercept = float(told["slope"]), float(told["intercept"])
        self.finite(self.slope, self.intercept)


class LogisticProblem(Problem):
    """Risk = 1 / (1 + exp(-(slope x total + intercept))); the slope is 1 in class unit."""

    def __init__(self, told: dict[str, Any], patterns: dict[str, Any]) -> None:
        super().__init__(told, patterns)
        start, stop = map(float, told["intercept"])
        self.unit = told["unit"]
        self.limit = math.inf if self.unit else float(told["max_log_odds"])
        self.least = 1.0 if self.unit else float(told.get("min_slope", 0.0))
        need(isinstance(self.unit, bool), "unit is neither true nor false")
        need(self.unit or 0 < self.limit < math.inf, "max_log_odds is out of range")
        need(-math.inf < start <= stop < math.inf, "intercept is out of range")
        self.intercept = (math.ceil(start), math.floor(stop)) if self.unit else (start, stop)
        need(self.intercept[0] <= self.intercept[1], "no whole intercept is allowed")

    def broken(self, claim: LogisticClaim) -> dict[str, bool]:
        largest = claim.slope * np.abs(claim.points).max(initial=0.0)
        start, stop = self.intercept
        return {
            "the slope is not 1": self.unit and claim.slope != 1.0,
            "the slope is too small": claim.slope < self.least * (1.0 - TOLERANCE)
            or (claim.slope <= 0.0 and bool(claim.items)),
            "slope x points is out of range": largest > self.limit + TOLERANCE,
            "the intercept is not a whole number": self.unit
            and claim.intercept != round(claim.intercept),
            "the intercept is out of range": abs(2 * claim.intercept - start - stop)
            > stop - start + TOLERANCE,
        }

    def loss(self, claim: LogisticClaim) -> float:
        score = claim.slope * (self.rows[:, claim.items] @ claim.points) + claim.intercept
        softplus = np.maximum(score, 0.0) + np.log1p(np.exp(-np.abs(score)))
        losses = self.classes * np.stack([softplus - score, softplus])
        return math.fsum(losses.ravel()) if np.isfinite(losses).all() else math.inf

    def check_bound(self, floor: float, deadline: float) -> Finding:
        space = _Space(self, floor - TOLERANCE, deadline)
        method = "relaxation over all items"
        root, largest = space.relaxation()
        if not largest <= _LARGEST_SCORE:
            sentence = "Nothing is verified of the lower bound: such large numbers round coarsely."
            return finding("bound", None, sentence, method)
        if root >= space.target:
            sentence = f"No card lies below {floor:.10f}: not even with all items and real points."
            return finding("bound", True, sentence, method)
        if not space.counted and space.total > _MOST_SETS_ROW_BY_ROW:
            return too_many(space, floor, root)
        return excluded(space, floor, root)


class _Space:
    """All cards of the class, by the set of items that have points; strongest items first.

    Sets have one length, `width`: those of fewer items are filled up with empty items, numbered
    from `size` on, that never hold and have 0 points. The last column of `rows` is all ones.
    """

    def __init__(self, problem: LogisticProblem, target: float, deadline: float) -> None:
        self.problem, self.target, self.deadline = problem, target, deadline
        usable = np.flatnonzero(problem.low <= problem.high)
        rows, weight = problem.rows[:, usable], problem.classes.sum(axis=0)
        pull = (weight * problem.classes[0].sum() - problem.classes[0]) @ rows
        spread = weight @ rows**2 - (weight @ rows) ** 2
        order = np.argsort(-(pull**2) / np.maximum(spread, 1e-12), kind="stable")
        self.size, self.terms = len(usable), min(problem.max_terms, len(usable))
        self.width = max(self.terms, 3)
        empty, d = self.width, len(problem.low)
        self.items = np.r_[usable[order], np.full(empty, d)]
        self.low = np.r_[problem.low[usable[order]], np.zeros(empty)]
        self.high = np.r_[problem.high[usable[order]], np.zeros(empty)]
        m = len(rows)
        self.rows = np.hstack([rows[:, order], np.zeros((m, empty)), np.ones((m, 1))])
        self.counted = bool(np.isin(rows, (0, 1)).all()) and self.width <= _MOST_TERMS_COUNTED
        self.total = sum(math.comb(self.size, k) for k in range(self.terms + 1))
        self.examined = 0
        self.slopes = np.array([1.0, 1.0] if problem.unit else [problem.least, problem.limit])

    def ends(self, low: Floats, high: Floats, slopes: Floats) -> tuple[Floats, Floats]:
        """Ends of slope x points, after those of the intercept in the first column."""
        (a, b), limit = slopes.T[..., None], self.problem.limit
        left, right = low.copy(), high.copy()
        left[:, 1:] = np.maximum(np.minimum(low * a, low * b)[:, 1:], -limit)
        right[:, 1:] = np.minimum(np.maximum(high * a, high * b)[:, 1:], limit)
        return left, right

    def points(self, sets: Integers) -> tuple[Floats, Floats]:
        """Least and largest intercept and points of each set (n x (1 + length))."""
        start, stop = (np.full(len(sets), end) for end in self.problem.intercept)
        return np.c_[start, self.low[sets]], np.c_[stop, self.high[sets]]

    def coefficients(self, sets: Integers, *, optional: bool = False) -> tuple[Floats, Floats]:
        """Least and largest intercept and coefficients of each set; 0 too where optional."""
        low, high = self.points(sets)
        if optional:
            low[:, 1:], high[:, 1:] = np.minimum(low[:, 1:], 0.0), np.maximum(high[:, 1:], 0.0)
        return self.ends(low, high, np.tile(self.slopes, (len(sets), 1)))

    def relaxation(self) -> tuple[float, float]:
        """Lower bound on every card, with all items and real points, and the largest score met."""
        items = np.arange(self.size)
        design, (low, high) = self.design(items), self.coefficients(items[None], optional=True)
        largest = np.maximum(-low[0], high[0]) @ np.abs(design).max(axis=0)
        bound = _minimise(design, self.problem.classes[:, None], low, high, np.zeros_like(low))[2]
        return max(float(bound[0]), 0.0), float(largest)

    def design(self, items: Integers) -> Floats:
        return self.rows[:, np.r_[-1, items]]

    def exclude_all(self) -> None:
        if self.counted:
            for outer in self.sets(self.width - 3):
                self.exclude_from(outer)
        else:
            for items in self.sets(self.terms):
                one, start = np.array([items], dtype=np.intp), np.zeros((1, self.terms + 1))
                self.exclude(self.design(one[0]), self.problem.classes[:, None], one, start)
                self.examined += 1

    def sets(self, length: int) -> Iterator[tuple[int, ...]]:
        """All sets of up to `length` items, filled up with empty items."""
        for size in range(length + 1):
            for items in combinations(range(self.size), size):
                yield items + tuple(range(self.size, self.size + length - size))

    def following(self, item: int) -> range:
        """What may come next in a set: any later item or the first of the unused empty ones."""
        return range(item + 1, max(self.size, item + 1) + 1)

    def exclude_from(self, outer: tuple[int, ...]) -> None:
        """Exclude all sets that begin with the outer items.

        The cells of a set are the combinations of its items. For each inner item, that is one more,
        products of matrices count the cells of all sets that end in two further items.
        """
        first = outer[-1] + 1 if outer else 0
        code = self.rows[:, list(outer)] @ 2.0 ** np.arange(len(outer))
        order = np.argsort(code, kind="stable")
        starts = np.searchsorted(code[order], np.arange(1 << len(outer)))
        rows, weights = self.rows[order], self.problem.classes[:, order]
        whole = _pair_counts(rows[:, first:], weights, starts)
        bases, cells, tails = [], [], []
        for inner in self.following(first - 1):
            last = np.array(self.following(inner))
            tail = np.r_[last, last[-1] + 1]
            rarer = rows[:, inner].mean() < 0.5
            part = np.flatnonzero(rows[:, inner] == rarer)
            here = rows[np.ix_(part, np.r_[tail, -1])]
            fewer = _pair_counts(here, weights[:, part], np.searchsorted(part, starts))
            at = np.r_[tail - first, -1]
            rest = np.maximum(whole[:, :, at[:, None], at] - fewer, 0.0)
            pair = np.concatenate([rest, fewer] if rarer else [fewer, rest], axis=1)
            held, every = pair[:, :, :-2, -1], pair[:, :, -1:, -1]
            bases.append(np.c_[np.tile([*outer, inner], (len(last), 1)), last])
            cells.append(np.concatenate([every - held, held], axis=1).swapaxes(1, 2))
            tails.append((tail, pair))
        self.exclude_pairs(np.concatenate(bases), np.concatenate(cells, axis=1), tails)

    def exclude_pairs(
        self, bases: Integers, cells: Floats, tails: list[tuple[Integers, Floats]]
    ) -> None:
        """Exclude bases + one more item by the tangents at the best coefficients of the bases."""
        self.check_time()
        cube, problem = _cube(self.width - 1), self.problem
        low, high = self.coefficients(bases)
        point = _minimise(cube, cells, low, high, np.zeros_like(low))[0]
        loss, gradient, risk = _evaluate(cube, cells, point)
        bound = _tangent(loss, gradient, point, low, high)
        used = (bases < self.size).sum(axis=1)
        left, right = (end[0, 1:] for end in self.coefficients(np.arange(len(self.low))[None]))
        found: list[tuple[NDArray[Any], ...]] = []
        row = 0
        for tail, pair in tails:
            base, half, t = slice(row, row + len(tail) - 1), pair.shape[1], len(tail)
            row = base.stop
            both, without = pair.sum(axis=0), risk[base, :half]
            change = risk[base, half:] - without
            slope = without @ both[:, :t, -1] - pair[0, :, :t, -1].sum(axis=0)
            slope += (change[:, None] @ both[:, : t - 1, :t].swapaxes(0, 1))[:, 0]
            terms = used[base, None] + (tail < self.size)
            reach = np.minimum(slope * left[tail], slope * right[tail]) + problem.penalty * terms
            last = tail[:-1, None]
            valid = (tail > last) & (tail <= np.maximum(self.size, last + 1))
            valid &= terms <= problem.max_terms
            self.examined += int(valid.sum())
            i, j = np.nonzero(valid & ~(bound[base, None] + reach >= self.target))
            one, two, joint = pair[:, :, i, -1], pair[:, :, j, -1], pair[:, :, i, j]
            neither = pair[:, :, -1:, -1] - one - two + joint
            counts = np.concatenate([neither, one - joint, two - joint, joint], axis=1)
            starts = np.c_[point[base][i], np.zeros(len(i))]
            found.append((np.c_[bases[base][i], tail[j]], counts.swapaxes(1, 2), starts))
        sets, counts, starts = zip(*found, strict=True)
        self.exclude(
            _cube(self.width),
            np.maximum(np.concatenate(counts, axis=1), 0.0),
            np.concatenate(sets),
            np.concatenate(starts),
        )

    def exclude(self, design: Floats, counts: Floats, sets: Integers, start: Floats) -> None:
        """Exclude sets by splitting their boxes of points and slopes until none is open.

        counts (2 x n x cells) are the weights of events and others in the cells of each of the n
        sets; the cells are the rows of the design.
        """
        used = np.zeros((len(sets), len(self.problem.low) + 1), dtype=bool)
        used[np.arange(len(sets))[:, None], self.items[sets]] = True
        keep = np.flatnonzero(self.problem.allowed(used[:, :-1]))
        targets = self.target - self.problem.penalty * used[:, :-1].sum(axis=1)
        slopes = np.tile(self.slopes, (len(keep), 1))
        stack: list[Nodes] = [(keep, *self.points(sets[keep]), slopes, start[keep])]
        size = max(1, _BATCH // (design.size * design.shape[1]))
        while stack:
            self.check_time()
            nodes = stack.pop()
            if len(nodes[0]) > size:
                stack.append(tuple(array[size:] for array in nodes))
                nodes = tuple(array[:size] for array in nodes)
            if self.problem.linear:
                fits = self.problem.within(*(self.spread(sets[nodes[0]], x) for x in nodes[1:3]))
                nodes = tuple(array[fits] for array in nodes)
            low, high, slopes = nodes[1:4]
            line = (low[:, 1:] == high[:, 1:]).all(axis=1) & (slopes[:, 0] < slopes[:, 1])
            for is_line in (False, True):
                part = tuple(array[line == is_line] for array in nodes)
                if len(part[0]):
                    part = self.still_open(design, counts, targets, sets, part, is_line)
                    stack.append(self.halves(part))

    def spread(self, sets: Integers, ends: Floats) -> Floats:
        """Ends of the points of each set as rows over all items (n x d)."""
        rows = np.zeros((len(sets), len(self.problem.low) + 1))
        rows[np.arange(len(sets))[:, None], self.items[sets]] = ends[:, 1:]
        return rows[:, :-1]

    def still_open(
        self,
        design: Floats,
        counts: Floats,
        targets: Floats,
        sets: Integers,
        nodes: Nodes,
        is_line: bool,
    ) -> Nodes:
        """The nodes whose bound misses their target. A line has fixed points and open slopes."""
        which, low, high, slopes, start = nodes
        if is_line:
            points = low[:, 1:]
            top = self.problem.limit / np.maximum(1.0, np.abs(points).max(axis=1, initial=0.0))
            slopes = np.minimum(slopes, top[:, None])
            totals = points @ design[:, 1:].T
            design = np.stack([np.ones_like(totals), totals], axis=2)
            left, right = np.c_[low[:, 0], slopes[:, 0]], np.c_[high[:, 0], slopes[:, 1]]
            begin = np.c_[start[:, 0], slopes.mean(axis=1)]
        else:
            left, right = self.ends(low, high, slopes)
            begin = start
        target = targets[which]
        point, value, bound = _minimise(design, counts[:, which], left, right, begin, target)
        missed = ~(bound >= target)
        final = missed & (is_line | (low == high).all(axis=1))
        for i in np.flatnonzero(final & (value < target))[:1]:
            slope = point[i, 1] if is_line else 1.0
            self.refute(sets[which[i]], low[i, 1:], slope, point[i, 0], value[i])
        if (final & (slopes[:, 1] - slopes[:, 0] < TOLERANCE)).any():
            raise Undecided("a card is too close to the bound to call")
        again = start if is_line else point
        return tuple(array[missed] for array in (which, low, high, slopes, again))

    def halves(self, nodes: Nodes) -> Nodes:
        """Two halves of each node: of slopes that span over 10 %, else of the range of a point."""
        which, low, high, slopes, point = nodes
        n, (a, b), width = np.arange(len(which)), slopes.T, high - low
        is_line = (width[:, 1:] == 0).all(axis=1)
        by_slope = (a < b) & (is_line | (b > 1.1 * np.maximum(a, 1e-3)))
        middle = np.where(is_line, (a + b) / 2, np.sqrt(np.maximum(a, 1e-3) * b))
        at = point.copy()
        at[:, 1:] /= np.maximum((a + b) / 2, 1e-9)[:, None]
        width[:, 0] *= self.problem.unit
        j = np.where(width > 0, np.abs(at - np.round(at)) + 1e-3 * width, -1.0).argmax(axis=1)
        cut = np.clip(np.floor(at[n, j]), low[n, j], high[n, j] - 1)
        below, above = high.copy(), low.copy()
        below[n, j] = np.where(by_slope, high[n, j], cut)
        above[n, j] = np.where(by_slope, low[n, j], cut + 1)
        below[:, 1:] -= (below[:, 1:] == 0) & (low[:, 1:] < 0)
        above[:, 1:] += (above[:, 1:] == 0) & (high[:, 1:] > 0)
        lesser = np.c_[a, np.where(by_slope, middle, b)]
        greater = np.c_[np.where(by_slope, middle, a), b]
        halves = ((which, low, below, lesser, point), (which, above, high, greater, point))
        return tuple(np.concatenate(pair) for pair in zip(*halves, strict=True))

    def refute(
        self, items: Integers, points: Floats, slope: float, intercept: float, loss: float
    ) -> NoReturn:
        used = self.items[items[items < self.size]]
        objective = loss + self.problem.penalty * len(used)
        total = self.problem.sum_of(used, points[: len(used)])
        raise Refuted(f"{slope:.6g} x ({total}) {intercept:+.6g} has objective {objective:.10f}")

    def check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise Undecided("the time allowed is up")


# Convex bounds


def _cube(k: int) -> Floats:
    """The 2^k cells of k 0/1 items after a column of ones; item b is bit b of the row number."""
    bits = np.arange(1 << k)[:, None] >> np.arange(k) & 1
    return np.hstack([np.ones((1 << k, 1)), bits])


def _pair_counts(rows: Floats, weights: Floats, starts: Integers) -> Floats:
    """Weights (2, cells, t, t) of rows where two items hold, by class and cell of sorted rows."""
    counts = np.zeros((2, len(starts), rows.shape[1], rows.shape[1]))
    step = max(1, 2**18 // rows.shape[1] ** 2)
    for cell, (start, stop) in enumerate(pairwise([*starts, len(rows)])):
        for at in range(start, stop, step):
            part = rows[at : min(at + step, stop)]
            for side, weight in enumerate(weights):
                counts[side, cell] += (part.T * weight[at : at + len(part)]) @ part
    return counts


def _evaluate(design: Floats, counts: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Loss (n), gradient (n x p) and risk of each cell (n x cells) at coefficients w (n x p)."""
    shared = design.ndim == 2
    score = w @ design.T if shared else (design @ w[:, :, None])[..., 0]
    small = np.exp(-np.abs(score))
    risk = np.where(score >= 0, 1.0, small) / (1.0 + small)
    both = counts.sum(axis=0)
    losses = both * (np.maximum(score, 0.0) + np.log1p(small)) - counts[0] * score
    excess = both * risk - counts[0]
    gradient = excess @ design if shared else (excess[:, None, :] @ design)[:, 0]
    return losses.sum(axis=1), gradient, risk


def _tangent(loss: Floats, gradient: Floats, w: Floats, low: Floats, high: Floats) -> Floats:
    """Least value over the box of the tangent at w, below the loss everywhere in the box."""
    least: Floats = np.minimum(gradient * (low - w), gradient * (high - w)).sum(axis=1)
    return loss + least


def _newton_step(
    design: Floats, curvature: Floats, gradient: Floats, free: NDArray[np.bool_]
) -> NDArray[np.floating[Any]]:
    """Newton direction in the free coefficients, 0 in the others."""
    n, p = gradient.shape
    if design.ndim == 2 and n > p:
        products = (design[:, :, None] * design[:, None, :]).reshape(len(design), p * p)
        hessian = (curvature @ products).reshape(n, p, p)
    else:
        hessian = (np.swapaxes(design, -1, -2) * curvature[:, None, :]) @ design
    hessian *= free[:, :, None] & free[:, None, :]
    diagonal = hessian[:, range(p), range(p)]
    hessian[:, range(p), range(p)] += ~free + 1e-9 * (1.0 + diagonal)
    return np.linalg.solve(hessian, -(gradient * free)[:, :, None])[:, :, 0]


def _minimise(
    design: Floats,
    counts: Floats,
    low: Floats,
    high: Floats,
    start: Floats,
    target: Floats | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Minimise n losses over their boxes by projected Newton steps.

    Returns the best points, the losses there, and lower bounds: the best tangents that were met.
    With targets, each stops when its bound reaches the target or its loss falls below it.
    """
    n, each = len(low), design.ndim == 3
    point = np.clip(start, low, high)
    value: Floats = np.full(n, np.inf)
    bound: Floats = np.full(n, -np.inf)
    direction, rate, live = np.zeros_like(point), np.ones(n), np.arange(n)
    for _ in range(_STEPS):
        seen, left, right = counts[:, live], low[live], high[live]
        w = np.clip(point[live] + rate[live, None] * direction[live], left, right)
        loss, gradient, risk = _evaluate(design[live] if each else design, seen, w)
        bound[live] = np.fmax(bound[live], _tangent(loss, gradient, w, left, right))
        better = loss < value[live]
        at = live[better]
        point[at], value[at], rate[at] = w[better], loss[better], 1.0
        rate[live[~better]] *= 0.3
        done = value[live] - bound[live] <= _CONVERGED
        if target is not None:
            done = (bound[live] >= target[live]) | (value[live] < target[live])
        go = np.flatnonzero(better & ~done)
        if len(go):
            curvature = seen[:, go].sum(axis=0) * (risk * (1.0 - risk))[go]
            held = (w <= left) & (gradient > 0) | (w >= right) & (gradient < 0)
            some = design[live[go]] if each else design
            direction[live[go]] = _newton_step(some, curvature, gradient[go], ~held[go])
        live = live[~done]
        if not len(live):
            break
    return point, value, bound
