"""A `predict` callable asked about many points: in blocks, each distinct point once, answers
checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, MissingValueError, ParameterError
from riskwright.stats._columns import length_error

from .reachable import ReachableSets

__all__ = ["Decisions"]

Indices = NDArray[np.intp]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
_CELLS = 2**23


class Decisions:
    """Whether `predict` gives `target`, for points of reachable sets."""

    def __init__(
        self,
        predict: Callable[[Any], Any],
        target: Any,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        if not callable(predict):
            raise ParameterError(
                "not a function",
                where="predict",
                expected="a callable of a table like X",
                got=type(predict).__name__,
                hint="Pass model.predict, not the model",
            )
        self.predict, self.target, self.progress = predict, target, progress
        self.n_points = 0
        self.target_seen = False
        self.others: set[str] = set()

    def __call__(self, table: Any, n: int) -> Bools:
        """For each of the `n` rows of a table whether the decision is the target."""
        given = self.predict(table)
        answers = np.asarray(given.to_numpy() if hasattr(given, "to_numpy") else given)
        if answers.ndim != 1:
            raise DataError(
                "not one decision per row",
                where="predict",
                expected="one axis",
                got=f"an array of shape {answers.shape}",
                hint="Return decisions, not class probabilities",
            )
        if len(answers) != n:
            raise length_error("predict", len(answers), n, "its input")
        if answers.dtype.kind == "f" and np.isnan(answers).any():
            raise MissingValueError("missing decisions", where="predict")
        reached = np.asarray(answers == self.target)
        if reached.shape != (n,):
            reached = np.zeros(n, dtype=bool)
        self.target_seen |= bool(reached.any())
        if len(self.others) < 5 and not reached.all():
            self.others.update(str(a)[:20] for a in answers[~reached][:1000].tolist()[:5])
        self.n_points += n
        return reached.astype(bool)

    def of(self, sets: ReachableSets, whom: Indices, options: Indices) -> Bools:
        """For points given as rows of `listed` for each part."""
        hashes = sets.hashes[whom]
        for p, part in enumerate(sets.parts):
            hashes = hashes - part.start_hashes[part.start_of[whom]] + part.hashes[options[:, p]]
        _, first, back = np.unique(hashes, return_index=True, return_inverse=True)
        return self.in_blocks(sets, whom[first], lambda b: sets.values(options[first[b]]))[back]

    def in_blocks(
        self, sets: ReachableSets, whom: Indices, values: Callable[[slice], Floats]
    ) -> Bools:
        """For points given as values of the columns that can move, made block by block."""
        size = int(np.clip(_CELLS // len(sets.people.names), 2**12, 2**18))
        reached = np.zeros(len(whom), dtype=bool)
        for start in range(0, len(whom), size):
            block = slice(start, min(start + size, len(whom)))
            index = sets.rows[whom[block]]
            table = sets.people.rows(index, sets.columns.tolist(), values(block))
            reached[block] = self(table, block.stop - start)
            if self.progress is not None:
                self.progress(block.stop, len(whom))
        return reached
