"""Heads of few labels: leave-one-out in closed form, round trips, probabilities that hold."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from riskwright.core import ArtifactError, ParameterError, TargetError
from riskwright.scoring.text.heads import HeadsTogether, TextHead, _loo
from riskwright.scoring.text.sparse_rows import SparseRows


def drawn(n: int, seed: int = 0) -> tuple[dict[str, Any], np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    noise = csr_matrix(rng.random((n, 300)) * (rng.random((n, 300)) < 0.05))
    y = rng.random(n) < 1 / (1 + np.exp(-2 * x[:, 0]))
    return {"strong": x, "noise": noise}, y


def test_leave_one_out_is_what_refitting_without_each_row_gives() -> None:
    rng = np.random.default_rng(1)
    n, penalty = 12, 0.7
    z = rng.normal(size=(n, 3))
    kernel, y, root = z @ z.T + 10, rng.choice([-1.0, 1.0], n), np.sqrt(rng.uniform(0.5, 2, n))
    found, errors = _loo(kernel, y, root, np.array([penalty]))
    expected = np.empty(n)
    for i in range(n):
        rest = np.delete(np.arange(n), i)
        system = kernel[np.ix_(rest, rest)] + penalty * np.diag(1 / root[rest] ** 2)
        expected[i] = kernel[i, rest] @ np.linalg.solve(system, y[rest])
    np.testing.assert_allclose(found[0], expected, rtol=1e-8)
    assert errors[0] == pytest.approx(np.mean(root**2 * (y - expected) ** 2))


def test_coefficients_solve_the_penalised_least_squares() -> None:
    blocks, y = drawn(80)
    head = TextHead().fit(blocks, y)
    raw = (head.log_odds(blocks) - head._link[1]) / head._link[0]
    ready = {name: head._ready(name, block) for name, block in blocks.items()}
    kernel = 10.0 + sum(
        head.shares_[name] * np.asarray((b @ b.T).toarray() if name == "noise" else b @ b.T)
        for name, b in ready.items()
    )
    target = 2.0 * y - 1.0
    expected = kernel @ np.linalg.solve(kernel + head.penalty_ * np.eye(80), target)
    np.testing.assert_allclose(raw, expected, atol=1e-7)


def test_the_block_that_tells_counts_more_than_the_one_that_does_not() -> None:
    head = TextHead().fit(*drawn(200))
    assert head.shares_["strong"] == 1.0
    assert head.shares_["noise"] < 1.0


def test_probabilities_are_those_of_new_rows() -> None:
    """Mean of 20 fits to 200 rows: in each third of the predictions, the share of events; the
    Monte-Carlo error of a share is about 0.005."""
    gaps = []
    for seed in range(20):
        blocks, y = drawn(200, seed)
        new, happened = drawn(1000, seed + 1000)
        p = TextHead().fit(blocks, y).predict(new)
        thirds = np.array_split(np.argsort(p), 3)
        gaps.append([p[rows].mean() - happened[rows].mean() for rows in thirds])
    assert np.abs(np.mean(gaps, axis=0)).max() < 0.04


def test_pure_noise_gives_the_base_rate() -> None:
    rng = np.random.default_rng(3)
    y = rng.random(300) < 0.3
    head = TextHead().fit(rng.normal(size=(300, 20)), y)
    p = head.predict(rng.normal(size=(500, 20)))
    assert abs(p.mean() - 0.3) < 0.05
    assert p.std() < 0.1


def test_a_head_comes_back_from_json() -> None:
    blocks, y = drawn(60)
    head = TextHead().fit(blocks, y)
    back = TextHead.from_json(json.loads(json.dumps(head.to_json())))
    np.testing.assert_array_equal(back.predict(blocks), head.predict(blocks))
    assert back.to_json() == head.to_json()
    odd = head.to_json()
    odd["blocks"]["noise"]["columns"] = 10**15
    for wrong in ({}, None, [], {"blocks": {"a": {}}}, {"blocks": 3}, odd):
        with pytest.raises(ArtifactError):
            TextHead.from_json(wrong)


def test_many_coefficients_take_few_bytes() -> None:
    rng = np.random.default_rng(2)
    wide = csr_matrix(rng.random((40, 10_000)))
    head = TextHead().fit({"wide": wide}, np.arange(40) % 2)
    assert len(json.dumps(head.to_json())) < 6 * 10_000


def test_heads_together_are_what_each_says_by_itself() -> None:
    blocks, y = drawn(80)
    heads = [TextHead().fit(blocks, t) for t in (y, ~y, blocks["strong"][:, 1] > 0.3)]
    rows = blocks["noise"]
    light = SparseRows(rows.indptr, rows.indices, rows.data, rows.shape[1])
    np.testing.assert_allclose(light.tocsr().toarray(), rows.toarray())
    for noise in (rows, light):
        found = HeadsTogether(heads).log_odds({**blocks, "noise": noise})
        for k, head in enumerate(heads):
            np.testing.assert_allclose(found[:, k], head.log_odds(blocks), atol=1e-12)
    one = {"strong": blocks["strong"][7:8], "noise": rows[7:8]}
    np.testing.assert_array_equal(HeadsTogether(heads).log_odds(one)[0], found[7])


def test_shares_of_raters_are_labels_too() -> None:
    """A share counts as that part of a label: probabilities are those of the shares."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(400, 2))
    chance = 1 / (1 + np.exp(-2 * x[:, 0]))
    shares = rng.binomial(5, chance) / 5
    found = TextHead().fit(x, shares).predict(x)
    assert np.abs(found - chance).mean() < 0.04
    assert np.abs(TextHead().fit(x, np.round(shares)).predict(x) - chance).mean() > 0.06


def test_more_rows_than_are_compared_are_all_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks, y = drawn(300)
    monkeypatch.setattr("riskwright.scoring.text.heads._MOST_COMPARED", 100)
    head = TextHead().fit(blocks, y)
    assert head.n_ == 300
    assert len(head.loo_) == 100
    new, happened = drawn(1000, 9)
    p = head.predict(new)
    assert p[happened].mean() > p[~happened].mean() + 0.2


def test_only_ratios_of_weights_count_and_a_heavy_row_pulls() -> None:
    blocks, y = drawn(60)
    weight = np.ones(60)
    same = TextHead().fit(blocks, y, weight).predict(blocks)
    np.testing.assert_allclose(TextHead().fit(blocks, y, 5 * weight).predict(blocks), same)
    weight[y] = 9.0
    assert TextHead().fit(blocks, y, weight).predict(blocks).mean() > same.mean() + 0.1


@pytest.mark.parametrize(
    ("y", "weight", "error"),
    [
        ([1, 1, 1], None, TargetError),
        ([0, 1], None, ParameterError),
        ([0, 1, 2], None, TargetError),
        ([0, 1, np.nan], None, TargetError),
        ([0.5, 0.5, 0.5], None, TargetError),
        ([0, 1, 1], [1, 1, 0], ParameterError),
        ([0, 1, 1], [1, 1], ParameterError),
    ],
)
def test_labels_and_weights_that_do_not_fit(y: Any, weight: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        TextHead().fit(np.eye(3), y, weight)


def test_inputs_that_do_not_fit() -> None:
    blocks, y = drawn(30)
    head = TextHead().fit(blocks, y)
    with pytest.raises(ParameterError, match="other blocks"):
        head.predict(blocks["strong"])
    with pytest.raises(ParameterError, match="number of columns"):
        head.predict({**blocks, "strong": np.zeros((30, 5))})
    with pytest.raises(ParameterError, match="finite"):
        head.predict({**blocks, "strong": np.full((30, 4), np.nan)})
    with pytest.raises(ParameterError, match="different lengths"):
        TextHead().fit({**blocks, "strong": np.zeros((29, 4))}, y)


def test_a_constant_column_is_harmless() -> None:
    blocks, y = drawn(50)
    widened = np.column_stack([blocks["strong"], np.full(50, 7.3)])
    assert np.all(np.isfinite(TextHead().fit(widened, y).predict(widened)))
