"""The page of an evaluation: self-contained, small, safe, and true to its figures."""

from __future__ import annotations

import importlib.util
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from riskwright.cards import evaluation_page
from riskwright.core import Estimate, Finding
from riskwright.metrics import Evaluation, evaluate
from riskwright.plots import (
    GroupGapDisplay,
    NetBenefitDisplay,
    PrecisionRecallDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    RocDisplay,
)

EVIL = '<script>alert(1)</script> "q" & `x` $a$ \' --> {{7*7}} <img src=x onerror=y>'
NAN = math.nan


def people_of_plots():
    """The seeded population and its curves, shared with the tests of the displays."""
    path = Path(__file__).parents[1] / "plots" / "conftest.py"
    spec = importlib.util.spec_from_file_location("plots_people", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def study() -> SimpleNamespace:
    people = people_of_plots()
    y, p = people.population()
    records = people.curves(y, p)
    sex = np.where(np.arange(y.size) % 2, "female", "male")
    displays = [
        ReliabilityDisplay(records.reliability),
        RocDisplay(records.roc),
        PrecisionRecallDisplay(records.precision_recall),
        NetBenefitDisplay(records.net_benefit),
        RiskCoverageDisplay(records.risk_coverage),
        GroupGapDisplay(records.group_table),
    ]
    return SimpleNamespace(
        evaluation=evaluate(y, p, groups={"sex": sex}), displays=displays, records=records
    )


class Page(HTMLParser):
    """Tags with their attributes, all text, and the cells of every row of a table."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self._inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        self.text += data
        if {"td", "th"} & set(self._inside):
            self.rows[-1][-1] += data


def full(study: SimpleNamespace, **options: object) -> str:
    reliability = study.displays[0]
    return evaluation_page(
        study.evaluation, study.displays, calibration=(reliability, reliability), **options
    )


def test_the_page_is_small_and_asks_for_nothing(study: SimpleNamespace):
    text = full(study, title="Heart card")
    assert len(text.encode()) <= 300_000
    assert text.startswith("<!DOCTYPE html>")
    page = Page(text)
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "script")
        assert not {"src", "href", "action", "background", "xlink:href"} & set(attributes)
    assert not re.search(r"url\(|@import", text)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_the_page_can_be_read_aloud(study: SimpleNamespace):
    page = Page(full(study))
    assert ("html", {"lang": "en"}) in page.tags
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        assert set((attributes.get("aria-labelledby") or "").split()) <= set(ids)
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) == 8
    assert all(picture["role"] == "img" for picture in pictures)
    assert [tag for tag, _ in page.tags].count("desc") == 8
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_every_figure_stands_with_its_interval_and_method(study: SimpleNamespace):
    page = Page(full(study))
    cells = {row[0]: row[1:] for row in page.rows if row}
    evaluation = study.evaluation
    for name, estimate in (
        ("Prevalence", evaluation.prevalence),
        ("AUROC (0.5 chance, 1 perfect ranking)", evaluation.overall["auroc"]),
        ("Calibration slope (1 is best)", evaluation.overall["calibration_slope"]),
    ):
        bounds = f"{estimate.low:.3f} to {estimate.high:.3f}"
        assert cells[name] == [f"{estimate.value:.3f}", bounds, estimate.method]
    assert "3,000" in page.text
    assert f"{evaluation.events:,.0f}" in page.text
    for display in study.displays:
        assert display.reading in page.text


def test_groups_stand_with_their_gaps_and_the_small_ones_are_named(study: SimpleNamespace):
    page = Page(full(study))
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert ["sex = female", "1,604", "0.794 0.767 to 0.821", "reference"] in rows
    gap = "−0.092 −0.177 to −0.007"
    assert ["age = under 40", "511", "0.702 0.636 to 0.768", gap] in rows
    assert "Too small to judge: sex = (missing) (n = 4), region = islands (n = 7)." in page.text
    assert "Bonferroni over 4 gaps" in page.text
    own = study.evaluation.by_group["sex = male"]["auroc"]
    assert any(
        row[:2] == ["sex = male", "1,500"]
        and row[3] == f"{own.value:.3f} {own.low:.3f} to {own.high:.3f}"
        for row in rows
    )


def test_all_text_of_the_user_is_escaped(study: SimpleNamespace):
    evaluation = msgspec.structs.replace(
        study.evaluation, by_group={EVIL: study.evaluation.by_group["sex = male"]}
    )
    table = study.records.group_table
    evil = msgspec.structs.replace(table.rows[0], group=EVIL)
    hostile = msgspec.structs.replace(
        table, metric=EVIL, rows=(evil, *table.rows[1:]), small=(evil,)
    )
    text = evaluation_page(
        evaluation,
        [RocDisplay(study.records.roc, name=EVIL), GroupGapDisplay(hostile, name=EVIL)],
        title=EVIL,
        data_name=EVIL,
        notes=[EVIL],
        findings=[Finding(code="a", sentence=EVIL, severity="high", method=EVIL)],
        decisions=[{"heading": EVIL, "statement": EVIL, "rows": [(EVIL, EVIL)]}],
        calibration=None,
    )
    page = Page(text)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert " ".join(page.text.split()).count(EVIL) >= 12
    assert "49" not in re.findall(r"\{?\b49\b", page.text)


def test_decisions_and_findings_are_shown_the_gravest_first(study: SimpleNamespace):
    statement = "With probability 95%, at most 8% of those not referred have the outcome."
    page = Page(
        evaluation_page(
            study.evaluation,
            findings=[
                Finding(code="a", sentence="All is well.", severity="info"),
                Finding(code="b", sentence="Ranks badly.", severity="high"),
            ],
            decisions=[
                {"heading": "Refer", "statement": statement, "rows": [("Threshold", "0.20")]},
                {"statement": "Nobody is refused."},
            ],
        )
    )
    assert page.text.index("Ranks badly.") < page.text.index("All is well.")
    assert statement in page.text
    assert ["Threshold", "0.20"] in page.rows
    assert "Decision rule" in page.text
    assert "Displays" not in page.text


@pytest.mark.parametrize(
    ("name", "low", "high", "sentence"),
    [
        ("calibration_in_the_large", 0.1, 0.3, "risks are predicted too low"),
        ("calibration_in_the_large", -0.3, -0.1, "risks are predicted too high"),
        ("calibration_in_the_large", -0.1, 0.1, "neither clearly too high nor clearly too low"),
        ("calibration_slope", 0.7, 0.9, "high risks are predicted too high"),
        ("calibration_slope", 1.1, 1.3, "too much alike (the slope is above 1)"),
        ("calibration_slope", 0.9, 1.1, "neither clearly too extreme"),
    ],
)
def test_words_follow_the_interval(
    study: SimpleNamespace, name: str, low: float, high: float, sentence: str
):
    stated = Estimate(value=(low + high) / 2, low=low, high=high, level=0.95, n=9, method="m")
    evaluation = msgspec.structs.replace(study.evaluation, overall={name: stated})
    assert sentence in Page(evaluation_page(evaluation)).text


def test_what_could_not_be_measured_is_said():
    page = Page(evaluation_page(evaluate([0, 0, 0], [0.1, 0.2, 0.3])))
    cells = {row[0]: row[1:] for row in page.rows if row}
    auroc = cells["AUROC (0.5 chance, 1 perfect ranking)"]
    assert auroc[:2] == ["none", "no interval"]
    assert "one class only" in auroc[2]
    assert "nan" not in re.findall(r"\b\w+\b", page.text.lower())
    assert "Ranking:" not in page.text


def test_many_groups_are_cut_and_counted(study: SimpleNamespace):
    figures = study.evaluation.by_group["sex = male"]
    evaluation: Evaluation = msgspec.structs.replace(
        study.evaluation, by_group={f"g{i}": figures for i in range(75)}
    )
    page = Page(evaluation_page(evaluation))
    assert "15 more groups are not shown." in page.text
    assert sum(row[0].startswith("g") for row in page.rows if row) == 60
