"""Familywise error: the procedures against their definition and in simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from riskwright.core import DataError, MissingValueError, ParameterError, ValueRangeError
from riskwright.stats.multiple_testing import bonferroni, fixed_sequence, holm

PROCEDURES = [bonferroni, fixed_sequence, holm]


def closed_testing(p, delta):
    """Holm's rejections by the closure principle: every subset with i is rejected by Bonferroni."""
    k = len(p)
    subsets = [[i for i in range(k) if mask >> i & 1] for mask in range(1, 2**k)]
    kept = [s for s in subsets if min(p[i] for i in s) * len(s) > delta]
    return [not any(i in s for s in kept) for i in range(k)]


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(p):
    found = holm(p, 0.1)
    assert found.tolist() == closed_testing(p, 0.1)
    assert np.all(found[bonferroni(p, 0.1)])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_fixed_sequence_rejects_a_beginning(p):
    found = fixed_sequence(p, 0.3)
    first = next((i for i, value in enumerate(p) if value > 0.3), len(p))
    assert found.tolist() == [i < first for i in range(len(p))]


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_familywise_error_is_held_under_dependence(procedure):
    rng, errors = np.random.default_rng(0), 0
    for _ in range(2000):
        shared = rng.normal()
        z = np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=8)
        errors += procedure(ndtr(z), 0.1).any()
    assert 0 < errors / 2000 <= 0.1 + 2 * np.sqrt(0.09 / 2000)


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_bad_p_values_are_refused(procedure):
    with pytest.raises(MissingValueError, match="p_values"):
        procedure([0.01, np.nan], 0.05)
    with pytest.raises(ValueRangeError):
        procedure([0.01, 1.2], 0.05)
    with pytest.raises(DataError, match="shape"):
        procedure([[0.01]], 0.05)
    with pytest.raises(ParameterError, match="delta"):
        procedure([0.01], 0.0)
    assert procedure([], 0.05).tolist() == []
