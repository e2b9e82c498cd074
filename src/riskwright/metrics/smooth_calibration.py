"""Smooth calibration error: the miscalibration seen at its own scale, without bins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, dst

from riskwright.core import Estimate, generator
from riskwright.stats import normal_quantile
from riskwright.stats._kernels import bin_sums, mean_errors, spread_cubic

from ._inputs import Rows, Sample, undefined
from ._samples import stated
from .sketch import ScoreSketch

__all__ = ["smooth_error_bracket", "smooth_error_kernel", "smooth_error_of_rows"]

Floats = NDArray[np.float64]

NAME = "smooth_calibration_error"
_SEED = 20230916
_DRAWS = 1000
_NUMBERS = 5 * 10**5
_CELLS = 2**15
_MAX_CELLS = 2**20
_MAX_NODES = 2**18
_GRID_ERROR = 1e-8
_NODES_PER_WIDTH = 16
_REACH = 8.9  # a normal density is below 1e-17 of its peak from here on
_MAX_STEPS = 100
_TOLERANCE = 1e-10
_NOTHING = 1e-12
_SMALLEST = 5e-7
_NARROWEST = 2.0**-12


@dataclass(frozen=True)
class Residuals:
    """Residuals w (y - p) over their total weight, where they lie, and sums for the variance.

    `own` and `cross` are the sums of w^2 r^2 and w^2 r over the given number of equal cells,
    `mass` that of w r.
    """

    position: Floats
    residual: Floats
    rows: Rows | None
    sample: Sample | None
    total: float
    squares: float
    n: int

    @property
    def effective_n(self) -> float:
        return self.total**2 / self.squares

    def cells(self, number: int) -> tuple[Floats, Floats, Floats]:
        """Per cell of [0, 1] the sums of w r, w^2 r^2 and w^2 r, over the total weight."""
        if self.rows is not None:
            rows = self.rows
            sums, _, _ = bin_sums(rows.outcome, rows.p, rows.weight_or_none, number)
            mass, own, cross = sums.T
        else:
            assert self.sample is not None
            p, s = self.position, self.sample
            cell = np.minimum((p * number).astype(np.intp), number - 1)
            mass = np.bincount(cell, self.residual * self.total, number)
            own = np.bincount(cell, s.q1 * (1 - p) ** 2 + s.q0 * p**2, number)
            cross = np.bincount(cell, s.q1 * (1 - p) - s.q0 * p, number)
        return mass / self.total, own / self.total**2, cross / self.total**2


def smooth_error_kernel(sample: Sample, level: float) -> Estimate:
    if sample.n < 2:
        return undefined(NAME, sample, level, f"too few rows: {sample.n}")
    p, total = sample.value, sample.total
    residual = (sample.w1 * (1 - p) - sample.w0 * p) / total
    squares = float(sample.q1.sum() + sample.q0.sum())
    return _smooth(Residuals(p, residual, None, sample, total, squares, sample.n), level)


def smooth_error_of_rows(rows: Rows, level: float) -> Estimate:
    """As the kernel, without sorting."""
    n = rows.p.size
    if n < 2:
        return smooth_error_kernel(rows.folded(), level)
    residual = rows.outcome - rows.p
    if rows.weights is None:
        residual /= n
        return _smooth(Residuals(rows.p, residual, rows, None, float(n), float(n), n), level)
    total, squares = float(rows.weights.sum()), float(rows.weights @ rows.weights)
    residual *= rows.weights / total
    return _smooth(Residuals(rows.p, residual, rows, None, total, squares, n), level)


def smooth_error_bracket(sketch: ScoreSketch, estimate: Estimate) -> tuple[float, float]:
    """Bounds on the value of the rows behind a sketch.

    Moving a residual r by d moves the smoothed curve by at most |r| d sqrt(2 / pi) / width in
    mean, and the fixed point by no more than the curve at that width.
    """
    if not estimate.value > 0:
        return 0.0, 1.0
    reach = math.sqrt(2 / math.pi) * sketch.displacement() / estimate.value
    return max(estimate.value - reach, 0.0), min(estimate.value + reach, 1.0)


def _smooth(residuals: Residuals, level: float) -> Estimate:
    name, n, effective_n = NAME, residuals.n, residuals.effective_n
    if not residuals.residual.any():
        nan, reason = math.nan, "none: the residual is 0 in every row"
        return stated(name, 0.0, (nan, nan), level, reason, n, effective_n)
    value, waves = _fixed_point(residuals)
    width = max(value, _NARROWEST)
    interval = _interval(residuals, width, _error(waves, width), level)
    method = "reflected Gaussian kernel of its own width, parametric bootstrap"
    return stated(name, value, interval, level, method, n, effective_n)


def _fixed_point(residuals: Residuals) -> tuple[float, Floats]:
    """The error, and the cosine sums of the residuals that it comes from.

    A grid of step h moves the error at width s by at most 0.14 (h / s)^4 times the mean absolute
    residual: the grid is refined until that is below the tolerance.
    """
    low = abs(float(residuals.residual.sum()))
    high = float(np.abs(residuals.residual).sum())
    cells = _CELLS
    while True:
        waves = _waves(spread_cubic(residuals.position, residuals.residual, cells))
        if float(np.abs(waves).max()) <= _NOTHING * high:
            return 0.0, waves
        width = _solved(waves, low, high)
        needed = (0.14 * high / _GRID_ERROR) ** 0.25 / width
        if needed <= cells or 2 * high <= _SMALLEST or cells == _MAX_CELLS:
            return width, waves
        cells = min(2 ** math.ceil(math.log2(1.5 * needed)), _MAX_CELLS)


def _waves(grid: Floats) -> Floats:
    """Sums of the masses on 0, 1/N, ..., 1 times cos(pi k position), k = 0, ..., N."""
    waves = dct(grid, type=1)
    waves += grid[0]
    waves[::2] += grid[-1]
    waves[1::2] -= grid[-1]
    waves /= 2
    return np.asarray(waves, dtype=np.float64)


def _solved(waves: Floats, low: float, high: float) -> float:
    """The width, within these bounds, that its mean absolute smoothed residual equals.

    The latter falls as the width grows, so that both ends of a step bound the solution; steps are
    secants of the logarithms.
    """
    points: list[tuple[float, float]] = []
    width = math.sqrt(max(low, high / 100) * high)
    for _ in range(_MAX_STEPS):
        if high - low <= _TOLERANCE:
            break
        error = _error(waves, width)
        low, high = max(low, min(width, error)), min(high, max(width, error))
        points.append((math.log(width), math.log(max(error, 1e-300)) - math.log(width)))
        width = math.sqrt(max(low, high / 100) * high)
        if len(points) > 1:
            (x0, f0), (x1, f1) = points[-2:]
            step = x1 - f1 * (x1 - x0) / (f1 - f0) if f1 != f0 else math.inf
            if step < math.log(high):
                width = max(math.exp(step), low, high / 100)
    return high


def _error(waves: Floats, width: float) -> float:
    """Integral over [0, 1] of the absolute smoothed residual, its zeros found to third order."""
    modes = min(waves.size, math.ceil(_REACH / (math.pi * width)) + 1)
    nodes = 2 ** math.ceil(math.log2(max(_NODES_PER_WIDTH / width, 2 * modes, 64)))
    nodes = min(nodes, _MAX_NODES)
    modes = min(modes, nodes)
    turns = math.pi * np.arange(modes)
    damped = np.zeros(nodes + 1)
    damped[:modes] = waves[:modes] * np.exp(-((turns * width) ** 2) / 2)
    curve = dct(damped, type=1)
    integral = np.zeros(nodes + 1)
    damped[1:modes] /= turns[1:]
    integral[1:-1] = dst(damped[1:nodes], type=1)
    integral += damped[0] * np.linspace(0, 1, nodes + 1)
    pieces = np.diff(integral)
    error = float(np.abs(pieces).sum())
    crossed = np.flatnonzero(curve[:-1] * curve[1:] < 0)
    if crossed.size:
        left, right = curve[crossed] / nodes, curve[crossed + 1] / nodes
        error += _turned(left, right, pieces[crossed])
    return error


def _turned(left: Floats, right: Floats, piece: Floats) -> float:
    """What cells with a change of sign add to |integral over the cell|.

    `left` and `right` are the curve at the ends times the cell's width; the curve is the parabola
    of these ends and this integral, which has one zero inside.
    """
    a, b = 3 * (left + right) - 6 * piece, 6 * piece - 4 * left - 2 * right
    root = np.sqrt(np.maximum(b * b - 4 * a * left, 0))
    u = np.clip(2 * left / (np.where(left > 0, 1, -1) * root - b), 0, 1)
    first = u * (left + u * (b / 2 + u * a / 3))
    return float((np.abs(first) + np.abs(piece - first) - np.abs(piece)).sum())


def _interval(
    residuals: Residuals, width: float, error: float, level: float
) -> tuple[float, float]:
    """Ends for the error at this width, and so for the fixed point.

    The error falls as the width grows: below an upper end U at a width s, the fixed point is at
    most max(s, U); above a lower end L it is at least min(s, L).
    """
    points = max(math.ceil(1 / width), 16)
    number = 3 * points
    mass, own, cross = residuals.cells(number)
    n = residuals.effective_n
    inflation = n / max(n - 1, 1.0)
    variance = float(own.sum())
    if residuals.effective_n < residuals.n * (1 - 1e-9):
        shared = error * math.sqrt(residuals.squares) / residuals.total
        variance = (math.sqrt(variance) + shared) ** 2
    upper = normal_quantile(level) * math.sqrt(variance * inflation)
    draws = max(min(_DRAWS, _NUMBERS // number), 400)
    errors = _drawn_errors(mass, own, cross, 1 / n, width, draws)
    reach = float(np.quantile(errors, (1 + level) / 2)) * math.sqrt(inflation)
    return min(max(error - reach, 0.0), width), min(max(error + upper, width), 1.0)


def _drawn_errors(
    mass: Floats, own: Floats, cross: Floats, share: float, width: float, draws: int
) -> Floats:
    """Mean absolute errors of the smoothed curve, drawn from its normal limit.

    The error of cell j is N(0, own_j), that of the mean weight shares `cross` with it.
    """
    rng = generator(_SEED)
    number = mass.size
    points = number // 3
    noise = rng.standard_normal((draws, number), dtype=np.float32)
    scale = np.sqrt(own)
    slope = np.divide(cross, scale, out=np.zeros(number), where=scale > 0)
    rest = max(share - float(slope @ slope), 0.0)
    shared = np.einsum("dj,j->d", noise, slope.astype(np.float32))
    shared += np.float32(math.sqrt(rest)) * rng.standard_normal(draws, dtype=np.float32)
    at = (np.arange(points) + 0.5) / points
    reach = min(2 * math.ceil(6 * width * number) + 3, number)
    first = np.clip(3 * np.arange(points) + 1 - reach // 2, 0, number - reach)
    cells = first[:, None] + np.arange(reach)
    narrowed = math.sqrt(width**2 - 1 / (12 * number**2))
    band = _reflected(at[:, None], (cells + 0.5) / number, narrowed)
    curve = (band * mass[cells]).sum(axis=1).astype(np.float32)
    band *= scale[cells]
    return np.asarray(mean_errors(noise, band.astype(np.float32), first, shared, curve))


def _reflected(t: Floats, x: Floats, width: float) -> Floats:
    """Normal density around x at t, mirrored at 0 and 1."""
    turns = range(-4, 5) if width > 0.1 else (0, 1)
    density = np.exp(-(((t - x) / width) ** 2) / 2)
    for turn in turns:
        density += np.exp(-(((t + x - 2 * turn) / width) ** 2) / 2)
        if width > 0.1 and turn:
            density += np.exp(-(((t - x - 2 * turn) / width) ** 2) / 2)
    return density / (width * math.sqrt(2 * math.pi))
