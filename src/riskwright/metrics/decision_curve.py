"""Decision curves: the net benefit of acting on a probability above a threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import Estimate, ParameterError, Record
from riskwright.stats import normal_quantile

from ._columns import frame, grouped, sample_of, samples_of, share_interval
from ._inputs import Sample, estimate, of_sketch, undefined
from ._samples import Sketched
from .sketch import parted_bracket

__all__ = ["NetBenefitCurve", "net_benefit", "net_benefit_at", "net_benefit_kernel"]

Floats = NDArray[np.float64]

_PLAIN = "Wilson for both rates, recovered variances; pointwise"
_DELTA = "delta method; pointwise"


class NetBenefitCurve(Record, frozen=True, kw_only=True):
    """Net benefit over thresholds, with pointwise intervals of `level`.

    `treat_all` is the net benefit of acting on everyone, `treat_none` is 0. `standardised` tells
    whether all of them are divided by the prevalence. `methods` holds how each interval was had.
    """

    threshold: tuple[float, ...]
    net_benefit: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    treat_all: tuple[float, ...]
    treat_none: float
    prevalence: float
    standardised: bool
    level: float
    n: int
    methods: tuple[str, ...]

    def at(self, threshold: float) -> Estimate:
        """The estimate at one of the thresholds of the curve.

        Raises `ParameterError` for any other; `net_benefit_at` computes it.
        """
        if threshold not in self.threshold:
            raise ParameterError(
                "not a threshold of this curve",
                where="threshold",
                expected="one of those that the curve was computed for",
                got=repr(threshold),
                hint="Use net_benefit_at for any other threshold",
            )
        k = self.threshold.index(threshold)
        return Estimate(
            name=_name(self.standardised),
            value=self.net_benefit[k],
            low=self.low[k],
            high=self.high[k],
            level=self.level,
            n=self.n,
            method=self.methods[k],
        )

    def to_frame(self) -> Any:
        """Columns threshold, net_benefit, low, high, treat_all, treat_none (polars)."""
        return frame(
            {
                "threshold": self.threshold,
                "net_benefit": self.net_benefit,
                "low": self.low,
                "high": self.high,
                "treat_all": self.treat_all,
                "treat_none": (self.treat_none,) * len(self.threshold),
            }
        )


@overload
def net_benefit(
    y: Mapping[str, Sketched],
    /,
    *,
    thresholds: ArrayLike | None = ...,
    standardised: bool = ...,
    level: float = ...,
) -> dict[str, NetBenefitCurve]: ...
@overload
def net_benefit(
    y: ArrayLike | Sketched,
    p: ArrayLike | None = ...,
    /,
    thresholds: ArrayLike | None = ...,
    *,
    standardised: bool = ...,
    sample_weight: ArrayLike | None = ...,
    groups: None = ...,
    level: float = ...,
) -> NetBenefitCurve: ...
@overload
def net_benefit(
    y: ArrayLike,
    p: ArrayLike,
    /,
    thresholds: ArrayLike | None = ...,
    *,
    standardised: bool = ...,
    sample_weight: ArrayLike | None = ...,
    groups: ArrayLike,
    level: float = ...,
) -> dict[str, NetBenefitCurve]: ...
def net_benefit(
    y: ArrayLike | Sketched | Mapping[str, Sketched],
    p: ArrayLike | None = None,
    /,
    thresholds: ArrayLike | None = None,
    *,
    standardised: bool = False,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> NetBenefitCurve | dict[str, NetBenefitCurve]:
    """Decision curve: net benefit of acting where p >= threshold, for a range of thresholds.

    Net benefit at threshold t is TP / n - FP / n * t / (1 - t): true positives per person, less
    the false ones at the rate of exchange that the threshold implies.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1; or a sketch, whose intervals hold the bracket too, or
        a mapping from labels to sketches
    p : array of shape (n,), predicted probabilities in [0, 1]
    thresholds : array of shape (k,), 0 <= t < 1; 0.01, 0.02, ..., 0.99 where none are given.
    standardised : divide by the prevalence, so that 1 is the best that any model can reach.
    sample_weight : array of shape (n,), at least 0
    groups : array of shape (n,), optional
        Gives one curve per group, keyed by the label as text.
    level : confidence level of each pointwise interval.

    Returns
    -------
    NetBenefitCurve or dict of NetBenefitCurve
        The intervals hold at each threshold by itself, not for the whole curve at once. The plain
        one joins Wilson's intervals of TP / n and FP / n with their covariance and has no
        degenerate case. The standardised one is the delta method's and NaN where there is no
        spread, or no event.

    Raises
    ------
    DataError : as for `brier`.
    ParameterError : thresholds outside [0, 1).

    Notes
    -----
    Time O(n log n + k), memory O(n + k). Vickers & Elkin (2006), Medical Decision Making 26:565;
    Zou & Donner (2008), Statistics in Medicine 27:1693.

    Examples
    --------
    >>> curve = net_benefit([0, 1, 0, 1, 0], [0.1, 0.8, 0.3, 0.6, 0.5], [0.2, 0.4])
    >>> [f"{value:.3f}" for value in curve.net_benefit], [f"{v:.2f}" for v in curve.treat_all]
    (['0.300', '0.267'], ['0.25', '0.00'])
    """
    normal_quantile(level)
    cuts = _checked(np.linspace(0.01, 0.99, 99) if thresholds is None else thresholds)
    if isinstance(y, Sketched | Mapping):
        parts = y if isinstance(y, Mapping) else {"": y}
        found = {
            str(label): _of_sketch(
                of_sketch(part, p, sample_weight, groups), cuts, standardised, level
            )
            for label, part in parts.items()
        }
        return found if isinstance(y, Mapping) else found[""]
    if groups is not None:
        samples = samples_of(y, p, sample_weight, groups, level, probabilities=True)
        return {k: _curve(part, cuts, standardised, level) for k, part in samples.items()}
    sample = sample_of(y, p, sample_weight, level, both_classes=False, probabilities=True)
    return _curve(sample, cuts, standardised, level)


@grouped
def net_benefit_at(
    y: ArrayLike | Sketched,
    p: ArrayLike | None,
    threshold: float,
    /,
    *,
    standardised: bool = False,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Net benefit of acting where p >= threshold, at one threshold.

    Parameters
    ----------
    y, p, standardised, sample_weight, groups, level : as for `net_benefit`; p is None beside a
        sketch.
    threshold : 0 <= threshold < 1.

    Returns
    -------
    Estimate or dict of Estimate
        What `net_benefit` gives at this threshold. At most the prevalence (1 if standardised);
        0 is what acting on nobody gives; negative where false positives outweigh the true ones.

    Raises
    ------
    DataError, ParameterError : as for `net_benefit`.

    Examples
    --------
    >>> print(net_benefit_at([0, 1, 0, 1, 0], [0.1, 0.8, 0.3, 0.6, 0.5], 0.4))
    0.267 (95% CI -0.208 to 0.692)
    """
    cut = float(_checked([threshold])[0])
    kernel = partial(net_benefit_kernel, threshold=cut, standardised=standardised)
    return estimate(
        kernel, y, p, sample_weight, groups, level, both_classes=False, bracket=parted_bracket
    )


def net_benefit_kernel(
    sample: Sample, level: float, threshold: float = 0.5, standardised: bool = False
) -> Estimate:
    name = _name(standardised)
    if sample.n == 0:
        return undefined(name, sample, level, "no rows")
    if standardised and sample.events == 0:
        return undefined(name, sample, level, f"no event among {sample.n} rows")
    cut = int(np.searchsorted(sample.value, threshold))
    odds = threshold / (1 - threshold)
    hits = float(sample.w1[cut:].sum()), float(sample.q1[cut:].sum())
    false = float(sample.w0[cut:].sum()), float(sample.q0[cut:].sum())
    if standardised:
        value = (hits[0] - odds * false[0]) / sample.events
        squares = float(sample.q1.sum()), hits[1], false[1]
        interval = _delta(value, odds, squares, sample, level)
        method = _DELTA if interval[0] == interval[0] else "none: the gain is the same in every row"
    else:
        value = (hits[0] - odds * false[0]) / sample.total
        interval = _recovered(hits, false, odds, sample, level)
        method = _PLAIN
    return sample.estimate(name, value, interval, level, method)


def _delta(
    value: float, odds: float, squares: tuple[float, float, float], sample: Sample, level: float
) -> tuple[float, float]:
    """Interval of (TP - odds FP) / events, a ratio of two means over the same rows."""
    events, hits, false = squares
    spread = hits * (1 - value) ** 2 + (events - hits) * value**2 + false * odds**2
    n = sample.effective_n
    if n < 2 - 1e-9 or spread <= 1e-24 * sample.events**2:
        return math.nan, math.nan
    reach = normal_quantile(level) * math.sqrt(spread * n / (n - 1)) / sample.events
    return value - reach, value + reach


def _recovered(
    hits: tuple[float, float],
    false: tuple[float, float],
    odds: float,
    sample: Sample,
    level: float,
) -> tuple[float, float]:
    """Interval of a - odds b for two shares of the same rows, from Wilson's interval of each."""
    total = sample.total
    squares = float(sample.q1.sum() + sample.q0.sum())
    a, b = hits[0] / total, false[0] / total
    spread_a = hits[1] * (1 - a) ** 2 + (squares - hits[1]) * a**2
    spread_b = false[1] * (1 - b) ** 2 + (squares - false[1]) * b**2
    low_a, high_a = share_interval(a, spread_a, total, sample.effective_n, level)
    low_b, high_b = share_interval(b, spread_b, total, sample.effective_n, level)
    shared = squares * a * b - hits[1] * b - false[1] * a
    scale = math.sqrt(spread_a * spread_b)
    correlation = max(shared / scale, -1.0) if scale > 0 else 0.0
    value = a - odds * b
    below = _joined(a - low_a, odds * (high_b - b), correlation)
    above = _joined(high_a - a, odds * (b - low_b), correlation)
    return value - below, value + above


def _joined(a: float, b: float, correlation: float) -> float:
    return math.sqrt(max(a * a + b * b - 2 * correlation * a * b, 0.0))


def _of_sketch(sketch: Sketched, cuts: Floats, standardised: bool, level: float) -> NetBenefitCurve:
    found = [
        sketch.estimate(
            partial(net_benefit_kernel, threshold=float(t), standardised=standardised),
            level,
            parted_bracket,
        )
        for t in cuts
    ]
    return _curve_of(sketch.middle(), found, cuts, standardised, level)


def _curve(sample: Sample, cuts: Floats, standardised: bool, level: float) -> NetBenefitCurve:
    small = _between(sample, cuts)
    found = [net_benefit_kernel(small, level, float(t), standardised) for t in cuts]
    return _curve_of(sample, found, cuts, standardised, level)


def _curve_of(
    sample: Sample, found: list[Estimate], cuts: Floats, standardised: bool, level: float
) -> NetBenefitCurve:
    total = sample.total
    prevalence = sample.events / total if total else math.nan
    best = prevalence if not standardised else (1.0 if prevalence > 0 else math.nan)
    unit = 1.0 if not standardised else (prevalence if prevalence > 0 else math.nan)
    others = (1 - prevalence) / unit
    return NetBenefitCurve(
        threshold=tuple(cuts.tolist()),
        net_benefit=tuple(figure.value for figure in found),
        low=tuple(figure.low for figure in found),
        high=tuple(figure.high for figure in found),
        treat_all=tuple((best - others * cuts / (1 - cuts)).tolist()),
        treat_none=0.0,
        prevalence=prevalence,
        standardised=standardised,
        level=level,
        n=sample.n,
        methods=tuple(figure.method for figure in found),
    )


def _between(sample: Sample, cuts: Floats) -> Sample:
    """The sample folded further, to the stretches that the thresholds leave undivided."""
    size = sample.value.size
    if size == 0:
        return sample
    starts = np.unique(np.append(np.searchsorted(sample.value, cuts), 0))
    starts = starts[starts < size]
    sums = (sample.w1, sample.w0, sample.q1, sample.q0)
    w1, w0, q1, q0 = (np.add.reduceat(values, starts) for values in sums)
    return Sample(sample.value[starts], w1, w0, q1, q0, sample.n)


def _checked(thresholds: ArrayLike) -> Floats:
    cuts = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if cuts.ndim != 1 or cuts.size == 0 or not bool(np.all((cuts >= 0) & (cuts < 1))):
        raise ParameterError(
            "thresholds out of range", where="thresholds", expected="numbers with 0 <= t < 1"
        )
    return cuts


def _name(standardised: bool) -> str:
    return "standardised net benefit" if standardised else "net benefit"
