"""`Journal`: finished calls in a file, so that a run that was killed goes on where it stopped.

One JSON document per line: first `{"riskwright_journal": 1}`, then `{"key": ..., "reply": ...}`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from riskwright.core import ArtifactError, JournalLockedError, ParameterError, SchemaTooNewError

from .replies import Completion

__all__ = ["Journal", "call_key"]

_VERSION = 1
_BEYOND = 2**62  # Windows lets nobody else read a byte that is locked


class _Head(msgspec.Struct):
    riskwright_journal: int


class _Line(msgspec.Struct):
    key: str
    reply: msgspec.Raw


class _Entry(msgspec.Struct):
    key: str
    reply: Completion


_LINE = msgspec.json.Decoder(_Line)
_ENTRY = msgspec.json.Decoder(_Entry)
_ENCODER = msgspec.json.Encoder()


def call_key(url: str, body: bytes, seen: Counter[str]) -> str:
    """Digest of a call: its address, its body (which names the model), and how many equal calls
    were `seen` before it in its run, since each of them is a sample of its own."""
    state = hashlib.sha256(f"{len(url)}:{url}:".encode())
    state.update(body)
    key = state.hexdigest()
    before = seen[key]
    seen[key] += 1
    if before:
        key = hashlib.sha256(f"{key}:{before}".encode()).hexdigest()
    return key[:32]


class Journal:
    """Finished calls in a file that only its owner may read.

    Opening it locks it, looks where the replies lie, and cuts off a last line that was torn.
    Writing costs one system call per reply: what was written outlives a killed process.

    Raises
    ------
    JournalLockedError : another run is writing it.
    ArtifactError : the file is no journal, or a line within it was damaged.
    SchemaTooNewError : a newer version wrote it.

    Notes
    -----
    Opening costs time in the size of the file, and about 0.2 kB of memory per reply.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._at: dict[bytes, int] = {}
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise ParameterError(
                "a journal that cannot be opened", where=str(self.path), got=error.strerror
            ) from None
        self._file = os.fdopen(descriptor, "r+b")
        try:
            _lock(descriptor, self.path)
            self._end = self._index()
            self._reader = self.path.open("rb")  # writing moves the place of the other
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._at)

    def get(self, key: str) -> Completion | None:
        """The reply of a finished call."""
        at = self._at.get(bytes.fromhex(key))
        if at is None:
            return None
        self._reader.seek(at)
        entry: _Entry = self._decoded(_ENTRY, self._reader.readline(), f"byte {at}")
        return replace(entry.reply, cached=True)

    def write(self, key: str, reply: Completion) -> None:
        """Keep the reply of a finished call."""
        line = _ENCODER.encode(_Entry(key, reply)) + b"\n"
        self._append(line)
        self._at[bytes.fromhex(key)] = self._end
        self._end += len(line)

    def close(self) -> None:
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()
            self._reader.close()

    def _append(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[os.write(self._file.fileno(), left) :]

    def _index(self) -> int:
        """Where each reply lies; the length of the file without a torn last line."""
        end = number = 0
        line = b""
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                break
            if number == 1:
                self._check_head(line)
            else:
                entry = self._decoded(_LINE, line, f"line {number}")
                self._at[self._digest(entry.key, number)] = end
            end += len(line)
        if number == 1 and end == 0 and not _HEAD.startswith(line):
            raise self._not_ours()
        self._file.truncate(end)
        if end == 0:
            self._append(_HEAD)
            end = len(_HEAD)
        return end

    def _check_head(self, line: bytes) -> None:
        try:
            version = msgspec.json.decode(line, type=_Head).riskwright_journal
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._not_ours() from None
        if version > _VERSION:
            raise SchemaTooNewError(
                "written by a newer version", where=str(self.path), hint="Upgrade riskwright"
            )

    def _decoded(self, decoder: Any, line: bytes, place: str) -> Any:
        try:
            return decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._damaged(place) from None

    def _digest(self, key: str, number: int) -> bytes:
        try:
            return bytes.fromhex(key)
        except ValueError:
            raise self._damaged(f"line {number}") from None

    def _damaged(self, place: str) -> ArtifactError:
        return ArtifactError(
            "a damaged line in a journal",
            where=f"{self.path}, {place}",
            hint="Delete that line; its call will be made again",
        )

    def _not_ours(self) -> ArtifactError:
        return ArtifactError(
            "not a journal of calls", where=str(self.path), hint="Name a new file, or a journal"
        )


_HEAD = _ENCODER.encode(_Head(_VERSION)) + b"\n"


def _lock(descriptor: int, path: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _BEYOND, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise JournalLockedError(
            "another run is writing this journal",
            where=str(path),
            hint="Wait for it to end, or name another file",
        ) from None
