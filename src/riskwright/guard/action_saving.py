"""An `ActionGuard` as plain values, and back; what only a program has must be given again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from riskwright.core import artifact_kinds
from riskwright.evidence.action_tools import ToolCatalogue
from riskwright.scoring.action_risk import ActionCard, ActionScorer
from riskwright.scoring.action_text import ActionTextModel

from .scorers import described, rebuilt

if TYPE_CHECKING:
    from .actions import ActionGuard

__all__ = ["told_guard", "told_guard_parts"]


def told_guard(guard: ActionGuard) -> dict[str, Any]:
    """Card, text scorer, catalogue, thresholds and settings; what else it had is named only."""
    needs = {"policy": guard.policy, "world_model": guard.world_model}
    return {
        "scorer": _told_scorer(guard.scorer),
        "tools": msgspec.to_builtins(guard.tools),
        "rule": guard.rule_.to_dict() if guard.rule_ is not None else None,
        "limits": guard.limits or None,
        "needs": [name for name, one in needs.items() if one is not None],
        "params": {
            "low": guard.low,
            "fallback": guard.fallback,
            "policies": list(guard.policies),
            "timeout": guard.timeout,
            "valid_for": guard.valid_for,
        },
    }


def told_guard_parts(body: Mapping[str, Any]) -> tuple[ActionScorer, ToolCatalogue, Any]:
    """Scorer, catalogue and rule of what `told_guard` gave.

    Raises `ArtifactError` where the text scorer is another one now.
    """
    from .action_certificates import ActionRule

    rule = ActionRule.from_dict(body["rule"]) if body["rule"] is not None else None
    return _scorer(body["scorer"]), _tools(body["tools"]), rule


def _told_scorer(scorer: ActionScorer) -> dict[str, Any]:
    text = scorer.text
    own = list(text.to_artifact()) if isinstance(text, ActionTextModel) else None
    return {
        "card": scorer.card.to_artifact()[1],
        "tools": msgspec.to_builtins(scorer.tools) if scorer.tools is not None else None,
        "text": own,
        "text_scorer": described(text) if text is not None and own is None else None,
    }


def _scorer(told: Mapping[str, Any]) -> ActionScorer:
    text: Any = None
    if told["text"] is not None:
        kind, body = told["text"]
        text = artifact_kinds.load(kind).from_artifact(body)
    elif told["text_scorer"] is not None:
        text = rebuilt(told["text_scorer"])
    tools = _tools(told["tools"]) if told["tools"] is not None else None
    return ActionScorer(ActionCard.from_artifact(told["card"]), text=text, tools=tools)


def _tools(told: Any) -> ToolCatalogue:
    return msgspec.convert(told, ToolCatalogue)
