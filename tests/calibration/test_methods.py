"""Each calibration method against its definition: optimality, brute force, scikit-learn, scipy."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from riskwright.calibration import Calibrator
from riskwright.core import DataError, ParameterError, ValueRangeError
from riskwright.stats import _kernels


def sample(n=3000, seed=0, slope=0.7, intercept=-0.3):
    """Log-odds, outcomes and weights; the true log-odds are slope * score + intercept."""
    rng = np.random.default_rng(seed)
    s = rng.normal(0, 1.5, n)
    y = (rng.random(n) < expit(slope * s + intercept)).astype(float)
    return s, y, rng.integers(1, 4, n) / 2


def loss(s, y, w):
    return -np.sum(w * (y * log_expit(s) + (1 - y) * log_expit(-s)))


def platt_targets(y, w):
    zeros, ones = w[y == 0].sum(), w[y == 1].sum()
    return np.where(y == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))


@pytest.mark.parametrize("n", [3000, 200_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_platt_solves_the_score_equations_of_its_smoothed_targets(n, weighted):
    s, y, w = sample(n)
    w = w if weighted else np.ones(n)
    fitted = Calibrator("platt").fit(s, y, w if weighted else None)
    residual = w * (platt_targets(y, w) - fitted.predict(s))
    assert residual.sum() == pytest.approx(0, abs=1e-8 * n)
    assert residual @ s == pytest.approx(0, abs=1e-8 * n)


def test_platt_equals_scikit_learn():
    s, y, w = sample()
    expected = _SigmoidCalibration().fit(s, y, w).predict(s)
    assert Calibrator("platt").fit(s, y, w).predict(s) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("scale", "shift"), [(1e-12, 0), (1e200, 0), (1, 1e6), (-3, 2)])
def test_platt_does_not_depend_on_the_units_of_the_score(scale, shift):
    s, y, _ = sample()
    expected = Calibrator("platt").fit(s, y).predict(s)
    moved = scale * s + shift
    assert Calibrator("platt").fit(moved, y).predict(moved) == pytest.approx(expected, abs=1e-8)


def test_platt_is_finite_for_separated_and_for_equal_scores():
    y = np.array([0, 0, 0, 1, 1])
    separated = Calibrator("platt").fit([1, 2, 3, 4, 5.0], y).predict([1, 5.0])
    assert 0 < separated[0] < 0.5 < separated[1] < 1
    equal = Calibrator("platt").fit(np.ones(5), y).predict([1.0, 7.0])
    assert equal == pytest.approx([np.mean(platt_targets(y, np.ones(5)))] * 2)


@pytest.mark.parametrize("n", [3000, 200_000])
def test_temperature_has_no_gradient_left(n):
    s, y, w = sample(n, intercept=0)
    fitted = Calibrator("temperature").fit(expit(s), y, w)
    assert (w * (y - fitted.predict(expit(s)))) @ s == pytest.approx(0, abs=1e-8 * n)
    assert 1 / fitted.map_.temperature == pytest.approx(0.7, abs=5 / np.sqrt(n))


def test_temperature_refuses_where_no_temperature_is_best():
    with pytest.raises(DataError, match="no finite temperature"):
        Calibrator("temperature").fit([0.2, 0.3, 0.8], [0, 0, 1])
    with pytest.raises(DataError, match="constant 0.5"):
        Calibrator("temperature").fit([0.2, 0.3, 0.8, 0.9], [1, 1, 0, 1])
    with pytest.raises(DataError, match="constant 0.5"):
        Calibrator("temperature").fit([0.5, 0.5, 0.5], [0, 0, 1])


WORLDS = {
    "free": (1.0, 2.0, 0.5),
    "one at its bound": (2.0, -1.0, 0.0),
    "the other at its bound": (-1.0, 2.0, 0.0),
    "both at their bounds": (-1.0, -0.5, 0.3),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_beta_is_the_constrained_maximum_of_likelihood(world, weighted):
    a, b, c = WORLDS[world]
    rng = np.random.default_rng(3)
    p = rng.beta(1.2, 1.5, 2000)
    y = (rng.random(2000) < expit(a * np.log(p) - b * np.log1p(-p) + c)).astype(float)
    w = rng.random(2000) + 0.5 if weighted else np.ones(2000)
    found = Calibrator("beta").fit(p, y, w if weighted else None).map_
    design = np.column_stack([np.log(p), -np.log1p(-p), np.ones(2000)])

    def objective(theta):
        s = design @ theta
        return loss(s, y, w), design.T @ (w * (expit(s) - y))

    peer = minimize(objective, [1, 1, 0], jac=True, bounds=[(0, None), (0, None), (None, None)])
    ours = objective(np.array([found.a, found.b, found.c]))[0]
    assert ours <= peer.fun + 1e-7
    assert min(found.a, found.b) >= 0
    assert (found.a == 0, found.b == 0) == (peer.x[0] < 1e-6, peer.x[1] < 1e-6)


def test_beta_refuses_separated_classes_and_takes_reversed_ones():
    with pytest.raises(DataError, match="separate"):
        Calibrator("beta").fit([0.1, 0.2, 0.2, 0.9], [0, 0, 1, 1])
    reversed_ = Calibrator("beta").fit([0.1, 0.2, 0.3, 0.9], [1, 1, 0, 0])
    assert reversed_.predict([0.1, 0.9]) == pytest.approx([0.5, 0.5])


def test_probabilities_of_0_and_1_are_moved_counted_and_never_fatal():
    p = np.array([0, 0, 0.3, 0.4, 0.6, 0.7, 1, 1])
    y = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    for method in ("temperature", "beta"):
        fitted = Calibrator(method).fit(p, y)
        assert fitted.map_.moved == 4
        risk = fitted.predict([0.0, 1.0])
        assert 0 < risk[0] < risk[1] < 1


@pytest.mark.parametrize("weighted", [False, True])
def test_isotonic_equals_scikit_learn(weighted):
    s, y, w = sample()
    s = np.round(s, 2)
    w = w if weighted else None
    peer = IsotonicRegression(out_of_bounds="clip").fit(s, y, w)
    new = np.linspace(-7, 7, 997)
    expected = peer.predict(new)
    assert Calibrator("isotonic").fit(s, y, w).predict(new) == pytest.approx(expected, abs=1e-12)


def test_histogram_is_laplaces_rate_in_bins_of_equal_mass():
    s, y, _ = sample(1000)
    fitted = Calibrator("histogram", bins=10).fit(s, y)
    assert fitted.map_.edges.size == 9
    order = np.argsort(s)
    for rows in order.reshape(10, 100):
        assert fitted.predict(s[rows]) == pytest.approx((y[rows].sum() + 1) / 102)


def test_histogram_never_splits_equal_scores():
    s = np.repeat([1.0, 2.0, 3.0], [5, 90, 5])
    y = np.tile([0.0, 1.0], 50)
    fitted = Calibrator("histogram", bins=20).fit(s, y)
    assert fitted.map_.levels.size == 3
    assert fitted.predict([2.0]) == pytest.approx([46 / 92])
    assert fitted.predict([-9.0, 9.0]) == pytest.approx(fitted.predict([1.0, 3.0]))


def isotonic_by_min_max(score, y):
    """Level at every distinct score as max-min of exact averages."""
    value = sorted(set(score))
    total = [sum(1 for s in score if s == v) for v in value]
    ones = [sum(int(k) for s, k in zip(score, y, strict=True) if s == v) for v in value]
    m = len(value)

    def mean(a, b):
        return Fraction(sum(ones[a : b + 1]), sum(total[a : b + 1]))

    level = [max(min(mean(a, b) for b in range(i, m)) for a in range(i + 1)) for i in range(m)]
    return dict(zip(value, level, strict=True))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=14).filter(
        lambda rows: len({y for _, y in rows}) == 2
    )
)
def test_venn_abers_equals_refitting_for_every_query(rows):
    score, y = [float(s) for s, _ in rows], [int(k) for _, k in rows]
    queries = np.arange(-1, 10, 0.5)
    low, high = Calibrator("venn-abers").fit(score, y).interval(queries)
    for query, p0, p1 in zip(queries, low, high, strict=True):
        refit = [isotonic_by_min_max([*score, query], [*y, label])[query] for label in (0, 1)]
        assert (p0, p1) == pytest.approx([float(p) for p in refit], abs=1e-12)


def test_venn_abers_of_many_rows_equals_scikit_learn_refitted():
    s, y, _ = sample(2000)
    s = np.round(s, 2)
    queries = np.r_[-9, -3, -1.005, 0, 0.005, 0.3, 2.22, 9]
    fitted = Calibrator("venn-abers").fit(s, y)
    low, high = fitted.interval(queries)
    for i, query in enumerate(queries):
        for label, found in ((0, low[i]), (1, high[i])):
            peer = IsotonicRegression().fit(np.append(s, query), np.append(y, label))
            assert found == pytest.approx(peer.predict([query])[0], abs=1e-12)
    assert fitted.predict(queries) == pytest.approx(high / (1 - low + high), abs=1e-15)


def test_venn_abers_takes_repeated_rows_and_refuses_fractions():
    s, y, _ = sample(300)
    w = np.random.default_rng(1).integers(0, 4, 300)
    counted = Calibrator("venn-abers").fit(s, y, w).interval(s)
    repeated = Calibrator("venn-abers").fit(np.repeat(s, w), np.repeat(y, w)).interval(s)
    assert np.array_equal(counted, repeated)
    with pytest.raises(ValueRangeError, match="whole numbers"):
        Calibrator("venn-abers").fit(s, y, w + 0.5)


@pytest.mark.parametrize("method", ["platt", "temperature", "beta", "isotonic", "histogram"])
def test_a_weight_of_two_is_the_row_twice(method):
    s, y, _ = sample(400)
    p = expit(np.round(s, 1))
    w = np.random.default_rng(1).integers(0, 4, 400)
    weighted = Calibrator(method).fit(p, y, w).predict(p)
    repeated = Calibrator(method).fit(np.repeat(p, w), np.repeat(y, w)).predict(p)
    assert weighted == pytest.approx(repeated, abs=1e-9)


@pytest.mark.parametrize(
    "method", ["platt", "temperature", "beta", "isotonic", "histogram", "venn-abers"]
)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_risks_lie_in_the_unit_and_keep_the_order(method, seed):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 21, 60) / 20
    y = (rng.random(60) < 0.1 + 0.8 * p).astype(float)
    y[:2] = 0, 1
    try:
        fitted = Calibrator(method).fit(p, y)
    except DataError:
        assert method in ("temperature", "beta")
        return
    risk = fitted.predict(np.linspace(0, 1, 41))
    assert ((risk >= 0) & (risk <= 1)).all()
    if method not in ("histogram", "platt"):
        assert (np.diff(risk) >= -1e-15).all()


@pytest.mark.parametrize("method", ["platt", "temperature", "beta", "isotonic", "histogram"])
def test_only_venn_abers_has_an_interval(method):
    s, y, _ = sample(100)
    with pytest.raises(ParameterError, match="venn-abers"):
        Calibrator(method).fit(expit(s), y).interval([0.5])


@pytest.mark.parametrize("method", ["temperature", "beta"])
def test_methods_on_log_odds_recover_a_known_distortion(method):
    s, y, _ = sample(100_000, slope=0.5, intercept=0.0)
    risk = Calibrator(method).fit(expit(s), y).predict(expit([-2.0, 0.0, 2.0]))
    assert logit(risk) == pytest.approx([-1, 0, 1], abs=0.05)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 7, 3001, 300_003])
def test_neither_instruction_set_nor_threads_change_a_bit_of_a_fit(n, weighted):
    s, y, w = sample(max(n, 3))
    s, y, w = s[:n], y[:n], w[:n] if weighted else np.empty(0)
    p = expit(s)

    def everything(**options):
        odds, low, high = np.empty(n), np.empty(n), np.empty(n)
        _kernels.log_odds(p, odds, **options)
        _kernels.logs(p, low, high, **options)
        fits = [
            _kernels.logistic_fit(columns, y, w, (0.1, 0.9), (0.5, 2.0), intercept, **options)
            for columns, intercept in (([s], False), ([s], True), ([low, high], True))
        ]
        theta = np.array([0.2, 0.4])
        loss = _kernels.logistic_loss([s], y, w, (0, 1), (0, 1), True, theta, **options)
        out = np.empty(n)
        seen = _kernels.scan_rows(s, y.astype(np.uint8), out, **options)
        return [odds, low, high, *(theta for theta, _ in fits), loss, np.ravel(seen[1:3]), out]

    first = everything(isa="baseline", threads=1)
    np.testing.assert_allclose(first[0], logit(p), rtol=1e-14, atol=4e-16)
    np.testing.assert_allclose(first[1], np.log(p), rtol=1e-15)
    np.testing.assert_allclose(first[2], -np.log(1 - p), rtol=1e-15)
    for isa in _kernels.instruction_sets():
        for threads in (1, 2, 5):
            for ours, other in zip(first, everything(isa=isa, threads=threads), strict=True):
                np.testing.assert_array_equal(ours, other)


def test_logarithms_hold_to_the_ends_of_the_unit():
    p = np.concatenate([2.0 ** -np.arange(1, 53), 1 - 2.0 ** -np.arange(1, 53), [0.5, 1 / 3]])
    odds, low, high = np.empty(p.size), np.empty(p.size), np.empty(p.size)
    _kernels.log_odds(p, odds)
    _kernels.logs(p, low, high)
    np.testing.assert_allclose(low, np.log(p), rtol=1e-15)
    np.testing.assert_allclose(high, -np.log(1 - p), rtol=1e-15)
    np.testing.assert_allclose(odds, np.log(p) - np.log(1 - p), rtol=1e-15)
    assert (odds[p == 0.5] == 0).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("method", ["platt", "temperature", "beta"])
def test_many_rows_reach_the_optimum_whatever_their_order(method, weighted):
    s, y, w = sample(200_000, seed=5)
    s[:3], y[:3] = [30.0, -30.0, 30.0], [0, 1, 0]
    w = np.where(np.arange(w.size) % 5, w, 0.0) if weighted else np.ones(w.size)
    order = np.argsort(s)
    for rows in (np.arange(w.size), order):
        x = s[rows] if method == "platt" else expit(s[rows])
        fitted = Calibrator(method).fit(x, y[rows], w[rows] if weighted else None)
        target = platt_targets(y, w)[rows] if method == "platt" else y[rows]
        residual = w[rows] * (fitted.predict(x) - target)
        p = np.clip(x, 2.0**-52, 1 - 2.0**-52)
        columns = {
            "platt": [x, np.ones(x.size)],
            "temperature": [logit(p)],
            "beta": [np.log(p), np.log1p(-p), np.ones(x.size)],
        }[method]
        for column in columns:
            assert abs(residual @ column) < 1e-9 * np.abs(w[rows] * column).sum()


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64, np.float32, np.float64])
def test_the_type_of_the_outcomes_does_not_matter(dtype):
    s, y, _ = sample(1001)
    expected = Calibrator("platt").fit(s.tolist(), y.tolist()).map_
    assert Calibrator("platt").fit(s, y.astype(dtype)).map_ == expected
    assert Calibrator("platt").fit(s[::-1], y.astype(dtype)[::-1]).map_.slope == pytest.approx(
        expected.slope, rel=1e-12
    )


@pytest.mark.parametrize("place", [0, 7, 100, 1000])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_faults_in_plain_arrays_are_found_wherever_they_are(place, value):
    s, y, _ = sample(1001)
    bad = s.copy()
    bad[place] = value
    with pytest.raises(DataError, match="score"):
        Calibrator("platt").fit(bad, y)
    for dtype, wrong in ((np.float64, 0.5), (np.float64, np.nan), (np.int64, 2), (np.uint8, 2)):
        outcome = y.astype(dtype)
        outcome[place] = wrong
        with pytest.raises(DataError, match="y"):
            Calibrator("platt").fit(s, outcome)
