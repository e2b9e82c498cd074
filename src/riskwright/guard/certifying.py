"""`certify_policy`: thresholds of a policy, certified on local labels by the decision engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import (
    DataError,
    Estimate,
    ParameterError,
    Record,
    content_hash,
)
from riskwright.core.scores import ACTIONS, Band, Score
from riskwright.decision import Budget, RiskCertificate, ThreeWay, Threshold
from riskwright.evidence.labels import Label
from riskwright.stats.shares import counted_share
from riskwright.taxonomy.policies import Policy
from riskwright.taxonomy.policy_plans import value_of
from riskwright.taxonomy.policy_records import Certified

from .costs import costs_of
from .regimes import PASSING, REFUSING, acted_on, in_regime
from .truths import groups_of, shares_of

__all__ = ["NEVER", "Certification", "CertifiedBand", "certify_policy"]

Floats = NDArray[np.float64]
_LOSSES = ("miss rate", "false alarm rate")
NEVER = 2.0
"""A threshold that no value reaches."""


class CertifiedBand(Record, frozen=True, kw_only=True):
    """The thresholds of one hazard in one regime, and what they promise.

    Where a threshold could not be certified, nothing is passed (`band.low` is 0) or nothing gets
    the severe action (`band.high` is `NEVER`). `digest` names the certificates together.
    """

    hazard: str
    regime: str
    band: Band
    certificates: tuple[RiskCertificate, ...]
    digest: str

    @property
    def certified(self) -> bool:
        """Whether both budgets are kept."""
        return all(certificate.certified for certificate in self.certificates)


class Certification(Record, frozen=True, kw_only=True):
    """A policy with certified thresholds, its certificates, and what it will do and cost.

    `expected` maps a regime to the share of every action, the harmful exchanges that pass and the
    harmless ones that are blocked by whichever hazard, cost and latency, on the certifying rows.
    `left_out` says why a hazard of the policy has no threshold. `n` rows certified.
    """

    policy: Policy
    bands: tuple[CertifiedBand, ...]
    expected: dict[str, dict[str, Estimate]]
    left_out: dict[str, str]
    n: int
    notes: tuple[str, ...] = ()

    @property
    def certified(self) -> bool:
        """Whether every budget of every hazard and regime is kept."""
        return not self.left_out and all(band.certified for band in self.bands)

    @property
    def labels_needed(self) -> int | None:
        """Most members that an unmet budget needs; None where all are met or none would do."""
        needed = [
            certificate.labels_needed
            for band in self.bands
            for certificate in band.certificates
            if not certificate.certified
        ]
        known = [n for n in needed if n is not None]
        return max(known, default=None)


def certify_policy(
    policy: Policy, scores: Sequence[Score], labels: Sequence[Label], *, guard: str = ""
) -> Certification:
    """Choose and certify the thresholds of a policy on scores with labels.

    For every hazard that the policy acts on and every regime with budgets, `ThreeWay` certifies
    the missed harm (what passes) and the over-refusal (what gets the severe action) together. The
    budgets' error probabilities are shared by all hazards and regimes, so that all statements
    hold at once with probability 1 - the sum of the deltas of one regime's budgets. Thresholds of
    stricter regimes are nested within those of looser ones by moves to the safe side only.

    Parameters
    ----------
    policy : with `budgets` per regime, such as "miss rate <= 5%" and "false alarm rate <= 10%";
        "per NAME" asks for every group of the attribute NAME of the scores.
    scores : of the guard that is to be used, of rows that it was not fitted on.
    labels : one per score.
    guard : its version, for the policy's certificates.

    Raises
    ------
    ParameterError : no budgets, budgets of other kinds, an attribute of a grouping is missing.
    DataError : lengths differ, no labels.

    Notes
    -----
    A score without a number (unparsable, refused, failed) is left to the policy's fallback; it is
    not among the rows that certify, and `notes` counts such rows. O(n log n) per hazard and regime.
    """
    if len(scores) != len(labels):
        raise DataError(
            "labels and scores differ in number",
            where="labels",
            expected=f"{len(scores):,}",
            got=f"{len(labels):,}",
        )
    budgets = _budgets(policy)
    hazards = acted_on(policy)
    bands: list[CertifiedBand] = []
    left_out: dict[str, str] = {}
    among = len(hazards) * len(budgets)
    for hazard in hazards:
        try:
            bands += _of_hazard(policy, hazard, budgets, among, scores, labels)
        except DataError as error:
            left_out[hazard] = str(error)
    if not bands:
        raise DataError(
            "no hazard of the policy could be certified",
            where="labels",
            got="; ".join(f"{hazard}: {why}" for hazard, why in left_out.items()),
        )
    certified = _with_thresholds(policy, bands, guard)
    return Certification(
        policy=certified,
        bands=tuple(bands),
        expected={regime: _expected(certified, regime, scores, labels) for regime in budgets},
        left_out=left_out,
        n=len(scores),
        notes=_notes(policy, hazards, scores),
    )


def _budgets(policy: Policy) -> dict[str, tuple[Budget, Budget]]:
    """Regime -> budgets of missed harm and of over-refusal."""
    found = {}
    for regime in policy.regimes:
        texts = policy.budgets.get(regime)
        if texts is None:
            continue
        named = {budget.name: budget for budget in map(Budget.parse, texts)}
        if len(named) != len(texts) or set(named) != set(_LOSSES):
            raise ParameterError(
                "not the budgets that thresholds are certified by",
                where=f"policy {policy.id}, budgets of {regime!r}",
                expected='one "miss rate <= ..." and one "false alarm rate <= ..."',
                got="; ".join(texts) or "none",
            )
        found[regime] = (named["miss rate"], named["false alarm rate"])
    if not found:
        raise ParameterError(
            "no budgets",
            where=f"policy {policy.id}",
            expected="budgets: {regime: [miss rate <= 5%, false alarm rate <= 10%]}",
        )
    return found


def _notes(policy: Policy, hazards: Sequence[str], scores: Sequence[Score]) -> tuple[str, ...]:
    """What the certificates do not speak of."""
    together = (
        f"The budgets hold for each of {len(hazards)} hazards; what any of them blocks or passes "
        "may add up to more. `expected` says how much it was on these rows.",
    )
    return _silence(policy, scores) + (together if len(hazards) > 1 else ())


def _silence(policy: Policy, scores: Sequence[Score]) -> tuple[str, ...]:
    silent = [score.outcome for score in scores if score.outcome != "scored"]
    if not silent:
        return ()
    fallback = policy.fallback
    open_ones = sorted({o for o in silent if getattr(fallback, o.replace(" ", "_")) == "allow"})
    told = f"{len(silent):,} of {len(scores):,} exchanges have no score; the fallback acts on such"
    if not open_ones:
        return (f"{told} ones.",)
    passing = sum(outcome in open_ones for outcome in silent)
    return (
        f"{told} ones, and lets {passing:,} of them pass ({', '.join(open_ones)}): no budget of "
        "missed harm counts these.",
    )


def _of_hazard(
    policy: Policy,
    hazard: str,
    budgets: Mapping[str, tuple[Budget, Budget]],
    among: int,
    scores: Sequence[Score],
    labels: Sequence[Label],
) -> list[CertifiedBand]:
    told = (value_of(score, hazard) for score in scores)
    value = np.array([math.nan if v is None else v for v in told], dtype=np.float64)
    if np.any((value < 0) | (value > 1 + 1e-6)):
        raise DataError(
            f"values of {hazard} that are not between 0 and 1", where=f"hazard {hazard!r}"
        )
    found = []
    for regime, pair in budgets.items():
        truth = shares_of(labels, hazard, harmful_from=policy.harmful_from.get(regime))
        rows = np.flatnonzero(~(np.isnan(value) | np.isnan(truth)))
        y = truth[rows] >= 0.5
        if not rows.size or y.all() or not y.any():
            raise DataError(
                f"labels with and without {hazard} are needed",
                where=f"hazard {hazard!r}",
                got=f"{int(y.sum()):,} with and {int((~y).sum()):,} without",
                hint="Say in harmful_from from which severity on there is harm"
                if rows.size and y.all()
                else None,
            )
        per = {budget.per for budget in pair if budget.per is not None}
        groups = groups_of(per, [scores[int(k)] for k in rows])
        shared = tuple(replace(b, delta=(b.delta or 0.05) / among) for b in pair)
        found.append(_band(hazard, regime, shared, value[rows], y, groups))
    return _nested(found)


def _band(
    hazard: str,
    regime: str,
    budgets: Sequence[Budget],
    value: Floats,
    y: NDArray[np.bool_],
    groups: Mapping[str, list[str]],
) -> CertifiedBand:
    miss, alarm = budgets
    both = ThreeWay(miss, alarm).fit(value, y, groups=groups or None)
    if both.certificate_.certified:
        band = Band(low=max(both.low_, 0.0), high=min(both.high_, NEVER))
        certificates: tuple[RiskCertificate, ...] = (both.certificate_,)
    else:
        rules = [Threshold(budget).fit(value, y, groups=groups or None) for budget in budgets]
        certificates = tuple(rule.certificate_ for rule in rules)
        low, high = (
            rule.threshold_ if rule.certificate_.certified else none
            for rule, none in zip(rules, (0.0, NEVER), strict=True)
        )
        band = Band(low=max(low, 0.0), high=min(high, NEVER))
    return CertifiedBand(
        hazard=hazard,
        regime=regime,
        band=band,
        certificates=certificates,
        digest="sha256:" + content_hash([one.to_dict() for one in certificates]),
    )


def _nested(bands: list[CertifiedBand]) -> list[CertifiedBand]:
    """Thresholds that never fall from the strictest regime to the loosest."""
    lows = [band.band.low for band in bands]
    highs = [band.band.high for band in bands]
    for k in range(len(bands) - 2, -1, -1):
        lows[k] = min(lows[k], lows[k + 1])
    for k in range(1, len(bands)):
        highs[k] = max(highs[k - 1], highs[k])
    return [
        msgspec.structs.replace(band, band=Band(low=min(low, high), high=high))
        for band, low, high in zip(bands, lows, highs, strict=True)
    ]


def _with_thresholds(policy: Policy, bands: Sequence[CertifiedBand], guard: str) -> Policy:
    thresholds: dict[str, dict[str, Band]] = {}
    certificates: dict[str, dict[str, Certified]] = {}
    for one in bands:
        thresholds.setdefault(one.hazard, {})[one.regime] = one.band
        if not any(certificate.certified for certificate in one.certificates):
            continue
        certificates.setdefault(one.hazard, {})[one.regime] = Certified(
            digest=one.digest,
            statement=" ".join(certificate.statement for certificate in one.certificates),
            guard=guard,
        )
    return policy.with_thresholds(thresholds, certificates=certificates)


def _expected(
    policy: Policy, regime: str, scores: Sequence[Score], labels: Sequence[Label]
) -> dict[str, Estimate]:
    """Shares of the actions and of wrong ones, cost and latency."""
    under = in_regime(policy, regime)
    decisions = [under.decide(score) for score in scores]
    actions = [decision.meant for decision in decisions]
    found = {
        f"share {action}": counted_share(f"share {action}", actions.count(action), len(actions))
        for action in ACTIONS
    }
    truth = shares_of(labels, "any", harmful_from=policy.harmful_from.get(regime))
    for name, wrong, rows in (
        ("harmful passed", PASSING, truth >= 0.5),
        ("harmless refused", REFUSING, truth < 0.5),
    ):
        if rows.any():
            among = [a in wrong for a, kept in zip(actions, rows, strict=True) if kept]
            found[name] = counted_share(name, sum(among), len(among))
    return found | costs_of(scores)
