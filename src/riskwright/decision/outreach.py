"""Whom to visit within the hours there are, judged by the cases reached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, Estimate, ParameterError, ValueRangeError, generator
from riskwright.metrics._inputs import factorised

__all__ = ["OutreachPlan", "plan_outreach"]

Floats = NDArray[np.float64]
_DRAWS = 1000


@dataclass(frozen=True)
class OutreachPlan:
    """Who is visited, in which order, and what may be expected of it.

    Attributes
    ----------
    visited : row numbers in the order of the visits.
    hours : hours used, travel included; `budget` those there were.
    expected_cases : sum of the probabilities of those visited.
    upper_bound : expected cases that no plan within the budget can exceed.
    """

    visited: NDArray[np.intp]
    hours: float
    budget: float
    expected_cases: float
    upper_bound: float
    _probability: Floats
    _cost: Floats
    _area: NDArray[np.intp]
    _travel: float

    def __str__(self) -> str:
        return (
            f"{self.visited.size:,} of {self._cost.size:,} visited in {self.hours:.1f} of "
            f"{self.budget:g} hours; {self.expected_cases:.1f} cases expected "
            f"(no plan can expect more than {self.upper_bound:.1f})."
        )

    def judge(
        self,
        y: ArrayLike,
        *,
        history: ArrayLike | None = None,
        level: float = 0.95,
        random_state: int = 0,
    ) -> dict[str, Estimate]:
        """True cases reached per hour by this plan and by simpler ones, in the same hours.

        Parameters
        ----------
        y : outcomes 0 and 1 of all rows, as they turned out.
        history : earlier cases of each row (or of its home), for the policy "recent history".
        level : of the intervals: for this plan and other fixed orders a bootstrap over the rows
            visited, for "random" the spread of 1,000 random orders.

        Returns
        -------
        dict with "plan", "by area" (areas by their mean probability, everyone in turn), "recent
        history" where `history` is given, and "random".
        """
        outcome = np.asarray(y, dtype=np.float64)
        if outcome.shape != self._cost.shape or not np.isin(outcome, (0, 1)).all():
            raise DataError("not outcomes", where="y", expected="0 or 1 for every row of the plan")
        rng = generator(random_state, 5)
        found = {"plan": self._rate("plan", self.visited, outcome, level, rng)}
        found["by area"] = self._rate("by area", self._taken(self._by_area()), outcome, level, rng)
        if history is not None:
            past = np.asarray(history, dtype=np.float64)
            if past.shape != self._cost.shape or np.isnan(past).any():
                raise DataError("one number per row is needed", where="history")
            order = np.lexsort((rng.random(past.size), -past))
            name = "recent history"
            found[name] = self._rate(name, self._taken(order), outcome, level, rng)
        found["random"] = self._random(outcome, level, rng)
        return found

    def _by_area(self) -> NDArray[np.intp]:
        size = np.bincount(self._area)
        mean = np.bincount(self._area, self._probability) / size
        return np.lexsort((np.arange(self._area.size), self._area, -mean[self._area]))

    def _taken(self, order: NDArray[np.intp]) -> NDArray[np.intp]:
        return _within(order, self._cost, self._area, self._travel, self.budget)[0]

    def _rate(
        self, name: str, rows: NDArray[np.intp], y: Floats, level: float, rng: np.random.Generator
    ) -> Estimate:
        hours = _hours(rows, self._cost, self._area, self._travel)
        value = float(y[rows].sum()) / hours if rows.size else 0.0
        low = high = math.nan
        if rows.size > 1:
            draws = rng.integers(0, rows.size, (_DRAWS, rows.size))
            rates = y[rows][draws].sum(axis=1) / hours
            low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
        return Estimate(
            name=f"cases per hour, {name}",
            value=value,
            low=float(low),
            high=float(high),
            level=level,
            n=int(rows.size),
            method="bootstrap over the rows visited",
        )

    def _random(self, y: Floats, level: float, rng: np.random.Generator) -> Estimate:
        rates = []
        for _ in range(_DRAWS):
            rows = self._taken(rng.permutation(y.size))
            hours = _hours(rows, self._cost, self._area, self._travel)
            rates.append(float(y[rows].sum()) / hours if rows.size else 0.0)
        low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
        return Estimate(
            name="cases per hour, random",
            value=float(np.mean(rates)),
            low=float(low),
            high=float(high),
            level=level,
            n=y.size,
            method=f"{_DRAWS:,} random orders",
        )


def plan_outreach(
    probability: ArrayLike,
    hours: float,
    cost: ArrayLike | float = 1.0,
    *,
    area: ArrayLike | None = None,
    travel: float = 0.0,
) -> OutreachPlan:
    """Choose whom to visit within a budget of hours so that most cases are reached.

    Parameters
    ----------
    probability : array of shape (n,), calibrated probability that a visit reaches a case.
    hours : hours there are.
    cost : hours per visit, one number or shape (n,), above 0.
    area : array of shape (n,), where each row is; travel : hours to go to an area, once for each.

    Returns
    -------
    OutreachPlan

    Raises
    ------
    DataError, ParameterError : lengths, missing values, numbers out of range.

    Notes
    -----
    Without travel, rows by probability per hour until the hours are used (the greedy solution of
    the knapsack problem, at most one visit short of the optimum); with travel, areas are opened
    one by one where the most expected cases per hour, travel included, remain. The upper bound is
    that of the fractional knapsack without travel. O(n log n) without travel, O(areas^2 n / areas)
    with it. Dantzig (1957), Operations Research 5:266.

    Examples
    --------
    >>> plan = plan_outreach([0.9, 0.1, 0.5, 0.4], hours=2, cost=[1, 1, 1, 0.5])
    >>> plan.visited.tolist(), round(plan.expected_cases, 2), round(plan.upper_bound, 2)
    ([0, 3], 1.3, 1.55)
    """
    p = _column(probability, "probability", 0.0, 1.0)
    if not (isinstance(hours, int | float) and math.isfinite(hours) and hours > 0):
        raise ParameterError("no hours", where="hours", expected="above 0", got=repr(hours))
    if not (isinstance(travel, int | float) and math.isfinite(travel) and travel >= 0):
        raise ParameterError("not hours", where="travel", expected="at least 0", got=repr(travel))
    given = np.asarray(cost, dtype=np.float64)
    each = _column(np.full(p.size, given) if given.ndim == 0 else given, "cost", 0, np.inf)
    if each.size != p.size:
        raise DataError("length differs from probability", where="cost", expected=str(p.size))
    if not (each > 0).all():
        raise ValueRangeError("visits without a cost", where="cost", expected="hours above 0")
    codes = np.zeros(p.size, np.intp)
    if area is not None:
        codes = factorised(area, "area")[1].astype(np.intp)
    if codes.size != p.size:
        raise DataError("length differs from probability", where="area", expected=str(p.size))
    order = np.argsort(-p / each, kind="stable")
    if travel and area is not None:
        order = _by_worth(order, p, each, codes, travel, hours)
    visited, used = _within(order, each, codes, travel, hours)
    return OutreachPlan(
        visited=visited,
        hours=used,
        budget=float(hours),
        expected_cases=float(p[visited].sum()),
        upper_bound=_fractional(p, each, hours),
        _probability=p,
        _cost=each,
        _area=codes,
        _travel=float(travel),
    )


def _column(values: Any, where: str, low: float, high: float) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not column.size:
        raise DataError("wrong shape", where=where, expected="one value per row, at least one row")
    bad = ~((column >= low) & (column <= high) & np.isfinite(column))
    if bad.any():
        raise ValueRangeError(
            "values out of range or missing",
            where=where,
            expected=f"{low:g} to {high:g}",
            got=f"{int(bad.sum())}, the first in row {int(np.argmax(bad))}",
        )
    return column


def _by_worth(
    order: NDArray[np.intp],
    p: Floats,
    cost: Floats,
    area: NDArray[np.intp],
    travel: float,
    hours: float,
) -> NDArray[np.intp]:
    """Rows, areas opened one after another by the best expected cases per hour that they offer."""
    members = {int(a): order[area[order] == a] for a in np.unique(area)}
    left, out = hours, []
    while members:
        best = max(members, key=lambda a: _offer(p, cost, members[a], travel, left))
        if _offer(p, cost, members[best], travel, left) <= 0:
            break
        rows = members.pop(best)
        rate = p[rows] / cost[rows]
        others = max((_offer(p, cost, m, travel, left) for m in members.values()), default=0.0)
        worth = rows[rate >= others] if members else rows
        worth = rows[:1] if not worth.size else worth
        out.append(worth)
        left -= travel + float(cost[worth].sum())
    rest = np.setdiff1d(order, np.concatenate(out) if out else [], assume_unique=True)
    opened = np.isin(area[rest], area[np.concatenate(out)]) if out else np.zeros(rest.size, bool)
    rest = rest[np.lexsort((-p[rest] / cost[rest], ~opened))]
    return np.concatenate([*out, rest]).astype(np.intp)


def _offer(p: Floats, cost: Floats, rows: NDArray[np.intp], travel: float, left: float) -> float:
    """The most expected cases per hour that an area offers within what is left."""
    spent = travel + np.cumsum(cost[rows])
    rate = np.where(spent <= left, np.cumsum(p[rows]) / spent, 0.0)
    return float(rate.max())


def _within(
    order: NDArray[np.intp], cost: Floats, area: NDArray[np.intp], travel: float, hours: float
) -> tuple[NDArray[np.intp], float]:
    """The rows in order that fit, skipping those that do not, and the hours used."""
    if travel == 0:
        spent = np.cumsum(cost[order])
        cut = int(np.searchsorted(spent, hours * (1 + 1e-12), side="right"))
        taken, used = list(order[:cut]), float(spent[cut - 1]) if cut else 0.0
        rest = order[cut:]
        smallest = np.minimum.accumulate(cost[rest][::-1])[::-1] if rest.size else rest
        for place, row in enumerate(rest):
            if used + smallest[place] > hours * (1 + 1e-12):
                break
            if used + cost[row] <= hours * (1 + 1e-12):
                taken.append(row)
                used += float(cost[row])
        return np.array(taken, np.intp), used
    taken, used, seen = [], 0.0, set()
    for row in order:
        more = float(cost[row]) + (0.0 if area[row] in seen else travel)
        if used + more <= hours * (1 + 1e-12):
            taken.append(row)
            used += more
            seen.add(area[row])
    return np.array(taken, np.intp), used


def _hours(rows: NDArray[np.intp], cost: Floats, area: NDArray[np.intp], travel: float) -> float:
    return float(cost[rows].sum()) + travel * np.unique(area[rows]).size


def _fractional(p: Floats, cost: Floats, hours: float) -> float:
    order = np.argsort(-p / cost, kind="stable")
    spent = np.cumsum(cost[order])
    share = np.clip((hours - (spent - cost[order])) / cost[order], 0, 1)
    return float(share @ p[order])
