"""Cross-validation: figures that stand beside the certificate, and choice among near-best cards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import generator
from riskwright.evidence import Binarizer
from riskwright.solvers import Found, Patterns, fold

from .card_building import pattern_totals
from .inputs import TrainingData, item_chunks

__all__ = ["choose_by_cross_validation", "folds"]


Split = tuple[NDArray[np.intp], NDArray[np.intp]]


def folds(data: TrainingData, cv: Any, seed: int) -> list[Split]:
    """(train, test) row numbers, each part with both classes.

    A number means that many stratified, shuffled folds (fewer where a class has fewer rows); a
    splitter or an iterable of splits is taken as scikit-learn takes it.
    """
    y = data.y
    if isinstance(cv, int | np.integer):
        k = max(2, min(int(cv), int(y.sum()), int(len(y) - y.sum())))
        splits: Iterable[Split] = _stratified(y, k, seed)
    elif hasattr(cv, "split"):
        splits = cv.split(np.zeros((len(y), 1)), y)
    else:
        splits = [(data.place(train), data.place(test)) for train, test in cv]
    return [(train, test) for train, test in splits if len(np.unique(y[train])) == 2 and len(test)]


def _stratified(y: NDArray[np.uint8], k: int, seed: int) -> Iterable[Split]:
    """k shuffled folds, each class dealt out evenly."""
    rng = generator(seed)
    fold_of = np.empty(len(y), dtype=np.intp)
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(y == label))
        fold_of[rows] = np.arange(len(rows)) % k
    return [(np.flatnonzero(fold_of != i), np.flatnonzero(fold_of == i)) for i in range(k)]


def choose_by_cross_validation(
    pool: Sequence[Found],
    binarizer: Binarizer,
    data: TrainingData,
    cv: Any,
    seed: int,
    bound: float,
) -> int:
    """Index of the smallest card of the pool whose cross-validated log loss is within one standard
    error of the best (paired over folds). Slope and intercept are fitted anew in every fold; the
    points are those of the pool. Size: number of terms, then sum of absolute points.
    """
    parts = _fold_parts(binarizer, data, cv, seed)
    losses = np.array([_fold_losses(found, parts, bound) for found in pool])
    mean = losses.mean(axis=1)
    best = int(mean.argmin())
    difference = losses - losses[best]
    error = difference.std(axis=1, ddof=1) / np.sqrt(losses.shape[1])
    near = [i for i in range(len(pool)) if mean[i] - mean[best] <= error[i] + 1e-12]
    return min(near, key=lambda i: (len(pool[i].items), sum(map(abs, pool[i].points)), i))


def _fold_parts(binarizer: Binarizer, data: TrainingData, cv: Any, seed: int) -> list[Patterns]:
    binary = all(item.kind != "value" for item in binarizer.items_)
    n_items = len(binarizer.items_)
    return [
        fold(item_chunks(binarizer, data.take(test)), n_items, binary=binary)
        for _, test in folds(data, cv, seed)
    ]


def _fold_losses(found: Found, parts: Sequence[Patterns], bound: float) -> NDArray[np.float64]:
    tables = [_totals_table(found, part) for part in parts]
    points = max(map(abs, found.points), default=1)
    out = []
    for held_out in range(len(tables)):
        train = np.vstack([t for i, t in enumerate(tables) if i != held_out])
        slope, intercept = fit_slope(train[:, 0], train[:, 1], train[:, 2], bound / points)
        total, positive, negative = tables[held_out].T
        s = slope * total + intercept
        loss = positive @ np.logaddexp(0, -s) + negative @ np.logaddexp(0, s)
        out.append(loss / (positive.sum() + negative.sum()))
    return np.array(out)


def _totals_table(found: Found, patterns: Patterns) -> NDArray[np.float64]:
    values, place = np.unique(pattern_totals(patterns, found), return_inverse=True)
    positive = np.bincount(place, weights=patterns.positive, minlength=len(values))
    negative = np.bincount(place, weights=patterns.negative, minlength=len(values))
    return np.column_stack([values, positive, negative])


def fit_slope(
    total: NDArray[np.float64],
    positive: NDArray[np.float64],
    negative: NDArray[np.float64],
    largest: float,
) -> tuple[float, float]:
    """Slope in [0, largest] and intercept that minimise the logistic loss; damped Newton steps."""
    slope, intercept = 0.0, float(np.log(max(positive.sum(), 0.5) / max(negative.sum(), 0.5)))
    weight = positive + negative

    def loss(a: float, b: float) -> float:
        s = a * total + b
        return float(positive @ np.logaddexp(0, -s) + negative @ np.logaddexp(0, s))

    value = loss(slope, intercept)
    for _ in range(60):
        p = 1.0 / (1.0 + np.exp(-np.clip(slope * total + intercept, -500, 500)))
        residual, curvature = weight * p - positive, weight * p * (1 - p)
        g = np.array([residual @ total, residual.sum()])
        h = np.array(
            [
                [curvature @ total**2, curvature @ total],
                [curvature @ total, curvature.sum()],
            ]
        )
        step = np.linalg.solve(h + 1e-9 * (1 + np.trace(h)) * np.eye(2), g)
        length = 1.0
        while length > 1e-8:
            a = min(max(slope - length * step[0], 0.0), largest)
            b = intercept - length * step[1]
            new = loss(a, b)
            if new <= value:
                break
            length /= 2
        else:
            break
        moved = abs(a - slope) + abs(b - intercept)
        slope, intercept, value = a, b, new
        if moved < 1e-12:
            break
    return slope, intercept
