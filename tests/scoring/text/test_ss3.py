"""SS3: values of the authors' implementation, learning and reading in parts, explanations."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from riskwright.core import DataError, EmptyDataError, ParameterError, TargetError, UsageError
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.text.ss3 import SS3Classifier
from riskwright.scoring.text.ss3_scorer import SS3Scorer
from riskwright.scoring.text.ss3_values import global_values

TEXTS = [
    *("the red apple is red. The apple pie!", "red pie\nand red apple", "a blue sea", "deep blue"),
    *("the sea is deep.\nThe blue blue sea", "green hills and green grass", "the green hills"),
]
LABELS = [*("fruit", "fruit", "water", "water", "water", "land", "land")]


def made(**params):
    return SS3Classifier(min_count=1, **params).fit(TEXTS, LABELS)


def by_hand(counts, smoothness, significance, sanction, min_count):
    """The formulas, one number after the other."""
    n_classes = len(counts[0])
    most = [max(row[c] for row in counts) for c in range(n_classes)]
    table = []
    for row in counts:
        lv = [
            (n / top) ** smoothness if n >= min_count and top else 0.0
            for n, top in zip(row, most, strict=True)
        ]
        m = sorted(lv)[(n_classes - 1) // 2]
        d = m if n_classes == 2 else sum(abs(v - m) for v in lv) / n_classes
        sg = []
        for n, v in zip(row, lv, strict=True):
            if n == 0:
                sg.append(0.0)
            elif d == 0:
                sg.append(float(v > 0))
            else:
                sg.append(float(0.5 * np.tanh(3 * (v - m) / (significance * d) - 3) + 0.5))
        values = []
        for c in range(n_classes):
            s = sum(sg[j] for j in range(n_classes) if j != c)
            sn = ((n_classes - 1 - s) / ((n_classes - 1) * (s + 1))) ** sanction
            values.append(lv[c] * sg[c] * sn)
        table.append(values)
    return table


@pytest.mark.parametrize("n_classes", [2, 3, 4, 5])
@pytest.mark.parametrize("params", [(0.45, 0.5, 1.0), (0.8, 1.2, 0.5), (0.3, 0.3, 2.0)])
def test_values_are_those_of_the_formulas(n_classes, params):
    rng = random.Random(n_classes)
    counts = [[rng.choice([0, 0, 1, 2, 5, 9, 30]) for _ in range(n_classes)] for _ in range(200)]
    names = ("smoothness", "significance", "sanction")
    got = global_values(counts, min_count=2, **dict(zip(names, params, strict=True)))
    np.testing.assert_allclose(got, by_hand(counts, *params, 2), atol=1e-12)
    assert got.min() >= 0
    assert got.max() <= 1


def test_values_are_those_of_the_implementation_of_the_authors():
    """pyss3 0.6.5, original definition, sigma 0.45, lambda 0.5, rho 1, on these counts."""
    counts = [[6, 2, 0], [2, 6, 3], [3, 0, 2]]
    got = global_values(counts)
    printed = [
        [0.99597976, 0.00037723, 0.0],
        [0.0, 0.00246347, 0.00246347],
        [0.00142748, 0.0, 0.1361599],
    ]
    np.testing.assert_allclose(got, printed, atol=1e-8)


def test_a_word_of_one_class_counts_by_frequency_and_a_common_one_not_at_all():
    model = SS3Classifier(min_count=1).fit(["the the a a a a b", "the c c"], ["x", "y"])
    values = {term: model.global_values_[row] for term, row in model.vocabulary_.items()}
    assert values["a"].tolist() == [1.0, 0.0]
    assert values["b"].tolist() == pytest.approx([0.25**0.45, 0.0])
    assert values["the"].max() < 0.1


@settings(max_examples=30)
@given(st.permutations(range(len(TEXTS))), st.sets(st.integers(1, len(TEXTS) - 1)))
def test_learning_in_any_parts_and_order_is_learning_at_once(order, cuts):
    whole = made(n_grams=2)
    parts = SS3Classifier(min_count=1, n_grams=2)
    places = [0, *sorted(cuts), len(TEXTS)]
    for low, high in itertools.pairwise(places):
        chosen = order[low:high]
        parts.partial_fit([TEXTS[i] for i in chosen], [LABELS[i] for i in chosen])
        parts.predict(TEXTS)
    assert parts.to_artifact() == whole.to_artifact()
    assert (parts.class_values(TEXTS) == whole.class_values(TEXTS)).all()


WORDS = st.sampled_from(
    [
        *["the", "red", "apple", "pie", "blue", "sea", "deep", "green", "hills"],
        *".!?\n ",
        "3.5",
        "x" * 70,
        "苹果",
        "İ",
    ]
)


@settings(max_examples=80)
@given(
    st.lists(WORDS, max_size=30).map(" ".join) | st.lists(WORDS, max_size=30).map("".join),
    st.lists(st.integers(0, 9), min_size=1, max_size=5),
    st.tuples(*[st.sampled_from(["sum", "mean", "max"])] * 3),
    st.integers(1, 3),
)
def test_reading_in_any_parts_is_reading_at_once(text, sizes, summary, n_grams):
    model = made(summary=summary, n_grams=n_grams)
    scorer = SS3Scorer(model, {"fruit": "spc", "water": ""})
    reading = scorer.begin()
    place = turn = 0
    while place < len(text):
        size = sizes[turn % len(sizes)] + (turn % 5 == 4)
        values = reading.feed(text[place : place + size])
        place, turn = place + size, turn + 1
        [score] = scorer.score([Exchange(prompt=text[:place])])
        assert values == score.values["ss3"]
    told = model.explain(text).values
    assert list(told.values()) == model.class_values([text])[0].tolist()


def test_explanations_nest_and_add_up():
    model = made()
    text = "The red apple. A sea!\n\nGreen hills? and"
    whole = model.explain(text)
    assert [part.kind for part in whole.parts] == ["paragraph", "paragraph"]
    first, second = whole.parts
    assert [text[s.start : s.end] for s in first.parts] == ["The red apple", "A sea"]
    assert [text[s.start : s.end] for s in second.parts] == ["Green hills", "and"]
    for level in (whole, first, second, *first.parts, *second.parts):
        for label in level.values:
            assert level.values[label] == pytest.approx(sum(p.values[label] for p in level.parts))
    terms = [text[t.start : t.end] for s in first.parts for t in s.parts]
    assert "red" in terms
    assert "red" not in repr(whole)


def test_operators_sum_up_as_they_say():
    text = "red apple. red\npie"
    red, apple, pie = (made().class_values([word])[0, 0] for word in ("red", "apple", "pie"))
    at = made().classes_.tolist().index("fruit")
    assert at == 0
    for summary, expected in (
        (("sum", "sum", "sum"), 2 * red + apple + pie),
        (("mean", "sum", "sum"), (red + apple) / 2 + red + pie),
        (("max", "mean", "max"), max((max(red, apple) + red) / 2, pie)),
    ):
        assert made(summary=summary).class_values([text])[0, 0] == pytest.approx(expected)


def test_terms_of_several_words_stay_within_a_sentence():
    model = made(n_grams=2)
    assert "red apple" in model.vocabulary_
    assert "red the" not in model.vocabulary_
    assert "apple red" not in model.vocabulary_
    told = model.explain("a red apple").parts[0].parts[0].parts
    assert (2, 11) in {(term.start, term.end) for term in told}


def test_predictions_shares_and_differences_agree():
    model = made()
    assert model.predict(TEXTS).tolist() == LABELS
    shares = model.predict_proba(TEXTS)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (model.classes_[shares.argmax(axis=1)] == LABELS).all()
    assert (model.decision_function(TEXTS) == model.class_values(TEXTS)).all()
    two = SS3Classifier(min_count=1).fit(TEXTS[:5], LABELS[:5])
    values = two.class_values(TEXTS)
    assert two.decision_function(TEXTS).tolist() == (values[:, 1] - values[:, 0]).tolist()


def test_a_text_of_unknown_words_goes_to_the_largest_class_at_even_shares():
    model = made()
    assert model.predict(["zebra", ""]).tolist() == ["water", "water"]
    np.testing.assert_allclose(model.predict_proba(["zebra"]), 1 / 3)


def test_settings_act_on_what_is_learned():
    model = made()
    before = model.global_values_
    changed = model.set_params(smoothness=0.9).global_values_
    assert (changed == made(smoothness=0.9).global_values_).all()
    assert (changed != before).any()


def test_a_saved_model_reads_and_learns_on_as_before():
    import json

    model = made(n_grams=2, summary=("mean", "sum", "max"))
    kind, body = model.to_artifact()
    assert kind == "ss3"
    again = SS3Classifier.from_artifact(json.loads(json.dumps(body)))
    assert again.to_artifact() == model.to_artifact()
    assert (again.class_values(TEXTS) == model.class_values(TEXTS)).all()
    more = (["a green pie"], ["land"])
    assert again.partial_fit(*more).to_artifact() == model.partial_fit(*more).to_artifact()


def test_the_grammar_of_scikit_learn():
    model = SS3Classifier(smoothness=0.6, min_count=1)
    assert clone(model).get_params() == model.get_params()
    texts = [f"{'red apple' if i % 2 else 'blue sea'} {i}" for i in range(40)]
    assert cross_val_score(model, texts, [i % 2 for i in range(40)], cv=4).tolist() == [1.0] * 4
    assert model.fit(np.array(texts, dtype=object), [i % 2 for i in range(40)]).score(
        texts, [i % 2 for i in range(40)]
    )
    early = SS3Classifier(min_count=1).partial_fit(["red"], [1], classes=[0, 1, 2])
    assert early.classes_.tolist() == [0, 1, 2]
    assert early.predict_proba(["red"]).shape == (1, 3)


@pytest.mark.parametrize(
    "name",
    [
        *("check_estimator_cloneable", "check_parameters_default_constructible"),
        *("check_no_attributes_set_in_init", "check_get_params_invariance", "check_set_params"),
        *("check_estimator_repr", "check_valid_tag_types"),
    ],
)
def test_checks_of_scikit_learn_that_need_no_table(name):
    """All others fit tables of numbers."""
    from sklearn.utils import estimator_checks

    getattr(estimator_checks, name)("SS3Classifier", SS3Classifier())


def test_fit_forgets_and_partial_fit_does_not():
    model = made()
    assert set(model.fit(["red"], ["x"]).vocabulary_) == {"red"}
    assert set(model.partial_fit(["blue"], ["y"]).vocabulary_) == {"red", "blue"}


def test_scores_name_hazards_and_places():
    scorer = SS3Scorer(made(), {"fruit": "spc", "water": ""})
    [score] = scorer.score([Exchange(id="3", prompt="x", reply="a red apple in the sea")])
    assert score.id == "3"
    assert score.hazards == {"spc": score.values["ss3"]["spc"]}
    assert 0 < score.hazards["spc"] < score.severity <= 1
    assert {(one.start, one.end, one.by, one.part) for one in score.evidence} >= {
        (2, 5, "ss3.fruit", "reply"),
        (19, 22, "ss3.water", "reply"),
    }
    assert score.scorers["ss3"] == scorer.version
    assert SS3Scorer(made(smoothness=0.9), {"fruit": "spc"}).version != scorer.version


def test_more_words_of_a_risky_class_raise_the_score():
    reading = SS3Scorer(made(), {"fruit": ""}).begin()
    seen = [reading.feed("red apple pie ")["any"] for _ in range(10)]
    assert seen == sorted(seen)
    assert seen[-1] > 0.95


def test_wrong_settings_and_data_are_refused():
    for params in ({"smoothness": 0}, {"significance": 0}, {"sanction": -1}, {"n_grams": 6}):
        with pytest.raises(ParameterError, match="out of range"):
            SS3Classifier(**params).fit(["a"], [0])
    with pytest.raises(ParameterError, match="operator"):
        SS3Classifier(summary=("sum", "sum")).fit(["a"], [0])
    with pytest.raises(DataError, match="list of texts"):
        SS3Classifier().fit("a text", [0])
    with pytest.raises(DataError, match="row 1"):
        SS3Classifier().fit(["a", 3], [0, 1])
    with pytest.raises(EmptyDataError):
        SS3Classifier().fit([], [])
    with pytest.raises(TargetError, match="wrong shape"):
        SS3Classifier().fit(["a"], [0, 1])
    with pytest.raises(TargetError, match="not a class"):
        SS3Classifier().fit(["a"], [0.5])
    with pytest.raises(UsageError, match="nothing"):
        SS3Classifier().predict(["a"])
    with pytest.raises(TargetError, match="different types"):
        SS3Classifier().fit(["a"], ["x"]).partial_fit(["b"], [1])
    with pytest.raises(ParameterError, match="no class"):
        SS3Scorer(made(), {"metal": ""})
    with pytest.raises(ParameterError, match="no category"):
        SS3Scorer(made(), {"fruit": "xyz"})
    with pytest.raises(ParameterError, match="not said"):
        SS3Scorer(made())


def test_too_many_terms_are_refused(monkeypatch):
    monkeypatch.setattr("riskwright.scoring.text.ss3.MAX_TERMS", 3)
    with pytest.raises(DataError, match="too many terms"):
        SS3Classifier().fit(["a b c d"], [0])


def test_a_hundred_thousand_letters_are_read():
    model = made()
    reading = SS3Scorer(model, {"fruit": ""}).begin()
    for text in ("x" * 100_000, "red " * 25_000, "." * 100_000, "\n" * 100_000):
        model.class_values([text])
        reading.feed(text)
