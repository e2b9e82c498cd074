"""`evaluate` gathers the single figures, survives JSON and prints a fixed table."""

import json
import math

import msgspec
import numpy as np
import pytest

from riskwright import metrics
from riskwright.core import json_values
from riskwright.metrics import Evaluation, evaluate
from riskwright.stats import proportion_interval

FIGURES = [
    "auroc",
    "average_precision",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_in_the_large",
    "calibration_error",
]


def sample(n=400):
    rng = np.random.default_rng(0)
    p = rng.beta(1.0, 3.0, n)
    sex = np.array(["f", "m"])[rng.integers(0, 2, n)]
    return (rng.random(n) < p).astype(int), p, rng.gamma(2.0, size=n), sex, rng.integers(0, 3, n)


@pytest.mark.parametrize("weighted", [False, True])
def test_figures_are_those_of_the_single_functions(weighted):
    y, p, w, sex, site = sample()
    w = w if weighted else None
    result = evaluate(y, p, sample_weight=w, groups={"sex": sex, "site": site}, level=0.9)
    assert set(result.overall) == {*FIGURES, "smooth_calibration_error"}
    assert list(result.by_group) == ["sex = f", "sex = m", "site = 0", "site = 1", "site = 2"]
    for name in FIGURES:
        figure = getattr(metrics, name)
        assert result.overall[name] == figure(y, p, sample_weight=w, level=0.9)
        for column, values in (("sex", sex), ("site", site)):
            groups = figure(y, p, sample_weight=w, groups=values, level=0.9)
            for label, estimate in groups.items():
                assert result.by_group[f"{column} = {label}"][name] == estimate


def test_one_array_of_groups_is_keyed_by_its_labels():
    y, p, _, sex, _ = sample()
    assert list(evaluate(y, p, groups=sex).by_group) == ["f", "m"]
    assert evaluate(y, p).by_group == {}


def test_counts_and_prevalence():
    y, p, w, sex, _ = sample()
    result = evaluate(y, p, groups=sex)
    assert (result.n, result.events) == (400, y.sum())
    low, high = proportion_interval(y.sum(), 400)
    assert result.prevalence.value == y.mean()
    assert (result.prevalence.low, result.prevalence.high) == pytest.approx((low, high))
    assert result.by_group["f"]["prevalence"].value == pytest.approx(y[sex == "f"].mean())
    weighted = evaluate(y, p, sample_weight=w)
    assert weighted.events == pytest.approx(w @ y)
    assert weighted.prevalence.value == pytest.approx(np.average(y, weights=w))


def test_prevalence_interval_is_wilsons_with_the_sandwich_effective_size():
    y, p, w, _, _ = sample()
    share = np.average(y, weights=w)
    n = share * (1 - share) * w.sum() ** 2 / (w**2 @ (y - share) ** 2)
    found = evaluate(y, p, sample_weight=w).prevalence
    assert (found.low, found.high) == pytest.approx(proportion_interval(share * n, n))


def test_figures_that_do_not_exist_leave_the_others_readable():
    result = evaluate([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.6], groups=["a", "a", "b", "b"])
    assert math.isnan(result.overall["calibration_slope"].value)
    assert result.overall["auroc"].value == 1.0
    assert result.by_group["a"]["auroc"].method.startswith("none: one class only")
    assert result.by_group["a"]["brier"].value == pytest.approx(0.025)
    alone = evaluate([0, 0], [0.1, 0.2])
    assert math.isnan(alone.overall["auroc"].value)
    assert (alone.prevalence.value, alone.prevalence.low) == (0.0, 0.0)


def test_json_round_trip():
    y, p, _, sex, _ = sample()
    result = evaluate(y, p, groups=sex)
    body = json.loads(json.dumps(msgspec.to_builtins(result)))
    assert msgspec.convert(body, Evaluation) == result
    gaps = evaluate([0, 1, 1], [0.2, 0.2, 0.2], groups=["a", "a", "b"])
    body = json.loads(json.dumps(json_values(gaps), allow_nan=False))
    assert str(msgspec.convert(body, Evaluation, strict=False)) == str(gaps)


def test_table_is_as_agreed():
    y = [0, 0, 1, 0, 1, 1, 0, 1]
    p = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    text = str(evaluate(y, p, groups=list("aaaabbbb"), level=0.9))
    head, first, second = text.split("\n\n")[:3]
    assert head.splitlines() == [
        "8 rows, 4 events, 90% intervals",
        "  prevalence                   0.500      0.249 to 0.751  [1]",
        "  auroc                        0.750      0.334 to 0.947  [2]",
        "  average precision            0.771      0.326 to 0.959  [3]",
        "  brier                        0.205      0.115 to 0.339  [4]",
        "  log loss                     0.584      0.382 to 0.894  [5]",
        "  calibration slope            0.988     -0.369 to 2.345  [6]",
        "  calibration in the large     0.256     -1.165 to 1.676  [6]",
        "  calibration error            0.400      0.000 to 0.748  [7]",
        "  smooth calibration error     0.106      0.000 to 0.388  [8]",
        "  p of perfect calibration     0.875                      [9]",
    ]
    assert first.splitlines()[0] == "a: 4 rows"
    assert second.splitlines()[0] == "b: 4 rows"
    notes = text.splitlines()[-11:]
    assert notes[0] == "[1] Wilson"
    assert notes[8:] == [
        "[9] Spiegelhalter's z, two-sided",
        "[10] Newcombe's method 5",
        "[11] Clopper-Pearson over the events",
    ]
    assert text == "\n\n".join([head, first, second, "\n".join(notes)])


def test_a_million_rows_by_group():
    rng = np.random.default_rng(0)
    p = rng.random(10**6)
    y = rng.random(10**6) < p
    result = evaluate(y, p, groups=rng.integers(0, 4, 10**6))
    assert result.overall["auroc"].value == pytest.approx(5 / 6, abs=0.002)
    assert result.overall["brier"].value == pytest.approx(1 / 6, abs=0.001)
    assert result.overall["log_loss"].value == pytest.approx(0.5, abs=0.003)
    assert result.overall["calibration_slope"].value == pytest.approx(1, abs=0.01)
    assert result.overall["calibration_error"].low == 0
