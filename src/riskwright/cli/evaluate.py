"""`riskwright evaluate`: how well a card does on rows that it was not learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
from cyclopts import Parameter

from riskwright.core import ScoreCard, UsageError
from riskwright.evidence.readers import open_table
from riskwright.evidence.table import read_roles
from riskwright.metrics import evaluate as measured
from riskwright.scoring.deployment import score_frame

from .running import read_card, say, show, show_json, verb

__all__ = ["evaluate"]


@verb
def evaluate(
    score: Path,
    data: Path,
    /,
    *,
    target: str,
    positive: str | None = None,
    weight: str | None = None,
    groups: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    level: float = 0.95,
    delimiter: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Measure a card on rows that it was not learned from.

    Prints discrimination, scoring rules and calibration, each with an interval.

    Parameters
    ----------
    score
        The saved score, such as card/score.json.
    data
        CSV, Parquet or Arrow file with the outcome.
    target
        The outcome column.
    positive
        Its label that means yes; by default the one the card was learned with.
    weight
        Column of row weights.
    groups
        Columns to report by.
    level
        Confidence level of the intervals.
    delimiter
        Of CSV columns; found by itself by default.
    json
        Print the figures as JSON.
    """
    card = read_card(score)
    if card.score_class == "scoring_system":
        raise UsageError("this card says yes or no; only risks can be evaluated", where=str(score))
    table = read_roles(
        data,
        target=target,
        positive=card.positive_label if positive is None else positive,
        weight=weight,
        groups=groups or (),
        delimiter=delimiter,
    )
    assert table.y is not None
    risk = _risks(card, data, delimiter, len(table.y))
    figures = measured(
        table.y, risk, sample_weight=table.sample_weight, groups=table.groups or None, level=level
    )
    if json:
        show_json(figures)
        return
    say(f"{card.title}: {table.outcome} = {table.positive_label} in {data}")
    show(str(figures))


def _risks(card: ScoreCard, data: Path, delimiter: str | None, rows: int) -> pl.Series:
    """The risks of all rows, from the raw columns that the card reads."""
    levels = {f.name for f in card.features if f.levels is not None}
    raw = open_table(data, delimiter, levels)
    read = list(dict.fromkeys(term.item.feature for term in card.terms))
    present = [name for name in read if name in raw.names]
    frame = pl.DataFrame(list(raw.columns(present)) or {"row": range(rows)})
    return score_frame(card, frame, source=str(data))["risk"]
