"""Calibration errors over bins of the prediction: plain and corrected for their own noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riskwright.core import Estimate, ParameterError, generator
from riskwright.stats import normal_quantile
from riskwright.stats._kernels import bin_sums

from ._inputs import Rows, Sample, undefined
from ._samples import stated

__all__ = [
    "Binning",
    "ambiguous",
    "bins_of",
    "calibration_error_kernel",
    "check_bins",
    "debiased_error_kernel",
    "errors_of_rows",
]

Floats = NDArray[np.float64]
Binning = Literal["equal_count", "equal_width"]

_SEED = 20120704
_DRAWS = 4000
_FEW = 32
_NO_SPREAD = 1e-24


def check_bins(bins: int, binning: Binning) -> None:
    if not 1 <= bins <= 1000:
        raise ParameterError(
            "impossible number of bins", where="bins", expected="1 to 1000", got=repr(bins)
        )
    if binning not in ("equal_count", "equal_width"):
        raise ParameterError(
            "unknown binning",
            where="binning",
            expected="equal_count or equal_width",
            got=repr(binning),
        )


@dataclass(frozen=True)
class Binned:
    """Per bin the sums of w r, w^2 r^2 and w^2 r with r = y - p, over the total weight."""

    residual: Floats
    own: Floats
    cross: Floats
    n: int
    effective_n: float

    def estimate(
        self, name: str, value: float, interval: tuple[float, float], level: float, method: str
    ) -> Estimate:
        return stated(name, value, interval, level, method, self.n, self.effective_n)

    @cached_property
    def covariance(self) -> Floats:
        """Of the bins' residuals: rows, not weights, are the independent draws."""
        shared, n = np.outer(self.cross, self.residual), self.effective_n
        outer = np.outer(self.residual, self.residual) / n
        covariance = np.diag(self.own) - shared - shared.T + outer
        return np.asarray(covariance * (n / max(n - 1, 1.0)))

    def drawn_errors(self) -> Floats:
        noise = generator(_SEED).standard_normal((_DRAWS, self.residual.size))
        values, vectors = np.linalg.eigh(self.covariance)
        factor = (vectors * np.sqrt(np.maximum(values, 0.0))).T
        if self.residual.size > _FEW:
            return np.asarray(noise @ factor)
        return np.asarray(np.einsum("di,ij->dj", noise, factor))  # too small for threads to pay


def bins_of(sample: Sample, bins: int, binning: Binning) -> NDArray[np.intp]:
    """The bin of every distinct prediction; rows of equal prediction share theirs."""
    p, weight = sample.value, sample.w1 + sample.w0
    if binning == "equal_count":
        p = (np.cumsum(weight) - weight / 2) / sample.total
    return np.minimum((p * bins).astype(np.intp), bins - 1)


def calibration_error_kernel(
    sample: Sample, level: float, bins: int = 10, binning: Binning = "equal_count"
) -> Estimate:
    if sample.n < 2:
        return undefined("calibration_error", sample, level, f"too few rows: {sample.n}")
    return _plain_error(_binned(sample, bins_of(sample, bins, binning), bins), level, binning)


def _binned(sample: Sample, bin_of: NDArray[np.intp], bins: int) -> Binned:
    p, total, weight = sample.value, sample.total, sample.w1 + sample.w0
    residual = np.bincount(bin_of, sample.w1 - weight * p, bins) / total
    squares = sample.q1 * (1 - p) ** 2 + sample.q0 * p**2
    own = np.bincount(bin_of, squares, bins) / total**2
    cross = np.bincount(bin_of, sample.q1 * (1 - p) - sample.q0 * p, bins) / total**2
    return Binned(residual, own, cross, sample.n, sample.effective_n)


def errors_of_rows(rows: Rows, level: float, bins: int) -> Estimate:
    """Plain error over bins of equal width, without sorting."""
    if rows.p.size < 2:
        return calibration_error_kernel(rows.folded(), level, bins, "equal_width")
    sums, total, squares = bin_sums(rows.outcome, rows.p, rows.weight_or_none, bins)
    residual, own, cross = sums[:, 0] / total, sums[:, 1] / total**2, sums[:, 2] / total**2
    binned = Binned(residual, own, cross, rows.p.size, total**2 / squares)
    return _plain_error(binned, level, "equal_width")


def _plain_error(binned: Binned, level: float, binning: Binning) -> Estimate:
    name, value = "calibration_error", float(np.abs(binned.residual).sum())
    spread = float(np.abs(binned.covariance).sum())
    if spread <= _NO_SPREAD:
        reason = "none: the residual is the same in every row"
        return binned.estimate(name, value, (math.nan, math.nan), level, reason)
    reach = float(np.quantile(np.abs(binned.drawn_errors()).sum(axis=1), (1 + level) / 2))
    upper = normal_quantile(level) * math.sqrt(spread)
    interval = max(value - reach, 0.0), min(value + upper, 1.0)
    method = f"{binned.residual.size} {binning.replace('_', '-')} bins, parametric bootstrap"
    return binned.estimate(name, value, interval, level, method)


def debiased_error_kernel(
    sample: Sample, level: float, bins: int = 10, binning: Binning = "equal_count"
) -> Estimate:
    name = "debiased_calibration_error"
    if sample.n < 2:
        return undefined(name, sample, level, f"too few rows: {sample.n}")
    bin_of = bins_of(sample, bins, binning)
    share, gap, variance = _bin_gaps(sample, bin_of, bins)
    if not np.isfinite(variance).all():
        return undefined(name, sample, level, "a bin has fewer than two effective rows")
    own = share * variance
    if own.sum() <= _NO_SPREAD:
        reason = "the residual is the same in every row of a bin"
        return undefined(name, sample, level, reason)
    squared = float(share @ gap**2 - own.sum())
    z = normal_quantile(level)
    middle = squared + 2 * z * z * float(own.max())
    spread = 2 * z * z * float(own @ own) - squared**2
    high = math.sqrt(max(middle + math.sqrt(max(middle**2 + spread, 0.0)), 0.0))
    draws = generator(_SEED).standard_normal((_DRAWS, own.size)) ** 2 @ own
    reach = math.sqrt(float(np.quantile(draws, (1 + level) / 2)))
    value = math.sqrt(max(squared, 0.0))
    low = max(math.sqrt(float(share @ gap**2)) - reach, 0.0)
    method = f"{bins} {binning.replace('_', '-')} bins, root of the unbiased square"
    if squared < 0:
        method += f" ({squared:.2g}, shown as 0)"
    return sample.estimate(name, value, (min(low, value), min(high, 1.0)), level, method)


def _bin_gaps(sample: Sample, bin_of: NDArray[np.intp], bins: int) -> tuple[Floats, Floats, Floats]:
    """Share of the weight, observed minus predicted and its variance, for every bin with rows."""
    p, weight = sample.value, sample.w1 + sample.w0
    inside = np.bincount(bin_of, weight, bins)
    held = inside > 0
    gap = np.bincount(bin_of, sample.w1 - weight * p, bins) / np.where(held, inside, 1.0)
    squares = np.bincount(bin_of, sample.q1 + sample.q0, bins)
    centre = gap[bin_of]
    off = sample.q1 * (1 - p - centre) ** 2 + sample.q0 * (p + centre) ** 2
    spread, inside, squares = np.bincount(bin_of, off, bins)[held], inside[held], squares[held]
    n = inside**2 / squares
    small = n < 2 - 1e-9
    variance = spread / inside**2 * n / np.where(small, np.nan, n - 1)
    return inside / sample.total, gap[held], variance


def ambiguous(lowest: Sample, highest: Sample, bins: int, binning: Binning) -> NDArray[np.bool_]:
    """Cells of a sketch whose rows may lie in more than one bin."""
    if binning == "equal_width":
        first, last = (bins_of(s, bins, binning) for s in (lowest, highest))
        return np.asarray(first != last)
    reached = np.cumsum(lowest.w1 + lowest.w0) / lowest.total * bins
    before = np.concatenate([[0.0], reached[:-1]])
    pure = lowest.value == highest.value
    crossed = np.floor(before + 1e-9) < np.ceil(reached - 1e-9) - 1
    return np.asarray(crossed & ~pure)
