"""A score as a function of a frame: cards, pipelines, models and functions of any make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
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
from riskwright.evidence.columns import Origin, canonical, level_text
from riskwright.pipeline import RiskPipeline
from riskwright.scoring.deployment import score_frame

__all__ = ["Predict", "ScoreFunction", "checked_scores", "score_function"]

Floats = NDArray[np.float64]
Predict = Callable[[pl.DataFrame], Floats]


@dataclass(frozen=True, eq=False)
class ScoreFunction:
    """A score that can be asked for any frame.

    `reads` names the columns that it needs, None where that is not known; `by_place` that it
    takes columns by their place, as a model fitted to an array does.
    """

    model: Any
    card: ScoreCard | None
    ask: Predict
    reads: tuple[str, ...] | None = None
    by_place: bool = False

    @property
    def width(self) -> int | None:
        """How many columns the model was fitted to, where it says so."""
        found = getattr(self.model, "n_features_in_", None)
        return None if found is None else int(found)

    def predict(self, frame: pl.DataFrame) -> Floats:
        """One finite score per row; a model's complaint becomes ours."""
        return checked_scores(self._asked(frame), frame.height, "the model's scores")

    def _asked(self, frame: pl.DataFrame) -> Any:
        try:
            return self.ask(frame)
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

    def digest(self, score: Floats) -> str:
        """Of what the model computes where that can be read, else of its scores on these rows."""
        try:
            return score_digest(self.model)
        except ParameterError:
            return digest_arrays(score)


def score_function(model: Any, data: Any, positive: str | None) -> ScoreFunction | None:
    """The score as a function; None for scores as numbers, and for pipelines without a card.

    `data` tells in which kind of frame a model of another make likes its rows, `positive` which of
    its classes is the outcome (by default the second).
    """
    if isinstance(model, RiskPipeline):
        return None if model.card is None else _of_pipeline(model, model.card)
    card = model if isinstance(model, ScoreCard) else getattr(model, "card_", None)
    if isinstance(card, ScoreCard):
        reads = tuple(dict.fromkeys(term.item.feature for term in card.terms))
        return ScoreFunction(model, card, lambda frame: _risk(card, frame), reads)
    if hasattr(model, "predict_proba"):
        place = _column_of(model, positive)
        names = getattr(model, "feature_names_in_", None)
        by_place = names is None and hasattr(model, "n_features_in_")

        def ask(frame: pl.DataFrame) -> Floats:
            rows = _widened(frame).to_numpy() if by_place else _framed(frame, data)
            return _probability(model, rows, place)

        known = None if names is None else tuple(str(name) for name in names)
        return ScoreFunction(model, None, ask, known, by_place)
    if callable(model):
        return ScoreFunction(model, None, lambda frame: model(_widened(frame)))
    return None


def _of_pipeline(pipeline: RiskPipeline, card: ScoreCard) -> ScoreFunction:
    reads = dict.fromkeys(term.item.feature for term in card.terms)
    by = pipeline.by

    def ask(frame: pl.DataFrame) -> Floats:
        labels = None
        if by is not None:
            labels = {by: canonical(frame[by], Origin("frame"), as_text=True).to_numpy()}
        return pipeline.risk(_risk(card, frame), labels)

    names = (*reads, *(() if by is None or by in reads else (by,)))
    return ScoreFunction(pipeline, card, ask, names)


def _risk(card: ScoreCard, frame: pl.DataFrame) -> Floats:
    wanted = list(dict.fromkeys(term.item.feature for term in card.terms))
    part = frame.select(name for name in wanted if name in frame.columns)
    if not part.width:
        part = pl.DataFrame({"row": range(frame.height)})
    found = score_frame(card, part, source="the table")
    if card.score_class == "scoring_system":
        return found["predicted"].cast(pl.Float64).to_numpy()
    return found["risk"].to_numpy()


def _column_of(model: Any, positive: str | None) -> int:
    """The column of `predict_proba` that is about the positive label."""
    classes = [level_text(label) for label in getattr(model, "classes_", ())]
    if len(classes) == 2 and positive is not None:
        same = [k for k, label in enumerate(classes) if label.casefold() == positive.casefold()]
        return same[0] if len(same) == 1 else 1
    return 1


def _probability(model: Any, frame: Any, place: int) -> Floats:
    found = np.asarray(model.predict_proba(frame), dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != 2:
        raise ParameterError(
            "only scores of one yes-or-no outcome can be audited",
            where="model.predict_proba",
            expected="two columns",
            got=f"an array of shape {found.shape}",
        )
    return found[:, place]


def _widened(frame: pl.DataFrame) -> pl.DataFrame:
    """Whole numbers in 64 bits, so that the arithmetic of others does not overflow."""
    return frame.with_columns(pl.selectors.integer().cast(pl.Int64))


def _framed(frame: pl.DataFrame, data: Any) -> Any:
    """The rows as a frame of the kind in which the data came: pandas stays pandas."""
    wide = _widened(frame)
    if type(data).__module__.partition(".")[0] != "pandas":
        return wide
    return type(data)({name: wide[name].to_numpy() for name in wide.columns})


def checked_scores(values: Any, n: int, where: str) -> Floats:
    """Numbers, finite, one per row; `ColumnError` says which are not."""
    try:
        score = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ColumnError("not numbers", where=where, expected="a number in every row") from None
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
