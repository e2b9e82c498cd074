"""Distil and compare: one transparent class fitted to a black box's score and to the outcome."""

from __future__ import annotations

from riskwright.core import Estimate, Finding, Record

from .missing_feature import MissingFeature

__all__ = ["DistillationReport", "Shape"]


class Shape(Record, frozen=True, kw_only=True):
    """One feature: bins in words, rows in each, what score and outcome add there (log odds), and
    the difference with its band; `differs` where the band excludes zero in some bin."""

    feature: str
    bins: tuple[str, ...]
    n: tuple[int, ...]
    score: tuple[float, ...]
    outcome: tuple[float, ...] | None
    difference: tuple[float, ...] | None
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    importance: float
    differs: bool


class DistillationReport(Record, frozen=True, kw_only=True):
    """What a black box uses, feature by feature, most important first."""

    shapes: tuple[Shape, ...]
    fidelity: Estimate
    accuracy: Estimate | None
    missing_feature: MissingFeature | None
    n: int
    level: float
    method: str
    findings: tuple[Finding, ...] = ()
