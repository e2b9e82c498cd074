"""The worst slices of a table: exact, corrected for the search, in plain words."""

from __future__ import annotations

from riskwright.core import Estimate, Finding, Record

__all__ = ["Slice", "Slices"]


class Slice(Record, frozen=True, kw_only=True):
    """Rows that meet all `conditions` (column, value in words), and how much worse they fare.

    `loss` is the mean loss inside, `gap` inside minus outside, `p_value` corrected for every slice
    examined; `confirmed` is the gap on rows that took no part in the search.
    """

    conditions: tuple[tuple[str, str], ...]
    words: str
    n: int
    share: float
    score: float
    loss: Estimate
    gap: Estimate
    p_value: float
    confirmed: Estimate | None = None


class Slices(Record, frozen=True, kw_only=True):
    """The worst slices, worst first, none of them implied by another."""

    slices: tuple[Slice, ...]
    loss_name: str
    baseline: Estimate
    n: int
    columns: tuple[str, ...]
    depth: int
    examined: int
    min_rows: int
    level: float
    method: str
    findings: tuple[Finding, ...] = ()
