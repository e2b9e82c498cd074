"""Figures by group and intersection, with gaps whose intervals hold together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import Estimate, Finding, ParameterError, Record, ValueRangeError
from riskwright.metrics import GroupRow, GroupTable, group_table
from riskwright.metrics._inputs import checked_rows
from riskwright.stats import normal_quantile
from riskwright.stats._columns import is_number, numbers, refuse, same_length
from riskwright.stats.follow_up import checked_follow_up
from riskwright.stats.survival import check_horizon

from ._estimates import bonferroni_level, difference, no_interval
from .censored_figures import CensoredFigures, Followed
from .group_figures import Figures, PlainFigures, Scored
from .group_sentences import findings_of
from .groupings import Grouping, groupings, reference_codes

__all__ = ["GAP_LIMITS", "MEASURES", "GroupGaps", "group_gaps"]

Floats = NDArray[np.float64]
Measure = str | Callable[..., Any]

MEASURES = ("rate", "fpr", "fnr", "ppv", "auc", "calibration")
NEED_THRESHOLD = ("rate", "fpr", "fnr", "ppv")
GAP_LIMITS = {
    "rate": 0.1,
    "fpr": 0.1,
    "fnr": 0.1,
    "ppv": 0.1,
    "auc": 0.05,
    "calibration": 0.05,
}


class GroupGaps(Record, frozen=True, kw_only=True):
    """One `GroupTable` per measure, in the order asked for, and what they say in words.

    `at` is the threshold of the rates (flagged where score >= at), `horizon` the time of outcomes
    under censoring. All intervals and all gaps of a measure hold together at `level`.
    """

    tables: tuple[GroupTable, ...]
    at: float | None
    reference: str
    level: float
    method: str
    horizon: float | None = None
    findings: tuple[Finding, ...] = ()


def group_gaps(
    y: ArrayLike | None,
    score: ArrayLike,
    groups: ArrayLike | Mapping[str, ArrayLike],
    /,
    *,
    at: float | None = None,
    measures: Sequence[Measure] | None = None,
    reference: str | Mapping[str, str] = "rest",
    depth: int = 2,
    level: float = 0.95,
    min_rows: int = 30,
    min_events: int = 5,
    limits: Mapping[str, float] | None = None,
    sample_weight: ArrayLike | None = None,
    time: ArrayLike | None = None,
    event: ArrayLike | None = None,
    horizon: float | None = None,
) -> GroupGaps:
    """What a score does to every group and intersection of groups, and how far they lie apart.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1; None where `time`, `event` and `horizon` are given
    score : array of shape (n,), higher means riskier
        Probabilities for "calibration", any numbers for the others.
    groups : mapping from column names to arrays of shape (n,), or one such array
        Missing values are a group of their own, "(missing)".
    at : threshold; a row is flagged where score >= at. Needed for the rates.
    measures : of "rate" (share flagged), "fpr" (share flagged of those without the event), "fnr"
        (share not flagged of those with it), "ppv" (share with the event of the flagged), "auc",
        "calibration" (observed minus predicted share of events), and any metric that `group_table`
        takes. By default all of the six that `at` and the scores allow.
    reference : "rest", or a mapping from columns to the value that others are compared with
        All rows outside of the group; or the group with these values, for groupings all of whose
        columns are named (the rest for others).
    depth : most columns joined to intersections; 1 for none.
    level : confidence level of all intervals of a measure together, and of all its gaps together.
    min_rows, min_events : at least 0
        Groups of fewer rows are listed as small, and so, for each measure, are those with fewer
        rows of what it counts: without the event (fpr), with it (fnr), flagged (ppv), of either
        outcome (auc, calibration).
    limits : largest gaps, by measure, that are not grave; `GAP_LIMITS` (0.1 for rates, 0.05 for
        auc and calibration) where not stated.
    sample_weight : array of shape (n,), at least 0
    time, event, horizon : follow-up, 1 for events and 0 for censored rows, and a time above 0
        Figures are then those of the event by the horizon.

    Returns
    -------
    GroupGaps
        Labels are "race = x" and "race = x & sex = y"; an intersection of the same rows as one of
        its groups is left out. Each of the k intervals of a measure has level 1 - (1 - level) / k
        (Bonferroni; groups may overlap), and so has each of the k different gaps (two groups that
        make up all rows mirror each other): Clopper and Pearson's for rates and calibration,
        DeLong's for auc, and square-and-add for gaps. `n` of an estimate counts the rows that it
        is a share of. Findings are the widest proven gap of each measure, grave beyond its limit,
        else its largest gap (low); and `group.none` where none is proven.

        Under censoring risks are Kaplan-Meier's within the flagged and the other rows of a group
        (weighting by the inverse probability of censoring within them), so that censoring may
        depend on group and flag; for auc and calibration it may depend on the group only.

    Raises
    ------
    DataError, TargetError : lengths, missing values, outcomes other than 0 and 1.
    ColumnError : no columns of groups, or groups to compare with that are not there.
    ParameterError : no threshold for a rate, follow-up in part, or a parameter out of range.
    ValueRangeError : calibration of scores that are no probabilities.

    Notes
    -----
    Time O(n log n + n k) for k groups, memory O(n). Clopper & Pearson (1934), Biometrika 26:404;
    Zou & Donner (2008), Statistics in Medicine 27:1693; DeLong et al. (1988), Biometrics 44:837;
    Heagerty, Lumley & Pepe (2000), Biometrics 56:337, for rates under censoring.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> race, p = rng.choice(["a", "b"], 2000), rng.random(2000)
    >>> score = np.clip(p + 0.2 * (race == "b"), 0, 1)
    >>> found = group_gaps(rng.random(2000) < p, score, {"race": race}, at=0.5, measures=["fpr"])
    >>> print(found.findings[0].sentence)
    Of the 525 with race = b who did not have the event, 46% were flagged (41% to 51%); of \
everyone else 21%: 25 points more (19 to 31).
    """
    normal_quantile(level)
    _check_counts(min_rows, min_events)
    asked = _Asked(at, level, min_rows, min_events)
    rows, kept = _rows_of(y, score, at, sample_weight, (time, event, horizon))
    asked_for = _measures(measures, rows, at)
    own = [m for m in asked_for if isinstance(m, str) and m in MEASURES]
    found = groupings(groups, rows.score.size if kept is None else kept.size, kept, depth)
    compared = reference_codes(found, reference)
    if isinstance(rows, Followed):
        order = np.argsort(rows.follow_up.time, kind="stable")
        rows, found = _by_time(rows, order), [_reordered(g, order) for g in found]
        every: list[Figures] = [CensoredFigures(g, rows) for g in found]
    else:
        every = [PlainFigures(g, rows) for g in found]
    named = "rest" if isinstance(reference, str) else _reference_words(reference)
    tables: dict[Measure, GroupTable] = {m: _table(m, every, compared, named, asked) for m in own}
    for metric in (m for m in asked_for if m not in MEASURES):
        if isinstance(rows, Followed) or named != "rest":
            raise ParameterError(
                "a metric of its own",
                where="measures",
                expected="known outcomes and the rest as reference",
                got=str(metric),
            )
        tables[metric] = _foreign(metric, rows, found, asked)
    result = GroupGaps(
        tables=tuple(tables[m] for m in asked_for),
        at=at,
        reference=named,
        level=level,
        method="simultaneous intervals by Bonferroni, measure by measure",
        horizon=None if horizon is None else float(horizon),
    )
    stated = findings_of(result, {**GAP_LIMITS, **(limits or {})})
    return msgspec.structs.replace(result, findings=stated)


@dataclass(frozen=True)
class _Asked:
    at: float | None
    level: float
    min_rows: int
    min_events: int


def _check_counts(min_rows: int, min_events: int) -> None:
    for where, value in (("min_rows", min_rows), ("min_events", min_events)):
        if not isinstance(value, int | np.integer) or value < 0:
            expected = "a whole number of at least 0"
            raise ParameterError("out of range", where=where, expected=expected, got=repr(value))


def _rows_of(
    y: ArrayLike | None,
    score: ArrayLike,
    at: float | None,
    sample_weight: ArrayLike | None,
    follow_up: tuple[ArrayLike | None, ArrayLike | None, float | None],
) -> tuple[Scored | Followed, NDArray[np.bool_] | None]:
    if at is not None and not (is_number(at) and np.isfinite(at)):
        raise ParameterError("not a threshold", where="at", expected="a number", got=repr(at))
    time, event, horizon = follow_up
    if time is None and event is None and horizon is None:
        if y is None:
            raise ParameterError("no outcomes", where="y", expected="y, or time, event, horizon")
        rows = checked_rows(y, score, sample_weight, probabilities=False)
        flagged = None if at is None else rows.p >= at
        return Scored(rows.outcome == 1, rows.p, flagged, rows.weights), rows.kept
    if y is not None or time is None or event is None or horizon is None:
        raise ParameterError(
            "follow-up in part or beside outcomes",
            where="y, time, event, horizon",
            expected="y alone, or None for it and all three others",
        )
    check_horizon(horizon)
    checked = checked_follow_up(time, event, sample_weight)
    values = numbers(score, "score")
    same_length(values, "score", checked.kept.size, "time")
    values = values[checked.kept]
    flagged = None if at is None else values >= at
    return Followed(checked, values, flagged, float(horizon)), checked.kept


def _measures(
    measures: Sequence[Measure] | None, rows: Scored | Followed, at: float | None
) -> list[Measure]:
    outside = (rows.score < 0) | (rows.score > 1)
    if measures is None:
        chosen: list[Measure] = list(MEASURES if at is not None else ("auc", "calibration"))
        return [m for m in chosen if m != "calibration" or not outside.any()]
    if isinstance(measures, str) or not measures:
        expected = "a sequence of " + ", ".join(MEASURES)
        raise ParameterError("no measures", where="measures", expected=expected)
    chosen = list(dict.fromkeys(measures))
    lacking = [m for m in chosen if m in NEED_THRESHOLD]
    if lacking and at is None:
        raise ParameterError(
            "no threshold", where="at", expected=f"a number, for {', '.join(map(str, lacking))}"
        )
    if "calibration" in chosen and outside.any():
        try:
            refuse(outside, "score", "scores that are no probabilities", "values in [0, 1]")
        except ValueRangeError as error:
            error.hint = "Leave calibration out of measures, or calibrate the scores first"
            raise
    return chosen


def _by_time(rows: Followed, order: NDArray[np.intp]) -> Followed:
    flagged = None if rows.flagged is None else rows.flagged[order]
    return Followed(rows.follow_up.rows(order), rows.score[order], flagged, rows.horizon)


def _reordered(grouping: Grouping, order: NDArray[np.intp]) -> Grouping:
    codes = grouping.codes[order]
    return Grouping(grouping.columns, grouping.values, codes, grouping.n, grouping.counted)


def _reference_words(reference: Mapping[str, str]) -> str:
    return ", ".join(
        f"{column} = {value}" if column else value for column, value in reference.items()
    )


def _table(
    measure: str,
    every: list[Figures],
    compared: list[int | None],
    reference: str,
    asked: _Asked,
) -> GroupTable:
    large: list[tuple[Figures, int, int | None]] = []
    small: list[GroupRow] = []
    for figures, code in zip(every, compared, strict=True):
        for g in np.flatnonzero(figures.grouping.counted).tolist():
            if _is_large(measure, figures, g, asked):
                large.append((figures, g, code))
            else:
                small.append(_row(figures, g))
    each = bonferroni_level(asked.level, len(large))
    gaps = bonferroni_level(asked.level, _distinct_gaps(large))
    rows = []
    for figures, g, code in large:
        gap = None if g == code else _gap(measure, figures, g, code, gaps)
        rows.append(_row(figures, g, figures.estimate(measure, g, each), gap))
    return GroupTable(
        metric=measure,
        rows=tuple(rows),
        small=tuple(small),
        reference=reference,
        level=asked.level,
        method=f"each interval at {100 * each:.4g}% (Bonferroni over {len(large)} groups)",
    )


def _distinct_gaps(large: list[tuple[Figures, int, int | None]]) -> int:
    """How many gaps there are: none of a group that holds all rows, one of two that mirror."""
    count, mirrored = 0, set()
    for figures, g, code in large:
        if code is None and len(figures.grouping.values) == 2:
            mirrored.add(figures.grouping.columns)
        elif g != code and len(figures.grouping.values) > 1:
            count += 1
    return count + len(mirrored)


def _is_large(measure: str, figures: Figures, g: int, asked: _Asked) -> bool:
    if figures.grouping.n[g] < max(asked.min_rows, 1):
        return False
    events, others, flagged = figures.counts(g)
    needed = {"rate": asked.min_events, "fpr": others, "fnr": events, "ppv": flagged}
    return needed.get(measure, min(events, others)) >= asked.min_events


def _row(
    figures: Figures, g: int, estimate: Estimate | None = None, gap: Estimate | None = None
) -> GroupRow:
    return GroupRow(
        group=figures.grouping.label(g),
        n=int(figures.grouping.n[g]),
        events=figures.counts(g)[0],
        estimate=estimate,
        gap=gap,
    )


def _gap(measure: str, figures: Figures, g: int, code: int | None, level: float) -> Estimate:
    if code is None and len(figures.grouping.values) == 1:
        return no_interval("gap", 0, level, "no other rows")
    one = figures.estimate(measure, g, level)
    if code is None:
        return difference(one, figures.estimate(measure, g, level, outside=True), level)
    return difference(one, figures.estimate(measure, code, level), level)


def _foreign(metric: Measure, rows: Scored, found: list[Grouping], asked: _Asked) -> GroupTable:
    """Another metric, by `group_table`, with the labels used here."""
    columns = {
        str(k): np.asarray([grouping.label(g) for g in range(len(grouping.values))])[grouping.codes]
        for k, grouping in enumerate(found)
    }
    table = group_table(
        metric,
        rows.y.astype(np.float64),
        rows.score,
        columns,
        sample_weight=rows.weight,
        level=asked.level,
        reference="rest",
        min_rows=asked.min_rows,
        min_events=asked.min_events,
    )
    renamed = [
        [msgspec.structs.replace(row, group=row.group.partition(" = ")[2]) for row in part]
        for part in (table.rows, table.small)
    ]
    return msgspec.structs.replace(table, rows=tuple(renamed[0]), small=tuple(renamed[1]))
