"""Learning a card: certified optima, the heuristic, anytime gaps, cross-validated AUC."""

from typing import Any

from .tasks import Limit, Task, timed

__all__ = ["certified", "cross_validated", "heuristic", "tasks"]

# Optimal objective (unit: with 1e-6 per term) or loss (free), and the seconds allowed.
UNIT = {
    "adult": (0.3833484, 1.0),
    "bank": (0.2856041, 5.0),
    "spambase_binary": (0.2778432, 5.0),
    "mushroom": (0.0686929, 15.0),
    "mammo": (0.4685592, 2.0),
    "breastcancer": (0.1133646, 2.0),
}
FREE = {
    "adult": (0.3770067, 1.5),
    "bank": (0.2823453, 6.0),
    "spambase_binary": (0.2752286, 6.0),
    "mushroom": (0.0209580, 30.0),
}
ITEMS = (
    *("adult", "mushroom", "mammo", "breastcancer", "bank", "spambase_binary", "spambase"),
    *("mammo:deciles", "breastcancer:deciles", "spambase:deciles"),
)
ROUNDING = 6e-8  # of the optima above, which are given to seven digits
NOTHING_OPEN = Limit("gap", 1e-9)


def heuristic(learner: str, data: str, k: int, repeats: int, **options: Any) -> dict[str, Any]:
    """Fit a learner on all rows; its loss as fitted and under the bound on a term's log-odds."""
    from .data import load
    from .learners import MAX_LOG_ODDS, imodels_bounded, log_loss, ready

    fit, (X, y, _) = ready(learner), load(data)
    fitted, seconds = timed(lambda: fit(X, y, k, **options), repeats)
    loss = log_loss(fitted.risk(X), y)
    figures = {"loss": loss} | fitted.figures
    if fitted.log_odds > MAX_LOG_ODDS * (1 + 1e-9):
        figures["unbounded_loss"] = loss
        figures["loss"] = imodels_bounded(X, y, k) if learner == "imodels" else None
        figures["log_odds_of_a_term"] = fitted.log_odds
    return seconds | {"figures": figures}


def certified(data: str, k: int, repeats: int, **options: Any) -> dict[str, Any]:
    """Our certified card; the objective is recomputed from its predicted risks."""
    from .data import load
    from .learners import log_loss, ready

    fit, (X, y, _) = ready("riskwright"), load(data)
    fitted, seconds = timed(lambda: fit(X, y, k, **options), repeats)
    loss = log_loss(fitted.risk(X), y)
    objective = loss + 1e-6 * fitted.figures["terms"]
    if abs(objective - fitted.figures["objective"]) > 1e-9:
        raise AssertionError(f"objective {fitted.figures['objective']} but found {objective}")
    return seconds | {"figures": {"loss": loss} | fitted.figures}


def cross_validated(learner: str, data: str, k: int, **options: Any) -> dict[str, Any]:
    """Mean AUC over five stratified folds (seed 0); seconds are of one fold's fit."""
    import statistics

    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    from .data import load
    from .learners import ready

    fit, (X, y, _) = ready(learner), load(data)
    areas, costs = [], []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        rows, outcome = X[train], y[train]
        fitted, cost = timed(lambda r=rows, o=outcome: fit(r, o, k, **options), 0)
        areas.append(float(roc_auc_score(y[test], fitted.risk(X[test]))))
        costs.append(cost)
    seconds = {name: statistics.median(c[name] for c in costs) for name in ("wall_s", "cpu_s")}
    return {"first_s": costs[0]["first_s"], **seconds, "figures": {"auc": statistics.mean(areas)}}


def tasks(repeats: int) -> list[Task]:
    """All tasks of this family."""
    found = [*_certified("unit", UNIT, repeats), *_certified("free", FREE, repeats)]
    soon = (Limit("gap", 0.05), Limit("first_s", 3.5))
    for scale in ("unit", "free"):
        found.append(
            _ours("size", f"adult, 7 terms, {scale}", "adult", Limit("first_s", 15.0))(
                k=7, scale=scale, time_limit=120, repeats=0
            )
        )
        found.append(
            _ours("anytime", f"adult, 10 terms, 3 s, {scale}", "adult", *soon)(
                k=10, scale=scale, time_limit=3, repeats=0
            )
        )
    for k in (5, 10):
        for data in ITEMS:
            found += _beside(data, k, repeats)
    return found + _binning()


def _ours(measure: str, case: str, data: str, *limits: Limit):
    proof = (NOTHING_OPEN,) if measure != "anytime" else ()

    def task(**arguments: Any) -> Task:
        return Task(
            measure=measure,
            case=case,
            competitor="riskwright",
            environment="riskwright",
            function="learning:certified",
            arguments={"data": data, **arguments},
            tables=(data,),
            limits=(*proof, *limits),
        )

    return task


def _certified(scale: str, optima: dict[str, tuple[float, float]], repeats: int) -> list[Task]:
    figure = {"unit": "objective", "free": "loss"}[scale]
    found = []
    for data, (optimum, seconds) in optima.items():
        limits = (Limit(figure, optimum + ROUNDING), Limit("first_s", seconds))
        task = _ours(f"certified {scale}", f"{data}, 5 terms", data, *limits)
        found.append(task(k=5, scale=scale, time_limit=300, repeats=repeats))
    if scale == "unit":
        found.append(
            Task("certified unit", "adult, 5 terms", "riskslim", "riskslim", tables=("adult",))
        )
    return found


def _beside(data: str, k: int, repeats: int) -> list[Task]:
    limits = (Limit("loss", 1e-9, beside="imodels"), Limit("wall_s", 0.2))
    options = {"riskwright": {"certify": False}}
    return [
        Task(
            measure="heuristic",
            case=f"{data}, {k} terms",
            competitor=learner,
            environment=learner,
            function="learning:heuristic",
            arguments={"learner": learner, "data": data, "k": k, "repeats": repeats}
            | options.get(learner, {}),
            tables=(data,),
            limits=limits if learner == "riskwright" else (),
            quick=learner != "fasterrisk",
        )
        for learner in ("riskwright", "imodels", "fasterrisk")
        if learner != "fasterrisk" or ":" not in data
    ]


def _binning() -> list[Task]:
    variants = [
        (
            "riskwright",
            "riskwright",
            {"k": 10, "max_features": 5, "binning": "auto", "certify": False},
        ),
        ("optbinning", "optbinning", {}),
        ("imodels, deciles", "imodels", {"binarize": True}),
        ("imodels, percentiles", "imodels", {"binarize": True, "n_thresholds": 99}),
    ]
    return [
        Task(
            measure="binning",
            case="spambase, 5 variables, 5 folds",
            competitor=name,
            environment=learner,
            function="learning:cross_validated",
            arguments={"learner": learner, "data": "spambase", "k": 5} | options,
            tables=("spambase",),
            limits=(Limit("auc", 0.953, at_least=True),) if learner == "riskwright" else (),
        )
        for name, learner, options in variants
    ]
