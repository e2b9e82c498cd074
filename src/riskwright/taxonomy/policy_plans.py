"""How a policy decides: its rules worked out for each audience, then applied to one score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from riskwright.core import content_hash
from riskwright.core.scores import ACTIONS, Action, Band, Decision, Score

from .policy_records import ANY, SIGNAL, Audience, Rule

if TYPE_CHECKING:
    from .policies import Policy

__all__ = ["Plan", "decided", "effective_rules", "plans_of", "stricter", "value_of"]

_OUTCOMES = {
    "unparsable": "the answer of the scorer could not be parsed",
    "refused": "the scorer refused",
    "failed": "the scorer failed",
    "not scored": "there is no score",
}


class _Check(NamedTuple):
    """One hazard as one audience meets it; `low` and `high` are infinite without thresholds."""

    hazard: str
    regime: str
    low: float
    high: float
    middle: Action
    top: Action
    certified: bool
    uncertified: Action
    closed: bool
    certificate: str
    roles: tuple[str, ...]
    guidelines: tuple[str, ...]
    ask: str


class Plan(NamedTuple):
    """The rules of one audience; `certificate` is what all thresholds rest on, if any."""

    checks: tuple[_Check, ...]
    regime: str
    certificate: str
    uses_hazards: bool


class _Step(NamedTuple):
    """One reason to act."""

    action: Action
    reason: str
    roles: tuple[str, ...]
    check: _Check | None = None
    certificate: str = ""


def value_of(score: Score, key: str) -> float | None:
    """What a rule goes by: the severity for "any", a scorer's own value for "SCORER:NAME", else
    a hazard; None where nobody judged it."""
    if key == ANY:
        return score.severity
    if SIGNAL in key:
        scorer, _, name = key.partition(SIGNAL)
        return score.values.get(scorer, {}).get(name)
    return score.hazards.get(key)


def stricter(policy: Policy, *regimes: str | None) -> str:
    """The strictest of these regimes; that of the policy where all are None."""
    named = [regime for regime in regimes if regime is not None]
    return min(named, key=policy.regimes.index) if named else policy.regime


def effective_rules(policy: Policy, audience: Audience) -> dict[str, Rule]:
    """The rules that hold for an audience, each with its regime; ignored hazards are left out."""
    rules = {}
    for code in dict.fromkeys((*policy.hazards, *audience.hazards)):
        base, own = policy.hazards.get(code, Rule()), audience.hazards.get(code, Rule())
        changed = {
            f: getattr(own, f) for f in Rule.__struct_fields__ if getattr(own, f) is not None
        }
        regime = own.regime or stricter(policy, base.regime, audience.regime)
        rule = structs.replace(base, **{**changed, "regime": regime})
        if not rule.ignore:
            rules[code] = rule
    return rules


def plans_of(policy: Policy) -> dict[str, Plan]:
    """The plan of every audience by name, and under "" that of everybody else."""
    return {
        name: _plan(policy, audience)
        for name, audience in {"": Audience(), **policy.audiences}.items()
    }


def _plan(policy: Policy, audience: Audience) -> Plan:
    rules = effective_rules(policy, audience)
    checks = tuple(_check(policy, code, rule) for code, rule in rules.items())
    return Plan(
        checks=checks,
        regime=audience.regime or policy.regime,
        certificate=_together(check.certificate for check in checks),
        uses_hazards=any(code != ANY and SIGNAL not in code for code in rules),
    )


def _check(policy: Policy, code: str, rule: Rule) -> _Check:
    regime = rule.regime or policy.regime
    bands = policy.thresholds.get(code, {})
    looser = policy.regimes[policy.regimes.index(regime) :]
    band = next((bands[name] for name in looser if name in bands), None)
    never = Band(low=float("inf"), high=float("inf"))
    held = policy.certificates.get(code, {}).get(regime)
    return _Check(
        hazard=code,
        regime=regime,
        low=(band or never).low,
        high=(band or never).high,
        middle=rule.middle or "escalate",
        top=rule.high or "block",
        certified=regime in bands,
        uncertified=policy.fallback.not_certified,
        closed=rule.fail != "open",
        certificate=held.digest if held else "",
        roles=rule.may_override or (),
        guidelines=rule.guidelines or (),
        ask=rule.ask or "",
    )


def decided(policy: Policy, plan: Plan, score: Score) -> Decision:
    """The decision of the plan about the score: the severest of all steps, the first of equals."""
    steps = _steps(policy, plan, score)
    action: Action = "allow"
    hazard, regime, certificate = "", plan.regime, plan.certificate
    roles: tuple[str, ...] = ()
    guidance: tuple[str, ...] = ()
    ask = ""
    if steps:
        first = max(steps, key=lambda step: ACTIONS.index(step.action))
        action = first.action
        if first.check is not None:
            hazard, regime, ask = first.check.hazard, first.check.regime, first.check.ask
        same = [step for step in steps if step.action == action]
        certificate = _together(step.certificate for step in same)
        roles = _shared([step.roles for step in steps if step.action != "allow"])
        if action == "guide":
            named = [step.check.guidelines for step in same if step.check is not None]
            guidance = tuple(dict.fromkeys(id for ids in named for id in ids))
        reasons = tuple(step.reason for step in steps)
    else:
        reasons = (f"nothing reaches a threshold ({plan.regime})",)
    shadow = policy.mode == "shadow"
    return Decision(
        action="allow" if shadow else action,
        would=action if shadow else None,
        hazard=hazard,
        regime=regime,
        reasons=reasons,
        overridable_by=roles,
        guidance=guidance,
        ask=ask if action == "ask" else "",
        policy=f"{policy.id} {policy.version}",
        policy_digest=policy.digest,
        certificate=certificate,
    )


def _steps(policy: Policy, plan: Plan, score: Score) -> list[_Step]:
    steps: list[_Step] = []
    scored = score.outcome == "scored"
    for check in plan.checks:
        value = value_of(score, check.hazard)
        if value is None:
            if scored and check.closed:
                steps.append(_unjudged(policy, check))
        elif 0 <= value < check.low and check.certified:
            continue
        else:
            steps.append(_judged(policy, check, value))
    fallback = policy.fallback
    if not scored:
        action: Action = getattr(fallback, score.outcome.replace(" ", "_"))
        steps.append(_fallen(policy, action, _OUTCOMES[score.outcome]))
    if score.out_of_distribution:
        told = "the exchange is unlike what the scorer knows"
        steps.append(_fallen(policy, fallback.out_of_distribution, told))
    if policy.languages and not _covered(policy, score):
        told = "the language is not one that the policy covers"
        if not score.attributes.get("language"):
            told = "the language is not stated"
        steps.append(_fallen(policy, fallback.uncovered_language, told))
    return steps


def _judged(policy: Policy, check: _Check, value: float) -> _Step:
    """The step for a value that is there, but not below a threshold that is there."""
    name, low, high = check.hazard, check.low, check.high
    if not value >= 0:
        told = f"{name} is not a number from 0 to 1: {policy.fallback.failed}"
        return _Step(policy.fallback.failed, told, policy.fallback.may_override, check)
    action: Action = check.top if value >= high else check.middle if value >= low else "allow"
    if not check.certified and ACTIONS.index(action) <= ACTIONS.index(check.uncertified):
        action = check.uncertified
        told = f"{name} has no thresholds in the regime {check.regime}: {action}"
        return _Step(action, told, policy.fallback.may_override, check)
    told = f"is at least {high:.4g}" if value >= high else f"lies between {low:.4g} and {high:.4g}"
    reason = f"{name} {value:.4g} {told} ({check.regime}): {action}"
    certificate = check.certificate if check.certified else ""
    return _Step(action, reason, check.roles, check, certificate)


def _unjudged(policy: Policy, check: _Check) -> _Step:
    action = policy.fallback.not_judged
    told = f"{check.hazard} was not judged: {action}"
    return _Step(action, told, policy.fallback.may_override, check)


def _fallen(policy: Policy, action: Action, told: str) -> _Step:
    return _Step(action, f"{told}: {action}", policy.fallback.may_override)


def _covered(policy: Policy, score: Score) -> bool:
    """Whether the language is listed, itself or without its region ("en-GB" as "en")."""
    language = score.attributes.get("language", "").replace("_", "-").casefold()
    listed = {name.casefold() for name in policy.languages}
    return language in listed or language.partition("-")[0] in listed


def _together(certificates: Iterable[str]) -> str:
    """One digest for all of these; empty where there are none or one is empty."""
    digests = sorted(set(certificates))
    if len(digests) < 2 or not digests[0]:
        return digests[0] if digests else ""
    return f"sha256:{content_hash({'certificates': digests})}"


def _shared(roles: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The roles that stand in all of these, in the order of the first."""
    if not roles:
        return ()
    return tuple(role for role in roles[0] if all(role in others for others in roles))
