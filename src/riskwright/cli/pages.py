"""The HTML pages of `evaluate`, `calibrate` and `decide`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
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
from riskwright.plots.figure import Figure, Mark, Points

from .scored import Scored

__all__ = ["page_of"]

Floats = NDArray[np.float64]


class _Marked(Display):
    """A display with further marks on it."""

    def __init__(self, display: Display, *marks: Mark) -> None:
        self.display = display
        self.marks = marks
        self.reading = display.reading  # type: ignore[misc]

    def figure(self) -> Figure:
        figure = self.display.figure()
        return replace(figure, marks=(*figure.marks, *self.marks))


def page_of(
    rows: Scored,
    risk: Floats,
    figures: Evaluation,
    *,
    decisions: list[DecisionSection] | None = None,
    calibration: tuple[ReliabilityDisplay, ReliabilityDisplay] | None = None,
    notes: tuple[str, ...] = (),
    thresholds: Mapping[str, float] | None = None,
    confidence: bool = False,
) -> str:
    """Figures, displays and what was decided, as one file.

    `thresholds` are marked where they can be seen; with `confidence` the risks are confidences and
    the outcomes say which answers were right.
    """
    options: dict[str, Any] = {"sample_weight": rows.weight, "level": figures.level}
    displays = _reliability(rows, risk, options) if calibration is None else []
    if confidence:
        displays.append(RiskCoverageDisplay.from_predictions(1 - rows.y, risk, **options))
    else:
        displays += _of_risks(rows, risk, thresholds or {}, options)
    return evaluation_page(
        figures,
        [*displays, *_by_group(rows, risk, options)],
        title=rows.title,
        data_name=f"{rows.source}, outcome {rows.outcome}",
        notes=notes,
        decisions=decisions or (),
        calibration=calibration,
    )


def _reliability(rows: Scored, risk: Floats, options: dict[str, Any]) -> list[Display]:
    return [ReliabilityDisplay.from_predictions(rows.y, risk, **options)]


def _of_risks(
    rows: Scored, risk: Floats, thresholds: Mapping[str, float], options: dict[str, Any]
) -> list[Display]:
    y = np.asarray(rows.y, dtype=np.float64)
    confidence = np.maximum(risk, 1 - risk)
    wrong = ((risk >= 0.5) != (y == 1)).astype(np.float64)
    net = NetBenefitDisplay.from_predictions(y, risk, **options)
    roc: Display = RocDisplay.from_predictions(y, risk, **options)
    precision: Display = PrecisionRecallDisplay.from_predictions(y, risk, **options)
    if thresholds:
        at = [_rates(y, risk, cut, rows.weight) for cut in thresholds.values()]
        roc = _Marked(roc, _points([a[:2] for a in at]))
        precision = _Marked(precision, _points([a[1:] for a in at]))
    coverage = RiskCoverageDisplay.from_predictions(wrong, confidence, **options)
    return [roc, precision, net, coverage]


def _points(places: list[tuple[float, ...]]) -> Points:
    x, y = (tuple(column) for column in zip(*places, strict=True))
    none = (math.nan,) * len(places)
    return Points(x, y, none, none, "chosen threshold" + "s" * (len(places) > 1), "other")


def _rates(y: Floats, risk: Floats, cut: float, weight: Any) -> tuple[float, float, float]:
    """False positive rate, recall and precision of acting from `cut` on."""
    weights = np.ones(y.size) if weight is None else np.asarray(weight, dtype=np.float64)
    acted = risk >= cut
    hits, acts = float(weights[acted & (y == 1)].sum()), float(weights[acted].sum())
    events = float(weights[y == 1].sum())
    others = float(weights.sum()) - events
    return (acts - hits) / others, hits / events, hits / acts if acts else math.nan


def _by_group(rows: Scored, risk: Floats, options: dict[str, Any]) -> list[Display]:
    found: list[Display] = []
    for name, labels in rows.groups.items():
        grouped: Any = {name: labels}
        for figure in ("auroc", "calibration_in_the_large"):
            found.append(
                GroupGapDisplay.from_predictions(
                    figure, rows.y, risk, grouped, reference="rest", **options
                )
            )
    return found
