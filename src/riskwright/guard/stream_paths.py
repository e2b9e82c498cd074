"""`StreamPath`: the values at all looks at a reply, the unit that streams are calibrated on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, ParameterError, Record
from riskwright.evidence.exchanges import Exchange

from .stream_state import Read
from .stream_text import Looks

if TYPE_CHECKING:
    from .streams import StreamMonitor

__all__ = ["SegmentSafety", "StreamPath", "path_of", "token_weights", "trajectory"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StreamPath:
    """The values at all looks at one reply; no text.

    Attributes
    ----------
    positions : array of shape (looks,), characters read at each look, rising; the last is the
        length of the reply.
    keys : of the columns of `values`.
    values : array of shape (looks, keys), of everything read up to each look.
    digest : SHA-256 of the reply.

    Raises
    ------
    DataError : for shapes that differ, positions that do not rise, values that are not finite.
    """

    positions: NDArray[np.int64]
    keys: tuple[str, ...]
    values: Floats
    digest: str = ""

    def __post_init__(self) -> None:
        rising = self.positions.ndim == 1 and bool(np.all(np.diff(self.positions) > 0))
        if not rising or not self.positions.size:
            raise DataError("positions do not rise", where="StreamPath", expected="at least one")
        if self.values.shape != (self.positions.size, len(self.keys)):
            raise DataError(
                "wrong shape",
                where="StreamPath(values=)",
                expected=f"({self.positions.size}, {len(self.keys)})",
                got=str(self.values.shape),
            )
        if not np.isfinite(self.values).all():
            raise DataError("values that are not finite", where="StreamPath(values=)")

    @property
    def length(self) -> int:
        """Characters of the reply."""
        return int(self.positions[-1])

    def signal(self, on: Sequence[str] = ("any",)) -> Floats:
        """The highest value among the keys `on`, at every look."""
        unknown = [key for key in on if key not in self.keys]
        if unknown or not on:
            raise ParameterError(
                "a path without this value",
                where="on",
                expected=", ".join(self.keys),
                got=", ".join(unknown) or "nothing",
            )
        found: Floats = self.values[:, [self.keys.index(key) for key in on]].max(axis=1)
        return found

    def maximum(self, on: Sequence[str] = ("any",)) -> float:
        """The highest value over all looks: a threshold stops the stream where it is not above."""
        return float(self.signal(on).max())


def path_of(text: str, looks: Looks, read: Read) -> StreamPath:
    """Follow a whole text as a stream does, with a look at its end."""
    positions: list[int] = []
    rows: list[dict[str, float]] = []
    pieces = [piece for piece, _ in looks.split(text)] or [""]
    for piece in pieces:
        positions.append((positions[-1] if positions else 0) + len(piece))
        rows.append(dict(read(piece, positions[-1])[0]))
    keys = tuple(rows[-1])
    if any(set(row) != set(keys) for row in rows):
        raise DataError(
            "the scorer gives other values at other looks",
            where="PrefixState.feed",
            expected="the same keys at every look",
        )
    return StreamPath(
        positions=np.array(positions, dtype=np.int64),
        keys=keys,
        values=np.array([[row[key] for key in keys] for row in rows], dtype=np.float64),
        digest="sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest(),
    )


class SegmentSafety(Record, frozen=True, kw_only=True):
    """Characters `start` to `end` of a reply, and how safe everything up to `end` is, in [0, 1]."""

    start: int
    end: int
    safety: float


def trajectory(
    monitor: StreamMonitor, reply: str | Exchange, exchange: Exchange | None = None
) -> tuple[SegmentSafety, ...]:
    """1 - the value of each growing prefix, per segment between looks.

    Raises `DataError` where the scorer's values are not in [0, 1]. Peng et al. (2025), Shape it Up!
    Restoring LLM Safety during Finetuning, use such a signal to weigh the tokens of one reply.
    """
    path = monitor.path(reply, exchange)
    signal = path.signal(monitor.on)
    if signal.min() < 0 or signal.max() > 1:
        raise DataError(
            "values outside of [0, 1] are no safety",
            where="trajectory",
            hint="Use a scorer whose values are calibrated",
        )
    starts = [0, *path.positions[:-1].tolist()]
    parts = zip(starts, path.positions.tolist(), signal.tolist(), strict=True)
    return tuple(SegmentSafety(start=a, end=b, safety=1 - value) for a, b, value in parts)


def token_weights(
    segments: Sequence[SegmentSafety], offsets: Sequence[tuple[int, int]]
) -> list[float]:
    """The safety of the segment in which each token ends, as its weight in a training loss.

    Parameters
    ----------
    segments : from `trajectory`.
    offsets : (start, end) of every token, in characters of the reply.

    Raises `ParameterError` for a token that ends outside of the reply.

    Examples
    --------
    >>> quiet = SegmentSafety(start=0, end=6, safety=1.0)
    >>> token_weights([quiet, SegmentSafety(start=6, end=9, safety=0.2)], [(0, 3), (3, 6), (6, 9)])
    [1.0, 1.0, 0.2]
    """
    ends = np.array([segment.end for segment in segments], dtype=np.int64)
    last = np.array([end for _, end in offsets], dtype=np.int64)
    if last.size and (last.min() < 1 or last.max() > ends[-1]):
        raise ParameterError(
            "a token outside of the reply", where="offsets", expected=f"ends from 1 to {ends[-1]}"
        )
    return [segments[place].safety for place in np.searchsorted(ends, last).tolist()]
