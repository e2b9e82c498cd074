"""A policy seen in one regime, what it acts on, which actions can be wrong, what is certified."""

from __future__ import annotations

import msgspec

from riskwright.taxonomy.policies import Policy

__all__ = ["PASSING", "REFUSING", "acted_on", "certified_sentence", "in_regime"]

REFUSING = ("block", "stop")
"""Actions that deny a harmless request what it asked for."""
PASSING = ("allow",)
"""Actions by which harm goes on unseen."""

_with = msgspec.structs.replace


def in_regime(policy: Policy, regime: str) -> Policy:
    """The policy as if every rule and audience were in that regime."""
    rules = {code: _with(rule, regime=None) for code, rule in policy.hazards.items()}
    audiences = {
        name: _with(
            audience,
            regime=None,
            hazards={code: _with(rule, regime=None) for code, rule in audience.hazards.items()},
        )
        for name, audience in policy.audiences.items()
    }
    return _with(policy, regime=regime, hazards=rules, audiences=audiences)


def acted_on(policy: Policy) -> tuple[str, ...]:
    """Hazard codes, and "any", that the policy ignores for no audience or not for all."""
    rules = [policy.hazards, *(audience.hazards for audience in policy.audiences.values())]
    kept = (code for table in rules for code, rule in table.items() if not rule.ignore)
    return tuple(dict.fromkeys(kept))


def certified_sentence(certified: int, n: int) -> str:
    """How many of n decisions rest on certified thresholds alone."""
    if certified == n:
        return f"All {n:,} decisions rest on certified thresholds."
    if not certified:
        return f"None of {n:,} decisions rests on certified thresholds."
    return (
        f"{certified:,} of {n:,} decisions rest on certified thresholds; the others rest on "
        "thresholds or fallbacks without a certificate."
    )
