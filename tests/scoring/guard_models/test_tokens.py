"""Probability of a word at one place: spellings added, blanks followed, the unknown kept."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.language_models.replies import Completion, Token
from riskwright.scoring.guard_models.tokens import (
    first_word,
    listed,
    share,
    spelled_tokens,
)

from .doubles import place, said, token

SPELLINGS = {"safe": 0.3, " safe": 0.1, "▁safe": 0.05, "Safe": 0.05, "unsafe": 0.2, "Ġunsafe": 0.2}


def test_mass_of_all_spellings_is_added():
    mass = first_word([place("safe", SPELLINGS)], ["safe", "unsafe"])
    assert mass.mass["safe"] == pytest.approx(0.5)
    assert mass.mass["unsafe"] == pytest.approx(0.4)
    assert mass.unknown == pytest.approx(0.1)
    assert mass.written == "safe"


def test_unlisted_mass_is_the_bracket():
    mass = first_word([place("safe", SPELLINGS)], ["safe", "unsafe"])
    value, (low, high) = share(mass, ["unsafe"])
    assert value == pytest.approx(0.4 / 0.9)
    assert (low, high) == (pytest.approx(0.4), pytest.approx(0.5))


def test_a_known_number_of_spellings_narrows_the_bracket():
    """Each token that is not listed is at most as likely as the least likely listed one."""
    listing = {"safe": 0.5, "unsafe": 0.2, "x": 0.01}
    loose = first_word([place("safe", listing)], ["safe", "unsafe"])
    tight = first_word([place("safe", listing)], ["safe", "unsafe"], spellings=4)
    assert loose.unknown == pytest.approx(0.29)
    assert tight.unknown == pytest.approx(0.04)
    assert tight.other == pytest.approx(0.26)


def test_leading_newlines_are_followed_and_the_direct_verdict_counts_too():
    tokens = [token("\n\n", safe=0.2, unsafe=0.1), token("unsafe", safe=0.25)]
    mass = first_word(tokens, ["safe", "unsafe"])
    assert mass.mass["unsafe"] == pytest.approx(0.1 + 0.7 * 0.75)
    assert mass.mass["safe"] == pytest.approx(0.2 + 0.7 * 0.25)
    assert mass.unknown == pytest.approx(0.0)


def test_a_verdict_in_pieces_is_followed_and_another_beginning_is_unknown():
    tokens = [token("un", safe=0.3, uns=0.1), token("safe", sure=0.5)]
    mass = first_word(tokens, ["safe", "unsafe"])
    assert mass.written == "unsafe"
    assert mass.mass["unsafe"] == pytest.approx(0.6 * 0.5)
    assert mass.unknown == pytest.approx(0.1)  # "uns" was not followed
    assert mass.other == pytest.approx(0.6 * 0.5)  # "unsure" is neither


def test_a_label_that_begins_another_counts_once_it_ends():
    labels = ["se", "sec"]
    assert first_word([token("se"), token("c"), token("\n")], labels).written == "sec"
    assert first_word([token("se"), token("\n")], labels).written == "se"
    assert first_word([token("se")], labels, whole=True).written == "se"
    assert first_word([token("se"), token("<|eot_id|>")], labels).written == "se"


@pytest.mark.parametrize(
    "pieces",
    [["Harmful response:", " no"], ["Harmful", " response", ": no"], ["Harmful response: ", "no"]],
)
def test_the_word_after_a_heading(pieces):
    mass = first_word([token(piece) for piece in pieces], ["yes", "no"], after="harmful response:")
    assert mass.written == "no"
    assert mass.mass["no"] == pytest.approx(1.0)


def test_alternatives_of_a_token_that_holds_heading_and_word():
    tokens = [token("Harm"), place(": no", {": no": 0.5, ": yes": 0.3, " is": 0.1, ":": 0.1})]
    mass = first_word(tokens, ["yes", "no"], after="harm:")
    assert mass.mass == {"yes": pytest.approx(0.3), "no": pytest.approx(0.5)}
    assert mass.unknown == pytest.approx(0.1)  # the heading alone, not followed
    assert mass.other == pytest.approx(0.1)


def test_no_heading_is_all_unknown():
    mass = first_word([token("no")], ["yes", "no"], after="score:")
    assert mass.unknown == 1.0
    assert share(mass, ["yes"]) is None


@pytest.mark.parametrize("logprob", [math.nan, 0.5])
def test_what_is_no_probability_is_not_used(logprob):
    bad = Token(text="safe", logprob=logprob)
    assert listed(bad) == {}
    assert spelled_tokens(Completion(text="safe", tokens=(bad,)), "safe") is None


def test_probabilities_that_sum_to_two_are_not_used():
    bad = Token(text="safe", logprob=-0.01, top=(("safe", -0.01), ("unsafe", -0.01)))
    assert listed(bad) == {}


def test_tokens_of_another_text_are_not_used():
    answer = Completion(text="unsafe", tokens=(token("safe"),))
    assert spelled_tokens(answer, "unsafe") is None


def test_tokens_of_thinking_are_cut_off():
    answer = said(token("<think>"), token("hm"), token("</think>"), token("\n"), token("yes"))
    found = spelled_tokens(answer, "yes")
    assert found is not None
    assert [t.text for t in found][-1] == "yes"
    assert "hm" not in [t.text for t in found]


@given(
    st.dictionaries(
        st.sampled_from(["safe", " safe", "unsafe", "\n", "un", "I", "saf", "<|eot_id|>", ""]),
        st.floats(0.001, 1.0),
        min_size=1,
    ),
    st.integers(1, 9),
    st.booleans(),
)
def test_all_mass_is_accounted_for_and_the_bracket_holds_the_share(weights, cap, complete):
    """Whatever the server lists: the parts sum to 1, and more knowledge stays in the bracket."""
    total = sum(weights.values()) * (1.0 if complete else 1.25)
    listing = {text: weight / total for text, weight in weights.items()}
    chosen = max(listing, key=listing.get)
    full = first_word([place(chosen, listing)], ["safe", "unsafe"])
    capped = first_word([place(chosen, listing, cap)], ["safe", "unsafe"])
    for mass in (full, capped):
        assert math.fsum([*mass.mass.values(), mass.other, mass.unknown]) == pytest.approx(1.0)
    known, partial = share(full, ["unsafe"]), share(capped, ["unsafe"])
    if known and partial:
        assert partial[1][0] - 1e-9 <= known[1][0]
        assert known[1][1] <= partial[1][1] + 1e-9
