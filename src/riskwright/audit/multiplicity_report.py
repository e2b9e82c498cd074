"""Records of predictive multiplicity and the sentences that they bear out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from riskwright.core import Estimate, Finding, Record
from riskwright.core.records import Severity

__all__ = ["Bracket", "MultiplicityReport", "ToleranceReport", "multiplicity_findings"]

Bracket = tuple[float, float]

HIGH_CONFLICTS = 0.2  # share of people on whom equally good scores surely disagree
HIGH_AMBIGUITY = 0.5  # share of people whose risk surely depends on the choice of score


class ToleranceReport(Record, frozen=True, kw_only=True):
    """What holds over all models whose loss is at most `epsilon` above the best.

    Brackets are (surely at least, surely at most). `widths` counts people by the width of their
    range of risks, in equal bins from 0 to 1; `ambiguity` and `discrepancy` hold, by margin delta,
    the share of people whose risk can move by delta over all models, and the largest share that
    one model moves; `conflicts` is the share on whom equally good models disagree at `threshold`.
    """

    name: str
    epsilon: float
    mean_width: Bracket
    median_width: Bracket
    widths: tuple[int, ...]
    ambiguity: dict[str, Bracket]
    discrepancy: dict[str, Bracket]
    conflicts: Bracket | None
    largest_gap: float


class MultiplicityReport(Record, frozen=True, kw_only=True):
    """Multiplicity at each tolerance."""

    tolerances: tuple[ToleranceReport, ...]
    score_class: str
    threshold: float | None
    n: int
    n_distinct: int
    loss: float
    method: str
    findings: tuple[Finding, ...] = ()


def multiplicity_findings(
    rows: Sequence[ToleranceReport], name: str, threshold: float | None, n: int, method: str
) -> tuple[Finding, ...]:
    """What the row called `name` says in words, with sampling noise beside it if it is a row."""
    by_name = {row.name: row for row in rows}
    row = by_name[name]
    noise = by_name.get("noise") if name != "noise" else None
    return tuple(_findings(row, noise, threshold, n, method))


def _findings(
    row: ToleranceReport,
    noise: ToleranceReport | None,
    threshold: float | None,
    n: int,
    method: str,
) -> Iterator[Finding]:
    good = f"equally good score ({_within(row)})"
    if row.conflicts is not None:
        plain = _share(row.conflicts)
        beside = (
            f"; within sampling noise alone, {_share(noise.conflicts)}"
            if noise is not None and noise.conflicts is not None
            else ""
        )
        yield Finding(
            code="multiplicity.conflicts",
            sentence=f"Of {n:,} people, {plain} would be decided otherwise at a risk of "
            f"{threshold:g} by some {good}{beside}.",
            severity=_severity(row.conflicts, HIGH_CONFLICTS),
            estimate=_estimate("conflicts", row.conflicts, n),
            method=method,
        )
    if row.ambiguity:
        delta = next((d for d in row.ambiguity if float(d) >= 0.1), list(row.ambiguity)[-1])
        bracket, one = row.ambiguity[delta], row.discrepancy[delta]
        yield Finding(
            code="multiplicity.ambiguity",
            sentence=f"Of {n:,} people, {_share(bracket)} have a risk that some {good} puts at "
            f"least {100 * float(delta):g} percentage points higher or lower; a single such score "
            f"does so for {_share((one[0], one[0]))} of them or more.",
            severity=_severity(bracket, HIGH_AMBIGUITY),
            estimate=_estimate(f"ambiguity at {delta}", bracket, n),
            method=method,
        )
    yield Finding(
        code="multiplicity.width",
        sentence=f"Over all {good.replace('score', 'scores')}, the risk of a person spans "
        f"{_points(row.mean_width)} percentage points on average over {n:,} people"
        + (f"; within sampling noise alone, {_points(noise.mean_width)}" if noise else "")
        + ".",
        severity="info",
        estimate=_estimate("mean width", row.mean_width, n),
        method=method,
    )


def _within(row: ToleranceReport) -> str:
    if row.name == "noise":
        return "training loss within sampling noise of the best"
    if row.name.endswith("%"):
        return f"training loss within {row.name} of the best"
    return f"training loss within {row.epsilon:g} of the best"


def _severity(bracket: Bracket, limit: float) -> Severity:
    low, high = bracket
    if low > limit:
        return "high"
    if low > 0:
        return "medium"
    return "low" if high > 0 else "info"


def _share(bracket: Bracket) -> str:
    """
    >>> _share((0.3111, 0.3113)), _share((0.1, 0.25))
    ('31.1%', '10.0% to 25.0%')
    """
    low, high = (f"{100 * end:.1f}%" for end in bracket)
    return low if low == high else f"{low} to {high}"


def _points(bracket: Bracket) -> str:
    low, high = (f"{100 * end:.1f}" for end in bracket)
    return low if low == high else f"{low} to {high}"


def _estimate(name: str, bracket: Bracket, n: int) -> Estimate:
    low, high = bracket
    return Estimate(
        value=low,
        low=low,
        high=high,
        level=1.0,
        n=n,
        method="certified bracket for these people (attained by scores found, not exceeded by "
        "any); value: the attained end",
        name=name,
        bracket=bracket,
    )
