"""Groups of people: every value of every column, and the intersections of columns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import ColumnError, ParameterError
from riskwright.metrics._inputs import factorised
from riskwright.stats._columns import length_error

__all__ = ["Grouping", "groupings", "reference_codes"]

Codes = NDArray[np.int32]
MOST_GROUPS = 20_000


@dataclass(frozen=True)
class Grouping:
    """The groups of one column, or of the joint values of several; every row is in one of them.

    `values[g]` holds the value of each column, `n[g]` the rows; `counted[g]` is False where the
    group consists of the same rows as one of fewer columns.
    """

    columns: tuple[str, ...]
    values: list[tuple[str, ...]]
    codes: Codes
    n: NDArray[np.intp]
    counted: NDArray[np.bool_]

    def label(self, g: int) -> str:
        named = zip(self.columns, self.values[g], strict=True)
        return " & ".join(f"{column} = {value}" if column else value for column, value in named)


def groupings(
    groups: ArrayLike | Mapping[str, ArrayLike],
    n: int,
    kept: NDArray[np.bool_] | None,
    depth: int,
) -> list[Grouping]:
    """Groupings by each column, then by each combination of up to `depth` columns.

    Raises
    ------
    ColumnError : no column, a wrong shape, more than 1,000 groups in a column or 20,000 in all.
    DataError : lengths differ. ParameterError : depth below 1.
    """
    if not isinstance(depth, int) or depth < 1:
        raise ParameterError(
            "out of range", where="depth", expected="a whole number of at least 1", got=repr(depth)
        )
    columns: Mapping[str, Any] = groups if isinstance(groups, Mapping) else {"": groups}
    if not columns:
        raise ColumnError("no columns", where="groups", expected="a column of groups or more")
    single = [_of_column(str(name), values, n, kept) for name, values in columns.items()]
    found = list(single)
    of = {grouping.columns: grouping for grouping in single}
    for size in range(2, min(depth, len(single)) + 1):
        for chosen in itertools.combinations([g.columns[0] for g in single], size):
            joint = _joint(of[chosen[:-1]], of[chosen[-1:]], of)
            of[chosen] = joint
            found.append(joint)
            if sum(len(g.values) for g in found) > MOST_GROUPS:
                raise ColumnError(
                    "too many groups",
                    where="groups",
                    expected=f"at most {MOST_GROUPS:,} with intersections",
                    hint="Lower depth, or join values that belong together",
                )
    return found


def reference_codes(found: list[Grouping], reference: str | Mapping[str, str]) -> list[int | None]:
    """For each grouping the number of the group that others are compared with; None for the rest.

    Raises
    ------
    ParameterError : neither "rest" nor a mapping.
    ColumnError : a column or a value that is not there.
    """
    if reference == "rest":
        return [None] * len(found)
    if not isinstance(reference, Mapping):
        raise ParameterError(
            "unknown reference",
            where="reference",
            expected='"rest", or a mapping from columns to the value compared with',
            got=repr(reference),
        )
    for column, value in reference.items():
        known = [v[0] for g in found if g.columns == (column,) for v in g.values]
        if str(value) not in known:
            raise ColumnError(
                "no such group to compare with",
                where=column or "groups",
                expected=", ".join(known[:10]) if known else "a column of groups",
                got=str(value),
            )
    codes: list[int | None] = []
    for grouping in found:
        wanted = tuple(str(reference.get(column)) for column in grouping.columns)
        stated = all(column in reference for column in grouping.columns)
        codes.append(
            grouping.values.index(wanted) if stated and wanted in grouping.values else None
        )
    return codes


def _of_column(name: str, values: ArrayLike, n: int, kept: NDArray[np.bool_] | None) -> Grouping:
    labels, codes = factorised(values, name or "groups")
    if codes.size != n:
        raise length_error(name or "groups", codes.size, n)
    codes = codes if kept is None else codes[kept]
    sizes = np.bincount(codes, minlength=len(labels))
    present = np.flatnonzero(sizes)
    place = np.full(len(labels), -1, np.int32)
    place[present] = np.arange(present.size)
    named: list[tuple[str, ...]] = [(labels[k],) for k in present]
    return Grouping((name,), named, place[codes], sizes[present], np.ones(present.size, bool))


def _joint(first: Grouping, second: Grouping, of: Mapping[tuple[str, ...], Grouping]) -> Grouping:
    width = len(second.values)
    keys = first.codes.astype(np.int64) * width + second.codes
    if len(first.values) * width <= 2**20:
        sizes = np.bincount(keys, minlength=len(first.values) * width)
        distinct = np.flatnonzero(sizes)
        place = np.zeros(sizes.size, np.int32)
        place[distinct] = np.arange(distinct.size)
        codes, sizes = place[keys], sizes[distinct]
    else:
        distinct, inverse, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        codes = inverse.astype(np.int32)
    values = [first.values[key // width] + second.values[key % width] for key in distinct.tolist()]
    columns = first.columns + second.columns
    counted = np.ones(sizes.size, bool)
    for fewer in itertools.combinations(range(len(columns)), len(columns) - 1):
        parent = of[tuple(columns[i] for i in fewer)]
        at = {value: k for k, value in enumerate(parent.values)}
        above = [parent.n[at[tuple(value[i] for i in fewer)]] for value in values]
        counted &= sizes < np.asarray(above)
    return Grouping(columns, values, codes, sizes, counted)
