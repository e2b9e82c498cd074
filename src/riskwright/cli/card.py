"""`riskwright card`: a saved card in the form that somebody needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from riskwright.cards import render
from riskwright.core import UsageError
from riskwright.scoring.deployment import Dialect, to_python, to_spreadsheet, to_sql

from .running import parsed_json, read_card, say, show, show_exactly, verb, write

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
    booleans: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
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
    booleans
        Features that are of type BOOLEAN in that table.
    cells
        Cells of the features for the spreadsheet formulas, as JSON; by default A2, B2, ...
    json
        Short for --format json.
    """
    form = "json" if json else format
    saved = read_card(score)
    content: str | bytes
    if form == "sql":
        content = to_sql(saved, dialect, table=table, booleans=booleans or ()) + ";\n"
    elif form == "python":
        content = to_python(saved)
    elif form == "excel":
        formulas = to_spreadsheet(saved, None if cells is None else _cells(cells))
        content = f"total\t{formulas.total}\nrisk\t{formulas.risk}\n"
    else:
        content = render(saved, form)
    if out is not None:
        write(out, content)
        say(f"Written: {out}")
    elif isinstance(content, str):
        (show if form == "text" else show_exactly)(content)
    elif sys.stdout.isatty():
        raise UsageError("a picture cannot be shown here", where="--format png", hint="Name --out")
    else:
        sys.stdout.buffer.write(content)


def _cells(text: str) -> dict[str, str]:
    cells = parsed_json(text, "--cells")
    for name, cell in cells.items():
        if not isinstance(cell, str):
            raise UsageError(
                "not the name of a cell",
                where=f"--cells, {name!r}",
                expected='a text such as "B2"',
                got=str(cell),
            )
    return cells
