"""The page of a guard: every figure of the report on it, for people and for print."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import numpy as np
import pytest

from riskwright.cards.guard_page import guard_page
from riskwright.core import Finding
from riskwright.core.scores import Decision, Score
from riskwright.evidence.labels import Label
from riskwright.guard.figures import GuardFigures, guard_figures
from riskwright.taxonomy import load_taxonomy
from riskwright.taxonomy.policies import load_policy

EVIL = "<script>alert(1)</script>"
NAMES = {one.code: one.name for one in load_taxonomy("ailuminate").categories}
POLICY: dict[str, Any] = {
    "id": "test",
    "version": "1",
    "taxonomy": "ailuminate",
    "mode": "enforce",
    "regimes": ["strict", "standard", "loose"],
    "regime": "standard",
    "hazards": {"any": {}},
    "thresholds": {
        "any": {
            "strict": {"low": 0.2, "high": 0.4},
            "standard": {"low": 0.3, "high": 0.6},
            "loose": {"low": 0.5, "high": 0.8},
        }
    },
    "fallback": {},
}


@pytest.fixture(scope="module")
def figures() -> GuardFigures:
    """Of 900 exchanges with twelve hazards in three languages, some without a score."""
    rng = np.random.default_rng(0)
    n = 900
    harm = rng.random(n) < 0.3
    p = 1 / (1 + np.exp(-(3 * (harm - 0.5) + rng.normal(0, 1, n))))
    codes = rng.choice(list(NAMES), n)
    policy = load_policy(POLICY)
    scores = [
        Score(
            id=str(k),
            severity=float(p[k]),
            hazards={str(codes[k]): float(p[k])},
            meaning="probability",
            calibrated=("any",),
            attributes={"language": str(rng.choice(["en", "de", EVIL]))},
            cost=float(rng.random()),
            latency_ms=float(rng.random() * 30),
            scorers={"rules": "sha256:" + "0" * 64, EVIL: "1"},
        )
        for k in range(n)
    ]
    scores[0] = Score(id="0", outcome="failed", attributes={"language": "en"})
    labels = [
        Label(harmful=float(h), hazards={str(code): float(h)})
        for h, code in zip(harm, codes, strict=True)
    ]
    decisions = [policy.decide(score) for score in scores]
    return guard_figures(scores, decisions, labels, policy=policy, groups=("language",))


@pytest.fixture(scope="module")
def page(figures: GuardFigures) -> str:
    finding = Finding(code="log.chain", sentence=f"Whole. {EVIL}", severity="info", method="chain")
    promises = [("any, standard", f"At most 5%. {EVIL}")]
    return guard_page(
        figures, title=EVIL, data_name=EVIL, promises=promises, findings=[finding], names=NAMES
    )


class _Outline(HTMLParser):
    """Ids, references to ids, headings, and what is open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.named: list[str] = []
        self.levels: list[int] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.ids += [told["id"]] if told.get("id") else []
        self.named += (told.get("aria-labelledby") or "").split()
        if re.fullmatch(r"h\d", tag):
            self.levels.append(int(tag[1]))
        if tag == "th":
            assert told.get("scope") in ("row", "col")
        if tag not in ("meta", "br", "link", "path", "line", "rect", "circle", "polygon"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


def test_the_page_is_whole_accessible_and_small(page: str):
    outline = _Outline(page)
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert set(outline.named) <= set(outline.ids)
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(outline.levels, outline.levels[1:], strict=False))
    assert '<html lang="en">' in page
    assert page.count("<svg") == page.count('role="img"')
    assert len(page.encode()) < 150_000


def test_the_page_runs_nothing_and_loads_nothing(page: str):
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for word in ("http:", "https:", "src=", "@import", "url("):
        assert word not in page.replace("http://www.w3.org/2000/svg", "")
    assert "default-src 'none'" in page
    assert "@media print" in page or "@page" in page


def test_every_hazard_group_and_regime_has_its_row_with_intervals(page: str, figures: GuardFigures):
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', page)
    found = dict(rows)
    for name in (*NAMES.values(), "strict", "standard", "loose", "en", "de"):
        assert name in found
    missed = figures.regimes["strict"].missed
    assert f"{100 * missed.value:.1f}%" in found["strict"]
    assert " to " in found["strict"]
    for name in ("AUROC", "VaR 0.95", "CVaR 0.95", "Mean cost", "P95 latency (ms)"):
        assert name in found
    assert "1 of the exchanges: no score (failed)" in page
    assert "The severity that the guard gave" in page


def test_pictures_grow_with_what_they_show(page: str):
    heights = [int(h) for h in re.findall(r'viewBox="0 0 430 (\d+)', page)]
    assert len(heights) == 4
    assert heights[0] == 440
    assert 170 < heights[1] == heights[2] < 440


def test_a_report_without_labels_of_hazards_or_policy_has_no_empty_parts():
    scores = [Score(severity=k / 10) for k in range(10)]
    decisions = [Decision(action="allow")] * 10
    labels = [Label(harmful=float(k > 6)) for k in range(10)]
    page = guard_page(guard_figures(scores, decisions, labels))
    for part in ("regimes", "hazards", "displays", "promises", "findings"):
        assert f'id="{part}"' not in page
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S).lower()


def test_nothing_but_figures_reaches_the_page(figures: GuardFigures):
    """Aggregates have no field that could hold a text of an exchange."""
    fields = set(msgspec.structs.asdict(figures))
    assert not fields & {"prompt", "reply", "text", "exchanges", "scores"}
