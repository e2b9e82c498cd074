"""`riskwright audit`: cards, pipelines and columns of scores, a policy, and input of every kind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import riskwright as rw
from riskwright.cli.__main__ import main
from riskwright.core.score_digest import score_digest

COLUMN = ["--score", "p", "--target", "y"]
POLICY = "limits:\n  - finding: discrimination.auroc\n    at_least: {}\n"


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Scores of a black box, their outcomes, groups and columns of many kinds."""
    rng = np.random.default_rng(0)
    n = 600
    x, k = rng.normal(size=n).round(3), rng.integers(0, 5, n)
    risk = 1 / (1 + np.exp(1.1 - x - 0.3 * k))
    frame = pl.DataFrame(
        {
            "x": x,
            "k": k,
            "sex": rng.choice(["f", "m"], n),
            "p": risk.round(4),
            "y": (rng.random(n) < risk).astype(int),
        }
    )
    frame.write_csv(tmp_path / "scored.csv")
    return tmp_path / "scored.csv"


@pytest.fixture
def changed(scored: Path):
    """The same table with columns made anew."""

    def change(**columns: Any) -> Path:
        path = scored.with_name("changed.csv")
        pl.read_csv(scored).with_columns(**columns).write_csv(path)
        return path

    return change


def audited(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert main(["audit", *map(str, arguments), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["audit"]
    return found


def test_a_card_is_audited_and_written_in_every_form(
    score: Path, people: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    plan = tmp_path / "plan.yaml"
    plan.write_text("target: ill\ngroups: [sex]\nthreshold: 0.5\nactions: {only: [smoker]}\n")
    outs = [str(tmp_path / f"audit.{ending}") for ending in ("html", "md", "json")]
    command = ["audit", str(score), str(people), "--plan", str(plan), "--reference", str(table)]
    assert main([*command, "--out", *outs]) == 0
    out, err = capsys.readouterr()
    assert "Illness score" in out
    assert " 0%  evaluation ..." in err
    assert err.count("Written: ") == 3
    found = rw.load(outs[2])
    assert found.subject.score_digest == score_digest(rw.load(score))
    assert set(found.not_run) == {"distillation", "selective_labels"}
    assert Path(outs[0]).stat().st_size < 500_000


def test_the_positive_label_is_the_one_of_the_card(
    score: Path, people: Path, capsys: pytest.CaptureFixture[str]
):
    found = audited(capsys, score, people, "--target", "ill", "--skip", "multiplicity")
    assert found["events"] == (pl.read_csv(people)["ill"] == "yes").sum()
    assert "ill = yes" in found["subject"]["outcome"]


def test_a_calibrator_without_a_card_calibrates_the_column_of_scores(
    scores: Path, fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    saved = tmp_path / "calibrated.json"
    options = ["--score", "p", "--target", "y"]
    assert main(["calibrate", str(scores), *options, "--out", str(saved)]) == 0
    capsys.readouterr()
    found = audited(capsys, saved, fresh, *options)
    pipeline = rw.load(saved)
    frame = pl.read_csv(fresh)
    expected = rw.evaluate(frame["y"], pipeline.risk(frame["p"]))
    overall = found["evaluation"]["overall"]
    assert overall["brier"]["value"] == pytest.approx(expected.overall["brier"].value)
    assert found["subject"]["score_digest"] == score_digest(pipeline)
    assert main(["audit", str(saved), str(fresh), "--target", "y"]) == 2
    assert "--score COLUMN" in capsys.readouterr().err


def test_a_calibrator_by_group_reads_the_groups_of_the_table(
    scores: Path, fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    saved = tmp_path / "by.json"
    options = ["--score", "p", "--target", "y"]
    assert main(["calibrate", str(scores), *options, "--by", "sex", "--out", str(saved)]) == 0
    capsys.readouterr()
    found = audited(capsys, saved, fresh, *options)
    frame = pl.read_csv(fresh)
    risk = rw.load(saved).risk(frame["p"], {"sex": frame["sex"]})
    brier = float(np.mean((risk - frame["y"].to_numpy()) ** 2))
    assert found["evaluation"]["overall"]["brier"]["value"] == pytest.approx(brier)


def test_the_threshold_is_that_of_a_saved_rule_unless_stated(
    scores: Path, fresh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    saved = tmp_path / "rule.json"
    options = ["--score", "p", "--target", "y"]
    budget = ["--budget", "miss rate <= 40%"]
    assert main(["decide", str(scores), *options, *budget, "--out", str(saved)]) == 0
    capsys.readouterr()
    certified = rw.load(saved).rule.certificate_.thresholds["threshold"]
    found = audited(capsys, saved, fresh, *options)
    assert found["operating_point"]["threshold"] == pytest.approx(float(certified))
    stated = audited(capsys, saved, fresh, *options, "--threshold", "0.9")
    assert stated["operating_point"]["threshold"] == 0.9


def test_a_policy_decides_the_exit_code_of_an_audit_and_of_a_saved_one(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    strict, mild = tmp_path / "strict.yaml", tmp_path / "mild.yaml"
    strict.write_text(POLICY.format(0.99))
    mild.write_text(POLICY.format(0.6))
    saved = tmp_path / "audit.json"
    gated = ["--policy", str(strict)]
    assert main(["audit", str(scored), *COLUMN, *gated, "--out", str(saved)]) == 1
    assert "Policy: not kept, for 1 reason." in capsys.readouterr().out
    assert [f.passed for f in rw.load(saved).findings].count(False) == 1
    assert main(["audit", str(saved), "--policy", str(mild), "--json"]) == 0
    out, err = capsys.readouterr()
    again = json.loads(out)
    assert again["passed"] is True
    assert again["reasons"] == []
    assert err == ""
    assert main(["audit", str(saved), *gated, "--out", str(tmp_path / "page.md")]) == 1
    assert (tmp_path / "page.md").exists()
    assert main(["audit", str(saved), "--target", "y"]) == 2
    assert "not computed again" in capsys.readouterr().err


def test_json_is_complete_and_read_back(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    saved = tmp_path / "audit.json"
    found = audited(capsys, scored, *COLUMN, "--groups", "sex", "--out", saved)
    kept = rw.load(saved)
    assert [f["code"] for f in found["findings"]] == [f.code for f in kept.findings]
    assert set(found) == set(kept.__struct_fields__)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--groups", "race"], "no column 'race'"),
        (["--groups", "y"], "both target and a group"),
        (["--groups", "p"], "both score and a group"),
        (["--threshold", "nan"], "not a number"),
        (["--threshold", "7"], "the scores are probabilities"),
        (["--level", "95"], "not a confidence level"),
        (["--skip", "nonsense"], "no such part"),
        (["--weight", "zz"], "no column 'zz'"),
        (["--plan", "absent.yaml"], "cannot read the plan"),
        (["--policy", "absent.yaml"], "cannot read the policy"),
        (["--reference", "absent.csv"], "cannot read the file"),
        (["--out", "audit.docx"], "unknown kind of file"),
        (["--out", "nowhere/audit.html"], "its folder does not exist"),
        (["--out", "scored.csv"], "would replace"),
        (["--out", "a.html", "a.html"], "would replace"),
    ],
)
def test_mistakes_are_named_before_any_work(
    scored: Path,
    options: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(scored.parent)
    assert main(["audit", "scored.csv", *COLUMN, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "%" not in err
    assert [path.name for path in scored.parent.iterdir()] == ["scored.csv"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("plan", "treshold: 0.3\n", "Did you mean 'threshold'"),
        ("plan", "- 1\n", "not a plan"),
        ("plan", "actions: {only_increase: [x], only_decrease: [x]}\n", "contradict"),
        ("plan", "actions: {only: [height]}\n", "height"),
        ("plan", "depth: 9\n", "depth"),
        ("plan", "prevalence: 1.5\nobserved: k\n", "prevalence"),
        ("plan", "tolerances: ['x%']\n", "tolerance"),
        ("plan", "time: x\nhorizon_time: 5\n", "negative times"),
        ("plan", "time: sex\nhorizon_time: 5\n", "not numbers"),
        ("plan", "observed: x\n", "not a column of yes and no"),
        ("policy", "limits:\n  - finding: x\n    at_mst: 3\n", "unknown key 'at_mst'"),
        ("policy", "{}\n", "demands nothing"),
    ],
)
def test_files_of_plans_and_policies_that_cannot_be_used_are_refused(
    scored: Path, name: str, text: str, words: str, capsys: pytest.CaptureFixture[str]
):
    path = scored.with_name("file.yaml")
    path.write_text(text)
    assert main(["audit", str(scored), *COLUMN, f"--{name}", str(path)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"p": pl.lit("high")}, "not numbers"),
        ({"p": pl.when(pl.col("x") > 0).then("p")}, "missing or infinite"),
        ({"y": pl.lit(0)}, "only one label"),
        ({"y": pl.col("k")}, "not binary"),
        ({"y": pl.when(pl.col("x") > 0).then("y")}, "missing values in the outcome"),
    ],
)
def test_tables_that_cannot_be_audited_are_refused(
    changed, columns: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["audit", str(changed(**columns)), *COLUMN]) == 2
    assert words in capsys.readouterr().err


def test_columns_that_cannot_be_read_are_set_aside_and_told(
    changed, capsys: pytest.CaptureFixture[str]
):
    dates = pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 8, 22), eager=True)
    path = changed(
        day=dates,
        mixed=pl.Series(["1.5", "2"] * 299 + ["low"] * 2),
        same=pl.lit(1),
        nothing=pl.lit(None, dtype=pl.Float64),
        far=pl.Series([1.5] * 599 + [float("inf")]),
        many=pl.Series([f"level {i}" for i in range(600)]),
    )
    found = audited(capsys, path, *COLUMN, "--groups", "sex")
    notes = {column["name"]: column["note"] for column in found["columns"]}
    for name in ("day", "mixed", "same", "nothing", "far", "many"):
        assert notes[name].startswith("set aside: "), name
    assert len(notes) == len(found["columns"])
    assert found["slices"] is not None
    assert found["distillation"] is not None


def test_a_table_of_scores_and_outcomes_alone_is_evaluated(
    scored: Path, capsys: pytest.CaptureFixture[str]
):
    bare = scored.with_name("bare.csv")
    pl.read_csv(scored).select("p", "y").write_csv(bare)
    found = audited(capsys, bare, *COLUMN)
    assert found["evaluation"] is not None
    assert "no columns" in found["not_run"]["slices"]
    assert "no columns" in found["not_run"]["distillation"]


@pytest.mark.parametrize(
    "columns",
    [
        {"sex": pl.Series(["q"] + ["f"] * 599)},
        {"sex": pl.lit("f")},
        {"sex": pl.lit(None, dtype=pl.String)},
        {"sex": pl.col("x")},
        {"p": pl.lit(0.3)},
        {"p": pl.col("y")},
    ],
    ids=["one member", "one group", "missing", "continuous", "constant scores", "yes or no"],
)
def test_awkward_groups_and_scores_are_no_error(
    changed, columns: dict[str, Any], capsys: pytest.CaptureFixture[str]
):
    path = changed(**columns)
    found = audited(capsys, path, *COLUMN, "--groups", "sex", "--threshold", "0.4")
    assert all(found["not_run"].values())
    sentences = [f["sentence"] for f in found["findings"]]
    assert not [text for text in sentences if "nan" in text or "between 0 " in text]


def test_twenty_rows_are_audited(scored: Path, capsys: pytest.CaptureFixture[str]):
    few = scored.with_name("few.csv")
    pl.read_csv(scored).head(20).write_csv(few)
    found = audited(capsys, few, *COLUMN, "--groups", "sex")
    assert found["n"] == 20
    assert found["evaluation"] is not None


def test_names_of_columns_are_no_markup(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    group = 'a,b = "c" ≥ | & <blink>'
    odd = tmp_path / "odd.csv"
    names = {"x": "<script>alert(1)</script>", "sex": group}
    pl.read_csv(scored).rename(names).write_csv(odd)
    page = tmp_path / "page.html"
    options = ["--groups", group, "--threshold", "0.4", "--out", str(page)]
    assert main(["audit", str(odd), *COLUMN, *options]) == 0
    text = page.read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
    assert "<blink>" not in text


def test_weights_reach_the_figures(scored: Path, capsys: pytest.CaptureFixture[str], changed):
    doubled = pl.concat([pl.read_csv(scored)] * 2)
    twice = scored.with_name("twice.csv")
    doubled.write_csv(twice)
    options = [*COLUMN, "--groups", "sex", "--threshold", "0.4"]
    weighted = audited(capsys, changed(w=pl.lit(2.0)), *options, "--weight", "w")
    repeated = audited(capsys, twice, *options)
    one, other = (f["operating_point"]["flagged"]["value"] for f in (weighted, repeated))
    assert one == pytest.approx(other)
    codes = [f["code"] for f in weighted["findings"]]
    assert "distillation.not_compared" in codes
    assert weighted["distillation"]["accuracy"] is None


def test_outcomes_unobserved_for_all_of_a_group_are_told(
    changed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    plan = tmp_path / "plan.yaml"
    plan.write_text("observed: seen\ngroups: [sex]\n")
    seen = (pl.col("sex") == "f") & (pl.col("x") > -1)
    found = audited(capsys, changed(seen=seen.cast(pl.Int8)), *COLUMN, "--plan", plan)
    words = {f["code"]: f["sentence"] for f in found["findings"]}
    assert "group m" in words["selective.group_unobserved"]
    everyone = audited(capsys, changed(seen=pl.lit(1)), *COLUMN, "--plan", plan)
    assert everyone["evaluation"] is not None
    assert main(["audit", str(changed(seen=pl.lit(0))), *COLUMN, "--plan", str(plan)]) == 2
    assert "no outcome was observed" in capsys.readouterr().err


def test_what_is_no_score_is_refused(
    score: Path, scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    saved = tmp_path / "audit.json"
    assert main(["audit", str(scored), *COLUMN, "--out", str(saved)]) == 0
    capsys.readouterr()
    for first, options, words in [
        (saved, ["--target", "y"], "got a saved audit"),
        (scored, ["--target", "y"], "not a riskwright file"),
        (score, COLUMN, "reads its own columns"),
        (score, ["--target", "y"], "columns are missing"),
    ]:
        assert main(["audit", str(first), str(scored), *options]) == 2
        assert words in capsys.readouterr().err
    assert main(["audit", str(scored), "--target", "y"]) == 2
    assert "--score COLUMN" in capsys.readouterr().err
    assert main(["audit", str(score)]) == 2
    assert "which rows?" in capsys.readouterr().err


def test_errors_are_json_where_json_was_asked_for(scored: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["audit", str(scored), *COLUMN, "--groups", "race", "--json"]) == 2
    assert "race" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_an_interrupt_leaves_nothing_half_written(scored: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "riskwright.cli", "audit", str(scored), *COLUMN]
    run = subprocess.Popen(
        [*command, "--out", str(out / "audit.html"), str(out / "audit.json")],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    assert "evaluation" in run.stderr.readline()
    time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    if run.returncode == 130:
        assert "interrupted" in err
        assert list(out.iterdir()) == []
    else:
        assert run.returncode == 0
        assert len(list(out.iterdir())) == 2
