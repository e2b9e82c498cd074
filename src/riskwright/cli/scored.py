"""Scores and outcomes from files: of a saved card or pipeline, or a column of a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from riskwright.core import (
    ColumnError,
    MissingValueError,
    ScoreCard,
    UsageError,
    digest_arrays,
    load,
    read_artifact,
)
from riskwright.evidence.columns import nearest, quoted
from riskwright.evidence.readers import open_table
from riskwright.evidence.table import read_roles
from riskwright.pipeline import RiskPipeline
from riskwright.scoring.deployment import score_frame

from .running import read_card

__all__ = [
    "Scored",
    "completed",
    "digest_of",
    "numbers_of",
    "read_pipeline",
    "read_scored",
    "risks_of",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """Rows with outcome and score, and what made the score."""

    score: Floats
    y: NDArray[Any]
    groups: dict[str, Any]
    weight: Any
    pipeline: RiskPipeline
    title: str
    outcome: str

    @property
    def digest(self) -> str:
        return digest_of(self.score, self.y)


def digest_of(score: Floats, y: Any) -> str:
    """Of the rows that served a step, whatever their groups."""
    return digest_arrays(score, np.asarray(y, dtype=np.float64))


def read_scored(
    first: Path,
    data: Path | None,
    score: str | None,
    *,
    target: str,
    positive: str | None,
    weight: str | None = None,
    groups: list[str] | None = None,
    delimiter: str | None = None,
    pipeline: Path | None = None,
) -> Scored:
    """Scores from `first` applied to `data`, or from the column `score` of the table `first`.

    `pipeline` names steps to go on from, where `first` is a table.
    """
    if data is None and score is None:
        raise UsageError(
            "which scores?",
            where=str(first),
            expected="a saved score and a table, or a table and the column of its scores",
            hint="riskwright VERB card/score.json test.csv ..., or VERB scores.csv --score p ...",
        )
    if data is not None and (score is not None or pipeline is not None):
        raise UsageError(
            "a saved score makes the scores itself", where="--score", expected="a table alone"
        )
    steps = RiskPipeline() if pipeline is None else read_pipeline(pipeline)
    if data is not None:
        steps = read_pipeline(first)
    card = steps.card
    source = first if data is None else data
    label = positive
    if label is None and card is not None and data is not None:
        label = card.positive_label
    table = read_roles(
        source,
        target=target,
        positive=label,
        weight=weight,
        groups=groups or (),
        delimiter=delimiter,
    )
    assert table.y is not None
    if data is not None:
        if card is None:
            raise UsageError("holds no score card", where=str(first), hint="Name --score")
        values = risks_of(card, source, delimiter, len(table.y))
    else:
        assert score is not None
        values = _column(source, score, delimiter)
        if card is not None:
            raise UsageError(
                "this pipeline scores tables itself", where=str(pipeline), hint="Leave out --score"
            )
    title = card.title if card is not None else f"{score} in {source.name}"
    return Scored(
        score=values,
        y=np.asarray(table.y),
        groups={name: np.asarray(column) for name, column in (table.groups or {}).items()},
        weight=table.sample_weight,
        pipeline=steps,
        title=title,
        outcome=f"{table.outcome} = {table.positive_label}",
    )


def read_pipeline(path: Path) -> RiskPipeline:
    """A saved pipeline, or a saved score or calibrator as a pipeline of its own."""
    kind = read_artifact(path)["kind"]
    if kind == "pipeline":
        found: RiskPipeline = load(path)
        return found
    if kind == "calibrator":
        return RiskPipeline(calibrator=load(path))
    card = read_card(path)
    if card.score_class == "scoring_system":
        raise UsageError("this card says yes or no; only risks can be evaluated", where=str(path))
    return RiskPipeline(card)


def risks_of(card: ScoreCard, data: Path, delimiter: str | None, rows: int) -> Floats:
    """The risks of all rows, from the raw columns that the card reads."""
    levels = {f.name for f in card.features if f.levels is not None}
    raw = open_table(data, delimiter, levels)
    read = list(dict.fromkeys(term.item.feature for term in card.terms))
    present = [name for name in read if name in raw.names]
    frame = pl.DataFrame(list(raw.columns(present)) or {"row": range(rows)})
    return score_frame(card, frame, source=str(data))["risk"].to_numpy()


def completed(
    pipeline: RiskPipeline,
    data: Path,
    column: str,
    regime: str | None,
    keep: list[str] | None,
    delimiter: str | None,
) -> pl.DataFrame:
    """The columns of a table of scores, or those to keep, and what a pipeline makes of `column`."""
    raw = open_table(data, delimiter)
    names = list(raw.names) if keep is None else keep
    absent = [name for name in [*names, column] if name not in raw.names]
    if absent:
        raise ColumnError(
            "no such column",
            where=str(data),
            got=quoted(absent[0]),
            hint=nearest(absent[0], raw.names),
        )
    made = pipeline.apply(_column(data, column, delimiter), regime=regime)
    taken = [name for name in made.columns if name in names]
    if taken:
        raise ColumnError(
            "columns that scoring adds exist already",
            where=str(data),
            got=", ".join(map(quoted, taken)),
            hint="Rename them, or name the columns to keep without them",
        )
    return pl.DataFrame(list(raw.columns(names))).hstack(made)


def _column(source: Path, name: str, delimiter: str | None) -> Floats:
    raw = open_table(source, delimiter)
    if name not in raw.names:
        raise ColumnError(
            "no such column", where=str(source), got=quoted(name), hint=nearest(name, raw.names)
        )
    return numbers_of(next(iter(raw.columns([name]))), f"{source}, column {name!r}")


def numbers_of(column: pl.Series, where: str) -> Floats:
    """A column of numbers, none missing; errors name the rows, counted from 1."""
    if column.dtype == pl.String:
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    elif column.dtype.is_numeric() or column.dtype == pl.Boolean:
        numbers = column.cast(pl.Float64)
    else:
        raise ColumnError("not numbers", where=where, got=str(column.dtype))
    bad = numbers.is_null() | numbers.is_nan()
    if bad.any():
        rows = ", ".join(str(row + 1) for row in bad.arg_true().head(5))
        missing = column.is_null() | (numbers.is_nan() if column.dtype.is_numeric() else False)
        kind = MissingValueError if (missing & bad).sum() == bad.sum() else ColumnError
        raise kind(
            "missing scores" if kind is MissingValueError else "not numbers",
            where=where,
            expected="a number in every row",
            got=f"{int(bad.sum())} rows without, first row {rows} (data rows are counted from 1)",
        )
    return numbers.to_numpy()
