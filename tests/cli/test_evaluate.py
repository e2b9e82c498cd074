"""`riskwright evaluate`: figures with intervals, by group, on rows of any make."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

import riskwright as rw
from riskwright.cli.__main__ import main


def test_figures_are_those_of_the_library(
    score: Path, table: Path, capsys: pytest.CaptureFixture[str]
):
    options = ["--target", "ill", "--groups", "sex", "--level", "0.9", "--json"]
    assert main(["evaluate", str(score), str(table), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    frame = pl.read_csv(table)
    risk = rw.load(score).predict_proba(frame.drop("ill"))[:, 1]
    expected = rw.evaluate(frame["ill"] == "yes", risk, groups={"sex": frame["sex"]}, level=0.9)
    assert found["n"] == 400
    assert found["level"] == 0.9
    for name, estimate in expected.overall.items():
        assert found["overall"][name]["value"] == pytest.approx(estimate.value, rel=1e-9)
        assert found["overall"][name]["low"] == pytest.approx(estimate.low, rel=1e-9)
    assert set(found["by_group"]) == {"sex = female", "sex = male"}


def test_columns_that_the_card_does_not_read_are_not_looked_at(
    score: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    odd = pl.read_csv(table).with_columns(
        far=pl.lit("inf"), mixed=pl.Series([*["1.5"] * 399, "low"]), noise=pl.lit(0)
    )
    odd.write_csv(tmp_path / "odd.csv")
    for path in (table, tmp_path / "odd.csv"):
        assert main(["evaluate", str(score), str(path), "--target", "ill", "--json"]) == 0
    one, _, other = capsys.readouterr().out.partition("}\n{")
    assert json.loads(one + "}") == json.loads("{" + other)


def test_rows_that_are_all_alike_are_evaluated(
    score: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    alike = pl.read_csv(table).with_columns(age=pl.lit(50), smoker=pl.lit(1), sex=pl.lit("male"))
    alike.write_csv(tmp_path / "alike.csv")
    assert main(["evaluate", str(score), str(tmp_path / "alike.csv"), "--target", "ill"]) == 0
    assert "auroc" in capsys.readouterr().out


def test_the_table_of_figures_is_printed(
    score: Path, table: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["evaluate", str(score), str(table), "--target", "ill"]) == 0
    out, err = capsys.readouterr()
    assert "auroc" in out
    assert "calibration slope" in out
    assert "ill = yes" in err


def test_weights_count_rows_twice(
    score: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    frame = pl.read_csv(table)
    twice = frame.with_columns(w=pl.lit(2))
    twice.write_parquet(tmp_path / "twice.parquet")
    arguments = ["evaluate", str(score), str(tmp_path / "twice.parquet"), "--target", "ill"]
    assert main([*arguments, "--weight", "w", "--json"]) == 0
    weighted = json.loads(capsys.readouterr().out)
    assert main([*arguments, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert weighted["events"] == 2 * plain["events"]
    brier = [found["overall"]["brier"]["value"] for found in (weighted, plain)]
    assert brier[0] == pytest.approx(brier[1])
    assert main([*arguments, "--weight", "w"]) == 0
    assert "of 800 by weight with the event" in capsys.readouterr().out


def test_a_card_without_terms_is_evaluated(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "none.yaml").write_text("exclude: [age, smoker, sex, noise]\n")
    options = ["--constraints", str(tmp_path / "none.yaml"), "--cv", "0", "--out", str(tmp_path)]
    assert main(["fit", str(table), "--target", "ill", *options]) == 0
    assert main(["evaluate", str(tmp_path / "score.json"), str(table), "--target", "ill"]) == 0
    assert "400 rows" in capsys.readouterr().out


def test_a_feature_that_is_constant_in_the_test_rows_is_still_read(
    score: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pl.read_csv(table).filter(smoker=1).write_csv(tmp_path / "smokers.csv")
    arguments = ["evaluate", str(score), str(tmp_path / "smokers.csv"), "--target", "ill"]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["overall"]["auroc"]["value"] > 0.5


def test_a_column_of_scores_is_evaluated_by_group(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["evaluate", str(scores), "--score", "p", "--target", "y", "--groups", "sex"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert re.search(r"p of perfect calibration +<0\.001", out)
    assert re.search(r"^  sex = male +[\d,]+ +\d+ +0\.\d{3} .*[+-]0\.\d{3} \(", out, re.M)
    page = tmp_path / "page.html"
    assert main([*arguments, "--weight", "w", "--html", str(page)]) == 0
    assert capsys.readouterr().out.count("effective n") <= 9
    text = page.read_text()
    assert len(text) < 300_000
    assert not re.search(r"(src|href)=|url\(|@import|<script", text)


def test_many_groups_do_not_flood_the_screen(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    many = pl.read_csv(scores).with_columns(town=pl.col("id") % 500)
    many.write_parquet(tmp_path / "many.parquet")
    options = ["--score", "p", "--target", "y", "--groups", "town"]
    assert main(["evaluate", str(tmp_path / "many.parquet"), *options]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 200
    assert "and 460 more groups" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--score", "margin", "--target", "y"], "`riskwright calibrate`"),
        (["--score", "q", "--target", "y"], "Known names"),
        (["--score", "p", "--target", "word"], "--positive"),
        (["--score", "p", "--target", "y", "--level", "95"], "level"),
        (["--score", "p", "--target", "y", "--html", "{scores}"], "would replace"),
    ],
)
def test_scores_that_cannot_be_measured_are_refused(
    scores: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
):
    given = [a.format_map({"scores": scores}) for a in arguments]
    assert main(["evaluate", str(scores), *given]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{score}", "{table}"], "target"),
        (["{score}", "{table}", "--target", "sick"], "no column 'sick'"),
        (["{score}", "{table}", "--target", "sex"], "'yes'"),
        (["{score}", "{table}", "--target", "ill", "--groups", "race"], "'race'"),
        (["{score}", "{bare}", "--target", "ill"], "missing"),
        (["{score}", "{table}", "--target", "ill", "--level", "7"], "level"),
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
    (tmp_path / "bare.csv").write_text("noise,ill\n1,yes\n2,no\n")
    names = {"score": score, "table": table, "bare": tmp_path / "bare.csv"}
    assert main(["evaluate", *(a.format_map(names) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "riskwright: " in err
    assert words in " ".join(err.split())
