"""Exact search for the conjunctions of highest SliceLine score, none nested in a better one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ColumnError
from riskwright.stats._kernels import worst_slices

__all__ = ["FoundSlice", "affordable_depth", "ranked_slices"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_KEPT = 256
_MOST_DEPTH = 6
_MOST_CELLS = 2**23
_MOST_JOINED = 2_000_000


@dataclass(frozen=True)
class FoundSlice:
    """A conjunction: (place of the column, number of the value), its rows and its score."""

    conditions: tuple[tuple[int, int], ...]
    score: float
    inside: Bools


def affordable_depth(columns: int, depth: int) -> int:
    """The most conditions, up to `depth`, that can be searched in a table of so many columns."""
    while depth > 1 and math.comb(columns, depth) > _MOST_JOINED:
        depth -= 1
    return depth


def ranked_slices(
    codes: list[NDArray[np.int32]],
    cards: list[int],
    loss: Floats,
    weight: Floats | None,
    *,
    depth: int,
    alpha: float,
    min_rows: int,
    k: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[FoundSlice], int]:
    """The k best slices and the number of conjunctions examined.

    A slice is left out where it is nested in a better one, and where better ones explain it: what
    remains of it without their rows is too small or has no score above 0. The kernel returns the
    best 256; where these do not hold k that stay, it is asked again without what is settled
    (`progress` is told of the first time only).
    """
    _check_work(cards, depth)
    if not codes:
        return [], 0
    small = np.uint8 if max(cards) <= 256 else np.uint16
    columns = np.empty((len(codes), loss.size), small)
    for place, code in enumerate(codes):
        columns[place] = code
    accepted: list[FoundSlice] = []
    explained: list[tuple[tuple[int, int], ...]] = []
    taken = np.zeros(loss.size, bool)
    while True:
        excluded, nested = _settled(accepted, explained)
        conditions, figures, examined = worst_slices(
            columns,
            np.asarray(cards, np.int64),
            loss,
            np.empty(0) if weight is None else weight,
            depth,
            alpha,
            float(min_rows),
            _KEPT,
            excluded,
            nested,
            progress,
        )
        progress = None
        for rows, score in zip(conditions, figures[:, 0], strict=True):
            found = tuple((int(c), int(v)) for c, v in rows if c >= 0)
            if any(_nested(found, other.conditions) for other in accepted):
                continue
            inside = np.ones(loss.size, bool)
            for column, value in found:
                inside &= columns[column] == value
            rest = inside & ~taken
            if _score(loss, weight, rest, alpha, min_rows) <= 0:
                explained.append(found)
                continue
            accepted.append(FoundSlice(found, float(score), inside))
            taken |= inside
            if len(accepted) == k:
                return accepted, int(examined)
        if len(figures) < _KEPT:
            return accepted, int(examined)


def _settled(
    accepted: list[FoundSlice], explained: list[tuple[tuple[int, int], ...]]
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    all_of = [s.conditions for s in accepted] + explained
    rows = np.full((len(all_of), _MOST_DEPTH, 2), -1, np.int32)
    for row, conditions in zip(rows, all_of, strict=True):
        row[: len(conditions)] = conditions
    return rows, np.array([1] * len(accepted) + [0] * len(explained), np.uint8)


def _nested(one: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]) -> bool:
    return set(one) <= set(other) or set(other) <= set(one)


def _score(
    loss: Floats, weight: Floats | None, inside: Bools, alpha: float, min_rows: int
) -> float:
    """Score of these rows; 0 where they are too few."""
    if inside.sum() < min_rows:
        return 0.0
    w = np.ones(loss.size) if weight is None else weight
    total, within = float(w.sum()), float(w[inside].sum())
    ratio = float(w[inside] @ loss[inside]) / within / (float(w @ loss) / total)
    return alpha * (ratio - 1) - (1 - alpha) * (total / within - 1)


def _check_work(cards: list[int], depth: int) -> None:
    widest = math.prod(sorted(cards)[-depth:])
    if widest > _MOST_CELLS:
        raise ColumnError(
            "too many values to join",
            where="table",
            expected=f"at most {_MOST_CELLS:,} combinations of the {depth} widest columns",
            got=f"{widest:,}",
            hint="Lower depth or bins, or raise min_share",
        )
    joined = math.comb(len(cards), min(depth, len(cards)))
    if joined > _MOST_JOINED:
        raise ColumnError(
            "too many columns to join",
            where="table",
            expected=f"at most {_MOST_JOINED:,} combinations of {depth} columns",
            got=f"{joined:,} of {len(cards)} columns",
            hint="Lower depth, or name fewer columns",
        )
