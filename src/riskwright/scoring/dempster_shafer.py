"""`DempsterShafer`: what several guards say together, and how much of it is not known.

A mass function gives shares of belief to sets of answers; what it gives to the whole frame is
what the guard does not know. The belief in an answer is the mass of the sets within it, its
plausibility the mass of the sets that meet it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from riskwright.core import ParameterError, Record
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange

from .joint_scores import awake, common, severity_of, silent
from .perception import Scorer

__all__ = ["Combined", "DempsterShafer", "Engaged", "belief", "combined", "plausibility"]

Masses = Mapping[frozenset[str], float]
Rule = Literal["dempster", "yager"]

FRAME = frozenset({"harmful", "harmless"})
MAX_FOCAL_SETS = 4096
_TOLERANCE = 1e-9
_TOTAL = 1 - 1e-12
_HARMFUL, _HARMLESS = frozenset({"harmful"}), frozenset({"harmless"})


class Combined(Record, frozen=True, kw_only=True):
    """Masses of several sources together, and the mass on which they contradict each other."""

    masses: dict[frozenset[str], float]
    conflict: float


def combined(sources: Sequence[Masses], rule: Rule = "dempster") -> Combined:
    """Independent sources combined into one mass function.

    Parameters
    ----------
    sources : mass functions on one frame, the union of all their sets: set of answers -> mass;
        masses are at least 0 and sum to 1, and no mass is on the empty set.
    rule : what becomes of the conflict, the mass of contradictory sets: "dempster" divides the rest
        by what is left, which can make an answer sure that all hold unlikely where the conflict is
        large; "yager" counts it as not known.

    Raises
    ------
    ParameterError : for sources that are not mass functions, total conflict under Dempster's rule
        (nothing is left to divide by), and more than 4,096 sets.

    Notes
    -----
    The product over all sources for every intersection; time is the product of the numbers of
    sets. Dempster's rule does not depend on the order; Yager's is taken over all sources at once,
    since it is not associative. Shafer (1976); Yager (1987), Information Sciences 41:93.

    Examples
    --------
    Zadeh's paradox: two sources that agree on next to nothing but B.

    >>> A, B, C = (frozenset({name}) for name in "ABC")
    >>> sources = [{A: 0.99, B: 0.01}, {C: 0.99, B: 0.01}]
    >>> combined(sources).masses[B]
    1.0
    >>> round(combined(sources, rule="yager").masses[B], 6)
    0.0001
    """
    if rule not in ("dempster", "yager") or not sources:
        raise ParameterError(
            "nothing to combine" if not sources else "unknown rule",
            where="combined",
            expected='at least one source; "dempster" or "yager"',
            got=repr(rule),
        )
    for k, masses in enumerate(sources):
        _check_masses(masses, k)
    frame = frozenset().union(*(part for masses in sources for part in masses))
    joint: dict[frozenset[str], float] = dict(sources[0])
    for masses in sources[1:]:
        found: dict[frozenset[str], list[float]] = {}
        for one, p in joint.items():
            for other, q in masses.items():
                found.setdefault(one & other, []).append(p * q)
        joint = {part: math.fsum(products) for part, products in found.items()}
        if len(joint) > MAX_FOCAL_SETS:
            raise ParameterError("too many sets", where="sources", expected=f"{MAX_FOCAL_SETS}")
    conflict = min(1.0, joint.pop(frozenset(), 0.0))
    left = math.fsum(joint.values())
    if rule == "yager":
        joint[frame] = joint.get(frame, 0.0) + conflict
    elif left <= 0:
        raise ParameterError(
            "the sources contradict each other entirely",
            where="combined",
            expected="some mass on a common answer",
            hint="Discount the sources, or use rule='yager'",
        )
    else:
        joint = {part: mass / left for part, mass in joint.items()}
    return Combined(
        masses={part: mass for part, mass in joint.items() if mass > 0}, conflict=conflict
    )


def belief(masses: Masses, answers: frozenset[str]) -> float:
    """Mass of the sets within `answers`."""
    return min(1.0, math.fsum(mass for part, mass in masses.items() if part <= answers))


def plausibility(masses: Masses, answers: frozenset[str]) -> float:
    """Mass of the sets that meet `answers`."""
    return min(1.0, math.fsum(mass for part, mass in masses.items() if part & answers))


class Engaged(Record, frozen=True, kw_only=True):
    """What a sequence of guards came to.

    `engaged` are the guards that were asked, in order, `spared` the others, `cost` that of the
    asked, `conflict` the mass on which they contradict each other, `stopped` why no more were
    asked: "decided", "sure enough" or "all asked".
    """

    score: Score
    engaged: tuple[str, ...]
    spared: tuple[str, ...]
    cost: float
    conflict: float
    stopped: Literal["decided", "sure enough", "all asked"]


class DempsterShafer:
    """Guards of stated reliability, joined by belief, the dearer ones asked only while it matters.

    Parameters
    ----------
    reliability : guard -> probability that its score means what it says. A score s of a guard of
        reliability r gives mass r s to "harmful", r (1 - s) to "harmless", and 1 - r to not
        knowing; a guard that failed gives all its mass to not knowing.
    rule : "dempster" or "yager".
    yager_above : with Dempster's rule: take Yager's instead where the conflict is above this;
        None: only where it is total, and Dempster's rule has nothing to divide by.

    Notes
    -----
    The rules assume that guards err independently of each other; guards trained on the same data
    do not, and belief is then too sure. State lower reliabilities for such guards. The bounds are
    those of this model, no confidence bounds; thresholds on them are certified as on any score.
    Shafer (1976), A Mathematical Theory of Evidence, for discounting.

    Examples
    --------
    >>> join = DempsterShafer({"rules": 0.6, "model": 0.9})
    >>> scores = {"rules": Score(severity=0.8), "model": Score(severity=0.9)}
    >>> joint = join.combine(scores)
    >>> [round(value, 3) for value in joint.bounds["any"]]
    [0.885, 0.932]
    """

    def __init__(
        self,
        reliability: Mapping[str, float],
        *,
        rule: Rule = "dempster",
        yager_above: float | None = None,
    ) -> None:
        self.reliability = {str(name): value for name, value in reliability.items()}
        self.rule, self.yager_above = rule, yager_above
        numbers: dict[str, Any] = {
            **self.reliability,
            "yager_above": 0.0 if yager_above is None else yager_above,
        }
        for name, value in numbers.items():
            if isinstance(value, str) or not 0 <= value <= 1:
                raise ParameterError(
                    "out of range", where=repr(name), expected="0 to 1", got=f"{value}"
                )
        if not self.reliability or rule not in ("dempster", "yager"):
            raise ParameterError(
                "no guards" if not self.reliability else "unknown rule",
                where="DempsterShafer",
                expected='guard -> reliability; "dempster" or "yager"',
            )

    def masses(self, name: str, score: Score) -> dict[frozenset[str], float]:
        """What a guard's score gives to harmful, harmless and not knowing."""
        sure = self.reliability[name] if score.severity is not None else 0.0
        return _masses(severity_of(score) if sure else 0.0, sure)

    def combine(self, scores: Mapping[str, Score]) -> Score:
        """The joint score of one exchange.

        `bounds` and `uncertainty` hold belief and plausibility of "harmful", the severity lies in
        the middle (half of what is not known counts as harmful); so for every hazard, over the
        guards that judge it. `values` has the conflict under "dempster_shafer". Where no guard
        gave a score, neither does this one. Raises `ParameterError` for unknown guards, scores of
        different exchanges, taxonomies or meanings.
        """
        return self._joined(scores)[0]

    def _joined(self, scores: Mapping[str, Score]) -> tuple[Score, float]:
        unknown = [name for name in scores if name not in self.reliability]
        if unknown:
            raise ParameterError(
                "unknown guard", where=repr(unknown[0]), expected=", ".join(self.reliability)
            )
        told = common(scores)
        voted = awake(scores)
        if not voted:
            return silent(scores, told), 0.0
        found = {"any": self._range({name: severity_of(s) for name, s in voted.items()})}
        for code in sorted({code for s in voted.values() for code in s.hazards}):
            judged = {name: s.hazards[code] for name, s in voted.items() if code in s.hazards}
            found[code] = self._range(judged)
        low, high, conflict = found["any"]
        told["values"]["dempster_shafer"] = {
            "any": (low + high) / 2,
            "conflict": conflict,
        }
        score = Score(
            **told,
            severity=(low + high) / 2,
            hazards={c: (r[0] + r[1]) / 2 for c, r in found.items() if c != "any"},
            bounds={code: (r[0], r[1]) for code, r in found.items()},
            uncertainty=(low, high),
            uncertainty_source="belief and plausibility",
            evidence=tuple(
                sorted((e for s in voted.values() for e in s.evidence), key=lambda e: -e.weight)
            ),
        )
        return score, conflict

    def _range(self, judged: Mapping[str, float]) -> tuple[float, float, float]:
        """Belief and plausibility of harm, and the conflict."""
        sources = [_masses(value, self.reliability[name]) for name, value in judged.items()]
        careful = combined(sources, "yager")
        above = _TOTAL if self.yager_above is None else self.yager_above
        yager = self.rule == "yager" or careful.conflict > above
        found = careful if yager else combined(sources, "dempster")
        low = belief(found.masses, _HARMFUL)
        return low, max(low, plausibility(found.masses, _HARMFUL)), found.conflict

    def engage(
        self,
        exchange: Exchange,
        scorers: Sequence[Scorer],
        *,
        gap: float = 0.1,
        threshold: float | None = None,
    ) -> Engaged:
        """Ask guards one after another, the cheapest first, while it is not clear enough.

        Parameters
        ----------
        exchange : to be judged.
        scorers : named as in `reliability`.
        gap : stop where plausibility - belief is at most this.
        threshold : stop also where belief is at least this, or plausibility below it: then what
            is still unknown to the guards asked so far cannot change the decision. Guards that
            were spared could.

        Raises
        ------
        ParameterError : unknown guards, none, or a gap or threshold outside of [0, 1].
        """
        for what, value in (("gap", gap), ("threshold", 0.0 if threshold is None else threshold)):
            if not 0 <= value <= 1:
                raise ParameterError("out of range", where=what, expected="0 to 1", got=f"{value}")
        if not scorers or len({s.name for s in scorers}) < len(scorers):
            raise ParameterError("no guards, or two of one name", where="scorers")
        order = sorted(scorers, key=lambda scorer: scorer.cost)
        asked: dict[str, Score] = {}
        joint, conflict = Score(), 0.0
        stopped: Literal["decided", "sure enough", "all asked"] = "all asked"
        for scorer in order:
            asked[scorer.name] = scorer.score([exchange])[0]
            joint, conflict = self._joined(asked)
            if joint.severity is None:
                continue
            low, high = joint.bounds["any"]
            if threshold is not None and (low >= threshold or high < threshold):
                stopped = "decided"
                break
            if high - low <= gap:
                stopped = "sure enough"
                break
        return Engaged(
            score=joint,
            engaged=tuple(asked),
            spared=tuple(scorer.name for scorer in order[len(asked) :]),
            cost=math.fsum(scorer.cost for scorer in order[: len(asked)]),
            conflict=conflict,
            stopped=stopped,
        )

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        return "dempster_shafer", {
            "reliability": self.reliability,
            "rule": self.rule,
            "yager_above": self.yager_above,
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> DempsterShafer:
        """What `to_artifact` described."""
        return cls(body["reliability"], rule=body["rule"], yager_above=body["yager_above"])


def _masses(value: float, sure: float) -> dict[frozenset[str], float]:
    return {_HARMFUL: sure * value, _HARMLESS: sure * (1 - value), FRAME: 1 - sure}


def _check_masses(masses: Masses, place: int) -> None:
    total = math.fsum(masses.values())
    low = min(masses.values(), default=0.0)
    if not math.isclose(total, 1.0, abs_tol=_TOLERANCE) or low < 0 or frozenset() in masses:
        raise ParameterError(
            "not a mass function",
            where=f"source {place}",
            expected="masses of at least 0 that sum to 1, none on the empty set",
            got=f"a sum of {total:.10g}",
        )
