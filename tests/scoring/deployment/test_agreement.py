"""Every way of applying a card gives the numbers that its definition gives, on random cards."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import Feature, Item, ScoreCard, Term
from riskwright.scoring.deployment import RowScorer, score_frame, to_python, to_sql

NAMES = ["age", 'we"ird', "it's", "a b", "`tick`", "{x}", "naïve", "select", "back\\slash", "x--y"]
LEVELS = ["a", "b'", 'c"d', "é\n", "\\", "$1", "'; DROP TABLE people; --", "{{7*7}}", "0", "NA"]
EDGES = [0.0, 0.1, 1.0, 61.0, -2.5, 1e-300, 0.30000000000000004, 123456.789, 2.0**40]


def near(edge: float) -> st.SearchStrategy[float]:
    return st.sampled_from([edge, math.nextafter(edge, -math.inf), math.nextafter(edge, math.inf)])


@st.composite
def numeric_items(draw: st.DrawFn, name: str) -> Item:
    kind = draw(st.sampled_from(["ge", "lt", "interval", "missing", "value"]))
    low, high = sorted(draw(st.lists(st.sampled_from(EDGES), min_size=2, max_size=2, unique=True)))
    return Item(
        feature=name,
        kind=kind,
        label=f"{kind} of {name}\n",
        low=low if kind in ("ge", "interval") else None,
        high=high if kind in ("lt", "interval") else None,
    )


@st.composite
def level_items(draw: st.DrawFn, name: str) -> Item:
    if draw(st.integers(0, 3)) == 0:
        return Item(feature=name, kind="missing", label=f"{name} missing")
    levels = draw(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3, unique=True))
    return Item(feature=name, kind="in", label="in", levels=tuple(levels))


@st.composite
def cards(draw: st.DrawFn) -> ScoreCard:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    features, terms = [], []
    for name in names:
        numeric = draw(st.booleans())
        features.append(
            Feature(
                name=name,
                type="numeric" if numeric else "categorical",
                levels=None if numeric else tuple(LEVELS),
                missing=draw(st.sampled_from(["own_level", "none_seen"])),
            )
        )
        items = numeric_items(name) if numeric else level_items(name)
        for item in draw(st.lists(items, min_size=1, max_size=3)):
            terms.append(Term(item=item, points=draw(st.integers(-9, 9))))
    decides = draw(st.integers(0, 4)) == 0
    return ScoreCard(
        title="Random card",
        outcome="event",
        terms=tuple(draw(st.permutations(terms))),
        score_class="scoring_system" if decides else "free",
        features=tuple(features),
        rows=(),
        n=10,
        events=5,
        slope=None if decides else draw(st.sampled_from([0.1, 0.625515, 1.0, 1 / 3, 250.0])),
        intercept=None if decides else draw(st.sampled_from([-2.59554, 0.0, 0.1, 40.0])),
        threshold=draw(st.sampled_from([0.0, 1.0, 2.5])) if decides else None,
    )


@st.composite
def cards_and_rows(draw: st.DrawFn) -> tuple[ScoreCard, list[dict[str, Any]]]:
    card = draw(cards())
    numbers = st.one_of(
        st.none(),
        st.just(math.nan),
        st.sampled_from(EDGES).flatmap(near),
        st.floats(-1e6, 1e6, allow_nan=False),
    )
    levels = st.one_of(st.none(), st.sampled_from([*LEVELS, "unseen", "N/A"]))
    row = st.fixed_dictionaries(
        {f.name: numbers if f.type == "numeric" else levels for f in card.features}
    )
    return card, draw(st.lists(row, min_size=1, max_size=8))


def by_definition(card: ScoreCard, row: dict[str, Any]) -> tuple[float, float | bool]:
    """Total and meaning, straight from the documentation of `Item` and `ScoreCard`."""
    whole, products = 0, []
    for term in card.terms:
        item, value = term.item, row[term.item.feature]
        missing = value is None or value != value or value == "N/A"
        if item.kind == "missing":
            whole += term.points * missing
        elif missing:
            continue
        elif item.kind == "value":
            products.append(term.points * value)
        elif item.kind == "in":
            whole += term.points * (value in item.levels)
        elif item.kind == "ge":
            whole += term.points * (value >= item.low)
        elif item.kind == "lt":
            whole += term.points * (value < item.high)
        else:
            whole += term.points * (item.low <= value < item.high)
    total: float = whole
    for product in products:
        total += product
    if card.threshold is not None:
        return total, total > card.threshold
    z = min(max(card.slope * total + card.intercept, -700.0), 700.0)
    return total, 1.0 / (1.0 + math.exp(-z))


def frame_of(card: ScoreCard, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            f.name: pl.Series(
                [row[f.name] for row in rows],
                dtype=pl.Float64 if f.type == "numeric" else pl.String,
                strict=False,
            )
            for f in card.features
        }
    )


@settings(max_examples=150, deadline=None)
@given(cards_and_rows())
def test_a_row_scores_by_the_definition_and_its_explanation_adds_up(case):
    card, rows = case
    scorer = RowScorer(card)
    for row in rows:
        total, meaning = by_definition(card, row)
        score = scorer(row)
        assert score.total == total
        assert (score.predicted if card.threshold is not None else score.risk) == meaning
        explained = sum(added.points for added in scorer.explain(row))
        assert explained == pytest.approx(total, rel=1e-12, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(cards_and_rows())
def test_a_frame_scores_by_the_definition(case):
    card, rows = case
    scored = score_frame(card, frame_of(card, rows))
    for row, (points, meaning) in zip(
        rows, scored.select(scored.columns[-2:]).iter_rows(), strict=True
    ):
        total, expected = by_definition(card, row)
        assert points == total
        assert meaning == pytest.approx(expected, rel=1e-15)
        if not any(term.item.kind == "value" for term in card.terms):
            assert meaning == expected


@settings(max_examples=100, deadline=None)
@given(cards_and_rows())
def test_duckdb_scores_by_the_definition(case):
    card, rows = case
    frame = frame_of(card, rows)
    with duckdb.connect() as connection:
        connection.register("people", frame)
        found = connection.sql(to_sql(card, "duckdb", table="people")).fetchall()
    for row, values in zip(rows, found, strict=True):
        assert values[-2:] == by_definition(card, row)


@settings(max_examples=150, deadline=None)
@given(cards_and_rows())
def test_the_python_function_scores_by_the_definition(case):
    card, rows = case
    module: dict[str, Any] = {}
    exec(compile(to_python(card), "score.py", "exec"), module)
    for row in rows:
        assert module["score"](row) == by_definition(card, row)
