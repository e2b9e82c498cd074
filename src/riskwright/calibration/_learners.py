"""What estimators that wrap another classifier share: its outcomes, weights and scores."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from riskwright.core import ParameterError, TargetError

from ._inputs import Floats

__all__ = ["binary_outcome", "checked_weight", "scores", "takes_weights"]


def binary_outcome(y: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The two classes, ascending, and 1.0 where a row has the second."""
    check_classification_targets(y)
    outcome = column_or_1d(y, warn=True)
    classes, codes = np.unique(outcome, return_inverse=True)
    if classes.size > 2:
        raise TargetError(
            f"Only binary classification is supported; y has {classes.size} classes",
            where="y",
            expected="two classes",
            hint="Calibrate one class against the rest",
        )
    if classes.size < 2:
        raise TargetError("y has one class only", where="y", expected="two classes", got="1 class")
    return classes, codes.astype(np.float64)


def checked_weight(sample_weight: Any, X: Any, y: Floats) -> Floats | None:
    """Weights at least 0, with both classes weighted; None stays None."""
    if sample_weight is None:
        return None
    weight = np.asarray(
        _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    )
    if not weight[y > 0].any() or not weight[y == 0].any():
        raise TargetError(
            "y has one class only among rows of positive weight", where="y", expected="two classes"
        )
    return weight


def takes_weights(function: Any) -> bool:
    """Whether a method has the argument `sample_weight`."""
    return "sample_weight" in signature(function).parameters


def scores(estimator: Any, X: Any, positive: Any) -> Floats:
    """Probability of the class `positive`, or the decision function where there is none."""
    if hasattr(estimator, "predict_proba"):
        at = int(np.flatnonzero(np.asarray(estimator.classes_) == positive)[0])
        return np.asarray(estimator.predict_proba(X), dtype=np.float64)[:, at]
    if hasattr(estimator, "decision_function"):
        return np.asarray(estimator.decision_function(X), dtype=np.float64)
    raise ParameterError(
        "an estimator without scores",
        where="estimator",
        expected="a classifier with predict_proba or decision_function",
        got=type(estimator).__name__,
    )
