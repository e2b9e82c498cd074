"""`HarmTree`: who may be harmed or helped by a reply, by which action, through which effects.

A tree is written by a person or a language model. Reading it maps every word to the categories
below; a word that is none of them is refused with its place, where it would else count as
harmless.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from riskwright.core import EmptyDataError, Record, UnreadableError, ValueRangeError
from riskwright.core.documents import read_document, unique_keys
from riskwright.core.names import quoted

__all__ = [
    "EFFECT_GROUPS",
    "EXTENTS",
    "HARMFUL_ACTIONS",
    "LIKELIHOODS",
    "Branch",
    "Deed",
    "Effect",
    "Extent",
    "HarmTree",
    "Leaf",
    "Likelihood",
    "load_tree",
    "read_tree",
]

Extent = Literal["minor", "significant", "substantial", "major"]
Likelihood = Literal["low", "medium", "high"]
Side = Literal["harms", "benefits"]
EXTENTS: tuple[Extent, ...] = get_args(Extent)
LIKELIHOODS: tuple[Likelihood, ...] = get_args(Likelihood)

MAX_CHARACTERS = 2**20
MAX_EFFECTS = 10_000

HARMFUL_ACTIONS = {
    "security_risks": "Security Risks",
    "operational_misuses": "Operational Misuses",
    "violence_extremism": "Violence & Extremism",
    "hate_toxicity": "Hate/Toxicity",
    "sexual_content": "Sexual Content",
    "child_harm": "Child Harm",
    "self_harm": "Self-harm",
    "political_usage": "Political Usage",
    "economic_harm": "Economic Harm",
    "deception": "Deception",
    "manipulation": "Manipulation",
    "defamation": "Defamation",
    "fundamental_rights": "Fundamental Rights",
    "discrimination_bias": "Discrimination/Bias",
    "privacy": "Privacy",
    "criminal_activities": "Criminal Activities",
}
"""Code -> name of the sixteen level-2 categories of AIR 2024."""

EFFECT_GROUPS = {
    "physical": (
        "Death",
        "Prevention of death",
        "Physical health risks",
        "Physical health benefits",
    ),
    "psychological": ("Transient emotional changes", "Persistent emotional state changes"),
    "social": ("Social deficits", "Social gains"),
    "property": (
        "Physical property loss",
        "Physical property gains",
        "Financial property loss",
        "Financial property gains",
        "Intellectual property infringement",
        "Intellectual property gains",
    ),
    "liberty": (
        "Freedom and agency limitations",
        "Freedom and agency benefits",
        "Restricting, requiring, or degrading accurate information access",
        "Gain of accurate information access",
    ),
    "collective": (
        "Institutional harm",
        "Institutional benefits",
        "Public resource damage",
        "Public resource gains",
        "Societal disruption",
        "Societal order maintenance",
    ),
    "ecological": (
        "Harm to non-human animals",
        "Benefits to non-human animals",
        "Ecosystem damage",
        "Ecosystem benefits",
    ),
}
"""Code of a group -> names of the effects in it."""


class Effect(Record, frozen=True, kw_only=True):
    """One effect: the code of its group, whether it is immediate, how far it goes, how likely."""

    group: str
    immediate: bool
    extent: Extent
    likelihood: Likelihood


class Deed(Record, frozen=True, kw_only=True):
    """An action and its effects on one stakeholder; `category` is "" for an action that helps."""

    effects: tuple[Effect, ...]
    category: str = ""


class Branch(Record, frozen=True, kw_only=True):
    """One stakeholder: the actions that harm, and those that help."""

    stakeholder: str
    harms: tuple[Deed, ...] = ()
    benefits: tuple[Deed, ...] = ()

    def __repr__(self) -> str:
        return f"Branch({len(self.harms)} harms, {len(self.benefits)} benefits)"


class Leaf(NamedTuple):
    """An effect with its place, such as "0.harms.1.effects.2", and the category of its action."""

    place: str
    side: Side
    category: str
    effect: Effect


class HarmTree(Record, frozen=True, kw_only=True):
    """Stakeholder -> harms and benefits -> action -> effects.

    Li et al. (2025), SafetyAnalyst, ICML. Trees add up: that of the harms and that of the benefits
    of one exchange may be written apart. What a stakeholder is called stays out of `repr`.

    Examples
    --------
    >>> effect = Effect(group="social", immediate=True, extent="minor", likelihood="low")
    >>> deed = Deed(category="privacy", effects=(effect,))
    >>> tree = HarmTree(branches=(Branch(stakeholder="a customer", harms=(deed,)),))
    >>> [leaf.place for leaf in tree.leaves()]
    ['0.harms.0.effects.0']
    """

    branches: tuple[Branch, ...]

    def __add__(self, other: HarmTree) -> HarmTree:
        return HarmTree(branches=self.branches + other.branches)

    def __repr__(self) -> str:
        return f"HarmTree({len(self.branches)} stakeholders, {len(list(self.leaves()))} effects)"

    def leaves(self) -> Iterator[Leaf]:
        """All effects, in the order in which the tree names them."""
        sides: tuple[Side, ...] = ("harms", "benefits")
        for b, branch in enumerate(self.branches):
            for side in sides:
                for d, deed in enumerate(getattr(branch, side)):
                    for e, effect in enumerate(deed.effects):
                        yield Leaf(f"{b}.{side}.{d}.effects.{e}", side, deed.category, effect)

    def to_values(self) -> list[dict[str, Any]]:
        """Plain values, in the words that `load_tree` reads."""
        return [
            {
                "stakeholder": branch.stakeholder,
                "harms": [_plain(deed) for deed in branch.harms],
                "benefits": [_plain(deed) for deed in branch.benefits],
            }
            for branch in self.branches
        ]


def _plain(deed: Deed) -> dict[str, Any]:
    action = {"action": HARMFUL_ACTIONS[deed.category]} if deed.category else {}
    effects = [
        {
            "effect": effect.group,
            "immediacy": effect.immediate,
            "extent": effect.extent,
            "likelihood": effect.likelihood,
        }
        for effect in deed.effects
    ]
    return action | {"effects": effects}


def load_tree(source: Sequence[Any] | str | os.PathLike[str]) -> HarmTree:
    """A tree from plain values, or from a YAML or JSON file.

    Parameters
    ----------
    source : list of mappings with the keys `stakeholder`, `harms` and `benefits` (or one of the
        two); each harm has an `action` that names one of `HARMFUL_ACTIONS` (by code, by name, or
        as "##level 1## #level 2# level 3"), each benefit any action or none; both have `effects`,
        a list of `effect` (a group or an effect of `EFFECT_GROUPS`), `immediacy` (true or false),
        `extent` and `likelihood`. Case does not matter.

    Raises
    ------
    ValueRangeError : a word that is none of the known ones, with its place.
    UnreadableError : missing or unknown keys, or values of the wrong kind.
    EmptyDataError : no effect at all.
    ParameterError : a file that cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return _tree(read_document(Path(source), "harm tree"), str(source))
    return _tree(source, "harm tree")


def read_tree(answer: str) -> HarmTree:
    """A tree from the answer of a language model: one JSON list, alone or in a fence.

    Words before and after the list are passed over; what is not JSON is refused rather than
    mended, and so are unknown words. Raises as `load_tree` does; linear in the answer.
    """
    if len(answer) > MAX_CHARACTERS:
        raise UnreadableError(
            "the answer is too long", where="answer", expected=f"at most {MAX_CHARACTERS:,}"
        )
    start, stop = answer.find("["), answer.rfind("]")
    if start < 0 or stop < start:
        raise UnreadableError("no JSON list in the answer", where="answer")
    try:
        values = json.loads(answer[start : stop + 1], object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        at = getattr(error, "pos", None)
        place = "" if at is None else f", character {start + at}"
        raise UnreadableError("the answer is not JSON", where=f"answer{place}") from None
    return _tree(values, "answer")


def _tree(values: Any, where: str) -> HarmTree:
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise UnreadableError(
            "not a harm tree", where=where, expected="a list", got=type(values).__name__
        )
    tree = HarmTree(branches=tuple(_branch(v, f"{where}: {k}") for k, v in enumerate(values)))
    count = sum(1 for _ in tree.leaves())
    if not count:
        raise EmptyDataError("a harm tree without effects", where=where)
    if count > MAX_EFFECTS:
        raise UnreadableError(
            "too many effects", where=where, expected=f"at most {MAX_EFFECTS:,}", got=f"{count:,}"
        )
    return tree


def _keys(
    value: Any, where: str, needed: Sequence[str], others: Sequence[str]
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnreadableError(
            "not a mapping", where=where, expected="keys and values", got=type(value).__name__
        )
    missing = [key for key in needed if key not in value]
    unknown = [key for key in value if key not in (*needed, *others)]
    if missing or unknown:
        raise UnreadableError(
            f"the key {missing[0]!r} is missing" if missing else "an unknown key",
            where=where,
            expected="the keys " + ", ".join((*needed, *others)),
            got=None if missing else _word(unknown[0]),
        )
    return value


def _branch(value: Any, where: str) -> Branch:
    known = _keys(value, where, ("stakeholder",), ("harms", "benefits"))
    if not isinstance(known["stakeholder"], str):
        raise UnreadableError("not a text", where=f"{where}.stakeholder")
    harms = _items(known.get("harms"), f"{where}.harms")
    benefits = _items(known.get("benefits"), f"{where}.benefits")
    return Branch(
        stakeholder=known["stakeholder"],
        harms=tuple(_deed(v, f"{where}.harms.{k}", True) for k, v in enumerate(harms)),
        benefits=tuple(_deed(v, f"{where}.benefits.{k}", False) for k, v in enumerate(benefits)),
    )


def _items(value: Any, where: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise UnreadableError("not a list", where=where, got=type(value).__name__)
    return value


def _deed(value: Any, where: str, harms: bool) -> Deed:
    known = _keys(
        value, where, ("action", "effects") if harms else ("effects",), () if harms else ("action",)
    )
    effects = _items(known["effects"], f"{where}.effects")
    return Deed(
        category=_category(known["action"], f"{where}.action") if harms else "",
        effects=tuple(_effect(v, f"{where}.effects.{k}") for k, v in enumerate(effects)),
    )


def _effect(value: Any, where: str) -> Effect:
    known = _keys(value, where, ("effect", "immediacy", "extent", "likelihood"), ())
    if not isinstance(known["immediacy"], bool):
        raise ValueRangeError(
            "not true or false", where=f"{where}.immediacy", got=_word(known["immediacy"])
        )
    return Effect(
        group=_group(known["effect"], f"{where}.effect"),
        immediate=known["immediacy"],
        extent=_one_of(known["extent"], EXTENTS, f"{where}.extent"),
        likelihood=_one_of(known["likelihood"], LIKELIHOODS, f"{where}.likelihood"),
    )


def _one_of(value: Any, known: Sequence[Any], where: str) -> Any:
    plain = value.strip().lower() if isinstance(value, str) else value
    if plain not in known:
        raise ValueRangeError(
            "an unknown word", where=where, expected="one of " + ", ".join(known), got=_word(value)
        )
    return plain


_LEVEL_2 = re.compile(r"(?<!#)#([^#\n]{1,80})#(?!#)")
_NUMBER = re.compile(r"^\s*#?(\d{1,2})[.)]?\s*$")
_LEADING = re.compile(r"^\s*\d{1,2}[.)]\s*")
_NAMES = {
    **{code: code for code in HARMFUL_ACTIONS},
    **{name.lower(): code for code, name in HARMFUL_ACTIONS.items()},
}


def _category(value: Any, where: str) -> str:
    """The level-2 category that an action names: in its own field, else anywhere, but only one."""
    found: set[str] = set()
    if isinstance(value, str):
        plain = value.strip().lower()
        levels = [name.strip() for name in _LEVEL_2.findall(plain)]
        texts = [plain, *levels]
        found = {_NAMES[text] for text in texts if text in _NAMES}
        if not found:
            found = {code for name, code in _NAMES.items() if name in plain}
    if len(found) != 1:
        raise ValueRangeError(
            "more than one category" if found else "an unknown category of action",
            where=where,
            expected="one of " + ", ".join(HARMFUL_ACTIONS.values()),
            got=", ".join(sorted(found)) or _word(value),
        )
    return found.pop()


def _effect_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for code, effects in EFFECT_GROUPS.items():
        names |= {code: code, f"{code} harm": code, f"{code} benefit": code}
        names |= {effect.lower(): code for effect in effects}
    return names


_EFFECTS = _effect_names()
_NUMBERED = [
    *("physical",) * 2,
    *("psychological",) * 2,
    "social",
    *("property",) * 3,
    *("liberty",) * 2,
    *("collective",) * 3,
    *("ecological",) * 2,
]


def _group(value: Any, where: str) -> str:
    """By the name of the group or effect, with or without its number; or by the number alone."""
    if isinstance(value, str):
        plain = _LEADING.sub("", value).strip().strip("#").strip().lower()
        if plain in _EFFECTS:
            return _EFFECTS[plain]
        number = _NUMBER.match(value)
        if number and 1 <= int(number[1]) <= len(_NUMBERED):
            return _NUMBERED[int(number[1]) - 1]
        found = {group for name, group in _EFFECTS.items() if len(name) > 12 and name in plain}
        if len(found) == 1:
            return found.pop()
    raise ValueRangeError(
        "an unknown effect",
        where=where,
        expected="a group (" + ", ".join(EFFECT_GROUPS) + ") or one of its effects",
        got=_word(value),
    )


def _word(value: Any) -> str:
    """One short word as it is; anything longer could be the text that is judged."""
    if isinstance(value, str):
        plain = value.strip()
        short = len(plain) <= 24 and re.fullmatch(r"[\w-]+", plain)
        return quoted(plain) if short else f"a text of {len(value)} characters"
    return "nothing" if value is None else type(value).__name__
