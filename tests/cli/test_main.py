"""The command as a whole: help, start-up, codes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from riskwright import __version__
from riskwright.cli.__main__ import main

VERBS = ["fit", "score", "evaluate", "calibrate", "decide", "audit", "card"]
HEAVY = ("numpy", "polars", "sklearn", "scipy", "jinja2", "msgspec")


def test_help_names_every_verb_and_the_codes(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for verb in VERBS:
        assert f"riskwright {verb} " in out
    codes = " ".join(out[out.index("Exit codes") :].split())
    assert codes.startswith("Exit codes: 0 done 1 a budget, policy or card falls short")
    assert "2 wrong usage or data 130 interrupted" in codes


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_shows_examples_and_describes_every_option(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "200")
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    examples = out[out.index("Examples:") :]
    assert examples.count(f"riskwright {verb} ") >= 2
    assert "--json" in out
    options = [line.strip("│ *") for line in out.splitlines() if line.startswith("│")]
    assert options
    assert all(len(option.split("  ", 1)) == 2 for option in options)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict"], 'Unknown command "predict"'),
        (["card", "--frobnicate"], "--frobnicate"),
        (["score"], "SCORE"),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_is_wrong_on_stderr(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("riskwright: ")
    assert words in err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_help_loads_no_heavy_library_and_is_quick():
    """0.3 s on an idle machine; the best of several tries, with room for a busy one."""
    program = (
        "import sys; from riskwright.cli.__main__ import main; code = main(['--help']);"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        seconds.append(time.perf_counter() - begun)
        assert run.returncode == 0
        assert run.stderr == "[]\n"
    assert min(seconds) < 1.0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["fit", "absent.csv", "--target", "y"], "RW2006"),
        (["score", "absent.json", "table.csv"], "RW4000"),
        (["evaluate", "absent.json", "table.csv", "--target", "y"], "RW4000"),
        (["card", "absent.json"], "RW4000"),
        (["fit"], "RW1000"),
        (["fit", "table.csv", "--max-terms", "many"], "RW1000"),
    ],
)
def test_an_error_is_json_where_json_was_asked_for(
    arguments: list[str], code: str, capsys: pytest.CaptureFixture[str]
):
    assert main([*arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert set(error) == {"code", "message"}
    assert error["code"] == code
    assert " ".join(error["message"].split()) in " ".join(err.split())
    assert main(arguments) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_an_error_without_a_traceback(score: Path):
    run = subprocess.run(
        f"{sys.executable} -m riskwright.cli card {score} > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("riskwright: standard output: cannot read or write")
    assert "Traceback" not in run.stderr


def test_exit_codes_reach_the_shell():
    run = subprocess.run([sys.executable, "-m", "riskwright.cli", "card", "absent.json"])
    assert run.returncode == 2
