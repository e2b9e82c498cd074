"""`EndpointSettings`: a guard model behind an endpoint, as a file or a saved guard describes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import ParameterError, Record
from riskwright.core.documents import line_of, read_document
from riskwright.core.names import nearest, quoted
from riskwright.language_models.endpoints import Endpoint

from .adapters import Adapter, GuardAdapter
from .endpoint_scorer import Complete, EndpointScorer
from .registry import adapter_named, adapter_settings, setting_names
from .sampled import Sampled

__all__ = [
    "EndpointSettings",
    "endpoint_of",
    "endpoint_settings",
    "load_endpoint_settings",
    "told_endpoint",
]

_OWN: dict[str, Any] = {"name": str, "samples": int, "seed": int, "cost": float}


class EndpointSettings(Record, frozen=True, kw_only=True):
    """A guard model behind an endpoint.

    `samples` above 0 asks each question so often at temperature 1, for servers without
    log-probabilities; `settings` are those of the adapter. `name` is that of the scorer, by default
    the adapter's.
    """

    adapter: str
    endpoint: Endpoint
    settings: dict[str, Any] = {}
    name: str = ""
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
            name=self.name,
            cost=self.cost,
            complete=complete,
        )

    @classmethod
    def of(cls, scorer: EndpointScorer) -> EndpointSettings:
        """The settings that make an equal scorer.

        Raises `ParameterError` for an adapter that is not one of the package.
        """
        asked = scorer.adapter
        adapter = asked.adapter if isinstance(asked, Sampled) else asked
        if not isinstance(adapter, Adapter):
            raise ParameterError(
                "an adapter of another kind", where="adapter", expected="one of adapter_names()"
            )
        return cls(
            adapter=adapter.name,
            endpoint=scorer.endpoint,
            settings=adapter_settings(adapter),
            name="" if scorer.name == adapter.name else scorer.name,
            samples=asked.samples if isinstance(asked, Sampled) else 0,
            seed=asked.seed if isinstance(asked, Sampled) else 0,
            cost=scorer.cost,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values on one level, as `endpoint_settings` reads them; a key's name, no key."""
        own = {"adapter": self.adapter, **told_endpoint(self.endpoint)}
        for field in (*_OWN, "settings"):
            if value := getattr(self, field):
                own[field] = value
        return own


def told_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """What differs from the defaults, as plain values."""
    plain = Endpoint(url=endpoint.url)
    return {
        field: msgspec.to_builtins(getattr(endpoint, field))
        for field in Endpoint.__struct_fields__
        if field == "url" or getattr(endpoint, field) != getattr(plain, field)
    }


def load_endpoint_settings(path: str | os.PathLike[str]) -> EndpointSettings:
    """Settings from a YAML or JSON file, all on one level.

    The keys are `adapter`, `name`, `samples`, `seed`, `cost`, those of `Endpoint` (`url`, `model`,
    `api_key_env`, `timeout_s`, ...) and those of the adapter (`categories`, `off`, `layout`, ...;
    an adapter's own `top_logprobs` and `max_tokens` go under `settings`). Paths are taken from the
    folder of the file. Raises `ParameterError` with the line.
    """
    place = Path(path)
    return endpoint_settings(read_document(place, "settings of an endpoint"), place)


def endpoint_settings(
    body: Any, path: Path | None = None, within: tuple[str | int, ...] = ()
) -> EndpointSettings:
    """Settings from plain values; those of a file, `within` which they stand, name the line.

    Raises `ParameterError`.
    """
    at = _At(path, within)
    if not isinstance(body, Mapping) or not all(isinstance(key, str) for key in body):
        raise ParameterError("not settings", where=at.here, expected="keys and values")
    for key in ("adapter", "url"):
        if not isinstance(body.get(key), str):
            raise ParameterError(f"no {key}", where=at.key(key), expected=f"{key}: ...")
    name, folder = body["adapter"], None if path is None else path.parent
    try:
        own = setting_names(name)
    except ParameterError as error:
        raise ParameterError(error.problem, where=at.key("adapter"), hint=error.hint) from None
    fields = set(Endpoint.__struct_fields__)
    known = fields | set(_OWN) | set(own) | {"adapter", "settings"}
    for key in body:
        if key not in known:
            hint = nearest(key, sorted(known))
            raise ParameterError(f"unknown key {quoted(key)}", where=at.key(key), hint=hint)
    nested = body.get("settings", {})
    if not isinstance(nested, Mapping):
        raise ParameterError("not settings", where=at.key("settings"), expected="a mapping")
    told = {k: v for k, v in body.items() if k in own and k not in fields | set(_OWN)}
    try:
        adapter = adapter_named(name, {**told, **nested}, folder=folder)
        found = EndpointSettings(
            adapter=name,
            endpoint=endpoint_of(body, path, within),
            settings=adapter_settings(adapter),
            **{k: _converted(body[k], kind, k, at) for k, kind in _OWN.items() if k in body},
        )
        found.guard_adapter()
    except ParameterError as error:
        raise at.named(error, body, name) from None
    return found


def endpoint_of(
    body: Mapping[str, Any], path: Path | None = None, within: tuple[str | int, ...] = ()
) -> Endpoint:
    """The endpoint that plain values tell of; other keys are passed over.

    A journal's path is taken from the folder of the file.
    """
    at = _At(path, within)
    values = {key: value for key, value in body.items() if key in Endpoint.__struct_fields__}
    if path is not None and isinstance(journal := values.get("journal"), str):
        values["journal"] = str(path.parent / journal)
    try:
        return msgspec.convert(values, Endpoint)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ParameterError):
            raise at.named(error.__cause__, body) from None
        problem, _, where = str(error).partition(" - at `$")
        key = where.rstrip("`").lstrip(".").partition(".")[0] or "url"
        raise ParameterError(
            "wrong kind of value", where=at.key(key), got=problem[:1].lower() + problem[1:]
        ) from None


def _converted(value: Any, kind: Any, key: str, at: _At) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ParameterError(
            "wrong kind of value", where=at.key(key), got=str(error)[:1].lower() + str(error)[1:]
        ) from None


class _At:
    """Where settings stand: in a file, or in a saved guard."""

    def __init__(self, path: Path | None, within: tuple[str | int, ...]) -> None:
        self.path, self.within = path, within
        self.here = "settings of an endpoint" if path is None else str(path)

    def key(self, key: str) -> str:
        line = None if self.path is None else line_of(self.path, (*self.within, key))
        return f"{self.here}, line {line}: {key}" if line else f"{self.here}: {key}"

    def named(
        self, error: ParameterError, body: Mapping[str, Any], adapter: str = ""
    ) -> ParameterError:
        """The error with the line of the key that it is about."""
        if self.here in (error.where or ""):
            return error
        told = (error.where or "").removeprefix(f"adapter {adapter}")
        key = next((k for k in body if k in told), "adapter" if adapter else "url")
        return ParameterError(
            error.problem,
            where=f"{self.key(key)}: {error.where}",
            expected=error.expected,
            got=error.got,
            hint=error.hint,
        )
