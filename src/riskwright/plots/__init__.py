"""Displays: each holds the numbers of a curve or table and draws them on demand.

`plot` needs matplotlib (the extra `plot`); `to_svg` needs nothing.
"""

from .display import Display
from .group_gap import GroupGapDisplay
from .net_benefit import NetBenefitDisplay
from .precision_recall import PrecisionRecallDisplay
from .reliability import ReliabilityDisplay
from .risk_coverage import RiskCoverageDisplay
from .roc import RocDisplay

__all__ = [
    "Display",
    "GroupGapDisplay",
    "NetBenefitDisplay",
    "PrecisionRecallDisplay",
    "ReliabilityDisplay",
    "RiskCoverageDisplay",
    "RocDisplay",
]
