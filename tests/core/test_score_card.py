"""The card's total range is exact, its text is fixed, and it survives JSON."""

import itertools
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import Estimate, Feature, Item, RiskRow, ScoreCard, Term, json_values
from riskwright.core.score_card import decode

LEVELS = ("a", "b", "c")
GRID = [-100.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 100.0]


def card(terms, features=(), **changes):
    fields = {"title": "T", "outcome": "y", "score_class": "free", "rows": (), "n": 1, "events": 1}
    return ScoreCard(terms=tuple(terms), features=tuple(features), **(fields | changes))


def term(points, feature, kind, **limits):
    label = f"{feature} {kind} {limits}"
    return Term(item=Item(feature=feature, kind=kind, label=label, **limits), points=points)


def holds(item, value):
    """The definition in the docstring of `Item`, written out once more."""
    if item.kind == "missing":
        return value is None
    if value is None:
        return False
    return {
        "ge": lambda: value >= item.low,
        "lt": lambda: value < item.high,
        "interval": lambda: item.low <= value < item.high,
        "in": lambda: value in item.levels,
    }[item.kind]()


points = st.integers(-5, 5)
cut = st.sampled_from([0.0, 1.0, 2.0, 3.0])
numeric_term = st.one_of(
    st.builds(lambda p, low: term(p, "x", "ge", low=low), points, cut),
    st.builds(lambda p, high: term(p, "x", "lt", high=high), points, cut),
    st.builds(
        lambda p, ends: term(p, "x", "interval", low=min(ends), high=max(ends)),
        points,
        st.tuples(cut, cut).filter(lambda ends: ends[0] != ends[1]),
    ),
    st.builds(lambda p: term(p, "x", "missing"), points),
)
text_term = st.one_of(
    st.builds(
        lambda p, levels: term(p, "z", "in", levels=tuple(sorted(levels))),
        points,
        st.sets(st.sampled_from(LEVELS), min_size=1),
    ),
    st.builds(lambda p: term(p, "z", "missing"), points),
)
missing_rule = st.sampled_from(["own_level", "none_seen", "refused"])


@given(st.lists(numeric_term, max_size=4), st.lists(text_term, max_size=3), missing_rule)
def test_total_range_equals_brute_force_over_all_inputs(numeric, text, missing):
    text = [*text, term(1, "z", "in", levels=("a",))]
    features = [
        Feature(name="x", type="numeric", missing=missing),
        Feature(name="z", type="categorical", missing=missing),
    ]
    absent = [] if missing == "refused" else [None]
    totals = [
        sum(t.points for t in numeric if holds(t.item, x))
        + sum(t.points for t in text if holds(t.item, z))
        for x, z in itertools.product([*GRID, *absent], [*LEVELS, "unseen", *absent])
    ]
    assert card([*numeric, *text], features).total_range() == (min(totals), max(totals))


@given(points.filter(bool), st.lists(numeric_term, max_size=3), missing_rule)
def test_total_range_of_a_value_item_holds_every_input_and_is_approached(slope, steps, missing):
    feature = Feature(name="x", type="numeric", minimum=-0.5, maximum=2.5, missing=missing)
    low, high = card([term(slope, "x", "value"), *steps], [feature]).total_range()
    near = 1e-9
    values = [v + shift for v in (-0.5, 0.0, 1.0, 2.0, 2.5) for shift in (-near, 0.0)][1:]
    totals = [slope * v + sum(t.points for t in steps if holds(t.item, v)) for v in values]
    if missing != "refused":
        totals.append(sum(t.points for t in steps if holds(t.item, None)))
    assert min(totals) == pytest.approx(low, abs=1e-7)
    assert max(totals) == pytest.approx(high, abs=1e-7)


def test_total_range_is_infinite_only_where_the_feature_is_unbounded():
    value = term(2, "x", "value")
    assert card([value]).total_range() == (-math.inf, math.inf)
    at_least_1 = Feature(name="x", type="numeric", minimum=1.0, missing="refused")
    assert card([value], [at_least_1]).total_range() == (2.0, math.inf)


def test_total_range_of_an_empty_card_is_zero():
    assert card([]).total_range() == (0.0, 0.0)


def full_card():
    observed = Estimate(value=0.25, low=0.1, high=0.5, level=0.95, n=20, method="Wilson")
    auroc = Estimate(value=0.8, low=0.7, high=0.9, level=0.95, n=40, method="DeLong, logit scale")
    return card(
        [term(2, "age", "ge", low=60.0), term(-1, "dose", "value"), term(1, "sex", "missing")],
        [
            Feature(name="age", type="numeric", unit="years"),
            Feature(name="dose", type="numeric", minimum=0.0),
            Feature(name="sex", type="categorical", levels=("f", "m"), missing="own_level"),
        ],
        title="Readmission",
        outcome="readmitted within 30 days",
        rows=(
            RiskRow(low=-math.inf, high=0, n=1234567, events=5.5, observed=observed, predicted=0.2),
            RiskRow(low=1, high=1, n=0, events=0, observed=None, predicted=0.333),
        ),
        n=1234567,
        events=5.5,
        slope=0.5,
        intercept=-1.25,
        missing="counted as not holding",
        performance={"AUROC": auroc},
        performance_method="5-fold cross-validation",
    )


def test_text_is_as_agreed():
    lines = str(full_card()).splitlines()
    assert lines == [
        "Readmission",
        "─" * 36,
        "Add up                      points",
        "─" * 36,
        "age ge {'low': 60.0}            +2",
        "dose value {}                   -1 ×",
        "sex missing {}                  +1",
        "─" * 36,
        "Total                            =",
        "",
        "     total     risk       observed (interval)    events / n",
        " -inf to 0    20.0%       25.0% (10.0%–50.0%)       5.5 / 1,234,567",
        "         1    33.3%                 none seen         0 / 0",
        "",
        "risk = 1 / (1 + exp(-(0.5 × total -1.25)))",
        "Outcome: readmitted within 30 days; n = 1,234,567, events = 5.5.",
        "Missing values: counted as not holding",
        "AUROC: 0.800 (95% CI 0.700 to 0.900) [5-fold cross-validation]",
    ]


def test_text_of_a_yes_or_no_card_states_the_rule():
    text = str(card([], score_class="scoring_system", threshold=1.0, positive_label="ill"))
    assert "predict ill where total > 1" in text
    assert "risk =" not in text


def test_json_round_trip_gives_an_equal_card():
    text = json.dumps(json_values(full_card()), allow_nan=False)
    assert decode(json.loads(text)) == full_card()


def test_a_misshapen_card_is_refused_with_the_place():
    body = json_values(full_card())
    body["terms"][0]["points"] = "two"
    with pytest.raises(
        msgspec.ValidationError, match=r"terms\[0\]\.points|terms\[\.\.\.\]\.points"
    ):
        decode(body)
