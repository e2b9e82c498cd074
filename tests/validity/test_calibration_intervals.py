"""Smooth and debiased calibration errors, gaps and bands cover, and tests keep their level.

The truth of a world is the figure of 200,000 draws of the prediction, each present as an event
with its risk as weight and as a non-event with the rest: no noise of outcomes. Each interval of
1,500 rows is drawn 1,000 times; the Monte-Carlo standard error of 95 % is then 0.7 points and
three of them are 2.1.
"""

import math

import numpy as np
import pytest
from scipy.special import expit

from riskwright.metrics import calibration_error, calibration_test, group_table, reliability

DRAWS, ROWS, LEVEL = 1000, 1500, 0.95
SLACK = 3 * math.sqrt(LEVEL * (1 - LEVEL) / DRAWS)


def calibrated(x, rng):
    risk = expit(1.2 * x - 1.2)
    return risk, risk, None


def slightly_wrong(x, rng):
    return expit(1.2 * x - 1.2), expit(1.3 * x - 1.1), None


def overfitted(x, rng):
    return expit(1.2 * x - 1.2), expit(2 * (1.2 * x - 1.2) + 0.4), None


def wavy(x, rng):
    p = expit(x - 1)
    return np.clip(p + 0.15 * np.sin(12 * p), 0, 1), p, None


def card(x, rng):
    return expit(1.2 * x - 1.2), expit(1.2 * np.round(x) - 1.2), None


def weighted(x, rng):
    return expit(1.2 * x - 1.2), expit(x - 0.7), np.exp(rng.normal(0.3 * x, 0.6))


WORLDS = [calibrated, slightly_wrong, overfitted, wavy, card, weighted]


def rows(world, n, rng):
    risk, p, w = world(rng.normal(size=n), rng)
    return rng.random(n) < risk, p, w


def truth(world, options):
    rng = np.random.default_rng(1)
    risk, p, w = world(rng.normal(size=200_000), rng)
    w = np.ones_like(p) if w is None else w
    y, weight = np.repeat([1, 0], p.size), np.concatenate([w * risk, w * (1 - risk)])
    return calibration_error(y, np.tile(p, 2), sample_weight=weight, **options).value


@pytest.mark.validity
@pytest.mark.parametrize("kind", ["smooth", "debiased"])
@pytest.mark.parametrize("world", WORLDS)
def test_calibration_errors_are_covered(world, kind):
    rng = np.random.default_rng(20240601)
    true = truth(world, {"kind": kind})
    found = []
    for _ in range(DRAWS):
        y, p, w = rows(world, ROWS, rng)
        found.append(calibration_error(y, p, sample_weight=w, kind=kind, level=LEVEL))
    covered = np.mean([estimate.low <= true <= estimate.high for estimate in found])
    assert covered >= LEVEL - SLACK


@pytest.mark.validity
@pytest.mark.parametrize("method", ["spiegelhalter", "ks"])
@pytest.mark.parametrize("world", [calibrated])
def test_calibration_tests_keep_their_level(world, method):
    rng = np.random.default_rng(20240602)
    for level in (0.01, 0.05, 0.2):
        p_values = []
        for _ in range(4 * DRAWS):
            y, p, _ = rows(world, 500, rng)
            p_values.append(calibration_test(y, p, method=method).p_value)
        rejected = np.mean(np.array(p_values) <= level)
        assert rejected <= level + 3 * math.sqrt(level * (1 - level) / (4 * DRAWS))


@pytest.mark.validity
def test_bands_and_gaps_hold_together():
    rng = np.random.default_rng(20240603)
    band = gaps = 0
    for _ in range(DRAWS):
        y, p, _ = rows(calibrated, 400, rng)
        curve = reliability(y, p, level=LEVEL)
        parts = zip(curve.low, curve.predicted, curve.high, strict=True)
        band += all(low <= risk <= high for low, risk, high in parts)
        group = rng.choice(5, 400, p=[0.4, 0.3, 0.15, 0.1, 0.05])
        table = group_table("brier", y, p, group, reference="rest", min_rows=10, min_events=2)
        gaps += all(row.gap.low <= 0 <= row.gap.high for row in table.rows)
    assert band / DRAWS >= LEVEL - SLACK
    assert gaps / DRAWS >= LEVEL - SLACK - 0.02  # groups of 20 rows: normal limits are rough
