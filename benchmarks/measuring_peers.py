"""What the peers are asked: `<question>_<peer>` takes the rows and returns the call to be timed.

Each call returns the figures of its answer. Conversions that a peer wants once per data set, and
not once per question, are made before the call.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .measuring_data import HORIZONS, QUERIES, Rows, horizons, survival

Call = Callable[[], dict[str, Any]]
QUERY = np.linspace(0.001, 0.8, QUERIES)
MISSES, DELTA = 0.1, 0.05  # share of the events that may be missed, and how often the proof may err


def grid(candidates: int) -> np.ndarray:
    """That many thresholds, evenly from 0 to just below 1."""
    return np.arange(candidates) / candidates


def _value(score: Callable[..., Any], *arguments: Any, **options: Any) -> Call:
    return lambda: {"value": float(score(*arguments, **options))}


def losses(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the class of more than a half, and its probability as confidence."""
    return ((rows.p > 0.5) != (rows.y == 1)).astype(float), np.maximum(rows.p, 1 - rows.p)


def _mean_risk(risk: Any) -> dict[str, Any]:
    return {"mean_risk": float(np.mean(risk))}


def brier_scikit_learn(rows: Rows) -> Call:
    from sklearn.metrics import brier_score_loss

    return _value(brier_score_loss, rows.y, rows.p)


def brier_scoringrules(rows: Rows) -> Call:
    from scoringrules import brier_score

    return lambda: {"value": float(brier_score(rows.y, rows.p).mean())}


def brier_properscoring(rows: Rows) -> Call:
    from properscoring import brier_score

    return lambda: {"value": float(brier_score(rows.y, rows.p).mean())}


def log_score_scikit_learn(rows: Rows) -> Call:
    from sklearn.metrics import log_loss

    return _value(log_loss, rows.y, rows.p)


def log_score_scoringrules(rows: Rows) -> Call:
    from scoringrules import log_score

    return lambda: {"value": float(log_score(rows.y, rows.p).mean())}


def binned_error_relplot(rows: Rows) -> Call:
    from relplot.metrics import binnedECE

    return _value(binnedECE, rows.p, rows.y, nbins=15)


def binned_error_scikit_learn(rows: Rows) -> Call:
    """`calibration_curve`, weighted by the number of rows in each of its bins."""
    from sklearn.calibration import calibration_curve

    def call() -> dict[str, Any]:
        rate, mean = calibration_curve(rows.y, rows.p, n_bins=15)
        counts = np.histogram(rows.p, bins=15, range=(0, 1))[0]
        return {"value": float(np.abs(rate - mean) @ counts[counts > 0] / len(rows.p))}

    return call


def binned_error_mapie(rows: Rows) -> Call:
    from mapie.metrics.calibration import expected_calibration_error

    return _value(expected_calibration_error, rows.y, rows.p, num_bins=15, split_strategy="uniform")


def binned_error_netcal(rows: Rows) -> Call:
    from netcal.metrics import ECE

    return lambda: {"value": float(ECE(15).measure(rows.p, rows.y))}


def _reliability(rows: Rows, figure: str) -> Call:
    """One pass gives Brier score, log score and calibration error together."""
    from wlearn_uncertainty import PredictionMetrics

    metrics, edges = PredictionMetrics.create(), np.linspace(0, 1, 16).tolist()
    p, y = rows.p[:, None], rows.y[:, None].astype(float)
    return lambda: {"value": metrics.reliability(p, y, edges=edges)["columns"][0][figure]}


def brier_wlearn_uncertainty(rows: Rows) -> Call:
    return _reliability(rows, "brier")


def log_score_wlearn_uncertainty(rows: Rows) -> Call:
    return _reliability(rows, "log_loss")


def binned_error_wlearn_uncertainty(rows: Rows) -> Call:
    return _reliability(rows, "ece")


def smooth_error_relplot(rows: Rows) -> Call:
    from relplot import smECE

    return _value(smECE, rows.p, rows.y)


def augrc_torch_uncertainty(rows: Rows) -> Call:
    """Its module alone: the package would import lightning and torchvision as well."""
    import importlib.metadata
    import importlib.util

    import torch

    file = importlib.metadata.distribution("torch-uncertainty").locate_file(
        "torch_uncertainty/metrics/classification/risk_coverage.py"
    )
    spec = importlib.util.spec_from_file_location("risk_coverage", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loss, confidence = map(torch.from_numpy, losses(rows))

    def call() -> dict[str, Any]:
        metric = module.AUGRC()  # filled as its `update` would from probabilities of classes
        metric.scores, metric.errors = [confidence], [loss]
        return {"value": float(metric.compute())}

    return call


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def _calibrated_classifier(rows: Rows, method: str) -> Call:
    """`CalibratedClassifierCV` around a classifier whose score is its one column, the log-odds."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Passed(ClassifierMixin, BaseEstimator):
        def fit(self, X: np.ndarray, y: np.ndarray) -> "Passed":
            self.classes_ = np.unique(y)
            return self

        def decision_function(self, X: np.ndarray) -> np.ndarray:
            return X[:, 0]

        def predict(self, X: np.ndarray) -> np.ndarray:
            return (X[:, 0] > 0).astype(int)

    X, query = logit(rows.p)[:, None], logit(QUERY)[:, None]
    passed = FrozenEstimator(Passed().fit(X, rows.y))

    def call() -> dict[str, Any]:
        model = CalibratedClassifierCV(passed, method=method).fit(X, rows.y)
        return _mean_risk(model.predict_proba(query)[:, 1])

    return call


def platt_scikit_learn(rows: Rows) -> Call:
    return _calibrated_classifier(rows, "sigmoid")


def temperature_scikit_learn(rows: Rows) -> Call:
    return _calibrated_classifier(rows, "temperature")


def isotonic_scikit_learn(rows: Rows) -> Call:
    from sklearn.isotonic import IsotonicRegression

    def call() -> dict[str, Any]:
        model = IsotonicRegression(out_of_bounds="clip").fit(rows.p, rows.y)
        return _mean_risk(model.predict(QUERY))

    return call


def _probability_calibrator(rows: Rows, method: str, logits: bool = False) -> Call:
    from wlearn_uncertainty import ProbabilityCalibrator

    kind, change = ("logits", logit) if logits else ("probabilities", np.asarray)
    X, query, y = change(rows.p), change(QUERY), rows.y.astype(float)

    def call() -> dict[str, Any]:
        model = ProbabilityCalibrator(method=method, input=kind).fit(X, y)
        return _mean_risk(model.transform(query)[:, -1])

    return call


def isotonic_wlearn_uncertainty(rows: Rows) -> Call:
    return _probability_calibrator(rows, "isotonic")


def platt_wlearn_uncertainty(rows: Rows) -> Call:
    return _probability_calibrator(rows, "sigmoid", logits=True)


def temperature_wlearn_uncertainty(rows: Rows) -> Call:
    return _probability_calibrator(rows, "temperature", logits=True)


def beta_wlearn_uncertainty(rows: Rows) -> Call:
    return _probability_calibrator(rows, "beta")


def venn_abers_wlearn_uncertainty(rows: Rows) -> Call:
    return _probability_calibrator(rows, "venn_abers")


def _netcal(rows: Rows, name: str) -> Call:
    from netcal import binning, scaling

    kind = getattr(binning, name, None) or getattr(scaling, name)
    return lambda: _mean_risk(kind().fit(rows.p, rows.y).transform(QUERY))


def isotonic_netcal(rows: Rows) -> Call:
    return _netcal(rows, "IsotonicRegression")


def platt_netcal(rows: Rows) -> Call:
    return _netcal(rows, "LogisticCalibration")


def temperature_netcal(rows: Rows) -> Call:
    return _netcal(rows, "TemperatureScaling")


def beta_netcal(rows: Rows) -> Call:
    return _netcal(rows, "BetaCalibration")


def beta_betacal(rows: Rows) -> Call:
    from betacal import BetaCalibration

    X = rows.p[:, None]
    return lambda: _mean_risk(BetaCalibration("abm").fit(X, rows.y).predict(QUERY[:, None]))


def venn_abers_venn_abers(rows: Rows) -> Call:
    from venn_abers import VennAbers

    X, query = np.column_stack([1 - rows.p, rows.p]), np.column_stack([1 - QUERY, QUERY])

    def call() -> dict[str, Any]:
        model = VennAbers()
        model.fit(X, rows.y)
        return _mean_risk(model.predict_proba(query)[0][:, 1])

    return call


def _missed(rows: Rows, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Safety 1 - threshold, ascending, and the misses (events, thresholds) of each."""
    falling = thresholds[::-1]
    return 1 - falling, (rows.p[rows.y == 1][:, None] < falling).astype(float)


def conformal_riskgate(rows: Rows, candidates: int) -> Call:
    from riskgate.conformal import crc_threshold

    def call() -> dict[str, Any]:
        safety, misses = _missed(rows, grid(candidates))
        return {"threshold": 1 - crc_threshold(misses, safety, MISSES)}

    return call


def learn_then_test_riskgate(rows: Rows, candidates: int) -> Call:
    """Its table of binomial probabilities, kept per n, is dropped: new rows have a new n."""
    from riskgate import multirisk

    def call() -> dict[str, Any]:
        multirisk._binom_logcdf.cache_clear()
        safety, misses = _missed(rows, grid(candidates))
        found = multirisk.ltt_threshold([misses], safety, [MISSES], DELTA, "binomial")
        return {"threshold": 1 - found}

    return call


def _recall_controller(rows: Rows, candidates: int, **options: Any) -> Call:
    from wlearn_uncertainty import RecallController

    thresholds = grid(candidates)[::-1].tolist()

    def call() -> dict[str, Any]:
        p = rows.p[rows.y == 1][:, None]
        model = RecallController(thresholds=thresholds, target_risk=MISSES, **options)
        return {"threshold": model.fit(p, np.ones_like(p)).selection["candidate"]}

    return call


def conformal_wlearn_uncertainty(rows: Rows, candidates: int) -> Call:
    return _recall_controller(rows, candidates, method="crc")


def learn_then_test_wlearn_uncertainty(rows: Rows, candidates: int) -> Call:
    options = {"method": "ltt", "confidence": 1 - DELTA, "correction": "fixed_sequence"}
    return _recall_controller(rows, candidates, **options)


def learn_then_test_mapie(rows: Rows, candidates: int) -> Call:
    from mapie.risk_control import BinaryClassificationController

    X = np.column_stack([1 - rows.p, rows.p])

    def call() -> dict[str, Any]:
        controller = BinaryClassificationController(
            lambda probabilities: probabilities,
            risk="recall",
            target_level=1 - MISSES,
            confidence_level=1 - DELTA,
            list_predict_params=grid(candidates),
        ).calibrate(X, rows.y)
        return {"threshold": float(np.max(controller.valid_predict_params))}

    return call


def concordance_lifelines(rows: Rows) -> Call:
    from lifelines.utils import concordance_index

    return _value(concordance_index, rows.time, -rows.risk, rows.event)


def concordance_scikit_survival(rows: Rows) -> Call:
    from sksurv.metrics import concordance_index_censored

    return lambda: {"value": float(concordance_index_censored(rows.event, rows.time, rows.risk)[0])}


def survival_brier_scikit_survival(rows: Rows) -> Call:
    from sksurv.metrics import brier_score
    from sksurv.util import Surv

    followed, predicted = Surv.from_arrays(rows.event, rows.time), survival(rows)
    times = horizons(rows)
    return lambda: {
        "value": float(brier_score(followed, followed, predicted, times)[1].sum() / HORIZONS)
    }


def survival_brier_survivaleval(rows: Rows) -> Call:
    from SurvivalEVAL.evaluations.prediction_error.brier_score import brier_multiple_points

    predicted, times, event = survival(rows), horizons(rows), rows.event.astype(int)

    def call() -> dict[str, Any]:
        scores = brier_multiple_points(
            predicted, rows.time, event, rows.time, event, target_times=times
        )
        return {"value": float(np.mean(scores))}

    return call


def group_brier_fairlearn(rows: Rows) -> Call:
    """The fewest resamples it can make, which are too few for an interval."""
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import brier_score_loss

    def call() -> dict[str, Any]:
        frame = MetricFrame(
            metrics=brier_score_loss,
            y_true=rows.y,
            y_pred=rows.p,
            sensitive_features=rows.group,
            n_boot=2,
            ci_quantiles=[0.025, 0.975],
            random_state=0,
        )
        return {"value": float(frame.by_group[0]), "resamples": len(frame.by_group_ci)}

    return call
