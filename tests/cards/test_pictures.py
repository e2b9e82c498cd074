"""Cards as pictures: the shapes hold the numbers, and both painters take them."""

from __future__ import annotations

import struct
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import msgspec
import pytest

from riskwright.cards import render, wording
from riskwright.cards.drawing import card_picture, risk_chart
from riskwright.core import Estimate, MissingExtraError, ScoreCard
from riskwright.plots.shapes import Dot, Line, Text, wrapped

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["heart", "hostile", "yes_or_no"])
def test_svg_is_well_formed_and_names_every_statement(request: pytest.FixtureRequest, name: str):
    card: ScoreCard = request.getfixturevalue(name)
    root = ElementTree.fromstring(str(render(card, "svg")))
    assert root.get("role") == "img"
    assert {root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")} == set(
        root.get("aria-labelledby").split()
    )
    shown = " ".join("".join(e.itertext()) for e in root.iter(f"{SVG}text"))
    for term in card.terms:
        assert " ".join(term.item.label.split()) in shown
        assert wording.points(term) in shown
    assert not list(root.iter(f"{SVG}script"))


def test_the_chart_places_every_observed_rate_by_its_value(heart: ScoreCard):
    shapes = risk_chart(heart).shapes
    dots = [shape for shape in shapes if isinstance(shape, Dot)][1:]
    seen = [row.observed.value for row in heart.rows if row.observed is not None]
    assert len(dots) == len(seen)
    top = next(s.y - 4 for s in shapes if isinstance(s, Text) and s.text == "100%")
    bottom = next(s.y - 4 for s in shapes if isinstance(s, Text) and s.text == "0%")
    for dot, share in zip(dots, seen, strict=True):
        assert dot.y == pytest.approx(bottom - (bottom - top) * share)
    curve = max((s for s in shapes if isinstance(s, Line)), key=lambda s: len(s.points))
    assert len(curve.points) == len(heart.rows)
    for (_, y), row in zip(curve.points, heart.rows, strict=True):
        assert y == pytest.approx(bottom - (bottom - top) * row.predicted)


def test_rare_outcomes_get_a_scale_of_their_own(heart: ScoreCard):
    row = msgspec.structs.replace(heart.rows[0], observed=None, predicted=0.031)
    shapes = risk_chart(msgspec.structs.replace(heart, rows=(row,))).shapes
    assert "4%" in [shape.text for shape in shapes if isinstance(shape, Text)]


def test_an_interval_that_could_not_be_had_is_not_drawn(heart: ScoreCard):
    nan = float("nan")
    unknown = Estimate(value=0.5, low=nan, high=nan, level=0.95, n=1, method="one row")
    row = msgspec.structs.replace(heart.rows[2], observed=unknown)
    lines = [
        sum(
            isinstance(s, Line)
            for s in risk_chart(msgspec.structs.replace(heart, rows=(r,))).shapes
        )
        for r in (heart.rows[2], row)
    ]
    assert lines[0] - lines[1] == 3
    assert "nan" not in str(render(msgspec.structs.replace(heart, rows=(row,)), "svg"))


def test_cards_without_totals_or_terms_are_drawn(heart: ScoreCard):
    bare = msgspec.structs.replace(heart, rows=(), terms=(), certificate=None, performance={})
    for form in ("svg", "html", "markdown", "text"):
        assert heart.title in str(render(bare, form))


def test_nothing_is_drawn_outside_of_the_picture(hostile: ScoreCard):
    picture = card_picture(hostile)
    for shape in picture.shapes:
        if isinstance(shape, Text):
            assert 0 <= shape.x <= picture.width
            assert 0 <= shape.y <= picture.height


def _measured(shape: Text) -> tuple[float, float]:
    """The left and right ends of a text in DejaVu Sans, the broadest of the common faces."""
    pytest.importorskip("matplotlib")
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    face = FontProperties(
        family="DejaVu Sans", size=shape.size, weight="bold" if shape.bold else "normal"
    )
    width = TextToPath().get_text_width_height_descent(shape.text, face, ismath=False)[0]
    left = shape.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.anchor]
    return left, left + width


@pytest.mark.parametrize("name", ["heart", "sprawling", "yes_or_no", "constant"])
def test_no_text_leaves_the_picture_and_none_covers_another(
    request: pytest.FixtureRequest, name: str
):
    card: ScoreCard = request.getfixturevalue(name)
    for picture in (card_picture(card), risk_chart(card, 460, 330), risk_chart(card, 900, 180)):
        lines: dict[float, list[tuple[float, float]]] = {}
        for shape in picture.shapes:
            if isinstance(shape, Text):
                lines.setdefault(shape.y, []).append(_measured(shape))
        for ends in lines.values():
            ends.sort()
            assert ends[0][0] >= 0
            assert ends[-1][1] <= picture.width
            assert all(one[1] < other[0] for one, other in pairwise(ends))


def test_the_picture_states_discrimination_and_calibration_and_how_they_were_measured(
    heart: ScoreCard,
):
    lines = [shape.text for shape in card_picture(heart).shapes if isinstance(shape, Text)]
    figures = {name: f"{name}: {v} ({i})" for name, v, i in wording.figures(heart)}
    shown = [line for name, line in figures.items() if line in lines]
    assert [line.split(" (")[0] for line in shown] == [
        "AUROC",
        "Calibration slope",
        "Calibration in the large",
    ]
    assert wording.performance_note(heart) in lines
    unmeasured = msgspec.structs.replace(heart, performance={})
    lines = [shape.text for shape in card_picture(unmeasured).shapes if isinstance(shape, Text)]
    assert "Not measured on rows that the score was not learned from." in lines


@pytest.mark.parametrize("form", ["svg", "html", "markdown", "text"])
def test_a_card_without_statements_says_so(constant: ScoreCard, form: str):
    assert "No statement: everybody has a total of 0" in str(render(constant, form))


def test_lines_break_between_words_and_long_words_are_cut():
    assert wrapped("age of the mother", 80, 16) == ["age of", "the", "mother"]
    assert "".join(wrapped("x" * 90, 100, 16)) == "x" * 90
    assert wrapped("", 100, 16) == [""]


@pytest.mark.parametrize("name", ["heart", "hostile"])
def test_png_has_twice_the_pixels_of_the_layout(request: pytest.FixtureRequest, name: str):
    pytest.importorskip("matplotlib")
    card: ScoreCard = request.getfixturevalue(name)
    content = render(card, "png")
    assert isinstance(content, bytes)
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    picture = card_picture(card)
    assert (width, height) == (int(2 * picture.width), int(2 * picture.height))


def test_png_without_matplotlib_says_what_to_install(
    heart: ScoreCard, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'riskwright\[plot\]'"):
        render(heart, "png")
