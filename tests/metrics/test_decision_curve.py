"""Net benefit against its formula, degenerate cases, and simulated coverage."""

import math

import msgspec
import numpy as np
import pytest
from scipy.special import expit

from riskwright.core import ParameterError
from riskwright.metrics.decision_curve import NetBenefitCurve, net_benefit, net_benefit_at


def sample(n=400, seed=0):
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(size=n) - 1)
    return (rng.random(n) < p).astype(int), np.round(p, 2), rng.integers(1, 4, n)


def test_curve_is_the_formula_of_vickers_and_elkin():
    y, p, _ = sample()
    curve = net_benefit(y, p)
    assert len(curve.threshold) == 99
    for t, value, every in zip(curve.threshold, curve.net_benefit, curve.treat_all, strict=True):
        hits, false = np.mean((p >= t) & (y == 1)), np.mean((p >= t) & (y == 0))
        assert value == pytest.approx(hits - false * t / (1 - t), abs=1e-12)
        assert every == pytest.approx(y.mean() - (1 - y.mean()) * t / (1 - t), abs=1e-12)
    assert curve.treat_none == 0
    standard = net_benefit(y, p, standardised=True)
    assert np.array(standard.net_benefit) * y.mean() == pytest.approx(np.array(curve.net_benefit))
    assert np.array(standard.treat_all) * y.mean() == pytest.approx(np.array(curve.treat_all))


def test_points_groups_and_weights_agree_with_the_curve():
    y, p, w = sample()
    curve = net_benefit(y, p, [0.1, 0.3], sample_weight=w, level=0.9)
    assert curve.at(0.3) == net_benefit_at(y, p, 0.3, sample_weight=w, level=0.9)
    with pytest.raises(ParameterError, match="net_benefit_at"):
        curve.at(0.2)
    doubled = net_benefit(np.repeat(y, w), np.repeat(p, w), [0.1, 0.3])
    assert curve.net_benefit == pytest.approx(doubled.net_benefit)
    groups = np.arange(400) % 2
    parts = net_benefit(y, p, [0.2], groups=groups)
    assert parts["1"] == net_benefit(y[groups == 1], p[groups == 1], [0.2])
    assert net_benefit_at(y, p, 0.2, groups=groups)["1"] == parts["1"].at(0.2)
    assert msgspec.convert(msgspec.to_builtins(curve), NetBenefitCurve) == curve
    assert curve.to_frame().shape == (2, 6)


def test_nobody_flagged_still_has_an_interval():
    found = net_benefit_at([0, 1] * 50, [0.1] * 100, 0.5)
    assert found.value == 0
    assert found.low < 0 < found.high
    none = net_benefit_at([0, 1] * 50, [0.1] * 100, 0.5, standardised=True)
    assert math.isnan(none.low)
    assert none.method.startswith("none:")
    none = net_benefit_at([0, 0], [0.1, 0.2], 0.5, standardised=True)
    assert none.method == "none: no event among 2 rows"


def test_threshold_0_flags_everybody_and_gives_wilsons_interval_for_the_prevalence():
    from riskwright.stats import proportion_interval

    found = net_benefit_at([1] * 30 + [0] * 70, [0.5] * 100, 0.0)
    assert (found.low, found.high) == pytest.approx(proportion_interval(30, 100))


@pytest.mark.parametrize("thresholds", [[1.0], [-0.1], [], [[0.1]], [math.nan]])
def test_impossible_thresholds_are_refused(thresholds):
    with pytest.raises(ParameterError, match="thresholds"):
        net_benefit([0, 1], [0.1, 0.2], thresholds)


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_interval_covers(standardised, weighted):
    """95 % over 500 draws: Monte-Carlo error 1 point, three and one more allowed."""
    rng = np.random.default_rng(6)

    def draw(n):
        x = rng.normal(size=n)
        p = expit(x - 1)
        w = np.exp(0.5 * x + rng.normal(0, 0.3, n)) if weighted else None
        y = rng.random(n) < p
        return net_benefit_at(y, p, 0.25, standardised=standardised, sample_weight=w)

    truth = draw(1_000_000).value
    found = [draw(300) for _ in range(500)]
    assert 0.91 < np.mean([f.low <= truth <= f.high for f in found]) < 0.99
