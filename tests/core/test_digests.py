"""The digest depends upon the values and upon nothing else."""

import os
import subprocess
import sys

import hypothesis.extra.numpy as npst
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import digest_arrays
from riskwright.core.digests import _ROWS

TEXTS = ["abc", "", "é", None, "None", "nan", "日本"]


def test_the_form_is_stated_and_stable():
    digest = digest_arrays(np.arange(5), ["a", None])
    assert digest == "sha256:" + digest_arrays(np.arange(5.0), np.array(["a", None], object))[7:]
    assert len(digest) == 7 + 64
    code = "from riskwright.core import digest_arrays; print(digest_arrays(range(5), ['a', None]))"
    env = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert run.stdout.strip() == digest


@given(npst.arrays(np.int64, st.integers(0, 20), elements=st.integers(-(2**53), 2**53)))
def test_whole_numbers_agree_across_types_and_containers(values):
    digest = digest_arrays(values)
    assert digest_arrays(values.astype(float)) == digest
    assert digest_arrays(pl.Series(values)) == digest
    assert digest_arrays(pd.Series(values)) == digest
    assert digest_arrays(values.astype(object)) == digest
    assert digest_arrays(values.tolist()) == digest
    assert digest_arrays(np.repeat(values, 2)[::2]) == digest


@given(npst.arrays(npst.floating_dtypes(sizes=(32, 64)), st.integers(1, 20)), st.data())
def test_a_changed_value_changes_the_digest(values, data):
    index = data.draw(st.integers(0, values.size - 1))
    changed = values.copy()
    changed[index] = data.draw(npst.from_dtype(values.dtype))
    same = np.array_equal(values, changed, equal_nan=True)
    assert (digest_arrays(values) == digest_arrays(changed)) is same


@pytest.mark.parametrize("top", [127, 128, 2**15 - 1, 2**15, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
def test_integers_at_the_edges_of_types_are_told_apart(top):
    values = np.array([0, top], dtype=np.uint64)
    assert digest_arrays(values) != digest_arrays(np.array([0, top - 1], dtype=np.uint64))
    if top < 2**63:
        assert digest_arrays(values) == digest_arrays(values.astype(np.int64))


def test_booleans_count_as_0_and_1():
    assert digest_arrays(np.array([True, False])) == digest_arrays(np.array([1.0, 0.0]))
    assert digest_arrays(pl.Series([True, None])) == digest_arrays(np.array([1.0, np.nan]))


def test_zero_has_no_sign_and_nan_no_payload():
    assert digest_arrays(np.array([-0.0, 0.5])) == digest_arrays(np.array([0.0, 0.5]))
    odd = np.array([0x7FF8000000000001, 0], dtype=np.uint64).view(np.float64)
    assert digest_arrays(odd) == digest_arrays(np.array([np.nan, 0.0]))


def test_missing_numbers_agree_across_containers():
    values = np.array([1.0, np.nan, 3.0])
    digest = digest_arrays(values)
    assert digest_arrays(pl.Series([1, None, 3])) == digest
    assert digest_arrays(pd.Series([1, None, 3], dtype="Int64")) == digest
    assert digest_arrays([1, None, 3]) == digest


def test_text_agrees_across_containers():
    digest = digest_arrays(TEXTS)
    assert digest_arrays(np.array(TEXTS, dtype=object)) == digest
    assert digest_arrays(pl.Series(TEXTS)) == digest
    assert digest_arrays(pl.Series(TEXTS, dtype=pl.Categorical)) == digest
    assert digest_arrays(pd.Series(TEXTS)) == digest
    assert digest_arrays(pd.Series(TEXTS, dtype="string")) == digest
    assert digest_arrays(pd.Series(TEXTS).astype("category")) == digest
    assert digest_arrays(np.array(["a", "bc"])) == digest_arrays(["a", "bc"])


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=6), st.data())
def test_text_is_split_unambiguously_and_missing_is_no_text(items, data):
    other = data.draw(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=6))
    assert (digest_arrays(items) == digest_arrays(other)) is (items == other)


def test_text_and_number_differ():
    assert digest_arrays(["1", "2"]) != digest_arrays([1, 2])


def test_shape_and_order_of_rows_columns_and_arrays_count():
    values = np.arange(6)
    digests = {
        digest_arrays(values),
        digest_arrays(values.reshape(2, 3)),
        digest_arrays(values.reshape(3, 2)),
        digest_arrays(values.reshape(3, 2).T),
        digest_arrays(values[::-1]),
        digest_arrays(values[:3], values[3:]),
        digest_arrays(values[3:], values[:3]),
        digest_arrays(values[:0]),
        digest_arrays(values.reshape(6, 1)),
        digest_arrays(np.zeros((6, 0))),
        digest_arrays(),
    }
    assert len(digests) == 11


def test_memory_order_and_strides_do_not_count():
    values = np.random.default_rng(0).integers(0, 9, (50, 4))
    assert digest_arrays(np.asfortranarray(values)) == digest_arrays(values)
    assert digest_arrays(np.repeat(values, 2, axis=0)[::2]) == digest_arrays(values)


def test_frames_agree_with_arrays_and_with_each_other():
    values = np.random.default_rng(0).integers(0, 9, (50, 4))
    assert digest_arrays(pl.DataFrame(values)) == digest_arrays(values)
    assert digest_arrays(pd.DataFrame(values)) == digest_arrays(values)
    mixed = {"age": [31, 47, None], "sex": ["f", None, "m"], "score": [0.5, -1.0, 2.0]}
    frame = pl.DataFrame(mixed)
    assert digest_arrays(frame) == digest_arrays(pd.DataFrame(mixed))
    assert digest_arrays(frame) == digest_arrays(frame.to_numpy())


def test_chunks_do_not_show():
    values = np.zeros(2 * _ROWS + 3)
    values[_ROWS + 1] = 0.5
    digest = digest_arrays(values)
    assert digest_arrays(pl.Series(values)) == digest
    assert digest_arrays(values.astype(np.float32)) == digest
    for place in (0, _ROWS - 1, _ROWS, 2 * _ROWS + 2):
        changed = values.copy()
        changed[place] = 1
        assert digest_arrays(changed) != digest


def test_dates_are_digested_by_their_value():
    days = np.array(["2024-01-01", "2024-02-29"], dtype="datetime64[D]")
    assert digest_arrays(days) == digest_arrays(days.astype("datetime64[ns]"))
    assert digest_arrays(days) == digest_arrays(pl.Series(days))
    assert digest_arrays(days) != digest_arrays(days[::-1])
