"""`label_plan`: how many labels to buy for a certificate, and where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from riskwright.core import ParameterError, Record, ValueRangeError

from .budgets import Budget, checked_budget
from .certificates import RiskCertificate
from .search import largest_errors, smallest_size

__all__ = ["LabelPlan", "Need", "Stratum", "label_plan"]

_STRATA = 10


class Need(Record, frozen=True, kw_only=True):
    """Labels for one budget in one group.

    `members` rows must count for the risk (for the miss rate: events), of which `rate` are
    expected to be errors; at `share` members per row that takes `labels`.
    """

    budget: str
    group: str | None
    rate: float
    share: float
    members: int | None
    labels: int | None


class Stratum(Record, frozen=True, kw_only=True):
    """Scores in [low, high): `pool` rows, `labels` of them to draw, each of weight `weight`."""

    low: float
    high: float
    pool: int
    labels: int
    weight: float


class LabelPlan(Record, frozen=True, kw_only=True):
    """What to buy: `labels` in all (None where no number will do), at `cost`; see `label_plan`."""

    labels: int | None
    cost: float | None
    power: float
    needs: tuple[Need, ...]
    strata: tuple[Stratum, ...]
    max_weight: float | None
    statement: str

    def __str__(self) -> str:
        return self.statement


def label_plan(
    budget: Budget | str | RiskCertificate,
    pilot: float | Mapping[str, float] | None = None,
    price: float = 1.0,
    *,
    share: float | Mapping[str, float] = 1.0,
    power: float = 0.8,
    pool: ArrayLike | None = None,
    max_weight: float = 4.0,
) -> LabelPlan:
    """How many labels certify a budget with probability `power`, and which rows to label.

    Parameters
    ----------
    budget : Budget, sentence, or a certificate that was not attainable (its budgets, groups,
        observed rates and shares are then the pilot).
    pilot : error rate expected among the members at the threshold wanted, or one per group.
    price : of one label.
    share : members per row labelled: for a miss rate the prevalence, for precision the share
        flagged; one number, or one per group.
    power : probability that the certificate is then attained, if the pilot is right.
    pool : probabilities of the event for unlabelled rows, in [0, 1]; then `strata` says how many
        labels to draw from ten ranges of them, more where the outcome is uncertain. Rows so drawn
        have the weight of their stratum and are certified with weight="shift".
    max_weight : largest weight that the strata may give to a row.

    Returns
    -------
    LabelPlan

    Raises
    ------
    ParameterError, ValueRangeError : numbers out of range.

    Notes
    -----
    The smallest n with P(Binomial(n, rate) <= k(n)) >= power, where k(n) is the largest number of
    errors that Clopper and Pearson's bound certifies. Neyman (1934), JRSS 97:558, for the strata.

    Examples
    --------
    >>> plan = label_plan("miss rate <= 5% with 95% confidence", pilot=0.02, share=0.1)
    >>> plan.needs[0].members, plan.labels
    (234, 2340)
    """
    if not 0 < power < 1:
        raise ParameterError("not a power", where="power", expected="0 < power < 1")
    if not (math.isfinite(price) and price >= 0):
        raise ParameterError("not a price", where="price", expected="at least 0", got=repr(price))
    needs = tuple(_needs(budget, pilot, share, power))
    per_group: dict[str | None, int | None] = {}
    for need in needs:
        known = per_group.get(need.group, 0)
        both = known is not None and need.labels is not None
        per_group[need.group] = max(known or 0, need.labels or 0) if both else None
    if not needs:
        raise ParameterError(
            "no budget of this certificate lacks labels",
            where="budget",
            expected="a budget that these rows could not certify by itself",
            hint="Budgets that only clash with each other need another score, or other limits",
        )
    known_all = all(number is not None for number in per_group.values())
    labels = sum(n for n in per_group.values() if n is not None) if known_all else None
    strata = () if pool is None or labels is None else _strata(pool, labels, max_weight)
    return LabelPlan(
        labels=labels,
        cost=None if labels is None else labels * price,
        power=power,
        needs=needs,
        strata=strata,
        max_weight=max((s.weight for s in strata), default=None),
        statement=_statement(needs, labels, price, power),
    )


def _needs(budget: Any, pilot: Any, share: Any, power: float) -> list[Need]:
    if isinstance(budget, RiskCertificate):
        told = {str(b): b for b in map(Budget.from_dict, budget.budgets)}
        return [
            _need(
                replace(told[bound.budget], delta=bound.delta),
                bound.group,
                bound.empirical if pilot is None else _of(pilot, bound.group, "pilot"),
                max(bound.members, 1) / max(budget.n, 1),
                power,
            )
            for bound in budget.bounds
            if not bound.met
        ]
    one = checked_budget(budget)
    if pilot is None:
        raise ParameterError(
            "what error rate is expected?",
            where="pilot",
            expected="a rate below the limit, such as that of a small labelled sample",
        )
    groups = list(pilot) if isinstance(pilot, Mapping) else [None]
    return [
        _need(one, group, _of(pilot, group, "pilot"), _of(share, group, "share"), power)
        for group in groups
    ]


def _of(values: Any, group: str | None, where: str) -> float:
    value = values.get(group) if isinstance(values, Mapping) else values
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ParameterError(
            "not a share", where=where, expected="0 to 1, for every group", got=repr(value)
        )
    return float(value)


def _need(budget: Budget, group: str | None, rate: float, share: float, power: float) -> Need:
    if not budget.is_mean or budget.delta is None or budget.loss == "cost" or budget.bound != 1:
        raise ParameterError(
            "labels are planned for shares of errors",
            where=f"budget {str(budget)!r}",
            expected="the mean of a named loss",
        )
    rate = 0.0 if math.isnan(rate) else rate
    members = _members(budget.limit, budget.delta, rate, power)
    if share <= 0:
        raise ParameterError("no members among the rows", where="share", expected="above 0")
    labels = None if members is None else math.ceil(round(members / share, 9))
    return Need(
        budget=str(budget), group=group, rate=rate, share=share, members=members, labels=labels
    )


def _members(limit: float, delta: float, rate: float, power: float) -> int | None:
    start = smallest_size(limit, delta)
    if start is None or not rate < limit:
        return None

    def enough(n: int) -> bool:
        k = largest_errors(n, limit, delta)
        return k >= 0 and float(binom.cdf(k, n, rate)) >= power

    high = start
    while not enough(high):
        high = math.ceil(1.2 * high) + 1
        if high > 2**40:
            return None
    low = max(start, math.floor(high / 1.5))
    if high - low > 2000:
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high
    return next(n for n in range(low, high + 1) if enough(n))


def _strata(pool: ArrayLike, labels: int, max_weight: float) -> tuple[Stratum, ...]:
    p = np.asarray(pool, dtype=np.float64)
    if p.ndim != 1 or not p.size or not ((p >= 0) & (p <= 1)).all():
        raise ValueRangeError(
            "not probabilities", where="pool", expected="values in [0, 1], one per row"
        )
    if not max_weight >= 1:
        raise ParameterError("too small", where="max_weight", expected="at least 1")
    edges = np.unique(np.quantile(p, np.linspace(0, 1, _STRATA + 1)[1:-1]))
    place = np.searchsorted(edges, p, side="right")
    size = np.bincount(place, minlength=edges.size + 1)
    mean = np.bincount(place, p, edges.size + 1) / np.maximum(size, 1)
    wanted = size * np.sqrt(np.maximum(mean * (1 - mean), 1e-12))
    floor = size / max_weight
    draw = _shares(wanted, floor, size, min(labels, p.size))
    counts = np.minimum(np.ceil(draw - 1e-9), size).astype(int)
    total = counts.sum()
    lows = np.concatenate([[0.0], edges])
    highs = np.concatenate([edges, [math.nextafter(1.0, 2.0)]])
    return tuple(
        Stratum(
            low=float(a),
            high=float(b),
            pool=int(n),
            labels=int(k),
            weight=float(n / p.size / (k / total)) if k else 0.0,
        )
        for a, b, n, k in zip(lows, highs, size, counts, strict=True)
        if n
    )


def _shares(wanted: Any, floor: Any, size: Any, labels: int) -> Any:
    """Labels per stratum: proportional to `wanted`, but at least the share that `floor` has."""
    least = floor * labels / size.sum()
    fixed = np.zeros(least.size, bool)
    draw = labels * wanted / wanted.sum()
    while (short := ~fixed & (draw < least * (1 - 1e-12))).any():
        fixed |= short
        if fixed.all():
            return least
        rest = labels - least[fixed].sum()
        draw = np.where(fixed, least, rest * wanted / wanted[~fixed].sum())
    return draw


def _statement(needs: tuple[Need, ...], labels: int | None, price: float, power: float) -> str:
    parts = []
    for need in needs:
        where = f" in group {need.group}" if need.group is not None else ""
        if need.members is None:
            parts.append(
                f"'{need.budget}'{where}: no number of labels will do, because the rate expected, "
                f"{need.rate:.3g}, is not below the limit."
            )
        else:
            parts.append(
                f"'{need.budget}'{where}: {need.members:,} labels that count for it, about "
                f"{need.labels:,} rows at {need.share:.3g} per row."
            )
    if labels is not None:
        parts.append(
            f"Together {labels:,} labels, cost {labels * price:,.6g}, for a certificate with "
            f"probability {power:.0%} if these rates are right."
        )
    return " ".join(parts)
