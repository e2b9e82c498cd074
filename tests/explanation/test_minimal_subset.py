"""Minimal subsets: brute force over all sets, what greedy search scores, budgets, bad scorers."""

import itertools
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import DataError, MissingValueError, ParameterError
from riskwright.explanation.minimal_subset import (
    MinimalSubset,
    minimal_subset,
    score_of_columns,
    score_of_texts,
)


def masks_of(k):
    return np.array(list(itertools.product([False, True], repeat=k)))


def least(score, k, threshold):
    """Size of a smallest set on the full input's side, by looking at all of them."""
    masks = masks_of(k)
    values = score(masks)
    kept = (values >= threshold) == (values[-1] >= threshold)
    return int(masks[kept].sum(axis=1).min())


def covering(k, seed, items=40, share=0.15):
    rng = np.random.default_rng(seed)
    covers, worth = rng.random((k, items)) < share, rng.random(items)
    return lambda masks: ((np.asarray(masks, dtype=int) @ covers) > 0) @ worth


def naive(score, k):
    """Forward greedy search: insertion area, deletion area, sets scored."""
    order, left, calls = [], list(range(k)), 0
    while left:
        tried = np.zeros((len(left), k), dtype=bool)
        tried[:, order] = True
        tried[np.arange(len(left)), left] = True
        calls += len(left)
        order.append(left.pop(int(np.argmax(score(tried)))))
    begins = np.array([np.isin(np.arange(k), order[:size]) for size in range(k + 1)])
    areas = [np.trapezoid(score(masks)) / k for masks in (begins, ~begins)]
    return (*areas, calls)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=7),
    st.integers(-12, 12),
)
def test_sums_give_a_smallest_set(points, threshold):
    def score(masks):
        return np.asarray(masks) @ np.array(points)

    found = minimal_subset(score, len(points), threshold=threshold)
    assert (found.score >= threshold) == found.flagged == (sum(points) >= threshold)
    assert len(found.subset) == least(score, len(points), threshold)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=64, max_size=64), st.floats(-1, 1))
def test_any_score_keeps_its_decision_and_no_part_can_be_dropped(table, threshold):
    def score(masks):
        return np.array(table)[np.asarray(masks) @ (2 ** np.arange(6))]

    found = minimal_subset(score, 6, threshold=threshold)
    kept = np.isin([f"part {k + 1}" for k in range(6)], found.subset)
    assert found.minimal
    assert score(kept[None])[0] == found.score
    assert (found.score >= threshold) == found.flagged
    for part in np.flatnonzero(kept):
        fewer = kept.copy()
        fewer[part] = False
        assert (score(fewer[None])[0] >= threshold) != found.flagged
    assert sorted(found.order) == [f"part {k + 1}" for k in range(6)]


@pytest.mark.parametrize("seed", range(12))
def test_submodular_scores_need_few_parts_more_than_the_least(seed):
    score = covering(9, seed)
    threshold = 0.7 * float(score(np.ones((1, 9), dtype=bool))[0])
    best = least(score, 9, threshold)
    found = minimal_subset(score, 9, threshold=threshold)
    assert best <= len(found.subset) <= math.ceil(1.5 * best)


@pytest.mark.parametrize("k", [8, 16, 30])
def test_fewer_sets_are_scored_than_by_naive_search_and_areas_are_not_worse(k):
    ours, theirs = [], []
    for seed in range(15):
        score = covering(k, 100 + seed)
        found = minimal_subset(score, k, threshold=1.0)
        ours.append((found.insertion_area, found.deletion_area, found.calls))
        theirs.append(naive(score, k))
    insertion, deletion, calls = np.mean(np.array(ours) - np.array(theirs), axis=0)
    scale = np.mean(theirs, axis=0)
    assert insertion >= -0.002 * scale[0]
    assert deletion <= 0.002 * scale[1]
    assert calls < 0
    assert np.mean(ours, axis=0)[2] < (0.95 if k == 8 else 0.65 if k == 16 else 0.45) * scale[2]


def test_curves_and_areas_are_those_of_the_order():
    points = np.array([1.0, 4.0, 2.0])
    found = minimal_subset(lambda masks: masks @ points, ["a", "b", "c"], threshold=5)
    assert found.order == ("b", "c", "a")
    assert found.insertion == (0, 4, 6, 7)
    assert found.deletion == (7, 3, 1, 0)
    assert found.insertion_area == pytest.approx((2 + 5 + 6.5) / 3)
    assert found.deletion_area == pytest.approx((5 + 2 + 0.5) / 3)
    assert found.subset == ("b", "c")
    assert msgspec.json.decode(msgspec.json.encode(found), type=MinimalSubset) == found


def test_each_set_is_scored_once():
    seen = []

    def score(masks):
        seen.extend(mask.tobytes() for mask in masks)
        return masks.sum(axis=1)

    minimal_subset(score, 7, threshold=3)
    assert len(seen) == len(set(seen))


def test_a_larger_share_of_the_score_can_be_kept():
    def score(masks):
        return masks @ np.array([3.0, 2.0, 1.0, 0.0])

    sizes = [
        len(minimal_subset(score, 4, threshold=2, keep=keep).subset)
        for keep in ("decision", 0.5, 1.0)
    ]
    assert sizes == [1, 2, 3]


def test_inputs_that_are_not_flagged_and_decisions_that_rest_on_nothing():
    def score(masks):
        return masks @ np.array([-3.0, 1.0]) + 2

    found = minimal_subset(score, ["calm", "risky"], threshold=1)
    assert not found.flagged
    assert found.subset == ("calm",)
    nothing = minimal_subset(score, ["calm", "risky"], threshold=-5)
    assert nothing.subset == ()
    assert "does not rest" in nothing.findings[0].sentence


def test_a_spent_budget_is_said_and_the_set_still_keeps_the_decision():
    score = covering(20, 3)
    full = float(score(np.ones((1, 20), dtype=bool))[0])
    found = minimal_subset(score, 20, threshold=0.9 * full, budget=42)
    assert found.calls <= 42
    assert not found.minimal
    assert found.score >= 0.9 * full
    assert len(found.order) == 20
    assert "budget" in found.findings[0].sentence


def test_texts_and_columns():
    texts = score_of_texts(
        lambda batch: ["threat" in text for text in batch], ["hi", "threat", "bye"]
    )
    assert minimal_subset(texts, ["1st", "2nd", "3rd"], threshold=1).subset == ("2nd",)
    columns = score_of_columns(lambda X: X @ np.array([1.0, 2.0, 3.0]), [1, 1, 1], [0, 0, 0])
    assert minimal_subset(columns, ["a", "b", "c"], threshold=3).subset == ("c",)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"parts": 0}, ParameterError),
        ({"parts": ["a", "a"]}, ParameterError),
        ({"parts": "text"}, ParameterError),
        ({"threshold": math.nan}, ParameterError),
        ({"keep": 0}, ParameterError),
        ({"keep": "score"}, ParameterError),
        ({"budget": 5}, ParameterError),
        ({"score": lambda masks: np.ones(1)}, DataError),
        ({"score": lambda masks: np.full(len(masks), np.nan)}, MissingValueError),
        ({"score": lambda masks: ["high"] * len(masks)}, DataError),
    ],
)
def test_bad_input_is_refused(options, error):
    given = {"score": lambda masks: masks.sum(axis=1), "parts": 3, "threshold": 1.0, **options}
    with pytest.raises(error):
        minimal_subset(given.pop("score"), given.pop("parts"), **given)


def test_row_and_baseline_of_different_length_are_refused():
    with pytest.raises(DataError):
        score_of_columns(lambda X: X[:, 0], [1, 2], [1])
