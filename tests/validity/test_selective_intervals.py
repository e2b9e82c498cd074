"""Analytic intervals of the further measures cover the truth as often as they say, by simulation.

2,000 draws of each world; the truth is the figure of 2,000,000 rows. The Monte-Carlo standard
error of a coverage of 95 % over 2,000 draws is 0.5 points; three of them and one point for the
asymptotics at these sizes are allowed, two for AURC and its excess, whose first ranks weigh much.
"""

import math

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from riskwright.metrics.curves import precision_recall_curve, roc_curve
from riskwright.metrics.decision_curve import net_benefit_at
from riskwright.metrics.discrimination import partial_auroc
from riskwright.metrics.imbalance import f1, g_mean
from riskwright.metrics.selective import augrc, aurc, e_aurc

DRAWS, TRUTH_ROWS, LEVEL = 2000, 2_000_000, 0.95
MONTE_CARLO = math.sqrt(LEVEL * (1 - LEVEL) / DRAWS)
SLACK = 3 * MONTE_CARLO + 0.01

pytestmark = pytest.mark.validity


def coverage(draw, n, seed=20240501):
    rng = np.random.default_rng(seed)
    truth = draw(TRUTH_ROWS, rng).value
    found = [draw(n, rng) for _ in range(DRAWS)]
    return float(np.mean([figure.low <= truth <= figure.high for figure in found]))


def weak(n, rng):
    confidence = rng.normal(size=n)
    return (rng.random(n) < expit(-1 - 0.7 * confidence)) * 1.0, confidence, None


def strong(n, rng):
    confidence = rng.normal(size=n)
    return (rng.random(n) < expit(-2 - 2 * confidence)) * 1.0, confidence, None


def tied(n, rng):
    confidence = np.round(1.5 * rng.normal(size=n))
    return (rng.random(n) < expit(-1 - 0.5 * confidence)) * 1.0, confidence, None


def graded(n, rng):
    confidence = rng.normal(size=n)
    return rng.beta(1, 1 + np.exp(confidence)), confidence, None


def weighted(n, rng):
    loss, confidence, _ = weak(n, rng)
    return loss, confidence, np.exp(0.3 * confidence + rng.normal(0, 0.4, n))


@pytest.mark.parametrize("world", [weak, strong, tied, graded, weighted])
@pytest.mark.parametrize(
    ("measure", "extra"), [(augrc, 0.0), (aurc, 0.01), (e_aurc, 0.01)], ids=["augrc", "aurc", "e"]
)
def test_areas_under_risk_coverage_curves_at_500_rows(world, measure, extra):
    def draw(n, rng):
        loss, confidence, w = world(n, rng)
        return measure(loss, confidence, sample_weight=w)

    assert abs(coverage(draw, 500) - LEVEL) < SLACK + extra


@pytest.mark.parametrize("measure", [augrc, aurc], ids=["augrc", "aurc"])
def test_class_balanced_areas(measure):
    def draw(n, rng):
        kind = (rng.random(n) < 0.2).astype(int)
        confidence = rng.normal(size=n) - 0.5 * kind
        loss = (rng.random(n) < expit(-1.5 + kind - 0.7 * confidence)) * 1.0
        return measure(loss, confidence, classes=kind)

    assert abs(coverage(draw, 1000) - LEVEL) < SLACK + 0.01


@pytest.mark.parametrize("options", [{"max_fpr": 0.1}, {"max_fpr": 0.3}, {"min_tpr": 0.8}])
def test_partial_areas(options):
    def draw(n, rng):
        y = (rng.random(n) < 0.3).astype(int)
        return partial_auroc(y, rng.normal(size=n) + 1.2 * y, **options)

    assert abs(coverage(draw, 600) - LEVEL) < SLACK


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.6])
def test_net_benefit(standardised, threshold):
    def draw(n, rng):
        p = expit(rng.normal(size=n) - 1)
        y = rng.random(n) < p
        return net_benefit_at(y, p, threshold, standardised=standardised)

    assert abs(coverage(draw, 500) - LEVEL) < SLACK + 0.005


@pytest.mark.parametrize("measure", [f1, g_mean], ids=["f1", "g_mean"])
@pytest.mark.parametrize("prevalence", [0.02, 0.3])
def test_f1_and_g_mean(measure, prevalence):
    def draw(n, rng):
        y = rng.random(n) < prevalence
        return measure(y, rng.normal(size=n) + 2 * y, threshold=1.2)

    assert abs(coverage(draw, 1000) - LEVEL) < SLACK


@pytest.mark.parametrize("ties", [False, True])
def test_bands_fail_no_more_often_than_stated(ties):
    """Checked at the true rates of the points themselves, so that ties are no hindrance."""
    rng = np.random.default_rng(5)
    missed = np.zeros(2)
    for _ in range(DRAWS):
        y = (rng.random(300) < 0.3).astype(int)
        score = rng.normal(size=300) + 1.2 * y
        if ties:
            score = np.round(2 * score) / 2
        roc, pr = roc_curve(y, score), precision_recall_curve(y, score)
        cut = np.arange(-3, 4.5, 0.5) - (0.25 if ties else 0.0)
        false, true = norm.sf(cut), norm.sf(cut - 1.2)
        missed[0] += not _inside(roc.false_positive_rate, roc.low, roc.high, false, true)
        precision = 0.3 * true / (0.3 * true + 0.7 * false)
        missed[1] += not _inside(pr.recall, pr.low, pr.high, true, precision)
    assert np.all(missed / DRAWS <= 1 - LEVEL + 2 * MONTE_CARLO)


def _inside(at, low, high, where, truth):
    """Whether the band, at its widest of the two points around each place, holds the truth."""
    at, low, high = (np.array(values) for values in (at, low, high))
    left = np.maximum(np.searchsorted(at, where, side="right") - 1, 0)
    right = np.minimum(np.searchsorted(at, where), at.size - 1)
    return bool(
        np.all(truth >= np.minimum(low[left], low[right]) - 1e-12)
        and np.all(truth <= np.maximum(high[left], high[right]) + 1e-12)
    )
