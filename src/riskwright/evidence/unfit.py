"""Columns that no score should use, told from their names and values: keys, dates, free text."""

from __future__ import annotations

import datetime
import re

import polars as pl

from .columns import MAX_LEVELS, MISSING_TEXT, constant

__all__ = ["unfit", "unfit_values"]

_FEWEST_KEYS = 20
_RARE = 0.01
_START = r"(?:^|[_\s.-])"
_KEY_NAME = re.compile(
    _START + r"(?:ids?|identifier|key|uuid|guid|mrn|ssn|nbr|serial|account)\.?$", re.I
)
_COUNTER_NAME = re.compile(
    _START + r"(?:index|row|rownames?|nr|no|num|number|obs|record|case|#)\.?$"
    r"|^column 1$|^Unnamed: 0$",
    re.I,
)
_KEY_CAMEL = re.compile(r"[a-z]I[dD]$")
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]m)?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"(?:\d{{4}}[-/.]\d{{1,2}}(?:[-/.]\d{{1,2}})?|\d{{1,2}}([-/.])\d{{1,2}}\1(?:\d{{4}}|\d{{2}})"
    rf"|(?:\d{{1,2}}[- ])?{_MONTH}[- ](?:\d{{1,2}},? )?(?:\d{{4}}|\d{{2}}))"
    rf"(?:[ T]{_CLOCK}.*)?|{_CLOCK}",
    re.I,
)
_TIME = "a date or time: use the number of days to a fixed date instead"


def unfit(series: pl.Series) -> str | None:
    """Why a raw column should not be a feature, told from its type and its texts, or None."""
    dtype = series.dtype
    if dtype.is_temporal():
        return _TIME
    if dtype == pl.Object:
        first = next((value for value in series if value is not None), None)
        moments = (datetime.date, datetime.time, datetime.timedelta)
        if isinstance(first, moments) or type(first).__name__ == "Period":
            return _TIME
        return f"neither numbers nor text: {type(first).__name__}"
    if dtype.is_nested() or dtype == pl.Binary:
        return f"neither numbers nor text: {dtype}"
    if dtype == pl.String:
        head = series.drop_nulls().head(1000).str.strip_chars()
        known = head.filter(~head.is_in(MISSING_TEXT)).to_list()
        dates = sum(_DATE.fullmatch(text) is not None for text in known)
        if known and dates >= 0.9 * len(known):
            return _TIME
    return _key(series) if dtype.is_integer() or dtype == pl.String else None


def unfit_values(values: pl.Series, *, wanted: bool = False) -> str | None:
    """Why a canonical column should not be a feature, told from its values, or None.

    A `wanted` column need only have two values.
    """
    if values.null_count() == len(values):
        return "all values are missing"
    if constant(values):
        return "constant: one value in every row"
    if wanted:
        return None
    if values.dtype == pl.String:
        return _unfit_text(values)
    return _key(values) or _unfit_dates(values) if values.dtype.is_integer() else None


def _key(series: pl.Series) -> str | None:
    key = _KEY_NAME.search(series.name) or _KEY_CAMEL.search(series.name)
    if not key and not _COUNTER_NAME.search(series.name):
        return None
    known = series.drop_nulls()
    count = known.n_unique()
    if count == len(series) > 1:
        return "a key: named so, and every value differs"
    if key and count > max(_FEWEST_KEYS, len(known) / 4):
        return "a key: named so, and few rows share a value"
    return None


def _unfit_text(values: pl.Series) -> str | None:
    known = values.drop_nulls()
    count = known.n_unique()
    if count < _FEWEST_KEYS:
        return None
    if count == len(values):
        return "every value differs: a key or free text"
    if count > len(known) / 2:
        return "most values differ: names, keys or free text"
    if count > MAX_LEVELS:
        return f"{count:,} levels: more than {MAX_LEVELS:,} cannot be told apart on a card"
    times = known.value_counts(name="times")["times"]
    if times.filter(times < _RARE * len(values)).sum() > len(known) / 2:
        return f"{count:,} levels, and most rows hold a rare one: names or free text"
    return None


def _unfit_dates(values: pl.Series) -> str | None:
    """Whether all integers are days such as 20130814."""
    low, high = int(values.min()), int(values.max())  # type: ignore[arg-type]
    if low >= 19_000_000 and high < 21_000_000:
        days = values.drop_nulls().cast(pl.String).str.to_date("%Y%m%d", strict=False)
        if not days.null_count():
            return _TIME
    return None
