"""Scores of a whole distribution of answers, with "I don't know" as one of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, EmptyDataError, Estimate, MissingValueError, ParameterError
from riskwright.stats import effective_size, logit_interval, normal_quantile

from ._columns import all_weights, finite, grouped, groups_of, refuse

__all__ = ["distributional_correctness_score"]

Floats = NDArray[np.float64]

_NAME = "distributional correctness score"


@grouped
def distributional_correctness_score(
    probabilities: ArrayLike,
    correct: ArrayLike,
    /,
    *,
    abstain: int = -1,
    correct_loading: float = 1.0,
    wrong_loading: float = 1.0,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Distributional Correctness Score: belief in right answers less belief in wrong ones.

    The score of a question is (c P - w Q) (1 - U), with P, Q and U the mass on correct answers,
    on wrong answers and on "I don't know", and c and w the loadings.

    Parameters
    ----------
    probabilities : array of shape (n, k), rows of numbers in [0, 1] that add up to 1
        One column per answer, one of them "I don't know".
    correct : integers of shape (n,), the column of the right answer; or booleans of shape (n, k)
        where several answers are right.
    abstain : the column of "I don't know"; the last one by default.
    correct_loading, wrong_loading : c and w, with c >= w >= 0 and c > 0.
    sample_weight : array of shape (n,), at least 0
    groups : array of shape (n,), optional, such as the suite of a question
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        Mean over the questions, in [-w, c]: c for certainty of the right answer, 0 for abstaining,
        -w for certainty of a wrong one. Mass moved from wrong answers to "I don't know" raises
        the score as long as (c + w) P < 2 w (1 - U): always, where c = w. The interval is the
        normal one on the logit of (score + w) / (c + w) with the sandwich variance of a weighted
        mean; NaN, and the method says so, where all scores are equal or there is one question.

    Raises
    ------
    DataError : shapes, missing values, rows that do not add up to 1 (to 1e-6), an answer that is
        no column or is "I don't know".
    ParameterError : loadings or `abstain` out of range.

    Notes
    -----
    Time O(n k). Burns (2025), "Measuring Language Model Hallucinations Through Distributional
    Correctness", arXiv:2510.04302.

    Examples
    --------
    >>> answers = [[0.9, 0.1, 0.0], [0.1, 0.2, 0.7], [0.1, 0.9, 0.0]]
    >>> print(distributional_correctness_score(answers, [0, 0, 0]))
    -0.010 (95% CI -0.724 to 0.714)
    """
    normal_quantile(level)
    loadings = _loadings(correct_loading, wrong_loading)
    mass, right, silent = _answers(probabilities, correct, abstain)
    gained = np.sum(mass, axis=1, where=right)
    unsure = mass[:, silent]
    lost = np.sum(mass, axis=1, where=~right) - unsure
    score = (loadings[0] * gained - loadings[1] * lost) * (1 - unsure)
    weight = all_weights(sample_weight, score.size)
    if groups is None:
        return _mean(score, weight, loadings, level)
    return {
        label: _mean(score[rows], weight[rows], loadings, level)
        for label, rows in groups_of(groups, score.size)
    }


def _loadings(correct: float, wrong: float) -> tuple[float, float]:
    c, w = finite(correct, "correct_loading"), finite(wrong, "wrong_loading")
    if not (c >= w >= 0 and c > 0):
        raise ParameterError(
            "impossible loadings",
            where="correct_loading, wrong_loading",
            expected="correct_loading >= wrong_loading >= 0, correct_loading > 0",
            got=f"{c:g} and {w:g}",
        )
    return c, w


def _answers(
    probabilities: ArrayLike, correct: ArrayLike, abstain: int
) -> tuple[Floats, NDArray[np.bool_], int]:
    """Checked masses of shape (n, k), which of them are right, and the column of abstention."""
    mass = np.asarray(probabilities, dtype=np.float64)
    if mass.ndim != 2 or mass.shape[1] < 2:
        raise DataError(
            "wrong shape",
            where="probabilities",
            expected="one row per question and at least two columns",
            got=f"an array of shape {mass.shape}",
        )
    if mass.shape[0] == 0:
        raise EmptyDataError("no rows", where="probabilities")
    if np.isnan(mass).any():
        raise MissingValueError("missing values", where="probabilities")
    outside = np.any((mass < 0) | (mass > 1), axis=1)
    refuse(np.asarray(outside), "probabilities", "out of range", "values in [0, 1]")
    off = np.abs(mass.sum(axis=1) - 1) > 1e-6
    refuse(off, "probabilities", "not distributions", "rows that add up to 1")
    n, k = mass.shape
    if not -k <= abstain < k:
        raise ParameterError(
            "no such column", where="abstain", expected=f"{-k} to {k - 1}", got=repr(abstain)
        )
    silent = abstain % k
    right = _right(correct, n, k)
    bad = right[:, silent] | ~right.any(axis=1)
    refuse(bad, "correct", "no answer, or abstention as the answer", "a column other than abstain")
    return mass, right, silent


def _right(correct: ArrayLike, n: int, k: int) -> NDArray[np.bool_]:
    given: NDArray[Any] = np.asarray(correct)
    if given.shape == (n, k) and given.dtype.kind == "b":
        return given
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise DataError(
            "wrong shape or type",
            where="correct",
            expected=f"{n} integers, or booleans of shape ({n}, {k})",
            got=f"{given.dtype} of shape {given.shape}",
        )
    refuse((given < 0) | (given >= k), "correct", "no such column", f"0 to {k - 1}")
    return np.asarray(given[:, None] == np.arange(k))


def _mean(score: Floats, weight: Floats, loadings: tuple[float, float], level: float) -> Estimate:
    kept = weight > 0
    score, weight = score[kept], weight[kept]
    size, total, nan = score.size, float(weight.sum()), math.nan

    def estimate(value: float, ends: tuple[float, float], method: str) -> Estimate:
        low, high = ends
        return Estimate(
            name=_NAME, value=value, low=low, high=high, level=level, n=size, method=method
        )

    if size == 0:
        return estimate(nan, (nan, nan), "none: no rows")
    value = float(weight @ score) / total
    spread, n = float((weight**2) @ (score - value) ** 2), effective_size(weight)
    span = loadings[0] + loadings[1]
    if n < 1 + 1e-9 or spread <= 1e-24 * (span * total) ** 2:
        reason = "one row only" if size == 1 else "the score is the same in every row"
        return estimate(value, (nan, nan), f"none: {reason}")
    se = math.sqrt(spread * n / (n - 1)) / total / span
    low, high = logit_interval((value + loadings[1]) / span, se, level)
    method = "sandwich variance, logit scale"
    if n < size * (1 - 1e-9):
        method += f"; weighted rows, effective n = {n:.1f}"
    return estimate(value, (low * span - loadings[1], high * span - loadings[1]), method)
