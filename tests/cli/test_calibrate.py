"""`riskwright calibrate`: a pipeline, figures before and after, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

import riskwright as rw
from riskwright.cli.__main__ import main

BASE = ["--score", "p", "--target", "y"]


def strict_json(text: str):
    """JSON without the tokens NaN and Infinity, which JSON does not have."""

    def refuse(token: str):
        raise AssertionError(token)

    return json.loads(text, parse_constant=refuse)


def test_the_pipeline_holds_the_calibrator_of_the_library(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "calibrated.json"
    assert main(["calibrate", str(scores), *BASE, "--out", str(out), "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    frame = pl.read_csv(scores)
    model = rw.Calibrator(random_state=0).fit(frame["p"], frame["y"])
    assert found["method"] == model.chosen_
    assert found["after"]["log loss"]["value"] < found["before"]["log loss"]["value"]
    assert rw.load(out).risk([0.2, 0.7]) == pytest.approx(model.predict([0.2, 0.7]))


def test_methods_and_figures_are_printed_the_best_first(
    scores: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["calibrate", str(scores), *BASE]) == 0
    out, err = capsys.readouterr()
    losses = [float(x) for x in re.findall(r"^  \S+ +(0\.\d{3})  ", out, re.M)]
    assert len(losses) > 3
    assert losses == sorted(losses)
    assert out.count("chosen") == 1
    assert "before" in out
    assert "after, cross-fitted" in out
    assert "Score “p”; outcome y = 1" in err


def test_scores_that_are_no_probabilities_have_no_figures_before(
    scores: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["calibrate", str(scores), "--score", "margin", "--target", "y"]
    assert main([*arguments, "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["before"] is None
    assert main(arguments) == 0
    assert "no probabilities" in capsys.readouterr().out


def test_weights_labels_and_parquet_are_read(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pl.read_csv(scores).write_parquet(tmp_path / "scores.parquet")
    options = ["--score", "p", "--target", "word", "--positive", "bad", "--weight", "w", "--json"]
    found = []
    for path in (scores, tmp_path / "scores.parquet"):
        assert main(["calibrate", str(path), *options]) == 0
        found.append(strict_json(capsys.readouterr().out))
    assert found[0] == found[1]


def test_the_page_shows_before_and_after_and_loads_nothing(scores: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    assert main(["calibrate", str(scores), *BASE, "--by", "sex", "--html", str(page)]) == 0
    text = page.read_text()
    assert len(text) < 300_000
    assert not re.search(r"(src|href)=|url\(|@import|<script", text)
    assert text.index(">Before<") < text.index(">After<") < text.index(">Figures<")


def test_calibration_by_group_reaches_every_later_step(
    scores: Path, fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    calibrated, ruled = tmp_path / "calibrated.json", tmp_path / "ruled.json"
    assert main(["calibrate", str(scores), *BASE, "--by", "sex", "--out", str(calibrated)]) == 0
    rule = ["--budget", "miss rate <= 20%", "--out", str(ruled)]
    assert main(["decide", str(calibrated), str(fresh), *BASE, *rule]) == 0
    assert main(["evaluate", str(ruled), str(fresh), *BASE]) == 0
    out = tmp_path / "out.parquet"
    options = ["--score", "p", "--keep", "id"]
    assert main(["score", str(ruled), str(fresh), *options, "--out", str(out)]) == 0
    frame = pl.read_csv(fresh)
    expected = rw.load(ruled).apply(frame["p"], {"sex": frame["sex"]})
    assert pl.read_parquet(out).drop("id").equals(expected)
    capsys.readouterr()
    person = json.dumps({"p": frame["p"][0], "sex": frame["sex"][0]})
    assert main(["score", str(ruled), "--row", person, *options[:2], "--json"]) == 0
    assert strict_json(capsys.readouterr().out) == expected.row(0, named=True)
    frame.drop("sex").write_csv(tmp_path / "without.csv")
    for verb in (["evaluate", *BASE], ["score", "--score", "p"]):
        assert main([verb[0], str(ruled), str(tmp_path / "without.csv"), *verb[1:]]) == 2
        assert "sex" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{scores}", "--target", "y"], "Name --score"),
        (["{scores}", "--score", "P", "--target", "y"], "Did you mean 'p'"),
        (["{scores}", "--score", "sex", "--target", "y"], "not numbers"),
        (
            ["{scores}", "--score", "holes", "--target", "y"],
            "none in 1 of 2,000 rows, first in row 4",
        ),
        (["{scores}", "--score", "margin", "--target", "y", "--method", "beta"], "out of range"),
        (["{scores}", "--score", "p", "--target", "word"], "--positive"),
        (["{scores}", "--score", "p", "--target", "same"], "only one label"),
        (["{scores}", "--score", "p", "--target", "y", "--by", "Sex"], "'sex'"),
        (["{scores}", "--score", "p", "--target", "y", "--method", "magic"], "isotonic"),
        (["{scores}", "--score", "p", "--target", "y", "--seed", "-1"], "negative seed"),
        (["{scores}", "--score", "p", "--target", "y", "--out", "{scores}"], "would replace"),
        (["{scores}", "--score", "p", "--target", "y", "--out", "{gone}/a.json"], "does not exist"),
        (["{empty}", "--score", "p", "--target", "y"], "empty"),
        (["{absent}", "--score", "p", "--target", "y"], "cannot read"),
        (["{card}", "{scores}", "--score", "p", "--target", "y"], "Leave out --score"),
        (["{card}", "--target", "y"], "Name the table"),
    ],
)
def test_bad_usage_and_bad_data_exit_with_2_and_change_nothing(
    scores: Path,
    score: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
):
    (tmp_path / "empty.csv").touch()
    names = {"scores": scores, "card": score, "empty": tmp_path / "empty.csv"}
    names |= {"absent": tmp_path / "absent.csv", "gone": tmp_path / "gone"}
    before = scores.read_bytes()
    assert main(["calibrate", *(a.format_map(names) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in " ".join(err.split())
    assert scores.read_bytes() == before


def test_a_page_that_cannot_be_written_leaves_no_pipeline_behind(scores: Path, tmp_path: Path):
    out = tmp_path / "calibrated.json"
    out.write_text("mine")
    options = ["--out", str(out), "--html", str(tmp_path / "gone" / "page.html")]
    assert main(["calibrate", str(scores), *BASE, *options]) == 2
    assert out.read_text() == "mine"


def test_a_rule_is_not_lost_unseen(
    scores: Path, fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ruled = tmp_path / "ruled.json"
    rule = ["--budget", "miss rate <= 20%", "--out", str(ruled)]
    assert main(["decide", str(scores), *BASE, *rule]) == 0
    assert main(["calibrate", str(ruled), str(fresh), *BASE]) == 2
    assert "Calibrate the score first" in capsys.readouterr().err


def test_a_group_of_one_row_is_calibrated_as_all_rows_are(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rare = pl.read_csv(scores).with_columns(
        town=pl.when(pl.col("id") == 7).then(pl.lit("Ys")).otherwise("sex")
    )
    rare.write_csv(tmp_path / "rare.csv")
    assert main(["calibrate", str(tmp_path / "rare.csv"), *BASE, "--by", "town"]) == 0
    assert "Group Ys has the calibrator of all rows" in capsys.readouterr().out


def test_a_single_event_is_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "few.csv").write_text("p,y\n0.1,0\n0.9,1\n0.4,0\n")
    few = ["calibrate", str(tmp_path / "few.csv"), *BASE, "--method", "isotonic"]
    assert main(few) == 2
    assert "two rows of each outcome" in capsys.readouterr().err
