"""Calls to OpenAI-compatible endpoints: many at once, retried, cached, resumed."""

from .bulk import BlockingClient, complete, complete_many
from .client import Client
from .endpoints import Endpoint
from .event_streams import EventReader
from .replies import Completion, Failure, FailureKind, Moderation, Sample, Token
from .requests import ChatRequest, CompletionRequest, ModerationRequest, Request
from .streams import Delta

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
