"""Which of several hypotheses to reject with no false rejection among them, but for `delta`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, MissingValueError, ValueRangeError

from ._losses import checked_delta

__all__ = ["bonferroni", "fixed_sequence", "holm"]

Mask = NDArray[np.bool_]


def fixed_sequence(p_values: ArrayLike, delta: float) -> Mask:
    """Reject in the order given until a p-value exceeds `delta`; nothing after it is rejected.

    Parameters
    ----------
    p_values : array of shape (k,), in [0, 1], in an order chosen before these data were seen
        Each valid for its hypothesis; any dependence.
    delta : probability, between 0 and 1, of one false rejection or more.

    Returns
    -------
    array of bool, shape (k,)
        True where the hypothesis is rejected.

    Raises
    ------
    DataError : p-values that are missing, outside [0, 1] or not in one row.
    ParameterError : delta outside (0, 1).

    Notes
    -----
    Maurer, Hothorn & Lehmacher (1995); Angelopoulos et al. (2025), Annals of Applied Statistics
    19:1641, for certified thresholds.

    Examples
    --------
    >>> fixed_sequence([0.01, 0.04, 0.2, 0.001], 0.05).tolist()
    [True, True, False, False]
    """
    p = _checked(p_values, delta)
    return np.asarray(np.logical_and.accumulate(p <= delta))


def holm(p_values: ArrayLike, delta: float) -> Mask:
    """Holm's step-down procedure: the smallest p-value against delta/k, the next delta/(k-1), ...

    Arguments, result and errors as for `fixed_sequence`; the order does not matter. Rejects all
    that `bonferroni` does. Time O(k log k). Holm (1979), Scandinavian Journal of Statistics 6:65.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.02], 0.05).tolist()
    [True, True, True]
    """
    p = _checked(p_values, delta)
    order = np.argsort(p, kind="stable")
    passed = p[order] * np.arange(p.size, 0, -1) <= delta
    rejected = np.zeros(p.size, dtype=np.bool_)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


def bonferroni(p_values: ArrayLike, delta: float) -> Mask:
    """Reject where p <= delta / k; arguments, result and errors as for `fixed_sequence`.

    Examples
    --------
    >>> bonferroni([0.01, 0.04, 0.02], 0.05).tolist()
    [True, False, False]
    """
    p = _checked(p_values, delta)
    return np.asarray(p * p.size <= delta)


def _checked(p_values: ArrayLike, delta: float) -> NDArray[np.float64]:
    checked_delta(delta)
    try:
        p = np.asarray(p_values)
        if p.dtype.kind == "c":
            raise TypeError
        p = p.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError("not numbers", where="p_values", expected="an array of numbers") from None
    if p.ndim != 1:
        raise DataError(
            "wrong shape",
            where="p_values",
            expected="one p-value per hypothesis",
            got=f"an array of shape {p.shape}",
        )
    if np.isnan(p).any():
        raise MissingValueError(
            "p-values that are not numbers",
            where="p_values",
            got=f"{int(np.isnan(p).sum())} of {p.size}",
            hint="A hypothesis without data has p-value 1",
        )
    if ((p < 0) | (p > 1)).any():
        raise ValueRangeError("p-values out of range", where="p_values", expected="in [0, 1]")
    return p
