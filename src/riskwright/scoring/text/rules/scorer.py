"""`RuleScorer`: runs families of rules and lists of terms over prompts, replies and streams."""

from __future__ import annotations

import bisect
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from riskwright.core import ParameterError
from riskwright.core.names import nearest, quoted
from riskwright.core.scores import Part, Score, Span
from riskwright.evidence.exchanges import MAX_TEXT, Exchange
from riskwright.taxonomy import load_taxonomy

from . import encoded, injection, invisible, personal, secrets
from .reading import Window
from .rule import AFTER, Hit, uncontained
from .term_lists import Found, TermList

__all__ = ["FAMILIES", "RuleReading", "RuleScorer"]

"""The longest text that is judged at once."""

_EDITION = "1"
_Finder = tuple[Callable[[str], list[Hit]], int]
_FINDERS: dict[str, tuple[_Finder, ...]] = {
    "secrets": (
        (secrets.find_short, secrets.SHORT_REACH),
        (secrets.find_long, secrets.REACH),
    ),
    "personal": ((personal.find, personal.REACH),),
    "invisible": ((invisible.find, invisible.REACH),),
    "injection": ((injection.find, injection.REACH),),
    "encoded": (
        (encoded.find_rotated, injection.REACH),
        (encoded.find_blocks, encoded.REACH),
    ),
}
FAMILIES = tuple(_FINDERS)
"""The families of rules that come with the package."""
_TOGETHER = {"secrets": "private", "personal": "private"}


class _Find(NamedTuple):
    """A hit with its family and hazard; `silenced` where an allowed term covers it."""

    start: int
    end: int
    by: str
    weight: float
    family: str
    hazard: str
    silenced: bool = False


class RuleScorer:
    """Scores exchanges by rules: secrets, personal data, invisible characters, injection, lists.

    Parameters
    ----------
    families : names among `FAMILIES`
    lists : `TermList`s of denied and allowed terms, each a family by its own name.
    taxonomy : id of the taxonomy of all hazards.
    hazards : family -> hazard that its finds count for. By default secrets and personal data are
        a matter of privacy; the other families count for no hazard of the taxonomy.
    name : of the scorer.

    Notes
    -----
    `Score.values[name]` holds the greatest weight found by each family ("secrets", "injection", a
    list's name, ...) and overall ("any", which is the severity); `Score.hazards` those of hazards.
    Weights order finds by how sure the format and the words near it make them; they are no
    probabilities (`meaning` is "rank"). A find within a longer one of secrets or personal data is
    left out, as is one within a longer find of the same family. Finds within an allowed term stay
    in the evidence as "allowed." + rule, with weight 0.

    Time is linear in the text. Nothing but the judged part of an exchange is read.

    Examples
    --------
    >>> from riskwright.evidence.exchanges import Exchange
    >>> [score] = RuleScorer().score([Exchange(prompt="Write to ann@example.org")])
    >>> score.severity, score.hazards, [(s.start, s.end, s.by) for s in score.evidence]
    (0.95, {'prv': 0.95}, [(9, 24, 'personal.email')])
    """

    kind = "rules"
    detector = True
    one_by_one = True

    def __init__(
        self,
        families: Sequence[str] = FAMILIES,
        *,
        lists: Sequence[TermList] = (),
        taxonomy: str = "ailuminate",
        hazards: Mapping[str, str] | None = None,
        name: str = "rules",
    ) -> None:
        self.families = tuple(families)
        self.lists = tuple(lists)
        self.taxonomy = taxonomy
        self.hazards = {"secrets": "prv", "personal": "prv"} if hazards is None else dict(hazards)
        self.name = name
        self.cost = 0.0
        self._checked()
        self._judged = self._judged_hazards()

    def _checked(self) -> None:
        for family in self.families:
            if family not in FAMILIES:
                raise ParameterError(
                    f"unknown family {quoted(family)}",
                    where="families",
                    hint=nearest(str(family), FAMILIES),
                )
        names = [*self.families, *(one.name for one in self.lists)]
        if len(set(names)) < len(names) or {"any", "allowed"} & set(names):
            raise ParameterError(
                "two families or lists of one name, or one called any or allowed",
                where="families and lists",
                got=", ".join(names),
            )
        for family in self.hazards:
            if family not in (*FAMILIES, *names):
                raise ParameterError(
                    f"unknown family {quoted(family)}",
                    where="hazards",
                    hint=nearest(str(family), names),
                )

    def _judged_hazards(self) -> tuple[str, ...]:
        """The hazards that anything here counts for, all of the taxonomy."""
        told = [self.hazards.get(name, "") for name in (*self.families, *_names(self.lists))]
        told += [term.hazard for one in self.lists for term in one.terms if term.use == "deny"]
        found = tuple(dict.fromkeys(code for code in told if code))
        if found:
            known = load_taxonomy(self.taxonomy)
            for code in found:
                known.category(code)
        return found

    def settings(self) -> dict[str, Any]:
        """What `from_settings` makes the scorer of, as plain values."""
        return {
            "families": list(self.families),
            "lists": [one.to_dict() for one in self.lists],
            "taxonomy": self.taxonomy,
            "hazards": self.hazards,
            "name": self.name,
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> RuleScorer:
        """A scorer from plain values, such as those of a file.

        `lists` holds mappings with `path` (and `name`, `leetspeak`), or with `terms` as
        `TermList.to_dict` gives them; the other keys are parameters of the class. Raises
        `ParameterError`.
        """
        known = ("families", "lists", "taxonomy", "hazards", "name")
        for key in settings:
            if key not in known:
                raise ParameterError(
                    f"unknown setting {quoted(key)}", where="rules", hint=nearest(key, known)
                )
        given = dict(settings)
        lists = [TermList.from_dict(one) for one in given.pop("lists", ())]
        return cls(**given, lists=lists)

    @property
    def reach(self) -> int:
        """Characters from the start of a find to where every prefix surely shows it.

        The longest find, and the context after it that may give it its weight.
        """
        found = [reach for name in self.families for _, reach in _FINDERS[name]]
        return max([*found, *(one.reach for one in self.lists)], default=1) + AFTER

    @functools.cached_property
    def version(self) -> str:
        """Digest of rules, lists and hazards."""
        rules = [
            (*rule[:5], rule.triggers, rule.digits, rule.fixed)
            for module in (secrets, personal, injection)
            for rule in module.RULES
        ]
        told = (_EDITION, self.families, sorted(self.hazards.items()), self.taxonomy, rules)
        state = hashlib.sha256(repr(told).encode())
        for one in self.lists:
            state.update(one.digest.encode())
        return f"sha256:{state.hexdigest()}"

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order; a text beyond `MAX_TEXT` is not scored."""
        return [self._score(exchange) for exchange in exchanges]

    def _score(self, exchange: Exchange) -> Score:
        part, text = exchange.judged
        if len(text) > MAX_TEXT:
            return Score(
                id=exchange.id,
                outcome="not scored",
                taxonomy=self.taxonomy,
                scorers={self.name: self.version},
                reason=f"{len(text)} characters, at most {MAX_TEXT} are read",
                attributes=exchange.attributes,
                digest=exchange.digest,
            )
        hits = {
            name: [hit for find, _ in _FINDERS[name] for hit in find(text)]
            for name in self.families
        }
        found = {one.name: one.find(text) for one in self.lists}
        finds = self.resolved(hits, found)
        return self.scored(finds, part, exchange.id, exchange.attributes, exchange.digest)

    def begin(self, exchange: Exchange | None = None) -> RuleReading:
        """Follow a growing reply; what is found is what the whole text would give."""
        return RuleReading(self, exchange)

    def resolved(
        self, hits: Mapping[str, Iterable[Hit]], found: Mapping[str, Iterable[Found]]
    ) -> list[_Find]:
        """Hits and found terms with their hazards, without those that others contain."""
        groups: dict[str, list[Hit]] = {}
        tell: dict[str, tuple[str, str]] = {}
        for family, ones in hits.items():
            for hit in ones:
                tell[hit.by] = (family, self.hazards.get(family, ""))
                groups.setdefault(_TOGETHER.get(family, family), []).append(hit)
        allowed: list[tuple[Found, tuple[str, ...]]] = []
        for list_ in self.lists:
            default = self.hazards.get(list_.name, "")
            for one in found.get(list_.name, ()):
                term = list_.terms[one.place]
                if term.use == "allow":
                    allowed.append((one, term.rules))
                    continue
                by = f"{list_.name}.{one.place + 1}"
                tell[by] = (list_.name, term.hazard or default)
                hit = Hit(one.start, one.end, by, term.weight)
                groups.setdefault(list_.name, []).append(hit)
        finds: list[_Find] = []
        for group in groups.values():
            open_, silenced = _parted(group, allowed, tell) if allowed else (group, [])
            finds += [_Find(*hit, *tell[hit.by]) for hit in uncontained(open_)]
            finds += [_Find(*hit, *tell[hit.by], True) for hit in uncontained(silenced)]
        return finds

    def measured(self, finds: Iterable[_Find]) -> dict[str, float]:
        """The greatest weight overall ("any"), by family and by hazard."""
        names = ("any", *self._judged, *self.families, *_names(self.lists))
        found = dict.fromkeys(names, 0.0)
        for one in finds:
            if not one.silenced:
                for name in ("any", one.family, one.hazard or "any"):
                    found[name] = max(found[name], one.weight)
        return found

    def scored(
        self,
        finds: Sequence[_Find],
        part: Part,
        id: str = "",
        attributes: Mapping[str, str] | None = None,
        digest: str = "",
    ) -> Score:
        """The score that the finds make."""
        values = self.measured(finds)
        order = sorted(finds, key=lambda one: (one.silenced, -one.weight, one.start, one.by))
        return Score(
            id=id,
            severity=values["any"],
            taxonomy=self.taxonomy,
            hazards={code: values[code] for code in self._judged},
            evidence=tuple(_span(one, part) for one in order),
            scorers={self.name: self.version},
            values={self.name: values},
            attributes=dict(attributes or {}),
            digest=digest,
        )


def _names(lists: Iterable[TermList]) -> list[str]:
    return [one.name for one in lists]


def _span(one: _Find, part: Part) -> Span:
    if one.silenced:
        return Span(part=part, start=one.start, end=one.end, by=f"allowed.{one.by}")
    return Span(
        part=part,
        start=one.start,
        end=one.end,
        by=one.by,
        hazard=one.hazard,
        weight=one.weight,
    )


def _parted(
    hits: Iterable[Hit],
    allowed: Sequence[tuple[Found, tuple[str, ...]]],
    tell: Mapping[str, tuple[str, str]],
) -> tuple[list[Hit], list[Hit]]:
    """Hits that stand, and those that an allowed term covers and silences."""
    covers: dict[str, list[tuple[int, int]]] = {}
    for found, rules in allowed:
        for rule in rules or ("",):
            covers.setdefault(rule, []).append((found.start, found.end))
    reach = {rule: _Reach(spans) for rule, spans in covers.items()}
    open_: list[Hit] = []
    silenced: list[Hit] = []
    for hit in hits:
        names = ("", hit.by, tell[hit.by][0])
        covered = any(name in reach and reach[name].covers(hit) for name in names)
        (silenced if covered else open_).append(hit)
    return open_, silenced


class _Reach:
    """Answers whether one of many spans contains a hit, in time logarithmic in their number."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(spans)
        self._starts = [start for start, _ in ordered]
        self._ends: list[int] = []
        furthest = 0
        for _, end in ordered:
            furthest = max(furthest, end)
            self._ends.append(furthest)

    def covers(self, hit: Hit) -> bool:
        place = bisect.bisect_right(self._starts, hit.start)
        return place > 0 and self._ends[place - 1] >= hit.end


class RuleReading:
    """A reply that is still being written, read by a `RuleScorer`.

    After every `feed` the values are those of the whole text read so far, for finds of at most
    the reach of their family (the constants `REACH`; at most 4096 characters). The last
    characters are searched again each time, since more text may make, lengthen or undo a find.
    """

    def __init__(self, scorer: RuleScorer, exchange: Exchange | None = None) -> None:
        self._scorer = scorer
        self._exchange = exchange
        self._windows = {
            name: [Window(*finder) for finder in _FINDERS[name]] for name in scorer.families
        }
        self._lists = {one.name: Window(one.find, one.reach) for one in scorer.lists}
        self._settled: dict[str, list[Hit]] = {name: [] for name in self._windows}
        self._found: dict[str, list[Found]] = {name: [] for name in self._lists}
        self._closed: list[_Find] = []
        self._latest: list[_Find] = []
        self._line = 0
        self._most: dict[str, float] = scorer.measured(())
        self.read = 0
        """Characters read so far."""

    def feed(self, text: str) -> dict[str, float]:
        """Read on; "any", hazards and families -> value of everything read so far."""
        self.read += len(text)
        hits: dict[str, list[Hit]] = {}
        found: dict[str, list[Found]] = {}
        for name, windows in self._windows.items():
            latest: list[Hit] = []
            for window in windows:
                settled, open_ = window.feed(text)
                self._settled[name] += settled
                latest += open_
            hits[name] = self._settled[name] + latest
        for name, reader in self._lists.items():
            terms, more = reader.feed(text)
            self._found[name] += terms
            found[name] = self._found[name] + more
        self._close(self._scorer.resolved(hits, found))
        now = self._scorer.measured(self._latest)
        return {name: max(value, now[name]) for name, value in self._most.items()}

    def _close(self, finds: list[_Find]) -> None:
        """Put aside the finds that nothing to come can change."""
        lines = [one.line for windows in self._windows.values() for one in windows]
        lines += [one.line for one in self._lists.values()]
        line = min(lines, default=self._line)
        finds = [one for one in finds if one.start >= self._line]
        done = [one for one in finds if one.start < line]
        self._latest = [one for one in finds if one.start >= line]
        if done:
            self._closed += done
            more = self._scorer.measured(done)
            self._most = {name: max(value, more[name]) for name, value in self._most.items()}
        self._line = line
        for name, hits in self._settled.items():
            self._settled[name] = [one for one in hits if one.end > line]
        for name, found in self._found.items():
            self._found[name] = [one for one in found if one.end > line]

    def score(self) -> Score:
        """The score of everything read so far, with its evidence; offsets count from the start."""
        finds = [*self._closed, *self._latest]
        exchange = self._exchange
        if exchange is None:
            return self._scorer.scored(finds, "reply")
        return self._scorer.scored(finds, "reply", exchange.id, exchange.attributes)
