"""When the next call may be made: calls in flight, calls per second, budgets, waits.

Concurrency follows additive increase and multiplicative decrease: Chiu & Jain (1989), Computer
Networks and ISDN Systems 17.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .endpoints import Endpoint

__all__ = ["Pace", "back_off", "retry_after"]

_FIRST_WAIT_S = 0.5


class Pace:
    """One run's permission to call; used within one event loop.

    Attributes
    ----------
    limit : calls in flight that are allowed now.
    calls, tokens, cost : begun and spent so far.
    in_flight : calls between `enter` and `leave`.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.limit = float(endpoint.concurrency)
        self.in_flight = self.calls = self.tokens = 0
        self.cost = 0.0
        self._dearest: tuple[int, float] | None = None  # tokens and cost of one call
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halt = self._next = self._lowered = 0.0
        self._counted = endpoint.max_tokens is not None or endpoint.max_cost is not None

    async def enter(self) -> bool:
        """Wait until one more call may be in flight; False when a budget is spent."""
        while True:
            if self._spent():
                self._wake(all_of_them=True)
                return False
            if self.in_flight < max(1, int(self.limit)) and self._affordable():
                self.in_flight += 1
                self.calls += 1
                return True
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():  # it was this one's turn: the next one's, then
                    self._wake()
                raise

    def leave(self) -> None:
        """The call that entered has ended."""
        self.in_flight -= 1
        self._wake()

    async def wait_for_turn(self) -> None:
        """Keep to the calls per second, and to a halt that the server asked for."""
        now = time.monotonic()
        start = max(now, self._halt)
        if self.endpoint.requests_per_second is not None:
            start = max(start, self._next)
            self._next = start + 1.0 / self.endpoint.requests_per_second
        if start > now:
            await asyncio.sleep(start - now)

    def succeeded(self) -> None:
        self.limit = min(self.limit + 1.0 / self.limit, float(self.endpoint.concurrency))

    def overloaded(self, sent: float, halt_s: float) -> None:
        """The server cannot take more, it says of a call begun at `sent` (monotonic seconds).

        Calls begun before the last halving tell nothing new.
        """
        now = time.monotonic()
        if sent >= self._lowered:
            self.limit, self._lowered = max(1.0, self.limit / 2.0), now
        self._halt = max(self._halt, now + halt_s)

    def charge(self, prompt: int | None, written: int | None, sent: int, received: int) -> float:
        """Count the tokens of a reply, and its cost, which is returned.

        Where the server counts no tokens of the prompt or of what was `written`, the bytes of
        text that were `sent` or `received` stand for them.
        """
        prompt = sent if prompt is None else prompt
        written = received if written is None else written
        price = self.endpoint.prompt_price, self.endpoint.completion_price
        cost = (prompt * price[0] + written * price[1]) / 1e6
        tokens, dearest = self._dearest or (0, 0.0)
        self._dearest = max(tokens, prompt + written), max(dearest, cost)
        self.tokens += prompt + written
        self.cost += cost
        return cost

    def _spent(self) -> bool:
        e = self.endpoint
        return (
            (e.max_calls is not None and self.calls >= e.max_calls)
            or (e.max_tokens is not None and self.tokens >= e.max_tokens)
            or (e.max_cost is not None and self.cost >= e.max_cost)
        )

    def _affordable(self) -> bool:
        """Would all calls in flight and one more keep the budgets, each as dear as the dearest?"""
        if not self._counted or self.in_flight == 0:
            return True
        if self._dearest is None:
            return False
        e, more = self.endpoint, self.in_flight + 1
        tokens = math.inf if e.max_tokens is None else e.max_tokens
        cost = math.inf if e.max_cost is None else e.max_cost
        return (
            self.tokens + more * self._dearest[0] <= tokens
            and self.cost + more * self._dearest[1] <= cost
        )

    def _wake(self, *, all_of_them: bool = False) -> None:
        room = len(self._waiting) if all_of_them else max(1, int(self.limit)) - self.in_flight
        while self._waiting and room > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1


def back_off(attempt: int, longest_s: float, rng: random.Random) -> float:
    """Seconds to wait after failed attempt 1, 2, ...: uniform up to 0.5 s, 1 s, 2 s, ... each with
    at least half of that, so that waits neither coincide nor vanish."""
    most = min(longest_s, _FIRST_WAIT_S * 2.0 ** (attempt - 1))
    return most * (0.5 + 0.5 * rng.random())


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for; None where it is absent or says nothing.

    Examples
    --------
    >>> retry_after("2.5"), retry_after("soon")
    (2.5, None)
    >>> retry_after("Wed, 21 Oct 2015 07:28:10 GMT", datetime(2015, 10, 21, 7, 28, tzinfo=UTC))
    10.0
    """
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            then = parsedate_to_datetime(header)
        except (ValueError, OverflowError, IndexError, TypeError):
            return None
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        seconds = max(0.0, (then - (now or datetime.now(UTC))).total_seconds())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
