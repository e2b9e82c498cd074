"""Budgets of stream monitors hold on streams as often as they say, by simulation.

Scores of replies wander over 16 looks; the true rates come from 200,000 further replies (standard
error at most 0.0005 for a rate of 5 %). A rule fails where it is broken more often than delta by
more than two Monte-Carlo standard errors.
"""

import math

import numpy as np
import pytest

from riskwright.decision import ThreeWay, Threshold
from riskwright.guard.stream_certificates import certified_rules
from riskwright.guard.stream_paths import StreamPath

pytestmark = pytest.mark.validity

LOOKS, DRAWS, DELTA, ROWS = 16, 600, 0.1, 500
SETTING = {
    "reach": None,
    "every": 40,
    "sentences": True,
    "hold_back": 80,
    "max_characters": 10_000,
    "scorer": "simulated",
    "scorer_version": "1",
    "head": "",
    "monitor": "",
}


def scores(n, rng):
    """Values at all looks, and outcomes; the harm of a harmful reply begins at any look."""
    y = rng.random(n) < 0.3
    steps = rng.normal(0, 0.8, (n, LOOKS))
    level = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, LOOKS + 1))
    begun = np.arange(LOOKS) >= rng.integers(0, LOOKS, n)[:, None]
    return 1 / (1 + np.exp(-level - 2.5 * (begun & y[:, None]))), y


def paths_of(values):
    positions = 40 * np.arange(1, LOOKS + 1)
    return [StreamPath(positions, ("any",), row[:, None]) for row in values]


def allowed(delta):
    return delta + 2 * math.sqrt(delta * (1 - delta) / DRAWS)


@pytest.fixture(scope="module")
def population():
    values, y = scores(200_000, np.random.default_rng(99))
    return values.max(axis=1), values[:, -1], y


def broken(population, rule, rates, seed):
    """How often any of the rates, of (fitted rule, highest look, outcome), is above its limit."""
    rng, count = np.random.default_rng(seed), 0
    highest, _, y = population
    for _ in range(DRAWS):
        values, labels = scores(ROWS, rng)
        rules, _ = certified_rules(
            paths_of(values), labels.astype(int), rule, None, on=("any",), setting=SETTING
        )
        fitted = rules["any"]
        if fitted.certificate_.certified:
            count += any(rate(fitted, highest, y) > limit for rate, limit in rates)
    print(f"broken in {count / DRAWS:.4f} of {DRAWS} draws")
    return count / DRAWS


def false_stops(rule, highest, y):
    return np.mean(highest[~y] >= getattr(rule, "threshold_", getattr(rule, "high_", None)))


def misses(rule, highest, y):
    return np.mean(highest[y] < getattr(rule, "threshold_", getattr(rule, "low_", None)))


def test_false_stops(population):
    rule = "false alarm rate <= 5% with 90% confidence"
    assert broken(population, rule, [(false_stops, 0.05)], 1) <= allowed(DELTA)


def test_misses(population):
    rule = "miss rate <= 20% with 90% confidence"
    assert broken(population, rule, [(misses, 0.2)], 2) <= allowed(DELTA)


def test_both_with_a_person_between(population):
    rule = ThreeWay(
        "miss rate <= 10% with 95% confidence", "false alarm rate <= 5% with 95% confidence"
    )
    rates = [(misses, 0.1), (false_stops, 0.05)]
    assert broken(population, rule, rates, 3) <= allowed(DELTA)


def test_a_threshold_of_whole_texts_is_broken_nearly_always_on_streams(population):
    rng, count = np.random.default_rng(4), 0
    for _ in range(DRAWS):
        values, labels = scores(ROWS, rng)
        rule = Threshold("false alarm rate <= 5% with 90% confidence").fit(values[:, -1], labels)
        count += false_stops(rule, population[0], population[2]) > 0.05
    print(f"broken in {count / DRAWS:.4f} of {DRAWS} draws")
    assert count / DRAWS > 0.9
