"""`Audit`: all that was found out about one score on one table, as one record."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import Estimate, Finding, Record, ScoreCard, UsageError, atomic_write, save
from riskwright.core.registry import page_writers
from riskwright.explanation.distillation import DistillationReport
from riskwright.explanation.responsiveness import ResponsivenessReport
from riskwright.metrics import Evaluation, NetBenefitCurve, ReliabilityCurve

from .group_gaps import GroupGaps
from .multiplicity import MultiplicityReport
from .plan import Described
from .policy import AuditPolicy, judged, load_policy
from .selective_labels import SelectiveLabelsReport
from .slices import Slices

__all__ = ["Audit", "AuditSubject", "ColumnSummary", "Gate", "OperatingPoint"]


class AuditSubject(Described, frozen=True, kw_only=True):
    """What was audited, in the words of whoever answers for it; "" where nobody said.

    `score_digest` and `data_digest` bind the audit to one score and one table.
    """

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
    """A column of the table: missing values, and what was noted about it."""

    name: str
    missing: int
    note: str = ""


class Audit(Record, frozen=True, kw_only=True):
    """Everything `riskwright.audit` ran, and what did not apply (`not_run`: name to reason).

    Parts that did not run are None. `horizon_time` is the time at which outcomes count where
    follow-up is censored; `events` then are those of the whole follow-up. `findings` holds those
    of all parts, gravest first, each with the digests of score and data. It holds aggregates only,
    no person's row.
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
    horizon_time: float | None = None

    def worst(self, most: int = 5) -> tuple[Finding, ...]:
        """The gravest findings, those that fail a policy first."""
        return tuple(sorted(self.findings, key=lambda finding: finding.passed is not False)[:most])

    def gate(self, policy: AuditPolicy | Mapping[str, Any] | str | os.PathLike[str]) -> Gate:
        """Compare with a policy (record, mapping or YAML file); `AuditPolicy` says how.

        Examples
        --------
        >>> import polars as pl, riskwright as rw
        >>> frame = pl.DataFrame({"x": [0, 1, 2, 3] * 50, "ill": [0, 1, 1, 1, 0, 0, 0, 1] * 25})
        >>> found = rw.audit([0.2, 0.5, 0.5, 0.8] * 50, frame, target="ill")
        >>> found.gate({"require": ["groups"]}).reasons
        ('groups is required but did not run: no groups were named',)
        """
        findings, reasons = judged(load_policy(policy), self.findings, self.not_run, self._gaps())
        kept = msgspec.structs.replace(self, findings=findings)
        return Gate(passed=not reasons, reasons=reasons, audit=kept)

    def _gaps(self) -> dict[str, dict[str, Estimate]]:
        """The gap of every group that was judged, by code and group."""
        tables = () if self.gaps is None else self.gaps.tables
        return {
            f"group.{table.metric}.gap": {
                row.group: row.gap
                for row in table.rows
                if row.gap is not None and not math.isnan(row.gap.value)
            }
            for table in tables
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it whole or not at all: `.json` (read back by `riskwright.load`), `.html` the
        page, `.md` the same as Markdown.

        Raises `UsageError` for another ending or where the folder cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".json":
            save(self, path)
            return
        if suffix not in page_writers.names():
            raise UsageError(
                "unknown kind of file", where=str(path), expected=".json, .html or .md", got=suffix
            )
        text: str = page_writers.load(suffix)(self)
        with atomic_write(path) as file:
            file.write(text.encode())

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        return "audit", msgspec.to_builtins(self)

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Audit:
        """The audit that `to_artifact` described."""
        return msgspec.convert(body, cls, strict=False)


class Gate(Record, frozen=True, kw_only=True):
    """Whether an audit keeps a policy, why not, and the audit with every finding judged."""

    passed: bool
    reasons: tuple[str, ...]
    audit: Audit
