"""What a deployment card says, section by section."""

from __future__ import annotations

from .deployment_card import DeploymentCard
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

__all__ = ["deployment_outline"]


def deployment_outline(card: DeploymentCard) -> Outline:
    return Outline(
        "Deployment card",
        card.title,
        card.purpose or NOT_STATED,
        [
            Section(
                "The use",
                [
                    Facts(
                        [
                            ("Purpose", stated(card.purpose)),
                            ("Starts", stated(card.starts)),
                            ("Expires", stated(card.expires)),
                            ("Approved by", stated(card.approved_by)),
                            ("Strictness in force", card.strictness or "the rule has one only"),
                        ]
                    )
                ],
            ),
            Section("Budgets", [items_of(card.budgets)]),
            Section("What is guaranteed", _guarantee(card)),
            Section(
                "How well it does there",
                [
                    findings_grid(card.performance)
                    if card.performance
                    else Words("No finding from the place of use is attached.")
                ],
            ),
            Section("Audits", [audits_of(card.audits), *found_by(card.audits)]),
            Section("Monitoring", [Words(stated(card.monitoring))]),
            Section("If it cannot be used", [Words(stated(card.fallback))]),
        ],
        [*signature(card), ("Digest of the score", stated(card.score_digest))],
    )


def _guarantee(card: DeploymentCard) -> list[Facts | Grid | Words | Items]:
    certificate = card.certificate
    if certificate is None:
        return [Words("Nothing: no risk certificate is attached.")]
    rows = [
        (
            bound.budget,
            bound.group or "all",
            f"{bound.members:,}",
            f"{bound.empirical:.4g}",
            f"{bound.upper:.4g}",
            f"{bound.limit:.4g}",
            "met" if bound.met else "not met",
        )
        for bound in certificate.bounds
    ]
    head = ("Budget", "Group", "Rows that count", "Seen", "Upper bound", "Limit", "")
    return [
        Words(certificate.statement, strong=True),
        Grid(head, "llrrrrl", rows),
        Facts(
            [
                ("Verdict", certificate.verdict),
                ("Rows", f"{certificate.n:,}"),
                ("Method", certificate.method),
                ("Digest of the data", certificate.data_digest),
            ]
        ),
        Words("What must hold:", strong=True),
        items_of(certificate.assumptions),
    ]
