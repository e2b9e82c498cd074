"""Schemas: what is accepted, and that every error names the file and the key."""

import json

import msgspec
import pytest

from riskwright.core import ParameterError
from riskwright.evidence import Schema, load_schema
from riskwright.evidence.schema import ColumnSchema

YAML = """
target: readmitted
positive: yes
weight: w
groups: [sex]
ignore: patient
population: Adults seen in 2019
columns:
  age: {type: numeric, unit: years, minimum: 0, maximum: 120, direction: up, cuts: [45, 65]}
  smoker: {type: binary, levels: [no, yes], actionable_by: patient, missing: refuse}
  ward: {type: categorical, levels: [1, 2, 3.0, 2020-01-01], label: Ward}
"""


def written(tmp_path, text, name="schema.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_json_and_dict_give_the_same_schema(tmp_path):
    schema = load_schema(written(tmp_path, YAML))
    assert schema.positive == "yes"
    assert schema.ignore == ("patient",)
    assert schema.columns["smoker"].levels == ("no", "yes")
    assert schema.columns["ward"].levels == ("1", "2", "3", "2020-01-01")
    assert schema.columns["age"].cuts == (45.0, 65.0)
    plain = {
        "target": "readmitted",
        "positive": "yes",
        "weight": "w",
        "groups": ["sex"],
        "ignore": ["patient"],
        "population": "Adults seen in 2019",
        "columns": {
            "age": {
                "type": "numeric",
                "unit": "years",
                "minimum": 0,
                "maximum": 120,
                "direction": "up",
                "cuts": [45, 65],
            },
            "smoker": {
                "type": "binary",
                "levels": ["no", "yes"],
                "actionable_by": "patient",
                "missing": "refuse",
            },
            "ward": {
                "type": "categorical",
                "levels": ["1", "2", "3", "2020-01-01"],
                "label": "Ward",
            },
        },
    }
    assert load_schema(plain) == schema
    assert load_schema(written(tmp_path, json.dumps(plain), "schema.json")) == schema
    assert load_schema(schema) is schema


def test_nothing_stated_is_an_empty_schema(tmp_path):
    assert load_schema(None) == Schema() == load_schema(written(tmp_path, "# nothing\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("columns: {age: {tpye: numeric}}", ["columns.age", "'tpye'", "Did you mean 'type'"]),
        ("traget: y", ["'traget'", "Did you mean 'target'"]),
        ("columns: {age: {type: number}}", ["columns.age.type", "numeric, binary or categorical"]),
        ("columns: {age: {minimum: low}}", ["columns.age.minimum", "a number", "'low'"]),
        ("columns: {age: {minimum: 5, maximum: 1}}", ["columns.age", "minimum is above maximum"]),
        ("columns: {age: {cuts: [5, 5]}}", ["columns.age", "increasing"]),
        ("columns: {age: {type: binary, levels: [a]}}", ["columns.age", "two levels"]),
        ("columns: {age: {levels: [a, a]}}", ["columns.age", "twice"]),
        ("columns: {age: {type: numeric, levels: [a, b]}}", ["columns.age", "no levels"]),
        ("columns: {age: {type: categorical, cuts: [1]}}", ["columns.age", "no cuts"]),
        ("columns: {age: {minimum: .nan}}", ["columns.age", "finite"]),
        ("columns: {age: {cuts: [1, .inf]}}", ["columns.age", "finite"]),
        ("columns: {sex: {levels: []}}", ["columns.sex", "no levels"]),
        ("columns: {age: {direction: sideways}}", ["columns.age.direction", "up or down"]),
        ("columns: [age]", ["columns", "mapping", "list"]),
        ("columns: {age: 3}", ["columns.age", "int"]),
        ("- target", ["list"]),
        ("target: [unclosed", ["line", "cannot be parsed"]),
        ("target: a\ntarget: b", ["'target'", "twice", "line 2"]),
        ("a: &x [1]\nb: *x", ["anchors", "line 2"]),
        ("target: !!python/object/apply:os.system ['true']", ["cannot be parsed"]),
        ("[" * 5000, ["cannot be parsed"]),
    ],
)
def test_a_wrong_schema_is_refused_by_file_and_key(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(ParameterError) as caught:
        load_schema(path)
    message = str(caught.value)
    assert str(path) in message
    assert caught.value.code == "RW1001"
    for word in words:
        assert word in message


def test_every_key_of_a_schema_says_what_it_takes():
    for kind in (ColumnSchema, Schema):
        for name in {field.name for field in msgspec.structs.fields(kind)} - {"columns"}:
            stated = {name: object()}
            body = {"columns": {"age": stated}} if kind is ColumnSchema else stated
            with pytest.raises(ParameterError, match="wrong kind of value; expected"):
                load_schema(body)


def test_numbers_may_stand_for_the_texts_of_a_column():
    schema = load_schema({"columns": {"age": {"label": 5, "unit": 1}}})
    assert (schema.columns["age"].label, schema.columns["age"].unit) == ("5", "1")


def test_json_with_a_key_twice_is_refused(tmp_path):
    path = written(tmp_path, '{"target": "a", "target": "b"}', "schema.json")
    with pytest.raises(ParameterError, match="'target' is given twice"):
        load_schema(path)


def test_files_that_cannot_be_a_schema_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="No such file"):
        load_schema(tmp_path / "absent.yaml")
    with pytest.raises(ParameterError, match="too large"):
        load_schema(written(tmp_path, "#" * (2**20 + 1)))
    (tmp_path / "latin.yaml").write_bytes(b"target: caf\xe9")
    with pytest.raises(ParameterError, match="not UTF-8"):
        load_schema(tmp_path / "latin.yaml")
    with pytest.raises(ParameterError, match="not a schema"):
        load_schema(3)
