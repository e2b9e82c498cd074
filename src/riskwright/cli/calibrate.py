"""`riskwright calibrate`: scores turned into probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from riskwright.calibration import Calibrator
from riskwright.core import Estimate, UsageError, generator, save
from riskwright.metrics import brier, calibration_error, evaluate, log_loss
from riskwright.pipeline import RiskPipeline
from riskwright.plots import ReliabilityDisplay

from .pages import page_of
from .running import check_outputs, say, show, show_json, verb, write
from .scored import Scored, digest_of, read_scored
from .tables import wrapped

__all__ = ["calibrate"]

Floats = NDArray[np.float64]
Method = Literal["auto", "platt", "temperature", "beta", "isotonic", "histogram", "venn-abers"]
_FOLDS = 5


@verb
def calibrate(
    first: Path,
    data: Path | None = None,
    /,
    *,
    target: str,
    score: str | None = None,
    method: Method = "auto",
    by: str | None = None,
    positive: str | None = None,
    weight: str | None = None,
    out: Path | None = None,
    html: Path | None = None,
    seed: int = 0,
    delimiter: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Learn the map from scores to probabilities, on rows that the score has not seen.

    The file written is a pipeline: the card, if there is one, and the calibrator. The figures
    after calibration are cross-fitted: no row is judged by a map that it helped to learn.

    Parameters
    ----------
    first
        A saved score, such as card/score.json; or a table that holds scores.
    data
        After a saved score: CSV, Parquet or Arrow file with the outcome.
    target
        The outcome column.
    score
        In a table of scores: the column with the scores of any model.
    method
        How; auto takes the one with the smallest cross-fitted log loss.
    by
        Column of groups, each with a calibrator of its own; later verbs take it too.
    positive
        The outcome's label that means yes.
    weight
        Column of row weights.
    out
        Pipeline to write, such as calibrated.json.
    html
        Page with reliability before and after to write.
    seed
        Of folds.
    delimiter
        Of CSV columns; found by itself by default.
    json
        Print the figures as JSON.
    """
    check_outputs(out, html, inputs=[first, data])
    rows = read_scored(
        first,
        data,
        score,
        target=target,
        positive=positive,
        weight=weight,
        groups=[by] if by else None,
        delimiter=delimiter,
    )
    _refuse_later_steps(rows.pipeline, first)
    labels = rows.groups[by] if by else None
    model = Calibrator(method, by="group" if by else None, random_state=seed)
    model.fit(rows.score, rows.y, rows.weight, labels)
    after = _cross_fitted(model, rows, labels, seed)
    inside = bool(((rows.score >= 0) & (rows.score <= 1)).all())
    figures = {
        "before": _figures(rows, rows.score) if inside else None,
        "after": _figures(rows, after),
    }
    page = None if html is None else _page(rows, model, after, figures)
    if out is not None:
        digests = {"calibrator": digest_of(rows.score, rows.y)}
        save(RiskPipeline(rows.pipeline.card, model, by=by, digests=digests), out)
        say(f"Pipeline: {out}")
    if html is not None and page is not None:
        write(html, page)
        say(f"Page: {html}")
    if json:
        show_json(
            {
                "method": model.chosen_,
                "candidates": model.candidates_,
                "left_out": model.left_out_,
                "fallback_groups": model.fallback_groups_,
                **figures,
            }
        )
        return
    say(rows.heading)
    show("\n".join(_lines(model, figures)))


def _refuse_later_steps(pipeline: RiskPipeline, first: Path) -> None:
    if pipeline.calibrator is not None:
        raise UsageError("is calibrated already", where=str(first), hint="Calibrate its score anew")
    if pipeline.rule is not None:
        raise UsageError(
            "has a rule, which calibration would make void",
            where=str(first),
            hint="Calibrate the score first, then decide",
        )


def _cross_fitted(model: Calibrator, rows: Scored, labels: Any, seed: int) -> Floats:
    """Probabilities of every row by a map of the chosen method that other rows taught.

    A group that is all in one fold has the map of all other rows.
    """
    fold = _folds(rows.y, seed)
    found = np.empty(rows.score.size)
    for k in range(_FOLDS):
        train, test = fold != k, fold == k
        found[test] = _taught(model, rows, None, train, seed).predict(rows.score[test])
        if labels is not None:
            known = test & np.isin(labels.astype(str), np.unique(labels[train].astype(str)))
            one = _taught(model, rows, labels, train, seed)
            found[known] = one.predict(rows.score[known], labels[known])
    return found


def _folds(y: Any, seed: int) -> NDArray[np.intp]:
    """Numbers of folds, each with its share of both outcomes."""
    fold, rng = np.empty(y.size, np.intp), generator(seed, 7)
    for outcome in (False, True):
        members = np.flatnonzero((np.asarray(y) == 1) == outcome)
        if members.size < 2:
            raise UsageError(
                "too few rows to judge a calibration",
                where="target",
                expected="two rows of each outcome at the least",
                got=f"{members.size} of one of them",
            )
        fold[members] = rng.permutation(members.size) % _FOLDS
    return fold


def _taught(model: Calibrator, rows: Scored, labels: Any, train: Any, seed: int) -> Calibrator:
    chosen: Any = model.chosen_
    one = Calibrator(chosen, by=None if labels is None else "group", random_state=seed)
    weight = None if rows.weight is None else rows.weight[train]
    groups = None if labels is None else labels[train]
    return one.fit(rows.score[train], rows.y[train], weight, groups)


def _figures(rows: Scored, p: Floats) -> dict[str, Estimate]:
    options: Any = {"sample_weight": rows.weight}
    return {
        "log loss": log_loss(rows.y, p, **options),
        "Brier score": brier(rows.y, p, **options),
        "smooth calibration error": calibration_error(rows.y, p, kind="smooth", **options),
    }


def _lines(model: Calibrator, figures: dict[str, Any]) -> Iterator[str]:
    yield f"Method: {model.chosen_}"
    if model.candidates_:
        yield f"  {'cross-fitted log loss':<26}{'value':>7}  95% interval"
    for name, estimate in sorted(model.candidates_.items(), key=lambda pair: pair[1].value):
        mark = "  chosen" if name == model.chosen_ else ""
        yield f"  {name:<26}{estimate.value:>7.3f}  {_span(estimate)}{mark}"
    for name, reason in model.left_out_.items():
        yield f"  {name:<26}{'':>7}  left out: {reason}"
    for group, reason in model.fallback_groups_.items():
        yield wrapped(f"  Group {group} has the calibrator of all rows: {reason}.", "    ")
    yield ""
    before = figures["before"]
    yield f"{'':<26}{'before':<26}after, cross-fitted"
    for name, estimate in figures["after"].items():
        was = "no probabilities" if before is None else _told(before[name])
        yield f"{name:<26}{was:<26}{_told(estimate)}"


def _span(estimate: Estimate) -> str:
    if estimate.low != estimate.low:
        return "no interval"
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({_span(estimate)})"


def _page(rows: Scored, model: Calibrator, after: Floats, figures: dict[str, Any]) -> str:
    options: Any = {"sample_weight": rows.weight}
    before, both = figures["before"], None
    if before is not None:
        both = (
            ReliabilityDisplay.from_predictions(rows.y, rows.score, **options),
            ReliabilityDisplay.from_predictions(rows.y, after, **options),
        )
    chosen = ", the smallest cross-fitted log loss of all methods tried" * bool(model.candidates_)
    told = [
        (name, ("" if before is None else f"{_told(before[name])} → ") + _told(estimate))
        for name, estimate in figures["after"].items()
    ]
    for group, reason in model.fallback_groups_.items():
        told.append((f"Group {group}", f"has the calibrator of all rows: {reason}"))
    section: Any = {
        "heading": "Calibration",
        "statement": f"The scores are calibrated by {model.chosen_}{chosen}.",
        "rows": told,
    }
    overall = evaluate(rows.y, after, sample_weight=rows.weight, groups=rows.groups or None)
    notes = (
        "All figures and displays are of cross-fitted calibrated probabilities: no row is judged "
        "by a map that it helped to learn.",
    )
    return page_of(rows, after, overall, decisions=[section], calibration=both, notes=notes)
