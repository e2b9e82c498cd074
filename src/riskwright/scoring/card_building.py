"""From a solution over items to a `ScoreCard`: totals, observed and predicted risks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import Estimate, Feature, Item, RiskRow, Term
from riskwright.evidence.cut_points import roundest
from riskwright.solvers import Found, Patterns
from riskwright.stats import proportion_interval

__all__ = ["LIMITS", "missing_statement", "ordered_terms", "pattern_totals", "risk_rows"]

MOST_ROWS = 24
LEVEL = 0.95

LIMITS = (
    "Made for the stated outcome and population; check it on local data before use elsewhere.",
    "Describes association: changing an item need not change the risk.",
    "Supports a decision; it does not replace the judgement of whoever is responsible for it.",
)


def pattern_totals(patterns: Patterns, found: Found) -> NDArray[np.float64]:
    """Total points of each pattern."""
    totals = np.zeros(len(patterns))
    for item, points in zip(found.items, found.points, strict=True):
        totals += points * patterns.column(item)
    return totals


def ordered_terms(items: Sequence[Item], owner: Sequence[int], found: Found) -> tuple[Term, ...]:
    """Terms by column as the data have them, thresholds of one column in rising order."""

    def place(pair: tuple[int, int]) -> tuple[int, float, int]:
        item = items[pair[0]]
        edge = item.low if item.low is not None else item.high
        return int(owner[pair[0]]), -np.inf if edge is None else edge, pair[0]

    pairs = sorted(zip(found.items, found.points, strict=True), key=place)
    return tuple(Term(item=items[j], points=points) for j, points in pairs)


def risk_rows(
    totals: NDArray[np.float64],
    positive: NDArray[np.float64],
    negative: NDArray[np.float64],
    predicted: NDArray[np.float64],
    *,
    risk: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    reachable: Sequence[float] | None = None,
    effective_share: float = 1.0,
) -> tuple[RiskRow, ...]:
    """One row for each reachable total, or for bands of about equal weight where they are many.

    Where totals are not known beforehand, since a term multiplies a number, bands meet.
    `risk` maps totals to risks, for rows that no pattern reached. `effective_share` is the
    effective sample size over the sum of weights, for the intervals.
    """
    weight = positive + negative
    values = np.union1d(totals, [] if reachable is None else np.asarray(reachable))
    place = np.searchsorted(values, totals)
    n = np.bincount(place, weights=weight, minlength=len(values))
    band = np.arange(len(values))
    if len(values) > MOST_ROWS:
        middle = (np.cumsum(n) - 0.5 * n) / n.sum()
        band = np.minimum((middle * MOST_ROWS).astype(int), MOST_ROWS - 1)
        band = np.unique(band, return_inverse=True)[1]
    rows = []
    for b in range(int(band.max()) + 1):
        held = np.flatnonzero(band == b)
        member = np.isin(place, held)
        total = float(weight[member].sum())
        events = float(positive[member].sum())
        if total == 0.0:
            ends = float(values[held[0]]), float(values[held[-1]])
            mean = float(risk(values[held]).mean())
            rows.append(
                RiskRow(low=ends[0], high=ends[1], n=0, events=0, observed=None, predicted=mean)
            )
            continue
        low, high = proportion_interval(
            events * effective_share, total * effective_share, LEVEL, "wilson"
        )
        rows.append(
            RiskRow(
                low=float(values[held[0]]),
                high=float(values[held[-1]]),
                n=total,
                events=events,
                observed=Estimate(
                    value=events / total,
                    low=low,
                    high=high,
                    level=LEVEL,
                    n=round(total * effective_share),
                    method="Wilson",
                    name="event rate",
                ),
                predicted=float(weight[member] @ predicted[member] / total),
            )
        )
    if len(values) > MOST_ROWS and reachable is None:
        for b, (row, following) in enumerate(pairwise(rows)):
            edge = roundest(row.high, following.low, 0.5 * (row.high + following.low))
            rows[b] = msgspec.structs.replace(rows[b], high=edge)
            rows[b + 1] = msgspec.structs.replace(following, low=edge)
    return tuple(rows)


def missing_statement(features: Sequence[Feature], terms: Sequence[Term]) -> str:
    """How the card treats missing values of the columns that it uses."""
    used = {term.item.feature for term in terms}
    own = [f.name for f in features if f.name in used and f.missing == "own_level"]
    refused = [f.name for f in features if f.name in used and f.missing == "refused"]
    parts = []
    if own:
        parts.append(f"{', '.join(own)}: a missing value has its own line or counts 0")
    if refused:
        parts.append(f"{', '.join(refused)}: refused")
    if not parts:
        return "none were seen in training; a missing value counts 0 points"
    if len(own) + len(refused) < len(used):
        parts.append("elsewhere none were seen and a missing value counts 0 points")
    return "; ".join(parts)
