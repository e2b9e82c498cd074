"""One way to call every learner: fit it, then state its loss in the same terms for all."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["LEARNERS", "MAX_LOG_ODDS", "Fitted", "imodels_bounded", "log_loss", "ready"]

MAX_LOG_ODDS = 10.0


@dataclass
class Fitted:
    """A fitted card: risks of rows (or scores that rank them), the most log-odds that one unit of
    a term adds, and further figures."""

    risk: Callable[[np.ndarray], np.ndarray]
    log_odds: float
    figures: dict[str, Any] = field(default_factory=dict)


def ready(learner: str) -> Callable[..., Fitted]:
    """The learner with its library imported, so that no fit pays for the import."""
    module, name = CLASSES[learner]
    getattr(importlib.import_module(module), name)
    return LEARNERS[learner]


def log_loss(risk: np.ndarray, y: np.ndarray) -> float:
    p = np.clip(risk, 1e-12, 1 - 1e-12)
    return float(-np.mean(np.where(y == 1, np.log(p), np.log1p(-p))))


def riskwright_model(X: Any, y: np.ndarray, k: int, **options: Any) -> Any:
    """Our estimator, fitted; `options` go to it as they are."""
    from riskwright import RiskScoreClassifier

    settings = {"penalty": 1e-6, "max_log_odds": MAX_LOG_ODDS, "binning": "none"} | options
    return RiskScoreClassifier(max_terms=k, max_points=5, **settings).fit(X, y)


def riskwright(X: np.ndarray, y: np.ndarray, k: int, **options: Any) -> Fitted:
    """Our card."""
    model = riskwright_model(X, y, k, **options)
    proof, card = model.certificate_, model.card_
    points = max((abs(term.points) for term in card.terms), default=0)
    figures = {"proof": proof.status, "terms": len(card.terms)}
    if proof.status != "heuristic":
        names = ("objective", "lower_bound", "gap")
        figures = {name: getattr(proof, name) for name in names} | figures
    return Fitted(lambda rows: model.predict_proba(rows)[:, 1], card.slope * points, figures)


def imodels(X: np.ndarray, y: np.ndarray, k: int, **options: Any) -> Fitted:
    """FastRiskScoreClassifier on the columns as they are, or binarised by itself if asked."""
    from imodels import FastRiskScoreClassifier

    model = FastRiskScoreClassifier(k=k, **({"binarize": False} | options)).fit(X, y)
    steepest = model.scale_ * max((abs(p) for p in model.points_.values()), default=0)
    return Fitted(lambda rows: model.predict_proba(rows)[:, 1], float(steepest))


def imodels_bounded(X: np.ndarray, y: np.ndarray, k: int) -> float:
    """Its best loss with the log-odds of a term bounded, which it has no setting for.

    Fits with at most 1, 2, .. 5 points; where a slope is too steep it is lowered to the bound,
    which is optimal for those points since the loss is convex in the slope.
    """
    from imodels import FastRiskScoreClassifier

    losses = []
    for most in range(1, 6):
        model = FastRiskScoreClassifier(k=k, max_points=most, binarize=False).fit(X, y)
        total = model.total_score(X)
        slope = min(model.scale_, MAX_LOG_ODDS / max(abs(p) for p in model.points_.values()))
        low, high = -1e3, 1e3
        for _ in range(60):
            middle = (low + high) / 2
            risk = 0.5 * (1 + np.tanh((slope * total + middle) / 2))
            low, high = (middle, high) if risk.mean() < y.mean() else (low, middle)
        losses.append(log_loss(risk, y))
    return min(losses)


def fasterrisk(X: np.ndarray, y: np.ndarray, k: int) -> Fitted:
    """The best card of FasterRisk's pool on the training rows."""
    from fasterrisk.fasterrisk import RiskScoreOptimizer

    search = RiskScoreOptimizer(X=X, y=2.0 * y - 1, k=k, lb=-5, ub=5)
    search.optimize()
    multipliers, intercepts, points = search.get_models()

    def risk(rows: np.ndarray, card: int) -> np.ndarray:
        return 1 / (1 + np.exp(-(rows @ points[card] + intercepts[card]) / multipliers[card]))

    best = min(range(len(multipliers)), key=lambda card: log_loss(risk(X, card), y))
    steepest = float(np.abs(points[best]).max() / multipliers[best])
    return Fitted(lambda rows: risk(rows, best), steepest)


def optbinning(X: np.ndarray, y: np.ndarray, k: int) -> Fitted:
    """Binning, the k variables of highest information value, points rounded to 0..100."""
    import pandas as pd
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    names = [f"x{j}" for j in range(X.shape[1])]
    card = Scorecard(
        binning_process=BinningProcess(
            names, selection_criteria={"iv": {"strategy": "highest", "top": k}}
        ),
        estimator=LogisticRegression(max_iter=1000),
        scaling_method="min_max",
        scaling_method_params={"min": 0, "max": 100},
        rounding=True,
    )
    card.fit(pd.DataFrame(X, columns=names), y)
    total = card.score(pd.DataFrame(X, columns=names))
    sign = 1.0 if np.corrcoef(total, y)[0, 1] > 0 else -1.0
    return Fitted(lambda rows: sign * card.score(pd.DataFrame(rows, columns=names)), np.nan)


CLASSES = {
    "riskwright": ("riskwright", "RiskScoreClassifier"),
    "imodels": ("imodels", "FastRiskScoreClassifier"),
    "fasterrisk": ("fasterrisk.fasterrisk", "RiskScoreOptimizer"),
    "optbinning": ("optbinning", "Scorecard"),
}
LEARNERS = {
    "riskwright": riskwright,
    "imodels": imodels,
    "fasterrisk": fasterrisk,
    "optbinning": optbinning,
}
