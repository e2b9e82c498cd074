"""`train_ngrams`: from labelled texts to an `NgramModel`, by penalised logistic regressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError, TargetError
from riskwright.stats._threads import one_blas_thread

from .ngram_model import NgramModel

__all__ = ["train_ngrams"]

Floats = NDArray[np.float64]

_STRANGE = 0.01
_UNIT = 16.0  # sixteenths of an inverse document frequency


@one_blas_thread()
def train_ngrams(
    texts: Sequence[str],
    labels: Any,
    *,
    hazards: Sequence[str],
    sample_weight: Any = None,
    strata: Any = None,
    taxonomy: str = "ailuminate",
    penalty: float = 0.3,
    n_grams: int = 50_000,
    min_texts: int = 3,
    n_dense: int = 16,
    window: int = 48,
    seed: int = 0,
    training: dict[str, Any] | None = None,
) -> NgramModel:
    """Learn which n-grams tell of which hazard.

    Parameters
    ----------
    texts : n texts.
    labels : (n, hazards + 1) of 0, 1 and NaN (not known); the last column is "any".
    hazards : codes of the first columns.
    sample_weight : (n,), by default 1.
    strata : (n,) small integers, such as of languages: a constant is fitted for each and then
        left out, so that what tells strata apart is not taken for harm.
    penalty : of the squared weights, per unit of mean weight (1 / C of scikit-learn).
    n_grams : at most so many are kept: those in most texts, of those in at least `min_texts`.
    n_dense : columns of the dense representation (truncated singular value decomposition).
    window : words; see `NgramScorer`.
    seed : of the singular value decomposition.
    training : what to note in the model.

    Raises
    ------
    TargetError : the column "any" has not both labels.
    ParameterError : shapes do not agree, or no n-gram is in `min_texts` texts.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    y = np.asarray(labels, dtype=float)
    n = len(encoded)
    if y.shape != (n, len(hazards) + 1):
        expected = f"({n}, {len(hazards) + 1})"
        raise ParameterError("wrong shape", where="labels", expected=expected, got=str(y.shape))
    if set(np.unique(y[~np.isnan(y[:, -1]), -1])) != {0.0, 1.0}:
        raise TargetError("needs texts that are harmful and texts that are not", where="labels")
    model = _vocabulary(encoded, hazards, n_grams, min_texts, taxonomy, window, training or {})
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    groups = np.zeros(n, dtype=int) if strata is None else np.asarray(strata, dtype=int)
    X = model.tf_idf(encoded).tocsr()
    fits = [_logistic(X, y[:, k], weight, groups, penalty) for k in range(y.shape[1])]
    coefficients = np.column_stack([coefficient for coefficient, _ in fits])
    dense = _dense(X, n_dense, seed)
    bias = np.array([constant for _, constant in fits] + [0.0] * dense.shape[1])
    familiar = _familiar_share(encoded, hazards, n_grams, min_texts, seed)
    model = replace(model, bias=bias, familiar=familiar)
    return _quantised(model, np.hstack([coefficients, dense]))


def _vocabulary(
    encoded: list[bytes],
    hazards: Sequence[str],
    n_grams: int,
    min_texts: int,
    taxonomy: str,
    window: int,
    training: dict[str, Any],
) -> NgramModel:
    """A model that knows the n-grams and their rarity, and has no weights."""
    from ._kernels import grams

    _, columns, _ = grams(encoded)
    hashes, in_texts = np.unique(columns, return_counts=True)
    often = np.flatnonzero(in_texts >= min_texts)
    if len(often) == 0:
        got = f"none in {len(encoded)} texts"
        raise ParameterError("no n-gram is common", where="min_texts", expected="some", got=got)
    order = np.lexsort((hashes[often], -in_texts[often]))
    kept = np.sort(often[order[:n_grams]])
    rarity = np.log((1.0 + len(encoded)) / (1.0 + in_texts[kept])) + 1.0
    steps = np.minimum(np.round(_UNIT * rarity), 255).astype(np.uint8)
    return NgramModel(
        hazards=tuple(hazards),
        hashes=hashes[kept].astype(np.uint32),
        rarity=steps,
        unknown_rarity=int(steps.max()),
        weight=np.zeros((len(kept), len(hazards) + 1), dtype=np.int8),
        bias=np.zeros(len(hazards) + 1),
        factor=np.ones(len(hazards) + 1),
        window=window,
        familiar=0.0,
        taxonomy=taxonomy,
        training=training,
    )


def _familiar_share(
    encoded: list[bytes], hazards: Sequence[str], n_grams: int, min_texts: int, seed: int
) -> float:
    """The lowest percent of the shares of n-grams, in a fifth of the texts, that the rest knows."""
    order = np.random.default_rng(seed).permutation(len(encoded))
    held, rest = order[: len(order) // 5], order[len(order) // 5 :]
    try:
        known = _vocabulary([encoded[i] for i in rest], hazards, n_grams, min_texts, "", 1, {})
    except ParameterError:
        return 0.0
    _, _, counts = known.kernel.scores([encoded[i] for i in held])
    occurrences = counts[:, -2] + counts[:, -1]
    shares = counts[occurrences > 0, -2] / occurrences[occurrences > 0]
    return float(np.quantile(shares, _STRANGE)) if len(shares) else 0.0


def _logistic(
    X: Any, y: Floats, weight: Floats, groups: NDArray[np.int_], penalty: float
) -> tuple[Floats, float]:
    """Coefficients and constant; the constants of groups are fitted and averaged."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    rows = np.flatnonzero(~np.isnan(y))
    if len(np.unique(y[rows])) < 2:
        return np.zeros(X.shape[1]), -10.0
    n_groups = int(groups.max()) + 1
    marks = csr_matrix((np.full(len(rows), 10.0), (range(len(rows)), groups[rows])))
    marks.resize((len(rows), n_groups))
    w = weight[rows] / weight[rows].mean()
    fit = LogisticRegression(C=1.0 / penalty, max_iter=1000)
    fit.fit(hstack([X[rows], marks]).tocsr(), y[rows].astype(int), w)
    constants = fit.coef_[0, X.shape[1] :] * 10.0
    share = np.bincount(groups[rows], w, n_groups) / w.sum()
    return fit.coef_[0, : X.shape[1]], float(fit.intercept_[0] + share @ constants)


def _dense(X: Any, n_dense: int, seed: int) -> Floats:
    from sklearn.decomposition import TruncatedSVD

    if n_dense == 0:
        return np.zeros((X.shape[1], 0))
    fit = TruncatedSVD(min(n_dense, min(X.shape) - 1), random_state=seed).fit(X)
    components: Floats = fit.components_.T
    return components


def _quantised(model: NgramModel, weights: Floats) -> NgramModel:
    unit = np.abs(weights).max(axis=0) / 127.0
    unit[unit == 0] = 1.0
    return replace(model, weight=np.round(weights / unit).astype(np.int8), factor=unit)
