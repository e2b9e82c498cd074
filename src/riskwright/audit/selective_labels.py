"""Selective labels: the risk of people whose outcome nobody observed, and who was not tested."""

from __future__ import annotations

from riskwright.core import Estimate, Finding, Record

__all__ = ["SelectiveLabelsReport", "TestedGroup"]


class TestedGroup(Record, frozen=True, kw_only=True):
    """A group: how many were tested, how many should be at the average policy for its risk."""

    group: str
    n: int
    tested: Estimate
    risk: Estimate
    risk_untested: Estimate
    under_tested: bool


class SelectiveLabelsReport(Record, frozen=True, kw_only=True):
    """Who was observed, the risk of those who were not, and the testing policy as inferred."""

    n: int
    observed: Estimate
    risk_observed: Estimate
    risk_unobserved: Estimate
    groups: tuple[TestedGroup, ...]
    policy: dict[str, Estimate]
    constraints: tuple[str, ...]
    method: str
    findings: tuple[Finding, ...] = ()
