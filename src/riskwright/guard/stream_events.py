"""Server-sent events of a guarded stream, in the shape of streamed chat completions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from riskwright.core import ParameterError, Record

from .stream_records import FinishReason, StreamVerdict

__all__ = ["DONE", "ChunkHead", "blocked_events", "stream_events", "stream_events_async"]

DONE = "data: [DONE]\n\n"


class ChunkHead(Record, frozen=True, kw_only=True):
    """What all chunks of one streamed completion share: `id`, `model`, `created` (Unix seconds),
    and the `index` of the choice."""

    id: str
    model: str
    created: int
    index: int = 0

    def event(self, delta: dict[str, str], finish_reason: FinishReason | None = None) -> str:
        """One `chat.completion.chunk` as a server-sent event."""
        chunk: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": self.index, "delta": delta, "finish_reason": finish_reason}],
        }
        return f"data: {json.dumps(chunk)}\n\n"


def stream_events(
    items: Iterable[str | StreamVerdict], head: ChunkHead, *, done: bool = True
) -> Iterator[str]:
    """The events of what `StreamMonitor.filter` yields, each as soon as it is there.

    One chunk per released text; at the verdict a chunk with an empty delta and `finish_reason`
    "stop" or "content_filter"; then `[DONE]` unless further choices follow. Raises
    `ParameterError` where the items end without a verdict: such a stream was not judged to its
    end, and must not look finished.

    Examples
    --------
    >>> head = ChunkHead(id="chatcmpl-1", model="m", created=0)
    >>> print(head.event({"content": "a"}), end="")  # doctest: +ELLIPSIS
    data: {"id": "chatcmpl-1", "object": "chat.completion.chunk", ..."delta": {"content": "a"}, ...
    <BLANKLINE>
    """
    for item in items:
        if isinstance(item, StreamVerdict):
            yield head.event({}, item.finish_reason)
            if done:
                yield DONE
            return
        yield head.event({"content": item})
    raise _no_verdict()


async def stream_events_async(
    items: AsyncIterable[str | StreamVerdict], head: ChunkHead, *, done: bool = True
) -> AsyncIterator[str]:
    """As `stream_events`, of what `StreamMonitor.guard` yields."""
    async for item in items:
        if isinstance(item, StreamVerdict):
            for event in stream_events([item], head, done=done):
                yield event
            return
        yield head.event({"content": item})
    raise _no_verdict()


def blocked_events(
    released: str | Iterable[str], head: ChunkHead, *, done: bool = True
) -> Iterator[str]:
    """The events of a stream that was stopped: what was released, "content_filter", `[DONE]`."""
    for text in [released] if isinstance(released, str) else released:
        if text:
            yield head.event({"content": text})
    yield head.event({}, "content_filter")
    if done:
        yield DONE


def _no_verdict() -> ParameterError:
    return ParameterError(
        "a stream without a verdict",
        where="items",
        expected="what StreamMonitor.filter or guard yields",
    )
