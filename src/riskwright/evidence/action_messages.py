"""Readers of actions in messages and calls: of models, MCP, shells, HTTP, ReAct, and our own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from riskwright.core import UnreadableError
from riskwright.core.names import nearest, quoted

from .action_facts import HTTP_KINDS, domain_of
from .action_reading import (
    Found,
    Setting,
    arguments_of,
    call_of,
    id_of,
    json_of,
    list_of,
    name_of,
    object_of,
)
from .action_shell import read_command
from .action_tools import ToolCatalogue
from .action_words import kind_of_element, words_of
from .actions import AgentAction

__all__ = ["anthropic", "http", "mcp", "openai", "own", "react", "responses", "shell"]


def openai(source: Any, setting: Setting, where: str) -> Found:
    if isinstance(source, list):
        return [a for k, item in enumerate(source) for a in openai(item, setting, f"[{k}]")]
    body = object_of(source, where)
    if "choices" in body:
        choices = list_of(body["choices"], "choices")
        messages = [object_of(one, f"choices[{k}]").get("message") for k, one in enumerate(choices)]
        parts = [openai(m, setting, f"choices[{k}].message") for k, m in enumerate(messages)]
        return [action for part in parts for action in part]
    if "function" not in body:
        if not {"role", "content", "tool_calls", "function_call"} & set(body):
            raise UnreadableError(
                "neither a message nor a call", where=where, expected="tool_calls or function"
            )
        prefix = "tool_calls" if where in ("openai", "") else f"{where}.tool_calls"
        calls = list_of(body.get("tool_calls") or [], prefix)
        found = [_openai_call(call, setting, f"{prefix}[{k}]") for k, call in enumerate(calls)]
        if body.get("function_call") is not None:
            one = {"function": body["function_call"]}
            found.append(_openai_call(one, setting, f"{where}.function_call"))
        return found
    return [_openai_call(body, setting, where)]


def _openai_call(call: Any, setting: Setting, where: str) -> AgentAction:
    body = object_of(call, where)
    if body.get("type") == "custom":
        custom = object_of(body.get("custom"), f"{where}.custom")
        name = name_of(custom, "name", f"{where}.custom")
        return call_of(name, custom.get("input"), call, setting, where, id=id_of(body, "id"))
    if "function" not in body and "name" in body:
        return _react_object(body, setting, where)
    function = object_of(body.get("function"), f"{where}.function")
    name = name_of(function, "name", f"{where}.function")
    arguments = arguments_of(function.get("arguments"), f"{where}.function.arguments")
    return call_of(name, arguments, call, setting, where, id=id_of(body, "id"))


def responses(source: Any, setting: Setting, where: str) -> Found:
    if isinstance(source, Mapping) and "output" in source:
        items = list_of(source["output"], "output")
        where = "output"
    else:
        items = source if isinstance(source, list) else [source]
    found: Found = []
    for k, item in enumerate(items):
        place = f"{where}[{k}]"
        body = object_of(item, place)
        kind = body.get("type")
        if not isinstance(kind, str):
            raise UnreadableError("an item without a type", where=f"{place}.type", expected="text")
        if not kind.endswith("_call"):
            continue
        id = id_of(body, "call_id", "id")
        if kind in ("function_call", "mcp_call"):
            arguments = arguments_of(body.get("arguments"), f"{place}.arguments")
            name = name_of(body, "name", place)
            found.append(call_of(name, arguments, item, setting, place, id=id))
        elif kind == "custom_tool_call":
            given, name = body.get("input"), name_of(body, "name", place)
            found.append(call_of(name, given, item, setting, place, id=id))
        else:
            rest = {key: v for key, v in body.items() if key not in ("type", "id", "call_id")}
            action = rest.get("action")
            rest = dict(action) if isinstance(action, Mapping) else rest
            tool = kind.removesuffix("_call") or kind
            found.append(call_of(tool, rest, item, setting, place, id=id))
    return found


def anthropic(source: Any, setting: Setting, where: str) -> Found:
    if isinstance(source, Mapping) and "content" in source and not _is_use(source):
        blocks = source["content"] if isinstance(source["content"], list) else []
        where = "content"
    else:
        blocks = source if isinstance(source, list) else [source]
    found: Found = []
    for k, block in enumerate(blocks):
        place = f"{where}[{k}]"
        body = object_of(block, place)
        if not _is_use(body):
            continue
        arguments = body.get("input")
        if not isinstance(arguments, Mapping):
            raise UnreadableError(
                "input is not an object", where=f"{place}.input", got=type(arguments).__name__
            )
        name = name_of(body, "name", place)
        found.append(call_of(name, arguments, block, setting, place, id=id_of(body, "id")))
    return found


def _is_use(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    return isinstance(kind, str) and kind.endswith("tool_use")


def mcp(source: Any, setting: Setting, where: str) -> Found:
    items = source if isinstance(source, list) else [source]
    found: Found = []
    for k, item in enumerate(items):
        place = where if item is source else f"{where}[{k}]"
        body = object_of(item, place)
        if body.get("method") != "tools/call":
            raise UnreadableError(
                "not a call of a tool", where=f"{place}.method", expected="tools/call"
            )
        params = object_of(body.get("params"), f"{place}.params")
        name = name_of(params, "name", f"{place}.params")
        arguments = params.get("arguments") or {}
        object_of(arguments, f"{place}.params.arguments")
        tools = setting.tools
        if isinstance(params.get("annotations"), Mapping):
            listed = [{"name": name, "annotations": params["annotations"]}]
            tools = (tools or ToolCatalogue()).with_mcp(listed)
        told = setting._replace(tools=tools)
        found.append(call_of(name, arguments, item, told, place, id=id_of(body, "id")))
    return found


def shell(source: Any, setting: Setting, where: str) -> Found:
    if isinstance(source, Mapping):
        source = source.get("command", source.get("cmd"))
    if not isinstance(source, str | list | tuple):
        raise UnreadableError("not a command", where=f"{where}.command", expected="text or words")
    facts = read_command(source, where)
    arguments = {"command": source if isinstance(source, str) else list(source)}
    return [call_of("shell", arguments, source, setting, where, kind=facts.kind, shell=facts)]


def http(source: Any, setting: Setting, where: str) -> Found:
    if isinstance(source, str):
        line, _, body = source.strip().replace("\r\n", "\n").partition("\n\n")
        method, _, rest = line.partition("\n")[0].partition(" ")
        target = rest.split()
        source = {"method": method, "url": target[0] if target else "", "body": body}
    request = object_of(source, where)
    method, url = name_of(request, "method", where).upper(), request.get("url")
    if not isinstance(url, str) or not (domain_of(url) or url.startswith("/")):
        raise UnreadableError("no address", where=f"{where}.url", expected="an absolute address")
    kind = HTTP_KINDS.get(method, "unknown")
    path = kind_of_element(" ".join(words_of(url.partition("?")[0].partition("://")[2])[2:]))
    if kind == "write" and path not in ("unknown", "read", "search"):
        kind = path
    arguments = {key: value for key, value in request.items() if key != "method" and value}
    known: dict[str, Any] = {"kind": kind, "url": url}
    tool = f"http {method.lower()}"
    return [call_of(tool, arguments, source, setting, where, **known)]


_ACTION_LINE = re.compile(r"^[ \t]*Action[ \t]*:[ \t]*([^\n]+)$", re.MULTILINE)
_BRACKETED = re.compile(r"([^\[\]]{1,256})\[(.*)\]")
_INPUT_LINE = re.compile(r"^[ \t]*Action Input[ \t]*:", re.MULTILINE)


def react(source: Any, setting: Setting, where: str) -> Found:
    if isinstance(source, list):
        return [
            _react_object(object_of(item, f"{where}[{k}]"), setting, f"{where}[{k}]")
            for k, item in enumerate(source)
        ]
    if not isinstance(source, str):
        return [_react_object(object_of(source, where), setting, where)]
    if source.strip()[:1] == "{":
        return react(json_of(source, where), setting, where)
    names = list(_ACTION_LINE.finditer(source))
    if not names:
        raise UnreadableError("no line 'Action: ...'", where=where, expected="a step of ReAct")
    ends = [*(name.start() for name in names[1:]), len(source)]
    return [
        _react_step(name, source[name.end() : end], setting, where)
        for name, end in zip(names, ends, strict=True)
    ]


def _react_step(name: re.Match[str], rest: str, setting: Setting, where: str) -> AgentAction:
    given = _INPUT_LINE.search(rest)
    text = rest[given.end() :].partition("\nObservation:")[0].strip() if given else ""
    is_json = text[:1] in ("{", "[")
    arguments = json_of(text, f"{where}: Action Input") if is_json else {"input": text}
    tool = name[1].strip()
    bracket = _BRACKETED.fullmatch(tool)
    if bracket and not given:
        tool, arguments = bracket[1].strip(), {"input": bracket[2]}
    return call_of(tool, arguments, name[0] + rest, setting, where)


def _react_object(body: Mapping[str, Any], setting: Setting, where: str) -> AgentAction:
    key = next((k for k in ("action", "tool", "name") if isinstance(body.get(k), str)), "tool")
    if key == "action" and isinstance(body.get("tool"), str) and body["tool"] != body["action"]:
        raise UnreadableError("two names of tools", where=where, expected="action or tool")
    name = name_of(body, key, where)
    inputs = ("action_input", "tool_input", "args", "arguments", "input", "parameters", "params")
    given = next((k for k in inputs if k in body), "")
    arguments = body.get(given)
    if isinstance(arguments, str) and arguments.strip()[:1] == "{":
        arguments = json_of(arguments, f"{where}.{given}")
    return call_of(name, arguments, body, setting, where, id=id_of(body, "id", "call_id"))


def own(source: Any, setting: Setting, where: str) -> Found:
    items = source if isinstance(source, list) else [source]
    found = []
    for k, item in enumerate(items):
        place = where if item is source else f"[{k}]"
        known = [field.name for field in msgspec.structs.fields(AgentAction)]
        for key in object_of(item, place):
            if key not in known:
                raise UnreadableError(
                    f"unknown key {quoted(key)}", where=place, hint=nearest(str(key), known)
                )
        try:
            action = msgspec.convert(dict(item), AgentAction)
        except msgspec.ValidationError as error:
            problem, _, at = str(error).partition(" - at `$")
            told = (
                "an unknown value" if "enum value" in problem else problem[:1].lower() + problem[1:]
            )
            where = place + (at.rstrip("`") if len(at) < 60 else "")
            raise UnreadableError("not an action", where=where, got=told) from None
        origin = action.origin if setting.origin == "unknown" else setting.origin
        found.append(msgspec.structs.replace(action, origin=origin))
    return found
