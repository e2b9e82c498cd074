"""What a selective-labels fit says, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from riskwright.core import Finding
from riskwright.core.records import Severity

from ._words import percents, whole

if TYPE_CHECKING:
    from .selective_labels import SelectiveLabelsReport, TestedGroup

__all__ = ["findings_of"]

_STRAIN = 3.0
_SHOWN = 5


def findings_of(report: SelectiveLabelsReport, strain: float, limit: float) -> tuple[Finding, ...]:
    """All findings; `strain` is in standard errors, `limit` the gap of a group that is grave."""
    found = [_risk_finding(report), *_group_findings(report.groups, limit)]
    if strain > _STRAIN:
        found.append(_strain_finding(report, strain))
    return tuple(found)


def _group_findings(groups: tuple[TestedGroup, ...], limit: float) -> list[Finding]:
    """The groups proven under-tested, furthest from 0 first; or the one nearest to it, and none."""
    judged = [group for group in groups if not math.isnan(group.gap.value)]
    proven = sorted((g for g in judged if g.under_tested), key=lambda g: g.gap.high)
    told = [_tested_finding(group, limit) for group in proven[:_SHOWN]]
    if len(proven) > _SHOWN:
        told[-1] = _with_others(told[-1], len(proven) - _SHOWN)
    if judged and not proven:
        lowest = min(judged, key=lambda group: group.gap.value)
        if lowest.gap.value < 0:
            told.append(_tested_finding(lowest, limit))
        told.append(_nobody_undertested(judged, len(groups) - len(judged)))
    return told + [_blind_finding(group) for group in groups if group.tested.value == 0]


def _with_others(finding: Finding, others: int) -> Finding:
    more = whole(others, "other group is", "other groups are")
    return replace(finding, sentence=f"{finding.sentence} {more} provably tested too rarely too.")


def _risk_finding(report: SelectiveLabelsReport) -> Finding:
    untested, tested = report.risk_unobserved, report.risk_observed
    unseen = report.n - tested.n
    severity: Severity = "low" if untested.value > tested.value else "info"
    if untested.high < tested.low:
        severity = "medium"
    elif untested.low > tested.high:
        severity = "high"
    resting = "; ".join(report.constraints) or "no constraint, so on the model's form alone"
    sentence = (
        f"Of {report.n:,} people the outcome of {unseen:,} was never observed; their risk is put "
        f"at {percents(untested)}, against {percents(tested)} where it was observed. "
        f"This rests on {resting}."
    )
    return Finding(
        code="selective.risk_unobserved",
        sentence=sentence,
        severity=severity,
        estimate=untested,
        method=report.method,
    )


def _strain_finding(report: SelectiveLabelsReport, strain: float) -> Finding:
    return Finding(
        code="selective.prevalence",
        sentence=(
            f"The known rate does not fit what was observed of {report.n:,} people: it pulls the "
            f"model {strain:.1f} standard errors away from the data, so that the rate, the other "
            "constraints or the form of the model must be wrong."
        ),
        severity="medium",
        method="Lagrange multiplier of the prevalence constraint",
    )


def _tested_finding(group: TestedGroup, limit: float) -> Finding:
    severity: Severity = "low"
    if group.under_tested:
        severity = "high" if group.gap.high < -limit else "medium"
    sentence = (
        f"Of {group.n:,} people in group {group.group}, {percents(group.tested)} were tested; at "
        f"their inferred risk the average policy would test {percents(group.tested_at_average)}, "
        f"a gap of {100 * group.gap.value:.0f} points "
        f"({100 * group.gap.low:.0f} to {100 * group.gap.high:.0f})."
    )
    return Finding(
        code="selective.undertested",
        sentence=sentence,
        severity=severity,
        estimate=group.gap,
        method=group.gap.method,
    )


def _nobody_undertested(found: list[TestedGroup], others: int) -> Finding:
    aside = ""
    if others:
        aside = f" {whole(others, 'further group', 'further groups')} could not be judged."
    reach = max((g.gap.high - g.gap.low) / 2 for g in found)
    whose = "The group judged is not" if len(found) == 1 else f"None of {len(found)} groups is"
    return Finding(
        code="selective.undertested",
        sentence=(
            f"{whose} provably tested less often than its inferred risk "
            f"calls for; a gap of {100 * reach:.0f} points in any group would have shown." + aside
        ),
        severity="info",
        method="simultaneous intervals of the gap to the average policy",
    )


def _blind_finding(group: TestedGroup) -> Finding:
    return Finding(
        code="selective.group_unobserved",
        sentence=(
            f"Of {group.n:,} people in group {group.group} no outcome was observed at all: "
            "their risk cannot be checked against any of them."
        ),
        severity="high",
        estimate=group.tested,
        method="count",
    )
