"""The guard of actions: HIGH needs a yes for the very action; no failure lets anything through."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import pytest

from riskwright.core import DataError, ParameterError, UsageError, load, save
from riskwright.core.scores import Decision, Score
from riskwright.evidence.action_formats import parse_plan
from riskwright.evidence.action_tools import ToolCatalogue
from riskwright.evidence.actions import AgentAction, Money, Plan, Target
from riskwright.guard.action_certificates import ActionRule
from riskwright.guard.actions import ActionGuard
from riskwright.guard.approvals import Approval, ApprovalRequest
from riskwright.guard.world_models import Consequences
from riskwright.scoring.action_risk import ActionScorer
from riskwright.taxonomy.policies import load_policy

READ = AgentAction(tool="read_file", id="r", kind="read", origin="user", audience="self")
WRITE = AgentAction(
    tool="save", id="w", kind="write", origin="user", audience="self", reversibility="costly"
)
PAY = AgentAction(
    tool="pay", id="p", kind="pay", origin="user", money=Money(amount=40), arguments={"to": "a"}
)


def yes(request: ApprovalRequest) -> bool:
    return True


def test_safe_is_allowed_low_is_policy_high_needs_a_yes() -> None:
    guard = ActionGuard()
    assert [guard.check(a).score.level for a in (READ, WRITE, PAY)] == ["SAFE", "LOW", "HIGH"]
    assert [guard.check(a).decision.action for a in (READ, WRITE, PAY)] == [
        "allow",
        "escalate",
        "escalate",
    ]
    assert ActionGuard(low="allow").check(WRITE).allowed
    assert ActionGuard(low="block").check(WRITE).decision.action == "block"
    assert not ActionGuard(low="allow").check(PAY).allowed
    assert guard.check(PAY, yes).allowed


@pytest.mark.parametrize("answer", [False, None, "yes", 1, "no", [], object()])
def test_only_true_is_a_yes(answer: Any) -> None:
    assert not ActionGuard().check(PAY, lambda request: answer).allowed


def test_errors_and_silence_are_no_yes() -> None:
    def fails(request: ApprovalRequest) -> bool:
        raise SystemExit

    def waits(request: ApprovalRequest) -> bool:
        done.wait(5)
        return True

    done = threading.Event()
    checked = ActionGuard(timeout=0.05).check(PAY, waits)
    assert not checked.allowed
    assert "no answer: timeout" in checked.decision.reasons
    done.set()
    checked = ActionGuard().check(PAY, fails)
    assert "no answer: SystemExit" in checked.decision.reasons
    assert not checked.allowed


def test_a_yes_is_for_the_very_action() -> None:
    checked = ActionGuard().check(PAY, yes)
    assert checked.permits(PAY)
    for change in ({"arguments": {"to": "b"}}, {"money": Money(amount=41)}, {"id": "p2"}):
        assert not checked.permits(msgspec.structs.replace(PAY, **change))


def test_an_action_changed_while_a_person_reads_is_not_done() -> None:
    action = msgspec.structs.replace(PAY, arguments={"to": "a"})

    def changes(request: ApprovalRequest) -> bool:
        action.arguments["to"] = "b"
        return True

    checked = ActionGuard().check(action, changes)
    assert not checked.allowed
    later = ActionGuard().check(PAY, yes)
    PAY.arguments["to"] = "c"
    try:
        assert not later.permits(PAY)
    finally:
        PAY.arguments["to"] = "a"


def test_a_yes_expires() -> None:
    now = [1000.0]
    guard = ActionGuard(valid_for=10, clock=lambda: now[0])
    checked = guard.check(PAY, yes)
    assert checked.expires == 1010
    assert checked.permits(PAY, now=1009)
    assert not checked.permits(PAY, now=1010)


def test_a_yes_given_elsewhere_must_fit_and_holds_once() -> None:
    guard = ActionGuard(clock=lambda: 100.0)
    good = Approval(digest=PAY.digest, expires=200.0, by="ana")
    assert guard.check(PAY, lambda request: good).approval == good
    for answer, words in (
        (good, "used before"),
        (Approval(digest=WRITE.digest, expires=200.0), "another action"),
        (Approval(digest=PAY.digest, expires=100.0), "expired"),
    ):
        checked = guard.check(PAY, lambda request, a=answer: a)
        assert not checked.allowed
        assert words in checked.decision.reasons[-1]


def test_running_happens_once_and_only_when_permitted() -> None:
    done: list[str] = []

    def do(action: AgentAction) -> str:
        done.append(action.tool)
        return "done"

    guard = ActionGuard()
    assert guard.run(READ, do)[1] == "done"
    assert guard.run(PAY, do)[1] is None
    assert guard.run(PAY, do, yes)[1] == "done"
    assert done == ["read_file", "pay"]


class Broken(ActionScorer):
    def score(self, actions: Sequence[AgentAction]) -> list[Score]:
        raise RuntimeError("a private placeholder")


def test_what_cannot_be_scored_is_never_allowed_by_itself() -> None:
    checked = ActionGuard(Broken(), low="allow").check(READ)
    assert (checked.score.outcome, checked.decision.action) == ("failed", "escalate")
    assert "private" not in repr(checked)
    assert ActionGuard(Broken(), fallback="stop").check(READ).decision.action == "stop"
    with pytest.raises(ParameterError, match="lets through"):
        ActionGuard(fallback="allow")  # type: ignore[arg-type]


class Says:
    def __init__(self, action: Any) -> None:
        self.action = action

    def decide(self, score: Score) -> Any:
        if isinstance(self.action, Exception):
            raise self.action
        return Decision(action=self.action, policy="p") if isinstance(self.action, str) else None


def test_a_policy_decides_on_low_and_cannot_waive_the_yes() -> None:
    assert ActionGuard(policy=Says("allow")).check(WRITE).allowed
    assert not ActionGuard(policy=Says("allow")).check(PAY).allowed
    assert ActionGuard(policy=Says("block")).check(READ).decision.action == "block"
    assert not ActionGuard(policy=Says("block")).check(PAY, yes).allowed
    assert ActionGuard(policy=Says("allow")).check(WRITE).decision.policy == "p"
    for broken in (RuntimeError(), 3):
        assert ActionGuard(policy=Says(broken)).check(READ).decision.action == "escalate"


def world(short: float, long: float) -> Any:
    return lambda state, action, policies: Consequences(
        short_term=short, long_term=long, guidance="another way"
    )


LIMITS = {"short term": 0.5, "long term": 0.3}


def test_foretold_consequences_prune_with_guidance() -> None:
    good = ActionGuard(world_model=world(0.5, 0.3), limits=LIMITS).check(READ)
    assert good.allowed
    assert good.risks == {"short term": 0.5, "long term": 0.3}
    later = ActionGuard(world_model=world(0.1, 0.31), limits=LIMITS).check(READ, yes)
    assert later.decision.action == "block"
    assert later.guidance == "another way"
    assert "the foretold long term risk is above its limit" in later.decision.reasons
    seen: list[Any] = []
    guard = ActionGuard(
        world_model=lambda *told: seen.append(told) or {"short_term": 0, "long_term": 0},
        limits=LIMITS,
        policies=("be kind",),
    )
    assert guard.check(READ, state={"page": 1}).allowed
    assert seen == [({"page": 1}, READ, ("be kind",))]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"short_term": 0.1},
        {"short_term": float("nan"), "long_term": 0},
        {"short_term": -1, "long_term": 0},
        {"short_term": 2, "long_term": 0},
        {"short_term": "0", "long_term": 0},
        {"short_term": 0, "long_term": 0, "more": 1},
        0.1,
        RuntimeError(),
    ],
)
def test_a_world_model_that_fails_makes_nothing_safe(answer: Any) -> None:
    def model(state: Any, action: Any, policies: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    checked = ActionGuard(world_model=model, limits=LIMITS, low="allow").check(READ)
    assert checked.score.outcome == "failed"
    assert checked.score.severity is None
    assert checked.decision.action == "escalate"
    verdict = ActionGuard(world_model=model, limits=LIMITS).check_plan(Plan(actions=(READ,)))
    assert (verdict.outcome, verdict.risky) == ("failed", True)


def test_limits_are_needed_with_a_world_model() -> None:
    for limits in (None, {}, {"short term": 0.1}, {"short term": 2, "long term": 0}):
        with pytest.raises(ParameterError, match="limit for each term"):
            ActionGuard(world_model=world(0, 0), limits=limits)


def labelled(rng: np.random.Generator, n: int, tool: str) -> tuple[list[AgentAction], list[int]]:
    """Writes that are risky exactly when large sums are involved, with a little noise."""
    amounts = 10 ** rng.uniform(0, 4, n)
    actions = [
        msgspec.structs.replace(WRITE, tool=tool, money=Money(amount=float(a))) for a in amounts
    ]
    return actions, [int(a > 300 or rng.random() < 0.02) for a in amounts]


def test_thresholds_are_certified_per_tool() -> None:
    rng = np.random.default_rng(0)
    first, y = labelled(rng, 400, "first")
    second, z = labelled(rng, 400, "second")
    few, w = labelled(rng, 5, "few")
    guard = ActionGuard()
    certificate = guard.certify([*first, *second, *few], [*y, *z, *w], "miss rate <= 15%")
    assert certificate.certified
    assert {bound.group for bound in certificate.bounds} == {"first", "second"}
    rule = guard.rule_
    assert rule is not None
    assert rule.covered_ == ("first", "second")
    assert rule.labels_needed_["few"] > 0
    mild = msgspec.structs.replace(WRITE, tool="first", money=Money(amount=2))
    grave = msgspec.structs.replace(mild, money=Money(amount=999))
    assert guard.check(mild).allowed
    assert guard.check(mild).decision.certificate.startswith("sha256:")
    assert guard.check(grave).decision.action == "escalate"
    for tool in ("few", "new"):
        checked = guard.check(msgspec.structs.replace(mild, tool=tool))
        assert checked.decision.reasons[0] == "nothing is certified for this tool"
        assert not checked.allowed
    assert not guard.check(PAY).allowed
    guard.scorer = ActionScorer(tools=ToolCatalogue(own_domains=("example.org",)))
    assert not guard.check(mild).allowed


def test_too_few_labels_certify_nothing() -> None:
    actions, labels = labelled(np.random.default_rng(1), 20, "save")
    guard = ActionGuard()
    certificate = guard.certify(actions, labels, "miss rate <= 1% with 95% confidence")
    assert certificate.verdict == "not attainable"
    assert not guard.check(WRITE).allowed
    assert not guard.check(READ).allowed


def test_two_budgets_make_three_ways() -> None:
    rng = np.random.default_rng(2)
    actions, labels = labelled(rng, 1500, "save")
    few, more = labelled(rng, 4, "few")
    budgets = ["miss rate <= 10%", "false alarm rate <= 10%"]
    rule = ActionRule(budgets)
    scores = ActionScorer().score([*actions, *few])
    rule.fit(scores, [*labels, *more], [a.tool for a in [*actions, *few]])
    assert rule.certificate_.certified
    assert rule.covered_ == ("save",)
    said = {rule.says(score, "save") for score in scores}
    assert said <= {"pass", "escalate", "block"}
    assert "pass" in said
    assert rule.says(scores[0], "few") == "abstain"


@pytest.mark.parametrize(
    ("actions", "labels", "budgets", "error"),
    [
        ([WRITE], [1, 0], "miss rate <= 5%", DataError),
        ([], [], "miss rate <= 5%", DataError),
        ([WRITE], [2], "miss rate <= 5%", DataError),
        ([WRITE], [1], "error rate <= 5%", ParameterError),
        ([WRITE], [1], "miss rate <= 5% per sex", ParameterError),
        ([WRITE], [1], ["false alarm rate <= 5%"], ParameterError),
    ],
)
def test_what_cannot_certify_is_refused(
    actions: Any, labels: Any, budgets: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ActionGuard().certify(actions, labels, budgets)


def test_the_certified_miss_rate_holds() -> None:
    """In 60 worlds with delta 10 % about 6 may break the limit; 13 have probability below 1 %."""
    rng = np.random.default_rng(3)
    broken = 0
    for _ in range(60):
        y = rng.random(300) < 0.5
        score = np.clip(rng.normal(0.4 + 0.2 * y, 0.15), 0, 1)
        rule = ActionRule("miss rate <= 10% with 90% confidence")
        rule.fit([Score(severity=float(s)) for s in score], y.astype(int), ["t"] * 300)
        fresh = np.clip(rng.normal(0.6, 0.15, 20_000), 0, 1)
        threshold = rule.rule_.threshold_  # type: ignore[union-attr]
        broken += float((fresh < threshold).mean()) > 0.10
    assert broken < 13


TOOLS = ToolCatalogue(own_domains=("example.org",), known=("ana@partner.example",))


def plan(*steps: tuple[str, dict[str, Any]], origin: Any = "user") -> Plan:
    return parse_plan([{"tool": t, "args": a} for t, a in steps], tools=TOOLS, origin=origin)


SECRET = ("read_file", {"path": "/home/u/.ssh/id_rsa"})
OUT = ("submit_form", {"url": "https://elsewhere.example/a", "text": "x"})


def test_reading_a_secret_and_sending_after_it_is_a_risk_of_two_steps() -> None:
    guard = ActionGuard(tools=TOOLS)
    verdict = guard.check_plan(plan(SECRET, ("format_text", {}), OUT))
    assert "sensitive data sent outside" in verdict.risk_types
    assert any(one.steps == (0, 2) for one in verdict.findings)
    assert verdict.decision.action == "escalate"
    other_way = guard.check_plan(plan(OUT, SECRET))
    assert "sensitive data sent outside" not in other_way.risk_types
    inside = ("submit_form", {"url": "https://a.example.org/a", "text": "x"})
    assert "sensitive data sent outside" not in guard.check_plan(plan(SECRET, inside)).risk_types


def test_a_check_knows_what_was_done_before() -> None:
    first, last = plan(SECRET, OUT).actions
    guard = ActionGuard(tools=TOOLS, low="allow")
    assert guard.check(last).allowed
    checked = guard.check(last, history=[first])
    assert checked.findings[0].risk == "sensitive data sent outside"
    assert not checked.allowed
    assert guard.check(last, yes, history=[first]).allowed


def test_many_small_payments_add_up() -> None:
    small = ("update_cart", {"price": 60, "currency": "EUR"})
    guard = ActionGuard(tools=TOOLS)
    one = guard.check_plan(plan(small))
    many = guard.check_plan(plan(*[small] * 4))
    assert "excessive payment" not in one.risk_types
    assert "excessive payment" in many.risk_types
    other = ("update_cart", {"price": 60, "currency": "SEK"})
    assert "excessive payment" not in guard.check_plan(plan(small, other)).risk_types


def test_loops_and_look_alikes() -> None:
    guard = ActionGuard(tools=TOOLS)
    note = ("create_note", {"text": "x"})
    assert guard.check_plan(plan(*[note] * 4)).risk_types == ()
    assert guard.check_plan(plan(*[note] * 5)).risk_types == ("loop or bulk",)
    for to, types in (
        ("ana@partner.example", False),
        ("ana@partnor.example", True),
        ("bo@examp1e.org", True),
        ("zoe@quite.other.example", False),
    ):
        verdict = guard.check_plan(plan(("share_draft", {"to": to})))
        assert any(one.risk == "wrong recipient" for one in verdict.findings) is types


def test_pruning_takes_what_depends_on_a_risky_step_too() -> None:
    steps = [
        {"tool": "list_files", "args": {}, "id": "a"},
        {"tool": "delete_database", "args": {"name": "x"}, "id": "b", "depends_on": ["a"]},
        {"tool": "read_log", "args": {}, "id": "c", "depends_on": ["b"]},
        {"tool": "read_more", "args": {}, "id": "d", "depends_on": ["a"]},
    ]
    verdict = ActionGuard().check_plan(parse_plan(steps, origin="user"))
    assert verdict.risk_types == ("irreversible deletion",)
    assert [action.id for action in verdict.pruned] == ["a", "d"]


def test_planning_anew_stops_when_the_plan_is_good() -> None:
    asked: list[tuple[str, ...]] = []

    def better(old: Plan, reasons: tuple[str, ...]) -> Plan:
        asked.append(reasons)
        return Plan(actions=(READ,))

    verdict = ActionGuard().check_plan(Plan(actions=(PAY,)), replan=better)
    assert (verdict.risky, verdict.rounds, len(asked)) == (False, 1, 1)
    assert verdict.plan.actions == (READ,)
    same = ActionGuard().check_plan(Plan(actions=(PAY,)), replan=lambda old, why: old)
    assert (same.risky, same.rounds) == (True, 2)
    broken = ActionGuard().check_plan(Plan(actions=(PAY,)), replan=lambda old, why: 1 / 0)  # type: ignore[arg-type, return-value]
    assert (broken.risky, broken.rounds) == (True, 0)


def test_only_actions_and_plans_are_checked() -> None:
    with pytest.raises(ParameterError, match="parse_action"):
        ActionGuard().check({"tool": "x"})  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="parse_plan"):
        ActionGuard().check_plan([READ])  # type: ignore[arg-type]


def test_an_empty_plan_and_a_long_one() -> None:
    empty = ActionGuard().check_plan(Plan(actions=()))
    assert (empty.risky, empty.score.outcome) == (False, "not scored")
    steps = tuple(
        AgentAction(tool="send", kind="send", target=Target(recipients=(f"a{k}@b.example",)))
        for k in range(300)
    )
    assert ActionGuard(tools=TOOLS).check_plan(Plan(actions=steps)).risky


def test_nothing_that_is_told_quotes_the_plan() -> None:
    private = "aprivateplaceholder"
    bad = plan(SECRET, ("send_email", {"to": f"{private}@x.example", "text": private}))
    guard = ActionGuard(tools=TOOLS)
    verdict = guard.check_plan(bad)
    told = repr(verdict.reasons) + repr(verdict.decision) + repr(verdict.score) + repr(guard)
    assert verdict.risky
    assert private not in told + repr(verdict.steps) + repr(verdict.plan)


class Steady:
    """A policy that always decides the same."""

    def decide(self, score: Score) -> Decision:
        return Decision(action="allow")


def test_a_guard_is_saved_with_its_card_text_model_and_certificate(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    amounts = 10 ** rng.uniform(0, 4, 400)
    past = [
        AgentAction(tool="save", kind="write", origin="user", money=Money(amount=float(a)))
        for a in amounts
    ]
    guard = ActionGuard(low="block", timeout=7.0)
    guard.certify(past, (amounts > 300).astype(int).tolist(), "miss rate <= 10%")
    save(guard, tmp_path / "guard.json")
    again = load(tmp_path / "guard.json")
    assert (again.low, again.timeout) == ("block", 7.0)
    for action in (*past[:20], READ, WRITE, PAY):
        assert again.check(action) == guard.check(action)


@pytest.mark.parametrize("part", ["policy", "world_model"])
def test_a_loaded_guard_refuses_without_the_parts_that_it_had(part: str) -> None:
    model = lambda state, action, policies: Consequences(short_term=0.9, long_term=0.0)  # noqa: E731
    limits = {"short term": 0.5, "long term": 0.5}
    parts: dict[str, Any] = {"policy": {"policy": Steady()}, "world_model": {"world_model": model}}
    more = {"limits": limits} if part == "world_model" else {}
    guard = ActionGuard(**parts[part], **more)
    again = ActionGuard.from_artifact(guard.to_artifact()[1])
    with pytest.raises(UsageError, match=part):
        again.check(READ)
    assert again.attach(**parts[part]).check(READ) == guard.check(READ)


def test_what_is_done_is_what_was_checked_whoever_changes_the_action_meanwhile() -> None:
    action = msgspec.structs.replace(PAY, arguments={"to": "a"})
    done: list[Any] = []

    def approve(request: ApprovalRequest) -> bool:
        request.action.arguments["to"] = "b"
        return True

    def shift(request: ApprovalRequest) -> bool:
        action.arguments["to"] = "c"
        return True

    checked, _ = ActionGuard().run(action, lambda one: done.append(one.arguments["to"]), approve)
    assert checked.allowed
    ActionGuard().run(action, lambda one: done.append(one.arguments["to"]), shift)
    assert done == ["a", "a"]
    assert not ActionGuard().check(PAY, shift).permits(action)


def test_one_approval_is_good_for_one_of_many_threads() -> None:
    guard = ActionGuard()
    given = Approval(digest=PAY.digest, expires=time.time() + 60)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: guard.check(PAY, lambda request: given).allowed, range(64)))
    assert sum(found) == 1


def test_used_approvals_are_forgotten_when_they_have_expired() -> None:
    now = [0.0]
    guard = ActionGuard(clock=lambda: now[0])
    for moment in range(50):
        now[0] = float(moment)
        given = Approval(digest=PAY.digest, expires=moment + 2.5)
        assert guard.check(PAY, lambda request, given=given: given).allowed
        assert not guard.check(PAY, lambda request, given=given: given).allowed
    assert len(guard._used) <= 4


@pytest.mark.parametrize("severity", [float("nan"), 1.5, -0.1])
def test_a_severity_that_is_none_is_a_failure(severity: float) -> None:
    class Odd(ActionScorer):
        def score(self, actions: Any) -> list[Score]:
            return [Score(severity=severity, level="SAFE") for _ in actions]

    checked = ActionGuard(Odd()).check(READ)
    assert (checked.score.outcome, checked.decision.action) == ("failed", "escalate")


def test_private_text_stays_out_of_reprs() -> None:
    told = Consequences(short_term=0.9, long_term=0.1, guidance="CANARY")
    guard = ActionGuard(world_model=lambda *_: told, limits={"short term": 0.5, "long term": 0.5})
    action = msgspec.structs.replace(READ, arguments={"q": "CANARY"})
    checked = guard.check(action)
    assert checked.guidance == "CANARY"
    shown = [told, checked, action, guard.check_plan(Plan(actions=(action,), goal="CANARY"))]
    assert "CANARY" not in "".join(map(repr, shown))


@pytest.mark.parametrize("limit", ["x", None, True, float("nan"), 2])
def test_limits_that_are_none(limit: Any) -> None:
    with pytest.raises(ParameterError, match="limit"):
        ActionGuard(world_model=lambda *_: None, limits={"short term": limit, "long term": 0.5})


def test_a_policy_of_the_package_decides_on_actions() -> None:
    policy = load_policy(
        {
            "id": "p",
            "version": "1",
            "taxonomy": "ailuminate",
            "mode": "enforce",
            "regimes": ["r"],
            "regime": "r",
            "hazards": {"any": {}},
            "thresholds": {"any": {"r": {"low": 0.3, "high": 0.99}}},
            "fallback": {},
        }
    )
    guard = ActionGuard(policy=policy)
    assert [guard.check(one).decision.action for one in (READ, PAY)] == ["allow", "escalate"]
    assert guard.check(PAY, lambda request: True).allowed
