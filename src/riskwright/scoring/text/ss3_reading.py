"""Reading word by word: tokens, and sums over terms, sentences and paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

__all__ = ["Operator", "Reader", "Sum", "Vector", "terms"]

Vector = tuple[float, ...]
Operator = Literal["sum", "mean", "max"]

_LONGEST = 64
_TOKEN = re.compile(
    r"(?P<word>[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]{1,64})"
    r"|(?P<stop>[.!?\u2026\u3002\uff01\uff1f]+)|(?P<line>\n+)"
)
_OPEN_WORD = re.compile(r"[^\W_\u3040-\u30ff\u3400-\u9fff]*\Z")


class Sum:
    """One level of the hierarchy: values that came so far, under one operator."""

    __slots__ = ("n", "operator", "total")

    def __init__(self, operator: Operator, n_classes: int) -> None:
        self.operator = operator
        self.total = [0.0] * n_classes
        self.n = 0

    def add(self, values: Vector | None) -> None:
        self.n += 1
        if values is None:
            return
        if self.operator == "max":
            self.total = [max(a, b) for a, b in zip(self.total, values, strict=True)]
        else:
            self.total = [a + b for a, b in zip(self.total, values, strict=True)]

    def value(self) -> Vector:
        if self.operator == "mean" and self.n:
            return tuple(one / self.n for one in self.total)
        return tuple(self.total)

    def copy(self) -> Sum:
        same = Sum(self.operator, 0)
        same.total, same.n = self.total, self.n
        return same


class Reader:
    """Sums up tokens as they come: terms to sentences, these to paragraphs, these to a text.

    A word that the next part of the text may continue is held back, and counted in `value`.
    """

    def __init__(
        self,
        weights: Mapping[str, Vector],
        n_classes: int,
        n_grams: int,
        operators: Sequence[Operator],
    ) -> None:
        self._weights = weights
        self._n_grams = n_grams
        self._n = n_classes
        self._recent: list[str] = []
        self._pending = ""
        self._levels = [Sum(operator, n_classes) for operator in operators]

    def _copy(self) -> Reader:
        same = object.__new__(Reader)
        same.__dict__.update(self.__dict__)
        same._recent = list(self._recent)
        same._levels = [level.copy() for level in self._levels]
        return same

    def read(self, text: str) -> None:
        """Read on."""
        text = self._pending + text
        cut = _last_word(text)
        self._pending = text[cut:]
        self._tokens(text[:cut])

    def _tokens(self, text: str) -> None:
        for found in _TOKEN.finditer(text):
            kind = found.lastgroup
            if kind == "word":
                self._word(found[0])
            else:
                self._end(0 if kind == "stop" else 1)

    def _word(self, word: str) -> None:
        for term in _ending(self._recent, word.casefold(), self._n_grams):
            self._levels[0].add(self._weights.get(term))

    def _end(self, level: int) -> None:
        """A sentence (0), or a paragraph (1) and its last sentence, is over."""
        self._recent.clear()
        for place in range(level + 1):
            one = self._levels[place]
            if one.n:
                self._levels[place + 1].add(one.value())
                self._levels[place] = Sum(one.operator, self._n)

    def value(self) -> Vector:
        """The values of everything read so far, by class."""
        whole = self._copy()
        whole._tokens(whole._pending)
        whole._end(1)
        return whole._levels[2].value()


def _ending(recent: list[str], word: str, n_grams: int) -> Iterator[str]:
    """Terms of one to n words that end with this word; remembers it."""
    recent.append(word)
    if len(recent) > n_grams:
        del recent[0]
    yield word
    for n in range(2, len(recent) + 1):
        yield " ".join(recent[-n:])


def terms(text: str, n_grams: int) -> Iterator[tuple[str, str, int, int]]:
    """Kind ("word", "stop" or "line"), term and place, in the order of reading."""
    recent: list[str] = []
    starts: list[int] = []
    for found in _TOKEN.finditer(text):
        if found.lastgroup != "word":
            recent.clear()
            starts.clear()
            yield str(found.lastgroup), "", found.start(), found.end()
            continue
        starts = [*starts, found.start()][-n_grams:]
        for n, term in enumerate(_ending(recent, found[0].casefold(), n_grams), 1):
            yield "word", term, starts[-n], found.end()


def _last_word(text: str) -> int:
    """Where the word begins that more text may continue; the length where there is none."""
    found = _OPEN_WORD.search(text, max(0, len(text) - _LONGEST))
    if not found or not found[0]:
        return len(text)
    if len(found[0]) < _LONGEST:
        return found.start()
    *_, last = _TOKEN.finditer(text)
    return last.start()
