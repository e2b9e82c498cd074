"""Data values: what every training row is worth to the score on validation rows (Shapley values).

`knn_shapley` is exact for a nearest-neighbour vote and fast; `data_shapley` takes any score and
samples. Rows of negative value make the validation score worse: often wrong labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from msgspec.structs import replace
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
from riskwright.core.randomness import Seed, generator
from riskwright.stats import normal_quantile
from riskwright.stats._columns import is_number, numbers, refuse, same_length
from riskwright.stats._kernels import knn_values

from ._checks import between, class_codes, positive_integer
from ._estimates import exact, graded, student_mean
from ._words import percent, whole

__all__ = [
    "DataValueReport",
    "DataValues",
    "data_shapley",
    "knn_data_values",
    "knn_shapley",
    "subset_score",
]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Progress = Callable[[int, int], None]

HARM_LIMIT = 0.05
_BLOCK_CELLS = 2**25
_EXACT_ROWS = 10
_IN_A_ROW = 5
_LARGEST = 1e150
_NOTHING = np.empty(0, np.uint8)


class DataValueReport(Record, frozen=True, kw_only=True):
    """How values are spread over the training rows, and the joint value of those below 0.

    `negative` is the share of rows of negative value; its interval holds what the errors of all
    values together leave open. `harm` is the validation score that rows of negative value cost
    together, None where it was not measured
    or no row was picked; `lowest` holds row numbers, lowest value first.
    """

    n: int
    n_validation: int
    total: float
    negative: Estimate
    n_negative: int
    harm: Estimate | None
    lowest: tuple[int, ...]
    quantiles: dict[str, float]
    error: float
    level: float
    method: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class DataValues:
    """The value of every training row, in units of the validation score.

    Attributes
    ----------
    values : array of shape (n,); they add up to `total`
    standard_errors : array of shape (n,)
        Of Monte-Carlo sampling; 0 where values are exact for the validation rows given.
    total : score with all rows less score with none.
    error : what truncation can have changed in a value at most.
    draws : permutations drawn, 0 where values are exact.
    converged : False where sampling stopped at its limit instead of at the precision asked for.
    """

    values: Floats
    standard_errors: Floats
    total: float
    error: float
    draws: int
    converged: bool
    n_validation: int
    method: str
    held_out: Floats | None = None

    def report(self, *, level: float = 0.95, shown: int = 10) -> DataValueReport:
        """Aggregates and findings; `shown` row numbers of the lowest values are listed.

        Notes
        -----
        `data.value.negative` is high where the rows cost more than 0.05 of the score for certain,
        medium where they cost something for certain. The cost is measured for rows picked on one
        half of the validation rows and on the other half (Student's interval); where values were
        sampled it is read from the values alone and never graded above low.
        """
        normal_quantile(level)
        shown = positive_integer(shown, "shown", 0)
        negative = self._negative(level)
        count = int((self.values < 0).sum())
        harm = None if self.held_out is None else _mean_loss(-self.held_out, level)
        order = np.argsort(self.values, kind="stable")[: min(shown, count)]
        points = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
        return DataValueReport(
            n=self.values.size,
            n_validation=self.n_validation,
            total=self.total,
            negative=negative,
            n_negative=count,
            harm=harm,
            lowest=tuple(order.tolist()),
            quantiles={
                f"{q:g}": float(v)
                for q, v in zip(points, np.quantile(self.values, points), strict=True)
            },
            error=self.error,
            level=level,
            method=self.method,
            findings=(_finding(negative, harm, count, self.method),),
        )

    def _negative(self, level: float) -> Estimate:
        n = self.values.size
        share = float((self.values < 0).mean())
        if not self.standard_errors.any() and self.error == 0:
            return exact("share of rows of negative value", n, level, share)
        reach = _bonferroni_quantile(level, n) * self.standard_errors + self.error
        return Estimate(
            value=share,
            low=float((self.values + reach < 0).mean()),
            high=float((self.values - reach < 0).mean()),
            level=level,
            n=n,
            method="normal errors of all values together (Bonferroni), and truncation",
            name="share of rows of negative value",
        )


def _bonferroni_quantile(level: float, tests: int) -> float:
    return normal_quantile(1.0 - (1.0 - level) / tests)


def _mean_loss(loss: Floats, level: float) -> Estimate:
    name = "validation score that rows of negative value cost"
    found = student_mean(name, loss, None, level)
    if math.isnan(found.low):
        return found
    where = "on the half of the validation rows that did not pick the rows"
    return replace(found, method=f"{found.method}, {where}")


def _finding(negative: Estimate, harm: Estimate | None, count: int, method: str) -> Finding:
    head = (
        f"{count:,} of {negative.n:,} training rows ({percent(negative.value)}) "
        f"{'has' if count == 1 else 'have'} a negative value"
    )
    if harm is None:
        exactly = math.isnan(negative.low)
        sure = count if exactly else round(negative.low * negative.n)
        tail = f", {sure:,} of them beyond the error of sampling" if count and not exactly else ""
        return Finding(
            code="data.value.negative",
            sentence=f"{head}{tail}.",
            severity="low" if sure else "info",
            estimate=negative,
            method=method,
        )
    return Finding(
        code="data.value.negative",
        sentence=(
            f"{head}; rows picked so on half of the validation rows contribute "
            f"{_points(harm)} to the accuracy on the other {harm.n:,}."
        ),
        severity=graded(harm, effect=0.0, limit=HARM_LIMIT),
        estimate=harm,
        method=method,
    )


def _points(loss: Estimate) -> str:
    value = f"{-100 * loss.value:+.2f} points"
    if math.isnan(loss.low):
        return value
    return f"{value} ({-100 * loss.high:+.2f} to {-100 * loss.low:+.2f})"


def knn_shapley(
    X: ArrayLike,
    y: ArrayLike,
    X_valid: ArrayLike,
    y_valid: ArrayLike,
    *,
    k: int = 5,
    truncate: int | None = None,
    sample_weight: ArrayLike | None = None,
    progress: Progress | None = None,
    threads: bool = True,
) -> Floats:
    """Shapley value of every training row for the accuracy of a k-nearest-neighbour vote.

    Parameters
    ----------
    X, y : arrays of shape (n, d) and (n,), training rows and their classes (numbers or text)
        Distances are Euclidean in the units given: scale the columns first.
    X_valid, y_valid : arrays of shape (m, d) and (m,), validation rows
    k : number of neighbours that vote.
    truncate : only that many nearest rows (and those that tie with the last) get a value
        At least k. Any value is then off by 1 / truncate at most.
    sample_weight : array of shape (m,), weights of the validation rows, at least 0
    progress : called with (validation rows done, all) after every block.
    threads : whether to use a second processor; the result is the same.

    Returns
    -------
    array of shape (n,)
        In [-1/k, 1/k]; the values add up to the mean share of right votes of all rows. The score
        of a set of rows is the mean over validation rows of (votes for the true class among the k
        nearest rows of the set) / k, 0 for the empty set, so a set of fewer than k rows lacks the
        missing votes.

    Raises
    ------
    DataError : shapes, missing or infinite values, negative weights, values beyond 1e150.
    ParameterError : k or truncate out of range.

    Notes
    -----
    Rows at equal distance share their places: the value is the mean over all orders among them,
    so rows that are alike have the same value and the order of the rows does not matter. Time
    O(m n (d + log n)), memory O(n); truncated O(m n d). Jia et al. (2019), "Efficient
    task-specific data valuation for nearest neighbor algorithms", PVLDB 12:1610, theorem 1 and,
    truncated, theorem 2.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [2.0]], ["a", "b", "a"]
    >>> knn_shapley(X, y, [[0.1]], ["a"], k=1).round(3).tolist()
    [0.833, -0.167, 0.333]
    """
    task = _neighbours(X, y, X_valid, y_valid, k, truncate, sample_weight)
    everything = np.arange(task.truth.size)
    sums, _ = task.values(everything, _NOTHING, progress, threads)
    return np.asarray(sums / task.weight.sum())


def knn_data_values(
    X: ArrayLike,
    y: ArrayLike,
    X_valid: ArrayLike,
    y_valid: ArrayLike,
    *,
    k: int = 5,
    truncate: int | None = None,
    seed: Seed = 0,
    progress: Progress | None = None,
    threads: bool = True,
) -> DataValues:
    """`knn_shapley` with what its report needs: do rows of negative value really do harm?

    Arguments as for `knn_shapley`. The validation rows (at least 4) are parted at random by
    `seed`; rows whose value is negative on the first half are valued together on the second.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)); y = (X[:, 0] > 0).astype(int)
    >>> noisy = np.where(np.arange(300) < 30, 1 - y, y)
    >>> X_valid = rng.normal(size=(200, 2)); y_valid = (X_valid[:, 0] > 0).astype(int)
    >>> found = knn_data_values(X, noisy, X_valid, y_valid).report()
    >>> sum(row < 30 for row in found.lowest), found.findings[0].severity
    (10, 'high')
    """
    task = _neighbours(X, y, X_valid, y_valid, k, truncate, None)
    m = task.truth.size
    if m < 4:
        raise DataError(
            "too few validation rows", where="X_valid", expected="at least 4", got=str(m)
        )
    order = generator(seed).permutation(m)
    first, second = np.sort(order[: m // 2]), np.sort(order[m // 2 :])
    done = _shifted(progress, 0, m)
    picked, _ = task.values(first, _NOTHING, done, threads)
    mask = (picked < 0).astype(np.uint8)
    rest, held_out = task.values(second, mask, _shifted(progress, first.size, m), threads)
    values = (picked + rest) / m
    exactly = task.truncate >= task.label.size
    return DataValues(
        values=values,
        standard_errors=np.zeros(values.size),
        total=float(values.sum()),
        error=0.0 if exactly else 1.0 / task.truncate,
        draws=0,
        converged=True,
        n_validation=m,
        method=f"KNN-Shapley, k = {task.k}" + ("" if exactly else f", {task.truncate} ranks"),
        held_out=held_out if mask.any() else None,
    )


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


@dataclass(frozen=True)
class _Neighbours:
    """Checked input of the kernel: training columns, label codes, validation rows."""

    columns: Floats
    label: NDArray[np.int32]
    points: Floats
    truth: NDArray[np.int32]
    weight: Floats
    k: int
    truncate: int

    def values(
        self, rows: Rows, chosen: NDArray[np.uint8], progress: Progress | None, threads: bool
    ) -> tuple[Floats, Floats]:
        """Weighted sum of the values over validation `rows`, and per row that of the `chosen`."""
        total, picked = np.zeros(self.label.size), np.empty(rows.size)
        step = max(2, min(256, _BLOCK_CELLS // self.label.size))
        for start in range(0, rows.size, step):
            block = rows[start : start + step]
            part, picked[start : start + step] = knn_values(
                self.columns,
                self.label,
                np.ascontiguousarray(self.points[block]),
                np.ascontiguousarray(self.truth[block]),
                np.ascontiguousarray(self.weight[block]),
                chosen,
                self.k,
                self.truncate,
                threads,
            )
            total += part
            if progress is not None:
                progress(min(start + step, rows.size), rows.size)
        return total, picked


def _neighbours(
    X: ArrayLike,
    y: ArrayLike,
    X_valid: ArrayLike,
    y_valid: ArrayLike,
    k: int,
    truncate: int | None,
    sample_weight: ArrayLike | None,
) -> _Neighbours:
    train, valid = numbers(X, "X", ndim=2), numbers(X_valid, "X_valid", ndim=2)
    if train.shape[1] != valid.shape[1]:
        raise DataError(
            "number of columns differs from X",
            where="X_valid",
            expected=f"{train.shape[1]} columns",
            got=str(valid.shape[1]),
        )
    for values, where in ((train, "X"), (valid, "X_valid")):
        refuse(np.abs(values) > _LARGEST, where, "values too large", f"at most {_LARGEST:g}")
    if len(train) >= 2**31:
        raise DataError("too many rows", where="X", expected="fewer than 2^31")
    _, (label, truth) = class_codes((y, "y"), (y_valid, "y_valid"))
    same_length(label, "y", len(train), "X")
    same_length(truth, "y_valid", len(valid), "X_valid")
    k = positive_integer(k, "k")
    ranks = len(train) if truncate is None else positive_integer(truncate, "truncate", k)
    return _Neighbours(
        columns=np.ascontiguousarray(train.T),
        label=np.ascontiguousarray(label),
        points=valid,
        truth=truth,
        weight=_weights(sample_weight, len(valid)),
        k=k,
        truncate=min(ranks, len(train)),
    )


def _weights(sample_weight: ArrayLike | None, size: int) -> Floats:
    if sample_weight is None:
        return np.ones(size)
    weight = numbers(sample_weight, "sample_weight")
    same_length(weight, "sample_weight", size, "y_valid")
    refuse(weight < 0, "sample_weight", "negative weights", "values of at least 0")
    if not weight.any():
        raise ValueRangeError("all weights are 0", where="sample_weight", expected="one above 0")
    return weight


def data_shapley(
    value: Callable[[Rows], float],
    n: int,
    *,
    precision: float | None = None,
    tolerance: float = 0.01,
    max_permutations: int = 1000,
    min_permutations: int = 30,
    seed: Seed = None,
    progress: Progress | None = None,
) -> DataValues:
    """Shapley value of every row for any score of a set of rows, by truncated Monte Carlo.

    Parameters
    ----------
    value : score of a set of rows, given as an ascending array of row numbers, perhaps empty
        Higher is better; the same set must get the same score. `subset_score` makes one.
    n : number of rows.
    precision : largest standard error of a value that is good enough, in units of the score
        By default a hundredth of |score of all rows - score of none|.
    tolerance : a permutation is cut once the score of the rows so far stayed within that share of
        |score of all - score of none| of the score of all for more than 5 rows in a row; the rows
        that follow get 0 in it. 0 cuts nothing.
    max_permutations, min_permutations : limits of the sampling.
    seed : seed or generator.
    progress : called with (permutations done, max_permutations).

    Returns
    -------
    DataValues
        Exact where n <= 10. Else it stops at the first permutation from `min_permutations` on
        where no standard error exceeds `precision` (`converged`), or at `max_permutations`.

    Raises
    ------
    ParameterError : counts, tolerance or precision out of range.
    ValueRangeError : `value` gave something that is not a finite number.

    Notes
    -----
    At most n + 1 calls of `value` a permutation. Truncation can move a value by `tolerance` times
    |score of all - score of none| where the score never leaves that band again. Ghorbani & Zou
    (2019), "Data Shapley", ICML, algorithm 1; the stopping rule by standard errors is ours.

    Examples
    --------
    >>> found = data_shapley(lambda rows: float(np.isin([0, 1], rows).all()), 3)
    >>> found.values.round(3).tolist()
    [0.5, 0.5, 0.0]
    """
    n = positive_integer(n, "n")
    least = positive_integer(min_permutations, "min_permutations", 2)
    most = positive_integer(max_permutations, "max_permutations", least)
    if not (is_number(tolerance) and 0 <= tolerance < 1):
        raise ParameterError(
            "out of range", where="tolerance", expected="0 <= tolerance < 1", got=repr(tolerance)
        )
    score = _checked_score(value)
    if n <= _EXACT_ROWS:
        return _enumerated(score, n)
    none, everything = score(np.empty(0, np.int64)), score(np.arange(n))
    span = abs(everything - none)
    goal = span / 100 if precision is None else between(precision, "precision", 0.0, math.inf)
    rng = generator(seed)
    mean, squares = np.zeros(n), np.zeros(n)
    done, errors = 0, np.full(n, math.inf)
    while done < most and not (done >= least and errors.max() <= goal):
        gains = _one_pass(score, rng.permutation(n), none, everything, tolerance * span)
        done += 1
        step = gains - mean
        mean += step / done
        squares += step * (gains - mean)
        if done > 1:
            errors = np.sqrt(squares / (done - 1) / done)
        if progress is not None:
            progress(done, most)
    return DataValues(
        values=mean,
        standard_errors=errors,
        total=everything - none,
        error=tolerance * span,
        draws=done,
        converged=bool(errors.max() <= goal),
        n_validation=0,
        method=f"Data Shapley, {done} permutations",
    )


def _checked_score(value: Callable[[Rows], float]) -> Callable[[Rows], float]:
    def score(rows: Rows) -> float:
        found = value(rows)
        if not is_number(found) or not math.isfinite(found):
            raise ValueRangeError(
                "the score of a set of rows is not a finite number",
                where="value",
                got=repr(found)[:40] + f" for {whole(rows.size, 'row', 'rows')}",
                hint="Say what sets without rows or with one class only are worth",
            )
        return float(found)

    return score


def _one_pass(
    score: Callable[[Rows], float], order: Rows, none: float, everything: float, band: float
) -> Floats:
    """Gain of each row as it joins those before it in `order`."""
    gains = np.zeros(order.size)
    before, near = none, 0
    for place, row in enumerate(order, start=1):
        last = place == order.size
        after = everything if last else score(np.sort(order[:place]))
        gains[row] = after - before
        before = after
        near = near + 1 if band > 0 and abs(everything - after) <= band else 0
        if near > _IN_A_ROW:
            break
    return gains


def _enumerated(score: Callable[[Rows], float], n: int) -> DataValues:
    worth = {
        rows: score(np.array(rows, dtype=np.int64))
        for size in range(n + 1)
        for rows in combinations(range(n), size)
    }
    values = np.zeros(n)
    for rows, value in worth.items():
        size = len(rows)
        for row in rows:
            rest = tuple(other for other in rows if other != row)
            values[row] += (value - worth[rest]) / (n * math.comb(n - 1, size - 1))
    return DataValues(
        values=values,
        standard_errors=np.zeros(n),
        total=worth[tuple(range(n))] - worth[()],
        error=0.0,
        draws=0,
        converged=True,
        n_validation=0,
        method="Data Shapley, all subsets",
    )


def subset_score(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    X_valid: ArrayLike,
    y_valid: ArrayLike,
    *,
    score: Callable[[Any, Any], float] | None = None,
) -> Callable[[Rows], float]:
    """A score of sets of rows for `data_shapley`: fit a copy of `model` on them, then validate.

    Parameters
    ----------
    model : a scikit-learn classifier that is not fitted.
    X, y, X_valid, y_valid : as for `knn_shapley`
    score : function of (y_valid, predicted classes), higher is better; accuracy by default.

    Returns
    -------
    callable
        A set of one class predicts that class. The empty set predicts the class most frequent in
        y (the first one on a tie).

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> data_shapley(subset_score(LogisticRegression(), X, y, X, y), 4).total
    0.5
    """
    from sklearn.base import clone

    train, valid = numbers(X, "X", ndim=2), numbers(X_valid, "X_valid", ndim=2)
    classes, (label, truth) = class_codes((y, "y"), (y_valid, "y_valid"))
    same_length(label, "y", len(train), "X")
    same_length(truth, "y_valid", len(valid), "X_valid")
    if np.unique(label).size < 2:
        raise TargetError("only one class", where="y", expected="at least two classes")
    usual = int(np.bincount(label).argmax())

    def worth(rows: Rows) -> float:
        held = np.unique(label[rows])
        if held.size < 2:
            guess = np.full(truth.size, held[0] if held.size else usual)
        else:
            guess = clone(model).fit(train[rows], label[rows]).predict(valid)
        if score is None:
            return float((guess == truth).mean())
        return float(score(classes[truth], classes[guess]))

    return worth
