"""The Venn-Abers guarantee by simulation: the probability of the two that the outcome of the new
row picks is perfectly calibrated, at any sample size.

With P = p1 where the new row has the event and p0 where not, E[(y - P) f(P)] = 0 for every f. Each
of 20,000 draws makes a calibration set and one new row; f is 1 and the indicators of ranges of P.
The statistic is compared with four of its Monte-Carlo standard errors (about 0.0035 for f = 1).
"""

import numpy as np
import pytest
from scipy.special import expit

from riskwright.calibration import Calibrator

DRAWS = 20_000


def selected(n, levels, rng):
    """Outcome of the new row and the probability that it picks."""
    while True:
        s = rng.normal(size=n + 1)
        s = np.round(s * levels) / levels if levels else s
        y = (rng.random(n + 1) < expit(2 * np.sin(2 * s))).astype(float)
        if 0 < y[:n].sum() < n:
            break
    low, high = Calibrator("venn-abers").fit(s[:n], y[:n]).interval(s[n:])
    return y[n], high[0] if y[n] else low[0]


@pytest.mark.validity
@pytest.mark.parametrize("n", [10, 60])
@pytest.mark.parametrize("levels", [None, 2])
def test_the_selected_probability_is_calibrated(n, levels):
    rng = np.random.default_rng(20150707)
    y, p = np.array([selected(n, levels, rng) for _ in range(DRAWS)]).T
    for low, high in ((0, 1.01), (0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 1.01)):
        gap = np.where((p >= low) & (p < high), y - p, 0.0)
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(DRAWS)
