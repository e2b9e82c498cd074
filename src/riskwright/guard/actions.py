"""`ActionGuard`: decides, before an agent acts, whether it may, and asks a person where it must."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from riskwright.core import ParameterError, Record, UsageError, content_hash
from riskwright.core.scores import Action, Decider, Decision, Score, severest
from riskwright.evidence.action_tools import ToolCatalogue
from riskwright.evidence.actions import AgentAction, Plan
from riskwright.scoring.action_risk import ActionScorer

from .action_saving import told_guard, told_guard_parts
from .approvals import Approval, ApprovalRequest, Approve, answered
from .plan_risks import PlanFinding, RiskType, plan_findings, risk_type
from .world_models import Consequences, WorldModel, checked_limits, foretold

if TYPE_CHECKING:
    from riskwright.decision import Budget, RiskCertificate

    from .action_certificates import ActionRule

__all__ = ["ActionGuard", "Checked", "PlanVerdict"]

Fallback = Literal["escalate", "block", "stop"]


class Checked(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What was found of one action, and whether it may be done.

    `risks` are the short- and long-term risks that a world model foretold; `guidance` is what it
    advises the agent to do instead; it may quote private text, and `repr` shows none of it. Ask
    `permits` at the moment of acting: it holds for the very action that was checked, and until
    `expires`. It does not count how often it was asked: `ActionGuard.run` acts once.
    """

    digest: str
    score: Score
    decision: Decision
    findings: tuple[PlanFinding, ...] = ()
    risks: dict[str, float] = {}
    guidance: str = ""
    approval: Approval | None = None
    expires: float | None = None

    def __repr__(self) -> str:
        return f"Checked({self.decision.action}, {self.score.level or self.score.outcome})"

    @property
    def allowed(self) -> bool:
        return self.decision.action == "allow"

    def permits(self, action: AgentAction, *, now: float | None = None) -> bool:
        """Whether this action may be done now: allowed, unchanged, not expired."""
        moment = time.time() if now is None else now
        in_time = self.expires is None or moment < self.expires
        return self.allowed and in_time and action.digest == self.digest


class PlanVerdict(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What was found of a plan before any of its steps was done.

    Parameters
    ----------
    outcome : "scored", or "failed" where a step could not be judged.
    risky : whether any step is HIGH, blocked or failed, or steps are a risk together.
    risk_types, reasons : of all that was found, without any text of the plan.
    decision : the severest over the steps and findings.
    score : of the riskiest step.
    steps : each step as checked on its own.
    findings : what was found in steps together.
    plan : the plan that was judged; after re-planning, the last one.
    pruned : the plan without risky steps and those that depend on them.
    rounds : how often it was planned anew.
    """

    outcome: Literal["scored", "failed"]
    risky: bool
    risk_types: tuple[RiskType, ...]
    reasons: tuple[str, ...]
    decision: Decision
    score: Score
    steps: tuple[Checked, ...]
    findings: tuple[PlanFinding, ...]
    plan: Plan
    pruned: Plan
    rounds: int = 0

    @property
    def allowed(self) -> bool:
        return self.decision.action == "allow"


class ActionGuard:
    """Decides on actions of agents before they are done.

    SAFE actions are allowed; LOW ones as the policy or the certified threshold says, else as `low`;
    HIGH ones need a person's yes. What could not be scored is never allowed by itself. The severest
    of all that speaks holds.

    Parameters
    ----------
    scorer : scores actions; None for the card that is set by hand.
    tools : the operator's catalogue; None for that of the scorer.
    policy : has `decide(score) -> Decision`.
    low : what to do with LOW actions where neither policy nor certificate speaks.
    fallback : what to do where scoring, the policy or the world model failed.
    world_model : (state, action, policies) -> `Consequences`; `limits` then holds a limit in [0, 1]
        for "short term" and for "long term". Above one the action is blocked, whoever says yes,
        and `Checked.guidance` tells the agent what the model advises.
    policies : sentences that the world model is given.
    timeout : seconds that a person, or the world model, has to answer; None waits for ever.
    valid_for : seconds for which a yes holds.
    clock : gives seconds since 1970.

    Notes
    -----
    A yes is bound to the digest of the action, for one use: any change of its fields needs a new
    one. Costs are those of the scorer, and linear in the steps of a plan.

    Examples
    --------
    >>> guard = ActionGuard()
    >>> action = AgentAction(tool="send_payment", kind="pay", id="a1", origin="user")
    >>> guard.check(action).decision.action
    'escalate'
    >>> checked = guard.check(action, approve=lambda request: True)
    >>> checked.allowed, checked.permits(action)
    (True, True)
    >>> checked.permits(AgentAction(tool="send_payment", kind="pay", id="a2", origin="user"))
    False
    """

    def __init__(
        self,
        scorer: ActionScorer | None = None,
        *,
        tools: ToolCatalogue | None = None,
        policy: Decider | None = None,
        low: Literal["allow", "escalate", "block"] = "escalate",
        fallback: Fallback = "escalate",
        world_model: WorldModel | None = None,
        limits: Mapping[str, float] | None = None,
        policies: Sequence[str] = (),
        timeout: float | None = 300.0,
        valid_for: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if low not in ("allow", "escalate", "block"):
            raise ParameterError(
                "unknown action", where="ActionGuard(low)", expected="allow, escalate or block"
            )
        if fallback not in ("escalate", "block", "stop"):
            raise ParameterError(
                "a fallback that lets through",
                where="ActionGuard(fallback)",
                expected="escalate, block or stop",
            )
        seconds = [valid_for] if timeout is None else [valid_for, timeout]
        if not all(math.isfinite(value) and value > 0 for value in seconds):
            raise ParameterError(
                "not a duration", where="ActionGuard(timeout, valid_for)", expected="seconds > 0"
            )
        self.scorer = ActionScorer(tools=tools) if scorer is None else scorer
        self.tools = tools or self.scorer.tools or ToolCatalogue()
        self.policy = policy
        self.low = low
        self.fallback = fallback
        self.world_model = world_model
        self.limits = checked_limits(limits) if world_model is not None else {}
        self.policies = tuple(policies)
        self.timeout = timeout
        self.valid_for = valid_for
        self.clock = clock
        self.rule_: ActionRule | None = None
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()
        self._needs: tuple[str, ...] = ()

    def certify(
        self,
        actions: Sequence[AgentAction],
        labels: Sequence[bool | int],
        budgets: Budget | str | Sequence[Budget | str] = "miss rate <= 5% with 95% confidence",
    ) -> RiskCertificate:
        """Certify thresholds per tool from labelled actions, and use them from now on.

        Parameters
        ----------
        actions : drawn like those to come, and not those that the card was learned from.
        labels : 1 where the action should not be done without asking a person.
        budgets : as for `ActionRule`.

        Returns
        -------
        The certificate. Tools with too few labels are left out of it and go to a person; where no
        tool has enough, it says so and everything goes to a person.
        """
        from .action_certificates import ActionRule

        rule = ActionRule(budgets)
        rule.fit(self.scorer.score(actions), labels, [action.tool for action in actions])
        self.rule_ = rule
        return rule.certificate_

    def check(
        self,
        action: AgentAction,
        approve: Approve | None = None,
        *,
        state: Any = None,
        history: Sequence[AgentAction] = (),
    ) -> Checked:
        """Judge one action.

        Parameters
        ----------
        action : what is proposed.
        approve : asks a person; see `Approve`. Without it, on a no, on an error and when time is
            up, an action that needs a yes is escalated.
        state : handed to the world model.
        history : what was done before, so that steps that are a risk together are seen.
        """
        _refuse_unless(isinstance(action, AgentAction), "an AgentAction", "parse_action")
        self._refuse_incomplete()
        digest = action.digest
        score = self._scored(action)
        told, why = self._foretold(state, action)
        if why:
            score = _failed(score, why)
        findings = self._found(action, history)
        decision = self._decided(score, action, findings, told)
        approval, expires = None, None
        if decision.action == "escalate" and approve is not None:
            decision, approval = self._asked(approve, action, digest, score, decision)
            expires = approval.expires if approval else None
        return Checked(
            digest=digest,
            score=score,
            decision=decision,
            findings=findings,
            risks=told.risks if told else {},
            guidance=told.guidance if told and decision.action == "block" else "",
            approval=approval,
            expires=expires,
        )

    def run(
        self,
        action: AgentAction,
        do: Callable[[AgentAction], Any],
        approve: Approve | None = None,
        **known: Any,
    ) -> tuple[Checked, Any]:
        """Check an action and, where it is permitted, do it, once.

        Returns what was found, and what `do(action)` gave (None where it was not called). `known`
        are `state` and `history`, as for `check`. A copy is checked and done, so that what others
        change meanwhile changes nothing.
        """
        _refuse_unless(isinstance(action, AgentAction), "an AgentAction", "parse_action")
        held = copy.deepcopy(action)
        checked = self.check(held, approve, **known)
        if not checked.permits(held, now=self.clock()):
            return checked, None
        return checked, do(held)

    def attach(
        self, *, policy: Decider | None = None, world_model: WorldModel | None = None
    ) -> ActionGuard:
        """Give a loaded guard its policy and world model again, which are not saved."""
        self.policy = policy if policy is not None else self.policy
        self.world_model = world_model if world_model is not None else self.world_model
        held = {"policy": self.policy, "world_model": self.world_model}
        self._needs = tuple(name for name in self._needs if held[name] is None)
        return self

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`; of policy and world model only that they
        were there."""
        return "action_guard", told_guard(self)

    @classmethod
    def from_artifact(cls, body: Mapping[str, Any]) -> ActionGuard:
        """The guard that `to_artifact` described; one that had a policy or a world model refuses
        to check before `attach`."""
        scorer, tools, rule = told_guard_parts(body)
        guard = cls(scorer, tools=tools, **body["params"])
        guard.rule_, guard._needs = rule, tuple(body["needs"])
        guard.limits = checked_limits(body["limits"]) if body["limits"] else {}
        return guard

    def _refuse_incomplete(self) -> None:
        if self._needs:
            raise UsageError(
                "the guard was saved with parts that it does not have now",
                where="ActionGuard",
                expected=" and ".join(self._needs),
                hint="Call attach",
            )

    def check_plan(
        self,
        plan: Plan,
        *,
        state: Any = None,
        replan: Callable[[Plan, tuple[str, ...]], Plan] | None = None,
        rounds: int = 2,
    ) -> PlanVerdict:
        """Judge a whole plan before any of its steps is done.

        `replan` is given a risky plan and the reasons, and returns another plan, at most `rounds`
        times. A verdict approves nothing: each step is still checked when its turn comes, and HIGH
        steps still need a yes.
        """
        _refuse_unless(isinstance(plan, Plan), "a Plan", "parse_plan")
        verdict = self._judged(plan, state)
        for k in range(rounds if replan else 0):
            if not verdict.risky or replan is None:
                break
            advice = (*verdict.reasons, *(s.guidance for s in verdict.steps if s.guidance))
            told, why = answered(lambda v=verdict, a=advice: replan(v.plan, a), self.timeout)  # type: ignore[misc]
            if why or not isinstance(told, Plan):
                break
            verdict = msgspec.structs.replace(self._judged(told, state), rounds=k + 1)
        return verdict

    def _judged(self, plan: Plan, state: Any) -> PlanVerdict:
        steps = tuple(self.check(action, state=state) for action in plan)
        findings = plan_findings(plan, self.scorer, self.tools)
        failed = [k for k, step in enumerate(steps) if step.score.outcome != "scored"]
        high = [k for k, s in enumerate(steps) if s.score.level == "HIGH"]
        blocked = [k for k, s in enumerate(steps) if s.decision.action in ("block", "stop")]
        in_findings = sorted({k for one in findings for k in one.steps})
        types = [one.risk for one in findings] + [risk_type(plan.actions[k]) for k in high]
        reasons = [f"{one.risk}: {one.sentence} ({_places(one.steps)})" for one in findings]
        for risk in dict.fromkeys(risk_type(plan.actions[k]) for k in high):
            places = [k for k in high if risk_type(plan.actions[k]) == risk]
            reasons.append(f"{risk}: HIGH ({_places(places)})")
        over = [k for k in blocked if k not in failed]
        for places, what in ((failed, "could not be judged"), (over, "blocked")):
            reasons += [f"{what} ({_places(places)})"] * bool(places)
        actions: list[Action] = [step.decision.action for step in steps]
        actions += ["escalate"] * bool(findings)
        worst = max(
            (step.score for step in steps),
            key=lambda score: 2.0 if score.severity is None else score.severity,
            default=Score(outcome="not scored", reason="a plan without steps"),
        )
        return PlanVerdict(
            outcome="failed" if failed else "scored",
            risky=bool(reasons),
            risk_types=tuple(dict.fromkeys(types)),
            reasons=tuple(reasons),
            decision=Decision(
                action=severest("allow", *actions),
                hazard="any" if reasons else "",
                reasons=tuple(reasons),
                certificate=self._certificate(),
            ),
            score=worst,
            steps=steps,
            findings=findings,
            plan=plan,
            pruned=_pruned(plan, {*failed, *high, *blocked, *in_findings}),
        )

    def _scored(self, action: AgentAction) -> Score:
        try:
            score = self.scorer.score([action])[0]
            if score.severity is not None and not 0 <= score.severity <= 1:
                return _failed(score, "the scorer gave no severity in [0, 1]")
            return score
        except Exception as error:
            return Score(
                id=action.id,
                outcome="failed",
                reason=f"the scorer failed: {type(error).__name__}",
                digest=action.digest,
            )

    def _foretold(self, state: Any, action: AgentAction) -> tuple[Consequences | None, str]:
        if self.world_model is None:
            return None, ""
        return foretold(self.world_model, state, action, self.policies, self.timeout)

    def _found(
        self, action: AgentAction, history: Sequence[AgentAction]
    ) -> tuple[PlanFinding, ...]:
        """Findings that this action is part of, given what was done before."""
        bare = [msgspec.structs.replace(a, id="", depends_on=()) for a in (*history, action)]
        found = plan_findings(Plan(actions=tuple(bare)), self.scorer, self.tools)
        return tuple(one for one in found if one.steps[-1] == len(history))

    def _decided(
        self,
        score: Score,
        action: AgentAction,
        findings: tuple[PlanFinding, ...],
        told: Consequences | None,
    ) -> Decision:
        if score.outcome != "scored" or score.severity is None:
            return Decision(action=self.fallback, reasons=(score.reason or score.outcome,))
        by_rule, why = self._by_rule(score, action.tool)
        reasons = [why, *(f"{one.risk}: {one.sentence}" for one in findings)]
        actions: list[Action] = [by_rule, "escalate"] if findings else [by_rule]
        made = self._by_policy(score)
        if made is not None:
            actions.append(made.action)
            reasons += made.reasons
        elif self.policy is not None:
            actions.append(self.fallback)
            reasons.append("the policy failed")
        elif self.rule_ is None and score.level != "SAFE":
            actions.append(self.low if score.level == "LOW" else "escalate")
        for term, risk in (told.risks if told else {}).items():
            if risk > self.limits[term]:
                actions.append("block")
                reasons.append(f"the foretold {term} risk is above its limit")
        if score.level == "HIGH":
            actions.append("escalate")
        decision = made or Decision(action="allow")
        return msgspec.structs.replace(
            decision,
            action=severest(*actions),
            hazard=decision.hazard or "any",
            reasons=tuple(reason for reason in reasons if reason),
            certificate=decision.certificate or self._certificate(),
        )

    def _by_rule(self, score: Score, tool: str) -> tuple[Action, str]:
        level = f"the level is {score.level}" if score.level else ""
        if self.rule_ is None:
            return "allow", level
        said = self.rule_.says(score, tool)
        if said == "pass":
            return "allow", level
        if said == "block":
            return "block", "at or above the certified upper threshold"
        if said == "abstain":
            return "escalate", "nothing is certified for this tool"
        return "escalate", "at or above the certified threshold"

    def _by_policy(self, score: Score) -> Decision | None:
        if self.policy is None:
            return None
        try:
            made = self.policy.decide(score)
        except Exception:
            return None
        return made if isinstance(made, Decision) else None

    def _certificate(self) -> str:
        if self.rule_ is None or not self.rule_.certificate_.certified:
            return ""
        return f"sha256:{content_hash(self.rule_.certificate_.to_dict())}"

    def _asked(
        self,
        approve: Approve,
        action: AgentAction,
        digest: str,
        score: Score,
        decision: Decision,
    ) -> tuple[Decision, Approval | None]:
        request = ApprovalRequest(
            action=copy.deepcopy(action), digest=digest, score=score, reasons=decision.reasons
        )
        answer, why = answered(lambda: approve(request), self.timeout)
        approval, problem = self._accepted(answer, why, digest)
        if approval is not None and action.digest != digest:
            approval, problem = None, "the action was changed while a person was asked"
        if approval is None:
            reasons = (*decision.reasons, problem)
            return msgspec.structs.replace(decision, reasons=reasons), None
        reasons = (*decision.reasons, "a person said yes")
        return msgspec.structs.replace(decision, action="allow", reasons=reasons), approval

    def _accepted(self, answer: Any, why: str, digest: str) -> tuple[Approval | None, str]:
        now = self.clock()
        if why:
            return None, f"no answer: {why}"
        if answer is True:
            return Approval(digest=digest, expires=now + self.valid_for), ""
        if not isinstance(answer, Approval):
            return None, "no yes was given"
        mark = content_hash(msgspec.to_builtins(answer))
        if answer.digest != digest:
            return None, "the yes is for another action"
        if not now < answer.expires:
            return None, "the yes has expired"
        with self._lock:
            if mark in self._used:
                return None, "the yes was used before"
            self._used = {one: until for one, until in self._used.items() if now < until}
            self._used[mark] = answer.expires
        return answer, ""


def _refuse_unless(fits: bool, expected: str, reader: str) -> None:
    if not fits:
        raise ParameterError(
            "cannot be checked", where="ActionGuard", expected=expected, hint=f"Use {reader} first"
        )


def _failed(score: Score, why: str) -> Score:
    reason = f"{score.reason}; {why}" if score.reason else why
    return msgspec.structs.replace(score, outcome="failed", severity=None, level="", reason=reason)


def _places(steps: Sequence[int]) -> str:
    shown = ", ".join(map(str, steps[:8])) + (", …" if len(steps) > 8 else "")
    return f"step {shown}" if len(steps) == 1 else f"steps {shown}"


def _pruned(plan: Plan, risky: set[int]) -> Plan:
    """The plan without risky steps and without what depends on them."""
    gone: set[str] = set()
    kept = []
    for place, action in enumerate(plan):
        if place in risky or gone & set(action.depends_on):
            gone.add(action.id or f"step-{place}")
        else:
            kept.append(action)
    return msgspec.structs.replace(plan, actions=tuple(kept))
