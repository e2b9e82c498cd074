"""Folds, and the choice among near-optimal cards by cross-validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.model_selection import GroupKFold, KFold, RepeatedStratifiedKFold, ShuffleSplit

from riskwright import RiskScoreClassifier
from riskwright.core import ParameterError
from riskwright.evidence import Binarizer
from riskwright.scoring import selection
from riskwright.scoring.inputs import TrainingData
from riskwright.scoring.selection import (
    choose_by_cross_validation,
    fit_slope,
    folds,
    once_tested,
)
from riskwright.solvers import Found


def rows(n=300, d=5, seed=0):
    rng = np.random.default_rng(seed)
    X = (rng.random((n, d)) < 0.5).astype(float)
    s = 1.2 * X[:, 0] + 0.9 * X[:, 1] + 0.4 * X[:, 2] - 1.5
    return X, (rng.random(n) < 1 / (1 + np.exp(-s))).astype(np.uint8)


def training(X, y, weight=None, kept=None, given=None) -> TrainingData:
    return TrainingData(X, y, weight, np.array([0, 1]), kept, given)


@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_numbered_folds_part_the_rows_and_deal_out_each_class_evenly(k):
    X, y = rows(97)
    splits = folds(training(X, y), k, seed=1)
    assert len(splits) == k
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested.tolist()) == list(range(97))
    for train, test in splits:
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(97))
        for label in (0, 1):
            assert abs((y[test] == label).sum() - (y == label).sum() / k) < 1
    again, other = folds(training(X, y), k, seed=1), folds(training(X, y), k, seed=2)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(splits, again, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(splits, other, strict=True))


def test_fewer_folds_where_a_class_has_fewer_rows():
    X, y = rows(40)
    y[:] = 0
    y[:3] = 1
    splits = folds(training(X, y), 10, seed=0)
    assert len(splits) == 3
    assert all(y[test].sum() == 1 for _, test in splits)


@pytest.mark.parametrize(
    "cv",
    [
        [1, 2],
        [([0, 1], [60])],
        [(np.arange(5.0) / 2, [1])],
        [("a", "b")],
        GroupKFold(2),
    ],
)
def test_splits_that_cannot_be_used_are_refused(cv):
    X, y = rows(60)
    with pytest.raises(ParameterError, match="splits that cannot be used"):
        folds(training(X, y), cv, seed=0)


def test_a_row_counts_in_the_first_part_that_tests_it():
    X, y = rows(60)
    repeated = folds(training(X, y), RepeatedStratifiedKFold(n_splits=3, n_repeats=2), seed=0)
    assert len(repeated) == 6
    once = once_tested(repeated, 60)
    assert len(once) == 3
    assert sorted(np.concatenate([test for _, test in once]).tolist()) == list(range(60))
    train = np.arange(30)
    twice = [(train, np.array([40, 41, 41])), (train, np.array([41, 42]))]
    assert [test.tolist() for _, test in once_tested(twice, 60)] == [[40, 41], [42]]


def test_splitters_and_lists_are_taken_as_they_are_but_for_folds_of_one_class():
    X, y = rows(60)
    given = list(KFold(3).split(X))
    for cv in (KFold(3), given):
        found = folds(training(X, y), cv, seed=0)
        for (a, b), (c, d) in zip(given, found, strict=True):
            assert np.array_equal(a, c)
            assert np.array_equal(b, d)
    ones = np.flatnonzero(y == 1)
    assert folds(training(X, y), [(ones, ones), *given], seed=0)[0][0] is not ones
    assert len(folds(training(X, y), [(ones, ones), *given], seed=0)) == 3


def test_lists_of_splits_speak_of_the_rows_as_they_were_given():
    X, y = rows(30)
    kept = np.flatnonzero(np.arange(30) % 3 != 1)
    data = training(X[kept], y[kept], np.ones(len(kept)), kept, 30)
    train, test = np.arange(20), np.arange(20, 30)
    mask = np.zeros(30, dtype=bool)
    mask[test] = True
    for split in ((train, test), (~mask, mask)):
        ((a, b),) = folds(data, [split], seed=0)
        assert kept[a].tolist() == [i for i in train if i % 3 != 1]
        assert kept[b].tolist() == [i for i in test if i % 3 != 1]


CASES = {
    "plain": (np.array([0.0, 1, 2, 3]), [1, 3, 5, 9], [9, 6, 4, 2], 10.0),
    "falling": (np.array([0.0, 1, 2, 3]), [9, 5, 3, 1], [2, 4, 6, 9], 10.0),
    "apart": (np.array([0.0, 1, 2, 3]), [0, 0, 5, 9], [9, 6, 0, 0], 4.0),
    "apart, rare": (np.array([-2.0, 0, 5]), [0, 0, 2], [900, 60, 0], 2.0),
    "one total": (np.array([3.0]), [4], [6], 5.0),
    "large totals": (np.array([-50.0, 10, 70]), [5, 20, 35], [40, 25, 10], 2.0),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fixed", [False, True])
def test_slope_and_intercept_reach_the_minimum_within_the_bounds(name, fixed):
    total, positive, negative, largest = CASES[name]
    positive, negative = np.array(positive, float), np.array(negative, float)

    def loss(w):
        s = w[0] * total + w[1]
        return positive @ np.logaddexp(0, -s) + negative @ np.logaddexp(0, s)

    bounds = (1.0, 1.0) if fixed else (0.0, largest)
    slope, intercept = fit_slope(total, positive, negative, *bounds)
    assert bounds[0] <= slope <= bounds[1]
    best = min(
        minimize(
            loss, [a, b], bounds=[bounds, (None, None)], options={"ftol": 1e-15, "gtol": 1e-12}
        ).fun
        for a in np.clip([0.1, 1.0, largest], *bounds)
        for b in (-3.0, 0.0, 3.0)
    )
    assert loss((slope, intercept)) <= best + 1e-7


def by_hand(found, X, y, splits, bound, unit) -> np.ndarray:
    """Test loss of one card in every fold, fitted by a general minimiser."""
    total = X[:, found.items] @ np.array(found.points, float) if found.items else np.zeros(len(X))
    out = []
    for train, test in splits:

        def loss(w, part=train):
            s = w[0] * total[part] + w[1]
            return np.logaddexp(0, np.where(y[part] == 1, -s, s)).mean()

        if unit:
            w = min(((1.0, b) for b in range(-8, 9)), key=loss)
        else:
            largest = bound / max(map(abs, found.points), default=1)
            w = minimize(
                loss, [0.1, 0.0], bounds=[(0, largest), (None, None)], options={"ftol": 1e-15}
            ).x
        out.append(loss(w, test))
    return np.array(out)


def card(items, points) -> Found:
    return Found(tuple(items), tuple(points), 1.0, 0.0, 0.5, 0.5)


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize(
    "cv", [4, ShuffleSplit(5, random_state=0), [(np.arange(200), np.arange(200, 300))]]
)
def test_choice_is_the_smallest_card_within_one_standard_error(unit, cv):
    pool = [
        card((0, 1, 2), (3, 2, 1)),
        card((0, 1, 2), (1, 1, 1)),
        card((0, 1), (1, 1)),
        card((0, 1), (3, 2)),
        card((0,), (1,)),
        card((3,), (1,)),
        card((), ()),
    ]
    chosen = set()
    for seed in range(6):
        X, y = rows(seed=seed)
        data = training(X, y)
        binarizer = Binarizer(method="none").fit(X, y)
        splits = folds(data, cv, seed)
        losses = np.array([by_hand(found, X, y, splits, 10.0, unit) for found in pool])
        mean = losses.mean(axis=1)
        best = mean.argmin()
        difference = losses - losses[best]
        error = np.zeros(len(pool))
        if len(splits) > 1:
            error = difference.std(axis=1, ddof=1) / np.sqrt(len(splits))
        near = [i for i in range(len(pool)) if mean[i] - mean[best] <= error[i] + 1e-9]
        expected = min(near, key=lambda i: (len(pool[i].items), sum(map(abs, pool[i].points)), i))
        found = choose_by_cross_validation(pool, binarizer, data, splits, 10.0, unit=unit)
        assert found == expected
        chosen.add(found)
    assert chosen - {len(pool) - 1}


def test_choice_looks_at_the_cells_of_a_support_rather_than_at_all_patterns(monkeypatch):
    rng = np.random.default_rng(3)
    X = (rng.random((2000, 24)) < 0.5).astype(float)
    y = (rng.random(2000) < 0.3 + 0.3 * X[:, 0]).astype(np.uint8)
    pool = [card((0, 1, 2), (points, 1, 1)) for points in range(1, 6)]
    seen = []
    totals = selection.pattern_totals

    def counted(patterns, found):
        seen.append(len(patterns))
        return totals(patterns, found)

    monkeypatch.setattr(selection, "pattern_totals", counted)
    binarizer = Binarizer().fit(X, y)
    assert all(item.kind != "value" for item in binarizer.items_)
    data = training(X, y)
    choose_by_cross_validation(pool, binarizer, data, folds(data, 4, 0), 10.0)
    assert seen == [8] * (5 * 4 * 2)


def test_selected_card_is_of_the_pool_and_its_gap_is_stated():
    X, y = rows(250, 8, seed=5)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(8)])
    model = RiskScoreClassifier(max_terms=4, select="cv", cv=5).fit(frame, y)
    best = RiskScoreClassifier(max_terms=4).fit(frame, y)
    assert any(card.terms == model.card_.terms for card in model.pool_)
    assert len(model.card_.terms) < len(best.card_.terms)
    certificate = model.certificate_
    assert certificate.objective > best.certificate_.objective
    assert certificate.objective <= best.certificate_.objective * 1.01 + 1e-9
    assert certificate.gap == pytest.approx(
        (certificate.objective - certificate.lower_bound) / certificate.objective
    )
    assert certificate.lower_bound <= best.certificate_.objective
    assert "chosen by cross-validation" in certificate.statement


@pytest.mark.parametrize("events", [1, 2])
def test_an_outcome_of_one_row_is_not_cross_validated(events):
    X, y = rows(60)
    y = np.zeros(60, dtype=np.uint8)
    y[:events] = 1
    assert len(folds(training(X, y), 5, seed=0)) == (0 if events == 1 else 2)
    model = RiskScoreClassifier(max_terms=1, cv=5, select="cv", pool_tolerance=0.1).fit(X, y)
    told = model.card_.performance_method
    assert ("too few rows" in told) is (events == 1)
    assert bool(model.card_.performance) is (events > 1)
