"""ERDE and CARE: hand examples, brute force over items, intervals, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import DataError, ParameterError, RiskwrightError
from riskwright.metrics.early import care, erde, mean_estimate

NONE = None


class TestErde:
    @pytest.mark.parametrize(
        ("y", "alarm", "o", "wanted"),
        [
            ([1, 0], [5, NONE], 5, (0.5 + 0) / 2),
            ([1, 0], [1, NONE], 5, (1 - 1 / (1 + math.exp(-4))) / 2),
            ([1, 0], [50, NONE], 5, (1 - 1 / (1 + math.exp(45))) / 2),
            ([1, 0], [NONE, NONE], 5, 1 / 2),
            ([1, 0], [NONE, 3], 5, (1 + 0.5) / 2),
            ([1, 0, 0, 0], [5, 3, NONE, NONE], 5, (0.5 + 0.25) / 4),
            ([1, 0], [10_000, NONE], 5, 0.5),
        ],
    )
    def test_by_hand(self, y, alarm, o, wanted):
        assert erde(y, alarm, o=o).value == pytest.approx(wanted, rel=1e-12)

    def test_costs_are_the_callers(self):
        found = erde(
            [1, 1, 0], [5, None, 2], o=5, cost_false_alarm=0.1296, cost_miss=2, cost_late=3
        )
        assert found.value == pytest.approx((3 / 2 + 2 + 0.1296) / 3)

    def test_nan_and_infinity_are_no_alarms(self):
        found = {erde([1, 0], [none, none], o=5).value for none in (None, math.nan, math.inf)}
        assert found == {0.5}

    def test_earlier_alarms_cost_less(self):
        costs = [erde([1, 0], [k, None], o=5).value for k in range(1, 40)]
        assert np.all(np.diff(costs) >= 0)

    def test_the_interval_holds_the_value_and_is_never_a_point(self):
        found = erde([1, 0] * 10, [1, None] * 10, o=50)
        assert found.low <= found.value < found.high
        assert (found.n, found.method, found.name) == (20, "Hoeffding-Bentkus", "erde_50")

    @pytest.mark.parametrize(
        ("y", "alarm", "how"),
        [
            ([], [], {}),
            ([1, 2], [1, 1], {}),
            ([1, 0], [1], {}),
            ([1, 0], [0, 1], {}),
            ([1, 0], ["a", "b"], {}),
            ([1, 0], [1, 1], {"cost_miss": -1}),
            ([1, 0], [1, 1], {"cost_false_alarm": math.nan}),
            ([1, 0], [1, 1], {"o": math.nan}),
            ([1, 0], [1, 1], {"level": 1.0}),
        ],
    )
    def test_refused(self, y, alarm, how):
        with pytest.raises(RiskwrightError):
            erde(y, alarm, **({"o": 5} | how))


def by_items(y, alarm, length, onset, beta, flat, steps=400):
    """CARE from one flag per item, its weights integrated numerically."""
    coverage, accuracy, early, hit, false, missed = [], [], [], 0, 0, 0
    for event, at, size, start in zip(y, alarm, length, onset, strict=True):
        flags = np.arange(1, size + 1) >= (math.inf if at is None else at)
        if not event:
            accuracy.append(1 - flags.mean())
            false += at is not None
            continue
        truth = np.arange(1, size + 1) > start
        tp, fp, fn = (flags & truth).sum(), (flags & ~truth).sum(), (~flags & truth).sum()
        coverage.append((1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp))
        place = (np.arange(steps * (size - start)) + 0.5) / (steps * (size - start))
        weight = np.where(place < flat, 1, (1 - place) / (1 - flat))
        early.append(weight[np.repeat(flags[start:], steps)].sum() / weight.sum())
        hit, missed = hit + (at is not None), missed + (at is None)
    whole = (1 + beta**2) * hit + beta**2 * missed + false
    reliability = (1 + beta**2) * hit / whole if whole else 0.0
    a, c, e = np.mean(accuracy), np.mean(coverage), np.mean(early)
    score = 0.0 if not hit + false else a if a <= 0.5 else (c + e + reliability + 2 * a) / 5
    return score, c, a, reliability, e


STREAMS = st.lists(
    st.tuples(st.integers(1, 8), st.one_of(st.none(), st.integers(1, 8)), st.integers(0, 7)),
    min_size=2,
    max_size=8,
)


class TestCare:
    @given(STREAMS, st.sampled_from([0.0, 0.25, 0.5]), st.sampled_from([0.5, 1.0, 2.0]))
    def test_equals_brute_force_over_the_items(self, streams, flat, beta):
        length = [size for size, _, _ in streams]
        alarm = [None if at is None else min(at, size) for size, at, _ in streams]
        onset = [start % size for size, _, start in streams]
        y = [k % 2 for k in range(len(streams))]
        found = care(y, alarm, length, onset=onset, beta=beta, flat=flat, replicates=10)
        wanted = by_items(y, alarm, length, onset, beta, flat)
        values = [
            part.value
            for part in (
                found.score,
                found.coverage,
                found.accuracy,
                found.reliability,
                found.earliness,
            )
        ]
        assert values == pytest.approx(wanted, abs=2e-3)

    def test_a_perfect_monitor_has_one(self):
        found = care([1, 0], [4, None], [10, 10], onset=[3, 0], replicates=10)
        assert found.score.value == found.earliness.value == found.coverage.value == 1.0

    def test_silence_has_zero_and_noise_has_its_accuracy(self):
        assert care([1, 0], [None, None], [10, 10], replicates=10).score.value == 0.0
        assert care([1, 0], [1, 3], [10, 10], replicates=10).score.value == pytest.approx(0.2)

    def test_onsets_of_normal_streams_are_not_read(self):
        found = care([1, 0], [1, None], [10, 10], onset=[0, math.nan], replicates=10)
        assert found.score.value == 1.0

    def test_the_seed_repeats_the_intervals_and_it_prints(self):
        y, alarm = [1, 0] * 30, [2, None, None, 4] * 15
        first, again = (care(y, alarm, [10] * 60) for _ in range(2))
        assert first == again
        assert first.score.low < first.score.value < first.score.high
        assert str(first).startswith("care ")

    @pytest.mark.parametrize(
        "change",
        [
            {"y": [1, 1]},
            {"alarm": [11, None]},
            {"length": [0, 10]},
            {"length": [10]},
            {"length": [math.nan, 10]},
            {"onset": [10, 0]},
            {"onset": [-1, 0]},
            {"onset": [math.nan, 0]},
            {"onset": [1]},
            {"beta": 0.0},
            {"flat": 1.0},
        ],
    )
    def test_refused(self, change):
        given_ = {"y": [1, 0], "alarm": [3, None], "length": [10, 10]} | change
        y, alarm, length = (given_.pop(name) for name in ("y", "alarm", "length"))
        with pytest.raises((DataError, ParameterError)):
            care(y, alarm, length, **given_)


def test_a_mean_of_nothing_says_so():
    found = mean_estimate("x", np.zeros(0), 0.95)
    assert math.isnan(found.value)
    assert found.method.startswith("none")
