"""The smooth calibration error against direct quadrature, its free oracle and its own equation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from riskwright.core import ParameterError
from riskwright.metrics import calibration_error

POINTS = (np.arange(4000) + 0.5) / 4000


def direct(y, p, w=None):
    """The definition: kernel sums over mirrored copies, midpoint rule, bisection."""
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    mass = (y - p) / y.size if w is None else w * (y - p) / w.sum()

    def error(width):
        kernel = np.zeros((POINTS.size, p.size))
        for turn in (-4, -2, 0, 2, 4):
            for copy in (p + turn, turn - p):
                kernel += np.exp(-(((POINTS[:, None] - copy) / width) ** 2) / 2)
        return np.abs(kernel @ mass).mean() / (width * math.sqrt(2 * math.pi))

    return brentq(lambda width: error(width) - width, 1e-3, 1, xtol=1e-12)


def smooth(y, p, **options):
    return calibration_error(y, p, kind="smooth", **options)


@pytest.mark.parametrize("n", [3, 60])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_is_that_of_direct_quadrature(n, weighted):
    rng = np.random.default_rng(n)
    p, w = rng.random(n), rng.gamma(2.0, size=n) if weighted else None
    y = rng.random(n) < p
    assert smooth(y, p, sample_weight=w).value == pytest.approx(direct(y, p, w), abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-4])
def test_residuals_of_one_sign_give_their_mean_exactly(scale):
    p = scale * np.random.default_rng(0).random(500)
    assert smooth(np.zeros(500), p).value == pytest.approx(p.mean(), abs=1e-9)
    assert smooth(np.ones(500), 1 - p).value == pytest.approx(p.mean(), abs=1e-9)


def test_two_far_points_of_opposite_residual_solve_their_equation():
    found = smooth([0, 1], [0.3, 0.7]).value
    assert found == pytest.approx(direct([0, 1], [0.3, 0.7]), abs=1e-7)


rows = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=20)


@settings(deadline=None, max_examples=40)
@given(rows, st.permutations(range(20)))
def test_order_and_folding_do_not_matter_and_bounds_hold(drawn, order):
    y, p = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    order = [place for place in order if place < y.size]
    found = smooth(y, p)
    assert smooth(y[order], p[order]).value == pytest.approx(found.value, abs=1e-7)
    grouped = smooth(y, p, groups=np.zeros(y.size))["0"]
    assert grouped.value == pytest.approx(found.value, abs=1e-7)
    assert abs((y - p).mean()) - 1e-9 <= found.value <= np.abs(y - p).mean() + 1e-9
    if not math.isnan(found.low):
        assert 0 <= found.low <= found.value + 1e-9
        assert found.value <= found.high <= 1


def test_interval_is_repeatable_and_narrows():
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    y = rng.random(20_000) < p**1.5
    found, few = smooth(y, p), smooth(y[:500], p[:500])
    assert found == smooth(y, p)
    assert found.high - found.low < (few.high - few.low) / 4
    assert found.low > 0.05


def test_interval_with_weights_is_near_the_plain_one_for_equal_weights():
    rng = np.random.default_rng(2)
    p = rng.random(2000)
    y = rng.random(2000) < 0.8 * p
    plain, weighted = smooth(y, p), smooth(y, p, sample_weight=np.full(2000, 3.0))
    assert (weighted.low, weighted.high) == pytest.approx((plain.low, plain.high), abs=1e-6)


def test_no_residual_at_all_has_no_interval():
    found = smooth([0, 1], [0.0, 1.0])
    assert (found.value, math.isnan(found.low)) == (0.0, True)
    assert found.method == "none: the residual is 0 in every row"


def test_residuals_that_cancel_still_have_an_interval():
    found = smooth([0, 1, 0, 1], [0.5] * 4)
    assert (found.value, found.low) == (0.0, 0.0)
    assert 0.2 < found.high <= 1


def test_unknown_kinds_are_refused():
    with pytest.raises(ParameterError, match="kind: unknown kind; expected binned, debiased or sm"):
        calibration_error([0, 1], [0.1, 0.2], kind="round")


def test_debiased_square_is_unbiased():
    rng = np.random.default_rng(3)
    squares = []
    for _ in range(400):
        p = rng.random(300)
        found = calibration_error(rng.random(300) < p, p, kind="debiased", bins=5)
        noted = found.method.partition("(")[2].partition(",")[0]
        squares.append(float(noted) if noted else found.value**2)
    assert np.mean(squares) == pytest.approx(0, abs=4 * np.std(squares) / 20)
    assert np.mean(np.square(squares)) > 0


def test_debiased_error_equals_its_definition():
    rng = np.random.default_rng(4)
    p = rng.random(400)
    y = rng.random(400) < p**2
    bin_of = np.minimum((p * 4).astype(int), 3)
    total = 0.0
    for b in range(4):
        residual = (y - p)[bin_of == b]
        total += residual.size * (residual.mean() ** 2 - residual.var(ddof=1) / residual.size)
    found = calibration_error(y, p, kind="debiased", bins=4, binning="equal_width")
    assert found.value == pytest.approx(math.sqrt(total / 400))
    assert 0 < found.low < found.value < found.high


def test_debiased_error_needs_two_rows_in_every_bin():
    found = calibration_error([0, 1, 1], [0.1, 0.2, 0.9], kind="debiased", bins=2)
    assert "fewer than two effective rows" in found.method
