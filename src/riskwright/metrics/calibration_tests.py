"""Tests of the claim that every predicted probability is right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, cast

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from riskwright.core import ParameterError, Record

from ._inputs import Sample, checked_rows, of_sketch
from ._samples import Sketched
from .sketch import Cells, ScoreSketch

__all__ = ["CalibrationTest", "calibration_test", "calibration_test_kernel"]

Floats = NDArray[np.float64]
Method = Literal["spiegelhalter", "ks"]


class CalibrationTest(Record, frozen=True, kw_only=True):
    """What `calibration_test` found over `n` rows: a small `p_value` speaks against the claim."""

    statistic: float
    p_value: float
    n: int
    method: str

    def __str__(self) -> str:
        if math.isnan(self.p_value):
            return self.method
        p = f"p = {self.p_value:.3f}" if self.p_value >= 0.001 else f"p = {self.p_value:.1e}"
        return f"{self.statistic:.3f}, {p} ({self.method})"


def calibration_test(
    y: ArrayLike | Sketched,
    p: ArrayLike | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    method: Method = "spiegelhalter",
) -> CalibrationTest:
    """Test that each outcome is an event with exactly its predicted probability.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1, independent given p; or a sketch
    p : array of shape (n,), predicted probabilities in [0, 1]
    sample_weight : array of shape (n,), at least 0
        Fixed beforehand; a row of weight 2 is one draw that counts twice, not two draws.
    method : "spiegelhalter" or "ks"
        "spiegelhalter": the Brier score minus what it would be under the claim, over its standard
        deviation; two-sided, so that predictions too extreme and too timid both count; it does
        not see errors that leave the Brier score as expected. "ks": the largest absolute
        cumulative residual in the order of p, over the standard deviation of the whole sum; it
        sees every systematic error over a range of p.

    Returns
    -------
    CalibrationTest
        The statistic ("spiegelhalter": signed, above 0 where the score is worse than claimed) and
        its two-sided p-value under the limiting law, the standard normal one or that of the
        largest absolute value of Brownian motion on [0, 1]. The latter is conservative for few
        rows or few distinct predictions. Rows with p of 0 or 1 have no variance: where one of
        them fails the p-value is 0. Both are NaN, and the method says so, where no row has any.

    Raises
    ------
    DataError : as for `brier`.
    ParameterError : unknown method.

    Notes
    -----
    Time O(n log n), memory O(n). Spiegelhalter (1986), Statistics in Medicine 5:421; Gupta et al.
    (2021), ICLR, and Tygert (2023), Journal of Computational Physics, for cumulative residuals;
    the law is in Billingsley (1968), Convergence of Probability Measures, section 11. Of a sketch
    the p-value is the largest that scores within their cells allow.

    Examples
    --------
    >>> print(calibration_test([0, 1, 0, 1, 1, 1], [0.1, 0.3, 0.2, 0.4, 0.3, 0.2], method="ks"))
    2.417, p = 0.031 (largest cumulative residual, Brownian motion)
    """
    if method not in ("spiegelhalter", "ks"):
        raise ParameterError(
            "unknown method", where="method", expected="spiegelhalter or ks", got=repr(method)
        )
    if isinstance(y, Sketched):
        return _of_sketch(of_sketch(y, p, sample_weight), method)
    rows = checked_rows(y, p, sample_weight, probabilities=True)
    return calibration_test_kernel(rows.folded(), method)


def _of_sketch(sketch: Sketched, method: Method) -> CalibrationTest:
    """The test with the largest p-value that the scores can have within their cells.

    For cumulative residuals that is the one of the cells' means: sums at the ends of cells are
    exact, and the variance is at most that of equal scores.
    """
    found = calibration_test_kernel(sketch.middle(), method)
    if math.isnan(found.p_value):
        return found
    p_value = found.p_value
    if method == "spiegelhalter":
        p_value = 2 * float(ndtr(-_least_z(cast(ScoreSketch, sketch).cells())))
    named = f"{found.method}; sketch, largest p-value within the cells"
    return msgspec.structs.replace(found, p_value=p_value, method=named)


def _least_z(cells: Cells) -> float:
    """Least absolute Spiegelhalter's z over all places of the scores within their cells."""
    low, high = cells.low, cells.high
    event = _range(lambda p: (1 - p) * (1 - 2 * p), low, high, (0.75,))
    other = _range(lambda p: -p * (1 - 2 * p), low, high, (0.25,))
    turns = (0.5 - math.sqrt(0.125), 0.5, 0.5 + math.sqrt(0.125))
    spread = _range(lambda p: p * (1 - p) * (1 - 2 * p) ** 2, low, high, turns)[1]
    least, most = (float(cells.w1 @ a + cells.w0 @ b) for a, b in zip(event, other, strict=True))
    variance = float((cells.q1 + cells.q0) @ spread)
    nearest = 0.0 if least <= 0 <= most else min(abs(least), abs(most))
    return nearest / math.sqrt(variance) if variance > 0 else 0.0


def _range(
    function: Callable[[Floats], Floats], low: Floats, high: Floats, turns: tuple[float, ...]
) -> tuple[Floats, Floats]:
    """Least and largest value on [low, high] of a function that turns at `turns` alone."""
    places = [low, high, *(np.clip(turn, low, high) for turn in turns)]
    values = np.stack([function(place) for place in places])
    return np.asarray(values.min(axis=0)), np.asarray(values.max(axis=0))


def calibration_test_kernel(sample: Sample, method: Method = "spiegelhalter") -> CalibrationTest:
    name = _NAMES[method]
    p = sample.value
    residual = sample.w1 * (1 - p) - sample.w0 * p
    variance = (sample.q1 + sample.q0) * p * (1 - p)
    if float(sample.w1[p == 0].sum() + sample.w0[p == 1].sum()) > 0:
        impossible = f"{name}; an outcome of predicted probability 0 occurred"
        return CalibrationTest(statistic=math.inf, p_value=0.0, n=sample.n, method=impossible)
    if method == "spiegelhalter":
        residual, variance = residual * (1 - 2 * p), variance * (1 - 2 * p) ** 2
    spread = float(variance.sum())
    if not spread > 0:
        nan = math.nan
        none = f"none: {name} has no variance under the claim"
        return CalibrationTest(statistic=nan, p_value=nan, n=sample.n, method=none)
    if method == "spiegelhalter":
        statistic = float(residual.sum()) / math.sqrt(spread)
        p_value = 2 * float(ndtr(-abs(statistic)))
    else:
        statistic = float(np.abs(np.cumsum(residual)).max()) / math.sqrt(spread)
        p_value = _beyond(statistic)
    return CalibrationTest(statistic=statistic, p_value=p_value, n=sample.n, method=name)


_NAMES = {
    "spiegelhalter": "Spiegelhalter's z, two-sided",
    "ks": "largest cumulative residual, Brownian motion",
}


def _beyond(x: float) -> float:
    """Chance that the largest absolute value of Brownian motion on [0, 1] exceeds x."""
    odd = 2.0 * np.arange(8) + 1
    sign = np.where(np.arange(8) % 2, -1.0, 1.0)
    if x > 1:
        return float(4 * (sign @ ndtr(-odd * x)))
    if x < 0.05:
        return 1.0
    return 1 - float(4 / math.pi * (sign / odd) @ np.exp(-((math.pi * odd / x) ** 2) / 8))
