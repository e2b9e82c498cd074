"""Drawn responsiveness scores: their intervals miss the exact score no more often than they say.

1,000 runs each; the Monte-Carlo standard error of a miss rate of 10 % is 0.95 percentage points,
and a case fails where the rate exceeds 10 % by more than two of them.
"""

import math

import numpy as np
import pytest

from riskwright.explanation.actions import Actions
from riskwright.explanation.responsiveness import responsiveness

RUNS, MISS = 1000, 0.1
ALLOWED = MISS + 2 * math.sqrt(MISS * (1 - MISS) / RUNS)

pytestmark = pytest.mark.validity


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.95])
@pytest.mark.parametrize("draws", [20, 200])
def test_a_continuous_feature(share, draws):
    X = np.array([[0.0], [1.0]])
    actions = Actions(X).step("x0", 0)
    predict = lambda t: t[:, 0] >= 1 - share  # noqa: E731
    missed = 0
    for seed in range(RUNS):
        found = responsiveness(
            predict, X, actions, target=True, draws=draws, level=1 - MISS, random_state=seed
        )
        missed += not found.low[0, 0] <= share <= found.high[0, 0]
    assert missed / RUNS <= ALLOWED


@pytest.mark.parametrize("draws", [30, 100])
def test_tied_features_too_many_to_list(draws):
    X = np.array([[0.0, 0, 0], [1, 3, 3]])
    actions = (
        Actions(X)
        .if_then(("x0", "==", 1), ("x1", ">=", 1))
        .if_then(("x1", ">=", 3), ("x2", ">=", 1))
    )
    predict = lambda t: t.sum(axis=1) >= 4  # noqa: E731
    exact = responsiveness(predict, X, actions, target=True).scores[0]
    missed = np.zeros(3)
    for seed in range(RUNS):
        found = responsiveness(
            predict, X, actions, target=True, draws=draws, limit=3, level=1 - MISS,
            random_state=seed,
        )  # fmt: skip
        missed += ~((found.low[0] <= exact) & (exact <= found.high[0]))
    assert not found.exact[0].any()
    assert (missed / RUNS <= ALLOWED).all()


def test_the_share_of_people_with_a_reason():
    """Over draws of people, the interval of `has_reason` holds the share in the population."""
    truth, n, missed = 0.3, 60, 0
    rng = np.random.default_rng(0)
    for _ in range(RUNS):
        stuck = (rng.random(n) >= truth).astype(float)
        X = np.column_stack((stuck, np.zeros(n)))
        X = np.vstack((X, [[0.0, 1.0]]))
        found = responsiveness(
            lambda t: (t[:, 1] == 1) & (t[:, 0] == 0),
            X, Actions(X).fix("x0"), target=True, level=1 - MISS,
        )  # fmt: skip
        has = found.report().has_reason
        missed += not has.low <= truth <= has.high
    assert missed / RUNS <= ALLOWED
