"""riskwright: risk scores that people can read, trust and act upon.

>>> import riskwright as rw
>>> import numpy as np
>>> rng = np.random.default_rng(1)
>>> X = rng.integers(0, 2, (300, 4))
>>> model = rw.RiskScoreClassifier(max_terms=2).fit(X, X[:, 1] | (rng.random(300) < 0.2))
>>> model.certificate_.status
'optimal'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import cards, explanation, guard, metrics, taxonomy
    from .audit.running import run_audit as audit
    from .calibration import CalibratedModel, CalibratedTraining, Calibrator
    from .core import Certificate, Estimate, Finding, RiskwrightError, ScoreCard, load, save
    from .decision import (
        Abstain,
        BayesDecision,
        Boundary,
        Budget,
        Cascade,
        Conformal,
        RiskCertificate,
        RiskControl,
        Stage,
        Strictness,
        ThreeWay,
        Threshold,
        Watch,
        answer_or_refuse,
        label_plan,
        plan_outreach,
        read_budgets,
    )
    from .evidence import (
        Binarizer,
        Exchange,
        Schema,
        Table,
        load_schema,
        read_exchanges,
        read_table,
    )
    from .guard import Guard
    from .metrics import ScoreSketch, evaluate
    from .pipeline import RiskPipeline
    from .scoring import RiskScoreClassifier, ScoringSystemClassifier
    from .solvers import AtMost, Constraints, IfThen, Linear
    from .taxonomy import load_policy

_HOMES = {
    "Abstain": "decision",
    "AtMost": "solvers",
    "BayesDecision": "decision",
    "Binarizer": "evidence",
    "Boundary": "decision",
    "Budget": "decision",
    "CalibratedModel": "calibration",
    "CalibratedTraining": "calibration",
    "Calibrator": "calibration",
    "Cascade": "decision",
    "Certificate": "core",
    "Conformal": "decision",
    "Constraints": "solvers",
    "Estimate": "core",
    "Exchange": "evidence",
    "Finding": "core",
    "Guard": "guard",
    "IfThen": "solvers",
    "Linear": "solvers",
    "RiskCertificate": "decision",
    "RiskControl": "decision",
    "RiskPipeline": "pipeline",
    "RiskScoreClassifier": "scoring",
    "RiskwrightError": "core",
    "Schema": "evidence",
    "ScoreCard": "core",
    "ScoreSketch": "metrics",
    "ScoringSystemClassifier": "scoring",
    "Stage": "decision",
    "Strictness": "decision",
    "Table": "evidence",
    "ThreeWay": "decision",
    "Threshold": "decision",
    "Watch": "decision",
    "answer_or_refuse": "decision",
    "evaluate": "metrics",
    "label_plan": "decision",
    "load": "core",
    "load_policy": "taxonomy",
    "load_schema": "evidence",
    "plan_outreach": "decision",
    "read_budgets": "decision",
    "read_exchanges": "evidence",
    "read_table": "evidence",
    "save": "core",
}

_ROOMS = ("audit", "cards", "explanation", "guard", "metrics", "taxonomy")

__all__ = [
    "Abstain",
    "AtMost",
    "BayesDecision",
    "Binarizer",
    "Boundary",
    "Budget",
    "CalibratedModel",
    "CalibratedTraining",
    "Calibrator",
    "Cascade",
    "Certificate",
    "Conformal",
    "Constraints",
    "Estimate",
    "Exchange",
    "Finding",
    "Guard",
    "IfThen",
    "Linear",
    "RiskCertificate",
    "RiskControl",
    "RiskPipeline",
    "RiskScoreClassifier",
    "RiskwrightError",
    "Schema",
    "ScoreCard",
    "ScoreSketch",
    "ScoringSystemClassifier",
    "Stage",
    "Strictness",
    "Table",
    "ThreeWay",
    "Threshold",
    "Watch",
    "__version__",
    "answer_or_refuse",
    "audit",
    "cards",
    "evaluate",
    "explanation",
    "guard",
    "label_plan",
    "load",
    "load_policy",
    "load_schema",
    "metrics",
    "plan_outreach",
    "read_budgets",
    "read_exchanges",
    "read_table",
    "save",
    "taxonomy",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for, when it is asked for, so that `import riskwright` stays light."""
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
