"""`complete` and `complete_many`: calls from ordinary code, also where an event loop runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .endpoints import Endpoint
from .replies import Completion, Failure
from .requests import Request

__all__ = ["complete", "complete_many"]


def complete_many(
    endpoint: Endpoint,
    requests: Sequence[Request],
    *,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> list[Completion | Failure]:
    """One answer per request, in order; what fails is a `Failure`."""
    raise NotImplementedError


def complete(endpoint: Endpoint, request: Request) -> Completion:
    """The answer to one request; what fails raises an `EndpointError`."""
    raise NotImplementedError
