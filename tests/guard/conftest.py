"""Synthetic scores with labels, and a policy to certify."""

from typing import Any

import numpy as np
import pytest

from riskwright.core.scores import Score
from riskwright.evidence.labels import Label
from riskwright.taxonomy.policies import load_policy

POLICY: dict[str, Any] = {
    "id": "test",
    "version": "1",
    "taxonomy": "ailuminate",
    "mode": "enforce",
    "regimes": ["strict", "loose"],
    "regime": "strict",
    "hazards": {"any": {}, "hte": {"high": "stop"}},
    "budgets": {
        "strict": ["miss rate <= 10% with 95% confidence", "false alarm rate <= 30%"],
        "loose": ["miss rate <= 30% with 95% confidence", "false alarm rate <= 10%"],
    },
    "fallback": {},
}


def make_policy(**changes):
    return load_policy({**POLICY, **changes})


def make_traffic(n, seed, *, sharp=2.0):
    """Scores and labels of `n` exchanges; a quarter of them harmful, some of those hateful."""
    rng = np.random.default_rng(seed)
    harm = rng.random(n) < 0.25
    hate = harm & (rng.random(n) < 0.6)
    language = rng.choice(["en", "de"], n)

    def scored(truth):
        return 1 / (1 + np.exp(-(sharp * (truth - 0.5) + rng.normal(0, 0.8, n))))

    overall, hateful = scored(harm), scored(hate)
    scores = [
        Score(
            id=str(k),
            severity=float(overall[k]),
            hazards={"hte": float(hateful[k])},
            attributes={"language": str(language[k])},
            cost=0.1,
            latency_ms=float(k % 7),
            scorers={"s": "1"},
        )
        for k in range(n)
    ]
    labels = [
        Label(harmful=float(h), hazards={"hte": float(v)}) for h, v in zip(harm, hate, strict=True)
    ]
    return scores, labels


@pytest.fixture(scope="session")
def policy():
    return make_policy


@pytest.fixture(scope="session")
def traffic():
    return make_traffic


@pytest.fixture(scope="session")
def labelled():
    return make_traffic(3000, 0)
