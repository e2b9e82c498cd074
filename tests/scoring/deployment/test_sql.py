"""SQL text: golden queries for every dialect, quoting, and DuckDB on awkward tables."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from riskwright.core import ColumnError, Feature, Item, ParameterError, ScoreCard, Term
from riskwright.scoring.deployment import DIALECTS, RowScorer, to_sql

MOOD = 'he said "hi"'


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_query_reads_as_the_golden_file(card: ScoreCard, golden: Path, dialect: str):
    """RISKWRIGHT_REGENERATE=1 writes the files anew; look at the difference before you keep it."""
    extra = (
        Term(item=Item(feature="age", kind="value", label="age"), points=-1),
        Term(item=Item(feature=MOOD, kind="missing", label="no mood"), points=5),
    )
    query = to_sql(
        msgspec.structs.replace(card, terms=(*card.terms, *extra)), dialect, table="clinic.people"
    )
    path = golden / f"{dialect}.sql"
    if os.environ.get("RISKWRIGHT_REGENERATE"):
        path.write_text(query + "\n", encoding="utf-8")
    assert query + "\n" == path.read_text(encoding="utf-8")


def test_duckdb_keeps_the_columns_and_reads_booleans_integers_and_decimals(card: ScoreCard):
    with duckdb.connect() as connection:
        connection.sql(
            '''CREATE SCHEMA clinic; CREATE TABLE clinic."my people" AS
            SELECT 1 AS id, 61::DECIMAL(9, 1) AS age, 18.5::FLOAT AS bmi,
            'it''s' AS "he said ""hi""", true AS smoker
            UNION ALL SELECT 2, NULL, 'nan'::FLOAT, NULL, NULL ORDER BY id'''
        )
        query = to_sql(card, table=("clinic", "my people"), booleans=["smoker"])
        relation = connection.sql(query)
        assert relation.columns == ["id", "age", "bmi", MOOD, "smoker", "points", "risk"]
        first, second = relation.fetchall()
    row = {"age": 61, "bmi": 18.5, MOOD: "it's", "smoker": 1}
    assert first[-2:] == RowScorer(card)(row)[:2]
    assert second[-2:] == (None, None)


@pytest.mark.parametrize("kind", ["BOOLEAN", "INTEGER", "DOUBLE"])
def test_duckdb_reads_yes_and_no_from_every_type_without_being_told(card: ScoreCard, kind: str):
    learned = Feature(name="smoker", type="binary", minimum=0.0, maximum=1.0, missing="own_level")
    items = (
        Item(feature="smoker", kind="ge", label="smoker", low=0.5),
        Item(feature="smoker", kind="missing", label="smoker missing"),
    )
    known = msgspec.structs.replace(
        card,
        features=(learned,),
        terms=tuple(Term(item=item, points=p) for item, p in zip(items, (1, 10), strict=True)),
    )
    with duckdb.connect() as connection:
        connection.sql(f"CREATE TABLE people AS SELECT unnest([1, 0, NULL])::{kind} AS smoker")
        assert [row[1] for row in connection.sql(to_sql(known)).fetchall()] == [1, 0, 10]


def test_duckdb_answers_null_where_points_would_multiply_infinity(card: ScoreCard):
    terms = (Term(item=Item(feature="age", kind="value", label="age"), points=2),)
    query = to_sql(msgspec.structs.replace(card, terms=terms))
    with duckdb.connect() as connection:
        ages = "VALUES (1.5::DOUBLE), ('inf'), ('-inf'), ('nan'), (NULL)"
        connection.sql(f"CREATE TABLE people AS SELECT * FROM ({ages}) AS t(age)")
        found = [row[1] for row in connection.sql(query).fetchall()]
    assert found == [3.0, None, None, 0.0, 0.0]


def test_duckdb_holds_the_log_odds_where_exp_would_overflow(card: ScoreCard):
    steep = msgspec.structs.replace(card, slope=1000.0)
    rows = [(70, 20.0, "plain", 1), (1, 20.0, "plain", 0)]
    names = ["age", "bmi", MOOD, "smoker"]
    with duckdb.connect() as connection:
        connection.sql(
            'CREATE TABLE people(age INT, bmi DOUBLE, "he said ""hi""" TEXT, smoker INT)'
        )
        connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", rows)
        found = [row[-1] for row in connection.sql(to_sql(steep)).fetchall()]
    assert found == [RowScorer(steep)(dict(zip(names, row, strict=True))).risk for row in rows]


@settings(max_examples=80, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(codec="utf-8")))
def test_numbers_and_text_survive_the_query_exactly(cut: float, text: str):
    """A value equal to the cut point counts; text of any kind is neither cut short nor executed."""
    level = text.replace("\0", "") or "x"
    card = ScoreCard(
        title="t",
        outcome="o",
        terms=(
            Term(item=Item(feature="x", kind="ge", label="", low=cut), points=1),
            Term(item=Item(feature=level, kind="in", label="", levels=(level,)), points=2),
        ),
        score_class="free",
        features=(
            Feature(name="x", type="numeric"),
            Feature(name=level, type="categorical", levels=(level,)),
        ),
        rows=(),
        n=1,
        events=1,
        slope=1.0,
        intercept=0.0,
    )
    if level.lower() == "x":
        return
    with duckdb.connect() as connection:
        name = '"' + level.replace('"', '""') + '"'
        connection.sql(f"CREATE TABLE people(x DOUBLE, {name} VARCHAR)")
        connection.execute("INSERT INTO people VALUES (?, ?)", [cut, level])
        assert connection.sql(to_sql(card)).fetchall()[0][2] == 3


def test_a_scoring_system_answers_with_a_boolean(card: ScoreCard):
    system = msgspec.structs.replace(
        card, score_class="scoring_system", slope=None, intercept=None, threshold=2.0
    )
    assert "points > 2 AS predicted" in to_sql(system)


@pytest.mark.parametrize("name", ["unused", MOOD, "absent"])
def test_booleans_must_be_numbers_on_the_card(card: ScoreCard, name: str):
    with pytest.raises(ParameterError, match="booleans"):
        to_sql(card, booleans=[name])


@pytest.mark.parametrize("table", ["", "a..b", ".", ("a", "")])
def test_an_empty_name_of_a_table_is_refused(card: ScoreCard, table):
    with pytest.raises(ParameterError, match="table"):
        to_sql(card, table=table)


def test_an_unknown_dialect_is_refused_by_name(card: ScoreCard):
    with pytest.raises(ParameterError, match=", ".join(DIALECTS)):
        to_sql(card, "oracle")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["INTEGER", "DOUBLE", "FLOAT", "VARCHAR"])
def test_duckdb_reads_codes_from_every_type_as_the_scorer_does(card: ScoreCard, kind: str):
    """A whole number is its level even where a missing value made the column DOUBLE."""
    items = (
        Item(feature="code", kind="in", label="1 or 30", levels=("1", "30", "x")),
        Item(feature="code", kind="in", label="0", levels=("0",)),
        Item(feature="code", kind="missing", label="no code"),
    )
    coded = msgspec.structs.replace(
        card,
        terms=tuple(Term(item=i, points=p) for i, p in zip(items, (1, 10, 100), strict=True)),
        features=(
            Feature(
                name="code",
                type="categorical",
                levels=("0", "1", "2", "30", "x"),
                missing="own_level",
            ),
        ),
    )
    values = ["1", "2", "30", "0", "-0.0", "'nan'", "NULL", "31"]
    rows = " UNION ALL ".join(f"SELECT {v}::DOUBLE" for v in values)
    if kind == "INTEGER":
        rows = " UNION ALL ".join(f"SELECT {v}" for v in ["1", "2", "30", "0", "NULL"])
    if kind == "VARCHAR":
        rows = " UNION ALL ".join(f"SELECT '{v}'" for v in ["1", "1.0", "x", "0.0", "nan", "01"])
    with duckdb.connect() as connection:
        connection.sql(f"CREATE TABLE people AS SELECT code::{kind} AS code FROM ({rows}) t(code)")
        found = connection.sql(to_sql(coded)).fetchall()
    scorer = RowScorer(coded)
    assert [row[1] for row in found] == [scorer({"code": row[0]}).total for row in found]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_codes_are_told_from_their_decimal_text_where_a_system_writes_one(
    card: ScoreCard, dialect: str
):
    feature = Feature(name="code", type="categorical", levels=("1", "01"))
    term = Term(item=Item(feature="code", kind="in", label="", levels=("1", "01")), points=1)
    query = to_sql(msgspec.structs.replace(card, terms=(term,), features=(feature,)), dialect)
    assert ("TRY_CAST" in query) == (dialect in ("duckdb", "spark"))
    assert "IN (1)" in query or dialect not in ("duckdb", "spark")


@pytest.mark.parametrize("name", ["points", "Points", "RISK"])
def test_a_feature_with_the_name_of_an_added_column_is_refused(card: ScoreCard, name: str):
    term = Term(item=Item(feature=name, kind="ge", label="", low=1.0), points=1)
    clash = msgspec.structs.replace(
        card, terms=(term,), features=(Feature(name=name, type="numeric"),)
    )
    with pytest.raises(ColumnError, match=f"'{name}'.*exists already"):
        to_sql(clash)
