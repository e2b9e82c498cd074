"""`DeploymentCard`: a score in use, under which guarantee, until when, and what if it fails."""

from __future__ import annotations

from typing import ClassVar

from riskwright.core import Finding
from riskwright.decision import RiskCertificate

from .documents import AuditReference, Document

__all__ = ["DeploymentCard"]


class DeploymentCard(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One use of one score.

    Attributes
    ----------
    purpose : the decision that it supports, and whose.
    score_digest : of the score in use (`riskwright.core.score_digest`).
    budgets : what may go wrong how often, as sentences that `Budget.parse` reads.
    certificate : what the decision rule guarantees.
    strictness : the regime in force, where the rule has several.
    performance : findings from the place of use.
    audits : the audits relied on, by digest.
    starts, expires : dates; after `expires` the card is stale.
    fallback : what happens instead when the rule abstains, is withdrawn or has expired.
    monitoring : what is watched, how often, and who acts.
    approved_by : who allowed the use.
    """

    kind: ClassVar[str] = "deployment_card"

    purpose: str = ""
    score_digest: str = ""
    budgets: tuple[str, ...] = ()
    certificate: RiskCertificate | None = None
    strictness: str = ""
    performance: tuple[Finding, ...] = ()
    audits: tuple[AuditReference, ...] = ()
    starts: str = ""
    expires: str = ""
    fallback: str = ""
    monitoring: str = ""
    approved_by: str = ""
