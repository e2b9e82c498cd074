"""Where a table comes from: files by their first bytes, and containers in memory."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from riskwright.core import EmptyDataError, UnreadableError

from .columns import Origin
from .containers import check_names, to_frame
from .delimited import read_delimited

__all__ = ["RawTable", "open_table"]

_BATCH_BYTES = 1 << 28
_ZIP = b"PK\x03\x04"


class RawTable(NamedTuple):
    """Names, number of rows, and the raw columns asked for, one after the other."""

    names: tuple[str, ...]
    n: int
    origin: Origin
    columns: Callable[[Sequence[str]], Iterator[pl.Series]]


def open_table(
    source: Any, delimiter: str | None = None, text_columns: Collection[str] = ()
) -> RawTable:
    """Open a CSV, Parquet, Arrow or Feather file (told apart by content) or a table in memory.

    Parquet and Arrow files are read a few columns at a time, so that memory stays bounded by what
    is made of the columns.

    Raises
    ------
    UnreadableError : no such file, a damaged file, or a format that is not read.
    EmptyDataError : no rows or no columns.
    """
    if not isinstance(source, (str, os.PathLike)):
        origin = Origin(f"{type(source).__module__.partition('.')[0]} {type(source).__name__}")
        return _in_memory(to_frame(source, origin), origin)
    path = Path(source)
    head = _head(path)
    if head[:4] == b"PAR1":
        return _scanned(path, lambda: pl.scan_parquet(path, glob=False))
    if head[:6] == b"ARROW1":
        return _scanned(path, lambda: pl.scan_ipc(glob.escape(str(path))))
    if head[:4] == b"\xff\xff\xff\xff":
        with _readable(path):
            return _in_memory(pl.read_ipc_stream(path), Origin(str(path)))
    if head[:4] == _ZIP or head[:4] == b"\xd0\xcf\x11\xe0":
        raise UnreadableError(
            "a workbook or an archive",
            where=str(path),
            expected="CSV, Parquet, Arrow or Feather",
            hint="Save the sheet as 'CSV UTF-8', or unpack the archive",
        )
    return _in_memory(*read_delimited(path, delimiter, text_columns))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise UnreadableError(
            "cannot read the file", where=str(path), got=error.strerror or str(error)
        ) from None


def _in_memory(frame: pl.DataFrame, origin: Origin) -> RawTable:
    check_names(frame.columns, origin)
    _refuse_empty(frame.height, frame.width, origin)

    def columns(names: Sequence[str]) -> Iterator[pl.Series]:
        for name in names:
            yield frame[name]

    return RawTable(tuple(frame.columns), frame.height, origin, columns)


def _scanned(path: Path, scan: Callable[[], pl.LazyFrame]) -> RawTable:
    origin = Origin(str(path))
    with _readable(path):
        names = scan().collect_schema().names()
        n = int(scan().select(pl.len()).collect().item())
    check_names(names, origin)
    _refuse_empty(n, len(names), origin)
    width = max(1, _BATCH_BYTES // (8 * n))

    def columns(wanted: Sequence[str]) -> Iterator[pl.Series]:
        for start in range(0, len(wanted), width):
            with _readable(path):
                batch = scan().select(list(wanted[start : start + width])).collect()
            for name in batch.columns:
                yield batch.drop_in_place(name)

    return RawTable(tuple(names), n, origin, columns)


def _refuse_empty(n: int, width: int, origin: Origin) -> None:
    if n == 0 or width == 0:
        raise EmptyDataError(
            "no rows" if width else "no columns",
            where=origin.name,
            expected="at least one row and one column",
            got=f"{n} rows and {width} columns",
        )


class _readable:
    """Turns whatever a parser throws at a damaged file into an `UnreadableError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: object) -> None:
        failures = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)
        if isinstance(error, failures):
            raise UnreadableError(
                "the file cannot be parsed; it may be damaged or incomplete",
                where=str(self._path),
                got=str(error).splitlines()[0][:200] if str(error) else type(error).__name__,
            ) from None
