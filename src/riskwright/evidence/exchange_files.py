"""Files of exchanges and labels: JSON lines, CSV and Parquet, read line by line and forgivingly.

A line that cannot be read is listed by its number, and the others are read all the same.
"""

from __future__ import annotations

import codecs
import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import msgspec

from riskwright.core import ColumnError, Record, UnreadableError, UsageError
from riskwright.core.documents import unique_keys
from riskwright.core.names import nearest, quoted

from .exchanges import MAX_TEXT, Exchange, Message
from .labels import Label, Pair

__all__ = [
    "MAX_LINE",
    "MAX_NAME",
    "ExchangeFile",
    "LineProblem",
    "json_lines",
    "read_exchanges",
]

MAX_LINE = 8 << 20
"""Bytes of one line."""
MAX_NAME = 1000
"""Characters of an id, or of the name or value of an attribute."""
_ATTRIBUTES = 100
_IGNORED = 100
_SHOWN = 60
_TEXTS = ("prompt", "reply")
_LABELS = ("label", "severity", "weight")
_KNOWN = ("id", *_TEXTS, "context", "messages", "attributes", *_LABELS, "hazards", "text")
_PAIR = ("worse", "milder", "weight")
_HAZARD = "hazard:"
_KEY = re.compile(rb'(?<!\\)"[ \t\r\n]*:')


class LineProblem(Record, frozen=True, kw_only=True):
    """Why a line was set aside; `line` counts from 1, header included. Never quotes the text."""

    line: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


class ExchangeFile(Record, frozen=True, kw_only=True):
    """What a file holds.

    `lines` are the line numbers of the exchanges; `labels` go with them (None where a line has no
    label); `pairs` are judgements of which of two is worse; `problems` are lines set aside;
    `ignored` are keys or columns that nothing reads, a hundred at most.
    """

    source: str
    exchanges: tuple[Exchange, ...]
    lines: tuple[int, ...]
    labels: tuple[Label | None, ...]
    pairs: tuple[Pair, ...]
    problems: tuple[LineProblem, ...]
    ignored: tuple[str, ...]

    @property
    def labelled(self) -> tuple[list[Exchange], list[Label]]:
        """The exchanges that have a label, and their labels."""
        kept = [(e, y) for e, y in zip(self.exchanges, self.labels, strict=True) if y is not None]
        return [exchange for exchange, _ in kept], [label for _, label in kept]


def read_exchanges(
    source: str | Path | BinaryIO, *, attributes: Sequence[str] = ()
) -> ExchangeFile:
    """Exchanges and labels of a file, or of JSON lines on a stream.

    Parameters
    ----------
    source : path of JSON lines (.jsonl, .ndjson), CSV or Parquet, or a binary stream of JSON lines
        A line holds `prompt` (or `text`), and where there is one `reply`; or `messages` as chat
        clients send them, of which the last one is judged. Further `id`, `context`, `attributes`,
        and labels: `label` (0, 1 or between), `severity` (a level or number, higher is worse),
        `hazards` (code -> 0 or 1; in tables columns named `hazard:CODE`), `weight`. A line with
        `worse` and `milder`, two exchanges, is a `Pair`. What is null counts as not given.
    attributes : further keys or columns to keep as attributes.

    Raises
    ------
    UnreadableError : no such file, not UTF-8 as a whole (Parquet, CSV), or one JSON array.
    UsageError : no such format.
    ColumnError : a table without a column `prompt`, `text` or `messages`.

    Notes
    -----
    A line of JSON may have at most `MAX_LINE` bytes, a text `MAX_TEXT` characters, an id or
    attribute `MAX_NAME`; a key given twice sets the line aside. Linear in the file: about 20 us
    and, beside the text, 1 kB per line.
    """
    if not isinstance(source, str | Path):
        return _gathered("standard input", json_lines(source), attributes)
    path = Path(source)
    suffix = path.suffix.lower()
    try:
        if suffix in (".jsonl", ".ndjson", ".json"):
            with path.open("rb") as file:
                return _gathered(str(path), json_lines(file), attributes)
        if suffix in (".csv", ".tsv"):
            with path.open(encoding="utf-8-sig", newline="") as text:
                return _gathered(str(path), _csv_lines(text, path), attributes)
        if suffix == ".parquet":
            return _gathered(str(path), _parquet_rows(path), attributes)
    except OSError as error:
        raise UnreadableError(
            "cannot be read", where=str(path), got=error.strerror or type(error).__name__
        ) from None
    raise UsageError(
        "not a kind of file that exchanges are read from",
        where=str(path),
        expected=".jsonl, .csv or .parquet",
    )


_Line = tuple[int, dict[str, Any] | str]  # number, and the values or what is wrong


def json_lines(file: BinaryIO) -> Iterator[_Line]:
    """(number of the line, its object, or what is wrong with it) of all lines but empty ones."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            yield number, f"longer than {MAX_LINE:,} bytes"
            continue
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
            if line.lstrip().startswith(b"["):
                raise UnreadableError(
                    "a JSON array",
                    where=str(getattr(file, "name", "standard input")),
                    expected="JSON lines: one object on each line",
                )
        if line.strip():
            yield number, _decoded(line)


def _decoded(line: bytes) -> dict[str, Any] | str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 text (byte {line[error.start]:#04x} at {error.start})"
    try:
        values = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return f"not JSON ({_place(str(error))})"
    if not isinstance(values, dict):
        return f"not a JSON object ({_kind(values)})"
    return "a key is given twice" if _twice(line, values) else values


def _twice(line: bytes, values: Any) -> bool:
    """Whether an object of the line names a key twice, of which the decoder keeps one."""
    if len(_KEY.findall(line)) == _keys(values):
        return False
    try:
        json.loads(line, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        return True
    return False


def _keys(value: Any) -> int:
    """How many keys there are in all objects of a value."""
    own, inner = (len(value), value.values()) if isinstance(value, dict) else (0, value)
    return own + sum(_keys(one) for one in inner if isinstance(one, dict | list))


def _place(message: str) -> str:
    return message.partition("(")[0].strip().rstrip(":") if "(" in message else message[:80]


def _kind(value: Any) -> str:
    return {type(None): "null", list: "array", str: "string", bool: "boolean"}.get(
        type(value), "number"
    )


def _csv_lines(text: TextIO, path: Path) -> Iterator[_Line]:
    csv.field_size_limit(4 * MAX_TEXT)
    rows = csv.reader(text, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    try:
        header = next(rows, None)
        if header is None:
            return
        _check_header(header, path)
        last = rows.line_num
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                start, last = last + 1, rows.line_num
                reach = f"; read up to line {last}" if last > start else ""
                yield start, f"not CSV ({error}{reach})"
                continue
            start, last = last + 1, rows.line_num
            if not row:
                continue
            if len(row) != len(header):
                yield start, f"{len(row)} fields where the header has {len(header)}"
                continue
            yield start, {k: v for k, v in zip(header, row, strict=True) if v != ""}
    except UnicodeDecodeError as error:
        raise UnreadableError(
            "not UTF-8 text", where=str(path), got=f"byte {error.object[error.start]:#04x}"
        ) from None


def _check_header(header: Sequence[str], path: Path) -> None:
    seen: set[str] = set()
    for name in header:
        if name in seen:
            raise ColumnError(f"the column {quoted(name)} is there twice", where=str(path))
        seen.add(name)
    if not {"prompt", "text", "messages", "reply"} & set(header):
        raise ColumnError(
            "no column of texts",
            where=str(path),
            expected="a column prompt (and reply, where there is one)",
            hint="Separate the columns by commas"
            if len(header) == 1 and ";" in header[0]
            else nearest("prompt", [name[:MAX_NAME] for name in header]),
        )


def _parquet_rows(path: Path) -> Iterator[_Line]:
    import polars as pl

    try:
        frame = pl.read_parquet(path, glob=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # polars has no common base of its own for damaged files
        raise UnreadableError(
            "not a Parquet file that can be read", where=str(path), got=type(error).__name__
        ) from None
    _check_header(frame.columns, path)
    yield from enumerate(frame.iter_rows(named=True), start=1)


def _gathered(source: str, lines: Iterator[_Line], attributes: Sequence[str]) -> ExchangeFile:
    exchanges: list[Exchange] = []
    numbers: list[int] = []
    labels: list[Label | None] = []
    pairs: list[Pair] = []
    problems: list[LineProblem] = []
    ignored: dict[str, None] = {}
    known = {*_KNOWN, *attributes}
    for number, values in lines:
        try:
            if isinstance(values, str):
                raise _Unfit(values)
            values = {key: value for key, value in values.items() if value is not None}
            if "worse" in values or "milder" in values:
                pairs.append(_pair(values, number))
                continue
            exchange = _exchange(values, attributes, str(number))
            label = _label(values)
        except _Unfit as problem:
            problems.append(LineProblem(line=number, problem=str(problem)))
            continue
        exchanges.append(exchange)
        numbers.append(number)
        labels.append(label)
        for key in values:
            if key not in known and len(ignored) < _IGNORED and not key.startswith(_HAZARD):
                ignored[key[:_SHOWN]] = None
    return ExchangeFile(
        source=source,
        exchanges=tuple(exchanges),
        lines=tuple(numbers),
        labels=tuple(labels),
        pairs=tuple(pairs),
        problems=tuple(problems),
        ignored=tuple(ignored),
    )


class _Unfit(Exception):
    """Why a line cannot be used."""


def _exchange(values: Mapping[str, Any], attributes: Sequence[str], number: str) -> Exchange:
    if "text" in values and "prompt" in values:
        raise _Unfit("both prompt and text are given")
    told = dict(values)
    if "text" in told:
        told["prompt"] = told.pop("text")
    if "messages" in told:
        if not told.keys().isdisjoint(("prompt", "reply", "context")):
            raise _Unfit("both messages and prompt, reply or context are given")
        told.update(_of_messages(_list(told["messages"], "messages")))
    if "prompt" not in told and "reply" not in told:
        raise _Unfit("no prompt")
    for name in _TEXTS:
        if name in told:
            told[name] = _text(told[name], name)
    kept = told.get("attributes", {})
    if isinstance(kept, str):
        kept = _parsed(kept, "attributes")
    if not isinstance(kept, Mapping):
        raise _Unfit("attributes is not an object")
    kept = {**kept, **{name: told[name] for name in attributes if name in told}}
    if len(kept) > _ATTRIBUTES:
        raise _Unfit(f"more than {_ATTRIBUTES} attributes")
    context = _list(told.get("context", ()), "context")
    return Exchange(
        prompt=told.get("prompt", ""),
        reply=told.get("reply"),
        context=tuple(_message(m, "context") for m in context),
        id=_plain(told.get("id", number), "id") or number,
        attributes={
            _plain(k, "the name of an attribute"): _plain(v, f"attribute {quoted(k)}")
            for k, v in kept.items()
            if v is not None
        },
    )


def _list(value: Any, name: str) -> Sequence[Any]:
    found = _parsed(value, name) if isinstance(value, str) else value
    if not isinstance(found, list | tuple):
        raise _Unfit(f"{name} is not a list")
    return found


def _parsed(text: str, name: str) -> Any:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise _Unfit(f"{name} is not JSON") from None
    if _twice(text.encode(), found):
        raise _Unfit(f"{name} names a key twice")
    return found


def _of_messages(messages: Sequence[Any]) -> dict[str, Any]:
    """Prompt, reply and context of a chat, of which the last turn is judged."""
    turns = [_message(message, "messages") for message in messages]
    if not turns or turns[-1].role not in ("user", "assistant"):
        raise _Unfit("messages does not end with a turn of the user or the assistant")
    if messages[-1].get("content") is None or (
        messages[-1].get("tool_calls") and not turns[-1].content
    ):
        raise _Unfit("messages ends with a turn that holds no text, such as a call of a tool")
    last = turns[-1]
    if last.role == "user":
        return {"prompt": last.content, "context": [msgspec.to_builtins(t) for t in turns[:-1]]}
    asked = max((k for k, t in enumerate(turns) if t.role == "user"), default=None)
    before = [t for k, t in enumerate(turns[:-1]) if k != asked]
    return {
        "prompt": "" if asked is None else turns[asked].content,
        "reply": last.content,
        "context": [msgspec.to_builtins(t) for t in before],
    }


def _message(value: Any, name: str) -> Message:
    if not isinstance(value, Mapping):
        raise _Unfit(f"{name} holds something that is not a message")
    role, content = value.get("role"), value.get("content")
    if role == "developer":
        role = "system"
    if role not in ("system", "user", "assistant", "tool"):
        raise _Unfit(f"{name}: a role that is none of system, user, assistant, tool")
    if isinstance(content, list):
        parts = [p.get("text") if isinstance(p, Mapping) else None for p in content]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) != len(parts):
            raise _Unfit(f"{name}: content with parts that are not text")
        content = "\n".join(texts)
    return Message(role=role, content=_text("" if content is None else content, name))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _Unfit(f"{name} is not text ({_kind(value)})")
    if len(value) > MAX_TEXT:
        raise _Unfit(f"{name} has {len(value):,} characters, more than {MAX_TEXT:,}")
    return value


def _plain(value: Any, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise _Unfit(f"{name} is not a plain value")
    if len(plain := str(value)) > MAX_NAME:
        raise _Unfit(f"{name} has more than {MAX_NAME:,} characters")
    return plain


def _label(values: Mapping[str, Any]) -> Label | None:
    told = {name: _number(values[name], name) for name in _LABELS if name in values}
    hazards = values.get("hazards", {})
    if isinstance(hazards, str):
        hazards = _parsed(hazards, "hazards")
    if isinstance(hazards, list):
        raise _Unfit("hazards is a list, which does not say which others were looked for")
    if not isinstance(hazards, Mapping):
        raise _Unfit("hazards is not an object")
    named = {k.removeprefix(_HAZARD): v for k, v in values.items() if k.startswith(_HAZARD)}
    found = {
        _plain(k, "a hazard"): _share(v, f"hazard {quoted(k)}")
        for k, v in {**hazards, **named}.items()
        if v is not None
    }
    if any(not hazard.strip() for hazard in found):
        raise _Unfit("a hazard without a name")
    harmful = told.get("label")
    if harmful is not None:
        harmful = _share(harmful, "label")
    if harmful is None and "severity" not in told and not found:
        return None
    weight = _weight(told.get("weight", 1.0))
    return Label(harmful=harmful, severity=told.get("severity"), hazards=found, weight=weight)


def _weight(value: Any) -> float:
    weight = _number(value, "weight")
    if weight < 0:
        raise _Unfit("weight is negative")
    return weight


def _number(value: Any, name: str) -> float:
    words = {"true": 1.0, "false": 0.0}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    try:
        plain = isinstance(value, int | float) or (isinstance(value, str) and "_" not in value)
        number = float(value) if plain else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _Unfit(f"{name} is not a number")
    return number


def _share(value: Any, name: str) -> float:
    number = _number(value, name)
    if not 0 <= number <= 1:
        raise _Unfit(f"{name} is not between 0 and 1")
    return number


def _pair(values: Mapping[str, Any], line: int) -> Pair:
    wrong = [k for k in values if k not in _PAIR and k != "id"]
    sides = [values.get("worse"), values.get("milder")]
    if wrong or not all(isinstance(side, Mapping) for side in sides):
        raise _Unfit("a pair needs worse and milder, two exchanges")
    worse, milder = (
        _exchange({k: v for k, v in side.items() if v is not None}, (), f"{line}{mark}")
        for side, mark in zip(sides, "ab", strict=True)
        if isinstance(side, Mapping)
    )
    return Pair(worse=worse, milder=milder, weight=_weight(values.get("weight", 1.0)))
