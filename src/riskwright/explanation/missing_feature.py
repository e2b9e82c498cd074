"""The missing-feature test: did a black box use something that the audit data lack?"""

from __future__ import annotations

from riskwright.core import Estimate, Finding, Record

__all__ = ["MissingFeature"]


class MissingFeature(Record, frozen=True, kw_only=True):
    """Correlations of what two transparent models leave unexplained, of score and of outcome.

    `detectable` is the correlation that this test would find with probability `power` at this n.
    """

    pearson: Estimate
    spearman: Estimate
    kendall: Estimate
    p_value: float
    power: float
    detectable: float
    score_r2: float
    outcome_r2: float
    n: int
    method: str
    findings: tuple[Finding, ...] = ()
