"""One row in process: what is accepted, what is refused, and how fast."""

from __future__ import annotations

import decimal
import math
import timeit
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from riskwright.core import (
    ArtifactError,
    ColumnError,
    Item,
    MissingValueError,
    ScoreCard,
    Term,
    ValueRangeError,
)
from riskwright.scoring.deployment import RowScore, RowScorer

MOOD = 'he said "hi"'
ROW: dict[str, Any] = {"age": 70, "bmi": 20.0, MOOD: "it's", "smoker": 1}


def risk(total: float) -> float:
    return 1 / (1 + math.exp(-(0.625515 * total - 2.59554)))


def test_total_risk_and_the_terms_that_added(card: ScoreCard):
    scorer = RowScorer(card)
    assert scorer(ROW) == RowScore(total=7, risk=risk(7), predicted=None)
    assert [(a.term.item.label, a.points) for a in scorer.explain(ROW)] == [
        ("age ≥ 61 years", 3),
        ("18.5 ≤ bmi < 25", -2),
        ("mood", 4),
        ("smoker", 2),
    ]


@pytest.mark.parametrize(
    "value",
    [61, 61.0, np.int8(61), np.float32(61), np.float64(61), decimal.Decimal(61), np.uint64(99)],
)
def test_every_kind_of_number_is_a_number(card: ScoreCard, value: Any):
    assert RowScorer(card)({**ROW, "age": value}).total == 7


@pytest.mark.parametrize("value", [True, np.True_, 1, 1.0])
def test_booleans_are_zero_and_one(card: ScoreCard, value: Any):
    scorer = RowScorer(card)
    assert scorer({**ROW, "smoker": value}).total - scorer({**ROW, "smoker": not value}).total == 2


@pytest.mark.parametrize("value", [None, math.nan, np.nan, np.float32("nan"), pd.NA, pd.NaT])
def test_missing_values_in_all_their_forms(card: ScoreCard, value: Any):
    scorer = RowScorer(card)
    assert scorer({**ROW, "bmi": value}).total == 10
    assert scorer({**ROW, "age": value}).total == 4
    assert scorer({**ROW, MOOD: value}).total == 3
    with pytest.raises(MissingValueError, match="'smoker'"):
        scorer({**ROW, "smoker": value})


@pytest.mark.parametrize("text", ["", " ", "NA", " n/a ", "?"])
def test_texts_that_mean_missing_count_as_missing(card: ScoreCard, text: str):
    item = Item(feature=MOOD, kind="missing", label="no mood")
    terms = (*card.terms, Term(item=item, points=50))
    scorer = RowScorer(msgspec.structs.replace(card, terms=terms))
    assert scorer({**ROW, MOOD: text}).total == 53
    assert scorer({**ROW, MOOD: "unseen"}).total == 3


def test_levels_are_compared_as_the_table_reader_writes_them(card: ScoreCard):
    item = Item(feature="code", kind="in", label="code 1 or true", levels=("1", "true", "2.5"))
    feature = msgspec.structs.replace(card.features[2], name="code", levels=("1", "true", "2.5"))
    other = msgspec.structs.replace(
        card, terms=(Term(item=item, points=1),), features=(feature,), rows=()
    )
    scorer = RowScorer(other)
    counted = [1, 1.0, np.int64(1), True, np.True_, 2.5, "1"]
    assert [scorer({"code": value}).total for value in counted] == [1] * len(counted)
    assert [scorer({"code": value}).total for value in (0, False, "True", " 1")] == [0] * 4


def test_an_absent_key_is_missing_only_where_missing_values_were_learned(card: ScoreCard):
    scorer = RowScorer(card)
    assert scorer({k: v for k, v in ROW.items() if k != "bmi"}).total == 10
    for name in ("age", MOOD, "smoker"):
        with pytest.raises(ColumnError, match="absent"):
            scorer({k: v for k, v in ROW.items() if k != name})


@pytest.mark.parametrize(
    ("name", "value", "expected", "got"),
    [
        ("age", "61", "a number", "str"),
        ("age", [61], "a number", "list"),
        ("age", 1 + 2j, "a number", "complex"),
        (MOOD, ["it's"], "text", "list"),
        (MOOD, b"it's", "text", "bytes"),
    ],
)
def test_wrong_types_name_the_feature_and_never_quote_the_value(
    card: ScoreCard, name: str, value: Any, expected: str, got: str
):
    with pytest.raises(ColumnError) as caught:
        RowScorer(card)({**ROW, name: value})
    assert caught.value.where == f"feature {name!r}"
    assert (caught.value.expected, caught.value.got) == (expected, got)


@pytest.mark.parametrize("value", [math.inf, -math.inf, np.float32("inf"), 10**400])
def test_infinite_numbers_are_refused(card: ScoreCard, value: Any):
    with pytest.raises(ValueRangeError, match="'age'"):
        RowScorer(card)({**ROW, "age": value})


def test_a_scoring_system_answers_yes_above_its_threshold(card: ScoreCard):
    system = msgspec.structs.replace(
        card, score_class="scoring_system", slope=None, intercept=None, threshold=6.0
    )
    assert RowScorer(system)(ROW) == RowScore(total=7, risk=None, predicted=True)
    assert RowScorer(system)({**ROW, "bmi": 18.5, "age": 60}).predicted is False


def test_points_can_multiply_a_value(card: ScoreCard):
    terms = (*card.terms, Term(item=Item(feature="age", kind="value", label="age"), points=-2))
    scorer = RowScorer(msgspec.structs.replace(card, terms=terms))
    assert scorer({**ROW, "age": 70.5}).total == 7 - 141
    assert scorer({**ROW, "age": None}).total == 4


def test_log_odds_beyond_the_range_of_exp_do_not_overflow(card: ScoreCard):
    steep = msgspec.structs.replace(card, slope=1000.0)
    scorer = RowScorer(steep)
    assert scorer(ROW).risk == 1.0
    assert 0 < scorer({**ROW, "age": 1, MOOD: "plain", "smoker": 0}).risk < 1e-300


def test_points_too_many_to_list_are_scored_all_the_same(card: ScoreCard):
    terms = tuple(msgspec.structs.replace(t, points=t.points * 10**6) for t in card.terms)
    wide = msgspec.structs.replace(card, terms=terms, slope=1e-6)
    assert RowScorer(wide)(ROW) == RowScore(
        7 * 10**6, 1 / (1 + math.exp(-(1e-6 * 7 * 10**6 - 2.59554))), None
    )


def test_cards_that_contradict_themselves_are_refused(card: ScoreCard):
    with pytest.raises(ArtifactError, match="does not describe"):
        RowScorer(msgspec.structs.replace(card, features=card.features[1:]))
    wrong = Item(feature="age", kind="in", label="age", levels=("61",))
    with pytest.raises(ArtifactError, match="'?age'?: a term does not fit"):
        RowScorer(msgspec.structs.replace(card, terms=(Term(item=wrong, points=1),)))


def test_a_row_takes_a_few_microseconds(card: ScoreCard):
    """5 µs on an idle processor; the best of several tries, with room for a busy one."""
    scorer = RowScorer(card)
    best = min(timeit.repeat(lambda: scorer(ROW), number=2000, repeat=20)) / 2000
    assert best < 15e-6
