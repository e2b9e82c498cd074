"""Anytime-valid bounds: their definition, batches and states, false alarms and reaction."""

import json
import math

import numpy as np
import pytest

from riskwright.core import DataError, ParameterError
from riskwright.stats.martingales import MeanSequence, RiskMonitor

RNG = np.random.default_rng(7)
LOSSES = RNG.beta(1, 4, 700)


def capital_by_definition(losses, mean, delta, sign):
    total, squares, capital = 0.5, 0.25, 0.0
    for i, loss in enumerate(losses):
        time = i + 1
        bet = min(0.75, math.sqrt(2 * math.log(2 / delta) / (squares * math.log1p(time))))
        capital += math.log(1 + sign * bet * (loss - mean))
        total += loss
        squares += (loss - total / (time + 1)) ** 2
    return capital


def test_the_interval_is_that_of_its_definition():
    low, high = MeanSequence(0.1).update(LOSSES)
    needed = math.log(20)
    assert capital_by_definition(LOSSES, low, 0.1, 1) == pytest.approx(needed, abs=0.02)
    assert capital_by_definition(LOSSES, high, 0.1, -1) == pytest.approx(needed, abs=0.02)
    assert capital_by_definition(LOSSES, low, 0.1, 1) >= needed - 1e-9
    assert capital_by_definition(LOSSES, high, 0.1, -1) >= needed - 1e-9


def test_batches_only_skip_looks():
    whole, single = MeanSequence(0.1), MeanSequence(0.1)
    for loss in LOSSES:
        single.update(loss)
    whole.update(LOSSES[:300])
    whole.update([])
    whole.update(LOSSES[300:])
    assert whole.count == single.count == 700
    assert whole.low <= single.low + 1e-9
    assert single.high <= whole.high + 1e-9
    state, other = single.to_dict(), whole.to_dict()
    np.testing.assert_allclose(state["growth"], other["growth"], rtol=1e-9, atol=1e-9)


def test_the_interval_never_widens_and_learns_a_constant():
    sequence, previous = MeanSequence(0.05), (0.0, 1.0)
    for _ in range(40):
        low, high = sequence.update(np.full(50, 0.3))
        assert previous[0] <= low <= 0.3 <= high <= previous[1]
        previous = low, high
    assert high - low < 0.02
    one = MeanSequence(0.05)
    low, high = one.update(np.ones(2000))
    assert low > 0.99
    assert high == 1.0


def test_sequences_cover_at_all_times_at_once():
    rng, draws, misses = np.random.default_rng(0), 400, 0
    for _ in range(draws):
        sequence = MeanSequence(0.1)
        for batch in np.split((rng.random(400) < 0.2).astype(float), 40):
            low, high = sequence.update(batch)
        misses += not low <= 0.2 <= high
    assert misses / draws <= 0.1 + 2 * math.sqrt(0.09 / draws)


def monitor_by_definition(losses, limit, detector):
    """Entries at every row, each a product of factors, for each stake."""
    stakes = [0.9 * 0.5**k / limit for k in range(8)]
    n = len(losses)
    wealth = 0.0 if detector else 1 / (n + 1)
    for stake in stakes:
        for start in range(n):
            entry = 1.0 if detector else 1 / ((start + 1) * (start + 2))
            wealth += entry * np.prod(1 + stake * (losses[start:] - limit)) / 8
    return wealth


@pytest.mark.parametrize("guarantee", ["false-alarm", "run-length"])
def test_the_capital_is_that_of_its_definition(guarantee):
    monitor = RiskMonitor(0.2, 0.01, guarantee)
    for part in np.split(LOSSES[:60], [1, 7, 7, 40]):
        monitor.update(part)
    expected = monitor_by_definition(LOSSES[:60], 0.2, guarantee == "run-length")
    assert monitor.e_value == pytest.approx(expected, rel=1e-9)


def test_alarm_names_the_row_whatever_the_batches():
    losses = np.concatenate([np.zeros(300), np.tile([1.0, 0.0], 100)])
    single, whole = RiskMonitor(0.1, 0.05), RiskMonitor(0.1, 0.05)
    for loss in losses:
        single.update(loss)
    whole.update(losses)
    assert single.alarm
    assert single.alarm_at == whole.alarm_at
    assert 300 < single.alarm_at < 350
    assert single.peak == pytest.approx(whole.peak)
    before = RiskMonitor(0.1, 0.05)
    before.update(losses[: single.alarm_at - 1])
    assert not before.alarm
    assert before.peak < 20


def test_the_expected_capital_of_a_risk_at_its_limit_is_one():
    """Exactly, over all 2^12 sequences of losses 0 and 1 with risk 0.3."""
    mean = 0.0
    for code in range(2**12):
        losses = np.array([code >> k & 1 for k in range(12)], dtype=float)
        monitor = RiskMonitor(0.3, 0.1)
        mean += 0.3 ** losses.sum() * 0.7 ** (12 - losses.sum()) * monitor.update(losses)
    assert mean == pytest.approx(1.0)


@pytest.mark.parametrize("risk", [0.05, 0.1])
def test_false_alarms_are_rare_ever(risk):
    rng, draws = np.random.default_rng(1), 1000
    alarms = 0
    for _ in range(draws):
        monitor = RiskMonitor(0.1, 0.1)
        monitor.update(rng.random(2000) < risk)
        alarms += monitor.alarm
    assert alarms / draws <= 0.1 + 2 * math.sqrt(0.09 / draws)


def test_run_length_to_a_false_alarm_is_long_enough():
    rng, lengths = np.random.default_rng(2), []
    for _ in range(300):
        monitor = RiskMonitor(0.1, 0.01, "run-length")
        while not monitor.alarm and monitor.count < 20_000:
            monitor.update(rng.random(500) < 0.1)
        lengths.append(monitor.alarm_at or monitor.count)
    assert np.mean(lengths) - 2 * np.std(lengths) / math.sqrt(300) >= 100


def test_long_drift_keeps_finite_numbers():
    monitor = RiskMonitor(0.01, 0.1)
    assert math.isfinite(monitor.update(np.ones(20_000)))
    monitor.update(np.zeros(1_000_000))
    assert 0 < monitor.e_value < math.inf
    assert monitor.alarm


@pytest.mark.parametrize("make", [lambda: MeanSequence(0.1), lambda: RiskMonitor(0.2, 0.1)])
def test_states_travel_as_json(make):
    first, second = make(), make()
    first.update(LOSSES[:100])
    restored = type(first).from_dict(json.loads(json.dumps(first.to_dict())))
    second.update(LOSSES[:100])
    assert restored.update(LOSSES[100:]) == second.update(LOSSES[100:])
    assert restored.to_dict() == second.to_dict()


def test_bad_input_is_refused_and_leaves_the_state():
    sequence, monitor = MeanSequence(0.1), RiskMonitor(0.2, 0.1)
    for bad in ([0.5, np.nan], [1.5], [-0.1], ["x"], [[0.1, 0.2]]):
        for learner in (sequence, monitor):
            with pytest.raises(DataError):
                learner.update(bad)
            assert learner.count == 0
    for delta in (0, 1, math.nan):
        with pytest.raises(ParameterError, match="delta"):
            MeanSequence(delta)
        with pytest.raises(ParameterError, match="delta"):
            RiskMonitor(0.1, delta)
    with pytest.raises(ParameterError, match="limit"):
        RiskMonitor(0.0, 0.1)
    with pytest.raises(ParameterError, match="guarantee"):
        RiskMonitor(0.1, 0.1, "cusum")
    with pytest.raises(ParameterError, match="state"):
        RiskMonitor.from_dict({**monitor.to_dict(), "capital": [1.0]})
    with pytest.raises(ParameterError, match="state"):
        MeanSequence.from_dict({**sequence.to_dict(), "growth": [[1.0], [1.0]]})
