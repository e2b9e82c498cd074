"""One person at a time, in process: a mapping of values in, total and risk out."""

from __future__ import annotations

import math
import numbers
import sys
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple

from riskwright.core import (
    ColumnError,
    Feature,
    Item,
    MissingValueError,
    ScoreCard,
    Term,
    ValueRangeError,
)
from riskwright.evidence.columns import level_text

from .rules import Rule, feature_rules, risk_of, total_bounds

__all__ = ["Added", "RowScore", "RowScorer"]

_PLAIN_NUMBERS = frozenset((int, float, bool))
_LARGEST = sys.float_info.max
_LARGEST_TABLE = 10_000


class RowScore(NamedTuple):
    """What one person scores.

    `total` is the sum of points; `risk` lies in (0, 1), None for a scoring system; `predicted`
    says whether a scoring system predicts the outcome, None for a risk score.
    """

    total: float
    risk: float | None
    predicted: bool | None


class Added(NamedTuple):
    """A term that counted for somebody, and the points that it added."""

    term: Term
    points: float


class _Steps(NamedTuple):
    """Points of a numeric feature: sums[i] from cuts[i - 1] on and below cuts[i]."""

    feature: Feature
    name: str
    cuts: list[float]
    sums: list[int]
    when_missing: int


class _Levels(NamedTuple):
    """Points of a categorical feature, by level."""

    feature: Feature
    name: str
    points: dict[str, int]
    missing_texts: frozenset[str]
    when_missing: int


class RowScorer:
    """Scores one row at a time; build it once, call it often.

    None and NaN are missing values. An absent key counts as missing only for a feature that has a
    level of its own for missing values, since an absent key is more often a misspelt one. A level
    that the card does not know matches no item. Time per row grows with the number of features
    on the card: a few tenths of a microsecond each.

    Parameters
    ----------
    card : the score card to apply.

    Raises
    ------
    ArtifactError
        Where the card's terms and features do not fit together.

    Examples
    --------
    >>> from riskwright.core import Feature, Item, ScoreCard, Term
    >>> old = Item(feature="age", kind="ge", label="Age 61 or more", low=61)
    >>> card = ScoreCard(
    ...     title="Example", outcome="event", terms=(Term(item=old, points=2),),
    ...     score_class="free", features=(Feature(name="age", type="numeric"),), rows=(),
    ...     n=10, events=5, slope=1.0, intercept=-2.0,
    ... )
    >>> RowScorer(card)({"age": 70})
    RowScore(total=2, risk=0.5, predicted=None)
    """

    def __init__(self, card: ScoreCard) -> None:
        self.card = card
        rules = feature_rules(card)
        self._rules = {rule.feature.name: rule for rule in rules}
        self._steps = [_steps(rule) for rule in rules if not rule.categorical]
        self._levels = [_levels(rule) for rule in rules if rule.categorical]
        self._multiples = [term for term in card.terms if term.item.kind == "value"]
        self._lowest, self._scores = _score_table(card)

    def __call__(self, row: Mapping[str, Any]) -> RowScore:
        """Total and risk of one row.

        Raises
        ------
        ColumnError
            For an absent key, or a value of the wrong type.
        MissingValueError
            For a missing value where the card refuses them.
        ValueRangeError
            For an infinite value.
        """
        total: float = 0
        for feature, name, cuts, sums, when_missing in self._steps:
            value = row[name] if name in row else _when_absent(feature)
            if type(value) not in _PLAIN_NUMBERS or not -_LARGEST <= value <= _LARGEST:
                value = _number(feature, value)
            total += when_missing if value is None else sums[bisect_right(cuts, value)]
        for feature, name, points, missing_texts, when_missing in self._levels:
            value = row[name] if name in row else _when_absent(feature)
            if type(value) is not str or value not in points:
                value = _text(feature, value, missing_texts)
            total += when_missing if value is None else points.get(value, 0)
        if self._multiples:
            for added in self._multiplied(row):  # sum() would compensate, other engines do not
                total += added.points
            return _score(self.card, total)
        return self._scores[int(total) - self._lowest] if self._scores else _score(self.card, total)

    def explain(self, row: Mapping[str, Any]) -> tuple[Added, ...]:
        """The terms that count for this row, in the card's order; their points sum to the total.

        Raises as a call does.
        """
        self(row)
        products = {added.term: added for added in self._multiplied(row)}
        explained = []
        for term in self.card.terms:
            if term in products:
                explained.append(products[term])
            elif _holds(term.item, self._read(term, row)):
                explained.append(Added(term, term.points))
        return tuple(explained)

    def _multiplied(self, row: Mapping[str, Any]) -> list[Added]:
        values = ((term, self._read(term, row)) for term in self._multiples)
        return [Added(term, term.points * value) for term, value in values if value is not None]

    def _read(self, term: Term, row: Mapping[str, Any]) -> Any:
        rule = self._rules[term.item.feature]
        value = row.get(term.item.feature)
        if rule.categorical:
            return _text(rule.feature, value, frozenset(rule.missing_texts))
        return _number(rule.feature, value)


def _steps(rule: Rule) -> _Steps:
    items = [term.item for term in rule.steps]
    cuts = sorted({edge for i in items for edge in (i.low, i.high) if edge is not None})
    below = [-math.inf, *cuts]
    sums = [sum(t.points for t in rule.steps if _holds(t.item, value)) for value in below]
    return _Steps(rule.feature, rule.feature.name, cuts, sums, rule.missing_points)


def _levels(rule: Rule) -> _Levels:
    points: dict[str, int] = {}
    for term in rule.steps:
        for level in dict.fromkeys(term.item.levels or ()):
            points[level] = points.get(level, 0) + term.points
    texts = frozenset(rule.missing_texts)
    return _Levels(rule.feature, rule.feature.name, points, texts, rule.missing_points)


def _holds(item: Item, value: Any) -> bool:
    if item.kind == "missing":
        return value is None
    if value is None:
        return False
    if item.kind == "in":
        return value in (item.levels or ())
    return bool(
        (item.low is None or value >= item.low) and (item.high is None or value < item.high)
    )


def _score_table(card: ScoreCard) -> tuple[int, list[RowScore]]:
    """The lowest total and the score of every integer total from it on, if they can be listed."""
    bounds = total_bounds(card)
    if bounds is None or bounds[1] - bounds[0] > _LARGEST_TABLE:
        return 0, []
    return bounds[0], [_score(card, total) for total in range(bounds[0], bounds[1] + 1)]


def _score(card: ScoreCard, total: float) -> RowScore:
    if card.score_class == "scoring_system":
        return RowScore(total, None, total > (card.threshold or 0.0))
    return RowScore(total, risk_of(card, total), None)


def _when_absent(feature: Feature) -> Any:
    if feature.missing != "own_level":
        raise ColumnError(
            "a value is absent",
            where=f"feature {feature.name!r}",
            expected="a value, or None where it is missing",
        )
    return None


def _number(feature: Feature, value: Any) -> float | None:
    if not _is_missing(value) and not _is_number(value):
        raise _wrong_type(feature, value, "a number")
    try:
        number = math.nan if _is_missing(value) else float(value)
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        _refuse_missing(feature)
        return None
    if math.isinf(number):
        raise ValueRangeError(
            "a value out of range", where=f"feature {feature.name!r}", expected="a finite number"
        )
    return number


def _text(feature: Feature, value: Any, missing_texts: frozenset[str]) -> str | None:
    if _is_missing(value) or (isinstance(value, str) and value.strip() in missing_texts):
        _refuse_missing(feature)
        return None
    if not isinstance(value, str) and not _is_number(value):
        raise _wrong_type(feature, value, "text")
    return level_text(value)


def _is_missing(value: Any) -> bool:
    """None, NaN, and the objects that pandas puts in their place."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _is_number(value: Any) -> bool:
    """Whether it is a real number; NumPy's booleans and decimals do not say so themselves."""
    return isinstance(value, numbers.Real) or type(value).__name__ in ("bool", "bool_", "Decimal")


def _refuse_missing(feature: Feature) -> None:
    if feature.missing == "refused":
        raise MissingValueError(
            "a missing value, which this card refuses", where=f"feature {feature.name!r}"
        )


def _wrong_type(feature: Feature, value: Any, expected: str) -> ColumnError:
    return ColumnError(
        "a value of the wrong type",
        where=f"feature {feature.name!r}",
        expected=expected,
        got=type(value).__name__,
    )
