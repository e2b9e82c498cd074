"""SQL text: golden queries for every dialect, quoting, and DuckDB on awkward tables."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from riskwright.core import Feature, Item, ParameterError, ScoreCard, Term
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
