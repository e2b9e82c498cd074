"""Statements that tie features together: each says which reachable points hold, and in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import Record

__all__ = [
    "AtMost",
    "Condition",
    "Constraint",
    "IfThen",
    "Joint",
    "Linkage",
    "OneOf",
    "Switch",
    "Thermometer",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Level = float | str
Operator = Literal[
    "==", "!=", ">=", "<=", ">", "<", "changes", "unchanged", "increases", "decreases"
]
MOVES = ("changes", "unchanged", "increases", "decreases")


class Constraint(Record, frozen=True, kw_only=True):
    """Base. `features` names the columns of the arrays that `holds` is given, in order."""

    @property
    def features(self) -> tuple[str, ...]:
        raise NotImplementedError

    @property
    def words(self) -> str:
        raise NotImplementedError

    def encoded(self, code: Callable[[str, Level], float]) -> Constraint:
        """The same statement with levels of text columns as numbers."""
        return self

    def holds(self, start: Floats, own: Floats, reached: Floats, known: Bools) -> Bools:
        """Rows (N, p) that can still hold, given only the columns that are `known` (p,)."""
        raise NotImplementedError


class OneOf(Constraint, frozen=True, kw_only=True):
    """Exactly one of these 0/1 features is 1, or at most one where it is not `required`.

    With a `direction` the features stand for ordered levels, and the level moves only that way.
    """

    members: tuple[str, ...]
    required: bool = True
    direction: Literal["up", "down"] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        return self.members

    @property
    def words(self) -> str:
        count = "exactly one" if self.required else "at most one"
        order = f", moving {self.direction}" if self.direction else ""
        return f"{count} of {_listed(self.members)}{order}"

    def holds(self, start: Floats, own: Floats, reached: Floats, known: Bools) -> Bools:
        total = reached[:, known].sum(axis=1)
        ok: Bools = total <= 1
        if not known.all():
            return ok
        if self.required:
            ok &= total == 1
        if self.direction is not None:
            rank = np.arange(1, len(self.members) + 1)
            move = reached @ rank - start @ rank
            ok &= (move >= 0) if self.direction == "up" else (move <= 0)
        return np.asarray(ok, dtype=bool)


class Thermometer(Constraint, frozen=True, kw_only=True):
    """0/1 features of which each holds only where the one before it holds."""

    members: tuple[str, ...]
    direction: Literal["up", "down"] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        return self.members

    @property
    def words(self) -> str:
        order = f", moving {self.direction}" if self.direction else ""
        return f"each of {_listed(self.members)} only with the one before it{order}"

    def holds(self, start: Floats, own: Floats, reached: Floats, known: Bools) -> Bools:
        values = reached[:, known]
        ok = (values[:, 1:] <= values[:, :-1]).all(axis=1)
        if self.direction is not None:
            move = values - start[:, known]
            ok &= ((move >= 0) if self.direction == "up" else (move <= 0)).all(axis=1)
        return np.asarray(ok, dtype=bool)


class AtMost(Constraint, frozen=True, kw_only=True):
    """At most `most` of these 0/1 features are 1; with `changes`, at most `most` are changed."""

    members: tuple[str, ...]
    most: int
    changes: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        return self.members

    @property
    def words(self) -> str:
        what = "changes among" if self.changes else "of"
        return f"at most {self.most} {what} {_listed(self.members)}"

    def holds(self, start: Floats, own: Floats, reached: Floats, known: Bools) -> Bools:
        counted = own[:, known] != 0 if self.changes else reached[:, known]
        return np.asarray(counted.sum(axis=1) <= self.most, dtype=bool)


class Condition(Record, frozen=True, kw_only=True):
    """`feature` compared with `value` after the action, or how it moves."""

    feature: str
    operator: Operator
    value: Level | None = None

    @property
    def words(self) -> str:
        return f"{self.feature} {self.operator}" + ("" if self.value is None else f" {self.value}")

    def encoded(self, code: Callable[[str, Level], float]) -> Condition:
        if self.value is None:
            return self
        return msgspec.structs.replace(self, value=code(self.feature, self.value))

    def true(self, start: Floats, reached: Floats) -> Bools:
        """Where it holds, for the start and the reached value of `feature`."""
        against: Any = start if self.operator in MOVES else self.value
        slack = 1e-9 * np.maximum(np.abs(against), np.abs(reached))
        above, below = reached > against + slack, reached < against - slack
        answers: dict[str, Bools] = {
            "==": ~(above | below),
            "!=": above | below,
            ">=": ~below,
            "<=": ~above,
            ">": above,
            "<": below,
            "changes": above | below,
            "unchanged": ~(above | below),
            "increases": above,
            "decreases": below,
        }
        return answers[self.operator]


class IfThen(Constraint, frozen=True, kw_only=True):
    """Where `condition` holds after the action, `consequence` holds too."""

    condition: Condition
    consequence: Condition

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.condition.feature, self.consequence.feature)))

    @property
    def words(self) -> str:
        return f"if {self.condition.words} then {self.consequence.words}"

    def encoded(self, code: Callable[[str, Level], float]) -> IfThen:
        return IfThen(
            condition=self.condition.encoded(code), consequence=self.consequence.encoded(code)
        )

    def holds(self, start: Floats, own: Floats, reached: Floats, known: Bools) -> Bools:
        if not known.all():
            return np.ones(len(reached), dtype=bool)
        first, last = self.condition, self.consequence
        met = last.true(start[:, -1], reached[:, -1])
        return np.asarray(~first.true(start[:, 0], reached[:, 0]) | met, dtype=bool)


class Switch(Constraint, frozen=True, kw_only=True):
    """The `targets` change only where `feature` is `value` after the action."""

    feature: str
    targets: tuple[str, ...]
    value: Level = 1.0

    @property
    def features(self) -> tuple[str, ...]:
        return (self.feature, *self.targets)

    @property
    def words(self) -> str:
        return f"{_listed(self.targets)} can change only where {self.feature} == {self.value}"

    def encoded(self, code: Callable[[str, Level], float]) -> Switch:
        return msgspec.structs.replace(self, value=code(self.feature, self.value))

    def holds(self, start: Floats, own: Floats, reached: Floats, known: Bools) -> Bools:
        if not known[0]:
            return np.ones(len(reached), dtype=bool)
        wanted = Condition(feature=self.feature, operator="==", value=self.value)
        still = (own[:, known][:, 1:] == 0).all(axis=1)
        return np.asarray(still | wanted.true(start[:, 0], reached[:, 0]), dtype=bool)


class Joint(Constraint, frozen=True, kw_only=True):
    """The features together take one of the listed `values`; `reachable[a][b]` says whether b can
    be reached from a (None: each from each)."""

    members: tuple[str, ...]
    values: tuple[tuple[Level, ...], ...]
    reachable: tuple[tuple[bool, ...], ...] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        return self.members

    @property
    def words(self) -> str:
        return f"{_listed(self.members)} take one of {len(self.values)} joint values"

    def encoded(self, code: Callable[[str, Level], float]) -> Joint:
        rows = tuple(
            tuple(code(name, value) for name, value in zip(self.members, row, strict=True))
            for row in self.values
        )
        return msgspec.structs.replace(self, values=rows)

    def holds(self, start: Floats, own: Floats, reached: Floats, known: Bools) -> Bools:
        listed = np.asarray(self.values, dtype=np.float64)[:, known]
        at = _places(reached[:, known], listed)
        ok: Bools = np.asarray(at.any(axis=1))
        if known.all() and self.reachable is not None:
            reach = np.asarray(self.reachable, dtype=bool)
            moved = (reached != start).any(axis=1)
            allowed = reach[_places(start, listed).argmax(axis=1), at.argmax(axis=1)]
            ok &= ~moved | allowed
        return ok


class Linkage(Record, frozen=True, kw_only=True):
    """A change of one unit in `source` forces a change of `targets[name]` units in each target."""

    source: str
    targets: dict[str, float]

    @property
    def features(self) -> tuple[str, ...]:
        return (self.source, *self.targets)

    @property
    def words(self) -> str:
        moved = ", ".join(f"{name} by {scale:g}" for name, scale in self.targets.items())
        return f"{self.source} moves {moved}"


def _places(points: Floats, listed: Floats) -> Bools:
    """(N, L): which of the listed rows each point equals."""
    same = np.ones((len(points), len(listed)), dtype=bool)
    for j in range(points.shape[1]):
        ours, theirs = points[:, j, None], listed[:, j]
        slack = 1e-9 * np.maximum(np.abs(ours), np.abs(theirs))
        np.logical_and(same, np.abs(ours - theirs) <= slack, out=same)
    return np.asarray(same, dtype=bool)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
