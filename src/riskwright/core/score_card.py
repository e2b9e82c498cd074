"""The score card as data: items that hold or not, points, and what each total means."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import msgspec

from .records import Certificate, Estimate, Record

__all__ = ["Feature", "Item", "RiskRow", "ScoreCard", "Term"]

ItemKind = Literal["ge", "lt", "interval", "in", "missing", "value"]


class Item(Record, frozen=True, kw_only=True):
    """A statement about one feature that holds (1) or not (0), or the feature's own value.

    Kinds: `ge` value >= low; `lt` value < high; `interval` low <= value < high; `in` the value is
    one of `levels`; `missing` the value is missing; `value` the number itself (points are per
    unit). Every kind but `missing` is 0 where the value is missing; `value` counts it as 0 too.
    """

    feature: str
    kind: ItemKind
    label: str
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] | None = None


class Feature(Record, frozen=True, kw_only=True):
    """An input column: what may come in, and what the card says about it.

    `levels` are a categorical column's known values as text; `other_levels` are the rare ones that
    were merged into the item labelled "other". A value that is in neither is unseen: it matches no
    item and is scored as such. `actionable_by` states who can change the feature; `label` is how
    the card names it, where that is not `name`.
    """

    name: str
    type: Literal["numeric", "binary", "categorical"]
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[str, ...] | None = None
    other_levels: tuple[str, ...] | None = None
    direction: Literal["up", "down"] | None = None
    actionable_by: str | None = None
    missing: Literal["own_level", "none_seen", "refused"] = "none_seen"
    label: str | None = None


class Term(Record, frozen=True, kw_only=True):
    """An item on the card and the points that it adds (per unit, for an item of kind `value`)."""

    item: Item
    points: int


class RiskRow(Record, frozen=True, kw_only=True):
    """One line of the risk table: totals from `low` to `high`, whom they held, what they mean.

    Where the next line begins at `high`, that total belongs to the next line.
    `n` and `events` are training rows (weighted where weights were given); `observed` is the event
    rate with its interval, None where n is 0; `predicted` is the mean predicted risk of the line.
    """

    low: float
    high: float
    n: float
    events: float
    observed: Estimate | None
    predicted: float


class ScoreCard(Record, frozen=True, kw_only=True):
    """All that is needed to read, print and apply a score.

    total = sum of points of the items that hold,
    risk = 1 / (1 + exp(-(slope * total + intercept))).
    For `score_class="scoring_system"` the card says yes where total > threshold and `rows` is a
    table of observed rates; slope and intercept are then None.
    """

    title: str
    outcome: str
    terms: tuple[Term, ...]
    score_class: Literal["free", "unit", "scoring_system"]
    features: tuple[Feature, ...]
    rows: tuple[RiskRow, ...]
    n: int
    events: float
    slope: float | None = None
    intercept: float | None = None
    threshold: float | None = None
    weight_total: float | None = None
    population: str = "not stated"
    positive_label: str = "1"
    date: str = ""
    version: str = ""
    missing: str = ""
    certificate: Certificate | None = None
    performance: dict[str, Estimate] = {}
    performance_method: str = ""
    limits: tuple[str, ...] = ()
    data_digest: str = ""

    def total_range(self) -> tuple[float, float]:
        """Smallest and largest total that any input can reach, infinite for unbounded values.

        Items of one feature that exclude one another are taken together, so the range is exact for
        cards over binary items. A missing value counts as an input unless the feature refuses it,
        and so does an unseen level; the range stated for a feature bounds items of kind `value`.
        """
        low = high = 0.0
        features = {feature.name: feature for feature in self.features}
        for name, group in self._groups().items():
            reachable = _reachable(group, features.get(name))
            low += min(reachable)
            high += max(reachable)
        return low, high

    def reachable_totals(self, most: int = 10_000) -> tuple[float, ...] | None:
        """Every total that some input can reach, in rising order; None where they are more than
        `most` or where a term multiplies a number."""
        features = {feature.name: feature for feature in self.features}
        totals = {0.0}
        for name, group in self._groups().items():
            if any(term.item.kind == "value" for term in group):
                return None
            added = set(_reachable(group, features.get(name)))
            totals = {total + points for total in totals for points in added}
            if len(totals) > most:
                return None
        return tuple(sorted(totals))

    def _groups(self) -> dict[str, list[Term]]:
        groups: dict[str, list[Term]] = {}
        for term in self.terms:
            groups.setdefault(term.item.feature, []).append(term)
        return groups

    def __str__(self) -> str:
        return _as_text(self)


def _reachable(terms: list[Term], feature: Feature | None) -> list[float]:
    """Sums of points that one feature can add: the ends of every stretch of its values."""
    steps = [term for term in terms if term.item.kind != "value"]
    per_unit = sum(term.points for term in terms if term.item.kind == "value")
    levels = [level for term in steps for level in term.item.levels or ()]
    sums = [_points(steps, level) for level in [*levels, "\0 none of the levels"] if levels]
    if feature is None or feature.missing != "refused":
        sums.append(_points(steps, None))
    if not levels:
        edges = _stretches(steps, feature if per_unit else None)
        for start, end in pairwise(edges):
            added = _points(steps, start)
            sums += [added + per_unit * edge for edge in (start, end)] if per_unit else [added]
    return sums


def _stretches(steps: list[Term], feature: Feature | None) -> list[float]:
    """Smallest value, the cut points between, largest value; unbounded where nothing is stated."""
    low, high = float("-inf"), float("inf")
    if feature is not None:
        low = low if feature.minimum is None else feature.minimum
        high = high if feature.maximum is None else feature.maximum
    cuts = {edge for t in steps for edge in (t.item.low, t.item.high) if edge is not None}
    return [low, *sorted(cut for cut in cuts if low < cut < high), high]


def _points(steps: list[Term], value: float | str | None) -> float:
    return float(sum(term.points for term in steps if _holds(term.item, value)))


def _holds(item: Item, value: float | str | None) -> bool:
    if item.kind == "missing":
        return value is None
    if isinstance(value, str):
        return item.kind == "in" and value in (item.levels or ())
    if value is None or item.kind == "in":
        return False
    return (item.low is None or value >= item.low) and (item.high is None or value < item.high)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _as_text(card: ScoreCard) -> str:
    """Fixed-width text: the points table, then the risk table."""
    width = max([len(t.item.label) for t in card.terms] + [len("Total"), 24])
    rule = "─" * (width + 12)
    lines = [card.title, rule, f"{'Add up':<{width}}  {'points':>8}", rule]
    for term in card.terms:
        per = " ×" if term.item.kind == "value" else ""
        lines.append(f"{term.item.label:<{width}}  {term.points:>+8d}{per}")
    lines += [rule, f"{'Total':<{width}}  {'=':>8}", ""]
    if card.rows:
        lines.append(f"{'total':>10}  {'risk':>7}  {'observed (interval)':>24}  {'events':>8} / n")
        for row in card.rows:
            span = f"{row.low:g}" if row.low == row.high else f"{row.low:g} to {row.high:g}"
            seen = (
                "none seen"
                if row.observed is None
                else f"{row.observed.value:.1%} ({row.observed.low:.1%}–{row.observed.high:.1%})"
            )
            counts = f"{_count(row.events):>8} / {_count(row.n):<8}"
            lines.append(f"{span:>10}  {row.predicted:>7.1%}  {seen:>24}  {counts}".rstrip())
        lines.append("")
    if card.slope is not None and card.intercept is not None:
        lines.append(f"risk = 1 / (1 + exp(-({card.slope:.6g} × total {card.intercept:+.6g})))")
    if card.threshold is not None:
        lines.append(f"predict {card.positive_label} where total > {card.threshold:g}")
    lines.append(f"Outcome: {card.outcome}; n = {card.n:,}, events = {_count(card.events)}.")
    if card.missing:
        lines.append(f"Missing values: {card.missing}")
    if card.certificate is not None:
        lines.append(f"Proof: {card.certificate.statement}")
    for name, estimate in card.performance.items():
        lines.append(f"{name}: {estimate} [{card.performance_method}]")
    return "\n".join(lines)


def decode(data: object) -> ScoreCard:
    """A `ScoreCard` from plain JSON values; `msgspec.ValidationError` where they do not fit."""
    return msgspec.convert(data, ScoreCard, strict=False)
