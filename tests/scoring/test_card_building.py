"""From a solution to a card: order of terms, rows of the risk table, words on missing values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from riskwright import RiskScoreClassifier
from riskwright.core import Feature, Item, Term
from riskwright.scoring.card_building import (
    MOST_ROWS,
    missing_statement,
    ordered_terms,
    pattern_totals,
    risk_rows,
)
from riskwright.solvers import Found, fold
from riskwright.stats import proportion_interval


def found(items, points) -> Found:
    return Found(tuple(items), tuple(points), 1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("binary", [True, False])
def test_totals_of_patterns_are_sums_of_points(binary):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2 if binary else 5, (50, 70)).astype(float)
    patterns = fold([(X, np.zeros(50, dtype=np.uint8), None)], 70, binary=binary)
    totals = pattern_totals(patterns, found((1, 65, 69), (2, -3, 1)))
    dense = patterns.dense()
    assert np.array_equal(totals, 2 * dense[:, 1] - 3 * dense[:, 65] + dense[:, 69])
    assert not pattern_totals(patterns, found((), ())).any()


def test_terms_follow_the_columns_and_thresholds_rise():
    items = [
        Item(feature="b", kind="ge", label="b ≥ 9", low=9),
        Item(feature="a", kind="missing", label="a missing"),
        Item(feature="a", kind="ge", label="a ≥ 7", low=7),
        Item(feature="a", kind="lt", label="a < 3", high=3),
    ]
    terms = ordered_terms(items, [1, 0, 0, 0], found((0, 1, 2, 3), (4, 3, 2, 1)))
    assert [(t.item.label, t.points) for t in terms] == [
        ("a missing", 3),
        ("a < 3", 1),
        ("a ≥ 7", 2),
        ("b ≥ 9", 4),
    ]


def logistic(total):
    return 1 / (1 + np.exp(-total))


def table(totals, positive, negative, **settings):
    totals, positive, negative = (np.array(a, dtype=float) for a in (totals, positive, negative))
    return risk_rows(totals, positive, negative, logistic(totals), risk=logistic, **settings)


def test_one_row_for_each_total_with_its_counts_and_interval():
    rows = table([2, -1, 2, 0], [3, 0, 1, 2], [1, 8, 5, 2])
    assert [(r.low, r.high, r.n, r.events) for r in rows] == [
        (-1, -1, 8, 0),
        (0, 0, 4, 2),
        (2, 2, 10, 4),
    ]
    assert [r.observed.value for r in rows] == [0.0, 0.5, 0.4]
    assert (rows[2].observed.low, rows[2].observed.high) == proportion_interval(
        4, 10, 0.95, "wilson"
    )
    assert [r.predicted for r in rows] == pytest.approx(logistic(np.array([-1.0, 0, 2])).tolist())


def test_totals_that_can_be_reached_and_held_nobody_have_a_row_without_a_rate():
    rows = table([0, 2], [1, 1], [1, 1], reachable=(0.0, 1.0, 2.0))
    assert [(r.low, r.n, r.observed is None) for r in rows] == [
        (0, 2, False),
        (1, 0, True),
        (2, 2, False),
    ]
    assert rows[1].predicted == pytest.approx(logistic(1.0))


def test_many_totals_are_joined_in_bands_that_part_them():
    rng = np.random.default_rng(1)
    totals = np.round(rng.normal(0, 2, 500), 3)
    positive, negative = rng.integers(0, 3, 500), rng.integers(0, 3, 500) + 0.25
    rows = table(totals, positive, negative)
    assert 12 <= len(rows) <= MOST_ROWS
    assert all(a.high == b.low for a, b in itertools.pairwise(rows))
    assert rows[0].low == totals.min()
    assert rows[-1].high == totals.max()
    assert sum(r.events for r in rows) == positive.sum()
    assert sum(r.n for r in rows) == pytest.approx(positive.sum() + negative.sum())
    for row in rows:
        held = (totals >= row.low) & ((totals < row.high) | (row is rows[-1]))
        weight = (positive + negative)[held]
        assert row.n == pytest.approx(weight.sum())
        assert row.predicted == pytest.approx(np.average(logistic(totals[held]), weights=weight))
    share = np.array([r.n for r in rows]) / sum(r.n for r in rows)
    assert share.max() < 3 / MOST_ROWS


def test_uneven_weights_widen_the_intervals():
    even = table([0], [30], [70])[0].observed
    uneven = table([0], [30], [70], effective_share=0.25)[0].observed
    assert uneven.value == even.value
    assert uneven.n == 25
    assert (uneven.low, uneven.high) == proportion_interval(7.5, 25, 0.95, "wilson")
    assert uneven.high - uneven.low > even.high - even.low


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("binning", ["auto", "none"])
def test_rows_of_a_fitted_card_sum_to_its_rows_and_events(weighted, binning):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 4)).round(1)
    y = (rng.random(300) < logistic(X[:, 0])).astype(int)
    weight = rng.random(300) if weighted else None
    card = RiskScoreClassifier(max_terms=3, binning=binning).fit(X, y, weight).card_
    assert card.n == 300
    if weighted:
        assert card.weight_total == pytest.approx(weight.sum())
        assert card.events == pytest.approx(weight @ y)
    else:
        assert card.weight_total is None
        assert card.events == y.sum()
    assert sum(r.n for r in card.rows) == pytest.approx(card.weight_total or card.n)
    assert sum(r.events for r in card.rows) == pytest.approx(card.events)
    for row in card.rows:
        if row.low == row.high:
            risk = logistic(card.slope * row.low + card.intercept)
            assert row.predicted == pytest.approx(risk)
        assert row.observed is None or row.observed.low <= row.observed.value <= row.observed.high


def test_words_on_missing_values_follow_the_columns_in_use():
    features = [
        Feature(name="a", type="numeric", missing="own_level"),
        Feature(name="b", type="numeric", missing="refused"),
        Feature(name="c", type="numeric", missing="none_seen"),
    ]

    def say(*names: str) -> str:
        terms = [
            Term(item=Item(feature=name, kind="ge", label=name, low=0), points=1) for name in names
        ]
        return missing_statement(features, terms)

    assert say("c") == "none were seen in training; a missing value counts 0 points"
    assert say("a") == "a: a missing value has its own line or counts 0"
    assert say("a", "b") == "a: a missing value has its own line or counts 0; b: refused"
    assert say("b", "c").startswith("b: refused; elsewhere none were seen")
