"""Recourse: the cheapest action that reaches the target, or a proof that there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError
from riskwright.stats._columns import numbers, refuse, same_length

from ._decisions import Decisions
from .reachable import ReachableSets

__all__ = ["PercentileShift", "Recourse", "Search", "search"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Bools = NDArray[np.bool_]
Cost = Callable[[Any, Any], Any]
_POINTS = 1_000_000


class Recourse(NamedTuple):
    """What one person could do.

    Attributes
    ----------
    row : of X, counted from 0.
    status : "found"; "none", proved by trying every reachable point; or "not found" in the points
        that were tried.
    cost : of the action found, else nan.
    changes : feature to (from, to), forced changes included.
    cheapest : whether every reachable point that is cheaper was tried.
    tried : number of reachable points that were tried.
    """

    row: int
    status: Literal["found", "none", "not found"]
    cost: float
    changes: dict[str, tuple[Any, Any]]
    cheapest: bool
    tried: int


class PercentileShift:
    """Cost of an action: the percentiles by which its features move in the table, added up.

    Of a number it is |F(new) - F(old)|, with F the mid-distribution function of all rows of X,
    linear between its values: 1 for a way from below all to above all, 1/2 for a 0/1 feature. A
    change of an unordered text costs 1, as does a move within a one-hot group.
    """

    def __init__(self, sets: ReachableSets) -> None:
        self.tables: list[tuple[Floats, Floats] | None] = []
        rules = {rule.column: rule for part in sets.parts for rule in part.bound.rules}
        for j in sets.columns:
            text = sets.people.observed[sets.people.names[j]].kind == "text"
            if text and not rules[int(j)].ordered:
                self.tables.append(None)
                continue
            distinct, count = np.unique(sets.people.codes[:, j], return_counts=True)
            self.tables.append((distinct, (np.cumsum(count) - count / 2) / count.sum()))

    def __call__(self, start: Floats, reached: Floats) -> Floats:
        """Of (N, p) values of the columns that can move."""
        return self.part(slice(0, len(self.tables)), start, reached)

    def part(self, columns: slice, start: Floats, reached: Floats) -> Floats:
        cost = np.zeros(len(start))
        for k, table in enumerate(self.tables[columns]):
            if table is None:
                cost += start[:, k] != reached[:, k]
            else:
                cost += np.abs(np.interp(reached[:, k], *table) - np.interp(start[:, k], *table))
        return cost


@dataclass(frozen=True)
class Search:
    """By person: whether a point reaches the target, whether all were tried, how many, and the
    cheapest success (nan where none)."""

    found: Bools
    complete: Bools
    tried: Indices
    cost: Floats
    values: Floats


def search(
    sets: ReachableSets,
    decisions: Decisions,
    persons: Indices,
    *,
    shift: PercentileShift,
    cost: Cost | None,
    draws: int,
    kept: tuple[Indices, Floats],
    rng: np.random.Generator,
) -> Search:
    """The cheapest success for each of `persons`.

    A set of at most `sets.limit` points is tried in order of cost until one succeeds; of a larger
    one `draws` points, and the successful single changes `kept`.
    """
    n, width = len(sets.rows), len(sets.columns)
    result = Search(
        np.zeros(n, dtype=bool),
        sets.sizes <= sets.limit,
        np.zeros(n, dtype=np.intp),
        np.full(n, np.nan),
        np.full((n, width), np.nan),
    )
    starts = sets.people.codes[sets.rows][:, sets.columns]
    small = persons[(sets.sizes[persons] <= sets.limit) & (sets.sizes[persons] > 1)]
    for block in _blocks(small, sets.sizes[small]):
        _in_order(sets, decisions, block, shift, cost, starts, result)
    large = persons[sets.sizes[persons] > sets.limit]
    for block in _blocks(large, np.full(len(large), float(draws * max(1, width // 4)))):
        _at_random(sets, decisions, block, shift, cost, starts, draws, kept, rng, result)
    return result


def _blocks(persons: Indices, sizes: Floats) -> list[Indices]:
    if not len(persons):
        return []
    return np.split(persons, np.flatnonzero(np.diff(np.cumsum(sizes) // _POINTS)) + 1)


def _in_order(
    sets: ReachableSets,
    decisions: Decisions,
    persons: Indices,
    shift: PercentileShift,
    cost: Cost | None,
    starts: Floats,
    result: Search,
) -> None:
    """Try whole sets, cheapest points first, ever more of them for those still without."""
    whom, options = sets.product(persons)
    costs = _option_costs(sets, shift, whom, options) if cost is None else np.concatenate(
        [
            _costs(sets, cost, whom[at : at + _POINTS // 4], sets.values(
                options[at : at + _POINTS // 4]), starts, shift)
            for at in range(0, len(whom), _POINTS // 4)
        ]
    )
    order = np.lexsort((costs, whom))
    first = np.concatenate(([True], whom[order][1:] != whom[order][:-1]))
    rank = np.arange(len(order)) - np.flatnonzero(first)[np.cumsum(first) - 1]
    low, high = 0, 32
    while len(order):
        now = rank < high
        at = order[now]
        reached = decisions.of(sets, whom[at], options[at])
        result.tried[:] += np.bincount(whom[at], minlength=len(result.tried))
        good = at[reached]
        lucky, place = np.unique(whom[good], return_index=True)
        result.found[lucky] = True
        result.cost[lucky] = costs[good[place]]
        result.values[lucky] = sets.values(options[good[place]])
        left = ~now & ~result.found[whom[order]]
        order, rank = order[left], rank[left]
        low, high = high, high * 4


def _at_random(
    sets: ReachableSets,
    decisions: Decisions,
    persons: Indices,
    shift: PercentileShift,
    cost: Cost | None,
    starts: Floats,
    draws: int,
    kept: tuple[Indices, Floats],
    rng: np.random.Generator,
    result: Search,
) -> None:
    drawn = [part.draw_any(persons, draws, rng) for part in sets.parts]
    values = np.concatenate(drawn, axis=2).reshape(len(persons) * draws, -1)
    whom = np.repeat(persons, draws)
    reached = decisions.in_blocks(sets, whom, lambda block: values[block])
    result.tried[persons] += draws
    mine = np.isin(kept[0], persons)
    whom = np.concatenate((whom[reached], kept[0][mine]))
    values = np.concatenate((values[reached], kept[1][mine]))
    costs = _costs(sets, cost, whom, values, starts, shift)
    order = np.lexsort((costs, whom))
    lucky, place = np.unique(whom[order], return_index=True)
    best = order[place]
    result.found[lucky] = True
    result.cost[lucky] = costs[best]
    result.values[lucky] = values[best]


def _option_costs(
    sets: ReachableSets, shift: PercentileShift, whom: Indices, options: Indices
) -> Floats:
    """Percentile shifts add up over parts, so that each listed joint value is priced once."""
    total, begin = np.zeros(len(whom)), 0
    for p, part in enumerate(sets.parts):
        assert part.listed is not None
        end = begin + len(part.columns)
        starts = part.starts[part.listed.owner]
        total += shift.part(slice(begin, end), starts, part.listed.reached)[options[:, p]]
        begin = end
    return total


def _costs(
    sets: ReachableSets,
    cost: Cost | None,
    whom: Indices,
    values: Floats,
    starts: Floats,
    shift: PercentileShift,
) -> Floats:
    if cost is None or not len(whom):
        return shift(starts[whom], values)
    index = sets.rows[whom]
    after = sets.people.rows(index, sets.columns.tolist(), values)
    prices = numbers(cost(sets.people.rows(index), after), "cost")
    same_length(prices, "cost", len(whom), "its input")
    refuse(prices < 0, "cost", "negative costs", "values of at least 0")
    return prices


def checked_cost(cost: Cost | None) -> Cost | None:
    if cost is not None and not callable(cost):
        raise ParameterError(
            "not a function", where="cost", expected="a callable of two tables, before and after"
        )
    return cost
