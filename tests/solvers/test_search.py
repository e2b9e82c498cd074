"""The exact search against brute force: optimum, bound, pool, determinism, early stops."""

from __future__ import annotations

import _thread
import dataclasses
import importlib
import signal
import threading
import time

import numpy as np
import pytest

from riskwright.solvers import ItemRules, _kernels, search

from . import brute_force as brute

face = importlib.import_module("riskwright.solvers.search")

CLOSE = 1e-8
BEST_ISA = _kernels.instruction_set()
ISAS = ["baseline", "avx2", "avx512"]


def vector(found, d: int) -> tuple[int, ...]:
    points = np.zeros(d, dtype=int)
    points[list(found.items)] = found.points
    return tuple(points.tolist())


def assert_legal(found, case) -> None:
    """The card keeps every rule, and its loss and objective are those of the rows."""
    problem = case.problem
    points = vector(found, case.X.shape[1])
    assert brute.allowed(problem, points)
    assert problem.rules.intercept[0] <= found.intercept <= problem.rules.intercept[1]
    if problem.unit:
        assert found.slope == 1.0
        assert found.intercept == round(found.intercept)
    elif found.points:
        reach = found.slope * max(map(abs, found.points))
        assert found.slope >= problem.min_slope
        assert reach <= problem.max_log_odds * (1 + 1e-12)
    loss = brute.loss_of(case.X, case.y, case.weight, points, found.slope, found.intercept)
    assert found.loss == pytest.approx(loss, abs=1e-11)
    assert found.objective == pytest.approx(loss + problem.penalty * len(found.items), abs=1e-11)


def assert_agrees(result, case, exhaustive) -> None:
    if not len(exhaustive.points):
        assert result.best is None
        return
    assert_legal(result.best, case)
    assert result.best.objective == pytest.approx(exhaustive.best, abs=CLOSE)
    assert exhaustive.best - CLOSE <= result.lower_bound <= result.best.objective
    assert result.lower_bound <= exhaustive.best + 1e-12
    assert result.complete
    assert not result.interrupted
    assert not result.out_of_time


@pytest.mark.parametrize("block", range(6))
def test_optimum_and_bound_equal_brute_force_on_random_problems(block):
    for seed in range(100 * block, 100 * (block + 1)):
        case = brute.random_case(seed)
        exhaustive = brute.solve(case.X, case.y, case.weight, case.problem)
        assert_agrees(search(case.problem), case, exhaustive)


@pytest.fixture
def narrow(monkeypatch):
    """A heuristic of beam 1, so that the proof has more left to find."""

    def make():
        native = _kernels.Search()
        native.beam = 1
        return native

    monkeypatch.setattr(face, "_Search", make)


@pytest.mark.parametrize("block", range(2))
def test_up_to_seven_terms_after_a_poor_heuristic(block, narrow):
    for seed in range(1000 + 40 * block, 1000 + 40 * (block + 1)):
        rng = np.random.default_rng(seed)
        unit = bool(rng.random() < 0.6)
        n, d = int(rng.integers(30, 150)), int(rng.integers(6, 9 if unit else 7))
        X = (rng.random((n, d)) < rng.uniform(0.2, 0.8, d)).astype(float)
        if rng.random() < 0.3:
            X[:, -1] = X[:, 0]
        y = (rng.random(n) < 1 / (1 + np.exp(1 - X @ rng.normal(0, 1.2, d)))).astype(np.uint8)
        y[:2] = 0, 1
        rules = brute.random_rules(
            rng, d, 1, constrained=rng.random() < 0.4, intercept=(-2.0, 2.0) if unit else (-50, 50)
        )
        problem = brute.problem_of(
            X, y, rules=rules, unit=unit, max_terms=int(rng.integers(3, 8)), penalty=1e-4
        )
        case = brute.Case(X, y, None, problem)
        assert_agrees(search(problem, threads=2), case, brute.solve(X, y, None, problem))


@pytest.mark.parametrize("block", range(4))
def test_pool_is_every_score_within_the_tolerance(block):
    cut = 0
    for seed in range(2000 + 60 * block, 2000 + 60 * (block + 1)):
        rng = np.random.default_rng(seed)
        case = brute.random_case(
            seed,
            pool_tolerance=float(rng.choice([1e-3, 1e-2, 0.05, 0.2])),
            pool_size=int(rng.choice([5, 50, 100_000])),
        )
        exhaustive = brute.solve(case.X, case.y, case.weight, case.problem)
        result = search(case.problem, threads=int(rng.integers(1, 3)))
        if result.best is not None:
            cut += assert_pool(result, case, exhaustive)
    assert cut, "no pool was cut by its size: the test proves less than it says"


def assert_pool(result, case, exhaustive) -> bool:
    """Compare the pool with brute force; was it cut by its size?

    Where every set of terms is counted, the pool is complete but for its size; elsewhere the search
    ends once the best score is proved, and further scores that it met stay in the pool.
    """
    d, size, cutoff = case.X.shape[1], case.problem.pool_size, result.pool_cutoff
    best, tolerance = exhaustive.best, case.problem.pool_tolerance
    found = {vector(card, d): card.objective for card in result.pool}
    assert len(found) == len(result.pool) <= size
    assert result.pool[0] == result.best
    assert np.diff([c.objective for c in result.pool]).min(initial=0.0) > -1e-11
    full = best * (1 + tolerance)
    counted = result.method == "enumeration"
    below = exhaustive.within(cutoff - CLOSE)
    known = exhaustive.within((max(cutoff, best) if counted else full) + CLOSE)
    assert set(below) <= set(found) <= set(known)
    for points, objective in found.items():
        assert objective == pytest.approx(known[points], abs=CLOSE)
    assert cutoff <= full + 2 * CLOSE
    was_cut = counted and cutoff < full - CLOSE
    if was_cut:
        assert (exhaustive.objective <= cutoff + CLOSE).sum() > size
    return was_cut


def test_two_items_that_hold_in_the_same_rows_may_both_be_used():
    rng = np.random.default_rng(4)
    X = (rng.random((300, 4)) < 0.5).astype(float)
    X[:, 3] = X[:, 0]
    y = (rng.random(300) < 1 / (1 + np.exp(1.0 - 1.6 * X[:, 0]))).astype(np.uint8)
    problem = brute.problem_of(
        X, y, max_points=1, max_terms=3, unit=True, pool_tolerance=0.05, pool_size=10_000
    )
    exhaustive = brute.solve(X, y, None, problem)
    result = search(problem)
    assert_pool(result, brute.Case(X, y, None, problem), exhaustive)
    assert any({0, 3} <= set(card.items) for card in result.pool)


def test_item_that_always_holds_shifts_a_bounded_intercept():
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.random(200) < 0.5, np.ones(200)]).astype(float)
    y = (rng.random(200) < 0.04).astype(np.uint8)
    rules = dataclasses.replace(ItemRules.plain(2, 3), intercept=(-1.0, 1.0))
    problem = brute.problem_of(X, y, rules=rules, unit=True, max_terms=2)
    result = search(problem)
    assert_agrees(result, brute.Case(X, y, None, problem), brute.solve(X, y, None, problem))
    assert 1 in result.best.items


def test_forced_term_of_the_wrong_sign_takes_the_least_slope():
    X = np.repeat([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], 20, axis=0)
    y = np.repeat([0, 1, 1], 20).astype(np.uint8)
    y[::7] = 1 - y[::7]
    rules = ItemRules(low=(0.0, -3.0), high=(3.0, 3.0), feature=(0, 1), required=((0,),))
    problem = brute.problem_of(X, y, rules=rules, max_terms=1)
    result = search(problem)
    rate = y.mean()
    constant = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    assert result.best.items == (0,)
    assert result.best.slope * max(result.best.points) < 1e-5
    assert result.best.loss == pytest.approx(constant, abs=1e-5)


def test_whole_intercept_keeps_within_bounds_that_are_no_whole_numbers():
    rng = np.random.default_rng(6)
    X = (rng.random((80, 3)) < 0.5).astype(float)
    y = (rng.random(80) < 0.1).astype(np.uint8)
    rules = dataclasses.replace(ItemRules.plain(3, 2), intercept=(-2.5, 0.5))
    problem = brute.problem_of(X, y, rules=rules, unit=True, max_terms=2)
    case = brute.Case(X, y, None, problem)
    assert_agrees(search(problem), case, brute.solve(X, y, None, problem))


@pytest.mark.parametrize("unit", [True, False])
def test_items_that_hold_in_most_rows_agree_with_brute_force(unit):
    for seed in range(5000, 5025):
        rng = np.random.default_rng(seed)
        X = (rng.random((120, 5)) < rng.uniform(0.4, 0.97, 5)).astype(float)
        y = (rng.random(120) < 1 / (1 + np.exp(X @ rng.normal(0, 1.5, 5)))).astype(np.uint8)
        y[:2] = 0, 1
        weight = 10.0 ** rng.uniform(-3, 3, 120)
        rules = dataclasses.replace(ItemRules.plain(5, 2), intercept=(-4.0, 6.0))
        problem = brute.problem_of(X, y, weight, rules=rules, unit=unit, max_terms=4)
        case = brute.Case(X, y, weight, problem)
        assert_agrees(search(problem), case, brute.solve(X, y, weight, problem))


def test_many_thresholds_that_most_rows_exceed_are_still_enumerated():
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(3000, 15)) + rng.normal(size=(3000, 1))
    X = np.hstack([cut < Z for cut in np.linspace(-2.5, -0.5, 10)])
    y = (rng.random(3000) < 1 / (1 + np.exp(-Z[:, :4].sum(axis=1)))).astype(np.uint8)
    result = search(brute.problem_of(X, y, max_points=5), time_limit=0.5)
    assert result.method == "enumeration"
    assert 0.0 < result.lower_bound < result.best.objective


def test_class_unit_excludes_noise_by_the_least_points_of_a_term():
    rng = np.random.default_rng(8)
    X = rng.random((1000, 30)) < 0.5
    y = (rng.random(1000) < 0.5).astype(np.uint8)
    result = search(brute.problem_of(X, y, max_points=5, max_terms=4, unit=True))
    assert result.complete
    assert result.nodes < result.supports_total / 4, "nearly every set of terms came through"


def test_rows_that_a_card_separates_are_proved_to_the_margin():
    checked = 0
    for seed in (55, 69, 135, 343, 351):
        rng = np.random.default_rng(seed)
        X = rng.integers(-1, 4, (14, 3)).astype(float)
        s = X[:, 0] + 0.3 * X[:, 1]
        y = (s > np.median(s)).astype(np.uint8)
        weight = 10.0 ** rng.uniform(-3, 3, 14)
        penalty = [0.0, 0.01, 0.1][seed % 3]
        problem = brute.problem_of(
            X, y, weight, max_points=4, max_terms=2, max_log_odds=30.0, penalty=penalty
        )
        result = search(problem)
        assert result.best.objective - result.lower_bound <= 1.01 * problem.margin
        checked += result.complete
    assert checked == 5


def test_no_lower_bound_is_negative():
    rng = np.random.default_rng(19)
    y = (rng.random(200) < 0.4).astype(np.uint8)
    X = ((rng.random((200, 60)) < 0.25) ^ (y[:, None] == 1)).astype(float)
    result = search(brute.problem_of(X, y, max_points=5), time_limit=0.4)
    assert not result.complete
    assert 0.0 <= result.lower_bound < result.best.objective


def test_no_rows_left_to_any_card_is_said():
    case = brute.random_case(0)
    rules = ItemRules((0.0,) * 3, (0.0,) * 3, (0, 1, 2), required=((1,),))
    problem = brute.problem_of(case.X[:, :3], case.y, rules=rules)
    result = search(problem)
    assert result.best is None
    assert result.complete


def middling(seed=0, n=400, d=14, *, numbers=False, strength=0.8, **settings):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).round(1) if numbers else (rng.random((n, d)) < 0.4).astype(float)
    y = (rng.random(n) < 1 / (1 + np.exp(-X @ rng.normal(0, strength, d)))).astype(np.uint8)
    weight = rng.integers(1, 64, n) / 16
    options = {"max_terms": 4, "pool_tolerance": 0.002} | settings
    problem = brute.problem_of(X, y, weight, **options)
    return brute.Case(X, y, weight, problem)


def same(a, b, tolerance=0.0) -> bool:
    """Equal results, but for clocks and counts."""
    if [(c.items, c.points) for c in a.pool] != [(c.items, c.points) for c in b.pool]:
        return False
    numbers = [
        np.array(
            [
                r.lower_bound,
                r.pool_cutoff,
                *(v for c in r.pool for v in (c.slope, c.intercept, c.loss, c.objective)),
            ]
        )
        for r in (a, b)
    ]
    return bool(np.allclose(*numbers, rtol=0, atol=tolerance)) and a.best == a.pool[0]


KINDS = [
    pytest.param({"unit": True}, id="unit"),
    pytest.param({"unit": False}, id="free"),
    pytest.param({"numbers": True, "d": 5, "n": 60, "max_terms": 3}, id="numbers"),
]


@pytest.mark.parametrize("settings", KINDS)
def test_any_number_of_threads_gives_the_same_bits(settings):
    case = middling(**settings)
    results = [search(case.problem, threads=t) for t in (1, 2, 3, 3)]
    assert results[0].complete
    assert all(same(results[0], other) for other in results[1:])


@pytest.mark.parametrize("settings", KINDS)
@pytest.mark.parametrize("isa", ISAS[: ISAS.index(BEST_ISA) + 1])
def test_every_instruction_set_gives_the_same_bits(settings, isa, monkeypatch):
    case = middling(**settings)
    reference = search(case.problem)

    def make():
        native = _kernels.Search()
        native.isa = isa
        return native

    monkeypatch.setattr(face, "_Search", make)
    assert same(search(case.problem), reference)


@pytest.mark.parametrize("settings", KINDS)
def test_order_of_rows_does_not_matter(settings):
    case = middling(**settings)
    order = np.random.default_rng(1).permutation(len(case.y))
    shuffled = brute.problem_of(case.X[order], case.y[order], case.weight[order])
    problem = dataclasses.replace(case.problem, patterns=shuffled.patterns)
    assert same(search(problem), search(case.problem))


@pytest.mark.parametrize("settings", KINDS)
def test_weight_of_two_is_the_row_twice(settings):
    case = middling(**settings)
    weight = np.random.default_rng(2).integers(1, 4, len(case.y))
    twice = np.repeat(np.arange(len(case.y)), weight)
    weighted = brute.problem_of(case.X, case.y, weight)
    repeated = brute.problem_of(case.X[twice], case.y[twice])
    results = [
        search(dataclasses.replace(case.problem, patterns=p.patterns)) for p in (weighted, repeated)
    ]
    assert same(*results, tolerance=1e-12)


@pytest.mark.parametrize("certify", [True, False])
def test_no_time_at_all_still_gives_a_legal_card_and_a_valid_bound(certify):
    none = 0
    for seed in range(3000, 3120):
        case = brute.random_case(seed)
        exhaustive = brute.solve(case.X, case.y, case.weight, case.problem)
        result = search(case.problem, time_limit=0.0, certify=certify)
        if result.best is None:
            none += bool(len(exhaustive.points))
            continue
        assert_legal(result.best, case)
        assert result.out_of_time
        assert result.lower_bound <= exhaustive.best + 1e-12
        assert result.best.objective >= exhaustive.best - CLOSE
    assert none <= 12, "cards exist, and none was found"


def hard(**settings):
    """A problem whose proof takes far longer than any test."""
    size = {"n": 150, "d": 30, "max_terms": 10, "strength": 0.15}
    return middling(7, numbers=True, pool_tolerance=0.0, **size, **settings)


@pytest.mark.parametrize("unit", [True, False])
def test_time_limit_leaves_an_honest_gap(unit):
    case = hard(unit=unit)
    result = search(case.problem, time_limit=1.5)
    assert result.out_of_time
    assert not result.complete
    assert_legal(result.best, case)
    assert 0 < result.lower_bound < result.best.objective
    better = search(case.problem, time_limit=2.5)
    assert result.lower_bound <= better.best.objective
    assert better.lower_bound <= result.best.objective


@pytest.mark.parametrize("numbers", [True, False])
def test_bound_of_a_search_cut_short_holds_for_the_optimum(numbers):
    size = {"d": 8, "n": 80, "max_terms": 4} if numbers else {"d": 40, "n": 900, "max_terms": 5}
    case = middling(9, numbers=numbers, unit=True, pool_tolerance=0.0, **size)
    optimum = search(case.problem, threads=2)
    assert optimum.complete
    for limit in (0.0, 0.01, 0.03, 0.1):
        result = search(case.problem, time_limit=limit)
        assert result.lower_bound <= optimum.best.objective
        assert result.best.objective >= optimum.best.objective - CLOSE
        assert result.complete or result.out_of_time


@pytest.mark.parametrize("unit", [True, False])
def test_time_limit_holds_on_many_distinct_rows_of_numbers(unit):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200_000, 8))
    y = (rng.random(200_000) < 1 / (1 + np.exp(-X[:, 0]))).astype(np.uint8)
    problem = brute.problem_of(X, y, max_points=5, unit=unit)
    begin = time.monotonic()
    result = search(problem, time_limit=0.2)
    assert time.monotonic() - begin < 1.2
    assert result.out_of_time
    assert result.best.items, "a card with terms was at hand"


def test_gap_tolerance_ends_the_search_within_it():
    case = middling(3, n=200, d=12, numbers=True, max_terms=3, pool_tolerance=0.0, unit=True)
    optimum = search(case.problem)
    assert optimum.complete
    seen = set()
    for tolerance in (0.3, 0.1, 0.03):
        result = search(case.problem, gap_tolerance=tolerance)
        gap = (result.best.objective - result.lower_bound) / result.best.objective
        assert gap <= tolerance
        assert result.lower_bound <= optimum.best.objective
        assert not result.out_of_time
        assert result.pool_cutoff <= result.lower_bound or result.complete
        seen.add(result.complete)
    assert False in seen, "every search went on to the end: the tolerance was not used"


def test_interrupt_in_the_progress_callback_returns_the_best_card():
    case = hard()
    states = []

    def progress(state):
        states.append(state)
        if len(states) == 3:
            raise KeyboardInterrupt

    result = search(case.problem, progress=progress, time_limit=120.0)
    assert result.interrupted
    assert not result.out_of_time
    assert_legal(result.best, case)
    assert result.lower_bound < result.best.objective
    assert {"phase", "elapsed", "objective", "lower_bound", "gap", "share"} <= set(states[-1])
    assert states[0]["elapsed"] < states[1]["elapsed"]


def test_ctrl_c_returns_the_best_card():
    case = hard()
    timer = threading.Timer(0.4, _thread.interrupt_main, (signal.SIGINT,))
    timer.start()
    result = search(case.problem, time_limit=120.0)
    timer.join()
    assert result.interrupted
    assert_legal(result.best, case)


def test_error_in_the_progress_callback_stops_the_search():
    def progress(state):
        raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        search(hard().problem, progress=progress, time_limit=120.0)
    assert threading.active_count() == before


def test_search_outside_the_main_thread():
    case = middling()
    results = []
    worker = threading.Thread(target=lambda: results.append(search(case.problem)))
    worker.start()
    worker.join()
    assert same(results[0], search(case.problem))
