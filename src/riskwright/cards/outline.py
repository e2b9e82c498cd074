"""A document as titled blocks of words, the same for every format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from riskwright.core import Estimate, Finding

from . import wording
from .documents import AuditReference, Document

__all__ = [
    "NOT_STATED",
    "Facts",
    "Grid",
    "Items",
    "Outline",
    "Section",
    "Words",
    "audits_of",
    "decimal_words",
    "findings_grid",
    "found_by",
    "grid_of",
    "items_of",
    "number_words",
    "share_words",
    "signature",
    "stated",
]

NOT_STATED = "Not stated"


class Facts(NamedTuple):
    """Names and what is said of them."""

    rows: Sequence[tuple[str, str]]


class Items(NamedTuple):
    """A list of sentences; numbered where their order matters."""

    rows: Sequence[str]
    numbered: bool = False


class Grid(NamedTuple):
    """A table: headings, "l" or "r" for each column, rows, a note."""

    head: Sequence[str]
    align: str
    rows: Sequence[Sequence[str]]
    note: str = ""


class Words(NamedTuple):
    """A paragraph; a `strong` one stands out."""

    text: str
    strong: bool = False


class Section(NamedTuple):
    title: str
    blocks: Sequence[Facts | Items | Grid | Words]


class Outline(NamedTuple):
    """What kind of document, its title, a line below it, its sections, its small print."""

    kind: str
    title: str
    lead: str
    sections: Sequence[Section]
    foot: Sequence[tuple[str, str]]


def stated(text: str) -> str:
    return text.strip() or NOT_STATED


def number_words(estimate: Estimate) -> str:
    """A number as it is where it is exact, else with three decimals and its interval."""
    if estimate.level == 1.0 and estimate.low == estimate.high:
        return f"{estimate.value:,.10g}".replace("-", wording.MINUS)
    return decimal_words(estimate)


def decimal_words(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return f"none ({estimate.method.removeprefix('none: ')})"
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return f"{wording.decimal(estimate.value)} (no interval)"
    low, high = wording.decimal(estimate.low), wording.decimal(estimate.high)
    return f"{wording.decimal(estimate.value)} ({low} to {high})"


def share_words(estimate: Estimate) -> str:
    """A share in percent, with its interval where it is not exact."""
    if estimate.level == 1.0 and estimate.low == estimate.high:
        return wording.percent(estimate.value)
    return f"{wording.percent(estimate.value)} ({wording.interval(estimate)})"


def findings_grid(findings: Iterable[Finding], note: str = "") -> Grid:
    """Findings, the gravest first, each with its number, rows and method."""
    order = ("high", "medium", "low", "info")
    rows = [
        (
            finding.severity,
            finding.sentence,
            "" if finding.estimate is None else decimal_words(finding.estimate),
            "" if finding.estimate is None else f"{finding.estimate.n:,}",
            {None: "", True: "passed", False: "failed"}[finding.passed],
            finding.method or ("" if finding.estimate is None else finding.estimate.method),
        )
        for finding in sorted(findings, key=lambda finding: order.index(finding.severity))
    ]
    head = ("Severity", "Finding", "Value (interval)", "n", "Verdict", "Method")
    return Grid(head, "llrrll", rows, note)


def signature(card: Document) -> list[tuple[str, str]]:
    return [
        ("Version", stated(card.version)),
        ("Date", stated(card.date)),
        ("Answers for it", stated(card.owner)),
        ("Contact", stated(card.contact)),
    ]


def items_of(texts: Sequence[str]) -> Items | Words:
    return Items(texts) if texts else Words(NOT_STATED)


def audits_of(audits: Sequence[AuditReference]) -> Grid | Words:
    if not audits:
        return Words("No audit is referred to.")
    verdicts = {None: "no policy applied", True: "passed", False: "failed"}
    rows = [
        (
            stated(audit.title),
            stated(audit.date),
            verdicts[audit.passed],
            f"{sum(finding.severity == 'high' for finding in audit.findings):,}",
            audit.digest,
        )
        for audit in audits
    ]
    return Grid(("Audit", "Date", "Verdict", "Grave findings", "Digest"), "lllrl", rows)


def found_by(audits: Sequence[AuditReference]) -> list[Grid]:
    findings = [finding for audit in audits for finding in audit.findings]
    return [findings_grid(findings)] if findings else []


def grid_of(head: Sequence[str], align: str, rows: Sequence[Sequence[str]]) -> Grid | Words:
    return Grid(head, align, rows) if rows else Words(NOT_STATED)
