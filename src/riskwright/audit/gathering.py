"""How many rows to gather from each group: learning curves, costs and a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from riskwright.core import DataError, EmptyDataError, Estimate, Finding, ParameterError, Record
from riskwright.core.randomness import generator
from riskwright.stats import normal_quantile
from riskwright.stats._columns import is_number, numbers

__all__ = ["GatherPlan", "GroupPlan", "LearningCurve", "fit_learning_curve", "gather_plan"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Results = Sequence[tuple[float, ...]]
Utility = Literal["linear", "log"] | float

_EXPONENTS = (0.05, 2.0)
_SMALLEST = 1e-3
_DRAWS = 200
_CELLS = 20_000


class LearningCurve(Record, frozen=True, kw_only=True):
    """Performance of a group's score after n of its rows: ceiling - gain * n^-exponent.

    `ceiling`, `gain` (at least 0) and `exponent` (from 0.05 to 2) are a, b and k of the paper.
    `covariance` is that of the three as fitted (zeros for a curve that is known), `freedom` its
    degrees of freedom (0: the residual spread could not be had, and no interval is given).
    """

    ceiling: float
    gain: float
    exponent: float
    covariance: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 0.0),) * 3
    freedom: float = math.inf
    results: tuple[tuple[float, ...], ...] = ()

    def at(self, n: float, level: float = 0.95) -> Estimate:
        """Performance expected after `n` rows, with the interval of the curve (delta method)."""
        quantile = _student(self.freedom, level)
        power = n**-self.exponent
        value = self.ceiling - self.gain * power
        slopes = np.array([1.0, -power, self.gain * power * math.log(n)])
        reach = quantile * math.sqrt(max(float(slopes @ np.array(self.covariance) @ slopes), 0.0))
        known = not math.isnan(reach)
        return Estimate(
            name="performance",
            value=value,
            low=value - reach,
            high=value + reach,
            level=level,
            n=len(self.results),
            method="learning curve, delta method"
            if known
            else "none: as many results as parameters",
        )


class GroupPlan(Record, frozen=True, kw_only=True):
    """A group: rows held and rows to gather, what they cost and what they are expected to give.

    `rows_low` and `rows_high` hold the rows to gather for most curves that fit the results as
    well; both equal `rows` where all curves are known, None where the spread of one is not.
    """

    group: str
    held: int
    rows: int
    rows_low: int | None
    rows_high: int | None
    cost: float
    curve: LearningCurve
    expected: Estimate
    equal: int
    proportional: int | None


class GatherPlan(Record, frozen=True, kw_only=True):
    """What `gather_plan` found.

    `utility` is that of the curves as fitted after the plan, `upper_bound` one that no plan within
    the budget can beat (the dual of the problem, fractions of rows allowed); the comparisons spend
    the same budget on equal rows per group, and on rows in proportion to `shares`.
    """

    groups: tuple[GroupPlan, ...]
    budget: float
    spent: float
    inequality_aversion: float
    utility: float
    upper_bound: float
    utility_equal: float
    utility_proportional: float | None
    shares: dict[str, float] | None
    level: float
    seed: int
    method: str
    findings: tuple[Finding, ...] = ()

    def replan(
        self,
        new_results: Mapping[str, Results],
        *,
        held: Mapping[str, int] | None = None,
        budget: float | None = None,
    ) -> GatherPlan:
        """Plan anew once a batch is in.

        Parameters
        ----------
        new_results : per group, results of the batch as (rows, performance) or with a standard
            error; groups may be absent. They join those that the curves were fitted to.
        held : rows that each group has now; by default the largest number among its results.
        budget : what is left; by default this plan's budget less the cost of the rows that came.

        Raises
        ------
        ParameterError : a group that is not in the plan, fewer rows than before, budget used up.
        """
        _refuse_unknown(new_results, [g.group for g in self.groups], "new_results")
        curves: dict[str, LearningCurve | Results] = {}
        now, costs, spent = {}, {}, 0.0
        for group in self.groups:
            name, batch = group.group, tuple(tuple(r) for r in new_results.get(group.group, ()))
            together = group.curve.results + batch
            known = not group.curve.results
            curves[name] = group.curve if known else together
            largest = max([group.held, *(int(result[0]) for result in batch)])
            now[name] = largest if held is None else held.get(name, largest)
            if now[name] < group.held:
                raise ParameterError(
                    "fewer rows than before",
                    where=f"held[{name!r}]",
                    expected=f"at least {group.held}",
                    got=str(now[name]),
                )
            costs[name] = group.cost
            spent += group.cost * (now[name] - group.held)
        left = self.budget - spent if budget is None else budget
        return gather_plan(
            curves,
            costs,
            left,
            utility=self.inequality_aversion,
            held=now,
            shares=self.shares,
            level=self.level,
            seed=self.seed,
        )


def fit_learning_curve(results: Results) -> LearningCurve:
    """Fit ceiling - gain * n^-exponent to performances at several numbers of rows.

    Parameters
    ----------
    results : pairs (rows, performance), or triples with the performance's standard error
        At least three different numbers of rows, each at least 1; higher performance is better.

    Returns
    -------
    LearningCurve
        Least squares, weighted by 1 / se^2 where standard errors are given; `gain` is held at 0
        or above. Without them the spread is that of the residuals, on results - 3 degrees of
        freedom (none at three results).

    Raises
    ------
    DataError : fewer than three sizes, pairs mixed with triples, values out of range.

    Notes
    -----
    The exponent by a search on a grid of 200 that is refined five times (the rest is linear):
    O(1200) per result. Cai et al. (2022), arXiv:2202.01327.

    Examples
    --------
    >>> curve = fit_learning_curve([(n, 0.9 - 0.5 * n**-0.5) for n in (25, 100, 400, 1600)])
    >>> f"{curve.ceiling:.3f} {curve.gain:.3f} {curve.exponent:.3f}"
    '0.900 0.500 0.500'
    """
    try:
        kept = tuple(tuple(float(part) for part in result) for result in results)
    except (TypeError, ValueError):
        raise DataError(
            "not numbers", where="results", expected="pairs (rows, performance), or triples"
        ) from None
    if not kept:
        raise EmptyDataError("no results", where="results")
    if {len(result) for result in kept} - {2} and {len(result) for result in kept} - {3}:
        raise DataError(
            "neither pairs nor triples",
            where="results",
            expected="(rows, performance) everywhere, or (rows, performance, standard error)",
        )
    columns = numbers(kept, "results", ndim=2)
    n, value = columns[:, 0], columns[:, 1]
    stated = columns.shape[1] == 3
    if n.min() < 1 or (stated and columns[:, 2].min() <= 0):
        raise DataError(
            "values out of range", where="results", expected="rows of at least 1, errors above 0"
        )
    if np.unique(n).size < 3:
        raise DataError(
            "too few numbers of rows for a curve",
            where="results",
            expected="at least 3 different ones",
            got=str(np.unique(n).size),
        )
    root = 1 / columns[:, 2] if stated else np.ones(n.size)
    exponent = _best_exponent(n, value, root)
    power = n**-exponent
    fitted = _lines(power[None], value, root)
    ceiling, gain, loss = (float(part[0]) for part in fitted)
    jacobian = np.stack([np.ones(n.size), -power, gain * power * np.log(n)], axis=1) * root[:, None]
    freedom = math.inf if stated else float(n.size - 3)
    spread = 1.0 if stated else loss / freedom if freedom else 0.0
    covariance = np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-12, hermitian=True) * spread
    return LearningCurve(
        ceiling=ceiling,
        gain=gain,
        exponent=exponent,
        covariance=tuple((row[0], row[1], row[2]) for row in covariance.tolist()),
        freedom=freedom,
        results=kept,
    )


def gather_plan(
    curves: Mapping[str, LearningCurve | Results],
    costs: Mapping[str, float] | float,
    budget: float,
    *,
    utility: Utility = "linear",
    held: Mapping[str, int] | None = None,
    shares: Mapping[str, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> GatherPlan:
    """How many further rows to gather from each group for the greatest utility in sum.

    Parameters
    ----------
    curves : per group, a `LearningCurve` or the results that `fit_learning_curve` takes
    costs : cost of a row, per group or for all
    budget : what may be spent on further rows, at least 0
    utility : "linear" (the sum of performances), "log", or an aversion to inequality
        A number e of at least 0 stands for sum f^(1 - e) / (1 - e): 0 is linear, 1 is log, and
        the larger, the more the worst served group counts. Below a performance of 0.001 the
        tangent goes on, so that every curve has a utility.
    held : rows that each group has already
        By default the largest number among its results, 0 for a known curve. A group without
        rows gets at least one.
    shares : each group's share of the population, for the comparison
    level : confidence level of the expected performances and of the range of rows.
    seed : of the curves drawn for the range of rows

    Returns
    -------
    GatherPlan
        Whole rows. For equal costs, and for whole costs where groups times budget is at most
        20,000, the plan is optimal for the curves as fitted; else it lies within
        `upper_bound` - `utility` of the optimum.

    Raises
    ------
    ParameterError : a cost or budget that is not allowed or too small, unknown groups, utility.
    DataError : results that no curve can be fitted to.

    Notes
    -----
    O(G log^2 N) for G groups and N rows within the budget, times 200 for the range of rows. Cai
    et al. (2022), arXiv:2202.01327. For linear utility n_g is in proportion to
    (gain exponent / cost)^(1 / (exponent + 1)) where exponents are equal.

    Examples
    --------
    >>> curve = LearningCurve(ceiling=0.9, gain=1.0, exponent=1.0)
    >>> harder = LearningCurve(ceiling=0.9, gain=4.0, exponent=1.0)
    >>> plan = gather_plan({"a": curve, "b": harder}, 1.0, 300)
    >>> [group.rows for group in plan.groups]
    [100, 200]
    """
    normal_quantile(level)
    if not curves:
        raise EmptyDataError("no groups", where="curves")
    names = [str(name) for name in curves]
    fitted = [_curve(given, name) for name, given in curves.items()]
    problem = _Problem.of(names, fitted, costs, held, _aversion(utility))
    _refuse_budget(budget, problem)
    part = _shares(shares, names)
    rows, bound = problem.solved(float(budget))
    reach: tuple[NDArray[Any], NDArray[Any]] | None = (rows, rows)
    if any(np.any(curve.covariance) or curve.freedom == 0 for curve in fitted):
        reach = _range(problem, fitted, float(budget), level, seed)
    equal = problem.along(np.ones(len(names)), float(budget))
    proportional = None if part is None else problem.along(part, float(budget))
    groups = tuple(
        GroupPlan(
            group=name,
            held=int(problem.held[g]),
            rows=int(rows[g]),
            rows_low=None if reach is None else min(int(reach[0][g]), int(rows[g])),
            rows_high=None if reach is None else max(int(reach[1][g]), int(rows[g])),
            cost=float(problem.cost[g]),
            curve=fitted[g],
            expected=fitted[g].at(int(problem.held[g] + rows[g]), level),
            equal=int(equal[g]),
            proportional=None if proportional is None else int(proportional[g]),
        )
        for g, name in enumerate(names)
    )
    plan = GatherPlan(
        groups=groups,
        budget=float(budget),
        spent=float(problem.cost @ rows),
        inequality_aversion=problem.aversion,
        utility=problem.value(rows),
        upper_bound=max(bound, problem.value(rows)),
        utility_equal=problem.value(equal),
        utility_proportional=None if proportional is None else problem.value(proportional),
        shares=None if part is None else dict(zip(names, part.tolist(), strict=True)),
        level=level,
        seed=seed,
        method="marginal utility per cost on learning curves, whole rows (Cai et al. 2022)",
    )
    return _with_finding(plan)


@dataclass(frozen=True)
class _Problem:
    """Curves as arrays, rows held, costs and utility."""

    ceiling: Floats
    gain: Floats
    exponent: Floats
    cost: Floats
    held: Ints
    aversion: float

    @staticmethod
    def of(
        names: list[str],
        curves: list[LearningCurve],
        costs: Mapping[str, float] | float,
        held: Mapping[str, int] | None,
        aversion: float,
    ) -> _Problem:
        if isinstance(costs, Mapping):
            _refuse_unknown(costs, names, "costs")
            absent = [name for name in names if name not in costs]
            if absent:
                raise ParameterError("no cost", where="costs", got="none for " + ", ".join(absent))
            cost = numbers([costs[name] for name in names], "costs")
        else:
            cost = numbers(np.full(len(names), costs), "costs")
        if cost.min() <= 0:
            raise ParameterError("not a cost", where="costs", expected="above 0")
        _refuse_unknown(held or {}, names, "held")
        by_results = [max((int(r[0]) for r in curve.results), default=0) for curve in curves]
        rows = [(held or {}).get(n, r) for n, r in zip(names, by_results, strict=True)]
        if any(not is_number(r) or r < 0 or r != int(r) for r in rows):
            raise ParameterError("not a number of rows", where="held", expected="at least 0")
        return _Problem(
            np.array([curve.ceiling for curve in curves]),
            np.array([curve.gain for curve in curves]),
            np.array([curve.exponent for curve in curves]),
            cost,
            np.array(rows, dtype=np.int64),
            aversion,
        )

    def utilities(self, rows: Ints) -> Floats:
        """Utility of each group with so many further rows (at least one in all)."""
        n = np.maximum(self.held + rows, 1).astype(np.float64)
        performance: Floats = self.ceiling - self.gain * n**-self.exponent
        if self.aversion == 0:
            return performance
        inside = np.maximum(performance, _SMALLEST)
        if self.aversion == 1:
            value = np.log(inside)
        else:
            value = inside ** (1 - self.aversion) / (1 - self.aversion)
        tangent: Floats = value + (performance - inside) * inside**-self.aversion
        return tangent

    def value(self, rows: Ints) -> float:
        return float(self.utilities(rows).sum())

    def marginal(self, rows: Ints) -> Floats:
        """Utility of one row more per unit of cost, infinite for the first of a group."""
        more = (self.utilities(rows + 1) - self.utilities(rows)) / self.cost
        return np.where(self.held + rows < 1, np.inf, more)

    def bought_at(self, price: Floats, most: Ints) -> Ints:
        """The largest rows whose marginal utility per cost is at least `price`."""
        low, high = (
            np.zeros(self.gain.shape, dtype=np.int64),
            np.broadcast_to(most, self.gain.shape),
        )
        while (low < high).any():
            middle = (low + high + 1) // 2
            worth = self.marginal(middle - 1) >= price
            low, high = np.where(worth, middle, low), np.where(worth, high, middle - 1)
        return low

    def priced(self, budget: float, halvings: int = 60) -> tuple[Ints, Floats]:
        """Rows within the budget bought at the lowest price per unit of utility, and that price."""
        most = np.floor(budget / self.cost * (1 + 1e-12)).astype(np.int64)
        first = self.marginal(np.broadcast_to(np.maximum(1 - self.held, 0), self.gain.shape))
        high = 2 * np.maximum(first.max(axis=-1, keepdims=True), 1e-250)
        low = 1e-20 * high
        for _ in range(halvings):
            price = np.sqrt(low * high)
            cost = (self.cost * self.bought_at(price, most)).sum(axis=-1, keepdims=True)
            beyond = cost > budget * (1 + 1e-12)
            low, high = np.where(beyond, price, low), np.where(beyond, high, price)
        return self.bought_at(high, most), high

    def solved(self, budget: float) -> tuple[Ints, float]:
        """Whole rows within the budget, and a bound that no rows within it can beat."""
        rows, price = self.priced(budget)
        bound = self.value(rows) + float(price[0]) * (budget - float(self.cost @ rows))
        whole = bool(np.all(self.cost == np.round(self.cost)))
        if self.cost.min() < self.cost.max() and whole and rows.size * budget <= _CELLS:
            return self._exact(math.floor(budget)), bound
        return self._filled(rows, budget), bound

    def _filled(self, rows: Ints, budget: float) -> Ints:
        """Spend what is left, the best row per cost first, as long as any fits and helps."""
        rows = rows.copy()
        while True:
            left = budget * (1 + 1e-12) - float(self.cost @ rows)
            worth = np.where(self.cost <= left, self.marginal(rows), 0.0)
            g = int(worth.argmax())
            if worth[g] <= 0:
                return rows
            rows[g] += 1

    def _exact(self, budget: int) -> Ints:
        """The best rows for whole costs, by dynamic programming over what may be spent."""
        best, chosen = np.zeros(budget + 1), []
        for g, cost in enumerate(self.cost.astype(np.int64).tolist()):
            rows = np.zeros((budget // cost + 1, self.cost.size), dtype=np.int64)
            rows[:, g] = np.arange(rows.shape[0])
            worth = self.utilities(rows)[:, g]
            better, taken = np.full(budget + 1, -np.inf), np.zeros(budget + 1, dtype=np.int64)
            for r in range(max(1 - int(self.held[g]), 0), rows.shape[0]):
                value = best[: budget + 1 - cost * r] + worth[r]
                more = value > better[cost * r :]
                better[cost * r :][more] = value[more]
                taken[cost * r :][more] = r
            best = better
            chosen.append(taken)
        found, left = np.zeros(self.cost.size, dtype=np.int64), budget
        for g in reversed(range(self.cost.size)):
            found[g] = chosen[g][left]
            left -= int(found[g] * self.cost[g])
        return found

    def along(self, direction: Floats, budget: float) -> Ints:
        """Rows in proportion to `direction`, as many as the budget allows, at least one in all."""
        least = np.maximum(1 - self.held, 0)
        scale = budget / float(self.cost @ direction)
        rows = np.maximum(np.floor(direction * scale * (1 + 1e-12)).astype(np.int64), least)
        while self.cost @ rows > budget * (1 + 1e-12):
            spare = np.where(rows > least, rows / direction, -1.0)
            rows[int(spare.argmax())] -= 1
        return rows


def _curve(given: LearningCurve | Results, name: str) -> LearningCurve:
    if not isinstance(given, LearningCurve):
        try:
            return fit_learning_curve(given)
        except DataError as error:
            where = f"curves[{name!r}]"
            raise DataError(
                error.problem, where=where, expected=error.expected, got=error.got
            ) from None
    told = (given.ceiling, given.gain, given.exponent)
    if not all(map(math.isfinite, told)) or given.gain < 0 or given.exponent <= 0:
        raise ParameterError(
            "not a learning curve",
            where=f"curves[{name!r}]",
            expected="a gain of at least 0 and an exponent above 0, all finite",
        )
    return given


def _aversion(utility: Utility) -> float:
    if isinstance(utility, str):
        if utility in ("linear", "log"):
            return float(utility == "log")
    elif is_number(utility) and 0 <= utility < math.inf:
        return float(utility)
    raise ParameterError(
        "unknown utility",
        where="utility",
        expected='"linear", "log" or a number of at least 0',
        got=repr(utility),
    )


def _refuse_budget(budget: float, problem: _Problem) -> None:
    if not (is_number(budget) and 0 <= budget < math.inf):
        raise ParameterError(
            "not a budget", where="budget", expected="at least 0", got=repr(budget)
        )
    least = float(problem.cost @ np.maximum(1 - problem.held, 0))
    if least > budget:
        raise ParameterError(
            "the budget is too small for one row of each group that has none",
            where="budget",
            expected=f"at least {least:g}",
            got=f"{budget:g}",
        )


def _shares(shares: Mapping[str, float] | None, names: list[str]) -> Floats | None:
    if shares is None:
        return None
    _refuse_unknown(shares, names, "shares")
    part = numbers([shares.get(name, 0.0) for name in names], "shares")
    if part.min() <= 0:
        raise ParameterError(
            "not a share", where="shares", expected="a share above 0 for every group"
        )
    return part / float(part.sum())


def _refuse_unknown(given: Mapping[str, object], names: list[str], where: str) -> None:
    unknown = [str(name) for name in given if name not in names]
    if unknown:
        raise ParameterError(
            "no such group", where=where, expected=", ".join(names), got=", ".join(unknown[:5])
        )


def _lines(power: Floats, value: Floats, root: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted least squares of value on minus each row of `power`.

    Returns ceilings, gains (at least 0) and losses, one per row.
    """
    weight = root**2 / float(root @ root)
    mean_value, mean_power = float(weight @ value), power @ weight
    off = power - mean_power[:, None]
    spread = off**2 @ weight
    slope = -(off @ (weight * (value - mean_value)))
    gain = np.maximum(np.divide(slope, spread, out=np.zeros(spread.size), where=spread > 0), 0.0)
    ceiling = mean_value + gain * mean_power
    residual = value - ceiling[:, None] + gain[:, None] * power
    return ceiling, gain, residual**2 @ root**2


def _best_exponent(n: Floats, value: Floats, root: Floats) -> float:
    (low, high), best = _EXPONENTS, 0.0
    for _ in range(6):
        grid = np.geomspace(low, high, 200)
        at = int(np.argmin(_lines(n ** -grid[:, None], value, root)[2]))
        best = float(grid[at])
        low, high = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, grid.size - 1)])
    return best


def _student(freedom: float, level: float) -> float:
    if freedom == 0:
        return math.nan
    if math.isinf(freedom):
        return normal_quantile(level)
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + level / 2))


def _range(
    problem: _Problem, curves: list[LearningCurve], budget: float, level: float, seed: int
) -> tuple[Floats, Floats] | None:
    """Quantiles of the rows over curves drawn from those that fit, None where spread is unknown."""
    if any(curve.freedom == 0 for curve in curves):
        return None
    rng, drawn = generator(seed), []
    for curve in curves:
        root = np.ones(_DRAWS)
        if math.isfinite(curve.freedom):
            root = np.sqrt(curve.freedom / rng.chisquare(curve.freedom, _DRAWS))
        middle = [curve.ceiling, curve.gain, curve.exponent]
        normal = rng.multivariate_normal(np.zeros(3), curve.covariance, _DRAWS, method="eigh")
        drawn.append(middle + normal * root[:, None])
    ceiling, gain, exponent = np.moveaxis(np.array(drawn), 0, -1).swapaxes(0, 1)
    many = replace(
        problem,
        ceiling=ceiling,
        gain=np.maximum(gain, 0.0),
        exponent=np.clip(exponent, *_EXPONENTS),
    )
    rows = many.priced(budget, halvings=36)[0]
    low, high = np.quantile(rows, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.floor(low), np.ceil(high)


def _with_finding(plan: GatherPlan) -> GatherPlan:
    told = ", ".join(f"{g.rows:,} of {g.group}" for g in plan.groups)
    lost = [plan.utility_equal] if plan.utility_proportional is None else []
    lost = lost or [plan.utility_equal, plan.utility_proportional or 0.0]
    beside = f"equal rows {lost[0]:.3f}" + (f", proportional {lost[1]:.3f}" if lost[1:] else "")
    finding = Finding(
        code="gather.plan",
        sentence=(
            f"A budget of {plan.budget:,g} is best spent on {told} further rows: expected utility "
            f"{plan.utility:.3f} (no plan can pass {plan.upper_bound:.3f} on these curves; "
            f"{beside})."
        ),
        severity="info",
        method=plan.method,
    )
    return structs.replace(plan, findings=(finding,))
