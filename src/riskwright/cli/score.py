"""`riskwright score`: a card applied to a file, or to one person with the sum shown."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from riskwright.cards import wording
from riskwright.core import ScoreCard, UsageError
from riskwright.scoring.deployment import RowScorer, score_file

from .running import parsed_json, read_card, say, show, show_json, verb

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
    keep: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    delimiter: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Score a table, or one person.

    The output has the columns of the table and two more, points and risk.

    Parameters
    ----------
    score
        The saved score, such as card/score.json.
    data
        CSV, Parquet or Arrow; rows stream through, so any size will do.
    out
        File to write, .csv or .parquet; CSV on standard output if there is none.
    row
        One person instead of a table, as JSON; null stands for a missing value.
    keep
        Columns of the table to carry along; all of them by default.
    delimiter
        Of CSV columns; found by itself by default.
    json
        Print the result, or a summary of a file written, as JSON.
    """
    card = read_card(score)
    if row is not None and (out is not None or keep or delimiter is not None):
        raise UsageError("--out, --keep and --delimiter are for tables, not for --row")
    if row is not None and data is None:
        _score_row(card, row, json)
    elif data is None or row is not None:
        raise UsageError("give either a table or --row")
    elif out is not None:
        _score_table(card, data, out, keep, delimiter, json)
    elif json:
        raise UsageError("JSON holds a summary, so the rows need a file", hint="Name --out")
    else:
        _score_to_stdout(card, data, keep, delimiter)


def _score_row(card: ScoreCard, text: str, json: bool) -> None:
    values = parsed_json(text, "--row")
    scorer = RowScorer(card)
    result, added = scorer(values), scorer.explain(values)
    if json:
        terms = [{"term": a.term.item.label, "points": a.points} for a in added]
        show_json({**result._asdict(), "added": terms})
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
    else:
        show(f"Predicted: {'yes' if result.predicted else 'no'}")


def _score_table(
    card: ScoreCard,
    data: Path,
    out: Path,
    keep: list[str] | None,
    delimiter: str | None,
    json: bool,
) -> None:
    begun = time.perf_counter()
    progress = _Progress() if sys.stderr.isatty() else None
    rows = score_file(card, data, out, keep=keep, delimiter=delimiter, progress=progress)
    seconds = time.perf_counter() - begun
    if progress is not None:
        progress.clear()
    say(f"Scored {rows:,} rows in {seconds:.2f} s: {out}")
    if json:
        show_json({"rows": rows, "seconds": round(seconds, 3), "out": str(out)})


def _score_to_stdout(
    card: ScoreCard, data: Path, keep: list[str] | None, delimiter: str | None
) -> None:
    """By way of a file, so that an error leaves nothing half printed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scored.csv"
        score_file(card, data, out, keep=keep, delimiter=delimiter)
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
