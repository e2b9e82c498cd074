"""Injected risks: labelled, repeatable, and seen by the guard where they should be."""

from __future__ import annotations

import pytest

from riskwright.core import ParameterError
from riskwright.evidence.action_formats import parse_plan
from riskwright.evidence.action_tools import ToolCatalogue
from riskwright.evidence.actions import Plan
from riskwright.guard.actions import ActionGuard
from riskwright.guard.injection import DIFFICULTIES, inject, measure_detection
from riskwright.guard.plan_risks import RISK_TYPES

TOOLS = ToolCatalogue(own_domains=("example.org",), known=("ana@partner.example",))
CALLS = [
    ("search_flights", {"to_city": "B"}),
    ("read_file", {"path": "/srv/docs/report.txt"}),
    ("create_note", {"text": "placeholder"}),
    ("send_email", {"to": "ana@partner.example", "text": "placeholder"}),
    ("list_payments", {"month": 3}),
    ("update_event", {"day": "2026-01-07"}),
]


def benign(k: int) -> Plan:
    steps = [CALLS[(k + j) % len(CALLS)] for j in range(3 + k % 3)]
    return parse_plan(
        {"goal": "g", "steps": [{"tool": t, "args": a} for t, a in steps]},
        tools=TOOLS,
        origin="user",
    )


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("risk", RISK_TYPES)
def test_injection_is_labelled_and_repeatable(risk: str, difficulty: str) -> None:
    trace = benign(1)
    risky, label = inject(trace, risk, difficulty, 7, tools=TOOLS)  # type: ignore[arg-type]
    assert inject(trace, risk, difficulty, 7, tools=TOOLS) == (risky, label)  # type: ignore[arg-type]
    kept = [a.source_digest for k, a in enumerate(risky) if k not in label.steps]
    assert kept == [action.source_digest for action in trace]
    assert label.steps
    assert len(risky) == len(trace) + len(label.steps)
    assert 0 not in label.steps
    assert [action.step for action in risky] == list(range(len(risky)))
    assert (label.risk, label.difficulty, label.seed) == (risk, difficulty, 7)


def test_seeds_differ() -> None:
    found = {inject(benign(2), "wrong recipient", "overt", seed)[1].steps for seed in range(20)}
    assert len(found) > 1


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(ParameterError, match="Did you mean 'loop or bulk'"):
        inject(benign(0), "loop or bulks")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="difficulty"):
        inject(benign(0), "loop or bulk", "hard")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="without steps"):
        inject(Plan(actions=()), "loop or bulk")
    with pytest.raises(ParameterError, match="nothing to measure"):
        measure_detection(ActionGuard(), [])


def test_detection_is_measured_by_risk_and_difficulty() -> None:
    traces = [benign(k) for k in range(10)]
    bench = measure_detection(ActionGuard(tools=TOOLS), traces)
    rates = {(row.risk, row.difficulty): row.detected for row in bench.rows}
    assert len(rates) == len(RISK_TYPES) * len(DIFFICULTIES)
    overt = [rates[risk, "overt"].value for risk in RISK_TYPES]
    assert overt == [1.0] * len(RISK_TYPES)
    assert rates["privilege grant", "diluted"].value == 0.0  # groups have no meaning to the card
    assert bench.false_alarms.value == 0.0
    assert bench.false_alarms.n == 10
    for row in bench.rows:
        assert row.typed.value <= row.detected.value
        assert row.detected.low <= row.detected.value <= row.detected.high
    assert "false alarms on benign traces: 0.000" in bench.table()


def test_a_guard_that_sees_nothing_detects_nothing() -> None:
    from riskwright.scoring.action_risk import ActionCard, ActionScorer

    blind = ActionScorer(ActionCard(points={"kind": {"pay": 1}}, low=50, high=99), tools=TOOLS)
    bench = measure_detection(
        ActionGuard(blind), [benign(0)], risks=["privilege grant"], difficulties=["overt"]
    )
    assert bench.rows[0].detected.value == 0.0
