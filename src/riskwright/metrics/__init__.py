"""Measures of predictions against outcomes, each an `Estimate` with an interval, weights, groups.

Pure functions of arrays; `evaluate` gives the usual ones at once. A `ScoreSketch` stands wherever
`(y, p)` does, for more rows than memory holds.
"""

from .calibration import calibration_error, calibration_in_the_large, calibration_slope
from .calibration_tests import CalibrationTest, calibration_test
from .discrimination import auroc, average_precision
from .evaluation import Evaluation, evaluate
from .group_tables import GroupRow, GroupTable, group_table
from .reliability import ReliabilityCurve, reliability
from .scoring_rules import brier, crps, log_loss
from .sketch import ScoreSketch

__all__ = [
    "CalibrationTest",
    "Evaluation",
    "GroupRow",
    "GroupTable",
    "ReliabilityCurve",
    "ScoreSketch",
    "auroc",
    "average_precision",
    "brier",
    "calibration_error",
    "calibration_in_the_large",
    "calibration_slope",
    "calibration_test",
    "crps",
    "evaluate",
    "group_table",
    "log_loss",
    "reliability",
]
