"""What scorers of exchanges share: they return numbers, never decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange

__all__ = ["PrefixScorer", "PrefixState", "Scorer"]


class Scorer(Protocol):
    """Judges exchanges.

    `name` is short and stable ("rules", "ngrams", "llama-guard-3"), `version` a digest of all
    that its numbers depend on, `taxonomy` the id of the taxonomy of its hazards, `cost` the price
    of one call in any one unit. A scorer with an attribute `detector` that is true finds things
    without saying how grave they are; one with `one_by_one` gains nothing from many exchanges at
    once, so that each can be timed by itself.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def taxonomy(self) -> str: ...

    @property
    def cost(self) -> float: ...

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order; a failure is a score whose outcome says so."""
        ...


class PrefixState(Protocol):
    """A text that is still being written, read so far."""

    def feed(self, text: str) -> Mapping[str, float]:
        """Read on; hazard codes and "any" -> value of everything read so far.

        Costs work in the length of `text`, not in that of all that was read before.
        """
        ...


class PrefixScorer(Scorer, Protocol):
    """A scorer that can follow a growing text without reading it again."""

    def begin(self, exchange: Exchange | None = None) -> PrefixState:
        """Start to follow the reply to an exchange."""
        ...
