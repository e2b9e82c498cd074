"""Calls to OpenAI-compatible endpoints: many at once, retried, cached, resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskwright.core.rooms import lazy_names

if TYPE_CHECKING:
    from .bulk import BlockingClient, complete, complete_many
    from .client import Client
    from .endpoints import Endpoint
    from .event_streams import EventReader
    from .replies import Completion, Failure, FailureKind, Moderation, Sample, Token
    from .requests import ChatRequest, CompletionRequest, ModerationRequest, Request
    from .streams import Delta

_HOMES = {
    "BlockingClient": "bulk",
    "ChatRequest": "requests",
    "Client": "client",
    "Completion": "replies",
    "CompletionRequest": "requests",
    "Delta": "streams",
    "Endpoint": "endpoints",
    "EventReader": "event_streams",
    "Failure": "replies",
    "FailureKind": "replies",
    "Moderation": "replies",
    "ModerationRequest": "requests",
    "Request": "requests",
    "Sample": "replies",
    "Token": "replies",
    "complete": "bulk",
    "complete_many": "bulk",
}

__all__ = [
    "BlockingClient",
    "ChatRequest",
    "Client",
    "Completion",
    "CompletionRequest",
    "Delta",
    "Endpoint",
    "EventReader",
    "Failure",
    "FailureKind",
    "Moderation",
    "ModerationRequest",
    "Request",
    "Sample",
    "Token",
    "complete",
    "complete_many",
]

__getattr__ = lazy_names(__name__, _HOMES)
