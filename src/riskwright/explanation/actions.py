"""`Actions`: which changes of which features are feasible, and which force or forbid others."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import numpy as np

from riskwright.core import ColumnError, ConstraintError, Finding, ParameterError, Record
from riskwright.evidence import Table
from riskwright.evidence.columns import nearest, quoted
from riskwright.evidence.schema import read_document
from riskwright.stats._columns import is_number

from ._people import Observed, People
from .constraints import (
    MOVES,
    AtMost,
    Condition,
    Constraint,
    IfThen,
    Joint,
    Linkage,
    OneOf,
    Operator,
    Switch,
    Thermometer,
)

__all__ = ["Actions", "Limits"]

Direction = Literal["up", "down"]


class Limits(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is stated about one feature; `down` <= 0 <= `up` limit its change."""

    fixed: bool = False
    low: float | None = None
    high: float | None = None
    step: float | None = None
    direction: Direction | None = None
    down: float | None = None
    up: float | None = None
    levels: tuple[str, ...] | None = None
    ordered: bool = False


@dataclass(frozen=True)
class Actions:
    """Feasible actions, stated verb by verb; each verb returns a new `Actions`.

    Parameters
    ----------
    source : `riskwright.evidence.Table`, frame or array, or a list of column names.
        What nothing is said about may change freely within the range seen in the source (or, from
        names alone, in the table that is asked about): whole numbers in steps of 1, other numbers
        continuously, text to any level. A `Table` starts with what its schema states: minimum and
        maximum, levels, `direction`; group columns are fixed, and so is what has no
        `actionable_by` where any column has one.

    Notes
    -----
    A feature's *own* change obeys its limits. Linkage adds forced changes of targets, which may be
    fixed themselves; what is reached obeys *stated* bounds and directions in all cases.
    Ranges that were seen, not stated, never make a row invalid nor stop a forced change, and a
    stated limit of the change takes their place.

    Examples
    --------
    >>> actions = (
    ...     Actions(["age", "years", "job"]).fix("age").change("years", 0, 1)
    ...     .moves_with("years", {"age": 1})
    ... )
    >>> print(actions)
    age: fixed
    years: changes by 0 to 1
    years moves age by 1
    >>> actions.only_decrease("years")
    Traceback (most recent call last):
        ...
    riskwright.core.exceptions.ConstraintError: 'years': no change is left; got changes by 0 to 1 \
and can only decrease. Use fix, or correct one of the two. [RW3000]
    """

    source: Any
    names: tuple[str, ...] = field(init=False)
    known: dict[str, Observed] = field(init=False, repr=False)
    limits: dict[str, Limits] = field(init=False, default_factory=dict)
    links: tuple[Linkage, ...] = field(init=False, default=())
    constraints: tuple[Constraint, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        source, limits = self.source, {}
        if isinstance(source, (list, tuple)) and all(isinstance(name, str) for name in source):
            names, known = tuple(source), {}
        else:
            levels = _schema_levels(source) if isinstance(source, Table) else {}
            people = People(source, levels)
            names, known = people.names, people.observed
        if isinstance(source, Table):
            limits = _from_schema(source)
        if len(set(names)) != len(names):
            raise ParameterError("a column name is given twice", where="source")
        for name, value in {"source": None, "names": names, "known": known}.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "limits", limits)

    @classmethod
    def from_mapping(
        cls, stated: Mapping[str, Any] | str | os.PathLike[str], source: Any
    ) -> Actions:
        """Actions on the columns of `source` from a mapping, or from a YAML or JSON file.

        Keys are the verbs. `fix`, `only`, `only_increase`, `only_decrease`: a list of names.
        `bounds`, `change`: name to [low, high]; `step`: name to number; `levels`, `ordered`: name
        to list. `one_of`, `thermometer`, `at_most`, `if_then`, `moves_with`, `switch`, `joint`:
        a list of mappings of the verb's parameters.

        Examples
        --------
        >>> stated = {"fix": ["age"], "moves_with": [{"source": "years", "targets": {"age": 1}}]}
        >>> print(Actions.from_mapping(stated, ["age", "years"]))
        age: fixed
        years moves age by 1
        """
        where = "actions"
        if isinstance(stated, (str, os.PathLike)):
            where = str(stated)
            stated = read_document(Path(stated), "actions")
        if not isinstance(stated, Mapping):
            raise ParameterError(
                "not a mapping", where=where, expected="verbs", got=type(stated).__name__
            )
        actions = cls(source)
        for verb in stated:
            if verb not in _SHAPES:
                raise ParameterError(
                    f"unknown key {quoted(verb)}", where=where, hint=nearest(str(verb), _SHAPES)
                )
        for verb, shape in _SHAPES.items():
            if stated.get(verb) is not None:
                actions = _apply(actions, verb, shape, stated[verb], f"{where}: {verb}")
        return actions

    def to_mapping(self) -> dict[str, Any]:
        """The statements as plain values, which `from_mapping` reads."""
        out: dict[str, Any] = {}
        for name, limit in self.limits.items():
            if limit.fixed:
                out.setdefault("fix", []).append(name)
            if limit.direction:
                verb = "only_increase" if limit.direction == "up" else "only_decrease"
                out.setdefault(verb, []).append(name)
            if limit.low is not None or limit.high is not None:
                out.setdefault("bounds", {})[name] = [limit.low, limit.high]
            if limit.down is not None or limit.up is not None:
                out.setdefault("change", {})[name] = [limit.down, limit.up]
            if limit.step is not None:
                out.setdefault("step", {})[name] = limit.step
            if limit.levels is not None:
                key = "ordered" if limit.ordered else "levels"
                out.setdefault(key, {})[name] = list(limit.levels)
        statements: tuple[Constraint | Linkage, ...] = (*self.links, *self.constraints)
        for statement in statements:
            verb, parameters = _parameters(statement)
            out.setdefault(verb, []).append(parameters)
        return out

    def fix(self, *names: str) -> Actions:
        """These never change of their own; linkage may still move them."""
        return self._all(names, fixed=True)

    def only(self, *names: str) -> Actions:
        """Only these may change of their own; all others are fixed."""
        self._check(names)
        return self.fix(*(name for name in self.names if name not in names))

    def only_increase(self, *names: str) -> Actions:
        """These only rise (text: to later levels, once `ordered`)."""
        return self._all(names, direction="up")

    def only_decrease(self, *names: str) -> Actions:
        """These only fall."""
        return self._all(names, direction="down")

    def bounds(self, name: str, low: float | None = None, high: float | None = None) -> Actions:
        """What is reached lies in [low, high], and so must every row; None leaves an end as it is.

        Stated twice, the narrower end counts.
        """
        low, high = _number(low, "low"), _number(high, "high")
        if low is not None and high is not None and low > high:
            raise ConstraintError(
                "low is above high",
                conflict=(f"low {low:g}", f"high {high:g}"),
                where=quoted(name),
                got=f"low {low:g} and high {high:g}",
            )
        old = self._limits(name)
        lows = [end for end in (old.low, low) if end is not None]
        highs = [end for end in (old.high, high) if end is not None]
        return self._all((name,), low=max(lows, default=None), high=min(highs, default=None))

    def step(self, name: str, size: float) -> Actions:
        """The feature changes by whole multiples of `size`, counted from each person's own value.

        `size=0` makes it continuous.
        """
        size = _number(size, "size") or 0.0
        if size < 0:
            raise ParameterError(
                "negative step",
                where=quoted(name),
                expected="a size of at least 0",
                got=f"{size:g}",
                hint="Use only_decrease for the direction",
            )
        return self._all((name,), step=size)

    def change(self, name: str, low: float | None = None, high: float | None = None) -> Actions:
        """The feature's own change lies in [low, high], with low <= 0 <= high."""
        low, high = _number(low, "low"), _number(high, "high")
        if (low or 0.0) > 0 or (high or 0.0) < 0:
            raise ConstraintError(
                "the limits of a change exclude no change",
                conflict=(f"low {low}", f"high {high}"),
                where=quoted(name),
                expected="low <= 0 <= high",
                got=f"low {low} and high {high}",
                hint="Are the signs swapped?",
            )
        return self._all((name,), down=low, up=high)

    def levels(self, name: str, levels: Sequence[str]) -> Actions:
        """The levels of a text column that may occur."""
        return self._all((name,), levels=_texts(levels, name), ordered=False)

    def ordered(self, name: str, levels: Sequence[str]) -> Actions:
        """The levels of a text column, in order, so that it has a direction and steps of 1."""
        return self._all((name,), levels=_texts(levels, name), ordered=True)

    def one_of(
        self, *features: str, required: bool = True, direction: Direction | None = None
    ) -> Actions:
        """Of these 0/1 features exactly one is 1 (one-hot), or at most one if not `required`.

        With `direction` "up" or "down" they stand for levels in increasing order, and the level
        only rises or falls.
        """
        self._check(features, least=2)
        _one_of(direction, (None, "up", "down"), "direction")
        return self._add(OneOf(members=features, required=bool(required), direction=direction))

    def thermometer(self, *features: str, direction: Direction | None = None) -> Actions:
        """0/1 features of which each is 1 only where the one before it is ("at least 1, 2")."""
        self._check(features, least=2)
        _one_of(direction, (None, "up", "down"), "direction")
        return self._add(Thermometer(members=features, direction=direction))

    def at_most(self, most: int, *features: str, changes: bool = False) -> Actions:
        """At most `most` of these 0/1 features are 1; with `changes`, at most `most` of these
        features (of any kind) are changed."""
        self._check(features, least=2)
        if isinstance(most, bool) or not isinstance(most, int) or not 0 <= most < len(features):
            raise ParameterError(
                "wrong number of features",
                where="at_most",
                expected=f"a whole number from 0 to {len(features) - 1}",
                got=repr(most),
            )
        return self._add(AtMost(members=features, most=most, changes=bool(changes)))

    def if_then(self, condition: Sequence[Any], consequence: Sequence[Any]) -> Actions:
        """Where `condition` holds after the action, so does `consequence`.

        Each is (feature, operator, value) with ==, !=, >=, <=, > or <; or (feature, "changes"),
        "increases", "decreases" or "unchanged".
        """
        first, last = self._condition(condition), self._condition(consequence)
        if first.operator not in MOVES and last.operator in ("changes", "increases", "decreases"):
            raise ParameterError(
                "a consequence that is a change needs a condition that is a change",
                where=f"if {first.words} then {last.words}",
                hint="Else people for whom the condition holds already could not stay as they are",
            )
        return self._add(IfThen(condition=first, consequence=last))

    def moves_with(self, source: str, targets: Mapping[str, float]) -> Actions:
        """A change of `source` by one unit forces each target to change by the number given.

        One-way: a change of a target does not move the source. Chains add up; cycles are refused.
        """
        self._check((source, *targets), least=2)
        scales = {name: _number(scale, f"scale of {name}") for name, scale in targets.items()}
        if not all(scales.values()):
            raise ParameterError("a scale of 0", where=f"moves_with {source}", expected="not 0")
        link = Linkage(source=source, targets={n: float(s or 0) for n, s in scales.items()})
        self._check_direction(link)
        new = replace_actions(self, links=(*self.links, link))
        cycle_order(new.names, new.links)
        return new

    def switch(self, feature: str, targets: Sequence[str], value: float | str = 1) -> Actions:
        """The `targets` may change only where `feature` is `value` after the action."""
        self._check((feature, *targets), least=2)
        return self._add(Switch(feature=feature, targets=tuple(targets), value=_level(value)))

    def joint(
        self,
        features: Sequence[str],
        values: Sequence[Sequence[Any]],
        reachable: Sequence[Sequence[Any]] | None = None,
    ) -> Actions:
        """Together the features take one of the listed `values`, one tuple per joint value.

        `reachable[a][b]`, 0 or 1, says whether joint value b can be reached from a.
        """
        self._check(features, least=1)
        rows = tuple(tuple(map(_level, row)) for row in values)
        if not rows or any(len(row) != len(features) for row in rows):
            raise ParameterError(
                "joint values of the wrong length",
                where="joint",
                expected=f"{len(features)} values each",
            )
        matrix = None
        if reachable is not None:
            array = np.asarray(reachable)
            if array.shape != (len(rows), len(rows)) or not np.isin(array, (0, 1)).all():
                raise ParameterError(
                    "not a matrix of what can be reached",
                    where="joint: reachable",
                    expected=f"{len(rows)} rows of {len(rows)} values 0 or 1",
                    got=f"shape {array.shape}",
                )
            matrix = tuple(tuple(bool(cell) for cell in row) for row in array)
        return self._add(Joint(members=tuple(features), values=rows, reachable=matrix))

    def check(self, X: Any) -> tuple[Finding, ...]:
        """Whether every row keeps to what is stated: a Finding for each statement that some do not.

        Each names the statement, how many rows break it, and the first by number.
        """
        from ._rules import bind, violations

        people = People(X, stated_levels(self))
        broken = violations(bind(self, people))
        if broken:
            return tuple(
                Finding(
                    code="actions.rows",
                    sentence=f"{places} of {len(people):,} break the statement '{words}'.",
                    severity="high",
                    method="every row against every statement",
                )
                for words, places in broken
            )
        return (
            Finding(
                code="actions.rows",
                sentence=f"All {len(people):,} rows keep to the stated limits and constraints.",
                severity="info",
                method="every row against every statement",
            ),
        )

    def __str__(self) -> str:
        lines = [
            f"{name}: {', '.join(_words(limit))}"
            for name, limit in self.limits.items()
            if _words(limit)
        ]
        lines += [link.words for link in self.links]
        lines += [constraint.words for constraint in self.constraints]
        return "\n".join(lines) or "everything may change within the range seen"

    def _limits(self, name: str) -> Limits:
        self._check((name,))
        return self.limits.get(name, Limits())

    def _all(self, names: tuple[str, ...], **stated: Any) -> Actions:
        self._check(names)
        limits = dict(self.limits)
        for name in names:
            old = limits.get(name, Limits())
            _clashes(name, old, stated)
            new = msgspec.structs.replace(old, **stated)
            check_limits(name, new, self.known.get(name))
            limits[name] = new
        result = replace_actions(self, limits=limits)
        for link in result.links:
            result._check_direction(link)
        for constraint in result.constraints:
            result._check_values(constraint)
        return result

    def _add(self, constraint: Constraint) -> Actions:
        self._check_values(constraint)
        return replace_actions(self, constraints=(*self.constraints, constraint))

    def _check(self, names: Sequence[str], least: int = 0) -> None:
        for name in names:
            if name not in self.names:
                raise ColumnError(
                    f"no column {quoted(name)}",
                    where="actions",
                    hint=nearest(str(name), self.names),
                )
        if len(set(names)) != len(names) or len(names) < least:
            raise ParameterError(
                "too few features, or one twice",
                where="actions",
                expected=f"at least {least} different features",
                got=", ".join(map(quoted, names)) or "none",
            )

    def _condition(self, parts: Sequence[Any]) -> Condition:
        if isinstance(parts, Condition):
            parts = (parts.feature, parts.operator, parts.value)
        if isinstance(parts, str) or not 2 <= len(parts) <= 3:
            raise ParameterError(
                "not a condition", where="if_then", expected='such as ("retired", "==", 1)'
            )
        self._check((parts[0],))
        _one_of(parts[1], get_args(Operator), "if_then")
        value = parts[2] if len(parts) == 3 else None
        if (parts[1] in MOVES) != (value is None):
            raise ParameterError(
                f"{parts[1]} takes {'no' if parts[1] in MOVES else 'a'} value", where="if_then"
            )
        return Condition(
            feature=parts[0],
            operator=parts[1],
            value=None if value is None else _level(value),
        )

    def _check_direction(self, link: Linkage) -> None:
        way = self._limits(link.source).direction
        for name, scale in link.targets.items():
            target = self._limits(name).direction
            forced = way if scale > 0 else {"up": "down", "down": "up", None: None}[way]
            if way and target and forced != target:
                raise ConstraintError(
                    "a forced change runs against the direction of its target",
                    conflict=(link.words, f"{name} goes {target} only"),
                    where=quoted(name),
                    got=f"{link.source} goes {way} only, {link.words}, {name} goes {target} only",
                    hint="Are the signs swapped?",
                )

    def _check_values(self, constraint: Constraint) -> None:
        for name, value in _mentioned(constraint):
            limit = self._limits(name)
            if isinstance(value, str):
                outside = limit.levels is not None and value not in limit.levels
            else:
                low = -math.inf if limit.low is None else limit.low
                high = math.inf if limit.high is None else limit.high
                outside = not low <= value <= high
            if outside:
                raise ConstraintError(
                    "a statement asks for a value that another excludes",
                    conflict=(constraint.words, f"{name}: {', '.join(_words(limit))}"),
                    where=quoted(name),
                    got=f"{constraint.words}; {name}: {', '.join(_words(limit))}",
                )


def replace_actions(actions: Actions, **changed: Any) -> Actions:
    """A copy with other limits, links or constraints."""
    new = object.__new__(Actions)
    for name in ("source", "names", "known", "limits", "links", "constraints"):
        object.__setattr__(new, name, changed.get(name, getattr(actions, name)))
    return new


def stated_levels(actions: Actions) -> dict[str, tuple[str, ...]]:
    """Levels of text columns by name, stated ones first, then those seen in the source."""
    seen = {name: known.levels for name, known in actions.known.items()}
    for name, limit in actions.limits.items():
        if limit.levels is not None:
            rest = (level for level in seen.get(name, ()) if level not in set(limit.levels))
            seen[name] = (*limit.levels, *rest)
    return seen


def cycle_order(names: Sequence[str], links: Sequence[Linkage]) -> tuple[str, ...]:
    """The names with every source before its targets; `ConstraintError` where there is a cycle."""
    sources: dict[str, set[str]] = {name: set() for name in names}
    for link in links:
        for target in link.targets:
            if target in sources:
                sources[target].add(link.source)
    order: list[str] = []
    while len(order) < len(names):
        free = [n for n in names if n not in order and sources[n] <= set(order)]
        if not free:
            cycle = tuple(link.words for link in links if link.source not in order)
            raise ConstraintError(
                "linkage runs in a circle", conflict=cycle, where="moves_with", got="; ".join(cycle)
            )
        order += free
    return tuple(order)


def _clashes(name: str, old: Limits, stated: dict[str, Any]) -> None:
    for key, value in stated.items():
        held = getattr(old, key)
        if (
            key in ("direction", "step", "down", "up")
            and None not in (held, value)
            and (held != value)
        ):
            before = _words(Limits(**{key: held}))[0]
            after = _words(Limits(**{key: value}))[0]
            raise ConstraintError(
                "two statements contradict each other",
                conflict=(before, after),
                where=quoted(name),
                got=f"{before} and {after}",
            )


def check_limits(name: str, limit: Limits, known: Observed | None) -> None:
    """Refuse limits of one feature that cannot hold together or leave nothing to change."""
    spans = limit.low is not None or limit.high is not None
    numeric = spans or limit.step is not None or limit.down is not None or limit.up is not None
    text = known is not None and known.kind == "text"
    if text and not limit.ordered and (numeric or limit.direction):
        raise ParameterError(
            "a text column has no bounds, steps or direction",
            where=quoted(name),
            hint="State the order of its levels with ordered",
        )
    if known is not None and known.kind == "number" and limit.levels is not None:
        raise ParameterError(
            "a column of numbers has no levels", where=quoted(name), hint="Use bounds and step"
        )
    if known is not None and known.kind == "other" and not limit.fixed:
        raise ParameterError(
            "neither numbers nor text", where=quoted(name), hint="Leave the column fixed"
        )
    clash = _nothing_left(limit)
    if clash is not None:
        raise ConstraintError(
            "no change is left",
            conflict=clash,
            where=quoted(name),
            got=f"{clash[0]} and {clash[1]}",
            hint="Use fix, or correct one of the two",
        )


def _nothing_left(limit: Limits) -> tuple[str, str] | None:
    """Two statements about one feature that leave no value or no change, in words."""
    bounded = limit.low is not None and limit.high is not None
    span = (limit.high or 0.0) - (limit.low or 0.0) if bounded else math.inf
    furthest = max(
        math.inf if limit.down is None else -limit.down, math.inf if limit.up is None else limit.up
    )
    step, change = limit.step or 0.0, Limits(down=limit.down, up=limit.up)
    if span < 0:
        return f"at least {limit.low:g}", f"at most {limit.high:g}"
    ends = {"up": limit.up, "down": limit.down}
    if limit.direction is not None and ends[limit.direction] == 0:
        return _words(change)[0], _words(Limits(direction=limit.direction))[0]
    if step > span:
        return _words(Limits(low=limit.low, high=limit.high))[0], f"steps of {step:g}"
    if step > furthest > 0:
        return _words(change)[0], f"steps of {step:g}"
    return None


def _words(limit: Limits) -> list[str]:
    words = ["fixed"] if limit.fixed else []
    if limit.direction:
        words.append("can only " + ("increase" if limit.direction == "up" else "decrease"))
    if limit.low is not None or limit.high is not None:
        low = "" if limit.low is None else f"at least {limit.low:g}"
        high = "" if limit.high is None else f"at most {limit.high:g}"
        words.append(" and ".join(filter(None, (low, high))))
    if limit.down is not None or limit.up is not None:
        down = "any fall" if limit.down is None else f"{limit.down:g}"
        words.append(f"changes by {down} to {'any rise' if limit.up is None else f'{limit.up:g}'}")
    if limit.step is not None:
        words.append(f"steps of {limit.step:g}" if limit.step else "continuous")
    if limit.levels is not None:
        words.append(f"one of {len(limit.levels)} {'ordered ' if limit.ordered else ''}levels")
    return words


def _mentioned(constraint: Constraint) -> list[tuple[str, float | str]]:
    """Values that a constraint needs to be possible, by feature."""
    if isinstance(constraint, IfThen):
        last = constraint.consequence
        return [] if last.operator != "==" or last.value is None else [(last.feature, last.value)]
    if isinstance(constraint, Switch):
        return [(constraint.feature, constraint.value)]
    if isinstance(constraint, Joint):
        rows = constraint.values
        return [(n, v) for row in rows for n, v in zip(constraint.members, row, strict=True)]
    return []


def _schema_levels(table: Table) -> dict[str, tuple[str, ...]]:
    return {f.name: f.levels for f in table.features if f.levels is not None}


def _from_schema(table: Table) -> dict[str, Limits]:
    stated = table.schema.columns
    some = any(column.actionable_by is not None for column in stated.values())
    limits = {}
    for feature in table.features:
        column = stated.get(feature.name)
        actionable = column is not None and column.actionable_by is not None
        fixed = feature.name in table.schema.groups or (some and not actionable)
        limit = Limits(fixed=fixed)
        if column is not None:
            ordered = column.levels is not None and column.direction is not None
            text = table.X[feature.name].dtype.is_numeric() is False
            limit = Limits(
                fixed=fixed,
                low=column.minimum,
                high=column.maximum,
                direction=None if text and not ordered else column.direction,
                levels=column.levels if text else None,
                ordered=text and ordered,
            )
        if limit != Limits():
            limits[feature.name] = limit
    return limits


def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not is_number(value) or not math.isfinite(value):
        raise ParameterError("not a finite number", where=where, got=repr(value)[:40])
    return float(value)


def _level(value: Any) -> float | str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return float(value)
    if not is_number(value) or not math.isfinite(value):
        raise ParameterError("not a value", where="actions", expected="a number or a text")
    return float(value)


def _texts(levels: Sequence[str], name: str) -> tuple[str, ...]:
    texts = tuple(levels)
    if not texts or isinstance(levels, str) or not all(isinstance(t, str) for t in texts):
        raise ParameterError("not levels", where=quoted(name), expected="a list of texts")
    if len(set(texts)) != len(texts):
        raise ParameterError("a level is given twice", where=quoted(name))
    return texts


def _one_of(value: Any, allowed: Sequence[Any], where: str) -> None:
    if value not in allowed:
        raise ParameterError(
            "unknown choice",
            where=where,
            expected="one of " + ", ".join(map(str, allowed)),
            got=repr(value)[:40],
        )


_SHAPES = {
    "fix": "names",
    "only": "names",
    "only_increase": "names",
    "only_decrease": "names",
    "levels": "values",
    "ordered": "values",
    "bounds": "ends",
    "change": "ends",
    "step": "values",
    "one_of": ("features", "required", "direction"),
    "thermometer": ("features", "direction"),
    "at_most": ("most", "features", "changes"),
    "if_then": ("if", "then"),
    "moves_with": ("source", "targets"),
    "switch": ("feature", "targets", "value"),
    "joint": ("features", "values", "reachable"),
}


def _apply(actions: Actions, verb: str, shape: Any, stated: Any, where: str) -> Actions:
    call = getattr
    if shape == "names":
        names = [stated] if isinstance(stated, str) else stated
        if not isinstance(names, Sequence):
            raise ParameterError("not names", where=where, expected="a list of column names")
        return call(actions, verb)(*names)  # type: ignore[no-any-return]
    if shape in ("values", "ends"):
        if not isinstance(stated, Mapping):
            raise ParameterError("not a mapping", where=where, expected="column name: value")
        for name, value in stated.items():
            if shape == "ends" and (not isinstance(value, Sequence) or len(value) != 2):
                raise ParameterError("not two ends", where=where, expected="[low, high]")
            given = tuple(value) if shape == "ends" else (value,)
            actions = call(actions, verb)(name, *given)
        return actions
    if not isinstance(stated, Sequence) or isinstance(stated, str):
        raise ParameterError("not a list", where=where, expected="a list of mappings")
    for entry in stated:
        actions = _apply_entry(actions, verb, shape, entry, where)
    return actions


def _apply_entry(
    actions: Actions, verb: str, keys: tuple[str, ...], entry: Any, where: str
) -> Actions:
    if not isinstance(entry, Mapping):
        raise ParameterError("not a mapping", where=where, expected=" and ".join(keys))
    unknown = [key for key in entry if key not in keys]
    needed = [
        key for key in keys if key not in ("required", "direction", "changes", "value", "reachable")
    ]
    missing = [key for key in needed if key not in entry]
    if unknown or missing:
        raise ParameterError(
            f"unknown key {quoted(unknown[0])}" if unknown else f"no {missing[0]}",
            where=where,
            expected=", ".join(keys),
        )
    given = dict(entry)
    if verb == "if_then":
        return actions.if_then(given["if"], given["then"])
    if verb in ("one_of", "thermometer"):
        return getattr(actions, verb)(*given.pop("features"), **given)  # type: ignore[no-any-return]
    if verb == "at_most":
        return actions.at_most(given.pop("most"), *given.pop("features"), **given)
    return getattr(actions, verb)(**given)  # type: ignore[no-any-return]


def _parameters(statement: Constraint | Linkage) -> tuple[str, dict[str, Any]]:
    verb = {
        OneOf: "one_of",
        Thermometer: "thermometer",
        AtMost: "at_most",
        IfThen: "if_then",
        Linkage: "moves_with",
        Switch: "switch",
        Joint: "joint",
    }[type(statement)]
    if isinstance(statement, IfThen):
        pair = {"if": statement.condition, "then": statement.consequence}
        return verb, {
            key: [c.feature, c.operator] + ([] if c.value is None else [c.value])
            for key, c in pair.items()
        }
    values = msgspec.to_builtins(statement)
    if "members" in values:
        values = {"features": values.pop("members"), **values}
    return verb, {key: value for key, value in values.items() if value is not None}
