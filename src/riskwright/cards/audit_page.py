"""An audit as one self-contained HTML page: one sheet to read in a minute, then an appendix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import audit_words as words
from .audit_appendix import CAPS, appendix_parts
from .audit_fit import Head, Sheet, fitted, title_factor
from .audit_front import front_parts, head_facts
from .pages import page_template

if TYPE_CHECKING:
    from riskwright.audit.report import Audit

__all__ = ["audit_head", "audit_page"]

_MOST_BYTES = 500_000
_WORST = 3
_LONG_TITLE, _LONG_SENTENCE = 240, 260


def audit_page(audit: Audit) -> str:
    """The audit as one HTML page that loads nothing and has no script.

    The first part prints on one sheet of A4: what was audited with a verdict, the score, its
    calibration, what a decision does, groups, worst slices, multiplicity, recourse, data, limits.
    The appendix below begins on a page of its own and holds every finding and table. A part that
    did not run says why.

    Parameters
    ----------
    audit : Audit, from `riskwright.audit`

    Returns
    -------
    str
        At most 500 kB: long lists are cut, the gravest first, and say how many they leave out.
        All text is escaped; a content security policy forbids every request.

    Notes
    -----
    Letters are as large as the sheet allows, between 7 and 11 pixels, by a reckoning that errs on
    the broad side. Of many groups, totals or statements the sheet shows the first or the worst.
    """
    sheet, fit = fitted(lambda fit: Sheet(audit_head(audit), tuple(front_parts(audit, fit))))
    template = page_template("audit.html")
    page = ""
    for caps in CAPS:
        page = template.render(
            title=words.brief(audit.subject.title, 200) or "Audit",
            head=sheet.head,
            grave=_grave(audit),
            worst=_worst(audit),
            parts=sheet.parts,
            appendix=appendix_parts(audit, caps),
            spread=fit.spread,
            letters=f"{fit.letters:g}px",
            title_size=f"{title_factor(sheet.head.title):g}em",
        )
        if len(page.encode()) <= _MOST_BYTES:
            break
    return page


def audit_head(audit: Audit) -> Head:
    """Title, verdict, the gravest findings in words, and the facts beside them."""
    return Head(
        words.brief(audit.subject.title, _LONG_TITLE) or "Audit of a risk score",
        words.verdict(audit),
        tuple(f"{mark}: {sentence}" for _, mark, sentence in _worst(audit)),
        head_facts(audit),
    )


def _worst(audit: Audit) -> Sequence[tuple[str, str, str]]:
    """Severity, its word and the sentence of the first findings that are to be looked at."""
    return [
        (
            finding.severity,
            "fails the policy" if finding.passed is False else words.SEVERITIES[finding.severity],
            words.brief(finding.sentence, _LONG_SENTENCE),
        )
        for finding in words.ranked(audit.findings)
        if finding.passed is False or finding.severity in ("high", "medium")
    ][:_WORST]


def _grave(audit: Audit) -> bool:
    return any(f.severity == "high" or f.passed is False for f in audit.findings)
