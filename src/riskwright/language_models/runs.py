"""`Run`: many requests on their way, and what is known of them so far."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from .replies import Completion, Failure
from .requests import Request

__all__ = ["SILENT", "Progress", "Run", "passing"]

Progress = Callable[[dict[str, Any]], object]
Call = Callable[[Request, Counter[str]], Awaitable[Completion | Failure]]
_PROGRESS_SECONDS = 0.1
SILENT = {"unreachable", "timeout"}
_UNANSWERED = {*SILENT, "request", "budget"}
_IN_A_ROW = 32
_PATIENCE_S = 60.0
_RETRIED = {408, 409, 425, 429, *range(500, 600)}
_OF_ALL_CALLS = {401, 402, 403, 404, 405}
_LASTING = {"insufficient_quota", "tls"}  # what no further attempt can mend


def passing(failure: Failure) -> bool:
    """May another attempt succeed?"""
    if failure.code in _LASTING:
        return False
    return failure.kind in ("timeout", "truncated", "unreachable") or failure.status in _RETRIED


def _of_the_server(failure: Failure) -> bool:
    """Is it likely that any other call would fail as well?"""
    return passing(failure) or failure.code in _LASTING or failure.status in _OF_ALL_CALLS


class Run:
    """Many requests on their way through a client; can be looked at from another thread.

    It gives up, and makes none of the calls that are left, where nothing has answered at the
    address after all attempts of one call; and where 32 calls in a row have failed for a reason
    that is the server's, none of them has ever succeeded, or none for a minute.
    """

    def __init__(self, requests: Sequence[Request], progress: Progress | None = None) -> None:
        self.requests = requests
        self.results: list[Completion | Failure | None] = [None] * len(requests)
        self.done = self.failed = self.cached = 0
        self.cost = 0.0
        self._progress = progress
        self._begin = self._told = time.monotonic()
        self._answered = self._dead = False
        self._in_a_row, self._succeeded = 0, -math.inf
        self._last: Failure | None = None
        self._seen: Counter[str] = Counter()

    @property
    def answers(self) -> list[Completion | Failure]:
        """One per request; those that were never finished are failures."""
        lost = Failure(kind="interrupted", message="the run was stopped first")
        return [lost if answer is None else answer for answer in self.results]

    def status(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "total": len(self.requests),
            "failed": self.failed,
            "cached": self.cached,
            "cost": self.cost,
            "elapsed": time.monotonic() - self._begin,
        }

    async def through(self, call: Call, concurrency: int) -> None:
        """Put the requests through `call`, so many at a time; `results` are filled as they come."""
        work = iter(enumerate(self.requests))
        count = min(concurrency, len(self.requests))
        workers = [asyncio.create_task(self._work(call, work)) for _ in range(count)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if self._progress is not None:
            self._progress(self.status())

    async def _work(self, call: Call, work: Iterator[tuple[int, Request]]) -> None:
        for index, request in work:
            given_up = self._given_up()
            self._note(index, given_up or await call(request, self._seen))

    def _given_up(self) -> Failure | None:
        """What stands for the calls that are left, once it is no use to make them."""
        if self._last is None:
            return None
        why = ""
        if self._dead and not self._answered:
            why = "nothing has answered at this address"
        elif self._in_a_row >= _IN_A_ROW and time.monotonic() - self._succeeded > _PATIENCE_S:
            why = f"{_IN_A_ROW} calls in a row have failed"
        return replace(self._last, message=f"{why}; not called", attempts=0) if why else None

    def _note(self, index: int, answer: Completion | Failure) -> None:
        self.results[index] = answer
        self.done += 1
        if isinstance(answer, Failure):
            self.failed += 1
            if _of_the_server(answer):
                self._dead |= answer.kind in SILENT
                self._in_a_row, self._last = self._in_a_row + 1, answer
        elif answer.cached:
            self.cached += 1
        else:
            self.cost += answer.cost
            self._in_a_row, self._succeeded = 0, time.monotonic()
        self._answered |= not (isinstance(answer, Failure) and answer.kind in _UNANSWERED)
        if self._progress is not None and time.monotonic() - self._told > _PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._progress(self.status())
