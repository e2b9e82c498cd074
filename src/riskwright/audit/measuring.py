"""What measures say of a score, as findings; what a threshold does to people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import Estimate, Finding
from riskwright.metrics import Evaluation, tail
from riskwright.stats import effective_size, proportion_interval

from .report import OperatingPoint

__all__ = ["measured_findings", "operating_point"]

Floats = NDArray[np.float64]

GRAVE_SHIFT = 0.2  # of log odds: five points of risk at one half


def operating_point(
    y: Floats, score: Floats, threshold: float, weight: Floats | None, level: float
) -> OperatingPoint:
    """Shares of all people who are flagged (score >= threshold), rightly flagged, missed.

    Intervals are Wilson's, with Kish's effective number of rows under weights. Linear in rows.
    """
    weights = np.ones(y.size) if weight is None else weight
    size = effective_size(weights)
    flagged, event = score >= threshold, y == 1

    def share(name: str, inside: NDArray[np.bool_]) -> Estimate:
        value = float(weights[inside].sum() / weights.sum())
        low, high = proportion_interval(value * size, size, level)
        return Estimate(
            name=name, value=value, low=low, high=high, level=level, n=y.size, method="Wilson"
        )

    return OperatingPoint(
        threshold=threshold,
        flagged=share("flagged", flagged),
        rightly_flagged=share("rightly flagged", flagged & event),
        missed=share("missed", ~flagged & event),
        events=share("events", event),
    )


def measured_findings(
    evaluation: Evaluation, y: Floats, p: Floats, weight: Floats | None, level: float
) -> Iterator[Finding]:
    """Discrimination, calibration in the large and in slope, and the tail of the errors."""
    yield _discrimination(evaluation)
    yield _in_the_large(evaluation)
    yield _slope(evaluation)
    worst = tail((y - p) ** 2, "cvar 0.95", sample_weight=weight, level=level)
    yield _finding(
        "tail.squared_error",
        f"Of {worst.n:,} people, the 5% predicted worst have a mean squared error of "
        f"{worst:.2f}; all together {evaluation.overall['brier'].value:.3f}.",
        "info",
        worst,
    )


def _discrimination(evaluation: Evaluation) -> Finding:
    found = evaluation.overall["auroc"]
    code = "discrimination.auroc"
    if math.isnan(found.value):
        return _untold(code, "How well the score ranks people", found)
    words = (
        f"Of two people, one with the outcome and one without, the score ranks the first higher "
        f"with probability {found:.2f}"
    )
    severity = "info"
    if found.high < 0.5:
        severity, words = "high", f"{words}: it ranks worse than chance"
    elif not found.low > 0.5:
        severity, words = "medium", f"{words}: that it ranks better than chance is not proven"
    return _finding(code, f"{words} (n = {found.n:,}).", severity, found)


def _in_the_large(evaluation: Evaluation) -> Finding:
    found = evaluation.overall["calibration_in_the_large"]
    code = "calibration.in_the_large"
    if math.isnan(found.value):
        return _untold(code, "Whether the risks are too high or too low on the whole", found)
    seen = f"{evaluation.prevalence.value:.1%} of {found.n:,} people had the event"
    shift = f"the log odds of all risks would have to shift by {found:+.2f}"
    if not (found.low > 0 or found.high < 0):
        words = "It is not proven that the risks are too high or too low on the whole"
        return _finding(code, f"{words}: {seen}; {shift}.", "info", found)
    more = "more" if found.value > 0 else "less"
    beyond = max(found.low, -found.high) > GRAVE_SHIFT
    words = f"The event is {more} frequent than the score says: {seen}; {shift}."
    return _finding(code, words, "high" if beyond else "medium", found)


def _slope(evaluation: Evaluation) -> Finding:
    found = evaluation.overall["calibration_slope"]
    code = "calibration.slope"
    if math.isnan(found.value):
        return _untold(code, "Whether high and low risks lie far enough apart", found)
    if found.low > 1:
        words = "High risks are too low and low risks too high: the score is too timid"
    elif found.high < 1:
        words = "High risks are too high and low risks too low: the score is too sure of itself"
    else:
        words = "It is not proven that high and low risks lie too far apart or too close together"
    apart = found.low > 1 or found.high < 1
    grave = found.low > 1.5 or found.high < 0.5
    return _finding(
        code,
        f"{words}: calibration slope {found:.2f}, where 1 is right (n = {found.n:,}).",
        "high" if grave else "medium" if apart else "info",
        found,
    )


def _untold(code: str, what: str, found: Estimate) -> Finding:
    return _finding(code, f"{what} cannot be told from these {found.n:,} rows.", "info", found)


def _finding(code: str, sentence: str, severity: Any, estimate: Estimate) -> Finding:
    return Finding(
        code=code, sentence=sentence, severity=severity, estimate=estimate, method=estimate.method
    )
