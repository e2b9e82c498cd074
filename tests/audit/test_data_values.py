"""Data values against the definition over all subsets, and their properties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from riskwright.audit.data_values import (
    data_shapley,
    knn_data_values,
    knn_shapley,
    subset_score,
)
from riskwright.core import DataError, ParameterError, TargetError, ValueRangeError


def shapley_by_subsets(worth, n):
    values = np.zeros(n)
    for row in range(n):
        rest = [other for other in range(n) if other != row]
        for size in range(n):
            for others in itertools.combinations(rest, size):
                gain = worth((*others, row)) - worth(others)
                values[row] += gain / (n * math.comb(n - 1, size))
    return values


def vote(X, y, points, truth, k, order_of_ties):
    """Score of a set of rows under one fixed order among rows at equal distance."""

    def worth(rows):
        hits = 0.0
        for point, label in zip(points, truth, strict=True):
            distance = [(((X[row] - point) ** 2).sum(), order_of_ties[row], row) for row in rows]
            hits += sum(y[row] == label for _, _, row in sorted(distance)[:k]) / k
        return hits / len(truth)

    return worth


def votes_with_ties(X, y, points, truth, k):
    """Votes of all rows for the true class; the last places are shared by rows that tie."""
    total = 0.0
    for point, label in zip(points, truth, strict=True):
        distance = ((X - point) ** 2).sum(1)
        last = np.sort(distance)[k - 1]
        inside, tied = distance < last, distance == last
        places = (k - inside.sum()) / tied.sum()
        total += ((y == label) @ (inside + places * tied)) / k
    return total / len(truth)


def planted(n=8, m=3, seed=0, classes=2, whole=False):
    rng = np.random.default_rng(seed)
    X, points = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    if whole:
        X, points = np.round(X), np.round(points)
    return X, rng.integers(classes, size=n), points, rng.integers(classes, size=m)


@pytest.mark.parametrize("k", [1, 3, 5, 12])
@pytest.mark.parametrize("classes", [2, 3])
def test_knn_shapley_equals_the_definition_over_all_subsets(k, classes):
    X, y, points, truth = planted(classes=classes)
    expected = shapley_by_subsets(vote(X, y, points, truth, k, range(8)), 8)
    assert knn_shapley(X, y, points, truth, k=k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("seed", [1, 4, 5])
def test_rows_at_equal_distance_get_the_mean_over_all_their_orders(k, seed):
    X, y, points, truth = planted(4, 3, seed, whole=True)
    orders = list(itertools.permutations(range(4)))
    expected = np.mean(
        [shapley_by_subsets(vote(X, y, points, truth, k, order), 4) for order in orders], axis=0
    )
    assert knn_shapley(X, y, points, truth, k=k) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.booleans())
def test_values_add_up_and_do_not_depend_on_the_order_of_the_rows(seed, k, whole):
    X, y, points, truth = planted(40, 9, seed, 3, whole)
    values = knn_shapley(X, y, points, truth, k=k)
    assert values.sum() == pytest.approx(votes_with_ties(X, y, points, truth, k), abs=1e-12)
    order = np.random.default_rng(seed).permutation(40)
    again = knn_shapley(X[order], y[order], points, truth, k=k)
    assert again == pytest.approx(values[order], abs=1e-14)
    assert np.abs(values).max() <= 1 / k + 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 45), st.booleans())
def test_truncation_moves_no_value_by_more_than_its_bound(seed, k, more, whole):
    X, y, points, truth = planted(45, 4, seed, whole=whole)
    values = knn_shapley(X, y, points, truth, k=k)
    cut = knn_shapley(X, y, points, truth, k=k, truncate=k + more)
    assert np.abs(cut - values).max() <= 1 / (k + more) + 1e-12
    if k + more >= 45:
        assert cut == pytest.approx(values, abs=1e-15)


def test_truncation_finds_the_nearest_rows_among_many_blocks():
    rng = np.random.default_rng(3)
    X = np.round(rng.normal(size=(6000, 2)), 2)
    y, points, truth = rng.integers(2, size=6000), rng.normal(size=(5, 2)), [0, 1, 0, 1, 1]
    values = knn_shapley(X, y, points, truth, k=3)
    cut = knn_shapley(X, y, points, truth, k=3, truncate=20)
    valued = np.zeros(6000, bool)
    for point in points:
        distance = ((X - point) ** 2).sum(1)
        valued |= distance <= np.sort(distance)[19]
    assert not cut[~valued].any()
    assert np.abs(cut - values).max() <= 1 / 20


def test_identical_rows_have_identical_values_and_threads_change_nothing():
    X, y, points, truth = planted(30, 11, whole=True)
    X[7], y[7] = X[3], y[3]
    values = knn_shapley(X, y, points, truth)
    assert values[3] == values[7]
    assert np.array_equal(values, knn_shapley(X, y, points, truth, threads=False))


def test_sample_weight_counts_as_repeated_validation_rows():
    X, y, points, truth = planted()
    weighted = knn_shapley(X, y, points, truth, sample_weight=[2, 0, 1])
    repeated = knn_shapley(X, y, points[[0, 0, 2]], truth[[0, 0, 2]])
    assert weighted == pytest.approx(repeated, abs=1e-15)


def noisy(n=400, m=200, flipped=30, seed=0):
    rng = np.random.default_rng(seed)
    X, points = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    y = (X[:, 0] > 0).astype(int)
    y[:flipped] = 1 - y[:flipped]
    return X, y, points, (points[:, 0] > 0).astype(int)


def test_planted_wrong_labels_have_the_lowest_values_and_are_proved_to_do_harm():
    values = knn_data_values(*noisy())
    assert (values.values[:30] < 0).mean() > 0.9
    report = values.report()
    assert set(report.lowest) <= set(range(30))
    assert report.findings[0].code == "data.value.negative"
    assert report.findings[0].severity in ("medium", "high")
    assert report.harm.low > 0
    assert report.total == pytest.approx(values.total)


def test_values_with_a_report_are_those_without_and_progress_reaches_the_end():
    data, seen = noisy(), []
    values = knn_data_values(*data, progress=lambda done, all_: seen.append((done, all_)))
    assert values.values == pytest.approx(knn_shapley(*data), abs=1e-14)
    assert seen[-1] == (200, 200)


def test_labels_drawn_by_lot_prove_no_harm_more_often_than_the_level_allows():
    """No row harms on average where labels are drawn by lot; 1 in 40 may seem to, +/- 0.016."""
    proved = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        X, points = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
        y, truth = rng.integers(2, size=60), rng.integers(2, size=60)
        proved += knn_data_values(X, y, points, truth, k=3, seed=seed).report().harm.low > 0
    assert proved <= 7


def test_the_cost_of_negative_rows_is_covered_on_fresh_validation_rows():
    """95% intervals of the joint cost of picked rows, against 4,000 fresh rows; error +/- 0.06."""
    X, y, _, _ = noisy(150, 1, 15)
    fresh = np.random.default_rng(9).normal(size=(4000, 2))
    fresh_truth = (fresh[:, 0] > 0).astype(int)
    per_row = knn_shapley(X, y, fresh, fresh_truth)
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(80, 2))
        truth = (points[:, 0] > 0).astype(int)
        values = knn_data_values(X, y, points, truth, seed=seed)
        first = np.sort(np.random.default_rng([seed]).permutation(80)[:40])
        picked = knn_shapley(X, y, points[first], truth[first]) < 0
        harm = values.report().harm
        covered += harm.low <= -per_row[picked].sum() <= harm.high
    assert covered >= 51


def game(weights):
    def worth(rows):
        return float(weights[rows].sum() + 0.5 * (np.isin([0, 1], rows).all()))

    return worth


def test_sampled_values_cover_those_of_a_game_with_a_closed_form():
    weights = np.linspace(-1, 1, 12)
    expected = weights + np.where(np.arange(12) < 2, 0.25, 0)
    found = data_shapley(game(weights), 12, tolerance=0, precision=0.02, seed=1)
    assert found.converged
    assert found.standard_errors.max() <= 0.02
    assert found.values == pytest.approx(expected, abs=4 * 0.02)
    assert found.values.sum() == pytest.approx(found.total, abs=1e-9)
    assert found.standard_errors[5] == pytest.approx(0, abs=1e-9)


def test_standard_errors_are_those_of_repeated_sampling():
    weights = np.zeros(11)
    runs = [
        data_shapley(game(weights), 11, tolerance=0, precision=1e-9, max_permutations=40, seed=seed)
        for seed in range(50)
    ]
    spread = np.std([run.values[0] for run in runs])
    assert np.mean([run.standard_errors[0] for run in runs]) == pytest.approx(spread, rel=0.28)
    assert not runs[0].converged
    assert np.mean([run.values[0] for run in runs]) == pytest.approx(0.25, abs=0.025)


def test_small_games_are_exact_and_truncation_saves_calls():
    weights = np.linspace(-1, 1, 6)
    assert data_shapley(game(weights), 6).values == pytest.approx(
        shapley_by_subsets(lambda rows: game(weights)(np.array(rows, int)), 6)
    )
    calls = []

    def flat(rows):
        calls.append(rows.size)
        return min(rows.size / 3, 1.0)

    data_shapley(flat, 50, min_permutations=10, max_permutations=10, seed=0)
    assert len(calls) <= 2 + 10 * 10


def test_wrong_labels_rank_lower_by_shapley_than_by_leaving_one_out():
    X, y, points, truth = noisy(60, 100, 8, seed=2)
    distance = ((points[:, None] - X) ** 2).sum(2)

    def worth(rows):
        if rows.size == 0:
            return 0.5
        return float((y[rows[distance[:, rows].argmin(1)]] == truth).mean())

    values = data_shapley(worth, 60, max_permutations=60, min_permutations=60, seed=0).values
    everything = np.arange(60)
    alone = np.array([worth(everything) - worth(np.delete(everything, row)) for row in everything])

    def area(value):
        return (np.sign(value[8:] - value[:8, None]) / 2 + 0.5).mean()

    assert area(values) > area(alone)
    assert area(values) > 0.9


def test_a_model_fitted_on_subsets_gives_values_that_add_up_to_its_gain():
    X, y, points, truth = noisy(4, 20, 1, seed=4)
    worth = subset_score(LogisticRegression(), X, y, points, truth)
    found = data_shapley(worth, 4)
    fitted = LogisticRegression().fit(X, y).score(points, truth)
    assert found.values.sum() == pytest.approx(fitted - worth(np.array([], int)))


def test_a_sampled_report_counts_only_what_sampling_cannot_explain():
    weights = np.r_[-1.0, np.full(11, 0.5)]
    report = data_shapley(game(weights), 12, tolerance=0, seed=0).report()
    assert report.n_negative == 1
    assert report.negative.low == pytest.approx(1 / 12)
    assert report.findings[0].severity == "low"
    none = data_shapley(game(np.ones(12)), 12, seed=0).report()
    assert none.findings[0].severity == "info"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"X": [[0.0], [math.nan]]}, DataError),
        ({"y": [0, 1, 1]}, DataError),
        ({"y": [0, None]}, DataError),
        ({"y": ["a", "b"]}, DataError),
        ({"X_valid": [[0.0, 1.0]]}, DataError),
        ({"X": [[0.0], [1e200]]}, ValueRangeError),
        ({"k": 0}, ParameterError),
        ({"k": 2.5}, ParameterError),
        ({"truncate": 1, "k": 2}, ParameterError),
        ({"sample_weight": [-1.0]}, ValueRangeError),
        ({"sample_weight": [0.0]}, ValueRangeError),
    ],
)
def test_bad_input_is_refused(change, error):
    given = {"X": [[0.0], [1.0]], "y": [0, 1], "X_valid": [[0.2]], "y_valid": [1], "k": 1}
    with pytest.raises(error):
        knn_shapley(**(given | change))


def test_scores_that_are_no_numbers_and_other_bad_input_of_sampling_are_refused():
    with pytest.raises(ValueRangeError, match="0 rows"):
        data_shapley(lambda rows: math.nan, 4)
    with pytest.raises(ParameterError):
        data_shapley(len, 0)
    with pytest.raises(ParameterError):
        data_shapley(len, 20, tolerance=1.0)
    with pytest.raises(TargetError):
        subset_score(LogisticRegression(), [[0.0], [1.0]], [1, 1], [[0.0]], [1])
    with pytest.raises(DataError):
        knn_data_values([[0.0]], [1], [[0.0]], [1])
