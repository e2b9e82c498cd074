"""Planted words are found and confirmed; the texts stay out of the record."""

import msgspec
import numpy as np
import pytest

from riskwright.audit.text_slices import find_text_slices
from riskwright.core import DataError, MissingValueError, ParameterError

WORDS = ["loan", "card", "refund", "rate", "office", "letter", "branch", "Überweisung"]


def planted(n=2000, seed=0, gap=0.3):
    rng = np.random.default_rng([seed, 1])
    texts = [" ".join(rng.choice(WORDS, 3)) + f" secret{i}" for i in range(n)]
    bad = np.array(["refund" in text for text in texts])
    return texts, bad, (rng.random(n) < 0.1 + gap * bad).astype(float)


def test_a_planted_word_is_named_and_confirmed():
    texts, bad, loss = planted()
    found = find_text_slices(loss, texts, loss_name="share of errors")
    worst = found.slices[0]
    assert worst.words == 'the word "refund"'
    assert worst.p_value < 1e-6
    assert worst.confirmed.low <= 0.3 <= worst.confirmed.high
    assert abs(worst.share - bad.mean()) < 0.05
    assert (found.findings[0].code, found.findings[0].severity) == ("slice.worst", "high")
    assert found.examined == len(WORDS)


def test_no_text_is_part_of_the_record():
    texts, _, loss = planted()
    assert b"secret" not in msgspec.json.encode(find_text_slices(loss, texts))


def test_items_held_out_decide_nothing_of_the_hypotheses():
    texts, _, loss = planted()
    first = find_text_slices(loss, texts, k=20)
    rng = np.random.default_rng([0, 5107])
    held = rng.random(len(texts)) < 0.5
    second = find_text_slices(np.where(held, loss[::-1], loss), texts, k=20)
    assert {s.words for s in first.slices} == {s.words for s in second.slices}
    assert {s.gap for s in first.slices} == {s.gap for s in second.slices}
    assert {s.confirmed for s in first.slices} != {s.confirmed for s in second.slices}


def test_a_describer_states_the_hypotheses():
    texts, _, loss = planted()

    def describe(given):
        return {"a text about refunds": ["refund" in t for t in given], "a text": [1] * len(given)}

    found = find_text_slices(loss, texts, describe=describe)
    assert [s.words for s in found.slices] == ["a text about refunds"]
    assert found.examined == 1
    with pytest.raises(DataError, match="other than 0 and 1"):
        find_text_slices(loss, texts, describe=lambda t: {"odd": [2] * len(t)})
    with pytest.raises(DataError, match="length"):
        find_text_slices(loss, texts, describe=lambda t: {"short": [1]})


def test_a_direction_of_embeddings_is_found_and_named_by_words():
    texts, bad, loss = planted()
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(len(texts), 16))
    vectors[:, 4] += 4 * bad
    found = find_text_slices(
        loss, texts, embeddings=vectors, describe=lambda t: {}, top_share=float(bad.mean())
    )
    assert '"refund"' in found.slices[0].words
    assert found.slices[0].confirmed.low > 0.15


def test_nothing_is_found_where_there_is_nothing():
    said = []
    for seed in range(20):
        texts, _, loss = planted(600, seed, gap=0.0)
        vectors = np.random.default_rng([seed, 9]).normal(size=(600, 50))
        found = find_text_slices(loss, texts, embeddings=vectors, random_state=seed)
        said.append(found.findings[-1].code != "slice.none")
    assert sum(said) <= 4  # binomial(20, 0.05) exceeds it with probability 0.003


def test_weights_of_zero_leave_items_out():
    texts, _, loss = planted()
    weight = (np.arange(loss.size) % 2).astype(float)
    weighted = find_text_slices(loss, texts, sample_weight=weight)
    kept = find_text_slices(loss[1::2], texts[1::2])
    assert [s.words for s in weighted.slices] == [s.words for s in kept.slices]


@pytest.mark.parametrize("texts", [["a"], ["", "", "1 2 3"], ["only"] * 200])
def test_texts_without_hypotheses(texts):
    found = find_text_slices(np.arange(len(texts), dtype=float), texts)
    assert found.slices == ()
    assert found.findings[0].code == "slice.none"


def test_slices_of_texts_are_not_those_of_a_table():
    texts, _, loss = planted()
    with pytest.raises(ParameterError, match="texts"):
        find_text_slices(loss, texts).on(loss, {"text": texts})


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (DataError, {"texts": ["a"]}),
        (DataError, {"texts": "abc"}),
        (DataError, {"texts": ["a", 3, "b"]}),
        (MissingValueError, {"texts": ["a", None, "b"]}),
        (DataError, {"embeddings": np.zeros((2, 2))}),
        (ParameterError, {"k": 0}),
        (ParameterError, {"hypotheses": 0}),
        (ParameterError, {"top_share": 1.0}),
        (ParameterError, {"holdout": 0.0}),
        (ParameterError, {"harm": -1}),
    ],
)
def test_bad_input_is_refused(error, change):
    options = {"texts": ["a", "b", "c"]} | change
    with pytest.raises(error):
        find_text_slices([0.0, 1.0, 2.0], options.pop("texts"), **options)
