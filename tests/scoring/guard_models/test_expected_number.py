"""Expected numbers against a toy model whose numbers can all be listed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import ParameterError
from riskwright.scoring.guard_models.expected_number import expected_number
from riskwright.scoring.guard_models.marginals import Step, recorded

from .doubles import place, token


def by_digits(weights):
    """A model that writes numbers digit by digit, with P(n) in proportion to `weights[n]`."""

    def next_token(prefix):
        done = "".join(prefix)
        step: dict[str, float] = {}
        for number, weight in weights.items():
            digits = str(number)
            if digits.startswith(done):
                step[digits[len(done) : len(done) + 1]] = (
                    step.get(digits[len(done) : len(done) + 1], 0.0) + weight
                )
        total = sum(step.values())
        return Step(tokens={digit: w / total for digit, w in step.items()})

    return next_token


@settings(max_examples=40)
@given(
    st.dictionaries(st.integers(0, 100), st.floats(0.01, 1.0), min_size=1, max_size=30),
    st.integers(0, 40),
)
def test_the_bracket_always_holds_the_mean(weights, budget):
    truth = sum(n * w for n, w in weights.items()) / sum(weights.values())
    found = expected_number(by_digits(weights), budget=budget, width=0.0)
    if found is not None:
        assert found.bounds[0] - 1e-9 <= truth <= found.bounds[1] + 1e-9
        assert found.bounds[0] <= found.value <= found.bounds[1]
    complete = expected_number(by_digits(weights), budget=500, width=0.0)
    assert complete is not None
    assert complete.value == pytest.approx(truth)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 30))
def test_digits_that_are_not_listed_stay_in_the_bracket(seed, kept, budget):
    rng = random.Random(seed)
    weights = {rng.randint(0, 100): rng.random() + 0.01 for _ in range(12)}
    truth = sum(n * w for n, w in weights.items()) / sum(weights.values())

    def capped(prefix):
        ranked = sorted(by_digits(weights)(prefix).tokens.items(), key=lambda pair: -pair[1])
        return Step(tokens=dict(ranked[:kept]))

    found = expected_number(capped, budget=budget, width=0.0)
    if found is not None:
        assert found.bounds[0] - 1e-9 <= truth <= found.bounds[1] + 1e-9


def test_a_hundred_can_be_reached():
    found = expected_number(by_digits({100: 1.0}))
    assert found is not None
    assert found.value == 100
    assert found.bounds == (pytest.approx(100), 100)


def test_numbers_of_one_token():
    tokens = [place("80", {"80": 0.5, "20": 0.3, "5": 0.1, "I": 0.1}), token("<|eot_id|>")]
    found = expected_number(recorded(tokens))
    assert found is not None
    assert found.value == pytest.approx((0.5 * 80 + 0.3 * 20 + 0.1 * 5) / 0.9)
    assert found.other == pytest.approx(0.1)
    assert found.bounds[0] <= found.value <= found.bounds[1]


def test_numbers_beyond_the_scale_are_no_numbers():
    assert expected_number(by_digits({250: 1.0})) is None


def test_bad_input_is_refused():
    with pytest.raises(ParameterError, match="budget"):
        expected_number(by_digits({1: 1.0}), budget=-1)
    with pytest.raises(ParameterError, match="not probabilities"):
        expected_number(lambda _: Step(tokens={"1": 0.9, "2": 0.9}))
