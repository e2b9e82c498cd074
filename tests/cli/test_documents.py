"""`riskwright card new | check | diff | export | assess | notice`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import riskwright as rw
from riskwright.cli.__main__ import main
from riskwright.core.score_digest import score_digest
from riskwright.scoring.deployment import RowScorer

ROW = '{"age": 70, "smoker": 1, "sex": "male"}'
DESK = """decision: Not insured
date: "2026-01-31"
decided_by: The desk
source: your application
contest: Write to us within 30 days
contact: desk@example.org
"""


@pytest.fixture(scope="module")
def audit(folder: Path, people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit") / "audit.json"
    options = ["--target", "ill", "--groups", "sex", "--skip", "multiplicity", "--out", str(path)]
    assert main(["audit", str(folder / "score.json"), str(people), *options]) == 0
    return path


@pytest.fixture
def sheet(score: Path, audit: Path, tmp_path: Path) -> Path:
    path = tmp_path / "sheet.json"
    assert (
        main(["card", "new", "sheet", str(score), "--audit", str(audit), "--out", str(path)]) == 0
    )
    return path


@pytest.fixture
def pipeline(score: Path, people: Path, tmp_path: Path) -> Path:
    """The card with a calibrator by group."""
    calibrated = tmp_path / "calibrated.json"
    options = ["--target", "ill", "--by", "sex", "--out", str(calibrated)]
    assert main(["calibrate", str(score), str(people), *options]) == 0
    return calibrated


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    path = tmp_path / "desk.yaml"
    path.write_text(DESK)
    return path


def test_a_sheet_takes_its_figures_from_the_audit(sheet: Path, score: Path, audit: Path):
    found, about = rw.load(sheet), rw.load(audit)
    assert found.score_digest == score_digest(rw.load(score))
    figures = {f.estimate.name: f.estimate for f in found.performance}
    assert figures["auroc"] == about.evaluation.overall["auroc"]
    assert len(found.audits) == 1


def test_an_audit_of_another_score_is_no_evidence(
    pipeline: Path, audit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for kind in ("sheet", "deployment"):
        out = tmp_path / f"{kind}.json"
        command = ["card", "new", kind, str(pipeline), "--audit", str(audit), "--out", str(out)]
        assert main(command) == 2
        assert "the audit is of another score" in capsys.readouterr().err
        assert not out.exists()


def test_a_data_card_counts_and_takes_words(table: Path, tmp_path: Path):
    fields, out = tmp_path / "fields.yaml", tmp_path / "data.json"
    fields.write_text("description: Made up.\nowner: The desk\n")
    options = ["--target", "ill", "--groups", "sex", "--fields", str(fields), "--out", str(out)]
    assert main(["card", "new", "data", str(table), *options]) == 0
    found = rw.load(out)
    assert found.rows.value == 400
    assert (found.title, found.description, found.owner) == ("people", "Made up.", "The desk")
    assert {group.group for group in found.groups} == {"female", "male"}


def test_a_deployment_card_holds_the_certificate(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    saved, out = tmp_path / "rule.json", tmp_path / "use.json"
    options = ["--score", "p", "--target", "y", "--budget", "miss rate <= 40%"]
    assert main(["decide", str(scores), *options, "--out", str(saved)]) == 0
    assert main(["card", "new", "deployment", str(saved), "--out", str(out)]) == 0
    found = rw.load(out)
    assert found.certificate == rw.load(saved).rule.certificate_
    assert found.score_digest == score_digest(rw.load(saved))


@pytest.mark.parametrize(
    ("kind", "source", "options", "words"),
    [
        ("sheet", "people.csv", [], "not a riskwright file"),
        ("sheet", None, [], "which score, table or pipeline?"),
        ("sheet", "audit.json", [], "holds no score card"),
        ("sheet", "score.json", ["--audit", "score.json"], "not an audit"),
        ("sheet", "score.json", ["--fields", "absent.yaml"], "cannot read the fields"),
        ("data", "absent.csv", [], "cannot read the file"),
        ("data", "people.csv", ["--target", "zz"], "no column 'zz'"),
        ("risk", None, [], "--fields"),
    ],
)
def test_what_no_card_can_be_made_of_is_named(
    kind: str,
    source: str | None,
    options: list[str],
    words: str,
    score: Path,
    audit: Path,
    table: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    for path, name in ((score, "score.json"), (audit, "audit.json"), (table, "people.csv")):
        (tmp_path / name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    command = ["card", "new", kind, *([source] if source else []), *options, "--out", "new.json"]
    assert main(command) == 2
    assert words in capsys.readouterr().err
    assert not Path("new.json").exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("score_digest: sha256:0\n", "score_digest is computed"),
        ("performance: []\n", "performance is computed"),
        ("colour: red\n", "unknown key 'colour'"),
        ("intended_use: 5\n", "intended_use"),
        ("- 1\n", "not fields"),
    ],
)
def test_fields_hold_words_not_figures(
    fields: str,
    words: str,
    score: Path,
    audit: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    path, out = tmp_path / "fields.yaml", tmp_path / "sheet.json"
    path.write_text(fields)
    command = ["card", "new", "sheet", str(score), "--audit", str(audit), "--fields", str(path)]
    assert main([*command, "--out", str(out)]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_check_lists_gaps_and_figures_of_another_score(
    sheet: Path, score: Path, pipeline: Path, capsys: pytest.CaptureFixture[str]
):
    capsys.readouterr()
    assert main(["card", "check", str(sheet), "--json"]) == 1
    gaps = json.loads(capsys.readouterr().out)["gaps"]
    assert {gap["kind"] for gap in gaps} == {"missing"}
    assert main(["card", "check", str(sheet), "--model", str(score)]) == 1
    assert "stale" not in capsys.readouterr().out
    assert main(["card", "check", str(sheet), "--model", str(pipeline)]) == 1
    assert "The card describes another score" in capsys.readouterr().out


def test_stated_words_close_gaps(score: Path, audit: Path, tmp_path: Path, sheet: Path):
    words = dict.fromkeys(("owner", "contact", "intended_use", "horizon"), "Stated.")
    fields = tmp_path / "fields.yaml"
    fields.write_text(json.dumps({**words, "not_for": ["Children."]}))
    out = tmp_path / "full.json"
    command = ["card", "new", "sheet", str(score), "--audit", str(audit), "--fields", str(fields)]
    assert main([*command, "--out", str(out)]) == 0
    before, after = ({gap.field for gap in rw.cards.check(rw.load(p))} for p in (sheet, out))
    assert before - after == {*words, "not_for"}


@pytest.mark.parametrize(
    ("option", "file", "words"),
    [
        ("--model", "audit", "not a score"),
        ("--model", "table", "not a riskwright file"),
        ("--data", "sheet", "another kind of card"),
        ("--audit", "sheet", "not an audit"),
    ],
)
def test_check_refuses_files_of_another_kind(
    option: str,
    file: str,
    words: str,
    sheet: Path,
    audit: Path,
    table: Path,
    capsys: pytest.CaptureFixture[str],
):
    path = {"audit": audit, "table": table, "sheet": sheet}[file]
    assert main(["card", "check", str(sheet), option, str(path)]) == 2
    assert words in capsys.readouterr().err


def test_a_score_is_no_document(score: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["card", "check", str(score)]) == 2
    assert "not a document" in capsys.readouterr().err


def test_diff_says_what_changed(
    sheet: Path, score: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    fields, out = tmp_path / "fields.yaml", tmp_path / "new.json"
    fields.write_text("owner: The desk\n")
    command = ["card", "new", "sheet", str(score), "--fields", str(fields), "--out", str(out)]
    assert main(command) == 0
    capsys.readouterr()
    assert main(["card", "diff", str(sheet), str(sheet)]) == 0
    assert capsys.readouterr().out == "Nothing changed.\n"
    assert main(["card", "diff", str(sheet), str(out)]) == 0
    assert "owner: “The desk” was added." in capsys.readouterr().out
    assert main(["card", "diff", str(sheet), str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"]


@pytest.mark.parametrize("form", ["huggingface", "chai", "annex-iv", "hti1"])
def test_a_sheet_is_exported(sheet: Path, form: str, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert main(["card", "export", str(sheet), "--to", form]) == 0
    assert "Illness score" in capsys.readouterr().out
    assert main(["card", "export", str(sheet), "--to", form, "--out", str(sheet)]) == 2
    assert main(["card", "export", str(sheet), "--to", form, "--data", str(sheet)]) == 2
    assert "expected a data card" in capsys.readouterr().err


def test_no_card_overwrites_what_it_is_made_of(
    sheet: Path, score: Path, capsys: pytest.CaptureFixture[str]
):
    for path in (sheet, score):
        before = path.read_bytes()
        assert main(["card", str(path), "--format", "html", "--out", str(path)]) == 2
        assert "would replace" in capsys.readouterr().err
        assert path.read_bytes() == before


def test_assess_marks_what_was_tested(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    name = rw.cards.load_risk_cards()[0].id
    rows = tmp_path / "results.jsonl"
    rows.write_text("".join(f'{{"card": "{name}", "passed": {w}}}\n' for w in ("true", "false")))
    assert main(["card", "assess", "--scores", str(rows)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Manifested: 1\n")
    assert main(["card", "assess", "--scores", str(tmp_path / "absent.jsonl")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_a_notice_names_reasons_that_can_work(
    score: Path, people: Path, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    actions = tmp_path / "actions.yaml"
    actions.write_text("only: [smoker]\n")
    options = ["--row", ROW, "--fields", str(desk)]
    works = ["--actions", str(actions), "--data", str(people), "--threshold"]
    assert main(["card", "notice", str(score), *options]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "It is not known whether changing this alone can change the decision." in out
    risk = RowScorer(rw.load(score).card_)(json.loads(ROW)).risk
    assert risk is not None
    assert main(["card", "notice", str(score), *options, *works, str(risk - 0.01)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Changing this alone can change the decision." in out
    assert "Changing this alone cannot change the decision." in out
    assert main(["card", "notice", str(score), *options, *works, "1e-9"]) == 0
    assert "None of these" in capsys.readouterr().out


def test_a_notice_says_the_risk_in_use(
    pipeline: Path, people: Path, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "notice.json"
    options = ["--fields", str(desk), "--format", "json", "--out", str(out)]
    assert main(["card", "notice", str(pipeline), "--row", ROW, *options]) == 0
    found, saved = json.loads(out.read_text())["card"], rw.load(pipeline)
    plain = RowScorer(saved.card)(json.loads(ROW)).risk
    assert plain is not None
    assert found["risk"]["value"] == pytest.approx(saved.risk([plain], {"sex": ["male"]})[0])
    assert found["risk"]["value"] != pytest.approx(plain)
    assert found["score_digest"] == score_digest(saved)


@pytest.mark.parametrize(
    ("row", "options", "words"),
    [
        ("[1]", [], "not a JSON object"),
        ('{"age": 3', [], "not JSON"),
        ("{}", [], "absent"),
        ('{"age": "old", "smoker": 1, "sex": "male"}', [], "wrong type"),
        (ROW, ["--actions", "actions.yaml"], "--data and --threshold"),
        (ROW, ["--actions", "actions.yaml", "--data", "d.csv", "--threshold", "30"], "not a risk"),
        (ROW, ["--actions", "actions.yaml", "--data", "d.csv", "--threshold", "1"], "does not go"),
        (ROW, ["--fields", "actions.yaml"], "unknown: only"),
        (ROW, ["--out", "desk.yaml"], "would replace"),
    ],
)
def test_notices_that_cannot_be_written(
    row: str,
    options: list[str],
    words: str,
    score: Path,
    people: Path,
    desk: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(desk.parent)
    Path("actions.yaml").write_text("only: [smoker]\n")
    Path("d.csv").write_bytes(people.read_bytes())
    fields = [] if "--fields" in options else ["--fields", "desk.yaml"]
    assert main(["card", "notice", str(score), "--row", row, *fields, *options]) == 2
    assert words in capsys.readouterr().err
    assert desk.read_text() == DESK
