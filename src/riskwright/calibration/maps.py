"""What the calibration methods share: a fitted map from score to probability, and its fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from riskwright.core import ParameterError
from riskwright.stats._kernels import logistic_fit

from ._inputs import Floats, ScoredRows

__all__ = ["CalibrationMap", "fit_logistic"]


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


def fit_logistic(
    columns: list[Floats], positive: Floats, negative: Floats, *, intercept: bool
) -> tuple[Floats, float, bool]:
    """Coefficients (the intercept first), loss and whether the minimum was reached.

    Minimises sum positive softplus(-s) + negative softplus(s) by Newton's method over all rows.
    """
    theta, loss, reached = logistic_fit(
        [np.ascontiguousarray(column) for column in columns], positive, negative, intercept
    )
    return theta, loss, reached
