"""Policies: limits hold numbers to their proof, and mistakes in the file are named."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from riskwright.audit.policy import AuditPolicy, judged, load_policy
from riskwright.audit.running import run_audit
from riskwright.core import Estimate, Finding, ParameterError


def finding(code: str, value: float, low: float, high: float, severity="medium") -> Finding:
    number = Estimate(value=value, low=low, high=high, level=0.95, n=100, method="m")
    return Finding(code=code, sentence=f"It is {value}.", severity=severity, estimate=number)


def reasons(limit: dict, *findings: Finding) -> tuple[str, ...]:
    return judged(load_policy({"limits": [limit]}), findings, {})[1]


GAP = finding("group.fpr.gap", 0.12, 0.08, 0.16)
BELOW = finding("group.fpr.gap", -0.12, -0.16, -0.08)
UNSURE = finding("group.fpr.gap", 0.12, -0.02, 0.26)


@pytest.mark.parametrize("gap", [GAP, BELOW])
@pytest.mark.parametrize(
    ("fails", "bound", "kept"),
    [
        ("proven", 0.07, False),
        ("proven", 0.09, True),
        ("likely", 0.11, False),
        ("likely", 0.13, True),
        ("unless_kept", 0.15, False),
        ("unless_kept", 0.17, True),
    ],
)
def test_a_gap_is_judged_by_its_size_and_the_end_that_the_policy_names(gap, fails, bound, kept):
    found = reasons({"finding": "group.*.gap", "at_most": bound, "fails": fails}, gap)
    assert (not found) == kept


def test_a_gap_that_may_be_zero_proves_nothing():
    assert not reasons({"finding": "group.fpr.gap", "at_most": 0.0}, UNSURE)
    strict = {"finding": "group.fpr.gap", "at_most": 0.2, "fails": "unless_kept"}
    assert reasons(strict, UNSURE)


@pytest.mark.parametrize(
    ("fails", "bound", "kept"), [("proven", 0.83, False), ("proven", 0.81, True),
                                 ("likely", 0.81, False), ("unless_kept", 0.79, False)]
)  # fmt: skip
def test_at_least_looks_at_the_other_end(fails, bound, kept):
    number = finding("discrimination.auroc", 0.8, 0.78, 0.82)
    limit = {"finding": "discrimination.auroc", "at_least": bound, "fails": fails}
    assert (not reasons(limit, number)) == kept


def test_a_number_without_interval_fails_only_where_proof_is_demanded():
    bare = finding("a.b", 0.5, math.nan, math.nan)
    assert not reasons({"finding": "a.b", "at_most": 0.1}, bare)
    assert reasons({"finding": "a.b", "at_most": 0.1, "fails": "likely"}, bare)
    assert reasons({"finding": "a.b", "at_most": 0.9, "fails": "unless_kept"}, bare)


def test_a_limit_about_nothing_that_was_found_fails_unless_optional():
    assert "no finding x.y" in reasons({"finding": "x.y", "at_most": 1}, GAP)[0]
    assert not reasons({"finding": "x.y", "at_most": 1, "optional": True}, GAP)


def test_severity_fails_what_no_limit_covers():
    policy = load_policy({"fail_at": "medium", "limits": [{"finding": "a.*", "at_most": 1}]})
    grave, covered = finding("b.c", 0, 0, 0), finding("a.b", 0, 0, 0, "high")
    low = finding("b.d", 0, 0, 0, "low")
    found, told = judged(policy, [grave, covered, low], {})
    assert [f.passed for f in found] == [False, True, True]
    assert len(told) == 1
    assert told[0].startswith("b.c is of severity medium")


def test_what_nobody_judges_stays_undecided():
    found, told = judged(load_policy({"require": ["groups"]}), [GAP], {"slices": "left out"})
    assert found[0].passed is None
    assert told == ()


def test_a_part_that_must_run_and_did_not_fails_with_its_reason():
    _, told = judged(load_policy({"require": ["groups"]}), [], {"groups": "no groups were named"})
    assert told == ("groups is required but did not run: no groups were named",)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "demands nothing"),
        ({"limits": [{"finding": "a"}]}, "needs one bound"),
        ({"limits": [{"finding": "a", "at_most": 1, "at_least": 0}]}, "needs one bound"),
        ({"limits": [{"finding": "a", "atmost": 1}]}, "limits"),
        ({"limit": []}, "limits"),
        ({"limits": [{"at_most": 1}]}, "finding"),
        ({"require": ["grups"]}, "no such part"),
        ({"fail_at": "grave"}, "fail_at"),
        ({"limits": [{"finding": "a", "at_most": "much"}]}, "limits"),
    ],
)
def test_mistakes_in_a_policy_are_named(body, words):
    with pytest.raises(ParameterError, match=words):
        load_policy(body)


def test_a_policy_file_names_itself_in_errors(tmp_path: Path):
    path = tmp_path / "policy.yaml"
    path.write_text("limits:\n- {finding: group.fpr.gap, at_most: 0.1}\nfail_at: high\n")
    assert isinstance(load_policy(path), AuditPolicy)
    path.write_text("limits: [")
    with pytest.raises(ParameterError, match=r"policy\.yaml, line"):
        load_policy(path)


def test_every_group_is_held_to_a_limit_on_gaps_not_only_the_one_that_a_finding_names():
    wide = Estimate(value=0.01, low=-0.2, high=0.22, level=0.95, n=40, method="m")
    policy = load_policy(
        {"limits": [{"finding": "group.*.gap", "at_most": 0.18, "fails": "unless_kept"}]}
    )
    gaps = {"group.fpr.gap": {"sex = f": GAP.estimate, "age = 90": wide}}
    assert judged(policy, [GAP], {})[1] == ()
    found, told = judged(policy, [GAP], {}, gaps)
    assert found[0].passed is False
    assert "for age = 90:" in told[0]
    proven = load_policy({"limits": [{"finding": "group.*.gap", "at_most": 0.05}]})
    assert "for sex = f:" in judged(proven, [GAP], {}, gaps)[1][0]


def test_gaps_that_may_be_chance_can_be_held_to_a_limit():
    rng = np.random.default_rng(0)
    risk, sex = rng.random(600), rng.choice(["f", "m"], 600)
    frame = pl.DataFrame({"x": risk, "sex": sex, "ill": rng.random(600) < risk})
    asked = {"target": "ill", "groups": ["sex"], "threshold": 0.5}
    found = run_audit(risk, frame, asked, skip=["slices", "distillation"])
    gap = {f.code: f for f in found.findings}["group.fpr.gap"]
    assert (gap.severity, "may be chance" in gap.sentence) == ("low", True)
    assert " less to " in gap.sentence
    limit = {"finding": "group.fpr.gap", "at_most": 0.01}
    assert found.gate({"limits": [limit]}).passed
    assert not found.gate({"limits": [{**limit, "fails": "unless_kept"}]}).passed
