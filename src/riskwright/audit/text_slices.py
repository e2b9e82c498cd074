"""Kinds of texts on which a score does worse: stated on some items, tested on others."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, ParameterError
from riskwright.core.randomness import Seed, generator
from riskwright.stats import normal_quantile
from riskwright.stats._columns import is_number, length_error, numbers, same_length

from ._checks import checked_texts
from ._estimates import bonferroni_level, mean_estimate
from .permutation_bounds import PermutationTail
from .slices import (
    FEWEST_ROWS,
    HARM,
    SPLIT,
    Slice,
    Slices,
    checked_loss,
    corrected_p_value,
    deviations,
    gap_of,
    with_findings,
)

__all__ = ["find_text_slices"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Describer = Callable[[Sequence[str]], Mapping[str, ArrayLike]]

_ALPHA = 0.95
_SAME_ITEMS = 0.8
_WORD = r"(?u)\b[^\W\d_][^\W\d_'-]+\b"


def find_text_slices(
    loss: ArrayLike,
    texts: Sequence[str],
    /,
    *,
    describe: Describer | None = None,
    embeddings: ArrayLike | None = None,
    top_share: float = 0.2,
    hypotheses: int = 20,
    min_share: float = 0.01,
    k: int = 5,
    holdout: float = 0.5,
    level: float = 0.95,
    harm: float = HARM,
    loss_name: str = "loss",
    sample_weight: ArrayLike | None = None,
    random_state: Seed = 0,
) -> Slices:
    """The kinds of texts with the largest losses, each a hypothesis tested on items held out.

    Parameters
    ----------
    loss : array of shape (n,), at least 0
        What went wrong with each item (`row_losses`).
    texts : n texts. They are not part of the result; words of hypotheses are.
    describe : called with all texts, returns for each description (a noun phrase such as "a
        question about money") one mark per text, 1 where it fits
        By default the descriptions are 'the word "w"', for every word in enough texts.
    embeddings : array of shape (n, d)
        Adds one description: the `top_share` of items that lie farthest in the direction from the
        items that went well to those that did not.
    top_share : in (0, 1), and `min_share`, the least share of items of a slice (32 in any case).
    hypotheses : most descriptions tested, those of largest t statistic on the items searched.
    k : most slices returned.
    holdout : share of the items that only test, in (0, 1).
    level, harm, loss_name, sample_weight, random_state : as for `find_slices`.

    Returns
    -------
    Slices
        By the lower end of the held-out gap. `loss`, `gap` and `score` are of the items searched,
        with intervals that hold for all `examined` descriptions at once; `confirmed` is the gap
        on the items held out, with intervals that hold for all those tested, and `p_value` is their
        permutation Chernoff bound times the number tested. A description of nearly the same items
        (over 80% of both) as one of larger t statistic is not tested.

    Raises
    ------
    DataError : as `find_slices`; texts that are no text, marks that are not 0 or 1.
    ParameterError : a parameter out of range.

    Notes
    -----
    Time O(n (words per text + d)), memory O(n (words per text + d)). The direction is the
    difference of means of Ghosh et al. (2024), "LADDER", for losses of 0 and 1, and the covariance
    of loss and embedding for others.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> texts = [" ".join(rng.choice(["loan", "card", "fee", "rate"], 2)) for _ in range(2000)]
    >>> loss = [0.1 + 0.5 * ("fee" in text) for text in texts] + rng.random(2000)
    >>> find_text_slices(loss, texts).slices[0].words
    'the word "fee"'
    """
    normal_quantile(level)
    _check(top_share, hypotheses, min_share, k, holdout, harm)
    values, weight, kept = checked_loss(loss, sample_weight)
    items = checked_texts(texts)
    size = values.size if kept is None else kept.size
    if len(items) != size:
        raise length_error("texts", len(items), size, "loss")
    if kept is not None:
        items = [items[i] for i in np.flatnonzero(kept)]
    vectors = None if embeddings is None else _vectors(embeddings, kept, values.size)
    held = generator(random_state, SPLIT).random(values.size) < holdout
    searched = ~held if not held.all() else held
    held = ~searched
    min_rows = max(FEWEST_ROWS, math.ceil(min_share * searched.sum()))
    search = _Search(values, weight, searched, min_rows)
    words = _words(items, search) if describe is None or vectors is not None else {}
    described = words if describe is None else _described(describe, items)
    if vectors is not None:
        name, marks = _direction(vectors, words, search, top_share)
        described = ChainMap({name: marks}, cast("dict[str, Bools]", described))
    tested, examined = search.strongest(described, hypotheses)
    slices = _tested(tested, described, search, held, examined, level)
    baseline = mean_estimate(loss_name, *search.rows(searched), level)
    found = Slices(
        slices=tuple(slices[:k]),
        loss_name=loss_name,
        baseline=baseline,
        n=int(searched.sum()),
        columns=("text",),
        depth=1,
        examined=examined,
        min_rows=min_rows,
        level=level,
        method=f"{len(tested)} of {examined:,} descriptions stated on {int(searched.sum()):,} "
        f"items and tested on {int(held.sum()):,}; p-values: permutation Chernoff bound times "
        f"{len(tested)}",
        n_held_out=int(held.sum()),
        harm=harm,
    )
    return with_findings(found, values[held] if held.any() else values)


class _Search:
    """The items searched for descriptions."""

    def __init__(
        self, values: Floats, weight: Floats | None, searched: Bools, min_rows: int
    ) -> None:
        self.values = values
        self.weight = weight
        self.searched = searched
        self.min_rows = min_rows

    def rows(self, chosen: Bools) -> tuple[Floats, Floats | None]:
        return self.values[chosen], None if self.weight is None else self.weight[chosen]

    def deviation(self, chosen: Bools) -> Floats:
        return deviations(*self.rows(chosen))

    def strongest(self, described: Mapping[str, Bools], most: int) -> tuple[list[str], int]:
        """Names of the descriptions to test, and how many fit enough items to be looked at."""
        deviation = self.deviation(self.searched)
        spread = float(deviation.std()) or 1.0
        n, statistics = deviation.size, {}
        for name, marks in described.items():
            inside = marks[self.searched]
            m = int(inside.sum())
            if self.min_rows <= m <= n - self.min_rows:
                reach = spread * math.sqrt(m * (1 - m / n))
                statistics[name] = float(deviation[inside].sum()) / reach
        ranked = sorted((name for name in statistics if statistics[name] > 0), key=statistics.get)  # type: ignore[arg-type]
        chosen: list[str] = []
        for name in reversed(ranked):
            inside = described[name] & self.searched
            if not any(_overlap(inside, described[o] & self.searched) for o in chosen):
                chosen.append(name)
            if len(chosen) == most:
                break
        return chosen, len(statistics)


def _tested(
    names: list[str],
    described: Mapping[str, Bools],
    search: _Search,
    held: Bools,
    examined: int,
    level: float,
) -> list[Slice]:
    if not names or not held.any():
        return []
    deviation = search.deviation(held)
    tail = PermutationTail(deviation)
    each = bonferroni_level(level, len(names))
    before, beyond = search.rows(search.searched), search.rows(held)
    total = before[0].mean() if before[1] is None else np.average(before[0], weights=before[1])
    found = []
    for name in names:
        inside, outside = described[name][search.searched], described[name][held]
        loss, gap = gap_of(*before, inside, bonferroni_level(level, examined))
        _, confirmed = gap_of(*beyond, outside, each)
        mass = inside.astype(float) if before[1] is None else before[1] * inside
        everything = float(inside.size if before[1] is None else before[1].sum())
        share = float(mass.sum()) / everything
        p = corrected_p_value(tail, int(outside.sum()), float(deviation[outside].sum()), len(names))
        score = _ALPHA * (loss.value / float(total) - 1) - (1 - _ALPHA) * (1 / share - 1)
        found.append(
            Slice(
                conditions=(("text", name),),
                words=name,
                n=int(inside.sum()),
                share=share,
                score=score,
                loss=loss,
                gap=gap,
                p_value=p,
                confirmed=confirmed,
                confirmed_p_value=p,
            )
        )
    return sorted(found, key=_lower_end, reverse=True)


def _lower_end(part: Slice) -> float:
    assert part.confirmed is not None
    return -math.inf if math.isnan(part.confirmed.low) else part.confirmed.low


def _overlap(one: Bools, other: Bools) -> bool:
    return float((one & other).sum()) > _SAME_ITEMS * float((one | other).sum())


class _WordMarks(Mapping[str, Bools]):
    """Whether each text has each word; marks are made when asked for, as all would not fit."""

    def __init__(self, matrix: Any, columns: dict[str, int]) -> None:
        self._matrix = matrix
        self._columns = columns

    def __getitem__(self, name: str) -> Bools:
        column = self._columns[name]
        ends = self._matrix.indptr[column : column + 2]
        has = np.zeros(self._matrix.shape[0], bool)
        has[self._matrix.indices[ends[0] : ends[1]]] = True
        return has

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def _words(items: list[str], search: _Search) -> Mapping[str, Bools]:
    """Whether each text has each word that enough, not nearly all, of the searched ones have."""
    matrix, names = _word_matrix(items)
    if not names:
        return {}
    counts = np.asarray(matrix[search.searched].sum(axis=0)).ravel()
    n = int(search.searched.sum())
    common = np.flatnonzero((counts >= search.min_rows) & (counts <= n - search.min_rows))
    return _WordMarks(matrix, {f'the word "{names[column]}"': column for column in common.tolist()})


def _word_matrix(items: list[str]) -> tuple[Any, list[str]]:
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(binary=True, token_pattern=_WORD, dtype=np.int32)
    try:
        matrix = counter.fit_transform(items).tocsc()
    except ValueError:  # no text has a word
        return None, []
    return matrix, counter.get_feature_names_out().tolist()


def _described(describe: Describer, items: list[str]) -> dict[str, Bools]:
    found = {}
    for name, marks in describe(items).items():
        column = numbers(marks, f"describe: {name}")
        same_length(column, f"describe: {name}", len(items), "texts")
        if not np.isin(column, (0.0, 1.0)).all():
            raise DataError(
                "marks other than 0 and 1", where=f"describe: {name}", expected="0 or 1"
            )
        found[str(name)] = column == 1
    return found


def _direction(
    vectors: Floats, words: Mapping[str, Bools], search: _Search, top_share: float
) -> tuple[str, Bools]:
    """The items farthest in the direction in which losses grow, named by their words."""
    centred = vectors - vectors[search.searched].mean(axis=0)
    towards = centred[search.searched].T @ search.deviation(search.searched)
    along = centred @ towards
    top = along >= np.quantile(along[search.searched], 1 - top_share)
    inside, outside = top & search.searched, ~top & search.searched
    more = {
        name: float(has[inside].mean() - has[outside].mean()) if outside.any() else 0.0
        for name, has in words.items()
    }
    named = [name for name in sorted(more, key=lambda w: -more[w])[:3] if more[name] > 0]
    said = ", ".join(name.removeprefix("the word ") for name in named)
    like = f" (more often with {said})" if said else ""
    return f"a text like those that went wrong{like}", top


def _vectors(embeddings: ArrayLike, kept: Bools | None, n: int) -> Floats:
    vectors = numbers(embeddings, "embeddings", ndim=2)
    same_length(vectors, "embeddings", n if kept is None else kept.size, "texts")
    return vectors if kept is None else vectors[kept]


def _check(
    top_share: float, hypotheses: int, min_share: float, k: int, holdout: float, harm: float
) -> None:
    for where, value in (("hypotheses", hypotheses), ("k", k)):
        if not isinstance(value, int | np.integer) or value < 1:
            expected = "a whole number of at least 1"
            raise ParameterError("out of range", where=where, expected=expected, got=repr(value))
    shares = (("top_share", top_share), ("min_share", min_share), ("holdout", holdout))
    for where, share in shares:
        if not (is_number(share) and 0 < share < 1):
            expected = f"0 < {where} < 1"
            raise ParameterError("out of range", where=where, expected=expected, got=repr(share))
    if not (is_number(harm) and 0 <= harm < math.inf):
        raise ParameterError("out of range", where="harm", expected="at least 0", got=repr(harm))
