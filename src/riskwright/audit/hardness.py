"""Hardness of rows: EL2N and GraNd, and outcomes that the score gives next to no chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    DataError,
    Estimate,
    Finding,
    ParameterError,
    Record,
    TargetError,
    ValueRangeError,
)
from riskwright.stats import normal_quantile
from riskwright.stats._columns import numbers, places, refuse, same_length, table

from ._checks import between, positive_integer
from ._estimates import graded, share
from ._words import percent, percents

__all__ = ["HardnessReport", "el2n", "grand", "hardness"]

Floats = NDArray[np.float64]
Probabilities = ArrayLike | Sequence[NDArray[np.float64]]

HARM_EXCESS = 0.02
_SUM_SLACK = 1e-6


class HardnessReport(Record, frozen=True, kw_only=True):
    """How hardness is spread, and how often the outcome is one that the score all but excluded.

    `mean` and `quantiles` are of EL2N, in [0, sqrt 2]; `hardest_share` is the part of all squared
    error that the hardest tenth of rows holds. `contradicted` is the share of rows whose outcome
    has a probability of at most `chance` by the score, `expected` that share if the score were
    right. `hardest` holds row numbers, hardest first.
    """

    n: int
    n_models: int
    mean: float
    quantiles: dict[str, float]
    hardest_share: float
    contradicted: Estimate
    expected: float
    chance: float
    hardest: tuple[int, ...]
    level: float
    method: str
    findings: tuple[Finding, ...] = ()


def el2n(p: Probabilities, y: ArrayLike) -> Floats:
    """Length of the error vector, probabilities less the true class as 0 and 1 (EL2N), per row.

    Parameters
    ----------
    p : array of shape (n,), probabilities of outcome 1, or of shape (n, classes), or a list or
        tuple of such arrays, one per model
        The hardness is averaged over the models, best several that were fitted anew and briefly.
    y : array of shape (n,), 0 and 1, or class numbers from 0 to classes - 1

    Returns
    -------
    array of shape (n,)
        In [0, sqrt 2]; sqrt(2) |p - y| for binary outcomes.

    Raises
    ------
    DataError : shapes, missing values, probabilities out of range or with another sum than 1,
        classes that p has no column for.

    Notes
    -----
    Time O(n classes models). Paul, Ganguli & Dziugaite (2021), "Deep learning on a data diet",
    NeurIPS, definition 2.2.

    Examples
    --------
    >>> el2n([0.1, 0.5, 0.9], [0, 0, 0]).round(3).tolist()
    [0.141, 0.707, 1.273]
    >>> el2n(np.array([[0.2, 0.3, 0.5]]), [2]).round(3).tolist()
    [0.616]
    """
    models, label = _checked(p, y)
    return np.asarray(np.mean([_error_length(model, label) for model in models], axis=0))


def grand(p: Probabilities, y: ArrayLike, X: ArrayLike) -> Floats:
    """Length of the gradient of a row's log loss in the coefficients of a linear model (GraNd).

    Parameters
    ----------
    p, y : as for `el2n`, from logistic models (one column) or softmax models (a column a class)
    X : array of shape (n, d), the features as the model saw them, without the intercept's 1

    Returns
    -------
    array of shape (n,)
        At least 0: |p - y| ||(1, x)|| for logistic models, ||p - onehot(y)|| ||(1, x)|| for
        softmax models, averaged over models.

    Raises
    ------
    DataError : as for `el2n`, and for X.

    Notes
    -----
    Closed form of definition 2.1 of Paul, Ganguli & Dziugaite (2021) for generalised linear
    models with the canonical link. Time O(n (d + classes models)).

    Examples
    --------
    >>> grand([0.5, 0.5], [1, 0], [[0.0], [2.0]]).round(3).tolist()
    [0.5, 1.118]
    """
    models, label = _checked(p, y)
    rows = numbers(X, "X", ndim=2)
    same_length(rows, "X", label.size)
    size = np.hypot(1.0, np.linalg.norm(rows, axis=1))
    lengths = [
        np.abs(model - label) if model.ndim == 1 else _error_length(model, label)
        for model in models
    ]
    return np.asarray(np.mean(lengths, axis=0) * size)


def hardness(
    p: Probabilities,
    y: ArrayLike,
    *,
    chance: float = 0.1,
    level: float = 0.95,
    shown: int = 10,
) -> HardnessReport:
    """How hard the rows are, and whether more outcomes contradict the score than it foretold.

    Parameters
    ----------
    p, y : as for `el2n`
        With several models an outcome's probability is the mean of theirs.
    chance : an outcome of at most that probability contradicts the score.
    level : of the Clopper-Pearson interval of the share of such rows.
    shown : number of hardest rows listed, by number.

    Notes
    -----
    The finding `data.hardness` is medium where the interval lies above the share that the score
    itself expects, high where it lies more than 0.02 above. An excess means wrong outcomes in the
    data or a score too sure of itself; take probabilities of rows that the score was not learned
    from to tell hard rows from rows learned by heart.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(1000); y = (rng.random(1000) < p).astype(int)
    >>> hardness(p, y).findings[0].severity
    'info'
    >>> y[:200] = (p[:200] < 0.5)
    >>> hardness(p, y).findings[0].severity
    'high'
    """
    normal_quantile(level)
    chance = between(chance, "chance", 0.0, 0.5)
    shown = positive_integer(shown, "shown", 0)
    models, label = _checked(p, y)
    lengths = np.mean([_error_length(model, label) for model in models], axis=0)
    mean = np.mean([_columns(model) for model in models], axis=0)
    n = label.size
    hits = int((mean[np.arange(n), label] <= chance).sum())
    contradicted = share(hits, n, level, "share of outcomes that the score all but excluded")
    expected = float(np.where(mean <= chance, mean, 0.0).sum() / n)
    order = np.argsort(-lengths, kind="stable")
    squares = np.sort(lengths**2)[::-1]
    top = squares[: math.ceil(n / 10)].sum()
    points = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
    return HardnessReport(
        n=n,
        n_models=len(models),
        mean=float(lengths.mean()),
        quantiles={
            f"{q:g}": float(v) for q, v in zip(points, np.quantile(lengths, points), strict=True)
        },
        hardest_share=float(top / squares.sum()) if squares.any() else 0.0,
        contradicted=contradicted,
        expected=expected,
        chance=chance,
        hardest=tuple(order[:shown].tolist()),
        level=level,
        method=f"EL2N, mean over {len(models)} models" if len(models) > 1 else "EL2N",
        findings=(_finding(contradicted, expected, chance),),
    )


def _finding(contradicted: Estimate, expected: float, chance: float) -> Finding:
    return Finding(
        code="data.hardness",
        sentence=(
            f"Of {contradicted.n:,} rows, {percents(contradicted)} have an outcome to which the "
            f"score gave a chance of {percent(chance)} or less; if the score were right, "
            f"{percent(expected)} would."
        ),
        severity=graded(contradicted, effect=expected, limit=expected + HARM_EXCESS),
        estimate=contradicted,
        method=contradicted.method,
    )


def _error_length(model: Floats, label: NDArray[np.int64]) -> Floats:
    if model.ndim == 1:
        return np.asarray(math.sqrt(2.0) * np.abs(model - label))
    error = model.copy()
    error[np.arange(label.size), label] -= 1.0
    return np.asarray(np.linalg.norm(error, axis=1))


def _columns(model: Floats) -> Floats:
    return np.column_stack([1.0 - model, model]) if model.ndim == 1 else model


def _checked(p: Probabilities, y: ArrayLike) -> tuple[list[Floats], NDArray[np.int64]]:
    several = isinstance(p, list | tuple) and all(isinstance(one, np.ndarray) for one in p)
    several = several and all(one.ndim > 0 for one in p)  # type: ignore[union-attr]
    given = list(p) if several else [p]  # type: ignore[arg-type]
    if not given:
        raise ParameterError("no model", where="p", expected="probabilities of one model or more")
    models = [_probabilities(one, f"p[{i}]" if several else "p") for i, one in enumerate(given)]
    if len({model.shape for model in models}) > 1:
        raise DataError(
            "models of different shapes", where="p", expected=f"shape {models[0].shape} for all"
        )
    label = _classes(y, 2 if models[0].ndim == 1 else models[0].shape[1])
    same_length(models[0], "p", label.size)
    return models, label


def _probabilities(p: ArrayLike, where: str) -> Floats:
    values = np.asarray(p)
    model = numbers(values, where, ndim=2 if values.ndim == 2 else 1)
    refuse((model < 0) | (model > 1), where, "probabilities out of range", "values in [0, 1]")
    if model.ndim == 2:
        if model.shape[1] < 2:
            raise DataError("one column only", where=where, expected="one column per class")
        off = np.abs(model.sum(axis=1) - 1.0) > _SUM_SLACK
        refuse(off, where, "probabilities that do not add up to 1", "rows with sum 1")
    return model


def _classes(y: ArrayLike, classes: int) -> NDArray[np.int64]:
    try:
        label = table(y, "y")
    except ValueRangeError:
        raise
    except DataError as error:
        if error.problem != "not numbers":
            raise
        raise TargetError("not numbers", where="y", expected="class numbers from 0") from None
    bad = ~np.isin(label, np.arange(classes))
    if bad.any():
        raise TargetError(
            "outcomes that the probabilities have no column for",
            where="y",
            expected=f"whole numbers from 0 to {classes - 1}",
            got=places(bad),
        )
    return label.astype(np.int64)
