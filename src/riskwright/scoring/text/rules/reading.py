"""`Window`: the part of a growing text in which a finder may still change its mind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar

from .rule import AFTER, BEFORE

__all__ = ["Placed", "Window"]


class Placed(Protocol):
    """What begins and ends somewhere, and can be moved."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


One = TypeVar("One", bound=NamedTuple)


class Window(Generic[One]):
    """Feeds a growing text to a finder whose finds depend on their neighbourhood alone.

    Parameters
    ----------
    find : finds (with `start` and `end`) of a text, each at most `reach` characters long and
        depending on nothing but `BEFORE` characters before and `AFTER` after it.
    reach : see `find`.

    Notes
    -----
    `line` is the place before which every find is settled. Kept are reach + `BEFORE` + `AFTER`
    characters; feeding n more costs one search of those and the n.
    """

    def __init__(self, find: Callable[[str], Iterable[One]], reach: int) -> None:
        self._find = find
        self._reach = reach + AFTER
        self._text = ""
        self._begins = 0
        self.line = 0

    def feed(self, text: str) -> tuple[list[One], list[One]]:
        """Finds that are settled now, and those that the text to come may still change."""
        self._text += text
        moved = (_moved(one, self._begins) for one in self._find(self._text))
        open_ = [one for one in moved if one[0] >= self.line]
        self.line = max(self.line, self._begins + len(self._text) - self._reach)
        cut = self.line - BEFORE - self._begins
        if cut > 0:
            self._text = self._text[cut:]
            self._begins += cut
        settled = [one for one in open_ if one[0] < self.line]
        return settled, [one for one in open_ if one[0] >= self.line]


def _moved(one: One, by: int) -> One:
    return one._replace(start=one[0] + by, end=one[1] + by) if by else one
