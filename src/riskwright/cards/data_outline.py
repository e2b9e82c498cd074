"""What a data card says, section by section."""

from __future__ import annotations

from .data_card import ColumnProfile, DataCard
from .outline import (
    NOT_STATED,
    Facts,
    Grid,
    Outline,
    Section,
    Words,
    items_of,
    number_words,
    share_words,
    signature,
    stated,
)

__all__ = ["data_outline"]


def data_outline(card: DataCard) -> Outline:
    rate = "none: no label" if card.label_rate is None else share_words(card.label_rate)
    label = f"{card.label} = {card.positive_label}" if card.label else "none"
    counted = [
        ("Rows", number_words(card.rows)),
        ("Features", f"{len(card.columns):,}"),
        ("Label", label),
        ("Share with the label", rate),
        ("Rows that repeat an earlier one", number_words(card.duplicates)),
        ("Empty cells", share_words(card.missing)),
    ]
    columns = Grid(
        ("Feature", "Type", "Missing", "Different values", "Range or levels", "Unit"),
        "llrrll",
        [
            (
                column.label or column.name,
                column.type,
                share_words(column.missing),
                number_words(column.values),
                _range(column),
                column.unit,
            )
            for column in card.columns
        ],
    )
    aside = [(name, why) for name, why in card.set_aside.items()]
    return Outline(
        "Data card",
        card.title,
        card.description or NOT_STATED,
        [
            Section("What was counted", [Facts(counted)]),
            _origin(card),
            Section(
                "What it is for",
                [
                    Words(stated(card.intended_use)),
                    Words("Not for:", strong=True),
                    items_of(card.not_for),
                ],
            ),
            Section("Known gaps", [items_of(card.known_gaps)]),
            Section("Choices that affect performance", [items_of(card.choices)]),
            *([Section("Groups", [_groups(card)])] if card.groups else []),
            Section("Features", [columns]),
            *([Section("Columns set aside", [Facts(aside)])] if aside else []),
        ],
        [*signature(card), ("Digest of the data", card.data_digest)],
    )


def _origin(card: DataCard) -> Section:
    return Section(
        "Where it comes from",
        [
            Words("Sources:", strong=True),
            items_of(card.sources),
            Facts(
                [
                    ("Collection", stated(card.collection)),
                    ("Period", stated(card.period)),
                    ("Population", stated(card.population)),
                    ("Labels", stated(card.annotation)),
                    ("Consent", stated(card.consent)),
                    ("Personal data", stated(card.personal_data)),
                    ("Licence", stated(card.licence)),
                    ("Maintenance", stated(card.maintenance)),
                ]
            ),
        ],
    )


def _range(column: ColumnProfile) -> str:
    if column.levels:
        return ", ".join(column.levels)
    if column.minimum is None or column.maximum is None:
        return ""
    return f"{number_words(column.minimum)} to {number_words(column.maximum)}"


def _groups(card: DataCard) -> Grid:
    return Grid(
        ("Column", "Group", "Rows", "Share of rows", "Share with the label"),
        "llrrr",
        [
            (
                group.column,
                group.group,
                number_words(group.rows),
                share_words(group.share),
                "not shown" if group.label_rate is None else share_words(group.label_rate),
            )
            for group in card.groups
        ],
        "Groups too small to protect a person's outcome show no share with the label.",
    )
