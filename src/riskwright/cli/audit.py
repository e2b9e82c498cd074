"""`riskwright audit`: what a score does to people, on one page, against a policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from riskwright.audit import Audit, Gate, load_plan, load_policy
from riskwright.audit import run_audit as audited
from riskwright.cards import audit_text
from riskwright.core import UsageError, load, read_artifact

from .running import check_outputs, say, show, show_json, verb
from .scored import read_pipeline

__all__ = ["audit"]


@verb
def audit(
    first: Path,
    data: Path | None = None,
    /,
    *,
    plan: Path | None = None,
    target: str | None = None,
    score: str | None = None,
    positive: str | None = None,
    weight: str | None = None,
    groups: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    threshold: float | None = None,
    reference: Path | None = None,
    policy: Path | None = None,
    skip: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    title: str | None = None,
    level: float | None = None,
    out: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Audit a score: groups, slices, multiplicity, recourse, black box, who was not observed.

    Runs what applies to the score and the table, and says what did not run and why. With a policy
    the exit code is 1 where the audit does not keep it, so that a build can fail. A saved audit
    (.json) alone is compared with a policy, or written anew, without computing.

    Parameters
    ----------
    first
        A saved score or pipeline, a table that holds scores, or a saved audit.
    data
        After a saved score: CSV, Parquet or Arrow file of rows that it was not learned from.
    plan
        YAML file: columns, threshold, what people can change, words for the page.
    target
        The outcome column.
    score
        Without a saved score: the column of the table with the scores of any model.
    positive
        The outcome's label that means yes; by default the one the card was learned with.
    weight
        Column of row weights.
    groups
        Columns to compare people by; their intersections are compared too.
    threshold
        The score from which a person is flagged.
    reference
        Table that the score was learned from, to tell how familiar the audited rows are.
    policy
        YAML file of limits on findings; the exit code is 1 where they are not kept.
    skip
        Parts to leave out, such as multiplicity.
    title
        Name of the score on the page.
    level
        Confidence level of the intervals, 0.95 by default.
    out
        Files to write: .html the page, .md the same as Markdown, .json to keep.
    json
        Print the audit as JSON.
    """
    check_outputs(*(out or ()), inputs=[first, data, plan, reference, policy])
    accepted = None if policy is None else load_policy(policy)
    stated = {
        "target": target,
        "score": score,
        "positive": positive,
        "weight": weight,
        "groups": groups,
        "threshold": threshold,
        "skip": skip,
        "title": title,
        "level": level,
    }
    named = {key: value for key, value in stated.items() if value is not None}
    if data is None and first.suffix == ".json":
        found = _saved(first, [plan, reference, *named])
    else:
        found = _computed(first, data, plan, reference, named)
    gate = None if accepted is None else found.gate(accepted)
    if gate is not None:
        found = gate.audit
    for path in out or ():
        found.save(path)
        say(f"Written: {path}")
    if json:
        show_json({"audit": found} if gate is None else {"audit": found, **_verdict(gate)})
    else:
        show(audit_text(found))
        for line in _lines(gate):
            show(line)
    return 0 if gate is None or gate.passed else 1


def _saved(path: Path, given: list[Any]) -> Audit:
    kind = read_artifact(path)["kind"]
    if kind != "audit":
        raise UsageError(
            "which rows?", where=str(path), expected="a table after a saved score", got=kind
        )
    if any(value is not None for value in given):
        raise UsageError(
            "a saved audit is not computed again", where=str(path), expected="only --policy, --out"
        )
    found: Audit = load(path)
    return found


def _computed(
    first: Path, data: Path | None, plan: Path | None, reference: Path | None, named: dict[str, Any]
) -> Audit:
    pipeline = None if data is None else read_pipeline(first)
    if pipeline is not None and pipeline.card is not None and "positive" not in named:
        asked = load_plan(plan, **named)
        if asked.positive is None and asked.target is not None:
            named["positive"] = pipeline.card.positive_label
    model = pipeline if pipeline is not None and pipeline.card is not None else None
    source = first if data is None else data
    last = ""

    def progress(part: str, share: float) -> None:
        nonlocal last
        if part not in (last, "done"):
            last = part
            say(f"{share:4.0%}  {part.replace('_', ' ')} ...")

    return audited(model, source, plan, reference=reference, progress=progress, **named)


def _verdict(gate: Gate) -> dict[str, Any]:
    return {"passed": gate.passed, "reasons": list(gate.reasons)}


def _lines(gate: Gate | None) -> Iterator[str]:
    if gate is None:
        return
    yield ""
    if gate.passed:
        yield "Policy: kept."
        return
    yield f"Policy: not kept, for {len(gate.reasons)} reason{'s' * (len(gate.reasons) > 1)}."
    for reason in gate.reasons:
        yield f"  - {reason}"
