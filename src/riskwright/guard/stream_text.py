"""A text that arrives in pieces: whole characters, and the places at which it is looked at."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator
from typing import Literal

from riskwright.core import ParameterError, UnreadableError, UsageError

__all__ = ["Characters", "Looks"]

Errors = Literal["strict", "replace"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s|(?<!\s)\n|[。！？]")


class Characters:
    """Texts or UTF-8 bytes, cut anywhere, as whole characters (Unicode code points).

    Bytes of one character and halves of a surrogate pair may lie in different chunks. What is not
    UTF-8, and a half without its other half, raises `UnreadableError`, or becomes U+FFFD where
    `errors` is "replace"; the result does not depend on where the chunks end.

    Examples
    --------
    >>> characters = Characters()
    >>> [characters.feed(chunk) for chunk in (b"caf", b"\\xc3", b"\\xa9")]
    ['caf', '', 'é']
    """

    def __init__(self, errors: Errors = "strict") -> None:
        if errors not in ("strict", "replace"):
            raise ParameterError(
                "unknown value", where="errors", expected="strict or replace", got=repr(errors)
            )
        self._errors = errors
        self._decoder: codecs.IncrementalDecoder | None = None
        self._kind: type[str] | type[bytes] | None = None
        self._half = ""
        self._count = 0

    def feed(self, chunk: str | bytes | bytearray) -> str:
        """The characters that are complete with this chunk.

        Raises `UsageError` where texts and bytes are mixed or the chunk is neither, and
        `UnreadableError` as the class says; neither shows the chunk.
        """
        kind = str if isinstance(chunk, str) else bytes
        if not isinstance(chunk, str | bytes | bytearray):
            raise UsageError(
                "not a piece of a text",
                where="feed(chunk)",
                expected="str, or bytes of UTF-8",
                got=type(chunk).__name__,
            )
        if self._kind not in (None, kind):
            raise UsageError(
                "one stream is either of texts or of bytes", where="feed(chunk)", got=kind.__name__
            )
        self._kind = kind
        text = self._joined(chunk, False) if isinstance(chunk, str) else self._decoded(chunk, False)
        self._count += len(text)
        return text

    def close(self) -> str:
        """What an unfinished character at the end becomes: an error, U+FFFD, or nothing."""
        if self._kind is None:
            return ""
        return self._joined("", True) if self._kind is str else self._decoded(b"", True)

    def _decoded(self, chunk: bytes | bytearray, last: bool) -> str:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")(self._errors)
        text = None
        with contextlib.suppress(UnicodeDecodeError):
            text = self._decoder.decode(bytes(chunk), last)
        if text is None:
            raise self._unreadable("bytes that are not UTF-8")
        return text

    def _joined(self, chunk: str, last: bool) -> str:
        text, self._half = self._half + chunk, ""
        if not _SURROGATE.search(text):
            return text
        if not last and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        text = _PAIR.sub(_one_character, text)
        if _SURROGATE.search(text):
            if self._errors == "strict":
                raise self._unreadable("half of a surrogate pair")
            text = _SURROGATE.sub("�", text)
        return text

    def _unreadable(self, problem: str) -> UnreadableError:
        return UnreadableError(
            problem,
            where=f"the chunk after character {self._count}",
            expected="text that can be encoded",
            hint='errors="replace" puts U+FFFD in its place',
        )


def _one_character(pair: re.Match[str]) -> str:
    high, low = ord(pair[1]) - 0xD800, ord(pair[2]) - 0xDC00
    return chr(0x10000 + (high << 10) + low)


class Looks:
    """Where a growing text is looked at: at ends of sentences, and after `every` characters.

    A sentence ends with a white space after ".", "!", "?" or "…", with a line break after anything
    but white space, and with "。", "！" or "？". The places depend on the characters alone, not
    on the chunks; two neighbours are at most `every` characters apart.

    Examples
    --------
    >>> list(Looks(8).split("One. Two three four"))
    [('One. ', True), ('Two thre', True), ('e four', False)]
    """

    def __init__(self, every: int, *, sentences: bool = True) -> None:
        self._every = every
        self._sentences = sentences
        self._since = 0
        self._last = ""

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """The text in pieces, and whether there is a look after each; linear in its length."""
        ends = self._ends(text)
        end = next(ends, len(text) + 1)
        at = 0
        while at < len(text):
            due = min(at + self._every - self._since, end)
            stop = min(due, len(text))
            self._since = 0 if stop == due else self._since + stop - at
            self._last = text[stop - 1]
            yield text[at:stop], stop == due
            at = stop
            if end <= at:
                end = next(ends, len(text) + 1)

    def _ends(self, text: str) -> Iterator[int]:
        if not self._sentences:
            return
        before = len(self._last)
        for found in _SENTENCE_END.finditer(self._last + text, before):
            yield found.end() - before
