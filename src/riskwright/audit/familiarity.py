"""Familiarity: how like the rows that a score was learned from new rows are.

`Familiarity` ranks table rows among reference rows; `energy` is a figure for the logits of
classifiers of three classes or more (or two logits), and `compare_detectors` says how well it
tells outside rows from inside ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
from msgspec import structs
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, Estimate, Finding, ParameterError, Record, TargetError
from riskwright.core.randomness import Seed, generator
from riskwright.evidence.columns import Origin
from riskwright.evidence.containers import to_frame
from riskwright.metrics import auroc
from riskwright.stats import normal_quantile, proportion_interval
from riskwright.stats._columns import is_number, numbers, refuse, same_length

from ._checks import between, positive_integer
from ._estimates import difference, graded, share
from ._mixed_columns import MixedColumns
from ._words import percent, percents

__all__ = [
    "DetectorFigures",
    "DetectorReport",
    "Familiarity",
    "FamiliarityReport",
    "compare_detectors",
    "energy",
    "max_softmax",
]

Floats = NDArray[np.float64]
Score = Callable[[Any], ArrayLike]

HARM_EXCESS = 0.05
_MOST_ROWS = 10_000
_BLOCK = 10_000
TRUE_POSITIVE_RATE = 0.95


class FamiliarityReport(Record, frozen=True, kw_only=True):
    """How many of `n` new rows are less familiar than all but `threshold` of the reference rows.

    `unfamiliar` is their share; without drift it is `threshold`. `excess` is the difference.
    `parts` holds the share of rows below `threshold` by each part alone.
    """

    n: int
    n_reference: int
    threshold: float
    unfamiliar: Estimate
    excess: Estimate
    parts: dict[str, Estimate]
    mean: float
    level: float
    method: str
    findings: tuple[Finding, ...] = ()


class Familiarity:
    """Familiarity of table rows, the SAGE score with principal components for its latent space.

    Parameters
    ----------
    n_neighbors : the distance of a row is the mean over that many nearest rows of the fit.
    explained : share of variance that the principal components keep; the rest is the error.
    threshold : rows less familiar than all but that share of reference rows are flagged.
    reference_share : share of rows set aside as reference where none are given.
    seed : of the draw of the reference rows.

    Attributes
    ----------
    parts_ : names of the parts in use: "distance", and "reconstruction" and "confidence" if any.
    n_reference_ : number of reference rows.
    reference_ : array of shape (n_reference_,), familiarity of the reference rows.

    Notes
    -----
    Numbers, levels and missing values become points as factor analysis of mixed data has it
    (every column of variance 1; a level never seen adds to the reconstruction error). Each part
    of a row, its distance, reconstruction error and (where a score is given) confidence, turns
    into the share of reference rows, itself among them, that are as far out or further; the score
    is their mean, near 0 for rows unlike any. Reference rows take no part in the fit, so that for
    new rows drawn as they were each share is uniform on (0, 1]. Where the score was learned from
    the rows of `X` its confidence there is too high: give reference rows that it has not seen.

    Beyond 10,000, neighbours are sought among as many rows of the fit, drawn at random, and no
    more rows are set aside as reference. Time O(n q^2) for q encoded columns to fit, and 10,000
    distances at most for a row. Numbers and levels are told apart by the type of the column.
    Schreyer, Anderson & Thompson (2025), arXiv 2502.16329, with an autoencoder in place of the
    principal components.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> known = Familiarity().fit(rng.normal(size=(500, 3)))
    >>> known.score([[0.0, 0.0, 0.0], [9.0, -9.0, 9.0]]).round(2).tolist()
    [0.87, 0.01]
    >>> known.report(rng.normal(size=(300, 3)) + 4).findings[0].severity
    'high'
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 10,
        explained: float = 0.9,
        threshold: float = 0.05,
        reference_share: float = 0.3,
        seed: Seed = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.explained = explained
        self.threshold = threshold
        self.reference_share = reference_share
        self.seed = seed

    def fit(self, X: Any, score: Score | None = None, *, X_reference: Any = None) -> Familiarity:
        """Learn what is familiar.

        Parameters
        ----------
        X : array of shape (n, d) or a frame, rows that the score was learned from
        score : function from rows as in X to probabilities of shape (n,) or (n, classes)
        X_reference : rows like those of X that neither the fit nor the score has seen
            By default a random share of X, which then takes no part in the fit.

        Raises
        ------
        ParameterError : options out of range. DataError : too few rows, columns that differ.
        """
        positive_integer(self.n_neighbors, "n_neighbors")
        between(self.threshold, "threshold", 0.0, 1.0)
        between(self.reference_share, "reference_share", 0.0, 1.0)
        if not (is_number(self.explained) and 0 < self.explained <= 1):
            raise ParameterError(
                "out of range",
                where="explained",
                expected="0 < explained <= 1",
                got=repr(self.explained),
            )
        self._score = score
        train, reference = self._parted(X, X_reference)
        self.columns_ = MixedColumns().fit(train)
        self._fit_latent(to_frame(train, Origin("X")))
        raw = self._raw(reference, "X_reference")
        self.parts_ = tuple(name for name, values in raw.items() if values.max() > values.min())
        if not self.parts_:
            raise DataError("reference rows are all alike", where="X", expected="rows that differ")
        self._sorted = {name: np.sort(raw[name]) for name in self.parts_}
        self.n_reference_ = len(next(iter(raw.values())))
        tails = [self._tail(name, raw[name], own=True) for name in self.parts_]
        self.reference_ = np.mean(tails, axis=0)
        return self

    def parts(self, X: Any) -> dict[str, Floats]:
        """Per part the share of reference rows that are as far out or further, in (0, 1]."""
        self._check_fitted()
        raw = self._raw(X, "X")
        return {name: self._tail(name, raw[name]) for name in self.parts_}

    def score(self, X: Any) -> Floats:
        """Familiarity of each row: the mean of its parts, in (0, 1]; lower is less familiar."""
        return np.asarray(np.mean(list(self.parts(X).values()), axis=0))

    def tail(self, X: Any) -> Floats:
        """Share of reference rows, the row among them, that are no more familiar than each row."""
        return self._reference_tail(self.score(X))

    def flag(self, X: Any) -> NDArray[np.bool_]:
        """Whether each row lies in the reference's tail of share `threshold`."""
        return np.asarray(self.tail(X) <= self.threshold)

    def report(self, X: Any, *, level: float = 0.95) -> FamiliarityReport:
        """How many new rows are unfamiliar, and whether more than without drift.

        Notes
        -----
        `familiarity.unfamiliar` is medium where the share surely exceeds `threshold`, high where
        it does by more than 0.05. The interval is Newcombe's for the difference of two shares, so
        it holds the chance in the reference rows too.
        """
        normal_quantile(level)
        parts = self.parts(X)
        score = np.mean(list(parts.values()), axis=0)
        hits = int((self._reference_tail(score) <= self.threshold).sum())
        unfamiliar, excess = self._against_threshold(hits, score.size, level)
        return FamiliarityReport(
            n=score.size,
            n_reference=self.n_reference_,
            threshold=self.threshold,
            unfamiliar=unfamiliar,
            excess=excess,
            parts={
                name: share(int((p <= self.threshold).sum()), score.size, level, f"{name}, tail")
                for name, p in parts.items()
            },
            mean=float(score.mean()),
            level=level,
            method="SAGE with principal components: " + ", ".join(self.parts_),
            findings=(self._finding(unfamiliar, excess),),
        )

    def _finding(self, unfamiliar: Estimate, excess: Estimate) -> Finding:
        return Finding(
            code="familiarity.unfamiliar",
            sentence=(
                f"Of {unfamiliar.n:,} new rows, {percents(unfamiliar)} are less familiar than "
                f"all but {percent(self.threshold)} of the rows that the score was learned from."
            ),
            severity=graded(excess, effect=0.0, limit=HARM_EXCESS),
            estimate=unfamiliar,
            method=unfamiliar.method,
        )

    def _against_threshold(self, hits: int, n: int, level: float) -> tuple[Estimate, Estimate]:
        """Newcombe's (1998) method 10 for the share of new rows less that of reference rows."""
        name = "share of unfamiliar rows"
        seen = share(hits, n, level, name, method="wilson")
        least, most = proportion_interval(
            self.threshold * self.n_reference_, self.n_reference_, level
        )
        usual = structs.replace(seen, value=self.threshold, low=least, high=most)
        gap = difference(seen, usual, level, f"{name} less threshold")
        method = "Newcombe, from Wilson intervals of new and reference rows"
        unfamiliar = structs.replace(
            seen,
            low=max(self.threshold + gap.low, 0.0),
            high=min(self.threshold + gap.high, 1.0),
            method=method,
        )
        return unfamiliar, structs.replace(gap, n=n, method=method)

    def _parted(self, X: Any, X_reference: Any) -> tuple[Any, Any]:
        if X_reference is not None:
            return X, X_reference
        n = to_frame(X, Origin("X")).height
        order = generator(self.seed).permutation(n)
        size = min(round(self.reference_share * n), _MOST_ROWS)
        if size < 1 / self.threshold or n - size < 2:
            raise DataError(
                "too few rows to set some aside as reference",
                where="X",
                expected=f"at least {math.ceil(1 / self.threshold)} reference rows",
                got=f"{size} of {n}",
                hint="Give X_reference, or a larger threshold or reference_share",
            )
        return _rows(X, np.sort(order[size:])), _rows(X, np.sort(order[:size]))

    def _blocks(self, frame: pl.DataFrame, where: str) -> Iterator[tuple[Floats, Floats]]:
        """Points and novelty of some rows at a time: all of a large table would not fit."""
        for start in range(0, max(frame.height, 1), _BLOCK):
            yield self.columns_.transform(frame[start : start + _BLOCK], where)

    def _fit_latent(self, train: pl.DataFrame) -> None:
        from scipy.linalg import eigh
        from sklearn.neighbors import NearestNeighbors

        n = train.height
        total, products = np.zeros(1), np.zeros(1)
        for points, _ in self._blocks(train, "X"):
            total, products = total + points.sum(axis=0), products + points.T @ points
        self._center = total / n
        variances, axes = eigh(products / n - np.outer(self._center, self._center))
        variances = np.maximum(variances[::-1], 0.0)
        reached = np.cumsum(variances) / max(float(variances.sum()), 1e-300)
        kept = min(int(np.searchsorted(reached, self.explained - 1e-12)) + 1, variances.size)
        self._axes = np.ascontiguousarray(axes[:, ::-1][:, :kept])
        if n > _MOST_ROWS:
            train = train[np.sort(generator(self.seed, 1).permutation(n)[:_MOST_ROWS])]
        known = np.concatenate([points for points, _ in self._blocks(train, "X")]) - self._center
        neighbours = min(self.n_neighbors, len(known))
        self._nearest = NearestNeighbors(n_neighbors=neighbours).fit(known @ self._axes)

    def _raw(self, X: Any, where: str) -> dict[str, Floats]:
        """Per part a figure of each row that is larger further out."""
        frame = to_frame(X, Origin(where))
        parts = [self._placed(*block) for block in self._blocks(frame, where)]
        distance, left = (np.concatenate(part) for part in zip(*parts, strict=True))
        raw = {"distance": distance, "reconstruction": left}
        if self._score is not None:
            raw["confidence"] = -_confidence(self._score(X), frame.height)
        return raw

    def _placed(self, points: Floats, novelty: Floats) -> tuple[Floats, Floats]:
        """Distance to the nearest known rows, and what the principal components leave out."""
        centred = points - self._center
        latent = centred @ self._axes
        squares = (centred**2).sum(axis=1)
        left = squares - (latent**2).sum(axis=1)
        left[left < 1e-12 * squares] = 0.0
        return self._nearest.kneighbors(latent)[0].mean(axis=1), np.sqrt(left + novelty)

    def _tail(self, name: str, raw: Floats, *, own: bool = False) -> Floats:
        ordered = self._sorted[name]
        beyond = ordered.size - np.searchsorted(ordered, raw, side="left")
        return np.asarray((beyond + (not own)) / (ordered.size + (not own)))

    def _reference_tail(self, score: Floats) -> Floats:
        ordered = np.sort(self.reference_)
        below = np.searchsorted(ordered, score, side="right")
        return np.asarray((below + 1) / (ordered.size + 1))

    def _check_fitted(self) -> None:
        if not hasattr(self, "reference_"):
            raise ParameterError(
                "not fitted", where="Familiarity", hint="Call fit with the rows it should know"
            )


def _rows(X: Any, rows: NDArray[np.int64]) -> Any:
    """Some rows, in the container that a score function knows where that can be."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    held = isinstance(X, np.ndarray | pl.DataFrame)
    return X[rows] if held else to_frame(X, Origin("X"))[rows]


def _confidence(p: ArrayLike, n: int) -> Floats:
    values = np.asarray(p)
    found = numbers(values, "score(X)", ndim=2 if values.ndim == 2 else 1)
    same_length(found, "score(X)", n, "X")
    refuse((found < 0) | (found > 1), "score(X)", "not probabilities", "values in [0, 1]")
    return np.asarray(np.maximum(found, 1 - found) if found.ndim == 1 else found.max(axis=1))


def energy(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Free energy -T logsumexp(logits / T) of each row; higher is further from what was learned.

    Parameters
    ----------
    logits : array of shape (n, classes), at least two columns
    temperature : T, above 0.

    Returns
    -------
    array of shape (n,)

    Raises
    ------
    TargetError : one logit per row: -log(1 + exp(z)) only falls with z, so it repeats the score
        and says nothing of familiarity; take `Familiarity`.
    DataError : shapes, missing or infinite values. ParameterError : a temperature not above 0.

    Notes
    -----
    Liu et al. (2020), "Energy-based out-of-distribution detection", NeurIPS, equation 4.

    Examples
    --------
    >>> energy([[0.0, 0.0], [5.0, 0.0]]).round(4).tolist()
    [-0.6931, -5.0067]
    """
    from scipy.special import logsumexp

    scaled = _logits(logits, "logits") / _temperature(temperature)
    return np.asarray(-temperature * logsumexp(scaled, axis=1))


def max_softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Largest class probability of each row, softmax(logits / T); arguments as for `energy`.

    Examples
    --------
    >>> max_softmax([[0.0, 0.0], [0.0, 2.0]]).round(4).tolist()
    [0.5, 0.8808]
    """
    from scipy.special import softmax

    scaled = _logits(logits, "logits") / _temperature(temperature)
    return np.asarray(softmax(scaled, axis=1).max(axis=1))


class DetectorFigures(Record, frozen=True, kw_only=True):
    """How well a figure tells outside rows from inside rows.

    `fpr` is the share of outside rows taken for inside where 95% of inside rows are; `auroc`
    that an outside row looks further out than an inside one, ties half.
    """

    name: str
    fpr: Estimate
    auroc: Estimate


class DetectorReport(Record, frozen=True, kw_only=True):
    """`energy` beside `max_softmax` on the same rows."""

    energy: DetectorFigures
    max_softmax: DetectorFigures
    n_inside: int
    n_outside: int
    temperature: float
    level: float
    findings: tuple[Finding, ...] = ()


def compare_detectors(
    inside: ArrayLike, outside: ArrayLike, *, temperature: float = 1.0, level: float = 0.95
) -> DetectorReport:
    """Detection of outside rows by energy and by the largest softmax probability.

    Parameters
    ----------
    inside, outside : arrays of shape (n, classes) and (m, classes), logits of rows like those
        learned from and of rows known to be unlike them
    temperature : of both.
    level : of each interval.

    Notes
    -----
    The interval of `fpr` joins that of the 95% quantile of inside rows (order statistics) and that
    of the share of outside rows (Clopper-Pearson), each with half of 1 - level: it covers at least
    `level`. AUROC's is DeLong's.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> known, strange = rng.normal(size=(200, 3)), rng.normal(size=(100, 3))
    >>> known[:, 0] += 6
    >>> print(compare_detectors(known, strange).energy.auroc.value > 0.95)
    True
    """
    normal_quantile(level)
    near, far = _logits(inside, "inside"), _logits(outside, "outside")
    if near.shape[1] != far.shape[1]:
        raise DataError(
            "number of classes differs from inside",
            where="outside",
            expected=f"{near.shape[1]} columns",
            got=str(far.shape[1]),
        )
    by_energy, by_softmax = (
        _figures(name, of(near, temperature), of(far, temperature), level)
        for name, of in (
            ("energy", energy),
            ("max softmax", lambda logits, t: -max_softmax(logits, t)),
        )
    )
    return DetectorReport(
        energy=by_energy,
        max_softmax=by_softmax,
        n_inside=len(near),
        n_outside=len(far),
        temperature=temperature,
        level=level,
        findings=(_detector_finding(by_energy, by_softmax),),
    )


def _detector_finding(by_energy: DetectorFigures, by_softmax: DetectorFigures) -> Finding:
    blind = by_energy.auroc.high < 0.5
    return Finding(
        code="familiarity.energy",
        sentence=(
            f"Where 95% of familiar rows pass, energy lets {percents(by_energy.fpr)} of "
            f"{by_energy.fpr.n:,} outside rows pass, the largest class probability "
            f"{percents(by_softmax.fpr)}."
        ),
        severity="medium" if blind else "info",
        estimate=by_energy.fpr,
        method=by_energy.fpr.method,
    )


def _figures(name: str, inside: Floats, outside: Floats, level: float) -> DetectorFigures:
    y = np.r_[np.zeros(inside.size), np.ones(outside.size)]
    area = auroc(y, np.r_[inside, outside], level=level)
    return DetectorFigures(name=name, fpr=_false_positives(inside, outside, level), auroc=area)


def _false_positives(inside: Floats, outside: Floats, level: float) -> Estimate:
    from scipy.stats import binom

    n, half = inside.size, 0.5 + level / 2
    ordered = np.append(np.sort(inside), math.inf)
    edge = ordered[math.ceil(TRUE_POSITIVE_RATE * n - 1e-9) - 1]
    first = int(binom.ppf((1 - half) / 2, n, TRUE_POSITIVE_RATE))
    last = int(binom.ppf(0.5 + half / 2, n, TRUE_POSITIVE_RATE))
    m = outside.size
    least = int((outside <= ordered[first - 1]).sum()) if first > 0 else 0
    most = int((outside <= ordered[min(last, n)]).sum())
    return Estimate(
        value=float((outside <= edge).mean()),
        low=proportion_interval(least, m, half, "clopper_pearson")[0],
        high=proportion_interval(most, m, half, "clopper_pearson")[1],
        level=level,
        n=m,
        method="order statistics of inside rows and Clopper-Pearson, half of the error each",
        name="false-positive rate at 95% true positives",
    )


def _logits(logits: ArrayLike, where: str) -> Floats:
    values = np.asarray(logits)
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        raise TargetError(
            "one logit per row",
            where=where,
            expected="at least two columns, a logit per class",
            got=f"an array of shape {values.shape}",
            hint="The energy -log(1 + exp(z)) of one logit z only falls with z, so it repeats the "
            "score and cannot tell what is unfamiliar; use Familiarity",
        )
    return numbers(values, where, ndim=2)


def _temperature(temperature: float) -> float:
    if not (is_number(temperature) and 0 < temperature < math.inf):
        raise ParameterError(
            "out of range", where="temperature", expected="above 0", got=repr(temperature)
        )
    return float(temperature)
