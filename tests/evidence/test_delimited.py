"""Delimited text: encodings, delimiters, quoting, and errors that name row and line."""

import contextlib
import csv
import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    ParameterError,
    UnreadableError,
)
from riskwright.evidence import delimited
from riskwright.evidence.delimited import read_delimited, sniff_delimiter

PLAIN = "name,age,y\nÄnne,44,1\nBjörn,51,0\n"


def written(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path, **options):
    return read_delimited(path, **options)[0].rows()


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        b"\xff\xfe" + PLAIN.encode("utf-16-le"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        gzip.compress(PLAIN.encode()),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        ("\n\n" + PLAIN + "\n\n").encode(),
        PLAIN.replace("44,1\n", "44,1\n\n\r\n").encode(),
    ],
    ids=["utf8", "bom", "utf16le", "utf16be", "gzip", "crlf", "cr", "ends", "blank"],
)
def test_encodings_and_line_ends_give_the_same_rows(tmp_path, content):
    assert rows_of(written(tmp_path, content)) == [("Änne", 44, 1), ("Björn", 51, 0)]


@pytest.mark.parametrize("delimiter", list(",;\t|:^~ "))
def test_delimiters_are_sniffed(tmp_path, delimiter):
    text = PLAIN.replace(",", delimiter)
    assert sniff_delimiter(text) == delimiter
    assert len(rows_of(written(tmp_path, text))[0]) == 3


def test_a_delimiter_inside_of_values_does_not_mislead():
    assert sniff_delimiter("age;bmi;y\n65;23,5;1\n40;31,2;0\n") == ";"
    assert sniff_delimiter('a,b\n"x;y;z",1\n"p;q;r",2\n') == ","
    assert sniff_delimiter("time,y\n12:30:10,1\n10:15:00,0\n") == ","
    assert sniff_delimiter("one column\nof text\nwith a few words\n") == ","


def test_a_stated_delimiter_goes_before_the_sniffed_one(tmp_path):
    path = written(tmp_path, "a;b,c\n1;2,3\n4;5,6\n")
    assert rows_of(path, delimiter=",") == [("1;2", 3), ("4;5", 6)]
    with pytest.raises(ParameterError, match=r"one ASCII character.*got '::'"):
        read_delimited(path, "::")


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path):
    path = written(tmp_path, 'note,y\n"a, ""b""\nc",1\n"",0\nplain,1\n')
    assert rows_of(path) == [('a, "b"\nc', 1), ("", 0), ("plain", 1)]


def test_quotes_inside_of_an_unquoted_field_are_text(tmp_path):
    path = written(tmp_path, 'pipe,y\n5" wide,1\n"6"" long",0\n7,1\n')
    assert rows_of(path) == [('5" wide', "1"), ('6" long', "0"), ("7", "1")]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=6)


@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=6
        )
    )
)
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    names = [f"c{j}" for j in range(len(table[0]))]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([names, *table])
    frame, _ = read_delimited(path, ",", text_columns=names)
    assert [[cell or "" for cell in row] for row in frame.rows()] == table


def test_chunks_and_the_careful_parser_agree(tmp_path, monkeypatch):
    lines = [f'{i},"text {i}{chr(10) if i % 3 else ""}",{i % 2}' for i in range(300)]
    path = written(tmp_path, "a,b,y\n" + "\n".join(lines))
    whole = read_delimited(path)[0]
    monkeypatch.setattr(delimited, "_CHUNK", 64)
    assert read_delimited(path)[0].equals(whole)
    monkeypatch.setattr(delimited, "_scan", lambda *_: None)
    assert read_delimited(path)[0].equals(whole.cast(pl.String))


def test_numbers_that_turn_into_text_late_are_still_read(tmp_path):
    body = "\n".join(["1,2"] * 1500 + ["1.5,x"])
    frame, _ = read_delimited(written(tmp_path, "a,b\n" + body))
    assert frame.row(1500) == ("1.5", "x")


def test_a_blank_line_is_a_missing_value_where_there_is_one_column(tmp_path):
    assert rows_of(written(tmp_path, "a\n1\n\n3\n")) == [(1,), (None,), (3,)]


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", EmptyDataError, ["file is empty", "RW2001"]),
        (b"\n\n \n", EmptyDataError, ["file is empty"]),
        (b"a,b\n", EmptyDataError, ["no rows below the column names"]),
        (b"a,b,a,b\n1,2,3,4\n", ColumnError, ["duplicate", "'a', 'b'", "RW2002"]),
        (b"1,2.5\n3,4\n", ColumnError, ["first line holds numbers", "'1', '2.5'", "column names"]),
        (b"a,b\n1,2\n3\n", UnreadableError, ["1 field in data row 2 (line 3)", "2 fields"]),
        (b"a,b\n1,2\n3,4,5\n", UnreadableError, ["3 fields in data row 2 (line 3)", "RW2006"]),
        (b'a,b\n"1\n1",2\n3,4,5\n', UnreadableError, ["3 fields in data row 2 (line 4)"]),
        (b"A title\na,b\n1,2\n", UnreadableError, ["2 fields", "1 field,", "start with the line"]),
        (b'a,b\n1,2\n3,"4\n5,6\n', UnreadableError, ["quoting", "after data row 1"]),
        (b"a,b\n1,caf\xe9\n", UnreadableError, ["byte 0xe9 at offset 9 (line 2)", "-f latin1"]),
        (b"a,b\n1,\0\n", UnreadableError, ["byte 0x00", "line 2", "-f utf-16"]),
        (b"\xff\xfea\0b", UnreadableError, ["not the UTF-16 text"]),
        (b"\x1f\x8b\x08\0broken", UnreadableError, ["damaged gzip"]),
    ],
)
def test_bad_files_are_refused_with_their_place(tmp_path, content, error, words):
    path = written(tmp_path, content)
    with pytest.raises(error) as caught:
        read_delimited(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("chunk", range(5, 13))
def test_undecodable_bytes_are_located_across_chunks(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(delimited, "_CHUNK", chunk)
    content = b"a,b\n" + "é,ü\n".encode() * 10 + b"\xc3\xff,1\n"
    with pytest.raises(UnreadableError, match=rf"byte 0xc3 at offset {4 + 60} \(line 12\)"):
        read_delimited(written(tmp_path, content))


@given(st.binary(max_size=80))
def test_any_bytes_give_a_table_or_a_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "table.csv"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_delimited(path)[0].height > 0


def test_the_line_of_a_row_counts_quoted_line_ends_and_blank_lines(tmp_path):
    path = written(tmp_path, 'a,b\n"x\ny",1\n\nz,2\nw,3\n')
    _, origin = read_delimited(path)
    assert "row 2 is on line 5" in origin.rows(pl.Series([False, True, True]))
    assert isinstance(path, Path)


def test_many_ragged_rows_are_found_fast_whatever_their_place(tmp_path):
    rows = np.arange(20000)
    body = "\n".join(f"{i},{i % 7}" for i in rows) + "\n1,2,3\n"
    with pytest.raises(UnreadableError, match=r"data row 20,001 \(line 20,002\)"):
        read_delimited(written(tmp_path, "a,b\n" + body))
