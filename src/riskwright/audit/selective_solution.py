"""The most probable parameters of the selective-labels model, and intervals from influences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from dataclasses import replace as replaced
from functools import cached_property
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from riskwright.core import Estimate, SearchError
from riskwright.stats import logit_interval, normal_interval, normal_quantile

from .selective_likelihood import Likelihood, TestedRows, prior

__all__ = ["Solution", "log_posterior", "optimality", "solutions_of"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

_CLEAR = 4.0
_RESTARTS = 4
_FEW = 5
_SIGMAS = (1e-3, 0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
_NOBODY = np.empty(0, np.intp)


@dataclass(frozen=True, eq=False)
class Solution:
    """The best parameters, with sigma free or fixed, and the influence of each row on them."""

    rows: TestedRows
    theta: Floats
    multiplier: float
    prevalence_se: float

    @cached_property
    def at(self) -> Likelihood:
        return Likelihood(self.rows, self.theta)

    @cached_property
    def _inverse(self) -> Floats:
        matrix = optimality(self.at, self.multiplier)[0]
        return np.linalg.inv(matrix).astype(np.float64)

    @cached_property
    def _influence(self) -> Floats:
        """Influence of each row on theta, of shape (n, p)."""
        influence: Floats = self._conditions @ self._inverse[: self.rows.size].T
        return influence

    @cached_property
    def _gram(self) -> Floats:
        gram: Floats = self._influence.T @ self._influence
        return gram

    @cached_property
    def _conditions(self) -> Floats:
        """What each row adds to the optimality conditions."""
        scores = self.at.scores - prior(self.rows, self.theta)[1] / self.rows.n
        if self.rows.prevalence is None:
            return scores
        scores = scores - self.multiplier * self.at.risk_gradient
        off = self.rows.prevalence - self.at.risk
        return np.concatenate([scores, off[:, None]], axis=1)

    def strain(self) -> float:
        """Standard errors by which the prevalence pulls the fit from where the data have it."""
        if self.rows.prevalence is None:
            return 0.0
        pulls = self._conditions @ self._inverse[-1]
        variance = float(pulls @ pulls) / self.rows.n**2
        variance += (float(self._inverse[-1, -1]) * self.prevalence_se) ** 2
        return abs(self.multiplier) / math.sqrt(variance)

    @cached_property
    def _average(self) -> _AveragePolicy:
        chance, gradient, slope = self.at.average_policy()
        kept = gradient - np.outer(slope, gradient.mean(axis=0) / slope.mean())
        shift = (self.rows.observed - chance) / slope.mean()
        return _AveragePolicy(chance, kept, slope, shift, self._influence.T @ shift)

    def estimate(
        self,
        value: float,
        gradient: Floats,
        members: Places = _NOBODY,
        direct: Floats | float = 0.0,
        *,
        shift: float = 0.0,
        name: str,
        level: float,
        n: int | None = None,
        share: bool = False,
        further: float = 0.0,
    ) -> Estimate:
        """Interval from influence values.

        `direct` are those of `members` that do not pass through theta, `shift` the weight of those
        that pass through the average policy.
        """
        rows, p = self.rows.n, self.rows.size
        through = float(gradient @ self._gram @ gradient)
        moved = self._influence[members] @ gradient
        total = through
        if shift:
            own = self._average
            moved = moved + shift * own.shift[members]
            total += 2 * shift * float(own.pull @ gradient)
            total += shift**2 * float(own.shift @ own.shift)
        total += float(np.sum((2 * moved + direct) * direct))
        curvature = float(gradient @ self._inverse[:p, :p] @ gradient) / rows
        variance = max(total, 0.0) / rows**2 + further
        variance += max(curvature - through / rows**2, 0.0)
        if self.prevalence_se:
            outside = float(self._inverse[:p, -1] @ gradient)
            variance += (outside * self.prevalence_se) ** 2
        bounded = share and 1e-12 < value < 1 - 1e-12
        interval = logit_interval if bounded else normal_interval
        low, high = interval(value, math.sqrt(variance), level)
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
        gradient = np.zeros(self.rows.size)
        gradient[start : start + factors.size] = factors
        return self.estimate(float(gradient @ self.theta), gradient, name=name, level=level)

    def sigma(self, level: float) -> Estimate:
        at = self.rows.n_coefficients
        sign = np.sign(self.theta[at : at + 1]) or np.ones(1)
        found = self.linear(at, sign, "unobserved_sd", level)
        return replace(found, low=max(found.low, 0.0))

    def mean_risk(self, members: Places, untested: bool, level: float) -> Estimate:
        """Mean risk of some rows (given no test, or not), as draws of a population."""
        at, n = self.at, members.size
        risk, slopes = at.risk_given_no_test if untested else (at.risk, at.risk_gradient)
        value = float(risk[members].mean())
        direct = (risk[members] - value) * (self.rows.n / n)
        return self.estimate(
            value,
            slopes[members].mean(axis=0),
            members,
            direct,
            name="risk_untested" if untested else "risk",
            level=level,
            n=n,
            share=True,
        )

    def at_average(self, members: Places, level: float, joint: float) -> tuple[Estimate, Estimate]:
        """Share of the members tested at the average policy, and (at `joint`) their gap to it."""
        own, seen, n = self._average, self.rows.observed[members], members.size
        chance, scale = own.chance[members], self.rows.n / n
        expected = float(chance.mean())
        gradient = own.gradient[members].mean(axis=0)
        shift = float(own.slope[members].mean())
        at_average = self.estimate(
            expected,
            gradient,
            members,
            (chance - expected) * scale,
            shift=shift,
            name="tested_at_average",
            level=level,
            n=n,
            share=True,
        )
        gap = float(seen.mean()) - expected
        few = min(seen.sum(), n - seen.sum()) < _FEW
        return at_average, self.estimate(
            gap,
            -gradient,
            members,
            (seen - chance - gap) * scale,
            shift=-shift,
            name="gap",
            level=joint,
            n=n,
            further=float(np.sum(chance * (1 - chance))) / n**2 if few else 0.0,
        )


@dataclass(frozen=True)
class _AveragePolicy:
    """The average policy: chance of a test per row; gradients, with the shift moved along so that
    as many are tested; slope in the shift, what each row adds to the shift, and the sum of that
    times the influences on theta."""

    chance: Floats
    gradient: Floats
    slope: Floats
    shift: Floats
    pull: Floats


def solutions_of(
    rows: TestedRows, spread: float, level: float
) -> tuple[tuple[Solution, ...], tuple[float, float] | None]:
    """The best fit; where sigma is not clear of 0, those at all sigma of its profile interval.

    Influence values do not see how all else moves with sigma where sigma may be 0: the
    likelihood is flat in it there. The intervals at fixed sigma, joined over the profile interval
    of sigma, are at least as wide as the regular ones where those hold.
    """
    best = Solution(rows, *_mode(rows), spread)
    for _ in range(_RESTARTS):
        solutions, sigma_range = _scanned(best, level)
        top = max(solutions, key=log_posterior)
        if log_posterior(top) <= log_posterior(best) + 1e-6:
            return solutions, sigma_range
        start = np.insert(top.theta, rows.n_coefficients, float(top.rows.sigma or 0.0))
        best = Solution(rows, *_polished(rows, start, top.multiplier), spread)
    raise _no_end()


def _scanned(
    best: Solution, level: float
) -> tuple[tuple[Solution, ...], tuple[float, float] | None]:
    """The solution, and those at other sigma where its own is not clear of 0."""
    rows, sigma = best.rows, best.sigma(level)
    se = (sigma.high - sigma.value) / normal_quantile(level)
    if sigma.value > max(_CLEAR * se, 0.5):
        return (best,), None
    bar = normal_quantile(level) ** 2 / 2
    target, theta = log_posterior(best), np.delete(best.theta, rows.n_coefficients)
    above = [s for s in _SIGMAS if s > sigma.value]
    below = [s for s in reversed(_SIGMAS) if s <= sigma.value]
    found, ends = [best], []
    for side in (below, above):
        nearby, multiplier, end = theta, best.multiplier, sigma.value
        for fixed in side:
            held = replaced(rows, sigma=fixed)
            nearby, multiplier = _polished(held, nearby, multiplier)
            found.append(Solution(held, nearby, multiplier, best.prevalence_se))
            end = fixed
            if target - log_posterior(found[-1]) > bar:
                break
        ends.append(end)
    return tuple(found), (ends[0] if ends[0] > _SIGMAS[0] else 0.0, ends[1])


def log_posterior(solution: Solution) -> float:
    return solution.at.slopes[0] - prior(solution.rows, solution.theta)[0]


def _mode(rows: TestedRows) -> tuple[Floats, float]:
    """The posterior mode and the multiplier of the prevalence constraint (0 without)."""
    from scipy.optimize import minimize

    latest = [Likelihood(rows, np.zeros(rows.size))]

    def located(theta: Floats) -> Likelihood:
        if not np.array_equal(latest[0].theta, theta):
            latest[0] = Likelihood(rows, theta.copy())
        return latest[0]

    def objective(theta: Floats) -> tuple[float, Floats]:
        total, gradient, _, _ = located(theta).slopes
        value, slope, _ = prior(rows, theta)
        return (value - total) / rows.n, (slope - gradient) / rows.n

    start = np.zeros(rows.size)
    start[rows.n_coefficients :] = 1.0
    constraints: list[dict[str, Any]] = []
    if rows.prevalence is not None:
        rate = rows.prevalence
        start[0] = np.log(rate / (1 - rate))
        constraints = [
            {
                "type": "eq",
                "fun": lambda theta: located(theta).slopes[2] - rate,
                "jac": lambda theta: located(theta).slopes[3],
            }
        ]
    options = {"maxiter": 500, "ftol": 1e-10}
    found = minimize(
        objective, start, jac=True, method="SLSQP", constraints=constraints, options=options
    )
    return _polished(rows, np.asarray(found.x))


def _polished(rows: TestedRows, theta: Floats, multiplier: float = 0.0) -> tuple[Floats, float]:
    """Newton's steps on the optimality conditions, from a point nearby."""
    p, bound = rows.size, rows.prevalence is not None
    for _ in range(30):
        matrix, gradient, miss = optimality(Likelihood(rows, theta), multiplier)
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


def optimality(at: Likelihood, multiplier: float) -> tuple[Floats, Floats, float]:
    """Matrix of the optimality conditions, gradient of the objective, miss of the constraint."""
    rows = at.rows
    _, slope, bend = prior(rows, at.theta)
    information, risk_bend = at.curvatures()
    _, total, risk, risk_slope = at.slopes
    curvature = (information + np.diag(bend)) / rows.n
    gradient = (slope - total) / rows.n
    if rows.prevalence is None:
        return curvature, gradient, 0.0
    curvature += multiplier * risk_bend
    edge = risk_slope[:, None]
    matrix = np.block([[curvature, edge], [edge.T, np.zeros((1, 1))]])
    return matrix, gradient, risk - rows.prevalence


def _no_end() -> SearchError:
    return SearchError(
        "the fit did not converge",
        where="selective_labels",
        hint="Fewer columns, or a prevalence or expertise constraint, may make the model clear",
    )
