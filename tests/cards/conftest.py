"""Two cards: a plain one from a file, and one whose every text tries to break out."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from riskwright.core import Estimate, Feature, Item, RiskRow, ScoreCard, Term
from riskwright.core.score_card import decode

GOLDEN = Path(__file__).parent / "golden"
EVIL = '<script>alert(1)</script> "q" | `x` $a$ & {{7*7}} \' -->\n# head'


@pytest.fixture
def golden() -> Path:
    return GOLDEN


@pytest.fixture
def heart() -> ScoreCard:
    return decode(json.loads((GOLDEN / "heart.json").read_text(encoding="utf-8")))


@pytest.fixture
def evil() -> str:
    return EVIL


@pytest.fixture
def hostile(heart: ScoreCard) -> ScoreCard:
    """Eleven long statements of every kind, forty totals, markup in all texts."""
    features = [
        *(
            Feature(name=f"v{i}", type="numeric", unit="mmol/l", label=f"measurement {i} " * 3)
            for i in range(6)
        ),
        Feature(
            name=EVIL,
            type="categorical",
            levels=(EVIL, "b", "</script><!--"),
            other_levels=("rare 1", "rare 2"),
            missing="own_level",
        ),
        Feature(name="flag", type="binary", minimum=0.0, maximum=1.0),
        Feature(name="mark", type="binary", minimum=0.0, maximum=1.0, missing="own_level"),
        Feature(name="code", type="binary", minimum=1.0, maximum=2.0, missing="refused"),
        Feature(name="amount", type="numeric", unit="$", minimum=0.0, maximum=9.0),
    ]
    items = [
        *(
            Item(
                feature=f"v{i}", kind="ge", label=f"measurement {i} " * 3 + f"≥ {i}.5", low=i + 0.5
            )
            for i in range(5)
        ),
        Item(feature="v5", kind="interval", label="2 ≤ v5 < 4", low=2.0, high=4.0),
        Item(feature=EVIL, kind="in", label=f"{EVIL} = {EVIL}", levels=(EVIL, "rare 1")),
        Item(feature=EVIL, kind="missing", label=f"{EVIL} missing"),
        Item(feature="flag", kind="ge", label="flag", low=0.5),
        Item(feature="mark", kind="lt", label="no mark", high=0.5),
        Item(feature="code", kind="ge", label="code = 2", low=2.0),
        Item(feature="amount", kind="value", label="amount ($)"),
    ]
    seen = Estimate(value=0.5, low=0.4, high=0.6, level=0.95, n=10, method="Wilson")
    rows = tuple(
        RiskRow(
            low=-math.inf if t == -20 else t,
            high=math.inf if t == 19 else t,
            n=1234567.5,
            events=12345.0,
            observed=None if t == 0 else seen,
            predicted=1 / (1 + math.exp(-0.4 * t)),
        )
        for t in range(-20, 20)
    )
    assert heart.certificate is not None
    return msgspec.structs.replace(
        heart,
        title=EVIL,
        outcome=EVIL,
        population=EVIL,
        missing=EVIL,
        limits=(EVIL, EVIL),
        performance_method=EVIL,
        performance={**heart.performance, EVIL: seen},
        certificate=msgspec.structs.replace(heart.certificate, statement=EVIL),
        terms=tuple(Term(item=item, points=i - 5 or 7) for i, item in enumerate(items)),
        features=tuple(features),
        rows=rows,
    )


@pytest.fixture
def yes_or_no(heart: ScoreCard) -> ScoreCard:
    return msgspec.structs.replace(
        heart,
        title="Yes or no",
        score_class="scoring_system",
        slope=None,
        intercept=None,
        threshold=3.0,
        certificate=None,
        performance={},
        limits=(),
    )


@pytest.fixture
def sprawling(heart: ScoreCard) -> ScoreCard:
    """Names of a hundred letters without a blank, 24 ranges of totals, and counts in billions."""
    name = "haemoglobin_of_the_last_twelve_months_" * 3
    items = [
        Item(feature=f"{name}{i}", kind="ge", label=f"{name}{i} ≥ 48", low=48.0) for i in range(10)
    ]
    seen = Estimate(value=0.5, low=0.4, high=0.6, level=0.95, n=10, method="Wilson")
    rows = tuple(
        RiskRow(
            low=-10_000 + 1000.5 * i,
            high=-9_001 + 1000.5 * i,
            n=3_456_789_012.0,
            events=1_345_678_901.0,
            observed=seen,
            predicted=0.04 * i,
        )
        for i in range(24)
    )
    return msgspec.structs.replace(
        heart,
        title="Risk of an emergency admission within thirty days of coming home",
        outcome=name * 2,
        population=name,
        terms=tuple(Term(item=item, points=100) for item in items),
        features=tuple(
            Feature(name=item.feature, type="numeric", unit="mmol/mol") for item in items
        ),
        rows=rows,
    )


@pytest.fixture
def constant(heart: ScoreCard) -> ScoreCard:
    """A card without a statement."""
    row = msgspec.structs.replace(heart.rows[0], low=0.0, high=0.0)
    return msgspec.structs.replace(heart, terms=(), rows=(row,))


@pytest.fixture(scope="session")
def documents() -> ModuleType:
    """One document of every kind, complete."""
    path = Path(__file__).parent / "_documents.py"
    spec = importlib.util.spec_from_file_location("card_documents", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
