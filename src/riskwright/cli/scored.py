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
    TargetError,
    UsageError,
    ValueRangeError,
    digest_arrays,
    load,
    read_artifact,
)
from riskwright.evidence.columns import canonical, nearest, quoted
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
    """Rows with outcome and score, and what made the score.

    `labels` are the groupings that the pipeline reads; `groups` those to report by.
    """

    score: Floats
    y: NDArray[Any]
    groups: dict[str, Any]
    labels: dict[str, Any]
    weight: Any
    pipeline: RiskPipeline
    title: str
    outcome: str
    source: str

    @property
    def digest(self) -> str:
        return digest_of(self.score, self.y)

    @property
    def taught_calibrator(self) -> bool:
        """Whether these very rows taught the calibrator."""
        return self.pipeline.digests.get("calibrator") == self.digest

    @property
    def heading(self) -> str:
        return f"{self.title}; outcome {self.outcome}; rows of {self.source}"

    def risk(self) -> Floats:
        """Calibrated risks; scores that are none are refused."""
        risk = self.pipeline.risk(self.score, self.labels)
        outside = (risk < 0) | (risk > 1)
        if outside.any():
            rows = ", ".join(str(row + 1) for row in np.flatnonzero(outside)[:5])
            raise ValueRangeError(
                "scores that are no probabilities",
                where=f"{self.source}, {self.title}",
                expected="values in [0, 1]",
                got=f"{int(outside.sum()):,} outside, first in row {rows} (rows count from 1)",
                hint="`riskwright calibrate` makes probabilities of any scores",
            )
        return risk


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
) -> Scored:
    """Scores of `data`, by the card `first` or of its column `score`; or of the table `first`.

    `first` with `data` is a saved score or pipeline.
    """
    steps = RiskPipeline() if data is None else read_pipeline(first)
    _check_score(first, data, score, steps)
    card = steps.card
    source = first if data is None else data
    named = dict.fromkeys([*(groups or ()), *steps.reads])
    try:
        table = read_roles(
            source,
            target=target,
            positive=card.positive_label if positive is None and card is not None else positive,
            weight=weight,
            groups=list(named),
            delimiter=delimiter,
        )
    except TargetError as error:
        error.hint = error.hint and error.hint.replace("positive=", "--positive ")
        raise
    assert table.y is not None
    if card is not None:
        values = risks_of(card, source, delimiter, len(table.y))
    else:
        assert score is not None
        values = _column(source, score, delimiter)
    columns = {name: np.asarray(column) for name, column in (table.groups or {}).items()}
    return Scored(
        score=values,
        y=np.asarray(table.y),
        groups={name: columns[name] for name in dict.fromkeys(groups or ())},
        labels={name: columns[name] for name in steps.reads},
        weight=table.sample_weight,
        pipeline=steps,
        title=card.title if card is not None else f"Score “{score}”",
        outcome=f"{table.outcome} = {table.positive_label}",
        source=str(source),
    )


def _check_score(first: Path, data: Path | None, score: str | None, steps: RiskPipeline) -> None:
    if steps.card is not None and score is not None:
        raise UsageError(
            "this score reads its own columns", where="--score", hint="Leave out --score"
        )
    if steps.card is None and score is None:
        saved = data is None and first.suffix == ".json"
        raise UsageError(
            "which rows?" if saved else "which scores?",
            where=str(first),
            expected="a saved score and a table, or a table and the column of its scores",
            hint="Name the table with the outcome after it" if saved else "Name --score COLUMN",
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
    return _applied(card, data, delimiter, rows)["risk"].to_numpy()


def _applied(card: ScoreCard, data: Path, delimiter: str | None, rows: int) -> pl.DataFrame:
    levels = {f.name for f in card.features if f.levels is not None}
    raw = open_table(data, delimiter, levels)
    read = list(dict.fromkeys(term.item.feature for term in card.terms))
    present = [name for name in read if name in raw.names]
    frame = pl.DataFrame(list(raw.columns(present)) or {"row": range(rows)})
    return score_frame(card, frame, source=str(data)).select("points", "risk")


def completed(
    pipeline: RiskPipeline,
    data: Path,
    column: str | None,
    regime: str | None,
    keep: list[str] | None,
    delimiter: str | None,
) -> pl.DataFrame:
    """The columns of a table, or those to keep, and what a pipeline makes of its rows.

    `column` holds the scores where the pipeline has no card.
    """
    raw = open_table(data, delimiter)
    names = list(raw.names) if keep is None else list(dict.fromkeys(keep))
    asked = [*names, *([] if column is None else [column]), *pipeline.reads]
    absent = [name for name in asked if name not in raw.names]
    if absent:
        raise ColumnError(
            "no such column",
            where=str(data),
            got=quoted(absent[0]),
            hint=nearest(absent[0], raw.names),
        )
    frame = pl.DataFrame(list(raw.columns(names)))
    if pipeline.card is not None:
        made = _applied(pipeline.card, data, delimiter, raw.n)
        score = made["risk"].to_numpy()
    else:
        assert column is not None
        score = _column(data, column, delimiter)
    labels = {name: _group_labels(data, name, delimiter) for name in pipeline.reads}
    added = pipeline.apply(score, labels, regime=regime)
    if pipeline.card is not None:
        added = made.select("points").hstack(added)
    taken = [name for name in added.columns if name in names]
    if taken:
        raise ColumnError(
            "columns that scoring adds exist already",
            where=str(data),
            got=", ".join(map(quoted, taken)),
            hint="Rename them, or name the columns to keep without them",
        )
    return frame.hstack(added)


def _group_labels(source: Path, by: str, delimiter: str | None) -> NDArray[Any]:
    """A column of groups, read as where it served to calibrate."""
    raw = open_table(source, delimiter, [by])
    return np.asarray(canonical(next(iter(raw.columns([by]))), raw.origin, as_text=True))


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
    bad = numbers.is_null() | ~numbers.is_finite()
    if bad.any():
        rows = bad.arg_true()
        given = (
            column.drop_nulls() if column.dtype == pl.String else column.drop_nulls().drop_nans()
        )
        missing = len(column) - len(given) == len(rows)
        kind = MissingValueError if missing else ColumnError
        which = ", ".join(str(row + 1) for row in rows.head(5))
        raise kind(
            "missing scores" if missing else "not numbers",
            where=where,
            expected="a finite number in every row",
            got=f"none in {len(rows):,} of {len(column):,} rows, first in row {which} "
            "(data rows are counted from 1)",
        )
    return numbers.to_numpy()
