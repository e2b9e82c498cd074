"""Axes have readable ticks, lines are cut at the axes and thinned without harm."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.plots.figure import Axis, Band, Curve, Figure, runs
from riskwright.plots.layout import figure_picture, thinned
from riskwright.plots.shapes import Area, Line, elided, shortened

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("largest", "end"), [(0.004, 0.01), (0.031, 0.05), (0.2, 0.2), (0.61, 0.8), (0.9, 1.0)]
)
def test_shares_end_at_the_first_readable_one(largest: float, end: float):
    axis = Axis.shares("", (0.0, largest, NAN, INF))
    assert axis.high == end
    assert axis.ticks[0] == 0.0
    assert axis.ticks[-1] == pytest.approx(end)
    assert axis.tick_labels()[0] == "0%"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_axes_hold_all_values_and_have_a_few_even_ticks(values: list[float]):
    axis = Axis.over("", values)
    assert axis.low < min(values)
    assert max(values) < axis.high
    slack = 1e-9 * (axis.high - axis.low)
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in axis.ticks)
    assert len(axis.ticks) <= 8


def test_fewer_labels_still_name_zero():
    axis = Axis("", -0.2, 0.1, (-0.15, -0.1, -0.05, 0.0, 0.05))
    assert axis.sparse(2) == [1, 3]
    assert axis.sparse(3) == [0, 3]


def test_runs_are_cut_where_something_is_missing():
    assert runs((1, NAN, 3, 4), (1, 2, 3, INF)) == [[0], [2]]
    assert runs((), ()) == []


def test_lines_are_cut_where_they_leave_the_axes():
    unit = Axis("", 0.0, 1.0, (0.0, 1.0))
    zigzag = Curve((0.0, 0.5, 1.0), (-1.0, 1.0, -1.0), "", "main")
    band = Band((0.0, 1.0), (-5.0, -5.0), (0.5, 9.0), "")
    figure = Figure("t", "d", unit, unit, (zigzag, band), "")
    shapes = figure_picture(figure, 400, 300).shapes
    area = next(s for s in shapes if isinstance(s, Area))
    left, right = (f(x for x, _ in area.points) for f in (min, max))
    top, bottom = (f(y for _, y in area.points) for f in (min, max))
    line = next(s for s in shapes if isinstance(s, Line) and len(s.points) == 3)
    middle, quarter = (left + right) / 2, (right - left) / 4
    expected = [(middle - quarter, bottom), (middle, top), (middle + quarter, bottom)]
    for (x, y), (wanted_x, wanted_y) in zip(line.points, expected, strict=True):
        assert x == pytest.approx(wanted_x, abs=0.11)
        assert y == pytest.approx(wanted_y, abs=0.11)


def test_a_line_that_is_nowhere_within_the_axes_is_not_drawn():
    unit = Axis("", 0.0, 1.0, (0.0, 1.0))
    low = Curve((0.0, 1.0), (-2.0, -1.0), "", "other")
    picture = figure_picture(Figure("t", "d", unit, unit, (low,), ""), 400, 300)
    bare = figure_picture(Figure("t", "d", unit, unit, (), ""), 400, 300)
    assert picture.shapes == bare.shapes


def away(point: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    """Distance of a point from a segment."""
    (x, y), (dx, dy) = (point[0] - a[0], point[1] - a[1]), (b[0] - a[0], b[1] - a[1])
    square = dx * dx + dy * dy
    share = min(max((x * dx + y * dy) / square, 0.0), 1.0) if square else 0.0
    return math.hypot(x - share * dx, y - share * dy)


def test_a_thinned_line_keeps_its_ends_and_its_shape():
    line = [(x / 10, 150 + 100 * math.sin(x / 300)) for x in range(4000)]
    kept = thinned(line)
    assert kept[0] == line[0]
    assert kept[-1] == line[-1]
    assert len(kept) < 100
    for point in line[::7]:
        assert min(away(point, a, b) for a, b in pairwise(kept)) < 0.65


def test_thinning_keeps_a_short_line_as_it_is():
    assert thinned([(0.0, 0.0)]) == [(0.0, 0.0)]
    assert thinned([(0.0, 0.0), (5.0, 9.0), (9.0, 0.0)]) == [(0.0, 0.0), (5.0, 9.0), (9.0, 0.0)]
    assert len(thinned([(i % 2 * 300.0, float(i % 97)) for i in range(5000)])) <= 320


@given(st.text("ab ", max_size=40), st.integers(1, 20))
def test_long_names_lose_their_middle(text: str, most: int):
    found, plain = shortened(text, most), " ".join(text.split())
    assert len(found) <= most
    assert found == plain or "…" in found
    kept = found.partition("…")
    assert plain.startswith(kept[0])
    assert plain.endswith(kept[2])
    fitting = elided(text, lambda part: len(part) <= most)
    assert len(found) <= len(fitting) <= most


def test_names_that_begin_alike_stay_apart():
    names = [f"{'region ' * 9}= {end}" for end in ("north", "south")]
    assert len({shortened(name, 20) for name in names}) == 2
