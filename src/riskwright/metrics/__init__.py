"""Measures of predictions against outcomes, each an `Estimate` with an interval, weights, groups.

Pure functions of arrays; `evaluate` gives the usual ones at once. A `ScoreSketch` stands wherever
`(y, p)` does, for more rows than memory holds.
"""

from .calibration import (
    calibration_error,
    calibration_in_the_large,
    calibration_slope,
)
from .calibration_tests import (
    CalibrationTest,
    calibration_test,
)
from .curves import (
    PrecisionRecallCurve,
    RocCurve,
    precision_recall_curve,
    roc_curve,
)
from .decision_curve import (
    NetBenefitCurve,
    net_benefit,
    net_benefit_at,
)
from .design_based import (
    design_based_mean,
    design_based_regression,
)
from .discrimination import (
    auroc,
    average_precision,
    partial_auroc,
)
from .distributional import (
    distributional_correctness_score,
)
from .evaluation import (
    Evaluation,
    evaluate,
)
from .group_tables import (
    GroupRow,
    GroupTable,
    group_table,
)
from .imbalance import (
    ModelRanking,
    RankedModel,
    f1,
    f1_g_mean_ranking,
    g_mean,
)
from .long_tail import (
    false_head_rate,
    tail_classes,
)
from .ranking_calibration import (
    ranking_calibration_error,
)
from .reliability import (
    ReliabilityCurve,
    reliability,
)
from .scoring_rules import (
    brier,
    crps,
    log_loss,
)
from .selective import (
    RiskCoverage,
    WorkingPoint,
    augrc,
    aurc,
    e_aurc,
    risk_coverage,
)
from .sketch import (
    ScoreSketch,
)
from .survival_calibration import (
    CalibrationBin,
    DCalibration,
    OneTimeCalibration,
    d_calibration,
    one_time_calibration,
)
from .survival_discrimination import (
    ConcordancePairs,
    concordance,
    concordance_pairs,
    cumulative_auroc,
)
from .survival_prediction_error import (
    integrated_brier,
    survival_brier,
)
from .survival_scores import (
    survival_pinball,
    survival_score,
)
from .tails import (
    tail,
)

__all__ = [
    "CalibrationBin",
    "CalibrationTest",
    "ConcordancePairs",
    "DCalibration",
    "Evaluation",
    "GroupRow",
    "GroupTable",
    "ModelRanking",
    "NetBenefitCurve",
    "OneTimeCalibration",
    "PrecisionRecallCurve",
    "RankedModel",
    "ReliabilityCurve",
    "RiskCoverage",
    "RocCurve",
    "ScoreSketch",
    "WorkingPoint",
    "augrc",
    "aurc",
    "auroc",
    "average_precision",
    "brier",
    "calibration_error",
    "calibration_in_the_large",
    "calibration_slope",
    "calibration_test",
    "concordance",
    "concordance_pairs",
    "crps",
    "cumulative_auroc",
    "d_calibration",
    "design_based_mean",
    "design_based_regression",
    "distributional_correctness_score",
    "e_aurc",
    "evaluate",
    "f1",
    "f1_g_mean_ranking",
    "false_head_rate",
    "g_mean",
    "group_table",
    "integrated_brier",
    "log_loss",
    "net_benefit",
    "net_benefit_at",
    "one_time_calibration",
    "partial_auroc",
    "precision_recall_curve",
    "ranking_calibration_error",
    "reliability",
    "risk_coverage",
    "roc_curve",
    "survival_brier",
    "survival_pinball",
    "survival_score",
    "tail",
    "tail_classes",
]
