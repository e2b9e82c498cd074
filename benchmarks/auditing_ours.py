"""What riskwright is asked, in the form of `auditing_peers`: `<question>_riskwright`."""

from typing import Any

import numpy as np

from .auditing_data import LEVELS, PEOPLE, Columns, denied, forest
from .auditing_peers import AT, BEST, NEIGHBOURS, PENALTY, SHARE, Call, r_squared


def viable_riskwright(rows: Columns) -> Call:
    """From the rows to certified ranges of everyone asked about."""
    from riskwright.audit import Multiplicity

    def call() -> dict[str, Any]:
        model = Multiplicity(tolerance=f"{100 * SHARE:g}%", penalty=PENALTY)
        model.fit(rows["X"], rows["y"])
        found = model.ranges(rows["asked"])
        few = model.ranges(rows["few"])
        return {
            "gap": found.gap,
            "mean_width": float(np.mean(found.high - found.low)),
            "width_of_few": float(np.mean(few.high - few.low)),
        }

    return call


def responsive_riskwright(rows: Columns) -> Call:
    """Scores of all features that may change; the model's own seconds are stated beside."""
    import time

    import polars as pl

    from riskwright.explanation import Actions, responsiveness

    model, table = forest(rows), pl.DataFrame(rows["asked"], schema=list(PEOPLE))
    actions = (
        Actions(table)
        .fix("age")
        .step("months", 6)
        .change("months", -12, 12)
        .change("tenure", 0, 2)
        .moves_with("tenure", {"age": 1})
        .one_of("renting", "owning", "free housing")
        .only_decrease("cards", "loans")
        .only_increase("savings", "checking", "guarantor")
    )

    def call() -> dict[str, Any]:
        asked, seconds = 0, 0.0

        def approves(points: Any) -> np.ndarray:
            nonlocal asked, seconds
            begin = time.perf_counter()
            answer = ~denied(model, points.to_numpy())
            asked, seconds = asked + len(answer), seconds + time.perf_counter() - begin
            return answer

        found = responsiveness(approves, table, actions, target=True)
        return {
            "score_of_few": float(found.scores[:BEST].mean()),
            "asked": found.n_asked,
            "points": asked,
            "model_s": seconds,
        }

    return call


def neighbours_riskwright(rows: Columns) -> Call:
    from riskwright.audit import knn_shapley

    def call() -> dict[str, Any]:
        names = ("X", "y", "X_valid", "y_valid")
        value = knn_shapley(*(rows[name] for name in names), k=NEIGHBOURS)
        return {"sum": float(value.sum()), "least": float(value.min())}

    return call


def student_riskwright(rows: Columns, pairs: int) -> Call:
    from riskwright.explanation import AdditiveModel

    def call() -> dict[str, Any]:
        model = AdditiveModel(pairs=pairs).fit(rows["X"], rows["score"])
        return r_squared(rows, model.predict(rows["X_held"]))

    return call


def distilled_riskwright(rows: Columns) -> Call:
    """Student, model of the outcome, their difference with bands, and both fidelities."""
    from riskwright.explanation import distill

    def call() -> dict[str, Any]:
        found = distill(rows["score"], rows["X"], outcome=rows["y"]).report(missing_feature=False)
        return {"r2": found.fidelity.value}

    return call


def slices_riskwright(rows: Columns, depth: int) -> Call:
    from riskwright.audit import find_slices

    columns = {f"x{j}": column for j, column in enumerate(rows["X"].T)}

    def call() -> dict[str, Any]:
        found = find_slices(rows["loss"], columns, depth=depth, bins=max(LEVELS), holdout=0.0, k=5)
        best = found.slices[0]
        return {
            "top": " & ".join(sorted(f"{name}={words}" for name, words in best.conditions)),
            "score": best.score,
        }

    return call


def groups_riskwright(rows: Columns) -> Call:
    """Simultaneous intervals of six measures in the cells, and of the gaps to everyone else."""
    from riskwright.audit import group_gaps

    cell = rows["race"] * 2 + rows["sex"]

    def call() -> dict[str, Any]:
        found = group_gaps(rows["y"], rows["p"], {"cell": cell}, at=AT)
        first = found.tables[0].rows[0].estimate
        return {"groups": len(found.tables[0].rows), "low": first.low, "high": first.high}

    return call
