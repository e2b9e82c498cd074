"""The values of a stream as a `Score`, for policies and logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from riskwright.core.scores import Outcome, Score, Span
from riskwright.evidence.exchanges import Exchange
from riskwright.taxonomy.policy_records import ANY, SIGNAL

from .stream_joining import JoinedScorer, hazard_codes, parted

if TYPE_CHECKING:
    from riskwright.scoring.perception import PrefixScorer

__all__ = ["StreamScores"]


class StreamScores:
    """Makes scores of the values of a scorer that follows the reply to an exchange.

    Values that are no hazards of the scorer's taxonomy (such as families of rules) stand among the
    raw values only; those of a `JoinedScorer` ("rules:secrets") under the scorer that gave them.
    """

    def __init__(self, scorer: PrefixScorer, exchange: Exchange | None) -> None:
        given = exchange or Exchange()
        self._name = scorer.name
        self._joined = isinstance(scorer, JoinedScorer)
        self._codes = hazard_codes(scorer.taxonomy)
        parts = scorer.scorers if isinstance(scorer, JoinedScorer) else (scorer,)
        self._fixed: dict[str, Any] = {
            "id": given.id,
            "attributes": given.attributes,
            "taxonomy": scorer.taxonomy,
            "scorers": {one.name: one.version for one in parts},
        }

    def of(self, values: Mapping[str, float], **fields: Any) -> Score:
        """The score of these values, "any" among them; `fields` are further ones of the score."""
        raw = parted(values) if self._joined else {self._name: dict(values)}
        hazards = {key: value for key, value in values.items() if self._is_hazard(key)}
        return Score(severity=values[ANY], hazards=hazards, values=raw, **self._fixed, **fields)

    def whole(
        self, values: Mapping[str, float], judged: int, digest: str, lack: tuple[Outcome, str]
    ) -> Score:
        """The score of a stream: see `StreamVerdict.score`; `lack` says why there is none."""
        spans = (
            Span(part="reply", start=0, end=judged, by=name) for name in self._fixed["scorers"]
        )
        fields: dict[str, Any] = {"judged": tuple(spans), "digest": f"sha256:{digest}"}
        outcome, reason = lack
        if outcome == "scored":
            return self.of(values, **fields)
        return Score(outcome=outcome, reason=reason, **self._fixed, **fields)

    def _is_hazard(self, key: str) -> bool:
        if key == ANY or (self._joined and SIGNAL in key):
            return False
        return self._codes is None or key in self._codes
