"""Concordance and AUC over time against all pairs, derivatives by weight, and edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm

from riskwright.core import DataError, ParameterError, TargetError
from riskwright.metrics import auroc
from riskwright.metrics.survival_discrimination import (
    concordance,
    concordance_pairs,
    cumulative_auroc,
)
from riskwright.stats.survival import censoring_distribution

rows = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 1), st.integers(-2, 2), st.integers(1, 3)),
    min_size=2,
    max_size=20,
).filter(lambda r: any(e for _, e, _, _ in r))


def columns(drawn):
    return (np.array(column, dtype=float) for column in zip(*drawn, strict=True))


def sample(n=60, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    life, seen = rng.exponential(np.exp(-x)), rng.exponential(1.3, n)
    time, risk = np.minimum(life, seen), x + rng.normal(size=n)
    time, risk = (np.ceil(4 * time) / 4, np.round(risk)) if ties else (time, risk)
    return time, (life <= seen) * 1.0, risk, rng.uniform(0.5, 2, n)


def all_pairs(time, event, risk, w, v):
    """Weight of concordant, tied and comparable pairs, one pair after the other."""
    concordant = tied = comparable = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            later = time[j] > time[i] or (time[j] == time[i] and not event[j])
            if event[i] and later:
                concordant += v[i] * w[j] * (risk[i] > risk[j])
                tied += v[i] * w[j] * (risk[i] == risk[j])
                comparable += v[i] * w[j]
    return concordant, tied, comparable


@given(rows)
def test_pairs_are_those_of_the_definition(drawn):
    time, event, risk, w = columns(drawn)
    concordant, tied, comparable = all_pairs(time, event, risk, w, w)
    pairs = concordance_pairs(time, event, risk, sample_weight=w)
    assert (pairs.concordant, pairs.tied, pairs.comparable) == (concordant, tied, comparable)
    found = concordance(time, event, risk, sample_weight=w)
    if comparable:
        assert found.value == pytest.approx((concordant + tied / 2) / comparable)
    else:
        assert math.isnan(found.value)
        assert "no comparable pair" in found.method


@given(rows, st.sampled_from([None, 3.0]))
def test_uno_weights_pairs_by_the_squared_inverse_of_g(drawn, tau):
    time, event, risk, w = columns(drawn)
    g = censoring_distribution(time, event, w).at(time, side="left")
    v = np.where(time < (tau or np.inf), w / g**2, 0)
    concordant, tied, comparable = all_pairs(time, event, risk, w, v)
    found = concordance(time, event, risk, kind="uno", tau=tau, sample_weight=w, truncate=1e-9)
    if comparable:
        assert found.value == pytest.approx((concordant + tied / 2) / comparable)


def test_counts_of_plain_rows_are_integers():
    time, event, risk, _ = sample()
    pairs = concordance_pairs(time, event, risk)
    assert all(type(count) is int for count in (pairs.concordant, pairs.discordant, pairs.tied))


def by_derivative(statistic, w, level=0.95):
    """Interval on the logit scale from the numerical derivatives by the log of each weight."""
    value, step = statistic(w), 1e-5
    slopes = []
    for k in range(w.size):
        up, down = w.copy(), w.copy()
        up[k] *= math.exp(step)
        down[k] *= math.exp(-step)
        slopes.append((statistic(up) - statistic(down)) / (2 * step))
    size = w.sum() ** 2 / (w @ w)
    variance = np.sum(np.square(slopes)) * size / (size - 1)
    reach = norm.ppf(0.5 + level / 2) * math.sqrt(variance) / (value * (1 - value))
    return value, expit(logit(value) - reach), expit(logit(value) + reach)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("truncate", [1e-9, 0.7])
@pytest.mark.parametrize("kind", ["harrell", "uno"])
def test_concordance_interval_is_the_infinitesimal_jackknife(kind, truncate, ties):
    time, event, risk, w = sample(ties=ties)
    options = {"kind": kind, "truncate": truncate, "tau": 1.6}
    found = concordance(time, event, risk, sample_weight=w, **options)
    expected = by_derivative(
        lambda w: concordance(time, event, risk, sample_weight=w, **options).value, w
    )
    assert (found.value, found.low, found.high) == pytest.approx(expected, rel=1e-6)
    assert ("truncated" in found.method) is (kind == "uno" and truncate == 0.7)


@pytest.mark.parametrize("ties", [False, True])
def test_auroc_interval_is_the_infinitesimal_jackknife(ties):
    time, event, risk, w = sample(ties=ties)
    found = cumulative_auroc(time, event, risk, [0.5, 1.0], sample_weight=w)
    for k, area in enumerate(found):
        expected = by_derivative(
            lambda w, k=k: (
                cumulative_auroc(time, event, risk, [0.5, 1.0], sample_weight=w)[k].value
            ),
            w,
        )
        assert (area.value, area.low, area.high) == pytest.approx(expected, rel=1e-6)


def test_without_censoring_the_area_is_the_auroc_of_the_state():
    time, _, risk, w = sample(ties=True)
    for t, area in zip(
        (0.5, 1.0),
        cumulative_auroc(time, np.ones(60), risk, [0.5, 1.0], sample_weight=w),
        strict=True,
    ):
        assert area.value == pytest.approx(auroc(time <= t, risk, sample_weight=w).value)


def test_uno_estimates_the_uncensored_figure_and_harrell_does_not():
    rng = np.random.default_rng(3)
    x = rng.normal(size=40_000)
    late = x + rng.normal(size=x.size)
    life = rng.exponential(np.exp(-2 * x))
    risk = np.where(life < 1, 2 * x, late)
    seen = rng.uniform(0, 3, x.size)
    time, event = np.minimum(life, seen), life <= seen
    truth = concordance(life, np.ones(x.size), risk, tau=2.0).value
    uno = concordance(time, event, risk, kind="uno", tau=2.0)
    harrell = concordance(time, event, risk, tau=2.0)
    assert uno.value == pytest.approx(truth, abs=0.006)
    assert not harrell.low < truth < harrell.high


def test_only_order_and_direction_of_the_risk_matter():
    time, event, risk, w = sample(ties=True)
    for kind in ("harrell", "uno"):
        one = concordance(time, event, risk, kind=kind, sample_weight=w)
        assert one == concordance(time, event, np.exp(risk), kind=kind, sample_weight=w)
        mirror = concordance(time, event, -risk, kind=kind, sample_weight=w)
        assert (one.value, one.low) == pytest.approx((1 - mirror.value, 1 - mirror.high))


def test_groups_equal_each_group_alone_and_say_what_is_missing():
    time, event, risk, _ = sample()
    group = np.array(["a", "b", "c"])[np.arange(60) % 3]
    event[group == "c"] = 0
    found = concordance(time, event, risk, kind="uno", groups=group)
    rows = group == "a"
    assert found["a"] == concordance(time[rows], event[rows], risk[rows], kind="uno")
    assert math.isnan(found["c"].value)
    assert "no event among 20 rows" in found["c"].method
    areas = cumulative_auroc(time, event, risk, [0.5], groups=group)
    assert "no event" in areas["c"][0].method
    empty = concordance(time, event, risk, groups=group, sample_weight=1.0 * (group != "b"))
    assert (empty["b"].n, math.isnan(empty["b"].value)) == (0, True)


def test_perfect_ranking_has_no_interval_and_says_so():
    found = concordance([1, 2, 3, 4], [1, 1, 1, 0], [4, 3, 2, 1])
    assert found.value == 1
    assert math.isnan(found.low)
    assert found.method.startswith("none")


def test_areas_without_cases_or_controls_are_nan_with_a_reason():
    found = cumulative_auroc([2, 3, 4, 5], [1, 1, 0, 0], [1, 2, 3, 0], [1, 3.5, 9])
    assert "no events up to" in found[0].method
    assert found[1].value == 0.5
    assert "no rows followed to" in found[2].method


@pytest.mark.parametrize("function", [concordance, lambda *a, **k: cumulative_auroc(*a, [1], **k)])
def test_bad_input_is_refused(function):
    with pytest.raises(TargetError, match="no event"):
        function([1, 2], [0, 0], [1, 2])
    with pytest.raises(DataError, match="risk"):
        function([1, 2], [1, 0], [1, 2, 3])
    with pytest.raises(DataError, match="risk"):
        function([1, 2], [1, 0], [1, np.nan])
    with pytest.raises(ParameterError, match="truncate"):
        function([1, 2], [1, 0], [1, 2], truncate=0)
    with pytest.raises(ParameterError, match="level"):
        function([1, 2], [1, 0], [1, 2], level=1)
    with pytest.raises(DataError, match="groups"):
        function([1, 2], [1, 0], [1, 2], groups=["a"])


def test_bad_kind_and_times_are_refused():
    with pytest.raises(ParameterError, match="kind"):
        concordance([1, 2], [1, 0], [1, 2], kind="gonen")
    with pytest.raises(ParameterError, match="tau"):
        concordance([1, 2], [1, 0], [1, 2], tau=-1)
    for times in ([2, 1], [1, 1], [0, 1]):
        with pytest.raises(DataError, match="times"):
            cumulative_auroc([1, 2], [1, 0], [1, 2], times)
