"""What the peers are asked: `<question>_<peer>` takes the rows and returns the call to be timed.

Where a peer is too slow for all of the work, its call does `done` of `whole` parts of it, and the
table says that its seconds are extrapolated. "plain" are loops written here, as one would at first.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .auditing_data import FEW, LEVELS, PEOPLE, Columns, denied, forest

Call = Callable[[], dict[str, Any]]
PENALTY, SHARE = 1e-4, 0.01  # ridge of the score, and share of its loss that may be lost
NEIGHBOURS = 5
BEST = 100  # people whom the plain loop is asked about
AT = 0.5  # threshold of the groups' rates
REPLICATES = 1000


def r_squared(rows: Columns, predicted: np.ndarray) -> dict[str, Any]:
    error = rows["score_held"] - predicted
    return {"r2": float(1 - error.var() / rows["score_held"].var())}


class _Loss:
    """Mean logistic loss with ridge on the folded rows, and its least value; intercept first."""

    def __init__(self, rows: Columns) -> None:
        folded, place = np.unique(rows["X"], axis=0, return_inverse=True)
        self.X = np.column_stack([np.ones(len(folded)), folded])
        self.sign = np.bincount(place.ravel(), rows["y"]) / len(place)
        self.weight = np.bincount(place.ravel()) / len(place)
        self.ridge = np.full(self.X.shape[1], PENALTY)
        self.ridge[0] = 1e-8
        self.best = np.zeros(self.X.shape[1])
        for _ in range(30):
            p = 1 / (1 + np.exp(-self.X @ self.best))
            hessian = (self.X.T * (self.weight * p * (1 - p))) @ self.X + np.diag(self.ridge)
            self.best -= np.linalg.solve(hessian, self.slope(self.best))
        self.least = self.value(self.best)

    def value(self, w: np.ndarray) -> float:
        z = self.X @ w
        return float(self.weight @ np.logaddexp(0, z) - self.sign @ z + w * w @ self.ridge / 2)

    def slope(self, w: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-self.X @ w))
        return self.X.T @ (self.weight * p - self.sign) + self.ridge * w


def _widths(rows: Columns, width: Callable[[np.ndarray], float]) -> Call:
    """One width per person of the few; the whole are all different people asked about."""
    whole = len(np.unique(rows["asked"], axis=0))

    def call() -> dict[str, Any]:
        widths = [width(person) for person in rows["few"]]
        part = {"done": FEW, "whole": whole, "parts": "different people"}
        return {"width_of_few": float(np.mean(widths))} | part

    return call


def viable_plain_slsqp(rows: Columns) -> Call:
    """`scipy.optimize.minimize` once per person and end, with gradients; folded rows."""
    from scipy.optimize import minimize

    loss = _Loss(rows)
    bound = {
        "type": "ineq",
        "fun": lambda w: 100 * ((1 + SHARE) - loss.value(w) / loss.least),
        "jac": lambda w: -100 * loss.slope(w) / loss.least,
    }

    def most(direction: np.ndarray) -> float:
        found = minimize(
            lambda w: float(-direction @ w),
            loss.best,
            jac=lambda w: -direction,
            constraints=[bound],
            method="SLSQP",
            options={"maxiter": 200, "ftol": 1e-6},
        )
        return float(direction @ found.x)

    def width(person: np.ndarray) -> float:
        x = np.append(1.0, person)
        return float(1 / (1 + np.exp(-most(x))) - 1 / (1 + np.exp(most(-x))))

    return _widths(rows, width)


def viable_multiplicity(rows: Columns) -> Call:
    """Its own defaults but for the size of its steps, whose default hardly moves."""
    import torch
    from multiplicity.torch import LossCriterion, viable_prediction_range

    loss = _Loss(rows)
    model = torch.nn.Linear(rows["X"].shape[1], 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor(loss.best[None, 1:]))
        model.bias.copy_(torch.tensor(loss.best[:1]))
    every = (torch.tensor(rows["X"], dtype=torch.float32), torch.tensor(rows["y"]).float())
    kept = LossCriterion([every], torch.nn.functional.binary_cross_entropy, "sigmoid")

    def width(person: np.ndarray) -> float:
        low, _, high = viable_prediction_range(
            model=model,
            target_example=torch.tensor(person[None], dtype=torch.float32),
            robustness_criterion=kept,
            criterion_thresholds=SHARE * loss.least,
            score_func="sigmoid",
            step_size=0.001,
        )
        return float(high - low)

    return _widths(rows, width)


def _changes(person: dict[str, float], name: str) -> list[dict[str, float]]:
    """The feasible changes of one feature of a person, with what they bring about."""
    value, homes = person[name], ("renting", "owning", "free housing")
    if name == "age":
        return []
    if name == "tenure":
        steps = range(1, int(min(2, 10 - value)) + 1)
        return [{"tenure": value + step, "age": person["age"] + step} for step in steps]
    if name == "months":
        steps = [value + step for step in (-12, -6, 6, 12)]
        return [{"months": step} for step in steps if 6 <= step <= 48]
    if name in homes:
        others = [home for home in homes if home != name]
        if value == 0:
            return [{name: 1.0} | dict.fromkeys(others, 0.0)]
        return [dict.fromkeys(homes, 0.0) | {other: 1.0} for other in others]
    if name in ("cards", "loans"):
        return [{name: float(v)} for v in range(int(value))]
    most = {"savings": 4, "checking": 3, "guarantor": 1}[name]
    return [{name: float(v)} for v in range(int(value) + 1, most + 1)]


def responsive_plain_loop(rows: Columns) -> Call:
    """Person by person: all changes of all features, and one prediction of their points."""
    model, asked = forest(rows), rows["asked"]

    def scores(row: np.ndarray) -> list[float]:
        person = dict(zip(PEOPLE, row, strict=True))
        changes = [_changes(person, name) for name in PEOPLE]
        points = [list((person | change).values()) for each in changes for change in each]
        works = ~denied(model, np.array(points))
        ends = np.cumsum([len(each) for each in changes])[:-1]
        return [part.mean() if len(part) else 0.0 for part in np.split(works, ends)]

    def call() -> dict[str, Any]:
        found = np.mean([scores(row) for row in asked[:BEST]])
        part = {"done": BEST, "whole": len(asked), "parts": "people"}
        return {"score_of_few": float(found)} | part

    return call


def neighbours_pydvl(rows: Columns) -> Call:
    from pydvl.valuation.dataset import Dataset
    from pydvl.valuation.methods.knn_shapley import KNNShapleyValuation
    from sklearn.neighbors import KNeighborsClassifier

    train, valid = Dataset(rows["X"], rows["y"]), Dataset(rows["X_valid"], rows["y_valid"])

    def call() -> dict[str, Any]:
        model = KNeighborsClassifier(NEIGHBOURS)
        value = KNNShapleyValuation(model, valid, progress=False).fit(train).result.values
        return {"sum": float(value.sum()), "least": float(value.min())}

    return call


def student_interpret_core(rows: Columns, pairs: int) -> Call:
    """One bag, in this process."""
    from interpret.glassbox import ExplainableBoostingRegressor

    def call() -> dict[str, Any]:
        model = ExplainableBoostingRegressor(outer_bags=1, interactions=pairs, n_jobs=1)
        return r_squared(rows, model.fit(rows["X"], rows["score"]).predict(rows["X_held"]))

    return call


def slices_sliceline(rows: Columns, depth: int) -> Call:
    """Its compiled form, compiled before."""
    from sliceline.slicefinder import Slicefinder

    def found(size: int) -> Any:
        support = max(32, size // 100)
        model = Slicefinder(alpha=0.95, k=5, max_l=depth, min_sup=support, verbose=False)
        return model.fit(rows["X"][:size], rows["loss"][:size])

    found(1000)

    def call() -> dict[str, Any]:
        model = found(len(rows["X"]))
        best = enumerate(model.top_slices_[0][: len(LEVELS)])
        return {
            "top": " & ".join(f"x{j}={value}" for j, value in best if value is not None),
            "score": float(model.top_slices_statistics_[0]["slice_score"]),
        }

    return call


def groups_fairlearn(rows: Columns) -> Call:
    """Four rates in the cells: 3 resamples, which with the plain table are 4 of 1,001 tables."""
    from fairlearn.metrics import (
        MetricFrame,
        false_negative_rate,
        false_positive_rate,
        selection_rate,
    )
    from sklearn.metrics import precision_score

    cell, flagged = rows["race"] * 2 + rows["sex"], (rows["p"] >= AT).astype(int)
    metrics = {
        "rate": selection_rate,
        "fpr": false_positive_rate,
        "fnr": false_negative_rate,
        "ppv": precision_score,
    }

    def call() -> dict[str, Any]:
        frame = MetricFrame(
            metrics=metrics,
            y_true=rows["y"],
            y_pred=flagged,
            sensitive_features=cell,
            n_boot=3,
            ci_quantiles=[0.025, 0.975],
            random_state=0,
        )
        part = {"done": 4, "whole": REPLICATES + 1, "parts": "tables"}
        return {"groups": len(frame.by_group_ci[0])} | part

    return call
