"""A sample of people for multiplicity, whose cost grows with the square of distinct people."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from riskwright.core import generator

from .multiplicity_report import MultiplicityReport

__all__ = ["drawn_people", "of_sample"]

Floats = NDArray[np.float64]

WORK = 3e9  # people times distinct rows times columns: about half a minute
LEAST, MOST = 200, 2000


def drawn_people(
    n: int, columns: int, distinct: int, weight: Floats | None, seed: int
) -> NDArray[np.intp] | None:
    """Places of people drawn at random of n, by weight where there is one; None where the ranges
    of all distinct rows are affordable.

    >>> drawn_people(30_000, 25, 30_000, None, 0).size, drawn_people(10**6, 10, 2000, None, 0)
    (2000, None)
    """
    affordable = max(LEAST, int(WORK / (distinct * max(columns, 1))))
    if affordable >= distinct:
        return None
    people = generator(seed).choice(
        n, min(affordable, MOST), replace=False, p=None if weight is None else weight / weight.sum()
    )
    return np.sort(people)


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
