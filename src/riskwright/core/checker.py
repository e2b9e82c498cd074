"""Checks a proof of optimality from its file alone: `python -m riskwright.core.checker FILE`.

Nothing is shared with the search that wrote the proof. Every set of items that the constraints
allow is excluded by a lower bound on its objective, each bound being a tangent of the convex loss,
minimised over a box that holds all coefficients of that set. A tangent lies below the loss wherever
it is taken, so a bad step of the minimiser can make a bound weak but never wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .exceptions import ArtifactError, RiskwrightError, SchemaTooNewError
from .records import Finding

__all__ = ["check_proof", "main"]

TOLERANCE = 1e-9
_LARGEST_MARGIN = 1e-6
_MOST_TERMS_BY_COUNTS = 7
_MOST_SUPPORTS_ROW_BY_ROW = 200_000
_BATCH = 2**21
_ROW_BY_ROW = _BATCH
_STATUSES = ("optimal", "within_gap", "time_limit", "interrupted", "heuristic")

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Bits = NDArray[np.bool_]
Nodes = tuple[Integers, Floats, Floats, Floats, Floats]


class _Undecided(Exception):
    """Time is up, or the numbers are too close to call."""


class _Refuted(Exception):
    """A card of the stated class lies below the claimed bound; the message describes it."""


@dataclass(frozen=True)
class _Problem:
    """The `problem` and `patterns` of the file as arrays; weights are divided by their sum."""

    unit: bool
    max_terms: int
    max_features: int
    limit: float
    penalty: float
    margin: float
    low: Floats
    high: Floats
    feature: Integers
    required: list[list[int]]
    at_most: list[tuple[list[int], int]]
    if_then: list[tuple[int, list[int]]]
    intercept: tuple[float, float]
    labels: list[str]
    rows: Floats
    positive: Floats
    negative: Floats

    def allowed(self, used: Bits) -> Bits:
        """Which rows of `used` (n x d) meet the constraints on sets of items."""
        fits: Bits = used.sum(axis=1) <= self.max_terms
        members = self.feature[:, None] == np.unique(self.feature)
        fits &= ((used @ members) > 0).sum(axis=1) <= self.max_features
        for group in self.required:
            fits &= used[:, group].any(axis=1)
        for group, most in self.at_most:
            fits &= used[:, group].sum(axis=1) <= most
        for first, group in self.if_then:
            fits &= ~used[:, first] | used[:, group].any(axis=1)
        return fits


@dataclass(frozen=True)
class _Claim:
    items: list[int]
    points: Floats
    slope: float
    intercept: float
    loss: float
    objective: float
    lower_bound: float
    status: str


def check_proof(proof: dict[str, Any], *, seconds: float = 600.0) -> tuple[Finding, ...]:
    """Verify a proof that a score card is the best of its class, or as near to it as it says.

    Parameters
    ----------
    proof : dict
        A proof file (`"format": "riskwright-proof"`) as plain JSON values.
    seconds : float
        Time after which the lower bound, where it is not yet verified, is reported as undecided.

    Returns
    -------
    tuple of Finding
        `proof.feasible`, `proof.objective`, `proof.status` and `proof.bound`, in this order.
        `passed` is None where a bound could be neither verified nor refuted.

    Raises
    ------
    ArtifactError
        Where the file is not a proof or its parts do not fit together.

    Notes
    -----
    Verified is: no card of the stated class has an objective below `lower_bound` - 1e-9. With 0/1
    items and up to 7 terms the time grows with the number m of patterns times the number of sets of
    `max_terms` items out of d; other items are checked row by row, where there are at most 200,000
    such sets. Beyond that, and when time runs out, only the relaxation over all items is verified:
    real coefficients within the box of their points, any number of terms.
    """
    problem, claim = _read(proof)
    return (
        _check_feasible(problem, claim),
        _check_objective(problem, claim),
        _check_status(problem, claim),
        _check_bound(problem, claim, time.monotonic() + seconds),
    )


def main(argv: list[str] | None = None) -> int:
    """Print one line per finding; 0 verified, 1 refuted, 2 unreadable file, 3 undecided."""
    parser = argparse.ArgumentParser(
        prog="python -m riskwright.core.checker",
        description="Verify a riskwright proof of optimality.",
        epilog="exit status: 0 verified, 1 refuted, 2 unreadable file, 3 undecided",
    )
    parser.add_argument("proof", type=Path, help="the proof file (JSON)")
    parser.add_argument("--seconds", type=float, default=600.0, help="time allowed (default 600)")
    options = parser.parse_args(argv)
    try:
        findings = check_proof(_load(options.proof), seconds=options.seconds)
    except RiskwrightError as error:
        print(f"{options.proof}: {error}", file=sys.stderr)
        return 2
    words = {True: "verified", False: "REFUTED", None: "undecided"}
    for finding in findings:
        print(f"{words[finding.passed]:<10} {finding.code:<16} {finding.sentence}")
    verdicts = {finding.passed for finding in findings}
    return 1 if False in verdicts else 3 if None in verdicts else 0


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError("cannot read", got=error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise ArtifactError("not a proof", expected="JSON written by riskwright") from None


# Reading


def _read(proof: Any) -> tuple[_Problem, _Claim]:
    if not isinstance(proof, dict) or proof.get("format") != "riskwright-proof":
        raise ArtifactError("not a proof", expected='JSON with "format": "riskwright-proof"')
    version = proof.get("version")
    if isinstance(version, int) and version > 1:
        raise SchemaTooNewError("proof of a newer version", expected="1", got=str(version))
    try:
        if version != 1:
            raise ValueError(f"version {version!r} instead of 1")
        problem = _read_problem(proof["problem"], proof["patterns"])
        return problem, _read_claim(proof["claim"], len(problem.low))
    except KeyError as error:
        raise ArtifactError("incomplete proof", got=f"no {error}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ArtifactError("proof cannot be understood", got=str(error)) from None


def _read_problem(told: dict[str, Any], patterns: dict[str, Any]) -> _Problem:
    positive, negative = _vector(patterns["positive"]), _vector(patterns["negative"])
    total = math.fsum([*positive, *negative])
    _need(min(positive.min(), negative.min()) >= 0 < total, "weights below 0 or all 0")
    low, high = np.ceil(_vector(told["low"])), np.floor(_vector(told["high"]))
    d = len(low)
    problem = _Problem(
        unit=told["unit"],
        max_terms=_index(told["max_terms"]),
        max_features=d if told["max_features"] is None else _index(told["max_features"]),
        limit=math.inf if told["unit"] else float(told["max_log_odds"]),
        penalty=float(told["penalty"]),
        margin=float(told["margin"]),
        low=low,
        high=high,
        feature=np.array([_index(f) for f in told["feature"]], dtype=np.intp),
        required=[_indices(group, d) for group in told["required"]],
        at_most=[(_indices(group, d), _index(most)) for group, most in told["at_most"]],
        if_then=[(_index(first, d), _indices(group, d)) for first, group in told["if_then"]],
        intercept=(float(told["intercept"][0]), float(told["intercept"][1])),
        labels=[str(label) for label in told["labels"]],
        rows=_matrix(patterns["rows"], d),
        positive=positive / total,
        negative=negative / total,
    )
    _need(isinstance(problem.unit, bool), "unit is neither true nor false")
    _need(problem.limit > 0 and 0 <= problem.penalty < math.inf, "penalty or bound out of range")
    _need(0 <= problem.margin <= _LARGEST_MARGIN, f"margin outside 0 to {_LARGEST_MARGIN}")
    _need(all(map(math.isfinite, problem.intercept)), "intercept without bounds")
    _need(len(problem.rows) == len(positive) == len(negative), "weights do not match the rows")
    lengths = {d, len(high), len(problem.feature), len(problem.labels)}
    _need(lengths == {d}, "low, high, feature and labels differ in length")
    return problem


def _read_claim(told: dict[str, Any], d: int) -> _Claim:
    items, points = _indices(told["items"], d), _vector(told["points"])
    _need(len(items) == len(points), "items and points differ in length")
    used = np.flatnonzero(points)
    names = ("slope", "intercept", "loss", "objective", "lower_bound")
    numbers = {name: float(told[name]) for name in names}
    finite = all(math.isfinite(numbers[name]) for name in names[:4])
    _need(finite and numbers["lower_bound"] < math.inf, "claimed numbers are not finite")
    return _Claim([items[i] for i in used], points[used], status=str(told["status"]), **numbers)


def _need(holds: bool | np.bool_, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _vector(values: Any) -> Floats:
    vector = np.asarray(values, dtype=np.float64)
    _need(vector.ndim == 1 and np.isfinite(vector).all(), "a list holds more than finite numbers")
    return vector


def _matrix(rows: Any, d: int) -> Floats:
    _need(len(rows) > 0, "no patterns")
    if isinstance(rows[0], str):
        _need({len(row) for row in rows} == {d}, f"a pattern has not {d} items")
        text = np.frombuffer("".join(rows).encode(), dtype=np.uint8)
        _need(len(text) == d * len(rows) and np.isin(text, (48, 49)).all(), "items not 0 or 1")
        return (text - 48.0).reshape(len(rows), d)
    matrix = np.asarray(rows, dtype=np.float64)
    _need(matrix.shape == (len(rows), d) and np.isfinite(matrix).all(), "rows not finite numbers")
    return matrix


def _index(value: Any, below: int | None = None) -> int:
    number = int(value)
    _need(number == value and 0 <= number, f"{value!r} is not a whole number of 0 or more")
    _need(below is None or number < below, f"there is no item {value!r}")
    return number


def _indices(values: Any, below: int) -> list[int]:
    return [_index(value, below) for value in values]


# The claim by itself


def _finding(code: str, passed: bool | None, sentence: str, method: str) -> Finding:
    severity = "medium" if passed is None else "info" if passed else "high"
    return Finding(
        code=f"proof.{code}", sentence=sentence, severity=severity, passed=passed, method=method
    )


def _check_feasible(problem: _Problem, claim: _Claim) -> Finding:
    used = np.zeros((1, len(problem.low)), dtype=bool)
    used[0, claim.items] = True
    low, high = problem.low[claim.items], problem.high[claim.items]
    largest = claim.slope * np.abs(claim.points).max(initial=0.0)
    start, stop = problem.intercept
    rules = {
        "an item is named twice": len(set(claim.items)) == len(claim.items),
        "points are not whole numbers": np.array_equal(claim.points, np.round(claim.points)),
        "points are out of range": np.all((low <= claim.points) & (claim.points <= high)),
        "the items break a constraint": problem.allowed(used).all(),
        "the intercept is out of range": start - TOLERANCE <= claim.intercept <= stop + TOLERANCE,
    }
    if problem.unit:
        rules["the slope is not 1"] = claim.slope == 1.0
        rules["the intercept is no whole number"] = claim.intercept == round(claim.intercept)
    else:
        rules["the slope is not above 0"] = claim.slope > 0.0 or not claim.items
        rules["slope x points is out of range"] = largest <= problem.limit + TOLERANCE
    broken = [rule for rule, holds in rules.items() if not holds]
    return _finding(
        "feasible",
        not broken,
        f"The card is not of the stated class: {'; '.join(broken)}."
        if broken
        else f"The card of {len(claim.items)} terms meets every stated rule.",
        "each rule applied to the card",
    )


def _check_objective(problem: _Problem, claim: _Claim) -> Finding:
    score = claim.slope * (problem.rows[:, claim.items] @ claim.points) + claim.intercept
    softplus = np.maximum(score, 0.0) + np.log1p(np.exp(-np.abs(score)))
    events, others = problem.positive * (softplus - score), problem.negative * softplus
    loss = math.fsum([*events, *others])
    objective = loss + problem.penalty * len(claim.items)
    error = max(abs(loss - claim.loss), abs(objective - claim.objective))
    return _finding(
        "objective",
        error <= TOLERANCE,
        f"Loss {loss:.10f} and objective {objective:.10f}, recomputed, "
        f"differ from the claim by {error:.1e}.",
        "exact sum over the patterns",
    )


def _check_status(problem: _Problem, claim: _Claim) -> Finding:
    gap = claim.objective - claim.lower_bound
    fits = claim.status in _STATUSES and gap >= -TOLERANCE
    if claim.status == "optimal":
        fits = fits and gap <= problem.margin + TOLERANCE
    verb = "fits" if fits else "does not fit"
    return _finding(
        "status",
        fits,
        f"Status {claim.status!r} {verb} an objective {gap:.3g} above the lower bound.",
        "objective less lower bound",
    )


# The lower bound


def _check_bound(problem: _Problem, claim: _Claim, deadline: float) -> Finding:
    floor = claim.lower_bound
    if floor <= 0.0:
        sentence = "The claimed lower bound is not above 0, which holds for every card."
        return _finding("bound", True, sentence, "logistic loss is positive")
    space = _Space(problem, floor - TOLERANCE, deadline)
    root = space.root_bound()
    if root >= space.target:
        sentence = f"No card lies below {floor:.10f}: not even with every item and real points."
        return _finding("bound", True, sentence, "relaxation over all items")
    partly = f"Verified down to {root:.10f} only, not to the claimed {floor:.10f}"
    method = "exclusion of every set of items"
    if not space.affordable():
        sentence = f"{partly}: {space.total:,} sets of items are too many to go through."
        return _finding("bound", None, sentence, "relaxation over all items")
    try:
        space.exclude_all()
    except _Refuted as card:
        return _finding("bound", False, f"The lower bound {floor:.10f} is wrong: {card}.", method)
    except _Undecided as reason:
        share = f"{space.examined:,} of {space.total:,} sets of items were examined"
        return _finding("bound", None, f"{partly}: {reason}; {share}.", method)
    sentence = f"No card lies below {floor:.10f}: all {space.total:,} sets of items are excluded."
    return _finding("bound", True, sentence, method)


class _Space:
    """All cards of the class, over the usable items in order of strength.

    A card belongs to the set of items that have points other than 0, so each set is excluded by
    itself, with its own penalty; ranges that end at 0 are cut back to 1 or -1. Items `size` and
    `size + 1` are empty and worth 0 points: they fill up sets of fewer than `max_terms` items.
    """

    def __init__(self, problem: _Problem, target: float, deadline: float) -> None:
        low = np.where(problem.low == 0, 1.0, problem.low)
        high = np.where(problem.high == 0, -1.0, problem.high)
        usable = np.flatnonzero((problem.low <= problem.high) & (low <= high))
        rows = problem.rows[:, usable]
        both = problem.positive + problem.negative
        pull = (both * problem.positive.sum() - problem.positive) @ rows
        spread = both @ rows**2 - (both @ rows) ** 2
        order = np.argsort(-(pull**2) / np.maximum(spread, 1e-12), kind="stable")
        self.problem, self.target, self.deadline = problem, target, deadline
        self.items = np.r_[usable[order], len(low), len(low) + 1]
        self.size = len(order)
        self.terms = min(problem.max_terms, self.size)
        self.low = np.r_[low[self.items[:-2]], 0.0, 0.0]
        self.high = np.r_[high[self.items[:-2]], 0.0, 0.0]
        self.rows = np.hstack([rows[:, order], np.zeros((len(rows), 2)), np.ones((len(rows), 1))])
        self.classes = np.stack([problem.positive, problem.negative])
        self.by_counts = bool(np.isin(rows, (0, 1)).all()) and self.terms <= _MOST_TERMS_BY_COUNTS
        self.total = sum(math.comb(self.size, k) for k in range(self.terms + 1))
        self.examined = 0
        self.slopes = (1.0, 1.0) if problem.unit else (0.0, problem.limit)
        least, most = problem.intercept
        self.intercept = (math.ceil(least), math.floor(most)) if problem.unit else (least, most)

    def affordable(self) -> bool:
        return self.by_counts or self.total <= _MOST_SUPPORTS_ROW_BY_ROW

    def check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise _Undecided("the time allowed is up")

    def box(self, low: Floats, high: Floats, slopes: Floats) -> tuple[Floats, Floats]:
        """Least and largest slope x points, the two ends of the slopes being the last axis."""
        a, b = slopes[..., :1], slopes[..., 1:]
        limit = self.problem.limit
        return (
            np.maximum(np.minimum(low * a, low * b), -limit),
            np.minimum(np.maximum(high * a, high * b), limit),
        )

    def root_bound(self) -> float:
        """Lower bound on every card: real coefficients on all items, no penalty."""
        low = np.r_[self.intercept[0], np.minimum(self.low[: self.size], 0.0)]
        high = np.r_[self.intercept[1], np.maximum(self.high[: self.size], 0.0)]
        low[1:], high[1:] = self.box(low[1:], high[1:], np.array(self.slopes))
        design, start = self.design(range(self.size)), np.zeros((1, self.size + 1))
        bound = _minimise(design, self.classes[:, None], low[None], high[None], start)[2]
        return max(float(bound[0]), 0.0)

    def exclude_all(self) -> None:
        """Raises `_Refuted` or `_Undecided` unless every set of items is excluded."""
        beyond = self.by_counts and self.terms >= 3
        cost = len(self.rows) if self.by_counts else _ROW_BY_ROW
        for size in range(self.terms - 2 if beyond else self.terms + 1):
            supports = combinations(range(self.size), size)
            while batch := list(islice(supports, max(1, _BATCH // cost))):
                self.check_time()
                chosen = np.array(batch, dtype=np.intp).reshape(len(batch), size)
                if self.by_counts:
                    self.exclude(_cube(size), self.cells(chosen), chosen)
                else:
                    self.exclude(self.design(batch[0]), self.classes[:, None], chosen)
                self.examined += len(batch)
        for outer in combinations(range(self.size), self.terms - 3) if beyond else ():
            self.check_time()
            self.exclude_beyond(outer)

    def design(self, items: Sequence[int]) -> Floats:
        return self.rows[:, [-1, *items]]

    def cells(self, supports: Integers) -> Floats:
        """Weights (2, n, 2^k) of events and non-events by which of the k 0/1 items hold."""
        n, k = supports.shape
        bits = self.rows.T[supports].astype(np.intp)
        code = np.arange(n)[:, None] << k
        for b in range(k):
            code = code + (bits[:, b] << b)
        flat = np.broadcast_to(code, (n, len(self.rows))).ravel()
        counts = [np.bincount(flat, np.tile(w, n), minlength=n << k) for w in self.classes]
        return np.stack(counts).reshape(2, n, 1 << k)

    def exclude_beyond(self, outer: tuple[int, ...]) -> None:
        """Exclude all sets of outer + one inner + two more items, in this order.

        Products of matrices count, for each inner item, the cells of every such set; the tangent at
        the best coefficients of outer + inner + one item (the base) then bounds those of one more.
        The last of the items may be the empty ones.
        """
        first = outer[-1] + 1 if outer else 0
        code = self.rows[:, list(outer)] @ 2.0 ** np.arange(len(outer))
        order = np.argsort(code, kind="stable")
        starts = np.searchsorted(code[order], np.arange(1 << len(outer)))
        rows, weights = self.rows[order, first:], self.classes[:, order]
        whole = _pair_counts(rows, weights, starts)
        pairs, bases = [], []
        for inner in range(first, self.size):
            at = inner - first
            rare = rows[:, at].mean() < 0.5
            part = np.flatnonzero(rows[:, at] == rare)
            there = _pair_counts(rows[part, at + 1 :], weights[:, part], np.searchsorted(part, starts))
            elsewhere = whole[:, :, at + 1 :, at + 1 :] - there
            pair = np.concatenate([elsewhere, there] if rare else [there, elsewhere], axis=1)
            pair = np.maximum(pair, 0.0)
            last = np.arange(inner + 1, self.size + 1)
            held, every = pair[:, :, :-2, -1], pair[:, :, -1:, -1]
            base = np.column_stack([np.tile([*outer, inner], (len(last), 1)), last])
            pairs.append(pair)
            bases.append((base, np.concatenate([every - held, held], axis=1).swapaxes(1, 2)))
        if bases:
            self.exclude_pairs(pairs, bases)

    def exclude_pairs(self, pairs: list[Floats], bases: list[tuple[Integers, Floats]]) -> None:
        support = np.concatenate([base for base, _ in bases])
        counts = np.concatenate([count for _, count in bases], axis=1)
        n, k = support.shape
        design, cut = _cube(k), np.array(self.slopes)
        low, high = self.box(self.low, self.high, cut)
        ends = [np.column_stack([np.full(n, e), side[support]])
                for e, side in zip(self.intercept, (low, high), strict=True)]
        point = _minimise(design, counts, *ends, np.zeros((n, k + 1)), tolerance=1e-7, steps=12)[0]
        loss, gradient, risk = _evaluate(design, counts, point)
        bound = _tangent(loss, gradient, point, *ends)
        bound += self.problem.penalty * (support < self.size).sum(axis=1)
        found, done = [], 0
        for pair in pairs:
            t = pair.shape[-1] - 1
            here = slice(done, done + t - 1)
            done += t - 1
            both, half = pair.sum(axis=0), pair.shape[1]
            without, gain = risk[here, :half], risk[here, half:] - risk[here, :half]
            slope = without @ both[:, :t, -1] - pair[0, :, :t, -1].sum(axis=0)
            slope += (gain[:, None, :] @ both[:, : t - 1, :t].swapaxes(0, 1))[:, 0]
            tail = slice(self.size + 2 - t, self.size + 2)
            reach = bound[here, None] + np.minimum(slope * low[tail], slope * high[tail])
            reach[:, : t - 2] += self.problem.penalty
            reach[: t - 2, t - 1] = np.inf
            l, j = np.nonzero(np.triu(reach < self.target, 1))
            self.examined += 1 + (t - 2) + (t - 2) * (t - 3) // 2
            if len(l):
                one, two = pair[:, :, l, -1], pair[:, :, j, -1]
                joint, every = pair[:, :, l, j], pair[:, :, -1:, -1]
                cells = [every - one - two + joint, one - joint, two - joint, joint]
                found.append((
                    np.column_stack([support[here][l], j + tail.start]),
                    np.concatenate(cells, axis=1).swapaxes(1, 2),
                    np.column_stack([point[here][l], np.zeros(len(l))]),
                ))
        if found:
            supports, cells, starts = zip(*found)
            self.exclude(_cube(k + 1), np.concatenate(cells, axis=1), np.concatenate(supports),
                         np.concatenate(starts))

    def exclude(
        self, design: Floats, counts: Floats, supports: Integers, start: Floats | None = None
    ) -> None:
        """Exclude sets of items by splitting their boxes of points and slopes until none is open.

        counts (2, n, cells) belong to the n supports, whose cells are the rows of the design.
        """
        n, k = supports.shape
        used = np.zeros((n, len(self.problem.low) + 2), dtype=bool)
        used[np.arange(n)[:, None], self.items[supports]] = True
        keep = np.flatnonzero(self.problem.allowed(used[:, :-2]))
        targets = self.target - self.problem.penalty * used[:, :-2].sum(axis=1)
        low, high = (
            np.column_stack([np.full(n, end), side[supports]])[keep]
            for end, side in zip(self.intercept, (self.low, self.high), strict=True)
        )
        slopes = np.tile(self.slopes, (len(keep), 1))
        begin = np.zeros((n, k + 1)) if start is None else start
        open_nodes: list[Nodes] = [(keep, low, high, slopes, begin[keep])]
        size = max(1, _BATCH // (design.size * (k + 1)))
        while open_nodes:
            self.check_time()
            nodes = open_nodes.pop()
            if len(nodes[0]) > size:
                open_nodes.append(tuple(part[size:] for part in nodes))
                nodes = tuple(part[:size] for part in nodes)
            points, slopes = nodes[1][:, 1:], nodes[3]
            line = (points == nodes[2][:, 1:]).all(axis=1) & (slopes[:, 0] < slopes[:, 1])
            for bounded, picked in ((self.open_boxes, ~line), (self.open_lines, line)):
                if picked.any():
                    part = tuple(array[picked] for array in nodes)
                    part = bounded(design, counts, targets, supports, part)
                    if len(part[0]):
                        open_nodes.append(self.split(part))

    def open_boxes(
        self, design: Floats, counts: Floats, targets: Floats, supports: Integers, nodes: Nodes
    ) -> Nodes:
        """The nodes whose bound does not reach the target, starting from their best coefficients."""
        which, low, high, slopes, start = nodes
        left, right = low.copy(), high.copy()
        left[:, 1:], right[:, 1:] = self.box(low[:, 1:], high[:, 1:], slopes)
        target = targets[which]
        point, value, bound = _minimise(design, counts[:, which], left, right, start, target)
        is_open = bound < target
        exact = np.flatnonzero(is_open & (low == high).all(axis=1))
        if len(exact):
            i = exact[0]
            self.refute(supports[which[i]], low[i, 1:], 1.0, low[i, 0], value[i])
        return tuple(a[is_open] for a in (which, low, high, slopes, point))

    def open_lines(
        self, design: Floats, counts: Floats, targets: Floats, supports: Integers, nodes: Nodes
    ) -> Nodes:
        """The same for nodes that have one choice of points and a range of slopes."""
        which, low, high, slopes, start = nodes
        points = low[:, 1:]
        top = self.problem.limit / np.maximum(1.0, np.abs(points).max(axis=1, initial=0.0))
        slopes = np.column_stack([slopes[:, 0], np.minimum(slopes[:, 1], top)])
        left = np.column_stack([low[:, 0], slopes[:, 0]])
        right = np.column_stack([high[:, 0], slopes[:, 1]])
        totals = points @ design[:, 1:].T
        lines = np.stack([np.ones_like(totals), totals], axis=-1)
        middle = np.column_stack([start[:, 0], slopes.mean(axis=1)])
        target = targets[which]
        point, value, bound = _minimise(lines, counts[:, which], left, right, middle, target)
        is_open = (bound < target) & (slopes[:, 0] <= slopes[:, 1])
        below = np.flatnonzero(is_open & (value < target))
        if len(below):
            i = below[0]
            self.refute(supports[which[i]], points[i], point[i, 1], point[i, 0], value[i])
        if (slopes[is_open, 1] - slopes[is_open, 0] < 1e-9).any():
            raise _Undecided("a card is too close to the bound to call")
        return tuple(a[is_open] for a in (which, low, high, slopes, start))

    def split(self, nodes: Nodes) -> Nodes:
        """Two halves of each node: of its slopes where they span more than 10 %, else of a point."""
        which, low, high, slopes, point = nodes
        n = np.arange(len(which))
        a, b = slopes.T
        width = high - low
        fixed = (width[:, 1:] == 0).all(axis=1)
        by_slope = (a < b) & (fixed | (b > 1.1 * np.maximum(a, 1e-3)))
        middle = np.where(fixed, (a + b) / 2, np.sqrt(np.maximum(a, 1e-3) * b))
        at = point.copy()
        at[:, 1:] /= np.maximum((a + b) / 2, 1e-9)[:, None]
        width[:, 0] *= self.problem.unit
        j = np.where(width > 0, np.abs(at - np.round(at)) + 1e-3 * width, -1.0).argmax(axis=1)
        cut = np.clip(np.floor(at[n, j]), low[n, j], high[n, j] - 1)
        lower, upper = high.copy(), low.copy()
        lower[n, j] = np.where(by_slope, lower[n, j], cut)
        upper[n, j] = np.where(by_slope, upper[n, j], cut + 1)
        lower[:, 1:] = np.where((lower[:, 1:] == 0) & (low[:, 1:] < 0), -1.0, lower[:, 1:])
        upper[:, 1:] = np.where((upper[:, 1:] == 0) & (high[:, 1:] > 0), 1.0, upper[:, 1:])
        middle = np.where(by_slope, middle, np.nan)
        halves = (
            (which, low, lower, np.column_stack([a, np.fmin(b, middle)]), point),
            (which, upper, high, np.column_stack([np.fmax(a, middle), b]), point),
        )
        return tuple(np.concatenate(pair) for pair in zip(*halves, strict=True))

    def refute(
        self, support: Integers, points: Floats, slope: float, intercept: float, loss: float
    ) -> None:
        terms = [
            f"{int(p):+d} {self.problem.labels[self.items[i]]!r}"
            for i, p in zip(support, points, strict=True)
            if i < self.size
        ]
        objective = loss + self.problem.penalty * len(terms)
        total = " ".join(terms) or "0"
        raise _Refuted(f"{slope:.6g} x ({total}) {intercept:+.6g} has objective {objective:.10f}")


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
    loss = both * (np.maximum(score, 0.0) + np.log1p(small)) - counts[0] * score
    excess = both * risk - counts[0]
    gradient = excess @ design if shared else (excess[:, None, :] @ design)[:, 0]
    return loss.sum(axis=1), gradient, risk


def _tangent(loss: Floats, gradient: Floats, w: Floats, low: Floats, high: Floats) -> Floats:
    """Least value over the box of the tangent at w, below the loss everywhere in the box."""
    return loss + np.minimum(gradient * (low - w), gradient * (high - w)).sum(axis=1)


def _newton_step(
    design: Floats, curvature: Floats, gradient: Floats, w: Floats, low: Floats, high: Floats
) -> Floats:
    """Newton direction in the coefficients that are not held at an end of their box."""
    n, p = w.shape
    if design.ndim == 2 and n > p:
        products = (design[:, :, None] * design[:, None, :]).reshape(len(design), p * p)
        hessian = (curvature @ products).reshape(n, p, p)
    else:
        hessian = (np.swapaxes(design, -1, -2) * curvature[:, None, :]) @ design
    free = ~((w <= low) & (gradient > 0) | (w >= high) & (gradient < 0))
    hessian *= free[:, :, None] & free[:, None, :]
    hessian[:, range(p), range(p)] += ~free + 1e-9
    return -np.linalg.solve(hessian, (gradient * free)[:, :, None])[:, :, 0]


def _minimise(
    design: Floats,
    counts: Floats,
    low: Floats,
    high: Floats,
    start: Floats,
    target: Floats | None = None,
    *,
    tolerance: float = 1e-9,
    steps: int = 50,
) -> tuple[Floats, Floats, Floats]:
    """Minimise the n losses over their boxes by projected Newton steps.

    Returns the best points, the losses there, and lower bounds, the best tangents met. With a
    target, each stops as soon as its bound reaches it or its loss falls below it.
    """
    n = len(low)
    point = np.clip(start, low, high)
    value, bound = np.full(n, np.inf), np.full(n, -np.inf)
    direction, rate, live = np.zeros_like(point), np.ones(n), np.arange(n)
    for _ in range(steps):
        here = design if design.ndim == 2 else design[live]
        seen, left, right = counts[:, live], low[live], high[live]
        w = np.clip(point[live] + rate[live, None] * direction[live], left, right)
        loss, gradient, risk = _evaluate(here, seen, w)
        bound[live] = np.maximum(bound[live], _tangent(loss, gradient, w, left, right))
        better = loss < value[live]
        at = live[better]
        point[at], value[at], rate[at] = w[better], loss[better], 1.0
        rate[live[~better]] *= 0.3
        done = value[live] - bound[live] <= tolerance
        if target is not None:
            done = (bound[live] >= target[live]) | (value[live] < target[live])
        go = better & ~done
        if go.any():
            curvature = (seen[0] + seen[1])[go] * (risk * (1.0 - risk))[go]
            some = design if design.ndim == 2 else here[go]
            direction[live[go]] = _newton_step(
                some, curvature, gradient[go], w[go], left[go], right[go]
            )
        live = live[~done]
        if not len(live):
            break
    return point, value, bound


if __name__ == "__main__":
    sys.exit(main())
