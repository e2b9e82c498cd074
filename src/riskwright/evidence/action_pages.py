"""Readers of actions on web pages: objects of browsers, Playwright and WebArena lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from riskwright.core import UnreadableError

from .action_reading import (
    Found,
    Setting,
    call_of,
    name_of,
    object_of,
)
from .action_words import kind_of_element, kind_of_name, word_set, words_of
from .actions import AgentAction, Kind

__all__ = ["WEBARENA", "browser", "playwright", "webarena"]

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


def browser(source: Any, setting: Setting, where: str) -> Found:
    if isinstance(source, list):
        return [a for k, s in enumerate(source) for a in browser(s, setting, f"{where}[{k}]")]
    body = object_of(source, where)
    name = name_of(body, "action", where)
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
    setting: Setting,
    where: str,
) -> AgentAction:
    plain = "_".join(words_of(name)) or name
    kind = _PAGE_ACTIONS.get(plain)
    if kind is None:
        kind = _of_press(element, tag, url) if plain in _PRESSES else kind_of_name(plain)
    known: dict[str, Any] = {"kind": kind, "url": url, "element": element}
    return call_of(plain, dict(arguments), source, setting, where, **known)


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


WEBARENA = re.compile(
    r"(click|type|hover|press|scroll|goto|new_tab|tab_focus|close_tab|go_back|go_forward|stop)"
    r"\s{0,5}(?=\[|$)"
)
_BRACKET = re.compile(r"\[([^\[\]]*)\]")


def webarena(source: Any, setting: Setting, where: str) -> Found:
    text = source.strip() if isinstance(source, str) else ""
    head = WEBARENA.match(text)
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


def playwright(source: Any, setting: Setting, where: str) -> Found:
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
    return [call_of(".".join(reversed(names)), {"arguments": texts}, source, setting, where)]


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
