"""Belief functions: textbook examples, brute force, and guards that are spared."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import DataError, ParameterError
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.dempster_shafer import (
    DempsterShafer,
    Engaged,
    belief,
    combined,
    plausibility,
)
from riskwright.scoring.engagement import engagement

A, B, C = (frozenset({name}) for name in "ABC")


def test_zadehs_paradox():
    """Two doctors: Dempster makes the disease that both hold unlikely sure, Yager does not."""
    sources = [{A: 0.99, B: 0.01}, {C: 0.99, B: 0.01}]
    found = combined(sources)
    assert found.masses == {B: 1.0}
    assert found.conflict == pytest.approx(0.9999)
    careful = combined(sources, "yager")
    assert careful.masses == pytest.approx({B: 0.0001, A | B | C: 0.9999})
    assert belief(careful.masses, B) == pytest.approx(0.0001)
    assert plausibility(careful.masses, B) == pytest.approx(1.0)


def test_an_example_by_hand():
    """m1(A) = .6, m1(AB) = .4; m2(B) = .3, m2(AB) = .7: conflict .18, A: .42/.82, B: .12/.82."""
    found = combined([{A: 0.6, A | B: 0.4}, {B: 0.3, A | B: 0.7}])
    assert found.conflict == pytest.approx(0.18)
    assert found.masses == pytest.approx({A: 0.42 / 0.82, B: 0.12 / 0.82, A | B: 0.28 / 0.82})
    assert plausibility(found.masses, A) == pytest.approx(1 - 0.12 / 0.82)


def drawn(rng, sets):
    mass = rng.dirichlet(np.ones(len(sets)))
    return {part: float(m) for part, m in zip(sets, mass, strict=True)}


def test_three_sources_equal_the_sum_over_all_choices_in_any_order():
    rng = np.random.default_rng(0)
    sets = [frozenset(c) for k in (1, 2, 3) for c in itertools.combinations("ABC", k)]
    sources = [drawn(rng, sets) for _ in range(3)]
    brute = {}
    for choice in itertools.product(*(s.items() for s in sources)):
        part = frozenset.intersection(*(c[0] for c in choice))
        brute[part] = brute.get(part, 0.0) + math.prod(c[1] for c in choice)
    conflict = brute.pop(frozenset())
    for order in itertools.permutations(sources):
        found = combined(order)
        assert found.conflict == pytest.approx(conflict)
        for part, mass in brute.items():
            assert found.masses[part] == pytest.approx(mass / (1 - conflict))
    yager = combined(sources, "yager")
    assert yager.masses[frozenset("ABC")] == pytest.approx(brute[frozenset("ABC")] + conflict)


UNIT = st.floats(0, 1)


@given(
    st.lists(st.tuples(UNIT, UNIT), min_size=1, max_size=4), st.sampled_from(["dempster", "yager"])
)
@settings(max_examples=25, deadline=None)
def test_belief_never_exceeds_plausibility(guards, rule):
    names = [f"g{k}" for k in range(len(guards))]
    join = DempsterShafer(dict(zip(names, (r for r, _ in guards), strict=True)), rule=rule)
    scores = {n: Score(severity=s) for n, (_, s) in zip(names, guards, strict=True)}
    joint = join.combine(scores)
    low, high = joint.bounds["any"]
    assert 0 <= low <= joint.severity <= high <= 1
    assert joint.uncertainty == (low, high)


@given(UNIT, UNIT)
@settings(max_examples=25, deadline=None)
def test_one_guard_alone_keeps_its_score_as_far_as_it_is_reliable(r, s):
    low, high = DempsterShafer({"g": r}).combine({"g": Score(severity=s)}).bounds["any"]
    assert low == pytest.approx(r * s)
    assert high == pytest.approx(r * s + 1 - r)


def test_hazards_are_joined_over_the_guards_that_judge_them():
    join = DempsterShafer({"a": 0.5, "b": 0.8})
    joint = join.combine(
        {
            "a": Score(severity=0.4, hazards={"prv": 0.4}),
            "b": Score(severity=0.9, hazards={"hte": 1.0}),
        }
    )
    assert joint.bounds["hte"] == pytest.approx((0.8, 1.0))
    assert joint.bounds["prv"] == pytest.approx((0.2, 0.7))
    assert joint.values["dempster_shafer"]["conflict"] == pytest.approx(
        0.5 * 0.4 * 0.8 * 0.1 + 0.5 * 0.6 * 0.8 * 0.9
    )


def test_a_failed_guard_knows_nothing_and_total_conflict_stays_open():
    join = DempsterShafer({"a": 1.0, "b": 1.0})
    alone = join.combine({"a": Score(severity=0.3), "b": Score(outcome="failed")})
    assert alone.bounds["any"] == pytest.approx((0.3, 0.3))
    torn = join.combine({"a": Score(severity=0.0), "b": Score(severity=1.0)})
    assert torn.bounds["any"] == (0.0, 1.0)
    nobody = join.combine({"a": Score(outcome="refused")})
    assert (nobody.outcome, nobody.severity) == ("refused", None)


def test_large_conflict_can_go_to_yager():
    scores = {"a": Score(severity=0.05), "b": Score(severity=0.95)}
    dempster = DempsterShafer({"a": 0.9, "b": 0.9}).combine(scores)
    careful = DempsterShafer({"a": 0.9, "b": 0.9}, yager_above=0.5).combine(scores)
    width = [s.bounds["any"][1] - s.bounds["any"][0] for s in (dempster, careful)]
    assert width[0] < 0.1 < 0.7 < width[1]


class Fixed:
    version, taxonomy = "1", "ailuminate"

    def __init__(self, name, cost, severity):
        self.name, self.cost, self.severity, self.calls = name, cost, severity, 0

    def score(self, exchanges):
        self.calls += 1
        if self.severity is None:
            return [Score(outcome="failed")]
        return [Score(severity=self.severity)]


def guards(*severities):
    return [Fixed(n, c, s) for n, c, s in zip("cab", (5.0, 0.1, 1.0), severities, strict=True)]


JOIN = DempsterShafer({"a": 0.7, "b": 0.9, "c": 0.95})


def test_dear_guards_are_spared_once_it_is_decided():
    scorers = guards(0.9, 0.99, 0.9)
    found = JOIN.engage(Exchange(prompt="hello"), scorers, threshold=0.6)
    assert (found.engaged, found.spared, found.stopped) == (("a",), ("b", "c"), "decided")
    assert found.cost == pytest.approx(0.1)
    assert [s.calls for s in scorers] == [0, 1, 0]


def test_guards_that_disagree_bring_in_the_next_one():
    found = JOIN.engage(Exchange(prompt="hello"), guards(0.9, 0.8, 0.4), gap=0.0, threshold=0.6)
    assert found.engaged == ("a", "b", "c")
    assert found.conflict > 0.35
    assert found.cost == pytest.approx(6.1)
    assert found.stopped == "decided"


def test_a_failed_guard_never_decides_anything():
    found = JOIN.engage(Exchange(prompt="hello"), guards(None, None, None), threshold=0.0, gap=1.0)
    assert (found.engaged, found.stopped) == (("a", "b", "c"), "all asked")
    found = JOIN.engage(Exchange(prompt="hello"), guards(None, None, None), threshold=0.5)
    assert (found.stopped, found.score.outcome) == ("all asked", "failed")
    found = JOIN.engage(Exchange(prompt="hello"), guards(0.5, None, 0.5), gap=0.2)
    assert (found.engaged, found.stopped) == (("a", "b"), "sure enough")


def test_saved_and_back():
    join = DempsterShafer({"a": 0.7}, rule="yager", yager_above=None)
    kind, body = join.to_artifact()
    assert kind == "dempster_shafer"
    assert DempsterShafer.from_artifact(body).to_artifact() == (kind, body)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: combined([]), "nothing to combine"),
        (lambda: combined([{A: 0.5}]), "not a mass function"),
        (lambda: combined([{A: 1.5, B: -0.5}]), "not a mass function"),
        (lambda: combined([{frozenset(): 0.5, A: 0.5}]), "not a mass function"),
        (lambda: combined([{A: 1.0}, {B: 1.0}]), "contradict each other entirely"),
        (lambda: combined([{A: 1.0}], "other"), "unknown rule"),
        (lambda: DempsterShafer({"a": 1.5}), "out of range"),
        (lambda: DempsterShafer({"a": "sure"}), "out of range"),
        (lambda: DempsterShafer({}), "no guards"),
        (lambda: JOIN.combine({"z": Score(severity=0.1)}), "unknown guard"),
        (lambda: JOIN.engage(Exchange(), []), "no guards"),
        (lambda: JOIN.engage(Exchange(), guards(1, 1, 1), gap=2), "out of range"),
    ],
)
def test_what_is_refused(make, match):
    with pytest.raises(ParameterError, match=match):
        make()


def engaged(severity, asked, cost, bounds=None):
    score = (
        Score(outcome="failed")
        if severity is None
        else Score(severity=severity, bounds={"any": bounds or (severity, severity)})
    )
    return Engaged(
        score=score, engaged=asked, spared=(), cost=cost, conflict=0.0, stopped="all asked"
    )


def test_report_of_engagement_by_hand():
    """Cases: right, right, wrong with the largest doubt, no score."""
    cases = [
        engaged(0.9, ("a",), 1.0, (0.8, 1.0)),
        engaged(0.1, ("a", "b"), 3.0, (0.0, 0.2)),
        engaged(0.6, ("a", "b"), 3.0, (0.3, 0.9)),
        engaged(None, ("a",), 1.0),
    ]
    everyone = [Score(severity=s) for s in (0.9, 0.2, 0.4, 0.7)]
    report = engagement(cases, everyone, [1, 0, 0, 1], threshold=0.5)
    assert report.accuracy.value == 0.5
    assert report.accuracy_all.value == 1.0
    assert report.failure_auroc.value == 1.0
    assert (report.mean_guards, report.mean_cost, report.unscored) == (1.5, 2.0, 1)
    alone = engagement(cases[:1], everyone[:1], [1], threshold=0.5)
    assert math.isnan(alone.failure_auroc.value)
    with pytest.raises(DataError, match="one case each"):
        engagement(cases, everyone, [1, 0], threshold=0.5)
    with pytest.raises(ParameterError, match="out of range"):
        engagement(cases, everyone, [1, 0, 0, 1], threshold=2)
