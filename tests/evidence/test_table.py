"""read_table: types inferred and stated, roles, containers, and an error for each bad input."""

import dataclasses
import datetime
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest
import yaml

from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    TargetError,
    UnreadableError,
    ValueRangeError,
)
from riskwright.evidence import Binarizer, read_table

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
N = 60


def frame(**changes):
    """A small well-behaved table; `changes` replace or add columns."""
    columns = {
        "age": [20 + i for i in range(N)],
        "bmi": [None if i % 7 == 3 else 20 + i / 4 for i in range(N)],
        "married": [i % 2 for i in range(N)],
        "smoker": ["yes" if i % 3 else "no" for i in range(N)],
        "ward": [["east", "west", "north", None][i % 4] for i in range(N)],
        "y": [int(i > 40) for i in range(N)],
    }
    return pl.DataFrame({**columns, **changes}, strict=False)


def raised(error, *words, source=None, **options):
    with pytest.raises(error) as caught:
        read_table(frame() if source is None else source, **{"target": "y", **options})
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert f"[{error.code}]" in message
    return message


def test_types_are_inferred():
    table = read_table(frame(), target="y")
    assert [(f.name, f.type) for f in table.features] == [
        ("age", "numeric"),
        ("bmi", "numeric"),
        ("married", "binary"),
        ("smoker", "binary"),
        ("ward", "categorical"),
    ]
    assert table.X.schema["age"] == pl.UInt8
    assert table.X.schema["bmi"] == pl.Float64
    assert table.features[3].levels == ("no", "yes")
    assert table.features[4].levels == ("east", "north", "west")
    assert [f.missing for f in table.features[1:3]] == ["own_level", "none_seen"]
    assert table.y.dtype == np.int8
    assert table.y.sum() == N - 41
    assert (table.n, table.outcome, table.positive_label) == (N, "y", "1")


def containers(tmp_path):
    base = frame()
    arrow = base.to_arrow()
    paths = {kind: tmp_path / f"table.{kind}" for kind in ("csv", "parquet", "arrow", "feather")}
    base.write_csv(paths["csv"])
    base.write_parquet(paths["parquet"])
    base.write_ipc(paths["arrow"])
    pyarrow.feather.write_feather(arrow, paths["feather"])
    stream = tmp_path / "table.arrows"
    base.write_ipc_stream(stream)
    pandas = base.to_pandas()
    return {
        "polars": base,
        "lazy": base.lazy(),
        "wide": base.with_columns(pl.col("age", "married", "y").cast(pl.Int64)),
        "floats": base.with_columns(pl.col("age", "married", "y").cast(pl.Float32)),
        "booleans": base.with_columns(pl.col("married", "y").cast(pl.Boolean)),
        "enum": base.with_columns(pl.col("smoker", "ward").cast(pl.Categorical)),
        "texts": base.with_columns(pl.all().cast(pl.String)),
        "arrow table": arrow,
        "dictionary": arrow.set_column(4, "ward", arrow["ward"].dictionary_encode()),
        "pandas": pandas,
        "pandas objects": pandas.astype(object),
        "pandas nullable": pandas.convert_dtypes(),
        "pandas categories": pandas.astype({"smoker": "category", "ward": "category"}),
        "pandas arrow": pandas.convert_dtypes(dtype_backend="pyarrow"),
        "structured": pandas.to_records(index=False),
        **paths,
        "stream": stream,
    }


def test_every_container_gives_the_same_table_digest_and_items(tmp_path):
    first = read_table(frame(), target="y")
    binarizer = Binarizer().fit(first.X, first.y, features=first.features)
    matrix = binarizer.transform(first.X)
    for kind, source in containers(tmp_path).items():
        table = read_table(source, target="y")
        assert table.features == first.features, kind
        assert table.X.equals(first.X), kind
        assert table.X.schema == first.X.schema, kind
        assert (table.y == first.y).all(), kind
        assert table.data_digest == first.data_digest, kind
        again = Binarizer().fit(table.X, table.y, features=table.features)
        assert again.items_ == binarizer.items_, kind
        if isinstance(source, (pl.DataFrame, pd.DataFrame, pa.Table)):
            assert (binarizer.transform(source) == matrix).all(), kind


def test_a_numpy_array_has_numbered_columns():
    array = np.column_stack([np.arange(40.0), np.tile([0, 1], 20), np.repeat([0, 1], 20)])
    table = read_table(array, target="x2")
    assert table.X.columns == ["x0", "x1"]
    assert [f.type for f in table.features] == ["numeric", "binary"]


def test_the_digest_tells_apart_values_missingness_names_outcomes_and_weights():
    base = read_table(frame(), target="y").data_digest
    others = [
        read_table(frame(age=[21, *range(21, 20 + N)]), target="y"),
        read_table(frame(married=[None, *[i % 2 for i in range(1, N)]]), target="y"),
        read_table(frame().rename({"age": "years"}), target="y"),
        read_table(frame(y=[int(i > 41) for i in range(N)]), target="y"),
        read_table(frame(w=[1.0] * N), target="y", weight="w"),
        read_table(frame(smoker=["yes" if i % 3 == 1 else "no" for i in range(N)]), target="y"),
    ]
    digests = {table.data_digest for table in others}
    assert len(digests) == len(others)
    assert base not in digests


def test_texts_that_mean_missing_are_missing(tmp_path):
    path = tmp_path / "table.csv"
    numbers = ["NA", "n/a", " ? ", "null", "None", "NaN", "", "-", *map(str, range(20))]
    path.write_text(
        "age,ward,y\n"
        + "\n".join(f"{a},{w},{i % 2}" for i, (a, w) in enumerate(zip(numbers, WARDS, strict=True)))
    )
    table = read_table(path, target="y")
    assert table.X["age"].null_count() == 8
    assert table.X["ward"].null_count() == 3
    assert table.features[1].levels == ("None", "east", "west")
    assert "texts such as NA or ? read as missing" in table.describe()
    stated = {"columns": {"ward": {"levels": ["east", "west", "None", "NA"]}}}
    assert read_table(path, target="y", schema=stated).X["ward"].null_count() == 2


WARDS = ["NA", "?", "", "None", *["east", "west"] * 12]


def test_columns_that_no_score_can_use_are_set_aside_with_a_reason():
    many = frame(
        patient_id=list(range(100, 100 + N)),
        name=[f"person {i}" for i in range(N)],
        site=["A"] * N,
        empty=[None] * N,
        seen=[f"2020-01-{1 + i % 28:02d}" for i in range(N)],
        admitted=pl.Series(range(N)).cast(pl.Date),
    )
    table = read_table(many, target="y")
    assert {n: why.split(":")[0] for n, why in table.set_aside.items()} == {
        "patient_id": "a key",
        "name": "every value differs",
        "site": "constant",
        "empty": "all values are missing",
        "seen": "a date or time",
        "admitted": "a date or time",
    }
    assert [f.name for f in table.features] == frame().columns[:-1]
    text = table.describe()
    for name, why in table.set_aside.items():
        assert any(name in line and why in line for line in text.splitlines())
    kept = read_table(many, target="y", schema={"columns": {"patient_id": {"type": "numeric"}}})
    assert "patient_id" in kept.X.columns


@pytest.mark.parametrize(
    "moments",
    [
        [f"{1 + i % 28:02d}.{1 + i % 12:02d}.2020" for i in range(N)],
        [f"{1 + i % 12}/{1 + i % 28}/{40 + i % 50}" for i in range(N)],
        [f"2020/{1 + i % 12}/{1 + i % 28} 10:15" for i in range(N)],
        [f"{1 + i % 28}-Mar-2020" for i in range(N)],
        [f"March {1 + i % 28}, 2020" for i in range(N)],
        [f"2020-{1 + i % 12:02d}" for i in range(N)],
        [f"{i % 24}:{i % 60:02d}" for i in range(N)],
        ["NA", "?", *[f"2020-01-{1 + i % 28:02d}T10:00:00Z" for i in range(N - 2)]],
        [20200101 + 100 * (i % 12) + i % 28 for i in range(N)],
        pl.Series(range(N)).cast(pl.Duration),
        pl.Series([datetime.date(2020, 1, 1 + i % 28) for i in range(N)], dtype=pl.Object),
        pd.period_range("2020", periods=N),
    ],
)
def test_dates_and_times_in_any_writing_are_set_aside(moments):
    table = frame().to_pandas()
    table["x"] = moments.to_list() if isinstance(moments, pl.Series) else moments
    assert list(read_table(table, target="y").set_aside) == ["x"]
    assert read_table(table, target="y").set_aside["x"].startswith("a date or time")


@pytest.mark.parametrize(
    "values",
    [
        ["1/2", "3/4", "5/6"] * 20,
        ["may", "jun", "july"] * 20,
        ["10.1", "10.2", "11.3"] * 20,
        [20201301 + i % 7 for i in range(N)],
        [1990 + i % 20 for i in range(N)],
        ["36 months", "60 months", "12 months"] * 20,
        ["12A", "14B", "15C", "16D"] * 15,
    ],
)
def test_what_only_resembles_a_date_or_a_dressed_number_stays_a_feature(values):
    assert read_table(frame(x=values), target="y").set_aside == {}


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("MRN", [10**6 + 37 * i for i in range(N)], "a key"),
        ("person_id", [i // 2 for i in range(N)], "a key"),
        ("subjectID", [float(i // 2) if i else None for i in range(N)], "a key"),
        ("transaction_id", [10**17 + i for i in range(N)], "a key"),
        ("x", [f"person {i // 2 if i < 40 else i}" for i in range(N)], "most values differ"),
        ("x", [[1, 2]] * N, "neither numbers nor text"),
        ("x", [{"a": 1}] * N, "neither numbers nor text"),
        ("x", [b"a", b"b"] * (N // 2), "neither numbers nor text"),
    ],
)
def test_keys_names_and_nested_values_are_set_aside(name, values, reason):
    assert reason in read_table(frame(**{name: values}), target="y").set_aside[name]


def test_codes_with_few_levels_stay_features_whatever_their_name():
    table = read_table(frame(admission_type_id=[1 + i % 8 for i in range(N)]), target="y")
    assert table.set_aside == {}


def test_free_text_whose_phrases_come_back_is_set_aside():
    words = [f"{a} {b}" for a in range(20) for b in range(20)]
    texts = [words[(7 * i) % 400] for i in range(1200)]
    table = pl.DataFrame({"x": texts, "age": [i % 50 for i in range(1200)], "y": [0, 1] * 600})
    assert "free text" in read_table(table, target="y").set_aside["x"]


def test_columns_that_cannot_be_read_can_be_ignored():
    table = frame().to_pandas()
    table["x"] = [[1]] * N
    assert "x" not in read_table(table, target="y", ignore=["x"]).set_aside


def test_intervals_of_pandas_are_levels():
    table = frame().to_pandas()
    table["x"] = pd.cut(table["age"], [0, 40, 100])
    assert read_table(table, target="y").features[-1].levels == ("(0, 40]", "(40, 100]")


def test_levels_that_differ_only_by_case_or_spaces_are_pointed_out():
    table = read_table(frame(ward=["east", "East ", "west"] * 20), target="y")
    assert "differ by case or spaces alone: 1" in table.describe()


def test_the_example_of_a_schema_can_be_used():
    table = read_table(frame().rename({"age": 'age: "now"'}), target="y")
    line = next(t for t in table.describe().splitlines() if "unit: …" in t).replace("…", "1")
    stated = {"columns": yaml.safe_load(line)}
    stated["columns"]['age: "now"'].update(minimum=0, maximum=120)
    again = read_table(frame().rename({"age": 'age: "now"'}), target="y", schema=stated)
    assert again.features[0].unit == "1"


def test_a_huge_category_is_set_aside_or_refused_where_it_is_all_there_is():
    n = 4000
    levels = [f"level {i // 2}" for i in range(n)]
    y = [i % 2 for i in range(n)]
    both = pl.DataFrame({"code": levels, "age": [i % 50 for i in range(n)], "y": y})
    assert "2,000 levels" in read_table(both, target="y").set_aside["code"]
    raised(ColumnError, "2,000 levels", "'code'", source=both.select("code", "y"))
    stated = {"columns": {"code": {"type": "categorical"}}}
    raised(ColumnError, "2,000 levels", "at most 1,000", source=both, schema=stated)


@pytest.mark.parametrize(
    ("labels", "positive", "label"),
    [
        ([0.0, 1.0], "1.0", "1"),
        (["no", "yes"], "1", "yes"),
        ([False, True], "1", "true"),
        ([0, 1], "yes", "1"),
        ([0, 1], None, "1"),
        ([-1, 1], None, "1"),
        (["No", "YES"], None, "YES"),
        ([False, True], None, "true"),
        (["false", "True"], None, "True"),
        (["good", "bad"], "bad", "bad"),
        (["good", "Bad"], "bad", "Bad"),
        (["no", "yes"], True, "yes"),
        ([1.0, 2.0], 2, "2"),
    ],
)
def test_the_positive_label_is_found(labels, positive, label):
    table = read_table(frame(y=labels * (N // 2)), target="y", positive=positive)
    assert table.positive_label == label
    assert table.y.tolist() == [0, 1] * (N // 2)


@pytest.mark.parametrize("labels", [["good", "bad"], [1, 2], ["1", "yes"], [0, 5]])
def test_an_unclear_positive_label_is_asked_for(labels):
    shown = [repr(str(label)) for label in labels]
    raised(TargetError, "which label counts as 1", *shown, source=frame(y=labels * (N // 2)))


def test_a_wrong_positive_label_is_refused():
    raised(TargetError, "no label 'dead'", "'0', '1'", positive="dead")
    raised(TargetError, "no label 'yes'", "'1', '2'", source=frame(y=[1, 2] * 30), positive="yes")


def test_a_missing_outcome_is_refused_with_its_rows():
    y = [None if i in (3, 9, 11, 12, 13, 20, 30) else i % 2 for i in range(N)]
    message = raised(
        TargetError, "rows 4, 10, 12, 13, 14", "7 rows in all", "counted from 1", source=frame(y=y)
    )
    assert "Leave these rows out" in message
    nan = frame(y=pl.Series([float("nan")] + [float(i % 2) for i in range(1, N)]))
    raised(TargetError, "missing values in the outcome", "row 1 (", source=nan)


def test_other_outcomes_that_are_not_binary_are_refused():
    raised(TargetError, "only one label", "'0' in all 60 rows", source=frame(y=[0] * N))
    raised(TargetError, "not binary", "3 different values: '0', '1', '2'", source=frame(y=THREE))
    raised(TargetError, "60 different values", "…", source=frame(y=[i / 7 for i in range(N)]))
    endless = frame(y=[0.0, float("inf")] * (N // 2))
    raised(ValueRangeError, "column 'y'", "infinite", source=endless)
    dates = frame(y=pl.Series(range(N)).cast(pl.Date))
    raised(ColumnError, "neither numbers nor text", source=dates)


THREE = [i % 3 for i in range(N)]


def test_unknown_columns_are_answered_with_the_nearest():
    raised(ColumnError, "(target)", "no column 'Y1'", "Did you mean 'y'", target="Y1")
    raised(ColumnError, "(weight)", "no column 'wt'", weight="wt")
    raised(ColumnError, "(groups)", "no column 'wards'", "'ward'", groups=["wards"])
    raised(ColumnError, "(ignore)", "'smoker'", ignore=["smokers"])
    stated = {"columns": {"agee": {"unit": "years"}}}
    raised(ColumnError, "(schema columns)", "'agee'", "'age'", schema=stated)


def test_arguments_of_the_wrong_kind_are_refused():
    raised(ParameterError, "positive", "not a label", "list", positive=[1])
    raised(ParameterError, "groups", "not column names", "3", groups=3)
    raised(ParameterError, "ignore", "not column names", "[1]", ignore=[1])


def test_a_column_has_one_role():
    raised(ParameterError, "'y'", "both target and weight", weight="y")


@pytest.mark.parametrize(
    ("column", "error", "words"),
    [
        ([1.0, float("inf")] * 30, ValueRangeError, ["infinity in rows 2, 4", "30 rows in all"]),
        ([2**53 + 1, 1] * 30, ValueRangeError, ["too large", "2^53", "rows 1, 3", "ignore"]),
        ([str(10**30), "1"] * 30, ValueRangeError, ["too large", "rows 1, 3"]),
        (["12", "x1"] + [str(i) for i in range(58)], ColumnError, ["mixed", "'x1' in row 2"]),
        (["1,5", "2"] + [str(i) for i in range(58)], ColumnError, ["comma", "'1,5'", "1.5"]),
        ([f"{i},5" for i in range(60)], ColumnError, ["comma", "'0,5' in rows 1, 2"]),
        ([f"${i},200" for i in range(60)], ColumnError, ["sign or unit", "'$0,200' in rows 1, 2"]),
        ([f"{i / 4}%" for i in range(60)], ColumnError, ["sign or unit", "'0.0%'", "12.5"]),
        ([f"{i} kg" for i in range(60)], ColumnError, ["sign or unit", "'0 kg'"]),
        (np.arange(60, dtype=np.uint64) + 2**63, ValueRangeError, ["too large", "rows 1, 2"]),
    ],
    ids=[
        "inf",
        "gigantic",
        "gigantic text",
        "mixed",
        "decimal comma",
        "only commas",
        "currency",
        "percent",
        "unit",
        "unsigned",
    ],
)
def test_bad_values_are_refused_with_column_and_rows(column, error, words):
    raised(error, "column 'x'", *words, source=frame(x=column))


def test_python_objects_that_are_no_values_are_refused():
    bad = frame().to_pandas()
    bad["x"] = [{"a": 1}] * N
    stated = {"columns": {"x": {"type": "numeric"}}}
    raised(ColumnError, "column 'x'", "dict in row 1", source=bad, schema=stated)
    mixed = frame().to_pandas()
    mixed["x"] = [f"w{i}" if i == 7 else i for i in range(N)]
    raised(ColumnError, "numbers and text mixed", "'w7' in row 8", source=mixed)
    huge = frame().to_pandas()
    huge["x"] = [10**30 + i for i in range(N)]
    raised(ValueRangeError, "too large", "column 'x'", source=huge)


def test_a_level_that_looks_half_like_a_number_stays_a_level():
    table = read_table(frame(stage=["1", "2", "3+"] * 20), target="y")
    assert table.features[-1].levels == ("1", "2", "3+")


def test_a_rare_text_among_few_numbers_is_a_mistake():
    grades = pl.DataFrame({"grade": ["x", *[str(i % 5) for i in range(999)]], "y": [0, 1] * 500})
    raised(ColumnError, "numbers and text mixed", "'x' in row 1", source=grades)


@pytest.mark.parametrize("kind", ["csv", "parquet", "ipc"])
def test_file_names_are_taken_literally(tmp_path, kind):
    path = tmp_path / f"part[1]*.{kind}"
    getattr(frame(), f"write_{kind}")(path)
    getattr(frame().head(50), f"write_{kind}")(tmp_path / f"part1.{kind}")
    assert read_table(path, target="y").n == N


def test_the_line_of_a_bad_cell_is_named_for_files(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("age,y\n" + "\n".join(f"{i},{i % 2}" for i in range(30)) + "\nold,1\n")
    raised(ColumnError, "'old' in row 31", "row 31 is on line 32", source=path)


def test_errors_never_show_a_whole_row():
    secret = ["Jane Doe"] * (N - 1) + ["John Roe"]
    message = raised(
        ColumnError, "mixed", source=frame(person=secret, x=["?!"] + [str(i) for i in range(N - 1)])
    )
    assert "Jane" not in message


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([-1.0] + [1.0] * (N - 1), ["negative weights", "row 1"]),
        ([None] + [1.0] * (N - 1), ["missing weights", "row 1"]),
        ([float("nan")] + [1.0] * (N - 1), ["missing weights", "row 1"]),
        ([float("inf")] + [1.0] * (N - 1), ["infinite", "row 1"]),
        ([0.0] * N, ["all weights are zero"]),
    ],
)
def test_bad_weights_are_refused(weights, words):
    raised(ValueRangeError, "'w'", *words, source=frame(w=weights), weight="w")


def test_weights_whose_squares_overflow_are_refused():
    weights = [1e300] + [1.0] * (N - 1)
    raised(ValueRangeError, "'w'", "too large", "row 1", source=frame(w=weights), weight="w")


def test_text_among_weights_is_refused_as_what_it_is():
    weights = ["heavy", *["1"] * (N - 1)]
    message = raised(
        ColumnError, "(weight)", "not numbers", "row 1", source=frame(w=weights), weight="w"
    )
    assert "categorical" not in message


def test_weights_and_groups_are_no_features():
    table = read_table(frame(w=[2] * N), target="y", weight="w", groups="ward")
    assert table.sample_weight.tolist() == [2.0] * N
    assert table.groups["ward"].to_list()[:4] == ["east", "west", "north", None]
    assert not {"w", "ward"} & set(table.X.columns)
    stated = {"columns": {"ward": {"type": "categorical"}}}
    kept = read_table(frame(), target="y", groups=["ward"], schema=stated)
    assert "ward" in kept.X.columns
    assert "ward" in kept.groups


def test_a_schema_overrides_what_is_inferred():
    stated = {
        "target": "y",
        "ignore": ["smoker"],
        "population": "Adults",
        "columns": {
            "age": {"unit": "years", "minimum": 18, "maximum": 110, "cuts": [30, 50]},
            "married": {"type": "categorical", "label": "Marital status"},
            "ward": {"actionable_by": "clinician", "direction": "up"},
        },
    }
    table = read_table(frame(), schema=stated)
    age, _, married, ward = table.features
    assert (age.unit, age.minimum, age.maximum) == ("years", 18.0, 110.0)
    assert (married.type, married.levels, married.label) == (
        "categorical",
        ("0", "1"),
        "Marital status",
    )
    assert (ward.actionable_by, ward.direction) == ("clinician", "up")
    assert table.cut_points == {"age": (30.0, 50.0)}
    assert table.schema.population == "Adults"
    assert read_table(frame(), target="married", schema=stated).outcome == "married"
    for word in ("years", "allowed 18 to 110", "actionable by clinician", "ignored: smoker"):
        assert word in table.describe()


def test_codes_with_leading_zeros_stay_text_where_the_schema_says_categorical(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("zip,y\n" + "\n".join(f"0{i % 3}1,{i % 2}" for i in range(30)))
    stated = {"columns": {"zip": {"type": "categorical"}}}
    table = read_table(path, target="y", schema=stated)
    assert table.features[0].levels == ("001", "011", "021")


@pytest.mark.parametrize(
    ("column", "stated", "error", "words"),
    [
        ("age", {"maximum": 75}, ValueRangeError, ["76 in rows 57, 58", "from … to 75"]),
        ("age", {"minimum": 21}, ValueRangeError, ["20 in row 1", "from 21 to …"]),
        ("ward", {"levels": ["east", "west"]}, ValueRangeError, ["'north' in rows 3, 7"]),
        ("bmi", {"missing": "refuse"}, MissingValueError, ["'bmi'", "rows 4, 11"]),
        ("ward", {"type": "binary"}, ColumnError, ["two values", "3 different values"]),
        ("ward", {"type": "numeric"}, ColumnError, ["mixed", "'east' in rows 1, 2, 3, 5"]),
    ],
)
def test_values_against_the_schema_are_refused(column, stated, error, words):
    raised(error, f"column '{column}'", *words, schema={"columns": {column: stated}})


def test_missing_values_are_refused_for_the_whole_table_if_asked():
    raised(MissingValueError, "'bmi'", "own_level", missing="refuse")
    spared = {"missing": "refuse", "columns": {"bmi": {"missing": "own_level"}}}
    raised(MissingValueError, "'ward'", schema=spared)
    raised(ParameterError, "own_level or refuse", missing="drop")


def test_empty_tables_are_refused():
    raised(EmptyDataError, "no rows", source=frame().clear())
    raised(EmptyDataError, "no columns", source=pl.DataFrame())
    raised(EmptyDataError, "no rows", source=np.empty((0, 3)), target="x0")


def test_a_table_without_any_usable_column_is_refused():
    bare = pl.DataFrame({"site": ["A"] * N, "y": [i % 2 for i in range(N)]})
    raised(ColumnError, "no column that can be a feature", "'site': constant", source=bare)


def test_duplicate_names_are_refused_in_every_container():
    twice = pd.DataFrame([[1, 2, 0], [3, 4, 1]], columns=["a", "a", "y"])
    raised(ColumnError, "duplicate column names", "'a'", source=twice)
    arrow = pa.table([[1, 2], [3, 4], [0, 1]], names=["a", "a", "y"])
    raised(ColumnError, "duplicate column names", "'a'", source=arrow)


def test_files_that_are_no_tables_are_refused(tmp_path):
    raised(UnreadableError, "No such file", source=tmp_path / "absent.csv")
    raised(UnreadableError, "cannot read", source=tmp_path)
    sheet = tmp_path / "book.xlsx"
    sheet.write_bytes(b"PK\x03\x04 and more")
    raised(UnreadableError, "workbook", "CSV UTF-8", source=sheet)
    for name in ("table.parquet", "table.arrow"):
        path = tmp_path / name
        if name.endswith("parquet"):
            frame().write_parquet(path)
        else:
            frame().write_ipc(path)
        path.write_bytes(path.read_bytes()[:200])
        raised(UnreadableError, str(path), "damaged", source=path)


def test_objects_that_are_no_tables_are_refused():
    raised(ParameterError, "not a table", "dict", source={"a": [1]})
    raised(ParameterError, "2D", source=np.arange(3.0))
    raised(ColumnError, "without a name", source=frame().rename({"age": ""}))
    days = pa.array([(1, 2, 3)] * N, pa.month_day_nano_interval())
    raised(ColumnError, "cannot be read", source=frame().to_arrow().append_column("x", days))


def test_a_series_of_pandas_is_a_table_of_one_column():
    assert read_table(frame().to_pandas()["age"]).X.columns == ["age"]


def test_a_table_is_frozen_and_says_what_it_is():
    table = read_table(frame(), target="y")
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.n = 3
    assert repr(table).endswith("60 rows, 5 features, outcome 'y'>")
    text = table.describe()
    assert "outcome: y = 1, 19 of 60 rows (31.7%)" in text
    assert any(
        line.split() == ["smoker", "binary", "none", "no,", "yes", "(=", "yes)"]
        for line in text.splitlines()
    )
    assert "To override" in text


def test_without_a_target_there_is_no_outcome():
    table = read_table(frame())
    assert table.y is None
    assert "y" in table.X.columns


def test_parquet_is_read_in_parts_with_the_same_result(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    frame().write_parquet(path, row_group_size=7)
    whole = read_table(path, target="y")
    monkeypatch.setattr("riskwright.evidence.readers._BATCH_BYTES", 1)
    parts = read_table(path, target="y")
    assert parts.X.equals(whole.X)
    assert parts.data_digest == whole.data_digest


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data at {SHARED}")
@pytest.mark.parametrize(
    ("file", "target", "shape"),
    [
        ("adult_binary/adult_data.csv", "Over50K", (32561, 36)),
        ("bank/bank-full.csv", "y", (40004, 16)),
        ("breastcancer/breastcancer_data.csv", "Benign", (683, 9)),
        ("spambase/spambase_data.csv", "Spam", (4601, 57)),
    ],
)
def test_real_tables_are_read_without_a_word(file, target, shape):
    table = read_table(SHARED / "data" / "table" / file, target=target)
    assert table.X.shape == shape
    assert table.set_aside == {}
    assert issubclass(TargetError, DataError)


@pytest.mark.parametrize(("name", "kept"), [("Barthel index", True), ("visit_id", False)])
def test_a_name_that_may_count_or_measure_is_a_key_only_if_every_value_differs(name, kept):
    values = [(7 * i) % 41 for i in range(80)]
    table = read_table(
        pl.DataFrame({name: values, "x": [0, 1] * 40, "y": [0, 0, 1, 1] * 20}), target="y"
    )
    assert (name in [f.name for f in table.features]) is kept
