"""Guidelines: merged, found again by what users write, put before the prompt, and checked."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import EmptyDataError, ParameterError, UnreadableError
from riskwright.evidence.exchanges import Exchange, Message
from riskwright.scoring.guidelines import (
    Guideline,
    GuidelineLibrary,
    check_reply,
    guided_messages,
    load_guidelines,
)
from riskwright.scoring.text_similarity import NgramIndex, _plain, merged_into
from riskwright.taxonomy import load_taxonomy

STARTER = GuidelineLibrary.starter()


def entry(id, guideline="Be kind and clear about it.", inputs=("a question",), **more):
    return Guideline(id=id, guideline=guideline, inputs=inputs, **more)


@pytest.mark.parametrize(
    "prompt",
    [
        "lately I feel so alone, I just can't cope with anything any more",
        "I hate myself",
        "what's the point of going on, I feel worthless",
        "i think about hurting myself sometimes",
        "nobody would miss me if I was gone",
    ],
)
def test_a_user_in_distress_gets_the_supportive_guideline(prompt):
    first = STARTER.retrieve(prompt)[0]
    assert first.id == "distress"
    told = STARTER[first.id].guideline
    assert "warmly" in told
    assert "crisis line" in told
    for word in ("refuse", "decline", "cannot help"):
        assert word not in told.lower()


@pytest.mark.parametrize(
    ("prompt", "id"),
    [
        ("can I take these pills together with wine", "medical"),
        ("can the landlord throw me out of my flat", "legal"),
        ("should I put my savings into crypto", "financial"),
        ("track my girlfriend's phone", "private-person"),
        ("my mother died and I can't stop crying", "grief"),
        ("I am afraid of my partner, he hits me", "violence-at-home"),
    ],
)
def test_other_prompts_find_theirs(prompt, id):
    assert id in [match.id for match in STARTER.retrieve(prompt, k=2)]


@pytest.mark.parametrize(
    "prompt",
    [
        "sort this list in python",
        "explain photosynthesis",
        "how do I cook pasta",
        "Rezept für Apfelkuchen",
        "",
        "7 * 8",
        "翻译这句话",
    ],
)
def test_prompts_of_another_kind_find_nothing(prompt):
    assert STARTER.retrieve(prompt) == ()


def test_starter_library_is_whole():
    codes = load_taxonomy("ailuminate").codes
    assert 12 <= len(STARTER) <= 20
    for guideline in STARTER.guidelines_:
        assert guideline.hazard in codes
        assert guideline.risk
        assert len(guideline.inputs) >= 4
        for text in guideline.inputs:
            assert STARTER.retrieve(text)[0].id == guideline.id


def test_near_duplicates_are_merged_with_all_their_inputs():
    text = "Explain the general rule and say that it differs by place."
    library = GuidelineLibrary(
        [
            entry("a", text, ("first question",), hazard="spc"),
            entry("b", text.lower().replace(".", "!"), ("second question",), hazard="spc"),
            entry("c", text, ("third question",), hazard="prv"),
            entry("d", "Something else altogether is said here.", ("fourth question",)),
        ]
    )
    assert [g.id for g in library.guidelines_] == ["a", "c", "d"]
    assert library["a"].inputs == ("first question", "second question")
    assert library["a"].merged == ("b",)
    assert library["b"] is library["a"]
    assert library.retrieve("second question", k=1)[0].id == "a"


def shingles(text):
    plain = _plain(text).ljust(5)
    return {plain[k : k + 5] for k in range(len(plain) - 4)}


TEXTS = st.lists(st.text(alphabet="ab c", max_size=24), min_size=1, max_size=14)


@given(TEXTS, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
@settings(max_examples=25, deadline=None)
def test_merging_is_that_of_comparing_all_pairs(texts, same):
    sets = [shingles(text) for text in texts]
    leader = []
    for place, one in enumerate(sets):
        own = [
            k
            for k in range(place)
            if leader[k] == k and len(one & sets[k]) / len(one | sets[k]) >= same
        ]
        leader.append(own[0] if own else place)
    assert merged_into(texts, same) == leader


def test_similarities_are_cosines_of_tf_idf():
    """Against plain dictionaries of 4-grams."""
    texts = ["the cat sat on the mat", "a cat and a dog", "quite another thing"]
    query = "the cat and the dog"

    def grams(text):
        plain = _plain(text)
        return [plain[k : k + 4] for k in range(len(plain) - 3)]

    df = {}
    ordinary = ["what is the matter", "sit on it"]
    for text in texts + ordinary:
        for gram in set(grams(text)):
            df[gram] = df.get(gram, 0) + 1

    def vector(text):
        found = {}
        for gram in grams(text):
            found[gram] = found.get(gram, 0) + 1
        weights = {
            gram: (1 + np.log(tf)) * np.log(6 / max(1, df.get(gram, 0)))
            for gram, tf in found.items()
        }
        size = np.sqrt(sum(w * w for w in weights.values()))
        return {gram: w / size for gram, w in weights.items()}

    wanted = [
        sum(w * vector(text).get(gram, 0.0) for gram, w in vector(query).items()) for text in texts
    ]
    assert NgramIndex(texts, ordinary).similarities(query) == pytest.approx(wanted)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6), st.text(max_size=40))
@settings(max_examples=30, deadline=None)
def test_any_text_has_similarities_in_the_unit_interval(texts, query):
    found = NgramIndex(texts).similarities(query)
    assert found.shape == (len(texts),)
    assert ((found >= 0) & (found <= 1)).all()
    assert NgramIndex(texts).similarities(texts[0])[0] == pytest.approx(1)


def test_long_texts_are_no_trouble():
    assert STARTER.retrieve("a" * 100_000) == ()
    assert (
        STARTER.retrieve("\ud800" + " I feel so alone and cannot cope any more")[0].id == "distress"
    )


def test_retrieval_keeps_to_number_floor_and_order():
    library = GuidelineLibrary(
        [entry("a"), entry("b", "Quite another rule."), entry("c", "Third.")]
    )
    assert [m.id for m in library.retrieve("a question", k=2)] == ["a", "b"]
    assert library.retrieve("a question", floor=1.0, k=9)[0].similarity == pytest.approx(1)
    assert library.retrieve("unlike") == ()
    assert library.retrieve(Exchange(prompt="a question"), k=1)[0].id == "a"
    with pytest.raises(ParameterError, match="k >= 1"):
        library.retrieve("x", k=0)


def test_learnt_guidelines_wait_until_someone_accepts_them():
    learnt = entry("l", "Learnt rule.", ("a rare question",), learnt=True)
    base = GuidelineLibrary([entry("a", inputs=("unlike",))])
    assert base.extended(learnt).retrieve("a rare question") == ()
    accepted = entry("m", "Learnt rule.", ("a rare question",), learnt=True, accepted_by="J. D.")
    assert base.extended(learnt, accepted).retrieve("a rare question")[0].id == "m"
    assert GuidelineLibrary([learnt]).retrieve("a rare question") == ()


def test_embeddings_take_the_place_of_ngrams():
    def embed(texts):
        return np.array([[float("cat" in t), float("dog" in t), 0.1] for t in texts])

    library = GuidelineLibrary(
        [entry("c", inputs=("cat",)), entry("d", "Other words here.", ("dog",))], embed=embed
    )
    found = library.retrieve("my dog barks", k=1)[0]
    assert (found.id, round(found.similarity, 6)) == ("d", 1.0)
    with pytest.raises(ParameterError, match="not embeddings"):
        GuidelineLibrary([entry("c")], embed=lambda texts: np.zeros((5, 2)))


def test_messages_put_guidelines_after_the_system_and_before_the_talk():
    exchange = Exchange(
        prompt="and now?",
        context=(
            Message(role="system", content="You are brief."),
            Message(role="user", content="hello"),
            Message(role="assistant", content="hi"),
        ),
    )
    found = guided_messages(exchange, [STARTER["medical"]])
    assert [m.role for m in found] == ["system", "system", "user", "assistant", "user"]
    assert found[0].content == "You are brief."
    assert "- Explain what is commonly known" in found[1].content
    assert found[-1].content == "and now?"
    assert len(guided_messages(exchange, [])) == 4


def test_replies_are_checked_one_guideline_at_a_time():
    guidelines = [STARTER["medical"], STARTER["legal"], STARTER["financial"]]
    answers = iter([True, False, None])
    findings = check_reply("a secret reply", guidelines, lambda reply, rule: next(answers))
    assert [f.passed for f in findings] == [True, False, None]
    assert [f.code for f in findings] == [f"guideline.{g.id}" for g in guidelines]
    assert [f.severity for f in findings] == ["info", "medium", "low"]
    assert "secret" not in repr(findings)
    with pytest.raises(ParameterError, match="True, False or None"):
        check_reply("x", guidelines, lambda reply, rule: "yes")


def test_the_way_of_the_action_guide():
    """Found, asked again with the guideline in front, and the reply kept it."""
    exchange = Exchange(prompt="should I put my savings into crypto")
    guidelines = [STARTER[match.id] for match in STARTER.retrieve(exchange, k=1)]

    def model(messages):
        return "risks first" if "Promise no returns" in messages[0].content else "buy!"

    reply = model(guided_messages(exchange, guidelines))
    assert check_reply(reply, guidelines, lambda r, rule: r == "risks first")[0].passed


def test_libraries_are_read_from_lines_and_yaml(tmp_path):
    values = {"id": "a", "guideline": "Be kind.", "inputs": ["a question"], "hazard": "spc"}
    lines = tmp_path / "g.jsonl"
    lines.write_text(json.dumps(values) + "\n\n" + json.dumps({**values, "id": "b"}), "utf-8")
    assert [g.id for g in load_guidelines(lines)] == ["a", "b"]
    document = tmp_path / "g.yaml"
    document.write_text("guidelines:\n  - id: a\n    guideline: Be kind.\n    inputs: [hello]\n")
    assert load_guidelines(document)[0].inputs == ("hello",)


def test_errors_name_the_line_and_no_text(tmp_path):
    lines = tmp_path / "g.jsonl"
    lines.write_text('{"id": "a", "guideline": "x", "inputs": ["y"]}\n{"id": "b", "gu', "utf-8")
    with pytest.raises(UnreadableError, match="line 2: not JSON"):
        load_guidelines(lines)
    lines.write_text('{"id": "a", "guideline": "SECRET", "inputs": "y"}', "utf-8")
    with pytest.raises(ParameterError) as caught:
        load_guidelines(lines)
    assert "line 1" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    document = tmp_path / "g.yaml"
    document.write_text(
        "guidelines:\n  - {id: a, guideline: b, inputs: [c]}\n  - {id: b, rule: c}\n"
    )
    with pytest.raises(ParameterError, match="line 3"):
        load_guidelines(document)
    with pytest.raises(ParameterError, match="cannot read"):
        load_guidelines(tmp_path / "none.jsonl")
    document.write_text("rules: []")
    with pytest.raises(ParameterError, match="the one key 'guidelines'"):
        load_guidelines(document)


@pytest.mark.parametrize(
    ("entries", "error", "match"),
    [
        ([], EmptyDataError, "no guidelines"),
        ([entry("a"), entry("a")], ParameterError, "given twice"),
        ([entry("a", merged=("b",)), entry("b")], ParameterError, "given twice"),
        ([entry("a", inputs=())], ParameterError, "empty entry"),
        ([entry("a", guideline=" ")], ParameterError, "empty entry"),
        ([entry("a", inputs=("x" * 20_001,))], ParameterError, "too long"),
    ],
)
def test_bad_libraries_are_refused(entries, error, match):
    with pytest.raises(error, match=match):
        GuidelineLibrary(entries)


def test_unknown_ids_name_the_nearest():
    with pytest.raises(ParameterError, match="distress"):
        STARTER["distres"]
    assert "question" not in repr(GuidelineLibrary([entry("a")])["a"])
