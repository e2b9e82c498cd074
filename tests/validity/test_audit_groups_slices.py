"""Simulated truth: gaps of groups hold together, slices of nothing are not found."""

import numpy as np
import pytest

from riskwright.audit.group_gaps import MEASURES, group_gaps
from riskwright.audit.slices import find_slices
from riskwright.audit.text_slices import find_text_slices

LEVEL = 0.9
RUNS = 400
ERROR = 3 * (LEVEL * (1 - LEVEL) / RUNS) ** 0.5


def truth_of(measure, group, y, p, at):
    """Gap of each group to the rest in a population of two million."""
    flagged = p >= at
    among, hit = {
        "rate": (np.ones(y.size, bool), flagged),
        "fpr": (~y, flagged),
        "fnr": (y, ~flagged),
        "ppv": (flagged, y),
        "calibration": (np.ones(y.size, bool), y - p),
    }[measure]
    gaps = []
    for g in range(3):
        inside, outside = (among & m for m in (group == g, group != g))
        gaps.append(hit[inside].mean() - hit[outside].mean())
    return gaps


def drawn(rng, n):
    """Three groups of 60, 30 and 10%, whose risks, calibration and censoring differ."""
    group = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    p = rng.uniform(0.05, 0.5, n) + 0.1 * group
    risk = np.clip(p + 0.05 * (group == 1), 0, 0.95)
    happens = rng.exponential(-1 / np.log1p(-risk))
    lost = rng.exponential(1 / np.array([0.1, 0.3, 0.5])[group])
    return group, p, happens, lost


@pytest.mark.validity
@pytest.mark.parametrize("censored", [False, True])
@pytest.mark.parametrize("n", [400, 2000])
def test_gaps_of_each_measure_hold_together(censored, n):
    """At least 0.9 less three Monte-Carlo errors (0.045) of 400 simulations."""
    rng = np.random.default_rng(n + censored)
    group, p, happens, _ = drawn(rng, 2_000_000)
    measures = [m for m in MEASURES if m != "auc"]
    truth = {m: truth_of(m, group, happens <= 1, p, 0.4) for m in measures}
    held = dict.fromkeys(measures, 0)
    for _ in range(RUNS):
        group, p, happens, lost = drawn(rng, n)
        options = {"at": 0.4, "measures": measures, "level": LEVEL, "min_rows": 0, "min_events": 0}
        if censored:
            time, event = np.minimum(happens, lost), happens <= lost
            options |= {"time": time, "event": event, "horizon": 1.0}
        found = group_gaps(None if censored else happens <= 1, p, {"g": group}, **options)
        for table in found.tables:
            held[table.metric] += all(
                not (row.gap.low > gap or row.gap.high < gap)
                for row, gap in zip(table.rows, truth[table.metric], strict=True)
            )
    assert min(held.values()) / RUNS >= LEVEL - ERROR, held


@pytest.mark.validity
@pytest.mark.parametrize("censored", [False, True])
def test_gaps_of_auc_hold_together(censored):
    """Groups that are drawn without regard to anything have the same area."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(RUNS):
        _, p, happens, lost = drawn(rng, 800)
        group = rng.choice(3, 800, p=[0.6, 0.3, 0.1])
        time, event = np.minimum(happens, lost), happens <= lost
        options = {"time": time, "event": event, "horizon": 1.0} if censored else {}
        found = group_gaps(
            None if censored else happens <= 1,
            p,
            {"g": group},
            measures=["auc"],
            level=LEVEL,
            **options,
        )
        held += all(row.gap.low <= 0 <= row.gap.high for row in found.tables[0].rows)
    assert held / RUNS >= LEVEL - ERROR


@pytest.mark.validity
def test_gaps_of_rare_flags_in_many_small_groups_hold_together():
    """2% are flagged, in 24 groups and 144 intersections of 2,000 rows."""
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(RUNS):
        groups = {
            "a": rng.choice(12, 2000, p=np.arange(1, 13) / 78),
            "b": rng.choice(12, 2000, p=np.arange(12, 0, -1) / 78),
        }
        y, p = rng.random(2000) < 0.3, rng.random(2000)
        found = group_gaps(y, p, groups, at=0.98, measures=["rate", "fpr", "fnr"], level=LEVEL)
        held += all(
            not (row.gap.low > 0 or row.gap.high < 0) for t in found.tables for row in t.rows
        )
    assert held / RUNS >= LEVEL - ERROR


def losses(rng, kind, n):
    if kind == "rare errors":
        return (rng.random(n) < 0.02).astype(float)
    if kind == "heavy":
        return rng.pareto(2.5, n)
    p = rng.uniform(0.01, 0.99, n)
    return -np.log(np.where(rng.random(n) < p, p, 1 - p))


@pytest.mark.validity
@pytest.mark.parametrize("kind", ["rare errors", "heavy", "log loss"])
@pytest.mark.parametrize("holdout", [0.0, 0.3])
def test_no_slice_is_found_where_there_is_none(kind, holdout):
    """At most 0.05 and three Monte-Carlo errors (0.033) of 400 simulations."""
    rng = np.random.default_rng(11)
    found = 0
    for seed in range(RUNS):
        table = {f"x{j}": rng.integers(0, 3 + j, 2000) for j in range(5)}
        said = find_slices(
            losses(rng, kind, 2000), table, holdout=holdout, min_share=0.03, random_state=seed
        )
        found += any(f.severity in ("medium", "high") for f in said.findings)
    assert found / RUNS <= 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5


@pytest.mark.validity
def test_no_kind_of_text_is_found_where_there_is_none():
    """At most 0.05 and three Monte-Carlo errors (0.046) of 200 simulations."""
    rng = np.random.default_rng(12)
    words = np.array([f"word{chr(97 + k)}" for k in range(26)])
    found, runs = 0, 200
    for seed in range(runs):
        texts = [" ".join(rng.choice(words, 4)) for _ in range(800)]
        said = find_text_slices(losses(rng, "log loss", 800), texts, random_state=seed)
        found += any(f.severity in ("medium", "high") for f in said.findings)
    assert found / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
