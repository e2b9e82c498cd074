"""`Conformal`: a threshold that keeps a risk in expectation, with fewer labels than a bound."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from riskwright.core import DataError, MissingValueError, ParameterError, UsageError, digest_arrays
from riskwright.metrics import ScoreSketch

from .budgets import Budget, checked_budget
from .certificates import BudgetBound, RiskCertificate
from .losses import LOSSES
from .risks import checked_losses
from .rows import Part, read_rows
from .statements import ASSUMPTIONS, promise

__all__ = ["Conformal"]

Floats = NDArray[np.float64]


class Conformal(BaseEstimator):  # type: ignore[misc]
    """Conformal risk control: on average over the data and the next case, the risk keeps a limit.

    Parameters
    ----------
    budget : Budget or sentence, with delta None ("miss rate <= 10% in expectation")
        On a loss of one direction: "miss rate" (the largest threshold is taken), "false alarm
        rate", "action rate", or "loss" (`fit_losses`).

    Attributes
    ----------
    threshold_ : float; act where the score is at least that, NaN where no threshold will do.
    chosen_ : for `fit_losses`, the index of the candidate, or None.
    certificate_ : RiskCertificate; `upper` of its bound is (sum of losses + bound) / (n + 1).

    Notes
    -----
    Weaker than `Threshold`: single data sets may break the limit, their mean does not. O(n).
    Angelopoulos, Bates, Fisch, Lei & Schuster (2024), ICLR, Theorem 1: the last candidate with
    (n R + B) / (n + 1) <= limit, for losses that never grow along the candidates and n members.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(500)
    >>> rule = Conformal("miss rate <= 10% in expectation").fit(p, rng.random(500) < p)
    >>> rule.certificate_.verdict
    'certified'
    """

    def __init__(self, budget: Budget | str) -> None:
        self.budget = budget

    def fit(self, score: ArrayLike | ScoreSketch, y: ArrayLike | None = None) -> Conformal:
        """Choose the threshold from scores and outcomes 0 and 1, or from a sketch of them.

        Raises `ParameterError` for a budget with a delta, groups, weights, or a loss that can go
        either way; `DataError` for bad rows.
        """
        budget = self._checked()
        loss = LOSSES.get(budget.name)
        if loss is None or loss.shape == "either" or budget.name not in _MEMBERS:
            raise ParameterError(
                "conformal risk control needs a loss that only grows in one direction",
                where=f"budget {str(budget)!r}",
                expected="miss rate, false alarm rate or action rate",
                hint="Threshold bounds any named loss with high probability",
            )
        rows = read_rows(score, y)
        among = _MEMBERS[budget.name]
        n = rows.part.size(among)
        k = math.floor(budget.limit * (n + 1) - 1 + 1e-12 * (n + 1))
        self.threshold_ = _threshold(rows.part, loss.shape == "rises", among, k, n)
        self.chosen_: int | None = None
        counts = rows.part.at_one(self.threshold_ if k >= 0 else _safe(loss.shape))
        self.certificate_ = _certificate(
            budget,
            float(loss.errors(counts)),
            n,
            rows.n,
            rows.digest,
            None if k < 0 else f"The rule flags where the score is at least {self.threshold_:.6g}.",
            {} if k < 0 else {"threshold": self.threshold_},
        )
        return self

    def fit_losses(self, losses: ArrayLike) -> Conformal:
        """Choose among candidates from a table of losses, shape (n, candidates).

        The candidates stand from the safest to the most useful: in every row the losses must not
        fall from one to the next, all within [0, budget.bound]; the last that keeps the limit is
        chosen. Raises `DataError` where they fall.
        """
        budget = self._checked()
        table = np.asarray(losses, dtype=np.float64)
        if table.ndim != 2 or not table.size:
            raise DataError("not a table of losses", where="losses", expected="shape (n, k)")
        for column in table.T:
            checked_losses(column, budget.bound, "losses")
        if (np.diff(table, axis=1) < 0).any():
            row = int(np.argmax((np.diff(table, axis=1) < 0).any(axis=1)))
            raise DataError(
                "losses fall along the candidates",
                where="losses",
                expected="candidates from the safest on, so that losses never fall",
                got=f"a fall in row {row}",
                hint="RiskControl takes candidates in any order",
            )
        n = table.shape[0]
        level = (table.sum(axis=0) + budget.bound) / (n + 1)
        good = np.flatnonzero(level <= budget.limit)
        self.chosen_ = int(good[-1]) if good.size else None
        self.threshold_ = math.nan
        self.certificate_ = _certificate(
            budget,
            float(table[:, 0 if self.chosen_ is None else self.chosen_].sum()),
            n,
            n,
            digest_arrays(table),
            None if self.chosen_ is None else f"Candidate {self.chosen_} is chosen.",
            {} if self.chosen_ is None else {"candidate": self.chosen_},
        )
        return self

    def _checked(self) -> Budget:
        budget = checked_budget(self.budget, expectation=True)
        if not budget.is_mean or budget.per is not None or budget.weight is not None:
            raise ParameterError(
                "conformal risk control bounds a plain mean",
                where=f"budget {str(budget)!r}",
                expected="the mean of a loss, over all rows, without weights",
            )
        return budget

    def decide(self, score: ArrayLike) -> NDArray[np.str_]:
        """ "flag" or "pass" for every score, "abstain" where no threshold will do."""
        acts = self.predict(score)
        if math.isnan(self.threshold_) or self.certificate_.verdict == "void":
            return np.full(acts.shape, "abstain")
        return np.where(acts, "flag", "pass")

    def predict(self, score: ArrayLike) -> NDArray[np.bool_]:
        """True where the rule acts."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="Conformal", hint="Call fit first")
        values = np.asarray(score, dtype=np.float64)
        if np.isnan(values).any():
            raise MissingValueError("missing scores", where="score")
        return values >= self.threshold_

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="Conformal")
        return "conformal", {"certificate": self.certificate_.to_dict()}

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Conformal:
        """The rule that `to_artifact` described."""
        certificate = RiskCertificate.from_dict(body["certificate"])
        rule = cls(Budget.from_dict(certificate.budgets[0]))
        rule.certificate_ = certificate
        rule.threshold_ = float(certificate.thresholds.get("threshold", math.nan))
        chosen = certificate.thresholds.get("candidate")
        rule.chosen_ = None if chosen is None else int(chosen)
        return rule


_MEMBERS: Any = {"miss rate": "events", "false alarm rate": "others", "action rate": "all"}


def _threshold(part: Part, rises: bool, among: Any, k: int, n: int) -> float:
    if k < 0:
        return math.nan
    if k >= n:
        return math.inf if rises else part.smallest("all", 0) if part.n else -math.inf
    if rises:
        return part.smallest(among, k)
    return part.above(part.smallest(among, n - 1 - k))


def _safe(shape: str) -> float:
    return -math.inf if shape == "rises" else math.inf


def _certificate(
    budget: Budget,
    total: float,
    n: int,
    rows: int,
    digest: str,
    rule: str | None,
    thresholds: dict[str, Any],
) -> RiskCertificate:
    level = (total + budget.bound) / (n + 1)
    met = rule is not None
    needed = math.ceil(budget.bound / budget.limit) - 1 if budget.limit > 0 else None
    bound = BudgetBound(
        budget=str(budget),
        group=None,
        limit=budget.limit,
        delta=None,
        members=n,
        errors=round(total) if total == round(total) else None,
        empirical=total / n if n else math.nan,
        upper=level,
        met=met,
        method="conformal risk control",
        attainable=None if met else level,
        labels_needed=None if met or needed is None else max(needed, n + 1),
    )
    return RiskCertificate(
        rule="conformal",
        settings={"budgets": [budget.to_dict()]},
        verdict="certified" if met else "not attainable",
        statement=promise([budget], [bound], rule=rule, n=rows),
        budgets=(budget.to_dict(),),
        thresholds=thresholds,
        bounds=(bound,),
        n=rows,
        labels_used=rows,
        delta=None,
        method="conformal risk control (in expectation)",
        assumptions=(ASSUMPTIONS["exchangeable"], ASSUMPTIONS["fixed score"]),
        details={},
        data_digest=digest,
    )
