"""Scorers: from evidence to points and risk. Each is a scikit-learn estimator with a card.

`deployment` applies a finished card without any of the learning: rows, files, SQL, spreadsheets.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .risk_scores import RiskScoreClassifier
    from .scoring_systems import ScoringSystemClassifier

__all__ = ["RiskScoreClassifier", "ScoringSystemClassifier"]

_HOMES = {
    "RiskScoreClassifier": "risk_scores",
    "ScoringSystemClassifier": "scoring_systems",
}


def __getattr__(name: str) -> Any:
    """Learners load scikit-learn, which applying a card does not need."""
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
