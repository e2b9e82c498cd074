"""The difference of two AUROCs is that of the two, with an interval that knows they are paired."""

import numpy as np
import pytest

from riskwright.core import DataError
from riskwright.core.scores import Score
from riskwright.evidence.labels import Label
from riskwright.guard.comparing import compare_guards

KEY = "difference in AUROC, second minus first"


def columns(n, seed, shift):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.4
    common = rng.normal(size=n)
    first = 1 / (1 + np.exp(-(y + common + rng.normal(0, 0.5, n))))
    second = 1 / (1 + np.exp(-((1 + shift) * y + common + rng.normal(0, 0.5, n))))
    return y, first, second


def compared(y, first, second):
    labels = [Label(harmful=float(v)) for v in y]
    scores = [[Score(severity=float(v)) for v in column] for column in (first, second)]
    return compare_guards(*scores, labels)


def test_difference_is_that_of_the_two_and_paired():
    y, first, second = columns(400, 0, 0.5)
    found = compared(y, np.round(first, 1), np.round(second, 1))
    one, two = found["AUROC of the first"], found["AUROC of the second"]
    assert found[KEY].value == pytest.approx(two.value - one.value)
    apart = np.hypot(one.high - one.low, two.high - two.low)
    assert found[KEY].high - found[KEY].low < 0.8 * apart


def test_interval_of_no_difference_covers():
    hits = 0
    for seed in range(200):
        found = compared(*columns(200, seed, 0.0))[KEY]
        hits += found.low <= 0 <= found.high
    assert hits / 200 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)


def test_a_score_against_itself_does_not_differ():
    y, first, _ = columns(100, 1, 0.0)
    found = compared(y, first, first)[KEY]
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_one_class_is_refused():
    with pytest.raises(DataError):
        compared([1, 1, 1], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
