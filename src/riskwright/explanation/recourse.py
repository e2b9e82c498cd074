"""Recourse: the cheapest action that reaches the target, or a proof that there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError
from riskwright.stats._columns import numbers, refuse, same_length

from ._decisions import Decisions
from .reachable import Part, ReachableSets, gather

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

        self._begin: dict[Part, int] = {}
        for part in sets.parts:
            self._begin[part] = sum(len(other.columns) for other in self._begin)

    def __call__(self, start: Floats, reached: Floats) -> Floats:
        """Of (N, p) values of the columns that can move."""
        return self._added(self.tables, start, reached)

    def of(self, part: Part) -> Floats | None:
        """Of the joint values of a part, which add up over parts; None where it is not listed."""
        if part.listed is None:
            return None
        begin = self._begin[part]
        tables = self.tables[begin : begin + len(part.columns)]
        return self._added(tables, part.starts[part.listed.owner], part.listed.reached)

    @staticmethod
    def _added(tables: list[Any], start: Floats, reached: Floats) -> Floats:
        cost = np.zeros(len(start))
        for k, table in enumerate(tables):
            if table is None:
                cost += start[:, k] != reached[:, k]
            else:
                cost += np.abs(np.interp(reached[:, k], *table) - np.interp(start[:, k], *table))
        return cost


@dataclass(frozen=True)
class Search:
    """By person: whether a point reaches the target, whether all points were tried (until one
    did), how many, the cheapest success (nan where none), and whether it is proved cheapest."""

    found: Bools
    complete: Bools
    tried: Indices
    cost: Floats
    values: Floats
    cheapest: Bools


@dataclass(frozen=True)
class _Task:
    """What the ways of searching share."""

    sets: ReachableSets
    decisions: Decisions
    shift: PercentileShift
    cost: Cost | None
    starts: Floats
    result: Search

    def win(self, whom: Indices, values: Floats, costs: Floats) -> None:
        """Take down the cheapest success of each person, if cheaper than what is known."""
        order = np.lexsort((costs, whom))
        lucky, place = np.unique(whom[order], return_index=True)
        best = order[place]
        better = ~(self.result.cost[lucky] <= costs[best])
        lucky, best = lucky[better], best[better]
        self.result.found[lucky] = True
        self.result.cost[lucky] = costs[best]
        self.result.values[lucky] = values[best]

    def price(self, whom: Indices, values: Floats) -> Floats:
        """Cost of points that are given by the values of the columns that can move."""
        if self.cost is None or not len(whom):
            return self.shift(self.starts[whom], values)
        people = self.sets.people
        index = self.sets.rows[whom]
        after = people.rows(index, self.sets.columns.tolist(), values)
        prices = numbers(self.cost(people.rows(index), after), "cost")
        same_length(prices, "cost", len(whom), "its input")
        refuse(prices < 0, "cost", "negative costs", "values of at least 0")
        return prices


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

    A set of at most `sets.limit` points is tried in order of cost until one succeeds. Of a larger
    one the successful single changes `kept` are taken; by the default cost what is cheaper still
    is tried, where that is at most `sets.limit` points; else `draws` points are.
    """
    n = len(sets.rows)
    result = Search(
        np.zeros(n, dtype=bool),
        sets.sizes <= sets.limit,
        np.zeros(n, dtype=np.intp),
        np.full(n, np.nan),
        np.full((n, len(sets.columns)), np.nan),
        np.zeros(n, dtype=bool),
    )
    starts = sets.people.codes[sets.rows][:, sets.columns]
    task = _Task(sets, decisions, shift, cost, starts, result)
    small = persons[(sets.sizes[persons] <= sets.limit) & (sets.sizes[persons] > 1)]
    for block in _blocks(small, sets.sizes[small]):
        whom, options = sets.product(block)
        _in_order(task, whom, options, _option_costs(task, whom, options))
    result.cheapest[small] = result.found[small]
    large = persons[sets.sizes[persons] > sets.limit]
    mine = np.isin(kept[0], large)
    task.win(kept[0][mine], kept[1][mine], task.price(kept[0][mine], kept[1][mine]))
    if cost is None and all(part.listed is not None for part in sets.parts):
        for whom, options, costs in _cheaper(task, large[result.found[large]]):
            _in_order(task, whom, options, costs)
    large = large[~result.cheapest[large]]
    for block in _blocks(large, np.full(len(large), float(draws * max(1, starts.shape[1] // 4)))):
        _at_random(task, block, draws, rng)
    return result


def _blocks(persons: Indices, sizes: Floats) -> list[Indices]:
    if not len(persons):
        return []
    return np.split(persons, np.flatnonzero(np.diff(np.cumsum(sizes) // _POINTS)) + 1)


def _in_order(task: _Task, whom: Indices, options: Indices, costs: Floats) -> None:
    """Try points, cheapest first, ever more of them for the people who have no success yet."""
    sets, result = task.sets, task.result
    order = np.lexsort((costs, whom))
    first = np.concatenate(([True], whom[order][1:] != whom[order][:-1]))[: len(order)]
    rank = np.arange(len(order)) - np.flatnonzero(first)[np.cumsum(first) - 1]
    high = 32
    while len(order):
        now = rank < high
        at = order[now]
        reached = task.decisions.of(sets, whom[at], options[at])
        result.tried[:] += np.bincount(whom[at], minlength=len(result.tried))
        good = at[reached]
        task.win(whom[good], sets.values(options[good]), costs[good])
        left = ~now & ~np.isin(whom[order], whom[good])
        order, rank = order[left], rank[left]
        high *= 4


def _cheaper(task: _Task, persons: Indices) -> Iterator[tuple[Indices, Indices, Floats]]:
    """For people with a success: all points that cost less, where these are within the limit.

    Part by part, with what costs too much already left out; notes in `cheapest` for whom the list
    is whole. Costs are compared to within 1e-9.
    """
    sets, result = task.sets, task.result
    ceiling = result.cost - 1e-9
    waiting = [persons]
    tables = [_by_cost(task, p) for p in range(len(sets.parts))]
    while waiting:
        block = waiting.pop()
        whom, costs = block, np.zeros(len(block))
        options = np.empty((len(block), 0), dtype=np.intp)
        for part, (keys, width, rows, price) in zip(sets.parts, tables, strict=True):
            assert part.listed is not None
            start = part.start_of[whom]
            end = np.searchsorted(keys, start * width + np.minimum(ceiling[whom] - costs, width))
            begin = part.listed.ptr[start]
            count = np.maximum(end - begin, 0)
            total = np.bincount(whom, count, minlength=len(result.cost))
            count[total[whom] > sets.limit] = 0
            if count.sum() > 4 * _POINTS and len(block) > 1:
                waiting += np.array_split(block, 2)
                break
            grown, at = gather(begin, count)
            whom, costs = whom[grown], costs[grown] + price[at]
            options = np.column_stack((options[grown], rows[at]))
            block = block[total[block] <= sets.limit]
        else:
            result.cheapest[block] = True
            yield whom, options, costs


def _by_cost(task: _Task, p: int) -> tuple[Floats, float, Indices, Floats]:
    """Joint values of a part, by start and cost: keys `start * width + cost`, width, rows, cost."""
    listed = task.sets.parts[p].listed
    assert listed is not None
    price = _part_costs(task, p)
    order = np.lexsort((price, listed.owner))
    width = float(price.max()) + 1.0
    return listed.owner[order] * width + price[order], width, order, price[order]


def _at_random(task: _Task, persons: Indices, draws: int, rng: np.random.Generator) -> None:
    sets = task.sets
    drawn = [part.draw_any(persons, draws, rng) for part in sets.parts]
    values = np.concatenate(drawn, axis=2).reshape(len(persons) * draws, -1)
    whom = np.repeat(persons, draws)
    reached = task.decisions.in_blocks(sets, whom, lambda block: values[block])
    task.result.tried[persons] += draws
    task.win(whom[reached], values[reached], task.price(whom[reached], values[reached]))


def _option_costs(task: _Task, whom: Indices, options: Indices) -> Floats:
    """Percentile shifts add up over parts, so that each listed joint value is priced once."""
    if task.cost is None:
        total = np.zeros(len(whom))
        for p in range(len(task.sets.parts)):
            total += _part_costs(task, p)[options[:, p]]
        return total
    size = _POINTS // 4
    blocks = [slice(at, at + size) for at in range(0, len(whom), size)]
    return np.concatenate([task.price(whom[b], task.sets.values(options[b])) for b in blocks])


def _part_costs(task: _Task, p: int) -> Floats:
    costs = task.shift.of(task.sets.parts[p])
    assert costs is not None
    return costs


def checked_cost(cost: Cost | None) -> Cost | None:
    if cost is not None and not callable(cost):
        raise ParameterError(
            "not a function", where="cost", expected="a callable of two tables, before and after"
        )
    return cost
