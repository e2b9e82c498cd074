"""What a card asks of each feature, and the one arithmetic that every export repeats.

total = (sum of the integer points of the items that hold) + points × value for each item of kind
`value`, in the order of the card; risk = 1 / (1 + exp(-z)) with z = slope × total + intercept held
to ±700, where the double-precision exponential neither overflows nor vanishes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from riskwright.core import ArtifactError, Feature, ScoreCard, Term
from riskwright.evidence.columns import MISSING_TEXT

__all__ = ["LARGEST_LOG_ODDS", "Rule", "feature_rules", "risk_of", "total_bounds"]

LARGEST_LOG_ODDS = 700.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One input of the card: its items that hold or not, and its items that multiply its value."""

    feature: Feature
    steps: tuple[Term, ...]
    multiples: tuple[Term, ...]

    @property
    def categorical(self) -> bool:
        """Whether values are levels, compared as text, rather than numbers."""
        return self.feature.levels is not None or self.feature.type == "categorical"

    @property
    def missing_texts(self) -> tuple[str, ...]:
        """Texts that mean a missing value in this categorical feature."""
        known = (self.feature.levels or ()) + (self.feature.other_levels or ())
        return tuple(text for text in MISSING_TEXT if text not in known)

    @property
    def missing_points(self) -> int:
        return sum(term.points for term in self.steps if term.item.kind == "missing")


def feature_rules(card: ScoreCard) -> tuple[Rule, ...]:
    """The features that the card reads, in order of their first term.

    Raises `ArtifactError` where a term reads a feature that the card does not describe, or
    asks for levels of a number or for numbers of a level.
    """
    described = {feature.name: feature for feature in card.features}
    terms: dict[str, list[Term]] = {}
    for term in card.terms:
        terms.setdefault(term.item.feature, []).append(term)
    rules = []
    for name, group in terms.items():
        if name not in described:
            raise ArtifactError("a term reads a feature that the card does not describe", got=name)
        steps = tuple(term for term in group if term.item.kind != "value")
        multiples = tuple(term for term in group if term.item.kind == "value")
        rule = Rule(described[name], steps, multiples)
        if any(
            term.item.kind != "missing" and _is_level(term) != rule.categorical for term in group
        ):
            raise ArtifactError("a term does not fit the type of its feature", where=name)
        rules.append(rule)
    return tuple(rules)


def _is_level(term: Term) -> bool:
    return term.item.kind == "in"


def total_bounds(card: ScoreCard) -> tuple[int, int] | None:
    """Integers that every total lies between, or None where totals need not be integers."""
    if any(term.item.kind == "value" for term in card.terms):
        return None
    low = sum(min(term.points, 0) for term in card.terms)
    return low, sum(max(term.points, 0) for term in card.terms)


def risk_of(card: ScoreCard, total: float) -> float:
    """The risk that the card gives to `total`, in (0, 1).

    Raises `ArtifactError` for a scoring system, which says yes or no and states no risk.
    """
    if card.slope is None or card.intercept is None:
        raise ArtifactError("this card states no risk: it says yes or no", where=card.title)
    log_odds = card.slope * total + card.intercept
    return 1.0 / (1.0 + math.exp(-min(max(log_odds, -LARGEST_LOG_ODDS), LARGEST_LOG_ODDS)))
