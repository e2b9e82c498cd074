"""p-values are uniform under the claim, two-sided, and follow the law of Brownian motion."""

import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import kstest

from riskwright.core import ParameterError
from riskwright.metrics import ScoreSketch, calibration_test
from riskwright.metrics.calibration_tests import _beyond


def test_spiegelhalters_z_is_its_formula():
    rng = np.random.default_rng(0)
    p, w = rng.random(50), rng.gamma(2.0, size=50)
    y = (rng.random(50) < p).astype(float)
    lever = w * (1 - 2 * p)
    z = lever @ (y - p) / math.sqrt(lever**2 @ (p * (1 - p)))
    found = calibration_test(y, p, sample_weight=w)
    assert found.statistic == pytest.approx(z)
    assert found.p_value == pytest.approx(2 * ndtr(-abs(z)))
    assert found.n == 50


def test_both_directions_of_error_are_seen():
    """A one-sided test has p = 1 on one of these."""
    rng = np.random.default_rng(1)
    p = rng.random(10_000)
    too_timid = rng.random(10_000) < np.where(p > 0.5, (1 + p) / 2, p / 2)
    too_extreme = rng.random(10_000) < 0.25 + p / 2
    for y in (too_timid, too_extreme):
        assert calibration_test(y, p).p_value < 1e-6
        assert calibration_test(y, p, method="ks").p_value < 1e-6


def test_cumulative_residuals_are_summed_in_the_order_of_p():
    y, p = [1, 0, 1, 1], [0.4, 0.1, 0.2, 0.2]
    steps = np.cumsum([-0.1, 1.6, 0.6])
    variance = 0.1 * 0.9 + 2 * 0.2 * 0.8 + 0.4 * 0.6
    found = calibration_test(y, p, method="ks").statistic
    assert found == pytest.approx(np.abs(steps).max() / math.sqrt(variance))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("method", ["spiegelhalter", "ks"])
def test_p_values_are_uniform_under_the_claim(method, weighted):
    rng = np.random.default_rng(5)
    found = []
    for _ in range(500):
        p = rng.beta(1.0, 2.0, 2000)
        w = rng.gamma(4.0, size=2000) if weighted else None
        y = rng.random(2000) < p
        found.append(calibration_test(y, p, sample_weight=w, method=method).p_value)
    assert kstest(found, "uniform").pvalue > 0.001
    assert np.mean(np.array(found) < 0.05) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 500)


def test_law_of_the_largest_value_of_brownian_motion():
    assert _beyond(2.2414027) == pytest.approx(0.05, abs=1e-6)
    assert _beyond(1.9599640) == pytest.approx(0.1, abs=1e-6)
    assert _beyond(1 + 1e-12) == pytest.approx(_beyond(1 - 1e-12), abs=1e-10)
    values = [_beyond(x) for x in np.linspace(0.01, 8, 400)]
    assert values[0] == 1.0
    assert 0 < values[-1] < 1e-13
    assert np.all(np.diff(values) <= 0)


def test_what_was_called_impossible_has_p_value_0():
    found = calibration_test([1, 0, 1], [0.0, 0.3, 0.6])
    assert (found.p_value, found.statistic) == (0.0, math.inf)
    assert "predicted probability 0 occurred" in found.method


def test_without_variance_there_is_no_test():
    found = calibration_test([0, 1, 1], [0.5, 0.5, 0.5])
    assert math.isnan(found.p_value)
    assert str(found).startswith("none: Spiegelhalter")
    assert calibration_test([0, 1, 1], [0.5, 0.5, 0.5], method="ks").p_value > 0.5


def test_sketches_are_tested_too_and_unknown_methods_refused():
    p = np.arange(64) / 64
    y = np.arange(64) % 3 == 0
    sketch = ScoreSketch(64).update(p, y)
    for method in ("spiegelhalter", "ks"):
        found = calibration_test(sketch, method=method)
        assert found.statistic == pytest.approx(calibration_test(y, p, method=method).statistic)
    with pytest.raises(ParameterError, match="method: unknown method"):
        calibration_test(y, p, method="z")
