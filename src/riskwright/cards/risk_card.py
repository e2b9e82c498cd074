"""`RiskCard`: one way in which a system can do harm, how to test for it, and what the test said."""

from __future__ import annotations

from typing import ClassVar, Literal

from riskwright.core import Finding, Record

from .documents import Document

__all__ = ["HarmType", "Place", "RiskCard", "SamplePair", "TestProtocol"]

RiskSeverity = Literal["minor", "moderate", "serious", "critical"]
Likelihood = Literal["rare", "unlikely", "possible", "likely", "frequent"]


class Place(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a risk stands in a taxonomy, by the taxonomy's name and the category's code."""

    taxonomy: str
    code: str


class HarmType(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is harmed and how: codes of the taxonomies `harm_actors` and `harm_types`."""

    actor: str
    kind: str


class SamplePair(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked and what a failing system gives, in general terms, never usable as such."""

    prompt: str
    output: str


class TestProtocol(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to test: what to do, what counts as a failure, how many items at least."""

    __test__: ClassVar[bool] = False

    procedure: str
    failure: str
    fewest_items: int


class RiskCard(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A risk, described so that two people would test for the same thing.

    Attributes
    ----------
    id : stable and short, lower-case letters, digits and hyphens; findings are `card.<id>`.
    hazard : the source of harm in a few words, or the code of a hazard; test items may name it.
    description : what happens and why it matters.
    places : in named taxonomies.
    harms : who can be harmed, and how.
    conditions : what must be true for the harm to come about.
    samples : prompt and output in general terms, or `samples_withheld` says why there are none.
    severity : of the harm where it comes about; likelihood : that the system behaves so, as
        judged before a test.
    protocol : how to test, and `result` what the test said.
    references : further reading.
    """

    kind: ClassVar[str] = "risk_card"

    id: str
    hazard: str
    description: str
    places: tuple[Place, ...] = ()
    harms: tuple[HarmType, ...] = ()
    conditions: tuple[str, ...] = ()
    samples: tuple[SamplePair, ...] = ()
    samples_withheld: str = ""
    severity: RiskSeverity | None = None
    likelihood: Likelihood | None = None
    protocol: TestProtocol | None = None
    result: Finding | None = None
    references: tuple[str, ...] = ()

    @property
    def harmed(self) -> tuple[str, ...]:
        """Codes of the actors who can be harmed, each once."""
        return tuple(dict.fromkeys(harm.actor for harm in self.harms))
