"""Proper scoring rules: the mean loss of predicted probabilities, smaller is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    DataError,
    Estimate,
    MissingValueError,
    ParameterError,
    ValueRangeError,
)
from riskwright.stats import log_interval, logit_interval, normal_interval, normal_quantile
from riskwright.stats._columns import numbers, positive_weights
from riskwright.stats._kernels import crps_rows, loss_sums

from ._inputs import (
    CLIP,
    Grouping,
    Kernel,
    Rows,
    Sample,
    checked_rows,
    clipped,
    estimate,
    metric,
)
from ._samples import NONE, Sketched, stated
from .sketch import parted_bracket

__all__ = [
    "brier",
    "brier_kernel",
    "brier_of_rows",
    "crps",
    "log_loss",
    "log_loss_kernel",
    "log_loss_of_rows",
]

Floats = NDArray[np.float64]

_NO_GROUPS = np.empty(0, np.int32)
_CANCELLED = 1e-6


@dataclass(frozen=True)
class MeanLoss:
    """A weighted mean of losses over `n` rows: sums of weights, of their squares, and of
    w^2 (loss - mean)^2."""

    n: int
    total: float
    squares: float
    mean: float
    spread: float

    @property
    def effective_n(self) -> float:
        return self.total**2 / self.squares if self.n else 0.0

    @property
    def se(self) -> float:
        """Standard error of the mean, 0 where it cannot be estimated."""
        n = self.effective_n
        if n < 1 + 1e-9 or self.spread <= 1e-24 * self.mean**2 * self.total**2:
            return 0.0
        return math.sqrt(self.spread * n / (n - 1)) / self.total

    def estimate(
        self, name: str, interval: tuple[float, float], level: float, method: str
    ) -> Estimate:
        n, effective_n = self.n, self.effective_n
        return stated(name, self.mean, interval, level, method, n, effective_n)

    def without_interval(self, name: str, level: float) -> Estimate:
        nan = math.nan
        reason = "no rows" if self.n == 0 else "the loss is the same in every row"
        method = "none: " + ("one row only" if self.n == 1 else reason)
        if self.n == 0:
            return Estimate(
                name=name, value=nan, low=nan, high=nan, level=level, n=0, method=method
            )
        return self.estimate(name, (nan, nan), level, method)


@metric
def brier(
    y: ArrayLike | Sketched,
    p: ArrayLike | None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Brier score: the mean of (p - y)^2.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1
    p : array of shape (n,), predicted probabilities in [0, 1]
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives.
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1]: 0 is perfect, 0.25 is what p = 0.5 everywhere gives. The interval is the
        normal one on the logit scale with the sandwich variance of a weighted mean (rows, not
        weights, are the independent draws). It is NaN, and the method says so, where all losses
        are equal or there are fewer than two rows.

    Raises
    ------
    DataError : lengths, shapes, missing values, probabilities outside [0, 1], other outcomes.

    Notes
    -----
    One pass over the rows, time O(n), no copy of arrays of usual types. Brier (1950), Monthly
    Weather Review 78:1.

    Examples
    --------
    >>> print(brier([0, 1, 1, 0], [0.1, 0.9, 0.6, 0.3]))
    0.068 (95% CI 0.023 to 0.182)
    """
    if isinstance(y, Sketched):
        return _of_sketch(brier_kernel, y, p, sample_weight, groups, level)
    rows, grouping = _rows(y, p, sample_weight, groups, level)
    found = brier_of_rows(rows, grouping, level)
    return found[""] if grouping is None else found


def brier_of_rows(rows: Rows, grouping: Grouping | None, level: float) -> dict[str, Estimate]:
    """Brier score of every group in one pass; of all rows, under "", without groups."""
    losses = _losses(rows, grouping, logarithmic=False)
    return {label: _brier(loss, level) for label, loss in losses.items()}


def brier_kernel(sample: Sample, level: float) -> Estimate:
    return _brier(_mean_loss(sample, (1 - sample.value) ** 2, sample.value**2), level)


def _brier(loss: MeanLoss, level: float) -> Estimate:
    if loss.se == 0:
        return loss.without_interval("brier", level)
    interval = logit_interval(loss.mean, loss.se, level)
    return loss.estimate("brier", interval, level, "sandwich variance, logit scale")


@metric
def log_loss(
    y: ArrayLike | Sketched,
    p: ArrayLike | None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Logistic loss: the mean of -y log(p) - (1 - y) log(1 - p), in nats.

    Parameters
    ----------
    y, p, sample_weight, groups, level : as for `brier`.
        Probabilities below 2^-52 or above 1 - 2^-52 are moved to these limits, so that a certain
        prediction that fails costs 36.04 and not infinity; the method then says so.

    Returns
    -------
    Estimate or dict of Estimate
        Value of at least 0; log(2) = 0.693 is what p = 0.5 everywhere gives. The interval is the
        normal one on the log scale with the sandwich variance of a weighted mean; NaN as for
        `brier`.

    Raises
    ------
    DataError : as for `brier`.

    Notes
    -----
    Time and memory as for `brier`. Good (1952), JRSS B 14:107.

    Examples
    --------
    >>> print(log_loss([0, 1, 1, 0], [0.1, 0.9, 0.6, 0.3]))
    0.270 (95% CI 0.130 to 0.557)
    """
    if isinstance(y, Sketched):
        return _of_sketch(log_loss_kernel, y, p, sample_weight, groups, level)
    rows, grouping = _rows(y, p, sample_weight, groups, level)
    found = log_loss_of_rows(rows, grouping, level)
    return found[""] if grouping is None else found


def log_loss_of_rows(rows: Rows, grouping: Grouping | None, level: float) -> dict[str, Estimate]:
    """Logistic loss of every group in one pass; of all rows, under "", without groups."""
    losses = _losses(rows, grouping, logarithmic=True)
    moved = _moved(rows, grouping)
    return {label: _log_loss(loss, level, label in moved) for label, loss in losses.items()}


def log_loss_kernel(sample: Sample, level: float) -> Estimate:
    p, note = clipped(sample.value)
    return _log_loss(_mean_loss(sample, -np.log(p), -np.log1p(-p)), level, bool(note))


def _log_loss(loss: MeanLoss, level: float, moved: bool) -> Estimate:
    if loss.se == 0:
        return loss.without_interval("log_loss", level)
    interval = log_interval(loss.mean, loss.se, level)
    note = "; predictions of 0 or 1 moved by 2^-52" if moved else ""
    return loss.estimate("log_loss", interval, level, "sandwich variance, log scale" + note)


def _moved(rows: Rows, grouping: Grouping | None) -> set[str]:
    """Labels of the groups with a prediction of 0 or 1."""
    if not rows.p.size or (rows.p.min() >= CLIP and rows.p.max() <= 1 - CLIP):
        return set()
    if grouping is None:
        return {""}
    extreme = (rows.p < CLIP) | (rows.p > 1 - CLIP)
    return {grouping.labels[code] for code in np.unique(grouping.codes[extreme])}


def _of_sketch(kernel: Kernel, *arguments: Any) -> Estimate | dict[str, Estimate]:
    return estimate(kernel, *arguments, both_classes=False, bracket=parted_bracket)


def _rows(
    y: ArrayLike,
    p: ArrayLike | None,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
    level: float,
) -> tuple[Rows, Grouping | None]:
    normal_quantile(level)
    rows = checked_rows(y, p, sample_weight, probabilities=True)
    return rows, None if groups is None else rows.grouping(groups)


def _losses(rows: Rows, grouping: Grouping | None, *, logarithmic: bool) -> dict[str, MeanLoss]:
    labels = [""] if grouping is None else grouping.labels
    codes = _NO_GROUPS if grouping is None else grouping.codes
    arguments = rows.outcome, rows.p, rows.weight_or_none, codes, len(labels), logarithmic
    sums = loss_sums(*arguments, NONE)
    losses = _means(sums)
    if any(loss.spread < _CANCELLED * row[6] for loss, row in zip(losses, sums, strict=True)):
        losses = _means(loss_sums(*arguments, np.array([loss.mean for loss in losses])))
    return dict(zip(labels, losses, strict=True))


def _means(sums: Floats) -> list[MeanLoss]:
    losses = []
    for n, total, squares, shift, first, cross, second in sums.tolist():
        off = first / total if total else math.nan
        spread = second - 2 * off * cross + off * off * squares
        losses.append(MeanLoss(int(n), total, squares, shift + off, spread))
    return losses


def _mean_loss(sample: Sample, of_event: Floats, of_nonevent: Floats) -> MeanLoss:
    total = sample.total
    if total == 0:
        return MeanLoss(0, 0.0, 0.0, math.nan, 0.0)
    mean = float(sample.w1 @ of_event + sample.w0 @ of_nonevent) / total
    spread = float(sample.q1 @ (of_event - mean) ** 2 + sample.q0 @ (of_nonevent - mean) ** 2)
    squares = float(sample.q1.sum() + sample.q0.sum())
    return MeanLoss(sample.n, total, squares, mean, spread)


def crps(
    y: ArrayLike,
    ensemble: ArrayLike,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    fair: bool = False,
) -> Estimate | dict[str, Estimate]:
    """Continuous ranked probability score of ensemble forecasts: mean E|X - y| - E|X - X'| / 2.

    Parameters
    ----------
    y : array of shape (n,), finite observed outcomes
    ensemble : array of shape (n, m), finite; the m members of each row's forecast, in any order
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives.
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.
    fair : whether pairs of a member with itself are left out
        False scores the ensemble as the forecast it is. True estimates without bias the score of
        the distribution that the members were drawn from (needs m >= 2) and can be negative.

    Returns
    -------
    Estimate or dict of Estimate
        In units of y, 0 is perfect; with one member it is the mean absolute error. The interval
        is normal with the sandwich variance of a weighted mean, on the log scale unless `fair`;
        NaN as for `brier`.

    Raises
    ------
    DataError : lengths, shapes, missing or infinite values.
    ParameterError : `fair` with fewer than two members.

    Notes
    -----
    Time O(n m log^2 m), memory O(n m). Gneiting & Raftery (2007), JASA 102:359; Ferro (2014),
    QJRMS 140:1917 for the fair score.

    Examples
    --------
    >>> f"{crps([0.0, 2.0], [[0.0, 1.0], [1.0, 3.0]]).value:.3f}"
    '0.375'
    """
    normal_quantile(level)
    observed, members = numbers(y, "y"), _members(ensemble)
    if members.shape[0] != observed.size:
        raise DataError(
            "length differs from y",
            where="ensemble",
            expected=f"{observed.size} rows",
            got=str(members.shape[0]),
        )
    if fair and members.shape[1] < 2:
        raise ParameterError("no pairs", where="fair", expected="two members or more", got="1")
    weights, kept = positive_weights(sample_weight, observed.size)
    if kept is not None:
        observed, members = observed[kept], members[kept]
    losses = crps_rows(observed, np.ascontiguousarray(members), members.shape[1], fair)
    if groups is None:
        return _crps(losses, weights, level, fair)
    grouping = Rows(losses, losses, weights, kept).grouping(groups)
    found = {}
    for k, label in enumerate(grouping.labels):
        rows = grouping.codes == k
        part = None if weights is None else weights[rows]
        found[label] = _crps(losses[rows], part, level, fair)
    return found


def _members(ensemble: ArrayLike) -> Floats:
    try:
        members = numbers(ensemble, "ensemble", ndim=2)
    except (MissingValueError, ValueRangeError):
        raise
    except DataError:
        members = np.empty(0)
    if members.ndim != 2 or members.shape[1] == 0:
        raise DataError(
            "not an ensemble",
            where="ensemble",
            expected="numbers of shape (rows, members)",
            got=f"an array of shape {np.shape(ensemble)}",
        )
    return members


def _crps(losses: Floats, weights: Floats | None, level: float, fair: bool) -> Estimate:
    weight = np.ones(losses.size) if weights is None else weights
    total, squares = float(weight.sum()), float(weight @ weight)
    mean = float(weight @ losses) / total if losses.size else math.nan
    spread = float((weight * weight) @ (losses - mean) ** 2)
    loss = MeanLoss(losses.size, total, squares, mean, spread)
    if loss.se == 0:
        return loss.without_interval("crps", level)
    if fair:
        interval = normal_interval(mean, loss.se, level)
        return loss.estimate("crps", interval, level, "fair; sandwich variance")
    interval = log_interval(mean, loss.se, level)
    return loss.estimate("crps", interval, level, "sandwich variance, log scale")
