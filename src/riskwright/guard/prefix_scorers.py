"""`PrefixScorers`: several scorers that follow one growing text together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from riskwright.core import ParameterError, UsageError, content_hash
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.perception import PrefixScorer, PrefixState, Scorer

from .combining import combined

__all__ = ["PrefixScorers", "follows", "prefix_scorer"]


def follows(scorer: Scorer) -> bool:
    """Whether the scorer can follow a growing text."""
    return callable(getattr(scorer, "begin", None))


def prefix_scorer(scorers: Sequence[Scorer]) -> PrefixScorer:
    """Those of the scorers that can follow a growing text, as one.

    What `Guard.fit` learnt is not among them: it judges whole texts only. A `StreamMonitor`
    certifies the scorers' own values instead.

    Raises `UsageError` where none of them can.

    Examples
    --------
    >>> from riskwright.guard import Guard
    >>> prefix_scorer(Guard().scorers).name
    'rules+ngrams'
    """
    able: list[Any] = [scorer for scorer in scorers if follows(scorer)]
    if not able:
        raise UsageError(
            "none of these scorers can follow a growing text",
            where="scorers",
            expected="one with begin(), such as rules or ngrams",
            got=", ".join(scorer.name for scorer in scorers),
        )
    return able[0] if len(able) == 1 else PrefixScorers(able)


class PrefixScorers:
    """Several `PrefixScorer`s as one, whose values are the largest of theirs.

    Scorers with `detector` count for hazards but not for "any", as in whole texts, unless all are
    such. The values of each stand beside, as "SCORER:NAME".

    Parameters
    ----------
    scorers : at least one, of different names and one taxonomy.

    Raises
    ------
    ParameterError : none, equal names, or several taxonomies.

    Notes
    -----
    The work of all scorers together, and O(keys) per look.
    """

    def __init__(self, scorers: Sequence[PrefixScorer]) -> None:
        self.scorers = tuple(scorers)
        names = [scorer.name for scorer in self.scorers]
        if not names or len(set(names)) < len(names):
            raise ParameterError(
                "scorers need names of their own", where="scorers", got=", ".join(names) or "none"
            )
        taxonomies = {scorer.taxonomy for scorer in self.scorers}
        if len(taxonomies) > 1:
            raise ParameterError(
                "hazards of several taxonomies in one stream",
                where="scorers",
                expected="one taxonomy",
                got=", ".join(sorted(taxonomies)),
            )
        self.name = "+".join(names)
        self.version = f"sha256:{content_hash([[s.name, s.version] for s in self.scorers])}"
        self.taxonomy = taxonomies.pop()
        self.cost = sum(scorer.cost for scorer in self.scorers)
        self._detectors = {s.name for s in self.scorers if getattr(s, "detector", False)}

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, of all scorers together."""
        columns = {scorer.name: scorer.score(exchanges) for scorer in self.scorers}
        return [
            combined(
                exchange,
                {name: scores[k] for name, scores in columns.items()},
                taxonomy=self.taxonomy,
                detectors=self._detectors,
            )
            for k, exchange in enumerate(exchanges)
        ]

    def begin(self, exchange: Exchange | None = None) -> PrefixState:
        """Start to follow the reply to an exchange with all scorers."""
        states = {scorer.name: scorer.begin(exchange) for scorer in self.scorers}
        return _States(states, frozenset(states) - self._detectors or frozenset(states))


class _States:
    """A growing text as all scorers read it."""

    def __init__(self, states: Mapping[str, PrefixState], judging: frozenset[str]) -> None:
        self._states = states
        self._judging = judging

    def feed(self, text: str) -> dict[str, float]:
        found: dict[str, float] = {}
        own: dict[str, float] = {}
        for name, state in self._states.items():
            for key, value in state.feed(text).items():
                own[f"{name}:{key}"] = value
                if key != "any" or name in self._judging:
                    found[key] = max(value, found.get(key, value))
        return found | own
