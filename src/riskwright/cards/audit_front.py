"""The first sheet of an audit: ten parts in the order in which a reader asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from riskwright.core import Estimate, ScoreCard
from riskwright.plots.display import Display
from riskwright.plots.group_reliability import GroupReliabilityDisplay
from riskwright.plots.net_benefit import NetBenefitDisplay
from riskwright.plots.range_widths import RangeWidthsDisplay
from riskwright.plots.recourse_bars import RecourseDisplay
from riskwright.plots.reliability import ReliabilityDisplay
from riskwright.plots.svg import to_svg

from . import audit_words as words
from . import wording
from .audit_blocks import Block, Drawing, Facts, Grid, Items, Part, Tiles, Words
from .audit_drawing import group_panels, shown_groups
from .audit_fit import Fit

if TYPE_CHECKING:
    from riskwright.audit.group_gaps import GroupGaps
    from riskwright.audit.multiplicity import MultiplicityReport, ToleranceReport
    from riskwright.audit.report import Audit, OperatingPoint
    from riskwright.audit.slices import Slice
    from riskwright.explanation.responsiveness import ResponsivenessReport
    from riskwright.metrics import NetBenefitCurve

__all__ = ["display_drawing", "front_parts", "head_facts"]

_PANELS = ("fpr", "fnr", "ppv", "calibration")
_FIGURES = ("auroc", "calibration_slope", "calibration_in_the_large", "brier")
_LONG = 150
_MEANINGS = {
    "fpr": "False positive rate: flagged, of those without the outcome.",
    "fnr": "False negative rate: missed, of those with it.",
    "ppv": "Precision: with the outcome, of those flagged.",
}


def front_parts(audit: Audit, sizes: Fit) -> list[Part]:
    """Parts 2 to 10; the head stands above them."""
    return [
        Part("2", "The score", "score", tuple(_score(audit, sizes)), 6),
        Part("3", "Do the risks come true?", "truth", tuple(_calibration(audit, sizes)), 6),
        Part("4", "What a decision does", "decision", tuple(_decision(audit, sizes)), 4),
        Part("5", "Groups", "groups", tuple(_groups(audit, sizes)), 8),
        Part("6", "Where it does worst", "slices", tuple(_slices(audit)), 4),
        Part("7", "Equally good scores", "multiplicity", tuple(_multiplicity(audit, sizes)), 4),
        Part("8", "What people can change", "recourse", tuple(_recourse(audit, sizes)), 4),
        Part("9", "Data", "data", (Facts(tuple(_data(audit))),), 6),
        Part("10", "Limits and contact", "limits", tuple(_limits(audit, sizes)), 6),
    ]


def head_facts(audit: Audit) -> Facts:
    """What it predicts, for whom, until when, not for what; version, date, owner, digests."""
    s = audit.subject
    data = " ".join(
        filter(None, (words.name_of(s.data_name, 60), words.short_digest(s.data_digest)))
    )
    pairs = (
        ("Predicts", words.brief(s.outcome, _LONG)),
        ("For whom", words.brief(s.population, _LONG)),
        ("Horizon", words.brief(s.horizon or _horizon(audit), 80)),
        ("Not for", words.brief("; ".join(s.not_for), _LONG)),
        ("Version, date", ", ".join(words.brief(t, 40) for t in (s.version, s.date) if t)),
        ("Owner", words.brief(s.owner, 80)),
        ("Score digest", words.short_digest(s.score_digest)),
        ("Audited on", data),
    )
    return Facts(tuple((name, text or "not stated") for name, text in pairs), 2)


def _horizon(audit: Audit) -> str:
    time = words.horizon_of(audit)
    return "" if time is None else f"{time:g}, in the unit of the follow-up times"


def display_drawing(
    display: Display, name: str, width: float, height: float, *, heading: str = ""
) -> Drawing:
    """A display without title and caption, for a page that says both."""
    figure = display.figure()
    svg = display.to_svg(width=width, height=height, name=name, bare=True)
    tall = _height(svg, height)
    return Drawing(svg, width, tall, figure.title, figure.description, heading)


def _picture(
    display: Display, name: str, column: float, width: float, height: float, sizes: Fit
) -> Drawing:
    """A display in a `column` so wide on the sheet, with the room that is left for it."""
    width /= sizes.tall
    least = display_drawing(display, f"{name}-picture", width, height)
    extra = min(sizes.extra.get(name, 0.0), 110.0) * width / column
    if extra < 1:
        return least
    return display_drawing(display, f"{name}-picture", width, least.height + extra)


def _height(svg: str, asked: float) -> float:
    """The height that the picture took, from its `viewBox`."""
    box = svg.partition('viewBox="')[2].partition('"')[0].split()
    return float(box[3]) if len(box) == 4 else asked


def _score(audit: Audit, sizes: Fit) -> Iterator[Block]:
    card = audit.card
    if card is None:
        digest = words.short_digest(audit.subject.score_digest)
        yield Words(
            "A number for each person, higher where the outcome is likelier. It came without a "
            "table of points, so it was audited by what it says, not by how it adds up"
            + (f" (score {digest})." if digest else ".")
        )
        yield from _performance(audit)
        yield from _uses(audit, sizes)
        return
    terms = [(words.name_of(t.item.label, 90), wording.points(t)) for t in card.terms]
    more = len(terms) - sizes.terms
    yield Grid(
        "Add up what is true",
        ("Statement", "Points"),
        terms[: sizes.terms] or [(wording.NO_STATEMENT, "")],
        "lr",
        f"{more:,} more statements are in the appendix." if more > 0 else "",
    )
    if card.rows:
        yield _totals(card, sizes.totals)
    yield Words(wording.formula(card), "quiet")


def _totals(card: ScoreCard, most: int) -> Grid:
    head, rows = wording.risk_table(card)
    size = len(rows)
    kept = sorted({round(i * (size - 1) / max(most - 1, 1)) for i in range(most)})
    shown = rows if size <= most else [rows[i] for i in kept]
    more = f"{len(shown)} of {size} totals; all are in the appendix." if size > len(shown) else ""
    return Grid("Read what the total means", head, shown, "l" + "r" * (len(head) - 1), more)


def _performance(audit: Audit) -> Iterator[Block]:
    found = audit.evaluation
    if found is None:
        return
    figures = {k: found.overall[k] for k in _FIGURES if k in found.overall}
    rows = [
        (wording.figure_name(key), words.value_of(e), words.bounds(e), f"{e.n:,}")
        for key, e in figures.items()
    ]
    if rows:
        level = f"{100 * found.level:g}% interval"
        yield Grid("How well it does", ("Figure", "Value", level, "n"), rows, "lrrr")


def _uses(audit: Audit, sizes: Fit) -> Iterator[Block]:
    """What a transparent copy of a black box shows, and whether it uses what the data lack."""
    found = audit.distillation
    if found is None or not found.shapes:
        return
    ranked = sorted(found.shapes, key=lambda shape: -shape.importance)
    compared = found.accuracy is not None
    rows = [
        (words.name_of(s.feature, 60), f"{s.importance:.3f}", *(_unlike(s.differs) * compared))
        for s in ranked[: max(sizes.texts, 3)]
    ]
    head = ("Feature", "Importance", *(("Unlike the outcome",) * compared))
    known = words.amount(found.fidelity, percent=True)
    caption = "What it uses most, by a transparent copy"
    yield Grid(caption, head, rows, "l" + "r" * (len(head) - 1), f"R2 of the copy: {known}.")
    if (test := found.missing_feature) is not None:
        proven = "something" if test.pearson.low > 0 else "nothing proven"
        text = f"It uses {proven} that predicts the outcome and is not in these data: what both "
        text += f"leave unexplained correlates by {words.amount(test.pearson, signed=True)}."
        yield Words(text, "quiet")


def _unlike(differs: bool) -> tuple[str]:
    return ("yes" if differs else "not proven",)


def _calibration(audit: Audit, sizes: Fit) -> Iterator[Block]:
    curve = audit.reliability
    if curve is None:
        yield Words(words.why_not(audit, "evaluation"))
    else:
        display: Display = ReliabilityDisplay(curve)
        groups = audit.reliability_by_group
        if groups:
            display = GroupReliabilityDisplay(curve, groups)
        yield _picture(display, "truth", 345, 500, 300, sizes)
    texts = [] if audit.evaluation is None else _calibration_texts(audit.evaluation.overall)
    if curve is not None:
        kind = "Band" if curve.simultaneous else "Bars"
        texts.append(f"{kind}: {100 * curve.level:g}% intervals, n {curve.n:,}.")
        if (time := words.horizon_of(audit)) is not None:
            texts.append(f"Outcomes at {time:g}.")
        more = len(audit.reliability_by_group) - 4
        if more > 0:
            texts.append(f"{more:,} smaller groups are in the appendix.")
    if texts:
        yield Words(" ".join(texts), "quiet")


def _calibration_texts(figures: dict[str, Estimate]) -> list[str]:
    texts = []
    if (shift := figures.get("calibration_in_the_large")) is not None:
        side = _side(shift, 0.0, ("too high", "too low"))
        texts.append(f"On the whole risks are {side}: calibration in the large {_bounded(shift)}.")
    if (slope := figures.get("calibration_slope")) is not None:
        side = _side(slope, 1.0, ("too far apart", "too much alike"))
        texts.append(f"Low and high risks are {side}: slope {_bounded(slope)}.")
    if (auroc := figures.get("auroc")) is not None:
        texts.append(f"AUROC {_bounded(auroc)}.")
    return texts


def _bounded(estimate: Estimate) -> str:
    return f"{words.value_of(estimate)} ({words.bounds(estimate)})"


def _side(estimate: Estimate, ideal: float, sides: tuple[str, str]) -> str:
    """On which side of the ideal the interval lies; one that covers it proves neither."""
    if estimate.high < ideal:
        return sides[0]
    return sides[1] if estimate.low > ideal else f"not proven {sides[0]} or {sides[1]}"


def _decision(audit: Audit, sizes: Fit) -> Iterator[Block]:
    point = audit.operating_point
    if point is None and audit.net_benefit is not None:
        yield Words("No threshold was stated, so no decision was judged.")
    if point is not None:
        yield Words(_per_thousand(audit, point))
        yield Tiles(
            (
                _thousand(point.flagged, "flagged"),
                _thousand(point.rightly_flagged, "of them with the outcome"),
                _thousand(point.missed, "with the outcome, missed"),
            )
        )
    if audit.net_benefit is None:
        if point is None:
            yield Words(words.why_not(audit, "evaluation"))
        return
    yield _picture(NetBenefitDisplay(audit.net_benefit), "decision", 225, 360, 200, sizes)
    yield Words(
        _benefit_note(audit.net_benefit, None if point is None else point.threshold), "quiet"
    )


def _per_thousand(audit: Audit, point: OperatingPoint) -> str:
    shown, _, known = _thousand(point.events, "")
    time, n = words.horizon_of(audit), point.flagged.n
    rest = "" if n == audit.n else " whose outcome is known"
    have = "have the outcome" if time is None else f"have the outcome by {time:g}"
    if time is not None and n < audit.n:
        rest, known = "", f"{known}; weighted for those not followed so long"
    return (
        f"Of 1,000 people{rest} {shown} {have} ({known}). Flagged from a score of "
        f"{point.threshold:g} (n {n:,}):"
    )


def _benefit_note(curve: NetBenefitCurve, threshold: float | None) -> str:
    text = f"Band: {100 * curve.level:g}% intervals, n {curve.n:,}."
    if threshold is None or threshold not in curve.threshold:
        return text
    at = curve.threshold.index(threshold)
    gain = f"{curve.net_benefit[at]:.3f} ({curve.low[at]:.3f} to {curve.high[at]:.3f})"
    text += f" Net benefit at {threshold:g}: {gain}; of acting on all: {curve.treat_all[at]:.3f}."
    return text.replace("-", wording.MINUS)


def _thousand(share: Estimate, what: str) -> tuple[str, str, str]:
    scaled = [f"{1000 * value:.0f}" for value in (share.low, share.high) if value == value]
    known = " to ".join(scaled) if len(scaled) == 2 else words.bounds(share)
    return (f"{1000 * share.value:.0f}" if share.value == share.value else "none", what, known)


def _groups(audit: Audit, sizes: Fit) -> Iterator[Block]:
    gaps = audit.gaps
    if gaps is None:
        yield Words(words.why_not(audit, "groups"))
        return
    named = {table.metric: table for table in gaps.tables if table.rows or table.small}
    tables = [named[key] for key in _PANELS if key in named] or list(named.values())[:4]
    if not tables:
        yield Words("No group was large enough to be judged.")
        return
    groups, many = shown_groups(tables, sizes.groups)
    width = 620 / sizes.tall
    extra = sizes.extra.get("groups", 0.0) * width / 460
    picture = group_panels(tables, groups, width, min(extra / len(groups), 12.0))
    svg = to_svg(picture, name="groups-picture")
    yield Drawing(svg, picture.width, picture.height, picture.title, picture.description)
    keys = [table.metric for table in tables]
    yield Words(_groups_sentence(gaps, keys, len(groups), many), "quiet")


def _groups_sentence(gaps: GroupGaps, shown_keys: Sequence[str], shown: int, many: int) -> str:
    compared = any(table.reference is not None for table in gaps.tables)
    text = f"Dots: gap to {_reference(gaps.reference)}" if compared else "Dots: the figure itself"
    text += (
        f", with {100 * gaps.level:g}% intervals that hold for all groups of a measure at once; "
    )
    text += "numbers: the group's own. "
    if compared:
        text += "Black and bold: a gap is proven; grey and open: none is. "
    text += " ".join(_MEANINGS[key] for key in shown_keys if key in _MEANINGS) + " "
    if gaps.at is not None:
        text += f"Flagged from {gaps.at:g}. "
    if gaps.horizon is not None:
        text += f"Outcomes at {gaps.horizon:g}. "
    if many > shown:
        text += f"{shown} of {many:,} groups, those farthest off; more are in the appendix."
    return text.strip()


def _reference(name: str) -> str:
    return {"rest": "everybody else", "overall": "all people"}.get(name, name)


def _slices(audit: Audit) -> Iterator[Block]:
    found = audit.slices
    if found is None:
        yield Words(words.why_not(audit, "slices"))
        return
    if not found.slices:
        yield Words(
            f"None of {found.examined:,} slices of at least {found.min_rows:,} rows does worse "
            f"than the rest beyond chance (n {found.n:,}, all of them tested together)."
        )
        return
    yield Words(
        f"By how much the mean {words.brief(found.loss_name, 40)} (0 is best) is larger than for "
        f"everybody else; {found.examined:,} slices examined, the search allowed for. Mean over "
        f"all {words.amount(found.baseline)}.",
        "quiet",
    )
    marked = ((_confirmed(s, found.level), _slice_text(s)) for s in found.slices[:3])
    yield Items(tuple(marked), ordered=True)


def _confirmed(found: Slice, level: float) -> str:
    """As the findings have it: both interval and p-value of the rows held out must say so."""
    if found.confirmed is None:
        return "not held out"
    p = found.confirmed_p_value
    chance = p is not None and p > 1 - level
    return "confirmed" if found.confirmed.low > 0 and not chance else "not confirmed"


def _slice_text(found: Slice) -> str:
    text = f"{words.name_of(found.words, 110)}: n {found.n:,} ({wording.percent(found.share)}), "
    text += f"gap {words.value_of(found.gap, signed=True)} ({words.bounds(found.gap, signed=True)})"
    if found.confirmed is None:
        return f"{text}."
    return f"{text}; held out {words.amount(found.confirmed, signed=True)}."


def _multiplicity(audit: Audit, sizes: Fit) -> Iterator[Block]:
    found = audit.multiplicity
    if found is None or not found.tolerances:
        yield Words(words.why_not(audit, "multiplicity"))
        return
    yield Words(_multiplicity_sentence(found))
    display = RangeWidthsDisplay(found.tolerances, found.n)
    yield _picture(display, "multiplicity", 225, 360, 200, sizes)
    gap = 100 * max(t.largest_gap for t in found.tolerances)
    shown = "0.001" if gap <= 0.001 else f"{gap:.2g}"
    yield Words(
        f"n {found.n:,}; every person's range is proven to within {shown} percentage points.",
        "quiet",
    )


def _multiplicity_sentence(found: MultiplicityReport) -> str:
    """What the first two tolerances mean for people."""
    told = found.tolerances[:2]
    conflicts = [(t, t.conflicts) for t in told if t.conflicts is not None]
    shares = [(t, c) for t, c in conflicts] or [(t, t.mean_width) for t in told]
    texts = [f"{words.between(share)} (loss within {_tolerance(t)})" for t, share in shares]
    if conflicts:
        people = " and for ".join(texts)
        return f"Some equally good score would decide otherwise for {people} of people."
    return f"A person's risk ranges on average over {' and '.join(texts)}."


def _tolerance(found: ToleranceReport) -> str:
    name = words.brief(found.name, 24)
    return f"{name} of the best" if name.endswith("%") else name


def _recourse(audit: Audit, sizes: Fit) -> Iterator[Block]:
    found = audit.responsiveness
    if found is None:
        yield Words(words.why_not(audit, "responsiveness"))
        return
    yield Words(
        f"Of {found.n_asked:,} people who do not get “{words.name_of(found.target, 40)}”, "
        f"{words.value_of(found.fixed, True)} ({words.bounds(found.fixed, True)}) "
        "cannot get it by any change that was stated as feasible."
    )
    if (notices := found.notices_that_work) is not None:
        yield Words(
            f"{words.value_of(notices, True)} ({words.bounds(notices, True)}) of the usual notices "
            "(what costs most points) name a reason that can work."
        )
    working = sum(f.can_work.value > 0 for f in found.features)
    if working:
        shown = min(working, 5)
        display = RecourseDisplay(found, most=shown)
        yield _picture(display, "recourse", 225, 360, 70 + 26 * shown, sizes)
    yield Words(_recourse_note(found), "quiet")


def _recourse_note(found: ResponsivenessReport) -> str:
    how = "every feasible change was tried" if found.exact else "feasible changes were sampled"
    level = f"bars: {100 * found.fixed.level:g}% intervals; "
    text = f"One feature changed at a time; {level}{how}; n {found.n_asked:,}."
    idle = [words.name_of(f.feature, 30) for f in found.features if f.can_work.value == 0]
    if idle:
        more = f" and {len(idle) - 4:,} more" if len(idle) > 4 else ""
        text += f" For nobody: {', '.join(idle[:4])}{more}."
    lacking = [f.can_work for f in found.features if f.can_work.low != f.can_work.low]
    return f"{text} No bar: {words.bounds(lacking[0])}." if lacking else text


def _data(audit: Audit) -> Iterator[tuple[str, str]]:
    s = audit.subject
    yield "Period", words.brief(s.period, 100) or "not stated"
    yield "Rows", words.rows_of(audit)
    yield "Missing values", _missing(audit)
    found = audit.selective_labels
    if found is None:
        yield "Unobserved outcomes", words.why_not(audit, "selective_labels")
    else:
        yield (
            "Unobserved outcomes",
            f"{words.share_of(found.observed)} were observed; risk of the others "
            f"{words.share_of(found.risk_unobserved)}, of the observed "
            f"{words.share_of(found.risk_observed)}",
        )
    notes = [
        f"{words.name_of(c.name, 30)}: {words.brief(c.note, 60)}" for c in audit.columns if c.note
    ]
    more = f"; and {len(notes) - 3:,} more" if len(notes) > 3 else ""
    yield "Noted", "; ".join(notes[:3]) + more if notes else "nothing"


def _missing(audit: Audit) -> str:
    if not audit.columns:
        return words.why_not(audit, "data")
    lacking = sorted((c for c in audit.columns if c.missing), key=lambda c: -c.missing)
    if not lacking:
        return f"none in {len(audit.columns):,} columns"
    named = [
        f"{words.name_of(c.name, 30)}: {c.missing:,} "
        f"({wording.percent(c.missing / max(audit.n, 1))})"
        for c in lacking[:3]
    ]
    return f"in {len(lacking):,} of {len(audit.columns):,} columns, most in {', '.join(named)}"


def _limits(audit: Audit, sizes: Fit) -> Iterator[Block]:
    limits = audit.subject.limits
    if limits:
        texts = [("", words.brief(text, 200)) for text in limits[: sizes.texts]]
        more = len(limits) - len(texts)
        texts += [("", f"{more:,} more are in the appendix.")] if more > 0 else []
        yield Items(tuple(texts))
    else:
        yield Words("No limits were stated. Check the score on your own people before use.")
    lines: list[tuple[str, str]] = []
    contact = audit.subject.contact or audit.subject.owner
    lines.append(("Contact", words.brief(contact, 120) or "not stated"))
    skipped = words.listed_parts(audit)
    if skipped:
        named = ", ".join(name for name, _ in skipped)
        lines.append(("Did not run", f"{words.brief(named, 160)}; reasons are in the appendix"))
    yield Facts(tuple(lines))


def table_order(tables: Sequence[Any]) -> list[Any]:
    """Tables in the order of the panels, the others after them."""
    first = {key: i for i, key in enumerate(_PANELS)}
    return sorted(tables, key=lambda table: first.get(table.metric, len(first)))
