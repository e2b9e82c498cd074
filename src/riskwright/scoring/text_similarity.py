"""Similar texts by their characters: a tf-idf index, and near duplicates."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["NgramIndex", "merged_into"]

Floats = NDArray[np.float64]

_N = 4
_BUCKETS = 2**20
_MULTIPLIER = 0x9E3779B97F4A7C15
_SHINGLE = 5


def _plain(text: str) -> str:
    """Compatibility characters and case folded, blanks as one, a blank at both ends."""
    return f" {' '.join(unicodedata.normalize('NFKC', text).casefold().split())} "


class NgramIndex:
    """Cosine similarity of hashed tf-idf character 4-grams to each of some texts.

    Weights are (1 + ln tf) x (ln((1 + n) / (1 + df)) + 1), each vector of length 1. Two different
    4-grams share one of 2^20 buckets with probability 1e-6. Building takes time and memory linear
    in the characters, a query time linear in the texts that share its 4-grams.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.n = len(texts)
        row, bucket = _ngrams([_plain(text) for text in texts])
        pair, count = np.unique(bucket * self.n + row, return_counts=True)
        bucket, self._row = pair // max(self.n, 1), pair % max(self.n, 1)
        self._bucket, start = np.unique(bucket, return_index=True)
        self._start = np.append(start, pair.size)
        frequency = np.diff(self._start)
        self._idf = np.log((1 + self.n) / (1 + frequency)) + 1
        weight = (1 + np.log(count)) * np.repeat(self._idf, frequency)
        length = np.sqrt(np.bincount(self._row, weight**2, minlength=self.n))
        self._weight = weight / length[self._row]

    def similarities(self, text: str) -> Floats:
        """To every text, in [0, 1]."""
        buckets, count = np.unique(_ngrams([_plain(text)])[1], return_counts=True)
        tf = 1 + np.log(count)
        place = np.searchsorted(self._bucket, buckets)
        known = (place < self._bucket.size) & (
            self._bucket[np.minimum(place, self._bucket.size - 1)] == buckets
        )
        rare = np.log(1.0 + self.n) + 1
        weight = tf * np.where(known, self._idf[np.where(known, place, 0)], rare)
        weight /= np.sqrt((weight**2).sum())
        found = np.zeros(self.n)
        for k, w in zip(place[known], weight[known], strict=True):
            rows = slice(self._start[k], self._start[k + 1])
            found[self._row[rows]] += w * self._weight[rows]
        return np.clip(found, 0.0, 1.0)


def _ngrams(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and bucket of every 4-gram; shorter texts are filled up with blanks."""
    filled = [text.ljust(_N) for text in texts]
    points = np.frombuffer("".join(filled).encode("utf-32-le", "surrogatepass"), "<u4")
    length = np.array([len(text) for text in filled], np.intp)
    row = np.repeat(np.arange(len(filled)), length)
    size = max(points.size - _N + 1, 0)
    state = np.zeros(size, np.uint64)
    for k in range(_N):
        state = (state + points[k : k + size].astype(np.uint64) + 1) * np.uint64(_MULTIPLIER)
        state ^= state >> np.uint64(29)
    inside = row[:size] == row[_N - 1 :] if size else np.zeros(0, bool)
    bucket = (state[inside] >> np.uint64(64 - 20)).astype(np.int64)
    return row[:size][inside].astype(np.int64), bucket


def merged_into(texts: Sequence[str], same: float) -> list[int]:
    """Of every text the number of the first text that stands for it.

    A text joins the earliest text that stands for itself and whose set of character 5-grams has
    a Jaccard index with its own of at least `same`; else it stands for itself.

    Notes
    -----
    Exact. With 5-grams ordered from the rarest, two sets of index J >= s share one of their first
    |A| - ceil(s |A|) + 1 5-grams, so that only those lead to comparisons (prefix filter; Bayardo
    et al. 2007).
    """
    sets = [_shingles(_plain(text)) for text in texts]
    often = Counter(shingle for one in sets for shingle in one)
    leader = list(range(len(texts)))
    holders: dict[str, list[int]] = {}
    for place, one in enumerate(sets):
        ordered = sorted(one, key=lambda shingle: (often[shingle], shingle))
        prefix = ordered[: len(ordered) - _ceil(same * len(ordered)) + 1]
        candidates = sorted({k for shingle in prefix for k in holders.get(shingle, ())})
        found = next((k for k in candidates if _jaccard(one, sets[k]) >= same), None)
        if found is not None:
            leader[place] = found
            continue
        for shingle in prefix:
            holders.setdefault(shingle, []).append(place)
    return leader


def _ceil(x: float) -> int:
    return -int(-(x - 1e-9) // 1)


def _shingles(text: str) -> frozenset[str]:
    if len(text) <= _SHINGLE:
        return frozenset({text})
    return frozenset(text[k : k + _SHINGLE] for k in range(len(text) - _SHINGLE + 1))


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)
