"""`RiskCertificate`: what a fitted rule promises, by which bound, from which data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from riskwright.core import Estimate, Finding, Record

__all__ = ["BudgetBound", "RiskCertificate", "Verdict", "bounds_table"]

Verdict = Literal["certified", "not attainable", "void"]


class BudgetBound(Record, frozen=True, kw_only=True):
    """One budget in one group: what was seen, and what it is at most with confidence 1 - delta.

    `members` rows count for the risk, `errors` of them are errors (None where losses are graded or
    weighted); `empirical` is the risk among them and `upper` its upper confidence bound by
    `method`; `met` says whether the bound keeps the limit. `attainable` is the smallest limit that
    these data would have certified, `labels_needed` an estimate of the members needed to certify
    the limit (None where no number would do).
    """

    budget: str
    group: str | None
    limit: float
    delta: float | None
    members: int
    errors: int | None
    empirical: float
    upper: float
    met: bool
    method: str
    attainable: float | None = None
    labels_needed: int | None = None


class RiskCertificate(Record, frozen=True, kw_only=True):
    """The guarantee of a fitted rule, readable, saved as JSON, and verifiable without the model.

    Attributes
    ----------
    rule : kind of rule, and `settings` its parameters.
    verdict : "certified", "not attainable" (then the rule abstains), or "void" (withdrawn).
    statement : what is promised, in words.
    budgets : as `Budget.to_dict` gives them.
    thresholds : of the rule, by name; empty where there is none.
    bounds : every budget in every group.
    n : rows that certified; `labels_used` counts those that chose candidates too.
    delta : probability, over the draw of the data, that any of the budgets is broken.
    method : procedure and bounds; `assumptions` what must hold for the statement.
    details : further figures, such as the share acted on and costs, as estimates.
    data_digest : of scores, outcomes, groups and weights.
    """

    rule: str
    settings: dict[str, Any]
    verdict: Verdict
    statement: str
    budgets: tuple[dict[str, Any], ...]
    thresholds: dict[str, Any]
    bounds: tuple[BudgetBound, ...]
    n: int
    labels_used: int
    delta: float | None
    method: str
    assumptions: tuple[str, ...]
    details: dict[str, Estimate]
    data_digest: str

    @property
    def certified(self) -> bool:
        return self.verdict == "certified"

    @property
    def labels_needed(self) -> int | None:
        """Most members that any unmet budget needs; None where all are met or none would do."""
        needed = [bound.labels_needed for bound in self.bounds if not bound.met]
        known = [number for number in needed if number is not None]
        return max(known) if needed and len(known) == len(needed) else None

    def __str__(self) -> str:
        return self.statement

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values (`riskwright.core.json_values` also writes infinities)."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RiskCertificate:
        """From what `to_dict` gives, also after a way through JSON."""
        return msgspec.convert(values, cls, strict=False)

    def check(self, *data: Any, **named: Any) -> tuple[Finding, ...]:
        """Verify the certificate from data alone, without the model.

        Takes what the rule's `fit` took: (score, y) with groups and weights, a `ScoreSketch`, or a
        table of losses. Each bound is recomputed at the stated thresholds from counts made anew,
        and the whole procedure is run again. Three findings: `risk.data` (the digest),
        `risk.bounds`, `risk.procedure`; `passed` is None where it cannot be decided.
        """
        from .verification import verify

        return verify(self, data, named)

    def void(self, reason: str) -> RiskCertificate:
        """The same certificate, withdrawn, with the reason in front of the statement."""
        statement = f"VOID: {reason} Before: {self.statement}"
        return msgspec.structs.replace(self, verdict="void", statement=statement)


def bounds_table(bounds: Sequence[BudgetBound]) -> list[str]:
    """The bounds as aligned lines of text."""
    rows = [("budget", "group", "seen", "upper bound", "limit", "")]
    for bound in bounds:
        seen = f"{bound.empirical:.4g}"
        if bound.errors is not None:
            seen += f" ({bound.errors:,}/{bound.members:,})"
        mark = "met" if bound.met else "NOT MET"
        rows.append(
            (
                bound.budget,
                bound.group or "",
                seen,
                f"{bound.upper:.4g}",
                f"{bound.limit:.4g}",
                mark,
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(6)]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
