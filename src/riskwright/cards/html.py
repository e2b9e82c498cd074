"""The card as one self-contained, printable HTML page with a calculator."""

from __future__ import annotations

import math
from typing import Any

from riskwright.core import Feature, RiskRow, ScoreCard
from riskwright.plots.svg import to_svg

from . import wording
from .drawing import risk_chart
from .pages import page_template
from .sheet import DENSE, print_size

__all__ = ["to_html"]

_ROWS_BESIDE_CHART = 15
_ROWS_PER_BAND = 25


def to_html(card: ScoreCard) -> str:
    """A page that loads nothing, prints on A4, and adds up as `RowScorer` does.

    User text is escaped wherever it enters; a content security policy forbids every request.
    """
    fields = [_field(feature) for feature in _read_features(card)]
    head, cells = wording.risk_table(card)
    rows = list(zip(map(_bounds, card.rows), cells, strict=True))
    wide = len(rows) > _ROWS_BESIDE_CHART
    n_bands = max(2, math.ceil(len(rows) / _ROWS_PER_BAND)) if wide else 1
    size = max(1, math.ceil(len(rows) / n_bands))
    size_of_chart = (900, 180) if wide else (460, 330)
    letters = print_size(card, size, size_of_chart, wide)
    return page_template("score_card.html").render(
        card=card,
        wording=wording,
        fields=fields,
        calculator=_calculator(card, fields),
        states_risk=card.score_class != "scoring_system",
        risk_head=head,
        bands=[rows[i : i + size] for i in range(0, len(rows), size)],
        wide=wide,
        letters=f"{letters:g}px",
        dense=letters <= DENSE,
        chart=to_svg(risk_chart(card, *size_of_chart), name="chart", standalone=False),
        facts=wording.facts(card)[1:],
        figures=wording.figures(card),
        limits=wording.limits(card),
        proof=wording.proof(card.certificate),
    )


def _read_features(card: ScoreCard) -> list[Feature]:
    read = {term.item.feature for term in card.terms}
    return [feature for feature in card.features if feature.name in read]


def _field(feature: Feature) -> dict[str, Any]:
    """How the page asks for a feature: a tick, a choice among values, or a number."""
    field: dict[str, Any] = {
        "name": feature.name,
        "label": feature.label or feature.name,
        "control": "number",
        "unit": feature.unit,
        "may_be_missing": feature.missing != "refused",
        "open": False,
        "minimum": None,
        "maximum": None,
    }
    if feature.levels is not None or feature.type == "categorical":
        levels = [*(feature.levels or ()), *(feature.other_levels or ())]
        return field | {
            "control": "choice",
            "levels": levels,
            "values": levels,
            "open": feature.type == "categorical",
        }
    ends = (feature.minimum or 0.0, 1.0 if feature.maximum is None else feature.maximum)
    if feature.type == "binary" and (ends != (0.0, 1.0) or feature.missing == "own_level"):
        names = ["no", "yes"] if ends == (0.0, 1.0) else [f"{end:g}" for end in ends]
        return field | {"control": "choice", "levels": names, "values": list(ends)}
    if feature.type == "binary":
        return field | {"control": "tick", "values": list(ends)}
    return field | {"minimum": feature.minimum, "maximum": feature.maximum}


def _calculator(card: ScoreCard, fields: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page's script needs: the terms, how they are asked for, what the total means."""
    places = {field["name"]: i for i, field in enumerate(fields)}
    terms = [
        {
            "field": places[term.item.feature],
            "kind": term.item.kind,
            "low": term.item.low,
            "high": term.item.high,
            "levels": term.item.levels,
            "points": term.points,
            "label": term.item.label,
        }
        for term in card.terms
    ]
    decides = card.score_class == "scoring_system"
    return {
        "terms": terms,
        "fields": [
            {key: field.get(key) for key in ("label", "control", "values", "minimum", "maximum")}
            for field in fields
        ],
        "slope": card.slope,
        "intercept": card.intercept,
        "threshold": (card.threshold or 0.0) if decides else None,
        "answers": [f"does not predict: {card.outcome}", f"predicts: {card.outcome}"],
    }


def _bounds(row: RiskRow) -> tuple[str, str]:
    """The ends of a row as JavaScript reads them."""
    ends = (row.low, row.high)
    low, high = (f"{end!r}".replace("inf", "Infinity") for end in map(float, ends))
    return low, high
