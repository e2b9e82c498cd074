"""Answers as servers send them, and endpoints that answer from a function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from riskwright.language_models.endpoints import Endpoint
from riskwright.language_models.replies import Completion, Failure, Token
from riskwright.language_models.requests import Request

ENDPOINT = Endpoint(url="http://localhost:1/v1", model="double")


def token(text: str, **others: float) -> Token:
    """A token with alternatives by spelling; its own probability is `p`, by default the rest."""
    own = others.pop("p", None)
    p = 1.0 - sum(others.values()) if own is None else own
    top = [(text, p), *others.items()]
    ranked = sorted(((t, math.log(q)) for t, q in top if q > 0), key=lambda pair: -pair[1])
    return Token(text=text, logprob=math.log(p), top=tuple(ranked))


def place(chosen: str, listed: Mapping[str, float], cap: int = 20) -> Token:
    """A token chosen among listed ones, of which the server gives the likeliest `cap`."""
    ranked = sorted(listed.items(), key=lambda pair: -pair[1])[:cap]
    return Token(
        text=chosen,
        logprob=math.log(listed[chosen]),
        top=tuple((text, math.log(p)) for text, p in ranked if p > 0),
    )


def said(*tokens: Token, finish: str = "stop") -> Completion:
    text = "".join(t.text for t in tokens).replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")
    return Completion(text=text.replace("<|eot_id|>", ""), tokens=tokens, finish_reason=finish)


def text(words: str, finish: str = "stop") -> Completion:
    """The answer of a server without log-probabilities."""
    return Completion(text=words, finish_reason=finish)


class Fake:
    """An endpoint that answers from a function, and keeps what it was asked."""

    def __init__(self, answer: Callable[[Request], Completion | Failure]) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def __call__(
        self, endpoint: Endpoint, requests: Sequence[Request]
    ) -> list[Completion | Failure]:
        self.asked += requests
        return [self.answer(request) for request in requests]
