"""A policy seen in one regime, the hazards that it acts on, and which actions can be wrong."""

from __future__ import annotations

import msgspec

from riskwright.taxonomy.policies import Policy

__all__ = ["PASSING", "REFUSING", "acted_on", "in_regime"]

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
