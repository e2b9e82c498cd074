"""`Watch`: quiet while promises are kept, sure when they are not, for every kind of certificate."""

import math

import numpy as np
import pytest

import riskwright as rw
from riskwright.core import DataError, ParameterError, UsageError, ValueRangeError
from riskwright.decision import Budget, RiskControl, Strictness, ThreeWay, Threshold, Watch
from riskwright.stats import RiskMonitor

RNG = np.random.default_rng(0)
N = 2000
SCORE = RNG.random(N)
Y = RNG.random(N) < SCORE
CERTIFICATE = Threshold("miss rate <= 20%").fit(SCORE, Y).certificate_


def test_the_e_value_is_that_of_the_misses_among_events():
    watch = Watch(CERTIFICATE)
    watch.update(SCORE, Y)
    monitor = RiskMonitor(0.2, 0.05)
    monitor.update((SCORE[Y] < CERTIFICATE.thresholds["threshold"]).astype(float))
    assert list(watch.e_values_.values()) == [pytest.approx(monitor.e_value)]
    one_by_one = Watch(CERTIFICATE)
    for k in range(0, N, 100):
        one_by_one.update(SCORE[k : k + 100], Y[k : k + 100])
    assert one_by_one.e_values_ == pytest.approx(watch.e_values_)
    assert (watch.seen_, watch.pending_, watch.alarm_) == (N, 0, False)


def test_an_alarm_voids_the_certificate_and_survives_saving(tmp_path):
    watch = Watch(CERTIFICATE)
    assert not watch.update(acted=np.zeros(3, bool), y=np.ones(3))
    rw.save(watch, tmp_path / "watch.json")
    again = rw.load(tmp_path / "watch.json")
    for one in (watch, again):
        assert one.update(acted=np.zeros(3000, bool), y=np.ones(3000))
        assert one.certificate_.verdict == "void"
        assert one.certificate_.statement.startswith("VOID: after 3,003 outcomes")
    assert again.e_values_ == watch.e_values_
    rw.save(again, tmp_path / "watch.json")
    assert rw.load(tmp_path / "watch.json").update(acted=[True], y=[1.0])


def test_three_ways_are_watched_at_both_thresholds():
    """Passed events are misses, blocked others false alarms; what is escalated is neither."""
    rule = ThreeWay("miss rate <= 10%", "false alarm rate <= 10%").fit(SCORE, Y)
    middle = (rule.low_ + rule.high_) / 2
    watch = Watch(rule.certificate_)
    assert not watch.update(np.full(500, middle), np.arange(500) % 2)
    with pytest.raises(ParameterError, match="escalated"):
        watch.update(acted=[True], y=[1.0])
    assert Watch(rule.certificate_).update(np.zeros(300), np.ones(300))
    assert Watch(rule.certificate_).update(np.ones(300), np.zeros(300))


def test_one_regime_is_watched_at_a_time():
    rule = Strictness({"a": "miss rate <= 5%", "b": "miss rate <= 30%"}).fit(SCORE, Y)
    with pytest.raises(UsageError, match="regime"):
        Watch(rule.certificate_)
    assert not Watch(rule.certificates_["b"]).update(SCORE, Y)


def test_limits_that_nothing_can_break_are_not_watched():
    watch = Watch(Threshold(Budget("miss rate", 1.0)).fit(SCORE, Y).certificate_)
    assert not watch.update(acted=np.zeros(1000, bool), y=np.ones(1000))


def test_losses_and_groups_are_watched_where_they_stand():
    table = {"only": RNG.random(N) * 0.2}
    group = np.arange(N) % 2
    rule = RiskControl("loss <= 20% per site").fit(table, groups=group)
    watch = Watch(rule.certificate_)
    losses = np.where(group[:600] == 1, 0.9, 0.05)
    assert watch.update(losses=losses, groups={"site": group[:600]})
    assert "group 1" in watch.certificate_.statement
    with pytest.raises(ParameterError, match="site"):
        watch.update(losses=losses)


def test_pending_outcomes_are_counted():
    watch = Watch(CERTIFICATE)
    watch.update([0.5, 0.6, 0.7], [1, math.nan, math.nan])
    assert (watch.seen_, watch.pending_) == (1, 2)
    watch.update([0.6], [0], late=True)
    assert (watch.seen_, watch.pending_) == (2, 1)


def test_known_chances_of_being_observed_leave_no_bias():
    """Misses are seen a third as often; without the chances they would pass unnoticed."""
    rng = np.random.default_rng(1)
    acted = rng.random(6000) >= 0.4
    chance = np.where(acted, 0.9, 0.3)
    y = np.where(rng.random(6000) < chance, 1.0, np.nan)
    blind, seeing = Watch(CERTIFICATE), Watch(CERTIFICATE)
    assert not blind.update(acted=acted, y=y)
    assert seeing.update(acted=acted, y=y, observed=chance, least_observed=0.3)


def test_what_cannot_be_watched_is_refused():
    with pytest.raises(UsageError, match="promise"):
        Watch(Threshold("miss rate <= 0.01%").fit(SCORE, Y).certificate_)
    with pytest.raises(ParameterError, match="delta"):
        Watch(CERTIFICATE, delta=1.0)
    watch = Watch(CERTIFICATE)
    for arguments, error in (
        ({"score": [0.5], "y": [2]}, ValueRangeError),
        ({"score": [0.5, 0.6], "y": [1]}, DataError),
        ({"score": [math.nan], "y": [1]}, DataError),
        ({"acted": [2], "y": [1]}, ValueRangeError),
        ({"score": [0.5], "y": [1], "observed": 0.5}, ParameterError),
        ({"score": [0.5], "acted": [True], "y": [1]}, ParameterError),
    ):
        with pytest.raises(error):
            watch.update(**arguments)
    assert watch.seen_ == 0
