"""What the audited rows themselves leave to ask: missing values, columns set aside."""

from __future__ import annotations

from riskwright.evidence import Table

from .report import ColumnSummary

__all__ = ["column_summaries"]


def column_summaries(table: Table) -> tuple[ColumnSummary, ...]:
    """One line per column: missing values, and why a column is no feature."""
    read = {report.name: report for report in table.reports}
    missing = {name: report.missing for name, report in read.items()}
    notes = {name: report.note for name, report in read.items()}
    notes |= {name: f"set aside: {reason}" for name, reason in table.set_aside.items()}
    return tuple(
        ColumnSummary(name=name, missing=missing.get(name, 0), note=note)
        for name, note in notes.items()
    )
