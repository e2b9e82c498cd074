"""A streamed reply: events to `Delta`s."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from .event_streams import EventReader
from .parsing import Chunk, moderation_of, parsed_chunk, tokens_of
from .replies import Failure, Moderation, Quiet, Token

__all__ = ["Delta", "deltas"]

_DONE = b"[DONE]"


class Delta(Quiet, frozen=True, kw_only=True, omit_defaults=True):
    """What one event adds to a streamed reply.

    Parameters
    ----------
    text : to be appended to the sample number `index`.
    tokens : of `text`, where log-probabilities were asked for and are given.
    finish_reason : set at the end of a sample.
    refusal : to be appended to the model's words of refusal.
    prompt_tokens, completion_tokens : counts of the whole reply, where the event has them.
    moderation : results that the server attaches.
    """

    text: str = ""
    index: int = 0
    tokens: tuple[Token, ...] | None = None
    finish_reason: str = ""
    refusal: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    moderation: tuple[Moderation, ...] = ()

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield "characters", len(self.text)
        yield "finish_reason", self.finish_reason


async def deltas(
    pieces: AsyncIterator[bytes | Failure], max_bytes: int
) -> AsyncGenerator[Delta | Failure, None]:
    """Deltas of a body that comes in pieces; those that add nothing are left out.

    A reply ends with `[DONE]` or with the body. A body that ends before a finish reason came has
    broken off.
    """
    begun = finished = False
    async for data in _events(pieces, max_bytes):
        if isinstance(data, bytes) and data.strip() == _DONE:
            if not begun:
                yield Failure(kind="malformed", status=200, message="the stream is empty")
            return
        chunk = parsed_chunk(data) if isinstance(data, bytes) else data
        if isinstance(chunk, Failure):
            yield chunk
            return
        for delta in _deltas(chunk):
            finished |= bool(delta.finish_reason)
            if delta != Delta(index=delta.index):
                begun = True
                yield delta
    if not finished:
        yield Failure(kind="truncated", status=200, message="the stream breaks off")


async def _events(
    pieces: AsyncIterator[bytes | Failure], max_bytes: int
) -> AsyncIterator[bytes | Failure]:
    """The data of events; a failure is the last item."""
    reader, size = EventReader(max_bytes), 0
    async for piece in pieces:
        if isinstance(piece, Failure):
            yield piece
            return
        size += len(piece)
        if size > max_bytes:
            message = f"the reply is larger than {max_bytes:,} bytes"
            yield Failure(kind="malformed", status=200, message=message)
            return
        for data in reader.feed(piece):
            yield data
    for data in reader.close():
        yield data


def _deltas(chunk: Chunk) -> Iterator[Delta]:
    usage = chunk.usage
    counts: dict[str, Any] = {"moderation": moderation_of(chunk.moderation)}
    if usage is not None:
        counts["prompt_tokens"] = usage.prompt_tokens
        counts["completion_tokens"] = usage.completion_tokens
    for choice in chunk.choices or ():
        yield Delta(
            text=choice.written,
            index=choice.index or 0,
            tokens=tokens_of(choice.logprobs),
            finish_reason=choice.finish_reason or "",
            refusal=(choice.delta.refusal if choice.delta else None) or "",
        )
    yield Delta(**counts)
