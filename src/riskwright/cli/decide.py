"""`riskwright decide`: a decision rule certified to keep risk budgets."""

from __future__ import annotations

from collections.abc import Sequence
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
    bounds_table,
    read_budgets,
    read_regimes,
)
from riskwright.metrics import evaluate
from riskwright.pipeline import RiskPipeline

from .pages import page_of
from .running import say, show, show_json, verb, write
from .scored import Scored, digest_of, read_scored

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
    steps: Path | None = None,
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

    Parameters
    ----------
    first
        A saved score or pipeline, such as card/score.json; or a table that holds scores.
    data
        For a saved score: CSV, Parquet or Arrow file with the outcome.
    target
        The outcome column; with --abstain, 1 where the answer was wrong.
    budget
        Such as "miss rate <= 5% with 95% confidence" or "precision >= 90% per sex"; repeatable.
        "in expectation" instead of a confidence asks for conformal risk control.
    budgets
        YAML file with a list of budgets, or with regimes from the strictest to the loosest.
    score
        In a table of scores: the column with the scores of any model.
    steps
        For a table of scores: a pipeline with the calibrator to apply first.
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
    asked = [Budget.parse(text) for text in budget or ()]
    regimes: dict[str, Budget] = {}
    if budgets is not None:
        regimes = read_regimes(budgets)
        asked += [] if regimes else read_budgets(budgets)
    if not asked and not regimes:
        raise UsageError("no budget", where="--budget", hint="Name --budget or --budgets")
    named = {b.per for b in (*asked, *regimes.values()) if b.per is not None}
    rows = read_scored(
        first,
        data,
        score,
        target=target,
        positive=positive,
        groups=list(dict.fromkeys([*(groups or ()), *sorted(named)])),
        delimiter=delimiter,
        pipeline=steps,
    )
    _refuse_used_rows(rows, str(data or first))
    risk = rows.pipeline.risk(rows.score)
    rule: Any = _rule(asked, regimes, three_way=three_way, abstain=abstain, seed=seed)
    options = {} if isinstance(rule, Conformal) else {"groups": rows.groups or None}
    rule.fit(risk, rows.y, **options)
    certificate: RiskCertificate = rule.certificate_
    if out is not None:
        digests = {**rows.pipeline.digests, "rule": digest_of(rows.score, rows.y)}
        save(RiskPipeline(rows.pipeline.card, rows.pipeline.calibrator, rule, digests=digests), out)
        say(f"Pipeline: {out}")
    if html is not None:
        write(html, _page(rows, risk, certificate, str(data or first)))
        say(f"Page: {html}")
    if json:
        show_json(certificate)
    else:
        say(f"{rows.title}: {rows.outcome} in {data or first}")
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


def _refuse_used_rows(rows: Scored, source: str) -> None:
    if rows.pipeline.digests.get("calibrator") == rows.digest:
        raise UsageError(
            "these rows taught the calibrator, so they cannot certify a rule on it",
            where=source,
            expected="rows that neither score nor calibrator has seen",
            hint="Split the table: one part to calibrate, another to decide",
        )


def _lines(certificate: RiskCertificate) -> list[str]:
    lines = [
        f"Verdict: {certificate.verdict}",
        "",
        certificate.statement,
        "",
        *bounds_table(certificate.bounds),
        "",
    ]
    lines += [f"{name}: {estimate}" for name, estimate in certificate.details.items()]
    lines += [f"Method: {certificate.method}", "Assumes:"]
    return [*lines, *(f"- {text}" for text in certificate.assumptions)]


def _page(rows: Scored, risk: Any, certificate: RiskCertificate, source: str) -> str:
    shown = [
        ("Verdict", certificate.verdict),
        *(
            (
                bound.budget + (f" [{bound.group}]" if bound.group is not None else ""),
                f"seen {bound.empirical:.4g} among {bound.members:,}, at most {bound.upper:.4g}"
                + ("" if bound.met else " (not met)"),
            )
            for bound in certificate.bounds
        ),
        ("Method", certificate.method),
        *(("Assumes", text) for text in certificate.assumptions),
        ("Data", certificate.data_digest),
    ]
    figures = evaluate(rows.y, risk, groups=rows.groups or None)
    section: Any = {"heading": "Decision", "statement": certificate.statement, "rows": shown}
    return page_of(rows, risk, figures, source=source, decisions=[section])
