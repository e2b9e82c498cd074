"""Answering only where confident: risk against coverage, and the areas under these curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, cast

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from riskwright.core import DataError, Estimate, ParameterError, Record
from riskwright.stats import log_interval, logit_interval, normal_quantile, proportion_interval
from riskwright.stats._kernels import silent_failures

from ._columns import (
    all_weights,
    checked_share,
    column,
    finite,
    frame,
    grouped,
    groups_of,
    refuse,
    share_interval,
)
from ._inputs import Kernel, Sample, of_sketch
from ._samples import Sketched
from .sketch import ScoreSketch, parted_bracket, with_bracket

__all__ = ["RiskCoverage", "WorkingPoint", "augrc", "aurc", "e_aurc", "risk_coverage"]

Floats = NDArray[np.float64]
Interpolation = Literal["linear", "achievable"]

_POINTS = 1000
_MOST = {"AUGRC": 0.5, "AURC": 1.0, "e-AURC": math.log(2)}
_ONE_KIND = "the loss is the same in every row"


@dataclass(frozen=True)
class _Moments:
    """Sums over the rows of one class at each confidence, the most confident first.

    `w` of the weights, `l` of weight times loss, `q0`, `q1`, `q2` of squared weight times the
    loss to the power 0, 1, 2.
    """

    w: Floats
    l: Floats
    q0: Floats
    q1: Floats
    q2: Floats

    def variance(self, intercept: Floats, slope: Floats) -> float:
        """Sum over rows of (weight (intercept + slope * loss))^2."""
        return float(
            self.q0 @ intercept**2 + 2 * self.q1 @ (intercept * slope) + self.q2 @ slope**2
        )


@dataclass(frozen=True)
class _Folded:
    """Losses folded by confidence, descending; one set of moments per class, or one for all."""

    confidence: Floats
    parts: tuple[_Moments, ...]
    n: int
    zero_one: bool

    @cached_property
    def total(self) -> float:
        return float(sum(part.w.sum() for part in self.parts))

    @property
    def effective_n(self) -> float:
        squares = float(sum(part.q0.sum() for part in self.parts))
        return self.total**2 / squares

    @cached_property
    def share(self) -> Floats:
        """Share of all weight at each confidence."""
        return np.asarray(sum(part.w for part in self.parts)) / self.total

    @cached_property
    def coverage(self) -> Floats:
        covered = np.cumsum(sum(part.w for part in self.parts)) / self.total
        covered[-1] = 1.0
        return covered

    @property
    def mean_loss(self) -> float:
        return float(np.mean([part.l.sum() / part.w.sum() for part in self.parts]))


Functional = Callable[[_Folded], tuple[float, list[tuple[Floats, Floats]]]]


def _fold(loss: Floats, confidence: Floats, weight: Floats, classes: Any = None) -> _Folded:
    kept = weight > 0
    if not kept.all():
        loss, confidence, weight = loss[kept], confidence[kept], weight[kept]
    order = np.argsort(-confidence)
    value, loss, weight = confidence[order], loss[order], weight[order]
    starts = np.flatnonzero(np.concatenate([[True], value[1:] < value[:-1]]))
    if classes is None:
        codes, k = None, 1
    else:
        codes = np.unique(np.asarray(classes)[kept], return_inverse=True)[1][order]
        k = int(codes.max()) + 1
    parts = []
    for number in range(k):
        w = weight if codes is None else weight * (codes == number)
        l, q0 = w * loss, w * w
        columns = [w, l, q0, q0 * loss, l * l]
        if starts.size < value.size:
            columns = [np.add.reduceat(values, starts) for values in columns]
        parts.append(_Moments(*columns))
    zero_one = bool(np.all((loss == 0) | (loss == 1)))
    return _Folded(value[starts], tuple(parts), value.size, zero_one)


def _of_sample(sample: Sample) -> _Folded:
    w1, w0, q1, q0 = (c[::-1] for c in (sample.w1, sample.w0, sample.q1, sample.q0))
    moments = _Moments(w1 + w0, w1, q1 + q0, q1, q1)
    return _Folded(sample.value[::-1], (moments,), sample.n, True)


def _augrc(folded: _Folded) -> tuple[float, list[tuple[Floats, Floats]]]:
    """Value, and per class the influence of a row as intercept and slope in its loss."""
    share, k = folded.share, len(folded.parts)
    below = 1 - (np.cumsum(share) - share / 2)
    middle = np.zeros(share.size)
    for part in folded.parts:
        middle += (np.cumsum(part.l) - part.l / 2) / (k * part.w.sum())
    value = float(share @ middle)
    influence = []
    for part in folded.parts:
        own = float(part.w.sum())
        unit = folded.total / (k * own)
        mean = float(part.l @ below) / own
        influence.append((middle - value - unit * mean, unit * below))
    return value, influence


def _aurc_linear(folded: _Folded) -> tuple[float, list[tuple[Floats, Floats]]]:
    share, k, total = folded.share, len(folded.parts), folded.total
    covered = [np.cumsum(part.w) / total for part in folded.parts]
    risks = [
        np.divide(np.cumsum(part.l) / total, c, out=np.zeros(c.size), where=c > 0)
        for part, c in zip(folded.parts, covered, strict=True)
    ]
    risk = np.asarray(sum(risks)) / k
    middle = (risk + np.concatenate([risk[:1], risk[:-1]])) / 2
    value = float(share @ middle)
    pull = (share + np.concatenate([share[1:], [0.0]])) / 2
    pull[0] += share[0] / 2
    influence = []
    for c, r in zip(covered, risks, strict=True):
        rate = np.divide(pull, k * c, out=np.zeros(c.size), where=c > 0)
        slope = np.cumsum(rate[::-1])[::-1]
        influence.append((middle - value - np.cumsum((rate * r)[::-1])[::-1], slope))
    return value, influence


def _aurc_achievable(folded: _Folded) -> tuple[float, list[tuple[Floats, Floats]]]:
    """Area where rows of one confidence are accepted in random order."""
    (part,) = folded.parts
    share, end = folded.share, folded.coverage
    start = np.concatenate([[0.0], end[:-1]])
    mean = part.l / part.w
    before = np.concatenate([[0.0], np.cumsum(part.l)[:-1]]) / folded.total
    offset = before - mean * start
    offset[0] = 0.0
    log_start = np.log(start, out=np.zeros(start.size), where=start > 0)
    ratio = np.log(end) - log_start
    ratio[0] = 0.0
    piece = mean * share + offset * ratio
    value = float(piece.sum())
    height = piece / share
    log_mean = (xlogy(end, end) - xlogy(start, start)) / share - 1
    step = np.divide(1.0, start, out=np.zeros(start.size), where=start > 0)
    whole = mean * ratio + offset * (step - 1 / end)
    tail = np.concatenate([np.cumsum(whole[:0:-1])[::-1], [0.0]])
    own = mean * (np.log(end) - log_mean) + offset * (ratio / share - 1 / end)
    return value, [(height - value - own - tail, -log_mean)]


def _optimum(folded: _Folded) -> tuple[float, float]:
    """Achievable area of the best order of 0-1 losses, and its derivative by the error rate."""
    error = folded.mean_loss
    value = error + float(xlogy(1 - error, 1 - error))
    return value, -math.log(1 - error) if error < 1 else math.inf


def _excess(folded: _Folded) -> tuple[float, list[tuple[Floats, Floats]]]:
    value, [(intercept, slope)] = _aurc_achievable(folded)
    best, pull = _optimum(folded)
    if math.isinf(pull):
        return 0.0, [(np.zeros(slope.size), np.zeros(slope.size))]
    return max(value - best, 0.0), [(intercept + pull * folded.mean_loss, slope - pull)]


_AREAS: dict[str, Functional] = {"AUGRC": _augrc, "AURC": _aurc_linear, "e-AURC": _excess}


def _figure(name: str, functional: Functional, folded: _Folded, level: float) -> Estimate:
    value, influence = functional(folded)
    pairs = zip(folded.parts, influence, strict=True)
    spread = sum(part.variance(*coefficients) for part, coefficients in pairs)
    return _finished(name, value, spread / folded.total**2, folded, level)


def _finished(name: str, value: float, variance: float, folded: _Folded, level: float) -> Estimate:
    n, error = folded.effective_n, folded.mean_loss
    if folded.zero_one and error in (0.0, 1.0):
        low, high = _of_one_kind(name, error, n, level)
        method = "Clopper-Pearson for the error rate, best or worst order"
    elif n < 2 - 1e-9 or variance <= 1e-24 * error**2 or value <= 1e-12 * error:
        low = high = math.nan
        best = "the best order of these losses" if value <= 1e-12 * error else _ONE_KIND
        method = "none: " + ("one row only" if folded.n == 1 else best)
    else:
        se = math.sqrt(variance * n / (n - 1))
        low, high = _interval(name, value, se, folded, level)
        method = f"influence function, {'logit' if folded.zero_one else 'log'} scale"
    if n < folded.n * (1 - 1e-9):
        method += f"; weighted rows, effective n = {n:.1f}"
    return Estimate(
        name=name, value=value, low=low, high=high, level=level, n=folded.n, method=method
    )


def _interval(
    name: str, value: float, se: float, folded: _Folded, level: float
) -> tuple[float, float]:
    """Normal interval on the logit of the share of the largest value there is, or on the log."""
    if not folded.zero_one:
        return log_interval(value, se, level)
    most = _MOST[name] if len(folded.parts) == 1 else 1.0
    low, high = logit_interval(value / most, se / most, level)
    return low * most, high * most


def _of_one_kind(name: str, error: float, n: float, level: float) -> tuple[float, float]:
    """Ends that the interval of an error rate of 0 or 1 leaves, whatever the order of the rows."""
    low, high = proportion_interval(error * n, n, level, "clopper_pearson")
    if name == "e-AURC":
        rate = min(high, 0.5) if error == 0 else max(low, 0.5)
        return 0.0, float(-xlogy(rate, rate) - xlogy(1 - rate, 1 - rate))
    if name == "AUGRC":
        return low**2 / 2, high - high**2 / 2
    return low + float(xlogy(1 - low, 1 - low)), high - float(xlogy(high, high))


@grouped
def augrc(
    loss: ArrayLike | Sketched,
    confidence: ArrayLike | None = None,
    /,
    *,
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Area under the generalised risk-coverage curve: mean risk of a silent failure.

    The generalised risk at a coverage is the mean over all rows of the loss of those accepted (of
    highest confidence); the area is its mean over all coverages.

    Parameters
    ----------
    loss : array of shape (n,), finite, at least 0; 1 for a failure and 0 otherwise, or graded
    confidence : array of shape (n,), finite, higher means accepted earlier
    classes : array of shape (n,), optional
        Class of each row: the generalised risk is then the mean over classes of each class's own
        (the class-balanced variant).
    sample_weight : array of shape (n,), at least 0
        A row of weight 2 gives the value that the row twice gives.
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, B / 2] for losses in [0, B]; smaller is better. For 0-1 losses with error
        rate e it lies between e^2 / 2 and e - e^2 / 2, and without ties it is
        (1 - AUROC) e (1 - e) + e^2 / 2, AUROC being that of telling failures by confidence. The
        interval is the normal one with the variance of the influence function (rows, not weights,
        are the independent draws), on the log scale for graded losses and on the logit of the
        share of the largest value for 0-1 losses; it is meant for 10 failures or more. Where
        all losses are 0, or all 1, its ends follow from Clopper and Pearson's for the error rate,
        whatever the order. Where all are another number it is NaN and the method says so.

    Raises
    ------
    DataError : lengths, shapes, missing or infinite values, negative losses or weights.

    Notes
    -----
    Time O(n log n), memory O(n). The curve is linear between working points, so rows of equal
    confidence enter together. Traub et al. (2024), "Overcoming Common Flaws in the Evaluation of
    Selective Classification Systems", NeurIPS. The value is a V-statistic, its influence the sum
    of a row's own accepted rank and the losses accepted before it.

    Examples
    --------
    >>> print(augrc([0, 0, 1, 0, 1, 1], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]))
    0.153 (95% CI 0.024 to 0.397)
    """
    return _estimates("AUGRC", _augrc, loss, confidence, classes, sample_weight, groups, level)


@grouped
def aurc(
    loss: ArrayLike | Sketched,
    confidence: ArrayLike | None = None,
    /,
    *,
    interpolation: Interpolation = "linear",
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Area under the risk-coverage curve: mean over coverages of the loss among the accepted.

    Parameters
    ----------
    loss, confidence, sample_weight, groups, level : as for `augrc`.
    interpolation : "linear" or "achievable"
        Between working points the risk is linear in the coverage, as is usual, or what accepting
        rows of equal confidence in random order gives. They differ where confidences are tied.
    classes : array of shape (n,), optional
        Class of each row: the risk is then the mean over classes of the loss among the accepted
        of each class, 0 for a class of which none is accepted. For linear interpolation only.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, B] for losses in [0, B]; smaller is better. Failures at the highest
        confidences weigh most (about log(n) times the mean), which `augrc` mends. The interval is
        as for `augrc`; with fewer than 500 rows it covers some points less than `level`.

    Raises
    ------
    DataError : as for `augrc`.
    ParameterError : an unknown interpolation, or classes with "achievable".

    Notes
    -----
    Time O(n log n), memory O(n). Geifman & El-Yaniv (2017), NeurIPS. From coverage 0 to the first
    working point the risk is that of this point; where other programs start from (0, 0), theirs
    is smaller by half of its risk times its coverage.

    Examples
    --------
    >>> print(aurc([0, 0, 1, 0, 1, 1], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]))
    0.206 (95% CI 0.029 to 0.688)
    """
    if interpolation not in ("linear", "achievable"):
        raise ParameterError(
            "unknown interpolation",
            where="interpolation",
            expected="linear or achievable",
            got=repr(interpolation),
        )
    if interpolation == "achievable" and classes is not None:
        raise ParameterError(
            "classes with achievable interpolation",
            where="classes",
            expected="linear interpolation",
        )
    functional = _aurc_linear if interpolation == "linear" else _aurc_achievable
    return _estimates("AURC", functional, loss, confidence, classes, sample_weight, groups, level)


@grouped
def e_aurc(
    loss: ArrayLike | Sketched,
    confidence: ArrayLike | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Excess AURC: AURC less that of the best order of the same losses.

    Parameters
    ----------
    loss, confidence, sample_weight, groups, level : as for `augrc`.

    Returns
    -------
    Estimate or dict of Estimate
        Value of at least 0; 0 where every failure is less confident than every success. Both areas
        are of achievable interpolation, so that ties cannot push it below 0; for 0-1 losses with
        error rate e the best is e + (1 - e) log(1 - e). The interval is as for `augrc`; NaN at the
        best order, where the influence function vanishes.

    Raises
    ------
    DataError : as for `augrc`.

    Notes
    -----
    Time O(n log n), memory O(n). Geifman, Uziel & El-Yaniv (2019), ICLR.

    Examples
    --------
    >>> print(e_aurc([0, 0, 1, 0, 1, 1], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]))
    0.057 (95% CI 0.003 to 0.423)
    """
    return _estimates("e-AURC", None, loss, confidence, None, sample_weight, groups, level)


def _estimates(
    name: str,
    functional: Functional | None,
    loss: ArrayLike | Sketched,
    confidence: ArrayLike | None,
    classes: ArrayLike | None,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
    level: float,
) -> Estimate | dict[str, Estimate]:
    normal_quantile(level)
    if isinstance(loss, Sketched):
        of_sketch(loss, confidence, sample_weight, groups, classes)
        return _sketched(loss, name, functional or _excess, level)
    if functional is _augrc and classes is None and sample_weight is None and groups is None:
        return _augrc_of_rows(*_columns(loss, confidence), level)
    rows = _checked(loss, confidence, sample_weight)
    labels = None if classes is None else _classes(classes, rows[0].size)

    def one(chosen: Any) -> Estimate:
        losses, confidences, weight = (values[chosen] for values in rows)
        if not (weight > 0).any():
            return _nothing(name, level)
        if functional is None:
            return _excess_estimate(losses, confidences, weight, level)
        codes = None if labels is None else labels[chosen]
        return _figure(name, functional, _fold(losses, confidences, weight, codes), level)

    if groups is None:
        return one(slice(None))
    return {label: one(chosen) for label, chosen in groups_of(groups, rows[0].size)}


def _kernel(sample: Sample, level: float, name: str, functional: Functional) -> Estimate:
    return _figure(name, functional, _of_sample(sample), level)


def _sketched(sketch: Sketched, name: str, functional: Functional, level: float) -> Estimate:
    kernel = partial(_kernel, name=name, functional=functional)
    return sketch.estimate(
        kernel, level, _aurc_bracket if functional is _aurc_linear else parted_bracket
    )


def _aurc_bracket(sketch: ScoreSketch, kernel: Kernel, level: float, found: Estimate) -> Estimate:
    """Every cell's share times the least and the most that the risk can be within the cell."""
    cells = sketch.cells()
    failed, passed = cells.w1[::-1], cells.w0[::-1]
    together = (cells.low == cells.high)[::-1]
    lost, covered = np.cumsum(failed), np.cumsum(failed + passed)
    lost0, covered0 = lost - failed, covered - failed - passed
    end = lost / covered
    start = np.divide(lost0, covered0, out=end.copy(), where=covered0 > 0)
    most = np.divide(lost, covered - passed, out=start.copy(), where=failed > 0)
    least = np.divide(lost0, covered - failed, out=start.copy(), where=passed > 0)
    if together[0]:
        most[0] = least[0] = end[0]
    share = np.diff(covered, prepend=0.0) / covered[-1]
    both = (start + end) / 2
    high = float(share @ np.where(together, both, most))
    low = float(share @ np.where(together, both, least))
    lower, upper = (_moved(found, value) for value in (low, high))
    return with_bracket(found, lower, upper, bins=sketch.bins)


def _moved(found: Estimate, value: float) -> Estimate:
    """`found` at another value, its ends as far from it as before."""
    by = value - found.value
    low, high = max(found.low + by, 0.0), min(found.high + by, 1.0)
    return msgspec.structs.replace(found, value=value, low=low, high=high)


def _nothing(name: str, level: float) -> Estimate:
    nan = math.nan
    return Estimate(
        name=name, value=nan, low=nan, high=nan, level=level, n=0, method="none: no rows"
    )


def _excess_estimate(
    loss: Floats,
    confidence: Floats,
    weight: Floats,
    level: float,
    folded: _Folded | None = None,
) -> Estimate:
    """Excess area; graded losses need the influence on the best order row by row."""
    folded = folded or _fold(loss, confidence, weight)
    if folded.zero_one:
        return _figure("e-AURC", _excess, folded, level)
    best = _fold(loss, -loss, weight)
    value, [(intercept, slope)] = _aurc_achievable(folded)
    least, [(base, pull)] = _aurc_achievable(best)
    at = np.searchsorted(-folded.confidence, -confidence)
    influence = intercept[at] + slope[at] * loss
    at = np.searchsorted(-best.confidence, loss)
    influence -= base[at] + pull[at] * loss
    inside = weight > 0
    spread = float(weight[inside] ** 2 @ influence[inside] ** 2)
    return _finished("e-AURC", max(value - least, 0.0), spread / folded.total**2, folded, level)


def _augrc_of_rows(loss: Floats, confidence: Floats, level: float) -> Estimate:
    """Without weights, losses of 0 and 1 need no folded columns."""
    columns = np.ascontiguousarray(loss), np.ascontiguousarray(confidence)
    failures, area, squares = silent_failures(*columns)
    if failures < 0:
        return _figure("AUGRC", _augrc, _fold(loss, confidence, np.ones(loss.size)), level)
    n, failed = np.array([float(loss.size)]), np.array([failures])
    totals = _Folded(np.zeros(1), (_Moments(n, failed, n, failed, failed),), loss.size, True)
    return _finished("AUGRC", area, squares / loss.size**2, totals, level)


def _checked(
    loss: ArrayLike, confidence: ArrayLike | None, sample_weight: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    losses, confidences = _columns(loss, confidence)
    return losses, confidences, all_weights(sample_weight, losses.size)


def _columns(loss: ArrayLike, confidence: ArrayLike | None) -> tuple[Floats, Floats]:
    losses = column(loss, "loss")
    if losses.min() < 0:
        refuse(losses < 0, "loss", "negative losses", "values of at least 0")
    if confidence is None:
        raise DataError("no confidence", where="confidence", expected="one value per row")
    return losses, column(confidence, "confidence", losses.size)


def _classes(classes: ArrayLike, n: int) -> NDArray[np.intp]:
    codes = np.empty(n, dtype=np.intp)
    for code, (_, rows) in enumerate(groups_of(classes, n, "classes")):
        codes[rows] = code
    return codes


class WorkingPoint(Record, frozen=True, kw_only=True):
    """What accepting every row of at least `threshold` confidence gives.

    `coverage` is the share accepted, `selective_risk` the mean loss among the accepted,
    `generalised_risk` the loss of the accepted per row of all. The intervals are for this
    threshold, held fixed: a threshold chosen to look good on these rows does worse on others.
    """

    threshold: float
    coverage: Estimate
    selective_risk: Estimate
    generalised_risk: Estimate


@dataclass(frozen=True)
class RiskCoverage:
    """Risk against coverage, and the areas under the curves, as `risk_coverage` found them.

    `coverage`, `threshold`, `selective_risk`, `generalised_risk` are arrays over working points,
    thinned to about 1,000 (the first and the last are kept, and no two neighbours are further
    apart than 0.001 in coverage unless the data are); `low` and `high` are pointwise ends for the
    selective risk. Areas and `at` use all rows.
    """

    augrc: Estimate
    aurc: Estimate
    e_aurc: Estimate
    coverage: Floats = field(repr=False)
    threshold: Floats = field(repr=False)
    selective_risk: Floats = field(repr=False)
    generalised_risk: Floats = field(repr=False)
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)
    level: float
    n: int
    _folded: _Folded = field(repr=False)

    def at(self, *, coverage: float | None = None, risk: float | None = None) -> WorkingPoint:
        """The working point of least coverage >= `coverage`, or of most with risk <= `risk`.

        Where no working point has a selective risk that small, nothing is accepted: the threshold
        is infinite, the coverage 0 and the selective risk NaN. A limit met on these rows is no
        promise for others. Raises `ParameterError` unless exactly one of both is given, coverage
        above 0 and at most 1.

        Examples
        --------
        >>> curve = risk_coverage([0, 0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6, 0.5])
        >>> print(curve.at(coverage=0.6).selective_risk)
        0.333 (95% CI 0.061 to 0.792)
        >>> curve.at(risk=0.25).threshold
        0.6
        """
        if (coverage is None) == (risk is None):
            raise ParameterError(
                "not one limit", where="coverage, risk", expected="exactly one of both"
            )
        (part,) = self._folded.parts
        if coverage is not None:
            if not checked_share(coverage, "coverage") > 0:
                raise ParameterError("no coverage", where="coverage", expected="above 0")
            k = int(np.searchsorted(self._folded.coverage, coverage - 1e-12))
            return _working_point(self._folded, k, self.level)
        limit = finite(cast(float, risk), "risk")
        accepted = np.cumsum(part.l) <= limit * np.cumsum(part.w) * (1 + 1e-12)
        met = np.flatnonzero(accepted)
        return _working_point(self._folded, int(met[-1]) if met.size else -1, self.level)

    def to_frame(self) -> Any:
        """Columns coverage, threshold, selective_risk, low, high, generalised_risk (polars)."""
        names = ("coverage", "threshold", "selective_risk", "low", "high", "generalised_risk")
        return frame({name: getattr(self, name).tolist() for name in names})


def risk_coverage(
    loss: ArrayLike | Sketched,
    confidence: ArrayLike | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> RiskCoverage:
    """Risk-coverage curves of a confidence, their areas, and any working point of them.

    Parameters
    ----------
    loss, confidence, sample_weight, level : as for `augrc`.

    Returns
    -------
    RiskCoverage
        `.augrc`, `.aurc` (linear interpolation), `.e_aurc` with intervals; the curves as arrays;
        `.at(coverage=...)` or `.at(risk=...)` for a working point; `.to_frame()`. Pointwise
        intervals of the selective risk are Wilson's for 0-1 losses, and for graded ones the normal
        one of a weighted mean on the log scale (NaN where the accepted losses are all equal).

    Raises
    ------
    DataError : as for `augrc`.

    Notes
    -----
    Time O(n log n), memory O(n).

    Examples
    --------
    >>> curve = risk_coverage([0, 0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6, 0.5])
    >>> f"{curve.augrc.value:.2f}", curve.generalised_risk.tolist()
    ('0.12', [0.0, 0.0, 0.2, 0.2, 0.4])
    """
    normal_quantile(level)
    if isinstance(loss, Sketched):
        folded = _of_sample(of_sketch(loss, confidence, sample_weight).lower())
        areas = [_sketched(loss, name, functional, level) for name, functional in _AREAS.items()]
    else:
        rows = _checked(loss, confidence, sample_weight)
        folded = _fold(*rows)
        areas = [
            _figure("AUGRC", _augrc, folded, level),
            _figure("AURC", _aurc_linear, folded, level),
            _excess_estimate(*rows, level, folded),
        ]
    shown = _thinned(folded.coverage)
    (part,) = folded.parts
    lost, covered = np.cumsum(part.l) / folded.total, folded.coverage
    low, high = _pointwise(folded, shown, level)
    return RiskCoverage(
        augrc=areas[0],
        aurc=areas[1],
        e_aurc=areas[2],
        coverage=covered[shown],
        threshold=folded.confidence[shown],
        selective_risk=lost[shown] / covered[shown],
        generalised_risk=lost[shown],
        low=low,
        high=high,
        level=level,
        n=folded.n,
        _folded=folded,
    )


def _thinned(coverage: Floats) -> NDArray[np.intp]:
    if coverage.size <= _POINTS:
        return np.arange(coverage.size)
    grid = np.searchsorted(coverage, np.linspace(0, 1, _POINTS) - 1e-12)
    return np.unique(np.append(grid, coverage.size - 1))


def _pointwise(folded: _Folded, shown: NDArray[np.intp], level: float) -> tuple[Floats, Floats]:
    """Interval of the mean loss among the accepted at each working point."""
    (part,) = folded.parts
    w, l, q0, q1, q2 = (
        np.cumsum(column)[shown] for column in (part.w, part.l, part.q0, part.q1, part.q2)
    )
    risk = np.minimum(l / w, 1.0) if folded.zero_one else l / w
    spread = np.maximum(q2 - 2 * risk * q1 + risk**2 * q0, 0.0)
    kish = w**2 / q0
    sure = spread > 1e-20 * np.maximum(risk, 1e-100) ** 2 * w**2
    if folded.zero_one:
        n = np.divide(risk * (1 - risk) * w**2, spread, out=kish, where=sure)
        low, high = proportion_interval(risk * n, n, level)
        return np.asarray(low), np.asarray(high)
    sure &= kish > 1 + 1e-9
    factor = np.divide(kish, kish - 1, out=np.full(w.size, np.nan), where=sure)
    relative = np.divide(np.sqrt(spread * factor), l, out=np.full(w.size, np.nan), where=sure)
    reach = np.exp(normal_quantile(level) * relative)
    return risk / reach, risk * reach


def _working_point(folded: _Folded, k: int, level: float) -> WorkingPoint:
    (part,) = folded.parts
    if k < 0:
        accepted = np.zeros(0, dtype=np.intp)
        threshold, share, low, high = math.inf, 0.0, math.nan, math.nan
        risk = math.nan
    else:
        accepted = np.arange(k + 1)
        threshold, share = float(folded.confidence[k]), float(folded.coverage[k])
        risk = float(part.l[accepted].sum() / part.w[accepted].sum())
        low, high = (float(ends[0]) for ends in _pointwise(folded, np.array([k]), level))
    inside, squares = float(part.q0[accepted].sum()), float(part.q0.sum())
    spread = inside * (1 - share) ** 2 + (squares - inside) * share**2
    coverage = share_interval(share, spread, folded.total, folded.effective_n, level)
    kind = "Wilson" if folded.zero_one else "sandwich variance, log scale"
    kinds = "threshold held fixed, " + kind
    nothing = "none: nothing is accepted" if k < 0 else "none: the accepted losses are all equal"
    general = _generalised(folded, accepted, level)
    made = partial(Estimate, level=level, n=folded.n)
    return WorkingPoint(
        threshold=threshold,
        coverage=made(
            name="coverage",
            value=share,
            low=coverage[0],
            high=coverage[1],
            method="threshold held fixed, Wilson",
        ),
        selective_risk=made(
            name="selective risk",
            value=risk,
            low=low,
            high=high,
            method=kinds if low == low else nothing,
        ),
        generalised_risk=made(
            name="generalised risk",
            value=general[0],
            low=general[1],
            high=general[2],
            method=kinds if general[1] == general[1] else nothing,
        ),
    )


def _generalised(
    folded: _Folded, accepted: NDArray[np.intp], level: float
) -> tuple[float, float, float]:
    """Mean over all rows of the loss of the accepted, with its interval."""
    (part,) = folded.parts
    total, n = folded.total, folded.effective_n
    value = float(part.l[accepted].sum()) / total
    spread = float((part.q2[accepted] - 2 * value * part.q1[accepted]).sum())
    spread = max(spread + value**2 * float(part.q0.sum()), 0.0)
    if folded.zero_one:
        return value, *share_interval(min(value, 1.0), spread, total, n, level)
    if n < 2 - 1e-9 or spread <= 1e-20 * value**2 * total**2:
        return value, math.nan, math.nan
    return value, *log_interval(value, math.sqrt(spread * n / (n - 1)) / total, level)
