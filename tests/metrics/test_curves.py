"""Partial AUROC and the curves against scikit-learn, derivatives, and simulated bands."""

import math

import msgspec
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn import metrics as reference

from riskwright.core import ParameterError, TargetError
from riskwright.metrics import auroc, average_precision
from riskwright.metrics.curves import (
    PrecisionRecallCurve,
    RocCurve,
    precision_recall_curve,
    roc_curve,
)
from riskwright.metrics.discrimination import partial_auroc


def sample(n=300, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    y = (rng.random(n) < expit(1.5 * score - 0.5)).astype(int)
    return y, np.round(score) if ties else score, rng.gamma(2.0, size=n)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("max_fpr", [0.03, 0.2, 0.7])
def test_partial_area_equals_scikit_learn(ties, max_fpr):
    y, score, w = sample(ties=ties)
    found = partial_auroc(y, score, max_fpr=max_fpr, standardised=True, sample_weight=w)
    expected = reference.roc_auc_score(y, score, max_fpr=max_fpr, sample_weight=w)
    assert found.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_the_whole_area_and_its_interval_are_those_of_auroc(ties):
    y, score, w = sample(ties=ties)
    whole = auroc(y, score, sample_weight=w)
    for options in ({"max_fpr": 1}, {"min_tpr": 0}, {"max_fpr": 1, "standardised": True}):
        found = partial_auroc(y, score, sample_weight=w, **options)
        expected = (whole.value, whole.low, whole.high)
        assert (found.value, found.low, found.high) == pytest.approx(expected)


def test_few_missed_events_are_few_false_alarms_seen_from_behind():
    y, score, w = sample()
    one = partial_auroc(y, score, min_tpr=0.8, sample_weight=w)
    other = partial_auroc(1 - y, -score, max_fpr=0.2, sample_weight=w)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


@pytest.mark.parametrize("ties", [False, True])
def test_partial_variance_is_that_of_the_derivative_by_each_weight(ties):
    y, score, w = sample(40, seed=1, ties=ties)
    found = partial_auroc(y, score, max_fpr=0.3, sample_weight=w)
    variance = 0.0
    for outcome in (0, 1):
        size = w[y == outcome].sum() ** 2 / (w[y == outcome] ** 2).sum()
        for i in np.flatnonzero(y == outcome):
            step = 1e-6 * (np.arange(40) == i)
            up, down = (
                partial_auroc(y, score, max_fpr=0.3, sample_weight=w + sign * step).value
                for sign in (1, -1)
            )
            variance += (w[i] * (up - down) / 2e-6) ** 2 * size / (size - 1)
    share = found.value / 0.3
    ends = [math.log(x / (0.3 - x)) for x in (found.low, found.high)]
    se = (ends[1] - ends[0]) / 2 / 1.959964 * share * (1 - share) * 0.3
    assert se == pytest.approx(math.sqrt(variance), rel=1e-4)


def test_partial_interval_covers():
    """95 % over 500 draws: Monte-Carlo error 1 point, three of them and one more allowed."""
    rng = np.random.default_rng(3)
    y = np.r_[np.ones(100), np.zeros(300)]
    big = np.r_[np.ones(200_000), np.zeros(200_000)]
    truth = partial_auroc(big, rng.normal(size=400_000) + 1.2 * big, max_fpr=0.1).value
    found = [partial_auroc(y, rng.normal(size=400) + 1.2 * y, max_fpr=0.1) for _ in range(500)]
    assert 0.91 < np.mean([f.low <= truth <= f.high for f in found]) < 0.98


def test_partial_area_of_a_perfect_ranking_has_an_honest_lower_end():
    y = np.r_[np.ones(50), np.zeros(200)]
    found = partial_auroc(y, y, max_fpr=0.1)
    u, v = 1 - 0.0125 ** (1 / 200), 1 - 0.0125 ** (1 / 50)
    assert (found.value, found.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert found.low == pytest.approx((0.1 - u) * (1 - v))
    nothing = partial_auroc(y, -y, max_fpr=0.1)
    assert nothing.value == 0
    assert nothing.method == "none: no spread"


@pytest.mark.parametrize(
    "options", [{}, {"max_fpr": 0.1, "min_tpr": 0.9}, {"max_fpr": 0}, {"min_tpr": 1.0}]
)
def test_partial_area_needs_one_part(options):
    with pytest.raises(ParameterError):
        partial_auroc([0, 1], [1, 2], **options)


@pytest.mark.parametrize("ties", [False, True])
def test_curves_equal_scikit_learn(ties):
    y, score, w = sample(ties=ties)
    found = roc_curve(y, score, sample_weight=w)
    x, t, threshold = reference.roc_curve(y, score, sample_weight=w, drop_intermediate=False)
    assert found.false_positive_rate == pytest.approx(x, abs=1e-12)
    assert found.true_positive_rate == pytest.approx(t, abs=1e-12)
    assert found.threshold == pytest.approx(threshold)
    assert found.auroc == auroc(y, score, sample_weight=w)
    found = precision_recall_curve(y, score, sample_weight=w)
    precision, recall, threshold = reference.precision_recall_curve(y, score, sample_weight=w)
    size = len(found.threshold)
    assert found.precision == pytest.approx(precision[::-1][1:][:size], abs=1e-12)
    assert found.recall == pytest.approx(recall[::-1][1:][:size], abs=1e-12)
    assert found.average_precision == average_precision(y, score, sample_weight=w)


def test_long_curves_are_thinned_evenly_and_keep_their_ends():
    y, score, _ = sample(20_000)
    whole = np.array(reference.roc_curve(y, score, drop_intermediate=False)[:2])
    found = roc_curve(y, score)
    kept = np.array([found.false_positive_rate, found.true_positive_rate])
    assert 500 < kept.shape[1] <= 1001
    assert kept[:, 0].tolist() == [0, 0]
    assert kept[:, -1].tolist() == [1, 1]
    gaps = np.abs(np.diff(kept)).max()
    assert gaps <= 0.0025
    assert {tuple(p) for p in kept.T} <= {tuple(p) for p in whole.T}
    assert len(precision_recall_curve(y, score).recall) == kept.shape[1] - 1


@pytest.mark.parametrize("sizes", [(60, 60), (30, 300)])
def test_bands_hold_the_whole_true_curve(sizes):
    """Scores of a known binormal world; 300 draws, the band may fail in 5 % of them."""
    rng = np.random.default_rng(8)
    n1, n0 = sizes
    y = np.r_[np.ones(n1), np.zeros(n0)]
    missed = 0
    for _ in range(300):
        curve = roc_curve(y, rng.normal(size=y.size) + 1.0 * y)
        x = np.array(curve.false_positive_rate)
        with np.errstate(divide="ignore"):
            truth = norm.sf(norm.isf(x) - 1.0)
        missed += np.any((truth < np.array(curve.low) - 1e-12) | (truth > np.array(curve.high)))
    assert missed <= 0.05 * 300


def test_precision_band_holds_the_whole_true_curve():
    rng = np.random.default_rng(9)
    missed = 0
    for _ in range(300):
        y = (rng.random(200) < 0.3).astype(int)
        curve = precision_recall_curve(y, rng.normal(size=200) + 1.5 * y)
        recall = np.array(curve.recall)
        keep = recall > 0
        false = norm.sf(norm.isf(recall[keep]) + 1.5)
        truth = 0.3 * recall[keep] / (0.3 * recall[keep] + 0.7 * false)
        low, high = np.array(curve.low)[keep], np.array(curve.high)[keep]
        missed += np.any((truth < low - 1e-12) | (truth > high + 1e-12))
    assert missed <= 0.05 * 300


def test_bands_contain_the_curve_and_records_survive_json():
    y, score, w = sample(ties=True)
    roc, pr = roc_curve(y, score, sample_weight=w), precision_recall_curve(y, score)
    assert all(
        a <= b + 1e-12 and b <= c + 1e-12
        for a, b, c in zip(roc.low, roc.true_positive_rate, roc.high, strict=True)
    )
    assert all(
        a <= b + 1e-12 and b <= c + 1e-12
        for a, b, c in zip(pr.low, pr.precision, pr.high, strict=True)
    )
    assert "approximate" in roc.method
    assert msgspec.convert(msgspec.to_builtins(roc), RocCurve) == roc
    assert msgspec.convert(msgspec.to_builtins(pr), PrecisionRecallCurve) == pr
    assert roc.to_frame().shape == (len(roc.low), 5)
    assert pr.to_frame().shape == (len(pr.low), 5)


def test_one_class_is_refused():
    for curve in (roc_curve, precision_recall_curve):
        with pytest.raises(TargetError):
            curve([1, 1], [0.1, 0.2])
