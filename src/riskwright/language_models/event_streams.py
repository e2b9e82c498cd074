"""Server-sent events, read as bytes come in, whatever pieces the network cuts them into.

The fields `event`, `id` and `retry` are left out, since no OpenAI-compatible server needs them. A
field `error`, which llama.cpp knows, counts as the data `{"error": ...}`. Format: WHATWG HTML,
section 9.2.6; but an event that the end of the body cuts off from its blank line is read.
"""

from __future__ import annotations

__all__ = ["EventReader", "TooLarge"]


class TooLarge(Exception):
    """More bytes than are allowed; the argument is their limit."""


class EventReader:
    r"""Bytes of a stream -> the data of its events.

    Parameters
    ----------
    max_bytes : of one event; a larger one raises `TooLarge`.

    Notes
    -----
    Linear in the bytes, also where each comes alone. Lines end in LF, CR LF or CR.

    Examples
    --------
    >>> reader = EventReader()
    >>> reader.feed(b": a comment\n\ndata: {\"a\"")
    []
    >>> reader.feed(b": 1}\r\n\r\ndata: [DONE]\n\n")
    [b'{"a": 1}', b'[DONE]']
    """

    def __init__(self, max_bytes: int = 2**24) -> None:
        self.max_bytes = max_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._begun = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that end in this piece."""
        if not piece:
            return []
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        events: list[bytes] = []
        *ended, rest = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for part in ended:
            self._line += part
            self._take(bytes(self._line), events)
            self._line.clear()
        self._line += rest
        if len(self._line) + self._size > self.max_bytes:
            raise TooLarge(self.max_bytes)
        return events

    def close(self) -> list[bytes]:
        """The event that the end of the body cut off from its blank line, if it has one."""
        events: list[bytes] = []
        self._take(bytes(self._line), events)
        self._line.clear()
        self._take(b"", events)
        return events

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if not self._begun:
            line, self._begun = line.removeprefix(b"\xef\xbb\xbf"), True
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
            self._data, self._size = [], 0
            return
        name, _, value = line.partition(b":")
        if name in (b"data", b"error"):
            value = value.removeprefix(b" ")
            self._data.append(value if name == b"data" else b'{"error":%b}' % value)
            self._size += len(value)
            if self._size > self.max_bytes:
                raise TooLarge(self.max_bytes)
