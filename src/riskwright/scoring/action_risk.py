"""`ActionCard` and `ActionScorer`: a readable additive score of an action's risk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError, Record, content_hash, generator
from riskwright.core.names import nearest, quoted
from riskwright.core.scores import Score, Span
from riskwright.evidence.action_tools import ToolCatalogue
from riskwright.evidence.actions import AgentAction, rendered
from riskwright.evidence.exchanges import Exchange

from .action_features import ACTION_FEATURES, TEXT_BANDS, action_features, level_order
from .action_text import LEVELS, ActionTextModel, enough, level_codes
from .ordinal import cumulative, fit_linear, fit_scale
from .perception import Scorer

__all__ = ["LEVELS", "ActionCard", "ActionScorer", "default_card"]

Level = Literal["SAFE", "LOW", "HIGH"]


class ActionCard(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Points for what an action is; their total gives SAFE, LOW or HIGH.

    Parameters
    ----------
    points : feature -> level -> whole points; a level that is not listed has 0.
    low, high : LOW from a total of `low` on, HIGH from `high` on.
    basis : "judgement" for points set by hand, "fitted" for points learned from labels.
    slope, cuts : of a fitted card: P(at least LOW) = sigma(slope total - cuts[0]), P(HIGH) with
        cuts[1].
    n : labelled actions behind a fitted card.

    Notes
    -----
    An action of unknown kind counts at least `low` points: it is never SAFE. The severity is
    P(HIGH) on a fitted card. On a card set by hand it ranks and means nothing more: 1/3 at `low`,
    2/3 at `high`, straight lines between.

    Examples
    --------
    >>> card = default_card()
    >>> card.level(card.total({"kind": "read", "origin": "user"}))
    'SAFE'
    >>> card.level(card.total({"kind": "pay", "money": "100 to 1,000"}))
    'HIGH'
    """

    points: dict[str, dict[str, int]]
    low: int
    high: int
    basis: Literal["judgement", "fitted"] = "judgement"
    slope: float | None = None
    cuts: tuple[float, float] | None = None
    n: int = 0

    def __post_init__(self) -> None:
        for feature, levels in self.points.items():
            if feature not in ACTION_FEATURES:
                raise ParameterError(
                    f"unknown feature {quoted(feature)}",
                    where="ActionCard(points)",
                    hint=nearest(feature, ACTION_FEATURES),
                )
            for level, points in levels.items():
                where = f"ActionCard(points)[{feature}][{level}]"
                if level not in ACTION_FEATURES[feature].levels:
                    known = ACTION_FEATURES[feature].levels
                    raise ParameterError("unknown level", where=where, hint=nearest(level, known))
                if points < 0:
                    raise ParameterError(
                        "points below 0", where=where, expected="at least 0", got=str(points)
                    )
        if not 0 < self.low <= self.high:
            raise ParameterError(
                "cuts out of order",
                where="ActionCard(low, high)",
                expected="0 < low <= high",
                got=f"{self.low}, {self.high}",
            )

    def shares(self, features: Mapping[str, str]) -> dict[str, int]:
        """ "feature: level" -> its points, where there are any."""
        found = {}
        for feature, level in features.items():
            points = self.points.get(feature, {}).get(level, 0)
            if points:
                name = feature if feature.startswith("sign: ") else f"{feature}: {level}"
                found[name] = points
        return found

    def total(self, features: Mapping[str, str]) -> int:
        """The sum of points; at least `low` for an action of unknown kind."""
        total = sum(self.shares(features).values())
        return max(total, self.low) if features.get("kind") == "unknown" else total

    @property
    def most(self) -> int:
        """The largest total."""
        return sum(max(levels.values(), default=0) for levels in self.points.values())

    def level(self, total: int) -> Level:
        """SAFE, LOW or HIGH."""
        return "HIGH" if total >= self.high else "LOW" if total >= self.low else "SAFE"

    def probabilities(self, total: int) -> tuple[float, float] | None:
        """P(at least LOW) and P(HIGH) of a fitted card; None for one set by hand."""
        if self.slope is None or self.cuts is None:
            return None
        some, high = cumulative(np.array([self.slope * total]), self.cuts)
        return float(some[0]), float(high[0])

    def severity(self, total: int) -> float:
        """In [0, 1], rising with the total."""
        told = self.probabilities(total)
        if told is not None:
            return told[1]
        most = max(self.most, self.high + 1)
        return float(np.interp(total, [0, self.low, self.high, most], [0, 1 / 3, 2 / 3, 1]))

    def table(self) -> str:
        """The card as lines of text.

        Examples
        --------
        >>> print(ActionCard(points={"kind": {"pay": 6, "read": 0}}, low=3, high=6).table())
        kind           read                    0
                       pay                     6
        LOW from 3, HIGH from 6 points; set by judgement
        """
        lines = []
        for feature in ACTION_FEATURES:
            held = self.points.get(feature, {})
            for place, level in enumerate(level_order(feature, held)):
                head = "" if place else feature
                lines.append(f"{head:<14.34} {level:<22} {held[level]:>2}")
        end = "set by judgement" if self.basis == "judgement" else f"learned from {self.n:,} labels"
        return "\n".join([*lines, f"LOW from {self.low}, HIGH from {self.high} points; {end}"])

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        return "action_card", {"card": msgspec.to_builtins(self)}

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> ActionCard:
        """The card that `to_artifact` described."""
        return msgspec.convert(body["card"], cls)

    @classmethod
    def fit(
        cls,
        features: Sequence[Mapping[str, str]],
        levels: Sequence[str | int],
        *,
        max_points: int = 10,
        penalty: float = 1.0,
        low_from: float = 0.5,
        high_from: float = 0.5,
    ) -> ActionCard:
        """Learn the points from labelled actions.

        Parameters
        ----------
        features : as `action_features` gives them.
        levels : SAFE, LOW or HIGH, or 0, 1, 2.
        max_points : most points of one level, 3 to 100.
        penalty : how strongly the points are drawn to the proportions of the card set by hand,
            where the labels say little.
        low_from, high_from : LOW from that P(at least LOW) on, HIGH from that P(HIGH) on.

        Raises
        ------
        TargetError : a level with fewer than 5 actions, an unknown level, lengths that differ.
        ParameterError : settings out of range, a feature or level that is not known.

        Notes
        -----
        Proportional odds with points >= 0 that never fall along ordered levels, rounded at the best
        of several scales; slope and cuts are then fitted to the totals. Levels that never occurred
        are worth the same share of the way to HIGH as on the card set by hand, so that labels of
        clicks alone do not make payments safe. Not proved optimal: for a certified card of one
        level against the rest there is `RiskScoreClassifier`. O(n) a step.
        """
        if not 3 <= max_points <= 100 or not penalty > 0:
            raise ParameterError(
                "out of range", where="fit(max_points, penalty)", expected="3 to 100, and > 0"
            )
        if not (0 < low_from < 1 and 0 < high_from < 1):
            raise ParameterError(
                "not a probability", where="fit(low_from, high_from)", expected="between 0 and 1"
            )
        level = level_codes(levels)
        enough(level, len(features))
        names = _names()
        X, steps, prior = _design(features, names), _steps(names), _prior(names)
        drawn_to = np.linalg.solve(steps, prior).astype(np.float64)
        increments, _ = fit_linear(X @ steps, level, penalty, prior=drawn_to)
        coef = steps @ np.maximum(increments, 0)
        points, slope, cuts = _rounded(coef, X, level, max_points)
        low, high = (
            math.ceil((cut + math.log(p / (1 - p))) / slope - 1e-9)
            for cut, p in zip(cuts, (low_from, high_from), strict=True)
        )
        high = max(high, 1)
        table: dict[str, dict[str, int]] = {}
        points = _with_unseen(points, X.sum(axis=0) > 0, high, names)
        for (feature, name), value in zip(names, points, strict=True):
            table.setdefault(feature, {})[name] = int(value)
        return cls(
            points=table,
            low=min(max(low, 1), high),
            high=high,
            basis="fitted",
            slope=slope,
            cuts=cuts,
            n=len(features),
        )


Names = list[tuple[str, str]]
Floats = NDArray[np.float64]


def _names() -> Names:
    """Features and levels with points of their own: all but the mildest of each."""
    return [(f, level) for f, known in ACTION_FEATURES.items() for level in known.levels[1:]]


def _design(features: Sequence[Mapping[str, str]], names: Names) -> Floats:
    place = {name: k for k, name in enumerate(names)}
    X = np.zeros((len(features), len(names)))
    for row, found in enumerate(features):
        for feature, level in found.items():
            if feature not in ACTION_FEATURES or level not in ACTION_FEATURES[feature].levels:
                raise ParameterError(
                    "unknown feature or level",
                    where=f"features[{row}]",
                    hint=nearest(feature, ACTION_FEATURES),
                )
            if (feature, level) in place:
                X[row, place[feature, level]] = 1
    return X


def _steps(names: Names) -> Floats:
    """Maps increments >= 0 to coefficients: along a chain each level adds to the one before."""
    steps = np.eye(len(names))
    place = {name: k for k, name in enumerate(names)}
    for feature, known in ACTION_FEATURES.items():
        chain = [place[feature, level] for level in known.chain[1:]]
        for k, here in enumerate(chain):
            steps[here, chain[:k]] = 1
    return steps


def _prior(names: Names) -> Floats:
    table = default_card().points
    return np.array([table.get(f, {}).get(level, 0) for f, level in names], dtype=np.float64)


def _rounded(
    coef: Floats, X: Floats, level: NDArray[np.int64], max_points: int
) -> tuple[NDArray[np.int64], float, tuple[float, float]]:
    """Whole points at the scale, of several, whose totals fit best."""
    largest = float(coef.max()) or 1.0
    best: tuple[float, NDArray[np.int64], float, tuple[float, float]] | None = None
    for most in range(3, max_points + 1):
        points = np.rint(coef * most / largest).astype(np.int64)
        slope, cuts, loss = fit_scale((X @ points).astype(np.float64), level)
        if best is None or loss < best[0] - 1e-9:
            best = loss, points, slope, cuts
    assert best is not None
    return best[1:]


def _with_unseen(
    points: NDArray[np.int64], seen: NDArray[np.bool_], high: int, names: Names
) -> NDArray[np.int64]:
    """Points with those of levels that never occurred, kept in order along chains."""
    hand = default_card()
    shares = np.ceil(_prior(names) * high / hand.high).astype(np.int64)
    found = np.where(seen, points, shares)
    place = {name: k for k, name in enumerate(names)}
    for feature, known in ACTION_FEATURES.items():
        chain = [place[feature, level] for level in known.chain[1:]]
        for k, here in enumerate(chain):
            if not seen[here]:
                below = [int(points[j]) for j in chain[:k] if seen[j]]
                above = [int(points[j]) for j in chain[k + 1 :] if seen[j]]
                found[here] = min([max([int(shares[here]), *below]), *above])
    return found


_SIGN_POINTS = {
    "command substitution": 2,
    "destructive": 3,
    "force": 2,
    "interpreter": 1,
    "open world": 1,
    "recursive": 1,
    "redirect": 0,
    "remote code": 6,
    "sudo": 3,
    "unreadable command": 4,
    "wildcard": 1,
    "other": 1,
}
_BAND_POINTS = (0, 0, 0, 1, 1, 2, 3, 4, 5, 6)


def default_card() -> ActionCard:
    """The card that is set by hand: a judgement, to begin with where there are no labels.

    It holds that reading for the user is SAFE; that payments, obligations, rights, public posts,
    irreversible deletion and messages to strangers are HIGH; that other changes are LOW; and that
    an instruction found in the output of a tool or on a page weighs about a level more. Nothing is
    proved of it: certify a threshold on labelled actions of one's own.
    """
    kinds = (0, 0, 0, 1, 2, 2, 4, 3, 4, 5, 5, 6, 6, 7, 7)
    features = ACTION_FEATURES
    return ActionCard(
        points={
            "kind": dict(zip(features["kind"].levels, kinds, strict=True)),
            "reversibility": {"reversible": 0, "costly": 1, "irreversible": 3, "unknown": 1},
            "money": dict(zip(features["money"].levels, (0, 1, 2, 4, 6, 3), strict=True)),
            "audience": {"self": 0, "known people": 0, "public": 3, "unknown": 1},
            "destination": {"none": 0, "own": 0, "external": 2},
            "data": {"none": 0, "other": 2, "personal": 2, "financial": 3, "credentials": 4},
            "count": dict(zip(features["count"].levels, (0, 1, 3, 4, 4), strict=True)),
            "origin": {"user": 0, "tool output": 4, "web page": 4, "unknown": 1},
            **{f"sign: {name}": {"yes": points} for name, points in _SIGN_POINTS.items()},
            "text": {"not judged": 0, **dict(zip(TEXT_BANDS, _BAND_POINTS, strict=True))},
        },
        low=3,
        high=8,
    )


class ActionScorer:
    """Scores actions by a card, and by a scorer of their text where one is given.

    Parameters
    ----------
    card : the points; None for `default_card()`.
    text : any `Scorer`; its severity of the rendered action enters the card as the feature "text".
    tools : tells the operator's own domains.

    Notes
    -----
    The score of an action whose text could not be scored has the outcome of the text scorer and no
    severity. Evidence are the points, the weightiest first, each for the whole action.

    Examples
    --------
    >>> action = AgentAction(tool="send_payment", kind="pay", origin="web page")
    >>> score, = ActionScorer().score([action])
    >>> score.level, [(span.by, span.weight) for span in score.evidence][:2]
    ('HIGH', [('kind: pay', 6.0), ('origin: web page', 4.0)])
    """

    name: ClassVar[str] = "action-card"
    taxonomy: ClassVar[str] = "ailuminate"

    def __init__(
        self,
        card: ActionCard | None = None,
        *,
        text: Scorer | None = None,
        tools: ToolCatalogue | None = None,
    ) -> None:
        self.card = default_card() if card is None else card
        self.text = text
        self.tools = tools
        self._digest = content_hash([self.card, tools or ToolCatalogue()])[:16]

    @property
    def version(self) -> str:
        """Digest of card, catalogue and the version of the text scorer."""
        return content_hash([self._digest, self.text.version])[:16] if self.text else self._digest

    @property
    def cost(self) -> float:
        return self.text.cost if self.text else 0.0

    def score(self, actions: Sequence[AgentAction]) -> list[Score]:
        """One score per action, in order."""
        version, texts = self.version, self._texts(actions)
        return [
            self._one(action, text, version) for action, text in zip(actions, texts, strict=True)
        ]

    def _texts(self, actions: Sequence[AgentAction]) -> Sequence[Score | None]:
        if self.text is None:
            return [None] * len(actions)
        return self.text.score([Exchange(prompt=rendered(a), id=a.id) for a in actions])

    def _one(self, action: AgentAction, text: Score | None, version: str) -> Score:
        scorers = {self.name: version, **(text.scorers if text else {})}
        values = dict(text.values) if text else {}
        attributes = {"tool": action.tool, "kind": action.kind, "origin": action.origin}
        known: dict[str, Any] = {
            "id": action.id,
            "digest": action.digest,
            "scorers": scorers,
            "attributes": attributes,
        }
        if text is not None and (text.outcome != "scored" or text.severity is None):
            outcome = text.outcome if text.outcome != "scored" else "unparsable"
            return Score(outcome=outcome, reason="the text was not scored", values=values, **known)
        features = action_features(action, self.tools, text.severity if text else None)
        total = self.card.total(features)
        told = self.card.probabilities(total)
        values[self.name] = {"any": float(total)}
        if told is not None:
            values[self.name] |= {"LOW or HIGH": told[0], "HIGH": told[1]}
        return Score(
            severity=self.card.severity(total),
            level=self.card.level(total),
            meaning="rank" if told is None else "probability",
            evidence=_evidence(self.card.shares(features), action),
            values=values,
            **known,
        )

    @classmethod
    def fit(
        cls,
        actions: Sequence[AgentAction],
        levels: Sequence[str | int],
        *,
        text: Scorer | ActionTextModel | None = None,
        tools: ToolCatalogue | None = None,
        random_state: int = 0,
        **settings: Any,
    ) -> ActionScorer:
        """Learn a card from labelled actions; `settings` and errors as for `ActionCard.fit`.

        An `ActionTextModel` that is not fitted yet is fitted too, and the card learns from its
        scores on folds that it has not seen; any other text scorer enters as it is.
        """
        severities: Sequence[float | None] = [None] * len(actions)
        if isinstance(text, ActionTextModel) and not hasattr(text, "coef_"):
            text.fit(actions, levels)
            severities = _cross_fitted(text, actions, levels, random_state)
        elif text is not None:
            scores = text.score([Exchange(prompt=rendered(a), id=a.id) for a in actions])
            severities = [score.severity for score in scores]
            if None in severities:
                raise ParameterError(
                    "the text scorer did not score every action",
                    where="fit(text)",
                    got=f"{sum(s is None for s in severities)} without a severity",
                )
        features = [
            action_features(action, tools, value)
            for action, value in zip(actions, severities, strict=True)
        ]
        return cls(ActionCard.fit(features, levels, **settings), text=text, tools=tools)


def _evidence(shares: Mapping[str, int], action: AgentAction) -> tuple[Span, ...]:
    end = len(rendered(action))
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return tuple(
        Span(part="action", start=0, end=end, by=name, weight=float(points))
        for name, points in ordered
    )


def _cross_fitted(
    model: ActionTextModel,
    actions: Sequence[AgentAction],
    levels: Sequence[str | int],
    random_state: int,
) -> list[float]:
    """Severities of each action by a text model that was fitted without it (5 folds).

    The penalty is the one chosen on all actions.
    """
    level = level_codes(levels)
    enough(level, len(actions), 10)
    order = generator(random_state, 72).permutation(len(actions))
    fold = np.empty(len(actions), dtype=np.int64)
    fold[order[np.argsort(level[order], kind="stable")]] = np.arange(len(actions)) % 5
    found = np.zeros(len(actions))
    for k in range(5):
        inside, out = np.flatnonzero(fold != k).tolist(), np.flatnonzero(fold == k).tolist()
        part = ActionTextModel(bits=model.bits, penalty=model.penalty_)
        part.fit([actions[i] for i in inside], [int(level[i]) for i in inside])
        scores = part.score_actions([actions[i] for i in out])
        found[out] = [score.severity for score in scores]
    return [float(value) for value in found]
