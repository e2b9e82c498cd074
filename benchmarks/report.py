"""Results as one Markdown table: figures, seconds, memory, and ratios to the best peer."""

from typing import Any

from .tasks import Limit

__all__ = ["ours_beside_peers", "table", "verdicts"]

OURS = "riskwright"
HIGHER_IS_BETTER = ("auc", "million_rows_per_s", "calls_per_s")
DIFFERENCES = ("loss", "auc")
RATIOS = ("wall_s", "cpu_s", "peak_mb", "million_rows_per_s", "us_per_row", "calls_per_s")
DIGITS = {"auc": 5, "mean_risk": 5, "value": 7, "low": 5, "high": 5, "threshold": 5}
NAMES = {
    "wall_s": "seconds",
    "cpu_s": "CPU",
    "peak_mb": "memory",
    "million_rows_per_s": "rows/s",
    "us_per_row": "µs",
    "calls_per_s": "calls/s",
}
HEAD = (
    *("measure", "case", "competitor", "result", "first s", "wall s", "CPU s", "peak MB"),
    *("ours / best peer", "required"),
)


def _value(row: dict[str, Any], name: str) -> float | None:
    return row["figures"].get(name, row.get(name))


def _peers(row: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The peers that ran in the case of a row."""
    case = (row["measure"], row["case"])
    same = [r for r in rows if (r["measure"], r["case"]) == case and r["status"] == "ok"]
    return [r for r in same if r["competitor"] != OURS]


def ours_beside_peers(row: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, float]:
    """Our figure over the best peer's (losses and AUC: minus it), the best taken per figure."""
    if row["competitor"] != OURS or row["status"] != "ok":
        return {}
    peers = _peers(row, rows)
    found = {}
    for name in (*DIFFERENCES, *RATIOS):
        ours = _value(row, name)
        theirs = [v for v in (_value(peer, name) for peer in peers) if v is not None]
        if ours is None or not theirs:
            continue
        best = max(theirs) if name in HIGHER_IS_BETTER else min(theirs)
        found[name] = ours - best if name in DIFFERENCES else ours / best
    return found


def verdicts(
    row: dict[str, Any], limits: tuple[Limit, ...], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Each limit as text and whether it is met; None where it cannot be told."""
    return [{"limit": str(limit)} | _verdict(row, limit, rows) for limit in limits]


def _verdict(row: dict[str, Any], limit: Limit, rows: list[dict[str, Any]]) -> dict[str, Any]:
    value = _value(row, limit.figure) if row["status"] == "ok" else None
    if limit.same:
        peers = [_value(r, limit.figure) for r in _peers(row, rows)]
        return {"met": all(v == value for v in peers) if peers and value is not None else None}
    base = _base(row, limit, rows)
    if value is None or base is None:
        return {"met": None}
    if limit.faster:
        return {"met": value <= base / limit.value, "times_faster": base / value}
    bound = base + limit.value
    return {"met": value >= bound if limit.at_least else value <= bound}


def _base(row: dict[str, Any], limit: Limit, rows: list[dict[str, Any]]) -> float | None:
    """The peer's figure that a limit is relative to; 0 for a limit that stands by itself."""
    if not (limit.beside or limit.faster):
        return 0.0
    asked = [r for r in _peers(row, rows) if limit.beside in (None, r["competitor"])]
    theirs = [_value(peer, limit.figure) for peer in asked]
    return min((v for v in theirs if v is not None), default=None)


def _number(value: Any, name: str = "") -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if "loss" in name or name in ("objective", "lower_bound"):
        return f"{value:.9f}"
    if name in DIGITS:
        return f"{value:.{DIGITS[name]}f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cells(row: dict[str, Any]) -> list[str]:
    result = row["reason"] or ", ".join(
        f"{name.replace('_', ' ')} {_number(value, name)}" for name, value in row["figures"].items()
    )
    beside = ", ".join(
        f"{name} {value:+.2g}" if name in DIFFERENCES else f"{NAMES[name]} ×{value:.2g}"
        for name, value in row["ours_beside_best_peer"].items()
    )
    marks = {True: "✓", False: "✗", None: "?"}
    required = ", ".join(f"{marks[v['met']]} {_limit(v)}" for v in row["required"])
    about = "≈ " if "extrapolated_from" in row["figures"] else ""
    seconds = [f"{about}{_number(row.get(name))}" for name in ("first_s", "wall_s", "cpu_s")]
    figures = [*seconds, _number(row.get("peak_mb"))]
    names = [row["measure"], row["case"], row["competitor"]]
    return [*names, result, *figures, beside, required.replace("_", " ")]


def _limit(verdict: dict[str, Any]) -> str:
    found = verdict.get("times_faster")
    return verdict["limit"] + (f" (/ {found:,.3g})" if found is not None else "")


def table(results: dict[str, Any]) -> str:
    """The machine and the versions in lines, then the table."""
    machine = "; ".join(f"{name} {value}" for name, value in results["machine"].items())
    versions = ", ".join(f"{name} {value}" for name, value in results["versions"].items())
    lines = [f"Machine: {machine}.", "", f"Versions: {versions}.", ""]
    if results["machine"]["load"] > 0.5:
        lines += ["The machine was doing other work: the seconds are too long.", ""]
    lines += [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    lines += [
        f"| {' | '.join(cell.replace('|', '/') for cell in _cells(row))} |"
        for row in results["rows"]
    ]
    return "\n".join(lines) + "\n"
