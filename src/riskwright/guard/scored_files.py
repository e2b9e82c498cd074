"""Files of scores and decisions: JSON lines, or tables with one column per hazard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from riskwright.core import (
    ArtifactError,
    ParameterError,
    UnreadableError,
    UsageError,
    atomic_write,
)
from riskwright.core.scores import Decision, Score

__all__ = [
    "ENDINGS",
    "check_ending",
    "reads_back",
    "records_of",
    "scored_frame",
    "scored_line",
    "write_scored",
]

ENDINGS = (".jsonl", ".csv", ".parquet")
_RECORD = "record"
_encode = msgspec.json.Encoder(order="deterministic").encode


class _Stored(msgspec.Struct):
    score: Score
    decision: Decision | None = None


def scored_line(score: Score, decision: Decision | None = None) -> bytes:
    """One line of JSON, without its end.

    Raises `ParameterError` for values that are not numbers, which JSON would lose.
    """
    line = _encode({"score": score} if decision is None else {"score": score, "decision": decision})
    if b"null" in line and not reads_back(line, _Stored(score=score, decision=decision)):
        raise ParameterError("a score with values that are not numbers", where="score")
    return line


def reads_back(line: bytes, record: msgspec.Struct) -> bool:
    """Whether a line says what was written; NaN and infinities become null."""
    try:
        return bool(msgspec.json.decode(line, type=type(record)) == record)
    except msgspec.ValidationError:
        return False


def scored_frame(scores: Sequence[Score], decisions: Sequence[Decision] | None = None) -> Any:
    """A polars frame: id, outcome, severity, level, action, hazards; `record` holds the whole."""
    import polars as pl

    hazards = sorted({hazard for score in scores for hazard in score.hazards})
    columns: dict[str, Any] = {
        "id": [score.id for score in scores],
        "outcome": [score.outcome for score in scores],
        "severity": pl.Series([score.severity for score in scores], dtype=pl.Float64),
        "level": [score.level for score in scores],
    }
    if decisions is not None:
        columns["action"] = [decision.action for decision in decisions]
        columns["decided_by"] = [decision.hazard for decision in decisions]
    for hazard in hazards:
        values = [score.hazards.get(hazard) for score in scores]
        columns[f"hazard:{hazard}"] = pl.Series(values, dtype=pl.Float64)
    columns["out_of_distribution"] = pl.Series(
        [score.out_of_distribution for score in scores], dtype=pl.Boolean
    )
    columns["cost"] = [score.cost for score in scores]
    columns["latency_ms"] = [score.latency_ms for score in scores]
    made: Iterable[Decision | None] = decisions if decisions is not None else [None] * len(scores)
    columns[_RECORD] = [scored_line(s, d).decode() for s, d in zip(scores, made, strict=True)]
    return pl.DataFrame(columns)


def check_ending(path: Path) -> str:
    """The ending that says how scores are written; `UsageError` for any other."""
    suffix = path.suffix.lower()
    if suffix not in ENDINGS:
        raise UsageError("unknown kind of file", where=str(path), expected=" or ".join(ENDINGS))
    return suffix


def write_scored(
    path: Path, scores: Sequence[Score], decisions: Sequence[Decision] | None = None
) -> None:
    """Write scores, whole or not at all; the ending says how. Raises `UsageError`."""
    suffix = check_ending(path)
    with atomic_write(path) as file:
        if suffix == ".jsonl":
            made: Iterable[Decision | None] = (
                decisions if decisions is not None else [None] * len(scores)
            )
            for score, decision in zip(scores, made, strict=True):
                file.write(scored_line(score, decision) + b"\n")
        elif suffix == ".csv":
            scored_frame(scores, decisions).write_csv(file)
        else:
            scored_frame(scores, decisions).write_parquet(file)


def records_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and JSON of every record of a scored file or a decision log.

    Raises `UnreadableError` (no such file) and `ArtifactError` (a table without records).
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".parquet"):
            yield from _of_table(path, suffix)
        else:
            with path.open("rb") as file:
                yield from _of_lines(file)
    except OSError as error:
        raise UnreadableError(
            "cannot be read", where=str(path), got=error.strerror or type(error).__name__
        ) from None


def _of_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line


def _of_table(path: Path, suffix: str) -> Iterator[tuple[int, bytes]]:
    import polars as pl

    path.stat()
    try:
        frame = (
            pl.read_parquet(path, glob=False)
            if suffix == ".parquet"
            else pl.read_csv(path, infer_schema=False, glob=False)
        )
    except Exception as error:  # polars has no common base of its own for damaged files
        raise UnreadableError(
            "not a table that can be read", where=str(path), got=type(error).__name__
        ) from None
    if _RECORD not in frame.columns:
        raise ArtifactError(
            "no scores of a guard", where=str(path), expected=f"a column {_RECORD!r}"
        )
    for number, record in enumerate(frame[_RECORD], start=1):
        yield number, str(record).encode()
