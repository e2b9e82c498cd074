"""`riskwright card`: every form, on standard output or in a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

import riskwright as rw
from riskwright.cards import render
from riskwright.cli.__main__ import main
from riskwright.core import write_artifact
from riskwright.scoring.deployment import to_python, to_spreadsheet, to_sql


@pytest.mark.parametrize("form", ["text", "markdown", "html", "svg", "json"])
def test_forms_of_the_card_are_printed(score: Path, capsys: pytest.CaptureFixture[str], form: str):
    assert main(["card", str(score), "--format", form]) == 0
    out, err = capsys.readouterr()
    assert out == str(render(rw.load(score).card_, form)).rstrip("\n") + "\n"
    assert err == ""


def test_exports_are_printed(score: Path, capsys: pytest.CaptureFixture[str]):
    card = rw.load(score).card_
    options = ["--dialect", "postgresql", "--table", "a.b", "--booleans", "smoker"]
    assert main(["card", str(score), "--format", "sql", *options]) == 0
    sql = to_sql(card, "postgresql", table="a.b", booleans=["smoker"])
    assert capsys.readouterr().out == sql + ";\n"
    assert main(["card", str(score), "--format", "python"]) == 0
    assert capsys.readouterr().out == to_python(card)
    cells = {"age": "C9", "smoker": "D9", "sex": "E9", "noise": "F9"}
    assert main(["card", str(score), "--format", "excel", "--cells", json.dumps(cells)]) == 0
    formulas = to_spreadsheet(card, cells)
    assert capsys.readouterr().out == f"total\t{formulas.total}\nrisk\t{formulas.risk}\n"


def test_json_is_short_for_the_format(score: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["card", str(score), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Illness score"


def test_a_file_is_written_whole_and_talk_goes_to_stderr(
    score: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "card.html"
    assert main(["card", str(score), "--format", "html", "--out", str(out)]) == 0
    assert capsys.readouterr() == ("", f"Written: {out}\n")
    assert out.read_text(encoding="utf-8") == render(rw.load(score).card_, "html")


def test_a_picture_goes_down_a_pipe(score: Path):
    pytest.importorskip("matplotlib")
    command = [sys.executable, "-m", "riskwright.cli", "card", str(score), "--format", "png"]
    run = subprocess.run(command, capture_output=True, timeout=60)
    assert run.returncode == 0
    assert run.stdout == render(rw.load(score).card_, "png")


def test_letters_that_the_terminal_lacks_are_no_error(score: Path):
    command = [sys.executable, "-m", "riskwright.cli", "card", str(score)]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"}
    run = subprocess.run(command, capture_output=True, env=environment, timeout=60)
    assert run.returncode == 0
    assert b"Illness score" in run.stdout


@pytest.mark.parametrize("form", ["python", "sql", "excel", "html", "svg", "markdown", "json"])
def test_what_programs_read_is_utf_8_whatever_the_locale(tmp_path: Path, form: str):
    city = np.tile(["東京", "São Paulo", "Zürich"], 60)
    frame = pl.DataFrame({"city": city, "ill": (city == "東京").astype(int)})
    frame[0, "ill"] = 0
    frame.write_csv(tmp_path / "people.csv")
    options = ["--target", "ill", "--cv", "0", "--out", str(tmp_path)]
    assert main(["fit", str(tmp_path / "people.csv"), *options]) == 0
    score = tmp_path / "score.json"
    command = [sys.executable, "-m", "riskwright.cli", "card", str(score), "--format", form]
    environment = {"PYTHONIOENCODING": "cp1252", "PATH": "/usr/bin:/bin"}
    run = subprocess.run(command, capture_output=True, env=environment, timeout=60)
    assert run.returncode == 0
    assert "東京" in run.stdout.decode("utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{score}", "--format", "docx"], "--format"),
        (["{score}", "--dialect", "oracle", "--format", "sql"], "--dialect"),
        (["{score}", "--table", "", "--format", "sql"], "table"),
        (["{score}", "--booleans", "sex", "--format", "sql"], "booleans"),
        (["{score}", "--format", "excel", "--cells", '{{"age": "=A"}}'], "cell"),
        (["{score}", "--format", "excel", "--cells", "B2"], "not JSON"),
        (["{score}", "--format", "excel", "--cells", '{{"age": 3}}'], "not the name of a cell"),
        (["{score}", "--out", "{score}/card.txt"], "its folder does not exist"),
        (["{empty}"], "holds no score card"),
        (["{wrong}"], "cannot be read"),
        (["{newer}"], "newer"),
    ],
)
def test_bad_usage_and_bad_files_exit_with_2(
    score: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
):
    names = {name: tmp_path / f"{name}.json" for name in ("empty", "wrong", "newer")}
    write_artifact(names["empty"], "risk_score", {"points": []}, version="0")
    write_artifact(names["wrong"], "risk_score", {"card": {"title": 3}}, version="0")
    document = json.loads(score.read_text())
    names["newer"].write_bytes(msgspec.json.encode(document | {"schema_version": 10**6}))
    names["score"] = score
    assert main(["card", *(a.format_map(names) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("riskwright: ")
    assert words in " ".join(err.split())
