"""One family of exceptions with stable codes.

RiskwrightError
├── UsageError              RW1000  an argument or option is wrong
│   ├── ParameterError      RW1001  a parameter has a value that is not allowed
│   └── MissingExtraError   RW1002  an optional library is not installed
├── DataError               RW2000  the data cannot be used as they are
│   ├── EmptyDataError      RW2001  no rows or no columns
│   ├── ColumnError         RW2002  a column is missing, doubled or of the wrong type
│   ├── TargetError         RW2003  the outcome is absent, constant, missing or not binary
│   ├── ValueRangeError     RW2004  values outside of what is allowed
│   ├── MissingValueError   RW2005  missing values where the user refused them
│   └── UnreadableError     RW2006  a file cannot be decoded or parsed
├── ConstraintError         RW3000  the stated constraints exclude every score
├── ArtifactError           RW4000  a saved file cannot be trusted or understood
│   ├── SchemaTooNewError   RW4001  written by a newer version
│   └── ContentHashError    RW4002  changed after it was written
├── SearchError             RW5000  the search ended without any score
└── EndpointError           RW6000  a call to a language model gave no reply
    ├── UnreachableError    RW6001  no connection, or no answer in time
    ├── StatusError         RW6002  the server answered with an error
    ├── ReplyError          RW6003  the reply broke off or is not of the known form
    ├── BudgetSpentError    RW6004  the budget for calls is spent
    └── JournalLockedError  RW6005  another run writes the journal of calls
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ArtifactError",
    "BudgetSpentError",
    "ColumnError",
    "ConstraintError",
    "ContentHashError",
    "DataError",
    "EmptyDataError",
    "EndpointError",
    "JournalLockedError",
    "MissingExtraError",
    "MissingValueError",
    "ParameterError",
    "ReplyError",
    "RiskwrightError",
    "SchemaTooNewError",
    "SearchError",
    "StatusError",
    "TargetError",
    "UnreachableError",
    "UnreadableError",
    "UsageError",
    "ValueRangeError",
]


class RiskwrightError(Exception):
    """Base of every error that a user can put right.

    Parameters
    ----------
    problem : what is wrong, as a sentence without the final stop.
    where : the file, column or argument, with row numbers where they help.
    expected : what would have been accepted.
    got : what came instead; never a person's whole row.
    hint : what to do next.
    """

    code: ClassVar[str] = "RW0000"

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = where
        self.expected = expected
        self.got = got
        self.hint = hint
        super().__init__(problem)

    def __str__(self) -> str:
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        parts = [head]
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.got is not None:
            parts.append(f"got {self.got}")
        text = "; ".join(parts) + "."
        if self.hint is not None:
            text += f" {self.hint}" if self.hint.endswith("?") else f" {self.hint.rstrip('.')}."
        return f"{text} [{self.code}]"


class UsageError(RiskwrightError, ValueError):
    """An argument or option is wrong."""

    code = "RW1000"


class ParameterError(UsageError):
    """A parameter has a value that is not allowed."""

    code = "RW1001"


class MissingExtraError(UsageError, ImportError):
    """An optional library is not installed."""

    code = "RW1002"


class DataError(RiskwrightError, ValueError):
    """The data cannot be used as they are."""

    code = "RW2000"


class EmptyDataError(DataError):
    """There are no rows or no columns."""

    code = "RW2001"


class ColumnError(DataError):
    """A column is missing, doubled or of the wrong type."""

    code = "RW2002"


class TargetError(DataError):
    """The outcome is absent, constant, missing or not binary."""

    code = "RW2003"


class ValueRangeError(DataError):
    """Values lie outside of what is allowed."""

    code = "RW2004"


class MissingValueError(DataError):
    """Values are missing where the user refused missing values."""

    code = "RW2005"


class UnreadableError(DataError):
    """A file cannot be decoded or parsed."""

    code = "RW2006"


class ConstraintError(RiskwrightError, ValueError):
    """The stated constraints exclude every score; `conflict` names a set that clashes."""

    code = "RW3000"

    def __init__(self, problem: str, *, conflict: tuple[str, ...] = (), **details: str) -> None:
        self.conflict = conflict
        super().__init__(problem, **details)


class ArtifactError(RiskwrightError, ValueError):
    """A saved file cannot be trusted or understood."""

    code = "RW4000"


class SchemaTooNewError(ArtifactError):
    """The file was written by a newer version of riskwright."""

    code = "RW4001"


class ContentHashError(ArtifactError):
    """The file was changed after it was written."""

    code = "RW4002"


class SearchError(RiskwrightError, RuntimeError):
    """The search ended before it found any score."""

    code = "RW5000"


class EndpointError(RiskwrightError, RuntimeError):
    """A call to a language model gave no reply."""

    code = "RW6000"


class UnreachableError(EndpointError):
    """There was no connection to the endpoint, or no answer in time."""

    code = "RW6001"


class StatusError(EndpointError):
    """The endpoint answered with an error."""

    code = "RW6002"


class ReplyError(EndpointError):
    """The reply broke off, or is not of the known form."""

    code = "RW6003"


class BudgetSpentError(EndpointError):
    """The budget for calls is spent."""

    code = "RW6004"


class JournalLockedError(EndpointError):
    """Another run is writing the journal of calls."""

    code = "RW6005"
