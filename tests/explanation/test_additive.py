"""Additive models: dense normal equations, folds refitted by hand, awkward tables."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    TargetError,
    ValueRangeError,
)
from riskwright.explanation.additive import (
    AdditiveModel,
    design_of,
    fold_order,
    sigmoid,
    with_pairs,
)


def dense(design):
    """The design as a matrix of rows and nodes."""
    found = np.zeros((design.n, int(design.offsets[-1])))
    rows = np.arange(design.n)
    for j, (code, lean) in enumerate(zip(design.codes, design.leans, strict=True)):
        at = design.offsets[j] + code.astype(int)
        found[rows, at] += 1 - lean
        held = lean > 0
        found[rows[held], at[held] + 1] += lean[held]
    return found


def mixed(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    x[:20] = np.nan
    return pl.DataFrame(
        {
            "x": x,
            "k": rng.integers(0, 5, n),
            "t": rng.choice(["a", "b", None], n),
            "z": rng.exponential(size=n),
        }
    ), rng


@pytest.fixture(scope="module")
def worked():
    frame, rng = mixed()
    table, design = design_of(frame, bins=8)
    design = with_pairs(design, table.columns, rng.normal(size=300), 2, "squared", 3.0)
    return design, rng


def test_products_and_sums_are_those_of_the_dense_matrix(worked):
    design, rng = worked
    x, w = dense(design), rng.random(design.n)
    starts = np.array([0, 100, 100, 300])
    for k, (a, b) in enumerate([(0, 100), (100, 100), (100, 300)]):
        part = x[a:b]
        assert np.allclose(design.gram(w, starts)[k], part.T @ (w[a:b, None] * part))
        assert np.allclose(design.sums(w, starts)[k], part.T @ w[a:b])
    beta = rng.normal(size=x.shape[1])
    assert np.allclose(design.totals(beta), x @ beta)


def test_rows_are_split_between_neighbouring_nodes(worked):
    design, _ = worked
    assert np.allclose(dense(design).sum(axis=1), len(design.terms))
    assert len(design.terms) == 1 + 4 + 2


def test_logistic_fit_has_no_gradient(worked):
    design, rng = worked
    x, y = dense(design), rng.random(design.n)
    beta, hessian = design.fit_logistic(y)
    gradient = x.T @ (sigmoid(x @ beta) - y) + design.penalty @ beta / 4
    assert gradient @ np.linalg.solve(hessian, gradient) < 1e-9


def test_out_of_fold_is_a_refit_without_the_fold(worked):
    design, rng = worked
    order, starts = fold_order(design.n, 5, rng)
    shuffled = design.taken(order)
    y = (rng.random(design.n) < 0.4).astype(float)
    whole = shuffled.gram()[0] + shuffled.penalty
    linear = shuffled.squared_out_of_fold(y, starts, whole, np.linalg.inv(whole))
    beta, hessian = shuffled.fit_logistic(y)
    risk = sigmoid(shuffled.totals(beta))
    # the Hessian at the solution, without the damping of a last step
    curved = shuffled.logistic_out_of_fold(
        y, starts, beta, risk * (1 - risk), hessian, np.linalg.inv(hessian)
    )
    for a, b in itertools.pairwise(starts):
        rest, fold = shuffled.taken(np.r_[0:a, b : design.n]), shuffled.taken(np.arange(a, b))
        kept = np.r_[y[:a], y[b:]]
        assert np.allclose(linear[a:b], fold.totals(rest.fit_squared(kept)), atol=1e-6)
        assert np.allclose(curved[a:b], sigmoid(fold.totals(rest.fit_logistic(kept)[0])), atol=2e-4)


def test_linear_curves_are_found_exactly_between_borders():
    rng = np.random.default_rng(1)
    X = rng.random((5000, 2))
    y = 2 * X[:, 0] - X[:, 1]
    error = AdditiveModel().fit(X, y).predict(X) - y
    assert np.abs(error).max() < 0.01


def test_effects_and_intercept_add_up_to_the_mean_and_to_the_predictions():
    frame, _ = mixed(2000)
    y = frame["k"].to_numpy() + (frame["t"] == "a").fill_null(False).to_numpy() * 3.0
    model = AdditiveModel(pairs=1).fit(frame, y)
    assert model.intercept_ == pytest.approx(y.mean())
    for effect in model.effects_:
        assert effect.n.sum() == 2000
        assert effect.n @ effect.values == pytest.approx(0, abs=1e-6)
    k = next(effect for effect in model.effects_ if effect.name == "k")
    assert k.labels == ("0", "1", "2", "3", "4")
    assert np.allclose(np.diff(k.values), 1, atol=0.05)
    t = next(effect for effect in model.effects_ if effect.name == "t")
    assert t.labels == ("a", "b", "missing")
    assert model.predict(frame).var() == pytest.approx(y.var(), rel=0.05)


def test_an_interaction_is_found_first():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(3000, 4))
    y = X[:, 0] + X[:, 1] * X[:, 3]
    plain, paired = (AdditiveModel(pairs=k).fit(X, y) for k in (0, 1))
    assert paired.effects_[-1].name == "x1 with x3"
    new = rng.normal(size=(3000, 4))
    truth = new[:, 0] + new[:, 1] * new[:, 3]
    errors = [np.var(model.predict(new) - truth) for model in (plain, paired)]
    assert errors[1] < 0.4 * errors[0]


def test_the_logistic_model_returns_risks_near_the_truth():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(20_000, 2))
    truth = sigmoid(X[:, 0] + np.sin(2 * X[:, 1]))
    model = AdditiveModel(loss="logistic").fit(X, rng.random(20_000) < truth)
    assert np.abs(model.predict(X) - truth).mean() < 0.02


def test_what_the_fit_did_not_see_adds_what_is_usual():
    frame = pl.DataFrame({"t": ["a", "b"] * 50, "x": np.arange(100.0)})
    y = np.tile([0.0, 1.0], 50)
    model = AdditiveModel().fit(frame, y)
    new = pl.DataFrame({"t": ["c", None, "a"], "x": [50.0, 50.0, -1e9]})
    found = model.predict(new)
    assert found[0] == pytest.approx(0.5, abs=0.05)
    assert found[1] == found[0]
    assert abs(found[2]) < 0.2


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-3, 3), st.floats(-1e6, 1e6)),
            st.sampled_from(["a", "b", "c", None]),
            st.floats(-10, 10),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 2),
)
def test_any_table_gives_finite_numbers_and_rows_that_are_all_counted(rows, pairs):
    x, t, y = zip(*rows, strict=True)
    frame = pl.DataFrame({"x": pl.Series(x, dtype=pl.Float64), "t": pl.Series(t, dtype=pl.String)})
    model = AdditiveModel(bins=4, pairs=pairs).fit(frame, y)
    assert np.isfinite(model.predict(frame)).all()
    assert all(effect.n.sum() == len(rows) for effect in model.effects_)
    assert all(len(effect.labels) == effect.values.size for effect in model.effects_)


def test_rare_levels_are_joined_and_columns_may_be_mere_labels():
    frame = pl.DataFrame({"t": ["a"] * 20 + ["b"] * 3 + ["c"] * 2, "k": [1, 2] * 12 + [2]})
    model = AdditiveModel(categorical=["k"]).fit(frame, np.arange(25.0))
    assert [effect.labels for effect in model.effects_] == [("a", "other"), ("1", "2")]


@pytest.mark.parametrize(
    ("X", "y", "options", "error"),
    [
        (np.ones((3, 1)), [1, 2], {}, DataError),
        (np.ones((3, 0)), [1, 2, 3], {}, EmptyDataError),
        (np.ones((0, 2)), [], {}, EmptyDataError),
        (np.ones((3, 1)), [1, np.nan, 3], {}, MissingValueError),
        (np.array([[np.inf], [1.0], [2.0]]), [1, 2, 3], {}, ValueRangeError),
        (np.ones((3, 1)), [0, 2, 0], {"loss": "logistic"}, ValueRangeError),
        (np.ones((3, 1)), [1, 1, 1], {"loss": "logistic"}, TargetError),
        (np.ones((3, 1)), [1, 2, 3], {"loss": "absolute"}, ParameterError),
        (np.ones((3, 1)), [1, 2, 3], {"bins": 1}, ParameterError),
        (np.ones((3, 1)), [1, 2, 3], {"ridge": 0}, ParameterError),
        (np.ones((3, 1)), [1, 2, 3], {"smoothing": -1}, ParameterError),
        (np.ones((3, 2)), [1, 2, 3], {"pairs": -1}, ParameterError),
        (np.ones((3, 1)), [1, 2, 3], {"categorical": ["age"]}, ColumnError),
    ],
)
def test_bad_input_is_refused(X, y, options, error):
    with pytest.raises(error):
        AdditiveModel(**options).fit(X, y)


def test_a_column_that_is_gone_or_turned_to_text_is_refused():
    model = AdditiveModel().fit(pl.DataFrame({"a": [1.0, 2.0, 3.0] * 5}), np.arange(15.0))
    with pytest.raises(ColumnError):
        model.predict(pl.DataFrame({"b": [1.0]}))
    with pytest.raises(ColumnError):
        model.predict(pl.DataFrame({"a": ["one"]}))


def test_more_bins_than_rows_and_a_constant_column():
    X = np.column_stack([np.arange(12.0), np.ones(12)])
    model = AdditiveModel(bins=64).fit(X, np.arange(12.0))
    assert np.isfinite(model.predict(X)).all()
    assert model.effects_[1].values == pytest.approx([0.0])
