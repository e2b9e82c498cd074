"""Figures of groups by their definitions, the published ones of COMPAS, gaps that hold together."""

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.audit.group_gaps import MEASURES, group_gaps
from riskwright.core import (
    ColumnError,
    DataError,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.metrics import auroc, brier, group_table
from riskwright.stats import horizon_outcomes, kaplan_meier

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
COMPAS = SHARED / "data" / "table" / "compas" / "compas-scores-two-years.csv"


def rows_of(table):
    return {row.group: row for row in (*table.rows, *table.small)}


def of(found, measure):
    return rows_of(next(t for t in found.tables if t.metric == measure))


@pytest.mark.skipif(not COMPAS.exists(), reason="shared data are not here")
def test_the_published_rates_of_compas():
    with COMPAS.open() as lines:
        people = list(csv.DictReader(lines))
    assert len(people) == 7214
    y = np.array([int(p["two_year_recid"]) for p in people])
    flagged = np.array([p["score_text"] != "Low" for p in people], dtype=float)
    race = np.array([p["race"] for p in people])
    found = group_gaps(
        y, flagged, {"race": race, "all": np.ones(y.size)}, at=1, measures=["fpr", "fnr", "ppv"]
    )
    figures = {
        group: [round(100 * of(found, m)[group].estimate.value, 2) for m in ("fpr", "fnr", "ppv")]
        for group in ("race = African-American", "race = Caucasian", "all = 1")
    }
    assert figures["race = African-American"] == [44.85, 27.99, 62.97]
    assert figures["race = Caucasian"] == [23.45, 47.72, 59.13]
    assert figures["all = 1"][:2] == [32.35, 37.40]
    assert of(found, "fpr")["all = 1"].gap.method == "none: no other rows"
    first = found.findings[0]
    assert (first.code, first.severity) == ("group.fpr.gap", "high")
    assert first.sentence.startswith(
        "Of the 1,795 with race = African-American who did not have the event, 45% were flagged"
    )


def drawn(rng, n, values=2):
    race = rng.choice(["a", "b", "c"][:values], n)
    sex = rng.choice(["f", "m"], n)
    p = np.round(rng.random(n), int(rng.integers(1, 4)))
    return race, sex, (rng.random(n) < p).astype(int), p


def by_definition(measure, y, p, w, at):
    flagged = p >= at
    if measure == "auc":
        return auroc(y, p, sample_weight=w).value
    if measure == "calibration":
        return float(np.average(y - p, weights=w))
    hit, among = {
        "rate": (flagged, np.ones(y.size, bool)),
        "fpr": (flagged, y == 0),
        "fnr": (~flagged, y == 1),
        "ppv": (y == 1, flagged),
    }[measure]
    return float(np.average(hit[among], weights=w[among]))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000).map(np.random.default_rng), st.booleans())
def test_figures_and_gaps_are_those_of_the_definitions(rng, weighted):
    race, sex, y, p = drawn(rng, 300, 3)
    w = rng.uniform(0.5, 2, 300) if weighted else np.ones(300)
    found = group_gaps(
        y, p, {"race": race, "sex": sex}, at=0.5, sample_weight=w if weighted else None
    )
    masks = {f"race = {r}": race == r for r in "abc"} | {f"sex = {s}": sex == s for s in "fm"}
    masks |= {f"race = {r} & sex = {s}": (race == r) & (sex == s) for r in "abc" for s in "fm"}
    assert [table.metric for table in found.tables] == list(MEASURES)
    for table in found.tables:
        assert set(rows_of(table)) == set(masks)
        for row in table.rows:
            inside = masks[row.group]
            one, other = (
                by_definition(table.metric, y[m], p[m], w[m], 0.5) for m in (inside, ~inside)
            )
            assert row.estimate.value == pytest.approx(one, abs=1e-12)
            assert row.gap.value == pytest.approx(one - other, abs=1e-12)
            assert row.estimate.low <= row.estimate.value <= row.estimate.high
            assert row.gap.low <= row.gap.value <= row.gap.high
            assert (row.n, row.events) == (inside.sum(), y[inside].sum())


def test_intervals_are_those_of_group_table():
    """The same simultaneous level, gaps and small groups as the general table."""
    rng = np.random.default_rng(5)
    race, _, y, p = drawn(rng, 600, 3)
    ours = group_gaps(y, p, {"race": race}, measures=["auc"])
    theirs = group_table("auroc", y, p, {"race": race}, reference="rest")
    for one, other in zip(ours.tables[0].rows, theirs.rows, strict=True):
        for a, b in ((one.estimate, other.estimate), (one.gap, other.gap)):
            assert (a.value, a.low, a.high, a.level) == pytest.approx(
                (b.value, b.low, b.high, b.level), abs=1e-12
            )


def test_other_metrics_go_through_the_general_table():
    rng = np.random.default_rng(6)
    race, sex, y, p = drawn(rng, 600)
    found = group_gaps(y, p, {"race": race, "sex": sex}, at=0.5, measures=["rate", brier])
    assert [t.metric for t in found.tables] == ["rate", "brier"]
    assert set(of(found, "brier")) == set(of(found, "rate"))
    for row in found.tables[1].rows:
        assert row.estimate is not None


def test_small_groups_are_listed_by_what_each_measure_counts():
    rng = np.random.default_rng(0)
    group = np.array(["big"] * 500 + ["no event"] * 100 + ["one"])
    y = np.concatenate([rng.integers(0, 2, 500), np.zeros(101, int)])
    p = rng.random(601)
    found = group_gaps(y, p, {"g": group}, at=0.5)
    assert of(found, "rate")["g = no event"].estimate is not None
    assert of(found, "fpr")["g = no event"].estimate.value == pytest.approx(
        (p[500:600] >= 0.5).mean()
    )
    for measure in ("fnr", "auc", "calibration"):
        small = next(t for t in found.tables if t.metric == measure).small
        assert {row.group: row.n for row in small} == {"g = no event": 100, "g = one": 1}
    assert [row.group for row in found.tables[0].small] == ["g = one"]


def test_a_single_member_has_figures_when_asked_for():
    y, p = [1, 0, 1, 0], [0.9, 0.2, 0.4, 0.6]
    found = group_gaps(y, p, {"g": list("abbb")}, at=0.5, min_rows=0, min_events=0)
    row = of(found, "fpr")["g = a"]
    assert math.isnan(row.estimate.value)
    assert row.estimate.method == "none: nobody without the event"
    assert math.isnan(row.gap.low)
    assert of(found, "rate")["g = a"].estimate.value == 1.0
    assert of(found, "auc")["g = a"].estimate.method == "none: one class only"
    assert found.findings[0].code == "group.none"


def test_intersections_of_the_same_rows_are_left_out():
    rng = np.random.default_rng(0)
    race, _, y, p = drawn(rng, 400)
    pregnant = np.where(race == "a", "yes", "no")
    found = group_gaps(y, p, {"race": race, "pregnant": pregnant}, at=0.5, measures=["rate"])
    assert len(found.tables[0].rows) == 4


def test_groups_that_hold_all_rows_are_no_gap_and_mirrored_groups_are_one():
    rng = np.random.default_rng(0)
    y, score = rng.random(3000) < 0.4, rng.random(3000)
    sex, race = rng.choice(["f", "m"], 3000), rng.choice(["a", "b", "c"], 3000)
    alone = group_gaps(y, score, {"sex": sex}, at=0.5, measures=["rate"])
    beside = group_gaps(y, score, {"sex": sex, "all": sex == sex}, at=0.5, measures=["rate"])
    plain = group_gaps(y, score, {"sex": sex}, at=0.5, measures=["rate"], reference={"sex": "m"})
    assert beside.tables[0].rows[0].gap == alone.tables[0].rows[0].gap
    assert "no other rows" in beside.tables[0].rows[2].gap.method
    one = plain.tables[0].rows[0].gap
    assert (one.low, one.high) == (
        alone.tables[0].rows[0].gap.low,
        alone.tables[0].rows[0].gap.high,
    )
    assert alone.tables[0].rows[1].gap.low == -alone.tables[0].rows[0].gap.high
    three = group_gaps(y, score, {"race": race}, at=0.5, measures=["rate"]).tables[0].rows
    assert three[0].gap.level == pytest.approx(1 - 0.05 / 3)
    only = group_gaps(y, score, {"all": np.full(3000, "x")}, at=0.5).findings
    assert [f.code for f in only] == ["group.none"]
    assert only[0].sentence.startswith("No two groups can be compared")


def test_a_score_at_the_threshold_is_flagged():
    score = np.repeat([0.25, 0.5, 0.75], 40)
    found = group_gaps(score > 0.6, score, np.tile(["a", "b"], 60), at=0.5, measures=["rate"])
    assert [row.estimate.value for row in found.tables[0].rows] == pytest.approx([2 / 3] * 2)


def test_depth_and_one_array():
    rng = np.random.default_rng(0)
    race, sex, y, p = drawn(rng, 2000)
    third = rng.integers(0, 2, 2000)
    groups = {"race": race, "sex": sex, "third": third}
    counts = [
        len(group_gaps(y, p, groups, at=0.5, measures=["rate"], depth=d).tables[0].rows)
        for d in (1, 2, 3, 4)
    ]
    assert counts == [6, 6 + 12, 6 + 12 + 8, 6 + 12 + 8]
    alone = group_gaps(y, p, race, at=0.5, measures=["rate"])
    assert [row.group for row in alone.tables[0].rows] == ["a", "b"]


def test_a_stated_reference():
    rng = np.random.default_rng(1)
    race, sex, y, p = drawn(rng, 900, 3)
    found = group_gaps(
        y, p, {"race": race, "sex": sex}, at=0.5, measures=["fpr"], reference={"race": "b"}
    )
    rows = of(found, "fpr")
    assert rows["race = b"].gap is None
    expected = rows["race = a"].estimate.value - rows["race = b"].estimate.value
    assert rows["race = a"].gap.value == pytest.approx(expected)
    free = y == 0
    rest = (sex == "m") & free
    assert rows["sex = f"].gap.value == pytest.approx(
        (p[(sex == "f") & free] >= 0.5).mean() - (p[rest] >= 0.5).mean()
    )
    assert found.reference == "race = b"
    both = group_gaps(
        y,
        p,
        {"race": race, "sex": sex},
        at=0.5,
        measures=["fpr"],
        reference={"race": "b", "sex": "m"},
    )
    rows = of(both, "fpr")
    assert rows["race = b & sex = m"].gap is None
    expected = rows["race = a & sex = f"].estimate.value - rows["race = b & sex = m"].estimate.value
    assert rows["race = a & sex = f"].gap.value == pytest.approx(expected)


def test_missing_values_are_a_group_and_rows_of_weight_zero_are_not_there():
    rng = np.random.default_rng(1)
    race, sex, y, p = drawn(rng, 600)
    race = race.astype(object)
    race[:100] = None
    assert "race = (missing)" in of(group_gaps(y, p, {"race": race}, at=0.5), "rate")
    weight = np.ones(600)
    weight[:100] = 0
    weighted = group_gaps(y, p, {"race": race, "sex": sex}, at=0.5, sample_weight=weight)
    kept = group_gaps(y[100:], p[100:], {"race": race[100:], "sex": sex[100:]}, at=0.5)
    assert weighted.tables == kept.tables


def test_findings_name_the_worse_of_two_mirrored_groups_and_its_gravity():
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], 4000)
    y = rng.integers(0, 2, 4000)
    p = np.where(rng.random(4000) < np.where(sex == "f", 0.55, 0.35), 0.9, 0.1)
    high = group_gaps(y, p, {"sex": sex}, at=0.5, measures=["fpr", "fnr"])
    assert [f.severity for f in high.findings] == ["high", "high"]
    assert "with sex = f" in high.findings[0].sentence
    assert "with sex = m" in high.findings[1].sentence
    medium = group_gaps(y, p, {"sex": sex}, at=0.5, measures=["fpr"], limits={"fpr": 0.3})
    assert medium.findings[0].severity == "medium"


def test_scores_that_are_no_probabilities_have_no_calibration():
    rng = np.random.default_rng(0)
    race, _, y, p = drawn(rng, 300)
    found = group_gaps(y, 10 * p, {"race": race}, at=5)
    assert "calibration" not in [t.metric for t in found.tables]
    with pytest.raises(ValueRangeError, match="Leave calibration out"):
        group_gaps(y, 10 * p, {"race": race}, measures=["calibration"])
    assert [t.metric for t in group_gaps(y, p, {"race": race}).tables] == ["auc", "calibration"]


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (TargetError, {"y": [0, 1, 2, 1]}),
        (MissingValueError, {"score": [0.1, math.nan, 0.3, 0.2]}),
        (DataError, {"y": [0, 1]}),
        (DataError, {"groups": {"g": ["a", "b"]}}),
        (ColumnError, {"groups": {}}),
        (ColumnError, {"reference": {"g": "z"}}),
        (ColumnError, {"reference": {"h": "a"}}),
        (ParameterError, {"reference": "g = a"}),
        (ParameterError, {"at": None, "measures": ["fpr"]}),
        (ParameterError, {"at": math.nan}),
        (ParameterError, {"measures": []}),
        (ParameterError, {"measures": "fpr"}),
        (ParameterError, {"measures": ["no such"]}),
        (ParameterError, {"depth": 0}),
        (ParameterError, {"level": 2.0}),
        (ParameterError, {"min_rows": -1}),
        (DataError, {"sample_weight": [-1.0, 1, 1, 1]}),
        (ParameterError, {"time": [1.0, 2, 3, 4]}),
        (ParameterError, {"y": None}),
    ],
)
def test_bad_input_is_refused(error, change):
    options = {
        "y": [0, 1, 0, 1],
        "score": [0.1, 0.2, 0.7, 0.9],
        "groups": {"g": list("aabb")},
        "at": 0.5,
    } | change
    with pytest.raises(error):
        group_gaps(options.pop("y"), options.pop("score"), options.pop("groups"), **options)


# ---- censored ---------------------------------------------------------------------------------


def followed(rng, n, censoring=(0.1, 0.3)):
    """Group, risk, follow-up with censoring that differs between the groups, and the truth."""
    group = rng.integers(0, 2, n)
    p = rng.uniform(0.1, 0.7, n)
    happens = rng.exponential(-1 / np.log1p(-p))
    lost = rng.exponential(1 / np.where(group == 0, *censoring))
    return group, p, np.minimum(happens, lost), happens <= lost, happens <= 1.0


def test_without_censoring_the_figures_are_those_of_the_outcomes():
    rng = np.random.default_rng(0)
    group, p, time, event, truth = followed(rng, 800, (1e-9, 1e-9))
    w = rng.uniform(0.5, 2, 800)
    options = {"at": 0.4, "sample_weight": w}
    plain = group_gaps(truth, p, {"g": group}, **options)
    late = group_gaps(None, p, {"g": group}, time=time, event=event, horizon=1.0, **options)
    for one, other in zip(plain.tables, late.tables, strict=True):
        for a, b in zip(one.rows, other.rows, strict=True):
            assert (a.group, a.n, a.events) == (b.group, b.n, b.events)
            assert b.estimate.value == pytest.approx(a.estimate.value)
            assert b.gap.value == pytest.approx(a.gap.value)
            assert b.estimate.high - b.estimate.low == pytest.approx(
                a.estimate.high - a.estimate.low, rel=0.02
            )


def test_under_censoring_rates_are_those_of_inverse_probability_weights():
    rng = np.random.default_rng(1)
    group, p, time, event, _ = followed(rng, 600)
    found = group_gaps(None, p, {"g": group}, at=0.4, time=time, event=event, horizon=1.0)
    for g in (0, 1):
        inside = group == g
        weighted = horizon_outcomes(
            time[inside], event[inside], 1.0, strata=p[inside] >= 0.4, truncate=1e-9
        )
        y, w, q = weighted.y, weighted.weight, p[inside]
        for measure in ("fpr", "fnr", "ppv"):
            expected = by_definition(measure, y, q, w, 0.4)
            row = of(found, measure)[f"g = {g}"]
            assert row.estimate.value == pytest.approx(expected, abs=1e-12)
        observed = 1 - kaplan_meier(time[inside], event[inside]).at(1.0)
        row = of(found, "calibration")[f"g = {g}"]
        assert row.estimate.value == pytest.approx(observed - q.mean(), abs=1e-12)
        assert of(found, "rate")[f"g = {g}"].estimate.value == pytest.approx((q >= 0.4).mean())
    assert found.horizon == 1.0


def test_a_group_not_followed_to_the_horizon_has_no_figure_and_says_so():
    rng = np.random.default_rng(2)
    group, p, time, event, _ = followed(rng, 600)
    early = (group == 0) & (time > 0.5)
    time, event = np.where(early, 0.5, time), event & ~early
    options = {"time": time, "event": event, "horizon": 1.0, "min_events": 0}
    found = group_gaps(None, p, {"g": group}, at=0.4, **options)
    for measure in ("fpr", "fnr", "ppv", "calibration"):
        row = of(found, measure)["g = 0"]
        assert math.isnan(row.estimate.value)
        assert row.estimate.method.startswith("none: ")
    assert not math.isnan(of(found, "rate")["g = 0"].estimate.value)


def test_order_of_rows_does_not_matter_under_censoring():
    rng = np.random.default_rng(3)
    group, p, time, event, _ = followed(rng, 400)
    order = rng.permutation(400)
    one, other = (
        group_gaps(None, p[o], {"g": group[o]}, at=0.4, time=time[o], event=event[o], horizon=1.0)
        for o in (np.arange(400), order)
    )
    for a, b in zip(one.tables, other.tables, strict=True):
        for x, z in zip(a.rows, b.rows, strict=True):
            assert z.estimate.low == pytest.approx(x.estimate.low, abs=1e-9)


def coverage(runs, n, censored, level=0.9, seed=0):
    """Share of simulations in which every gap of a measure covers the truth (0: no difference)."""
    rng = np.random.default_rng(seed)
    missed = dict.fromkeys(MEASURES, 0)
    for _ in range(runs):
        group, p, time, event, truth = followed(rng, n)
        group = rng.permutation(rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1]))
        options = {"time": time, "event": event, "horizon": 1.0} if censored else {}
        found = group_gaps(
            None if censored else truth, p, {"g": group}, at=0.4, level=level, **options
        )
        for table in found.tables:
            out = any(not row.gap.low <= 0 <= row.gap.high for row in table.rows)
            missed[table.metric] += out
    return {measure: 1 - count / runs for measure, count in missed.items()}


@pytest.mark.parametrize("censored", [False, True])
def test_all_gaps_of_a_measure_hold_together(censored):
    """Level 0.9 in 60 simulations: below 0.78 with probability 0.002."""
    assert min(coverage(60, 500, censored).values()) >= 0.78
