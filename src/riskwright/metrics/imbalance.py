"""Measures at one threshold under class imbalance: F1, g-mean, and rankings of models by both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import EmptyDataError, Estimate, ParameterError, Record, generator
from riskwright.core.randomness import Seed
from riskwright.stats import proportion_interval

from ._columns import checked_share, column, finite, grouped, share_interval
from ._inputs import Sample, checked_rows, estimate, undefined
from ._samples import Sketched
from .sketch import parted_bracket

__all__ = [
    "ModelRanking",
    "RankedModel",
    "f1",
    "f1_g_mean_ranking",
    "f1_kernel",
    "g_mean",
    "g_mean_kernel",
]

Floats = NDArray[np.float64]

_MAX_DRAWS = 1_000_000


@grouped
def f1(
    y: ArrayLike | Sketched,
    score: ArrayLike | None = None,
    /,
    *,
    threshold: float = 0.5,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """F1 at a threshold: harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1
    score : array of shape (n,), finite, higher means riskier
    threshold : rows with score >= threshold are flagged.
    sample_weight : array of shape (n,), at least 0
    groups : array of shape (n,), optional
        Gives one estimate per group, keyed by the label as text.
    level : confidence level of the interval.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1]; it ignores true negatives and depends on the prevalence. Among the rows
        that are events or flagged or both, the true positives are binomial with probability
        J = F1 / (2 - F1) whatever the number of these rows, so the interval is Wilson's for J
        carried to F1; it needs no large counts. NaN without any event or flagged row.

    Raises
    ------
    DataError : lengths, shapes, missing or infinite values, outcomes other than 0 and 1.
    ParameterError : a threshold that is no number.

    Notes
    -----
    Time O(n log n), memory O(n). van Rijsbergen (1979), Information Retrieval, ch. 7.

    Examples
    --------
    >>> print(f1([0, 0, 1, 1, 1], [0.2, 0.7, 0.6, 0.9, 0.3]))
    0.667 (95% CI 0.261 to 0.919)
    """
    kernel = partial(f1_kernel, threshold=finite(threshold, "threshold"))
    return estimate(
        kernel,
        y,
        score,
        sample_weight,
        groups,
        level,
        both_classes=False,
        probabilities=False,
        bracket=parted_bracket,
    )


def f1_kernel(sample: Sample, level: float, threshold: float = 0.5) -> Estimate:
    cut = int(np.searchsorted(sample.value, threshold))
    hits, others = float(sample.w1[cut:].sum()), float(sample.w0[cut:].sum())
    union = sample.events + others
    if union == 0.0:
        return undefined("f1", sample, level, f"no event and no flagged row among {sample.n} rows")
    share = hits / union
    squares = float(sample.q1.sum() + sample.q0[cut:].sum())
    spread = float(sample.q1[cut:].sum()) * (1 - share) ** 2
    spread += float(sample.q1[:cut].sum() + sample.q0[cut:].sum()) * share**2
    low, high = share_interval(share, spread, union, union**2 / squares, level)
    value, *ends = (2 * j / (1 + j) for j in (share, low, high))
    method = "Wilson over events and flagged rows"
    return sample.estimate("f1", value, (ends[0], ends[1]), level, method)


@grouped
def g_mean(
    y: ArrayLike | Sketched,
    score: ArrayLike | None = None,
    /,
    *,
    threshold: float = 0.5,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate | dict[str, Estimate]:
    """Geometric mean of sensitivity and specificity at a threshold.

    Parameters
    ----------
    y, score, threshold, sample_weight, groups, level : as for `f1`.

    Returns
    -------
    Estimate or dict of Estimate
        Value in [0, 1], free of the prevalence; 0 where one class is always wrong. The interval
        joins Wilson's intervals of both rates on the log scale (recovered variances); where the
        value is 0 its upper end is the geometric mean of both upper ends.

    Raises
    ------
    DataError, ParameterError : as for `f1`.
    TargetError : one class only (without groups; a group of one class has a NaN estimate).

    Notes
    -----
    Time O(n log n), memory O(n). Kubat & Matwin (1997), ICML; Zou & Donner (2008), Statistics in
    Medicine 27:1693.

    Examples
    --------
    >>> print(g_mean([0, 0, 1, 1, 1], [0.2, 0.7, 0.6, 0.9, 0.3]))
    0.577 (95% CI 0.209 to 0.813)
    """
    kernel = partial(g_mean_kernel, threshold=finite(threshold, "threshold"))
    return estimate(
        kernel,
        y,
        score,
        sample_weight,
        groups,
        level,
        both_classes=True,
        probabilities=False,
        bracket=parted_bracket,
    )


def g_mean_kernel(sample: Sample, level: float, threshold: float = 0.5) -> Estimate:
    if sample.one_class:
        return undefined("g_mean", sample, level, f"one class only among {sample.n} rows")
    cut = int(np.searchsorted(sample.value, threshold))
    sensitivity = _rate(sample.w1, sample.q1, slice(cut, None), sample.effective_events, level)
    specificity = _rate(sample.w0, sample.q0, slice(None, cut), sample.effective_nonevents, level)
    value = math.sqrt(sensitivity[0] * specificity[0])
    method = "Wilson for both rates, recovered variances on the log scale"
    return sample.estimate("g_mean", value, _joined(sensitivity, specificity), level, method)


def _rate(
    w: Floats, q: Floats, right: slice, kish: float, level: float
) -> tuple[float, float, float]:
    """Weighted share of the class within `right` and Wilson's interval."""
    total = float(w.sum())
    value = min(float(w[right].sum()) / total, 1.0)
    inside = float(q[right].sum())
    spread = inside * (1 - value) ** 2 + (float(q.sum()) - inside) * value**2
    return value, *share_interval(value, spread, total, kish, level)


def _joined(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float]:
    """Interval of sqrt(a b) for independent a and b from (value, low, high) of each."""
    if a[0] == 0.0 or b[0] == 0.0:
        return 0.0, math.sqrt(a[2] * b[2])
    middle = math.log(a[0] * b[0]) / 2
    down = math.hypot(math.log(a[0] / a[1]), math.log(b[0] / b[1])) / 2
    up = math.hypot(math.log(a[2] / a[0]), math.log(b[2] / b[0])) / 2
    return math.exp(middle - down), min(math.exp(middle + up), 1.0)


class RankedModel(Record, frozen=True, kw_only=True):
    """One model of a `ModelRanking`.

    `rank` is its place on the labels as given (1 is best; equal models share a place),
    `rank_low` to `rank_high` the central `level` of its places over the simulations, `first` the
    share of simulations in which it is first (shared places count in part).
    """

    name: str
    rank: int
    rank_low: int
    rank_high: int
    first: Estimate
    f1: Estimate
    g_mean: Estimate


class ModelRanking(Record, frozen=True, kw_only=True):
    """Models in order, best first, and how that order was found."""

    models: tuple[RankedModel, ...]
    missed: float
    false: float
    repeats: int
    level: float
    method: str

    def __str__(self) -> str:
        width = max(len(model.name) for model in self.models)
        return "\n".join(
            f"{m.rank}. {m.name:<{width}}  F1 {m.f1.value:.3f}  g-mean {m.g_mean.value:.3f}  "
            f"first in {100 * m.first.value:.0f}%  places {m.rank_low} to {m.rank_high}"
            for m in self.models
        )


def f1_g_mean_ranking(
    scores_by_model: Mapping[str, ArrayLike],
    y: ArrayLike,
    /,
    *,
    thresholds: float | Mapping[str, float] = 0.5,
    annotation_error: tuple[float, float] = (0.0, 0.0),
    resample: bool = True,
    repeats: int = 1000,
    level: float = 0.95,
    random_state: Seed = 0,
) -> ModelRanking:
    """Rank models by F1, then by g-mean, and show how far label errors and chance move the places.

    Parameters
    ----------
    scores_by_model : mapping from model name to scores of shape (n,), all for the same rows
    y : array of shape (n,), outcomes 0 and 1, as annotated
    thresholds : one threshold for all models, or one per model; flagged is score >= threshold.
    annotation_error : (missed, false)
        In every simulation a row labelled 1 turns to 0 with probability `missed` and a row
        labelled 0 turns to 1 with probability `false`, alike for all models.
    resample : whether every simulation also draws n rows anew with replacement, so that places
        reflect the size of the test set too.
    repeats : number of simulations, 1 to 1,000,000.
    level : of the rank intervals and of the estimates.
    random_state : seed or generator of the simulations.

    Returns
    -------
    ModelRanking
        `first` of a model has Wilson's interval for the finite number of simulations only.

    Raises
    ------
    DataError : lengths, missing values, outcomes other than 0 and 1, one class only, no model.
    ParameterError : rates outside [0, 1], thresholds that lack a model.

    Notes
    -----
    Rows are folded by the pattern of flags over the models, so a simulation costs the number of
    distinct patterns, not n. Where positives are one in a thousand, a rate of false labels of a
    tenth of a percent already halves the precision that can be reported.

    Examples
    --------
    >>> y = [0] * 90 + [1] * 10
    >>> good, fair = [0.1] * 90 + [0.9] * 10, [0.1] * 80 + [0.9] * 20
    >>> ranking = f1_g_mean_ranking({"fair": fair, "good": good}, y, annotation_error=(0.1, 0.01))
    >>> [model.name for model in ranking.models]
    ['good', 'fair']
    """
    if not scores_by_model:
        raise EmptyDataError("no models", where="scores_by_model")
    missed = checked_share(annotation_error[0], "annotation_error")
    false = checked_share(annotation_error[1], "annotation_error")
    if not 1 <= repeats <= _MAX_DRAWS:
        raise ParameterError(
            "impossible number of repeats", where="repeats", expected="1 to 1,000,000"
        )
    cuts = _thresholds(scores_by_model, thresholds)
    names = list(scores_by_model)
    figures = [
        [measure(y, scores_by_model[name], threshold=cuts[name], level=level) for name in names]
        for measure in (f1, g_mean)
    ]
    outcome = checked_rows(y, scores_by_model[names[0]], None, probabilities=False).y
    flags = np.column_stack([column(scores_by_model[m], m) >= cuts[m] for m in names])
    counts = _patterns(flags, outcome)
    places = _simulated_places(*counts, (missed, false), resample, repeats, generator(random_state))
    own = _places(*_confusions(counts[0], counts[1][None], counts[2][None]))[0]
    models = [
        _ranked(name, own[k], places[:, k], (places == 1), k, figures, level)
        for k, name in enumerate(names)
    ]
    extra = " and rows drawn anew" if resample else ""
    return ModelRanking(
        models=tuple(sorted(models, key=lambda model: model.rank)),
        missed=missed,
        false=false,
        repeats=repeats,
        level=level,
        method=f"F1, then g-mean; {repeats} simulations of annotation errors{extra}",
    )


def _thresholds(
    models: Mapping[str, ArrayLike], thresholds: float | Mapping[str, float]
) -> dict[str, float]:
    if not isinstance(thresholds, Mapping):
        return dict.fromkeys(models, finite(thresholds, "thresholds"))
    absent = [name for name in models if name not in thresholds]
    if absent:
        raise ParameterError(
            "no threshold", where="thresholds", expected="one per model", got=f"none for {absent}"
        )
    return {name: finite(thresholds[name], "thresholds") for name in models}


def _patterns(
    flags: NDArray[np.bool_], outcome: Floats
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Distinct patterns of flags (as 0 and 1), and counts of events and non-events of each."""
    keys = np.packbits(flags, axis=1)
    if flags.shape[1] <= 62:
        keys = (flags @ (1 << np.arange(flags.shape[1])))[:, None]
    axis = 0 if keys.shape[1] > 1 else None
    _, first, code = np.unique(keys, axis=axis, return_index=True, return_inverse=True)
    code, patterns = code.ravel(), flags[first]
    events = np.bincount(code, outcome, len(patterns)).astype(np.int64)
    return patterns.astype(float), events, np.bincount(code, minlength=len(patterns)) - events


def _simulated_places(
    patterns: Floats,
    events: NDArray[np.int64],
    others: NDArray[np.int64],
    rates: tuple[float, float],
    resample: bool,
    repeats: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    n, m = int(events.sum() + others.sum()), events.size
    step = max(1, 2**21 // m)
    found = []
    for start in range(0, repeats, step):
        k = min(step, repeats - start)
        drawn1, drawn0 = np.tile(events, (k, 1)), np.tile(others, (k, 1))
        if resample:
            both = rng.multinomial(n, np.concatenate([events, others]) / n, size=k)
            drawn1, drawn0 = both[:, :m], both[:, m:]
        lost, gained = rng.binomial(drawn1, rates[0]), rng.binomial(drawn0, rates[1])
        found.append(
            _places(*_confusions(patterns, drawn1 - lost + gained, drawn0 - gained + lost))
        )
    return np.concatenate(found)


def _confusions(
    patterns: Floats, events: NDArray[np.int64], others: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """F1 and g-mean of every model for counts of shape (k, m); 0 where they are undefined."""
    hits, false = events @ patterns, others @ patterns
    total1, total0 = events.sum(axis=1)[:, None], others.sum(axis=1)[:, None]
    union = total1 + false + hits
    f = np.divide(2 * hits, union, out=np.zeros(hits.shape), where=union > 0)
    product = hits * (total0 - false)
    scale = np.broadcast_to(total1 * total0, product.shape)
    g = np.divide(product, scale, out=np.zeros(hits.shape), where=scale > 0)
    return f, g


def _places(f: Floats, g: Floats) -> NDArray[np.int64]:
    """Places by F1 then g-mean, 1 the best; equal models share the better place."""
    above = f[:, None, :] > f[:, :, None]
    above |= (f[:, None, :] == f[:, :, None]) & (g[:, None, :] > g[:, :, None])
    return np.asarray(1 + np.sum(above, axis=2, dtype=np.int64))


def _ranked(
    name: str,
    rank: int,
    places: NDArray[np.int64],
    firsts: NDArray[np.bool_],
    k: int,
    figures: list[list[Estimate]],
    level: float,
) -> RankedModel:
    share = float(np.mean(firsts[:, k] / firsts.sum(axis=1)))
    repeats = places.size
    low, high = proportion_interval(share * repeats, repeats, level)
    tail = (1 - level) / 2
    ends = np.quantile(places, [tail, 1 - tail], method="inverted_cdf")
    first = Estimate(
        name="share of simulations in which the model is first",
        value=share,
        low=low,
        high=high,
        level=level,
        n=repeats,
        method="Wilson over the simulations",
    )
    return RankedModel(
        name=name,
        rank=int(rank),
        rank_low=int(ends[0]),
        rank_high=int(ends[1]),
        first=first,
        f1=figures[0][k],
        g_mean=figures[1][k],
    )
