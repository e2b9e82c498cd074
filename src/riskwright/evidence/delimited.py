"""Delimited text files: encoding, delimiter, quoting and shape are checked before parsing."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from riskwright.core import ColumnError, EmptyDataError, ParameterError, UnreadableError

from .columns import MISSING_NUMBER, Origin, quoted
from .containers import check_names

__all__ = ["check_delimiter", "read_delimited", "sniff_delimiter"]

_CANDIDATES = ",;\t|:^~ "
_SAMPLE = 1 << 16
_SAMPLE_ROWS = 1000
_CHUNK = 1 << 24
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13


def read_delimited(
    path: Path, delimiter: str | None = None, text_columns: Collection[str] = ()
) -> tuple[pl.DataFrame, Origin]:
    """The raw columns of a delimited text file with a header line.

    UTF-8 with or without a byte order mark, UTF-16 with one, plain or gzip. Fields may be quoted
    and then hold delimiters and line ends. Blank lines are skipped, except in a file of a single
    column, where they are missing values. `text_columns` are read as text whatever they look like.

    Raises
    ------
    UnreadableError : bytes that are no text, a quote never closed, rows of unequal length.
    EmptyDataError : no header or no row below it.
    ColumnError : names that occur twice, or a first line of numbers.
    """
    data = _utf8(path)
    where = str(path)
    if not data.strip():
        raise EmptyDataError(
            "the file is empty", where=where, expected="a line of column names, then rows"
        )
    data = data.strip(b"\r\n")
    sample = data[:_SAMPLE].decode("utf-8", errors="ignore")
    if delimiter is None:
        delimiter = sniff_delimiter(sample, whole=len(data) <= _SAMPLE)
    check_delimiter(delimiter)

    def line_of(row: int) -> int | None:
        return _line_of(data, delimiter, row)

    origin = Origin(where, line_of)
    names = _header(data, delimiter, origin)
    frame = _parse_fast(data, delimiter, names, text_columns)
    if frame is None:
        frame = _parse_carefully(data, delimiter, names, where)
    if frame.height == 0:
        raise EmptyDataError(
            "no rows below the column names", where=where, expected="at least one row"
        )
    return frame, origin


def check_delimiter(delimiter: str) -> None:
    """Refuse what cannot part columns."""
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise ParameterError(
            "not a delimiter",
            where="delimiter",
            expected="one ASCII character such as , ; or a tab",
            got=repr(delimiter),
        )


def sniff_delimiter(sample: str, *, whole: bool = True) -> str:
    """The character that splits most lines of `sample` into as many fields as the first line.

    Tried are , ; tab | : ^ ~ and the space; the last only where every line agrees. A comma, where
    none splits the first line.

    >>> sniff_delimiter("age;bmi\\n65;23,5\\n40;31,2\\n")
    ';'
    """
    best, least = ",", (0.0, 0)
    for candidate in _CANDIDATES:
        try:
            records = [
                len(record)
                for record, _ in zip(
                    csv.reader(io.StringIO(sample, newline=""), delimiter=candidate),
                    range(200),
                    strict=False,
                )
                if record
            ]
        except csv.Error:
            continue
        if not whole and len(records) > 1 and len(records) < 200:
            records.pop()
        if not records or records[0] < 2:
            continue
        share = round(records.count(records[0]) / len(records), 2)
        if candidate == " " and share < 1:
            continue
        if (share, records[0]) > least:
            best, least = candidate, (share, records[0])
    return best


def _utf8(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableError(
            "damaged gzip file", where=str(path), got=str(error) or type(error).__name__
        ) from None
    except OSError as error:
        raise UnreadableError(
            "cannot read the file", where=str(path), got=error.strerror or str(error)
        ) from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError as error:
            raise UnreadableError(
                "not the UTF-16 text that its first bytes announce",
                where=str(path),
                got=str(error)[:100],
            ) from None
    elif data.startswith(codecs.BOM_UTF8):
        data = data[3:]
    _refuse_undecodable(data, path)
    if b"\r" in data[:_SAMPLE] and b"\n" not in data[:_SAMPLE]:
        data = data.replace(b"\r", b"\n")
    return data


def _refuse_undecodable(data: bytes, path: Path) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _CHUNK):
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + _CHUNK], start + _CHUNK >= len(data))
        except UnicodeDecodeError as error:
            _refuse_byte(data, start - held + error.start, path)
    zero = data.find(b"\0")
    if zero >= 0:
        _refuse_byte(data, zero, path)


def _refuse_byte(data: bytes, offset: int, path: Path) -> None:
    line = data.count(b"\n", 0, offset) + 1
    coding = "latin1" if data[offset] else "utf-16"
    raise UnreadableError(
        "bytes that are not UTF-8 text",
        where=str(path),
        expected="UTF-8, or UTF-16 with a byte order mark",
        got=f"byte {data[offset]:#04x} at offset {offset:,} (line {line:,})",
        hint=f"Save the table as 'CSV UTF-8', or convert it: iconv -f {coding} -t utf-8",
    )


def _records(data: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Records of the file, the header first, each with the line on which it starts."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    line = 1
    for record in reader:
        yield line, record
        line = reader.line_num + 1


def _line_of(data: bytes, delimiter: str, row: int) -> int | None:
    """The line of a data row (counted from 0)."""
    seen, width = -2, 0
    try:
        for line, record in _records(data, delimiter):
            width = width or len(record)
            seen += bool(record) or width == 1
            if seen == row:
                return line
    except csv.Error:
        pass
    return None


def _header(data: bytes, delimiter: str, origin: Origin) -> list[str]:
    try:
        names = next(_records(data, delimiter))[1]
    except csv.Error as error:
        raise UnreadableError(
            "the column names cannot be parsed",
            where=origin.name,
            expected="CSV, Parquet, Arrow or Feather",
            got=str(error),
        ) from None
    named = [name for name in names if name.strip()]
    if named and all(_is_number(name) for name in names):
        raise ColumnError(
            "the first line holds numbers",
            where=origin.name,
            expected="a line of column names",
            got=", ".join(quoted(name, 12) for name in names[:3]) + (", …" * (len(names) > 3)),
            hint="Put a line of column names on top of the file",
        )
    filled = [name if name.strip() else f"column {j}" for j, name in enumerate(names, start=1)]
    check_names(filled, origin)
    return filled


def _is_number(text: str) -> bool:
    if text.strip().lower() in MISSING_NUMBER:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_fast(
    data: bytes, delimiter: str, names: list[str], text_columns: Collection[str]
) -> pl.DataFrame | None:
    """The rows by the compiled parser, or None where quoting or shape need a careful look."""
    shape = _scan(data, delimiter, len(names))
    if shape is None:
        return None
    n_records, blank = shape
    texts = {name: pl.String for name in names if name in text_columns}
    for infer in (True, False):
        try:
            frame = pl.read_csv(
                data,
                separator=delimiter,
                schema_overrides=texts,
                infer_schema=infer,
                infer_schema_length=_SAMPLE_ROWS,
            )
        except pl.exceptions.PolarsError:
            continue
        if frame.shape != (n_records - 1, len(names)):
            return None
        frame.columns = names
        if len(blank) and len(names) > 1:
            keep = np.ones(frame.height, dtype=bool)
            keep[blank - 1] = False
            frame = frame.filter(pl.Series(keep))
        return frame
    return None


def _scan(data: bytes, delimiter: str, width: int) -> tuple[int, np.ndarray] | None:
    """Number of records (with the header) and the indices of blank ones; None if any is ragged.

    A byte counts as quoted where an odd number of quotes stands before it.
    """
    buffer = np.frombuffer(data, dtype=np.uint8)
    quoted_file = b'"' in data
    start, count, size = 0, 0, _CHUNK
    blank: list[np.ndarray] = []
    while start < len(buffer):
        chunk = buffer[start : start + size]
        last = start + size >= len(buffer)
        ends = chunk == _NEWLINE
        marks = chunk == ord(delimiter)
        if quoted_file:
            inside = np.bitwise_xor.accumulate(chunk == _QUOTE)
            if last and inside[-1]:
                return None
            ends &= ~inside
            marks &= ~inside
        stops = np.flatnonzero(ends)
        if last:
            stops = np.append(stops, len(chunk))
        elif not len(stops):
            size *= 2
            continue
        begins = np.concatenate(([0], stops[:-1] + 1))
        held = np.searchsorted(np.flatnonzero(marks), stops)
        fields = np.diff(held, prepend=0) + 1
        length = stops - begins
        first = chunk[np.minimum(begins, len(chunk) - 1)]
        empty = (length == 0) | ((length == 1) & (first == _RETURN))
        if (fields[~empty] != width).any():
            return None
        blank.append(np.flatnonzero(empty) + count)
        count += len(stops)
        start += int(stops[-1]) + 1
    return count, np.concatenate(blank)


def _parse_carefully(data: bytes, delimiter: str, names: list[str], where: str) -> pl.DataFrame:
    """The rows as text, one by one: quotes inside of fields are allowed, ragged rows named."""
    columns: list[list[str | None]] = [[] for _ in names]
    row = 0
    records = _records(data, delimiter)
    try:
        next(records)
        for line, record in records:
            if not record and len(names) > 1:
                continue
            row += 1
            if not record:
                record = [""]
            if len(record) != len(names):
                raise UnreadableError(
                    "a row of another length",
                    where=where,
                    expected=f"{_fields(len(names))}, as many as there are column names",
                    got=f"{_fields(len(record))} in data row {row:,} (line {line:,})",
                    hint="Let the file start with the line of column names, and nothing else"
                    if row == 1
                    else f"Quote fields that contain {delimiter!r}, or name the delimiter if it is "
                    f"not {delimiter!r}",
                )
            for column, field in zip(columns, record, strict=True):
                column.append(field or None)
    except csv.Error as error:
        raise UnreadableError(
            "quoting that cannot be parsed",
            where=where,
            got=f"{error} after data row {row:,}",
            hint="Close every quote, and double the quotes inside of quoted fields",
        ) from None
    return pl.DataFrame(
        [pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)]
    )


def _fields(count: int) -> str:
    return f"{count:,} field{'s' * (count != 1)}"
