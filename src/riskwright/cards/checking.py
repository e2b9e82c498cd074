"""`check`: what a card lacks, what it states without evidence, what is stale, what clashes."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from riskwright.core import ParameterError, Record
from riskwright.core.score_digest import score_digest

from .contradictions import contradictions
from .data_card import DataCard
from .deployment_card import DeploymentCard
from .documents import Document
from .evidence import digests_of, estimates_in, findings_in, unsupported_figures
from .notice import Notice
from .risk_card import RiskCard
from .score_card_sheet import ScoreCardSheet

if TYPE_CHECKING:
    from riskwright.audit.report import Audit

__all__ = ["Gap", "check"]

GapKind = Literal["missing", "unsupported", "stale", "contradictory"]
_Found = tuple[str, GapKind, str, str]

_SIGNED = {
    "version": ("version of the card", "Give it a version such as 1.0"),
    "date": ("date", "Give the day on which it was last true, as 2026-01-31"),
    "owner": ("owner", "Name who answers for it"),
    "contact": ("contact", "Give an address that readers can write to"),
}
_REQUIRED: dict[type[Document], dict[str, tuple[str, str]]] = {
    ScoreCardSheet: {
        **_SIGNED,
        "intended_use": ("intended use", "Say which decision the score supports, and whose"),
        "not_for": ("uses that are ruled out", "List what the score must not be used for"),
        "horizon": ("time horizon", "Say within which time the outcome counts"),
        "performance": (
            "performance finding",
            "Evaluate the score on rows it was not learned from; see performance_findings",
        ),
        "audits": ("audit", "Run an audit and refer to it; see audit_reference"),
    },
    RiskCard: {
        "description": ("description", "Say what happens and why it matters"),
        "hazard": ("hazard", "Name the source of harm"),
        "places": ("place in a taxonomy", "File it, for example under ailuminate"),
        "harms": ("harm", "Say who can be harmed and how"),
        "conditions": ("condition", "Say what must be true for the harm to come about"),
        "samples": ("sample", "Give a pair in general terms, or say why there is none"),
        "severity": ("severity", "Choose minor, moderate, serious or critical"),
        "likelihood": ("likelihood", "Choose rare, unlikely, possible, likely or frequent"),
        "protocol": ("test protocol", "Say how to test and what counts as a failure"),
        "result": ("test result", "Test for it and attach the finding; see assess"),
    },
    DataCard: {
        **_SIGNED,
        "data_digest": ("digest of the data", "Fill the card from a table; see data_card"),
        "description": ("description", "Say in a few sentences what the data are"),
        "sources": ("source", "Name where the data come from"),
        "collection": ("account of the collection", "Say who recorded the data, how and why"),
        "period": ("period", "Say from when to when the data were recorded"),
        "population": ("population", "Say whom the data are about"),
        "annotation": ("account of the labels", "Say who decided on the label, and how"),
        "consent": ("statement on consent", "Say on which basis the data are used"),
        "licence": ("licence", "Name the licence, or say that there is none"),
        "intended_use": ("intended use", "Say what the data are fit for"),
        "not_for": ("uses that are ruled out", "List what the data are not fit for"),
        "known_gaps": ("known gap", "List who and what the data miss"),
        "choices": ("choice that affects performance", "List exclusions, recoding and the like"),
    },
    DeploymentCard: {
        **_SIGNED,
        "purpose": ("purpose", "Say which decision it supports, and whose"),
        "score_digest": ("digest of the score", "See riskwright.core.score_digest"),
        "budgets": ("budget", "Say what may go wrong how often"),
        "certificate": ("risk certificate", "Fit a decision rule and attach its certificate"),
        "audits": ("audit", "Run an audit and refer to it; see audit_reference"),
        "expires": ("date of expiry", "Say until when the use is allowed"),
        "fallback": ("fallback", "Say what happens when the rule abstains or is withdrawn"),
        "monitoring": ("monitoring", "Say what is watched, how often, and who acts"),
    },
    Notice: {
        "date": _SIGNED["date"],
        "contact": _SIGNED["contact"],
        "decision": ("decision", "Say what was decided"),
        "reasons": ("reason", "Name what added most points"),
        "decided_by": ("name of who decided", "Say who decided"),
        "source": ("source of the data", "Say where the data about the person come from"),
        "contest": ("way to contest the decision", "Say how and by when"),
    },
}


class Gap(Record, frozen=True, kw_only=True):
    """Something to put right on a card: where, of which kind, in a sentence, and how."""

    field: str
    kind: GapKind
    sentence: str
    hint: str

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence} {self.hint}" + "." * (self.hint[-1:] not in "?.")


def check(
    card: Document,
    *,
    model: Any = None,
    data: Any = None,
    audit: Audit | None = None,
    today: datetime.date | str | None = None,
) -> list[Gap]:
    """The gaps of a card; none means that every number on it has evidence and is not stale.

    Parameters
    ----------
    card : any of the documents.
    model : the score in use (card, fitted model, pipeline or digest); findings on another are
        stale.
    data : the data that findings may come from (`Table`, `DataCard`, digest, or a list of them):
        findings on other data are stale, and so is the card of other data.
    audit : the latest audit: what it says and the card denies is contradictory.
    today : date or ISO text; the clock's date where it is not given.

    Returns
    -------
    list of Gap
        In the order of the card's fields, "missing" first. A figure in a text (a percentage, or
        a number beside the name of a measure) needs an estimate on the card that shows it.

    Raises
    ------
    ParameterError : not a document, a model or data without a digest, a day that is no date.

    Examples
    --------
    >>> from riskwright.cards.risk_card import RiskCard
    >>> card = RiskCard(id="x", title="X", hazard="prv", description="Tells what it should not.")
    >>> [gap.field for gap in check(card)][:3]
    ['places', 'harms', 'conditions']
    """
    if type(card) not in _REQUIRED:
        raise ParameterError(
            "not a card that can be checked",
            where="check(card)",
            expected=", ".join(kind.__name__ for kind in _REQUIRED),
            got=type(card).__name__,
        )
    now = _today(today)
    steps: tuple[Callable[[], Iterator[_Found]], ...] = (
        lambda: _missing(card),
        lambda: _unsupported(card),
        lambda: _other_model(card, None if model is None else score_digest(model)),
        lambda: _other_data(card, data),
        lambda: _dates(card, now),
        lambda: contradictions(card, audit),
    )
    found = dict.fromkeys(gap for step in steps for gap in step())
    return [Gap(field=f, kind=k, sentence=s, hint=h) for f, k, s, h in found]


def _today(today: datetime.date | str | None) -> datetime.date:
    if today is None:
        return datetime.date.today()
    if isinstance(today, datetime.date):
        return today
    try:
        return datetime.date.fromisoformat(today)
    except (ValueError, TypeError):
        raise ParameterError(
            "not a date", where="today", expected="a date such as 2026-01-31", got=repr(today)[:40]
        ) from None


def _missing(card: Document) -> Iterator[_Found]:
    for field, (words, hint) in _REQUIRED[type(card)].items():
        if field == "samples" and getattr(card, "samples_withheld", "").strip():
            continue
        value = getattr(card, field)
        empty = not value.strip() if isinstance(value, str) else value is None or not value
        if empty:
            yield field, "missing", f"Not stated: {words}.", hint
    if isinstance(card, ScoreCardSheet):
        if card.card.population.strip() in ("", "not stated"):
            hint = "State the population of the score card"
            yield "card.population", "missing", "Not stated: for whom the score is made.", hint
        if not card.card.limits:
            hint = "Say where and when the score does not hold"
            yield "card.limits", "missing", "Not stated: limits of use.", hint


def _unsupported(card: Document) -> Iterator[_Found]:
    for field, finding in findings_in(card):
        if not finding.digests:
            yield (
                field,
                "unsupported",
                f"The finding {finding.code} does not say on which score and data it was found.",
                "Give its digests of score and data, or measure it anew",
            )
        elif finding.estimate is None and any(c.isdigit() for c in finding.sentence):
            yield (
                field,
                "unsupported",
                f"The finding {finding.code} states a number without an estimate.",
                "Attach the estimate with its interval",
            )
    for place, audit in enumerate(getattr(card, "audits", ())):
        if not audit.digest.strip():
            hint = "Refer to it by digest; see audit_reference"
            yield f"audits[{place}]", "unsupported", "An audit is named without its digest.", hint
    if isinstance(card, ScoreCardSheet) and card.card.performance and not card.card.data_digest:
        yield (
            "card.performance",
            "unsupported",
            "The card's figures do not say on which data they were found.",
            "Keep the card's data digest, or evaluate the score anew",
        )
    for field, estimate in estimates_in(card):
        if not estimate.method.strip() or estimate.n < 0:
            yield (
                field,
                "unsupported",
                "A number is stated without the method or the number of rows behind it.",
                "State method and n",
            )
    for field, words in unsupported_figures(card):
        yield (
            field,
            "unsupported",
            f"The text says {words!r}, and no estimate on the card shows it.",
            "Attach a finding with that number, or leave the number out",
        )
    if isinstance(card, Notice):
        for place, reason in enumerate(card.reasons):
            if reason.can_change is None:
                yield (
                    f"reasons[{place}]",
                    "unsupported",
                    f"It is not known whether changing “{reason.words}” alone can change the "
                    "decision.",
                    "Compute its responsiveness",
                )


def _other_model(card: Document, model: str | None) -> Iterator[_Found]:
    """Score digests that differ from the model's, or else from the card's own."""
    own = _own_score(card)
    if model is not None and own and own != model:
        yield (
            "score_digest",
            "stale",
            f"The card describes another score (digest {_short(own)}) than the model "
            f"(digest {_short(model)}).",
            "Make the card anew from the model in use, or find the model that it describes",
        )
    expected = model or own
    if not expected:
        return
    for field, finding in findings_in(card):
        for told in digests_of(finding, "score"):
            if told != expected:
                yield (
                    field,
                    "stale",
                    f"The finding {finding.code} is about another score (digest {_short(told)}).",
                    "Measure it anew on the score in use",
                )
    for place, audit in enumerate(getattr(card, "audits", ())):
        if audit.score_digest and audit.score_digest != expected:
            yield (
                f"audits[{place}]",
                "stale",
                f"The audit {audit.title or _short(audit.digest)} is of another score "
                f"(digest {_short(audit.score_digest)}).",
                "Audit the score in use",
            )


def _own_score(card: Document) -> str:
    if isinstance(card, ScoreCardSheet):
        return score_digest(card.card)
    return getattr(card, "score_digest", "")


def _other_data(card: Document, data: Any) -> Iterator[_Found]:
    if data is None:
        return
    given = [data] if isinstance(data, str) or not isinstance(data, Sequence) else list(data)
    known = {one if isinstance(one, str) else _data_digest(one) for one in given}
    shown = " or ".join(sorted(map(_short, known)))
    if isinstance(card, DataCard) and card.data_digest and card.data_digest not in known:
        yield (
            "data_digest",
            "stale",
            f"The card describes other data (digest {_short(card.data_digest)}) than those given "
            f"(digest {shown}).",
            "Make the card anew from these data",
        )
    for field, finding in findings_in(card):
        for told in digests_of(finding, "data"):
            if told not in known:
                yield (
                    field,
                    "stale",
                    f"The finding {finding.code} is from other data (digest {_short(told)}).",
                    "Measure it anew on these data, or name the data it came from",
                )


def _data_digest(data: Any) -> str:
    digest = getattr(data, "data_digest", None)
    if not isinstance(digest, str) or not digest:
        raise ParameterError(
            "these data have no digest",
            where="data",
            expected="a Table, a DataCard, or a digest as text",
            got=type(data).__name__,
        )
    return digest


def _dates(card: Document, today: datetime.date) -> Iterator[_Found]:
    stated = [("date", card.date)]
    stated += [(name, getattr(card, name, "")) for name in ("starts", "expires")]
    stated += [(f"audits[{i}].date", a.date) for i, a in enumerate(getattr(card, "audits", ()))]
    days = {}
    for field, text in stated:
        if not text.strip():
            continue
        try:
            days[field] = datetime.date.fromisoformat(text.strip()[:10])
        except ValueError:
            hint = "Write it as 2026-01-31"
            yield field, "unsupported", f"The date {text!r} cannot be read.", hint
    for field, day in days.items():
        if day > today and field not in ("starts", "expires"):
            hint = "Give the day on which it was last true"
            yield field, "contradictory", f"The date {day} lies in the future.", hint
    ends, starts = days.get("expires"), days.get("starts", days.get("date"))
    if ends is not None and ends < today:
        hint = "Stop the use or renew it: audit the score, certify the rule, sign anew"
        yield "expires", "stale", f"The card expired on {ends}.", hint
    if ends is not None and starts is not None and ends < starts:
        hint = "Correct one of the dates"
        yield "expires", "contradictory", f"It expires on {ends}, before it starts.", hint


def _short(digest: str) -> str:
    return digest if len(digest) <= 19 else f"{digest[:19]}…"
