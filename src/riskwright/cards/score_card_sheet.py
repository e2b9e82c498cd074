"""`ScoreCardSheet`: a score card with its purpose, its limits and the evidence for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from riskwright.core import Finding, ScoreCard
from riskwright.core.score_digest import score_digest

from . import wording
from .documents import AuditReference, Document

if TYPE_CHECKING:
    from riskwright.metrics import Evaluation

__all__ = ["TOPICS", "ScoreCardSheet", "performance_findings"]

TOPICS: dict[str, str] = {
    "users": "Who is meant to use the score",
    "how_to_use": "How to use it, step by step",
    "decision_role": "Whether it informs, supports or replaces a decision",
    "output": "What it puts out, and how that is to be read",
    "funding": "Who paid for making it",
    "stakeholders": "Who was consulted",
    "development": "How it was developed and by whom",
    "training_data": "Where the training data come from",
    "inclusion": "Who was included in the training data and who was left out",
    "representativeness": "Whom the data represent",
    "relevance": "Why the training data fit the place of use",
    "fairness_approach": "What was done so that the output is fair",
    "bias_mitigation": "What was done to find and reduce bias",
    "biases": "Known biases and ethical questions",
    "external_validation": "Where and how it was tested on data of another source",
    "external_party": "Who carried out the external test",
    "external_process": "How the external test was carried out",
    "external_demographics": "Whom the external data represent",
    "external_validity": "How valid it is in external data",
    "external_fairness": "How fair it is in external data",
    "outcomes": "Studies of what its use does for people",
    "monitoring": "How and how often validity is watched",
    "fairness_monitoring": "How and how often fairness is watched",
    "local_validity": "How valid it is at the place of use",
    "local_fairness": "How fair it is at the place of use",
    "updates": "How and how often it is updated",
    "correction": "What happens when it no longer does well",
    "oversight": "How people oversee it and can overrule it",
    "risk_management": "How risks are found, judged and reduced",
    "risk_level": "How grave a wrong answer is",
    "changes": "What changed since it was first used",
    "standards": "Standards that it follows",
    "conformity": "Declaration of conformity",
    "hardware": "What it runs on",
    "interfaces": "Which systems it works with",
    "user_interface": "What the person who uses it sees",
    "pictures": "Pictures of the product that it is part of",
    "measures": "Why the measures of performance fit the purpose",
    "third_parties": "What comes from third parties",
    "stage": "Stage of release",
    "keywords": "Keywords, parted by commas",
    "security": "How it is protected",
    "availability": "Where it is available",
    "approval": "Approvals by authorities",
    "consent": "What the people concerned are told or asked",
    "references": "Publications",
    "licence": "Licence",
}


class ScoreCardSheet(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that goes with a score card when it is handed to someone who did not make it.

    Attributes
    ----------
    card : the score itself, with its population, limits and certificate.
    intended_use : the decision it supports, and `not_for` what it must not be used for.
    horizon : the time within which the outcome counts, such as "30 days".
    performance : findings, each with the digests of the score and the data ("score", "data").
    audits : the audits relied on.
    score_digest : of the score described; `riskwright.core.score_digest.score_digest(card)`.
    answers : further statements by topic; `TOPICS` lists them with what they ask for.
    """

    kind: ClassVar[str] = "score_card_sheet"

    card: ScoreCard
    intended_use: str = ""
    not_for: tuple[str, ...] = ()
    horizon: str = ""
    performance: tuple[Finding, ...] = ()
    audits: tuple[AuditReference, ...] = ()
    score_digest: str = ""
    answers: dict[str, str] = {}


def performance_findings(
    evaluation: Evaluation, *, score: object, data_digest: str, where: str = ""
) -> tuple[Finding, ...]:
    """The figures of an evaluation as findings `performance.<figure>` of a score on some data.

    Parameters
    ----------
    evaluation : what `riskwright.evaluate` found.
    score : the card, model or digest that was evaluated.
    data_digest : of the rows it was evaluated on.
    where : what these rows are, for the sentence.
    """
    digests = {"score": score_digest(score), "data": data_digest}
    return tuple(
        Finding(
            code=f"performance.{name}",
            sentence=f"{wording.figure_name(name)}: {estimate}, in {estimate.n:,} rows"
            f"{f' ({where})' if where else ''}.",
            severity="info",
            estimate=estimate,
            method=estimate.method,
            digests=digests,
        )
        for name, estimate in {"prevalence": evaluation.prevalence, **evaluation.overall}.items()
    )
