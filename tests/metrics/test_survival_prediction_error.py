"""Brier scores under censoring against their definition, derivatives by weight, and edges."""

import math

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from riskwright.core import (
    DataError,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.metrics import brier
from riskwright.metrics.survival_prediction_error import integrated_brier, survival_brier
from riskwright.stats import _kernels
from riskwright.stats.survival import censoring_distribution

GRID = np.array([0.25, 0.5, 0.75, 1.0, 1.25])


def sample(n=50, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    life, seen = rng.exponential(np.exp(-x)), rng.exponential(1.5, n)
    time = np.minimum(life, seen)
    time = np.ceil(4 * time) / 4 if ties else time
    survival = np.exp(-np.exp(0.5 * x)[:, None] * GRID)
    return time, (life <= seen) * 1.0, survival, rng.uniform(0.5, 2, n)


def by_definition(time, event, survival, w, side, limit):
    g = censoring_distribution(time, event, w)
    g_event = np.maximum(g.at(time, side=side), limit)
    scores = []
    for k, t in enumerate(GRID):
        g_time = max(g.at(float(t), side=side), limit)
        followed = (time > t) | ((time == t) & (event == 0) & (side == "left"))
        loss = np.where(followed, (1 - survival[:, k]) ** 2 / g_time, 0)
        loss += np.where((event == 1) & (time <= t), survival[:, k] ** 2 / g_event, 0)
        scores.append(w @ loss / w.sum())
    return np.array(scores)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("limit", [0.01, 0.6])
@pytest.mark.parametrize("side", ["left", "right"])
def test_scores_are_those_of_the_definition(side, limit, ties):
    time, event, survival, w = sample(ties=ties)
    options = {"g_side": side, "truncate": limit}
    expected = by_definition(time, event, survival, w, side, limit)
    found = survival_brier(time, event, survival, GRID, sample_weight=w, **options)
    assert [score.value for score in found] == pytest.approx(expected)
    assert ("truncated" in found[0].method) is (limit == 0.6)
    whole = integrated_brier(time, event, survival, GRID, sample_weight=w, **options)
    assert whole.value == pytest.approx(np.trapezoid(expected, GRID) / (GRID[-1] - GRID[0]))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("limit", [1e-9, 0.6])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_are_the_infinitesimal_jackknife(side, limit, ties, weighted):
    time, event, survival, w = sample(ties=ties)
    w = w if weighted else np.ones_like(w)
    options = {"g_side": side, "truncate": limit}

    def all_scores(w):
        found = survival_brier(time, event, survival, GRID, sample_weight=w, **options)
        whole = integrated_brier(time, event, survival, GRID, sample_weight=w, **options)
        return [*found, whole]

    step, slopes, size = 1e-5, [], w.sum() ** 2 / (w @ w)
    for k in range(w.size):
        up, down = w.copy(), w.copy()
        up[k] *= math.exp(step)
        down[k] *= math.exp(-step)
        pairs = zip(all_scores(up), all_scores(down), strict=True)
        slopes.append([(one.value - other.value) / (2 * step) for one, other in pairs])
    se = np.sqrt(np.sum(np.square(slopes), axis=0) * size / (size - 1))
    for found, error in zip(all_scores(w), se, strict=True):
        reach = norm.ppf(0.975) * error / (found.value * (1 - found.value))
        ends = expit(logit(found.value) + np.array([-reach, reach]))
        assert (found.low, found.high) == pytest.approx(tuple(ends), rel=1e-6)


def test_without_censoring_it_is_the_brier_score_of_the_state():
    time, _, survival, w = sample(ties=True)
    found = survival_brier(time, np.ones(50), survival, GRID, sample_weight=w)
    for k, t in enumerate(GRID):
        expected = brier(time <= t, 1 - survival[:, k], sample_weight=w)
        assert (found[k].value, found[k].low) == pytest.approx((expected.value, expected.low))


def test_conventions_differ_only_at_ties():
    time, event, survival, _ = sample()
    for one, other in zip(
        survival_brier(time, event, survival, GRID),
        survival_brier(time, event, survival, GRID, g_side="right"),
        strict=True,
    ):
        assert one.value == pytest.approx(other.value, abs=1e-12)


def test_the_last_time_of_a_study_can_be_scored():
    time, event = np.array([10.0, 20, 52, 52, 52]), np.array([1, 1, 1, 0, 0])
    survival = np.tile([0.8, 0.6], (5, 1))
    found = survival_brier(time, event, survival, [15, 52])
    assert found[1].value == pytest.approx((3 * 0.6**2 + 2 * 0.4**2) / 5)
    peer = survival_brier(time, event, survival, [15, 52], g_side="right")
    assert peer[0].value == pytest.approx(found[0].value)
    assert math.isnan(peer[1].value)


def test_beyond_the_follow_up_there_is_a_reason_and_no_exception():
    time, event, survival, _ = sample()
    event[np.argmax(time)] = 0
    grid = np.array([0.25, 0.5, 0.75, 1.0, 99.0])
    found = survival_brier(time, event, survival, grid)
    assert math.isnan(found[-1].value)
    assert found[-1].method.startswith("none: the follow-up ends at")
    assert found[-2].value > 0
    whole = integrated_brier(time, event, survival, grid)
    assert whole.value == integrated_brier(time, event, survival[:, :4], grid[:4]).value
    assert "integrated to 1," in whole.method
    late = integrated_brier(time, event, survival[:, :2], [98, 99])
    assert math.isnan(late.value)
    event[np.argmax(time)] = 1
    assert survival_brier(time, event, survival, grid)[-1].value > 0


def test_groups_equal_each_group_alone():
    time, event, survival, w = sample()
    group = np.arange(50) % 2
    found = survival_brier(time, event, survival, GRID, groups=group, sample_weight=w)
    rows = group == 1
    alone = survival_brier(time[rows], event[rows], survival[rows], GRID, sample_weight=w[rows])
    assert found["1"] == alone
    empty = survival_brier(time, event, survival, GRID, groups=group, sample_weight=w * (group))
    assert empty["0"][0].method == "none: no rows"
    whole = integrated_brier(time, event, survival, GRID, groups=group, sample_weight=w * group)
    assert (whole["0"].n, whole["1"].value) == (
        0,
        integrated_brier(
            time[rows], event[rows], survival[rows], GRID, sample_weight=w[rows]
        ).value,
    )


def test_the_unit_of_the_weights_does_not_matter_and_weight_0_is_absent():
    time, event, survival, w = sample()
    w[::5] = 0
    kept = w > 0
    one = integrated_brier(time, event, survival, GRID, sample_weight=w)
    assert one == integrated_brier(
        time[kept], event[kept], survival[kept], GRID, sample_weight=w[kept]
    )
    other = integrated_brier(time, event, survival, GRID, sample_weight=1e6 * w)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8])
def test_bad_matrices_are_refused_wherever_the_fault_is(columns):
    time, event, grid = (
        np.array([1.0, 2, 3, 4]),
        np.array([0, 1, 0, 1]),
        np.arange(1.0, columns + 1),
    )
    good = np.tile(np.linspace(0.9, 0.1, columns), (4, 1))
    survival_brier(time, event, good, grid)
    for row in range(4):
        for column in range(columns):
            for value, error in (
                (np.nan, MissingValueError),
                (1.5, ValueRangeError),
                (-0.5, ValueRangeError),
            ):
                bad = good.copy()
                bad[row, column] = value
                with pytest.raises(error, match="survival"):
                    survival_brier(time, event, bad, grid)
            if column:
                bad = good.copy()
                bad[row, column] = 0.95
                with pytest.raises(ValueRangeError, match="rises"):
                    survival_brier(time, event, bad, grid)


def test_bad_input_is_refused():
    time, event, survival, _ = sample()
    with pytest.raises(TargetError, match="no event"):
        survival_brier(time, 0 * event, survival, GRID)
    with pytest.raises(DataError, match="column for each of 4 times"):
        survival_brier(time, event, survival, GRID[:4])
    with pytest.raises(DataError, match="survival"):
        survival_brier(time, event, survival[:-1], GRID)
    with pytest.raises(ValueRangeError, match="times"):
        survival_brier(time, event, survival, GRID[::-1])
    with pytest.raises(DataError, match="too few times"):
        integrated_brier(time, event, survival[:, 0], GRID[:1])
    with pytest.raises(ParameterError, match="g_side"):
        survival_brier(time, event, survival, GRID, g_side="both")
    with pytest.raises(ParameterError, match="truncate"):
        integrated_brier(time, event, survival, GRID, truncate=2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("columns", [1, 3, 4, 31, 100, 133])
def test_neither_instruction_set_nor_threads_change_a_bit(columns, weighted):
    rng = np.random.default_rng(columns)
    n = 20_000
    time = np.sort(rng.exponential(size=n))
    event = (rng.random(n) < 0.6).astype(np.uint8)
    weight = rng.uniform(0.5, 2, n) / n if weighted else np.full(n, 1 / n)
    grid = np.quantile(time, np.linspace(0.05, 0.9, columns))
    survival = np.exp(-grid * rng.exponential(size=(n, 1)))
    after = np.append(np.cumsum(weight[:0:-1])[::-1], 0.0)
    ones, share = np.ones(columns), rng.random(columns)
    lost = np.where(event, 0.0, weight)

    def sums(**options):
        order, ends = np.arange(n), np.arange(1, n + 1)
        fixed = np.zeros(n, np.uint8)
        return _kernels.survival_errors(
            *(survival, grid, order, ends, time, event, weight, lost, after),
            *(1 + time, fixed, 1 + grid, ones, True, share, 1e-9),
            **options,
        )

    known = time[:, None] >= grid
    loss = np.where(known, (1 - survival) ** 2 * (1 + grid), 0.0)
    loss += np.where(~known & (event > 0)[:, None], survival**2 * (1 + time[:, None]), 0.0)
    first = sums(isa="baseline", threads=1)
    assert first[0]
    np.testing.assert_allclose(first[1], weight @ loss, rtol=1e-12)
    for isa in _kernels.instruction_sets():
        for threads in (1, 2, 5):
            for ours, other in zip(first, sums(isa=isa, threads=threads), strict=True):
                np.testing.assert_array_equal(ours, other)
