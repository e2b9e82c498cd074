"""Scanners joined by "or" under one budget."""

import math

import numpy as np
import pytest

from riskwright.core import DataError, ParameterError, UsageError, json_values
from riskwright.guard.scanners import Scanners, _path, _positions, _step

NAMES = ("words", "model", "links")


def drawn(n=4000, seed=0, shift=2.0, rate=0.3):
    """Three scanners, each of which sees its own third of the events."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < rate
    kind = rng.integers(0, 3, n)
    scores = {
        name: rng.normal(shift * (y & (kind == k)) + 0.3 * y, 1.0) for k, name in enumerate(NAMES)
    }
    return scores, y


def test_the_path_is_nested_and_positions_tell_the_same_decisions():
    scores, y = drawn(500)
    table = np.column_stack([scores[name] for name in NAMES])
    path = _path(table, y)
    assert (path[1:] <= path[:-1]).all()
    assert (path[0] == math.inf).all()
    assert (path[-1] == -math.inf).all()
    positions = _positions(path, table)
    for threshold in [-math.inf, math.inf, *np.unique(positions), *(np.unique(positions) + 0.5)]:
        row = path[_step(threshold, len(path))]
        np.testing.assert_array_equal((table >= row).any(axis=1), positions >= threshold)


def test_every_step_catches_more_events():
    scores, y = drawn(600, seed=1)
    table = np.column_stack([scores[name] for name in NAMES])
    caught = [int(((table >= row).any(axis=1) & y).sum()) for row in _path(table, y)]
    assert caught[0] == 0
    assert caught[-1] == y.sum()
    assert (np.diff(caught[:-1]) > 0).all()


def test_joint_decision_is_certified_and_the_certificate_can_be_checked():
    scores, y = drawn()
    scanners = Scanners("false alarm rate <= 5%").fit(scores, y)
    decided = scanners.decide(scores)
    rows = scanners.certifying_
    assert scanners.certificate_.certified
    bound = scanners.certificate_.bounds[0]
    flagged = decided[rows] == "flag"
    assert bound.errors == int((flagged & ~y[rows]).sum())
    assert bound.upper <= 0.05
    held = {name: column[rows] for name, column in scores.items()}
    findings = scanners.certificate_.check(scanners.positions(held), y[rows])
    assert all(finding.passed for finding in findings)


def test_one_budget_catches_more_than_three_parts_of_it():
    """Of scanners that raise the same alarms, which parts of a budget pay for thrice."""
    rng = np.random.default_rng(0)
    y = rng.random(6000) < 0.3
    same = rng.normal(size=6000)
    scores = {name: 0.8 * same + rng.normal(1.2 * y, 0.6) for name in NAMES}
    compared = Scanners("false alarm rate <= 5%").fit(scores, y).compared_
    assert compared.miss_rate.value < compared.apart_miss_rate.value
    assert compared.false_alarm_rate.value > compared.apart_false_alarm_rate.value
    assert compared.apart_false_alarm_rate.value < 0.05
    assert set(compared.apart_thresholds) == set(NAMES)


def test_shares_are_the_plain_counts():
    scores, y = drawn()
    scanners = Scanners("false alarm rate <= 5%").fit(scores, y)
    rows = scanners.certifying_
    flags = np.column_stack([scores[n][rows] >= scanners.thresholds_[n] for n in NAMES])
    for k, share in enumerate(scanners.shares_):
        others = np.delete(flags, k, axis=1).any(axis=1)
        assert share.alarms.value == pytest.approx(flags[:, k].mean())
        assert share.caught.value == pytest.approx(flags[y[rows], k].mean())
        assert share.alone_caught.value == pytest.approx((flags[:, k] & ~others)[y[rows]].mean())
        assert share.alone_false.value == pytest.approx((flags[:, k] & ~others)[~y[rows]].mean())


def test_a_scanner_of_noise_is_left_unused():
    rng = np.random.default_rng(0)
    y = rng.random(5000) < 0.3
    scores = {"good": rng.normal(3.0 * y, 1.0), "noise": rng.normal(size=5000)}
    scanners = Scanners("false alarm rate <= 5%").fit(scores, y)
    noise = scanners.shares_[1]
    assert noise.alarms.value < 0.02


@pytest.mark.parametrize(
    "budgets",
    [
        "miss rate <= 10%",
        ["miss rate <= 30%", "false alarm rate <= 30%"],
        "error rate <= 40%",
    ],
)
def test_other_budgets(budgets):
    scores, y = drawn()
    scanners = Scanners(budgets).fit(scores, y)
    assert scanners.certificate_.certified
    assert all(bound.met for bound in scanners.certificate_.bounds)


def test_budgets_hold_per_group():
    scores, y = drawn()
    group = np.where(np.arange(y.size) % 2, "a", "b")
    scanners = Scanners("false alarm rate <= 6% per source").fit(
        scores, y, groups={"source": group}
    )
    assert {bound.group for bound in scanners.certificate_.bounds} == {"a", "b"}
    assert scanners.certificate_.certified


def test_budgets_that_cannot_be_met_abstain():
    scores, y = drawn(200)
    scanners = Scanners("false alarm rate <= 0.1%").fit(scores, y)
    if scanners.certificate_.certified:
        pytest.fail("80 rows cannot certify 0.1 %")
    assert scanners.thresholds_ == {}
    assert scanners.shares_ == ()
    assert scanners.compared_ is None
    assert set(scanners.decide(scores)) == {"abstain"}


def test_a_failed_scanner_is_no_pass():
    scores, y = drawn()
    scanners = Scanners("false alarm rate <= 5%").fit(scores, y)
    row = {"words": [math.nan, math.nan, -9.0], "model": [9.0, -9.0, -9.0], "links": [-9.0] * 3}
    assert scanners.decide(row).tolist() == ["flag", "abstain", "pass"]


def test_saved_scanners_decide_the_same():
    scores, y = drawn()
    scanners = Scanners("false alarm rate <= 5%").fit(scores, y)
    kind, body = scanners.to_artifact()
    again = Scanners.from_artifact(json_values(body))
    assert kind == "scanners"
    assert again.thresholds_ == scanners.thresholds_
    np.testing.assert_array_equal(again.path_, scanners.path_)
    assert again.certificate_ == scanners.certificate_


def test_tied_scores_are_kept_together():
    rng = np.random.default_rng(0)
    y = rng.random(3000) < 0.4
    scores = {"a": np.round(rng.random(3000) + 0.4 * y, 1), "b": y * (rng.random(3000) < 0.5) * 1.0}
    scanners = Scanners("false alarm rate <= 10%").fit(scores, y)
    assert scanners.certificate_.certified
    assert scanners.compared_.miss_rate.value < 0.5


@pytest.mark.parametrize(
    ("budgets", "scores", "y", "match"),
    [
        ("false discovery rate <= 5%", {"a": [0.1, 0.2]}, [0, 1], "no false discovery rate"),
        ("miss rate <= 5%", {}, [0, 1], "no scanners"),
        ("miss rate <= 5%", [[0.1], [0.2]], [0, 1], "no scanners"),
        ("miss rate <= 5%", {"a": [0.1] * 4}, [0, 0, 0, 0], "no event|one class|constant|outcome"),
        ("miss rate <= 5%", {"a": [0.1, math.nan]}, [0, 1], "missing"),
    ],
)
def test_what_is_refused(budgets, scores, y, match):
    with pytest.raises((ParameterError, DataError), match=match):
        Scanners(budgets).fit(scores, y)


def test_use_before_fit_and_of_other_scanners_is_refused():
    with pytest.raises(UsageError, match="not fitted"):
        Scanners("miss rate <= 5%").decide({"a": [1.0]})
    scores, y = drawn(400)
    scanners = Scanners("miss rate <= 20%").fit(scores, y)
    with pytest.raises(ParameterError, match="other scanners"):
        scanners.decide({"words": [0.1]})


def test_broken_promises_are_rare():
    """80 draws of 300 rows from a known population; a rate above .1 + 2.5 s.e. would fail."""
    scores, y = drawn(4000, seed=3)
    table = scores
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(80):
        rows = rng.integers(0, y.size, 300)
        scanners = Scanners("false alarm rate <= 10% with 90% confidence").fit(
            {name: column[rows] for name, column in table.items()}, y[rows]
        )
        flagged = scanners.decide(table) == "flag"
        broken += flagged[~y].mean() > 0.1
    assert broken / 80 <= 0.1 + 2.5 * math.sqrt(0.1 * 0.9 / 80)
    assert broken > 0
