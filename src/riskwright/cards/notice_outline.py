"""What a notice says, section by section."""

from __future__ import annotations

from collections.abc import Sequence

from riskwright.core import Estimate

from .notice import Notice, Reason
from .outline import (
    Facts,
    Grid,
    Items,
    Outline,
    Section,
    Words,
    number_words,
    share_words,
    stated,
)

__all__ = ["notice_outline"]


_NO_REASON = "Nothing that is known of you added any points."
_CHANGE = {
    True: "Changing this alone can change the decision.",
    False: "Changing this alone cannot change the decision.",
    None: "It is not known whether changing this alone can change the decision.",
}


def notice_outline(card: Notice) -> Outline:
    facts = [
        ("Your score", number_words(card.score)),
        (
            "Possible scores",
            f"{number_words(card.lowest)} to {number_words(card.highest)}; a higher score means a "
            "higher risk",
        ),
    ]
    if card.risk is not None:
        facts.append(("What the score means", _risk_words(card.risk)))
    further = card.further_reasons
    notes = []
    if further is not None and further.value > 0:
        count = number_words(further)
        more = "reason" if further.value == 1 else "reasons"
        notes.append(
            Words(f"{count} further {more} added no more points than these; ask for them.")
        )
    if card.reasons and all(reason.can_change is False for reason in card.reasons):
        notes.append(Words("None of these, changed alone, can change the decision.", strong=True))
    return Outline(
        "Notice",
        card.title,
        card.decision,
        [
            Section("Your score", [Facts(facts)]),
            Section(
                "What added most points to your score",
                [_reasons(card.reasons), *notes] if card.reasons else [Words(_NO_REASON)],
            ),
            *(
                [
                    Section(
                        "What else, changed alone, can change the decision",
                        [Items([reason.words for reason in card.alternatives])],
                    )
                ]
                if card.alternatives
                else []
            ),
            Section(
                "Who decided, and on what",
                [
                    Facts(
                        [
                            ("Decided by", stated(card.decided_by)),
                            ("Date", stated(card.date)),
                            ("Your data come from", stated(card.source)),
                        ]
                    )
                ],
            ),
            Section(
                "Your right to contest",
                [Words(stated(card.contest)), Facts([("Contact", stated(card.contact))])],
            ),
        ],
        [
            *([("Case", card.reference)] if card.reference else []),
            *([("Version", card.version)] if card.version else []),
            *([("Answers for it", card.owner)] if card.owner else []),
            *([("Digest of the score", card.score_digest)] if card.score_digest else []),
        ],
    )


def _reasons(reasons: Sequence[Reason]) -> Grid:
    rows = [
        (f"{place}.", reason.words, number_words(reason.points), _CHANGE[reason.can_change])
        for place, reason in enumerate(reasons, 1)
    ]
    return Grid(("", "Reason", "Points", "Can it change the decision?"), "rlrl", rows)


def _risk_words(risk: Estimate) -> str:
    return f"a risk of {share_words(risk)}"
