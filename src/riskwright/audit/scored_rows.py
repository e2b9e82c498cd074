"""What is audited: the rows of a table, their scores, and the score as a function if any."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from riskwright.core import (
    ColumnError,
    ParameterError,
    ScoreCard,
    TargetError,
    UsageError,
    ValueRangeError,
    digest_arrays,
)
from riskwright.core.score_digest import score_digest
from riskwright.evidence import Table, read_table
from riskwright.evidence.columns import level_text, nearest, quoted, yes_level
from riskwright.evidence.readers import open_table
from riskwright.evidence.table import read_roles
from riskwright.pipeline import RiskPipeline
from riskwright.scoring.deployment import score_frame

from .plan import AuditPlan
from .score_functions import Predict, ScoreFunction, checked_scores, score_function

__all__ = ["ScoredRows", "feature_frame", "scored_rows"]

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredRows:
    """The table, one score per row, and what is known of the score.

    `y` is 0 or 1, NaN where the outcome was not observed, None without a target; under censoring
    it says whether the event happened by `time`. `predict` gives the scores of any frame like
    `table.X`; None where only scores were given. `inputs` holds what the score was asked with: the
    features, and columns that it reads although they are none here.
    """

    table: Table
    y: Floats | None
    time: Floats | None
    observed: NDArray[np.bool_] | None
    score: Floats
    inputs: pl.DataFrame
    predict: Predict | None
    model: Any
    card: ScoreCard | None
    score_digest: str

    @property
    def groups(self) -> dict[str, NDArray[Any]]:
        return {name: column.to_numpy() for name, column in self.table.groups.items()}

    @property
    def columns(self) -> list[pl.Series]:
        """Features, and the columns of groups that are none."""
        features = set(self.table.X.columns)
        return [*self.table.X, *(g for n, g in self.table.groups.items() if n not in features)]

    def points(self, features: Sequence[str]) -> Floats | None:
        """Points (n, features) that each feature of the card adds above the least it adds for
        anybody here; None without a card."""
        if self.card is None:
            return None
        found = np.zeros((self.table.n, len(features)))
        for j, feature in enumerate(features):
            terms = tuple(term for term in self.card.terms if term.item.feature == feature)
            if terms:
                part = replace(self.card, terms=terms)
                added = score_frame(part, self.inputs)["points"].to_numpy()
                found[:, j] = added - added.min()
        return found

    @property
    def is_decision(self) -> bool:
        """Whether the score says yes (1) or no (0) and nothing between."""
        return bool(np.isin(self.score, (0.0, 1.0)).all())

    @property
    def is_probability(self) -> bool:
        inside = self.score.min() >= 0 and self.score.max() <= 1
        return bool(inside) and not self.is_decision


def scored_rows(model_or_scores: Any, data: Any, plan: AuditPlan) -> ScoredRows:
    """Read the table as the plan says and score it.

    Raises `DataError` or `UsageError` where columns are missing, scores have another length than
    the table, are missing or infinite, or the model fails on the table's features.
    """
    plan = replace(plan, positive=_positive(model_or_scores, data, plan))
    table = _table(data, plan)
    observed = None if plan.observed is None else _flags(data, plan.observed)
    y: Floats | None
    if observed is not None and plan.target is not None:
        y = _partly_observed(data, plan.target, plan.positive, observed)
    else:
        y = None if table.y is None else np.asarray(table.y, dtype=np.float64)
    time = None if plan.time is None else _times(data, plan.time)
    function = score_function(model_or_scores, data, table.positive_label or plan.positive)
    known = {"table": table, "y": y, "time": time, "observed": observed, "model": model_or_scores}
    if function is None:
        score = _given(model_or_scores, data, plan, table.n)
        calibrated = isinstance(model_or_scores, RiskPipeline)
        digest = score_digest(model_or_scores) if calibrated else digest_arrays(score)
        known |= {"card": None, "inputs": table.X}
        return ScoredRows(score=score, predict=None, score_digest=digest, **known)
    inputs, predict = _asked(function, table, data, plan)
    score = function.predict(inputs)
    known |= {"card": function.card, "inputs": inputs}
    return ScoredRows(score=score, predict=predict, score_digest=function.digest(score), **known)


def feature_frame(data: Any, features: Sequence[str]) -> pl.DataFrame:
    """Those of the features that another table, such as the one that the score was learned from,
    has as features too; a table that has none of them is refused."""
    names = data.X.columns if isinstance(data, Table) else open_table(data, None).names
    common = [name for name in features if name in names]
    if features and not common:
        raise ColumnError(
            "the reference table has none of the features of the audited rows",
            where="reference",
            expected=", ".join(features[:12]),
            got=", ".join(quoted(name) for name in names[:12]),
        )
    if isinstance(data, Table):
        return data.X.select(common)
    others = [name for name in names if name not in common]
    X = read_table(data, ignore=others, unusable="set_aside").X
    return X.select(name for name in common if name in X.columns)


def _table(data: Any, plan: AuditPlan) -> Table:
    if isinstance(data, Table):
        absent = [name for name in plan.groups if name not in data.groups]
        if absent:
            raise ColumnError(
                "this table was read without that group",
                where=absent[0],
                expected="read_table(..., groups=[...]) to name it",
            )
        return data
    _check_columns(data, plan)
    target = plan.target if plan.observed is None else None
    others = {plan.score, plan.time, plan.observed, plan.target} - {None, target}
    ignored = dict.fromkeys([*plan.ignore, *sorted(str(name) for name in others)])
    table = read_table(
        data,
        target=target,
        positive=plan.positive if target is not None else None,
        weight=plan.weight,
        ignore=list(ignored),
        unusable="set_aside",
    )
    groups = read_roles(data, groups=plan.groups).groups if plan.groups else {}
    return dataclasses.replace(table, groups=groups)


def _check_columns(data: Any, plan: AuditPlan) -> None:
    """Columns that the plan names must be there, each in one role."""
    names = open_table(data, None).names
    single = {"target": plan.target, "score": plan.score, "weight": plan.weight}
    single |= {"time": plan.time, "observed": plan.observed}
    taken: dict[str, str] = {}
    for role, name in single.items():
        if name is not None and taken.setdefault(name, role) != role:
            raise ParameterError(
                f"column {quoted(name)} cannot be both {taken[name]} and {role}", where=role
            )
    for group in plan.groups:
        if group in taken:
            raise ParameterError(
                f"column {quoted(group)} cannot be both {taken[group]} and a group", where="groups"
            )
    roles = [*((role, n) for role, n in single.items() if n), *(("groups", n) for n in plan.groups)]
    for role, name in [*roles, *(("ignore", n) for n in plan.ignore)]:
        if name not in names:
            raise ColumnError(f"no column {quoted(name)}", where=role, hint=nearest(name, names))


def _positive(model: Any, data: Any, plan: AuditPlan) -> str | None:
    """The label that means yes: as the plan says, else the one that the model was learned with,
    where the outcome has it."""
    card = model.card if isinstance(model, RiskPipeline) else getattr(model, "card_", model)
    label = card.positive_label if isinstance(card, ScoreCard) else ""
    classes = list(getattr(model, "classes_", ()))
    if not label and len(classes) == 2:
        label = level_text(classes[1])
    if plan.positive is not None or plan.target is None or not label or isinstance(data, Table):
        return plan.positive
    column = _columns(data, [plan.target])[plan.target].drop_nulls().unique()
    if column.dtype.is_temporal() or column.dtype.is_nested() or column.dtype == pl.Object:
        return None
    present = {level_text(value).casefold() for value in column.head(10).to_list()}
    return label if label.casefold() in present else None


def _columns(data: Any, names: list[str]) -> dict[str, pl.Series]:
    if isinstance(data, Table):
        raise UsageError(
            "follow-up times and observed columns are read from the file or frame",
            where="data",
            expected="a path or a frame where the plan names time or observed",
        )
    raw = open_table(data, None)
    absent = [name for name in names if name not in raw.names]
    if absent:
        raise ColumnError(
            f"no column {quoted(absent[0])}",
            where=raw.origin.name,
            hint=nearest(absent[0], raw.names),
        )
    return {column.name: column for column in raw.columns(names)}


def _flags(data: Any, name: str) -> NDArray[np.bool_]:
    """A column of yes and no as booleans; all may be yes, but not all no."""
    column = _columns(data, [name])[name]
    if column.null_count() == 0 and column.n_unique() == 1:
        flag = yes_level([level_text(column[0])]) is not None
        if not flag:
            raise TargetError("no outcome was observed", where=name, expected="yes in some rows")
        return np.ones(len(column), dtype=bool)
    try:
        table = read_roles(data, target=name)
    except TargetError as error:
        raise ColumnError(
            "not a column of yes and no", where=name, expected="two labels", got=error.got
        ) from None
    assert table.y is not None
    return np.asarray(table.y, dtype=bool)


def _partly_observed(
    data: Any, target: str, positive: str | None, observed: NDArray[np.bool_]
) -> Floats:
    """Outcomes where they were observed, NaN elsewhere, whatever the table says there."""
    column = pl.DataFrame({target: _columns(data, [target])[target]})
    seen = read_roles(column.filter(pl.Series(observed)), target=target, positive=positive)
    y = np.full(observed.size, np.nan)
    y[observed] = seen.y
    return y


def _times(data: Any, name: str) -> Floats:
    found = _columns(data, [name])[name]
    times = checked_scores(found, found.shape[0], name)
    if times.min() < 0:
        raise ValueRangeError(
            "negative times",
            where=name,
            expected="times of at least 0",
            got=f"{int((times < 0).sum()):,} below 0",
        )
    return times


def _given(scores: Any, data: Any, plan: AuditPlan, n: int) -> Floats:
    """Scores as numbers, or those of a column, calibrated where a pipeline says how."""
    pipeline = scores if isinstance(scores, RiskPipeline) else None
    if scores is None or pipeline is not None:
        if plan.score is None or isinstance(data, Table):
            raise UsageError(
                "which scores?",
                where="the score to audit",
                expected="a model, a function, an array of scores, or the column of scores as "
                "`score` (--score)",
            )
        column = _columns(data, [plan.score])[plan.score]
        found = checked_scores(column, n, plan.score)
        return found if pipeline is None else _calibrated(pipeline, found, data)
    if isinstance(scores, str):
        raise UsageError(
            "a model or scores, not a text",
            where="model_or_scores",
            got=scores,
            hint="riskwright.load(path) reads a saved model; plan.score names a column of scores",
        )
    return checked_scores(scores, n, "scores")


def _calibrated(pipeline: RiskPipeline, scores: Floats, data: Any) -> Floats:
    if pipeline.by is None:
        return pipeline.risk(scores)
    labels = read_roles(data, groups=[pipeline.by]).groups
    return pipeline.risk(scores, {name: column.to_numpy() for name, column in labels.items()})


def _asked(
    function: ScoreFunction, table: Table, data: Any, plan: AuditPlan
) -> tuple[pl.DataFrame, Predict | None]:
    """What to ask for the scores of the rows, and the score as a function of a frame of features.

    Columns that the score reads and that are no features here (constant ones, dates, those that
    the plan ignores) come from the table as it is. Where they vary there is no such function.
    """
    if function.by_place:
        others = _others(function, table, data, plan)
    elif function.reads is not None:
        others = [name for name in function.reads if name not in table.X.columns]
    else:
        constant = [n for n, why in table.set_aside.items() if why.startswith("constant")]
        others = constant
    raw = {} if isinstance(data, Table) or not others else _present(data, others)
    order = function.reads or _order(table, data, raw)

    def completed(frame: pl.DataFrame, added: dict[str, Any]) -> pl.DataFrame:
        whole = frame.with_columns(**added)
        if function.card is not None:
            return whole
        absent = [name for name in order if name not in whole.columns]
        if absent:
            raise ColumnError(
                "the table lacks a column that the model reads",
                where=absent[0],
                expected=", ".join(order[:12]),
            )
        return whole.select(order)

    inputs = completed(table.X, dict(raw))
    if any(column.n_unique() > 1 for column in raw.values()):
        return inputs, None
    fixed = {name: pl.lit(column[0], dtype=column.dtype) for name, column in raw.items()}
    return inputs, lambda frame: function.predict(completed(frame, fixed))


def _others(function: ScoreFunction, table: Table, data: Any, plan: AuditPlan) -> list[str]:
    """Columns set aside that a model fitted to an array counts on at their place."""
    roles = {plan.target, plan.weight, plan.score, plan.time, plan.observed, *plan.ignore}
    aside = [name for name in table.set_aside if name not in roles]
    if function.width in (table.X.width, table.X.width + len(aside)):
        return aside if function.width != table.X.width else []
    raise UsageError(
        "the model was fitted to an array, so that its columns are known by place alone",
        where="model_or_scores",
        expected=f"{function.width} columns",
        got=f"{table.X.width} features in the table"
        + (f", {len(aside)} columns set aside" if aside else ""),
        hint="Fit it to a frame with names, or wrap it in a function of a frame",
    )


def _present(data: Any, names: Sequence[str]) -> dict[str, pl.Series]:
    raw = open_table(data, None)
    return {c.name: c for c in raw.columns([name for name in names if name in raw.names])}


def _order(table: Table, data: Any, raw: dict[str, pl.Series]) -> tuple[str, ...]:
    """The columns at hand in the order of the table."""
    if not raw:
        return tuple(table.X.columns)
    return tuple(n for n in open_table(data, None).names if n in raw or n in table.X.columns)
