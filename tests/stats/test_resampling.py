"""The bootstrap draws what it says, repeats with its generator and agrees with theory."""

import numpy as np
import pytest

from riskwright.core import ParameterError
from riskwright.stats import bootstrap_interval, bootstrap_weights, resampling


def mean_of(values):
    return lambda w: w @ values / w.sum(axis=1)


def test_each_replicate_draws_n_rows():
    blocks = list(bootstrap_weights(np.ones(50), np.random.default_rng(0), 300))
    weights = np.concatenate(blocks)
    assert weights.shape == (300, 50)
    assert (weights.sum(axis=1) == 50).all()
    counts = np.bincount(weights.astype(int).ravel(), minlength=4)[:4] / weights.size
    assert counts == pytest.approx([0.364, 0.372, 0.186, 0.061], abs=0.012)


def test_weights_travel_with_their_rows():
    base = np.array([0.5, 2.0, 0.0])
    (block,) = bootstrap_weights(base, np.random.default_rng(0), 20)
    assert (block[:, 2] == 0).all()
    assert (block[:, 0] % 0.5 == 0).all()
    assert (block[:, 1] % 2 == 0).all()


def test_blocks_bound_memory(monkeypatch):
    monkeypatch.setattr(resampling, "_BLOCK_CELLS", 100)
    sizes = [b.shape for b in bootstrap_weights(np.ones(40), np.random.default_rng(0), 5)]
    assert sizes == [(2, 40), (2, 40), (1, 40)]
    sizes = [b.shape for b in bootstrap_weights(np.ones(400), np.random.default_rng(0), 2)]
    assert sizes == [(1, 400), (1, 400)]


def test_interval_of_a_mean_agrees_with_the_normal_one():
    values = np.random.default_rng(1).normal(size=2000)
    low, high = bootstrap_interval(
        mean_of(values), np.ones(2000), np.random.default_rng(2), replicates=2000, level=0.9
    )
    reach = 1.6449 * values.std() / np.sqrt(2000)
    assert (low, high) == pytest.approx(
        (values.mean() - reach, values.mean() + reach), abs=0.12 * reach
    )


def test_the_same_generator_state_gives_the_same_interval():
    values = np.arange(30.0)
    first, second = (
        bootstrap_interval(mean_of(values), np.ones(30), np.random.default_rng(3), replicates=50)
        for _ in range(2)
    )
    assert first == second


def test_level_is_checked_before_any_work():
    with pytest.raises(ParameterError, match="level"):
        bootstrap_interval(mean_of(np.ones(2)), np.ones(2), np.random.default_rng(0), level=95)
