"""The engine behind thresholds: which of them keep a budget, with probability 1 - delta.

A loss that can only grow in one direction is tested along all thresholds, from the safest one:
the first threshold that breaks the limit is one fixed threshold, which is passed only if its own
test fails to hold, so that no correction for the many thresholds is due, and no grid. Other losses
need a place to start that these rows did not choose: it comes from rows set apart, or the
thresholds are given and the family of tests is corrected by Holm or Bonferroni. Several groups of
one budget share the sequence, since the first broken threshold is broken in some one group.

Angelopoulos et al. (2021), Learn then Test; Bates et al. (2021), JACM 68:43.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrik, betaincc
from scipy.stats import binom

from riskwright.stats import binomial_p_value

from .budgets import Budget
from .losses import LOSSES, Counts, NamedLoss
from .rows import Among, Part

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "Family",
    "Region",
    "largest_errors",
    "one_sided_region",
    "p_values",
    "safest_start",
    "smallest_size",
    "walked_region",
]

Floats = NDArray[np.float64]
Family = Literal["fixed-sequence", "holm", "bonferroni"]
_FIRST_BLOCK = 1024


@dataclass(frozen=True)
class Region:
    """The certified thresholds: `after` < t <= `upto`."""

    after: float
    upto: float

    def __contains__(self, threshold: float) -> bool:
        return self.after < threshold <= self.upto

    def __and__(self, other: Region) -> Region:
        return Region(max(self.after, other.after), min(self.upto, other.upto))


EVERYTHING = Region(-math.inf, math.inf)
NOTHING = Region(math.inf, -math.inf)


def largest_errors(n: int, limit: float, delta: float) -> int:
    """The largest number of errors among n that still rejects "risk > limit" at delta, else -1."""
    if limit >= 1:
        return n
    if n == 0 or limit <= 0:
        return -1
    near = float(bdtrik(delta, n, limit))
    if not 0 <= near <= n:
        near = float(binom.ppf(delta, n, limit))
    k = min(math.floor(near) + 1, n - 1)
    while k >= 0 and not betaincc(k + 1, n - k, limit) <= delta:
        k -= 1
    return k


@functools.lru_cache(maxsize=4096)
def smallest_size(limit: float, delta: float, rate: float = 0.0) -> int | None:
    """Fewest members that certify `limit` when a share `rate` of them are errors; None if none can.

    For rate 0 it is ln(delta) / ln(1 - limit), rounded up.
    """
    if not rate < limit:
        return None
    if limit >= 1:
        return 1
    low, high = 0, math.ceil(math.log(delta) / math.log1p(-limit))
    if rate == 0:
        return high - 1 if largest_errors(high - 1, limit, delta) >= 0 else high
    while largest_errors(high, limit, delta) < math.ceil(rate * high):
        low, high = high, 2 * high
        if high > 2**50:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = largest_errors(middle, limit, delta) >= math.ceil(rate * middle)
        low, high = (low, middle) if enough else (middle, high)
    return high


_MEMBERS: dict[str, tuple[Among, Among]] = {
    "miss rate": ("events", "events"),
    "false alarm rate": ("others", "others"),
    "action rate": ("all", "all"),
    "abstention rate": ("all", "all"),
    "accepted errors": ("events", "all"),
}


def one_sided_region(budget: Budget, parts: Sequence[Part]) -> Region:
    """All thresholds that keep a loss of one direction in every part; O(n), without sorting."""
    assert budget.delta is not None
    loss = _named(budget)
    counted, members = _MEMBERS[loss.name]
    region = EVERYTHING
    for part in parts:
        k = largest_errors(part.size(members), budget.limit, budget.delta)
        size = part.size(counted)
        if k < 0:
            return NOTHING
        if k >= size:
            continue
        if loss.shape == "rises":
            region &= Region(-math.inf, part.smallest(counted, k))
        else:
            region &= Region(part.smallest(counted, size - 1 - k), math.inf)
    return region


def p_values(budget: Budget, parts: Sequence[Part], thresholds: Floats) -> NDArray[np.float64]:
    """Of "the risk exceeds the limit in some part" at each threshold: the largest of the parts'.

    1 where a part has no members.
    """
    loss = _named(budget)
    worst = np.zeros(thresholds.size)
    for part in parts:
        worst = np.maximum(worst, _p_values(loss, part.at(thresholds), budget.limit))
    return worst


def _p_values(loss: NamedLoss, counts: Counts, limit: float) -> NDArray[np.float64]:
    return np.asarray(binomial_p_value(loss.errors(counts), loss.members(counts), limit))


def safest_start(budget: Budget, parts: Sequence[Part], ratio: float = 1.0) -> float:
    """Among all scores of rows set apart, the threshold most likely to pass its test.

    The test is foretold for `ratio` times as many rows, with as many errors as bad luck (1.6
    standard deviations) would bring, in the worst part; of equal ones that with more members wins.
    """
    loss = _named(budget)
    thresholds = np.unique(np.concatenate([part.ladder[0] for part in parts]))
    if thresholds.size > 2 * _FIRST_BLOCK:
        thresholds = np.unique(np.quantile(thresholds, np.linspace(0, 1, _FIRST_BLOCK)))
    worst = np.zeros(thresholds.size)
    for part in parts:
        counts = part.at(thresholds)
        members = np.floor(ratio * loss.members(counts))
        seen = loss.errors(counts) + 1
        luck = 1.6 * np.sqrt(ratio * (1 + ratio) * seen)
        errors = np.minimum(np.ceil(ratio * seen + luck), members)
        worst = np.maximum(worst, np.asarray(binomial_p_value(errors, members, budget.limit)))
    best = np.flatnonzero(worst == worst.min())
    return float(thresholds[best[-1] if loss.name == "false omission rate" else best[0]])


def walked_region(
    budget: Budget, parts: Sequence[Part], start: float, *, downwards: bool
) -> Region:
    """Thresholds certified one after another from `start`, until the first that is not.

    `start` must not depend on these rows; then every threshold is tested, not a grid of them.
    O(n log n) for the ordering, and one test for every distinct score that is passed.
    """
    steps = _steps(parts, start, downwards)
    passed, block, reached = 0, _FIRST_BLOCK, None
    while passed < steps.size:
        chunk = steps[passed : passed + block]
        assert budget.delta is not None
        held = p_values(budget, parts, chunk) <= budget.delta
        good = chunk.size if held.all() else int(np.argmin(held))
        if good:
            reached = passed + good - 1
        if good < chunk.size:
            break
        passed, block = passed + good, 2 * block
    if reached is None:
        return NOTHING
    last = float(steps[reached])
    if not downwards:
        return Region(math.nextafter(start, -math.inf), last)
    below = steps[reached + 1] if reached + 1 < steps.size else -math.inf
    return Region(float(below), start)


def _steps(parts: Sequence[Part], start: float, downwards: bool) -> Floats:
    """Start, then the thresholds at which the counts change, in the order of the walk."""
    scores = np.unique(np.concatenate([part.ladder[0] for part in parts]))
    if downwards:
        return np.concatenate([[start], scores[scores < start][::-1]])
    return np.concatenate([[start], scores[scores > start], [math.inf]])


def _named(budget: Budget) -> NamedLoss:
    assert isinstance(budget.loss, str)
    return LOSSES[budget.loss]
