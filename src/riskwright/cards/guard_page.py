"""The report on a guard as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from riskwright.core import Estimate, Finding
from riskwright.core.records import gravest_first
from riskwright.plots.guard_rates import GuardRatesDisplay
from riskwright.plots.reliability import ReliabilityDisplay

from . import wording
from .pages import page_template

if TYPE_CHECKING:
    from riskwright.guard.figures import GuardFigures, Rates

__all__ = ["guard_page"]

_ROWS = 60
_TALLEST, _FRAME, _PER_KIND = 440, 170, 44
_MEASURES = {"mean": "Mean", "var 0.95": "VaR 0.95", "cvar 0.95": "CVaR 0.95"}


class _Cell(NamedTuple):
    value: str
    bounds: str
    words: bool = False


class _Table(NamedTuple):
    id: str
    heading: str
    first: str
    columns: tuple[str, ...]
    rows: list[tuple[str, list[_Cell]]]
    note: str


def guard_page(
    figures: GuardFigures,
    *,
    title: str = "Guard report",
    data_name: str = "",
    promises: Sequence[tuple[str, str]] = (),
    findings: Sequence[Finding] = (),
    names: Mapping[str, str] | None = None,
) -> str:
    """What a guard missed, what it refused wrongly and what it cost, for people to read and print.

    Parameters
    ----------
    figures : GuardFigures, from `riskwright.guard.guard_figures`; aggregates only, so that no text
        of any exchange can get into the page.
    title, data_name : what was judged, and on which exchanges.
    promises : heading and statement of every certificate that the thresholds rest on.
    findings : such as whether the decision log is whole.
    names : hazard code -> name.

    Returns
    -------
    str
        One page without script, network or fonts of its own; it prints on A4.
    """
    known = names or {}
    pictures = _pictures(figures, known)
    return page_template("guard.html").render(
        title=title,
        data_name=data_name,
        facts=_facts(figures),
        sentences=_sentences(figures),
        notes=figures.notes,
        promises=promises,
        findings=gravest_first(findings),
        tables=[table for table in _tables(figures, known) if table.rows],
        pictures=pictures,
        actions=[(name, wording.count(count)) for name, count in figures.actions.items() if count],
        scorers=sorted(figures.scorers.items()),
        policy=figures.policy,
    )


def _pictures(figures: GuardFigures, names: Mapping[str, str]) -> list[tuple[str, str]]:
    displays: list[GuardRatesDisplay | ReliabilityDisplay] = []
    if figures.by_hazard:
        rates = {names.get(code, code): r for code, r in figures.by_hazard.items()}
        displays.append(GuardRatesDisplay(rates, name="by hazard"))
    if len(figures.regimes) > 1:
        displays.append(GuardRatesDisplay(figures.regimes, name="by strictness"))
    displays += [
        GuardRatesDisplay(groups, name=f"by {name}") for name, groups in figures.by_group.items()
    ]
    if figures.calibration is not None:
        displays.append(ReliabilityDisplay(figures.calibration, name="severity"))
    return [
        (display.to_svg(width=430, height=_height(display), name=f"g{k}"), display.reading)
        for k, display in enumerate(displays)
    ]


def _height(display: GuardRatesDisplay | ReliabilityDisplay) -> int:
    if isinstance(display, ReliabilityDisplay):
        return _TALLEST
    return min(_TALLEST, _FRAME + _PER_KIND * len(display.rates))


def _facts(figures: GuardFigures) -> list[tuple[str, str, str]]:
    facts = [
        ("Exchanges", wording.count(figures.n), f"{wording.count(figures.labelled)} with labels")
    ]
    if figures.overall is not None:
        for name, estimate in (
            ("Harm missed", figures.overall.missed),
            ("Harmless refused", figures.overall.refused),
            ("Escalated", figures.overall.escalated),
        ):
            facts.append((name, *_share(estimate)))
    if "AUROC" in figures.quality:
        facts.append(("AUROC", *_number(figures.quality["AUROC"])))
    return facts


def _sentences(figures: GuardFigures) -> list[str]:
    lines = []
    if rates := figures.overall:
        lines.append(
            f"Of {wording.count(rates.missed.n)} harmful exchanges {_of(rates.missed)} passed; of "
            f"{wording.count(rates.refused.n)} harmless ones {_of(rates.refused)} were refused; "
            f"{_of(rates.escalated)} of all went to somebody else to look at."
        )
    lines.append(figures.promise)
    if worst := figures.worst_regime:
        scores = [r.f1.value for r in figures.regimes.values() if not math.isnan(r.f1.value)]
        lines.append(
            f"Over the regimes, F1 is lowest in {worst!r} ({min(scores):.2f}); between the best "
            f"and the worst lie {max(scores) - min(scores):.2f}."
        )
    for outcome, count in figures.outcomes.items():
        lines.append(
            f"{wording.count(count)} of the exchanges: no score ({outcome}), so that the policy's "
            "fallback decided."
        )
    return lines


def _of(estimate: Estimate) -> str:
    value, bounds = _share(estimate)
    return f"{value} ({bounds})" if bounds else value


def _tables(figures: GuardFigures, names: Mapping[str, str]) -> list[_Table]:
    level = f"{100 * (figures.overall.missed.level if figures.overall else 0.95):g}%"
    note = f"{level} intervals, each on its own; few labels give wide ones."
    rates = ("Harmful", "Harm missed", "Harmless refused", "Escalated", "F1")
    found = [
        _Table(
            "regimes",
            "Strictness: the same exchanges under every regime",
            "Regime",
            rates,
            [(name, _rates(r)) for name, r in figures.regimes.items()],
            note,
        ),
        _Table(
            "hazards",
            "By hazard",
            "Hazard",
            (*rates, "AUROC"),
            [
                (
                    names.get(code, code),
                    [*_rates(r), _cell(figures.quality_by_hazard.get(code))],
                )
                for code, r in figures.by_hazard.items()
            ],
            f"{note} Harmless are the exchanges without any harm.",
        ),
    ]
    for name, groups in figures.by_group.items():
        rows = [(label, _rates(r)) for label, r in list(groups.items())[:_ROWS]]
        more = len(groups) - len(rows)
        found.append(
            _Table(
                f"by-{len(found)}",
                f"By {name}",
                name[:1].upper() + name[1:],
                rates,
                rows,
                f"{note} {more} more are not shown." if more else note,
            )
        )
    return [*found, *_listed(figures)]


def _listed(figures: GuardFigures) -> list[_Table]:
    """The tables of single figures, each with its method."""
    tail = {_measure(name): estimate for name, estimate in figures.passed_tail.items()}
    sources = {estimate.name.partition(", ")[2] for estimate in tail.values()} - {""}
    note = f"The {sources.pop()}." if len(sources) == 1 else ""
    listed = (
        ("quality", "The score itself", "Figure", figures.quality, ""),
        ("tail", "Severity of what passed", "Measure", tail, note),
        ("cost", "Cost", "Figure", figures.cost, ""),
    )
    found = []
    for key, heading, first, estimates, below in listed:
        rows = [
            (_capital(name), [_cell(e), _Cell(wording.count(e.n), ""), _Cell(e.method, "", True)])
            for name, e in estimates.items()
        ]
        found.append(_Table(key, heading, first, ("Value", "n", "Method"), rows, below))
    return found


def _measure(name: str) -> str:
    short = name.partition(" of ")[0]
    return _MEASURES.get(short, short)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _rates(rates: Rates) -> list[_Cell]:
    return [
        _Cell(wording.count(rates.harmful), f"of {wording.count(rates.n)}"),
        _Cell(*_share(rates.missed)),
        _Cell(*_share(rates.refused)),
        _Cell(*_share(rates.escalated)),
        _Cell(*_number(rates.f1)),
    ]


def _cell(estimate: Estimate | None) -> _Cell:
    return _Cell("", "") if estimate is None else _Cell(*_number(estimate))


def _share(estimate: Estimate) -> tuple[str, str]:
    if math.isnan(estimate.value):
        return "none", ""
    low, high = wording.percent(estimate.low), wording.percent(estimate.high)
    return wording.percent(estimate.value), f"{low} to {high}"


def _number(estimate: Estimate) -> tuple[str, str]:
    if math.isnan(estimate.value):
        return "none", ""
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return wording.decimal(estimate.value), "no interval"
    return wording.decimal(estimate.value), (
        f"{wording.decimal(estimate.low)} to {wording.decimal(estimate.high)}"
    )
