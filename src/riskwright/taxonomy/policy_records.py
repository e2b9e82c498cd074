"""What a policy consists of: rules, audiences, and what to do where there is nothing to go by."""

from __future__ import annotations

from typing import Literal

from riskwright.core import Record
from riskwright.core.scores import Action

__all__ = ["ANY", "SIGNAL", "Audience", "Certified", "Fallback", "Rule"]

ANY = "any"
"""Stands for `Score.severity` where a hazard code could stand."""
SIGNAL = ":"
"""Parts a scorer's name from one of its own values, as in "rules:injection"."""


class Rule(Record, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is done about one hazard; what is left out takes the value in brackets.

    Parameters
    ----------
    regime : which thresholds hold [those of the policy]; the stricter of this and the audience's.
    middle : action between the two thresholds ["escalate"].
    high : action from the higher threshold on ["block"], at least as severe as `middle`.
    ignore : whether the hazard is left out of account [false].
    fail : "closed" where a hazard that was not judged gets the fallback `not_judged`, "open"
        where it passes ["closed"].
    may_override : roles whose word stands against the decision [none].
    guidelines : ids of the guidelines for the action "guide" [none].
    ask : the attribute to ask for, for the action "ask".
    """

    regime: str | None = None
    middle: Action | None = None
    high: Action | None = None
    ignore: bool | None = None
    fail: Literal["open", "closed"] | None = None
    may_override: tuple[str, ...] | None = None
    guidelines: tuple[str, ...] | None = None
    ask: str | None = None


class Audience(Record, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """People to whom other rules apply.

    `when` holds the attributes of the score that make it theirs (all of them, letter by letter);
    `regime` theirs, `hazards` what differs from the policy's rules, key by key.
    """

    when: dict[str, str] = {}
    regime: str | None = None
    hazards: dict[str, Rule] = {}


class Fallback(Record, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is done where a value or a threshold is lacking; nothing passes unless this says so.

    Parameters
    ----------
    unparsable, refused, failed, not_scored : for scores with that outcome; `failed` also for
        values that are not numbers.
    not_judged : for hazards that no scorer judged, where their rule fails closed.
    not_certified : for hazards without thresholds in the regime.
    out_of_distribution : for exchanges unlike what the scorer knows.
    uncovered_language : for languages that the policy does not list, or that are not stated.
    may_override : roles whose word stands against these.
    """

    unparsable: Action = "escalate"
    refused: Action = "escalate"
    failed: Action = "escalate"
    not_scored: Action = "escalate"
    not_judged: Action = "escalate"
    not_certified: Action = "escalate"
    out_of_distribution: Action = "escalate"
    uncovered_language: Action = "escalate"
    may_override: tuple[str, ...] = ()


class Certified(Record, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The certificate that the thresholds of one hazard and regime rest on.

    `guard` is the version of the guard whose scores it speaks of, empty where none is named.
    """

    digest: str
    statement: str
    guard: str = ""
