"""`riskwright evaluate`: how well a score does on rows that it was not learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from riskwright.metrics import evaluate as measured

from .pages import page_of
from .running import check_outputs, say, show, show_json, verb, write
from .scored import read_scored
from .tables import evaluation_lines, group_lines, group_tables

__all__ = ["evaluate"]

TAUGHT = "These rows taught the calibrator, so the figures flatter it. Measure on other rows."


@verb
def evaluate(
    first: Path,
    data: Path | None = None,
    /,
    *,
    target: str,
    score: str | None = None,
    positive: str | None = None,
    weight: str | None = None,
    groups: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    level: float = 0.95,
    html: Path | None = None,
    delimiter: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Measure a score on rows that it was not learned from.

    Prints discrimination, scoring rules and calibration, each with an interval; by group, figures
    whose intervals hold together, and the gap of each group to all others.

    Parameters
    ----------
    first
        A saved score or pipeline, such as card/score.json; or a table that holds scores.
    data
        After a saved score or pipeline: CSV, Parquet or Arrow file with the outcome.
    target
        The outcome column.
    score
        Without a card: the column of the table with the probabilities of any model.
    positive
        The outcome's label that means yes; by default the one the card was learned with.
    weight
        Column of row weights.
    groups
        Columns to report by.
    level
        Confidence level of the intervals.
    html
        Page with figures and displays to write, one file without any network.
    delimiter
        Of CSV columns; found by itself by default.
    json
        Print the figures as JSON.
    """
    check_outputs(html, inputs=[first, data])
    rows = read_scored(
        first,
        data,
        score,
        target=target,
        positive=positive,
        weight=weight,
        groups=groups,
        delimiter=delimiter,
    )
    risk = rows.risk()
    figures = measured(
        rows.y, risk, sample_weight=rows.weight, groups=rows.groups or None, level=level
    )
    notes = (TAUGHT,) if rows.taught_calibrator else ()
    if html is not None:
        write(html, page_of(rows, risk, figures, notes=notes))
        say(f"Page: {html}")
    for note in notes:
        say(f"Note: {note}")
    if json:
        show_json(figures)
        return
    say(rows.heading)
    show("\n".join(evaluation_lines(figures)))
    for table in group_tables(rows, risk, level):
        show("\n" + "\n".join(group_lines(table)))
