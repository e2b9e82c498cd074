"""Actions: what is stated, refused, written down and read back."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import ColumnError, ConstraintError, DataError, ParameterError
from riskwright.evidence import read_table
from riskwright.explanation.actions import Actions, Limits
from riskwright.explanation.reachable import ReachableSets

NAMES = ["age", "debt", "years", "job_a", "job_b", "job_c", "school"]


def start():
    return Actions(NAMES)


def test_each_verb_returns_a_new_object():
    first = start()
    second = first.fix("age")
    assert first.limits == {}
    assert second.limits == {"age": Limits(fixed=True)}


@pytest.mark.parametrize(
    ("make", "both"),
    [
        (lambda a: a.change("debt", 1, -1), ("low 1.0", "high -1.0")),
        (lambda a: a.bounds("debt", 5, 2), ("low 5", "high 2")),
        (lambda a: a.bounds("debt", 5).bounds("debt", high=2), ("at least 5", "at most 2")),
        (
            lambda a: a.only_increase("debt").only_decrease("debt"),
            ("can only increase", "can only decrease"),
        ),
        (
            lambda a: a.change("debt", -1, 0).only_increase("debt"),
            ("changes by -1 to 0", "can only increase"),
        ),
        (
            lambda a: a.bounds("debt", 0, 3).step("debt", 5),
            ("at least 0 and at most 3", "steps of 5"),
        ),
        (lambda a: a.change("debt", -2, 2).step("debt", 5), ("changes by -2 to 2", "steps of 5")),
        (lambda a: a.step("debt", 5).step("debt", 7), ("steps of 5", "steps of 7")),
        (
            lambda a: a.only_increase("years").only_decrease("age").moves_with("years", {"age": 1}),
            ("years moves age by 1", "age goes down only"),
        ),
        (
            lambda a: a.moves_with("years", {"age": -1}).only_increase("years", "age"),
            ("years moves age by -1", "age goes up only"),
        ),
        (
            lambda a: a.moves_with("years", {"age": 1}).moves_with("age", {"years": 1}),
            ("years moves age by 1", "age moves years by 1"),
        ),
        (
            lambda a: a.bounds("debt", 0, 3).if_then(("age", ">=", 60), ("debt", "==", 9)),
            ("if age >= 60.0 then debt == 9.0", "debt: at least 0 and at most 3"),
        ),
        (
            lambda a: a.joint(["debt", "age"], [[0, 1], [9, 1]]).bounds("debt", 0, 3),
            ("debt, age take one of 2 joint values", "debt: at least 0 and at most 3"),
        ),
        (
            lambda a: a.levels("school", ["low", "high"]).switch("school", ["debt"], "mid"),
            ("debt can change only where school == mid", "school: one of 2 levels"),
        ),
    ],
)
def test_contradictions_are_refused_and_both_statements_named(make, both):
    with pytest.raises(ConstraintError) as caught:
        make(start())
    assert caught.value.conflict == both


def test_swapped_signs_are_pointed_out():
    with pytest.raises(ConstraintError, match="signs swapped"):
        start().change("debt", low=1, high=-1)
    with pytest.raises(ConstraintError, match="signs swapped"):
        start().change("debt", high=-1)


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a.step("debt", -1),
        lambda a: a.step("debt", np.nan),
        lambda a: a.bounds("debt", "0"),
        lambda a: a.at_most(3, "job_a", "job_b"),
        lambda a: a.one_of("job_a"),
        lambda a: a.one_of("job_a", "job_a"),
        lambda a: a.one_of("job_a", "job_b", direction="left"),
        lambda a: a.if_then(("age", "~", 1), ("debt", "==", 1)),
        lambda a: a.if_then(("age", "=="), ("debt", "==", 1)),
        lambda a: a.if_then(("age", "changes", 1), ("debt", "==", 1)),
        lambda a: a.if_then(("age", "==", 1), ("debt", "changes")),
        lambda a: a.moves_with("years", {"age": 0}),
        lambda a: a.moves_with("years", {}),
        lambda a: a.joint(["age", "debt"], [[1]]),
        lambda a: a.joint(["age"], [[1], [2]], [[1]]),
        lambda a: a.levels("school", ["a", "a"]),
        lambda a: a.levels("school", "ab"),
    ],
)
def test_malformed_statements_are_refused(make):
    with pytest.raises(ParameterError):
        make(start())


def test_unknown_columns_name_the_nearest():
    with pytest.raises(ColumnError, match="Did you mean 'years'"):
        start().fix("yeras")
    with pytest.raises(ColumnError, match="no column 'years'"):
        ReachableSets(pl.DataFrame({"age": [1]}), Actions(["age", "years"]))


def all_verbs():
    return (
        start()
        .fix("age")
        .only_increase("years")
        .bounds("debt", 0)
        .step("debt", 100)
        .change("years", None, 2)
        .ordered("school", ["low", "high"])
        .one_of("job_a", "job_b", "job_c")
        .thermometer("job_a", "job_b", direction="up")
        .at_most(1, "job_a", "job_c", changes=True)
        .if_then(("school", "==", "high"), ("years", ">=", 2))
        .if_then(("debt", "decreases"), ("years", "increases"))
        .moves_with("years", {"age": 1.0})
        .switch("job_a", ["debt"])
        .joint(["job_a", "job_b"], [[0, 0], [1, 0]], [[1, 1], [0, 1]])
    )


def test_a_mapping_says_the_same(tmp_path):
    stated = all_verbs().to_mapping()
    path = tmp_path / "actions.json"
    path.write_text(json.dumps(stated))
    for source in (stated, path, str(path)):
        again = Actions.from_mapping(source, NAMES)
        assert again.limits == all_verbs().limits
        assert set(again.constraints) == set(all_verbs().constraints)
        assert again.links == all_verbs().links


def test_yaml_reads_as_written(tmp_path):
    path = tmp_path / "actions.yaml"
    path.write_text(
        "only: [debt, job_a, job_b]\n"
        "bounds:\n  debt: [0, null]\n"
        "one_of:\n  - features: [job_a, job_b]\n    required: false\n"
        "if_then:\n  - if: [job_a, '==', 1]\n    then: [debt, '<=', 10]\n"
    )
    actions = Actions.from_mapping(path, NAMES)
    assert {n for n, limit in actions.limits.items() if limit.fixed} == {
        "age", "years", "job_c", "school",
    }  # fmt: skip
    assert [c.words for c in actions.constraints] == [
        "at most one of job_a, job_b",
        "if job_a == 1.0 then debt <= 10.0",
    ]


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"fixed": ["age"]}, "unknown key 'fixed'"),
        ({"bounds": ["age"]}, "not a mapping"),
        ({"bounds": {"age": 3}}, "not two ends"),
        ({"one_of": {"features": ["job_a"]}}, "not a list"),
        ({"one_of": [["job_a", "job_b"]]}, "not a mapping"),
        ({"one_of": [{"members": ["job_a", "job_b"]}]}, "unknown key 'members'"),
        ({"at_most": [{"most": 1}]}, "no features"),
        ({"fix": 3}, "not names"),
        ([], "not a mapping"),
    ],
)
def test_malformed_mappings_are_refused(stated, words):
    with pytest.raises(ParameterError, match=words):
        Actions.from_mapping(stated, NAMES)


def test_a_table_starts_with_what_its_schema_states():
    frame = pl.DataFrame(
        {
            "age": [30, 40, 50, 61],
            "debt": [0, 5, 7, 8],
            "sex": ["f", "m", "f", "m"],
            "school": ["low", "mid", "high", "low"],
            "bad": [0, 1, 0, 1],
        }
    )
    table = read_table(
        frame,
        target="bad",
        groups=["sex"],
        schema={
            "columns": {
                "age": {"direction": "up"},
                "debt": {"minimum": 0, "maximum": 50, "actionable_by": "applicant"},
                "sex": {"type": "categorical"},
                "school": {
                    "type": "categorical",
                    "levels": ["low", "mid", "high"],
                    "direction": "up",
                    "actionable_by": "applicant",
                },
            }
        },
    )
    actions = Actions(table)
    assert actions.limits["age"] == Limits(fixed=True, direction="up")
    assert actions.limits["debt"] == Limits(low=0, high=50)
    assert actions.limits["sex"].fixed
    assert actions.limits["school"].ordered
    sets = ReachableSets(table, actions)
    assert sets.sizes.tolist() == [51 * 3, 51 * 2, 51 * 1, 51 * 3]


def test_check_lists_every_broken_statement_with_rows():
    X = pl.DataFrame({"a": [1, 1, 0], "b": [0, 1, 0], "debt": [5, -1, 3]})
    actions = Actions(X).one_of("a", "b").bounds("debt", 0)
    findings = actions.check(X)
    assert [f.severity for f in findings] == ["high", "high"]
    assert findings[0].sentence == (
        "1 at rows 1 (the first row is 0) of 3 break the statement 'debt within its stated range "
        "or levels'."
    )
    assert "2 at rows 1, 2" in findings[1].sentence
    with pytest.raises(DataError, match="1 more statements"):
        ReachableSets(X, actions)
    assert Actions(X).check(X)[0].severity == "info"


def test_fixed_columns_may_hold_anything_and_unstated_ones_are_free_in_the_range_seen():
    X = pl.DataFrame({"n": [None, 2, 3], "t": ["x", None, "y"], "k": [1, 2, 4]})
    sets = ReachableSets(X, Actions(X).fix("n", "t"))
    assert sets.sizes.tolist() == [4, 4, 4]
    assert sets.points(0)["t"].to_list() == ["x"] * 4


def test_a_row_outside_of_the_range_seen_elsewhere_is_no_error():
    seen, new = np.array([[0.0], [3.0]]), np.array([[5.0]])
    assert ReachableSets(new, Actions(seen)).sizes.tolist() == [6]


@given(st.integers(-5, 5), st.integers(1, 3), st.integers(0, 6), st.integers(0, 6))
def test_steps_count_from_the_persons_own_value(value, step, below, above):
    actions = Actions(["x0"]).bounds("x0", value - below, value + above)
    if step > below + above:
        return
    points = ReachableSets(np.array([[float(value)]]), actions.step("x0", step)).points(0)
    expected = [
        value + k * step
        for k in range(-20, 21)
        if value - below <= value + k * step <= value + above
    ]
    assert sorted(points[:, 0].tolist()) == expected
