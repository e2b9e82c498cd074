"""Measures of predictive multiplicity from certified ranges: ambiguity, discrepancy, conflicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError
from riskwright.stats._columns import is_number
from riskwright.stats._threads import one_blas_thread

from .multiplicity_report import (
    Bracket,
    MultiplicityReport,
    ToleranceReport,
    multiplicity_findings,
)

__all__ = ["People", "PredictiveMultiplicity", "Ranges", "Tolerance", "Viable"]

Floats = NDArray[np.float64]
Tolerance: TypeAlias = str | float
BINS = 20
ROUNDS = 12  # of improving the scores tried for the discrepancy
NOISE = 3.841458820694124 / 2  # half the 95% point of chi-squared with one degree of freedom


@dataclass(frozen=True)
class Ranges:
    """Risks that scores within a tolerance give each person; arrays of shape (n,).

    A score within the tolerance attains `low` (and one attains `high`); none goes below `low_outer`
    or above `high_outer`. `risk` is what the best score says.
    """

    risk: Floats
    low: Floats
    high: Floats
    low_outer: Floats
    high_outer: Floats

    @property
    def gap(self) -> float:
        """Largest difference, in probability, between what is attained and what is excluded."""
        return float(max((self.high_outer - self.high).max(), (self.low - self.low_outer).max()))

    def take(self, rows: NDArray[Any]) -> Ranges:
        """The ranges of some of the people."""
        return Ranges(
            *(a[rows] for a in (self.risk, self.low, self.high, self.low_outer, self.high_outer))
        )


@dataclass(frozen=True)
class People:
    """Distinct rows, how many people each stands for, their share of all (sum 1), and where each
    person's row is among them."""

    rows: Floats
    counts: NDArray[np.int64]
    share: Floats
    place: NDArray[np.intp]


@dataclass(frozen=True)
class Viable:
    """Ranges of distinct people, and the risks that single scores within the tolerance give them,
    in batches of shape (scores, people). `complete`: there are no other scores than these.
    `climb` finds more of them: given a pull per person, shape (k, people), the risks under k scores
    within the tolerance that follow the pulls as far as they can.
    """

    ranges: Ranges
    candidates: Iterable[Floats]
    complete: bool = False
    climb: Callable[[Floats], Floats] | None = None


class PredictiveMultiplicity(ABC):
    """What all scores of a class within a tolerance of the best loss say of people.

    Subclasses bring the ranges; the measures follow Watson-Daniels, Parkes & Ustun (2023), AAAI.
    Every measure is a bracket (surely at least, surely at most): its lower end counts what scores
    that were found attain, its upper end what the certificate does not exclude. They speak of the
    people given, and leave out how these were sampled.
    """

    tolerance: Tolerance
    loss_: float
    people_: People
    score_class: str
    method: str

    @abstractmethod
    def _people(self, X: Any) -> People:
        """The people of X, folded; `people_` for None."""

    @abstractmethod
    def _viable(self, people: People, epsilon: float) -> Viable:
        """Ranges and candidate scores at a tolerance."""

    @abstractmethod
    def epsilon(self, tolerance: Tolerance | None = None) -> float:
        """The tolerance (by default that of the object) in units of the loss."""

    def ranges(self, X: Any = None) -> Ranges:
        """Certified range of each person's risk; of the training rows where X is None.

        Raises
        ------
        DataError : X has another number of columns than the training data, or values that are not
            finite numbers.
        """
        people = self._people(X)
        return self._viable(people, self.epsilon()).ranges.take(people.place)

    def ambiguity(self, delta: float, X: Any = None) -> Bracket:
        """Share of people whose risk some score within the tolerance moves by at least `delta`."""
        people = self._people(X)
        return _ambiguity(self._viable(people, self.epsilon()), people, _margin(delta))

    def discrepancy(self, delta: float, X: Any = None) -> Bracket:
        """Largest share of people that one score within the tolerance moves by at least `delta`.

        Its lower end is the best of the scores that reach somebody's range, its upper end the
        ambiguity: the problem between them is not convex.
        """
        people = self._people(X)
        return _discrepancy(self._viable(people, self.epsilon()), people, _margin(delta))

    def conflicts(self, threshold: float, X: Any = None) -> Bracket:
        """Share of people whom some score within the tolerance decides otherwise than the best one
        does; a decision is risk >= threshold."""
        people = self._people(X)
        return _conflicts(self._viable(people, self.epsilon()), people, _threshold(threshold))

    @one_blas_thread()
    def report(
        self,
        X: Any = None,
        *,
        threshold: float | None = None,
        deltas: Sequence[float] = (0.02, 0.05, 0.1, 0.2),
        tolerances: Sequence[Tolerance] = ("noise", "1%"),
    ) -> MultiplicityReport:
        """All measures at each tolerance, on the people of X (by default the training rows).

        The findings speak of the object's own tolerance, which is added where `tolerances` lacks
        it, and name sampling noise for comparison where it is among them. Severity is "high" where
        more than a fifth of the people surely meet with conflict (`conflicts`), or more than half
        with ambiguity.

        Raises
        ------
        ParameterError : a threshold or delta outside (0, 1), or a tolerance that cannot be read.
        """
        margins = sorted({_margin(delta) for delta in deltas})
        if threshold is not None:
            threshold = _threshold(threshold)
        named = {_name(t): t for t in (*tolerances, self.tolerance)}
        people = self._people(X)
        rows = tuple(
            _tolerance_report(
                name,
                self.epsilon(tolerance),
                self._viable(people, self.epsilon(tolerance)),
                people,
                margins,
                threshold,
            )
            for name, tolerance in sorted(named.items(), key=lambda item: self.epsilon(item[1]))
        )
        n = int(people.counts.sum())
        return MultiplicityReport(
            tolerances=rows,
            score_class=self.score_class,
            threshold=threshold,
            n=n,
            n_distinct=len(people.counts),
            loss=self.loss_,
            method=self.method,
            findings=multiplicity_findings(rows, _name(self.tolerance), threshold, n, self.method),
        )


def tolerance_epsilon(tolerance: Tolerance, loss: float, n: float) -> float:
    """A tolerance in units of the loss: a share of it ("1%"), "noise", or the number itself.

    "noise" is the 95% point of chi-squared with one degree of freedom over 2n: each range is then
    the person's profile-likelihood interval.
    """
    epsilon = float("nan")
    if isinstance(tolerance, str) and tolerance == "noise":
        epsilon = NOISE / n
    elif isinstance(tolerance, str) and tolerance.endswith("%"):
        try:
            epsilon = float(tolerance[:-1]) / 100 * loss
        except ValueError:
            epsilon = float("nan")
    elif is_number(tolerance) and not isinstance(tolerance, bool):
        epsilon = float(tolerance)
    if not 1e-12 <= epsilon <= 1e6:
        raise ParameterError(
            "tolerance cannot be used",
            where="tolerance",
            expected='a share of the loss as "1%", "noise", or a number above 0 in units of the '
            "loss, of at least 1e-12 in all",
            got=repr(tolerance),
        )
    return epsilon


def _name(tolerance: Tolerance) -> str:
    return tolerance if isinstance(tolerance, str) else f"{tolerance:g}"


def _margin(delta: float) -> float:
    if not (is_number(delta) and 0 < delta < 1):
        raise ParameterError(
            "not a margin of risk", where="delta", expected="a number in (0, 1)", got=repr(delta)
        )
    return float(delta)


def _threshold(threshold: float) -> float:
    if not (is_number(threshold) and 0 < threshold < 1):
        raise ParameterError(
            "not a threshold of risk",
            where="threshold",
            expected="a number in (0, 1)",
            got=repr(threshold),
        )
    return float(threshold)


def _total(share: Floats, which: NDArray[np.bool_]) -> float:
    return min(float(share[which].sum()), 1.0)


def _ambiguity(viable: Viable, people: People, delta: float) -> Bracket:
    r = viable.ranges
    inner = np.maximum(r.high - r.risk, r.risk - r.low) >= delta
    outer = np.maximum(r.high_outer - r.risk, r.risk - r.low_outer) >= delta
    return _total(people.share, inner), _total(people.share, outer)


def _discrepancy(viable: Viable, people: People, delta: float) -> Bracket:
    return _discrepancies(viable, people, [delta])[0]


def _discrepancies(viable: Viable, people: People, deltas: Sequence[float]) -> list[Bracket]:
    if not deltas:
        return []
    margins = np.asarray(deltas, dtype=np.float64)
    best = np.zeros(len(margins))
    leading = np.repeat(viable.ranges.risk[None], len(margins), axis=0)
    for risks in viable.candidates:
        moved = np.abs(risks - viable.ranges.risk)
        for k, margin in enumerate(margins):
            shares = (moved >= margin) @ people.share
            top = int(np.argmax(shares))
            if shares[top] > best[k]:
                best[k], leading[k] = shares[top], risks[top]
    if viable.climb is not None:
        best = _climbed(viable, viable.climb, people, margins, best, leading)
    lows = np.minimum(best, 1.0).tolist()
    if viable.complete:
        return [(low, low) for low in lows]
    return [
        (low, max(low, _ambiguity(viable, people, delta)[1]))
        for low, delta in zip(lows, deltas, strict=True)
    ]


def _climbed(
    viable: Viable,
    climb: Callable[[Floats], Floats],
    people: People,
    margins: Floats,
    best: Floats,
    risks: Floats,
) -> Floats:
    """Shares moved by scores that are pulled on by the people nearest to each margin."""
    column = margins[:, None]
    for _ in range(ROUNDS):
        moves = risks - viable.ranges.risk
        near = np.exp(-2 * (np.abs(moves) / column - 1) ** 2)
        risks = climb(near * np.sign(moves) * risks * (1 - risks) * people.share)
        moved = np.abs(risks - viable.ranges.risk)
        best = np.maximum(best, (moved >= column) @ people.share)
    return best


def _conflicts(viable: Viable, people: People, threshold: float) -> Bracket:
    r = viable.ranges
    yes = r.risk >= threshold
    inner = np.where(yes, r.low < threshold, r.high >= threshold)
    outer = np.where(yes, r.low_outer < threshold, r.high_outer >= threshold)
    return _total(people.share, inner), _total(people.share, outer)


def _median(values: Floats, share: Floats) -> float:
    order = np.argsort(values, kind="stable")
    below = np.cumsum(share[order])
    at = min(int(np.searchsorted(below, 0.5 - 1e-12)), len(order) - 1)
    return float(values[order[at]])


def _tolerance_report(
    name: str,
    epsilon: float,
    viable: Viable,
    people: People,
    deltas: Sequence[float],
    threshold: float | None,
) -> ToleranceReport:
    r = viable.ranges
    inner, outer = r.high - r.low, r.high_outer - r.low_outer
    bins = np.minimum((inner * BINS).astype(int), BINS - 1)
    widths = np.bincount(bins, weights=people.counts, minlength=BINS).astype(int)
    return ToleranceReport(
        name=name,
        epsilon=epsilon,
        mean_width=(float(inner @ people.share), float(outer @ people.share)),
        median_width=(_median(inner, people.share), _median(outer, people.share)),
        widths=tuple(widths.tolist()),
        ambiguity={f"{d:g}": _ambiguity(viable, people, d) for d in deltas},
        discrepancy={
            f"{d:g}": bracket
            for d, bracket in zip(deltas, _discrepancies(viable, people, deltas), strict=True)
        },
        conflicts=None if threshold is None else _conflicts(viable, people, threshold),
        largest_gap=r.gap,
    )
