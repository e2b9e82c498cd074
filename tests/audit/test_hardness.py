"""EL2N and GraNd against gradients by differences, planted wrong labels, and calibrated scores."""

import math

import numpy as np
import pytest
from scipy.special import softmax

from riskwright.audit.hardness import el2n, grand, hardness
from riskwright.core import DataError, ParameterError, TargetError


def scores(n=400, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return p, (rng.random(n) < p).astype(int), rng


def test_el2n_of_two_classes_is_the_same_in_one_column_or_two():
    p, y, _ = scores()
    expected = math.sqrt(2) * np.abs(p - y)
    assert el2n(p, y) == pytest.approx(expected, abs=1e-15)
    assert el2n(np.column_stack([1 - p, p]), y) == pytest.approx(expected, abs=1e-15)


def test_el2n_and_grand_are_averaged_over_models():
    p, y, rng = scores(50)
    other, X = rng.random(50), rng.normal(size=(50, 3))
    assert el2n([p, other], y) == pytest.approx((el2n(p, y) + el2n(other, y)) / 2)
    assert grand((p, other), y, X) == pytest.approx((grand(p, y, X) + grand(other, y, X)) / 2)


def gradient_length(loss, coefficients, step=1e-6):
    gradient = [
        (loss(coefficients + step * unit) - loss(coefficients - step * unit)) / (2 * step)
        for unit in np.eye(coefficients.size)
    ]
    return np.linalg.norm(gradient)


def test_grand_is_the_length_of_the_gradient_of_the_logistic_loss():
    rng = np.random.default_rng(1)
    X, w = rng.normal(size=(6, 2)), rng.normal(size=3)
    rows = np.column_stack([np.ones(6), X])
    y = np.array([0, 1, 1, 0, 1, 0])
    p = 1 / (1 + np.exp(-rows @ w))
    expected = [
        gradient_length(lambda v, i=i: np.logaddexp(0, rows[i] @ v) - y[i] * (rows[i] @ v), w)
        for i in range(6)
    ]
    assert grand(p, y, X) == pytest.approx(expected, abs=1e-6)


def test_grand_is_the_length_of_the_gradient_of_the_softmax_loss():
    rng = np.random.default_rng(2)
    X, W = rng.normal(size=(5, 2)), rng.normal(size=(3, 4))
    rows, y = np.column_stack([np.ones(5), X]), np.array([0, 3, 1, 2, 3])
    p = softmax(rows @ W, axis=1)

    def loss(v, i):
        logits = rows[i] @ v.reshape(3, 4)
        return np.log(np.exp(logits).sum()) - logits[y[i]]

    expected = [gradient_length(lambda v, i=i: loss(v, i), W.ravel()) for i in range(5)]
    assert grand(p, y, X) == pytest.approx(expected, abs=1e-6)


def test_planted_wrong_labels_rank_highest():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(500, 2))
    p = 1 / (1 + np.exp(-6 * X[:, 0]))
    y = (X[:, 0] > 0).astype(int)
    y[:25] = 1 - y[:25]
    flipped = np.arange(500) < 25
    for value in (el2n(p, y), grand(p, y, X)):
        area = (np.sign(value[flipped][:, None] - value[~flipped]) / 2 + 0.5).mean()
        assert area > 0.97
    assert sum(row < 25 for row in hardness(p, y).hardest) == 10


def test_a_calibrated_score_is_contradicted_as_often_as_it_says():
    """No finding beyond low in 95% of calibrated samples or more; 100 samples, error 0.02."""
    graver = 0
    for seed in range(100):
        p, y, _ = scores(300, seed)
        graver += hardness(p, y).findings[0].severity in ("medium", "high")
    assert graver <= 7


def test_expected_contradictions_are_the_mean_of_fresh_outcomes():
    p, _, rng = scores(2000)
    fresh = [hardness(p, rng.random(2000) < p).contradicted.value for _ in range(60)]
    report = hardness(p, (rng.random(2000) < p).astype(int))
    assert report.expected == pytest.approx(np.mean(fresh), abs=0.001)


def test_excess_of_contradictions_is_graded_by_its_interval():
    p, y, _ = scores(2000)
    y[:500] = p[:500] < 0.5
    finding = hardness(p, y).findings[0]
    assert finding.code == "data.hardness"
    assert finding.severity == "high"
    assert "2,000 rows" in finding.sentence
    sharp = hardness([0.0, 1.0, 0.0], [0, 1, 0])
    assert (sharp.mean, sharp.hardest_share, sharp.expected) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("p", "y", "error"),
    [
        ([0.1, math.nan], [0, 1], DataError),
        ([0.1, 1.2], [0, 1], DataError),
        ([0.1, 0.2], [0, 2], TargetError),
        ([0.1, 0.2], ["a", "b"], TargetError),
        ([0.1, 0.2], [0, 1, 1], DataError),
        (np.array([[0.5, 0.4]]), [0], DataError),
        (np.array([[1.0]]), [0], DataError),
        ([np.array([0.1]), np.array([0.1, 0.2])], [0], DataError),
        ([], [], (DataError, ParameterError)),
    ],
)
def test_bad_input_is_refused(p, y, error):
    with pytest.raises(error):
        hardness(p, y)


def test_bad_options_are_refused():
    with pytest.raises(ParameterError):
        hardness([0.5], [1], chance=0.6)
    with pytest.raises(ParameterError):
        hardness([0.5], [1], level=1.0)
    with pytest.raises(DataError):
        grand([0.5], [1], [[1.0], [2.0]])
