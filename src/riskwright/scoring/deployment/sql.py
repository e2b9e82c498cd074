"""The card as one SQL query, in the words of five database systems."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from riskwright.core import Item, ParameterError, ScoreCard

from .rules import LARGEST_LOG_ODDS, Rule, feature_rules, total_bounds

__all__ = ["DIALECTS", "Dialect", "to_sql"]

Dialect = Literal["duckdb", "postgresql", "spark", "bigquery", "snowflake"]
DIALECTS: tuple[str, ...] = get_args(Dialect)


def to_sql(
    card: ScoreCard, dialect: Dialect = "duckdb", *, table: str | tuple[str, ...] = "people"
) -> str:
    """A query that gives every row of `table` its `points` and its `risk`.

    NULL and NaN are missing values, as are the texts that mean so ('', 'NA', ...); unseen levels
    match no item. A row with a value that the card refuses (missing, or infinite where points
    multiply it) gets NULL for both. Names and text are quoted, so that no column name or level can end a literal; quoted names are
    case-sensitive in PostgreSQL and Snowflake. Numbers read back to the same double. Columns of
    numeric and binary features must hold numbers: cast booleans first, except in DuckDB. A scoring
    system gives `predicted` (boolean) in place of `risk`.

    Parameters
    ----------
    card : the score card.
    dialect : the database system that will read the query.
    table : its name; dots part catalogue, schema and table, and so do the entries of a tuple.

    Raises
    ------
    ParameterError
        For an unknown dialect or an empty table name.

    Examples
    --------
    >>> from riskwright.core import Feature, Item, ScoreCard, Term
    >>> card = ScoreCard(
    ...     title="Example", outcome="event", score_class="free", rows=(), n=10, events=5,
    ...     terms=(Term(item=Item(feature="age", kind="lt", label="Age < 40", high=40), points=-2),),
    ...     features=(Feature(name="age", type="numeric"),), slope=0.5, intercept=1.0,
    ... )
    >>> print(to_sql(card, table="people"))
    SELECT scored.*,
      1 / (1 + EXP(-(0.5e0 * points + 1.0e0))) AS risk
    FROM (
      SELECT source.*,
        CASE WHEN "age" < 40 THEN -2 ELSE 0 END
        AS points
      FROM "people" AS source
    ) AS scored
    """
    if dialect not in _WORDS:
        raise ParameterError(
            "unknown dialect", where="dialect", expected=", ".join(DIALECTS), got=repr(dialect)
        )
    words = _WORDS[dialect]
    parts = tuple(table.split(".")) if isinstance(table, str) else tuple(table)
    if not parts or not all(parts):
        raise ParameterError("not the name of a table", where="table", got=repr(table))
    rules = feature_rules(card)
    total = "\n    + ".join(_addends(card, rules, words)) or "0"
    refused = [test for rule in rules for test in _refusals(rule, words)]
    if refused:
        total = f"CASE WHEN {' OR '.join(refused)} THEN NULL ELSE\n    {total}\n    END"
    return (
        f"SELECT scored.*,\n  {_meaning(card, words)}\n"
        f"FROM (\n  SELECT source.*,\n    {total}\n    AS points\n"
        f"  FROM {'.'.join(words.name(part) for part in parts)} AS source\n) AS scored"
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """How one system quotes names and text, writes and tells doubles."""

    name: Callable[[str], str]
    text: Callable[[str], str]
    double: Callable[[float], str]
    is_nan: Callable[[str], str]
    double_type: str
    text_type: str


def _doubled(mark: str) -> Callable[[str], str]:
    return lambda text: mark + text.replace(mark, mark * 2) + mark


def _escaped(mark: str) -> Callable[[str], str]:
    """Backslash escapes, for systems that read them inside quotes."""
    marks = {"\\": "\\\\", mark: "\\" + mark, "\n": "\\n", "\r": "\\r"}
    return lambda text: mark + "".join(marks.get(letter, letter) for letter in text) + mark


def _scientific(value: float) -> str:
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{exponent or 0}"


_WORDS = {
    "duckdb": _Words(
        name=_doubled('"'),
        text=_doubled("'"),
        double=_scientific,
        is_nan=lambda x: f"isnan({x})",
        double_type="DOUBLE",
        text_type="VARCHAR",
    ),
    "postgresql": _Words(
        name=_doubled('"'),
        text=_doubled("'"),
        double=lambda value: f"CAST('{value!r}' AS DOUBLE PRECISION)",
        is_nan=lambda x: f"{x} = 'NaN'",
        double_type="DOUBLE PRECISION",
        text_type="TEXT",
    ),
    "spark": _Words(
        name=_doubled("`"),
        text=_escaped("'"),
        double=lambda value: f"{value!r}D",
        is_nan=lambda x: f"isnan({x})",
        double_type="DOUBLE",
        text_type="STRING",
    ),
    "bigquery": _Words(
        name=_escaped("`"),
        text=_escaped("'"),
        double=repr,
        is_nan=lambda x: f"IS_NAN({x})",
        double_type="FLOAT64",
        text_type="STRING",
    ),
    "snowflake": _Words(
        name=_doubled('"'),
        text=_escaped("'"),
        double=lambda value: f"CAST('{value!r}' AS DOUBLE)",
        is_nan=lambda x: f"{x} = CAST('NaN' AS DOUBLE)",
        double_type="DOUBLE",
        text_type="VARCHAR",
    ),
}


def _addends(card: ScoreCard, rules: tuple[Rule, ...], words: _Words) -> list[str]:
    by_name = {rule.feature.name: rule for rule in rules}
    steps = [
        f"CASE WHEN {_holds(by_name[t.item.feature], t.item, words)} THEN {t.points} ELSE 0 END"
        for t in card.terms
        if t.item.kind != "value"
    ]
    multiples = [
        f"COALESCE({t.points} * {_clean(t.item.feature, words)}, 0)"
        for t in card.terms
        if t.item.kind == "value"
    ]
    return steps + multiples


def _holds(rule: Rule, item: Item, words: _Words) -> str:
    column = words.name(item.feature)
    if item.kind == "missing":
        return _is_missing(rule, words)
    if item.kind == "in":
        if not item.levels:
            return "FALSE"
        levels = ", ".join(words.text(level) for level in item.levels)
        return f"CAST({column} AS {words.text_type}) IN ({levels})"
    tests = []
    if item.low is not None:
        tests.append(f"{column} >= {_number(item.low, words)}")
        if item.high is None:  # most systems sort NaN above every number
            tests.append(f"NOT ({_is_nan(item.feature, words)})")
    if item.high is not None:
        tests.append(f"{column} < {_number(item.high, words)}")
    return " AND ".join(tests)


def _is_missing(rule: Rule, words: _Words) -> str:
    column = words.name(rule.feature.name)
    if rule.categorical:
        texts = ", ".join(map(words.text, rule.missing_texts))
        return f"({column} IS NULL OR TRIM(CAST({column} AS {words.text_type})) IN ({texts}))"
    return f"({column} IS NULL OR {_is_nan(rule.feature.name, words)})"


def _refusals(rule: Rule, words: _Words) -> list[str]:
    tests = [_is_missing(rule, words)] if rule.feature.missing == "refused" else []
    if rule.multiples:
        largest = words.double(sys.float_info.max)
        tests.append(f"ABS({_clean(rule.feature.name, words)}) > {largest}")
    return tests


def _is_nan(feature: str, words: _Words) -> str:
    return words.is_nan(f"CAST({words.name(feature)} AS {words.double_type})")


def _clean(feature: str, words: _Words) -> str:
    """The column as a double, NULL where it is NaN."""
    double = f"CAST({words.name(feature)} AS {words.double_type})"
    return f"CASE WHEN NOT ({words.is_nan(double)}) THEN {double} END"


def _number(value: float, words: _Words) -> str:
    """Whole numbers as integers, so that integer columns are compared as they are."""
    if float(value).is_integer() and abs(value) < 2**53:
        return str(int(value))
    return words.double(float(value))


def _meaning(card: ScoreCard, words: _Words) -> str:
    if card.score_class == "scoring_system":
        return f"points > {_number(card.threshold or 0.0, words)} AS predicted"
    slope, intercept = float(card.slope or 0.0), float(card.intercept or 0.0)
    log_odds = f"{words.double(slope)} * points + {words.double(intercept)}"
    bounds = total_bounds(card)
    if bounds is None or any(abs(slope * b + intercept) > LARGEST_LOG_ODDS for b in bounds):
        limit = f"{LARGEST_LOG_ODDS:g}"
        log_odds = f"GREATEST(-{limit}, LEAST({limit}, {log_odds}))"
    return f"1 / (1 + EXP(-({log_odds}))) AS risk"
