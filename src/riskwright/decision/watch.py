"""`Watch`: does a certified statement still hold in use? An alarm valid at any time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, ParameterError, UsageError, ValueRangeError
from riskwright.metrics._inputs import factorised
from riskwright.stats import Mean, RiskMonitor, VaR

from .budgets import Budget
from .certificates import RiskCertificate
from .losses import LOSSES
from .risks import checked_losses, losses_of_rows

__all__ = ["Watch"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Watch:
    """Feeds on the outcomes of a deployed rule; voids its certificate when they contradict it.

    Every budget (in every group that it names) has a test martingale against "the risk keeps the
    limit". As long as that is true, an alarm is ever raised, at whatever times one looks, with
    probability at most `delta`.

    Parameters
    ----------
    certificate : a RiskCertificate with the verdict "certified".
    delta : probability of any false alarm over all time, shared equally by the monitors.

    Attributes
    ----------
    alarm_ : True once the statement is contradicted; it stays.
    e_values_ : mapping from (budget, group) as text to the present e-value of its monitor; large
        values speak against the statement, 1 / (the monitor's delta) raises the alarm.
    seen_, pending_ : outcomes that came, and decisions that still wait for theirs.
    certificate_ : the certificate; with the verdict "void" and the reason after an alarm.

    Raises
    ------
    UsageError : for a certificate that promises nothing, or that of several regimes or several
        columns of losses at once.
    ParameterError : for measures other than the mean and VaR, and for statements in expectation.

    Notes
    -----
    O(1) memory, O(rows) time. Ville (1939); Waudby-Smith & Ramdas (2024), JRSS B 86:1;
    Podkopaev & Ramdas (2022), ICLR. VaR at level b keeps the limit l exactly if the share of
    losses above l is at most 1 - b, which is the mean that is watched.

    Examples
    --------
    >>> from riskwright.decision import Threshold
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(2000)
    >>> rule = Threshold("miss rate <= 10%").fit(p, rng.random(2000) < p)
    >>> watch = Watch(rule.certificate_)
    >>> p = rng.random(3000)
    >>> watch.update(p, rng.random(3000) < p)
    False
    >>> watch.update(p, rng.random(3000) < np.sqrt(p))
    True
    >>> watch.certificate_.verdict
    'void'
    """

    def __init__(self, certificate: RiskCertificate, *, delta: float = 0.05) -> None:
        if not certificate.certified:
            raise UsageError(
                "there is no promise to watch", where="Watch", got=f"verdict {certificate.verdict}"
            )
        if not 0 < delta < 1:
            raise ParameterError("not a probability", where="delta", expected="0 < delta < 1")
        self.delta = delta
        self.certificate_ = certificate
        self.budgets_ = tuple(Budget.from_dict(told) for told in certificate.budgets)
        if certificate.rule == "strictness" and len(self.budgets_) > 1:
            raise UsageError(
                "one regime is in use at a time",
                where="Watch",
                expected="the certificate of that regime, rule.certificates_[name]",
            )
        if certificate.rule == "risk_control" and len(self.budgets_) > 1:
            raise UsageError(
                "each budget is on losses of its own",
                where="Watch",
                expected="the certificate of a RiskControl with one budget; one Watch for each",
            )
        limits = {str(budget): _limit(budget) for budget in self.budgets_}
        pairs = dict.fromkeys((b.budget, b.group) for b in certificate.bounds)
        watched = [(text, group) for text, group in pairs if limits[text] < 1]
        self._monitors = {
            (text, group): RiskMonitor(limits[text], delta / len(watched))
            for text, group in watched
        }
        self.alarm_ = False
        self.seen_ = 0
        self.pending_ = 0

    @property
    def e_values_(self) -> dict[str, float]:
        return {_key(pair): float(m.e_value) for pair, m in self._monitors.items()}

    def update(
        self,
        score: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        acted: ArrayLike | None = None,
        losses: ArrayLike | None = None,
        groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
        observed: ArrayLike | float | None = None,
        least_observed: float | None = None,
        late: bool = False,
    ) -> bool:
        """Take in cases in the order in which their outcomes came; True once there is an alarm.

        Parameters
        ----------
        score, y : scores of decided cases and their outcomes 0 and 1; NaN for an outcome that is
            not known yet, which then counts as pending. For rules with one threshold.
        acted : instead of `score`: whether the rule acted.
        losses : instead of both: the losses themselves, for budgets on "loss".
        groups : of the cases, for budgets that hold per group.
        observed : probability with which each outcome came to be known, where not all do; these
            must be at least `least_observed`, above 0. Outcomes missing without such a
            probability must be missing at random.
        late : the outcomes belong to cases that were pending.

        Raises
        ------
        DataError, ParameterError : lengths, groups or outcomes that do not fit.
        """
        acts, outcome, given = self._cases(score, y, acted, losses)
        known = ~np.isnan(outcome)
        weight = _inclusion(observed, least_observed, known.size)
        codes = _codes(self.budgets_, groups, known.size)
        for budget in self.budgets_:
            values, members = _losses(budget, acts(budget), outcome, known, given)
            for label, rows in codes(budget):
                monitor = self._monitors.get((str(budget), label))
                if monitor is None:
                    continue
                here = known & members & rows
                stream = values[here]
                if weight is not None:
                    limit = _limit(budget)
                    stream = limit + weight[here] * (stream - limit)
                if stream.size:
                    monitor.update(stream)
        arrived = int(known.sum())
        self.seen_ += arrived
        self.pending_ += -arrived if late else int((~known).sum())
        self.pending_ = max(self.pending_, 0)
        self._sound()
        return self.alarm_

    def _cases(
        self, score: Any, y: Any, acted: Any, losses: Any
    ) -> tuple[Callable[[Budget], Bools], Floats, Floats | None]:
        """What the rule did, as each budget sees it; outcomes; losses where they are given."""
        if losses is not None:
            if score is not None or acted is not None or y is not None:
                raise ParameterError("losses stand alone", where="update(losses=)")
            given = np.asarray(losses, dtype=np.float64)
            if given.ndim != 1:
                raise DataError("one loss per case", where="losses", got=str(given.shape))
            everyone = np.ones(given.shape, bool)
            return lambda _: everyone, np.where(np.isnan(given), np.nan, 0.0), given
        if y is None or (score is None) == (acted is None):
            raise ParameterError(
                "outcomes, and either scores or actions, are needed", where="update(score, y)"
            )
        outcome = np.asarray(y, dtype=np.float64)
        acts, shape = self._acted(score) if acted is None else self._told(acted)
        if shape != outcome.shape or outcome.ndim != 1:
            raise DataError("length differs from y", where="score", expected=f"{outcome.size}")
        bad = ~(np.isnan(outcome) | (outcome == 0) | (outcome == 1))
        if bad.any():
            raise ValueRangeError(
                "outcomes other than 0, 1 and NaN",
                where="y",
                got=f"{int(bad.sum())}, the first in row {int(np.argmax(bad))}",
            )
        return acts, outcome, None

    def _told(self, acted: ArrayLike) -> tuple[Callable[[Budget], Bools], tuple[int, ...]]:
        if self.certificate_.rule == "three_way":
            raise ParameterError(
                "a row that is escalated is neither passed nor blocked",
                where="update(acted=)",
                expected="score=, from which both thresholds tell what was done",
            )
        given = np.asarray(acted)
        if not np.isin(given, (0, 1)).all():
            raise ValueRangeError("not actions", where="acted", expected="True or False (1 or 0)")
        actions = given.astype(bool)
        return lambda _: actions, actions.shape

    def _acted(self, score: ArrayLike) -> tuple[Callable[[Budget], Bools], tuple[int, ...]]:
        """Of three ways misses are what is passed, and false alarms what is blocked."""
        thresholds = self.certificate_.thresholds
        threshold = thresholds.get("threshold")
        if threshold is None and "low" not in thresholds:
            raise ParameterError(
                "this rule has no single threshold",
                where="update(score=)",
                expected="acted=, the decisions of the rule",
            )
        values = np.asarray(score, dtype=np.float64)
        if np.isnan(values).any():
            raise DataError("missing scores", where="score")
        if threshold is None:
            low, high = values >= float(thresholds["low"]), values >= float(thresholds["high"])
            return lambda budget: low if budget.name == "miss rate" else high, values.shape
        actions = values >= float(threshold)
        return lambda _: actions, values.shape

    def _sound(self) -> None:
        if self.alarm_:
            return
        for (text, group), monitor in self._monitors.items():
            if monitor.alarm:
                where = f" in group {group}" if group is not None else ""
                reason = (
                    f"after {self.seen_:,} outcomes in use, '{text}'{where} is contradicted "
                    f"(e-value {monitor.e_value:.3g})."
                )
                self.alarm_ = True
                self.certificate_ = self.certificate_.void(reason)
                return

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        return "watch", {
            "certificate": self.certificate_.to_dict(),
            "delta": self.delta,
            "alarm": self.alarm_,
            "seen": self.seen_,
            "pending": self.pending_,
            "monitors": [
                {"budget": text, "group": group, "state": monitor.to_dict()}
                for (text, group), monitor in self._monitors.items()
            ],
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Watch:
        """The watch that `to_artifact` described, where it stood."""
        certificate = RiskCertificate.from_dict(body["certificate"])
        watch = cls(structs.replace(certificate, verdict="certified"), delta=body["delta"])
        watch.certificate_ = certificate
        watch._monitors = {
            (m["budget"], m["group"]): RiskMonitor.from_dict(m["state"]) for m in body["monitors"]
        }
        watch.alarm_, watch.seen_ = body["alarm"], body["seen"]
        watch.pending_ = body["pending"]
        return watch


def _key(pair: tuple[str, str | None]) -> str:
    return pair[0] if pair[1] is None else f"{pair[0]} [{pair[1]}]"


def _limit(budget: Budget) -> float:
    """Of the mean that is watched, on the scale of losses in [0, 1]."""
    if budget.delta is None:
        raise ParameterError(
            "a statement in expectation cannot be contradicted by one run of outcomes",
            where="Watch",
            expected="a certificate of Threshold, Abstain, Cascade, ... with a delta",
        )
    if isinstance(budget.measure, VaR):
        return 1 - budget.measure.level
    if not isinstance(budget.measure, Mean):
        raise ParameterError(
            "only means and VaR can be watched",
            where=f"budget {str(budget)!r}",
            expected='measure "mean" or "VaR"',
        )
    return budget.limit / budget.bound


def _losses(
    budget: Budget, acted: Bools, outcome: Floats, known: Bools, given: Floats | None
) -> tuple[Floats, Bools]:
    """Losses in [0, 1] of all cases (anything where unknown), and which are members."""
    if given is not None:
        found = np.zeros(given.shape)
        found[known] = checked_losses(given[known], budget.bound, "losses") if known.any() else 0
        members: Bools | None = None
    elif budget.name in LOSSES or budget.loss == "cost":
        found, members = losses_of_rows(budget, acted, outcome == 1)
    else:
        raise ParameterError(
            "this budget is on losses", where="update", expected="losses=, those of the cases"
        )
    if isinstance(budget.measure, VaR):
        found = (found > budget.limit).astype(np.float64)
    else:
        found = found / budget.bound
    return found, np.ones(found.shape, bool) if members is None else members


def _inclusion(observed: Any, least: float | None, n: int) -> Floats | None:
    """What each known outcome counts: least / its own probability of being known, at most 1."""
    if observed is None:
        return None
    if least is None or not 0 < least <= 1:
        raise ParameterError(
            "the smallest probability of being observed is needed",
            where="least_observed",
            expected="above 0, at most 1",
            got=repr(least),
        )
    chance = np.broadcast_to(np.asarray(observed, dtype=np.float64), (n,))
    if not ((chance >= least) & (chance <= 1)).all():
        raise ValueRangeError(
            "probabilities out of range", where="observed", expected=f"{least:g} to 1"
        )
    return np.asarray(least / chance)


def _codes(budgets: Sequence[Budget], groups: Any, n: int) -> Any:
    """For a budget: labels and row masks of its groups."""
    found: dict[str, list[tuple[str | None, Bools]]] = {}
    for name in {budget.per for budget in budgets if budget.per is not None}:
        values = groups.get(name) if isinstance(groups, Mapping) else groups
        if values is None:
            raise ParameterError(
                f"the budget holds per {name!r}, which was not given", where="groups"
            )
        labels, codes = factorised(values, name)
        if codes.size != n:
            raise DataError("length differs from y", where=name, expected=str(n))
        found[name] = [(label, codes == k) for k, label in enumerate(labels)]
    everyone: list[tuple[str | None, Bools]] = [(None, np.ones(n, bool))]
    return lambda budget: everyone if budget.per is None else found[budget.per]
