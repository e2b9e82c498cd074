"""Displays hold the numbers they are given and draw all of them that can be drawn."""

from __future__ import annotations

import math
import re
import sys
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from riskwright import metrics
from riskwright.core import Estimate, MissingExtraError, ParameterError
from riskwright.plots import (
    Display,
    GroupGapDisplay,
    NetBenefitDisplay,
    PrecisionRecallDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    RocDisplay,
)
from riskwright.plots.figure import Band, Curve, Points

SVG = "{http://www.w3.org/2000/svg}"
NAN = math.nan
EVIL = '<script>alert(1)</script> "q" & $x_1$ \' --> {{7*7}} \x07'
DISPLAYS = {
    "reliability": ReliabilityDisplay,
    "risk_coverage": RiskCoverageDisplay,
    "roc": RocDisplay,
    "precision_recall": PrecisionRecallDisplay,
    "net_benefit": NetBenefitDisplay,
    "group_table": GroupGapDisplay,
}
ARRAYS = {
    "reliability": ("observed", "low", "high"),
    "risk_coverage": ("selective_risk", "generalised_risk", "low", "high"),
    "roc": ("true_positive_rate", "low", "high"),
    "precision_recall": ("precision", "low", "high"),
    "net_benefit": ("net_benefit", "treat_all", "low", "high"),
}
every = pytest.mark.parametrize("kind", DISPLAYS)


def display(records: SimpleNamespace, kind: str, **options: str) -> Display:
    return DISPLAYS[kind](getattr(records, kind), **options)


def checked(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        for name, value in element.attrib.items():
            if name in ("points", "x", "y", "width", "height", "cx", "cy", "r", "viewBox"):
                assert re.fullmatch(r"[-0-9., ]+", value), (name, value)
    return root


def marks(figure, kind):
    return [mark for mark in figure.marks if isinstance(mark, kind)]


@every
def test_svg_is_small_well_formed_and_says_what_it_shows(records: SimpleNamespace, kind: str):
    svg = display(records, kind).to_svg()
    root = checked(svg)
    assert len(svg.encode()) < 30_000
    assert root.get("role") == "img"
    ids = {root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")}
    assert ids == set(root.get("aria-labelledby").split())
    assert root.find(f"{SVG}desc").text
    shown = " ".join("".join(e.itertext()) for e in root.iter(f"{SVG}text"))
    assert "95%" in shown
    assert "5 groups" in shown if kind == "group_table" else "n = 3,000" in shown
    assert "://" not in svg.replace("http://www.w3.org/2000/svg", "")


@every
@pytest.mark.parametrize("width", [240, 440, 900])
def test_nothing_is_drawn_outside_of_the_picture(records: SimpleNamespace, kind: str, width: int):
    root = checked(display(records, kind).to_svg(width=width))
    _, _, right, bottom = map(float, root.get("viewBox").split())
    assert right == width
    for line in [*root.iter(f"{SVG}polyline"), *root.iter(f"{SVG}polygon")]:
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= right
            assert 0 <= y <= bottom
    for dot in root.iter(f"{SVG}circle"):
        assert 0 <= float(dot.get("cx")) <= right
        assert 0 <= float(dot.get("cy")) <= bottom


def test_marks_hold_the_numbers_of_the_records(records: SimpleNamespace):
    held = {kind: display(records, kind).figure() for kind in DISPLAYS}
    points = marks(held["reliability"], Points)[0]
    curve = records.reliability
    assert (points.x, points.y) == (curve.predicted, curve.observed)
    assert (points.low, points.high) == (curve.low, curve.high)
    assert held["reliability"].columns.height == tuple(map(float, curve.count))
    for kind, x, y in (
        ("roc", "false_positive_rate", "true_positive_rate"),
        ("net_benefit", "threshold", "net_benefit"),
        ("risk_coverage", "coverage", "selective_risk"),
    ):
        curve = getattr(records, kind)
        lines = {(mark.x, mark.y) for mark in marks(held[kind], Curve)}
        assert (getattr(curve, x), getattr(curve, y)) in lines
        band = marks(held[kind], Band)[0]
        assert (band.x, band.low, band.high) == (getattr(curve, x), curve.low, curve.high)
    gaps = [row.gap for row in records.group_table.rows]
    points = marks(held["group_table"], Points)[-1]
    assert points.x[1:] == tuple(gap.value for gap in gaps[1:])
    assert points.low[1:] == tuple(gap.low for gap in gaps[1:])
    assert math.isnan(points.x[0])


def test_points_stand_where_the_scales_say(records: SimpleNamespace):
    root = checked(display(records, "reliability").to_svg())
    texts = [(e.text, e) for e in root.iter(f"{SVG}text")]
    rises = {t: float(e.get("y")) - 4 for t, e in texts if e.get("text-anchor") == "end"}
    goes = {t: float(e.get("x")) for t, e in texts if e.get("text-anchor") == "middle"}
    dots = list(root.iter(f"{SVG}circle"))[1:]  # the first is the legend's
    curve = records.reliability
    assert len(dots) == len(curve.observed)
    for dot, x, y in zip(dots, curve.predicted, curve.observed, strict=True):
        across = goes["0%"] + (goes["60%"] - goes["0%"]) * x / 0.6
        up = rises["0%"] + (rises["60%"] - rises["0%"]) * y / 0.6
        assert float(dot.get("cx")) == pytest.approx(across, abs=0.06)
        assert float(dot.get("cy")) == pytest.approx(up, abs=0.06)


def test_precision_between_two_thresholds_is_that_of_the_higher_recall(records: SimpleNamespace):
    rising = msgspec.structs.replace(
        records.precision_recall,
        recall=(0.2, 0.6, 1.0),
        precision=(1.0, 0.5, 0.3),
        low=(0.9, 0.4, 0.2),
        high=(1.0, 0.6, 0.4),
    )
    falling = msgspec.structs.replace(
        rising, **{k: getattr(rising, k)[::-1] for k in ("recall", "precision", "low", "high")}
    )
    path = [(0.2, 1.0), (0.2, 0.5), (0.6, 0.5), (0.6, 0.3), (1.0, 0.3)]
    for curve, wanted in ((rising, path), (falling, path[::-1])):
        line = marks(PrecisionRecallDisplay(curve).figure(), Curve)[0]
        assert list(zip(line.x, line.y, strict=True)) == wanted


@pytest.mark.parametrize("kind", ARRAYS)
def test_what_is_undefined_leaves_a_gap(records: SimpleNamespace, kind: str):
    curve = getattr(records, kind)
    bad = {
        name: tuple(NAN if i % 3 == 1 else v for i, v in enumerate(getattr(curve, name)))
        for name in ARRAYS[kind]
    }
    checked(DISPLAYS[kind](msgspec.structs.replace(curve, **bad)).to_svg())
    reason = "none: one class only"
    nowhere = {"low": (NAN,) * len(curve.low), "high": (NAN,) * len(curve.low)}
    nowhere |= {"methods": (reason,) * 9} if hasattr(curve, "methods") else {"method": reason}
    svg = DISPLAYS[kind](msgspec.structs.replace(curve, **nowhere)).to_svg()
    checked(svg)
    assert "no intervals: one class only" in svg


def test_a_point_without_interval_is_drawn_without_bar(records: SimpleNamespace):
    curve = records.reliability
    bare = msgspec.structs.replace(curve, low=(NAN, *curve.low[1:]), high=curve.high)
    roots = [checked(ReliabilityDisplay(c).to_svg()) for c in (curve, bare)]
    dots, lines = ([len(list(r.iter(SVG + tag))) for r in roots] for tag in ("circle", "polyline"))
    assert dots[0] == dots[1]
    assert lines[0] - lines[1] == 3


def test_a_simultaneous_band_is_drawn_as_a_band(records: SimpleNamespace):
    curve = msgspec.structs.replace(records.reliability, simultaneous=True)
    figure = ReliabilityDisplay(curve).figure()
    assert marks(figure, Band)[0].low == curve.low
    assert all(map(math.isnan, marks(figure, Points)[0].low))
    assert "for all bins at once" in figure.caption


def test_many_points_stay_small_and_true_to_a_pixel():
    rng = np.random.default_rng(1)
    n = 20_000
    x = tuple(np.linspace(0, 1, n).tolist())
    noise = tuple(rng.random(n).tolist())
    curve = SimpleNamespace(
        predicted=x,
        observed=noise,
        low=noise,
        high=(1.0,) * n,
        count=(1,) * n,
        n=n,
        level=0.95,
        method="none stated",
        simultaneous=False,
    )
    reliability = ReliabilityDisplay(curve)
    svg = reliability.to_svg()
    checked(svg)
    assert len(svg.encode()) < 30_000
    assert sum(reliability.figure().columns.height) == n


def test_many_groups_show_the_farthest(records: SimpleNamespace):
    rows = records.group_table.rows
    more = tuple(
        msgspec.structs.replace(
            rows[1], group=f"{EVIL} {i}", gap=msgspec.structs.replace(rows[1].gap, value=0.001 * i)
        )
        for i in range(300)
    )
    table = msgspec.structs.replace(
        records.group_table, rows=(rows[0], *more), small=records.group_table.small * 250
    )
    figure = GroupGapDisplay(table).figure()
    assert figure.y.names[0] == "sex = female"
    assert max(marks(figure, Points)[-1].x[1:]) == pytest.approx(0.299)
    assert "The 30 farthest of 301" in figure.caption
    assert "and 488 more" in figure.caption
    svg = GroupGapDisplay(table).to_svg()
    checked(svg)
    assert len(svg.encode()) < 30_000


def test_without_gaps_the_figures_themselves_are_drawn(records: SimpleNamespace):
    rows = tuple(msgspec.structs.replace(row, gap=None) for row in records.group_table.rows)
    nothing = Estimate(value=NAN, low=NAN, high=NAN, level=0.95, n=3, method="none: one class")
    tiny = msgspec.structs.replace(rows[0], group="tiny", estimate=nothing)
    table = msgspec.structs.replace(records.group_table, rows=(*rows, tiny))
    figure = GroupGapDisplay(table).figure()
    assert marks(figure, Points)[0].x[:5] == tuple(row.estimate.value for row in rows)
    assert figure.notes[-1] == "n 3"
    assert "tiny: not defined (one class)" in figure.description
    checked(GroupGapDisplay(table).to_svg())


def test_arrays_serve_as_tuples(records: SimpleNamespace):
    curve = records.risk_coverage
    arrays = {
        name: np.asarray(value) if isinstance(value := getattr(curve, name), tuple) else value
        for name in curve.__struct_fields__
    }
    shown = RiskCoverageDisplay(SimpleNamespace(**arrays))
    assert shown.to_svg() == RiskCoverageDisplay(curve).to_svg()


def test_net_benefit_says_its_unit(records: SimpleNamespace):
    curve = msgspec.structs.replace(records.net_benefit, standardised=True)
    assert "best possible" in NetBenefitDisplay(curve).figure().y.label
    assert "per person" in display(records, "net_benefit").figure().y.label


def test_empty_and_single_records_are_drawn(records: SimpleNamespace):
    for kind in ARRAYS:
        curve = getattr(records, kind)
        tuples = [f for f in curve.__struct_fields__ if isinstance(getattr(curve, f), tuple)]
        for size in (0, 1):
            cut = {name: getattr(curve, name)[:size] for name in tuples}
            checked(DISPLAYS[kind](msgspec.structs.replace(curve, **cut)).to_svg())
    checked(GroupGapDisplay(msgspec.structs.replace(records.group_table, rows=())).to_svg())


@every
def test_hostile_names_stay_text(records: SimpleNamespace, kind: str):
    svg = display(records, kind, name=EVIL).to_svg()
    root = checked(svg)
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in svg
    assert "<script>alert(1)</script>" in root.find(f"{SVG}title").text


def test_two_displays_on_a_page_have_different_identifiers(records: SimpleNamespace):
    svgs = [display(records, kind).to_svg() for kind in DISPLAYS]
    assert len({re.search(r'id="([^"]+)"', svg).group(1) for svg in svgs}) == len(svgs)
    assert 'id="mine-title"' in display(records, "roc").to_svg(name="mine")
    assert display(records, "roc").to_svg() == display(records, "roc").to_svg()


@pytest.mark.parametrize("size", [{"width": 100}, {"width": NAN}, {"height": -1}])
def test_impossible_sizes_are_refused(records: SimpleNamespace, size: dict[str, float]):
    with pytest.raises(ParameterError, match="impossible size"):
        display(records, "roc").to_svg(**size)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("reliability", "reliability"),
        ("risk_coverage", "risk_coverage"),
        ("roc", "roc_curve"),
        ("precision_recall", "precision_recall_curve"),
        ("net_benefit", "net_benefit"),
    ],
)
def test_predictions_go_to_the_metric_with_the_options(
    monkeypatch: pytest.MonkeyPatch, records: SimpleNamespace, kind: str, function: str
):
    seen = {}

    def measure(*arrays, **options):
        seen.update(arrays=arrays, options=options)
        return getattr(records, kind)

    monkeypatch.setattr(metrics, function, measure, raising=False)
    made = DISPLAYS[kind].from_predictions([0, 1], [0.2, 0.8], name="A", level=0.9)
    assert made.curve is getattr(records, kind)
    assert made.name == "A"
    assert seen == {"arrays": ([0, 1], [0.2, 0.8]), "options": {"level": 0.9}}


def test_groups_go_to_the_metric(monkeypatch: pytest.MonkeyPatch, records: SimpleNamespace):
    def measure(metric, y, p, groups, *, level):
        assert (metric, y, p, groups, level) == ("auroc", [0], [0.5], ["a"], 0.9)
        return records.group_table

    monkeypatch.setattr(metrics, "group_table", measure, raising=False)
    made = GroupGapDisplay.from_predictions("auroc", [0], [0.5], ["a"], level=0.9)
    assert made.table is records.group_table


def test_plot_without_matplotlib_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, records: SimpleNamespace
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"riskwright\[plot\]"):
        display(records, "roc").plot()


@every
def test_plot_draws_the_same_numbers(records: SimpleNamespace, kind: str):
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    ax = FigureCanvasAgg(figure).figure.add_subplot()
    shown = display(records, kind, name=EVIL.strip("\x07"))
    assert shown.plot(ax) is shown
    assert shown.ax_ is ax
    assert shown.figure_ is figure
    figure.canvas.draw()
    wanted = shown.figure()
    lines = [line.get_xydata() for line in ax.get_lines()]
    for mark in wanted.marks:
        if not isinstance(mark, Band):
            data = np.column_stack([mark.x, mark.y])
            assert any(
                d.shape == data.shape and np.array_equal(d, data, equal_nan=True) for d in lines
            )
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [mark.label for mark in wanted.keyed()]
    assert [t.get_text() for t in ax.get_yticklabels()] == list(wanted.y.tick_labels())
