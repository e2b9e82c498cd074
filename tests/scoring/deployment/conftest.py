"""A card over every kind of item, and the golden folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from riskwright.core import Feature, Item, ScoreCard, Term


@pytest.fixture
def golden() -> Path:
    return Path(__file__).parent / "golden"


@pytest.fixture
def card() -> ScoreCard:
    items = (
        Item(feature="age", kind="ge", label="age ≥ 61 years", low=61.0),
        Item(feature="bmi", kind="interval", label="18.5 ≤ bmi < 25", low=18.5, high=25.0),
        Item(feature="bmi", kind="missing", label="bmi missing"),
        Item(feature='he said "hi"', kind="in", label="mood", levels=("it's", 'a "b"', "c\\d")),
        Item(feature="smoker", kind="ge", label="smoker", low=0.5),
    )
    return ScoreCard(
        title="Test card",
        outcome="event",
        terms=tuple(Term(item=i, points=p) for i, p in zip(items, (3, -2, 1, 4, 2), strict=True)),
        score_class="free",
        features=(
            Feature(name="age", type="numeric", unit="years"),
            Feature(name="bmi", type="numeric", missing="own_level"),
            Feature(
                name='he said "hi"',
                type="categorical",
                levels=("it's", 'a "b"', "c\\d", "plain"),
            ),
            Feature(name="smoker", type="binary", minimum=0.0, maximum=1.0, missing="refused"),
            Feature(name="unused", type="numeric"),
        ),
        rows=(),
        n=100,
        events=20,
        slope=0.625515,
        intercept=-2.59554,
        version="0.1.0",
    )
