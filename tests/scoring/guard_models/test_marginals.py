"""Marginals against a toy model whose answers can all be listed."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import ParameterError
from riskwright.scoring.guard_models.marginals import (
    AnswerLabels,
    Step,
    marginal_at_any_place,
    marginal_at_fixed_place,
    recorded,
    token_probability,
)

from .doubles import place, token

LABELS = ("S1", "S2", "S10")
WORDS = ["unsafe", "safe", "un", "\n", "S", "S1", "S10", "1", "10", "0", ",", " S2", "x"]


def toy(seed: int, depth: int):
    """Next-token probabilities of a random model that ends after `depth` tokens at the latest."""

    def next_token(prefix):
        rng = random.Random(f"{seed}:{prefix}")
        if len(prefix) >= depth:
            return Step(tokens={"": 1.0})
        words = [*rng.sample(WORDS, 4), ""]
        if not prefix:
            words = ["unsafe\n", "safe", "\n", "unsafe"]
        weights = [rng.random() ** 3 + 1e-6 for _ in words]
        return Step(tokens={w: x / sum(weights) for w, x in zip(words, weights, strict=True)})

    return next_token


def exactly(next_token, answers):
    """P(label in answer), by listing every answer."""
    found = dict.fromkeys(answers.labels, 0.0)
    stack = [((), "", 1.0)]
    while stack:
        prefix, text, mass = stack.pop()
        for spelling, p in next_token(prefix).tokens.items():
            if spelling == "":
                for label in answers.found(text, True):
                    found[label] += mass * p
            else:
                stack.append(((*prefix, spelling), text + spelling, mass * p))
    return found


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 80))
def test_the_bracket_always_holds_the_exact_marginal(seed, depth, budget):
    model, answers = toy(seed, depth), AnswerLabels(LABELS)
    truth = exactly(model, answers)
    found = marginal_at_any_place(model, answers, budget=budget)
    for label, p in truth.items():
        low, high = found.bounds[label]
        assert low <= p <= high
        assert low <= found.values[label] <= high


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 60))
def test_unlisted_tokens_widen_the_bracket_and_never_break_it(seed, kept, budget):
    full = toy(seed, 3)

    def capped(prefix):
        ranked = sorted(full(prefix).tokens.items(), key=lambda pair: -pair[1])
        return Step(tokens=dict(ranked[:kept]))

    answers = AnswerLabels(LABELS)
    truth = exactly(full, answers)
    found = marginal_at_any_place(capped, answers, budget=budget)
    for label, p in truth.items():
        assert found.bounds[label][0] <= p <= found.bounds[label][1]


def test_the_bracket_shrinks_to_nothing_with_the_budget():
    model, answers = toy(3, 4), AnswerLabels(LABELS)
    truth = exactly(model, answers)
    widths = []
    for budget in (0, 5, 20, 80, 2000):
        found = marginal_at_any_place(model, answers, budget=budget)
        widths.append(max(high - low for low, high in found.bounds.values()))
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == 1.0
    assert widths[-1] < 1e-9
    assert found.values == pytest.approx(truth, abs=1e-9)


def test_it_stops_at_the_wanted_width():
    model, answers = toy(3, 4), AnswerLabels(LABELS)
    found = marginal_at_any_place(model, answers, budget=10_000, width=0.2)
    assert max(high - low for low, high in found.bounds.values()) <= 0.2
    everything = marginal_at_any_place(model, answers, budget=10_000)
    assert found.calls < everything.calls


TOKENISATIONS = [
    ["unsafe", "\n", "S", "10"],
    ["unsafe", "\n", "S1", "0"],
    ["unsafe\n", " S10"],
    ["unsafe", "\nS", "1", "0"],
    ["un", "safe\n", "S10,"],
]


@pytest.mark.parametrize("pieces", TOKENISATIONS)
def test_s10_is_never_s1_however_it_is_cut(pieces):
    answers = AnswerLabels(LABELS)
    assert answers.found("".join(pieces), True) == {"S10"}
    tokens = [*map(token, pieces), token("<|eot_id|>")]
    found = marginal_at_any_place(recorded(tokens), answers)
    assert found.values == {
        "S1": pytest.approx(0.0),
        "S2": pytest.approx(0.0),
        "S10": pytest.approx(1.0),
    }
    for estimator in (token_probability, marginal_at_fixed_place):
        assert estimator(tokens, answers) == {"S1": 0.0, "S2": 0.0, "S10": pytest.approx(1.0)}


def test_an_answer_without_a_listed_end_leaves_s1_open():
    """Many servers do not list the token that ends the answer."""
    tokens = [token("unsafe\n"), token("S1", S2=0.25)]
    found = marginal_at_any_place(recorded(tokens), AnswerLabels(LABELS))
    assert found.values["S1"] == pytest.approx(0.75)
    assert found.bounds["S1"] == (pytest.approx(0.0), pytest.approx(1.0))
    assert found.open == pytest.approx(1.0)


def test_a_repeated_label_counts_once():
    pieces = ["unsafe\n", "S1", ",", "S1", ",", "S1"]
    tokens = [*(token(piece) for piece in pieces), token("<|eot_id|>")]
    answers = AnswerLabels(LABELS)
    assert marginal_at_any_place(recorded(tokens), answers).values["S1"] == pytest.approx(1.0)
    again = [token("unsafe\n"), token("S1", S2=0.4), token(","), token("S1", S2=0.1)]
    assert token_probability([*again, token("<|eot_id|>")], answers)["S1"] == pytest.approx(0.6)


def test_the_estimators_on_one_answer():
    """unsafe, S1 with 0.8 (S2 0.2), then S10 with 0.5 (S2 0.3): products by hand."""
    tokens = [
        token("unsafe", safe=0.1),
        token("\n"),
        token("S1", S2=0.2),
        token(","),
        token("S10", S2=0.3, x=0.2),
        token("<|eot_id|>"),
    ]
    answers = AnswerLabels(LABELS)
    assert token_probability(tokens, answers) == pytest.approx({"S1": 0.8, "S2": 0.3, "S10": 0.5})
    fixed = marginal_at_fixed_place(tokens, answers)
    assert fixed == pytest.approx({"S1": 0.8, "S2": 0.24, "S10": 0.4})
    tree = marginal_at_any_place(recorded(tokens), answers)
    assert tree.bounds["S1"][0] == pytest.approx(0.9 * 0.8)
    assert tree.values["S2"] == pytest.approx(0.9 * 0.2 + 0.9 * 0.8 * 0.3)
    assert tree.bounds["S10"] == (pytest.approx(0.9 * 0.8 * 0.5), pytest.approx(1 - 0.1))


def test_spellings_of_one_label_at_one_place_are_added():
    tokens = [token("unsafe\n"), place("S2", {"S2": 0.4, " S2": 0.3, "S2\n": 0.2, "S1,": 0.1})]
    assert token_probability(tokens, AnswerLabels(LABELS))["S2"] == pytest.approx(0.9)


def test_a_safe_answer_names_no_label():
    answers = AnswerLabels(LABELS)
    assert answers.found("safe\nS1", True) == frozenset()
    assert answers.settled("safe")
    assert not answers.settled("un")
    assert not answers.settled("unsafe")


def test_a_name_within_another_is_not_found():
    names = ["violent", "non-violent illegal acts", "sexual", "sexual (minor)"]
    answers = AnswerLabels(names, verdict="", heading="categories:")
    assert answers.found("x categories: Non-violent Illegal Acts", True) == {names[1]}
    assert answers.found("violent categories: sexual (minor)", True) == {"sexual (minor)"}
    assert answers.found("categories: sexual ", False) == frozenset()
    assert answers.found("categories: sexual,", False) == {"sexual"}


@given(st.lists(st.sampled_from([*WORDS, "Sexual", " (minor)", "-", " "]), max_size=7))
def test_what_is_found_stays_found(pieces):
    """A label that counts at a beginning counts in every answer that begins so."""
    answers = AnswerLabels(["S1", "S10", "S2", "Sexual", "Sexual (minor)", "x", "S2 x"])
    texts = list(itertools.accumulate(pieces))
    for earlier, later in itertools.pairwise(texts):
        assert answers.found(earlier, False) <= answers.found(later, False)
        assert answers.found(later, False) <= answers.found(later, True)
        if answers.settled(earlier):
            assert answers.found(later, True) == answers.found(earlier, False)


def test_what_is_no_distribution_is_refused():
    with pytest.raises(ParameterError, match="not probabilities"):
        marginal_at_any_place(lambda _: Step(tokens={"a": 0.9, "b": 0.9}), AnswerLabels(["S1"]))
    with pytest.raises(ParameterError, match="no labels"):
        AnswerLabels([])


def test_long_answers_are_read_in_linear_time():
    answers = AnswerLabels(LABELS)
    assert answers.found("unsafe\n" + "S" * 100_000, True) == frozenset()
    assert answers.found("unsafe\n" + "S1," * 30_000, True) == {"S1"}
    assert not math.isnan(marginal_at_any_place(lambda _: None, answers).open)


def test_a_code_that_goes_on_as_one_that_is_not_known_is_not_found():
    answers = AnswerLabels(["S1"])
    for text in ("unsafe\nS12", "unsafe\nS1x", "unsafe\nS12,S13"):
        assert answers.found(text, ended=True) == answers.found(text + ",", ended=False) == set()


def test_what_is_not_listed_stays_open():
    steps = {(): Step(tokens={"safe": 0.6, "unsafe": 0.1}), ("unsafe",): Step(tokens={"": 0.5})}
    found = marginal_at_any_place(lambda prefix: steps.get(prefix), AnswerLabels(["S1"]))
    assert found.open == pytest.approx(0.3 + 0.1 * 0.5)
    assert found.bounds["S1"][1] == pytest.approx(0.3 + 0.1 * 0.5)
