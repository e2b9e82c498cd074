"""Folding: what is summed, and that neither order nor chunks matter."""

from __future__ import annotations

import importlib
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.solvers import Patterns, fold


def rows_of(seed: int, n: int, d: int, *, binary: bool):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, (n, d)) if binary else rng.integers(-2, 3, (n, d)) / 2
    return X.astype(float), rng.integers(0, 2, n).astype(np.uint8), rng.integers(0, 4, n) / 4


def by_hand(X, y, weight) -> dict[tuple[float, ...], list[float]]:
    sums: dict[tuple[float, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row, label, w in zip(X.tolist(), y.tolist(), weight.tolist(), strict=True):
        sums[tuple(row)][label] += w
    return {row: pair for row, pair in sums.items() if any(pair)}


def as_dict(patterns: Patterns) -> dict[tuple[float, ...], list[float]]:
    pairs = zip(patterns.negative.tolist(), patterns.positive.tolist(), strict=True)
    rows = [tuple(row) for row in patterns.dense().tolist()]
    assert len(set(rows)) == len(rows) == len(patterns)
    return {row: list(pair) for row, pair in zip(rows, pairs, strict=True)}


def equal(a: Patterns, b: Patterns) -> bool:
    return (
        np.array_equal(a.dense(), b.dense())
        and np.array_equal(a.positive, b.positive)
        and np.array_equal(a.negative, b.negative)
    )


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 60),
    d=st.sampled_from([1, 3, 7, 8, 9, 63, 64, 65, 130]),
    binary=st.booleans(),
)
def test_patterns_hold_the_weight_of_events_and_non_events_of_equal_rows(seed, n, d, binary):
    X, y, weight = rows_of(seed, n, min(d, 4) if seed % 2 else d, binary=binary)
    patterns = fold([(X, y, weight)], X.shape[1], binary=binary)
    assert as_dict(patterns) == by_hand(X, y, weight)
    assert patterns.total == weight.sum()
    for j in (0, X.shape[1] - 1):
        assert np.array_equal(patterns.column(j), patterns.dense()[:, j])


@given(seed=st.integers(0, 10**6), binary=st.booleans(), cuts=st.lists(st.integers(0, 50)))
def test_order_and_chunks_do_not_matter(seed, binary, cuts):
    X, y, weight = rows_of(seed, 50, 3, binary=binary)
    whole = fold([(X, y, weight)], 3, binary=binary)
    order = np.random.default_rng(seed).permutation(50)
    parts = [p for p in np.split(order, sorted(cuts)) if len(p)]
    chunks = [(X[p], y[p], weight[p]) for p in parts]
    assert equal(fold(chunks, 3, binary=binary), whole)


@pytest.mark.parametrize("binary", [True, False])
def test_weight_of_two_is_the_row_twice_and_none_is_one(binary):
    X, y, _ = rows_of(3, 40, 3, binary=binary)
    weight = np.random.default_rng(4).integers(0, 4, 40)
    twice = np.repeat(np.arange(40), weight)
    weighted = fold([(X, y, weight.astype(float))], 3, binary=binary)
    assert equal(fold([(X[twice], y[twice], None)], 3, binary=binary), weighted)
    ones = fold([(X, y, np.ones(40))], 3, binary=binary)
    assert equal(fold([(X, y, None)], 3, binary=binary), ones)


def test_many_distinct_rows_survive_the_growth_of_the_table():
    n, d = 30_000, 17
    X = ((np.arange(n)[:, None] >> np.arange(d)) & 1).astype(np.uint8)
    y = (np.arange(n) % 3 == 0).astype(np.uint8)
    patterns = fold([(X, y, None)], d, binary=True)
    codes = patterns.dense() @ 2.0 ** np.arange(d)
    assert np.array_equal(np.sort(codes), np.arange(n))
    assert np.array_equal(patterns.positive == 1, codes % 3 == 0)


def test_rows_that_share_a_hash_stay_apart(monkeypatch):
    X, y, weight = rows_of(5, 60, 4, binary=False)
    module = importlib.import_module("riskwright.solvers.patterns")
    monkeypatch.setattr(module, "_mixed", np.zeros_like)
    assert as_dict(fold([(X, y, weight)], 4, binary=False)) == by_hand(X, y, weight)


def test_minus_zero_is_zero():
    X = np.array([[0.0], [-0.0]])
    patterns = fold([(X, np.array([0, 1], dtype=np.uint8), None)], 1, binary=False)
    assert len(patterns) == 1
