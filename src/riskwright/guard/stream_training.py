"""`fit_head`: what a monitor learns from labels of replies and of their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, EmptyDataError, ParameterError, TargetError
from riskwright.stats.logistic import logistic_coefficients

from .stream_heads import PrefixHead, features_of
from .stream_paths import StreamPath

__all__ = ["fit_head", "penalised_likelihood", "reply_labels", "spans_of_tokens"]

Floats = NDArray[np.float64]
Spans = Sequence[Sequence[tuple[int, int]] | None]

MAX_ROUNDS = 200
_FREE = 1e-9  # of the constant


def fit_head(
    paths: Sequence[StreamPath],
    labels: ArrayLike,
    spans: Spans | None = None,
    *,
    keys: Sequence[str] | None = None,
    window: int = 4,
    penalty: float = 1.0,
    monotone: bool = True,
    tolerance: float = 1e-8,
) -> PrefixHead:
    """Learn the probability that a prefix holds harm, from replies whose harm lies somewhere.

    Parameters
    ----------
    paths : of the scorer alone, without a head.
    labels : array of shape (n,), 0 or 1 per reply.
    spans : per reply the (start, end) of its harmful parts in characters, or None where only its
        label is known. Looks after the start of the first are harmful, the others are not.
    keys : values of the scorer to use; all of them if None.
    window : looks that count as recent.
    penalty : of the squared standardised weights; above 0.
    monotone : whether the head gives the highest probability so far. Learning is the same.
    tolerance : of the penalised likelihood per reply, at which the iteration ends.

    Returns
    -------
    PrefixHead

    Raises
    ------
    DataError, ParameterError, TargetError : for lengths, labels, spans, settings, or one class.

    Notes
    -----
    Multiple instances in order: a harmful reply without spans has one unknown look k at which the
    harm begins, each as likely beforehand; its likelihood is the mean over k of
    prod_{t<k} (1 - p_t) prod_{t>=k} p_t, that of a harmless one prod_t (1 - p_t). Every reply
    weighs 1 / looks. Expectation-maximisation: the posterior of k gives each look the probability
    that the harm has begun, to which a penalised logistic regression is fitted by Newton's method;
    no round lowers the penalised likelihood. Time O(rounds * (looks d^2 + d^3)).
    Dempster, Laird & Rubin (1977), JRSS B 39:1; Dietterich et al. (1997), Artificial Intelligence
    89:31. Li et al. (2025), From Judgment to Interference, teach a monitor with both kinds of
    labels; the order of looks takes the place of their consistency loss.
    """
    used = _used_keys(paths, keys)
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        raise ParameterError(
            "not a window", where="window", expected="at least 1", got=repr(window)
        )
    if not penalty > 0:
        raise ParameterError("no penalty", where="penalty", expected="above 0", got=repr(penalty))
    y = reply_labels(labels, len(paths))
    blocks = [
        features_of(p.positions, p.values[:, [p.keys.index(k) for k in used]], used, window)
        for p in paths
    ]
    rows = np.concatenate(blocks)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-12] = 1.0
    data = _Looks.of(blocks, (rows - mean) / scale, y, _first_harmful(paths, y, spans))
    weights = np.zeros(rows.shape[1] + 1)
    ridge = np.array([_FREE, *[penalty] * rows.shape[1]])
    target, reached = data.begun(np.zeros(rows.shape[0])), -np.inf
    for _ in range(MAX_ROUNDS):
        weights = logistic_coefficients(data.x, target, data.weight, ridge=ridge, start=weights)
        odds = data.x @ weights
        found = data.likelihood(odds) - penalty / 2 * float(weights[1:] @ weights[1:])
        if found - reached <= tolerance * len(paths):
            break
        target, reached = data.begun(odds), found
    return PrefixHead(
        keys=used,
        window=window,
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        weights=tuple(weights[1:].tolist()),
        intercept=float(weights[0]),
        monotone=monotone,
        penalty=float(penalty),
        replies=len(paths),
        events=int(y.sum()),
    )


def penalised_likelihood(
    head: PrefixHead, paths: Sequence[StreamPath], labels: ArrayLike, spans: Spans | None = None
) -> float:
    """What `fit_head` makes as large as it can, for a head and data."""
    y = reply_labels(labels, len(paths))
    blocks = [
        features_of(
            p.positions, p.values[:, [p.keys.index(k) for k in head.keys]], head.keys, head.window
        )
        for p in paths
    ]
    x = (np.concatenate(blocks) - np.array(head.mean)) / np.array(head.scale)
    data = _Looks.of(blocks, x, y, _first_harmful(paths, y, spans))
    slopes = np.array(head.weights)
    weights = np.concatenate([[head.intercept], slopes])
    return data.likelihood(data.x @ weights) - head.penalty / 2 * float(slopes @ slopes)


def spans_of_tokens(
    offsets: Sequence[tuple[int, int]], harmful: Sequence[bool | int]
) -> list[tuple[int, int]]:
    """The spans of neighbouring harmful tokens, for `fit_head`; empty where no token is harmful.

    Parameters
    ----------
    offsets : (start, end) of every token in characters, in their order.
    harmful : one label per token.

    Raises `DataError` where the lengths differ.

    Examples
    --------
    >>> spans_of_tokens([(0, 2), (3, 5), (6, 8), (9, 12)], [0, 1, 1, 0])
    [(3, 8)]
    """
    if len(offsets) != len(harmful):
        raise DataError("length differs from offsets", where="harmful", expected=str(len(offsets)))
    spans: list[tuple[int, int]] = []
    before = False
    for (start, end), label in zip(offsets, harmful, strict=True):
        if label and before:
            spans[-1] = (spans[-1][0], end)
        elif label:
            spans.append((start, end))
        before = bool(label)
    return spans


@dataclass(frozen=True)
class _Looks:
    """All looks of all replies; `first` is the first harmful look, or -1 where it is unknown."""

    x: Floats
    weight: Floats
    starts: NDArray[np.intp]
    y: NDArray[np.bool_]
    first: NDArray[np.int64]

    @classmethod
    def of(
        cls, blocks: list[Floats], x: Floats, y: NDArray[np.bool_], first: NDArray[np.int64]
    ) -> _Looks:
        sizes = np.array([len(block) for block in blocks])
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        ones = np.ones((x.shape[0], 1))
        return cls(np.hstack([ones, x]), np.repeat(1 / sizes, sizes), starts, y, first)

    def _each(self) -> list[tuple[int, int, bool, int]]:
        ends = zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        return [
            (a, b, bool(y), int(k)) for (a, b), y, k in zip(ends, self.y, self.first, strict=True)
        ]

    def begun(self, odds: Floats) -> Floats:
        """The probability that the harm has begun, per look, given the log-odds at all looks."""
        found = np.zeros(odds.size)
        for a, b, harmful, first in self._each():
            if harmful and first >= 0:
                found[a + first : b] = 1.0
            elif harmful:
                chance = _onset_chances(odds[a:b])
                found[a:b] = np.cumsum(np.exp(chance - chance.max()))
                found[a:b] /= found[b - 1]
        return found

    def likelihood(self, odds: Floats) -> float:
        """The sum over replies of their log-likelihood / looks."""
        total = 0.0
        for a, b, harmful, first in self._each():
            part = odds[a:b]
            if not harmful:
                value = float(-np.logaddexp(0, part).sum())
            elif first >= 0:
                value = float(_onset_chances(part)[first])
            else:
                chance = _onset_chances(part)
                value = float(np.logaddexp.reduce(chance)) - np.log(part.size)
            total += value / (b - a)
        return total


def _onset_chances(odds: Floats) -> Floats:
    """log prod_{t<k} (1 - p_t) prod_{t>=k} p_t for every k."""
    safe, harm = -np.logaddexp(0, odds), -np.logaddexp(0, -odds)
    before = np.concatenate([[0.0], np.cumsum(safe)[:-1]])
    after = np.cumsum(harm[::-1])[::-1]
    found: Floats = before + after
    return found


def _used_keys(paths: Sequence[StreamPath], keys: Sequence[str] | None) -> tuple[str, ...]:
    if not paths:
        raise EmptyDataError("no replies", where="paths")
    used = tuple(keys) if keys is not None else tuple(sorted(paths[0].keys))
    if not used or len(set(used)) < len(used):
        raise ParameterError("no values, or one twice", where="keys", got=", ".join(used))
    for k, path in enumerate(paths):
        if missing := [key for key in used if key not in path.keys]:
            raise DataError(
                "a path without a value that the head is to read",
                where=f"reply {k}",
                expected=", ".join(used),
                got="without " + ", ".join(missing),
            )
    return used


def reply_labels(labels: ArrayLike, n: int) -> NDArray[np.bool_]:
    """Labels of n replies as a mask; both classes must occur.

    Raises `EmptyDataError`, `DataError` and `TargetError`.
    """
    if not n:
        raise EmptyDataError("no replies", where="paths")
    y = np.asarray(labels)
    if y.shape != (n,):
        raise DataError(
            "one label per reply is needed", where="labels", expected=str(n), got=str(y.shape)
        )
    if y.dtype.kind not in "biuf" or not np.isin(y, (0, 1)).all():
        raise TargetError("not labels", where="labels", expected="0 or 1, none missing")
    if not 0 < int(y.sum()) < n:
        raise TargetError("labels of one class only", where="labels", expected="both 0 and 1")
    return y.astype(np.bool_)


def _first_harmful(
    paths: Sequence[StreamPath], y: NDArray[np.bool_], spans: Spans | None
) -> NDArray[np.int64]:
    """The first look after the start of the first harmful span; -1 where there are no spans."""
    found = np.full(len(paths), -1, dtype=np.int64)
    if spans is None:
        return found
    if len(spans) != len(paths):
        raise DataError(
            "length differs from labels",
            where="spans",
            expected=str(len(paths)),
            got=str(len(spans)),
        )
    for k, (path, parts) in enumerate(zip(paths, spans, strict=True)):
        if not parts:
            continue
        if not y[k] or any(not 0 <= a < b <= path.length for a, b in parts):
            raise DataError(
                "spans that do not fit the reply",
                where=f"spans of reply {k}",
                expected=f"0 <= start < end <= {path.length}, of harmful replies only",
            )
        onset = min(a for a, _ in parts)
        found[k] = int(np.searchsorted(path.positions, onset, side="right"))
    return found
