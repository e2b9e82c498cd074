"""Risk-coverage areas against printed values, brute force, gradients, and simulated coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from riskwright.core import MissingValueError, ParameterError, ValueRangeError
from riskwright.metrics import auroc
from riskwright.metrics.selective import augrc, aurc, e_aurc, risk_coverage
from riskwright.stats import bootstrap_weights

ALTERNATING = np.tile([0.0, 1.0], 50)
LINE = np.linspace(0, 1, 100)
PLATEAUS = np.repeat([0.2, 0.4, 0.6, 0.8], 25)

rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(1, 3)), min_size=2, max_size=15
)


def columns(drawn):
    return (np.array(column, dtype=float) for column in zip(*drawn, strict=True))


def pairs_augrc(loss, confidence, w):
    """Chance-weighted loss of a row that is at least as confident as another, ties half."""
    order = (np.sign(confidence[:, None] - confidence[None, :]) + 1) / 2
    return (w * loss) @ order @ w / w.sum() ** 2


@pytest.mark.parametrize(
    ("correct", "confidence", "area", "general"),
    [
        (ALTERNATING, np.zeros(100), 0.5, 0.25),
        (np.zeros(100), np.zeros(100), 1.0, 0.5),
        (np.ones(100), LINE, 0.0, 0.0),
        (ALTERNATING, ALTERNATING, 0.125, 0.125),
        (ALTERNATING, 1 - ALTERNATING, 0.875, 0.375),
        (ALTERNATING, LINE, 0.48281112575762547, 0.2475),
        (LINE, LINE, 0.2475, 0.16583333333333333),
        (ALTERNATING, PLATEAUS, 0.49083333333333334, 0.2475),
        (LINE, PLATEAUS, None, 0.17108585858585845),
    ],
)
def test_areas_of_the_published_test_cases(correct, confidence, area, general):
    assert augrc(1 - correct, confidence).value == pytest.approx(general, abs=1e-12)
    if area is not None:
        assert aurc(1 - correct, confidence).value == pytest.approx(area, abs=1e-12)


def test_achievable_area_and_excess_of_the_published_test_cases():
    wrong = 1 - ALTERNATING
    best = aurc(wrong, ALTERNATING, interpolation="achievable")
    assert best.value == pytest.approx(0.1534264097, abs=1e-10)
    assert e_aurc(wrong, np.zeros(100)).value == pytest.approx(0.3465735903, abs=1e-10)
    found = e_aurc(wrong, ALTERNATING)
    assert found.value == pytest.approx(0, abs=1e-12)
    assert math.isnan(found.low)
    assert found.method == "none: the best order of these losses"


def test_class_balanced_areas_of_the_published_test_case():
    loss, confidence, labels = [0, 1, 0, 1], [0, 1, 2, 3], [0, 0, 1, 1]
    assert aurc(loss, confidence, classes=labels).value == pytest.approx(0.5)
    assert augrc(loss, confidence, classes=labels).value == pytest.approx(0.3125)


def test_area_from_the_origin_differs_by_half_the_first_rectangle():
    loss, oracle, confidence = [1, 0, 0, 1], [0, 0, 1, 1], [4, 3, 2, 1]
    found = aurc(loss, confidence).value - 1 * 0.25 / 2
    assert found == pytest.approx(0.5208, abs=5e-5)
    assert aurc(oracle, confidence).value == pytest.approx(0.1458, abs=5e-5)


@given(rows)
def test_augrc_equals_the_sum_over_all_weighted_pairs(drawn):
    loss, confidence, w = columns(drawn)
    found = augrc(loss, confidence, sample_weight=w)
    assert found.value == pytest.approx(pairs_augrc(loss, confidence, w), abs=1e-12)


@given(rows)
def test_augrc_follows_from_auroc_and_error_rate(drawn):
    loss, _, _ = columns(drawn)
    if loss.min() == loss.max():
        return
    confidence = np.random.default_rng(0).permutation(loss.size)
    error = loss.mean()
    area = auroc(1 - loss, confidence).value
    expected = (1 - area) * error * (1 - error) + error**2 / 2
    assert augrc(loss, confidence).value == pytest.approx(expected, abs=1e-12)


@given(rows)
def test_weight_2_is_the_row_twice(drawn):
    loss, confidence, w = columns(drawn)
    k = w.astype(int)
    for measure in (augrc, aurc, e_aurc):
        weighted = measure(loss, confidence, sample_weight=w)
        doubled = measure(np.repeat(loss, k), np.repeat(confidence, k))
        assert weighted.value == pytest.approx(doubled.value, abs=1e-12)
        assert weighted.n == loss.size


@given(rows)
def test_intervals_hold_their_value(drawn):
    loss, confidence, w = columns(drawn)
    for measure in (augrc, aurc, e_aurc):
        found = measure(loss, confidence, sample_weight=w)
        if not math.isnan(found.low):
            assert 0 <= found.low <= found.value + 1e-9
            assert found.value - 1e-9 <= found.high <= 1


def test_e_aurc_of_ties_is_never_negative_and_graded_losses_reach_0():
    rng = np.random.default_rng(3)
    for _ in range(50):
        loss, confidence = rng.random(12), rng.integers(0, 4, 12)
        assert e_aurc(loss, confidence).value >= -1e-12
        assert e_aurc((loss > 0.5) * 1.0, confidence).value >= -1e-12
        assert e_aurc(loss, -loss).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("graded", [False, True])
def test_variances_are_those_of_the_derivative_by_each_weight(ties, graded):
    """Standard error from the interval against numerical derivatives of the value (jackknife)."""
    rng = np.random.default_rng(7)
    n = 25
    loss = rng.random(n) if graded else (rng.random(n) < 0.4) * 1.0
    confidence = rng.normal(size=n)
    confidence = np.round(confidence) if ties else confidence
    w, classes = rng.gamma(2.0, size=n), rng.integers(0, 3, n)
    measures = [
        (augrc, {}, 0.5),
        (augrc, {"classes": classes}, 1.0),
        (aurc, {}, 1.0),
        (aurc, {"classes": classes}, 1.0),
        (aurc, {"interpolation": "achievable"}, 1.0),
        (e_aurc, {}, math.log(2)),
    ]
    for measure, options, most in measures:
        slopes = []
        for i in range(n):
            step = 1e-6 * (np.arange(n) == i)
            up, down = (
                measure(loss, confidence, sample_weight=w + sign * step, **options).value
                for sign in (1, -1)
            )
            slopes.append((up - down) / 2e-6)
        size = w.sum() ** 2 / (w @ w)
        se = math.sqrt(sum((w * np.array(slopes)) ** 2) * size / (size - 1))
        found = measure(loss, confidence, sample_weight=w, **options)
        if graded:
            reach = math.log(found.high / found.low) / 2 * found.value
        else:
            odds = [x / (most - x) for x in (found.low, found.high)]
            reach = math.log(odds[1] / odds[0]) / 2 * found.value * (1 - found.value / most)
        assert reach / 1.959964 == pytest.approx(se, rel=1e-4)


def test_interval_agrees_with_the_bootstrap():
    rng = np.random.default_rng(5)
    confidence = rng.normal(size=800)
    loss = (rng.random(800) < expit(-1 - confidence)) * 1.0
    order = np.argsort(-confidence)
    (w,) = bootstrap_weights(np.ones(800), rng, 1000)
    w = w[:, order] / 800
    general = np.cumsum(w * loss[order], axis=1)
    risk = general / np.maximum(np.cumsum(w, axis=1), 1e-9)
    for measure, drawn in ((augrc, (w * general).sum(1)), (aurc, (w * risk).sum(1))):
        found = measure(loss, confidence)
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert found.high - found.low == pytest.approx(high - low, rel=0.12)


@pytest.mark.parametrize("measure", [augrc, aurc])
def test_interval_covers_at_500_rows(measure):
    """95 % over 400 draws: Monte-Carlo error 1.1 points, three of them allowed downwards."""
    rng = np.random.default_rng(11)

    def draw(n):
        confidence = rng.normal(size=n)
        return (rng.random(n) < expit(-1 - 0.7 * confidence)) * 1.0, confidence

    truth = measure(*draw(1_000_000)).value
    found = [measure(*draw(500)) for _ in range(400)]
    assert np.mean([f.low <= truth <= f.high for f in found]) > 0.95 - 0.035


@pytest.mark.parametrize("measure", [augrc, aurc, e_aurc])
def test_no_failure_at_all_leaves_an_upper_end(measure):
    found = measure(np.zeros(100), LINE)
    assert (found.value, found.low) == (0, 0)
    rate = 1 - 0.025 ** (1 / 100)
    high = {
        "AUGRC": rate - rate**2 / 2,
        "AURC": rate - rate * math.log(rate),
        "e-AURC": -rate * math.log(rate) - (1 - rate) * math.log(1 - rate),
    }
    assert found.high == pytest.approx(high[found.name])
    assert "Clopper-Pearson" in found.method


@pytest.mark.parametrize("failures", [1, 5, 50, 99])
def test_those_ends_are_the_areas_of_the_best_and_worst_order(failures):
    n = 20_000
    loss = np.arange(n) < failures * n / 100
    rate, rows = failures / 100, np.arange(n)
    worst = augrc(loss, -rows).value, aurc(loss, -rows).value
    assert worst == pytest.approx((rate - rate**2 / 2, rate - rate * math.log(rate)), abs=1e-3)
    best = augrc(loss, rows).value, aurc(loss, rows).value
    least = rate + (1 - rate) * math.log(1 - rate)
    assert best == pytest.approx((rate**2 / 2, least), abs=1e-3)


def test_groups_and_weights_of_0():
    rng = np.random.default_rng(2)
    loss, confidence = (rng.random(60) < 0.3) * 1.0, rng.normal(size=60)
    groups = np.array(list("ab"))[rng.integers(0, 2, 60)]
    for measure in (augrc, aurc, e_aurc):
        found = measure(loss, confidence, groups=groups, level=0.8)
        assert list(found) == ["a", "b"]
        for label in "ab":
            mask = groups == label
            assert found[label] == measure(loss[mask], confidence[mask], level=0.8)
            w = mask.astype(float)
            assert measure(loss, confidence, sample_weight=w, level=0.8) == found[label]


def test_curve_and_working_points():
    rng = np.random.default_rng(4)
    confidence = rng.normal(size=5000)
    loss = (rng.random(5000) < expit(-1 - 2 * confidence)) * 1.0
    curve = risk_coverage(loss, confidence)
    assert curve.augrc == augrc(loss, confidence)
    assert curve.aurc == aurc(loss, confidence)
    assert curve.e_aurc == e_aurc(loss, confidence)
    assert 990 <= curve.coverage.size <= 1001
    assert np.diff(curve.coverage).max() <= 1 / 999 + 1 / 5000 + 1e-12
    assert (curve.coverage[-1], curve.threshold[-1]) == (1, confidence.min())
    assert curve.threshold[0] == confidence.max()
    area = np.trapezoid(curve.generalised_risk, curve.coverage)
    assert area == pytest.approx(curve.augrc.value, abs=1e-4)
    assert np.all((curve.low <= curve.selective_risk) & (curve.selective_risk <= curve.high))

    point = curve.at(coverage=0.3)
    accepted = confidence >= point.threshold
    assert accepted.mean() == point.coverage.value == 0.3
    assert point.selective_risk.value == pytest.approx(loss[accepted].mean())
    assert point.generalised_risk.value == pytest.approx((loss * accepted).mean())
    point = curve.at(risk=0.1)
    accepted = confidence >= point.threshold
    assert loss[accepted].mean() <= 0.1
    order = np.argsort(-confidence)
    risks = np.cumsum(loss[order]) / np.arange(1, 5001)
    assert accepted.sum() == np.flatnonzero(risks <= 0.1)[-1] + 1
    assert curve.to_frame().columns[:3] == ["coverage", "threshold", "selective_risk"]


def test_risk_that_no_coverage_attains_accepts_nothing():
    point = risk_coverage([1, 1, 0], [3, 2, 1]).at(risk=0.1)
    assert (point.threshold, point.coverage.value) == (math.inf, 0)
    assert math.isnan(point.selective_risk.value)
    assert point.selective_risk.method == "none: nothing is accepted"


def test_bad_input_is_refused():
    for measure in (augrc, aurc, e_aurc, risk_coverage):
        with pytest.raises(ValueRangeError, match="loss: negative losses"):
            measure([-1, 0], [1, 2])
        with pytest.raises(MissingValueError, match="confidence"):
            measure([1, 0], [1, math.nan])
        with pytest.raises(ParameterError, match="level"):
            measure([1, 0], [1, 2], level=1.0)
    with pytest.raises(ParameterError, match="interpolation"):
        aurc([1, 0], [1, 2], interpolation="cubic")
    curve = risk_coverage([1, 0], [1, 2])
    for limits in ({}, {"coverage": 0.5, "risk": 0.5}, {"coverage": 0}, {"coverage": 1.2}):
        with pytest.raises(ParameterError):
            curve.at(**limits)


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, -0.0, 5e-324, 0.25, 1.0]) | st.floats(0, 9)),
        min_size=1,
        max_size=40,
    )
)
def test_plain_rows_give_what_rows_of_weight_one_give(drawn):
    loss = np.array([float(y) for y, _ in drawn])
    confidence = np.array([c for _, c in drawn])
    plain = augrc(loss, confidence)
    weighted = augrc(loss, confidence, sample_weight=np.ones(loss.size))
    moved = augrc(loss, confidence - 20.0)
    assert plain.method == weighted.method
    for found in (
        (plain, moved)
        if np.unique(confidence - 20.0).size == np.unique(confidence).size
        else (plain,)
    ):
        assert (found.value, found.low, found.high) == pytest.approx(
            (weighted.value, weighted.low, weighted.high), rel=1e-9, abs=1e-12, nan_ok=True
        )


@pytest.mark.parametrize("kind", ["spread", "cluster", "few", "equal", "tiny", "outlier"])
def test_many_plain_rows_give_what_rows_of_weight_one_give(kind):
    rng = np.random.default_rng(0)
    confidence = {
        "spread": rng.random(6000),
        "cluster": 1.0 + rng.random(6000) * 1e-12,
        "few": rng.integers(0, 9, 6000) / 8,
        "equal": np.full(6000, 0.5),
        "tiny": rng.integers(0, 9, 6000) * 5e-324,
        "outlier": np.append(rng.random(5999), 1e300),
    }[kind]
    loss = (rng.random(6000) < 0.3).astype(float)
    plain = augrc(loss, confidence)
    weighted = augrc(loss, confidence, sample_weight=np.ones(6000))
    assert (plain.value, plain.low, plain.high) == pytest.approx(
        (weighted.value, weighted.low, weighted.high), rel=1e-10
    )
