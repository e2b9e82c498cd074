"""`EndpointScorer`: a scorer of exchanges that asks a guard model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.endpoints import Endpoint
from riskwright.language_models.replies import Completion, Failure
from riskwright.language_models.requests import Request

from .adapters import Answer, GuardAdapter

__all__ = ["Complete", "EndpointScorer", "answers_of"]

Complete = Callable[[Endpoint, Sequence[Request]], list[Completion | Failure]]
"""How requests are sent: one answer each, in order."""


def answers_of(
    endpoint: Endpoint,
    requests: Sequence[Request],
    *,
    complete: Complete | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> list[Completion | Failure]:
    """One answer per request, by `complete_many` or what stands in its place.

    Ctrl-C is raised: scores of a part of the exchanges are not for fitting or certifying. With a
    journal a repeated run makes only the calls that are left.
    """
    if not requests:
        return []
    if complete is not None:
        return complete(endpoint, requests)
    from riskwright.language_models.bulk import complete_many

    found = complete_many(endpoint, requests, progress=progress)
    if any(isinstance(answer, Failure) and answer.kind == "interrupted" for answer in found):
        raise KeyboardInterrupt
    return found


class EndpointScorer:
    """Sends what an adapter asks about each exchange, all at once, and scores the answers.

    Parameters
    ----------
    adapter : what to ask and how to read it.
    endpoint : where.
    name : of the scorer; by default the adapter's.
    cost : price of one call, in any unit, where the endpoint tells of none.
    complete : in place of `riskwright.language_models`' own `complete_many`.
    progress : is told of the calls while they are made.

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
        name: str = "",
        cost: float = 0.0,
        complete: Complete | None = None,
        progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.adapter = adapter
        self.endpoint = endpoint
        self._name = name
        self._cost = cost
        self._complete = complete
        self.progress = progress

    @property
    def name(self) -> str:
        return self._name or self.adapter.name

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

    def settings(self) -> dict[str, Any]:
        """What `riskwright.scoring.guard_models.endpoint_settings` makes an equal scorer of.

        Raises `ParameterError` for an adapter that is not one of the package.
        """
        from .endpoint_settings import EndpointSettings

        return EndpointSettings.of(self).to_dict()

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order. Ctrl-C is raised (`answers_of`)."""
        asked = [self.adapter.requests(exchange) for exchange in exchanges]
        answers = iter(
            answers_of(
                self.endpoint,
                [request for requests in asked for request in requests],
                complete=self._complete,
                progress=self.progress,
            )
        )
        scores, version = [], self.version
        for exchange, requests in zip(exchanges, asked, strict=True):
            own = [next(answers) for _ in requests]
            scores.append(self._told(self.adapter.read(exchange, own), exchange, own, version))
        return scores

    def _told(
        self, score: Score, exchange: Exchange, answers: Sequence[Answer], version: str
    ) -> Score:
        done = [answer for answer in answers if isinstance(answer, Completion)]
        values: dict[str, dict[str, float]] = {}
        if score.severity is not None:
            raw = score.values.get(self.adapter.name, {})
            own = {**raw, **score.hazards, "any": score.severity}
            values[self.name] = own
        return msgspec.structs.replace(
            score,
            id=exchange.id,
            attributes=exchange.attributes,
            digest=exchange.digest,
            scorers={self.name: version},
            values=values,
            cost=math.fsum(answer.cost for answer in done) or self._cost * len(done),
            latency_ms=sum(answer.latency_ms for answer in done),
        )
