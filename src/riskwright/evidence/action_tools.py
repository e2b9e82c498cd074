"""`ToolCatalogue`: what an operator knows of the tools that agents may call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import ParameterError, Record
from riskwright.core.documents import line_of, read_document
from riskwright.core.names import nearest, quoted

from .actions import Audience, Kind, Reversibility

__all__ = ["ToolCatalogue", "ToolEntry", "load_tools"]


class ToolEntry(Record, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is known of one tool. What is None is guessed from the name and the arguments.

    `amount`, `recipient` and `resource` name the arguments that hold these; `currency` is a code;
    `sensitive` marks what the tool acts on; `data` are labels of the data it handles; `signs` are
    added to those of every call.
    """

    kind: Kind | None = None
    reversibility: Reversibility | None = None
    audience: Audience | None = None
    amount: str = ""
    currency: str = ""
    recipient: str = ""
    resource: str = ""
    data: tuple[str, ...] = ()
    sensitive: bool = False
    signs: tuple[str, ...] = ()


class ToolCatalogue(
    Record, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Tools by name, the operator's own domains, and the recipients that are known.

    `known` holds addresses, or domains written as "@example.org".

    Examples
    --------
    >>> tools = ToolCatalogue(own_domains=("example.org",), known=("ana@partner.example",))
    >>> tools.owns("mail.example.org"), tools.owns("example.org.evil.example")
    (True, False)
    >>> tools.knows("Ana@partner.example"), tools.knows("bo@example.org"), tools.knows("x@y.z")
    (True, True, False)
    """

    tools: dict[str, ToolEntry] = {}
    own_domains: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def owns(self, domain: str) -> bool:
        """Whether the domain is one of the operator's own, or below one."""
        name = domain.lower().rstrip(".")
        own = [own.lower().rstrip(".") for own in self.own_domains]
        return any(name == one or name.endswith("." + one) for one in own)

    def knows(self, recipient: str) -> bool:
        """Whether the recipient is listed, or at an own domain."""
        name = recipient.strip().lower()
        _, at, domain = name.rpartition("@")
        known = {one.strip().lower() for one in self.known}
        return name in known or (bool(at) and (f"@{domain}" in known or self.owns(domain)))

    def with_mcp(
        self, listed: Mapping[str, Any] | Sequence[Any], *, trusted: bool = False
    ) -> ToolCatalogue:
        """This catalogue with the annotations of an answer to the MCP request `tools/list`.

        Annotations are hints that a server gives of itself. From a server that is not `trusted`
        they only raise concern: a tool that says it destroys is believed, one that says it only
        reads is not. Entries of this catalogue stand above them.

        Raises `ParameterError` for what is not a list of tools.
        """
        told = listed.get("result", listed) if isinstance(listed, Mapping) else listed
        told = told.get("tools") if isinstance(told, Mapping) else told
        if not isinstance(told, Sequence) or isinstance(told, str | bytes):
            raise ParameterError("not a list of tools", where="tools/list", expected="tools: [...]")
        found = {}
        for place, tool in enumerate(told):
            if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
                raise ParameterError(
                    "a tool without a name", where=f"tools[{place}].name", expected="text"
                )
            hints = tool.get("annotations") or {}
            if not isinstance(hints, Mapping):
                raise ParameterError(
                    "not annotations", where=f"tools[{place}].annotations", expected="an object"
                )
            found[tool["name"]] = _of_hints(hints, trusted)
        return msgspec.structs.replace(self, tools={**found, **self.tools})


def _of_hints(hints: Mapping[str, Any], trusted: bool) -> ToolEntry:
    reads, destroys = hints.get("readOnlyHint") is True, hints.get("destructiveHint")
    if reads and trusted:
        return ToolEntry(kind="read", reversibility="reversible", audience="self")
    if reads:
        return ToolEntry()
    signs = ["destructive"] if destroys is True else []
    if hints.get("openWorldHint") is True:
        signs.append("open world")
    undone: Reversibility | None = "irreversible" if destroys is True else None
    if trusted and destroys is False:
        undone = "reversible" if hints.get("idempotentHint") is True else "costly"
    return ToolEntry(reversibility=undone, signs=tuple(signs))


def load_tools(path: str | os.PathLike[str]) -> ToolCatalogue:
    """A catalogue from a YAML or JSON file of at most 1 MiB.

    Keys: `tools` (name of the tool -> the fields of `ToolEntry`), `own_domains`, `known`.

    Raises
    ------
    ParameterError : a file that cannot be read, an unknown key (with the nearest one), a value that
        is not allowed; with the line.
    """
    where = Path(path)
    document = read_document(where, "tool catalogue")
    if not isinstance(document, dict):
        raise ParameterError(
            "not a tool catalogue", where=str(where), expected="the key tools, with names below it"
        )
    _known(document, ToolCatalogue, (), where)
    tools = document.get("tools") or {}
    if not isinstance(tools, dict):
        raise _refusal("not tools", ("tools",), where, "names with their fields below them")
    entries = {}
    for name, body in tools.items():
        keys = ("tools", name)
        if not isinstance(name, str) or not isinstance(body, dict):
            raise _refusal("not a tool", keys, where, "a name with fields below it")
        _known(body, ToolEntry, keys, where)
        entries[name] = _converted(body, ToolEntry, keys, where)
    rest = {key: value for key, value in document.items() if key != "tools"}
    base: ToolCatalogue = _converted(rest, ToolCatalogue, (), where)
    whole: ToolCatalogue = msgspec.structs.replace(base, tools=entries)
    return whole


def _converted(body: dict[str, Any], kind: Any, keys: tuple[str, ...], path: Path) -> Any:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        field = place.rstrip("`").partition("[")[0]
        allowed = ""
        if "enum value" in problem:
            hints: Any = kind.__annotations__.get(field, "")
            allowed = _allowed(str(hints))
        raise _refusal(
            problem[:1].lower() + problem[1:], (*keys, field) if field else keys, path, allowed
        ) from None


def _allowed(annotation: str) -> str:
    from . import actions

    lists = {
        "Kind": actions.KINDS,
        "Reversibility": actions.REVERSIBILITIES,
        "Audience": actions.AUDIENCES,
    }
    return ", ".join(lists.get(annotation.partition(" ")[0], ()))


def _known(body: dict[Any, Any], kind: Any, keys: tuple[str, ...], path: Path) -> None:
    fields = [field.name for field in msgspec.structs.fields(kind)]
    for key in body:
        if key not in fields:
            error = _refusal(f"unknown key {quoted(key)}", (*keys, str(key)), path, "")
            error.hint = nearest(str(key), fields)
            raise error


def _refusal(problem: str, keys: tuple[Any, ...], path: Path, expected: str) -> ParameterError:
    line = line_of(path, keys)
    place = ".".join(str(key) for key in keys)
    return ParameterError(
        problem,
        where=f"{path}, line {line}, {place}" if line else f"{path}, {place}",
        expected=expected or None,
    )
