"""What the audited rows themselves leave to ask: missing values, columns set aside."""

from __future__ import annotations

from riskwright.evidence import Table

from .report import ColumnSummary

__all__ = ["column_summaries"]


def column_summaries(table: Table) -> tuple[ColumnSummary, ...]:
    """One line per column: missing values, and why a column is no feature."""
    return tuple(
        ColumnSummary(
            name=report.name,
            missing=report.missing,
            note=f"set aside: {report.note}" if report.name in table.set_aside else report.note,
        )
        for report in table.reports
    )
