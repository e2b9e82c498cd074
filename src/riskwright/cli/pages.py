"""The HTML pages of `evaluate`, `calibrate` and `decide`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.cards.evaluation_page import DecisionSection, evaluation_page
from riskwright.metrics import Evaluation
from riskwright.plots import (
    Display,
    GroupGapDisplay,
    NetBenefitDisplay,
    PrecisionRecallDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    RocDisplay,
)

from .scored import Scored

__all__ = ["page_of"]

Floats = NDArray[np.float64]


def page_of(
    rows: Scored,
    risk: Floats,
    figures: Evaluation,
    *,
    source: str,
    decisions: list[DecisionSection] | None = None,
    calibration: tuple[ReliabilityDisplay, ReliabilityDisplay] | None = None,
    notes: tuple[str, ...] = (),
) -> str:
    """Figures, displays and what was decided, as one file."""
    return evaluation_page(
        figures,
        _displays(rows, risk, figures.level),
        title=rows.title,
        data_name=f"{rows.outcome} in {source}",
        notes=notes,
        decisions=decisions or (),
        calibration=calibration,
    )


def _displays(rows: Scored, risk: Floats, level: float) -> list[Display]:
    options: dict[str, Any] = {"sample_weight": rows.weight, "level": level}
    y = np.asarray(rows.y, dtype=np.float64)
    found: list[Display] = []
    both = bool(0 < y.mean() < 1)
    if both:
        confidence = np.maximum(risk, 1 - risk)
        wrong = ((risk >= 0.5) != (y == 1)).astype(np.float64)
        found += [
            ReliabilityDisplay.from_predictions(y, risk, **options),
            RocDisplay.from_predictions(y, risk, **options),
            PrecisionRecallDisplay.from_predictions(y, risk, **options),
            NetBenefitDisplay.from_predictions(y, risk, **options),
            RiskCoverageDisplay.from_predictions(wrong, confidence, **options),
        ]
    for name, labels in rows.groups.items():
        for figure in ("auroc", "calibration_in_the_large"):
            grouped: Any = {name: labels}
            found.append(GroupGapDisplay.from_predictions(figure, y, risk, grouped, **options))
    return found
