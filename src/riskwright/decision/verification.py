"""Verify a risk certificate from data alone: the digest, every bound anew, the procedure anew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import binom

from riskwright.core import Finding, UsageError, artifact_kinds

from .budgets import Budget
from .certificates import BudgetBound, RiskCertificate
from .losses import LOSSES

__all__ = ["verify"]

_TOLERANCE = 1e-9
_KINDS = (
    "threshold",
    "abstain",
    "conformal",
    "risk_control",
    "strictness",
    "three_way",
    "cascade",
    "boundary",
)


def verify(
    certificate: RiskCertificate, data: tuple[Any, ...], named: Mapping[str, Any]
) -> tuple[Finding, ...]:
    """Findings `risk.data`, `risk.bounds` and `risk.procedure`; see `RiskCertificate.check`."""
    again = _fitted_again(certificate, data, named)
    same = again.data_digest == certificate.data_digest
    return (
        _finding(
            "risk.data",
            same,
            "The data are those that certified the rule."
            if same
            else "The data are not those that certified the rule.",
            "SHA-256 of scores, outcomes, groups and weights",
            {"certificate": certificate.data_digest, "data": again.data_digest},
        ),
        _bounds(certificate, data),
        _procedure(certificate, again),
    )


def _fitted_again(
    certificate: RiskCertificate, data: tuple[Any, ...], named: Mapping[str, Any]
) -> RiskCertificate:
    if any(told.get("callable") for told in certificate.budgets):
        raise UsageError(
            "a budget on a function cannot be verified from the certificate alone",
            where="check",
            hint="Fit the rule again with that function and compare the certificates",
        )
    if certificate.rule not in _KINDS:
        raise UsageError(
            "not the certificate of a rule",
            where="certificate.rule",
            expected="one of " + ", ".join(_KINDS),
            got=repr(certificate.rule),
        )
    rule = artifact_kinds.load(certificate.rule).from_artifact(_body(certificate))
    if certificate.rule == "conformal" and certificate.budgets[0]["loss"] == "loss":
        found = rule.fit_losses(*data, **named)
    elif "horizon" in certificate.settings:
        found = rule.fit_censored(*data, **named)
    else:
        found = rule.fit(*data, **named)
    regime = certificate.settings.get("regime")
    answer: RiskCertificate = found.certificate_ if regime is None else found.certificates_[regime]
    return answer


def _body(certificate: RiskCertificate) -> dict[str, Any]:
    told = certificate.to_dict()
    return {
        "certificate": told,
        "left_out": {},
        "certified": [],
        "thresholds": {},
        "certificates": {},
    }


def _bounds(certificate: RiskCertificate, data: tuple[Any, ...]) -> Finding:
    """Clopper and Pearson's bounds by binomial sums, and the counts by plain comparison."""
    wrong = [f"'{bound.budget}'" for bound in certificate.bounds if not _holds(bound)]
    counted = [b for b in certificate.bounds if b.method == "Clopper-Pearson"]
    if certificate.rule in ("threshold", "abstain") and certificate.certified:
        wrong += _miscounted(certificate, data)
    passed = None if not counted and not wrong else not wrong
    sentence = {
        True: "Every bound is right for its counts and keeps what the certificate says.",
        False: f"Bounds that are not what the counts give: {', '.join(wrong)}.",
        None: "These bounds are not made of counts; the procedure alone was run again.",
    }[passed]
    return _finding("risk.bounds", passed, sentence, "binomial sums on counts made anew")


def _holds(bound: BudgetBound) -> bool:
    if bound.met and not (bound.upper <= bound.limit + _TOLERANCE):
        return False
    if bound.method != "Clopper-Pearson" or bound.errors is None or bound.delta is None:
        return True
    if not 0 <= bound.errors <= bound.members:
        return False
    if bound.errors == bound.members:
        return bound.upper == 1.0
    if not 0 < bound.upper < 1:
        return False
    tail = float(binom.logcdf(bound.errors, bound.members, bound.upper))
    return math.isclose(tail, math.log(bound.delta), rel_tol=1e-6, abs_tol=1e-6)


def _miscounted(certificate: RiskCertificate, data: tuple[Any, ...]) -> list[str]:
    """Budgets over all given rows whose counts another count does not give."""
    if len(data) != 2 or isinstance(data[0], Mapping):
        return []
    if "threshold" not in certificate.thresholds:
        return ["'certified' without a threshold"]
    score = np.asarray(data[0], dtype=np.float64)
    y = np.asarray(data[1], dtype=np.float64) == 1
    acted = score >= float(certificate.thresholds["threshold"])
    wrong = []
    for told, bound in zip(certificate.budgets, certificate.bounds, strict=False):
        budget = Budget.from_dict(told)
        plain = bound.errors is not None and bound.group is None and certificate.n == y.size
        if plain and budget.name in LOSSES and len(certificate.budgets) == len(certificate.bounds):
            errors, members = LOSSES[budget.name].of_rows(acted, y)
            if (int(errors.sum()), int(members.sum())) != (bound.errors, bound.members):
                wrong.append(f"'{bound.budget}' (counts)")
    return wrong


def _procedure(certificate: RiskCertificate, again: RiskCertificate) -> Finding:
    told, found = certificate.to_dict(), again.to_dict()
    parts = (
        "verdict",
        "statement",
        "settings",
        "budgets",
        "thresholds",
        "bounds",
        "n",
        "labels_used",
        "delta",
        "method",
        "assumptions",
        "details",
    )
    wrong = [part for part in parts if not _same(told[part], found[part])]
    sentence = (
        "The procedure, run again on the data, gives the same thresholds and bounds."
        if not wrong
        else f"The procedure, run again on the data, gives other values of: {', '.join(wrong)}."
    )
    return _finding("risk.procedure", not wrong, sentence, "the rule fitted again")


def _same(told: Any, found: Any) -> bool:
    if isinstance(told, Mapping) and isinstance(found, Mapping):
        return told.keys() == found.keys() and all(_same(told[k], found[k]) for k in told)
    if isinstance(told, list | tuple) and isinstance(found, list | tuple):
        return len(told) == len(found) and all(map(_same, told, found))
    if isinstance(told, str) and isinstance(found, float):
        return _same(float(told), found)
    if isinstance(told, float) and isinstance(found, float):
        return (
            told == found
            or math.isclose(told, found, rel_tol=_TOLERANCE)
            or (math.isnan(told) and math.isnan(found))
        )
    return bool(told == found)


def _finding(
    code: str,
    passed: bool | None,
    sentence: str,
    method: str,
    digests: dict[str, str] | None = None,
) -> Finding:
    return Finding(
        code=code,
        sentence=sentence,
        severity="high" if passed is False else "info",
        passed=passed,
        method=method,
        digests=digests or {},
    )
