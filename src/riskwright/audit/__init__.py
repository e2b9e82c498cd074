"""Audits: what a score does to people. Each result carries `Finding`s and plain aggregates.

An audit measures; it does not decide what is acceptable. A policy file does that, and `Audit.gate`
compares the two. No audit changes the score it looks at. The room itself can be called:
`riskwright.audit(model, data, plan)` runs all that apply, as `run_audit` does.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .group_gaps import GroupGaps
from .multiplicity import MultiplicityReport, ToleranceReport
from .plan import PARTS, AuditPlan, load_plan
from .policy import AuditPolicy, Limit, load_policy
from .report import Audit, AuditSubject, ColumnSummary, Gate, OperatingPoint
from .running import run_audit
from .selective_labels import SelectiveLabelsReport, TestedGroup
from .slices import Slice, Slices

__all__ = [
    "PARTS",
    "Audit",
    "AuditPlan",
    "AuditPolicy",
    "AuditSubject",
    "ColumnSummary",
    "Gate",
    "GroupGaps",
    "Limit",
    "MultiplicityReport",
    "OperatingPoint",
    "SelectiveLabelsReport",
    "Slice",
    "Slices",
    "TestedGroup",
    "ToleranceReport",
    "load_plan",
    "load_policy",
    "run_audit",
]


class _Room(ModuleType):
    """A module that can be called, so that `rw.audit(...)` and `rw.audit.find_slices` both read."""

    def __call__(self, *args: Any, **options: Any) -> Audit:
        return run_audit(*args, **options)


sys.modules[__name__].__class__ = _Room
