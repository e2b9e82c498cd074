"""Measures of predictions against outcomes, each an `Estimate` with an interval, weights, groups.

Pure functions of arrays; `evaluate` gives all of them at once.
"""

from .calibration import calibration_error, calibration_in_the_large, calibration_slope
from .discrimination import auroc, average_precision
from .evaluation import Evaluation, evaluate
from .scoring_rules import brier, log_loss

__all__ = [
    "Evaluation",
    "auroc",
    "average_precision",
    "brier",
    "calibration_error",
    "calibration_in_the_large",
    "calibration_slope",
    "evaluate",
    "log_loss",
]
