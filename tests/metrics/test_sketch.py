"""A sketch's brackets hold the exact value; merging forgets the order; saving keeps everything."""

import math
from functools import partial

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright import metrics
from riskwright.core import (
    ArtifactError,
    ColumnError,
    EmptyDataError,
    ParameterError,
    TargetError,
    ValueRangeError,
    load,
    save,
)
from riskwright.metrics import (
    ScoreSketch,
    calibration_error,
    calibration_test,
    evaluate,
    group_table,
    precision_recall_curve,
    risk_coverage,
    roc_curve,
)

BRACKETED = ["auroc", "average_precision", "brier", "log_loss", "calibration_in_the_large"]


def worlds(n=400):
    rng = np.random.default_rng(0)
    p = rng.random(n)
    y = rng.random(n) < p
    edges = np.clip(np.round(p * 16) / 16 + rng.choice([-1e-12, 0, 1e-12], n), 0, 1)
    worst = np.floor(p * 16) / 16 + np.where(y, 0.001, 0.061)
    best = np.floor(p * 16) / 16 + np.where(y, 0.061, 0.001)
    spread = rng.beta(0.05, 0.05, n)
    return {
        "random": (y, p),
        "edges": (y, edges),
        "worst": (y, worst),
        "best": (y, best),
        "extreme": (rng.random(n) < 0.5 * spread + 0.2, spread),
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("world", worlds())
@pytest.mark.parametrize("name", BRACKETED)
def test_bracket_holds_the_exact_value(name, world, weighted):
    y, p = worlds()[world]
    w = np.random.default_rng(1).gamma(2.0, size=y.size) if weighted else None
    sketch = ScoreSketch(16, weighted=weighted).update(p, y, w)
    found, exact = (
        getattr(metrics, name)(sketch),
        getattr(metrics, name)(y, p, sample_weight=w),
    )
    low, high = found.bracket
    slack = 1e-9 * abs(exact.value)
    assert low - slack <= exact.value <= high + slack
    assert low <= found.value <= high
    assert found.low <= low
    assert found.high >= high
    assert found.n == exact.n


@pytest.mark.parametrize("world", worlds())
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bins": 5, "binning": "equal_width"},
        {"bins": 8, "binning": "equal_width"},
        {"kind": "smooth"},
    ],
)
def test_bracket_of_a_calibration_error_holds_the_exact_value(world, options):
    y, p = worlds()[world]
    for bins in (16, 256):
        found = calibration_error(ScoreSketch(bins).update(p, y), **options)
        low, high = found.bracket
        assert low - 1e-9 <= calibration_error(y, p, **options).value <= high + 1e-9
        assert found.low <= low <= found.value <= high <= found.high


def test_bins_that_do_not_part_cells_give_the_exact_error():
    y, p = worlds()["random"]
    found = calibration_error(ScoreSketch(64).update(p, y), bins=8, binning="equal_width")
    exact = calibration_error(y, p, bins=8, binning="equal_width").value
    assert found.bracket == (found.value, found.value)
    assert found.value == pytest.approx(exact, abs=1e-12)


rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 62) | st.just(64)), min_size=4, max_size=30
).filter(lambda drawn: len({y for y, _ in drawn}) == 2)


@given(rows)
def test_scores_on_the_grid_give_the_exact_figures(drawn):
    y, p = np.array([y for y, _ in drawn]), np.array([k / 64 for _, k in drawn])
    sketch = ScoreSketch(64).update(p, y)
    for name in BRACKETED:
        found, exact = getattr(metrics, name)(sketch), getattr(metrics, name)(y, p)
        assert found.value == pytest.approx(exact.value, rel=1e-9, abs=1e-9, nan_ok=True)
        if (p < 1).all() and not math.isnan(exact.value):
            assert found.bracket == pytest.approx((exact.value, exact.value), abs=1e-9)
            assert (found.low, found.high) == pytest.approx(
                (exact.low, exact.high), rel=1e-6, abs=1e-9, nan_ok=True
            )


FIGURES = {
    "auroc": metrics.auroc,
    "average_precision": metrics.average_precision,
    "partial_auroc": partial(metrics.partial_auroc, max_fpr=0.3),
    "sensitive partial_auroc": partial(metrics.partial_auroc, min_tpr=0.6, standardised=True),
    "brier": metrics.brier,
    "log_loss": metrics.log_loss,
    "augrc": metrics.augrc,
    "aurc": metrics.aurc,
    "achievable aurc": partial(metrics.aurc, interpolation="achievable"),
    "e_aurc": metrics.e_aurc,
    "f1": partial(metrics.f1, threshold=0.3),
    "g_mean": partial(metrics.g_mean, threshold=0.55),
    "net_benefit": lambda y, p=None: metrics.net_benefit_at(y, p, 0.3),
    "calibration_error": metrics.calibration_error,
}
cell = st.integers(0, 7)
within = st.sampled_from([0.0, 1e-300, 1e-13, 0.01, 0.0625, 0.12, 0.125 - 1e-15]) | st.floats(
    0, 0.12
)
adversarial = st.lists(st.tuples(st.booleans(), cell, within), min_size=2, max_size=25).filter(
    lambda drawn: len({y for y, _, _ in drawn}) == 2
)


@settings(max_examples=150)
@given(adversarial)
def test_every_bracket_holds_the_exact_value_for_scores_anywhere_in_their_cells(drawn):
    y = np.array([y for y, _, _ in drawn])
    p = np.array([k / 8 + off for _, k, off in drawn])
    sketch = ScoreSketch(8).update(p, y)
    for name, figure in FIGURES.items():
        found, exact = figure(sketch), figure(y, p)
        low, high = found.bracket
        slack = 1e-9 * abs(exact.value) + 1e-15
        assert low - slack <= exact.value <= high + slack, name
        assert low <= found.value <= high
        assert not found.low > low
        assert not found.high < high


@settings(max_examples=100)
@given(adversarial, st.sampled_from(["spiegelhalter", "ks"]))
def test_p_value_of_a_sketch_is_never_too_small(drawn, method):
    y = np.array([y for y, _, _ in drawn])
    p = np.array([k / 8 + off for _, k, off in drawn])
    found = calibration_test(ScoreSketch(8).update(p, y), method=method)
    exact = calibration_test(y, p, method=method)
    if not math.isnan(exact.p_value):
        assert not found.p_value < exact.p_value * (1 - 1e-9) - 1e-9


def test_curves_of_a_sketch_pass_through_the_exact_points():
    y, p = worlds()["random"]
    sketch = ScoreSketch(32).update(p, y)
    curve = roc_curve(sketch)
    for x, t, cut in zip(
        curve.false_positive_rate, curve.true_positive_rate, curve.threshold, strict=True
    ):
        assert x == pytest.approx(np.mean(p[~y] >= cut))
        assert t == pytest.approx(np.mean(p[y] >= cut))
    exact = roc_curve(y, p)
    at = np.searchsorted(exact.false_positive_rate, curve.false_positive_rate)
    assert (np.array(curve.low) <= np.array(exact.low)[at] + 1e-9).all()
    assert (np.array(curve.high) >= np.array(exact.high)[at] - 1e-9).all()
    precise = precision_recall_curve(sketch)
    assert precise.precision[-1] == pytest.approx(y.mean())
    assert precise.average_precision.bracket[0] < metrics.average_precision(y, p).value
    risky = risk_coverage(sketch)
    point = risky.at(coverage=0.5)
    assert point.selective_risk.value == pytest.approx(y[p >= point.threshold].mean())
    assert risky.augrc.bracket[0] <= metrics.augrc(y, p).value <= risky.augrc.bracket[1]
    benefit = metrics.net_benefit({"a": sketch}, thresholds=[0.1, 0.5])["a"]
    assert benefit.net_benefit[1] == pytest.approx(metrics.net_benefit_at(y, p, 0.5).value)
    assert benefit.low[0] <= metrics.net_benefit_at(y, p, 0.1).value <= benefit.high[0]


def test_what_takes_no_sketch_says_so():
    y, p = worlds()["random"]
    sketch = ScoreSketch(32).update(p, y)
    with pytest.raises(ParameterError, match="needs rows"):
        group_table("brier", {"a": sketch})
    with pytest.raises(ParameterError, match="already holds"):
        metrics.augrc(sketch, p)
    with pytest.raises(ParameterError, match="already holds"):
        metrics.augrc(sketch, classes=y)
    with pytest.raises(ParameterError, match="already holds"):
        roc_curve(sketch, p)


def test_default_sketch_is_narrow():
    y, p = worlds(20_000)["random"]
    for name in BRACKETED[:4]:
        low, high = getattr(metrics, name)(ScoreSketch().update(p, y)).bracket
        assert high - low < 1e-4


parts = st.lists(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=8), min_size=3, max_size=3
)


@given(parts)
def test_merging_is_commutative_and_associative_to_the_last_bit(drawn):
    def sketch(part):
        made = ScoreSketch(256)
        return made.update(*map(np.array, zip(*part, strict=True))) if part else made

    a, b, c = map(sketch, drawn)
    whole = sketch([row for part in drawn for row in part])
    assert (a + b) + c == a + (b + c) == c + (b + a) == whole
    assert ((a + b) + c).digest == whole.digest
    assert whole.n == sum(map(len, drawn))


def test_evaluation_of_a_sketch_and_of_groups():
    y, p = worlds()["random"]
    half = np.arange(400) % 2
    sketches = {k: ScoreSketch().update(p[half == k], y[half == k]) for k in (0, 1)}
    result, exact = evaluate(sketches), evaluate(y, p, groups=half)
    assert list(result.by_group) == list(exact.by_group) == ["0", "1"]
    for name, figure in exact.overall.items():
        assert result.overall[name].value == pytest.approx(figure.value, abs=1e-2)
    assert result.by_group["1"]["auroc"].value == pytest.approx(
        exact.by_group["1"]["auroc"].value, abs=1e-3
    )
    assert "no bracket" in result.overall["calibration_slope"].method
    assert str(evaluate(sketches[0])).startswith("200 rows")
    by_group = metrics.brier(sketches)
    assert by_group["0"] == metrics.brier(sketches[0])
    assert calibration_error(sketches)["1"] == calibration_error(sketches[1])


def test_bracket_is_in_the_json_only_where_there_is_one():
    y, p = worlds()["random"]
    with_bracket = msgspec.to_builtins(metrics.brier(ScoreSketch().update(p, y)))
    assert len(with_bracket["bracket"]) == 2
    assert "bracket" not in msgspec.to_builtins(metrics.brier(y, p))


@pytest.mark.parametrize("weighted", [False, True])
def test_saved_and_loaded(tmp_path, weighted):
    y, p = worlds()["random"]
    w = np.arange(1.0, 401.0) if weighted else None
    sketch = ScoreSketch(1024, weighted=weighted).update(p, y, w)
    save(sketch, tmp_path / "sketch.json")
    loaded = load(tmp_path / "sketch.json")
    assert loaded == sketch
    assert loaded.digest == sketch.digest
    empty = ScoreSketch(8)
    save(empty, tmp_path / "empty.json")
    assert load(tmp_path / "empty.json") == empty


@pytest.mark.parametrize(
    "change", [{"rows": 7}, {"bin": [1, 0, 2]}, {"bin": [0, 1, 99]}, {"events": [1, -1, 1]}]
)
def test_bodies_that_do_not_add_up_are_refused(change):
    _, body = ScoreSketch(8).update([0.1, 0.2, 0.9], [1, 1, 0]).to_artifact()
    with pytest.raises((ArtifactError, ValueError)):
        ScoreSketch.from_artifact(body | change)


def test_parquet_is_read_in_batches(tmp_path):
    y, p = worlds(5000)["random"]
    w = np.arange(5000) % 3
    pl.DataFrame({"p": p, "y": y, "w": w}).write_parquet(tmp_path / "rows.parquet")
    read = ScoreSketch.from_parquet(
        tmp_path / "rows.parquet", score="p", target="y", batch_rows=700
    )
    assert read == ScoreSketch().update(p, y)
    weighted = ScoreSketch.from_parquet(
        tmp_path / "rows.parquet", score="p", target="y", sample_weight="w", batch_rows=5000
    )
    assert weighted.n == (w > 0).sum()
    assert metrics.brier(weighted).value == pytest.approx(
        metrics.brier(y, p, sample_weight=w).value, abs=1e-4
    )
    with pytest.raises(ColumnError, match="no such column; got q"):
        ScoreSketch.from_parquet(tmp_path / "rows.parquet", score="q", target="y")


def test_what_does_not_fit_is_refused_and_leaves_the_sketch_as_it_was():
    sketch = ScoreSketch(8).update([0.5], [1])
    before = sketch.digest
    for bins in (0, 3, 2**21):
        with pytest.raises(ParameterError, match="a power of two"):
            ScoreSketch(bins)
    with pytest.raises(ValueRangeError, match="probabilities out of range"):
        sketch.update([0.5, 1.5], [0, 1])
    with pytest.raises(TargetError, match="outcomes other than 0 and 1"):
        sketch.update([0.5, 0.5], [0, 2])
    with pytest.raises(ParameterError, match="weights do not fit the sketch"):
        sketch.update([0.5], [1], [2.0])
    with pytest.raises(ParameterError, match="sketches of different kind"):
        sketch + ScoreSketch(16)
    with pytest.raises(ParameterError, match="a sketch already holds"):
        metrics.brier(sketch, [0.5])
    with pytest.raises(EmptyDataError, match="sketch: no rows"):
        metrics.brier(ScoreSketch(8))
    with pytest.raises(TargetError, match="only one class"):
        metrics.auroc(sketch)
    assert sketch.digest == before
    assert math.isnan(evaluate(sketch).overall["auroc"].value)
