"""`riskwright decide`: a decision rule certified to keep risk budgets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from riskwright.core import UsageError, save
from riskwright.decision import (
    Abstain,
    Budget,
    Conformal,
    RiskCertificate,
    Strictness,
    ThreeWay,
    Threshold,
    read_budgets,
    read_regimes,
)
from riskwright.metrics import evaluate
from riskwright.pipeline import RiskPipeline

from .pages import page_of
from .running import check_outputs, say, show, show_json, verb, write
from .scored import Scored, digest_of, read_scored
from .tables import bound_lines, bound_words, share_words, wrapped

__all__ = ["decide"]


@verb
def decide(
    first: Path,
    data: Path | None = None,
    /,
    *,
    target: str,
    budget: Annotated[list[str] | None, Parameter(negative="")] = None,
    budgets: Path | None = None,
    score: str | None = None,
    three_way: Annotated[bool, Parameter(negative="")] = False,
    abstain: Annotated[bool, Parameter(negative="")] = False,
    positive: str | None = None,
    groups: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    out: Path | None = None,
    html: Path | None = None,
    seed: int = 0,
    delimiter: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Choose a threshold that keeps risk budgets on new data, with its certificate.

    The rows must be new to the score and to the calibrator. A budget that they cannot certify is
    an answer: the best level and the labels needed are printed, the rule abstains, exit code 1.
    "miss rate <= 5% in expectation" instead of a confidence asks for conformal risk control.

    Parameters
    ----------
    first
        A saved score or pipeline, such as card/score.json; or a table that holds scores.
    data
        After a saved score or pipeline: CSV, Parquet or Arrow file with the outcome.
    target
        The outcome column; with --abstain, 1 where the answer was wrong.
    budget
        Such as "miss rate <= 5% with 95% confidence" or "precision >= 90% per sex"; repeatable.
    budgets
        YAML file with a list of budgets, or with regimes from the strictest to the loosest.
    score
        Without a card: the column of the table with the scores of any model.
    three_way
        Pass, escalate or block: two thresholds from a miss rate and a false alarm rate.
    abstain
        Answer or abstain: the score is a confidence, the target says which answers were wrong.
    positive
        The outcome's label that means yes.
    groups
        Columns of groups, for budgets "per" one of them and for the page.
    out
        Pipeline to write: card, calibrator and rule, for `riskwright score`.
    html
        Page with certificate, figures and displays to write.
    seed
        Of the rows set apart where a budget needs them.
    delimiter
        Of CSV columns; found by itself by default.
    json
        Print the certificate as JSON.
    """
    check_outputs(out, html, inputs=[first, data, budgets])
    asked = [Budget.parse(text) for text in budget or ()]
    regimes: dict[str, Budget] = {}
    if budgets is not None:
        regimes = read_regimes(budgets)
        asked += [] if regimes else read_budgets(budgets)
    if not asked and not regimes:
        raise UsageError("no budget", where="--budget", hint="Name --budget or --budgets")
    rule: Any = _rule(asked, regimes, three_way=three_way, abstain=abstain, seed=seed)
    named = {b.per for b in (*asked, *regimes.values()) if b.per is not None}
    rows = read_scored(
        first,
        data,
        score,
        target=target,
        positive=positive,
        groups=[*(groups or ()), *sorted(named)],
        delimiter=delimiter,
    )
    if rows.taught_calibrator:
        raise UsageError(
            "these rows taught the calibrator, so they cannot certify a rule on it",
            where=rows.source,
            expected="rows that neither score nor calibrator has seen",
            hint="Split the table: one part to calibrate, another to decide",
        )
    risk = rows.pipeline.risk(rows.score, rows.labels) if html is None else rows.risk()
    options = {} if isinstance(rule, Conformal) else {"groups": rows.groups or None}
    rule.fit(risk, rows.y, **options)
    certificate: RiskCertificate = rule.certificate_
    page = None if html is None else _page(rows, risk, certificate)
    if rows.pipeline.rule is not None:
        say("Note: the rule of this pipeline is left behind; the new one takes its place.")
    if out is not None:
        digests = {**rows.pipeline.digests, "rule": digest_of(rows.score, rows.y)}
        before = rows.pipeline
        decided = RiskPipeline(before.card, before.calibrator, rule, by=before.by, digests=digests)
        save(decided, out)
        say(f"Pipeline: {out}")
    if html is not None and page is not None:
        write(html, page)
        say(f"Page: {html}")
    if json:
        show_json(certificate)
    else:
        say(rows.heading)
        if rows.pipeline.calibrator is not None:
            say("The score of the rule is the calibrated risk.")
        show("\n".join(_lines(certificate)))
    return 0 if certificate.certified else 1


def _rule(
    asked: Sequence[Budget],
    regimes: dict[str, Budget],
    *,
    three_way: bool,
    abstain: bool,
    seed: int,
) -> Any:
    if regimes:
        if asked or three_way or abstain:
            raise UsageError("regimes stand alone", where="--budgets")
        return Strictness(regimes)
    if any(budget.delta is None for budget in asked):
        if len(asked) > 1 or three_way or abstain:
            raise UsageError("control in expectation takes one budget alone", where="--budget")
        return Conformal(asked[0])
    if three_way:
        by_name = {budget.name: budget for budget in asked}
        if set(by_name) != {"miss rate", "false alarm rate"} or len(asked) != 2:
            raise UsageError(
                "pass, escalate or block needs two budgets",
                where="--three-way",
                expected="one on the miss rate, one on the false alarm rate",
            )
        return ThreeWay(by_name["miss rate"], by_name["false alarm rate"])
    if abstain:
        return Abstain(list(asked), random_state=seed)
    return Threshold(list(asked), random_state=seed)


def _lines(certificate: RiskCertificate) -> Iterator[str]:
    yield f"Verdict: {certificate.verdict}"
    yield ""
    yield wrapped(certificate.statement)
    yield ""
    yield from bound_lines(certificate.bounds)
    yield ""
    for name, estimate in certificate.details.items():
        yield f"{name[:1].upper()}{name[1:]}: {share_words(estimate)}"
    yield wrapped(f"Method: {certificate.method}", "  ")
    yield "Assumes:"
    yield from (wrapped(f"- {text}", "  ") for text in certificate.assumptions)


def _page(rows: Scored, risk: Any, certificate: RiskCertificate) -> str:
    shown: list[tuple[str, str]] = [("Verdict", certificate.verdict)]
    for bound in certificate.bounds:
        group = "" if bound.group is None else f" — {bound.group}"
        shown.append((f"{bound.budget}{group}", bound_words(bound)))
    for name, estimate in certificate.details.items():
        shown.append((f"{name[:1].upper()}{name[1:]}", share_words(estimate)))
    shown += [
        ("Method", certificate.method),
        ("Assumes", " ".join(certificate.assumptions)),
        ("Data", certificate.data_digest),
    ]
    section: Any = {"heading": "Decision", "statement": certificate.statement, "rows": shown}
    if certificate.rule == "abstain":
        right = replace(rows, y=1 - rows.y, outcome=f"answered right (not {rows.outcome})")
        figures = evaluate(right.y, risk, groups=right.groups or None)
        return page_of(right, risk, figures, decisions=[section], confidence=True)
    figures = evaluate(rows.y, risk, groups=rows.groups or None)
    return page_of(rows, risk, figures, decisions=[section], thresholds=_cuts(certificate))


def _cuts(certificate: RiskCertificate) -> dict[str, float]:
    """Thresholds by name, those at which something can be drawn."""
    found: dict[str, float] = {}
    for name, value in certificate.thresholds.items():
        if isinstance(value, int | float) and math.isfinite(value):
            found[name] = float(value)
    return found
