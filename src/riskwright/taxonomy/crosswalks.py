"""`Crosswalk`: what the categories of one taxonomy are in another, and what is lost on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from msgspec import structs

from riskwright.core import ParameterError, Record
from riskwright.core.names import nearest, quoted
from riskwright.core.scores import Score, Span

from ._reading import place, read_lines
from .taxonomies import Taxonomy, load_taxonomy, taxonomy_named

__all__ = [
    "PIVOT",
    "Crosswalk",
    "Relation",
    "Translated",
    "crosswalk_names",
    "load_crosswalk",
    "read_crosswalk",
]

Relation = Literal["exact", "broader", "narrower", "related"]
"""What the target is to the source: the same, broader, narrower, or only overlapping."""

PIVOT = "ailuminate"
_DATA = Path(__file__).parent / "crosswalk_data"
_INVERSE: dict[Relation, Relation] = {
    "exact": "exact",
    "broader": "narrower",
    "narrower": "broader",
    "related": "related",
}
_CLOSEST: tuple[Relation, ...] = ("exact", "broader", "narrower", "related")


class Translated(Record, frozen=True, kw_only=True):
    """A score in the terms of another taxonomy.

    `dropped` holds the values of hazards that have no counterpart there, by their old codes;
    `loose` the new codes whose values come only from categories that do not mean exactly the same.
    """

    score: Score
    dropped: dict[str, float] = {}
    loose: tuple[str, ...] = ()


class Crosswalk(Record, frozen=True, kw_only=True, dict=True):
    """A total map from the categories of `source` to those of `target`.

    Every source category leads to at least one target or stands in `drops` with the reason.

    Parameters
    ----------
    source, target : the two taxonomies.
    map : source code -> target code -> what the target is to the source.
    drops : source code -> why nothing in the target corresponds.
    inherited : the mapped codes that only follow those above or below them; they are not turned
        round by `inverse`, so that a coarse category is never told in fine ones it knows nothing
        of.
    """

    source: Taxonomy
    target: Taxonomy
    map: dict[str, dict[str, Relation]]
    drops: dict[str, str] = {}
    inherited: frozenset[str] = frozenset()

    @cached_property
    def targets(self) -> Mapping[str, Mapping[str, Relation]]:
        """For every source category that is not dropped: its targets, of all tiers.

        What leads to a target also leads to the broader ones above it.
        """
        return {
            code: _with_ancestors(self.map[code], self.target)
            for code in self.source.codes
            if code in self.map
        }

    @cached_property
    def unreached(self) -> tuple[str, ...]:
        """The target categories that nothing leads to: not to them, nor above, nor below them."""
        reached = {code for found in self.targets.values() for code in found}
        named = {code for steps in self.map.values() for code in steps}
        return tuple(
            code
            for code in self.target.codes
            if code not in reached and named.isdisjoint(self.target.ancestors(code))
        )

    def translate(self, score: Score) -> Translated:
        """`score` with its hazards in the terms of the target.

        A target takes the largest value of the hazards that lead to it, and bounds where all of
        them have some. The severity and the raw `values` of the scorers stay as they are. A value
        passed on to a narrower or related category is an upper reading, not a measurement of it.

        Raises `ParameterError` for a score of another taxonomy and for an unknown code.
        """
        if score.hazards and score.taxonomy != self.source.id:
            raise ParameterError(
                "a score of another taxonomy",
                where="translate(score)",
                expected=self.source.id,
                got=quoted(score.taxonomy),
                hint=f"Use load_crosswalk({score.taxonomy!r}, {self.target.id!r})",
            )
        sources: dict[str, list[str]] = {}
        for code in score.hazards:
            self.source.category(code)
            for target in self.targets.get(code, ()):
                sources.setdefault(target, []).append(code)
        told = structs.replace(
            score,
            taxonomy=self.target.id,
            hazards={t: max(score.hazards[c] for c in codes) for t, codes in sources.items()},
            bounds=_bounds(score, sources),
            evidence=tuple(self._span(span) for span in score.evidence),
        )
        return Translated(
            score=told,
            dropped={c: v for c, v in score.hazards.items() if c not in self.targets},
            loose=tuple(
                target
                for target, codes in sources.items()
                if all(self.targets[code][target] != "exact" for code in codes)
            ),
        )

    def _span(self, span: Span) -> Span:
        """The span under its only target, or under none."""
        found = list(self.map.get(span.hazard, ()))
        return structs.replace(span, hazard=found[0] if len(found) == 1 else "")

    def then(self, other: Crosswalk) -> Crosswalk:
        """This crosswalk followed by `other`, whose source is this one's target.

        Two steps are exact only if both are; broader after broader stays broader, narrower after
        narrower stays narrower. Two parts of one category need not overlap, so a way up and down
        again is taken, as related, only where a source category has no other. A source category
        is dropped where each of its targets is.
        """
        _same(self.target, other.source, "then(other)")
        found: dict[str, dict[str, Relation]] = {}
        drops = dict(self.drops)
        for code, steps in self.map.items():
            sure: dict[str, Relation] = {}
            unsure: dict[str, Relation] = {}
            for middle, first in steps.items():
                for target, second in other.map.get(middle, {}).items():
                    kind = _after(first, second)
                    ends = sure if _overlap(first, second) else unsure
                    ends[target] = _closer(kind, ends.get(target, kind))
            if sure or unsure:
                found[code] = sure or unsure
            else:
                lost = "; ".join(f"{m}: {other.drops[m]}" for m in steps)
                drops[code] = f"lost by way of {self.target.id}: {lost}"
        kept = self.inherited & found.keys()
        return Crosswalk(
            source=self.source, target=other.target, map=found, drops=drops, inherited=kept
        )

    def inverse(self) -> Crosswalk:
        """The crosswalk from `target` to `source`; what nothing leads to is dropped."""
        found: dict[str, dict[str, Relation]] = {}
        for code, steps in self.map.items():
            if code not in self.inherited:
                for target, kind in steps.items():
                    found.setdefault(target, {})[code] = _INVERSE[kind]
        given = frozenset(found)
        _inherit(self.target, found, {})
        none = f"nothing in {self.source.id} corresponds"
        return Crosswalk(
            source=self.target,
            target=self.source,
            map=found,
            drops={code: none for code in self.target.codes if code not in found},
            inherited=frozenset(found) - given,
        )

    def merge(self, other: Crosswalk) -> Crosswalk:
        """This crosswalk with the entries of `other`, between the same taxonomies, in their place.

        For corrections of one's own: what `other` maps or drops replaces what this one says of it.
        """
        _same(self.source, other.source, "merge(other)")
        _same(self.target, other.target, "merge(other)")
        return structs.replace(
            self,
            map={c: m for c, m in self.map.items() if c not in other.drops} | other.map,
            drops={c: r for c, r in self.drops.items() if c not in other.map} | other.drops,
            inherited=(self.inherited - other.map.keys() - other.drops.keys()) | other.inherited,
        )

    def losses(self) -> tuple[str, ...]:
        """What gets lost, in words: one line per dropped, loosely mapped and unreached category."""
        lines = [f"{code} is dropped: {reason}" for code, reason in self.drops.items()]
        for code, steps in self.map.items():
            if "exact" not in steps.values():
                told = ", ".join(f"{target} ({kind})" for target, kind in steps.items())
                lines.append(f"{code} has no exact counterpart: {told}")
        return (*lines, *(f"{code} is never reached" for code in self.unreached))


class _File(Record, frozen=True, kw_only=True):
    source: str
    target: str
    map: dict[str, dict[str, Relation]]
    drops: dict[str, str] = {}


def crosswalk_names() -> tuple[str, ...]:
    """The taxonomies of hazards that come with the package; each can be told in each other."""
    return tuple(sorted({name for pair in _pairs() for name in pair}))


@cache
def load_crosswalk(source: str, target: str = PIVOT) -> Crosswalk:
    """The crosswalk between two taxonomies of `crosswalk_names()`.

    Direct where one comes with the package, also the other way round; else by way of the pivot
    "ailuminate", which loses what the pivot has no name for: see `Crosswalk.losses()`.

    Raises `ParameterError`, with the nearest name, for a name without crosswalks.

    Examples
    --------
    >>> walk = load_crosswalk("llama_guard_2", "llama_guard_3")
    >>> walk.targets["S5"]
    {'S6': 'exact'}
    >>> walk.translate(Score(taxonomy="llama_guard_2", hazards={"S5": 0.4})).score.hazards
    {'S6': 0.4}
    >>> load_crosswalk("openai_moderation").unreached
    ('src', 'ipv', 'prv', 'dfm', 'spc')
    """
    for name in (source, target):
        if name not in crosswalk_names():
            raise ParameterError(
                f"no crosswalks of {quoted(name)}",
                where="load_crosswalk",
                hint=nearest(name, crosswalk_names()),
            )
    if source == target:
        taxonomy = load_taxonomy(source)
        same: dict[str, dict[str, Relation]] = {code: {code: "exact"} for code in taxonomy.codes}
        return Crosswalk(source=taxonomy, target=taxonomy, map=same)
    if (source, target) in _pairs():
        return read_crosswalk(_DATA / f"{source}--{target}.yaml")
    if (target, source) in _pairs():
        return load_crosswalk(target, source).inverse()
    return load_crosswalk(source, PIVOT).then(load_crosswalk(PIVOT, target))


def read_crosswalk(path: str | os.PathLike[str]) -> Crosswalk:
    """A crosswalk of one's own from a YAML or JSON file.

    Parameters
    ----------
    path : a file with the keys `source` and `target` (taxonomies that come with the package, or
        files ID.yaml beside this one), `map` (source code -> target code -> exact, broader,
        narrower or related, said of the target) and `drops` (source code -> reason). A category
        that is not mentioned goes where the one above it goes, or where those below it go.

    Raises
    ------
    ParameterError : with the line, for unknown codes (and the nearest known one), categories both
        mapped and dropped, and categories that are neither.
    """
    path = Path(path)
    file = read_lines(path, _File, "crosswalk")
    source = _taxonomy(file.source, path, "source")
    target = _taxonomy(file.target, path, "target")
    _check(file, source, target, path)
    found = {code: dict(steps) for code, steps in file.map.items()}
    drops = _inherit(source, found, dict(file.drops))
    left = [code for code in source.codes if code not in found and code not in drops]
    if left:
        raise ParameterError(
            f"{len(left)} categories of {source.id} are neither mapped nor dropped",
            where=place(path, ("map",)),
            got=", ".join(left[:8]) + (", …" if len(left) > 8 else ""),
            hint="Name each under map, or under drops with the reason",
        )
    return Crosswalk(
        source=source,
        target=target,
        map=found,
        drops=drops,
        inherited=frozenset(found) - file.map.keys(),
    )


@cache
def _pairs() -> frozenset[tuple[str, str]]:
    parts = (path.stem.partition("--") for path in _DATA.glob("*--*.yaml"))
    return frozenset((source, target) for source, _, target in parts)


def _taxonomy(id: str, path: Path, key: str) -> Taxonomy:
    try:
        return taxonomy_named(id, path.parent)
    except ParameterError as error:
        if error.where is not None:
            raise
        raise ParameterError(
            error.problem, where=place(path, (key,)), expected=error.expected, hint=error.hint
        ) from None


def _check(file: _File, source: Taxonomy, target: Taxonomy, path: Path) -> None:
    for keys, code, taxonomy in _mentions(file, source, target):
        if code not in taxonomy:
            raise ParameterError(
                f"no category {quoted(code)} in {taxonomy.id}",
                where=place(path, keys),
                hint=nearest(code, taxonomy.codes),
            )
    for code, steps in file.map.items():
        if not steps or code in file.drops:
            raise ParameterError(
                f"{quoted(code)} is both mapped and dropped"
                if steps
                else f"{quoted(code)} leads nowhere",
                where=place(path, ("map", code)),
                hint="Name it either under map, with targets, or under drops",
            )
    for code, reason in file.drops.items():
        if not reason.strip():
            raise ParameterError(
                f"{quoted(code)} is dropped without a reason", where=place(path, ("drops", code))
            )


def _mentions(
    file: _File, source: Taxonomy, target: Taxonomy
) -> Iterator[tuple[tuple[str, ...], str, Taxonomy]]:
    for code, steps in file.map.items():
        yield ("map", code), code, source
        for end in steps:
            yield ("map", code, end), end, target
    for code in file.drops:
        yield ("drops", code), code, source


def _inherit(
    taxonomy: Taxonomy, found: dict[str, dict[str, Relation]], drops: dict[str, str]
) -> dict[str, str]:
    """Completes `found` in place along the tiers of `taxonomy`; the drops, completed too.

    A category goes where the nearest one above it goes (its target is then broader, or related);
    else where those below it go (the targets are then narrower, or related).
    """
    drops = dict(drops)
    for code in taxonomy.codes:
        for above in taxonomy.ancestors(code)[:1]:
            if code in found or code in drops:
                continue
            if above in drops:
                drops[code] = drops[above]
            elif above in found:
                found[code] = {t: _after("broader", kind) for t, kind in found[above].items()}
    for code in reversed(taxonomy.codes):
        below = taxonomy.children(code)
        if code in found or code in drops or not below:
            continue
        ends: dict[str, Relation] = {}
        for child in below:
            for target, kind in found.get(child, {}).items():
                step = _after("narrower", kind)
                ends[target] = _closer(step, ends.get(target, step))
        if ends:
            found[code] = ends
        elif all(child in drops for child in below):
            drops[code] = "all of its parts are dropped"
    return drops


def _with_ancestors(steps: Mapping[str, Relation], taxonomy: Taxonomy) -> Mapping[str, Relation]:
    found = dict(steps)
    for code, kind in steps.items():
        for above in taxonomy.ancestors(code):
            step = _after(kind, "broader")
            found[above] = _closer(step, found.get(above, step))
    return found


def _bounds(score: Score, sources: Mapping[str, list[str]]) -> dict[str, tuple[float, float]]:
    kept = {"any": score.bounds["any"]} if "any" in score.bounds else {}
    for target, codes in sources.items():
        if all(code in score.bounds for code in codes):
            lows, highs = zip(*(score.bounds[code] for code in codes), strict=True)
            kept[target] = (max(lows), max(highs))
    return kept


def _after(first: Relation, second: Relation) -> Relation:
    if first == "exact" or first == second:
        return second
    return first if second == "exact" else "related"


def _overlap(first: Relation, second: Relation) -> bool:
    """Whether two such steps surely lead to a category that shares something with the first."""
    return first in ("exact", "narrower") or second in ("exact", "broader")


def _closer(one: Relation, other: Relation) -> Relation:
    return min(one, other, key=_CLOSEST.index)


def _same(one: Taxonomy, other: Taxonomy, where: str) -> None:
    if one.id != other.id or one.version != other.version:
        raise ParameterError(
            "the crosswalks do not fit together",
            where=where,
            expected=f"{one.id} {one.version}",
            got=f"{other.id} {other.version}",
        )
