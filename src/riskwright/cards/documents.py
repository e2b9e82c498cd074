"""What the documents share: a title, who answers for it, and how it is saved."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec

from riskwright.core import Estimate, Finding, Record, content_hash, json_values

__all__ = ["AuditReference", "Document", "audit_reference", "exact"]


class Document(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A card: JSON is the source, pages are views of it.

    `date` is the day on which it was last true, as 2026-01-31; `owner` answers for it, `contact`
    is where readers write to. "" means that nobody said. Save and load with `riskwright.save` and
    `riskwright.load`.
    """

    kind: ClassVar[str] = ""

    title: str
    version: str = ""
    date: str = ""
    owner: str = ""
    contact: str = ""

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        return self.kind, json_values(self)

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Self:
        """The card that `to_artifact` described."""
        return msgspec.convert(body, cls, strict=False)


class AuditReference(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An audit that a card relies on: which one, by digest, and what it found.

    `passed` says whether it met the policy, None where none was applied; `score_digest` and
    `data_digest` what was audited.
    """

    digest: str
    title: str = ""
    date: str = ""
    passed: bool | None = None
    findings: tuple[Finding, ...] = ()
    score_digest: str = ""
    data_digest: str = ""


def audit_reference(audit: Any, *, passed: bool | None = None) -> AuditReference:
    """A reference to an `Audit`, with its findings of severity "high" and "medium".

    The digest covers all that the audit found, not how long it took.
    """
    content = {k: v for k, v in json_values(audit).items() if k != "seconds"}
    return AuditReference(
        digest="sha256:" + content_hash(content),
        title=audit.subject.title,
        date=audit.subject.date,
        passed=passed,
        findings=tuple(f for f in audit.findings if f.severity in ("high", "medium")),
        score_digest=audit.subject.score_digest,
        data_digest=audit.subject.data_digest,
    )


def exact(value: float, n: int, name: str, method: str = "exact count") -> Estimate:
    """A number that is known without error, as an `Estimate` whose interval is the number."""
    number = float(value)
    return Estimate(value=number, low=number, high=number, level=1.0, n=n, method=method, name=name)
