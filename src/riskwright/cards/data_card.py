"""`DataCard`: what a table holds, counted, and where it comes from, as stated by its owner."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import polars as pl

from riskwright.core import Estimate, Feature, ParameterError, Record
from riskwright.core.names import nearest, quoted
from riskwright.evidence import Table
from riskwright.stats import proportion_interval

from .documents import Document, exact

__all__ = ["ColumnProfile", "DataCard", "DataFile", "GroupProfile", "data_card"]

_MOST_LEVELS = 30


class ColumnProfile(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feature: type, missing values (share of rows), number of values, range or levels."""

    name: str
    type: str
    missing: Estimate
    values: Estimate
    minimum: Estimate | None = None
    maximum: Estimate | None = None
    levels: tuple[str, ...] = ()
    unit: str = ""
    label: str = ""


class GroupProfile(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group: rows, share of all rows, and its label rate where it is large enough to show."""

    column: str
    group: str
    rows: Estimate
    share: Estimate
    label_rate: Estimate | None = None


class DataFile(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the data: name, address, media type, and SHA-256 of its bytes."""

    name: str
    url: str
    media_type: str = "text/csv"
    sha256: str = ""


class DataCard(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data set.

    Attributes
    ----------
    data_digest, rows, duplicates, missing, columns, label, positive_label, label_rate, groups,
    set_aside : counted by `data_card`; `duplicates` are rows that repeat an earlier one in all
        features and the label, `missing` is the share of empty cells, `set_aside` maps columns
        that are no features to the reason.
    description, sources, collection, period, population, annotation, consent, personal_data,
    licence, intended_use, not_for, known_gaps, choices, maintenance, citation, url, files :
        stated by the owner; `choices` are those that affect performance, such as exclusions,
        recoding and how missing values were filled in.
    """

    kind: ClassVar[str] = "data_card"

    data_digest: str
    rows: Estimate
    columns: tuple[ColumnProfile, ...]
    duplicates: Estimate
    missing: Estimate
    label: str = ""
    positive_label: str = ""
    label_rate: Estimate | None = None
    groups: tuple[GroupProfile, ...] = ()
    set_aside: dict[str, str] = {}
    description: str = ""
    sources: tuple[str, ...] = ()
    collection: str = ""
    period: str = ""
    population: str = ""
    annotation: str = ""
    consent: str = ""
    personal_data: str = ""
    licence: str = ""
    intended_use: str = ""
    not_for: tuple[str, ...] = ()
    known_gaps: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    maintenance: str = ""
    citation: str = ""
    url: str = ""
    files: tuple[DataFile, ...] = ()


_COUNTED = (
    *("data_digest", "rows", "columns", "duplicates", "missing"),
    *("label", "positive_label", "label_rate", "groups", "set_aside"),
)


def data_card(
    table: Table, *, title: str, level: float = 0.95, smallest_group: int = 10, **stated: Any
) -> DataCard:
    """The card of a table: what can be counted is counted, the rest is as stated.

    Parameters
    ----------
    table : as `riskwright.evidence.read_table` gives it.
    title : of the data set.
    level : confidence level of the label rates (Wilson).
    smallest_group : groups of fewer rows show no label rate, lest it tell a person's outcome.
    stated : any of the fields of `DataCard` that are stated by the owner.

    Raises
    ------
    ParameterError : a field that does not exist (with the nearest), or one that is counted.

    Notes
    -----
    Time O(n d). The label rate counts rows, whatever their weights.

    Examples
    --------
    >>> import polars as pl
    >>> from riskwright.evidence import read_table
    >>> frame = pl.DataFrame({"age": [70, 45, 51, 70], "died": [1, 0, 0, 1]})
    >>> card = data_card(read_table(frame, target="died"), title="Ward", licence="CC BY 4.0")
    >>> card.rows.value, card.duplicates.value, card.label_rate.value
    (4.0, 1.0, 0.5)
    """
    _check_stated(stated)
    n = table.n
    frame = table.X if table.y is None else table.X.with_columns(pl.Series("\0label", table.y))
    cells = n * max(table.X.width, 1)
    empty = sum(series.null_count() for series in table.X)
    groups = [
        group
        for name, values in table.groups.items()
        for group in _groups(name, values, table.y, level, smallest_group)
    ]
    return DataCard(
        title=title,
        data_digest=table.data_digest,
        rows=exact(n, n, "rows"),
        columns=tuple(
            _column(feature, table.X[feature.name], n)
            for feature in table.features
            if feature.name in table.X.columns
        ),
        duplicates=exact(n - frame.n_unique() if frame.width else 0, n, "repeated rows"),
        missing=exact(empty / cells, n, "share of empty cells", "exact share"),
        label=table.outcome,
        positive_label=table.positive_label,
        label_rate=None if table.y is None else _rate(int(table.y.sum()), n, level, "label rate"),
        groups=tuple(groups),
        set_aside=dict(table.set_aside),
        **stated,
    )


def _check_stated(stated: dict[str, Any]) -> None:
    known = list(DataCard.__struct_fields__)
    for name in stated:
        if name not in known or name in _COUNTED:
            raise ParameterError(
                f"{quoted(name)} is counted, not stated"
                if name in _COUNTED
                else f"no field {quoted(name)}",
                where="data_card",
                hint=None if name in _COUNTED else nearest(name, known),
            )


def _rate(events: int, n: int, level: float, name: str) -> Estimate:
    low, high = proportion_interval(events, n, level)
    return Estimate(
        value=events / n, low=low, high=high, level=level, n=n, method="Wilson", name=name
    )


def _column(feature: Feature, values: pl.Series, n: int) -> ColumnProfile:
    known = values.drop_nulls()
    numeric = known.dtype != pl.String and len(known) > 0
    ends = (float(known.min()), float(known.max())) if numeric else None  # type: ignore[arg-type]
    levels = (*(feature.levels or ()), *(feature.other_levels or ()))
    return ColumnProfile(
        name=feature.name,
        type=feature.type,
        missing=exact(values.null_count() / n, n, "share missing", "exact share"),
        values=exact(known.n_unique(), n, "different values"),
        minimum=None if ends is None else exact(ends[0], len(known), "smallest", "all rows"),
        maximum=None if ends is None else exact(ends[1], len(known), "largest", "all rows"),
        levels=levels[:_MOST_LEVELS],
        unit=feature.unit or "",
        label=feature.label or "",
    )


def _groups(
    name: str, values: pl.Series, y: np.ndarray | None, level: float, smallest: int
) -> list[GroupProfile]:
    labels = values.fill_null("(missing)").to_numpy()
    found = []
    for group in sorted(set(labels)):
        member = labels == group
        n = int(member.sum())
        rate = None
        if y is not None and n >= smallest:
            rate = _rate(int(y[member].sum()), n, level, "label rate")
        found.append(
            GroupProfile(
                column=name,
                group=str(group),
                rows=exact(n, len(labels), "rows"),
                share=_rate(n, len(labels), level, "share of rows"),
                label_rate=rate,
            )
        )
    return found
