"""Actions and plans from the formats that agents, tools and browsers write them in."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from riskwright.core import ParameterError, UnreadableError
from riskwright.core.documents import unique_keys
from riskwright.core.names import nearest, quoted

from .action_facts import HTTP_KINDS, action_of, domain_of
from .action_shell import read_command
from .action_tools import ToolCatalogue
from .action_words import kind_of_element, kind_of_name, word_set, words_of
from .actions import MAX_ARGUMENT_BYTES, ORIGINS, AgentAction, Kind, Origin, Plan

__all__ = ["FORMATS", "detect_format", "parse_action", "parse_actions", "parse_plan"]


class _Setting(NamedTuple):
    tools: ToolCatalogue | None
    origin: Origin


Found = list[AgentAction]
Parser = Callable[[Any, _Setting, str], Found]


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
        source = _without_fence(source)
    name = _detected(source) if format is None else format
    if name not in _PARSERS:
        raise ParameterError(
            f"unknown format {quoted(name)}", where="format", hint=nearest(name, FORMATS)
        )
    if isinstance(source, str) and name not in _OF_TEXT:
        source = _json(source, name)
    try:
        found = _PARSERS[name](source, _Setting(tools, origin), name)
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
        source = _json(source, "plan")
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
        return detect_format(_json(source, "source"))
    if re.match(r"(?:GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE)\s+\S", text):
        return "http"
    if re.search(r"^\s{0,20}Action\s{0,5}:", text, re.MULTILINE):
        return "react"
    if _WEBARENA.match(text):
        return "webarena"
    if re.match(r"(?:await\s+)?[A-Za-z_][A-Za-z0-9_]*\s{0,3}[.(]", text):
        return "playwright"
    raise UnreadableError(
        "text of no known shape",
        where="source",
        expected="one of the formats " + ", ".join(FORMATS),
        hint='Name the format; a command line is format="shell"',
    )


def _without_fence(text: str) -> str:
    """What stands between the marks of a block of code in Markdown."""
    plain = text.strip()
    if not (plain.startswith("```") and plain.endswith("```") and "\n" in plain):
        return text
    return plain.partition("\n")[2].removesuffix("```")


def _json(text: str, where: str) -> Any:
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


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnreadableError(
            "not an object", where=where, expected="an object", got=type(value).__name__
        )
    return value


def _name(value: Mapping[str, Any], key: str, where: str) -> str:
    name = value.get(key)
    if not isinstance(name, str) or not name:
        raise UnreadableError("no name of a tool", where=f"{where}.{key}", expected="text")
    return name


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise UnreadableError(
            "not a list", where=where, expected="a list", got=type(value).__name__
        )
    return value


def _decoded(value: Any, where: str) -> Any:
    """Arguments, which some formats write as JSON text."""
    if isinstance(value, str):
        value = _json(value, where) if value.strip() else {}
    if value is not None and not isinstance(value, Mapping):
        raise UnreadableError("arguments are not an object", where=where, got=type(value).__name__)
    return value


def _id(value: Mapping[str, Any], *keys: str) -> str:
    return next((str(value[k])[:256] for k in keys if isinstance(value.get(k), str | int)), "")


def _call(
    tool: str, arguments: Any, source: Any, setting: _Setting, where: str, **known: Any
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


def _openai(source: Any, setting: _Setting, where: str) -> Found:
    if isinstance(source, list):
        return [a for k, item in enumerate(source) for a in _openai(item, setting, f"[{k}]")]
    body = _object(source, where)
    if "choices" in body:
        choices = _list(body["choices"], "choices")
        messages = [_object(one, f"choices[{k}]").get("message") for k, one in enumerate(choices)]
        parts = [_openai(m, setting, f"choices[{k}].message") for k, m in enumerate(messages)]
        return [action for part in parts for action in part]
    if "function" not in body:
        if not {"role", "content", "tool_calls", "function_call"} & set(body):
            raise UnreadableError(
                "neither a message nor a call", where=where, expected="tool_calls or function"
            )
        prefix = "tool_calls" if where in ("openai", "") else f"{where}.tool_calls"
        calls = _list(body.get("tool_calls") or [], prefix)
        found = [_openai_call(call, setting, f"{prefix}[{k}]") for k, call in enumerate(calls)]
        if body.get("function_call") is not None:
            one = {"function": body["function_call"]}
            found.append(_openai_call(one, setting, f"{where}.function_call"))
        return found
    return [_openai_call(body, setting, where)]


def _openai_call(call: Any, setting: _Setting, where: str) -> AgentAction:
    body = _object(call, where)
    if body.get("type") == "custom":
        custom = _object(body.get("custom"), f"{where}.custom")
        name = _name(custom, "name", f"{where}.custom")
        return _call(name, custom.get("input"), call, setting, where, id=_id(body, "id"))
    if "function" not in body and "name" in body:
        return _react_object(body, setting, where)
    function = _object(body.get("function"), f"{where}.function")
    name = _name(function, "name", f"{where}.function")
    arguments = _decoded(function.get("arguments"), f"{where}.function.arguments")
    return _call(name, arguments, call, setting, where, id=_id(body, "id"))


def _responses(source: Any, setting: _Setting, where: str) -> Found:
    if isinstance(source, Mapping) and "output" in source:
        items = _list(source["output"], "output")
        where = "output"
    else:
        items = source if isinstance(source, list) else [source]
    found: Found = []
    for k, item in enumerate(items):
        place = f"{where}[{k}]"
        body = _object(item, place)
        kind = body.get("type")
        if not isinstance(kind, str):
            raise UnreadableError("an item without a type", where=f"{place}.type", expected="text")
        if not kind.endswith("_call"):
            continue
        id = _id(body, "call_id", "id")
        if kind in ("function_call", "mcp_call"):
            arguments = _decoded(body.get("arguments"), f"{place}.arguments")
            name = _name(body, "name", place)
            found.append(_call(name, arguments, item, setting, place, id=id))
        elif kind == "custom_tool_call":
            given, name = body.get("input"), _name(body, "name", place)
            found.append(_call(name, given, item, setting, place, id=id))
        else:
            rest = {key: v for key, v in body.items() if key not in ("type", "id", "call_id")}
            action = rest.get("action")
            rest = dict(action) if isinstance(action, Mapping) else rest
            tool = kind.removesuffix("_call") or kind
            found.append(_call(tool, rest, item, setting, place, id=id))
    return found


def _anthropic(source: Any, setting: _Setting, where: str) -> Found:
    if isinstance(source, Mapping) and "content" in source and not _is_use(source):
        blocks = source["content"] if isinstance(source["content"], list) else []
        where = "content"
    else:
        blocks = source if isinstance(source, list) else [source]
    found: Found = []
    for k, block in enumerate(blocks):
        place = f"{where}[{k}]"
        body = _object(block, place)
        if not _is_use(body):
            continue
        arguments = body.get("input")
        if not isinstance(arguments, Mapping):
            raise UnreadableError(
                "input is not an object", where=f"{place}.input", got=type(arguments).__name__
            )
        name = _name(body, "name", place)
        found.append(_call(name, arguments, block, setting, place, id=_id(body, "id")))
    return found


def _is_use(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    return isinstance(kind, str) and kind.endswith("tool_use")


def _mcp(source: Any, setting: _Setting, where: str) -> Found:
    items = source if isinstance(source, list) else [source]
    found: Found = []
    for k, item in enumerate(items):
        place = where if item is source else f"{where}[{k}]"
        body = _object(item, place)
        if body.get("method") != "tools/call":
            raise UnreadableError(
                "not a call of a tool", where=f"{place}.method", expected="tools/call"
            )
        params = _object(body.get("params"), f"{place}.params")
        name = _name(params, "name", f"{place}.params")
        arguments = params.get("arguments") or {}
        _object(arguments, f"{place}.params.arguments")
        tools = setting.tools
        if isinstance(params.get("annotations"), Mapping):
            listed = [{"name": name, "annotations": params["annotations"]}]
            tools = (tools or ToolCatalogue()).with_mcp(listed)
        told = setting._replace(tools=tools)
        found.append(_call(name, arguments, item, told, place, id=_id(body, "id")))
    return found


_PAGE_ACTIONS: dict[str, Kind] = {
    "goto": "navigate",
    "navigate": "navigate",
    "open": "navigate",
    "new_tab": "navigate",
    "tab_focus": "navigate",
    "close_tab": "navigate",
    "page_focus": "navigate",
    "page_close": "navigate",
    "go_back": "navigate",
    "go_forward": "navigate",
    "back": "navigate",
    "forward": "navigate",
    "reload": "navigate",
    "scroll": "read",
    "hover": "read",
    "wait": "read",
    "noop": "read",
    "screenshot": "read",
    "stop": "read",
    "report_infeasible": "read",
    "clear": "type",
    "fill": "type",
    "type": "type",
    "check": "type",
    "uncheck": "type",
    "select": "type",
    "select_option": "type",
    "press_sequentially": "type",
    "focus": "read",
    "set_input_files": "send",
    "upload_file": "send",
    "send_msg_to_user": "read",
}
_PRESSES = word_set(
    "click dblclick tap press submit keyboard_press double_click left_click right_click"
)


def _browser(source: Any, setting: _Setting, where: str) -> Found:
    if isinstance(source, list):
        return [a for k, s in enumerate(source) for a in _browser(s, setting, f"{where}[{k}]")]
    body = _object(source, where)
    name = _name(body, "action", where)
    texts = [body.get(k) for k in ("element", "description", "text", "name", "selector", "label")]
    element = " ".join(text for text in texts if isinstance(text, str) and text != "nan")
    tag = next(
        (body[k] for k in ("tag", "tag_head", "tagHead") if isinstance(body.get(k), str)), ""
    )
    url = body["url"] if isinstance(body.get("url"), str) else ""
    arguments = {key: value for key, value in body.items() if key not in ("action", "id")}
    return [_page_action(name, arguments, element, tag, url, source, setting, where)]


def _page_action(
    name: str,
    arguments: Mapping[str, Any],
    element: str,
    tag: str,
    url: str,
    source: Any,
    setting: _Setting,
    where: str,
) -> AgentAction:
    plain = "_".join(words_of(name)) or name
    kind = _PAGE_ACTIONS.get(plain)
    if kind is None:
        kind = _of_press(element, tag, url) if plain in _PRESSES else kind_of_name(plain)
    known: dict[str, Any] = {"kind": kind, "url": url, "element": element}
    return _call(plain, dict(arguments), source, setting, where, **known)


def _of_press(element: str, tag: str, url: str) -> Kind:
    """What a press does: told by the element's text; a button that sends a form, by the address."""
    kind = kind_of_element(element)
    if kind != "unknown":
        return kind
    head = tag.strip().lower()
    if "submit" in head:
        kind = kind_of_element(" ".join(words_of(url.partition("?")[0].partition("://")[2])[1:]))
        return kind if kind not in ("unknown", "read") else "click"
    is_link = head.partition(" ")[0].strip("<>.") == "a" and "role=" not in head
    return "navigate" if is_link else "click"


_WEBARENA = re.compile(
    r"(click|type|hover|press|scroll|goto|new_tab|tab_focus|close_tab|go_back|go_forward|stop)"
    r"\s{0,5}(?=\[|$)"
)
_BRACKET = re.compile(r"\[([^\[\]]*)\]")


def _webarena(source: Any, setting: _Setting, where: str) -> Found:
    text = source.strip() if isinstance(source, str) else ""
    head = _WEBARENA.match(text)
    if head is None:
        raise UnreadableError(
            "not such an action", where=where, expected="an action such as click [12]"
        )
    parts = _BRACKET.findall(text[head.end() :])
    name = head[1]
    keys = {
        "click": ("element_id",),
        "hover": ("element_id",),
        "type": ("element_id", "text", "enter"),
        "press": ("keys",),
        "scroll": ("direction",),
        "goto": ("url",),
        "tab_focus": ("tab",),
        "stop": ("answer",),
    }.get(name, ())
    needed = {"click": 1, "hover": 1, "type": 2, "goto": 1}.get(name, 0)
    if len(parts) < needed:
        raise UnreadableError(
            "too few brackets", where=where, expected=str(needed), got=str(len(parts))
        )
    arguments = dict(zip(keys, parts, strict=False))
    url = arguments.get("url", "")
    return [_page_action(name, arguments, "", "", url, source, setting, where)]


_MAX_CODE = 4096


def _playwright(source: Any, setting: _Setting, where: str) -> Found:
    text = source.strip() if isinstance(source, str) else ""
    if len(text) > _MAX_CODE:
        raise UnreadableError("too long", where=where, expected=f"at most {_MAX_CODE:,} characters")
    code = text.removeprefix("await ").rstrip(";").strip()
    try:
        tree = ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UnreadableError(
            "not one call", where=where, expected="a call such as page.click('text=Next')"
        ) from None
    if not isinstance(tree, ast.Call):
        raise UnreadableError("not a call", where=where, expected="page.click('text=Next')")
    names, texts = _chain(tree)
    name, own = names[0], _values(tree)
    url = next((t for t in own if t.startswith(("http://", "https://"))), "")
    typed = _PAGE_ACTIONS.get("_".join(words_of(name))) == "type"
    element = "" if typed else " ".join(t for t in texts if t not in ("button", "link"))
    tag = "a" if "link" in texts else ""
    arguments: dict[str, Any] = {"locator": texts, "url": url} if url else {"locator": texts}
    if names[-1] in ("page", "locator", "frame", "browser", "context") or len(names) == 1:
        return [_page_action(name, arguments, element, tag, url, source, setting, where)]
    return [_call(".".join(reversed(names)), {"arguments": texts}, source, setting, where)]


def _chain(tree: ast.expr) -> tuple[list[str], list[str]]:
    """Names of a chain of calls from the last to the first, and all texts among the arguments."""
    names: list[str] = []
    texts: list[str] = []
    while True:
        if isinstance(tree, ast.Call):
            texts = _values(tree) + texts
            tree = tree.func
        elif isinstance(tree, ast.Attribute):
            names.append(tree.attr)
            tree = tree.value
        elif isinstance(tree, ast.Name):
            return [*names, tree.id], texts
        else:
            return names or ["call"], texts


def _values(call: ast.Call) -> list[str]:
    parts = [*call.args, *(keyword.value for keyword in call.keywords)]
    found = []
    for part in parts:
        values = part.values if isinstance(part, ast.Dict) else [part]
        for value in values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str | int | float):
                found.append(str(value.value))
    return found


def _shell(source: Any, setting: _Setting, where: str) -> Found:
    if isinstance(source, Mapping):
        source = source.get("command", source.get("cmd"))
    if not isinstance(source, str | list | tuple):
        raise UnreadableError("not a command", where=f"{where}.command", expected="text or words")
    facts = read_command(source, where)
    arguments = {"command": source if isinstance(source, str) else list(source)}
    return [_call("shell", arguments, source, setting, where, kind=facts.kind, shell=facts)]


def _http(source: Any, setting: _Setting, where: str) -> Found:
    if isinstance(source, str):
        line, _, body = source.strip().replace("\r\n", "\n").partition("\n\n")
        method, _, rest = line.partition("\n")[0].partition(" ")
        target = rest.split()
        source = {"method": method, "url": target[0] if target else "", "body": body}
    request = _object(source, where)
    method, url = _name(request, "method", where).upper(), request.get("url")
    if not isinstance(url, str) or not (domain_of(url) or url.startswith("/")):
        raise UnreadableError("no address", where=f"{where}.url", expected="an absolute address")
    kind = HTTP_KINDS.get(method, "unknown")
    path = kind_of_element(" ".join(words_of(url.partition("?")[0].partition("://")[2])[2:]))
    if kind == "write" and path not in ("unknown", "read", "search"):
        kind = path
    arguments = {key: value for key, value in request.items() if key != "method" and value}
    known: dict[str, Any] = {"kind": kind, "url": url}
    tool = f"http {method.lower()}"
    return [_call(tool, arguments, source, setting, where, **known)]


_ACTION_LINE = re.compile(r"^[ \t]*Action[ \t]*:[ \t]*([^\n]+)$", re.MULTILINE)
_BRACKETED = re.compile(r"([^\[\]]{1,256})\[(.*)\]")
_INPUT_LINE = re.compile(r"^[ \t]*Action Input[ \t]*:", re.MULTILINE)


def _react(source: Any, setting: _Setting, where: str) -> Found:
    if isinstance(source, list):
        return [
            _react_object(_object(item, f"{where}[{k}]"), setting, f"{where}[{k}]")
            for k, item in enumerate(source)
        ]
    if not isinstance(source, str):
        return [_react_object(_object(source, where), setting, where)]
    if source.strip()[:1] == "{":
        return _react(_json(source, where), setting, where)
    names = list(_ACTION_LINE.finditer(source))
    if not names:
        raise UnreadableError("no line 'Action: ...'", where=where, expected="a step of ReAct")
    ends = [*(name.start() for name in names[1:]), len(source)]
    return [
        _react_step(name, source[name.end() : end], setting, where)
        for name, end in zip(names, ends, strict=True)
    ]


def _react_step(name: re.Match[str], rest: str, setting: _Setting, where: str) -> AgentAction:
    given = _INPUT_LINE.search(rest)
    text = rest[given.end() :].partition("\nObservation:")[0].strip() if given else ""
    is_json = text[:1] in ("{", "[")
    arguments = _json(text, f"{where}: Action Input") if is_json else {"input": text}
    tool = name[1].strip()
    bracket = _BRACKETED.fullmatch(tool)
    if bracket and not given:
        tool, arguments = bracket[1].strip(), {"input": bracket[2]}
    return _call(tool, arguments, name[0] + rest, setting, where)


def _react_object(body: Mapping[str, Any], setting: _Setting, where: str) -> AgentAction:
    key = next((k for k in ("action", "tool", "name") if isinstance(body.get(k), str)), "tool")
    if key == "action" and isinstance(body.get("tool"), str) and body["tool"] != body["action"]:
        raise UnreadableError("two names of tools", where=where, expected="action or tool")
    name = _name(body, key, where)
    inputs = ("action_input", "tool_input", "args", "arguments", "input", "parameters", "params")
    given = next((k for k in inputs if k in body), "")
    arguments = body.get(given)
    if isinstance(arguments, str) and arguments.strip()[:1] == "{":
        arguments = _json(arguments, f"{where}.{given}")
    return _call(name, arguments, body, setting, where, id=_id(body, "id", "call_id"))


def _own(source: Any, setting: _Setting, where: str) -> Found:
    items = source if isinstance(source, list) else [source]
    found = []
    for k, item in enumerate(items):
        place = where if item is source else f"[{k}]"
        known = [field.name for field in msgspec.structs.fields(AgentAction)]
        for key in _object(item, place):
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


_PARSERS: dict[str, Parser] = {
    "openai": _openai,
    "responses": _responses,
    "anthropic": _anthropic,
    "mcp": _mcp,
    "browser": _browser,
    "playwright": _playwright,
    "webarena": _webarena,
    "shell": _shell,
    "http": _http,
    "react": _react,
    "riskwright": _own,
}
_OF_TEXT = frozenset({"playwright", "webarena", "shell", "http", "react"})
FORMATS = tuple(_PARSERS)
"""Names of the formats: OpenAI chat and Responses, Anthropic messages, MCP `tools/call`, page
actions (objects, Playwright and WebArena lines), shell commands, HTTP requests, ReAct or LangChain
steps, and the fields of `AgentAction` themselves."""
