"""Groupwise regret online: bounds that hold on every stream, groups that pull in two directions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from riskwright.audit.groupwise_regret import OnlineGroupwise
from riskwright.core import DataError, MissingValueError, ParameterError, ValueRangeError


def opposite_slopes(n, seed=0):
    """Two groups that overlap; outside of the overlap their slopes are opposite."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 1))
    member = rng.random((n, 2)) < 0.6
    slope = 0.4 * (member[:, 0].astype(float) - member[:, 1])
    return x, np.clip(0.5 + slope * x[:, 0] + rng.normal(0, 0.05, n), 0, 1), member


def ridge_by_hand(rows, outcomes, penalty=1.0):
    """Vovk-Azoury-Warmuth by solving the whole system at every step."""
    told = []
    for t, x in enumerate(rows):
        seen = rows[: t + 1]
        second = penalty * np.eye(x.size) + seen.T @ seen
        told.append(x @ np.linalg.solve(second, rows[:t].T @ outcomes[:t]))
    return np.array(told)


def test_alone_it_is_the_forecaster_of_vovk_azoury_and_warmuth():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.uniform(-2, 4, 40)
    model = OnlineGroupwise([], outcome_range=(-2, 4), penalty=0.7)
    told = model.partial_fit(x, y, np.zeros((40, 0)))
    design = np.column_stack([np.ones(40), x])
    expected = np.clip(1 + ridge_by_hand(design, y - 1, 0.7), -2, 4)
    np.testing.assert_allclose(told, expected, atol=1e-9)


def test_regret_goes_to_0_in_each_group_and_not_for_one_learner_of_all():
    def per_group(predicted, y, member):
        return [np.mean((predicted[m] - y[m]) ** 2) for m in member.T]

    found = {}
    for n in (800, 4000):
        x, y, member = opposite_slopes(n)
        model = OnlineGroupwise(["a", "b"])
        told = model.partial_fit(x, y, member)
        report = {group.group: group for group in model.regret().groups}
        alone = OnlineGroupwise([]).partial_fit(x, y, np.zeros((n, 0)))
        lost = per_group(alone, y, member)
        best = [report[name].best_loss for name in "ab"]
        found[n] = (
            max(report[name].regret for name in "ab"),
            min(one - b for one, b in zip(lost, best, strict=True)),
        )
        assert per_group(told, y, member) == pytest.approx([report[k].loss for k in "ab"])
    assert found[4000][0] < 0.002
    assert found[4000][1] > 0.005
    assert found[4000][1] > 0.9 * found[800][1]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=12, deadline=None)
def test_bounds_hold_on_every_stream(seed):
    """Rows against the learner: the outcome is the end of the range far from the prediction."""
    rng = np.random.default_rng(seed)
    groups, d, steps = int(rng.integers(1, 6)), int(rng.integers(1, 4)), 150
    model = OnlineGroupwise([f"g{g}" for g in range(groups)], penalty=float(rng.uniform(0.1, 3)))
    for _ in range(steps):
        x, member = rng.normal(size=d), rng.random(groups) < 0.5
        told = model.predict_one(x, member)
        y = float(told < 0.5) if rng.random() < 0.7 else rng.random()
        model.learn_one(x, member, y)
    for group in model.regret().groups:
        assert group.regret <= group.bound + 1e-12
        assert group.own_regret <= group.bound + 1e-12


def test_hindsight_is_least_squares_on_the_group():
    x, y, member = opposite_slopes(500)
    model = OnlineGroupwise(["a", "b"])
    told = model.partial_fit(x, y, member)
    report = model.regret()
    assert [group.group for group in report.groups] == ["everyone", "a", "b"]
    for group, rows in zip(report.groups, [np.ones(500, dtype=bool), *member.T], strict=True):
        design = np.column_stack([np.ones(rows.sum()), x[rows]])
        residual = np.linalg.lstsq(design, y[rows], rcond=None)[1][0] / rows.sum()
        assert group.n == rows.sum()
        assert group.best_loss == pytest.approx(residual, rel=1e-8)
        lost = np.mean((told[rows] - y[rows]) ** 2)
        assert group.regret == pytest.approx(lost - residual, abs=1e-10)


def test_one_by_one_is_the_same_as_a_block():
    x, y, member = opposite_slopes(60)
    block, single = OnlineGroupwise(["a", "b"]), OnlineGroupwise(["a", "b"])
    told = np.concatenate([block.partial_fit(*(v[s] for v in (x, y, member))) for s in HALVES])
    one = []
    for row, outcome, groups in zip(x, y, member, strict=True):
        one.append(single.predict_one(row, groups))
        single.learn_one(row, groups, outcome)
    np.testing.assert_array_equal(told, one)
    assert block.regret() == single.regret()


HALVES = (slice(0, 25), slice(25, 60))


def test_predicting_learns_nothing():
    x, y, member = opposite_slopes(50)
    model = OnlineGroupwise(["a", "b"])
    model.partial_fit(x, y, member)
    before = model.regret()
    assert model.predict_one(x[0], member[0]) == model.predict_one(x[0], member[0])
    assert model.regret() == before


def test_work_grows_linearly_with_the_groups():
    """Every group of every row costs its learner one prediction and one update, no more."""
    calls = {"predict": 0, "learn": 0}

    class Counting:
        def predict_one(self, x):
            calls["predict"] += 1
            return 0.5

        def learn_one(self, x, y):
            calls["learn"] += 1

    rng, counts = np.random.default_rng(0), {}
    x, y = rng.normal(size=(100, 2)), rng.random(100)
    for groups in (4, 8, 16):
        member = np.ones((100, groups))
        calls.update(predict=0, learn=0)
        model = OnlineGroupwise([str(g) for g in range(groups)], base=Counting)
        model.partial_fit(x, y, member)
        assert calls["predict"] == calls["learn"] == model.n_updates_ == 100 * (groups + 1)
        counts[groups] = model.n_updates_
    assert counts[16] - counts[8] == 2 * (counts[8] - counts[4])


def test_sleeping_learners_do_no_work():
    x, y, member = opposite_slopes(80)
    model = OnlineGroupwise(["a", "b"])
    model.partial_fit(x, y, member)
    assert model.n_updates_ == 80 + member.sum()


class Logistic:
    """Online gradient descent on the log loss."""

    def __init__(self):
        self.slopes, self.steps = None, 0

    def predict_one(self, x):
        row = np.concatenate([[1.0], x])
        return 0.5 if self.slopes is None else float(expit(self.slopes @ row))

    def learn_one(self, x, y):
        row = np.concatenate([[1.0], x])
        self.slopes = np.zeros(row.size) if self.slopes is None else self.slopes
        self.steps += 1
        self.slopes = self.slopes + (y - expit(self.slopes @ row)) * row / self.steps**0.5


def test_learners_of_ones_own_get_a_combination_without_a_bound():
    rng = np.random.default_rng(0)
    x, women = rng.normal(size=(2000, 1)), rng.random(2000) < 0.5
    y = (rng.random(2000) < expit(np.where(women, 3, -3) * x[:, 0])).astype(float)
    model = OnlineGroupwise(["women", "men"], base=Logistic)
    told = model.partial_fit(x, y, np.column_stack([women, ~women]))
    assert 0 <= told.min() <= told.max() <= 1
    report = model.regret()
    assert all(group.bound is None for group in report.groups)
    assert max(group.regret for group in report.groups) < 0.01


def test_the_finding_names_the_worst_group_and_the_empty_ones():
    x, y, member = opposite_slopes(100)
    model = OnlineGroupwise(["a", "b", "nobody"])
    model.partial_fit(x, y, np.column_stack([member, np.zeros(100)]))
    report = model.regret()
    assert [group.group for group in report.groups] == ["everyone", "a", "b"]
    (finding,) = report.findings
    assert finding.code == "groupwise.regret"
    assert "No row came of nobody" in finding.sentence


def test_bad_input_is_refused():
    for groups in (["a", "a"], "ab", ["everyone"]):
        with pytest.raises(ParameterError, match="groups"):
            OnlineGroupwise(groups)
    for options in ({"base": "tree"}, {"penalty": 0.0}, {"outcome_range": (1, 1)}):
        with pytest.raises(ParameterError, match=next(iter(options))):
            OnlineGroupwise(["a"], **options)
    model = OnlineGroupwise(["a"])
    with pytest.raises(DataError, match="nothing learned"):
        model.regret()
    with pytest.raises(ValueRangeError, match="beyond the range"):
        model.learn_one([1.0], [1], 1.5)
    with pytest.raises(MissingValueError):
        model.learn_one([np.nan], [1], 0.5)
    with pytest.raises(DataError, match="member"):
        model.learn_one([1.0], [1, 0], 0.5)
    with pytest.raises(ValueRangeError, match="member"):
        model.learn_one([1.0], [2], 0.5)
    with pytest.raises(DataError, match="length"):
        model.partial_fit(np.ones((3, 1)), [0.5], np.ones((3, 1)))
    model.learn_one([1.0], [1], 0.5)
    with pytest.raises(DataError, match="number of columns"):
        model.predict_one([1.0, 2.0], [1])
    assert model.n_rows_ == 1
