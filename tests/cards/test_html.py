"""The page: self-contained, small, safe, accessible, one sheet of paper."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from riskwright.cards import render
from riskwright.core import ScoreCard

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


class Page(HTMLParser):
    """Tags with their attributes, and the text of everything but scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1] == "script":
            self.scripts.append(data)
        elif "style" not in self._inside:
            self.text += data


@pytest.mark.parametrize("name", ["heart", "hostile", "yes_or_no"])
def test_the_page_is_small_and_asks_for_nothing(request: pytest.FixtureRequest, name: str):
    text = str(render(request.getfixturevalue(name), "html"))
    assert len(text.encode()) <= 150_000
    assert "://" not in text
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert not {"src", "href", "action", "background", "xlink:href"} & set(attributes)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|navigator|eval\(", text)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_hostile_text_stays_text(hostile: ScoreCard, evil: str):
    page = Page(str(render(hostile, "html")))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert " ".join(evil.split()) in " ".join(page.text.split())
    data = json.loads(page.scripts[0])
    assert evil in data["fields"][6]["values"]
    assert data["terms"][6]["label"] == f"{evil} = {evil}"


def test_the_page_says_what_the_reader_must_know(heart: ScoreCard):
    text = " ".join(Page(str(render(heart, "html"))).text.split())
    for wanted in (
        heart.outcome,
        heart.population,
        heart.date,
        "303 rows, 139 with the outcome",
        heart.missing,
        "0.3894627",
        "Lower bound",
        "Proved best: no other score of its kind",
        "0.847 to 0.925",
        "Calibration slope",
        *heart.limits,
    ):
        assert wanted in text


@pytest.mark.parametrize("name", ["heart", "hostile", "yes_or_no"])
def test_every_control_has_a_label_and_every_heading_cell_a_scope(
    request: pytest.FixtureRequest, name: str
):
    text = str(render(request.getfixturevalue(name), "html"))
    page = Page(text)
    assert ("html", "en") in [(tag, a.get("lang")) for tag, a in page.tags]
    labelled = {a["for"] for tag, a in page.tags if tag == "label" and "for" in a}
    controls = [a for tag, a in page.tags if tag in ("input", "select")]
    assert controls
    for control in controls:
        wrapped = re.search(rf"<label[^>]*><input[^>]*{_marker(control)}", text)
        assert control.get("id") in labelled or wrapped
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    identifiers = [a["id"] for _, a in page.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    assert all(a["aria-labelledby"] in identifiers for t, a in page.tags if t == "section")


def _marker(control: dict[str, str | None]) -> str:
    name = "data-unknown" if "data-unknown" in control else "data-field"
    return f'{name}="{control[name]}"'


def test_colours_are_greys_of_high_contrast():
    """Black-and-white safe: every colour but the focus ring has equal red, green and blue."""
    style = Path(render.__code__.co_filename).parent / "templates" / "score_card.css"
    for color in re.findall(r"#([0-9a-f]{3,6})\b", style.read_text()):
        parts = color if len(color) < 5 else re.findall("..", color)
        assert len(set(parts[:3])) == 1 or color == "1a5fb4"


def _browse(page: str, folder: Path, *options: str) -> bytes:
    path = folder / "card.html"
    path.write_text(page, encoding="utf-8")
    run = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update"),
            f"--user-data-dir={folder / 'profile'}",
            *options,
            path.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return run.stdout


@pytest.mark.skipif(BROWSER is None, reason="no chromium to print the page with")
@pytest.mark.parametrize("name", ["heart", "hostile", "sprawling", "constant"])
def test_the_page_prints_on_one_sheet(request: pytest.FixtureRequest, tmp_path: Path, name: str):
    page, sheet = str(render(request.getfixturevalue(name), "html")), tmp_path / "card.pdf"
    _browse(page, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={sheet}")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", sheet.read_bytes())) == 1


@pytest.mark.skipif(BROWSER is None, reason="no chromium to print the page with")
@pytest.mark.parametrize("terms", [5, 10])
@pytest.mark.parametrize("rows", [15, 24])
def test_common_sizes_of_cards_print_on_one_sheet_in_letters_that_can_be_read(
    heart: ScoreCard, tmp_path: Path, terms: int, rows: int
):
    card = msgspec.structs.replace(
        heart,
        terms=tuple(heart.terms[i % len(heart.terms)] for i in range(terms)),
        rows=tuple(
            msgspec.structs.replace(heart.rows[1], low=float(i), high=float(i)) for i in range(rows)
        ),
    )
    page, sheet = str(render(card, "html")), tmp_path / "card.pdf"
    _browse(page, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={sheet}")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", sheet.read_bytes())) == 1
    size = re.search(r"--print: ([\d.]+)px", page)
    assert size is not None
    assert float(size[1]) >= 9.5


@pytest.mark.skipif(BROWSER is None, reason="no chromium to open the page with")
@pytest.mark.parametrize("width", [500, 1100])
@pytest.mark.parametrize("name", ["heart", "hostile", "sprawling", "constant"])
def test_nothing_on_the_page_leaves_its_section(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, width: int
):
    """Long names without a blank break, and broad tables take more lines."""
    script = """<p id="found"></p><script>
    const parts = [...document.querySelectorAll("header, section")];
    const wide = parts.filter((part) => part.scrollWidth > part.clientWidth + 1);
    document.getElementById("found").textContent =
      parts.length + " parts, too wide: " + wide.map((part) => part.className).join();
    </script></body>"""
    page = str(render(request.getfixturevalue(name), "html")).replace("</body>", script)
    shown = _browse(page, tmp_path, f"--window-size={width},900", "--dump-dom").decode()
    assert re.search(r'<p id="found">\d parts, too wide: </p>', shown)
