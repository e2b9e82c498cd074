"""`Cascade`: cheap scorers first, dearer ones while unsure, a person at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from riskwright.core import (
    DataError,
    Estimate,
    MissingValueError,
    ParameterError,
    Record,
    UsageError,
    digest_arrays,
)
from riskwright.metrics._inputs import checked_rows, factorised
from riskwright.stats import normal_interval, proportion_interval

from .budgets import Budget, checked_budgets
from .certificates import BudgetBound, RiskCertificate
from .statements import ASSUMPTIONS, promise
from .tuned import bounds_of_actions, last_certified, pareto_order, set_apart

__all__ = ["Cascade", "Stage"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_SWEEPS = 3
_PRICES = np.geomspace(0.05, 500, 36)
_RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0)
_ALLOWED = frozenset({"miss rate", "false alarm rate", "error rate"})


class Stage(Record, frozen=True, kw_only=False):
    """One scorer of a cascade: its name, and what one call costs."""

    name: str
    cost: float


class Cascade(BaseEstimator):  # type: ignore[misc]
    """Stages of scorers by cost, then a person: the cheapest thresholds that keep the budgets.

    At every stage a low score passes and a high score is flagged; what lies between goes on to the
    next stage, and after the last one to a person, who is taken to be right.

    Parameters
    ----------
    stages : sequence of Stage, or mapping from name to cost, in the order of use
    person : cost of a person's decision.
    budgets : on the "miss rate", "false alarm rate" or "error rate" of the final decision.
    tune : share of the rows, drawn at random, that proposes thresholds and certifies nothing.
    random_state : seed of that draw.
    missing : "refuse" or "onwards": whether a NaN is an error, or the mark of a stage that gave no
        answer, so that the row goes on to the next one.

    Attributes
    ----------
    thresholds_ : mapping from stage to (low, high): pass below low, flag from high on. Where
        nothing is certified, everything goes to the person.
    certificate_ : RiskCertificate for the final decision of the whole cascade; `details` holds the
        mean cost per row, the share that reaches each stage and the share that a person decides,
        on the certifying rows.

    Notes
    -----
    Proposals: for 180 prices of the two kinds of error, thresholds of all stages that minimise
    cost + price of errors on the rows set apart, stage by stage from the last to the first, each
    exactly in O(n log n). They are certified from the most careful to the cheapest, see
    `riskwright.decision.tuned`. Viola & Jones (2004), IJCV 57:137, for cascades.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> risk = rng.random(4000)
    >>> y = rng.random(4000) < risk ** 3
    >>> scores = {"rules": risk + rng.normal(0, 0.3, 4000), "model": risk}
    >>> cascade = Cascade(
    ...     {"rules": 0.01, "model": 0.2}, person=5.0,
    ...     budgets=["miss rate <= 10%", "false alarm rate <= 10%"],
    ... ).fit(scores, y)
    >>> cascade.certificate_.verdict
    'certified'
    >>> cascade.certificate_.details["mean cost"].value < 5
    True
    """

    def __init__(
        self,
        stages: Sequence[Stage] | Mapping[str, float],
        *,
        person: float,
        budgets: Budget | str | Sequence[Budget | str],
        tune: float = 0.4,
        random_state: int = 0,
        missing: Literal["refuse", "onwards"] = "refuse",
    ) -> None:
        self.stages = stages
        self.person = person
        self.budgets = budgets
        self.tune = tune
        self.random_state = random_state
        self.missing = missing

    def fit(
        self,
        scores: ArrayLike | Mapping[str, ArrayLike],
        y: ArrayLike,
        *,
        groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    ) -> Cascade:
        """Propose, certify and choose the thresholds of all stages.

        Parameters
        ----------
        scores : mapping from stage to scores of shape (n,), or an array of shape (n, n_stages);
            higher means riskier.
        y : array of shape (n,), outcomes 0 and 1
        groups : for budgets that hold per group.

        Raises
        ------
        ParameterError, DataError : for bad settings or rows.
        """
        stages = self._checked_stages()
        budgets = self._checked_budgets()
        table, outcome = self._checked_rows(scores, y, stages)
        labels = _labels(budgets, groups, outcome.size)
        chosen, certifying = set_apart(outcome.size, self.tune, self.random_state)
        order = self._proposals(stages, budgets, table[chosen], outcome[chosen], labels, chosen)

        def bounds(thresholds: Any) -> tuple[BudgetBound, ...]:
            acted = _final(table[certifying], outcome[certifying], thresholds)[0]
            return bounds_of_actions(
                budgets, acted, outcome[certifying], lambda b: _parts(b, labels, certifying)
            )

        kept, shown = last_certified(order, bounds)
        names = [stage.name for stage in stages]
        everyone = np.tile([-math.inf, math.inf], (len(stages), 1))
        held = everyone if kept is None else kept
        self.thresholds_ = {n: (float(a), float(b)) for n, (a, b) in zip(names, held, strict=True)}
        details = self._details(stages, table[certifying], outcome[certifying], held)
        digest = digest_arrays(table, outcome, *(np.asarray(v[0], object) for v in labels.values()))
        self.certificate_ = self._certificate(
            budgets, shown, kept is not None, details, certifying.size, outcome.size, digest
        )
        return self

    def _checked_stages(self) -> list[Stage]:
        given = self.stages
        stages = (
            [Stage(str(name), float(cost)) for name, cost in given.items()]
            if isinstance(given, Mapping)
            else list(given)
        )
        if not stages or not all(isinstance(stage, Stage) for stage in stages):
            raise ParameterError("no stages", where="stages", expected="Stage(name, cost), ...")
        costs = [*(stage.cost for stage in stages), self.person]
        if not all(isinstance(c, int | float) and math.isfinite(c) and c >= 0 for c in costs):
            raise ParameterError(
                "not costs", where="stages, person", expected="finite numbers of at least 0"
            )
        if len({stage.name for stage in stages}) < len(stages):
            raise ParameterError("two stages have one name", where="stages")
        if self.missing not in ("refuse", "onwards"):
            raise ParameterError(
                "unknown value",
                where="missing",
                expected="refuse or onwards",
                got=repr(self.missing),
            )
        return stages

    def _checked_budgets(self) -> tuple[Budget, ...]:
        budgets = checked_budgets(self.budgets, _ALLOWED)
        for budget in budgets:
            if budget.name not in _ALLOWED or not budget.is_mean or budget.weight:
                raise ParameterError(
                    "not a budget for a cascade",
                    where=f"budget {str(budget)!r}",
                    expected="the mean of miss rate, false alarm rate or error rate",
                )
        return budgets

    def _checked_rows(
        self, scores: Any, y: ArrayLike, stages: Sequence[Stage]
    ) -> tuple[Floats, Bools]:
        table = np.column_stack(_columns(scores, [stage.name for stage in stages]))
        silent = np.isnan(table) & (self.missing == "onwards")
        answers = np.where(silent, 0.0, table)
        checked = [checked_rows(y, column, None, probabilities=False) for column in answers.T]
        return np.where(silent, math.nan, table), checked[0].outcome.astype(bool)

    def _proposals(
        self,
        stages: Sequence[Stage],
        budgets: Sequence[Budget],
        table: Floats,
        y: Bools,
        labels: Mapping[str, tuple[list[str], NDArray[np.intp]]],
        chosen: NDArray[np.intp],
    ) -> list[Floats]:
        scale = _scale(budgets, y)
        found, excess, price = [], [], []
        for cost in self.person * _PRICES:
            for ratio in _RATIOS:
                miss, alarm = cost * scale[0] * ratio, cost * scale[1] / ratio
                thresholds = _cheapest(table, y, miss, alarm, stages, self.person)
                acted, reached = _final(table, y, thresholds)
                bounds = bounds_of_actions(budgets, acted, y, lambda b: _parts(b, labels, chosen))
                found.append(thresholds)
                excess.append(max((b.upper - b.limit) / max(b.limit, 1e-9) for b in bounds))
                price.append(float(_costs(reached, stages, self.person).mean()))
        return [found[place] for place in pareto_order(excess, price)]

    def _details(
        self, stages: Sequence[Stage], table: Floats, y: Bools, thresholds: Floats
    ) -> dict[str, Estimate]:
        _, reached = _final(table, y, thresholds)
        cost = _costs(reached, stages, self.person)
        n = cost.size
        spread = float(cost.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        low, high = normal_interval(float(cost.mean()), spread)
        figures = [("mean cost", float(cost.mean()), low, high, "normal")]
        names = [*(f"share reaching {stage.name}" for stage in stages), "share for the person"]
        for k, name in enumerate(names):
            count = int(np.count_nonzero(reached >= k))
            low, high = proportion_interval(count, n)
            figures.append((name, count / n, low, high, "Wilson"))
        return {
            name: Estimate(
                name=name, value=value, low=low, high=high, level=0.95, n=n, method=method
            )
            for name, value, low, high, method in figures
        }

    def _certificate(
        self,
        budgets: Sequence[Budget],
        bounds: tuple[BudgetBound, ...],
        found: bool,
        details: dict[str, Estimate],
        n: int,
        rows: int,
        digest: str,
    ) -> RiskCertificate:
        verdict: Literal["certified", "not attainable"] = "certified" if found else "not attainable"
        stages = "; ".join(
            f"{name}: {_settles(low, high)}" for name, (low, high) in self.thresholds_.items()
        )
        cost = details["mean cost"]
        rule = f"{stages}; the rest goes to a person. Mean cost per row: {cost}."
        statement = promise(budgets, bounds, rule=rule if found else None, n=n)
        if not found:
            statement = statement.replace("The rule abstains.", "A person decides everything.")
        return RiskCertificate(
            rule="cascade",
            settings={
                "stages": [[s.name, s.cost] for s in self._checked_stages()],
                "person": float(self.person),
                "budgets": [budget.to_dict() for budget in budgets],
                "tune": self.tune,
                "random_state": self.random_state,
                "missing": self.missing,
            },
            verdict=verdict,
            statement=statement,
            budgets=tuple(budget.to_dict() for budget in budgets),
            thresholds={name: list(pair) for name, pair in self.thresholds_.items()},
            bounds=bounds,
            n=n,
            labels_used=rows,
            delta=min(1.0, sum(budget.delta or 0.0 for budget in budgets)),
            method="fixed sequence over configurations in an order that other rows chose",
            assumptions=(
                ASSUMPTIONS["independent"],
                "All scores were fixed before these rows were seen, and the person is right.",
                ASSUMPTIONS["set apart"].format(rows - n, self.random_state),
            ),
            details=details,
            data_digest=digest,
        )

    def decide(self, scores: ArrayLike | Mapping[str, ArrayLike]) -> NDArray[np.str_]:
        """ "pass", "flag" or "person" for every row.

        Scores as for `fit`; NaN is allowed at stages that a row does not reach, so that dear
        scorers need not be called for it.
        """
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="Cascade", hint="Call fit first")
        names = list(self.thresholds_)
        columns = _columns(scores, names)
        decided = np.full(columns[0].shape, "person")
        if not self.certificate_.certified:
            return decided
        waiting = np.ones(columns[0].shape, bool)
        for name, column in zip(names, columns, strict=True):
            low, high = self.thresholds_[name]
            if self.missing == "refuse" and np.isnan(column[waiting]).any():
                raise MissingValueError(
                    "missing scores",
                    where=f"stage {name!r}",
                    expected="a score where it is reached",
                )
            decided[waiting & (column < low)] = "pass"
            decided[waiting & (column >= high)] = "flag"
            waiting &= ~((column < low) | (column >= high))
        return decided

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="Cascade")
        return "cascade", {
            "params": {"random_state": self.random_state},
            "certificate": self.certificate_.to_dict(),
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Cascade:
        """The cascade that `to_artifact` described."""
        certificate = RiskCertificate.from_dict(body["certificate"])
        told = dict(certificate.settings)
        stages = [Stage(str(name), float(cost)) for name, cost in told.pop("stages")]
        budgets = [Budget.from_dict(b) for b in told.pop("budgets")]
        rule = cls(stages, budgets=budgets, **told)
        rule.thresholds_ = {
            name: (float(pair[0]), float(pair[1])) for name, pair in certificate.thresholds.items()
        }
        rule.certificate_ = certificate
        return rule


def _columns(scores: Any, names: Sequence[str]) -> list[Floats]:
    """Scores of every stage, of one length."""
    if isinstance(scores, Mapping):
        missing = [name for name in names if name not in scores]
        if missing:
            raise ParameterError(
                "stages without scores", where="scores", got=", ".join(map(repr, missing))
            )
        columns = [np.asarray(scores[name], dtype=np.float64) for name in names]
    else:
        given = np.asarray(scores, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != len(names):
            raise ParameterError("wrong shape", where="scores", expected=f"(n, {len(names)})")
        columns = list(given.T)
    if any(column.shape != columns[0].shape for column in columns):
        raise DataError("stages have different numbers of rows", where="scores")
    return columns


def _labels(
    budgets: Sequence[Budget], groups: Any, n: int
) -> dict[str, tuple[list[str], NDArray[np.intp]]]:
    found = {}
    for name in dict.fromkeys(budget.per for budget in budgets if budget.per is not None):
        values = groups.get(name) if isinstance(groups, Mapping) else groups
        if values is None:
            raise ParameterError(
                f"a budget holds per {name!r}, which was not given", where="groups"
            )
        labels, codes = factorised(values, name)
        found[name] = labels, codes.astype(np.intp)
        if codes.size != n:
            raise ParameterError("length differs from y", where=name, expected=str(n))
    return found


def _parts(
    budget: Budget,
    labels: Mapping[str, tuple[list[str], NDArray[np.intp]]],
    rows: NDArray[np.intp],
) -> list[tuple[str | None, Any]]:
    if budget.per is None:
        return [(None, slice(None))]
    names, codes = labels[budget.per]
    return [(name, np.flatnonzero(codes[rows] == k)) for k, name in enumerate(names)]


def _scale(budgets: Sequence[Budget], y: Bools) -> tuple[float, float]:
    """What one miss and one false alarm weigh, so that each budget counts alike."""
    miss = alarm = 0.0
    for budget in budgets:
        limit = max(budget.limit, 1e-6)
        if budget.name in ("miss rate", "error rate"):
            miss += 0.1 / (limit * (max(y.mean(), 1e-9) if budget.name == "miss rate" else 1.0))
        if budget.name in ("false alarm rate", "error rate"):
            rate = max(1 - y.mean(), 1e-9) if budget.name == "false alarm rate" else 1.0
            alarm += 0.1 / (limit * rate)
    return miss, alarm


def _final(table: Floats, y: Bools, thresholds: Floats) -> tuple[Bools, NDArray[np.intp]]:
    """The final decision (the person decides y), and the stage at which it fell."""
    acted, reached = y.copy(), np.zeros(y.size, np.intp)
    waiting = np.ones(y.size, bool)
    for k, (low, high) in enumerate(thresholds):
        score = table[:, k]
        acted[waiting & (score < low)] = False
        acted[waiting & (score >= high)] = True
        waiting &= ~((score < low) | (score >= high))
        reached[waiting] = k + 1
    return acted, reached


def _costs(reached: NDArray[np.intp], stages: Sequence[Stage], person: float) -> Floats:
    """Of every row: the stages that it reached, and the person."""
    steps = np.cumsum([*(stage.cost for stage in stages), person])
    return np.asarray(steps[reached])


def _cheapest(
    table: Floats, y: Bools, miss: float, alarm: float, stages: Sequence[Stage], person: float
) -> Floats:
    """Thresholds that minimise cost + price of errors, one stage at a time from the last on."""
    k = len(stages)
    thresholds = np.tile([-math.inf, math.inf], (k, 1))
    passing, flagging = miss * y, alarm * ~y
    for _ in range(_SWEEPS if k > 1 else 1):
        onwards: Floats = np.full(y.size, person)
        for stage in reversed(range(k)):
            _, reached = _final(table, y, thresholds[:stage])
            here = (reached == stage) & ~np.isnan(table[:, stage])
            thresholds[stage] = _cut(
                table[here, stage], passing[here], flagging[here], onwards[here]
            )
            low, high = thresholds[stage]
            score = table[:, stage]
            settled = np.where(score < low, passing, np.where(score >= high, flagging, onwards))
            onwards = settled + stages[stage].cost
    return thresholds


def _cut(score: Floats, passing: Floats, flagging: Floats, onwards: Floats) -> tuple[float, float]:
    """The low <= high of smallest sum: `passing` below, `flagging` from high on, else `onwards`."""
    if not score.size:
        return -math.inf, math.inf
    order = np.argsort(score, kind="stable")
    value = score[order]
    below = np.concatenate([[0.0], np.cumsum((passing - onwards)[order])])
    above = np.concatenate([np.cumsum((flagging - onwards)[order][::-1])[::-1], [0.0]])
    inside = np.concatenate([[True], value[1:] > value[:-1], [True]])
    below, above = np.where(inside, below, math.inf), np.where(inside, above, math.inf)
    least = np.minimum.accumulate(below)
    high = int(np.argmin(least + above))
    low = int(np.argmin(below[: high + 1]))
    edges = np.concatenate([value, [math.inf]])
    return (-math.inf if low == 0 else float(edges[low])), float(edges[high])


def _settles(low: float, high: float) -> str:
    """What a stage decides by itself, in words."""
    parts = [
        *([] if low == -math.inf else [f"pass below {low:.6g}"]),
        *([] if high == math.inf else [f"flag from {high:.6g} on"]),
    ]
    return ", ".join(parts) or "decides nothing"
