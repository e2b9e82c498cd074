"""Statements about columns bound to a table: what each feature of each row may do of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskwright.core import (
    ColumnError,
    DataError,
    MissingValueError,
    ParameterError,
)
from riskwright.evidence.columns import nearest, quoted
from riskwright.stats._columns import places, refuse

from ._people import Observed, People
from .actions import Actions, Limits, check_limits
from .constraints import AtMost, Constraint, OneOf, Thermometer

__all__ = ["Bound", "Choices", "Rule", "bind", "refuse_rows", "violations"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_SLACK = 1e-9


@dataclass(frozen=True)
class Rule:
    """One feature: where its own change may lead, and what binds forced changes too."""

    column: int
    fixed: bool
    low: float
    high: float
    stated_low: float
    stated_high: float
    step: float
    sign: int
    down: float
    up: float
    ordered: bool

    def reach(self, values: Floats) -> tuple[Floats, Floats]:
        """The least and the largest own change from each value, at most 0 and at least 0."""
        if self.fixed:
            return np.zeros(len(values)), np.zeros(len(values))
        low = np.zeros_like(values) if self.sign > 0 else np.maximum(self.low - values, self.down)
        high = np.zeros_like(values) if self.sign < 0 else np.minimum(self.high - values, self.up)
        return np.minimum(low, 0.0), np.maximum(high, 0.0)

    def steps(self, values: Floats) -> tuple[Indices, Indices]:
        """As `reach`, in whole steps."""
        low, high = self.reach(values)
        if self.step == 0:
            return np.zeros(len(values), dtype=np.intp), np.zeros(len(values), dtype=np.intp)
        least = np.ceil(low / self.step - _SLACK).astype(np.intp)
        return least, np.floor(high / self.step + _SLACK).astype(np.intp)

    def draw(self, values: Floats, rng: np.random.Generator) -> Floats:
        """One own change from each value, uniform over those that are not 0; 0 where none is."""
        if self.step == 0:
            low, high = self.reach(values)
            return low + (high - low) * rng.random(len(values))
        least, most = self.steps(values)
        drawn = least + np.floor((most - least) * rng.random(len(values))).astype(np.intp)
        drawn = np.where(drawn >= 0, drawn + 1, drawn)
        return np.where(most > least, drawn, 0) * self.step

    def allows(self, start: Floats, reached: Floats) -> NDArray[np.bool_]:
        """Whether what is reached keeps to stated bounds and direction."""
        slack = _SLACK * np.maximum(np.abs(reached), 1.0)
        ok = (reached >= self.stated_low - slack) & (reached <= self.stated_high + slack)
        return ok & (self.sign * (reached - start) >= -slack)


class Choices(NamedTuple):
    """Own changes for m rows: those of row i are `own[start[i]:start[i] + count[i]]`."""

    start: Indices
    counts: Indices
    own: Floats

    @classmethod
    def listed(cls, rule: Rule, values: Floats) -> Choices:
        """All whole steps from each value, no change first."""
        distinct, where = np.unique(values, return_inverse=True)
        least, most = rule.steps(distinct)
        count = most - least + 1
        start = np.cumsum(count) - count
        position = np.arange(count.sum()) - np.repeat(start, count)
        own = position + np.repeat(least, count)
        own = np.where(position == 0, 0, np.where(own <= 0, own - 1, own))
        return cls(start[where], count[where], own * (rule.step or 1.0))

    @classmethod
    def columns(cls, *alternatives: Floats) -> Choices:
        """Row i chooses among `alternatives[0][i], alternatives[1][i], ...`."""
        own = np.stack(alternatives, axis=1)
        start = np.arange(len(own)) * own.shape[1]
        return cls(start, np.full(len(own), own.shape[1]), own.ravel())


@dataclass(frozen=True)
class Bound:
    """Statements with columns by number."""

    people: People
    rules: tuple[Rule, ...]
    links: tuple[tuple[int, int, float], ...]
    constraints: tuple[tuple[Constraint, Indices], ...]
    movable: Indices


def bind(actions: Actions, people: People) -> Bound:
    """Bind `actions` to the columns of `people`.

    Raises `ColumnError` for columns that the table lacks or that are of the wrong kind, and
    `MissingValueError` for missing values where a change would start.
    """
    for name in actions.names:
        if name not in people.names:
            raise ColumnError(
                f"no column {quoted(name)}",
                where="X",
                expected="the columns of the actions",
                hint=nearest(name, people.names),
            )
    place = {name: j for j, name in enumerate(people.names)}
    binary = _binary(actions)
    rules = tuple(_rule(actions, people, name, j, name in binary) for name, j in place.items())

    def code(name: str, value: float | str) -> float:
        known = people.observed[name]
        if isinstance(value, str) and known.kind == "text" and value in known.levels:
            return float(known.levels.index(value))
        if isinstance(value, str) or known.kind != "number":
            raise ParameterError(
                "a statement names a value that the column cannot have",
                where=quoted(name),
                expected="a number" if known.kind == "number" else "one of its levels",
                got=quoted(value),
            )
        return float(value)

    links = tuple(
        (place[link.source], place[target], scale)
        for link in actions.links
        for target, scale in link.targets.items()
    )
    constraints = tuple(
        (c.encoded(code), np.array([place[name] for name in c.features]))
        for c in actions.constraints
    )
    held = {j for _, columns in constraints for j in columns.tolist()}
    linked = {j for source, target, _ in links for j in (source, target)}
    for j in linked:
        if people.observed[people.names[j]].kind != "number":
            raise ColumnError("linkage needs numbers", where=quoted(people.names[j]))
    movable = np.array(
        sorted({rule.column for rule in rules if not rule.fixed} | held | linked), dtype=np.intp
    )
    _refuse_missing(people, movable)
    return Bound(people, rules, links, constraints, movable)


def _binary(actions: Actions) -> set[str]:
    return {
        name
        for c in actions.constraints
        if isinstance(c, (OneOf, Thermometer)) or (isinstance(c, AtMost) and not c.changes)
        for name in c.members
    }


def _rule(actions: Actions, people: People, name: str, column: int, binary: bool) -> Rule:
    limit, seen = actions.limits.get(name, Limits()), people.observed[name]
    known = actions.known.get(name, Observed(seen.kind))
    if known.kind != seen.kind and not limit.fixed:
        raise ColumnError(
            "another type than the actions were made for",
            where=quoted(name),
            expected=known.kind,
            got=seen.kind,
        )
    fixed = limit.fixed or name not in actions.names
    if seen.kind == "other" and name in actions.names and not actions.limits.get(name):
        fixed = True
    check_limits(name, limit, Observed("number") if seen.kind == "other" and fixed else seen)
    if binary and seen.kind != "number":
        raise ColumnError("not a feature of 0 and 1", where=quoted(name), got=seen.kind)
    low, high, step = _range(limit, seen, known, binary)
    return Rule(
        column=column,
        fixed=fixed,
        low=low,
        high=high,
        stated_low=0.0 if binary or seen.kind == "text" else _or(limit.low, -np.inf),
        stated_high=1.0 if binary else high if limit.levels else _or(limit.high, np.inf),
        step=step,
        sign={None: 0, "up": 1, "down": -1}[limit.direction],
        down=_or(limit.down, -np.inf),
        up=_or(limit.up, np.inf),
        ordered=limit.ordered,
    )


def _range(
    limit: Limits, seen: Observed, known: Observed, binary: bool
) -> tuple[float, float, float]:
    if binary:
        return 0.0, 1.0, 1.0
    if seen.kind == "text":
        low, high = _or(limit.low, 0.0), len(limit.levels or seen.levels) - 1.0
        return low, _or(limit.high, high), limit.step or 1.0
    whole = seen.whole and known.whole
    step = limit.step if limit.step is not None else (1.0 if whole else 0.0)
    low, high = float(np.fmin(seen.low, known.low)), float(np.fmax(seen.high, known.high))
    low, high = (low if limit.down is None else -np.inf), (high if limit.up is None else np.inf)
    return _or(limit.low, low), _or(limit.high, high), step


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _refuse_missing(people: People, movable: Indices) -> None:
    for j in movable:
        missing = np.isnan(people.codes[:, j])
        if missing.any():
            raise MissingValueError(
                "missing values where a change would start",
                where=f"X: column {quoted(people.names[j])}",
                got=places(missing),
                hint="Fill them in (text: with a level of its own), or fix the column",
            )
        refuse(
            np.isinf(people.codes[:, j]),
            f"X: column {quoted(people.names[j])}",
            "infinite values where a change would start",
            "finite numbers",
        )


def violations(bound: Bound) -> list[tuple[str, str]]:
    """Each statement that rows break, and how many and which."""
    people, found = bound.people, []
    for rule in bound.rules:
        values = people.codes[:, rule.column]
        if rule.column in bound.movable:
            words = f"{people.names[rule.column]} within its stated range or levels"
            bad = (values < rule.stated_low) | (values > rule.stated_high)
            if bad.any():
                found.append((words, places(bad)))
    for constraint, columns in bound.constraints:
        values = people.codes[:, columns]
        known = np.ones(len(columns), dtype=bool)
        bad = ~constraint.holds(values, np.zeros_like(values), values, known)
        if isinstance(constraint, (OneOf, Thermometer)):
            bad |= ~np.isin(values, (0.0, 1.0)).all(axis=1)
        if bad.any():
            found.append((constraint.words, places(bad)))
    return found


def refuse_rows(bound: Bound) -> None:
    """Raise `DataError` where rows break a statement."""
    broken = violations(bound)
    if broken:
        words, where = broken[0]
        more = f"; {len(broken) - 1} more statements are broken" if len(broken) > 1 else ""
        raise DataError(
            "rows break their own constraints",
            where="X",
            expected=words,
            got=where + more,
            hint="Correct the statement or the rows; Actions.check lists all",
        )
