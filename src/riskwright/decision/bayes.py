"""Decisions by expected utility under calibrated probabilities: no threshold to tune."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from riskwright.core import DataError, ParameterError, ValueRangeError

__all__ = ["BayesDecision", "answer_or_refuse"]

Floats = NDArray[np.float64]
_SUM = 1e-6


class BayesDecision(BaseEstimator):  # type: ignore[misc]
    """The action of highest expected utility.

    Parameters
    ----------
    utility : array of shape (n_classes, n_actions)
        What action a is worth where class c is true; any finite numbers. It can be changed
        without refitting anything.
    actions : names, one per column; by default 0, 1, ...
    trained_prior, prior : arrays of shape (n_classes,), optional
        Class shares where the probabilities were calibrated and where they are used: probabilities
        are moved by Bayes' rule from the first to the second. Both or neither.

    Raises
    ------
    ParameterError : shapes, values that are not finite, priors that do not sum to 1.

    Notes
    -----
    O(n classes actions). Right for calibrated probabilities only. Of equal utilities the first
    action is taken. Elkan (2001), IJCAI; Saerens, Latinne & Decaestecker (2002), Neural
    Computation 14:21, for the priors.

    Examples
    --------
    >>> rule = BayesDecision([[0, -1], [-10, 5]], actions=["wait", "treat"])
    >>> rule.decide([0.02, 0.2]).tolist()
    ['wait', 'treat']
    >>> rule.expected_utility([0.2]).round(2).tolist()
    [[-2.0, 0.2]]
    """

    def __init__(
        self,
        utility: ArrayLike,
        *,
        actions: Sequence[str] | None = None,
        trained_prior: ArrayLike | None = None,
        prior: ArrayLike | None = None,
    ) -> None:
        self.utility = utility
        self.actions = actions
        self.trained_prior = trained_prior
        self.prior = prior

    def expected_utility(self, p: ArrayLike) -> Floats:
        """Of every action, shape (n, n_actions).

        `p` has shape (n, n_classes) with rows that sum to 1, or (n,): the probability of class 1
        of two. Raises `DataError` for anything else.
        """
        utility = self._checked()
        expected: Floats = self._moved(_probabilities(p, utility.shape[0])) @ utility
        return expected

    def decide(self, p: ArrayLike) -> NDArray[Any]:
        """The best action for every row, by name."""
        best: NDArray[Any] = self.expected_utility(p).argmax(axis=1)
        return best if self.actions is None else np.asarray(self.actions)[best]

    def regret(self, p: ArrayLike, y: ArrayLike) -> Floats:
        """Utility of the best action for the true class, minus that of the action decided upon.

        `y` holds class numbers from 0; shape (n,).
        """
        utility = self._checked()
        truth = np.asarray(y)
        chosen = self.expected_utility(p).argmax(axis=1)
        if truth.shape != chosen.shape:
            raise DataError("length differs from p", where="y", expected=f"{chosen.size} values")
        if truth.dtype.kind not in "biu" or not ((truth >= 0) & (truth < utility.shape[0])).all():
            raise ValueRangeError(
                "not class numbers", where="y", expected=f"0 to {utility.shape[0] - 1}"
            )
        truth = truth.astype(np.intp)
        return np.asarray(utility[truth].max(axis=1) - utility[truth, chosen])

    def _checked(self) -> Floats:
        utility = np.asarray(self.utility, dtype=np.float64)
        if utility.ndim != 2 or not utility.size or not np.isfinite(utility).all():
            raise ParameterError(
                "not a table of utilities",
                where="utility",
                expected="finite numbers, one row per class and one column per action",
                got=f"an array of shape {utility.shape}",
            )
        if self.actions is not None and len(self.actions) != utility.shape[1]:
            raise ParameterError(
                "one name per action is needed",
                where="actions",
                expected=str(utility.shape[1]),
                got=str(len(self.actions)),
            )
        return utility

    def _moved(self, p: Floats) -> Floats:
        if self.trained_prior is None and self.prior is None:
            return p
        both = [
            _prior(values, name, p.shape[1])
            for values, name in ((self.trained_prior, "trained_prior"), (self.prior, "prior"))
        ]
        moved = p * (both[1] / both[0])
        total = moved.sum(axis=1, keepdims=True)
        if (total == 0).any():
            raise ValueRangeError(
                "a row is sure of a class that the prior excludes", where="p, prior"
            )
        return np.asarray(moved / total)


def _prior(values: ArrayLike | None, where: str, classes: int) -> Floats:
    if values is None:
        raise ParameterError("both priors or neither", where=where)
    prior = np.asarray(values, dtype=np.float64)
    positive = bool((prior > 0).all()) if where == "trained_prior" else bool((prior >= 0).all())
    if prior.shape != (classes,) or not positive or abs(prior.sum() - 1) > _SUM:
        raise ParameterError(
            "not a distribution over the classes",
            where=where,
            expected=f"{classes} shares that sum to 1",
            got=str(prior.tolist()),
        )
    return prior


def _probabilities(p: ArrayLike, classes: int) -> Floats:
    given = np.asarray(p, dtype=np.float64)
    table = np.column_stack([1 - given, given]) if given.ndim == 1 and classes == 2 else given
    if table.ndim != 2 or table.shape[1] != classes:
        raise DataError("wrong shape", where="p", expected=f"(n, {classes})", got=str(given.shape))
    good = (table >= 0).all(axis=1) & (np.abs(table.sum(axis=1) - 1) <= _SUM)
    if not good.all():
        raise ValueRangeError(
            "not probabilities",
            where="p",
            expected="values of at least 0 that sum to 1 in every row",
            got=f"{int((~good).sum())} other rows, the first is row {int(np.argmin(good))}",
        )
    return table


def answer_or_refuse(
    p: ArrayLike, gain: float, loss: float, refuse: float = 0.0
) -> NDArray[np.bool_]:
    """True where answering is worth more than refusing: p gain - (1 - p) loss > refuse.

    Parameters
    ----------
    p : probability that the answer is right, any shape, in [0, 1], calibrated.
    gain : worth of a right answer; loss: cost of a wrong one, at least 0; gain + loss above 0.
    refuse : worth of refusing. With 0 the rule is p > loss / (gain + loss).

    Raises
    ------
    ParameterError, ValueRangeError : numbers out of range.

    Examples
    --------
    >>> answer_or_refuse([0.7, 0.8, 0.9], gain=1, loss=4).tolist()
    [False, False, True]
    """
    if not (math.isfinite(gain) and math.isfinite(loss) and math.isfinite(refuse)):
        raise ParameterError("not finite", where="gain, loss, refuse", expected="finite numbers")
    if loss < 0 or not gain + loss > 0:
        raise ParameterError(
            "answering can never matter",
            where="gain, loss",
            expected="loss >= 0 and gain + loss > 0",
            got=f"gain={gain:g}, loss={loss:g}",
        )
    values = np.asarray(p, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueRangeError("probabilities out of range", where="p", expected="values in [0, 1]")
    return np.asarray(values * (gain + loss) > loss + refuse)
