"""Predictive multiplicity: what equally good scores say of the same person, certified."""

from __future__ import annotations

from riskwright.core import Finding, Record

__all__ = ["MultiplicityReport", "ToleranceReport"]

Bracket = tuple[float, float]


class ToleranceReport(Record, frozen=True, kw_only=True):
    """What holds over all models whose loss is at most `epsilon` above the best.

    Brackets are (surely at least, surely at most). `widths` counts people by the width of their
    range of risks, in equal bins from 0 to 1; `ambiguity` and `discrepancy` hold, by margin delta,
    the share of people whose risk can move by delta over all models, and the largest share that
    one model moves; `conflicts` is the share on whom equally good models disagree at `threshold`.
    """

    name: str
    epsilon: float
    mean_width: Bracket
    median_width: Bracket
    widths: tuple[int, ...]
    ambiguity: dict[str, Bracket]
    discrepancy: dict[str, Bracket]
    conflicts: Bracket | None
    largest_gap: float


class MultiplicityReport(Record, frozen=True, kw_only=True):
    """Multiplicity at each tolerance."""

    tolerances: tuple[ToleranceReport, ...]
    score_class: str
    threshold: float | None
    n: int
    n_distinct: int
    loss: float
    method: str
    findings: tuple[Finding, ...] = ()
