"""The rules on points as rows of a mixed-integer program, shared by whoever needs to solve one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .constraints import ItemRules

__all__ = ["IntegerProgram", "Row", "integer_program"]

Row = tuple[dict[int, float], float, float]


@dataclass
class IntegerProgram:
    """Integer columns with their bounds, and rows low <= sum of coefficient * column <= high.

    Column j < n_items is the points of item j; `plus[j]` and `minus[j]` are the columns that are 1
    where these are positive or negative (None: never), so an item is used where their sum is 1.
    """

    n_items: int
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    plus: list[int | None] = field(default_factory=list)
    minus: list[int | None] = field(default_factory=list)
    feature_column: dict[int, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def used(self, item: int) -> dict[int, float]:
        """Coefficients of the sum that is 1 where the item is used and 0 elsewhere."""
        return {c: 1.0 for c in (self.plus[item], self.minus[item]) if c is not None}

    def add_column(self, low: float, high: float) -> int:
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def has_solution(self) -> bool:
        """Is there any integer solution? Raises nothing; undecided counts as yes."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        matrix = np.zeros((len(self.rows), len(self.low)))
        for row, (coefficients, _, _) in zip(matrix, self.rows, strict=True):
            row[list(coefficients)] = list(coefficients.values())
        result = milp(
            np.zeros(len(self.low)),
            integrality=np.ones(len(self.low)),
            bounds=Bounds(self.low, self.high),
            constraints=LinearConstraint(
                matrix, [low for _, low, _ in self.rows], [high for _, _, high in self.rows]
            ),
            options={"time_limit": 10.0},
        )
        return int(result.status) != 2


def integer_program(
    rules: ItemRules, max_terms: int, max_features: int | None = None
) -> IntegerProgram:
    """Exactly the points that the rules allow: 0, or within their range where an item is used."""
    program = IntegerProgram(len(rules.low))
    for low, high in zip(rules.low, rules.high, strict=True):
        program.add_column(min(0.0, math.ceil(low)), max(0.0, math.floor(high)))
    for j in range(program.n_items):
        _add_signs(program, j, math.ceil(rules.low[j]), math.floor(rules.high[j]))
    items = range(program.n_items)
    program.rows.append((_sum(program, items), -math.inf, float(max_terms)))
    if max_features is not None:
        _limit_features(program, rules.feature, max_features)
    for group in rules.required:
        program.rows.append((_sum(program, group), 1.0, math.inf))
    for group, most in rules.at_most:
        program.rows.append((_sum(program, group), -math.inf, float(most)))
    for first, group in rules.if_then:
        if first not in group:
            needed = _sum(program, group)
            needed.update(dict.fromkeys(program.used(first), -1.0))
            program.rows.append((needed, 0.0, math.inf))
    for limit in rules.linear:
        program.rows.append(
            (dict(zip(limit.items, limit.coefficients, strict=True)), *limit.relaxed())
        )
    return program


def _add_signs(program: IntegerProgram, j: int, low: int, high: int) -> None:
    plus = program.add_column(0, 1) if high >= max(1, low) else None
    minus = program.add_column(0, 1) if low <= min(-1, high) else None
    program.plus.append(plus)
    program.minus.append(minus)
    at_most, at_least = {j: 1.0}, {j: 1.0}
    if plus is not None:
        at_most[plus], at_least[plus] = -high, -max(1, low)
    if minus is not None:
        at_most[minus], at_least[minus] = -min(-1, high), -low
    program.rows.append((at_most, -math.inf, 0.0))
    program.rows.append((at_least, 0.0, math.inf))
    if plus is not None and minus is not None:
        program.rows.append(({plus: 1.0, minus: 1.0}, -math.inf, 1.0))


def _limit_features(program: IntegerProgram, feature: tuple[int, ...], most: int) -> None:
    column = {owner: program.add_column(0, 1) for owner in sorted(set(feature))}
    program.feature_column.update(column)
    for j, owner in enumerate(feature):
        program.rows.append(({column[owner]: -1.0, **program.used(j)}, -math.inf, 0.0))
    program.rows.append((dict.fromkeys(column.values(), 1.0), -math.inf, float(most)))


def _sum(program: IntegerProgram, items: range | tuple[int, ...]) -> dict[int, float]:
    return {c: one for j in items for c, one in program.used(j).items()}
