"""Selective labels: the risk of people whose outcome nobody observed, and who was not tested."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from functools import cached_property
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    ColumnError,
    ConstraintError,
    DataError,
    Estimate,
    Finding,
    ParameterError,
    Record,
    SearchError,
    TargetError,
)
from riskwright.core.records import Severity
from riskwright.metrics._inputs import factorised
from riskwright.stats import (
    logit_interval,
    normal_interval,
    normal_quantile,
    proportion_interval,
)
from riskwright.stats._columns import (
    is_number,
    length_error,
    numbers,
    places,
    refuse,
    same_length,
    table,
)

__all__ = ["SelectiveFit", "SelectiveLabelsReport", "TestedGroup", "selective_labels"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_PRIOR_SD = 3.0
_CONTRADICTION = 0.9999
_CLEAR = 4.0
_RESTARTS = 4
_STRAIN = 3.0
_MEMBERS = 10
_FEW = 5
_SIGMAS = (1e-3, 0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)


class TestedGroup(Record, frozen=True, kw_only=True):
    """A group: how many were tested, how many should be at the average policy for its risk.

    `risk` is the inferred risk of all members, `risk_untested` of those whose outcome was not
    observed. `tested_at_average` is the share that would be tested if everybody were tested by
    the risk alone, with as many tests in all; `gap` is `tested` minus that. The gaps of all
    groups hold at once.
    """

    __test__ = False

    group: str
    n: int
    tested: Estimate
    risk: Estimate
    risk_untested: Estimate
    under_tested: bool
    tested_at_average: Estimate
    gap: Estimate


class SelectiveLabelsReport(Record, frozen=True, kw_only=True):
    """Who was observed, the risk of those who were not, and the testing policy as inferred.

    `policy` maps the columns that the policy may use (and "intercept") to their coefficients in
    the log odds of being tested at equal risk, per unit of the column; `unobserved_sd` is the
    spread, in log odds of the outcome, of what testers saw and the columns do not hold.
    """

    n: int
    observed: Estimate
    risk_observed: Estimate
    risk_unobserved: Estimate
    groups: tuple[TestedGroup, ...]
    policy: dict[str, Estimate]
    constraints: tuple[str, ...]
    method: str
    findings: tuple[Finding, ...] = ()
    unobserved_sd: Estimate | None = None


@dataclass(frozen=True)
class _Columns:
    """Standardised columns with a leading 1, and how to make more of the same."""

    names: tuple[str, ...]
    centre: Floats
    scale: Floats
    design: Floats

    @staticmethod
    def of(X: Any, feature_names: Sequence[str] | None) -> _Columns:
        values, names = _matrix(X, feature_names)
        refuse_missing = numbers(values, "X", ndim=2)
        centre, scale = refuse_missing.mean(axis=0), refuse_missing.std(axis=0)
        constant = scale <= 1e-12 * np.maximum(1.0, np.abs(centre))
        if constant.any():
            named = ", ".join(np.asarray(names)[constant][:5])
            raise ColumnError(
                "constant columns",
                where="X",
                expected="columns that vary; the intercept is added here",
                got=named,
            )
        return _Columns(tuple(names), centre, scale, _with_one((values - centre) / scale))

    def more(self, X: Any) -> Floats:
        values = numbers(_matrix(X, self.names)[0], "X", ndim=2)
        if values.shape[1] != len(self.names):
            raise ColumnError(
                "wrong number of columns",
                where="X",
                expected=str(len(self.names)),
                got=str(values.shape[1]),
            )
        return _with_one((values - self.centre) / self.scale)

    def original_units(self, free: NDArray[np.int64]) -> Floats:
        """Matrix that carries coefficients of the standardised columns to those of the plain."""
        slopes = np.concatenate([[1.0], 1.0 / self.scale])
        carried = np.diag(slopes[free])
        carried[0] -= np.concatenate([[0.0], self.centre / self.scale])[free]
        return carried


@dataclass(frozen=True)
class _Data:
    """Rows as the likelihood needs them; `positive` is observed and 1."""

    design: Floats
    free: NDArray[np.int64]
    observed: Bools
    positive: Bools
    alpha: float | None
    prevalence: float | None
    sigma: float | None = None

    @property
    def held(self) -> tuple[bool, bool]:
        """Whether sigma and alpha are fixed."""
        return self.sigma is not None, self.alpha is not None

    @property
    def size(self) -> int:
        return int(self.design.shape[1] + self.free.size + 2 - sum(self.held))

    def unpacked(self, theta: Floats) -> tuple[Floats, Floats, float, float]:
        """Linear predictors of outcome and policy, sigma, alpha."""
        d, f = self.design.shape[1], self.free.size
        alpha = float(theta[-1]) if self.alpha is None else self.alpha
        sigma = float(theta[d + f]) if self.sigma is None else self.sigma
        policy = self.design[:, self.free] @ theta[d : d + f]
        return self.design @ theta[:d], policy, sigma, alpha

    def spread(self, parts: Sequence[Floats]) -> Floats:
        """Gradients per row with respect to theta, from those to the four predictors."""
        blocks = [parts[0][:, None] * self.design, parts[1][:, None] * self.design[:, self.free]]
        last = zip(parts[2:], self.held, strict=True)
        blocks += [part[:, None] for part, held in last if not held]
        return np.concatenate(blocks, axis=1)

    def curvature(self, parts: Callable[[int, int], Floats]) -> Floats:
        """Sum over rows of second derivatives with respect to theta, likewise."""
        ones = np.ones((self.design.shape[0], 1))
        blocks = {0: self.design, 1: self.design[:, self.free]}
        blocks |= {2 + k: ones for k, held in enumerate(self.held) if not held}
        upper = {(i, j): parts(i, j)[:, None] for i in blocks for j in blocks if i <= j}
        return np.block(
            [
                [left.T @ (upper[min(i, j), max(i, j)] * right) for j, right in blocks.items()]
                for i, left in blocks.items()
            ]
        )


@dataclass(frozen=True)
class _At:
    """Everything at one theta and all quadrature nodes: arrays of shape (n, nodes)."""

    data: _Data
    theta: Floats

    @cached_property
    def links(self) -> tuple[Floats, Floats, float, float]:
        """r and u, the log odds of outcome and test, with sigma and alpha."""
        outcome, policy, sigma, alpha = self.data.unpacked(self.theta)
        r = outcome[:, None] + sigma * _NODES
        return r, alpha * r + policy[:, None], sigma, alpha

    @cached_property
    def chances(self) -> tuple[Floats, Floats]:
        r, u, _, _ = self.links
        return _chance(r), _chance(u)

    @cached_property
    def slopes(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Derivatives of r and of u with respect to the four predictors."""
        r, _, _, alpha = self.links
        return (1.0, 0.0, _NODES, 0.0), (alpha, 1.0, alpha * _NODES, r)

    @cached_property
    def likelihood(self) -> tuple[Floats, Floats]:
        """Log likelihood of each row, and the weights of its nodes given what was seen."""
        outcome, test = self.chances
        tested, positive = self.data.observed, self.data.positive
        joint = 1 - test
        joint[tested] = test[tested] * (1 - outcome[tested])
        joint[positive] = test[positive] * outcome[positive]
        joint *= _WEIGHTS
        total = np.maximum(joint.sum(axis=1), 1e-300)
        return np.log(total), joint / total[:, None]

    @cached_property
    def _first(self) -> tuple[list[Floats], Floats, Floats]:
        outcome, test = self.chances
        tested = self.data.observed[:, None]
        a = tested * (self.data.positive[:, None] - outcome)
        b = tested - test
        of_r, of_u = self.slopes
        return [a * x + b * v for x, v in zip(of_r, of_u, strict=True)], a, b

    @cached_property
    def score_parts(self) -> list[Floats]:
        weights = self.likelihood[1]
        return [np.einsum("nk,nk->n", weights, part) for part in self._first[0]]

    @cached_property
    def scores(self) -> Floats:
        return self.data.spread(self.score_parts)

    def information(self) -> Floats:
        """Minus the second derivatives of the log likelihood, summed over rows."""
        weights, (first, _, b) = self.likelihood[1], self._first
        outcome, test = self.chances
        bend_r = -1.0 * self.data.observed[:, None] * outcome * (1 - outcome)
        bend_u = -test * (1 - test)
        of_r, of_u = self.slopes
        crossed: dict[tuple[int, int], Any] = {(0, 3): 1.0, (2, 3): _NODES}

        def part(i: int, j: int) -> Floats:
            inner = bend_r * of_r[i] * of_r[j] + bend_u * of_u[i] * of_u[j]
            inner = inner + b * crossed.get((i, j), 0.0) + first[i] * first[j]
            mean: Floats = np.einsum("nk,nk->n", weights, inner)
            return self.score_parts[i] * self.score_parts[j] - mean

        return self.data.curvature(part)

    @cached_property
    def risk(self) -> Floats:
        """P(Y = 1 | X) of each row."""
        risk: Floats = self.chances[0] @ _WEIGHTS
        return risk

    @cached_property
    def risk_gradient(self) -> Floats:
        bend = self.chances[0] * (1 - self.chances[0])
        none = np.zeros(bend.shape[0])
        return self.data.spread([bend @ _WEIGHTS, none, bend @ (_WEIGHTS * _NODES), none])

    def risk_curvature(self) -> Floats:
        outcome = self.chances[0]
        bend = outcome * (1 - outcome) * (1 - 2 * outcome)
        by = {(0, 0): _WEIGHTS, (0, 2): _WEIGHTS * _NODES, (2, 2): _WEIGHTS * _NODES**2}
        none = np.zeros(_NODES.size)
        return self.data.curvature(lambda i, j: bend @ by.get((i, j), none))

    @cached_property
    def risk_given_no_test(self) -> tuple[Floats, Floats]:
        return self.risk_given_test(False)

    def risk_given_test(self, tested: bool) -> tuple[Floats, Floats]:
        """P(Y = 1 | X, T) of each row and its gradients."""
        outcome, test = self.chances
        chance, bend = (test, test * (1 - test)) if tested else (1 - test, -test * (1 - test))
        total = np.maximum(chance @ _WEIGHTS, 1e-300)
        risk = ((outcome * chance) @ _WEIGHTS) / total
        parts = []
        for of_r, of_u in zip(*self.slopes, strict=True):
            up = outcome * (1 - outcome) * chance * of_r + (outcome - risk[:, None]) * bend * of_u
            parts.append((up @ _WEIGHTS) / total)
        return risk, self.data.spread(parts)

    def average_policy(self) -> tuple[Floats, Floats, Floats]:
        """Chance of a test by risk alone at as many tests; its gradients and slope per row."""
        from scipy.optimize import brentq

        r, _, _, alpha = self.links
        share = float(self.data.observed.mean())

        def excess(shift: float) -> float:
            return float(np.mean(_chance(alpha * r + shift) @ _WEIGHTS)) - share

        reach = 40.0 + abs(alpha) * float(np.abs(r).max())
        test = _chance(alpha * r + brentq(excess, -reach, reach, xtol=1e-12))
        bend = test * (1 - test)
        slope = bend @ _WEIGHTS
        none = np.zeros(slope.size)
        parts = [alpha * slope, none, alpha * (bend @ (_WEIGHTS * _NODES)), (bend * r) @ _WEIGHTS]
        return test @ _WEIGHTS, self.data.spread(parts), slope


def selective_labels(
    X: Any,
    outcome: ArrayLike,
    observed: ArrayLike,
    *,
    prevalence: float | Estimate | None = None,
    expertise: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    alpha: float | None = 1.0,
    feature_names: Sequence[str] | None = None,
    harm_limit: float = 0.05,
) -> SelectiveFit:
    """The risk of everybody where outcomes are seen only of those who were tested.

    Testers saw more than the columns hold: with Z ~ N(0, sigma^2) unobserved and
    r = X b_Y + Z, the outcome is 1 with log odds r, and it is observed with log odds
    alpha r + X b_D. Two constraints from knowledge of the domain narrow down what the data leave
    open.

    Parameters
    ----------
    X : array of shape (n, d), mapping from names to columns, or frame with `columns`
        Numbers. Columns that tell the `groups` apart belong here too, or the risk of a group is
        that of its columns alone.
    outcome : array of shape (n,), 0 or 1 where observed
        Ignored elsewhere (it may be NaN).
    observed : array of shape (n,), 0 or 1 (or bool)
    prevalence : the known rate of the outcome in the population of the rows, optional
        As a number, or as an `Estimate` whose interval (taken as a normal one) is passed on.
    expertise : names of the columns that the testing policy may use besides the risk, optional
        The policy's other coefficients are 0; an empty list leaves the intercept.
    groups : array of shape (n,), optional
        Labels of the groups reported.
    level : confidence level.
    alpha : how much the log odds of a test rise per unit of log odds of the outcome
        1 as in the paper; None has it estimated, which needs much more data.
    feature_names : names of the columns of an array; x0, x1, ... by default.
    harm_limit : from 0 to 1
        A group that is provably tested less often than at the average policy by more than this
        share is a finding of severity "high".

    Returns
    -------
    SelectiveFit
        Maximum a posteriori with N(0, 3^2) on coefficients of standardised columns and a
        half-normal(3) on sigma. Intervals come from influence values (sandwich), the constraint
        included, and are at least as wide as the curvature of the posterior makes them: they hold
        if the model does, in large samples. Where sigma is not clear of 0, those at all values
        of its profile interval are joined.

    Raises
    ------
    DataError : missing or infinite values, lengths, constant columns.
    TargetError : outcome observed for nobody, for everybody, or with one class only.
    ConstraintError : the prevalence contradicts the outcomes that were seen.
    ParameterError : level, alpha, prevalence or names not allowed.
    SearchError : the fit did not converge.

    Notes
    -----
    Time O(n (21 + d) d) per step, some 30 to 100 steps (0.2 to 1.4 s at n = 5,000, d = 5); memory
    O(n (21 + d)). Balachandar, Garg & Pierson (2024), ICLR, Bernoulli-sigmoid model; here with a
    hard prevalence constraint, quadrature and intervals in the place of sampling.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, seen_only = rng.normal(size=(2, 2000))
    >>> chance = 1 / (1 + np.exp(1 - x - seen_only))
    >>> outcome, observed = rng.random((2, 2000)) < chance
    >>> fit = selective_labels({"age": x}, outcome, observed, expertise=[])
    >>> low, high = fit.report().risk_unobserved.low, fit.report().risk_unobserved.high
    >>> bool(low < outcome[~observed].mean() < high)
    True
    """
    normal_quantile(level)
    columns = _Columns.of(X, feature_names)
    seen, positive = _labels(outcome, observed, columns.design.shape[0])
    rate, spread = _rate(prevalence)
    _refuse_contradiction(rate, spread, seen, positive)
    if alpha is not None and not (is_number(alpha) and 0 <= alpha < np.inf):
        raise ParameterError("not allowed", where="alpha", expected="at least 0", got=repr(alpha))
    if not (is_number(harm_limit) and 0 <= harm_limit <= 1):
        raise ParameterError("not a share", where="harm_limit", expected="from 0 to 1")
    free = _policy_columns(expertise, columns.names)
    data = _Data(columns.design, free, seen, positive, alpha, rate)
    labels = None if groups is None else _groups(groups, seen.size)
    solutions, sigma_range = _solutions(data, spread, level)
    return SelectiveFit(
        columns=columns,
        solutions=solutions,
        sigma_range=sigma_range,
        level=level,
        harm_limit=float(harm_limit),
        expertise=None if expertise is None else tuple(expertise),
        groups=labels,
    )


@dataclass(frozen=True, eq=False, repr=False)
class SelectiveFit:
    """What `selective_labels` learned; made by that function."""

    columns: _Columns
    solutions: tuple[_Solution, ...]
    sigma_range: tuple[float, float] | None
    level: float
    harm_limit: float
    expertise: tuple[str, ...] | None
    groups: tuple[list[str], NDArray[np.int32]] | None

    def risk(self, X: Any, observed: ArrayLike | None = None) -> Floats:
        """Chance of the outcome for each person.

        Parameters
        ----------
        X : as in the fit.
        observed : array of shape (n,), 0 or 1, optional
            Whether the person was tested, which tells something of what the tester saw.

        Returns
        -------
        array of shape (n,), P(Y = 1 | X) or P(Y = 1 | X, observed)
        """
        design = self.columns.more(X)
        nobody = np.zeros(design.shape[0], dtype=bool)
        data = _Data(design, self._data.free, nobody, nobody, self._data.alpha, None)
        at = _At(data, self.solutions[0].theta)
        if observed is None:
            return at.risk
        tested = _flags(observed, design.shape[0])
        return np.where(tested, at.risk_given_test(True)[0], at.risk_given_test(False)[0])

    @property
    def coefficients(self) -> dict[str, Estimate]:
        """b_Y: log odds of the outcome per unit of each column, and "intercept"."""
        return self._coefficients(np.arange(len(self.columns.names) + 1), 0)

    @property
    def policy(self) -> dict[str, Estimate]:
        """b_D: log odds of a test at equal risk, per unit of each column that it may use."""
        return self._coefficients(self._data.free, self._data.design.shape[1])

    @property
    def unobserved_sd(self) -> Estimate:
        """sigma, the spread of what testers saw and the columns do not hold."""
        found = self.solutions[0].sigma(self.level)
        if self.sigma_range is None:
            return found
        low, high = self.sigma_range
        return replace(found, low=low, high=high, method="profile likelihood, on a grid")

    @property
    def constraints(self) -> tuple[str, ...]:
        """The constraints in words."""
        told = []
        if self._data.prevalence is not None:
            told.append(f"prevalence: {self._data.prevalence:.4g} of the population")
        if self.expertise is not None:
            by = "".join(f" and on {name}" for name in self.expertise)
            told.append(f"expertise: testing depends on the risk{by or ' alone'}")
        return tuple(told)

    def undertested(self, groups: ArrayLike) -> tuple[TestedGroup, ...]:
        """Every group with its share tested beside that of the average policy at its risk.

        Parameters
        ----------
        groups : array of shape (n,), labels of the rows of the fit

        Notes
        -----
        `under_tested` is True where the whole interval of `gap` lies below 0; the gaps of all k
        groups hold at once (each at 1 - (1 - level) / k). Groups of fewer than 10 members have
        no intervals; with fewer than 5 members tested or not, the binomial variance at the
        average policy is added to that of the gap.
        """
        labels, codes = _groups(groups, self._data.observed.size)
        joint = 1 - (1 - self.level) / len(labels)
        return tuple(self._group(label, codes == k, joint) for k, label in enumerate(labels))

    def report(self) -> SelectiveLabelsReport:
        """All aggregates and findings as a record.

        Notes
        -----
        `selective.risk_unobserved` is "high" where those not observed are provably at greater risk
        than those observed, "medium" where provably at less. `selective.undertested` is "high"
        where the gap's interval lies beyond the limit of harm, "medium" where it lies below 0.
        """
        seen, n = self._data.observed, int(self._data.observed.size)
        found: tuple[TestedGroup, ...] = ()
        if self.groups is not None:
            labels, codes = self.groups
            found = self.undertested(np.asarray(labels, dtype=object)[codes])
        unobserved = self._over(lambda one: one.mean_risk(~seen, True, self.level))
        if not self.constraints:
            note = "; no constraint: rests on the model's form alone"
            unobserved = replace(unobserved, method=unobserved.method + note)
        report = SelectiveLabelsReport(
            n=n,
            observed=_share(seen, self.level, "observed"),
            risk_observed=_share(self._data.positive[seen], self.level, "risk_observed"),
            risk_unobserved=replace(unobserved, name="risk_unobserved"),
            groups=found,
            policy=self.policy,
            constraints=self.constraints,
            method=_METHOD,
            unobserved_sd=self.unobserved_sd,
        )
        findings = (_risk_finding(report, int((~seen).sum())), *self._group_findings(found))
        if (strain := self.solutions[0].strain()) > _STRAIN:
            findings = (*findings, _strain_finding(report, strain))
        return replace(report, findings=findings)

    @property
    def _data(self) -> _Data:
        return self.solutions[0].data

    def _over(self, ask: Callable[[_Solution], Estimate]) -> Estimate:
        """The estimate of the best fit; its interval joins those at all values of sigma."""
        found = [ask(one) for one in self.solutions]
        if len(found) == 1:
            return found[0]
        return replace(
            found[0],
            low=min(one.low for one in found),
            high=max(one.high for one in found),
            method=f"{found[0].method}, joined over the profile interval of sigma",
        )

    def _coefficients(self, free: NDArray[np.int64], start: int) -> dict[str, Estimate]:
        carried = self.columns.original_units(free)
        names = ["intercept", *self.columns.names]
        return {
            names[column]: self._over(
                lambda one, j=j, column=column: one.linear(  # type: ignore[misc]
                    start, carried[j], names[column], self.level
                )
            )
            for j, column in enumerate(free.tolist())
        }

    def _group(self, label: str, member: Bools, joint: float) -> TestedGroup:
        seen = self._data.observed
        risk = self._over(lambda one: one.mean_risk(member, False, self.level))
        untested = _nothing("risk_untested", "none: everybody was tested", self.level)
        if (member & ~seen).any():
            untested = self._over(lambda one: one.mean_risk(member & ~seen, True, self.level))
        at_average = self._over(lambda one: one.at_average(member, self.level)[0])
        gap = self._over(lambda one: one.at_average(member, joint)[1])
        told = risk, untested, at_average, gap
        if member.sum() < _MEMBERS:
            risk, untested, at_average, gap = map(_too_small, told)
        elif not (member & seen).any():
            risk, untested, at_average, gap = map(self._blind, told)
        return TestedGroup(
            group=label,
            n=int(member.sum()),
            tested=_share(seen[member], self.level, "tested"),
            risk=risk,
            risk_untested=untested,
            under_tested=bool(gap.high < 0),
            tested_at_average=at_average,
            gap=gap,
        )

    def _blind(self, estimate: Estimate) -> Estimate:
        """What to say of a figure of a group of which no outcome was observed."""
        if self.constraints:
            note = "; no outcome of the group was observed: rests on the constraints alone"
            return replace(estimate, method=estimate.method + note)
        why = "none: no outcome of the group was observed and no constraint identifies its risk"
        return _nothing(estimate.name, why, estimate.level, estimate.n)

    def _group_findings(self, found: tuple[TestedGroup, ...]) -> list[Finding]:
        told = [_tested_finding(g, self.harm_limit) for g in found if g.gap.value < 0]
        judged = [g for g in found if not math.isnan(g.gap.value)]
        if judged and not any(g.under_tested for g in judged):
            told.append(_nobody_undertested(judged, len(found) - len(judged)))
        return told + [_blind_finding(g) for g in found if g.tested.value == 0]


@dataclass(frozen=True, eq=False)
class _Solution:
    """The best parameters, with sigma free or fixed, and the influence of each row on them."""

    data: _Data
    theta: Floats
    multiplier: float
    prevalence_se: float

    @cached_property
    def at(self) -> _At:
        return _At(self.data, self.theta)

    @cached_property
    def _inverse(self) -> Floats:
        matrix = _system(self.at, self.multiplier)[0]
        return np.linalg.inv(matrix).astype(np.float64)

    @cached_property
    def _influence(self) -> Floats:
        """Influence of each row on theta, of shape (n, p)."""
        influence: Floats = self._conditions @ self._inverse[: self.data.size].T
        return influence

    @cached_property
    def _conditions(self) -> Floats:
        """What each row adds to the optimality conditions."""
        scores = self.at.scores - _prior(self.data, self.theta)[1] / self.data.observed.size
        if self.data.prevalence is None:
            return scores
        scores = scores - self.multiplier * self.at.risk_gradient
        off = self.data.prevalence - self.at.risk
        return np.concatenate([scores, off[:, None]], axis=1)

    def strain(self) -> float:
        """Standard errors by which the prevalence pulls the fit from where the data have it."""
        if self.data.prevalence is None:
            return 0.0
        rows = self.data.observed.size
        pulls = self._conditions @ self._inverse[-1]
        variance = float(pulls @ pulls) / rows**2
        variance += (float(self._inverse[-1, -1]) * self.prevalence_se) ** 2
        return abs(self.multiplier) / math.sqrt(variance)

    @cached_property
    def _average(self) -> _Expected:
        chance, gradient, slope = self.at.average_policy()
        kept = gradient - np.outer(slope, gradient.mean(axis=0) / slope.mean())
        return _Expected(chance, kept, slope, (self.data.observed - chance) / slope.mean())

    def estimate(
        self,
        value: float,
        gradient: Floats,
        direct: Floats | float,
        *,
        name: str,
        level: float,
        n: int | None = None,
        share: bool = False,
        further: float = 0.0,
    ) -> Estimate:
        """Interval from influence values; `direct` are those that do not pass through theta."""
        rows, p = self.data.observed.size, self.data.size
        moved = self._influence @ gradient
        variance = float(np.sum((moved + direct) ** 2)) / rows**2 + further
        curvature = float(gradient @ self._inverse[:p, :p] @ gradient) / rows
        variance += max(curvature - float(moved @ moved) / rows**2, 0.0)
        if self.prevalence_se:
            outside = float(self._inverse[:p, -1] @ gradient)
            variance += (outside * self.prevalence_se) ** 2
        bounded = share and 1e-12 < value < 1 - 1e-12
        interval = logit_interval if bounded else normal_interval
        low, high = interval(value, float(np.sqrt(variance)), level)
        return Estimate(
            name=name,
            value=value,
            low=low,
            high=high,
            level=level,
            n=rows if n is None else n,
            method="influence values (sandwich)" + (", logit scale" if bounded else ""),
        )

    def linear(self, start: int, factors: Floats, name: str, level: float) -> Estimate:
        """A combination of neighbouring parameters."""
        gradient = np.zeros(self.data.size)
        gradient[start : start + factors.size] = factors
        return self.estimate(float(gradient @ self.theta), gradient, 0.0, name=name, level=level)

    def sigma(self, level: float) -> Estimate:
        at = self.data.design.shape[1] + self.data.free.size
        sign = np.sign(self.theta[at : at + 1]) or np.ones(1)
        found = self.linear(at, sign, "unobserved_sd", level)
        return replace(found, low=max(found.low, 0.0))

    def mean_risk(self, rows: Bools, untested: bool, level: float) -> Estimate:
        """Mean risk of some rows (given no test, or not), as draws of a population."""
        at = self.at
        risk, slopes = at.risk_given_no_test if untested else (at.risk, at.risk_gradient)
        value = float(risk[rows].mean())
        direct = np.where(rows, risk - value, 0.0) / rows.mean()
        name = "risk_untested" if untested else "risk"
        gradient, n = slopes[rows].mean(axis=0), int(rows.sum())
        return self.estimate(value, gradient, direct, name=name, level=level, n=n, share=True)

    def at_average(self, member: Bools, level: float) -> tuple[Estimate, Estimate]:
        """Share of the members tested at the average policy, and what they lack to it."""
        own, seen = self._average, self.data.observed
        share, n = member.mean(), int(member.sum())
        expected = float(own.chance[member].mean())
        gradient = own.gradient[member].mean(axis=0)
        moved = float(own.slope[member].mean()) * own.shift
        direct = np.where(member, own.chance - expected, 0.0) / share + moved
        at_average = self.estimate(
            expected, gradient, direct, name="tested_at_average", level=level, n=n, share=True
        )
        gap = float(seen[member].mean()) - expected
        off = np.where(member, seen - own.chance - gap, 0.0) / share - moved
        at_null = 0.0
        if min(seen[member].sum(), n - seen[member].sum()) < _FEW:
            chance = own.chance[member]
            at_null = float(np.sum(chance * (1 - chance))) / n**2
        return at_average, self.estimate(
            gap, -gradient, off, name="gap", level=level, n=n, further=at_null
        )


@dataclass(frozen=True)
class _Expected:
    """The average policy: chance of a test per row; gradients, with the shift moved along so that
    as many are tested; slope in the shift, and what each row adds to the shift."""

    chance: Floats
    gradient: Floats
    slope: Floats
    shift: Floats


_METHOD = (
    "Bernoulli-sigmoid model with a normal unobservable, maximum a posteriori by 21-point "
    "Gauss-Hermite quadrature, sandwich intervals (Balachandar, Garg & Pierson 2024)"
)


def _chance(log_odds: Floats) -> Floats:
    """1 / (1 + exp(-x)), several times faster on large arrays than scipy's."""
    chance: Floats = 1.0 / (1.0 + np.exp(np.minimum(-log_odds, 700.0)))
    return chance


def _with_one(values: Floats) -> Floats:
    return np.concatenate([np.ones((values.shape[0], 1)), values], axis=1)


def _matrix(X: Any, feature_names: Sequence[str] | None) -> tuple[Floats, Sequence[str]]:
    """Columns as one array, and their names: those of the frame, those given, or x0, x1, ..."""
    held = list(X) if isinstance(X, Mapping) else getattr(X, "columns", None)
    if held is not None:
        wanted = [str(name) for name in held] if feature_names is None else list(feature_names)
        missing = [name for name in wanted if name not in [str(h) for h in held]]
        if missing:
            raise ColumnError("no such column", where="X", got=", ".join(missing[:5]))
        by_name = {str(name): X[name] for name in held}
        parts = [table(by_name[name], name) for name in wanted]
        if not parts:
            raise ColumnError("no columns", where="X")
        for name, part in zip(wanted, parts, strict=True):
            same_length(part, name, parts[0].size, wanted[0])
        return np.stack(parts, axis=1), wanted
    values = table(X, "X", ndim=2)
    names = [f"x{j}" for j in range(values.shape[1])] if feature_names is None else feature_names
    if len(names) != values.shape[1] or len(set(names)) != len(names):
        raise ColumnError(
            "names do not fit the columns",
            where="feature_names",
            expected=f"{values.shape[1]} different names",
            got=f"{len(names)}",
        )
    return values, names


def _flags(values: ArrayLike, size: int) -> Bools:
    flags = numbers(values, "observed")
    same_length(flags, "observed", size, "X")
    refuse((flags != 0) & (flags != 1), "observed", "not a flag", "0 or 1")
    seen: Bools = flags == 1
    return seen


def _labels(outcome: ArrayLike, observed: ArrayLike, size: int) -> tuple[Bools, Bools]:
    seen = _flags(observed, size)
    try:
        values = np.asarray(outcome, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("not numbers", where="outcome", expected="0 or 1, or NaN") from None
    if values.ndim != 1:
        raise DataError("wrong shape", where="outcome", expected="one value per row")
    if values.size != size:
        raise length_error("outcome", values.size, size, "X")
    bad = seen & (values != 0) & (values != 1)
    if bad.any():
        raise TargetError(
            "not an outcome", where="outcome", expected="0 or 1 where observed", got=places(bad)
        )
    if not seen.any():
        raise TargetError(
            "the outcome is observed for nobody",
            where="observed",
            hint="Nothing can be learned of the risk without any outcome",
        )
    if seen.all():
        raise TargetError(
            "the outcome is observed for everybody",
            where="observed",
            hint="No labels are missing: measure the score as it is",
        )
    if np.unique(values[seen]).size < 2:
        raise TargetError("only one class among the observed outcomes", where="outcome")
    return seen, seen & (values == 1)


def _rate(prevalence: float | Estimate | None) -> tuple[float | None, float]:
    """The known rate and its standard error."""
    if prevalence is None:
        return None, 0.0
    value: Any = prevalence.value if isinstance(prevalence, Estimate) else prevalence
    if not (is_number(value) and 0 < value < 1):
        raise ParameterError(
            "not a rate", where="prevalence", expected="between 0 and 1", got=repr(value)
        )
    if not isinstance(prevalence, Estimate):
        return float(value), 0.0
    spread = (prevalence.high - prevalence.low) / (2 * normal_quantile(prevalence.level))
    if not 0 <= spread < np.inf:
        raise ParameterError(
            "an estimate without an interval", where="prevalence", expected="low <= value <= high"
        )
    return float(value), float(spread)


def _refuse_contradiction(rate: float | None, spread: float, seen: Bools, positive: Bools) -> None:
    """At least those seen with the outcome have it, at most those not seen without."""
    if rate is None:
        return
    n, reach = seen.size, 4 * spread
    least, _ = proportion_interval(int(positive.sum()), n, _CONTRADICTION, "clopper_pearson")
    without = int((seen & ~positive).sum())
    most = 1 - proportion_interval(without, n, _CONTRADICTION, "clopper_pearson")[0]
    if not least - reach <= rate <= most + reach:
        raise ConstraintError(
            "the prevalence contradicts the outcomes that were observed",
            conflict=("prevalence",),
            where="prevalence",
            expected=f"from {least:.4g} to {most:.4g}",
            got=f"{rate:.4g}",
            hint="Is it the rate in the population that these rows were drawn from?",
        )


def _policy_columns(expertise: Sequence[str] | None, names: Sequence[str]) -> NDArray[np.int64]:
    """Places of the policy's free coefficients, the intercept first."""
    if expertise is None:
        return np.arange(len(names) + 1)
    if isinstance(expertise, str):
        raise ParameterError("one name", where="expertise", expected="a list of column names")
    unknown = [str(name) for name in expertise if name not in names]
    if unknown:
        raise ColumnError(
            "no such column",
            where="expertise",
            expected="some of " + ", ".join(names[:10]),
            got=", ".join(unknown[:5]),
        )
    return np.array([0] + [j + 1 for j, name in enumerate(names) if name in expertise])


def _groups(groups: ArrayLike, size: int) -> tuple[list[str], NDArray[np.int32]]:
    labels, codes = factorised(groups, "groups")
    if codes.size != size:
        raise length_error("groups", codes.size, size, "X")
    return labels, codes


def _prior(data: _Data, theta: Floats) -> tuple[float, Floats, Floats]:
    """Minus the log of the prior with its gradient and the diagonal of its curvature."""
    precision = np.full(theta.size, _PRIOR_SD**-2)
    centre = np.zeros(theta.size)
    if data.alpha is None:
        centre[-1] = 1.0
    off = theta - centre
    fixed = (data.sigma or 0.0) ** 2 * _PRIOR_SD**-2
    return (float(precision @ off**2) + fixed) / 2, precision * off, precision


def _maximum(data: _Data) -> tuple[Floats, float]:
    """The posterior mode and the multiplier of the prevalence constraint (0 without)."""
    from scipy.optimize import minimize

    n = data.observed.size
    latest = [_At(data, np.zeros(data.size))]

    def located(theta: Floats) -> _At:
        if not np.array_equal(latest[0].theta, theta):
            latest[0] = _At(data, theta.copy())
        return latest[0]

    def objective(theta: Floats) -> tuple[float, Floats]:
        at = located(theta)
        value, slope, _ = _prior(data, theta)
        total = float(at.likelihood[0].sum())
        return (value - total) / n, (slope - at.scores.sum(axis=0)) / n

    start = np.zeros(data.size)
    start[data.design.shape[1] + data.free.size :] = 1.0
    constraints: list[dict[str, Any]] = []
    if data.prevalence is not None:
        rate = data.prevalence
        start[0] = np.log(rate / (1 - rate))
        constraints = [
            {
                "type": "eq",
                "fun": lambda theta: located(theta).risk.mean() - rate,
                "jac": lambda theta: located(theta).risk_gradient.mean(axis=0),
            }
        ]
    options = {"maxiter": 500, "ftol": 1e-10}
    found = minimize(
        objective, start, jac=True, method="SLSQP", constraints=constraints, options=options
    )
    return _polished(data, np.asarray(found.x))


def _solutions(
    data: _Data, spread: float, level: float
) -> tuple[tuple[_Solution, ...], tuple[float, float] | None]:
    """The best fit; where sigma is not clear of 0, those at all sigma of its profile interval.

    Influence values do not see how all else moves with sigma where sigma may be 0: the
    likelihood is flat in it there. The intervals at fixed sigma, joined over the profile interval
    of sigma, are at least as wide as the regular ones where those hold.
    """
    best = _Solution(data, *_maximum(data), spread)
    for _ in range(_RESTARTS):
        solutions, sigma_range = _scanned(best, level)
        top = max(solutions, key=_posterior)
        if _posterior(top) <= _posterior(best) + 1e-6:
            return solutions, sigma_range
        d = data.design.shape[1] + data.free.size
        start = np.insert(top.theta, d, float(top.data.sigma or 0.0))
        best = _Solution(data, *_polished(data, start, top.multiplier), spread)
    raise _no_end()


def _scanned(
    best: _Solution, level: float
) -> tuple[tuple[_Solution, ...], tuple[float, float] | None]:
    """The solution, and those at other sigma where its own is not clear of 0."""
    data, sigma = best.data, best.sigma(level)
    se = (sigma.high - sigma.value) / normal_quantile(level)
    if sigma.value > max(_CLEAR * se, 0.5):
        return (best,), None
    bar = normal_quantile(level) ** 2 / 2
    d = data.design.shape[1] + data.free.size
    target, theta = _posterior(best), np.delete(best.theta, d)
    above = [s for s in _SIGMAS if s > sigma.value]
    below = [s for s in reversed(_SIGMAS) if s <= sigma.value]
    found, ends = [best], []
    for side in (below, above):
        nearby, multiplier, end = theta, best.multiplier, sigma.value
        for fixed in side:
            held = replaced(data, sigma=fixed)
            nearby, multiplier = _polished(held, nearby, multiplier)
            found.append(_Solution(held, nearby, multiplier, best.prevalence_se))
            end = fixed
            if target - _posterior(found[-1]) > bar:
                break
        ends.append(end)
    return tuple(found), (ends[0] if ends[0] > _SIGMAS[0] else 0.0, ends[1])


def _posterior(solution: _Solution) -> float:
    likelihood = float(solution.at.likelihood[0].sum())
    return likelihood - _prior(solution.data, solution.theta)[0]


def _system(at: _At, multiplier: float) -> tuple[Floats, Floats, float]:
    """Matrix of the optimality conditions, gradient of the objective, miss of the constraint."""
    data, n = at.data, at.data.observed.size
    _, slope, bend = _prior(data, at.theta)
    curvature = (at.information() + np.diag(bend)) / n
    gradient = (slope - at.scores.sum(axis=0)) / n
    if data.prevalence is None:
        return curvature, gradient, 0.0
    curvature += multiplier * at.risk_curvature() / n
    edge = at.risk_gradient.mean(axis=0)[:, None]
    matrix = np.block([[curvature, edge], [edge.T, np.zeros((1, 1))]])
    return matrix, gradient, float(at.risk.mean()) - data.prevalence


def _polished(data: _Data, theta: Floats, multiplier: float = 0.0) -> tuple[Floats, float]:
    """Newton's steps on the optimality conditions, from a point nearby."""
    p, bound = data.size, data.prevalence is not None
    for _ in range(30):
        at = _At(data, theta)
        matrix, gradient, miss = _system(at, multiplier)
        wanted = -np.concatenate([gradient, [miss]]) if bound else -gradient
        try:
            step = np.linalg.solve(matrix, wanted)
        except np.linalg.LinAlgError:
            break
        if bound:
            multiplier = float(step[p])
        theta = theta + step[:p] * min(1.0, 2.0 / max(float(np.abs(step[:p]).max()), 1e-300))
        if float(np.abs(step[:p]).max()) < 1e-9:
            return theta, multiplier
    raise _no_end()


def _no_end() -> SearchError:
    return SearchError(
        "the fit did not converge",
        where="selective_labels",
        hint="Fewer columns, or a prevalence or expertise constraint, may make the model clear",
    )


def _share(flags: Bools, level: float, name: str) -> Estimate:
    n, events = int(flags.size), int(flags.sum())
    low, high = proportion_interval(events, n, level)
    return Estimate(
        name=name, value=events / n, low=low, high=high, level=level, n=n, method="Wilson"
    )


def _too_small(estimate: Estimate) -> Estimate:
    why = f"none: fewer than {_MEMBERS} members"
    return _nothing(estimate.name, why, estimate.level, estimate.n)


def _nothing(name: str, why: str, level: float, n: int = 0) -> Estimate:
    nan = float("nan")
    return Estimate(name=name, value=nan, low=nan, high=nan, level=level, n=n, method=why)


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"


def _risk_finding(report: SelectiveLabelsReport, n: int) -> Finding:
    untested, tested = report.risk_unobserved, report.risk_observed
    severity: Severity = "low" if untested.value > tested.value else "info"
    if untested.high < tested.low:
        severity = "medium"
    elif untested.low > tested.high:
        severity = "high"
    resting = "; ".join(report.constraints) or "no constraint, so on the model's form alone"
    sentence = (
        f"Of {report.n:,} people the outcome of {n:,} was never observed; their risk is put at "
        f"{_percent(untested)}, against {_percent(tested)} where it was observed. "
        f"This rests on {resting}."
    )
    return Finding(
        code="selective.risk_unobserved",
        sentence=sentence,
        severity=severity,
        estimate=untested,
        method=report.method,
    )


def _strain_finding(report: SelectiveLabelsReport, strain: float) -> Finding:
    return Finding(
        code="selective.prevalence",
        sentence=(
            f"The known rate does not fit what was observed of {report.n:,} people: it pulls the "
            f"model {strain:.1f} standard errors away from the data, so that the rate, the other "
            "constraints or the form of the model must be wrong."
        ),
        severity="medium",
        method="Lagrange multiplier of the prevalence constraint",
    )


def _tested_finding(group: TestedGroup, limit: float) -> Finding:
    severity: Severity = "low"
    if group.under_tested:
        severity = "high" if group.gap.high < -limit else "medium"
    sentence = (
        f"Of {group.n:,} people in group {group.group}, {_percent(group.tested)} were tested; at "
        f"their inferred risk the average policy would test {_percent(group.tested_at_average)}, "
        f"a gap of {100 * group.gap.value:.0f} points "
        f"({100 * group.gap.low:.0f} to {100 * group.gap.high:.0f})."
    )
    return Finding(
        code="selective.undertested",
        sentence=sentence,
        severity=severity,
        estimate=group.gap,
        method=group.gap.method,
    )


def _nobody_undertested(found: list[TestedGroup], others: int) -> Finding:
    aside = f" {others} further groups could not be judged." if others else ""
    reach = max((g.gap.high - g.gap.low) / 2 for g in found)
    return Finding(
        code="selective.undertested",
        sentence=(
            f"None of {len(found)} groups is provably tested less often than its inferred risk "
            f"calls for; a gap of {100 * reach:.0f} points in any group would have shown." + aside
        ),
        severity="info",
        method="simultaneous intervals of the gap to the average policy",
    )


def _blind_finding(group: TestedGroup) -> Finding:
    return Finding(
        code="selective.group_unobserved",
        sentence=(
            f"Of {group.n:,} people in group {group.group} no outcome was observed at all: "
            "their risk cannot be checked against any of them."
        ),
        severity="high",
        estimate=group.tested,
        method="count",
    )
