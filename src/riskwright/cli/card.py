"""`riskwright card`: a saved card in the form that somebody needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from riskwright.cards import render
from riskwright.core import ScoreCard, UsageError
from riskwright.scoring.deployment import Dialect, to_python, to_spreadsheet, to_sql

from .running import parsed_json, read_card, say, show, verb, write

__all__ = ["card"]

Form = Literal["text", "markdown", "html", "svg", "png", "json", "sql", "excel", "python"]


@verb
def card(
    score: Path,
    /,
    *,
    format: Form = "text",
    out: Path | None = None,
    dialect: Dialect = "duckdb",
    table: str = "people",
    cells: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Print a card as text, page, picture, SQL, spreadsheet formula or Python function.

    Parameters
    ----------
    score
        The saved score, such as card/score.json.
    format
        What to print.
    out
        File to write instead of standard output.
    dialect
        Of SQL.
    table
        The table that the SQL reads; dots part schema and name.
    cells
        Cells of the features for the spreadsheet formulas, as JSON; by default A2, B2, ...
    json
        Short for --format json.
    """
    content = _content(read_card(score), "json" if json else format, dialect, table, cells)
    if out is not None:
        write(out, content)
        say(f"Written: {out}")
    elif isinstance(content, str):
        show(content)
    elif sys.stdout.isatty():
        raise UsageError("a picture cannot be shown here", where="--format png", hint="Name --out")
    else:
        sys.stdout.buffer.write(content)


def _content(
    card: ScoreCard, form: Form, dialect: Dialect, table: str, cells: str | None
) -> str | bytes:
    if form == "sql":
        return to_sql(card, dialect, table=table) + ";\n"
    if form == "python":
        return to_python(card)
    if form == "excel":
        places = None if cells is None else parsed_json(cells, "--cells")
        formulas = to_spreadsheet(card, places)
        return f"total\t{formulas.total}\nrisk\t{formulas.risk}\n"
    return render(card, form)
