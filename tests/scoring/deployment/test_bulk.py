"""Whole files: the same numbers from every container, clear refusals, output complete or absent."""

from __future__ import annotations

import csv
import gzip
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    Item,
    MissingValueError,
    ScoreCard,
    Term,
    UnreadableError,
    UsageError,
    ValueRangeError,
)
from riskwright.scoring.deployment import RowScorer, score_file, score_frame

MOOD = 'he said "hi"'


@pytest.fixture
def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": ["a,1", "b", "c", "d"],
            "age": [61, 60, None, 99],
            "bmi": [18.5, 25.0, None, math.nan],
            MOOD: ["it's", 'a "b"', None, "unseen"],
            "smoker": [1, 0, 1, 0],
        }
    )


@pytest.fixture
def expected(card: ScoreCard, frame: pl.DataFrame) -> list[tuple[float, float | None]]:
    scorer = RowScorer(card)
    return [tuple(scorer(row)[:2]) for row in frame.rows(named=True)]


def scores(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.select("points", "risk").rows()


def read_csv(path: Path) -> pl.DataFrame:
    """Names by Python's own reader: polars leaves doubled quotes in a header as they are."""
    with path.open(newline="") as file:
        return pl.read_csv(path, new_columns=next(csv.reader(file)))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f,
        lambda f: f.with_columns(pl.col("smoker").cast(pl.Boolean)),
        lambda f: f.with_columns(pl.col("age").cast(pl.Float32), pl.col("smoker").cast(pl.UInt64)),
        lambda f: f.with_columns(pl.col("age").cast(pl.Decimal(10, 2))),
        lambda f: f.with_columns(pl.col(MOOD).cast(pl.Categorical)),
        lambda f: f.with_columns(pl.col("age", "bmi", "smoker").cast(pl.String)),
        lambda f: f.with_columns((" " + pl.col("age").cast(pl.String) + " ").fill_null("N/A")),
    ],
)
def test_any_type_that_holds_the_values_gives_the_same_scores(
    card: ScoreCard, frame: pl.DataFrame, expected: list[Any], change: Callable[[Any], pl.DataFrame]
):
    assert scores(score_frame(card, change(frame))) == expected


@pytest.mark.parametrize("into", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("source", ["in.csv", "in.parquet", "semicolons.txt", "packed.csv.gz"])
def test_every_container_in_and_out_gives_the_same_scores(
    card: ScoreCard,
    frame: pl.DataFrame,
    expected: list[Any],
    tmp_path: Path,
    source: str,
    into: str,
):
    path, out = tmp_path / source, tmp_path / into
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        frame.write_csv(path, separator=";" if path.suffix == ".txt" else ",")
    assert score_file(card, path, out) == 4
    read = pl.read_parquet(out) if out.suffix == ".parquet" else read_csv(out)
    assert read.columns == [*frame.columns, "points", "risk"]
    assert scores(read) == expected
    assert read["id"].to_list() == frame["id"].to_list()


def test_only_the_columns_to_keep_are_carried_along(
    card: ScoreCard, frame: pl.DataFrame, tmp_path: Path
):
    frame.write_parquet(tmp_path / "in.parquet")
    for keep in (["smoker", "id"], []):
        score_file(card, tmp_path / "in.parquet", tmp_path / "out.csv", keep=keep)
        assert pl.read_csv(tmp_path / "out.csv").columns == [*keep, "points", "risk"]


def test_cells_of_text_pass_unchanged(card: ScoreCard, tmp_path: Path):
    text = f'"id",age,bmi,"{MOOD.replace(chr(34), chr(34) * 2)}",smoker\n007, 61 ,1e1,plain,1.00\n'
    (tmp_path / "in.csv").write_text(text)
    score_file(card, tmp_path / "in.csv", tmp_path / "out.csv")
    line = (tmp_path / "out.csv").read_text().splitlines()[1]
    assert line.startswith("007, 61 ,1e1,plain,1.00,5,")


def test_rows_keep_their_order_and_are_counted(card: ScoreCard, tmp_path: Path):
    n = 300_000
    age = pl.Series("age", range(n)) % 120
    frame = pl.DataFrame({"age": age, "bmi": 20.0, MOOD: "plain", "smoker": 0, "id": range(n)})
    frame.write_parquet(tmp_path / "in.parquet", row_group_size=10_000)
    seen: list[int] = []
    out = tmp_path / "out.parquet"
    assert score_file(card, tmp_path / "in.parquet", out, progress=seen.append) == n
    assert seen == sorted(seen)
    assert seen[-1] == n
    read = pl.read_parquet(out)
    assert (read["id"] == frame["id"]).all()
    assert (read["points"] == pl.select(pl.when(age >= 61).then(1).otherwise(-2)).to_series()).all()


def test_a_file_without_rows_gives_a_file_without_rows(card: ScoreCard, tmp_path: Path):
    (tmp_path / "in.csv").write_text("age,bmi,smoker,'he said'\n")
    other = msgspec.structs.replace(
        card, terms=tuple(t for t in card.terms if t.item.feature != MOOD)
    )
    assert score_file(other, tmp_path / "in.csv", tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv").read_text() == "age,bmi,smoker,'he said',points,risk\n"


def test_a_card_without_terms_gives_everybody_the_intercept(
    card: ScoreCard, frame: pl.DataFrame, tmp_path: Path
):
    bare = msgspec.structs.replace(card, terms=())
    risk = 1 / (1 + math.exp(2.59554))
    assert scores(score_frame(bare, frame)) == [(0, risk)] * 4
    frame.write_parquet(tmp_path / "in.parquet")
    score_file(bare, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert scores(pl.read_parquet(tmp_path / "out.parquet")) == [(0, risk)] * 4


def test_a_scoring_system_adds_its_answer(card: ScoreCard, frame: pl.DataFrame):
    system = msgspec.structs.replace(
        card, score_class="scoring_system", slope=None, intercept=None, threshold=4.0
    )
    scored = score_frame(system, frame)
    assert scored.select("points", "predicted").rows() == [
        (7, True),
        (4, False),
        (3, False),
        (4, False),
    ]


def _text(rows: list[str], header: str = 'age,bmi,"he said ""hi""",smoker') -> bytes:
    return "\n".join([header, *rows, ""]).encode()


GOOD = "61,20,plain,1"


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (_text([GOOD, "sixty,20,plain,1"]), ColumnError, ("'age'", "row 2", "'sixty'")),
        (_text([GOOD] * 200_000 + ["9,inf,plain,1"]), ValueRangeError, ("'bmi'", "row 200001")),
        (_text([GOOD, GOOD, "61,20,plain,"]), MissingValueError, ("'smoker'", "row 3")),
        (_text(["61,20,1"], "age,bmi,smoker"), ColumnError, ("missing", "he said")),
        (_text([GOOD + ",5"], _text([])[:-1].decode() + ",risk"), ColumnError, ("risk", "exist")),
        (_text([GOOD + ",5"], _text([])[:-1].decode() + ",age"), ColumnError, ("duplicate", "age")),
        (_text([GOOD + ",1,2,3"]), UnreadableError, ("fields",)),
        (b"", EmptyDataError, ("no columns",)),
        (b"PAR1 but nothing else", UnreadableError, ("parquet",)),
        ("age,bmi".encode("utf-16"), UnreadableError, ("UTF-16",)),
        (b"\x1f\x8b damaged", UnreadableError, ("gzip",)),
    ],
)
def test_bad_input_names_the_fault_and_leaves_earlier_output_intact(
    card: ScoreCard, tmp_path: Path, content: bytes, error: type[DataError], words: tuple[str, ...]
):
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(content)
    out.write_text("earlier")
    with pytest.raises(error) as caught:
        score_file(card, source, out)
    for word in words:
        assert word in str(caught.value)
    assert out.read_text() == "earlier"
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "out.csv"]


def test_an_error_never_quotes_a_whole_row(card: ScoreCard, tmp_path: Path):
    (tmp_path / "in.csv").write_bytes(_text(['61,20,"Jane Doe, never closed,1', GOOD]))
    with pytest.raises(DataError) as caught:
        score_file(card, tmp_path / "in.csv", tmp_path / "out.csv")
    assert "Jane" not in str(caught.value)


def test_a_frame_of_the_wrong_type_is_refused_by_name(card: ScoreCard, frame: pl.DataFrame):
    dated = frame.with_columns(age=pl.date(2020, 1, 1))
    with pytest.raises(ColumnError, match="'age'"):
        score_frame(card, dated)


@pytest.mark.parametrize(
    ("source", "out", "words"),
    [
        ("absent.csv", "out.csv", "no such file"),
        ("in.csv", "in.csv", "replace the input"),
        ("in.csv", "link.csv", "replace the input"),
        ("in.csv", "out.xlsx", "expected .csv or .parquet"),
        ("in.csv", "no/such/folder/out.csv", "folder"),
    ],
)
def test_paths_that_cannot_serve_are_refused(
    card: ScoreCard, tmp_path: Path, source: str, out: str, words: str
):
    (tmp_path / "in.csv").write_bytes(_text([GOOD]))
    (tmp_path / "link.csv").symlink_to(tmp_path / "in.csv")
    with pytest.raises(UsageError, match=words):
        score_file(card, tmp_path / source, tmp_path / out)
    assert (tmp_path / "in.csv").read_bytes() == _text([GOOD])


def test_names_that_look_like_patterns_are_plain_names(
    card: ScoreCard, frame: pl.DataFrame, tmp_path: Path
):
    frame.write_parquet(tmp_path / "in[1]*.parquet")
    assert score_file(card, tmp_path / "in[1]*.parquet", tmp_path / "out.csv") == 4


def test_infinite_values_are_refused_where_points_multiply_them(
    card: ScoreCard, frame: pl.DataFrame
):
    terms = (*card.terms, Term(item=Item(feature="bmi", kind="value", label="bmi"), points=1))
    scorer = msgspec.structs.replace(card, terms=terms)
    assert scores(score_frame(scorer, frame))[1][0] == 29.0
    with pytest.raises(ValueRangeError, match="'bmi'"):
        score_frame(scorer, frame.with_columns(bmi=pl.lit(math.inf)))


MEASURE = """
import resource, sys
from riskwright.core.score_card import decode
from riskwright.scoring.deployment import score_file
import json
card = decode(json.load(open(sys.argv[1])))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
score_file(card, sys.argv[2], sys.argv[3])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_memory_does_not_grow_with_the_file(card: ScoreCard, tmp_path: Path):
    """Four million rows, 130 MB as columns, in far less than that on top of the interpreter."""
    n = 4_000_000
    frame = pl.select(
        id=pl.int_range(n),
        age=(pl.int_range(n) * 7919 % 97).cast(pl.Float64),
        bmi=(pl.int_range(n) * 104729 % 401 / 10),
        smoker=(pl.int_range(n) % 2),
    ).with_columns(pl.lit("plain").alias(MOOD))
    frame.write_parquet(tmp_path / "in.parquet", row_group_size=250_000)
    (tmp_path / "card.json").write_bytes(msgspec.json.encode(card))
    files = [str(tmp_path / name) for name in ("card.json", "in.parquet", "out.parquet")]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *files], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 350
