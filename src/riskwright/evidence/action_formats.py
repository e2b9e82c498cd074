"""Actions and plans from the formats that agents, tools and browsers write them in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from riskwright.core import ParameterError, UnreadableError
from riskwright.core.names import nearest, quoted

from .action_messages import anthropic, http, mcp, openai, own, react, responses, shell
from .action_pages import WEBARENA, browser, playwright, webarena
from .action_reading import (
    Found,
    Parser,
    Setting,
    json_of,
    without_fence,
)
from .action_tools import ToolCatalogue
from .actions import ORIGINS, AgentAction, Origin, Plan

__all__ = ["FORMATS", "detect_format", "parse_action", "parse_actions", "parse_plan"]


def parse_actions(
    source: Any,
    format: str | None = None,
    *,
    tools: ToolCatalogue | None = None,
    origin: Origin = "unknown",
    agent: str = "",
    step: int = 0,
) -> tuple[AgentAction, ...]:
    """All actions of a message, call, command or page action.

    Parameters
    ----------
    source : plain JSON values, JSON text, or a line of text, as the format has it.
    format : one of `FORMATS`; None finds it out from the shape. Shell commands must be named,
        since any text could be one.
    tools : what the operator knows of the tools.
    origin : where the instruction came from.
    agent, step : who acts, and the number of the first action.

    Returns
    -------
    Actions in order; none for a message that calls no tool.

    Raises
    ------
    UnreadableError : malformed, naming the place, or of no known shape.
    ParameterError : an unknown format or origin.

    Notes
    -----
    Nothing is run, fetched or expanded. What a name does not tell is "unknown".

    Examples
    --------
    >>> call = {"type": "function", "id": "c1", "function": {"name": "send_payment",
    ...         "arguments": '{"amount": 40, "currency": "EUR"}'}}
    >>> action, = parse_actions(call)
    >>> action.kind, action.money.amount, action.reversibility
    ('pay', 40.0, 'costly')
    >>> parse_actions("click [112]")[0].kind
    'click'
    """
    if origin not in ORIGINS:
        raise ParameterError(
            "unknown origin", where="origin", expected=", ".join(ORIGINS), got=quoted(origin)
        )
    if isinstance(source, str):
        source = without_fence(source)
    name = _detected(source) if format is None else format
    if name not in _PARSERS:
        raise ParameterError(
            f"unknown format {quoted(name)}", where="format", hint=nearest(name, FORMATS)
        )
    if isinstance(source, str) and name not in _OF_TEXT:
        source = json_of(source, name)
    try:
        found = _PARSERS[name](source, Setting(tools, origin), name)
    except RecursionError:
        raise UnreadableError("nested too deeply", where=name) from None
    return tuple(
        msgspec.structs.replace(action, agent=agent or action.agent, step=action.step or step + k)
        for k, action in enumerate(found)
    )


def _detected(source: Any) -> str:
    try:
        return detect_format(source)
    except RecursionError:
        raise UnreadableError("nested too deeply", where="source") from None


def parse_action(
    source: Any,
    format: str | None = None,
    *,
    tools: ToolCatalogue | None = None,
    origin: Origin = "unknown",
    agent: str = "",
    step: int = 0,
) -> AgentAction:
    """The one action of `source`; as `parse_actions`, refusing none and several."""
    found = parse_actions(source, format, tools=tools, origin=origin, agent=agent, step=step)
    if len(found) != 1:
        raise UnreadableError(
            "not one action",
            where=format or "source",
            got=f"{len(found)} actions",
            hint="Use parse_actions for several",
        )
    return found[0]


def parse_plan(
    source: Any,
    format: str | None = None,
    *,
    goal: str = "",
    tools: ToolCatalogue | None = None,
    origin: Origin = "unknown",
    agent: str = "",
) -> Plan:
    """A plan from a list of calls or messages, or from an object that holds one.

    Such an object has the list under `steps`, `plan`, `actions`, `tasks` or `trajectory` (else
    it is one call or message), a goal under `goal`, `task` or `objective`; a step may name the
    steps before it under `depends_on`, `dependencies` or `dep` (ids, or places from 0; -1: none).
    A step may be wrapped as `{"action": {...}}` or `{"tool_call": {...}}`. Raises as
    `parse_actions`.

    Examples
    --------
    >>> plan = parse_plan({"goal": "tidy up", "steps": [
    ...     {"tool": "list_files", "args": {}}, {"tool": "delete_file", "args": {"path": "a"}}]})
    >>> [action.kind for action in plan]
    ['read', 'delete']
    """
    if isinstance(source, str):
        source = json_of(source, "plan")
    if isinstance(source, Mapping):
        for key in ("goal", "task", "objective"):
            if not goal and isinstance(source.get(key), str):
                goal = source[key]
        lists = ("steps", "plan", "actions", "tasks", "trajectory")
        source = next((source[k] for k in lists if isinstance(source.get(k), list)), [source])
    if not isinstance(source, Sequence) or isinstance(source, str | bytes):
        raise UnreadableError("not a plan", where="plan", expected="a list of calls or messages")
    found: Found = []
    of_step: list[list[str]] = []
    for place, item in enumerate(source):
        steps = _step(item, format, f"steps[{place}]", tools, origin)
        ids = []
        for action in steps:
            name = action.id or f"#{len(found)}"
            needs = (*action.depends_on, *_needs(item, of_step, f"steps[{place}]"))
            found.append(
                msgspec.structs.replace(
                    action,
                    id=name,
                    step=len(found),
                    agent=action.agent or agent,
                    depends_on=tuple(dict.fromkeys(needs)),
                )
            )
            ids.append(name)
        of_step.append(ids)
    return Plan(actions=tuple(found), goal=goal)


def _step(
    item: Any, format: str | None, where: str, tools: ToolCatalogue | None, origin: Origin
) -> tuple[AgentAction, ...]:
    if isinstance(item, Mapping):
        for key in ("tool_call", "call", "action"):
            if isinstance(item.get(key), Mapping):
                item = item[key]
                break
        stated = item.get("origin")
        if stated in ("tool output", "web page") and origin == "unknown":
            origin = cast(Origin, stated)
    try:
        if isinstance(item, Mapping) and item.get("role") in ("user", "system", "tool"):
            return ()
        return parse_actions(item, format, tools=tools, origin=origin)
    except UnreadableError as error:
        error.where = f"{where}: {error.where}" if error.where else where
        raise


def _needs(item: Any, of_step: list[list[str]], where: str) -> list[str]:
    if not isinstance(item, Mapping):
        return []
    told: Any = next((item[k] for k in ("depends_on", "dependencies", "dep") if k in item), [])
    found: list[str] = []
    for one in told if isinstance(told, list | tuple) else [told]:
        if isinstance(one, int) and not isinstance(one, bool):
            if one == -1:
                continue
            if not 0 <= one < len(of_step):
                raise UnreadableError(
                    "depends on a step that does not come before it",
                    where=f"{where}.depends_on",
                    expected=f"places from 0 to {len(of_step) - 1}",
                    got=str(one),
                )
            found += of_step[one]
        elif isinstance(one, str):
            found.append(one)
        else:
            raise UnreadableError(
                "not a step", where=f"{where}.depends_on", expected="ids or places"
            )
    return found


def detect_format(source: Any) -> str:
    """The format of a message, call, command or page action, told from its shape.

    Never "riskwright": who wrote those fields states what the action does, which an agent must not.
    Raises `UnreadableError` where no format fits.

    Examples
    --------
    >>> detect_format({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "x"}})
    'mcp'
    >>> detect_format("page.click('text=Next')"), detect_format("GET https://example.org/")
    ('playwright', 'http')
    """
    if isinstance(source, str):
        return _format_of_text(source)
    if isinstance(source, Mapping):
        found = _format_of_object(source)
        if found:
            return found
    if isinstance(source, list) and source:
        kinds = {detect_format(item) for item in source}
        if len(kinds) == 1:
            return kinds.pop()
    raise UnreadableError(
        "an action of no known shape",
        where="source",
        expected="one of the formats " + ", ".join(FORMATS),
        got=type(source).__name__,
        hint="Name the format",
    )


def _format_of_object(source: Mapping[str, Any]) -> str | None:
    kind, has = source.get("type"), source.__contains__
    if source.get("method") == "tools/call" or has("jsonrpc"):
        return "mcp"
    if {"tool_calls", "function_call", "choices"} & set(source) or (
        kind == "function" and has("function")
    ):
        return "openai"
    if isinstance(kind, str) and kind.endswith("_use") and has("input"):
        return "anthropic"
    if isinstance(kind, str) and kind.endswith("_call") and kind != "tool_call":
        return "responses"
    if source.get("object") == "response" or isinstance(source.get("output"), list):
        return "responses"
    if isinstance(source.get("content"), list) or (has("role") and has("content")):
        return "anthropic" if isinstance(source.get("content"), list) else "openai"
    if has("method") and has("url"):
        return "http"
    if has("action_input") or has("tool_input") or has("tool") or (has("name") and has("args")):
        return "react"
    if has("name") and (has("arguments") or has("input")):
        return "react"
    if has("action") and set(source) & {
        "element",
        "tag",
        "tag_head",
        "tagHead",
        "url",
        "selector",
        "description",
        "text",
        "coordinate",
        "value",
        "ref",
    }:
        return "browser"
    if has("command") or has("cmd"):
        return "shell"
    return None


def _format_of_text(source: str) -> str:
    text = source.strip()
    if text[:1] in ("{", "["):
        return detect_format(json_of(source, "source"))
    if re.match(r"(?:GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE)\s+\S", text):
        return "http"
    if re.search(r"^\s{0,20}Action\s{0,5}:", text, re.MULTILINE):
        return "react"
    if WEBARENA.match(text):
        return "webarena"
    if re.match(r"(?:await\s+)?[A-Za-z_][A-Za-z0-9_]*\s{0,3}[.(]", text):
        return "playwright"
    raise UnreadableError(
        "text of no known shape",
        where="source",
        expected="one of the formats " + ", ".join(FORMATS),
        hint='Name the format; a command line is format="shell"',
    )


_PARSERS: dict[str, Parser] = {
    "openai": openai,
    "responses": responses,
    "anthropic": anthropic,
    "mcp": mcp,
    "browser": browser,
    "playwright": playwright,
    "webarena": webarena,
    "shell": shell,
    "http": http,
    "react": react,
    "riskwright": own,
}
_OF_TEXT = frozenset({"playwright", "webarena", "shell", "http", "react"})
FORMATS = tuple(_PARSERS)
"""Names of the formats: OpenAI chat and Responses, Anthropic messages, MCP `tools/call`, page
actions (objects, Playwright and WebArena lines), shell commands, HTTP requests, ReAct or LangChain
steps, and the fields of `AgentAction` themselves."""
