"""`riskwright score`: a card or pipeline applied to a file, or to one person, the sum shown."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from riskwright.cards import wording
from riskwright.core import ScoreCard, UsageError, load, read_artifact
from riskwright.pipeline import Finish, RiskPipeline
from riskwright.scoring.deployment import RowScorer, score_file

from .running import (
    check_outputs,
    parsed_json,
    read_card,
    say,
    show,
    show_exactly,
    show_json,
    verb,
    write_frame,
)

__all__ = ["score"]

_REPORT_SECONDS = 0.2


@verb
def score(
    score: Path,
    data: Path | None = None,
    /,
    *,
    out: Path | None = None,
    row: str | None = None,
    column: Annotated[str | None, Parameter(name="--score")] = None,
    regime: str | None = None,
    keep: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    delimiter: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Score a table, or one person.

    The output has the columns of the table and two more, points and risk; with a pipeline the risk
    is calibrated, and decision and reason follow where it has a rule.

    Parameters
    ----------
    score
        The saved score or pipeline, such as card/score.json.
    data
        CSV, Parquet or Arrow; rows stream through, so any size will do.
    out
        File to write, .csv or .parquet; CSV on standard output if there is none.
    row
        One person instead of a table, as JSON; null stands for a missing value.
    column
        For a pipeline without a card: the column of the scores.
    regime
        Of a rule that has several.
    keep
        Columns of the table to carry along; all of them by default.
    delimiter
        Of CSV columns; found by itself by default.
    json
        Print the result, or a summary of a file written, as JSON.
    """
    if row is not None and (out is not None or keep or delimiter is not None):
        raise UsageError("--out, --keep and --delimiter are for tables, not for --row")
    if (data is None) == (row is None):
        raise UsageError("give either a table or --row")
    pipeline = _pipeline(score)
    if json and row is None and out is None:
        raise UsageError("JSON holds a summary, so the rows need a file", hint="Name --out")
    if pipeline is not None and pipeline.card is None and column is None:
        raise UsageError("this pipeline has no card", where=str(score), hint="Name --score COLUMN")
    if (pipeline is None or pipeline.card is not None) and column is not None:
        raise UsageError("this score reads its own columns", where="--score")
    if pipeline is None and regime is not None:
        raise UsageError("only pipelines have regimes", where="--regime")
    grouped = pipeline is not None and bool(pipeline.reads)
    if pipeline is not None and row is not None and (column is not None or grouped):
        _show_person(pipeline, parsed_json(row, "--row"), column, regime, json)
        return
    if pipeline is not None and data is not None and (column is not None or grouped):
        _score_frame(pipeline, data, column, out, regime, keep, delimiter, json)
        return
    card = read_card(score)
    finish = None if pipeline is None else Finish(pipeline, regime)
    if row is not None:
        _score_row(card, row, json, finish)
    elif data is not None and out is not None:
        check_outputs(out, inputs=[score, data])
        _score_table(card, data, out, keep, delimiter, json, finish)
    elif data is not None:
        _score_to_stdout(card, data, keep, delimiter, finish)


def _pipeline(path: Path) -> RiskPipeline | None:
    """The pipeline of a saved one; libraries of calibrators and rules load only for it."""
    kind = read_artifact(path)["kind"]
    if kind == "calibrator":
        return RiskPipeline(calibrator=load(path))
    if kind != "pipeline":
        return None
    found: RiskPipeline = load(path)
    return found


def _score_frame(
    pipeline: RiskPipeline,
    data: Path,
    column: str | None,
    out: Path | None,
    regime: str | None,
    keep: list[str] | None,
    delimiter: str | None,
    json: bool,
) -> None:
    """A table in memory: scores of any model, or calibration by group."""
    from .scored import completed

    check_outputs(out, inputs=[data])
    frame = completed(pipeline, data, column, regime, keep, delimiter)
    if out is None:
        show_exactly(frame.write_csv())
        return
    write_frame(frame, out)
    say(f"Scored {frame.height:,} rows: {out}")
    if json:
        show_json({"rows": frame.height, "out": str(out)})


def _show_person(
    pipeline: RiskPipeline,
    values: dict[str, Any],
    column: str | None,
    regime: str | None,
    json: bool,
) -> None:
    """One person, by the same way as a table of one row."""
    for name in (*([] if column is None else [column]), *pipeline.reads):
        if name not in values:
            raise UsageError("absent", where="--row", expected=f"a value of {name!r}")
    found: dict[str, Any] = {}
    if pipeline.card is not None:
        given = RowScorer(pipeline.card)(values)
        found, score = {"total": given.total}, given.risk
    else:
        score = values[column or ""]
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise UsageError("not a number", where=f"--row, {column!r}", got=repr(score))
    labels = {name: [values[name]] for name in pipeline.reads}
    found |= pipeline.apply([score], labels, regime=regime).row(0, named=True)
    if json:
        show_json(found)
        return
    if "total" in found:
        show(f"Total {found['total']:g}".replace("-", wording.MINUS))
    show(f"Risk {wording.percent(found['risk'])} ({found['risk']!r})")
    if "decision" in found:
        show(f"Decision: {found['decision']} ({found['reason']})")


def _score_row(card: ScoreCard, text: str, json: bool, finish: Finish | None) -> None:
    values = parsed_json(text, "--row")
    scorer = RowScorer(card)
    result, added = scorer(values), scorer.explain(values)
    after = {} if finish is None or result.risk is None else finish.row(result.risk)
    if json:
        terms = [{"term": a.term.item.label, "points": a.points} for a in added]
        show_json({**result._asdict(), **after, "added": terms})
        return
    lines = [(a.term.item.label, f"{a.points:+g}") for a in added]
    width = max([5, *(len(label) for label, _ in lines)])
    for label, points in lines:
        show(f"{label:<{width}}  {points.replace('-', wording.MINUS):>6}")
    show("─" * (width + 8))
    show(f"{'Total':<{width}}  {f'{result.total:g}'.replace('-', wording.MINUS):>6}")
    show(wording.formula(card))
    if result.risk is not None:
        show(f"Risk {wording.percent(result.risk)} ({result.risk!r})")
        if "risk" in after and after["risk"] != result.risk:
            show(f"Calibrated risk {wording.percent(after['risk'])} ({after['risk']!r})")
        if "decision" in after:
            show(f"Decision: {after['decision']} ({after['reason']})")
    else:
        show(f"Predicted: {'yes' if result.predicted else 'no'}")


def _score_table(
    card: ScoreCard,
    data: Path,
    out: Path,
    keep: list[str] | None,
    delimiter: str | None,
    json: bool,
    finish: Finish | None,
) -> None:
    begun = time.perf_counter()
    progress = _Progress() if sys.stderr.isatty() else None
    rows = score_file(
        card, data, out, keep=keep, delimiter=delimiter, progress=progress, finish=finish
    )
    seconds = time.perf_counter() - begun
    if progress is not None:
        progress.clear()
    say(f"Scored {rows:,} rows in {seconds:.2f} s: {out}")
    if json:
        show_json({"rows": rows, "seconds": round(seconds, 3), "out": str(out)})


def _score_to_stdout(
    card: ScoreCard,
    data: Path,
    keep: list[str] | None,
    delimiter: str | None,
    finish: Finish | None,
) -> None:
    """By way of a file, so that an error leaves nothing half printed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scored.csv"
        score_file(card, data, out, keep=keep, delimiter=delimiter, finish=finish)
        sys.stdout.flush()
        with out.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


class _Progress:
    """Rows done, on one line of a terminal."""

    def __init__(self) -> None:
        self._shown = 0.0

    def __call__(self, rows: int) -> None:
        now = time.perf_counter()
        if now - self._shown >= _REPORT_SECONDS:
            self._shown = now
            print(f"\r{rows:,} rows", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        print("\r" + " " * 30 + "\r", end="", file=sys.stderr, flush=True)
