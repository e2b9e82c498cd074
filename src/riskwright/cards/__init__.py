"""Cards: what is known of a score, its data, its use and its risks, and pages that show it.

JSON is the source; text, Markdown, HTML and pictures are views. A card holds figures that others
computed; it counts and compares, and `check` says which of its figures lack evidence.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

from riskwright.core import ParameterError, ScoreCard, json_values
from riskwright.plots.png import to_png
from riskwright.plots.svg import to_svg

from .drawing import card_picture
from .evaluation_page import DecisionSection, evaluation_page
from .html import to_html
from .markdown import to_markdown
from .text import to_text

__all__ = [
    "DOCUMENT_FORMATS",
    "EXPORT_FORMATS",
    "FORMATS",
    "GRADES",
    "Assessment",
    "AuditReference",
    "Change",
    "ColumnProfile",
    "DataCard",
    "DataFile",
    "DecisionSection",
    "DeploymentCard",
    "Document",
    "DocumentFormat",
    "ExportFormat",
    "Format",
    "Gap",
    "Grade",
    "GradeLabel",
    "GroupProfile",
    "HarmType",
    "Notice",
    "Place",
    "Reason",
    "RiskCard",
    "SamplePair",
    "ScoreCardSheet",
    "TestProtocol",
    "assess",
    "audit_markdown",
    "audit_page",
    "audit_reference",
    "audit_text",
    "check",
    "data_card",
    "diff",
    "evaluation_page",
    "exact",
    "export",
    "grade",
    "grade_bands",
    "load_risk_cards",
    "notice",
    "overall_grade",
    "performance_findings",
    "render",
    "render_document",
]

if TYPE_CHECKING:
    from .assessing import Assessment, assess
    from .audit_page import audit_page
    from .audit_text import audit_markdown, audit_text
    from .checking import Gap, check
    from .comparing import Change, diff
    from .data_card import ColumnProfile, DataCard, DataFile, GroupProfile, data_card
    from .deployment_card import DeploymentCard
    from .document_views import DOCUMENT_FORMATS, DocumentFormat, render_document
    from .documents import AuditReference, Document, audit_reference, exact
    from .exports import EXPORT_FORMATS, ExportFormat, export
    from .grades import GRADES, Grade, GradeLabel, grade, grade_bands, overall_grade
    from .notice import Notice, Reason, notice
    from .risk_card import HarmType, Place, RiskCard, SamplePair, TestProtocol
    from .risk_card_files import load_risk_cards
    from .score_card_sheet import ScoreCardSheet, performance_findings

_HOMES = {
    "Assessment": "assessing",
    "AuditReference": "documents",
    "Change": "comparing",
    "ColumnProfile": "data_card",
    "DOCUMENT_FORMATS": "document_views",
    "DataCard": "data_card",
    "DataFile": "data_card",
    "DeploymentCard": "deployment_card",
    "Document": "documents",
    "DocumentFormat": "document_views",
    "EXPORT_FORMATS": "exports",
    "ExportFormat": "exports",
    "GRADES": "grades",
    "Gap": "checking",
    "Grade": "grades",
    "GradeLabel": "grades",
    "GroupProfile": "data_card",
    "HarmType": "risk_card",
    "Notice": "notice",
    "Place": "risk_card",
    "Reason": "notice",
    "RiskCard": "risk_card",
    "SamplePair": "risk_card",
    "ScoreCardSheet": "score_card_sheet",
    "TestProtocol": "risk_card",
    "assess": "assessing",
    "audit_markdown": "audit_text",
    "audit_page": "audit_page",
    "audit_reference": "documents",
    "audit_text": "audit_text",
    "check": "checking",
    "data_card": "data_card",
    "diff": "comparing",
    "exact": "documents",
    "export": "exports",
    "grade": "grades",
    "grade_bands": "grades",
    "load_risk_cards": "risk_card_files",
    "notice": "notice",
    "overall_grade": "grades",
    "performance_findings": "score_card_sheet",
    "render_document": "document_views",
}

Format = Literal["text", "markdown", "html", "svg", "png", "json"]
FORMATS: tuple[str, ...] = get_args(Format)


def render(card: ScoreCard, format: Format = "text") -> str | bytes:
    """The card in one of the formats; bytes for "png", text for the others.

    "html" is one page of at most 150 kB that loads nothing and holds a calculator; "svg" and "png"
    are one picture; "json" holds every field, NaN as text. A few milliseconds each; "png" needs
    matplotlib (the extra `plot`).

    Raises
    ------
    ParameterError
        For an unknown format.
    MissingExtraError
        For "png" where matplotlib is not installed.
    """
    if format not in _RENDERERS:
        raise ParameterError(
            "unknown format", where="format", expected=", ".join(FORMATS), got=repr(format)
        )
    return _RENDERERS[format](card)


def _to_json(card: ScoreCard) -> str:
    return json.dumps(json_values(card), indent=1, ensure_ascii=False) + "\n"


_RENDERERS: dict[str, Callable[[ScoreCard], str | bytes]] = {
    "text": to_text,
    "markdown": to_markdown,
    "html": to_html,
    "svg": lambda card: to_svg(card_picture(card)),
    "png": lambda card: to_png(card_picture(card)),
    "json": _to_json,
}


def __getattr__(name: str) -> Any:
    """Load documents and the audit page when they are asked for: a card alone needs neither."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


class _Room(ModuleType):
    """A room in which loading `notice.py` does not hide the function `notice`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room
