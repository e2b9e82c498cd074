"""Responsiveness: reachable sets, scores and fixed predictions against brute force; refusals."""

import itertools
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import DataError, MissingValueError, ParameterError
from riskwright.explanation.actions import Actions
from riskwright.explanation.reachable import ReachableSets
from riskwright.explanation.responsiveness import responsiveness

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared"))


def rows_of(table):
    rows = table.rows() if isinstance(table, pl.DataFrame) else table.tolist()
    return sorted(tuple(row) for row in rows)


# ---- a small world that brute force can hold: three whole numbers, three 0/1 features ----------

NAMES = ("a", "b", "c", "p", "q", "r")
HIGH = {"a": 3, "b": 2, "c": 2, "p": 1, "q": 1, "r": 1}


@st.composite
def worlds(draw):
    """Verbs, and the same constraints as a plain function of (before, own change, after)."""
    stated, tests = [], []
    scale = 0
    fixed = draw(st.sampled_from([(), ("a",), ("b",), ("c", "p")]))
    direction = {n: draw(st.sampled_from([0, 0, 1, -1])) for n in ("a", "b")}
    if draw(st.booleans()):
        scale = draw(st.sampled_from([1, -1])) if not (direction["a"] and direction["b"]) else 0
        if scale:
            stated.append(("moves_with", ("a", {"b": scale})))
    if draw(st.booleans()):
        required = draw(st.booleans())
        stated.append(("one_of", ("p", "q", "r", required)))
        tests.append(
            lambda x, own, y, required=required: sum(y[3:]) == 1 if required else sum(y[3:]) <= 1
        )
    else:
        kind = draw(st.sampled_from(["thermometer", "at_most", "changes", "none"]))
        if kind == "thermometer":
            stated.append(("thermometer", ("p", "q", "r")))
            tests.append(lambda x, own, y: y[3] >= y[4] >= y[5])
        elif kind == "at_most":
            stated.append(("at_most", (2, "p", "q", "r", False)))
            tests.append(lambda x, own, y: sum(y[3:]) <= 2)
        elif kind == "changes":
            stated.append(("at_most", (1, "c", "p", "q", True)))
            tests.append(lambda x, own, y: sum(own[j] != 0 for j in (2, 3, 4)) <= 1)
    if draw(st.booleans()):
        level = draw(st.integers(1, 2))
        stated.append(("if_then", (("p", "==", 1), ("c", ">=", level))))
        tests.append(lambda x, own, y, level=level: y[3] != 1 or y[2] >= level)
    if draw(st.booleans()):
        stated.append(("switch", ("q", ("a",), 1)))
        tests.append(lambda x, own, y: own[0] == 0 or y[4] == 1)
    if draw(st.booleans()):
        stated.append(("if_then", (("c", "increases"), ("r", "unchanged"))))
        tests.append(lambda x, own, y: y[2] <= x[2] or y[5] == x[5])
    return stated, tests, fixed, direction, scale


def actions_of(world):
    stated, _, fixed, direction, _ = world
    actions = Actions(list(NAMES))
    for name in NAMES:
        actions = actions.bounds(name, 0, HIGH[name])
    actions = actions.fix(*fixed) if fixed else actions
    for name, way in direction.items():
        if way:
            actions = (actions.only_increase if way > 0 else actions.only_decrease)(name)
    for verb, given_ in stated:
        if verb == "one_of":
            actions = actions.one_of(*given_[:-1], required=given_[-1])
        elif verb == "at_most":
            actions = actions.at_most(given_[0], *given_[1:-1], changes=given_[-1])
        else:
            actions = getattr(actions, verb)(*given_)
    return actions


def brute(world, x):
    """All (own change, point) from x, by trying everything."""
    _, tests, fixed, direction, scale = world
    axes = []
    for j, name in enumerate(NAMES):
        own = [v - x[j] for v in range(HIGH[name] + 1)]
        way = direction.get(name, 0)
        own = [c for c in own if c * way >= 0] if name not in fixed else [0]
        axes.append(own)
    found = []
    for own in itertools.product(*axes):
        y = [v + c for v, c in zip(x, own, strict=True)]
        y[1] += scale * own[0]
        inside = 0 <= y[1] <= HIGH["b"] and (y[1] - x[1]) * direction["b"] >= 0
        if inside and all(test(x, own, y) for test in tests):
            found.append((own, tuple(y)))
    return found


def valid_rows(world, seed, n=4):
    _, tests, *_ = world
    rng = np.random.default_rng(seed)
    every = list(itertools.product(*(range(HIGH[n] + 1) for n in NAMES)))
    good = [x for x in every if all(test(x, (0,) * 6, x) for test in tests)]
    return [good[i] for i in rng.integers(0, len(good), n)]


def parts_of(world):
    """Components of features that statements tie together."""
    parts = [{n} for n in NAMES]
    for _, given_ in world[0]:
        tied = {name for name in NAMES if f"'{name}'" in repr(given_)}
        merged = set().union(*(part for part in parts if part & tied))
        parts = [part for part in parts if not part & tied] + [merged]
    return parts


def brute_score(world, x, j, good):
    points = brute(world, x)
    part = next(part for part in parts_of(world) if NAMES[j] in part)
    inside = [k for k, name in enumerate(NAMES) if name in part]
    only = [
        (own, y)
        for own, y in points
        if own[j] and not any(own[k] for k in range(6) if k not in inside)
    ]
    best = {}
    for own, _ in only:
        others = sum(own[k] != 0 for k in inside)
        best[own[j]] = min(best.get(own[j], 99), others)
    kept = [y for own, y in only if sum(own[k] != 0 for k in inside) == best[own[j]]]
    return float(np.mean([good(y) for y in kept])) if kept else 0.0


def rule_of(weights):
    return lambda y: float(np.dot(weights, y)) > 3.0


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(0, 10**6), st.lists(st.integers(-2, 3), min_size=6, max_size=6))
def test_sets_scores_and_fixed_are_those_of_brute_force(world, seed, weights):
    rows = valid_rows(world, seed)
    X = np.array(rows, dtype=float)
    frame = pl.DataFrame(dict(zip(NAMES, X.astype(int).T, strict=True)))
    actions, good = actions_of(world), rule_of(weights)
    sets = ReachableSets(frame, actions)
    for i, x in enumerate(rows):
        points = [y for _, y in brute(world, x)]
        assert sets.sizes[i] == len(points)
        assert rows_of(sets.points(i)) == sorted(points)
    assert_scores(world, rows, frame, actions, good, weights)


def assert_scores(world, rows, frame, actions, good, weights):
    # a person who has the target, so that it is known to exist; it takes no part in the asking
    def predict(table):
        values = table.to_numpy() @ np.array(weights)
        return np.where(values > 3.0, 1, 0)

    if all(good(x) for x in rows):
        with pytest.raises(DataError, match="everyone has the target"):
            responsiveness(predict, frame, actions, target=1)
        return
    try:
        found = responsiveness(predict, frame, actions, target=1)
    except ParameterError:
        assert not any(good(y) for x in rows for _, y in brute(world, x))
        return
    assert found.exact.all()
    assert found.proven.all()
    assert_recourse(world, rows, found, good, frame)
    for i, row in enumerate(found.asked):
        expected = [brute_score(world, rows[row], j, good) for j in range(6)]
        np.testing.assert_allclose(found.scores[i], expected, atol=1e-12)
        assert found.fixed[i] == (not any(good(y) for _, y in brute(world, rows[row])))


def assert_recourse(world, rows, found, good, frame):
    def cost(before, after):
        moved = np.abs(after.to_numpy().astype(float) - before.to_numpy())
        return moved @ np.array([1.0, 2.0, 3.0, 1.5, 2.5, 0.5])

    for i, action in enumerate(found.recourse(cost)):
        x = np.array(rows[found.asked[i]])
        moved = [
            np.abs(np.array(y) - x) @ np.array([1.0, 2.0, 3.0, 1.5, 2.5, 0.5])
            for _, y in brute(world, tuple(x))
            if good(y)
        ]
        assert action.status == ("found" if moved else "none")
        if moved:
            assert action.cheapest
            assert action.cost == pytest.approx(min(moved))
            after = x.astype(float)
            for name, (old, new) in action.changes.items():
                assert after[NAMES.index(name)] == old
                after[NAMES.index(name)] = new
            assert good(after)


# ---- known results ------------------------------------------------------------------------------


def test_the_published_example_has_six_points():
    X = np.array([[32, 1, 5, 0, 1, 0], [25, 0, 0, 1, 0, 0], [60, 1, 9, 0, 0, 1]], dtype=float)
    frame = pl.DataFrame(
        dict(zip(("age", "married", "years", "job_a", "job_b", "job_c"), X.T, strict=True))
    )
    actions = (
        Actions(frame)
        .fix("age", "married")
        .change("years", 0, 1)
        .moves_with("years", {"age": 1})
        .one_of("job_a", "job_b", "job_c")
    )
    points = rows_of(ReachableSets(frame, actions).points(0))
    jobs = [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert points == sorted(
        (age, 1, years, *job) for age, years in [(32, 5), (33, 6)] for job in jobs
    )


def test_linkage_is_one_way_and_adds_to_own_changes():
    X = np.array([[0.0, 0.0]])
    link = Actions(["x0", "x1"]).change("x0", -1, 1).change("x1", 0, 1).moves_with("x0", {"x1": 2})
    assert rows_of(ReachableSets(X, link).points(0)) == sorted(
        (a, 2 * a + own) for a in (-1, 0, 1) for own in (0, 1)
    )
    found = responsiveness(lambda t: t[:, 1] >= 2, X, link, target=True)
    # x0 drags x1 along and reaches it; x1 alone moves by 1 at most
    assert found.scores.tolist() == [[0.5, 0.0]]


def test_linkage_that_leaves_stated_bounds_is_not_feasible():
    X = np.array([[0.0, 3.0]])
    actions = Actions(["x0", "x1"]).change("x0", -2, 2).fix("x1").moves_with("x0", {"x1": 1})
    assert len(ReachableSets(X, actions).points(0)) == 5
    narrow = actions.bounds("x1", 0, 4)
    assert rows_of(ReachableSets(X, narrow).points(0)) == [(-2, 1), (-1, 2), (0, 3), (1, 4)]


def test_chains_of_linkage_add_up():
    X = np.zeros((1, 3))
    actions = (
        Actions(["x0", "x1", "x2"])
        .fix("x1", "x2")
        .change("x0", 0, 1)
        .moves_with("x1", {"x2": 3})
        .moves_with("x0", {"x1": 2})
    )
    assert rows_of(ReachableSets(X, actions).points(0)) == [(0, 0, 0), (1, 2, 6)]


def test_one_hot_changes_only_what_is_forced():
    X = np.array([[1.0, 0, 0]])
    actions = Actions(["x0", "x1", "x2"]).one_of("x0", "x1", "x2")
    found = responsiveness(lambda t: t[:, 2] == 1, X, actions, target=True)
    # leaving x0 has two completions, of which one works; x1 on works never, x2 on always
    assert found.scores.tolist() == [[0.5, 0.0, 1.0]]


def test_ordered_dummies_and_text_move_one_way():
    X = np.array([[0.0, 1, 0]])
    actions = Actions(["x0", "x1", "x2"]).one_of("x0", "x1", "x2", direction="up")
    assert rows_of(ReachableSets(X, actions).points(0)) == [(0, 0, 1), (0, 1, 0)]
    frame = pl.DataFrame({"school": ["middle"]})
    text = Actions(["school"]).ordered("school", ["low", "middle", "high"]).only_increase("school")
    assert rows_of(ReachableSets(frame, text).points(0)) == [("high",), ("middle",)]


def test_joint_values_and_what_can_be_reached_from_where():
    X = np.array([[0.0, 0], [1, 1]])
    actions = Actions(["x0", "x1"]).joint(
        ["x0", "x1"], [[0, 0], [1, 0], [1, 1]], [[1, 1, 1], [0, 1, 0], [0, 1, 1]]
    )
    sets = ReachableSets(X, actions)
    # the range seen is 0 to 1, so all three values are open to the first person
    assert rows_of(sets.points(0)) == [(0, 0), (1, 0), (1, 1)]
    assert rows_of(sets.points(1)) == [(1, 0), (1, 1)]


def test_text_booleans_and_types_come_back_as_they_were():
    frame = pl.DataFrame(
        {
            "job": pl.Series(["a", "b", "c"], dtype=pl.Categorical),
            "owner": [True, False, False],
            "cards": pl.Series([1, 2, 3], dtype=pl.UInt8),
            "since": pl.Series(["2020-01-01", "2021-01-01", "2022-01-01"]).str.to_date(),
            "note": ["x", None, "y"],
        }
    )
    actions = Actions(frame.drop("since", "note")).change("cards", -300, 300)
    seen = []

    def predict(table):
        seen.append(table.schema)
        return (table["job"].cast(pl.String) == "c") & table["owner"]

    found = responsiveness(predict, frame, actions, target=True)
    small = {name: kind for name, kind in frame.schema.items() if name != "cards"}
    assert all({k: v for k, v in s.items() if k != "cards"} == small for s in seen)
    assert seen[0] == frame.schema
    assert found.scores[found.asked == 2][0].tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]
    assert not found.fixed.any()
    assert found.recourse()[1].changes == {"job": ("b", "c"), "owner": (0.0, 1.0)}


# ---- sampling -----------------------------------------------------------------------------------


def test_continuous_features_are_drawn_and_their_intervals_hold_the_truth():
    X = np.array([[0.0, 0.0], [0.3, 0.0]])
    actions = Actions(["x0", "x1"]).bounds("x0", 0, 1).step("x0", 0).fix("x1")
    found = responsiveness(lambda t: t[:, 0] > 0.7, X, actions, target=True, random_state=0)
    assert not found.exact[:, 0].any()
    assert found.exact[:, 1].all()
    assert (found.low[:, 0] <= 0.3).all()
    assert (found.high[:, 0] >= 0.3).all()
    assert (found.high[:, 0] - found.low[:, 0] < 0.1).all()
    assert not found.fixed.any()
    assert found.report().exact is False


def test_many_whole_steps_are_drawn_too_and_agree_with_trying_all():
    X = np.array([[5.0], [50.0]])
    actions = Actions(["x0"]).bounds("x0", 0, 999)
    predict = lambda t: t[:, 0] % 10 < 3  # noqa: E731
    X = X[~predict(X)]
    exact = responsiveness(predict, X, actions, target=True, draws=1000)
    drawn = responsiveness(predict, X, actions, target=True, draws=400, random_state=1)
    assert exact.exact.all()
    assert not drawn.exact.any()
    assert (drawn.low <= exact.scores).all()
    assert (exact.scores <= drawn.high).all()


def test_a_tied_part_too_large_to_list_is_drawn_within_its_interval():
    rng = np.random.default_rng(3)
    names = [f"x{j}" for j in range(5)]
    X = rng.integers(0, 4, (6, 5)).astype(float)
    X[:, 0] = 0
    actions = Actions(names)
    for name in names[1:]:
        actions = actions.bounds(name, 0, 3)
    actions = (
        actions.bounds("x0", 0, 1)
        .if_then(("x0", "==", 1), ("x1", ">=", 2))
        .at_most(3, *names, changes=True)
    )
    predict = lambda t: t @ np.array([3.0, 1, 1, 0, -1]) > 6  # noqa: E731
    listed = responsiveness(predict, X, actions, target=True)
    drawn = responsiveness(predict, X, actions, target=True, limit=20, random_state=0)
    assert listed.exact.all()
    assert not drawn.exact[:, 0].any()
    assert (drawn.low - 1e-12 <= listed.scores).all()
    assert (listed.scores <= drawn.high + 1e-12).all()
    assert not (drawn.proven & drawn.fixed & ~listed.fixed).any()


def test_the_same_seed_gives_the_same_scores_and_recourse():
    X = np.random.default_rng(0).normal(size=(5, 3))
    predict = lambda t: t.sum(axis=1) > 4  # noqa: E731
    actions = Actions(["x0", "x1", "x2"])
    for name in actions.names:
        actions = actions.bounds(name, -4, 4)
    runs = [responsiveness(predict, X, actions, target=True, random_state=7) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].scores, runs[1].scores)
    assert runs[0].recourse() == runs[1].recourse()


def test_nothing_found_is_not_called_a_proof():
    X = np.array([[0.0], [0.5]])
    actions = Actions(["x0"]).bounds("x0", 0, 1).step("x0", 0)
    predict = lambda t: np.isclose(t[:, 0], 0.123456789)  # noqa: E731
    shown = np.array([[0.123456789], *X])
    found = responsiveness(predict, shown, actions, target=True, random_state=0)
    assert found.fixed.all()
    assert not found.proven.any()
    assert found.reach_high == pytest.approx(1 - 0.025 ** (1 / 500))
    assert {action.status for action in found.recourse()} == {"not found"}
    report = found.report()
    assert report.fixed.value == 1.0
    assert report.fixed.bracket == (0.0, 1.0)
    assert report.fixed.low == 0.0
    assert report.features[0].can_work.bracket == (0.0, 1.0)
    assert next(f for f in report.findings if f.code == "responsiveness.fixed").severity == "low"


# ---- reasons and report -------------------------------------------------------------------------


def five():
    """Ten people; x0 and x1 can change, x1 always works, x0 never, x2 is fixed."""
    X = np.array([[0.0, 0.0, k % 2] for k in range(10)] + [[0.0, 1.0, 0.0]])
    actions = Actions(X).bounds("x0", 0, 2).fix("x2")
    return responsiveness(lambda t: t[:, 1] == 1, X, actions, target=True)


def test_reasons_are_marked_as_able_or_unable():
    found = five()
    assert [r.feature for r in found.reasons()[0]] == ["x1"]
    costs = np.tile([3.0, 0.5, 2.0], (11, 1))
    notice = found.reasons(2, costs)[0]
    assert [(r.feature, r.works) for r in notice] == [("x0", False), ("x2", False)]
    assert found.notices_that_work(costs, 2).value == 0.0
    assert found.notices_that_work(costs, 3).value == 1.0


def test_the_report_says_it_in_sentences():
    found = five()
    report = found.report(np.tile([3.0, 0.5, 2.0], (11, 1)), k=2)
    assert (report.n, report.n_asked, report.exact) == (11, 10, True)
    assert report.fixed.value == 0.0
    assert report.fixed.low == 0.0
    assert report.fixed.high == pytest.approx(1 - 0.025**0.1)
    assert [f.code for f in report.findings] == [
        "responsiveness.fixed",
        "responsiveness.has_reason",
        "responsiveness.notices",
    ]
    assert [f.severity for f in report.findings] == ["info", "info", "high"]
    assert report.findings[2].sentence.startswith("Of 10 usual notices (the 2 features")
    by_name = {f.feature: f for f in report.features}
    assert by_name["x1"].can_work.value == 1.0
    assert by_name["x1"].mean_score.low < 1.0 == by_name["x1"].mean_score.high
    assert by_name["x2"].mean_score.value == 0.0


def test_severity_grows_with_what_is_proved():
    def severity(n_fixed, n):
        X = np.array([[float(k < n_fixed), 0.0] for k in range(n)] + [[0.0, 1.0]])
        actions = Actions(X).fix("x0")
        found = responsiveness(lambda t: (t[:, 1] == 1) & (t[:, 0] == 0), X, actions, target=True)
        return found.report().findings[0].severity

    assert severity(0, 20) == "info"
    assert severity(1, 20) == "medium"
    assert severity(15, 20) == "high"


# ---- refusals -----------------------------------------------------------------------------------

X2 = np.array([[0.0, 0.0], [1.0, 1.0]])
FREE = Actions(["x0", "x1"])


def ones(table):
    return table[:, 0] == 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"target": 7}, ParameterError, "never predicted"),
        ({"predict": lambda t: np.ones(3)}, DataError, "length differs"),
        ({"predict": lambda t: np.ones((2, 2))}, DataError, "not one decision per row"),
        ({"predict": lambda t: np.full(len(t), np.nan)}, MissingValueError, "missing decisions"),
        ({"predict": "model"}, ParameterError, "not a function"),
        ({"predict": lambda t: np.ones(len(t))}, DataError, "everyone has the target"),
        ({"draws": 0}, ParameterError, "draws"),
        ({"limit": 0}, ParameterError, "limit"),
        ({"level": 1.0}, ParameterError, "level"),
        ({"actions": {"fix": ["x0"]}}, ParameterError, "from_mapping"),
        ({"actions": FREE.bounds("x1", 0, 0.5)}, DataError, "row"),
        ({"X": np.array([[np.nan, 0.0], [1, 1]])}, MissingValueError, "x0"),
        ({"X": np.array([[np.inf, 0.0], [1, 1]])}, DataError, "infinite"),
        ({"X": np.array([[0.0], [1.0]])}, DataError, "no column 'x1'"),
    ],
)
def test_bad_input_is_refused(change, error, words):
    given_ = {"predict": ones, "X": X2, "actions": FREE, "target": True} | change
    if change.get("target") == 7:
        given_["predict"] = lambda t: np.where(t[:, 0] == 1, 1, 0)
    with pytest.raises(error, match=words):
        responsiveness(given_.pop("predict"), given_.pop("X"), given_.pop("actions"), **given_)


def test_rows_that_break_their_constraints_are_named_by_number():
    X = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    with pytest.raises(DataError, match=r"exactly one of x0, x1.*2 at rows 1, 2"):
        responsiveness(ones, X, FREE.one_of("x0", "x1"), target=True)


def test_contributions_must_fit():
    found = five()
    with pytest.raises(DataError, match="length differs"):
        found.reasons(4, np.ones((10, 3)))
    with pytest.raises(DataError, match="one per column"):
        found.reasons(4, np.ones((11, 2)))
    with pytest.raises(DataError, match="signs"):
        found.notices_that_work(-np.ones((11, 3)))


# ---- German credit ------------------------------------------------------------------------------


@pytest.mark.skipif(
    not (SHARED / "data/table/german/german_data.csv").exists(), reason="no shared data"
)
def test_german_credit_agrees_with_trying_each_change_one_by_one():
    raw = pl.read_csv(SHARED / "data/table/german/german_data.csv")
    columns = [
        "age", "liable_persons", "installment_rate", "existing_credits", "has_telephone",
        "checking_acct_le_0", "checking_acct_bt_0_200", "checking_acct_ge_200",
        "no_checking_acct", "savings_acct_le_100", "savings_acct_bt_100_499",
        "savings_acct_bt_500_999", "savings_acct_ge_1000", "no_savings_acct",
    ]  # fmt: skip
    X = raw.select(columns)
    good = raw["is_credit_risk_good"].to_numpy()
    weights = np.linalg.lstsq(X.to_numpy().astype(float), good, rcond=None)[0]
    actions = (
        Actions(X)
        .fix("age", "liable_persons")
        .only_decrease("existing_credits")
        .one_of(*columns[5:9])
        .one_of(*columns[9:])
    )
    assert actions.check(X)[0].severity == "info"
    predict = lambda table: (table.to_numpy() @ weights > 0.6).astype(int)  # noqa: E731
    found = responsiveness(predict, X, actions, target=1)
    assert found.exact.all()
    assert found.proven.all()
    values = X.to_numpy().astype(float)
    for i in range(0, found.n_asked, 25):
        x = values[found.asked[i]]
        for j, name in enumerate(columns):
            points = []
            if name in ("installment_rate", "existing_credits"):
                top = 5 if name == "installment_rate" else int(x[j]) + 1
                points = [_with(x, {j: v}) for v in range(1, top) if v != x[j]]
            elif name == "has_telephone":
                points = [_with(x, {j: 1 - x[j]})]
            elif j >= 5:
                group = range(5, 9) if j < 9 else range(9, 14)
                on = next(k for k in group if x[k])
                moves = [k for k in group if k != on] if j == on else [j]
                points = [_with(x, {on: 0, k: 1}) for k in moves]
            expected = np.mean(np.array(points) @ weights > 0.6) if points else 0.0
            assert found.scores[i, j] == pytest.approx(expected)


def _with(x, values):
    y = x.copy()
    for j, value in values.items():
        y[j] = value
    return y
