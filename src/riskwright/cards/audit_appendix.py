"""What stands behind the first sheet: every finding, every table, what did not run, digests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from riskwright._version import __version__
from riskwright.core import Estimate
from riskwright.plots.shape import ShapeDisplay

from . import audit_words as words
from . import wording
from .audit_blocks import Block, Facts, Grid, Part, Words
from .audit_front import display_drawing, table_order

if TYPE_CHECKING:
    from riskwright.audit.multiplicity import MultiplicityReport, ToleranceReport
    from riskwright.audit.report import Audit
    from riskwright.explanation.distillation import DistillationReport
    from riskwright.metrics import GroupRow, GroupTable

__all__ = ["CAPS", "Caps", "appendix_parts"]

_VALUE = ("Value", "Interval", "n", "Method")


@dataclass(frozen=True, slots=True)
class Caps:
    """How many rows of each kind the appendix shows; the rest is counted, and in the JSON."""

    findings: int
    groups: int
    shapes: int
    rows: int


CAPS = (Caps(150, 60, 40, 200), Caps(60, 30, 24, 80), Caps(25, 12, 8, 30), Caps(8, 5, 2, 10))


def appendix_parts(audit: Audit, caps: Caps) -> list[Part]:
    """Parts A1 onwards; a part that did not run says why."""
    parts = (
        ("Every finding", "findings", _findings(audit, caps)),
        ("In full: what was audited", "subject", _subject(audit)),
        ("The score and its figures", "figures", _figures(audit, caps)),
        ("Calibration by group", "calibration-tables", _reliability(audit, caps)),
        ("Groups, measure by measure", "group-tables", _groups(audit, caps)),
        ("Slices", "slice-table", _slices(audit, caps)),
        ("Multiplicity by tolerance", "tolerances", _multiplicity(audit)),
        ("Recourse, feature by feature", "responsiveness", _responsiveness(audit, caps)),
        ("What the score uses", "distillation", _distillation(audit, caps)),
        ("Missing-feature test", "missing-feature", _missing_feature(audit)),
        ("Unobserved outcomes", "selective-labels", _selective(audit, caps)),
        ("Columns of the data", "columns", _columns(audit, caps)),
        ("What was not run, and why", "not-run", _not_run(audit)),
        ("To reproduce this", "reproduce", _reproduce(audit)),
    )
    return [
        Part(f"A{number}", title, name, tuple(blocks))
        for number, (title, name, blocks) in enumerate(parts, 1)
    ]


def _cells(
    estimate: Estimate | None, percent: bool = False, signed: bool = False
) -> tuple[str, ...]:
    """Value, interval, n, method."""
    if estimate is None:
        return ("–", "–", "–", "")
    return (
        words.value_of(estimate, percent, signed),
        _unbroken(estimate, percent, signed),
        f"{estimate.n:,}",
        estimate.method,
    )


def _cut(number: int, most: int, what: str) -> str:
    more = number - most
    return f"{more:,} more {what} are not shown here; the audit's JSON has all." if more > 0 else ""


def _findings(audit: Audit, caps: Caps) -> Iterator[Block]:
    found = words.ranked(audit.findings)
    if not found:
        yield Words("No findings were recorded.")
        return
    judged = any(f.passed is not None for f in found)
    rows = []
    for finding in found[: caps.findings]:
        policy = {None: "not judged", True: "kept", False: "fails"}[finding.passed]
        value, bounds, n, method = _cells(finding.estimate)
        rows.append(
            (
                finding.code,
                words.SEVERITIES[finding.severity],
                *((policy,) if judged else ()),
                finding.sentence,
                value,
                bounds,
                n,
                finding.method or method,
            )
        )
    grave = [i for i, f in enumerate(found[: caps.findings]) if f.severity == "high"]
    failing = [i for i, f in enumerate(found[: caps.findings]) if f.passed is False]
    head = ("Code", "Severity", *(("Policy",) if judged else ()), "In words", *_VALUE)
    more = _cut(len(found), caps.findings, "findings")
    marked = frozenset(grave + failing)
    yield Grid(
        f"{len(found):,} findings, what fails the policy first, then the gravest",
        head,
        rows,
        "cllwrrrw" if judged else "clwrrrw",
        more,
        marked,
    )


def _subject(audit: Audit) -> Iterator[Block]:
    s = audit.subject
    texts = (
        ("Title", s.title),
        ("Predicts", s.outcome),
        ("For whom", s.population),
        ("Horizon", s.horizon),
        ("Version", s.version),
        ("Date", s.date),
        ("Owner", s.owner),
        ("Contact", s.contact),
        ("Period of the data", s.period),
        ("Data", s.data_name),
    )
    yield Facts(tuple((name, text.strip() or "not stated") for name, text in texts), 2)
    listed = [("Not for", text) for text in s.not_for] or [("Not for", "not stated")]
    listed += [("Limit", text) for text in s.limits] or [("Limits", "not stated")]
    yield Facts(tuple(listed))


def _figures(audit: Audit, caps: Caps) -> Iterator[Block]:
    card = audit.card
    if card is not None:
        terms = [(t.item.label, wording.points(t)) for t in card.terms]
        yield Grid(
            "Points",
            ("Statement", "Points"),
            terms[: caps.rows] or [(wording.NO_STATEMENT, "")],
            "lr",
            _cut(len(terms), caps.rows, "statements"),
        )
        if card.rows:
            head, rows = wording.risk_table(card)
            align = "l" + "r" * (len(head) - 1)
            more = _cut(len(rows), caps.rows, "totals")
            yield Grid("Totals", head, rows[: caps.rows], align, more)
    found = audit.evaluation
    if found is None:
        yield Words(words.why_not(audit, "evaluation"))
        return
    figures = {"prevalence": found.prevalence, **found.overall}
    rows = [(wording.figure_name(k), *_cells(e, k == "prevalence")) for k, e in figures.items()]
    yield Grid(f"Figures, {100 * found.level:g}% intervals", ("Figure", *_VALUE), rows, "lrrrw")
    if point := audit.operating_point:
        shares = (point.flagged, point.rightly_flagged, point.missed, point.events)
        names = ("flagged", "flagged, with the outcome", "missed", "with the outcome")
        yield Grid(
            f"Shares of all people, flagged from {point.threshold:g}",
            ("Who", *_VALUE),
            [(name, *_cells(e, True)) for name, e in zip(names, shares, strict=True)],
            "lrrrw",
        )


def _reliability(audit: Audit, caps: Caps) -> Iterator[Block]:
    curves = audit.reliability_by_group
    if not curves:
        yield Words(
            words.why_not(audit, "evaluation", "groups")
            if audit.reliability is None
            else "No group had enough people with and without the outcome."
        )
        return
    rows = []
    most = max(1, caps.rows // 10)
    labels = sorted(curves, key=lambda label: -curves[label].n)[:most]
    for label in labels:
        c = curves[label]
        bins = zip(c.predicted, c.observed, c.low, c.high, c.count, strict=True)
        for predicted, observed, low, high, count in bins:
            known = f"{wording.percent(low)} to {wording.percent(high)}" if low == low else "none"
            seen = wording.percent(observed)
            rows.append((label, wording.percent(predicted), seen, known, f"{count:,}"))
    curve = curves[labels[0]]
    scope = "for all bins of a group at once" if curve.simultaneous else "each bin on its own"
    yield Grid(
        f"Predicted and observed, {100 * curve.level:g}% intervals, {scope} ({curve.method})",
        ("Group", "Predicted", "Observed", "Interval", "n"),
        rows,
        "lrrrr",
        _cut(len(curves), most, "groups"),
    )


def _groups(audit: Audit, caps: Caps) -> Iterator[Block]:
    gaps = audit.gaps
    if gaps is None:
        yield Words(words.why_not(audit, "groups"))
        return
    yield Words(gaps.method, "quiet")
    for table in table_order(gaps.tables):
        yield from _group_table(table, caps)


def _group_table(table: GroupTable, caps: Caps) -> Iterator[Block]:
    percent = words.is_share(table.metric)
    kept = sorted(range(len(table.rows)), key=lambda i: _away(table.rows[i]))[: caps.groups]
    rows = [table.rows[i] for i in sorted(kept)]
    cells = []
    for row in rows:
        value, bounds, n, _ = _cells(row.estimate, percent, words.is_signed(table.metric))
        gap = _cells(row.gap, percent, True) if row.gap is not None else ("reference", "–", "", "")
        events = "–" if row.events is None else f"{row.events:,}"
        cells.append((row.group, n, events, value, bounds, gap[0], gap[1]))
    differ = frozenset(i for i, row in enumerate(rows) if _away(row) < 0 and row.gap is not None)
    against = f", gap to {table.reference}" if table.reference else ""
    yield Grid(
        f"{_capital(words.measure_name(table.metric))}{against}; {100 * table.level:g}% intervals "
        "that hold together",
        ("Group", "n", "Events", "Figure", "Interval", "Gap", "Interval of the gap"),
        cells or [("no group is large enough", *("–",) * 6)],
        "lrrrrrr",
        _cut(len(table.rows), caps.groups, "groups, nearer to the reference,"),
        differ,
    )
    small = [f"{row.group} (n {row.n:,})" for row in table.small[: caps.groups]]
    if small:
        more = len(table.small) - len(small)
        text = ", ".join(small) + (f" and {more:,} more" if more > 0 else "")
        yield Words(f"Too small to judge: {text}.", "quiet")
    yield Words(f"Method: {table.method}.", "quiet")


def _away(row: GroupRow) -> float:
    """Below 0 where the interval of the gap excludes no gap, lowest for the farthest."""
    if row.gap is None:
        return -math.inf
    if not (row.gap.low > 0 or row.gap.high < 0):
        return 1.0 - abs(row.gap.value) if row.gap.value == row.gap.value else math.inf
    return -max(row.gap.low, -row.gap.high)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _slices(audit: Audit, caps: Caps) -> Iterator[Block]:
    found = audit.slices
    if found is None:
        yield Words(words.why_not(audit, "slices"))
        return
    rows = []
    for s in found.slices[: caps.rows]:
        held = ("not held out", "")
        if s.confirmed is not None:
            held = (_two(s.confirmed, signed=True), f"{s.confirmed.n:,}")
        loss, gap = _two(s.loss), _two(s.gap, signed=True)
        p_value = "<0.0001" if s.p_value < 1e-4 else f"{s.p_value:.4f}"
        cells = (s.words, f"{s.n:,}", wording.percent(s.share), loss, gap, p_value, *held)
        rows.append((*cells, f"{s.score:.3f}"))
    head = ("Slice", "n", "Share", f"Mean {found.loss_name}", "Gap to the rest", "p, corrected")
    yield Grid(
        f"Worst slices of {found.examined:,} examined (up to {found.depth} conditions, at least "
        f"{found.min_rows:,} rows; mean over all {words.amount(found.baseline)})",
        (*head, "Gap, held out", "n held out", "Score"),
        rows or [("no slice does worse beyond chance", *("–",) * 8)],
        "lrrrrrrrr",
        _cut(len(found.slices), caps.rows, "slices"),
    )
    searched = f"Columns searched: {words.brief(', '.join(found.columns), 1500)}."
    yield Words(f"{found.method}. {searched}", "quiet")


def _multiplicity(audit: Audit) -> Iterator[Block]:
    found = audit.multiplicity
    if found is None:
        yield Words(words.why_not(audit, "multiplicity"))
        return
    rows = [
        (
            t.name,
            f"{t.epsilon:.3g}",
            words.between(t.mean_width),
            words.between(t.median_width),
            "no threshold" if t.conflicts is None else words.between(t.conflicts),
            f"{t.largest_gap:.1g}",
            f"{found.n:,}",
        )
        for t in found.tolerances
    ]
    head = ("Tolerance", "Loss above the best", "Mean width", "Median width")
    at = "Conflicts" if found.threshold is None else f"Conflicts at {found.threshold:g}"
    yield Grid(
        "Range of risks over all scores within each tolerance; brackets surely hold the figure",
        (*head, at, "Largest gap left open", "n"),
        rows,
        "lrrrrrr",
    )
    yield from _margins(found)
    yield Words(
        f"Scores: {found.score_class}; {found.n:,} people, {found.n_distinct:,} distinct; best "
        f"loss {found.loss:.6g}. {found.method}.",
        "quiet",
    )


def _margins(found: MultiplicityReport) -> Iterator[Block]:
    margins = list(dict.fromkeys(m for t in found.tolerances for m in t.ambiguity))
    margins += [m for t in found.tolerances for m in t.discrepancy if m not in margins]
    if not margins:
        return

    def cells(t: ToleranceReport, margin: str) -> tuple[str, str]:
        pair = (t.ambiguity.get(margin), t.discrepancy.get(margin))
        one, other = ("–" if bracket is None else words.between(bracket) for bracket in pair)
        return one, other

    rows = [(t.name, m, *cells(t, m), f"{found.n:,}") for t in found.tolerances for m in margins]
    yield Grid(
        "Ambiguity: share of people whose risk some score moves by the margin. Discrepancy: the "
        "largest share that one score moves",
        ("Tolerance", "Margin", "Ambiguity", "Discrepancy", "n"),
        rows,
        "lrrrr",
    )


def _responsiveness(audit: Audit, caps: Caps) -> Iterator[Block]:
    found = audit.responsiveness
    if found is None:
        yield Words(words.why_not(audit, "responsiveness"))
        return
    shares = [("no feasible change brings the target", found.fixed)]
    shares.append(("some feature alone can", found.has_reason))
    if found.notices_that_work is not None:
        shares.append(("usual notices with a reason that can work", found.notices_that_work))
    yield Grid(
        f"{found.n_asked:,} people without “{found.target}”, of {found.n:,}",
        ("Who", *_VALUE),
        [(name, *_cells(e, True)) for name, e in shares],
        "lrrrw",
    )
    ranked = sorted(found.features, key=lambda f: -f.can_work.value)
    rows = [
        (f.feature, *_cells(f.can_work, True)[:3], *_cells(f.mean_score, True)[:2])
        for f in ranked[: caps.rows]
    ]
    yield Grid(
        "Changing one feature alone: for whom it can work, and the mean share of changes that do",
        ("Feature", "Can work", "Interval", "n", "Mean share", "Interval"),
        rows or [("no feature can be changed", *("–",) * 5)],
        "lrrrrr",
        _cut(len(ranked), caps.rows, "features"),
    )
    yield Words(found.method, "quiet")


def _distillation(audit: Audit, caps: Caps) -> Iterator[Block]:
    found = audit.distillation
    if found is None:
        yield Words(words.why_not(audit, "distillation"))
        return
    rows = [("How well it copies the score", *_cells(found.fidelity))]
    if found.accuracy is not None:
        rows.append(("How well it explains the outcome", *_cells(found.accuracy)))
    yield Grid("The transparent copy", ("What", *_VALUE), rows, "lrrrw")
    if not found.shapes:
        return
    yield Words(ShapeDisplay.reading, "quiet")
    shown = found.shapes[: caps.shapes]
    for number, shape in enumerate(shown, 1):
        heading = f"{shape.feature}: importance {shape.importance:.3f}, n {sum(shape.n):,}"
        heading += "; differs from the outcome" if shape.differs else ""
        name = f"shape{number}"
        yield display_drawing(
            ShapeDisplay(shape), name, 330, 230, heading=words.brief(heading, 160)
        )
    yield from _importances(found, caps)
    yield Words(f"{found.method} n {found.n:,}.", "quiet")


def _importances(found: DistillationReport, caps: Caps) -> Iterator[Block]:
    shapes = found.shapes
    if len(shapes) > caps.shapes:
        yield Words(_cut(len(shapes), caps.shapes, "shapes"), "quiet")
    rows = [
        (s.feature, f"{s.importance:.3f}", "yes" if s.differs else "no", f"{sum(s.n):,}")
        for s in shapes[: caps.rows]
    ]
    yield Grid(
        f"Importance in the score; differs: the {100 * found.level:g}% band of score minus outcome "
        "excludes zero somewhere",
        ("Feature", "Importance", "Differs from the outcome", "n"),
        rows,
        "lrrr",
        _cut(len(shapes), caps.rows, "features"),
        frozenset(i for i, s in enumerate(shapes[: caps.rows]) if s.differs),
    )


def _missing_feature(audit: Audit) -> Iterator[Block]:
    report = audit.distillation
    found = None if report is None else report.missing_feature
    if found is None:
        yield Words(words.why_not(audit, *(("distillation",) if report is None else ())))
        return
    yield Words(
        "If the score used something that these data lack and that predicts the outcome, what "
        "both leave unexplained would be correlated."
    )
    named = (("Pearson", found.pearson), ("Spearman", found.spearman), ("Kendall", found.kendall))
    yield Grid(
        "Correlation of what is left unexplained, of score and of outcome",
        ("Coefficient", *_VALUE),
        [(name, *_cells(e, signed=True)) for name, e in named],
        "lrrrw",
    )
    p_value = "below 0.0001" if found.p_value < 1e-4 else f"{found.p_value:.4f}"
    yield Words(
        f"p {p_value}; n {found.n:,} would show a correlation of {found.detectable:.3f} with "
        f"probability {wording.percent(found.power)}. Explained: {wording.percent(found.score_r2)} "
        f"of the score, {wording.percent(found.outcome_r2)} of the outcome. {found.method}.",
        "quiet",
    )


def _selective(audit: Audit, caps: Caps) -> Iterator[Block]:
    found = audit.selective_labels
    if found is None:
        yield Words(words.why_not(audit, "selective_labels"))
        return
    shares = (
        ("outcome observed", found.observed),
        ("risk of the observed", found.risk_observed),
        ("risk of the others", found.risk_unobserved),
    )
    yield Grid(
        f"Who was observed, of {found.n:,}",
        ("Share", *_VALUE),
        [(name, *_cells(e, True)) for name, e in shares],
        "lrrrw",
    )
    if found.groups:
        rows = [
            (
                g.group,
                f"{g.n:,}",
                *(_two(e, True) for e in (g.tested, g.risk, g.risk_untested)),
                "yes" if g.under_tested else "no",
            )
            for g in found.groups[: caps.groups]
        ]
        yield Grid(
            "Tested, and the risk that the model infers",
            ("Group", "n", "Tested", "Risk", "Risk of the untested", "Under-tested"),
            rows,
            "lrrrrr",
            _cut(len(found.groups), caps.groups, "groups"),
            frozenset(i for i, g in enumerate(found.groups[: caps.groups]) if g.under_tested),
        )
    if found.policy:
        policy = list(found.policy.items())
        yield Grid(
            "The testing policy as inferred: weights beside the risk",
            ("Feature", *_VALUE),
            [(name, *_cells(e, signed=True)) for name, e in policy[: caps.rows]],
            "lrrrw",
            _cut(len(policy), caps.rows, "weights"),
        )
    constraints = "; ".join(found.constraints) or "none"
    yield Words(f"Constraints: {constraints}. {found.method}.", "quiet")


def _two(estimate: Estimate, percent: bool = False, signed: bool = False) -> str:
    """Value and interval for one cell."""
    bounds = _unbroken(estimate, percent, signed)
    return f"{words.value_of(estimate, percent, signed)} ({bounds})"


def _unbroken(estimate: Estimate, percent: bool, signed: bool) -> str:
    """The interval on one line; why there is none may take more."""
    bounds = words.bounds(estimate, percent, signed)
    return bounds if math.isnan(estimate.low) else bounds.replace(" ", "\N{NO-BREAK SPACE}")


def _columns(audit: Audit, caps: Caps) -> Iterator[Block]:
    columns = audit.columns
    if not columns:
        yield Words(words.why_not(audit, "data"))
        return
    shown = sorted(columns, key=lambda c: (not c.note, -c.missing))[: caps.rows]
    rows = [
        (c.name, f"{c.missing:,}", wording.percent(c.missing / max(audit.n, 1)), c.note or "–")
        for c in shown
    ]
    yield Grid(
        f"Missing values among {audit.n:,} rows, and what was noted; counts, no interval needed",
        ("Column", "Missing", "Share", "Noted"),
        rows,
        "lrrw",
        _cut(len(columns), caps.rows, "columns"),
    )


def _not_run(audit: Audit) -> Iterator[Block]:
    parts: Sequence[tuple[str, str]] = words.listed_parts(audit)
    if not parts:
        yield Words("Every part of the audit ran.")
        return
    yield Grid("Parts that did not run", ("Part", "Why"), parts, "lw")


def _reproduce(audit: Audit) -> Iterator[Block]:
    digests = {"Score": audit.subject.score_digest, "Data": audit.subject.data_digest}
    for finding in audit.findings:
        for name, digest in finding.digests.items():
            digests.setdefault(f"{_capital(name)}, of findings", digest)
    yield Facts(
        (
            *((f"{name} digest", digest or "not stated") for name, digest in digests.items()),
            ("Rows", words.rows_of(audit)),
            ("Level", f"{100 * audit.level:g}% where nothing else is said"),
            ("Time taken", f"{audit.seconds:.3g} seconds"),
            ("Made with", f"riskwright {__version__}"),
        )
    )
