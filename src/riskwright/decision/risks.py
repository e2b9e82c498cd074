"""The risk of one candidate in one group: its losses, its bound, and what would have been enough.

Counts of errors have Clopper and Pearson's bound. Graded losses have the betting bound of
Waudby-Smith and Ramdas, in an order of the rows drawn once, tail measures that of a Berk-Jones
band. Under known importance weights w <= W, the risk among members keeps the limit r exactly when
E[w (loss - r) member] <= 0; that is a mean of values between -W r and W (1 - r), again bounded by
betting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, EmptyDataError, ParameterError, ValueRangeError, generator
from riskwright.stats import (
    Mean,
    binomial_p_value,
    binomial_upper,
    normal_quantile,
    tail_upper,
    wsr_p_value,
    wsr_upper,
)

from .budgets import Budget
from .certificates import BudgetBound
from .losses import LOSSES
from .search import largest_errors, smallest_size

__all__ = [
    "bound_of_counts",
    "bound_of_losses",
    "checked_losses",
    "foretold_excess",
    "keeps_weighted",
    "losses_of_rows",
    "p_value_of",
    "worst",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ORDER_SEED = 1947
_STEPS = 40


def bound_of_counts(
    budget: Budget, group: str | None, errors: int, members: int, attainable: float | None = None
) -> BudgetBound:
    """The bound of a share of errors, by Clopper and Pearson."""
    assert budget.delta is not None
    upper = float(binomial_upper(errors, members, budget.delta)) if members else 1.0
    rate = errors / members if members else math.nan
    met = 0 <= errors <= largest_errors(members, budget.limit, budget.delta)
    return BudgetBound(
        budget=str(budget),
        group=group,
        limit=budget.limit,
        delta=budget.delta,
        members=members,
        errors=errors,
        empirical=rate,
        upper=upper,
        met=met,
        method="Clopper-Pearson",
        attainable=None if met else upper if attainable is None else attainable,
        labels_needed=None
        if met
        else smallest_size(budget.limit, budget.delta, 0.0 if math.isnan(rate) else rate),
    )


def bound_of_losses(
    budget: Budget,
    group: str | None,
    losses: Floats,
    weight: Floats | None = None,
    max_weight: float | None = None,
    member: Bools | None = None,
) -> BudgetBound:
    """The bound of graded, weighted or tail losses; `member` marks the rows that count."""
    assert budget.delta is not None
    if weight is None or max_weight is None:
        values = losses if member is None else losses[member]
        if _counts(budget, values):
            return bound_of_counts(budget, group, round(float(values.sum())), values.size)
        upper, empirical, method = _unweighted(budget, values)
        members = values.size
    else:
        belongs = np.ones(losses.size, bool) if member is None else member
        upper, empirical = _weighted(budget, losses, belongs, weight, max_weight)
        method = "betting on weighted losses (Waudby-Smith and Ramdas)"
        members = int(np.count_nonzero(belongs & (weight > 0)))
    met = bool(upper <= budget.limit)
    return BudgetBound(
        budget=str(budget),
        group=group,
        limit=budget.limit,
        delta=budget.delta,
        members=members,
        errors=None,
        empirical=empirical,
        upper=upper,
        met=met,
        method=method,
        attainable=None if met else upper,
        labels_needed=None if met else _more(budget, members, empirical, upper),
    )


def _counts(budget: Budget, values: Floats) -> bool:
    """Whether losses are 0 and 1 by their definition; of a column or function the values tell."""
    if not budget.is_mean or budget.bound != 1:
        return False
    if budget.loss == "cost":
        assert budget.costs is not None
        return set(budget.costs.values()) <= {0.0, 1.0}
    return bool(np.all((values == 0) | (values == 1)))


def _shuffled(values: Floats) -> Floats:
    """The same rows in an order that does not depend on them."""
    return values[generator(_ORDER_SEED).permutation(values.size)]


def _unweighted(budget: Budget, values: Floats) -> tuple[float, float, str]:
    assert budget.delta is not None
    assert not isinstance(budget.measure, str)
    bound, measure = budget.bound, budget.measure
    if not values.size:
        return bound, math.nan, "no members"
    if isinstance(measure, Mean):
        upper = bound * float(wsr_upper(_shuffled(values) / bound, budget.delta))
        return upper, float(values.mean()), "betting (Waudby-Smith and Ramdas)"
    found = tail_upper(values, budget.delta, measure, bound=bound)
    return found.value, float(measure.of(values)), found.method


def _weighted(
    budget: Budget, losses: Floats, member: Bools, weight: Floats, max_weight: float
) -> tuple[float, float]:
    """Upper bound of the weighted mean loss among members, and the mean itself."""
    if not budget.is_mean:
        raise ParameterError(
            "importance weights go with the mean of a loss only",
            where=f"budget {str(budget)!r}",
            expected='measure "mean"',
        )
    total = float(weight @ member)
    if total == 0:
        return budget.bound, math.nan
    empirical = float(weight @ (losses * member)) / total
    order = generator(_ORDER_SEED).permutation(losses.size)
    parts = losses[order] / budget.bound, member[order], weight[order] / max_weight
    assert budget.delta is not None
    limit = budget.limit / budget.bound
    low, high = (0.0, limit) if _keeps(*parts, limit, budget.delta) else (limit, 1.0)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _keeps(*parts, middle, budget.delta) else (middle, high)
    return high * budget.bound, empirical


def keeps_weighted(
    budget: Budget, losses: Floats, member: Bools | None, weight: Floats, max_weight: float
) -> bool:
    """Whether the weighted bound keeps the limit: the one test, without the bound itself."""
    belongs = np.ones(losses.size, bool) if member is None else member
    if not budget.is_mean or not (weight @ belongs) > 0:
        return bool(bound_of_losses(budget, None, losses, weight, max_weight, member).met)
    order = generator(_ORDER_SEED).permutation(losses.size)
    parts = losses[order] / budget.bound, belongs[order], weight[order] / max_weight
    assert budget.delta is not None
    return _keeps(*parts, budget.limit / budget.bound, budget.delta)


def foretold_excess(
    budget: Budget, losses: Floats, member: Bools | None, weight: Floats, max_weight: float
) -> float:
    """How far a normal bound of the weighted mean lies above the limit: ranks, proves nothing.

    One member more, of the largest loss and weight, stands for what few rows cannot tell.
    """
    counted = weight if member is None else weight * member
    total = float(counted.sum()) + max_weight
    mean = (float(counted @ losses) + max_weight * budget.bound) / total
    spread = counted**2 @ (losses - mean) ** 2 + (max_weight * (budget.bound - mean)) ** 2
    assert budget.delta is not None
    level = min(max(1 - 2 * budget.delta, 0.2), 1 - 1e-12)
    return mean + normal_quantile(level) * math.sqrt(spread) / total - budget.limit


def _keeps(losses: Floats, member: Bools, weight: Floats, limit: float, delta: float) -> bool:
    """Whether "the risk among members exceeds `limit`" is rejected at `delta`."""
    if not 0 < limit < 1:
        return limit >= 1
    value = limit + weight * member * (losses - limit)
    return bool(wsr_p_value(value, limit, delta=delta) <= delta)


def _more(budget: Budget, members: int, empirical: float, upper: float) -> int | None:
    """Members needed if the distance of the bound shrinks like the root of their number."""
    if math.isnan(empirical) or not empirical < budget.limit:
        return None
    distance = (upper - empirical) / (budget.limit - empirical)
    return math.ceil(max(members, 1) * distance**2)


def p_value_of(budget: Budget, losses: Floats) -> float:
    """Of "the mean loss exceeds the limit", for a budget on the mean."""
    limit = budget.limit / budget.bound
    if not losses.size or not 0 < limit < 1:
        return float(limit < 1)
    if _counts(budget, losses):
        return float(binomial_p_value(round(float(losses.sum())), losses.size, limit))
    assert budget.delta is not None
    return float(wsr_p_value(_shuffled(losses) / budget.bound, limit, delta=budget.delta))


def losses_of_rows(budget: Budget, acted: Bools, y: Bools) -> tuple[Floats, Bools | None]:
    """Losses of all rows for a rule that acted on some, and which rows are members."""
    if isinstance(budget.loss, str) and budget.loss in LOSSES:
        errors, members = LOSSES[budget.loss].of_rows(acted, y)
        return errors.astype(np.float64), members
    if budget.loss == "cost":
        assert budget.costs is not None
        miss, alarm = budget.costs.get("miss", 0.0), budget.costs.get("false alarm", 0.0)
        return miss * (~acted & y) + alarm * (acted & ~y), None
    if isinstance(budget.loss, str):
        raise ParameterError(
            'the loss "loss" is a column or table of losses, which this rule does not take',
            where=f"budget {str(budget)!r}",
            expected="a named loss, or a function of (acted, y)",
            hint="RiskControl and Abstain take losses",
        )
    found = checked_losses(budget.loss(acted.copy(), y.copy()), budget.bound, budget.name)
    if found.size != y.size:
        raise DataError(
            "one loss per row is needed",
            where=budget.name,
            expected=f"{y.size} values",
            got=str(found.size),
        )
    return found, None


def checked_losses(values: ArrayLike, bound: float, where: str) -> Floats:
    """Losses as floats in [0, bound]; a loss outside has no finite-sample bound and is refused."""
    try:
        losses = np.asarray(values).astype(np.float64)
    except (TypeError, ValueError):
        raise DataError("not numbers", where=where, expected="losses as numbers") from None
    if losses.ndim != 1:
        raise DataError(
            "wrong shape", where=where, expected="one loss per row", got=str(losses.shape)
        )
    if losses.size == 0:
        raise EmptyDataError("no rows", where=where)
    bad = ~((losses >= 0) & (losses <= bound))
    if bad.any():
        raise ValueRangeError(
            "losses outside of their bound",
            where=where,
            expected=f"values in [0, {bound:g}]",
            got=f"{int(bad.sum())} outside or missing, the first in row {int(np.argmax(bad))}",
            hint="State the largest loss that can occur as Budget(bound=...): without one there "
            "is no guarantee",
        )
    return losses


def worst(bounds: Sequence[BudgetBound]) -> float:
    """The largest excess of an upper bound over its limit; at most 0 where all are met."""
    return max(bound.upper - bound.limit for bound in bounds)
