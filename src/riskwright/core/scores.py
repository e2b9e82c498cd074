"""The one record that every scorer of exchanges yields, and the decision that a policy makes of it.

A scorer says what it saw (`Score`), never what to do; a policy says what to do (`Decision`) from
the stored score alone, so that decisions can be made anew without asking a scorer again.
"""

from __future__ import annotations

from typing import Literal, Protocol, get_args

from .records import Record

__all__ = [
    "ACTIONS",
    "Action",
    "Band",
    "Decider",
    "Decision",
    "Meaning",
    "Outcome",
    "Part",
    "Score",
    "Span",
    "severest",
]

Part = Literal["prompt", "reply", "context", "action"]
Meaning = Literal["probability", "severity", "rank"]
Outcome = Literal["scored", "unparsable", "refused", "failed", "not scored"]
Action = Literal["allow", "guide", "ask", "redact", "escalate", "block", "stop"]
ACTIONS: tuple[Action, ...] = get_args(Action)
"""What can be done with an exchange, from the mildest to the severest."""


class Span(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Where the evidence lies: characters `start` to `end` of a part; never the text itself.

    `by` names the rule or feature that saw it, `weight` how much it added to the score.
    """

    part: Part
    start: int
    end: int
    by: str
    hazard: str = ""
    weight: float = 0.0


class Score(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of the risk of one exchange: numbers, their meaning, and where they come from.

    Parameters
    ----------
    id : of the exchange.
    outcome : "scored", or why there is no score; then `severity` is None and `hazards` empty. An
        answer that could not be parsed is never taken for a safe one.
    severity : overall, in [0, 1], higher is worse.
    level : the named level of the severity, where levels are in use.
    meaning : what `severity` and `hazards` are: probabilities, graded severities, or ranks that
        order exchanges and mean nothing more.
    taxonomy : id of the taxonomy that the keys of `hazards` belong to.
    hazards : hazard code -> value in [0, 1]. A hazard that no scorer judges is absent.
    bounds : hazard code, or "any" for the severity -> (low, high) that surely holds the value that
        complete information would give, such as pruned token mass.
    uncertainty : (low, high) of the severity, from what `uncertainty_source` names.
    out_of_distribution : whether the exchange is unlike what the scorer knows; None if not judged.
    evidence : spans, the weightiest first.
    scorers : scorer name -> version (a digest of its settings and weights).
    values : scorer name -> hazard code or "any" -> raw value, so that heads, calibration and
        cascades can be fitted anew without asking the scorers again.
    judged : which characters of which part were judged, `by` naming the scorer.
    calibrated : keys of `hazards`, and "any", whose values are calibrated on labels of the
        deployment; `meaning` holds for these, the others are ranks.
    reason : why there is no score; or the written reason of a scorer that was asked for one.
    cost, latency_ms : of all scorers together.
    attributes : what policies and reports may read: audience, language, group, ...
    digest : SHA-256 of the text that was judged.
    """

    id: str = ""
    outcome: Outcome = "scored"
    severity: float | None = None
    level: str = ""
    meaning: Meaning = "rank"
    taxonomy: str = "ailuminate"
    hazards: dict[str, float] = {}
    bounds: dict[str, tuple[float, float]] = {}
    uncertainty: tuple[float, float] | None = None
    uncertainty_source: str = ""
    out_of_distribution: bool | None = None
    evidence: tuple[Span, ...] = ()
    scorers: dict[str, str] = {}
    values: dict[str, dict[str, float]] = {}
    judged: tuple[Span, ...] = ()
    calibrated: tuple[str, ...] = ()
    reason: str = ""
    cost: float = 0.0
    latency_ms: float = 0.0
    attributes: dict[str, str] = {}
    digest: str = ""


class Band(Record, frozen=True, kw_only=True):
    """Two thresholds: below `low` nothing is done, from `high` on the severe action, between them
    the middle one.

    Equal where there is no middle. Values lie in [0, 1]: a `low` of 0 passes nothing, a `high`
    above 1 is never reached.
    """

    low: float
    high: float


class Decision(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a policy makes of a score, and why.

    `hazard` is the one that decided ("any" for the overall severity, empty where none did).
    `reasons` are short sentences without any text of the exchange. `would` is the action that a
    policy in shadow mode would have taken. `guidance` are the ids of guidelines for the action
    "guide", `ask` is the attribute for the action "ask". `certificate` is the digest of the
    certificate that the thresholds rest on, or one digest for all of them where several hazards
    decided alike (empty: at least one of them is not certified).
    """

    action: Action
    hazard: str = ""
    regime: str = ""
    reasons: tuple[str, ...] = ()
    would: Action | None = None
    overridable_by: tuple[str, ...] = ()
    guidance: tuple[str, ...] = ()
    ask: str = ""
    policy: str = ""
    policy_digest: str = ""
    certificate: str = ""

    @property
    def meant(self) -> Action:
        """The action, or in shadow mode what it would have been."""
        return self.would or self.action


class Decider(Protocol):
    """A policy: a pure function from a score, without the text, to a decision."""

    def decide(self, score: Score, /) -> Decision: ...


def severest(*actions: Action) -> Action:
    """The severest of these actions."""
    return max(actions, key=ACTIONS.index)
