"""The mixed-integer program that SCIP solves, and the plug-ins that hold its loss column up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyscipopt import (  # type: ignore[attr-defined, unused-ignore]
    SCIP_HEURTIMING,
    SCIP_LOCKTYPE,
    SCIP_RESULT,
    Conshdlr,
    Heur,
    Model,
    quicksum,
)
from scipy.optimize import minimize

from .integer_program import integer_program
from .scip import DUAL_FEASIBILITY, ENFORCEMENT, SCALE, ScoreBook, scip_margin

__all__ = ["CardModel"]

Floats = NDArray[np.float64]

_SEPARATION = 1e-5  # loss below its tangent that is worth a cut where points are fractional
_TINY = 1e-12
_STEPS = 12
_MOST_EVALUATIONS = 100


class CardModel:
    """minimise loss + penalty * terms, with columns for points, their signs, intercept and loss.

    Class "unit": the effects on the log-odds are the points. Class "free": they are real columns
    that equal slope * points, which SCIP branches on where it has to.
    """

    def __init__(self, book: ScoreBook, feasibility: float) -> None:
        self.book, self.problem = book, book.problem
        problem = book.problem
        self.program = integer_program(problem.rules, problem.max_terms, problem.max_features)
        self.margin = scip_margin(problem, feasibility)
        self.failure: BaseException | None = None
        self.bound = 0.0
        self.finished = self.interrupted = self.out_of_time = self.unsolvable = False
        self.nodes = 0
        self.model = Model("card")
        self.model.hideOutput()
        self._set_parameters(feasibility)
        self._add_columns()
        self._add_effects()
        self.core = self._relax()
        self._add_plugins()
        if book.best is not None:
            solution = self.model.createSol()
            self.fill(solution)
            self.model.addSol(solution)

    def limit(self, *, seconds: float, gap: float, nodes: int | None) -> None:
        if math.isfinite(seconds):
            self.model.setParam("limits/time", min(seconds, 1e19))
        self.model.setParam("limits/gap", 0.99 * gap)
        if nodes is not None:
            self.model.setParam("limits/totalnodes", nodes)

    def interrupt(self) -> None:
        self.model.interruptSolve()

    def solve(self) -> None:
        try:
            self.model.optimizeNogil()
            status = self.model.getStatus()
            self.note_bound()
            self.nodes = int(self.model.getNTotalNodes())
        except BaseException as error:
            self.unsolvable = self.failure is None and "LP solver" in str(error)
            if not self.unsolvable:
                self.failure = self.failure or error
            return
        self.finished = status in ("optimal", "infeasible")
        self.interrupted = status == "userinterrupt"
        self.out_of_time = status == "timelimit"
        if status == "infeasible":
            self.bound = math.inf

    def fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.model.interruptSolve()

    def note_bound(self) -> None:
        dual = self.model.getDualbound()
        if abs(dual) < self.model.infinity():
            self.bound = max(self.bound, dual / SCALE - self.margin)

    def fill(self, solution: Any) -> None:
        """Set the best score's values."""
        best = self.book.best
        assert best is not None
        values = np.zeros(len(self.columns))
        for j, points in zip(best.items, best.points, strict=True):
            values[j] = points
            sign = self.program.plus[j] if points > 0 else self.program.minus[j]
            assert sign is not None
            values[sign] = 1.0
            owner = self.program.feature_column.get(self.problem.rules.feature[j])
            if owner is not None:
                values[owner] = 1.0
        for column, value in zip(self.columns, values, strict=True):
            self.model.setSolVal(solution, column, value)
        self.model.setSolVal(solution, self.intercept, best.intercept)
        self.model.setSolVal(solution, self.loss, SCALE * best.loss)
        if self.slope is not None:
            slope = min(max(best.slope, self.problem.min_slope), self.problem.max_log_odds)
            self.model.setSolVal(solution, self.slope, slope)
            for j, effect in enumerate(self.effects):
                self.model.setSolVal(solution, effect, slope * values[j])

    def at(self, solution: Any) -> tuple[Floats, float]:
        """(intercept, effects) and loss in a solution; None is the relaxation's."""
        value = self.model.getSolVal
        place = np.array([value(solution, c) for c in (self.intercept, *self.effects)])
        return place, value(solution, self.loss) / SCALE

    def points(self, solution: Any) -> Floats:
        value = self.model.getSolVal
        return np.array([value(solution, c) for c in self.columns[: self.program.n_items]])

    def cut(self, at: Floats, value: float, gradient: Floats) -> None:
        """Add loss >= value + gradient @ (x - at) for all x within the bounds."""
        keep = np.abs(gradient) > _TINY
        lost = np.abs(gradient[~keep]) @ self._width[~keep]
        low = SCALE * (value - gradient[keep] @ at[keep] - lost)
        row = self.model.createEmptyRowUnspec("tangent", lhs=low, rhs=None, local=False)
        self.model.cacheRowExtensions(row)
        self.model.addVarToRow(row, self.loss, 1.0)
        for a in np.flatnonzero(keep):
            self.model.addVarToRow(row, self._place[a], -SCALE * gradient[a])
        self.model.flushRowExtensions(row)
        self.model.addCut(row, forcecut=True)
        self.model.addPoolCut(row)
        self.model.releaseRow(row)

    def _set_parameters(self, feasibility: float) -> None:
        self.model.setParams(
            {
                "numerics/feastol": feasibility,
                "numerics/dualfeastol": DUAL_FEASIBILITY,
                "misc/catchctrlc": False,
                "misc/usesymmetry": 0,
                "misc/allowstrongdualreds": False,
                "misc/allowweakdualreds": False,
            }
        )

    def _add_columns(self) -> None:
        model, program, problem = self.model, self.program, self.problem
        self.columns = [
            model.addVar(f"x{c}", vtype="B" if (low, high) == (0, 1) else "I", lb=low, ub=high)
            for c, (low, high) in enumerate(zip(program.low, program.high, strict=True))
        ]
        for coefficients, low, high in program.rows:
            if not coefficients and low <= 0.0 <= high:
                continue
            total = quicksum(c * self.columns[j] for j, c in coefficients.items())
            if low > -math.inf:
                model.addCons(total >= low)
            if high < math.inf:
                model.addCons(total <= high)
        low, high = problem.rules.intercept
        if problem.unit:
            low, high = math.ceil(low), math.floor(high)
        self.intercept = model.addVar(
            "intercept", vtype="I" if problem.unit else "C", lb=low, ub=high
        )
        self.loss = model.addVar("loss", lb=0.0)
        signs = [c for j in range(program.n_items) for c in program.used(j)]
        model.setObjective(
            self.loss + quicksum(SCALE * problem.penalty * self.columns[c] for c in signs)
        )

    def _add_effects(self) -> None:
        model, program, limit = self.model, self.program, self.problem.max_log_odds
        points = self.columns[: program.n_items]
        self.slope: Any = None
        if self.problem.unit:
            self.effects = points
        else:
            self.slope = model.addVar("slope", lb=self.problem.min_slope, ub=limit)
            self.effects = [
                model.addVar(f"w{j}", lb=-limit * (low < 0), ub=limit * (high > 0))
                for j, (low, high) in enumerate(zip(program.low, program.high, strict=True))
                if j < program.n_items
            ]
            for j, effect in enumerate(self.effects):
                self._tie(j, effect)
        self._place = [self.intercept, *self.effects]
        self._width = np.array([v.getUbOriginal() - v.getLbOriginal() for v in self._place])

    def _relax(self) -> Floats:
        """The least loss over the box, which gives the first bound and steadies the cuts."""
        low = np.array([v.getLbOriginal() for v in self._place])
        high = np.array([v.getUbOriginal() for v in self._place])
        size = np.sqrt(np.mean(np.square(self.book.loss.values), axis=0))
        unit = 1.0 / np.concatenate([[1.0], np.where(size > 0, size, 1.0)])

        def scaled(at: Floats) -> tuple[float, Floats]:
            value, gradient = self.book.loss.tangent(at * unit)
            return value, gradient * unit

        place: Floats = (
            unit
            * minimize(
                scaled,
                np.clip(0.0, low, high) / unit,
                jac=True,
                method="L-BFGS-B",
                bounds=list(zip(low / unit, high / unit, strict=True)),
                options={"maxfun": _MOST_EVALUATIONS},
            ).x
        )
        value, gradient = self.book.loss.tangent(place)
        fall = np.where(gradient > 0, gradient * (low - place), gradient * (high - place)).sum()
        self.bound = max(0.0, value + float(fall) - self.margin)
        return place

    def _tie(self, j: int, effect: Any) -> None:
        model, program, limit = self.model, self.program, self.problem.max_log_odds
        plus, minus = program.plus[j], program.minus[j]
        model.addCons(effect == self.slope * self.columns[j])
        model.addCons(effect <= (limit * self.columns[plus] if plus is not None else 0.0))
        model.addCons(effect >= (-limit * self.columns[minus] if minus is not None else 0.0))

    def _add_plugins(self) -> None:
        handler = _Tangents(self)
        self.model.includeConshdlr(
            handler, "loss", "loss above its tangents", 10, -1, -1, sepafreq=1, eagerfreq=1
        )
        self.model.addPyCons(self.model.createCons(handler, "loss"))
        self.model.includeHeur(
            _Rounding(self),
            "nearby",
            "scores near the relaxation",
            "W",
            priority=100000,
            freq=1,
            timingmask=SCIP_HEURTIMING.AFTERLPNODE,
        )


def _guarded(call: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """SCIP swallows what its plug-ins raise: keep it and stop."""

    def guarded(self: Any, *args: Any) -> dict[str, Any]:
        try:
            return call(self, *args)
        except BaseException as error:
            self.card.fail(error)
            return {"result": SCIP_RESULT.DIDNOTRUN}

    return guarded


class _Tangents(Conshdlr):  # type: ignore[misc, unused-ignore]
    """loss >= L(intercept, effects), by tangents at the relaxation's solutions and beside them."""

    def __init__(self, card: CardModel) -> None:
        self.card = card

    def _separate(self, tolerance: float) -> bool:
        at, held = self.card.at(None)
        value, gradient = self.card.book.loss.tangent(at)
        if value - held <= tolerance:
            return False
        middle = 0.5 * (at + self.card.core)
        beside, slope = self.card.book.loss.tangent(middle)
        if beside + slope @ (at - middle) - held > tolerance:
            self.card.cut(middle, beside, slope)
        self.card.cut(at, value, gradient)
        return True

    @_guarded
    def conssepalp(self, constraints: Any, useful: int) -> dict[str, Any]:
        self.card.note_bound()
        found = self._separate(_SEPARATION)
        return {"result": SCIP_RESULT.SEPARATED if found else SCIP_RESULT.DIDNOTFIND}

    @_guarded
    def consenfolp(self, constraints: Any, useful: int, infeasible: bool) -> dict[str, Any]:
        self.card.note_bound()
        found = self._separate(ENFORCEMENT)
        return {"result": SCIP_RESULT.SEPARATED if found else SCIP_RESULT.FEASIBLE}

    @_guarded
    def consenfops(
        self, constraints: Any, useful: int, infeasible: bool, objinfeasible: bool
    ) -> dict[str, Any]:
        return {"result": SCIP_RESULT.SOLVELP}

    @_guarded
    def conscheck(self, constraints: Any, solution: Any, *flags: Any) -> dict[str, Any]:
        at, held = self.card.at(solution)
        value, _ = self.card.book.loss.tangent(at)
        if value - held <= ENFORCEMENT:
            return {"result": SCIP_RESULT.FEASIBLE}
        points = self.card.points(solution)
        if np.abs(points - np.rint(points)).max() < 1e-6:
            self.card.book.record(np.rint(points).astype(np.int64))
        return {"result": SCIP_RESULT.INFEASIBLE}

    def conslock(self, constraint: Any, locktype: Any, positive: int, negative: int) -> None:
        model = self.card.model
        model.addVarLocksType(self.card.loss, SCIP_LOCKTYPE.MODEL, positive, negative)
        for column in self.card._place:
            model.addVarLocksType(
                column, SCIP_LOCKTYPE.MODEL, positive + negative, positive + negative
            )


class _Rounding(Heur):  # type: ignore[misc, unused-ignore]
    """Tries points near the relaxation's effects, and hands the best score of the book to SCIP."""

    def __init__(self, card: CardModel) -> None:
        self.card = card
        self.given: Any = card.book.best

    @_guarded
    def heurexec(self, timing: Any, infeasible: bool) -> dict[str, Any]:
        card, book = self.card, self.card.book
        at, _ = card.at(None)
        for points in self._rounded(at[1:]):
            book.record(points)
        if book.best is self.given:
            return {"result": SCIP_RESULT.DIDNOTFIND}
        book.polish()
        self.given = book.best
        solution = card.model.createSol(self)
        card.fill(solution)
        card.model.trySol(solution, printreason=False)
        return {"result": SCIP_RESULT.FOUNDSOL}

    def _rounded(self, effects: Floats) -> list[NDArray[np.int64]]:
        problem = self.card.problem
        keep = np.argsort(-np.abs(effects), kind="stable")[: problem.max_terms]
        largest = float(np.abs(effects[keep]).max(initial=0.0))
        if largest <= 0.0:
            return []
        most = max(max(map(abs, problem.rules.low)), max(map(abs, problem.rules.high)))
        slopes = [1.0] if problem.unit else [largest / p for p in np.linspace(1, most, _STEPS)]
        low, high = np.array(self.card.program.low), np.array(self.card.program.high)
        rounded = []
        for slope in slopes:
            points = np.zeros(len(effects))
            points[keep] = np.clip(np.rint(effects[keep] / slope), low[keep], high[keep])
            rounded.append(points.astype(np.int64))
        return rounded
