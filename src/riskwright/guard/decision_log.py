"""`DecisionLog`: an append-only file in which every line is chained to all lines before it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from riskwright.core import (
    ArtifactError,
    Finding,
    ParameterError,
    Record,
    UnreadableError,
    UsageError,
    atomic_write,
)
from riskwright.core.scores import Decision, Score, Span

from .scored_files import reads_back

__all__ = ["KEY_VARIABLE", "DecisionLog", "LogEntry", "is_log", "read_log", "verify_log"]

KEY_VARIABLE = "RISKWRIGHT_LOG_KEY"
"""Environment variable with the key that makes the chain impossible to forge without it."""
_FORMAT = "riskwright.decision-log/1"
_MAX_LINE = 1 << 20
_BREAKS_SHOWN = 20
_SEAL = re.compile(rb',"hash":"((?:sha256|hmac):[0-9a-f]{64})"\}\n\Z')
_SEALED = 96
"""Bytes at the end of a line among which its hash stands."""
_encode = msgspec.json.Encoder(order="deterministic").encode


class LogEntry(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One line: what was judged, by what, what was decided; and its place in the chain.

    `note` marks lines that are no decisions (start, recovery). `hash` is the SHA-256 (or, with a
    key, the HMAC-SHA-256) of the line without it, `previous` being the hash of the line before.
    """

    n: int
    time: str
    previous: str
    score: Score | None = None
    decision: Decision | None = None
    note: str = ""
    hash: str = ""

    @property
    def judged(self) -> tuple[Span, ...]:
        """Which characters of which part were read by which scorer; no others were looked at."""
        return () if self.score is None else self.score.judged

    @property
    def versions(self) -> dict[str, str]:
        """Scorer -> version."""
        return {} if self.score is None else self.score.scorers


class DecisionLog:
    """Append decisions to a file whose every alteration `verify_log` finds.

    Parameters
    ----------
    path : file of JSON lines; made where there is none, else continued after its end was checked.
    key : secret of an HMAC; by default the value of the environment variable `RISKWRIGHT_LOG_KEY`,
        else none. Without a key somebody who may write the file can write the whole chain anew;
        with one that needs the key.
    guard : version of the guard, for the first line.

    Raises
    ------
    ArtifactError : the file is no log, its last line is not sound, it was begun with another key,
        or it has lost lines or its head.
    ParameterError : an empty key.
    UsageError : another process writes to it, or it cannot be written.

    Notes
    -----
    Beside the log stands `PATH.head`, with the number and hash of the last line that was flushed,
    so that lines cut off at the end are missed; a log that has lost lines or its head is not
    continued. Lines written since the last flush, and an older head put back together with the
    older log, are not covered: write down a hash elsewhere, see `verify_log`. A line that a crash
    left half written is moved to `PATH.torn` when the log is opened again, and a line says so; one
    that the disk has no room for is taken back, and the error says so. Threads may share a log,
    processes may not. About 30 us per line, and one fsync on opening, `flush` and `close`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "log.jsonl"
    >>> with DecisionLog(path) as log:
    ...     log.append(Score(id="a", severity=0.2), Decision(action="allow"))
    >>> [finding.passed for finding in verify_log(path)]
    [True]
    """

    def __init__(
        self, path: str | os.PathLike[str], *, key: bytes | None = None, guard: str = ""
    ) -> None:
        self.path = Path(path)
        self._key = _key_given(key)
        self._lock = threading.Lock()
        self._owner = os.getpid()
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        except OSError as error:
            raise self._unwritable(error) from None
        self._open = True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._continue(guard)
        except BlockingIOError:
            self._release()
            raise UsageError(
                "another process writes to this log", where=str(path), hint="Name another file"
            ) from None
        except OSError as error:
            self._release()
            raise self._unwritable(error) from None
        except BaseException:
            self._release()
            raise

    def _continue(self, guard: str) -> None:
        self._refuse_other_files()
        torn = self._set_aside_torn_end()
        self._size = os.fstat(self._file).st_size
        self._n, self._hash = self._end()
        if self._n or _head_of(self.path).exists():
            head = _read_head(self.path, self._key)
            beyond = isinstance(head, _Head) and self._n > head.lines
            lost = "" if beyond else _against_head(head, self._n, self._hash)
            if lost:
                raise ArtifactError(
                    f"the log was altered: {lost}",
                    where=str(self.path),
                    hint="Keep it, with its head, as it is, and begin another log; a log is moved "
                    "together with its head",
                )
        if not self._n:
            self.flush()
            self._write(note=f"{_FORMAT} {guard}".strip())
        if torn:
            self._write(
                note=f"{torn} bytes of an unfinished line were moved to {self.path.name}.torn"
            )
        self.flush()

    def _end(self) -> tuple[int, str]:
        """How many lines there are, and the hash of the last."""
        if not self._size:
            return 0, ""
        tail = os.pread(self._file, _MAX_LINE + 1, max(0, self._size - _MAX_LINE - 1))
        last = tail.removesuffix(b"\n").rpartition(b"\n")[2] + b"\n"
        entry = _parsed(last, f"{self.path}, last line")
        if _hash_of(last, _seal(last), self._key) != entry.hash:
            raise ArtifactError(
                "the last line of the log is not sound, or was written with another key",
                where=str(self.path),
                hint="riskwright guard verify-log says where it breaks",
            )
        return entry.n + 1, entry.hash

    def _refuse_other_files(self) -> None:
        """Nothing is appended to, or moved out of, what is no log."""
        first, ended, _ = os.pread(self._file, 4096, 0).partition(b"\n")
        begun = not ended and first.startswith(b'{"n":0,')
        if first + ended and _FORMAT.encode() not in first and not begun:
            raise ArtifactError(
                "not a decision log", where=str(self.path), hint="Name another file for the log"
            )

    def _set_aside_torn_end(self) -> int:
        size = os.fstat(self._file).st_size
        block = os.pread(self._file, _MAX_LINE + 1, max(0, size - _MAX_LINE - 1))
        tail = block.rpartition(b"\n")[2]
        if not tail:
            return 0
        if len(tail) > _MAX_LINE:
            raise ArtifactError(
                "its last line is longer than any line of a log", where=str(self.path)
            )
        beside = self.path.with_name(self.path.name + ".torn")
        torn = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        with os.fdopen(torn, "ab") as file:
            file.write(tail + b"\n")
        os.ftruncate(self._file, size - len(tail))
        return len(tail)

    def append(self, score: Score, decision: Decision) -> None:
        """Write one decision and the score that it was made of.

        Raises
        ------
        UsageError : the log is closed, was removed, was written to by somebody else, or the disk is
            full; a score of more than 1 MiB.
        ParameterError : values that are not numbers, or text that is not Unicode.
        """
        self._write(score=score, decision=decision)

    def _write(self, **told: Any) -> None:
        with self._lock:
            entry = LogEntry(n=self._n, time=_now(), previous=self._hash, **told)
            line, seal = _sealed(entry, self._key, str(self.path))
            if len(line) > _MAX_LINE:
                raise UsageError(
                    "a score too large for the log",
                    where=str(self.path),
                    expected=f"at most {_MAX_LINE:,} bytes",
                    got=f"{len(line):,}",
                )
            self._put(line)
            self._n, self._hash = self._n + 1, seal

    def _put(self, line: bytes) -> None:
        """The whole line or nothing of it."""
        self._refuse_if_not_ours()
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise self._unwritable(error) from None
        self._size += len(line)

    def _refuse_if_not_ours(self) -> None:
        if not self._open or self._owner != os.getpid():
            raise UsageError(
                "the log is closed" if not self._open else "the log was opened by another process",
                where=str(self.path),
                hint="Open it where it is written to",
            )
        found = os.fstat(self._file)
        if found.st_size != self._size or not found.st_nlink:
            raise UsageError(
                "somebody else wrote to the log" if found.st_nlink else "the log was removed",
                where=str(self.path),
                hint="riskwright guard verify-log says where it breaks",
            )

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(
            "the log cannot be written",
            where=str(self.path),
            got=error.strerror or type(error).__name__,
        )

    def flush(self) -> None:
        """Force all lines, and the head beside them, to the disk. Raises `UsageError`."""
        with self._lock:
            self._refuse_if_not_ours()
            try:
                os.fsync(self._file)
            except OSError as error:
                raise self._unwritable(error) from None
            _write_head(self.path, _Head(self._n, self._hash), self._key)

    def close(self) -> None:
        """Flush, unlock and close; nothing more can be appended."""
        if self._open and self._owner == os.getpid():
            try:
                self.flush()
            finally:
                self._release()

    def _release(self) -> None:
        self._open = False
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_log(path: str | os.PathLike[str]) -> Iterator[LogEntry]:
    """The entries of a log, unverified, one after the other.

    Raises `UnreadableError` (no such file) and `ArtifactError` (a line that is no entry).
    """
    for number, line in _lines(Path(path)):
        yield _parsed(line, f"{path}, line {number}")


def verify_log(
    path: str | os.PathLike[str], *, key: bytes | None = None, expect: str | None = None
) -> tuple[Finding, ...]:
    """Whether a log is whole: one finding per break of the chain, or one that says there is none.

    Parameters
    ----------
    path : of the log.
    key : as for `DecisionLog`.
    expect : hash of a line that was written down elsewhere; it must be in the chain.

    Raises
    ------
    UnreadableError : no such file.
    ArtifactError : neither the file nor anything beside it says that it is a log.
    UsageError : the log was written with a key, and none is given.

    Notes
    -----
    Changed, inserted, deleted, swapped and cut off lines are found; the first twenty breaks are
    told one by one. Without a key, a chain written anew from the first line together with its
    `.head` is not, unless `expect` is given; nor, even with a key, is an older log put back
    together with its older head. About 10 us per line of 2 kB, in constant memory.
    """
    path, secret = Path(path), _key_given(key)
    if path.exists() and not is_log(path) and not _head_of(path).exists():
        raise ArtifactError(
            "not a decision log",
            where=str(path),
            expected="a file that `guard score --log` wrote, or its .head beside it",
        )
    head = _read_head(path, secret)
    chain = _Chain(secret, head)
    for number, line in _lines(path):
        if number == 1 and secret is None and _seal(line).startswith("hmac"):
            raise UsageError(
                "the log was written with a key",
                where=str(path),
                hint=f"Give it in the environment variable {KEY_VARIABLE}",
            )
        chain.follow(number, line, expect)
    broken = chain.broken
    if chain.breaks > len(broken):
        broken.append(f"{chain.breaks - len(broken):,} further lines are broken")
    if not chain.previous:
        broken.append("it holds no lines")
    lost = _against_head(head, chain.count, chain.at_head)
    broken += [lost] if lost else []
    if expect is not None and not chain.met:
        broken.append("the expected hash is not in the chain")
    if broken:
        return tuple(_finding(f"The log was altered: {text}.", False, secret) for text in broken)
    whole = f"All {chain.count:,} lines of the log are as they were written"
    return (_finding(f"{whole}; the last hash is {chain.previous}.", True, secret),)


def is_log(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like a decision log."""
    try:
        with Path(path).open("rb") as file:
            return _FORMAT.encode() in file.readline(4096)
    except OSError:
        return False


class _Place(msgspec.Struct):
    """Of a line, what its place in the chain needs."""

    n: int
    time: str
    previous: str


class _Head(NamedTuple):
    """How many lines there are at least, and the hash of the last of these."""

    lines: int
    hash: str


class _Chain:
    """Follows a log line by line; `broken` names the first breaks, `breaks` counts all."""

    def __init__(self, key: bytes | None, head: _Head | str) -> None:
        self._key, self._head = key, head
        self._place = msgspec.json.Decoder(_Place).decode
        self.previous, self.at_head = "", ""
        self.count = self.breaks = 0
        self.met = False
        self.broken: list[str] = []

    def follow(self, number: int, line: bytes, expect: str | None) -> None:
        problem = self._taken(line)
        if problem:
            self.breaks += 1
            if self.breaks <= _BREAKS_SHOWN:
                self.broken.append(f"line {number}: {problem}")
        if isinstance(self._head, _Head) and self.count == self._head.lines:
            self.at_head = self.previous
        self.met = self.met or self.previous == expect

    def _taken(self, line: bytes) -> str:
        """What is wrong with the next line; its own number and hash are gone by from here on."""
        told = _seal(line)
        try:
            place = self._place(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            told = ""
        if not told:
            self.count += 1
            if not line.endswith(b"\n"):
                return "it is unfinished, as after a crash; the next run moves it out of the log"
            return "it is no entry"
        expected, before = self.count, self.previous
        self.previous, self.count = told, place.n + 1
        if _hash_of(line, told, self._key) != told:
            return "its content does not agree with its hash"
        if place.previous != before:
            return "it does not follow the line before"
        return "" if place.n == expected else f"it is numbered {place.n}, not {expected}"


def _finding(sentence: str, passed: bool, key: bytes | None) -> Finding:
    kind = "SHA-256" if key is None else "HMAC-SHA-256"
    return Finding(
        code="log.chain",
        sentence=sentence,
        severity="info" if passed else "high",
        passed=passed,
        method=f"chain of {kind} over all lines",
    )


def _sealed(entry: LogEntry, key: bytes | None, where: str) -> tuple[bytes, str]:
    """The line of an entry, and its hash, which is its last value."""
    try:
        bare = _encode(entry)
    except (UnicodeEncodeError, msgspec.EncodeError, TypeError, OverflowError):
        raise ParameterError("a score that JSON has no form for", where=where) from None
    if b"null" in bare and not reads_back(bare, entry):
        raise ParameterError("a score with values that are not numbers", where=where)
    seal = _hash(bare, key)
    return b'%s,"hash":"%s"}\n' % (bare[:-1], seal.encode()), seal


def _seal(line: bytes) -> str:
    """The hash at the end of a line; empty where there is none."""
    told = _SEAL.search(line[-_SEALED:])
    return "" if told is None else told[1].decode()


def _hash_of(line: bytes, seal: str, key: bytes | None) -> str:
    """The hash that a line with that seal should have."""
    return _hash(line[: -len(f',"hash":"{seal}"}}\n')] + b"}", key)


def _hash(data: bytes, key: bytes | None) -> str:
    if key is None:
        return "sha256:" + hashlib.sha256(data).hexdigest()
    return "hmac:" + hmac.digest(key, data, "sha256").hex()


def _head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _write_head(path: Path, head: _Head, key: bytes | None) -> None:
    told = {"lines": head.lines, "hash": head.hash, "seal": _hash(_encode(head), key)}
    with atomic_write(_head_of(path)) as file:
        file.write(_encode(told))


def _read_head(path: Path, key: bytes | None) -> _Head | str:
    """The head, or what is wrong with it."""
    try:
        with _head_of(path).open("rb") as file:
            told = msgspec.json.decode(file.read(4096), type=dict[str, int | str])
        head = _Head(int(told["lines"]), str(told["hash"]))
    except FileNotFoundError:
        return "its head file is missing, so that lines cut off at the end would not be seen"
    except (OSError, KeyError, ValueError, msgspec.DecodeError):
        return "its head file cannot be read"
    if told.get("seal") != _hash(_encode(head), key):
        return "its head file was written by somebody else, or with another key"
    return head


def _against_head(head: _Head | str, count: int, at_head: str) -> str:
    """What the head says against a log of `count` lines; `at_head` is the hash that it names."""
    if isinstance(head, str):
        return head
    if count < head.lines:
        return f"it ends after {count:,} lines where its head says {head.lines:,}"
    if at_head != head.hash:
        return f"line {head.lines:,} is not the one that its head names"
    return ""


def _parsed(line: bytes, where: str) -> LogEntry:
    try:
        return msgspec.json.decode(line, type=LogEntry)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ArtifactError("not an entry of a decision log", where=where) from None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and content of every line; of one that is too long only the beginning."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnreadableError(
            "cannot be read", where=str(path), got=error.strerror or type(error).__name__
        ) from None
    with file:
        number = 0
        while line := file.readline(_MAX_LINE + 1):
            number += 1
            yield number, line
            while line and not line.endswith(b"\n"):
                line = file.readline(_MAX_LINE)


def _key_given(key: bytes | None) -> bytes | None:
    found = os.environb.get(KEY_VARIABLE.encode()) if key is None else key
    if found == b"":
        raise ParameterError(
            "an empty key protects nothing",
            where=KEY_VARIABLE if key is None else "key",
            hint="Leave it out, or give a long secret",
        )
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
