"""`riskwright score`: files, standard output, and one person with the sum shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import riskwright as rw
from riskwright.cli.__main__ import main
from riskwright.scoring.deployment import RowScorer


def test_a_file_gets_the_risks_of_the_model(score: Path, table: Path, tmp_path: Path):
    out = tmp_path / "scored.parquet"
    assert main(["score", str(score), str(table), "--out", str(out)]) == 0
    scored = pl.read_parquet(out)
    expected = rw.load(score).predict_proba(pl.read_csv(table).drop("ill"))[:, 1]
    assert scored["risk"].to_numpy() == pytest.approx(expected, rel=1e-14)
    assert scored.columns == ["age", "smoker", "sex", "noise", "ill", "points", "risk"]


def test_a_column_that_is_not_kept_may_have_the_name_of_an_added_one(
    score: Path, table: Path, tmp_path: Path
):
    pl.read_csv(table).with_columns(points=1, risk=2).write_parquet(tmp_path / "named.parquet")
    options = ["--keep", "age", "--out", str(tmp_path / "out.parquet")]
    assert main(["score", str(score), str(tmp_path / "named.parquet"), *options]) == 0
    assert pl.read_parquet(tmp_path / "out.parquet").columns == ["age", "points", "risk"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_are_nobody(score: Path, table: Path, tmp_path: Path, end: str):
    lines = table.read_text().splitlines()
    blank = tmp_path / "blank.csv"
    blank.write_bytes(end.join([*lines[:5], "", *lines[5:], "", ""]).encode())
    assert main(["score", str(score), str(blank), "--out", str(tmp_path / "a.csv")]) == 0
    assert main(["score", str(score), str(table), "--out", str(tmp_path / "b.csv")]) == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_a_summary_comes_as_json(
    score: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "scored.csv"
    assert (
        main(["score", str(score), str(table), "--out", str(out), "--keep", "ill", "--json"]) == 0
    )
    summary = json.loads(capsys.readouterr().out)
    assert (summary["rows"], summary["out"]) == (400, str(out))
    assert pl.read_csv(out).columns == ["ill", "points", "risk"]


def test_without_a_file_the_rows_go_to_standard_output(score: Path, table: Path, tmp_path: Path):
    command = [sys.executable, "-m", "riskwright.cli", "score", str(score), str(table)]
    run = subprocess.run([*command, "--keep", "ill", "sex"], capture_output=True, timeout=60)
    assert run.returncode == 0
    assert run.stderr == b""
    (tmp_path / "out.csv").write_bytes(run.stdout)
    assert pl.read_csv(tmp_path / "out.csv").shape == (400, 4)


def test_a_reader_that_leaves_early_is_no_error(score: Path, table: Path):
    command = f"{sys.executable} -m riskwright.cli score {score} {table} | head -1"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert run.stdout.startswith("age,")
    assert run.stderr == ""


def test_one_person_is_added_up_by_hand(score: Path, capsys: pytest.CaptureFixture[str]):
    row = {"age": 70, "smoker": 1, "sex": "male", "noise": 0.1}
    assert main(["score", str(score), "--row", json.dumps(row)]) == 0
    shown = capsys.readouterr().out
    scorer = RowScorer(rw.load(score).card_)
    for added in scorer.explain(row):
        assert added.term.item.label in shown
    result = scorer(row)
    assert repr(result.risk) in shown
    lines = [line.split() for line in shown.splitlines()]
    points = [int(words[-1].replace("−", "-")) for words in lines[: len(scorer.explain(row))]]
    total = next(int(words[-1].replace("−", "-")) for words in lines if words[0] == "Total")
    assert sum(points) == total == result.total


def test_one_person_comes_as_json(score: Path, capsys: pytest.CaptureFixture[str]):
    row = {"age": None, "smoker": 0, "sex": "female", "noise": 0.1}
    assert main(["score", str(score), "--row", json.dumps(row), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    expected = RowScorer(rw.load(score).card_)(row)
    assert (result["total"], result["risk"]) == expected[:2]
    assert sum(added["points"] for added in result["added"]) == result["total"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{score}"], "either a table or --row"),
        (["{score}", "{table}", "--row", "{{}}"], "either a table or --row"),
        (["{score}", "--row", "age=3"], "not JSON"),
        (["{score}", "--row", "[1]"], "not a JSON object"),
        (["{score}", "--row", "{{}}"], "absent"),
        (["{score}", "{table}", "--json"], "Name --out"),
        (["{score}", "--row", '{{"age": 60, "age": 20}}'], "twice"),
        (["{score}", "--row", "{{}}", "--out", "x.csv"], "for tables"),
        (["{score}", "{table}", "--delimiter", ";;"], "not a delimiter"),
        (["{score}", "{table}", "--delimiter", ""], "not a delimiter"),
        (["{score}", "{table}", "--delimiter", "é"], "not a delimiter"),
        (["{score}", "{table}", "--out", "x.xlsx"], ".csv or .parquet"),
        (["{score}", "absent.csv"], "no such file"),
        (["{score}", "{bare}"], "missing"),
        (["{table}", "{table}"], "not a riskwright file"),
        (["{changed}", "{table}"], "hash"),
        (["absent.json", "{table}"], "cannot read"),
    ],
)
def test_bad_usage_and_bad_data_exit_with_2(
    score: Path,
    table: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
):
    (tmp_path / "bare.csv").write_text("noise\n1\n")
    (tmp_path / "changed.json").write_text(score.read_text().replace("Illness", "Wellness"))
    names = {"score": score, "table": table, "bare": tmp_path / "bare.csv"}
    names["changed"] = tmp_path / "changed.json"
    assert main(["score", *(a.format_map(names) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == "" or "--json" in arguments
    assert err.startswith("riskwright: ")
    assert words in err
