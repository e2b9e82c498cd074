"""`guided_reply`: a constructive answer under stated guidelines, judged before it goes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from riskwright.core import Finding, ParameterError
from riskwright.core.scores import Decision, Score
from riskwright.evidence.exchanges import Exchange, Message
from riskwright.scoring.guidelines import GuidelineLibrary, Judge, check_reply, guided_messages
from riskwright.taxonomy.policies import Policy

from .guard import Guard

__all__ = ["Guided", "guided_reply"]

_PASSING = ("allow", "guide")


@dataclass(frozen=True)
class Guided:
    """What came of a guided answer.

    `reply` is the answer where it may go out, else None; `guidelines` the ids of those it was
    asked to keep, `findings` which of them it keeps, `score` and `decision` those of the last
    answer, `attempts` how many were asked for.
    """

    reply: str | None = field(repr=False)
    guidelines: tuple[str, ...]
    findings: tuple[Finding, ...]
    score: Score | None
    decision: Decision
    attempts: int


def guided_reply(
    exchange: Exchange,
    decision: Decision,
    *,
    guard: Guard,
    policy: Policy,
    library: GuidelineLibrary,
    answer: Callable[[tuple[Message, ...]], str],
    judge: Judge | None = None,
    attempts: int = 2,
    k: int = 3,
) -> Guided:
    """Ask the model under guidelines, check its answer against them, and decide on it anew.

    Parameters
    ----------
    exchange : whose prompt the policy wants to be answered under guidelines.
    decision : the policy's, with the action "guide"; the guidelines that it names come first, then
        up to `k` that the library retrieves for the prompt.
    guard, policy : judge every answer like any other reply.
    library : of guidelines.
    answer : sends messages to the model and gives its reply.
    judge : says whether a reply keeps a guideline; None leaves that check out.
    attempts : answers to ask for before somebody else has to look.

    Returns
    -------
    Guided
        Without a guideline that applies, or where no answer keeps all guidelines and passes the
        policy, the action is "escalate" (or the policy's, if severer) and there is no reply.

    Raises
    ------
    ParameterError : the decision is another than "guide", or names an unknown guideline; no
        attempts; an answer that is no text.

    Notes
    -----
    Luo et al. (2024), Guide-Align, NAACL, for the library; Oyster-I (2025) for answering people in
    distress rather than refusing them.
    """
    if decision.meant != "guide":
        raise ParameterError(
            "this decision does not ask for guidance",
            where="decision",
            expected="the action guide",
            got=decision.action,
        )
    if attempts < 1:
        raise ParameterError(
            "no attempts", where="attempts", expected="at least 1", got=str(attempts)
        )
    asked = exchange if exchange.reply is None else msgspec.structs.replace(exchange, reply=None)
    found = [match.id for match in library.retrieve(asked, k=k)]
    ids = tuple(dict.fromkeys((*decision.guidance, *found)))
    guidelines = [library[id] for id in ids]
    if not guidelines:
        return Guided(None, (), (), None, _escalated(decision, "no guideline applies"), 0)
    messages = guided_messages(asked, guidelines)
    for attempt in range(1, attempts + 1):
        reply = answer(messages)
        if not isinstance(reply, str):
            raise ParameterError(
                "the answer is no text", where="answer", expected="str", got=type(reply).__name__
            )
        findings = () if judge is None else check_reply(reply, guidelines, judge)
        score = guard.score(msgspec.structs.replace(asked, reply=reply))
        made = policy.decide(score)
        kept = all(finding.passed for finding in findings)
        if kept and made.action in _PASSING:
            return Guided(reply, ids, findings, score, made, attempt)
    broken = [f.code for f in findings if not f.passed]
    why = f"the answer breaks {len(broken)} guidelines" if broken else "the answer does not pass"
    return Guided(None, ids, findings, score, _escalated(made, why), attempts)


def _escalated(decision: Decision, reason: str) -> Decision:
    action = decision.action if decision.action in ("block", "stop") else "escalate"
    reasons: Sequence[str] = (*decision.reasons, f"{reason}: {action}")
    return msgspec.structs.replace(decision, action=action, reasons=tuple(reasons), guidance=())
