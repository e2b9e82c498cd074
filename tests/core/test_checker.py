"""The checker agrees with brute force: it passes what is true and refuses what is not."""

import copy
import json
import math
from itertools import combinations, product

import numpy as np
import pytest

from riskwright.core import ArtifactError, SchemaTooNewError
from riskwright.core.checker import check_proof
from riskwright.core.checker.__main__ import main

CODES = ("proof.feasible", "proof.objective", "proof.status", "proof.bound")


def logistic(score, positive, negative):
    """Mean weighted loss for each row of scores."""
    losses = positive * np.logaddexp(0, -score) + negative * np.logaddexp(0, score)
    return losses.sum(axis=-1) / (positive.sum() + negative.sum())


def golden(function, low, high):
    """Elementwise minimiser of convex functions on [low, high]."""
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(40):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        left = function(a) < function(b)
        low, high = np.where(left, low, a), np.where(left, b, high)
    return (low + high) / 2


def best_lines(totals, problem, positive, negative, largest):
    """Loss, slope and intercept that are best for each row of totals."""

    def intercept(slope):
        low, high = (np.full(len(totals), float(end)) for end in problem["intercept"])
        return golden(lambda b: loss(slope, b), low, high)

    def loss(slope, b):
        return logistic(slope[:, None] * totals + b[:, None], positive, negative)

    top = problem["max_log_odds"] / largest
    slope = golden(lambda a: loss(a, intercept(a)), np.zeros(len(totals)), top)
    return loss(slope, intercept(slope)), slope, intercept(slope)


def permitted(used, problem):
    features = {problem["feature"][j] for j in used}
    return (
        (problem["max_features"] is None or len(features) <= problem["max_features"])
        and all(set(group) & used for group in problem["required"])
        and all(len(set(group) & used) <= most for group, most in problem["at_most"])
        and all(one not in used or set(group) & used for one, group in problem["if_then"])
    )


def cards(problem):
    """Every set of items with every choice of points that the rules allow."""
    d = len(problem["low"])
    for size in range(problem["max_terms"] + 1):
        for items in combinations(range(d), size):
            if permitted(set(items), problem):
                ranges = [
                    [p for p in range(problem["low"][j], problem["high"][j] + 1) if p]
                    for j in items
                ]
                for points in product(*ranges):
                    yield items, points


def brute_force(problem, rows, positive, negative):
    """The best card as a claim, by trying all of them."""
    tried = list(cards(problem))
    if not problem["unit"]:  # points of a common divisor are the same card as smaller ones
        tried = [card for card in tried if math.gcd(*card[1]) in (0, 1)]
    totals = np.array([rows[:, list(items)] @ np.array(points, float) for items, points in tried])
    if problem["unit"]:
        grid = np.arange(problem["intercept"][0], problem["intercept"][1] + 1.0)
        losses = logistic(totals[:, None] + grid[:, None], positive, negative)
        loss, slope, intercept = losses.min(1), np.ones(len(tried)), grid[losses.argmin(1)]
    else:
        largest = np.array([max([1, *map(abs, points)]) for _, points in tried])
        loss, slope, intercept = best_lines(totals, problem, positive, negative, largest)
    objective = loss + problem["penalty"] * np.array([len(items) for items, _ in tried])
    i = int(objective.argmin())
    numbers = {"slope": slope, "intercept": intercept, "loss": loss, "objective": objective}
    claim = {name: float(values[i]) for name, values in numbers.items()}
    return {"items": list(tried[i][0]), "points": list(tried[i][1]), **claim}


def make(seed, *, unit, d=5, max_terms=2, numeric=False, most=2, **changes):
    """A random problem with its true optimum as the claim."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(20, 60))
    if numeric:
        rows = np.round(rng.normal(size=(m, d)), 1)
    else:
        rows = (rng.random((m, d)) < rng.uniform(0.2, 0.8, d)).astype(float)
    score = rows @ rng.normal(size=d) * 1.5
    weight = rng.integers(1, 6, m) * rng.uniform(0.5, 1.5, m)
    event = rng.random(m) < 1 / (1 + np.exp(-score))
    positive, negative = weight * event, weight * ~event
    problem = {
        "unit": unit,
        "max_terms": max_terms,
        "max_features": None,
        "max_log_odds": 4.0,
        "penalty": 1e-3,
        "margin": 1e-9,
        "low": [-most] * d,
        "high": [most] * d,
        "feature": list(range(d)),
        "required": [],
        "at_most": [],
        "if_then": [],
        "intercept": [-4, 4],
        "labels": [f"item {j}" for j in range(d)],
    }
    problem.update(changes)
    claim = brute_force(problem, rows, positive, negative)
    claim["lower_bound"] = claim["objective"] - 1e-9
    claim["status"] = "optimal"
    text = ["".join(str(int(v)) for v in row) for row in rows]
    return {
        "format": "riskwright-proof",
        "version": 1,
        "problem": problem,
        "patterns": {
            "rows": rows.tolist() if numeric else text,
            "positive": positive.tolist(),
            "negative": negative.tolist(),
        },
        "claim": claim,
    }


def verdicts(proof, **options):
    findings = check_proof(proof, **options)
    assert tuple(finding.code for finding in findings) == CODES
    return tuple(finding.passed for finding in findings)


def with_bound(proof, change):
    """The same proof with its lower bound moved off the objective."""
    other = copy.deepcopy(proof)
    other["claim"]["lower_bound"] = other["claim"]["objective"] + change
    other["claim"]["status"] = "within_gap"
    return other


CONSTRAINTS = {
    "none": {},
    "required": {"required": [[3, 4], [2]]},
    "at most": {"at_most": [([0, 1, 2], 1), ([3, 4], 1)]},
    "if then": {"if_then": [[0, [3, 4]], [1, [4]], [2, [0]]]},
    "one feature": {"feature": [0, 0, 1, 1, 1], "max_features": 1},
    "signs": {"low": [0, -2, 1, -2, 0], "high": [2, 0, 2, -1, 0]},
    "narrow intercept": {"intercept": [1, 2]},
}


@pytest.mark.parametrize("numeric", [False, True], ids=["binary", "numeric"])
@pytest.mark.parametrize("rules", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize("max_terms", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_unit_cards_pass_at_the_brute_force_optimum_and_fail_just_above_it(
    seed, max_terms, rules, numeric
):
    proof = make(seed, unit=True, max_terms=max_terms, numeric=numeric, **rules)
    assert verdicts(proof) == (True, True, True, True)
    assert verdicts(with_bound(proof, 1e-4))[3] is False


@pytest.mark.parametrize("numeric", [False, True], ids=["binary", "numeric"])
@pytest.mark.parametrize("rules", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_free_cards_pass_at_the_brute_force_optimum_and_fail_just_above_it(rules, numeric):
    proof = make(len(rules), unit=False, numeric=numeric, **rules)
    assert verdicts(proof) == (True, True, True, True)
    assert verdicts(with_bound(proof, 1e-4))[3] is False


@pytest.mark.parametrize("max_terms", [0, 1, 4, 5])
def test_every_number_of_terms_is_covered(max_terms):
    proof = make(7, unit=True, most=1, max_terms=max_terms)
    assert verdicts(proof) == (True, True, True, True)
    total = sum(math.comb(5, k) for k in range(max_terms + 1))
    assert f"all {total} sets" in check_proof(proof)[3].sentence
    assert verdicts(with_bound(proof, 1e-4))[3] is False


def test_a_refuted_bound_names_a_card_that_lies_below_it():
    proof = with_bound(make(1, unit=True), 1e-3)
    best = proof["claim"]["objective"]
    sentence = check_proof(proof)[3].sentence
    objective = float(sentence.rstrip(".").rsplit(" ", 1)[1])
    assert best - 1e-9 < objective < best + 1e-3
    assert "'item " in sentence


def test_without_time_the_bound_stays_undecided_and_says_what_is_verified():
    proof = make(3, unit=True)
    finding = check_proof(proof, seconds=0)[3]
    assert finding.passed is None
    assert "time" in finding.sentence
    verified = float(finding.sentence.split("down to ")[1].split()[0])
    proof["claim"].update(lower_bound=verified, status="within_gap")
    finding = check_proof(proof, seconds=0)[3]
    assert (finding.passed, finding.method) == (True, "relaxation over all items")


def test_too_many_sets_of_numeric_items_are_undecided_at_once():
    proof = make(4, unit=True, d=5, numeric=True)
    copies = 40
    proof["problem"].update(
        low=[-2] * 5 * copies,
        high=[2] * 5 * copies,
        feature=list(range(5 * copies)),
        labels=["x"] * 5 * copies,
        max_terms=6,
    )
    proof["patterns"]["rows"] = [row * copies for row in proof["patterns"]["rows"]]
    finding = check_proof(proof)[3]
    assert finding.passed is None
    assert "too many" in finding.sentence


def test_numbers_too_large_for_exact_rounding_are_undecided():
    proof = make(4, unit=True, numeric=True)
    proof["patterns"]["rows"] = [[1e9 * v for v in row] for row in proof["patterns"]["rows"]]
    assert verdicts(proof)[3] is None


def test_no_claimed_bound_holds_for_every_card():
    proof = make(4, unit=True)
    proof["claim"].update(lower_bound="-Infinity", status="heuristic")
    assert verdicts(proof) == (True, True, True, True)


@pytest.mark.parametrize("number", ["loss", "objective", "intercept", "slope"])
@pytest.mark.parametrize("unit", [True, False])
def test_a_number_that_was_changed_fails(unit, number):
    proof = make(5, unit=unit, most=1)
    proof["claim"][number] += 1e-3
    assert verdicts(proof, seconds=0)[1] is False


def test_points_that_were_changed_fail():
    proof = make(5, unit=True)
    proof["claim"]["points"][0] *= -1
    assert verdicts(proof)[1] is False


def test_weights_that_were_changed_fail():
    proof = make(5, unit=True)
    proof["patterns"]["positive"][0] += 1.0
    assert verdicts(proof)[1] is False


BREACHES = {
    "twice": ({"items": [1, 1], "points": [1, 1]}, {}),
    "whole numbers": ({"items": [1], "points": [0.5]}, {}),
    "points are out of range": ({"items": [1], "points": [3]}, {}),
    "constraint": ({"items": [0, 1], "points": [1, 1]}, {"at_most": [[[0, 1], 1]]}),
    "break a constraint": ({"items": [0, 1, 2], "points": [1, 1, 1]}, {}),
    "slope is not 1": ({"slope": 0.5}, {}),
    "slope is too small": ({"slope": -1.0}, {"unit": False}),
    "slope x points": ({"items": [1], "points": [2], "slope": 2.5}, {"unit": False}),
    "intercept is not a whole": ({"intercept": 0.5}, {}),
    "intercept is out of range": ({"intercept": 5}, {}),
}


@pytest.mark.parametrize("words", BREACHES)
def test_a_card_outside_the_class_fails_and_the_rule_is_named(words):
    proof = make(6, unit=True)
    claim, problem = BREACHES[words]
    proof["claim"].update(claim)
    proof["problem"].update(problem)
    finding = check_proof(proof, seconds=0)[0]
    assert finding.passed is False
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("status", "gap", "passed"),
    [
        ("optimal", 1e-9, True),
        ("optimal", 1e-6, False),
        ("within_gap", 1e-3, True),
        ("time_limit", 0.2, True),
        ("interrupted", -1e-6, False),
        ("best", 0.0, False),
    ],
)
def test_the_status_must_fit_the_gap(status, gap, passed):
    proof = make(6, unit=True)
    proof["claim"].update(status=status, lower_bound=proof["claim"]["objective"] - gap)
    assert verdicts(proof, seconds=0)[2] is passed


def broken(path, value):
    proof = make(0, unit=True, most=1)
    *parents, last = path
    place = proof
    for key in parents:
        place = place[key]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return proof


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format"], "riskwright"),
        (["problem"], KeyError),
        (["problem", "low"], KeyError),
        (["problem", "low"], [1.0]),
        (["problem", "low"], [[1.0]] * 5),
        (["problem", "unit"], "yes"),
        (["problem", "max_terms"], 2.5),
        (["problem", "max_terms"], -1),
        (["problem", "margin"], 1.0),
        (["problem", "penalty"], -1.0),
        (["problem", "penalty"], math.nan),
        (["problem", "intercept"], [1, 2, 3]),
        (["problem", "intercept"], [0.2, 0.8]),
        (["problem", "intercept"], [0, math.inf]),
        (["problem", "required"], [[5]]),
        (["problem", "at_most"], [[0, 1]]),
        (["problem", "if_then"], [[0]]),
        (["patterns", "rows"], []),
        (["patterns", "rows", 0], "01"),
        (["patterns", "rows", 0], "01012"),
        (["patterns", "rows", 0], [0, 1, 0, 1, 1]),
        (["patterns", "positive"], [1.0]),
        (["patterns", "positive", 0], -1.0),
        (["patterns", "negative", 0], math.nan),
        (["claim"], []),
        (["claim", "items"], [0]),
        (["claim", "items"], [7, 8]),
        (["claim", "points"], ["a", "b"]),
        (["claim", "lower_bound"], math.nan),
        (["claim", "objective"], "Infinity"),
    ],
)
def test_a_malformed_proof_is_refused_in_one_sentence(path, value):
    with pytest.raises(ArtifactError):
        check_proof(broken(path, value))


def test_a_proof_of_a_newer_version_is_refused_as_such():
    with pytest.raises(SchemaTooNewError):
        check_proof(broken(["version"], 2))


def test_the_command_prints_each_finding_and_exits_by_the_verdict(tmp_path, capsys):
    proof = make(1, unit=True)
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(proof))
    assert main([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["verified", code] for code in CODES]
    assert main([str(path), "--seconds", "0"]) == 3
    path.write_text(json.dumps(with_bound(proof, 1e-4)))
    assert main([str(path)]) == 1
    assert "REFUTED" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"[" * 100_000, b"[]", b'{"a": 1}'])
def test_the_command_refuses_an_unreadable_file_without_a_traceback(tmp_path, capsys, content):
    path = tmp_path / "proof.json"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert str(path) in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("unit", [True, False])
def test_what_the_search_proves_is_confirmed_at_five_terms(unit):
    solvers = pytest.importorskip("riskwright.solvers")
    rng = np.random.default_rng(11)
    rows = (rng.random((400, 11)) < rng.uniform(0.1, 0.9, 11)).astype(np.uint8)
    risk = 1 / (1 + np.exp(-(rows @ rng.normal(size=11))))
    y = (rng.random(400) < risk).astype(np.uint8)
    patterns = solvers.fold([(rows, y, rng.uniform(0.5, 2.0, 400))], 11, binary=True)
    rules = solvers.ItemRules.plain(11, 5)
    result = solvers.search(solvers.CardProblem(patterns, rules, max_terms=5, unit=unit))
    best = result.best
    proof = make(0, unit=True, most=1)
    proof["problem"].update(
        unit=unit,
        max_terms=5,
        max_log_odds=10.0,
        penalty=1e-6,
        low=list(rules.low),
        high=list(rules.high),
        feature=list(rules.feature),
        intercept=list(rules.intercept),
        labels=[f"item {j}" for j in range(11)],
    )
    proof["patterns"] = {
        "rows": ["".join(str(int(v)) for v in row) for row in patterns.dense()],
        "positive": patterns.positive.tolist(),
        "negative": patterns.negative.tolist(),
    }
    proof["claim"] = {
        "items": list(best.items),
        "points": list(best.points),
        "slope": best.slope,
        "intercept": best.intercept,
        "loss": best.loss,
        "objective": best.objective,
        "lower_bound": result.lower_bound,
        "status": "optimal",
    }
    assert verdicts(proof) == (True, True, True, True)
    assert verdicts(with_bound(proof, 1e-4))[3] is False
