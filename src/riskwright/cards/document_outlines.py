"""The outline of every kind of document: what it says, in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from riskwright.core import ParameterError

from .data_card import DataCard
from .data_outline import data_outline
from .deployment_card import DeploymentCard
from .deployment_outline import deployment_outline
from .documents import Document
from .notice import Notice
from .notice_outline import notice_outline
from .outline import Outline
from .risk_card import RiskCard
from .risk_outline import risk_outline
from .score_card_outline import sheet_outline
from .score_card_sheet import ScoreCardSheet

__all__ = ["outline_of"]

_OUTLINES: dict[type[Document], Callable[[Any], Outline]] = {
    ScoreCardSheet: sheet_outline,
    RiskCard: risk_outline,
    DataCard: data_outline,
    DeploymentCard: deployment_outline,
    Notice: notice_outline,
}


def outline_of(card: Document) -> Outline:
    """What the pages of a document say. Fields that nobody filled in are shown as such."""
    if type(card) not in _OUTLINES:
        raise ParameterError(
            "not a document",
            where="card",
            expected=", ".join(kind.__name__ for kind in _OUTLINES),
            got=type(card).__name__,
        )
    return _OUTLINES[type(card)](card)
