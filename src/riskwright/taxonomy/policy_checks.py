"""What a policy must keep to, so that deciding is monotone and never fails."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from riskwright.core.names import nearest, quoted
from riskwright.core.scores import ACTIONS

from ._reading import Keys
from .policy_plans import effective_rules
from .policy_records import ANY, SIGNAL, Audience, Rule
from .taxonomies import Taxonomy

if TYPE_CHECKING:
    from .policies import Policy

__all__ = ["KEY", "NAMED", "Fault", "first_fault"]

NAMED = r"\S"
"""What every name has: a character that is seen."""
KEY = r"^[^:\s]([^:]*[^:\s])?(:[^:\s]([^:]*[^:\s])?)?$"
"""A hazard, or SCORER:NAME; neither part begins or ends with a blank."""


class Fault(NamedTuple):
    """What is wrong, and the keys that lead there."""

    keys: Keys
    problem: str
    expected: str | None = None
    got: str | None = None
    hint: str | None = None


def first_fault(policy: Policy, taxonomy: Taxonomy | None) -> Fault | None:
    """The first fault, or None. Codes are checked where the taxonomy is known."""
    for check in (_names(policy), _hazards(policy, taxonomy), _rules(policy), _numbers(policy)):
        fault = next(check, None)
        if fault is not None:
            return fault
    return next(_left_out(policy, taxonomy), None) if taxonomy is not None else None


def _names(policy: Policy) -> Iterator[Fault]:
    for key in ("id", "version", "taxonomy"):
        if not getattr(policy, key).strip():
            yield Fault((key,), f"the policy's {key} is empty")
    for place, language in enumerate(policy.languages):
        if not language.strip():
            yield Fault(("languages", place), "a language without a name")
    blank = any(not regime.strip() for regime in policy.regimes)
    if blank or not policy.regimes or len(set(policy.regimes)) < len(policy.regimes):
        wanted = "at least one name, none twice, from the strictest to the loosest"
        yield Fault(("regimes",), "not a list of regimes", expected=wanted)
    named: list[tuple[Keys, str | None]] = [(("regime",), policy.regime)]
    named += [(("hazards", c, "regime"), r.regime) for c, r in policy.hazards.items()]
    for name, audience in policy.audiences.items():
        named.append((("audiences", name, "regime"), audience.regime))
        for code, rule in audience.hazards.items():
            named.append((("audiences", name, "hazards", code, "regime"), rule.regime))
    named += [(("thresholds", c, r), r) for c, by in policy.thresholds.items() for r in by]
    named += [(("certificates", c, r), r) for c, by in policy.certificates.items() for r in by]
    named += [(("budgets", regime), regime) for regime in policy.budgets]
    named += [(("harmful_from", regime), regime) for regime in policy.harmful_from]
    for keys, regime in named:
        if regime is not None and regime not in policy.regimes:
            hint = nearest(regime, policy.regimes)
            yield Fault(keys, f"no regime {quoted(regime)}", hint=hint)
    for name, audience in policy.audiences.items():
        if not name.strip():
            yield Fault(("audiences",), "an audience without a name")
        if "audience" in audience.when:
            yield Fault(
                ("audiences", name, "when", "audience"),
                "the attribute audience names an audience itself, and is never compared",
                expected="other attributes",
            )


def _hazards(policy: Policy, taxonomy: Taxonomy | None) -> Iterator[Fault]:
    if not policy.hazards:
        hint = "Write `any: {}` to go by the overall severity"
        yield Fault(("hazards",), "the policy has no rules", hint=hint)
    given: list[tuple[Keys, Iterable[str]]] = [(("hazards",), policy.hazards)]
    for name, audience in policy.audiences.items():
        given.append((("audiences", name, "hazards"), audience.hazards))
    for keys, codes in given:
        for code in codes:
            if not re.search(KEY, code):
                yield Fault(
                    (*keys, code),
                    f"{quoted(code)} is neither a hazard nor a value of a scorer",
                    expected="a code, any, or SCORER:NAME with one colon and two names",
                )
    if taxonomy is not None:
        for keys, codes in given:
            for code in codes:
                if code != ANY and SIGNAL not in code and code not in taxonomy:
                    yield Fault(
                        (*keys, code),
                        f"no hazard {quoted(code)} in the taxonomy {taxonomy.id}",
                        hint=nearest(code, (ANY, *taxonomy.codes)),
                    )
    ruled = {code for _, codes in given for code in codes}
    for part in ("thresholds", "certificates"):
        for code in getattr(policy, part):
            if code not in ruled:
                yield Fault(
                    (part, code),
                    f"{part} for {quoted(code)}, which has no rule under hazards",
                    hint=nearest(code, ruled),
                )


def _rules(policy: Policy) -> Iterator[Fault]:
    groups: dict[Keys, Audience] = {("hazards",): Audience()}
    groups |= {("audiences", name, "hazards"): one for name, one in policy.audiences.items()}
    for keys, audience in groups.items():
        for code, rule in effective_rules(policy, audience).items():
            at = (*keys, code) if keys == ("hazards",) or code in audience.hazards else keys[:2]
            yield from _rule(at, code, rule)


def _rule(keys: Keys, code: str, rule: Rule) -> Iterator[Fault]:
    middle, high = rule.middle or "escalate", rule.high or "block"
    if ACTIONS.index(middle) > ACTIONS.index(high):
        yield Fault(
            keys,
            f"the middle action of {quoted(code)} is severer than the high one",
            expected="from the mildest: " + ", ".join(ACTIONS),
            got=f"middle {middle}, high {high}",
        )
    if "ask" in (middle, high) and not rule.ask:
        hint = "Name it under the key ask"
        yield Fault(keys, f"{quoted(code)} does not say which attribute to ask for", hint=hint)


def _numbers(policy: Policy) -> Iterator[Fault]:
    for code, by in policy.thresholds.items():
        for regime, band in by.items():
            if not (0 <= band.low <= band.high and math.isfinite(band.high)):
                yield Fault(
                    ("thresholds", code, regime),
                    f"not a pair of thresholds for {quoted(code)} in {quoted(regime)}",
                    expected="finite numbers with 0 <= low <= high; above 1 means never",
                    got=f"low {band.low:g}, high {band.high:g}",
                )
        held = [regime for regime in policy.regimes if regime in by]
        for strict, loose in combinations(held, 2):
            if by[strict].low > by[loose].low or by[strict].high > by[loose].high:
                yield Fault(
                    ("thresholds", code, strict),
                    f"the regime {quoted(strict)} is stricter than {quoted(loose)}, but not its "
                    f"thresholds for {quoted(code)}",
                    expected=f"low <= {by[loose].low:g} and high <= {by[loose].high:g}",
                    got=f"low {by[strict].low:g}, high {by[strict].high:g}",
                )
    yield from _levels(policy)
    for code, told in policy.certificates.items():
        for regime, one in told.items():
            if regime not in policy.thresholds.get(code, {}) or not one.digest.strip():
                yield Fault(
                    ("certificates", code, regime),
                    f"a certificate for {quoted(code)} in {quoted(regime)} without thresholds "
                    "or without a digest",
                )


def _levels(policy: Policy) -> Iterator[Fault]:
    for regime, level in policy.harmful_from.items():
        if not math.isfinite(level):
            yield Fault(
                ("harmful_from", regime),
                "not a severity",
                expected="a finite number",
                got=f"{level:g}",
            )
    for strict, loose in combinations(policy.regimes, 2):
        if policy.harmful_from.get(strict, 0.0) > 0 and loose not in policy.harmful_from:
            yield Fault(
                ("harmful_from", strict),
                f"{quoted(strict)} is stricter than {quoted(loose)}, but takes less for harm",
                expected=f"a severity for {quoted(loose)} too, which else is anything above 0",
                got=f"{policy.harmful_from[strict]:g}",
            )
    held = [regime for regime in policy.regimes if regime in policy.harmful_from]
    for strict, loose in combinations(held, 2):
        ours, theirs = policy.harmful_from[strict], policy.harmful_from[loose]
        if ours > theirs:
            yield Fault(
                ("harmful_from", strict),
                f"{quoted(strict)} is stricter than {quoted(loose)}, but takes less for harm",
                expected=f"a severity of at most {theirs:g}",
                got=f"{ours:g}",
            )


def _left_out(policy: Policy, taxonomy: Taxonomy) -> Iterator[Fault]:
    """Hazards that are neither named nor left to "any", for everybody and for each audience."""
    for name, audience in {"": Audience(), **policy.audiences}.items():
        if ANY in effective_rules(policy, audience):
            continue
        named = policy.hazards.keys() | audience.hazards.keys()
        left = [
            code for code in taxonomy.leaves if named.isdisjoint((code, *taxonomy.ancestors(code)))
        ]
        if left:
            yield Fault(
                ("audiences", name, "hazards") if name else ("hazards",),
                f"{len(left)} hazards have no rule" + (f" for {quoted(name)}" if name else ""),
                got=", ".join(left[:8]) + (", …" if len(left) > 8 else ""),
                hint="Name each (with `ignore: true` to leave it out), or add a rule for any",
            )
