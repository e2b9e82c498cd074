"""`global_values`: how strongly a term speaks for one class alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["global_values"]

Floats = NDArray[np.float64]


def global_values(
    counts: ArrayLike,
    *,
    smoothness: float = 0.45,
    significance: float = 0.5,
    sanction: float = 1.0,
    most: ArrayLike | None = None,
    min_count: int = 2,
) -> Floats:
    """How strongly each term speaks for each class alone, in [0, 1].

    Parameters
    ----------
    counts : array of shape (n_terms, n_classes)
        How often each term occurs in the texts of each class.
    smoothness, significance, sanction : sigma, lambda and rho of the paper.
    most : array of shape (n_terms, n_classes) or (n_classes,), optional
        The largest count of a class among terms of the same length; of all terms where None.
    min_count : rarer terms have no value for the class.

    Returns
    -------
    array of shape (n_terms, n_classes) : local value * significance * sanction, with

    - local value lv = (count / most)^sigma,
    - significance sg = tanh(3 (lv - m) / (lambda d) - 3) / 2 + 1/2, with m the lower median and d
      the mean absolute deviation from it over the classes (both the smaller value for two
      classes); 1 where d = 0 and lv > 0, and 0 where the term never occurs,
    - sanction sn = ((C - 1 - s) / ((C - 1) (s + 1)))^rho, with s the significance of the other
      classes together and C the number of classes.

    Notes
    -----
    Burdisso, Errecalde & Montes-y-Gómez (2019), A text classification framework for simple and
    effective early depression detection over social media streams, Expert Systems with
    Applications 133, section 3; constants as in the authors' released implementation.
    O(n_terms * n_classes * log n_classes).

    Examples
    --------
    >>> global_values([[9, 0], [9, 9], [3, 0]]).round(2).tolist()
    [[1.0, 0.0], [0.0, 0.0], [0.61, 0.0]]
    """
    table = np.asarray(counts, dtype=np.float64)
    top = table.max(axis=0, initial=0.0) if most is None else np.asarray(most, dtype=np.float64)
    usual = np.broadcast_to(top > 0, table.shape)
    share = np.divide(table, top, out=np.zeros_like(table), where=usual)
    local = np.where(table >= min_count, share, 0.0) ** smoothness
    weight = np.where(table > 0, _significance(local, significance), 0.0)
    n_classes = table.shape[1]
    if n_classes == 1:
        return local * weight
    others = np.minimum(weight, 1.0)
    others = others.sum(axis=1, keepdims=True) - others
    kept = (n_classes - 1 - others) / ((n_classes - 1) * (others + 1))
    values: Floats = local * weight * np.maximum(kept, 0.0) ** sanction
    return values


def _significance(local: Floats, scale: float) -> Floats:
    ordered = np.sort(local, axis=1)
    n_classes = local.shape[1]
    middle = ordered[:, [(n_classes - 1) // 2]]
    spread = middle if n_classes == 2 else np.abs(local - middle).mean(axis=1, keepdims=True)
    width = np.broadcast_to(scale * spread, local.shape)
    ratio = np.divide(local - middle, width, out=np.zeros_like(local), where=width > 0)
    found = np.where(width > 0, 0.5 * np.tanh(3.0 * ratio - 3.0) + 0.5, 0.0)
    return np.where((spread == 0) & (local > 0), 1.0, found)
