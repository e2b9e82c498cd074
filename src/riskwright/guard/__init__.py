"""Guards: perception, calibration and policy joined for prompts, replies, streams and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskwright.core.rooms import lazy_names

if TYPE_CHECKING:
    from .actions import ActionGuard, Checked, PlanVerdict
    from .approvals import Approval
    from .cascades import CascadeOutcome, GuardCascade
    from .certifying import Certification, certify_policy
    from .comparing import compare_guards
    from .decision_log import DecisionLog, read_log, verify_log
    from .figures import GuardFigures, guard_figures
    from .guard import Guard
    from .guiding import Guided, guided_reply
    from .injection import DetectionBench, inject, measure_detection
    from .labelling import to_label
    from .replaying import Replay, replay, stored_scores
    from .scanners import Scanners
    from .stream_events import (
        ChunkHead,
        blocked_events,
        stream_events,
        stream_events_async,
    )
    from .stream_figures import StreamFigures, stream_figures
    from .stream_joining import JoinedScorer
    from .stream_paths import StreamPath, token_weights, trajectory
    from .stream_records import Released, StreamVerdict
    from .streams import StreamMonitor
    from .wire import llama_guard_text, moderation_response, moderation_result

_HOMES = {
    "ActionGuard": "actions",
    "Approval": "approvals",
    "CascadeOutcome": "cascades",
    "Certification": "certifying",
    "Checked": "actions",
    "ChunkHead": "stream_events",
    "DecisionLog": "decision_log",
    "DetectionBench": "injection",
    "Guard": "guard",
    "Guided": "guiding",
    "GuardCascade": "cascades",
    "GuardFigures": "figures",
    "JoinedScorer": "stream_joining",
    "PlanVerdict": "actions",
    "Released": "stream_records",
    "Replay": "replaying",
    "Scanners": "scanners",
    "StreamFigures": "stream_figures",
    "StreamMonitor": "streams",
    "StreamPath": "stream_paths",
    "StreamVerdict": "stream_records",
    "blocked_events": "stream_events",
    "certify_policy": "certifying",
    "compare_guards": "comparing",
    "guard_figures": "figures",
    "guided_reply": "guiding",
    "inject": "injection",
    "llama_guard_text": "wire",
    "measure_detection": "injection",
    "moderation_response": "wire",
    "moderation_result": "wire",
    "read_log": "decision_log",
    "replay": "replaying",
    "stored_scores": "replaying",
    "stream_events": "stream_events",
    "stream_events_async": "stream_events",
    "stream_figures": "stream_figures",
    "to_label": "labelling",
    "token_weights": "stream_paths",
    "trajectory": "stream_paths",
    "verify_log": "decision_log",
}

__all__ = [
    "ActionGuard",
    "Approval",
    "CascadeOutcome",
    "Certification",
    "Checked",
    "ChunkHead",
    "DecisionLog",
    "DetectionBench",
    "Guard",
    "Guided",
    "GuardCascade",
    "GuardFigures",
    "JoinedScorer",
    "PlanVerdict",
    "Released",
    "Replay",
    "Scanners",
    "StreamFigures",
    "StreamMonitor",
    "StreamPath",
    "StreamVerdict",
    "blocked_events",
    "certify_policy",
    "compare_guards",
    "guard_figures",
    "guided_reply",
    "inject",
    "llama_guard_text",
    "measure_detection",
    "moderation_response",
    "moderation_result",
    "read_log",
    "replay",
    "stored_scores",
    "stream_events",
    "stream_events_async",
    "stream_figures",
    "to_label",
    "token_weights",
    "trajectory",
    "verify_log",
]

__getattr__ = lazy_names(__name__, _HOMES)
