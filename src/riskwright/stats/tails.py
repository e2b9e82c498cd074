"""Tail measures of a loss and bounds of them from a confidence band of its distribution.

Every measure sees a distribution as a discrete one: values that ascend and `levels`, the share of
probability up to and with each value, the last 1. For the rows themselves the levels are i/n; for
a bound they are those of the largest (or smallest) distribution that the band allows.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import ParameterError

from ._columns import positive_weights
from ._losses import LARGEST, checked_delta, checked_losses
from .bands import BandKind, CdfBand, cdf_band
from .bounds import INDEPENDENT, Bound

__all__ = [
    "CVaR",
    "Entropic",
    "Gini",
    "Mean",
    "MeanVariance",
    "SmoothedMedian",
    "Spectral",
    "TailMeasure",
    "VaR",
    "VaRInterval",
    "measure_named",
    "tail_lower",
    "tail_upper",
    "weighted_levels",
]

Floats = NDArray[np.float64]


class TailMeasure:
    """A number that sums up a distribution of losses in [0, bound], higher is worse.

    A subclass gives `value_of` for a discrete distribution and, where there is one, `influence`;
    `kind` names it in text and files. Where larger losses never give a smaller value, one band
    suffices for a bound (`sides` = 1); other measures need both bands (`sides` = 2).
    """

    kind: ClassVar[str]
    sides: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """The kind and its parameters, as `measure_named` reads them: "cvar 0.95"."""
        return " ".join([self.kind, *(_text(value) for value in vars(self).values())])

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: the kind and the parameters."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]

    def of(self, losses: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The measure of the rows themselves; weight 2 counts as the row twice.

        Raises `DataError` for no rows, missing, negative or infinite losses or weights.
        """
        return self.value_of(*weighted_levels(losses, sample_weight))

    def upper(self, sorted_losses: ArrayLike, band: CdfBand, bound: float) -> float:
        """Value at the worst distribution in the band: misses with `sides` x `band.delta` at most.

        `sorted_losses` ascend, one for each of the band's n rows, within [0, bound].
        """
        at_rank = np.asarray(sorted_losses, dtype=np.float64)[band.ranks - 1]
        return self.value_of(np.append(at_rank, bound), np.append(band.level_at_rank, 1.0))

    def lower(self, sorted_losses: ArrayLike, band: CdfBand, bound: float) -> float:
        """Value at the best distribution in the mirrored band; as `upper` otherwise."""
        at_rank = np.asarray(sorted_losses, dtype=np.float64)[band.n - band.ranks[::-1]]
        levels = 1.0 - band.level_at_rank[::-1]
        return self.value_of(np.append(0.0, at_rank), np.append(levels, 1.0))

    def value_of(self, values: Floats, levels: Floats) -> float:
        """The measure of a discrete distribution."""
        raise NotImplementedError

    def influence(self, values: Floats, levels: Floats) -> Floats:
        """First-order effect of each value on the measure, mean 0: for asymptotic errors."""
        raise NotImplementedError


class _QuantileMean(TailMeasure):
    """Mean of the quantile function under weights of levels, given by their cumulative sum."""

    def weight_below(self, levels: Floats) -> Floats:
        """Share of the weight at levels up to each of `levels`."""
        raise NotImplementedError

    def value_of(self, values: Floats, levels: Floats) -> float:
        return float(values @ _masses(self.weight_below(levels)))

    def influence(self, values: Floats, levels: Floats) -> Floats:
        mass = _masses(levels)
        smooth = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
        gap = np.diff(smooth)
        weight = np.divide(
            np.diff(self.weight_below(smooth)), gap, out=np.zeros(gap.size), where=gap > 0
        )
        step = (weight[1:] + weight[:-1]) / 2 * np.diff(values)
        reached = np.append(0.0, np.cumsum(step))
        return np.asarray(reached - mass @ reached)


@dataclass(frozen=True)
class Mean(_QuantileMean):
    """The expected loss."""

    kind: ClassVar[str] = "mean"

    def weight_below(self, levels: Floats) -> Floats:
        return levels


@dataclass(frozen=True)
class VaR(TailMeasure):
    """Value at risk, the quantile: the smallest x that a share `level` of losses does not exceed.

    `level` lies strictly between 0 and 1.
    """

    level: float
    kind: ClassVar[str] = "var"

    def __post_init__(self) -> None:
        _check_levels("level", 0.0, self.level, 1.0)

    def value_of(self, values: Floats, levels: Floats) -> float:
        return float(values[np.searchsorted(levels, self.level, side="left")])


@dataclass(frozen=True)
class CVaR(_QuantileMean):
    """Conditional value at risk (expected shortfall): mean of the worst 1 - `level` of losses.

    Rockafellar & Uryasev (2002), Journal of Banking & Finance 26:1443, which splits atoms;
    `level` in [0, 1).
    """

    level: float
    kind: ClassVar[str] = "cvar"

    def __post_init__(self) -> None:
        if self.level != 0:
            _check_levels("level", 0.0, self.level, 1.0)

    def weight_below(self, levels: Floats) -> Floats:
        return np.asarray(np.maximum(levels - self.level, 0.0) / (1.0 - self.level))

    def influence(self, values: Floats, levels: Floats) -> Floats:
        mass = _masses(levels)
        quantile = values[np.searchsorted(levels, self.level, side="left")]
        excess = np.maximum(values - quantile, 0.0) / (1.0 - self.level)
        return np.asarray(excess - mass @ excess)


@dataclass(frozen=True)
class VaRInterval(_QuantileMean):
    """Mean of the quantiles from level `low` to level `high`, 0 <= low < high <= 1."""

    low: float
    high: float
    kind: ClassVar[str] = "var_interval"

    def __post_init__(self) -> None:
        if not 0.0 <= self.low < self.high <= 1.0:
            raise _parameter_error("low, high", "0 <= low < high <= 1", (self.low, self.high))

    def weight_below(self, levels: Floats) -> Floats:
        inside = np.clip(levels, self.low, self.high)
        return np.asarray((inside - self.low) / (self.high - self.low))


@dataclass(frozen=True)
class SmoothedMedian(_QuantileMean):
    """Mean of the quantiles around the median, weights falling linearly to 0 at 0.5 -/+ `width`."""

    width: float = 0.1
    kind: ClassVar[str] = "smoothed_median"

    def __post_init__(self) -> None:
        if not 0.0 < self.width <= 0.5:
            raise _parameter_error("width", "0 < width <= 0.5", self.width)

    def weight_below(self, levels: Floats) -> Floats:
        off = np.clip((levels - 0.5) / self.width, -1.0, 1.0)
        return np.asarray(0.5 + off - 0.5 * off * np.abs(off))


@dataclass(frozen=True)
class Spectral(_QuantileMean):
    """Spectral risk with a piecewise constant spectrum over the levels of the quantile function.

    Parameters
    ----------
    cuts : ascending levels strictly within (0, 1) that part [0, 1] into pieces
    weights : one more than cuts, at least 0 and not all 0: height on each piece, scaled to mean 1
        Heights that never fall make the measure coherent (Acerbi 2002, Journal of Banking &
        Finance 26:1505); the bounds hold for any.
    """

    cuts: tuple[float, ...]
    weights: tuple[float, ...]
    kind: ClassVar[str] = "spectral"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", tuple(float(cut) for cut in self.cuts))
        object.__setattr__(self, "weights", tuple(float(w) for w in self.weights))
        _check_levels("cuts", 0.0, *self.cuts, 1.0)
        finite = all(0.0 <= w < math.inf for w in self.weights)
        if len(self.weights) != len(self.cuts) + 1 or not finite or not any(self.weights):
            raise _parameter_error("weights", "one at least 0 for each piece", self.weights)

    def weight_below(self, levels: Floats) -> Floats:
        edges = np.array([0.0, *self.cuts, 1.0])
        sums = np.append(0.0, np.cumsum(np.array(self.weights) * np.diff(edges)))
        return np.asarray(np.interp(levels, edges, sums / sums[-1]))


@dataclass(frozen=True)
class Entropic(TailMeasure):
    """Entropic risk log(E exp(theta loss)) / theta, theta > 0 in 1 over units of the loss.

    Ahmadi-Javid (2012), JOTA 155:1105. The optimised certainty equivalent of
    (exp(theta t) - 1) / theta.
    """

    theta: float
    kind: ClassVar[str] = "entropic"

    def __post_init__(self) -> None:
        _check_positive("theta", self.theta)

    def value_of(self, values: Floats, levels: Floats) -> float:
        mass, top = _masses(levels), float(values[-1])
        moment = float(mass @ np.exp(self.theta * (values - top)))
        return top + math.log(moment) / self.theta if moment > 0 else top

    def influence(self, values: Floats, levels: Floats) -> Floats:
        mass = _masses(levels)
        moments = np.exp(self.theta * (values - values[-1]))
        mean = mass @ moments
        return np.asarray((moments / mean - 1.0) / self.theta)


@dataclass(frozen=True)
class MeanVariance(TailMeasure):
    """Mean plus `theta` times variance, theta > 0 in 1 over units of the loss.

    The optimised certainty equivalent of t + theta t^2 (Ben-Tal & Teboulle 2007, Mathematical
    Finance 17:449). Larger losses make it larger only where 2 theta bound <= 1; bounds are refused
    elsewhere.
    """

    theta: float
    kind: ClassVar[str] = "mean_variance"

    def __post_init__(self) -> None:
        _check_positive("theta", self.theta)

    def value_of(self, values: Floats, levels: Floats) -> float:
        mass = _masses(levels)
        mean = float(mass @ values)
        return mean + self.theta * float(mass @ (values - mean) ** 2)

    def influence(self, values: Floats, levels: Floats) -> Floats:
        mass = _masses(levels)
        mean = mass @ values
        squares = (values - mean) ** 2
        return np.asarray(values - mean + self.theta * (squares - mass @ squares))

    def upper(self, sorted_losses: ArrayLike, band: CdfBand, bound: float) -> float:
        self._check_monotone(bound)
        return super().upper(sorted_losses, band, bound)

    def lower(self, sorted_losses: ArrayLike, band: CdfBand, bound: float) -> float:
        self._check_monotone(bound)
        return super().lower(sorted_losses, band, bound)

    def _check_monotone(self, bound: float) -> None:
        if 2 * self.theta * bound > 1:
            raise ParameterError(
                "mean plus variance has no bound from a band of the distribution here",
                where="theta",
                expected=f"at most {0.5 / bound:g} for losses up to {bound:g}",
                got=f"{self.theta:g}",
                hint='Take the measure "entropic" for a stronger aversion to spread',
            )


@dataclass(frozen=True)
class Gini(TailMeasure):
    """Gini coefficient: half the mean difference of two losses over their mean; 0 where all are 0.

    Neither larger nor smaller losses need raise it: its bounds look for the worst survival
    function S between those of two bands, where 1 - integral(S^2) / integral(S) is extreme.
    """

    kind: ClassVar[str] = "gini"
    sides: ClassVar[int] = 2

    def value_of(self, values: Floats, levels: Floats) -> float:
        width = _masses(values)
        above = 1.0 - np.append(0.0, levels[:-1])
        mean = float(width @ above)
        return 1.0 - float(width @ above**2) / mean if mean > 0 else 0.0

    def influence(self, values: Floats, levels: Floats) -> Floats:
        mass, width = _masses(levels), _masses(values)
        above = 1.0 - np.append(0.0, levels[:-1])
        mean, squares = float(mass @ values), float(width @ above**2)
        if mean == 0:
            return np.zeros(values.size)
        reached = np.cumsum(width * above)
        return np.asarray(squares * (values - mean) / mean**2 - 2 * (reached - squares) / mean)

    def upper(self, sorted_losses: ArrayLike, band: CdfBand, bound: float) -> float:
        return self._extreme(sorted_losses, band, bound, largest=True)

    def lower(self, sorted_losses: ArrayLike, band: CdfBand, bound: float) -> float:
        return self._extreme(sorted_losses, band, bound, largest=False)

    def _extreme(
        self, sorted_losses: ArrayLike, band: CdfBand, bound: float, *, largest: bool
    ) -> float:
        """Dinkelbach's iteration on the ratio of integrals; each step is solved at every loss."""
        width, least, most = _survival_band(sorted_losses, band, bound)
        if not largest and not width @ least:
            return 0.0
        survival = least if largest else most
        ratio = _ratio(width, survival, largest)
        for _ in range(200):
            if largest:
                survival = np.clip(ratio / 2, least, most)
            else:
                survival = np.where(least + most >= ratio, most, least)
            found = _ratio(width, survival, largest)
            if (found >= ratio) if largest else (found <= ratio):
                break
            ratio = found
        return min(max(1.0 - ratio, 0.0), 1.0)


def _ratio(width: Floats, survival: Floats, largest: bool) -> float:
    """Integral of S^2 over that of S; where S is 0 everywhere, what the limit can be."""
    mean = float(width @ survival)
    if mean == 0:
        return 0.0 if largest else 1.0
    return float(width @ survival**2) / mean


def _survival_band(
    sorted_losses: ArrayLike, band: CdfBand, bound: float
) -> tuple[Floats, Floats, Floats]:
    """Widths of the pieces of [0, bound] and the least and largest survival function on each."""
    ordered = np.asarray(sorted_losses, dtype=np.float64)
    worst, best = ordered[band.ranks - 1], ordered[band.n - band.ranks[::-1]]
    edges = np.unique(np.concatenate([[0.0, bound], worst, best]))
    left = edges[:-1]
    below = np.searchsorted(worst, left, side="right")
    most = 1.0 - np.append(0.0, band.level_at_rank)[below]
    beyond = np.searchsorted(best, left, side="right")
    least = np.append(band.level_at_rank[::-1], 0.0)[beyond]
    return np.diff(edges), least, np.maximum(least, most)


_KINDS: dict[str, type[TailMeasure]] = {
    measure.kind: measure
    for measure in (
        Mean,
        VaR,
        CVaR,
        VaRInterval,
        SmoothedMedian,
        Spectral,
        Entropic,
        MeanVariance,
        Gini,
    )
}


def measure_named(named: str | dict[str, Any] | TailMeasure) -> TailMeasure:
    """The measure of a text such as "cvar 0.95", of a dict from `to_dict`, or the measure itself.

    Texts name a kind (mean, var, cvar, var_interval, smoothed_median, spectral, entropic,
    mean_variance, gini) and its parameters in order; lists are parted by commas.

    Raises
    ------
    ParameterError : unknown kind, parameters that are missing or not allowed.

    Examples
    --------
    >>> measure_named("cvar 0.95")
    CVaR(level=0.95)
    >>> measure_named({"kind": "var_interval", "low": 0.5, "high": 0.9}).name
    'var_interval 0.5 0.9'
    """
    if isinstance(named, TailMeasure):
        return named
    try:
        if isinstance(named, str):
            kind, *texts = named.split()
            return _KINDS[kind.lower()](*map(_parameter, texts))
        parameters = dict(named)
        return _KINDS[parameters.pop("kind")](**parameters)
    except ParameterError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        found: Exception = error
    raise ParameterError(
        "not a tail measure",
        where="measure",
        expected="one of " + ", ".join(sorted(_KINDS)) + ' with its parameters, as "cvar 0.95"',
        got=repr(named),
    ) from found


def tail_upper(
    losses: ArrayLike,
    delta: float,
    measure: TailMeasure | str | dict[str, Any],
    *,
    band: BandKind = "berk-jones",
    bound: float = 1.0,
) -> Bound:
    """Upper confidence bound of a tail measure of the loss.

    Parameters
    ----------
    losses : array of shape (n,), values in [0, bound]
    delta : probability, between 0 and 1, that the bound falls below the measure.
    measure : a measure or what `measure_named` reads.
    band : "berk-jones" (tight in the tails) or "dkw"
    bound : the largest loss that is possible.

    Returns
    -------
    Bound
        At least the measure of the distribution with probability 1 - `delta`, for every
        distribution on [0, bound] and every n, and for all measures that one band bounds at once.
        `Gini` takes two bands, each at delta / 2.

    Raises
    ------
    DataError : no rows, missing values, losses outside [0, bound].
    ParameterError : delta, band, bound or measure not allowed.

    Notes
    -----
    Time O(n log n) for sorting; the band is kept in memory. Snell et al. (2023), "Quantile risk
    control", ICLR; its DKW and Berk-Jones bounds in the scale of any n.

    Examples
    --------
    >>> losses = np.linspace(0.0, 0.5, 1000)
    >>> found = tail_upper(losses, 0.05, CVaR(0.9))
    >>> f"{found.empirical:.3f} <= {found.value:.3f}"
    '0.475 <= 0.518'
    """
    return _tail_bound(losses, delta, measure, band, bound, upper=True)


def tail_lower(
    losses: ArrayLike,
    delta: float,
    measure: TailMeasure | str | dict[str, Any],
    *,
    band: BandKind = "berk-jones",
    bound: float = 1.0,
) -> Bound:
    """Lower confidence bound of a tail measure; everything else as for `tail_upper`.

    Examples
    --------
    >>> f"{tail_lower(np.linspace(0.0, 0.5, 1000), 0.05, CVaR(0.9)).value:.3f}"
    '0.465'
    """
    return _tail_bound(losses, delta, measure, band, bound, upper=False)


def _tail_bound(
    losses: ArrayLike,
    delta: float,
    measure: TailMeasure | str | dict[str, Any],
    band: BandKind,
    bound: float,
    *,
    upper: bool,
) -> Bound:
    checked_delta(delta)
    chosen = measure_named(measure)
    ordered = np.sort(checked_losses(losses, bound))
    limits = cdf_band(ordered.size, delta / chosen.sides, band)
    value = (chosen.upper if upper else chosen.lower)(ordered, limits, bound)
    sides = f", two at delta/{chosen.sides} each" if chosen.sides > 1 else ""
    return Bound(
        value=value,
        delta=delta,
        method=f"{band} band{sides}: {chosen.name}",
        n=ordered.size,
        assumptions=(INDEPENDENT, f"no loss exceeds {bound:g}"),
        empirical=chosen.value_of(ordered, _equal_levels(ordered.size)),
    )


def weighted_levels(losses: ArrayLike, sample_weight: ArrayLike | None) -> tuple[Floats, Floats]:
    """Losses of positive weight, sorted, and the share of weight up to each: i/n for equal ones."""
    values = checked_losses(losses, LARGEST)
    if sample_weight is None:
        return np.sort(values), _equal_levels(values.size)
    weights, kept = positive_weights(sample_weight, values.size, "losses")
    if kept is not None:
        values = values[kept]
    order = np.argsort(values, kind="stable")
    if weights is None or np.ptp(weights) == 0:
        return values[order], _equal_levels(order.size)
    sums = np.cumsum(weights[order])
    return values[order], sums / sums[-1]


def _equal_levels(n: int) -> Floats:
    levels = np.arange(1.0, n + 1.0)
    levels /= n
    return levels


def _masses(levels: Floats) -> Floats:
    masses = levels.copy()
    masses[1:] -= levels[:-1]
    return masses


def _text(value: Any) -> str:
    if not isinstance(value, tuple):
        return repr(float(value))
    return ",".join(repr(v) for v in value) + ("," if len(value) < 2 else "")


def _parameter(text: str) -> float | tuple[float, ...]:
    if "," in text:
        return tuple(float(part) for part in text.split(",") if part)
    return float(text)


def _check_levels(where: str, *levels: float) -> None:
    if not all(a < b for a, b in itertools.pairwise(levels)):
        raise _parameter_error(where, "levels that rise strictly within (0, 1)", levels[1:-1])


def _check_positive(where: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise _parameter_error(where, "a finite number above 0", value)


def _parameter_error(where: str, expected: str, got: object) -> ParameterError:
    return ParameterError("not allowed", where=where, expected=expected, got=repr(got))
