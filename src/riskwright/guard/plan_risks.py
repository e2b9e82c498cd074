"""Risks that lie in several steps together, or in who a step is for: found before any step runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from riskwright.core import Record
from riskwright.evidence.action_facts import is_secret_place
from riskwright.evidence.action_tools import ToolCatalogue
from riskwright.evidence.actions import AgentAction, Money, Plan
from riskwright.scoring.action_risk import ActionScorer

__all__ = ["RISK_TYPES", "PlanFinding", "RiskType", "plan_findings", "risk_type"]

RiskType = Literal[
    "sensitive data sent outside",
    "irreversible deletion",
    "excessive payment",
    "privilege grant",
    "instructions from outside",
    "wrong recipient",
    "loop or bulk",
]
RISK_TYPES: tuple[RiskType, ...] = (
    "sensitive data sent outside",
    "irreversible deletion",
    "excessive payment",
    "privilege grant",
    "instructions from outside",
    "wrong recipient",
    "loop or bulk",
)

_READS = frozenset({"read", "search"})
_LEAVES = frozenset({"send", "publish", "execute", "unknown"})
_CONSEQUENT = frozenset(
    {"write", "send", "delete", "execute", "publish", "pay", "agree", "grant", "unknown"}
)
_REPEATS = 5
_NEAR = 2
_COMPARED = 1000


class PlanFinding(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A risk, the places (from 0) of the steps that make it up, and why in one sentence.

    The sentence quotes neither arguments nor targets.
    """

    risk: RiskType
    steps: tuple[int, ...]
    sentence: str


def plan_findings(
    plan: Plan, scorer: ActionScorer, tools: ToolCatalogue | None = None
) -> tuple[PlanFinding, ...]:
    """Risks in the steps of a plan together, in the order of their last step.

    What is looked for: sensitive data that was read or is held and then leaves; payments, or
    deletions, that are HIGH together and weigh more than each alone on the same card; one call
    repeated, or one that acts on very many things; instructions that came from a tool's output or a
    page and change something; recipients that nearly equal a known one.

    Notes
    -----
    Linear in the steps, save for recipients: each distinct one is compared with at most 1,000 known
    ones and 1,000 that were met before. Data are taken to flow from any step to every later one,
    since an agent remembers what it read, whatever dependencies a plan states.
    """
    catalogue = tools or scorer.tools or ToolCatalogue()
    found = [
        *_leaks(plan, catalogue),
        *_outside_instructions(plan),
        *_together(plan, scorer),
        *_loops(plan),
        *_wrong_recipients(plan, catalogue),
    ]
    return tuple(sorted(found, key=lambda one: (one.steps[-1], one.steps)))


def risk_type(action: AgentAction) -> RiskType:
    """The type of risk that one action of level HIGH is filed under."""
    if action.origin in ("tool output", "web page"):
        return "instructions from outside"
    if action.kind == "pay" or action.money is not None:
        return "excessive payment"
    if action.kind == "grant":
        return "privilege grant"
    if action.kind == "delete":
        return "irreversible deletion"
    if action.data_exposed and action.kind in _LEAVES:
        return "sensitive data sent outside"
    if action.count is None or action.count >= 10:
        return "loop or bulk"
    if action.kind in ("send", "publish", "agree"):
        return "wrong recipient"
    return "irreversible deletion" if action.reversibility == "irreversible" else "loop or bulk"


def _leaks(plan: Plan, tools: ToolCatalogue) -> Iterator[PlanFinding]:
    sources: list[int] = []
    for place, action in enumerate(plan):
        if _goes_outside(action, tools):
            if action.data_exposed:
                yield _finding(
                    "sensitive data sent outside", (place,), "sensitive data leave in this step"
                )
            elif sources:
                yield _finding(
                    "sensitive data sent outside",
                    (*sources, place),
                    "sensitive data read before can leave in the last of these steps",
                )
        elif action.kind in _READS and _touches_secrets(action):
            sources.append(place)


def _goes_outside(action: AgentAction, tools: ToolCatalogue) -> bool:
    carried = bool(action.data_exposed) and bool(action.target.domain)
    if action.kind not in _LEAVES | {"write"} and not carried:
        return False
    if action.audience == "public":
        return True
    if action.target.domain and not tools.owns(action.target.domain):
        return True
    return any(not tools.knows(one) for one in action.target.recipients)


def _touches_secrets(action: AgentAction) -> bool:
    return bool(action.data_exposed) or is_secret_place(action.target.resource)


def _outside_instructions(plan: Plan) -> Iterator[PlanFinding]:
    for place, action in enumerate(plan):
        if action.origin in ("tool output", "web page") and action.kind in _CONSEQUENT:
            yield _finding(
                "instructions from outside",
                (place,),
                "a step that changes something was not asked for by the user, but by what a tool "
                "or a page returned",
            )


def _together(plan: Plan, scorer: ActionScorer) -> Iterator[PlanFinding]:
    """Payments per currency, and deletions, that reach HIGH only when taken as one."""
    groups: dict[tuple[RiskType, str], list[int]] = defaultdict(list)
    for place, action in enumerate(plan):
        if action.money is not None:
            groups["excessive payment", action.money.currency].append(place)
        elif action.kind == "delete":
            groups["irreversible deletion", ""].append(place)
    for (risk, _), places in groups.items():
        if len(places) < 2:
            continue
        whole = _as_one([plan.actions[place] for place in places], risk)
        apart = scorer.score([plan.actions[place] for place in places])
        joint = scorer.score([whole])[0]
        grows = joint.severity is not None and all(
            one.severity is not None and one.severity < joint.severity for one in apart
        )
        if grows and joint.level == "HIGH":
            what = "payments" if risk == "excessive payment" else "deletions"
            sentence = f"{len(places)} {what} weigh more together than any of them alone"
            yield _finding(risk, tuple(places), sentence)


def _as_one(actions: Sequence[AgentAction], risk: RiskType) -> AgentAction:
    last = actions[-1]
    counts = [action.count for action in actions]
    count = None if None in counts else sum(c for c in counts if c is not None)
    if risk == "irreversible deletion":
        return msgspec.structs.replace(last, count=count)
    amounts = [action.money.amount for action in actions if action.money is not None]
    total = None if None in amounts else sum(a for a in amounts if a is not None)
    currency = last.money.currency if last.money else ""
    return msgspec.structs.replace(last, money=Money(amount=total, currency=currency))


def _loops(plan: Plan) -> Iterator[PlanFinding]:
    """One call made again and again, or one that acts on very many things."""
    calls: dict[str, list[int]] = defaultdict(list)
    tools: Counter[str] = Counter()
    for place, action in enumerate(plan):
        plain = msgspec.structs.replace(action, id="", step=0, depends_on=(), source_digest="")
        calls[plain.digest].append(place)
        if action.kind in _CONSEQUENT:
            tools[action.tool] += 1
            if action.kind not in ("delete", "pay") and (
                action.count is None or action.count >= 100
            ):
                yield _finding("loop or bulk", (place,), "one step acts on very many things")
    for places in calls.values():
        if len(places) >= _REPEATS:
            sentence = f"the same call is made {len(places)} times"
            yield _finding("loop or bulk", tuple(places), sentence)
    for tool, times in tools.items():
        if times >= 2 * _REPEATS:
            places = [k for k, a in enumerate(plan) if a.tool == tool and a.kind in _CONSEQUENT]
            sentence = f"one tool that changes something is called {times} times"
            yield _finding("loop or bulk", tuple(places), sentence)


def _wrong_recipients(plan: Plan, tools: ToolCatalogue) -> Iterator[PlanFinding]:
    known = [one.lower() for one in tools.known[:_COMPARED]]
    seen: dict[str, bool] = {}
    for place, action in enumerate(plan):
        for one in action.target.recipients:
            name = one.lower()
            if name not in seen:
                others = list(seen)[:_COMPARED]
                seen[name] = not tools.knows(one) and (
                    any(_nearly(name, other) for other in known)
                    or any(_same_person_elsewhere(name, other) for other in others)
                    or _nearly_own(name, tools)
                )
        if any(seen[one.lower()] for one in action.target.recipients):
            yield _finding(
                "wrong recipient",
                (place,),
                "a recipient nearly equals one that is known or was used before",
            )


def _same_person_elsewhere(name: str, other: str) -> bool:
    (local, _, domain), (as_local, _, as_domain) = name.rpartition("@"), other.rpartition("@")
    return bool(local) and local == as_local and _nearly(domain, as_domain)


def _nearly_own(name: str, tools: ToolCatalogue) -> bool:
    domain = name.rpartition("@")[2] if "@" in name else ""
    return bool(domain) and any(
        _nearly(domain, own.lower()) for own in tools.own_domains if domain != own.lower()
    )


def _nearly(a: str, b: str) -> bool:
    """Whether one text becomes the other by at most two changes of a letter; short ones by one."""
    most = _NEAR if min(len(a), len(b)) >= 8 else 1
    if abs(len(a) - len(b)) > most or max(len(a), len(b)) > 254:
        return False
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return 0 < row[-1] <= most


def _finding(risk: RiskType, steps: tuple[int, ...], sentence: str) -> PlanFinding:
    return PlanFinding(risk=risk, steps=steps, sentence=sentence)
