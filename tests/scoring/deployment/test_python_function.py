"""The Python function: runs alone, equals the scorer, safe from its own text."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from riskwright.core import Feature, Item, ParameterError, ScoreCard, Term
from riskwright.scoring.deployment import RowScorer, to_python

MOOD = 'he said "hi"'


def module_of(card: ScoreCard, **options: Any) -> dict[str, Any]:
    module: dict[str, Any] = {}
    exec(compile(to_python(card, **options), "score.py", "exec"), module)
    return module


def test_it_runs_alone_and_gives_the_same_numbers(card: ScoreCard):
    rows = [
        {"age": age, "bmi": bmi, MOOD: mood, "smoker": smoker}
        for age in (60.999, 61, None)
        for bmi in (18.5, 25, None)
        for mood in ("it's", "c\\d", "unseen", "NA", None)
        for smoker in (True, 0)
    ]
    program = to_python(card) + (
        "\nimport json, sys\nprint(json.dumps([score(row) for row in json.load(sys.stdin)]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    scorer = RowScorer(card)
    assert json.loads(run.stdout) == [list(scorer(row)[:2]) for row in rows]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"age": "61"}, TypeError),
        ({MOOD: ["it's"]}, TypeError),
        ({"smoker": None}, ValueError),
        ({"smoker": float("nan")}, ValueError),
        ({"age": float("inf")}, ValueError),
        ({"age": 10**400}, ValueError),
    ],
)
def test_it_refuses_what_the_scorer_refuses(card: ScoreCard, change: dict[str, Any], error: type):
    row = {"age": 70, "bmi": 20.0, MOOD: "it's", "smoker": 1, **change}
    with pytest.raises(error):
        module_of(card)["score"](row)


def test_an_absent_key_is_an_error_except_where_missing_has_a_level(card: ScoreCard):
    score = module_of(card)["score"]
    assert (
        score({"age": 70, MOOD: "it's", "smoker": 1})
        == RowScorer(card)({"age": 70, "bmi": None, MOOD: "it's", "smoker": 1})[:2]
    )
    with pytest.raises(KeyError, match="age"):
        score({"bmi": 1, MOOD: "it's", "smoker": 1})


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e308, 10**20, 1e16, -0.0, 1.0, 1])
def test_numbers_as_levels_score_as_in_the_scorer(card: ScoreCard, value: float):
    levels = ("0", "1", "inf", "1e+16", "100000000000000000000")
    feature = Feature(name="code", type="categorical", levels=levels)
    coded = msgspec.structs.replace(
        card,
        features=(feature,),
        terms=tuple(
            Term(item=Item(feature="code", kind="in", label="", levels=(level,)), points=i)
            for i, level in enumerate(levels, 1)
        ),
    )
    assert module_of(coded)["score"]({"code": value}) == RowScorer(coded)({"code": value})[:2]


@pytest.mark.parametrize(
    "text",
    ['"""', "'''", "\\", "\n    raise SystemExit", "\r#", "{total}", "\x00\x0c", "\u2028import os"],
)
def test_text_cannot_become_code(card: ScoreCard, text: str):
    name = f"x{text}"
    hostile = msgspec.structs.replace(
        card,
        title=text,
        outcome=text,
        version=text,
        terms=(Term(item=Item(feature=name, kind="in", label=text, levels=(text, "b")), points=2),),
        features=(Feature(name=name, type="categorical", levels=(text, "b")),),
    )
    module = module_of(hostile)
    assert {key for key in module if not key.startswith("_")} == {"math", "score"}
    assert module["score"]({name: text})[0] == 2
    assert module["score"]({name: "a"})[0] == 0


@pytest.mark.parametrize("name", ["", "1x", "class", "a b", "x;import os", "_private"])
def test_a_name_that_is_none_is_refused(card: ScoreCard, name: str):
    with pytest.raises(ParameterError, match="name"):
        to_python(card, name=name)


def test_the_function_takes_the_name_that_it_is_given(card: ScoreCard):
    assert "def heart_risk(row):" in to_python(card, name="heart_risk")
