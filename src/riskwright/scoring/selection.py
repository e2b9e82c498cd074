"""Cross-validation: figures that stand beside the certificate, and choice among near-best cards."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskwright.core import ParameterError, generator
from riskwright.evidence import Binarizer
from riskwright.solvers import Found, Patterns, fold

from .card_building import pattern_totals
from .inputs import TrainingData, item_chunks

__all__ = ["INTERRUPTED", "TOO_FEW", "Split", "choose_by_cross_validation", "folds", "once_tested"]

INTERRUPTED = "not cross-validated: interrupted"
TOO_FEW = "not cross-validated: too few rows of an outcome"
_COUNTED_ITEMS = 16  # of a support whose 2^items cells are counted


Split = tuple[NDArray[np.intp], NDArray[np.intp]]


def folds(data: TrainingData, cv: Any, seed: int) -> list[Split]:
    """(train, test) row numbers, each train part with both classes; none for None.

    A number means that many stratified, shuffled folds (fewer where a class has fewer rows, and
    none where a class has one); a splitter or an iterable of splits is taken as scikit-learn
    takes it. Raises `ParameterError` for splits that cannot be used.
    """
    y = data.y
    if cv is None:
        return []
    if isinstance(cv, int | np.integer):
        k = min(int(cv), int(y.sum()), int(len(y) - y.sum()))
        splits = _stratified(y, k, seed) if k > 1 else []
    else:
        try:
            if hasattr(cv, "split"):
                splits = list(cv.split(np.zeros((len(y), 1)), y))
            else:
                splits = [(data.place(train), data.place(test)) for train, test in cv]
        except (IndexError, TypeError, ValueError) as error:
            raise ParameterError(
                f"splits that cannot be used: {error}",
                where="cv=",
                expected="a splitter, or pairs of train and test row numbers",
            ) from None
    splits = [(train, test) for train, test in splits if len(np.unique(y[train])) == 2]
    return [(train, test) for train, test in splits if len(test)]


def once_tested(splits: Sequence[Split], n: int) -> list[Split]:
    """The splits with each of n rows in the first test part alone that holds it."""
    seen = np.zeros(n, dtype=bool)
    once = []
    for train, test in splits:
        fresh = np.unique(test[~seen[test]])
        seen[fresh] = True
        if len(fresh):
            once.append((train, fresh))
    return once


def _stratified(y: NDArray[np.uint8], k: int, seed: int) -> list[Split]:
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
    splits: Sequence[Split],
    bound: float,
    *,
    unit: bool = False,
) -> int:
    """Index of the smallest card of the pool whose cross-validated log loss is within one standard
    error of the best (paired over folds); the first where there are no folds. Slope and intercept
    are fitted anew in every fold (class unit: a whole intercept alone); the points are those of the
    pool. Size: number of terms, then sum of absolute points.
    """
    parts = _fold_parts(binarizer, data, splits)
    if not parts:
        return 0
    losses = np.empty((len(pool), len(parts)))
    for items in dict.fromkeys(found.items for found in pool):
        narrow = [(_cells(train, items), _cells(test, items)) for train, test in parts]
        for i, found in enumerate(pool):
            if found.items == items:
                on_cells = dataclasses.replace(found, items=tuple(range(len(items))))
                losses[i] = _fold_losses(on_cells, narrow, bound, unit)
    mean = losses.mean(axis=1)
    best = int(mean.argmin())
    difference = losses - losses[best]
    n_folds = losses.shape[1]
    error = difference.std(axis=1, ddof=min(1, n_folds - 1)) / np.sqrt(n_folds)
    near = [i for i in range(len(pool)) if mean[i] - mean[best] <= error[i] + 1e-12]
    return min(near, key=lambda i: (len(pool[i].items), sum(map(abs, pool[i].points)), i))


def _fold_parts(
    binarizer: Binarizer, data: TrainingData, splits: Sequence[Split]
) -> list[tuple[Patterns, Patterns]]:
    binary = all(item.kind != "value" for item in binarizer.items_)
    n_items = len(binarizer.items_)

    def folded(rows: NDArray[np.intp]) -> Patterns:
        return fold(item_chunks(binarizer, data.take(rows)), n_items, binary=binary)

    return [(folded(train), folded(test)) for train, test in splits]


def _cells(patterns: Patterns, items: Sequence[int]) -> Patterns:
    """The patterns of these items alone: few, where the items are 0/1."""
    if patterns.bits is None or len(items) > _COUNTED_ITEMS:
        values = [patterns.column(j) for j in items]
        table = np.column_stack(values) if values else np.zeros((len(patterns), 0))
        return Patterns(len(items), patterns.positive, patterns.negative, values=table)
    cell = np.zeros(len(patterns), dtype=np.intp)
    for place, j in enumerate(items):
        cell += patterns.column(j).astype(np.intp) << place
    size = 1 << len(items)
    rows = np.arange(size)[:, None] >> np.arange(len(items)) & 1
    return Patterns(
        len(items),
        np.bincount(cell, patterns.positive, size).astype(np.float64),
        np.bincount(cell, patterns.negative, size).astype(np.float64),
        values=rows.astype(np.float64),
    )


def _fold_losses(
    found: Found, parts: Sequence[tuple[Patterns, Patterns]], bound: float, unit: bool
) -> NDArray[np.float64]:
    largest = bound / max(map(abs, found.points), default=1)
    out = []
    for train, test in parts:
        total, positive, negative = _totals_table(found, train).T
        slopes = (1.0, 1.0) if unit else (0.0, largest)
        slope, intercept = fit_slope(total, positive, negative, *slopes)
        if unit:
            intercept = min(
                (float(np.floor(intercept)), float(np.ceil(intercept))),
                key=lambda b: _loss(total + b, positive, negative),
            )
        total, positive, negative = _totals_table(found, test).T
        loss = _loss(slope * total + intercept, positive, negative)
        out.append(loss / (positive.sum() + negative.sum()))
    return np.array(out)


def _totals_table(found: Found, patterns: Patterns) -> NDArray[np.float64]:
    values, place = np.unique(pattern_totals(patterns, found), return_inverse=True)
    positive = np.bincount(place, weights=patterns.positive, minlength=len(values))
    negative = np.bincount(place, weights=patterns.negative, minlength=len(values))
    return np.column_stack([values, positive, negative])


def _loss(
    s: NDArray[np.float64], positive: NDArray[np.float64], negative: NDArray[np.float64]
) -> float:
    return float(positive @ np.logaddexp(0, -s) + negative @ np.logaddexp(0, s))


def fit_slope(
    total: NDArray[np.float64],
    positive: NDArray[np.float64],
    negative: NDArray[np.float64],
    smallest: float,
    largest: float,
) -> tuple[float, float]:
    """Slope in [smallest, largest] and intercept that minimise the logistic loss.

    Damped Newton steps; a slope that is pushed against its bound is held there.
    """
    weight = positive + negative
    events = max(float(positive.sum()), 0.5), max(float(negative.sum()), 0.5)
    slope, intercept = smallest, float(np.log(events[0] / events[1]))
    value = _loss(slope * total + intercept, positive, negative)
    near = 1e-6 * (largest - smallest)
    for _ in range(100):
        p = expit(slope * total + intercept)
        residual, curvature = weight * p - positive, weight * p * (1 - p)
        g = np.array([residual @ total, residual.sum()])
        h = np.array(
            [
                [curvature @ total**2, curvature @ total],
                [curvature @ total, curvature.sum()],
            ]
        )
        h += 1e-12 * (1e-9 + np.trace(h)) * np.eye(2)
        held = largest if g[0] < 0 else smallest
        if abs(slope - held) <= near:
            step = np.array([slope - held, g[1] / h[1, 1]])
        else:
            step = np.linalg.solve(h, g)
        for length in 0.5 ** np.arange(30.0):
            a = float(np.clip(slope - length * step[0], smallest, largest))
            b = float(intercept - length * step[1])
            new = _loss(a * total + b, positive, negative)
            if new <= value:
                break
        else:
            break
        moved = abs(a - slope) + abs(b - intercept)
        slope, intercept, value = a, b, new
        if moved < 1e-12:
            break
    return slope, intercept
