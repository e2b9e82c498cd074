"""`fit_weights`: the weights under which harm trees agree best with a community's labels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, ParameterError, Record, ValueRangeError, generator

from .harm_tree import EFFECT_GROUPS, EXTENTS, HARMFUL_ACTIONS, LIKELIHOODS, HarmTree
from .harm_weights import HarmWeights, SideWeights

__all__ = ["HarmFit", "Learn", "fit_weights"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Learn = Literal["actions", "effects", "harms", "benefits", "benefit"]

_PARTS: dict[str, slice] = {
    "actions": slice(0, 16),
    "effects": slice(16, 23),
    "harms": slice(23, 29),
    "benefits": slice(29, 35),
    "benefit": slice(35, 36),
}
_SIZE = 36
_AGREE = 1e-6


class HarmFit(Record, frozen=True, kw_only=True):
    """Fitted weights, and how sure it is that none are better.

    Parameters
    ----------
    weights : HarmWeights
    loss : mean negative log-likelihood of the labels under 1 / (1 + exp(-harmfulness)), in nats;
        `prior_loss` that of the prior weights.
    optimum : "global", where the problem is convex: then no weights have an objective that is
        smaller by more than `gap`; or "best of starts", where it is not: `gap` then only says how
        near to a stationary point the best one is.
    gap : upper bound on what a linear model of the objective can still gain.
    starts, agreed : starting points, and how many of them led to the best objective (to 1e-6).
    learned : the parts that were fitted; the others are those of the prior.
    n : trees.
    """

    weights: HarmWeights
    loss: float
    prior_loss: float
    optimum: Literal["global", "best of starts"]
    gap: float
    starts: int
    agreed: int
    learned: tuple[str, ...]
    n: int


def fit_weights(
    trees: Sequence[HarmTree],
    labels: ArrayLike,
    *,
    prior: HarmWeights,
    sample_weight: ArrayLike | None = None,
    learn: Sequence[Learn] = ("actions", "benefit"),
    strength: float = 1e-3,
    starts: int = 8,
    name: str = "fitted",
    random_state: int = 0,
) -> HarmFit:
    """Fit the weights of a community to its labels.

    Parameters
    ----------
    trees : sequence of HarmTree
    labels : array of shape (n,), 1 where the exchange is held to be harmful, else 0; or shares of
        the votes in [0, 1].
    prior : the weights to stay near to; parts that are not learned keep its values.
    sample_weight : array of shape (n,), at least 0.
    learn : of "actions", "effects" (groups), "harms" and "benefits" (extents, likelihoods, later),
        "benefit". The problem is convex for actions and benefit, and for effects alone.
    strength : of the pull to the prior: half of it times the sum of squared differences of the
        parameters is added to the mean loss.
    starts : for problems that are not convex: the prior, and random points.
    random_state : seed of these.

    Raises
    ------
    ParameterError, DataError, ValueRangeError : for bad settings, lengths or labels.

    Notes
    -----
    Parameters are the weights and, for extents and likelihoods, the factors from one word to the
    next, all in [0, 1]. Projected quasi-Newton steps (L-BFGS-B) with exact gradients; each costs
    time linear in the number of effects. The `gap` is that of Frank and Wolfe, g'(x - z) at its
    largest over the box. Li et al. (2025) fit the same model by differential evolution.
    """
    learned = _learned(learn)
    if not (np.isfinite(strength) and strength >= 0):
        raise ParameterError("not a strength", where="strength", expected=">= 0", got=f"{strength}")
    if starts < 1:
        raise ParameterError("no start", where="starts", expected="at least 1", got=f"{starts}")
    y = _labels(labels, len(trees))
    weight = _weights(sample_weight, len(trees))
    problem = _Problem(trees, y, weight, _parameters(prior), learned, strength)
    convex = set(learned) <= {"actions", "benefit"} or learned == ("effects",)
    rng = generator(random_state, 11)
    first = problem.prior[problem.free]
    points = [first] if convex else [first, *rng.random((starts - 1, first.size))]
    ends = [problem.descend(point) for point in points]
    values = [problem.objective(end)[0] for end in ends]
    best = ends[int(np.argmin(values))]
    return HarmFit(
        weights=_named(problem.full(best), prior, name),
        loss=problem.loss(problem.full(best)),
        prior_loss=problem.loss(problem.prior),
        optimum="global" if convex else "best of starts",
        gap=problem.gap(best),
        starts=len(points),
        agreed=int(np.count_nonzero(np.asarray(values) <= min(values) + _AGREE)),
        learned=learned,
        n=len(trees),
    )


class _Problem:
    """Effects as columns of numbers, the objective and its gradient."""

    def __init__(
        self,
        trees: Sequence[HarmTree],
        y: Floats,
        weight: Floats,
        prior: Floats,
        learned: tuple[str, ...],
        strength: float,
    ) -> None:
        self.y, self.weight, self.prior, self.strength = y, weight / weight.sum(), prior, strength
        self.free = np.concatenate([np.arange(_SIZE)[_PARTS[part]] for part in learned])
        self.row, self.used, self.sign = _columns(trees)

    def full(self, free: Floats) -> Floats:
        theta = self.prior.copy()
        theta[self.free] = free
        return theta

    def terms(self, theta: Floats) -> Floats:
        """Contribution of every effect, by the parameters that multiply to it."""
        return np.asarray(self.sign * np.append(theta, 1.0)[self.used].prod(axis=1))

    def loss(self, theta: Floats) -> float:
        h = np.bincount(self.row, self.terms(theta), minlength=self.y.size)
        return float(self.weight @ (np.logaddexp(0.0, h) - self.y * h))

    def objective(self, free: Floats) -> tuple[float, Floats]:
        theta = self.full(free)
        factors = np.append(theta, 1.0)[self.used]
        h = np.bincount(self.row, self.sign * factors.prod(axis=1), minlength=self.y.size)
        slope = (self.weight * (0.5 * (1 + np.tanh(h / 2)) - self.y))[self.row] * self.sign
        before, after = np.ones_like(factors), np.ones_like(factors)
        before[:, 1:] = np.cumprod(factors[:, :-1], axis=1)
        after[:, :-1] = np.cumprod(factors[:, :0:-1], axis=1)[:, ::-1]
        parts = slope[:, None] * before * after
        gradient = np.bincount(self.used.ravel(), parts.ravel(), minlength=_SIZE + 1)
        away = free - self.prior[self.free]
        value = float(self.weight @ (np.logaddexp(0.0, h) - self.y * h))
        return value + self.strength / 2 * float(away @ away), (
            gradient[self.free] + self.strength * away
        )

    def descend(self, start: Floats) -> Floats:
        from scipy.optimize import minimize

        found = minimize(
            self.objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * start.size,
            options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-9},
        )
        return np.clip(np.asarray(found.x, dtype=np.float64), 0.0, 1.0)

    def gap(self, free: Floats) -> float:
        slope = self.objective(free)[1]
        return float(np.maximum(slope * free, slope * (free - 1)).sum())


def _columns(trees: Sequence[HarmTree]) -> tuple[Integers, Integers, Floats]:
    """Of every effect: its tree, the eight parameters that multiply (36: none), and its sign."""
    actions, groups = list(HARMFUL_ACTIONS), list(EFFECT_GROUPS)
    rows, used, signs = [], [], []
    for row, tree in enumerate(trees):
        for leaf in tree.leaves():
            harms = leaf.side == "harms"
            side = _PARTS[leaf.side].start
            extent = EXTENTS.index(leaf.effect.extent)
            likelihood = LIKELIHOODS.index(leaf.effect.likelihood)
            rows.append(row)
            signs.append(1.0 if harms else -1.0)
            used.append(
                [
                    actions.index(leaf.category) if harms else _PARTS["benefit"].start,
                    _PARTS["effects"].start + groups.index(leaf.effect.group),
                    *(side + k if k >= extent else _SIZE for k in range(3)),
                    *(side + 3 + k if k >= likelihood else _SIZE for k in range(2)),
                    _SIZE if leaf.effect.immediate else side + 5,
                ]
            )
    return np.array(rows, np.intp), np.array(used, np.intp).reshape(-1, 8), np.array(signs)


def _parameters(weights: HarmWeights) -> Floats:
    found = [weights.actions[code] for code in HARMFUL_ACTIONS]
    found += [weights.effects.get(code, 1.0) for code in EFFECT_GROUPS]
    for side in (weights.harms, weights.benefits):
        found += _factors([side.extents[word] for word in EXTENTS])
        found += _factors([side.likelihoods[word] for word in LIKELIHOODS])
        found.append(side.later)
    return np.array([*found, weights.benefit], dtype=np.float64)


def _factors(levels: Sequence[float]) -> list[float]:
    """From each word to the next graver one; 1 where both count nothing."""
    return [low / high if high else 1.0 for low, high in itertools.pairwise(levels)]


def _named(theta: Floats, prior: HarmWeights, name: str) -> HarmWeights:
    parts = {part: [float(v) for v in theta[where]] for part, where in _PARTS.items()}
    sides = {
        side: SideWeights.of_factors(parts[side][:3], parts[side][3:5], parts[side][5])
        for side in ("harms", "benefits")
    }
    return HarmWeights(
        name=name,
        actions=dict(zip(HARMFUL_ACTIONS, parts["actions"], strict=True)),
        effects=dict(zip(EFFECT_GROUPS, parts["effects"], strict=True)),
        harms=sides["harms"],
        benefits=sides["benefits"],
        benefit=parts["benefit"][0],
        source=f"fitted to labels, near {prior.name}",
    )


def _learned(learn: Sequence[str]) -> tuple[str, ...]:
    parts = [learn] if isinstance(learn, str) else list(learn)
    unknown = [part for part in parts if part not in _PARTS]
    if unknown or not parts:
        raise ParameterError(
            "nothing to learn" if not parts else f"unknown part {unknown[0]!r}",
            where="learn",
            expected="some of " + ", ".join(_PARTS),
        )
    return tuple(part for part in _PARTS if part in parts)


def _labels(labels: ArrayLike, n: int) -> Floats:
    y = np.asarray(labels, dtype=np.float64)
    if y.shape != (n,) or not n:
        raise DataError("one label for every tree", where="labels", expected=f"{n} values, n > 0")
    bad = ~((y >= 0) & (y <= 1))
    if bad.any():
        raise ValueRangeError(
            "labels out of range",
            where=f"labels, row {int(np.argmax(bad))}",
            expected="0, 1 or a share of votes between them",
        )
    return y


def _weights(sample_weight: Any, n: int) -> Floats:
    if sample_weight is None:
        return np.ones(n)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n,):
        raise DataError("one weight for every tree", where="sample_weight", expected=f"{n} values")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise ValueRangeError(
            "weights out of range",
            where="sample_weight",
            expected="finite, at least 0, not all 0",
        )
    return weight
