"""`Strictness` and `ThreeWay`: several certified thresholds on one score that fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from msgspec import structs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from riskwright.core import MissingValueError, ParameterError, UsageError
from riskwright.metrics import ScoreSketch
from riskwright.stats import cdf_band

from .budgets import Budget, checked_budget, confidence
from .certificates import BudgetBound, RiskCertificate
from .losses import LOSSES
from .risks import bound_of_counts
from .rows import Part, read_rows
from .score_rules import Threshold
from .statements import ASSUMPTIONS, percent, promise

__all__ = ["Strictness", "ThreeWay"]

Floats = NDArray[np.float64]
Groups = ArrayLike | Mapping[str, ArrayLike] | None


class Strictness(BaseEstimator):  # type: ignore[misc]
    """Nested thresholds for named regimes on one score: a stricter regime never allows more.

    Parameters
    ----------
    regimes : mapping from the name of a regime to its budget, from the strictest to the loosest
        Such as {"strict": "miss rate <= 1%", "loose": "miss rate <= 10%"}, all with one delta.
    joint : "bonferroni" or "band"
        How the regimes hold together with probability 1 - delta: each at delta / their number; or
        by a Berk-Jones band over the scores of the events (miss rates) or non-events (false
        alarms), which covers every threshold at once, so that `threshold_for` gives a certified
        threshold for a limit chosen at any later time.

    Attributes
    ----------
    thresholds_ : mapping from regime to threshold, never falling from strict to loose; NaN for a
        regime whose budget cannot be met, in which the rule abstains.
    certificates_ : mapping from regime to its own certificate.
    certificate_ : one for all of them; certified when every regime is.

    Notes
    -----
    As `Threshold`, per regime; a band costs O(n log n). Berk & Jones (1979).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(4000)
    >>> family = Strictness({"strict": "miss rate <= 3%", "loose": "miss rate <= 15%"})
    >>> t = family.fit(p, rng.random(4000) < p).thresholds_
    >>> t["strict"] < t["loose"]
    True
    """

    def __init__(
        self,
        regimes: Mapping[str, Budget | str],
        *,
        joint: Literal["bonferroni", "band"] = "bonferroni",
    ) -> None:
        self.regimes = regimes
        self.joint = joint

    def fit(
        self,
        score: ArrayLike | ScoreSketch | Mapping[str, ScoreSketch],
        y: ArrayLike | None = None,
        *,
        groups: Groups = None,
    ) -> Strictness:
        """Certify every regime. Arguments and errors as for `Threshold.fit`."""
        regimes = self._checked()
        rows = read_rows(score, y, groups)
        if self.joint == "band":
            self._fit_band(regimes, rows.part)
        else:
            self._fit_each(regimes, score, y, groups)
        self.certificates_ = {
            name: self._one(name, budget, rows) for name, budget in regimes.items()
        }
        self.certificate_ = self._all(list(regimes.values()), rows.n, rows.digest)
        return self

    def _checked(self) -> dict[str, Budget]:
        if not isinstance(self.regimes, Mapping) or not self.regimes:
            raise ParameterError("no regimes", where="regimes", expected="name -> budget")
        if self.joint not in ("bonferroni", "band"):
            raise ParameterError(
                "unknown value", where="joint", expected="bonferroni or band", got=repr(self.joint)
            )
        found = {str(name): checked_budget(b) for name, b in self.regimes.items()}
        kinds = {(b.name, b.delta, b.is_mean, b.weight, b.per) for b in found.values()}
        first = next(iter(found.values()))
        if len(kinds) > 1 or not first.is_mean or first.weight or first.name not in LOSSES:
            raise ParameterError(
                "regimes of different kinds",
                where="regimes",
                expected="the mean of one named loss, one delta and one grouping for all regimes",
            )
        shape = LOSSES[first.name].shape
        limits = [budget.limit for budget in found.values()]
        wanted = sorted(limits, reverse=shape == "falls")
        if shape == "either" or limits != wanted:
            raise ParameterError(
                "regimes are not ordered from the strictest to the loosest",
                where="regimes",
                expected="miss rates with rising limits, or false alarm rates with falling limits",
                got=", ".join(f"{name}: {b.limit:g}" for name, b in found.items()),
            )
        if self.joint == "band" and (first.per or first.name not in _AMONG):
            raise ParameterError(
                "a band covers the miss rate or the false alarm rate over all rows",
                where="joint",
                expected='"bonferroni" for other losses and for groups',
            )
        return found

    def _fit_each(self, regimes: Mapping[str, Budget], score: Any, y: Any, groups: Groups) -> None:
        self._shares = {
            name: replace(b, delta=_share(b, len(regimes))) for name, b in regimes.items()
        }
        found = {
            name: Threshold(budget).fit(score, y, groups=groups).threshold_
            for name, budget in self._shares.items()
        }
        self.thresholds_ = _nested(found, LOSSES[next(iter(regimes.values())).name].shape)

    def _fit_band(self, regimes: Mapping[str, Budget], part: Part) -> None:
        self._shares = dict(regimes)
        first = next(iter(regimes.values()))
        self._band = _band(first, part)
        found = {name: _from_band(self._band, budget) for name, budget in regimes.items()}
        self.thresholds_ = _nested(found, LOSSES[first.name].shape)

    def threshold_for(self, limit: float) -> float:
        """The certified threshold for any limit, also one chosen after `fit`; NaN if there is none.

        Needs joint="band"; all such statements hold together with probability 1 - delta.
        """
        if not hasattr(self, "_band"):
            raise UsageError(
                "limits chosen afterwards need a band", where='joint="band"', hint="Refit with it"
            )
        return _from_band(self._band, replace(next(iter(self._shares.values())), limit=limit))

    def _one(self, name: str, budget: Budget, rows: Any) -> RiskCertificate:
        threshold = self.thresholds_[name]
        met = not math.isnan(threshold)
        shape = LOSSES[budget.name].shape
        at = threshold if met else -math.inf if shape == "rises" else math.inf
        bounds = tuple(self._bound(name, budget, part, at, met) for part in rows.parts(budget.per))
        return RiskCertificate(
            rule="strictness",
            settings={"regime": name, "joint": self.joint},
            verdict="certified" if met else "not attainable",
            statement=promise(
                [budget],
                bounds,
                rule=f"In the regime {name!r} the rule flags where the score is at least "
                f"{threshold:.6g}."
                if met
                else None,
                n=rows.n,
            ),
            budgets=(budget.to_dict(),),
            thresholds={"threshold": threshold} if met else {},
            bounds=bounds,
            n=rows.n,
            labels_used=rows.n,
            delta=budget.delta,
            method=self._method(),
            assumptions=(ASSUMPTIONS["independent"], ASSUMPTIONS["fixed score"]),
            details={},
            data_digest=rows.digest,
        )

    def _bound(self, name: str, budget: Budget, part: Part, at: float, met: bool) -> BudgetBound:
        loss = LOSSES[budget.name]
        counts = part.at_one(at)
        errors, members = int(loss.errors(counts)), int(loss.members(counts))
        bound = bound_of_counts(self._shares[name], part.label, errors, members)
        if self.joint == "band":
            upper = _upper_from_band(self._band, at, loss.shape)
            bound = structs.replace(bound, upper=upper, method="Berk-Jones band")
        return structs.replace(
            bound, budget=str(budget), met=bound.met if self.joint != "band" else met
        )

    def _all(self, budgets: Sequence[Budget], n: int, digest: str) -> RiskCertificate:
        good = all(one.certified for one in self.certificates_.values())
        bounds = tuple(bound for one in self.certificates_.values() for bound in one.bounds)
        delta = budgets[0].delta or 0.0
        rule = "; ".join(f"{name}: {t:.6g}" for name, t in self.thresholds_.items())
        if good:
            statement = (
                f"With at least {confidence(delta)} confidence over the draw of these {n:,} "
                f"labelled rows, {budgets[0].words} is at most "
                + ", ".join(
                    f"{percent(b.limit)} in {name!r}"
                    for name, b in zip(self.thresholds_, budgets, strict=True)
                )
                + f", in all regimes at once. Thresholds: {rule}. A stricter regime never allows "
                "more."
            )
        else:
            statement = promise(budgets, bounds, rule=None, n=n)
        return RiskCertificate(
            rule="strictness",
            settings={
                "regimes": {
                    name: b.to_dict() for name, b in zip(self.thresholds_, budgets, strict=True)
                },
                "joint": self.joint,
            },
            verdict="certified" if good else "not attainable",
            statement=statement,
            budgets=tuple(budget.to_dict() for budget in budgets),
            thresholds={name: t for name, t in self.thresholds_.items() if not math.isnan(t)},
            bounds=bounds,
            n=n,
            labels_used=n,
            delta=delta,
            method=self._method(),
            assumptions=(ASSUMPTIONS["independent"], ASSUMPTIONS["fixed score"]),
            details={},
            data_digest=digest,
        )

    def _method(self) -> str:
        if self.joint == "band":
            return "Berk-Jones band over all thresholds"
        return f"fixed sequence over all thresholds, delta shared by {len(self.regimes)} regimes"

    def decide(self, score: ArrayLike, regime: str) -> NDArray[np.str_]:
        """ "flag" or "pass" under a regime, "abstain" where its budget cannot be met."""
        if not hasattr(self, "thresholds_"):
            raise UsageError("the rule is not fitted", where="Strictness", hint="Call fit first")
        if regime not in self.thresholds_:
            raise ParameterError(
                "unknown regime",
                where="regime",
                expected=", ".join(self.thresholds_),
                got=repr(regime),
            )
        void = "void" in (self.certificate_.verdict, self.certificates_[regime].verdict)
        return _decided(score, math.nan if void else self.thresholds_[regime])

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`; a band is not kept."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="Strictness")
        return "strictness", {
            "thresholds": self.thresholds_,
            "certificate": self.certificate_.to_dict(),
            "certificates": {name: one.to_dict() for name, one in self.certificates_.items()},
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Strictness:
        """The rule that `to_artifact` described."""
        certificate = RiskCertificate.from_dict(body["certificate"])
        told = certificate.settings
        rule = cls(
            {name: Budget.from_dict(b) for name, b in told["regimes"].items()}, joint=told["joint"]
        )
        rule.thresholds_ = {name: float(t) for name, t in body["thresholds"].items()}
        rule.certificate_ = certificate
        rule.certificates_ = {
            name: RiskCertificate.from_dict(one) for name, one in body["certificates"].items()
        }
        return rule


_AMONG: Any = {"miss rate": "events", "false alarm rate": "others"}
_Band = tuple[Floats, Floats, str]  # thresholds, upper bounds of the loss at each, shape


def _share(budget: Budget, among: int) -> float:
    assert budget.delta is not None
    return budget.delta / among


def _nested(found: Mapping[str, float], shape: str) -> dict[str, float]:
    """Thresholds that never fall from strict to loose; moved only to the safe side."""
    names, nested = list(found), dict(found)
    walk = names[::-1] if shape == "rises" else names
    reached = math.inf if shape == "rises" else -math.inf
    for name in walk:
        if math.isnan(found[name]):
            continue
        reached = min(reached, found[name]) if shape == "rises" else max(reached, found[name])
        nested[name] = reached
    return nested


def _band(budget: Budget, part: Part) -> _Band:
    """Thresholds at members' scores and simultaneous upper bounds of the loss there."""
    among = _AMONG[budget.name]
    n = part.size(among)
    if part.counts is not None:
        held = part.counts[0 if among == "events" else 1]
        score = np.repeat(part.score, held)
    else:
        score = np.sort(part.score[part.y == (among == "events")])
    shape = LOSSES[budget.name].shape
    if not n:
        return np.zeros(0), np.zeros(0), shape
    assert budget.delta is not None
    band = cdf_band(n, budget.delta)
    ranks = np.asarray(band.ranks)
    upper = 1 - np.asarray(band.level_at_rank)
    if shape == "rises":
        return score[n - ranks], upper, shape  # P(S >= n + 1 - r smallest) >= level
    return np.array([part.above(s) for s in score[ranks - 1]]), upper, shape


def _from_band(band: _Band, budget: Budget) -> float:
    thresholds, upper, shape = band
    good = thresholds[upper <= budget.limit]
    if not good.size:
        return math.nan
    return float(good.max() if shape == "rises" else good.min())


def _upper_from_band(band: _Band, threshold: float, shape: str) -> float:
    thresholds, upper, _ = band
    known = upper[thresholds >= threshold] if shape == "rises" else upper[thresholds <= threshold]
    return float(known.min()) if known.size else 1.0


def _decided(score: ArrayLike, threshold: float) -> NDArray[np.str_]:
    values = np.asarray(score, dtype=np.float64)
    if np.isnan(values).any():
        raise MissingValueError("missing scores", where="score")
    if math.isnan(threshold):
        return np.full(values.shape, "abstain")
    return np.where(values >= threshold, "flag", "pass")


def _plain_budget(given: Budget | str, loss: str) -> Budget:
    budget = checked_budget(given, frozenset({loss}))
    if budget.name != loss or not budget.is_mean or budget.weight is not None:
        raise ParameterError(
            "not a budget for three ways",
            where=f"budget {str(budget)!r}",
            expected=f"the mean of the {loss}, without weights",
        )
    return budget


class ThreeWay(BaseEstimator):  # type: ignore[misc]
    """Pass, escalate or block: two thresholds, certified together.

    Parameters
    ----------
    miss : budget on the "miss rate": the share of events that are passed.
    false_alarm : budget on the "false alarm rate": the share of non-events that are blocked.

    Attributes
    ----------
    low_, high_ : pass below `low_`, block from `high_` on, escalate between; equal where nothing
        needs to be escalated; NaN where a budget cannot be met (then all is escalated).
    certificate_ : RiskCertificate; both budgets hold with probability 1 - the sum of their deltas.

    Notes
    -----
    O(n). Yao (2010), Information Sciences 180:341, for three-way decisions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(3000)
    >>> rule = ThreeWay("miss rate <= 5%", "false alarm rate <= 5%").fit(p, rng.random(3000) < p)
    >>> rule.decide([0.01, 0.5, 0.99]).tolist()
    ['pass', 'escalate', 'block']
    """

    def __init__(self, miss: Budget | str, false_alarm: Budget | str) -> None:
        self.miss = miss
        self.false_alarm = false_alarm

    def fit(
        self,
        score: ArrayLike | ScoreSketch | Mapping[str, ScoreSketch],
        y: ArrayLike | None = None,
        *,
        groups: Groups = None,
    ) -> ThreeWay:
        """Certify both thresholds. Arguments and errors as for `Threshold.fit`."""
        miss = _plain_budget(self.miss, "miss rate")
        alarm = _plain_budget(self.false_alarm, "false alarm rate")
        lower = Threshold(miss).fit(score, y, groups=groups)
        upper = Threshold(alarm).fit(score, y, groups=groups)
        rows = read_rows(score, y, groups)
        low, high = lower.threshold_, upper.threshold_
        if low >= high:
            low = high
        self.low_, self.high_ = low, high
        found = not (math.isnan(low) or math.isnan(high))
        bounds = tuple(
            bound_of_counts(
                budget,
                part.label,
                int(LOSSES[budget.name].errors(part.at_one(at))),
                int(LOSSES[budget.name].members(part.at_one(at))),
            )
            for budget, at in ((miss, low if found else -math.inf), (alarm, high))
            for part in rows.parts(budget.per)
        )
        self.certificate_ = RiskCertificate(
            rule="three_way",
            settings={"budgets": [miss.to_dict(), alarm.to_dict()]},
            verdict="certified" if found else "not attainable",
            statement=promise(
                [miss, alarm],
                bounds,
                rule=f"The rule passes scores below {low:.6g}, blocks from {high:.6g} on, and "
                "escalates what lies between."
                if found
                else None,
                n=rows.n,
            ),
            budgets=(miss.to_dict(), alarm.to_dict()),
            thresholds={"low": low, "high": high} if found else {},
            bounds=bounds,
            n=rows.n,
            labels_used=rows.n,
            delta=min(1.0, (miss.delta or 0.0) + (alarm.delta or 0.0)),
            method="fixed sequence over all thresholds, from the safest one",
            assumptions=(ASSUMPTIONS["independent"], ASSUMPTIONS["fixed score"]),
            details={},
            data_digest=rows.digest,
        )
        return self

    def decide(self, score: ArrayLike) -> NDArray[np.str_]:
        """ "pass", "escalate" or "block" for every score."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="ThreeWay", hint="Call fit first")
        values = np.asarray(score, dtype=np.float64)
        if np.isnan(values).any():
            raise MissingValueError("missing scores", where="score")
        if not self.certificate_.certified:
            return np.full(values.shape, "escalate")
        middle = np.where(values < self.low_, "pass", "escalate")
        return np.where(values >= self.high_, "block", middle)

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where="ThreeWay")
        return "three_way", {"certificate": self.certificate_.to_dict()}

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> ThreeWay:
        """The rule that `to_artifact` described."""
        certificate = RiskCertificate.from_dict(body["certificate"])
        rule = cls(*(Budget.from_dict(b) for b in certificate.settings["budgets"]))
        rule.low_ = float(certificate.thresholds.get("low", math.nan))
        rule.high_ = float(certificate.thresholds.get("high", math.nan))
        rule.certificate_ = certificate
        return rule
