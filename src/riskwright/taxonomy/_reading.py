"""Records from YAML and JSON that people write, with the line of whatever is wrong."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from riskwright.core import ParameterError, Record
from riskwright.core.documents import line_of, read_document
from riskwright.core.names import nearest, quoted

__all__ = ["Keys", "place", "read_lines"]

Kind = TypeVar("Kind", bound=Record)
Keys = tuple[str | int, ...]


def place(where: Path | str, keys: Keys) -> str:
    """Where a value stands, for messages: the line in its file, or the keys that lead there."""
    if isinstance(where, Path):
        line = line_of(where, keys)
        return f"{where}, line {line}" if line else str(where)
    return ".".join(map(str, (where, *keys)))


def read_lines(
    source: Mapping[str, Any] | str | os.PathLike[str], kind: type[Kind], what: str
) -> Kind:
    """A record from a YAML or JSON file of at most 1 MiB, or from plain values.

    `what` names it in messages. Raises `ParameterError`, with line and keys, for an unknown key
    (with the nearest one), a missing key, and a value of the wrong kind.
    """
    where: Path | str = what if isinstance(source, Mapping) else Path(source)
    body = source if isinstance(source, Mapping) else read_document(Path(source), what)
    record: Kind = _record(body, kind, where, ())
    return record


def _value(value: Any, kind: Any, where: Path | str, keys: Keys) -> Any:
    """`value` as `kind`; descends so that an error knows the keys."""
    if get_origin(kind) in (Union, types.UnionType) and value is not None:
        inner = [one for one in get_args(kind) if one is not types.NoneType]
        kind = inner[0] if len(inner) == 1 else kind
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _record(value, kind, where, keys)
    if get_origin(kind) is dict and isinstance(value, Mapping):
        first, second = get_args(kind)
        return {
            _value(key, first, where, (*keys, key)): _value(item, second, where, (*keys, key))
            for key, item in value.items()
        }
    if get_origin(kind) is tuple and get_args(kind)[1:] == (...,) and isinstance(value, list):
        item = get_args(kind)[0]
        return tuple(_value(one, item, where, (*keys, i)) for i, one in enumerate(value))
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem = str(error).partition(" - at `$")[0]
        raise ParameterError(
            "wrong kind of value",
            where=place(where, keys),
            got=problem[:1].lower() + problem[1:],
            hint=_choices(value, kind),
        ) from None


def _record(value: Any, kind: type[msgspec.Struct], where: Path | str, keys: Keys) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise ParameterError(
            "wrong kind of value",
            where=place(where, keys),
            expected="keys and values",
            got=type(value).__name__,
        )
    hints = _hints(kind)
    for key in value:
        if key not in hints:
            raise ParameterError(
                f"unknown key {quoted(key)}",
                where=place(where, (*keys, key)),
                hint=nearest(str(key), hints),
            )
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in value:
            raise ParameterError(
                f"the key {quoted(field.name)} is missing", where=place(where, keys)
            )
    return kind(**{k: _value(v, hints[k], where, (*keys, k)) for k, v in value.items()})


@cache
def _hints(kind: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(kind)}


def _choices(value: Any, kind: Any) -> str | None:
    choices = [str(one) for one in get_args(kind) if isinstance(one, str)]
    return nearest(str(value), choices) if choices else None
