"""Documents: saved and read back whole, shown in every format, escaped, complete."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import polars as pl
import pytest
from scipy.stats import beta

from riskwright.cards.assessing import assess
from riskwright.cards.data_card import data_card
from riskwright.cards.document_views import render_document
from riskwright.cards.documents import Document
from riskwright.cards.risk_card import RiskCard
from riskwright.cards.risk_card_files import load_risk_cards
from riskwright.cards.score_card_sheet import performance_findings
from riskwright.core import (
    ColumnError,
    MissingValueError,
    ParameterError,
    ScoreCard,
    UnreadableError,
    ValueRangeError,
    load,
    save,
)
from riskwright.core.score_digest import score_digest
from riskwright.evidence import read_table
from riskwright.metrics import evaluate


class Page(HTMLParser):
    """Checks that tags close, gathers text and attributes."""

    VOID = ("meta", "br", "img", "link", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.text += data


@pytest.mark.parametrize("place", range(5))
def test_documents_are_saved_and_read_back_whole(
    heart: ScoreCard, tmp_path: Path, place: int, documents: ModuleType
) -> None:
    card = documents.every(heart)[place]
    save(card, tmp_path / "card.json")
    again = load(tmp_path / "card.json")
    assert type(again) is type(card)
    assert render_document(again, "json") == render_document(card, "json")
    assert json.loads((tmp_path / "card.json").read_text())["schema_version"] == 1


def strings(value: Any, evil: str) -> Any:
    """The same record with `evil` in every free text."""
    if isinstance(value, msgspec.Struct):
        kept = ("date", "severity", "likelihood", "verdict", "score_class", "status", "kind")
        fields = {
            name: part if name in kept else strings(part, evil)
            for name in value.__struct_fields__
            if (part := getattr(value, name)) is not None
        }
        return msgspec.structs.replace(value, **fields)
    if isinstance(value, tuple):
        return tuple(strings(part, evil) for part in value)
    return f"{value} {evil}" if isinstance(value, str) else value


@pytest.mark.parametrize("place", range(1, 5))
@pytest.mark.parametrize("format", ["html", "md", "txt", "json"])
def test_texts_that_try_to_break_out_stay_texts(
    heart: ScoreCard, evil: str, place: int, format: str, documents: ModuleType
) -> None:
    card = documents.every(heart)[place]
    if place == 2:
        card = msgspec.structs.replace(card, certificate=None)
    page = render_document(strings(card, evil), format)  # type: ignore[arg-type]
    if format == "html":
        assert "<script" not in page
        assert "alert(1)" in Page(page).text
    if format == "md":
        assert not re.search(r"(?<!\\)<", page)
        assert "\n# head" not in page


def test_the_sheet_of_a_hostile_score_card(hostile: ScoreCard, documents: ModuleType) -> None:
    card = documents.sheet(hostile, title="x <b>")
    assert "<script" not in render_document(card, "html")
    assert not re.search(r"(?<!\\)<", render_document(card, "md"))
    Page(render_document(card))


@pytest.mark.parametrize("place", range(5))
def test_pages_load_nothing_and_can_be_read_by_machine_and_by_ear(
    heart: ScoreCard, place: int, documents: ModuleType
) -> None:
    text = render_document(documents.every(heart)[place])
    page = Page(text)
    names = [name for name, _ in page.tags]
    assert ("html", {"lang": "en"}) in page.tags
    assert {"header", "main", "footer", "h1", "title"} <= set(names)
    assert names.count("h1") == 1
    assert not {"script", "link", "img", "iframe"} & set(names)
    assert not re.search(r"(?:src|href)=|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "size: A4" in text
    assert all(
        attributes.get("scope") in ("row", "col") for tag, attributes in page.tags if tag == "th"
    )
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert all(a["aria-labelledby"] in ids for _, a in page.tags if "aria-labelledby" in a)
    assert len(text) < 60_000
    grey = re.findall(r"#([0-9a-f]{3,6})\b", text.partition("</style>")[0])
    focus = {"1a5fb4"}
    assert all(len(set(c)) == 1 for c in set(grey) - focus)


def test_every_format_says_the_same(heart: ScoreCard, documents: ModuleType) -> None:
    for card in documents.every(heart):
        html, markdown, text = (render_document(card, f) for f in ("html", "md", "txt"))
        for title in re.findall(r"<h2[^>]*>(.*?)</h2>", html):
            assert f"## {title}" in markdown
            assert title in text
        assert max(map(len, text.splitlines())) <= 80
        assert json.loads(render_document(card, "json"))["kind"] == card.kind


def test_the_sheet_shows_points_risks_findings_and_digest(
    heart: ScoreCard, documents: ModuleType
) -> None:
    text = render_document(documents.sheet(heart), "txt")
    assert heart.terms[0].item.label in text
    assert "performance.auroc is 0.810" in text
    assert score_digest(heart) in text
    assert "Who is meant to use the score: Nurses" in text


def test_what_nobody_stated_is_said_to_be_so() -> None:
    card = RiskCard(id="x", title="X", hazard="own words", description="Y.")
    text = render_document(card, "txt")
    assert "Hazard: own words" in text
    assert "Not tested." in text
    assert text.count("Not stated") >= 5


def test_unknown_formats_and_cards_are_refused(heart: ScoreCard, documents: ModuleType) -> None:
    with pytest.raises(ParameterError, match="html, md, json, txt"):
        render_document(documents.risk(), "pdf")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="not a document"):
        render_document(heart, "html")  # type: ignore[arg-type]


def test_a_data_card_counts_the_table(documents: ModuleType) -> None:
    card = documents.data()
    frame = documents.table()
    assert card.rows.value == 200
    assert card.data_digest == frame.data_digest
    assert card.label_rate.value == frame.y.mean()
    assert card.label_rate.low < card.label_rate.value < card.label_rate.high
    age = next(column for column in card.columns if column.name == "age")
    assert age.missing.value == frame.X["age"].null_count() / 200 > 0
    assert (age.minimum.value, age.maximum.value) == (frame.X["age"].min(), frame.X["age"].max())
    groups = {group.group: group for group in card.groups}
    assert groups["tiny"].rows.value == 4
    assert groups["tiny"].label_rate is None
    assert sum(group.rows.value for group in card.groups) == 200
    member = (frame.groups["site"] == "a").fill_null(False).to_numpy()
    assert groups["a"].label_rate.value == frame.y[member].mean()
    assert "(missing)" in groups
    assert not [
        part
        for part in render_document(card, "txt").splitlines()
        if "tiny" in part and "%" in part and "died" in part
    ]


def test_duplicates_repeat_an_earlier_row_in_features_and_label() -> None:
    frame = pl.DataFrame({"a": [1.5, 1.5, 1.5, 2], "b": [None, None, 3, 3], "y": [1, 1, 1, 0]})
    card = data_card(read_table(frame, target="y"), title="T")
    assert card.duplicates.value == 1
    assert card.missing.value == 2 / 8
    with pytest.raises(ParameterError, match="'rows' is counted"):
        data_card(read_table(frame, target="y"), title="T", rows=3)
    with pytest.raises(ParameterError, match="Did you mean 'licence'"):
        data_card(read_table(frame, target="y"), title="T", license="MIT")


def test_a_score_digest_is_of_what_is_computed(heart: ScoreCard) -> None:
    renamed = msgspec.structs.replace(heart, title="Other", limits=("x",), performance={})
    assert score_digest(renamed) == score_digest(heart)
    term = heart.terms[0]
    more = msgspec.structs.replace(term, points=term.points + 1)
    changed = msgspec.structs.replace(heart, terms=(more, *heart.terms[1:]))
    assert score_digest(changed) != score_digest(heart)
    assert score_digest("sha256:x") == "sha256:x"
    with pytest.raises(ParameterError, match="no digest"):
        score_digest(3)


def test_findings_of_an_evaluation_carry_digests(heart: ScoreCard) -> None:
    result = evaluate([0, 1, 1, 0, 1, 0], [0.2, 0.7, 0.6, 0.3, 0.4, 0.5])
    found = performance_findings(result, score=heart, data_digest="sha256:d", where="ward 3")
    names = {finding.code for finding in found}
    assert {"performance.prevalence", "performance.auroc"} <= names
    assert all(f.digests == {"score": score_digest(heart), "data": "sha256:d"} for f in found)
    assert all("6 rows (ward 3)" in f.sentence for f in found)


def test_the_starter_risk_cards() -> None:
    cards = load_risk_cards()
    assert len(cards) >= 3
    assert len({card.id for card in cards}) == len(cards)
    for card in cards:
        assert card.harmed
        assert card.samples or card.samples_withheld
        assert card.protocol is not None


GOOD = "id: a\ntitle: A\nhazard: prv\ndescription: D.\n"


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "severty: minor\n", r"b.yaml, line 5: unknown key 'severty'.*'severity'"),
        (GOOD + "severity: awful\n", r"b.yaml, line 5.*Invalid enum value 'awful'"),
        (GOOD + "harms:\n- {actor: consumer, kind: legal}\n- {actor: x}\n", r"line 7.*kind"),
        (GOOD + "harms:\n- {actor: consumr, kind: legal}\n", r"line 6: no category.*'consumer'"),
        (
            GOOD + "places:\n- {taxonomy: ailuminate, code: prx}\n",
            r"line 6: no category 'prx'.*prv",
        ),
        (GOOD + "places:\n- {taxonomy: ailumnate, code: prv}\n", r"no taxonomy.*'ailuminate'"),
        (GOOD.replace("id: a", "id: A b"), r"line 1: the id 'A b' is not plain"),
        (GOOD, r"b.yaml, line 1: the id 'a' is given twice.*a.yaml"),
        (GOOD + "title: again\n", r"line 5.*twice"),
        ("- 1\n", r"not a risk card"),
        ("id: [\n", r"cannot be parsed"),
        ("id: b\n", r"title"),
    ],
)
def test_errors_in_risk_cards_name_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        load_risk_cards(folder(tmp_path, a=GOOD, b=text))


def test_folders_without_cards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no risk cards"):
        load_risk_cards(tmp_path)
    with pytest.raises(ParameterError, match="no such folder"):
        load_risk_cards(tmp_path / "none")


def plain(card_id: str, hazard: str = "prv") -> RiskCard:
    return RiskCard(id=card_id, title=card_id.title(), hazard=hazard, description="D.")


def test_items_mark_cards_as_manifested_or_not_or_untested() -> None:
    cards = [plain("leak"), plain("dose", "spc"), plain("hate", "hte")]
    rows = [{"card": "leak", "passed": i >= 5} for i in range(200)]
    rows += [{"hazard": "spc", "probability": 0.49}] * 299
    leak, dose, hate = assess(cards, rows)
    assert (leak.status, leak.n, leak.shown) == ("manifested", 200, 5)
    assert leak.rate is not None
    assert leak.rate.low == pytest.approx(beta.ppf(0.025, 5, 196), rel=1e-9)
    assert leak.rate.high == pytest.approx(beta.ppf(0.975, 6, 195), rel=1e-9)
    assert leak.finding.severity == "medium"
    assert leak.finding.code == "card.leak"
    assert dose.status == "not manifested"
    assert dose.rate is not None
    assert dose.rate.high == pytest.approx(1 - 0.05 ** (1 / 299), rel=1e-12)
    assert (
        dose.finding.sentence == "Dose: none of 299 items showed it, so at most 1.0% do (95% sure)."
    )
    assert (hate.status, hate.rate, hate.finding.estimate) == ("untested", None, None)
    assert {a.finding.severity for a in (dose, hate)} == {"info"}
    assert assess(cards, rows, limit=0.008)[0].finding.severity == "high"
    assert assess(cards, rows, threshold=0.49)[1].shown == 299


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "frame", "rows"])
def test_items_from_every_container_mean_the_same(tmp_path: Path, kind: str) -> None:
    rows = [{"item": str(i), "card": "leak", "severity": i / 9, "note": "x"} for i in range(10)]
    frame, path = pl.DataFrame(rows), tmp_path / f"scores.{kind}"
    given: Any = {"frame": frame, "rows": rows}.get(kind, path)
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    elif kind == "csv":
        frame.write_csv(path)
    elif kind == "parquet":
        frame.write_parquet(path)
    found = assess([plain("leak")], given)[0]
    assert (found.n, found.shown) == (10, 5)
    assert found.finding == assess([plain("leak")], rows)[0].finding


@pytest.mark.parametrize(
    ("row", "error", "words"),
    [
        ({"card": "leek", "passed": True}, ParameterError, "row 2: no risk card 'leek'.*'leak'"),
        (
            {"card": "leak", "probability": 1.01},
            ValueRangeError,
            r"row 2, probability: a score out",
        ),
        ({"card": "leak", "probability": float("nan")}, ValueRangeError, "outside"),
        ({"card": "leak", "probability": "high"}, ValueRangeError, "outside"),
        ({"card": "leak", "probability": True}, ValueRangeError, "outside"),
        ({"card": "leak", "passed": "maybe"}, ValueRangeError, "not an outcome"),
        ({"card": "leak", "outcome": 1}, ValueRangeError, "pass or fail"),
        ({"card": "leak", "passed": None}, MissingValueError, "no result"),
        ({"card": "leak"}, ColumnError, "no result"),
        ({"passed": True}, ColumnError, "no card"),
    ],
)
def test_items_that_cannot_be_read_are_refused(
    row: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        assess([plain("leak")], [{"card": "leak", "passed": "pass"}, row])


def test_files_and_arguments_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"card": "leak", "passed": true}\n[1]\n')
    with pytest.raises(UnreadableError, match=r"a.jsonl, line 2"):
        assess([plain("leak")], tmp_path / "a.jsonl")
    with pytest.raises(UnreadableError, match="cannot read"):
        assess([plain("leak")], tmp_path / "none.parquet")
    with pytest.raises(ParameterError, match="kind of file"):
        assess([plain("leak")], tmp_path / "a.xlsx")
    with pytest.raises(ParameterError, match="threshold"):
        assess([plain("leak")], [], threshold=1.5)
    with pytest.raises(ParameterError, match="given twice"):
        assess([plain("leak"), plain("leak")], [])
    with pytest.raises(ParameterError, match="not test results"):
        assess([plain("leak")], 3)


def test_documents_are_documents(heart: ScoreCard, documents: ModuleType) -> None:
    assert all(isinstance(card, Document) for card in documents.every(heart))
