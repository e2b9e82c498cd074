"""Audits: what a score does to people. Each result carries `Finding`s and plain aggregates.

An audit measures; it does not decide what is acceptable. A policy file does that, and `Audit.gate`
compares the two. No audit changes the score it looks at. The room itself can be called:
`riskwright.audit(model, data, plan)` runs all that apply, as `run_audit` does.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .data_values import (
    DataValueReport,
    DataValues,
    data_shapley,
    knn_data_values,
    knn_shapley,
    subset_score,
)
from .familiarity import (
    DetectorReport,
    Familiarity,
    FamiliarityReport,
    compare_detectors,
    energy,
    max_softmax,
)
from .gathering import GatherPlan, GroupPlan, LearningCurve, fit_learning_curve, gather_plan
from .group_gaps import GroupGaps, group_gaps
from .groupwise_regret import GroupRegret, GroupwiseRegret, OnlineGroupwise
from .hardness import HardnessReport, el2n, grand, hardness
from .harm_tails import HarmDimension, HarmProfile, harm_profile, log_risk, union_harm
from .judges import (
    MASTER_KEYS,
    EquivalentReply,
    GuardedJudge,
    JudgeAudit,
    JudgeDivergence,
    OffTopicPair,
    judge_audit,
    judge_divergence,
    key_negatives,
    word_overlap,
)
from .multiplicity import Multiplicity
from .multiplicity_measures import Ranges
from .multiplicity_report import MultiplicityReport, ToleranceReport
from .plan import PARTS, AuditPlan, load_plan
from .policy import AuditPolicy, Limit, load_policy
from .pool_multiplicity import PoolMultiplicity
from .report import Audit, AuditSubject, ColumnSummary, Gate, OperatingPoint
from .running import run_audit
from .selective_labels import SelectiveFit, SelectiveLabelsReport, TestedGroup, selective_labels
from .slices import Slice, Slices, find_slices, row_losses
from .text_slices import find_text_slices
from .text_stability import FixingWords, Perturbation, TextStability, text_stability, words_that_fix

__all__ = [
    "Audit",
    "AuditPlan",
    "AuditPolicy",
    "AuditSubject",
    "ColumnSummary",
    "DataValueReport",
    "DataValues",
    "DetectorReport",
    "EquivalentReply",
    "Familiarity",
    "FamiliarityReport",
    "FixingWords",
    "Gate",
    "GatherPlan",
    "GroupGaps",
    "GroupPlan",
    "GroupRegret",
    "GroupwiseRegret",
    "GuardedJudge",
    "HardnessReport",
    "HarmDimension",
    "HarmProfile",
    "JudgeAudit",
    "JudgeDivergence",
    "LearningCurve",
    "Limit",
    "MASTER_KEYS",
    "Multiplicity",
    "MultiplicityReport",
    "OffTopicPair",
    "OnlineGroupwise",
    "OperatingPoint",
    "PARTS",
    "Perturbation",
    "PoolMultiplicity",
    "Ranges",
    "SelectiveFit",
    "SelectiveLabelsReport",
    "Slice",
    "Slices",
    "TestedGroup",
    "TextStability",
    "ToleranceReport",
    "compare_detectors",
    "data_shapley",
    "el2n",
    "energy",
    "find_slices",
    "find_text_slices",
    "fit_learning_curve",
    "gather_plan",
    "grand",
    "group_gaps",
    "hardness",
    "harm_profile",
    "judge_audit",
    "judge_divergence",
    "key_negatives",
    "knn_data_values",
    "knn_shapley",
    "load_plan",
    "load_policy",
    "log_risk",
    "max_softmax",
    "row_losses",
    "run_audit",
    "selective_labels",
    "subset_score",
    "text_stability",
    "union_harm",
    "word_overlap",
    "words_that_fix",
]


class _Room(ModuleType):
    """A module that can be called, so that `rw.audit(...)` and `rw.audit.find_slices` both read."""

    def __call__(self, *args: Any, **options: Any) -> Audit:
        return run_audit(*args, **options)


sys.modules[__name__].__class__ = _Room
