"""Constraints in the user's words: what they become, what they refuse, which of them clash."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from riskwright.core import ConstraintError, Feature, Item, ParameterError
from riskwright.solvers import AtMost, Constraints, IfThen, ItemRules
from riskwright.solvers.constraints import feasible

FEATURES = (
    Feature(name="age", type="numeric"),
    Feature(name="smoker", type="binary"),
    Feature(name="site", type="categorical"),
)
ITEMS = (
    Item(feature="age", kind="ge", label="age ≥ 45", low=45),
    Item(feature="age", kind="ge", label="age ≥ 65", low=65),
    Item(feature="age", kind="lt", label="age < 30", high=30),
    Item(feature="age", kind="missing", label="age missing"),
    Item(feature="smoker", kind="ge", label="smoker", low=0.5),
    Item(feature="site", kind="in", label="site = lung", levels=("lung",)),
    Item(feature="site", kind="in", label="site = skin", levels=("skin",)),
)
OWNER = (0, 0, 0, 0, 1, 2, 2)
SIZES = {"max_terms": 3, "max_features": None, "max_points": 5, "max_intercept": 50.0}


def resolve(constraints: Constraints, **sizes):
    return constraints.resolve(ITEMS, FEATURES, OWNER, **(SIZES | sizes))


def ranges(rules) -> list[tuple[float, float]]:
    return list(zip(rules.low, rules.high, strict=True))


def test_without_constraints_every_range_is_full():
    rules = resolve(Constraints())
    assert ranges(rules) == [(-5, 5)] * len(ITEMS)
    assert rules.feature == OWNER
    assert rules.intercept == (-50, 50)
    assert rules.sentences == ()


def test_points_and_signs_of_columns_and_items_intersect():
    rules = resolve(
        Constraints(points={"age": (1, 9), "age ≥ 65": (-3, 2)}, sign={"age": "+", "smoker": "-"})
    )
    assert ranges(rules)[:5] == [(1, 5), (1, 2), (1, 5), (1, 5), (-5, 0)]
    assert rules.sentences == (
        "points of age from 1 to 9",
        "points of age ≥ 65 from -3 to 2",
        "sign of age is +",
        "sign of smoker is -",
    )


@pytest.mark.parametrize(("direction", "rising"), [("up", (0, 5)), ("down", (-5, 0))])
def test_monotone_turns_with_the_side_of_the_threshold_and_leaves_missing_alone(direction, rising):
    falling = (-rising[1], -rising[0])
    rules = resolve(Constraints(monotone={"age": direction}))
    assert ranges(rules)[:4] == [rising, rising, falling, (-5, 5)]


def test_include_exclude_groups_and_pairs_become_sets_of_items():
    rules = resolve(
        Constraints(
            include=("age", "smoker"),
            exclude=("site = skin",),
            at_most=(AtMost(count=1, of=("age", "site = lung")),),
            if_then=(IfThen(use="site", then="smoker"),),
            intercept=(-4.5, 1.0),
        )
    )
    assert rules.required == ((0, 1, 2, 3), (4,))
    assert ranges(rules)[6] == (0, 0)
    assert rules.at_most == (((0, 1, 2, 3, 5), 1),)
    assert rules.if_then == ((5, (4,)), (6, (4,)))
    assert rules.intercept == (-4.5, 1.0)


def test_whole_intercept_is_rounded_inwards():
    assert resolve(Constraints(intercept=(-4.5, 1.2)), whole_intercept=True).intercept == (-4, 1)
    with pytest.raises(ConstraintError) as caught:
        resolve(Constraints(intercept=(0.2, 0.8)), whole_intercept=True)
    assert caught.value.conflict == ("intercept from 0.2 to 0.8",)


UNKNOWN = [
    (Constraints(points={"agee": (0, 1)}), "points", "age"),
    (Constraints(sign={"smokr": "+"}), "sign", "smoker"),
    (Constraints(monotone={"agge": "up"}), "monotone", "age"),
    (Constraints(include=("site = lungs",)), "include", "site = lung"),
    (Constraints(exclude=("age > 65",)), "exclude", "age ≥ 65"),
    (Constraints(at_most=(AtMost(count=1, of=("age", "sites")),)), "at_most", "site"),
    (Constraints(if_then=(IfThen(use="smoker", then="Age"),)), "if_then", "age"),
]


@pytest.mark.parametrize(("constraints", "field", "meant"), UNKNOWN, ids=[u[1] for u in UNKNOWN])
def test_unknown_names_are_refused_with_close_ones(constraints, field, meant):
    with pytest.raises(ParameterError) as caught:
        resolve(constraints)
    assert field in caught.value.where
    assert repr(meant) in caught.value.hint


def test_name_like_no_other_is_refused_without_a_guess():
    with pytest.raises(ParameterError) as caught:
        resolve(Constraints(include=("zzzz",)))
    assert caught.value.hint is None


@pytest.mark.parametrize("kind", ["interval", "in"])
def test_monotone_is_refused_where_items_have_no_direction(kind):
    items = (Item(feature="age", kind=kind, label="a", low=1, high=2, levels=("x",)),)
    with pytest.raises(ParameterError, match="threshold"):
        Constraints(monotone={"age": "up"}).resolve(items, FEATURES[:1], (0,), **SIZES)


WRONG = {
    "sign": Constraints(sign={"age": "positive"}),
    "monotone": Constraints(monotone={"age": "increasing"}),
    "points": Constraints(points={"age": (0.5, 2)}),
    "order of points": Constraints(points={"age": (2, 1)}),
    "include": Constraints(include="age"),
    "at_most": Constraints(at_most=(AtMost(count=1.5, of=("age",)),)),
    "intercept": Constraints(intercept=(1.0, -1.0)),
    "intercept without end": Constraints(intercept=(-math.inf, 0.0)),
    "intercept at no number": Constraints(intercept=(math.nan, 1.0)),
    "points beyond the class": Constraints(points={"age": (10, 20)}),
    "object": Constraints(points={"age": object()}),
}


@pytest.mark.parametrize("name", WRONG)
def test_values_that_are_not_allowed_are_refused_and_never_read_as_something_else(name):
    with pytest.raises(ParameterError):
        resolve(WRONG[name])


def test_numpy_numbers_are_numbers():
    rules = resolve(Constraints(points={"age ≥ 45": (np.int64(1), np.int64(2))}))
    assert ranges(rules)[0] == (1, 2)


CLASHES = [
    (Constraints(include=("smoker",), exclude=("smoker",)), {}, 2),
    (Constraints(include=("smoker",), points={"smoker": (0, 0)}), {}, 2),
    (Constraints(include=("smoker",), points={"smoker": (2, 3)}, sign={"smoker": "-"}), {}, 3),
    (Constraints(include=("age", "smoker", "site")), {"max_terms": 2}, 4),
    (Constraints(include=("age", "smoker", "site")), {"max_features": 2}, 4),
    (
        Constraints(include=("age", "smoker", "site")),
        {"max_terms": 2, "max_features": 2},
        4,
    ),
    (Constraints(include=("age", "site"), at_most=(AtMost(count=1, of=("age", "site")),)), {}, 3),
    (
        Constraints(
            include=("site = lung",),
            if_then=(IfThen(use="site", then="smoker"), IfThen(use="smoker", then="age ≥ 65")),
            exclude=("age ≥ 65",),
            sign={"age": "+"},
        ),
        {},
        4,
    ),
    (
        Constraints(
            include=("smoker", "age"),
            if_then=(IfThen(use="age", then="site"),),
            at_most=(AtMost(count=2, of=("age", "smoker", "site")),),
            intercept=(-1, 1),
        ),
        {},
        4,
    ),
    (Constraints(include=("age ≥ 45", "age ≥ 65", "age < 30", "age missing")), {}, 5),
]


@pytest.mark.parametrize(("constraints", "sizes", "count"), CLASHES)
def test_clash_is_named_by_constraints_none_of_which_can_be_spared(constraints, sizes, count):
    with pytest.raises(ConstraintError) as caught:
        resolve(constraints, **sizes)
    conflict = caught.value.conflict
    assert len(conflict) == len(set(conflict)) == count
    assert all(sentence in str(caught.value) for sentence in conflict)


def _pieces(constraints: Constraints):
    """The constraints one by one, each as `Constraints` of its own."""
    for field in ("points", "sign"):
        for name, value in getattr(constraints, field).items():
            yield {field: {name: value}}
    for field in ("exclude", "include", "at_most", "if_then"):
        for value in getattr(constraints, field):
            yield {field: (value,)}


def _joined(pieces) -> Constraints:
    fields: dict = {}
    for piece in pieces:
        for field, value in piece.items():
            old = fields.get(field)
            fields[field] = value if old is None else old | value if field in _MAPS else old + value
    return Constraints(**fields)


_MAPS = ("points", "sign")


def _clashes(pieces, **sizes) -> bool:
    try:
        resolve(_joined(pieces), **sizes)
    except ConstraintError:
        return True
    return False


def test_named_clash_is_minimal_on_random_sets_of_constraints():
    rng = np.random.default_rng(0)
    names = [*(f.name for f in FEATURES), *(i.label for i in ITEMS if i.label != "smoker")]
    clashing = 0

    def some(count: int) -> tuple[str, ...]:
        return tuple(rng.choice(names, count, replace=False).tolist())

    for _ in range(400):
        constraints = Constraints(
            points=dict.fromkeys(some(1), (1, 2)) if rng.random() < 0.5 else {},
            sign=dict.fromkeys(some(1), "-") if rng.random() < 0.5 else {},
            include=some(int(rng.integers(1, 4))),
            exclude=some(int(rng.integers(0, 3))),
            at_most=(AtMost(count=1, of=some(2)),) if rng.random() < 0.5 else (),
            if_then=(IfThen(use=some(1)[0], then=some(1)[0]),) if rng.random() < 0.7 else (),
        )
        sizes = {
            "max_terms": int(rng.integers(1, 4)),
            "max_features": [None, 1, 2][rng.integers(3)],
        }
        pieces = list(_pieces(constraints))
        try:
            rules = resolve(constraints, **sizes)
        except ConstraintError as error:
            clashing += 1
            limits = {
                f"at most {sizes['max_terms']} terms",
                f"at most {sizes['max_features']} columns",
            }
            named = [s for s in error.conflict if s not in limits]
            kept = [p for p in pieces if resolve(_joined([p]), **FREE).sentences[0] in named]
            free = {
                "max_terms": sizes["max_terms"] if any("terms" in s for s in error.conflict) else 7,
                "max_features": sizes["max_features"]
                if any("columns" in s for s in error.conflict)
                else None,
            }
            assert len(kept) == len(named)
            assert _clashes(kept, **free)
            for spared in range(len(kept)):
                assert not _clashes(kept[:spared] + kept[spared + 1 :], **free)
            for limit, off in (("max_terms", 7), ("max_features", None)):
                if free[limit] != off:
                    assert not _clashes(kept, **(free | {limit: off}))
        else:
            assert feasible(rules, sizes["max_terms"], sizes["max_features"])
    assert 50 < clashing < 350


FREE = {"max_terms": 7, "max_features": None}


def test_feasible_agrees_with_trying_every_set_of_items():
    rng = np.random.default_rng(1)
    seen = set()
    d = 5

    def some() -> tuple[int, ...]:
        return tuple(rng.choice(d, rng.integers(1, 4), replace=False).tolist())

    for _ in range(300):
        zero = rng.random(d) < 0.3
        rules = ItemRules(
            low=tuple(np.where(zero, 0.0, -2.0)),
            high=tuple(np.where(zero, 0.0, 2.0)),
            feature=tuple(rng.integers(0, 3, d).tolist()),
            required=tuple(some() for _ in range(rng.integers(0, 4))),
            at_most=tuple((some(), int(rng.integers(0, 2))) for _ in range(rng.integers(0, 2))),
            if_then=tuple((int(rng.integers(d)), some()) for _ in range(rng.integers(0, 3))),
        )
        terms, columns = int(rng.integers(1, 5)), [None, 1, 2][rng.integers(3)]
        expected = any(
            _meets(set(chosen), rules, columns) and not any(zero[j] for j in chosen)
            for size in range(terms + 1)
            for chosen in itertools.combinations(range(d), size)
        )
        assert feasible(rules, terms, columns) is expected
        seen.add(expected)
    assert seen == {True, False}


def _meets(chosen: set[int], rules, columns) -> bool:
    return (
        (columns is None or len({rules.feature[j] for j in chosen}) <= columns)
        and all(chosen & set(group) for group in rules.required)
        and all(len(chosen & set(group)) <= most for group, most in rules.at_most)
        and all(first not in chosen or chosen & set(group) for first, group in rules.if_then)
    )
