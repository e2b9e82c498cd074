"""Cut points: the dynamic programme against brute force, exact weights, readable numbers."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.evidence.cut_points import (
    CHANCE_NATS,
    MOST_GIVEN_BACK,
    ROUND_TOLERANCE,
    bin_losses,
    build_grid,
    exact_weights,
    number_text,
    optimal_partition,
    outcome_cuts,
    quantile_cuts,
    roundest,
)


def loss_of(weight, events, cuts):
    """Log loss and rates of the bins between `cuts`, from the definition."""
    edges = [0, *cuts, len(weight) - 1]
    total, rates = 0.0, []
    for a, b in pairwise(edges):
        w, e = weight[b] - weight[a], events[b] - events[a]
        rate = e / w
        rates.append(rate)
        total -= sum(k * np.log(p) for k, p in ((e, rate), (w - e, 1 - rate)) if k > 0)
    return total, rates, [weight[b] - weight[a] for a, b in pairwise(edges)]


def brute_force(weight, events, max_cuts, penalty, min_weight, monotone):
    """Least penalised loss over all subsets of at least one cut; None where none is allowed."""
    best = None
    for k in range(1, max_cuts + 1):
        for cuts in combinations(range(1, len(weight) - 1), k):
            loss, rates, masses = loss_of(weight, events, cuts)
            steps = np.diff(rates) if monotone != "down" else -np.diff(rates)
            if min(masses) < min_weight or (monotone is not None and (steps < 0).any()):
                continue
            if best is None or loss + penalty * k < best:
                best = loss + penalty * k
    return best


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=2, max_size=8),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.3, 2.0]),
    st.sampled_from([0.0, 4.0, 8.0]),
    st.sampled_from([None, "up", "down"]),
)
def test_partition_equals_brute_force(bins, max_cuts, penalty, min_weight, monotone):
    weight = np.concatenate(([0.0], np.cumsum([w for w, _ in bins])))
    events = np.concatenate(([0.0], np.cumsum([min(w, e) for w, e in bins])))
    cuts = optimal_partition(
        weight,
        events,
        max_cuts=max_cuts,
        penalty=penalty,
        min_weight=min_weight,
        monotone=monotone,
    )
    best = brute_force(weight, events, max_cuts, penalty, min_weight, monotone)
    if best is None:
        assert cuts == []
        return
    loss, rates, masses = loss_of(weight, events, cuts)
    assert 1 <= len(cuts) <= max_cuts
    assert loss + penalty * len(cuts) == pytest.approx(best, abs=1e-9)
    assert min(masses) >= min_weight
    if monotone is not None:
        assert (np.diff(rates) * (1 if monotone == "up" else -1) >= 0).all()


def sample(seed, n=3000):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(n) < 0.3, 0.0, np.round(rng.gamma(2.0, 20.0, n), 2))
    y = (rng.random(n) < 1 / (1 + np.exp(-(values - 40) / 15))).astype(float)
    return rng, values, y


def cuts_of(values, y, weight=None, **changes):
    total = float(len(values) if weight is None else weight.sum())
    options = {
        "rows": len(values),
        "total": total,
        "max_cuts": 5,
        "min_share": 0.01,
        "monotone": None,
        "round_cuts": True,
    }
    return outcome_cuts(values, y, weight, **{**options, **changes})


@pytest.mark.parametrize("monotone", [None, "up"])
@pytest.mark.parametrize("round_cuts", [False, True])
def test_weights_are_repeated_rows_and_order_is_irrelevant(monotone, round_cuts):
    rng, values, y = sample(1)
    times = rng.integers(1, 5, len(values))
    shuffled = rng.permutation(np.repeat(np.arange(len(values)), times))
    options = {"monotone": monotone, "round_cuts": round_cuts}
    weighted = cuts_of(values, y, exact_weights(times.astype(float)), **options)
    repeated = cuts_of(values[shuffled], y[shuffled], None, **options)
    assert weighted == repeated
    assert len(weighted) >= 3


def test_real_weights_give_the_same_cuts_in_any_order():
    rng, values, y = sample(2)
    weight = rng.gamma(1.0, 1.0, len(values))
    order = rng.permutation(len(values))
    assert cuts_of(values, y, exact_weights(weight)) == cuts_of(
        values[order], y[order], exact_weights(weight[order])
    )


def test_exact_weights_sum_without_rounding_in_any_order():
    rng = np.random.default_rng(0)
    weight = exact_weights(rng.gamma(0.3, 1.0, 5000))
    total = weight.sum()
    for _ in range(5):
        assert np.cumsum(rng.permutation(weight))[-1] == total
    whole = np.array([1.0, 2.0, 7.0, 0.0])
    assert (exact_weights(whole) == whole).all()


def spread(values, y, cuts):
    edges = np.searchsorted(np.sort(cuts), values, side="right")
    weight = np.bincount(edges).astype(float)
    return float(bin_losses(weight, np.bincount(edges, weights=y)).sum())


@pytest.mark.parametrize("seed", range(5))
def test_rounding_gives_back_no_more_than_stated(seed):
    _, values, y = sample(seed)
    exact = cuts_of(values, y, round_cuts=False)
    rounded = cuts_of(values, y)
    whole = spread(values, y, [])
    saved = whole - spread(values, y, exact)
    allowed = len(exact) * max(
        ROUND_TOLERANCE * saved / len(exact),
        min(CHANCE_NATS, MOST_GIVEN_BACK * saved / len(exact)),
    )
    assert spread(values, y, rounded) <= spread(values, y, exact) + allowed + 1e-9
    assert sum(len(number_text(c)) for c in rounded) < sum(len(number_text(c)) for c in exact)


def test_rounded_cuts_keep_rates_monotone_and_bins_large():
    rng = np.random.default_rng(3)
    values = rng.normal(size=4000)
    y = (rng.random(4000) < 0.5 + 0.3 * np.sin(2 * values)).astype(float)
    cuts = cuts_of(values, y, monotone="up", min_share=0.1)
    edges = np.searchsorted(cuts, values, side="right")
    rates = np.bincount(edges, weights=y) / np.bincount(edges)
    assert (np.diff(rates) >= 0).all()
    assert np.bincount(edges).min() >= 400


def test_a_step_in_the_risk_is_found_at_its_readable_place():
    rng = np.random.default_rng(0)
    age = rng.integers(18, 95, 5000).astype(float)
    y = (rng.random(5000) < np.where(age >= 65, 0.6, 0.1)).astype(float)
    assert cuts_of(age, y) == [65.0]


@pytest.mark.parametrize("round_cuts", [False, True])
@pytest.mark.parametrize(("n", "rate"), [(300, 0.5), (2000, 0.02), (2000, 0.98), (60, 0.1)])
def test_bins_have_room_for_ten_events_and_ten_others(n, rate, round_cuts):
    smallest = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = rng.exponential(size=n)
        y = (rng.random(n) < np.where(values > 3.5, 1 - rate, rate)).astype(float)
        rarer = min(y.mean(), 1 - y.mean())
        edges = np.searchsorted(cuts_of(values, y, round_cuts=round_cuts), values, side="right")
        rows = np.bincount(edges)
        assert len(rows) > 1
        assert rows.min() >= min(10 / rarer, n / 4) - 1e-9
        smallest.append(rows.min() * rarer)
    assert min(smallest) < 12 or n == 60  # the rule binds


def test_noise_yields_one_cut_at_most():
    rng = np.random.default_rng(0)
    values = rng.normal(size=2000)
    assert len(cuts_of(values, (rng.random(2000) < 0.3).astype(float))) == 1


def test_rounding_never_gives_back_more_than_a_quarter():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.normal(size=300)
        y = (rng.random(300) < 0.3).astype(float)
        whole = spread(values, y, [])
        saved = whole - spread(values, y, cuts_of(values, y, round_cuts=False))
        kept = whole - spread(values, y, cuts_of(values, y))
        assert kept >= (1 - MOST_GIVEN_BACK) * saved - 1e-9


@pytest.mark.parametrize(
    ("scale", "decimals"), [(1.0, 2), (0.01, 4), (1000.0, -1)], ids=["ones", "shares", "thousands"]
)
def test_small_noisy_tables_get_no_finer_numbers_than_people_use(scale, decimals):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        values = rng.normal(12 * scale, 3 * scale, 200)
        y = (rng.random(200) < 1 / (1 + np.exp(-(values / scale - 12)))).astype(float)
        for cut in cuts_of(values, y):
            assert cut == round(cut, decimals), number_text(cut)
            assert cut * 20 / scale == pytest.approx(round(cut * 20 / scale)), number_text(cut)


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1.0, 1e300, 1.7e308])
def test_numbers_of_any_size_are_cut(scale):
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, 200) * scale
    cuts = cuts_of(values, (values > 0).astype(float))
    assert len(cuts) == 1
    assert (values >= cuts[0]).mean() == pytest.approx((values > 0).mean(), abs=0.02)


def test_a_constant_has_no_cut():
    assert cuts_of(np.full(50, 3.0), np.tile([0.0, 1.0], 25)) == []
    assert quantile_cuts(np.full(50, 3.0), None, max_cuts=3, round_cuts=True) == []


def test_scaling_all_weights_below_one_changes_nothing():
    _, values, y = sample(4)
    ones = np.ones(len(values))
    tiny = exact_weights(ones / len(values))
    assert cuts_of(values, y, tiny) == cuts_of(values, y, ones)


def test_grid_isolates_heavy_values_and_keeps_totals():
    _, values, y = sample(5, 20000)
    values = np.where(values == 0, 33.333, values)
    grid = build_grid(values, y, None)
    assert len(grid.starts) <= 200
    heavy = np.searchsorted(grid.starts, 33.333)
    assert grid.weight[heavy + 1] - grid.weight[heavy] == (values == 33.333).sum()
    assert grid.weight[-1] == len(values)
    assert grid.events[-1] == y.sum()
    for start, before, below in zip(grid.starts, grid.previous, grid.weight, strict=False):
        assert below == (values < start).sum()
        assert before == max(values[values < start], default=-np.inf)


def test_quantile_cuts_split_the_weight_evenly():
    rng = np.random.default_rng(0)
    values = rng.lognormal(3.0, 1.0, 10000)
    exact = quantile_cuts(values, None, max_cuts=3, round_cuts=False)
    assert np.allclose([(values < c).mean() for c in exact], [0.25, 0.5, 0.75], atol=1e-3)
    rounded = quantile_cuts(values, None, max_cuts=3, round_cuts=True)
    assert np.allclose([(values < c).mean() for c in rounded], [0.25, 0.5, 0.75], atol=0.026)
    assert rounded == [10.0, 20.0, 40.0]


def test_quantile_cuts_drop_repeats_and_follow_weights():
    values = np.repeat([0.0, 1.0, 2.0], [90, 5, 5])
    assert quantile_cuts(values, None, max_cuts=4, round_cuts=False) == [1.0]
    assert quantile_cuts(
        np.array([0.0, 1.0, 2.0]), np.array([90.0, 5.0, 5.0]), max_cuts=4, round_cuts=False
    ) == [1.0]


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e5),
    st.floats(0, 1),
)
def test_roundest_stays_in_its_interval(low, width, place):
    high = low + width
    target = min(max(low + place * width, np.nextafter(low, np.inf)), high)
    assert low < roundest(low, high, target) <= high


@pytest.mark.parametrize(
    ("low", "high", "target", "round_number"),
    [
        (62.3, 66.0, 64.0, 65.0),
        (17.0, 18.0, 18.0, 18.0),
        (-3.0, 0.4, -2.0, 0.0),
        (-0.9, -0.12, -0.3, -0.5),
        (0.0, 0.0431, 0.0431, 0.04),
        (1340.0, 1612.0, 1516.0, 1500.0),
        (99.0, 100.0, 100.0, 100.0),
        (26.6, 26.7, 26.7, 26.7),
        (7.26, 7.27, 7.27, 7.27),
    ],
)
def test_roundest_numbers_are_those_people_pick(low, high, target, round_number):
    assert roundest(low, high, target) == round_number
