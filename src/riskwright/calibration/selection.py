"""Which calibration method: the one of least cross-fitted log loss."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, Estimate, generator
from riskwright.metrics import log_loss

from ._inputs import ScoredRows
from .beta import BetaMap
from .histogram import HistogramMap
from .isotonic import IsotonicMap
from .maps import CalibrationMap
from .platt import PlattMap
from .temperature import TemperatureMap
from .venn_abers import VennAbersMap

__all__ = ["FOLDS", "METHODS", "select_method"]

METHODS: dict[str, type[CalibrationMap]] = {
    kind.method: kind
    for kind in (TemperatureMap, PlattMap, BetaMap, HistogramMap, IsotonicMap, VennAbersMap)
}
FOLDS = 5


def select_method(
    rows: ScoredRows, bins: int, seed: int
) -> tuple[str, dict[str, Estimate], dict[str, str]]:
    """Best method, the log loss of every candidate, and why others were left out.

    Every candidate sees the same stratified folds; `METHODS` goes from simple to flexible and the
    first of equals is taken.
    """
    fold = _folds(rows, seed)
    losses: dict[str, Estimate] = {}
    left_out: dict[str, str] = {}
    for name, kind in METHODS.items():
        try:
            losses[name] = _cross_fitted(kind, rows, fold, bins)
        except DataError as error:
            left_out[name] = error.problem
    best = min(estimate.value for estimate in losses.values())
    chosen = next(n for n, e in losses.items() if math.isclose(e.value, best, rel_tol=1e-9))
    return chosen, losses, left_out


def _folds(rows: ScoredRows, seed: int) -> NDArray[np.intp]:
    """Number of the fold of every row; classes are spread evenly."""
    fewest = min(rows.class_counts)
    if fewest < 2:
        raise DataError(
            'method "auto" needs two rows of each class',
            where="y",
            got=f"{fewest} of the rarer one",
            hint='Name a method, such as Calibrator(method="platt")',
        )
    k = min(FOLDS, fewest)
    rng = generator(seed)
    fold = np.empty(len(rows), dtype=np.intp)
    for outcome in (0.0, 1.0):
        members = np.flatnonzero(rows.y == outcome)
        fold[rng.permutation(members)] = np.arange(members.size) % k
    return fold


def _cross_fitted(
    kind: type[CalibrationMap], rows: ScoredRows, fold: NDArray[np.intp], bins: int
) -> Estimate:
    p = np.empty(len(rows))
    k = int(fold.max()) + 1
    for number in range(k):
        test = fold == number
        p[test] = kind.fit(rows.take(~test), bins=bins).predict(rows.score[test])
    found = log_loss(rows.y, p, sample_weight=rows.weight)
    method = f"{found.method}; {k}-fold cross-fitted, fits taken as given"
    return msgspec.structs.replace(found, method=method)
