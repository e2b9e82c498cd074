"""Asking for attributes: the value of an answer by brute force, and when to stop."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import EmptyDataError, ParameterError, ValueRangeError
from riskwright.core.scores import ACTIONS, Decision, Score
from riskwright.scoring.asking import Profiles, acquire, ask, curve

VALUES = {"age": ("minor", "adult"), "state": ("calm", "low", "acute"), "job": ("nurse", "other")}


class Cut:
    """Allows below .4, guides below .7, else blocks."""

    def decide(self, score):
        action = "allow" if score.severity < 0.4 else "guide" if score.severity < 0.7 else "block"
        return Decision(action=action)


class World:
    """Random severities for every profile, a random prior, and random costs."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.rows = list(itertools.product(*VALUES.values()))
        self.severity = dict(zip(self.rows, rng.random(len(self.rows)), strict=True))
        shares = rng.dirichlet(np.full(len(self.rows), 0.5))
        kept = [(r, float(s)) for r, s in zip(self.rows, shares, strict=True) if s > 1e-6]
        total = math.fsum(s for _, s in kept)
        self.prior = Profiles(
            attributes=tuple(VALUES),
            rows=tuple(r for r, _ in kept),
            shares=tuple(s / total for _, s in kept),
        )
        table = rng.random((len(ACTIONS), len(ACTIONS))) * 2
        np.fill_diagonal(table, 0)
        self.table = table

    def score_of(self, user):
        return Score(severity=float(self.severity[tuple(user[name] for name in VALUES)]))

    def costs(self, taken, right):
        return float(self.table[ACTIONS.index(taken), ACTIONS.index(right)])

    def right(self, row):
        return Cut().decide(Score(severity=float(self.severity[row]))).action

    def least(self, rows):
        """Least expected cost (not divided by the mass) over rows with their shares."""
        return min(
            math.fsum(s * self.costs(a, self.right(r)) for r, s in rows)
            for a in ACTIONS
            if a != "ask"
        )


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_savings_are_those_of_enumeration(seed):
    world = World(seed)
    question = ask(world.score_of, Cut(), world.prior, costs=world.costs)
    rows = list(zip(world.prior.rows, world.prior.shares, strict=True))
    assert question.expected_cost == pytest.approx(world.least(rows))
    for place, name in enumerate(VALUES):
        after = sum(
            world.least([(r, s) for r, s in rows if r[place] == value]) for value in VALUES[name]
        )
        assert question.savings[name] == pytest.approx(question.expected_cost - after, abs=1e-9)
        assert question.savings[name] >= 0
    if question.attribute and max(question.savings.values()) > 1e-9:
        assert question.savings[question.attribute] == max(question.savings.values())


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_settled_means_that_no_profile_wants_another_action(seed):
    world = World(seed)
    question = ask(world.score_of, Cut(), world.prior, costs=world.costs)
    best = all(
        world.costs(question.action, world.right(r)) <= world.least([(r, 1.0)]) + 1e-12
        for r in world.prior.rows
    )
    assert question.settled == best
    assert bool(question.attribute) == (not best)


@given(st.integers(0, 10_000), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_free_questions_never_lower_the_expected_utility(seed, most):
    """Over all users, the cost after asking is at most that before; after all questions it is the
    least possible."""
    world = World(seed)
    spent = []
    for row in world.prior.rows:
        user = dict(zip(VALUES, row, strict=True))
        found = acquire(
            world.score_of, Cut(), world.prior, user.get, max_asks=most, costs=world.costs
        )
        spent.append(world.costs(found.action, world.right(row)))
    after = math.fsum(c * s for c, s in zip(spent, world.prior.shares, strict=True))
    rows = list(zip(world.prior.rows, world.prior.shares, strict=True))
    assert after <= world.least(rows) + 1e-9
    if most == 3:
        assert after == pytest.approx(sum(world.least([row]) for row in rows), abs=1e-9)


HALVES = {"a": {"0": 0.5, "1": 0.5}, "b": {"0": 0.5, "1": 0.5}, "c": {"0": 0.5, "1": 0.5}}


def parity(user):
    return Score(severity=0.9 if user["a"] != user["b"] else 0.1)


def test_answers_that_help_only_together_are_asked_for():
    prior = Profiles.independent(HALVES)
    question = ask(parity, Cut(), prior)
    assert question.attribute in ("a", "b")
    assert set(question.savings.values()) == {0.0}
    user = {"a": "1", "b": "1", "c": "0"}
    found = acquire(parity, Cut(), prior, user.get, max_asks=3)
    assert set(found.asked) == {"a", "b"}
    assert (found.action, found.ended) == ("allow", "settled")


def test_together_also_where_attributes_repeat_each_other():
    rows = [{"a": a, "a2": a, "b": b, "b2": b} for a in "01" for b in "01"]
    prior = Profiles.of_table(rows)
    found = acquire(parity, Cut(), prior, rows[1].get, max_asks=4)
    assert len(found.asked) == 2
    assert (found.action, found.ended) == ("block", "settled")


def test_nothing_is_asked_where_nothing_depends_on_it():
    prior = Profiles.independent(HALVES)
    question = ask(lambda user: Score(severity=0.1), Cut(), prior)
    assert (question.settled, question.attribute, question.action) == (True, "", "allow")
    assert question.expected_cost == 0


def test_a_price_stops_questions_that_save_less():
    prior = Profiles.independent({"age": {"minor": 0.1, "adult": 0.9}})

    def score_of(user):
        return Score(severity=0.9 if user["age"] == "minor" else 0.1)

    assert ask(score_of, Cut(), prior, price=0.09).attribute == "age"
    dear = ask(score_of, Cut(), prior, price=0.11)
    assert (dear.attribute, dear.settled) == ("", False)
    found = acquire(score_of, Cut(), prior, lambda _: "minor", max_asks=1, price=0.11)
    assert (found.action, found.ended) == ("allow", "not worth it")
    strict = ask(score_of, Cut(), prior, price=0.11, costs=lambda a, r: 5.0 * (a < r) + (a > r))
    assert strict.attribute == "age"


def test_who_does_not_say_is_not_asked_twice():
    prior = Profiles.independent(HALVES)
    found = acquire(parity, Cut(), prior, lambda name: None, max_asks=9)
    assert set(found.asked) == set(found.unanswered)
    assert len(found.asked) == len(set(found.asked))
    assert "c" not in found.asked
    assert found.action == "block"
    assert found.ended == "settled"


def test_fewer_questions_than_wanted():
    prior = Profiles.independent(HALVES)
    found = acquire(parity, Cut(), prior, lambda name: "0", max_asks=1)
    assert (len(found.asked), found.ended) == (1, "asked enough")
    none = acquire(parity, Cut(), prior, lambda name: "0", max_asks=0)
    assert (none.asked, none.ended) == ((), "asked enough")


def test_known_attributes_are_not_asked_for():
    prior = Profiles.independent(HALVES)
    assert ask(parity, Cut(), prior, {"a": "0"}).attribute == "b"
    assert ask(parity, Cut(), prior, {"a": "0", "b": "1"}).settled


def test_curve_rises_to_one_and_asks_less_than_everything():
    prior = Profiles.independent(HALVES)

    def score_of(user):
        return Score(severity=0.9 if user["c"] == "1" else 0.1)

    users = [dict(zip("abc", row, strict=True)) for row in itertools.product("01", repeat=3)]
    found = curve(score_of, Cut(), prior, users)
    assert [e.value for e in found.right] == [0.5, 1.0, 1.0, 1.0]
    assert [e.value for e in found.in_order] == [0.5, 0.5, 0.5, 1.0]
    assert found.asked == (0.0, 1.0, 1.0, 1.0)
    assert found.costs == (0.5, 0.0, 0.0, 0.0)
    assert found.right[0].n == 8


def test_prior_of_a_table_keeps_dependence():
    rows = [{"a": "0", "b": "0"}] * 3 + [{"a": "1", "b": "1"}]
    prior = Profiles.of_table(rows)
    assert dict(zip(prior.rows, prior.shares, strict=True)) == {("0", "0"): 0.75, ("1", "1"): 0.25}
    assert prior.given({"a": "1"}).rows == (("1", "1"),)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Profiles.independent({"a": {"0": 0.5}}), ParameterError, "not a distribution"),
        (lambda: Profiles.independent({"a": {"0": math.nan}}), ParameterError, "distribution"),
        (
            lambda: Profiles.independent({f"a{k}": HALVES["a"] for k in range(17)}),
            ParameterError,
            "too many profiles",
        ),
        (
            lambda: Profiles(attributes=("a",), rows=(("0",), ("0",)), shares=(0.5, 0.5)),
            ParameterError,
            "distinct rows",
        ),
        (lambda: Profiles(attributes=(), rows=(), shares=()), ParameterError, "distinct rows"),
        (lambda: Profiles.of_table([]), EmptyDataError, "no rows"),
        (lambda: Profiles.of_table([{"a": "0"}, {"b": "0"}]), ParameterError, "row 1"),
        (lambda: ask(parity, Cut(), Profiles.independent(HALVES), {"z": "0"}), ParameterError, "z"),
        (
            lambda: ask(parity, Cut(), Profiles.independent(HALVES), {"a": "7"}),
            ValueRangeError,
            "no profile",
        ),
        (
            lambda: ask(parity, Cut(), Profiles.independent(HALVES), costs=lambda a, r: -1.0),
            ParameterError,
            "not costs",
        ),
        (
            lambda: acquire(parity, Cut(), Profiles.independent(HALVES), lambda _: "9", max_asks=1),
            ValueRangeError,
            "does not know",
        ),
        (lambda: curve(parity, Cut(), Profiles.independent(HALVES), []), EmptyDataError, "no user"),
        (
            lambda: curve(parity, Cut(), Profiles.independent(HALVES), [{"a": "0"}]),
            ValueRangeError,
            "values for",
        ),
    ],
)
def test_what_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()
