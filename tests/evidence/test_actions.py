"""Actions of agents: one schema from every format, typed errors that name the place."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import ParameterError, RiskwrightError, UnreadableError
from riskwright.evidence.action_formats import (
    FORMATS,
    detect_format,
    parse_action,
    parse_actions,
    parse_plan,
)
from riskwright.evidence.action_tools import ToolCatalogue, ToolEntry
from riskwright.evidence.action_words import kind_of_element, kind_of_name
from riskwright.evidence.actions import (
    MAX_ARGUMENT_BYTES,
    AgentAction,
    Money,
    Plan,
    plain_json,
    rendered,
)

PAY = {"amount": 25.5, "currency": "eur", "payee": "shop"}
ONE_CALL: list[tuple[str, Any]] = [
    (
        "openai",
        {"id": "c", "type": "function", "function": {"name": "pay", "arguments": json.dumps(PAY)}},
    ),
    ("responses", {"type": "function_call", "name": "pay", "arguments": json.dumps(PAY)}),
    ("responses", {"type": "mcp_call", "name": "pay", "arguments": json.dumps(PAY)}),
    ("anthropic", {"type": "tool_use", "id": "t", "name": "pay", "input": PAY}),
    (
        "mcp",
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        | {"params": {"name": "pay", "arguments": PAY}},
    ),
    ("react", {"action": "pay", "action_input": PAY}),
    ("react", {"name": "pay", "args": PAY, "id": "x", "type": "tool_call"}),
    ("react", {"tool": "pay", "tool_input": PAY}),
    ("react", f"Thought: now\nAction: pay\nAction Input: {json.dumps(PAY)}\nObservation: done"),
]


@pytest.mark.parametrize(("name", "source"), ONE_CALL)
def test_one_payment_reads_the_same_in_every_format(name: str, source: Any) -> None:
    assert detect_format(source) == name
    action = parse_action(source)
    assert (action.tool, action.kind, action.money) == (
        "pay",
        "pay",
        Money(amount=25.5, currency="EUR"),
    )
    assert action.arguments == PAY
    assert action.source_digest.startswith("sha256:")


@pytest.mark.parametrize(("name", "source"), ONE_CALL)
def test_json_text_reads_as_its_values(name: str, source: Any) -> None:
    if not isinstance(source, str):
        assert parse_action(json.dumps(source)) == parse_action(source)
        assert parse_action(json.dumps(source), name) == parse_action(source, name)


def test_messages_hold_several_calls_or_none() -> None:
    call = ONE_CALL[0][1]
    assert len(parse_actions({"role": "assistant", "tool_calls": [call, call]})) == 2
    assert len(parse_actions({"choices": [{"message": {"tool_calls": [call]}}]})) == 1
    assert parse_actions({"role": "assistant", "content": "words"}) == ()
    blocks = [{"type": "text", "text": "words"}, ONE_CALL[3][1]]
    assert len(parse_actions({"role": "assistant", "content": blocks})) == 1
    items = [{"type": "message"}, ONE_CALL[1][1], {"type": "computer_call", "action": {"x": 1}}]
    found = parse_actions({"object": "response", "output": items})
    assert [(a.tool, a.kind) for a in found] == [("pay", "pay"), ("computer", "unknown")]
    assert [a.step for a in parse_actions({"tool_calls": [call, call]}, step=4)] == [4, 5]
    with pytest.raises(UnreadableError, match="got 2 actions"):
        parse_action({"tool_calls": [call, call]})


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (
            {"tool_calls": [{"function": {"name": "a", "arguments": "{x"}}]},
            r"tool_calls\[0\].*argum",
        ),
        ({"tool_calls": [{"function": {"arguments": "{}"}}]}, r"tool_calls\[0\].function.name"),
        ({"tool_calls": [1]}, r"tool_calls\[0\]: not an object"),
        ({"tool_calls": [{"function": {"name": "a", "arguments": "[1]"}}]}, "not an object"),
        (
            {"tool_calls": [{"function": {"name": "a", "arguments": '{"a":1,"a":2}'}}]},
            "given twice",
        ),
        ({"tool_calls": [{"function": {"name": "a", "arguments": '{"a":NaN}'}}]}, "NaN"),
        ({"type": "tool_use", "name": "a", "input": [1]}, r"input: input is not an object"),
        ({"jsonrpc": "2.0", "method": "tools/list"}, "method: not a call"),
        ({"jsonrpc": "2.0", "method": "tools/call", "params": {}}, "params.name"),
        ({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "a\x00b"}}, "printable"),
        ({"method": "POST", "url": 3}, "http.url"),
        ({"type": "function_call", "arguments": "{}"}, r"responses\[0\].name"),
        ({"action": "look", "tool": "drop", "input": {}}, "two names"),
        ({"something": 1}, "no known shape"),
        ("rm -rf x", 'format="shell"'),
        ("{", "not JSON"),
        ("[" * 20000, "nested too deeply"),
        (3, "no known shape"),
        ("page.click(", "not one call"),
    ],
)
def test_what_is_malformed_is_refused_with_its_place(source: Any, place: str) -> None:
    with pytest.raises(UnreadableError, match=place):
        parse_actions(source)


def test_arguments_are_limited() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    for value, words in (
        (deep, "nested"),
        ("x" * (MAX_ARGUMENT_BYTES + 1), "too large"),
        (float("inf"), "plain JSON"),
        ({1: 2}, "plain JSON"),
        (2**70, "plain JSON"),
    ):
        with pytest.raises(UnreadableError, match=words):
            AgentAction(tool="t", arguments={"a": value})
    assert plain_json((1, [True, None, "a"]), "x") == [1, [True, None, "a"]]


def test_neither_errors_nor_reprs_show_arguments() -> None:
    private = "a private placeholder"
    action = AgentAction(tool="t", arguments={"a": private})
    assert private not in repr(action)
    assert private not in repr(Plan(actions=(action,), goal=private))
    with pytest.raises(UnreadableError) as error:
        AgentAction(tool="t", arguments={private: float("nan")})
    assert private not in str(error.value)
    with pytest.raises(UnreadableError) as error:
        parse_actions({"tool_calls": [{"function": {"name": "a", "arguments": private}}]})
    assert private not in str(error.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("getUserProfile", "read"),
        ("search_web", "search"),
        ("delete_event", "delete"),
        ("get_and_delete", "delete"),
        ("create_payment", "pay"),
        ("list_payments", "read"),
        ("read_email", "read"),
        ("send_email", "send"),
        ("update_permissions", "grant"),
        ("create_post", "publish"),
        ("bash", "execute"),
        ("get_transfer_status", "read"),
        ("get_and_email", "send"),
        ("slack_post_message", "publish"),
        ("format_text", "unknown"),
        ("frobnicate", "unknown"),
        ("ЖЖЖ", "unknown"),
    ],
)
def test_kinds_told_by_names(name: str, kind: str) -> None:
    assert kind_of_name(name) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Buy now", "pay"),
        ("Place your order", "pay"),
        ("Sign in", "login"),
        ("Sign up", "agree"),
        ("I accept the terms", "agree"),
        ("Delete account", "delete"),
        ("Post comment", "publish"),
        ("Next", "unknown"),
        ("", "unknown"),
    ],
)
def test_kinds_told_by_elements(text: str, kind: str) -> None:
    assert kind_of_element(text) == kind


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("click [12]", "click"),
        ("type [3] [words] [1]", "type"),
        ("goto [https://example.org/a]", "navigate"),
        ("scroll [down]", "read"),
        ("go_back", "navigate"),
        ("page.goto('https://example.org')", "navigate"),
        ("await page.click('text=Buy now');", "pay"),
        ("page.get_by_role('button', name='Send').click()", "send"),
        ("page.getByRole('link', { 'name': 'More' }).click()", "navigate"),
        ("page.fill('#name', 'Delete all')", "type"),
        ("click('a51')", "click"),
        ("GET https://example.org/a", "read"),
        ("DELETE https://example.org/a/1", "delete"),
        ("POST https://example.org/api/checkout", "pay"),
        ({"method": "PURGE", "url": "https://example.org/"}, "unknown"),
        ({"action": "CLICK", "element": "Pay 12 €", "url": "https://x.example/"}, "pay"),
        ({"action": "CLICK", "tag": "a", "url": "https://x.example/"}, "navigate"),
        (
            {"action": "CLICK", "tag": 'button type="submit"', "url": "https://x.example/checkout"},
            "pay",
        ),
        ({"action": "fly", "url": "https://x.example/"}, "unknown"),
        ({"name": "q", "args": {"sql": "SELECT 1; DROP TABLE t"}}, "delete"),
        ({"name": "q", "args": {"sql": "select a from b"}}, "search"),
        (
            {"name": "http_request", "args": {"method": "DELETE", "url": "https://a.example"}},
            "delete",
        ),
        ({"name": "fetch", "args": {"method": "post", "url": "https://a.example"}}, "write"),
        ("Action: Search[words]", "search"),
        ('```json\n{"action": "Search", "action_input": "x"}\n```', "search"),
        ({"name": "update_user", "args": {"role": "admin"}}, "grant"),
    ],
)
def test_kinds_of_page_actions_and_requests(source: Any, kind: str) -> None:
    assert parse_action(source).kind == kind


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1,200.50", 1200.5), ("$40", 40.0), ("forty", None), (-3, None), (True, None), (7, 7.0)],
)
def test_amounts_that_cannot_be_told_stay_unknown(text: Any, amount: float | None) -> None:
    money = parse_action({"name": "send_payment", "args": {"amount": text}}).money
    assert money is not None
    assert money.amount == amount


def test_minor_units_are_hundredths() -> None:
    money = parse_action({"name": "pay", "args": {"amount_cents": 1250, "currency": "USD"}}).money
    assert money == Money(amount=12.5, currency="USD")


def test_facts_of_arguments() -> None:
    tools = ToolCatalogue(own_domains=("example.org",), known=("ana@partner.example",))

    def send(to: Any, **more: Any) -> AgentAction:
        return parse_action({"name": "send_email", "args": {"to": to, **more}}, tools=tools)

    assert send("bo@example.org").audience == "known people"
    assert send(["bo@example.org", "x@other.example"]).audience == "unknown"
    assert send("bo@example.org", visibility="public").audience == "public"
    assert send(["a@b.example", "c@d.example"]).count == 2
    assert send("x", api_key="p").data_exposed == ("credentials",)
    assert send("x", text="AKIA" + "A" * 16).data_exposed == ("credentials",)
    assert send("x", all=True).count is None
    fetched = parse_action("GET https://x.example/?a=1&token=placeholder")
    assert fetched.data_exposed == ("credentials",)
    read = parse_action({"name": "read_file", "args": {"path": "/home/u/.ssh/id_rsa"}})
    assert read.data_exposed == ("credentials",)
    assert parse_action("GET https://u@Api.example.org:80/x").target.domain == "api.example.org"


def test_what_an_operator_states_stands() -> None:
    tools = ToolCatalogue(
        tools={
            "read_x": ToolEntry(kind="delete", reversibility="irreversible", sensitive=True),
            "book": ToolEntry(amount="fare", currency="EUR", recipient="who", audience="self"),
        }
    )
    found = parse_action({"name": "read_x", "args": {}}, tools=tools)
    assert (found.kind, found.reversibility) == ("delete", "irreversible")
    assert found.data_exposed == ("sensitive",)
    booked = parse_action({"name": "book", "args": {"fare": 80, "who": "a"}}, tools=tools)
    assert booked.money == Money(amount=80.0, currency="EUR")
    assert (booked.target.recipients, booked.audience) == (("a",), "self")


def test_hints_of_a_server_only_raise_concern_unless_it_is_trusted() -> None:
    listed = {
        "tools": [
            {"name": "purge", "annotations": {"readOnlyHint": True}},
            {"name": "list_all", "annotations": {"destructiveHint": True, "openWorldHint": True}},
        ]
    }
    call = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "purge"}}
    doubted = ToolCatalogue().with_mcp(listed)
    assert parse_action(call, tools=doubted).kind == "delete"
    assert parse_action(call, tools=ToolCatalogue().with_mcp(listed, trusted=True)).kind == "read"
    call["params"] = {"name": "list_all"}
    found = parse_action(call, tools=doubted)
    assert found.reversibility == "irreversible"
    assert found.signs == ("destructive", "open world")
    with pytest.raises(ParameterError, match=r"tools\[0\].name"):
        ToolCatalogue().with_mcp([{"annotations": {}}])


def test_digests_change_with_every_field() -> None:
    action = AgentAction(tool="t", arguments={"a": 1, "b": 2})
    assert action.digest == AgentAction(tool="t", arguments={"b": 2, "a": 1}).digest
    changed = [
        {"arguments": {"a": 1, "b": 3}},
        {"id": "x"},
        {"step": 1},
        {"origin": "user"},
        {"count": None},
        {"signs": ("x",)},
    ]
    digests = {msgspec.structs.replace(action, **change).digest for change in changed}
    assert len(digests | {action.digest}) == len(changed) + 1


def test_plans_of_different_planners_are_one_schema() -> None:
    steps = [{"tool": "find", "args": {"q": "a"}}, {"tool": "send", "args": {"to": "b"}}]
    plain = parse_plan(steps)
    wrapped = parse_plan({"task": "g", "plan": [{"action": s} for s in steps]})
    chat = parse_plan(
        [
            {"role": "user", "content": "words"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"function": {"name": s["tool"], "arguments": json.dumps(s["args"])}}
                    for s in steps
                ],
            },
        ]
    )
    for plan in (wrapped, chat):
        assert [(a.tool, a.kind, a.arguments) for a in plan] == [
            (a.tool, a.kind, a.arguments) for a in plain
        ]
    assert wrapped.goal == "g"
    assert [a.step for a in chat] == [0, 1]


def test_dependencies_by_place_and_by_id() -> None:
    steps = [
        {"tool": "a", "args": {}, "id": "first", "dep": [-1]},
        {"tool": "b", "args": {}, "dep": [0]},
        {"tool": "c", "args": {}, "depends_on": ["first"]},
    ]
    assert [a.depends_on for a in parse_plan(steps)] == [(), ("first",), ("first",)]
    with pytest.raises(UnreadableError, match=r"steps\[1\].depends_on"):
        parse_plan([steps[0], {"tool": "b", "args": {}, "dep": [1]}])
    with pytest.raises(ParameterError, match="does not come before"):
        parse_plan([{"tool": "b", "args": {}, "depends_on": ["later"]}])
    with pytest.raises(ParameterError, match="given twice"):
        parse_plan([steps[0], steps[0]])
    unnamed = {"tool": "a", "args": {}}
    assert len({a.id for a in parse_plan([unnamed | {"id": "step-1"}, unnamed, unnamed])}) == 3
    with pytest.raises(UnreadableError, match=r"steps\[1\]: .*name"):
        parse_plan([steps[0], {"tool_calls": [{"function": {}}]}])


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ParameterError, match="Did you mean 'anthropic'"):
        parse_actions({}, "antropic")
    with pytest.raises(ParameterError, match="origin"):
        parse_actions("click [1]", origin="me")  # type: ignore[arg-type]


def test_text_of_an_action() -> None:
    action = AgentAction(tool="t", arguments={"a": {"b": ["x", 2]}, "c": None})
    assert rendered(action) == "tool: t\na.b[0]: x\na.b[1]: 2\nc: null"


def test_an_action_survives_a_way_through_json() -> None:
    action = parse_action(ONE_CALL[0][1], origin="user", agent="a", step=3)
    told = json.loads(msgspec.json.encode(action)) | {"kind": "pay"}
    assert parse_action(told, "riskwright") == action


def test_what_an_agent_says_that_its_action_does_is_not_believed():
    told = {"tool": "delete_file", "kind": "read", "reversibility": "reversible", "args": {}}
    action = parse_action(told)
    assert (action.kind, action.reversibility) == ("delete", "irreversible")
    [step] = parse_plan([{"tool": "delete_file", "args": {}, "origin": "user"}])
    assert step.origin == "unknown"
    [step] = parse_plan([{"tool": "delete_file", "args": {}, "origin": "web page"}])
    assert step.origin == "web page"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"tool": "a", "kind": "read", "stpe": 1}, "stpe.*Did you mean 'step'"),
        ({"tool": "a", "kind": "CANARY"}, "kind: not an action; got an unknown value"),
    ],
)
def test_own_fields_that_are_none(source: Any, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem) as told:
        parse_action(source, "riskwright")
    assert "CANARY" not in str(told.value)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "get_д\u0435lete",
            "get_dеlete",
            "ｇｅｔ_ｄｅｌｅｔｅ",
            "getUSERDelete",
            "get_de\u200blete",
        )
    ],
)
def test_names_that_only_look_like_reading_are_not_safe(name: str) -> None:
    with contextlib.suppress(UnreadableError):
        assert parse_action({"tool": name, "args": {}}).kind not in ("read", "search", "navigate")


@pytest.mark.parametrize(
    "arguments",
    [
        {"cmd": "ls", "command": "rm -rf /x"},
        {"command": "find", "args": [".", "-delete"]},
        {"command": "rm", "args": "-rf /x"},
        {"commands": ["ls", "rm -rf /x"]},
        {"command": ["find", "."], "argv": ["-delete"]},
    ],
)
def test_all_parts_of_a_command_are_read(arguments: Any) -> None:
    action = parse_action({"tool": "terminal", "args": arguments})
    assert (action.kind, action.reversibility) == ("delete", "irreversible")


def test_a_command_that_is_none_is_told():
    action = parse_action({"tool": "terminal", "args": {"command": {"a": 1}}})
    assert "unreadable command" in action.signs


def test_every_action_of_a_text_is_read():
    text = 'Action: look\nAction Input: {}\nAction: delete_file\nAction Input: {"path": "a"}\n'
    assert [(a.kind, a.arguments) for a in parse_actions(text)] == [
        ("read", {}),
        ("delete", {"path": "a"}),
    ]
    with pytest.raises(UnreadableError, match="2 actions"):
        parse_action(text)


def test_calls_in_the_older_shapes_of_openai():
    call = {"name": "delete_file", "arguments": "{}"}
    message = {"role": "assistant", "content": None, "function_call": call}
    assert [a.kind for a in parse_actions(message)] == ["delete"]
    assert [a.kind for a in parse_actions({"choices": [{"message": message}]})] == ["delete"]
    custom = {"type": "custom_tool_call", "name": "delete_file", "input": "a", "call_id": "c"}
    assert [(a.tool, a.arguments) for a in parse_actions(custom)] == [
        ("delete_file", {"input": "a"})
    ]


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [40, 700, 100_000])
@pytest.mark.parametrize("format", [None, "openai", "react", "browser", "riskwright"])
def test_objects_nested_too_deeply_are_refused(depth: int, format: str | None) -> None:
    deep = nested(depth)
    press = {"action": "a", "input": {"x": deep}, "element": deep}
    for source in (deep, {"tool": "a", "args": {"x": deep}}, press):
        with pytest.raises(UnreadableError):
            parse_actions(source, format)


@pytest.mark.parametrize("depth", [700, 100_000])
def test_depth_outside_of_the_arguments_is_no_crash(depth: int) -> None:
    with contextlib.suppress(UnreadableError):
        assert parse_action({"tool": "a", "args": {}, "x": nested(depth)}).arguments == {}


def test_an_object_that_is_no_message_is_not_taken_for_one_without_calls():
    with pytest.raises(UnreadableError, match="neither"):
        parse_actions({"tool": "delete_file", "args": {}}, "openai")
    assert parse_actions({"role": "assistant", "content": "hello"}, "openai") == ()


def test_sources_that_cannot_be_digested():
    with pytest.raises(UnreadableError):
        parse_action({"tool": "a", "args": {}, "x": {1: 2, "1": 3}})


KEYS = (
    *("type", "function", "name", "arguments", "input", "tool_calls", "action", "method", "url"),
    *("params", "content", "role", "command", "args", "element", "tag", "kind", "tool", "output"),
    *("choices", "jsonrpc", "depends_on", "id"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=40)
@given(source=JSON, name=st.sampled_from([None, *FORMATS]))
def test_anything_reads_or_is_refused_with_a_typed_error(source: Any, name: str | None) -> None:
    try:
        actions = parse_actions(source, name)
    except RiskwrightError:
        return
    assert all(action.digest and isinstance(rendered(action), str) for action in actions)


@pytest.mark.parametrize(
    "text",
    [
        *(letter * 30_000 for letter in ("a", "A", "\n", "1")),
        *(pair * 10_000 for pair in ("eyJ", "-eyJ", "a@", "$1,", "a.", "/.ssh", "1,", "Action:")),
    ],
)
def test_long_hostile_texts_are_read_in_linear_time(text: str) -> None:
    for key in ("amount", "to", "path", "command"):
        assert parse_action({"name": "send_payment", "args": {key: text}}).kind == "pay"
    for name in ("react", "shell", "playwright", "webarena", "http"):
        try:
            parse_actions(text, name)
        except UnreadableError:
            continue
