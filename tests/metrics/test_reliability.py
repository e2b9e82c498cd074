"""The reliability curve against loops, its band by simulation, and its table."""

import numpy as np
import pytest
from scipy.stats import beta

from riskwright.metrics import ScoreSketch, calibration_error, reliability


def sample(n=500, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return rng.random(n) < p**1.3, p, rng.gamma(2.0, size=n)


@pytest.mark.parametrize("weighted", [False, True])
def test_bins_equal_their_definition(weighted):
    y, p, w = sample()
    curve = reliability(y, p, sample_weight=w if weighted else None, bins=7, binning="equal_width")
    w = w if weighted else np.ones_like(w)
    bin_of = (p * 7).astype(int)
    for b in range(7):
        inside = bin_of == b
        assert curve.predicted[b] == pytest.approx(np.average(p[inside], weights=w[inside]))
        assert curve.observed[b] == pytest.approx(np.average(y[inside], weights=w[inside]))
        assert curve.count[b] == inside.sum()
        assert curve.weight[b] == pytest.approx(w[inside].sum())


def test_band_is_clopper_and_pearsons_at_the_level_for_all_bins():
    y, p, _ = sample()
    curve = reliability(y, p, bins=4)
    tail = (1 - 0.95**0.25) / 2
    for k in range(4):
        n, events = curve.count[k], round(curve.observed[k] * curve.count[k])
        assert curve.low[k] == pytest.approx(beta.ppf(tail, events, n - events + 1))
        assert curve.high[k] == pytest.approx(beta.isf(tail, events + 1, n - events))
    alone = reliability(y, p, bins=4, simultaneous=False)
    assert alone.low[0] > curve.low[0]
    assert (curve.simultaneous, alone.simultaneous) == (True, False)


def test_whole_band_holds_the_mean_risks_as_often_as_it_says():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        p = rng.beta(0.6, 3.0, 300)
        curve = reliability(rng.random(300) < p, p, bins=8)
        held += all(
            low <= risk <= high
            for low, risk, high in zip(curve.low, curve.predicted, curve.high, strict=True)
        )
    assert held >= 400 * 0.95 - 3 * np.sqrt(400 * 0.95 * 0.05)


def test_sum_of_gaps_is_the_binned_error():
    y, p, w = sample()
    curve = reliability(y, p, sample_weight=w)
    gaps = np.abs(np.subtract(curve.observed, curve.predicted))
    expected = calibration_error(y, p, sample_weight=w).value
    assert gaps @ curve.weight / sum(curve.weight) == pytest.approx(expected)


def test_equal_predictions_share_a_bin_and_empty_bins_are_left_out():
    curve = reliability([0, 1, 0, 1, 1], [0.2, 0.2, 0.2, 0.9, 0.9], binning="equal_width")
    assert curve.count == (3, 2)
    assert curve.method.startswith("Clopper-Pearson in 2 equal-width bins")


def test_rows_of_weighted_bins_are_counted():
    y, p, w = sample()
    w[:100] = 0
    curve = reliability(y, p, sample_weight=w)
    assert sum(curve.count) == curve.n == 400
    assert "weighted rows" in curve.method


def test_frame_and_sketch():
    y, p = np.arange(64) % 3 == 0, np.arange(64) / 64
    curve = reliability(y, p, bins=4)
    frame = curve.to_frame()
    assert frame.columns == ["predicted", "observed", "low", "high", "count", "weight"]
    assert frame["observed"].to_list() == list(curve.observed)
    assert reliability(ScoreSketch(64).update(p, y), bins=4) == curve
