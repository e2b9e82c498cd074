"""The card as one SQL query, in the words of five database systems."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

from riskwright.core import ColumnError, Item, ParameterError, ScoreCard

from .rules import LARGEST_LOG_ODDS, Rule, feature_rules, total_bounds

__all__ = ["DIALECTS", "Dialect", "to_sql"]

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")

Dialect = Literal["duckdb", "postgresql", "spark", "bigquery", "snowflake"]
DIALECTS: tuple[str, ...] = get_args(Dialect)


def to_sql(
    card: ScoreCard,
    dialect: Dialect = "duckdb",
    *,
    table: str | tuple[str, ...] = "people",
    booleans: Collection[str] = (),
) -> str:
    """A query that gives every row of `table` its `points` and its `risk`.

    NULL and NaN are missing values, as are the texts that mean so ('', 'NA', ...); unseen levels
    match no item. A row with a value that the card refuses (missing, or infinite where points
    multiply it) gets NULL for both. Names and text are quoted, so that none can end a literal;
    quoted names are case-sensitive in PostgreSQL and Snowflake. Numbers read back to the same
    double. A scoring system gives `predicted` (boolean) in place of `risk`. The table must not have
    columns of these names already: systems differ in which of two `points` they then read.

    Parameters
    ----------
    card : the score card.
    dialect : the database system that will read the query.
    table : its name; dots part catalogue, schema and table, and so do the entries of a tuple.
    booleans : features that are of type BOOLEAN in the table; other numbers must be numbers there.
        DuckDB and Spark need not be told of those that are yes or no on the card.

    Raises
    ------
    ParameterError
        For an unknown dialect, an empty table name, or `booleans` that the card does not read as
        numbers.
    ColumnError
        Where a feature of the card has the name of a column that the query adds.

    Examples
    --------
    >>> from riskwright.core import Feature, Item, ScoreCard, Term
    >>> young = Item(feature="age", kind="lt", label="Age < 40", high=40)
    >>> card = ScoreCard(
    ...     title="Example", outcome="event", score_class="free", rows=(), n=10, events=5,
    ...     terms=(Term(item=young, points=-2),), slope=0.5, intercept=1.0,
    ...     features=(Feature(name="age", type="numeric"),),
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
    _check_names(card)
    parts = tuple(table.split(".")) if isinstance(table, str) else tuple(table)
    if not parts or not all(parts):
        raise ParameterError("not the name of a table", where="table", got=repr(table))
    columns = _columns(card, words, booleans)
    total = "\n    + ".join(_addends(card, columns)) or "0"
    refused = [test for column in columns.values() for test in column.refusals()]
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
    writes_point_zero: bool = False  # whether the text of the double 1 is '1.0'
    casts_booleans: bool = False  # whether a BOOLEAN may be cast to a double


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
        writes_point_zero=True,
        casts_booleans=True,
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
        writes_point_zero=True,
        casts_booleans=True,
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


@dataclass(frozen=True, slots=True)
class _Column:
    """A feature as an expression of the table, and the tests that a card makes of it."""

    rule: Rule
    words: _Words
    boolean: bool

    @property
    def plain(self) -> str:
        """As the table has it, but for yes and no, which become numbers where that is legal."""
        name = self.words.name(self.rule.feature.name)
        if self.boolean:
            return f"CASE WHEN {name} THEN 1 WHEN NOT {name} THEN 0 END"
        return self._cast() if self._may_be_boolean else name

    @property
    def _may_be_boolean(self) -> bool:
        binary = self.rule.feature.type == "binary" and not self.rule.categorical
        return binary and self.words.casts_booleans

    @property
    def double(self) -> str:
        """As a double, NULL where it is NaN."""
        if self.boolean:
            return self.plain
        return f"CASE WHEN NOT ({self.is_nan()}) THEN {self._cast()} END"

    def _cast(self) -> str:
        name = self.words.name(self.rule.feature.name)
        return f"CAST({name} AS {self.words.double_type})"

    def is_nan(self) -> str:
        return self.words.is_nan(self._cast())

    def is_missing(self) -> str:
        if self.rule.categorical:
            texts = ", ".join(map(self.words.text, self.rule.missing_texts))
            text = f"CAST({self.plain} AS {self.words.text_type})"
            return f"({self.plain} IS NULL OR TRIM({text}) IN ({texts}))"
        name = self.words.name(self.rule.feature.name)
        return f"{name} IS NULL" if self.boolean else f"({name} IS NULL OR {self.is_nan()})"

    def holds(self, item: Item) -> str:
        if item.kind == "missing":
            return self.is_missing()
        if item.kind == "in":
            return self._is_one_of(item.levels or ())
        tests = []
        if item.low is not None:
            tests.append(f"{self.plain} >= {_number(item.low, self.words)}")
            if item.high is None and not self.boolean:  # most systems sort NaN above every number
                tests.append(f"NOT ({self.is_nan()})")
        if item.high is not None:
            tests.append(f"{self.plain} < {_number(item.high, self.words)}")
        return " AND ".join(tests)

    def _is_one_of(self, levels: tuple[str, ...]) -> str:
        """Whether the text is one of `levels`; a whole DOUBLE is the text of the whole number."""
        if not levels:
            return "FALSE"
        known = ", ".join(map(self.words.text, levels))
        test = f"CAST({self.plain} AS {self.words.text_type}) IN ({known})"
        whole = ", ".join(level for level in levels if _WHOLE.fullmatch(level))
        if not whole or not self.words.writes_point_zero:
            return test
        number = f"TRY_CAST({self.plain} AS {self.words.double_type}) IN ({whole})"
        return f"({test} OR LOWER(TYPEOF({self.plain})) IN ('double', 'float') AND {number})"

    def refusals(self) -> list[str]:
        tests = [self.is_missing()] if self.rule.feature.missing == "refused" else []
        if self.rule.multiples and not self.boolean:
            tests.append(f"ABS({self.double}) > {self.words.double(sys.float_info.max)}")
        return tests


def _check_names(card: ScoreCard) -> None:
    added = ("points", "predicted" if card.score_class == "scoring_system" else "risk")
    taken = [t.item.feature for t in card.terms if t.item.feature.lower() in added]
    if taken:
        raise ColumnError(
            "a column that scoring adds exists already",
            where=f"feature {taken[0]!r}",
            expected=f"other names than {added[0]} and {added[1]}",
            hint="Rename the column in the table and learn the card anew",
        )


def _columns(card: ScoreCard, words: _Words, booleans: Collection[str]) -> dict[str, _Column]:
    rules = {rule.feature.name: rule for rule in feature_rules(card)}
    for name in booleans:
        if name not in rules or rules[name].categorical:
            raise ParameterError("not a number that the card reads", where="booleans", got=name)
    return {name: _Column(rule, words, name in booleans) for name, rule in rules.items()}


def _addends(card: ScoreCard, columns: dict[str, _Column]) -> list[str]:
    steps = [
        f"CASE WHEN {columns[t.item.feature].holds(t.item)} THEN {t.points} ELSE 0 END"
        for t in card.terms
        if t.item.kind != "value"
    ]
    multiples = [
        f"COALESCE({t.points} * {columns[t.item.feature].double}, 0)"
        for t in card.terms
        if t.item.kind == "value"
    ]
    return steps + multiples


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
