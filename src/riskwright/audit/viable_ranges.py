"""Viable prediction ranges of linear logistic scores: how far equally good scores can move a risk.

Scores are w, losses L(w) = sum_i weight_i log(1 + exp(-+ x_i'w)) + sum_j ridge_j w_j^2 / 2, and the
level set S = {w : L(w) <= L(w0) + epsilon} around the minimum w0. For a person v the largest v'w
over S is bracketed from both sides:

- inner: v'w of a w in S that was found, drawn towards w0 where it lies outside (L is convex);
- outer: the Hessian of L is at least a matrix M on the whole of S, so for any w in S with gradient
  g, v'(w + d) over all d with g'd + d'Md/2 <= L(w0) + epsilon - L(w) cannot be exceeded, and this
  is a closed form. It is exact up to the square of what g is short of pointing along v.

M comes from a chain of bounds: logistic losses are self-concordant (Bach, 2010, Electronic Journal
of Statistics 4:384, proposition 1), which confines S to an ellipsoid and hence every x_i'w to an
interval; least curvatures on these intervals give a smaller ellipsoid, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskwright.core import DataError
from riskwright.stats._kernels import logistic_values, weighted_gram

__all__ = ["Extremes", "LevelSet", "LogisticLoss"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Progress = Callable[[int, int], object]

CHUNK = 1024  # rows whose sums are added up apart, as in the kernel
LEAF = 64  # people who share a first Hessian
WARM_STEPS = 8  # tried from the leaf's middle; whoever needs more starts again from the best score
STEPS = 60
OUTSIDE = 1.25  # points up to this many epsilons above the minimum still give outer bounds
ULP = float(np.finfo(np.float64).eps)


class LogisticLoss:
    """Weighted logistic loss with a ridge, on rows that were folded together.

    Parameters
    ----------
    rows : shape (m, p); a constant column is the intercept
    events, others : shape (m,), weight of the events and of the other rows folded into each
    ridge : shape (p,), at least 0
    """

    def __init__(self, rows: Floats, events: Floats, others: Floats, ridge: Floats) -> None:
        self.rows = np.ascontiguousarray(rows)
        self.events, self.others, self.ridge = events, others, ridge
        self.weight = events + others

    def chunks(self) -> Iterator[slice]:
        for start in range(0, len(self.rows), CHUNK):
            yield slice(start, min(start + CHUNK, len(self.rows)))

    def evaluate(self, scores: Floats) -> tuple[Floats, Floats]:
        """Loss, shape (k,), and gradient, shape (k, p), of `scores`, shape (k, p)."""
        loss, gradient = logistic_values(
            self.rows, self.events, self.others, np.ascontiguousarray(scores)
        )
        ridge = 0.5 * np.einsum("ij,ij,j->i", scores, scores, self.ridge)
        return loss + ridge, gradient + scores * self.ridge

    def gram(self, weight: Floats) -> Floats:
        """sum_i weight_i x_i x_i' + diag(ridge)."""
        return np.asarray(weighted_gram(self.rows, weight)) + np.diag(self.ridge)

    def hessian(self, score: Floats) -> Floats:
        return self.gram(self.weight * _bend(self.rows @ score))

    def minimise(self) -> Floats:
        """The best score, by Newton's method with halved steps.

        Raises
        ------
        DataError : columns depend on one another and no ridge tells them apart, or the loss has no
            minimum.
        """
        score = np.zeros(self.rows.shape[1])
        loss, gradient = self._at(score)
        for _ in range(200):
            try:
                step = np.linalg.solve(self.hessian(score), gradient)
            except np.linalg.LinAlgError:
                break
            decrement = float(gradient @ step)
            if not decrement >= 0:
                break
            if decrement <= 1e-24 * max(loss, 1e-12):
                return score
            for halving in range(40):
                there = score - 0.5**halving * step
                new_loss, new_gradient = self._at(there)
                if new_loss <= loss - 1e-4 * 0.5**halving * decrement + 4 * ULP * loss:
                    break
            else:
                break
            still = halving == 0 and decrement <= 1e-13 * loss
            score, loss, gradient = there, new_loss, new_gradient
            if still:
                return score
        raise DataError(
            "the logistic loss has no single minimum",
            where="X",
            expected="columns that differ and do not separate the outcomes, or a ridge",
            hint="Raise the penalty, or bring columns of very different scales to a common one",
        )

    def _at(self, score: Floats) -> tuple[float, Floats]:
        loss, gradient = self.evaluate(score[None])
        return float(loss[0]), gradient[0]


@dataclass(frozen=True)
class Extremes:
    """Largest log-odds of each person over a level set, and scores of the set that reach `inner`.

    `inner` <= largest <= `outer`; shapes (n,), (n,) and (n, p).
    """

    inner: Floats
    outer: Floats
    scores: Floats


class LevelSet:
    """All scores whose loss is at most `epsilon` above the least one, `best`.

    Offsets u stand for scores w = best + K^-T u, where K K' is the Hessian at `best`: distances of
    u are then those of the quadratic approximation, in which the set is a ball.

    Notes
    -----
    Rounding: the loss is a sum of m non-negative terms, added up by chunks; `margin` bounds the
    error of any difference of losses and of any first-order change within the set, after Higham
    (2002), Accuracy and Stability of Numerical Algorithms, chapter 3. Inner bounds are found with
    epsilon - margin, outer ones with epsilon + margin and a relative `slack` on the closed form,
    which covers the systems of equations.
    """

    def __init__(self, loss: LogisticLoss, best: Floats, epsilon: float) -> None:
        self.loss, self.best, self.epsilon = loss, best, epsilon
        self.least, gradient = loss._at(best)
        hessian = loss.hessian(best)
        try:
            self.factor = np.linalg.cholesky(hessian)
            self.unfactor = np.linalg.inv(self.factor)
        except np.linalg.LinAlgError:
            raise DataError(
                "columns depend on one another", where="X", hint="Raise the penalty"
            ) from None
        self.wide = OUTSIDE * epsilon
        self.reach, curvature = self._confine()
        self.root, self.slack = self._root(hessian, curvature)
        steep = self.unfactor @ gradient @ self.root
        self.margin = self._margin() + 0.5 * float(steep @ steep)

    def offsets(self, directions: Floats) -> Floats:
        """K^-1 applied to rows: directions or gradients as they act on offsets."""
        return np.asarray(directions @ self.unfactor.T)

    def scores(self, offsets: Floats) -> Floats:
        """The scores that offsets stand for."""
        return np.asarray(self.best + offsets @ self.unfactor)

    def inverse_hessian(self, score: Floats) -> Floats:
        return np.asarray(np.linalg.inv(self._whitened(self.loss.hessian(score))))

    def _whitened(self, matrix: Floats) -> Floats:
        whole = self.unfactor @ matrix @ self.unfactor.T
        return np.asarray(0.5 * (whole + whole.T))

    def _lengths(self, inverse: Floats) -> Floats:
        """sqrt(x_i' K^-T inverse K^-1 x_i) of each row."""
        out = np.empty(len(self.loss.rows))
        for part in self.loss.chunks():
            rows = self.offsets(self.loss.rows[part])
            out[part] = np.sqrt(np.maximum(np.einsum("ij,ij->i", rows @ inverse, rows), 0.0))
        return out

    def _confine(self) -> tuple[Floats, Floats]:
        """How far each x_i'w can be from its best value where the loss is at most `wide` above the
        least, and a lower bound of the Hessian (of offsets) there."""
        loss = self.loss
        z = np.abs(loss.rows @ self.best)
        length = self._lengths(np.eye(len(self.best)))
        top = float(length.max())
        reach = length * (_concordant_radius(top * top * self.wide) / top) * (1 + 1e-9)
        for _ in range(50):
            secant = self._whitened(loss.gram(loss.weight * _secant_bend(z, reach)))
            radius = np.sqrt(2 * self.wide) * (1 + 1e-9)
            closer = np.minimum(reach, radius * self._lengths(np.asarray(np.linalg.inv(secant))))
            shrunk = float((closer / np.maximum(reach, 1e-300)).min())
            reach = closer
            if shrunk > 0.98:
                break
        return reach, self._whitened(loss.gram(loss.weight * _bend(z + reach))) * (1 - 1e-9)

    def _root(self, hessian: Floats, curvature: Floats) -> tuple[Floats, float]:
        """A matrix whose square is the inverse of (a little less than) `curvature`, and what
        rounding can add to the length of a gradient seen through it, per unit of its length."""
        p = len(hessian)
        values, vectors = np.linalg.eigh(curvature)
        values = np.maximum(values - 8 * p * ULP * values[-1], 1e-300)
        scale = 1 / np.sqrt(np.diag(hessian))
        condition = float(np.linalg.cond(hessian * scale * scale[:, None])) ** 0.5
        return vectors / np.sqrt(values), 8 * p * ULP * condition / float(values[0]) ** 0.5

    def _margin(self) -> float:
        loss = self.loss
        m, p = loss.rows.shape
        depth = min(m, CHUNK) + m / CHUNK + p + 32
        spread = np.sqrt(2 * self.wide * self._variances())
        size = np.abs(self.best) + spread
        moments = np.zeros(p)
        largest = 0.0
        for part in loss.chunks():
            rows = np.abs(loss.rows[part])
            moments += loss.weight[part] @ rows
            largest = max(largest, float((rows @ size).max()))
        of_loss = depth * (self.least + self.wide + float((moments + loss.ridge * size) @ size))
        of_slope = (depth + p * largest) * float((moments + loss.ridge * size) @ spread) * 2
        return float(0.5 * ULP * (2 * of_loss + of_slope))

    def _variances(self) -> Floats:
        """Diagonal of the inverse of the curvature, for the scores themselves."""
        half = self.unfactor.T @ self.root
        return np.asarray((half * half).sum(axis=1))

    def extremes(
        self, people: Floats, max_gap: float, tick: Callable[[int], object] | None = None
    ) -> Extremes:
        """Bracket the largest log-odds of each of `people`, shape (n, p).

        Each bracket is narrowed until its ends differ by at most `max_gap` in probability, or until
        `STEPS` steps; it holds in either case. `tick` is told how many people are done.

        Notes
        -----
        People are parted into leaves of like directions. A leaf's middle is solved first; its
        Hessian and score start everyone in the leaf, whose own Hessians are then only corrected by
        the gradients met (BFGS). About two passes over the rows per person: O(m p) each.
        """
        directions = self.offsets(people)
        n = len(people)
        found = Extremes(np.empty(n), np.empty(n), np.empty_like(people))
        unit = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-300)
        leaves = _leaves(unit, max(LEAF, people.shape[1]))
        starts = self._starts(np.array([unit[leaf].mean(axis=0) for leaf in leaves]))
        for leaf, (start, inverse) in zip(leaves, starts, strict=True):
            search = _Search(self, people[leaf], directions[leaf], max_gap)
            everyone = np.arange(len(leaf))
            search.run(everyone, search.model_optimum(start, inverse), inverse, WARM_STEPS)
            late = np.flatnonzero(search.gaps(everyone) > max_gap)
            if len(late):
                search.run(
                    late, search.ball_optimum(late), np.eye(len(self.best)), STEPS, cold=True
                )
            found.inner[leaf], found.outer[leaf] = search.inner, search.outer
            found.scores[leaf] = search.found
            if tick:
                tick(len(leaf))
        return found

    def farthest(self, directions: Floats) -> Floats:
        """Scores of the set that go about as far as possible in `directions`, both (k, p)."""
        length = np.linalg.norm(self.offsets(directions), axis=1, keepdims=True)
        unit = directions / np.maximum(length, 1e-300)
        return self.extremes(unit / np.sqrt(2 * self.epsilon), 1e-3).scores

    def _starts(self, middles: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Offset that is extreme in each direction, and the inverse Hessian there."""
        identity = np.eye(len(self.best))
        lengths = np.linalg.norm(middles, axis=1, keepdims=True)
        unit = np.where(lengths > 1e-9, middles / np.maximum(lengths, 1e-300), identity[0])
        for batch in range(0, len(unit), LEAF):
            some = unit[batch : batch + LEAF]
            search = _Search(self, some @ self.factor.T, some, max_gap=1e-2)
            everyone = np.arange(len(some))
            search.run(everyone, search.ball_optimum(everyone), identity, STEPS, cold=True)
            for offset in search.offsets:
                yield offset, self.inverse_hessian(self.scores(offset[None])[0])


class _Search:
    """Maximises v'w over a level set for a few people at once."""

    def __init__(self, level: LevelSet, people: Floats, directions: Floats, max_gap: float) -> None:
        self.level, self.people, self.directions, self.max_gap = level, people, directions, max_gap
        self.centre = people @ level.best
        self.inner = self.centre.copy()
        self.outer = np.full(len(people), np.inf)
        self.found = np.repeat(level.best[None], len(people), axis=0)
        self.offsets = np.zeros_like(directions)
        self.seen = directions @ level.root
        n, p = directions.shape
        self.inverses = np.empty((n, p, p))
        self.place, self.slope, self.move = np.zeros((3, n, p))
        self.placed, self.length = np.zeros(n, dtype=bool), np.ones(n)
        self.rounding = 4 * people.shape[1] * ULP * (np.abs(people) @ np.abs(level.best))

    def gaps(self, who: Places) -> Floats:
        """Widths of the brackets in probability."""
        return np.asarray(expit(self.outer[who]) - expit(self.inner[who]))

    def ball_optimum(self, who: Places) -> Floats:
        """Where the quadratic model at the best score puts the extremes."""
        some = self.directions[who]
        length = np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-300)
        return np.asarray(np.sqrt(2 * self.level.epsilon) / length * some)

    def model_optimum(self, start: Floats, inverse: Floats) -> Floats:
        """Where the quadratic model at `start` puts everyone's extremes."""
        level = self.level
        loss, gradient = level.loss.evaluate(level.scores(start[None]))
        slope = level.offsets(gradient)
        count = len(self.people)
        inverses = np.broadcast_to(inverse, (count, *inverse.shape))
        step, _ = self._model_step(
            self.directions, np.repeat(slope, count, 0), np.repeat(loss, count), inverses
        )
        return np.asarray(start + step)

    def run(
        self, who: Places, offsets: Floats, inverse: Floats, steps: int, *, cold: bool = False
    ) -> None:
        """Improve the bounds of `who` from `offsets`, with `inverse` as first inverse Hessian.

        A step ends at the optimum of the quadratic model made where the last one ended. Steps that
        lead too far outside of the level set are shortened until they do not; `cold` says that the
        first one comes from the best score, so that it can be shortened too.
        """
        level = self.level
        self.inverses[who] = inverse
        self.length[who] = 1.0
        self.placed[who] = cold
        self.place[who] = self.slope[who] = 0.0
        self.move[who] = offsets
        for step in range(steps):
            scores = level.scores(offsets)
            loss, gradient = level.loss.evaluate(scores)
            slope = level.offsets(gradient)
            self._bound(who, offsets, scores, loss, slope)
            open_ = self.gaps(who) > self.max_gap
            if not open_.any():
                return
            who, offsets, loss, slope = who[open_], offsets[open_], loss[open_], slope[open_]
            inside = loss <= level.least + level.wide
            self._settle(who[inside], offsets[inside], loss[inside], slope[inside], step >= 4)
            self.length[who[~inside]] *= np.where(self.placed[who[~inside]], 0.4, 0.5)
            back = np.sqrt(level.epsilon / np.maximum(loss - level.least, 1e-300))
            offsets = np.where(
                self.placed[who, None],
                self.place[who] + self.length[who, None] * self.move[who],
                back[:, None] * offsets,
            )

    def _settle(
        self, who: Places, offsets: Floats, loss: Floats, slope: Floats, late: bool
    ) -> None:
        """Take a point inside as the place of the next model, and plan the step from there."""
        level = self.level
        inverses, known = self.inverses[who], self.placed[who, None]
        moved, turned = offsets - self.place[who], slope - self.slope[who]
        _correct(inverses, np.where(known, moved, 0.0), turned)
        for k in np.flatnonzero(late | (self.length[who] < 1)):
            inverses[k] = level.inverse_hessian(level.scores(offsets[k][None])[0])
        step, possible = self._model_step(self.directions[who], slope, loss, inverses)
        back = np.sqrt(level.epsilon / np.maximum(loss - level.least, 1e-300)) - 1
        self.move[who] = np.where(possible[:, None], step, back[:, None] * offsets)
        self.inverses[who], self.place[who], self.slope[who] = inverses, offsets, slope
        self.placed[who] = True
        self.length[who] = np.minimum(1.0, 2 * self.length[who])

    def _model_step(
        self, directions: Floats, slope: Floats, loss: Floats, inverses: Floats
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Step d of largest v'd with g'd + d'Hd/2 <= what is left of epsilon; H by its inverse."""
        level = self.level
        along = np.matmul(inverses, directions[:, :, None])[:, :, 0]
        down = np.matmul(inverses, slope[:, :, None])[:, :, 0]
        room = np.einsum("ij,ij->i", slope, down) + 2 * (level.least + level.epsilon - loss)
        size = np.maximum(np.einsum("ij,ij->i", directions, along), 1e-300)
        pace = np.sqrt(np.maximum(room, 0.0) / size)
        return pace[:, None] * along - down, room > 0

    def _bound(
        self, who: Places, offsets: Floats, scores: Floats, loss: Floats, slope: Floats
    ) -> None:
        level = self.level
        value = np.einsum("ij,ij->i", self.people[who], scores)
        gain = value - self.centre[who]
        allowed = max(level.epsilon - level.margin, 0.0)
        share = np.minimum(1.0, allowed / np.maximum(loss - level.least, 1e-300))
        reached = self.centre[who] + share * gain - self.rounding[who]
        better = reached > self.inner[who]
        self.inner[who[better]] = reached[better]
        self.offsets[who[better]] = share[better, None] * offsets[better]
        self.found[who[better]] = level.best + share[better, None] * (scores[better] - level.best)
        limit = value + self._rise(who, loss, slope) + self.rounding[who]
        self.outer[who] = np.minimum(self.outer[who], np.maximum(limit, self.inner[who]))

    def _rise(self, who: Places, loss: Floats, slope: Floats) -> Floats:
        """An upper bound of v'd over g'd + d'Md/2 <= what is left of epsilon; infinite where g is
        far from pointing along v, or the point too far outside.

        With g = mu v + r, v'M^-1 r = 0, it is (a (r'M^-1 r + 2 left)) / (b + sqrt(b^2 + the same)),
        where a = v'M^-1 v and b = v'M^-1 g: no difference of large numbers.
        """
        level = self.level
        seen, slopes = self.seen[who], slope @ level.root
        square = np.maximum(np.einsum("ij,ij->i", seen, seen), 1e-300)
        along = np.einsum("ij,ij->i", seen, slopes)
        rest = slopes - (along / square)[:, None] * seen
        error = level.slack * np.linalg.norm(slope, axis=1)
        short = np.linalg.norm(rest, axis=1) + error
        room = short**2 + 2 * (level.least + level.epsilon + level.margin - loss)
        forth = np.sqrt(np.maximum(along**2 + square * room, 0.0))
        rise = square * room / np.maximum(along + forth, 1e-300)
        sure = along > 0.5 * np.sqrt(square) * np.linalg.norm(slopes, axis=1)
        sure &= loss <= level.least + level.wide
        return np.where(sure, rise + 1e-6 * np.abs(rise), np.inf)


def _correct(inverses: Floats, moved: Floats, turned: Floats) -> None:
    """BFGS: make each inverse Hessian explain how the gradient turned over the last step."""
    along = np.einsum("ij,ij->i", moved, turned)
    size = np.linalg.norm(moved, axis=1) * np.linalg.norm(turned, axis=1)
    known = along > 1e-12 * size
    rate = np.where(known, 1 / np.where(known, along, 1.0), 0.0)
    back = np.matmul(inverses, turned[:, :, None])[:, :, 0]
    square = rate * (1 + rate * np.einsum("ij,ij->i", turned, back))
    inverses += (square[:, None] * moved)[:, :, None] * moved[:, None, :]
    mixed = (rate[:, None] * back)[:, :, None] * moved[:, None, :]
    inverses -= mixed
    inverses -= mixed.transpose(0, 2, 1)


def _leaves(points: Floats, size: int) -> list[Places]:
    """Part points in two along their first principal axis, until at most `size` are together."""
    leaves, waiting = [], [np.arange(len(points))]
    while waiting:
        some = waiting.pop()
        if len(some) <= size:
            leaves.append(some)
            continue
        apart = points[some] - points[some].mean(axis=0)
        axis = np.linalg.eigh(apart.T @ apart)[1][:, -1]
        order = some[np.argsort(apart @ axis, kind="stable")]
        waiting += [order[len(order) // 2 :], order[: len(order) // 2]]
    return leaves


def _bend(z: Floats) -> Floats:
    """Curvature of the logistic loss, p (1 - p), without cancellation."""
    return np.asarray(expit(z) * expit(-z))


def _secant_bend(z: Floats, reach: Floats) -> Floats:
    """b >= 0 with the loss at least b d^2 / 2 above its tangent at |log-odds| z for |d| <= reach.

    Curvature falls with |log-odds|, so moving away from zero is worst and b falls with |d|.
    """
    least = _bend(z + reach)
    long = np.maximum(reach, 1e-2)
    rise = np.log1p(np.exp(-z - long)) - np.log1p(np.exp(-z)) + long * expit(-z)
    return np.where(reach > 1e-2, np.maximum(least, 2 * rise / long**2 * (1 - 1e-9)), least)


def _concordant_radius(bound: float) -> float:
    """The a with exp(-a) + a - 1 = bound, from above."""
    high = bound + np.sqrt(2 * bound) + 1e-12
    low = 0.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if np.expm1(-middle) + middle < bound:
            low = middle
        else:
            high = middle
    return float(high)
