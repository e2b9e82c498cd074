"""Similar texts by their characters: a tf-idf index, and near duplicates."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["NgramIndex", "merged_into"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_N = 4
_BITS = 20
_MULTIPLIER = 0x9E3779B97F4A7C15
_SHINGLE = 5
_MARKS = 512


def _plain(text: str) -> str:
    """Compatibility characters and case folded, blanks as one, a blank at both ends."""
    return f" {' '.join(unicodedata.normalize('NFKC', text).casefold().split())} "


class NgramIndex:
    """Cosine similarity of hashed tf-idf character 4-grams to each of some texts.

    Weights are (1 + ln tf) x ln((1 + n) / df), each vector of length 1; n and df count the texts
    and those of `background`, ordinary texts that only tell which 4-grams are common. Two
    different 4-grams share one of 2^20 buckets with probability 1e-6. Building takes time and
    memory linear in the characters, but for a sort; a query takes time linear in the texts that
    share its 4-grams.
    """

    def __init__(self, texts: Sequence[str], background: Sequence[str] = ()) -> None:
        self.n = len(texts)
        row, bucket = _ngrams([_plain(text) for text in (*texts, *background)], _N, _BITS)
        rows = self.n + len(background)
        pair, count = np.unique(bucket * max(rows, 1) + row, return_counts=True)
        bucket, row = pair // max(rows, 1), pair % max(rows, 1)
        self._bucket, place, frequency = np.unique(bucket, return_inverse=True, return_counts=True)
        self._all = rows
        self._idf = np.log((1 + rows) / frequency)
        own = row < self.n
        self._row, place = row[own], place[own]
        weight = (1 + np.log(count[own])) * self._idf[place]
        self._start = np.searchsorted(place, np.arange(self._bucket.size + 1))
        length = np.sqrt(np.bincount(self._row, weight**2, minlength=self.n))
        self._weight = weight / length[self._row]

    def similarities(self, text: str) -> Floats:
        """To every text, in [0, 1]."""
        buckets, count = np.unique(_ngrams([_plain(text)], _N, _BITS)[1], return_counts=True)
        found = np.zeros(self.n)
        if not self.n:
            return found
        place = np.minimum(np.searchsorted(self._bucket, buckets), self._bucket.size - 1)
        known = self._bucket[place] == buckets
        weight = (1 + np.log(count)) * np.where(known, self._idf[place], math.log(1.0 + self._all))
        weight /= np.sqrt((weight**2).sum())
        for k, w in zip(place[known], weight[known], strict=True):
            rows = slice(self._start[k], self._start[k + 1])
            found[self._row[rows]] += w * self._weight[rows]
        return np.clip(found, 0.0, 1.0)


def _ngrams(texts: Sequence[str], n: int, bits: int) -> tuple[Integers, Integers]:
    """Row and hash of every n-gram; shorter texts are filled up with blanks."""
    filled = [text.ljust(n) for text in texts]
    points = np.frombuffer("".join(filled).encode("utf-32-le", "surrogatepass"), "<u4")
    length = np.array([len(text) for text in filled], np.intp)
    row = np.repeat(np.arange(len(filled)), length)
    size = max(points.size - n + 1, 0)
    state = np.zeros(size, np.uint64)
    for k in range(n):
        state = (state + points[k : k + size].astype(np.uint64) + 1) * np.uint64(_MULTIPLIER)
        state ^= state >> np.uint64(29)
    inside = row[:size] == row[n - 1 :] if size else np.zeros(0, bool)
    return row[:size][inside], (state[inside] >> np.uint64(64 - bits)).astype(np.int64)


def merged_into(texts: Sequence[str], same: float) -> list[int]:
    """Of every text the number of the first text that stands for it.

    A text joins the earliest text that stands for itself and whose set of character 5-grams has
    a Jaccard index with its own of at least `same`; else it stands for itself.

    Notes
    -----
    With 5-grams ordered from the rarest, two sets of index J >= s share one of their first
    |A| - ceil(s |A|) + 1 5-grams, so that only those lead to comparisons (prefix filter; Bayardo
    et al. 2007). No near duplicate is overlooked, but for the 5-grams being told apart by 62 bits
    of their hash.
    """
    row, shingle = _ngrams([_plain(text) for text in texts], _SHINGLE, 62)
    distinct, place, often = np.unique(shingle, return_inverse=True, return_counts=True)
    rank = np.empty(distinct.size, np.int64)
    rank[np.argsort(often, kind="stable")] = np.arange(distinct.size)
    pair = np.sort(row * max(distinct.size, 1) + rank[place])
    pair = pair[np.diff(pair, prepend=-1) > 0]
    row, ordered = pair // max(distinct.size, 1), pair % max(distinct.size, 1)
    sets = np.split(ordered, np.searchsorted(row, np.arange(1, len(texts))))
    marks = _marks(row, ordered, len(texts))
    leader = list(range(len(texts)))
    holders: dict[int, list[int]] = {}
    for k, one in enumerate(sets):
        prefix = one[: one.size - math.ceil(same * one.size - 1e-9) + 1].tolist()
        near = {other for part in prefix for other in holders.get(part, ())}
        for other in sorted(near):
            apart = (1 - same) / (1 + same) * (one.size + sets[other].size)
            differ = (marks[k] ^ marks[other]).bit_count()
            if differ <= apart + 1e-9 and _jaccard(one, sets[other]) >= same:
                leader[k] = other
                break
        if leader[k] == k:
            for part in prefix:
                holders.setdefault(part, []).append(k)
    return leader


def _marks(row: Integers, ordered: Integers, n: int) -> list[int]:
    """Of every set the places that its members are hashed to, as the bits of one number.

    Two sets differ in at least as many members as in bits.
    """
    found = np.zeros((n, _MARKS), bool)
    found[row, ordered % _MARKS] = True
    return [int.from_bytes(bits.tobytes(), "big") for bits in np.packbits(found, axis=1)]


def _jaccard(one: Integers, other: Integers) -> float:
    """Of two sorted sets."""
    both = np.intersect1d(one, other, assume_unique=True).size
    return both / (one.size + other.size - both)
