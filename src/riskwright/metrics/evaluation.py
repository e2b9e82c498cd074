"""All figures of a probability score at once: `evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from numpy.typing import ArrayLike

from riskwright.core import Estimate, Record
from riskwright.stats import normal_quantile, proportion_interval

from ._inputs import Kernel, Sample, checked_rows, undefined
from .calibration import (
    calibration_error_kernel,
    calibration_in_the_large_kernel,
    calibration_slope_kernel,
)
from .discrimination import auroc_kernel, average_precision_kernel
from .scoring_rules import brier_kernel, log_loss_kernel

__all__ = ["Evaluation", "evaluate"]

_KERNELS: tuple[Kernel, ...] = (
    auroc_kernel,
    average_precision_kernel,
    brier_kernel,
    log_loss_kernel,
    calibration_slope_kernel,
    calibration_in_the_large_kernel,
    calibration_error_kernel,
)


class Evaluation(Record, frozen=True, kw_only=True):
    """What `evaluate` found.

    `n` rows of positive weight, `events` their summed weight where the outcome is 1, `prevalence`
    the weighted share of events; `overall` maps the name of a figure to its estimate, and
    `by_group` the label of a group to the same figures and its own "prevalence". Printing gives
    a table.
    """

    n: int
    events: float
    prevalence: Estimate
    overall: dict[str, Estimate]
    by_group: dict[str, dict[str, Estimate]]
    level: float

    def __str__(self) -> str:
        return "\n".join(_table(self))


def evaluate(
    y: ArrayLike,
    p: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    level: float = 0.95,
) -> Evaluation:
    """Discrimination, scoring rules and calibration of predicted probabilities.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1
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
    Time O(n log n) and one pass more per grouping column; about 1 s for 10^6 rows.

    Examples
    --------
    >>> result = evaluate([0, 1, 1, 0, 1, 0], [0.2, 0.7, 0.6, 0.3, 0.4, 0.5], groups=list("aaabbb"))
    >>> f"{result.overall['auroc'].value:.3f} {result.by_group['a']['brier'].value:.3f}"
    '0.889 0.097'
    """
    normal_quantile(level)
    rows = checked_rows(y, p, sample_weight, probabilities=True)
    sample = rows.folded()
    by_group: dict[str, dict[str, Estimate]] = {}
    if isinstance(groups, Mapping):
        for column, values in groups.items():
            for label, part in rows.by_group(values, where=column):
                by_group[f"{column} = {label}"] = _figures(part, level)
    elif groups is not None:
        by_group = {label: _figures(part, level) for label, part in rows.by_group(groups)}
    overall = _figures(sample, level)
    return Evaluation(
        n=sample.n,
        events=sample.events,
        prevalence=overall.pop("prevalence"),
        overall=overall,
        by_group=by_group,
        level=level,
    )


def _figures(sample: Sample, level: float) -> dict[str, Estimate]:
    estimates = [_prevalence(sample, level), *(kernel(sample, level) for kernel in _KERNELS)]
    return {estimate.name: estimate for estimate in estimates}


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
