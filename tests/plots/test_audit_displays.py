"""Displays of an audit: their numbers, their words, and their drawings."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from msgspec.structs import replace

from riskwright.core import Estimate
from riskwright.explanation.distillation import Shape
from riskwright.metrics import reliability
from riskwright.plots.display import Display
from riskwright.plots.figure import Band, Bars, Curve, Points
from riskwright.plots.group_reliability import GroupReliabilityDisplay
from riskwright.plots.range_widths import RangeWidthsDisplay
from riskwright.plots.recourse_bars import RecourseDisplay
from riskwright.plots.reliability import ReliabilityDisplay
from riskwright.plots.shape import ShapeDisplay

EVIL = '<script>alert(1)</script> & "q"'


def share(value: float, half: float = 0.05) -> Estimate:
    return Estimate(
        value=value, low=value - half, high=value + half, level=0.95, n=200, method="Wilson"
    )


def tolerance(name: str, widths: tuple[int, ...]) -> SimpleNamespace:
    return SimpleNamespace(name=name, widths=widths, mean_width=(0.28, 0.281))


def recourse(*values: float) -> SimpleNamespace:
    features = [
        SimpleNamespace(feature=f"feature {i}", can_work=share(v)) for i, v in enumerate(values)
    ]
    return SimpleNamespace(features=features, n_asked=200, target="granted")


def shape(bins: int = 4, **changes: object) -> Shape:
    score = tuple(0.1 * i for i in range(bins))
    fields = {
        "feature": "age",
        "bins": tuple(f"{10 * i} to {10 * i + 10}" for i in range(bins)),
        "n": tuple(100 + i for i in range(bins)),
        "score": score,
        "outcome": tuple(s - 0.05 for s in score),
        "difference": (0.05,) * bins,
        "low": (-0.1,) * bins,
        "high": (0.2,) * bins,
        "importance": 0.4,
        "differs": False,
    }
    return Shape(**(fields | changes))


@pytest.fixture(scope="module")
def curves() -> SimpleNamespace:
    rng = np.random.default_rng(4)
    p = rng.random(4000) * 0.6
    y = (rng.random(4000) < p).astype(float)
    group = rng.integers(0, 6, 4000)
    by_group = {
        f"group {g}": reliability(y[group <= g], p[group <= g]) for g in range(6)
    }  # nested: group 5 has most rows
    return SimpleNamespace(all=reliability(y, p), by_group=by_group)


@pytest.fixture
def displays(curves: SimpleNamespace) -> list[Display]:
    return [
        GroupReliabilityDisplay(curves.all, curves.by_group),
        RangeWidthsDisplay([tolerance("noise", (3, 1)), tolerance("1%", (1, 3))], 4),
        RecourseDisplay(recourse(0.5, 0.2)),
        ShapeDisplay(shape()),
    ]


def test_every_display_draws_reads_and_describes_itself(displays: list[Display]):
    for display in displays:
        root = ElementTree.fromstring(display.to_svg())
        assert root.get("role") == "img"
        assert len(display.reading) > 40
        assert len(re.findall(r"\d", display.figure().description)) > 5
        assert "nan" not in display.to_svg().lower()
        assert len(display.to_svg()) < 30_000


def test_bare_drawings_leave_out_title_and_caption_but_keep_the_words_for_screen_readers(
    displays: list[Display],
):
    for display in displays:
        figure = display.figure()
        bare = ElementTree.fromstring(display.to_svg(bare=True))
        texts = [e.text or "" for e in bare.iter() if e.tag.endswith("text")]
        assert figure.title not in texts
        assert not any(figure.caption.startswith(text) for text in texts if len(text) > 12)
        held = {e.tag.rpartition("}")[2]: e.text for e in bare}
        assert held["title"] == figure.title
        assert held["desc"] == figure.description
        assert float(bare.get("height")) <= float(
            ElementTree.fromstring(display.to_svg()).get("height")
        )


def test_the_largest_groups_are_drawn_each_with_a_line_of_its_own(curves: SimpleNamespace):
    display = GroupReliabilityDisplay(curves.all, curves.by_group)
    assert display.shown() == ["group 5", "group 4", "group 3", "group 2"]
    lines = [m for m in display.figure().marks if isinstance(m, Curve) and m.style != "rule"]
    assert [line.label for line in lines] == [
        f"{name}, n {curves.by_group[name].n:,}" for name in display.shown()
    ]
    assert len({line.style for line in lines}) == 4
    assert lines[0].y == curves.by_group["group 5"].observed
    assert "2 smaller groups are not drawn." in display.figure().caption
    dashes = set(re.findall(r'stroke-dasharray="([\d. ]+)"', display.to_svg()))
    assert len(dashes) == 5


def test_the_overall_points_stay_as_they_were(curves: SimpleNamespace):
    with_groups = GroupReliabilityDisplay(curves.all, curves.by_group).figure()
    alone = ReliabilityDisplay(curves.all).figure()
    points = [[m for m in f.marks if isinstance(m, Points)] for f in (with_groups, alone)]
    assert points[0] == points[1]
    reach = max(v for c in curves.by_group.values() for v in (*c.predicted, *c.observed))
    assert with_groups.x.high == with_groups.y.high >= reach


def test_widths_become_shares_of_people():
    figure = RangeWidthsDisplay([tolerance("noise", (6, 3, 0, 1))], 10).figure()
    (bars,) = figure.marks
    assert isinstance(bars, Bars)
    assert bars.length == (0.6, 0.3, 0.0, 0.1)
    assert bars.start == (0.0, 0.25, 0.5, 0.75)
    assert bars.end == (0.25, 0.5, 0.75, 1.0)
    assert "0 to 25 points: 60.0%; 25 to 50 points: 30.0%; 75 to 100 points: 10.0%" in (
        figure.description
    )
    assert "mean width between 28.0% and 28.1%" in figure.description


def test_a_second_tolerance_is_an_outline_of_the_same_area():
    tolerances = [tolerance("noise", (4, 0)), tolerance("1%", (1, 3)), tolerance("5%", (0, 4))]
    _, line = RangeWidthsDisplay(tolerances, 4).figure().marks
    assert isinstance(line, Curve)
    assert line.x == (0.0, 0.0, 0.5, 0.5, 1.0, 1.0)
    assert line.y == (0.0, 0.25, 0.25, 0.75, 0.75, 0.0)


def test_bars_stand_where_their_numbers_are():
    """Bar heights on paper are in the ratio of the shares, down to the axis."""
    svg = RangeWidthsDisplay([tolerance("noise", (6, 3, 0, 1))], 10).to_svg()
    bars = [float(h) for h in re.findall(r'height="([\d.]+)" fill="#cfdeec" stroke', svg)]
    bars = bars[-4:]
    assert bars[0] == pytest.approx(2 * bars[1], abs=0.3)
    assert bars[0] == pytest.approx(6 * bars[3], abs=0.7)
    assert bars[2] == 0


def test_reasons_that_work_most_often_come_first_with_their_intervals():
    figure = RecourseDisplay(recourse(0.2, 0.7, math.nan, 0.4), most=3).figure()
    bars, points = figure.marks
    assert isinstance(bars, Bars)
    assert isinstance(points, Points)
    assert figure.y.names == ("feature 1", "feature 3", "feature 0")
    assert bars.length == points.x == (0.7, 0.4, 0.2)
    assert points.low == pytest.approx((0.65, 0.35, 0.15))
    assert figure.x.high >= 0.75
    assert "1 more features are not shown." in figure.caption
    assert figure.notes == ("70%", "40%", "20%")


def test_the_band_of_a_shape_is_left_where_the_difference_excludes_zero():
    """The outcome's band is score minus the band of the difference."""
    agrees, differs = shape(), shape(low=(0.02,) * 4, high=(0.2,) * 4)
    for given, inside in ((agrees, True), (differs, False)):
        marks = ShapeDisplay(given).figure().marks
        band = next(m for m in marks if isinstance(m, Band))
        score = next(m for m in marks if isinstance(m, Curve) and m.label == "score")
        held = [a <= s <= b for a, s, b in zip(band.low, score.y, band.high, strict=True)]
        assert held == [inside] * 4


def test_a_shape_without_an_outcome_and_one_of_a_single_bin_can_be_drawn():
    alone = shape(outcome=None, difference=None, low=None, high=None)
    figure = ShapeDisplay(alone).figure()
    assert not any(isinstance(m, Band) for m in figure.marks)
    assert {m.label for m in figure.marks} == {"", "score"}
    ElementTree.fromstring(ShapeDisplay(shape(bins=1)).to_svg())
    assert figure.columns is not None
    assert figure.columns.height == (100.0, 101.0, 102.0, 103.0)


def test_all_text_is_escaped(curves: SimpleNamespace):
    report = recourse(0.5)
    report.features[0].feature = EVIL
    for display in (
        GroupReliabilityDisplay(curves.all, {EVIL: curves.all}),
        RangeWidthsDisplay([tolerance(EVIL, (1, 2))], 3),
        RecourseDisplay(report),
        ShapeDisplay(replace(shape(), feature=EVIL, bins=(EVIL,) * 4)),
    ):
        svg = display.to_svg(name="x")
        assert "<script" not in svg
        ElementTree.fromstring(svg)


def test_nothing_to_show_is_drawn_as_an_empty_figure():
    for display in (
        RangeWidthsDisplay([], 0),
        RangeWidthsDisplay([tolerance("noise", (0, 0))], 0),
        RecourseDisplay(recourse()),
        RecourseDisplay(recourse(math.nan)),
    ):
        ElementTree.fromstring(display.to_svg())


def test_matplotlib_draws_the_same_bars():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    import matplotlib

    matplotlib.use("Agg")
    for display, size in (
        (RangeWidthsDisplay([tolerance("noise", (6, 3, 0, 1))], 10), "get_height"),
        (RecourseDisplay(recourse(0.6, 0.3, 0.1)), "get_width"),
    ):
        display.plot()
        lengths = [getattr(patch, size)() for patch in display.ax_.patches]
        assert lengths == pytest.approx(list(display.figure().marks[0].length))
        pyplot.close(display.figure_)
