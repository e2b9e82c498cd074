"""Certified guards break their budgets no more often than they say: policies, cascades, streams.

Each population is finite and its rates are known; labels are drawn from it with replacement. With a
share of delta = 10 % allowed, n draws have a standard error of sqrt(0.09 n); a rule fails where
more than 10 % and three of these are broken. What was fitted is no part of the population.
"""

import importlib
import math
from pathlib import Path

import numpy as np
import pytest

from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label
from riskwright.guard.guard import Guard
from riskwright.guard.streams import StreamMonitor
from riskwright.taxonomy.policies import load_policy

ROOT = Path(__file__).parents[2]
BUDGETS = ("miss rate <= 20%", "false alarm rate <= 20%")


@pytest.fixture(scope="module")
def rates():
    """The benchmark's module, whose table is published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("benchmarks.guard_rates")


class Told:
    """Reads values off the text, coarsely (many ties) where `step` says so."""

    version, taxonomy = "1", "ailuminate"

    def __init__(self, name, column, step=0.0, cost=0.0):
        self.name, self.column, self.step, self.cost = name, column, step, cost

    def score(self, exchanges):
        found = []
        for exchange in exchanges:
            value = float(exchange.prompt.split()[self.column])
            if self.step:
                value = round(value / self.step) * self.step
            found.append(
                Score(severity=value, hazards={"hte": value}, values={self.name: {"any": value}})
            )
        return found


SCORERS = (Told("rules", 0, step=0.25), Told("ngrams", 1))


def world(n, seed):
    """Two scores of unequal worth, harm, and hate, which is harm of one kind."""
    rng = np.random.default_rng(seed)
    harm = rng.random(n) < 0.3
    hate = harm & (rng.random(n) < 0.6)
    rough = 1 / (1 + np.exp(-(2 * harm - 1 + rng.normal(0, 1.5, n))))
    fine = 1 / (1 + np.exp(-(3 * harm - 1.5 + rng.normal(0, 1.0, n))))
    exchanges = [Exchange(prompt=f"{a:.6f} {b:.6f}") for a, b in zip(rough, fine, strict=True)]
    labels = [
        Label(harmful=float(h), hazards={"hte": float(t)} if k % 3 else {})
        for k, (h, t) in enumerate(zip(harm, hate, strict=True))
    ]
    return exchanges, labels


@pytest.fixture(scope="module")
def fitted():
    """A guard fitted to 200 labels, and the scores and labels of 2,800 others."""
    exchanges, labels = world(3000, 0)
    guard = Guard(SCORERS).fit(exchanges[:200], labels[:200])
    return guard, exchanges[200:], guard.score_all(exchanges[200:]), labels[200:]


def policy(*hazards):
    return load_policy(
        {
            "id": "test",
            "version": "1",
            "taxonomy": "ailuminate",
            "mode": "enforce",
            "regimes": ["standard"],
            "regime": "standard",
            "hazards": {code: {} for code in hazards},
            "budgets": {"standard": list(BUDGETS)},
            "fallback": {},
        }
    )


def kept(rates, trial, n, draws, labels=400, seed=1):
    found = rates.count(trial, np.arange(n), draws, labels, seed, halves=False)
    print(found)
    assert found["certified"] >= 0.9 * draws
    return found["broken"] <= rates.allowed(draws, errors=3.0)


class TestSmall:
    def test_bands_of_a_fitted_guard(self, rates, fitted):
        """60 draws: standard error 3.9 points."""
        _, _, scores, labels = fitted
        trial = rates.policy_trial(policy("any", "hte"), scores, labels)
        assert kept(rates, trial, len(labels), 60)

    def test_cascades(self, rates, fitted):
        """12 draws: standard error 8.7 points."""
        guard, exchanges, scores, labels = fitted
        stages = {one.name: one.score(exchanges) for one in SCORERS} | {"guard": scores}
        trial = rates.cascade_trial(stages, labels, BUDGETS, guard)
        assert kept(rates, trial, len(labels), 12, labels=900)

    def test_streams(self, rates, fitted):
        """100 draws: standard error 3 points."""
        exchanges, labels = letters(1500, 2)
        trial = rates.stream_trial(StreamMonitor(Letters(), every=5), exchanges, labels, BUDGETS)
        assert kept(rates, trial, len(labels), 100)

    def test_thresholds_without_a_bound_would_fail_here(self, rates, fitted):
        """What the counts are for: thresholds that just keep the budgets on their own labels."""
        _, _, scores, labels = fitted
        trial = rates.policy_trial(policy("any"), scores, labels)
        value = np.array([score.severity for score in scores])
        y = np.array([label.harmful for label in labels]) == 1

        def bare(rows):
            harm, none = np.sort(value[rows][y[rows]]), np.sort(value[rows][~y[rows]])
            low, high = harm[math.floor(0.2 * harm.size)], none[-math.floor(0.2 * none.size)]
            (band,) = certified
            return [Renamed(band, low, high)]

        certified = trial.certify(np.arange(len(labels)))
        assert not kept(rates, rates.Trial(bare, trial.excess, 0.1), len(labels), 60)


class Renamed:
    """A band with other thresholds."""

    def __init__(self, band, low, high):
        self.hazard, self.regime = band.hazard, band.regime
        self.band = type(band.band)(low=float(low), high=float(high))


class Letters:
    """Follows a text; its value is a moving average of how many letters are "x"."""

    name, version, taxonomy, cost = "letters", "1", "ailuminate", 0.0
    level = 0.0

    def begin(self, exchange=None):
        return Letters()

    def feed(self, text):
        for letter in text:
            self.level += 0.06 * ((letter == "x") - self.level)
        return {"any": self.level}


def letters(n, seed):
    """Texts of 20 to 120 letters, the harmful ones with more "x" somewhere."""
    rng = np.random.default_rng(seed)
    exchanges, labels = [], []
    for _ in range(n):
        harmful = rng.random() < 0.4
        marks = rng.random(rng.integers(20, 120)) < 0.25
        if harmful:
            start = rng.integers(marks.size)
            marks[start : start + 25] |= rng.random(marks[start : start + 25].size) < 0.5
        exchanges.append(Exchange(prompt="".join("x" if m else "o" for m in marks)))
        labels.append(Label(harmful=float(harmful)))
    return exchanges, labels


@pytest.mark.validity
class TestLong:
    """Standard errors: 1.3 points of 500 draws, 2.1 of 200."""

    @pytest.mark.parametrize("hazards", [("any",), ("any", "hte")])
    def test_bands(self, rates, fitted, hazards):
        _, _, scores, labels = fitted
        trial = rates.policy_trial(policy(*hazards), scores, labels)
        assert kept(rates, trial, len(labels), 500)

    def test_cascades(self, rates, fitted):
        guard, exchanges, scores, labels = fitted
        stages = {one.name: one.score(exchanges) for one in SCORERS} | {"guard": scores}
        trial = rates.cascade_trial(stages, labels, BUDGETS, guard)
        assert kept(rates, trial, len(labels), 200, labels=900)

    def test_streams(self, rates):
        exchanges, labels = letters(3000, 3)
        trial = rates.stream_trial(StreamMonitor(Letters(), every=5), exchanges, labels, BUDGETS)
        assert kept(rates, trial, len(labels), 1000)

    @pytest.mark.parametrize(
        "name", ["moderation", "requests and instructions", "actions on web pages"]
    )
    def test_public_texts(self, rates, name):
        """Five fits, 100 draws after each."""
        mix = rates.MIXES[name]
        if not mix.available:
            pytest.skip("no shared data")
        for row in rates.rows(fits=5, draws=100, mixes={name: mix}):
            print(row)
            assert row["broken"] <= rates.allowed(row["draws"], errors=3.0)

    def test_intervals_of_the_chance_of_harm(self):
        """200 fits to 200 labels: at least 95 % of 200 new texts each, less three errors."""
        held = []
        for seed in range(200):
            rng = np.random.default_rng(seed)
            z = rng.normal(size=(400, 2))
            chance = 1 / (1 + np.exp(1 - 2 * (0.8 * z[:, 0] + 0.6 * z[:, 1])))
            texts = [Exchange(prompt="{:.9f} {:.9f}".format(*row)) for row in 1 / (1 + np.exp(-z))]
            told = [Label(harmful=float(v)) for v in rng.random(200) < chance[:200]]
            scorers = (Told("a", 0), Told("b", 1))
            scores = Guard(scorers).fit(texts[:200], told).score_all(texts[200:])
            ends = np.array([score.uncertainty for score in scores])
            held.append(np.mean((ends[:, 0] <= chance[200:]) & (chance[200:] <= ends[:, 1])))
        print(f"held {np.mean(held):.4f}")
        assert np.mean(held) >= 0.95 - 3 * np.std(held, ddof=1) / math.sqrt(200)
