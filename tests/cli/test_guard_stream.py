"""`riskwright guard stream` and `certify-stream`: nothing leaves that was not judged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import riskwright as rw
from riskwright.cli.__main__ import main
from riskwright.guard.decision_log import verify_log
from riskwright.guard.replaying import stored_scores
from riskwright.guard.streams import StreamMonitor

CALM = "a quiet word of advice about fruit and sun and rain. " * 6
LATE = CALM + "and then the pineapple, and what comes after it is never seen. " + CALM
ALARMS = ["--budget", "false alarm rate <= 10%"]


def run(word: str, *arguments: object) -> int:
    return main(["guard", word, *map(str, arguments)])


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert run("stream", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (message,) = [line for line in err.splitlines() if re.search(r"\[RW\d{4}\]", line)]
    return message


@pytest.fixture(scope="module")
def monitor(fitted_guard: Path) -> Path:
    """Certified on replies, with the rule that knows the pineapple."""
    out = fitted_guard / "monitor.json"
    scorers = ["--scorers", fitted_guard / "scorers.yaml", "--hazard", "spc", "--hold-back", "30"]
    replies = fitted_guard / "replies.jsonl"
    assert run("certify-stream", replies, *scorers, *ALARMS, "--out", out) == 0
    return out


def test_a_calm_reply_passes_whole(
    monitor: Path, work: Path, stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    stdin(f"{CALM}Süß – 🍍!".encode())
    options = ["--monitor", monitor, "--scorers", work / "scorers.yaml"]
    assert run("stream", *options, "--verdict", work / "verdict.json") == 0
    out, err = capsys.readouterr()
    assert out == f"{CALM}Süß – 🍍!"
    assert err.startswith("riskwright: allow; ")
    verdict = json.loads((work / "verdict.json").read_text())
    assert verdict["released"] == verdict["received"] == len(out)
    assert verdict["spans"][-1]["end"] == len(out)


def test_nothing_past_the_crossing_leaves(
    monitor: Path, work: Path, stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    stdin(LATE.encode())
    options = ["--monitor", monitor, "--scorers", work / "scorers.yaml", "--json"]
    assert run("stream", *options) == 1
    out, err = capsys.readouterr()
    verdict = json.loads(err)
    assert LATE.startswith(out)
    assert len(out) <= LATE.index("pineapple") + len("pineapple") - 1 - 30
    assert verdict["action"] == "stop"
    assert verdict["released"] == len(out)
    assert verdict["decision"]["certificate"] == rw.load(monitor).certificate_.digest
    assert "pineapple" not in out + err


def test_the_log_of_streams_says_what_was_judged_even_where_one_failed(
    monitor: Path, work: Path, stdin: Callable[[bytes], None]
):
    log = work / "streams.jsonl"
    options = ["--monitor", monitor, "--scorers", work / "scorers.yaml", "--log", log]
    for text, code in ((CALM.encode(), 0), (LATE.encode(), 1), (CALM.encode() + b"\xe9 ", 2)):
        stdin(text)
        assert run("stream", *options) == code
    assert all(finding.passed for finding in verify_log(log))
    scores, decisions = zip(*stored_scores(log), strict=True)
    assert [d.action for d in decisions] == ["allow", "stop", "stop"]
    assert [s.outcome for s in scores] == ["scored", "scored", "failed"]
    assert scores[0].judged[0].end == len(CALM)
    assert "pineapple" not in log.read_text()


def test_events_are_those_of_streamed_completions(
    monitor: Path, work: Path, stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    options = ["--monitor", monitor, "--scorers", work / "scorers.yaml", "--sse"]
    for text, code, reason in ((CALM, 0, "stop"), (LATE, 1, "content_filter")):
        stdin(text.encode())
        assert run("stream", *options) == code
        *events, last, empty = capsys.readouterr().out.split("\n\n")
        assert (last, empty) == ("data: [DONE]", "")
        chunks = [json.loads(event.removeprefix("data: ")) for event in events]
        assert len({chunk["id"] for chunk in chunks}) == 1
        choices = [chunk["choices"][0] for chunk in chunks]
        assert text.startswith("".join(c["delta"].get("content", "") for c in choices))
        assert choices[-1]["finish_reason"] == reason


def test_text_leaves_before_the_input_has_ended(monitor: Path, work: Path):
    options = ["--monitor", str(monitor), "--scorers", str(work / "scorers.yaml")]
    words = [sys.executable, "-m", "riskwright.cli", "guard", "stream", *options]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(CALM.encode())
        first = process.stdout.read(10)
        process.stdin.write(b"the end")
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait() == 0
    assert (first + rest).decode() == f"{CALM}the end"


def test_a_policy_written_by_hand_decides_and_promises_nothing(
    work: Path, stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    policy = work / "hand.yaml"
    text = (work / "policy.yaml").read_text()
    policy.write_text(
        text.replace("any: {}", '{any: {}, "rules:house": {high: stop}}')
        + "thresholds:\n  any: {strict: {low: 2, high: 2}}\n"
        + '  "rules:house": {strict: {low: 0.5, high: 0.5}}\n'
    )
    options = ["--policy", policy, "--scorers", work / "scorers.yaml", "--hold-back", "30"]
    stdin(LATE.encode())
    assert run("stream", *options) == 1
    out, err = capsys.readouterr()
    assert LATE.startswith(out)
    assert len(out) < LATE.index("pineapple")
    assert "nothing is promised" in err
    stdin(LATE.encode())
    assert run("stream", *options, "--shadow") == 0
    out, err = capsys.readouterr()
    assert out == LATE
    assert "allow (would stop)" in err


def test_what_cannot_guard_a_stream_is_refused(
    monitor: Path, work: Path, stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    stdin(b"text")
    assert "--monitor or --policy" in refused(capsys)
    assert "certified on whole texts" in refused(capsys, "--policy", work / "certified.yaml")
    assert "another scorer" in refused(capsys, "--monitor", monitor)
    assert "holds these itself" in refused(capsys, "--monitor", monitor, "--every", "9")
    assert "not a monitor" in refused(capsys, "--monitor", work / "guard.json")
    assert "'hte'" in refused(capsys, "--shadow", "--hazard", "htee")
    assert "characters" in refused(capsys, "--shadow", "--every", "0")
    assert "characters" in refused(capsys, "--shadow", "--hold-back", "-1")
    assert "none.txt" in refused(capsys, "--shadow", "--prompt", work / "none.txt")
    scorers = work / "endpoint.yaml"
    url = "http://127.0.0.1:9/v1"
    scorers.write_text(f"- {{kind: endpoint, adapter: wildguard, url: '{url}', model: m}}\n")
    assert "can follow a growing text" in refused(capsys, "--shadow", "--scorers", scorers)


def test_bytes_that_are_no_text_end_the_stream_with_what_was_judged(
    stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    stdin(b"caf\xe9 " + CALM.encode())
    assert run("stream", "--shadow") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "not UTF-8" in err
    assert "Traceback" not in err


def test_an_empty_stream_is_judged_too(
    stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    stdin(b"")
    assert run("stream", "--shadow") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "0 characters received" in err


def test_the_certificate_is_that_of_the_library(
    monitor: Path, work: Path, capsys: pytest.CaptureFixture[str]
):
    from riskwright.evidence.exchange_files import read_exchanges
    from riskwright.guard.scorers import read_scorers
    from riskwright.guard.stream_joining import JoinedScorer

    scorer = JoinedScorer(read_scorers(work / "scorers.yaml"))
    exchanges, labels = read_exchanges(work / "replies.jsonl").labelled
    own = StreamMonitor(scorer, hold_back=30, on="spc")
    own.certify(exchanges, [int(y.any or 0) for y in labels], "false alarm rate <= 10%")
    saved = rw.load(monitor)
    assert saved.certificate_.statement == own.certificate_.statement
    assert saved.certificate_.certified


def test_two_budgets_leave_a_middle_to_people_and_a_head_can_be_learnt(
    work: Path, capsys: pytest.CaptureFixture[str]
):
    options = ["--scorers", work / "scorers.yaml", "--use", "0.4", "--out", work / "both.json"]
    budgets = ["--budget", "miss rate <= 20%", *ALARMS]
    assert run("certify-stream", work / "replies.jsonl", *options, *budgets, "--json") == 0
    certificate = json.loads(capsys.readouterr().out)
    assert certificate["n"] == 120
    assert certificate["head"]
    assert certificate["rules"]["any"]["rule"] == "three_way"


def test_what_cannot_be_certified_exits_with_1_and_guards_nothing(
    work: Path, stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
):
    out = ["--out", work / "none.json"]
    budget = ["--budget", "miss rate <= 0.1%"]
    assert run("certify-stream", work / "replies.jsonl", *budget, *out) == 1
    assert "NOT CERTIFIED" in capsys.readouterr().out
    stdin(b"text")
    assert "no threshold is certified" in refused(capsys, "--monitor", work / "none.json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--budget", "miss rate < five"], "budget"),
        (["--budget", "miss rate <= 5% in expectation"], "expectation"),
        (["--budget", "miss rate <= 5% per team"], "'team'"),
        ([*ALARMS, "--use", "1"], "share"),
        ([*ALARMS, "--use", "0.5", "--hazard", "spc"], "any harm alone"),
        ([*ALARMS, "--hazard", "nothing"], "no value 'nothing'"),
        ([*ALARMS, "--hazard", "hte"], "say nothing of the hazard"),
    ],
)
def test_wrong_usage_of_the_certification_is_refused(
    arguments: list[str], words: str, work: Path, capsys: pytest.CaptureFixture[str]
):
    out = ["--out", work / "none.json"]
    assert run("certify-stream", work / "replies.jsonl", *arguments, *out) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (work / "none.json").exists()


def test_lines_without_a_reply_are_told_apart(
    work: Path, fruit: Callable[..., list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
):
    out = ["--out", work / "new.json"]
    assert run("certify-stream", work / "labels.jsonl", *ALARMS, *out) == 2
    assert "no labelled reply" in capsys.readouterr().err
    with (work / "replies.jsonl").open("a") as file:
        file.write(json.dumps(fruit(1, 9)[0]) + "\n")
    run("certify-stream", work / "replies.jsonl", *ALARMS, *out)
    assert "1 labelled lines without a reply" in capsys.readouterr().err
