"""`diff`: what changed from one version of a card to the next, in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from riskwright.core import Estimate, Finding, ParameterError, Record

from .documents import Document

__all__ = ["Change", "diff"]

_KEYS = ("id", "code", "name", "title", "feature", "label", "budget")
_LONGEST = 200


class Change(Record, frozen=True, kw_only=True):
    """One field that differs: what was there, what is there now, in a sentence.

    For a number, `direction` is "up", "down" or "same" and `overlap` says whether the intervals
    meet (None where one is not known). Where they do not meet, the change is more than chance at
    their level; where they do, it may still be.
    """

    field: str
    kind: Literal["added", "removed", "changed"]
    sentence: str
    direction: Literal["up", "down", "same"] | None = None
    overlap: bool | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}"


def diff(old: Document, new: Document) -> list[Change]:
    """What changed between two versions of a card of one kind, field by field.

    Parts of lists are matched by their id, code or name, else by their content, so that a new
    order alone is no change except among reasons and points. Empty where nothing changed.

    Raises
    ------
    ParameterError : cards of different kinds.

    Examples
    --------
    >>> from riskwright.cards.risk_card import RiskCard
    >>> old = RiskCard(id="x", title="X", hazard="prv", description="Tells secrets.")
    >>> new = msgspec.structs.replace(old, severity="serious")
    >>> print(diff(old, new)[0])
    severity: “serious” was added.
    """
    if type(old) is not type(new):
        raise ParameterError(
            "two kinds of card",
            where="diff(old, new)",
            expected=type(old).__name__,
            got=type(new).__name__,
        )
    return list(_record(old, new, ""))


def _record(old: Any, new: Any, where: str) -> Iterator[Change]:
    for name in old.__struct_fields__:
        yield from _value(getattr(old, name), getattr(new, name), f"{where}.{name}".lstrip("."))


def _value(old: Any, new: Any, where: str) -> Iterator[Change]:
    if old == new or (_nan(old) and _nan(new)):
        return
    if isinstance(old, Finding) and isinstance(new, Finding):
        yield from _finding(old, new, where)
    elif isinstance(old, Estimate) and isinstance(new, Estimate):
        yield from _estimate(old, new, where)
    elif isinstance(old, msgspec.Struct) and type(old) is type(new):
        yield from _record(old, new, where)
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _keyed(old, new, where)
    elif isinstance(old, tuple | list) and isinstance(new, tuple | list):
        yield from _sequence(tuple(old), tuple(new), where)
    elif _absent(old):
        yield Change(field=where, kind="added", sentence=f"{_shown(new)} was added.")
    elif _absent(new):
        yield Change(field=where, kind="removed", sentence=f"{_shown(old)} was removed.")
    elif _number(old) and _number(new):
        way: Literal["up", "down"] = "up" if new > old else "down"
        sentence = f"went {way} from {old:,} to {new:,}."
        yield Change(field=where, kind="changed", sentence=sentence, direction=way)
    else:
        sentence = f"changed from {_shown(old)} to {_shown(new)}."
        yield Change(field=where, kind="changed", sentence=sentence)


def _estimate(old: Estimate, new: Estimate, where: str) -> Iterator[Change]:
    numbers = zip(*((e.value, e.low, e.high, e.level, e.n) for e in (old, new)), strict=True)
    exact = all(e.level == 1.0 and e.low == e.high for e in (old, new))
    if all(_same_number(one, other) for one, other in numbers) or (
        exact and old.value == new.value
    ):
        return
    direction: Literal["up", "down", "same"] = "same"
    if old.value != new.value and not _same_number(old.value, new.value):
        direction = "up" if new.value > old.value else "down"
    ends = (old.low, old.high, new.low, new.high)
    overlap = None if any(map(math.isnan, ends)) else old.low <= new.high and new.low <= old.high
    went = "stayed where it was, but" if direction == "same" else f"went {direction},"
    meeting = {
        None: "an interval is not known, so this may be chance",
        True: "the intervals overlap, so this may be chance",
        False: "the intervals do not overlap",
    }[overlap]
    if exact:
        meeting = "both are exact"
    sentence = f"{went} from {_words(old)} to {_words(new)}; {meeting}."
    yield Change(
        field=where, kind="changed", sentence=sentence, direction=direction, overlap=overlap
    )


def _words(estimate: Estimate) -> str:
    if estimate.level == 1.0 and estimate.low == estimate.high:
        return f"{estimate.value:,.10g}"
    return f"{estimate} with n = {estimate.n:,}"


def _finding(old: Finding, new: Finding, where: str) -> Iterator[Change]:
    if old.estimate is not None and new.estimate is not None:
        yield from _value(old.estimate, new.estimate, where)
    elif old.sentence != new.sentence:
        sentence = f"said “{old.sentence}”, says “{new.sentence}”"
        yield Change(field=where, kind="changed", sentence=sentence)
    for name in ("severity", "passed", "digests"):
        yield from _value(getattr(old, name), getattr(new, name), f"{where}.{name}")


def _sequence(old: tuple[Any, ...], new: tuple[Any, ...], where: str) -> Iterator[Change]:
    before, after = _by_key(old), _by_key(new)
    yield from _keyed(before, after, where)
    kept = [key for key in after if key in before]
    if kept != [key for key in before if key in after] and where.endswith(("reasons", "terms")):
        sentence = "The order changed."
        yield Change(field=where, kind="changed", sentence=sentence)


def _by_key(parts: tuple[Any, ...]) -> dict[str, Any]:
    """Parts by id, code or name, else by content; the same key again is numbered."""
    found: dict[str, Any] = {}
    for part in parts:
        key = _key(part)
        number = 2
        while key in found:
            key = f"{_key(part)} ({number})"
            number += 1
        found[key] = part
    return found


def _key(part: Any) -> str:
    if isinstance(part, msgspec.Struct):
        for name in _KEYS:
            if isinstance(told := getattr(part, name, None), str) and told:
                group = getattr(part, "group", None)
                return f"{told} / {group}" if isinstance(group, str) else told
        if hasattr(part, "column") and hasattr(part, "group"):
            return f"{part.column} = {part.group}"
        if hasattr(part, "item"):
            return str(part.item.label)
    return _shown(part)


def _keyed(old: dict[str, Any], new: dict[str, Any], where: str) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        field = f"{where}[{key}]"
        if key not in new:
            yield Change(field=field, kind="removed", sentence=f"{_shown(old[key])} was removed.")
        elif key not in old:
            yield Change(field=field, kind="added", sentence=f"{_shown(new[key])} was added.")
        else:
            yield from _value(old[key], new[key], field)


def _shown(value: Any) -> str:
    if isinstance(value, Finding):
        return f"“{value.sentence}”"
    if isinstance(value, Estimate):
        return _words(value)
    if isinstance(value, str):
        return f"“{value if len(value) <= _LONGEST else value[: _LONGEST - 1] + '…'}”"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "nothing"}[value]
    if isinstance(value, msgspec.Struct):
        told = [getattr(value, name) for name in value.__struct_fields__]
        texts = [text for text in told if isinstance(text, str) and text]
        return f"“{': '.join(texts)[:_LONGEST]}”" if texts else f"a {type(value).__name__}"
    return str(value)[:_LONGEST]


def _absent(value: Any) -> bool:
    return value is None or value == "" or value == () or value == {}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _same_number(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
