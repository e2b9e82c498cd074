"""`Client`: an endpoint with open connections, for code that runs in an event loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Any

from msgspec.structs import replace

from riskwright.core import (
    BudgetSpentError,
    EndpointError,
    MissingExtraError,
    ReplyError,
    StatusError,
    UnreachableError,
    UsageError,
)

from .endpoints import Endpoint
from .journal import Journal, call_key
from .pacing import Pace, back_off
from .replies import Completion, Failure
from .requests import Request, encoded
from .runs import SILENT, Progress, Run, passing
from .streams import Delta, deltas

__all__ = ["Client", "raised"]

_OVERLOADED = {429, 503, 529}


class Client:
    """An endpoint with open connections, one pace and one budget for all calls of its life.

    Use it as `async with Client(endpoint) as client`; within one event loop.

    Parameters
    ----------
    endpoint : the server.

    Raises
    ------
    MissingExtraError : aiohttp is not installed.
    ParameterError : the key is not in the environment.
    JournalLockedError, ArtifactError : see `Journal`.

    Notes
    -----
    Below 1 ms of processor time per call with 20 alternatives for a token.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._transport: Any = None
        self._journal: Journal | None = None

    async def __aenter__(self) -> Client:
        transport = _transport()
        self._pace = Pace(self.endpoint)
        self._rng = random.Random()
        self._urls: dict[str, str] = {}
        self._alive = False
        if self.endpoint.journal is not None:
            self._journal = Journal(self.endpoint.journal)
        try:
            self._transport = transport.Transport(self.endpoint)
        except BaseException:
            self._close_journal()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        transport, self._transport = self._transport, None
        await transport.close()
        self._close_journal()

    async def complete(self, request: Request) -> Completion:
        """The answer to one request.

        Raises
        ------
        UnreachableError, StatusError, ReplyError, BudgetSpentError : there is none.
        """
        answer = await self.call(request)
        if isinstance(answer, Failure):
            raise raised(answer, self.endpoint)
        return answer

    async def complete_many(
        self, requests: Iterable[Request], *, progress: Progress | None = None
    ) -> list[Completion | Failure]:
        """As `riskwright.language_models.complete_many`, from a running event loop.

        `progress` is called between calls. A cancellation cancels the calls in flight.
        """
        run = Run(list(requests), progress)
        await run.through(self.call, self.endpoint.concurrency)
        return run.answers

    async def call(
        self, request: Request, seen: Counter[str] | None = None
    ) -> Completion | Failure:
        """The answer to one request, from the journal or after as many attempts as it takes.

        Equal requests with one `seen` are separate samples.
        """
        url, body = self._url(request), self._body(request)
        if isinstance(body, Failure):
            return body
        if self._journal is None:
            return await self._attempts(url, body)
        key = call_key(url, body, Counter() if seen is None else seen)
        answer: Completion | Failure | None = self._journal.get(key)
        if answer is None:
            answer = await self._attempts(url, body)
            if isinstance(answer, Completion):
                self._journal.write(key, answer)
        return answer

    async def stream(
        self, request: Request, *, usage: bool = False
    ) -> AsyncGenerator[Delta | Failure, None]:
        """The reply as it is written; whatever goes wrong is a `Failure`, the last item.

        Attempts are repeated until the first byte of a reply has come, and never after it. The
        journal is neither read nor written. `usage` asks the server for the counts of tokens,
        which some refuse. Close the iterator (`contextlib.aclosing`) to stop the model early.
        """
        url = self._url(request)
        options = {"stream_options": {"include_usage": True}} if usage else {}
        body = self._body(request, stream=True, **options)
        if isinstance(body, Failure):
            yield body
            return
        last = Failure(kind="budget", message="the budget is spent; not called")
        for attempt in range(1, self.endpoint.max_retries + 2):
            if not await self._pace.enter():
                break
            begun = failed = False
            sent = time.monotonic()
            try:
                await self._pace.wait_for_turn()
                async with aclosing(self._streamed(url, body)) as items:
                    async for item in items:
                        if isinstance(item, Failure) and not begun:
                            last, failed = replace(item, attempts=attempt), True
                            break
                        begun = True
                        yield item
            finally:
                self._pace.leave()
            if not failed:
                return
            if not passing(last) or attempt > self.endpoint.max_retries:
                break
            await asyncio.sleep(self._wait(last, attempt, sent))
        yield last

    async def _streamed(self, url: str, body: bytes) -> AsyncGenerator[Delta | Failure, None]:
        """One attempt at a stream, which is charged however it ends, once it has begun."""
        prompt = written = None
        received = 0
        pieces = self._transport.events(url, body)
        try:
            async with aclosing(pieces), aclosing(deltas(pieces, self.endpoint.max_bytes)) as read:
                async for item in read:
                    if isinstance(item, Delta):
                        received += len(item.text.encode("utf-8", "replace")) + 1
                        prompt = item.prompt_tokens or prompt
                        written = item.completion_tokens or written
                    yield item
        finally:
            if received:
                self._pace.succeeded()
                self._pace.charge(prompt, written, len(body), received)

    async def _attempts(self, url: str, body: bytes) -> Completion | Failure:
        last = Failure(kind="budget", message="the budget is spent; not called")
        for attempt in range(1, self.endpoint.max_retries + 2):
            if not await self._pace.enter():
                return last
            try:
                await self._pace.wait_for_turn()
                sent = time.monotonic()
                answer: Completion | Failure
                answer, ms = await self._transport.post(url, body)
                self._alive |= not (isinstance(answer, Failure) and answer.kind in SILENT)
                if isinstance(answer, Completion):
                    self._pace.succeeded()
                    cost = self._charge(answer, len(body))
                    return replace(answer, latency_ms=ms, attempts=attempt, cost=cost)
            finally:
                self._pace.leave()
            last = replace(answer, attempts=attempt)
            if not passing(last) or attempt > self.endpoint.max_retries or self._mute(last):
                return last
            await asyncio.sleep(self._wait(last, attempt, sent))
        return last

    def _mute(self, failure: Failure) -> bool:
        """Whether the server takes calls and has never answered one: no third wait is worth it."""
        return failure.kind == "timeout" and failure.attempts > 1 and not self._alive

    def _charge(self, answer: Completion, sent: int) -> float:
        received = sum(len(text.encode("utf-8", "replace")) for text in answer.texts)
        return self._pace.charge(answer.prompt_tokens, answer.completion_tokens, sent, received)

    def _wait(self, failure: Failure, attempt: int, sent: float) -> float:
        """Seconds until the next attempt; where the server is overloaded, all calls slow down."""
        longest = self.endpoint.longest_wait_s
        asked = min(failure.retry_after or 0.0, longest)
        if failure.status in _OVERLOADED:
            self._pace.overloaded(sent, asked)
        return max(asked, back_off(attempt, longest, self._rng))

    def _body(self, request: Request, **more: Any) -> bytes | Failure:
        body = request.body(self.endpoint.model, self.endpoint.top_logprobs)
        try:
            return encoded(body | more)
        except (TypeError, ValueError):  # ValueError: a lone surrogate
            return Failure(kind="request", message="the request cannot be written as UTF-8 JSON")

    def _url(self, request: Request) -> str:
        if self._transport is None:
            raise UsageError("a client that is not open", hint="Use: async with Client(endpoint)")
        url = self._urls.get(request.path)
        if url is None:
            url = self._urls[request.path] = self.endpoint.call_url(request.path)
        return url

    def _close_journal(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()


def raised(failure: Failure, endpoint: Endpoint) -> EndpointError:
    """The exception for a failed call."""
    kinds: dict[str, type[EndpointError]] = {
        "timeout": UnreachableError,
        "unreachable": UnreachableError,
        "http": StatusError,
        "truncated": ReplyError,
        "malformed": ReplyError,
        "budget": BudgetSpentError,
    }
    where = dict(endpoint._told())["url"]
    return kinds.get(failure.kind, EndpointError)(failure.message, where=where)


def _transport() -> Any:
    try:
        from . import transport
    except ImportError:
        raise MissingExtraError(
            "calls to endpoints need aiohttp", hint='Run: pip install "riskwright[llm]"'
        ) from None
    return transport
