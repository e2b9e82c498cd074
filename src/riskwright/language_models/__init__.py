"""Calls to OpenAI-compatible endpoints: many at once, retried, cached, resumed."""

from .bulk import complete, complete_many
from .endpoints import Endpoint
from .replies import Completion, Failure, FailureKind, Moderation, Sample, Token
from .requests import ChatRequest, CompletionRequest, ModerationRequest, Request

__all__ = [
    "ChatRequest",
    "Completion",
    "CompletionRequest",
    "Endpoint",
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
