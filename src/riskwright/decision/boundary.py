"""`Boundary`: a threshold on the score for every level of uncertainty, under a precision floor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from riskwright.core import (
    DataError,
    Estimate,
    MissingValueError,
    ParameterError,
    UsageError,
    digest_arrays,
)
from riskwright.metrics._inputs import checked_rows
from riskwright.stats import proportion_interval

from .budgets import Budget, checked_budget
from .certificates import BudgetBound, RiskCertificate
from .statements import ASSUMPTIONS, promise
from .tuned import bounds_of_actions, last_certified, pareto_order, set_apart

__all__ = ["Boundary"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_LEVELS = 100
_PRICES = np.geomspace(1e-3, 1e3, 120)


class Boundary(BaseEstimator):  # type: ignore[misc]
    """Act where the score is at least a threshold that rises with the uncertainty of the score.

    Parameters
    ----------
    budget : on the "false discovery rate" ("precision >= 90%").
    bins : number of levels of uncertainty, equally filled on the rows that propose.
    tune : share of the rows, drawn at random, that proposes boundaries and certifies nothing.
    random_state : seed of that draw.

    Attributes
    ----------
    edges_ : array of shape (bins - 1,), where one level of uncertainty ends and the next begins.
    thresholds_ : array of shape (bins,), never falling; NaN where nothing is certified.
    certificate_ : RiskCertificate; `details` holds the recall on the certifying rows, and
        "recall of one threshold": that of the best single threshold certified in the same way.

    Notes
    -----
    For each of 120 prices of a false alarm, dynamic programming over levels and 100 thresholds
    finds the rising boundary with the most events caught less price x false alarms; single
    thresholds are among the proposals. O(n log n + bins x 100 x 120).
    Dolatabadi et al. (2023), Leveraging Uncertainty Estimates To Improve Classifier Performance.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.choice([0.02, 0.3], 6000)
    >>> risk = rng.random(6000)
    >>> score = np.clip(risk + rng.normal(0, noise), 0, 1)
    >>> rule = Boundary("precision >= 75%", bins=2).fit(score, noise, rng.random(6000) < risk)
    >>> bool(rule.thresholds_[0] <= rule.thresholds_[1])
    True
    """

    def __init__(
        self,
        budget: Budget | str,
        *,
        bins: int = 5,
        tune: float = 0.4,
        random_state: int = 0,
    ) -> None:
        self.budget = budget
        self.bins = bins
        self.tune = tune
        self.random_state = random_state

    def fit(self, score: ArrayLike, uncertainty: ArrayLike, y: ArrayLike) -> Boundary:
        """Propose, certify and choose the boundary.

        Three arrays of shape (n,): scores and uncertainties are finite numbers, outcomes 0 and 1.
        Raises `DataError` and `ParameterError`.
        """
        budget = checked_budget(self.budget, frozenset({"false discovery rate"}))
        if not budget.is_mean or budget.per or budget.weight or not isinstance(budget.loss, str):
            raise ParameterError(
                "not a budget for a boundary",
                where=f"budget {str(budget)!r}",
                expected="precision over all rows",
            )
        if not isinstance(self.bins, int) or not 1 <= self.bins <= 100:
            raise ParameterError(
                "impossible number of bins", where="bins", expected="1 to 100", got=repr(self.bins)
            )
        rows = checked_rows(y, score, None, probabilities=False)
        doubt = checked_rows(y, uncertainty, None, probabilities=False).p
        values, outcome = rows.p, rows.outcome.astype(bool)
        chosen, certifying = set_apart(values.size, self.tune, self.random_state)
        places = np.arange(1, self.bins) / self.bins
        self.edges_ = np.unique(np.quantile(doubt[chosen], places))
        level = np.searchsorted(self.edges_, doubt, side="right")
        proposals = _proposals(values[chosen], level[chosen], outcome[chosen], self.edges_.size + 1)
        many, one = (
            self._certified(budget, proposals[kind], values, level, outcome, chosen, certifying)
            for kind in ("all", "single")
        )
        kept, bounds = many
        lost = np.full(self.edges_.size + 1, math.nan)
        self.thresholds_ = lost if kept is None else kept
        details = {}
        for name, found in (("recall", kept), ("recall of one threshold", one[0])):
            if found is not None:
                details[name] = _recall(
                    name, found, values[certifying], level[certifying], outcome[certifying]
                )
        self.certificate_ = self._certificate(
            budget,
            bounds,
            details,
            certifying.size,
            values.size,
            digest_arrays(values, doubt, outcome),
        )
        return self

    def _certified(
        self,
        budget: Budget,
        proposals: Floats,
        score: Floats,
        level: NDArray[np.intp],
        y: Bools,
        chosen: NDArray[np.intp],
        certifying: NDArray[np.intp],
    ) -> tuple[Floats | None, tuple[BudgetBound, ...]]:
        def bounds(thresholds: Floats, rows: NDArray[np.intp]) -> tuple[BudgetBound, ...]:
            acted = score[rows] >= thresholds[level[rows]]
            return bounds_of_actions([budget], acted, y[rows], lambda _: [(None, slice(None))])

        excess = [bounds(t, chosen)[0].upper - budget.limit for t in proposals]
        caught = [
            -np.count_nonzero((score[chosen] >= t[level[chosen]]) & y[chosen]) for t in proposals
        ]
        order = [proposals[place] for place in pareto_order(excess, caught)]
        return last_certified(order, lambda thresholds: bounds(thresholds, certifying))

    def _certificate(
        self,
        budget: Budget,
        bounds: tuple[BudgetBound, ...],
        details: dict[str, Estimate],
        n: int,
        rows: int,
        digest: str,
    ) -> RiskCertificate:
        found = not np.isnan(self.thresholds_).any()
        shown = ", ".join(f"{t:.4g}" for t in self.thresholds_)
        rule = f"The rule flags from these scores on, by rising uncertainty: {shown}."
        return RiskCertificate(
            rule="boundary",
            settings={
                "budgets": [budget.to_dict()],
                "bins": self.bins,
                "tune": self.tune,
                "random_state": self.random_state,
            },
            verdict="certified" if found else "not attainable",
            statement=promise([budget], bounds, rule=rule if found else None, n=n),
            budgets=(budget.to_dict(),),
            thresholds={"edges": self.edges_.tolist(), "thresholds": self.thresholds_.tolist()},
            bounds=bounds,
            n=n,
            labels_used=rows,
            delta=budget.delta,
            method="fixed sequence over boundaries in an order that other rows chose",
            assumptions=(
                ASSUMPTIONS["independent"],
                ASSUMPTIONS["fixed score"],
                ASSUMPTIONS["set apart"].format(rows - n, self.random_state),
            ),
            details=details,
            data_digest=digest,
        )

    def decide(self, score: ArrayLike, uncertainty: ArrayLike) -> NDArray[np.str_]:
        """ "flag" or "pass" for every row, "abstain" where nothing is certified."""
        acts = self.predict(score, uncertainty)
        if np.isnan(self.thresholds_).any() or self.certificate_.verdict == "void":
            return np.full(acts.shape, "abstain")
        return np.where(acts, "flag", "pass")

    def predict(self, score: ArrayLike, uncertainty: ArrayLike) -> Bools:
        """True where the rule acts."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="Boundary", hint="Call fit first")
        values = np.asarray(score, dtype=np.float64)
        doubt = np.asarray(uncertainty, dtype=np.float64)
        if values.shape != doubt.shape:
            raise DataError("length differs from score", where="uncertainty")
        if np.isnan(values).any() or np.isnan(doubt).any():
            raise MissingValueError("missing values", where="score, uncertainty")
        return np.asarray(values >= self.thresholds_[np.searchsorted(self.edges_, doubt, "right")])

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="Boundary")
        return "boundary", {
            "params": {"random_state": self.random_state},
            "certificate": self.certificate_.to_dict(),
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Boundary:
        """The rule that `to_artifact` described."""
        certificate = RiskCertificate.from_dict(body["certificate"])
        told = dict(certificate.settings)
        rule = cls(Budget.from_dict(told.pop("budgets")[0]), **told)
        rule.edges_ = np.array([float(x) for x in certificate.thresholds["edges"]])
        rule.thresholds_ = np.array([float(x) for x in certificate.thresholds["thresholds"]])
        rule.certificate_ = certificate
        return rule


def _proposals(score: Floats, level: NDArray[np.intp], y: Bools, levels: int) -> dict[str, Floats]:
    """Boundaries of shape (k, levels): one for each price of a false alarm, and single ones."""
    grid = np.unique(np.quantile(score, np.linspace(0, 1, _LEVELS), method="inverted_cdf"))
    grid = np.append(grid, math.inf)
    caught, alarms = (np.zeros((levels, grid.size)) for _ in range(2))
    for k in range(levels):
        here = level == k
        for marks, counts in ((y, caught), (~y, alarms)):
            values = np.sort(score[here & marks])
            counts[k] = values.size - np.searchsorted(values, grid, side="left")
    single = np.repeat(grid[:, None], levels, axis=1)
    paths = np.array([grid[_best_path(caught - price * alarms)] for price in _PRICES])
    return {"single": single, "all": np.unique(np.vstack([paths, single]), axis=0)}


def _best_path(worth: Floats) -> NDArray[np.intp]:
    """Column numbers, never falling from row to row, with the largest sum."""
    levels, width = worth.shape
    choice = np.zeros((levels, width), np.intp)
    total = np.zeros(width)
    for k in range(levels):
        total = total + worth[k]
        best = np.maximum.accumulate(total)
        places = np.where(total == best, np.arange(width), 0)
        choice[k] = np.maximum.accumulate(places)
        total = best
    path = np.zeros(levels, np.intp)
    place = width - 1
    for k in reversed(range(levels)):
        place = choice[k][place]
        path[k] = place
    return path


def _recall(
    name: str, thresholds: Floats, score: Floats, level: NDArray[np.intp], y: Bools
) -> Estimate:
    caught = int(np.count_nonzero((score >= thresholds[level]) & y))
    events = int(np.count_nonzero(y))
    low, high = proportion_interval(caught, events)
    value = caught / events if events else math.nan
    return Estimate(
        name=name, value=value, low=low, high=high, level=0.95, n=events, method="Wilson"
    )
