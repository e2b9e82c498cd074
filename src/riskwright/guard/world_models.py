"""Foretold consequences of an action, short and long term, as two risks apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from riskwright.core import ParameterError, Record

from .approvals import answered

__all__ = ["Consequences", "WorldModel", "checked_limits", "foretold"]

TERMS = ("short term", "long term")


def _is_share(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= 1


class Consequences(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Risks in [0, 1] that a world model foretells, and what it advises instead.

    `guidance` is for the agent; it may quote private text and is kept out of decisions.
    """

    short_term: float
    long_term: float
    guidance: str = ""

    def __post_init__(self) -> None:
        for name, value in (("short_term", self.short_term), ("long_term", self.long_term)):
            if not _is_share(value):
                raise ParameterError(
                    "not a risk", where=f"Consequences({name})", expected="a number in [0, 1]"
                )
        if not isinstance(self.guidance, str):
            raise ParameterError("not a text", where="Consequences(guidance)")

    def __repr__(self) -> str:
        return f"Consequences(short_term={self.short_term}, long_term={self.long_term})"

    @property
    def risks(self) -> dict[str, float]:
        return {"short term": float(self.short_term), "long term": float(self.long_term)}


WorldModel = Callable[[Any, Any, Sequence[str]], Any]
"""(state, action, policies) -> `Consequences`, or a mapping with its fields."""


def foretold(
    model: WorldModel, state: Any, action: Any, policies: Sequence[str], seconds: float | None
) -> tuple[Consequences | None, str]:
    """(consequences, "") or (None, why): a failure is never a safe forecast."""
    told, why = answered(lambda: model(state, action, policies), seconds)
    if why:
        return None, f"the world model failed: {why}"
    try:
        if isinstance(told, Mapping):
            told = Consequences(**told)
    except (TypeError, ParameterError):
        return None, "the world model failed: no risks in [0, 1]"
    if not isinstance(told, Consequences):
        return None, "the world model failed: not consequences"
    return told, ""


def checked_limits(limits: Mapping[str, float] | None) -> dict[str, float]:
    """A limit for each term; `ParameterError` where one is absent, unknown or not in [0, 1]."""
    given = dict(limits or {})
    good = set(given) == set(TERMS) and all(map(_is_share, given.values()))
    if not good:
        raise ParameterError(
            "a world model needs a limit for each term",
            where="ActionGuard(limits)",
            expected='{"short term": a, "long term": b}, both in [0, 1]',
            got=", ".join(map(repr, given)) or "none",
        )
    return {term: float(given[term]) for term in TERMS}
