"""`save` and `load`: fitted objects to readable JSON and back."""

from __future__ import annotations

import os
from typing import Any, Protocol

import msgspec

from .artifacts import read_artifact, write_artifact
from .exceptions import ArtifactError, UsageError
from .registry import artifact_kinds

__all__ = ["Saveable", "load", "save"]


class Saveable(Protocol):
    """Anything that can say what it is as plain JSON values, with a class method to read them."""

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Registered kind and body."""
        ...


def save(model: Saveable, path: str | os.PathLike[str]) -> None:
    """Write a fitted object as JSON, atomically: schema version, seed, data digest, content hash.

    Raises `UsageError` where the object is of another kind or the folder cannot be written; earlier
    content of `path` stays.
    """
    from riskwright._version import __version__

    if not hasattr(model, "to_artifact"):
        raise UsageError(
            "this object cannot be saved",
            where="save(model)",
            expected="a fitted estimator of riskwright",
            got=type(model).__name__,
        )
    kind, body = model.to_artifact()
    params = body.get("params", {})
    card = body.get("card") or {}
    write_artifact(
        path,
        kind,
        body,
        version=__version__,
        seed=params.get("random_state"),
        data_digest=card.get("data_digest"),
    )


def load(path: str | os.PathLike[str]) -> Any:
    """Read back what `save` wrote; nothing in the file is executed.

    Raises `ArtifactError` (or `SchemaTooNewError`, `ContentHashError`) where the file is not ours,
    newer than this version, or changed after it was written.
    """
    document = read_artifact(path)
    loader = artifact_kinds.load(document["kind"])
    try:
        return loader.from_artifact(document["body"])
    except ArtifactError:
        raise
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise ArtifactError(
            "content is not what its kind says",
            where=str(path),
            expected=f"a saved {document['kind']}",
            got=type(error).__name__,
        ) from None
