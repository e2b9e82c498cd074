"""Optima that other exact methods found, on data that many papers use."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from riskwright import RiskScoreClassifier

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).parents[2] / ".." / "shared"))
TABLES = SHARED / "data" / "table"

pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason=f"no reference data in {TABLES}")

FILES = {
    "adult": "adult_binary/adult_data.csv",
    "breastcancer": "breastcancer/breastcancer_data.csv",
    "mammo": "mammo/mammo_data.csv",
    "spambase": "spambase_binary/spambase_binary.csv",
}

# Objective with a penalty of 1e-6 for each of at most 5 terms, points from -5 to 5.
UNIT = {
    "adult": 0.3833484,
    "breastcancer": 0.1133646,
    "mammo": 0.4685592,
    "spambase": 0.2778432,
}
# Loss without the penalty, |slope x points| up to 10.
FREE = {"adult": 0.3770067, "spambase": 0.2752286}


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    table = np.genfromtxt(TABLES / FILES[name], delimiter=",", skip_header=1)
    return table[:, 1:], (table[:, 0] > 0).astype(int)


def fit(name: str, **settings) -> RiskScoreClassifier:
    X, y = load(name)
    return RiskScoreClassifier(binning="none", time_limit=None, **settings).fit(X, y)


@pytest.mark.parametrize("name", UNIT)
def test_points_as_log_odds_reach_the_known_optimum(name):
    certificate = fit(name, scale="unit").certificate_
    assert certificate.status == "optimal"
    assert certificate.objective == pytest.approx(UNIT[name], abs=5.1e-8)
    assert UNIT[name] - 6e-8 <= certificate.lower_bound <= certificate.objective


@pytest.mark.parametrize("name", FREE)
def test_points_with_a_slope_reach_the_known_optimum(name):
    certificate = fit(name).certificate_
    assert certificate.status == "optimal"
    assert certificate.loss == pytest.approx(FREE[name], abs=5.1e-8)
    assert certificate.lower_bound <= certificate.objective


@pytest.mark.parametrize("name", ["mammo", "breastcancer"])
def test_a_slope_is_never_worse_than_points_as_log_odds(name):
    free, unit = fit(name).certificate_, fit(name, scale="unit").certificate_
    assert free.status == "optimal"
    assert free.objective < unit.objective
