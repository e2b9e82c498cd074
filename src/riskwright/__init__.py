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
    from . import metrics
    from .core import Certificate, Estimate, Finding, RiskwrightError, ScoreCard, load, save
    from .evidence import Binarizer, Schema, Table, load_schema, read_table
    from .metrics import evaluate
    from .scoring import RiskScoreClassifier, ScoringSystemClassifier
    from .solvers import AtMost, Constraints, IfThen, Linear

_HOMES = {
    "AtMost": "solvers",
    "Binarizer": "evidence",
    "Certificate": "core",
    "Constraints": "solvers",
    "Estimate": "core",
    "Finding": "core",
    "IfThen": "solvers",
    "Linear": "solvers",
    "RiskScoreClassifier": "scoring",
    "RiskwrightError": "core",
    "Schema": "evidence",
    "ScoreCard": "core",
    "ScoringSystemClassifier": "scoring",
    "Table": "evidence",
    "evaluate": "metrics",
    "load": "core",
    "load_schema": "evidence",
    "read_table": "evidence",
    "save": "core",
}

__all__ = [
    "AtMost",
    "Binarizer",
    "Certificate",
    "Constraints",
    "Estimate",
    "Finding",
    "IfThen",
    "Linear",
    "RiskScoreClassifier",
    "RiskwrightError",
    "Schema",
    "ScoreCard",
    "ScoringSystemClassifier",
    "Table",
    "__version__",
    "evaluate",
    "load",
    "load_schema",
    "metrics",
    "read_table",
    "save",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for, when it is asked for, so that `import riskwright` stays light."""
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    if name == "metrics":
        return importlib.import_module(".metrics", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
