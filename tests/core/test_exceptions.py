"""Codes are unique and stable, the drawn tree is the true one, messages have one form."""

import pickle
import re

import pytest

from riskwright.core import exceptions
from riskwright.core.exceptions import (
    ColumnError,
    ConstraintError,
    DataError,
    MissingExtraError,
    RiskwrightError,
    UsageError,
)

CLASSES = [getattr(exceptions, name) for name in exceptions.__all__]


def drawn_tree():
    """(depth, name, code or None) of every line of the tree in the module docstring."""
    lines = exceptions.__doc__.splitlines()
    found = [re.match(r"^([│├└─ ]*)(\w+Error)\s*(RW\d{4})?", line) for line in lines]
    return [(len(m[1]) // 4, m[2], m[3]) for m in found if m]


def test_every_class_is_public_and_drawn_in_the_tree():
    defined = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, RiskwrightError)
    }
    assert defined == set(exceptions.__all__) == {name for _, name, _ in drawn_tree()}


def test_the_drawn_tree_states_the_true_parents_and_codes():
    path: list[type] = []
    for depth, name, code in drawn_tree():
        cls = getattr(exceptions, name)
        if depth:
            assert path[depth - 1] in cls.__bases__
            assert cls.code == code
        path[depth:] = [cls]


def test_codes_are_unique():
    assert len({cls.code for cls in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_message_says_where_what_expected_got_and_hint_and_ends_with_the_code(cls):
    error = cls("bad value", where="age", expected="0 to 120", got="-3", hint="Check the unit.")
    assert str(error) == (
        f"age: bad value; expected 0 to 120; got -3. Check the unit. [{cls.code}]"
    )
    assert str(cls("bad value")) == f"bad value. [{cls.code}]"


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_from_a_worker_process_arrives_whole(cls):
    error = cls("bad value", where="age", expected="0 to 120", got="-3", hint="Check the unit")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_constraint_error_keeps_the_clash():
    error = ConstraintError("no score is left", conflict=("a >= 1", "a <= 0"), where="constraints")
    assert error.conflict == ("a >= 1", "a <= 0")
    assert pickle.loads(pickle.dumps(error)).conflict == error.conflict


def test_errors_are_caught_by_the_builtin_families():
    assert issubclass(UsageError, ValueError)
    assert issubclass(DataError, ValueError)
    assert issubclass(MissingExtraError, ImportError)
    with pytest.raises(ValueError):
        raise ColumnError("no such column")
