"""`OpenAIModeration`: the scores of a `/moderations` endpoint."""

from __future__ import annotations

from typing import ClassVar

from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.replies import Completion
from riskwright.language_models.requests import ModerationRequest, Request

from .adapters import Adapter, Unreadable

__all__ = ["OpenAIModeration"]


class OpenAIModeration(Adapter, frozen=True, kw_only=True):
    """A moderation endpoint: one score per category.

    The severity is the largest score. Both are ranks: the vendor says that the scores are no
    probabilities. The endpoint sees the judged part alone, without what went before it. Whether
    it flagged the text stands in `values` under "flagged".
    """

    family: ClassVar[str] = "openai-moderation"

    model: str = ""

    def _trained_on(self) -> str:
        return "openai_moderation"

    def requests(self, exchange: Exchange) -> list[Request]:
        """One request with the judged part."""
        return [ModerationRequest(input=exchange.judged[1], model=self.model)]

    def _read(self, exchange: Exchange, answers: list[Completion]) -> Score:
        results = answers[0].moderation
        if len(results) != 1:
            raise Unreadable(f"{len(results)} results for one text")
        scores = results[0].scores
        if not scores:
            raise Unreadable("a result without scores")
        if not all(0 <= value <= 1 for value in scores.values()):
            raise Unreadable("a score outside of 0 to 1")
        if "any" in scores:
            raise Unreadable("a category of the name any")
        return Score(
            severity=max(scores.values()),
            meaning="rank",
            taxonomy=self.taxonomy,
            hazards=dict(scores),
            values={self.name: {"flagged": float(results[0].flagged)}},
        )
