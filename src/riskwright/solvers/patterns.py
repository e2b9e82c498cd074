"""Rows with equal items folded into weighted patterns, so that cost stops growing with rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._kernels import BinaryFolder

__all__ = ["Patterns", "fold"]


@dataclass(frozen=True)
class Patterns:
    """Distinct rows and the weight of events and of non-events that each stands for.

    Binary items are kept as `bits` (m x ceil(d / 64), item j in bit j % 64 of word j // 64), other
    items as `values` (m x d, float64); the other one is None.
    """

    n_items: int
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    bits: NDArray[np.uint64] | None = None
    values: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.positive)

    @property
    def total(self) -> float:
        return float(self.positive.sum() + self.negative.sum())

    def column(self, item: int) -> NDArray[np.float64]:
        """Values of one item, one per pattern."""
        if self.values is not None:
            return self.values[:, item]
        assert self.bits is not None
        word = self.bits[:, item // 64] >> np.uint64(item % 64)
        return (word & np.uint64(1)).astype(np.float64)

    def dense(self) -> NDArray[np.float64]:
        """All items as an m x d matrix."""
        if self.values is not None:
            return self.values
        return np.column_stack([self.column(j) for j in range(self.n_items)])


Chunk = tuple[NDArray[np.generic], NDArray[np.uint8], NDArray[np.float64] | None]


def fold(chunks: Iterable[Chunk], n_items: int, *, binary: bool) -> Patterns:
    """Fold chunks of (item matrix, 0/1 outcome, weights or None) into patterns.

    The result does not depend on the order of the rows, and a row of weight 2 counts exactly as
    two rows. Patterns of weight 0 are left out. O(n d) time; memory grows with distinct rows.
    """
    if binary:
        folder = BinaryFolder(n_items)
        for items, y, weight in chunks:
            folder.add(np.ascontiguousarray(items, dtype=np.uint8), y, weight)
        bits, positive, negative = folder.patterns()
        return Patterns(n_items, positive, negative, bits=bits)
    parts = [
        (np.asarray(items, dtype=np.float64), y, np.ones(len(y)) if weight is None else weight)
        for items, y, weight in chunks
    ]
    rows = np.concatenate([items for items, _, _ in parts]) + 0.0
    y = np.concatenate([y for _, y, _ in parts])
    weight = np.concatenate([weight for _, _, weight in parts])
    keep = weight > 0
    distinct, inverse = _distinct(rows[keep])
    events = (weight * y)[keep]
    positive = np.bincount(inverse, events, len(distinct)).astype(np.float64)
    negative = np.bincount(inverse, weight[keep] - events, len(distinct)).astype(np.float64)
    return Patterns(n_items, positive, negative, values=np.ascontiguousarray(distinct))


def _distinct(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distinct rows in an order of their own, and the place of each row among them.

    Rows are sorted by a 64-bit hash; if two different ones share it, by their values.
    """
    hashes = np.zeros(len(rows), dtype=np.uint64)
    for j in range(rows.shape[1]):
        column = np.ascontiguousarray(rows[:, j]).view(np.uint64)
        hashes += _mixed(_mixed(column) + np.uint64(0x9E3779B97F4A7C15 * (j + 1) % 2**64))
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    distinct = rows[first]
    if all((rows[:, j] == distinct[inverse, j]).all() for j in range(rows.shape[1])):
        return distinct, inverse.ravel()
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    return distinct, inverse.ravel()


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    mixed: NDArray[np.uint64] = bits ^ (bits >> np.uint64(32))
    return mixed
