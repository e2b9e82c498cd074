"""Frozen records that rooms exchange: `Estimate`, `Certificate`, `Finding`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

import msgspec

__all__ = [
    "Certificate",
    "Estimate",
    "Finding",
    "Record",
    "ScoreClass",
    "Severity",
    "Status",
    "gravest_first",
    "gravity",
]

ScoreClass = Literal["free", "unit", "scoring_system"]
Status = Literal["optimal", "within_gap", "time_limit", "interrupted", "heuristic"]
Severity = Literal["info", "low", "medium", "high"]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of the records: immutable, keyword-only, converted to and from JSON by `msgspec`.

    Subclasses repeat `frozen=True, kw_only=True`: msgspec does not inherit the second, nor type
    checkers the first.
    """


class Estimate(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A number with its interval.

    `value` lies on the scale of the quantity named by `name`; `low` and `high` bound it at
    confidence `level` by `method`; `n` is the number of rows (not the sum of weights) behind it.
    An interval that could not be had is NaN and `method` says why. Where the rows are known only
    to the bins of a sketch, `bracket` surely holds the value that the rows themselves give; else
    it is None and left out of the JSON.
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    method: str
    name: str = ""
    bracket: tuple[float, float] | None = None

    def __str__(self) -> str:
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{self.value:.3f} (no interval: {self.method.removeprefix('none: ')})"
        return f"{self.value:.3f} ({100 * self.level:g}% CI {self.low:.3f} to {self.high:.3f})"

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if math.isnan(self.low) or math.isnan(self.high):
            return format(self.value, spec)
        return f"{self.value:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


class Finding(Record, frozen=True, kw_only=True):
    """What an audit or a check found: one plain sentence, the number behind it, how grave it is.

    `code` is stable, so that policies can refer to it; `digests` names the model and data judged.
    """

    code: str
    sentence: str
    severity: Severity
    passed: bool | None = None
    estimate: Estimate | None = None
    method: str = ""
    digests: dict[str, str] = {}


def gravity(severity: Severity) -> int:
    """The rank of a severity, from 0 for "info"."""
    return get_args(Severity).index(severity)


def gravest_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by falling severity, those of one severity as given."""
    return sorted(findings, key=lambda finding: -gravity(finding.severity))


class Certificate(Record, frozen=True, kw_only=True):
    """How good a learned score is proved to be, within its class and on its training data.

    `objective` is training loss + penalty of the score that was returned, `lower_bound` a value
    that no score of the stated class and constraints can beat (up to `margin`, which covers
    rounding), `gap` = (objective - lower_bound) / objective. It says nothing about new data.
    """

    score_class: ScoreClass
    loss_name: Literal["logistic", "zero_one"]
    objective: float
    loss: float
    penalty_per_term: float
    lower_bound: float
    gap: float
    status: Status
    statement: str
    method: str
    supports_examined: int
    supports_total: int
    seconds: float
    margin: float
    bounds: dict[str, float]
    constraints: tuple[str, ...]
    n_rows: int
    n_patterns: int
    n_candidates: int
    data_digest: str

    def __str__(self) -> str:
        return self.statement

    def check(
        self,
        model: Any,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        seconds: float = 600.0,
    ) -> tuple[Finding, ...]:
        """Verify this certificate against the model and its training data.

        Compares the data's digest, the card and the stated class with the model, recomputes
        feasibility, loss and objective, and proves the lower bound again with code that shares
        nothing with the search (about a hundred times slower; undecided after `seconds`). A
        Finding's `passed` is None where it is undecided.
        """
        from .checker import check_proof

        proof = model.proof(X, y, sample_weight)
        given = proof["claim"]["data_digest"]
        data = _agreement(
            "certificate.data",
            given == self.data_digest,
            ("The data are", "those that the score was learned from."),
            "SHA-256 of the folded patterns",
            {"certificate": self.data_digest, "data": given},
        )
        card = _agreement(
            "certificate.card",
            _is_the_card_of(model),
            ("The points and numbers on the card are", "those of the model."),
            "exact comparison",
        )
        stated = _class_finding(self, proof)
        proof["claim"]["objective"] = self.objective
        proof["claim"]["loss"] = self.loss
        proof["claim"]["lower_bound"] = self.lower_bound
        proof["claim"]["status"] = self.status
        return (data, card, stated, *check_proof(proof, seconds=seconds))


def _agreement(
    code: str,
    same: bool,
    words: tuple[str, str],
    method: str,
    digests: dict[str, str] | None = None,
) -> Finding:
    return Finding(
        code=code,
        sentence=" ".join(words) if same else " not ".join(words),
        severity="info" if same else "high",
        passed=same,
        method=method,
        digests=digests or {},
    )


def _class_finding(certificate: Certificate, proof: dict[str, Any]) -> Finding:
    """Whether class, bounds and counts are those of a proof made anew from model and data."""
    told, objective = proof["problem"], certificate.objective
    gap = (objective - certificate.lower_bound) / objective if objective > 0 else 0.0
    gaps = (0.0, gap) if certificate.status == "optimal" else (gap,)
    agrees = {
        "class": certificate.score_class == told["score_class"],
        "bounds": certificate.bounds == told["bounds"],
        "constraints": set(certificate.constraints) == set(told["constraints"]),
        "penalty": certificate.penalty_per_term == told["penalty"],
        "margin": certificate.margin == told["margin"],
        "gap": certificate.gap in gaps,
        "number of rows": certificate.n_rows == proof["patterns"]["n_rows"],
        "number of patterns": certificate.n_patterns == len(proof["patterns"]["rows"]),
        "number of items": certificate.n_candidates == len(told["labels"]),
    }
    wrong = ", ".join(name for name, same in agrees.items() if not same)
    return _agreement(
        "certificate.class",
        not wrong,
        ("What is stated of the class and the counts agrees", "with the model's parameters."),
        "comparison of each" + (f"; these differ: {wrong}" if wrong else ""),
    )


def _is_the_card_of(model: Any) -> bool:
    card = model.card_
    points = [(term.item.label, term.points) for term in card.terms]
    held = [(item.label, p) for item, p in zip(model.items_, model.points_, strict=True) if p]
    named = ("slope", "intercept", "threshold")
    numbers = ((getattr(card, name), getattr(model, f"{name}_", None)) for name in named)
    return sorted(points) == sorted(held) and all(ours == theirs for ours, theirs in numbers)
