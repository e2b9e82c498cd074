"""What the audited rows themselves leave to ask: missing values, columns set aside."""

from __future__ import annotations

from riskwright.evidence import Table

from .report import ColumnSummary

__all__ = ["column_summaries"]


def column_summaries(table: Table) -> tuple[ColumnSummary, ...]:
    """One line per column: missing values, and why a column is no feature."""
    read = [
        ColumnSummary(name=report.name, missing=report.missing, note=report.note)
        for report in table.reports
    ]
    return (
        *read,
        *(
            ColumnSummary(name=name, missing=0, note=f"set aside: {reason}")
            for name, reason in table.set_aside.items()
        ),
    )
