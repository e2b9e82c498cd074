"""Scorers by name: those of the package, how a guard remembers them, and files that list them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from riskwright.core import ArtifactError, ParameterError, RiskwrightError
from riskwright.core.documents import line_of, read_document
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
    from riskwright.scoring.text.embeddings import EmbeddingScorer

    return EmbeddingScorer.from_settings(settings)


def _ss3(settings: Mapping[str, Any]) -> Scorer:
    from riskwright.scoring.text.ss3_scorer import SS3Scorer

    return SS3Scorer.from_settings(settings)


def _endpoint(
    settings: Mapping[str, Any], path: Path | None = None, within: tuple[int, ...] = ()
) -> Scorer:
    from riskwright.scoring.guard_models.endpoint_settings import endpoint_settings

    return endpoint_settings(settings, path, within).scorer()


def _constitution(
    settings: Mapping[str, Any], path: Path | None = None, within: tuple[int, ...] = ()
) -> Scorer:
    from riskwright.scoring.guard_models.constitution_judge import ConstitutionJudge

    return ConstitutionJudge.from_settings(settings, path, within)


SCORER_KINDS: dict[str, Callable[..., Scorer]] = {
    "rules": _rules,
    "ngrams": _ngrams,
    "embedding": _embedding,
    "ss3": _ss3,
    "endpoint": _endpoint,
    "constitution": _constitution,
}
_ASKING = ("endpoint", "constitution")


def described(scorer: Scorer) -> dict[str, Any]:
    """Kind, settings and version of a scorer, as plain values; no key of an endpoint, its name."""
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
            hint=f"Only scorers of the package can be read back: {', '.join(SCORER_KINDS)}",
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
    `kind: ss3` with the `path` of a saved classifier; `kind: endpoint` with `adapter`, `url`,
    `model`, `api_key_env`; `kind: constitution` with `rules` (a file), `url`, `model`. Paths are
    taken from the folder of the file.

    Raises `ParameterError` for unknown kinds and settings, with the line.
    """
    listed = read_document(path, "list of scorers")
    if not isinstance(listed, list) or not listed:
        raise ParameterError(
            "not a list of scorers", where=str(path), expected="- kind: rules, - kind: ngrams, ..."
        )
    return [_read(one, path, place) for place, one in enumerate(listed)]


def _read(one: Any, path: Path, place: int) -> Scorer:
    line = line_of(path, (place,))
    where = f"{path}, line {line}" if line else f"{path}, entry {place + 1}"
    if not isinstance(one, Mapping) or "kind" not in one:
        raise ParameterError("a scorer without a kind", where=where)
    settings = {str(key): value for key, value in one.items() if key != "kind"}
    kind = str(one["kind"])
    if kind not in SCORER_KINDS:
        raise ParameterError(
            f"no kind of scorer {quoted(kind)}", where=where, hint=nearest(kind, SCORER_KINDS)
        )
    try:
        if kind in _ASKING:
            return SCORER_KINDS[kind](settings, path, (place,))
        return SCORER_KINDS[kind](_with_paths(settings, path.parent))
    except ParameterError as error:
        if str(path) in (error.where or ""):
            raise
        raise ParameterError(
            error.problem,
            where=f"{where}: {error.where or kind}",
            expected=error.expected,
            got=error.got,
            hint=error.hint,
        ) from None
    except RiskwrightError:
        raise
    except (TypeError, AttributeError, ValueError):
        raise ParameterError(
            "settings that this scorer does not have, or of another kind",
            where=f"{where} ({kind})",
        ) from None


def _with_paths(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The settings with every `path`, also of lists within them, taken from the folder."""
    if isinstance(path := settings.get("path"), str):
        settings = {**settings, "path": str(folder / path)}
    if isinstance(lists := settings.get("lists"), list):
        inner = [_with_paths(one, folder) if isinstance(one, dict) else one for one in lists]
        settings = {**settings, "lists": inner}
    return settings
