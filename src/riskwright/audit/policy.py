"""What an organisation accepts, as a file, and how an audit compares with it."""

from __future__ import annotations

import fnmatch
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from riskwright.core import Estimate, Finding, ParameterError, Record
from riskwright.core.documents import read_record
from riskwright.core.records import gravity

from .plan import PARTS

__all__ = ["AuditPolicy", "Limit", "load_policy"]


class Limit(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bound on the number of every finding whose code matches `finding` (`*` stands for any).

    Attributes
    ----------
    finding : code such as "group.fpr.gap" or "group.*.gap".
    at_most, at_least : the bound; of a code that ends in ".gap" it bounds the size of the gap in
        either direction. Gaps of groups are held to it one by one, all that were judged, not only
        the one that the finding is about.
    fails : "proven" fails where the whole interval lies beyond the bound, "likely" where the
        value does, "unless_kept" where any part of the interval does: the strictest.
    optional : whether an audit without such a finding may pass.
    reason : why the bound is what it is, for the reader.
    """

    finding: str
    at_most: float | None = None
    at_least: float | None = None
    fails: Literal["proven", "likely", "unless_kept"] = "proven"
    optional: bool = False
    reason: str = ""


class AuditPolicy(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits on findings, parts that must have run, and the severity from which any finding fails.

    Attributes
    ----------
    limits : bounds on numbers.
    require : parts of the audit that must have run.
    fail_at : "low", "medium" or "high": findings this grave fail, whatever their number; those
        that a limit covers are judged by the limit alone.
    """

    limits: tuple[Limit, ...] = ()
    require: tuple[str, ...] = ()
    fail_at: Literal["low", "medium", "high"] | None = None


def load_policy(
    source: AuditPolicy | Mapping[str, Any] | str | os.PathLike[str],
) -> AuditPolicy:
    """An `AuditPolicy` from a YAML or JSON file of at most 1 MiB, or from plain values.

    Raises
    ------
    ParameterError : names the file and the key; a policy that demands nothing is refused.

    Examples
    --------
    >>> policy = load_policy({"limits": [{"finding": "group.fpr.gap", "at_most": 0.1}]})
    >>> policy.limits[0].fails
    'proven'
    """
    if isinstance(source, AuditPolicy):
        return source
    policy = read_record(source, AuditPolicy, "policy")
    where = "policy" if isinstance(source, Mapping) else str(source)
    if not policy.limits and not policy.require and policy.fail_at is None:
        raise ParameterError(
            "the policy demands nothing", where=where, expected="limits, require or fail_at"
        )
    for number, limit in enumerate(policy.limits, 1):
        if (limit.at_most is None) == (limit.at_least is None):
            raise ParameterError(
                "a limit needs one bound",
                where=f"{where}: limits, number {number} ({limit.finding})",
                expected="either at_most or at_least",
            )
    for part in policy.require:
        if part not in PARTS:
            raise ParameterError(
                "no such part of an audit",
                where=f"{where}: require",
                expected=", ".join(PARTS),
                got=part,
            )
    return policy


def judged(
    policy: AuditPolicy,
    findings: Sequence[Finding],
    not_run: Mapping[str, str],
    gaps: Mapping[str, Mapping[str, Estimate]] | None = None,
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings with `passed` set, and a sentence for each that fails and each that lacks.

    `gaps` holds the gap of every group by code, all of which are held to limits on that code.
    """
    found, reasons = [], []
    for finding in findings:
        covering = [limit for limit in policy.limits if _covers(limit, finding)]
        groups = (gaps or {}).get(finding.code)
        failing = [text for limit in covering for text in _failures(limit, finding, groups)]
        if not covering and _too_grave(policy, finding):
            failing = [f"{finding.code} is of severity {finding.severity}"]
        passed = not failing if covering or policy.fail_at is not None else None
        found.append(replace(finding, passed=passed))
        reasons += [f"{text}: {finding.sentence}" for text in failing]
    return tuple(found), (*reasons, *_lacking(policy, findings, not_run))


def _covers(limit: Limit, finding: Finding) -> bool:
    return fnmatch.fnmatchcase(finding.code, limit.finding)


def _too_grave(policy: AuditPolicy, finding: Finding) -> bool:
    if policy.fail_at is None:
        return False
    return gravity(finding.severity) >= gravity(policy.fail_at)


def _failures(
    limit: Limit, finding: Finding, groups: Mapping[str, Estimate] | None
) -> Iterator[str]:
    if groups:
        ranked = sorted(groups.items(), key=lambda g: (-round(abs(g[1].value), 9), -g[1].value))
        beyond = [name for name, gap in ranked if _beyond(limit, gap, either=True)]
        if beyond:
            more = f" and {len(beyond) - 1} more" * (len(beyond) > 1)
            yield f"{_demand(limit, finding)} for {beyond[0]}{more}"
        return
    estimate = finding.estimate
    if estimate is None or math.isnan(estimate.value):
        if limit.fails == "unless_kept":
            yield f"{finding.code} has no number"
    elif _beyond(limit, estimate, either=finding.code.endswith(".gap")):
        yield _demand(limit, finding)


def _demand(limit: Limit, finding: Finding) -> str:
    bound = (
        f"at least {limit.at_least:g}" if limit.at_most is None else f"at most {limit.at_most:g}"
    )
    return f"{finding.code} {bound} is not kept ({limit.fails})"


def _beyond(limit: Limit, estimate: Estimate, *, either: bool) -> bool:
    """Whether the number breaks the bound; with `either` its size, whatever its sign."""
    low, high = _ends(estimate)
    value = estimate.value
    if either:
        value = abs(value)
        low, high = max(low, -high, 0.0), max(high, -low)
    if limit.at_most is not None:
        at = {"proven": low, "likely": value, "unless_kept": high}[limit.fails]
        return bool(at > limit.at_most)
    assert limit.at_least is not None
    at = {"proven": high, "likely": value, "unless_kept": low}[limit.fails]
    return bool(at < limit.at_least)


def _ends(estimate: Estimate) -> tuple[float, float]:
    """The interval; where there is none, nothing is proven and nothing surely kept."""
    low = -math.inf if math.isnan(estimate.low) else estimate.low
    high = math.inf if math.isnan(estimate.high) else estimate.high
    return low, high


def _lacking(
    policy: AuditPolicy, findings: Sequence[Finding], not_run: Mapping[str, str]
) -> Iterator[str]:
    for part in policy.require:
        if part in not_run:
            yield f"{part} is required but did not run: {not_run[part]}"
    for limit in policy.limits:
        if not limit.optional and not any(_covers(limit, finding) for finding in findings):
            yield f"no finding {limit.finding}, which a limit of the policy is about"
