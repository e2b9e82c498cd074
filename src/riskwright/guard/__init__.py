"""Guards: perception, calibration and policy joined for prompts, replies, streams and actions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cascades import CascadeOutcome, GuardCascade
    from .certifying import Certification, certify_policy
    from .comparing import compare_guards
    from .decision_log import DecisionLog, read_log, verify_log
    from .figures import GuardFigures, guard_figures
    from .guard import Guard
    from .labelling import to_label
    from .replaying import Replay, replay, stored_scores
    from .wire import llama_guard_text, moderation_response, moderation_result

_HOMES = {
    "CascadeOutcome": "cascades",
    "Certification": "certifying",
    "DecisionLog": "decision_log",
    "Guard": "guard",
    "GuardCascade": "cascades",
    "GuardFigures": "figures",
    "Replay": "replaying",
    "certify_policy": "certifying",
    "compare_guards": "comparing",
    "guard_figures": "figures",
    "llama_guard_text": "wire",
    "moderation_response": "wire",
    "moderation_result": "wire",
    "read_log": "decision_log",
    "replay": "replaying",
    "stored_scores": "replaying",
    "to_label": "labelling",
    "verify_log": "decision_log",
}

__all__ = [
    "CascadeOutcome",
    "Certification",
    "DecisionLog",
    "Guard",
    "GuardCascade",
    "GuardFigures",
    "Replay",
    "certify_policy",
    "compare_guards",
    "guard_figures",
    "llama_guard_text",
    "moderation_response",
    "moderation_result",
    "read_log",
    "replay",
    "stored_scores",
    "to_label",
    "verify_log",
]


def __getattr__(name: str) -> Any:
    """Certification loads the decision engine, which scoring does not need."""
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
