"""Where a card says one thing here and another there, or an audit denies what it says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from riskwright.core import Estimate, Finding, ParameterError, ScoreCard
from riskwright.core.names import nearest
from riskwright.core.score_digest import score_digest
from riskwright.decision import Budget, RiskCertificate
from riskwright.taxonomy import load_taxonomy, taxonomy_names

from .data_card import DataCard
from .deployment_card import DeploymentCard
from .documents import Document
from .evidence import digests_of, estimates_in, findings_in
from .notice import MOST_REASONS, Notice
from .risk_card import RiskCard
from .score_card_sheet import TOPICS, ScoreCardSheet

if TYPE_CHECKING:
    from riskwright.audit.report import Audit

__all__ = ["contradictions"]

_Kind = Literal["missing", "unsupported", "stale", "contradictory"]
_Found = tuple[str, _Kind, str, str]
_SLACK = 1e-9


def contradictions(card: Document, audit: Audit | None) -> Iterator[_Found]:
    """Field, kind, sentence and hint of everything that cannot be true together."""
    yield from _uses(card)
    for field, estimate in estimates_in(card):
        yield from _impossible(field, estimate)
    yield from _verdicts(card, audit)
    if isinstance(card, ScoreCardSheet):
        yield from _sheet(card)
    elif isinstance(card, DeploymentCard):
        yield from _deployment(card)
    elif isinstance(card, DataCard):
        yield from _data(card)
    elif isinstance(card, RiskCard):
        yield from _risk(card)
    elif isinstance(card, Notice):
        yield from _notice(card)


def _uses(card: Document) -> Iterator[_Found]:
    used = _folded(getattr(card, "intended_use", ""))
    for place, text in enumerate(getattr(card, "not_for", ())):
        if used and _folded(text) and (_folded(text) == used or _folded(text) in used):
            yield (
                f"not_for[{place}]",
                "contradictory",
                f"“{text}” is ruled out and is also the intended use.",
                "Decide on one of the two",
            )


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .")


def _impossible(field: str, estimate: Estimate) -> Iterator[_Found]:
    low, value, high = estimate.low, estimate.value, estimate.high
    if low > high + _SLACK or value < low - _SLACK or value > high + _SLACK:
        yield (
            field,
            "contradictory",
            f"The number {value:.4g} lies outside of its interval, {low:.4g} to {high:.4g}.",
            "Compute it anew",
        )
    if not 0 < estimate.level <= 1:
        yield (
            field,
            "contradictory",
            f"An interval has the confidence level {estimate.level:g}.",
            "A level lies between 0 and 1",
        )


def _verdicts(card: Document, audit: Audit | None) -> Iterator[_Found]:
    for place, told in enumerate(getattr(card, "audits", ())):
        failed = [finding.code for finding in told.findings if finding.passed is False]
        if told.passed and failed:
            yield (
                f"audits[{place}]",
                "contradictory",
                f"The card says that the audit passed, but it failed {', '.join(failed)}.",
                "Say that it failed, or put right what failed",
            )
    if audit is None:
        return
    judged = {finding.code: finding.passed for finding in audit.findings}
    for field, finding in findings_in(card):
        if finding.passed and judged.get(finding.code) is False:
            yield (
                field,
                "contradictory",
                f"The card says that {finding.code} passed; the audit says that it failed.",
                "Take over what the audit found",
            )
    if any(passed is False for passed in judged.values()):
        for place, told in enumerate(getattr(card, "audits", ())):
            if told.passed and told.score_digest == audit.subject.score_digest:
                yield (
                    f"audits[{place}].passed",
                    "contradictory",
                    "The card says that the audit passed; the audit says that it failed.",
                    "Refer to the audit as it is; see audit_reference",
                )


def _sheet(sheet: ScoreCardSheet) -> Iterator[_Found]:
    card = sheet.card
    if sheet.score_digest and sheet.score_digest != score_digest(card):
        yield (
            "score_digest",
            "contradictory",
            "The digest stated is not that of the score card on the sheet.",
            "Use score_digest(card), or put the right score card on the sheet",
        )
    yield from _counts(card)
    for finding in sheet.performance:
        name = finding.code.removeprefix("performance.")
        ours, theirs = finding.estimate, card.performance.get(name)
        of_others = card.data_digest and {card.data_digest}.isdisjoint(digests_of(finding, "data"))
        if ours is not None and theirs is not None and not of_others and _apart(ours, theirs):
            yield (
                "performance",
                "contradictory",
                f"The sheet says that {name} is {ours}, the score card {theirs}.",
                "Both are of the same data: correct one, or say which data it is from",
            )
    for topic in sheet.answers:
        if topic not in TOPICS:
            yield (
                f"answers.{topic}",
                "unsupported",
                f"There is no topic {topic!r}, so no page shows it.",
                nearest(topic, TOPICS) or "See TOPICS",
            )


def _counts(card: ScoreCard) -> Iterator[_Found]:
    total = card.weight_total if card.weight_total is not None else card.n
    if card.events > total * (1 + _SLACK):
        yield (
            "card.events",
            "contradictory",
            f"The score card has more events ({card.events:g}) than people ({total:g}).",
            "Count anew",
        )
    for row in card.rows:
        if row.events > row.n * (1 + _SLACK):
            yield (
                "card.rows",
                "contradictory",
                f"At a total of {row.low:g} there are more events ({row.events:g}) than people "
                f"({row.n:g}).",
                "Count anew",
            )
    proof = card.certificate
    if proof is not None and proof.n_rows != card.n:
        yield (
            "card.certificate",
            "contradictory",
            f"The certificate speaks of {proof.n_rows:,} rows, the score card of {card.n:,}.",
            "Attach the certificate of this score card",
        )
    if proof is not None and card.data_digest and proof.data_digest != card.data_digest:
        yield (
            "card.certificate",
            "contradictory",
            "The certificate is about other data than the score card.",
            "Attach the certificate of this score card",
        )


def _apart(one: Estimate, other: Estimate) -> bool:
    """Whether the intervals do not meet; without intervals, whether the values differ."""
    ends = (one.low, one.high, other.low, other.high)
    if any(map(math.isnan, ends)):
        return abs(one.value - other.value) > _SLACK
    return one.high < other.low or other.high < one.low


def _deployment(card: DeploymentCard) -> Iterator[_Found]:
    certificate = card.certificate
    if certificate is None:
        return
    if certificate.verdict != "certified":
        yield (
            "certificate",
            "contradictory",
            f"The certificate is {certificate.verdict}: nothing is guaranteed.",
            "Fit the rule anew, or use the fallback",
        )
    yield from _budgets(card, certificate)
    regimes = certificate.settings.get("regimes")
    known = tuple(regimes) if isinstance(regimes, dict) else ()
    if known and not card.strictness:
        yield (
            "strictness",
            "missing",
            "The rule has several regimes, and the card does not say which is in force.",
            f"Choose one of {', '.join(known)}",
        )
    if card.strictness and card.strictness not in known:
        yield (
            "strictness",
            "contradictory",
            f"The certificate knows no regime {card.strictness!r}.",
            f"Choose one of {', '.join(known)}" if known else "The rule has no regimes",
        )
    for finding in card.performance:
        yield from _against_certificate(finding, certificate)


def _budgets(card: DeploymentCard, certificate: RiskCertificate) -> Iterator[_Found]:
    certified = [Budget.from_dict(budget) for budget in certificate.budgets]
    for place, text in enumerate(card.budgets):
        try:
            stated = Budget.parse(text)
        except ParameterError as error:
            yield (
                f"budgets[{place}]",
                "unsupported",
                f"The budget {text!r} cannot be read.",
                f"Write it {error.expected or 'as Budget.parse reads it'}",
            )
            continue
        if not any(_covers(budget, stated) for budget in certified):
            yield (
                f"budgets[{place}]",
                "contradictory",
                f"The certificate does not promise {text!r}; it promises "
                f"{'; '.join(map(str, certified)) or 'nothing'}.",
                "Certify this budget, or state the one that is certified",
            )


def _covers(certified: Budget, stated: Budget) -> bool:
    """Whether keeping the one keeps the other."""
    same = (certified.name, certified.measure_name, certified.weight) == (
        *(stated.name, stated.measure_name, stated.weight),
    )
    per = stated.per is None or certified.per == stated.per
    if certified.delta is None or stated.delta is None:
        sure = certified.delta == stated.delta
    else:
        sure = certified.delta <= stated.delta + _SLACK
    return same and per and sure and certified.limit <= stated.limit + _SLACK


def _against_certificate(finding: Finding, certificate: RiskCertificate) -> Iterator[_Found]:
    estimate = finding.estimate
    if estimate is None:
        return
    called = {_spaced(estimate.name), _spaced(finding.code.rpartition(".")[2])}
    same_data = certificate.data_digest in digests_of(finding, "data")
    for bound in certificate.bounds:
        loss = bound.budget.partition(" <=")[0]
        if bound.group is not None or _spaced(loss) not in called:
            continue
        if estimate.low > bound.upper + _SLACK:
            yield (
                "performance",
                "contradictory",
                f"The {loss} was found to be {estimate}, above what the certificate allows "
                f"(at most {bound.upper:.4g}).",
                "Withdraw the certificate or find out what changed",
            )
        elif same_data and abs(estimate.value - bound.empirical) > 1e-6:
            yield (
                "performance",
                "contradictory",
                f"On the same data, the card says that the {loss} is {estimate.value:.4g}, the "
                f"certificate {bound.empirical:.4g}.",
                "Compute it anew",
            )


def _spaced(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _data(card: DataCard) -> Iterator[_Found]:
    n = card.rows.value
    rate = card.label_rate
    if rate is not None and rate.n != n:
        yield (
            "label_rate",
            "contradictory",
            f"The label rate is over {rate.n:,} rows, the table has {n:,.0f}.",
            "Fill the card anew from the table",
        )
    for name, estimate in (("duplicates", card.duplicates), ("missing", card.missing)):
        most = n if name == "duplicates" else 1
        if not 0 <= estimate.value <= most:
            yield (
                name,
                "contradictory",
                f"A count of {estimate.value:g} is not possible in {n:,.0f} rows.",
                "Fill the card anew from the table",
            )
    for place, group in enumerate(card.groups):
        if group.rows.value > n:
            yield (
                f"groups[{place}]",
                "contradictory",
                f"The group {group.group} has more rows ({group.rows.value:,.0f}) than the table "
                f"({n:,.0f}).",
                "Fill the card anew from the table",
            )


def _risk(card: RiskCard) -> Iterator[_Found]:
    for place, one in enumerate(card.places):
        known = one.taxonomy in taxonomy_names()
        if known and one.code not in load_taxonomy(one.taxonomy):
            hint = nearest(one.code, load_taxonomy(one.taxonomy).codes) or "See the taxonomy"
            sentence = f"The taxonomy {one.taxonomy} has no category {one.code!r}."
            yield f"places[{place}]", "unsupported", sentence, hint
    for place, harm in enumerate(card.harms):
        for name, code in (("harm_actors", harm.actor), ("harm_types", harm.kind)):
            if code not in load_taxonomy(name):
                hint = nearest(code, load_taxonomy(name).codes) or "See the taxonomy"
                sentence = f"The taxonomy {name} has no category {code!r}."
                yield f"harms[{place}]", "unsupported", sentence, hint
    if card.result is not None and card.result.code != f"card.{card.id}":
        yield (
            "result",
            "contradictory",
            f"The result is about {card.result.code}, not about card.{card.id}.",
            "Attach the result of this card",
        )
    tested = None if card.result is None else card.result.estimate
    if card.protocol is not None and tested is not None and tested.n < card.protocol.fewest_items:
        yield (
            "result",
            "contradictory",
            f"The protocol asks for at least {card.protocol.fewest_items:,} items; the result is "
            f"from {tested.n:,}.",
            "Test more items, or change the protocol",
        )


def _notice(card: Notice) -> Iterator[_Found]:
    if len(card.reasons) > MOST_REASONS:
        yield (
            "reasons",
            "contradictory",
            f"There are {len(card.reasons)} reasons; at most {MOST_REASONS} can be told apart.",
            "Keep those that added most points",
        )
    points = [reason.points.value for reason in card.reasons]
    if points != sorted(points, reverse=True):
        yield (
            "reasons",
            "contradictory",
            "The reasons are not in the order of their points.",
            "Put those that added most points first",
        )
    if any(value <= 0 for value in points):
        yield (
            "reasons",
            "contradictory",
            "A reason is named that added no points.",
            "Leave it out",
        )
    if not card.lowest.value <= card.score.value <= card.highest.value:
        yield (
            "score",
            "contradictory",
            f"The score {card.score.value:g} lies outside of what is possible, "
            f"{card.lowest.value:g} to {card.highest.value:g}.",
            "Correct the score or its range",
        )
