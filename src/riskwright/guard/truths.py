"""What labels say of one hazard, as numbers, and the groups that exchanges belong to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, ParameterError
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label

__all__ = ["groups_of", "harm_of", "severities_of", "shares_of"]

Floats = NDArray[np.float64]


def shares_of(labels: Sequence[Label], key: str, *, harmful_from: float | None = None) -> Floats:
    """Per label the share of raters that saw the hazard ("any": any harm), NaN where unknown.

    With `harmful_from`, "any" means a severity of at least that much, where a severity is told.
    """

    def share(label: Label) -> float | None:
        if key != "any":
            return label.hazards.get(key)
        if harmful_from is not None and label.severity is not None:
            return float(label.severity >= harmful_from)
        return label.any

    found = [share(label) for label in labels]
    return np.array([math.nan if value is None else value for value in found], dtype=np.float64)


def harm_of(
    labels: Sequence[Label], key: str, *, harmful_from: float | None = None
) -> NDArray[np.bool_]:
    """Yes or no for every label: what half of the raters or more saw counts as seen.

    Raises `DataError` where a label does not say.
    """
    shares = shares_of(labels, key, harmful_from=harmful_from)
    unknown = np.flatnonzero(np.isnan(shares))
    if unknown.size:
        raise DataError(
            f"labels that do not say whether there is {key} harm"
            if key == "any"
            else f"labels that say nothing of the hazard {key!r}",
            where="labels",
            got=f"{unknown.size:,} of them, the first at place {unknown[0] + 1}",
            hint=None if key == "any" else f'Write "hazards": {{"{key}": 1}} or 0, or go by "any"',
        )
    return np.asarray(shares >= 0.5)


def severities_of(labels: Sequence[Label]) -> Floats:
    """The severities told, NaN where none is."""
    told = (math.nan if y.severity is None else y.severity for y in labels)
    return np.fromiter(told, dtype=np.float64, count=len(labels))


def groups_of(names: Iterable[str], rows: Sequence[Exchange | Score]) -> dict[str, list[str]]:
    """Attribute -> its values, one per row, for budgets "per" one of them.

    Raises `ParameterError` where a row has no such attribute.
    """
    found = {}
    for name in sorted(names):
        found[name] = [row.attributes.get(name, "") for row in rows]
        lacking = sum(not value for value in found[name])
        if lacking:
            raise ParameterError(
                f"a budget holds per {name!r}, which is not an attribute of every exchange",
                where="attributes",
                got=f"{lacking:,} without it",
            )
    return found
