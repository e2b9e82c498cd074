"""A sample of people for multiplicity, whose cost grows with the square of distinct people."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from riskwright.core import generator

from .multiplicity_report import MultiplicityReport

__all__ = ["drawn_people", "of_sample"]

Floats = NDArray[np.float64]

MOST_DISTINCT = 2500
DRAWN = 2000


def drawn_people(columns: Floats, weight: Floats | None, seed: int) -> NDArray[np.intp] | None:
    """Rows of people drawn at random, by weight where there is one; None where all can be asked."""
    if len(columns) <= MOST_DISTINCT or len(np.unique(columns, axis=0)) <= MOST_DISTINCT:
        return None
    rng = generator(seed)
    if weight is None:
        return np.sort(rng.choice(len(columns), DRAWN, replace=False))
    return np.sort(rng.choice(len(columns), DRAWN, p=weight / weight.sum()))


def of_sample(report: MultiplicityReport, n: int, seed: int) -> MultiplicityReport:
    """The report, whose findings say that its people are a sample."""
    method = f"{report.method}; {report.n:,} people drawn at random from {n:,} (seed {seed})"
    findings = tuple(
        replace(
            finding,
            sentence=finding.sentence.replace(
                f"{report.n:,} people", f"{report.n:,} people drawn at random from {n:,}"
            ),
            method=method,
        )
        for finding in report.findings
    )
    return replace(report, method=method, findings=findings)
