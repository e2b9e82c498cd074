"""Simultaneous one-sided confidence bands of a distribution function from its order statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import betaincinv, gammaln, smirnovi

from riskwright.core import ParameterError

from ._losses import checked_delta

__all__ = ["BandKind", "CdfBand", "cdf_band", "noncrossing_probability"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BandKind = Literal["berk-jones", "dkw"]

ALL_RANKS_UP_TO = 1000
AUTO_RANKS = 120
_REACH = 7.0  # standard deviations kept on each side of a count
_MARGIN = 30  # counts kept beyond that
_DIRECT_CELLS = 200_000  # convolutions up to this size are done without FFT
_ROUNDING = 2.0**-52


@dataclass(frozen=True, eq=False)
class CdfBand:
    """Levels that the distribution function exceeds at order statistics, all at once.

    For n independent draws from any distribution F, with order statistics X_(1) <= ... <= X_(n):
    P(F(X_(ranks[j])) >= level_at_rank[j] for all j) >= 1 - delta. By symmetry the same holds for
    P(F(X_(n+1-ranks[j])-) <= 1 - level_at_rank[j] for all j), F(x-) being the chance below x.

    `ranks` are 1-based and ascend, `level_at_rank` never falls; `critical` is Berk and Jones'
    local level, or the distance of the "dkw" band.
    """

    n: int
    delta: float
    kind: BandKind
    ranks: Integers
    level_at_rank: Floats
    critical: float


def cdf_band(
    n: int,
    delta: float,
    kind: BandKind = "berk-jones",
    ranks: ArrayLike | Literal["auto", "all"] = "auto",
) -> CdfBand:
    """Lower confidence band of a distribution function, exact at finite n.

    Parameters
    ----------
    n : number of draws, at least 1.
    delta : probability, between 0 and 1, that the band is wrong anywhere.
    kind : "berk-jones" or "dkw"
        "berk-jones" gives every rank the same local level, so that the band is tight in the tails;
        "dkw" keeps the same distance everywhere: the exact quantile of the one-sided
        Kolmogorov-Smirnov statistic to n = 10,000, Massart's sqrt(log(1/delta) / (2 n)) above.
    ranks : "auto", "all", or ascending whole numbers from 1 to n
        Order statistics at which levels are given. "auto" takes all up to n = 1,000 and about
        120, dense in both tails, above ("dkw": all at every n). Chosen before the data are seen.

    Returns
    -------
    CdfBand
        Kept in memory for the next call with the same arguments.

    Raises
    ------
    ParameterError : arguments that are not allowed.

    Notes
    -----
    Time: m ranks cost about six passes of m convolutions of length O(sqrt(n)); 0.2 s at n = 10^6.
    Berk & Jones (1979), Z. Wahrscheinlichkeitstheorie 47:47; Moscovich & Nadler (2017), Statistics
    & Probability Letters 123:177, for the probability by Poisson processes and FFT; Massart
    (1990), Annals of Probability 18:1269.

    Examples
    --------
    >>> band = cdf_band(100, 0.05)
    >>> f"{band.critical:.7f} {band.level_at_rank[-1]:.4f}"
    '0.0024609 0.9417'
    """
    checked_delta(delta)
    if int(n) != n or n < 1:
        raise ParameterError("not a number of rows", where="n", expected="n >= 1", got=repr(n))
    if kind not in ("berk-jones", "dkw"):
        raise ParameterError(
            "unknown band", where="kind", expected="berk-jones or dkw", got=repr(kind)
        )
    n = int(n)
    if isinstance(ranks, str):
        if ranks not in ("auto", "all"):
            raise _ranks_error(n, repr(ranks))
        everything = ranks == "all" or kind == "dkw" or n <= ALL_RANKS_UP_TO
        return _named_band(n, float(delta), kind, everything)
    chosen = np.asarray(ranks)
    if (
        chosen.ndim != 1
        or chosen.size == 0
        or not np.all(chosen == np.floor(chosen))
        or chosen[0] < 1
        or chosen[-1] > n
        or np.any(np.diff(chosen) <= 0)
    ):
        raise _ranks_error(n, "an array that is none")
    return _listed_band(n, float(delta), kind, tuple(chosen.astype(np.int64).tolist()))


@lru_cache(maxsize=32)
def _named_band(n: int, delta: float, kind: BandKind, everything: bool) -> CdfBand:
    ranks = np.arange(1, n + 1, dtype=np.int64) if everything else _auto_ranks(n)
    return _band(n, delta, kind, ranks)


@lru_cache(maxsize=32)
def _listed_band(n: int, delta: float, kind: BandKind, ranks: tuple[int, ...]) -> CdfBand:
    return _band(n, delta, kind, np.array(ranks, dtype=np.int64))


def _band(n: int, delta: float, kind: BandKind, ranks: Integers) -> CdfBand:
    if kind == "dkw":
        critical = _dkw_distance(n, delta)
        levels = np.maximum(ranks / n - critical, 0.0)
    else:
        critical = _berk_jones_critical(n, delta, ranks)
        levels = _berk_jones_levels(n, critical, ranks)
    ranks.flags.writeable = levels.flags.writeable = False
    return CdfBand(n, delta, kind, ranks, levels, critical)


def _auto_ranks(n: int) -> Integers:
    steps = np.geomspace(1, n / 2, AUTO_RANKS // 2)
    return np.unique(np.round(np.concatenate([steps, n + 1 - steps])).astype(np.int64))


def _dkw_distance(n: int, delta: float) -> float:
    if n <= 10_000:
        return float(smirnovi(n, delta))
    return math.sqrt(math.log(1 / min(delta, 0.5)) / (2 * n))


def _berk_jones_levels(n: int, critical: float, ranks: Integers) -> Floats:
    levels = betaincinv(ranks.astype(np.float64), n - ranks + 1.0, critical)
    return np.maximum.accumulate(np.asarray(levels, dtype=np.float64))


def _berk_jones_critical(n: int, delta: float, ranks: Integers) -> float:
    """Largest local level whose band is missed with at most `delta`, rounded down.

    Found to a relative 1e-9, or 1e-6 above 10,000 rows.

    The chance of a miss is nearly a power of the level, so that secant steps on the logarithms of
    both meet it in a few evaluations; a bracket guards them.
    """
    allowed = ranks - 1

    def excess(log_level: float) -> float:
        levels = _berk_jones_levels(n, math.exp(log_level), ranks)
        miss = 1.0 - _probability(levels, np.zeros_like(allowed), allowed, n)
        return math.log(max(miss, 1e-300) / delta)

    low, high = math.log(delta / ranks.size), math.log(delta)
    if ranks.size == 1:
        return delta
    tolerance = 1e-9 if n <= 10_000 else 1e-6
    x0 = min(max(low, high - math.log(1 + 4 * math.log(n))), high)
    f0 = excess(x0)
    x1, best = x0 - f0, low
    for _ in range(60):
        low, high, best = (x0, high, x0) if f0 <= 0 else (low, x0, best)
        if -tolerance < f0 <= 0 or high - low < 1e-12:
            break
        if not low < x1 < high:
            x1 = (low + high) / 2
        f1 = excess(x1)
        slope = (f1 - f0) / (x1 - x0) if x1 != x0 else 0.0
        x0, f0 = x1, f1
        x1 = x0 - (f0 + tolerance / 2) / slope if slope > 0 else math.inf
    return math.exp(best)


def noncrossing_probability(
    lower: ArrayLike, n: int | None = None, *, upper: ArrayLike | None = None
) -> float:
    """P(lower[i] <= U_(i) <= upper[i] for all i) for n sorted uniform draws, rounded down.

    Parameters
    ----------
    lower : array of shape (n,), ascending, values in [0, 1]
    n : number of draws, when it is to be checked against the length of `lower`.
    upper : array of shape (n,), ascending, values in [0, 1], optional; all ones where it is None.

    Returns
    -------
    float
        In [0, 1]; below the exact probability by less than 1e-9 of it. What is left out
        (counts more than 7 standard deviations away, rounding) only lowers it.

    Raises
    ------
    ParameterError : lengths, values out of range, values that fall.

    Notes
    -----
    Time O(n^2) at most. Moscovich & Nadler (2017), Statistics & Probability Letters 123:177.

    Examples
    --------
    >>> f"{noncrossing_probability([0, 0.5]):.6f}"  # both draws below 0.5 are excluded
    '0.750000'
    """
    low = _boundary(lower, "lower")
    if n is not None and n != low.size:
        raise ParameterError(
            "length differs from n", where="lower", expected=f"{n} values", got=str(low.size)
        )
    n = low.size
    if upper is None:
        return _probability(low, np.zeros(n, np.int64), np.arange(n, dtype=np.int64), n)
    high = _boundary(upper, "upper")
    if high.size != n:
        raise ParameterError(
            "length differs from lower", where="upper", expected=f"{n} values", got=str(high.size)
        )
    if np.any(low > high):
        return 0.0
    times = np.unique(np.concatenate([low, high]))
    most = np.searchsorted(low, times, side="left")
    least = np.searchsorted(high, times, side="right")
    return _probability(times, least.astype(np.int64), most.astype(np.int64), n)


def _boundary(values: ArrayLike, where: str) -> Floats:
    boundary = np.asarray(values, dtype=np.float64)
    if (
        boundary.ndim != 1
        or boundary.size == 0
        or not np.all((boundary >= 0) & (boundary <= 1))
        or np.any(np.diff(boundary) < 0)
    ):
        raise ParameterError(
            "not a boundary", where=where, expected="ascending values in [0, 1], one per draw"
        )
    return boundary


def _probability(times: Floats, least: Integers, most: Integers, n: int) -> float:
    """P(least[j] <= number of n uniforms below times[j] <= most[j] for all j), rounded down.

    The count is a Poisson process of rate n given n points in all; its distribution is carried
    from time to time by convolution within a band that holds all but 3e-12 of a free path.
    `absolute` and `relative` collect what rounding may have added, and are taken off.
    """
    mass, start, before = np.ones(1), 0, 0.0
    absolute = relative = 0.0
    for time, fewest, largest in zip(times.tolist(), least.tolist(), most.tolist(), strict=True):
        centre, spread = n * time, _REACH * math.sqrt(n * time * (1 - time)) + _MARGIN
        lowest = max(start, int(fewest), math.floor(centre - spread))
        highest = min(int(largest), n, math.ceil(centre + spread))
        if time > before:
            rate = n * (time - before)
            width = _REACH * math.sqrt(rate) + _MARGIN
            first = max(0, math.floor(rate - width))
            jumps = _poisson(rate, np.arange(first, math.ceil(rate + width)))
            mass, added = _convolved(mass, jumps)
            absolute += added
            relative += _ROUNDING * (2 * _MARGIN + 40 * math.sqrt(rate))
            start, before = start + first, time
        highest = min(highest, start + mass.size - 1)
        lowest = max(lowest, start)
        if highest < lowest:
            return 0.0
        mass, start = mass[lowest - start : highest - start + 1], lowest
    rest = n - np.arange(start, start + mass.size)
    rate = n * (1.0 - before)
    last = _poisson(rate, rest) if rate > 0 else (rest == 0).astype(np.float64)
    given = float(_poisson(float(n), np.array([n]))[0])
    relative += _ROUNDING * (100 + 40 * math.sqrt(n) + mass.size)
    probability = (float(mass @ last) - absolute) / given
    return min(max(probability * (1 - relative), 0.0), 1.0)


def _convolved(mass: Floats, jumps: Floats) -> tuple[Floats, float]:
    """Convolution and a bound of the absolute error of each entry beyond its relative rounding."""
    if mass.size * jumps.size <= _DIRECT_CELLS:
        return np.convolve(mass, jumps), 0.0
    length = mass.size + jumps.size - 1
    padded = next_fast_len(length, True)
    product = irfft(rfft(mass, padded) * rfft(jumps, padded), padded)[:length]
    size = math.sqrt(float(mass @ mass) * float(jumps @ jumps))
    return np.maximum(product, 0.0), 8 * _ROUNDING * math.log2(padded) * size


def _poisson(rate: float, counts: Integers) -> Floats:
    """Poisson probabilities by Loader's saddle-point form, accurate for rates up to 10^9."""
    k = counts.astype(np.float64)
    if rate < 30:
        return np.asarray(np.exp(k * math.log(rate) - rate - gammaln(k + 1)))
    positive = np.maximum(k, 1.0)
    off = (positive - rate) / rate
    deviance = rate * ((1 + off) * np.log1p(off) - off)
    inverse = 1 / positive
    square = inverse * inverse
    stirling = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    small = positive < 16
    if small.any():
        few = positive[small]
        logs = gammaln(few + 1) - (few + 0.5) * np.log(few) + few - 0.5 * math.log(2 * math.pi)
        stirling[small] = logs
    values = np.exp(-deviance - stirling) / np.sqrt(2 * math.pi * positive)
    return np.asarray(np.where(k == 0, math.exp(-rate), values))


def _ranks_error(n: int, got: str) -> ParameterError:
    return ParameterError(
        "not ranks",
        where="ranks",
        expected=f'"auto", "all" or ascending whole numbers from 1 to {n}',
        got=got,
    )
