"""Binarizer: items mean what they say, on any rows, from any container, with any weights."""

import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from riskwright.core import (
    ColumnError,
    EmptyDataError,
    Feature,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.evidence import Binarizer, read_table

WARDS = ("east", "west", "north", "south", "attic")


def sample(n=400, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 95, n)
    rate = np.round(rng.gamma(2.0, 2.0, n), 3)
    ward = rng.choice(WARDS, n, p=[0.45, 0.35, 0.19, 0.005, 0.005])
    X = pl.DataFrame(
        {
            "age": age,
            "rate": rate,
            "married": rng.integers(0, 2, n),
            "smoker": rng.choice(["no", "yes"], n),
            "ward": ward,
        }
    )
    if missing:
        X = X.select(
            pl.when(pl.Series(rng.random(n) > missing)).then(pl.col(name)).alias(name)
            for name in X.columns
        )
    risk = 1 / (1 + np.exp(-((age - 60) / 10 + (ward == "west") + (rate > 5))))
    return X, (rng.random(n) < risk).astype(int), rng


def means(item, value):
    """Whether the item holds for one raw value, from the definition of its kind."""
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    if item.kind == "missing":
        return float(missing)
    if missing:
        return 0.0
    if item.kind == "value":
        return float(value)
    if item.kind == "in":
        return float(str(value) in item.levels)
    if item.kind == "ge":
        return float(value >= item.low)
    if item.kind == "lt":
        return float(value < item.high)
    return float(item.low <= value < item.high)


def slowly(binarizer, X):
    names = [f.name for f in binarizer.features_]
    return np.array(
        [
            [
                means(item, row[names[k]])
                for item, k in zip(binarizer.items_, binarizer.item_feature_, strict=True)
            ]
            for row in X.iter_rows(named=True)
        ]
    ).reshape(X.height, len(binarizer.items_))


new_rows = st.fixed_dictionaries(
    {
        "age": st.none() | st.integers(-5, 130),
        "rate": st.none() | st.floats(-1, 40) | st.just(float("nan")),
        "married": st.none() | st.sampled_from([0, 1]),
        "smoker": st.none() | st.sampled_from(["no", "yes", "often"]),
        "ward": st.none() | st.sampled_from([*WARDS, "cellar"]),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(new_rows, min_size=1, max_size=8),
    st.sampled_from(["outcome", "quantile", "none"]),
    st.sampled_from(["threshold", "interval"]),
    st.integers(0, 3),
)
def test_transform_is_what_each_item_says(rows, method, items, seed):
    X, y, _ = sample(seed=seed)
    binarizer = Binarizer(method=method, items=items).fit(X, y)
    new = pl.DataFrame(rows, schema={**X.schema})
    matrix = binarizer.transform(new)
    assert matrix.dtype == (np.float64 if method == "none" else np.uint8)
    assert matrix.flags.c_contiguous
    assert (matrix == slowly(binarizer, new)).all()
    again = Binarizer.from_dict(json.loads(json.dumps(binarizer.to_dict())))
    assert again.items_ == binarizer.items_
    assert again.features_ == binarizer.features_
    assert again.get_params() == binarizer.get_params()
    assert (again.transform(new) == matrix).all()


def test_items_and_labels():
    X, y, _ = sample()
    features = [
        Feature(name="age", type="numeric", unit="years", label="Age"),
        Feature(name="rate", type="numeric"),
        Feature(name="married", type="binary", minimum=0.0, maximum=1.0),
        Feature(name="smoker", type="binary", levels=("no", "yes")),
        Feature(name="ward", type="categorical", levels=tuple(sorted(WARDS))),
    ]
    cuts = {"age": [45, 65.5], "rate": [2]}
    binarizer = Binarizer(cut_points=cuts).fit(X, y, features=features)
    assert [item.label for item in binarizer.items_] == [
        "Age ≥ 45 years",
        "Age ≥ 65.5 years",
        "Age missing",
        "rate ≥ 2",
        "rate missing",
        "married",
        "married missing",
        "smoker = yes",
        "smoker missing",
        "ward = east",
        "ward = north",
        "ward = west",
        "ward = other (2 rare levels)",
        "ward missing",
    ]
    assert binarizer.item_feature_.tolist() == [0] * 3 + [1] * 2 + [2] * 2 + [3] * 2 + [4] * 5
    assert binarizer.item_feature_.dtype == np.int32
    assert binarizer.features_[4].levels == ("east", "north", "west")
    assert binarizer.features_[4].other_levels == ("attic", "south")
    assert {f.missing for f in binarizer.features_} == {"own_level"}
    assert binarizer.feature_names_in_.tolist() == X.columns
    assert binarizer.n_features_in_ == 5
    between = Binarizer(cut_points=cuts, items="interval").fit(X, y, features=features)
    assert [item.label for item in between.items_[:4]] == [
        "Age < 45 years",
        "45 ≤ Age < 65.5 years",
        "Age ≥ 65.5 years",
        "Age missing",
    ]


def test_a_value_at_a_cut_point_belongs_to_the_bin_above():
    binarizer = Binarizer(items="interval", cut_points={"x0": [10, 20]})
    binarizer.fit(np.arange(40).reshape(-1, 1), np.repeat([0, 1], 20))
    at = binarizer.transform(np.array([[9.99], [10], [19.99], [20], [np.nan]]))
    assert at.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_two_valued_numbers_are_one_item_that_names_the_higher():
    X = np.column_stack([np.tile([1, 2], 30), np.tile([0, 1], 30), np.tile([-0.5, 0.25], 30)])
    binarizer = Binarizer().fit(X, np.tile([0, 1], 30))
    assert [(i.label, i.low, i.high) for i in binarizer.items_] == [
        ("x0 = 2", 1.5, 2.5),
        ("x1", 0.5, 1.5),
        ("x2 = 0.25", -0.125, 0.625),
    ]
    assert binarizer.transform(np.array([[9.0, 9.0, 9.0], [2.0, 1.0, 0.25]])).tolist() == [
        [0, 0, 0],
        [1, 1, 1],
    ]


def test_a_single_rare_level_keeps_its_name_and_common_levels_are_limited():
    levels = ["a"] * 500 + ["b"] * 300 + ["c"] * 195 + ["d"] * 5
    X, y = pl.DataFrame({"x": levels}), np.tile([0, 1], 500)
    assert [i.label for i in Binarizer().fit(X, y).items_] == ["x = a", "x = b", "x = c", "x = d"]
    few = Binarizer(max_levels=2).fit(X, y)
    assert [i.label for i in few.items_] == ["x = a", "x = b", "x = other (2 rare levels)"]
    assert few.items_[-1].levels == ("c", "d")
    assert few.transform(pl.DataFrame({"x": ["d", "b", "z", None]})).tolist() == [
        [0, 0, 1],
        [0, 1, 0],
        [0, 0, 0],
        [0, 0, 0],
    ]


@pytest.mark.parametrize("method", ["outcome", "quantile", "none"])
def test_weights_are_repeated_rows_and_order_is_irrelevant(method):
    X, y, rng = sample(600, seed=5)
    times = rng.integers(0, 4, len(y))
    order = rng.permutation(np.repeat(np.arange(len(y)), times))
    options = {"method": method, "monotone": {"rate": "up"} if method == "outcome" else None}
    weighted = Binarizer(**options).fit(X, y, sample_weight=times)
    repeated = Binarizer(**options).fit(X[order], y[order])
    assert weighted.items_ == repeated.items_
    assert weighted.features_ == repeated.features_


def test_containers_give_the_same_items_and_matrix():
    X, y, _ = sample(seed=2)
    first = Binarizer().fit(X, y)
    matrix = first.transform(X)
    for other in (X.to_pandas(), X.to_arrow(), X.lazy(), X.to_pandas().astype(object)):
        again = Binarizer().fit(other, y)
        assert again.items_ == first.items_
        assert (again.transform(other) == matrix).all()
        assert (first.transform(other) == matrix).all()
    numbers = X.select("age", "rate", "married")
    array = numbers.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    renamed = Binarizer().fit(numbers.rename({"age": "x0", "rate": "x1", "married": "x2"}), y)
    for order in ("C", "F"):
        by_position = Binarizer().fit(np.asarray(array, order=order), y)
        assert by_position.items_ == renamed.items_
        assert (by_position.transform(array) == first.fit_transform(numbers, y)).all()


def test_columns_are_found_by_name_and_others_ignored():
    X, y, _ = sample()
    binarizer = Binarizer().fit(X, y)
    turned = X.select(reversed(X.columns)).with_columns(extra=pl.lit("?"))
    assert (binarizer.transform(turned) == binarizer.transform(X)).all()


def test_raw_text_rows_are_read_like_typed_ones(tmp_path):
    X, y, _ = sample()
    binarizer = Binarizer().fit(X, y)
    texts = X.select(pl.all().cast(pl.String).fill_null("NA"))
    assert (binarizer.transform(texts) == binarizer.transform(X)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.bool_])
def test_zero_one_columns_pass_through(dtype):
    X = (np.random.default_rng(0).random((500, 6)) < 0.4).astype(dtype)
    binarizer = Binarizer().fit(X, X[:, 0].astype(int))
    assert [i.label for i in binarizer.items_] == [f"x{j}" for j in range(6)]
    polars = pl.DataFrame({f"x{j}": X[:, j] for j in range(6)})
    for source in (X, np.asfortranarray(X), polars, X.astype(float)):
        matrix = binarizer.transform(source)
        assert matrix.dtype == np.uint8
        assert matrix.flags.c_contiguous
        assert (matrix == X).all()
    assert not np.shares_memory(binarizer.transform(X), X)


def test_other_numbers_in_zero_one_columns_are_compared_not_copied():
    X = np.tile(np.array([[0, 1], [1, 0]], dtype=np.int8), (20, 1))
    binarizer = Binarizer().fit(X, X[:, 0])
    odd = np.array([[2, -1], [1, 0]], dtype=np.int8)
    assert binarizer.transform(odd).tolist() == [[0, 0], [1, 0]]
    assert binarizer.transform(pl.DataFrame(odd, schema=["x0", "x1"])).tolist() == [[0, 0], [1, 0]]


def test_a_table_is_binarised_with_what_its_schema_says():
    X, y, _ = sample()
    stated = {"columns": {"age": {"unit": "years", "cuts": [40, 65]}, "rate": {"label": "Rate"}}}
    table = read_table(X.with_columns(y=y), target="y", schema=stated)
    binarizer = Binarizer(cut_points=table.cut_points).fit(
        table.X, table.y, features=table.features
    )
    labels = [item.label for item in binarizer.items_]
    assert labels[:2] == ["age ≥ 40 years", "age ≥ 65 years"]
    assert any(label.startswith("Rate ≥") for label in labels)


def test_missing_values_are_refused_if_asked():
    X, y, _ = sample()
    with pytest.raises(MissingValueError, match=r"column 'age'.*row"):
        Binarizer(missing="refuse").fit(X, y)
    whole = sample(missing=0)[0]
    binarizer = Binarizer(missing="refuse").fit(whole, y)
    assert {f.missing for f in binarizer.features_} == {"refused"}
    with pytest.raises(MissingValueError, match="RW2005"):
        binarizer.transform(X)
    lenient = Binarizer().fit(whole, y)
    assert {f.missing for f in lenient.features_} == {"none_seen"}
    assert lenient.transform(X).shape == (X.height, len(lenient.items_))


def test_a_schema_that_refuses_missing_values_binds_later_rows():
    X, y, _ = sample(missing=0)
    stated = {"columns": {"age": {"missing": "refuse"}}}
    table = read_table(X.with_columns(y=y), target="y", schema=stated)
    binarizer = Binarizer().fit(table.X, table.y, features=table.features)
    gap = X.with_columns(age=pl.Series([None] + [50] * (X.height - 1)))
    with pytest.raises(MissingValueError, match=r"column 'age'.*nothing in row 1 "):
        binarizer.transform(gap)


def test_constant_and_empty_columns_give_no_item():
    X = pl.DataFrame({"a": [1] * 40, "b": [None] * 40, "c": ["x"] * 40, "d": list(range(40))})
    for method in ("outcome", "none"):
        binarizer = Binarizer(method=method).fit(X, np.repeat([0, 1], 20))
        assert {item.feature for item in binarizer.items_} == {"d"}
        assert binarizer.n_features_in_ == 4


def test_it_follows_the_habits_of_scikit_learn():
    binarizer = Binarizer(max_cuts=3, monotone={"age": "up"})
    assert clone(binarizer).get_params() == binarizer.get_params()
    assert binarizer.set_params(max_cuts=2).max_cuts == 2
    with pytest.raises(ParameterError, match="Did you mean 'max_cuts'"):
        binarizer.set_params(max_cut=2)


def test_a_row_has_no_say_where_its_weight_is_zero():
    X, y, rng = sample()
    keep = rng.random(len(y)) < 0.7
    weighted = Binarizer().fit(X, y, sample_weight=keep.astype(float))
    assert weighted.items_ == Binarizer().fit(X.filter(pl.Series(keep)), y[keep]).items_


X_GOOD, Y_GOOD, _ = sample(60)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"method": "chi"}, ["method=", "outcome, quantile, none", "'chi'"]),
        ({"items": "bins"}, ["items=", "threshold"]),
        ({"missing": "drop"}, ["missing=", "own_level"]),
        ({"max_cuts": 0}, ["max_cuts=", "from 1 to 100", "0"]),
        ({"max_cuts": 2.5}, ["max_cuts=", "2.5"]),
        ({"max_levels": True}, ["max_levels=", "True"]),
        ({"min_share": 0.6}, ["min_share=", "0 to 0.5"]),
        ({"cut_points": {"age": [5, 5]}}, ["cut_points['age']", "increasing"]),
        ({"cut_points": {"age": [float("nan")]}}, ["cut_points['age']", "finite"]),
        ({"monotone": {"age": "rising"}}, ["monotone['age']", "'up' or 'down'", "'rising'"]),
    ],
)
def test_wrong_parameters_are_refused_by_name(params, words):
    with pytest.raises(ParameterError) as caught:
        Binarizer(**params).fit(X_GOOD, Y_GOOD)
    for word in ["RW1001", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"y": None}, ParameterError, "no outcome given"),
        ({"y": np.full(60, 2)}, TargetError, "each 0 or 1"),
        ({"y": np.zeros(59)}, TargetError, "60 values"),
        ({"sample_weight": np.full(60, -1.0)}, ValueRangeError, "none negative"),
        ({"sample_weight": np.zeros(60)}, ValueRangeError, "not all zero"),
        ({"sample_weight": np.ones(3)}, ValueRangeError, "60 finite weights"),
        ({"X": X_GOOD.clear()}, EmptyDataError, "no rows"),
        ({"X": np.empty((60, 0))}, EmptyDataError, "no rows or no columns"),
        ({"X": np.full((60, 1), np.inf)}, ValueRangeError, "column 'x0'.*infinite"),
        ({"X": [1, 2, 3]}, ParameterError, "2D"),
        ({"X": "a.csv"}, ParameterError, "not a table"),
        (
            {"X": pl.DataFrame({"code": [f"c{i}" for i in range(1200)]}), "y": [0, 1] * 600},
            ColumnError,
            "1,200 levels",
        ),
        ({"features": [Feature(name="aged", type="numeric")]}, ColumnError, "'aged'.*'age'"),
    ],
)
def test_wrong_data_are_refused(changes, error, words):
    with pytest.raises(error, match=f"(?s){words}"):
        Binarizer().fit(**{"X": X_GOOD, "y": Y_GOOD, **changes})


def test_unknown_columns_in_parameters_are_refused():
    with pytest.raises(ColumnError, match=r"cut_points=.*no column 'agee'.*'age'"):
        Binarizer(cut_points={"agee": [3]}).fit(X_GOOD, Y_GOOD)


def test_wrong_rows_are_refused_on_transform():
    binarizer = Binarizer().fit(X_GOOD, Y_GOOD)
    with pytest.raises(ColumnError, match="a column is missing; expected 'ward'"):
        binarizer.transform(X_GOOD.drop("ward"))
    text = X_GOOD.with_columns(age=pl.Series(["old"] + ["40"] * 59))
    with pytest.raises(ColumnError, match="column 'age'.*'old' in row 1 "):
        binarizer.transform(text)
    narrow = Binarizer().fit(np.tile([[0.0, 1.0], [1.0, 2.0]], (20, 1)), [0, 1] * 20)
    with pytest.raises(ColumnError, match="X has 3 features, but Binarizer is expecting 2"):
        narrow.transform(np.zeros((2, 3)))


def test_pandas_frames_may_have_any_index_and_integer_names():
    X = pd.DataFrame(np.arange(80.0).reshape(40, 2), index=range(100, 140))
    binarizer = Binarizer().fit(X, pd.Series([0] * 20 + [1] * 20, index=range(40)))
    assert binarizer.feature_names_in_.tolist() == ["0", "1"]
    assert binarizer.transform(X).sum() == 40


def test_rare_levels_alone_do_not_stand_for_every_value():
    rng = np.random.default_rng(0)
    missing = rng.random(300) < 0.3
    ref = pl.Series("ref", [None if m else f"R{i}" for i, m in enumerate(missing)])
    binarizer = Binarizer().fit(pl.DataFrame({"ref": ref}), missing)
    assert [item.label for item in binarizer.items_] == ["ref missing"]


def test_spaces_that_nobody_sees_are_shown():
    side = pl.Series(" side", ["left", " left", "left  arm"] * 30)
    y = np.tile([0, 1, 1], 30)
    labels = [item.label for item in Binarizer().fit(pl.DataFrame([side]), y).items_]
    assert sorted(labels) == ['" side" = " left"', '" side" = "left  arm"', '" side" = left']


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_categorical_types_are_categories_whatever_they_look_like(library):
    codes = np.tile([10, 20, 30, 40], 25)
    frame = (
        pd.DataFrame({"code": pd.Categorical(codes)})
        if library == "pandas"
        else pl.DataFrame({"code": pl.Series([str(c) for c in codes], dtype=pl.Categorical)})
    )
    binarizer = Binarizer().fit(frame, codes > 20)
    assert sorted(i.label for i in binarizer.items_) == [f"code = {c}" for c in (10, 20, 30, 40)]
    assert (binarizer.transform(frame).sum(axis=1) == 1).all()
    plain = pd.DataFrame({"code": codes})
    assert (binarizer.transform(plain) == binarizer.transform(frame)).all()


@pytest.mark.parametrize("cuts", [[1], {0: [30]}, {"age": ["a"]}, {"age": 3}])
def test_cut_points_of_the_wrong_form_are_refused(cuts):
    with pytest.raises(ParameterError, match="cut_points"):
        Binarizer(cut_points=cuts).fit(pd.DataFrame({"age": [1, 2, 3]}), [0, 1, 1])


def test_a_binarizer_must_be_fitted_first():
    with pytest.raises(NotFittedError):
        Binarizer().transform(np.zeros((2, 2)))


def test_labels_of_two_valued_numbers_are_short():
    X = np.tile([[-0.044641636506989144], [0.05068011973881762]], (20, 1))
    (item,) = Binarizer().fit(X, X.ravel() > 0).items_
    assert item.label == "x0 = 0.0506801"
