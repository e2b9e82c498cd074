"""`PrefixHead`: a logistic model on what is known of a growing text at each look."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, Record, content_hash

__all__ = ["HeadState", "PrefixHead", "feature_names", "features_of"]

Floats = NDArray[np.float64]


def feature_names(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Of the features of a look: four for each value that the scorer gives, and the position."""
    kinds = ("now", "highest", "recent mean", "rise")
    return (*(f"{key}: {kind}" for key in keys for kind in kinds), "log of the position")


class _Features:
    """Features of the looks at one reply, one look after the other; O(keys) each."""

    def __init__(self, keys: tuple[str, ...], window: int) -> None:
        self._recent: list[deque[float]] = [deque(maxlen=window) for _ in keys]
        self._highest = [-math.inf] * len(keys)

    def step(self, values: list[float], position: int) -> list[float]:
        found: list[float] = []
        for k, value in enumerate(values):
            recent = self._recent[k]
            rise = value - recent[0] if recent else 0.0
            recent.append(value)
            self._highest[k] = max(self._highest[k], value)
            found += [value, self._highest[k], math.fsum(recent) / len(recent), rise]
        return [*found, math.log1p(position)]


def features_of(
    positions: NDArray[np.int64], values: Floats, keys: tuple[str, ...], window: int
) -> Floats:
    """Features of all looks of a path, shape (looks, 4 keys + 1)."""
    follow = _Features(keys, window)
    rows = zip(values.tolist(), positions.tolist(), strict=True)
    return np.array([follow.step(row, position) for row, position in rows], dtype=np.float64)


class PrefixHead(Record, frozen=True, kw_only=True):
    """Probability that the text read so far holds harm, from a scorer's values at the looks.

    Per value of the scorer: now, the highest so far, the mean of the last `window` looks, and its
    rise over them; and the logarithm of the position. `mean` and `scale` standardise them.

    Parameters
    ----------
    keys : values of the scorer that are used.
    window : looks that count as recent.
    mean, scale, weights : one number per feature, as `feature_names` has them.
    intercept : of the log-odds.
    monotone : whether the output is the highest probability so far.
    penalty, replies, events : how it was learnt.
    """

    keys: tuple[str, ...]
    window: int
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    monotone: bool
    penalty: float
    replies: int
    events: int

    @property
    def version(self) -> str:
        """Digest of all its numbers."""
        return f"sha256:{content_hash(self.to_dict())}"

    def begin(self) -> HeadState:
        """Start to follow one reply."""
        return HeadState(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PrefixHead:
        """From what `to_dict` gives."""
        return msgspec.convert(values, cls)


class HeadState:
    """A head that follows one reply."""

    def __init__(self, head: PrefixHead) -> None:
        self._head = head
        self._features = _Features(head.keys, head.window)
        self._highest = 0.0
        slopes = [w / s for w, s in zip(head.weights, head.scale, strict=True)]
        self._slopes = slopes
        self._start = head.intercept - math.fsum(
            slope * m for slope, m in zip(slopes, head.mean, strict=True)
        )

    def step(self, values: Mapping[str, float], position: int) -> float:
        """The probability after a look; `DataError` where the scorer lacks a value."""
        missing = [key for key in self._head.keys if key not in values]
        if missing:
            raise DataError(
                "the scorer lacks a value that the head reads",
                where="PrefixHead",
                expected=", ".join(self._head.keys),
                got=", ".join(values),
            )
        row = self._features.step([values[key] for key in self._head.keys], position)
        odds = self._start + math.fsum(a * b for a, b in zip(self._slopes, row, strict=True))
        value = 1 / (1 + math.exp(-odds)) if odds >= 0 else 1 - 1 / (1 + math.exp(odds))
        if self._head.monotone:
            self._highest = value = max(self._highest, value)
        return value
