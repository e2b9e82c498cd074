"""What is audited: the rows of a table, their scores, and the score as a function if any."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from riskwright.core import (
    ColumnError,
    ParameterError,
    RiskwrightError,
    ScoreCard,
    UsageError,
    digest_arrays,
)
from riskwright.core.score_digest import score_digest
from riskwright.evidence import Table, read_table
from riskwright.evidence.readers import open_table
from riskwright.evidence.table import read_roles
from riskwright.pipeline import RiskPipeline
from riskwright.scoring.deployment import score_frame

from .plan import AuditPlan

__all__ = ["Predict", "ScoredRows", "feature_frame", "scored_rows"]

Floats = NDArray[np.float64]
Predict = Callable[[pl.DataFrame], Floats]


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredRows:
    """The table, one score per row, and what is known of the score.

    `y` is 0 or 1, NaN where the outcome was not observed, None without a target; under censoring
    it says whether the event happened by `time`. `predict` gives the scores of any frame like
    `table.X`; None where only scores were given.
    """

    table: Table
    y: Floats | None
    time: Floats | None
    observed: NDArray[np.bool_] | None
    score: Floats
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
                added = score_frame(part, self.table.X)["points"].to_numpy()
                found[:, j] = added - added.min()
        return found

    @property
    def is_probability(self) -> bool:
        return bool(self.score.min() >= 0 and self.score.max() <= 1)


def scored_rows(model_or_scores: Any, data: Any, plan: AuditPlan) -> ScoredRows:
    """Read the table as the plan says and score it.

    Raises `DataError` or `UsageError` where columns are missing, scores have another length than
    the table, are missing or infinite, or the model fails on the table's features.
    """
    table = _table(data, plan)
    observed = None if plan.observed is None else _flags(data, plan.observed)
    y: Floats | None
    if observed is not None and plan.target is not None:
        y = _partly_observed(data, plan.target, plan.positive, observed)
    else:
        y = None if table.y is None else np.asarray(table.y, dtype=np.float64)
    time = None if plan.time is None else _times(data, plan.time)
    model, card, predict = _model(model_or_scores)
    if predict is None:
        score = _given(model_or_scores, data, plan, table.n)
        digest = digest_arrays(score)
    else:
        score = _checked(_asked(predict, table.X), table.n, "the model's scores")
        digest = _model_digest(model, score)
    return ScoredRows(table, y, time, observed, score, predict, model, card, digest)


def feature_frame(data: Any, plan: AuditPlan, features: Sequence[str]) -> pl.DataFrame:
    """The named features of another table, such as the one that the score was learned from."""
    if isinstance(data, Table):
        X = data.X
    else:
        names = open_table(data, None).names
        others = [name for name in names if name not in features]
        X = read_table(data, ignore=others).X
    absent = [name for name in features if name not in X.columns]
    if absent:
        raise ColumnError(
            "the reference table lacks a feature of the audited rows",
            where="reference",
            expected=", ".join(features[:12]),
            got=f"no usable column {absent[0]!r}",
        )
    return X.select(features)


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
    others = [plan.score, plan.time, plan.observed]
    target = plan.target if plan.observed is None else None
    ignored = {name for name in (*others, plan.target) if name not in (None, target)}
    if plan.score is not None and not isinstance(data, str | os.PathLike):
        ignored &= set(open_table(data, None).names)
    roles: dict[str, Any] = {
        "target": target,
        "positive": plan.positive if target is not None else None,
        "weight": plan.weight,
        "ignore": list(dict.fromkeys([*plan.ignore, *sorted(map(str, ignored))])),
    }
    table = read_table(data, **roles)
    if not plan.groups:
        return table
    return dataclasses.replace(table, groups=read_table(data, groups=plan.groups, **roles).groups)


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
        raise ColumnError("no such column", where=absent[0], expected=", ".join(raw.names[:12]))
    return {column.name: column for column in raw.columns(names)}


def _flags(data: Any, name: str) -> NDArray[np.bool_]:
    """A column of yes and no as booleans."""
    _columns(data, [name])
    table = read_roles(data, target=name)
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
    return _checked(found, found.shape[0], name)


def _model(model: Any) -> tuple[Any, ScoreCard | None, Predict | None]:
    """The model, its card, and its scores as a function of a frame."""
    if isinstance(model, RiskPipeline):
        if model.card is None:
            raise UsageError(
                "this pipeline reads scores, not rows",
                where="model",
                expected="a pipeline with a card, a model, or scores",
            )
        card = model.card
        return model, card, lambda frame: model.risk(_risk(card, frame))
    if isinstance(model, ScoreCard):
        return model, model, lambda frame: _risk(model, frame)
    if hasattr(model, "predict_proba"):
        return model, getattr(model, "card_", None), lambda frame: _probability(model, frame)
    if callable(model):
        return model, None, lambda frame: np.asarray(model(frame), dtype=np.float64)
    return None, None, None


def _risk(card: ScoreCard, frame: pl.DataFrame) -> Floats:
    if card.score_class == "scoring_system":
        return score_frame(card, frame)["predicted"].cast(pl.Float64).to_numpy()
    return score_frame(card, frame)["risk"].to_numpy()


def _asked(predict: Predict, frame: pl.DataFrame) -> Any:
    """The scores of a model that is not ours to trust: its complaint becomes ours."""
    try:
        return predict(frame)
    except RiskwrightError:
        raise
    except Exception as error:
        raise UsageError(
            "the model cannot score the rows of the table",
            where="model_or_scores",
            expected="a model that takes a frame of its features",
            got=f"{type(error).__name__}: {' '.join(str(error).split())[:160]}",
            hint="Wrap it in a function that takes a polars frame of the table's features",
        ) from error


def _probability(model: Any, frame: pl.DataFrame) -> Floats:
    found = np.asarray(model.predict_proba(frame), dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != 2:
        raise ParameterError(
            "only scores of one yes-or-no outcome can be audited",
            where="model.predict_proba",
            expected="two columns",
            got=f"an array of shape {found.shape}",
        )
    return found[:, 1]


def _given(scores: Any, data: Any, plan: AuditPlan, n: int) -> Floats:
    if scores is None:
        if plan.score is None or isinstance(data, Table):
            raise UsageError(
                "which scores?",
                where="model_or_scores",
                expected="a model, a callable, an array of scores, or the plan's column of scores",
            )
        return _checked(_columns(data, [plan.score])[plan.score], n, plan.score)
    if isinstance(scores, str):
        raise UsageError(
            "a model or scores, not a text",
            where="model_or_scores",
            got=scores,
            hint="riskwright.load(path) reads a saved model; plan.score names a column of scores",
        )
    return _checked(scores, n, "scores")


def _checked(values: Any, n: int, where: str) -> Floats:
    try:
        score = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ColumnError("scores that are not numbers", where=where) from None
    if score.shape != (n,):
        raise ColumnError(
            "scores and rows do not match",
            where=where,
            expected=f"{n:,} scores, one per row",
            got=f"an array of shape {score.shape}",
        )
    wrong = ~np.isfinite(score)
    if wrong.any():
        rows = ", ".join(str(row + 1) for row in np.flatnonzero(wrong)[:5])
        raise ColumnError(
            "scores that are missing or infinite",
            where=where,
            expected="a finite number in every row",
            got=f"{int(wrong.sum()):,} of {n:,}, first in row {rows} (rows count from 1)",
        )
    return score


def _model_digest(model: Any, score: Floats) -> str:
    """Of what the model computes where that can be read, else of its scores on these rows."""
    try:
        return score_digest(model)
    except ParameterError:
        return digest_arrays(score)
