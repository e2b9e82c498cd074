"""Small YAML and JSON files that people write: read safely, with messages that name the line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from .exceptions import ParameterError
from .names import nearest, quoted
from .records import Record

__all__ = ["line_of", "read_document", "read_record", "unique_keys"]

Kind = TypeVar("Kind", bound=Record)

MAX_BYTES = 2**20
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def read_document(path: Path, kind: str) -> Any:
    """The plain values of a YAML or JSON file of at most 1 MiB; `kind` names it in messages.

    Anchors and keys given twice are refused. Raises `ParameterError`.
    """
    return _parse(_text(path, kind), path, kind)


def _text(path: Path, kind: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ParameterError(
            f"cannot read the {kind}", where=str(path), got=error.strerror or str(error)
        ) from None
    if len(data) > MAX_BYTES:
        raise ParameterError(
            f"{kind} too large", where=str(path), expected=f"at most {MAX_BYTES:,} bytes"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError(
            "not UTF-8 text", where=str(path), got=f"byte {data[error.start]:#04x} at {error.start}"
        ) from None


class _Loader(yaml.SafeLoader):
    """Safe YAML without anchors, dates, or booleans other than true and false."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None,
                None,
                "anchors and aliases are not allowed",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {quoted(key.value)} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    letter: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def _parse(text: str, path: Path, kind: str) -> Any:
    try:
        if path.suffix.lower() == ".json":
            return json.loads(text, object_pairs_hook=unique_keys)
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise ParameterError(
            f"the {kind} cannot be parsed",
            where=f"{path}{place}",
            expected="YAML or JSON",
            got=problem,
        ) from None
    except (ValueError, RecursionError, TypeError) as error:
        raise ParameterError(
            f"the {kind} cannot be parsed",
            where=str(path),
            expected="YAML or JSON",
            got=str(error)[:200] or type(error).__name__,
        ) from None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs, for JSON; `ValueError` where a key is given twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {quoted(key)} is given twice")
        found[key] = value
    return found


def line_of(path: Path, keys: Sequence[str | int]) -> int | None:
    """The line, from 1, on which `keys` (names and places in lists) lead in a YAML file.

    Of the deepest of the keys that is there: of its name, where its value begins below it. None
    where the file cannot be parsed.
    """
    try:
        node = yaml.compose(_text(path, "file"), Loader=_Loader)
    except (yaml.YAMLError, ParameterError, RecursionError):
        return None
    marked = node
    for key in keys:
        name = inner = None
        if isinstance(node, yaml.MappingNode):
            name, inner = next((p for p in node.value if p[0].value == str(key)), (None, None))
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            name = inner = node.value[key]
        if name is None:
            break
        marked, node = name, inner
    return None if marked is None else int(marked.start_mark.line) + 1


def read_record(
    source: Mapping[str, Any] | str | os.PathLike[str], kind: type[Kind], what: str
) -> Kind:
    """A record of `kind` from a YAML or JSON file of at most 1 MiB, or from plain values.

    `what` names it in messages. Raises `ParameterError` for an unknown key (with the nearest one),
    a missing key and a value of the wrong kind, naming the key.
    """
    where = what
    body: Any = source
    if isinstance(source, str | os.PathLike):
        where = str(source)
        body = read_document(Path(source), what)
    if body is None:
        body = {}
    if not isinstance(body, Mapping):
        raise ParameterError(
            f"not a {what}", where=where, expected="keys and values", got=type(body).__name__
        )
    known = [field.name for field in msgspec.structs.fields(kind)]
    for key in body:
        if key not in known:
            hint = nearest(str(key), known) or "Known keys: " + ", ".join(known)
            raise ParameterError(f"unknown key {quoted(key)}", where=where, hint=hint)
    try:
        return msgspec.convert(dict(body), kind)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        at = where + (place.rstrip("`") and f": {place.rstrip('`').lstrip('.')}")
        if unknown := _UNKNOWN.match(problem):
            raise ParameterError(f"unknown key {quoted(unknown[1])}", where=at) from None
        raise ParameterError(
            "wrong kind of value", where=at, got=problem[:1].lower() + problem[1:]
        ) from None
