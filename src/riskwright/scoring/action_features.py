"""What a card of actions counts: a few features with named levels, all told by the action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from riskwright.evidence.action_tools import ToolCatalogue
from riskwright.evidence.actions import AUDIENCES, KINDS, ORIGINS, AgentAction

__all__ = ["ACTION_FEATURES", "SIGNS", "ActionFeature", "action_features"]

SIGNS = (
    "command substitution",
    "destructive",
    "force",
    "interpreter",
    "open world",
    "recursive",
    "redirect",
    "remote code",
    "sudo",
    "unreadable command",
    "wildcard",
    "other",
)
TEXT_BANDS = tuple(f"{k / 10:.1f} to {(k + 1) / 10:.1f}" for k in range(10))


class ActionFeature(NamedTuple):
    """Levels, the mildest first; `chain` are those among them that rise in order."""

    levels: tuple[str, ...]
    chain: tuple[str, ...] = ()


_MONEY = ("below 10", "10 to 100", "100 to 1,000", "1,000 or more")
_COUNT = ("one", "2 to 9", "10 to 99", "100 or more")

ACTION_FEATURES: dict[str, ActionFeature] = {
    "kind": ActionFeature(KINDS),
    "reversibility": ActionFeature(
        ("reversible", "costly", "irreversible", "unknown"),
        ("reversible", "costly", "irreversible"),
    ),
    "money": ActionFeature(("none", *_MONEY, "unknown amount"), ("none", *_MONEY)),
    "audience": ActionFeature(AUDIENCES),
    "destination": ActionFeature(("none", "own", "external"), ("none", "own", "external")),
    "data": ActionFeature(("none", "other", "personal", "financial", "credentials")),
    "count": ActionFeature((*_COUNT, "without bound"), (*_COUNT, "without bound")),
    "origin": ActionFeature(ORIGINS),
    **{f"sign: {name}": ActionFeature(("no", "yes")) for name in SIGNS},
    "text": ActionFeature(("not judged", *TEXT_BANDS), ("not judged", *TEXT_BANDS)),
}
"""Feature -> levels. Amounts are in units of their currency, whichever it is."""

_DATA = ACTION_FEATURES["data"].levels
_STAYS = ("read", "search", "navigate")


def action_features(
    action: AgentAction, tools: ToolCatalogue | None = None, text: float | None = None
) -> dict[str, str]:
    """Feature -> level for one action; signs that are absent are left out.

    Parameters
    ----------
    action : what is proposed.
    tools : tells the operator's own domains.
    text : the severity in [0, 1] that a scorer of the text gave, if any.

    Examples
    --------
    >>> action = AgentAction(tool="wipe", kind="delete", signs=("force",), origin="user")
    >>> found = action_features(action)
    >>> found["kind"], found["reversibility"], found["sign: force"]
    ('delete', 'unknown', 'yes')
    """
    found = {
        "kind": str(action.kind),
        "reversibility": str(action.reversibility),
        "money": _money(action),
        "audience": str(action.audience),
        "destination": _destination(action, tools or ToolCatalogue()),
        "data": _data(action),
        "count": _count(action.count),
        "origin": str(action.origin),
        "text": "not judged" if text is None else TEXT_BANDS[min(9, int(10 * text))],
    }
    for sign in action.signs:
        found[f"sign: {sign if sign in SIGNS else 'other'}"] = "yes"
    return found


def _money(action: AgentAction) -> str:
    if action.money is None:
        return "none"
    amount = action.money.amount
    if amount is None:
        return "unknown amount"
    return _MONEY[sum(amount >= limit for limit in (10, 100, 1000))]


def _destination(action: AgentAction, tools: ToolCatalogue) -> str:
    """Where it goes; reading goes nowhere unless it carries sensitive data along."""
    domain = action.target.domain
    if not domain or (action.kind in _STAYS and not action.data_exposed):
        return "none"
    return "own" if tools.owns(domain) else "external"


def _data(action: AgentAction) -> str:
    labels = [label if label in _DATA else "other" for label in action.data_exposed]
    return max(labels, key=_DATA.index, default="none")


def _count(count: int | None) -> str:
    if count is None:
        return "without bound"
    return _COUNT[sum(count >= limit for limit in (2, 10, 100))]


def level_order(feature: str, levels: Mapping[str, int]) -> list[str]:
    """Levels of a table in the order of `ACTION_FEATURES`."""
    order = ACTION_FEATURES[feature].levels
    return sorted(levels, key=order.index)
