"""`redact`: text without what was found in it, and where the rest now stands."""

from __future__ import annotations

import bisect
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, NamedTuple, get_args

from riskwright.core import ParameterError
from riskwright.core.scores import Part, Span

__all__ = ["Redacted", "Style", "redact"]

Style = Literal["label", "mask", "hash"]
_KEPT = 4
_BLOCK = "█"


class _Piece(NamedTuple):
    """Characters `start` to `end` of the original became `at` to `stop`."""

    start: int
    end: int
    at: int
    stop: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """Redacted text, and the places of what was replaced."""

    text: str
    pieces: tuple[_Piece, ...]

    def original(self, place: int) -> int:
        """The place in the original; within a replacement, where the replaced text began."""
        at = bisect.bisect_right([one.at for one in self.pieces], place) - 1
        if at < 0:
            return place
        one = self.pieces[at]
        return one.start if place < one.stop else place - one.stop + one.end

    def redacted(self, place: int) -> int:
        """The place in the redacted text; within what was replaced, where the replacement is."""
        at = bisect.bisect_right([one.start for one in self.pieces], place) - 1
        if at < 0:
            return place
        one = self.pieces[at]
        return one.at if place < one.end else place - one.end + one.stop


def redact(
    text: str,
    spans: Iterable[Span],
    style: Style = "label",
    *,
    part: Part | None = None,
    key: bytes = b"",
) -> Redacted:
    """Replace what the spans point to; overlapping and touching spans become one.

    Parameters
    ----------
    text : that the spans were found in.
    spans : evidence of a score; those of allowed terms ("allowed.") are left.
    style : "label" writes the last word of the rule in square brackets, "[card]"; "mask" writes
        asterisks for all letters and digits except the last four of more than eight; "hash" writes
        the label with eight hexadecimal digits, the same for the same value.
    part : only spans of that part; all where None.
    key : for "hash", at least 16 bytes: without a secret key short values could be guessed back.

    Returns
    -------
    The text, which holds no found value any more, also not where it stands a second time, and the
    pieces to map offsets with.

    Raises
    ------
    ParameterError : an unknown style, a span outside of the text, a key that is too short.

    Examples
    --------
    >>> span = Span(part="prompt", start=9, end=24, by="personal.email")
    >>> done = redact("Write to ann@example.org now", [span])
    >>> done.text, done.redacted(25), done.original(16)
    ('Write to [email] now', 17, 24)
    """
    if style not in get_args(Style):
        raise ParameterError("unknown style", where="style", expected="label, mask or hash")
    if style == "hash" and len(key) < 16:
        raise ParameterError(
            "a key that is too short", where="key", expected="at least 16 bytes", got=str(len(key))
        )
    chosen = [
        one
        for one in spans
        if part in (None, one.part) and not one.by.startswith("allowed.") and one.end > one.start
    ]
    for one in chosen:
        if one.start < 0 or one.end > len(text):
            raise ParameterError(
                "a span outside of the text",
                where="spans",
                expected=f"0 to {len(text)}",
                got=f"{one.start} to {one.end}",
            )
    values = {text[one.start : one.end] for one in chosen}
    stretches = _merged([*chosen, *_repeats(text, chosen)])
    done = _replaced(text, stretches, style, key)
    if any(value in done.text for value in values):
        done = _replaced(text, stretches, "block", key, _block_beside(values))
    return done


def _block_beside(values: Iterable[str]) -> str:
    """A sign that is part of no value, so that none can arise where it meets what is left."""
    used = set().union(*values)
    return next(sign for sign in map(chr, count(ord(_BLOCK))) if sign not in used)


def _repeats(text: str, spans: Sequence[Span]) -> list[Span]:
    """Other places of the values that the spans point to."""
    found = []
    for value, by in {text[one.start : one.end]: one.by for one in spans}.items():
        place = text.find(value)
        while place >= 0:
            found.append(Span(part="prompt", start=place, end=place + len(value), by=by))
            place = text.find(value, place + 1)
    return found


def _merged(spans: Iterable[Span]) -> list[tuple[int, int, str]]:
    """Disjoint stretches, each called by the longest span in it."""
    merged: list[tuple[int, int, str, int]] = []
    for one in sorted(spans, key=lambda one: (one.start, -one.end, one.by)):
        size = one.end - one.start
        if not merged or one.start > merged[-1][1]:
            merged.append((one.start, one.end, one.by, size))
            continue
        start, end, by, longest = merged[-1]
        by = one.by if size > longest else by
        merged[-1] = (start, max(end, one.end), by, max(size, longest))
    return [one[:3] for one in merged]


def _replaced(
    text: str,
    stretches: Iterable[tuple[int, int, str]],
    style: str,
    key: bytes,
    block: str = _BLOCK,
) -> Redacted:
    out: list[str] = []
    pieces: list[_Piece] = []
    place = size = 0
    for start, end, by in stretches:
        new = 3 * block if style == "block" else _replacement(text[start:end], by, style, key)
        size += start - place
        out += [text[place:start], new]
        pieces.append(_Piece(start, end, size, size + len(new)))
        size += len(new)
        place = end
    return Redacted("".join([*out, text[place:]]), tuple(pieces))


def _replacement(value: str, by: str, style: str, key: bytes) -> str:
    if style == "mask":
        return _masked(value)
    label = by.rpartition(".")[2] or by
    label = by.partition(".")[0] if label.isdigit() else label
    if style == "label":
        return f"[{label}]"
    data = value.encode("utf-8", "surrogatepass")
    return f"[{label} {hmac.new(key, data, hashlib.sha256).hexdigest()[:8]}]"


def _masked(value: str) -> str:
    shown = [place for place, one in enumerate(value) if one.isalnum()]
    kept = set(shown[-_KEPT:]) if len(shown) > 2 * _KEPT else set()
    return "".join(
        one if place in kept or not one.isalnum() else "*" for place, one in enumerate(value)
    )
