"""How long scorers take: exchange by exchange where they judge them one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from riskwright.core import DataError
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.perception import Scorer

__all__ = ["one_by_one", "timed", "timed_scores"]

S = TypeVar("S")
T = TypeVar("T")


def one_by_one(scorer: Scorer) -> bool:
    """Whether the scorer gains nothing from many exchanges at once."""
    return bool(getattr(scorer, "one_by_one", False))


def timed(
    call: Callable[[Sequence[S]], list[T]], given: Sequence[S], each: bool
) -> tuple[list[T], list[float]]:
    """What `call` says of what is given, and its milliseconds for each.

    With `each` it is called with one at a time; else with all, which share the time.
    """
    found: list[T] = []
    taken: list[float] = []
    for rows in [[one] for one in given] if each else [given]:
        started = time.perf_counter()
        found += call(rows)
        share = 1000 * (time.perf_counter() - started) / max(len(rows), 1)
        taken += [share] * len(rows)
    return found, taken


def timed_scores(scorer: Scorer, exchanges: Sequence[Exchange]) -> list[Score]:
    """The scorer's scores with a latency, measured here where the scorer does not say.

    Raises `DataError` where it gives another number of scores than there are exchanges.
    """
    scores, taken = timed(scorer.score, exchanges, one_by_one(scorer))
    if len(scores) != len(exchanges):
        raise DataError(
            "another number of scores than of exchanges",
            where=f"scorer {scorer.name}",
            expected=f"{len(exchanges):,}",
            got=f"{len(scores):,}",
        )
    return [
        score if score.latency_ms else msgspec.structs.replace(score, latency_ms=ms)
        for score, ms in zip(scores, taken, strict=True)
    ]
