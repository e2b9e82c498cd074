"""`Run`: many requests on their way, and what is known of them so far."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from .replies import Completion, Failure
from .requests import Request

__all__ = ["Progress", "Run"]

Progress = Callable[[dict[str, Any]], object]
Call = Callable[[Request, Counter[str]], Awaitable[Completion | Failure]]
_PROGRESS_SECONDS = 0.1
_UNANSWERED = {"unreachable", "request", "budget"}


class Run:
    """Many requests on their way through a client; can be looked at from another thread."""

    def __init__(self, requests: Sequence[Request], progress: Progress | None = None) -> None:
        self.requests = requests
        self.results: list[Completion | Failure | None] = [None] * len(requests)
        self.done = self.failed = self.cached = 0
        self.cost = 0.0
        self._progress = progress
        self._begin = self._told = time.monotonic()
        self._answered = self._gave_up = False
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
            if self._gave_up and not self._answered:
                message = "nothing has answered at this address; not called"
                self._note(index, Failure(kind="unreachable", message=message))
            else:
                self._note(index, await call(request, self._seen))

    def _note(self, index: int, answer: Completion | Failure) -> None:
        self.results[index] = answer
        self.done += 1
        if isinstance(answer, Failure):
            self.failed += 1
            self._gave_up |= answer.kind == "unreachable"
        elif answer.cached:
            self.cached += 1
        else:
            self.cost += answer.cost
        self._answered |= not (isinstance(answer, Failure) and answer.kind in _UNANSWERED)
        if self._progress is not None and time.monotonic() - self._told > _PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._progress(self.status())
