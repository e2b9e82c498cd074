"""`HarmWeights`: what a community holds to be how grave, as a small file that people can read."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import ParameterError, Record, content_hash
from riskwright.core.documents import read_record
from riskwright.core.names import nearest

from .harm_tree import EFFECT_GROUPS, EXTENTS, HARMFUL_ACTIONS, LIKELIHOODS, Leaf

__all__ = ["HarmWeights", "SideWeights", "load_weights", "weights_names"]

_DATA = Path(__file__).parent / "data"
_ENDING = "_weights.yaml"


class SideWeights(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What extents and likelihoods count on the side of harms, or on that of benefits.

    Both never fall from the mildest word to the gravest, which counts 1; `later` is what an effect
    that is not immediate counts, as a share of the same effect at once.
    """

    extents: dict[str, float]
    likelihoods: dict[str, float]
    later: float

    @classmethod
    def of_factors(
        cls, extents: Sequence[float], likelihoods: Sequence[float], later: float
    ) -> SideWeights:
        """From the factor by which each word counts less than the next graver one.

        `extents` are the factors of minor, significant and substantial, `likelihoods` those of low
        and medium, all in [0, 1].
        """
        return cls(
            extents=_levels(EXTENTS, extents),
            likelihoods=_levels(LIKELIHOODS, likelihoods),
            later=float(later),
        )


class HarmWeights(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Named weights, all in [0, 1].

    Parameters
    ----------
    name : of the weights, such as that of the community.
    actions : code of a harmful action -> weight; all of `HARMFUL_ACTIONS`.
    harms, benefits : `SideWeights`.
    benefit : what a benefit counts against a harm that is alike in all else.
    effects : code of an effect group -> weight; groups that are not named count 1.
    source : where the weights come from.

    Raises
    ------
    ParameterError : unknown or missing names, weights outside of [0, 1], levels out of order.

    Examples
    --------
    >>> even = SideWeights.of_factors([0.5, 0.5, 0.5], [0.5, 0.5], later=0.9)
    >>> even.extents["minor"]
    0.125
    >>> weights = load_weights("wildjailbreak")
    >>> weights.changed(actions={"privacy": 0.5}).actions["privacy"]
    0.5
    """

    name: str
    actions: dict[str, float]
    harms: SideWeights
    benefits: SideWeights
    benefit: float
    effects: dict[str, float] = {}
    source: str = ""

    def __post_init__(self) -> None:
        _checked(self.actions, HARMFUL_ACTIONS, "actions", whole=True)
        _checked(self.effects, EFFECT_GROUPS, "effects", whole=False)
        _checked({"benefit": self.benefit}, ("benefit",), "weights", whole=True)
        for side in ("harms", "benefits"):
            given: SideWeights = getattr(self, side)
            _ordered(given.extents, EXTENTS, f"{side}.extents")
            _ordered(given.likelihoods, LIKELIHOODS, f"{side}.likelihoods")
            _checked({"later": given.later}, ("later",), side, whole=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers, whatever they are called."""
        told = msgspec.to_builtins(self, enc_hook=float)
        del told["name"], told["source"]
        told["effects"] = {code: self.effects.get(code, 1.0) for code in EFFECT_GROUPS}
        return f"sha256:{content_hash(told)}"

    def of(self, leaf: Leaf) -> float:
        """What one effect adds to the harmfulness: above 0 for harms, below for benefits."""
        side = self.harms if leaf.side == "harms" else self.benefits
        effect = leaf.effect
        share = side.extents[effect.extent] * side.likelihoods[effect.likelihood]
        share *= self.effects.get(effect.group, 1.0) * (1.0 if effect.immediate else side.later)
        return (
            share * self.actions[leaf.category] if leaf.side == "harms" else -self.benefit * share
        )

    def changed(
        self,
        *,
        name: str | None = None,
        actions: Mapping[str, float] = {},
        effects: Mapping[str, float] = {},
        benefit: float | None = None,
    ) -> HarmWeights:
        """The same weights but for these."""
        return HarmWeights(
            name=self.name if name is None else name,
            actions={**self.actions, **actions},
            harms=self.harms,
            benefits=self.benefits,
            benefit=self.benefit if benefit is None else benefit,
            effects={**self.effects, **effects},
            source=self.source,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `load_weights` reads them."""
        told: dict[str, Any] = msgspec.to_builtins(self, enc_hook=float)
        return told


def weights_names() -> tuple[str, ...]:
    """Names of the weights that come with the package."""
    return tuple(sorted(path.name.removesuffix(_ENDING) for path in _DATA.glob(f"*{_ENDING}")))


def load_weights(source: Mapping[str, Any] | str | os.PathLike[str]) -> HarmWeights:
    """Weights by name, from a YAML or JSON file, or from plain values.

    "wildjailbreak" are the published weights of Li et al. (2025), fitted to one data set of
    prompts; they are no one's considered judgement, and give some actions no weight at all.
    Raises `ParameterError`.
    """
    if isinstance(source, str) and not Path(source).suffix:
        if source not in weights_names():
            raise ParameterError(
                "no weights of this name",
                where="load_weights",
                expected="a name or the path of a YAML or JSON file",
                hint=nearest(source, weights_names()),
            )
        source = _DATA / f"{source}{_ENDING}"
    try:
        return read_record(source, HarmWeights, "harm weights")
    except ParameterError as error:
        told = getattr(error.__context__, "__cause__", None)
        if not isinstance(told, ParameterError):
            raise
        told.where = f"{error.where}: {told.where}"
        raise told from None


def _levels(words: Sequence[str], factors: Sequence[float]) -> dict[str, float]:
    if len(factors) != len(words) - 1:
        raise ParameterError(
            "wrong number of factors",
            where="factors",
            expected=", ".join(words[:-1]),
            got=str(len(factors)),
        )
    levels = {words[-1]: 1.0}
    for word, factor in zip(words[-2::-1], list(factors)[::-1], strict=True):
        levels = {word: levels[next(iter(levels))] * float(factor)} | levels
    return levels


def _checked(
    given: Mapping[str, float], known: Mapping[str, Any] | Sequence[str], where: str, *, whole: bool
) -> None:
    unknown = [name for name in given if name not in known]
    missing = [name for name in known if name not in given] if whole else []
    if unknown or missing:
        raise ParameterError(
            f"unknown name {unknown[0]!r}" if unknown else f"no weight for {missing[0]!r}",
            where=where,
            hint=nearest(unknown[0], known) if unknown else None,
        )
    for name, weight in given.items():
        if isinstance(weight, bool) or not math.isfinite(weight) or not 0 <= weight <= 1:
            raise ParameterError(
                "a weight out of range", where=f"{where}.{name}", expected="0 to 1", got=f"{weight}"
            )


def _ordered(given: Mapping[str, float], words: Sequence[str], where: str) -> None:
    _checked(given, words, where, whole=True)
    levels = [given[word] for word in words]
    if levels != sorted(levels) or levels[-1] != 1:
        raise ParameterError(
            "levels out of order",
            where=where,
            expected=" <= ".join(words) + " = 1",
            got=", ".join(f"{word} {level:g}" for word, level in zip(words, levels, strict=True)),
        )
