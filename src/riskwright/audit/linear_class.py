"""The class of linear scores that a given score belongs to, for its multiplicity."""

from __future__ import annotations

import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from riskwright.core import ScoreCard
from riskwright.scoring.deployment import score_frame

from .numeric_columns import numeric_columns
from .scored_rows import ScoredRows

__all__ = ["linear_columns"]

Floats = NDArray[np.float64]


def linear_columns(rows: ScoredRows) -> Floats | None:
    """The columns (n, d) that the score adds up, of like scale; None where it is not linear.

    Of a card: its items, 0 or 1, or the number multiplied. Of a linear model with one coefficient
    per feature: the features as numbers, standardised.
    """
    if rows.card is not None:
        return _items(rows.card, rows.inputs)
    model = rows.model
    coefficients = getattr(model, "coef_", None)
    if coefficients is None and hasattr(model, "steps"):
        coefficients = getattr(model.steps[-1][1], "coef_", None)
    if coefficients is None or np.ndim(coefficients) > 2 or np.shape(coefficients)[0] != 1:
        return None
    found = list(numeric_columns(list(rows.inputs)).values())
    if not found:
        return None
    columns = np.column_stack(found)
    standardised: Floats = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    return standardised


def _items(card: ScoreCard, X: pl.DataFrame) -> Floats:
    found = []
    for term in card.terms:
        alone = replace(card, terms=(replace(term, points=1),))
        values = score_frame(alone, X)["points"].cast(pl.Float64).to_numpy()
        scale = np.abs(values).max()
        found.append(values / scale if scale > 1 else values)
    return np.column_stack(found)
