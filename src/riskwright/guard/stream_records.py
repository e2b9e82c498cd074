"""What a guarded stream gives: released text, judged spans, and a verdict at its end."""

from __future__ import annotations

from typing import Literal

from riskwright.core import Record
from riskwright.core.scores import Action, Decision, Score

__all__ = ["JudgedSpan", "Released", "StreamVerdict"]

FinishReason = Literal["stop", "content_filter"]


class JudgedSpan(Record, frozen=True, kw_only=True):
    """Characters `start` to `end` of a reply that a scorer has read, and the value it then gave.

    `value` is that of the whole text up to `end`; `by` names the scorer and its version. A span is
    written only after the scorer has answered, so that what no span covers was not judged.
    """

    start: int
    end: int
    by: str
    value: float


class Released(Record, frozen=True, kw_only=True):
    """What may be sent on after a chunk: characters `start` to `end` of the reply.

    Parameters
    ----------
    text : to be sent on, often empty.
    start, end : its place in the reply, in characters.
    decision : the severest so far.
    looks : made while this chunk was read.
    stopped : nothing more will be released and nothing more can be fed.
    """

    text: str
    start: int
    end: int
    decision: Decision
    looks: tuple[JudgedSpan, ...]
    stopped: bool

    def __repr__(self) -> str:
        return (
            f"Released(characters {self.start} to {self.end}, {self.decision.action}, "
            f"{len(self.looks)} looks, stopped={self.stopped})"
        )


class StreamVerdict(Record, frozen=True, kw_only=True):
    """How a stream ended; it holds no text.

    Parameters
    ----------
    action : the severest over all looks; what was withheld goes nowhere unless it is "allow" or
        "guide".
    finish_reason : "stop" where the action lets the text go on, else "content_filter".
    decision : that gave the action.
    received, judged, released, withheld : characters; received = released + withheld, and
        released <= judged.
    decided_at : characters judged when the action was decided on; None where all looks passed.
    peak : the highest value over the looks; None without any look.
    spans : every look.
    score : what was judged as one score, for a `DecisionLog` or another policy: the highest of
        each value over the looks, its one judged span, and the digest of the judged characters
        (encoded in UTF-8). Not "scored" where the stream failed, was too long or had no look.
    shadow : whether the monitor only watched; then all that was judged was released.
    """

    action: Action
    finish_reason: FinishReason
    decision: Decision
    received: int
    judged: int
    released: int
    withheld: int
    decided_at: int | None
    peak: float | None
    spans: tuple[JudgedSpan, ...]
    score: Score
    shadow: bool = False
