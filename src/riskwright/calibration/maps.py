"""What the calibration methods share: a fitted map from score to probability, and its fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from riskwright.core import ParameterError
from riskwright.stats import _kernels

from ._inputs import Floats, ScoredRows

__all__ = ["CalibrationMap", "LogisticCurve"]


@dataclass(frozen=True)
class CalibrationMap(ABC):
    """A fitted map; its fields are numbers and arrays of doubles, and all that is saved."""

    method: ClassVar[str]
    needs_probabilities: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def fit(cls, rows: ScoredRows, *, bins: int) -> Self:
        """Learn from rows of both classes; `DataError` where the method has no answer."""

    @abstractmethod
    def predict(self, score: Floats) -> Floats:
        """Probability in [0, 1] of every score."""

    def interval(self, score: Floats) -> tuple[Floats, Floats]:
        """Lower and upper probability; `ParameterError` where the method has none."""
        raise ParameterError(
            f"the method {self.method} has no interval",
            where="Calibrator.interval",
            hint='Use Calibrator(method="venn-abers")',
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in held.items()
        }

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Self:
        """The map that `to_dict` described."""
        return cls(
            **{
                name: np.asarray(value, dtype=np.float64) if isinstance(value, list) else value
                for name, value in body.items()
            }
        )


@dataclass(frozen=True)
class LogisticCurve:
    """Logistic regression of outcomes on a few columns, (column - shift) * scale each.

    The least of sum w (t softplus(-s) + (1 - t) softplus(s)) over s linear in the columns, where
    t is `low` for y = 0 and `high` for y = 1. Newton's method over all rows, from a start on a part
    of many; two or three passes of O(n). The result does not depend on the number of threads.
    """

    columns: tuple[Floats, ...]
    rows: ScoredRows
    intercept: bool = True
    targets: tuple[float, float] = (0.0, 1.0)
    spread: tuple[float, float] = (0.0, 1.0)

    def fit(self) -> tuple[Floats, bool]:
        """Coefficients (the intercept first) and whether the minimum was reached."""
        coefficients, reached = _kernels.logistic_fit(*self._arguments())
        return coefficients, reached

    def loss(self, coefficients: Floats) -> float:
        """What `fit` minimises."""
        return float(_kernels.logistic_loss(*self._arguments(), coefficients))

    def _arguments(self) -> tuple[Any, ...]:
        weight = np.empty(0) if self.rows.weight is None else self.rows.weight
        columns = [np.ascontiguousarray(column, dtype=np.float64) for column in self.columns]
        y = np.ascontiguousarray(self.rows.y, dtype=np.float64)
        weight = np.ascontiguousarray(weight, dtype=np.float64)
        return columns, y, weight, self.targets, self.spread, self.intercept
