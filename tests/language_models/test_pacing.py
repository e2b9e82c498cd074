"""Pace: calls in flight, calls per second, budgets, waits."""

import asyncio
import random
from datetime import UTC, datetime

import pytest

from riskwright.language_models import Endpoint
from riskwright.language_models.pacing import Pace, back_off, retry_after

URL = "http://localhost/v1"


def pace(**options):
    return Pace(Endpoint(url=URL, **options))


def test_limit_is_halved_once_per_round_and_grows_by_one_per_round():
    now = pace(concurrency=64)
    for _ in range(64):  # one round of refusals, all sent before the first of them came back
        now.overloaded(sent=1.0, halt_s=0.0)
    assert now.limit == 32.0
    for _ in range(33):
        now.succeeded()
    assert 32.9 < now.limit < 33.1
    for _ in range(10**4):
        now.succeeded()
    assert now.limit == 64.0


def test_limit_never_falls_below_one():
    now = pace(concurrency=2)
    for _ in range(5):
        now.overloaded(sent=float("inf"), halt_s=0.0)
    assert now.limit == 1.0


def spent(calls, tokens=0, workers=8, **options):
    """What is spent when `workers` make up to `calls` calls of so many tokens."""

    async def work(now, todo):
        for _ in todo:
            if not await now.enter():
                return
            await asyncio.sleep(0)
            now.charge(tokens, 0, 0, 0)
            now.leave()

    async def run():
        now, todo = pace(concurrency=workers, **options), iter(range(calls))
        await asyncio.gather(*(work(now, todo) for _ in range(workers)))
        return now

    return asyncio.run(run())


def test_budget_of_calls_is_exact():
    assert spent(100, max_calls=37).calls == 37
    assert spent(100, max_calls=0).calls == 0


@pytest.mark.parametrize("workers", [1, 8, 64])
def test_budget_of_tokens_is_passed_by_less_than_one_call(workers):
    now = spent(1000, tokens=10, workers=workers, max_tokens=995)
    assert now.tokens == 1000


def test_budget_of_money_stops_at_the_price_of_tokens():
    now = spent(1000, tokens=10, max_cost=6.3125, prompt_price=6250.0)
    assert now.calls == 101
    assert now.cost == 6.3125


def test_tokens_that_the_server_does_not_count_are_bounded_by_bytes():
    now = pace(prompt_price=1e6, completion_price=2e6)
    assert now.charge(None, None, sent=10, received=2) == 14.0
    assert now.charge(3, 1, sent=10, received=2) == 5.0
    assert (now.tokens, now.cost) == (16, 19.0)


def test_a_turn_that_is_cancelled_goes_to_the_next():
    async def run():
        now = pace(concurrency=1)
        await now.enter()
        first, second = (asyncio.create_task(now.enter()) for _ in range(2))
        await asyncio.sleep(0)
        now.leave()
        first.cancel()
        return await asyncio.wait_for(second, 5.0)

    assert asyncio.run(run()) is True


def test_calls_per_second_and_halts(monkeypatch):
    slept = []

    async def run():
        async def note(seconds):
            slept.append(seconds)

        clock = iter([100.0] * 10)
        monkeypatch.setattr("riskwright.language_models.pacing.time.monotonic", lambda: next(clock))
        monkeypatch.setattr("riskwright.language_models.pacing.asyncio.sleep", note)
        now = pace(requests_per_second=4.0)
        for _ in range(3):
            await now.wait_for_turn()
        now.overloaded(sent=0.0, halt_s=5.0)
        await now.wait_for_turn()

    asyncio.run(run())
    assert slept == pytest.approx([0.25, 0.5, 5.0])


def test_waits_double_between_half_and_whole_and_are_capped():
    rng = random.Random(0)
    for attempt, most in ((1, 0.5), (2, 1.0), (3, 2.0), (20, 8.0)):
        waits = [back_off(attempt, 8.0, rng) for _ in range(200)]
        assert most / 2 <= min(waits) < 0.55 * most
        assert 0.95 * most < max(waits) <= most


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:28:30 -0000", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:00:00 GMT", None),
        ("9" * 400, None),
    ],
)
def test_retry_after(header, seconds):
    assert retry_after(header, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds
