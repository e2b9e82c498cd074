"""`riskwright card new | check | diff | export | assess | notice`: the documents of a score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import polars as pl
from cyclopts import Parameter

from riskwright.audit import Audit
from riskwright.cards import (
    DataCard,
    DeploymentCard,
    Document,
    ExportFormat,
    RiskCard,
    ScoreCardSheet,
    audit_reference,
    data_card,
    diff,
    export,
    load_risk_cards,
    performance_findings,
    render_document,
)
from riskwright.cards import assess as assessed
from riskwright.cards import check as checked
from riskwright.cards import notice as noticed
from riskwright.core import Estimate, Finding, ScoreCard, UsageError, load, read_artifact, save
from riskwright.core.documents import read_document, read_record
from riskwright.core.names import quoted
from riskwright.core.score_digest import score_digest
from riskwright.evidence import Table, read_table
from riskwright.evidence.table import read_roles
from riskwright.explanation import Actions, responsiveness
from riskwright.pipeline import RiskPipeline
from riskwright.scoring.deployment import RowScorer, score_frame

from .running import (
    SCORES,
    check_outputs,
    parsed_json,
    read_card,
    say,
    show,
    show_exactly,
    show_json,
    verb,
    write,
)
from .scored import read_pipeline

__all__ = ["assess", "check", "difference", "exported", "new", "notice", "read_document_card"]

Form = Literal["txt", "md", "html", "json"]
_WORDS: dict[type[Document], str] = {
    ScoreCardSheet: "score card sheet",
    DataCard: "data card",
    DeploymentCard: "deployment card",
    RiskCard: "risk card",
}
_STATED = ("title", "version", "date")


def read_document_card(path: Path) -> Document:
    """A saved document; `UsageError` for any other artifact."""
    kind = read_artifact(path)["kind"]
    found = load(path)
    if not isinstance(found, Document):
        raise UsageError(
            "not a document",
            where=str(path),
            expected="a file of `riskwright card new`",
            got=f"a saved {kind}",
        )
    return found


def _fields(path: Path) -> dict[str, Any]:
    found = read_document(path, "fields")
    if not isinstance(found, dict):
        raise UsageError("not fields", where=str(path), expected="keys and values")
    return found


def _document(path: Path, kind: type[Document]) -> Document:
    found = read_document_card(path)
    if not isinstance(found, kind):
        raise UsageError(
            "another kind of card",
            where=str(path),
            expected=f"a {_WORDS[kind]}",
            got=f"a {_WORDS.get(type(found), 'notice')}",
        )
    return found


def _score(path: Path) -> Any:
    """The score in use: a saved score, calibrator or pipeline."""
    kind = read_artifact(path)["kind"]
    if kind not in (*SCORES, "calibrator"):
        raise UsageError(
            "not a score",
            where=str(path),
            expected="a saved score, calibrator or pipeline",
            got=f"a saved {kind.replace('_', ' ')}",
        )
    return load(path)


@verb
def new(
    kind: Literal["sheet", "data", "deployment", "risk"],
    source: Path | None = None,
    /,
    *,
    out: Path,
    fields: Path | None = None,
    audit: Path | None = None,
    target: str | None = None,
    positive: str | None = None,
    groups: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    title: str | None = None,
) -> None:
    """Begin a card: what can be computed is filled in, the rest is asked for.

    Afterwards `riskwright card check` lists what is missing.

    Parameters
    ----------
    kind
        sheet (of a saved score), data (of a table), deployment (of a saved pipeline), risk.
    source
        The saved score, the table, or the pipeline; none for a risk card.
    out
        The card to write, .json.
    fields
        YAML file with what only people know, such as owner, intended_use and not_for.
    audit
        Saved audit (.json) to take figures from and to refer to.
    target
        Of a table: the outcome column.
    positive
        Its label that means yes.
    groups
        Of a table: columns whose groups are counted.
    title
        Of the card.
    """
    check_outputs(out, inputs=[source, fields, audit])
    stated = {} if fields is None else _fields(fields)
    if title is not None:
        stated["title"] = title
    if kind == "risk" and fields is None:
        raise UsageError(
            "a risk card is what people know", where="risk", hint="Name --fields, a YAML file"
        )
    if kind == "risk":
        card: Document = read_record(stated, RiskCard, str(fields))
    elif source is None:
        raise UsageError("which score, table or pipeline?", where="source")
    elif kind == "data":
        card = _data_card(
            _table(source, target, positive, groups), {"title": source.stem, **stated}
        )
    else:
        found = None if audit is None else _audit(audit)
        made = _sheet(source, found) if kind == "sheet" else _deployment(source, found)
        card = _with_fields(made, stated, str(fields))
    save(card, out)
    say(f"Written: {out}")
    gaps = checked(card)
    if gaps:
        say(f"{_counted(gaps)} left; `riskwright card check {out}` lists what is missing.")


def _table(
    source: Path, target: str | None, positive: str | None, groups: list[str] | None
) -> Table:
    """Read as an audit reads it, so that both name the same data: groups are columns too."""
    table = read_table(source, target=target, positive=positive, unusable="set_aside")
    if not groups:
        return table
    return dataclasses.replace(table, groups=read_roles(source, groups=groups).groups)


def _data_card(table: Any, stated: dict[str, Any]) -> DataCard:
    plain = data_card(table, title=str(stated["title"]))
    filled: DataCard = _with_fields(plain, stated, "fields")
    return filled


def _with_fields(card: Any, stated: dict[str, Any], where: str) -> Any:
    """The card with fields as stated, each checked for its kind; figures are not stated."""
    for name in stated:
        if name not in _STATED and getattr(card, name, None):
            raise UsageError(
                f"{name} is computed, not stated", where=where, hint="Leave it out of the fields"
            )
    body = {**msgspec.to_builtins(card), **stated}
    return read_record(body, type(card), where)


def _sheet(source: Path, audit: Audit | None) -> ScoreCardSheet:
    card = read_card(source)
    digest = score_digest(load(source))
    _same_score(audit, digest, source)
    performance: tuple[Finding, ...] = ()
    if audit is not None and audit.evaluation is not None:
        performance = performance_findings(
            audit.evaluation, score=digest, data_digest=audit.subject.data_digest
        )
    return ScoreCardSheet(
        title=card.title,
        version=card.version,
        date=card.date,
        card=card,
        score_digest=digest,
        performance=performance,
        audits=() if audit is None else (_reference(audit),),
    )


def _deployment(source: Path, audit: Audit | None) -> DeploymentCard:
    pipeline, digest = read_pipeline(source), score_digest(load(source))
    _same_score(audit, digest, source)
    certificate = getattr(pipeline.rule, "certificate_", None)
    title = pipeline.card.title if pipeline.card is not None else source.stem
    return DeploymentCard(
        title=f"Use of {title}",
        score_digest=digest,
        certificate=certificate,
        budgets=() if certificate is None else tuple(b.budget for b in certificate.bounds),
        audits=() if audit is None else (_reference(audit),),
    )


def _same_score(audit: Audit | None, digest: str, source: Path) -> None:
    """Figures of one score are no evidence about another."""
    if audit is not None and audit.subject.score_digest != digest:
        raise UsageError(
            "the audit is of another score",
            where="--audit",
            expected=f"an audit of {source}, digest {digest[:19]}…",
            got=f"digest {audit.subject.score_digest[:19]}…",
            hint="Audit this score, and name that audit",
        )


def _reference(audit: Audit) -> Any:
    judged = [finding.passed for finding in audit.findings if finding.passed is not None]
    return audit_reference(audit, passed=all(judged) if judged else None)


def _audit(path: Path) -> Audit:
    found = load(path)
    if not isinstance(found, Audit):
        raise UsageError("not an audit", where=str(path), expected="a file of `riskwright audit`")
    return found


@verb
def check(
    card: Path,
    /,
    *,
    model: Path | None = None,
    data: Path | None = None,
    audit: Path | None = None,
    today: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """List what a card lacks, states without evidence, or states of another score or data.

    The exit code is 1 where there is any gap, so that a build can fail.

    Parameters
    ----------
    card
        The card, a file of `riskwright card new`.
    model
        The score in use; figures of another one are stale.
    data
        Data card of the rows that figures may come from.
    audit
        The latest audit; what it says and the card denies is a contradiction.
    today
        Date for the check, such as 2026-01-31; by default the clock's.
    json
        Print the gaps as JSON.
    """
    document = read_document_card(card)
    gaps = checked(
        document,
        model=None if model is None else _score(model),
        data=None if data is None else _document(data, DataCard),
        audit=None if audit is None else _audit(audit),
        today=today,
    )
    if json:
        show_json({"card": document.title, "gaps": gaps})
    else:
        for gap in gaps:
            show(f"{gap.kind:<14}{gap}")
        show(f"{_counted(gaps)}." if gaps else "No gaps.")
    return 1 if gaps else 0


def _counted(gaps: list[Any]) -> str:
    return f"{len(gaps)} gap{'s' * (len(gaps) != 1)}"


@verb
def difference(
    old: Path,
    new: Path,
    /,
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Say what changed between two versions of a card, and whether intervals overlap.

    Parameters
    ----------
    old
        The earlier version.
    new
        The later version.
    json
        Print the changes as JSON.
    """
    changes = diff(read_document_card(old), read_document_card(new))
    if json:
        show_json({"changes": changes})
        return
    for change in changes:
        show(str(change))
    if not changes:
        show("Nothing changed.")


@verb
def exported(
    card: Path,
    /,
    *,
    to: ExportFormat,
    out: Path | None = None,
    data: Path | None = None,
    deployment: Path | None = None,
) -> None:
    """Write a card in the form that somebody else asks for.

    Parameters
    ----------
    card
        A sheet or a data card.
    to
        huggingface, croissant (data), chai, annex-iv or hti1 (scores).
    out
        File to write instead of standard output.
    data
        Data card that answers more of the headings.
    deployment
        Deployment card that answers more of the headings.
    """
    check_outputs(out, inputs=[card, data, deployment])
    more: dict[str, Any] = {}
    if data is not None:
        more["data"] = _document(data, DataCard)
    if deployment is not None:
        more["deployment"] = _document(deployment, DeploymentCard)
    text = export(read_document_card(card), to, **more)
    _give(text, out)


def _give(text: str, out: Path | None) -> None:
    if out is None:
        show_exactly(text)
        return
    write(out, text)
    say(f"Written: {out}")


@verb
def assess(
    *,
    scores: Path,
    cards: Path | None = None,
    threshold: float = 0.5,
    limit: float = 0.01,
    level: float = 0.95,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Mark every risk card as manifested, not manifested or untested.

    Parameters
    ----------
    scores
        Test items: JSONL, CSV or Parquet with card (or hazard) and passed, probability or severity.
    cards
        Folder of risk cards; by default those that come with riskwright.
    threshold
        A probability or severity at or above it shows the risk.
    limit
        Share of items above which a risk that showed is grave.
    level
        Confidence level.
    json
        Print the assessments as JSON.
    """
    found = assessed(load_risk_cards(cards), scores, threshold=threshold, limit=limit, level=level)
    if json:
        show_json({"assessments": found})
        return
    for status in ("manifested", "not manifested", "untested"):
        those = [one for one in found if one.status == status]
        show(f"{status.capitalize()}: {len(those)}")
        for one in those:
            show(f"  {one.card_id:<28} {one.finding.sentence}" if one.n else f"  {one.card_id}")


@verb
def notice(
    score: Path,
    /,
    *,
    row: str,
    fields: Path,
    actions: Path | None = None,
    data: Path | None = None,
    threshold: float | None = None,
    format: Form = "txt",
    out: Path | None = None,
) -> None:
    """Write the notice to one person: score, range, reasons that can work, how to contest.

    Parameters
    ----------
    score
        The saved score, or a pipeline with one.
    row
        The person, as JSON.
    fields
        YAML file with decision, date, decided_by, source, contest and contact.
    actions
        YAML file of what people can change; without it no reason is said to work or not.
    data
        With --actions: table that shows which values the columns have.
    threshold
        With --actions: the risk from which the decision goes against the person; by default that
        of a saved rule.
    format
        txt, md, html or json.
    out
        File to write instead of standard output.
    """
    check_outputs(out, inputs=[score, fields, actions, data])
    pipeline = read_pipeline(score)
    card = pipeline.card
    if card is None:
        raise UsageError("a notice needs a score card", where=str(score))
    person = parsed_json(row, "--row")
    stated = _fields(fields)
    scorer = RowScorer(card)
    result = scorer(person)
    assert result.risk is not None
    works: dict[str, bool | None] = {}
    if actions is not None:
        at = pipeline.threshold if threshold is None else threshold
        works = _that_work(pipeline, person, actions, data, at)
    found = noticed(
        score=float(result.total),
        possible_range=card.total_range(),
        reasons=_reasons(card, scorer, person, works),
        risk=Estimate(
            name="risk",
            value=float(_calibrated(pipeline, [result.risk], [person])[0]),
            low=float("nan"),
            high=float("nan"),
            level=0.95,
            n=card.n,
            method="none: the formula of the card"
            + ("" if pipeline.calibrator is None else ", calibrated"),
        ),
        score_digest=score_digest(load(score)),
        **_notice_fields(stated, fields),
    )
    _give(render_document(found, format), out)


def _calibrated(pipeline: RiskPipeline, risks: Any, people: Sequence[Mapping[str, Any]]) -> Any:
    """Risks as the pipeline gives them; a calibrator by group reads the group of each person."""
    by = pipeline.by
    if by is None:
        return pipeline.risk(risks)
    if any(by not in person for person in people):
        raise UsageError(
            "the calibrator works by group", where="--row", expected=f"a value of {quoted(by)}"
        )
    return pipeline.risk(risks, {by: [str(person[by]) for person in people]})


def _notice_fields(stated: dict[str, Any], path: Path) -> dict[str, Any]:
    needed = ("decision", "date", "decided_by", "source", "contest", "contact")
    known = (*needed, "title", "owner", "version", "reference")
    absent = [name for name in needed if not stated.get(name)]
    unknown = [str(name) for name in stated if name not in known]
    if absent or unknown:
        raise UsageError(
            f"unknown: {unknown[0]}" if unknown else f"not stated: {', '.join(absent)}",
            where=str(path),
            expected=", ".join(known),
        )
    return {name: str(value) for name, value in stated.items()}


def _reasons(
    card: ScoreCard, scorer: RowScorer, person: dict[str, Any], works: dict[str, bool | None]
) -> list[tuple[str, str, float, bool | None]]:
    added: dict[str, float] = {}
    words: dict[str, str] = {}
    for term, points in scorer.explain(person):
        name = term.item.feature
        added[name] = added.get(name, 0.0) + points
        words[name] = f"{words[name]}; {term.item.label}" if name in words else term.item.label
    return [(name, words[name], points, works.get(name)) for name, points in added.items()]


def _that_work(
    pipeline: RiskPipeline,
    person: dict[str, Any],
    actions: Path,
    data: Path | None,
    threshold: float | None,
) -> dict[str, bool | None]:
    """Which features can change the decision on their own."""
    card = pipeline.card
    assert card is not None
    if data is None or threshold is None:
        raise UsageError(
            "what can change needs a table of possible values and a threshold",
            where="--actions",
            hint="Name --data and --threshold",
        )
    if not 0 <= threshold <= 1:
        raise UsageError("not a risk", where="--threshold", expected="from 0 to 1")
    columns = list(dict.fromkeys(term.item.feature for term in card.terms))
    table = read_table(data, unusable="set_aside")
    absent = [name for name in columns if name not in table.X.columns]
    if absent:
        raise UsageError(
            "no such column", where=f"{data}: {absent[0]}", expected="the card's columns"
        )
    stated = Actions.from_mapping(actions, table.X)
    frame = _as_row(person, table.X)

    def spared(rows: pl.DataFrame) -> Any:
        people = [person] * rows.height
        return _calibrated(pipeline, score_frame(card, rows)["risk"].to_numpy(), people) < threshold

    if spared(frame)[0]:
        raise UsageError(
            "the decision does not go against this person",
            where="--threshold",
            expected="at most the risk of the person",
            got=f"{threshold:g}",
        )
    found = responsiveness(spared, frame, stated, target=True)
    marks = found.reasons(k=len(found.features), contributions=[[1.0] * len(found.features)])
    return {reason.feature: reason.works for reason in marks[0]}


def _as_row(person: Mapping[str, Any], X: pl.DataFrame) -> pl.DataFrame:
    """The person as a row of a table like this one."""
    try:
        return pl.DataFrame({name: [person.get(name)] for name in X.columns}, schema=X.schema)
    except (TypeError, pl.exceptions.PolarsError):
        raise UsageError(
            "a value of another kind than in the table", where="--row", expected="as in --data"
        ) from None
