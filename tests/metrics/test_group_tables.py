"""Group tables repeat the metrics at the joint level; gaps follow the square-and-add rule."""

import math

import numpy as np
import pytest

from riskwright.core import ColumnError, ParameterError
from riskwright.metrics import auroc, brier, crps, group_table


def sample(n=900, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return rng.random(n) < p, p, rng.choice(list("abc"), n, p=[0.5, 0.3, 0.2])


@pytest.mark.parametrize("metric", ["auroc", auroc])
def test_estimates_are_those_of_the_metric_at_the_joint_level(metric):
    y, p, group = sample()
    table = group_table(metric, y, p, group)
    expected = auroc(y, p, groups=group, level=1 - 0.05 / 3)
    assert {row.group: row.estimate for row in table.rows} == expected
    assert (table.metric, table.reference, table.small) == ("auroc", None, ())
    assert all(row.gap is None for row in table.rows)
    for row in table.rows:
        assert (row.n, row.events) == ((group == row.group).sum(), y[group == row.group].sum())


def test_gap_to_a_group_and_to_the_rest_is_square_and_add():
    y, p, group = sample()
    level = 1 - 0.05 / 2
    table = group_table("brier", y, p, group, reference="a")
    a, b = (brier(y[group == g], p[group == g], level=level) for g in "ab")
    gap = table.rows[1].gap
    assert table.rows[0].gap is None
    assert gap.value == pytest.approx(b.value - a.value)
    assert gap.low == pytest.approx(gap.value - math.hypot(b.value - b.low, a.high - a.value))
    assert gap.high == pytest.approx(gap.value + math.hypot(b.high - b.value, a.value - a.low))
    rest = group_table("brier", y, p, group, reference="rest").rows[1].gap
    others = brier(y[group != "b"], p[group != "b"])
    assert rest.value == pytest.approx(b.value - others.value)
    assert rest.n == 900


def test_gap_to_all_rows_allows_for_their_overlap():
    y, p, group = sample()
    rest = group_table("brier", y, p, group, reference="rest").rows[0].gap
    overall = group_table("brier", y, p, group, reference="overall").rows[0].gap
    share = (group == "a").mean()
    assert overall.value == pytest.approx(rest.value * (1 - share))
    assert overall.high - overall.low > (rest.high - rest.low) * (1 - share)


def test_gaps_cover_together():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(300):
        p = rng.random(400)
        y, group = rng.random(400) < p, rng.integers(0, 4, 400)
        table = group_table("brier", y, p, group, reference="0")
        missed += any(not row.gap.low <= 0 <= row.gap.high for row in table.rows[1:])
    assert missed <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)


def test_small_groups_are_listed_and_not_pooled():
    y = np.array([0, 1] * 40 + [0] * 40 + [1])
    p = np.full(121, 0.4)
    group = ["a"] * 80 + ["b"] * 40 + ["c"]
    table = group_table("brier", y, p, group)
    assert [row.group for row in table.rows] == ["a"]
    assert [(row.group, row.n, row.events) for row in table.small] == [("b", 40, 0), ("c", 1, 1)]
    assert "over 1 groups" in table.method
    assert "too few" in str(table)
    assert len(group_table("brier", y, p, group, min_rows=0, min_events=0).rows) == 3


def test_several_columns_share_one_family():
    y, p, group = sample()
    half = np.arange(900) % 2
    table = group_table("brier", y, p, {"site": group, "half": half}, reference="rest")
    labels = ["site = a", "site = b", "site = c", "half = 0", "half = 1"]
    assert [row.group for row in table.rows] == labels
    assert table.rows[3].estimate.level == pytest.approx(0.99)
    first, second = (row.gap for row in table.rows[3:])
    assert (first.value, first.low) == pytest.approx((-second.value, -second.high))


def test_weights_and_metrics_of_real_outcomes():
    rng = np.random.default_rng(0)
    y, ensemble = rng.normal(size=200), rng.normal(size=(200, 5))
    w, group = rng.integers(0, 3, 200), np.repeat(["u", "v"], 100)
    table = group_table(crps, y, ensemble, group, sample_weight=w)
    assert [row.events for row in table.rows] == [None, None]
    assert table.rows[0].n == (w[:100] > 0).sum()
    expected = crps(y[:100], ensemble[:100], sample_weight=w[:100]).value
    assert table.rows[0].estimate.value == pytest.approx(expected)


def test_what_is_unknown_is_refused():
    y, p, group = sample()
    with pytest.raises(ParameterError, match="metric: unknown metric; .* got accuracy"):
        group_table("accuracy", y, p, group)
    with pytest.raises(ColumnError, match='"rest", "overall" or one of a, b, c; got d'):
        group_table("brier", y, p, group, reference="d")
    with pytest.raises(ColumnError, match="wrong shape"):
        group_table("brier", y, p, np.ones((900, 2)))


def test_printed_table():
    y, p, group = sample()
    lines = str(group_table("brier", y, p, group, reference="rest")).splitlines()
    assert lines[0] == "brier, 95% for all groups together"
    assert lines[1].split() == ["group", "rows", "events", "value", "interval", "gap", "to", "rest"]
    assert lines[-1] == "each interval at 98.33% (Bonferroni over 3 groups)"
    assert len(lines) == 6
