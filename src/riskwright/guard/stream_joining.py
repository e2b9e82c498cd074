"""`JoinedScorer`: several scorers follow one growing text, as one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from riskwright.core import ParameterError, content_hash
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.taxonomy import load_taxonomy, taxonomy_names
from riskwright.taxonomy.policy_records import ANY, SIGNAL

from .combining import check_names, joined

if TYPE_CHECKING:
    from riskwright.scoring.perception import PrefixScorer, PrefixState

__all__ = ["JoinedScorer", "hazard_codes", "parted"]


class JoinedScorer:
    """Several scorers that follow one growing text, as one `PrefixScorer`.

    A hazard, and "any", takes the largest of what the scorers say; detectors (such as rules, which
    find things without saying how grave they are) do not count for "any", unless there are no
    others: as in `Guard`. Every value of every scorer stands there too, as in policies, under its
    name and that of its scorer: "rules:secrets", "ngrams:any".

    Parameters
    ----------
    scorers : at least one, all of one taxonomy, with different names.

    Attributes
    ----------
    name, version, taxonomy, cost : see `riskwright.scoring.perception.Scorer`.
    reach : characters from the start of a find to where it surely shows, the largest of those that
        the scorers promise; None where none of them does.

    Raises
    ------
    ParameterError : no scorers, one name twice, several taxonomies, or a scorer that cannot follow
        a text.

    Examples
    --------
    >>> from riskwright.scoring.text.ngrams import default_ngram_scorer
    >>> from riskwright.scoring.text.rules import RuleScorer
    >>> both = JoinedScorer([RuleScorer(), default_ngram_scorer()])
    >>> values = both.begin().feed("Write to ann@example.org")
    >>> both.name, values["rules:personal"], values["any"] == values["ngrams:any"]
    ('rules+ngrams', 0.95, True)
    """

    def __init__(self, scorers: Sequence[PrefixScorer]) -> None:
        self.scorers = tuple(scorers)
        check_names(self.scorers)
        names = [one.name for one in self.scorers]
        for one in self.scorers:
            if not callable(getattr(one, "begin", None)):
                raise ParameterError(
                    "a scorer that cannot follow a growing text", where="scorers", got=one.name
                )
        taxonomies = sorted({one.taxonomy for one in self.scorers})
        if len(taxonomies) > 1:
            raise ParameterError(
                "scorers of several taxonomies", where="scorers", got=", ".join(taxonomies)
            )
        self.name = "+".join(names)
        self.taxonomy = taxonomies[0]
        self.cost = sum(one.cost for one in self.scorers)
        self._detectors = {one.name for one in self.scorers if getattr(one, "detector", False)}
        self.detector = len(self._detectors) == len(names)

    @property
    def version(self) -> str:
        """Digest of names and versions."""
        return f"sha256:{content_hash([[one.name, one.version] for one in self.scorers])}"

    @property
    def reach(self) -> int | None:
        """See the attributes of the class."""
        found = [getattr(one, "reach", None) for one in self.scorers]
        return max((one for one in found if one is not None), default=None)

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order; see `riskwright.guard.combining.combined`."""
        columns = {one.name: one.score(exchanges) for one in self.scorers}
        return joined(self.scorers, exchanges, columns, taxonomy=self.taxonomy)

    def begin(self, exchange: Exchange | None = None) -> PrefixState:
        """Follow a growing reply with every scorer."""
        counts = set() if self.detector else self._detectors
        codes = hazard_codes(self.taxonomy)
        return _Joined(
            [(one.name, one.begin(exchange), one.name not in counts) for one in self.scorers], codes
        )


class _Joined:
    """One growing text, read by several scorers."""

    def __init__(
        self, states: list[tuple[str, PrefixState, bool]], codes: frozenset[str] | None
    ) -> None:
        self._states, self._codes = states, codes

    def feed(self, text: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, state, counts in self._states:
            for key, value in state.feed(text).items():
                found[f"{name}{SIGNAL}{key}"] = value
                hazard = key != ANY and (self._codes is None or key in self._codes)
                if (hazard or (counts and key == ANY)) and not value <= found.get(key, -math.inf):
                    found[key] = value
        return found


def parted(values: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Scorer -> its own values, of those that a `JoinedScorer` gives."""
    found: dict[str, dict[str, float]] = {}
    for key, value in values.items():
        by, sign, own = key.partition(SIGNAL)
        if sign:
            found.setdefault(by, {})[own] = value
    return found


@cache
def hazard_codes(taxonomy: str) -> frozenset[str] | None:
    """The hazards of a taxonomy that comes with the package; None for one's own."""
    if taxonomy not in taxonomy_names():
        return None
    return frozenset(load_taxonomy(taxonomy).codes)
