"""`riskwright decide`: certificates, pipelines that carry them, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

import riskwright as rw
from riskwright.cli.__main__ import main

BASE = ["--score", "p", "--target", "y"]
MISS = ["--budget", "miss rate <= 20%"]


def strict_json(text: str):
    def refuse(token: str):
        raise AssertionError(token)

    return json.loads(text, parse_constant=refuse)


def test_the_certificate_is_that_of_the_library(scores: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["decide", str(scores), *BASE, *MISS, "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    frame = pl.read_csv(scores)
    expected = rw.Threshold("miss rate <= 20%").fit(frame["p"], frame["y"]).certificate_
    assert found["thresholds"] == expected.thresholds
    assert found["statement"] == expected.statement


def test_what_cannot_be_certified_is_an_answer_with_exit_code_1(
    scores: Path, capsys: pytest.CaptureFixture[str]
):
    budget = ["--budget", "precision >= 99% with 99% confidence"]
    assert main(["decide", str(scores), *BASE, *budget, "--json"]) == 1
    assert strict_json(capsys.readouterr().out)["verdict"] == "not attainable"
    assert main(["decide", str(scores), *BASE, *budget]) == 1
    assert "NOT MET" in capsys.readouterr().out


def test_each_budget_is_a_heading_over_its_groups(scores: Path, capsys: pytest.CaptureFixture[str]):
    budget = ["--budget", "miss rate <= 30% with 90% confidence per sex"]
    assert main(["decide", str(scores), *BASE, *budget]) == 0
    out = capsys.readouterr().out
    assert out.count("Budget: ") == 1
    assert re.search(r"^  female +seen .*%.* of .*limit 30%: met$", out, re.M)
    assert max(map(len, out.splitlines())) <= 90


def test_card_calibrator_and_rule_are_chained(
    score: Path, people: Path, more_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    calibrated, ruled = tmp_path / "calibrated.json", tmp_path / "ruled.json"
    target = ["--target", "ill"]
    assert main(["calibrate", str(score), str(people), *target, "--out", str(calibrated)]) == 0
    capsys.readouterr()
    assert main(["decide", str(calibrated), str(people), *target, *MISS]) == 2
    assert "taught the calibrator" in capsys.readouterr().err
    assert main(["evaluate", str(calibrated), str(people), *target]) == 0
    assert "flatter" in capsys.readouterr().err
    out = ["--out", str(ruled)]
    assert main(["decide", str(calibrated), str(more_people), *target, *MISS, *out]) == 0
    for name in ("out.csv", "out.parquet"):
        scored = ["score", str(ruled), str(people), "--keep", "sex", "--out", str(tmp_path / name)]
        assert main(scored) == 0
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame.columns == ["sex", "points", "risk", "decision", "reason"]
    text = pl.read_csv(tmp_path / "out.csv")
    assert text["decision"].equals(frame["decision"])
    at = rw.load(ruled).rule.threshold_
    assert frame["decision"].eq("flag").equals(frame["risk"] >= at)
    capsys.readouterr()
    person = json.dumps(pl.read_csv(people).row(0, named=True))
    assert main(["score", str(ruled), "--row", person, "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    assert (found["risk"], found["decision"]) == (frame["risk"][0], frame["decision"][0])


@pytest.mark.parametrize(
    ("options", "decisions"),
    [
        (MISS, {"flag", "pass"}),
        (["--budget", "miss rate <= 20% in expectation"], {"flag", "pass"}),
        (
            ["--three-way", *MISS, "--budget", "false alarm rate <= 10%"],
            {"pass", "escalate", "block"},
        ),
        (["--abstain", "--budget", "error among accepted <= 45%"], {"answer", "abstain"}),
    ],
    ids=["threshold", "in expectation", "three-way", "abstain"],
)
def test_rules_on_a_column_decide_about_new_rows(
    scores: Path, fresh: Path, tmp_path: Path, options: list[str], decisions: set[str]
):
    ruled, page, out = (tmp_path / name for name in ("ruled.json", "page.html", "out.csv"))
    written = ["--out", str(ruled), "--html", str(page)]
    assert main(["decide", str(scores), *BASE, *options, *written]) == 0
    assert main(["score", str(ruled), str(fresh), "--score", "p", "--out", str(out)]) == 0
    assert set(pl.read_csv(out)["decision"]) <= decisions
    text = page.read_text()
    assert len(text) < 300_000
    assert not re.search(r"(src|href)=|url\(|@import|<script", text)
    assert text.index(">Decision<") < text.index(">Figures<")


def test_regimes_are_chosen_when_scoring(
    scores: Path, fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path, ruled = tmp_path / "regimes.yaml", tmp_path / "ruled.json"
    path.write_text('regimes:\n  strict: "miss rate <= 10%"\n  loose: "miss rate <= 40%"\n')
    regimes = ["--budgets", str(path), "--out", str(ruled)]
    assert main(["decide", str(scores), *BASE, *regimes]) == 0
    flagged = []
    for regime in ("strict", "loose"):
        out = tmp_path / f"{regime}.parquet"
        options = ["--score", "p", "--regime", regime, "--out", str(out)]
        assert main(["score", str(ruled), str(fresh), *options]) == 0
        flagged.append(pl.read_parquet(out)["decision"].eq("flag").sum())
    assert flagged[0] > flagged[1]
    capsys.readouterr()
    for options in ([], ["--regime", "strickt"]):
        assert main(["score", str(ruled), str(fresh), "--score", "p", *options]) == 2
        assert "strict, loose" in capsys.readouterr().err


def test_a_chosen_threshold_is_marked_on_the_page(scores: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    assert main(["decide", str(scores), *BASE, *MISS, "--html", str(page)]) == 0
    assert page.read_text().count("chosen threshold") >= 2


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ('budgets: ["miss rate <= 5%", "mis rate <= 5%"]', "budget 2"),
        ("budgets: [{loss: miss rate, limit: 2}]", "budget 1"),
        ("budgets: [7]", "budget 1"),
        ("budget: [a]", "the one key 'budgets'"),
        ("- [", "cannot be parsed"),
        ('regimes: {loose: "mis rate <= 5%"}', "loose"),
    ],
)
def test_mistakes_in_a_file_of_budgets_name_the_entry(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], document: str, words: str
):
    path = tmp_path / "budgets.yaml"
    path.write_text(document)
    assert main(["decide", str(scores), *BASE, "--budgets", str(path)]) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert str(path) in err
    assert words in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*BASE], "no budget"),
        ([*BASE, "--budget", "mis rate <= 5%"], "miss rate"),
        ([*BASE, "--budget", "miss rate"], "such as"),
        ([*BASE, "--budget", "miss rate <= 5% per nope"], "'nope'"),
        ([*BASE, "--budget", "miss rate <= 5%", "--three-way"], "two budgets"),
        ([*BASE, *MISS, "--out", "{scores}"], "would replace"),
        ([*BASE, *MISS, "--out", "a.json", "--html", "a.json"], "would replace"),
        (["--score", "holes", "--target", "y", *MISS], "missing scores"),
        (["--score", "margin", "--target", "y", *MISS, "--html", "a.html"], "no probabilities"),
        (["--score", "p", "--target", "same", *MISS], "only one label"),
    ],
)
def test_bad_usage_and_bad_data_exit_with_2(
    scores: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
):
    monkeypatch.chdir(tmp_path)
    before = scores.read_bytes()
    given = [a.format_map({"scores": scores}) for a in arguments]
    assert main(["decide", str(scores), *given]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in " ".join(err.split())
    assert scores.read_bytes() == before
    assert not list(tmp_path.iterdir())


def test_pipelines_that_were_changed_or_hold_no_card_are_refused(
    scores: Path, fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ruled = tmp_path / "ruled.json"
    assert main(["decide", str(scores), *BASE, *MISS, "--out", str(ruled)]) == 0
    capsys.readouterr()
    assert main(["card", str(ruled)]) == 2
    assert "holds no score card" in capsys.readouterr().err
    changed = tmp_path / "changed.json"
    changed.write_text(ruled.read_text().replace("0.2", "0.3"))
    assert main(["score", str(changed), str(fresh), "--score", "p"]) == 2
    assert "hash" in capsys.readouterr().err
    before = fresh.read_bytes()
    assert main(["score", str(ruled), str(fresh), "--score", "p", "--out", str(fresh)]) == 2
    assert fresh.read_bytes() == before
