"""Cards as pictures: the shapes hold the numbers, and both painters take them."""

from __future__ import annotations

import struct
import sys
import xml.etree.ElementTree as ElementTree

import msgspec
import pytest

from riskwright.cards import render, wording
from riskwright.cards.drawing import Dot, Line, Text, card_picture, risk_chart, wrapped
from riskwright.core import Estimate, MissingExtraError, ScoreCard

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
