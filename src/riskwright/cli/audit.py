"""`riskwright audit`: what a score does to people, on one page, against a policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from riskwright.audit import Audit, Gate, load_plan, load_policy
from riskwright.audit import run_audit as audited
from riskwright.cards import audit_text
from riskwright.core import ScoreCard, UsageError, load, read_artifact
from riskwright.core.registry import page_writers
from riskwright.pipeline import RiskPipeline

from .running import check_outputs, read_card, say, show, show_json, verb

__all__ = ["audit"]

_PAUSE = 5.0  # seconds between two words about the same part


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
        Without a card: the column of the table with the scores of any model.
    positive
        The outcome's label that means yes; by default the one the card was learned with.
    weight
        Column of row weights.
    groups
        Columns to compare people by; their intersections are compared too.
    threshold
        The score from which a person is flagged; by default that of a saved rule.
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
    _check_kinds(out or ())
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


def _check_kinds(out: Sequence[Path]) -> None:
    """Refuse, before any work, files of a kind that an audit is not written as."""
    for path in out:
        if path.suffix.lower() not in (".json", *page_writers.names()):
            raise UsageError(
                "unknown kind of file",
                where=str(path),
                expected=".html, .md or .json",
                got=path.suffix or "no ending",
            )


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
    asked = load_plan(plan, **named)
    model = None if data is None else _score(first)
    own = isinstance(model, RiskPipeline) and model.card is None
    if data is None and asked.score is None:
        raise UsageError(
            "which scores?",
            where=str(first),
            expected="a saved score and a table, or a table and the column of its scores",
            hint="Name --score COLUMN",
        )
    if own and asked.score is None:
        raise UsageError(
            "which scores?",
            where=str(first),
            expected="the column with the scores, which this file has no card to make",
            hint="Name --score COLUMN",
        )
    if model is not None and not own and "score" in named:
        raise UsageError(
            "this score reads its own columns", where="--score", hint="Leave out --score"
        )
    if asked.threshold is None and isinstance(model, RiskPipeline) and model.threshold is not None:
        say(f"Threshold {model.threshold:.6g}: that of the saved rule.")
    source = first if data is None else data
    return audited(model, source, asked, reference=reference, progress=_teller())


def _score(path: Path) -> RiskPipeline | ScoreCard:
    """A saved score, calibrator or pipeline."""
    kind = read_artifact(path)["kind"]
    if kind == "calibrator":
        return RiskPipeline(calibrator=load(path))
    if kind == "pipeline":
        found: RiskPipeline = load(path)
        return found
    if kind in ("risk_score", "scoring_system"):
        return read_card(path)
    raise UsageError(
        "not a score",
        where=str(path),
        expected="a saved score, calibrator or pipeline before the table",
        got=f"a saved {kind.replace('_', ' ')}",
    )


def _teller() -> Callable[[str, float], None]:
    """Says each part as it begins, and the share done of those that take long."""
    last, told = "", 0.0

    def tell(part: str, share: float) -> None:
        nonlocal last, told
        now = time.monotonic()
        if part != "done" and (part != last or now - told >= _PAUSE):
            last, told = part, now
            say(f"{share:4.0%}  {part.replace('_', ' ')} ...")

    return tell


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
