"""Slices against all conjunctions by brute force, planted slices, no slice where there is none."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import riskwright.audit.slice_search as slice_search
from riskwright.audit.discretised import column_bins
from riskwright.audit.permutation_bounds import PermutationTail
from riskwright.audit.slices import SPLIT, find_slices, row_losses
from riskwright.core import (
    ColumnError,
    DataError,
    EmptyDataError,
    MissingValueError,
    ParameterError,
    ValueRangeError,
)


def scored(loss, weight, inside, alpha):
    total, mean = weight.sum(), weight @ loss / weight.sum()
    w = weight[inside].sum()
    within = weight[inside] @ loss[inside] / w
    return alpha * (within / mean - 1) - (1 - alpha) * (total / w - 1)


def all_conjunctions(codes, loss, weight, depth, alpha, min_rows):
    """(score, conditions) of every conjunction with enough rows and a score above 0; how many."""
    found, examined = [], 0
    for size in range(1, depth + 1):
        for columns in itertools.combinations(range(len(codes)), size):
            for values in itertools.product(*(range(codes[c].max() + 1) for c in columns)):
                inside = np.ones(loss.size, bool)
                for c, v in zip(columns, values, strict=True):
                    inside &= codes[c] == v
                if inside.sum() < min_rows:
                    continue
                examined += 1
                score = scored(loss, weight, inside, alpha)
                if score > 1e-12:
                    found.append((score, tuple(zip(columns, values, strict=True)), inside))
    return sorted(found, key=lambda f: (-f[0], len(f[1]), f[1])), examined


def greedy(found, k, loss, weight, alpha, min_rows):
    kept, taken = [], np.zeros(loss.size, bool)
    for score, conditions, inside in found:
        nested = any(set(conditions) <= set(c) or set(c) <= set(conditions) for _, c, _ in kept)
        rest = inside & ~taken
        explained = rest.sum() < min_rows or scored(loss, weight, rest, alpha) <= 0
        if not nested and not explained:
            taken |= inside
            kept.append((score, conditions, inside))
    return kept[:k]


tables = st.integers(0, 10_000).map(np.random.default_rng)


@settings(max_examples=40, deadline=None)
@given(tables, st.integers(1, 4), st.booleans(), st.sampled_from([1, 2, 256]))
def test_the_search_is_exact(rng, depth, weighted, kept):
    n, d = int(rng.integers(20, 120)), int(rng.integers(1, 5))
    codes = [rng.integers(0, rng.integers(1, 4), n).astype(np.int32) for _ in range(d)]
    codes = [np.unique(code, return_inverse=True)[1].astype(np.int32) for code in codes]
    loss = rng.choice([0.0, 1.0, 2.5], n) if rng.random() < 0.5 else rng.random(n)
    loss[0] = 1.0
    weight = rng.uniform(0.2, 3, n) if weighted else np.ones(n)
    before = slice_search._KEPT
    slice_search._KEPT = kept
    try:
        ours, examined = slice_search.ranked_slices(
            codes,
            [int(code.max()) + 1 for code in codes],
            loss,
            weight if weighted else None,
            depth=depth,
            alpha=0.9,
            min_rows=4,
            k=3,
        )
    finally:
        slice_search._KEPT = before
    every, count = all_conjunctions(codes, loss, weight, min(depth, d), 0.9, 4)
    expected = greedy(every, 3, loss, weight, 0.9, 4)
    assert len(ours) == len(expected)
    for one, (score, _, _) in zip(ours, expected, strict=True):
        assert one.score == pytest.approx(score, rel=1e-9)
        assert one.score == pytest.approx(scored(loss, weight, one.inside, 0.9), rel=1e-9)
    assert examined >= count
    if depth <= 2:
        assert examined == count


def planted(n=6000, seed=0):
    rng = np.random.default_rng(seed)
    table = {
        "age": rng.integers(18, 90, n),
        "income": rng.lognormal(10, 1, n),
        "site": rng.choice(["a", "b", "c", "d"], n),
        "sex": rng.choice(["f", "m"], n),
        "same": np.ones(n),
    }
    bad = (table["site"] == "b") & (table["sex"] == "f")
    return table, bad, (rng.random(n) < 0.1 + 0.3 * bad).astype(float)


def test_a_planted_slice_is_found_confirmed_and_put_in_words():
    table, _, loss = planted()
    found = find_slices(loss, table, loss_name="share of errors")
    worst = found.slices[0]
    assert worst.conditions == (("site", "b"), ("sex", "f"))
    assert worst.words == "site = b and sex = f"
    assert worst.p_value < 1e-10
    assert worst.gap.low <= 0.3 <= worst.gap.high
    assert worst.confirmed.low <= 0.3 <= worst.confirmed.high
    assert found.set_aside == {"same": "one value only"}
    finding = found.findings[0]
    assert (finding.code, finding.severity) == ("slice.worst", "high")
    assert "site = b and sex = f" in finding.sentence
    assert found.n + found.n_held_out == loss.size


def test_held_out_rows_take_no_part_in_the_search():
    table, _, loss = planted()
    first = find_slices(loss, table, random_state=3)
    held = np.random.default_rng([3, SPLIT]).random(loss.size) < 0.3
    changed = np.where(held, loss[::-1], loss)
    second = find_slices(changed, table, random_state=3)
    assert [s.conditions for s in first.slices] == [s.conditions for s in second.slices]
    assert [s.p_value for s in first.slices] == [s.p_value for s in second.slices]
    assert first.slices[0].confirmed != second.slices[0].confirmed


def test_new_rows_confirm_or_refute():
    table, _, loss = planted()
    found = find_slices(loss, table, holdout=0.0)
    assert found.n_held_out == 0
    assert found.slices[0].confirmed is None
    again, _, fresh = planted(seed=1)
    assert found.on(fresh, again).slices[0].confirmed.low > 0
    refuted = found.on(np.random.default_rng(0).random(6000) / 10, again)
    assert {f.code for f in refuted.findings} == {"slice.unconfirmed", "slice.none"}
    with pytest.raises(ColumnError, match="absent"):
        found.on(fresh, {"age": again["age"]})


def test_a_record_read_back_still_confirms():
    import msgspec

    from riskwright.audit.slices import Slices

    table, _, loss = planted()
    found = find_slices(loss, table, holdout=0.0)
    back = msgspec.json.decode(msgspec.json.encode(found), type=Slices)
    assert back == found
    assert back.on(loss, table) == found.on(loss, table)


def test_a_weight_counts_like_repeated_rows():
    table, _, loss = planted(2000)
    twice = np.random.default_rng(0).integers(1, 3, loss.size)
    repeated = {name: np.repeat(values, twice) for name, values in table.items()}
    options = {"holdout": 0.0, "k": 3, "depth": 2, "min_share": 0.05}
    weighted = find_slices(loss, table, sample_weight=twice, **options)
    plain = find_slices(np.repeat(loss, twice), repeated, **options)
    assert weighted.slices[0].conditions == plain.slices[0].conditions
    assert weighted.slices[0].score == pytest.approx(plain.slices[0].score, rel=1e-9)
    assert weighted.slices[0].loss.value == pytest.approx(plain.slices[0].loss.value)


def test_rows_of_weight_zero_are_not_there():
    table, _, loss = planted(3000)
    weight = (np.arange(3000) % 3 > 0).astype(float)
    kept = {name: values[weight > 0] for name, values in table.items()}
    with_zeros = find_slices(loss, table, sample_weight=weight)
    without = find_slices(loss[weight > 0], kept)
    assert [s.conditions for s in with_zeros.slices] == [s.conditions for s in without.slices]
    assert with_zeros.slices[0].gap.value == pytest.approx(without.slices[0].gap.value)


def test_numbers_are_cut_into_words():
    rng = np.random.default_rng(0)
    ages = column_bins(pl.Series("age", rng.integers(18, 90, 5000)), 4, 32)
    assert ages.words[0].startswith("below ")
    assert ages.words[-1].endswith(" or more")
    low, high = ages.words[1].split(" to ")
    assert float(low) == ages.cuts[0]
    assert float(high) == ages.cuts[1] - 1
    assert ages.phrase(ages.words[1]) == f"age {ages.words[1]}"
    few = column_bins(pl.Series("visits", rng.integers(0, 3, 5000)), 4, 32)
    assert few.words == ("0", "1", "2")
    part = column_bins(pl.Series("rate", rng.random(5000)), 3, 32)
    assert " to below " in part.words[1]
    frame = pl.DataFrame({"rate": rng.random(500)})
    k = part.codes(frame)
    assert ((k == 0) == (frame["rate"].to_numpy() < part.cuts[0])).all()


def test_what_could_have_been_found_takes_the_score_into_account():
    """A gap above the one named is found and one well below it is not."""
    rng = np.random.default_rng(4)
    table = {"x": rng.permutation(np.arange(20_000) % 10)}
    flat = rng.random(20_000)
    none = find_slices(flat, table, depth=1)
    sentence = none.findings[0].sentence
    gap = float(sentence.split(f" in one of {none.n // 10:,} rows")[0].split()[-1])
    inside = table["x"] < 1
    for size, expected in ((1.2, True), (0.6, False)):
        found = find_slices(flat + size * gap * inside, table, depth=1)
        assert any(f.code == "slice.worst" for f in found.findings) == expected


def test_rare_levels_are_pooled_and_missing_values_are_a_level():
    levels = ["a"] * 50 + ["b"] * 50 + ["c", "d", "e"] * 12 + [None] * 40
    cut = column_bins(pl.Series("site", levels), 10, 32)
    assert cut.words == ("a", "b", "any of 3 rare values", "missing")
    assert np.bincount(cut.codes(pl.DataFrame({"site": levels}))).tolist() == [50, 50, 36, 40]
    numbers = pl.Series("x", [1.5, None, 2.5] * 40 + list(np.arange(60.0)))
    cut = column_bins(numbers, 5, 32)
    assert cut.words[-1] == "missing"
    assert (cut.codes(pl.DataFrame({"x": numbers})) == len(cut.words) - 1).sum() == 40
    assert cut.phrase("missing") == "x = missing"


def test_a_column_of_keys_is_set_aside():
    table, _, loss = planted(2000)
    table["name"] = np.array([f"person {i}" for i in range(2000)])
    assert "name" in find_slices(loss, table).set_aside


def test_a_bad_missing_value_is_found():
    rng = np.random.default_rng(0)
    income = np.where(rng.random(4000) < 0.1, np.nan, rng.random(4000))
    loss = rng.random(4000) + np.isnan(income)
    found = find_slices(loss, pl.DataFrame({"income": income}))
    assert found.slices[0].conditions == (("income", "missing"),)
    assert found.findings[0].severity == "high"


def test_array_frame_and_mapping_say_the_same():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, (1000, 3))
    loss = rng.random(1000) + (X[:, 1] == 2)
    columns = {f"x{j}": X[:, j] for j in range(3)}
    found = find_slices(loss, X)
    assert found == find_slices(loss, columns) == find_slices(loss, pl.DataFrame(columns))


def test_what_a_better_slice_explains_is_not_reported():
    rng = np.random.default_rng(1)
    X = rng.integers(0, 3, (6000, 4))
    bad = (X[:, 0] == 1) & (X[:, 1] == 2)
    found = find_slices(rng.random(6000) * 0.3 + 0.5 * bad, X, alpha=0.99)
    assert [s.words for s in found.slices] == ["x0 = 1 and x1 = 2"]


def test_nothing_is_found_where_there_is_nothing():
    said = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        table = {f"x{j}": rng.integers(0, 4, 1500) for j in range(4)}
        found = find_slices((rng.random(1500) < 0.05).astype(float), table, holdout=seed % 2 * 0.3)
        said.append(found.findings[-1].code != "slice.none")
    assert sum(said) <= 6  # binomial(40, 0.05) exceeds it with probability 0.004


@pytest.mark.parametrize("loss", [np.zeros(500), np.ones(500)])
def test_losses_that_are_all_equal_have_no_slices(loss):
    found = find_slices(loss, {"x": np.arange(500) % 5})
    assert found.slices == ()
    assert found.findings[0].code == "slice.none"


@pytest.mark.parametrize("n", [1, 2, 31])
def test_too_few_rows_for_any_slice(n):
    found = find_slices(np.arange(n, dtype=float), {"x": np.arange(n) % 2})
    assert found.slices == ()
    assert math.isfinite(found.baseline.value)


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (MissingValueError, {"loss": [math.nan, 1.0, 0.0]}),
        (ValueRangeError, {"loss": [-1.0, 1.0, 0.0]}),
        (EmptyDataError, {"loss": []}),
        (ColumnError, {"table": {"x": [1, 2]}}),
        (EmptyDataError, {"table": {}}),
        (DataError, {"sample_weight": [1.0, -1.0, 1.0]}),
        (ParameterError, {"table": 3}),
        (ParameterError, {"depth": 0}),
        (ParameterError, {"k": 0}),
        (ParameterError, {"bins": 1}),
        (ParameterError, {"alpha": 0.0}),
        (ParameterError, {"min_share": 1.0}),
        (ParameterError, {"holdout": 1.0}),
        (ParameterError, {"level": 1.0}),
        (ParameterError, {"harm": -1.0}),
        (ParameterError, {"random_state": -1}),
    ],
)
def test_bad_input_is_refused(error, change):
    given_ = {"loss": [0.0, 1.0, 2.0], "table": {"x": [1, 2, 1]}} | change
    with pytest.raises(error):
        find_slices(given_.pop("loss"), given_.pop("table"), **given_)


def test_too_many_values_to_join_are_refused():
    rng = np.random.default_rng(0)
    table = {f"x{j}": rng.random(60_000) for j in range(4)}
    with pytest.raises(ColumnError, match="Lower depth"):
        find_slices(rng.random(60_000), table, bins=255, depth=4)


def test_too_many_columns_to_join_are_refused():
    table = np.random.default_rng(0).integers(0, 2, (400, 240)).astype(float)
    with pytest.raises(ColumnError, match="of 240 columns"):
        find_slices(np.arange(400.0), table, depth=4)
    assert [slice_search.affordable_depth(240, depth) for depth in (1, 2, 3, 6)] == [1, 2, 2, 2]
    assert slice_search.affordable_depth(60, 4) == 4


def test_progress_is_told_and_what_it_raises_stops_the_search():
    rng = np.random.default_rng(0)
    table, told = rng.integers(0, 3, (2000, 8)), []
    plain = find_slices(rng.random(2000), table, depth=4)
    rng = np.random.default_rng(0)
    rng.integers(0, 3, (2000, 8))
    found = find_slices(rng.random(2000), table, depth=4, progress=lambda *at: told.append(at))
    assert found == plain
    assert told
    steps = 8 + 28 + 2 * 56 + 2 * 70
    assert all(0 < done <= total == steps for done, total in told)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_slices(rng.random(2000), table, depth=4, progress=stop)


@settings(max_examples=60, deadline=None)
@given(tables)
@example(np.random.default_rng(601))  # a bound that is attained: rounding must not pass it
def test_the_tail_bound_holds_for_every_sum(rng):
    """Against all subsets of a small population."""
    values = np.round(rng.exponential(1, 9), int(rng.integers(0, 3))) * (rng.random(9) < 0.7)
    m = int(rng.integers(1, 9))
    sums = np.array([values[list(c)].sum() for c in itertools.combinations(range(9), m)])
    tail = PermutationTail(values)
    for s in np.unique(sums):
        assert math.log((sums >= s - 1e-12).mean()) <= tail.log_p(m, float(s)) + 1e-9


def test_the_tail_bound_is_of_the_right_order():
    """Against the hypergeometric distribution; Chernoff's loses about a factor sqrt(2 pi v) t."""
    from scipy.stats import hypergeom

    n, events, m, seen = 10_000, 500, 300, 45
    values = np.zeros(n)
    values[:events] = 1
    exact = hypergeom.logsf(seen - 1, n, events, m)
    assert exact <= PermutationTail(values).log_p(m, seen) <= exact + 3.5


def test_row_losses():
    y, p = [1, 0], [0.8, 0.6]
    assert row_losses(y, p) == pytest.approx([-math.log(0.8), -math.log(0.4)])
    assert row_losses(y, p, "brier") == pytest.approx([0.04, 0.36])
    assert row_losses(y, [7, 3], "error", at=5).tolist() == [0, 0]
    assert row_losses([1, 0], [0.0, 1.0]) == pytest.approx([52 * math.log(2)] * 2)
    with pytest.raises(ValueRangeError):
        row_losses(y, [7, 3])
    with pytest.raises(ValueRangeError):
        row_losses([1, 2], p)
    with pytest.raises(ParameterError):
        row_losses(y, p, "hinge")
