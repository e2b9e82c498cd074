"""Checked rows that certify a rule: scores, outcomes, groups, weights, or counts of a sketch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, ParameterError, ValueRangeError, digest_arrays
from riskwright.metrics import ScoreSketch
from riskwright.metrics._inputs import checked_rows, factorised

from .losses import Counts

__all__ = ["Part", "Rows", "agree", "checked_weights", "read_rows"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Among = Literal["events", "others", "all"]


@dataclass(frozen=True)
class Part:
    """The rows of one group (label None: all rows), one by one or counted by value."""

    label: str | None
    score: Floats
    y: Bools
    counts: tuple[Integers, Integers] | None = None
    weight: Floats | None = None
    loss: Floats | None = None
    high: Floats | None = None

    @cached_property
    def events(self) -> int:
        return int(np.count_nonzero(self.y) if self.counts is None else self.counts[0].sum())

    @cached_property
    def others(self) -> int:
        return self.n - self.events

    @cached_property
    def n(self) -> int:
        return self.y.size if self.counts is None else int(sum(c.sum() for c in self.counts))

    def size(self, among: Among) -> int:
        return self.n if among == "all" else self.events if among == "events" else self.others

    def smallest(self, among: Among, k: int) -> float:
        """The k-th smallest score (from 0) among the named rows."""
        if self.counts is not None:
            held = {"events": self.counts[0], "others": self.counts[1], "all": sum(self.counts)}
            return float(self.score[np.searchsorted(np.cumsum(held[among]), k, side="right")])
        if among == "all":
            chosen = self.score.copy()
        else:
            chosen = self.score.take(np.flatnonzero(self.y if among == "events" else ~self.y))
        chosen.partition(k)
        return float(chosen[k])

    def above(self, score: float) -> float:
        """The smallest threshold that leaves out the rows of one of the scores."""
        if self.high is not None:
            score = float(self.high[np.searchsorted(self.score, score)])
        return float(np.nextafter(score, np.inf))

    def refuse_inside_cells(self, thresholds: Floats) -> None:
        """Of a sketch: thresholds between the scores of one cell have no counts."""
        if self.high is None:
            return
        cell = np.searchsorted(self.score, thresholds, side="left") - 1
        inside = (cell >= 0) & (thresholds <= self.high[np.maximum(cell, 0)])
        if inside.any():
            at = cell[inside][0]
            raise ParameterError(
                "a sketch cannot tell the rows on either side of a threshold inside a cell",
                where="candidates",
                expected="multiples of 1 / bins, where cells begin",
                got=f"{thresholds[inside][0]:.10g}, in the cell that begins at {self.score[at]!r}",
            )

    @cached_property
    def ladder(self) -> tuple[Floats, Integers, Integers]:
        """Distinct scores, ascending, and the events and others at each or above, 0 at the end."""
        if self.counts is not None:
            value, (events, others) = self.score, self.counts
        else:
            order = np.argsort(self.score, kind="stable")
            score = self.score[order]
            starts = np.flatnonzero(np.diff(score, prepend=-np.inf) > 0)
            events = np.add.reduceat(self.y[order].astype(np.int64), starts)
            rows = np.diff(np.append(starts, score.size))
            value, others = score[starts], rows - events
        above = [np.append(np.cumsum(c[::-1])[::-1], 0) for c in (events, others)]
        return value, above[0], above[1]

    def at(self, thresholds: Floats) -> Counts:
        """Counts at or above each threshold; linear in n, with log n for each threshold."""
        value, events, others = self.ladder
        place = np.searchsorted(value, thresholds, side="left")
        return Counts(events[place], others[place], self.events, self.others)

    def at_one(self, threshold: float) -> Counts:
        """The same for one threshold, without sorting."""
        if self.counts is not None:
            return self.at(np.asarray(threshold, dtype=np.float64))
        above = self.score >= threshold
        events = int(np.count_nonzero(above & self.y))
        return Counts(events, int(np.count_nonzero(above)) - events, self.events, self.others)


@dataclass(frozen=True)
class Rows:
    """What `fit` was given, checked."""

    part: Part
    groups: dict[str, tuple[list[str], NDArray[np.intp]]]
    sketches: dict[str, Part]
    max_weight: float | None
    digest: str

    @property
    def n(self) -> int:
        return self.part.n

    def parts(self, per: str | None) -> list[Part]:
        """All rows as one part, or one part for every group of the grouping `per`."""
        if per is None:
            return [self.part]
        if self.sketches:
            return list(self.sketches.values())
        name = per if per in self.groups else "" if "" in self.groups else None
        if name is None:
            raise ParameterError(
                f"a budget holds per {per!r}, which was not given",
                where="groups",
                expected="a mapping with that name, or one array",
                got=", ".join(map(repr, self.groups)) or "no groups",
            )
        labels, codes = self.groups[name]
        return [self._taken(codes == k, label) for k, label in enumerate(labels)]

    def _taken(self, keep: Bools | NDArray[np.intp], label: str | None) -> Part:
        weight = None if self.part.weight is None else self.part.weight[keep]
        loss = None if self.part.loss is None else self.part.loss[keep]
        return Part(label, self.part.score[keep], self.part.y[keep], None, weight, loss)

    def split(self, share: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """A random part of the rows, for choosing candidates, and the rest, for certifying."""
        if self.part.counts is not None:
            raise ParameterError(
                "a sketch cannot be split into rows that choose candidates and rows that certify",
                where="candidates",
                expected="thresholds fixed beforehand, or a second sketch of other rows",
                hint="Give candidates and family='fixed-sequence'",
            )
        order = rng.permutation(self.n)
        cut = max(1, min(self.n - 1, round(share * self.n)))
        return self._rows(np.sort(order[:cut])), self._rows(np.sort(order[cut:]))

    def _rows(self, rows: NDArray[np.intp]) -> Rows:
        groups = {name: (labels, codes[rows]) for name, (labels, codes) in self.groups.items()}
        return Rows(self._taken(rows, None), groups, {}, self.max_weight, self.digest)


def read_rows(
    score: ArrayLike | ScoreSketch | Mapping[str, ScoreSketch],
    y: ArrayLike | None,
    groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    sample_weight: ArrayLike | None = None,
    max_weight: float | None = None,
    *,
    shifted: bool = False,
    losses: Floats | None = None,
) -> Rows:
    """Check what `fit` was given. `shifted`: the rows carry known importance weights.

    `losses` are graded losses, already checked, which then stand in place of `y`.

    Raises `DataError` (and its kinds) and `ParameterError`.
    """
    if isinstance(score, ScoreSketch):
        return _of_sketch(score, {}, y, groups, sample_weight)
    if isinstance(score, Mapping):
        return _of_sketches(score, y, groups, sample_weight)
    if y is None:
        raise ParameterError("outcomes are missing", where="y", expected="0 or 1 for every score")
    agree(sample_weight, max_weight, shifted)
    given = checked_rows(y, score, None, probabilities=False)
    outcome = given.outcome.astype(bool)
    weight = (
        None if sample_weight is None else checked_weights(sample_weight, outcome.size, max_weight)
    )
    codes = _groupings(groups, outcome.size)
    digest = digest_arrays(
        given.p,
        outcome,
        *([] if weight is None else [weight]),
        *([] if losses is None else [losses]),
        *(np.asarray(labels, object)[code] for labels, code in codes.values()),
    )
    part = Part(None, given.p, outcome, None, weight, losses)
    return Rows(part, codes, {}, max_weight, digest)


def agree(sample_weight: Any, max_weight: float | None, shifted: bool) -> None:
    """Weights are given exactly where a budget says that they are importance weights."""
    if shifted and (sample_weight is None or max_weight is None):
        raise ParameterError(
            'a budget with weight="shift" needs weights and the largest one that can occur',
            where="fit(sample_weight=, max_weight=)",
            expected="density ratios of the population of use to that of the rows",
        )
    if sample_weight is not None and not shifted:
        raise ParameterError(
            "weights change the meaning of a guarantee",
            where="sample_weight",
            expected='budgets with weight="shift", which says that they are importance weights',
            hint="Leave the weights out where every row counts once",
        )


def checked_weights(sample_weight: ArrayLike, n: int, max_weight: float | None) -> Floats:
    """Weights as floats in [0, max_weight]; none is cut off."""
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n,):
        raise DataError("length differs from y", where="sample_weight", expected=f"{n} values")
    if max_weight is None or not 0 < max_weight < np.inf:
        raise ParameterError(
            "the bounds need to know the largest weight that can occur",
            where="max_weight",
            expected="a finite number above 0",
            got=repr(max_weight),
        )
    bad = ~((weight >= 0) & (weight <= max_weight))
    if bad.any():
        raise ValueRangeError(
            "weights out of range",
            where="sample_weight",
            expected=f"0 to max_weight = {max_weight:g}",
            got=f"{int(bad.sum())} outside or missing, the first in row {int(np.argmax(bad))}",
            hint="Weights are never cut off silently: raise max_weight or cut them yourself",
        )
    return weight


def _groupings(
    groups: ArrayLike | Mapping[str, ArrayLike] | None, n: int
) -> dict[str, tuple[list[str], NDArray[np.intp]]]:
    if groups is None:
        return {}
    named = groups if isinstance(groups, Mapping) else {"": groups}
    found = {}
    for name, values in named.items():
        labels, codes = factorised(values, f"groups[{name!r}]" if name else "groups")
        if codes.size != n:
            raise DataError(
                "length differs from y", where=f"groups {name}".strip(), expected=f"{n} values"
            )
        found[name] = (labels, codes.astype(np.intp))
    return found


def _of_sketch(
    sketch: ScoreSketch, parts: dict[str, Part], y: Any, groups: Any, sample_weight: Any
) -> Rows:
    if y is not None or groups is not None or sample_weight is not None:
        raise ParameterError(
            "a sketch already holds outcomes and weights",
            where="fit(sketch)",
            expected="the sketch alone; for groups a mapping from labels to sketches",
        )
    return Rows(_counted(None, sketch), {}, parts, None, sketch.digest)


def _of_sketches(
    sketches: Mapping[str, ScoreSketch], y: Any, groups: Any, sample_weight: Any
) -> Rows:
    if not sketches or not all(isinstance(s, ScoreSketch) for s in sketches.values()):
        raise ParameterError("not sketches", where="score", expected="label -> ScoreSketch")
    whole = None
    for sketch in sketches.values():
        whole = sketch if whole is None else whole.merge(sketch)
    assert whole is not None
    parts = {str(label): _counted(str(label), sketch) for label, sketch in sketches.items()}
    return _of_sketch(whole, parts, y, groups, sample_weight)


def _counted(label: str | None, sketch: ScoreSketch) -> Part:
    if sketch.weighted:
        raise ParameterError(
            "a sketch of weighted rows has no counts", where="score", expected="weighted=False"
        )
    cells = sketch.cells()
    counts = cells.w1.astype(np.int64), cells.w0.astype(np.int64)
    return Part(label, cells.low, np.zeros(0, bool), counts, high=cells.high)
