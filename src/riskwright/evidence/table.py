"""Reading a table: roles, types and checks, with what was inferred laid open."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import polars as pl

from riskwright.core import (
    ColumnError,
    DataError,
    Feature,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
    digest_arrays,
)

from .columns import (
    Origin,
    canonical,
    check_levels,
    check_range,
    infer_feature,
    level_text,
    nearest,
    quoted,
    refuse_infinite,
    yes_level,
)
from .readers import RawTable, open_table
from .schema import ColumnSchema, Schema, load_schema
from .unfit import unfit, unfit_values

__all__ = ["Table", "read_roles", "read_table"]

_LARGEST_WEIGHT = 1e100


class ColumnReport(NamedTuple):
    """One line of `Table.describe`."""

    name: str
    type: str
    missing: int
    values: str
    unit: str
    note: str


@dataclass(frozen=True, eq=False)
class Table:
    """A table read, checked and typed.

    Attributes
    ----------
    X : polars DataFrame of the features: narrowest integer or Float64, String for categories,
        null where missing.
    y : ndarray of int8, 1 where the outcome has its positive label; None without a target.
    sample_weight : ndarray of float64, or None.
    groups : group column name to polars Series of text, null where missing.
    features : what is known of the columns of `X`, in order.
    outcome : name of the target column, "" without a target.
    positive_label : its label that counts as 1, "" without a target.
    n : number of rows.
    data_digest : digest of features, outcome and weights; the same whatever the container was.
    source : the file, or the type of the object.
    schema : what was stated, with the roles that were used.
    set_aside : column name to the reason why it is not a feature.
    """

    X: pl.DataFrame
    y: np.ndarray | None
    sample_weight: np.ndarray | None
    groups: dict[str, pl.Series]
    features: tuple[Feature, ...]
    outcome: str
    positive_label: str
    n: int
    data_digest: str
    source: str
    schema: Schema
    set_aside: dict[str, str]
    reports: tuple[ColumnReport, ...] = field(repr=False)

    @property
    def cut_points(self) -> dict[str, tuple[float, ...]]:
        """The user's cut points by feature, as `Binarizer(cut_points=)` takes them."""
        stated = self.schema.columns
        return {
            f.name: cuts
            for f in self.features
            if f.name in stated and (cuts := stated[f.name].cuts) is not None
        }

    def describe(self) -> str:
        """What was read and inferred, as a text table, and how to override it."""
        return _describe(self)

    def __repr__(self) -> str:
        outcome = f", outcome {self.outcome!r}" if self.outcome else ""
        return f"<Table {self.source}: {self.n:,} rows, {len(self.features)} features{outcome}>"


def read_table(
    source: Any,
    *,
    target: str | None = None,
    positive: Any = None,
    weight: str | None = None,
    groups: Sequence[str] = (),
    ignore: Sequence[str] = (),
    schema: Schema | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    missing: Literal["own_level", "refuse"] | None = None,
    unusable: Literal["refuse", "set_aside"] = "refuse",
    delimiter: str | None = None,
) -> Table:
    """Read a table, tell the types of its columns, and check it.

    Parameters
    ----------
    source : path of a CSV (any delimiter, UTF-8 or UTF-16 with a mark, gzip), Parquet, Arrow or
        Feather file; or a pandas or polars frame, a pyarrow Table, a NumPy array.
    target : the outcome column, with exactly two labels and no missing value.
    positive : its label that counts as 1. Needed unless one of the two is obvious (1, true, yes,
        positive, case, ...).
    weight : column of row weights.
    groups : columns to report by; no features unless the schema names them with a type.
    ignore : columns to leave out.
    schema : file, dict or `Schema` with units, ranges, types and roles; arguments go before it.
    missing : "own_level" (default) or "refuse", for columns for which the schema says nothing.
    unusable : "refuse" (default), or "set_aside" columns that cannot be read as features, such as
        numbers mixed with text, for tables of which a score needs only some; none need be left.
    delimiter : of a CSV file; told from the first lines where it is not given.

    Returns
    -------
    Table
        Two-valued columns are binary, numbers (with texts such as NA, ? or nothing for missing)
        numeric, other text categorical. Constant and all-missing columns, keys, dates and times,
        names and free text, nested values and categories of over 1,000 levels are set aside, and
        `describe` says so.

    Raises
    ------
    DataError : one of its kinds, naming the column, the rows, what came and what to do.
    ParameterError : an argument or the schema cannot be used.

    Notes
    -----
    O(n d). Ten million rows of 36 binary columns take seconds from Parquet and some 0.5 GiB.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"age": [70, 45, 51], "sex": ["f", "m", None], "died": [1, 0, 0]})
    >>> table = read_table(frame, target="died")
    >>> [(f.name, f.type) for f in table.features]
    [('age', 'numeric'), ('sex', 'binary')]
    """
    stated = load_schema(schema)
    stated = msgspec.structs.replace(
        stated,
        target=stated.target if target is None else str(target),
        positive=stated.positive if positive is None else _label_text(positive),
        weight=stated.weight if weight is None else str(weight),
        groups=_names(groups, "groups") or stated.groups,
        ignore=_names(ignore, "ignore") or stated.ignore,
        missing=missing if missing is not None else stated.missing,
    )
    if stated.missing not in (None, "own_level", "refuse"):
        raise ParameterError(
            "unknown choice", where="missing", expected="own_level or refuse", got=repr(missing)
        )
    texts = {n for n, c in stated.columns.items() if c.type == "categorical" or c.levels}
    raw = open_table(source, delimiter, texts)
    _check_roles(stated, raw)
    if unusable not in ("refuse", "set_aside"):
        raise ParameterError(
            "unknown choice", where="unusable", expected="refuse or set_aside", got=repr(unusable)
        )
    return _Reading(raw, stated, lenient=unusable == "set_aside").table()


def read_roles(
    source: Any,
    *,
    target: str | None = None,
    positive: Any = None,
    weight: str | None = None,
    groups: Sequence[str] = (),
    delimiter: str | None = None,
) -> Table:
    """As `read_table`, but a table without features: no other column is looked at."""
    stated = Schema(
        target=target,
        positive=None if positive is None else _label_text(positive),
        weight=weight,
        groups=_names(groups, "groups"),
    )
    raw = open_table(source, delimiter, groups)
    _check_roles(stated, raw)
    return _Reading(raw, stated).table(features=False)


def _label_text(positive: Any) -> str:
    try:
        return level_text(positive)
    except (TypeError, ValueError):
        raise ParameterError(
            "not a label",
            where="positive",
            expected="a text, a number or a boolean",
            got=type(positive).__name__,
        ) from None


def _names(value: Sequence[str] | str, argument: str) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ParameterError(
            "not column names", where=argument, expected="a list of texts", got=repr(value)[:60]
        )
    return tuple(names)


def _check_roles(schema: Schema, raw: RawTable) -> None:
    roles = {"target": [schema.target], "weight": [schema.weight], "groups": schema.groups}
    named = {**roles, "ignore": schema.ignore, "schema columns": list(schema.columns)}
    for role, names in named.items():
        for name in names:
            if name is not None and name not in raw.names:
                raise ColumnError(
                    f"no column {quoted(name)}",
                    where=f"{raw.origin.name} ({role})",
                    hint=nearest(name, raw.names),
                )
    taken: dict[str, str] = {}
    for role, names in {**roles, "ignore": schema.ignore}.items():
        for name in names:
            if name is not None and taken.setdefault(name, role) != role:
                raise ParameterError(
                    f"column {quoted(name)} cannot be both {taken[name]} and {role}", where=role
                )


class _Reading:
    """One pass over the columns of a table."""

    def __init__(self, raw: RawTable, schema: Schema, *, lenient: bool = False) -> None:
        self.raw, self.schema, self.origin, self.lenient = raw, schema, raw.origin, lenient
        self.features: list[Feature] = []
        self.values: list[pl.Series] = []
        self.reports: list[ColumnReport] = []
        self.set_aside: dict[str, str] = {}
        self.groups: dict[str, pl.Series] = {}
        self.y: np.ndarray | None = None
        self.weight: np.ndarray | None = None
        self.positive = ""

    def table(self, *, features: bool = True) -> Table:
        schema = self.schema
        wanted = [name for name in self.raw.names if name not in schema.ignore]
        if not features:
            roles = (schema.target, schema.weight, *schema.groups)
            wanted = [name for name in wanted if name in roles]
        first = [name for name in wanted if name in (schema.target, schema.weight)]
        rest = [name for name in wanted if name not in first]
        for series in self.raw.columns(first + rest):
            if series.name == schema.target:
                self.y, self.positive = _outcome(series, schema.positive, self.origin)
            elif series.name == schema.weight:
                self.weight = _weight(series, self.origin)
            elif self.lenient and series.name not in schema.groups:
                self._read_if_possible(series)
            else:
                self._read(series)
        if features and not self.features and not self.lenient:
            reasons = "; ".join(
                f"{quoted(n)}: {why}" for n, why in list(self.set_aside.items())[:5]
            )
            raise ColumnError(
                "no column that can be a feature",
                where=self.origin.name,
                expected="at least one column beside target, weight, groups and ignored ones",
                got=reasons or "none",
                hint="Declare a type for a column in the schema to use it all the same",
            )
        X = pl.DataFrame(self.values or None, height=self.raw.n)
        return Table(
            X=X,
            y=self.y,
            sample_weight=self.weight,
            groups=self.groups,
            features=tuple(self.features),
            outcome=schema.target or "",
            positive_label=self.positive,
            n=self.raw.n,
            data_digest=_digest(X, self.y, self.weight),
            source=self.origin.name,
            schema=schema,
            set_aside=self.set_aside,
            reports=tuple(self.reports),
        )

    def _read_if_possible(self, series: pl.Series) -> None:
        try:
            self._read(series)
        except DataError as error:
            self._put_aside(series.name, error.problem, series)

    def _read(self, series: pl.Series) -> None:
        name = series.name
        stated = self.schema.columns.get(name, ColumnSchema())
        if name in self.schema.groups:
            self.groups[name] = canonical(series, self.origin, as_text=True, levels=stated.levels)
            if stated.type is None:
                self._put_aside(name, "group column, not a feature", series)
                return
        why = None if stated.type is not None else unfit(series)
        if why is None:
            values = canonical(
                series,
                self.origin,
                as_text=stated.type == "categorical" or stated.levels is not None,
                as_number=stated.type == "numeric",
                levels=stated.levels,
            )
            wanted = stated.type is not None or self.raw.names == (name,)
            why = unfit_values(values, wanted=wanted)
        if why is not None:
            self._put_aside(name, why, series)
            return
        if wanted and values.dtype == pl.String:
            check_levels(values.drop_nulls().n_unique(), name, self.origin)
        self._check(values, stated)
        feature = self._feature(values, stated)
        note = _note(series, values, feature, stated)
        self.features.append(feature)
        self.values.append(values)
        self.reports.append(
            ColumnReport(
                name,
                feature.type + ("" if stated.type is None else " (stated)"),
                values.null_count(),
                _values_text(values, feature),
                feature.unit or "",
                note,
            )
        )

    def _put_aside(self, name: str, why: str, series: pl.Series) -> None:
        self.set_aside[name] = why
        self.reports.append(ColumnReport(name, "set aside", series.null_count(), "", "", why))

    def _check(self, values: pl.Series, stated: ColumnSchema) -> None:
        if self._refuses(stated) and values.null_count():
            raise MissingValueError(
                "missing values where none are allowed",
                where=self.origin.column(values.name),
                expected="a value in every row",
                got=f"nothing in {self.origin.rows(values.is_null())}",
                hint="Fill in the values, leave the column out with ignore, or let missing values "
                "be a level of their own (missing: own_level)",
            )
        if values.dtype != pl.String:
            check_range(values, stated.minimum, stated.maximum, self.origin)
        elif stated.levels is not None:
            wrong = (~values.is_in(stated.levels)).fill_null(False)
            if wrong.any():
                raise ValueRangeError(
                    "a level that the schema does not list",
                    where=self.origin.column(values.name),
                    expected="one of " + ", ".join(quoted(v, 20) for v in stated.levels[:8]),
                    got=f"{quoted(values.filter(wrong)[0], 20)} in {self.origin.rows(wrong)}",
                    hint="Correct the cells, or add the level to the schema",
                )

    def _refuses(self, stated: ColumnSchema) -> bool:
        return (stated.missing or self.schema.missing) == "refuse"

    def _feature(self, values: pl.Series, stated: ColumnSchema) -> Feature:
        feature = infer_feature(values, known_type=stated.type, levels=stated.levels)
        if stated.type == "binary" and feature.type != "binary":
            raise ColumnError(
                "not two values",
                where=self.origin.column(values.name),
                expected="two values, since the schema says binary",
                got=f"{values.drop_nulls().n_unique():,} different values",
            )
        return msgspec.structs.replace(
            feature,
            unit=stated.unit,
            minimum=feature.minimum if stated.minimum is None else stated.minimum,
            maximum=feature.maximum if stated.maximum is None else stated.maximum,
            direction=stated.direction,
            actionable_by=stated.actionable_by,
            label=stated.label,
            missing="refused" if self._refuses(stated) else feature.missing,
        )


def _outcome(series: pl.Series, positive: str | None, origin: Origin) -> tuple[np.ndarray, str]:
    where = f"{origin.column(series.name)} (target)"
    if series.dtype.is_float():
        series = series.fill_nan(None)
        refuse_infinite(series, origin)
    elif not series.dtype.is_integer() and series.dtype != pl.Boolean:
        series = canonical(series, origin, as_text=True)
    if series.null_count():
        raise TargetError(
            "missing values in the outcome",
            where=where,
            expected="a label in every row",
            got=f"nothing in {origin.rows(series.is_null())}",
            hint="Leave these rows out, or find their outcome",
        )
    distinct = series.unique().to_list()
    labels = {level_text(value): value for value in distinct}
    shown = ", ".join(quoted(label, 20) for label in sorted(labels)[:5])
    if len(labels) == 1:
        raise TargetError(
            "only one label in the outcome",
            where=where,
            expected="two labels",
            got=f"{shown} in all {len(series):,} rows",
            hint="Use data in which the outcome occurs and also fails to occur",
        )
    if len(labels) > 2:
        raise TargetError(
            "the outcome is not binary",
            where=where,
            expected="two labels",
            got=f"{len(labels):,} different values: {shown}" + (", …" if len(labels) > 5 else ""),
            hint="Make a column that says yes or no, or leave rows out",
        )
    label = _positive_label(sorted(labels), positive, where, shown)
    return (series == labels[label]).cast(pl.Int8).to_numpy(writable=True), label


def _positive_label(labels: list[str], positive: str | None, where: str, shown: str) -> str:
    obvious = yes_level(labels)
    other = next((label for label in labels if label != obvious), "")
    if obvious == "1" and other not in ("0", "-1"):
        obvious = None
    if positive is None:
        if obvious is None:
            raise TargetError(
                "it is not obvious which label counts as 1",
                where=where,
                expected="positive to name one of the labels",
                got=shown,
                hint=f"Say for example positive={labels[1]!r}",
            )
        return obvious
    for same in (str.__str__, lambda text: text.strip().casefold()):
        found = [label for label in labels if same(label) == same(positive)]
        if len(found) == 1:
            return found[0]
    found = [label for label in labels if _number(label) == _number(positive) is not None]
    if found:
        return found[0]
    if obvious is not None and yes_level([positive]) is not None:
        return obvious
    raise TargetError(
        f"no label {quoted(positive, 20)} in the outcome",
        where=where,
        expected="positive to name one of the labels",
        got=shown,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _weight(series: pl.Series, origin: Origin) -> np.ndarray:
    where = f"{origin.column(series.name)} (weight)"
    try:
        values = canonical(series, origin, as_number=True).cast(pl.Float64)
    except ColumnError as error:
        raise ColumnError(
            "weights that are not numbers",
            where=where,
            expected="a number of at least 0 in every row",
            got=error.got,
        ) from None
    wrong = values.is_null() | (values < 0).fill_null(False)
    if wrong.any():
        kind = "missing" if values.null_count() else "negative"
        raise ValueRangeError(
            f"{kind} weights",
            where=where,
            expected="a number of at least 0 in every row",
            got=f"{kind} in {origin.rows(wrong)}",
            hint="Correct the weights; 0 leaves a row out",
        )
    huge = values > _LARGEST_WEIGHT
    if huge.any():
        raise ValueRangeError(
            "weights too large",
            where=where,
            expected=f"at most {_LARGEST_WEIGHT:g}",
            got=origin.rows(huge),
        )
    if not (values > 0).any():
        raise ValueRangeError("all weights are zero", where=where, expected="a positive sum")
    return values.to_numpy(writable=True)


def _values_text(values: pl.Series, feature: Feature) -> str:
    if feature.levels is not None:
        shown = [lv if len(lv) <= 16 else lv[:15] + "…" for lv in feature.levels]
        if feature.type == "binary":
            return f"{shown[0]}, {shown[1]} (= yes)"
        more = f", … ({len(shown)} levels)" if len(shown) > 4 else ""
        return ", ".join(shown[:4]) + more
    low, high = (_plain_number(end) for end in (values.min(), values.max()))
    return f"{low}, {high} (= yes)" if feature.type == "binary" else f"{low} to {high}"


def _plain_number(value: Any) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e12 else f"{number:.6g}"


def _note(series: pl.Series, values: pl.Series, feature: Feature, stated: ColumnSchema) -> str:
    notes = []
    absent = values.null_count() - series.null_count()
    if absent > 0 and series.dtype == pl.String:
        notes.append(f"{absent:,} texts such as NA or ? read as missing")
    levels = feature.levels or ()
    twins = len(levels) - len({" ".join(level.casefold().split()) for level in levels})
    if twins:
        notes.append(f"levels that differ by case or spaces alone: {twins:,}")
    if feature.direction is not None:
        notes.append(f"can only go {feature.direction}")
    if feature.actionable_by is not None:
        notes.append(f"actionable by {feature.actionable_by}")
    if stated.minimum is not None or stated.maximum is not None:
        low = "" if stated.minimum is None else f"{stated.minimum:g}"
        high = "" if stated.maximum is None else f"{stated.maximum:g}"
        notes.append(f"allowed {low} to {high}")
    if feature.missing == "refused":
        notes.append("missing values refused")
    return "; ".join(notes)


def _digest(X: pl.DataFrame, y: np.ndarray | None, weight: np.ndarray | None) -> str:
    parts: list[str] = [str(X.height)]
    for series in X:
        parts += [series.name, *_column_digest(series)]
    parts.append("none" if y is None else hashlib.sha256(np.packbits(y == 1).tobytes()).hexdigest())
    parts.append("none" if weight is None else hashlib.sha256(weight.tobytes()).hexdigest())
    return digest_arrays(np.array(parts))


def _column_digest(series: pl.Series) -> tuple[str, str]:
    """Kind and digest of a canonical column; null cells count as null, not as any value."""
    state = hashlib.sha256()
    if series.dtype == pl.String:
        levels = series.drop_nulls().unique().sort()
        for level in levels.to_list():
            text = level.encode()
            state.update(len(text).to_bytes(4, "little") + text)
        values = series.cast(pl.Enum(levels)).to_physical().cast(pl.UInt32)
        kind = "text"
    else:
        values = series + 0.0 if series.dtype.is_float() else series
        kind = str(series.dtype)
    if series.null_count():
        state.update(np.packbits(series.is_null().to_numpy()).tobytes())
        values = values.fill_null(0)
    state.update(values.to_numpy().tobytes())
    return kind, state.hexdigest()


def _describe(table: Table) -> str:
    rows = [("column", "type", "missing", "range or levels", "unit", "note")]
    for report in table.reports:
        share = f"{report.missing / table.n:.1%}" if report.missing else "none"
        rows.append((report.name, report.type, share, report.values, report.unit, report.note))
    widths = [min(40, max(len(row[i]) for row in rows)) for i in range(5)]
    lines = [f"{table.source}: {table.n:,} rows, {len(table.features)} features"]
    if table.y is not None:
        events = int(table.y.sum())
        lines.append(
            f"outcome: {table.outcome} = {table.positive_label}, {events:,} of {table.n:,} rows "
            f"({events / table.n:.1%})"
        )
    if table.schema.weight is not None:
        lines.append(f"weight: {table.schema.weight}")
    if table.schema.ignore:
        lines.append(f"ignored: {', '.join(table.schema.ignore)}")
    lines.append("")
    for row in rows:
        cells = [
            f"{quoted(cell, 40)[1:-1]:<{width}}" for cell, width in zip(row, widths, strict=False)
        ]
        lines.append("  ".join([*cells, row[5]]).rstrip())
    lines += [
        "",
        "To override what was inferred, write a schema (YAML or JSON) and pass it as schema, e.g.",
        "  columns:",
        f"    {_example(table.features)}",
        "A stated type also keeps a column that was set aside.",
    ]
    return "\n".join(lines)


def _example(features: Sequence[Feature]) -> str:
    """A line of a schema: for a number if there is one."""
    number = next((f for f in features if f.type == "numeric"), None)
    name = (number or features[0]).name
    key = name if re.fullmatch(r"[^\W\d][\w -]*", name) else json.dumps(name, ensure_ascii=False)
    stated = "numeric, unit: …, minimum: …, maximum: …" if number else "categorical, label: …"
    return f"{key}: {{type: {stated}}}"
