"""The joint decision of scanners breaks its budgets no more often than it says, by simulation."""

import math

import numpy as np
import pytest

from riskwright.guard.scanners import Scanners

pytestmark = pytest.mark.validity

DRAWS, SIZE = 1500, 3000


def population(kind):
    """Scores of three scanners, for a finite population whose rates are known exactly."""
    rng = np.random.default_rng(5)
    y = rng.random(SIZE) < 0.3
    same = rng.normal(size=SIZE)
    if kind == "alike":
        columns = [0.8 * same + rng.normal(1.2 * y, 0.6) for _ in range(3)]
    elif kind == "apart":
        third = rng.integers(0, 3, SIZE)
        columns = [rng.normal(2.0 * (y & (third == k)), 1.0) for k in range(3)]
    else:
        columns = [np.round(rng.normal(0.7 * y * k, 1.0)) for k in range(3)]
    return {f"s{k}": column for k, column in enumerate(columns)}, y


@pytest.mark.parametrize("kind", ["alike", "apart", "atoms"])
@pytest.mark.parametrize("loss", ["false alarm rate", "miss rate"])
def test_scanners(kind, loss):
    """2 Monte-Carlo standard errors above delta = 10 % would fail: 1.5 percentage points."""
    scores, y = population(kind)
    limit = 0.1 if loss == "false alarm rate" else 0.3
    scanners = Scanners(f"{loss} <= {limit} with 90% confidence")
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(DRAWS):
        rows = rng.integers(0, SIZE, 250)
        scanners.fit({name: column[rows] for name, column in scores.items()}, y[rows])
        decided = scanners.decide(scores)
        if decided[0] == "abstain":
            continue
        flagged = decided == "flag"
        rate = flagged[~y].mean() if loss == "false alarm rate" else (~flagged[y]).mean()
        broken += rate > limit
    print(f"broken in {broken / DRAWS:.4f} of {DRAWS} draws")
    assert broken / DRAWS <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / DRAWS)
