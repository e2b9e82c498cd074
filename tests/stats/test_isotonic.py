"""Isotonic regression and folding against scipy, numpy and their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression as scipy_isotonic

from riskwright.core import DataError
from riskwright.stats.isotonic import (
    fold_by_score,
    isotonic_regression,
    pool_adjacent_violators,
)

HARD = [0.0, -0.0, 5e-324, -5e-324, 1e308, -1e308, 1.0, np.nextafter(1, 2), -1.0, 0.5, 1e-300]
SCORES = st.one_of(st.sampled_from(HARD), st.floats(-1e9, 1e9), st.integers(-3, 3).map(float))
ROWS = st.lists(st.tuples(SCORES, st.booleans(), st.floats(0.01, 9)), min_size=1, max_size=60)


def arrays(rows):
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))


@given(ROWS, st.booleans())
def test_folding_sums_the_weights_at_every_distinct_score(rows, weighted):
    score, y, weight = arrays(rows)
    value, events, nonevents = fold_by_score(score, y, weight if weighted else None)
    w = weight if weighted else np.ones(y.size)
    distinct, where = np.unique(score + 0.0, return_inverse=True)
    assert np.array_equal(value, distinct)
    assert events == pytest.approx(np.bincount(where, w * y), abs=1e-12)
    assert nonevents == pytest.approx(np.bincount(where, w * (1 - y)), abs=1e-12)


def test_folding_many_rows_sorts_them():
    rng = np.random.default_rng(0)
    score, y = rng.normal(size=50_000), (rng.random(50_000) < 0.2).astype(float)
    value, events, nonevents = fold_by_score(score, y)
    order = np.argsort(score)
    assert np.array_equal(value, score[order])
    assert np.array_equal(events, y[order])
    assert np.array_equal(nonevents, 1 - y[order])
    weighted = fold_by_score(score, y, np.full(y.size, 2.0))
    assert np.array_equal(weighted[1], 2 * events)
    assert np.array_equal(weighted[2], 2 * nonevents)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 9)), min_size=1, max_size=60),
)
def test_pooling_equals_scipy(rows):
    y, weight = arrays(rows)
    starts, level, held = pool_adjacent_violators(y * weight, weight)
    expected = scipy_isotonic(y, weights=weight).x
    fitted = np.repeat(level, np.diff([*starts, y.size]))
    assert fitted == pytest.approx(expected, abs=1e-9)
    assert held.sum() == pytest.approx(weight.sum())
    assert (np.diff(level) >= 0).all()


@given(ROWS)
def test_fit_is_the_scipy_fit_of_the_folded_rates(rows):
    score, y, weight = arrays(rows)
    fit = isotonic_regression(score, y, weight)
    value, events, nonevents = fold_by_score(score, y, weight)
    total = events + nonevents
    expected = scipy_isotonic(events / total, weights=total).x
    at = np.searchsorted(fit.low, value, side="right") - 1
    assert fit.level[at] == pytest.approx(expected, abs=1e-9)
    assert (fit.low <= fit.high).all()
    assert (fit.high[:-1] < fit.low[1:]).all()


def test_isotonic_regression_refuses_bad_columns():
    score, y = np.array([0.1, 0.2, 0.3]), np.array([0.0, 1.0, 1.0])
    for columns in (
        (score[:2], y),
        (score, y[:2]),
        (np.array([0.1, np.nan, 0.3]), y),
        (score, y + 0.5),
        (score, y, np.array([1.0, -1.0, 1.0])),
        (score, y, np.ones(2)),
        (np.empty(0), np.empty(0)),
    ):
        with pytest.raises(DataError):
            isotonic_regression(*columns)
    with pytest.raises(DataError, match="length"):
        fold_by_score(score, y[:1])
