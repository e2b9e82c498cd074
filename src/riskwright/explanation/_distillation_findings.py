"""Findings of a distillation in plain sentences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from riskwright.core import Estimate, Finding
from riskwright.core.records import Severity

from ._bins import ColumnBins

if TYPE_CHECKING:
    from .distillation import Shape

__all__ = ["difference_findings", "fidelity_finding", "too_few_finding"]

_METHOD = "difference of two additive logistic models, simultaneous band over all bins"


def fidelity_finding(fidelity: Estimate, n_columns: int) -> Finding:
    columns = f"{n_columns} columns" if n_columns > 1 else "one column"
    low, high = 100 * fidelity.low, 100 * fidelity.high
    return Finding(
        code="distillation.fidelity",
        sentence=f"A sum of one curve for each of {columns} explains {100 * fidelity.value:.1f}% "
        f"({low:.1f}% to {high:.1f}%) of the differences between scores of people that it has not "
        f"seen, n = {fidelity.n:,}.",
        severity="info",
        estimate=fidelity,
        method=fidelity.method,
    )


def difference_findings(
    shapes: Sequence[Shape], columns: Sequence[ColumnBins], level: float, limit: float
) -> list[Finding]:
    """For each feature that differs, where most, up and down; one finding if none does."""
    of = {column.name: column for column in columns}
    found = [
        finding
        for shape in shapes
        if shape.differs
        for sign in (1, -1)
        for finding in _most(shape, of.get(shape.feature), sign, level, limit)
    ]
    return found or [_nothing(shapes, level)]


def too_few_finding(outcome: np.ndarray, least: int) -> Finding:
    events = int(outcome.sum())
    return Finding(
        code="distillation.compare",
        sentence=f"Of {outcome.size:,} people {events:,} had the outcome: comparing what score and "
        f"outcomes add takes at least {least} with it and {least} without.",
        severity="info",
        method=_METHOD,
    )


def _most(
    shape: Shape, column: ColumnBins | None, sign: int, level: float, limit: float
) -> Iterator[Finding]:
    assert shape.difference is not None
    assert shape.low is not None
    assert shape.high is not None
    low, high = np.array(shape.low), np.array(shape.high)
    proved = low > 0 if sign > 0 else high < 0
    runs = list(_runs(proved, column.ordered if column else 0))
    if not runs:
        return
    n, difference = np.array(shape.n), np.array(shape.difference)
    first, last = max(runs, key=lambda run: float((n * np.abs(difference))[run[0] : run[1]].sum()))
    at = slice(first, last)
    share = n[at] / n[at].sum()
    estimate = Estimate(
        name="difference in log odds",
        value=float(share @ difference[at]),
        low=float(share @ low[at]),
        high=float(share @ high[at]),
        level=level,
        n=int(n[at].sum()),
        method=_METHOD,
    )
    yield _finding(shape, column, (first, last), estimate, sign, limit)


def _runs(proved: np.ndarray, ordered: int) -> Iterator[tuple[int, int]]:
    """Neighbouring bins that are proved, as (first, one after the last); others one by one."""
    numbers = list(enumerate(proved))
    for held, run in itertools.groupby(numbers[:ordered], key=lambda pair: bool(pair[1])):
        places = [k for k, _ in run]
        if held:
            yield places[0], places[-1] + 1
    yield from ((k, k + 1) for k, held in numbers[ordered:] if held)


def _finding(
    shape: Shape,
    column: ColumnBins | None,
    at: tuple[int, int],
    estimate: Estimate,
    sign: int,
    limit: float,
) -> Finding:
    first, last = at
    words = shape.bins[first]
    if column is not None and last <= column.ordered:
        words = column.words(first, last - 1)
    where = f"{shape.feature} is {words}" if column is not None else words
    proved = estimate.low if sign > 0 else -estimate.high
    severity: Severity = "high" if proved > limit else "medium"
    ends = sorted((abs(estimate.low), abs(estimate.high)))
    times = math.exp(abs(estimate.value))
    return Finding(
        code="distillation.overweights" if sign > 0 else "distillation.underweights",
        sentence=f"For the {estimate.n:,} people whose {where}, the score adds "
        f"{'more' if sign > 0 else 'less'} risk than the outcomes show: the odds it implies are "
        f"{times:.2f} times {'too high' if sign > 0 else 'too low'} ({math.exp(ends[0]):.2f} to "
        f"{math.exp(ends[1]):.2f}).",
        severity=severity,
        estimate=estimate,
        method=_METHOD,
    )


def _nothing(shapes: Sequence[Shape], level: float) -> Finding:
    n = np.concatenate([shape.n for shape in shapes])
    reach = np.concatenate([np.subtract(s.high, s.low) / 2 for s in shapes])  # type: ignore[arg-type]
    order = np.argsort(reach)
    half = float(reach[order][np.searchsorted(np.cumsum(n[order]), n.sum() / 2)])
    rows = sum(shapes[0].n)
    return Finding(
        code="distillation.compare",
        sentence=f"In none of {len(shapes)} features does the score add more or less risk than the "
        f"outcomes show beyond chance, n = {rows:,}; for the typical person odds more than "
        f"{math.exp(half):.2f} times too high or too low would have been seen.",
        severity="info",
        method=_METHOD,
    )
