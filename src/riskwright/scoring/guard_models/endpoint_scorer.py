"""`EndpointScorer`: a scorer of exchanges that asks a guard model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.endpoints import Endpoint
from riskwright.language_models.replies import Completion, Failure
from riskwright.language_models.requests import Request

from .adapters import Answer, GuardAdapter

__all__ = ["Complete", "EndpointScorer"]

Complete = Callable[[Endpoint, Sequence[Request]], list[Completion | Failure]]
"""How requests are sent: one answer each, in order."""


class EndpointScorer:
    """Sends what an adapter asks about each exchange, all at once, and scores the answers.

    Parameters
    ----------
    adapter : what to ask and how to read it.
    endpoint : where.
    cost : price of one call, in any unit; what the endpoint reports is summed in the scores.
    complete : in place of `riskwright.language_models`' own `complete_many`.
    progress : is told of the calls while they are made.
    settings : plain values it was made of, for saved guards; see `EndpointSettings`.

    Notes
    -----
    Outcomes stay apart: "unparsable" (an answer of another form), "refused" (the model declined),
    "failed" (no answer); `reason` says which, without any text of the exchange or of the answer
    (unless the adapter was asked for a written reason). Cost and latency are summed over the calls
    of an exchange.
    """

    kind = "endpoint"

    def __init__(
        self,
        adapter: GuardAdapter,
        endpoint: Endpoint,
        *,
        cost: float = 0.0,
        complete: Complete | None = None,
        progress: Callable[[dict[str, Any]], None] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.adapter = adapter
        self.endpoint = endpoint
        self._cost = cost
        self._complete = complete
        self.progress = progress
        self._settings = dict(settings or {})

    def settings(self) -> dict[str, Any]:
        """What a saved guard makes the scorer of again."""
        return self._settings

    @property
    def name(self) -> str:
        return self.adapter.name

    @property
    def version(self) -> str:
        """A digest of the adapter's version, the model's name and what the server lists."""
        told = (self.adapter.version, self.endpoint.model, self.endpoint.top_logprobs)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    @property
    def taxonomy(self) -> str:
        return self.adapter.taxonomy

    @property
    def cost(self) -> float:
        return self._cost

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order."""
        asked = [self.adapter.requests(exchange) for exchange in exchanges]
        answers = iter(self._send([request for requests in asked for request in requests]))
        scores = []
        for exchange, requests in zip(exchanges, asked, strict=True):
            own = [next(answers) for _ in requests]
            scores.append(self._told(self.adapter.read(exchange, own), exchange, own))
        return scores

    def _send(self, requests: list[Request]) -> list[Completion | Failure]:
        if not requests:
            return []
        if self._complete is not None:
            return self._complete(self.endpoint, requests)
        from riskwright.language_models.bulk import complete_many

        return complete_many(self.endpoint, requests, progress=self.progress)

    def _told(self, score: Score, exchange: Exchange, answers: Sequence[Answer]) -> Score:
        done = [answer for answer in answers if isinstance(answer, Completion)]
        values: dict[str, dict[str, float]] = {}
        if score.severity is not None:
            own = {**score.values.get(self.name, {}), **score.hazards, "any": score.severity}
            values[self.name] = own
        return msgspec.structs.replace(
            score,
            id=exchange.id,
            attributes=exchange.attributes,
            digest=exchange.digest,
            scorers={self.name: self.version},
            values=values,
            cost=sum(answer.cost for answer in done),
            latency_ms=sum(answer.latency_ms for answer in done),
        )
