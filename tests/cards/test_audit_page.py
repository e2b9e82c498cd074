"""The page of an audit: one sheet, self-contained, small, safe, accessible, true to its figures."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from html import escape, unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from riskwright.audit.report import Audit, AuditSubject, ColumnSummary
from riskwright.cards.audit_fit import Fit, Sheet, sheet_height
from riskwright.cards.audit_front import front_parts
from riskwright.cards.audit_page import audit_head, audit_page
from riskwright.cards.audit_text import audit_markdown, audit_text
from riskwright.cards.audit_words import verdict
from riskwright.core import Finding, ScoreCard
from riskwright.core.score_card import decode

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium to open the page with")
EVIL = '<script>alert(1)</script> "q" | `x` $a$ & {{7*7}} \' --> <img src=x onerror=y>'
LONG = "an extraordinarily long wording that goes on " * 12
replace = msgspec.structs.replace


def _made() -> ModuleType:
    path = Path(__file__).with_name("audits.py")
    spec = importlib.util.spec_from_file_location("audits", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audits = _made()
CELLS = [
    f"{race}, {sex}"
    for race in (
        *("White alone", "Black or African American alone", "American Indian alone", "Asian alone"),
        *("Alaska Native alone", "Tribes specified", "Native Hawaiian and Pacific Islander alone"),
        *("Some other race alone", "Two or more races"),
    )
    for sex in ("female", "male")
]


def hostile_audit(card: ScoreCard) -> Audit:
    """Markup and endless words wherever a user's text can enter, no interval where none must be."""
    subject = AuditSubject(
        title=EVIL + LONG,
        outcome=EVIL + LONG,
        population=LONG + EVIL,
        horizon=EVIL,
        not_for=(EVIL, LONG),
        version=EVIL,
        date=EVIL,
        owner=EVIL,
        contact="x" * 300,
        period=EVIL,
        limits=(EVIL, *(LONG,) * 9),
        score_digest=EVIL,
        data_digest="sha256:" + "a" * 64,
        data_name="/long" * 60,
    )
    findings = tuple(
        Finding(
            code=EVIL,
            sentence=EVIL + LONG,
            severity=severity,
            passed=passed,
            estimate=audits.no_interval(),
            method=EVIL,
            digests={EVIL: EVIL},
        )
        for severity in ("high", "medium", "low", "info")
        for passed in (True, False, None)
    )
    gaps = audits.gaps(groups=[f"{EVIL}{LONG}{i}" for i in range(14)], metrics=("fpr", "fnr", EVIL))
    slices = audits.slices()
    slices = replace(
        slices,
        slices=tuple(replace(s, words=EVIL + LONG) for s in slices.slices),
        loss_name=EVIL,
        method=EVIL,
        columns=(EVIL,) * 300,
    )
    found = audits.multiplicity()
    found = replace(
        found, method=EVIL, tolerances=[replace(t, name=EVIL) for t in found.tolerances]
    )
    recourse = audits.responsiveness()
    recourse = replace(
        recourse,
        target=EVIL,
        features=[
            replace(f, feature=EVIL + f.feature, can_work=audits.no_interval())
            for f in recourse.features
        ],
    )
    copy = audits.distillation()
    copy = replace(
        copy, shapes=[replace(s, feature=EVIL, bins=(EVIL,) * len(s.bins)) for s in copy.shapes]
    )
    terms = [
        replace(t, item=replace(t.item, label=LONG + EVIL)) for t in card.terms for _ in range(3)
    ]
    full = audits.full_audit()
    return audits.full_audit(
        replace(card, title=EVIL, terms=tuple(terms)),
        subject=subject,
        findings=findings,
        gaps=replace(gaps, reference=EVIL, method=EVIL),
        slices=slices,
        multiplicity=found,
        responsiveness=recourse,
        distillation=copy,
        columns=tuple(ColumnSummary(name=f"{EVIL}{i}", missing=i, note=EVIL) for i in range(60)),
        reliability_by_group={f"{EVIL}{k}": c for k, c in full.reliability_by_group.items()},
        not_run={EVIL: EVIL, "data": EVIL},
    )


def big_audit(card: ScoreCard) -> Audit:
    """18 cells x 6 measures, 40 shapes, 60 columns, 280 findings, a long card."""
    return audits.full_audit(
        replace(card, terms=card.terms * 3, rows=card.rows * 2),
        gaps=audits.gaps(groups=CELLS),
        distillation=audits.distillation(40, 20),
        slices=audits.slices(20),
        columns=tuple(
            ColumnSummary(name=f"column {i}", missing=i, note="shifted by 0.3 sd")
            for i in range(60)
        ),
        findings=audits.findings() * 40,
    )


def many_audit(card: ScoreCard) -> Audit:
    """Four hundred groups."""
    names = [f"county = {i}" for i in range(400)]
    curve = audits.full_audit().reliability
    return audits.full_audit(
        gaps=audits.gaps(groups=names),
        reliability_by_group=dict.fromkeys(names[:50], curve),
    )


def censored_audit(card: ScoreCard) -> Audit:
    """A survival horizon, and no slices, decisions or multiplicity."""
    gaps = replace(audits.gaps(metrics=("fpr", "auc")), horizon=730.5, at=None)
    return audits.full_audit(
        gaps=gaps,
        subject=replace(audits.full_audit().subject, horizon=""),
        operating_point=None,
        multiplicity=None,
        slices=None,
        not_run={"multiplicity": "needs outcomes that are all observed"},
    )


def unlabelled_audit(card: ScoreCard) -> Audit:
    """No outcome: a black box distilled, nothing that needs an outcome."""
    copy = audits.distillation()
    shapes = [
        replace(s, outcome=None, difference=None, low=None, high=None, differs=False)
        for s in copy.shapes
    ]
    copy = replace(copy, shapes=shapes, accuracy=None, missing_feature=None)
    return audits.bare_audit(distillation=copy, events=0.0)


KINDS: dict[str, Callable[[ScoreCard], Audit]] = {
    "full": lambda card: audits.full_audit(),
    "card": lambda card: audits.full_audit(card),
    "bare": lambda card: audits.bare_audit(),
    "hostile": hostile_audit,
    "big": big_audit,
    "many": many_audit,
    "censored": censored_audit,
    "unlabelled": unlabelled_audit,
}
every_kind = pytest.mark.parametrize("kind", list(KINDS))


@cache
def built(kind: str) -> Audit:
    card = json.loads(Path(__file__).with_name("golden").joinpath("heart.json").read_text("utf-8"))
    return KINDS[kind](decode(card))


@cache
def page_of(kind: str) -> str:
    return audit_page(built(kind))


@pytest.fixture
def audit(kind: str) -> Audit:
    return built(kind)


class Page(HTMLParser):
    """Tags with their attributes, text, rows of cells, headings in order, text inside pictures."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.headings: list[tuple[int, str]] = []
        self.descriptions: list[str] = []
        self.tables: list[list[str]] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "rect", "polyline", "polygon", "circle"):
            self._inside.append(tag)
        if tag == "table":
            self.tables.append([])
        elif "table" in self._inside and self.tables:
            self.tables[-1].append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), ""))
        if tag == "desc":
            self.descriptions.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        self.text += data
        if {"td", "th"} & set(self._inside):
            self.rows[-1][-1] += data
        if {"h1", "h2", "h3"} & set(self._inside):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)
        if "desc" in self._inside:
            self.descriptions[-1] += data


def told(page: Page) -> str:
    return " ".join(page.text.split())


@every_kind
def test_the_page_is_small_and_asks_for_nothing(audit: Audit, kind: str):
    text = page_of(kind)
    assert len(text.encode()) <= 500_000
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "script", "form")
        assert not {"src", "action", "background", "xlink:href"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import", text)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


@every_kind
def test_the_page_can_be_read_aloud(audit: Audit, kind: str):
    page = Page(page_of(kind))
    assert next(a for tag, a in page.tags if tag == "html")["lang"] == "en"
    assert [tag for tag, _ in page.tags].count("main") == 1
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    assert all(text.strip() for _, text in page.headings)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, a in page.tags:
        assert set((a.get("aria-labelledby") or "").split()) <= set(ids)
        assert (a.get("href") or "#appendix")[1:] in ids
        assert tag not in ("section", "nav") or "aria-labelledby" in a or "aria-label" in a
        assert tag != "th" or a.get("scope") in ("row", "col")
        assert tag != "svg" or (a.get("role") == "img" and a.get("aria-labelledby"))
    assert all("caption" in tags for tags in page.tables)


@pytest.mark.parametrize("kind", ["full"])
def test_every_picture_tells_its_numbers(audit: Audit, kind: str):
    page = Page(page_of(kind))
    assert len(page.descriptions) == 5 + len(audit.distillation.shapes)
    assert all(len(re.findall(r"\d", text)) > 5 for text in page.descriptions)
    row = audit.gaps.tables[0].rows[0]
    shown = f"{100 * row.gap.low:+.1f}% to {100 * row.gap.high:+.1f}%".replace("-", "−")
    assert any(row.group in text and shown in text for text in page.descriptions)


@pytest.mark.parametrize("kind", ["card"])
def test_the_first_sheet_has_ten_parts_in_order_and_what_they_say(audit: Audit, kind: str):
    page = Page(page_of(kind))
    named = [" ".join(text.split()) for _, text in page.headings]
    start = named.index("Appendix")
    assert named[1:start] == [
        *("2 The score", "3 Do the risks come true?", "4 What a decision does", "5 Groups"),
        *("6 Where it does worst", "7 Equally good scores", "8 What people can change"),
        *("9 Data", "10 Limits and contact"),
    ]
    text = told(page)
    sheet = text[: text.index("Appendix")]
    point, auroc = audit.operating_point, audit.evaluation.overall["auroc"]
    for wanted in (
        "3 findings need action; 2 to look at; 1 part did not run.",
        audit.findings[0].sentence,
        "two years",
        "sentencing; people under 18",
        "sha256:9f86d081884c…",
        "max heart rate ≥ 148 beats/min",
        f"{1000 * point.flagged.value:.0f} {1000 * point.flagged.low:.0f} to",
        f"AUROC {auroc.value:.3f} ({auroc.low:.3f} to {auroc.high:.3f})",
        "would decide otherwise for 31.1% (loss within noise) and for 31.1% (loss within 1% of the",
        "confirmed age below 25 and priors from 3: n 412 (5.7%), gap +0.096 (+0.066 to +0.126)",
        "not confirmed race = White",
        "15.0% (10.0% to 20.0%) cannot get it by any change that was stated as feasible",
        "35.4% (28.9% to 41.9%) of the usual notices",
        "80.0% (79.0% to 81.0%), n 9,000 were observed",
        "priors: 112 (1.6%)",
        "priors: shifted: mean 3.1, was 2.4",
        "Learned in one county",
        "scores@example.org",
    ):
        assert wanted in sheet, wanted


@pytest.mark.parametrize("kind", ["full"])
def test_the_appendix_has_every_finding_and_every_table(audit: Audit, kind: str):
    page = Page(page_of(kind))
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    for finding in audit.findings:
        row = next(row for row in rows if row[0] == finding.code)
        assert row[2:] == [
            finding.sentence,
            *("0.214", "0.184 to 0.244", "1,795", "multinomial resampling"),
        ]
    for table in audit.gaps.tables:
        for group in table.rows:
            value = group.estimate.value
            shown = f"{value:.3f}" if table.metric == "auc" else f"{100 * value:.1f}%"
            shown = f"+{shown}" if table.metric == "calibration" else shown
            assert any(r[0] == group.group and r[1] == f"{group.n:,}" and shown in r for r in rows)
    text = told(page)
    for wanted in (
        "Too small to judge: race = Native American (n 11).",
        "18,211 examined",
        "0.00027",
        "22.0% to 68.8%",
        "+0.095 to +0.149",
        "known prevalence 0.42",
        "no reference table: the rows that the score was learned from",
        audits.DIGEST,
        "12.3 seconds",
    ):
        assert wanted in text, wanted


@pytest.mark.parametrize("kind", ["bare"])
def test_what_did_not_run_says_why_in_its_place(audit: Audit, kind: str):
    text = told(Page(page_of(kind)))
    sheet, appendix = text.split("Appendix", 1)
    assert "No findings were recorded; 9 parts did not run." in sheet
    assert sheet.count("Not measured: no outcome was named") >= 4
    assert "Not measured: no actions were stated" in sheet
    assert "the score is a card: it shows what it uses" in appendix
    assert sheet.count("not stated") >= 8


@pytest.mark.parametrize("kind", ["many"])
def test_of_hundreds_of_groups_the_farthest_are_shown_and_the_others_counted(
    audit: Audit, kind: str
):
    text = told(Page(page_of(kind)))
    assert re.search(r"\d+ of 401 groups, those farthest off", text)
    assert "340 more groups, nearer to the reference, are not shown here" in text
    table = audit.gaps.tables[0]
    worst = max(table.rows, key=lambda row: max(row.gap.low, -row.gap.high))
    assert worst.group in text


@pytest.mark.parametrize("kind", ["censored"])
def test_a_horizon_is_stated_where_outcomes_are_censored(audit: Audit, kind: str):
    text = told(Page(page_of(kind)))
    assert "Horizon 730.5, in the unit of the follow-up times" in text
    assert "Outcomes at 730.5." in text
    assert "Not measured: needs outcomes that are all observed" in text
    assert "no decision was judged" in text


def test_without_an_interval_the_page_says_why():
    finding = replace(audits.findings()[0], estimate=audits.no_interval())
    rows = Page(audit_page(audits.full_audit(findings=(finding,)))).rows
    row = next(row for row in rows if row[0] == finding.code)
    assert row[3:6] == ["0.200", "no interval: too few events", "12"]
    gone = replace(audits.no_interval(), value=math.nan)
    page = audit_page(audits.full_audit(findings=(replace(finding, estimate=gone),)))
    assert "not defined" in told(Page(page))
    assert "nan" not in re.findall(r"\bnan\b", told(Page(page)).lower())


@pytest.mark.parametrize(
    ("severities", "passed", "told"),
    [
        (("high", "high", "medium"), None, "2 findings need action; 1 to look at."),
        (("high",), None, "1 finding needs action."),
        (("info", "low"), None, "Nothing found that needs action among 2 findings."),
        ((), None, "No findings were recorded."),
        (("high", "info"), False, "2 findings fail the policy; 1 finding needs action."),
        (("high",), True, "No finding fails the policy; 1 finding needs action."),
    ],
)
def test_the_verdict_counts(severities: tuple[str, ...], passed: bool | None, told: str):
    findings = tuple(
        Finding(code="a", sentence="b", severity=severity, passed=passed) for severity in severities
    )
    assert verdict(audits.full_audit(findings=findings, not_run={})) == told


def test_all_text_of_the_user_is_escaped(heart: ScoreCard):
    page = Page(audit_page(hostile_audit(heart)))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert told(page).count("<script>alert(1)</script>") > 60
    assert not re.search(r"\b49\b", " ".join(text for _, text in page.headings))
    for line in audit_markdown(hostile_audit(heart)).splitlines():
        assert "<" not in line.replace(r"\<", "")


@every_kind
def test_markdown_has_the_same_parts_in_the_same_order(audit: Audit, kind: str):
    page, text = Page(page_of(kind)), audit_markdown(audit)
    lines = [line for line in text.splitlines() if line.startswith("#")]
    plain = [re.sub(r"^#+ ", "", line).replace(". ", " ", 1) for line in lines[1:]]
    assert plain == [" ".join(text.split()) for _, text in page.headings[1:]]
    assert verdict(audit) in text
    widths = {}
    for row in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in row.splitlines()}
        assert len(counts) == 1, row
        widths[row] = counts


@every_kind
def test_the_terminal_gets_verdict_worst_findings_and_what_did_not_run(audit: Audit):
    text = audit_text(audit)
    assert max(map(len, text.splitlines())) <= 80 or "x" * 80 in text or EVIL[:8] in text
    flat = " ".join(text.split())
    assert " ".join(verdict(audit).split()) in flat
    for reason in audit.not_run.values():
        assert " ".join(reason.split())[:30] in flat
    assert len(text.splitlines()) < 160


@pytest.mark.parametrize("kind", ["card", "hostile", "big"])
def test_less_is_shown_in_smaller_letters_until_the_sheet_fits(audit: Audit, kind: str):
    page = page_of(kind)
    size = float(re.search(r"--print: ([\d.]+)px", page)[1])
    roomy = Fit(letters=11, tall=1, terms=30, totals=30, groups=30, texts=30)
    tight = Fit(letters=size, tall=0.8, terms=5, totals=5, groups=5, texts=3)
    tall, low = (
        sheet_height(Sheet(audit_head(audit), tuple(front_parts(audit, fit))), fit.letters)
        for fit in (roomy, tight)
    )
    assert low < 1030 < tall


def test_an_ordinary_audit_is_set_in_letters_that_can_be_read(heart: ScoreCard):
    for card in (None, heart):
        page = audit_page(audits.full_audit(card))
        assert float(re.search(r"--print: ([\d.]+)px", page)[1]) >= 9


def test_the_same_audit_gives_the_same_page():
    assert audit_page(audits.full_audit()) == audit_page(audits.full_audit())


def browse(page: str, folder: Path, *options: str) -> bytes:
    path = folder / "audit.html"
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


def joined(kinds: Sequence[str], part: str) -> str:
    """A part of several pages in one page, each in letters of its own size."""
    style = re.search(r"<style>.*?</style>", page_of(kinds[0]), re.DOTALL)[0]
    body = ""
    for kind in kinds:
        page = page_of(kind)
        letters = re.search(r"--print: ([\d.]+px)", page)[1]
        found = re.search(part, page, re.DOTALL)[0]
        body += f'<div class="one" style="--print: {letters}">{found}</div>'
    one = "<style>@media print { .one { font-size: var(--print); } }</style>"
    return f'<!DOCTYPE html><html lang="en">{style}{one}<body>{body}</body></html>'


def pages_in(page: str, folder: Path) -> int:
    sheet = folder / "audit.pdf"
    browse(page, folder, "--no-pdf-header-footer", f"--print-to-pdf={sheet}")
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", sheet.read_bytes()))


@needs_browser
def test_every_first_part_prints_on_exactly_one_sheet_and_the_appendix_begins_the_next(
    tmp_path: Path,
):
    """Each is followed by a page break, so that many sheets take as many pages."""
    page = joined(list(KINDS), r'<div class="sheet.*?(?=<section class="appendix")')
    appendix = '<section class="appendix"><h2>Appendix</h2></section></body>'
    assert pages_in(page.replace("</body>", appendix), tmp_path) == len(KINDS) + 1


LEAVING = """<p id="found"></p><script>
const frames = [...document.querySelectorAll("iframe")];
const told = [];
function measure(frame) {
  const inside = frame.contentDocument;
  const parts = [...inside.querySelectorAll(
    "header, .sheet > section, .sheet table, .blocks > :not(.scroll), figure")].filter(
    (part) => !part.matches(".wide"));
  const wide = parts.filter((part) => part.scrollWidth > part.clientWidth + 1);
  const texts = [...inside.querySelectorAll("svg text")].filter((text) => {
    const [own, whole] = [text, text.ownerSVGElement].map((e) => e.getBoundingClientRect());
    return own.left < whole.left - 1 || own.right > whole.right + 1 || own.top < whole.top - 1 ||
      own.bottom > whole.bottom + 1;
  });
  const page = inside.documentElement;
  told.push(frame.width + ": " + (parts.length > 99) + ", too wide: " +
    wide.map((part) => part.outerHTML.slice(0, 60)).join() + "; text out of its picture: " +
    texts.map((text) => text.textContent).join() + "; beyond the page: " +
    (page.scrollWidth > page.clientWidth));
  document.getElementById("found").textContent = told.join(" | ");
}
frames.forEach((frame) => frame.addEventListener("load", () => measure(frame)));
</script>"""


@needs_browser
def test_nothing_leaves_its_section_or_picture_on_a_phone_or_a_desk(tmp_path: Path):
    """Whatever the words."""
    page = escape(joined(["card", "hostile", "big"], "<main>.*</main>"))
    frames = "".join(
        f'<iframe width="{width}" height="900" srcdoc="{page}"></iframe>' for width in (390, 1100)
    )
    shown = browse(f"<!DOCTYPE html><body>{frames}{LEAVING}</body>", tmp_path, "--dump-dom")
    found = unescape(re.search(r'<p id="found">(.*?)</p>', shown.decode(), re.DOTALL)[1])
    fine = "{}: true, too wide: ; text out of its picture: ; beyond the page: false"
    assert sorted(found.split(" | ")) == [fine.format(1100), fine.format(390)]
