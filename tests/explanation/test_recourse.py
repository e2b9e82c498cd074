"""Recourse: the cheapest action, the default cost, and what is a proof and what is not."""

import numpy as np
import polars as pl
import pytest

from riskwright.core import DataError, ParameterError, ValueRangeError
from riskwright.explanation.actions import Actions
from riskwright.explanation.responsiveness import responsiveness

X = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 1.0]])
ACTIONS = Actions(X)


def both(table):
    return table.sum(axis=1) >= 5


def test_the_default_cost_is_the_percentiles_moved():
    found = responsiveness(both, X, ACTIONS, target=True)
    # x0 holds 0, 1, 2, 3, so one step moves 1/4; x1 holds 0, 1, 2, 4: 2 to 4 moves 1/4 too
    action = found.recourse()[1]
    assert (action.row, action.status, action.cheapest) == (1, "found", True)
    assert action.cost == pytest.approx(0.25)
    assert action.changes == {"x1": (2.0, 4.0)}


def test_a_cost_of_ones_own_decides():
    found = responsiveness(both, X, ACTIONS, target=True)
    only_first = lambda before, after: np.abs(after - before) @ [1.0, 10.0]  # noqa: E731
    assert found.recourse(only_first)[1].changes == {"x0": (1.0, 3.0)}


def test_no_recourse_is_proved_by_trying_all():
    stuck = Actions(X).change("x0", 0, 1).fix("x1")
    found = responsiveness(both, X, stuck, target=True)
    status = {action.row: action.status for action in found.recourse()}
    assert status == {0: "none", 1: "none", 3: "found"}
    nobody = next(action for action in found.recourse() if action.row == 0)
    assert nobody.tried == 2
    assert np.isnan(nobody.cost)
    assert nobody.changes == {}


def test_text_levels_come_back_as_text():
    frame = pl.DataFrame({"job": ["a", "b", "c"], "k": [0, 1, 2]})
    predict = lambda t: t["job"] == "c"  # noqa: E731
    found = responsiveness(predict, frame, Actions(frame), target=True)
    assert [action.changes for action in found.recourse()] == [
        {"job": ("a", "c")},
        {"job": ("b", "c")},
    ]
    assert [action.cost for action in found.recourse()] == [1.0, 1.0]


def test_large_sets_give_the_action_found_and_do_not_call_it_cheapest_without_proof():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 3))
    actions = Actions(rows)
    predict = lambda t: t.sum(axis=1) > 1.5  # noqa: E731
    found = responsiveness(predict, rows, actions, target=True, random_state=0)
    for action in found.recourse():
        if action.status == "found":
            assert not action.cheapest
            after = rows[action.row].copy()
            for name, (_, new) in action.changes.items():
                after[int(name[1:])] = new
            assert after.sum() > 1.5
        assert action.status != "none"


def test_large_discrete_sets_are_proved_where_what_is_cheaper_can_be_tried():
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 6, (20, 5)).astype(float)
    actions = Actions(rows)
    predict = lambda t: t @ np.array([1.0, 2, 1, 1, 3]) > 26  # noqa: E731
    small = responsiveness(predict, rows, actions, target=True, limit=10_000)
    large = responsiveness(predict, rows, actions, target=True, limit=2_000, random_state=0)
    for ours, proved in zip(large.recourse(), small.recourse(), strict=True):
        assert proved.cheapest
        assert ours.cost >= proved.cost - 1e-12
        if ours.cheapest:
            assert ours.cost == pytest.approx(proved.cost)
    assert any(action.cheapest for action in large.recourse())


@pytest.mark.parametrize(
    ("cost", "error"),
    [
        (3, ParameterError),
        (lambda before, after: np.ones(1), DataError),
        (lambda before, after: -np.ones(len(after)), ValueRangeError),
        (lambda before, after: np.full(len(after), np.nan), DataError),
    ],
)
def test_unusable_costs_are_refused(cost, error):
    found = responsiveness(both, X, ACTIONS, target=True)
    with pytest.raises(error):
        found.recourse(cost)
