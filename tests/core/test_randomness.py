"""One seed gives the same draws, other streams give others, generators pass through."""

import numpy as np
import pytest

from riskwright.core import ParameterError, generator


def draws(seed, *stream):
    return generator(seed, *stream).random(8).tolist()


def test_the_same_seed_and_stream_repeat():
    assert draws(3) == draws(3)
    assert draws(3, 1, 2) == draws(3, 1, 2)
    assert draws(np.int64(3)) == draws(3)


def test_seeds_and_streams_differ_from_each_other():
    runs = [draws(3), draws(4), draws(3, 1), draws(3, 2), draws(3, 1, 2), draws(3, 2, 1)]
    assert len({tuple(run) for run in runs}) == len(runs)


def test_no_seed_gives_fresh_draws():
    assert draws(None) != draws(None)


def test_a_generator_is_used_as_it_is():
    rng = np.random.default_rng(0)
    assert generator(rng, 5) is rng


def test_a_random_state_seeds_repeatably():
    assert draws(np.random.RandomState(1)) == draws(np.random.RandomState(1))


def test_a_negative_seed_is_refused():
    with pytest.raises(ParameterError, match="seed: negative seed"):
        generator(-1)
