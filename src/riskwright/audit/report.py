"""`Audit`: all that was found out about one score on one table, as one record."""

from __future__ import annotations

from riskwright.core import Estimate, Finding, Record, ScoreCard
from riskwright.explanation.distillation import DistillationReport
from riskwright.explanation.responsiveness import ResponsivenessReport
from riskwright.metrics import Evaluation, NetBenefitCurve, ReliabilityCurve

from .group_gaps import GroupGaps
from .multiplicity import MultiplicityReport
from .selective_labels import SelectiveLabelsReport
from .slices import Slices

__all__ = ["Audit", "AuditSubject", "ColumnSummary", "OperatingPoint"]


class AuditSubject(Record, frozen=True, kw_only=True):
    """What was audited, in the words of whoever answers for it; "" where nobody said.

    `score_digest` and `data_digest` bind the audit to one score and one table.
    """

    title: str
    outcome: str
    population: str = ""
    horizon: str = ""
    not_for: tuple[str, ...] = ()
    version: str = ""
    date: str = ""
    owner: str = ""
    contact: str = ""
    period: str = ""
    limits: tuple[str, ...] = ()
    score_digest: str = ""
    data_digest: str = ""
    data_name: str = ""


class OperatingPoint(Record, frozen=True, kw_only=True):
    """What a threshold does, as shares of all people: 1,000 times each is "per 1,000 people".

    `rightly_flagged` and `missed` are shares of all people too: flagged with the event, and not
    flagged although they have it.
    """

    threshold: float
    flagged: Estimate
    rightly_flagged: Estimate
    missed: Estimate
    events: Estimate


class ColumnSummary(Record, frozen=True, kw_only=True):
    """A column of the table: missing values, and drift since the score was learned if known."""

    name: str
    missing: int
    note: str = ""


class Audit(Record, frozen=True, kw_only=True):
    """Everything `riskwright.audit` ran, and what did not apply (`not_run`: name to reason).

    Parts that did not run are None. `findings` holds the findings of all parts, gravest first,
    each with the digests of score and data. It holds aggregates only, no person's row.
    """

    subject: AuditSubject
    n: int
    events: float
    card: ScoreCard | None
    evaluation: Evaluation | None
    reliability: ReliabilityCurve | None
    reliability_by_group: dict[str, ReliabilityCurve]
    net_benefit: NetBenefitCurve | None
    operating_point: OperatingPoint | None
    gaps: GroupGaps | None
    slices: Slices | None
    multiplicity: MultiplicityReport | None
    responsiveness: ResponsivenessReport | None
    distillation: DistillationReport | None
    selective_labels: SelectiveLabelsReport | None
    columns: tuple[ColumnSummary, ...]
    findings: tuple[Finding, ...]
    not_run: dict[str, str]
    level: float
    seconds: float
