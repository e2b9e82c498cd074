"""Every metric refuses unusable input in the same words and takes any container."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest

from riskwright import metrics
from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.metrics import augrc, auroc, brier, f1, tail
from riskwright.metrics._inputs import checked_rows

Y = [0, 1, 1, 0, 1, 0]
P = [0.2, 0.7, 0.6, 0.3, 0.4, 0.5]
FIGURES = [
    "auroc",
    "average_precision",
    "brier",
    "calibration_error",
    "calibration_in_the_large",
    "calibration_slope",
    "log_loss",
]
NAMES = [*FIGURES, "evaluate"]
ON_SCORES = ("auroc", "average_precision")


@pytest.fixture(params=NAMES)
def metric(request):
    return getattr(metrics, request.param)


BAD = [
    ({"y": Y[:5]}, DataError, "length differs from y; expected 5 values; got 6"),
    ({"sample_weight": [1.0] * 5}, DataError, "sample_weight: length differs"),
    ({"groups": list("aab")}, DataError, "groups: length differs from y; expected 6 values; got 3"),
    ({"y": [], "p": []}, EmptyDataError, "y: no rows"),
    ({"y": [0, 1, 2, 0, 1, 3]}, TargetError, "2 at rows 2, 5 .the first row is 0."),
    ({"y": [0, 1, None, 0, 1, 0]}, TargetError, "1 at rows 2 "),
    ({"y": list("yesnoo")}, TargetError, "y: not numbers; expected outcomes 0 and 1"),
    ({"p": [0.2, np.nan, 0.6, np.nan, 0.4, 0.5]}, MissingValueError, "2 at rows 1, 3 "),
    ({"p": [0.2, np.inf, 0.6, 0.3, 0.4, 0.5]}, ValueRangeError, "1 at rows 1 "),
    ({"p": list("abcdef")}, DataError, "not numbers"),
    ({"p": np.ones((6, 2)) / 2}, DataError, "shape .6, 2.. .* the column of the positive class"),
    ({"sample_weight": [1, 1, -1, 1, 1, 1]}, ValueRangeError, "sample_weight: negative weights"),
    ({"sample_weight": [1, 1, np.nan, 1, 1, 1]}, MissingValueError, "sample_weight: missing"),
    ({"sample_weight": [1, 1, 1e-200, 1, 1, 1e200]}, ValueRangeError, "extreme .* 2 at rows 2, 5 "),
    ({"sample_weight": [0] * 6}, EmptyDataError, "all weights are 0"),
    ({"groups": np.ones((6, 2))}, ColumnError, "groups: wrong shape"),
    ({"level": 95}, ParameterError, "level: not a confidence level; expected 0 < level < 1"),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD)
def test_unusable_input_is_refused_by_name_and_place(metric, changes, error, message):
    arguments = {"y": Y, "p": P} | changes
    with pytest.raises(error, match=message):
        metric(arguments.pop("y"), arguments.pop("p"), **arguments)


@pytest.mark.parametrize("name", NAMES)
def test_values_outside_the_unit_are_refused_as_probabilities_and_fine_as_scores(name):
    values = [-0.2, 7.0, 0.6, 0.3, 0.4, 0.5]
    if name in ON_SCORES:
        assert 0 <= getattr(metrics, name)(Y, values).value <= 1
    else:
        with pytest.raises(ValueRangeError, match=r"values in \[0, 1\]; got 2 at rows 0, 1 "):
            getattr(metrics, name)(Y, values)


def test_only_the_first_few_rows_are_named_and_no_value_is_quoted():
    with pytest.raises(ValueRangeError) as caught:
        metrics.brier(np.zeros(100), np.full(100, 41.5))
    assert "100 at rows 0, 1, 2, 3, 4, ..." in str(caught.value)
    assert "41.5" not in str(caught.value)


@pytest.mark.parametrize("outcome", [0, 1])
@pytest.mark.parametrize("name", FIGURES)
def test_one_class_is_an_error_where_the_figure_needs_two(name, outcome):
    figure = getattr(metrics, name)
    if name in ("brier", "log_loss", "calibration_error"):
        assert np.isfinite(figure([outcome] * 6, P).value)
    else:
        with pytest.raises(TargetError, match=f"only one class; .* 6 rows with outcome {outcome}"):
            figure([outcome] * 6, P)


def test_too_many_groups_are_refused():
    n = 1001
    with pytest.raises(ColumnError, match="too many groups; expected at most 1000; got 1001"):
        metrics.brier(np.zeros(n), np.zeros(n), groups=np.arange(n))


@pytest.mark.parametrize(
    "container",
    [np.array, pd.Series, pl.Series, tuple, lambda values: np.array(values, dtype=object)],
)
def test_any_container_gives_the_same(metric, container):
    groups, weight = list("aababb"), [1.0, 2.0, 1.0, 0.5, 1.0, 3.0]
    expected = metric(Y, P, sample_weight=weight, groups=groups)
    found = metric(
        container(Y), container(P), sample_weight=container(weight), groups=container(groups)
    )
    assert str(found) == str(expected)


def test_outcomes_may_be_boolean(metric):
    assert str(metric(np.array(Y, dtype=bool), P)) == str(metric(Y, P))


@pytest.mark.parametrize(
    ("groups", "labels"),
    [
        ([10, 9, 10, 9, 9, 9], ["9", "10"]),
        ([1.0, 0.5, np.nan, 1.0, 1.0, 1.0], ["0.5", "1", "(missing)"]),
        (["b", "a", None, "b", "b", "b"], ["a", "b", "(missing)"]),
        ([True, False] * 3, ["False", "True"]),
        (pd.Series([1, None, 2] * 2, dtype="Int64"), ["1", "2", "(missing)"]),
        (pd.Series(["x", "y", None] * 2, dtype="string"), ["x", "y", "(missing)"]),
        (pl.Series(["x", None, "y"] * 2, dtype=pl.Categorical), ["x", "y", "(missing)"]),
    ],
)
def test_groups_are_named_by_their_value_in_order_missing_last(groups, labels):
    found = metrics.brier(Y, P, groups=groups)
    assert list(found) == labels
    assert sum(estimate.n for estimate in found.values()) == 6


@pytest.mark.parametrize("name", FIGURES)
def test_every_estimate_carries_its_name_level_and_rows(name):
    found = getattr(metrics, name)(Y, P, level=0.8)
    assert (found.name, found.level, found.n) == (name, 0.8, 6)
    assert found.method


@pytest.mark.parametrize("shift", [0.0, -0.5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 50, 5000])
def test_folding_sorts_and_sums_like_a_loop(n, weighted, shift):
    rng = np.random.default_rng(n)
    p = np.concatenate([rng.random(n), rng.choice([0.0, -0.0, 1.0, 0.25, 5e-324], n)]) + shift
    y = rng.random(2 * n) < 0.4
    w = rng.gamma(2.0, size=2 * n) if weighted else None
    sample = checked_rows(y, p, w, probabilities=False).folded()
    value, place = np.unique(p, return_inverse=True)
    weight = np.ones(2 * n) if w is None else w
    assert np.array_equal(sample.value, value)
    sums = [(sample.w1, weight * y), (sample.w0, weight * ~y)]
    sums += [(sample.q1, weight**2 * y), (sample.q0, weight**2 * ~y)]
    for found, column in sums:
        assert found == pytest.approx(np.bincount(place, column), rel=1e-12)
    assert sample.n == 2 * n


def test_folding_keeps_scores_of_any_size():
    score = np.array([-1e308, 1e308, 0.0, -5e-324, 3.0, -1e308])
    sample = checked_rows([0, 1, 0, 1, 0, 1], score, None, probabilities=False).folded()
    assert sample.value.tolist() == [-1e308, -5e-324, 0.0, 3.0, 1e308]
    assert sample.w1.tolist() == [1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    "groups",
    [
        np.array([3, -1, 3, 3, -1, 3], dtype=np.int8),
        np.array([2**40, -(2**40), 2**40, 2**40, -(2**40), 2**40]),
        np.array([2**63, 5, 2**63, 2**63, 5, 2**63], dtype=np.uint64),
        np.array([True, False, True, True, False, True]),
        np.array(["z", "k", "z", "z", "k", "z"]),
        pd.Series(["z", "k", "z", "z", "k", "z"], dtype="category"),
        [b"z", b"k", b"z", b"z", b"k", b"z"],
    ],
)
def test_groups_of_any_type_hold_their_rows(groups):
    small, large = metrics.brier(Y, P, groups=groups).values()
    assert (small.n, large.n) == (2, 4)
    assert small.value == pytest.approx((0.3**2 + 0.6**2) / 2)


def test_predictions_are_missed_by_name():
    with pytest.raises(DataError, match="p: no predictions; expected one value per row"):
        metrics.brier(Y)


@pytest.mark.parametrize("level", [0, 1, -1, math.nan, "a", None])
def test_levels_that_are_none_are_refused(level):
    for figure in (brier, auroc, augrc, f1):
        with pytest.raises(ParameterError, match="level"):
            figure([0, 1, 1], [0.2, 0.7, 0.4], level=level)


def test_complex_numbers_are_refused_in_every_place():
    y, p = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.7, 0.4])
    for figure in (brier, auroc, augrc, f1):
        for columns in ((y + 1j, p), (y, p + 1j)):
            with pytest.raises(DataError, match="not numbers"):
                figure(*columns)
        with pytest.raises(DataError, match="not numbers"):
            figure(y, p, sample_weight=np.ones(3) + 1j)


def test_tail_checks_its_weights():
    for weight in ([0, 0, 0], [-1, 1, 1], ["a", "b", "c"], [1, 1], [np.nan, 1, 1]):
        with pytest.raises(DataError, match="sample_weight"):
            tail([0.1, 0.2, 0.3], "mean", sample_weight=weight)
    assert tail([0.1, 0.2, 0.3], "smoothed_median", sample_weight=[1, 1e60, 1]).value == (
        pytest.approx(0.2)
    )


def test_entropic_risk_of_a_heavy_tail_has_no_asymptotic_interval():
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(200):
        found = tail(rng.exponential(size=1000), "entropic 0.5")
        missed += not math.isnan(found.low) and not found.low <= 2 * math.log(2) <= found.high
    assert missed <= 10
    light = tail(rng.random(1000), "entropic 1")
    assert light.low < math.log(math.e - 1) < light.high
