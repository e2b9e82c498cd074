"""The score card as data: items that hold or not, points, and what each total means."""

from __future__ import annotations

from typing import Literal

import msgspec

from .records import Certificate, Estimate, Record

__all__ = ["Feature", "Item", "RiskRow", "ScoreCard", "Term"]

ItemKind = Literal["ge", "lt", "interval", "in", "missing", "value"]


class Item(Record):
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


class Feature(Record):
    """An input column: what may come in, and what the card says about it.

    `levels` are a categorical column's known values as text; `other_levels` are the rare ones that
    were merged into the item labelled "other". A value that is in neither is unseen: it matches no
    item and is scored as such. `actionable_by` states who can change the feature.
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


class Term(Record):
    """An item on the card and the points that it adds (per unit, for an item of kind `value`)."""

    item: Item
    points: int


class RiskRow(Record):
    """One line of the risk table: totals from `low` to `high`, whom they held, what they mean.

    `n` and `events` are training rows (weighted where weights were given); `observed` is the event
    rate with its interval, None where n is 0; `predicted` is the mean predicted risk of the line.
    """

    low: float
    high: float
    n: float
    events: float
    observed: Estimate | None
    predicted: float


class ScoreCard(Record):
    """All that is needed to read, print and apply a score.

    total = sum of points of the items that hold; risk = 1 / (1 + exp(-(slope * total + intercept))).
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
        """Smallest and largest total that any input can reach, (-inf, inf) for unbounded values.

        Items of one feature that exclude one another are taken together, so the range is exact for
        cards over binary items.
        """
        low = high = 0.0
        for group in self._groups().values():
            reachable = _reachable(group, {f.name: f for f in self.features})
            low += min(reachable)
            high += max(reachable)
        return low, high

    def _groups(self) -> dict[str, list[Term]]:
        groups: dict[str, list[Term]] = {}
        for term in self.terms:
            groups.setdefault(term.item.feature, []).append(term)
        return groups

    def __str__(self) -> str:
        return _as_text(self)


def _reachable(terms: list[Term], features: dict[str, Feature]) -> list[float]:
    """Sums of points that one feature can add: one per distinguishable value of the feature."""
    if any(term.item.kind == "value" for term in terms):
        feature = features.get(terms[0].item.feature)
        ends = (
            (feature.minimum, feature.maximum)
            if feature is not None and feature.minimum is not None and feature.maximum is not None
            else (float("-inf"), float("inf"))
        )
        return [sum(t.points * end for t in terms) for end in ends]
    cuts = sorted({edge for t in terms for edge in (t.item.low, t.item.high) if edge is not None})
    probes: list[float | str | None] = [None]
    if cuts:
        probes += [cuts[0] - 1.0, *cuts]
    probes += [level for t in terms for level in t.item.levels or ()]
    probes.append("\0 none of the levels")
    return [float(sum(t.points for t in terms if _holds(t.item, probe))) for probe in probes]


def _holds(item: Item, value: float | str | None) -> bool:
    if item.kind == "missing":
        return value is None
    if isinstance(value, str):
        return item.kind == "in" and value in (item.levels or ())
    if value is None or item.kind == "in":
        return False
    return (item.low is None or value >= item.low) and (item.high is None or value < item.high)


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
        lines.append(
            f"{'total':>10}  {'risk':>7}  {'observed (interval)':>24}  {'events':>8} / {'n':<8}"
        )
        for row in card.rows:
            span = f"{row.low:g}" if row.low == row.high else f"{row.low:g} to {row.high:g}"
            seen = (
                "none seen"
                if row.observed is None
                else f"{row.observed.value:.1%} ({row.observed.low:.1%}–{row.observed.high:.1%})"
            )
            lines.append(
                f"{span:>10}  {row.predicted:>7.1%}  {seen:>24}  {row.events:>8g} / {row.n:<8g}"
            )
        lines.append("")
    if card.slope is not None and card.intercept is not None:
        lines.append(
            f"risk = 1 / (1 + exp(-({card.slope:.6g} × total {card.intercept:+.6g})))"
        )
    if card.threshold is not None:
        lines.append(f"predict {card.positive_label} where total > {card.threshold:g}")
    lines.append(f"Outcome: {card.outcome}; n = {card.n:,}, events = {card.events:g}.")
    if card.missing:
        lines.append(f"Missing values: {card.missing}")
    if card.certificate is not None:
        lines.append(f"Proof: {card.certificate.statement}")
    for name, estimate in card.performance.items():
        lines.append(f"{name}: {estimate} [{card.performance_method}]")
    return "\n".join(lines)


def decode(data: object) -> ScoreCard:
    """A `ScoreCard` from plain JSON values; raises `msgspec.ValidationError` where they do not fit."""
    return msgspec.convert(data, ScoreCard, strict=False)
