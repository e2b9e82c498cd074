"""Rows to gather from each group: closed form, brute force, learning as one goes."""

import itertools
import math

import msgspec
import numpy as np
import pytest

from riskwright.audit.gathering import GatherPlan, LearningCurve, fit_learning_curve, gather_plan
from riskwright.core import DataError, EmptyDataError, MissingValueError, ParameterError


def curve(gain, exponent, ceiling=0.9):
    return LearningCurve(ceiling=ceiling, gain=gain, exponent=exponent)


def utility(curves, rows, aversion):
    performance = [c.ceiling - c.gain * n**-c.exponent for c, n in zip(curves, rows, strict=True)]
    if aversion == 0:
        return sum(performance)
    if aversion == 1:
        return sum(map(math.log, performance))
    return sum(f ** (1 - aversion) / (1 - aversion) for f in performance)


def test_closed_form_for_linear_utility():
    """n_g = (b k / (c price))^(1 / (k + 1)) at one price that spends the budget."""
    gains, exponents, costs = [1.0, 2.0, 0.5], [0.5, 0.8, 0.4], [1.0, 2.5, 0.7]
    names = ["a", "b", "c"]
    curves = dict(zip(names, map(curve, gains, exponents), strict=True))
    plan = gather_plan(curves, dict(zip(names, costs, strict=True)), 1e6)
    rows = np.array([group.rows for group in plan.groups])
    prices = np.array(gains) * exponents / np.array(costs) / rows ** (np.array(exponents) + 1)
    np.testing.assert_allclose(prices, prices.mean(), rtol=2e-4)
    assert 0 <= 1e6 - plan.spent < 2.5
    assert plan.utility <= plan.upper_bound <= plan.utility + 1e-6


def test_equal_exponents_give_the_proportions_of_the_paper():
    names, gains, costs, k = ["a", "b", "c"], [1.0, 4.0, 2.0], [1.0, 2.0, 5.0], 0.5
    curves = {name: curve(gain, k) for name, gain in zip(names, gains, strict=True)}
    plan = gather_plan(curves, dict(zip(names, costs, strict=True)), 1e6)
    rows = np.array([group.rows for group in plan.groups])
    share = (np.array(gains) * k / costs) ** (1 / (k + 1))
    np.testing.assert_allclose(rows / rows.sum(), share / share.sum(), rtol=1e-4)


@pytest.mark.parametrize("aversion", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("equal_costs", [True, False])
def test_no_plan_of_a_small_budget_is_better(aversion, equal_costs):
    rng = np.random.default_rng(int(10 * aversion) + equal_costs)
    for _ in range(8):
        count, budget = int(rng.integers(2, 4)), int(rng.integers(15, 35))
        curves = [curve(*rng.uniform([0.1, 0.2, 1.1], [1, 1.5, 1.5])) for _ in range(count)]
        costs = np.ones(count) if equal_costs else rng.integers(1, 5, count)
        names = [str(g) for g in range(count)]
        plan = gather_plan(
            dict(zip(names, curves, strict=True)),
            dict(zip(names, costs.astype(float), strict=True)),
            budget,
            utility=aversion,
        )
        every = itertools.product(*[range(1, budget // int(c) + 1) for c in costs])
        best = max(utility(curves, rows, aversion) for rows in every if costs @ rows <= budget)
        assert plan.utility == pytest.approx(best, abs=1e-12)
        assert plan.utility <= plan.upper_bound + 1e-12
        assert plan.spent <= budget


def test_it_beats_equal_and_proportional():
    curves = {"many": curve(0.5, 0.5), "few": curve(2.0, 0.35)}
    plan = gather_plan(curves, {"many": 1, "few": 4}, 5000, shares={"many": 0.9, "few": 0.1})
    assert plan.utility > plan.utility_equal
    assert plan.utility > plan.utility_proportional
    (finding,) = plan.findings
    assert finding.code == "gather.plan"
    assert "proportional" in finding.sentence
    many, few = plan.groups
    assert many.equal == few.equal == 1000
    assert many.proportional == pytest.approx(9 * few.proportional, rel=0.01)


def test_aversion_to_inequality_serves_the_worst_group():
    curves = {"good": curve(1.0, 0.5, 0.95), "poor": curve(1.0, 0.5, 0.55)}
    few = [gather_plan(curves, 1.0, 1000, utility=u).groups[1].rows for u in ("linear", "log", 4.0)]
    assert few == sorted(few)
    assert few[0] == 500
    assert few[-1] > 600


def test_groups_that_gain_nothing_more_get_nothing_more():
    plan = gather_plan({"flat": curve(0.0, 0.5), "steep": curve(1.0, 0.5)}, 1.0, 100)
    assert [group.rows for group in plan.groups] == [1, 99]


def test_rows_held_count():
    """What two groups hold beyond each other is made up first."""
    same = {"a": curve(1.0, 0.5), "b": curve(1.0, 0.5)}
    plan = gather_plan(same, 1.0, 100, held={"a": 50, "b": 0})
    assert [group.rows for group in plan.groups] == [25, 75]


def points(truth, sizes, rng=None, noise=0.0):
    told = [truth.ceiling - truth.gain * n**-truth.exponent for n in sizes]
    return [
        (n, v + (rng.normal(0, noise) if rng else 0.0)) for n, v in zip(sizes, told, strict=True)
    ]


def test_curves_are_found_again():
    for gain, exponent in ((0.3, 0.5), (2.0, 0.3), (1.0, 1.2)):
        found = fit_learning_curve(points(curve(gain, exponent), (20, 50, 100, 400, 1000)))
        assert found.ceiling == pytest.approx(0.9, abs=1e-6)
        assert found.gain == pytest.approx(gain, rel=1e-5)
        assert found.exponent == pytest.approx(exponent, rel=1e-5)


def test_a_curve_that_falls_is_fitted_as_flat():
    found = fit_learning_curve([(10, 0.8), (100, 0.7), (1000, 0.6)])
    assert found.gain == 0
    assert found.ceiling == pytest.approx(0.7)


def test_expected_performance_covers_in_a_small_simulation():
    """200 draws; the Monte-Carlo standard error at 95 % is 1.5 points, three are allowed."""
    rng, truth = np.random.default_rng(0), curve(1.0, 0.5)
    sizes, held = (30, 60, 120, 250, 500, 1000), 0
    for _ in range(200):
        told = [(n, v, 0.005) for n, v in points(truth, sizes, rng, 0.005)]
        found = fit_learning_curve(told).at(2000)
        held += found.low <= truth.at(2000).value <= found.high
    assert held / 200 > 0.905


def test_three_results_give_a_plan_without_intervals():
    told = points(curve(1.0, 0.5), (10, 100, 1000))
    plan = gather_plan({"a": told, "b": curve(1.0, 0.5)}, 1.0, 100)
    assert math.isnan(plan.groups[0].expected.low)
    assert plan.groups[0].expected.method.startswith("none")
    assert plan.groups[0].rows_low is None
    assert plan.groups[0].held == 1000


def test_range_of_rows_holds_the_plan_and_shrinks_with_better_results():
    rng, widths = np.random.default_rng(1), []
    for noise in (0.01, 0.001):
        told = {
            name: [(n, v, noise) for n, v in points(c, (50, 100, 200, 400, 800), rng, noise)]
            for name, c in {"a": curve(1.0, 0.5), "b": curve(1.5, 0.4)}.items()
        }
        plan = gather_plan(told, 1.0, 4000)
        for group in plan.groups:
            assert group.rows_low <= group.rows <= group.rows_high
        widths.append(plan.groups[0].rows_high - plan.groups[0].rows_low)
    assert widths[1] < widths[0]


def adaptive(truths, costs, budget, seed):
    """Gather a third of the plan at a time, measure on what there is, fit and plan anew."""
    rng = np.random.default_rng(seed)
    start = {name: points(c, (20, 40, 60, 80), rng, 0.003) for name, c in truths.items()}
    plan = gather_plan(start, costs, budget)
    for left in (3, 2, 1):
        held = {group.group: group.held + group.rows // left for group in plan.groups}
        batch = {
            g.group: points(
                truths[g.group], np.linspace(g.held, held[g.group], 4)[1:].round(), rng, 0.003
            )
            for g in plan.groups
            if held[g.group] - g.held >= 4
        }
        plan = plan.replan(batch, held=held)
    return {group.group: group.held for group in plan.groups}, plan


def test_adaptive_gathering_comes_within_one_per_cent_of_the_optimum():
    truths = {"a": curve(1.0, 0.5), "b": curve(3.0, 0.5, 0.8), "c": curve(0.6, 0.7)}
    costs, budget = {"a": 1.0, "b": 2.0, "c": 4.0}, 6000
    best = gather_plan(truths, costs, budget, held=dict.fromkeys("abc", 80))
    for seed in range(2):
        held, plan = adaptive(truths, costs, budget, seed)
        reached = utility(truths.values(), [held[name] for name in truths], 0)
        assert reached > 0.99 * best.upper_bound
        assert reached > best.utility_equal
        assert sum(costs[n] * (held[n] - 80) for n in truths) <= budget
        assert plan.budget < 10


def test_replanning_pays_for_what_came():
    told = {name: points(curve(g, 0.5), (10, 20, 40, 80)) for name, g in (("a", 1.0), ("b", 2.0))}
    plan = gather_plan(told, {"a": 1, "b": 2}, 1000)
    more = plan.replan({"a": [(180, 0.83)]})
    assert more.budget == 900
    assert more.groups[0].held == 180
    assert len(more.groups[0].curve.results) == 5
    assert more.groups[1].curve == plan.groups[1].curve
    known = gather_plan({"a": curve(1.0, 0.5)}, 1.0, 100).replan({}, held={"a": 60})
    assert (known.groups[0].rows, known.budget) == (40, 40)


def test_a_plan_survives_json():
    plan = gather_plan(
        {"a": curve(1.0, 0.5), "b": points(curve(1.0, 0.4), (10, 50, 90, 200))}, 1, 90
    )
    again = msgspec.json.decode(msgspec.json.encode(plan.groups[1]), type=type(plan.groups[1]))
    assert again == plan.groups[1]
    assert isinstance(plan, GatherPlan)


GOOD = {"a": curve(1.0, 0.5), "b": curve(2.0, 0.5)}


@pytest.mark.parametrize(
    ("curves", "costs", "budget", "options", "error", "words"),
    [
        ({}, 1.0, 10, {}, EmptyDataError, "no groups"),
        (GOOD, 1.0, 1, {}, ParameterError, "too small"),
        (GOOD, 1.0, -1, {}, ParameterError, "not a budget"),
        (GOOD, 1.0, math.nan, {}, ParameterError, "not a budget"),
        (GOOD, {"a": 1.0}, 10, {}, ParameterError, "no cost"),
        (GOOD, {"a": 1.0, "b": 0.0}, 10, {}, ParameterError, "not a cost"),
        (GOOD, math.nan, 10, {}, MissingValueError, "costs"),
        (GOOD, {"a": 1, "b": 1, "c": 1}, 10, {}, ParameterError, "no such group"),
        (GOOD, 1.0, 10, {"utility": "rawls"}, ParameterError, "utility"),
        (GOOD, 1.0, 10, {"utility": -1}, ParameterError, "utility"),
        (GOOD, 1.0, 10, {"held": {"a": -3}}, ParameterError, "held"),
        (GOOD, 1.0, 10, {"shares": {"a": 1.0}}, ParameterError, "share"),
        (GOOD, 1.0, 10, {"level": 2}, ParameterError, "level"),
        ({"a": curve(-1.0, 0.5)}, 1.0, 10, {}, ParameterError, "learning curve"),
        ({"a": [(1, 0.5), (2, 0.6)]}, 1.0, 10, {}, DataError, "too few"),
        ({"a": "abc"}, 1.0, 10, {}, DataError, "not numbers"),
        ({"a": []}, 1.0, 10, {}, DataError, "no results"),
        ({"a": [(1, 0.5), (2, 0.6), (3, math.nan)]}, 1.0, 10, {}, DataError, "missing"),
        ({"a": [(1, 0.5), (2, 0.6), (0, 0.1)]}, 1.0, 10, {}, DataError, "out of range"),
        ({"a": [(1, 0.5), (2, 0.6, 0.1), (3, 0.7)]}, 1.0, 10, {}, DataError, "pairs"),
    ],
)
def test_bad_input_is_refused(curves, costs, budget, options, error, words):
    with pytest.raises(error, match=words):
        gather_plan(curves, costs, budget, **options)


def test_replanning_refuses_what_cannot_be():
    plan = gather_plan(GOOD, 1.0, 50)
    with pytest.raises(ParameterError, match="no such group"):
        plan.replan({"z": [(1, 0.5)]})
    with pytest.raises(ParameterError, match="not a budget"):
        plan.replan({}, held={"a": 1000})
