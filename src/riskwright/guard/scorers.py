"""Scorers by name: those of the package, how a guard remembers them, and files that list them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from riskwright.core import ArtifactError, ParameterError
from riskwright.core.documents import read_document
from riskwright.core.names import nearest, quoted
from riskwright.scoring.perception import Scorer

__all__ = ["SCORER_KINDS", "default_scorers", "described", "read_scorers", "rebuilt"]


def default_scorers() -> tuple[Scorer, ...]:
    """The rules and the n-gram model that come with the package."""
    return _rules({}), _ngrams({})


def _rules(settings: Mapping[str, Any]) -> Scorer:
    from riskwright.scoring.text.rules import RuleScorer

    return RuleScorer.from_settings(settings)


def _ngrams(settings: Mapping[str, Any]) -> Scorer:
    from riskwright.scoring.text.ngrams import default_ngram_scorer

    _no_settings("ngrams", settings)
    return default_ngram_scorer()


def _no_settings(kind: str, settings: Mapping[str, Any]) -> None:
    if settings:
        raise ParameterError(
            f"unknown key {quoted(next(iter(settings)))}",
            where=f"scorer {kind}",
            expected="no settings",
        )


def _embedding(settings: Mapping[str, Any]) -> Scorer:
    from .embedding_features import EmbeddingFeatures

    return EmbeddingFeatures.from_settings(settings)


def _endpoint(settings: Mapping[str, Any]) -> Scorer:
    from riskwright.scoring.guard_models.registry import endpoint_settings

    return endpoint_settings(settings).scorer()


SCORER_KINDS = {
    "rules": _rules,
    "ngrams": _ngrams,
    "embedding": _embedding,
    "endpoint": _endpoint,
}


def described(scorer: Scorer) -> dict[str, Any]:
    """Kind, settings and version of a scorer, as plain values without secrets."""
    kind = getattr(scorer, "kind", scorer.name)
    settings = scorer.settings() if hasattr(scorer, "settings") else {}
    return {"kind": kind, "name": scorer.name, "version": scorer.version, "settings": settings}


def rebuilt(told: Mapping[str, Any]) -> Scorer:
    """The scorer that `described` told of.

    Raises `ArtifactError` where it cannot be made, or is now another one: what a guard learnt from
    one version of a scorer says nothing about another.
    """
    if told["kind"] not in SCORER_KINDS:
        raise ArtifactError(
            f"no kind of scorer {quoted(told['kind'])}",
            where="scorers",
            hint=nearest(str(told["kind"]), SCORER_KINDS),
        )
    scorer = SCORER_KINDS[told["kind"]](told["settings"])
    if scorer.version != told["version"]:
        raise ArtifactError(
            f"the scorer {quoted(told['name'])} is another version than the guard was fitted with",
            where="scorers",
            expected=str(told["version"]),
            got=scorer.version,
            hint="Fit the guard anew",
        )
    return scorer


def read_scorers(path: Path) -> Sequence[Scorer]:
    """Scorers from a YAML file: a list of `kind` with its settings.

    Examples of entries: `kind: rules`; `kind: ngrams`; `kind: embedding` with `path` and `sha256`;
    `kind: endpoint` with `adapter`, `url`, `model`, `api_key_env`.

    Raises `ParameterError` for unknown kinds and settings.
    """
    listed = read_document(path, "list of scorers")
    if not isinstance(listed, list) or not listed:
        raise ParameterError(
            "not a list of scorers", where=str(path), expected="- kind: rules, - kind: ngrams, ..."
        )
    found = []
    for place, one in enumerate(listed, start=1):
        if not isinstance(one, Mapping) or "kind" not in one:
            raise ParameterError("a scorer without a kind", where=f"{path}, entry {place}")
        settings = {str(key): value for key, value in one.items() if key != "kind"}
        kind = str(one["kind"])
        if kind not in SCORER_KINDS:
            raise ParameterError(
                f"no kind of scorer {quoted(kind)}",
                where=f"{path}, entry {place}",
                hint=nearest(kind, SCORER_KINDS),
            )
        try:
            found.append(SCORER_KINDS[kind](settings))
        except ParameterError as error:
            raise ParameterError(
                error.problem,
                where=f"{path}, entry {place}: {error.where or kind}",
                expected=error.expected,
                got=error.got,
                hint=error.hint,
            ) from None
        except TypeError as error:
            raise ParameterError(
                "settings that this scorer does not have",
                where=f"{path}, entry {place} ({kind})",
                got=str(error).partition(") ")[2] or str(error),
            ) from None
    return found
