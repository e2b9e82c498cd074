"""What is decided at a look: by thresholds, by a certified rule, or by a policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from riskwright.core import DataError, UsageError
from riskwright.core.scores import ACTIONS, Action, Decider, Decision

from .stream_scores import StreamScores

__all__ = [
    "ALLOWED",
    "Decide",
    "by_band",
    "by_policy",
    "by_thresholds",
    "goes_on",
    "peak_of",
    "rank",
    "stops",
]

Decide = Callable[[Mapping[str, float], int], Decision]
"""Values at a look and the characters read -> the decision."""

ALLOWED = Decision(action="allow")
_HOLDS = ACTIONS.index("ask")
_STOPS = ACTIONS.index("block")


def rank(action: Action) -> int:
    """The place of an action among `ACTIONS`, the mildest first."""
    return ACTIONS.index(action)


def goes_on(action: Action) -> bool:
    """Whether text may be released under this action: "allow" and "guide"."""
    return rank(action) < _HOLDS


def stops(action: Action) -> bool:
    """Whether this action ends a stream: "block" and "stop"; what lies between withholds text."""
    return rank(action) >= _STOPS


def peak_of(values: Mapping[str, float], keys: tuple[str, ...]) -> tuple[float, str]:
    """The highest value among `keys`, and its key; `DataError` where one of them is missing."""
    try:
        return max((values[key], key) for key in keys)
    except KeyError as error:
        raise DataError(
            "the scorer gives no such value at a look",
            where="StreamMonitor",
            expected=f"the key {error.args[0]!r}",
            got=", ".join(sorted(values)) or "no values",
            hint='Every PrefixScorer gives "any"; hazards are those of its taxonomy',
        ) from None


def by_thresholds(thresholds: Mapping[tuple[str, ...], float], certificate: str) -> Decide:
    """Stop where the highest value of any set of keys reaches its threshold."""
    pairs = tuple(thresholds.items())

    def decide(values: Mapping[str, float], read: int) -> Decision:
        for keys, threshold in pairs:
            value, key = peak_of(values, keys)
            if value >= threshold:
                return _crossed("stop", key, value, threshold, read, certificate)
        return ALLOWED

    return decide


def by_band(keys: tuple[str, ...], low: float, high: float, certificate: str) -> Decide:
    """Stop from `high` on, escalate from `low` on."""

    def decide(values: Mapping[str, float], read: int) -> Decision:
        value, key = peak_of(values, keys)
        if value >= high:
            return _crossed("stop", key, value, high, read, certificate)
        if value >= low:
            return _crossed("escalate", key, value, low, read, certificate)
        return ALLOWED

    return decide


def by_policy(policy: Decider, scores: StreamScores) -> Decide:
    """What a policy makes of the score of the text read so far."""

    def decide(values: Mapping[str, float], read: int) -> Decision:
        return policy.decide(scores.of(values))

    return decide


def _crossed(
    action: Action, key: str, value: float, threshold: float, read: int, certificate: str
) -> Decision:
    reason = f"{value:.4g} reaches {threshold:.4g} after {read} characters"
    return Decision(action=action, hazard=key, reasons=(reason,), certificate=certificate)


def checked_values(values: Mapping[str, float]) -> dict[str, float]:
    """The values of a look as finite floats, "any" among them."""
    found = {key: float(value) for key, value in values.items()}
    bad = [key for key, value in found.items() if not math.isfinite(value)]
    if bad or "any" not in found:
        raise DataError(
            "not the values of a look",
            where="PrefixState.feed",
            expected='finite numbers, "any" among them',
            got=("not finite: " + ", ".join(bad)) if bad else 'no "any"',
        )
    return found


def refuse_undecided() -> None:
    raise UsageError(
        "nothing decides on this stream",
        where="StreamMonitor",
        expected="thresholds, a policy, a certified rule, or shadow=True",
        hint="Call certify with labelled replies; a threshold from elsewhere promises nothing",
    )
