"""The checker of scoring systems agrees with brute force over cards and thresholds."""

import math

import numpy as np
import pytest

from riskwright.core import ArtifactError
from riskwright.core.checker import check_proof

from .test_checker import cards, verdicts, with_bound


def thresholds(totals, scale):
    """One threshold in each gap between totals, and one outside on either side."""
    values = np.unique(totals)
    wide = np.flatnonzero(np.diff(values) > 1e-9 * scale)
    return [values[0] - 1, *((values[wide] + values[wide + 1]) / 2), values[-1] + 1]


def brute_force(problem, rows, positive, negative):
    """The best card as a claim, by trying all of them; None where no card is allowed."""
    best = None
    total = positive.sum() + negative.sum()
    for items, points in cards(problem):
        totals = rows[:, list(items)] @ np.array(points, float)
        scale = np.abs(rows[:, list(items)]).max(axis=0, initial=0.0) @ np.abs(points)
        for threshold in thresholds(totals, scale):
            missed, alarms = (
                positive[totals <= threshold].sum(),
                negative[totals > threshold].sum(),
            )
            if any(
                rate is not None and errors > rate * weight + 1e-12
                for rate, errors, weight in (
                    (problem["max_false_negative_rate"], missed, positive.sum()),
                    (problem["max_false_positive_rate"], alarms, negative.sum()),
                )
            ):
                continue
            loss = (missed + alarms) / total
            objective = loss + problem["penalty"] * len(items)
            if best is None or objective < best["objective"] - 1e-12:
                best = {
                    "items": list(items),
                    "points": list(points),
                    "threshold": float(threshold),
                    "loss": float(loss),
                    "objective": float(objective),
                }
    return best


def make(seed, *, kind="binary", d=4, max_terms=2, most=2, real=True, **changes):
    """A random problem with its true optimum as the claim; None where no card is allowed."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(8, 30))
    rows = {
        "binary": (rng.random((m, d)) < rng.uniform(0.2, 0.8, d)).astype(float),
        "ordinal": rng.integers(0, 5, (m, d)).astype(float),
        "numeric": np.round(rng.normal(size=(m, d)), 1),
    }[kind]
    weight = rng.integers(1, 6, m) * (rng.uniform(0.5, 1.5, m) if real else 1.0)
    event = rng.random(m) < 1 / (1 + np.exp(-(rows - rows.mean(axis=0)) @ rng.normal(size=d) * 2))
    positive, negative = weight * event, weight * ~event
    problem = {
        "loss": "zero_one",
        "max_terms": max_terms,
        "max_features": None,
        "max_false_positive_rate": None,
        "max_false_negative_rate": None,
        "penalty": 1e-3,
        "margin": 0.0,
        "low": [-most] * d,
        "high": [most] * d,
        "feature": list(range(d)),
        "required": [],
        "at_most": [],
        "if_then": [],
        "labels": [f"item {j}" for j in range(d)],
    }
    problem.update(changes)
    claim = brute_force(problem, rows, positive, negative)
    if claim is None:
        return None
    claim["lower_bound"] = claim["objective"]
    claim["status"] = "optimal"
    text = ["".join(str(int(v)) for v in row) for row in rows]
    return {
        "format": "riskwright-proof",
        "version": 1,
        "problem": problem,
        "patterns": {
            "rows": text if kind == "binary" else rows.tolist(),
            "positive": positive.tolist(),
            "negative": negative.tolist(),
        },
        "claim": claim,
    }


CONSTRAINTS = {
    "none": {},
    "required": {"required": [[3, 2], [1]]},
    "at most": {"at_most": [([0, 1, 2], 1)]},
    "if then": {"if_then": [[0, [2, 3]], [1, [3]]]},
    "one feature": {"feature": [0, 0, 1, 1], "max_features": 1},
    "signs": {"low": [0, -2, 1, -2], "high": [2, 0, 2, -1]},
    "few false alarms": {"max_false_positive_rate": 0.1},
    "few missed": {"max_false_negative_rate": 0.1},
    "few of both": {"max_false_positive_rate": 0.4, "max_false_negative_rate": 0.4},
    "no false alarms": {"max_false_positive_rate": 0.0},
}


@pytest.mark.parametrize("kind", ["binary", "ordinal", "numeric"])
@pytest.mark.parametrize("rules", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize("max_terms", [2, 3])
def test_cards_pass_at_the_brute_force_optimum_and_fail_just_above_it(rules, kind, max_terms):
    checked = 0
    for seed in range(4):
        proof = make(seed, kind=kind, max_terms=max_terms, real=seed % 2 == 0, **rules)
        if proof is not None and proof["claim"]["loss"] > 0:
            assert verdicts(proof) == (True, True, True, True)
            assert verdicts(with_bound(proof, 1e-6))[3] is False
            checked += 1
    assert checked > 0


def test_a_refuted_bound_names_a_card_that_lies_below_it():
    proof = with_bound(make(1, kind="ordinal"), 1e-3)
    best = proof["claim"]["objective"]
    sentence = check_proof(proof)[3].sentence
    assert float(sentence.rstrip(".").rsplit(" ", 1)[1]) == pytest.approx(best, abs=1e-3)
    assert "'item " in sentence


def test_without_time_the_bound_stays_undecided():
    finding = check_proof(make(3, kind="ordinal", max_terms=3), seconds=-1)[3]
    assert finding.passed is None
    assert "time" in finding.sentence


@pytest.mark.parametrize("number", ["loss", "objective", "threshold"])
def test_a_number_that_was_changed_fails(number):
    proof = make(5, kind="ordinal")
    proof["claim"][number] += 1.0
    assert verdicts(proof)[1] is False


BREACHES = {
    "points are out of range": ({"items": [1], "points": [3]}, {}),
    "break a constraint": ({}, {"required": [[0], [1], [2]]}),
    "too many events": ({"threshold": 1e6}, {"max_false_negative_rate": 0.5}),
    "too many non-events": ({"threshold": -1e6}, {"max_false_positive_rate": 0.5}),
}


@pytest.mark.parametrize("words", BREACHES)
def test_a_card_outside_the_class_fails_and_the_rule_is_named(words):
    proof = make(6, kind="ordinal")
    claim, problem = BREACHES[words]
    proof["claim"].update(claim)
    proof["problem"].update(problem)
    finding = check_proof(proof)[0]
    assert finding.passed is False
    assert words in finding.sentence


def test_a_threshold_that_parts_equal_totals_fails():
    """0.1 * 3 and 0.3 differ in their last bit: no threshold may lie between them."""
    proof = make(0, d=2, kind="numeric", most=3)
    proof["patterns"] = {
        "rows": [[0.1, 0.0], [0.0, 0.3], [0.0, 0.0]],
        "positive": [1.0, 0.0, 0.0],
        "negative": [0.0, 1.0, 1.0],
    }
    above, below = 0.1 * 3, 0.3
    assert above > below
    proof["claim"].update(items=[0, 1], points=[3, 1], threshold=below, status="heuristic")
    finding = check_proof(proof)[0]
    assert finding.passed is False
    assert "equal totals" in finding.sentence


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["problem", "loss"], "hinge"),
        (["problem", "max_false_positive_rate"], 1.5),
        (["problem", "linear"], [[[0], [1.0], 0.0, 1.0]]),
        (["claim", "threshold"], math.nan),
    ],
)
def test_a_malformed_proof_is_refused(path, value):
    proof = make(0)
    proof[path[0]][path[1]] = value
    with pytest.raises(ArtifactError):
        check_proof(proof)
