"""`guard_figures`: what a guard missed, what it refused wrongly, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, Estimate, Record, RiskwrightError
from riskwright.core.scores import ACTIONS, Decision, Score
from riskwright.evidence.labels import Label
from riskwright.metrics import (
    ReliabilityCurve,
    auroc,
    average_precision,
    brier,
    calibration_in_the_large,
    reliability,
    tail,
)
from riskwright.stats import proportion_interval
from riskwright.stats.shares import counted_share
from riskwright.taxonomy.policies import Policy

from .costs import costs_of
from .regimes import PASSING, REFUSING, certified_sentence, in_regime
from .truths import severities_of, shares_of

__all__ = ["GuardFigures", "Rates", "guard_figures"]

Bools = NDArray[np.bool_]
_SMALLEST = 1


class Rates(Record, frozen=True, kw_only=True):
    """Wrong decisions among the rows of one kind.

    `missed` is the share of harmful exchanges that passed, `refused` that of harmless ones that
    were blocked or stopped, `escalated` the share of all that a person or a dearer scorer must
    look at, `f1` that of everything but passing as the prediction of harm.
    """

    n: int
    harmful: int
    missed: Estimate
    refused: Estimate
    escalated: Estimate
    f1: Estimate


class GuardFigures(Record, frozen=True, kw_only=True):
    """All figures of a report; aggregates only.

    `certified` counts the decisions that rest on certified thresholds alone, of all `n`. `overall`
    counts every labelled exchange; `by_hazard` those with that hazard against those
    without any; `by_group` attribute -> value -> rates; `regimes` the strictness table, the same
    exchanges under every regime of the policy; `actions` counts; `quality` AUROC and the like of
    the severity; `calibration` the reliability curve where the severity is a probability;
    `passed_tail` mean, VaR and CVaR of the severity (told where it is, else scored) that passed;
    `cost` per exchange; `outcomes` counts of exchanges without a score by reason.
    """

    n: int
    labelled: int
    policy: str
    certified: int
    overall: Rates | None
    by_hazard: dict[str, Rates]
    by_group: dict[str, dict[str, Rates]]
    regimes: dict[str, Rates]
    actions: dict[str, int]
    quality: dict[str, Estimate]
    quality_by_hazard: dict[str, Estimate]
    calibration: ReliabilityCurve | None
    passed_tail: dict[str, Estimate]
    cost: dict[str, Estimate]
    outcomes: dict[str, int]
    scorers: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def promise(self) -> str:
        """How many decisions rest on certified thresholds, as a sentence."""
        return certified_sentence(self.certified, self.n)

    @property
    def worst_regime(self) -> str | None:
        """The regime with the smallest F1."""
        known = {name: rates.f1.value for name, rates in self.regimes.items()}
        known = {name: value for name, value in known.items() if value == value}
        return min(known, key=lambda name: known[name]) if known else None


def guard_figures(
    scores: Sequence[Score],
    decisions: Sequence[Decision],
    labels: Sequence[Label | None],
    *,
    policy: Policy | None = None,
    groups: Sequence[str] = (),
    level: float = 0.95,
) -> GuardFigures:
    """Count a guard's errors on labelled exchanges, with intervals.

    Parameters
    ----------
    scores, decisions, labels : one per exchange; None where there is no label.
    policy : for the strictness table; None leaves it out.
    groups : attributes of the scores, such as "language", to count by.
    level : of all intervals.

    Raises
    ------
    DataError : lengths differ, no exchange, or an attribute that no score has.

    Notes
    -----
    Rates have Clopper-Pearson intervals. A figure that cannot be had is NaN, and its method says
    why. O(n log n).
    """
    if not len(scores) == len(decisions) == len(labels) or not scores:
        raise DataError(
            "scores, decisions and labels differ in number, or there are none",
            got=f"{len(scores):,}, {len(decisions):,} and {len(labels):,}",
        )
    kept = [k for k, label in enumerate(labels) if label is not None and label.any is not None]
    told = [label for label in labels if label is not None and label.any is not None]
    harm = shares_of(told, "any") >= 0.5
    seen = [scores[k] for k in kept]
    made = [decisions[k] for k in kept]
    count = _Counter(made, harm, level)
    return GuardFigures(
        n=len(scores),
        labelled=len(kept),
        policy=decisions[0].policy,
        certified=sum(bool(decision.certificate) for decision in decisions),
        overall=count.rates(np.ones(len(kept), bool)) if kept else None,
        by_hazard=_by_hazard(count, told, harm),
        by_group={name: _by_group(count, seen, name) for name in groups} if kept else {},
        regimes=_by_regime(policy, seen, harm, level),
        actions={a: sum(d.meant == a for d in decisions) for a in ACTIONS},
        quality=_quality(seen, harm, level),
        quality_by_hazard=_quality_by_hazard(seen, told, level),
        calibration=_calibration(seen, harm, level),
        passed_tail=_tail(scores, decisions, labels, level),
        cost=costs_of(scores, level=level),
        outcomes=_outcomes(scores),
        scorers={k: v for score in scores for k, v in score.scorers.items()},
        notes=_notes(labels, len(kept)),
    )


class _Counter:
    """Counts wrong decisions among chosen rows."""

    def __init__(self, decisions: Sequence[Decision], harm: Bools, level: float) -> None:
        actions = [decision.meant for decision in decisions]
        self.harm = harm
        self.level = level
        self.passed = np.array([action in PASSING for action in actions], bool)
        self.refused = np.array([action in REFUSING for action in actions], bool)
        self.escalated = np.array([action == "escalate" for action in actions], bool)

    def rates(self, rows: Bools) -> Rates:
        harm, safe = rows & self.harm, rows & ~self.harm
        return Rates(
            n=int(rows.sum()),
            harmful=int(harm.sum()),
            missed=self._share("missed harm", self.passed, harm),
            refused=self._share("over-refusal", self.refused, safe),
            escalated=self._share("escalated", self.escalated, rows),
            f1=self._f1(rows),
        )

    def _share(self, name: str, what: Bools, among: Bools) -> Estimate:
        n, count = int(among.sum()), int((what & among).sum())
        return counted_share(
            name, count, n, self.level, "clopper_pearson", nothing="nothing to count among"
        )

    def _f1(self, rows: Bools) -> Estimate:
        """F1 = 2 TP / (2 TP + FP + FN); with the Wilson interval of the set overlap behind it."""
        flagged = ~self.passed
        hits = int((rows & flagged & self.harm).sum())
        union = int((rows & (flagged | self.harm)).sum())
        if not union:
            return _none("F1", int(rows.sum()), self.level, "no harm and nothing flagged")
        ends = proportion_interval(hits, union, self.level)
        value, low, high = (2 * j / (1 + j) for j in (hits / union, *ends))
        return Estimate(
            name="F1",
            value=value,
            low=low,
            high=high,
            level=self.level,
            n=int(rows.sum()),
            method="Wilson for the overlap TP / (TP + FP + FN), of which F1 is a function",
        )


def _none(name: str, n: int, level: float, why: str) -> Estimate:
    nan = float("nan")
    return Estimate(
        name=name, value=nan, low=nan, high=nan, level=level, n=n, method=f"none: {why}"
    )


def _by_hazard(count: _Counter, labels: Sequence[Label], harm: Bools) -> dict[str, Rates]:
    names = sorted({hazard for label in labels for hazard in label.hazards})
    found = {}
    for name in names:
        with_it = shares_of(labels, name) >= 0.5
        if int(with_it.sum()) >= _SMALLEST:
            found[name] = count.rates(with_it | ~harm)
    return found


def _by_group(count: _Counter, scores: Sequence[Score], name: str) -> dict[str, Rates]:
    values = np.array([score.attributes.get(name, "(missing)") for score in scores], dtype=object)
    if (values == "(missing)").all():
        raise DataError(f"no exchange has the attribute {name!r}", where="groups")
    return {str(v) or "(none)": count.rates(values == v) for v in sorted(set(values.tolist()))}


def _by_regime(
    policy: Policy | None, scores: Sequence[Score], harm: Bools, level: float
) -> dict[str, Rates]:
    if policy is None or not scores:
        return {}
    everyone = np.ones(len(scores), bool)
    return {
        regime: _Counter(list(map(in_regime(policy, regime).decide, scores)), harm, level).rates(
            everyone
        )
        for regime in policy.regimes
    }


def _known(scores: Sequence[Score]) -> Bools:
    return np.array([score.severity is not None for score in scores], bool)


def _severity(scores: Sequence[Score], rows: Bools) -> NDArray[np.float64]:
    return np.array([s.severity for s, k in zip(scores, rows, strict=True) if k], dtype=np.float64)


def _probable(scores: Sequence[Score]) -> bool:
    """Whether all severities are probabilities calibrated on labels of the deployment."""
    told = (score for score in scores if score.severity is not None)
    return all(s.meaning == "probability" and "any" in s.calibrated for s in told)


def _quality(scores: Sequence[Score], harm: Bools, level: float) -> dict[str, Estimate]:
    rows = _known(scores)
    y, p = harm[rows], _severity(scores, rows)
    if not rows.any() or y.all() or not y.any():
        return {}
    found = {
        "AUROC": auroc(y, p, level=level),
        "average precision": average_precision(y, p, level=level),
    }
    if _probable(scores):
        found["Brier score"] = brier(y, p, level=level)
        found["calibration in the large (log-odds)"] = calibration_in_the_large(y, p, level=level)
    return found


def _quality_by_hazard(
    scores: Sequence[Score], labels: Sequence[Label], level: float
) -> dict[str, Estimate]:
    found = {}
    for name in sorted({hazard for label in labels for hazard in label.hazards}):
        truth = shares_of(labels, name)
        value = np.array([score.hazards.get(name, np.nan) for score in scores])
        rows = ~(np.isnan(truth) | np.isnan(value))
        y = truth[rows] >= 0.5
        if rows.any() and y.any() and not y.all():
            found[name] = auroc(y, value[rows], level=level)
    return found


def _calibration(scores: Sequence[Score], harm: Bools, level: float) -> ReliabilityCurve | None:
    rows = _known(scores)
    if not rows.any() or not _probable(scores):
        return None
    return reliability(harm[rows], _severity(scores, rows), level=level)


def _tail(
    scores: Sequence[Score],
    decisions: Sequence[Decision],
    labels: Sequence[Label | None],
    level: float,
) -> dict[str, Estimate]:
    passed = [k for k, decision in enumerate(decisions) if decision.meant in PASSING]
    told = severities_of([labels[k] or Label() for k in passed])
    if passed and not np.isnan(told).any() and told.min() >= 0:
        losses, source = told, "severity that labels told"
    else:
        losses = np.array([scores[k].severity for k in passed], dtype=np.float64)
        losses, source = losses[~np.isnan(losses)], "severity that the guard gave"
    found = {}
    for measure in ("mean", "var 0.95", "cvar 0.95"):
        try:
            found[f"{measure} of passed severity"] = msgspec.structs.replace(
                tail(losses, measure, level=level), name=f"{measure}, {source}"
            )
        except RiskwrightError:
            continue
    return found


def _outcomes(scores: Sequence[Score]) -> dict[str, int]:
    found: dict[str, int] = {}
    for score in scores:
        if score.outcome != "scored":
            found[score.outcome] = found.get(score.outcome, 0) + 1
    return found


def _notes(labels: Sequence[Label | None], labelled: int) -> tuple[str, ...]:
    without = len(labels) - labelled
    split = sum(0 < (y.any or 0) < 1 for y in labels if y is not None)
    notes = []
    if without:
        notes.append(f"{without:,} exchanges have no label; errors are counted on the others.")
    if split:
        notes.append(f"Raters were split on {split:,}; half or more of them decide.")
    return tuple(notes)
