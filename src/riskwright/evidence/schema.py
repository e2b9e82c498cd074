"""What a person states about a table: types, units, ranges, roles. A small YAML or JSON file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec

from riskwright.core import ParameterError, Record
from riskwright.core.documents import read_document, unique_keys

from .columns import nearest, quoted

__all__ = ["ColumnSchema", "Schema", "load_schema", "read_document", "unique_keys"]

_COLUMN_TEXTS = ("levels", "label", "unit", "actionable_by")
_EXPECTED = {
    **dict.fromkeys(("label", "unit", "actionable_by", "population", "outcome"), "a text"),
    **dict.fromkeys(("target", "positive", "weight"), "a text"),
    **dict.fromkeys(("minimum", "maximum"), "a number"),
    **dict.fromkeys(("groups", "ignore"), "a list of column names"),
    "type": "numeric, binary or categorical",
    "levels": "a list of texts",
    "direction": "up or down",
    "missing": "own_level or refuse",
    "cuts": "a list of numbers in increasing order",
}


class ColumnSchema(Record, frozen=True, forbid_unknown_fields=True):
    """What is stated about one column.

    Attributes
    ----------
    type : how to read it; inferred where absent.
    label : what the card calls it.
    unit : of the numbers, such as "years".
    minimum, maximum : allowed range; a number outside is an error.
    levels : the allowed categories in order; of two, the last one means yes.
    direction : the only way in which the feature itself can change ("up": age can only rise).
    actionable_by : who can change the feature, such as "patient" or "clinician".
    missing : whether missing values are a level of their own or refused.
    cuts : cut points, taken as they are.
    """

    type: Literal["numeric", "binary", "categorical"] | None = None
    label: str | None = None
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[str, ...] | None = None
    direction: Literal["up", "down"] | None = None
    actionable_by: str | None = None
    missing: Literal["own_level", "refuse"] | None = None
    cuts: tuple[float, ...] | None = None


class Schema(Record, frozen=True, forbid_unknown_fields=True):
    """What is stated about a table.

    Attributes
    ----------
    columns : by name; columns that are not named are inferred.
    target, positive : the outcome column, and its label that means yes.
    weight : column of row weights.
    groups : columns to report by; they are features only if named under `columns` with a type.
    ignore : columns to leave out.
    population, outcome : sentences for the card.
    missing : for all columns that do not say otherwise.
    """

    columns: dict[str, ColumnSchema] = {}
    target: str | None = None
    positive: str | None = None
    weight: str | None = None
    groups: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    population: str | None = None
    outcome: str | None = None
    missing: Literal["own_level", "refuse"] | None = None


def load_schema(source: Schema | Mapping[str, Any] | str | os.PathLike[str] | None) -> Schema:
    """A `Schema` from a YAML or JSON file of at most 1 MiB, or from a dict of the same shape.

    In YAML only `true` and `false` are booleans, so that `yes` and `no` may be labels; anchors are
    refused, and so are keys given twice.

    Raises
    ------
    ParameterError : names the file and the key, and the nearest known key.

    Examples
    --------
    >>> schema = load_schema({"target": "died", "columns": {"age": {"unit": "years"}}})
    >>> schema.columns["age"].unit
    'years'
    """
    if source is None:
        return Schema()
    if isinstance(source, Schema):
        return source
    if isinstance(source, Mapping):
        return _convert(dict(source), "schema")
    if not isinstance(source, (str, os.PathLike)):
        raise ParameterError(
            "not a schema",
            where="schema",
            expected="a path, a dict or a Schema",
            got=type(source).__name__,
        )
    path = Path(source)
    return _convert(read_document(path, "schema"), str(path))


def _convert(body: Any, where: str) -> Schema:
    if body is None:
        return Schema()
    if not isinstance(body, dict):
        raise ParameterError(
            "not a schema",
            where=where,
            expected="keys such as target and columns",
            got=type(body).__name__,
        )
    columns = body.get("columns") or {}
    if not isinstance(columns, Mapping):
        raise ParameterError(
            "wrong kind of value",
            where=f"{where}: columns",
            expected="a mapping of column names",
            got=type(columns).__name__,
        )
    converted = {
        str(name): _section(stated, ColumnSchema, f"{where}: columns.{name}", _COLUMN_TEXTS)
        for name, stated in columns.items()
    }
    for name, column in converted.items():
        _check_column(column, f"{where}: columns.{name}")
    rest = {key: value for key, value in body.items() if key != "columns"}
    table: Schema = _section(
        rest, Schema, where, ("target", "positive", "weight", "groups", "ignore")
    )
    return msgspec.structs.replace(table, columns=converted)


def _section(stated: Any, kind: Any, where: str, texts: tuple[str, ...]) -> Any:
    """`stated` as a record of `kind`; numbers and booleans under the keys `texts` become text."""
    if isinstance(stated, kind):
        return stated
    if stated is None:
        return kind()
    if not isinstance(stated, Mapping):
        raise ParameterError(
            "wrong kind of value", where=where, expected="keys", got=type(stated).__name__
        )
    known = [field.name for field in msgspec.structs.fields(kind)]
    values: dict[str, Any] = {}
    for key, value in stated.items():
        if key not in known:
            raise ParameterError(
                f"unknown key {quoted(key)}", where=where, hint=nearest(str(key), known)
            )
        values[str(key)] = _as_text(value) if key in texts else value
        if key in ("groups", "ignore", "levels", "cuts") and isinstance(value, (str, int, float)):
            values[str(key)] = [values[str(key)]]
    for key, value in values.items():
        try:
            msgspec.convert({key: value}, kind)
        except msgspec.ValidationError:
            raise ParameterError(
                "wrong kind of value",
                where=f"{where}.{key}" if kind is ColumnSchema else f"{where}: {key}",
                expected=_EXPECTED[key],
                got=quoted(value),
            ) from None
    return msgspec.convert(values, kind)


def _as_text(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_as_text(part) for part in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) else value


def _check_column(column: ColumnSchema, where: str) -> None:
    low, high = column.minimum, column.maximum
    cuts = column.cuts or ()
    problem = None
    if not all(math.isfinite(number) for number in (low or 0, high or 0, *cuts)):
        problem = "minimum, maximum and cuts are finite numbers"
    elif low is not None and high is not None and low > high:
        problem = "minimum is above maximum"
    elif any(not a < b for a, b in pairwise(cuts)):
        problem = "cuts are not in increasing order"
    elif column.type == "binary" and column.levels is not None and len(column.levels) != 2:
        problem = f"a binary column has two levels, not {len(column.levels)}"
    elif column.levels == ():
        problem = "no levels"
    elif column.levels is not None and len(set(column.levels)) != len(column.levels):
        problem = "a level is given twice"
    elif column.type == "numeric" and column.levels is not None:
        problem = "a numeric column has no levels"
    elif column.type == "categorical" and (cuts or low is not None or high is not None):
        problem = "a categorical column has no cuts, minimum or maximum"
    if problem is not None:
        raise ParameterError(problem, where=where)
