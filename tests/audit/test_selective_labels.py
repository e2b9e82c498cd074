"""Selective labels: the likelihood by brute force, recovery, constraints, groups, bad input."""

import math

import msgspec
import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import expit
from scipy.stats import norm

from riskwright.audit.selective_labels import SelectiveLabelsReport, selective_labels
from riskwright.audit.selective_likelihood import Likelihood, TestedRows
from riskwright.audit.selective_solution import log_posterior, optimality
from riskwright.core import (
    ColumnError,
    ConstraintError,
    DataError,
    Estimate,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.stats import logit_interval

RISK = np.array([-2.0, 0.7, -0.5, 0.6, 0.4, 0.0])
POLICY = np.array([0.5, 0.8, -0.6, 0.0, 0.0, 0.0])
MAY = ["x0", "x1"]


def world(n=2000, seed=0, policy=POLICY, sigma=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    r = RISK[0] + X @ RISK[1:] + sigma * rng.normal(size=n)
    outcome = rng.random(n) < expit(r)
    observed = rng.random(n) < expit(r + policy[0] + X @ policy[1:])
    return X, np.where(observed, outcome, np.nan), observed, outcome


def population_rate():
    return quad(lambda z: norm.pdf(z) * expit(RISK[0] + SPREAD * z), -9, 9)[0]


SPREAD = math.sqrt(float(RISK[1:] @ RISK[1:]) + 1)
RATE = population_rate()


def small(alpha, sigma, prevalence=None):
    rng = np.random.default_rng(2)
    design = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    observed = rng.random(60) < 0.6
    positive = observed & (rng.random(60) < 0.5)
    return TestedRows(design, np.array([0, 2]), observed, positive, alpha, prevalence, sigma)


@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, None), (None, None), (0.5, 1.3), (None, 0.7)])
def test_likelihood_gradient_and_curvature_are_those_of_the_integral(alpha, sigma):
    data = small(alpha, sigma)
    theta = np.random.default_rng(0).normal(size=data.size) * 0.5
    at = Likelihood(data, theta)
    outcome, policy, spread, pull = data.unpacked(theta)
    for i in range(8):

        def joint(z, i=i):
            r = outcome[i] + spread * z
            test = expit(pull * r + policy[i])
            seen = (expit(r) if data.positive[i] else 1 - expit(r)) * test
            return norm.pdf(z) * (seen if data.observed[i] else 1 - test)

        assert at.log_likelihood[i] == pytest.approx(math.log(quad(joint, -9, 9)[0]), abs=1e-7)

    def total(t):
        return Likelihood(data, t).slopes[0]

    def slope(t):
        return Likelihood(data, t).slopes[1]

    np.testing.assert_allclose(slope(theta), approx_fprime(theta, total, 1e-6), atol=1e-4)
    np.testing.assert_allclose(-at.curvatures()[0], approx_fprime(theta, slope, 1e-6), atol=1e-4)


def test_gradients_of_the_risks_and_of_the_constraint_are_right():
    data = small(None, None, prevalence=0.3)
    theta = np.random.default_rng(1).normal(size=data.size) * 0.5
    at = Likelihood(data, theta)
    told = {
        "risk": (lambda t: Likelihood(data, t).risk, at.risk_gradient),
        "untested": (lambda t: Likelihood(data, t).risk_given_no_test[0], at.risk_given_no_test[1]),
        "tested": (
            lambda t: Likelihood(data, t).risk_given_test(True)[0],
            at.risk_given_test(True)[1],
        ),
    }
    for function, gradient in told.values():
        np.testing.assert_allclose(gradient, approx_fprime(theta, function, 1e-7), atol=1e-5)

    def edge(t):
        return Likelihood(data, t).slopes[3]

    np.testing.assert_allclose(at.curvatures()[1], approx_fprime(theta, edge, 1e-6), atol=1e-4)


def test_average_policy_tests_as_many_and_its_slopes_are_right():
    data = small(1.0, None)
    theta = np.full(data.size, 0.4)
    expected, gradient, slope = Likelihood(data, theta).average_policy()
    assert expected.mean() == pytest.approx(data.observed.mean(), abs=1e-10)
    # Moving theta moves the shift too, so that the sum of tests stays:
    shift = -gradient.mean(axis=0) / slope.mean()

    def chance(t):
        return Likelihood(data, t).average_policy()[0]

    np.testing.assert_allclose(
        gradient + slope[:, None] * shift, approx_fprime(theta, chance, 1e-6), atol=1e-5
    )


def test_risks_with_and_without_a_test_average_to_the_risk():
    X, outcome, observed, _ = world(1000)
    fit = selective_labels(X, outcome, observed, prevalence=RATE)
    at = fit.solutions[0].at
    tested = at.test_chance()
    mixed = tested * fit.risk(X, np.ones(1000)) + (1 - tested) * fit.risk(X, np.zeros(1000))
    np.testing.assert_allclose(mixed, fit.risk(X), atol=1e-12)
    assert np.all(fit.risk(X, np.ones(1000)) > fit.risk(X, np.zeros(1000)))


def test_the_fit_is_at_the_top_and_meets_the_constraint():
    X, outcome, observed, _ = world(2000)
    fit = selective_labels(X, outcome, observed, prevalence=RATE, expertise=MAY)
    best = fit.solutions[0]
    assert fit.risk(X).mean() == pytest.approx(RATE, abs=1e-10)
    matrix, gradient, _ = optimality(best.at, best.multiplier)
    edge = matrix[-1, :-1]
    np.testing.assert_allclose(gradient + best.multiplier * edge, 0, atol=1e-9)
    free = np.linalg.svd(edge[None])[2][1:]
    assert np.linalg.eigvalsh(free @ matrix[:-1, :-1] @ free.T).min() > 0


def test_constraints_bring_the_coefficients_nearer_to_the_truth():
    """Means over 3 draws; without constraints the intercept is far off, with both it is near."""
    errors = {"none": [], "prevalence": [], "both": []}
    for seed in range(3):
        X, outcome, observed, _ = world(1200, seed)
        given = {"none": {}, "prevalence": {"prevalence": RATE}}
        given["both"] = {"prevalence": RATE, "expertise": MAY}
        for name, options in given.items():
            found = selective_labels(X, outcome, observed, **options).coefficients
            errors[name].append(
                [abs(e.value - t) for e, t in zip(found.values(), RISK, strict=True)]
            )
    mean = {name: np.mean(rows) for name, rows in errors.items()}
    intercept = {name: np.mean(rows, axis=0)[0] for name, rows in errors.items()}
    assert mean["both"] < mean["prevalence"] < mean["none"]
    assert intercept["prevalence"] < 0.5 * intercept["none"]


def test_intervals_cover_in_a_small_simulation():
    """10 draws of 6 coefficients, sigma and the risk of the unobserved, both constraints."""
    many = world(400_000, 99)
    unseen = many[3][~many[2]].mean()
    held = []
    for seed in range(10):
        X, outcome, observed, _ = world(1000, seed)
        fit = selective_labels(X, outcome, observed, prevalence=RATE, expertise=MAY)
        found = [*fit.coefficients.values(), fit.unobserved_sd, fit.report().risk_unobserved]
        truth = [*RISK, 1.0, unseen]
        held += [e.low <= t <= e.high for e, t in zip(found, truth, strict=True)]
    assert np.mean(held) > 0.9


def test_the_unobserved_have_less_risk_than_the_tested_here():
    X, outcome, observed, truth = world()
    fit = selective_labels(X, outcome, observed, prevalence=RATE)
    report = fit.report()
    assert report.risk_unobserved.low < truth[~observed].mean() < report.risk_unobserved.high
    assert report.risk_unobserved.high < report.risk_observed.low
    finding = report.findings[0]
    assert finding.code == "selective.risk_unobserved"
    assert finding.severity == "medium"
    assert f"{int((~observed).sum()):,}" in finding.sentence


def test_units_of_a_column_change_only_its_coefficients():
    X, outcome, observed, _ = world(1500)
    plain = selective_labels(X, outcome, observed, prevalence=RATE)
    moved = selective_labels(40 + 10 * X, outcome, observed, prevalence=RATE)
    for name in ("x0", "x3"):
        assert moved.policy[name].value == pytest.approx(plain.policy[name].value / 10, abs=1e-6)
        width = plain.policy[name].high - plain.policy[name].low
        assert moved.policy[name].high - moved.policy[name].low == pytest.approx(width / 10)
    np.testing.assert_allclose(moved.risk(40 + 10 * X), plain.risk(X), atol=1e-7)


def test_frames_and_mappings_name_the_columns():
    X, outcome, observed, _ = world(800)
    names = ["age", "sex", "a", "b", "c"]
    frame = pl.DataFrame(X, schema=names)
    by_name = {name: X[:, j] for j, name in enumerate(names)}
    fits = [
        selective_labels(frame, outcome, observed, prevalence=RATE, expertise=["age"]),
        selective_labels(by_name, outcome, observed, prevalence=RATE, expertise=["age"]),
        selective_labels(
            X, outcome, observed, prevalence=RATE, expertise=["age"], feature_names=names
        ),
    ]
    assert fits[0].policy == fits[1].policy == fits[2].policy
    assert list(fits[0].policy) == ["intercept", "age"]
    assert list(fits[0].coefficients) == ["intercept", *names]
    np.testing.assert_array_equal(fits[0].risk(frame.select(names[::-1])), fits[2].risk(X))


def test_outcomes_of_the_untested_are_not_looked_at():
    X, outcome, observed, truth = world(600)
    told = [
        selective_labels(X, column, observed, prevalence=RATE).report()
        for column in (outcome, truth, np.where(observed, truth, 7.0))
    ]
    assert told[0] == told[1] == told[2]


def test_an_uncertain_prevalence_widens_the_intervals():
    X, outcome, observed, _ = world(2000)
    known = selective_labels(X, outcome, observed, prevalence=RATE).report()
    about = Estimate(
        value=RATE, low=RATE - 0.04, high=RATE + 0.04, level=0.95, n=500, method="survey"
    )
    survey = selective_labels(X, outcome, observed, prevalence=about).report()
    assert survey.risk_unobserved.value == pytest.approx(known.risk_unobserved.value)
    narrow, wide = (r.risk_unobserved.high - r.risk_unobserved.low for r in (known, survey))
    assert wide > 1.3 * narrow


def test_a_rate_that_cannot_be_is_told():
    X, outcome, observed, _ = world(2000)
    right = selective_labels(X, outcome, observed, prevalence=RATE).report()
    wrong = selective_labels(X, outcome, observed, prevalence=0.45).report()
    assert "selective.prevalence" not in [finding.code for finding in right.findings]
    assert [f.severity for f in wrong.findings if f.code == "selective.prevalence"] == ["medium"]


def test_intervals_of_separated_rows_are_not_narrower_than_the_prior_leaves_them():
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    slope = selective_labels({"x": x}, x > 0, rng.random(500) < 0.5).coefficients["x"]
    assert slope.high - slope.low > 5


def grouped(n=2500, seed=0, lack=-1.5):
    """Group b has the same risk and is tested less at the same risk."""
    rng = np.random.default_rng(seed)
    age, group = rng.normal(size=n), (rng.random(n) < 0.3).astype(float)
    r = -1 + 0.8 * age + rng.normal(size=n)
    outcome = (rng.random(n) < expit(r)).astype(float)
    observed = rng.random(n) < expit(r + 1 + lack * group)
    return {"age": age, "b": group}, outcome, observed, np.where(group == 1, "b", "a")


def test_a_group_that_is_under_tested_is_found():
    X, outcome, observed, groups = grouped()
    fit = selective_labels(X, outcome, observed, expertise=["b"], groups=groups)
    a, b = fit.report().groups
    assert (a.group, b.group) == ("a", "b")
    assert b.under_tested
    assert not a.under_tested
    assert b.gap.value == pytest.approx(b.tested.value - b.tested_at_average.value)
    found = [f for f in fit.report().findings if f.code == "selective.undertested"]
    assert [f.severity for f in found] == ["high"]
    assert "group b" in found[0].sentence
    assert fit.undertested(groups) == fit.report().groups
    total = sum(g.n * g.tested_at_average.value for g in (a, b))
    assert total == pytest.approx(observed.sum(), abs=1e-6)


def test_a_group_that_is_tested_by_its_risk_is_not():
    X, outcome, observed, groups = grouped(lack=0.0)
    report = selective_labels(X, outcome, observed, expertise=["b"], groups=groups).report()
    assert not any(group.under_tested for group in report.groups)
    info = [f for f in report.findings if f.severity == "info" and "None of 2" in f.sentence]
    assert len(info) == 1


def test_of_many_groups_the_findings_name_the_worst_and_count_the_others():
    X, outcome, observed, _ = grouped(4000, lack=-3.0)
    groups = np.where(X["b"] == 1, np.arange(4000) % 7, 7).astype(str)
    report = selective_labels(X, outcome, observed, expertise=["b"], groups=groups).report()
    proven = sorted(g.gap.high for g in report.groups if g.under_tested)
    assert len(proven) == 7
    found = [f for f in report.findings if f.code == "selective.undertested"]
    assert [f.estimate.high for f in found] == proven[:5]
    assert "2 other groups are provably" in found[-1].sentence
    apart = np.arange(4000) % 15
    none = selective_labels(X, outcome, observed, expertise=["b"], groups=apart).report().findings
    assert len([f for f in none if f.code == "selective.undertested"]) == 2


def test_the_sums_over_blocks_are_those_of_the_rows():
    """Influences of groups by sums of squares against those of every row, with two blocks."""
    X, outcome, observed, groups = grouped(5000)
    fit = selective_labels(X, outcome, observed, expertise=["b"], prevalence=0.3)
    best, inside = fit.solutions[0], np.flatnonzero(groups == "b")
    at, member = best.at, groups == "b"
    direct = np.where(member, at.risk - at.risk[member].mean(), 0) / member.mean()
    moved = best._influence @ at.risk_gradient[member].mean(axis=0)
    found = best.mean_risk(inside, False, 0.95)
    low, high = logit_interval(found.value, math.sqrt(np.sum((moved + direct) ** 2)) / 5000, 0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.02)
    assert found.high - found.low >= high - low - 1e-12
    own = best._average
    gap = best.at_average(inside, 0.95, 0.95)[1]
    off = np.where(member, observed - own.chance - gap.value, 0) / member.mean()
    off -= own.slope[member].mean() * own.shift
    moved = -best._influence @ own.gradient[member].mean(axis=0)
    reach = 1.96 * math.sqrt(np.sum((moved + off) ** 2)) / 5000
    assert (gap.high - gap.low) / 2 == pytest.approx(reach, rel=0.02)


def test_columns_that_repeat_each_other_share_their_effect():
    X, outcome, observed, _ = world(1500)
    plain = selective_labels(X, outcome, observed, prevalence=RATE)
    twice = selective_labels(np.c_[X, -X[:, 1]], outcome, observed, prevalence=RATE)
    both = twice.coefficients
    assert both["x1"].value == pytest.approx(-both["x5"].value, abs=1e-6)
    assert 2 * both["x1"].value == pytest.approx(plain.coefficients["x1"].value, abs=0.02)
    assert both["x1"].high - both["x1"].low > 4
    np.testing.assert_allclose(twice.risk(np.c_[X, -X[:, 1]]), plain.risk(X), atol=0.01)


def test_a_group_without_any_outcome_is_said_so():
    X, outcome, observed, groups = grouped(1000)
    blind = groups == "b"
    outcome, observed = np.where(blind, np.nan, outcome), observed & ~blind
    bare = selective_labels(X, outcome, observed, groups=groups).report()
    b = bare.groups[1]
    assert math.isnan(b.risk.value)
    assert b.risk.method.startswith("none: no outcome of the group")
    assert not b.under_tested
    finding = next(f for f in bare.findings if f.code == "selective.group_unobserved")
    assert "no outcome was observed at all" in finding.sentence
    held = selective_labels(X, outcome, observed, groups=groups, expertise=[]).report()
    assert "rests on the constraints alone" in held.groups[1].risk.method
    assert 0 < held.groups[1].risk.low < held.groups[1].risk.high < 1


def test_small_groups_are_not_judged_and_few_tests_do_not_narrow_the_interval():
    X, _, observed, outcome = world(600)
    groups = np.array(["many"] * 579 + ["few"] * 20 + ["one"])
    observed[-21:] = [True] + [False] * 20
    told = selective_labels(X, outcome, observed, prevalence=RATE, groups=groups).report()
    few, _, one = told.groups
    assert math.isnan(one.gap.value)
    assert not one.under_tested
    assert "fewer than 10" in one.gap.method
    chance = few.tested_at_average.value
    assert few.gap.high - few.gap.low > 2 * 1.96 * math.sqrt(chance * (1 - chance) / 20) * 0.7


def test_a_group_that_is_all_tested_has_no_risk_of_untested():
    X, outcome, observed, groups = grouped(1500)
    observed = observed | (groups == "a")
    a = selective_labels(X, outcome, observed, groups=groups).report().groups[0]
    assert math.isnan(a.risk_untested.value)
    assert "everybody was tested" in a.risk_untested.method


def test_intervals_without_constraint_join_those_at_all_sigma():
    X, outcome, observed, _ = world(1000)
    fit = selective_labels(X, outcome, observed)
    assert len(fit.solutions) > 1
    low, high = fit.sigma_range
    assert 0 <= low <= fit.unobserved_sd.value < high
    best = log_posterior(fit.solutions[0])
    assert all(log_posterior(one) <= best + 1e-6 for one in fit.solutions)
    assert "no constraint" in fit.report().risk_unobserved.method


def test_the_report_survives_json():
    X, outcome, observed, groups = grouped(800)
    report = selective_labels(X, outcome, observed, expertise=["b"], groups=groups).report()
    text = msgspec.json.encode(report)
    assert msgspec.json.decode(text, type=SelectiveLabelsReport) == report
    assert report.constraints == ("expertise: testing depends on the risk and on b",)


def test_alpha_can_be_estimated_and_is_part_of_the_model():
    X, outcome, observed, _ = world(1500)
    fixed = selective_labels(X, outcome, observed, prevalence=RATE, expertise=MAY)
    free = selective_labels(X, outcome, observed, prevalence=RATE, expertise=MAY, alpha=None)
    assert log_posterior(free.solutions[0]) > log_posterior(fixed.solutions[0])
    assert 0.3 < free.solutions[0].theta[-1] < 3
    with pytest.raises(ParameterError, match="alpha"):
        selective_labels(X, outcome, observed, alpha=-1)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"observed": np.zeros(200)}, TargetError, "for nobody"),
        ({"observed": np.ones(200)}, TargetError, "for everybody"),
        ({"outcome": np.ones(200)}, TargetError, "one class"),
        ({"outcome": np.full(200, np.nan)}, TargetError, "not an outcome"),
        ({"outcome": np.full(200, 0.5)}, TargetError, "not an outcome"),
        ({"outcome": np.ones(3)}, DataError, "length"),
        ({"observed": np.ones(3)}, DataError, "length"),
        ({"observed": np.full(200, 2)}, ValueRangeError, "0 or 1"),
        ({"observed": np.full(200, np.nan)}, MissingValueError, "observed"),
        ({"X": np.full((200, 2), np.nan)}, MissingValueError, "X"),
        ({"X": np.ones((200, 2))}, ColumnError, "constant"),
        ({"groups": ["a"]}, DataError, "groups"),
        ({"level": 0}, ParameterError, "level"),
        ({"prevalence": 1.0}, ParameterError, "prevalence"),
        ({"prevalence": np.nan}, ParameterError, "prevalence"),
        ({"prevalence": 0.001}, ConstraintError, "contradicts"),
        ({"prevalence": 0.999}, ConstraintError, "contradicts"),
        ({"expertise": "x0"}, ParameterError, "expertise"),
        ({"expertise": ["age"]}, ColumnError, "no such column"),
        ({"feature_names": ["a"]}, ColumnError, "names"),
        ({"harm_limit": 2}, ParameterError, "harm_limit"),
    ],
)
def test_bad_input_is_refused(change, error, words):
    rng = np.random.default_rng(0)
    given = {
        "X": rng.normal(size=(200, 2)),
        "outcome": (rng.random(200) < 0.4) * 1.0,
        "observed": rng.random(200) < 0.6,
    } | change
    rows = [given.pop(name) for name in ("X", "outcome", "observed")]
    with pytest.raises(error, match=words):
        selective_labels(*rows, **given)


def test_new_rows_are_checked():
    X, outcome, observed, _ = world(400)
    fit = selective_labels(X, outcome, observed, prevalence=RATE)
    with pytest.raises(ColumnError, match="columns"):
        fit.risk(X[:, :3])
    with pytest.raises(DataError, match="observed"):
        fit.risk(X, [1, 0])
