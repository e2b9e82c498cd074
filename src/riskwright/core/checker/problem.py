"""What every proof file holds, read without trust: a class of cards, patterns, and a claim."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from riskwright.core.records import Finding

__all__ = [
    "TOLERANCE",
    "Claim",
    "Floats",
    "Integers",
    "Problem",
    "Refuted",
    "Space",
    "Undecided",
    "excluded",
    "finding",
    "need",
    "too_many",
]

TOLERANCE = 1e-9
_LARGEST_MARGIN = 1e-6
_STATUSES = ("optimal", "within_gap", "time_limit", "interrupted", "heuristic")

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


class Undecided(Exception):
    """Time is up, or the numbers are too close to call."""


class Refuted(Exception):
    """A card of the stated class lies below the claimed bound; the message describes it."""


class Problem(ABC):
    """The class of cards and the patterns of a file: d items, m rows, weights of mean 1 / m.

    An item that is used has points other than 0, so ranges that end at 0 are cut to 1 or -1.
    """

    def __init__(self, told: dict[str, Any], patterns: dict[str, Any]) -> None:
        low, high = np.ceil(_vector(told["low"])), np.floor(_vector(told["high"]))
        d, most = len(low), told["max_features"]
        self.max_terms = _index(told["max_terms"])
        self.max_features = d if most is None else _index(most)
        self.penalty, self.margin = float(told["penalty"]), float(told["margin"])
        self.low, self.high = np.where(low == 0, 1.0, low), np.where(high == 0, -1.0, high)
        self.feature = np.array(_indices(told["feature"]), dtype=np.intp)
        self.required = [_indices(group, d) for group in told["required"]]
        self.at_most = [(_indices(group, d), _index(most)) for group, most in told["at_most"]]
        self.if_then = [(_index(one, d), _indices(group, d)) for one, group in told["if_then"]]
        self.linear = [
            (
                _indices(group, d),
                _vector(weights),
                -math.inf if low is None else float(low),
                math.inf if high is None else float(high),
            )
            for group, weights, low, high in told.get("linear", [])
        ]
        self.labels = [str(label) for label in told["labels"]]
        self.rows = _matrix(patterns["rows"], d)
        classes = np.stack([_vector(patterns["positive"]), _vector(patterns["negative"])])
        total = math.fsum(classes.ravel())
        need((classes >= 0).all() and total > 0, "weights are below 0 or all 0")
        self.classes: Floats = classes / total
        need(0 <= self.penalty < math.inf, "penalty is out of range")
        need(0 <= self.margin <= _LARGEST_MARGIN, f"margin is outside 0 to {_LARGEST_MARGIN}")
        need(len(self.rows) == classes.shape[1], "weights do not match the rows")
        lengths = {len(high), len(self.feature), len(self.labels)}
        sums = all(len(group) == len(weights) for group, weights, _, _ in self.linear)
        need(sums, "a linear limit's items and weights differ in length")
        need(lengths == {d}, "low, high, feature and labels differ in length")

    @abstractmethod
    def broken(self, claim: Any) -> dict[str, bool]:
        """Which rules of this kind of card the claimed one breaks, by their names."""

    @abstractmethod
    def loss(self, claim: Any) -> float:
        """Loss of the claimed card."""

    @abstractmethod
    def check_bound(self, floor: float, deadline: float) -> Finding:
        """Whether no card lies below `floor` - 1e-9."""

    def allowed(self, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the n sets of items (n x d) meet the constraints."""
        features = used @ (self.feature[:, None] == np.unique(self.feature))
        fits: NDArray[np.bool_] = features.sum(axis=1) <= self.max_features
        fits &= used.sum(axis=1) <= self.max_terms
        for group in self.required:
            fits &= used[:, group].any(axis=1)
        for group, most in self.at_most:
            fits &= used[:, group].sum(axis=1) <= most
        for first, group in self.if_then:
            fits &= ~used[:, first] | used[:, group].any(axis=1)
        return fits

    def within(self, low: Floats, high: Floats) -> NDArray[np.bool_]:
        """Which of the n boxes of points (n x d) may hold some that meet the linear limits."""
        fits = np.ones(len(low), dtype=bool)
        for group, weights, start, stop in self.linear:
            ends = np.stack([low[:, group] * weights, high[:, group] * weights])
            least, most = ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)
            fits &= (most >= start) & (least <= stop)
        return fits

    def sum_of(self, items: Any, points: Any) -> str:
        """The points of a card in words."""
        terms = [f"{int(p):+d} {self.labels[j]!r}" for j, p in zip(items, points, strict=True)]
        return " ".join(terms) or "0"

    def check(self, claim: Claim, deadline: float) -> tuple[Finding, ...]:
        """All findings on the claim."""
        return (
            self._check_feasible(claim),
            self._check_objective(claim),
            self._check_status(claim),
            self._check_bound(claim, deadline),
        )

    def _check_feasible(self, claim: Claim) -> Finding:
        used = np.zeros((1, len(self.low)), dtype=bool)
        used[0, claim.items] = True
        card = np.zeros((1, len(self.low)))
        card[0, claim.items] = claim.points
        points, low, high = claim.points, self.low[claim.items], self.high[claim.items]
        broken = {
            "an item is named twice": len(set(claim.items)) < len(claim.items),
            "points are not whole numbers": bool((points != np.round(points)).any()),
            "points are out of range": bool(((points < low) | (points > high)).any()),
            "the items break a constraint": not self.allowed(used).all(),
            "a sum of points is out of its limits": not self.within(card, card).all(),
            **self.broken(claim),
        }
        names = "; ".join(name for name, is_broken in broken.items() if is_broken)
        kept = f"The card of {len(points)} terms meets every rule of its class."
        sentence = f"The card is not of the stated class: {names}." if names else kept
        return finding("feasible", not names, sentence, "each rule applied to the card")

    def _check_objective(self, claim: Claim) -> Finding:
        loss = self.loss(claim)
        objective = loss + self.penalty * len(claim.items)
        error = max(abs(loss - claim.loss), abs(objective - claim.objective))
        sentence = (
            f"Loss {loss:.10f} and objective {objective:.10f}, recomputed, "
            f"differ from the claim by {error:.1e}."
        )
        return finding("objective", error <= TOLERANCE, sentence, "exact sum over the patterns")

    def _check_status(self, claim: Claim) -> Finding:
        gap = claim.objective - claim.lower_bound
        most = self.margin + TOLERANCE if claim.status == "optimal" else math.inf
        fits = claim.status in _STATUSES and -TOLERANCE <= gap <= most
        verb = "fits" if fits else "does not fit"
        sentence = f"Status {claim.status!r} {verb} an objective {gap:.3g} above the lower bound."
        return finding("status", fits, sentence, "objective less lower bound")

    def _check_bound(self, claim: Claim, deadline: float) -> Finding:
        if claim.lower_bound <= 0.0:
            sentence = "The claimed lower bound is not above 0, so it holds for every card."
            return finding("bound", True, sentence, "the loss is not negative")
        return self.check_bound(claim.lower_bound, deadline)


class Claim:
    """The claim of a file; items without points are left out."""

    def __init__(self, told: dict[str, Any], d: int) -> None:
        items, points = _indices(told["items"], d), _vector(told["points"])
        need(len(items) == len(points), "items and points differ in length")
        used = np.flatnonzero(points)
        self.items, self.points = [items[i] for i in used], points[used]
        self.status = str(told["status"])
        self.loss, self.objective = float(told["loss"]), float(told["objective"])
        self.lower_bound = float(told["lower_bound"])
        self.finite(self.loss, self.objective)
        need(self.lower_bound < math.inf, "the lower bound is no number")

    def finite(self, *numbers: float) -> None:
        need(all(map(math.isfinite, numbers)), "a claimed number is not finite")


class Space(Protocol):
    """All sets of items of a problem."""

    total: int
    examined: int

    def exclude_all(self) -> None:
        """Raises `Refuted` or `Undecided` unless every set of items is excluded."""


def excluded(space: Space, floor: float, root: float) -> Finding:
    """Whether every set of items is excluded; `root` is known to hold for all."""
    method = "exclusion of every set of items"
    try:
        space.exclude_all()
        if space.examined != space.total:
            raise Undecided("some sets of items were missed")
    except Refuted as card:
        return finding("bound", False, f"The lower bound {floor:.10f} is wrong: {card}.", method)
    except Undecided as reason:
        share = f"{space.examined:,} of {space.total:,} sets of items were examined"
        return finding("bound", None, f"{_partly(floor, root)}: {reason}; {share}.", method)
    sentence = f"No card lies below {floor:.10f}: all {space.total:,} sets of items are excluded."
    return finding("bound", True, sentence, method)


def too_many(space: Space, floor: float, root: float) -> Finding:
    sentence = f"{_partly(floor, root)}: {space.total:,} sets of items are too many to go through."
    return finding("bound", None, sentence, "relaxation over all items")


def _partly(floor: float, root: float) -> str:
    return f"Verified down to {root:.10f} only, not to the claimed {floor:.10f}"


def finding(code: str, passed: bool | None, sentence: str, method: str) -> Finding:
    return Finding(
        code=f"proof.{code}",
        sentence=sentence,
        severity="medium" if passed is None else "info" if passed else "high",
        passed=passed,
        method=method,
    )


def need(holds: bool | np.bool_, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _vector(values: Any) -> Floats:
    vector = np.asarray(values, dtype=np.float64)
    need(vector.ndim == 1 and np.isfinite(vector).all(), "a list is not of finite numbers")
    return vector


def _matrix(rows: Any, d: int) -> Floats:
    if len(rows) and all(isinstance(row, str) for row in rows):
        text = "".join(rows)
        need(set(text) <= {"0", "1"}, "items are neither 0 nor 1")
        need({len(row) for row in rows} == {d}, f"the patterns are not rows of {d} items")
        rows = np.frombuffer(text.encode(), dtype=np.uint8).reshape(len(rows), d) - 48.0
    matrix = np.asarray(rows, dtype=np.float64)
    fits = matrix.shape == (len(rows), d) and len(rows) > 0 and np.isfinite(matrix).all()
    need(fits, f"the patterns are not rows of {d} finite numbers")
    return matrix


def _index(value: Any, below: float = math.inf) -> int:
    need(0 <= operator.index(value) < below, f"{value!r} is out of range")
    return operator.index(value)


def _indices(values: Any, below: float = math.inf) -> list[int]:
    return [_index(value, below) for value in values]
