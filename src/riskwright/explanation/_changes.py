"""Every person against every single change: how many are feasible, how many reach the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._decisions import Decisions
from .reachable import ReachableSets, gather
from .recourse import PercentileShift

__all__ = ["SingleChanges", "single_changes"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Bools = NDArray[np.bool_]
_POINTS = 2_000_000
_KEPT = 5


@dataclass(frozen=True)
class SingleChanges:
    """By person and column: changes tried, how many reached the target, whether all were tried.

    `kept` holds the cheapest successful points of people whose whole set is not enumerated: whose,
    and the values of the columns that can move.
    """

    tried: Indices
    hits: Indices
    exact: Bools
    kept: tuple[Indices, Floats]


class _Batch(NamedTuple):
    """Changes of listed parts: whose, of which column, which part, which row of `listed`."""

    whom: Indices
    column: Indices
    part: Indices
    row: Indices


def single_changes(
    sets: ReachableSets,
    decisions: Decisions,
    *,
    draws: int,
    rng: np.random.Generator,
    shift: PercentileShift,
) -> SingleChanges:
    """All changes of one feature where there are at most `draws` for the person, else `draws`."""
    shape = (len(sets.rows), len(sets.people.names))
    tried, hits = np.zeros(shape, dtype=np.intp), np.zeros(shape, dtype=np.intp)
    exact = np.ones(shape, dtype=bool)
    kept: list[tuple[Indices, Floats]] = []
    keep = sets.sizes > sets.limit
    prices = [shift.of(part) for part in sets.parts]
    starts = sets.people.codes[sets.rows][:, sets.columns]
    for batch in _listed(sets, draws, exact, rng):
        _, first, back = np.unique(_hashes(sets, batch), return_index=True, return_inverse=True)
        points = _Batch(*(field[first] for field in batch))
        reached = decisions.in_blocks(sets, points.whom, _values(sets, starts, points))[back]
        _count(tried, hits, batch.whom, batch.column, reached)
        good = np.flatnonzero(reached & keep[batch.whom])
        won = _Batch(*(field[good] for field in batch))
        cheap = _cheapest(won.whom, won.column, _price(prices, won))
        won = _Batch(*(field[cheap] for field in won))
        kept.append((won.whom, _values(sets, starts, won)(slice(None))))
    for whom, column, values in _drawn(sets, starts, draws, exact, rng):
        reached = decisions.in_blocks(sets, whom, lambda b, values=values: values[b])  # type: ignore[misc]
        columns = np.full(len(whom), column)
        _count(tried, hits, whom, columns, reached)
        whom, columns, values = whom[reached], columns[reached], values[reached]
        cheap = _cheapest(whom, columns, shift(starts[whom], values))
        kept.append((whom[cheap], values[cheap]))
    empty = (np.empty(0, np.intp), np.empty((0, len(sets.columns))))
    whose, points_kept = zip(*kept, strict=True) if kept else ((empty[0],), (empty[1],))
    return SingleChanges(tried, hits, exact, (np.concatenate(whose), np.concatenate(points_kept)))


def _count(tried: Indices, hits: Indices, whom: Indices, column: Indices, reached: Bools) -> None:
    key = whom * tried.shape[1] + column
    tried += np.bincount(key, minlength=tried.size).reshape(tried.shape)
    hits += np.bincount(key[reached], minlength=tried.size).reshape(tried.shape)


def _cheapest(whom: Indices, column: Indices, price: Floats) -> Indices:
    """Places of the few cheapest points of each person and column."""
    key = whom * (int(column.max(initial=0)) + 1) + column
    order = np.lexsort((price, key))
    first = np.concatenate(([True], key[order][1:] != key[order][:-1]))[: len(order)]
    rank = np.arange(len(order)) - np.flatnonzero(first)[np.cumsum(first) - 1]
    return np.asarray(order[rank < _KEPT], dtype=np.intp)


def _price(prices: list[Floats | None], batch: _Batch) -> Floats:
    total = np.zeros(len(batch.whom))
    for p, price in enumerate(prices):
        at = np.flatnonzero(batch.part == p)
        if price is not None and at.size:
            total[at] = price[batch.row[at]]
    return total


def _listed(
    sets: ReachableSets, draws: int, exact: Bools, rng: np.random.Generator
) -> Iterator[_Batch]:
    """Changes within listed parts, some people at a time; marks in `exact` what is drawn."""
    tables = []
    for p, part in enumerate(sets.parts):
        if part.listed is None:
            continue
        for k, column in enumerate(part.columns):
            if part.bound.rules[column].fixed:
                continue
            ptr, rows = part.one_at_a_time(k)
            count = np.diff(ptr)[part.start_of]
            exact[:, column] = count <= draws
            tables.append((p, int(column), ptr[:-1][part.start_of], count, rows))
    if not tables:
        return
    total = np.sum([np.minimum(count, draws) for *_, count, _ in tables], axis=0)
    ends = np.searchsorted(np.cumsum(total), np.arange(_POINTS, total.sum() + _POINTS, _POINTS))
    cuts = np.unique([0, *np.minimum(ends + 1, len(total)).tolist(), len(total)])
    for low, high in pairwise(cuts.tolist()):
        pieces = []
        for p, column, first, count, rows in tables:
            whom, at = _tried(first[low:high], count[low:high], draws, rng)
            same = np.ones(len(whom), dtype=np.intp)
            pieces.append(_Batch(whom + low, same * column, same * p, rows[at]))
        yield _Batch(*(np.concatenate(field) for field in zip(*pieces, strict=True)))


def _tried(
    first: Indices, count: Indices, draws: int, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """All places of each range of at most `draws`, else `draws` drawn with replacement."""
    many = count > draws
    owner, at = gather(first, np.where(many, draws, count))
    if many.any():
        drawn = many[owner]
        whom = owner[drawn]
        at[drawn] = first[whom] + np.floor(count[whom] * rng.random(len(whom))).astype(np.intp)
    return owner, at


def _hashes(sets: ReachableSets, batch: _Batch) -> NDArray[np.uint64]:
    hashes = sets.hashes[batch.whom]
    for p, part in enumerate(sets.parts):
        at = np.flatnonzero(batch.part == p)
        if at.size:
            hashes[at] += part.hashes[batch.row[at]]
            hashes[at] -= part.start_hashes[part.start_of[batch.whom[at]]]
    return hashes


def _values(sets: ReachableSets, starts: Floats, batch: _Batch) -> Callable[[slice], Floats]:
    def values(block: slice) -> Floats:
        points = starts[batch.whom[block]]
        begin = 0
        for p, part in enumerate(sets.parts):
            end = begin + len(part.columns)
            at = np.flatnonzero(batch.part[block] == p)
            if at.size:
                assert part.listed is not None
                points[at, begin:end] = part.listed.reached[batch.row[block][at]]
            begin = end
        return points

    return values


def _drawn(
    sets: ReachableSets, starts: Floats, draws: int, exact: Bools, rng: np.random.Generator
) -> Iterator[tuple[Indices, int, Floats]]:
    """Changes within parts that are not listed: whose, of which column, values."""
    size = max(1, _POINTS // (4 * draws))
    begin = 0
    for part in sets.parts:
        end = begin + len(part.columns)
        for k, column in enumerate(part.columns) if part.listed is None else ():
            rule = part.bound.rules[column]
            low, high = rule.reach(starts[:, begin + k])
            least, most = rule.steps(starts[:, begin + k])
            able = np.flatnonzero((most > least) if rule.step else (high > low))
            exact[able, column] = False
            for at in range(0, len(able), size):
                persons = able[at : at + size]
                who, joint = part.draw_one(k, persons, draws, rng)
                values = starts[persons[who]]
                values[:, begin:end] = joint
                yield persons[who], int(column), values
        begin = end
