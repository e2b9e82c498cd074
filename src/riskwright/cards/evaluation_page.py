"""An evaluation as one self-contained HTML page: figures, displays, groups, decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from riskwright.core import Estimate, Finding
from riskwright.core.records import gravest_first
from riskwright.plots.display import Display, listed
from riskwright.plots.group_gap import GroupGapDisplay, group_rows, small_groups
from riskwright.plots.reliability import ReliabilityDisplay

from . import wording
from .pages import page_template

if TYPE_CHECKING:
    from riskwright.metrics import Evaluation

__all__ = ["DecisionSection", "evaluation_page"]

_GROUP_FIGURES = ("prevalence", "auroc", "brier", "calibration_in_the_large", "calibration_slope")
_GROUPS_SHOWN, _SMALL_SHOWN = 60, 60


class DecisionSection(TypedDict, total=False):
    """What a decision rule guarantees: a heading, its statement, and rows of a name and a text."""

    heading: str
    statement: str
    rows: Sequence[tuple[str, str]]


class _Cell(NamedTuple):
    value: str
    bounds: str


class _GroupTable(NamedTuple):
    name: str
    level: str
    methods: str
    rows: list[tuple[str, str, _Cell, _Cell | None]]
    more: int
    small: str


class _Picture(NamedTuple):
    svg: str
    reading: str


def evaluation_page(
    evaluation: Evaluation,
    displays: Sequence[Display] = (),
    *,
    title: str = "Evaluation",
    data_name: str = "",
    notes: Sequence[str] = (),
    findings: Sequence[Finding] = (),
    decisions: Sequence[DecisionSection] = (),
    calibration: tuple[ReliabilityDisplay, ReliabilityDisplay] | None = None,
) -> str:
    """The evaluation as one HTML page that loads nothing, has no script, and prints on A4.

    Parameters
    ----------
    evaluation : Evaluation, from `riskwright.evaluate`
    displays : drawn in the order given, each with a sentence on how to read it; a
        `GroupGapDisplay` also becomes a table.
    title, data_name : what was evaluated, and on which rows.
    notes : sentences for the reader, such as how the rows were chosen.
    findings : what audits and checks found, the gravest first.
    decisions : what decision rules guarantee, one section each.
    calibration : reliability before and after recalibration, side by side.

    Returns
    -------
    str
        At most 300 kB with eight displays; of more than 60 groups it says how many are not shown.
        All text is escaped; a content security policy forbids every request.

    Examples
    --------
    >>> from riskwright.metrics import evaluate
    >>> page = evaluation_page(evaluate([0, 1, 1, 0], [0.2, 0.7, 0.6, 0.4]), title="Pilot")
    >>> "<h1>Pilot</h1>" in page, "<script" in page
    (True, False)
    """
    before_after = ("Before", "After")
    return page_template("evaluation.html").render(
        title=title,
        data_name=data_name,
        facts=_facts(evaluation),
        sentences=_sentences(evaluation),
        notes=list(notes),
        findings=gravest_first(findings),
        figures=_figures(evaluation),
        level=_level(evaluation.level),
        pictures=[_picture(display, f"p{i}") for i, display in enumerate(displays)],
        group_tables=[_group_table(d) for d in displays if isinstance(d, GroupGapDisplay)],
        groups=_groups(evaluation),
        more_groups=max(len(evaluation.by_group) - _GROUPS_SHOWN, 0),
        decisions=[{"heading": "", "statement": "", "rows": (), **d} for d in decisions],
        calibration=[
            (word, _picture(display, f"c{word.lower()}"))
            for word, display in zip(before_after, calibration or (), strict=False)
        ],
        wording=wording,
    )


def _picture(display: Display, name: str) -> _Picture:
    return _Picture(display.to_svg(width=420, height=430, name=name), display.reading)


def _level(level: float) -> str:
    return f"{100 * level:g}%"


def _facts(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """What the page opens with: name, figure, interval."""
    lines = [
        ("Rows", wording.count(evaluation.n), ""),
        ("Events", wording.count(evaluation.events), _percent(evaluation.prevalence)),
    ]
    for key, name in (("auroc", "AUROC"), ("brier", "Brier score")):
        if key in evaluation.overall:
            cell = _cell(evaluation.overall[key])
            lines.append((name, cell.value, cell.bounds))
    return lines


def _percent(share: Estimate) -> str:
    if math.isnan(share.value):
        return ""
    return f"{wording.percent(share.value)} of rows ({wording.interval(share)})"


def _cell(estimate: Estimate) -> _Cell:
    value = "none" if math.isnan(estimate.value) else wording.decimal(estimate.value)
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return _Cell(value, "no interval")
    return _Cell(value, f"{wording.decimal(estimate.low)} to {wording.decimal(estimate.high)}")


def _figures(evaluation: Evaluation) -> list[tuple[str, _Cell, str]]:
    """Name, value with interval, and method of every figure."""
    figures = {"prevalence": evaluation.prevalence, **evaluation.overall}
    return [
        (_sentence_case(wording.figure_name(key)), _cell(estimate), estimate.method)
        for key, estimate in figures.items()
    ]


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentences(evaluation: Evaluation) -> list[str]:
    """What the figures say about ranking, level and spread, in plain words."""
    known = {k: e for k, e in evaluation.overall.items() if not math.isnan(e.low)}
    lines = []
    if auroc := known.get("auroc"):
        low, high = wording.percent(auroc.low), wording.percent(auroc.high)
        lines.append(
            "Ranking: of a person with the outcome and one without, the first has the higher risk "
            f"in {wording.percent(auroc.value)} of pairs ({low} to {high}; chance alone: 50%)."
        )
    if shift := known.get("calibration_in_the_large"):
        lines.append(f"Level: {_side(shift, 0.0, *_LEVEL)}")
    if slope := known.get("calibration_slope"):
        lines.append(f"Spread: {_side(slope, 1.0, *_SPREAD)}")
    return lines


_LEVEL = (
    "on the whole, risks are predicted too high.",
    "on the whole, risks are neither clearly too high nor clearly too low.",
    "on the whole, risks are predicted too low.",
)
_SPREAD = (
    "high risks are predicted too high and low ones too low (the slope is below 1).",
    "predicted risks are neither clearly too extreme nor clearly too much alike.",
    "predicted risks are too much alike (the slope is above 1).",
)


def _side(estimate: Estimate, ideal: float, below: str, around: str, above: str) -> str:
    if estimate.high < ideal:
        return below
    return above if estimate.low > ideal else around


def _groups(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, str, list[_Cell]]]]:
    """Names of figures, and for every group its label, number of rows and figures."""
    parts = list(evaluation.by_group.items())[:_GROUPS_SHOWN]
    shown = [k for k in _GROUP_FIGURES if any(k in figures for _, figures in parts)]
    none = _Cell("none", "")
    rows = [
        (
            label,
            wording.count(next(iter(figures.values())).n),
            [_cell(figures[key]) if key in figures else none for key in shown],
        )
        for label, figures in parts
    ]
    names = (_sentence_case(wording.figure_name(k).partition(" (")[0]) for k in shown)
    return tuple(names), rows


def _group_table(display: GroupGapDisplay) -> _GroupTable:
    table, rows = display.table, group_rows(display.table)
    gaps = (row.gap for row in rows if row.gap is not None)
    return _GroupTable(
        _sentence_case(wording.figure_name(table.metric).partition(" (")[0]),
        _level(table.level),
        "; ".join(dict.fromkeys(gap.method for gap in gaps)),
        [
            (
                row.group,
                wording.count(row.estimate.n),
                _cell(row.estimate),
                None if row.gap is None else _cell(row.gap),
            )
            for row in rows[:_GROUPS_SHOWN]
        ],
        max(len(rows) - _GROUPS_SHOWN, 0),
        listed(small_groups(table), _SMALL_SHOWN, ", "),
    )
