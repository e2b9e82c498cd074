"""Responsiveness: which features could change a decision, how often, and for whom none can."""

from __future__ import annotations

from riskwright.core import Estimate, Finding, Record

__all__ = ["FeatureResponsiveness", "ResponsivenessReport"]


class FeatureResponsiveness(Record, frozen=True, kw_only=True):
    """Of the people asked: the share for whom changing this feature alone can work, and the mean
    share of its feasible changes that do."""

    feature: str
    can_work: Estimate
    mean_score: Estimate


class ResponsivenessReport(Record, frozen=True, kw_only=True):
    """Over the people who did not get the target decision.

    `fixed` is the share whom no feasible action brings to the target, `has_reason` the share with
    at least one feature that can, `notices_that_work` the share of usual notices (the features
    that cost most points) of which at least one reason can. `exact` says whether all was
    enumerated.
    """

    n: int
    n_asked: int
    target: str
    features: tuple[FeatureResponsiveness, ...]
    fixed: Estimate
    has_reason: Estimate
    notices_that_work: Estimate | None
    exact: bool
    method: str
    findings: tuple[Finding, ...] = ()
