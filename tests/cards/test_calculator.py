"""The page's calculator adds up as Python does: its arithmetic in node, the whole in a browser."""

from __future__ import annotations

import html
import json
import math
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from riskwright.cards import render
from riskwright.core import ScoreCard
from riskwright.scoring.deployment import RowScorer

NODE = shutil.which("node")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
CARDS = ["heart", "hostile", "yes_or_no"]

FILL = """
<pre id="found"></pre><script>
const found = [];
for (const row of ROWS) {
  row.forEach(([kind, value], index) => {
    const input = document.querySelector(`[data-field="${index}"]`);
    const unknown = document.querySelector(`[data-unknown="${index}"]`);
    if (kind === "tick") input.checked = value === 1;
    else if (kind === "choice") input.value = value;
    else {
      if (unknown !== null) unknown.checked = value === null;
      input.value = value === null ? "" : value;
    }
  });
  document.getElementById("calculator").dispatchEvent(new Event("input"));
  const result = document.getElementById("result");
  const rows = document.querySelectorAll("tr.here").length;
  found.push([{ ...result.dataset }, result.textContent, rows]);
}
document.getElementById("found").textContent = JSON.stringify(found);
</script></body>
"""


def random_rows(card: ScoreCard, count: int) -> list[dict[str, Any]]:
    """Values at, below and above the cut points, missing ones, known and unknown levels."""
    draw = random.Random(0)
    choices: dict[str, list[Any]] = {}
    for feature in card.features:
        if feature.levels is not None:
            values: list[Any] = [*feature.levels, *(feature.other_levels or ())]
            if feature.type == "categorical":
                values.append("a level that nobody saw")
        elif feature.type == "binary":
            values = [feature.minimum, feature.maximum]
        else:
            cuts = [e for t in card.terms for e in (t.item.low, t.item.high) if e is not None]
            values = [e for c in cuts for e in (c, math.nextafter(c, -math.inf), c + 0.1)]
            values += [0.1, 7.25, -3.0]
        ticked = feature.type == "binary" and feature.missing != "own_level"
        if feature.missing != "refused" and not (ticked and feature.levels is None):
            values.append(None)
        choices[feature.name] = values
    return [{name: draw.choice(v) for name, v in choices.items()} for _ in range(count)]


def check(score: dict[str, Any], card: ScoreCard, row: dict[str, Any]) -> None:
    expected = RowScorer(card)(row)
    assert float(score["total"]) == expected.total
    if expected.risk is None:
        assert str(score["predicted"]).lower() == str(expected.predicted).lower()
    else:
        assert float(score["risk"]) == pytest.approx(expected.risk, rel=1e-14)


@pytest.mark.skipif(NODE is None, reason="no node to run the page's script with")
@pytest.mark.parametrize("name", CARDS)
def test_the_script_gives_the_numbers_of_python(request: pytest.FixtureRequest, name: str):
    card: ScoreCard = request.getfixturevalue(name)
    rows = random_rows(card, 300)
    data, script = re.findall(r"<script[^>]*>(.*?)</script>", str(render(card, "html")), re.S)
    used = [f.name for f in card.features if any(t.item.feature == f.name for t in card.terms)]
    values = json.dumps([[row[feature] for feature in used] for row in rows])
    program = f"{script}\nconst rows = {values}, card = {data};\n" + (
        "console.log(JSON.stringify(rows.map((row) => scoreCard(card, row))));"
    )
    run = subprocess.run(
        [str(NODE), "-"], input=program, capture_output=True, text=True, timeout=60
    )
    assert run.stderr == ""
    for score, row in zip(json.loads(run.stdout), rows, strict=True):
        check(score, card, row)
        assert sum(a["points"] for a in score["added"]) == pytest.approx(score["total"], abs=1e-9)


@pytest.mark.skipif(BROWSER is None, reason="no chromium to open the page with")
@pytest.mark.parametrize("name", CARDS)
def test_the_page_filled_in_shows_the_numbers_of_python(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
):
    card: ScoreCard = request.getfixturevalue(name)
    rows = random_rows(card, 60)
    page = str(render(card, "html"))
    data = json.loads(re.findall(r"<script[^>]*>(.*?)</script>", page, re.S)[0])
    used = [f.name for f in card.features if any(t.item.feature == f.name for t in card.terms)]
    entries = [
        [_entry(field, row[feature]) for feature, field in zip(used, data["fields"], strict=True)]
        for row in rows
    ]
    text = json.dumps(entries).replace("<", "\\u003c")
    found = _in_browser(page.replace("</body>", FILL.replace("ROWS", text)), tmp_path)
    for (score, shown, highlighted), row in zip(found, rows, strict=True):
        check(score, card, row)
        total = RowScorer(card)(row).total
        assert shown.startswith(f"Total {total:g}".replace("-", "−"))
        inside = [r for r in card.rows if r.low <= total <= r.high]
        assert highlighted == len(inside)


def _entry(field: dict[str, Any], value: Any) -> tuple[str, Any]:
    """What a person enters for a value."""
    if field["control"] == "tick":
        return "tick", field["values"].index(value)
    if field["control"] == "number":
        return "number", value
    if value is None:
        return "choice", "missing"
    return "choice", f"v{field['values'].index(value)}" if value in field["values"] else "other"


@pytest.mark.skipif(BROWSER is None, reason="no chromium to open the page with")
def test_the_page_waits_until_everything_is_filled_in(heart: ScoreCard, tmp_path: Path):
    blank = FILL.replace("ROWS", json.dumps([[["choice", ""]] + [["number", ""]] * 4]))
    page = str(render(heart, "html")).replace("</body>", blank)
    ((score, shown, highlighted),) = _in_browser(page, tmp_path)
    assert score == {}
    assert shown.startswith("Still to be filled in: chest_pain, vessels")
    assert highlighted == 0


def _in_browser(page: str, folder: Path) -> Any:
    path = folder / "card.html"
    path.write_text(page, encoding="utf-8")
    run = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update"),
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            path.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', run.stdout, re.S)
    assert found is not None
    return json.loads(html.unescape(found.group(1)))
