"""Gaps and differences: a complete card has none, and each single fault is found by itself."""

from __future__ import annotations

import datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest

from riskwright.cards.checking import Gap, check
from riskwright.cards.comparing import diff
from riskwright.cards.documents import Document, audit_reference
from riskwright.core import Estimate, Finding, ParameterError, ScoreCard
from riskwright.core.score_digest import score_digest

TODAY = "2026-03-01"
replace = msgspec.structs.replace


def gaps(card: Document, **options: Any) -> list[Gap]:
    return check(card, today=TODAY, **options)


def one(card: Document, kind: str, field: str, words: str = "", **options: Any) -> Gap:
    """The only gap of a card."""
    found = gaps(card, **options)
    assert [(gap.kind, gap.field) for gap in found] == [(kind, field)], "\n".join(map(str, found))
    assert words in str(found[0])
    return found[0]


def test_complete_cards_have_no_gaps(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart)
    data = documents.data()
    letter = documents.letter(reasons=documents.letter().reasons[:2])
    for card in (sheet, data, documents.deployment(), documents.risk(), letter):
        assert gaps(card) == [], type(card).__name__
    assert gaps(documents.deployment(regimes=True)) == []
    assert gaps(sheet, model=heart, data="sha256:" + "d" * 64) == []
    assert gaps(data, data=documents.table()) == []


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("sheet", "version date owner contact intended_use not_for horizon performance audits"),
        ("risk", "description places harms conditions samples severity likelihood protocol result"),
        ("data", "licence consent sources annotation intended_use known_gaps choices description"),
        ("deployment", "purpose budgets certificate audits expires fallback monitoring owner"),
        ("letter", "date decided_by source contest contact decision"),
    ],
)
def test_every_missing_field_is_named(
    heart: ScoreCard, documents: ModuleType, kind: str, fields: str
) -> None:
    whole = documents.sheet(heart) if kind == "sheet" else getattr(documents, kind)()
    if kind == "letter":
        whole = replace(whole, reasons=whole.reasons[:2])
    for field in fields.split():
        value = getattr(whole, field)
        empty = "  " if isinstance(value, str) else () if isinstance(value, tuple) else None
        if kind == "deployment" and field == "certificate":
            empty = None
        if field in ("severity", "likelihood"):
            empty = None
        one(replace(whole, **{field: empty}), "missing", field)


def test_samples_may_be_withheld_with_a_reason(documents: ModuleType) -> None:
    assert gaps(documents.risk(samples=(), samples_withheld="Would do harm.")) == []


def test_population_and_limits_of_the_score_card(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart)
    one(replace(sheet, card=replace(sheet.card, limits=())), "missing", "card.limits")
    unknown = replace(sheet.card, population="not stated")
    one(replace(sheet, card=unknown), "missing", "card.population")


def test_findings_need_digests_and_estimates(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart)
    found = sheet.performance[0]
    bare = replace(sheet, performance=(replace(found, digests={}),))
    one(bare, "unsupported", "performance[0]", "does not say on which score and data")
    told = replace(sheet, performance=(replace(found, estimate=None),))
    one(told, "unsupported", "performance[0]", "states a number without an estimate")
    words = replace(found, estimate=None, sentence="Nothing was found.")
    assert gaps(replace(sheet, performance=(words,))) == []
    no_data = replace(sheet.card, data_digest="", certificate=None)
    assert heart.performance
    one(replace(sheet, card=no_data), "unsupported", "card.performance")


def test_audits_are_referred_to_by_digest(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart)
    nameless = replace(sheet.audits[0], digest="")
    one(replace(sheet, audits=(nameless,)), "unsupported", "audits[0]", "without its digest")


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("It finds 98 % of cases.", "98 %"),
        ("Right in 99,5 per cent", "99,5 per cent"),
        ("It has an AUC of 0.93.", "AUC of 0.93"),
        ("The sensitivity is about .9", "sensitivity is about .9"),
    ],
)
def test_numbers_in_texts_need_an_estimate(
    heart: ScoreCard, documents: ModuleType, text: str, claim: str
) -> None:
    sheet = documents.sheet(heart, intended_use=text)
    one(sheet, "unsupported", "intended_use", repr(claim))


@pytest.mark.parametrize(
    "text",
    [
        "An AUROC of 0.81 (95% interval 0.77 to 0.85)",
        "81 % of pairs",
        "People aged 18 to 65, 12 clinics, since 2019",
        "Within 30 days, in 2 of 3 wards",
    ],
)
def test_numbers_that_an_estimate_shows_and_plain_counts_are_no_gaps(
    heart: ScoreCard, documents: ModuleType, text: str
) -> None:
    assert gaps(documents.sheet(heart, intended_use=text)) == []


def test_another_model_is_said_clearly(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart)
    term = heart.terms[0]
    other = replace(heart, terms=(replace(term, points=term.points + 1), *heart.terms[1:]))
    found = gaps(sheet, model=other)
    assert {gap.kind for gap in found} == {"stale"}
    assert {gap.field for gap in found} == {
        *("score_digest", "performance[0]", "audits[0].findings[0]", "audits[0]")
    }
    assert "describes another score" in found[0].sentence
    assert score_digest(other)[:15] in found[0].sentence
    card = documents.deployment()
    assert {gap.kind for gap in gaps(card, model=heart)} == {"stale"}
    assert gaps(card, model="sha256:" + "5" * 64) == []


def test_findings_about_another_score_than_the_sheets(
    heart: ScoreCard, documents: ModuleType
) -> None:
    sheet = documents.sheet(heart)
    stale = replace(sheet.performance[0], digests={"model": "sha256:old", "data": "d"})
    one(replace(sheet, performance=(stale,)), "stale", "performance[0]", "another score")


def test_other_data(heart: ScoreCard, documents: ModuleType) -> None:
    sheet, card = documents.sheet(heart), documents.data()
    found = gaps(sheet, data=documents.table())
    assert {(gap.kind, gap.field) for gap in found} == {
        *(("stale", "performance[0]"), ("stale", "audits[0].findings[0]"))
    }
    assert gaps(sheet, data=[documents.table(), "sha256:" + "d" * 64]) == []
    one(card, "stale", "data_digest", "other data", data=documents.table(150))
    with pytest.raises(ParameterError, match="no digest"):
        check(sheet, data=3)


def test_dates(heart: ScoreCard, documents: ModuleType) -> None:
    one(documents.sheet(heart, date="2026-03-02"), "contradictory", "date", "in the future")
    assert gaps(documents.sheet(heart, date=TODAY)) == []
    one(documents.sheet(heart, date="March"), "unsupported", "date", "cannot be read")
    one(documents.deployment(expires="2026-02-28"), "stale", "expires", "expired on 2026-02-28")
    assert gaps(documents.deployment(expires=TODAY)) == []
    one(
        documents.deployment(starts="2026-12-01", expires="2026-11-01"),
        *("contradictory", "expires", "before it starts"),
    )
    assert check(documents.risk(), today=datetime.date(2026, 3, 1)) == []
    with pytest.raises(ParameterError, match="today"):
        check(documents.risk(), today="soon")


def test_a_use_that_is_ruled_out(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart, not_for=("Hiring", "decide whom to  see first."))
    one(sheet, "contradictory", "not_for[1]", "also the intended use")


def test_counts_that_cannot_be(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart)
    more = replace(sheet.card, events=sheet.card.n + 1)
    one(replace(sheet, card=more), "contradictory", "card.events", "more events")
    row = sheet.card.rows[0]
    rows = (replace(row, events=row.n + 1), *sheet.card.rows[1:])
    one(replace(sheet, card=replace(sheet.card, rows=rows)), "contradictory", "card.rows")
    wrong = documents.estimate(0.9, 0.7, 0.8)
    found = replace(sheet.performance[0], estimate=wrong)
    assert ("contradictory", "performance[0].estimate") in [
        (gap.kind, gap.field) for gap in gaps(replace(sheet, performance=(found,)))
    ]
    data = documents.data()
    short = replace(data.label_rate, n=100)
    one(replace(data, label_rate=short), "contradictory", "label_rate", "100 rows")
    one(replace(data, duplicates=replace(data.duplicates, value=-1, low=-1, high=-1)),
        "contradictory", "duplicates")  # fmt: skip


def test_the_sheet_against_its_score_card(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart, score_digest="sha256:other")
    one(sheet, "contradictory", "score_digest", "not that of the score card")
    worse = {"auroc": documents.estimate(0.6, 0.55, 0.65)}
    assert gaps(documents.sheet(replace(sheet.card, performance=worse))) == []  # of other data
    ours = replace(sheet.card, performance=worse, data_digest="sha256:" + "d" * 64)
    ours = replace(ours, certificate=None)
    one(documents.sheet(ours), "contradictory", "performance", "auroc")
    topic = documents.sheet(heart, answers={"user": "Nurses"})
    one(topic, "unsupported", "answers.user", "Did you mean 'users'")


def test_verdicts_of_audits(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart)
    told = sheet.audits[0]
    failed = replace(told.findings[0], passed=False)
    one(
        replace(sheet, audits=(replace(told, findings=(failed,)),)),
        *("contradictory", "audits[0]", "it failed group.fpr.gap"),
    )
    audit = SimpleNamespace(
        findings=(failed,), subject=SimpleNamespace(score_digest=told.score_digest)
    )
    one(sheet, "contradictory", "audits[0].passed", "the audit says", audit=audit)
    said = replace(
        sheet, performance=(replace(sheet.performance[0], code="group.fpr.gap", passed=True),)
    )
    assert [gap.field for gap in gaps(said, audit=audit)] == ["performance[0]", "audits[0].passed"]


def test_a_deployment_against_its_certificate(documents: ModuleType) -> None:
    card, regimes = documents.deployment(), documents.deployment(regimes=True)
    tighter = replace(card, budgets=("miss rate <= 5%",))
    one(tighter, "contradictory", "budgets[0]", "does not promise")
    one(replace(card, budgets=("few misses",)), "unsupported", "budgets[0]", "cannot be read")
    assert gaps(replace(card, budgets=("miss rate <= 20% with 90% confidence",))) == []
    one(replace(card, budgets=("miss rate <= 10% per sex",)), "contradictory", "budgets[0]")
    one(replace(card, strictness="strict"), "contradictory", "strictness", "no regime 'strict'")
    one(replace(regimes, strictness=""), "missing", "strictness", "strict, loose")
    one(replace(regimes, strictness="strickt"), "contradictory", "strictness", "strict, loose")
    void = card.certificate.void("The scores moved.")
    one(replace(card, certificate=void), "contradictory", "certificate", "void")


def measured(documents: ModuleType, value: float, low: float, high: float, data: str) -> Finding:
    estimate = Estimate(
        value=value, low=low, high=high, level=0.95, n=400, method="Wilson", name="miss rate"
    )
    digests = {"score": "sha256:" + "5" * 64, "data": data}
    found: Finding = documents.finding("performance.miss_rate", digests, estimate)
    return found


def test_performance_against_the_certificate(documents: ModuleType) -> None:
    card = documents.deployment()
    bound = card.certificate.bounds[0]
    same = card.certificate.data_digest
    worse = measured(documents, 0.2, 0.15, 0.25, "sha256:new")
    one(replace(card, performance=(worse,)), "contradictory", "performance", "above what the")
    near = measured(documents, bound.empirical, 0.05, 0.12, same)
    assert gaps(replace(card, performance=(near,))) == []
    off = measured(documents, bound.empirical - 0.01, 0.05, 0.12, same)
    one(replace(card, performance=(off,)), "contradictory", "performance", "On the same data")


def test_risk_cards(documents: ModuleType) -> None:
    card = documents.risk()
    harm = replace(card.harms[0], actor="subjekt")
    one(replace(card, harms=(harm,)), "unsupported", "harms[0]", "Did you mean 'subject'")
    place = replace(card.places[0], code="prx")
    one(replace(card, places=(place,)), "unsupported", "places[0]", "no category 'prx'")
    other = replace(card.result, code="card.other")
    one(replace(card, result=other), "contradictory", "result", "not about card.leak")
    strict = replace(card.protocol, fewest_items=1000)
    one(replace(card, protocol=strict), "contradictory", "result", "at least 1,000 items")


def test_notices(documents: ModuleType) -> None:
    card = documents.letter(reasons=documents.letter().reasons[:2])
    first, second = card.reasons
    many = tuple(replace(first, feature=str(i)) for i in range(5))
    one(replace(card, reasons=many), "contradictory", "reasons", "5 reasons")
    one(replace(card, reasons=(second, first)), "contradictory", "reasons", "order")
    unknown = replace(first, can_change=None)
    one(replace(card, reasons=(unknown, second)), "unsupported", "reasons[0]", "not known")
    high = replace(card.score, value=10.0, low=10.0, high=10.0)
    one(replace(card, score=high), "contradictory", "score", "0 to 9")


def test_only_documents_can_be_checked(heart: ScoreCard) -> None:
    with pytest.raises(ParameterError, match="ScoreCardSheet"):
        check(heart)  # type: ignore[arg-type]


def test_the_digest_of_an_audit_is_of_what_it_found(
    heart: ScoreCard, documents: ModuleType
) -> None:
    from riskwright.audit.report import Audit, AuditSubject

    subject = AuditSubject(
        title="T", outcome="o", score_digest="s", data_digest="d", date="2026-01-01"
    )
    parts = dict.fromkeys(
        (
            *("card", "evaluation", "reliability", "net_benefit", "operating_point", "gaps"),
            *("slices", "multiplicity", "responsiveness", "distillation", "selective_labels"),
        )
    )
    low = replace(documents.finding("a.b", {}), severity="low")
    high = replace(low, code="c.d", severity="high")
    audit = Audit(
        subject=subject, n=10, events=2.0, reliability_by_group={}, columns=(),
        findings=(low, high), not_run={}, level=0.95, seconds=1.0, **parts,
    )  # fmt: skip
    told = audit_reference(audit, passed=True)
    assert told.findings == (high,)
    assert (told.score_digest, told.data_digest, told.date) == ("s", "d", "2026-01-01")
    assert audit_reference(replace(audit, seconds=2.0)).digest == told.digest
    assert audit_reference(replace(audit, n=11)).digest != told.digest


def test_nothing_changed(heart: ScoreCard, documents: ModuleType) -> None:
    for before, after in zip(documents.every(heart), documents.every(heart), strict=True):
        assert diff(before, after) == []


def moved(documents: ModuleType, heart: ScoreCard, *numbers: float) -> Any:
    sheet = documents.sheet(heart)
    found = replace(sheet.performance[0], estimate=documents.estimate(*numbers))
    (change,) = diff(sheet, replace(sheet, performance=(found,)))
    return change


def test_numbers_say_direction_and_overlap(heart: ScoreCard, documents: ModuleType) -> None:
    up = moved(documents, heart, 0.84, 0.80, 0.88)
    assert (up.field, up.kind) == ("performance[performance.auroc]", "changed")
    assert (up.direction, up.overlap) == ("up", True)
    assert "went up, from 0.810" in up.sentence
    assert "the intervals overlap, so this may be chance" in up.sentence
    down = moved(documents, heart, 0.70, 0.65, 0.75)
    assert (down.direction, down.overlap) == ("down", False)
    assert "do not overlap" in down.sentence
    same = moved(documents, heart, 0.81, 0.80, 0.82)
    assert (same.direction, same.overlap) == ("same", True)
    blind = moved(documents, heart, 0.9, float("nan"), float("nan"))
    assert (blind.direction, blind.overlap) == ("up", None)


def test_words_parts_and_points_that_changed(heart: ScoreCard, documents: ModuleType) -> None:
    sheet = documents.sheet(heart)
    term = sheet.card.terms[0]
    terms = (replace(term, points=term.points + 2), *sheet.card.terms[1:])
    new = replace(
        sheet,
        owner="",
        horizon="90 days",
        not_for=("Refusing treatment", "Hiring"),
        answers={"users": "Doctors"},
        card=replace(sheet.card, terms=terms),
    )
    found = {change.field: change for change in diff(sheet, new)}
    assert {field: change.kind for field, change in found.items()} == {
        "owner": "removed",
        f"card.terms[{term.item.label}].points": "changed",
        "horizon": "changed",
        "not_for[“Hiring”]": "added",
        "answers[users]": "changed",
    }
    assert found["horizon"].sentence == "changed from “30 days” to “90 days”."
    assert found[f"card.terms[{term.item.label}].points"].direction == "up"
    swapped = replace(sheet, not_for=("b", "a"))
    assert diff(replace(sheet, not_for=("a", "b")), swapped) == []


def test_exact_counts_and_the_order_of_reasons(documents: ModuleType) -> None:
    grown = {change.field: change for change in diff(documents.data(), documents.data(250))}
    assert grown["rows"].sentence == "went up, from 200 to 250; both are exact."
    assert grown["data_digest"].kind == "changed"
    assert "columns[smoker].values" not in grown
    letter = documents.letter()
    turned = replace(letter, reasons=letter.reasons[::-1])
    assert [str(change) for change in diff(letter, turned)] == ["reasons: The order changed."]
    with pytest.raises(ParameterError, match="two kinds"):
        diff(letter, documents.data())
