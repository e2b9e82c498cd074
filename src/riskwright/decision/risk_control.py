"""`RiskControl`: which of several candidates (prompts, configurations, guards) keep the budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from riskwright.core import DataError, ParameterError, UsageError, digest_arrays
from riskwright.metrics._inputs import factorised
from riskwright.stats import bonferroni, fixed_sequence, holm

from .budgets import Budget, checked_budget, checked_budgets
from .certificates import BudgetBound, RiskCertificate
from .risks import bound_of_losses, checked_losses, p_value_of
from .rows import agree, checked_weights
from .search import Family
from .statements import ASSUMPTIONS, promise

__all__ = ["RiskControl"]

Floats = NDArray[np.float64]
Table = Mapping[str, ArrayLike]


class RiskControl(BaseEstimator):  # type: ignore[misc]
    """Select the candidates whose risks keep every budget, all of them valid at once.

    Parameters
    ----------
    budgets : Budget, sentence ("loss <= 0.1", "CVaR 0.9 of loss <= 0.3 with 95% confidence"), list
        of them, or a mapping from the name of a loss to its budget, where each candidate has
        several losses. Means and tail measures; `per` a grouping; weight="shift".
    family : "holm", "bonferroni" or "fixed-sequence"
        Correction for the number of candidates; a fixed sequence tests them in the order given,
        without correction, and stops at the first that fails. Tail measures and weighted means
        have bounds rather than p-values: Holm is Bonferroni for them.
    cost : mapping from candidate to a number, optional
        Of the certified candidates the one with the smallest cost is chosen; without it the one
        with the smallest mean loss (of the first budget).

    Attributes
    ----------
    certified_ : tuple of the names of candidates that keep every budget.
    chosen_ : name, or None where none is certified.
    bounds_ : mapping from candidate to its bounds, each at its uncorrected delta.
    certificate_ : RiskCertificate of the chosen candidate.

    Notes
    -----
    With probability at least 1 - delta no certified candidate breaks its budget, for each budget.
    O(n) per candidate and budget. Angelopoulos et al. (2021), Learn then Test; Zollo et al.
    (2024), Prompt Risk Control, ICLR.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> losses = {"short": rng.random(800) < 0.12, "careful": rng.random(800) < 0.03}
    >>> control = RiskControl("loss <= 6% with 95% confidence").fit(losses)
    >>> control.certified_, control.chosen_
    (('careful',), 'careful')
    """

    def __init__(
        self,
        budgets: Budget | str | Sequence[Budget | str] | Mapping[str, Budget | str],
        *,
        family: Family = "holm",
        cost: Mapping[str, float] | None = None,
    ) -> None:
        self.budgets = budgets
        self.family = family
        self.cost = cost

    def fit(
        self,
        losses: Table | Mapping[str, Table],
        *,
        groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
        sample_weight: ArrayLike | None = None,
        max_weight: float | None = None,
    ) -> RiskControl:
        """Test every candidate.

        Parameters
        ----------
        losses : mapping from candidate to its losses, shape (n,), in [0, bound]; with several
            named losses a mapping from candidate to a mapping from name to losses. The rows are
            the same, in the same order, for all candidates.
        groups, sample_weight, max_weight : as for `Threshold.fit`.

        Raises
        ------
        DataError : lengths that differ, missing losses, losses outside of their bound.
        ParameterError : unknown family or names, no candidates.
        """
        if self.family not in ("holm", "bonferroni", "fixed-sequence"):
            raise ParameterError(
                "unknown family",
                where="family",
                expected="holm, bonferroni or fixed-sequence",
                got=repr(self.family),
            )
        budgets = self._named()
        if len({budget.weight for budget in budgets.values()}) > 1:
            raise ParameterError(
                "some budgets are on the population of use, others on that of the rows",
                where="budgets",
                expected='weight="shift" for all of them or for none',
            )
        loose = [b for b in budgets.values() if b.loss != "loss"]
        if loose:
            raise ParameterError(
                "candidates are judged by their losses",
                where=f"budget {str(loose[0])!r}",
                expected='a budget on "loss", such as "loss <= 5%", of losses 0 and 1 for errors',
            )
        table = _tables(losses, budgets)
        names = list(table)
        n = len(next(iter(table[names[0]].values())))
        shift = _weighting(budgets, sample_weight, max_weight, n)
        parts = {name: _groups(budget, groups, n) for name, budget in budgets.items()}
        labelled = {b.per: _labels(parts[name], n) for name, b in budgets.items() if b.per}
        kept = np.ones(len(names), bool)
        self.bounds_: dict[str, tuple[BudgetBound, ...]] = dict.fromkeys(names, ())
        for key, budget in budgets.items():
            columns = [table[name][key] for name in names]
            found = [_bounds(budget, column, parts[key], shift) for column in columns]
            for name, bounds in zip(names, found, strict=True):
                self.bounds_[name] += bounds
            kept &= self._tested(budget, columns, parts[key], shift, found)
        self.certified_ = tuple(name for name, good in zip(names, kept, strict=True) if good)
        first = next(iter(budgets))
        self.chosen_ = self._chosen({name: float(table[name][first].mean()) for name in names})
        self.certificate_ = self._certificate(
            budgets,
            n,
            digest_arrays(
                *(table[name][key] for name in names for key in budgets),
                *([] if shift is None else [shift[0]]),
                *labelled.values(),
            ),
            names,
            max_weight,
        )
        return self

    def _named(self) -> dict[str, Budget]:
        if isinstance(self.budgets, Mapping):
            if not self.budgets:
                raise ParameterError("no budget", where="budgets")
            return {str(name): checked_budget(budget) for name, budget in self.budgets.items()}
        found = checked_budgets(self.budgets)
        return {f"budget {k}" if len(found) > 1 else "loss": b for k, b in enumerate(found, 1)}

    def _tested(
        self,
        budget: Budget,
        columns: Sequence[Floats],
        parts: _Parts,
        shift: tuple[Floats, float] | None,
        found: Sequence[tuple[BudgetBound, ...]],
    ) -> NDArray[np.bool_]:
        assert budget.delta is not None
        if self.family == "fixed-sequence":
            met = np.array([all(bound.met for bound in bounds) for bounds in found])
            return np.asarray(np.logical_and.accumulate(met))
        if budget.is_mean and shift is None:
            p = np.array([max(p_value_of(budget, c[rows]) for _, rows in parts) for c in columns])
            tests = {"holm": holm, "bonferroni": bonferroni, "fixed-sequence": fixed_sequence}
            return np.asarray(tests[self.family](p, budget.delta), np.bool_)
        shared = _with_delta(budget, budget.delta / len(columns))
        return np.array(
            [all(b.met for b in _bounds(shared, column, parts, shift)) for column in columns]
        )

    def _chosen(self, means: Mapping[str, float]) -> str | None:
        cost = means if self.cost is None else self.cost
        if not all(isinstance(c, int | float) and math.isfinite(c) for c in cost.values()):
            raise ParameterError("not costs", where="cost", expected="finite numbers")
        missing = [name for name in self.certified_ if name not in cost]
        if missing:
            raise ParameterError(
                "candidates without a cost", where="cost", got=", ".join(map(repr, missing[:5]))
            )
        return min(self.certified_, key=lambda name: cost[name], default=None)

    def _certificate(
        self,
        budgets: Mapping[str, Budget],
        n: int,
        digest: str,
        names: Sequence[str],
        max_weight: float | None,
    ) -> RiskCertificate:
        shown = self.chosen_
        if shown is None:
            shown = min(names, key=lambda c: max(b.upper - b.limit for b in self.bounds_[c]))
        bounds = self.bounds_[shown]
        if self.chosen_ is None and all(bound.met for bound in bounds):
            bounds = tuple(_not_met(bound, len(names)) for bound in bounds)
        rule = None if self.chosen_ is None else f"Candidate {shown!r} is chosen."
        tally = f" {len(self.certified_)} of {len(names)} candidates are certified."
        statement = promise(tuple(budgets.values()), bounds, rule=rule, n=n)
        counted = any(b.errors is not None for one in self.bounds_.values() for b in one)
        first = ASSUMPTIONS["independent"]
        if max_weight is not None:
            first = ASSUMPTIONS["shifted"].format(max_weight)
        return RiskCertificate(
            rule="risk_control",
            settings={
                "budgets": {name: budget.to_dict() for name, budget in budgets.items()},
                "family": self.family,
                "cost": None if self.cost is None else dict(self.cost),
            },
            verdict="certified" if self.chosen_ is not None else "not attainable",
            statement=statement + tally,
            budgets=tuple(budget.to_dict() for budget in budgets.values()),
            thresholds={"candidate": self.chosen_} if self.chosen_ is not None else {},
            bounds=bounds,
            n=n,
            labels_used=n,
            delta=min(1.0, sum(budget.delta or 0.0 for budget in budgets.values())),
            method=f"{self.family} over {len(names)} candidates",
            assumptions=(
                first,
                ASSUMPTIONS["fixed candidates"],
                *([ASSUMPTIONS["two values"]] if counted else []),
            ),
            details={},
            data_digest=digest,
        )

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="RiskControl")
        return "risk_control", {
            "certified": list(self.certified_),
            "certificate": self.certificate_.to_dict(),
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> RiskControl:
        """What `to_artifact` described, without the bounds of the other candidates."""
        certificate = RiskCertificate.from_dict(body["certificate"])
        told = certificate.settings
        rule = cls(
            {name: Budget.from_dict(b) for name, b in told["budgets"].items()},
            family=told["family"],
            cost=told["cost"],
        )
        rule.certified_ = tuple(body["certified"])
        rule.chosen_ = certificate.thresholds.get("candidate")
        rule.certificate_ = certificate
        return rule


_Parts = list[tuple[str | None, Any]]


def _tables(
    losses: Table | Mapping[str, Table], budgets: Mapping[str, Budget]
) -> dict[str, dict[str, Floats]]:
    """candidate -> name of budget -> checked losses, all of one length."""
    if not isinstance(losses, Mapping) or not losses:
        raise ParameterError(
            "no candidates", where="losses", expected="a mapping from candidate to losses"
        )
    found: dict[str, dict[str, Floats]] = {}
    size: int | None = None
    for name, given in losses.items():
        columns = given if isinstance(given, Mapping) else dict.fromkeys(budgets, given)
        missing = set(budgets) - set(columns)
        if missing:
            raise ParameterError(
                "a loss is missing", where=f"losses[{name!r}]", expected=", ".join(sorted(missing))
            )
        found[str(name)] = {
            key: checked_losses(columns[key], budget.bound, f"losses[{name!r}]")
            for key, budget in budgets.items()
        }
        for column in found[str(name)].values():
            size = column.size if size is None else size
            if column.size != size:
                raise DataError(
                    "candidates have different numbers of rows",
                    where=f"losses[{name!r}]",
                    expected=f"{size} losses",
                    got=str(column.size),
                )
    return found


def _weighting(
    budgets: Mapping[str, Budget], sample_weight: Any, max_weight: float | None, n: int
) -> tuple[Floats, float] | None:
    shifted = any(budget.weight == "shift" for budget in budgets.values())
    agree(sample_weight, max_weight, shifted)
    if sample_weight is None:
        return None
    assert max_weight is not None
    return checked_weights(sample_weight, n, max_weight), max_weight


def _groups(budget: Budget, groups: Any, n: int) -> _Parts:
    if budget.per is None:
        return [(None, slice(None))]
    values = groups.get(budget.per) if isinstance(groups, Mapping) else groups
    if values is None:
        raise ParameterError(
            f"a budget holds per {budget.per!r}, which was not given", where="groups"
        )
    labels, codes = factorised(values, budget.per)
    if codes.size != n:
        raise DataError("length differs from the losses", where=budget.per, expected=str(n))
    return [(label, np.flatnonzero(codes == k)) for k, label in enumerate(labels)]


def _labels(parts: _Parts, n: int) -> NDArray[Any]:
    labels = np.empty(n, object)
    for label, rows in parts:
        labels[rows] = label
    return labels


def _bounds(
    budget: Budget, column: Floats, parts: _Parts, shift: tuple[Floats, float] | None
) -> tuple[BudgetBound, ...]:
    found = []
    for label, rows in parts:
        weight = None if shift is None else shift[0][rows]
        most = None if shift is None else shift[1]
        found.append(bound_of_losses(budget, label, column[rows], weight, most))
    return tuple(found)


def _with_delta(budget: Budget, delta: float) -> Budget:
    return replace(budget, delta=delta)


def _not_met(bound: BudgetBound, candidates: int) -> BudgetBound:
    method = f"{bound.method}; not after the correction for {candidates} candidates"
    return structs.replace(bound, met=False, method=method, attainable=bound.upper)
