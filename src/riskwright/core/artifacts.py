"""Saved objects: readable JSON with a schema version, a seed, a data digest and a content hash."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from .exceptions import ArtifactError, ContentHashError, SchemaTooNewError, UsageError

__all__ = [
    "SCHEMA_VERSION",
    "atomic_write",
    "content_hash",
    "json_values",
    "read_artifact",
    "write_artifact",
]

SCHEMA_VERSION = 1
MAX_BYTES = 64 * 2**20
_FORMAT = "riskwright"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file beside `path` and rename it over `path` when the block ends without an error.

    Whatever stood at `path` stays untouched until then, and for good if the block raises.
    Raises `UsageError` where the folder does not exist or cannot be written, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    name = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise _cannot_write(target, error) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        if isinstance(error, OSError):
            raise _cannot_write(target, error) from None
        raise


def _cannot_write(target: Path, error: OSError) -> UsageError:
    return UsageError(
        "cannot write here",
        where=str(target),
        got=error.strerror or str(error),
        hint="Name a folder that exists and that you may write to, with room on its disk",
    )


def json_values(value: Any) -> Any:
    """Plain JSON values: records become objects, NaN and infinities the texts "NaN", "Infinity".

    JSON itself has no such numbers; `msgspec.convert(..., strict=False)` and `float` read the
    texts back.
    """
    if isinstance(value, msgspec.Struct):
        return json_values(msgspec.to_builtins(value))
    if isinstance(value, dict):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def content_hash(body: Any) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces) of `body`."""
    text = json.dumps(json_values(body), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_artifact(
    path: str | os.PathLike[str],
    kind: str,
    body: dict[str, Any],
    *,
    version: str,
    seed: int | None = None,
    data_digest: str | None = None,
) -> None:
    """Write `body` (as `json_values` gives it) as an artifact of `kind`, atomically."""
    body = json_values(body)
    document = {
        "format": _FORMAT,
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "written_by": f"riskwright {version}",
        "seed": seed,
        "data_digest": data_digest,
        "content_hash": content_hash([kind, seed, data_digest, body]),
        "body": body,
    }
    with atomic_write(path) as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode())
        file.write(b"\n")


def read_artifact(path: str | os.PathLike[str], kind: str | None = None) -> dict[str, Any]:
    """Read an artifact back, whole, after checking format, schema version, hash and kind.

    Raises `ArtifactError` where the file is absent, too large, not JSON or not ours;
    `SchemaTooNewError` and `ContentHashError` say the rest.
    """
    where = str(path)
    try:
        size = os.path.getsize(path)
        content = Path(path).read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise ArtifactError("cannot read", where=where, got=error.strerror or str(error)) from None
    if size > MAX_BYTES:
        raise ArtifactError(
            "file too large", where=where, expected=f"at most {MAX_BYTES} bytes", got=str(size)
        )
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ArtifactError(
            "not a riskwright file", where=where, expected="JSON written by riskwright"
        ) from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ArtifactError(
            "not a riskwright file", where=where, expected='JSON with "format": "riskwright"'
        )
    schema = document.get("schema_version")
    if not isinstance(schema, int):
        raise ArtifactError("no schema version", where=where)
    if schema > SCHEMA_VERSION:
        raise SchemaTooNewError(
            "written by a newer riskwright",
            where=where,
            expected=f"schema version up to {SCHEMA_VERSION}",
            got=str(schema),
            hint="Upgrade riskwright to read it",
        )
    hashed = [document.get(key) for key in ("kind", "seed", "data_digest", "body")]
    try:
        found = content_hash(hashed)
    except RecursionError:
        raise ArtifactError("nested too deeply", where=where) from None
    if found != document.get("content_hash"):
        raise ContentHashError(
            "content does not match its hash: the file was changed after it was written",
            where=where,
            hint="Use the original file, or fit and save again",
        )
    if kind is not None and document.get("kind") != kind:
        raise ArtifactError("wrong kind", where=where, expected=kind, got=str(document.get("kind")))
    return document
