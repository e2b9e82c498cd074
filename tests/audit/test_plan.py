"""Plans: what is stated wins, and every mistake is named before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from riskwright.audit.plan import PARTS, AuditPlan, load_plan
from riskwright.core import ParameterError


def test_arguments_go_before_the_file(tmp_path: Path):
    path = tmp_path / "plan.yaml"
    path.write_text("target: ill\nthreshold: 0.3\ngroups: [sex]\ntolerances: [noise, 0.01]\n")
    plan = load_plan(path, threshold=0.5)
    assert (plan.target, plan.threshold, plan.groups) == ("ill", 0.5, ("sex",))
    assert plan.tolerances == ("noise", 0.01)
    assert load_plan(plan) == plan
    assert load_plan() == AuditPlan()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"group": ["sex"]}, "Did you mean 'groups'"),
        ({"groups": "sex"}, "groups"),
        ({"threshold": "high"}, "threshold"),
        ({"skip": ["slice"]}, "no such part"),
        ({"time": "days"}, "horizon"),
        ({"horizon_time": 365.0}, "column of times"),
        ({"level": 1.0}, "confidence level"),
    ],
)
def test_mistakes_are_named(body, words):
    with pytest.raises(ParameterError, match=words):
        load_plan(body)


def test_every_part_can_be_left_out():
    assert load_plan(skip=PARTS).skip == PARTS
