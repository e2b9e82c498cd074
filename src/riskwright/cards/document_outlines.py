"""The outline of every kind of document: what it says, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from riskwright.core import Estimate, ParameterError
from riskwright.core.score_digest import score_digest
from riskwright.taxonomy import load_taxonomy, taxonomy_names

from . import wording
from .data_card import ColumnProfile, DataCard
from .deployment_card import DeploymentCard
from .documents import AuditReference, Document
from .notice import Notice, Reason
from .outline import (
    NOT_STATED,
    Facts,
    Grid,
    Items,
    Outline,
    Section,
    Words,
    audits_grid,
    findings_grid,
    number_words,
    share_words,
    stated,
)
from .risk_card import RiskCard
from .score_card_sheet import TOPICS, ScoreCardSheet

__all__ = ["outline_of"]


def outline_of(card: Document) -> Outline:
    """What the pages of a document say. Fields that nobody filled in are shown as such."""
    if type(card) not in _OUTLINES:
        raise ParameterError(
            "not a document",
            where="card",
            expected=", ".join(kind.__name__ for kind in _OUTLINES),
            got=type(card).__name__,
        )
    return _OUTLINES[type(card)](card)


def _signature(card: Document) -> list[tuple[str, str]]:
    return [
        ("Version", stated(card.version)),
        ("Date", stated(card.date)),
        ("Answers for it", stated(card.owner)),
        ("Contact", stated(card.contact)),
    ]


def _items(texts: Sequence[str]) -> Items | Words:
    return Items(texts) if texts else Words(NOT_STATED)


def _audits(audits: Sequence[AuditReference]) -> Grid | Words:
    if not audits:
        return Words("No audit is referred to.")
    return audits_grid(
        (a.title, a.date, a.passed, sum(f.severity == "high" for f in a.findings), a.digest)
        for a in audits
    )


def _sheet(sheet: ScoreCardSheet) -> Outline:
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
                _items(sheet.not_for),
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
        Section("Audits", [_audits(sheet.audits), *_found_by(sheet.audits)]),
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
            *_signature(sheet),
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


def _found_by(audits: Sequence[AuditReference]) -> list[Grid]:
    findings = [finding for audit in audits for finding in audit.findings]
    return [findings_grid(findings)] if findings else []


def _name(taxonomy: str, code: str) -> str:
    """What a code means, where the taxonomy is known."""
    if taxonomy in taxonomy_names() and code in load_taxonomy(taxonomy):
        return load_taxonomy(taxonomy).category(code).name
    return code


def _risk(card: RiskCard) -> Outline:
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
            Section("Who is harmed", [_grid(("Who", "Kind of harm"), "ll", harms)]),
            Section("What must be true for harm to come about", [_items(card.conditions)]),
            Section(
                "Examples in general terms",
                [
                    Words(f"Withheld: {card.samples_withheld}")
                    if card.samples_withheld
                    else _grid(("What is asked", "What a failing system gives"), "ll", samples)
                ],
            ),
            Section("How to test", test),
            Section("What the test said", [result]),
            Section("Where it is filed", [_grid(("Taxonomy", "Category"), "ll", places)]),
            *([Section("Further reading", [Items(card.references)])] if card.references else []),
        ],
        [("Card", card.id), *_signature(card)],
    )


def _grid(head: Sequence[str], align: str, rows: Sequence[Sequence[str]]) -> Grid | Words:
    return Grid(head, align, rows) if rows else Words(NOT_STATED)


def _data(card: DataCard) -> Outline:
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
                    _items(card.not_for),
                ],
            ),
            Section("Known gaps", [_items(card.known_gaps)]),
            Section("Choices that affect performance", [_items(card.choices)]),
            *([Section("Groups", [_groups(card)])] if card.groups else []),
            Section("Features", [columns]),
            *([Section("Columns set aside", [Facts(aside)])] if aside else []),
        ],
        [*_signature(card), ("Digest of the data", card.data_digest)],
    )


def _origin(card: DataCard) -> Section:
    return Section(
        "Where it comes from",
        [
            Words("Sources:", strong=True),
            _items(card.sources),
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


def _deployment(card: DeploymentCard) -> Outline:
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
            Section("Budgets", [_items(card.budgets)]),
            Section("What is guaranteed", _guarantee(card)),
            Section(
                "How well it does there",
                [
                    findings_grid(card.performance)
                    if card.performance
                    else Words("No finding from the place of use is attached.")
                ],
            ),
            Section("Audits", [_audits(card.audits), *_found_by(card.audits)]),
            Section("Monitoring", [Words(stated(card.monitoring))]),
            Section("If it cannot be used", [Words(stated(card.fallback))]),
        ],
        [*_signature(card), ("Digest of the score", stated(card.score_digest))],
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
        _items(certificate.assumptions),
    ]


_CHANGE = {
    True: "Changing this alone can change the decision.",
    False: "Changing this alone cannot change the decision.",
    None: "It is not known whether changing this alone can change the decision.",
}


def _notice(card: Notice) -> Outline:
    facts = [
        ("Your score", number_words(card.score)),
        ("Possible scores", f"{number_words(card.lowest)} to {number_words(card.highest)}"),
    ]
    if card.risk is not None:
        facts.append(("What the score means", _risk_words(card.risk)))
    further = card.further_reasons
    notes = []
    if further is not None and further.value > 0:
        count = number_words(further)
        more = "reason" if further.value == 1 else "reasons"
        notes.append(Words(f"{count} further {more} added fewer points; ask for them."))
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
                [_reasons(card.reasons), *notes] if card.reasons else [Words("Nothing did.")],
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


_OUTLINES: dict[type[Document], Callable[[Any], Outline]] = {
    ScoreCardSheet: _sheet,
    RiskCard: _risk,
    DataCard: _data,
    DeploymentCard: _deployment,
    Notice: _notice,
}
