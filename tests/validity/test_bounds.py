"""Every bound misses the truth no more often than it says, by simulation.

Each case draws 2,000 samples; the Monte-Carlo standard error of a miss rate of 10 % is 0.67
percentage points, and a bound fails where its rate exceeds delta by more than two of them. Bands,
which are exact, are held from below too.
"""

import math

import numpy as np
import pytest

from riskwright.metrics.tails import tail
from riskwright.stats.bands import cdf_band
from riskwright.stats.bounds import mean_lower, mean_upper, wsr_p_value
from riskwright.stats.martingales import MeanSequence, RiskMonitor
from riskwright.stats.multiple_testing import bonferroni, fixed_sequence, holm
from riskwright.stats.tails import (
    CVaR,
    Entropic,
    Gini,
    Mean,
    MeanVariance,
    SmoothedMedian,
    Spectral,
    VaR,
    VaRInterval,
    measure_named,
    tail_lower,
    tail_upper,
)

DRAWS, DELTA = 2000, 0.1
ALLOWED = DELTA + 2 * math.sqrt(DELTA * (1 - DELTA) / DRAWS)

WORLDS = {
    "rare": (lambda rng, n: (rng.random(n) < 0.02).astype(float), 0.02),
    "even": (lambda rng, n: (rng.random(n) < 0.5).astype(float), 0.5),
    "beta": (lambda rng, n: rng.beta(1, 9, n), 0.1),
    "spikes": (lambda rng, n: rng.beta(0.05, 0.95, n), 0.05),
    "uniform": (lambda rng, n: rng.random(n), 0.5),
    "atoms": (lambda rng, n: rng.choice([0, 0.1, 0.6, 1], n, p=[0.7, 0.2, 0.07, 0.03]), 0.092),
}
MEASURES = [
    Mean(),
    VaR(0.9),
    CVaR(0.9),
    VaRInterval(0.5, 0.9),
    SmoothedMedian(0.2),
    Spectral((0.5, 0.9), (0.0, 1.0, 3.0)),
    Entropic(2.0),
    MeanVariance(0.5),
    Gini(),
]

pytestmark = pytest.mark.validity


@pytest.mark.parametrize("n", [30, 300])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("method", ["auto", "hb", "wsr", "hoeffding"])
def test_bounds_of_means(method, world, n):
    draw, mean = WORLDS[world]
    rng, above, below = np.random.default_rng(20260101), 0, 0
    for _ in range(DRAWS):
        losses = draw(rng, n)
        above += mean_upper(losses, DELTA, method=method).value < mean
        below += mean_lower(losses, DELTA, method=method).value > mean
    assert max(above, below) / DRAWS <= ALLOWED


@pytest.mark.parametrize("delta", [0.05, 0.1])
@pytest.mark.parametrize("n", [100, 300])
def test_threshold_from_a_fine_grid_and_betting(n, delta):
    """Scores uniform on positives: risk at threshold t is t; the largest certified t on a grid of
    0.002 violates where it exceeds the limit of 0.1. Bettors restarted half way fail this design
    19.6 % of the time (n = 100, delta = 10 %)."""
    grid, limit, rng, wrong = np.arange(0.002, 0.3, 0.002), 0.1, np.random.default_rng(5), 0
    first_bad = grid[np.flatnonzero(grid > limit + 1e-9)[0]]
    for _ in range(DRAWS):
        losses = (rng.random(n) < first_bad).astype(float)
        wrong += wsr_p_value(losses, limit, delta=delta) <= delta
    assert wrong / DRAWS <= delta + 2 * math.sqrt(delta * (1 - delta) / DRAWS)


def test_known_weights_cover_the_target():
    """Source uniform, target density 2x on [0, 1], loss x^2: the target's mean loss is 1/2."""
    rng, above, below = np.random.default_rng(8), 0, 0
    for _ in range(DRAWS):
        x = rng.random(200)
        given = {"sample_weight": 2 * x, "max_weight": 2.0}
        above += mean_upper(x**2, DELTA, **given).value < 0.5
        below += mean_lower(x**2, DELTA, **given).value > 0.5
    assert max(above, below) / DRAWS <= ALLOWED


@pytest.mark.parametrize("kind", ["berk-jones", "dkw"])
@pytest.mark.parametrize(("n", "blocks"), [(20, 40), (300, 40), (3000, 10)])
def test_bands_miss_at_their_rate(kind, n, blocks):
    """Bands are exact: with 1,000 draws a block, the rate is delta within three standard errors
    (0.45 percentage points for 40 blocks, 0.9 for 10) on either side."""
    band, rng, missed = cdf_band(n, DELTA, kind), np.random.default_rng(3), 0
    for _ in range(blocks):
        ordered = np.sort(rng.random((1000, n)), axis=1)[:, band.ranks - 1]
        missed += int(np.any(ordered < band.level_at_rank, axis=1).sum())
    draws = 1000 * blocks
    error = math.sqrt(DELTA * (1 - DELTA) / draws)
    assert missed / draws == pytest.approx(DELTA, abs=3 * error)


@pytest.mark.parametrize("world", ["rare", "beta", "uniform", "atoms"])
@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.kind)
def test_bounds_of_tails(measure, world):
    draw, _ = WORLDS[world]
    truth = measure.of(draw(np.random.default_rng(0), 4_000_000))
    if world in ("rare", "atoms"):
        truth = exact(measure, world)
    rng, above, below = np.random.default_rng(9), 0, 0
    for _ in range(DRAWS):
        losses = draw(rng, 150)
        above += tail_upper(losses, DELTA, measure).value < truth - 1e-12
        below += tail_lower(losses, DELTA, measure).value > truth + 1e-12
    assert max(above, below) / DRAWS <= ALLOWED


def exact(measure, world):
    if world == "rare":
        return measure.value_of(np.array([0.0, 1.0]), np.array([0.98, 1.0]))
    return measure.value_of(np.array([0, 0.1, 0.6, 1]), np.array([0.7, 0.9, 0.97, 1.0]))


@pytest.mark.parametrize("world", WORLDS)
def test_confidence_sequences_cover_at_all_looks(world):
    draw, mean = WORLDS[world]
    rng, missed = np.random.default_rng(4), 0
    for _ in range(DRAWS):
        sequence = MeanSequence(DELTA)
        for batch in np.split(draw(rng, 500), 50):
            sequence.update(batch)
        missed += not sequence.low <= mean <= sequence.high
    assert missed / DRAWS <= ALLOWED


@pytest.mark.parametrize("world", WORLDS)
def test_monitors_seldom_alarm_at_the_limit(world):
    draw, mean = WORLDS[world]
    rng, alarms = np.random.default_rng(6), 0
    for _ in range(DRAWS):
        monitor = RiskMonitor(mean, DELTA)
        monitor.update(draw(rng, 3000))
        alarms += monitor.alarm
    assert alarms / DRAWS <= ALLOWED


@pytest.mark.parametrize("procedure", [bonferroni, fixed_sequence, holm])
def test_familywise_error(procedure):
    """Ten true hypotheses at their limits, losses shared, so that p-values depend."""
    rng, wrong, limits = np.random.default_rng(7), 0, np.linspace(0.05, 0.5, 10)
    for _ in range(DRAWS):
        shared = rng.random(200)
        p = [wsr_p_value((shared < m).astype(float), m, delta=DELTA / 10) for m in limits]
        wrong += procedure(p, DELTA).any()
    assert wrong / DRAWS <= ALLOWED


LEVEL = 0.95
SLACK = 3 * math.sqrt(LEVEL * (1 - LEVEL) / DRAWS) + 0.015  # asymptotics at 1,500 rows


@pytest.mark.parametrize("world", ["beta", "uniform", "exponential"])
@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.kind)
def test_asymptotic_intervals_of_tails_cover(measure, world):
    """Intervals that are not given (few rows carry the variance) are left out; half may be.

    The scale of the exponential losses leaves exp(2 loss) a finite variance, which asymptotics
    need: at a scale of 0.3 it has none.
    """
    worlds = {name: case[0] for name, case in WORLDS.items()}
    worlds["exponential"] = lambda rng, n: rng.exponential(0.1, n)
    draw, rng = worlds[world], np.random.default_rng(12)
    truth = measure_named(measure).of(draw(rng, 4_000_000))
    found = [tail(draw(rng, 1500), measure) for _ in range(DRAWS)]
    given = [e for e in found if not math.isnan(e.low)]
    assert len(given) >= 0.5 * DRAWS
    covered = np.mean([e.low <= truth <= e.high for e in given])
    assert covered >= LEVEL - SLACK
    assert covered <= LEVEL + SLACK + 0.01
