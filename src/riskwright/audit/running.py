"""`audit`: every audit that applies to a score, in one go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from riskwright.core import DataError, Finding, ParameterError, SearchError, generator
from riskwright.core.records import gravest_first
from riskwright.explanation import Actions, distill, responsiveness
from riskwright.metrics import evaluate, net_benefit, reliability
from riskwright.pipeline import RiskPipeline
from riskwright.stats import horizon_outcomes
from riskwright.stats._threads import one_blas_thread

from .data_quality import column_summaries
from .familiarity import Familiarity
from .group_gaps import group_gaps
from .hardness import hardness
from .linear_class import linear_columns
from .measuring import measured_findings, operating_point
from .multiplicity import Multiplicity
from .multiplicity_measures import tolerance_epsilon
from .multiplicity_sample import drawn_people, of_sample
from .numeric_columns import numeric_columns
from .plan import AuditPlan, Described, load_plan
from .report import Audit, AuditSubject
from .scored_rows import ScoredRows, feature_frame, scored_rows
from .selective_labels import selective_labels
from .slice_search import affordable_depth
from .slices import find_slices

__all__ = ["run_audit"]

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]

_SMALL_GROUPINGS = 6
_SPARED = "a score below the threshold"
_CELLS = 600  # of all curves of a distillation, whose cost grows with their cube
_MOST_CELLS = 4000
_MOST_EXPLAINED = 200_000
_BINS = (8, 64)  # least and most per curve
_SLICE_ALPHA = 0.99  # slices of a hundredth of the rows count where their loss is twice the mean


@dataclass
class _Run:
    """The state of one audit: what goes in, and what has been found so far."""

    rows: ScoredRows
    plan: AuditPlan
    reference: pl.DataFrame | None
    progress: Progress
    found: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)

    def step(self, part: str) -> Callable[[float, float], None]:
        """Progress within one part, which never falls where the part has several stages."""
        number, most = list(_RUNS).index(part), 0.0

        def tell(done: float, total: float) -> None:
            nonlocal most
            most = max(most, done / max(total, 1))
            self.progress(part, (number + most) / len(_RUNS))

        return tell

    @cached_property
    def known(self) -> tuple[NDArray[np.bool_], Floats, Floats | None]:
        """Rows whose outcome is known, their outcomes, and weights (IPCW under censoring)."""
        rows, plan = self.rows, self.plan
        assert rows.y is not None
        weight = rows.table.sample_weight
        if rows.time is not None:
            assert plan.horizon_time is not None
            at = horizon_outcomes(rows.time, rows.y, plan.horizon_time, sample_weight=weight)
            if not at.within:
                raise DataError(
                    "the follow-up does not reach the horizon",
                    where="horizon_time",
                    expected=f"at most {rows.time.max():g}",
                    got=f"{plan.horizon_time:g}",
                )
            kept = at.weight > 0
            return kept, at.y[kept], at.weight[kept]
        kept = ~np.isnan(rows.y)
        return kept, rows.y[kept], None if weight is None else weight[kept]


def run_audit(
    model_or_scores: Any,
    data: Any,
    plan: AuditPlan | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    reference: Any = None,
    progress: Progress | None = None,
    **stated: Any,
) -> Audit:
    """All audits that apply to a score on one table, each finding with its interval and digests.

    Parameters
    ----------
    model_or_scores : a fitted model with `predict_proba`, a `ScoreCard` or a model with one, a
        `RiskPipeline` (without a card the plan names the column of scores, which it calibrates),
        any callable from a polars frame of features to scores, an array of scores, or None where
        the plan names the column of scores.
    data : path, frame or `Table`
        Rows that the score was not learned from. A `Table` brings its own outcome, weights and
        groups; of a path or frame the plan names them.
    plan : `AuditPlan`, mapping or YAML file
        Columns, threshold, actions, what to skip; see `AuditPlan`.
    reference : path, frame or `Table` that the score was learned from, optional
        Tells how familiar the rows of `data` are.
    progress : called with the name of each part and the share done.
    **stated : keys of `AuditPlan`, before those of the plan.

    Returns
    -------
    Audit
        Parts that do not apply are None, with the reason in `not_run`. `gate` compares it with a
        policy, `save` writes it as JSON, page or Markdown.

    Raises
    ------
    DataError : the table or the scores cannot be used.
    ParameterError : an unknown key of the plan, contradictory actions.

    Notes
    -----
    The outcome's label that means yes is the one that the model was learned with, where the plan
    says nothing and the table has it; the threshold likewise that of a pipeline's rule, and one
    half for scores that are 0 and 1. Columns that cannot be read, such as dates or numbers mixed
    with text, are set aside, and `columns` says so.

    Minutes at most for 30,000 rows of 25 columns. Where a linear score meets so many
    distinct people that their ranges would take long, multiplicity is that of 200 to 2,000 drawn at
    random; of more than 200,000 rows the distillation reads as many, drawn likewise.

    Examples
    --------
    >>> import riskwright as rw
    >>> rng = np.random.default_rng(0)
    >>> age, sex = rng.integers(20, 80, 2000), rng.choice(["f", "m"], 2000)
    >>> risk = (age - 10) / 100
    >>> frame = pl.DataFrame({"age": age, "sex": sex, "ill": rng.random(2000) < risk})
    >>> found = rw.audit(risk, frame, target="ill", groups=["sex"], threshold=0.4)
    >>> found.gaps.reference, found.multiplicity
    ('rest', None)
    """
    start = time.perf_counter()
    with one_blas_thread():
        run = _begun(model_or_scores, data, load_plan(plan, **stated), reference, progress)
        _run_parts(run)
    return _audit(run, time.perf_counter() - start)


def _begun(
    model: Any, data: Any, plan: AuditPlan, reference: Any, progress: Progress | None
) -> _Run:
    """All that can be wrong with what was given is found here, before any work."""
    rows = scored_rows(model, data, plan)
    plan = _with_threshold(plan, rows)
    for tolerance in plan.tolerances:
        tolerance_epsilon(tolerance, 1.0, 1.0)
    features = rows.table.X.columns
    learned = None if reference is None else feature_frame(reference, features)
    run = _Run(rows, plan, learned, progress or (lambda name, share: None))
    if plan.actions is not None:
        run.found["actions"] = Actions.from_mapping(plan.actions, rows.table.X)
    return run


def _with_threshold(plan: AuditPlan, rows: ScoredRows) -> AuditPlan:
    """Stated, else that of the pipeline's rule; one half for a score that says yes or no."""
    threshold = plan.threshold
    if threshold is None and isinstance(rows.model, RiskPipeline):
        threshold = rows.model.threshold
    if threshold is None and rows.is_decision:
        threshold = 0.5
    if threshold is not None and rows.is_probability and not 0 <= threshold <= 1:
        raise ParameterError(
            "the scores are probabilities, and the threshold is none",
            where="threshold",
            expected="from 0 to 1",
            got=f"{threshold:g}",
        )
    return replace(plan, threshold=threshold)


def _run_parts(run: _Run) -> None:
    for number, (name, part) in enumerate(_RUNS.items()):
        run.progress(name, number / len(_RUNS))
        if name in run.plan.skip:
            run.not_run[name] = "left out by the plan"
            continue
        try:
            part(run)
        except (DataError, SearchError) as error:
            run.not_run[name] = f"the data do not allow it: {_plain(error)}"
    run.progress("done", 1.0)


def _plain(error: DataError | SearchError) -> str:
    """The message without its code."""
    return str(error).removesuffix(f" [{error.code}]").rstrip(".")


def _evaluation(run: _Run) -> None:
    rows, plan = run.rows, run.plan
    if rows.y is None:
        run.not_run["evaluation"] = "no outcome was named"
        return
    kept, y, weight = run.known
    score = rows.score[kept]
    options: dict[str, Any] = {"sample_weight": weight, "level": plan.level}
    if plan.threshold is not None:
        point = operating_point(y, score, plan.threshold, weight, plan.level)
        run.found["operating_point"] = point
    if rows.is_decision:
        run.not_run["evaluation"] = "the score only says yes or no: it has no risks to measure"
        return
    if not rows.is_probability:
        run.not_run["evaluation"] = "the scores are no probabilities; calibrate them first"
        return
    run.found["evaluation"] = evaluate(y, score, **options)
    run.found["reliability"] = reliability(y, score, **options)
    run.found["net_benefit"] = net_benefit(y, score, **options)
    run.found["by_group"] = dict(_reliability_by_group(run, kept, y, score, options))
    run.findings += measured_findings(run.found["evaluation"], y, score, weight, plan.level)


def _reliability_by_group(
    run: _Run, kept: Any, y: Floats, score: Floats, options: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    for column, labels in run.rows.groups.items():
        values, codes = np.unique(labels[kept].astype(str), return_inverse=True)
        if len(values) > _SMALL_GROUPINGS:
            continue
        for code, value in enumerate(values):
            inside = codes == code
            events = y[inside].sum()
            if min(events, inside.sum() - events) < run.plan.min_rows:
                continue
            weight = options["sample_weight"]
            part = options | {"sample_weight": None if weight is None else weight[inside]}
            yield f"{column} = {value}", reliability(y[inside], score[inside], **part)


def _groups(run: _Run) -> None:
    rows, plan = run.rows, run.plan
    if not rows.groups:
        run.not_run["groups"] = "no groups were named"
        return
    if rows.y is None:
        run.not_run["groups"] = "no outcome was named"
        return
    options: dict[str, Any] = {"at": plan.threshold, "level": plan.level}
    options["min_rows"] = plan.min_rows
    if rows.time is None:
        kept, y, weight = run.known
        groups = {name: labels[kept] for name, labels in rows.groups.items()}
        gaps = group_gaps(y, rows.score[kept], groups, sample_weight=weight, **options)
    else:
        options |= {"time": rows.time, "event": rows.y, "horizon": plan.horizon_time}
        weight = rows.table.sample_weight
        gaps = group_gaps(None, rows.score, rows.groups, sample_weight=weight, **options)
    run.found["gaps"] = gaps


def _slices(run: _Run) -> None:
    rows, plan = run.rows, run.plan
    if rows.y is None:
        run.not_run["slices"] = "no outcome was named"
        return
    kept, y, weight = run.known
    score = rows.score[kept]
    if rows.is_probability:
        name, loss = "squared error", (y - score) ** 2
    elif plan.threshold is not None:
        name, loss = "share of wrong decisions", 1.0 * ((score >= plan.threshold) != (y == 1))
    else:
        run.not_run["slices"] = "the scores are no probabilities and no threshold was named"
        return
    if not rows.columns:
        run.not_run["slices"] = "the table has no columns to find slices by"
        return
    table = pl.DataFrame(rows.columns).filter(pl.Series(kept))
    run.found["slices"] = find_slices(
        loss,
        table,
        depth=affordable_depth(table.width, plan.depth),
        alpha=_SLICE_ALPHA,
        sample_weight=weight,
        level=plan.level,
        loss_name=name,
        random_state=plan.seed,
        progress=run.step("slices"),
    )


def _multiplicity(run: _Run) -> None:
    rows, plan = run.rows, run.plan
    if rows.y is None:
        run.not_run["multiplicity"] = "no outcome was named"
        return
    if rows.time is not None or np.isnan(rows.y).any():
        run.not_run["multiplicity"] = "needs outcomes that are all observed"
        return
    columns = None if rows.is_decision else linear_columns(rows)
    if columns is None:
        run.not_run["multiplicity"] = (
            "the score only says yes or no"
            if rows.is_decision
            else "the score is neither a card of risks nor a linear model"
        )
        return
    fitted = Multiplicity(progress=run.step("multiplicity"))
    weight = rows.table.sample_weight
    fitted.fit(columns, rows.y, weight)
    n, width = columns.shape
    drawn = drawn_people(n, width, len(fitted.people_.rows), weight, plan.seed)
    inside = plan.threshold is not None and 0 < plan.threshold < 1
    found = fitted.report(
        None if drawn is None else columns[drawn],
        threshold=plan.threshold if inside else None,
        tolerances=plan.tolerances,
    )
    run.found["multiplicity"] = (
        found if drawn is None else of_sample(found, rows.table.n, plan.seed)
    )


def _responsiveness(run: _Run) -> None:
    rows, plan = run.rows, run.plan
    actions = run.found.get("actions")
    if actions is None:
        run.not_run["responsiveness"] = "no actions were stated: the plan's `actions`"
    elif rows.predict is None:
        run.not_run["responsiveness"] = (
            "needs the model as a function of the table's features, not only its scores"
        )
    elif plan.threshold is None:
        run.not_run["responsiveness"] = "no threshold was named"
    elif (rows.score < plan.threshold).all():
        run.not_run["responsiveness"] = "at this threshold nobody is flagged"
    else:
        predict, threshold = rows.predict, plan.threshold
        found = responsiveness(
            lambda frame: predict(frame) < threshold,
            rows.table.X,
            actions,
            target=True,
            level=plan.level,
            random_state=plan.seed,
            progress=run.step("responsiveness"),
        )
        report = found.report(rows.points(found.features))
        run.found["responsiveness"] = replace(report, target=_SPARED)


def _distillation(run: _Run) -> None:
    rows, plan = run.rows, run.plan
    if rows.card is not None:
        run.not_run["distillation"] = "the score is a card: it shows what it uses"
        return
    if not rows.table.X.width:
        run.not_run["distillation"] = "the table has no columns to explain the score by"
        return
    bins = int(np.clip(_CELLS // rows.table.X.width, *_BINS))
    cells = _cells(rows.table.X, bins)
    if cells > _MOST_CELLS:
        run.not_run["distillation"] = (
            f"the table's columns have {cells:,} bins and levels, above {_MOST_CELLS:,}: name "
            "columns to leave out as `ignore`"
        )
        return
    weighted = rows.time is not None or rows.table.sample_weight is not None
    y = None if weighted else rows.y
    kept = np.ones(rows.table.n, dtype=bool) if y is None else ~np.isnan(y)
    drawn = _drawn(np.flatnonzero(kept), plan.seed)
    step = run.step("distillation")
    found = distill(
        rows.score[drawn],
        rows.table.X[drawn],
        outcome=None if y is None else y[drawn],
        bins=bins,
        level=plan.level,
        random_state=plan.seed,
        progress=lambda share: step(share, 4),
    )
    report = found.report(progress=lambda share: step(1 + 3 * share, 4))
    if len(drawn) < kept.sum():
        some = f"{len(drawn):,} of {kept.sum():,} rows drawn at random (seed {plan.seed})"
        report = replace(report, method=f"{report.method}; {some}")
    run.found["distillation"] = report
    if rows.y is not None and weighted:
        run.findings.append(_not_compared(int(kept.sum())))


def _cells(X: pl.DataFrame, bins: int) -> int:
    """At most how many bins and levels the curves of these columns have."""
    return sum(
        min(column.n_unique(), bins) if column.dtype.is_numeric() else column.n_unique()
        for column in X
    )


def _drawn(rows: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """At most so many rows as say all that curves can say."""
    if len(rows) <= _MOST_EXPLAINED:
        return rows
    return np.sort(generator(seed).choice(rows, _MOST_EXPLAINED, replace=False))


def _not_compared(n: int) -> Finding:
    return Finding(
        code="distillation.not_compared",
        sentence=f"What the score makes of each column was described for {n:,} people but not "
        "compared with the outcomes: that comparison takes no weights and no censored outcomes.",
        severity="info",
        method="none",
    )


def _selective_labels(run: _Run) -> None:
    rows, plan = run.rows, run.plan
    if rows.observed is None or rows.y is None:
        run.not_run["selective_labels"] = "no column says whether the outcome was observed"
        return
    grouping = next(iter(rows.groups.values()), None)
    run.found["selective_labels"] = selective_labels(
        numeric_columns(rows.columns),
        rows.y,
        rows.observed,
        prevalence=plan.prevalence,
        expertise=plan.expertise,
        groups=grouping,
        level=plan.level,
    ).report()


def _familiarity(run: _Run) -> None:
    if run.reference is None:
        run.not_run["familiarity"] = "no reference table: the rows that the score was learned from"
        return
    columns = run.reference.columns
    if not columns:
        run.not_run["familiarity"] = "the reference table shares no usable column with these rows"
        return
    X = run.rows.table.X
    known = Familiarity(seed=run.plan.seed).fit(run.reference)
    found = known.report(X.select(columns), level=run.plan.level).findings
    absent = [name for name in X.columns if name not in columns]
    if absent:
        without = f"; without {', '.join(absent)}: no feature in the reference table"
        found = tuple(replace(finding, method=finding.method + without) for finding in found)
    run.findings += found


def _data(run: _Run) -> None:
    rows = run.rows
    run.found["columns"] = column_summaries(rows.table)
    if rows.y is not None and rows.is_probability and rows.time is None:
        kept, y, _ = run.known
        run.findings += hardness(rows.score[kept], y, level=run.plan.level).findings


_RUNS: dict[str, Callable[[_Run], None]] = {
    "evaluation": _evaluation,
    "groups": _groups,
    "slices": _slices,
    "multiplicity": _multiplicity,
    "responsiveness": _responsiveness,
    "distillation": _distillation,
    "selective_labels": _selective_labels,
    "familiarity": _familiarity,
    "data": _data,
}


def _audit(run: _Run, seconds: float) -> Audit:
    rows, found = run.rows, run.found
    parts = ("gaps", "slices", "multiplicity", "responsiveness", "distillation", "selective_labels")
    for name in parts:
        if found.get(name) is not None:
            run.findings += found[name].findings
    digests = {"score": rows.score_digest, "data": rows.table.data_digest}
    findings = gravest_first(
        replace(finding, digests={**digests, **finding.digests}) for finding in run.findings
    )
    y = rows.y
    return Audit(
        subject=_subject(run),
        n=rows.table.n,
        events=0.0 if y is None else float(np.nansum(y)),
        card=rows.card,
        evaluation=found.get("evaluation"),
        reliability=found.get("reliability"),
        reliability_by_group=found.get("by_group", {}),
        net_benefit=found.get("net_benefit"),
        operating_point=found.get("operating_point"),
        **{name: found.get(name) for name in parts},
        columns=found.get("columns", ()),
        findings=tuple(findings),
        not_run=run.not_run,
        level=run.plan.level,
        seconds=seconds,
        horizon_time=run.plan.horizon_time,
    )


def _subject(run: _Run) -> AuditSubject:
    """In the words of the plan, else of the card, else of the table."""
    plan, rows, card = run.plan, run.rows, run.rows.card
    outcome = rows.table.outcome or plan.target or ""
    if rows.table.positive_label:
        outcome += f" = {rows.table.positive_label}"
    words: dict[str, Any] = {
        "title": f"Score of {outcome or 'risk'}",
        "outcome": outcome,
        "date": date.today().isoformat(),
    }
    if card is not None:
        words |= {name: getattr(card, name) for name in ("title", "outcome", "version", "limits")}
        words["population"] = card.population if card.population != "not stated" else ""
    stated = {name: getattr(plan, name) for name in Described.__struct_fields__}
    words |= {name: value for name, value in stated.items() if value}
    return AuditSubject(
        **words,
        score_digest=rows.score_digest,
        data_digest=rows.table.data_digest,
        data_name=rows.table.source,
    )
