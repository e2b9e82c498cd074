"""`GuardAdapter`: what to ask a guard model, and how to read its answer. No calls are made here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import ClassVar, Protocol

import msgspec

from riskwright.core import Record
from riskwright.core.scores import Outcome, Score
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.replies import Completion, Failure
from riskwright.language_models.requests import Request
from riskwright.taxonomy.taxonomies import Taxonomy, load_taxonomy, taxonomy_names

__all__ = ["Adapter", "Answer", "GuardAdapter", "Unreadable"]

Answer = Completion | Failure
REVISION = "1"
"""Raised whenever a prompt or the reading of an answer changes; part of every version."""


class GuardAdapter(Protocol):
    """What to ask of a guard model about an exchange, and what its answers say.

    Both are pure: the same exchange gives the same requests, the same answers the same score.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def taxonomy(self) -> str:
        """Id of the taxonomy that the hazards of its scores belong to."""
        ...

    def requests(self, exchange: Exchange) -> list[Request]:
        """What to ask; as many answers are read."""
        ...

    def read(self, exchange: Exchange, answers: Sequence[Answer]) -> Score:
        """The score that the answers give, in the order of the requests."""
        ...


class Unreadable(Exception):
    """An answer that is none of those that were asked for; says its shape, never its text."""

    def __init__(self, reason: str, outcome: Outcome = "unparsable") -> None:
        super().__init__(reason)
        self.outcome = outcome


class Adapter(Record, frozen=True, kw_only=True, dict=True):
    """What adapters share: an answer that is missing, refused or unreadable has its own outcome.

    Families fill `requests` and `_read`; `_read` raises `Unreadable` where an answer has not the
    agreed form. Values of categories that the taxonomy does not have stand in `Score.values`
    alone, and count for the severity.
    """

    family: ClassVar[str] = ""

    @property
    def name(self) -> str:
        return self.family

    @property
    def taxonomy(self) -> str:
        """The taxonomy that the model was trained on, or that was given in its place."""
        own = self._own_taxonomy()
        return self._trained_on() if own is None else own.id

    def _trained_on(self) -> str:
        return "ailuminate"

    def _own_taxonomy(self) -> Taxonomy | None:
        return None

    @property
    def version(self) -> str:
        """A digest of the settings and of the revision of prompts and parsing."""
        body = msgspec.json.encode([self.family, REVISION, self], order="deterministic")
        return hashlib.sha256(body).hexdigest()[:16]

    def requests(self, exchange: Exchange) -> list[Request]:
        """What to ask about an exchange."""
        raise NotImplementedError

    def read(self, exchange: Exchange, answers: Sequence[Answer]) -> Score:
        """The score that the answers give; its outcome says why there is none.

        Examples
        --------
        >>> from riskwright.scoring.guard_models.llama_guard import LlamaGuard
        >>> LlamaGuard().read(Exchange(prompt="Hello"), [Failure(kind="timeout")]).outcome
        'failed'
        """
        try:
            score = self._read(exchange, completed(answers, self._asked()))
        except Unreadable as problem:
            return self._without(str(problem), problem.outcome)
        own = self._own_taxonomy()
        return _set_apart(score, self.name, _codes(score.taxonomy) if own is None else own)

    def _asked(self) -> int:
        """How many requests there are for each exchange."""
        return 1

    def _read(self, exchange: Exchange, answers: list[Completion]) -> Score:
        raise NotImplementedError

    def _without(self, reason: str, outcome: Outcome) -> Score:
        return Score(outcome=outcome, reason=reason, taxonomy=self.taxonomy)


def completed(answers: Sequence[Answer], expected: int) -> list[Completion]:
    """The answers, where every one of them is there; else `Unreadable`."""
    if len(answers) != expected:
        raise Unreadable(f"{len(answers)} answers to {expected} requests", "failed")
    found: list[Completion] = []
    for answer in answers:
        if isinstance(answer, Failure):
            status = f" (status {answer.status})" if answer.status is not None else ""
            raise Unreadable(f"the call failed: {answer.kind}{status}", "failed")
        if answer.refusal is not None or answer.finish_reason == "content_filter":
            raise Unreadable("the model declined to answer", "refused")
        found.append(answer)
    return found


@cache
def _codes(taxonomy: str) -> frozenset[str]:
    return frozenset(load_taxonomy(taxonomy).codes if taxonomy in taxonomy_names() else ())


def _set_apart(score: Score, name: str, known: Taxonomy | frozenset[str]) -> Score:
    """The score with values of categories that its taxonomy does not have in `values` alone."""
    outside = {code: value for code, value in score.hazards.items() if code not in known}
    if not outside:
        return score
    likely = sum(value >= 0.5 for value in outside.values())
    what = "category that the taxonomy does not have"
    what = what if likely == 1 else what.replace("category", "categories")
    reason = f"{likely} {what}: in the values alone" if likely else ""
    return msgspec.structs.replace(
        score,
        hazards={code: value for code, value in score.hazards.items() if code not in outside},
        bounds={code: pair for code, pair in score.bounds.items() if code not in outside},
        values={**score.values, name: {**score.values.get(name, {}), **outside}},
        reason="; ".join(part for part in (score.reason, reason) if part),
    )
