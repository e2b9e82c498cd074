"""Rules with several numbers to choose: other rows draw up an order, these rows certify along it.

A share of the rows is set apart. They propose configurations, from the most careful to the one
most wanted; the remaining rows test them in this order and stop at the first that fails, so that
the last one to pass needs no correction for those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import ParameterError, generator

from .budgets import Budget
from .certificates import BudgetBound
from .losses import LOSSES
from .risks import bound_of_counts

__all__ = ["bounds_of_actions", "last_certified", "pareto_order", "set_apart"]

Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]
Configuration = TypeVar("Configuration")


def set_apart(n: int, tune: float, seed: int) -> tuple[Rows, Rows]:
    """Row numbers that choose, and row numbers that certify."""
    if not 0 < tune < 1:
        raise ParameterError("not a share", where="tune", expected="0 < tune < 1", got=repr(tune))
    order = generator(seed, 3).permutation(n)
    cut = max(1, min(n - 1, round(tune * n)))
    return np.sort(order[:cut]), np.sort(order[cut:])


def bounds_of_actions(
    budgets: Sequence[Budget],
    acted: Bools,
    y: Bools,
    groups: Callable[[Budget], Sequence[tuple[str | None, Any]]],
) -> tuple[BudgetBound, ...]:
    """Every budget in every group for given actions; `groups` gives labels and row numbers."""
    found = []
    for budget in budgets:
        errors, members = LOSSES[budget.name].of_rows(acted, y)
        for label, rows in groups(budget):
            found.append(
                bound_of_counts(
                    budget,
                    label,
                    int(np.count_nonzero(errors[rows])),
                    int(np.count_nonzero(members[rows])),
                )
            )
    return tuple(found)


def pareto_order(excess: ArrayLike, price: ArrayLike) -> list[int]:
    """Numbers of the configurations that none beats in both, from the most careful on.

    `excess` is how far the worst bound lies above its limit on the rows set apart, `price` what
    one wants to be small.
    """
    careful, dear = np.asarray(excess, dtype=np.float64), np.asarray(price, dtype=np.float64)
    front: list[int] = []
    for place in np.lexsort((dear, careful)):
        if not front or dear[place] < dear[front[-1]]:
            front.append(int(place))
    return front


def last_certified(
    order: Sequence[Configuration],
    bounds: Callable[[Configuration], tuple[BudgetBound, ...]],
) -> tuple[Configuration | None, tuple[BudgetBound, ...]]:
    """The last configuration that passes before the first that fails, with its bounds.

    Where already the first fails: None, and the bounds of the first.
    """
    kept: Configuration | None = None
    shown: tuple[BudgetBound, ...] = ()
    for configuration in order:
        found = bounds(configuration)
        if not shown:
            shown = found
        if not all(bound.met for bound in found):
            break
        kept, shown = configuration, found
    return kept, shown
