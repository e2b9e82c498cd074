"""Reachable sets: all that a person can become, enumerated where it is finite and small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError

from ._people import Hashes, People, fingerprints
from ._rules import Bound, Choices, bind, refuse_rows
from .actions import Actions, stated_levels

__all__ = ["Listed", "Part", "ReachableSets", "enumerated", "gather"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Bools = NDArray[np.bool_]
LIMIT = 10_000
_ROWS = 20_000_000
_SHORT = 50
_BLOCK = 20_000


class Listed(NamedTuple):
    """Joint values of one part, for m distinct starts: those of start u are the rows
    `ptr[u]:ptr[u + 1]`. `own` is each feature's own change, `pick` which of its choices that is."""

    ptr: Indices
    owner: Indices
    reached: Floats
    own: Floats
    pick: Indices


@dataclass(frozen=True, eq=False)
class Part:
    """Features that constraints tie together, a source before what it moves.

    `start_of` (n,) says which of the distinct `starts` (m, p) a person has; `listed` is None where
    some person has more than the limit of joint values, or a continuous feature.
    """

    bound: Bound
    columns: Indices
    start_of: Indices
    starts: Floats
    listed: Listed | None

    @cached_property
    def hashes(self) -> Hashes:
        """Of the listed joint values."""
        assert self.listed is not None
        return fingerprints(self.listed.reached, self.columns.tolist())

    @cached_property
    def start_hashes(self) -> Hashes:
        return fingerprints(self.starts, self.columns.tolist())

    def one_at_a_time(self, k: int) -> tuple[Indices, Indices]:
        """(ptr, rows of `listed`): what changing the k-th feature can give, by start.

        Of all joint values with the same own change of this feature, those stay in which the
        fewest other features change of their own.
        """
        assert self.listed is not None
        listed = self.listed
        rows = np.flatnonzero(listed.own[:, k] != 0)
        if len(self.columns) > 1 and rows.size:
            others = np.count_nonzero(listed.own[rows], axis=1)
            width = int(listed.pick[:, k].max()) + 1
            key = listed.owner[rows] * width + listed.pick[rows, k]
            fewest = np.full(len(self.starts) * width, len(self.columns) + 1)
            np.minimum.at(fewest, key, others)
            rows = rows[others == fewest[key]]
        count = np.bincount(listed.owner[rows], minlength=len(self.starts))
        return np.concatenate(([0], np.cumsum(count))), rows

    def draw_one(
        self, k: int, persons: Indices, draws: int, rng: np.random.Generator
    ) -> tuple[Indices, Floats]:
        """Changes of the k-th feature: which of `persons` each is for, and the joint value.

        The own change is uniform over what the feature may do; where it cannot stand alone it is
        completed as in `one_at_a_time`, with one completion drawn. A change with m completions is
        then kept with probability m / (the most that any change drawn for the person has), so that
        each joint value counts alike. What cannot be completed is left out: fewer than `draws` may
        come back.
        """
        rule = self.bound.rules[self.columns[k]]
        whom = np.repeat(np.arange(len(persons)), draws)
        starts = self.starts[self.start_of[persons]][whom]
        own = np.zeros_like(starts)
        own[:, k] = rule.draw(starts[:, k], rng)
        moved = own[:, k] != 0
        reached, ok = self._moved(starts, own)
        values, weight = reached, np.ones(len(whom))
        ok &= moved
        hard = np.flatnonzero(moved & ~ok) if len(self.columns) > 1 else np.empty(0, np.intp)
        for block in np.array_split(hard, max(1, len(hard) // _BLOCK)):
            if block.size:
                done, completed, count = self._completed(starts[block], k, own[block, k], rng)
                values[block[done]], weight[block[done]] = completed, count
                ok[block[done]] = True
        most = np.ones(len(persons))
        np.maximum.at(most, whom[ok], weight[ok])
        if most.max() > 1:
            ok &= rng.random(len(whom)) * most[whom] < weight
        return whom[ok], values[ok]

    def draw_any(self, persons: Indices, draws: int, rng: np.random.Generator) -> Floats:
        """(len(persons), draws, p): joint values, listed ones uniformly; else each feature that
        cannot be listed stays or is drawn anew, and one of what is feasible then is taken."""
        start_of = np.repeat(self.start_of[persons], draws)
        if self.listed is not None:
            ptr = self.listed.ptr
            count = ptr[start_of + 1] - ptr[start_of]
            rows = ptr[start_of] + np.floor(count * rng.random(len(start_of))).astype(np.intp)
            values = self.listed.reached[rows]
        elif len(self.columns) == 1:
            values = self.starts[start_of]
            drawn = self.bound.rules[self.columns[0]].draw(values[:, 0], rng)
            values[:, 0] += np.where(rng.random(len(values)) < 0.5, drawn, 0.0)
        else:
            values = self.starts[start_of]
            for block in np.array_split(np.arange(len(values)), max(1, len(values) // _BLOCK)):
                done, drawn, _ = self._completed(values[block], None, None, rng)
                values[block[done]] = drawn
        return values.reshape(len(persons), draws, -1)

    def _moved(self, starts: Floats, own: Floats) -> tuple[Floats, Bools]:
        """What own changes lead to, and whether that is feasible."""
        choices = [Choices.columns(own[:, k]) for k in range(own.shape[1])]
        listed = enumerated(self.bound, self.columns, starts, choices, limit=1)
        assert listed is not None
        ok = np.zeros(len(starts), dtype=bool)
        ok[listed.owner] = True
        reached = starts.copy()
        reached[listed.owner] = listed.reached
        return reached, ok

    def _completed(
        self, starts: Floats, k: int | None, own: Floats | None, rng: np.random.Generator
    ) -> tuple[Indices, Floats, Indices]:
        """One joint value for each start that has any: rows, values, and of how many it was drawn.
        With `k`, its own change is `own` and the fewest other features change."""
        stay = np.zeros(len(starts))
        short, full = [], []
        for c, column in enumerate(self.columns):
            rule = self.bound.rules[column]
            drawn = Choices.columns(stay, rule.draw(starts[:, c], rng))
            whole = drawn
            if rule.step:
                least, most = rule.steps(starts[:, c])
                if (most - least).max() < _SHORT:
                    whole = Choices.listed(rule, starts[:, c])
            if c == k and own is not None:
                drawn = whole = Choices.columns(own)
            short.append(drawn)
            full.append(whole)
        listed = enumerated(self.bound, self.columns, starts, full, limit=LIMIT)
        if listed is None:
            listed = enumerated(self.bound, self.columns, starts, short, limit=2**20)
        if listed is None:
            none = np.empty(0, np.intp)
            return none, np.empty((0, len(self.columns))), none
        kept = np.arange(len(listed.owner))
        if k is not None:
            others = np.count_nonzero(listed.own, axis=1)
            fewest = np.full(len(starts), len(self.columns) + 1)
            np.minimum.at(fewest, listed.owner, others)
            kept = np.flatnonzero(others == fewest[listed.owner])
        kept = kept[np.lexsort((rng.random(len(kept)), listed.owner[kept]))]
        owners, first, count = np.unique(listed.owner[kept], return_index=True, return_counts=True)
        return owners, listed.reached[kept[first]], count


class ReachableSets:
    """What each person of a table can become.

    Parameters
    ----------
    X : table of n people, as `Actions` takes it.
    actions : `Actions` on its columns; columns that it does not know are fixed.
    limit : the largest number of points per person that is enumerated.

    Attributes
    ----------
    sizes : (n,) number of reachable points, the present one included; inf where some feature is
        continuous or a part of the features alone has more joint values than `limit`.

    Raises
    ------
    DataError : rows break the constraints; it names the statement, how many, and the first rows.
    ColumnError, MissingValueError : the columns do not fit the actions.

    Notes
    -----
    Features fall into parts that no constraint ties together; the set is the product of the parts
    (Kothari, Kulynych, Weng and Ustun 2024). A part is listed once per distinct start, feature by
    feature, and what cannot hold any more is dropped on the way, so that a one-hot group of k
    costs O(k^2) and not 2^k. Linkage may lead outside of ranges seen, not of those stated.

    Examples
    --------
    >>> import polars as pl
    >>> X = pl.DataFrame({"age": [32], "years": [5], "job": ["b"]})
    >>> actions = (
    ...     Actions(["age", "years", "job"]).fix("age").change("years", 0, 1)
    ...     .moves_with("years", {"age": 1}).levels("job", ["a", "b", "c"])
    ... )
    >>> sets = ReachableSets(X, actions)
    >>> sets.sizes
    array([6.])
    >>> sets.points(0).sort("years", "job").rows()
    [(32, 5, 'a'), (32, 5, 'b'), (32, 5, 'c'), (33, 6, 'a'), (33, 6, 'b'), (33, 6, 'c')]
    """

    def __init__(
        self, X: Any, actions: Actions, *, limit: int = LIMIT, rows: Indices | None = None
    ) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ParameterError(
                "not a number of points", where="limit", expected="at least 1", got=repr(limit)
            )
        people = X if isinstance(X, People) else People(X, stated_levels(actions))
        bound = bind(actions, people)
        refuse_rows(bound)
        self.people, self.limit = people, limit
        self.rows = np.arange(len(people)) if rows is None else rows
        self.parts = tuple(
            _part(bound, columns, people.codes[self.rows], limit) for columns in _partition(bound)
        )
        self.columns = (
            np.concatenate([part.columns for part in self.parts])
            if self.parts
            else np.empty(0, np.intp)
        )

    @cached_property
    def sizes(self) -> Floats:
        sizes = np.ones(len(self.rows))
        for part in self.parts:
            if part.listed is None:
                sizes[:] = np.inf
            else:
                sizes *= np.diff(part.listed.ptr)[part.start_of]
        return sizes

    @cached_property
    def hashes(self) -> Hashes:
        """Of the people as they are."""
        codes = self.people.codes[self.rows]
        return fingerprints(codes, range(codes.shape[1]))

    def points(self, person: int) -> Any:
        """All points of one person (place in the table), as a table like X.

        Raises `ParameterError` where there are more than `limit`.
        """
        if not 0 <= person < len(self.rows):
            raise ParameterError(
                "no such person", where="person", expected=f"0 to {len(self.rows) - 1}"
            )
        if self.sizes[person] > self.limit:
            raise ParameterError(
                "too many points to list",
                where="person",
                expected=f"at most {self.limit:,}",
                got="continuous or unlisted"
                if np.isinf(self.sizes[person])
                else f"{self.sizes[person]:,.0f}",
                hint="Raise limit, or coarsen the steps",
            )
        whom, options = self.product(np.array([person]))
        return self.table(whom, options)

    def product(self, persons: Indices) -> tuple[Indices, Indices]:
        """Every point of `persons`: whose it is, and a row of `listed` for each part."""
        count = self.sizes[persons].astype(np.intp)
        whom = np.repeat(persons, count)
        within = np.arange(len(whom)) - np.repeat(np.cumsum(count) - count, count)
        options = np.empty((len(whom), len(self.parts)), dtype=np.intp)
        for p, part in enumerate(self.parts):
            assert part.listed is not None
            start = part.start_of[whom]
            size = np.diff(part.listed.ptr)[start]
            options[:, p] = part.listed.ptr[start] + within % size
            within //= size
        return whom, options

    def values(self, options: Indices) -> Floats:
        """Codes of `columns` for rows of `listed` of each part."""
        blocks = [
            part.listed.reached[options[:, p]]
            for p, part in enumerate(self.parts)
            if part.listed is not None
        ]
        return np.concatenate(blocks, axis=1) if blocks else np.empty((len(options), 0))

    def table(self, whom: Indices, options: Indices) -> Any:
        return self.people.rows(self.rows[whom], self.columns.tolist(), self.values(options))


def enumerated(
    bound: Bound, columns: Indices, starts: Floats, choices: list[Choices], *, limit: int
) -> Listed | None:
    """All feasible joint values from each start; None where a start has more than `limit`."""
    m, p = starts.shape
    owner = np.arange(m)
    own, pick = np.zeros((m, p)), np.zeros((m, p), dtype=np.intp)
    reached = starts.copy()
    place = {int(column): k for k, column in enumerate(columns)}
    ties = [
        (constraint, np.array([place[int(j)] for j in held]))
        for constraint, held in bound.constraints
        if int(held[0]) in place
    ]
    forced = [(place[s], place[t], scale) for s, t, scale in bound.links if s in place]
    for k, column in enumerate(columns):
        count = choices[k].counts[owner]
        if count.sum() > _ROWS:
            return None
        grown = np.repeat(np.arange(len(owner)), count)
        pick_k = np.arange(len(grown)) - np.repeat(np.cumsum(count) - count, count)
        owner, own, pick, reached = owner[grown], own[grown], pick[grown], reached[grown]
        own[:, k] = choices[k].own[choices[k].start[owner] + pick_k]
        pick[:, k] = pick_k
        start = starts[owner]
        reached[:, k] = start[:, k] + own[:, k]
        for source, target, scale in forced:
            if target == k:
                reached[:, k] += scale * (reached[:, source] - start[:, source])
        ok = bound.rules[column].allows(start[:, k], reached[:, k])
        for constraint, held in ties:
            if k in held:
                known = held <= k
                ok &= constraint.holds(start[:, held], own[:, held], reached[:, held], known)
        if not ok.all():
            owner, own, pick, reached = owner[ok], own[ok], pick[ok], reached[ok]
        if len(owner) and np.bincount(owner).max() > limit:
            return None
    ptr = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=m))))
    return Listed(ptr, owner, reached, own, pick)


def gather(start: Indices, count: Indices) -> tuple[Indices, Indices]:
    """For ranges `start[i]:start[i] + count[i]`, laid end to end: i, and the place in the range."""
    owner = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return owner, np.repeat(start, count) + within


def _partition(bound: Bound) -> Iterator[Indices]:
    """Columns that statements tie together, sources first; and those that move alone."""
    root = {int(j): int(j) for j in bound.movable}

    def find(j: int) -> int:
        while root[j] != j:
            j = root[j]
        return j

    ties = [held.tolist() for _, held in bound.constraints]
    ties += [[source, target] for source, target, _ in bound.links]
    for tied in ties:
        for j in tied[1:]:
            root[find(j)] = find(tied[0])
    order = _sources_first(bound)
    groups: dict[int, list[int]] = {}
    for j in order:
        groups.setdefault(find(j), []).append(j)
    for group in groups.values():
        yield np.array(group, dtype=np.intp)


def _sources_first(bound: Bound) -> list[int]:
    order, waiting = [], [int(j) for j in bound.movable]
    while waiting:
        free = [j for j in waiting if not any(t == j and s in waiting for s, t, _ in bound.links)]
        order += free
        waiting = [j for j in waiting if j not in free]
    return order


def _part(bound: Bound, columns: Indices, codes: Floats, limit: int) -> Part:
    values = codes[:, columns]
    if len(columns) == 1:
        distinct, start_of = np.unique(values[:, 0], return_inverse=True)
        starts = distinct[:, None]
    else:
        keys = fingerprints(values, columns.tolist())
        _, first, start_of = np.unique(keys, return_index=True, return_inverse=True)
        starts = values[first]
    rules = [bound.rules[j] for j in columns]
    listed = None
    if all(rule.step or rule.fixed for rule in rules) and _short(rules, starts, limit):
        choices = [Choices.listed(rule, starts[:, k]) for k, rule in enumerate(rules)]
        listed = enumerated(bound, columns, starts, choices, limit=limit)
    return Part(bound, columns, start_of, starts, listed)


def _short(rules: list[Any], starts: Floats, limit: int) -> bool:
    total = 0
    for k, rule in enumerate(rules):
        least, most = rule.steps(starts[:, k])
        if (most - least).max() >= limit:
            return False
        total = max(total, int((most - least + 1).sum()))
    return total <= _ROWS
