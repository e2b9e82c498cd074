"""`DecisionLog`: an append-only file in which every line is chained to all lines before it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec

from riskwright.core import ArtifactError, Finding, Record, UnreadableError, UsageError
from riskwright.core.scores import Decision, Score, Span

__all__ = ["KEY_VARIABLE", "DecisionLog", "LogEntry", "is_log", "read_log", "verify_log"]

KEY_VARIABLE = "RISKWRIGHT_LOG_KEY"
"""Environment variable with the key that makes the chain impossible to forge without it."""
_FORMAT = "riskwright.decision-log/1"
_MAX_LINE = 1 << 20
_encode = msgspec.json.Encoder(order="deterministic").encode


class LogEntry(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One line: what was judged, by what, what was decided; and its place in the chain.

    `judged` says which characters of which part were read by which scorer; a part that is not
    listed was not looked at. `note` marks lines that are no decisions (start, recovery). `hash` is
    the SHA-256 (or, with a key, the HMAC-SHA-256) of the line without it, `previous` being the hash
    of the line before.
    """

    n: int
    time: str
    previous: str
    score: Score | None = None
    decision: Decision | None = None
    judged: tuple[Span, ...] = ()
    versions: dict[str, str] = {}
    note: str = ""
    hash: str = ""


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
    ArtifactError : the file is no log, its last line is not sound, or it was begun with another
        key.
    UsageError : another process writes to it, or it cannot be written.

    Notes
    -----
    Beside the log stands `PATH.head`, with the number and hash of the last line that was flushed,
    so that lines cut off at the end are missed; a log that has lost lines or its head is not
    continued. A line that a crash left half written is moved to `PATH.torn` when the log is opened
    again, and a line says so. O(1) per line; one write and, on opening, `close` or `flush`, one
    fsync.

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
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        except OSError as error:
            raise UsageError(
                "the log cannot be written",
                where=str(path),
                got=error.strerror or type(error).__name__,
            ) from None
        self._file: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise UsageError(
                "another process writes to this log", where=str(path), hint="Name another file"
            ) from None
        try:
            self._continue(guard)
        except BaseException:
            self._file.close()
            raise

    def _continue(self, guard: str) -> None:
        self._refuse_other_files()
        torn = self._set_aside_torn_end()
        last = _last_line(self._file)
        if last is None:
            self._n, self._hash = 0, ""
            self._write(LogEntry(n=0, time=_now(), previous="", note=f"{_FORMAT} {guard}".strip()))
        else:
            entry = _parsed(last, f"{self.path}, last line")
            if not _holds(entry, last, self._key):
                raise ArtifactError(
                    "the last line of the log is not sound, or was written with another key",
                    where=str(self.path),
                    hint="riskwright guard verify-log says where it breaks",
                )
            self._n, self._hash = entry.n + 1, entry.hash
            self._refuse_lost_lines()
        if torn:
            self._write(
                LogEntry(
                    n=self._n,
                    time=_now(),
                    previous=self._hash,
                    note=f"{torn} bytes of an unfinished line were moved to {self.path.name}.torn",
                )
            )
        self.flush()

    def _refuse_other_files(self) -> None:
        """Nothing is appended to, or moved out of, what is no log."""
        self._file.seek(0)
        first = self._file.readline(4096)
        if first and _FORMAT.encode() not in first and (first.endswith(b"\n") or not _begun(first)):
            raise ArtifactError(
                "not a decision log", where=str(self.path), hint="Name another file for the log"
            )

    def _refuse_lost_lines(self) -> None:
        if self._n == 1 and not _head_of(self.path).exists():
            return
        lost = _against_head(self.path, self._n, {self._n: self._hash})
        if lost:
            raise ArtifactError(
                f"the log was altered: {lost[0]}",
                where=str(self.path),
                hint="Keep it, with its head, as it is, and begin another log",
            )

    def _set_aside_torn_end(self) -> int:
        size = self._file.seek(0, os.SEEK_END)
        keep, tail = size, b""
        while keep > 0:
            start = max(0, keep - (1 << 16))
            self._file.seek(start)
            block = self._file.read(keep - start)
            at = block.rfind(b"\n")
            if at >= 0:
                tail, keep = block[at + 1 :] + tail, start + at + 1
                break
            tail, keep = block + tail, start
        if not tail:
            return 0
        with self.path.with_name(self.path.name + ".torn").open("ab") as file:
            file.write(tail + b"\n")
        self._file.truncate(keep)
        return len(tail)

    def append(self, score: Score, decision: Decision, judged: tuple[Span, ...] = ()) -> None:
        """Write one decision; `judged` is the score's own list by default."""
        self._write(
            LogEntry(
                n=self._n,
                time=_now(),
                previous=self._hash,
                score=score,
                decision=decision,
                judged=judged or score.judged,
                versions=score.scorers,
            )
        )

    def _write(self, entry: LogEntry) -> None:
        sealed = msgspec.structs.replace(entry, hash=_hash(_encode(entry), self._key))
        line = _encode(sealed) + b"\n"
        if len(line) > _MAX_LINE:
            raise UsageError(
                "a score too large for the log",
                where=str(self.path),
                expected=f"at most {_MAX_LINE:,} bytes",
                got=f"{len(line):,}",
            )
        self._file.write(line)
        self._n, self._hash = entry.n + 1, sealed.hash

    def flush(self) -> None:
        """Force all lines, and the head beside them, to the disk."""
        from riskwright.core import atomic_write

        os.fsync(self._file.fileno())
        head = {"lines": self._n, "hash": self._hash}
        with atomic_write(_head_of(self.path)) as file:
            file.write(_encode(head))

    def close(self) -> None:
        """Flush, unlock and close; nothing more can be appended."""
        if not self._file.closed:
            self.flush()
            self._file.close()

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

    Notes
    -----
    Changed, inserted, deleted, swapped and cut off lines are found. Without a key, a chain written
    anew from the first line together with its `.head` is not, unless `expect` is given. O(n).
    """
    secret = _key_given(key)
    broken: list[str] = []
    hashes: dict[int, str] = {}
    previous, count, seen = "", 0, expect is None
    for number, line in _lines(Path(path)):
        problem, entry = _examined(line, count, previous, secret)
        if problem:
            broken.append(f"line {number}: {problem}")
        count += 1
        if entry is not None:
            previous, count = entry.hash, entry.n + 1
            hashes[count] = entry.hash
            seen = seen or entry.hash == expect
    if not previous:
        broken.append("it holds no lines")
    broken += _against_head(Path(path), count, hashes)
    if not seen:
        broken.append("the expected hash is not in the chain")
    kind = "HMAC-SHA-256" if secret else "SHA-256"
    if not broken:
        return (
            _finding(
                f"All {count:,} lines of the log are as they were written; the last hash is "
                f"{previous}.",
                True,
                kind,
            ),
        )
    return tuple(_finding(f"The log was altered: {text}.", False, kind) for text in broken)


def is_log(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like a decision log."""
    try:
        with Path(path).open("rb") as file:
            return _FORMAT.encode() in file.readline(4096)
    except OSError:
        return False


def _finding(sentence: str, passed: bool, kind: str) -> Finding:
    return Finding(
        code="log.chain",
        sentence=sentence,
        severity="info" if passed else "high",
        passed=passed,
        method=f"chain of {kind} over all lines",
    )


def _examined(
    line: bytes, count: int, previous: str, key: bytes | None
) -> tuple[str, LogEntry | None]:
    try:
        entry = _parsed(line, "")
    except ArtifactError:
        if not line.endswith(b"\n"):
            return "it is unfinished, as after a crash; the next run moves it out of the log", None
        return "it is no entry", None
    if not _holds(entry, line, key):
        return "its content does not agree with its hash", entry
    if entry.previous != previous:
        return "it does not follow the line before", entry
    if entry.n != count:
        return f"it is numbered {entry.n}, not {count}", entry
    return "", entry


def _begun(line: bytes) -> bool:
    """Whether this may be the first line of a log that a crash left half written."""
    return line.startswith(b'{"n":0,')


def _against_head(path: Path, count: int, hashes: Mapping[int, str]) -> list[str]:
    """What the head file says against a log of `count` lines; `hashes` by number of lines."""
    head = _head_of(path)
    if not head.exists():
        return ["its head file is missing, so that lines cut off at the end would not be seen"]
    try:
        told = msgspec.json.decode(head.read_bytes())
        lines, known = int(told["lines"]), str(told["hash"])
    except (OSError, KeyError, TypeError, ValueError):
        return ["its head file cannot be read"]
    if count < lines:
        return [f"it ends after {count:,} lines where its head says {lines:,}"]
    if hashes.get(lines, known) != known:
        return [f"line {lines:,} is not the one that its head names"]
    return []


def _head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _hash(data: bytes, key: bytes | None) -> str:
    if key is None:
        return "sha256:" + hashlib.sha256(data).hexdigest()
    return "hmac:" + hmac.new(key, data, hashlib.sha256).hexdigest()


def _holds(entry: LogEntry, line: bytes, key: bytes | None) -> bool:
    """Whether the bytes are exactly those that were written for this entry."""
    bare = _encode(msgspec.structs.replace(entry, hash=""))
    written = _encode(entry) + b"\n" == line
    return written and hmac.compare_digest(_hash(bare, key), entry.hash)


def _parsed(line: bytes, where: str) -> LogEntry:
    try:
        return msgspec.json.decode(line, type=LogEntry)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ArtifactError("not an entry of a decision log", where=where) from None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnreadableError(
            "cannot be read", where=str(path), got=error.strerror or type(error).__name__
        ) from None
    with file:
        number = 0
        while line := file.readline(2 * _MAX_LINE):
            number += 1
            yield number, line


def _last_line(file: Any) -> bytes | None:
    """The last whole line; the file ends in a line end."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return None
    start = max(0, size - _MAX_LINE - 1)
    file.seek(start)
    found: bytes = file.read(size - start).removesuffix(b"\n").rpartition(b"\n")[2]
    return found + b"\n"


def _key_given(key: bytes | None) -> bytes | None:
    if key is not None:
        return key
    with contextlib.suppress(KeyError):
        return os.environ[KEY_VARIABLE].encode()
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
