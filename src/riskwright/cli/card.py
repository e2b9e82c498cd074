"""`riskwright card`: a saved card in the form that somebody needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from riskwright.cards import render
from riskwright.core import ScoreCard, UsageError, load, read_artifact
from riskwright.scoring.deployment import Dialect, to_python, to_spreadsheet, to_sql

from .running import check_outputs, parsed_json, read_card, say, show, show_exactly, verb, write

if TYPE_CHECKING:
    from riskwright.cards import DocumentFormat

__all__ = ["card"]

_DOCUMENTS = ("score_card_sheet", "data_card", "deployment_card", "risk_card", "notice")
_FORMS: dict[str, DocumentFormat] = {
    "text": "txt",
    "markdown": "md",
    "html": "html",
    "json": "json",
}

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
        The saved score, such as card/score.json; or a document of `riskwright card new`.
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
    check_outputs(out, inputs=[score])
    form = "json" if json else format
    content: str | bytes
    if read_artifact(score)["kind"] in _DOCUMENTS:
        content = _document(score, form)
    else:
        content = _score_card(read_card(score), form, dialect, table, booleans, cells)
    if out is not None:
        write(out, content)
        say(f"Written: {out}")
    elif isinstance(content, str):
        (show if form == "text" else show_exactly)(content)
    elif sys.stdout.isatty():
        raise UsageError("a picture cannot be shown here", where="--format png", hint="Name --out")
    else:
        sys.stdout.buffer.write(content)


def _document(path: Path, form: Form) -> str:
    """A sheet, data card, deployment card, risk card or notice."""
    if form not in _FORMS:
        raise UsageError(
            "a document has no such form",
            where=f"--format {form}",
            expected=", ".join(_FORMS),
        )
    from riskwright.cards import render_document  # loads decisions, which a card does not need

    return render_document(load(path), _FORMS[form])


def _score_card(
    saved: ScoreCard,
    form: Form,
    dialect: Dialect,
    table: str,
    booleans: list[str] | None,
    cells: str | None,
) -> str | bytes:
    if form == "sql":
        return to_sql(saved, dialect, table=table, booleans=booleans or ()) + ";\n"
    if form == "python":
        return to_python(saved)
    if form == "excel":
        formulas = to_spreadsheet(saved, None if cells is None else _cells(cells))
        return f"total\t{formulas.total}\nrisk\t{formulas.risk}\n"
    return render(saved, form)


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
