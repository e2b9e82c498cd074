"""All figures of a probability score at once: `evaluate`."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping
from typing import Any, cast

from numpy.typing import ArrayLike

from riskwright.core import Estimate, Record
from riskwright.stats import normal_quantile, proportion_interval

from ._inputs import Grouping, Rows, Sample, checked_rows, of_sketch, undefined
from ._samples import Bracket, Kernel, Sketched
from .binned_calibration import calibration_error_kernel
from .calibration import (
    calibration_in_the_large_kernel,
    calibration_slope_kernel,
    default_bracket,
    shifted_bracket,
    smooth_bracket,
)
from .calibration_tests import CalibrationTest, calibration_test, calibration_test_kernel
from .discrimination import auroc_kernel, average_precision_kernel, precision_bracket
from .scoring_rules import brier_kernel, brier_of_rows, log_loss_kernel, log_loss_of_rows
from .sketch import parted_bracket
from .smooth_calibration import smooth_error_kernel

__all__ = ["Evaluation", "evaluate"]


class Evaluation(Record, frozen=True, kw_only=True):
    """What `evaluate` found.

    `n` rows of positive weight, `events` their summed weight where the outcome is 1, `prevalence`
    the weighted share of events; `overall` maps the name of a figure to its estimate, and
    `by_group` the label of a group to the same figures and its own "prevalence".
    `calibration_test` is Spiegelhalter's, over all rows. Printing gives a table.
    """

    n: int
    events: float
    prevalence: Estimate
    overall: dict[str, Estimate]
    by_group: dict[str, dict[str, Estimate]]
    level: float
    calibration_test: CalibrationTest | None = None

    def __str__(self) -> str:
        return "\n".join(_table(self))


def evaluate(
    y: ArrayLike | Sketched | Mapping[str, Sketched],
    p: ArrayLike | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
) -> Evaluation:
    """Discrimination, scoring rules and calibration of predicted probabilities.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1; or a `ScoreSketch` in the place of y and p, or a
        mapping from labels to the sketches of disjoint groups
    p : array of shape (n,), predicted probabilities in [0, 1]
    sample_weight : array of shape (n,), at least 0
    groups : array of shape (n,), or a mapping from column names to such arrays
        Figures are given for every group of every column; labels are the value as text for one
        array, "column = value" for a mapping, "(missing)" for a missing value.
    level : confidence level of all intervals.

    Returns
    -------
    Evaluation
        A figure that does not exist (AUROC of one class, slope under perfect separation) is a NaN
        estimate whose method says why, so that the others can still be read.

    Raises
    ------
    DataError : lengths, shapes, missing values, probabilities outside [0, 1], other outcomes,
        more than 1,000 groups in a column.

    Notes
    -----
    Time O(n log n) and one pass more per grouping column.

    Examples
    --------
    >>> result = evaluate([0, 1, 1, 0, 1, 0], [0.2, 0.7, 0.6, 0.3, 0.4, 0.5], groups=list("aaabbb"))
    >>> f"{result.overall['auroc'].value:.3f} {result.by_group['a']['brier'].value:.3f}"
    '0.889 0.097'
    """
    normal_quantile(level)
    if isinstance(y, Sketched | Mapping):
        return _of_sketches(y, p, sample_weight, groups, level)
    rows = checked_rows(y, p, sample_weight, probabilities=True)
    by_group: dict[str, dict[str, Estimate]] = {}
    if isinstance(groups, Mapping):
        for column, values in groups.items():
            figures = _figures_by(rows, rows.grouping(values, column), level)
            by_group |= {f"{column} = {label}": found for label, found in figures.items()}
    elif groups is not None:
        by_group = _figures_by(rows, rows.grouping(groups), level)
    sample = rows.folded()
    overall = _figures(sample, _mean_losses(rows, None, level)[""], level)
    return _evaluation(sample, overall, by_group, level, calibration_test_kernel(sample))


def _of_sketches(
    y: Sketched | Mapping[str, Sketched],
    p: ArrayLike | None,
    sample_weight: ArrayLike | None,
    groups: Any,
    level: float,
) -> Evaluation:
    by_group: dict[str, dict[str, Estimate]] = {}
    if isinstance(y, Mapping):
        for label, part in y.items():
            by_group[str(label)] = _sketched_figures(of_sketch(part), level)
        sketch: Sketched = functools.reduce(operator.add, cast(Any, y).values())
    else:
        sketch = y
    of_sketch(sketch, p, sample_weight, groups)
    overall, test = _sketched_figures(sketch, level), calibration_test(sketch)
    return _evaluation(sketch.middle(), overall, by_group, level, test)


def _evaluation(
    sample: Sample,
    overall: dict[str, Estimate],
    by_group: dict[str, dict[str, Estimate]],
    level: float,
    test: CalibrationTest,
) -> Evaluation:
    return Evaluation(
        n=sample.n,
        events=sample.events,
        prevalence=overall.pop("prevalence"),
        overall=overall,
        by_group=by_group,
        level=level,
        calibration_test=test,
    )


def _figures_by(rows: Rows, grouping: Grouping, level: float) -> dict[str, dict[str, Estimate]]:
    losses = _mean_losses(rows, grouping, level)
    parts = rows.parts(grouping)
    return {label: _figures(part.folded(), losses[label], level) for label, part in parts}


def _mean_losses(
    rows: Rows, grouping: Grouping | None, level: float
) -> dict[str, tuple[Estimate, Estimate]]:
    brier = brier_of_rows(rows, grouping, level)
    log_loss = log_loss_of_rows(rows, grouping, level)
    return {label: (brier[label], log_loss[label]) for label in brier}


def _figures(
    sample: Sample, losses: tuple[Estimate, Estimate], level: float
) -> dict[str, Estimate]:
    found = [
        _prevalence(sample, level),
        auroc_kernel(sample, level),
        average_precision_kernel(sample, level),
        *losses,
        calibration_slope_kernel(sample, level),
        calibration_in_the_large_kernel(sample, level),
        calibration_error_kernel(sample, level),
        smooth_error_kernel(sample, level),
    ]
    return {estimate.name: estimate for estimate in found}


def _sketched_figures(sketch: Sketched, level: float) -> dict[str, Estimate]:
    kernels: list[tuple[Kernel, Bracket | None]] = [
        (_prevalence, parted_bracket),
        (auroc_kernel, parted_bracket),
        (average_precision_kernel, precision_bracket),
        (brier_kernel, parted_bracket),
        (log_loss_kernel, parted_bracket),
        (calibration_slope_kernel, None),
        (calibration_in_the_large_kernel, shifted_bracket),
        (calibration_error_kernel, default_bracket),
        (smooth_error_kernel, smooth_bracket),
    ]
    found = [sketch.estimate(kernel, level, bracket) for kernel, bracket in kernels]
    return {estimate.name: estimate for estimate in found}


def _prevalence(sample: Sample, level: float) -> Estimate:
    if sample.n == 0:
        return undefined("prevalence", sample, level, "no rows")
    value, n = sample.events / sample.total, sample.effective_n
    spread = float(sample.q1.sum() * (1 - value) ** 2 + sample.q0.sum() * value**2)
    if spread:
        n = value * (1 - value) * sample.total**2 / spread
    interval = proportion_interval(value * n, n, level)
    return sample.estimate("prevalence", value, interval, level, "Wilson")


def _table(result: Evaluation) -> Iterator[str]:
    notes: dict[str, int] = {}
    digits = 0 if result.events == round(result.events) else 1
    events = f"{result.events:,.{digits}f} events"
    total = result.events / result.prevalence.value if result.events > 0 else float(result.n)
    if abs(total - result.n) > 1e-6 * result.n:
        events = f"{result.events:,.6g} of {total:,.6g} by weight with the event"
    yield f"{result.n:,} rows, {events}, {100 * result.level:g}% intervals"
    yield from _lines({"prevalence": result.prevalence, **result.overall}, notes)
    if result.calibration_test is not None and result.calibration_test.p_value >= 0:
        note = notes.setdefault(result.calibration_test.method, len(notes) + 1)
        p = result.calibration_test.p_value
        p_value = f"{p:.3f}" if p >= 0.0005 else "<0.001"
        yield f"  {'p of perfect calibration':<26}{p_value:>8}  {'':>18}  [{note}]"
    for label, figures in result.by_group.items():
        yield f"\n{label}: {figures['prevalence'].n:,} rows"
        yield from _lines(figures, notes)
    yield ""
    yield from (f"[{number}] {method}" for method, number in notes.items())


def _lines(figures: dict[str, Estimate], notes: dict[str, int]) -> Iterator[str]:
    for name, figure in figures.items():
        note = notes.setdefault(figure.method, len(notes) + 1)
        span = f"{figure.low:.3f} to {figure.high:.3f}" if figure.low == figure.low else "none"
        value = f"{figure.value:.3f}" if figure.value == figure.value else "none"
        yield f"  {name.replace('_', ' '):<26}{value:>8}  {span:>18}  [{note}]"
