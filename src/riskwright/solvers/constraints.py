"""Operational constraints in the user's words, and the item-level rules that they become."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from riskwright.core import ConstraintError, Feature, Item, ParameterError, Record

from .integer_program import integer_program

__all__ = ["AtMost", "Constraints", "IfThen", "ItemRules", "Linear", "LinearRow"]

_LINEAR_TOLERANCE = 1e-7


class AtMost(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `count` of the named features or items may be used."""

    count: int
    of: tuple[str, ...]


class IfThen(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `use` is used, `then` must be used as well."""

    use: str
    then: str


class Linear(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """low <= sum of coefficient * points of the named items <= high; None: no limit on that side.

    A column's name means all its items. Met within 1e-7 of the limit, or of 1 if that is larger.
    """

    of: dict[str, float]
    low: float | None = None
    high: float | None = None


class Constraints(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a card may look like. Names are columns (meaning all their items) or item labels.

    points : name -> (lowest, highest) integer points where it is used.
    sign : name -> "+" or "-".
    monotone : numeric column -> "up" (risk never falls as the value rises) or "down".
    include, exclude : names that must (at least one item of a column) or must not be used.
    at_most : limits on how many of some names are used together.
    if_then : terms that ask for others.
    linear : limits on weighted sums of points.
    intercept : (lowest, highest) intercept on the log-odds scale.
    """

    points: dict[str, tuple[int, int]] = {}
    sign: dict[str, Literal["+", "-"]] = {}
    monotone: dict[str, Literal["up", "down"]] = {}
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    at_most: tuple[AtMost, ...] = ()
    if_then: tuple[IfThen, ...] = ()
    linear: tuple[Linear, ...] = ()
    intercept: tuple[float, float] | None = None

    def resolve(
        self,
        items: Sequence[Item],
        features: Sequence[Feature],
        item_feature: Sequence[int],
        *,
        max_terms: int,
        max_features: int | None,
        max_points: int,
        max_intercept: float,
        whole_intercept: bool = False,
    ) -> ItemRules:
        """Item-level rules. Raises `ParameterError` for unknown names and values that are not
        allowed, and `ConstraintError`, naming a smallest set of constraints that clash, where no
        card can meet them all. `whole_intercept`: the intercept is a whole number.
        """
        book = _Book(items, features, item_feature, max_points, max_intercept, whole_intercept)
        rules = _rules(_checked(self), book)
        resolved = book.apply(rules)
        if not feasible(resolved, max_terms, max_features):
            conflict = _smallest_conflict(book, rules, max_terms, max_features)
            raise ConstraintError(
                "no card meets these constraints together: " + "; ".join(conflict),
                conflict=tuple(conflict),
                hint="Drop or relax one of them",
            )
        return resolved


@dataclass(frozen=True)
class LinearRow:
    """A `Linear` limit on item indices; a missing limit is infinite."""

    items: tuple[int, ...]
    coefficients: tuple[float, ...]
    low: float = -math.inf
    high: float = math.inf

    def relaxed(self) -> tuple[float, float]:
        """The limits with the tolerance within which they are met."""
        return (
            self.low - _LINEAR_TOLERANCE * max(1.0, abs(self.low)),
            self.high + _LINEAR_TOLERANCE * max(1.0, abs(self.high)),
        )

    def met(self, points: Mapping[int, float]) -> bool:
        """Do these points (item -> points, 0 where it is missing) keep within the limits?"""
        low, high = self.relaxed()
        total = math.fsum(
            c * points.get(j, 0.0) for j, c in zip(self.items, self.coefficients, strict=True)
        )
        return low <= total <= high


@dataclass(frozen=True)
class ItemRules:
    """Constraints on item indices: points ranges, and items that go or do not go together."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    feature: tuple[int, ...]
    required: tuple[tuple[int, ...], ...] = ()
    at_most: tuple[tuple[tuple[int, ...], int], ...] = ()
    if_then: tuple[tuple[int, tuple[int, ...]], ...] = ()
    intercept: tuple[float, float] = (-50.0, 50.0)
    sentences: tuple[str, ...] = ()
    linear: tuple[LinearRow, ...] = ()

    @classmethod
    def plain(cls, n_items: int, max_points: int, intercept: float = 50.0) -> ItemRules:
        """No constraint but the range of the points; every item is a feature of its own."""
        return cls(
            low=(-float(max_points),) * n_items,
            high=(float(max_points),) * n_items,
            feature=tuple(range(n_items)),
            intercept=(-intercept, intercept),
        )

    def refuse_linear(self, who: str) -> None:
        """Raise `ParameterError` where there are linear limits, which not every search can meet."""
        if self.linear:
            raise ParameterError(
                "limits on sums of points are not possible here",
                where=f"Constraints(linear=) for {who}",
                hint="RiskScoreClassifier meets them with the extra riskwright[scip]",
            )

    def usable(self, item: int) -> bool:
        low, high = self.low[item], self.high[item]
        return low <= high and not low == high == 0.0


@dataclass
class _Draft:
    low: list[float]
    high: list[float]
    required: list[tuple[int, ...]]
    at_most: list[tuple[tuple[int, ...], int]]
    if_then: list[tuple[int, tuple[int, ...]]]
    linear: list[LinearRow]
    intercept: tuple[float, float]


_Rule = tuple[str, Callable[[_Draft], None]]


class _Book:
    """Finds items by name and turns a list of rules into `ItemRules`."""

    def __init__(
        self,
        items: Sequence[Item],
        features: Sequence[Feature],
        item_feature: Sequence[int],
        max_points: int,
        max_intercept: float,
        whole_intercept: bool,
    ) -> None:
        self.items = items
        self.item_feature = tuple(int(f) for f in item_feature)
        self.max_points = max_points
        self.max_intercept = max_intercept
        self.whole_intercept = whole_intercept
        self.by_feature = {
            f.name: tuple(
                j for j, owner in enumerate(self.item_feature) if features[owner].name == f.name
            )
            for f in features
        }
        self.kinds = {f.name: f.type for f in features}
        self.by_label = {item.label: (j,) for j, item in enumerate(items)}

    def find(self, name: str, where: str) -> tuple[int, ...]:
        if name in self.by_feature:
            return self.by_feature[name]
        if name in self.by_label:
            return self.by_label[name]
        known = [*self.by_feature, *self.by_label]
        close = difflib.get_close_matches(name, known, n=3)
        raise ParameterError(
            f"no column or item is called {name!r}",
            where=f"Constraints({where}=)",
            hint=f"Did you mean {' or '.join(map(repr, close))}?" if close else None,
        )

    def apply(self, rules: Sequence[_Rule]) -> ItemRules:
        n, most = len(self.items), float(self.max_points)
        intercept = (-self.max_intercept, self.max_intercept)
        draft = _Draft([-most] * n, [most] * n, [], [], [], [], intercept)
        for _, change in rules:
            change(draft)
        if self.whole_intercept:
            low, high = draft.intercept
            draft.intercept = float(math.ceil(low)), float(math.floor(high))
        return ItemRules(
            low=tuple(draft.low),
            high=tuple(draft.high),
            feature=self.item_feature,
            required=tuple(draft.required),
            at_most=tuple(draft.at_most),
            if_then=tuple(draft.if_then),
            intercept=draft.intercept,
            sentences=tuple(sentence for sentence, _ in rules),
            linear=tuple(draft.linear),
        )


def _checked(constraints: Constraints) -> Constraints:
    """The same constraints, their types and values checked: records check nothing when made."""
    try:
        plain = msgspec.to_builtins(constraints, enc_hook=_plain)
        return msgspec.convert(plain, Constraints)
    except (msgspec.ValidationError, TypeError) as error:
        raise ParameterError(
            f"constraints cannot be read: {error}",
            where="Constraints",
            expected=", ".join(Constraints.__struct_fields__) + " as documented",
        ) from None


def _plain(value: object) -> object:
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(f"a {type(value).__name__} is not allowed")
    return item()


def _narrow(items: tuple[int, ...], low: float, high: float) -> Callable[[_Draft], None]:
    def change(draft: _Draft) -> None:
        for j in items:
            draft.low[j] = max(draft.low[j], low)
            draft.high[j] = min(draft.high[j], high)

    return change


def _rules(c: Constraints, book: _Book) -> list[_Rule]:
    infinity = float("inf")
    rules: list[_Rule] = []
    low: float
    high: float
    for name, (low, high) in c.points.items():
        if low > high:
            raise ParameterError(
                "lowest points above highest", where=f"points of {name!r}", got=f"{low}, {high}"
            )
        if low > book.max_points or high < -book.max_points:
            raise ParameterError(
                "points beyond those of the class",
                where=f"points of {name!r}",
                expected=f"a range that meets -{book.max_points} to {book.max_points}",
                got=f"{low}, {high}",
                hint="Raise max_points",
            )
        rules.append(
            (
                f"points of {name} from {low} to {high}",
                _narrow(book.find(name, "points"), low, high),
            )
        )
    for name, sign in c.sign.items():
        low, high = (0.0, infinity) if sign == "+" else (-infinity, 0.0)
        rules.append((f"sign of {name} is {sign}", _narrow(book.find(name, "sign"), low, high)))
    for name, direction in c.monotone.items():
        rules += _monotone_rules(book, name, direction)
    for name in c.exclude:
        rules.append((f"exclude {name}", _narrow(book.find(name, "exclude"), 0.0, 0.0)))
    for name in c.include:
        found = book.find(name, "include")
        rules.append((f"include {name}", lambda d, s=found: d.required.append(s)))  # type: ignore[misc]
    for limit in c.at_most:
        members = tuple(sorted({j for name in limit.of for j in book.find(name, "at_most")}))
        sentence = f"at most {limit.count} of {', '.join(limit.of)}"
        rules.append((sentence, lambda d, s=members, k=limit.count: d.at_most.append((s, k))))  # type: ignore[misc]
    for pair in c.if_then:
        first, then = book.find(pair.use, "if_then"), book.find(pair.then, "if_then")
        rules.append(
            (
                f"if {pair.use} then {pair.then}",
                lambda d, a=first, b=then: d.if_then.extend((j, b) for j in a),  # type: ignore[misc]
            )
        )
    rules += [_linear_rule(book, limit) for limit in c.linear]
    if c.intercept is not None:
        low, high = c.intercept
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ParameterError(
                "range that no intercept lies in",
                where="Constraints(intercept=)",
                expected="two finite numbers, the lower one first",
                got=f"{low}, {high}",
            )
        rules.append((f"intercept from {low:g} to {high:g}", _set_intercept(low, high)))
    return rules


def _set_intercept(low: float, high: float) -> Callable[[_Draft], None]:
    def change(draft: _Draft) -> None:
        draft.intercept = (low, high)

    return change


def _linear_rule(book: _Book, limit: Linear) -> _Rule:
    sum_of = _sum_in_words(limit.of)
    low = -math.inf if limit.low is None else limit.low
    high = math.inf if limit.high is None else limit.high
    numbers = (*limit.of.values(), *(side for side in (limit.low, limit.high) if side is not None))
    if not limit.of or low > high or not all(map(math.isfinite, numbers)):
        raise ParameterError(
            "limit that no sum can be held to",
            where=f"Constraints(linear=): points of {sum_of or 'nothing'}",
            expected="names with finite coefficients, and finite low <= high",
            got=f"from {low:g} to {high:g}",
        )
    weights: dict[int, float] = {}
    for name, coefficient in limit.of.items():
        for j in book.find(name, "linear"):
            weights[j] = weights.get(j, 0.0) + coefficient
    row = LinearRow(tuple(weights), tuple(weights.values()), low, high)
    sides = [f"at least {low:g}"] * (low > -math.inf) + [f"at most {high:g}"] * (high < math.inf)
    sentence = f"points of {sum_of} {' and '.join(sides) or 'without limit'}"
    return sentence, lambda draft: draft.linear.append(row)


def _sum_in_words(coefficients: Mapping[str, float]) -> str:
    """
    >>> _sum_in_words({"stays": 1.0, "age": -1.0, "falls": 0.5})
    'stays − age + 0.5 × falls'
    """
    words = ""
    for name, c in coefficients.items():
        sign = (" − " if c < 0 else " + ") if words else ("−" if c < 0 else "")
        words += sign + (name if abs(c) == 1.0 else f"{abs(c):g} × {name}")
    return words


def _monotone_rules(book: _Book, name: str, direction: str) -> list[_Rule]:
    """Along a numeric column, every threshold may only add risk (or only take it away)."""
    if name not in book.by_feature:
        book.find(name, "monotone")
    rising, falling = (0.0, float("inf")), (-float("inf"), 0.0)
    rules: list[_Rule] = []
    for j in book.by_feature.get(name, ()):
        kind = book.items[j].kind
        if kind == "missing":
            continue
        two_valued = kind == "interval" and book.kinds[name] == "binary"
        if kind not in ("ge", "lt", "value") and not two_valued:
            raise ParameterError(
                f"{name!r} is cut into {kind!r} items, which have no direction of their own",
                where="Constraints(monotone=)",
                hint='Use threshold items: Binarizer(items="threshold")',
            )
        upwards = (kind != "lt") == (direction == "up")
        low, high = rising if upwards else falling
        rules.append((f"risk goes only {direction} with {name}", _narrow((j,), low, high)))
    return rules


def feasible(rules: ItemRules, max_terms: int, max_features: int | None) -> bool:
    """Are there points that meet the rules? Data play no part."""
    if rules.intercept[0] > rules.intercept[1]:
        return False
    if rules.linear:
        return integer_program(rules, max_terms, max_features).has_solution()
    caps = [(set(group), most) for group, most in rules.at_most]

    def allowed(chosen: frozenset[int]) -> bool:
        if len(chosen) > max_terms:
            return False
        if max_features is not None and len({rules.feature[j] for j in chosen}) > max_features:
            return False
        return all(len(chosen & group) <= most for group, most in caps)

    seen: set[frozenset[int]] = set()

    def extend(chosen: frozenset[int]) -> bool:
        if chosen in seen or not allowed(chosen):
            return False
        seen.add(chosen)
        for group in rules.required:
            if not chosen.intersection(group):
                return any(extend(chosen | {j}) for j in group if rules.usable(j))
        for first, group in rules.if_then:
            if first in chosen and not chosen.intersection(group):
                return any(extend(chosen | {j}) for j in group if rules.usable(j))
        return True

    return extend(frozenset())


def _smallest_conflict(
    book: _Book, rules: list[_Rule], max_terms: int, max_features: int | None
) -> list[str]:
    """Drop every rule that is not needed for the clash; what is left clashes."""
    kept = list(rules)
    for rule in rules:
        fewer = [other for other in kept if other is not rule]
        if not feasible(book.apply(fewer), max_terms, max_features):
            kept = fewer
    sentences = list(dict.fromkeys(sentence for sentence, _ in kept))
    clash = book.apply(kept)
    if feasible(clash, len(book.items), max_features):
        sentences.append(f"at most {max_terms} terms")
    else:
        max_terms = len(book.items)
    if max_features is not None and feasible(clash, max_terms, None):
        sentences.append(f"at most {max_features} columns")
    return sentences
