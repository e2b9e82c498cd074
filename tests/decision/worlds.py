"""Worlds whose risks at every threshold are known, to judge guarantees by."""

from dataclasses import dataclass

import numpy as np

_GRID = (np.arange(20_000) + 0.5) / 20_000


@dataclass(frozen=True)
class World:
    """Scores uniform on (0, 1), P(y = 1 | score) = chance(score)."""

    name: str
    chance: object

    def draw(self, n, rng):
        score = rng.random(n)
        return score, rng.random(n) < self.chance(score)

    def risk(self, loss, threshold):
        """The true risk of acting where score >= threshold; NaN where nobody is a member."""
        p = self.chance(_GRID)
        acts = threshold <= _GRID
        parts = {
            "miss rate": (p * ~acts, p),
            "false alarm rate": ((1 - p) * acts, 1 - p),
            "false discovery rate": ((1 - p) * acts, 1.0 * acts),
            "false omission rate": (p * ~acts, 1.0 * ~acts),
            "error rate": (np.where(acts, 1 - p, p), np.ones_like(p)),
            "action rate": (1.0 * acts, np.ones_like(p)),
            "error among accepted": (p * acts, 1.0 * acts),
            "accepted errors": (p * acts, np.ones_like(p)),
            "abstention rate": (1.0 * ~acts, np.ones_like(p)),
        }
        errors, members = parts[loss]
        return float(errors.sum() / members.sum()) if members.sum() else float("nan")


CALIBRATED = World("calibrated", lambda s: s)
RARE = World("rare", lambda s: s**6)
BUMPY = World("bumpy", lambda s: np.where(s > 0.985, 0.05, np.where(s > 0.6, 0.93, 0.2 * s)))
SAFE_ABOVE = World("errors fall with confidence", lambda s: 0.4 * (1 - s) ** 2)
