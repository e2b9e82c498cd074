"""What every room shares: records, errors, saved files, registry, seeds, digests."""

from .artifacts import atomic_write, content_hash, json_values, read_artifact, write_artifact
from .digests import digest_arrays
from .exceptions import (
    ArtifactError,
    ColumnError,
    ConstraintError,
    ContentHashError,
    DataError,
    EmptyDataError,
    MissingExtraError,
    MissingValueError,
    ParameterError,
    RiskwrightError,
    SchemaTooNewError,
    SearchError,
    TargetError,
    UnreadableError,
    UsageError,
    ValueRangeError,
)
from .randomness import generator
from .records import Certificate, Estimate, Finding, Record
from .registry import Registry, artifact_kinds
from .saving import load, save
from .score_card import Feature, Item, RiskRow, ScoreCard, Term

__all__ = [
    "ArtifactError",
    "Certificate",
    "ColumnError",
    "ConstraintError",
    "ContentHashError",
    "DataError",
    "EmptyDataError",
    "Estimate",
    "Feature",
    "Finding",
    "Item",
    "MissingExtraError",
    "MissingValueError",
    "ParameterError",
    "Record",
    "Registry",
    "RiskRow",
    "RiskwrightError",
    "SchemaTooNewError",
    "ScoreCard",
    "SearchError",
    "TargetError",
    "Term",
    "UnreadableError",
    "UsageError",
    "ValueRangeError",
    "artifact_kinds",
    "atomic_write",
    "content_hash",
    "digest_arrays",
    "generator",
    "json_values",
    "load",
    "read_artifact",
    "save",
    "write_artifact",
]
