"""Whole tables: CSV or Parquet in and out by streaming, so that memory does not grow with rows."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import polars as pl

from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    Item,
    ScoreCard,
    UnreadableError,
    UsageError,
    atomic_write,
)
from riskwright.evidence.columns import Origin, conform, nearest, quoted
from riskwright.evidence.containers import check_names
from riskwright.evidence.delimited import check_delimiter, sniff_delimiter

from .rules import LARGEST_LOG_ODDS, Rule, feature_rules, risk_of, total_bounds

__all__ = ["Finish", "score_file", "score_frame"]

_LARGEST_TABLE = 100_000
_SAMPLE = 1 << 16
_LONGEST_HEADER = 1 << 23


class Finish(Protocol):
    """What follows on a card: columns made of its risks, which stand in the place of `risk`."""

    dtypes: dict[str, pl.DataType]

    def __call__(self, risk: pl.Series) -> pl.DataFrame: ...


def score_frame(card: ScoreCard, frame: pl.DataFrame, *, source: str = "frame") -> pl.DataFrame:
    """The frame with two columns added: `points`, and `risk` (`predicted` for a scoring system).

    Missing values and unseen levels count as the card says; columns are read as they were for
    learning. Numbers equal those of `RowScorer`. Linear in rows. `source` names the frame in
    messages.

    Raises
    ------
    ColumnError
        Where a feature of the card is absent or has the wrong type, or a column to be added exists.
    MissingValueError
        Where the card refuses missing values.
    ValueRangeError
        For infinite values.
    """
    scorer = _FrameScorer(card)
    scorer.check(frame.schema, source, frame.columns)
    return frame.hstack(scorer(frame, Origin(source)))


def score_file(
    card: ScoreCard,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    keep: Sequence[str] | None = None,
    delimiter: str | None = None,
    progress: Callable[[int], None] | None = None,
    finish: Finish | None = None,
) -> int:
    """Score every row of `source` into `out`, and return the number of rows.

    The rows stream through: memory stays within some hundred megabytes whatever the file's size.
    `out` appears when it is complete; an error leaves what stood there before.

    Parameters
    ----------
    card : the score card to apply.
    source : a Parquet, Arrow or CSV file (UTF-8, any delimiter, plain or gzip), told apart by
        content; cells of CSV pass on unchanged, cells that a short row lacks are missing, and rows
        of several columns without any value, such as blank lines, are left out.
    out : a `.csv` or `.parquet` file in an existing folder, other than `source`.
    keep : columns of `source` to carry along, in this order; None keeps all of them.
    delimiter : of the columns of CSV; None takes the likeliest one of the header line.
    progress : called with the number of rows done so far, from worker threads.
    finish : makes the columns after `points` from the card's risks, such as calibrated risk,
        decision and reason; by default the risk itself.

    Raises
    ------
    UsageError
        For a source that is absent, an unknown kind of `out`, or `out` equal to `source`.
    ColumnError, MissingValueError, ValueRangeError, EmptyDataError, UnreadableError
        Where the table does not fit the card or cannot be read.
    """
    source, out = Path(source), Path(out)
    _check_paths(source, out)
    scorer = _FrameScorer(card, finish)
    stream = _Stream(scorer, progress)
    try:
        lazy = _scan(source, delimiter)
        schema = lazy.collect_schema()
        columns = _kept(keep, schema, source.name)
        scorer.check(schema, source.name, columns)
        scored = lazy.select(*columns, stream.expression(schema)).unnest("scored")
        with atomic_write(out) as file:
            if out.suffix == ".parquet":
                scored.sink_parquet(file, compression="zstd", compression_level=1)
            else:
                scored.sink_csv(file)
    except pl.exceptions.NoDataError:
        raise EmptyDataError("no rows and no columns", where=str(source)) from None
    except DataError:
        if stream.failed:
            scorer.locate(lazy, source.name)
        raise
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("`")[0].partition("\n")[0]  # past the mark, people's data
        raise UnreadableError(
            "cannot be read as a table", where=str(source), got=reason.strip() or "unknown bytes"
        ) from None
    return stream.rows


class _FrameScorer:
    """Points and meaning of the rows of a frame, by one expression for each."""

    def __init__(self, card: ScoreCard, finish: Finish | None = None) -> None:
        self.rules = feature_rules(card)
        self.names = [rule.feature.name for rule in self.rules]
        meaning = "predicted" if card.score_class == "scoring_system" else "risk"
        self._points = _points(card).alias("points")
        self._meaning = _meaning(card).alias(meaning)
        self._finish = finish
        kind = pl.Boolean() if card.score_class == "scoring_system" else pl.Float64()
        whole = total_bounds(card) is not None
        points = pl.Int32() if whole else pl.Float64()
        after = {meaning: kind} if finish is None else finish.dtypes
        self.dtypes: dict[str, pl.DataType] = {"points": points, **after}
        self.added = tuple(self.dtypes)

    def __call__(self, frame: pl.DataFrame, origin: Origin) -> pl.DataFrame:
        columns = [_conformed(frame[rule.feature.name], rule, origin) for rule in self.rules]
        if not columns:
            columns = [pl.repeat(0, frame.height, dtype=pl.Int8, eager=True).alias("")]
        scored = pl.DataFrame(columns).with_columns(self._points).with_columns(self._meaning)
        if self._finish is not None:
            return scored.select("points").hstack(self._finish(scored["risk"]))
        return scored.select(self.added)

    def check(self, schema: pl.Schema, source: str, carried: Sequence[str]) -> None:
        absent = [name for name in self.names if name not in schema]
        if absent:
            raise ColumnError(
                "columns are missing" if len(absent) > 1 else "a column is missing",
                where=source,
                expected=", ".join(map(quoted, absent)),
                hint=nearest(absent[0], schema.names()),
            )
        taken = [name for name in self.added if name in carried]
        if taken:
            raise ColumnError(
                "columns that scoring adds exist already",
                where=source,
                got=", ".join(map(quoted, taken)),
                hint="Rename them, or name the columns to keep without them",
            )

    def locate(self, lazy: pl.LazyFrame, source: str) -> None:
        """Raise the error of the first row that cannot be scored, with its number in the file."""
        done = 0
        for batch in lazy.select(self.names).collect_batches(maintain_order=True):
            self(batch, _Later(source, done))
            done += batch.height


def _conformed(series: pl.Series, rule: Rule, origin: Origin) -> pl.Series:
    """What `conform` gives, by a shorter way where every cell of text is a plain number."""
    if series.dtype == pl.String and not rule.categorical:
        numbers = series.cast(pl.Float64, strict=False)
        plain = numbers.null_count() == series.null_count() and numbers.is_finite().all()
        if plain and not (series.null_count() and rule.feature.missing == "refused"):
            return numbers
    return conform(series, rule.feature, origin)


class _Later(Origin):
    """Rows of a batch, counted from the first row of the file."""

    def __init__(self, name: str, before: int) -> None:
        super().__init__(name)
        self._before = before

    def rows(self, wrong: pl.Series) -> str:
        first = [str(self._before + i + 1) for i in wrong.arg_true().head(5)]
        return f"row{'s' * (len(first) > 1)} {', '.join(first)} (data rows are counted from 1)"


class _Stream:
    """Scores batches as they pass, counts their rows, and remembers whether one failed."""

    def __init__(self, scorer: _FrameScorer, progress: Callable[[int], None] | None) -> None:
        self.rows = 0
        self.failed = False
        self._scorer = scorer
        self._progress = progress
        self._lock = threading.Lock()

    def expression(self, schema: pl.Schema) -> pl.Expr:
        names = self._scorer.names or schema.names()[:1]
        return (
            pl.struct(names)
            .map_batches(self, return_dtype=pl.Struct(self._scorer.dtypes), is_elementwise=True)
            .alias("scored")
        )

    def __call__(self, batch: pl.Series) -> pl.Series:
        try:
            scored = self._scorer(batch.struct.unnest(), Origin("batch"))
        except DataError:
            self.failed = True
            raise
        with self._lock:
            self.rows += len(batch)
            if self._progress is not None:
                self._progress(self.rows)
        return scored.to_struct("scored")


def _check_paths(source: Path, out: Path) -> None:
    if not source.is_file():
        raise UsageError("no such file", where=str(source))
    if out.suffix not in (".csv", ".parquet"):
        raise UsageError("unknown kind of file", where=str(out), expected=".csv or .parquet")
    if out.exists() and out.samefile(source):
        raise UsageError(
            "the output would replace the input", where=str(out), hint="Name another output file"
        )


def _scan(source: Path, delimiter: str | None) -> pl.LazyFrame:
    head = _head(source)
    if head[:4] == b"PAR1":
        return pl.scan_parquet(source, glob=False)
    if head[:6] == b"ARROW1":
        return pl.scan_ipc(source)
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UnreadableError(
            "text in UTF-16 cannot be streamed", where=str(source), hint="Save it as UTF-8"
        )
    text = head.decode("utf-8-sig", "replace")
    if delimiter is None:
        delimiter = sniff_delimiter(text[:_SAMPLE], whole=len(text) <= _SAMPLE)
    check_delimiter(delimiter)
    names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    named = [name if name.strip() else f"column {j}" for j, name in enumerate(names, start=1)]
    check_names(named, Origin(source.name))
    lazy = pl.scan_csv(
        source,
        separator=delimiter,
        new_columns=named or None,
        infer_schema=False,
        glob=False,
    )
    return lazy.filter(~pl.all_horizontal(pl.all().is_null())) if len(named) > 1 else lazy


def _head(source: Path) -> bytes:
    """The first bytes of the file, unpacked."""
    with source.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(source) if packed else source.open("rb") as file:
            return file.read(_LONGEST_HEADER)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableError("damaged gzip file", where=str(source), got=str(error)) from None


def _kept(keep: Sequence[str] | None, schema: pl.Schema, source: str) -> list[str]:
    if keep is None:
        return schema.names()
    absent = [name for name in keep if name not in schema]
    if absent:
        raise ColumnError(
            "no such column to keep",
            where=source,
            got=", ".join(map(quoted, absent)),
            hint=nearest(absent[0], schema.names()),
        )
    return list(dict.fromkeys(keep))


def _points(card: ScoreCard) -> pl.Expr:
    """The sum over conformed columns: text, integers or 64-bit floats with nulls and no NaN."""
    total = pl.lit(0, dtype=pl.Int32)
    for term in card.terms:
        if term.item.kind != "value":
            holds = _holds(term.item).fill_null(False).cast(pl.Int32)
            total = total + holds * pl.lit(term.points, dtype=pl.Int32)
    for term in card.terms:
        if term.item.kind == "value":
            product = pl.col(term.item.feature).cast(pl.Float64) * float(term.points)
            total = total.cast(pl.Float64) + product.fill_null(0.0)
    return total


def _holds(item: Item) -> pl.Expr:
    column = pl.col(item.feature)
    if item.kind == "missing":
        return column.is_null()
    if item.kind == "in":
        return column.is_in(item.levels or ("",))
    above = pl.lit(True) if item.low is None else column >= _literal(item.low)
    return above if item.high is None else above & (column < _literal(item.high))


def _literal(value: float) -> float:
    """Whole numbers as int, so that integer columns are compared without conversion."""
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value


def _meaning(card: ScoreCard) -> pl.Expr:
    """Risk by looking the total up where totals are integers, which also makes it exact."""
    points = pl.col("points")
    if card.score_class == "scoring_system":
        return points > (card.threshold or 0.0)
    bounds = total_bounds(card)
    if bounds is None or bounds[1] - bounds[0] > _LARGEST_TABLE:
        log_odds = (points * card.slope + card.intercept).clip(-LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
        return 1.0 / (1.0 + (-log_odds).exp())
    low, high = bounds
    table = pl.Series([risk_of(card, total) for total in range(low, high + 1)], dtype=pl.Float64)
    return pl.lit(table).gather((points - low).cast(pl.UInt32))
