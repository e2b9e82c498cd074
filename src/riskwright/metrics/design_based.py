"""Design-based supervised learning: rates and coefficients from a judge and few gold labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, stdtrit

from riskwright.core import (
    ColumnError,
    DataError,
    Estimate,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.core.randomness import generator
from riskwright.stats import normal_quantile, proportion_interval
from riskwright.stats._columns import is_number, numbers, places, same_length, table

from ._inputs import factorised

__all__ = ["design_based_mean", "design_based_regression"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Family = Literal["linear", "logistic"]

_FEWEST = 10
_PSEUDO_ERRORS = 2.0
_STEPS = 100


@dataclass(frozen=True)
class _Labels:
    """Checked labels; `gold` is NaN where `labelled` is False."""

    surrogate: Floats
    gold: Floats
    labelled: Bools
    chance: Floats
    binary: bool

    @property
    def gold_number(self) -> int:
        return int(self.labelled.sum())

    def pseudo_outcomes(self, predicted: Floats) -> Floats:
        """Predictions, corrected where gold labels show them wrong: their mean is unbiased."""
        error = np.where(self.labelled, self.gold - predicted, 0.0)
        corrected: Floats = predicted + error / self.chance
        return np.where(self.labelled & (self.chance == 1), self.gold, corrected)


@overload
def design_based_mean(
    surrogate: ArrayLike,
    gold: ArrayLike,
    sampling_probability: ArrayLike,
    *,
    features: ArrayLike | None = None,
    groups: None = None,
    level: float = 0.95,
    folds: int = 5,
    seed: int = 0,
) -> Estimate: ...
@overload
def design_based_mean(
    surrogate: ArrayLike,
    gold: ArrayLike,
    sampling_probability: ArrayLike,
    *,
    features: ArrayLike | None = None,
    groups: ArrayLike,
    level: float = 0.95,
    folds: int = 5,
    seed: int = 0,
) -> dict[str, Estimate]: ...
def design_based_mean(
    surrogate: ArrayLike,
    gold: ArrayLike,
    sampling_probability: ArrayLike,
    *,
    features: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    folds: int = 5,
    seed: int = 0,
) -> Estimate | dict[str, Estimate]:
    """Mean of the gold label over all rows, from a judge of all and gold labels of some.

    Parameters
    ----------
    surrogate : array of shape (n,)
        What the judge says (a class of 0 or 1, a probability, a grade); it may err in any way.
    gold : array of shape (n,)
        The true label, NaN where nobody gave one.
    sampling_probability : number, or array of shape (n,), above 0 and at most 1
        The chance with which each row was drawn for gold labelling, known by design.
    features : array of shape (n, d) or (n,), optional
        Further columns that help to predict the gold label.
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level.
    folds : at least 2, parts for the cross-fit
    seed : of the assignment of rows to folds

    Returns
    -------
    Estimate or dict of Estimate
        The mean of g + (R / pi) (gold - g), where R marks gold rows and g predicts gold from the
        judge by least squares on the other folds, weighted so that the variance is least: a judge
        that says nothing gets slope 0, and the result is that of the gold labels alone. If the
        rows are independent draws, labelled with the stated probabilities whatever their gold
        label, the estimate is unbiased and the interval covers `level` in large samples, however
        biased the judge. The interval of a 0-1 label is Wilson's at the effective number of rows,
        with two errors of the judge added to those seen so that a judge who never erred on few
        gold rows is not taken for perfect; of other labels Student's. With all rows labelled both
        are the usual ones of the mean. Of a 0-1 label the estimate can leave [0, 1] near its
        ends; Student's interval is given there. NaN with fewer than 10 gold labels.

    Raises
    ------
    DataError : missing values, lengths, no gold label, gold labels that contradict the design.
    ValueRangeError : probabilities out of (0, 1].
    ParameterError : level, folds or seed not allowed.

    Notes
    -----
    Time O(n d^2), memory O(n d). Egami, Hinck, Stewart & Wei (2023), NeurIPS 36 (DSL); weights of
    the cross-fit as in Angelopoulos, Duchi & Zrnic (2023), arXiv:2311.01453 (power tuning).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random(5000) < 0.3
    >>> judge = np.where(rng.random(5000) < 0.85, truth, ~truth)
    >>> gold = np.where(rng.random(5000) < 0.1, truth, np.nan)
    >>> print(design_based_mean(judge, gold, 0.1))
    0.281 (95% CI 0.251 to 0.313)
    """
    normal_quantile(level)
    labels = _checked(surrogate, gold, sampling_probability)
    columns = _features(features, labels.surrogate.size)
    outcome = labels.pseudo_outcomes(_cross_fitted(labels, columns, folds, seed))
    everyone = np.ones(outcome.size, dtype=bool)
    if groups is None:
        return _mean(labels, outcome, everyone, level)
    names, codes = factorised(groups, "groups")
    same_length(codes, "groups", outcome.size, "surrogate")
    return {name: _mean(labels, outcome, codes == k, level) for k, name in enumerate(names)}


def design_based_regression(
    X: Any,
    surrogate: ArrayLike,
    gold: ArrayLike,
    sampling_probability: ArrayLike,
    *,
    family: Family = "linear",
    features: ArrayLike | None = None,
    feature_names: Sequence[str] | None = None,
    level: float = 0.95,
    folds: int = 5,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Coefficients of a regression of the gold label, from a judge of all rows and some gold.

    Parameters
    ----------
    X : array of shape (n, d), mapping from names to columns, or frame with `columns`
        An intercept is added.
    surrogate, gold, sampling_probability, level, folds, seed : as for `design_based_mean`.
    family : "linear" (least squares) or "logistic" (log odds of a gold label of 0 or 1)
    features : array of shape (n, k) or (n,), optional
        Columns beyond `X` and the judge that help to predict the gold label.
    feature_names : names of the columns of an array; x0, x1, ... by default.

    Returns
    -------
    dict of Estimate
        "intercept" and each column: what the regression on the gold labels of all rows would
        give. The gold label is replaced by the pseudo-outcome of `design_based_mean` in the
        estimating equations; the sandwich has the n / (n - d - 1) correction, and Student's
        quantile the fewer of the gold rows less d + 1 and Satterthwaite's degrees of freedom.
        Same assumptions: rows drawn independently, labelled by the stated probabilities. No
        model of the judge and no correct regression is assumed.

    Raises
    ------
    DataError : as for `design_based_mean`; constant or collinear columns.
    TargetError : logistic with gold labels other than 0 and 1, with one class, or so few or so
        well separated ones that no finite solution exists.

    Notes
    -----
    Time O(n d^2) and per Newton step, memory O(n d). Egami, Hinck, Stewart & Wei (2023), eq. 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=4000)
    >>> truth = (rng.random(4000) < expit(x - 1)).astype(float)
    >>> judge = np.where(x > 1, 1.0, np.where(rng.random(4000) < 0.9, truth, 1 - truth))
    >>> gold = np.where(rng.random(4000) < 0.15, truth, np.nan)
    >>> found = design_based_regression({"x": x}, judge, gold, 0.15, family="logistic")
    >>> f"{found['x'].value:.1f}"
    '0.9'
    """
    normal_quantile(level)
    if family not in ("linear", "logistic"):
        raise ParameterError(
            "unknown family", where="family", expected="linear or logistic", got=repr(family)
        )
    labels = _checked(surrogate, gold, sampling_probability)
    values, names = _named(X, feature_names)
    same_length(values, "X", labels.surrogate.size, "surrogate")
    _refuse_classes(labels, family)
    design = np.concatenate([np.ones((values.shape[0], 1)), values], axis=1)
    scale = np.concatenate([[1.0], np.maximum(np.abs(values).max(axis=0), 1e-300)])
    _refuse_collinear(design / scale)
    if labels.gold_number <= design.shape[1]:
        raise DataError(
            "fewer gold labels than coefficients",
            where="gold",
            expected=f"more than {design.shape[1]}",
            got=str(labels.gold_number),
        )
    extra = _features(features, values.shape[0])
    predicted = _cross_fitted(labels, np.concatenate([values, extra], axis=1), folds, seed)
    outcome = labels.pseudo_outcomes(predicted)
    solve = _linear if family == "linear" else _logistic
    coefficients, bread, error = solve(design / scale, outcome)
    found = _sandwich(labels, design / scale, coefficients, bread, error, level)
    return {
        name: _rescaled(estimate, name, by)
        for name, estimate, by in zip(["intercept", *names], found, scale, strict=True)
    }


def _checked(surrogate: ArrayLike, gold: ArrayLike, sampling_probability: ArrayLike) -> _Labels:
    judge, truth = numbers(surrogate, "surrogate"), table(gold, "gold")
    same_length(truth, "gold", judge.size, "surrogate")
    if is_number(sampling_probability):
        chance = np.full(judge.size, float(np.asarray(sampling_probability)))
    else:
        chance = table(sampling_probability, "sampling_probability")
        same_length(chance, "sampling_probability", judge.size, "surrogate")
    labelled = ~np.isnan(truth)
    if np.isnan(chance).any():
        rows = places(np.isnan(chance))
        raise MissingValueError("missing values", where="sampling_probability", got=rows)
    impossible = labelled & (chance == 0)
    if impossible.any():
        raise ValueRangeError(
            "gold labels of rows that could not be drawn",
            where="sampling_probability",
            expected="above 0 where gold is given",
            got=places(impossible),
        )
    bad = (chance <= 0) | (chance > 1)
    if bad.any():
        raise ValueRangeError(
            "not sampling probabilities",
            where="sampling_probability",
            expected="above 0 and at most 1",
            got=places(bad),
            hint="Rows that could never be drawn are no part of what can be estimated: leave "
            "them out and say so",
        )
    if np.isinf(truth).any():
        raise ValueRangeError(
            "infinite values", where="gold", expected="finite or NaN", got=places(np.isinf(truth))
        )
    _refuse_design(labelled, chance)
    binary = bool(np.isin(truth[labelled], (0.0, 1.0)).all())
    return _Labels(judge, truth, labelled, chance, binary)


def _refuse_design(labelled: Bools, chance: Floats) -> None:
    if not labelled.any():
        raise TargetError("no gold label", where="gold", expected="some values that are not NaN")
    missed = (chance == 1) & ~labelled
    if missed.any():
        raise DataError(
            "rows that were surely drawn have no gold label",
            where="gold",
            got=places(missed),
            hint="Labels that were drawn and not given are missing outcomes, not design",
        )
    expected, spread = chance.sum(), math.sqrt(float(np.sum(chance * (1 - chance))))
    if abs(labelled.sum() - expected) > 6 * spread + 1:
        raise DataError(
            "the number of gold labels contradicts the sampling probabilities",
            where="sampling_probability",
            expected=f"about {expected:.0f} gold labels",
            got=str(int(labelled.sum())),
        )


def _refuse_classes(labels: _Labels, family: Family) -> None:
    if family != "logistic":
        return
    if not labels.binary:
        raise TargetError("not a binary label", where="gold", expected="0, 1 or NaN")
    if np.unique(labels.gold[labels.labelled]).size < 2:
        raise TargetError("only one class among the gold labels", where="gold")


def _refuse_collinear(design: Floats) -> None:
    singular = np.linalg.svd(design, compute_uv=False)
    if singular[-1] < 1e-10 * singular[0]:
        raise ColumnError(
            "constant or collinear columns",
            where="X",
            expected="independent columns; the intercept is added here",
        )


def _features(features: ArrayLike | None, size: int) -> Floats:
    if features is None:
        return np.zeros((size, 0))
    values = np.asarray(features)
    values = numbers(values, "features", ndim=2 if values.ndim > 1 else 1)
    same_length(values, "features", size, "surrogate")
    return values.reshape(size, -1)


def _named(X: Any, feature_names: Sequence[str] | None) -> tuple[Floats, list[str]]:
    held = list(X) if isinstance(X, Mapping) else getattr(X, "columns", None)
    if held is not None:
        wanted = [str(name) for name in held]
        parts = [numbers(X[name], str(name)) for name in held]
        if not parts:
            raise ColumnError("no columns", where="X")
        for name, part in zip(wanted, parts, strict=True):
            same_length(part, name, parts[0].size, wanted[0])
        return np.stack(parts, axis=1), wanted
    values = numbers(X, "X", ndim=2)
    names = [f"x{j}" for j in range(values.shape[1])]
    names = names if feature_names is None else [str(name) for name in feature_names]
    if len(set(names)) != values.shape[1] or len(names) != values.shape[1]:
        raise ColumnError(
            "names do not fit the columns",
            where="feature_names",
            expected=f"{values.shape[1]} different names",
            got=str(len(names)),
        )
    return values, names


def _cross_fitted(labels: _Labels, features: Floats, folds: int, seed: int) -> Floats:
    """Gold label predicted for every row from the judge, by labelled rows of the other folds."""
    if not (isinstance(folds, int) and folds >= 2):
        raise ParameterError("too few", where="folds", expected="at least 2", got=repr(folds))
    columns = np.concatenate([labels.surrogate[:, None], features], axis=1)
    spread = columns.std(axis=0)
    columns = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    columns = np.concatenate([np.ones((columns.shape[0], 1)), columns], axis=1)
    weight = np.where(labels.labelled, (1 - labels.chance) / labels.chance**2, 0.0)
    if not (weight > 0).any():
        weight = labels.labelled.astype(np.float64)
    part = np.empty(labels.gold.size, dtype=np.int64)
    rng = generator(seed)
    for rows in (np.flatnonzero(labels.labelled), np.flatnonzero(~labels.labelled)):
        part[rng.permutation(rows)] = np.arange(rows.size) % folds
    gold = np.where(labels.labelled, labels.gold, 0.0)
    ridge = np.ones(columns.shape[1])
    ridge[0] = 1e-9
    predicted = np.zeros(gold.size)
    for fold in range(folds):
        w = np.where(part != fold, weight, 0.0)
        if not (w > 0).any():
            continue
        w = w * (np.count_nonzero(w) / w.sum())
        slopes = np.linalg.solve(
            columns.T @ (w[:, None] * columns) + np.diag(ridge), columns.T @ (w * gold)
        )
        predicted[part == fold] = columns[part == fold] @ slopes
    return predicted


def _mean(labels: _Labels, outcome: Floats, rows: Bools, level: float) -> Estimate:
    n, gold = int(rows.sum()), int((rows & labels.labelled).sum())
    if gold < _FEWEST:
        value = float(outcome[rows].mean()) if gold else math.nan
        return _estimate("mean", value, None, level, n, _too_few(gold))
    value = float(outcome[rows].mean())
    off = (outcome[rows] - value) / n
    unseen = _unseen_errors(labels, rows, np.full(n, 1.0 / n), gold)
    certain = bool(np.all(labels.chance[rows] == 1))
    variance = float(off @ off) + unseen
    freedom = n - 1.0 if certain else _freedom(off, gold - 1)
    if labels.binary and 0 < value < 1 and variance > 0:
        size = value * (1 - value) / variance
        if not certain:
            size *= (normal_quantile(level) / _student(freedom, level)) ** 2
        low, high = proportion_interval(value * size, size, level)
        how = "Wilson at the effective number of rows"
    elif variance == 0 and labels.binary:
        low, high = proportion_interval(round(value * n), n, level)
        how = "Wilson"
    else:
        reach = _student(freedom, level) * math.sqrt(variance * n / (n - 1))
        low, high, how = value - reach, value + reach, "Student's t"
    return _estimate("mean", value, (low, high), level, n, f"{_method(gold)}; {how}")


def _linear(design: Floats, outcome: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients, inverse of the sum of x x', residuals."""
    bread = np.linalg.inv(design.T @ design).astype(np.float64)
    coefficients = bread @ (design.T @ outcome)
    return coefficients, bread, outcome - design @ coefficients


def _logistic(design: Floats, outcome: Floats) -> tuple[Floats, Floats, Floats]:
    """Root of sum x (outcome - expit(x b)) by Newton with halving; the objective is concave."""

    def value(b: Floats) -> float:
        eta = design @ b
        return float(outcome @ eta - np.logaddexp(0.0, eta).sum())

    b = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = expit(design @ b)
        slope = design.T @ (outcome - chance)
        bend = design.T @ ((chance * (1 - chance))[:, None] * design)
        if np.linalg.cond(bend) > 1e14 or np.abs(design @ b).max() > 50:
            break
        step, factor, now = np.linalg.solve(bend, slope), 1.0, value(b)
        if slope @ step < 1e-16 * outcome.size:
            return b, np.linalg.inv(bend), outcome - chance
        while value(b + factor * step) < now and factor > 1e-8:
            factor /= 2
        b = b + factor * step
    raise TargetError(
        "no finite coefficients",
        where="gold",
        hint="More gold labels, fewer columns, or the linear family will give some",
    )


def _sandwich(
    labels: _Labels,
    design: Floats,
    coefficients: Floats,
    bread: Floats,
    error: Floats,
    level: float,
) -> list[Estimate]:
    n, d = design.shape
    gold = labels.gold_number
    influence = (design @ bread) * error[:, None] * math.sqrt(n / (n - d))
    everyone = np.ones(n, dtype=bool)
    found = []
    for j, value in enumerate(coefficients.tolist()):
        if gold < _FEWEST + d:
            found.append(_estimate("", value, None, level, n, _too_few(gold)))
            continue
        off = influence[:, j]
        unseen = _unseen_errors(labels, everyone, design @ bread[:, j], gold)
        certain = bool(np.all(labels.chance == 1))
        freedom = float(n - d) if certain else _freedom(off, gold - d)
        reach = _student(freedom, level) * math.sqrt(float(off @ off) + unseen)
        how = f"{_method(gold)}; sandwich, Student's t"
        found.append(_estimate("", value, (value - reach, value + reach), level, n, how))
    return found


def _unseen_errors(labels: _Labels, rows: Bools, factor: Floats, gold: int) -> float:
    """Variance that two further errors of the judge among the gold rows would add."""
    if not labels.binary:
        return 0.0
    chance = labels.chance[rows]
    return float(np.sum(factor**2 * (1 - chance) / chance)) * _PSEUDO_ERRORS / gold


def _freedom(off: Floats, most: float) -> float:
    """Satterthwaite's degrees of freedom of a sum of squares, at most those given."""
    squares = off**2
    spread = float(np.sum((squares - squares.mean()) ** 2))
    if spread == 0:
        return float(most)
    return max(1.0, min(float(most), 2 * float(squares.sum()) ** 2 / spread))


def _student(freedom: float, level: float) -> float:
    return float(stdtrit(freedom, 0.5 + level / 2))


def _method(gold: int) -> str:
    return f"design-based with {gold:,} gold labels, cross-fitted"


def _too_few(gold: int) -> str:
    return f"none: {gold} gold labels are too few"


def _estimate(
    name: str,
    value: float,
    interval: tuple[float, float] | None,
    level: float,
    n: int,
    method: str,
) -> Estimate:
    low, high = interval or (math.nan, math.nan)
    return Estimate(name=name, value=value, low=low, high=high, level=level, n=n, method=method)


def _rescaled(estimate: Estimate, name: str, by: float) -> Estimate:
    ends = None
    if not math.isnan(estimate.low):
        ends = (estimate.low / by, estimate.high / by)
    value = estimate.value / by
    return _estimate(name, value, ends, estimate.level, estimate.n, estimate.method)
