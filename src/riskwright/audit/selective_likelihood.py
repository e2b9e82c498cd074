"""Likelihood of outcomes that are seen of tested people only, with all its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NODES", "WEIGHTS", "Likelihood", "TestedRows", "prior"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
_PRIOR_SD = 3.0
_BLOCK = 4096


@dataclass(frozen=True)
class TestedRows:
    """Rows as the likelihood needs them; `positive` is observed and 1.

    Parameters theta are the coefficients of the outcome, those of the policy for the columns
    `free`, then sigma and alpha where they are not fixed.
    """

    __test__ = False

    design: Floats
    free: NDArray[np.int64]
    observed: Bools
    positive: Bools
    alpha: float | None
    prevalence: float | None
    sigma: float | None = None

    @property
    def n(self) -> int:
        return int(self.observed.size)

    @property
    def n_coefficients(self) -> int:
        """Coefficients of outcome and policy: where sigma stands in theta."""
        return int(self.design.shape[1] + self.free.size)

    @property
    def held(self) -> tuple[bool, bool]:
        """Whether sigma and alpha are fixed."""
        return self.sigma is not None, self.alpha is not None

    @property
    def size(self) -> int:
        return self.n_coefficients + 2 - sum(self.held)

    def blocks(self) -> Iterator[TestedRows]:
        """The rows in parts whose arrays over all nodes stay in the cache."""
        for start in range(0, self.n, _BLOCK):
            part = slice(start, start + _BLOCK)
            yield replace(
                self,
                design=self.design[part],
                observed=self.observed[part],
                positive=self.positive[part],
            )

    def unpacked(self, theta: Floats) -> tuple[Floats, Floats, float, float]:
        """Linear predictors of outcome and policy, sigma, alpha."""
        d, end = self.design.shape[1], self.n_coefficients
        alpha = float(theta[-1]) if self.alpha is None else self.alpha
        sigma = float(theta[end]) if self.sigma is None else self.sigma
        return self.design @ theta[:d], self.design[:, self.free] @ theta[d:end], sigma, alpha

    def spread(self, parts: Sequence[Floats]) -> Floats:
        """Gradients per row with respect to theta, from those to the four predictors."""
        blocks = [parts[0][:, None] * self.design, parts[1][:, None] * self.design[:, self.free]]
        last = zip(parts[2:], self.held, strict=True)
        blocks += [part[:, None] for part, held in last if not held]
        return np.concatenate(blocks, axis=1)

    def total(self, parts: Sequence[Floats]) -> Floats:
        """Sum over rows of `spread`."""
        last = zip(parts[2:], self.held, strict=True)
        ends = [[float(part.sum())] for part, held in last if not held]
        slopes = [parts[0] @ self.design, parts[1] @ self.design[:, self.free]]
        return np.concatenate([*slopes, *ends])

    def curvature(self, parts: Callable[[int, int], Floats]) -> Floats:
        """Sum over rows of second derivatives with respect to theta, likewise."""
        ones = np.ones((self.n, 1))
        blocks = {0: self.design, 1: self.design[:, self.free]}
        blocks |= {2 + k: ones for k, held in enumerate(self.held) if not held}
        upper = {
            (i, j): blocks[i].T @ (parts(i, j)[:, None] * blocks[j])
            for i in blocks
            for j in blocks
            if i <= j
        }
        return np.block(
            [[upper[i, j] if i <= j else upper[j, i].T for j in blocks] for i in blocks]
        )


@dataclass(frozen=True)
class Likelihood:
    """Sums over the rows, and figures of every row, at one theta."""

    rows: TestedRows
    theta: Floats

    def _blocks(self) -> Iterator[_Block]:
        return (_Block(rows, self.theta) for rows in self.rows.blocks())

    def _of_rows(self, ask: Callable[[_Block], Floats]) -> Floats:
        return np.concatenate([ask(block) for block in self._blocks()])

    @cached_property
    def slopes(self) -> tuple[float, Floats, float, Floats]:
        """Log likelihood and mean risk with their gradients."""
        value, gradient = 0.0, np.zeros(self.rows.size)
        risk, edge = 0.0, np.zeros(self.rows.size)
        for block in self._blocks():
            value += float(block.log_likelihood.sum())
            gradient += block.rows.total(block.score_parts)
            risk += float(block.risk.sum())
            edge += block.rows.total(block.risk_parts)
        return value, gradient, risk / self.rows.n, edge / self.rows.n

    def curvatures(self) -> tuple[Floats, Floats]:
        """Minus the second derivatives of the log likelihood, and those of the mean risk."""
        size = self.rows.size
        information, bend = np.zeros((size, size)), np.zeros((size, size))
        for block in self._blocks():
            information += block.information()
            if self.rows.prevalence is not None:
                bend += block.risk_curvature()
        return information, bend / self.rows.n

    @cached_property
    def log_likelihood(self) -> Floats:
        return self._of_rows(lambda block: block.log_likelihood)

    @cached_property
    def scores(self) -> Floats:
        return self._of_rows(lambda block: block.rows.spread(block.score_parts))

    @cached_property
    def risk(self) -> Floats:
        """P(Y = 1 | X) of each row."""
        return self._of_rows(lambda block: block.risk)

    @cached_property
    def risk_gradient(self) -> Floats:
        return self._of_rows(lambda block: block.rows.spread(block.risk_parts))

    def risk_given_test(self, tested: bool) -> tuple[Floats, Floats]:
        """P(Y = 1 | X, T) of each row and its gradients."""
        parts = [block.risk_given_test(tested) for block in self._blocks()]
        risks, gradients = zip(*parts, strict=True)
        return np.concatenate(risks), np.concatenate(gradients)

    @cached_property
    def risk_given_no_test(self) -> tuple[Floats, Floats]:
        return self.risk_given_test(False)

    def test_chance(self) -> Floats:
        """P(T = 1 | X) of each row."""
        return self._of_rows(lambda block: block.chances[1] @ WEIGHTS)

    def average_policy(self) -> tuple[Floats, Floats, Floats]:
        """Chance of a test by risk alone at as many tests; its gradients and slope per row."""
        from scipy.optimize import brentq

        share = float(self.rows.observed.mean())
        outcome, _, sigma, alpha = self.rows.unpacked(self.theta)
        largest = float(np.abs(outcome).max()) + sigma * float(NODES.max())

        def excess(shift: float) -> float:
            return float(np.mean(self._of_rows(lambda block: block.policy(shift)[0]))) - share

        reach = 40.0 + abs(alpha) * largest
        shift = brentq(excess, -reach, reach, xtol=1e-12)
        parts = [block.policy(shift) for block in self._blocks()]
        test, gradient, slope = (np.concatenate(part) for part in zip(*parts, strict=True))
        return test, gradient, slope


@dataclass(frozen=True)
class _Block:
    """Everything at one theta and all quadrature nodes: arrays of shape (n, nodes)."""

    rows: TestedRows
    theta: Floats

    @cached_property
    def links(self) -> tuple[Floats, Floats, float, float]:
        """r and u, the log odds of outcome and test, with sigma and alpha."""
        outcome, policy, sigma, alpha = self.rows.unpacked(self.theta)
        r = outcome[:, None] + sigma * NODES
        return r, alpha * r + policy[:, None], sigma, alpha

    @cached_property
    def chances(self) -> tuple[Floats, Floats]:
        r, u, _, _ = self.links
        return _chance(r), _chance(u)

    @cached_property
    def slopes(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Derivatives of r and of u with respect to the four predictors."""
        r, _, _, alpha = self.links
        return (1.0, 0.0, NODES, 0.0), (alpha, 1.0, alpha * NODES, r)

    @cached_property
    def _joint(self) -> tuple[Floats, Floats]:
        """Log likelihood of each row, and the weights of its nodes given what was seen."""
        outcome, test = self.chances
        tested, positive = self.rows.observed, self.rows.positive
        joint = 1 - test
        joint[tested] = test[tested] * (1 - outcome[tested])
        joint[positive] = test[positive] * outcome[positive]
        joint *= WEIGHTS
        total = np.maximum(joint.sum(axis=1), 1e-300)
        return np.log(total), joint / total[:, None]

    @property
    def log_likelihood(self) -> Floats:
        return self._joint[0]

    @cached_property
    def _first(self) -> tuple[list[Floats], Floats]:
        """Derivatives of the log likelihood at each node, and that with respect to u."""
        outcome, test = self.chances
        tested = self.rows.observed[:, None]
        a = tested * (self.rows.positive[:, None] - outcome)
        b = tested - test
        of_r, of_u = self.slopes
        return [a * x + b * v for x, v in zip(of_r, of_u, strict=True)], b

    @cached_property
    def score_parts(self) -> list[Floats]:
        weights = self._joint[1]
        return [np.einsum("nk,nk->n", weights, part) for part in self._first[0]]

    def information(self) -> Floats:
        """Minus the second derivatives of the log likelihood, summed over rows."""
        weights, (first, b) = self._joint[1], self._first
        outcome, test = self.chances
        bend_r = -1.0 * self.rows.observed[:, None] * outcome * (1 - outcome)
        bend_u = -test * (1 - test)
        of_r, of_u = self.slopes
        crossed: dict[tuple[int, int], Any] = {(0, 3): 1.0, (2, 3): NODES}

        def part(i: int, j: int) -> Floats:
            inner = bend_r * of_r[i] * of_r[j] + bend_u * of_u[i] * of_u[j]
            inner = inner + b * crossed.get((i, j), 0.0) + first[i] * first[j]
            mean: Floats = np.einsum("nk,nk->n", weights, inner)
            return self.score_parts[i] * self.score_parts[j] - mean

        return self.rows.curvature(part)

    @cached_property
    def risk(self) -> Floats:
        risk: Floats = self.chances[0] @ WEIGHTS
        return risk

    @cached_property
    def risk_parts(self) -> list[Floats]:
        bend = self.chances[0] * (1 - self.chances[0])
        none = np.zeros(bend.shape[0])
        return [bend @ WEIGHTS, none, bend @ (WEIGHTS * NODES), none]

    def risk_curvature(self) -> Floats:
        outcome = self.chances[0]
        bend = outcome * (1 - outcome) * (1 - 2 * outcome)
        by = {(0, 0): WEIGHTS, (0, 2): WEIGHTS * NODES, (2, 2): WEIGHTS * NODES**2}
        none = np.zeros(NODES.size)
        return self.rows.curvature(lambda i, j: bend @ by.get((i, j), none))

    def risk_given_test(self, tested: bool) -> tuple[Floats, Floats]:
        outcome, test = self.chances
        chance, bend = (test, test * (1 - test)) if tested else (1 - test, -test * (1 - test))
        total = np.maximum(chance @ WEIGHTS, 1e-300)
        risk = ((outcome * chance) @ WEIGHTS) / total
        parts = []
        for of_r, of_u in zip(*self.slopes, strict=True):
            up = outcome * (1 - outcome) * chance * of_r + (outcome - risk[:, None]) * bend * of_u
            parts.append((up @ WEIGHTS) / total)
        return risk, self.rows.spread(parts)

    def policy(self, shift: float) -> tuple[Floats, Floats, Floats]:
        """Chance of a test with log odds alpha r + shift, its gradients, its slope in shift."""
        r, _, _, alpha = self.links
        test = _chance(alpha * r + shift)
        bend = test * (1 - test)
        slope = bend @ WEIGHTS
        none = np.zeros(slope.size)
        parts = [alpha * slope, none, alpha * (bend @ (WEIGHTS * NODES)), (bend * r) @ WEIGHTS]
        return test @ WEIGHTS, self.rows.spread(parts), slope


def prior(rows: TestedRows, theta: Floats) -> tuple[float, Floats, Floats]:
    """Minus the log of the prior with its gradient and the diagonal of its curvature."""
    precision = np.full(theta.size, _PRIOR_SD**-2)
    centre = np.zeros(theta.size)
    if rows.alpha is None:
        centre[-1] = 1.0
    off = theta - centre
    fixed = (rows.sigma or 0.0) ** 2 * _PRIOR_SD**-2
    return (float(precision @ off**2) + fixed) / 2, precision * off, precision


def _chance(log_odds: Floats) -> Floats:
    """1 / (1 + exp(-x)), several times faster on large arrays than scipy's."""
    chance: Floats = 1.0 / (1.0 + np.exp(np.minimum(-log_odds, 700.0)))
    return chance
