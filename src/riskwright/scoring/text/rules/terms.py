"""`Term`: one entry of a list of words, phrases or patterns, and files of them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from riskwright.core import ParameterError, Record
from riskwright.core.documents import line_of, read_document
from riskwright.core.names import nearest, quoted

__all__ = ["MAX_BYTES", "MAX_LENGTH", "Term", "read_terms"]

MAX_BYTES = 64 * 2**20
"""The largest file of terms; one in YAML has at most 1 MiB."""
MAX_LENGTH = 200
"""The longest term, in characters."""


class Term(Record, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A word, phrase or pattern that is denied or allowed.

    Parameters
    ----------
    term : what to look for; words are matched whole, with any spaces or signs between them.
    use : "deny" reports it; "allow" silences rules where they match within it.
    kind : "phrase", or "pattern" for a regular expression of the safe subset (`safe_pattern`).
    hazard : code that a denied term counts for; empty for none.
    weight : of a denied term, in (0, 1].
    rules : of an allowed term: names of rules or families that it silences, empty for all.
    """

    term: str
    use: Literal["deny", "allow"] = "deny"
    kind: Literal["phrase", "pattern"] = "phrase"
    hazard: str = ""
    weight: float = 0.9
    rules: tuple[str, ...] = ()


_FIELDS = tuple(field.name for field in msgspec.structs.fields(Term))


def read_terms(path: str | os.PathLike[str], **defaults: Any) -> tuple[Term, ...]:
    """Terms from a file: text (one a line, # begins a comment line), CSV (with a header), YAML.

    Parameters
    ----------
    path : ending in .txt, .csv, .yaml, .yml or .json. YAML holds a list of terms, each a text or
        the fields of `Term`, or a mapping with such a list under `terms`. Names of rules in CSV
        are separated by spaces.
    defaults : fields for entries that do not state them, such as use="allow".

    Raises
    ------
    ParameterError : with the line, for unknown fields, wrong values and empty or long terms.

    Notes
    -----
    10^5 lines of text take about 0.2 s.
    """
    path = Path(path)
    _check_fields(defaults, "read_terms")
    if path.suffix in (".yaml", ".yml", ".json"):
        return tuple(_from_document(path, defaults))
    if path.suffix not in (".txt", ".csv"):
        raise ParameterError(
            "unknown ending", where=str(path), expected=".txt, .csv, .yaml, .yml or .json"
        )
    lines = _lines(path)
    if path.suffix == ".csv":
        return tuple(_from_csv(lines, path, defaults))
    told = ((n, line.strip()) for n, line in enumerate(lines, 1))
    return tuple(
        _term({**defaults, "term": line}, f"{path}, line {n}")
        for n, line in told
        if line and not line.startswith("#")
    )


def _lines(path: Path) -> list[str]:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise ParameterError(
            "cannot read the terms", where=str(path), got=error.strerror or str(error)
        ) from None
    if size > MAX_BYTES:
        raise ParameterError(
            "list of terms too large", where=str(path), expected=f"at most {MAX_BYTES:,} bytes"
        )
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ParameterError("not UTF-8 text", where=f"{path}, line {line}") from None


def _check_fields(fields: Iterable[str], where: str) -> None:
    for name in fields:
        if name not in _FIELDS:
            raise ParameterError(
                f"unknown field {quoted(name)}", where=where, hint=nearest(str(name), _FIELDS)
            )


def _term(values: Mapping[str, Any], where: str) -> Term:
    text = values.get("term")
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_LENGTH:
        raise ParameterError(
            "a term that is empty, too long or no text",
            where=where,
            expected=f"1 to {MAX_LENGTH} characters",
            got=f"{len(text)} characters" if isinstance(text, str) else type(text).__name__,
        )
    try:
        term = msgspec.convert(dict(values), Term)
    except msgspec.ValidationError as error:
        raise ParameterError("not a term", where=where, got=str(error)) from None
    if not 0 < term.weight <= 1:
        raise ParameterError(
            "weight out of range", where=where, expected="in (0, 1]", got=str(term.weight)
        )
    return term


def _from_csv(lines: list[str], path: Path, defaults: Mapping[str, Any]) -> Iterable[Term]:
    reader = csv.DictReader(lines, strict=True)
    try:
        _check_fields(reader.fieldnames or (), f"{path}, line 1")
        if "term" not in (reader.fieldnames or ()):
            raise ParameterError("no column for the terms", where=str(path), expected="term")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise ParameterError(
                    "wrong number of fields",
                    where=where,
                    expected=str(len(reader.fieldnames or ())),
                )
            told: dict[str, Any] = {name: value for name, value in row.items() if value}
            yield _term({**defaults, **_converted(told, where)}, where)
    except csv.Error as error:
        raise ParameterError(
            "not CSV", where=f"{path}, line {reader.line_num}", got=str(error)
        ) from None


def _converted(told: dict[str, Any], where: str) -> dict[str, Any]:
    if "rules" in told:
        told["rules"] = told["rules"].split()
    if "weight" in told:
        try:
            told["weight"] = float(told["weight"])
        except ValueError:
            raise ParameterError("not a number", where=f"{where}, weight") from None
    return told


def _from_document(path: Path, defaults: Mapping[str, Any]) -> Iterable[Term]:
    document = read_document(path, "list of terms")
    keys: tuple[str | int, ...] = ()
    if isinstance(document, dict):
        keys = ("terms",)
        for key in document:
            if key != "terms":
                raise ParameterError(
                    f"unknown key {quoted(key)}", where=str(path), expected="terms"
                )
        document = document.get("terms")
    if not isinstance(document, list):
        raise ParameterError("no list of terms", where=str(path), expected="a list")
    for place, entry in enumerate(document):
        try:
            values = {"term": entry} if isinstance(entry, str) else entry
            if not isinstance(values, dict):
                raise ParameterError("not a term", where=str(path), got=type(entry).__name__)
            _check_fields(values, str(path))
            term = _term({**defaults, **values}, str(path))
        except ParameterError as error:
            line = line_of(path, (*keys, place))
            error.where = f"{path}, line {line}"
            raise
        yield term
