"""What riskwright is asked, in the form of `measuring_peers`: `<question>_riskwright`.

Every call checks its input and gives the interval, where the peers give the bare value.
"""

from typing import Any

import numpy as np

from .measuring_data import Rows, horizons, survival
from .measuring_peers import DELTA, MISSES, QUERY, Call, logit, losses

UPDATES = 10  # blocks of rows that one call puts into the sketch


def _figures(estimate: Any) -> dict[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def brier_riskwright(rows: Rows) -> Call:
    from riskwright.metrics import brier

    return lambda: _figures(brier(rows.y, rows.p))


def log_score_riskwright(rows: Rows) -> Call:
    from riskwright.metrics import log_loss

    return lambda: _figures(log_loss(rows.y, rows.p))


def binned_error_riskwright(rows: Rows) -> Call:
    from riskwright.metrics import calibration_error

    options = {"kind": "binned", "bins": 15, "binning": "equal_width"}
    return lambda: _figures(calibration_error(rows.y, rows.p, **options))


def smooth_error_riskwright(rows: Rows) -> Call:
    from riskwright.metrics import calibration_error

    return lambda: _figures(calibration_error(rows.y, rows.p, kind="smooth"))


def augrc_riskwright(rows: Rows) -> Call:
    from riskwright.metrics import augrc

    loss, confidence = losses(rows)
    return lambda: _figures(augrc(loss, confidence))


def group_brier_riskwright(rows: Rows) -> Call:
    from riskwright.metrics import brier

    return lambda: _figures(brier(rows.y, rows.p, groups=rows.group)["0"])


def concordance_riskwright(rows: Rows) -> Call:
    from riskwright.metrics import concordance

    return lambda: _figures(concordance(rows.time, rows.event, rows.risk))


def survival_brier_riskwright(rows: Rows) -> Call:
    """An interval at every time; the figure is the mean over the times."""
    from riskwright.metrics import survival_brier

    predicted, times = survival(rows), horizons(rows)

    def call() -> dict[str, Any]:
        scores = survival_brier(rows.time, rows.event, predicted, times)
        return {"value": float(np.mean([score.value for score in scores]))}

    return call


def _calibrator(rows: Rows, method: str, log_odds: bool = False) -> Call:
    from riskwright.calibration import Calibrator

    score, query = (logit(rows.p), logit(QUERY)) if log_odds else (rows.p, QUERY)

    def call() -> dict[str, Any]:
        model = Calibrator(method=method).fit(score, rows.y)
        return {"mean_risk": float(np.mean(model.predict(query)))}

    return call


def isotonic_riskwright(rows: Rows) -> Call:
    return _calibrator(rows, "isotonic")


def platt_riskwright(rows: Rows) -> Call:
    return _calibrator(rows, "platt", log_odds=True)


def temperature_riskwright(rows: Rows) -> Call:
    return _calibrator(rows, "temperature")


def beta_riskwright(rows: Rows) -> Call:
    return _calibrator(rows, "beta")


def venn_abers_riskwright(rows: Rows) -> Call:
    return _calibrator(rows, "venn-abers")


def conformal_riskwright(rows: Rows, candidates: int) -> Call:
    """Every score is a candidate, however few the peers have."""
    from riskwright.decision import Budget, Conformal

    budget = Budget("miss rate", limit=MISSES, delta=None)
    return lambda: {"threshold": float(Conformal(budget).fit(rows.p, rows.y).threshold_)}


def learn_then_test_riskwright(rows: Rows, candidates: int) -> Call:
    """Every score is a candidate, however few the peers have."""
    from riskwright.decision import Budget, Threshold

    budget = Budget("miss rate", limit=MISSES, delta=DELTA)

    def call() -> dict[str, Any]:
        model = Threshold(budget).fit(rows.p, rows.y)
        return {"threshold": float(model.threshold_)}

    return call


def tail_riskwright(rows: Rows) -> Call:
    """Berk-Jones upper bound of the mean of the worst tenth of the absolute errors."""
    from riskwright.stats import CVaR, tail_upper

    loss = np.abs(rows.y - rows.p)

    def call() -> dict[str, Any]:
        bound = tail_upper(loss, DELTA, CVaR(0.9))
        return {"value": bound.empirical, "high": bound.value}

    return call


def sketch_riskwright(rows: Rows) -> Call:
    from riskwright.metrics import ScoreSketch

    def call() -> dict[str, Any]:
        sketch = ScoreSketch()
        for _ in range(UPDATES):
            sketch.update(rows.p, rows.y)
        return {"million_rows": UPDATES * len(rows.p) / 1e6}

    return call
