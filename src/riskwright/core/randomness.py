"""Seeds: randomness enters as an explicit generator, and one seed gives independent streams."""

from __future__ import annotations

import numpy as np

from .exceptions import ParameterError

__all__ = ["generator"]

Seed = int | np.random.Generator | np.random.RandomState | None


def generator(seed: Seed, *stream: int) -> np.random.Generator:
    """A generator for `seed`; `stream` numbers tell apart uses that must not share draws.

    A `Generator` is returned as it is; a `RandomState` (scikit-learn's habit) seeds a new one.
    Raises `ParameterError` for a negative seed.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, np.random.RandomState):
        seed = int(seed.randint(2**31))
    if seed is not None and seed < 0:
        raise ParameterError("negative seed", where="seed", expected="at least 0", got=str(seed))
    return np.random.default_rng(None if seed is None else [int(seed), *stream])
