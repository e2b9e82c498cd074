"""What a score card sheet says, section by section."""

from __future__ import annotations

from riskwright.core.score_digest import score_digest

from . import wording
from .outline import (
    NOT_STATED,
    Facts,
    Grid,
    Items,
    Outline,
    Section,
    Words,
    audits_of,
    findings_grid,
    found_by,
    items_of,
    signature,
    stated,
)
from .score_card_sheet import TOPICS, ScoreCardSheet

__all__ = ["sheet_outline"]


def sheet_outline(sheet: ScoreCardSheet) -> Outline:
    card = sheet.card
    head, rows = wording.risk_table(card)
    points = [(t.item.label, wording.points(t)) for t in card.terms]
    sections = [
        Section(
            "What it is for",
            [
                Facts(
                    [
                        ("Predicts", card.outcome),
                        ("Within", stated(sheet.horizon)),
                        ("For", card.population if card.population != "not stated" else NOT_STATED),
                        ("Intended use", stated(sheet.intended_use)),
                    ]
                ),
                Words("Not for:", strong=True),
                items_of(sheet.not_for),
            ],
        ),
        Section(
            "The score",
            [
                Grid(
                    ("Add up what is true", "Points"),
                    "lr",
                    points or [(wording.NO_STATEMENT, "")],
                ),
                *([Grid(head, "r" * len(head), rows)] if rows else []),
                Words(wording.formula(card)),
            ],
        ),
        _performance(sheet),
        Section("Audits", [audits_of(sheet.audits), *found_by(sheet.audits)]),
        Section("What is proved", [Facts(list(wording.proof(card.certificate)))]),
        Section("Limits", [Items(wording.limits(card))]),
    ]
    told = [(TOPICS[topic], sheet.answers[topic]) for topic in TOPICS if topic in sheet.answers]
    if told:
        sections.append(Section("Further statements", [Facts(told)]))
    return Outline(
        "Score card",
        sheet.title,
        f"Predicts: {card.outcome}",
        sections,
        [
            *signature(sheet),
            ("Learned from", wording.facts(card)[2].text),
            ("Digest of the score", score_digest(card)),
            ("Digest of the data it was learned from", stated(card.data_digest)),
        ],
    )


def _performance(sheet: ScoreCardSheet) -> Section:
    figures = wording.figures(sheet.card)
    return Section(
        "How well it does",
        [
            findings_grid(sheet.performance)
            if sheet.performance
            else Words("No finding about its performance is attached."),
            *([Grid(("When it was made", "Value", "Interval"), "lrr", figures)] if figures else []),
            Words(wording.performance_note(sheet.card)),
        ],
    )
