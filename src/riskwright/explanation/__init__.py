"""Explanations: what a person could change, which inputs matter, what a black box really uses.

Each works for any `predict` callable and says how sure it is: exact where the space can be
enumerated, sampled with an interval where not.
"""

from .actions import Actions, Limits
from .additive import AdditiveModel
from .distillation import Distillation, DistillationReport, Shape, distill
from .minimal_subset import MinimalSubset, minimal_subset
from .missing_feature import MissingFeature, missing_feature_test
from .recourse import PercentileShift, Recourse
from .responsiveness import (
    FeatureResponsiveness,
    Reason,
    Responsiveness,
    ResponsivenessReport,
    responsiveness,
)

__all__ = [
    "Actions",
    "AdditiveModel",
    "Distillation",
    "DistillationReport",
    "FeatureResponsiveness",
    "Limits",
    "MinimalSubset",
    "MissingFeature",
    "PercentileShift",
    "Reason",
    "Recourse",
    "Responsiveness",
    "ResponsivenessReport",
    "Shape",
    "distill",
    "minimal_subset",
    "missing_feature_test",
    "responsiveness",
]
