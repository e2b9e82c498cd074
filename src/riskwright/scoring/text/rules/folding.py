"""`fold`: one spelling for text that differs in case, accents, width or invisible characters."""

from __future__ import annotations

import functools
import unicodedata
from typing import NamedTuple

__all__ = ["Folded", "fold"]

_HANGUL = range(0xAC00, 0xD7A4)


class Folded(NamedTuple):
    """Folded text, and where each of its characters (and its end) stands in the original.

    `places` is None where every character stands where it stood.
    """

    text: str
    places: list[int] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that the folded characters `start` to `end` came from."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


@functools.lru_cache(maxsize=65536)
def _folded(character: str) -> str:
    if ord(character) in _HANGUL:
        return character
    return "".join(
        part.casefold()
        for part in unicodedata.normalize("NFKD", character)
        if unicodedata.category(part) not in ("Mn", "Me", "Cf")
    )


def fold(text: str) -> Folded:
    """Case, accents and width folded, combining marks and format characters left out.

    Each character is folded by itself (NFKD without marks, then case folding), so that what a
    stretch folds to does not depend on its neighbours. Linear in the length.

    Examples
    --------
    >>> fold("Ｐrévious").text
    'previous'
    >>> folded = fold("one\\u200b two")
    >>> folded.text, folded.span(3, 5)
    ('one two', (4, 6))
    """
    if text.isascii():
        return Folded(text.lower(), None)
    table = {ord(one): _folded(one) for one in set(text) if not one.isascii()}
    if all(len(one) == 1 for one in table.values()):
        return Folded(text.translate(table).lower(), None)
    pieces: list[str] = []
    places: list[int] = []
    for place, one in enumerate(text):
        piece = table.get(ord(one), one)
        pieces.append(piece)
        places.extend([place] * len(piece))
    places.append(len(text))
    return Folded("".join(pieces).lower(), places)
