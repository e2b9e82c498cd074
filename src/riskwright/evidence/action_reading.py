"""What the readers of actions share: values of JSON, checked, and one call of a tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from riskwright.core import UnreadableError
from riskwright.core.documents import unique_keys

from .action_facts import action_of
from .action_tools import ToolCatalogue
from .actions import MAX_ARGUMENT_BYTES, AgentAction, Origin

__all__ = [
    "Found",
    "Parser",
    "Setting",
    "arguments_of",
    "call_of",
    "id_of",
    "json_of",
    "list_of",
    "name_of",
    "object_of",
    "without_fence",
]


class Setting(NamedTuple):
    tools: ToolCatalogue | None
    origin: Origin


Found = list[AgentAction]
Parser = Callable[[Any, Setting, str], Found]


def without_fence(text: str) -> str:
    """What stands between the marks of a block of code in Markdown."""
    plain = text.strip()
    if not (plain.startswith("```") and plain.endswith("```") and "\n" in plain):
        return text
    return plain.partition("\n")[2].removesuffix("```")


def json_of(text: str, where: str) -> Any:
    if len(text) > 4 * MAX_ARGUMENT_BYTES:
        raise UnreadableError(
            "too large", where=where, expected=f"at most {4 * MAX_ARGUMENT_BYTES:,} characters"
        )
    try:
        return json.loads(text, object_pairs_hook=unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise UnreadableError(
            "not JSON", where=where, got=f"{error.msg.lower()} at character {error.pos}"
        ) from None
    except RecursionError:
        raise UnreadableError("nested too deeply", where=where) from None
    except ValueError:
        raise UnreadableError("a key given twice, NaN or an infinity", where=where) from None


def _no_constant(_: str) -> Any:
    raise ValueError


def object_of(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnreadableError(
            "not an object", where=where, expected="an object", got=type(value).__name__
        )
    return value


def name_of(value: Mapping[str, Any], key: str, where: str) -> str:
    name = value.get(key)
    if not isinstance(name, str) or not name:
        raise UnreadableError("no name of a tool", where=f"{where}.{key}", expected="text")
    return name


def list_of(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise UnreadableError(
            "not a list", where=where, expected="a list", got=type(value).__name__
        )
    return value


def arguments_of(value: Any, where: str) -> Any:
    """Arguments, which some formats write as JSON text."""
    if isinstance(value, str):
        value = json_of(value, where) if value.strip() else {}
    if value is not None and not isinstance(value, Mapping):
        raise UnreadableError("arguments are not an object", where=where, got=type(value).__name__)
    return value


def id_of(value: Mapping[str, Any], *keys: str) -> str:
    return next((str(value[k])[:256] for k in keys if isinstance(value.get(k), str | int)), "")


def call_of(
    tool: str, arguments: Any, source: Any, setting: Setting, where: str, **known: Any
) -> AgentAction:
    return action_of(
        tool,
        arguments,
        source=source,
        where=where,
        origin=setting.origin,
        tools=setting.tools,
        **known,
    )
