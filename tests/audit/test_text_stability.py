"""Over-stability and over-sensitivity on scores whose faults are known."""

import re

import numpy as np
import pytest

from riskwright.audit.text_stability import (
    PERTURBATIONS,
    Perturbation,
    text_stability,
    words_that_fix,
)
from riskwright.core import DataError, EmptyDataError, MissingValueError, ParameterError

TOPICS = "claim late angry euro house water car driver police night storm letter refund lost"
WORDS = re.findall(r"\w+", TOPICS)


def texts(n=60, size=12, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size)).capitalize() + "." for _ in range(n)]


def bag(batch):
    """Counts one word, whatever its case and place."""
    return [text.lower().split().count("angry") for text in batch]


def exact_order(batch):
    return [float(sum(map(ord, text[:40])) * len(text) % 97) for text in batch]


def rates(found):
    return {one.name: one.failed.value for one in found.perturbations}


def test_a_bag_of_words_is_overstable_to_order_and_padding_but_not_to_other_words():
    found = text_stability(bag, texts(), tolerance=0)
    rate = rates(found)
    assert rate["shuffle"] >= 0.9
    assert rate["pad"] == 1.0
    assert rate["replace"] < 0.9
    assert rate["case"] == 0.0
    assert {one.code for one in found.findings} >= {"text.over_stability", "text.over_sensitivity"}
    assert found.findings[0].severity == "high"


def test_a_score_of_letters_is_oversensitive_and_not_overstable():
    found = text_stability(exact_order, texts(), tolerance=0.5)
    rate = rates(found)
    assert rate["case"] > 0.8
    assert rate["punctuation"] > 0.8
    assert rate["truncate"] < 0.2
    assert found.over_sensitivity.low > 0.9
    assert found.findings[1].severity == "high"


def test_a_constant_score_is_overstable_to_everything_and_sensitive_to_nothing():
    found = text_stability(lambda batch: np.zeros(len(batch)), texts())
    assert found.tolerance == 0
    assert found.over_stability.value == 1.0
    assert found.over_sensitivity.value == 0.0
    assert found.findings[1].severity == "info"
    assert found.anchored.value == 1.0


def test_each_perturbation_does_what_it_says():
    rng, pool = np.random.default_rng(0), ["x", "y"]
    change = {one.name: one.change for one in PERTURBATIONS}
    text = "Four words stand here!"
    assert sorted(change["shuffle"](text, rng, pool).split()) == sorted(text.split())
    assert change["pad"](text, rng, pool).startswith(text + " ")
    assert len(change["pad"](text, rng, pool).split()) >= 8
    assert change["truncate"](text, rng, pool) == "Four words"
    assert set(change["replace"](text, rng, pool).split()) <= {"x", "y"}
    typo = change["typo"](text, rng, pool)
    assert typo != text
    assert sorted(typo) == sorted(text)
    assert change["case"](text, rng, pool) == text.lower()
    assert change["case"]("abc", rng, pool) == "ABC"
    assert change["punctuation"](text, rng, pool) == "Four words stand here"
    assert change["punctuation"]("abc", rng, pool) == "abc."


@pytest.mark.parametrize("text", ["", " ", "a", "é", "12 34", "日本語のテキスト", "\n"])
def test_no_perturbation_fails_on_odd_texts(text):
    rng = np.random.default_rng(0)
    for one in PERTURBATIONS:
        assert isinstance(one.change(text, rng, []), str)
        assert isinstance(one.change(text, rng, ["x"]), str)


def test_texts_that_a_perturbation_leaves_alone_are_set_aside():
    found = text_stability(lambda batch: [len(text) for text in batch], ["one", "two", "3"])
    by_name = {one.name: one for one in found.perturbations}
    assert by_name["shuffle"].set_aside == 3
    assert by_name["shuffle"].failed.method.startswith("none")
    assert by_name["case"].failed.n == 2


def test_synonyms_are_whole_words_of_any_case():
    seen = []

    def score(batch):
        seen.extend(batch)
        return np.zeros(len(batch))

    text_stability(score, ["The car and the Cart"], synonyms={"Car": "vehicle"}, explained=0)
    assert "The vehicle and the Cart" in seen


def test_own_perturbations_join_and_rows_are_those_that_failed():
    shout = Perturbation("shout", "edit", lambda text, rng, pool: text + "!!!")
    given = ["calm", "loud!", "calm too"]

    def score(batch):
        return [float(text.endswith("!!!!")) for text in batch]

    found = text_stability(score, given, perturbations=[shout], tolerance=0.5)
    assert found.over_stability is None
    assert found.perturbations[0].rows == (1,)
    assert found.over_sensitivity.value == pytest.approx(1 / 3)


def test_a_score_that_differs_by_itself_is_told_and_edits_are_held_against_it():
    rng = np.random.default_rng(0)
    found = text_stability(
        lambda batch: (rng.random(len(batch)) < 0.3).astype(float),
        texts(80),
        perturbations=PERTURBATIONS[-1:],
        tolerance=0.5,
        limit=0.9,
    )
    assert found.repeat.value > 0.2
    assert found.findings[-1].code == "text.repeat"
    assert found.findings[0].severity in ("info", "low")


def test_no_word_of_a_text_is_in_the_result():
    given = texts(30)
    told = repr(text_stability(bag, given)).lower()
    names = {"late", "angry", "euro", "house", "police", "refund", "storm", "driver"}
    assert not names & set(re.findall(r"\w+", told))


def test_the_words_that_fix_a_score_are_those_it_reads():
    def score(batch):
        return [0.6 * ("angry" in text) + 0.4 * ("refund" in text) for text in batch]

    text = "i am so very angry that i want a refund for this at once today"
    found = words_that_fix(score, text, tolerance=0.01)
    assert found.words == ("angry", "refund")
    assert found.positions == (4, 9)
    assert found.score_kept == pytest.approx(1.0)
    assert words_that_fix(score, text, tolerance=0.5).words == ("angry",)
    nothing = words_that_fix(score, "no such word", tolerance=0)
    assert nothing.words == ()


def test_what_is_left_keeps_the_score_whatever_the_calls():
    text = " ".join(texts(5))

    def score(batch):
        return [float(len(set(text.split()))) for text in batch]

    for calls in (1, 3, 50):
        found = words_that_fix(score, text, tolerance=2, max_calls=calls)
        assert abs(score([" ".join(found.words)])[0] - found.score) <= 2


def test_anchored_texts_are_counted_among_long_ones():
    given = [*texts(20), "angry"]
    found = text_stability(bag, given, explained=30)
    assert found.anchored.n == 20
    many = [i for i, text in enumerate(given[:20]) if bag([text])[0] > 3]
    assert set(found.anchored_rows) == set(range(20)) - set(many)


def test_rates_cover_their_truth_over_samples():
    """A score that one edit moves on three texts in ten; 100 samples, error 0.022."""
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        given = [f"{'weak' if rng.random() < 0.3 else 'firm'} {i}" for i in range(50)]

        def score(batch):
            return [float(text.endswith("!") and text.startswith("weak")) for text in batch]

        shout = Perturbation("shout", "edit", lambda text, rng, pool: text + "!")
        found = text_stability(score, given, perturbations=[shout], tolerance=0.1, explained=0)
        covered += found.over_sensitivity.low <= 0.3 <= found.over_sensitivity.high
    assert covered >= 90


def test_the_same_seed_gives_the_same_result():
    assert text_stability(bag, texts(20), seed=5) == text_stability(bag, texts(20), seed=5)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"texts": []}, EmptyDataError),
        ({"texts": "one text"}, DataError),
        ({"texts": ["a", None]}, DataError),
        ({"score": lambda batch: [0.0]}, DataError),
        ({"score": lambda batch: [np.nan] * len(batch)}, MissingValueError),
        ({"tolerance": -1}, ParameterError),
        ({"perturbations": ()}, ParameterError),
        ({"perturbations": PERTURBATIONS[:1] * 2}, ParameterError),
        ({"perturbations": [Perturbation("x", "style", str)]}, ParameterError),
        ({"synonyms": {}}, ParameterError),
        ({"level": 0}, ParameterError),
        ({"limit": 1}, ParameterError),
        ({"few": 0}, ParameterError),
    ],
)
def test_bad_input_is_refused(change, error):
    given = {"score": bag, "texts": ["a word", "two words"]}
    with pytest.raises(error):
        text_stability(**(given | change))
