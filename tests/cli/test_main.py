"""The command as a whole: help, start-up, codes."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from riskwright import __version__
from riskwright.cli.__main__ import main

VERBS = ["fit", "score", "evaluate", "card"]
HEAVY = ("numpy", "polars", "sklearn", "scipy", "jinja2", "msgspec")


def test_help_names_every_verb_and_the_codes(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for verb in VERBS:
        assert f"riskwright {verb} " in out
    assert "Exit codes: 0 done, 2 wrong usage or data, 130 interrupted" in out


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


def test_exit_codes_reach_the_shell():
    run = subprocess.run([sys.executable, "-m", "riskwright.cli", "card", "absent.json"])
    assert run.returncode == 2
