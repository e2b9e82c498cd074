"""What a risk card says, section by section."""

from __future__ import annotations

from riskwright.taxonomy import load_taxonomy, taxonomy_names

from .outline import (
    NOT_STATED,
    Facts,
    Grid,
    Items,
    Outline,
    Section,
    Words,
    findings_grid,
    grid_of,
    items_of,
    signature,
)
from .risk_card import RiskCard

__all__ = ["risk_outline"]


def _name(taxonomy: str, code: str) -> str:
    """What a code means, where the taxonomy is known."""
    if taxonomy in taxonomy_names() and code in load_taxonomy(taxonomy):
        return load_taxonomy(taxonomy).category(code).name
    return code


def risk_outline(card: RiskCard) -> Outline:
    places = [
        (p.taxonomy, f"{p.code}: {name}" if (name := _name(p.taxonomy, p.code)) != p.code else name)
        for p in card.places
    ]
    harms = [(_name("harm_actors", h.actor), _name("harm_types", h.kind)) for h in card.harms]
    samples = [(pair.prompt, pair.output) for pair in card.samples]
    protocol = card.protocol
    test: list[Facts | Words | Grid] = [Words("No test protocol is stated.")]
    if protocol is not None:
        test = [
            Facts(
                [
                    ("What to do", protocol.procedure),
                    ("What counts as a failure", protocol.failure),
                    ("Fewest items", f"{protocol.fewest_items:,}"),
                ]
            )
        ]
    result = Words("Not tested.") if card.result is None else findings_grid([card.result])
    return Outline(
        "Risk card",
        card.title,
        f"Hazard: {_name('ailuminate', card.hazard)}",
        [
            Section(
                "The risk",
                [
                    Words(card.description),
                    Facts(
                        [
                            ("Severity of the harm", card.severity or NOT_STATED),
                            ("Likelihood as judged before a test", card.likelihood or NOT_STATED),
                        ]
                    ),
                ],
            ),
            Section("Who is harmed", [grid_of(("Who", "Kind of harm"), "ll", harms)]),
            Section("What must be true for harm to come about", [items_of(card.conditions)]),
            Section(
                "Examples in general terms",
                [
                    Words(f"Withheld: {card.samples_withheld}")
                    if card.samples_withheld
                    else grid_of(("What is asked", "What a failing system gives"), "ll", samples)
                ],
            ),
            Section("How to test", test),
            Section("What the test said", [result]),
            Section("Where it is filed", [grid_of(("Taxonomy", "Category"), "ll", places)]),
            *([Section("Further reading", [Items(card.references)])] if card.references else []),
        ],
        [("Card", card.id), *signature(card)],
    )
