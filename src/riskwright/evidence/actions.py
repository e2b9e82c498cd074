"""`AgentAction` and `Plan`: what an agent is about to do, in one schema whatever its framework."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import msgspec

from riskwright.core import ParameterError, Record, UnreadableError
from riskwright.core.names import quoted

__all__ = [
    "AUDIENCES",
    "KINDS",
    "MAX_ACTIONS",
    "MAX_ARGUMENT_BYTES",
    "MAX_DEPTH",
    "ORIGINS",
    "REVERSIBILITIES",
    "AgentAction",
    "Audience",
    "Kind",
    "Money",
    "Origin",
    "Plan",
    "Reversibility",
    "Target",
    "Trace",
    "plain_json",
    "rendered",
]

Kind = Literal[
    "read",
    "search",
    "navigate",
    "type",
    "click",
    "login",
    "unknown",
    "write",
    "send",
    "delete",
    "execute",
    "publish",
    "pay",
    "agree",
    "grant",
]
Reversibility = Literal["reversible", "costly", "irreversible", "unknown"]
Audience = Literal["self", "known people", "public", "unknown"]
Origin = Literal["user", "tool output", "web page", "unknown"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""What an action does, from the mildest to the gravest.

"type" and "click" are steps on a page whose effect is not known; "unknown" is graver than looking
and milder than what surely changes something; "agree" enters into an obligation (sign, register,
accept terms); "grant" hands out rights.
"""
REVERSIBILITIES: tuple[Reversibility, ...] = get_args(Reversibility)
AUDIENCES: tuple[Audience, ...] = get_args(Audience)
ORIGINS: tuple[Origin, ...] = get_args(Origin)

MAX_ARGUMENT_BYTES = 2**18
MAX_DEPTH = 32
MAX_ACTIONS = 10_000
MAX_NAME = 256


class Target(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is acted on: a resource (path, table, element), the domain it is at, who receives."""

    resource: str = ""
    domain: str = ""
    recipients: tuple[str, ...] = ()


class Money(Record, frozen=True, kw_only=True, omit_defaults=True):
    """An amount >= 0 in units of its currency; None where money moves but the amount is not known.

    `currency` is a code such as "EUR", empty where it is not told.
    """

    amount: float | None = None
    currency: str = ""

    def __post_init__(self) -> None:
        if self.amount is not None and not (math.isfinite(self.amount) and self.amount >= 0):
            raise ParameterError(
                "not an amount", where="Money(amount)", expected="a finite number >= 0, or None"
            )


class AgentAction(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One action that an agent proposes, before it is done.

    Parameters
    ----------
    tool : name of the tool, command or page action, at most 256 printable characters.
    id : of the call.
    kind : what it does; "unknown" is never taken for harmless.
    arguments : plain JSON values, at most 256 KiB as text and 32 levels deep.
    target : resource, domain and recipients.
    reversibility : whether it can be undone, and at what price.
    money : what it costs or moves; None where no money is involved.
    audience : who sees the effect.
    data_exposed : labels of the sensitive data in it: "credentials", "financial", "personal", or
        an operator's own.
    count : how many things it acts on; None where there is no bound ("everything", wildcards).
    signs : further facts that raise concern: "sudo", "force", "remote code", ...
    origin : where the instruction to act came from.
    agent : who acts; `step` its number in the run.
    depends_on : ids of actions whose results it uses.
    source_digest : SHA-256 of the call as it was received.

    Raises
    ------
    ParameterError : an empty or unprintable tool name, a count below 0.
    UnreadableError : arguments that are not plain JSON or exceed the limits.

    Notes
    -----
    `repr` shows neither arguments nor targets, which may be private.

    Examples
    --------
    >>> AgentAction(tool="send_email", kind="send", arguments={"to": "a@example.org"})
    AgentAction(tool='send_email', kind='send', step=0)
    """

    tool: str
    id: str = ""
    kind: Kind = "unknown"
    arguments: dict[str, Any] = {}
    target: Target = Target()
    reversibility: Reversibility = "unknown"
    money: Money | None = None
    audience: Audience = "unknown"
    data_exposed: tuple[str, ...] = ()
    count: int | None = 1
    signs: tuple[str, ...] = ()
    origin: Origin = "unknown"
    agent: str = ""
    step: int = 0
    depends_on: tuple[str, ...] = ()
    source_digest: str = ""

    def __post_init__(self) -> None:
        if not self.tool or len(self.tool) > MAX_NAME or not self.tool.isprintable():
            raise ParameterError(
                "not a name of a tool",
                where="AgentAction(tool)",
                expected=f"1 to {MAX_NAME} printable characters",
                got=f"{len(self.tool)} characters",
            )
        if self.count is not None and self.count < 0:
            raise ParameterError("a count below 0", where="AgentAction(count)")
        plain_json(self.arguments, "arguments")

    def __repr__(self) -> str:
        return f"AgentAction(tool={self.tool!r}, kind={self.kind!r}, step={self.step})"

    @property
    def digest(self) -> str:
        """SHA-256 over every field: whatever is changed changes it."""
        values = msgspec.to_builtins(self)
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Plan(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Actions in order, towards a goal. A `Trace` is a plan that has been carried out.

    Raises `ParameterError` for more than 10,000 actions, an id given twice, and a dependency on
    an action that does not come before.

    Examples
    --------
    >>> plan = Plan(actions=(AgentAction(tool="look_up"), AgentAction(tool="send_email")))
    >>> [action.tool for action in plan]
    ['look_up', 'send_email']
    """

    actions: tuple[AgentAction, ...]
    goal: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        if len(self.actions) > MAX_ACTIONS:
            raise ParameterError(
                "too many actions",
                where="Plan(actions)",
                expected=f"at most {MAX_ACTIONS:,}",
                got=f"{len(self.actions):,}",
            )
        seen: set[str] = set()
        for place, action in enumerate(self.actions):
            if action.id and action.id in seen:
                raise ParameterError(
                    f"the id {quoted(action.id)} is given twice", where=f"actions[{place}].id"
                )
            for other in action.depends_on:
                if other not in seen:
                    raise ParameterError(
                        f"depends on {quoted(other)}, which does not come before it",
                        where=f"actions[{place}].depends_on",
                        expected="ids of earlier actions",
                    )
            seen.add(action.id)

    def __repr__(self) -> str:
        return f"Plan({len(self.actions)} actions)"

    def __iter__(self) -> Iterator[AgentAction]:
        return iter(self.actions)

    def __len__(self) -> int:
        return len(self.actions)


Trace = Plan


def plain_json(value: Any, where: str) -> Any:
    """A copy of plain JSON values; `UnreadableError` names the first place that is not.

    Limits: 256 KiB as JSON text, 32 levels.
    """
    copy = _copied(value, where, 0)
    size = len(json.dumps(copy))
    if size > MAX_ARGUMENT_BYTES:
        raise UnreadableError(
            "too large",
            where=where,
            expected=f"at most {MAX_ARGUMENT_BYTES:,} bytes",
            got=f"{size:,}",
        )
    return copy


def _copied(value: Any, where: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise UnreadableError(
            "nested too deeply", where=where, expected=f"at most {MAX_DEPTH} levels"
        )
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_copied(item, f"{where}[{k}]", depth + 1) for k, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {
            key: _copied(item, f"{where}.{_shown(key)}", depth + 1) for key, item in value.items()
        }
    raise UnreadableError(
        "not plain JSON",
        where=where,
        expected="texts, finite numbers below 2^63, true, false, null, lists, objects",
        got=type(value).__name__,
    )


def _shown(key: str) -> str:
    """A key in a message: only where it is a plain name, since others may be a person's text."""
    return key if len(key) <= 40 and key.isidentifier() else "…"


def rendered(action: AgentAction) -> str:
    """The action as text for scorers of text: its tool, then one line per argument.

    Examples
    --------
    >>> print(rendered(AgentAction(tool="click", arguments={"element": "Next", "at": {"x": 1}})))
    tool: click
    element: Next
    at.x: 1
    """
    lines = [f"tool: {action.tool}"]
    for path, value in leaves(action.arguments):
        lines.append(f"{path}: {value if isinstance(value, str) else json.dumps(value)}")
    return "\n".join(lines)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every value that is neither a list nor an object."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from leaves(item, f"{path}[{place}]")
    else:
        yield path, value
