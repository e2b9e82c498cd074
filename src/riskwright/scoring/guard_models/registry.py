"""`adapter_named`: guard models by name, with settings as plain values, and how they are saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import ParameterError, Registry
from riskwright.core.names import nearest, quoted
from riskwright.taxonomy.taxonomies import load_taxonomy, taxonomy_names

from .adapters import Adapter

__all__ = ["adapter_named", "adapter_names", "adapter_settings", "setting_names"]

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


def setting_names(name: str) -> tuple[str, ...]:
    """The settings that the adapter of that name has. Raises `ParameterError` as `adapter_named`.

    >>> setting_names("wildguard")
    ('layout', 'top_logprobs', 'max_tokens')
    """
    if name not in _ADAPTERS:
        raise ParameterError(
            f"no guard model {quoted(name)}", where="adapter", hint=nearest(name, _ADAPTERS)
        )
    fields: tuple[str, ...] = _registry.load(name).__struct_fields__
    return tuple(field for field in fields if field not in _ADAPTERS[name][1])


def adapter_named(
    name: str, settings: Mapping[str, Any] | None = None, *, folder: Path | None = None
) -> Adapter:
    """The adapter of a guard model by name, with the settings of its class as plain values.

    `categories` may also be the name of a taxonomy that comes with the package, or the path of a
    file with one, from `folder`. Raises `ParameterError` for an unknown name or setting (with the
    nearest) and a value of the wrong kind.

    Examples
    --------
    >>> adapter_named("llama-guard-3", {"off": ["S6"]}).off
    ('S6',)
    >>> adapter_named("llama-guard-3", {"categories": "ailuminate"}).taxonomy
    'ailuminate'
    """
    known = setting_names(name)
    given = dict(settings or {})
    for key in given:
        if key not in known:
            raise ParameterError(
                f"unknown setting {quoted(key)}", where=f"adapter {name}", hint=nearest(key, known)
            )
    if isinstance(own := given.get("categories"), str):
        given["categories"] = msgspec.to_builtins(_taxonomy(own, folder))
    try:
        adapter: Adapter = msgspec.convert({**_ADAPTERS[name][1], **given}, _registry.load(name))
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


def _taxonomy(name: str, folder: Path | None) -> Any:
    if name in taxonomy_names() or folder is None:
        return load_taxonomy(name)
    return load_taxonomy(folder / name if Path(name).suffix else name)


def adapter_settings(adapter: Adapter) -> dict[str, Any]:
    """What `adapter_named(adapter.name, ...)` makes an equal adapter of, as plain values.

    Raises `ParameterError` for an adapter that is not one of the package.

    >>> adapter_settings(adapter_named("llama-guard-3", {"off": ["S6"]}))
    {'off': ['S6']}
    """
    known = adapter_named(adapter.name) if adapter.name in _ADAPTERS else None
    if known is None or type(known) is not type(adapter):
        raise ParameterError(
            "an adapter of another kind", where="adapter", expected="one of adapter_names()"
        )
    return {
        field: msgspec.json.decode(msgspec.json.encode(getattr(adapter, field)))
        for field in setting_names(adapter.name)
        if getattr(adapter, field) != getattr(known, field)
    }
