"""Scores of binned event times: printed values, values by hand, and where they are proper."""

import math

import numpy as np
import pytest

from riskwright.core import DataError, ParameterError, TargetError, ValueRangeError
from riskwright.metrics.survival_scores import survival_pinball, survival_score

F = np.array([(0.1, 0.2, 0.3, 0.4), (0.4, 0.3, 0.2, 0.1), (0.25,) * 4, (0.7, 0.1, 0.1, 0.1)])
TIME, EVENT, EDGES = np.array([2.5, 0.5, 1.25, 1.5]), np.array([1, 1, 0, 0]), [0, 1, 2, 3, 4]
TRUTH = np.array([0.3, 0.25, 0.15, 0.3])


@pytest.mark.parametrize(
    ("rule", "events", "everything", "censored", "digits"),
    [
        ("log", 1.06012881, 1.18762589, 1.31512308, 6e-6),
        ("brier", 0.60, 0.81750, 1.0350, 1e-8),
        ("rps", 0.36, 0.65420455, 0.94840920, 2e-7),
    ],
)
def test_values_are_those_printed_for_the_scores(rule, events, everything, censored, digits):
    """The printed logarithms have 1e-6 added to their argument, which moves them by up to 5e-6."""
    for rows, expected in ((EVENT == 1, events), (EVENT < 2, everything)):
        found = survival_score(TIME[rows], EVENT[rows], F[rows], EDGES, rule=rule)
        assert found.value == pytest.approx(expected, abs=digits)
    by_event = survival_score(TIME, EVENT, F, EDGES, rule=rule, groups=EVENT)
    assert by_event["0"].value == pytest.approx(censored, abs=digits)


def test_a_censored_row_by_hand():
    """F(1.25) = 0.3125 and F(2) = 0.5, so 3/11 of the row stays in its bin."""
    found = survival_score(TIME[2:3], [0], F[2:3], EDGES, groups=["row"])["row"]
    assert found.value == pytest.approx(3 / 11 * math.log(4) + 8 / 11 * math.log(2))
    assert found.value == pytest.approx(0.88218, abs=1e-5)


def expected_score(f, rule, spread, times):
    """Mean over T (from TRUTH, uniform within bins) and over censoring at one of `times`."""
    fine = 40
    life = (np.arange(4 * fine) + 0.5) / fine
    mass = np.repeat(TRUTH / fine, fine)
    time = np.minimum(life[:, None], times).ravel()
    event = (life[:, None] <= times).ravel()
    weight = np.repeat(mass, len(times))
    rows = np.broadcast_to(f, (time.size, 4))
    return survival_score(
        time, event, rows, EDGES, rule=rule, spread=spread, sample_weight=weight
    ).value


def least(rule, spread, times):
    """The distribution of least expected score on a grid of steps of 0.05."""
    steps = [
        np.array([i, j, k, 20 - i - j - k]) / 20
        for i in range(3, 10)
        for j in range(2, 9)
        for k in range(1, 7)
        if 20 - i - j - k > 0
    ]
    times = np.array(times)
    scores = [expected_score(f, rule, spread, times) for f in steps]
    return steps[int(np.argmin(scores))]


@pytest.mark.parametrize("rule", ["log", "brier", "rps"])
def test_spread_by_the_truth_the_expected_score_is_least_at_the_truth(rule):
    assert least(rule, TRUTH, [0.6, 1.0, 2.35, 9.0]) == pytest.approx(TRUTH)


def test_the_logarithmic_score_of_rows_censored_at_boundaries_needs_no_truth():
    assert least("log", None, [1.0, 2.0, 9.0]) == pytest.approx(TRUTH)


def test_spread_by_the_predictions_the_brier_score_is_not_proper():
    times = np.array([1.0, 1.0, 1.0, 9.0])
    other = least("brier", None, times)
    gain = expected_score(TRUTH, "brier", None, times)
    assert expected_score(other, "brier", None, times) < gain - 0.01


def test_uncensored_scores_equal_their_closed_forms():
    time, k = np.array([0.0, 1.0, 1.5, 17.0]), np.array([0, 0, 1, 3])
    hit = np.eye(4)[k]
    cdf, past = np.cumsum(F, axis=1), np.cumsum(hit, axis=1)
    expected = {
        "log": -np.log(F[np.arange(4), k]),
        "brier": ((F - hit) ** 2).sum(axis=1),
        "rps": ((cdf - past) ** 2).sum(axis=1),
    }
    for rule, losses in expected.items():
        for last in (4, math.inf):
            found = survival_score(time, np.ones(4), F, [0, 1, 2, 3, last], rule=rule)
            assert found.value == pytest.approx(losses.mean())


def test_interval_is_that_of_a_weighted_mean():
    rng = np.random.default_rng(0)
    time, event = rng.uniform(0, 4, 300), rng.integers(0, 2, 300)
    f = rng.dirichlet(np.ones(4), 300)
    found = survival_score(time, event, f, EDGES, rule="brier")
    losses = [
        survival_score([t], [e], [row], EDGES, rule="brier", groups=["x"])["x"].value
        for t, e, row in zip(time, event, f, strict=True)
    ]
    assert found.value == pytest.approx(np.mean(losses))
    width = 2 * 1.959964 * np.std(losses, ddof=1) / math.sqrt(300)
    assert found.high - found.low == pytest.approx(width, rel=0.01)
    doubled = survival_score(
        np.repeat(time, 2), np.repeat(event, 2), np.repeat(f, 2, axis=0), EDGES, rule="brier"
    )
    assert doubled.value == pytest.approx(found.value)


def test_impossible_outcomes_are_moved_and_said_so():
    found = survival_score([0.5, 1.5], [1, 1], [[0, 1], [0, 1]], [0, 1, 2])
    assert found.value == pytest.approx(26 * math.log(2))
    assert "moved" in found.method
    late = survival_score([1.5, 2.5], [0, 1], [[1, 0, 0], [0, 0, 1]], [0, 1, 2, 3])
    assert "moved" in late.method
    assert "moved" not in survival_score(TIME, EVENT, F, EDGES).method


def pinball(a, time, q):
    return (a - (time < q)) * (time - q)


def test_pinball_by_hand():
    """Row 3 has F(1.25) = 0.28125, row 4 F(1.5) = 0.625, as read off their quantiles."""
    levels = np.array([0.25, 0.5, 0.75])
    q = np.array([(1, 2, 3), (0.5, 1, 2), (1, 3, 3.5), (0.3, 1, 2)])
    found = survival_pinball(TIME[:2], [1, 1], q[:2], levels, beyond=4)
    assert found.value == pytest.approx(0.6875)
    rows = survival_pinball(TIME, EVENT, q, levels, beyond=4, groups=["a", "b", "c", "d"])
    for label, k, past in (("c", 2, 0.28125), ("d", 3, 0.625)):
        w = np.clip((levels - past) / (1 - past), 0, 1)
        loss = w * pinball(levels, TIME[k], q[k]) + (1 - w) * pinball(levels, 4.0, q[k])
        assert rows[label].value == pytest.approx(loss.sum())
    again = survival_pinball(TIME, EVENT, q, levels, beyond=4, spread=[0, 0, 0.28125, 0.625])
    assert again == survival_pinball(TIME, EVENT, q, levels, beyond=4)


def test_with_the_right_spread_the_true_quantiles_have_the_least_pinball_loss():
    life = -np.log1p(-(np.arange(4000) + 0.5) / 4000)
    time = np.concatenate([np.minimum(life, c) for c in (0.2, 0.5, 1.0, 20.0)])
    event = np.concatenate([life <= c for c in (0.2, 0.5, 1.0, 20.0)])
    levels = np.array([0.25, 0.5, 0.75])
    truth = -np.log1p(-levels)

    def score(q):
        rows = np.broadcast_to(q, (time.size, 3))
        past = 1 - np.exp(-time)
        return survival_pinball(time, event, rows, levels, beyond=20, spread=past).value

    for k in range(3):
        for move in (-0.06, 0.06):
            other = truth.copy()
            other[k] += move
            assert score(other) > score(truth) + 1e-5


def test_a_group_without_rows_has_no_score():
    found = survival_score(TIME, EVENT, F, EDGES, groups=list("aabb"), sample_weight=[1, 1, 0, 0])
    assert found["b"].method == "none: no rows"
    assert found["a"].n == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"probabilities": F[:, :3]}, DataError),
        ({"probabilities": F[:3]}, DataError),
        ({"probabilities": F * 1.1}, ValueRangeError),
        ({"probabilities": F + np.array([0.5, -0.5, 0, 0])}, ValueRangeError),
        ({"boundaries": [0, 1, 1, 3, 4]}, ValueRangeError),
        ({"boundaries": [1, 2, 3, 4, 5]}, ValueRangeError),
        ({"boundaries": [0, 1, np.nan, 3, 4]}, DataError),
        ({"event": [0, 0, 0, 0]}, TargetError),
        ({"rule": "crps"}, ParameterError),
        ({"spread": [0.5, 0.5]}, DataError),
    ],
)
def test_bad_input_is_refused(change, error):
    given = {"time": TIME, "event": EVENT, "probabilities": F, "boundaries": EDGES} | change
    options = {name: given.pop(name) for name in ("rule", "spread") if name in given}
    with pytest.raises(error):
        survival_score(*given.values(), **options)


def test_bad_quantiles_are_refused():
    for q, levels in (
        ([[2, 1]], [0.3, 0.6]),
        ([[1, 9]], [0.3, 0.6]),
        ([[1, 2]], [0.6, 0.3]),
        ([[1, 2]], [0.3, 1.0]),
        ([[1, 2, 3]], [0.3, 0.6]),
    ):
        with pytest.raises(DataError):
            survival_pinball([1], [1], q, levels, beyond=5)
    with pytest.raises(ValueRangeError, match="time"):
        survival_pinball([7], [1], [[1, 2]], [0.3, 0.6], beyond=5)
