"""`TermList`: many denied and allowed terms, found in one pass over the text."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from riskwright.core import ParameterError

from .folding import Folded, fold
from .safe_patterns import safe_pattern
from .terms import Term, read_terms

__all__ = ["Found", "TermList"]

_WORD = re.compile(r"[^\W_]+")
_WORDS_AND_GAPS = re.compile(r"([^\W_]+)")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
_LETTERS_APART = re.compile(
    r"(?<![^\W_])(?<![\W_][^\W_][ .\-_*])(?<![\W_][^\W_][ .\-_*]{2})(?<![\W_][^\W_][ .\-_*]{3})"
    r"[^\W_](?:[ .\-_*]{1,3}[^\W_](?![^\W_])){2,39}+"
)
_SIGNS = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t"})
_LEET = str.maketrans({"@": "a", "$": "s", "!": "i", "|": "i", "€": "e", "+": "t", "l": "i"})
_LEET_WORD = re.compile(r"(?<![^\W_])[\w@$!|€+]{2,64}+")
_GAP = 4


class Found(NamedTuple):
    """A term, by its place in the list, at characters `start` to `end`."""

    start: int
    end: int
    place: int


class TermList:
    """Words, phrases and patterns that are denied or allowed.

    Parameters
    ----------
    terms : texts (denied phrases) or `Term`s.
    name : stable; rules are called by it, as in "house.deny".
    leetspeak : read digits and signs within a word as letters (0 as o, $ as s), too.

    Notes
    -----
    Case, accents, width, invisible characters and whatever stands between the words of a phrase
    (up to four characters, none of them a letter or digit) make no difference; single letters with
    signs between them are also read as one word. Words match whole, except in scripts without
    spaces. Words are looked up in a table by the first word of the phrase: time is linear in the
    text and does not grow with the number of terms, except for patterns. 10^5 terms load in about
    0.5 s.

    Raises
    ------
    ParameterError : a pattern outside of the safe subset, a phrase without letters or digits.

    Examples
    --------
    >>> house = TermList(["purple elephant"], name="house")
    >>> house.find("A PURPLE-éléphant!")
    [Found(start=2, end=17, place=0)]
    """

    def __init__(
        self, terms: Iterable[str | Term], *, name: str = "terms", leetspeak: bool = False
    ) -> None:
        self.name = name
        self.leetspeak = leetspeak
        self.terms = tuple(Term(term=one) if isinstance(one, str) else one for one in terms)
        self._phrases: _Table = {}
        self._lengths: dict[str, set[int]] = {}
        self._joined: _Table = {}
        self._alike: _Table = {}
        self._runs: _Table = {}
        self._run_lengths: dict[str, set[int]] = {}
        self._patterns: list[tuple[re.Pattern[str], int]] = []
        self.reach = 256
        for place, term in enumerate(self.terms):
            self._add(term, place)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, name: str = "terms", **options: Any) -> TermList:
        """A list from a file; `options`: leetspeak, and defaults as for `read_terms`."""
        leetspeak = bool(options.pop("leetspeak", False))
        return cls(read_terms(path, **options), name=name, leetspeak=leetspeak)

    def to_dict(self) -> dict[str, Any]:
        """Name, options and terms as plain values."""
        terms = msgspec.to_builtins(self.terms)
        return {"name": self.name, "leetspeak": self.leetspeak, "terms": terms}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> TermList:
        """From what `to_dict` gives, or from a `path` with options as for `read`.

        Raises `ParameterError`.
        """
        given = dict(told)
        if "path" in given:
            return cls.read(given.pop("path"), **given)
        try:
            terms = msgspec.convert(given.pop("terms", ()), tuple[Term, ...])
        except msgspec.ValidationError as error:
            raise ParameterError("not terms", where="lists", got=str(error)) from None
        return cls(terms, **given)

    @property
    def digest(self) -> str:
        """SHA-256 over the name, the options and all terms."""
        state = hashlib.sha256(f"{self.name}:{self.leetspeak}".encode())
        for term in self.terms:
            state.update(repr(term).encode("utf-8", "surrogatepass"))
        return f"sha256:{state.hexdigest()}"

    def _add(self, term: Term, place: int) -> None:
        if term.kind == "pattern":
            pattern, width = safe_pattern(term.term)
            self._patterns.append((pattern, place))
            self.reach = max(self.reach, width)
            return
        folded = fold(term.term).text
        words = tuple(_WORD.findall(folded))
        if not words:
            raise ParameterError(
                "a phrase without letters or digits",
                where=f"{self.name}, term {place + 1}",
                hint="Write it as a pattern",
            )
        if not folded.isascii() and _UNSPACED.search(folded):
            folded = folded.strip()
            self._runs.setdefault(folded, []).append(place)
            self._run_lengths.setdefault(folded[0], set()).add(len(folded))
        else:
            self._phrases.setdefault(" ".join(words), []).append(place)
            self._lengths.setdefault(words[0], set()).add(len(words))
            joined = "".join(words)
            self._joined.setdefault(joined, []).append(place)
            if self.leetspeak:
                self._alike.setdefault(_plain(joined), []).append(place)
        self.reach = max(self.reach, 2 * len(folded) + _GAP * len(words))

    def find(self, text: str, folded: Folded | None = None) -> list[Found]:
        """Every term in the text, by place; of those that begin at one word all are reported."""
        folded = fold(text) if folded is None else folded
        found = self._worded(folded.text)
        if self._joined:
            found += self._spelled(folded.text)
        if self._alike:
            found += self._disguised(folded.text)
        if self._runs and not folded.text.isascii():
            found += self._unspaced(folded.text)
        if folded.places is not None:
            moved = (Found(*folded.span(one.start, one.end), one.place) for one in found)
            found = [one for one in moved if one.end - one.start <= self.reach]
        for pattern, place in self._patterns:
            found += _everywhere(pattern, text, place)
        return sorted(set(found))

    def _worded(self, text: str) -> list[Found]:
        words = _WORD.findall(text)
        begun = [at for at, word in enumerate(words) if word in self._lengths]
        if not begun:
            return []
        places = list(accumulate(map(len, _WORDS_AND_GAPS.split(text))))
        starts, ends = places[0::2], places[1::2]
        found = []
        for at in begun:
            for length in self._lengths[words[at]]:
                last = at + length - 1
                terms = self._phrases.get(" ".join(words[at : last + 1]), ())
                if (
                    terms
                    and last < len(words)
                    and _close(starts[at : last + 1], ends[at : last + 1])
                ):
                    found += [Found(starts[at], ends[last], term) for term in terms]
        return found

    def _spelled(self, text: str) -> list[Found]:
        """Single letters with signs between them that spell a term."""
        return [
            Found(*found.span(), place)
            for found in _LETTERS_APART.finditer(text)
            for place in self._joined.get("".join(_WORD.findall(found[0])), ())
        ]

    def _disguised(self, text: str) -> list[Found]:
        found = []
        for one in _LEET_WORD.finditer(text):
            word = one[0].rstrip("!+|")
            if word.isalpha() or not any(map(str.isalpha, word)):
                continue
            places = self._alike.get(_plain(word), ())
            found += [Found(one.start(), one.start() + len(word), place) for place in places]
        return found

    def _unspaced(self, text: str) -> list[Found]:
        return [
            Found(start, start + length, place)
            for start, one in enumerate(text)
            for length in self._run_lengths.get(one, ())
            for place in self._runs.get(text[start : start + length], ())
        ]


_Table = dict[str, list[int]]


def _plain(word: str) -> str:
    return word.translate(_SIGNS).translate(_LEET)


def _close(starts: list[int], ends: list[int]) -> bool:
    """Whether no two neighbours of these words stand further apart than allowed."""
    return all(start - end <= _GAP for start, end in zip(starts[1:], ends, strict=False))


def _everywhere(pattern: re.Pattern[str], text: str, place: int) -> list[Found]:
    found = []
    one = pattern.search(text)
    while one:
        found.append(Found(*one.span(), place))
        one = pattern.search(text, one.start() + 1)
    return found
