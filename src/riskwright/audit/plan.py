"""What an audit is told beforehand: roles of columns, the operating point, what to look at."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from riskwright.core import ParameterError, Record
from riskwright.core.documents import read_record

__all__ = ["PARTS", "AuditPlan", "Described", "load_plan"]

PARTS = (
    "evaluation",
    "groups",
    "slices",
    "multiplicity",
    "responsiveness",
    "distillation",
    "selective_labels",
    "familiarity",
    "data",
)


class Described(Record, frozen=True, kw_only=True):
    """What a score is, in the words of whoever answers for it; "" where nobody said."""

    title: str = ""
    outcome: str = ""
    population: str = ""
    horizon: str = ""
    not_for: tuple[str, ...] = ()
    version: str = ""
    date: str = ""
    owner: str = ""
    contact: str = ""
    period: str = ""
    limits: tuple[str, ...] = ()


class AuditPlan(Described, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan of an audit; everything has a default, a YAML file may state it.

    Attributes
    ----------
    title, outcome, population, horizon, not_for, version, date, owner, contact, period, limits :
        sentences and words for the page.
    target, positive, weight : outcome column, its label that means yes, column of row weights.
    groups : columns of groups; they and their intersections are compared with all others.
    ignore : columns to leave out.
    score : column that holds the scores, where no model is given.
    threshold : the score from which a person is flagged.
    time, horizon_time : column of follow-up times, and the time at which outcomes count; the
        target then says whether the event happened (censored follow-up).
    observed : column that says whether the outcome was observed (selective labels).
    prevalence : known share of events in the whole population, for selective labels.
    expertise : the only columns that may have moved the testing beyond the risk itself.
    actions : what people can change, as `riskwright.explanation.Actions.from_mapping` reads it.
    tolerances : of multiplicity: "noise", a share of the loss such as "1%", or a number.
    depth : most conditions that describe a slice.
    min_rows : smallest group that gets figures.
    skip : parts not to run, of `PARTS`.
    level : confidence of all intervals.
    seed : of every draw.
    """

    target: str | None = None
    positive: str | None = None
    weight: str | None = None
    groups: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    score: str | None = None
    threshold: float | None = None
    time: str | None = None
    horizon_time: float | None = None
    observed: str | None = None
    prevalence: float | None = None
    expertise: tuple[str, ...] | None = None
    actions: dict[str, Any] | None = None
    tolerances: tuple[str | float, ...] = ("noise", "1%")
    depth: int = 3
    min_rows: int = 30
    skip: tuple[str, ...] = ()
    level: float = 0.95
    seed: int = 0


def load_plan(
    source: AuditPlan | Mapping[str, Any] | str | os.PathLike[str] | None = None, **stated: Any
) -> AuditPlan:
    """An `AuditPlan` from a YAML or JSON file or plain values; `stated` goes before them.

    Raises
    ------
    ParameterError : names the file and the key, and the nearest known key.

    Examples
    --------
    >>> load_plan({"groups": ["sex"]}, threshold=0.2).threshold
    0.2
    """
    plan = source if isinstance(source, AuditPlan) else read_record(source or {}, AuditPlan, "plan")
    if stated:
        plan = read_record({**asdict(plan), **stated}, AuditPlan, "plan")
    unknown = [name for name in plan.skip if name not in PARTS]
    if unknown:
        raise ParameterError(
            "no such part of an audit", where="skip", expected=", ".join(PARTS), got=unknown[0]
        )
    if (plan.time is None) != (plan.horizon_time is None):
        raise ParameterError(
            "censored outcomes need both a column of times and a horizon",
            where="time, horizon_time",
            hint="State both, or neither",
        )
    _check_numbers(plan)
    return plan


def _check_numbers(plan: AuditPlan) -> None:
    for name in ("threshold", "horizon_time", "prevalence"):
        value = getattr(plan, name)
        if value is not None and not math.isfinite(value):
            raise ParameterError("not a number", where=name, got=str(value))
    if not 1 <= plan.depth <= 6:
        raise ParameterError(
            "out of range", where="depth", expected="from 1 to 6", got=str(plan.depth)
        )
    if plan.prevalence is not None and not 0 < plan.prevalence < 1:
        raise ParameterError(
            "out of range", where="prevalence", expected="inside (0, 1)", got=str(plan.prevalence)
        )
    if plan.min_rows < 1:
        raise ParameterError(
            "out of range", where="min_rows", expected="at least 1", got=str(plan.min_rows)
        )
    if not 0 < plan.level < 1:
        raise ParameterError(
            "not a confidence level", where="level", expected="inside (0, 1)", got=str(plan.level)
        )
