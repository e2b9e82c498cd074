"""`adapter_named` and `EndpointSettings`: guard models by name, and from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import ParameterError, Record, Registry
from riskwright.core.documents import line_of, read_document
from riskwright.core.names import nearest, quoted
from riskwright.language_models.endpoints import Endpoint

from .adapters import Adapter, GuardAdapter
from .endpoint_scorer import Complete, EndpointScorer
from .sampled import Sampled

__all__ = [
    "EndpointSettings",
    "adapter_named",
    "adapter_names",
    "endpoint_settings",
    "load_endpoint_settings",
]

_HERE = "riskwright.scoring.guard_models"
_ADAPTERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"llama-guard-{k}": (f"{_HERE}.llama_guard:LlamaGuard", {"generation": k})
        for k in ("1", "2", "3", "4")
    },
    "aegis-1": (f"{_HERE}.llama_guard:LlamaGuard", {"generation": "aegis-1"}),
    "aegis-2": (f"{_HERE}.nemotron:NemotronSafety", {"form": "json"}),
    "nemotron-reasoning": (f"{_HERE}.nemotron:NemotronSafety", {"form": "lines"}),
    "wildguard": (f"{_HERE}.wildguard:WildGuard", {}),
    "shieldgemma": (f"{_HERE}.shieldgemma:ShieldGemma", {}),
    "granite-guardian-3": (f"{_HERE}.granite_guardian:GraniteGuardian", {"generation": "3"}),
    "granite-guardian-4.1": (f"{_HERE}.granite_guardian:GraniteGuardian", {"generation": "4.1"}),
    "qwen3guard": (f"{_HERE}.qwen3guard:Qwen3Guard", {}),
    "xguard": (f"{_HERE}.xguard:XGuard", {}),
    "severity-judge": (f"{_HERE}.severity_judge:SeverityJudge", {}),
    "openai-moderation": (f"{_HERE}.openai_moderation:OpenAIModeration", {}),
}
_registry = Registry("guard model")
for _name, (_target, _) in _ADAPTERS.items():
    _registry.register(_name, _target)


def adapter_names() -> tuple[str, ...]:
    """Names that `adapter_named` knows."""
    return tuple(_registry.names())


def adapter_named(name: str, settings: Mapping[str, Any] | None = None) -> Adapter:
    """The adapter of a guard model by name, with the settings of its class as plain values.

    Raises `ParameterError` for an unknown name or setting (with the nearest) and a value of the
    wrong kind.

    Examples
    --------
    >>> adapter_named("llama-guard-3", {"off": ["S6"]}).off
    ('S6',)
    """
    if name not in _ADAPTERS:
        raise ParameterError(
            f"no guard model {quoted(name)}", where="adapter", hint=nearest(name, _ADAPTERS)
        )
    kind = _registry.load(name)
    given, fixed = dict(settings or {}), _ADAPTERS[name][1]
    known = [field for field in kind.__struct_fields__ if field not in fixed]
    for key in given:
        if key not in known:
            raise ParameterError(
                f"unknown setting {quoted(key)}", where=f"adapter {name}", hint=nearest(key, known)
            )
    try:
        adapter: Adapter = msgspec.convert({**fixed, **given}, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ParameterError):
            raise error.__cause__ from None
        problem, _, place = str(error).partition(" - at `$")
        raise ParameterError(
            "wrong kind of value",
            where=f"adapter {name}" + (place.rstrip("`") and f": {place.rstrip('`').lstrip('.')}"),
            got=problem[:1].lower() + problem[1:],
        ) from None
    return adapter


class EndpointSettings(Record, frozen=True, kw_only=True):
    """A guard model behind an endpoint, as a file describes it.

    `samples` above 0 asks each question so often at temperature 1, for servers without
    log-probabilities; `settings` are those of the adapter.
    """

    adapter: str
    endpoint: Endpoint
    settings: dict[str, Any] = {}
    samples: int = 0
    seed: int = 0
    cost: float = 0.0

    def guard_adapter(self) -> GuardAdapter:
        """The adapter, sampled where that is wanted."""
        adapter = adapter_named(self.adapter, self.settings)
        return Sampled(adapter, self.samples, seed=self.seed) if self.samples else adapter

    def scorer(self, *, complete: Complete | None = None) -> EndpointScorer:
        """The scorer that asks it."""
        return EndpointScorer(
            self.guard_adapter(),
            self.endpoint,
            cost=self.cost,
            complete=complete,
            settings=self.to_dict(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, all on one level, that `endpoint_settings` reads."""
        own = {"samples": self.samples, "seed": self.seed, "cost": self.cost}
        told: dict[str, Any] = msgspec.to_builtins(self.endpoint)
        return {"adapter": self.adapter, **told, "settings": self.settings, **own}


def load_endpoint_settings(path: str | os.PathLike[str]) -> EndpointSettings:
    """Settings from a YAML or JSON file, all on one level.

    The keys are `adapter`, `samples`, `seed`, `cost`, those of `Endpoint` (`url`, `model`,
    `api_key_env`, `timeout_s`, ...) and those of the adapter (`categories`, `off`, `layout`, ...;
    an adapter's own `top_logprobs` and `max_tokens` go under `settings`). Raises `ParameterError`
    with the line.
    """
    place = Path(path)
    return endpoint_settings(read_document(place, "settings of an endpoint"), place)


def endpoint_settings(body: Any, place: Path | str = "endpoint") -> EndpointSettings:
    """Settings from plain values as `load_endpoint_settings` finds them in the file `place`.

    Raises `ParameterError`.

    Examples
    --------
    >>> told = {"adapter": "wildguard", "url": "http://localhost:8000/v1", "model": "guard"}
    >>> endpoint_settings(told).scorer().name
    'wildguard'
    """
    if not isinstance(body, Mapping) or not all(isinstance(key, str) for key in body):
        raise ParameterError("not settings", where=str(place), expected="keys and values")
    own = {"samples", "seed", "cost", "settings"}
    for key in ("adapter", "url"):
        if not isinstance(body.get(key), str):
            raise ParameterError(f"no {key}", where=_at(place, key), expected=f"{key}: ...")
    name = body["adapter"]
    if name not in _ADAPTERS:
        raise ParameterError(
            f"no guard model {quoted(name)}",
            where=_at(place, "adapter"),
            hint=nearest(name, _ADAPTERS),
        )
    fields = set(Endpoint.__struct_fields__)
    adapter_fields = set(_registry.load(name).__struct_fields__) - set(_ADAPTERS[name][1])
    for key in body:
        if key not in fields | own | adapter_fields | {"adapter"}:
            hint = nearest(key, sorted(fields | own | adapter_fields | {"adapter"}))
            raise ParameterError(f"unknown key {quoted(key)}", where=_at(place, key), hint=hint)
    nested = body.get("settings", {})
    if not isinstance(nested, Mapping):
        raise ParameterError("not settings", where=_at(place, "settings"), expected="a mapping")
    settings = {k: v for k, v in body.items() if k in adapter_fields - fields - own}
    try:
        found = EndpointSettings(
            adapter=name,
            endpoint=_converted(body, fields, Endpoint, place),
            settings={**settings, **nested},
            **{k: _converted_one(body[k], kind, k, place) for k, kind in _OWN.items() if k in body},
        )
        found.guard_adapter()
    except ParameterError as error:
        if str(place) in (error.where or ""):
            raise
        told = (error.where or "").removeprefix(f"adapter {name}")
        key = next((k for k in body if k in told), "adapter")
        raise ParameterError(
            error.problem,
            where=f"{_at(place, key)}: {error.where}",
            expected=error.expected,
            got=error.got,
            hint=error.hint,
        ) from None
    return found


_OWN: dict[str, Any] = {"samples": int, "seed": int, "cost": float}


def _converted(body: Mapping[str, Any], fields: set[str], kind: Any, place: Path | str) -> Any:
    values = {key: value for key, value in body.items() if key in fields}
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ParameterError):
            raise error.__cause__ from None
        problem, _, where = str(error).partition(" - at `$")
        key = where.rstrip("`").lstrip(".").partition(".")[0] or "url"
        raise ParameterError(
            "wrong kind of value", where=_at(place, key), got=problem[:1].lower() + problem[1:]
        ) from None


def _converted_one(value: Any, kind: Any, key: str, place: Path | str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ParameterError(
            "wrong kind of value",
            where=_at(place, key),
            got=str(error)[:1].lower() + str(error)[1:],
        ) from None


def _at(place: Path | str, key: str) -> str:
    line = line_of(place, (key,)) if isinstance(place, Path) else None
    return f"{place}, line {line}: {key}" if line else f"{place}: {key}"
