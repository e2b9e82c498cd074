"""Plain words for the parts of an audit, shared by page, Markdown and terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from unicodedata import bidirectional

from riskwright.core import Estimate, Finding
from riskwright.core.records import gravest_first
from riskwright.plots.shapes import shortened

from . import wording

if TYPE_CHECKING:
    from riskwright.audit.report import Audit

__all__ = [
    "SEVERITIES",
    "amount",
    "between",
    "bounds",
    "brief",
    "counted",
    "horizon_of",
    "is_share",
    "is_signed",
    "listed_parts",
    "measure_name",
    "name_of",
    "ranked",
    "rows_of",
    "share_of",
    "short_digest",
    "value_of",
    "verdict",
    "why_not",
]

SEVERITIES = {
    "high": "needs action",
    "medium": "to look at",
    "low": "hint",
    "info": "for the record",
}
_MEASURES = {
    "rate": "flagged",
    "selection_rate": "flagged",
    "fpr": "false positive rate",
    "fnr": "false negative rate",
    "tpr": "sensitivity",
    "tnr": "specificity",
    "ppv": "precision (PPV)",
    "npv": "NPV",
    "auc": "AUROC",
    "auroc": "AUROC",
    "calibration": "observed minus predicted",
}
_SHARES = {"rate", "selection_rate", "fpr", "fnr", "tpr", "tnr", "ppv", "npv", "calibration"}
_PARTS = {
    "evaluation": "figures of performance",
    "groups": "groups",
    "slices": "worst slices",
    "multiplicity": "multiplicity",
    "responsiveness": "recourse",
    "distillation": "distillation",
    "selective_labels": "unobserved outcomes",
    "familiarity": "familiarity of people",
    "data": "columns of the data",
}


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """What fails the policy first, then the gravest; else in the order given."""
    return sorted(gravest_first(findings), key=lambda finding: finding.passed is not False)


def counted(number: int, one: str, many: str) -> str:
    """A number with the noun, and the verb, that goes with it."""
    return f"{number:,} {one if number == 1 else many}"


def verdict(audit: Audit) -> str:
    """The one line that the page opens with."""
    findings = audit.findings
    grave = sum(f.severity == "high" for f in findings)
    medium = sum(f.severity == "medium" for f in findings)
    failing = sum(f.passed is False for f in findings)
    judged = any(f.passed is not None for f in findings)
    texts = []
    if failing:
        texts.append(counted(failing, "finding fails the policy", "findings fail the policy"))
    elif judged:
        texts.append("No finding fails the policy")
    if grave:
        texts.append(counted(grave, "finding needs action", "findings need action"))
    if medium:
        texts.append(counted(medium, "to look at", "to look at"))
    if not findings:
        texts.append("No findings were recorded")
    elif not grave and not medium:
        texts.append(f"Nothing found that needs action among {len(findings):,} findings")
    if audit.not_run:
        texts.append(counted(len(audit.not_run), "part did not run", "parts did not run"))
    return "; ".join(texts) + "."


def why_not(audit: Audit, *names: str) -> str:
    """Why a part is missing, in one line."""
    for name in names:
        if reason := audit.not_run.get(name):
            return f"Not measured: {' '.join(reason.replace('`', '').split())}"
    return "Not measured: this was no part of the audit, and no reason was given."


def listed_parts(audit: Audit) -> list[tuple[str, str]]:
    """What did not run, in words, and why."""
    return [(_PARTS.get(k, k.replace("_", " ")), v) for k, v in audit.not_run.items()]


def rows_of(audit: Audit) -> str:
    """How many rows, and how many with the outcome where one was named."""
    if not audit.events and audit.evaluation is None:
        return f"{audit.n:,}"
    ever = "" if horizon_of(audit) is None else " at any time of the follow-up"
    return f"{audit.n:,}, {wording.count(audit.events)} with the outcome{ever}"


def horizon_of(audit: Audit) -> float | None:
    """The time at which outcomes count, where follow-up is censored."""
    if audit.horizon_time is not None or audit.gaps is None:
        return audit.horizon_time
    return audit.gaps.horizon


def measure_name(key: str) -> str:
    """What a measure by group is called."""
    return _MEASURES.get(key, wording.figure_name(key).partition(" (")[0])


def is_share(key: str) -> bool:
    """Whether a measure is shown in percent."""
    return key in _SHARES or key.endswith("_rate") or key == "calibration_in_the_large"


def is_signed(key: str) -> bool:
    """Whether a measure by group is itself a difference, shown with its sign."""
    return key in ("calibration", "calibration_in_the_large")


def value_of(estimate: Estimate, percent: bool = False, signed: bool = False) -> str:
    """The number alone."""
    return _number(estimate.value, percent, signed) if _is(estimate.value) else "not defined"


def bounds(estimate: Estimate, percent: bool = False, signed: bool = False) -> str:
    """The interval alone, or why there is none."""
    if not (_is(estimate.low) and _is(estimate.high)):
        reason = estimate.method.removeprefix("none: ")
        return f"no interval: {reason}" if reason else "no interval"
    return f"{_number(estimate.low, percent, signed)} to {_number(estimate.high, percent, signed)}"


def amount(estimate: Estimate, percent: bool = False, signed: bool = False) -> str:
    """Number, interval and n."""
    known = f"{value_of(estimate, percent, signed)} ({bounds(estimate, percent, signed)})"
    return f"{known}, n {estimate.n:,}"


def share_of(estimate: Estimate) -> str:
    """A share with its interval and n."""
    return amount(estimate, percent=True)


def between(bracket: Sequence[float]) -> str:
    """A certified bracket of a share: one number where both ends look the same."""
    low, high = (wording.percent(end) if _is(end) else "unknown" for end in bracket)
    return low if low == high else f"{low} to {high}"


def short_digest(digest: str) -> str:
    """Enough of a digest to compare by eye; in full in the appendix."""
    kind, _, letters = digest.rpartition(":")
    short = letters if len(letters) <= 12 else f"{letters[:12]}…"
    return f"{kind}:{short}" if kind else short


def brief(text: str, most: int) -> str:
    """One line of text for a narrow place, cut at a word where it is longer than that."""
    text = " ".join(text.split())
    if len(text) > most:
        cut = text[: most - 1].rsplit(" ", 1)[0]
        text = (cut if len(cut) > most // 2 else text[: most - 1]) + "…"
    return _isolated(text)


def name_of(text: str, most: int) -> str:
    """A name for a narrow place: both ends where it is longer, since ends tell names apart."""
    return _isolated(shortened(text, most))


def _isolated(text: str) -> str:
    """Text of a script that runs from right to left, kept from reordering what stands beside it."""
    leftward = any(bidirectional(letter) in ("R", "AL") for letter in text)
    return f"\u2068{text}\u2069" if leftward else text


def _number(value: float, percent: bool, signed: bool) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else f"{wording.MINUS}∞"
    if signed and percent:
        return f"{100 * value:+.1f}".replace("-", wording.MINUS) + "%"
    if percent:
        return wording.percent(value) if value >= 0 else f"{wording.MINUS}{-100 * value:.1f}%"
    text = f"{value:+.3f}" if signed else f"{value:.3f}"
    return text.replace("-", wording.MINUS)


def _is(value: float) -> bool:
    return not math.isnan(value)
