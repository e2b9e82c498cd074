"""The missing-feature test: did a black box use something that the audit data lack?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

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
from riskwright.core.records import Severity
from riskwright.stats import normal_interval, normal_quantile
from riskwright.stats._columns import numbers, places, same_length
from riskwright.stats._kernels import concordance
from riskwright.stats._threads import one_blas_thread

from ._bins import ColumnBins
from .additive import Design, check_pairs, design_of, fold_order, sigmoid, with_pairs

__all__ = ["MissingFeature", "Residuals", "missing_feature_test"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Progress = Callable[[float], None]

_LIMIT = 0.1
_RIDGE = 3.0
_LOOSE = 0.03  # what curves are bent by is shared by both models, what they vary by is not


class MissingFeature(Record, frozen=True, kw_only=True):
    """Correlations of what two transparent models leave unexplained, of score and of outcome.

    `detectable` is the correlation that this test would find with probability `power` at this n.
    `confirmation` is Pearson's correlation by better models: with the `n_pairs` strongest
    interactions, and with log odds of the outcome. What vanishes there was an interaction or the
    curve of a risk, not a missing column. `p_value` is two-sided, the larger of those of `pearson`
    and of `confirmation`.
    """

    pearson: Estimate
    spearman: Estimate
    kendall: Estimate
    p_value: float
    power: float
    detectable: float
    score_r2: float
    outcome_r2: float
    n: int
    method: str
    confirmation: Estimate | None = None
    n_pairs: int = 0
    findings: tuple[Finding, ...] = ()


class Residuals(NamedTuple):
    """Out-of-fold residuals of the score and of the outcome, means over the repeats."""

    score: Floats
    outcome: Floats


def missing_feature_test(
    score: ArrayLike,
    outcome: ArrayLike,
    X: Any,
    *,
    folds: int = 10,
    repeats: int = 5,
    pairs: int = 10,
    level: float = 0.95,
    power: float = 0.8,
    limit: float = _LIMIT,
    bins: int = 32,
    smoothing: float = 30.0,
    categorical: Sequence[str] = (),
    random_state: Seed = 0,
    progress: Progress | None = None,
) -> MissingFeature:
    """Whether score and outcome share something that an additive model of `X` cannot explain.

    Parameters
    ----------
    score : shape (n,), finite; any scale.
    outcome : shape (n,), 0 and 1, both present.
    X : table of n rows: the columns that are known of the black box.
    folds, repeats : at least 2 and 1; residuals are means over `repeats` divisions into `folds`.
    pairs : at least 0; interactions of columns in the confirmation, half of them found on the
        score, half on the outcome.
    level : confidence level of every interval.
    power : probability of finding a correlation of the size `detectable`.
    limit : in [0, 1); the finding is "high" where the interval lies beyond this correlation.
    bins, smoothing, categorical : as for `AdditiveModel`.
    random_state : seed or generator of the folds.
    progress : called with the share done, from 0 to 1.

    Returns
    -------
    MissingFeature

    Raises
    ------
    DataError : lengths differ, missing or infinite values, no columns, fewer than 2 rows a fold.
    TargetError : `outcome` is not 0 and 1, or has one class.
    ValueRangeError : the score is constant.
    ParameterError : an option is out of range.

    Notes
    -----
    Tested: given the columns of `X`, score and outcome are uncorrelated. Each p-value is that of
    the generalised covariance measure (Shah & Peters, 2020, Annals of Statistics 48:1514), valid
    where the product of the two models' errors is small beside 1/sqrt(n): it suffices that one of
    the two models is right. `pearson`, `spearman` and `kendall` compare models that are sums of
    curves of the columns, by least squares. Where *both* miss the same thing (an interaction of
    columns, the bend of a risk towards 0 and 1), they leave correlated residuals without any
    missing column. `confirmation` therefore takes log odds for the outcome, the score or its normal
    scores (whichever is more nearly a sum), interactions for both and hardly any smoothing, and a
    finding is "medium" or "high" only where both exclude zero. Assumed is that one of the two
    models of the confirmation is right: an interaction of three columns, or a strong and smooth one
    of two, which tables of 8 x 8 cells only approach, is not told from a missing column.

    Intervals are normal with the variance of the influence function (of U-statistics for
    Spearman's and Kendall's tau-b); they leave out the variance of the models, which is of a
    smaller order. Time O(repeats n d^2); Tan, Caruana, Hooker & Lou (2018), AIES.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> known, hidden = rng.normal(size=(2, 4000))
    >>> outcome = rng.random(4000) < sigmoid(known + hidden)
    >>> found = missing_feature_test(known + hidden, outcome, known[:, None])
    >>> found.pearson.low > 0.3
    True
    """
    scores, outcomes = checked(score, outcome)
    table, design = design_of(X, bins=bins, smoothing=smoothing, categorical=categorical)
    same_length(scores, "score", design.n, "X")
    same_length(outcomes, "outcome", design.n, "X")
    return run_test(
        design,
        table.columns,
        scores,
        outcomes,
        Plan(folds, repeats, pairs, level, power, limit, random_state, progress),
    )


@dataclass(frozen=True)
class Plan:
    """How the test is run; see `missing_feature_test`."""

    folds: int = 10
    repeats: int = 5
    pairs: int = 10
    level: float = 0.95
    power: float = 0.8
    limit: float = _LIMIT
    random_state: Seed = 0
    progress: Progress | None = None

    def check(self, n: int) -> None:
        normal_quantile(self.level)
        check_pairs(self.pairs)
        ranges = {
            "folds": (self.folds >= 2, "at least 2"),
            "repeats": (self.repeats >= 1, "at least 1"),
            "power": (0 < self.power < 1, "between 0 and 1"),
            "limit": (0 <= self.limit < 1, "from 0 to below 1"),
        }
        for name, (fine, expected) in ranges.items():
            if not fine:
                got = repr(getattr(self, name))
                raise ParameterError("out of range", where=name, expected=expected, got=got)
        if n < 2 * self.folds:
            raise DataError(
                "too few rows",
                where="X",
                expected=f"at least 2 for each of {self.folds} folds",
                got=f"{n} rows",
            )


def checked(score: ArrayLike, outcome: ArrayLike) -> tuple[Floats, Floats]:
    """A score that varies and an outcome of 0 and 1 with both classes, of one length."""
    scores = checked_score(score)
    outcomes = numbers(outcome, "outcome")
    same_length(outcomes, "outcome", scores.size, "score")
    bad = (outcomes != 0) & (outcomes != 1)
    if bad.any():
        raise TargetError("outcomes other than 0 and 1", where="outcome", got=places(bad))
    if not 0 < outcomes.mean() < 1:
        raise TargetError("only one class", where="outcome", expected="both 0 and 1")
    return scores, outcomes


def checked_score(score: ArrayLike) -> Floats:
    scores = numbers(score, "score")
    if np.ptp(scores) == 0:
        raise ValueRangeError("all scores are equal", where="score", expected="a score that varies")
    return scores


@one_blas_thread()
def run_test(
    design: Design,
    columns: Sequence[ColumnBins],
    score: Floats,
    outcome: Floats,
    plan: Plan,
) -> MissingFeature:
    plan.check(design.n)
    scaled = (score - score.mean()) / score.std()
    residuals = squared_residuals(design, scaled, outcome, plan)
    pearson = pearson_estimate(residuals, plan.level)
    straight = _straightened(design, scaled)
    wider = _with_both_pairs(design, columns, straight, outcome, plan.pairs)
    better = better_residuals(wider, straight, outcome, plan)
    n_pairs = len(wider.terms) - len(design.terms)
    spread = _spread(pearson_influence(*residuals, 0.0))
    found = MissingFeature(
        pearson=pearson,
        spearman=spearman_estimate(residuals, plan.level),
        kendall=kendall_estimate(residuals, plan.level),
        p_value=max(_p_value(residuals), _p_value(better)),
        power=plan.power,
        detectable=float(spread * (ndtri(0.5 + plan.level / 2) + ndtri(plan.power))),
        score_r2=_r2(residuals.score, scaled),
        outcome_r2=_r2(residuals.outcome, outcome),
        n=design.n,
        method=f"residuals of additive models out of {plan.folds} folds, mean of {plan.repeats} "
        "divisions; generalised covariance measure",
        confirmation=pearson_estimate(
            better, plan.level, f"; log odds of the outcome, {n_pairs} pairs of columns"
        ),
        n_pairs=n_pairs,
    )
    return _with_findings(found, len(columns), plan.limit)


def _p_value(residuals: Residuals) -> float:
    if not all(np.ptp(values) > 0 for values in residuals):
        return 1.0
    product = pearson_influence(*residuals, 0.0)
    return float(2 * ndtr(-abs(product.mean()) / _spread(product)))


def _straightened(design: Design, score: Floats) -> Floats:
    """The score or its normal scores, whichever a sum of curves explains better."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    ranked = ndtri((np.cumsum(count) - count / 2) / score.size)[place]
    ranked = (ranked - ranked.mean()) / ranked.std()
    left = [float(np.var(y - design.totals(design.fit_squared(y)))) for y in (score, ranked)]
    return score if left[0] <= left[1] else ranked


def _with_both_pairs(
    design: Design, columns: Sequence[ColumnBins], score: Floats, outcome: Floats, pairs: int
) -> Design:
    half = with_pairs(design, columns, score, (pairs + 1) // 2, "squared", _RIDGE)
    both = with_pairs(half, columns, outcome, pairs // 2, "squared", _RIDGE)
    return replace(both, penalty=_LOOSE * both.penalty)


def squared_residuals(design: Design, score: Floats, outcome: Floats, plan: Plan) -> Residuals:
    """Residuals of rows by least-squares models that did not see them."""
    whole = design.gram()[0] + design.penalty
    inverse = np.linalg.inv(whole)

    def both(shuffled: Design, order: Integers, starts: Integers) -> tuple[Floats, Floats]:
        return tuple(  # type: ignore[return-value]
            shuffled.squared_out_of_fold(y[order], starts, whole, inverse) for y in (score, outcome)
        )

    return _residuals(both, design, Residuals(score, outcome), plan, 0.0)


def better_residuals(design: Design, score: Floats, outcome: Floats, plan: Plan) -> Residuals:
    """The same with a logistic model of the outcome."""
    whole = design.gram()[0] + design.penalty
    inverse = np.linalg.inv(whole)
    beta, hessian = design.fit_logistic(outcome)
    risk = sigmoid(design.totals(beta))
    weights, inverse_hessian = (
        risk * (1 - risk),
        np.asarray(np.linalg.inv(hessian), dtype=np.float64),
    )

    def both(shuffled: Design, order: Integers, starts: Integers) -> tuple[Floats, Floats]:
        return (
            shuffled.squared_out_of_fold(score[order], starts, whole, inverse),
            shuffled.logistic_out_of_fold(
                outcome[order], starts, beta, weights[order], hessian, inverse_hessian
            ),
        )

    return _residuals(both, design, Residuals(score, outcome), plan, 0.5)


def _residuals(
    both: Callable[[Design, Integers, Integers], tuple[Floats, Floats]],
    design: Design,
    of: Residuals,
    plan: Plan,
    done: float,
) -> Residuals:
    rng = generator(plan.random_state, 1)
    sums = np.zeros((2, design.n))
    for repeat in range(plan.repeats):
        order, starts = fold_order(design.n, plan.folds, rng)
        sums[:, order] += both(design.taken(order), order, starts)
        if plan.progress is not None:
            plan.progress(done + (repeat + 1) / plan.repeats / 2)
    return Residuals(of.score - sums[0] / plan.repeats, of.outcome - sums[1] / plan.repeats)


# ---- correlations ------------------------------------------------------------------------------


def pearson_estimate(residuals: Residuals, level: float, note: str = "") -> Estimate:
    x, y = residuals
    if not (x.std() > 0 and y.std() > 0):
        return _undefined("pearson", x.size, level)
    r = float(np.corrcoef(x, y)[0, 1])
    return _estimate("pearson", r, pearson_influence(x, y, r), level, note)


def pearson_influence(x: Floats, y: Floats, r: float) -> Floats:
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    return x * y - r / 2 * (x * x + y * y)


def spearman_estimate(residuals: Residuals, level: float) -> Estimate:
    """Pearson's correlation of the ranks, with the influence of a row on the others' ranks."""
    if not all(np.ptp(values) > 0 for values in residuals):
        return _undefined("spearman", residuals.score.size, level)
    (u, raised_by_x), (v, raised_by_y) = (_ranks(values) for values in residuals)
    r = float(np.corrcoef(u, v)[0, 1])
    own = pearson_influence(u, v, r)
    scale = u.std() * v.std()
    through = (raised_by_x(v - v.mean()) + raised_by_y(u - u.mean())) / scale
    return _estimate("spearman", r, own + through - through.mean(), level)


def _ranks(values: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
    """Middle ranks as shares of the rows, and what a row adds to a mean through others' ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(count) - count

    def raised(of: Floats) -> Floats:
        total = np.bincount(place, of, minlength=count.size)
        above = np.cumsum(total[::-1])[::-1] - total / 2
        found: Floats = above[place] / values.size
        return found

    return (below + count / 2)[place] / values.size, raised


def kendall_estimate(residuals: Residuals, level: float) -> Estimate:
    """Kendall's tau-b, O(n log n)."""
    n = residuals.score.size
    if not all(np.ptp(values) > 0 for values in residuals):
        return _undefined("kendall", n, level)
    (x, ties_x), (y, ties_y) = (_dense(values) for values in residuals)
    agree = concordance(x, y, np.argsort(x, kind="stable")) / (n - 1)
    differ_x, differ_y = (n - ties_x) / (n - 1), (n - ties_y) / (n - 1)
    root = math.sqrt(differ_x.mean() * differ_y.mean())
    tau = float(agree.mean()) / root
    relative = differ_x / differ_x.mean() + differ_y / differ_y.mean() - 2
    influence = 2 * ((agree - agree.mean()) / root - tau / 2 * relative)
    return _estimate("kendall", tau, influence, level)


def _dense(values: Floats) -> tuple[NDArray[np.int64], Floats]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return place.astype(np.int64), count[place].astype(np.float64)


def _spread(influence: Floats) -> float:
    return float(influence.std(ddof=1)) / math.sqrt(influence.size)


def _estimate(name: str, value: float, influence: Floats, level: float, note: str = "") -> Estimate:
    low, high = normal_interval(value, _spread(influence), level)
    return Estimate(
        name=name,
        value=value,
        low=max(low, -1.0),
        high=min(high, 1.0),
        level=level,
        n=influence.size,
        method=f"normal, variance of the influence function{note}",
    )


def _undefined(name: str, n: int, level: float) -> Estimate:
    nan = math.nan
    why = "none: the models leave nothing unexplained"
    return Estimate(name=name, value=nan, low=nan, high=nan, level=level, n=n, method=why)


def _r2(residual: Floats, of: Floats) -> float:
    return 1 - float(np.mean(residual**2) / np.var(of))


# ---- findings ----------------------------------------------------------------------------------


def _with_findings(found: MissingFeature, n_columns: int, limit: float) -> MissingFeature:
    severity, words = _judged(found, limit)
    pearson = found.pearson
    columns = f"the {n_columns} columns" if n_columns > 1 else "the one column"
    sentence = (
        f"What {columns} leave{'s' * (n_columns == 1)} unexplained of the score and of the "
        f"outcomes correlates by {pearson:.3f}, n = {found.n:,}: {words}."
    )
    finding = Finding(
        code="missing_feature.correlation",
        sentence=sentence,
        severity=severity,
        estimate=pearson,
        method=found.method,
    )
    return msgspec.structs.replace(found, findings=(finding,))


def _judged(found: MissingFeature, limit: float) -> tuple[Severity, str]:
    first, second = found.pearson, found.confirmation
    assert second is not None
    seen = f"a correlation of {found.detectable:.3f} would be found {100 * found.power:g}% of times"
    if math.isnan(first.value) or math.isnan(second.value):
        return "info", "nothing is left to compare"
    if min(first.low, second.low) > 0:
        return (
            "high" if min(first.low, second.low) > limit else "medium",
            "the score uses something that predicts the outcome and that these columns, also in "
            "pairs, lack",
        )
    if max(first.high, second.high) < 0:
        return (
            "medium",
            "the score uses something that these columns lack, and it goes against the outcomes",
        )
    if first.low > 0:
        return (
            "low",
            f"with log odds and {found.n_pairs} pairs of columns it is {second:.3f}, so that this "
            "may be an interaction or a bend in known columns and no missing one",
        )
    which = "proof" if first.value > 0 else "sign"
    severity: Severity = "low" if first.value > 0 else "info"
    return severity, f"no {which} that the score uses something that these columns lack; {seen}"
