"""Outcomes at a horizon from censored follow-up, with inverse weights of the censoring."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, ParameterError, Record, TargetError
from riskwright.metrics._inputs import checked_rows

from ._inputs import Floats

__all__ = ["CensoringReport", "horizon_outcomes"]


class CensoringReport(Record, frozen=True, kw_only=True):
    """How censoring was weighed: rows, rows censored before the horizon (weight 0), the largest
    weight before truncation at `max_weight`, the number of truncated weights, and their share of
    the summed weight before truncation that was cut off."""

    horizon: float
    n: int
    n_censored: int
    largest_weight: float
    max_weight: float
    n_truncated: int
    share_cut: float


def horizon_outcomes(
    time: ArrayLike, event: ArrayLike, horizon: float, max_weight: float
) -> tuple[Floats, Floats, CensoringReport]:
    """Outcome "event by the horizon", weight of every row, and what was truncated.

    A row with the event at t <= horizon weighs 1 / G(t-), a row followed to the horizon without
    event 1 / G(horizon-), one censored before it 0; G(t-) is the Kaplan-Meier probability not to be
    censored before t, with events before censorings at equal times. Graf et al. (1999), Statistics
    in Medicine 18:2529.
    """
    if not (np.isfinite(horizon) and horizon > 0):
        raise ParameterError(
            "not a horizon", where="horizon", expected="a number above 0", got=repr(horizon)
        )
    if not max_weight >= 1:
        raise ParameterError(
            "value not allowed", where="max_weight", expected="at least 1", got=repr(max_weight)
        )
    rows = checked_rows(event, time, None, probabilities=False)
    times, happened = rows.p, rows.y > 0
    if times.min() < 0:
        raise DataError("negative times", where="time", expected="at least 0")
    if not (times >= horizon).any():
        raise TargetError(
            "no row is followed to the horizon",
            where="horizon",
            expected=f"at most {times.max():g}, the longest time",
            got=f"{horizon:g}",
        )
    outcome = happened & (times <= horizon)
    known = outcome | (times >= horizon)
    weight = np.where(known, 1.0 / _uncensored(times, happened, np.minimum(times, horizon)), 0.0)
    kept = np.minimum(weight, max_weight)
    report = CensoringReport(
        horizon=float(horizon),
        n=int(times.size),
        n_censored=int((~known).sum()),
        largest_weight=float(weight.max()),
        max_weight=float(max_weight),
        n_truncated=int((weight > max_weight).sum()),
        share_cut=float(1.0 - kept.sum() / weight.sum()),
    )
    return outcome.astype(np.float64), kept, report


def _uncensored(time: Floats, event: NDArray[np.bool_], at: Floats) -> Floats:
    """Kaplan-Meier probability not to be censored before each of `at`."""
    distinct, where = np.unique(time, return_inverse=True)
    events = np.bincount(where, weights=event, minlength=distinct.size)
    censored = np.bincount(where, weights=~event, minlength=distinct.size)
    at_risk = np.cumsum((events + censored)[::-1])[::-1] - events
    steps = 1.0 - np.divide(censored, at_risk, out=np.zeros(distinct.size), where=censored > 0)
    survival = np.append(1.0, np.cumprod(steps))
    return np.asarray(survival[np.searchsorted(distinct, at, side="left")])
