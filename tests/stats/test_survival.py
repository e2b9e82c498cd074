"""Kaplan-Meier by hand and by definition; censoring weights, their identities and their edges."""

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from riskwright.core import (
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.stats.survival import (
    censoring_distribution,
    horizon_outcomes,
    ipcw_weights,
    kaplan_meier,
    kaplan_meier_weights,
)

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ROTTERDAM = SHARED / "data" / "survival" / "rds_survival_rotterdam" / "rotterdam.csv"

rows = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=25
)


def columns(drawn):
    return (np.array(column, dtype=float) for column in zip(*drawn, strict=True))


def by_definition(time, event, w, t, left=False):
    """S(t) as a product over the times up to t."""
    value = 1.0
    for u in np.unique(time):
        if u < t or (u == t and not left):
            value *= 1 - w[(time == u) & (event == 1)].sum() / w[time >= u].sum()
    return value


def g_by_definition(time, event, w, t, left=True):
    value = 1.0
    for u in np.unique(time):
        if u < t or (u == t and not left):
            lost = w[(time == u) & (event == 0)].sum()
            value *= 1 - lost / (w[time > u].sum() + lost) if lost else 1.0
    return value


@given(rows)
def test_curves_are_the_products_of_their_definition(drawn):
    time, event, w = columns(drawn)
    curve, g = kaplan_meier(time, event, w), censoring_distribution(time, event, w)
    for t in (0.5, 1, 2, 3.5, 6, 9):
        for left, side in ((False, "right"), (True, "left")):
            assert curve.at(t, side) == pytest.approx(by_definition(time, event, w, t, left))
            assert g.at(t, side) == pytest.approx(g_by_definition(time, event, w, t, left))


@given(rows)
def test_survival_times_censoring_is_the_share_at_risk(drawn):
    time, event, w = columns(drawn)
    curve, g = kaplan_meier(time, event, w), censoring_distribution(time, event, w)
    product = curve.at(curve.times, "left") * g.at(g.times, "left")
    assert product == pytest.approx(curve.at_risk / w.sum())


def test_curve_and_greenwood_equal_scipy():
    rng = np.random.default_rng(0)
    time, event = np.ceil(rng.exponential(8, 200)), rng.random(200) < 0.6
    data = CensoredData(time[event], right=time[~event])
    sf = ecdf(data).sf
    curve = kaplan_meier(time, event)
    assert curve.at(sf.quantiles) == pytest.approx(sf.probabilities)
    interval = sf.confidence_interval(0.9, method="log-log")
    for t in (3, 8, 15):
        found = curve.estimate(t, 0.9)
        ends = float(interval.low.evaluate(t)), float(interval.high.evaluate(t))
        assert (found.low, found.high) == pytest.approx(ends)


def test_weight_2_is_the_row_twice_in_the_curve():
    time, event, w = np.array([1, 2, 2, 3, 5]), np.array([1, 0, 1, 1, 0]), np.array([1, 2, 3, 1, 2])
    one = kaplan_meier(time, event, w)
    two = kaplan_meier(np.repeat(time, w), np.repeat(event, w))
    assert one.survival == pytest.approx(two.survival)
    assert (one.n, two.n) == (5, 9)


def test_curve_says_where_it_ends():
    open_ended, closed = kaplan_meier([1, 2, 3], [1, 1, 0]), kaplan_meier([1, 2, 3], [1, 0, 1])
    assert (open_ended.complete, closed.complete) == (False, True)
    assert math.isnan(open_ended.estimate(4).value)
    assert "follow-up ends at 3" in open_ended.estimate(4).method
    assert (closed.estimate(4).value, closed.at(4)) == (0.0, 0.0)
    early = open_ended.estimate(0.5)
    assert early.value == early.high == 1.0
    assert 0 < early.low < 1


@given(rows)
def test_kaplan_meier_weights_are_jumps_and_ipcw_without_truncation(drawn):
    time, event, w = columns(drawn)
    jumps = kaplan_meier_weights(time, event, w)
    ipcw = ipcw_weights(time, event, sample_weight=w, truncate=1e-12).weight
    assert jumps == pytest.approx(ipcw / w.sum())
    curve = kaplan_meier(time, event, w)
    assert jumps.sum() == pytest.approx(1 - curve.survival[-1])
    for t in range(7):
        assert jumps[time <= t].sum() == pytest.approx(1 - curve.at(t))


@given(rows, st.integers(1, 6))
def test_weights_at_a_horizon_stand_for_all_rows(drawn, horizon):
    time, event, w = columns(drawn)
    found = horizon_outcomes(time, event, horizon, sample_weight=w, truncate=1e-12)
    known = (event == 1) | (time >= horizon)
    assert ((found.weight > 0) == known).all()
    if found.within:
        assert found.weight.sum() == pytest.approx(w.sum())
        risk = found.weight @ found.y / w.sum()
        assert risk == pytest.approx(1 - kaplan_meier(time, event, w).at(horizon))
    else:
        assert found.report.mass < 1


def test_rows_censored_at_the_horizon_were_followed_to_it():
    found = horizon_outcomes([10, 52, 52, 52], [1, 0, 0, 0], 52)
    assert found.weight.tolist() == [1, 1, 1, 1]
    assert found.y.tolist() == [1, 0, 0, 0]
    assert found.within
    assert found.report.mass == 1


def test_beyond_the_follow_up_there_is_a_report_and_no_exception():
    found = horizon_outcomes([10, 52, 52, 52], [1, 0, 0, 0], 60)
    assert not found.within
    assert found.weight.tolist() == [1, 0, 0, 0]
    assert found.report.mass == 0.25
    nothing = horizon_outcomes([1, 2], [0, 0], 3)
    assert nothing.weight.tolist() == [0, 0]
    assert math.isnan(nothing.report.smallest)


def test_small_g_is_truncated_by_the_limit_and_reported():
    time, event = np.arange(1.0, 101), np.zeros(100)
    event[-1] = 1
    found = ipcw_weights(time, event, horizon=100, truncate=0.05)
    report = found.report
    assert found.weight[-1] == pytest.approx(20)
    assert report.smallest == pytest.approx(0.01)
    assert (report.n, report.n_used, report.n_truncated) == (100, 1, 1)
    assert (report.share_truncated, report.limit) == (1.0, 0.05)
    assert report.mass == pytest.approx(0.2)
    assert report.effective_n == pytest.approx(1)
    assert ipcw_weights(time, event, horizon=100, truncate=1e-6).report.n_truncated == 0


def test_strata_have_their_own_censoring():
    rng = np.random.default_rng(1)
    time, event = rng.exponential(size=60), rng.integers(0, 2, 60)
    stratum = np.where(np.arange(60) % 3 == 0, "a", "b")
    found = ipcw_weights(time, event, horizon=0.7, strata=stratum)
    for label in "ab":
        rows = stratum == label
        alone = ipcw_weights(time[rows], event[rows], horizon=0.7)
        assert found.weight[rows] == pytest.approx(alone.weight)
    assert found.weight != pytest.approx(ipcw_weights(time, event, horizon=0.7).weight)


def test_rows_of_weight_0_are_absent_and_keep_their_place():
    found = ipcw_weights([1, 2, 3, 4], [1, 0, 1, 0], horizon=3, sample_weight=[1, 0, 1, 1])
    assert found.weight.tolist() == [1, 0, 1, 1]
    assert found.report.n == 3


def test_weights_are_unbiased_for_the_risk_at_a_horizon():
    rng = np.random.default_rng(2)
    life, seen = rng.exponential(1, 200_000), rng.exponential(1.5, 200_000)
    found = horizon_outcomes(np.minimum(life, seen), life <= seen, 1.0)
    error = math.sqrt(float(found.weight**2 @ found.y)) / life.size
    assert found.weight @ found.y / life.size == pytest.approx(1 - math.exp(-1), abs=4 * error)


@pytest.mark.parametrize(
    ("time", "event", "weight", "error"),
    [
        ([1, -2], [1, 0], None, ValueRangeError),
        ([1, np.nan], [1, 0], None, MissingValueError),
        ([1, np.inf], [1, 0], None, ValueRangeError),
        ([], [], None, EmptyDataError),
        ([1, 2], [1, 2], None, TargetError),
        ([1, 2], [1], None, DataError),
        ([[1, 2]], [1, 0], None, DataError),
        (["a", "b"], [1, 0], None, DataError),
        ([1, 2], [1, 0], [1, -1], ValueRangeError),
        ([1, 2], [1, 0], [0, 0], EmptyDataError),
        ([1, 2], [1, 0], [1], DataError),
    ],
)
def test_bad_follow_up_is_refused(time, event, weight, error):
    for function in (kaplan_meier, censoring_distribution, kaplan_meier_weights):
        with pytest.raises(error) as caught:
            function(time, event, weight)
        assert caught.value.where in ("time", "event", "sample_weight")


def test_bad_parameters_are_refused():
    for truncate in (0.0, -1, 1.5, math.nan):
        with pytest.raises(ParameterError, match="truncate"):
            ipcw_weights([1, 2], [1, 0], truncate=truncate)
    with pytest.raises(ParameterError, match="horizon"):
        horizon_outcomes([1, 2], [1, 0], 0)
    with pytest.raises(DataError, match="strata"):
        ipcw_weights([1, 2], [1, 0], strata=["a"])
    with pytest.raises(ParameterError, match="side"):
        kaplan_meier([1, 2], [1, 0]).at(1, "middle")


def test_on_public_data_the_weights_give_back_the_curve():
    if not ROTTERDAM.exists():
        pytest.skip("shared data are not here")
    with ROTTERDAM.open(newline="") as file:
        table = list(csv.DictReader(file))
    time = np.array([float(row["dtime"]) for row in table])
    event = np.array([int(row["death"]) for row in table])
    curve = kaplan_meier(time, event)
    for horizon in (365.25, 1826, 3652):
        found = horizon_outcomes(time, event, horizon)
        assert found.report.n_truncated == 0
        assert found.weight @ found.y / time.size == pytest.approx(1 - curve.at(horizon))
