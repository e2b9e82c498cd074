"""`riskwright fit`: files, words on the card, and refusals that leave earlier files alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import riskwright as rw
from riskwright.cli.__main__ import main

FILES = ["card.html", "card.md", "card.svg", "certificate.json", "score.json"]


def test_it_writes_the_card_in_every_form(folder: Path):
    assert sorted(os.listdir(folder)) == FILES
    model = rw.load(folder / "score.json")
    assert model.card_.title == "Illness score"
    assert model.card_.outcome == "ill = yes"
    for name in ("card.html", "card.md", "card.svg"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "Illness score" in text
    proof = json.loads((folder / "certificate.json").read_text())
    assert proof["claim"]["status"] == "optimal"


def test_a_table_and_a_target_are_enough(table: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["fit", str(table), "--target", "ill"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Risk score\nOutcome: ill = yes\n")
    assert "Proved best" in out
    assert "5-fold cross-validation" in out
    assert "sex" in err
    assert "binary" in err
    assert "ill = yes" in err


def test_json_is_the_only_thing_on_stdout(table: Path, capsys: pytest.CaptureFixture[str]):
    options = ["--target", "ill", "--max-terms", "2", "--cv", "0", "--json"]
    assert main(["fit", str(table), *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["card"]["terms"]) <= 2
    assert result["card"]["performance"] == {}
    assert result["files"] == []


def test_options_reach_the_learner(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rules = tmp_path / "rules.yaml"
    rules.write_text("exclude: [noise]\nsign: {smoker: '+'}\n")
    schema = tmp_path / "schema.yaml"
    schema.write_text(
        "target: ill\npopulation: adults of a made-up town\n"
        "columns:\n  age: {unit: years, cuts: [50, 60]}\n"
    )
    options = ["--schema", str(schema), "--constraints", str(rules), "--no-certify", "--cv", "0"]
    more = ["--scale", "unit", "--max-points", "3", "--max-features", "2", "--ignore", "sex"]
    words = ["--outcome", "illness within a year", "--json"]
    assert main(["fit", str(table), *options, *more, *words]) == 0
    card = json.loads(capsys.readouterr().out)["card"]
    assert card["score_class"] == "unit"
    assert card["slope"] == 1.0
    assert card["certificate"]["status"] == "heuristic"
    assert card["population"] == "adults of a made-up town"
    assert card["outcome"] == "illness within a year"
    used = {term["item"]["feature"] for term in card["terms"]}
    assert used <= {"age", "smoker"}
    assert all(abs(term["points"]) <= 3 for term in card["terms"])
    assert {t["item"]["low"] for t in card["terms"] if t["item"]["kind"] == "ge"} <= {0.5, 50, 60}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{table}"], "no outcome"),
        (["{table}", "--target", "il"], "'ill'"),
        (["{table}", "--target", "noise"], "not binary"),
        (["{table}", "--target", "ill", "--max-terms", "0"], "max_terms"),
        (["{table}", "--target", "ill", "--max-terms", "many"], "--max-terms"),
        (["{table}", "--target", "ill", "--scale", "log"], "--scale"),
        (["{table}", "--target", "ill", "--constraints", "absent.yaml"], "absent.yaml"),
        (["{table}", "--target", "ill", "--constraints", "{list}"], "not constraints"),
        (
            ["{table}", "--target", "ill", "--constraints", "{broken}"],
            "constraints cannot be parsed",
        ),
        (["{table}", "--target", "ill", "--constraints", "{twice}"], "given twice"),
        (["{table}", "--target", "ill", "--max-terms", "3.5"], "--max-terms"),
        (["{table}", "--target", "ill", "--cv", "2.5"], "--cv"),
        (["{table}", "--target", "ill", "--threads", "1.5"], "--threads"),
        (["{table}", "--target", "ill", "--constraints", "{unknown}"], "height"),
        (["{table}", "--target", "ill", "--constraints", "{misspelt}"], "'include'"),
        (["absent.csv", "--target", "ill"], "absent.csv"),
        (["{empty}", "--target", "ill"], "empty"),
        ([], "DATA"),
    ],
)
def test_bad_usage_and_bad_data_are_one_message_and_leave_files_alone(
    table: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
):
    files = {
        "list": "- a\n",
        "broken": "{a: [",
        "twice": "include: [age]\ninclude: [sex]\n",
        "unknown": "exclude: [height]\n",
        "misspelt": "inclde: [age]\n",
        "empty": "",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    names = {name: str(tmp_path / name) for name in files} | {"table": str(table)}
    out = tmp_path / "card"
    out.mkdir()
    for name in FILES:
        (out / name).write_text("earlier")
    given = [argument.format_map(names) for argument in arguments]
    assert main(["fit", *given, *(["--out", str(out)] if given else [])]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    message = printed.err.splitlines()[-1] if given else printed.err
    assert "riskwright: " in printed.err
    assert words in " ".join(printed.err.split())
    assert "Traceback" not in message
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(
        FILES, "earlier"
    )


def test_the_proof_of_an_earlier_card_does_not_stay_beside_a_card_without_one(
    table: Path, tmp_path: Path
):
    options = ["fit", str(table), "--target", "ill", "--cv", "0", "--out", str(tmp_path)]
    assert main(options) == 0
    assert (tmp_path / "certificate.json").exists()
    assert main([*options, "--no-certify"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        set(FILES) - {"certificate.json"}
    )


def test_a_folder_that_cannot_be_made_is_refused_after_nothing_was_written(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file" / "card", tmp_path / "file"):
        assert main(["fit", str(table), "--target", "ill", "--cv", "0", "--out", str(out)]) == 2
        message = capsys.readouterr().err
        assert "cannot make this folder" in message
        assert "rows" not in message  # nothing was read, let alone learned
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_with_spaces_and_marks_is_made_with_its_parents(table: Path, tmp_path: Path):
    out = tmp_path / "an out folder" / "Überblick & co"
    assert main(["fit", str(table), "--target", "ill", "--cv", "0", "--out", str(out)]) == 0
    assert len(list(out.iterdir())) == 5


def test_one_file_that_cannot_be_written_leaves_all_files_as_they_were(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "card"
    (out / "certificate.json").mkdir(parents=True)
    (out / "score.json").write_text("earlier")
    assert main(["fit", str(table), "--target", "ill", "--cv", "0", "--out", str(out)]) == 2
    assert "certificate.json" in capsys.readouterr().err
    assert sorted(os.listdir(out)) == ["certificate.json", "score.json"]
    assert (out / "score.json").read_text() == "earlier"


def test_an_interrupt_before_any_result_exits_with_130(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("riskwright.read_table", interrupted)
    assert main(["fit", str(table), "--target", "ill"]) == 130
    assert capsys.readouterr().err.endswith("riskwright: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no interrupt signal to send")
def test_an_interrupt_during_the_search_keeps_the_best_card_with_its_gap(tmp_path: Path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (2000, 60))
    y = rng.random(2000) < 1 / (1 + np.exp(-(X @ rng.normal(size=60)) / 3))
    lines = [",".join([*(f"x{j}" for j in range(60)), "y"])]
    lines += [",".join(map(str, [*row, int(label)])) for row, label in zip(X, y, strict=True)]
    (tmp_path / "hard.csv").write_text("\n".join(lines))
    command = [sys.executable, "-m", "riskwright.cli", "fit", str(tmp_path / "hard.csv")]
    options = ["--target", "y", "--max-terms", "12", "--time-limit", "300", "--cv", "0", "--json"]
    for wait in (4, 15, 45):  # on a slow machine the search begins later
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            while "A stated type" not in process.stderr.readline():
                assert process.poll() is None
            time.sleep(wait)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        if process.returncode != 130:
            break
    assert process.returncode == 0, err
    certificate = json.loads(out)["card"]["certificate"]
    assert certificate["status"] == "interrupted"
    assert 0 < float(certificate["gap"]) < 1
