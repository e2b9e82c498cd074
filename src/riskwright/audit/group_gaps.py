"""Figures by group and intersection, with gaps whose intervals hold together."""

from __future__ import annotations

from riskwright.core import Finding, Record
from riskwright.metrics import GroupTable

__all__ = ["GroupGaps"]


class GroupGaps(Record, frozen=True, kw_only=True):
    """One `GroupTable` per measure, in the order asked for, and what they say in words.

    `at` is the threshold of the rates (flagged where score >= at), `horizon` the time of outcomes
    under censoring. All intervals and all gaps of a measure hold together at `level`.
    """

    tables: tuple[GroupTable, ...]
    at: float | None
    reference: str
    level: float
    method: str
    horizon: float | None = None
    findings: tuple[Finding, ...] = ()
