"""One column at a time: from whatever a file or a frame holds to numbers or text with nulls.

Numbers come out as the narrowest integer or Float64, text as String, missing values as null. The
result does not depend on the container, so a card learned from a CSV reads a Parquet file.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from riskwright.core import ColumnError, Feature, MissingValueError, ValueRangeError
from riskwright.core.names import nearest, quoted

__all__ = [
    "MAX_LEVELS",
    "Origin",
    "canonical",
    "check_levels",
    "check_range",
    "conform",
    "constant",
    "infer_feature",
    "level_text",
    "levels_of",
    "narrow",
    "nearest",
    "object_series",
    "python_series",
    "quoted",
    "refuse_infinite",
    "refuse_missing",
    "yes_level",
]

MAX_LEVELS = 1000
EXACT_INTEGERS = 2**53
MISSING_NUMBER = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "<na>", "-", "--", ".")
MISSING_TEXT = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "?", "<NA>")
YES = ("1", "true", "yes", "y", "t", "positive", "pos", "present", "case", "event")
_COMMA_NUMBER = r"^[+-]?\d{1,3}(\.\d{3})*,\d+$|^[+-]?\d+,\d+$"
_DRESSED_NUMBER = (
    r"^[<>≤≥~]?\s?[$€£¥₹]?\s?[+\-−]?\d+(?:[ ,.'’\u00a0\u202f]\d{3})*(?:[.,]\d+)?"
    r"\s?(?:[%‰°$€£¥₹]|\p{L}[\p{L}/²³]{0,7})?$"
)
_DRESS_ONLY = r"[^%‰°$€£¥₹\p{L}]"
_INTEGERS = (
    (pl.UInt8, 0, 2**8 - 1),
    (pl.Int8, -(2**7), 2**7 - 1),
    (pl.UInt16, 0, 2**16 - 1),
    (pl.Int16, -(2**15), 2**15 - 1),
    (pl.UInt32, 0, 2**32 - 1),
    (pl.Int32, -(2**31), 2**31 - 1),
)


class Origin:
    """Where data came from, for messages: a name, and the line of a data row where there is one."""

    def __init__(self, name: str, line_of: Callable[[int], int | None] | None = None) -> None:
        self.name = name
        self._line_of = line_of

    def column(self, name: str) -> str:
        return f"{self.name}: column {quoted(name)}"

    def rows(self, wrong: pl.Series) -> str:
        """The first five rows where `wrong` is true, counted from 1, and how many there are."""
        index = wrong.arg_true()
        first = [int(i) for i in index.head(5)]
        text = ("row " if len(index) == 1 else "rows ") + ", ".join(str(i + 1) for i in first)
        line = self._line_of(first[0]) if self._line_of is not None else None
        details = ["data rows are counted from 1"]
        if line is not None:
            details.append(f"row {first[0] + 1} is on line {line}")
        if len(index) > len(first):
            details.append(f"{len(index):,} rows in all")
        return f"{text} ({'; '.join(details)})"


def canonical(
    series: pl.Series,
    origin: Origin,
    *,
    as_text: bool = False,
    as_number: bool = False,
    levels: Sequence[str] | None = None,
) -> pl.Series:
    """Numbers (narrowest integer or Float64) or text (String) with nulls for missing values.

    Parameters
    ----------
    series : raw column of any type.
    origin : where it came from, for messages.
    as_text, as_number : read the column as categories or as numbers whatever it looks like.
        Categorical types are read as categories.
    levels : texts that are levels even where they look like a missing value.

    Raises
    ------
    ColumnError : numbers and text mixed, or values that are neither.
    ValueRangeError : infinite numbers, or integers beyond 2^53, which lose digits.
    """
    dtype = series.dtype
    if dtype in (pl.Categorical, pl.Enum):
        series, dtype = series.cast(pl.String), pl.String()
        as_text = not as_number
    elif dtype == pl.Object:
        series = _from_objects(series, origin)
        dtype = series.dtype
    if dtype == pl.String:
        return _from_text(series, origin, as_text, as_number, levels)
    if dtype == pl.Null:
        return series.cast(pl.String if as_text else pl.Float64)
    if dtype == pl.Boolean:
        values = series.cast(pl.UInt8)
        return level_series(series) if as_text else values
    if dtype.is_decimal():
        series, dtype = series.cast(pl.Float64), pl.Float64()
    if not dtype.is_numeric():
        raise ColumnError(
            "values that are neither numbers nor text",
            where=origin.column(series.name),
            expected="numbers, text or booleans",
            got=f"type {dtype}",
            hint="Turn dates into a number of days, or leave the column out with ignore",
        )
    if dtype.is_float():
        series = _floats(series, origin)
    return level_series(series) if as_text else narrow(series, origin)


def narrow(values: pl.Series, origin: Origin) -> pl.Series:
    """The narrowest integer type that holds `values`, or Float64 where they are not whole."""
    low: Any = values.min()
    high: Any = values.max()
    if low is None:
        return values.cast(pl.Float64)
    if low < -EXACT_INTEGERS or high > EXACT_INTEGERS:
        if values.dtype.is_float():
            return values
        _refuse_gigantic(values, origin)
    if values.dtype.is_float() and not (values == values.floor()).all():
        return values
    for dtype, least, most in _INTEGERS:
        if least <= low and high <= most:
            return values.cast(dtype)
    return values.cast(pl.Int64)


def _refuse_gigantic(values: pl.Series, origin: Origin) -> None:
    exact = values.cast(pl.Int128) if values.dtype.is_integer() else values
    wrong = exact.abs() > EXACT_INTEGERS
    raise ValueRangeError(
        "integers too large to be held exactly",
        where=origin.column(values.name),
        expected="integers between -2^53 and 2^53",
        got=origin.rows(wrong.fill_null(False)),
        hint="If the column is a key, leave it out with ignore; if it is a code, declare it "
        "categorical in the schema",
    )


def _floats(series: pl.Series, origin: Origin) -> pl.Series:
    """Finite numbers, with nulls for NaN."""
    values = series.cast(pl.Float64)
    if np.isfinite(values.to_numpy()).all():
        return values
    values = values.fill_nan(None)
    refuse_infinite(values, origin)
    return values


def refuse_infinite(values: pl.Series, origin: Origin) -> None:
    """Refuse infinite numbers."""
    wrong = values.is_infinite().fill_null(False)
    if wrong.any():
        raise ValueRangeError(
            "infinite values",
            where=origin.column(values.name),
            expected="finite numbers",
            got=f"infinity in {origin.rows(wrong)}",
            hint="Replace them by a number, or leave the cells empty to mean missing",
        )


def _from_objects(series: pl.Series, origin: Origin) -> pl.Series:
    return python_series(series.name, series.to_list(), origin)


def python_series(name: str, values: Sequence[Any], origin: Origin) -> pl.Series:
    """A column from Python objects: all booleans, all numbers, or text (numbers among it as text).

    None, NaN and other objects that differ from themselves are missing; pandas' intervals are text.
    """
    cells = [None if _is_missing(value) else _plain(value) for value in values]
    kinds = {_kind(value) for value in cells if value is not None}
    if "other" in kinds:
        row = next(i for i, v in enumerate(cells) if v is not None and _kind(v) == "other")
        raise ColumnError(
            "values that are neither numbers nor text",
            where=origin.column(name),
            expected="numbers, text or booleans",
            got=f"{type(cells[row]).__name__} in row {row + 1}",
            hint="Turn dates into a number of days, or leave the column out with ignore",
        )
    if kinds <= {"boolean"} and kinds:
        return pl.Series(name, [None if v is None else bool(v) for v in cells], dtype=pl.Boolean)
    if kinds <= {"number", "boolean"}:
        if any(isinstance(v, numbers.Integral) and abs(int(v)) > 2**63 - 1 for v in cells):
            return pl.Series(name, [None if v is None else str(v) for v in cells], dtype=pl.String)
        whole = all(v is None or isinstance(v, numbers.Integral) for v in cells)
        cast = int if whole else float
        return pl.Series(
            name,
            [None if v is None else cast(v) for v in cells],
            dtype=pl.Int64 if whole else pl.Float64,
        )
    texts = [v if v is None or isinstance(v, str) else level_text(v) for v in cells]
    return pl.Series(name, texts, dtype=pl.String)


def object_series(name: str, values: Sequence[Any], origin: Origin) -> pl.Series:
    """As `python_series`, but values that are neither numbers nor text stay what they are."""
    try:
        return python_series(name, values, origin)
    except ColumnError:
        cells = [None if _is_missing(value) else value for value in values]
        return pl.Series(name, cells, dtype=pl.Object)


def _plain(value: Any) -> Any:
    return str(value) if type(value).__name__ == "Interval" else value


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return False
    try:
        return not bool(value == value)
    except (TypeError, ValueError):
        return type(value).__name__ in ("NAType", "NaTType")


def _kind(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, numbers.Real) or type(value).__name__ == "Decimal":
        return "number"
    return "text" if isinstance(value, str) else "other"


def _from_text(
    series: pl.Series,
    origin: Origin,
    as_text: bool,
    as_number: bool,
    levels: Sequence[str] | None,
) -> pl.Series:
    stripped = series.str.strip_chars()
    if not as_text:
        lowered = stripped.str.to_lowercase()
        known = (~lowered.is_in(MISSING_NUMBER)).fill_null(False)
        parsed = stripped.cast(pl.Float64, strict=False)
        numeric = known & parsed.is_not_null()
        n_known, n_numeric = int(known.sum()), int(numeric.sum())
        if n_known == n_numeric:
            values = parsed.zip_with(numeric, pl.Series([None], dtype=pl.Float64))
            return _numbers_from_text(stripped, values.alias(series.name), origin)
        if (lowered.is_in(("true", "false")) | ~known).all():
            truth = (lowered == "true").cast(pl.UInt8)
            return truth.zip_with(known, pl.Series([None], dtype=pl.UInt8)).alias(series.name)
        if as_number or _looks_mixed(stripped, known, numeric):
            _refuse_mixed(stripped, known & ~numeric, origin)
        _refuse_dressed(stripped, known, origin)
    kept = tuple(levels or ())
    missing = stripped.is_in([text for text in MISSING_TEXT if text not in kept])
    if not missing.any():
        return series
    return series.zip_with(~missing, pl.Series([None], dtype=pl.String)).alias(series.name)


def _numbers_from_text(texts: pl.Series, values: pl.Series, origin: Origin) -> pl.Series:
    refuse_infinite(values, origin)
    huge = (values.abs() > EXACT_INTEGERS).fill_null(False)
    if huge.any() and texts.filter(values.is_not_null()).str.contains(r"^[+-]?\d+$").all():
        _refuse_gigantic(values, origin)
    return narrow(values, origin)


def _looks_mixed(texts: pl.Series, known: pl.Series, numeric: pl.Series) -> bool:
    """Whether text among numbers is a mistake rather than a level such as "3+".

    Few, often repeated values that each hold at least 1 % of the rows are levels.
    """
    n_known = int(known.sum())
    odd = texts.filter(known & ~numeric)
    if odd.str.contains(_COMMA_NUMBER).all() and odd.n_unique() > 10:
        return True
    if int(numeric.sum()) < n_known / 2:
        return False
    few = _are_few(texts.filter(known).n_unique(), n_known)
    counts = odd.value_counts(name="times")["times"]
    return not (few and (counts >= n_known / 100).all())


def _are_few(count: int, n_known: int) -> bool:
    """Whether so many different values may be levels."""
    return count <= min(20, n_known // 5)


def _refuse_mixed(texts: pl.Series, wrong: pl.Series, origin: Origin) -> None:
    odd = texts.filter(wrong)
    if odd.str.contains(_COMMA_NUMBER).all():
        raise ColumnError(
            "numbers written with a comma",
            where=origin.column(texts.name),
            expected="a point before the decimals, and no mark between thousands",
            got=f"{quoted(odd[0], 20)} in {origin.rows(wrong)}",
            hint="Write 1,5 as 1.5 and 1,000 as 1000, or declare the column categorical in the "
            "schema",
        )
    raise ColumnError(
        "numbers and text mixed",
        where=origin.column(texts.name),
        expected="numbers",
        got=f"{quoted(odd[0], 20)} in {origin.rows(wrong)}",
        hint="Correct the cells, empty them to mean missing, or declare the column categorical in "
        "the schema",
    )


def _refuse_dressed(texts: pl.Series, known: pl.Series, origin: Origin) -> None:
    """Refuse numbers with signs or units, in more kinds than could be levels ("36 months")."""
    numbers = texts.filter(known)
    if not numbers.head(1000).str.contains(_DRESSED_NUMBER).all():
        return
    distinct = numbers.unique()
    alike = distinct.str.replace_all(_DRESS_ONLY, "").n_unique() <= 3
    if _are_few(len(distinct), len(numbers)) or not alike:
        return
    if not distinct.str.contains(_DRESSED_NUMBER).all():
        return
    raise ColumnError(
        "numbers written with a sign or unit",
        where=origin.column(texts.name),
        expected="plain numbers",
        got=f"{quoted(numbers[0], 20)} in {origin.rows(known)}",
        hint="Write $1,200 as 1200 and 12.5% as 12.5, leave the column out with ignore, or declare "
        "it categorical in the schema",
    )


def level_text(value: Any) -> str:
    """The text of a level: whole numbers without decimals, booleans as true and false.

    >>> level_text(2.0), level_text(2.5), level_text(True), level_text(10**400) == f"1{0:0400}"
    ('2', '2.5', 'true', True)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)


def level_series(series: pl.Series) -> pl.Series:
    """The values as the texts of levels, missing ones as null."""
    if series.dtype.is_integer():
        return series.cast(pl.String)
    distinct = series.drop_nulls().unique(maintain_order=True)
    texts = pl.Series([level_text(v) for v in distinct.to_list()], dtype=pl.String)
    return series.replace_strict(distinct, texts, default=None, return_dtype=pl.String)


def levels_of(values: pl.Series) -> tuple[str, ...]:
    """The distinct texts, sorted."""
    return tuple(values.drop_nulls().unique().sort().to_list())


def yes_level(levels: Sequence[str]) -> str | None:
    """The one level of two that obviously means yes, or None."""
    yes = [level for level in levels if level.strip().casefold() in YES]
    return yes[0] if len(yes) == 1 else None


def constant(values: pl.Series) -> bool:
    """Whether all values that are not missing are equal, and none is missing."""
    if values.null_count():
        return False
    return bool((values == values[0]).all()) if len(values) else True


def infer_feature(
    values: pl.Series, *, known_type: str | None = None, levels: Sequence[str] | None = None
) -> Feature:
    """The `Feature` of a canonical column: binary where two values occur, else by its type.

    `known_type` and `levels` override what is inferred. The last of a binary feature's two levels
    is the one that means yes.
    """
    missing = "own_level" if values.null_count() else "none_seen"
    if values.dtype == pl.String:
        found = tuple(levels) if levels is not None else levels_of(values)
        binary = len(found) == 2 and known_type != "categorical"
        if binary and levels is None:
            yes = yes_level(found) or found[1]
            found = (next(level for level in found if level != yes), yes)
        return Feature(
            name=values.name,
            type="binary" if binary else "categorical",
            levels=found,
            missing=missing,  # type: ignore[arg-type]
        )
    low: Any = values.min()
    high: Any = values.max()
    two = low is not None and low != high and ((values == low) | (values == high)).all()
    if two and known_type != "numeric":
        return Feature(
            name=values.name,
            type="binary",
            minimum=float(low),
            maximum=float(high),
            missing=missing,  # type: ignore[arg-type]
        )
    return Feature(name=values.name, type="numeric", missing=missing)  # type: ignore[arg-type]


def conform(series: pl.Series, feature: Feature, origin: Origin) -> pl.Series:
    """A raw column as `feature` needs it: text for features with levels, numbers for the others.

    Raises
    ------
    ColumnError : text that is not a number in a numeric feature.
    MissingValueError : missing values in a feature that refuses them.
    """
    if feature.levels is not None:
        if series.dtype == pl.String and not series.str.strip_chars().is_in(MISSING_TEXT).any():
            values = series
        else:
            known = feature.levels + (feature.other_levels or ())
            values = canonical(series, origin, as_text=True, levels=known)
    elif series.dtype == pl.Boolean:
        values = series.cast(pl.UInt8)
    elif series.dtype.is_integer():
        values = series
    elif series.dtype in (pl.Float64, pl.Float32):
        values = _floats(series, origin)
    else:
        values = canonical(series, origin, as_number=True)
    if feature.missing == "refused":
        refuse_missing(values, origin)
    return values


def refuse_missing(values: pl.Series, origin: Origin) -> None:
    """Raise `MissingValueError` where a value is missing."""
    if values.null_count():
        raise MissingValueError(
            "missing values where none are allowed",
            where=origin.column(values.name),
            expected="a value in every row",
            got=f"nothing in {origin.rows(values.is_null())}",
            hint="Fill in the values, or let missing values be a level of their own "
            "(missing='own_level')",
        )


def check_levels(count: int, name: str, origin: Origin) -> None:
    """Refuse a categorical column with more than `MAX_LEVELS` levels."""
    if count > MAX_LEVELS:
        raise ColumnError(
            f"{count:,} levels",
            where=origin.column(name),
            expected=f"at most {MAX_LEVELS:,} levels in a categorical column",
            hint="Group the levels, or leave the column out with ignore",
        )


def check_range(values: pl.Series, low: float | None, high: float | None, origin: Origin) -> None:
    """Refuse numbers outside of the allowed range."""
    wrong = pl.repeat(False, len(values), eager=True)
    if low is not None:
        wrong |= (values < low).fill_null(False)
    if high is not None:
        wrong |= (values > high).fill_null(False)
    if wrong.any():
        first = float(values.filter(wrong)[0])
        ends = ["…" if end is None else f"{end:g}" for end in (low, high)]
        raise ValueRangeError(
            "values outside of the allowed range",
            where=origin.column(values.name),
            expected=f"values from {ends[0]} to {ends[1]}",
            got=f"{first:g} in {origin.rows(wrong)}",
            hint="Correct the cells, or change minimum and maximum in the schema",
        )
