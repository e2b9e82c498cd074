"""What comes back from an endpoint: `Completion`, its `Token`s, or a `Failure`.

Their `repr` never shows a text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from riskwright.core import Record

__all__ = ["Completion", "Failure", "FailureKind", "Moderation", "Sample", "Token"]

FailureKind = Literal[
    "timeout",
    "http",
    "truncated",
    "malformed",
    "unreachable",
    "budget",
    "request",
    "interrupted",
]


Bytes = bytes  # the type, where a field has that name


class Quiet(Record, frozen=True, kw_only=True):
    """A record whose `repr` tells what `_told` yields, and nothing else."""

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield from ()

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self._told())
        return f"{type(self).__name__}({told})"

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        yield from self._told()


class Token(Quiet, frozen=True, kw_only=True, omit_defaults=True):
    """A token of a reply (or of an echoed prompt) with its log-probability.

    Parameters
    ----------
    text : as the server wrote it, with leading blanks. Where a character spans several tokens the
        text of each is a stand-in, and `bytes` are right.
    logprob : natural logarithm; NaN where the server gives none (the first token of an echo).
    top : (text, logprob) of the likeliest tokens at this place, the likeliest first. Alternatives
        to which the server gives no number are left out.
    bytes : UTF-8 bytes of the token; None where the server does not tell.
    """

    text: str
    logprob: float = math.nan
    top: tuple[tuple[str, float], ...] = ()
    bytes: Bytes | None = None

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield "logprob", self.logprob
        yield "alternatives", len(self.top)


class Sample(Quiet, frozen=True, kw_only=True, omit_defaults=True):
    """One of several answers to a request with n > 1. Fields as those of `Completion`."""

    text: str = ""
    tokens: tuple[Token, ...] | None = None
    finish_reason: str = ""
    refusal: str | None = None

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield "characters", len(self.text)
        yield "finish_reason", self.finish_reason


class Moderation(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One result of a moderation endpoint: category -> verdict, and category -> score in [0, 1]."""

    flagged: bool
    categories: dict[str, bool | None] = {}
    scores: dict[str, float] = {}


class Completion(Quiet, frozen=True, kw_only=True, omit_defaults=True):
    """A reply.

    Parameters
    ----------
    text : what the model wrote; empty for a moderation and for a reply without content.
    tokens : with log-probabilities; None where they were not asked for or are not given.
    finish_reason : "stop", "length", "content_filter", ...; empty where the server gives none.
    prompt_tokens, completion_tokens : as the server counts them; None where it does not.
    refusal : the model's own words of refusal, where the server keeps them apart.
    model : as the server names it.
    latency_ms : from sending the last attempt to its last byte.
    cost : in the unit of the endpoint's prices.
    attempts : 1 for a call that succeeded at once.
    cached : whether the reply was read from the journal; then `latency_ms` and `cost` are those of
        the call that was made.
    further : the other samples of a request with n > 1.
    moderation : results of a moderation request, one per text, or those that a server attaches.
    """

    text: str = ""
    tokens: tuple[Token, ...] | None = None
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    refusal: str | None = None
    model: str = ""
    latency_ms: float = 0.0
    cost: float = 0.0
    attempts: int = 1
    cached: bool = False
    further: tuple[Sample, ...] = ()
    moderation: tuple[Moderation, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of all samples."""
        return (self.text, *(sample.text for sample in self.further))

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield "characters", len(self.text)
        yield "tokens", None if self.tokens is None else len(self.tokens)
        yield "finish_reason", self.finish_reason
        yield "model", self.model
        yield "cached", self.cached


class Failure(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A call that gave no reply, after all its attempts.

    Parameters
    ----------
    kind : "timeout"; "http" (the server answered with an error); "truncated" (the reply broke
        off); "malformed" (the reply is not what it should be); "unreachable" (no connection);
        "budget" (not called: the budget is spent); "request" (not called: it cannot be encoded);
        "interrupted" (the run was stopped first).
    status : HTTP status of the last answer; None without one.
    message : what happened, without any text of the request or of the reply.
    code : the server's own name of the error, such as "context_length_exceeded".
    retry_after : seconds after which the server wants to be asked again.
    attempts : how often it was called.
    """

    kind: FailureKind
    status: int | None = None
    message: str = ""
    code: str = ""
    retry_after: float | None = None
    attempts: int = 0
