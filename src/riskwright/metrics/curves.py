"""ROC and precision-recall curves with bands that hold for all thresholds at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import Estimate, Record
from riskwright.stats import normal_quantile, proportion_interval

from ._columns import frame, sample_of
from ._inputs import Sample, of_sketch, refuse_one_class
from ._samples import Sketched
from .discrimination import (
    auroc,
    auroc_kernel,
    average_precision,
    average_precision_kernel,
)

__all__ = ["PrecisionRecallCurve", "RocCurve", "precision_recall_curve", "roc_curve"]

Floats = NDArray[np.float64]

_POINTS = 1000


class RocCurve(Record, frozen=True, kw_only=True):
    """Points of an ROC curve, from "nobody flagged" to "everybody flagged".

    At least `threshold[k]` is flagged, the first of them being infinite. `low` to `high` is a
    band for the true positive rate: with confidence `level` it holds, for every threshold that
    there is, the true positive rate of this threshold at its own false positive rate. `auroc` is
    of all rows.
    """

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    threshold: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    auroc: Estimate
    level: float
    n: int
    method: str

    def to_frame(self) -> Any:
        """Columns false_positive_rate, true_positive_rate, threshold, low, high (polars)."""
        names = ("false_positive_rate", "true_positive_rate", "threshold", "low", "high")
        return frame({name: getattr(self, name) for name in names})


class PrecisionRecallCurve(Record, frozen=True, kw_only=True):
    """Points of a precision-recall curve, from the highest threshold to the lowest.

    At least `threshold[k]` is flagged. `low` to `high` is a band for the precision: with
    confidence `level` it holds, for every threshold that there is, the precision of this
    threshold at its own recall. `average_precision` is of all rows.
    """

    recall: tuple[float, ...]
    precision: tuple[float, ...]
    threshold: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    average_precision: Estimate
    level: float
    n: int
    method: str

    def to_frame(self) -> Any:
        """Columns recall, precision, threshold, low, high (polars)."""
        names = ("recall", "precision", "threshold", "low", "high")
        return frame({name: getattr(self, name) for name in names})


def roc_curve(
    y: ArrayLike | Sketched,
    score: ArrayLike | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> RocCurve:
    """ROC curve with a simultaneous confidence band.

    Parameters
    ----------
    y, score, sample_weight : as for `auroc`; a sketch gives points at the edges of cells.
    level : confidence level of the whole band.

    Returns
    -------
    RocCurve
        About 1,000 points at most: of longer curves those are kept, both ends among them, that lie
        next to even steps of the sum of both rates, so that no point left out is further than
        0.002 from a kept one in either rate unless the data jump. The band is drawn from all.

    Raises
    ------
    DataError, TargetError : as for `auroc`.

    Notes
    -----
    Time O(n log n), memory O(n). The band is valid for every number of rows and every
    distribution of scores (equal weights, independent rows): both empirical distributions stay
    within their Dvoretzky-Kiefer-Wolfowitz distances e1 and e0, each with confidence
    sqrt(level), and whatever lies within both is inside the band (Campbell 1994, Statistics in
    Medicine 13:499). With n1 = n0 = 1,000 it reaches 0.047 up and down and to each side. Unequal
    weights enter by Kish's effective numbers, an approximation. A band says more than an interval
    at one point and is wider.

    Examples
    --------
    >>> curve = roc_curve([0, 0, 1, 0, 1, 1], [1, 2, 3, 3, 4, 5])
    >>> [round(rate, 2) for rate in curve.false_positive_rate], curve.threshold
    ([0.0, 0.0, 0.0, 0.33, 0.67, 1.0], (inf, 5.0, 4.0, 3.0, 2.0, 1.0))
    """
    sample = _sample(y, score, sample_weight, level)
    threshold, x, t = _vertices(sample)
    shown = _thinned(x + t)
    each = math.sqrt(level)
    e1, e0 = _reach(sample.effective_events, each), _reach(sample.effective_nonevents, each)
    first, last = _within(x, shown, e0, coarse=isinstance(y, Sketched))
    return RocCurve(
        false_positive_rate=_tuple(x[shown]),
        true_positive_rate=_tuple(t[shown]),
        threshold=_tuple(threshold[shown]),
        low=_tuple(np.maximum(t[first] - e1, 0.0)),
        high=_tuple(np.minimum(t[last] + e1, 1.0)),
        auroc=auroc(y, level=level) if isinstance(y, Sketched) else auroc_kernel(sample, level),
        level=level,
        n=sample.n,
        method=_stated("simultaneous band, Dvoretzky-Kiefer-Wolfowitz in both rates", sample, y),
    )


def precision_recall_curve(
    y: ArrayLike | Sketched,
    score: ArrayLike | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> PrecisionRecallCurve:
    """Precision-recall curve with a simultaneous confidence band.

    Parameters
    ----------
    y, score, sample_weight : as for `auroc`; a sketch gives points at the edges of cells.
    level : confidence level of the whole band.

    Returns
    -------
    PrecisionRecallCurve
        Thinned as by `roc_curve`, by even steps of both rates. The last point flags everybody: its
        recall is 1 and its precision the prevalence.

    Raises
    ------
    DataError, TargetError : as for `auroc`.

    Notes
    -----
    Time O(n log n), memory O(n). The band is valid for every number of rows and every distribution
    of scores (equal weights, independent rows): Dvoretzky-Kiefer-Wolfowitz for both rates and
    Clopper-Pearson for the prevalence, each with confidence level^(1/3), joined by precision =
    prevalence TPR / (prevalence TPR + (1 - prevalence) FPR). It is wide where false positive rates
    are much smaller than 1 / sqrt(non-events), as for rare events. Unequal weights enter by
    Kish's effective numbers, an approximation.

    Examples
    --------
    >>> curve = precision_recall_curve([0, 0, 1, 0, 1, 1], [1, 2, 3, 3, 4, 5])
    >>> [round(share, 2) for share in curve.precision]
    [1.0, 1.0, 0.75, 0.6, 0.5]
    """
    sample = _sample(y, score, sample_weight, level)
    threshold, x, t = _vertices(sample)
    shown = _thinned(x + t)
    shown = shown[shown > 0]
    each = level ** (1 / 3)
    e1, e0 = _reach(sample.effective_events, each), _reach(sample.effective_nonevents, each)
    share, size = sample.events / sample.total, sample.effective_n
    rare, common = proportion_interval(share * size, size, each, "clopper_pearson")
    first, last = _within(t, shown, e1, coarse=isinstance(y, Sketched))
    fewest, most = np.maximum(x[first] - e0, 0.0), np.minimum(x[last] + e0, 1.0)
    flagged1, flagged0 = share * t[shown], (1 - share) * x[shown]
    return PrecisionRecallCurve(
        recall=_tuple(t[shown]),
        precision=_tuple(flagged1 / (flagged1 + flagged0)),
        threshold=_tuple(threshold[shown]),
        low=_tuple(_precision(rare, t[shown], most, 0.0)),
        high=_tuple(_precision(common, t[shown], fewest, 1.0)),
        average_precision=average_precision(y, level=level)
        if isinstance(y, Sketched)
        else average_precision_kernel(sample, level),
        level=level,
        n=sample.n,
        method=_stated(
            "simultaneous band, Dvoretzky-Kiefer-Wolfowitz in both rates and Clopper-Pearson",
            sample,
            y,
        ),
    )


def _precision(prevalence: float, t: Floats, x: Floats, nothing: float) -> Floats:
    hits, false = prevalence * t, (1 - prevalence) * x
    flagged = hits + false
    return np.asarray(np.divide(hits, flagged, out=np.full(t.size, nothing), where=flagged > 0))


def _sample(
    y: ArrayLike | Sketched, score: ArrayLike | None, sample_weight: ArrayLike | None, level: float
) -> Sample:
    """Of a sketch the rows at the lower edges of their cells, where every point is exact."""
    if not isinstance(y, Sketched):
        return sample_of(y, score, sample_weight, level, both_classes=True, probabilities=False)
    normal_quantile(level)
    sample = of_sketch(y, score, sample_weight).lower()
    refuse_one_class(sample)
    return sample


def _within(
    along: Floats, shown: NDArray[np.intp], reach: float, *, coarse: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The outermost points of the curve within `reach` of each shown one, to either side.

    Between the points of a `coarse` curve lie others: the next points beyond stand for them.
    """
    below, above = along[shown] - reach, along[shown] + reach
    if coarse:
        first = np.searchsorted(along, below - 1e-12, side="right") - 1
        last = np.searchsorted(along, above + 1e-12)
        return np.maximum(first, 0), np.minimum(last, along.size - 1)
    first = np.searchsorted(along, below - 1e-12)
    return first, np.searchsorted(along, above + 1e-12, side="right") - 1


def _vertices(sample: Sample) -> tuple[Floats, Floats, Floats]:
    """Thresholds, descending from infinity, with the false and the true positive rate of each."""
    threshold = np.concatenate([[math.inf], sample.value[::-1]])
    x = np.concatenate([[0.0], np.cumsum(sample.w0[::-1]) / sample.nonevents])
    t = np.concatenate([[0.0], np.cumsum(sample.w1[::-1]) / sample.events])
    x[-1] = t[-1] = 1.0
    return threshold, np.minimum(x, 1.0), np.minimum(t, 1.0)


def _thinned(along: Floats) -> NDArray[np.intp]:
    """Numbers of the points kept, for a position along the curve that ascends from 0 to 2."""
    if along.size <= _POINTS:
        return np.arange(along.size)
    kept = np.searchsorted(along, np.linspace(0.0, 2.0, _POINTS) - 1e-12)
    return np.unique(np.concatenate([[0], kept, [along.size - 1]]))


def _reach(n: float, level: float) -> float:
    """Distance that an empirical distribution of n rows keeps with confidence `level`."""
    return math.sqrt(math.log(2 / (1 - level)) / (2 * n))


def _stated(method: str, sample: Sample, y: ArrayLike | Sketched) -> str:
    if isinstance(y, Sketched):
        method += "; points at the edges of the sketch's cells"
    if sample.effective_n < sample.n * (1 - 1e-9):
        method += f"; weighted rows, effective n = {sample.effective_n:.1f}, approximate"
    return method


def _tuple(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())
