"""N-grams: how texts are read, that sums follow the formula, that chunks do not matter."""

from __future__ import annotations

import os
import sys
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from riskwright.scoring.text._kernels import Model, State, grams

from riskwright.core import ParameterError, ValueRangeError
from riskwright.evidence.exchanges import MAX_TEXT, Exchange
from riskwright.metrics import auroc
from riskwright.scoring.text.ngrams import default_ngram_scorer

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", ROOT.parent / "shared"))
SCORER = default_ngram_scorer()
MODEL = SCORER.model
PLAIN = "The quick brown fox jumps over one lazy dog and looks back"


def gram_counts(text: str | bytes) -> Counter[int]:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    _, hashes, counts = grams([data])
    return Counter(dict(zip(hashes.tolist(), counts.tolist(), strict=True)))


@pytest.mark.parametrize("word", ["a", "it", "fox", "quick", "wonderful"])
def test_a_word_has_itself_and_its_padded_characters(word: str) -> None:
    length = len(word) + 2
    inside = sum(max(0, length - n + 1) for n in (3, 4, 5)) if len(word) > 1 else 0
    assert sum(gram_counts(word).values()) == 1 + inside


def test_two_words_add_a_pair() -> None:
    both = gram_counts("quick fox")
    both.subtract(gram_counts("quick") + gram_counts("fox"))
    assert sorted(both.values())[-1] == 1
    assert sum(both.values()) == 1


@pytest.mark.parametrize(
    "disguised",
    [
        "QUICK foX",
        "ｑｕｉｃｋ ｆｏｘ",
        "qu\u200bick fo\u00adx",
        "qúìck fôx",
        "qu\u0301ick fox\ufe0f",
        "𝐪𝐮𝐢𝐜𝐤 𝓯𝓸𝔁",
        "qu1ck f0x",
        "quісk fох",
        "  quick,\tfox!?",
        "quick\x00fox",
        "qu'ick fox'",
    ],
)
def test_common_disguises_are_undone(disguised: str) -> None:
    assert gram_counts(disguised) == gram_counts("quick fox")


@pytest.mark.parametrize(
    ("one", "other"),
    [("quick fox", "fox quick"), ("пока", "поки"), ("1984", "i984"), ("3d", "ed"), ("猫", "犬")],
)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert gram_counts(one) != gram_counts(other)


def test_scripts_without_spaces_are_read_by_character() -> None:
    assert sum(gram_counts("今天天气").values()) == 4 + 3


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\xaf"]
)
def test_bytes_that_are_no_text_part_words(bad: bytes) -> None:
    assert gram_counts(b"quick" + bad + b" fox") == gram_counts("quick fox")


def word_grams(text: str) -> list[Counter[int]]:
    """The n-grams that each word adds, from differences of whole texts."""
    words = text.split()
    found = [gram_counts(words[0])]
    for before, word in pairwise(words):
        found.append(gram_counts(f"{before} {word}") - gram_counts(before))
    return found


ROWS = {int(h): i for i, h in enumerate(MODEL.hashes)}


def plain_log_odds(parts: list[Counter[int]]) -> np.ndarray:
    """The formula of `NgramModel`, in floating point."""
    total: Counter[int] = sum(parts, Counter())
    known, value = [], []
    unknown = 0
    for gram, count in total.items():
        if gram in ROWS:
            damped = round(64 * (1 + np.log(count)))
            known.append(ROWS[gram])
            value.append(float(MODEL.rarity[ROWS[gram]]) * damped)
        else:
            unknown += count
    square = np.square(value).sum() + unknown * (MODEL.unknown_rarity * 64.0) ** 2
    return MODEL.bias + MODEL.factor * (value @ MODEL.weight[known].astype(float)) / np.sqrt(square)


LONG = " ".join(f"{PLAIN.lower()} you stupid idiot number {k} zxqv" for k in "abcdefgh")


def test_log_odds_of_a_text_and_of_its_windows_are_those_of_the_formula() -> None:
    whole, peak, _ = MODEL.kernel.scores([LONG.encode()])
    parts = word_grams(LONG)
    np.testing.assert_allclose(whole[0], plain_log_odds(parts), rtol=1e-9)
    n = MODEL.window
    windows = [plain_log_odds(parts[i : i + n]) for i in range(len(parts) - n + 1)]
    outputs = len(MODEL.hazards) + 1
    np.testing.assert_allclose(peak[0], np.max(windows, axis=0)[:outputs], rtol=1e-9)


def test_recent_is_the_last_window_alone() -> None:
    state = SCORER.begin()
    state.feed(LONG)
    last = plain_log_odds(word_grams(LONG)[-MODEL.window :])[: len(MODEL.hazards) + 1]
    expected = 1 / (1 + np.exp(-last))
    np.testing.assert_allclose(list(state.recent.values()), expected, rtol=1e-9)


def test_a_short_text_is_its_own_window() -> None:
    whole, peak, _ = MODEL.kernel.scores([PLAIN.encode()])
    np.testing.assert_array_equal(whole[:, : peak.shape[1]], peak)


@cache
def tiny(window: int) -> Any:
    """A model that knows some of the letters' n-grams, with a short window."""
    _, hashes, _ = grams([b"ab ba aa bb abab 1a a1 a b"])
    known = np.unique(hashes)[::2].astype(np.uint32)
    rng = np.random.default_rng(1)
    weight = rng.integers(-127, 128, (len(known), 3)).astype(np.int8)
    rarity = rng.integers(16, 200, len(known)).astype(np.uint8)
    return Model(known, rarity, weight, 200, [0.1, -0.2, 0.0], [0.01, 0.02, 0.03], 2, window)


TEXT = st.text(st.sampled_from("aAbB1 .'\n é\u0301\u200b猫\U0001f600\ud800ß"), max_size=60)


@given(
    text=TEXT | st.text(max_size=40),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    window=st.integers(1, 6),
)
def test_however_a_text_is_cut_its_scores_are_those_of_the_whole_to_the_bit(
    text: str, cuts: list[int], window: int
) -> None:
    model = tiny(window)
    state = State(model)
    ends = [*sorted(min(cut, len(text)) for cut in cuts), len(text)]
    begin = 0
    for end in ends:
        state.feed(text[begin:end].encode("utf-8", "surrogatepass"))
        begin = end
        so_far = text[:end].encode("utf-8", "surrogatepass")
        whole, peak, counts = model.scores([so_far])
        found = state.scores()
        np.testing.assert_array_equal(found[0], whole[0])
        np.testing.assert_array_equal(found[2], peak[0])
        np.testing.assert_array_equal(found[3], counts[0])


@given(cuts=st.lists(st.integers(0, len(LONG)), max_size=5))
def test_a_stream_ends_at_the_score_of_the_whole_text(cuts: list[int]) -> None:
    state = SCORER.begin(Exchange(prompt="anything"))
    values: dict[str, float] = {}
    edges = [0, *sorted(cuts), len(LONG)]
    for begin, end in pairwise(edges):
        values = state.feed(LONG[begin:end])
    whole = SCORER.score([Exchange(reply=LONG)])[0]
    assert values == whole.values["ngrams"]


def test_late_harm_is_not_drowned_by_a_long_harmless_beginning() -> None:
    calm = "we talked about the garden and the weather and then had tea with friends " * 40
    late = calm + "shut up you stupid worthless idiot nobody likes you " * 4
    before, after = SCORER.score([Exchange(reply=calm), Exchange(reply=late)])
    assert after.severity > before.severity + 0.2
    whole, peak, _ = MODEL.kernel.scores([late.encode()])
    assert peak[0, -1] > whole[0, len(MODEL.hazards)] + 1.0


def test_words_add_up_to_the_log_odds_of_the_text() -> None:
    exchange = Exchange(prompt=f"Wow: {PLAIN}, {PLAIN} – stupid idiot!")
    whole, _, _ = MODEL.kernel.scores([exchange.prompt.encode()])
    for k, hazard in enumerate((*MODEL.hazards, "any")):
        spans = SCORER.explain(exchange, hazard)
        total = sum(span.weight for span in spans) + MODEL.bias[k]
        assert total == pytest.approx(whole[0, k], abs=1e-9)
    assert [exchange.prompt[s.start : s.end] for s in spans] == [
        "Wow", *PLAIN.split(), *PLAIN.split(), "stupid", "idiot",
    ]  # fmt: skip


def test_the_evidence_is_the_heaviest_words_of_the_judged_part() -> None:
    text = "é 猫 have a nice day, you stupid idiot"
    score = SCORER.score([Exchange(prompt="idiot", reply=text)])[0]
    assert {span.part for span in score.evidence} == {"reply"}
    assert {text[s.start : s.end] for s in score.evidence[:2]} <= {"you", "stupid", "idiot"}
    weights = [span.weight for span in score.evidence]
    assert weights == sorted(weights, reverse=True)
    assert min(weights) > 0


def test_a_score_says_what_it_is() -> None:
    exchange = Exchange(prompt=PLAIN, id="7", attributes={"language": "en"})
    score = SCORER.score([exchange])[0]
    assert (score.id, score.outcome, score.meaning) == ("7", "scored", "rank")
    assert set(score.hazards) == set(MODEL.hazards)
    assert score.values["ngrams"]["any"] == score.severity
    assert score.scorers == {"ngrams": SCORER.version}
    assert score.attributes == {"language": "en"}
    assert score.digest == exchange.digest
    assert all(0 <= value <= 1 for value in score.values["ngrams"].values())


@pytest.mark.parametrize("text", ["", " \n", "!?…", "🙂", "\u200b", "\ud800"])
def test_a_text_without_words_is_the_average_and_out_of_distribution(text: str) -> None:
    score = SCORER.score([Exchange(prompt=text)])[0]
    average = 1 / (1 + np.exp(-MODEL.bias[len(MODEL.hazards)]))
    assert score.severity == pytest.approx(average)
    assert score.out_of_distribution is True
    assert score.evidence == ()


def test_unknown_languages_are_out_of_distribution() -> None:
    strange = "Λόγια που κανείς δεν έμαθε εδώ"
    found = SCORER.score([Exchange(prompt=strange), Exchange(prompt=PLAIN)])
    assert [score.out_of_distribution for score in found] == [True, False]


def test_a_text_of_a_million_characters_is_read_and_a_longer_one_fails_by_itself() -> None:
    text = "word " * (MAX_TEXT // 5)
    found = SCORER.score([Exchange(prompt=text), Exchange(prompt=text + "."), Exchange(prompt="a")])
    assert [score.outcome for score in found] == ["scored", "failed", "scored"]
    assert found[1].severity is None
    assert found[1].hazards == {}
    with pytest.raises(ValueRangeError, match="too long"):
        SCORER.features([text + "."])
    state = SCORER.begin()
    state.feed(text)
    with pytest.raises(ValueRangeError, match="too long"):
        state.feed(".")


@pytest.mark.parametrize(
    "text", ["a" * 10**5, "\u0301" * 10**5, "1a" * 10**5, "猫" * 10**5, "'" * 10**5]
)
def test_long_runs_are_read(text: str) -> None:
    assert SCORER.score([Exchange(prompt=text)])[0].outcome == "scored"


def test_what_is_no_text_is_refused_without_being_quoted() -> None:
    with pytest.raises(ParameterError, match="got int"):
        SCORER.begin().feed(12345)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="a sequence of str"):
        SCORER.features("secret")
    with pytest.raises(ParameterError, match="no hazard"):
        SCORER.explain(Exchange(prompt="secret"), "xyz")


def test_the_form_of_a_question_alone_is_not_taken_for_harm() -> None:
    asked = (
        "How can I bake cookies",
        "What are ways to train for a triathlon?",
        "Hi",
        "今天天气怎么样",
    )
    rude = ("you are a pathetic loser", "how can i steal a car", "all immigrants are vermin")
    calm = [s.severity for s in SCORER.score([Exchange(prompt=t) for t in asked])]
    bad = [s.severity for s in SCORER.score([Exchange(prompt=t) for t in rude])]
    assert max(s for s in calm if s is not None) < min(s for s in bad if s is not None)


def test_features_have_names_and_are_finite() -> None:
    found = SCORER.features([PLAIN, "", LONG])
    assert found.shape == (3, len(SCORER.feature_names))
    assert np.all(np.isfinite(found))
    assert len(set(SCORER.feature_names)) == found.shape[1]
    column = SCORER.feature_names.index("log_words")
    np.testing.assert_allclose(
        np.expm1(found[:, column]), [len(PLAIN.split()), 0, len(LONG.split())]
    )


def test_no_texts_give_no_scores() -> None:
    assert SCORER.score([]) == []
    assert SCORER.features([]).shape == (0, len(SCORER.feature_names))
    assert SCORER.grams([]).shape == (0, len(MODEL.hashes))


def test_rows_of_tf_idf_have_length_one_where_all_is_known() -> None:
    found = SCORER.grams(["the", "the the the", "zxqvj wwkkqz"]).tocsr()
    lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    assert lengths[0] == pytest.approx(1.0)
    assert lengths[2] < 0.5


@pytest.fixture(scope="module")
def sources() -> Any:
    if not (SHARED / "data" / "text").is_dir():
        pytest.skip("shared data are not here")
    sys.path.insert(0, str(ROOT / "tools"))
    import guard_sources

    return {s.name: list(s.read(SHARED / "data" / "text")) for s in guard_sources.TESTS}


def severity(texts: list[Any]) -> np.ndarray:
    return np.array([s.severity for s in SCORER.score([Exchange(prompt=t.text) for t in texts])])


def test_moderation_samples_that_no_weight_has_seen_are_ranked(sources: Any) -> None:
    texts = sources["openai_moderation"]
    assert auroc([t.harmful for t in texts], severity(texts)).value >= 0.66


def test_harmful_questions_rank_above_everyday_instructions(sources: Any) -> None:
    bad, good = sources["simplesafetytests"], sources["everyday_instructions"]
    scores = np.r_[severity(bad), severity(good)]
    assert auroc(np.r_[np.ones(len(bad)), np.zeros(len(good))], scores).value >= 0.92


def test_two_hundred_labels_rank_the_rest(sources: Any) -> None:
    from riskwright.scoring.text.heads import TextHead

    texts = sources["openai_moderation"]
    y = np.array([t.harmful for t in texts])
    inputs = SCORER.inputs([t.text for t in texts])
    found = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(y))
        some, rest = order[:200], order[len(y) // 2 :]
        head = TextHead().fit({name: block[some] for name, block in inputs.items()}, y[some])
        odds = head.log_odds({name: block[rest] for name, block in inputs.items()})
        found.append(auroc(y[rest], odds).value)
    assert np.mean(found) >= 0.78
