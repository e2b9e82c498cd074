"""Every example of the documentation runs and prints what the page says."""

import re
import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOW_TO = sorted(path.name for path in (ROOT / "docs" / "how-to").glob("*.md"))
ANEW = "\nIf the new output is right, run `make docs`; put abridged outputs right by hand."


def ran(examples, page, folder):
    """Outputs that differ, after running the page in the folder."""
    wrong = examples.run_page(page.read_text(encoding="utf-8"), folder)
    return "\n".join(map(str, wrong)) and "\n".join(map(str, wrong)) + ANEW


@pytest.fixture(scope="module")
def tutorial(examples, tmp_path_factory):
    """The folder that the tutorial leaves behind, and what went wrong on the way."""
    folder = tmp_path_factory.mktemp("tutorial")
    return folder, ran(examples, examples.TUTORIAL, folder)


def test_tutorial_runs_and_prints_what_it_says(tutorial):
    folder, wrong = tutorial
    assert not wrong, wrong
    assert {path.name for path in (folder / "card").iterdir()} == {
        "score.json",
        "card.html",
        "card.md",
        "card.svg",
        "certificate.json",
    }


def test_tutorial_of_scores_runs_and_prints_what_it_says(examples, tmp_path):
    wrong = ran(examples, examples.SCORES, tmp_path)
    assert not wrong, wrong
    assert {path.name for path in tmp_path.glob("*.json")} == {"calibrated.json", "triage.json"}


def test_tutorial_of_audits_runs_and_shows_the_picture_that_it_makes(examples, tmp_path):
    wrong = ran(examples, examples.AUDIT, tmp_path)
    assert not wrong, wrong
    assert {"audit.html", "audit.json", "data.json", "sheet.json", "README.md"} <= {
        path.name for path in tmp_path.iterdir()
    }
    made = examples.draw_audit(tmp_path)
    assert examples.same_picture(made, examples.AUDIT_PICTURE), f"another picture.{ANEW}"


def test_tutorial_of_guards_runs_and_prints_what_it_says(examples, tmp_path):
    wrong = ran(examples, examples.GUARD, tmp_path)
    assert not wrong, wrong
    assert {"guard.json", "certified.yaml", "monitor.json", "log.jsonl", "report.html"} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_front_page_runs_and_shows_the_picture_that_it_makes(examples, tmp_path):
    wrong = ran(examples, ROOT / "README.md", tmp_path)
    assert not wrong, wrong
    made = tmp_path / "card" / "card.svg"
    assert examples.same_picture(made, examples.PICTURE), f"another picture.{ANEW}"


def test_example_of_a_decision_is_certified_checked_and_alarmed(capsys):
    runpy.run_path(str(ROOT / "examples" / "decide.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for told in ("gives the same thresholds", "Not attainable", "alarm: no", "alarm: yes", "VOID"):
        assert told in printed


@pytest.mark.parametrize("name", HOW_TO)
def test_how_to_page_runs_in_the_folder_of_the_tutorial(examples, tutorial, tmp_path, name):
    folder = shutil.copytree(tutorial[0], tmp_path / "work")
    wrong = ran(examples, ROOT / "docs" / "how-to" / name, folder)
    assert not wrong, wrong


def test_no_other_page_has_examples_that_are_never_run(examples):
    run = {examples.TUTORIAL, examples.SCORES, examples.AUDIT, examples.GUARD}
    run |= {ROOT / "README.md", ROOT / "CONTRIBUTING.md"}
    left = [
        f"{page.relative_to(ROOT)}, line {block.line}"
        for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"]
        if page not in run and page.parent.name != "how-to" and page.name != "reference.md"
        for block in examples.blocks(page.read_text(encoding="utf-8"))
        if block.language in ("python", "sh")
    ]
    assert left == []


def test_contributing_names_commands_that_exist(examples, tmp_path):
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert examples.run_page(page, tmp_path) == []
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"`make (\w+)`", page)) <= set(targets)


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "printed\n1"),
        ("```python\nprint('a\\nb')\n```\n\n```text\na\n...\nc\n```\n", "printed\na\nb"),
        ("```sh\nriskwright card nowhere.json\n```\n", "ended with 2"),
        ("```sh\nriskwright card nowhere.json # exit code 1\n```\n", "ended with 2"),
        ("```sh\nmake nothing\n```\n", "no make target nothing"),
        ("```sh\ncurl example.org\n```\n", "not a command"),
    ],
)
def test_an_example_that_is_wrong_is_found(examples, tmp_path, page, complaint):
    try:
        found = "\n".join(map(str, examples.run_page(page, tmp_path)))
    except AssertionError as error:
        found = str(error)
    assert complaint in found


def test_outputs_are_replaced_but_abridged_ones_are_left(examples, tmp_path):
    page = "```python\nprint(1)\n```\n\n```text\n{}\n```\n"
    wrong = examples.run_page(page.format("2"), tmp_path)
    assert examples.with_outputs(page.format("2"), wrong) == page.format("1")
    abridged = page.format("...\n2")
    assert examples.with_outputs(abridged, examples.run_page(abridged, tmp_path)) == abridged
