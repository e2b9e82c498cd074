"""Plain words for the figures of a card, shared by every format."""

from __future__ import annotations

import math
from typing import NamedTuple

from riskwright.core import Certificate, Estimate, RiskRow, ScoreCard, Term

__all__ = [
    "NO_STATEMENT",
    "Fact",
    "count",
    "decimal",
    "facts",
    "figure_name",
    "figures",
    "formula",
    "interval",
    "limits",
    "percent",
    "performance_note",
    "points",
    "proof",
    "risk_table",
    "seen",
    "short_count",
    "span",
]

_FIGURES = {
    "auroc": "AUROC (0.5 chance, 1 perfect ranking)",
    "average_precision": "Average precision",
    "brier": "Brier score (0 is best)",
    "log_loss": "Log loss (0 is best)",
    "calibration_slope": "Calibration slope (1 is best)",
    "calibration_in_the_large": "Calibration in the large (0 is best)",
    "calibration_error": "Calibration error (0 is best)",
    "smooth_calibration_error": "Smooth calibration error (0 is best)",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
_LOSSES = {"logistic": "mean log loss + penalty", "zero_one": "share of errors + penalty"}
_CLASSES = {
    "free": "integer points times one learned slope, plus an intercept",
    "unit": "integer points that are log-odds themselves, plus an intercept",
    "scoring_system": "integer points and a threshold: yes or no",
}
_NAMED = 8  # rare levels that are named
MINUS = "\N{MINUS SIGN}"
NO_STATEMENT = "No statement: everybody has a total of 0"
_AT_A_GLANCE = (
    "auroc",
    "calibration_slope",
    "calibration_in_the_large",
    "accuracy",
    "sensitivity",
    "specificity",
)


class Fact(NamedTuple):
    """A line of small print: what it is about, and what the card says."""

    name: str
    text: str


def percent(share: float) -> str:
    """A share in percent with one decimal; never 0 or 100 where it is neither."""
    if 0.0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1.0:
        return ">99.9%"
    return f"{100 * share:.1f}%"


def points(term: Term) -> str:
    """The points with their sign, per unit of the value where they multiply it."""
    sign = "+" if term.points > 0 else MINUS * (term.points < 0)
    return f"{sign}{abs(term.points)}" + (" × value" if term.item.kind == "value" else "")


def count(number: float) -> str:
    """A number of people; weighted ones keep one decimal."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def short_count(number: float) -> str:
    """A number of people in few letters: 950, 12k, 3.4M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 10 * size or (number >= size and size > 1e3):
            return f"{number / size:.3g}{letter}"
    return f"{number:.4g}"


def span(row: RiskRow) -> str:
    """The totals of a row: one, a range, or open at one end."""
    low, high = _total(row.low), _total(row.high)
    if math.isinf(row.low):
        return "all" if math.isinf(row.high) else f"up to {high}"
    if math.isinf(row.high):
        return f"{low} or more"
    return low if row.low == row.high else f"{low} to {high}"


def _total(value: float) -> str:
    return f"{value:g}".replace("-", MINUS)


def seen(row: RiskRow) -> str:
    """The observed rate of a row with its interval."""
    if row.observed is None:
        return "none seen"
    return f"{percent(row.observed.value)} ({interval(row.observed)})"


def risk_table(card: ScoreCard) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and cells of what every total means."""
    states_risk = card.score_class != "scoring_system"
    head = ("Total", *(("Risk",) if states_risk else ()), "Observed (interval)", "Events / n")
    rows = [
        (
            span(row),
            *((percent(row.predicted),) if states_risk else ()),
            seen(row),
            f"{count(row.events)} / {count(row.n)}",
        )
        for row in card.rows
    ]
    return head, rows


def interval(estimate: Estimate) -> str:
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return "no interval"
    return f"{percent(estimate.low)}–{percent(estimate.high)}"


def figures(card: ScoreCard, *, at_a_glance: bool = False) -> list[tuple[str, str, str]]:
    """Name, value and interval of every figure of performance, or of the most telling ones."""
    lines = []
    for key, estimate in card.performance.items():
        if at_a_glance and key not in _AT_A_GLANCE:
            continue
        value = "none" if math.isnan(estimate.value) else decimal(estimate.value)
        bounds = f"{decimal(estimate.low)} to {decimal(estimate.high)}"
        if math.isnan(estimate.low) or math.isnan(estimate.high):
            bounds = f"none: {estimate.method.removeprefix('none: ')}"
        lines.append((figure_name(key), value, bounds))
    return lines


def performance_note(card: ScoreCard) -> str:
    """How the figures were measured."""
    if not card.performance:
        return "Not measured on rows that the score was not learned from."
    levels = {f"{100 * estimate.level:g}%" for estimate in card.performance.values()}
    method = card.performance_method or "method not stated"
    return f"{method[:1].upper()}{method[1:]}; {' and '.join(sorted(levels))} intervals."


def figure_name(key: str) -> str:
    """What a figure of performance is called."""
    return _FIGURES.get(key, key.replace("_", " "))


def decimal(value: float) -> str:
    """A figure with three decimals."""
    return f"{value:.3f}".replace("-", MINUS)


def formula(card: ScoreCard) -> str:
    """How the total becomes a risk or an answer, as one line."""
    if card.slope is not None and card.intercept is not None:
        sign = MINUS if card.intercept < 0 else "+"
        slope = f"{card.slope:.6g}".replace("-", MINUS)
        return f"risk = 1 / (1 + exp(−({slope} × total {sign} {abs(card.intercept):.6g})))"
    return f"Predict “{card.positive_label}” where the total exceeds {_total(card.threshold or 0)}."


def _others(card: ScoreCard) -> str:
    """What "other" stands for, where a term of the card says it."""
    features = {feature.name: feature for feature in card.features}
    texts = []
    for term in card.terms:
        feature = features.get(term.item.feature)
        rare = feature.other_levels if feature is not None else None
        if rare and term.item.levels == rare:
            name = feature.label or feature.name  # type: ignore[union-attr]
            more = f" and {len(rare) - _NAMED:,} more" if len(rare) > _NAMED else ""
            texts.append(f"{name}, other: {', '.join(rare[:_NAMED])}{more}")
    return "; ".join([*texts, "a level never seen is none of them"]) if texts else ""


def facts(card: ScoreCard) -> list[Fact]:
    """Where the card comes from and what it was learned from."""
    weighted = (
        f", {card.weight_total:,.6g} by weight"
        if card.weight_total is not None and card.weight_total != card.n
        else ""
    )
    events = count(card.events) + (" by weight" if weighted else "")
    lines = [
        Fact("Outcome", card.outcome),
        Fact("Population", card.population),
        Fact("Learned from", f"{card.n:,} rows{weighted}, {events} with the outcome"),
        Fact("Missing values", card.missing or "not stated"),
        Fact("Date", card.date or "not stated"),
    ]
    if others := _others(card):
        lines.append(Fact("Rare levels", others))
    used = {term.item.feature for term in card.terms}
    changeable = [
        f"{feature.label or feature.name} ({feature.actionable_by})"
        for feature in card.features
        if feature.actionable_by and feature.name in used
    ]
    if changeable:
        lines.append(Fact("Who can change it", "; ".join(changeable)))
    if card.version:
        lines.append(Fact("Made with", f"riskwright {card.version}"))
    if card.data_digest:
        digest = card.data_digest
        short = digest if len(digest) <= 23 else f"{digest[:23]}…"
        lines.append(Fact("Data digest", short))
    return lines


def limits(card: ScoreCard) -> tuple[str, ...]:
    return card.limits or ("None were stated. Check the score on your own population before use.",)


def proof(certificate: Certificate | None) -> list[Fact]:
    """What is proved about the search, and what is not."""
    if certificate is None:
        return [Fact("Proof", "none: this card carries no certificate")]
    bounded = math.isfinite(certificate.lower_bound)
    lines = [
        Fact("Verdict", _verdict(certificate)),
        Fact("Statement", certificate.statement),
        Fact("Kind of score", _CLASSES[certificate.score_class]),
        Fact(f"Objective ({_LOSSES[certificate.loss_name]})", f"{certificate.objective:.7f}"),
        Fact("Lower bound", f"{certificate.lower_bound:.7f}" if bounded else "none"),
        Fact("Gap", f"{100 * certificate.gap:.3g}%" if bounded else "not known"),
    ]
    if certificate.constraints:
        lines.append(Fact("Constraints", "; ".join(dict.fromkeys(certificate.constraints))))
    lines.append(
        Fact(
            "What this does not say",
            "The proof concerns the training data alone. It promises nothing about new people: "
            "for that, see how well the score did.",
        )
    )
    return lines


def _verdict(certificate: Certificate) -> str:
    gap = f"within {100 * certificate.gap:.3g}% of the best score of its kind"
    if certificate.status == "optimal":
        return "Proved best: no other score of its kind fits the training data better."
    if certificate.status == "within_gap":
        return f"Proved to lie {gap} on the training data."
    if certificate.status == "heuristic":
        return "Not proved: found by a heuristic search, without a certificate of optimality."
    ended = "time ran out" if certificate.status == "time_limit" else "the search was interrupted"
    known = f"It lies {gap}." if math.isfinite(certificate.gap) else "No bound was reached."
    return f"Not proved best: {ended}. {known}"
