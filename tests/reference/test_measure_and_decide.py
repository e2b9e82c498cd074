"""Published figures, and defects seen elsewhere, that the tests of the parts do not hold already.

The areas of selective prediction are in `tests/metrics/test_selective.py`, the bounds and p-values
in `tests/stats/test_bounds.py`, the bands in `tests/stats/test_bands.py`, the tail bounds in
`tests/stats/test_tails.py`, the rules under censoring in `tests/metrics/test_survival_scores.py`.
"""

import numpy as np
import pytest

from riskwright.metrics import augrc, aurc
from riskwright.stats import binomial_p_value, cdf_band, hoeffding_bentkus_p_value


def test_excess_of_one_confident_error_among_four_rows():
    loss, oracle, confidence = [1, 0, 0, 1], [0, 0, 1, 1], [4, 3, 2, 1]
    excess = aurc(loss, confidence).value - aurc(oracle, confidence).value - 1 * 0.25 / 2
    assert excess == pytest.approx(0.375, abs=5e-5)


def test_generalised_area_of_the_best_order_is_half_the_squared_error_rate():
    rng = np.random.default_rng(0)
    failed, confidence = rng.random(5000) < 0.2, rng.random(5000)
    wrong = failed.mean()
    best = augrc(failed.astype(float), confidence - 2 * failed).value
    assert best == pytest.approx(wrong**2 / 2, rel=1e-12)


def test_berk_jones_critical_value_at_ten_thousand_rows():
    assert cdf_band(10_000, 0.05, ranks="all").critical == pytest.approx(0.00076376, abs=6e-9)


def test_floors_of_rounded_means_lose_counts_that_counts_themselves_keep():
    """At n = 10,000 the floor of n times the mean is one short for hundreds of counts."""
    n = 10_000
    counts = np.arange(n + 1)
    short = np.floor(n * (counts / n)) < counts
    assert short.sum() > 100
    for p_value in (binomial_p_value, hoeffding_bentkus_p_value):
        kept = p_value(counts[short], n, 0.9)
        lost = p_value(counts[short] - 1, n, 0.9)
        assert (kept >= lost).all()
        assert (kept > lost)[(kept > 0) & (kept < 1)].all()
