"""Cards as text and Markdown: golden files, and escaping."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest

from riskwright.cards import FORMATS, render
from riskwright.core import ParameterError, ScoreCard
from riskwright.core.score_card import decode

FILES = {"text": "heart.txt", "markdown": "heart.md"}


@pytest.mark.parametrize("form", FILES)
def test_the_card_reads_as_the_golden_file(heart: ScoreCard, golden: Path, form: str):
    """RISKWRIGHT_REGENERATE=1 writes the files anew; look at the difference before you keep it."""
    path = golden / FILES[form]
    if os.environ.get("RISKWRIGHT_REGENERATE"):
        path.write_text(str(render(heart, form)), encoding="utf-8")
    assert render(heart, form) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_what_the_reader_must_know_is_there(heart: ScoreCard, form: str):
    text = " ".join(str(render(heart, form)).split())
    for term in heart.terms:
        assert term.item.label in text
    for wanted in (
        heart.outcome,
        heart.population,
        "2026-11-21",
        "303 rows, 139 with the outcome",
        "a missing value adds no points",
        "0.3894627",
        "Gap",
        "Proved best",
        "0.847 to 0.925",
        "5-fold cross-validation",
        *heart.limits,
    ):
        assert wanted in text


def test_lines_of_text_fit_eighty_columns(heart: ScoreCard, hostile: ScoreCard):
    assert max(map(len, str(render(heart)).splitlines())) <= 80
    assert max(map(len, str(render(hostile)).splitlines())) <= 80


def test_markdown_shows_hostile_text_as_text_on_its_line(hostile: ScoreCard):
    text = str(render(hostile, "markdown"))
    assert not re.search(r"(?<!\\)<script", text)
    assert not re.search(r"(?<!\\)`", text)
    assert "\n# head" not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.split(r"(?<!\\)\|", line)) for line in tables}
    assert widths <= {5, 6}


def test_a_scoring_system_states_its_rule_and_no_risk(yes_or_no: ScoreCard):
    text = str(render(yes_or_no))
    assert "Predict “1” where the total exceeds 3." in text
    assert "Risk" not in text
    assert "Not measured on rows that the score was not learned from." in text
    assert "carries no certificate" in text


@pytest.mark.parametrize(
    ("status", "gap", "bound", "words"),
    [
        ("within_gap", 0.0123, 0.38, "Proved to lie within 1.23% of the best"),
        ("time_limit", 0.25, 0.3, "Not proved best: time ran out. It lies within 25%"),
        ("interrupted", float("inf"), float("-inf"), "interrupted. No bound was reached."),
        ("heuristic", float("inf"), float("-inf"), "Not proved: found by a heuristic search"),
    ],
)
def test_the_verdict_follows_the_certificate(heart: ScoreCard, status, gap, bound, words):
    proof = msgspec.structs.replace(heart.certificate, status=status, gap=gap, lower_bound=bound)
    text = str(render(msgspec.structs.replace(heart, certificate=proof)))
    assert words in " ".join(text.split())
    assert "inf" not in text.replace("information", "")


def test_json_reads_back_as_the_same_card(heart: ScoreCard, hostile: ScoreCard):
    for card in (heart, hostile):
        assert decode(msgspec.json.decode(str(render(card, "json")).encode())) == card


def test_an_unknown_format_is_refused_by_name(heart: ScoreCard):
    with pytest.raises(ParameterError, match=", ".join(FORMATS)):
        render(heart, "docx")  # type: ignore[arg-type]


def test_a_figure_without_an_interval_says_why_once(heart: ScoreCard):
    nan = float("nan")
    bare = msgspec.structs.replace(
        heart.performance["auroc"], value=nan, low=nan, high=nan, method="none: one class only"
    )
    text = str(render(msgspec.structs.replace(heart, performance={"auroc": bare})))
    assert " none: one class only" in text
    assert "none: none" not in text


def test_a_constraint_that_became_several_rules_is_named_once(heart: ScoreCard):
    assert heart.certificate is not None
    certificate = msgspec.structs.replace(
        heart.certificate, constraints=("sign of smoker is +", "include age", "include age")
    )
    text = str(render(msgspec.structs.replace(heart, certificate=certificate)))
    assert "Constraints: sign of smoker is +; include age\n" in text
