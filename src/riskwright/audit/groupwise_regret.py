"""Online prediction that does well in every group, however the groups overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, Finding, ParameterError, Record
from riskwright.stats._columns import is_number, numbers, refuse, same_length

__all__ = ["GroupRegret", "GroupwiseRegret", "OnlineGroupwise", "OnlineLearner"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EVERYONE = "everyone"


class OnlineLearner(Protocol):
    """A learner of one group: it predicts for a row, then sees the outcome of that row."""

    def predict_one(self, x: Floats, /) -> float: ...
    def learn_one(self, x: Floats, y: float, /) -> object: ...


class GroupRegret(Record, frozen=True, kw_only=True):
    """Squared loss per row of a group: as predicted, and of what it could have been.

    `best_loss` is that of the best fixed linear predictor in hindsight for the group, `regret`
    the difference, `bound` what it cannot exceed (None without a bound for the base learner) and
    `own_regret` that of the group's own learner. All are exact figures of the stream, not
    estimates.
    """

    group: str
    n: int
    loss: float
    best_loss: float
    regret: float
    own_regret: float
    bound: float | None


class GroupwiseRegret(Record, frozen=True, kw_only=True):
    """Regret per row in every group after `n` rows."""

    n: int
    groups: tuple[GroupRegret, ...]
    outcome_range: tuple[float, float]
    method: str
    findings: tuple[Finding, ...] = ()


class OnlineGroupwise:
    """One online learner per group, combined so that no group pays for another.

    Every group has a learner of its own, which sees the group's rows alone. It is an expert that
    sleeps on all other rows; the experts that are awake are combined by AdaNormalHedge. A group
    of all rows, "everyone", is always among them.

    Parameters
    ----------
    groups : names of the groups, which may overlap
    base : "linear" or a function that makes an `OnlineLearner`
        "linear" is Vovk-Azoury-Warmuth's forecaster with an intercept. With learners of another
        kind (a logistic one, say) predictions are clipped into the range as well.
    penalty : above 0, weight of the squared norm in the linear learner
    outcome_range : lowest and highest outcome, (0, 1) for probabilities
        Predictions stay within. Outcomes beyond are refused.

    Attributes
    ----------
    n_rows_ : rows learned from
    n_updates_ : updates of group learners so far, one for each group of each row

    Notes
    -----
    For every sequence of rows, drawn at random or not, the squared loss on the rows of each group
    g exceeds that of the best fixed linear predictor u for the group by at most

        penalty |u|^2 + h^2 ln det(I + A_g / penalty) + r^2 sqrt(3 C_g (ln G + ln B)),

    with A_g the sum of x x' (intercept included), r the width of the range, h = r / 2, C_g the
    summed |difference of loss| / r^2 between the combination and g's learner,
    B = 1 + 1.5 mean(1 + ln(1 + C)) and G groups (u predicts the outcome less the middle of the
    range). Per row of the group that goes to 0 as ln(T) / T + sqrt(ln(G) / T).
    Time O(d^2) for each group of each row, memory O(G d^2).

    Acharya et al. (2023), arXiv:2310.04652; Luo & Schapire (2015), COLT (AdaNormalHedge); Azoury
    & Warmuth (2001), Machine Learning 43:211.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, women = rng.uniform(-1, 1, (2000, 1)), rng.random(2000) < 0.5
    >>> y = 0.5 + np.where(women, 0.5, -0.5) * X[:, 0]
    >>> model = OnlineGroupwise(["women", "men"])
    >>> p = model.partial_fit(X, y, np.column_stack([women, ~women]))
    >>> [f"{group.regret:.3f}" for group in model.regret().groups]
    ['-0.083', '0.001', '0.001']
    """

    def __init__(
        self,
        groups: Sequence[str],
        *,
        base: str | Callable[[], OnlineLearner] = "linear",
        penalty: float = 1.0,
        outcome_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        names = [str(name) for name in groups]
        if isinstance(groups, str) or len(set(names)) != len(names) or EVERYONE in names:
            raise ParameterError(
                "not names of groups",
                where="groups",
                expected=f'different names, none of them "{EVERYONE}", which is always there',
            )
        if not (base == "linear" or callable(base)):
            raise ParameterError(
                "unknown learner", where="base", expected='"linear" or a function', got=repr(base)
            )
        if not (is_number(penalty) and 0 < penalty < math.inf):
            raise ParameterError("not allowed", where="penalty", expected="above 0")
        low, high = outcome_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ParameterError("not a range", where="outcome_range", expected="low < high")
        self.groups = (EVERYONE, *names)
        self.base = base
        self.penalty = float(penalty)
        self.outcome_range = (float(low), float(high))
        self.n_rows_ = 0
        self.n_updates_ = 0
        self._state: _State | None = None

    def predict_one(self, x: ArrayLike, member: ArrayLike) -> float:
        """Prediction for one person.

        Parameters
        ----------
        x : array of shape (d,)
        member : array of shape (number of groups,), 0 or 1, in the order of `groups`

        Returns
        -------
        float within `outcome_range`; nothing is learned
        """
        row, awake = self._row(x, member)
        return self._opened(row.size - 1).combined(row, awake)[0]

    def learn_one(self, x: ArrayLike, member: ArrayLike, y: float) -> OnlineGroupwise:
        """Learn from one person whose outcome has come in."""
        row, awake = self._row(x, member)
        self._learn(row, awake, self._outcomes([y])[0])
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, member: ArrayLike) -> Floats:
        """Learn from rows in their order.

        Parameters
        ----------
        X : array of shape (n, d)
        y : array of shape (n,), outcomes within `outcome_range`
        member : array of shape (n, number of groups), 0 or 1

        Returns
        -------
        array of shape (n,), what was predicted for each row before its outcome was seen
        """
        rows = numbers(X, "X", ndim=2)
        outcomes = self._outcomes(y)
        same_length(outcomes, "y", rows.shape[0], "X")
        awake = self._members(member, rows.shape[0])
        self._opened(rows.shape[1])
        rows = np.concatenate([np.ones((rows.shape[0], 1)), rows], axis=1)
        steps = zip(rows, awake, outcomes.tolist(), strict=True)
        return np.array([self._learn(x, g, v) for x, g, v in steps])

    def regret(self) -> GroupwiseRegret:
        """Regret of every group against its best fixed linear predictor in hindsight."""
        if self._state is None or not self.n_rows_:
            raise DataError("nothing learned yet", where="OnlineGroupwise", hint="Call learn_one")
        found = tuple(
            self._state.regret(g, name, self.base == "linear", self.outcome_range)
            for g, name in enumerate(self.groups)
            if self._state.n[g]
        )
        empty = [name for g, name in enumerate(self.groups) if not self._state.n[g]]
        return GroupwiseRegret(
            n=self.n_rows_,
            groups=found,
            outcome_range=self.outcome_range,
            method=_METHOD,
            findings=(_finding(found, empty),),
        )

    def _row(self, x: ArrayLike, member: ArrayLike) -> tuple[Floats, Bools]:
        row = numbers(x, "x")
        awake = self._members(np.atleast_2d(np.asarray(member)), 1)[0]
        return np.concatenate([[1.0], row]), awake

    def _members(self, member: ArrayLike, size: int) -> Bools:
        given = len(self.groups) - 1
        flags = numbers(member, "member", ndim=2) if given else np.zeros((size, 0))
        if flags.shape != (size, given):
            raise DataError(
                "wrong shape",
                where="member",
                expected=f"({size}, {given}): a column per group, without everyone",
                got=str(flags.shape),
            )
        refuse(((flags != 0) & (flags != 1)).any(axis=1), "member", "not flags", "0 or 1")
        return np.concatenate([np.ones((size, 1), dtype=bool), flags == 1], axis=1)

    def _outcomes(self, y: ArrayLike) -> Floats:
        values, (low, high) = numbers(y, "y"), self.outcome_range
        bad = (values < low) | (values > high)
        refuse(bad, "y", "outcomes beyond the range", f"from {low:g} to {high:g}")
        return values

    def _opened(self, d: int) -> _State:
        if self._state is None:
            made = [] if self.base == "linear" else [self.base() for _ in self.groups]  # type: ignore[operator]
            self._state = _State(len(self.groups), d + 1, self.penalty, self.outcome_range, made)
        if self._state.inverse.shape[1] != d + 1:
            raise DataError(
                "wrong number of columns",
                where="X",
                expected=str(self._state.inverse.shape[1] - 1),
                got=str(d),
            )
        return self._state

    def _learn(self, x: Floats, awake: Bools, y: float) -> float:
        state = self._opened(x.size - 1)
        predicted = state.learn(x, awake, y)
        self.n_rows_ += 1
        self.n_updates_ += int(awake.sum())
        return predicted


class _State:
    """Sums of all groups, stacked along the first axis."""

    def __init__(
        self,
        groups: int,
        d: int,
        penalty: float,
        outcome_range: tuple[float, float],
        learners: list[Any],
    ) -> None:
        low, high = outcome_range
        self.middle, self.half, self.penalty = (low + high) / 2, (high - low) / 2, penalty
        self.learners = learners
        self.inverse = np.tile(np.eye(d) / penalty, (groups, 1, 1))
        self.second = np.zeros((groups, d, d))
        self.cross = np.zeros((groups, d))
        self.squares = np.zeros(groups)
        self.n = np.zeros(groups, dtype=np.int64)
        self.loss = np.zeros(groups)
        self.own_loss = np.zeros(groups)
        self.advantage = np.zeros(groups)
        self.scale = np.zeros(groups)

    def combined(self, x: Floats, awake: Bools) -> tuple[float, NDArray[np.int64], Floats]:
        """The prediction, the groups awake and what each of their learners predicts."""
        on = np.flatnonzero(awake)
        if self.learners:
            own = np.array([float(self.learners[g].predict_one(x[1:])) for g in on])
            if not np.isfinite(own).all():
                raise DataError("a learner predicts no finite number", where="base")
        else:
            moved = self.inverse[on] @ x
            own = self.middle + np.sum(moved * self.cross[on], axis=1) / (1 + moved @ x)
        own = np.clip(own, self.middle - self.half, self.middle + self.half)
        weight = _weights(self.advantage[on], self.scale[on])
        total = float(weight.sum())
        weight = weight / total if total > 0 else np.full(on.size, 1 / on.size)
        return float(weight @ own), on, own

    def learn(self, x: Floats, awake: Bools, y: float) -> float:
        predicted, on, own = self.combined(x, awake)
        loss, own_loss = (predicted - y) ** 2, (own - y) ** 2
        gained = (loss - own_loss) / (2 * self.half) ** 2
        self.advantage[on] += gained
        self.scale[on] += np.abs(gained)
        self.loss[on] += loss
        self.own_loss[on] += own_loss
        self.n[on] += 1
        centred = y - self.middle
        moved = self.inverse[on] @ x
        outer = moved[:, :, None] * moved[:, None, :]
        self.inverse[on] -= outer / (1 + moved @ x)[:, None, None]
        self.second[on] += np.multiply.outer(x, x)
        self.cross[on] += centred * x
        self.squares[on] += centred**2
        if self.learners:
            for g in on:
                self.learners[g].learn_one(x[1:], y)
        return predicted

    def regret(
        self, g: int, name: str, linear: bool, outcome_range: tuple[float, float]
    ) -> GroupRegret:
        n = int(self.n[g])
        best = np.linalg.lstsq(self.second[g], self.cross[g], rcond=1e-12)[0]
        least = max(float(self.squares[g] - best @ self.cross[g]), 0.0)
        bound = None
        if linear:
            grown = np.linalg.slogdet(np.eye(best.size) + self.second[g] / self.penalty)[1]
            learner = self.penalty * float(best @ best) + self.half**2 * float(grown)
            bound = (learner + (2 * self.half) ** 2 * self._combination_bound(g)) / n
        return GroupRegret(
            group=name,
            n=n,
            loss=float(self.loss[g]) / n,
            best_loss=least / n,
            regret=(float(self.loss[g]) - least) / n,
            own_regret=(float(self.own_loss[g]) - least) / n,
            bound=bound,
        )

    def _combination_bound(self, g: int) -> float:
        """From Luo & Schapire's potential, which never exceeds B in the mean over experts."""
        most = 1 + 1.5 * float(np.mean(1 + np.log1p(self.scale)))
        return math.sqrt(3 * float(self.scale[g]) * (math.log(self.n.size) + math.log(most)))


_METHOD = (
    "sleeping experts, one per group, combined by AdaNormalHedge (Acharya et al. 2023); exact "
    "sums over the stream"
)


def _weights(advantage: Floats, scale: Floats) -> Floats:
    """(Phi(R + 1, C + 1) - Phi(R - 1, C + 1)) / 2 with Phi(R, C) = exp(max(R, 0)^2 / (3 C))."""
    wide = 3 * (scale + 1)
    up = np.maximum(advantage + 1, 0.0) ** 2 / wide
    down = np.maximum(advantage - 1, 0.0) ** 2 / wide
    weight: Floats = (np.exp(up) - np.exp(down)) / 2
    return weight


def _finding(found: tuple[GroupRegret, ...], empty: list[str]) -> Finding:
    worst = max(found, key=lambda group: group.regret)
    beyond = "" if worst.bound is None else f" (never more than {worst.bound:.4f})"
    none = f" No row came of {', '.join(empty)}." if empty else ""
    return Finding(
        code="groupwise.regret",
        sentence=(
            f"In each of {len(found)} groups the predictions lost at most {worst.regret:.4f} more "
            f"a row than the best fixed linear rule for that group alone; the most was in "
            f"{worst.group}, over {worst.n:,} rows{beyond}.{none}"
        ),
        severity="info",
        method=_METHOD,
    )
