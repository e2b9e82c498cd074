"""The reference, the error codes, the tables and the links are true."""

import re
from pathlib import Path

import pytest

import riskwright
from riskwright.core import exceptions
from riskwright.core.checker import __main__ as checker

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def page(path):
    return path.read_text(encoding="utf-8")


def test_reference_page_is_what_the_code_says_now(reference):
    assert page(reference.REFERENCE) == reference.reference(), "run `make docs`"


def test_tables_of_the_architecture_are_what_the_code_says_now(reference):
    text = page(reference.ARCHITECTURE)
    assert text == reference.architecture(text), "run `make docs`"


def test_every_storey_is_listed_once_from_the_top(reference):
    rooms = re.findall(r"^- \*\*(\w+)\*\*:", page(reference.ARCHITECTURE), re.M)
    order = [*("cli", "cards", "plots", "audit", "explanation", "guard", "pipeline")]
    order += [*("scoring", "calibration", "decision", "evidence", "solvers", "language_models")]
    order += [*("taxonomy", "metrics", "stats", "core")]
    assert rooms == order


def test_every_public_name_has_a_heading(reference):
    headings = re.findall(r"^### riskwright\.(\w+)$", page(reference.REFERENCE), re.M)
    assert set(headings) == set(riskwright.__all__) - {*riskwright._ROOMS, "__version__"}


def test_every_command_and_option_has_its_line(reference):
    text = page(reference.REFERENCE)
    commands = re.findall(r"^### riskwright ([\w -]+)$", text, re.M)
    verbs = ["audit", "calibrate", "card", "decide", "evaluate", "fit", "guard", "score"]
    card = ["assess", "check", "diff", "export", "new", "notice"]
    guard = ["certify", "compare", "fit", "policy", "replay", "report", "score", "stream"]
    guard += ["certify-stream", "verify-log"]
    further = [*(f"card {word}" for word in card), *(f"guard {word}" for word in guard)]
    assert sorted(commands) == sorted([*verbs, *further])
    assert {"--target", "--max-terms", "--dialect", "--groups"} <= options(text)


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


OURS = [path for path in PAGES if path.name != "benchmarks.md"]  # another program's options


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_options_that_a_page_names_exist(reference, capsys, path):
    with pytest.raises(SystemExit):
        checker.main(["--help"])
    known = options(page(reference.REFERENCE)) | options(capsys.readouterr().out)
    known |= {"--help", "--strict"}  # the second of mypy
    assert options(page(path)) <= known


def test_error_codes_are_those_of_the_exceptions():
    rows = re.findall(r"^\| (RW\d{4}) \| `(\w+)` \|", page(ROOT / "docs" / "errors.md"), re.M)
    classes = [getattr(exceptions, name) for name in exceptions.__all__]
    coded = [(c.code, c.__name__) for c in classes if c is not exceptions.RiskwrightError]
    assert sorted(rows) == sorted(coded)


def test_error_page_tells_the_built_in_classes_that_each_one_is():
    text = page(ROOT / "docs" / "errors.md").rpartition("|")[2]
    for name, base in (("ConstraintError", ValueError), ("MissingExtraError", ImportError)):
        assert issubclass(getattr(exceptions, name), base)
        assert f"`{name}`" in text
        assert f"`{base.__name__}`" in text


def anchors(path):
    headings = re.findall(r"^#+ (.+)$", page(path), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_within_the_documentation_lead_somewhere(path):
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", page(path))
    broken = []
    for link in ("".join(pair) for pair in links):
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_index():
    seen, ahead = set(), [ROOT / "docs" / "index.md"]
    while ahead:
        path = ahead.pop()
        if path in seen:
            continue
        seen.add(path)
        ahead += [
            (path.parent / link).resolve() for link in re.findall(r"\]\(([^)\s#]+\.md)", page(path))
        ]
    unreachable = set((ROOT / "docs").rglob("*.md")) - seen
    assert unreachable == set()
