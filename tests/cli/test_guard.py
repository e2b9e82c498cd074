"""`riskwright guard`: from traffic to scores, decisions, logs and reports, and what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from riskwright.cli.__main__ import main
from riskwright.core.scores import Decision, Score
from riskwright.guard.decision_log import DecisionLog, read_log, verify_log
from riskwright.guard.guard import Guard
from riskwright.guard.replaying import stored_scores

WORDS = (
    *("score", "fit", "certify", "stream", "certify-stream", "replay", "report", "compare"),
    *("verify-log", "policy"),
)


def run(word: str, *arguments: object) -> int:
    return main(["guard", word, *map(str, arguments)])


def refused(capsys: pytest.CaptureFixture[str], word: str, *arguments: object) -> str:
    """The message of a command that ends with 2 and prints nothing else."""
    capsys.readouterr()
    assert run(word, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    (message,) = [line for line in err.splitlines() if re.search(r"\[RW\d{4}\]", line)]
    return message


@pytest.mark.parametrize("word", WORDS)
def test_help_of_every_word_shows_examples_and_describes_every_option(
    word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "300")
    assert run(word, "--help") == 0
    out = capsys.readouterr().out
    assert f"riskwright guard {word} " in out[out.index("Examples:") :]
    assert "--json" in out or word == "policy"
    options = [line.strip("│ *") for line in out.splitlines() if line.startswith("│")]
    assert all(len(option.split("  ", 1)) == 2 for option in options)


def test_a_line_that_cannot_be_read_is_named_and_the_others_are_scored(
    stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str], canary: str
):
    content = [b'{"prompt": "one"}', b'{"prompt": "' + canary.encode(), b'{"prompt": "caf\xe9"}']
    stdin(b"\n".join([*content, b'{"prompt": 4}', b'{"prompt": "two", "reply": "three"}', b""]))
    assert run("score") == 1
    out, err = capsys.readouterr()
    scores = [json.loads(line)["score"] for line in out.splitlines()]
    assert [score["id"] for score in scores] == ["1", "5"]
    for line in ("line 2: not JSON", "line 3: not UTF-8", "line 4: prompt is not text"):
        assert line in err
    assert "2 exchanges" in err
    assert "3 lines set aside" in err
    assert canary not in out + err


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_scores_and_decisions_are_those_of_the_library_in_every_format(
    work: Path, ending: str, capsys: pytest.CaptureFixture[str]
):
    options = ["--guard", work / "guard.json", "--policy", work / "certified.yaml"]
    out = work / f"scored.{ending}"
    assert run("score", work / "traffic.jsonl", *options, "--out", out, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    found = list(stored_scores(out))
    guard = Guard.load(work / "guard.json")
    from riskwright.evidence.exchange_files import read_exchanges

    expected = guard.score_all(read_exchanges(work / "traffic.jsonl").exchanges)
    assert [s.severity for s, _ in found] == [s.severity for s in expected]
    assert summary["exchanges"] == len(found) == 40
    assert summary["calibrated"]
    assert sum(summary["actions"].values()) == 40
    assert {d.action for _, d in found if d} == set(summary["actions"])


def test_csv_and_parquet_traffic_give_the_scores_of_json_lines(
    work: Path, fruit: Callable[..., list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
):
    rows = [{"id": x["id"], "prompt": x["prompt"]} for x in fruit(8, 4, labels=False)]
    frame = pl.DataFrame(rows)
    frame.write_csv(work / "t.csv")
    frame.write_parquet(work / "t.parquet")
    frame.write_ndjson(work / "t.jsonl")
    printed = []
    for name in ("t.csv", "t.parquet", "t.jsonl"):
        assert run("score", work / name) == 0
        shown = [json.loads(x)["score"] for x in capsys.readouterr().out.splitlines()]
        printed.append([(s["id"], s["severity"], s["digest"]) for s in shown])
    assert printed[0] == printed[1] == printed[2]


def test_labels_that_were_chosen_hold_the_texts_and_are_thinned_before_certifying(
    work: Path, capsys: pytest.CaptureFixture[str], canary: str
):
    chosen = work / "chosen.jsonl"
    options = ["--to-label", "60", "--label-out", chosen, "--out", work / "s.jsonl"]
    assert run("score", work / "labels.jsonl", *options) == 0
    rows = [json.loads(line) for line in chosen.read_text().splitlines()]
    assert len(rows) == 60
    assert all(canary in row["prompt"] and 0 < row["chance"] <= 1 for row in rows)
    for row in rows:
        row["label"] = int("pineapple" in row["prompt"])
    chosen.write_text("".join(json.dumps(row) + "\n" for row in rows))
    capsys.readouterr()
    options = ["--guard", work / "guard.json", "--policy", work / "policy.yaml"]
    assert run("certify", chosen, *options) == 1
    err = capsys.readouterr().err
    assert re.search(r"\d+ of 60 labels were left out at random", err)
    rows[0]["chance"] = 0
    chosen.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "'chance' is not a chance" in refused(capsys, "certify", chosen, *options)


def test_an_unknown_hazard_in_a_policy_is_named_with_its_line(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    policy = work / "policy.yaml"
    policy.write_text(policy.read_text().replace("  any: {}\n", "  any: {}\n  htee: {}\n"))
    message = refused(capsys, "score", work / "traffic.jsonl", "--policy", policy)
    assert "line 10" in message
    assert "Did you mean 'hte'" in message


def test_a_policy_without_fallback_is_refused(work: Path, capsys: pytest.CaptureFixture[str]):
    policy = work / "policy.yaml"
    policy.write_text(policy.read_text().partition("fallback")[0])
    options = ["--policy", policy, "--out", work / "new.jsonl"]
    assert "no fallback" in refused(capsys, "score", work / "traffic.jsonl", *options)
    assert not (work / "new.jsonl").exists()


def test_an_audience_that_no_policy_knows_is_refused_before_any_scoring(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    with (work / "traffic.jsonl").open("a") as file:
        file.write('{"prompt": "x", "attributes": {"audience": "pilots"}}\n')
    options = ["--policy", work / "policy.yaml", "--log", work / "new.jsonl"]
    message = refused(capsys, "score", work / "traffic.jsonl", *options)
    assert "line 41" in message
    assert "'pilots'" in message
    assert not (work / "new.jsonl").exists()
    options += ["--audience", "pilots"]
    assert "'pilots'" in refused(capsys, "score", work / "labels.jsonl", *options)


def _closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_an_endpoint_out_of_reach_leaves_failed_scores_that_the_fallback_decides_on(
    work: Path, capsys: pytest.CaptureFixture[str], canary: str
):
    pytest.importorskip("aiohttp")
    scorers = work / "endpoint.yaml"
    url = f"http://127.0.0.1:{_closed_port()}/v1"
    scorers.write_text(
        f"- {{kind: endpoint, adapter: llama-guard-3, url: '{url}', model: m, max_retries: 0}}\n"
    )
    out = work / "scored.jsonl"
    options = ["--scorers", scorers, "--policy", work / "policy.yaml", "--out", out]
    assert run("score", work / "traffic.jsonl", *options) == 1
    err = capsys.readouterr().err
    assert "40 failed" in err
    assert "40 without a score: llama-guard-3: " in err
    found = list(stored_scores(out))
    assert {(s.outcome, s.severity) for s, _ in found} == {("failed", None)}
    assert {d.action for _, d in found if d} == {"escalate"}
    assert canary not in err + out.read_text()


def test_scorers_that_cannot_be_made_are_named_with_their_place_in_the_file(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    scorers, traffic = work / "s.yaml", work / "traffic.jsonl"
    encoder = work / "encoder"
    encoder.mkdir()
    (encoder / "model.safetensors").write_bytes(b"other weights")
    for entry, words in (
        ("{kind: embeding}", "Did you mean 'embedding'"),
        ("{kind: endpoint, adapter: lama-guard-3, url: 'http://h/v1'}", "'llama-guard-3'"),
        ("{kind: endpoint, adapter: llama-guard-3}", "no url"),
        ("{kind: embedding, path: x}", "no sha256"),
        ("{kind: rules, family: secrets}", "unknown setting 'family'"),
        ("{kind: ngrams, size: 3}", "unknown key 'size'"),
    ):
        scorers.write_text(f"- {entry}\n")
        message = refused(capsys, "score", traffic, "--scorers", scorers)
        assert "line 1" in message
        assert words in message
    pytest.importorskip("tokenizers")
    scorers.write_text(f"- {{kind: embedding, path: '{encoder}', sha256: '{'0' * 64}'}}\n")
    message = refused(capsys, "score", traffic, "--scorers", scorers)
    assert "model.safetensors" in message


def test_a_text_that_is_too_long_is_set_aside_by_its_number(
    stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    stdin(json.dumps({"prompt": "long " * 220_000}).encode() + b'\n{"prompt": "short"}\n')
    assert run("score") == 1
    out, err = capsys.readouterr()
    assert "line 1: prompt has 1,100,000 characters" in err
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("word", ["score", "fit", "certify", "report", "compare", "certify-stream"])
def test_files_that_are_absent_or_empty_are_one_error(
    word: str, work: Path, capsys: pytest.CaptureFixture[str]
):
    more: dict[str, list[object]] = {
        "fit": ["--out", work / "new.json"],
        "certify": ["--guard", work / "guard.json", "--policy", work / "policy.yaml"],
        "certify-stream": ["--budget", "miss rate <= 5%", "--out", work / "new.json"],
    }
    for name, words in (("absent.jsonl", "No such file"), ("empty.jsonl", "no exchange")):
        (work / "empty.jsonl").touch()
        path = work / name
        if word == "report":
            message = refused(capsys, word, work / "log.jsonl", "--labels", path)
        elif word == "compare":
            both = [work / "scored.jsonl", work / "scored.jsonl"]
            message = refused(capsys, word, *both, "--labels", path)
        else:
            message = refused(capsys, word, path, *more.get(word, []))
        assert name in message
        assert words in message
    assert not (work / "new.json").exists()


def test_outputs_that_would_harm_are_refused_before_any_work(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    traffic, policy = work / "traffic.jsonl", work / "policy.yaml"
    before = traffic.read_bytes()
    assert "replace" in refused(capsys, "score", traffic, "--out", traffic)
    options = ["--policy", policy, "--log"]
    assert "replace" in refused(capsys, "score", traffic, *options, traffic)
    other = work / "other.jsonl"
    other.write_text('{"a": 1}\n{"b": 2}')
    assert "not a decision log" in refused(capsys, "score", traffic, *options, other)
    assert other.read_text() == '{"a": 1}\n{"b": 2}'
    assert traffic.read_bytes() == before
    assert "does not exist" in refused(capsys, "score", traffic, "--out", work / "no" / "s.csv")
    assert "kind of file" in refused(capsys, "score", traffic, "--out", work / "s.txt")
    assert "--policy" in refused(capsys, "score", traffic, "--log", work / "l.jsonl")
    assert "replace" in refused(
        capsys, "fit", work / "labels.jsonl", "--out", work / "labels.jsonl"
    )
    page = ["--labels", work / "labels.jsonl", "--out", work / "labels.jsonl"]
    assert "replace" in refused(capsys, "report", work / "log.jsonl", *page)
    assert "there is a file" in refused(capsys, "policy", "--out", policy)
    with DecisionLog(work / "log.jsonl"):
        options = ["--policy", policy, "--log", work / "log.jsonl", "--out", work / "new.jsonl"]
        assert "another process" in refused(capsys, "score", traffic, *options)
    assert not (work / "new.jsonl").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    (work / "closed").mkdir(mode=0o500)
    out = work / "closed" / "s.jsonl"
    assert "cannot be written" in refused(capsys, "score", work / "traffic.jsonl", "--out", out)


def test_labels_that_cannot_serve_are_refused(
    work: Path,
    fruit: Callable[..., list[dict[str, Any]]],
    lines: Callable[[Path, list[dict[str, Any]]], Path],
    capsys: pytest.CaptureFixture[str],
):
    same = lines(work / "same.jsonl", [{**x, "label": 1, "hazards": {}} for x in fruit(60, 5)])
    message = refused(capsys, "fit", same, "--out", work / "new.json")
    assert "too few labels" in message
    everything = ["--out", work / "all.json", "--use", "1"]
    assert run("fit", work / "labels.jsonl", *everything) == 0
    options = ["--guard", work / "all.json", "--policy", work / "policy.yaml"]
    message = refused(capsys, "certify", work / "labels.jsonl", *options)
    assert "was used to fit" in message
    both = [work / "all.json", work / "guard.json", "--labels", work / "labels.jsonl"]
    assert "was used to fit" in refused(capsys, "compare", *both)
    strange = [{**x, "prompt": f"Another {x['prompt']}"} for x in fruit(30, 6)]
    others = lines(work / "others.jsonl", strange)
    message = refused(capsys, "report", work / "log.jsonl", "--labels", others)
    assert "no label belongs" in message
    unnumbered = [{k: v for k, v in x.items() if k != "id"} for x in strange]
    others = lines(work / "others.jsonl", unnumbered)
    run("score", work / "traffic.jsonl", "--policy", work / "policy.yaml", "--out", work / "s.csv")
    message = refused(capsys, "report", work / "s.csv", "--labels", others)
    assert "no label belongs" in message


def test_what_cannot_be_certified_is_an_answer_with_exit_code_1(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    policy = work / "policy.yaml"
    policy.write_text(policy.read_text().replace("miss rate <= 20%", "miss rate <= 0.1%"))
    options = ["--guard", work / "guard.json", "--policy", policy, "--out", work / "new.yaml"]
    assert run("certify", work / "labels.jsonl", *options) == 1
    out = capsys.readouterr().out
    assert "NOT CERTIFIED" in out
    assert "labels of the kind that is scarce" in out
    assert (work / "new.yaml").exists()


def test_a_stricter_policy_is_tried_on_the_log(work: Path, capsys: pytest.CaptureFixture[str]):
    stricter = work / "stricter.yaml"
    text = (work / "certified.yaml").read_text()
    stricter.write_text(
        text.replace("high: block", "high: stop").replace("any: {}", "any: {high: stop}")
    )
    assert run("replay", work / "log.jsonl", "--policy", stricter, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 240
    assert found["moves"] == {"block -> stop": found["severer"]}
    against = ["--against", work / "certified.yaml", "--out", work / "new.csv"]
    assert run("replay", work / "scored.jsonl", "--policy", stricter, *against) == 0
    assert "policy: hazards.any" in capsys.readouterr().out
    assert {d.action for _, d in stored_scores(work / "new.csv") if d} <= {
        "allow",
        "escalate",
        "stop",
    }


def test_the_report_counts_what_the_library_counts(
    work: Path, capsys: pytest.CaptureFixture[str], canary: str
):
    page = work / "page.html"
    options = ["--labels", work / "labels.jsonl", "--policy", work / "certified.yaml"]
    groups = ["--groups", "language", "--out", page]
    assert run("report", work / "log.jsonl", *options, *groups, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["labelled"] == 240
    rows = [json.loads(line) for line in (work / "labels.jsonl").read_text().splitlines()]
    harm = {row["id"]: row["label"] for row in rows}
    missed = sum(
        harm[s.id] and d.action == "allow" for s, d in stored_scores(work / "log.jsonl") if d
    )
    assert figures["overall"]["missed"]["value"] == pytest.approx(missed / sum(harm.values()))
    text = page.read_text()
    assert "Specialized advice" in text
    assert "All 241 lines of the log" in text
    assert canary not in text
    assert run("report", work / "log.jsonl", *options) == 0
    assert "all: " in capsys.readouterr().out


def test_two_guards_are_compared_on_labels_that_neither_has_seen(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    labels = ["--labels", work / "labels.jsonl"]
    assert run("compare", work / "guard.json", work / "scored.jsonl", *labels, "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert "120 labels that fitted a guard were left out" in err
    assert any(estimate["n"] == 120 for estimate in found.values())


def test_a_log_that_was_altered_is_found(work: Path, capsys: pytest.CaptureFixture[str]):
    log = work / "log.jsonl"
    assert run("verify-log", log) == 0
    last = list(read_log(log))[-1].hash
    assert last in capsys.readouterr().out.replace("\n", "")
    assert run("verify-log", log, "--expect", last, "--json") == 0
    assert run("verify-log", log, "--expect", "sha256:other") == 1
    log.write_text(log.read_text().replace('"allow"', '"block"', 1))
    capsys.readouterr()
    assert run("verify-log", log, "--json") == 1
    assert not json.loads(capsys.readouterr().out)[0]["passed"]
    assert "No such file" in refused(capsys, "verify-log", work / "none.jsonl")


def test_a_policy_to_start_from_can_be_used_at_once(work: Path, capsys: pytest.CaptureFixture[str]):
    assert run("policy", "--out", work / "new.yaml") == 0
    assert run("score", work / "traffic.jsonl", "--policy", work / "new.yaml") == 0
    decisions = [json.loads(x)["decision"] for x in capsys.readouterr().out.splitlines()]
    assert {(d["action"], d["would"]) for d in decisions} == {("allow", "escalate")}
    assert run("policy", "--schema") == 0
    assert json.loads(capsys.readouterr().out)["$schema"]
    assert "no taxonomy" in refused(capsys, "policy", "--taxonomy", "nothing")


def test_a_killed_run_leaves_a_sound_log_that_can_be_continued(
    tmp_path: Path, fruit: Callable[..., list[dict[str, Any]]], work: Path
):
    many = tmp_path / "many.jsonl"
    row = json.dumps({"prompt": "How do I bake a plum cake?"})
    many.write_text(f"{row}\n" * 40_000)
    log = tmp_path / "log.jsonl"
    command = ["guard", "score", many, "--policy", work / "policy.yaml", "--log", log]
    words = [sys.executable, "-m", "riskwright.cli", *map(str, command)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(3000):
            if log.exists() and log.stat().st_size > 1_000_000:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    with DecisionLog(log) as book:
        book.append(Score(id="after", severity=0.1), Decision(action="allow"))
    assert all(finding.passed for finding in verify_log(log))
    assert list(read_log(log))[-1].n > 100


def test_ctrl_c_leaves_no_half_written_file(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from riskwright.cli import guard_score

    calls = []
    real = Guard.score_all

    def interrupted(self: Guard, exchanges: Any, **options: Any) -> Any:
        calls.append(len(exchanges))
        if len(calls) > 1:
            raise KeyboardInterrupt
        return real(self, exchanges, **options)

    monkeypatch.setattr(guard_score, "_BATCH", 30)
    monkeypatch.setattr(Guard, "score_all", interrupted)
    options = ["--policy", work / "policy.yaml", "--log", work / "new.jsonl"]
    out = work / "out.jsonl"
    assert run("score", work / "traffic.jsonl", *options, "--out", out) == 130
    assert not out.exists()
    calls.clear()
    assert run("score", work / "traffic.jsonl", *options) == 130
    assert len(capsys.readouterr().out.splitlines()) == 30
    assert len([e for e in read_log(work / "new.jsonl") if e.score is not None]) == 30
    assert all(finding.passed for finding in verify_log(work / "new.jsonl"))


def test_no_command_repeats_a_text(
    work: Path,
    canary: str,
    stdin: Callable[[bytes], None],
    capsys: pytest.CaptureFixture[str],
):
    before = set(work.iterdir())
    traffic, labels, policy = (
        work / f"{n}" for n in ("traffic.jsonl", "labels.jsonl", "policy.yaml")
    )
    guard, log, certified = work / "guard.json", work / "log.jsonl", work / "certified.yaml"
    judged = ["--guard", guard, "--policy", certified]
    commands: list[list[object]] = [
        ["score", traffic],
        ["score", traffic, *judged, "--out", work / "a.csv", "--log", work / "b.jsonl", "--json"],
        ["fit", labels, "--out", work / "c.json"],
        ["certify", labels, "--guard", guard, "--policy", policy, "--out", work / "d.yaml"],
        [
            "certify",
            labels,
            "--guard",
            guard,
            "--policy",
            policy,
            "--certificates",
            work / "e.json",
        ],
        ["report", log, "--labels", labels, "--policy", certified, "--out", work / "f.html"],
        ["replay", log, "--policy", policy, "--out", work / "g.parquet"],
        ["compare", guard, work / "scored.jsonl", "--labels", labels],
        ["verify-log", log],
        [
            "certify-stream",
            work / "replies.jsonl",
            "--budget",
            "miss rate <= 90%",
            "--out",
            work / "h.json",
        ],
    ]
    for command in commands:
        assert run(str(command[0]), *command[1:]) in (0, 1), command
        out, err = capsys.readouterr()
        assert canary not in out + err
    stdin(f"{canary} and more".encode())
    assert run("stream", "--shadow", "--verdict", work / "i.json") == 0
    assert canary not in capsys.readouterr().err
    for name in (traffic, labels):
        name.write_text(name.read_text().replace('"prompt"', '"promt"'))
        assert run("score", name) == 2
        out, err = capsys.readouterr()
        assert canary not in out + err
    made = set(work.iterdir()) - before
    assert len(made) >= 9
    for path in made:
        assert canary.encode() not in path.read_bytes(), path.name


def test_the_exit_code_and_the_scores_reach_the_shell(work: Path):
    words = [sys.executable, "-m", "riskwright.cli", "guard", "score"]
    done = subprocess.run(words, input=b'{"prompt": "a cake"}\nnothing\n', capture_output=True)
    assert done.returncode == 1
    assert 0 <= json.loads(done.stdout)["score"]["severity"] <= 1
    assert b"line 2" in done.stderr


def test_thresholds_of_another_guard_are_refused_before_scoring(
    work: Path, fruit: Callable[..., list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
):
    options = ["--policy", work / "certified.yaml", "--out", work / "no.jsonl"]
    assert "certified for another guard" in refused(
        capsys, "score", work / "traffic.jsonl", *options
    )
    assert not (work / "no.jsonl").exists()


def test_attributes_that_a_policy_decides_by_need_not_be_named(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    text = (work / "certified.yaml").read_text()
    strict = text.split("regimes:")[1].split("- ")[1].split()[0]
    (work / "minors.yaml").write_text(
        text.replace(
            "hazards:",
            f"audiences: {{minors: {{when: {{age: minor}}, regime: {strict}}}}}\nhazards:",
        )
    )
    (work / "one.jsonl").write_text('{"prompt": "hello", "age": "minor"}\n')
    options = ["--guard", work / "guard.json", "--policy", work / "minors.yaml"]
    assert run("score", work / "one.jsonl", *options) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["decision"]["regime"] == strict
    assert "1 decisions rest on certified" in err


def test_scores_without_a_policy_say_that_nothing_is_certified(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("score", work / "traffic.jsonl") == 0
    err = capsys.readouterr().err
    assert "nothing is certified" in err
    assert "not calibrated" in err


def test_a_report_can_leave_out_what_the_guard_was_fitted_on(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    options = ["--guard", work / "guard.json", "--policy", work / "certified.yaml"]
    scored = work / "all.jsonl"
    assert run("score", work / "labels.jsonl", *options, "--out", scored) == 0
    labels = ["--labels", work / "labels.jsonl"]
    assert run("report", scored, *labels, "--json") == 0
    out, err = capsys.readouterr()
    whole = json.loads(out)["n"]
    assert "--guard leaves them out" in err
    assert run("report", scored, *labels, "--guard", work / "guard.json", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    seen = len(Guard.load(work / "guard.json").fitted_on_)
    assert whole - seen <= figures["n"] < whole
    assert f"of {whole:,} exchanges were left out" in figures["notes"][0]


def test_a_budget_that_cannot_be_read_is_named_with_its_line(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    wrong = work / "wrong.yaml"
    wrong.write_text((work / "policy.yaml").read_text().replace("miss rate", "mis rate"))
    found = refused(
        capsys, "certify", work / "labels.jsonl", "--guard", work / "guard.json", "--policy", wrong
    )
    assert re.search(r"wrong\.yaml, line \d+: unknown loss", found)
