"""What every scorer does with the data it is given: check, encode, cut into items, fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    column_or_1d,
    validate_data,
)

from riskwright.core import DataError, ParameterError, TargetError, digest_arrays
from riskwright.evidence import Binarizer
from riskwright.evidence.columns import Origin
from riskwright.evidence.containers import check_names
from riskwright.evidence.cut_points import exact_weights
from riskwright.solvers import Patterns, fold

__all__ = [
    "TrainingData",
    "check_rows",
    "check_training",
    "class_factors",
    "fold_items",
    "item_chunks",
    "pattern_digest",
    "take_rows",
]

CHUNK_ROWS = 1 << 18
_LARGEST_WEIGHT = 1e100


class TrainingData:
    """Checked training rows: X as it came (frame or float array), y as 0/1, weights or None.

    Rows of weight 0 are gone; `kept` holds the row numbers of those that stayed, if any went, of
    the `given` ones. `weight` includes the class weights.
    """

    def __init__(
        self,
        X: Any,
        y: NDArray[np.uint8],
        weight: NDArray[np.float64] | None,
        classes: NDArray[Any],
        kept: NDArray[np.intp] | None = None,
        given: int | None = None,
    ) -> None:
        self.kept = kept
        self.given = len(y) if given is None else given
        self.X = X
        self.y = y
        self.weight = weight
        self.classes = classes

    def __len__(self) -> int:
        return len(self.y)

    @property
    def events(self) -> float:
        return float(self.y.sum() if self.weight is None else self.weight @ self.y)

    @property
    def total(self) -> float:
        return float(len(self.y) if self.weight is None else self.weight.sum())

    def place(self, rows: Any) -> NDArray[np.intp]:
        """Row numbers of the data as they were given -> row numbers here, without those gone."""
        given = np.asarray(rows)
        if given.dtype == bool:
            given = np.flatnonzero(given)
        position = np.full(self.given, -1, dtype=np.intp)
        position[slice(None) if self.kept is None else self.kept] = np.arange(len(self))
        found = position[given.astype(np.intp, casting="same_kind")]
        return np.asarray(found[found >= 0], dtype=np.intp)

    def take(self, rows: NDArray[np.intp]) -> TrainingData:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return TrainingData(take_rows(self.X, rows), self.y[rows], weight, self.classes)


def is_frame(X: Any) -> bool:
    """Is X a data frame or Arrow table, rather than an array?"""
    return hasattr(X, "columns") or hasattr(X, "column_names")


def take_rows(X: Any, rows: Any) -> Any:
    """Rows of an array or frame by position or slice."""
    if isinstance(X, np.ndarray):
        return X[rows]
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "column_names"):
        return X.take(np.arange(X.num_rows)[rows])
    return X[rows]


def check_rows(estimator: Any, X: Any, *, reset: bool) -> Any:
    """X as a frame or a float array, with the number and names of the columns checked or kept."""
    if isinstance(X, pl.LazyFrame):
        X = X.collect()
    if is_frame(X):
        if hasattr(X, "column_names"):
            X = pl.from_arrow(X)
        check_names([str(name) for name in X.columns], Origin("X"))
        if not reset and hasattr(estimator, "feature_names_in_"):
            _check_feature_names(estimator, X, reset=False)
        elif reset:
            _check_feature_names(estimator, X, reset=True)
        _check_n_features(estimator, X, reset=reset)
        return X
    if isinstance(X, np.ndarray) and X.ndim == 1:
        raise DataError(  # scikit-learn would print the row
            "Expected 2D array, got 1D array instead",
            where="X",
            got=f"shape {X.shape}",
            hint="Reshape your data with X.reshape(1, -1) where it is one row, or "
            "X.reshape(-1, 1) where it is one column",
        )
    narrow = isinstance(X, np.ndarray) and X.dtype.kind in "biu" and X.ndim == 2
    return validate_data(
        estimator,
        X,
        reset=reset,
        dtype=None if narrow else np.float64,
        ensure_all_finite="allow-nan",
    )


def check_training(
    estimator: Any, X: Any, y: Any, sample_weight: Any, class_weight: Any
) -> TrainingData:
    """Check rows, outcome and weights of a binary problem.

    Raises `TargetError` (a `ValueError`) for an outcome that is not binary or has one class only,
    and what scikit-learn raises for arrays of the wrong shape.
    """
    if y is None:
        raise TargetError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None",
            hint="Call fit(X, y)",
        )
    X = check_rows(estimator, X, reset=True)
    y = column_or_1d(np.asarray(y), warn=True)
    n = len(X)
    if len(y) != n:
        raise DataError("X and y differ in length", expected=f"{n} outcomes", got=str(len(y)))
    _refuse_missing_outcomes(y)
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    weight = (
        None
        if sample_weight is None
        else _check_sample_weight(
            sample_weight, np.empty((n, 1)), dtype=np.float64, ensure_non_negative=True
        )
    )
    if weight is not None and not weight.max(initial=0.0) < _LARGEST_WEIGHT:
        raise DataError("weights too large", expected=f"weights below {_LARGEST_WEIGHT:g}")
    used = None
    if weight is not None and not (weight > 0).all():
        used = np.flatnonzero(weight > 0)
        X, y, weight = take_rows(X, used), y[used], weight[used]
    classes, encoded = np.unique(y, return_inverse=True)
    if len(classes) > 2:
        raise TargetError(
            "Only binary classification is supported. The type of the target is "
            f"{kind if kind != 'binary' else 'multiclass'}",
            expected="two classes",
            got=f"{len(classes)} classes",
        )
    if len(classes) < 2:
        raise TargetError(
            "the outcome has one class only",
            expected="two classes, each with weight above 0",
            got=f"{len(classes)} class" + ("" if len(classes) == 1 else "es"),
        )
    if class_weight is not None:
        factor = class_factors(estimator, class_weight, classes, y, weight)
        weight = factor[encoded] * (1.0 if weight is None else weight)
    if weight is not None:
        weight = np.maximum(exact_weights(weight), np.finfo(float).tiny)
    return TrainingData(X, encoded.astype(np.uint8), weight, classes, used, n)


def class_factors(
    estimator: Any,
    class_weight: Any,
    classes: NDArray[Any],
    y: NDArray[Any],
    weight: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Weight of each class."""
    try:
        factor = compute_class_weight(class_weight, classes=classes, y=y, sample_weight=weight)
        fits = bool((factor > 0.0).all() and np.isfinite(factor).all())
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ParameterError(
            "class weights that cannot be used",
            where=f"{type(estimator).__name__}(class_weight=)",
            expected='None, "balanced" or a number above 0 for each class',
            got=repr(class_weight),
        )
    return np.asarray(factor, dtype=np.float64)


def _refuse_missing_outcomes(y: NDArray[Any]) -> None:
    if y.dtype.kind == "f":
        missing = ~np.isfinite(y)
    elif y.dtype.kind == "O":
        missing = np.array([v is None or v != v for v in y.tolist()], dtype=bool)
    else:
        return
    if missing.any():
        rows = ", ".join(str(i + 1) for i in np.flatnonzero(missing)[:5])
        raise TargetError(
            f"Input y contains NaN or infinity: no outcome in {int(missing.sum())} rows",
            where=f"rows {rows}" + (", ..." if missing.sum() > 5 else ""),
            hint="Leave out rows whose outcome is not known",
        )


def item_chunks(
    binarizer: Binarizer, data: TrainingData
) -> Iterator[tuple[NDArray[Any], NDArray[np.uint8], NDArray[np.float64] | None]]:
    """Item matrix, outcome and weights, in chunks of bounded size."""
    for start in range(0, len(data), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        weight = None if data.weight is None else data.weight[rows]
        yield binarizer.transform(take_rows(data.X, rows)), data.y[rows], weight


def fold_items(binarizer: Binarizer, data: TrainingData) -> Patterns:
    """The training rows as weighted patterns of items."""
    binary = all(item.kind != "value" for item in binarizer.items_)
    return fold(item_chunks(binarizer, data), len(binarizer.items_), binary=binary)


def pattern_digest(patterns: Patterns) -> str:
    """Digest of the folded data: the same for any order of the rows."""
    held = patterns.bits if patterns.bits is not None else patterns.values
    return digest_arrays(held, patterns.positive, patterns.negative)
